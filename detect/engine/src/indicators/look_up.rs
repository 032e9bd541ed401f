//! An event's text to the values that it names: an address in its prefixes, a domain and all that it is under, a URL
//! and its host, each hash of a list.
//!
//! A text that names nothing is only read: it is hashed where it lies, whatever its case. Only what is not ASCII,
//! and URLs on hosts that some indicator names, are first brought to a normal form, in [`Scratch`].

use std::net::IpAddr;

use detect_alert::IndicatorKind;
use detect_rules::normal_url;
use memchr::memrchr2;

use super::{
    IndicatorId, IndicatorTable,
    address::address,
    entry::{self, DOMAIN_BYTES_MAX, VALUE_BYTES_MAX, decode_hex},
    field::Holds,
    filter::Group,
    layer::digest_key,
    name::{end_of_name, end_to_ascii, lower, to_ascii},
    question::{Question, may_be_address},
    recipients::{bare, recipients},
    text::{Authority, has_either},
};

/// A domain that is not ASCII shrinks on its way to ASCII only by full stops and such; of longer texts the end counts.
const UNICODE_DOMAIN_BYTES_MAX: usize = 4 * DOMAIN_BYTES_MAX;

/// A text of an event to look up.
#[derive(Clone, Copy, Debug)]
pub struct LookUp<'a> {
    /// What its field may hold.
    pub holds: Holds,
    /// The text.
    pub text: &'a str,
    /// What completes a URL of which the field has only the path.
    pub host: Option<&'a str>,
}

impl Default for LookUp<'_> {
    fn default() -> Self {
        Self {
            holds: Holds::Host,
            text: "",
            host: None,
        }
    }
}

/// Buffers of a look-up, used again for the next.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    text: String,
    pub(crate) asked: Vec<Asked>,
}

