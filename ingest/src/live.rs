//! Sources without an end: syslog over UDP and TCP, flow export over UDP, and files that grow.
//!
//! TCP and files wait while the spool is full; UDP cannot wait, so its messages are shed and counted.

mod export;
mod follow;
mod framing;
mod tcp;
mod udp;

pub use export::serve_export;
pub use follow::follow;
pub use framing::{Frame, Framing, MESSAGE_BYTES_MAX};
pub use tcp::serve_tcp;
pub use udp::serve_udp;

use ingest_event::Timestamp;

use crate::normalize::{Normalizer, NormalizerOptions, YearRule};
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

#[cfg(test)]
mod tests;
