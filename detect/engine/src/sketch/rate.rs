//! How long an entity usually pauses, so that a silence can be told.
//!
//! Pauses are counted by length in steps of half a power of two, from eight seconds to six days, apart for the current
//! memory and the one before it. The usual pause is the longest that occurred at least [`TIMES`] times in both: the
//! night counts, the week-end counts once the memory has two, and one outage does not. It is given as the upper end of
//! its step, at most 1.42 times the pause itself, so that a silence is told late rather than early.
//!
//! Inputs come in order of time. One from before the latest is refused; it would have split a pause that is counted.

use serde::{Deserialize, Serialize};

use super::{Taken, slice_of};

/// A pause is usual when it, or a longer one, occurred so often.
pub const TIMES: u32 = 2;

const STEPS: usize = 32;

/// Pauses below this are all alike: eight seconds.
const SHORTEST_SECONDS: i64 = 8;

const SECOND_NS: i64 = 1_000_000_000;

/// The pauses of one entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    latest: i64,
    /// Pauses that ended in the current memory, by step; 255 are as good as more.
    current: [u8; STEPS],
    /// Those of the memory before.
    before: [u8; STEPS],
    observed: u32,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            latest: i64::MIN,
            current: [0; STEPS],
            before: [0; STEPS],
            observed: 0,
        }
    }
}

impl Pauses {
    /// Something from the entity. Pauses of the last one to two `memory_ns` are remembered.
    pub fn see(&mut self, memory_ns: i64, at: i64) -> Taken {
        if self.latest == i64::MIN {
            self.latest = at;
            return Taken::Changed;
        }
        if at < self.latest {
            return Taken::Late;
        }
        if at == self.latest {
            return Taken::Unchanged;
        }
        match slice_of(at, memory_ns).saturating_sub(slice_of(self.latest, memory_ns)) {
            0 => {}
            1 => self.before = std::mem::replace(&mut self.current, [0; STEPS]),
            _ => (self.before, self.current) = ([0; STEPS], [0; STEPS]),
        }
        let seconds = at.saturating_sub(self.latest) / SECOND_NS;
        if let Some(count) = self.current.get_mut(step(seconds)) {
            *count = count.saturating_add(1);
        }
        self.latest = at;
        self.observed = self.observed.saturating_add(1);
        Taken::Changed
    }

    /// The longest usual pause in nanoseconds; the longest of all while there are fewer than [`TIMES`]. `None` while
    /// there is none.
    #[must_use]
    pub fn usual_ns(&self) -> Option<i64> {
        let mut count = 0;
        let mut shortest = None;
        for step in (0..STEPS).rev() {
            let of = |counts: &[u8; STEPS]| counts.get(step).copied().map_or(0, u32::from);
            let here = of(&self.current) + of(&self.before);
            if here == 0 {
                continue;
            }
            count += here;
            if count >= TIMES {
                return Some(end_ns(step));
            }
            shortest.get_or_insert(step);
        }
        shortest.map(end_ns)
    }

    /// When the entity was last seen, if it was.
    #[must_use]
    pub const fn latest(&self) -> Option<i64> {
        if self.latest == i64::MIN {
            None
        } else {
            Some(self.latest)
        }
    }

    /// So many pauses were observed, those no longer remembered included.
    #[must_use]
    pub const fn observed(&self) -> u32 {
        self.observed
    }

    /// Bytes it takes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}

/// The step of a pause.
fn step(seconds: i64) -> usize {
    (0..STEPS - 1)
        .find(|step| seconds < end_seconds(*step))
        .unwrap_or(STEPS - 1)
}

/// Where a step ends: 8 s times a power of √2, in whole seconds, rounded up.
fn end_seconds(step: usize) -> i64 {
    let power = SHORTEST_SECONDS << (step / 2);
    if step.is_multiple_of(2) {
        power
    } else {
        // 1.4143 is a little above √2.
        power * 14_143 / 10_000 + 1
    }
}

fn end_ns(step: usize) -> i64 {
    end_seconds(step).saturating_mul(SECOND_NS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Pauses, SECOND_NS, STEPS, end_seconds, step};
    use crate::sketch::Taken;

    const DAY: i64 = 86_400;
    const MEMORY: i64 = 14 * DAY * SECOND_NS;

    fn see(state: &mut Pauses, second: i64) -> Taken {
        state.see(MEMORY, second * SECOND_NS)
    }

    /// Every five minutes from 7 to 17, for so many days.
    fn workplace(days: i64) -> Pauses {
        let mut state = Pauses::default();
        for day in 0..days {
            for part in 0..=120 {
                see(&mut state, day * DAY + 7 * 3_600 + part * 300);
            }
        }
        state
    }

    fn hours(state: &Pauses) -> f64 {
        state.usual_ns().unwrap() as f64 / 3_600e9
    }

    #[test]
    fn the_night_is_usual_and_one_outage_is_not() {
        let mut state = workplace(10);
        assert!((14.0..20.0).contains(&hours(&state)), "{}", hours(&state));
        see(&mut state, 13 * DAY);
        assert!((14.0..20.0).contains(&hours(&state)), "{}", hours(&state));
        see(&mut state, 16 * DAY);
        assert!(
            (72.0..103.0).contains(&hours(&state)),
            "twice is usual: {}",
            hours(&state)
        );
    }

    #[test]
    fn the_first_pauses_are_all_there_is() {
        let mut state = Pauses::default();
        assert_eq!((state.usual_ns(), state.latest()), (None, None));
        see(&mut state, 100);
        assert_eq!((state.usual_ns(), state.latest()), (None, Some(100 * SECOND_NS)));
        see(&mut state, 1_100);
        assert_eq!(state.usual_ns(), Some(1_024 * SECOND_NS));
        see(&mut state, 1_101);
        assert_eq!(state.usual_ns(), Some(8 * SECOND_NS));
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut state = workplace(10);
        for minute in 0..40 * 1_440 {
            see(&mut state, 10 * DAY + minute * 60);
        }
        assert_eq!(state.usual_ns(), Some(64 * SECOND_NS));
        assert_eq!(state.observed(), 10 * 121 - 1 + 40 * 1_440);
    }

    #[test]
    fn what_comes_late_is_refused() {
        let mut state = workplace(1);
        let before = state.clone();
        assert_eq!(see(&mut state, 100), Taken::Late);
        assert_eq!(see(&mut state, 17 * 3_600), Taken::Unchanged);
        assert_eq!(state, before);
        state.see(MEMORY, i64::MAX);
        assert!(state.usual_ns().is_some());
    }

    #[test]
    fn it_is_as_small_as_stated() {
        let state = workplace(3);
        assert_eq!(state.bytes(), 80);
        let bytes = postcard::to_allocvec(&state).unwrap();
        assert_eq!(postcard::from_bytes::<Pauses>(&bytes).unwrap(), state);
    }

    proptest! {
        #[test]
        fn a_usual_pause_is_the_pause_or_up_to_half_more(seconds in 8..262_144_i64) {
            let step = step(seconds);
            prop_assert!(step < STEPS - 1);
            let end = end_seconds(step) as f64;
            prop_assert!((seconds as f64) < end && end <= seconds as f64 * 1.42 + 1.0);
        }
    }
}
