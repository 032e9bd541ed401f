//! What anomaly rules keep of one entity: small states that are added to, asked, saved and merged.
//!
//! Pure mathematics. A state depends on the inputs it was given and on nothing else: no clock, no randomness. What
//! decides is computed with `+ - * /` and `sqrt` in `f64` alone, which IEEE 754 defines to the bit, so that every
//! machine comes to the same alert; a logarithm comes from `libm`, which is such arithmetic.
//!
//! Times are nanoseconds since 1970. Windows slide in slices that begin at multiples of their length, so that two
//! detectors that saw different parts of a stream cut it at the same places.
//!
//! Keys and tables of entities, event time and alerts are the correlator's.

pub mod baseline;
pub mod beacon;
pub mod distinct;
pub mod entropy;
mod narrow;
pub mod rate;
pub mod recent;
pub mod share;
pub mod sum;
pub mod tunnel;

pub use baseline::{Ewma, HourOfWeek, Pace, Verdict};
pub use beacon::{Beacon, Score};
pub use distinct::Distinct;
pub use entropy::{Name, bits_per_character};
pub use rate::Pauses;
pub use recent::{Memory, Recent, Seen};
pub use share::{Share, Shares};
pub use sum::{Sum, Volume};
pub use tunnel::{Carried, Tunnel};

/// What an input did to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is counted, and the state is another.
    Changed,
    /// It says nothing new. What the state answers is what it answered before.
    Unchanged,
    /// From before what the state still covers; nothing was done with it.
    Late,
}

/// The number of the slice that a time lies in. Slices are never shorter than a nanosecond.
const fn slice_of(at: i64, slice_ns: i64) -> i64 {
    at.div_euclid(if slice_ns < 1 { 1 } else { slice_ns })
}
