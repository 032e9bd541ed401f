//! Pseudonyms of one epoch: the same machine, account or name has the same one in every source.
//!
//! Addresses are turned by [`PrefixCipher`], names by [`name`]; what is of elsewhere stays as it is. What was worked out
//! is cached by its text, and names are handed out in [`Pseudonyms::made`] for the site's own table, since a hash can't
//! be turned back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::cache::Cache;
use super::name::{self, HOST_PREFIX, SHARE_PREFIX, USER_PREFIX, hashed};
use super::prefix::{Inside, PrefixCipher};
use crate::site::keys::SiteKey;

/// Kinds of Kerberos services, as they stand before the host (Microsoft's list of service classes, MIT's and Heimdal's own).
const SERVICES: [&str; 24] = [
    "afpserver",
    "cifs",
    "dns",
    "exchangemdb",
    "ftp",
    "gc",
    "host",
    "hosts",
    "http",
    "imap",
    "kadmin",
    "krbtgt",
    "ldap",
    "mssqlsvc",
    "nfs",
    "pop",
    "postgres",
    "restrictedkrbhost",
    "rpcss",
    "smtp",
    "ssh",
    "termsrv",
    "vnc",
    "wsman",
];

/// Names made between two looks of the site's table; more than a batch has.
const MADE_MAX: usize = 65_536;

/// Groups of an address of version 6, and the empty ones where it is shortened at either end.
const SIX_GROUPS_MAX: usize = 9;

/// When a name is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ours {
    /// Whatever it is: who named it is ours.
    Always,
    /// In a home domain, alone without a domain, or an address.
    ByName,
    /// In a home domain, or an address: a word alone is a word.
    ByDomain,
}

/// What an address becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// It is none.
    No,
    /// Of elsewhere, or of no machine: it stays.
    Open(IpAddr),
    /// One of ours: its pseudonym.
    Ours(AddressText),
}

/// An address with its text, without a place on the heap: most events have two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddressText {
    address: IpAddr,
    /// The longest is of eight groups of four digits.
    bytes: [u8; 39],
    length: u8,
}

impl AddressText {
    pub(super) fn new(address: IpAddr) -> Self {
        let text = address.to_string();
        let mut bytes = [0; 39];
        let length = text.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(text.as_bytes()) {
            *to = *from;
        }
        Self {
            address,
            bytes,
            length: length as u8,
        }
    }

    pub(super) fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        // Digits and marks only.
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl Address {
    /// As it leaves.
    pub(super) fn left(&self) -> Option<IpAddr> {
        match self {
            Self::No => None,
            Self::Open(address) | Self::Ours(AddressText { address, .. }) => Some(*address),
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Ours(..))
    }
}

/// What a name stands for, for the table that stays on site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// As it leaves.
    pub pseudonym: String,
    /// What it stands for.
    pub clear: String,
}

/// The pseudonyms of one epoch.
pub struct Pseudonyms {
    key_id: String,
    four: PrefixCipher,
    six: PrefixCipher,
    names: [u8; 32],
    users: [u8; 32],
    hardware: [u8; 32],
    inside: Inside,
    pub(super) home_domains: Vec<String>,
    /// Ours as well, but they stay clear no more than those of elsewhere: who adds them is not the site.
    added_domains: Vec<String>,
    addresses: Cache<Address>,
    hosts: [Cache<Option<Arc<str>>>; 3],
    accounts: Cache<Option<Arc<str>>>,
    pub(super) answers: Cache<Option<Arc<str>>>,
    pub(super) files: Cache<Arc<str>>,
    made: Vec<Made>,
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pseudonyms").field(&self.key_id).finish()
    }
}

