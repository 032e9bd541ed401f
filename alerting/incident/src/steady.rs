//! A clock for deadlines: it goes forward with time that passes, whatever is done to the machine's clock.
//!
//! While a process runs, its monotonic clock counts and a step of the machine's clock moves nothing. Between two
//! processes the machine's clock is all there is: a step forward then looks like time in which nobody ran. Of several
//! processes one holds the clock; another takes it over when it has seen it stand still for [`LEASE`] by its own monotonic clock.

use std::time::Duration;

use ingest_event::Timestamp;

/// How long the clock must have stood still before another process takes it over: several beats and a slow store.
pub const LEASE: Duration = Duration::from_secs(15);

/// The clock as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steady {
    /// What it shows: the machine's time when it was first set, and then the time that passed.
    pub at: Timestamp,
    /// What the machine's clock showed then.
    pub wall: Timestamp,
    /// Who holds it; empty when who did let it go.
    pub holder: String,
    /// Grows by one each time it is written.
    pub beat: u64,
}

/// What a process reads off its clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The machine's clock.
    pub wall: Timestamp,
    /// The monotonic clock of the machine, from any beginning.
    pub monotonic: Duration,
}

/// One process's part in the clock.
#[derive(Clone, Debug)]
pub struct Keeper {
    name: String,
    /// Whether no other process can run beside this one.
    is_alone: bool,
    /// The last beat seen, its own or another's, and when it was first seen.
    seen: Option<(u64, Duration)>,
    /// Whether the clock moved since this process began.
    has_moved: bool,
}

impl Keeper {
    /// Begins with the clock as it is stored. `name` is no other process's, not even of this one's successor; `is_alone`
    /// where the store takes one process only.
    #[must_use]
    pub fn new(name: String, is_alone: bool, stored: Option<&Steady>, reading: Reading) -> Self {
        Self {
            name,
            is_alone,
            seen: stored.map(|stored| (stored.beat, reading.monotonic)),
            has_moved: false,
        }
    }

    /// What the clock shows, without moving it.
    #[must_use]
    pub fn tell(&self, stored: Option<&Steady>, reading: Reading) -> Timestamp {
        let Some(stored) = stored else {
            return reading.wall;
        };
        let since = self.seen.filter(|(beat, _)| *beat == stored.beat);
        let observed = since.map_or(Duration::ZERO, |(_, since)| {
            reading.monotonic.saturating_sub(since)
        });
        stored.at.saturating_add(self.passed(stored, observed, reading))
    }

    /// The clock one beat later, to be stored; `None` while another process holds it.
    #[must_use]
    pub fn advance(&mut self, stored: Option<&Steady>, reading: Reading) -> Option<Steady> {
        let Some(stored) = stored else {
            return Some(self.beat(1, reading.wall, reading));
        };
        let since = match self.seen {
            Some((beat, since)) if beat == stored.beat => since,
            before => {
                self.has_moved |= before.is_some();
                self.seen = Some((stored.beat, reading.monotonic));
                reading.monotonic
            }
        };
        let observed = reading.monotonic.saturating_sub(since);
        let is_free = self.is_alone || stored.holder.is_empty() || stored.holder == self.name;
        if !is_free && observed < LEASE {
            return None;
        }
        let passed = self.passed(stored, observed, reading);
        Some(self.beat(stored.beat + 1, stored.at.saturating_add(passed), reading))
    }

    /// The clock one beat later, let go for whoever is next; `None` if another holds it.
    #[must_use]
    pub fn release(&mut self, stored: &Steady, reading: Reading) -> Option<Steady> {
        let held = (stored.holder == self.name).then(|| self.advance(Some(stored), reading))??;
        Some(Steady {
            holder: String::new(),
            ..held
        })
    }

    /// How long it stood still.
    fn passed(&self, stored: &Steady, observed: Duration, reading: Reading) -> Duration {
        if stored.holder == self.name || self.has_moved {
            observed
        } else {
            // It stood still before this process began: only the machine's clock can tell for how long.
            observed.max(reading.wall.since(stored.wall))
        }
    }

