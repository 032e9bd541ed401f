//! Builds captures packet by packet, and reads them back.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use etherparse::PacketBuilder;
use ingest::{
    capture::{CaptureOptions, CaptureReader},
    record::{Draft, Record},
};
use ingest_event::Value;

/// Addresses of one family: a table is run once with each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) client: IpAddr,
    pub(crate) server: IpAddr,
    pub(crate) name: &'static str,
    pub(crate) icmp: &'static str,
    pub(crate) ip_header_bytes: i64,
}

pub(crate) fn families() -> [Family; 2] {
    [
        Family {
            client: "192.0.2.10".parse().unwrap(),
            server: "198.51.100.53".parse().unwrap(),
            name: "ipv4",
            icmp: "icmp",
            ip_header_bytes: 20,
        },
        Family {
            client: "2001:db8::10".parse().unwrap(),
            server: "2001:db8:1::53".parse().unwrap(),
            name: "ipv6",
            icmp: "ipv6-icmp",
            ip_header_bytes: 40,
        },
    ]
}

/// A pcap in the making: microseconds, little endian, Ethernet.
pub(crate) struct Lab {
    pub(crate) bytes: Vec<u8>,
    pub(crate) micros: u64,
}

pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;
pub(crate) const FIN: u8 = 1;
pub(crate) const RST: u8 = 4;

impl Lab {
    pub(crate) fn new() -> Self {
        let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(65_535_u32.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        Self {
            bytes,
            micros: 1_772_438_400_000_000,
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) -> &mut Self {
        self.micros += time.as_micros() as u64;
        self
    }

    /// A frame, one millisecond after the one before.
    pub(crate) fn frame(&mut self, frame: &[u8]) -> &mut Self {
        self.cut_frame(frame, frame.len())
    }

    pub(crate) fn cut_frame(&mut self, frame: &[u8], kept: usize) -> &mut Self {
        self.micros += 1_000;
        for word in [
            self.micros / 1_000_000,
            self.micros % 1_000_000,
            kept as u64,
            frame.len() as u64,
        ] {
            self.bytes.extend((word as u32).to_le_bytes());
        }
        self.bytes.extend(&frame[..kept]);
        self
    }

    pub(crate) fn udp(&mut self, from: (IpAddr, u16), to: (IpAddr, u16), payload: &[u8]) -> &mut Self {
        let mut frame = Vec::new();
        ip(from.0, to.0)
            .udp(from.1, to.1)
            .write(&mut frame, payload)
            .unwrap();
        self.frame(&frame)
    }

    pub(crate) fn tcp(
        &mut self,
        from: (IpAddr, u16),
        to: (IpAddr, u16),
        flags: u8,
        sequence: u32,
        payload: &[u8],
    ) -> &mut Self {
        self.frame(&tcp_frame(from, to, flags, sequence, payload))
    }

    /// The three packets that open a connection; both sides count from 0, so payload begins at 1.
    pub(crate) fn open(&mut self, client: (IpAddr, u16), server: (IpAddr, u16)) -> &mut Self {
        self.tcp(client, server, SYN, 0, b"")
            .tcp(server, client, SYN | ACK, 0, b"")
            .tcp(client, server, ACK, 1, b"")
    }

    pub(crate) fn echo(&mut self, from: IpAddr, to: IpAddr, reply: bool) -> &mut Self {
        let mut frame = Vec::new();
        let step = ip(from, to);
        match (from.is_ipv4(), reply) {
            (true, false) => step.icmpv4_echo_request(7, 1).write(&mut frame, b"ping"),
            (true, true) => step.icmpv4_echo_reply(7, 1).write(&mut frame, b"ping"),
            (false, false) => step.icmpv6_echo_request(7, 1).write(&mut frame, b"ping"),
            (false, true) => step.icmpv6_echo_reply(7, 1).write(&mut frame, b"ping"),
        }
        .unwrap();
        self.frame(&frame)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        read(&self.bytes[..], CaptureOptions::default())
    }

    pub(crate) fn events(&self, dataset: &str) -> Vec<Draft> {
        events(self.records(), dataset)
    }
}

type End = (IpAddr, u16);

/// A connection whose sides say these things in this order; each is one segment.
pub(crate) fn conversation(family: Family, port: u16, said: &[(Side, &[u8])]) -> Lab {
    let (client, server): (End, End) = ((family.client, 50_000), (family.server, port));
    let mut lab = Lab::new();
    lab.open(client, server);
    let (mut from_client, mut from_server) = (1, 1);
    for (side, bytes) in said {
        match side {
            Side::Client => {
                lab.tcp(client, server, ACK, from_client, bytes);
                from_client += bytes.len() as u32;
            }
            Side::Server => {
                lab.tcp(server, client, ACK, from_server, bytes);
                from_server += bytes.len() as u32;
            }
        }
    }
    lab.tcp(client, server, FIN | ACK, from_client, b"")
        .tcp(server, client, FIN | ACK, from_server, b"");
    lab
}

#[derive(Clone, Copy)]
pub(crate) enum Side {
    Client,
    Server,
}

pub(crate) fn tcp_frame(
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    flags: u8,
    sequence: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut step = ip(from.0, to.0).tcp(from.1, to.1, sequence, 65_000);
    for (bit, set) in [(SYN, 0), (ACK, 1), (FIN, 2), (RST, 3)] {
        if flags & bit != 0 {
            step = match set {
                0 => step.syn(),
                1 => step.ack(1),
                2 => step.fin(),
                _ => step.rst(),
            };
        }
    }
    let mut frame = Vec::new();
    step.write(&mut frame, payload).unwrap();
    frame
}

pub(crate) fn ip(from: IpAddr, to: IpAddr) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => link.ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => link.ipv6(from.octets(), to.octets(), 64),
        _ => panic!("one family"),
    }
}

