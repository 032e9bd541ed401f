//! What is known of a feed beside what it says itself: its name, what holds where it is silent, how its table is
//! laid out. Given in code, or in a small YAML file beside the feed.
//!
//! The file is `<feed>.feed.yml` for one feed, `feed.yml` for all feeds of its folder; `files.rs` finds it.

use std::{collections::BTreeMap, net::IpAddr};

use detect_alert::{Confidence, IndicatorKind, Pap, Tlp};
use ingest_event::Timestamp;
use ipnet::IpNet;
use serde::Deserialize;

use super::normal::Refusals;

/// The formats of feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedFormat {
    /// One value a line.
    Plain,
    /// A table (RFC 4180 with any delimiter).
    Csv,
    /// A MISP event, or several.
    Misp,
    /// A STIX 2.1 bundle.
    Stix,
}

/// What holds for a feed where it does not say.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedOptions {
    /// The feed's name, as alerts give it.
    pub source: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Who may know.
    pub tlp: Tlp,
    /// What they may do.
    pub pap: Pap,
    /// What every value is; none: told from its form or its type.
    pub kind: Option<IndicatorKind>,
    /// The format; none: recognised by content.
    pub format: Option<FeedFormat>,
    /// After so many days without a new sighting a value is out of date, where the feed gives no end itself.
    pub decay_days: Option<u32>,
    /// How its table is laid out.
    pub table: TableLayout,
    /// What else counts as poison.
    pub refusals: Refusals,
    /// Whether sensors get its values as keyed hashes only. It changes nothing about what is read.
    pub without_reveal: bool,
    /// The time at which it is read; only to count what is out of date.
    pub now: Option<Timestamp>,
}

impl FeedOptions {
    /// What holds for a feed of which only the name is known.
    #[must_use]
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            confidence: Confidence::Medium,
            tlp: Tlp::Green,
            pap: Pap::Green,
            kind: None,
            format: None,
            decay_days: None,
            table: TableLayout::default(),
            refusals: Refusals::default(),
            without_reveal: false,
            now: None,
        }
    }

    /// These options with what a description says instead.
    ///
    /// # Errors
    /// If a value is of none of the known ones: what, and the mend.
    pub fn described(mut self, description: FeedDescription) -> Result<Self, String> {
        let read = |what: &str, text: &str| format!("`{text}` is no {what}");
        if let Some(source) = description.source {
            self.source = source;
        }
        if let Some(text) = description.confidence {
            self.confidence = text
                .parse()
                .map_err(|_| read("confidence: low, medium or high", &text))?;
        }
        if let Some(text) = description.tlp {
            self.tlp = text.parse().map_err(|_| read("TLP marking", &text))?;
        }
        if let Some(text) = description.pap {
            self.pap = text.parse().map_err(|_| read("PAP marking", &text))?;
        }
        if let Some(text) = description.kind {
            self.kind = Some(text.parse().map_err(|_| read("kind of indicator", &text))?);
        }
        self.format = description.format.or(self.format);
        self.decay_days = description.decay_days.or(self.decay_days);
        if let Some(private) = description.accept_private {
            self.refusals.private = !private;
        }
        if let Some(documentation) = description.accept_documentation {
            self.refusals.documentation = !documentation;
        }
        self.without_reveal = description.without_reveal.unwrap_or(self.without_reveal);
        for own in description.own {
            match own
                .parse::<IpNet>()
                .or_else(|_| own.parse::<IpAddr>().map(IpNet::from))
            {
                Ok(net) => self.refusals.own_networks.push(net.trunc()),
                Err(_) => {
                    let domain = super::normal::own_domain(&own);
                    let domain = domain.ok_or_else(|| read("network and no domain", &own))?;
                    self.refusals.own_domains.push(domain);
                }
            }
        }
        if let Some(table) = description.table {
            self.table = table.layout()?;
        }
        Ok(self)
    }
}

/// How a table is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLayout {
    /// What stands between cells; none: told from the header.
    pub delimiter: Option<u8>,
    /// What begins a line that is a comment.
    pub comment: Option<u8>,
    /// Whether the first row names the columns.
    pub has_header: bool,
    /// Which column holds what; without it, columns are found by their names in the header.
    pub columns: BTreeMap<Meaning, Column>,
    /// The feed's words for types.
    pub types: BTreeMap<String, IndicatorKind>,
}

impl Default for TableLayout {
    fn default() -> Self {
        Self {
            delimiter: None,
            comment: Some(b'#'),
            has_header: true,
            columns: BTreeMap::new(),
            types: BTreeMap::new(),
        }
    }
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// The indicator itself.
    Value,
    /// What it is.
    Type,
    /// Who says so.
    Source,
    /// How sure they are.
    Confidence,
    /// Who may know.
    Tlp,
    /// What they may do.
    Pap,
    /// Not before.
    ValidFrom,
    /// Not from this time on.
    ValidUntil,
    /// What the source says of it.
    Description,
    /// When it was last seen.
    LastSeen,
    /// Whether it is for detection (MISP).
    ToIds,
}

impl Meaning {
    /// Every meaning.
    pub const ALL: [Self; 11] = [
        Self::Type,
        Self::Value,
        Self::Source,
        Self::Confidence,
        Self::Tlp,
        Self::Pap,
        Self::ValidFrom,
        Self::ValidUntil,
        Self::Description,
        Self::LastSeen,
        Self::ToIds,
    ];

