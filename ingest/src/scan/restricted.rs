//! Restricted indicators: each value that a field may name is brought to its normal form, hashed with the list's key, and
//! looked for among the hashes.

use std::collections::HashSet;
use std::net::IpAddr;

use detect_engine::{Holds, IndicatorField};
use detect_rules::normal_url;
use ingest_event::Value;
use ingest_event::restricted::{Hash, RestrictedError, RestrictedKey, RestrictedList, hex};
use ipnet::IpNet;
use rustc_hash::FxBuildHasher;

use super::Hit;
use super::fields::{HITS_MAX, Looked, first_text};
use super::ours::Ours;
use crate::record::Draft;

/// Names have no more labels than this that are looked for, from the right: longer ones are made up.
const LABELS_MAX: usize = 16;

/// Longer texts hold no value of a list.
const TEXT_BYTES_MAX: usize = 2_048;

/// A list, as it is looked in.
#[derive(Debug)]
pub(super) struct Restricted {
    key: RestrictedKey,
    /// Hashes under a key need no seed.
    hashes: HashSet<Hash, FxBuildHasher>,
    prefixes: [Vec<u8>; 2],
    looked: Looked,
    ours: Ours,
}

impl Restricted {
    pub(super) fn new(list: &RestrictedList, ours: Ours) -> Result<Self, RestrictedError> {
        let (key, hashes) = list.read()?;
        let lengths = |family: &str| list.prefixes.get(family).into_iter().flatten().copied().collect();
        Ok(Self {
            key,
            hashes: hashes.into_iter().collect(),
            prefixes: [lengths("4"), lengths("6")],
            looked: Looked::of(|kind| list.hashes.contains_key(kind.as_str())),
            ours,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// What it is known by: its key and hashes.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut all: Vec<&Hash> = self.hashes.iter().collect();
        all.sort_unstable();
        let mut digest = blake3::Hasher::new();
        digest.update(self.key.id().as_bytes());
        for hash in all {
            digest.update(hash);
        }
        *digest.finalize().as_bytes()
    }

    /// Adds a hit for each that the draft names.
    pub(super) fn look(&self, draft: &Draft, hits: &mut Vec<Hit>) {
        for (name, value) in draft.fields.iter() {
            let Some(field) = self.looked.get(name) else {
                continue;
            };
            let host = field.host.and_then(|host| first_text(draft, host));
            for item in value.each() {
                let number;
                let text = match item {
                    Value::String(text) => text.trim(),
                    // Autonomous systems.
                    Value::Integer(_) | Value::Unsigned(_) => {
                        number = item.to_string();
                        &number
                    }
                    Value::Null | Value::Bool(_) | Value::Float(_) | Value::List(_) => continue,
                };
                if TEXT_BYTES_MAX < text.len() {
                    continue;
                }
                self.each(field, text, host, &mut |kind, value| {
                    let hash = self.key.hash(kind, value);
                    if self.hashes.contains(&hash) && hits.len() < HITS_MAX && !self.is_ours(kind, value) {
                        hits.push(Hit::of_restricted(&hex(&hash), name));
                    }
                });
            }
        }
    }

    /// What a list asks of the site itself is not answered.
    fn is_ours(&self, kind: &str, value: &str) -> bool {
        kind.parse().is_ok_and(|kind| self.ours.is(kind, value))
    }

    /// Every value that a text names, in the normal form of its kind.
    fn each(
        &self,
        field: &IndicatorField,
        text: &str,
        host: Option<&str>,
        take: &mut impl FnMut(&str, &str),
    ) {
        let lower = || text.to_lowercase();
        match field.holds {
            Holds::Address => {
                if let Some(address) = address(text) {
                    self.address(address, take);
                }
            }
            Holds::Host => self.host(text, take),
            Holds::Asn => {
                let digits = text.trim_start_matches(['A', 'a', 'S', 's']);
                if let Ok(number) = digits.parse::<u32>() {
                    take("asn", &format!("AS{number}"));
                }
            }
            Holds::Certificate => take("certificate", &lower().replace(':', "")),
            Holds::Email => {
                for part in text.split([',', ';']) {
                    let bare = part.rsplit_once('<').map_or(part, |(_, bare)| bare);
                    let bare = bare.trim().trim_end_matches('>').to_lowercase();
                    take("email", &bare);
                    if let Some((_, domain)) = bare.rsplit_once('@') {
                        self.host(domain, take);
                    }
                }
            }
            Holds::FileName => {
                let name = lower();
                take("file-name", name.rsplit(['/', '\\']).next().unwrap_or_default());
            }
            Holds::Hash => {
                for part in lower().split(',') {
                    let (name, digits) = part.rsplit_once('=').unwrap_or(("", part));
                    let kind = match digits.trim().len() {
                        32 if name.trim() == "imphash" => continue,
                        32 => "md5",
                        40 => "sha1",
                        64 => "sha256",
                        _ => continue,
                    };
                    take(kind, digits.trim());
                }
            }
            Holds::Ja3 => take("ja3", &lower()),
            Holds::Ja4 => take("ja4", &lower()),
            Holds::Url => {
                let host = host.filter(|_| text.starts_with('/'));
                let normal = match host {
                    Some(host) => normal_url(&format!("http://{host}{text}")),
                    None => normal_url(text),
                };
                let Some(url) = normal else { return };
                take("url", &url);
                if let Some((path, _)) = url.split_once('?') {
                    take("url", path);
                }
                if host.is_none() {
                    self.host(host_of(&url), take);
                }
            }
        }
    }

    /// An address with its prefixes, or a name with all above it; perhaps with a port.
    fn host(&self, text: &str, take: &mut impl FnMut(&str, &str)) {
        let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let bare = bare.map_or(text, |(inside, _)| inside);
        let without_port = || {
            let (host, port) = bare.rsplit_once(':')?;
            port.bytes().all(|byte| byte.is_ascii_digit()).then_some(host)
        };
        match address(bare).or_else(|| address(without_port()?)) {
            Some(address) => self.address(address, take),
            None => names(without_port().unwrap_or(bare), take),
        }
    }

    fn address(&self, address: IpAddr, take: &mut impl FnMut(&str, &str)) {
        take("ip", &address.to_string());
        let [v4, v6] = &self.prefixes;
        for length in if address.is_ipv4() { v4 } else { v6 } {
            if let Ok(prefix) = IpNet::new(address, *length) {
                take("cidr", &prefix.trunc().to_string());
            }
        }
    }
}

/// An address, without its zone; IPv4 inside IPv6 is IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let read = text.split('%').next()?.parse::<IpAddr>().ok()?;
    Some(read.to_canonical())
}

/// A name in ASCII, and all that it is under.
fn names(name: &str, take: &mut impl FnMut(&str, &str)) {
    let name = name.trim_end_matches('.');
    let name = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        // As the host of a URL it gets the same normal form.
        normal_url(&format!("http://{name}/")).map_or_else(String::new, |url| host_of(&url).to_owned())
    };
    let labels = name.bytes().filter(|byte| *byte == b'.').count() + 1;
    let mut rest = name.as_str();
    for left in (1..=labels).rev() {
        if left <= LABELS_MAX && !rest.is_empty() {
            take("domain", rest);
        }
        rest = rest.split_once('.').map_or("", |(_, above)| above);
    }
}

/// The host of a URL in normal form, without its port.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(inside) = host.strip_prefix('[') {
        return inside.split_once(']').map_or(inside, |(inside, _)| inside);
    }
    host.split_once(':').map_or(host, |(host, _)| host)
}
