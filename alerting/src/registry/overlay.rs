//! Rows over rows: what is said of a body in the files, by an import and by people, field by field.
//!
//! The files lie at the bottom, the import over them, what people entered on top. What a row does not say stays as it is below.
//! Contacts are one by one: a row's contact changes the one of its name, adds one, or withdraws one.

use std::collections::BTreeMap;

use alerting_incident::{Channel, Language, MailKeys, Organization, Responder, ResponderId, Role, Validity};
use detect_alert::Severity;
use ingest_event::{OrganizationNumber, Timestamp};

use super::form::{ContactForm, Flaw, Form, NO_KEY, flaw, moment};
use super::ways::Ways;

/// Where a value comes from, from the bottom up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The files that the configuration names.
    File,
    /// An import.
    Import,
    /// A person.
    Manual,
}

/// A row that is no file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Whose it is.
    pub layer: Layer,
    /// That of the registry when it was written.
    pub version: u64,
    /// What it says.
    pub form: Form,
    /// Who wrote it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// For each body its fields that are no file's (`parent`, `names.nb`, `responders.NAME`), and whose they are.
pub type Origins = BTreeMap<OrganizationNumber, BTreeMap<String, Layer>>;

impl Layer {
    /// Its code in the store and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Import => "import",
            Self::Manual => "manual",
        }
    }
}

impl std::str::FromStr for Layer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::File, Self::Import, Self::Manual]
            .into_iter()
            .find(|layer| layer.as_str() == text)
            .ok_or_else(|| "one of file, import, manual".to_owned())
    }
}

/// Lays rows over organisations, in the order given.
///
/// # Errors
/// With what can't be, each with its body's number.
pub(crate) fn lay<'r>(
    organizations: &mut Vec<Organization>,
    rows: impl IntoIterator<Item = &'r StoredRow>,
    ways: &Ways,
) -> Result<Origins, Vec<Flaw>> {
    let mut places: BTreeMap<OrganizationNumber, usize> = BTreeMap::new();
    for (at, body) in organizations.iter().enumerate() {
        let Some(number) = body.number else { continue };
        // Of a number that several had one after the other, the last is meant.
        let newest = places.entry(number).or_insert(at);
        if organizations
            .get(*newest)
            .is_some_and(|other| other.validity.from < body.validity.from)
        {
            *newest = at;
        }
    }
    let (mut origins, mut flaws) = (Origins::new(), Vec::new());
    for row in rows {
        let form = &row.form;
        let Ok(number) = form.number.parse::<OrganizationNumber>() else {
            flaws.push(flaw("number", "it is no organisation number"));
            continue;
        };
        let place = *places.entry(number).or_insert_with(|| {
            let is_unnumbered = |body: &Organization| {
                body.number.is_none() && form.municipality.is_some() && body.municipality == form.municipality
            };
            let found = organizations.iter().position(is_unnumbered);
            found.unwrap_or_else(|| {
                organizations.push(Organization::default());
                organizations.len() - 1
            })
        });
        let Some(body) = organizations.get_mut(place) else {
            continue;
        };
        body.number = Some(number);
        match apply(body, form, ways) {
            Ok(said) => {
                let of_it = origins.entry(number).or_default();
                of_it.extend(said.into_iter().map(|field| (field, row.layer)));
            }
            Err(mut found) => {
                found.field = format!("organization {number}, {}", found.field);
                flaws.push(found);
            }
        }
        if !body.names.contains_key("nb") {
            let field = format!("organization {number}, names.nb");
            flaws.push(flaw(&field, "a body that no file names needs its name in Bokmål"));
        }
    }
    if flaws.is_empty() { Ok(origins) } else { Err(flaws) }
}

/// Says of a body what a form says; the names of the fields that it said.
///
/// # Errors
/// If a value can't be, or a contact can't be reached.
pub(crate) fn apply(body: &mut Organization, form: &Form, ways: &Ways) -> Result<Vec<String>, Flaw> {
    let mut said = Vec::new();
    for (language, name) in &form.names {
        said.push(format!("names.{language}"));
        body.names.insert(language.clone(), name.clone());
    }
    if let Some(municipality) = &form.municipality {
        said.push("municipality".to_owned());
        body.municipality = Some(municipality.clone());
    }
    one(&form.sector, "sector", &mut said, |code| body.sector = Some(code))?;
    one(&form.parent, "parent", &mut said, |code| body.parent = Some(code))?;
    one(&form.operator, "operator", &mut said, |code| {
        body.operator = Some(code)
    })?;
    many(&form.sectors, "sectors", &mut said, |all| body.sectors = all)?;
    many(&form.networks, "networks", &mut said, |all| body.networks = all)?;
    many(&form.domains, "domains", &mut said, |all| body.domains = all)?;
    many(&form.sensors, "sensors", &mut said, |all| body.sensors = all)?;
    if let Some(systems) = &form.autonomous_systems {
        said.push("autonomous_systems".to_owned());
        body.systems.clone_from(systems);
    }
    valid(
        &mut body.validity,
        &form.valid_from,
        &form.valid_until,
        &mut said,
        "",
    )?;
    for contact in &form.responders {
        let name = &contact.name;
        said.push(format!("responders.{name}"));
        let place = body.responders.iter().position(|known| known.name == *name);
        if contact.withdrawn {
            body.responders.retain(|known| known.name != *name);
            continue;
        }
        let number = body.number.map(|number| number.to_string()).unwrap_or_default();
        let mut changed = match place.and_then(|place| body.responders.get(place)) {
            Some(known) => known.clone(),
            None => nobody(&number, name),
        };
        reach(&mut changed, contact, ways)?;
        match place.and_then(|place| body.responders.get_mut(place)) {
            Some(known) => *known = changed,
            None => body.responders.push(changed),
        }
    }
    Ok(said)
}

