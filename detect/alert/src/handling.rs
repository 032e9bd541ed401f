//! How grave, how sure, who may know.

use std::{fmt, str::FromStr};

use ingest_event::UnknownCode;
use serde::{Deserialize, Serialize};

/// How grave. Sigma's five levels, and `event.severity` 1 to 5 (OCSF's `severity_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For context only.
    Informational,
    /// Worth a look some day.
    Low,
    /// Worth a look this week.
    Medium,
    /// Someone should look today.
    High,
    /// Someone should look now.
    Critical,
}

impl Severity {
    /// From low to high.
    pub const ALL: [Self; 5] = [
        Self::Informational,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// Sigma's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// 1 (informational) to 5 (critical).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }
}

/// How sure, in three words that a responder understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// May well be harmless.
    Low,
    /// Probably right.
    Medium,
    /// Almost certainly right.
    High,
}

impl Confidence {
    /// The code on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Traffic Light Protocol 2.0 (FIRST); ordered from open to closed. `TLP:WHITE` is read as `TLP:CLEAR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tlp {
    /// No limit.
    Clear,
    /// The community.
    Green,
    /// The organisation and its clients.
    Amber,
    /// The organisation only.
    AmberStrict,
    /// Named recipients only.
    Red,
}

impl Tlp {
    /// From open to closed.
    pub const ALL: [Self; 5] = [
        Self::Clear,
        Self::Green,
        Self::Amber,
        Self::AmberStrict,
        Self::Red,
    ];

    /// As FIRST writes it: `TLP:AMBER+STRICT`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "TLP:CLEAR",
            Self::Green => "TLP:GREEN",
            Self::Amber => "TLP:AMBER",
            Self::AmberStrict => "TLP:AMBER+STRICT",
            Self::Red => "TLP:RED",
        }
    }
}

/// Permissible Actions Protocol (MISP taxonomy `PAP`); ordered from open to closed. `PAP:WHITE` is read as
/// `PAP:CLEAR`. What the one who knows may do, so that an adversary does not notice too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Pap {
    /// No limit.
    Clear,
    /// Active measures in one's own network: blocking, configuring a filter.
    Green,
    /// Passive checks only: nothing that the adversary could notice.
    Amber,
    /// Looking at what is stored already, and nothing else.
    Red,
}

impl Pap {
    /// From open to closed.
    pub const ALL: [Self; 4] = [Self::Clear, Self::Green, Self::Amber, Self::Red];

    /// As the taxonomy writes it: `PAP:AMBER`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "PAP:CLEAR",
            Self::Green => "PAP:GREEN",
            Self::Amber => "PAP:AMBER",
            Self::Red => "PAP:RED",
        }
    }
}

fn unknown(what: &'static str, text: &str, known: impl Iterator<Item = &'static str>) -> UnknownCode {
    let text = text.chars().take(64).collect();
    UnknownCode {
        what,
        text,
        known: known.collect::<Vec<_>>().join(", "),
    }
}

impl FromStr for Severity {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                unknown(
                    "severity",
                    text,
                    Self::ALL.iter().map(|severity| severity.as_str()),
                )
            })
    }
}

impl FromStr for Confidence {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Low, Self::Medium, Self::High];
        all.into_iter()
            .find(|confidence| confidence.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                unknown(
                    "confidence",
                    text,
                    all.iter().map(|confidence| confidence.as_str()),
                )
            })
    }
}

impl FromStr for Tlp {
    type Err = UnknownCode;
    /// Takes `TLP:AMBER+STRICT`, `amber-strict`, `amber`, `white`, whatever the case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.trim().to_ascii_uppercase();
        let bare = bare
            .strip_prefix("TLP:")
            .or_else(|| bare.strip_prefix("TLP."))
            .unwrap_or(&bare);
        match bare {
            "CLEAR" | "WHITE" => Ok(Self::Clear),
            "GREEN" => Ok(Self::Green),
            "AMBER" => Ok(Self::Amber),
            "AMBER+STRICT" | "AMBER-STRICT" | "AMBER_STRICT" => Ok(Self::AmberStrict),
            "RED" => Ok(Self::Red),
            _ => Err(unknown(
                "TLP marking",
                text,
                Self::ALL.iter().map(|tlp| tlp.as_str()),
            )),
        }
    }
}

impl FromStr for Pap {
    type Err = UnknownCode;
    /// Takes `PAP:AMBER`, `pap.amber`, `amber`, `white`, whatever the case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.trim().to_ascii_uppercase();
        let bare = bare
            .strip_prefix("PAP:")
            .or_else(|| bare.strip_prefix("PAP."))
            .unwrap_or(&bare);
        match bare {
            "CLEAR" | "WHITE" => Ok(Self::Clear),
            "GREEN" => Ok(Self::Green),
            "AMBER" => Ok(Self::Amber),
            "RED" => Ok(Self::Red),
            _ => Err(unknown(
                "PAP marking",
                text,
                Self::ALL.iter().map(|pap| pap.as_str()),
            )),
        }
    }
}

macro_rules! displayed {
    ($($type:ty),+) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        })+
    };
}
displayed!(Severity, Confidence, Tlp, Pap);

impl Serialize for Tlp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Tlp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markings_are_read_in_their_real_spellings() {
        for (text, expected) in [
            ("TLP:AMBER+STRICT", Tlp::AmberStrict),
            ("tlp.amber-strict", Tlp::AmberStrict),
            ("white", Tlp::Clear),
            ("Red", Tlp::Red),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for (text, expected) in [
            ("PAP:AMBER", Pap::Amber),
            ("pap.red", Pap::Red),
            ("White", Pap::Clear),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert!("purple".parse::<Tlp>().is_err() && "purple".parse::<Pap>().is_err());
        assert!(Tlp::Amber < Tlp::Red && Severity::Low < Severity::Critical);
    }
}
