//! Writes datagrams as exporters do, for tests.

/// Number, length and enterprise of an element.
pub(super) type Field = (u16, u16, Option<u32>);

/// Puts numbers in network byte order one behind the other.
#[derive(Clone, Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Bytes {
    pub(super) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend(value);
        self
    }
}

pub(super) fn bytes() -> Bytes {
    Bytes::default()
}

/// A set of any number.
pub(super) fn set(number: u16, body: &[u8]) -> Vec<u8> {
    bytes().u16(number).u16(body.len() as u16 + 4).bytes(body).0
}

/// A template of elements and lengths; a third value is an enterprise.
pub(super) fn template(number: u16, fields: &[Field]) -> Vec<u8> {
    let head = bytes().u16(number).u16(fields.len() as u16);
    specified(head, fields).0
}

/// An options template of IPFIX.
pub(super) fn options_template(number: u16, scopes: u16, fields: &[Field]) -> Vec<u8> {
    let head = bytes().u16(number).u16(fields.len() as u16).u16(scopes);
    specified(head, fields).0
}

fn specified(head: Bytes, fields: &[Field]) -> Bytes {
    fields
        .iter()
        .fold(head, |out, (element, length, enterprise)| match enterprise {
            Some(enterprise) => out.u16(element | 0x8000).u16(*length).u32(*enterprise),
            None => out.u16(*element).u16(*length),
        })
}

/// Sent at 1,700,000,000 s, from domain 7.
pub(super) fn ipfix(sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let body = sets.concat();
    bytes()
        .u16(10)
        .u16(body.len() as u16 + 16)
        .u32(1_700_000_000)
        .u32(sequence)
        .u32(7)
        .bytes(&body)
        .0
}

/// Sent at 1,700,000,000 s, at an uptime of 100 s, from source 7.
pub(super) fn netflow9(sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    bytes()
        .u16(9)
        .u16(sets.len() as u16)
        .u32(100_000)
        .u32(1_700_000_000)
        .u32(sequence)
        .u32(7)
        .bytes(&sets.concat())
        .0
}

/// Sent at 1,700,000,000.25 s, at an uptime of 100 s; each record is of 5 s, 95 s before.
pub(super) fn netflow5(sequence: u32, sampling: u16, protocols: &[u8]) -> Vec<u8> {
    let head = bytes()
        .u16(5)
        .u16(protocols.len() as u16)
        .u32(100_000)
        .u32(1_700_000_000)
        .u32(250_000_000)
        .u32(sequence)
        .u8(1)
        .u8(2)
        .u16(sampling);
    let records = protocols.iter().fold(head, |out, protocol| {
        out.bytes(&[192, 0, 2, 1, 198, 51, 100, 2, 0, 0, 0, 0])
            .u16(3)
            .u16(0)
            .u32(10)
            .u32(1_000)
            .u32(5_000)
            .u32(10_000)
            .u16(40_000)
            .u16(if *protocol == 1 { 0x0303 } else { 443 })
            .u8(0)
            .u8(0x1b)
            .u8(*protocol)
            .bytes(&[0; 9])
    });
    records.0
}
