//! Looking indicators up: which of them an event's fields name.
//!
//! Exact values go to hash tables, prefixes to a table per prefix length, domains are looked up label by label
//! from the right. Only fields of the right kind are looked at ([`FIELDS`]). Validity is the caller's: it is
//! decided at the event's time.

use std::net::IpAddr;

use detect_alert::{Indicator, IndicatorKind};
use detect_rules::normal_url;
use ipnet::IpNet;
use rustc_hash::FxHashMap;

use crate::record::{FieldId, FieldNames, Record};

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Address,
    /// A host: an address or a domain, perhaps with a port.
    Host,
    Url,
    Email,
    /// One hash, or Sysmon's `SHA1=…,MD5=…`.
    Hash,
    Ja3,
    Ja4,
}

/// The fields that are looked at, and as what.
const FIELDS: [(&str, Holds); 48] = [
    ("source.ip", Holds::Address),
    ("destination.ip", Holds::Address),
    ("client.ip", Holds::Address),
    ("server.ip", Holds::Address),
    ("host.ip", Holds::Address),
    ("source.nat.ip", Holds::Address),
    ("destination.nat.ip", Holds::Address),
    ("dns.resolved_ip", Holds::Address),
    ("related.ip", Holds::Address),
    ("SourceIp", Holds::Address),
    ("DestinationIp", Holds::Address),
    ("IpAddress", Holds::Address),
    ("id.orig_h", Holds::Address),
    ("id.resp_h", Holds::Address),
    ("dns.answers.data", Holds::Host),
    ("dns.question.name", Holds::Host),
    ("url.domain", Holds::Host),
    ("destination.domain", Holds::Host),
    ("source.domain", Holds::Host),
    ("server.domain", Holds::Host),
    ("client.domain", Holds::Host),
    ("tls.client.server_name", Holds::Host),
    ("related.hosts", Holds::Host),
    ("QueryName", Holds::Host),
    ("DestinationHostname", Holds::Host),
    ("query", Holds::Host),
    ("url.original", Holds::Url),
    ("url.full", Holds::Url),
    ("http.request.referrer", Holds::Url),
    ("email.from.address", Holds::Email),
    ("email.sender.address", Holds::Email),
    ("email.to.address", Holds::Email),
    ("email.reply_to.address", Holds::Email),
    ("user.email", Holds::Email),
    ("file.hash.md5", Holds::Hash),
    ("file.hash.sha1", Holds::Hash),
    ("file.hash.sha256", Holds::Hash),
    ("process.hash.md5", Holds::Hash),
    ("process.hash.sha1", Holds::Hash),
    ("process.hash.sha256", Holds::Hash),
    ("hash.md5", Holds::Hash),
    ("hash.sha1", Holds::Hash),
    ("hash.sha256", Holds::Hash),
    ("related.hash", Holds::Hash),
    ("Hashes", Holds::Hash),
    ("tls.client.ja3", Holds::Ja3),
    ("ja3", Holds::Ja3),
    ("tls.client.ja4", Holds::Ja4),
];

/// Host and port of a request whose URL is only a path.
const URL_DOMAIN: &str = "url.domain";

const NONE: u32 = u32::MAX;

/// All indicators, by what they are about.
#[derive(Debug, Default)]
pub(crate) struct IndicatorIndex {
    indicators: Vec<Indicator>,
    /// The next indicator with the same kind and value.
    next: Vec<u32>,
    addresses: FxHashMap<IpAddr, u32>,
    nets: FxHashMap<IpNet, u32>,
    /// Lengths that occur among prefixes, for IPv4 and IPv6.
    lengths: [Vec<u8>; 2],
    texts: FxHashMap<(IndicatorKind, Box<str>), u32>,
    fields: Vec<(FieldId, Holds)>,
    url_domain: FieldId,
}

impl IndicatorIndex {
    /// Indexes indicators; those whose value is not in normal form are left out and counted by the caller,
    /// who sees how many are held.
    pub(crate) fn build(mut indicators: Vec<Indicator>, names: &mut FieldNames) -> Self {
        indicators.sort_by(|a, b| order(a).cmp(&order(b)));
        indicators.dedup();
        let mut index = Self::default();
        if indicators.is_empty() {
            return index;
        }
        index.fields = FIELDS
            .iter()
            .map(|(name, holds)| (names.intern(name), *holds))
            .collect();
        index.url_domain = names.intern(URL_DOMAIN);
        for indicator in indicators {
            index.insert(indicator);
        }
        for lengths in &mut index.lengths {
            lengths.sort_unstable();
            lengths.dedup();
        }
        index
    }

