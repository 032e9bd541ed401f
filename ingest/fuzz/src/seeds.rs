//! Something that each target understands, made here: what a fuzzer begins with where there are no captures, and what the
//! tests damage.

mod centre;
mod exchanged;
mod exporters;
mod lines;
mod wire;

use std::io::Write as _;

use crate::conversation::{self, Transport};
use crate::target::{Reader, Target};

/// What [`Target::becomes`] comes of, once or more often.
#[must_use]
pub fn of(target: &Target) -> Vec<Vec<u8>> {
    match target.reader {
        Reader::Capture => ["dns", "http", "dhcp", "vxlan"]
            .iter()
            .filter_map(|name| Target::named(name))
            .flat_map(captures)
            .chain([wire::wrapped()])
            .collect(),
        Reader::Conversation(_) | Reader::Quic => wire::conversations(target.name)
            .iter()
            .map(|said| conversation::written(said))
            .collect(),
        Reader::Flows => exporters::datagrams()
            .iter()
            .map(|sent| conversation::written(sent))
            .collect(),
        Reader::Lines(_) => vec![lines::of(target.name).as_bytes().to_vec()],
        Reader::Stream => vec![lines::counted(), lines::of("syslog").as_bytes().to_vec()],
        Reader::Evtx => vec![lines::event_log()],
        Reader::File => vec![
            lines::of("syslog").as_bytes().to_vec(),
            gzip(lines::of("mail").as_bytes()),
            zstd::bulk::compress(lines::of("zeek-tsv").as_bytes(), 1).unwrap_or_default(),
        ],
        Reader::Segment => vec![centre::segment()],
        Reader::Unpacked => vec![centre::records()],
        Reader::Records => vec![zstd::bulk::compress(&centre::records(), 1).unwrap_or_default()],
        Reader::Code => vec![centre::CODE.as_bytes().to_vec(), centre::unchecked_code()],
        Reader::Request => vec![centre::REQUEST.as_bytes().to_vec()],
        Reader::Certificate => vec![wire::certificate()],
        Reader::Envelope => vec![centre::envelope()],
        Reader::Bundle => vec![centre::BUNDLE.as_bytes().to_vec()],
        Reader::Entry => centre::entries(),
        Reader::Restricted => vec![centre::restricted()],
        Reader::Reveal => vec![centre::REVEAL.as_bytes().to_vec()],
        Reader::Config => vec![centre::CONFIG.as_bytes().to_vec()],
        Reader::Ask => vec![exchanged::ask()],
        Reader::Answer => exchanged::answers(),
        Reader::Report => vec![exchanged::REPORT.as_bytes().to_vec()],
        Reader::Event => vec![
            exchanged::EVENT.as_bytes().to_vec(),
            exchanged::FOREIGN.as_bytes().to_vec(),
        ],
        Reader::Feed => exchanged::FEEDS
            .iter()
            .map(|feed| feed.as_bytes().to_vec())
            .collect(),
        Reader::Rules => vec![exchanged::RULES.as_bytes().to_vec()],
    }
}

fn captures(target: &Target) -> Vec<Vec<u8>> {
    let Reader::Conversation(transport) = target.reader else {
        return Vec::new();
    };
    let capture = |said: &Vec<(u8, Vec<u8>)>| {
        let is_v6 = matches!(transport, Transport::Udp(_));
        conversation::capture(transport, is_v6, &conversation::written(said))
    };
    wire::conversations(target.name).iter().map(capture).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    match encoder.write_all(bytes) {
        Ok(()) => encoder.finish().unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}