/// What is asked for one of several texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Which text.
    pub(crate) at: usize,
    /// Of which filter; none if more than one thing is to be asked.
    key: Option<(Group, u64)>,
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
        let is_asked = match self.question(holds, text, host) {
            Question::Nothing => false,
            Question::Key(group, hash) => self.may_hold(group, hash),
            Question::Several => true,
        };
        if is_asked {
            self.answer(holds, text, host, scratch, found);
        }
    }

    /// As [`IndicatorTable::look_up`] for several texts at once, such as those of one event; `found` is told which text
    /// by its place. Faster for texts that name nothing: memory is asked for all of them together.
    pub fn look_up_all(
        &self,
        texts: &[LookUp<'_>],
        scratch: &mut Scratch,
        found: &mut impl FnMut(usize, IndicatorId),
    ) {
        let mut asked = std::mem::take(&mut scratch.asked);
        asked.clear();
        for (at, text) in texts.iter().enumerate() {
            self.ask(at, text, &mut asked);
        }
        self.keep_held(&mut asked);
        for asked in &asked {
            if let Some(text) = texts.get(asked.at) {
                self.answer_asked(text, scratch, &mut |id| found(asked.at, id));
            }
        }
        scratch.asked = asked;
    }

    /// Notes what is to be asked of the filters for a text, if anything is.
    #[inline]
    pub(crate) fn ask(&self, at: usize, text: &LookUp<'_>, asked: &mut Vec<Asked>) {
        match self.question(text.holds, text.text.trim_ascii(), text.host) {
            Question::Nothing => {}
            Question::Key(group, hash) => asked.push(Asked {
                at,
                key: Some((group, hash)),
            }),
            Question::Several => asked.push(Asked { at, key: None }),
        }
    }

    /// Asks the filters: nothing but memory accesses that do not wait for each other.
    #[inline]
    pub(crate) fn keep_held(&self, asked: &mut Vec<Asked>) {
        asked.retain(|asked| asked.key.is_none_or(|(group, hash)| self.may_hold(group, hash)));
    }

    /// Finds everything that a text names which was kept.
    pub(crate) fn answer_asked(
        &self,
        text: &LookUp<'_>,
        scratch: &mut Scratch,
        found: &mut impl FnMut(IndicatorId),
    ) {
        self.answer(text.holds, text.text.trim_ascii(), text.host, scratch, found);
    }

    /// Finds everything that the text names.
    #[inline(never)]
    fn answer(
        &self,
        holds: Holds,
        text: &str,
        host: Option<&str>,
        scratch: &mut Scratch,
        found: &mut impl FnMut(IndicatorId),
    ) {
        match holds {
            Holds::Address => {
                if let Some(address) = address(text) {
                    self.address(address, found);
                }
            }
            Holds::Asn => self.asn(text, found),
            Holds::Certificate => self.hex(IndicatorKind::Certificate, text, found),
            Holds::Email => self.emails(text, scratch, found),
            Holds::FileName => self.file_name(text, scratch, found),
            Holds::Hash => self.hashes(text, found),
            Holds::Host => self.host(text, scratch, found),
            Holds::Ja3 => self.hex(IndicatorKind::Ja3, text, found),
            Holds::Ja4 => self.held(IndicatorKind::Ja4, false, text.as_bytes(), found),
            Holds::Url => self.url(text, host, scratch, found),
        }
    }

    fn address(&self, address: IpAddr, found: &mut impl FnMut(IndicatorId)) {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                self.held(IndicatorKind::Address, false, &v4.octets(), found);
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
                self.held(IndicatorKind::Address, true, &v6.octets(), found);
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
            self.value(
                Group::Numbers,
                IndicatorKind::Asn,
                false,
                &number.to_be_bytes(),
                found,
            );
        }
    }

    /// One e-mail address, or several as a header writes them.
    fn emails(&self, text: &str, scratch: &mut Scratch, found: &mut impl FnMut(IndicatorId)) {
        if has_either(text.as_bytes(), b',', b';') {
            for text in recipients(text) {
                self.email(text, scratch, found);
            }
        } else {
            self.email(text, scratch, found);
        }
    }

    /// `name@domain`, perhaps in angle brackets after a name in words; also an indicator of its domain.
    fn email(&self, text: &str, scratch: &mut Scratch, found: &mut impl FnMut(IndicatorId)) {
        let text = bare(text);
        let Some((name, domain)) = text.rsplit_once('@') else {
            return;
        };
        if text.len() <= VALUE_BYTES_MAX {
            if text.is_ascii() {
                self.text(IndicatorKind::Email, text, found);
            } else {
                scratch.text.clear();
                lower(name, &mut scratch.text);
                scratch.text.push('@');
                if to_ascii(domain, &mut scratch.text) {
                    self.text(IndicatorKind::Email, &scratch.text, found);
                }
            }
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

    /// One hash, or Sysmon's `SHA1=…,MD5=…`, as long as it may be: the work grows with the text and no faster.
    fn hashes(&self, text: &str, found: &mut impl FnMut(IndicatorId)) {
        for part in text.split(',') {
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

    /// A digest in hexadecimal digits, perhaps with colons.
    fn hex(&self, kind: IndicatorKind, text: &str, found: &mut impl FnMut(IndicatorId)) {
        let mut bare = [0; 64];
        let mut digits = text.as_bytes();
        if let [_, _, b':', ..] = digits {
            let Some(length) = without_colons(digits, &mut bare) else {
                return;
            };
            digits = bare.get(..length).unwrap_or_default();
        }
        if !self.may_hold(Group::Digests, digest_key(self.seed, kind, digits)) {
            return;
        }
        let mut digest = [0; 32];
        let Some(length) = decode_hex(digits, &mut digest) else {
            return;
        };
        let is_wide = kind == IndicatorKind::Certificate && length == 32;
        let value = digest.get(..length).unwrap_or_default();
        self.held(kind, is_wide, value, found);
    }

    /// A host: an address or a domain, perhaps with a port.
    fn host(&self, text: &str, scratch: &mut Scratch, found: &mut impl FnMut(IndicatorId)) {
        if !may_be_address(text) {
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
            return;
        }
        let end = end_of_name(text, UNICODE_DOMAIN_BYTES_MAX);
        scratch.text.clear();
        if !to_ascii(end, &mut scratch.text) {
            scratch.text.clear();
            end_to_ascii(end, &mut scratch.text);
        }
        self.ascii_domain(scratch.text.trim_end_matches('.'), found);
    }

    fn ascii_domain(&self, name: &str, found: &mut impl FnMut(IndicatorId)) {
        let is_known = match self.of_name(name.as_bytes()) {
            Question::Nothing => false,
            Question::Key(group, hash) => self.may_hold(group, hash),
            Question::Several => true,
        };
        if !is_known {
            return;
        }
        let mut rest = end_of_name(name, DOMAIN_BYTES_MAX);
        loop {
            self.text(IndicatorKind::Domain, rest, found);
            match rest.split_once('.') {
                Some((_, above)) => rest = above,
                None => return,
            }
        }
    }

    /// A URL: itself, itself without its query, and its host. Of a path with its host in another field only the URL:
    /// the other field is looked up for itself. No URL in a table has more than [`VALUE_BYTES_MAX`]: of a longer one
    /// the host counts, and what stands before its query.
    fn url(
        &self,
        text: &str,
        host: Option<&str>,
        scratch: &mut Scratch,
        found: &mut impl FnMut(IndicatorId),
    ) {
        let path_host = host.filter(|_| text.starts_with('/')).map(str::trim_ascii);
        let authority = match path_host {
            Some(host) => Authority::of_start(host.as_bytes()),
            None => match Authority::of_url(text.as_bytes()) {
                Some(authority) => authority,
                None => return,
            },
        };
        let Ok(host) = std::str::from_utf8(authority.host) else {
            return;
        };
        let may_be_held = !host.is_ascii() || self.may_hold(Group::Texts, authority.hash(self.seed));
        if self.count(IndicatorKind::Url) != 0 && may_be_held {
            let normal = match path_host {
                Some(host) => normal_url(&format!("http://{host}{text}")),
                None => normal_url(text),
            };
            if let Some(url) = normal {
                self.held(IndicatorKind::Url, false, url.as_bytes(), found);
                if let Some((path, _)) = url.split_once('?') {
                    self.held(IndicatorKind::Url, false, path.as_bytes(), found);
                }
            }
        }
        if path_host.is_none() {
            self.host(host, scratch, found);
        }
    }

    #[inline]
    fn text(&self, kind: IndicatorKind, text: &str, found: &mut impl FnMut(IndicatorId)) {
        self.value(Group::Texts, kind, false, text.as_bytes(), found);
    }

    /// The indicators about a value: first the filter, then the table.
    #[inline]
    fn value(
        &self,
        group: Group,
        kind: IndicatorKind,
        is_wide: bool,
        value: &[u8],
        found: &mut impl FnMut(IndicatorId),
    ) {
        let hash = entry::hash(self.seed, kind, value);
        self.each_layer(found, |layer, found| {
            if layer.filters.may_hold(group, hash) {
                layer.exact(hash, kind, is_wide, value, found);
            }
        });
    }

    /// As [`Self::value`] where the filter has been asked.
    #[cold]
    fn held(&self, kind: IndicatorKind, is_wide: bool, value: &[u8], found: &mut impl FnMut(IndicatorId)) {
        let hash = entry::hash(self.seed, kind, value);
        self.each_layer(found, |layer, found| {
            layer.exact(hash, kind, is_wide, value, found)
        });
    }
}

/// The digits between colons; `None` if there are too many.
fn without_colons(text: &[u8], into: &mut [u8; 64]) -> Option<usize> {
    let mut length = 0;
    for byte in text.iter().filter(|byte| **byte != b':') {
        *into.get_mut(length)? = *byte;
        length += 1;
    }
    Some(length)
}
