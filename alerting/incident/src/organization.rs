//! Who owns a network, and who answers for it.

use std::collections::BTreeMap;

use detect_alert::Severity;
use ingest_event::{OrganizationNumber, SensorId, Timestamp, Zone, derive_id};
use ipnet::IpNet;

use crate::incident::codes;

codes! {
    /// A language that responders are told in.
    Language as "language" {
        /// Bokmål.
        Nb = "nb",
        /// Nynorsk.
        Nn = "nn",
        /// Northern Sámi.
        Se = "se",
        /// English.
        En = "en",
    }
}

codes! {
    /// What a contact is there for.
    Role as "contact role" {
        /// Runs the network or its duty watch.
        Operations = "operations",
        /// Answers for information security.
        Security = "security",
        /// Answers for the body as a whole.
        Management = "management",
        /// The data protection officer (GDPR article 37).
        DataProtection = "data_protection",
    }
}

codes! {
    /// What a body is there for: the sectors of (EU) 2022/2555, annexes I and II, that Norway's public side has, and education.
    Sector as "sector" {
        /// Municipalities, counties, the state.
        PublicAdministration = "public_administration",
        /// Schools and universities.
        Education = "education",
        /// Hospitals, doctors, care.
        Health = "health",
        /// Power and heat.
        Energy = "energy",
        /// Road, rail, sea, air.
        Transport = "transport",
        /// Water to drink.
        DrinkingWater = "drinking_water",
        /// Water that was used.
        WasteWater = "waste_water",
        /// Waste.
        Waste = "waste",
        /// Networks, names, data centres.
        DigitalInfrastructure = "digital_infrastructure",
        /// Those who run IT for others.
        IctServices = "ict_services",
        /// Banks and markets.
        Finance = "finance",
        /// Anything else.
        Other = "other",
    }
}

/// Names a responder: derived from the organisation and the name, so that it outlives a change of address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponderId(String);

/// How a responder is told, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Mail, to this address.
    Email(String),
    /// A signed HTTP request, to this URL.
    Webhook(String),
    /// A message in a chat, which the configuration has under this name: its address is a secret.
    Chat(String),
    /// A line of syslog, to the collector that the configuration has under this name.
    Syslog(String),
}

/// What mail to a contact is encrypted with; as text, as this crate knows no cryptography.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailKeys {
    /// An X.509 certificate in PEM (S/MIME, RFC 8551).
    pub certificate: Option<String>,
    /// An OpenPGP certificate in ASCII armor (RFC 9580).
    pub pgp_key: Option<String>,
}

/// Someone who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    /// Who, for good.
    pub id: ResponderId,
    /// As they are called.
    pub name: String,
    /// The language they read.
    pub language: Language,
    /// Below this they are not told.
    pub minimum_severity: Severity,
    /// The zones that they answer for, before those who answer for all; empty for all.
    pub zones: Vec<Zone>,
    /// What they are there for.
    pub role: Role,
    /// In which turn they are told: those of turn 0 at once, those of the next when nobody has answered in time.
    pub turn: u8,
    /// When they are there.
    pub validity: Validity,
    /// How; at least one.
    pub channels: Vec<Channel>,
    /// What mail to them is encrypted with.
    pub keys: MailKeys,
}

/// From when until before when something holds; open where `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// From this moment.
    pub from: Option<Timestamp>,
    /// Until before this moment.
    pub until: Option<Timestamp>,
}

/// A county.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct County {
    /// Two digits.
    pub number: String,
    /// Its Norwegian name.
    pub name: String,
}

