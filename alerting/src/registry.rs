//! Reads the registry's files: municipalities and what became of them from CSV, everything about their networks and
//! responders from YAML.
//!
//! The nouns are `alerting-incident`'s; here is only how they are spelled in files, and what is refused. Over the files lie rows
//! of the store (`overlay`): what was imported, and what people entered; `desk` changes them.

mod changes;
pub mod coverage;
pub mod desk;
pub mod form;
pub(crate) mod hygiene;
pub(crate) mod live;
pub(crate) mod mail_keys;
mod municipalities;
pub mod offline;
pub mod overlay;
pub mod question;
pub mod rehearsal;
pub mod report;
pub(crate) mod ways;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use alerting_incident::{
    Channel, Language, Organization, Registry, Responder, ResponderId, Role, RouteTable, Sector, Successions,
    Validity,
};
use detect_alert::Severity;
use ingest_event::{OrganizationNumber, SensorId, Zone};
use serde::{Deserialize, Deserializer};

use crate::config::{CertSettings, Config, ConfigError, beside, default_language, language, read_text};

pub use changes::changes;
pub use municipalities::municipalities;
pub use overlay::{Layer, Origins, StoredRow};
pub(crate) use ways::{Ways, WebhookKeys};

use form::{Flaw, Form, json::Forms};

use municipalities::date;

