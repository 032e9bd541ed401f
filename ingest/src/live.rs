//! Sources without an end: packets of an interface, syslog over UDP, TCP and TLS, Suricata's socket, flow export over UDP,
//! and files that grow.
//!
//! TCP and files wait while the spool is full; UDP and packets cannot wait, so what they bring is shed and counted.

mod capture;
mod eve_socket;
mod export;
mod folder;
mod follow;
mod framing;
mod receive;
mod tcp;
mod tls;
mod udp;

pub use capture::{interface_of, open_rings, serve_capture};
pub use eve_socket::serve_eve;
pub use export::serve_export;
pub use folder::{follow_folder, is_folder};
pub use follow::follow;
pub use framing::{Frame, Framing, MESSAGE_BYTES_MAX};
pub use tcp::serve_tcp;
pub use tls::{check_tls, serve_tls};
pub use udp::serve_udp;

use std::net::IpAddr;

use ingest_event::{Timestamp, field};

use crate::normalize::{Normalizer, NormalizerOptions, YearRule};
use crate::record::Record;
use crate::source::Format;
use crate::stamp::SourceIdentity;

/// A syslog normaliser for messages that arrive now.
fn syslog(home_networks: &[ipnet::IpNet], utc_offset_secs: i32) -> Normalizer {
    let options = NormalizerOptions {
        dataset: None,
        home_networks: home_networks.to_vec(),
        year: YearRule::Unknown,
        utc_offset_secs,
    };
    Normalizer::new(Format::Syslog, options)
}

/// A socket's identity: messages have no place of their own, so the start of listening tells runs apart.
fn socket(kind: &str, address: impl std::fmt::Display, started: Timestamp) -> SourceIdentity {
    let name = format!("{kind}:{address}");
    SourceIdentity {
        content: format!("{name}@{}", started.as_nanos()).into_bytes(),
        name,
        path: None,
    }
}

/// Says who sent these, unless they say it themselves: what devices write need not name them.
fn sent_by(records: &mut [Record], sender: IpAddr) {
    for record in records {
        if let Record::Event(draft) = record
            && draft.fields.get(field::LOG_SOURCE_ADDRESS).is_none()
        {
            let sender = sender.to_canonical().to_string();
            draft.fields.set(field::LOG_SOURCE_ADDRESS, sender);
        }
    }
}

#[cfg(test)]
mod tests;
