//! What is asked under one registered domain: whether its names carry data.
//!
//! A tunnel puts what it sends into names, so that they are many, all different, long and of high entropy. The number of
//! different names is estimated ([`Distinct`]); length and entropy are means over all questions in the same slices. The
//! bytes that got through are the names times their mean length: a name that is asked for again carries nothing new.

use serde::{Deserialize, Serialize};

use super::{
    Distinct, Taken,
    distinct::SLICES,
    entropy::{Name, bits_per_character},
    sum::Sum,
};

/// Entropy is added up in whole parts of a bit, so that no order of questions can be seen in the sum.
const PARTS_OF_A_BIT: f64 = 1_000_000.0;

/// The questions of one entity under one registered domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    names: Distinct,
    /// Questions, bytes of their prefixes, millionths of a bit a character.
    asked: Sum<[u64; 3], SLICES>,
}

/// What the time span has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carried {
    /// Different names.
    pub names: u64,
    /// Bytes in front of the registered domain, of all different names together.
    pub bytes: u64,
    /// Bits a character, the mean of all questions.
    pub entropy: f64,
    /// Questions, those for the same name included.
    pub questions: u64,
}

impl Tunnel {
    /// Nothing in `span_ns` nanoseconds yet.
    #[must_use]
    pub const fn new(span_ns: i64) -> Self {
        Self {
            names: Distinct::new(span_ns),
            asked: Sum::new(span_ns),
        }
    }

    /// A question: its name split at the registered domain, a hash of the whole name as for [`Distinct::add`], and when.
    /// Names without a prefix carry nothing and change nothing.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 8 bits, in millionths"
    )]
    pub fn ask(&mut self, name: &Name<'_>, hash: u64, at: i64) -> Taken {
        if name.prefix.is_empty() {
            return Taken::Unchanged;
        }
        let bits = (bits_per_character(name.prefix) * PARTS_OF_A_BIT + 0.5) as u64;
        match self.names.add(hash, at) {
            Taken::Late => Taken::Late,
            Taken::Changed | Taken::Unchanged => self.asked.add([1, name.prefix.len() as u64, bits], at),
        }
    }

    /// What the span that ends at `now` has.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    pub fn carried(&self, now: i64) -> Carried {
        let [questions, bytes, bits] = self.asked.total(now);
        let names = self.names.estimate(now).min(questions);
        let all = u128::from(questions.max(1));
        let carried = (u128::from(names) * u128::from(bytes) + all / 2) / all;
        Carried {
            names,
            bytes: u64::try_from(carried).unwrap_or(u64::MAX),
            entropy: bits as f64 / PARTS_OF_A_BIT / questions.max(1) as f64,
            questions,
        }
    }

    /// Takes in what another part of the stream had. False, and nothing done, if the spans differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        self.names.merge(&other.names) && self.asked.merge(&other.asked)
    }

    /// Bytes it takes, those behind pointers included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.names.bytes() + self.asked.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Carried, Name, Tunnel};
    use crate::sketch::Taken;

    const SPAN: i64 = 600;

    /// FNV-1a with a last mix.
    fn hash(text: &str) -> u64 {
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn ask(state: &mut Tunnel, name: &str, at: i64) -> Taken {
        state.ask(&Name::split(name).unwrap(), hash(name), at)
    }

    #[test]
    fn a_tunnel_has_many_long_names_of_high_entropy() {
        let mut state = Tunnel::new(SPAN);
        for index in 0..1_000_u64 {
            let data: String = (0..12)
                .map(|part| format!("{:04x}", hash(&format!("{index} {part}")) & 0xFFFF))
                .collect();
            ask(&mut state, &format!("{data}.t.example.com"), index as i64 / 2);
        }
        let carried = state.carried(499);
        assert!((900..=1_100).contains(&carried.names), "{carried:?}");
        assert!((45_000..=55_000).contains(&carried.bytes), "{carried:?}");
        assert!(carried.entropy > 3.5, "{carried:?}");
        assert_eq!(carried.questions, 1_000);
    }

    #[test]
    fn the_same_names_again_carry_nothing() {
        let mut state = Tunnel::new(SPAN);
        for index in 0..1_000 {
            let name = ["www.example.com", "mail.example.com", "example.com"][index % 3];
            ask(&mut state, name, index as i64 / 2);
        }
        let carried = state.carried(499);
        assert_eq!((carried.names, carried.bytes, carried.questions), (2, 7, 667));
        assert_eq!(ask(&mut state, "example.com", 500), Taken::Unchanged);
    }

    #[test]
    fn parts_merge_and_old_questions_leave() {
        let (mut one, mut other) = (Tunnel::new(SPAN), Tunnel::new(SPAN));
        ask(&mut one, "abcd.example.com", 0);
        ask(&mut other, "wxyz.example.com", 50);
        assert!(one.merge(&other));
        let carried = Carried {
            names: 2,
            bytes: 8,
            entropy: 2.0,
            questions: 2,
        };
        assert_eq!(one.carried(599), carried);
        assert_eq!(one.carried(600).names, 0);
        assert_eq!(ask(&mut one, "abcd.example.com", 700), Taken::Changed);
        assert_eq!(ask(&mut one, "abcd.example.com", 50), Taken::Late);
        assert!(!one.merge(&Tunnel::new(SPAN * 2)));
    }

    #[test]
    fn it_is_as_small_as_stated() {
        let mut state = Tunnel::new(SPAN);
        assert!(state.bytes() <= 96, "{}", state.bytes());
        for index in 0..100_000 {
            ask(&mut state, &format!("{index}.example.com"), index % SPAN);
        }
        assert!(state.bytes() <= 3_600, "{}", state.bytes());
        let bytes = postcard::to_allocvec(&state).unwrap();
        assert_eq!(postcard::from_bytes::<Tunnel>(&bytes).unwrap(), state);
    }
}
