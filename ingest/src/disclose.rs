//! What may leave the building, and as what: the last stage before an event gets its id (D10).
//!
//! [`Disclosure::apply`] does with each field what [`policy`] says for its class ([`ingest_event::field::Class`]): it stays
//! as it is, belongs to our own networks and leaves under pseudonym ([`Pseudonyms`]), or does not leave. It runs before the
//! spool, so that nothing withheld reaches that disk either. [`disclose`] alone takes out what no configuration lets out:
//! payload, and names of users that stand in packets.

mod cache;
mod name;
pub mod overview;
pub mod policy;
mod prefix;
mod pseudonym;
mod text;
mod words;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use ingest_event::field::{Classes, is_packet_user};
use ingest_event::{Fields, Value, Zone, field};
use ipnet::IpNet;
use smallvec::SmallVec;

use crate::capture::{flow_id, flow_id_between};
use crate::normalize::known::{self, GENERIC};
use crate::normalize::login;
use crate::record::Draft;
use crate::site::keys::SiteKey;
use crate::stamp::SourceIdentity;
use policy::{DisclosureRule, Level, Policy, Treatment};
use pseudonym::{Address, AddressText, Ours};

pub use ingest_event::field::{Class, class};
pub use prefix::{Inside, PrefixCipher};
pub use pseudonym::{Made, Pseudonyms};

/// Last parts of field names that hold payload or secrets, in lower case. Suricata's alerts carry packets and bodies
/// under the first ones, Zeek's logs passwords and posted bodies under the last.
const PAYLOAD: [&str; 13] = [
    "http_request_body",
    "http_request_body_printable",
    "http_response_body",
    "http_response_body_printable",
    "packet",
    "passwd",
    "password",
    "payload",
    "payload_printable",
    "post_body",
    "request_body",
    "response_body",
    "body.content",
];

/// Sources whose fields are looked at: in other JSON a field of such a name is what a rule asks for (`payload` of a
/// PowerShell record), and whoever configures such a source decides what it writes.
const LOOKED_AT: [&str; 4] = ["suricata.", "zeek.", "http.", "ftp."];

/// Datasets of what looks at networks itself, and of Windows' own logs: what stands in their fields no program chose.
const PROBES: [&str; 5] = ["network.", "suricata.", "varde.", "windows.", "zeek."];

/// What names one certificate among all.
const PRINTS: [&str; 4] = [
    "file.x509.serial_number",
    field::TLS_SERVER_SHA1,
    field::TLS_SERVER_SHA256,
    field::TLS_SERVER_X509_SERIAL,
];

/// Whom a certificate is for.
const NAMED: [&str; 6] = [
    "file.x509.alternative_names",
    "file.x509.subject.distinguished_name",
    field::TLS_SERVER_NAME,
    field::TLS_SERVER_SUBJECT,
    field::TLS_SERVER_X509_NAMES,
    field::TLS_SERVER_X509_SUBJECT_NAME,
];

/// Datasets whose treatment is remembered: all that our readers make, and no flood of made-up ones.
const DATASETS_MAX: usize = 1_024;

/// Drops payload, and names of users that stand in packets. How many fields that were.
pub fn disclose(fields: &mut Fields) -> u64 {
    let before = fields.len();
    fields.retain(|name, _| !is_payload(name) && !is_packet_user(name));
    (before - fields.len()) as u64
}

fn is_payload(name: &str) -> bool {
    LOOKED_AT.iter().any(|prefix| name.starts_with(prefix))
        && PAYLOAD.iter().any(|last| {
            name.strip_suffix(last)
                .is_some_and(|before| before.ends_with('.'))
        })
}

/// What was done to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disclosed {
    /// How much of it leaves; with [`Level::Nothing`] it does not.
    pub level: Level,
    /// Fields that were taken out.
    pub withheld: u64,
    /// Whether it leaves what the event matched.
    pub matches: bool,
}

/// The configured disclosure of one sensor, with the pseudonyms of the current epoch.
#[derive(Debug)]
pub struct Disclosure {
    policy: Policy,
    treatments: HashMap<String, Treatment, foldhash::fast::RandomState>,
    pseudonyms: Pseudonyms,
    id_key: [u8; 32],
    datasets: Vec<String>,
    classes: Classes,
}

