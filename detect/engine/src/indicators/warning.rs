//! Warning lists, made fit for questions: whether an indicator that an event names, or what it names of a broader
//! one, is on a list.
//!
//! Asked of matches only, so nothing here need be as fast as a look-up.

use std::net::IpAddr;

use aho_corasick::AhoCorasick;
use detect_alert::{IndicatorKind, WarningCategory, WarningList, WarningListKind, WarningMode};
use ipnet::IpNet;
use regex::{RegexSet, RegexSetBuilder};

use super::{address::address, interned::Interned, key::Seed, nets::Nets, text::Authority};

/// A list of regular expressions may take so much memory as a program; longer ones are refused as a whole.
const REGEX_BYTES_MAX: usize = 10 << 20;

/// The lists of one moment. Immutable.
#[derive(Debug)]
pub struct WarningLists {
    seed: Seed,
    lists: Vec<Checked>,
    digest: [u8; 32],
}

/// A list, or an entry of it, that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadWarning {
    /// The list's name.
    pub list: String,
    /// The entry; none if it is the whole list.
    pub entry: Option<String>,
    /// What is wrong.
    pub detail: String,
}

#[derive(Debug)]
struct Checked {
    name: String,
    category: WarningCategory,
    mode: WarningMode,
    applies_to: Vec<IndicatorKind>,
    entries: Entries,
}

#[derive(Debug)]
enum Entries {
    /// Texts in lower case; addresses in normal form.
    Strings(Interned),
    /// Host names in lower case.
    Hostnames(Interned),
    Cidrs(Nets<u32>, Nets<u128>),
    Substrings(AhoCorasick),
    Regexes(RegexSet),
}

/// A list that something is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The list's name.
    pub list: &'a str,
    /// Why something is on it.
    pub category: WarningCategory,
    /// What a match comes to.
    pub mode: WarningMode,
}

impl Default for WarningLists {
    fn default() -> Self {
        Self::build(&[]).0
    }
}

impl WarningLists {
    /// Makes lists fit for questions. What can't be used is left out and told.
    #[must_use]
    pub fn build(lists: &[WarningList]) -> (Self, Vec<BadWarning>) {
        let seed = Seed::random();
        let mut bad = Vec::new();
        let mut sorted: Vec<&WarningList> = lists.iter().collect();
        sorted.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        let mut hasher = blake3::Hasher::new();
        let mut checked = Vec::new();
        for list in sorted {
            hash_list(list, &mut hasher);
            let Some(entries) = Entries::build(seed, list, &mut bad) else {
                continue;
            };
            checked.push(Checked {
                name: list.name.clone(),
                category: list.category,
                mode: list.mode,
                applies_to: list.applies_to.clone(),
                entries,
            });
        }
        let lists = Self {
            seed,
            lists: checked,
            digest: *hasher.finalize().as_bytes(),
        };
        (lists, bad)
    }

    /// How many lists there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Made of the lists alone, whatever their order.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The lists that a value in normal form is on, by name.
    pub fn listing<'a>(
        &'a self,
        kind: IndicatorKind,
        value: &str,
    ) -> impl Iterator<Item = Listed<'a>> + use<'a> {
        let lower = value.to_lowercase();
        self.lists
            .iter()
            .filter(move |list| list.applies_to.is_empty() || list.applies_to.contains(&kind))
            .filter(move |list| list.entries.have(self.seed, kind, &lower))
            .map(|list| Listed {
                list: &list.name,
                category: list.category,
                mode: list.mode,
            })
    }
}

