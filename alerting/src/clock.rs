//! The only place of this service that reads the clocks.

use std::{sync::Arc, time::Duration};

use alerting_incident::Reading;
use ingest_event::Timestamp;

/// Tells the time, and how much of it passed; a test brings its own.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// The time, as people read it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// Both clocks.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            wall: self.now(),
            monotonic: (self.monotonic)(),
        }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The machine's clocks.
#[must_use]
pub fn machine() -> Clock {
    Clock {
        wall: Arc::new(now),
        monotonic: Arc::new(since_boot),
    }
}

/// A clock that shows what it is told, and on which as much time passed as it was moved forward since it was made.
pub fn steered(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Clock {
    let start = wall();
    let wall = Arc::new(wall);
    let told = Arc::clone(&wall);
    Clock {
        wall,
        monotonic: Arc::new(move || told().since(start)),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// What passed since the machine was started, sleep included: it is no excuse for telling nobody.
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