/// Both ends of a flow, where they are plain addresses: each is looked up once.
#[derive(Clone, Copy, Default)]
struct Ends {
    source: Option<Address>,
    destination: Option<Address>,
}

/// What one walk over an event's fields finds: each look for a name would be one of its own.
#[derive(Default)]
struct Walk<'a> {
    /// Of each field, in order.
    classes: SmallVec<[Option<Class>; 64]>,
    ends: Ends,
    resolved: Option<&'a Value>,
    question: Option<&'a str>,
    /// Whether it has a print or a number of a certificate.
    has_print: bool,
}

/// What of an event decides about its other fields.
#[derive(Clone, Copy)]
struct Facts {
    /// When the server's name is one of ours.
    server: Ours,
    /// When the names of a DNS message are.
    dns: Ours,
    /// The certificate is.
    certificate: bool,
    /// Either end is ours.
    has_inside: bool,
}

impl Disclosure {
    /// With these rules, keys and networks.
    #[must_use]
    pub fn new(
        zone: Zone,
        rules: &[DisclosureRule],
        key: &SiteKey,
        home_networks: &[IpNet],
        home_domains: &[String],
    ) -> Self {
        Self {
            policy: Policy::new(zone, rules),
            treatments: HashMap::default(),
            pseudonyms: Pseudonyms::new(key, Inside::new(home_networks), home_domains),
            id_key: key.derive("varde 2026 ids of events under pseudonym"),
            datasets: Vec::new(),
            classes: Classes::default(),
        }
    }

    /// With these domains, which are ours as the centre says: names in them are of ours, but nothing more of them stays
    /// clear than of a name of elsewhere.
    #[must_use]
    pub fn with_added_domains(mut self, domains: &[String]) -> Self {
        self.pseudonyms.add_domains(domains);
        self
    }

    /// With these datasets, which the configuration gives to files.
    #[must_use]
    pub fn with_datasets(mut self, datasets: impl Iterator<Item = String>) -> Self {
        self.datasets.extend(datasets);
        self
    }

    /// The rules.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The pseudonyms.
    pub fn pseudonyms(&mut self) -> &mut Pseudonyms {
        &mut self.pseudonyms
    }

    /// Does with an event what its dataset and zone are due.
    pub fn apply(&mut self, draft: &mut Draft) -> Disclosed {
        let mut treatment = self.treatment(&draft.dataset);
        if let Some(trusted) = &draft.trusted {
            // What a line says of itself may let less out, never more.
            treatment = treatment.least(&self.treatment(trusted));
        }
        if treatment.level == Level::Nothing {
            return Disclosed {
                level: Level::Nothing,
                withheld: draft.fields.len() as u64,
                matches: false,
            };
        }
        let withheld = disclose(&mut draft.fields);
        let said = treatment.said();
        let matches = treatment.matches == Level::Full;
        if said == Level::Full {
            return Disclosed {
                level: said,
                withheld,
                matches,
            };
        }
        self.name(draft);
        let withheld = withheld + self.hide(&treatment, draft);
        if !draft.dataset.starts_with("varde.") {
            draft.fields.set(field::VARDE_DISCLOSURE, said.as_str());
            if said == Level::Pseudonymised {
                draft
                    .fields
                    .set(field::VARDE_PSEUDONYM_KEY, self.pseudonyms.key_id());
            }
        }
        Disclosed {
            level: said,
            withheld,
            matches,
        }
    }

    /// Where events under pseudonym come from: the file's name may hold names, and what ids are derived from must not be
    /// there to be tried out.
    #[must_use]
    pub fn source(&mut self, source: &SourceIdentity) -> SourceIdentity {
        SourceIdentity {
            // Files, and sockets that have a name in a folder.
            name: match source.path.is_some() || source.name.contains('/') {
                true => self.pseudonyms.file(&source.name).to_string(),
                false => self.pseudonyms.path(&source.name),
            },
            content: blake3::keyed_hash(&self.id_key, &source.content)
                .as_bytes()
                .to_vec(),
            // What of it may leave is in the event already.
            path: None,
        }
    }

    fn treatment(&mut self, dataset: &str) -> Treatment {
        if let Some(treatment) = self.treatments.get(dataset) {
            return *treatment;
        }
        let treatment = self.policy.treatment(dataset);
        if DATASETS_MAX <= self.treatments.len() {
            self.treatments.clear();
        }
        self.treatments.insert(dataset.to_owned(), treatment);
        treatment
    }

