//! Blocks as the kernel writes them, and blocks as no kernel would.

use proptest::prelude::*;

use super::*;

/// The layouts that this file knows by number are the kernel's.
const _: () = {
    assert!(size_of::<libc::tpacket_block_desc>() == BLOCK_HEADER_BYTES);
    assert!(size_of::<libc::tpacket3_hdr>() == HEADER_BYTES);
    assert!(size_of::<libc::sockaddr_ll>() == ADDRESS_BYTES);
    assert!(std::mem::offset_of!(libc::tpacket_block_desc, hdr) + 4 == NUMBER_OF_FRAMES);
    assert!(std::mem::offset_of!(libc::tpacket3_hdr, tp_snaplen) == 12);
    assert!(std::mem::offset_of!(libc::tpacket3_hdr, tp_len) == 16);
    assert!(std::mem::offset_of!(libc::tpacket3_hdr, tp_status) == 20);
    assert!(std::mem::offset_of!(libc::tpacket3_hdr, tp_mac) == 24);
    assert!(std::mem::offset_of!(libc::tpacket3_hdr, hv1) + 4 == 32);
    assert!(std::mem::offset_of!(libc::sockaddr_ll, sll_hatype) == 8);
    assert!(std::mem::offset_of!(libc::sockaddr_ll, sll_pkttype) == 10);
};

struct Entry<'a> {
    bytes: &'a [u8],
    status: u32,
    tag: (u16, u16),
    hardware: u16,
    kind: u8,
}

/// A block with these frames.
fn block(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut block = vec![0; BLOCK_HEADER_BYTES];
    block[12..16].copy_from_slice(&(entries.len() as u32).to_ne_bytes());
    block[16..20].copy_from_slice(&(BLOCK_HEADER_BYTES as u32).to_ne_bytes());
    for (index, entry) in entries.iter().enumerate() {
        let start = HEADER_BYTES + ADDRESS_BYTES + 14;
        let length = (start + entry.bytes.len()).next_multiple_of(16);
        let next = if index + 1 == entries.len() { 0 } else { length };
        let mut frame = vec![0; length];
        let mut put = |at: usize, bytes: &[u8]| frame[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &(next as u32).to_ne_bytes());
        put(4, &(1_700_000_000 + index as u32).to_ne_bytes());
        put(8, &7_u32.to_ne_bytes());
        put(12, &(entry.bytes.len() as u32).to_ne_bytes());
        put(16, &(entry.bytes.len() as u32 + 100).to_ne_bytes());
        put(20, &entry.status.to_ne_bytes());
        put(24, &(start as u16).to_ne_bytes());
        put(32, &u32::from(entry.tag.1).to_ne_bytes());
        put(36, &entry.tag.0.to_ne_bytes());
        put(HEADER_BYTES + 8, &entry.hardware.to_ne_bytes());
        put(HEADER_BYTES + 10, &[entry.kind]);
        put(start, entry.bytes);
        block.extend(frame);
    }
    block
}

fn plain(bytes: &[u8]) -> Entry<'_> {
    Entry {
        bytes,
        status: 1,
        tag: (0, 0),
        hardware: 1,
        kind: 0,
    }
}

#[test]
fn frames_are_found_one_after_the_other() {
    let block = block(&[
        plain(b"one"),
        plain(b""),
        plain(b"the third one, which is longer"),
    ]);
    let mut walk = walk(&block[STATUS_END..]);
    let found: Vec<_> = walk
        .by_ref()
        .map(|frame| (frame.secs, frame.nanos, frame.bytes))
        .collect();
    assert_eq!(
        found,
        [
            (1_700_000_000, 7, &b"one"[..]),
            (1_700_000_001, 7, b""),
            (1_700_000_002, 7, b"the third one, which is longer"),
        ]
    );
    assert_eq!(walk.unread(), 0);
}

