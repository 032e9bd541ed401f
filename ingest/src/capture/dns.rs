//! DNS messages: one record a message, over UDP and TCP, multicast DNS, LLMNR and the names of NetBIOS included.
//!
//! The source of a record is who asks, also for an answer. Of a message that is damaged, header, question and the answers
//! before the damage are told.

mod data;
mod netbios;
mod wire;

use std::{fmt::Write as _, net::IpAddr};

use ingest_event::{Fields, Value, field};

pub(crate) use data::OPAQUE_MARK;
use wire::{Reader, Record};

pub(super) const DATASET: &str = "network.dns";

/// RFC 1035 section 4.1.1.
const HEADER_BYTES: usize = 12;
/// Questions and answers read of one message: more than any resolver sends, few enough for one event.
const RECORDS_MAX: usize = 256;

/// A pseudo-record of the additional section (RFC 6891).
const OPT: u16 = 41;

/// What a message said.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) is_answer: bool,
    is_netbios: bool,
    questions: Vec<(String, u16)>,
    answers: Vec<Answer>,
    id: u16,
    response_code: u8,
}

/// Type, data as text, and the address if it is one.
type Answer = (u16, String, Option<IpAddr>);

/// Ports on which DNS is expected: plain, NetBIOS's, multicast, link-local.
pub(super) const fn is_port(port: u16) -> bool {
    matches!(port, 53 | 137 | 5353 | 5355)
}

/// Whether bytes begin with a header that DNS may have.
pub(super) fn is_message(bytes: &[u8]) -> bool {
    Head::read(bytes).is_some()
}

/// A message on a port where DNS is expected.
pub(super) fn expected(bytes: &[u8]) -> Option<Message> {
    if let Some(message) = netbios::message(bytes) {
        return Some(message);
    }
    let head = Head::read(bytes)?;
    let (questions, mut place) = head.questions(bytes)?;
    Some(Message {
        questions,
        answers: head.answers(&mut place),
        ..head.message()
    })
}

/// A message where none is expected: everything in it must be as a resolver would write it.
pub(super) fn unexpected(bytes: &[u8]) -> Option<Message> {
    let head = Head::read(bytes)?;
    if head.questions != 1 || !head.is_answer && head.answers != 0 || !head.is_sound(bytes) {
        return None;
    }
    let message = expected(bytes)?;
    let (name, kind) = message.questions.first()?;
    (name.contains('.') && !name.contains('\\') && type_name(*kind).is_some()).then_some(message)
}

impl Message {
    /// Adds what was said to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "dns");
        fields.set(field::DNS_ID, self.id.to_string());
        fields.set(field::DNS_TYPE, if self.is_answer { "answer" } else { "query" });
        let kind_text = |kind| match self.is_netbios {
            true => netbios::type_name(kind).to_owned(),
            false => type_text(kind),
        };
        for (name, kind) in self.questions {
            fields.append(field::DNS_QUESTION_NAME, Value::from(name));
            fields.append(field::DNS_QUESTION_TYPE, Value::from(kind_text(kind)));
        }
        if !self.is_answer {
            return;
        }
        let code = match self.is_netbios {
            true => netbios::response_code(self.response_code),
            false => response_code(self.response_code),
        };
        fields.set(field::DNS_RESPONSE_CODE, code);
        let mut addresses = Vec::new();
        let (mut kinds, mut data) = (Vec::new(), Vec::new());
        for (kind, text, address) in self.answers {
            kinds.push(Value::from(kind_text(kind)));
            data.push(Value::from(text));
            addresses.extend(address.map(Value::from));
        }
        if !data.is_empty() {
            fields.set(field::DNS_ANSWERS_TYPE, kinds);
            fields.set(field::DNS_ANSWERS_DATA, data);
        }
        if !addresses.is_empty() {
            fields.set(field::DNS_RESOLVED_IP, addresses);
        }
    }
}

