//! Flow export: datagrams of NetFlow v5 and v9, IPFIX and sFlow v5 become flows.
//!
//! [`Collector::collect`] takes one datagram of one exporter and hands out [`FlowRecord`]s; [`draft`] makes the same
//! event of one as [`crate::capture`] makes of packets. Pure: no sockets ([`crate::live`] has them), no clock. What it
//! keeps between datagrams is bounded: templates, sampling, sequence numbers, and sets that wait for their template.
//!
//! NetFlow v9 is RFC 3954, IPFIX RFC 7011 with RFC 5103 for both directions in one record, sFlow is version 5 of
//! sflow.org; NetFlow v5 has no standard but Cisco's documents.

mod cursor;
mod domain;
mod element;
mod error;
mod event;
mod kept;
mod netflow5;
mod reading;
mod record;
mod sets;
mod sflow;
mod template;
mod waiting;

use std::net::IpAddr;

use ingest_event::Timestamp;

pub use domain::{DOMAINS_MAX, TEMPLATE_LIFETIME};
pub use error::CollectError;
pub use event::{DATASET, draft};
pub use kept::KeptDomain;
pub use record::{Began, Count, FlowRecord, Translated};
pub use sets::RESUMED_MAX;
pub use template::{FIELDS_MAX, TEMPLATES_MAX};
pub use waiting::WAITING_BYTES_MAX;

use cursor::Cursor;
use domain::{DomainKey, Domains};
use template::Dialect;
use waiting::Waiting;

/// Reads the datagrams of any number of exporters.
#[derive(Debug, Default)]
pub struct Collector {
    domains: Domains,
    waiting: Waiting,
    /// Templates that came while sets waited for them, with sets still to be read.
    resuming: std::collections::BTreeSet<(DomainKey, u16)>,
    counts: Counts,
    /// Grows whenever something changes that is worth keeping.
    changes: u64,
}

/// What an exporter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// NetFlow version 5.
    Netflow5,
    /// NetFlow version 9.
    Netflow9,
    /// IPFIX.
    Ipfix,
    /// sFlow version 5.
    Sflow,
}

/// The datagram that a record came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who sent it; for sFlow the agent that it names.
    pub exporter: IpAddr,
    /// In which protocol.
    pub protocol: Protocol,
    /// Observation domain, source id, engine or sub-agent.
    pub domain: u32,
    /// Its number: of datagrams in NetFlow v9 and sFlow, of records in NetFlow v5 and IPFIX.
    pub sequence: u32,
    /// When it was sent, by the exporter's clock; when it came in, for exporters without one.
    pub exported: Timestamp,
}

/// All that happened so far, and what is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams, refused ones included.
    pub datagrams: u64,
    /// Flow records.
    pub flows: u64,
    /// Records in which exporters tell of themselves.
    pub options: u64,
    /// Records and samples that are no flows: counters of interfaces, statistics of applications.
    pub others: u64,
    /// Jumps in the numbers of datagrams.
    pub gaps: u64,
    /// What is missing by these numbers: datagrams of NetFlow v9 and sFlow, records of NetFlow v5 and IPFIX.
    pub missed: u64,
    /// Templates held now.
    pub templates: u64,
    /// Sets that wait for their template now.
    pub sets_waiting: u64,
    /// Sets that were read when their template came.
    pub sets_resumed: u64,
    /// Sets whose template never came.
    pub sets_dropped: u64,
}

impl Protocol {
    /// As `event.module` has it.
    #[must_use]
    pub const fn module(self) -> &'static str {
        match self {
            Self::Netflow5 | Self::Netflow9 => "netflow",
            Self::Ipfix => "ipfix",
            Self::Sflow => "sflow",
        }
    }
}