#[test]
fn a_tag_that_the_kernel_took_out_is_put_back() {
    let bytes = b"ABCDEFabcdef\x08\x00rest";
    for (status, tag, expected, more) in [
        (1, (0x88a8, 7), &bytes[..], 0),
        (
            1 | VLAN_VALID,
            (0, 7),
            b"ABCDEFabcdef\x81\x00\x00\x07\x08\x00rest",
            4,
        ),
        (
            1 | VLAN_VALID | VLAN_PROTOCOL_VALID,
            (0x88a8, 0xe007),
            b"ABCDEFabcdef\x88\xa8\xe0\x07\x08\x00rest",
            4,
        ),
    ] {
        let block = block(&[Entry {
            status,
            tag,
            ..plain(bytes)
        }]);
        let frame = walk(&block[STATUS_END..]).next().expect("one frame");
        let mut room = Vec::new();
        let wire_bytes = bytes.len() + 100 + more;
        assert_eq!(frame.whole(&mut room), (expected, wire_bytes), "{status} {tag:?}");
    }
}

#[test]
fn loopback_tells_each_packet_twice_and_others_do_not() {
    for (hardware, kind, is_double) in [(772, 4, true), (772, 0, false), (1, 4, false), (1, 0, false)] {
        let block = block(&[Entry {
            hardware,
            kind,
            ..plain(b"x")
        }]);
        let frame = walk(&block[STATUS_END..]).next().expect("one frame");
        assert_eq!(frame.is_double, is_double, "{hardware} {kind}");
    }
}

#[test]
fn what_is_not_there_is_counted() {
    let mut whole = block(&[plain(b"one"), plain(b"two"), plain(b"three")]);
    let length = whole.len();
    for (cut, read, unread) in [
        (length, 3, 0),
        (length - 40, 2, 1),
        (60, 0, 3),
        (20, 0, 3),
        (10, 0, 0),
    ] {
        let mut walk = walk(whole[..cut].get(STATUS_END..).unwrap_or_default());
        assert_eq!((walk.by_ref().count(), walk.unread()), (read, unread), "{cut}");
    }
    // The second frame says that the third is inside of it.
    let second = BLOCK_HEADER_BYTES + 96;
    whole[second..second + 4].copy_from_slice(&8_u32.to_ne_bytes());
    let mut walk = walk(&whole[STATUS_END..]);
    assert_eq!((walk.by_ref().count(), walk.unread()), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the kernel writes, the walk ends and tells every frame as read or unread.
    #[test]
    fn any_bytes_are_walked_to_an_end(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
        number in 0_u32..200,
        first in 0_u32..200,
    ) {
        if let Some(head) = bytes.get_mut(12..20) {
            head[..4].copy_from_slice(&number.to_ne_bytes());
            head[4..].copy_from_slice(&first.to_ne_bytes());
        }
        let said = u32_at(&bytes, NUMBER_OF_FRAMES).unwrap_or(0);
        let mut walk = walk(bytes.get(STATUS_END..).unwrap_or_default());
        let read = walk.by_ref().count();
        prop_assert_eq!(read as u32 + walk.unread(), said);
    }

    /// A block of the kernel's in which bytes are turned.
    #[test]
    fn turned_bytes_are_walked_to_an_end(
        turns in proptest::collection::vec((0_usize..400, any::<u8>()), 1..20),
    ) {
        let mut bytes = block(&[plain(b"one"), plain(b"two"), plain(b"three"), plain(&[7; 60])]);
        for (at, byte) in turns {
            if let Some(turned) = bytes.get_mut(at) {
                *turned = byte;
            }
        }
        let said = u32_at(&bytes, NUMBER_OF_FRAMES).unwrap_or(0);
        let mut walk = walk(bytes.get(STATUS_END..).unwrap_or_default());
        let (mut room, mut read) = (Vec::new(), 0_u32);
        for frame in walk.by_ref() {
            read += 1;
            let (whole, _) = frame.whole(&mut room);
            prop_assert!(frame.bytes.len() <= whole.len());
        }
        prop_assert_eq!(u64::from(read) + u64::from(walk.unread()), u64::from(said));
    }
}
