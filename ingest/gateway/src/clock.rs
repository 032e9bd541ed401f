//! The only place of this service that reads the clock.

use std::sync::Arc;

use ingest_event::Timestamp;

/// Tells the time; a test brings its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
#[must_use]
pub fn machine() -> Clock {
    Arc::new(now)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