impl Pseudonyms {
    /// Those of a key, for these networks and domains of our own.
    #[must_use]
    pub fn new(key: &SiteKey, inside: Inside, home_domains: &[String]) -> Self {
        Self {
            key_id: key.id(),
            four: PrefixCipher::new(&key.derive("varde 2026 pseudonyms of IPv4 addresses")),
            six: PrefixCipher::new(&key.derive("varde 2026 pseudonyms of IPv6 addresses")),
            names: key.derive("varde 2026 pseudonyms of names"),
            users: key.derive("varde 2026 pseudonyms of users"),
            hardware: key.derive("varde 2026 pseudonyms of hardware addresses"),
            inside,
            home_domains: in_one_form(home_domains),
            added_domains: Vec::new(),
            addresses: Cache::default(),
            hosts: Default::default(),
            accounts: Cache::default(),
            answers: Cache::default(),
            files: Cache::default(),
            made: Vec::new(),
        }
    }

    /// Takes names in these domains for ours.
    pub(super) fn add_domains(&mut self, domains: &[String]) {
        self.added_domains = in_one_form(domains);
    }

    /// What events say of the key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Takes out the names made since the last look. Names that had no room come again when they are seen again.
    pub fn made(&mut self) -> Vec<Made> {
        if MADE_MAX <= self.made.len() {
            self.forget();
        }
        std::mem::take(&mut self.made)
    }

    /// Makes each name anew when it is seen again, so that it is in [`Pseudonyms::made`] once more.
    pub fn forget(&mut self) {
        self.hosts = Default::default();
        self.accounts = Cache::default();
        self.answers = Cache::default();
        self.files = Cache::default();
    }

    /// The pseudonym of a word that is nobody's but its writer's.
    pub(super) fn any_word(&mut self, lower: &str) -> String {
        let hidden = hashed(&self.names, name::WORD_PREFIX, lower);
        self.remember(&hidden, lower);
        hidden
    }

    /// The pseudonym of the print or number of a certificate of ours: logs of certificates that all may read would name
    /// the machine.
    pub(super) fn print(&mut self, text: &str) -> String {
        let hidden = hashed(&self.names, name::PRINT_PREFIX, &text.to_lowercase());
        self.remember(&hidden, text);
        hidden
    }

    /// The address that a pseudonym of this key stands for; `None` for what is no address of ours.
    #[must_use]
    pub fn reveal_address(&self, pseudonym: IpAddr) -> Option<IpAddr> {
        let keep = self.inside.keep(pseudonym)?;
        Some(self.cipher(pseudonym).decrypt(pseudonym, keep))
    }

    /// The pseudonym of an address as text; `None` where it stays, being of elsewhere or no address.
    pub(crate) fn address(&mut self, text: &str) -> Option<Arc<str>> {
        match self.look_at(text) {
            Address::Ours(hidden) => Some(hidden.as_str().into()),
            Address::Open(_) | Address::No => None,
        }
    }

    /// What a text is, as an address.
    pub(super) fn look_at(&mut self, text: &str) -> Address {
        let Self {
            addresses,
            inside,
            four,
            six,
            ..
        } = self;
        addresses.get_or(text, || {
            let Some(address) = parse(text) else {
                return Address::No;
            };
            let Some(keep) = inside.keep(address) else {
                // Behind `%` anything may stand. What stays, stays as it is spelled.
                return match text.parse() {
                    Ok(spelled) if !text.contains('%') => Address::Open(spelled),
                    Ok(_) | Err(_) => Address::Ours(AddressText::new(address)),
                };
            };
            let cipher = if address.is_ipv4() { &*four } else { six };
            Address::Ours(AddressText::new(cipher.encrypt(address, keep)))
        })
    }

    fn cipher(&self, address: IpAddr) -> &PrefixCipher {
        if address.is_ipv4() { &self.four } else { &self.six }
    }

    /// The pseudonym of a machine's name, of an address in its place, or of the name of an address; `None` where it stays.
    pub(super) fn host(&mut self, text: &str, ours: Ours) -> Option<Arc<str>> {
        // The cache is taken out while the answer is worked out.
        let mut cache = std::mem::take(self.cache(ours));
        let answer = cache.get_or(text, || self.work_out_host(text, ours).map(Arc::from));
        *self.cache(ours) = cache;
        answer
    }