pub(crate) fn read(input: impl io::Read, options: CaptureOptions) -> Vec<Record> {
    let mut out = Vec::new();
    let mut reader = CaptureReader::new(input, options).expect("a capture");
    while reader.read(&mut out).expect("readable") {}
    out
}

/// The same of bytes that may be no capture.
pub(crate) fn try_read(input: impl io::Read) -> Vec<Record> {
    let mut out = Vec::new();
    if let Ok(mut reader) = CaptureReader::new(input, CaptureOptions::default()) {
        while reader.read(&mut out).expect("readable") {}
    }
    out
}

/// Every capture file under a folder, sorted.
pub(crate) fn captures_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| {
                ["pcap", "pcapng", "cap", "trace"]
                    .iter()
                    .any(|known| ending == *known)
            }) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn events(records: Vec<Record>, dataset: &str) -> Vec<Draft> {
    records
        .into_iter()
        .filter_map(|record| match record {
            Record::Event(draft) if draft.dataset == dataset => Some(draft),
            Record::Event(_) | Record::Refused(_) => None,
        })
        .collect()
}

/// Compares the named fields as text.
#[track_caller]
pub(crate) fn check(draft: &Draft, expected: &[(&str, &str)]) {
    for (name, text) in expected {
        let found = draft
            .fields
            .get(name)
            .map_or("(absent)".to_owned(), Value::to_string);
        assert_eq!(&found, text, "{name} of {draft:#?}");
    }
}

/// Says the same in one segment for each message, and in segments of seven bytes.
#[track_caller]
pub(crate) fn check_said(dataset: &str, port: u16, said: &[(Side, &[u8])], expected: &[&[(&str, &str)]]) {
    for family in families() {
        for step in [usize::MAX, 7] {
            let pieces: Vec<(Side, &[u8])> = said
                .iter()
                .flat_map(|(side, bytes)| bytes.chunks(step.min(bytes.len())).map(|piece| (*side, piece)))
                .collect();
            let lab = conversation(family, port, &pieces);
            let records = lab.events(dataset);
            assert_eq!(
                records.len(),
                expected.len(),
                "{dataset} in steps of {step}: {records:#?}"
            );
            for (record, expected) in records.iter().zip(expected) {
                check(record, expected);
                let client = family.client.to_string();
                check(record, &[("source.ip", &client), ("network.type", family.name)]);
            }
        }
    }
}

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
