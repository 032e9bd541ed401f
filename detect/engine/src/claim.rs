//! What an event says that it matched on its sensor (`varde.matched`), where it was compared in clear.
//!
//! A sensor withholds and pseudonymises before anything leaves, so some matches can't be seen here any more. It only says
//! what matched: how grave that is, who may know and whether it still counts is decided by the ruleset here.

use detect_alert::IndicatorKind;
use ingest_event::restricted::{Hash, unhex};

use crate::indicators::Holds;

/// So many are looked at of one event: far more than one matches.
pub(crate) const CLAIMS_MAX: usize = 64;

/// What evidence says of what was compared there.
pub(crate) const ON_SENSOR: &str = ", compared on the sensor";

/// Begins the claim of a rule.
pub(crate) const RULE: &str = "rule:";

/// One element of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim<'a> {
    /// `rule:` and the rule's id.
    Rule(&'a str),
    /// `indicator:`, kind, `:`, value in normal form, `@` and the field that named it.
    Indicator {
        kind: IndicatorKind,
        value: &'a str,
        field: &'a str,
    },
    /// `restricted:`, the hash of an indicator that the sensor has only as such, `@` and the field.
    Restricted { hash: Hash, field: &'a str },
}

impl<'a> Claim<'a> {
    /// Nothing for what is no claim of ours.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        if let Some(id) = text.strip_prefix(RULE) {
            return Some(Self::Rule(id));
        }
        if let Some(rest) = text.strip_prefix("restricted:") {
            let (hash, field) = rest.split_once('@')?;
            let hash = unhex(hash)?;
            return Some(Self::Restricted { hash, field });
        }
        let (kind, rest) = text.strip_prefix("indicator:")?.split_once(':')?;
        // Values may have one, names of fields have none.
        let (value, field) = rest.rsplit_once('@')?;
        Some(Self::Indicator {
            kind: kind.parse().ok()?,
            value,
            field,
        })
    }
}

/// By which field's look-up an indicator of a kind is found, and the text to look up.
pub(crate) fn asked(kind: IndicatorKind, value: &str) -> (Holds, &str) {
    use IndicatorKind as Kind;
    match kind {
        Kind::Address => (Holds::Address, value),
        // Every address of a prefix finds it; so does its first.
        Kind::Cidr => (
            Holds::Address,
            value.split_once('/').map_or(value, |(first, _)| first),
        ),
        Kind::Asn => (Holds::Asn, value),
        Kind::Certificate => (Holds::Certificate, value),
        Kind::Domain => (Holds::Host, value),
        Kind::Email => (Holds::Email, value),
        Kind::FileName => (Holds::FileName, value),
        Kind::Ja3 => (Holds::Ja3, value),
        Kind::Ja4 => (Holds::Ja4, value),
        Kind::Md5 | Kind::Sha1 | Kind::Sha256 => (Holds::Hash, value),
        Kind::Url => (Holds::Url, value),
    }
}
