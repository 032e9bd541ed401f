//! An event's text to the values that it names: an address in its prefixes, a domain and all that it is under, a URL
//! and its host, each hash of a list.
//!
//! A text that names nothing is only read: it is hashed where it lies, whatever its case. Only what is not ASCII,
//! and URLs on hosts that some indicator names, are first brought to a normal form, in [`Scratch`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use detect_alert::IndicatorKind;
use detect_rules::normal_url;
use idna::{AsciiDenyList, uts46};
use memchr::{memchr, memchr3, memrchr, memrchr2};

use super::{
    IndicatorId, IndicatorTable,
    entry::{self, DOMAIN_BYTES_MAX, VALUE_BYTES_MAX, decode_hex},
    field::Holds,
    key::{Seed, Space},
};

/// Sysmon writes four hashes at most; a longer list is a sender's play.
const HASHES_MAX: usize = 16;

/// A domain that is not ASCII shrinks on its way to ASCII only by full stops and such; longer texts are none.
const UNICODE_DOMAIN_BYTES_MAX: usize = 4 * DOMAIN_BYTES_MAX;

/// Buffers of a look-up, used again for the next.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    text: String,
}

impl IndicatorTable {
    /// Calls `found` for each indicator that a text names, if it is what its field holds. One that is named twice,
    /// such as a hash in a list, is found twice. Neither validity nor warning lists are looked at, see
    /// [`IndicatorTable::judge`].
    ///
    /// `host` completes a URL of which the field has only the path.
    pub fn look_up(
        &self,
        holds: Holds,
        text: &str,
        host: Option<&str>,
        scratch: &mut Scratch,
        found: &mut impl FnMut(IndicatorId),
    ) {
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        match holds {
            Holds::Address => {
                if let Some(address) = address(text) {
                    self.address(address, found);
                }
            }
            Holds::Asn => self.asn(text, found),
            Holds::Certificate => self.hex(IndicatorKind::Certificate, text, found),
            Holds::Email => self.email(text, scratch, found),
            Holds::FileName => self.file_name(text, scratch, found),
            Holds::Hash => self.hashes(text, found),
            Holds::Host => self.host(text, scratch, found),
            Holds::Ja3 => self.hex(IndicatorKind::Ja3, text, found),
            Holds::Ja4 => self.text(IndicatorKind::Ja4, text, found),
            Holds::Url => self.url(text, host, scratch, found),
        }
    }