    fn cache(&mut self, ours: Ours) -> &mut Cache<Option<Arc<str>>> {
        let [always, by_name, by_domain] = &mut self.hosts;
        match ours {
            Ours::Always => always,
            Ours::ByName => by_name,
            Ours::ByDomain => by_domain,
        }
    }

    fn work_out_host(&mut self, text: &str, ours: Ours) -> Option<String> {
        let lower = text.trim().trim_end_matches('.').to_lowercase();
        if lower.is_empty() {
            return None;
        }
        if let Some((place, port)) = lower.rsplit_once(':')
            && is_port(port)
            && (!place.contains(':') || place.ends_with(']'))
        {
            let hidden = self.work_out_host(place, ours)?;
            let is_six = hidden.contains(':');
            return Some(if is_six {
                format!("[{hidden}]:{port}")
            } else {
                format!("{hidden}:{port}")
            });
        }
        let bare = lower.trim_start_matches('[').trim_end_matches(']');
        if parse(bare).is_some() {
            return self.address(bare).map(|pseudonym| pseudonym.to_string());
        }
        if let Some(found) = self.reverse(&lower) {
            return found;
        }
        let suffix = name::inside_suffix(&lower, &self.home_domains).map(str::to_owned);
        let is_alone = !lower.contains('.');
        let is_ours = suffix.is_some()
            || name::inside_suffix(&lower, &self.added_domains).is_some()
            || match ours {
                Ours::Always => true,
                Ours::ByName => is_alone,
                Ours::ByDomain => false,
            }
            || self.holds_inside_address(&lower);
        if !is_ours {
            return None;
        }
        let suffix = match suffix {
            Some(suffix) => suffix,
            None if is_alone => String::new(),
            // What is no top-level domain may be anybody's name.
            None => lower
                .rsplit('.')
                .next()
                .filter(|label| name::is_public_domain(label))
                .unwrap_or_default()
                .to_owned(),
        };
        let head = lower
            .strip_suffix(&suffix)
            .unwrap_or(&lower)
            .trim_end_matches('.');
        let mut labels: Vec<String> = Vec::new();
        for label in head.split('.').filter(|label| !label.is_empty()) {
            labels.push(self.label(label));
        }
        labels.extend((!suffix.is_empty()).then_some(suffix));
        let hidden = labels.join(".");
        (hidden != lower).then_some(hidden)
    }

    /// The pseudonym of one label; `$` at the end of a machine's account stays.
    pub(super) fn label(&mut self, label: &str) -> String {
        if name::is_open_label(label) {
            return label.to_owned();
        }
        let (label, end) = match label.strip_suffix('$') {
            Some(label) => (label, "$"),
            None => (label, ""),
        };
        let hidden = hashed(&self.names, HOST_PREFIX, label);
        self.remember(&hidden, label);
        hidden + end
    }

    fn remember(&mut self, pseudonym: &str, clear: &str) {
        if self.made.len() < MADE_MAX {
            self.made.push(Made {
                pseudonym: pseudonym.to_owned(),
                clear: clear.to_owned(),
            });
        }
    }