    /// Takes a dataset's name that nobody on site or here spelled out: it may be any text. A line's own word for it leaves
    /// where the line bears it out.
    fn name(&self, draft: &mut Draft) {
        let is_spelled = |name: &str| {
            let mut configured = self
                .policy
                .datasets()
                .chain(self.datasets.iter().map(String::as_str));
            known::is_dataset(name) || configured.any(|configured| configured == name)
        };
        let is_held = match &draft.trusted {
            None => draft.dataset.starts_with("varde.") || is_spelled(&draft.dataset),
            Some(trusted) => *trusted == draft.dataset || known::bears_out(&draft.fields, &draft.dataset),
        };
        if !is_held {
            let trusted = draft.trusted.clone().filter(|name| is_spelled(name));
            draft.dataset = trusted.unwrap_or(Cow::Borrowed(GENERIC));
        }
    }

    /// How many fields were taken out.
    fn hide(&mut self, treatment: &Treatment, draft: &mut Draft) -> u64 {
        let is_probe = draft.trusted.is_none() && PROBES.iter().any(|start| draft.dataset.starts_with(start));
        let has_words = !draft.dataset.starts_with("network.");
        let said = said(draft, treatment);
        let fields = &mut draft.fields;
        let walk = self.walk(fields);
        let facts = self.facts(fields, &walk);
        let Walk { classes, ends, .. } = walk;
        let mut classes = classes.into_iter();
        let with_query = treatment.queries == Level::Full;
        let pseudonyms = &mut self.pseudonyms;
        let before = fields.len();
        fields.revise(|name, value| {
            let class = classes.next().flatten();
            let level = treatment.of(class);
            let Some(class) = class.filter(|_| level == Level::Pseudonymised) else {
                if name == field::MESSAGE && level < Level::Pseudonymised && said != Said::Anything {
                    return hide_message(pseudonyms, said, level, value);
                }
                if class == Some(Class::Traffic) && (!is_probe || has_words) {
                    // A stranger's number may be a stranger's text.
                    return texts(value, &mut |text| {
                        let hidden = match is_probe {
                            true => pseudonyms.scrub(text),
                            false => pseudonyms.scrub_all(text),
                        };
                        hidden.map_or(Hidden::Not, Hidden::As)
                    });
                }
                // The id that an event brought along is a stranger's word.
                return level == Level::Full && name != field::EVENT_ID;
            };
            if name == field::MESSAGE {
                return hide_message(pseudonyms, said, level, value);
            }
            let class = match class {
                Class::Word if is_probe => Class::Text,
                class => class,
            };
            let end = match name {
                field::SOURCE_IP => ends.source,
                field::DESTINATION_IP => ends.destination,
                _ => None,
            };
            match end {
                Some(end) => texts(value, &mut |_| hide_address(end)),
                None => hide_value(pseudonyms, facts, class, name, with_query, value),
            }
        });
        let withheld = before - fields.len();
        if facts.has_inside && treatment.addresses == Level::Pseudonymised {
            rename_flow(fields, &ends);
        }
        withheld as u64
    }