    pub(crate) fn len(&self) -> usize {
        self.indicators.len()
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Indicator> {
        self.indicators.get(index as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Indicator> {
        self.indicators.iter()
    }

    fn insert(&mut self, indicator: Indicator) {
        let at = u32::try_from(self.indicators.len()).unwrap_or(NONE);
        let head = match indicator.kind {
            IndicatorKind::Address => match indicator.value.parse::<IpAddr>() {
                Ok(address) => self.addresses.entry(address.to_canonical()).or_insert(NONE),
                Err(_) => return,
            },
            IndicatorKind::Cidr => match indicator.value.parse::<IpNet>() {
                Ok(net) => {
                    let [v4, v6] = &mut self.lengths;
                    let lengths = if net.addr().is_ipv4() { v4 } else { v6 };
                    lengths.push(net.prefix_len());
                    self.nets.entry(net.trunc()).or_insert(NONE)
                }
                Err(_) => return,
            },
            IndicatorKind::Asn
            | IndicatorKind::Certificate
            | IndicatorKind::Domain
            | IndicatorKind::Email
            | IndicatorKind::FileName
            | IndicatorKind::Ja3
            | IndicatorKind::Ja4
            | IndicatorKind::Md5
            | IndicatorKind::Sha1
            | IndicatorKind::Sha256
            | IndicatorKind::Url => self
                .texts
                .entry((indicator.kind, indicator.value.as_str().into()))
                .or_insert(NONE),
        };
        self.next.push(std::mem::replace(head, at));
        self.indicators.push(indicator);
    }

    /// Calls `found` for each indicator that a field of the event names, with that field and its value.
    pub(crate) fn look_up(&self, record: &Record, found: &mut impl FnMut(u32, FieldId, &str)) {
        for (field, holds) in &self.fields {
            for entry in record.values(*field) {
                let text = record.text(entry).trim();
                if text.is_empty() {
                    continue;
                }
                let mut hit = |index: u32| found(index, *field, text);
                match holds {
                    Holds::Address => self.address(text, &mut hit),
                    Holds::Host => self.host(text, &mut hit),
                    Holds::Url => self.url(record, text, &mut hit),
                    Holds::Email => {
                        let lower = text.to_lowercase();
                        self.text(IndicatorKind::Email, &lower, &mut hit);
                        if let Some((_, host)) = lower.rsplit_once('@') {
                            self.domain(host, &mut hit);
                        }
                    }
                    Holds::Hash => self.hashes(text, &mut hit),
                    Holds::Ja3 => self.text(IndicatorKind::Ja3, &text.to_ascii_lowercase(), &mut hit),
                    Holds::Ja4 => self.text(IndicatorKind::Ja4, &text.to_ascii_lowercase(), &mut hit),
                }
            }
        }
    }

    fn chain(&self, head: Option<&u32>, hit: &mut impl FnMut(u32)) {
        let mut at = head.copied().unwrap_or(NONE);
        while at != NONE {
            hit(at);
            at = self.next.get(at as usize).copied().unwrap_or(NONE);
        }
    }

    fn text(&self, kind: IndicatorKind, value: &str, hit: &mut impl FnMut(u32)) {
        self.chain(self.texts.get(&(kind, Box::from(value))), hit);
    }

    fn address(&self, text: &str, hit: &mut impl FnMut(u32)) {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            self.ip(address.to_canonical(), hit);
        }
    }

    fn ip(&self, address: IpAddr, hit: &mut impl FnMut(u32)) {
        self.chain(self.addresses.get(&address), hit);
        let [v4, v6] = &self.lengths;
        for length in if address.is_ipv4() { v4 } else { v6 } {
            if let Ok(net) = IpNet::new(address, *length) {
                self.chain(self.nets.get(&net.trunc()), hit);
            }
        }
    }

    fn host(&self, text: &str, hit: &mut impl FnMut(u32)) {
        if text.parse::<IpAddr>().is_ok() || text.starts_with('[') {
            let end = text.find(']').map_or(text.len(), |end| end + 1);
            self.address(text.get(..end).unwrap_or(text), hit);
            return;
        }
        let host = match text.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => text,
        };
        match host.parse::<IpAddr>() {
            Ok(address) => self.ip(address.to_canonical(), hit),
            Err(_) => self.domain(host, hit),
        }
    }

    /// A domain and all that it is under, on label boundaries.
    fn domain(&self, text: &str, hit: &mut impl FnMut(u32)) {
        let name = text.trim_end_matches('.');
        let ascii = if name.is_ascii() {
            name.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(name).unwrap_or_default()
        };
        let mut rest = ascii.as_str();
        loop {
            self.text(IndicatorKind::Domain, rest, hit);
            match rest.split_once('.') {
                Some((_, above)) => rest = above,
                None => return,
            }
        }
    }

    fn url(&self, record: &Record, text: &str, hit: &mut impl FnMut(u32)) {
        let whole = if text.starts_with('/') {
            record
                .first_text(self.url_domain)
                .and_then(|host| normal_url(&format!("http://{host}{text}")))
        } else {
            normal_url(text)
        };
        let Some(url) = whole else {
            return;
        };
        self.text(IndicatorKind::Url, &url, hit);
        if let Some((path, _)) = url.split_once('?') {
            self.text(IndicatorKind::Url, path, hit);
        }
    }

    fn hashes(&self, text: &str, hit: &mut impl FnMut(u32)) {
        for part in text.split(',') {
            let hash = part
                .rsplit('=')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            let kind = match hash.len() {
                32 => IndicatorKind::Md5,
                40 => IndicatorKind::Sha1,
                64 => IndicatorKind::Sha256,
                _ => continue,
            };
            self.text(kind, &hash, hit);
        }
    }
}

/// What the order of indicators goes by: everything that tells two apart.
type Order<'a> = (
    IndicatorKind,
    &'a str,
    &'a str,
    detect_alert::Confidence,
    detect_alert::Tlp,
    (
        Option<ingest_event::Timestamp>,
        Option<ingest_event::Timestamp>,
        &'a str,
    ),
);

fn order(indicator: &Indicator) -> Order<'_> {
    (
        indicator.kind,
        &indicator.value,
        &indicator.source,
        indicator.confidence,
        indicator.tlp,
        (
            indicator.valid_from,
            indicator.valid_until,
            &indicator.description,
        ),
    )
}
