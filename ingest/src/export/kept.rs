//! What is known of exporters, kept over a restart: templates as they were sent, and how each exporter samples.
//!
//! Exporters send templates every few minutes; a sensor that forgot them would be deaf until then. Who writes it to a
//! disk is [`crate::live`]'s affair.

use std::net::IpAddr;

use ingest_event::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Collector, Protocol,
    cursor::Cursor,
    domain::DomainKey,
    template::{self, Defined, Dialect, Kind},
};

/// One exporter's domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDomain {
    pub(super) exporter: IpAddr,
    /// 9 or 10, as in the header.
    pub(super) version: u16,
    pub(super) domain: u32,
    /// When it was heard last, in nanoseconds since 1970.
    pub(super) seen: i64,
    pub(super) sampling: Option<u32>,
    pub(super) samplers: Vec<(u64, u32)>,
    pub(super) system_init: Option<i64>,
    /// Template records as they were sent, in hexadecimal.
    pub(super) templates: Vec<String>,
    /// The same of options.
    pub(super) options: Vec<String>,
}

impl Collector {
    /// A number that is another one whenever [`Collector::kept`] may be.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// What is worth keeping, in the order of exporters.
    #[must_use]
    pub fn kept(&self) -> Vec<KeptDomain> {
        self.domains
            .kept()
            .filter_map(|(key, mut kept)| {
                kept.version = match key.protocol {
                    Protocol::Netflow9 => 9,
                    Protocol::Ipfix => 10,
                    Protocol::Netflow5 | Protocol::Sflow => return None,
                };
                Some(kept)
            })
            .collect()
    }

    /// Takes over what was kept. What can't be read any more is passed over; the exporter sends it again.
    pub fn restore(&mut self, kept: &[KeptDomain]) {
        for domain in kept {
            let (protocol, dialect) = match domain.version {
                9 => (Protocol::Netflow9, Dialect::Netflow9),
                10 => (Protocol::Ipfix, Dialect::Ipfix),
                _ => continue,
            };
            let key = DomainKey {
                exporter: domain.exporter,
                protocol,
                domain: domain.domain,
            };
            let seen = Timestamp::from_nanos(domain.seen);
            let Some(known) = self.domains.heard(key, seen) else {
                return;
            };
            known.restore(domain);
            for (kind, records) in [(Kind::Data, &domain.templates), (Kind::Options, &domain.options)] {
                for record in records {
                    let bytes = hex::decode(record).unwrap_or_default();
                    let read = template::next(&mut Cursor::new(&bytes), kind, dialect, 0);
                    if let Some(Ok(Defined::Template(number, template))) = read {
                        // Without room for it, it is as if it had never come.
                        let _ = self.domains.keep(key, number, template, seen);
                    }
                }
            }
        }
    }
}