/// The header, as far as it decides whether this is DNS at all.
#[derive(Clone, Copy)]
struct Head {
    id: u16,
    is_answer: bool,
    is_update: bool,
    /// A bit that nobody should set (RFC 1035 section 4.1.1), and that resolvers pass over.
    is_reserved: bool,
    response_code: u8,
    /// How many there are of each section.
    questions: u16,
    answers: u16,
    authorities: u16,
    additional: u16,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [id0, id1, high, low, q0, q1, a0, a1, n0, n1, r0, r1] = *bytes.first_chunk::<HEADER_BYTES>()?;
        let head = Self {
            id: u16::from_be_bytes([id0, id1]),
            is_answer: high & 0x80 != 0,
            is_update: high >> 3 & 0x0f == 5,
            is_reserved: low & 0x40 != 0,
            response_code: low & 0x0f,
            questions: u16::from_be_bytes([q0, q1]),
            answers: u16::from_be_bytes([a0, a1]),
            authorities: u16::from_be_bytes([n0, n1]),
            additional: u16::from_be_bytes([r0, r1]),
        };
        let operation = high >> 3 & 0x0f;
        // Query, inverse query, status, notify, update (RFC 1035, 1996, 2136), and at least one record.
        let known = matches!(operation, 0..=2 | 4 | 5);
        (known && (head.questions != 0 || head.is_answer && head.answers != 0)).then_some(head)
    }

    /// Without questions and answers.
    const fn message(self) -> Message {
        Message {
            is_answer: self.is_answer,
            is_netbios: false,
            questions: Vec::new(),
            answers: Vec::new(),
            id: self.id,
            response_code: self.response_code,
        }
    }

    /// What it is about, and where the answers begin. Multicast answers have no question (RFC 6762 section 6), and an
    /// update's is the zone (RFC 2136 section 2.3), of which its first record says more. Where not all questions can be
    /// read, the first is told, and nothing is behind it.
    fn questions(self, bytes: &[u8]) -> Option<(Vec<(String, u16)>, Reader<'_>)> {
        let mut place = Reader::new(bytes, HEADER_BYTES);
        let (mut said, mut are_whole) = (Vec::new(), true);
        for number in 0..usize::from(self.questions) {
            let mut question = place;
            are_whole = place.skip_question().is_some();
            if number < RECORDS_MAX {
                match question.name().zip(question.u16()) {
                    Some(about) if are_whole || number == 0 => said.push(about),
                    Some(_) | None => are_whole = false,
                }
            }
            if !are_whole {
                said.truncate(1);
                break;
            }
        }
        if !are_whole {
            place = Reader::new(bytes, bytes.len());
        }
        if self.is_update || self.questions == 0 {
            let record = (self.answers != 0 || self.authorities != 0).then(|| place.clone().record());
            let about = record.flatten().and_then(|record| record.about());
            said = about.map_or(said, |about| vec![about]);
        }
        (!said.is_empty()).then_some((said, place))
    }

    /// The answers up to the first that can't be read.
    fn answers(self, place: &mut Reader<'_>) -> Vec<Answer> {
        let records = std::iter::from_fn(|| place.record());
        let told = RECORDS_MAX.min(self.answers.into());
        records.take(told).map(|record| data::answer(&record)).collect()
    }

    /// Whether all of it is there and as it should be.
    fn is_sound(self, bytes: &[u8]) -> bool {
        let mut place = Reader::new(bytes, HEADER_BYTES);
        let mut question = || {
            let (_, _, class) = (place.name()?, place.u16()?, place.u16()?);
            Some(is_class(class))
        };
        let records: usize = [self.answers, self.authorities, self.additional]
            .map(usize::from)
            .iter()
            .sum();
        !self.is_reserved
            && records <= RECORDS_MAX
            && (0..self.questions).all(|_| question() == Some(true))
            && (0..records).all(|_| place.record().is_some_and(|record| record.is_sound()))
    }
}

impl Record<'_> {
    /// Whose it is, and of which type.
    fn about(&self) -> Option<(String, u16)> {
        Some((self.owner.clone().name()?, self.kind))
    }

    fn is_sound(&self) -> bool {
        // The class of OPT is a size (RFC 6891 section 6.1.2).
        (self.kind == OPT || is_class(self.class)) && self.about().is_some() && data::text(self).is_some()
    }
}