    fn walk<'a>(&mut self, fields: &'a Fields) -> Walk<'a> {
        let mut walk = Walk::default();
        for (name, value, class) in fields.classes(&mut self.classes) {
            walk.classes.push(class);
            match (class, name) {
                (Some(Class::Address), field::SOURCE_IP) => {
                    walk.ends.source = value.as_str().map(|text| self.pseudonyms.look_at(text));
                }
                (Some(Class::Address), field::DESTINATION_IP) => {
                    walk.ends.destination = value.as_str().map(|text| self.pseudonyms.look_at(text));
                }
                (Some(Class::Address), field::DNS_RESOLVED_IP) => walk.resolved = Some(value),
                (Some(Class::Host), field::DNS_QUESTION_NAME) => walk.question = value.as_str(),
                (Some(Class::Certificate), name) => walk.has_print |= PRINTS.contains(&name),
                _ => {}
            }
        }
        walk
    }

    fn facts(&mut self, fields: &Fields, walk: &Walk<'_>) -> Facts {
        let source = walk.ends.source.as_ref().map(Address::is_ours);
        let destination = walk.ends.destination.as_ref().map(Address::is_ours);
        let is_ours = destination == Some(true) && source != Some(false);
        let resolved = walk.resolved.into_iter().flat_map(Value::each);
        let mut answers = resolved.filter_map(Value::as_str);
        let reverse = walk.question.filter(|name| name.ends_with(".arpa"));
        let dns = answers.any(|address| self.pseudonyms.look_at(address).is_ours())
            || reverse.is_some_and(|name| self.pseudonyms.host(name, Ours::ByDomain).is_some());
        let certificate = is_ours || walk.has_print && self.names_ours(fields);
        let ours = |is_ours| if is_ours { Ours::Always } else { Ours::ByName };
        Facts {
            server: ours(is_ours),
            dns: ours(dns),
            certificate,
            // Addresses that are not there as two plain ones may be ours all the same.
            has_inside: source != Some(false) || destination != Some(false),
        }
    }

    /// Whether a certificate is for one of ours.
    fn names_ours(&mut self, fields: &Fields) -> bool {
        let named = NAMED
            .iter()
            .filter_map(|name| fields.get(name))
            .flat_map(Value::each);
        let mut texts = named.filter_map(Value::as_str);
        texts.any(|text| self.pseudonyms.certificate(text, false) != text)
    }
}

/// The Community ID of the flow as its addresses leave; without them, none.
fn rename_flow(fields: &mut Fields, ends: &Ends) {
    if fields.get(field::NETWORK_COMMUNITY_ID).is_none() {
        return;
    }
    let left = |end: Option<Address>| end.and_then(|end| end.left());
    let id = match (left(ends.source), left(ends.destination)) {
        (Some(source), Some(destination)) => flow_id_between(fields, source, destination),
        _ => flow_id(fields),
    };
    match id {
        Some(id) => fields.set(field::NETWORK_COMMUNITY_ID, id),
        None => {
            fields.remove(field::NETWORK_COMMUNITY_ID);
        }
    }
}

/// What becomes of a text.
enum Hidden {
    /// It stays.
    Not,
    /// It is replaced.
    As(String),
    /// The same, from a cache.
    By(Arc<str>),
    /// An address.
    Address(AddressText),
    /// It does not leave.
    Withheld,
}

/// Revises each text of a value; false where nothing of it leaves.
fn texts(value: &mut Value, hide: &mut dyn FnMut(&str) -> Hidden) -> bool {
    match value {
        Value::String(text) => match hide(text) {
            Hidden::Not => true,
            Hidden::As(hidden) => {
                *text = hidden;
                true
            }
            Hidden::By(hidden) => {
                text.clear();
                text.push_str(&hidden);
                true
            }
            Hidden::Address(hidden) => {
                text.clear();
                text.push_str(hidden.as_str());
                true
            }
            Hidden::Withheld => false,
        },
        Value::List(items) => {
            items.retain_mut(|item| texts(item, hide));
            !items.is_empty()
        }
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) => true,
    }
}

