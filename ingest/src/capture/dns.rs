//! DNS messages: one record a message, over UDP and TCP, multicast DNS, LLMNR and the names of NetBIOS included.
//!
//! The source of a record is who asks, also for an answer. A message that the library refuses (a type of question that
//! it does not know, a damaged record in a later section) still yields its header, its question and its answers.

mod data;
mod netbios;

use std::{fmt::Write as _, net::IpAddr};

use ingest_event::{Fields, Value, field};
use simple_dns::{Name, Packet};

use data::answer_text;

pub(super) const DATASET: &str = "network.dns";

/// RFC 1035 section 4.1.1.
const HEADER_BYTES: usize = 12;
/// Questions and answers written of one message: more than any resolver sends, few enough for one event.
const RECORDS_MAX: usize = 256;

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
    // Counts that can't be true would make the library reserve room for them.
    let packet = head
        .counts_fit(bytes)
        .then(|| Packet::parse(bytes).ok())
        .flatten();
    match packet {
        Some(packet) => Some(head.message(&packet)),
        None => {
            let mut message = head.question_only(bytes)?;
            message.answers = head.answers_only(bytes).unwrap_or_default();
            Some(message)
        }
    }
}

/// A message where none is expected: everything in it must be as a resolver would write it.
pub(super) fn unexpected(bytes: &[u8]) -> Option<Message> {
    let head = Head::read(bytes)?;
    if head.questions != 1 || !head.is_answer && head.answers != 0 || !head.counts_fit(bytes) {
        return None;
    }
    let message = head.message(&Packet::parse(bytes).ok()?);
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
        fields.set(field::DNS_RESPONSE_CODE, response_code(self.response_code));
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
    response_code: u8,
    questions: u16,
    answers: u16,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [id0, id1, high, low, q0, q1, a0, a1, ..] = *bytes.first_chunk::<HEADER_BYTES>()?;
        let head = Self {
            id: u16::from_be_bytes([id0, id1]),
            is_answer: high & 0x80 != 0,
            is_update: high >> 3 & 0x0f == 5,
            response_code: low & 0x0f,
            questions: u16::from_be_bytes([q0, q1]),
            answers: u16::from_be_bytes([a0, a1]),
        };
        let operation = high >> 3 & 0x0f;
        // Query, inverse query, status, notify, update (RFC 1035, 1996, 2136), and at least one record.
        let known = matches!(operation, 0..=2 | 4 | 5);
        (known && (head.questions != 0 || head.is_answer && head.answers != 0)).then_some(head)
    }

    /// Each question takes five bytes or more, each record eleven.
    fn counts_fit(self, bytes: &[u8]) -> bool {
        let count = |at: usize| {
            bytes
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |n| u16::from_be_bytes(*n))
        };
        let records: usize = [6, 8, 10].into_iter().map(|at| usize::from(count(at))).sum();
        HEADER_BYTES + usize::from(self.questions) * 5 + records * 11 <= bytes.len()
    }

    fn message(self, packet: &Packet<'_>) -> Message {
        Message {
            is_answer: self.is_answer,
            is_netbios: false,
            questions: self.questions_of(packet),
            answers: answers_of(packet),
            id: self.id,
            response_code: self.response_code,
        }
    }

    /// What it is about. Multicast answers have no question (RFC 6762 section 6), and an update's is the zone (RFC 2136
    /// section 2.3), of which its first record says more.
    fn questions_of(self, packet: &Packet<'_>) -> Vec<(String, u16)> {
        let said = packet.answers.first().or_else(|| packet.name_servers.first());
        match said.filter(|_| self.is_update || packet.questions.is_empty()) {
            Some(record) => vec![(name_text(&record.name), answer_text(&record.rdata).0)],
            None => packet
                .questions
                .iter()
                .take(RECORDS_MAX)
                .map(|question| (name_text(&question.qname), question.qtype.into()))
                .collect(),
        }
    }

    /// The answers to one question, without what the library may have refused: the question's type, and later sections.
    fn answers_only(self, bytes: &[u8]) -> Option<Vec<Answer>> {
        if self.is_update || self.questions != 1 || self.answers == 0 {
            return None;
        }
        let (_, kind_at) = name_at(bytes, HEADER_BYTES)?;
        let mut bare = bytes.to_vec();
        // Type A of class IN, no authorities, nothing additional.
        bare.get_mut(kind_at..)?
            .first_chunk_mut()
            .map(|question| *question = [0_u8, 1, 0, 1])?;
        bare.get_mut(8..HEADER_BYTES)?.fill(0);
        self.counts_fit(&bare).then_some(())?;
        Some(answers_of(&Packet::parse(&bare).ok()?))
    }

    /// The first question, or the first record of an update, read by hand: no later record decides whether it is told.
    fn question_only(self, bytes: &[u8]) -> Option<Message> {
        if self.questions == 0 {
            return None;
        }
        let (name, next) = name_at(bytes, HEADER_BYTES)?;
        let mut question = (name, number_at(bytes, next)?);
        // Behind name, type and class.
        if let Some((name, next)) = self.is_update.then(|| name_at(bytes, next + 4)).flatten()
            && let Some(kind) = number_at(bytes, next)
        {
            question = (name, kind);
        }
        Some(Message {
            is_answer: self.is_answer,
            is_netbios: false,
            questions: vec![question],
            answers: Vec::new(),
            id: self.id,
            response_code: self.response_code,
        })
    }
}

fn answers_of(packet: &Packet<'_>) -> Vec<Answer> {
    let answers = packet.answers.iter().take(RECORDS_MAX);
    answers.map(|answer| answer_text(&answer.rdata)).collect()
}

fn number_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A name, which may end with a pointer to an earlier one, and where what follows it begins (RFC 1035 sections 2.3.4 and
/// 4.1.4).
fn name_at(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut name, mut length, mut at, mut next) = (String::new(), 0, start, None);
    loop {
        let first = *bytes.get(at)?;
        match first {
            0 => {
                at += 1;
                break;
            }
            1..64 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(first))?;
                length += label.len() + 1;
                if 255 < length {
                    return None;
                }
                push_label(&mut name, label);
                at += 1 + label.len();
            }
            192.. => {
                let to = usize::from(number_at(bytes, at)? & 0x3fff);
                next = next.or(Some(at + 2));
                // Only backwards, so that it ends.
                if at <= to {
                    return None;
                }
                at = to;
            }
            64..192 => return None,
        }
    }
    if name.is_empty() {
        name.push('.');
    }
    Some((name, next.unwrap_or(at)))
}

/// Lower case, without the final dot; the root is `.`. Bytes that are no printable ASCII, and dots inside a label,
/// are written as in RFC 1035 section 5.1: `\032`, `\.`.
fn name_text(name: &Name<'_>) -> String {
    let mut text = String::new();
    for label in name.get_labels() {
        push_label(&mut text, label.as_ref());
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

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
        24 => "SIG",
        25 => "KEY",
        28 => "AAAA",
        29 => "LOC",
        30 => "NXT",
        33 => "SRV",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        39 => "DNAME",
        41 => "OPT",
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
            assert!(Packet::parse(&message).is_err());
            let said = expected(&message).expect("an answer");
            assert_eq!(said.questions, [("example.no".to_owned(), asked)]);
            assert_eq!(said.answers, [(0xff77, "abcd".to_owned(), None)]);
        }
    }
}
