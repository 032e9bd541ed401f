//! One body as it is written in the API, in JSON and in CSV: only what is said of it, so that what is not said stays as the
//! layer below has it.

pub mod csv;
mod field;
pub mod json;
pub mod schema;

use std::collections::BTreeMap;

use alerting_incident::{Language, Organization, Role, Sector};
use detect_alert::Severity;
use ingest_event::{OrganizationNumber, SensorId, Zone};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    domain_from,
    mail_keys::{self, KeyFlaw},
};
pub use field::{CONTACT_FIELDS, FIELDS, Field, FieldKind};
pub(crate) use field::{moment, moment_text};

/// Languages that names may be in: the official ones, and English.
pub const LANGUAGES: [&str; 7] = ["nb", "nn", "se", "smj", "sma", "fkv", "en"];
/// Bodies in one document: Norway has some thousand public ones.
pub const ORGANIZATIONS_MAX: usize = 20_000;
/// Contacts of one body; more are a mailing list's work.
pub const CONTACTS_MAX: usize = 50;
/// Networks, domains, systems or sensors of one body.
pub const LIST_MAX: usize = 1_000;
/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 200;
/// Characters of an address of a contact (RFC 5321, 4.5.3.1.3).
pub const ADDRESS_CHARS_MAX: usize = 254;

/// What says that there is no key, whatever the layer below says.
pub const NO_KEY: &str = "-";

/// What is said of one body. What is `None` or missing is not said.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Form {
    /// The organisation number.
    pub number: String,
    /// The four digits of a municipality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub municipality: Option<String>,
    /// Names by language.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// What it is there for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector: Option<String>,
    /// The sectors that it answers for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sectors: Option<Vec<String>>,
    /// The number of the body above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The number of who runs its IT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The first moment, a date or an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// The first moment after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// Networks; an empty list says that there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// Domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domains: Option<Vec<String>>,
    /// Numbers of autonomous systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autonomous_systems: Option<Vec<u32>>,
    /// Sensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensors: Option<Vec<String>>,
    /// Contacts, each by its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub responders: Vec<ContactForm>,
}

/// What is said of one contact.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContactForm {
    /// Its name, which it is known by.
    pub name: String,
    /// Said to be there no more, whatever the layer below says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// A mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The URL of a webhook, whose key lies beside the responders' file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// A chat that the configuration names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// A collector of syslog that the configuration names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog: Option<String>,
    /// The certificate that mail is encrypted with, in PEM; [`NO_KEY`] for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The OpenPGP key that mail is encrypted with, in ASCII armor; [`NO_KEY`] for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pgp_key: Option<String>,
    /// The language they read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Below this they are not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_severity: Option<String>,
    /// What they are there for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// In which turn they are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u8>,
    /// The zones they answer for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<Vec<String>>,
    /// The first moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// The first moment after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

/// What is wrong with one field, and what to write instead.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[error("`{field}`: {mend}")]
pub struct Flaw {
    /// Where, as in `responders[2].email`; of a document with several bodies, with its place in it.
    pub field: String,
    /// What to write instead.
    pub mend: String,
}

