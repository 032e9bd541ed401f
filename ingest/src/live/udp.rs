//! Syslog in datagrams: one message each, line ends and all (RFC 5426 section 3.1).

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::receive::{Drops, Failures, large_buffer};
use super::{sent_by, socket, syslog};
use crate::agent::Intake;
use crate::record::Record;

/// The largest datagram.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

/// Datagrams taken into one append to the spool, so that a flood is not held up by one sync each.
const DATAGRAMS_PER_BATCH: usize = 1_000;

/// After a stop so many batches are taken still: more than a socket of 16 MiB holds.
const LAST_BATCHES: usize = 64;

/// Of a label.
const KIND: &str = "syslog_udp";

/// Reads until told to stop.
///
/// # Errors
/// If the socket fails again and again.
pub async fn serve_udp(
    udp: UdpSocket,
    utc_offset_secs: i32,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let identity = socket("udp", udp.local_addr()?, intake.clock().now());
    large_buffer(&udp);
    let mut normalizer = syslog(intake.home_networks(), utc_offset_secs);
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut failures = Failures::new(KIND);
    let mut drops = Drops::of(KIND, &udp);
    let (mut position, mut records) = (0, Vec::new());
    loop {
        let mut received = tokio::select! {
            () = stop.cancelled() => break,
            received = udp.recv_from(&mut buffer) => received,
        };
        normalizer.arrived(intake.clock().now());
        while let Ok((bytes, from)) = received {
            failures.over();
            position += 1;
            let message = buffer.get(..bytes).unwrap_or_default();
            one(&mut normalizer, message, from, position, &mut records);
            if DATAGRAMS_PER_BATCH <= records.len() {
                break;
            }
            received = udp.try_recv_from(&mut buffer);
        }
        let records = std::mem::take(&mut records);
        intake.offer(KIND, "syslog", &identity, records).await?;
        drops.look(&intake, &identity);
        if let Err(error) = received {
            tokio::time::sleep(failures.told(error, intake.metrics())?).await;
        }
    }
    // What came before the stop is taken still, from the socket itself: it does not wait.
    let udp = udp.into_std()?;
    normalizer.arrived(intake.clock().now());
    for _ in 0..LAST_BATCHES {
        while records.len() < DATAGRAMS_PER_BATCH
            && let Ok((bytes, from)) = udp.recv_from(&mut buffer)
        {
            position += 1;
            let message = buffer.get(..bytes).unwrap_or_default();
            one(&mut normalizer, message, from, position, &mut records);
        }
        if records.is_empty() {
            break;
        }
        let records = std::mem::take(&mut records);
        intake.offer(KIND, "syslog", &identity, records).await?;
    }
    drops.look(&intake, &identity);
    Ok(())
}

/// One datagram is one message, whatever line ends are in it; those behind it are no part of it.
fn one(
    normalizer: &mut crate::normalize::Normalizer,
    message: &[u8],
    from: SocketAddr,
    position: u64,
    records: &mut Vec<Record>,
) {
    let before = records.len();
    let end = message
        .iter()
        .rposition(|byte| !matches!(byte, b'\n' | b'\r' | 0))
        .map_or(0, |last| last + 1);
    normalizer.line(message.get(..end).unwrap_or_default(), position, records);
    sent_by(records.get_mut(before..).unwrap_or_default(), from.ip());
}
