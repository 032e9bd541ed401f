//! The only place of this crate that reads the clock. Nothing that is printed on standard output depends on it,
//! but how many indicators of a feed are out of date.

use std::time::Instant;

use ingest_event::Timestamp;

/// Now, by the machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Measures how long something takes.
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}