/// The registry, and what contacts' channels refer to.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The registry, arranged for routing.
    pub routes: RouteTable,
    /// What contacts' channels refer to.
    pub(crate) ways: Ways,
    /// What the files say alone.
    files: Arc<Vec<Organization>>,
    /// What lies over them.
    pub rows: Vec<StoredRow>,
    /// Whose each value is that is no file's.
    pub origins: Origins,
    /// The version of the store's rows; 0 without any.
    pub version: u64,
    /// How many of the rows say nothing, as they can't be laid.
    pub left_out: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RespondersFile {
    organizations: Vec<OrganizationEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganizationEntry {
    number: OrganizationNumber,
    #[serde(default)]
    names: BTreeMap<String, String>,
    #[serde(default)]
    networks: Vec<String>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    autonomous_systems: Vec<u32>,
    #[serde(default)]
    sensors: Vec<SensorId>,
    #[serde(default)]
    operator: Option<OrganizationNumber>,
    #[serde(default, deserialize_with = "code")]
    sector: Option<Sector>,
    #[serde(default, deserialize_with = "sectors")]
    sectors: Vec<Sector>,
    #[serde(default)]
    parent: Option<OrganizationNumber>,
    #[serde(default)]
    valid_from: Option<String>,
    #[serde(default)]
    valid_until: Option<String>,
    #[serde(default)]
    responders: Vec<ResponderEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponderEntry {
    name: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    webhook: Option<WebhookEntry>,
    #[serde(default)]
    chat: Option<String>,
    #[serde(default)]
    syslog: Option<String>,
    #[serde(default)]
    certificate_file: Option<std::path::PathBuf>,
    #[serde(default)]
    pgp_key_file: Option<std::path::PathBuf>,
    #[serde(default = "default_language", deserialize_with = "language")]
    language: Language,
    #[serde(default = "low", deserialize_with = "severity")]
    minimum_severity: Severity,
    #[serde(default)]
    zones: Vec<Zone>,
    #[serde(default, deserialize_with = "code")]
    role: Option<Role>,
    #[serde(default)]
    turn: u8,
    #[serde(default)]
    valid_from: Option<String>,
    #[serde(default)]
    valid_until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookEntry {
    url: String,
    key_file: std::path::PathBuf,
    #[serde(default)]
    former_key_file: Option<std::path::PathBuf>,
}

fn low() -> Severity {
    Severity::Low
}

fn severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

/// One of a fixed list.
fn code<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map(Some)
        .map_err(serde::de::Error::custom)
}

fn sectors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Sector>, D::Error> {
    let codes = Vec::<String>::deserialize(deserializer)?;
    let read = |code: &String| code.parse().map_err(serde::de::Error::custom);
    codes.iter().map(read).collect()
}

/// Reads the files that a configuration names.
///
/// # Errors
/// If one can't be read, says something that can't be, or the two contradict each other.
pub fn load(config: &Config) -> Result<Loaded, ConfigError> {
    let path = &config.registry.municipalities;
    let mut organizations = municipalities(&read_text(path)?, path)?;
    let successions = match &config.registry.changes {
        Some(path) => changes(&read_text(path)?, path)?,
        None => Successions::default(),
    };
    let path = &config.registry.responders;
    let file: RespondersFile =
        serde_saphyr::from_str(&read_text(path)?).map_err(|error| ConfigError::Parse {
            path: path.clone(),
            detail: error.to_string(),
        })?;
    let mut ways = Ways::of(config);
    for entry in file.organizations {
        merge(&mut organizations, entry, path, &mut ways)?;
    }
    changes::apply(&successions, &mut organizations);
    let files = Arc::new(organizations.clone());
    let registry =
        Registry::new(organizations, duty(&config.cert, &ways)?).map_err(|error| ConfigError::Parse {
            path: path.clone(),
            detail: error.to_string(),
        })?;
    Ok(Loaded {
        routes: RouteTable::new(registry.with_successions(successions)),
        ways,
        files,
        rows: vec![],
        origins: Origins::new(),
        version: 0,
        left_out: 0,
    })
}

impl Loaded {
    /// The same files under other rows, which lie in the order of their layers.
    ///
    /// # Errors
    /// With what can't be, alone or beside the rest.
    pub fn with_rows(&self, mut rows: Vec<StoredRow>, version: u64) -> Result<Self, Vec<Flaw>> {
        rows.sort_by(|one, other| (one.layer, &one.form.number).cmp(&(other.layer, &other.form.number)));
        if form::ORGANIZATIONS_MAX * 2 < rows.len() {
            let mend = format!("there are {} imported and manual rows: remove some", rows.len());
            return Err(vec![form::flaw("registry", &mend)]);
        }
        let mut organizations = self.files.as_ref().clone();
        let origins = overlay::lay(&mut organizations, &rows, &self.ways)?;
        let former = self.routes.registry();
        let registry = Registry::new(organizations, former.duty().clone())
            .map_err(|error| vec![form::flaw("registry", &error.to_string())])?;
        Ok(Self {
            routes: RouteTable::new(registry.with_successions(former.successions().clone())),
            ways: self.ways.clone(),
            files: Arc::clone(&self.files),
            rows,
            origins,
            version,
            left_out: 0,
        })
    }

    /// The same files under those of other rows that can be laid over them, with what is wrong with each of the others. Those are kept
    /// as rows, to be mended, and say nothing meanwhile: who starts with a registry that lacks a row tells more people than who
    /// does not start.
    #[must_use]
    pub fn with_rows_that_fit(&self, rows: Vec<StoredRow>, version: u64) -> (Self, Vec<Flaw>) {
        match self.with_rows(rows.clone(), version) {
            Ok(all) => (all, Vec::new()),
            Err(_) => {
                let (mut fitting, mut flaws) = (Vec::new(), Vec::new());
                self.add_fitting(&mut fitting, &rows, version, &mut flaws);
                let laid = self.with_rows(fitting, version).unwrap_or_else(|_| self.clone());
                let left_out = flaws.len();
                (
                    Self {
                        rows,
                        version,
                        left_out,
                        ..laid
                    },
                    flaws,
                )
            }
        }
    }

    /// Halves what does not fit until single rows are left: a bad row among many costs few tries.
    fn add_fitting(
        &self,
        fitting: &mut Vec<StoredRow>,
        more: &[StoredRow],
        version: u64,
        flaws: &mut Vec<Flaw>,
    ) {
        let before = fitting.len();
        fitting.extend_from_slice(more);
        let Err(found) = self.with_rows(fitting.clone(), version) else {
            return;
        };
        fitting.truncate(before);
        if more.len() <= 1 {
            flaws.extend(found.into_iter().take(1));
            return;
        }
        let (first, second) = more.split_at(more.len() / 2);
        self.add_fitting(fitting, first, version, flaws);
        self.add_fitting(fitting, second, version, flaws);
    }

    /// What the layers below one say.
    #[must_use]
    pub fn below(&self, layer: Layer) -> Vec<Organization> {
        let mut organizations = self.files.as_ref().clone();
        let rows = self.rows.iter().filter(|row| row.layer < layer);
        // They were laid before; those that could not be say nothing.
        let _ = overlay::lay(&mut organizations, rows, &self.ways);
        organizations
    }

    /// A row of the store.
    #[must_use]
    pub fn row(&self, layer: Layer, number: OrganizationNumber) -> Option<&StoredRow> {
        let mut rows = self.rows.iter().filter(|row| row.layer == layer);
        rows.find(|row| row.form.number == number.as_str())
    }

    /// Every body with a number as a document: what holds, or the rows of one layer. Of a number that several had, the last.
    #[must_use]
    pub fn forms(&self, layer: Option<Layer>) -> Forms {
        let said = |bodies: &[Organization]| {
            let mut bodies: Vec<&Organization> = bodies.iter().collect();
            bodies.sort_by_key(|body| body.validity.from);
            let forms = bodies
                .into_iter()
                .filter_map(|body| Some((body.number?, Form::of(body))));
            forms
                .filter_map(|(number, form)| Some((number, form.canonical().ok()?)))
                .collect()
        };
        match layer {
            None => said(self.routes.registry().organizations()),
            Some(Layer::File) => said(&self.files),
            Some(layer) => {
                let rows = self.rows.iter().filter(|row| row.layer == layer);
                rows.filter_map(|row| Some((row.form.number.parse().ok()?, row.form.clone())))
                    .collect()
            }
        }
    }
}

fn duty(cert: &CertSettings, ways: &Ways) -> Result<Responder, ConfigError> {
    let mut channels = vec![Channel::Email(cert.email.clone())];
    channels.extend(cert.chat.clone().map(Channel::Chat));
    channels.extend(cert.syslog.clone().map(Channel::Syslog));
    for channel in &channels {
        let known = ways.known(channel);
        known.map_err(|mend| ConfigError::Value {
            path: "the configuration".into(),
            key: "cert",
            mend,
        })?;
    }
    let read = |file: &Option<std::path::PathBuf>| file.as_deref().map(read_text).transpose();
    let files = [&cert.certificate_file, &cert.pgp_key_file];
    let keys = ways::keys(read(files[0])?, read(files[1])?, Some(&cert.email));
    Ok(Responder {
        id: ResponderId::derive("duty", &cert.name),
        name: cert.name.clone(),
        language: cert.language,
        minimum_severity: Severity::Informational,
        zones: Vec::new(),
        role: Role::Operations,
        turn: 0,
        validity: Validity::default(),
        channels,
        keys: keys.map_err(|mend| ConfigError::Value {
            path: "the configuration".into(),
            key: "cert",
            mend,
        })?,
    })
}

/// Adds what the responders' file says to the row of the same number, or makes a row for a body that is no
/// municipality.
fn merge(
    organizations: &mut Vec<Organization>,
    entry: OrganizationEntry,
    path: &Path,
    ways: &mut Ways,
) -> Result<(), ConfigError> {
    let number = entry.number;
    let refuse = |mend: String| ConfigError::Parse {
        path: path.to_owned(),
        detail: format!("organisation {number}: {mend}"),
    };
    let mut networks = Vec::new();
    for network in &entry.networks {
        let alone = || network.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
        let read = network.parse::<ipnet::IpNet>().or_else(|_| alone());
        networks.push(read.map_err(|_| {
            refuse(format!(
                "`{network}` is no network: write it as 203.0.113.0/24 or 2001:db8::/32"
            ))
        })?);
    }
    let domains = entry
        .domains
        .iter()
        .map(|domain| domain_from(domain).map_err(refuse))
        .collect::<Result<Vec<_>, _>>()?;
    let responders = entry
        .responders
        .into_iter()
        .map(|responder| responder_from(number, responder, path, ways))
        .collect::<Result<Vec<_>, _>>()?;
    for (at, contact) in responders.iter().enumerate() {
        // By its name it is known in the store, in links and to who answers: two would be taken for one.
        if responders
            .iter()
            .take(at)
            .any(|other: &Responder| other.name == contact.name)
        {
            let mend = format!(
                "responder {} is there twice: remove one, or give it another name",
                contact.name
            );
            return Err(refuse(mend));
        }
    }
    let validity = Validity {
        from: date(entry.valid_from.as_deref().unwrap_or_default()).map_err(refuse)?,
        until: date(entry.valid_until.as_deref().unwrap_or_default()).map_err(refuse)?,
    };
    match organizations.iter_mut().find(|row| row.number == Some(number)) {
        Some(row) => {
            row.names.extend(entry.names);
            row.networks.extend(networks);
            row.domains.extend(domains);
            row.systems.extend(entry.autonomous_systems);
            row.sensors.extend(entry.sensors);
            row.sector = entry.sector.or(row.sector);
            row.sectors.extend(entry.sectors);
            row.parent = entry.parent.or(row.parent);
            row.operator = entry.operator.or(row.operator);
            row.responders.extend(responders);
        }
        None if entry.names.contains_key("nb") => organizations.push(Organization {
            number: Some(number),
            municipality: None,
            names: entry.names,
            county: None,
            validity,
            networks,
            domains,
            systems: entry.autonomous_systems,
            sensors: entry.sensors,
            operator: entry.operator,
            sector: entry.sector,
            sectors: entry.sectors,
            parent: entry.parent,
            responders,
        }),
        None => {
            return Err(refuse(
                "it is no known municipality: give it `names: { nb: … }`".to_owned(),
            ));
        }
    }
    Ok(())
}

/// A domain as names are compared with it. A whole top-level domain is nobody's.
fn domain_from(text: &str) -> Result<String, String> {
    let plain = text.trim_end_matches('.').to_lowercase();
    let is_label = |label: &str| {
        let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
        (1..=63).contains(&label.len()) && label.chars().all(is_letter)
    };
    let fits = plain.len() <= 253 && plain.contains('.') && plain.split('.').all(is_label);
    fits.then_some(plain)
        .ok_or_else(|| format!("`{text}` is no domain: write it as stavanger.kommune.no"))
}

fn responder_from(
    number: OrganizationNumber,
    entry: ResponderEntry,
    path: &Path,
    ways: &mut Ways,
) -> Result<Responder, ConfigError> {
    let refuse = |mend: String| ConfigError::Parse {
        path: path.to_owned(),
        detail: format!("organisation {number}, responder {}: {mend}", entry.name),
    };
    let mut channels = Vec::new();
    if let Some(address) = entry.email {
        if address.parse::<lettre::Address>().is_err() {
            return Err(refuse(format!("`{address}` is no mail address")));
        }
        channels.push(Channel::Email(address));
    }
    if let Some(webhook) = entry.webhook {
        let is_url =
            reqwest::Url::parse(&webhook.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_url {
            return Err(refuse(
                "`webhook.url` must start with https:// or http://".to_owned(),
            ));
        }
        let key = |file: &Path| ways::webhook_key(path, file);
        let keys = WebhookKeys {
            current: key(&webhook.key_file)?.map_err(refuse)?,
            former: match &webhook.former_key_file {
                Some(file) => Some(key(file)?.map_err(refuse)?),
                None => None,
            },
        };
        ways.webhooks.insert(webhook.url.clone(), keys);
        channels.push(Channel::Webhook(webhook.url));
    }
    for channel in [entry.chat.map(Channel::Chat), entry.syslog.map(Channel::Syslog)] {
        let Some(channel) = channel else { continue };
        ways.known(&channel).map_err(refuse)?;
        channels.push(channel);
    }
    let beside = |file: &Option<std::path::PathBuf>| {
        let file = file.as_deref().map(|file| beside(path, file));
        file.map(|file| read_text(&file)).transpose()
    };
    let keys = [beside(&entry.certificate_file)?, beside(&entry.pgp_key_file)?];
    let [certificate, pgp_key] = keys;
    let email = channels.iter().find(|channel| channel.kind() == "email");
    let keys = ways::keys(certificate, pgp_key, email.map(Channel::address)).map_err(refuse)?;
    let validity = Validity {
        from: date(entry.valid_from.as_deref().unwrap_or_default()).map_err(refuse)?,
        until: date(entry.valid_until.as_deref().unwrap_or_default()).map_err(refuse)?,
    };
    if channels.is_empty() {
        return Err(refuse("give `email`, `webhook`, `chat` or `syslog`".to_owned()));
    }
    Ok(Responder {
        id: ResponderId::derive(number.as_str(), &entry.name),
        name: entry.name,
        language: entry.language,
        minimum_severity: entry.minimum_severity,
        zones: entry.zones,
        role: entry.role.unwrap_or(Role::Operations),
        turn: entry.turn,
        validity,
        channels,
        keys,
    })
}

#[cfg(test)]
mod tests;
