//! Lists of what is known to be harmless or shared by many: public resolvers, popular sites, cloud ranges.
//!
//! The noun only. Feeds' readers fill it (MISP warning lists are the model:
//! <https://github.com/MISP/misp-warninglists>, `schema.json`); the engine holds it against each indicator that
//! an event names, at the event's time.

use std::{fmt, str::FromStr};

use ingest_event::UnknownCode;

use super::IndicatorKind;

/// One list, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarningList {
    /// Its name, unique among the lists that are loaded.
    pub name: String,
    /// Its version, as its author counts.
    pub version: u64,
    /// How an entry is held against a value.
    pub kind: WarningListKind,
    /// Why something is on it.
    pub category: WarningCategory,
    /// The kinds of indicators it speaks of; empty for all.
    pub applies_to: Vec<IndicatorKind>,
    /// What a listed indicator's match comes to.
    pub mode: WarningMode,
    /// The entries, as the list has them: texts, host names, prefixes, or regular expressions between slashes.
    pub entries: Vec<String>,
}

impl WarningList {
    /// Whether it speaks of such indicators.
    #[must_use]
    pub fn applies_to(&self, kind: IndicatorKind) -> bool {
        self.applies_to.is_empty() || self.applies_to.contains(&kind)
    }
}

/// How an entry is held against a value, without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningListKind {
    /// The value is in a prefix, or is a prefix inside it.
    Cidr,
    /// The value's host is the entry or below it, on label boundaries.
    Hostname,
    /// The value matches a regular expression.
    Regex,
    /// The value is the entry.
    String,
    /// The value contains the entry.
    Substring,
}

/// Why something is on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningCategory {
    /// An indicator on it is likely wrong.
    FalsePositive,
    /// It says whose something is, such as a scanner's or a cloud's; not that an indicator is wrong.
    KnownIdentifier,
}

/// What a listed indicator's match comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningMode {
    /// There is no match; it is counted.
    Block,
    /// The match says that it is on the list.
    Inform,
}

impl WarningListKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Cidr,
        Self::Hostname,
        Self::Regex,
        Self::String,
        Self::Substring,
    ];

    /// MISP's word, in the member `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cidr => "cidr",
            Self::Hostname => "hostname",
            Self::Regex => "regex",
            Self::String => "string",
            Self::Substring => "substring",
        }
    }
}

impl WarningCategory {
    /// MISP's words, in the member `category`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FalsePositive => "False positive",
            Self::KnownIdentifier => "Known identifier",
        }
    }
}

impl WarningMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Block, Self::Inform];

    /// The code in configuration and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Inform => "inform",
        }
    }
}

impl fmt::Display for WarningListKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for WarningListKind {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == lower)
            .ok_or_else(|| UnknownCode {
                what: "type of warning list",
                text: text.chars().take(64).collect(),
                known: Self::ALL.map(Self::as_str).join(", "),
            })
    }
}

impl FromStr for WarningCategory {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::FalsePositive, Self::KnownIdentifier];
        all.into_iter()
            .find(|category| category.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownCode {
                what: "category of warning list",
                text: text.chars().take(64).collect(),
                known: all.map(Self::as_str).join(", "),
            })
    }
}

impl FromStr for WarningMode {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == lower)
            .ok_or_else(|| UnknownCode {
                what: "mode of warning list",
                text: text.chars().take(64).collect(),
                known: Self::ALL.map(Self::as_str).join(", "),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for kind in WarningListKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for mode in WarningMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert_eq!("False positive".parse(), Ok(WarningCategory::FalsePositive));
        assert_eq!("known identifier".parse(), Ok(WarningCategory::KnownIdentifier));
        assert!("hash".parse::<WarningListKind>().is_err());
    }

    #[test]
    fn a_list_without_kinds_speaks_of_all() {
        let mut list = WarningList {
            name: "resolvers".to_owned(),
            version: 1,
            kind: WarningListKind::String,
            category: WarningCategory::FalsePositive,
            applies_to: Vec::new(),
            mode: WarningMode::Block,
            entries: Vec::new(),
        };
        assert!(list.applies_to(IndicatorKind::Url));
        list.applies_to.push(IndicatorKind::Address);
        assert!(list.applies_to(IndicatorKind::Address));
        assert!(!list.applies_to(IndicatorKind::Url));
    }
}