/// Internet, Chaos, Hesiod and their like, NONE and ANY; the highest bit is multicast DNS's own (RFC 6762 sections 5.4
/// and 10.2).
const fn is_class(class: u16) -> bool {
    matches!(class & 0x7fff, 1..=4 | 254 | 255)
}

fn number_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Adds a label in lower case. Bytes that are no printable ASCII, and dots inside of it, are written as in RFC 1035
/// section 5.1: `\032`, `\.`.
fn push_label(text: &mut String, label: &[u8]) {
    if !text.is_empty() {
        text.push('.');
    }
    for &byte in label {
        match byte {
            b'.' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            0x21..=0x7e => text.push(char::from(byte.to_ascii_lowercase())),
            _ => {
                // Writing to a String can't fail.
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
}

fn type_text(kind: u16) -> String {
    // RFC 3597 section 5 for types without a name.
    type_name(kind).map_or_else(|| format!("TYPE{kind}"), str::to_owned)
}

/// <https://www.iana.org/assignments/dns-parameters>, those in use.
const fn type_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        11 => "WKS",
        12 => "PTR",
        13 => "HINFO",
        14 => "MINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        19 => "X25",
        20 => "ISDN",
        21 => "RT",
        22 => "NSAP",
        23 => "NSAP-PTR",
        24 => "SIG",
        25 => "KEY",
        28 => "AAAA",
        29 => "LOC",
        30 => "NXT",
        33 => "SRV",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        38 => "A6",
        39 => "DNAME",
        OPT => "OPT",
        42 => "APL",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        49 => "DHCID",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        53 => "SMIMEA",
        55 => "HIP",
        59 => "CDS",
        60 => "CDNSKEY",
        61 => "OPENPGPKEY",
        62 => "CSYNC",
        63 => "ZONEMD",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        108 => "EUI48",
        109 => "EUI64",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        _ => return None,
    })
}

