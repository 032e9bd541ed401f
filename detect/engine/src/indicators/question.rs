//! The one thing that is asked of the filters for a text, before anything else is done with it.
//!
//! Whatever indicators a text may name, the answer no to this question means that it names none.

use std::net::IpAddr;

use detect_alert::IndicatorKind;
use memchr::{memchr2, memrchr2};

use super::{
    IndicatorTable,
    address::{Sight, Spelled, address, sight},
    blocks::Inside,
    entry::VALUE_BYTES_MAX,
    field::Holds,
    filter::Group,
    key::Space,
    layer::{address_key, digest_key},
    text::{Authority, has_either, last_two_labels, trim_end},
};

/// What is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nothing: the text is not what its field should hold.
    Nothing,
    /// Whether the filter holds this key.
    Key(Group, u64),
    /// More than one thing.
    Several,
}

impl IndicatorTable {
    /// The question for a text without blanks at its ends.
    #[inline]
    pub(super) fn question(&self, holds: Holds, text: &str, host: Option<&str>) -> Question {
        let bytes = text.as_bytes();
        match holds {
            Holds::Address => self.of_address(text),
            Holds::Asn | Holds::Email => Question::Several,
            Holds::Certificate => self.of_digest(IndicatorKind::Certificate, bytes),
            Holds::FileName => self.of_file_name(text),
            Holds::Hash => match bytes.len() {
                _ if is_list(bytes) => Question::Several,
                32 => self.of_digest(IndicatorKind::Md5, bytes),
                40 => self.of_digest(IndicatorKind::Sha1, bytes),
                64 => self.of_digest(IndicatorKind::Sha256, bytes),
                _ => Question::Nothing,
            },
            Holds::Host => self.of_host(text),
            Holds::Ja3 => self.of_digest(IndicatorKind::Ja3, bytes),
            Holds::Ja4 => self.of_digest(IndicatorKind::Ja4, bytes),
            Holds::Url => self.of_url(bytes, host),
        }
    }

    /// The question for a text that is an address or names nothing.
    #[inline]
    fn of_address(&self, text: &str) -> Question {
        match sight(text.as_bytes()) {
            Sight::V4(block, spelled) => self.of_v4(text, block, spelled),
            Sight::V6(block) => self.of_v6(text, block),
            Sight::Unclear => address(text).map_or(Question::Nothing, |address| self.of_number(address)),
        }
    }

    #[inline]
    fn of_v4(&self, text: &str, block: u16, spelled: Spelled) -> Question {
        let inside = self.inside_v4(block);
        if inside == Inside::NOTHING {
            Question::Nothing
        } else if inside.has_prefix() {
            address(text).map_or(Question::Nothing, |address| self.of_number(address))
        } else {
            Question::Key(Group::Numbers, self.seed.spelled(spelled))
        }
    }

    #[inline]
    fn of_v6(&self, text: &str, block: u32) -> Question {
        if self.inside_v6(block) == Inside::NOTHING {
            return Question::Nothing;
        }
        match address(text) {
            Some(address) => self.of_number(address),
            // In brackets, perhaps with a port.
            None => Question::Several,
        }
    }

    /// The question for an address that has been read.
    fn of_number(&self, address: IpAddr) -> Question {
        let address = address.to_canonical();
        let inside = self.inside(address);
        if inside == Inside::NOTHING {
            Question::Nothing
        } else if inside.has_prefix() && self.is_in_a_prefix(address) {
            Question::Several
        } else {
            Question::Key(Group::Numbers, address_key(self.seed, address))
        }
    }

    #[inline]
    fn of_digest(&self, kind: IndicatorKind, text: &[u8]) -> Question {
        if let [_, _, b':', ..] = text {
            return Question::Several;
        }
        Question::Key(Group::Digests, digest_key(self.seed, kind, text))
    }

    #[inline]
    fn of_file_name(&self, path: &str) -> Question {
        let start = memrchr2(b'/', b'\\', path.as_bytes()).map_or(0, |at| at + 1);
        let name = path.get(start..).unwrap_or_default().as_bytes();
        if VALUE_BYTES_MAX < name.len() {
            return Question::Nothing;
        }
        let (hash, is_ascii) = self.seed.ascii_text(Space::Kind(IndicatorKind::FileName), name);
        if is_ascii {
            Question::Key(Group::Texts, hash)
        } else {
            Question::Several
        }
    }

    #[inline]
    fn of_host(&self, text: &str) -> Question {
        if !may_be_address(text) {
            return self.of_name(trim_end(text.as_bytes()));
        }
        match sight(text.as_bytes()) {
            Sight::V4(block, spelled) => self.of_v4(text, block, spelled),
            Sight::V6(block) => self.of_v6(text, block),
            Sight::Unclear => match (address(text), without_port(text)) {
                (Some(address), _) => self.of_number(address),
                (None, Some(name)) if !may_be_address(name) => self.of_name(trim_end(name.as_bytes())),
                (None, _) => Question::Several,
            },
        }
    }

    /// The last two labels of each domain, and of the host of each URL, are in the filter.
    #[inline]
    pub(super) fn of_name(&self, name: &[u8]) -> Question {
        if self.has_top_level_domains() {
            return Question::Several;
        }
        let two = last_two_labels(name);
        let (hash, is_ascii) = self.seed.ascii_text(Space::Kind(IndicatorKind::Domain), two);
        if !is_ascii {
            // What stands before two labels in ASCII does not change them (UTS 46).
            Question::Several
        } else {
            Question::Key(Group::Names, hash)
        }
    }

    #[inline]
    fn of_url(&self, text: &[u8], host: Option<&str>) -> Question {
        let authority = match host {
            Some(host) if text.starts_with(b"/") => Authority::of_start(host.trim_ascii().as_bytes()),
            _ => match Authority::of_url(text) {
                Some(authority) => authority,
                None => return Question::Nothing,
            },
        };
        match authority.host {
            [.., last] if last.is_ascii_alphabetic() => self.of_name(authority.host),
            host => match (sight(host), authority.address()) {
                (Sight::V4(block, _), _) if self.inside_v4(block) == Inside::NOTHING => Question::Nothing,
                (Sight::V6(block), _) if self.inside_v6(block) == Inside::NOTHING => Question::Nothing,
                (_, Some(address)) => self.of_number(address),
                (_, None) => Question::Several,
            },
        }
    }
}

/// Addresses and ports end with a digit, a bracket or a colon. An address that ends with a letter, of its zone or in
/// IPv6, begins with a digit or has a colon among its first five characters; domains mostly do neither.
#[inline]
pub(super) fn may_be_address(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (_, Some(b'0'..=b'9' | b']' | b':')) => true,
        (Some(b'0'..=b'9' | b':' | b'['), _) => memchr2(b':', b'%', bytes).is_some(),
        (Some(b'a'..=b'f' | b'A'..=b'F'), _) => bytes.iter().take(5).any(|byte| *byte == b':'),
        _ => false,
    }
}

/// A host without its port.
fn without_port(text: &str) -> Option<&str> {
    let (host, port) = text.rsplit_once(':')?;
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(host)
}

/// Whether there may be more than one hash, or one with its name.
#[inline]
fn is_list(text: &[u8]) -> bool {
    has_either(text, b'=', b',')
}
