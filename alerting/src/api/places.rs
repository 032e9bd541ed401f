//! Where a stream goes on: the number of a change, which grows with everybody's changes. Whoever does not see everything
//! gets it encrypted: gaps between numbers would tell how much happens to others.

use openssl::symm::{Cipher, decrypt, encrypt};

use super::who::Who;
use crate::state::State;

/// Turns numbers of changes into what a stream shows, and back.
pub(super) struct Places(Option<[u8; 32]>);

impl Places {
    pub(super) fn of(state: &State, who: &Who) -> Self {
        Self((!who.sees().is_everything()).then(|| state.key.derived("varde:places")))
    }

    pub(super) fn write(&self, change: i64) -> String {
        let Some(key) = &self.0 else {
            return change.to_string();
        };
        // One block: eight bytes of the number, eight of padding that says whether it is one of ours.
        let sealed = encrypt(Cipher::aes_256_ecb(), key, None, &change.to_be_bytes());
        sealed.map(hex::encode).unwrap_or_default()
    }

    pub(super) fn read(&self, text: &str) -> Option<i64> {
        let Some(key) = &self.0 else {
            return text.parse().ok();
        };
        let plain = decrypt(Cipher::aes_256_ecb(), key, None, &hex::decode(text).ok()?).ok()?;
        plain.try_into().ok().map(i64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_shows_no_number() {
        let (open, hidden) = (Places(None), Places(Some([7; 32])));
        let (one, two) = (hidden.write(41), hidden.write(42));
        assert_eq!((open.write(42), open.read("42")), ("42".to_owned(), Some(42)));
        assert_eq!((hidden.read(&one), hidden.read(&two)), (Some(41), Some(42)));
        assert!(
            one.chars().zip(two.chars()).filter(|(a, b)| a == b).count() < 16,
            "{one} {two}"
        );
        for text in ["42", "", "zz", &two[..30], &format!("{two}00")] {
            assert_eq!(hidden.read(text), None, "{text}");
        }
        assert_eq!(Places(Some([8; 32])).read(&two), None, "another's key");
    }
}