/// A municipality or another body whose network is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organization {
    /// Its organisation number; `None` where no source has it yet: then nothing can be routed to it by number.
    pub number: Option<OrganizationNumber>,
    /// Its four-digit number, if it is a municipality.
    pub municipality: Option<String>,
    /// Names by language code (`nb`, `se`, `sma`, `smj`, `fkv`, …); `nb` is always there.
    pub names: BTreeMap<String, String>,
    /// Where it lies, if it is a municipality.
    pub county: Option<County>,
    /// When this row holds.
    pub validity: Validity,
    /// The networks it owns. Private ranges may be others' too: see [`crate::route`].
    pub networks: Vec<IpNet>,
    /// The domains it owns, in lower case, without a dot at the end; those below them are its own too.
    pub domains: Vec<String>,
    /// The autonomous systems it owns (RFC 6793).
    pub systems: Vec<u32>,
    /// The sensors that watch it.
    pub sensors: Vec<SensorId>,
    /// What it is there for.
    pub sector: Option<Sector>,
    /// The sectors that it answers for, as the CERT of a sector does, where neither a body nor those above it do.
    pub sectors: Vec<Sector>,
    /// The body that it is a part of, which answers where nobody here does.
    pub parent: Option<OrganizationNumber>,
    /// Who runs its IT and may receive its alerts when nobody here does.
    pub operator: Option<OrganizationNumber>,
    /// Who is told.
    pub responders: Vec<Responder>,
}

impl ResponderId {
    /// From whom they answer for (an organisation number, or `duty`) and their name.
    #[must_use]
    pub fn derive(answers_for: &str, name: &str) -> Self {
        Self(derive_id(&[
            b"responder",
            answers_for.as_bytes(),
            name.as_bytes(),
        ]))
    }

    /// An id as it was stored.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Channel {
    /// The code of its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Webhook(_) => "webhook",
            Self::Chat(_) => "chat",
            Self::Syslog(_) => "syslog",
        }
    }

    /// The channel of a kind, as it is stored.
    #[must_use]
    pub fn stored(kind: &str, address: String) -> Option<Self> {
        let make = match kind {
            "email" => Self::Email,
            "webhook" => Self::Webhook,
            "chat" => Self::Chat,
            "syslog" => Self::Syslog,
            _ => return None,
        };
        Some(make(address))
    }

    /// Where to.
    #[must_use]
    pub fn address(&self) -> &str {
        match self {
            Self::Email(text) | Self::Webhook(text) | Self::Chat(text) | Self::Syslog(text) => text,
        }
    }

    /// The address with most of it hidden: enough to recognise, too little to use.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Email(address) => match address.split_once('@') {
                Some((local, domain)) => format!("{}…@{domain}", local.chars().take(1).collect::<String>()),
                None => "…".to_owned(),
            },
            Self::Webhook(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let host = host.rsplit('@').next().unwrap_or_default();
                format!("{scheme}://{host}/…")
            }
            // The name of one; where it is says the configuration alone.
            Self::Chat(name) | Self::Syslog(name) => name.clone(),
        }
    }
}

impl MailKeys {
    /// Whether there is one: then mail in clear is not meant.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.certificate.is_some() || self.pgp_key.is_some()
    }
}

impl Validity {
    /// Whether it holds at a moment.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        !self.begins_after(at) && self.until.is_none_or(|until| at < until)
    }

    /// Whether it begins only after a moment.
    #[must_use]
    pub fn begins_after(&self, at: Timestamp) -> bool {
        self.from.is_some_and(|from| at < from)
    }
}

impl Organization {
    /// Its name in a language, else in Bokmål.
    #[must_use]
    pub fn name(&self, language: &str) -> &str {
        self.names
            .get(language)
            .or_else(|| self.names.get("nb"))
            .map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_addresses_keep_what_is_recognised_and_hide_the_rest() {
        for (channel, masked) in [
            (
                Channel::Email("kari.nordmann@kommune.example".into()),
                "k…@kommune.example",
            ),
            (Channel::Email("nonsense".into()), "…"),
            (
                Channel::Webhook("https://u:p@hook.example/secret?t=1".into()),
                "https://hook.example/…",
            ),
            (
                Channel::Webhook("https://[2001:db8::1]:8443/x".into()),
                "https://[2001:db8::1]:8443/…",
            ),
            (Channel::Chat("drift".into()), "drift"),
        ] {
            assert_eq!(channel.masked(), masked);
        }
    }
}
