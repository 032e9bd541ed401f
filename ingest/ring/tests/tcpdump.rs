//! Filters mean what they mean to `tcpdump`: both are asked about every frame of real captures.
//!
//! Captures are looked for in `VARDE_CAPTURES`, by default `../shared/captures` beside the workspace.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics is a test that fails"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ingest_ring::Filter;

/// Frames asked about, from as many captures as that takes.
const FRAMES_MAX: usize = 150_000;
/// Frames of one capture: each shows something else.
const FRAMES_OF_ONE_MAX: usize = 400;

const ETHERNET: u32 = 1;
/// Tags that the kernel takes out, and one that it leaves to the filter, where `tcpdump` looks behind it.
const TAGS: [[u8; 2]; 2] = [[0x81, 0], [0x88, 0xa8]];
const OTHER_TAG: [u8; 2] = [0x91, 0];

const FILTERS: [&str; 25] = [
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "port 53",
    "tcp port 80",
    "udp dst port 53",
    "src port 443",
    "portrange 1024-5000",
    "tcp dst portrange 1-1023",
    "host 192.168.1.1",
    "net 10.0.0.0/8",
    "src net 192.168.0.0/16",
    "dst net 172.16.0.0/12",
    "ip6 net fe80::/10",
    "src net fe80::/64 or dst net ff02::/16",
    "net 2001:db8::/32",
    "arp net 192.168.0.0/16",
    "port 80 or 443 or 53",
    "not (tcp or udp) and not arp",
    "tcp and not port 80 or icmp",
    "not host 10.0.0.1 and (net 10.0.0.0/8 or ip6) and not portrange 1-100",
];

struct Frame {
    bytes: Vec<u8>,
    wire_bytes: u32,
    tag: Option<u16>,
}

#[test]
fn filters_take_what_tcpdump_takes() {
    let Some(root) = captures() else { return };
    if Command::new("tcpdump").arg("--version").output().is_err() {
        println!("skipped: tcpdump is not installed, scripts/provision test does that");
        return;
    }
    let frames = frames(&root);
    assert!(10_000 < frames.len(), "{} frames", frames.len());
    let folder = tempfile::tempdir().unwrap();
    let (tagged, untagged) = (
        folder.path().join("tagged.pcap"),
        folder.path().join("untagged.pcap"),
    );
    fs::write(&tagged, pcap(&frames)).unwrap();
    // Without their outer tag, as the kernel hands them over.
    let seen: Vec<Frame> = frames.iter().map(Frame::untagged).collect();
    fs::write(&untagged, pcap(&seen)).unwrap();
    for text in FILTERS {
        check(&seen, text, &tcpdump(&untagged, text));
        let text = format!("vlan and ({text})");
        check(&seen, &text, &tcpdump(&tagged, &text));
    }
}

#[track_caller]
fn check(frames: &[Frame], text: &str, expected: &BTreeSet<usize>) {
    let filter = Filter::parse(text).expect(text);
    let found: BTreeSet<usize> = (0..frames.len())
        .filter(|index| filter.accepts(&frames[*index].bytes, frames[*index].tag))
        .collect();
    let wrong: Vec<_> = found.symmetric_difference(expected).take(5).collect();
    let shown: Vec<_> = wrong.iter().map(|index| &frames[**index].bytes).collect();
    assert!(wrong.is_empty(), "{text}: {wrong:?} {shown:02x?}");
    println!("{text}: {} of {} frames", found.len(), frames.len());
}

fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: captures not found at {}", root.display());
    None
}

impl Frame {
    /// What the kernel hands to a filter: the outer tag is taken out.
    fn untagged(&self) -> Self {
        let is_tagged = TAGS.iter().any(|tag| self.bytes[12..14] == *tag) && 16 <= self.bytes.len();
        let (bytes, tag) = if is_tagged {
            let tag = u16::from_be_bytes([self.bytes[14], self.bytes[15]]);
            ([&self.bytes[..12], &self.bytes[16..]].concat(), Some(tag))
        } else {
            (self.bytes.clone(), None)
        };
        Self {
            wire_bytes: self.wire_bytes.max(bytes.len() as u32),
            bytes,
            tag,
        }
    }
}

/// Frames of all captures of Ethernet, some of each.
fn frames(root: &Path) -> Vec<Frame> {
    let (mut folders, mut frames) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "pcap") {
                read(&fs::read(&path).unwrap(), &mut frames);
            }
        }
    }
    frames.truncate(FRAMES_MAX);
    frames
}

/// The first frames of a classic capture.
fn read(capture: &[u8], frames: &mut Vec<Frame>) {
    let big = match capture.get(..4) {
        Some([0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) => false,
        Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]) => true,
        Some(_) | None => return,
    };
    let word = |at: usize| {
        let bytes = capture.get(at..at + 4)?.try_into().unwrap();
        Some(if big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    };
    if word(20) != Some(ETHERNET) {
        return;
    }
    let mut at = 24;
    for _ in 0..FRAMES_OF_ONE_MAX {
        let (Some(held), Some(wire_bytes)) = (word(at + 8), word(at + 12)) else {
            return;
        };
        let Some(bytes) = capture.get(at + 16..at + 16 + held as usize) else {
            return;
        };
        at += 16 + held as usize;
        // What looks behind such a tag differs, and what is cut inside of a tag is no use to either.
        let kind = bytes.get(12..14);
        if kind.is_some_and(|kind| kind != OTHER_TAG) && held <= wire_bytes && held <= 65_535 {
            frames.push(Frame {
                bytes: bytes.to_vec(),
                wire_bytes,
                tag: None,
            });
        }
    }
}

/// A capture of these frames, each at the second of its number.
fn pcap(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(262_144_u32.to_le_bytes());
    bytes.extend(ETHERNET.to_le_bytes());
    for (index, frame) in frames.iter().enumerate() {
        for word in [index as u32, 0, frame.bytes.len() as u32, frame.wire_bytes] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&frame.bytes);
    }
    bytes
}

/// The numbers of the frames that pass.
fn tcpdump(capture: &Path, filter: &str) -> BTreeSet<usize> {
    let output = Command::new("tcpdump")
        .args(["-n", "-w", "-", "-r"])
        .arg(capture)
        .arg(filter)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{filter}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (mut at, mut found) = (24, BTreeSet::new());
    let word = |at: usize| u32::from_le_bytes(output.stdout[at..at + 4].try_into().unwrap());
    while at < output.stdout.len() {
        found.insert(word(at) as usize);
        at += 16 + word(at + 8) as usize;
    }
    found
}
