//! The name service of NetBIOS, whose messages have DNS's form with types and names of their own (RFC 1002 section 4.2).
//!
//! Windows asks it for names that nobody else knows, and believes whoever answers first.

use std::net::{IpAddr, Ipv4Addr};

use super::{Answer, HEADER_BYTES, Message, number_at, push_label};

/// A name and its kind, each byte as two letters (RFC 1001 section 14.1).
const NAME_BYTES: usize = 16;
/// Where the type is: behind header, length, name and the end of the name.
const TYPE_AT: usize = HEADER_BYTES + 1 + 2 * NAME_BYTES + 1;
/// Where the data of a record is: behind type, class, time to live and length.
const DATA_AT: usize = TYPE_AT + 10;
/// Flags and address of one of those that have a name.
const ENTRY_BYTES: usize = 6;
/// Addresses of one answer that are told: a group's name has at most 25 in WINS.
const ENTRIES_MAX: usize = 25;
const NB: u16 = 32;
const NBSTAT: u16 = 33;
/// The kind of a name to which messages for a person go: the machine's, and that of whoever is logged on.
const MESSENGER: u8 = 3;

/// A message about a name without a scope, as all of them are.
pub(super) fn message(bytes: &[u8]) -> Option<Message> {
    let (&[length], rest) = bytes.get(HEADER_BYTES..)?.split_first_chunk::<1>()?;
    let (letters, rest) = rest.split_first_chunk::<{ 2 * NAME_BYTES }>()?;
    let kind = number_at(bytes, TYPE_AT)?;
    if usize::from(length) != letters.len() || rest.first() != Some(&0) || !matches!(kind, NB | NBSTAT) {
        return None;
    }
    let [id0, id1, high, low, ..] = *bytes.first_chunk::<HEADER_BYTES>()?;
    // Query, registration, release, acknowledgment, refresh: the last under two numbers (RFC 1002 section 4.2.1.1).
    if !matches!(high >> 3 & 0x0f, 0 | 5..=9) {
        return None;
    }
    let (name, kind_of_name) = name(letters)?;
    let is_answer = high & 0x80 != 0;
    Some(Message {
        is_answer,
        is_netbios: true,
        // Users that stand in packets are not told.
        questions: match kind_of_name {
            MESSENGER => Vec::new(),
            _ => vec![(name, kind)],
        },
        answers: if is_answer && kind == NB {
            addresses(bytes)
        } else {
            Vec::new()
        },
        id: u16::from_be_bytes([id0, id1]),
        response_code: low & 0x0f,
    })
}

/// How the types are called.
pub(super) const fn type_name(kind: u16) -> &'static str {
    match kind {
        NB => "NB",
        _ => "NBSTAT",
    }
}

/// As in DNS, but for the last two (RFC 1002 section 4.2.6).
pub(super) const fn response_code(code: u8) -> &'static str {
    match code {
        6 => "ACT_ERR",
        7 => "CFT_ERR",
        code => super::response_code(code),
    }
}

/// A name and its kind: letters of A to P, two a byte; the last byte is the kind, and blanks fill up. A dot is written
/// as `\046`, since it parts nothing: the name is alone, without a domain.
fn name(letters: &[u8]) -> Option<(String, u8)> {
    let mut bytes = Vec::with_capacity(NAME_BYTES);
    for [high, low] in letters.as_chunks::<2>().0 {
        let half = |letter: u8| matches!(letter, b'A'..=b'P').then_some(letter.wrapping_sub(b'A'));
        bytes.push(half(*high)? << 4 | half(*low)?);
    }
    let kind = bytes.pop()?;
    let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' '));
    let mut text = String::new();
    push_label(&mut text, bytes.get(..=end?)?);
    Some((text.replace("\\.", "\\046"), kind))
}

