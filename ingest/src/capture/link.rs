//! Link types and what they carry: from a captured frame to the IP packet inside.
//!
//! Numbers are those of the registry of link types, <https://www.tcpdump.org/linktypes.html>. Frames that
//! carry no IP (ARP, spanning tree) are normal and yield nothing; only a frame too short for its own header
//! is damaged.

use std::fmt;

/// A link type that this reader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// Ethernet, with any depth of VLAN tags (1).
    Ethernet,
    /// IP without a link header (12, 14, 101, 228, 229).
    Ip,
    /// Linux cooked capture, version 1 (113).
    LinuxCooked,
    /// Linux cooked capture, version 2 (276).
    LinuxCooked2,
    /// BSD loopback: a protocol family of four bytes in either byte order (0, 108).
    Loopback,
    /// PPP, with or without HDLC framing (9, 50).
    Ppp,
    /// HDLC as Cisco frames it: address, control and an ethertype (104).
    CiscoHdlc,
}

/// A link type that this reader does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLinkType {
    /// The number in the file.
    pub number: u32,
}

/// The outer and the inner VLAN of a frame (IEEE 802.1Q); zero, which no VLAN has, where there is none.
pub(super) type Vlans = [u16; 2];

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried<'a> {
    /// An IP packet: version and lengths are still to be checked.
    Ip(&'a [u8]),
    /// Something that is no IP.
    NotIp,
    /// The frame ends inside its link header.
    Short,
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864;
/// 802.1Q, 802.1ad and the older tag that some switches write.
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Around a whole frame: a tree and a time to live (Cisco, "FabricPath Encapsulation and Formats").
const ETHERTYPE_FABRIC_PATH: u16 = 0x8903;
/// Those, and the addresses of the frame inside.
const FABRIC_PATH_BYTES: usize = 2 + 12;
const ETHERTYPES_MPLS: [u16; 2] = [0x8847, 0x8848];

/// Tags and labels followed in one frame: more than any network uses, few enough that a frame full of them costs nothing.
const TAGS_MAX: usize = 16;

impl LinkType {
    /// Reads the number that a capture names.
    pub(super) const fn parse(number: u32) -> Result<Self, UnknownLinkType> {
        match number {
            1 => Ok(Self::Ethernet),
            12 | 14 | 101 | 228 | 229 => Ok(Self::Ip),
            113 => Ok(Self::LinuxCooked),
            276 => Ok(Self::LinuxCooked2),
            0 | 108 => Ok(Self::Loopback),
            9 | 50 => Ok(Self::Ppp),
            104 => Ok(Self::CiscoHdlc),
            _ => Err(UnknownLinkType { number }),
        }
    }

    /// The IP packet in a frame, and the frame's VLANs.
    pub(super) fn carried(self, frame: &[u8]) -> (Carried<'_>, Vlans) {
        let carried = match self {
            Self::Ethernet => return tagged(frame, 12),
            Self::LinuxCooked => return tagged(frame, 14),
            Self::CiscoHdlc => return tagged(frame, 2),
            Self::LinuxCooked2 => match (u16_at(frame, 0), frame.get(20..)) {
                (Some(protocol), Some(rest)) => return by_ethertype(protocol, rest),
                _ => Carried::Short,
            },
            Self::Ip => Carried::Ip(frame),
            Self::Loopback => frame.get(4..).map_or(Carried::Short, ip_by_version),
            Self::Ppp => ppp(frame, ppp_start(frame)),
        };
        (carried, Vlans::default())
    }
}

/// Follows an ethertype at `offset`.
fn tagged(frame: &[u8], offset: usize) -> (Carried<'_>, Vlans) {
    match (u16_at(frame, offset), frame.get(offset + 2..)) {
        (Some(kind), Some(rest)) => by_ethertype(kind, rest),
        _ => (Carried::Short, Vlans::default()),
    }
}

/// What follows an ethertype, and the VLANs on the way.
pub(super) fn by_ethertype(mut kind: u16, mut rest: &[u8]) -> (Carried<'_>, Vlans) {
    let (mut vlans, mut tags) = (Vlans::default(), 0);
    for _ in 0..TAGS_MAX {
        match kind {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => return (Carried::Ip(rest), vlans),
            ETHERTYPE_PPPOE_SESSION => return (ppp(rest, 6), vlans),
            kind if ETHERTYPES_MPLS.contains(&kind) => return (mpls(rest), vlans),
            tag if ETHERTYPES_VLAN.contains(&tag) => {
                let (Some(control), Some(inner), Some(after)) =
                    (u16_at(rest, 0), u16_at(rest, 2), rest.get(4..))
                else {
                    return (Carried::Short, vlans);
                };
                if let Some(vlan) = vlans.get_mut(tags) {
                    // Above the number are priority and drop eligibility.
                    *vlan = control & 0x0fff;
                }
                tags += 1;
                kind = inner;
                rest = after;
            }
            ETHERTYPE_FABRIC_PATH => {
                let inner = rest.get(FABRIC_PATH_BYTES..);
                let (Some(inner), Some(after)) = (
                    u16_at(rest, FABRIC_PATH_BYTES),
                    inner.and_then(|inner| inner.get(2..)),
                ) else {
                    return (Carried::Short, vlans);
                };
                kind = inner;
                rest = after;
            }
            _ => return (Carried::NotIp, vlans),
        }
    }
    (Carried::NotIp, vlans)
}

/// Where the PPP protocol begins: address and control bytes are there or compressed away (RFC 1662 section 3.1).
pub(super) fn ppp_start(frame: &[u8]) -> usize {
    if frame.starts_with(&[0xff, 0x03]) { 2 } else { 0 }
}

/// PPP protocol numbers: 0x0021 and 0x0057 (RFC 1332, RFC 5072), also in their compressed one-byte form.
pub(super) fn ppp(frame: &[u8], start: usize) -> Carried<'_> {
    match frame.get(start..) {
        Some([0x00, 0x21 | 0x57, rest @ ..] | [0x21 | 0x57, rest @ ..]) => Carried::Ip(rest),
        Some([_, _, ..]) => Carried::NotIp,
        Some(_) | None => Carried::Short,
    }
}

