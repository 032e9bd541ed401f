//! From what is wanted to the kernel's instructions: classic BPF, as `linux/filter.h` has it.
//!
//! Each question is a load and a comparison with two ways out, which are jumps to labels; a label has its place when all is
//! written. Nothing is optimised: the kernel translates the program to machine code itself.

use std::net::IpAddr;

use super::words::{Protocol, Side, Wanted};

/// `BPF_MAXINSNS`.
pub(super) const INSTRUCTIONS_MAX: usize = 4096;

/// Loads of four, two and one byte at a place; of two bytes at a place behind X; X from the length of an IPv4 header.
pub(super) const LOAD_WORD: u16 = 0x20;
pub(super) const LOAD_HALF: u16 = 0x28;
pub(super) const LOAD_BYTE: u16 = 0x30;
pub(super) const LOAD_HALF_BEHIND: u16 = 0x48;
pub(super) const LOAD_HEADER_LENGTH: u16 = 0xb1;
pub(super) const AND: u16 = 0x54;
pub(super) const JUMP: u16 = 0x05;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const JUMP_GREATER: u16 = 0x25;
pub(super) const JUMP_NOT_LESS: u16 = 0x35;
pub(super) const RETURN: u16 = 0x06;

/// Places from here on are not in the frame: what the kernel knows of it (`SKF_AD_OFF`).
const KNOWN: u32 = 0xffff_f000;
pub(super) const TAG: u32 = KNOWN + 44;
pub(super) const HAS_TAG: u32 = KNOWN + 48;

/// Bytes of a packet that are wanted: all.
const WHOLE: u32 = 0x0004_0000;

const ETHERTYPE_AT: u32 = 12;
const ETHERTYPE_IPV4: u32 = 0x0800;
const ETHERTYPE_IPV6: u32 = 0x86dd;
const ETHERTYPE_ARP: u32 = 0x0806;
const ETHERTYPE_RARP: u32 = 0x8035;

const IPV4_FRAGMENT_AT: u32 = 20;
const IPV4_PROTOCOL_AT: u32 = 23;
const IPV4_AT: u32 = 14;
const IPV6_NEXT_AT: u32 = 20;
const IPV6_PAYLOAD_AT: u32 = 54;
const IPV6_FRAGMENT: u32 = 44;

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(super) code: u16,
    /// Instructions to pass over if a comparison holds, and if not.
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) value: u32,
}

impl Instruction {
    /// A program that takes every packet.
    pub(crate) const ALL: Self = Self::new(RETURN, WHOLE);
    /// And one that takes none.
    pub(crate) const NOTHING: Self = Self::new(RETURN, 0);

    const fn new(code: u16, value: u32) -> Self {
        Self {
            code,
            if_true: 0,
            if_false: 0,
            value,
        }
    }

    pub(crate) fn raw(&self) -> libc::sock_filter {
        libc::sock_filter {
            code: self.code,
            jt: self.if_true,
            jf: self.if_false,
            k: self.value,
        }
    }
}

/// The program for what is wanted; none if it is too long.
pub(super) fn translate(wanted: &Wanted) -> Option<Vec<Instruction>> {
    let mut writer = Writer {
        instructions: Vec::new(),
        jumps: Vec::new(),
        places: Vec::new(),
    };
    let (yes, no) = (writer.label(), writer.label());
    writer.wanted(wanted, yes, no);
    writer.place(yes);
    writer.instructions.push(Instruction::ALL);
    writer.place(no);
    writer.instructions.push(Instruction::NOTHING);
    for (at, label) in &writer.jumps {
        let place = writer.places.get(label.0).copied()?;
        let jump = writer.instructions.get_mut(*at)?;
        jump.value = u32::try_from(place.checked_sub(at + 1)?).ok()?;
    }
    (writer.instructions.len() <= INSTRUCTIONS_MAX).then_some(writer.instructions)
}

/// A place that is not known yet.
#[derive(Clone, Copy)]
struct Label(usize);

struct Writer {
    instructions: Vec<Instruction>,
    /// Jumps, by their place, to labels.
    jumps: Vec<(usize, Label)>,
    places: Vec<usize>,
}

impl Writer {
    fn label(&mut self) -> Label {
        self.places.push(usize::MAX);
        Label(self.places.len() - 1)
    }