/// Who has the name (RFC 1002 section 4.2.1.3), where the record begins behind the header.
fn addresses(bytes: &[u8]) -> Vec<Answer> {
    let data = bytes.get(DATA_AT..).unwrap_or_default();
    let length = number_at(bytes, DATA_AT - 2).map_or(0, usize::from);
    data.get(..length)
        .unwrap_or(data)
        .as_chunks::<ENTRY_BYTES>()
        .0
        .iter()
        .take(ENTRIES_MAX)
        .map(|[_, _, a, b, c, d]| {
            let address = IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d));
            (NB, address.to_string(), Some(address))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with this operation, and a name of this kind behind it.
    fn said(flags: [u8; 2], name: &[u8], kind: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 7, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, 0, 32];
        for at in 0..NAME_BYTES {
            // What fills up is also the kind of a server of files.
            let byte = name.get(at).copied().unwrap_or(b' ');
            bytes.extend([b'A' + (byte >> 4), b'A' + (byte & 15)]);
        }
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        [&bytes, rest].concat()
    }

    #[test]
    fn names_are_read_without_their_kind_and_their_filling() {
        for (flags, name, kind, expected, is_answer) in [
            ([0x01, 0x10], &b"FILESERVER"[..], NB, "fileserver", false),
            // Who is there; a registration; a release.
            ([0, 0], b"*\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", NBSTAT, "*", false),
            (
                [0x29, 0x10],
                b"A NAME.15 LETTE",
                NB,
                "a\\032name\\04615\\032lette",
                false,
            ),
            ([0x30, 0], b"WPAD           \x1d", NB, "wpad", false),
            ([0x85, 0x83], b"WPAD", NB, "wpad", true),
        ] {
            let message = message(&said(flags, name, kind, &[])).expect("a message");
            assert_eq!(message.questions, [(expected.to_owned(), kind)]);
            assert_eq!((message.id, message.is_answer), (7, is_answer));
        }
    }

    #[test]
    fn no_name_is_told_that_may_be_a_users() {
        for (name, told) in [(b"KARI.PC        \x20", 1), (b"KARI           \x03", 0)] {
            let message = message(&said([0x29, 0x10], name, NB, &[])).expect("a message");
            assert_eq!(message.questions.len(), told, "{name:?}");
            let mut fields = ingest_event::Fields::new();
            message.write(&mut fields);
            let is_told = fields.iter().any(|(_, value)| value.to_string().contains("kari"));
            assert_eq!(is_told, told == 1, "{name:?}");
        }
    }

    #[test]
    fn errors_are_those_of_netbios() {
        for (code, expected) in [(3, "NXDOMAIN"), (6, "ACT_ERR"), (7, "CFT_ERR")] {
            let mut fields = ingest_event::Fields::new();
            let message = message(&said([0x85, code], b"FILESERVER", NB, &[])).expect("an answer");
            message.write(&mut fields);
            assert_eq!(fields.text("dns.response_code"), Some(expected));
        }
    }

    #[test]
    fn an_answer_says_who_has_the_name() {
        let data = [
            0, 0, 0, 60, 0, 12, 0, 0, 192, 0, 2, 7, 0x60, 0, 192, 0, 2, 8, 9, 9, 9, 9, 9, 9,
        ];
        let answer = message(&said([0x85, 0], b"FILESERVER", NB, &data)).expect("an answer");
        let addresses: Vec<String> = answer.answers.into_iter().map(|(_, text, _)| text).collect();
        assert_eq!(addresses, ["192.0.2.7", "192.0.2.8"]);
        // Cut off in the second.
        let answer = message(&said([0x85, 0], b"FILESERVER", NB, &data[..14])).expect("an answer");
        assert_eq!(answer.answers.len(), 1);
    }

    #[test]
    fn what_is_dns_stays_dns() {
        let question = said([1, 0], b"FILESERVER", NB, &[]);
        for (at, byte) in [(12, 31), (13, b'Q'), (45, 1), (47, 1), (2, 0x20)] {
            let mut other = question.clone();
            other[at] = byte;
            assert!(message(&other).is_none(), "{byte} at {at}");
        }
        for length in 0..question.len() - 2 {
            assert!(message(&question[..length]).is_none());
        }
    }
}