/// Skips labels to the bottom of the stack (RFC 3032 section 2.1) and takes what looks like IP.
fn mpls(mut rest: &[u8]) -> Carried<'_> {
    for _ in 0..TAGS_MAX {
        let Some((label, after)) = rest.split_first_chunk::<4>() else {
            return Carried::Short;
        };
        rest = after;
        if label[2] & 1 == 1 {
            return ip_by_version(rest);
        }
    }
    Carried::NotIp
}

fn ip_by_version(rest: &[u8]) -> Carried<'_> {
    match rest.first().map(|byte| byte >> 4) {
        Some(4 | 6) => Carried::Ip(rest),
        Some(_) => Carried::NotIp,
        None => Carried::Short,
    }
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes
        .get(offset..)?
        .first_chunk()
        .map(|pair| u16::from_be_bytes(*pair))
}

impl std::error::Error for UnknownLinkType {}

/// Names the number, what it is where that is well known, and what would do.
impl fmt::Display for UnknownLinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.number {
            105 => " (IEEE 802.11)",
            127 => " (IEEE 802.11 radiotap)",
            119 => " (IEEE 802.11 Prism)",
            147..=162 => " (reserved for private use)",
            187 | 201 => " (Bluetooth HCI)",
            189 | 220 => " (USB)",
            195 | 230 => " (IEEE 802.15.4)",
            227 => " (CAN bus)",
            239 => " (netfilter log)",
            253 => " (netlink)",
            _ => "",
        };
        write!(
            f,
            "link type {}{name} is not known; known are Ethernet (1), raw IP (12, 14, 101, 228, 229), \
             Linux cooked (113, 276), loopback (0, 108), PPP (9, 50) and HDLC of Cisco (104)",
            self.number
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(link: u32, frame: &[u8], expected: Carried<'_>) {
        let link = LinkType::parse(link).expect("known");
        assert_eq!(link.carried(frame).0, expected, "{link:?} {frame:02x?}");
    }

    #[test]
    fn ip_is_found_under_every_link_type() {
        let v4: &[u8] = &[0x45, 0];
        let v6: &[u8] = &[0x60, 0];
        for (ip, ethertype, ppp, family) in [(v4, [8, 0], 0x21, 2_u8), (v6, [0x86, 0xdd], 0x57, 30)] {
            let with = |head: &[u8]| [head, ip].concat();
            let macs = [0; 12];
            check(1, &with(&[&macs[..], &ethertype].concat()), Carried::Ip(ip));
            check(
                1,
                &with(&[&macs[..], &[0x81, 0, 0, 7], &ethertype].concat()),
                Carried::Ip(ip),
            );
            let qinq = [&macs[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8], &ethertype].concat();
            check(1, &with(&qinq), Carried::Ip(ip));
            let labels = [&macs[..], &[0x88, 0x47, 0, 1, 0, 64, 0, 1, 1, 64]].concat();
            check(1, &with(&labels), Carried::Ip(ip));
            let fabric = [
                &macs[..],
                &[0x89, 0x03, 0, 0x3f],
                &macs,
                &[0x81, 0, 0, 7],
                &ethertype,
            ]
            .concat();
            check(1, &with(&fabric), Carried::Ip(ip));
            let pppoe = [&macs[..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 4, 0, ppp]].concat();
            check(1, &with(&pppoe), Carried::Ip(ip));
            for raw in [12, 14, 101] {
                check(raw, ip, Carried::Ip(ip));
            }
            check(113, &with(&[&[0; 14][..], &ethertype].concat()), Carried::Ip(ip));
            check(276, &with(&[&ethertype[..], &[0; 18]].concat()), Carried::Ip(ip));
            check(0, &with(&[family, 0, 0, 0]), Carried::Ip(ip));
            check(108, &with(&[0, 0, 0, family]), Carried::Ip(ip));
            check(9, &with(&[0xff, 0x03, 0, ppp]), Carried::Ip(ip));
            check(
                104,
                &with(&[&[0x0f, 0], &ethertype[..]].concat()),
                Carried::Ip(ip),
            );
        }
    }

    #[test]
    fn vlans_are_told_from_the_outside_in() {
        let link = LinkType::Ethernet;
        let frame = |tags: &[u8]| [&[0; 12][..], tags, &[8, 0, 0x45, 0]].concat();
        for (tags, expected) in [
            (&[][..], [0, 0]),
            (&[0x81, 0, 0xe0, 7], [7, 0]),
            (&[0x88, 0xa8, 0, 7, 0x81, 0, 0x01, 8], [7, 0x108]),
            (
                &[&[0x89, 0x03, 0, 0x3f][..], &[0; 12], &[0x81, 0, 0, 7]].concat(),
                [7, 0],
            ),
            (&[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3], [1, 2]),
        ] {
            assert_eq!(link.carried(&frame(tags)).1, expected, "{tags:02x?}");
        }
    }

    #[test]
    fn what_is_not_ip_and_what_is_cut_are_told_apart() {
        let arp = [&[0; 12][..], &[8, 6], &[0; 28]].concat();
        check(1, &arp, Carried::NotIp);
        check(1, &[0; 13], Carried::Short);
        check(1, &[&[0; 12][..], &[0x81, 0, 0]].concat(), Carried::Short);
        check(
            1,
            &[&[0; 12][..], &[0x89, 0x03], &[0; 15]].concat(),
            Carried::Short,
        );
        check(276, &[8, 0, 0], Carried::Short);
        check(0, &[2, 0, 0, 0], Carried::Short);
    }

    #[test]
    fn an_unknown_link_type_is_named_with_what_would_do() {
        let message = LinkType::parse(127).expect_err("unknown").to_string();
        assert!(message.contains("127 (IEEE 802.11 radiotap)"), "{message}");
        assert!(message.contains("Ethernet (1)"), "{message}");
    }
}