impl Collector {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            templates: self.domains.templates() as u64,
            sets_waiting: self.waiting.len() as u64,
            ..self.counts
        }
    }

    /// Reads one datagram that `exporter` sent and hands out its flows, also those of earlier datagrams whose template
    /// it brings.
    ///
    /// # Errors
    /// The first thing in it that can't be read. What stands before and, where that can be told apart, behind it was
    /// read all the same. Of what waited for a template it hands out [`RESUMED_MAX`] records and a set; the rest comes
    /// by [`Collector::resume`].
    pub fn collect(
        &mut self,
        exporter: IpAddr,
        datagram: &[u8],
        now: Timestamp,
        flow: &mut impl FnMut(&Origin, &FlowRecord),
    ) -> Result<(), CollectError> {
        self.counts.datagrams += 1;
        let exporter = exporter.to_canonical();
        let cut = CollectError::HeaderCut {
            bytes: datagram.len(),
        };
        let mut cursor = Cursor::new(datagram);
        match cursor.u16().ok_or(cut)? {
            5 => netflow5::collect(self, exporter, datagram, now, flow),
            9 => {
                let (origin, uptime, body) = netflow9_header(exporter, cursor, now).ok_or(cut)?;
                sets::collect(
                    self,
                    &origin,
                    uptime,
                    Dialect::Netflow9,
                    datagram,
                    body,
                    now,
                    flow,
                )
            }
            10 => {
                let announced = usize::from(cursor.u16().ok_or(cut)?);
                let origin = ipfix_header(exporter, &mut cursor, now).ok_or(cut)?;
                let bytes = datagram.len();
                let message = datagram
                    .get(..announced)
                    .ok_or(CollectError::Cut { announced, bytes })?;
                let body = bytes - cursor.left();
                sets::collect(self, &origin, None, Dialect::Ipfix, message, body, now, flow)
            }
            0 if datagram.starts_with(&[0, 0, 0, 5]) => sflow::collect(self, exporter, datagram, now, flow),
            version => Err(CollectError::UnknownVersion { version }),
        }
    }

    /// Whether sets that waited for a template that has come are still to be read: [`Collector::resume`].
    #[must_use]
    pub fn is_resuming(&self) -> bool {
        !self.resuming.is_empty()
    }

    /// Hands out flows of sets whose template has come: whole sets, until there are [`RESUMED_MAX`] records.
    pub fn resume(&mut self, now: Timestamp, flow: &mut impl FnMut(&Origin, &FlowRecord)) {
        sets::resume(self, now, flow);
    }

    /// Counts what is missing before a datagram.
    fn sequence(&mut self, key: DomainKey, sequence: u32, step: Option<u32>, now: Timestamp) {
        if let Some(domain) = self.domains.heard(key, now) {
            let missed = domain.count(sequence, step);
            self.counts.gaps += u64::from(missed != 0);
            self.counts.missed += u64::from(missed);
        }
    }
}

impl Origin {
    const fn key(&self) -> DomainKey {
        DomainKey {
            exporter: self.exporter,
            protocol: self.protocol,
            domain: self.domain,
        }
    }
}

/// RFC 3954 section 5.1, behind the version: how many bytes the header has, too.
fn netflow9_header(
    exporter: IpAddr,
    mut cursor: Cursor<'_>,
    now: Timestamp,
) -> Option<(Origin, Option<u32>, usize)> {
    let bytes = cursor.left() + 2;
    // How many records there are: devices count them in different ways, so the lengths of the sets decide.
    cursor.u16()?;
    let uptime = cursor.u32()?;
    let exported = sent(cursor.u32()?, now);
    let (sequence, domain) = (cursor.u32()?, cursor.u32()?);
    let origin = Origin {
        exporter,
        protocol: Protocol::Netflow9,
        domain,
        sequence,
        exported,
    };
    Some((origin, Some(uptime), bytes - cursor.left()))
}

/// RFC 7011 section 3.1, behind the length.
fn ipfix_header(exporter: IpAddr, cursor: &mut Cursor<'_>, now: Timestamp) -> Option<Origin> {
    let exported = sent(cursor.u32()?, now);
    let (sequence, domain) = (cursor.u32()?, cursor.u32()?);
    Some(Origin {
        exporter,
        protocol: Protocol::Ipfix,
        domain,
        sequence,
        exported,
    })
}

/// The header's time; that of arrival for a device that never got the time.
fn sent(secs: u32, now: Timestamp) -> Timestamp {
    if secs == 0 {
        now
    } else {
        Timestamp::from_millis(i64::from(secs) * 1_000)
    }
}

#[cfg(test)]
mod tests;