fn hide_value(
    pseudonyms: &mut Pseudonyms,
    facts: Facts,
    class: Class,
    name: &str,
    with_query: bool,
    value: &mut Value,
) -> bool {
    if let (Class::User | Class::Mail | Class::Machine, Value::Integer(_) | Value::Unsigned(_)) =
        (class, &*value)
    {
        // Accounts that are numbers name people too.
        *value = Value::from(value.to_string());
    }
    if !is_text(value)
        && !matches!(
            class,
            Class::Envelope | Class::Traffic | Class::FlowId | Class::Text | Class::Word
        )
    {
        // An address is a number as well, and nobody says so.
        return false;
    }
    let hidden = |hidden: Option<Arc<str>>| hidden.map_or(Hidden::Not, Hidden::By);
    texts(value, &mut |text| match class {
        Class::Envelope | Class::Traffic | Class::FlowId => Hidden::Not,
        Class::Address => hide_address(pseudonyms.look_at(text)),
        Class::Mac => pseudonyms.hardware(text).map_or(Hidden::Not, Hidden::As),
        Class::Host => hidden(hide_host(pseudonyms, facts, name, text)),
        Class::Machine => hidden(pseudonyms.host(text, Ours::Always)),
        Class::Service => Hidden::As(pseudonyms.service(text)),
        Class::Share => Hidden::As(pseudonyms.share(text)),
        Class::Certificate if PRINTS.contains(&name) => match facts.certificate {
            true => Hidden::As(pseudonyms.print(text)),
            false => Hidden::Not,
        },
        Class::Certificate => {
            let is_ours = facts.server == Ours::Always || name.starts_with("tls.client.");
            Hidden::As(pseudonyms.certificate(text, is_ours))
        }
        Class::Url if name == field::URL_PATH => Hidden::As(pseudonyms.path(text)),
        Class::Url => Hidden::As(pseudonyms.url(text, facts.server, with_query)),
        Class::User => hidden(pseudonyms.user(text)),
        Class::Mail => pseudonyms.mail(text).map_or(Hidden::Not, Hidden::As),
        Class::Text | Class::Message
            if [field::LOG_FILE_PATH, field::VARDE_HEARTBEAT_SOURCE_NAME].contains(&name) =>
        {
            // Sources that are no files have no folders.
            match text.contains(['/', '\\']) || name == field::LOG_FILE_PATH {
                true => Hidden::By(pseudonyms.file(text)),
                false => pseudonyms.scrub(text).map_or(Hidden::Not, Hidden::As),
            }
        }
        Class::Text | Class::Message if name.starts_with("file.") => Hidden::As(pseudonyms.path(text)),
        Class::Word => pseudonyms.scrub_all(text).map_or(Hidden::Not, Hidden::As),
        Class::Text | Class::Message => pseudonyms.scrub(text).map_or(Hidden::Not, Hidden::As),
        // A match leaves whole or not at all.
        Class::Query | Class::PacketUser | Class::Match => Hidden::Withheld,
    })
}

fn hide_address(address: Address) -> Hidden {
    match address {
        Address::Ours(pseudonym) => Hidden::Address(pseudonym),
        Address::Open(_) => Hidden::Not,
        Address::No => Hidden::Withheld,
    }
}

/// Text, or nothing but texts.
fn is_text(value: &Value) -> bool {
    value.each().all(|item| matches!(item, Value::String(_)))
}

fn hide_host(pseudonyms: &mut Pseudonyms, facts: Facts, name: &str, text: &str) -> Option<Arc<str>> {
    if name.starts_with("dns.answers.") && facts.dns != Ours::Always {
        return pseudonyms.answer(text);
    }
    let ours = if name.starts_with("dns.") {
        facts.dns
    } else {
        facts.server
    };
    pseudonyms.host(text, ours)
}

/// What a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// A login daemon's, understood to its last word or not at all.
    Login,
    /// A notice of Zeek's.
    Notice,
    /// Anything.
    Anything,
}

/// Whose words the message is, and whether they may leave under pseudonym.
fn said(draft: &Draft, treatment: &Treatment) -> Said {
    let may_leave = treatment.level == Level::Pseudonymised
        && [treatment.users, treatment.names, treatment.addresses]
            .iter()
            .all(|level| Level::Pseudonymised <= *level);
    // Whatever else writes such words means something else by them.
    let is_daemon = |name: &str| name.starts_with("sshd");
    match draft.dataset.as_ref() {
        "zeek.notice" if may_leave && draft.trusted.is_none() => Said::Notice,
        "system.auth" if may_leave && draft.fields.text("process.name").is_some_and(is_daemon) => Said::Login,
        _ => Said::Anything,
    }
}

/// A login that is understood leaves with its user hidden; other messages, where they may leave, with what looks like an
/// address or a name of ours hidden.
fn hide_message(pseudonyms: &mut Pseudonyms, said: Said, level: Level, value: &mut Value) -> bool {
    texts(value, &mut |text| {
        if said == Said::Login
            && let Some(pieces) = login(text)
        {
            return Hidden::As(pseudonyms.login(&pieces));
        }
        if level < Level::Pseudonymised {
            // What a notice quotes is a stranger's: only words that every machine has leave as they are.
            return match said {
                Said::Notice => pseudonyms.scrub_all(text).map_or(Hidden::Not, Hidden::As),
                Said::Login | Said::Anything => Hidden::Withheld,
            };
        }
        pseudonyms.scrub(text).map_or(Hidden::Not, Hidden::As)
    })
}

#[cfg(test)]
mod tests;