impl Form {
    /// Brings every value into its one way of being written, in its order.
    ///
    /// # Errors
    /// With every flaw that was found.
    pub fn canonical(mut self) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let flaws_ref = &mut flaws;
        take(&mut self.number, "number", flaws_ref, |text| {
            text.parse::<OrganizationNumber>()
                .map(|number| number.to_string())
                .map_err(|error| error.to_string())
        });
        option(&mut self.municipality, "municipality", flaws_ref, |text| {
            let fits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| text.to_owned())
                .ok_or_else(|| "write four digits".to_owned())
        });
        for (language, name) in &mut self.names {
            let field = format!("names.{language}");
            if !LANGUAGES.contains(&language.as_str()) {
                flaws_ref.push(Flaw {
                    field: field.clone(),
                    mend: format!("names are in one of {}", LANGUAGES.join(", ")),
                });
            }
            take(name, &field, flaws_ref, named);
        }
        option(&mut self.sector, "sector", flaws_ref, code::<Sector>);
        list(&mut self.sectors, "sectors", flaws_ref, code::<Sector>);
        for (value, field) in [(&mut self.parent, "parent"), (&mut self.operator, "operator")] {
            option(value, field, flaws_ref, code::<OrganizationNumber>);
        }
        if self.parent.as_ref() == Some(&self.number) {
            flaws_ref.push(flaw(
                "parent",
                "a body is no part of itself: give another number, or none",
            ));
        }
        list(&mut self.networks, "networks", flaws_ref, network);
        list(&mut self.domains, "domains", flaws_ref, domain_from);
        list(&mut self.sensors, "sensors", flaws_ref, |text| {
            SensorId::parse(text)
                .map(|id| id.to_string())
                .map_err(|error| error.to_string())
        });
        if let Some(systems) = &mut self.autonomous_systems {
            systems.sort_unstable();
            systems.dedup();
            if LIST_MAX < systems.len() {
                flaws_ref.push(flaw("autonomous_systems", &format!("at most {LIST_MAX}")));
            }
        }
        validity(&mut self.valid_from, &mut self.valid_until, "", flaws_ref);
        if CONTACTS_MAX < self.responders.len() {
            flaws_ref.push(flaw(
                "responders",
                &format!("at most {CONTACTS_MAX} for one body"),
            ));
            return Err(flaws);
        }
        for (at, contact) in self.responders.iter_mut().enumerate() {
            contact.canonicalise(&format!("responders[{at}]."), flaws_ref);
        }
        self.responders.sort_by(|one, other| one.name.cmp(&other.name));
        for pair in self.responders.windows(2) {
            if let [one, other] = pair
                && one.name == other.name
            {
                let mend = format!("{} is there twice: remove one, or give it another name", one.name);
                flaws_ref.push(flaw("responders", &mend));
            }
        }
        if flaws.is_empty() { Ok(self) } else { Err(flaws) }
    }

    /// What is said when all of a body is.
    #[must_use]
    pub fn of(body: &Organization) -> Self {
        let texts = |all: &mut dyn Iterator<Item = String>| {
            let all: Vec<String> = all.collect();
            (!all.is_empty()).then_some(all)
        };
        Self {
            number: body.number.map(|number| number.to_string()).unwrap_or_default(),
            municipality: body.municipality.clone(),
            names: body.names.clone(),
            sector: body.sector.map(|sector| sector.to_string()),
            sectors: texts(&mut body.sectors.iter().map(ToString::to_string)),
            parent: body.parent.map(|number| number.to_string()),
            operator: body.operator.map(|number| number.to_string()),
            valid_from: body.validity.from.map(moment_text),
            valid_until: body.validity.until.map(moment_text),
            networks: texts(&mut body.networks.iter().map(ToString::to_string)),
            domains: texts(&mut body.domains.iter().cloned()),
            autonomous_systems: (!body.systems.is_empty()).then(|| body.systems.clone()),
            sensors: texts(&mut body.sensors.iter().map(ToString::to_string)),
            responders: body.responders.iter().map(ContactForm::of).collect(),
        }
    }
}

impl ContactForm {
    fn canonicalise(&mut self, place: &str, flaws: &mut Vec<Flaw>) {
        let at = |field: &str| format!("{place}{field}");
        take(&mut self.name, &at("name"), flaws, named);
        option(&mut self.email, &at("email"), flaws, |text| {
            let fits = text.chars().count() <= ADDRESS_CHARS_MAX && text.parse::<lettre::Address>().is_ok();
            fits.then(|| text.to_owned())
                .ok_or_else(|| "write a mail address, as vakt@kommune.example".to_owned())
        });
        option(&mut self.webhook, &at("webhook"), flaws, |text| {
            let is_url = reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            let fits = is_url && text.len() <= 2_000 && !text.contains(char::is_whitespace);
            fits.then(|| text.to_owned())
                .ok_or_else(|| "begin it with https:// or http://".to_owned())
        });
        option(&mut self.chat, &at("chat"), flaws, named_way);
        option(&mut self.syslog, &at("syslog"), flaws, named_way);
        option(&mut self.certificate, &at("certificate"), flaws, |text| {
            key(text, mail_keys::canonical_certificate)
        });
        option(&mut self.pgp_key, &at("pgp_key"), flaws, |text| {
            key(text, mail_keys::canonical_pgp_key)
        });
        option(&mut self.language, &at("language"), flaws, code::<Language>);
        option(
            &mut self.minimum_severity,
            &at("minimum_severity"),
            flaws,
            code::<Severity>,
        );
        option(&mut self.role, &at("role"), flaws, code::<Role>);
        list(&mut self.zones, &at("zones"), flaws, code::<Zone>);
        validity(&mut self.valid_from, &mut self.valid_until, place, flaws);
        let says_more = Self {
            name: self.name.clone(),
            withdrawn: true,
            ..Self::default()
        } != *self;
        if self.withdrawn && says_more {
            flaws.push(flaw(
                &at("withdrawn"),
                "a contact that is withdrawn has only a name",
            ));
        }
    }

