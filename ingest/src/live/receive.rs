//! What all sources of datagrams share: a large buffer in the kernel, and what to do when receiving fails.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::UdpSocket;

use crate::metrics::Metrics;

/// What the kernel may keep while the sensor writes to its spool: ten thousand datagrams. Without
/// privileges the kernel gives at most `net.core.rmem_max`.
const SOCKET_BYTES: usize = 16 * 1024 * 1024;

/// Failures in a row after which the socket is given up and opened anew.
const FAILURES_MAX: u32 = 10;

/// After a failure, so that a lasting one is no busy loop.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks for a large receive buffer; the sensor runs without one, too.
pub(super) fn large_buffer(udp: &UdpSocket) {
    if let Err(error) = rustix::net::sockopt::set_socket_recv_buffer_size(udp, SOCKET_BYTES) {
        tracing::warn!(%error, "ask for a larger receive buffer");
    }
}

/// Failures to receive, in a row.
pub(super) struct Failures {
    kind: &'static str,
    row: u32,
}

impl Failures {
    /// None yet, on a source of this kind.
    pub(super) const fn new(kind: &'static str) -> Self {
        Self { kind, row: 0 }
    }

    /// Something was received.
    pub(super) const fn over(&mut self) {
        self.row = 0;
    }

    /// Counts and tells a failure; how long to wait after it. That there is nothing more at the moment is none.
    ///
    /// # Errors
    /// The failure, if it lasts.
    pub(super) fn told(&mut self, error: io::Error, metrics: &Metrics) -> anyhow::Result<Duration> {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Ok(Duration::ZERO);
        }
        metrics.receive_errors.with_label_values(&[self.kind]).inc();
        self.row += 1;
        if FAILURES_MAX <= self.row {
            return Err(error).context("receive datagrams");
        }
        tracing::warn!(%error, source = self.kind, "receive a datagram");
        Ok(PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B13: an error that lasts is told, counted and ends in a new socket, not in a busy loop without a word.
    #[test]
    fn a_failure_that_lasts_is_counted_and_handed_on() {
        let metrics = Metrics::new().expect("registers");
        let counted = || metrics.receive_errors.with_label_values(&["test"]).get();
        let mut failures = Failures::new("test");
        let failed = || io::Error::from_raw_os_error(5);
        let nothing = io::ErrorKind::WouldBlock.into();
        let pause = failures.told(nothing, &metrics).expect("is none");
        assert!(pause.is_zero());
        assert_eq!(counted(), 0);
        for _ in 1..FAILURES_MAX {
            let pause = failures.told(failed(), &metrics).expect("waits");
            assert!(!pause.is_zero());
        }
        failures.over();
        for _ in 1..FAILURES_MAX {
            failures.told(failed(), &metrics).expect("waits");
        }
        failures.told(failed(), &metrics).expect_err("gives up");
        assert_eq!(counted(), u64::from(2 * FAILURES_MAX - 1));
    }
}
