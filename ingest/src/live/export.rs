//! Flow export in datagrams: all protocols on one port, told apart by their version.
//!
//! Understanding them is [`crate::export`]'s. An event's id comes from the exporter's own numbers, so that the source has
//! one identity for good.

mod keeper;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use self::keeper::{Keeper, Last};
use super::receive::{Drops, Failures, large_buffer};
use crate::agent::Intake;
use crate::export::{Collector, Counts, draft};
use crate::record::{Record, Refusal};
use crate::stamp::SourceIdentity;

/// The largest datagram.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

/// Events taken into one append to the spool, so that a flood is not held up by one sync each. One datagram may bring
/// some more: as many as have room in it, and as many that waited for its template ([`crate::export::RESUMED_MAX`]).
const EVENTS_PER_BATCH: usize = 4_000;

/// After a stop so many batches are taken still: more than a socket of 16 MiB holds.
const LAST_BATCHES: usize = 64;

/// Of a label and of records' format.
const KIND: &str = "flow_export";

/// Reads until told to stop.
///
/// # Errors
/// If the socket or the spool fails.
pub async fn serve_export(
    udp: UdpSocket,
    exporters: Vec<IpNet>,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let identity = SourceIdentity {
        name: format!("{KIND}:{}", udp.local_addr()?),
        content: KIND.as_bytes().to_vec(),
        path: None,
    };
    large_buffer(&udp);
    let mut failures = Failures::new(KIND);
    let (address, folder) = (udp.local_addr()?, intake.folder().to_path_buf());
    let opened = tokio::task::spawn_blocking(move || {
        let mut collector = Collector::new();
        let keeper = Keeper::open(&folder, address, &mut collector);
        (collector, keeper)
    });
    let (collector, keeper) = opened.await?;
    intake
        .metrics()
        .export
        .advance(Counts::default(), collector.counts());
    let mut reader = Reader {
        collector,
        keeper,
        exporters,
        intake,
        datagrams: 0,
        records: Vec::new(),
    };
    let mut drops = Drops::of(KIND, &udp);
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let before = reader.collector.counts();
        let mut received = if reader.collector.is_resuming() {
            // What waited for a template goes in bites, between the datagrams that come.
            reader.resume();
            udp.try_recv_from(&mut buffer)
        } else {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                received = udp.recv_from(&mut buffer) => received,
            }
        };
        while let Ok((bytes, from)) = received {
            failures.over();
            reader.read(from.ip(), buffer.get(..bytes).unwrap_or_default());
            if EVENTS_PER_BATCH <= reader.records.len() {
                break;
            }
            received = udp.try_recv_from(&mut buffer);
        }
        let metrics = &reader.intake.metrics().export;
        metrics.advance(before, reader.collector.counts());
        let records = std::mem::take(&mut reader.records);
        reader.intake.offer(KIND, KIND, &identity, records).await?;
        drops.look(&reader.intake, &identity);
        reader.keep(Last::No).await?;
        if let Err(error) = received {
            tokio::time::sleep(failures.told(error, reader.intake.metrics())?).await;
        }
        if stop.is_cancelled() {
            break;
        }
    }
    // What came before the stop is taken still, from the socket itself: it does not wait. So is what waited for a template.
    let udp = udp.into_std()?;
    for _ in 0..LAST_BATCHES {
        let before = reader.collector.counts();
        reader.resume();
        while reader.records.len() < EVENTS_PER_BATCH
            && let Ok((bytes, from)) = udp.recv_from(&mut buffer)
        {
            reader.read(from.ip(), buffer.get(..bytes).unwrap_or_default());
        }
        let metrics = &reader.intake.metrics().export;
        metrics.advance(before, reader.collector.counts());
        if reader.records.is_empty() && !reader.collector.is_resuming() {
            break;
        }
        let records = std::mem::take(&mut reader.records);
        reader.intake.offer(KIND, KIND, &identity, records).await?;
    }
    drops.look(&reader.intake, &identity);
    reader.keep(Last::Yes).await
}

struct Reader {
    collector: Collector,
    keeper: Keeper,
    exporters: Vec<IpNet>,
    intake: Arc<Intake>,
    datagrams: u64,
    records: Vec<Record>,
}

impl Reader {
    /// Writes what is known of exporters, if it is time to.
    async fn keep(&mut self, last: Last) -> anyhow::Result<()> {
        let now = self.intake.clock().now();
        if let Some(write) = self.keeper.due(&self.collector, now, last) {
            tokio::task::spawn_blocking(move || write.run()).await?;
        }
        Ok(())
    }

    /// Reads on in what waited for a template that has come, at most [`crate::export::RESUMED_MAX`] records and a set.
    fn resume(&mut self) {
        let (home, records) = (self.intake.home_networks(), &mut self.records);
        let now = self.intake.clock().now();
        self.collector.resume(now, &mut |origin, record| {
            records.push(Record::Event(draft(origin, record, home)));
        });
    }

    fn read(&mut self, from: IpAddr, datagram: &[u8]) {
        self.datagrams += 1;
        let from = from.to_canonical();
        let may_export =
            self.exporters.is_empty() || self.exporters.iter().any(|network| network.contains(&from));
        if !may_export {
            self.intake.metrics().export.stranger();
            return;
        }
        let (home, records) = (self.intake.home_networks(), &mut self.records);
        let read = self.collector.collect(
            from,
            datagram,
            self.intake.clock().now(),
            &mut |origin, record| {
                records.push(Record::Event(draft(origin, record, home)));
            },
        );
        if let Err(error) = read {
            self.intake.metrics().export.refused(error);
            let refusal = Refusal::new(error.reason(), error.to_string(), self.datagrams, datagram);
            self.records.push(Record::Refused(refusal));
        }
    }
}