    fn of(contact: &alerting_incident::Responder) -> Self {
        use alerting_incident::Channel;
        let address = |kind: &str| {
            let mut channels = contact.channels.iter().filter(|channel| channel.kind() == kind);
            channels
                .next()
                .map(|channel: &Channel| channel.address().to_owned())
        };
        let zones: Vec<String> = contact.zones.iter().map(ToString::to_string).collect();
        Self {
            name: contact.name.clone(),
            withdrawn: false,
            email: address("email"),
            webhook: address("webhook"),
            chat: address("chat"),
            syslog: address("syslog"),
            certificate: contact.keys.certificate.clone(),
            pgp_key: contact.keys.pgp_key.clone(),
            language: Some(contact.language.to_string()),
            minimum_severity: Some(contact.minimum_severity.to_string()),
            role: Some(contact.role.to_string()),
            turn: Some(contact.turn),
            zones: (!zones.is_empty()).then_some(zones),
            valid_from: contact.validity.from.map(moment_text),
            valid_until: contact.validity.until.map(moment_text),
        }
    }
}

pub(crate) fn flaw(field: &str, mend: &str) -> Flaw {
    Flaw {
        field: field.to_owned(),
        mend: mend.to_owned(),
    }
}

fn take(
    value: &mut String,
    field: &str,
    flaws: &mut Vec<Flaw>,
    read: impl Fn(&str) -> Result<String, String>,
) {
    match read(value.trim()) {
        Ok(text) => *value = text,
        Err(mend) => flaws.push(flaw(field, &mend)),
    }
}

fn option(
    value: &mut Option<String>,
    field: &str,
    flaws: &mut Vec<Flaw>,
    read: impl Fn(&str) -> Result<String, String>,
) {
    if let Some(value) = value {
        take(value, field, flaws, read);
    }
}

fn list(
    values: &mut Option<Vec<String>>,
    field: &str,
    flaws: &mut Vec<Flaw>,
    read: impl Fn(&str) -> Result<String, String>,
) {
    let Some(values) = values else { return };
    if LIST_MAX < values.len() {
        flaws.push(flaw(field, &format!("at most {LIST_MAX}")));
        return;
    }
    for (at, value) in values.iter_mut().enumerate() {
        take(value, &format!("{field}[{at}]"), flaws, &read);
    }
    values.sort();
    values.dedup();
}

fn validity(from: &mut Option<String>, until: &mut Option<String>, place: &str, flaws: &mut Vec<Flaw>) {
    let read = |text: &str| moment(text).map(moment_text);
    option(from, &format!("{place}valid_from"), flaws, read);
    option(until, &format!("{place}valid_until"), flaws, read);
    if let (Some(Ok(from)), Some(Ok(until))) = (from.as_deref().map(moment), until.as_deref().map(moment))
        && until <= from
    {
        let field = format!("{place}valid_until");
        flaws.push(flaw(
            &field,
            "it must be after `valid_from`: it is the first moment that is no more in it",
        ));
    }
}

fn code<T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display>(
    text: &str,
) -> Result<String, String> {
    text.parse::<T>()
        .map(|code| code.to_string())
        .map_err(|error| error.to_string())
}

/// The name that a chat or a collector has in the configuration; whether it has it is looked at beside the rest.
fn named_way(text: &str) -> Result<String, String> {
    named(text).map_err(|_| "write the name that it has in the configuration".to_owned())
}

fn key(text: &str, read: impl Fn(&str) -> Result<String, KeyFlaw>) -> Result<String, String> {
    if text == NO_KEY {
        return Ok(text.to_owned());
    }
    read(text).map_err(|flaw| flaw.to_string())
}

/// A name begins with a letter or a digit: what begins otherwise is taken as a formula by spreadsheets.
fn named(text: &str) -> Result<String, String> {
    if text.is_empty() || NAME_CHARS_MAX < text.chars().count() {
        return Err(format!("write a name of 1 to {NAME_CHARS_MAX} characters"));
    }
    if text.chars().any(is_hidden) {
        return Err("it has control characters or ones that can't be seen: write it by hand".to_owned());
    }
    if !text.chars().next().is_some_and(char::is_alphanumeric) {
        return Err("begin it with a letter or a digit".to_owned());
    }
    Ok(text.to_owned())
}

/// Control characters, line ends, marks that turn the direction of writing, and those without width (Unicode 16, Cc, Zl, Zp,
/// and the format characters of the bidirectional algorithm).
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn network(text: &str) -> Result<String, String> {
    let alone = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    let read = text.parse::<IpNet>().or_else(|_| alone());
    read.map(|network| network.trunc().to_string()).map_err(|_| {
        format!(
            "`{}` is no network: write it as 203.0.113.0/24 or 2001:db8::/32",
            text.chars().take(64).collect::<String>()
        )
    })
}

#[cfg(test)]
mod tests;
