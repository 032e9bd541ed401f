//! Datagrams as softflowd writes them: two templates, one for each family, and flows from a seed.

/// Datagrams of one exporter.
pub(super) struct Corpus {
    pub(super) name: &'static str,
    pub(super) datagrams: Vec<Vec<u8>>,
    /// Flow records in them.
    pub(super) records: u64,
}

/// Sends templates as often as softflowd does.
const DATAGRAMS_PER_TEMPLATE: u32 = 16;

const DATAGRAMS: u32 = 6_000;

/// Of one family; what fits into an Ethernet frame.
const RECORDS_PER_SET: u32 = 9;

/// Elements and lengths behind the two addresses: first and last, bytes and packets, interfaces, direction, reason of
/// the end, ports, protocol, flags, version, type of service, ICMP.
const FIELDS: [(u16, u16); 15] = [
    (22, 4),
    (21, 4),
    (1, 4),
    (2, 4),
    (10, 4),
    (14, 4),
    (61, 1),
    (136, 1),
    (7, 2),
    (11, 2),
    (4, 1),
    (6, 1),
    (60, 1),
    (5, 1),
    (32, 2),
];

const SECS: u32 = 1_772_438_400;

pub(super) fn netflow9() -> Corpus {
    made("NetFlow v9, 17 fields a record", 0, |sequence, records, body| {
        let mut out = Vec::with_capacity(body.len() + 20);
        put16(&mut out, 9);
        put16(&mut out, records as u16);
        for word in [10_000_000, SECS, sequence, 0] {
            put32(&mut out, word);
        }
        out.extend(body);
        out
    })
}

pub(super) fn ipfix() -> Corpus {
    let mut numbered = 0;
    made("IPFIX, 17 fields a record", 2, move |_, records, body| {
        let mut out = Vec::with_capacity(body.len() + 16);
        put16(&mut out, 10);
        put16(&mut out, body.len() as u16 + 16);
        for word in [SECS, numbered, 0] {
            put32(&mut out, word);
        }
        numbered += records;
        out.extend(body);
        out
    })
}

fn made(
    name: &'static str,
    template_set: u16,
    mut datagram: impl FnMut(u32, u32, &[u8]) -> Vec<u8>,
) -> Corpus {
    let mut draw = Draw(0x2545_f491_4f6c_dd1d);
    let (mut datagrams, mut records) = (Vec::new(), 0);
    for sequence in 0..DATAGRAMS {
        let mut body = Vec::new();
        if sequence % DATAGRAMS_PER_TEMPLATE == 0 {
            for (number, addresses) in [(1_024, [8_u16, 12]), (2_048, [27, 28])] {
                let mut template = Vec::new();
                put16(&mut template, number);
                put16(&mut template, FIELDS.len() as u16 + 2);
                let length = if number == 1_024 { 4 } else { 16 };
                let fields = addresses
                    .map(|element| (element, length))
                    .into_iter()
                    .chain(FIELDS);
                for (element, length) in fields {
                    put16(&mut template, element);
                    put16(&mut template, length);
                }
                set(&mut body, template_set, &template);
            }
        }
        for number in [1_024, 2_048] {
            let mut flows = Vec::new();
            for _ in 0..RECORDS_PER_SET {
                flow(&mut flows, number == 2_048, &mut draw);
            }
            set(&mut body, number, &flows);
        }
        datagrams.push(datagram(sequence, 2 * RECORDS_PER_SET, &body));
        records += u64::from(2 * RECORDS_PER_SET);
    }
    Corpus {
        name,
        datagrams,
        records,
    }
}

fn flow(out: &mut Vec<u8>, is_v6: bool, draw: &mut Draw) {
    for network in [10_u32 << 24, 198 << 24] {
        if is_v6 {
            put32(out, 0x2001_0db8);
            put32(out, network);
            put32(out, 0);
            put32(out, draw.next() % 4_096);
        } else {
            put32(out, network | (draw.next() % 4_096));
        }
    }
    let first = 9_000_000 + draw.next() % 900_000;
    for word in [
        first,
        first + draw.next() % 60_000,
        draw.next() % 1_000_000,
        1 + draw.next() % 1_000,
        1,
        2,
    ] {
        put32(out, word);
    }
    out.extend([0, 3]);
    put16(out, (32_768 + draw.next() % 28_000) as u16);
    put16(out, if draw.next().is_multiple_of(2) { 443 } else { 53 });
    out.extend([
        if draw.next().is_multiple_of(3) { 17 } else { 6 },
        0x1b,
        4,
        0,
        0,
        0,
    ]);
}

fn set(out: &mut Vec<u8>, number: u16, body: &[u8]) {
    let length = (body.len() + 4).next_multiple_of(4);
    put16(out, number);
    put16(out, length as u16);
    out.extend(body);
    out.resize(out.len() + length - 4 - body.len(), 0);
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_be_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

/// Marsaglia's xorshift: the same numbers in every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }
}
