//! Syslog in datagrams: one message each (RFC 5426 section 3.1).

use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::{socket, syslog};
use crate::agent::Intake;

/// The largest datagram.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

/// Datagrams taken into one transaction of the spool, so that a flood is not held up by one sync each.
const DATAGRAMS_PER_BATCH: usize = 1_000;

/// Reads until told to stop.
///
/// # Errors
/// If the socket or the spool fails.
pub async fn serve_udp(
    udp: UdpSocket,
    utc_offset_secs: i32,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let identity = socket("udp", udp.local_addr()?, intake.clock().now());
    let mut normalizer = syslog(intake.home_networks(), utc_offset_secs);
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let (mut position, mut records) = (0, Vec::new());
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            received = udp.recv_from(&mut buffer) => received,
        };
        let mut received = received.map(|(bytes, _)| bytes);
        normalizer.arrived(intake.clock().now());
        while let Ok(bytes) = received {
            position += 1;
            let message = buffer.get(..bytes).unwrap_or_default();
            for line in message.split(|byte| *byte == b'\n') {
                normalizer.line(line, position, &mut records);
            }
            if DATAGRAMS_PER_BATCH <= records.len() {
                break;
            }
            received = udp.try_recv_from(&mut buffer).map(|(bytes, _)| bytes);
        }
        intake
            .offer("syslog_udp", "syslog", &identity, std::mem::take(&mut records))
            .await?;
    }
}