    fn address(&self, address: IpAddr, found: &mut impl FnMut(IndicatorId)) {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                self.value(IndicatorKind::Address, false, &v4.octets(), found);
                let number = u32::from(v4);
                self.each_layer(found, |layer, found| {
                    for (start, length) in layer.v4.containing(number) {
                        let [a, b, c, d] = start.to_be_bytes();
                        let value = [a, b, c, d, length];
                        let hash = entry::hash(self.seed, IndicatorKind::Cidr, &value);
                        layer.exact(hash, IndicatorKind::Cidr, false, &value, found);
                    }
                });
            }
            IpAddr::V6(v6) => {
                self.value(IndicatorKind::Address, true, &v6.octets(), found);
                let number = u128::from(v6);
                self.each_layer(found, |layer, found| {
                    for (start, length) in layer.v6.containing(number) {
                        let mut value = [length; 17];
                        if let Some(octets) = value.first_chunk_mut::<16>() {
                            *octets = start.to_be_bytes();
                        }
                        let hash = entry::hash(self.seed, IndicatorKind::Cidr, &value);
                        layer.exact(hash, IndicatorKind::Cidr, true, &value, found);
                    }
                });
            }
        }
    }

    fn asn(&self, text: &str, found: &mut impl FnMut(IndicatorId)) {
        let digits = text
            .split_at_checked(2)
            .filter(|(letters, _)| letters.eq_ignore_ascii_case("AS"))
            .map_or(text, |(_, digits)| digits);
        if let Ok(number) = digits.parse::<u32>() {
            self.value(IndicatorKind::Asn, false, &number.to_be_bytes(), found);
        }
    }

    /// `name@domain`, perhaps in angle brackets after a name in words; also an indicator of its domain.
    fn email(&self, text: &str, scratch: &mut Scratch, found: &mut impl FnMut(IndicatorId)) {
        let text = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((_, inside)) => inside,
            None => text,
        };
        let Some((name, domain)) = text.rsplit_once('@') else {
            return;
        };
        if VALUE_BYTES_MAX < text.len() {
            return;
        }
        if text.is_ascii() {
            self.text(IndicatorKind::Email, text, found);
        } else {
            scratch.text.clear();
            lower(name, &mut scratch.text);
            scratch.text.push('@');
            if !to_ascii(domain, &mut scratch.text) {
                return;
            }
            self.text(IndicatorKind::Email, &scratch.text, found);
        }
        self.domain(domain, scratch, found);
    }

    /// The last part of a path of any system.
    fn file_name(&self, text: &str, scratch: &mut Scratch, found: &mut impl FnMut(IndicatorId)) {
        let start = memrchr2(b'/', b'\\', text.as_bytes()).map_or(0, |at| at + 1);
        let name = text.get(start..).unwrap_or_default();
        if VALUE_BYTES_MAX < name.len() {
            return;
        }
        if name.is_ascii() {
            self.text(IndicatorKind::FileName, name, found);
        } else {
            scratch.text.clear();
            lower(name, &mut scratch.text);
            self.text(IndicatorKind::FileName, &scratch.text, found);
        }
    }

    /// One hash, or Sysmon's `SHA1=…,MD5=…`.
    fn hashes(&self, text: &str, found: &mut impl FnMut(IndicatorId)) {
        for part in text.split(',').take(HASHES_MAX) {
            let (name, digits) = part.rsplit_once('=').unwrap_or(("", part));
            let digits = digits.trim_ascii();
            let kind = match digits.len() {
                // An import hash has as many digits as an MD5 and is of something else.
                32 if name.trim_ascii().eq_ignore_ascii_case("IMPHASH") => continue,
                32 => IndicatorKind::Md5,
                40 => IndicatorKind::Sha1,
                64 => IndicatorKind::Sha256,
                _ => continue,
            };
            self.hex(kind, digits, found);
        }
    }

    fn hex(&self, kind: IndicatorKind, text: &str, found: &mut impl FnMut(IndicatorId)) {
        let mut digest = [0; 32];
        let Some(value) = decode_hex(text, &mut digest).and_then(|length| digest.get(..length)) else {
            return;
        };
        let (fits, is_wide) = match kind {
            IndicatorKind::Certificate => (matches!(value.len(), 20 | 32), value.len() == 32),
            IndicatorKind::Ja3 | IndicatorKind::Md5 => (value.len() == 16, false),
            IndicatorKind::Sha1 => (value.len() == 20, false),
            IndicatorKind::Sha256 => (value.len() == 32, false),
            IndicatorKind::Address
            | IndicatorKind::Asn
            | IndicatorKind::Cidr
            | IndicatorKind::Domain
            | IndicatorKind::Email
            | IndicatorKind::FileName
            | IndicatorKind::Ja4
            | IndicatorKind::Url => (false, false),
        };
        if fits {
            self.value(kind, is_wide, value, found);
        }
    }

    /// A host: an address or a domain, perhaps with a port.
    fn host(&self, text: &str, scratch: &mut Scratch, found: &mut impl FnMut(IndicatorId)) {
        // No domain ends with a digit or contains a colon, every address does one or the other.
        let may_be_address = text.ends_with(|last: char| last.is_ascii_digit())
            || text.starts_with('[')
            || memchr(b':', text.as_bytes()).is_some();
        if !may_be_address {
            self.domain(text, scratch, found);
            return;
        }
        let inside = text
            .strip_prefix('[')
            .and_then(|text| text.split_once(']'))
            .map_or(text, |(inside, _)| inside);
        if let Some(address) = address(inside) {
            self.address(address, found);
            return;
        }
        let host = match text.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => text,
        };
        match address(host) {
            Some(address) => self.address(address, found),
            None => self.domain(host, scratch, found),
        }
    }

    /// A domain and all that it is under, on label boundaries.
    fn domain(&self, text: &str, scratch: &mut Scratch, found: &mut impl FnMut(IndicatorId)) {
        if text.is_ascii() {
            self.ascii_domain(text.trim_end_matches('.'), found);
        } else if text.len() <= UNICODE_DOMAIN_BYTES_MAX {
            scratch.text.clear();
            if to_ascii(text, &mut scratch.text) {
                self.ascii_domain(scratch.text.trim_end_matches('.'), found);
            }
        }
    }

    fn ascii_domain(&self, name: &str, found: &mut impl FnMut(IndicatorId)) {
        if DOMAIN_BYTES_MAX < name.len() || self.count(IndicatorKind::Domain) == 0 {
            return;
        }
        // The last two labels of every indicator are in the filter: mostly one question is enough.
        let two = last_two_labels(name.as_bytes());
        let hash = self.seed.text(Space::Kind(IndicatorKind::Domain), two);
        let is_below_known = self.may_hold(hash);
        if !is_below_known && !self.has_top_level_domains() {
            return;
        }
        let mut rest = name;
        loop {
            self.text(IndicatorKind::Domain, rest, found);
            match rest.split_once('.') {
                Some((_, above)) => rest = above,
                None => return,
            }
        }
    }

    /// A URL: itself, itself without its query, and its host.
    fn url(
        &self,
        text: &str,
        host: Option<&str>,
        scratch: &mut Scratch,
        found: &mut impl FnMut(IndicatorId),
    ) {
        if VALUE_BYTES_MAX < text.len() {
            return;
        }
        let is_path = text.starts_with('/');
        let authority = if is_path {
            let Some(host) = host else { return };
            host.trim_ascii()
        } else {
            let Some((authority, _)) = split_url(text) else {
                return;
            };
            authority
        };
        if self.count(IndicatorKind::Url) != 0
            && (!authority.is_ascii() || self.may_hold(host_hash(self.seed, authority)))
        {
            let normal = if is_path {
                normal_url(&format!("http://{authority}{text}"))
            } else {
                normal_url(text)
            };
            if let Some(url) = normal {
                self.held_text(IndicatorKind::Url, &url, found);
                if let Some((path, _)) = url.split_once('?') {
                    self.held_text(IndicatorKind::Url, path, found);
                }
            }
        }
        if !is_path {
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            self.host(host, scratch, found);
        }
    }

    #[inline]
    fn text(&self, kind: IndicatorKind, text: &str, found: &mut impl FnMut(IndicatorId)) {
        self.value(kind, false, text.as_bytes(), found);
    }

    /// The indicators about a value: first the filter, then the table.
    #[inline]
    fn value(&self, kind: IndicatorKind, is_wide: bool, value: &[u8], found: &mut impl FnMut(IndicatorId)) {
        let hash = entry::hash(self.seed, kind, value);
        self.each_layer(found, |layer, found| {
            if layer.filter.may_hold(hash) {
                layer.exact(hash, kind, is_wide, value, found);
            }
        });
    }

    /// As [`Self::value`] for what is not in the filter.
    fn held_text(&self, kind: IndicatorKind, text: &str, found: &mut impl FnMut(IndicatorId)) {
        let hash = entry::hash(self.seed, kind, text.as_bytes());
        self.each_layer(found, |layer, found| {
            layer.exact(hash, kind, false, text.as_bytes(), found);
        });
    }
}

