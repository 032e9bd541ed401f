//! JSON documents: which format they are, and their objects one by one.
//!
//! A document is read whole, up to a limit; its objects are parsed one at a time from its bytes, so that one that
//! is wrong costs only itself.

use std::io::{self, BufRead, Read};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    intake::{At, Intake, Spot},
    misp,
    normal::refused,
    options::FeedFormat,
    report::Reason,
    stix,
};

/// A larger document is refused. The largest events of public MISP feeds have some tens of megabytes.
pub(super) const DOCUMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Whether text begins as a JSON object, or as an array of objects. `[2001:db8::1]` begins a plain list.
pub(super) fn is_json(head: &str) -> bool {
    let head = head.trim_start_matches('\u{feff}').trim_start();
    match head.strip_prefix('[') {
        Some(rest) => {
            let rest = rest.trim_start();
            rest.is_empty() || rest.starts_with(['{', ']'])
        }
        None => head.starts_with('{'),
    }
}

/// Reads a document of any of the formats.
pub(super) fn read(reader: &mut dyn BufRead, intake: &mut Intake<'_>) -> io::Result<()> {
    let mut bytes = Vec::new();
    reader.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let here = Spot {
        at: At::Line(1),
        piece: &"",
    };
    if DOCUMENT_BYTES_MAX < bytes.len() as u64 {
        let detail = format!("it is larger than {DOCUMENT_BYTES_MAX} bytes");
        intake.refuse(
            refused(Reason::BadDocument, &detail, "split it, or take the feed as CSV"),
            here,
        );
        return Ok(());
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        intake.refuse(
            refused(Reason::NotUtf8, "it is not UTF-8", "convert the file to UTF-8"),
            here,
        );
        return Ok(());
    };
    let text = text.trim_start_matches('\u{feff}');
    let format = intake.options.format.map_or_else(|| told_apart(text), Ok);
    match format {
        Ok(FeedFormat::Misp) => misp::read(text, intake),
        Ok(FeedFormat::Stix) => stix::read(text, intake),
        Ok(FeedFormat::Plain | FeedFormat::Csv) => {
            let mend = "correct `format` in the feed's description";
            intake.refuse(
                refused(
                    Reason::BadDocument,
                    "it is JSON, and neither a list nor a table",
                    mend,
                ),
                here,
            );
        }
        Err(detail) => {
            let mend = "known are MISP events (`Event`, `response`) and STIX 2.1 bundles (`type: bundle`)";
            intake.refuse(refused(Reason::BadDocument, &detail, mend), here);
        }
    }
    Ok(())
}

/// Which format a document is, from the names of its members; else what it is instead.
fn told_apart(text: &str) -> Result<FeedFormat, String> {
    if text.trim_start().starts_with('[') {
        return Ok(FeedFormat::Misp);
    }
    let Shape { members, kind } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let has = |name: &str| members.iter().any(|member| member == name);
    if kind.as_deref() == Some("bundle") || has("objects") {
        Ok(FeedFormat::Stix)
    } else if has("Event") || has("response") || has("Attribute") {
        Ok(FeedFormat::Misp)
    } else if has("list") && has("matching_attributes") {
        Err("it is a warning list, not a feed".to_owned())
    } else {
        Err("it is JSON of no known format".to_owned())
    }
}

/// So many members of the document's object are looked at; a MISP manifest has one for each event.
const MEMBERS_MAX: usize = 64;

struct Shape {
    members: Vec<String>,
    kind: Option<String>,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Shape;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut shape = Shape {
                    members: Vec::new(),
                    kind: None,
                };
                while let Some(name) = map.next_key::<String>()? {
                    if name == "type" {
                        let raw: &RawValue = map.next_value()?;
                        shape.kind = serde_json::from_str(raw.get()).ok();
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                    if shape.members.len() < MEMBERS_MAX {
                        shape.members.push(name);
                    }
                }
                Ok(shape)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Calls `each` with the text of every element of an array.
///
/// # Errors
/// If it is no array, or no JSON.
pub(super) fn for_each<'a>(array: &'a str, each: impl FnMut(&'a str)) -> Result<(), serde_json::Error> {
    struct Elements<F>(F);
    impl<'de, F: FnMut(&'de str)> Visitor<'de> for Elements<F> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
            while let Some(element) = seq.next_element::<&RawValue>()? {
                (self.0)(element.get());
            }
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(array);
    reader.deserialize_seq(Elements(each))?;
    reader.end()
}
