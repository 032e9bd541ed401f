//! Which times of packets are believed: the clock that ends flows.
//!
//! Times come from the packets, and one packet with a wrong time, or a clock that is set, must not end every flow at
//! once, nor keep them all from ending. A time far from the others is doubted until the next packet agrees with it.

use std::time::Duration;

use ingest_event::Timestamp;

/// How far a packet may lie before the one before it without that being a clock that was set back: merged captures and
/// several queues of a network card are out of order by less.
pub(super) const BACK_MAX: Duration = Duration::from_secs(60);

/// Silence that is believed at once: on hardly any network does nothing happen for longer.
const AHEAD_MAX: Duration = Duration::from_secs(3600);

/// The time, as far as packets say.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    latest: Option<Timestamp>,
    doubted: Option<Timestamp>,
}

impl Pace {
    /// Sees a time, and returns the one that counts.
    pub(super) fn see(&mut self, seen: Timestamp) -> Timestamp {
        let agrees = |other: Timestamp| seen.since(other) <= BACK_MAX && other.since(seen) <= BACK_MAX;
        match self.latest {
            Some(latest) if latest.since(seen) <= BACK_MAX && seen.since(latest) <= AHEAD_MAX => {
                self.latest = Some(latest.max(seen));
                self.doubted = None;
                seen
            }
            Some(latest) if !self.doubted.is_some_and(agrees) => {
                self.doubted = Some(seen);
                latest
            }
            Some(_) | None => {
                self.latest = Some(seen);
                self.doubted = None;
                seen
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_far_from_the_others_counts_when_the_next_one_agrees() {
        let hour = 3600;
        for (seen, counts) in [
            // In order, and a little out of it.
            (&[100, 101, 90, 102][..], &[100, 101, 90, 102][..]),
            // One packet from the future, and one from the past.
            (&[100, 9 * hour, 101], &[100, 100, 101]),
            (
                &[9 * hour, 100, 9 * hour + 1],
                &[9 * hour, 9 * hour, 9 * hour + 1],
            ),
            // A long silence, and a clock that was set back.
            (&[100, 9 * hour, 9 * hour + 1], &[100, 100, 9 * hour + 1]),
            (&[9 * hour, 100, 101, 102], &[9 * hour, 9 * hour, 101, 102]),
            // Two that do not agree.
            (&[100, 9 * hour, 20 * hour, 101], &[100, 100, 100, 101]),
        ] {
            let mut pace = Pace::default();
            let at = |secs: &i64| Timestamp::from_nanos(secs * 1_000_000_000);
            let found: Vec<_> = seen.iter().map(|secs| pace.see(at(secs))).collect();
            assert_eq!(found, counts.iter().map(at).collect::<Vec<_>>(), "{seen:?}");
        }
    }
}
