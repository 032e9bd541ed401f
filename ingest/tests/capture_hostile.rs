//! Arbitrary bytes: nothing panics, and the reader always comes to an end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use ingest::capture::{CaptureOptions, CaptureReader};
use proptest::prelude::*;

use lab::{ACK, Lab, families};

/// Reads to the end; every call must use something up.
fn survive(bytes: &[u8]) {
    let mut out = Vec::new();
    let options = CaptureOptions {
        flows_max: 16,
        ..CaptureOptions::default()
    };
    let Ok(mut reader) = CaptureReader::new(bytes, options) else {
        return;
    };
    let mut calls = 0;
    while reader.read(&mut out).expect("memory does not fail") {
        calls += 1;
        assert!(calls <= 2 + bytes.len(), "no end");
    }
}

/// Headers between IPv6 and what it carries, of every kind, that end before their end, alone and behind another one.
#[test]
fn extension_headers_that_are_cut_are_not_read_beyond_their_end() {
    for kind in [0, 43, 44, 51, 60, 135, 139, 140] {
        for before in [&[][..], &[kind, 0, 1, 4, 0, 0, 0, 0]] {
            for length in 0..24 {
                let (first, fill) = if before.is_empty() {
                    (kind, 0xff)
                } else {
                    (60, kind)
                };
                let extension = [before, &vec![fill; length]].concat();
                let mut frame = [2; 12].to_vec();
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, extension.len() as u8, first, 64]);
                frame.extend([0x20; 32]);
                frame.extend(&extension);
                let mut lab = Lab::new();
                lab.frame(&frame);
                survive(&lab.bytes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_after_a_pcap_header(rest in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut bytes = Lab::new().bytes;
        bytes.extend(rest);
        survive(&bytes);
    }

    #[test]
    fn any_bytes_after_a_pcapng_header(rest in prop::collection::vec(any::<u8>(), 0..2_000), interface in any::<bool>()) {
        let mut bytes = b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0".to_vec();
        if interface {
            bytes.extend(b"\x01\0\0\0\x14\0\0\0\x01\0\0\0\0\0\0\0\x14\0\0\0");
        }
        bytes.extend(rest);
        survive(&bytes);
    }

    #[test]
    fn any_frames_under_any_link_type(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8), link in prop::sample::select(vec![0_u32, 1, 9, 12, 101, 108, 113, 276])) {
        let mut lab = Lab::new();
        lab.bytes[20..24].copy_from_slice(&link.to_le_bytes());
        for frame in &frames {
            lab.frame(frame);
        }
        survive(&lab.bytes);
    }

    #[test]
    fn any_payload_behind_a_known_beginning(
        start in prop::sample::select(vec![&b"\x16\x03\x01"[..], b"\x16\x03\x01\x00\x20\x01\x00\x00\x1c", b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"\x00\x20\x12\x34\x01\x00\x00\x01", b"SSH-2.0-x\r\n", b"SSH-2.0-x\r\n\0\0\x02\0\x04\x14", b"\0\0\0\x90\xfeSMB\x40\0\0\0", b"\0\0\0\x60\xffSMBr", b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01", b"\0\0\0\x10\x6a\x0e\x30\x0c", b"\x6a\x0e\x30\x0c", b"\x30\x84\0\0\x01\0\x02\x01\x01\x60\x84", b"EHLO x\r\nMAIL FROM:<a@b>\r\nDATA\r\n", b"\xc0\0\0\0\x01\x08abcdefgh\0\0\x44\xd0", b"\xd0\x6b\x33\x43\xcf\x08abcdefgh\0\0\x40\x80", b"\x16\x03\x03\x01\0\x02\0\0\x26\x03\x03", b""]),
        segments in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..300)), 1..20),
        port in prop::sample::select(vec![53_u16, 80, 443, 547, 4789, 6081]),
    ) {
        for family in families() {
            let (client, server) = ((family.client, 50_000), (family.server, port));
            let mut lab = Lab::new();
            lab.open(client, server).tcp(client, server, ACK, 1, start).udp(client, server, start);
            for (sequence, bytes) in &segments {
                lab.tcp(client, server, ACK, u32::from(*sequence), bytes).tcp(server, client, ACK, u32::from(*sequence), bytes);
                lab.udp(server, client, &[start, bytes].concat()).udp(client, server, &[start, bytes].concat());
            }
            survive(&lab.bytes);
        }
    }
}