impl Entries {
    /// `None` if the whole list can't be used.
    fn build(seed: Seed, list: &WarningList, bad: &mut Vec<BadWarning>) -> Option<Self> {
        let mut refuse = |entry: Option<&str>, detail: String| {
            bad.push(BadWarning {
                list: list.name.clone(),
                entry: entry.map(str::to_owned),
                detail,
            });
        };
        let mut texts = |normal: &dyn Fn(&str) -> String| {
            let mut texts = Interned::default();
            for entry in &list.entries {
                let text = normal(entry.trim());
                if text.is_empty() || texts.intern(seed, text.as_bytes()).is_none() {
                    refuse(Some(entry), "it is empty or too long".to_owned());
                }
            }
            texts.shrink_to_fit();
            texts
        };
        match list.kind {
            WarningListKind::String => Some(Self::Strings(texts(&|text| {
                address(text).map_or_else(
                    || text.to_lowercase(),
                    |address| address.to_canonical().to_string(),
                )
            }))),
            WarningListKind::Hostname => Some(Self::Hostnames(texts(&|text| {
                let name = text.trim_matches('.').to_lowercase();
                idna::domain_to_ascii(&name).unwrap_or(name)
            }))),
            WarningListKind::Cidr => {
                let (mut v4, mut v6) = (Vec::new(), Vec::new());
                for entry in &list.entries {
                    let text = entry.trim();
                    let net = text
                        .parse::<IpNet>()
                        .ok()
                        .or_else(|| address(text).map(|address| IpNet::from(address.to_canonical())));
                    match net.map(|net| net.trunc()) {
                        Some(IpNet::V4(net)) => v4.push((u32::from(net.addr()), net.prefix_len())),
                        Some(IpNet::V6(net)) => v6.push((u128::from(net.addr()), net.prefix_len())),
                        None => refuse(Some(entry), "it is no address and no prefix".to_owned()),
                    }
                }
                Some(Self::Cidrs(Nets::build(v4), Nets::build(v6)))
            }
            WarningListKind::Substring => {
                let texts: Vec<String> = list
                    .entries
                    .iter()
                    .map(|entry| entry.trim().to_lowercase())
                    .filter(|entry| !entry.is_empty())
                    .collect();
                AhoCorasick::new(texts)
                    .map_err(|error| refuse(None, error.to_string()))
                    .ok()
                    .map(Self::Substrings)
            }
            WarningListKind::Regex => {
                let sources = list.entries.iter().map(|entry| bare_regex(entry.trim()));
                RegexSetBuilder::new(sources)
                    .case_insensitive(true)
                    .size_limit(REGEX_BYTES_MAX)
                    .build()
                    .map_err(|error| refuse(None, error.to_string()))
                    .ok()
                    .map(Self::Regexes)
            }
        }
    }

    /// Whether a value in lower case is on the list.
    fn have(&self, seed: Seed, kind: IndicatorKind, value: &str) -> bool {
        match self {
            Self::Strings(texts) => texts.contains(seed, value.as_bytes()),
            Self::Hostnames(names) => host(kind, value).is_some_and(|host| {
                let parents = host.match_indices('.').map(|(at, _)| host.get(at + 1..));
                std::iter::once(Some(host))
                    .chain(parents)
                    .flatten()
                    .any(|name| names.contains(seed, name.as_bytes()))
            }),
            Self::Cidrs(v4, v6) => match net(kind, value) {
                Some(IpNet::V4(net)) => v4
                    .containing(u32::from(net.addr()))
                    .any(|(_, length)| length <= net.prefix_len()),
                Some(IpNet::V6(net)) => v6
                    .containing(u128::from(net.addr()))
                    .any(|(_, length)| length <= net.prefix_len()),
                None => false,
            },
            Self::Substrings(searcher) => searcher.is_match(value),
            Self::Regexes(set) => set.is_match(value),
        }
    }
}

/// The host that a value is about or on.
fn host(kind: IndicatorKind, value: &str) -> Option<&str> {
    match kind {
        IndicatorKind::Domain => Some(value),
        IndicatorKind::Email => value.rsplit_once('@').map(|(_, host)| host),
        IndicatorKind::Url => {
            let authority = Authority::of_url(value.as_bytes())?;
            std::str::from_utf8(authority.host).ok()
        }
        IndicatorKind::Address
        | IndicatorKind::Asn
        | IndicatorKind::Certificate
        | IndicatorKind::Cidr
        | IndicatorKind::FileName
        | IndicatorKind::Ja3
        | IndicatorKind::Ja4
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256 => None,
    }
}

/// The prefix that a value is about or on; an address is one of full length.
fn net(kind: IndicatorKind, value: &str) -> Option<IpNet> {
    let full = |address: IpAddr| IpNet::from(address.to_canonical());
    match kind {
        IndicatorKind::Address => address(value).map(full),
        IndicatorKind::Cidr => value.parse().ok(),
        IndicatorKind::Url => host(kind, value).and_then(address).map(full),
        IndicatorKind::Asn
        | IndicatorKind::Certificate
        | IndicatorKind::Domain
        | IndicatorKind::Email
        | IndicatorKind::FileName
        | IndicatorKind::Ja3
        | IndicatorKind::Ja4
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256 => None,
    }
}

/// MISP writes `/…/` or `/…/i`.
fn bare_regex(entry: &str) -> &str {
    entry
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix("/i").or_else(|| rest.strip_suffix('/')))
        .unwrap_or(entry)
}

fn hash_list(list: &WarningList, hasher: &mut blake3::Hasher) {
    let mut text = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    text(&list.name);
    text(&list.version.to_string());
    text(list.kind.as_str());
    text(list.category.as_str());
    text(list.mode.as_str());
    text(&list.applies_to.len().to_string());
    for kind in &list.applies_to {
        text(kind.as_str());
    }
    text(&list.entries.len().to_string());
    for entry in &list.entries {
        text(entry);
    }
}