const fn response_code(code: u8) -> &'static str {
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        11 => "DSOTYPENI",
        _ => "UNASSIGNED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_and_a_multicast_answer_are_about_their_first_record() {
        let zone: &[u8] = b"\x07example\x02no\0\0\x06\0\x01";
        // A record of class NONE for a name that ends in the zone's.
        let record: &[u8] = b"\x02pc\xc0\x0c\0\x05\0\xfe\0\0\0\0\0\0";
        let update = [b"\0\x07\x28\0\0\x01\0\x01\0\0\0\0", zone, record].concat();
        let said = expected(&update).expect("an update");
        assert_eq!(said.questions, [("pc.example.no".to_owned(), 5)]);
        let answer =
            b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x02pc\x05local\0\0\x01\0\x01\0\0\0\x78\0\x04\xc0\0\x02\x07";
        let said = expected(answer).expect("an answer");
        assert_eq!(said.questions, [("pc.local".to_owned(), 1)]);
        // A pointer to itself is no name.
        let circle = b"\0\x07\x28\0\0\x01\0\x01\0\0\0\0\xc0\x0c\0\x06\0\x01";
        assert!(expected(circle).is_none());
    }

    /// Of an answer about `example.no`: how many of each section, flags, and what is behind the question.
    fn said(flags: u16, counts: [u16; 3], rest: &[u8]) -> Vec<u8> {
        let [answers, authorities, additional] = counts;
        let mut message: Vec<u8> = [7, flags, 1, answers, authorities, additional]
            .into_iter()
            .flat_map(u16::to_be_bytes)
            .collect();
        message.extend(b"\x07example\x02no\0\0\x01\0\x01");
        message.extend(rest);
        message
    }

    #[test]
    fn no_bit_and_no_class_hides_what_is_answered() {
        let four: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\xc0\0\x02\x07";
        let six: &[u8] = b"\xc0\x0c\0\x1c\0\x01\0\0\0\0\0\x10\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07";
        let of_class_five: &[u8] = b"\xc0\x0c\0\x10\0\x05\0\0\0\0\0\x02\x01a";
        let damaged: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x02\xc0\xff";
        let records = [of_class_five, damaged, four, six].concat();
        for (flags, is_sound) in [(0x8400, false), (0x8440, false)] {
            let message = said(flags, [4, 0, 0], &records);
            let addresses: Vec<String> = expected(&message)
                .expect("an answer")
                .answers
                .into_iter()
                .filter_map(|(_, _, address)| Some(address?.to_string()))
                .collect();
            assert_eq!(addresses, ["192.0.2.7", "fd00::7"]);
            assert_eq!(unexpected(&message).is_some(), is_sound);
        }
        for (flags, rest, is_sound) in [
            (0x8400, [four, six], true),
            (0x8440, [four, six], false),
            (0x8400, [four, of_class_five], false),
            (0x8400, [four, damaged], false),
        ] {
            let message = said(flags, [1, 1, 0], &rest.concat());
            assert_eq!(unexpected(&message).is_some(), is_sound, "{flags:x} {rest:?}");
            assert_eq!(expected(&message).map(|said| said.answers.len()), Some(1));
        }
        // The second is cut off.
        let message = said(0x8400, [2, 0, 0], &[four, &six[..20]].concat());
        assert_eq!(expected(&message).map(|said| said.answers.len()), Some(1));
    }

    #[test]
    fn no_later_question_hides_the_first() {
        let first: &[u8] = b"\x07example\x02no\0\0\x01\0\x01";
        for (second, told) in [
            (&b"\x02pc\xc0\x0c\0\x1c\0\x01"[..], 2),
            (b"\x02pc\xc0\xff\0\x1c\0\x01", 1),
            (b"\x02pc\xc0\x0c\0\x1c", 1),
            (b"", 1),
        ] {
            let head: &[u8] = &[0, 7, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0];
            let message = [head, first, second].concat();
            let said = expected(&message).expect("a question");
            assert_eq!(said.questions.first(), Some(&("example.no".to_owned(), 1)));
            assert_eq!(said.questions.len(), told, "{second:?}");
        }
    }

    /// 64 KiB over TCP: pointers each to the one before, and records that are named by the last of them.
    #[test]
    fn what_points_in_a_long_chain_is_not_followed() {
        const CHAIN: u16 = 8_000;
        let start = said(0x8400, [1, 0, 0], b"").len() as u16 + 12;
        let mut records = b"\xc0\x0c\0\x0a\0\x01\0\0\0\0".to_vec();
        records.extend((CHAIN * 2).to_be_bytes());
        for at in 0..CHAIN {
            let before = if at == 0 { 12 } else { start + at * 2 - 2 };
            records.extend((0xc000 | before).to_be_bytes());
        }
        let last = (0xc000 | (start + CHAIN * 2 - 2)).to_be_bytes();
        for _ in 0..3_900 {
            records.extend([last, [0, 2], [0, 1], [0, 0], [0, 0], [0, 2], last].concat());
        }
        let message = said(0x8400, [3_901, 0, 0], &records);
        assert!(message.len() <= usize::from(u16::MAX) + 8_000);
        let answers = expected(&message).expect("an answer").answers;
        assert_eq!(answers.len(), RECORDS_MAX);
        assert!(
            answers
                .iter()
                .skip(1)
                .all(|(_, text, _)| text.starts_with("\\# 2 "))
        );
        assert!(unexpected(&message).is_none());
    }

    #[test]
    fn answers_are_told_whatever_is_asked_for_and_whatever_comes_after_them() {
        let name: &[u8] = b"\x07example\x02no\0";
        let answer = b"\xc0\x0c\xff\x77\0\x01\0\0\0\0\0\x02\xab\xcd";
        let head = |additional: u8| [0, 7, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, additional];
        let of_private_use = [&head(0)[..], name, b"\xff\x77\0\x01", answer].concat();
        // An address of three bytes.
        let damaged = b"\0\0\x01\0\x01\0\0\0\0\0\x03\x01\x02\x03";
        let with_more = [&head(1)[..], name, b"\0\x0a\0\x01", answer, damaged].concat();
        for (message, asked) in [(of_private_use, 0xff77), (with_more, 10)] {
            let said = expected(&message).expect("an answer");
            assert_eq!(said.questions, [("example.no".to_owned(), asked)]);
            assert_eq!(said.answers, [(0xff77, "\\# 2 abcd".to_owned(), None)]);
        }
    }
}
