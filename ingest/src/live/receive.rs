//! What all sources of datagrams share: a large buffer in the kernel, and what to do when receiving fails.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::Context as _;
use ingest_event::Timestamp;
use tokio::net::UdpSocket;

use crate::agent::Intake;
use crate::metrics::Metrics;
use crate::stamp::SourceIdentity;

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

/// Between looks at what the kernel dropped.
const LOOK: Duration = Duration::from_secs(1);

/// Datagrams that the kernel dropped at a socket since nobody took them fast enough: the last column of
/// `/proc/net/udp` (proc_net_udp in the kernel's documentation).
pub(super) struct Drops {
    kind: &'static str,
    /// By which the kernel lists it.
    inode: Option<u64>,
    table: &'static str,
    told: u64,
    looked: Option<Timestamp>,
}

impl Drops {
    /// Of this socket.
    pub(super) fn of(kind: &'static str, udp: &UdpSocket) -> Self {
        let described = std::fs::metadata(format!("/proc/self/fd/{}", udp.as_raw_fd()));
        let is_v4 = udp.local_addr().is_ok_and(|address| address.is_ipv4());
        Self {
            kind,
            inode: described.ok().map(|file| file.ino()),
            table: if is_v4 { "/proc/net/udp" } else { "/proc/net/udp6" },
            told: 0,
            looked: None,
        }
    }

    /// Counts what was dropped since it was counted last, once a second.
    pub(super) fn look(&mut self, intake: &Intake, source: &SourceIdentity) {
        let now = intake.clock().now();
        let is_early = self
            .looked
            .is_some_and(|looked| now.since(looked) < LOOK && looked.since(now) < LOOK);
        if is_early {
            return;
        }
        self.looked = Some(now);
        let dropped = self.dropped().unwrap_or(self.told);
        if self.told < dropped {
            intake.kernel_dropped(self.kind, source, dropped - self.told);
            self.told = dropped;
        }
    }

    fn dropped(&self) -> Option<u64> {
        let (inode, table) = (self.inode?.to_string(), std::fs::read_to_string(self.table).ok()?);
        table.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.nth(9)? == inode).then(|| words.last()?.parse().ok())?
        })
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

    /// An error that lasts is told, counted and ends in a new socket, not in a busy loop without a word.
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

    async fn each_is_read_or_dropped(address: &str) {
        const SENT: u64 = 400;
        let udp = UdpSocket::bind((address, 0)).await.expect("binds");
        rustix::net::sockopt::set_socket_recv_buffer_size(&udp, 16 * 1024).expect("sets");
        let drops = Drops::of("test", &udp);
        assert_eq!(drops.dropped(), Some(0), "{address}");
        let sender = UdpSocket::bind((address, 0)).await.expect("binds");
        let at = udp.local_addr().expect("bound");
        for _ in 0..SENT {
            sender.send_to(&[b'x'; 1_000], at).await.expect("sends");
        }
        let mut read = 0;
        udp.readable().await.expect("waits");
        while udp.try_recv_from(&mut [0; 2_000]).is_ok() {
            read += 1;
        }
        let dropped = drops.dropped().expect("is listed");
        assert_eq!(
            (0 < read, 0 < dropped, read + dropped),
            (true, true, SENT),
            "{address}"
        );
    }

    /// RcvbufErrors: what the kernel drops is no secret.
    #[tokio::test]
    async fn datagrams_that_the_kernel_dropped_are_counted() {
        each_is_read_or_dropped("127.0.0.1").await;
        each_is_read_or_dropped("::1").await;
    }
}
