//! A block of the ring: from its bytes to frames.
//!
//! The kernel writes it, and a kernel is believed no more than a file: every offset is checked, so that whatever the bytes
//! are, each step goes forward and stays inside. Layouts are those of `linux/if_packet.h`, in the machine's byte order.

/// Of the start of a block, up to the word that says who has it, nothing is read here: the kernel may look at that word
/// at any time.
pub const STATUS_END: usize = 12;

/// Where a block says how many frames it has, and where the first one is.
const NUMBER_OF_FRAMES: usize = 12;
const FIRST_FRAME: usize = 16;
/// Length of the kernel's header of a block.
const BLOCK_HEADER_BYTES: usize = 48;

/// Length of a frame's header, and of the link address that follows it.
const HEADER_BYTES: usize = 48;
const ADDRESS_BYTES: usize = 20;

/// What a frame's status says of its VLAN tag.
const VLAN_VALID: u32 = 1 << 4;
const VLAN_PROTOCOL_VALID: u32 = 1 << 6;
/// IEEE 802.1Q, the tag's protocol where the kernel does not say it.
const ETHERTYPE_VLAN: u16 = 0x8100;

/// `PACKET_OUTGOING` and `ARPHRD_LOOPBACK`.
const OUTGOING: u8 = 4;
const LOOPBACK: u16 = 772;

/// Both hardware addresses, which stand before a VLAN tag.
const ADDRESSES_BYTES: usize = 12;
/// A VLAN tag.
const TAG_BYTES: usize = 4;

/// One frame as it lies in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFrame<'a> {
    /// When the kernel saw it: whole seconds since 1970.
    pub secs: u32,
    /// And nanoseconds.
    pub nanos: u32,
    /// What was captured, without the outer VLAN tag, which the kernel takes out.
    pub bytes: &'a [u8],
    /// Its length on the wire, without that tag.
    pub wire_bytes: usize,
    /// That tag: its protocol and its content.
    pub tag: Option<(u16, u16)>,
    /// Whether it comes a second time: on the loopback interface each packet is seen going out and coming in.
    pub is_double: bool,
}

/// Goes through the frames of a block.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    block: &'a [u8],
    at: usize,
    left: u32,
    unread: u32,
}

/// Goes through the frames of a block that the kernel has handed over; `block` is what lies behind its
/// first [`STATUS_END`] bytes.
#[must_use]
pub fn walk(block: &[u8]) -> Walk<'_> {
    let left = u32_at(block, NUMBER_OF_FRAMES - STATUS_END).unwrap_or(0);
    let first = u32_at(block, FIRST_FRAME - STATUS_END).map_or(usize::MAX, |at| at as usize);
    let mut walk = Walk {
        block,
        at: first.saturating_sub(STATUS_END),
        left,
        unread: 0,
    };
    if first < BLOCK_HEADER_BYTES {
        walk.give_up();
    }
    walk
}

impl Walk<'_> {
    /// Frames that the block says it has and that are not there.
    #[must_use]
    pub const fn unread(&self) -> u32 {
        self.unread
    }

    const fn give_up(&mut self) {
        self.unread = self.left;
        self.left = 0;
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = RawFrame<'a>;

    fn next(&mut self) -> Option<RawFrame<'a>> {
        if self.left == 0 {
            return None;
        }
        let Some((frame, next)) = frame(self.block, self.at) else {
            self.give_up();
            return None;
        };
        self.left -= 1;
        if self.left != 0 {
            match self.at.checked_add(next) {
                // The next one can't lie inside of this one's header.
                Some(at) if HEADER_BYTES <= next => self.at = at,
                Some(_) | None => self.give_up(),
            }
        }
        Some(frame)
    }
}

/// The frame at an offset, and how far behind it the next one is.
fn frame(block: &[u8], at: usize) -> Option<(RawFrame<'_>, usize)> {
    let entry = block.get(at..)?;
    let header = entry.get(..HEADER_BYTES + ADDRESS_BYTES)?;
    let next = u32_at(header, 0)? as usize;
    let captured = u32_at(header, 12)? as usize;
    let status = u32_at(header, 20)?;
    let start = usize::from(u16_at(header, 24)?);
    let bytes = entry.get(start..start.checked_add(captured)?)?;
    let tag = (status & VLAN_VALID != 0).then(|| {
        let control = u32_at(header, 32).map_or(0, |tag| (tag & 0xffff) as u16);
        let protocol = u16_at(header, 36).filter(|_| status & VLAN_PROTOCOL_VALID != 0);
        (protocol.unwrap_or(ETHERTYPE_VLAN), control)
    });
    let is_loopback = u16_at(header, HEADER_BYTES + 8)? == LOOPBACK;
    let is_outgoing = *header.get(HEADER_BYTES + 10)? == OUTGOING;
    let frame = RawFrame {
        secs: u32_at(header, 4)?,
        nanos: u32_at(header, 8)?,
        bytes,
        wire_bytes: (u32_at(header, 16)? as usize).max(captured),
        tag,
        is_double: is_loopback && is_outgoing,
    };
    Some((frame, next))
}

impl<'a> RawFrame<'a> {
    /// The frame as it was on the wire, and its length there: with its tag, for which it is put together in `room`.
    pub fn whole<'b>(&self, room: &'b mut Vec<u8>) -> (&'b [u8], usize)
    where
        'a: 'b,
    {
        let Some(((protocol, control), (addresses, rest))) =
            self.tag.zip(self.bytes.split_at_checked(ADDRESSES_BYTES))
        else {
            return (self.bytes, self.wire_bytes);
        };
        room.clear();
        room.extend_from_slice(addresses);
        room.extend_from_slice(&protocol.to_be_bytes());
        room.extend_from_slice(&control.to_be_bytes());
        room.extend_from_slice(rest);
        (room, self.wire_bytes + TAG_BYTES)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests;