    /// What is written next is where the label leads.
    fn place(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = self.instructions.len();
        }
    }

    fn push(&mut self, code: u16, value: u32) {
        self.instructions.push(Instruction::new(code, value));
    }

    fn jump(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(JUMP, 0);
    }

    /// Compares what was loaded.
    fn compare(&mut self, code: u16, value: u32, yes: Label, no: Label) {
        self.instructions.push(Instruction {
            if_false: 1,
            ..Instruction::new(code, value)
        });
        self.jump(yes);
        self.jump(no);
    }

    /// Goes to `yes` if what was loaded is the value, and on otherwise.
    fn leave_if(&mut self, value: u32, yes: Label) {
        let next = self.label();
        self.compare(JUMP_EQUAL, value, yes, next);
        self.place(next);
    }

    /// Goes on if what was loaded is the value, and to `no` otherwise.
    fn stay_if(&mut self, code: u16, value: u32, no: Label) {
        let next = self.label();
        self.compare(code, value, next, no);
        self.place(next);
    }

    fn wanted(&mut self, wanted: &Wanted, yes: Label, no: Label) {
        match wanted {
            Wanted::Not(inside) => self.wanted(inside, no, yes),
            Wanted::And(left, right) => {
                let next = self.label();
                self.wanted(left, next, no);
                self.place(next);
                self.wanted(right, yes, no);
            }
            Wanted::Or(left, right) => {
                let next = self.label();
                self.wanted(left, yes, next);
                self.place(next);
                self.wanted(right, yes, no);
            }
            Wanted::Protocol(protocol) => self.protocol(*protocol, yes, no),
            Wanted::Vlan(number) => self.vlan(*number, yes, no),
            Wanted::Net {
                carrier,
                side,
                address,
                bits,
            } => self.net(*carrier, *side, *address, *bits, yes, no),
            Wanted::Port {
                carrier,
                side,
                first,
                last,
            } => self.port(*carrier, *side, (*first, *last), yes, no),
        }
    }

    fn protocol(&mut self, protocol: Protocol, yes: Label, no: Label) {
        self.push(LOAD_HALF, ETHERTYPE_AT);
        let (number, in_v4, in_v6) = match protocol {
            Protocol::Ip => return self.compare(JUMP_EQUAL, ETHERTYPE_IPV4, yes, no),
            Protocol::Ip6 => return self.compare(JUMP_EQUAL, ETHERTYPE_IPV6, yes, no),
            Protocol::Arp => return self.compare(JUMP_EQUAL, ETHERTYPE_ARP, yes, no),
            Protocol::Tcp => (6, true, true),
            Protocol::Udp => (17, true, true),
            Protocol::Sctp => (132, true, true),
            Protocol::Icmp => (1, true, false),
            Protocol::Icmp6 => (58, false, true),
        };
        let (v4, v6) = (self.label(), self.label());
        if in_v6 {
            self.leave_if(ETHERTYPE_IPV6, v6);
        }
        if in_v4 {
            self.leave_if(ETHERTYPE_IPV4, v4);
        }
        self.jump(no);
        self.place(v6);
        if in_v6 {
            self.push(LOAD_BYTE, IPV6_NEXT_AT);
            self.leave_if(number, yes);
            // Behind a fragment's header.
            self.stay_if(JUMP_EQUAL, IPV6_FRAGMENT, no);
            self.push(LOAD_BYTE, IPV6_PAYLOAD_AT);
            self.compare(JUMP_EQUAL, number, yes, no);
        }
        self.place(v4);
        if in_v4 {
            self.push(LOAD_BYTE, IPV4_PROTOCOL_AT);
            self.compare(JUMP_EQUAL, number, yes, no);
        }
    }

    fn vlan(&mut self, number: Option<u16>, yes: Label, no: Label) {
        self.push(LOAD_BYTE, HAS_TAG);
        let Some(number) = number else {
            return self.compare(JUMP_EQUAL, 1, yes, no);
        };
        self.stay_if(JUMP_EQUAL, 1, no);
        self.push(LOAD_HALF, TAG);
        self.push(AND, 0x0fff);
        self.compare(JUMP_EQUAL, number.into(), yes, no);
    }

    fn net(
        &mut self,
        carrier: Option<Protocol>,
        side: Side,
        address: IpAddr,
        bits: u8,
        yes: Label,
        no: Label,
    ) {
        self.push(LOAD_HALF, ETHERTYPE_AT);
        match address {
            IpAddr::V6(address) => {
                self.stay_if(JUMP_EQUAL, ETHERTYPE_IPV6, no);
                let words = words(address.to_bits(), bits, 4);
                self.ends(side, (22, 38), &words, yes, no);
            }
            IpAddr::V4(address) => {
                let words = words(u128::from(address.to_bits()) << 96, bits, 1);
                let (v4, arp) = (self.label(), self.label());
                if matches!(carrier, None | Some(Protocol::Ip)) {
                    self.leave_if(ETHERTYPE_IPV4, v4);
                }
                if matches!(carrier, None | Some(Protocol::Arp)) {
                    self.leave_if(ETHERTYPE_ARP, arp);
                }
                if carrier.is_none() {
                    self.leave_if(ETHERTYPE_RARP, arp);
                }
                self.jump(no);
                self.place(v4);
                self.ends(side, (26, 30), &words, yes, no);
                self.place(arp);
                self.ends(side, (28, 38), &words, yes, no);
            }
        }
    }

    /// Whether an end's address, at one of two places, is in a network.
    fn ends(&mut self, side: Side, at: (u32, u32), words: &[(u32, u32)], yes: Label, no: Label) {
        match side {
            Side::Source => self.address(at.0, words, yes, no),
            Side::Destination => self.address(at.1, words, yes, no),
            Side::Either => {
                let other = self.label();
                self.address(at.0, words, yes, other);
                self.place(other);
                self.address(at.1, words, yes, no);
            }
        }
    }

    /// Whether the words at a place are these, as far as their masks go.
    fn address(&mut self, at: u32, words: &[(u32, u32)], yes: Label, no: Label) {
        for (offset, (value, mask)) in (0_u32..).step_by(4).zip(words) {
            self.push(LOAD_WORD, at + offset);
            if *mask != u32::MAX {
                self.push(AND, *mask);
            }
            self.stay_if(JUMP_EQUAL, *value, no);
        }
        self.jump(yes);
    }

    fn port(&mut self, carrier: Option<Protocol>, side: Side, ports: (u16, u16), yes: Label, no: Label) {
        let numbers: &[u32] = match carrier {
            Some(Protocol::Tcp) => &[6],
            Some(Protocol::Udp) => &[17],
            Some(Protocol::Sctp) => &[132],
            Some(Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Icmp | Protocol::Icmp6) | None => {
                &[132, 6, 17]
            }
        };
        let (v4, v6, v4_ports, v6_ports) = (self.label(), self.label(), self.label(), self.label());
        self.push(LOAD_HALF, ETHERTYPE_AT);
        self.leave_if(ETHERTYPE_IPV6, v6);
        self.leave_if(ETHERTYPE_IPV4, v4);
        self.jump(no);
        self.place(v6);
        self.push(LOAD_BYTE, IPV6_NEXT_AT);
        for number in numbers {
            self.leave_if(*number, v6_ports);
        }
        self.jump(no);
        self.place(v6_ports);
        self.port_at(LOAD_HALF, IPV6_PAYLOAD_AT, side, ports, yes, no);
        self.place(v4);
        self.push(LOAD_BYTE, IPV4_PROTOCOL_AT);
        for number in numbers {
            self.leave_if(*number, v4_ports);
        }
        self.jump(no);
        self.place(v4_ports);
        // A later fragment has none.
        self.push(LOAD_HALF, IPV4_FRAGMENT_AT);
        self.push(AND, 0x1fff);
        self.stay_if(JUMP_EQUAL, 0, no);
        self.push(LOAD_HEADER_LENGTH, IPV4_AT);
        self.port_at(LOAD_HALF_BEHIND, IPV4_AT, side, ports, yes, no);
    }

    /// Whether a port, the source's at `at` and the destination's behind it, is one of these.
    fn port_at(&mut self, load: u16, at: u32, side: Side, ports: (u16, u16), yes: Label, no: Label) {
        match side {
            Side::Source => self.one_port(load, at, ports, yes, no),
            Side::Destination => self.one_port(load, at + 2, ports, yes, no),
            Side::Either => {
                let other = self.label();
                self.one_port(load, at, ports, yes, other);
                self.place(other);
                self.one_port(load, at + 2, ports, yes, no);
            }
        }
    }

    fn one_port(&mut self, load: u16, at: u32, (first, last): (u16, u16), yes: Label, no: Label) {
        self.push(load, at);
        if first == last {
            return self.compare(JUMP_EQUAL, first.into(), yes, no);
        }
        self.stay_if(JUMP_NOT_LESS, first.into(), no);
        self.compare(JUMP_GREATER, last.into(), no, yes);
    }
}

/// The words of an address and their masks, as far as a network of so many bits asks for them.
fn words(address: u128, bits: u8, count: usize) -> Vec<(u32, u32)> {
    let mask = !u128::MAX.checked_shr(bits.into()).unwrap_or(0);
    let word = |number: u128, index: usize| (number >> (96 - 32 * index)) as u32;
    (0..count)
        .map(|index| (word(address, index), word(mask, index)))
        .filter(|(_, mask)| *mask != 0)
        .collect()
}
