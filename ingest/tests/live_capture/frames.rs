//! Frames to send over a cable: those of the repository's cases, and some made here.

use std::{
    fs::{self, File},
    io::Read,
    net::IpAddr,
    path::Path,
};

use super::lab::{ACK, Family, Lab, SYN, captures_under, families, tcp_frame};

/// A classic capture of Ethernet: header, then a header of 16 bytes before each frame.
const HEADER_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 16;

/// Frames of one capture of others: so few that all together take less time than a finished connection is remembered.
const FRAMES_OF_ONE_MAX: usize = 8;
/// What a cable that is told of large frames sends.
const FRAME_BYTES_MAX: usize = 9_000;

/// Frames of a capture, each a millisecond after the one before, so that no silence ends a flow.
fn frames_of(case: &str) -> Vec<Vec<u8>> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../replay-data/cases");
    let file = File::open(cases.join(case)).unwrap();
    let mut bytes = Vec::new();
    if case.ends_with(".gz") {
        flate2::read::GzDecoder::new(file)
            .read_to_end(&mut bytes)
            .unwrap();
    } else if case.ends_with(".zst") {
        zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    } else {
        bytes = fs::read(cases.join(case)).unwrap();
    }
    let (mut at, mut frames) = (HEADER_BYTES, Vec::new());
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        at += FRAME_HEADER_BYTES;
        frames.push(bytes[at..at + length].to_vec());
        at += length;
    }
    frames
}

/// The first frames of each capture of others, where these are at hand; `None` where they are not.
pub(crate) fn of_others() -> Option<Lab> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"),
        Into::into,
    );
    if !root.is_dir() {
        println!("skipped: captures not found at {}", root.display());
        return None;
    }
    let mut lab = Lab::new();
    for path in captures_under(&root) {
        let capture = fs::read(path).unwrap();
        let is_ethernet = capture.get(20..24) == Some(&[1, 0, 0, 0]);
        if capture.starts_with(&[0xd4, 0xc3, 0xb2, 0xa1]) && is_ethernet {
            for frame in first_of(&capture).iter().filter(|frame| may_be_sent(frame)) {
                lab.frame(frame);
            }
        }
    }
    Some(lab)
}

fn first_of(capture: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut frames) = (HEADER_BYTES, Vec::new());
    while let Some(length) = capture.get(at + 8..at + 12)
        && frames.len() < FRAMES_OF_ONE_MAX
    {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        at += FRAME_HEADER_BYTES;
        let Some(frame) = capture.get(at..at + length) else {
            break;
        };
        frames.push(frame.to_vec());
        at += length;
    }
    frames
}

/// Whether a cable takes a frame: no interface sends less than a header, and the kernel throws away what ends in a tag.
fn may_be_sent(frame: &[u8]) -> bool {
    let is_tagged = [[0x81, 0], [0x88, 0xa8]]
        .iter()
        .any(|tag| frame.get(12..14) == Some(tag));
    let least = if is_tagged { 20 } else { 14 };
    (least..FRAME_BYTES_MAX).contains(&frame.len())
}

/// All kinds: connections, datagrams, VLANs, what is no IP, and what can't be read. No fragments, which the kernel may join.
pub(crate) fn mixed() -> Lab {
    let mut lab = Lab::new();
    for case in [
        "ssh-password-attack/capture.pcap",
        "web-probing/capture.pcap.gz",
        "https-beacon/capture.pcap.zst",
    ] {
        for frame in frames_of(case) {
            lab.frame(&frame);
        }
    }
    for family in families() {
        let frame = tcp_frame((family.client, 50_000), (family.server, 443), SYN, 0, b"");
        for tags in [
            &[0x81, 0, 0, 7][..],
            &[0x81, 0, 0, 8],
            &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9],
        ] {
            lab.frame(&[&frame[..12], tags, &frame[12..]].concat());
        }
        web(&mut lab, family);
        lab.udp((family.client, 50_000), (family.server, 53), &question(family));
        // The version says that it is IP, and the rest that it is not.
        let mut damaged = frame.clone();
        damaged[14] = 0x31;
        lab.frame(&damaged);
    }
    let arp = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1, 8, 6], &[0; 46]].concat();
    lab.frame(&arp).frame(&arp);
    lab
}

fn web(lab: &mut Lab, family: Family) {
    let (client, server) = ((family.client, 50_001), (family.server, 8080));
    let asks = b"GET /a HTTP/1.1\r\nHost: www.example.no\r\n\r\n";
    let answers = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    lab.open(client, server)
        .tcp(client, server, ACK, 1, asks)
        .tcp(server, client, ACK, 1, answers);
}

fn question(family: Family) -> Vec<u8> {
    let kind = if family.client.is_ipv4() { 1 } else { 28 };
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(b"\x03www\x07example\x02no\x00");
    message.extend([0, kind, 0, 1]);
    message
}

/// Beginnings of so many connections, half of them over IPv6.
pub(crate) fn flood(connections: u32) -> Lab {
    let mut lab = Lab::new();
    for number in 0..connections {
        let [_, high, middle, low] = number.to_be_bytes();
        let (client, server): (IpAddr, IpAddr) = if number % 2 == 0 {
            ([10, high, middle, low].into(), [192, 0, 2, 1].into())
        } else {
            let group = |a, b| u16::from_be_bytes([a, b]);
            let client = [0x2001, 0xdb8, 0, 0, 0, 0, group(0, high), group(middle, low)];
            (client.into(), [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1].into())
        };
        lab.frame(&tcp_frame((client, 40_000), (server, 443), SYN, 0, b""));
    }
    lab
}
