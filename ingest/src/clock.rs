//! The only place of the sensor that reads the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ingest_event::Timestamp;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// One that is set by hand, for tests and simulations: nanoseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the sensor's clock is read here and nowhere else"
                )]
                let now = std::time::SystemTime::now();
                now.duration_since(std::time::UNIX_EPOCH)
                    .map_or(Timestamp::EPOCH, |since| Timestamp::EPOCH.saturating_add(since))
            }
            Self::Manual(nanos) => Timestamp::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }
}
