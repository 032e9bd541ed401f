//! What may be done with an event: where it was seen, how it is protected, what it was collected for.

use std::fmt;

use thiserror::Error;

/// A code that is not in the list.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("read `{text}` as a {what}: known are {known}")]
pub struct UnknownCode {
    /// What kind of code was expected.
    pub what: &'static str,
    /// The text, cut to 64 characters.
    pub text: String,
    /// The codes there are.
    pub known: String,
}

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident as $what:literal { $($(#[$variant_meta:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $code)] $variant,)+
        }
        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
        impl std::str::FromStr for $name {
            type Err = UnknownCode;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or_else(|| UnknownCode {
                    what: $what,
                    text: text.chars().take(64).collect(),
                    known: Self::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

codes! {
    /// The part of the municipality's network where an event was seen. Decides what may be done with it:
    /// school and health are refused per-device baselines (R16).
    Zone as "network zone" {
        /// Offices and administration: the default.
        Administration = "administration",
        /// Schools and nurseries.
        School = "school",
        /// Health and care.
        Health = "health",
        /// Guest networks.
        Guest = "guest",
        /// Operational technology: water, sewage, heating, traffic.
        Ot = "ot",
        /// Servers that face the internet.
        Dmz = "dmz",
    }
}

codes! {
    /// Protection marking of the record itself (R25), from open to the highest grade; ordered.
    Marking as "protection marking" {
        /// No marking: ordinary telemetry.
        Unmarked = "unmarked",
        /// Exempt from public disclosure (offentleglova).
        Exempt = "exempt",
        /// FORTROLIG (beskyttelsesinstruksen).
        Protected = "protected",
        /// STRENGT FORTROLIG (beskyttelsesinstruksen).
        StrictlyProtected = "strictly_protected",
        /// BEGRENSET (sikkerhetsloven).
        Restricted = "restricted",
    }
}

codes! {
    /// What the event was collected for (R11).
    Purpose as "purpose" {
        /// Detecting threats against the municipality's systems: the default.
        SecurityMonitoring = "security_monitoring",
        /// A capture read again, by a rule author or a test.
        Replay = "replay",
        /// Made up, or recorded in a laboratory, for training.
        Training = "training",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_and_unknown_ones_name_the_known() {
        for zone in Zone::ALL {
            assert_eq!(zone.as_str().parse(), Ok(*zone));
        }
        let error = "skule".parse::<Zone>().expect_err("unknown");
        assert!(error.to_string().contains("school"), "{error}");
        assert!(Marking::Unmarked < Marking::Restricted);
    }
}
