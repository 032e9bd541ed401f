//! Trying again while the bus is away.

use std::time::Duration;

use ingest_bus::ErrorClass;
use tokio_util::sync::CancellationToken;

use crate::{detector::chain, metrics::Metrics};

/// The longest wait between two tries: an operator who mends the bus sees it work again within this.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Ends some time after the stop: how long a bus that is away may hold up the end of the process.
pub(super) async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(BACKOFF_MAX).await;
}

/// Waits that double up to [`BACKOFF_MAX`].
#[derive(Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    pub(super) async fn wait(&mut self) {
        let wait = Duration::from_millis(100)
            .saturating_mul(1 << self.0.min(6))
            .min(BACKOFF_MAX);
        self.0 += 1;
        tokio::time::sleep(wait).await;
    }
}

/// Tries until it works or is refused for good.
pub(super) async fn retry<T, E, F>(
    metrics: &Metrics,
    mut attempt: impl FnMut() -> F,
    class: impl Fn(&E) -> ErrorClass,
) -> Result<T, E>
where
    E: std::error::Error,
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::default();
    loop {
        match attempt().await {
            Err(error) if class(&error) == ErrorClass::Transient => {
                metrics.bus_retries.inc();
                tracing::warn!(error = %chain(&error), "the bus is not ready, trying again");
                backoff.wait().await;
            }
            result => return result,
        }
    }
}
