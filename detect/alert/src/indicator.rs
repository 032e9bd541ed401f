//! Something known to be bad, as a feed tells it, and the lists of what is known to be harmless
//! ([`warning`]).

pub(crate) mod warning;

use std::{fmt, str::FromStr};

use ingest_event::{Timestamp, UnknownCode};

use crate::{Confidence, Pap, Tlp};

/// What an indicator is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndicatorKind {
    /// An IPv4 or IPv6 address.
    Address,
    /// The number of an autonomous system.
    Asn,
    /// Fingerprint of a certificate: SHA-1 or SHA-256 of its DER form.
    Certificate,
    /// A prefix of addresses.
    Cidr,
    /// A domain and everything below it, on label boundaries.
    Domain,
    /// An e-mail address.
    Email,
    /// The name of a file, without its path.
    FileName,
    /// JA3 fingerprint of a TLS client.
    Ja3,
    /// JA4 fingerprint of a TLS client.
    Ja4,
    /// MD5 of a file.
    Md5,
    /// SHA-1 of a file.
    Sha1,
    /// SHA-256 of a file.
    Sha256,
    /// A URL.
    Url,
}

impl IndicatorKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Address,
        Self::Asn,
        Self::Certificate,
        Self::Cidr,
        Self::Domain,
        Self::Email,
        Self::FileName,
        Self::Ja3,
        Self::Ja4,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Url,
    ];

    /// The code in feeds and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "ip",
            Self::Asn => "asn",
            Self::Certificate => "certificate",
            Self::Cidr => "cidr",
            Self::Domain => "domain",
            Self::Email => "email",
            Self::FileName => "file-name",
            Self::Ja3 => "ja3",
            Self::Ja4 => "ja4",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Url => "url",
        }
    }

    /// ECS `threat.indicator.type` for an address of the given family, a domain, a file and so on
    /// (STIX cyber observable types).
    #[must_use]
    pub const fn ecs_type(self, is_ipv6: bool) -> &'static str {
        match self {
            Self::Address | Self::Cidr => {
                if is_ipv6 {
                    "ipv6-addr"
                } else {
                    "ipv4-addr"
                }
            }
            Self::Asn => "autonomous-system",
            Self::Certificate => "x509-certificate",
            Self::Domain => "domain-name",
            Self::Email => "email-addr",
            Self::Ja3 | Self::Ja4 => "x-tls-fingerprint",
            Self::FileName | Self::Md5 | Self::Sha1 | Self::Sha256 => "file",
            Self::Url => "url",
        }
    }
}

impl fmt::Display for IndicatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IndicatorKind {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == lower)
            .ok_or_else(|| UnknownCode {
                what: "type of indicator",
                text: text.chars().take(64).collect(),
                known: Self::ALL.map(Self::as_str).join(", "),
            })
    }
}

/// One indicator, checked and in normal form: addresses and prefixes canonical, domains lower case and in
/// ASCII (IDNA), hashes and fingerprints lower case without colons, URLs without fragment, file names lower case
/// and without a path, autonomous systems as `AS` and the number (`AS64500`).
#[derive(Clone, Debug, PartialEq)]
pub struct Indicator {
    /// What it is about.
    pub kind: IndicatorKind,
    /// Its normal form.
    pub value: String,
    /// The feed or file it came from.
    pub source: String,
    /// How sure the source is.
    pub confidence: Confidence,
    /// Who may know.
    pub tlp: Tlp,
    /// What they may do.
    pub pap: Pap,
    /// Not before.
    pub valid_from: Option<Timestamp>,
    /// Not from this time on.
    pub valid_until: Option<Timestamp>,
    /// What the source says of it; may be empty.
    pub description: String,
}

/// The part of an indicator that travels with an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct IndicatorRef {
    /// What it is about.
    pub kind: IndicatorKind,
    /// Its normal form.
    pub value: String,
    /// The feed or file it came from.
    pub source: String,
    /// How sure the source is.
    pub confidence: Confidence,
    /// Who may know.
    pub tlp: Tlp,
    /// What they may do.
    pub pap: Pap,
    /// What the source says of it; may be empty.
    pub description: String,
}

impl Indicator {
    /// Whether it counts at the time `at`.
    #[must_use]
    pub fn is_valid_at(&self, at: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= at) && self.valid_until.is_none_or(|until| at < until)
    }

    /// What an alert says of it.
    #[must_use]
    pub fn reference(&self) -> IndicatorRef {
        IndicatorRef {
            kind: self.kind,
            value: self.value.clone(),
            source: self.source.clone(),
            confidence: self.confidence,
            tlp: self.tlp,
            pap: self.pap,
            description: self.description.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_includes_its_start_and_excludes_its_end() {
        let at = Timestamp::from_millis;
        let indicator = Indicator {
            kind: IndicatorKind::Domain,
            value: "bad.example".to_owned(),
            source: "test".to_owned(),
            confidence: Confidence::High,
            tlp: Tlp::Green,
            pap: Pap::Green,
            valid_from: Some(at(10)),
            valid_until: Some(at(20)),
            description: String::new(),
        };
        for (time, valid) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(indicator.is_valid_at(at(time)), valid, "{time}");
        }
    }
}