    fn beat(&mut self, beat: u64, at: Timestamp, reading: Reading) -> Steady {
        self.seen = Some((beat, reading.monotonic));
        self.has_moved = true;
        Steady {
            at,
            wall: reading.wall,
            holder: self.name.clone(),
            beat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000;

    fn reading(wall_s: i64, monotonic_s: u64) -> Reading {
        Reading {
            wall: Timestamp::from_millis((START + wall_s) * 1_000),
            monotonic: Duration::from_secs(monotonic_s),
        }
    }

    fn seconds(steady: &Steady) -> i64 {
        steady.at.as_millis() / 1_000 - START
    }

    #[test]
    fn steps_of_the_machines_clock_move_nothing_while_a_process_runs() {
        let mut keeper = Keeper::new("a".into(), true, None, reading(0, 100));
        let first = keeper.advance(None, reading(0, 100)).expect("held");
        let forward = keeper.advance(Some(&first), reading(90_000, 110)).expect("held");
        let back = keeper
            .advance(Some(&forward), reading(-90_000, 125))
            .expect("held");
        assert_eq!([&first, &forward, &back].map(seconds), [0, 10, 25]);
    }

    #[test]
    fn time_in_which_nobody_ran_counts_and_a_step_back_meanwhile_takes_nothing() {
        let mut before = Keeper::new("a".into(), true, None, reading(0, 100));
        let last = before.advance(None, reading(0, 100)).expect("held");
        for (wall, started, looked, shown) in [
            (3_600, 7, 7, 3_600),
            (-500, 7, 7, 0),
            (-500, 7, 9, 2),
            (1, 7, 19, 12),
        ] {
            let mut next = Keeper::new("b".into(), true, Some(&last), reading(wall, started));
            assert_eq!(
                next.tell(Some(&last), reading(wall, looked)).as_millis() / 1_000 - START,
                shown
            );
            let resumed = next.advance(Some(&last), reading(wall, looked)).expect("held");
            assert_eq!(seconds(&resumed), shown);
            let later = next
                .advance(Some(&resumed), reading(wall - 99, looked + 10))
                .expect("held");
            assert_eq!(seconds(&later), shown + 10);
        }
    }

    #[test]
    fn one_of_several_holds_it_and_machines_that_disagree_do_not_make_it_run_away() {
        let mut a = Keeper::new("a".into(), false, None, reading(0, 0));
        let mut stored = a.advance(None, reading(0, 0)).expect("held");
        // B's clock is a day ahead.
        let mut b = Keeper::new("b".into(), false, Some(&stored), reading(86_400, 500));
        for second in 1..=60 {
            stored = a.advance(Some(&stored), reading(0, second)).expect("held");
            assert_eq!(b.advance(Some(&stored), reading(86_400, 500 + second)), None);
        }
        assert_eq!(seconds(&stored), 60);
        // A stands still: B takes over after the lease, and what it waited counts, not its clock.
        assert_eq!(b.advance(Some(&stored), reading(86_400, 574)), None);
        let taken = b
            .advance(Some(&stored), reading(86_400, 575))
            .expect("taken over");
        assert_eq!((seconds(&taken), taken.holder.as_str()), (75, "b"));
        // It lets it go, and A need not wait.
        let mut c = Keeper::new("c".into(), false, Some(&taken), reading(0, 0));
        assert_eq!(c.release(&taken, reading(0, 1)), None, "it is another's");
        let free = b.release(&taken, reading(86_400, 580)).expect("let go");
        let resumed = c.advance(Some(&free), reading(0, 3)).expect("taken at once");
        assert_eq!((seconds(&resumed), resumed.holder.as_str()), (80, "c"));
        // A comes back and finds that it holds it no longer.
        assert_eq!(a.advance(Some(&taken), reading(0, 80)), None);
    }
}
