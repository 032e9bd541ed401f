//! The wire form of messages: numbers, strings, names and records (RFC 1035 sections 3 and 4.1).
//!
//! Read here and not by a library: one bit of a header, one class or one damaged record must not hide all others, and how
//! much work a stranger's pointers make must be bounded. Nothing is read twice but names that are pointed at.

use super::push_label;

/// Pointers followed for one name, which has no more labels.
const HOPS_MAX: usize = 127;
/// RFC 1035 section 2.3.4, without the root.
const NAME_BYTES_MAX: usize = 254;

/// A place in a message, and where what is read there ends.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    message: &'a [u8],
    at: usize,
    end: usize,
}

/// A record as it lies in the message.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    /// Where its name is.
    pub(super) owner: Reader<'a>,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) data: Reader<'a>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(message: &'a [u8], at: usize) -> Self {
        Self {
            message,
            at,
            end: message.len(),
        }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.message.get(self.at..self.end).unwrap_or_default()
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let bytes = self.rest().get(..length)?;
        self.at += length;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.rest().first_chunk()?;
        self.at += N;
        Some(bytes)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_be_bytes)
    }

    /// A string behind its length.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.bytes(length.into())
    }

    /// A name, which may end with a pointer to an earlier one; as [`push_label`] writes its labels, the root as `.`.
    pub(super) fn name(&mut self) -> Option<String> {
        let (mut name, mut length, mut hops) = (String::new(), 0, 0);
        // What is pointed at may lie anywhere before.
        let mut place = *self;
        loop {
            let start = place.at;
            match place.u8()? {
                0 => break,
                first @ 1..64 => {
                    let label = place.bytes(first.into())?;
                    length += label.len() + 1;
                    if NAME_BYTES_MAX < length {
                        return None;
                    }
                    push_label(&mut name, label);
                }
                first @ 192.. => {
                    let to = usize::from(u16::from_be_bytes([first & 0x3f, place.u8()?]));
                    if hops == 0 {
                        self.at = place.at;
                    }
                    hops += 1;
                    // Only backwards, so that it ends.
                    if start <= to || HOPS_MAX < hops {
                        return None;
                    }
                    place = Self::new(self.message, to);
                }
                64..192 => return None,
            }
        }
        if hops == 0 {
            self.at = place.at;
        }
        if name.is_empty() {
            name.push('.');
        }
        Some(name)
    }

    /// Goes past a name; whether what it points at is one is not asked.
    fn skip_name(&mut self) -> Option<()> {
        loop {
            match self.u8()? {
                0 => return Some(()),
                length @ 1..64 => self.bytes(length.into()).map(drop)?,
                192.. => return self.u8().map(drop),
                64..192 => return None,
            }
        }
    }

    /// The next record of a section.
    pub(super) fn record(&mut self) -> Option<Record<'a>> {
        let owner = *self;
        self.skip_name()?;
        let (kind, class) = (self.u16()?, self.u16()?);
        let _time_to_live = self.u32()?;
        let length = self.u16()?;
        let mut data = *self;
        self.bytes(length.into())?;
        data.end = self.at;
        Some(Record {
            owner,
            kind,
            class,
            data,
        })
    }

    /// Goes past a question: a name, a type and a class.
    pub(super) fn skip_question(&mut self) -> Option<()> {
        self.skip_name()?;
        self.bytes(4).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_where_it_lies_however_far_it_points() {
        let message = b"\x02no\0\x01B\xc0\0\x03\x2e\x5c\x20\xc0\x04rest";
        let mut place = Reader::new(message, 8);
        assert_eq!(place.name().as_deref(), Some("\\.\\\\\\032.b.no"));
        assert_eq!(place.rest(), b"rest");
        assert_eq!(Reader::new(b"\0", 0).name().as_deref(), Some("."));
        for damaged in [
            &b""[..],
            b"\x01",
            b"\x40a\0",
            b"\xc0",
            b"\xc0\0",
            b"\xc0\x09",
            b"\x01a",
        ] {
            assert_eq!(Reader::new(damaged, 0).name(), None, "{damaged:?}");
        }
    }

    #[test]
    fn no_name_is_longer_than_names_may_be_or_points_more_often() {
        // Three labels of 62 letters and one of 61, with their lengths 251 bytes.
        let mut long = vec![62; 251];
        long[189] = 61;
        long.push(0);
        assert!(Reader::new(&long, 0).name().is_some());
        let too_long = [&[1, b'a', 1, b'a'][..], &long].concat();
        assert_eq!(Reader::new(&too_long, 0).name(), None);
        // A root, and pointers each to the one before.
        let mut chain = vec![0, 0];
        for at in 0..=HOPS_MAX as u16 {
            chain.extend((0xc000 | (at * 2)).to_be_bytes());
        }
        assert!(Reader::new(&chain, HOPS_MAX * 2).name().is_some());
        assert_eq!(Reader::new(&chain, HOPS_MAX * 2 + 2).name(), None);
    }

    #[test]
    fn data_ends_with_its_record() {
        let bytes = b"\0\0\x10\0\x05\0\0\0\0\0\x02\x09abc";
        let record = Reader::new(bytes, 0).record().expect("a record");
        assert_eq!(
            (record.kind, record.class, record.data.rest()),
            (16, 5, &b"\x09a"[..])
        );
        assert_eq!(record.data.clone().string(), None);
        assert!(Reader::new(&bytes[..12], 0).record().is_none());
    }
}