/// An address in any spelling, in brackets or with a zone too.
fn address(text: &str) -> Option<IpAddr> {
    if let Some(v4) = dotted(text.as_bytes()) {
        return Some(IpAddr::V4(v4));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let bare = bare.split_once('%').map_or(bare, |(bare, _)| bare);
    bare.parse::<Ipv6Addr>()
        .map(IpAddr::V6)
        .or_else(|_| bare.parse::<Ipv4Addr>().map(IpAddr::V4))
        .ok()
}

/// Four numbers with full stops between them, without leading zeros: what the standard library reads, in a third of
/// the time.
fn dotted(text: &[u8]) -> Option<Ipv4Addr> {
    if 15 < text.len() {
        return None;
    }
    let mut address = 0_u32;
    let mut part = 0_u32;
    let mut digits = 0;
    let mut stops = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                if digits != 0 && part == 0 {
                    return None;
                }
                part = part * 10 + u32::from(byte - b'0');
                digits += 1;
                if 255 < part {
                    return None;
                }
            }
            b'.' => {
                if digits == 0 {
                    return None;
                }
                address = address << 8 | part;
                (part, digits) = (0, 0);
                stops += 1;
            }
            _ => return None,
        }
    }
    (stops == 3 && digits != 0).then(|| Ipv4Addr::from(address << 8 | part))
}

/// The last two labels of a domain, or all of it.
pub(super) fn last_two_labels(name: &[u8]) -> &[u8] {
    let before = memrchr(b'.', name)
        .and_then(|last| name.get(..last))
        .and_then(|above| memrchr(b'.', above));
    match before {
        Some(stop) => name.get(stop + 1..).unwrap_or(name),
        None => name,
    }
}

/// Authority and the rest of an absolute URL.
fn split_url(text: &str) -> Option<(&str, &str)> {
    let colon = memchr(b':', text.as_bytes())?;
    let rest = text.get(colon + 1..)?.strip_prefix("//")?;
    let end = memchr3(b'/', b'?', b'#', rest.as_bytes()).unwrap_or(rest.len());
    rest.split_at_checked(end)
}

/// The key of the host of a URL in normal form.
pub(super) fn url_host_hash(seed: Seed, url: &[u8]) -> u64 {
    let authority = std::str::from_utf8(url)
        .ok()
        .and_then(split_url)
        .map_or("", |(authority, _)| authority);
    host_hash(seed, authority)
}

/// The key of an authority's host: the same for all spellings in ASCII that have one normal form.
fn host_hash(seed: Seed, authority: &str) -> u64 {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(v6) = host
        .strip_prefix('[')
        .and_then(|host| host.split_once(']'))
        .and_then(|(inside, _)| inside.parse::<Ipv6Addr>().ok())
    {
        return seed.bytes(Space::UrlHost, &v6.octets());
    }
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let host = host.trim_start_matches("*.").trim_matches('.');
    seed.text(Space::UrlHost, host.as_bytes())
}

/// Appends a text in lower case.
fn lower(text: &str, into: &mut String) {
    into.extend(text.chars().flat_map(char::to_lowercase));
}

/// Appends a domain in ASCII (IDNA); says whether it is one.
fn to_ascii(text: &str, into: &mut String) -> bool {
    let processed = uts46::Uts46::new().process(
        text.as_bytes(),
        AsciiDenyList::EMPTY,
        uts46::Hyphens::Allow,
        uts46::ErrorPolicy::FailFast,
        |_, _, _| false,
        into,
        None,
    );
    match processed {
        Ok(uts46::ProcessingSuccess::Passthrough) => {
            into.push_str(text);
            true
        }
        Ok(uts46::ProcessingSuccess::WroteToSink) => true,
        Err(_) => false,
    }
}
