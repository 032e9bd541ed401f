//! How many different values there were in a time span.
//!
//! Up to [`EXACT_MAX`] values a slice of the span are kept as they are; a slice with more becomes a HyperLogLog
//! (Flajolet, Fusy, Gandouet, Meunier 2007) of [`REGISTERS`] registers. The estimate is Ertl's improved raw estimator
//! (2017, "New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6), which needs no table of
//! corrections and is right from small numbers to large ones. Its standard error is 1.04/√512, 4.6 %.
//!
//! The span is cut into [`SLICES`] slices. At any moment the current slice and the five before it count: nothing older
//! than the span is ever counted, and of the oldest sixth of the span up to all is not. A value that came in several
//! slices counts once.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Taken, slice_of};

/// Slices of a time span. Six: what the oldest end may miss stays below 17 %.
pub const SLICES: i64 = 6;

/// Values that one slice holds exactly.
pub const EXACT_MAX: usize = 16;

/// Registers of a slice with more values; a power of two.
pub const REGISTERS: usize = 1 << REGISTER_BITS;

/// The standard error of an estimate, as a share of the number: 1.04/√512. Exact while no slice has more than
/// [`EXACT_MAX`] values.
pub const STANDARD_ERROR: f64 = 0.046;

const REGISTER_BITS: u32 = 9;

/// The last bits of a hash make room for the number of its slice, of which eight can be told apart.
const SLICE_BITS: u32 = 3;
const SLICE_MASK: u64 = (1 << SLICE_BITS) - 1;

/// The bits of a hash in which zeros are counted.
const RANK_BITS: u32 = u64::BITS - REGISTER_BITS - SLICE_BITS;

/// The different values in a sliding time span.
///
/// Its content is a function of the set of `(value, slice)` pairs of the slices that still count: neither order nor
/// repetition nor the way in which parts were merged can be seen in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distinct {
    slice_ns: i64,
    /// The latest slice with a value; `i64::MIN` if there is none.
    latest: i64,
    /// Hashes with the number of their slice in the last bits; sorted, each once.
    few: Vec<u64>,
    /// Slices with more values than are kept exactly, by number.
    many: Vec<Registers>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Registers {
    slice: i64,
    ranks: Box<[u8]>,
}

impl Distinct {
    /// Nothing in `span_ns` nanoseconds yet.
    #[must_use]
    pub const fn new(span_ns: i64) -> Self {
        let slice_ns = span_ns / SLICES;
        Self {
            slice_ns: if slice_ns < 1 { 1 } else { slice_ns },
            latest: i64::MIN,
            few: Vec::new(),
            many: Vec::new(),
        }
    }

    /// A value, as a well-mixed hash of 64 bits that is the same on every machine, and when it came. A value from before
    /// the slices that count is [`Taken::Late`]; any other order changes nothing.
    pub fn add(&mut self, hash: u64, at: i64) -> Taken {
        let slice = slice_of(at, self.slice_ns);
        self.advance(slice);
        if slice < self.oldest() {
            return Taken::Late;
        }
        if let Some(registers) = self.many.iter_mut().find(|registers| registers.slice == slice) {
            return registers.add(hash);
        }
        let entry = entry(hash, slice);
        let Err(place) = self.few.binary_search(&entry) else {
            return Taken::Unchanged;
        };
        self.few.reserve_exact(1);
        self.few.insert(place, entry);
        self.spill(slice);
        Taken::Changed
    }

    /// How many different values the span that ends at `now` has; at the latest value if `now` is before it.
    #[must_use]
    pub fn estimate(&self, now: i64) -> u64 {
        if self.latest == i64::MIN {
            return 0;
        }
        let oldest = slice_of(now, self.slice_ns)
            .max(self.latest)
            .saturating_sub(SLICES - 1);
        let mut ranks = [0; REGISTERS];
        let mut is_exact = true;
        for registers in self.many.iter().filter(|registers| registers.slice >= oldest) {
            is_exact = false;
            raise_all(&mut ranks, &registers.ranks);
        }
        let mut different = 0;
        let mut before = None;
        for entry in &self.few {
            if self.slice_of_entry(*entry) < oldest {
                continue;
            }
            let value = entry & !SLICE_MASK;
            if before != Some(value) {
                different += 1;
                before = Some(value);
            }
            if !is_exact {
                raise(&mut ranks, value);
            }
        }
        if is_exact { different } else { ertl(&ranks) }
    }