    /// `5.0.20.10.in-addr.arpa` and its like, also of whole networks and with services in front: the digits are those of
    /// the pseudonym. The outer `None`: it is no such name; the inner: it stays.
    fn reverse(&mut self, lower: &str) -> Option<Option<String>> {
        let (labels, suffix, radix, most) = if let Some(labels) = lower.strip_suffix(".in-addr.arpa") {
            (labels, "in-addr.arpa", 10, 4)
        } else {
            (lower.strip_suffix(".ip6.arpa")?, "ip6.arpa", 16, 32)
        };
        let labels: Vec<&str> = labels.split('.').collect();
        let digit = |label: &&&str| {
            u8::from_str_radix(label, radix)
                .ok()
                .filter(|digit| radix == 10 || *digit < 16)
        };
        let digits: Vec<u8> = labels
            .iter()
            .rev()
            .take(most)
            .map_while(|label| digit(&label))
            .collect();
        let width = if radix == 10 { 8 } else { 4 };
        let mut bits = digits.iter().zip(1_u32..).fold(0_u128, |bits, (digit, nth)| {
            bits | u128::from(*digit) << (128 - width * nth)
        });
        let address = |bits: u128| {
            if radix == 10 {
                IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            }
        };
        let Some(keep) = self.inside.keep(address(bits)) else {
            return Some(None);
        };
        bits = match self.cipher(address(bits)).encrypt(address(bits), keep) {
            IpAddr::V4(hidden) => u128::from(hidden.to_bits()) << 96,
            IpAddr::V6(hidden) => hidden.to_bits(),
        };
        let mut hidden: Vec<String> = Vec::new();
        for label in labels.iter().take(labels.len() - digits.len()) {
            hidden.push(self.label(label));
        }
        let count = u32::try_from(digits.len()).unwrap_or(0);
        for nth in (1..=count).rev() {
            let digit = (bits >> (128 - width * nth)) & ((1 << width) - 1);
            hidden.push(if radix == 10 {
                digit.to_string()
            } else {
                format!("{digit:x}")
            });
        }
        hidden.push(suffix.to_owned());
        Some(Some(hidden.join(".")))
    }

    /// Whether an address of ours stands inside a name, as in `10-20-0-5.example.net` or `fd00-20--5.example.net`.
    fn holds_inside_address(&self, lower: &str) -> bool {
        let digits = |part: &str| {
            part.trim_matches(|letter: char| !letter.is_ascii_digit())
                .parse::<u8>()
                .ok()
        };
        let numbers: Vec<Option<u8>> = lower.split(['.', '-', '_']).map(digits).collect();
        let holds_four = numbers.windows(4).any(|four| match four {
            [Some(a), Some(b), Some(c), Some(d)] => {
                self.inside.keep(IpAddr::from([*a, *b, *c, *d])).is_some()
            }
            _ => false,
        });
        holds_four || lower.split('.').any(|label| self.holds_inside_six(label))
    }

    /// The same for version 6: its groups with `-` between, two of them where it is shortened.
    fn holds_inside_six(&self, label: &str) -> bool {
        let groups: Vec<&str> = label.split('-').collect();
        let is_group = |group: &&&str| group.len() <= 4 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        (0..groups.len()).any(|start| {
            let rest = groups.get(start..).unwrap_or_default();
            let most = rest.iter().take(SIX_GROUPS_MAX).take_while(is_group).count();
            (3..=most).any(|count| {
                let part = rest.get(..count).unwrap_or_default();
                (count == 8 || part.contains(&""))
                    && part
                        .join(":")
                        .parse()
                        .is_ok_and(|address| self.inside.keep(IpAddr::V6(address)).is_some())
            })
        })
    }

    /// The pseudonym of an account, with or without its domain; `None` where it stays.
    pub(super) fn user(&mut self, text: &str) -> Option<Arc<str>> {
        let mut cache = std::mem::take(&mut self.accounts);
        let answer = cache.get_or(text, || self.work_out_user(text).map(Arc::from));
        self.accounts = cache;
        answer
    }

    fn work_out_user(&mut self, text: &str) -> Option<String> {
        let trimmed = text.trim();
        let account = trimmed
            .rsplit_once(['\\', '/'])
            .map_or(trimmed, |(_, account)| account);
        let account = account.split_once('@').map_or(account, |(account, _)| account);
        let lower = account.to_lowercase();
        if lower.is_empty() {
            // `@domain` and `domain\`: nobody, but a name all the same.
            return (!trimmed.is_empty()).then(|| self.account(&trimmed.to_lowercase()));
        }
        if let Some(machine) = lower.strip_suffix('$') {
            return Some(self.label(machine) + "$");
        }
        if name::is_nobodys_account(&lower) {
            return (account != trimmed).then_some(lower);
        }
        Some(self.account(&lower))
    }

    fn account(&mut self, lower: &str) -> String {
        let hidden = hashed(&self.users, USER_PREFIX, lower);
        self.remember(&hidden, lower);
        hidden
    }