fn nobody(number: &str, name: &str) -> Responder {
    Responder {
        id: ResponderId::derive(number, name),
        name: name.to_owned(),
        language: Language::Nb,
        minimum_severity: Severity::Low,
        zones: vec![],
        role: Role::Operations,
        turn: 0,
        validity: Validity::default(),
        channels: vec![],
        keys: MailKeys::default(),
    }
}

fn reach(contact: &mut Responder, form: &ContactForm, ways: &Ways) -> Result<(), Flaw> {
    let place = format!("responders.{}.", form.name);
    let mut said = Vec::new();
    one(&form.language, "language", &mut said, |code| {
        contact.language = code
    })?;
    one(&form.minimum_severity, "minimum_severity", &mut said, |code| {
        contact.minimum_severity = code;
    })?;
    one(&form.role, "role", &mut said, |code| contact.role = code)?;
    many(&form.zones, "zones", &mut said, |all| contact.zones = all)?;
    contact.turn = form.turn.unwrap_or(contact.turn);
    valid(
        &mut contact.validity,
        &form.valid_from,
        &form.valid_until,
        &mut said,
        &place,
    )?;
    let given = [
        form.email.clone().map(Channel::Email),
        form.webhook.clone().map(Channel::Webhook),
        form.chat.clone().map(Channel::Chat),
        form.syslog.clone().map(Channel::Syslog),
    ];
    for channel in given.iter().flatten() {
        let known = ways.known(channel);
        known.map_err(|mend| flaw(&format!("{place}{}", channel.kind()), &mend))?;
    }
    for (said, kept) in [
        (&form.certificate, &mut contact.keys.certificate),
        (&form.pgp_key, &mut contact.keys.pgp_key),
    ] {
        if let Some(text) = said {
            *kept = (text != NO_KEY).then(|| text.clone());
        }
    }
    for channel in given.into_iter().flatten() {
        contact.channels.retain(|known| known.kind() != channel.kind());
        contact.channels.push(channel);
    }
    contact.channels.sort();
    if contact.channels.is_empty() {
        return Err(flaw(
            &format!("{place}email"),
            "give `email`, `webhook`, `chat` or `syslog`",
        ));
    }
    Ok(())
}

fn valid(
    validity: &mut Validity,
    from: &Option<String>,
    until: &Option<String>,
    said: &mut Vec<String>,
    place: &str,
) -> Result<(), Flaw> {
    for (given, name, kept) in [
        (from, "valid_from", &mut validity.from),
        (until, "valid_until", &mut validity.until),
    ] {
        if let Some(text) = given {
            said.push(name.to_owned());
            *kept = Some(moment(text).map_err(|mend| flaw(&format!("{place}{name}"), &mend))?);
        }
    }
    if let (Some(from), Some(until)) = (validity.from, validity.until)
        && until <= from
    {
        let mend = "with what the layer below says it would end before it begins";
        return Err(flaw(&format!("{place}valid_until"), mend));
    }
    Ok(())
}

fn one<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &Option<String>,
    name: &str,
    said: &mut Vec<String>,
    take: impl FnOnce(T),
) -> Result<(), Flaw> {
    if let Some(text) = text {
        said.push(name.to_owned());
        take(
            text.parse()
                .map_err(|error: T::Err| flaw(name, &error.to_string()))?,
        );
    }
    Ok(())
}

fn many<T: std::str::FromStr<Err: std::fmt::Display>>(
    texts: &Option<Vec<String>>,
    name: &str,
    said: &mut Vec<String>,
    take: impl FnOnce(Vec<T>),
) -> Result<(), Flaw> {
    if let Some(texts) = texts {
        said.push(name.to_owned());
        let all: Result<Vec<T>, T::Err> = texts.iter().map(|text| text.parse()).collect();
        take(all.map_err(|error| flaw(name, &error.to_string()))?);
    }
    Ok(())
}
