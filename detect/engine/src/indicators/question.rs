//! The one thing that is asked of the filters for a text, before anything else is done with it.
//!
//! Whatever indicators a text may name, the answer no to this question means that it names none.

use std::net::IpAddr;

use detect_alert::IndicatorKind;
use memchr::{memchr, memchr2, memrchr, memrchr2};

use super::{
    IndicatorTable,
    entry::{self, DOMAIN_BYTES_MAX, VALUE_BYTES_MAX},
    field::Holds,
    filter::Group,
    key::Space,
    text::{Authority, address, last_two_labels, trim_end},
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
            Holds::Address => address(text).map_or(Question::Nothing, |address| self.of_address(address)),
            Holds::Asn | Holds::Email => Question::Several,
            Holds::Certificate => self.of_digest(IndicatorKind::Certificate, bytes),
            Holds::FileName => self.of_file_name(text),
            Holds::Hash => match bytes.len() {
                _ if memchr2(b'=', b',', bytes).is_some() => Question::Several,
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

    #[inline]
    fn of_address(&self, address: IpAddr) -> Question {
        let address = address.to_canonical();
        if self.may_contain(address) {
            return Question::Several;
        }
        let hash = match address {
            IpAddr::V4(v4) => entry::hash(self.seed, IndicatorKind::Address, &v4.octets()),
            IpAddr::V6(v6) => entry::hash(self.seed, IndicatorKind::Address, &v6.octets()),
        };
        Question::Key(Group::Numbers, hash)
    }

    #[inline]
    fn of_digest(&self, kind: IndicatorKind, text: &[u8]) -> Question {
        if let [_, _, b':', ..] = text {
            return Question::Several;
        }
        Question::Key(Group::Digests, self.seed.text(Space::Kind(kind), text))
    }

    #[inline]
    fn of_file_name(&self, path: &str) -> Question {
        let start = memrchr2(b'/', b'\\', path.as_bytes()).map_or(0, |at| at + 1);
        let name = path.get(start..).unwrap_or_default();
        if VALUE_BYTES_MAX < name.len() {
            Question::Nothing
        } else if name.is_ascii() {
            let hash = self
                .seed
                .text(Space::Kind(IndicatorKind::FileName), name.as_bytes());
            Question::Key(Group::Texts, hash)
        } else {
            Question::Several
        }
    }

    #[inline]
    fn of_host(&self, text: &str) -> Question {
        if may_be_address(text) {
            return address(text).map_or(Question::Several, |address| self.of_address(address));
        }
        self.of_name(trim_end(text.as_bytes()))
    }

    /// The last two labels of each domain, and of the host of each URL, are in the filter.
    #[inline]
    pub(super) fn of_name(&self, name: &[u8]) -> Question {
        if self.has_top_level_domains() || !name.is_ascii() {
            return Question::Several;
        }
        if DOMAIN_BYTES_MAX < name.len() {
            return Question::Nothing;
        }
        let two = last_two_labels(name);
        Question::Key(
            Group::Names,
            self.seed.text(Space::Kind(IndicatorKind::Domain), two),
        )
    }

    #[inline]
    fn of_url(&self, text: &[u8], host: Option<&str>) -> Question {
        if VALUE_BYTES_MAX < text.len() {
            return Question::Nothing;
        }
        let authority = match host {
            Some(host) if text.starts_with(b"/") => Authority::of_start(host.trim_ascii().as_bytes()),
            _ => match Authority::of_url(text) {
                Some(authority) => authority,
                None => return Question::Nothing,
            },
        };
        if authority.host.last().is_some_and(u8::is_ascii_alphabetic) {
            self.of_name(authority.host)
        } else {
            Question::Several
        }
    }
}

/// Addresses and ports end with a digit, a bracket or a colon, or with a letter after a colon; domains never.
#[inline]
pub(super) fn may_be_address(text: &str) -> bool {
    match text.as_bytes().last() {
        Some(b'0'..=b'9' | b']' | b':') => true,
        Some(b'a'..=b'f' | b'A'..=b'F') => memchr(b':', text.as_bytes()).is_some(),
        _ => memrchr(b'%', text.as_bytes()).is_some(),
    }
}
