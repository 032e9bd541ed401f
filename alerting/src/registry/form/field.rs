//! The fields of a form, as a table: columns of the CSV and `docs/registry.schema.json` are made of it.

use ingest_event::Timestamp;

/// What may stand in a field.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// Any text that is one of a fixed list.
    Code(fn() -> Vec<&'static str>),
    /// Text with a pattern of the schema.
    Pattern(&'static str),
    /// Free text.
    Text,
    /// A date or a time.
    Moment,
    /// A whole number up to this.
    Number(u64),
    /// Yes or nothing.
    Flag,
    /// A list of one of the kinds above.
    List(&'static FieldKind),
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in JSON, and that of its column.
    pub name: &'static str,
    /// What may stand in it.
    pub kind: FieldKind,
    /// What it is, for a person.
    pub meaning: &'static str,
}

const fn field(name: &'static str, kind: FieldKind, meaning: &'static str) -> Field {
    Field { name, kind, meaning }
}

/// Nine digits.
const NUMBER: FieldKind = FieldKind::Pattern("^[0-9]{9}$");
const SECTOR: FieldKind = FieldKind::Code(sectors);
const ZONE: FieldKind = FieldKind::Code(zones);
const TEXT: FieldKind = FieldKind::Text;
const SYSTEM: FieldKind = FieldKind::Number(u32::MAX as u64);

fn sectors() -> Vec<&'static str> {
    alerting_incident::Sector::ALL
        .iter()
        .map(|code| code.as_str())
        .collect()
}

fn zones() -> Vec<&'static str> {
    ingest_event::Zone::ALL.iter().map(|code| code.as_str()).collect()
}

fn roles() -> Vec<&'static str> {
    alerting_incident::Role::ALL
        .iter()
        .map(|code| code.as_str())
        .collect()
}

fn languages() -> Vec<&'static str> {
    alerting_incident::Language::ALL
        .iter()
        .map(|code| code.as_str())
        .collect()
}

fn severities() -> Vec<&'static str> {
    detect_alert::Severity::ALL
        .iter()
        .map(|code| code.as_str())
        .collect()
}

/// The fields of a body but its names and its contacts.
pub static FIELDS: [Field; 12] = [
    field(
        "number",
        NUMBER,
        "organisation number; the last digit is a check digit (modulus 11)",
    ),
    field(
        "municipality",
        FieldKind::Pattern("^[0-9]{4}$"),
        "four digits, of a municipality",
    ),
    field("sector", SECTOR, "what the body is there for"),
    field(
        "sectors",
        FieldKind::List(&SECTOR),
        "the sectors that the body answers for, as the CERT of a sector",
    ),
    field("parent", NUMBER, "the body above"),
    field("operator", NUMBER, "who runs its IT"),
    field("valid_from", FieldKind::Moment, "the first moment"),
    field("valid_until", FieldKind::Moment, "the first moment after it"),
    field("networks", FieldKind::List(&TEXT), "networks that it owns"),
    field(
        "domains",
        FieldKind::List(&TEXT),
        "domains that it owns, with all below them",
    ),
    field(
        "autonomous_systems",
        FieldKind::List(&SYSTEM),
        "autonomous systems that it owns",
    ),
    field("sensors", FieldKind::List(&TEXT), "sensors that watch it"),
];

/// The fields of a contact.
pub static CONTACT_FIELDS: [Field; 15] = [
    field(
        "name",
        FieldKind::Text,
        "what the contact is known by, in its body",
    ),
    field(
        "withdrawn",
        FieldKind::Flag,
        "there no more, whatever the layer below says",
    ),
    field("email", FieldKind::Text, "a mail address"),
    field(
        "webhook",
        FieldKind::Pattern("^https?://"),
        "the URL of a webhook; its key lies beside the responders' file",
    ),
    field("chat", FieldKind::Text, "a chat that the configuration names"),
    field(
        "syslog",
        FieldKind::Text,
        "a collector of syslog that the configuration names",
    ),
    field(
        "certificate",
        FieldKind::Text,
        "the X.509 certificate that mail is encrypted with (S/MIME), in PEM; `-` for none",
    ),
    field(
        "pgp_key",
        FieldKind::Text,
        "the OpenPGP key that mail is encrypted with, in ASCII armor; `-` for none",
    ),
    field("language", FieldKind::Code(languages), "the language they read"),
    field(
        "minimum_severity",
        FieldKind::Code(severities),
        "below this they are not told",
    ),
    field("role", FieldKind::Code(roles), "what they are there for"),
    field(
        "turn",
        FieldKind::Number(u8::MAX as u64),
        "0 at once, those of the next when nobody has answered in time",
    ),
    field("zones", FieldKind::List(&ZONE), "the zones that they answer for"),
    field("valid_from", FieldKind::Moment, "the first moment"),
    field("valid_until", FieldKind::Moment, "the first moment after it"),
];

/// A moment: a date, which begins at midnight in UTC, or an RFC 3339 time.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let time = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    time.parse().map_err(|_| {
        format!(
            "`{}` is no date: write it as 2024-01-01",
            text.chars().take(40).collect::<String>()
        )
    })
}

/// A moment as it is written: a midnight as its date.
pub(crate) fn moment_text(moment: Timestamp) -> String {
    let text = moment.to_string();
    match text.strip_suffix("T00:00:00Z") {
        Some(day) => day.to_owned(),
        None => text,
    }
}