    /// Takes in what another part of the stream had. False, and nothing done, if the spans differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.slice_ns != other.slice_ns {
            return false;
        }
        if other.latest == i64::MIN {
            return true;
        }
        self.advance(other.latest);
        let oldest = self.oldest();
        for theirs in other.many.iter().filter(|registers| registers.slice >= oldest) {
            let own = self.registers_of(theirs.slice);
            raise_all(&mut own.ranks, &theirs.ranks);
        }
        for entry in &other.few {
            let slice = other.slice_of_entry(*entry);
            if slice < oldest {
                continue;
            }
            if let Some(registers) = self.many.iter_mut().find(|registers| registers.slice == slice) {
                registers.add(*entry);
            } else if let Err(place) = self.few.binary_search(entry) {
                self.few.reserve_exact(1);
                self.few.insert(place, *entry);
                self.spill(slice);
            }
        }
        true
    }

    /// The time up to which the latest slice reaches.
    #[must_use]
    pub const fn latest(&self) -> i64 {
        self.latest.saturating_add(1).saturating_mul(self.slice_ns)
    }

    /// Bytes it takes, those behind pointers included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.few.capacity() * size_of::<u64>()
            + self.many.capacity() * size_of::<Registers>()
            + self.many.len() * REGISTERS
    }

    const fn oldest(&self) -> i64 {
        self.latest.saturating_sub(SLICES - 1)
    }

    /// Makes a later slice the latest, and lets go of what no longer counts.
    fn advance(&mut self, slice: i64) {
        if slice <= self.latest {
            return;
        }
        if self.latest != i64::MIN {
            let (latest, oldest) = (self.latest, slice.saturating_sub(SLICES - 1));
            self.few.retain(|entry| slice_before(*entry, latest) >= oldest);
            self.many.retain(|registers| registers.slice >= oldest);
            if self.few.capacity() > self.few.len().saturating_mul(2) {
                self.few.shrink_to_fit();
            }
            self.many.shrink_to_fit();
        }
        self.latest = slice;
    }

    /// A slice with more values than are kept exactly becomes registers.
    fn spill(&mut self, slice: i64) {
        let latest = self.latest;
        let own = |entry: &u64| slice_before(*entry, latest) == slice;
        if self.few.iter().filter(|entry| own(entry)).count() > EXACT_MAX {
            self.registers_of(slice);
        }
    }

    /// The registers of a slice, made of its exact values if there were none.
    fn registers_of(&mut self, slice: i64) -> &mut Registers {
        let place = self.many.partition_point(|registers| registers.slice < slice);
        if self
            .many
            .get(place)
            .is_none_or(|registers| registers.slice != slice)
        {
            let mut registers = Registers {
                slice,
                ranks: vec![0; REGISTERS].into_boxed_slice(),
            };
            let latest = self.latest;
            self.few.retain(|entry| {
                let is_own = slice_before(*entry, latest) == slice;
                if is_own {
                    registers.add(*entry);
                }
                !is_own
            });
            self.few.shrink_to_fit();
            self.many.reserve_exact(1);
            self.many.insert(place, registers);
        }
        #[expect(clippy::indexing_slicing, reason = "it was found there or was put there")]
        &mut self.many[place]
    }

    const fn slice_of_entry(&self, entry: u64) -> i64 {
        slice_before(entry, self.latest)
    }
}

impl Registers {
    fn add(&mut self, hash: u64) -> Taken {
        match raise(&mut self.ranks, hash) {
            Ordering::Less => Taken::Changed,
            Ordering::Equal | Ordering::Greater => Taken::Unchanged,
        }
    }
}

/// A hash with the number of its slice in the last bits.
const fn entry(hash: u64, slice: i64) -> u64 {
    (hash & !SLICE_MASK) | (slice.cast_unsigned() & SLICE_MASK)
}

/// The latest slice, up to `latest`, with the number that an entry has.
const fn slice_before(entry: u64, latest: i64) -> i64 {
    let back = latest.cast_unsigned().wrapping_sub(entry) & SLICE_MASK;
    latest.saturating_sub(back.cast_signed())
}

/// Enters a hash. How the register compared with the hash's rank before: `Less` if it rose.
fn raise(ranks: &mut [u8], hash: u64) -> Ordering {
    let place = usize::try_from(hash >> (u64::BITS - REGISTER_BITS)).unwrap_or_default();
    // The bit behind those that count stops the zeros.
    let rest = ((hash & !SLICE_MASK) << REGISTER_BITS) | (1 << (u64::BITS - RANK_BITS - 1));
    let rank = u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX);
    ranks.get_mut(place).map_or(Ordering::Equal, |register| {
        let before = (*register).cmp(&rank);
        *register = (*register).max(rank);
        before
    })
}

fn raise_all(ranks: &mut [u8], others: &[u8]) {
    for (own, other) in ranks.iter_mut().zip(others) {
        *own = (*own).max(*other);
    }
}

/// Ertl 2017, algorithm 6, with q = [`RANK_BITS`].
fn ertl(ranks: &[u8]) -> u64 {
    /// 1 / (2 ln 2).
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    const M: f64 = REGISTERS as f64;
    let mut counts = [0_u32; RANK_BITS as usize + 2];
    for rank in ranks {
        if let Some(count) = counts.get_mut(usize::from(*rank)) {
            *count += 1;
        }
    }
    let [zeros, between @ .., full] = &counts;
    let mut sum = M * tau(1.0 - f64::from(*full) / M);
    for count in between.iter().rev() {
        sum = 0.5 * (sum + f64::from(*count));
    }
    sum += M * sigma(f64::from(*zeros) / M);
    let estimate = ALPHA * M * M / sum;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and the estimate is not negative"
    )]
    if estimate.is_finite() {
        (estimate + 0.5) as u64
    } else {
        u64::MAX
    }
}

/// x + Σ x^(2^k) 2^(k-1): what registers without a value add.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// (1 - x - Σ (1 - x^(2^-k))² 2^-k) / 3: what full registers add.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests;