    /// The pseudonym of a mail address: the person's part hidden, the domain by the rule for names.
    pub(super) fn mail(&mut self, text: &str) -> Option<String> {
        let Some((person, domain)) = text.rsplit_once('@') else {
            return self.user(text).map(|hidden| hidden.to_string());
        };
        let person = self.account(&person.to_lowercase());
        let domain = self.host(domain, Ours::ByName).unwrap_or_else(|| domain.into());
        Some(format!("{person}@{domain}"))
    }

    /// The pseudonym of a hardware address; what is none is hidden as a name.
    pub(super) fn hardware(&mut self, text: &str) -> Option<String> {
        let hidden = match name::hardware(&self.hardware, text) {
            Some(hidden) if hidden == text => return None,
            Some(hidden) => hidden,
            None => hashed(&self.hardware, HOST_PREFIX, text),
        };
        self.remember(&hidden, text);
        Some(hidden)
    }

    /// The pseudonym of a hardware address inside a text; `None` for what is none.
    pub(super) fn hardware_in_text(&mut self, text: &str) -> Option<String> {
        name::hardware(&self.hardware, text)?;
        self.hardware(text)
    }

    /// The pseudonym of `\\server\share\…`: shares that every machine has stay.
    pub(super) fn share(&mut self, text: &str) -> String {
        let is_path = text.starts_with(['\\', '/']);
        let mut hidden = String::with_capacity(text.len());
        let mut parts = 0;
        for piece in text.split_inclusive(['\\', '/']) {
            let part = piece.trim_end_matches(['\\', '/']);
            if !part.is_empty() {
                let lower = part.to_lowercase();
                if parts == 0 && is_path {
                    hidden.push_str(&self.host(part, Ours::Always).unwrap_or_else(|| part.into()));
                } else if name::is_nobodys_share(&lower) {
                    hidden.push_str(part);
                } else {
                    let share = hashed(&self.names, SHARE_PREFIX, &lower);
                    self.remember(&share, &lower);
                    hidden.push_str(&share);
                }
                parts += 1;
            }
            hidden.push_str(piece.get(part.len()..).unwrap_or_default());
        }
        hidden
    }

    /// The pseudonym of a Kerberos service, `cifs/files.example.org@REALM`: what it is stays, where it runs does not.
    pub(super) fn service(&mut self, text: &str) -> String {
        let (service, realm) = match text.split_once('@') {
            Some((service, realm)) => (service, Some(realm)),
            None => (text, None),
        };
        let mut hidden = String::with_capacity(text.len());
        match service.split_once('/') {
            Some((kind, place)) => {
                // `NAME/admin` is a person's, and looks the same.
                match SERVICES.contains(&kind.to_lowercase().as_str()) {
                    true => hidden.push_str(kind),
                    false => hidden.push_str(&self.user(kind).unwrap_or_else(|| kind.into())),
                }
                for part in place.split('/') {
                    let (host, port) = part
                        .split_once(':')
                        .map_or((part, None), |(host, port)| (host, Some(port)));
                    hidden.push('/');
                    hidden.push_str(&self.host(host, Ours::Always).unwrap_or_else(|| host.into()));
                    if let Some(port) = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
                        hidden.push(':');
                        hidden.push_str(port);
                    }
                }
            }
            // A service under its account's name.
            None => hidden.push_str(&self.user(service).unwrap_or_else(|| service.into())),
        }
        if let Some(realm) = realm {
            hidden.push('@');
            hidden.push_str(&self.host(realm, Ours::Always).unwrap_or_else(|| realm.into()));
        }
        hidden
    }
}

/// Domains as they are compared with.
fn in_one_form(domains: &[String]) -> Vec<String> {
    let one = |text: &String| text.trim_matches('.').to_lowercase();
    domains.iter().map(one).collect()
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An address in any of its spellings: in brackets, with the interface behind it, IPv4 inside IPv6.
fn parse(text: &str) -> Option<IpAddr> {
    // Most texts that are asked are names; they cost one look.
    let first = text.as_bytes().first()?;
    if !first.is_ascii_hexdigit() && *first != b':' {
        return None;
    }
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