    /// The column's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Value => "value",
            Self::Source => "source",
            Self::Confidence => "confidence",
            Self::Tlp => "tlp",
            Self::Pap => "pap",
            Self::ValidFrom => "valid_from",
            Self::ValidUntil => "valid_until",
            Self::Description => "description",
            Self::LastSeen => "last_seen",
            Self::ToIds => "to_ids",
        }
    }

    /// What a header's name means: our word, or that of a common feed.
    pub(super) fn of(name: &str) -> Option<Self> {
        let name = name.trim().trim_matches('"').to_ascii_lowercase();
        let own = Self::ALL.into_iter().find(|meaning| meaning.as_str() == name);
        own.or(match name.as_str() {
            "indicator" | "ioc" | "ioc_value" => Some(Self::Value),
            "indicator_type" | "ioc_type" => Some(Self::Type),
            "first_seen" | "first_seen_utc" => Some(Self::ValidFrom),
            "last_seen_utc" => Some(Self::LastSeen),
            "comment" => Some(Self::Description),
            "confidence_level" => Some(Self::Confidence),
            _ => None,
        })
    }
}

/// Which column is meant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// Its number, from 1.
    Number(usize),
    /// Its name in the header.
    Name(String),
}

/// A feed's description, as its YAML file says it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedDescription {
    source: Option<String>,
    confidence: Option<String>,
    tlp: Option<String>,
    pap: Option<String>,
    kind: Option<String>,
    format: Option<FeedFormat>,
    decay_days: Option<u32>,
    accept_private: Option<bool>,
    accept_documentation: Option<bool>,
    without_reveal: Option<bool>,
    own: Vec<String>,
    table: Option<TableDescription>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TableDescription {
    delimiter: Option<String>,
    comment: Option<String>,
    header: Option<bool>,
    columns: BTreeMap<Meaning, Column>,
    types: BTreeMap<String, String>,
}

impl FeedDescription {
    /// Reads the YAML of a description.
    ///
    /// # Errors
    /// If it is none: what is wrong, with its line.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().to_owned()
        })
    }
}

impl TableDescription {
    fn layout(self) -> Result<TableLayout, String> {
        let one_byte = |what: &str, text: Option<&str>| match text.map(str::as_bytes) {
            None | Some([]) => Ok(None),
            Some([byte]) => Ok(Some(*byte)),
            Some(_) if text == Some("\\t") => Ok(Some(b'\t')),
            Some(_) => Err(format!("`{what}` is one ASCII character")),
        };
        let kind = |(word, kind): (String, String)| {
            let read = kind
                .parse()
                .map_err(|_| format!("`{kind}` is no kind of indicator"))?;
            Ok((word.to_lowercase(), read))
        };
        let has_header = self.header.unwrap_or(true);
        let named = self
            .columns
            .values()
            .any(|column| matches!(column, Column::Name(_)));
        if !has_header && named {
            return Err("without a header, columns are given by number, from 1".to_owned());
        }
        if self.columns.values().any(|column| *column == Column::Number(0)) {
            return Err("columns are counted from 1".to_owned());
        }
        if !self.columns.contains_key(&Meaning::Value) && (!has_header || !self.columns.is_empty()) {
            return Err("`columns` does not say which one is the `value`".to_owned());
        }
        Ok(TableLayout {
            delimiter: one_byte("delimiter", self.delimiter.as_deref())?,
            comment: match self.comment.as_deref() {
                None => Some(b'#'),
                text => one_byte("comment", text)?,
            },
            has_header,
            columns: self.columns,
            types: self.types.into_iter().map(kind).collect::<Result<_, String>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FeedOptions, String> {
        FeedOptions::new("file").described(FeedDescription::read(text)?)
    }

    #[test]
    fn a_description_is_read_over_what_holds_else() {
        let options = read(
            "source: lab\nconfidence: high\ntlp: TLP:AMBER+STRICT\npap: amber\nkind: url\nformat: csv\n\
             decay_days: 30\naccept_documentation: false\nown: [own.example, Bokmål.example, 192.0.2.7, 2001:db8:1::/48]\n\
             table: { delimiter: ';', comment: '', header: false, columns: { value: 2, type: 1 }, types: { C2: ip } }\n",
        )
        .expect("it is read");
        assert_eq!(
            (
                options.source.as_str(),
                options.confidence,
                options.tlp,
                options.pap
            ),
            ("lab", Confidence::High, Tlp::AmberStrict, Pap::Amber)
        );
        assert_eq!(
            (options.kind, options.format),
            (Some(IndicatorKind::Url), Some(FeedFormat::Csv))
        );
        assert!(options.refusals.documentation && options.refusals.private);
        assert_eq!(
            options.refusals.own_domains,
            ["own.example", "xn--bokml-pra.example"]
        );
        assert_eq!(options.refusals.own_networks.len(), 2);
        assert_eq!(
            (options.table.delimiter, options.table.comment),
            (Some(b';'), None)
        );
        assert_eq!(options.table.types["c2"], IndicatorKind::Address);
    }

    #[test]
    fn a_wrong_description_says_what_is_wrong() {
        for (text, part) in [
            ("sourc: lab\n", "sourc"),
            ("tlp: purple\n", "`purple` is no TLP marking"),
            ("kind: folder\n", "`folder` is no kind"),
            ("own: ['no such thing']\n", "no network and no domain"),
            (
                "table: { header: false, columns: { value: name } }\n",
                "by number",
            ),
            ("table: { columns: { type: 1 } }\n", "`value`"),
            ("table: { columns: { value: 0 } }\n", "from 1"),
            ("table: { delimiter: ';;' }\n", "one ASCII character"),
            ("table: { types: { c2: folder } }\n", "`folder`"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
