//! MISP events: <https://www.misp-standard.org/rfc/misp-standard-core.html>. One event, an array of events, or what
//! MISP's REST interface answers (`response` with events or with attributes).
//!
//! `to_ids` is honoured. Markings come from tags: those of the attribute, else of the object's event; of several the
//! strictest counts. What an attribute's type means here is in `misp/types.rs`.

mod tags;
mod types;

use std::borrow::Cow;

use detect_alert::IndicatorKind;
use ingest_event::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::{
    tags::{Marking, Tag},
    types::{Meaning, meaning},
};
use super::{
    document,
    intake::{At, Details, Intake, Spot},
    normal::refused,
    report::Reason,
    table,
};

/// The kinds of indicators that attributes of a type become.
pub(crate) fn misp_kinds(attribute: &str) -> Vec<IndicatorKind> {
    let formless = [IndicatorKind::Address, IndicatorKind::Cidr];
    let kinds = |kind: Option<IndicatorKind>| kind.map_or(formless.to_vec(), |kind| vec![kind]);
    match meaning(attribute) {
        Meaning::One(kind) => kinds(kind),
        Meaning::Both(first, second) => kinds(first).into_iter().chain(kinds(second)).collect(),
        Meaning::Second(kind) => vec![kind],
        Meaning::None | Meaning::OtherLanguage | Meaning::Unknown => Vec::new(),
    }
}

/// Reads a whole document.
pub(super) fn read(text: &str, intake: &mut Intake<'_>) {
    if text.trim_start().starts_with('[') {
        return events(text, intake);
    }
    match serde_json::from_str::<Document<'_>>(text) {
        Ok(document) => {
            if let Some(raw) = document.event {
                event(raw.get(), intake);
            }
            match document.response.map(RawValue::get) {
                Some(array) if array.starts_with('[') => events(array, intake),
                Some(object) => match serde_json::from_str::<Document<'_>>(object) {
                    Ok(inner) => inner.without_event(intake),
                    Err(error) => broken("response", &error, intake),
                },
                None => document.without_event(intake),
            }
        }
        Err(error) => broken("the document", &error, intake),
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, rename = "Event")]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow, rename = "Attribute")]
    attributes: Option<&'a RawValue>,
}

impl Document<'_> {
    /// Attributes that stand outside an event, as a search for attributes answers.
    fn without_event(&self, intake: &mut Intake<'_>) {
        if let Some(array) = self.attributes {
            attributes(array.get(), &Event::default(), &Marking::default(), intake);
        }
    }
}

#[derive(Default, Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    uuid: Cow<'a, str>,
    #[serde(borrow, default)]
    info: Cow<'a, str>,
    #[serde(borrow, default, rename = "Tag")]
    tags: Vec<Tag<'a>>,
    #[serde(borrow, rename = "Attribute")]
    attributes: Option<&'a RawValue>,
    #[serde(borrow, rename = "Object")]
    objects: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    uuid: Cow<'a, str>,
    #[serde(default)]
    deleted: Flag,
    #[serde(borrow, rename = "Attribute")]
    attributes: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Attribute<'a> {
    #[serde(borrow, default)]
    uuid: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(default)]
    to_ids: Flag,
    #[serde(default)]
    deleted: Flag,
    #[serde(borrow, default)]
    comment: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    first_seen: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    last_seen: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "Tag")]
    tags: Vec<Tag<'a>>,
}

/// `true`, `1` or `"1"`: MISP's versions differ.
#[derive(Clone, Copy, Default)]
struct Flag(bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(matches!(raw.get(), "true" | "1" | "\"1\"" | "\"true\"")))
    }
}

/// An array whose elements are events, each perhaps inside an object with the one member `Event`.
fn events(array: &str, intake: &mut Intake<'_>) {
    let result = document::for_each(array, |element| {
        match serde_json::from_str::<Document<'_>>(element) {
            Ok(Document { event: Some(raw), .. }) => event(raw.get(), intake),
            Ok(_) => event(element, intake),
            Err(error) => broken("an event", &error, intake),
        }
    });
    if let Err(error) = result {
        broken("the array of events", &error, intake);
    }
}

fn event(text: &str, intake: &mut Intake<'_>) {
    let event: Event<'_> = match serde_json::from_str(text) {
        Ok(event) => event,
        Err(error) => return broken("an event", &error, intake),
    };
    let marking = tags::read(&event.tags);
    if let Some(array) = event.attributes {
        attributes(array.get(), &event, &marking, intake);
    }
    let Some(array) = event.objects else { return };
    let result = document::for_each(array.get(), |element| {
        match serde_json::from_str::<Object<'_>>(element) {
            Ok(object) if object.deleted.0 => {
                let spot = Spot {
                    at: At::Object(&object.uuid),
                    piece: &"",
                };
                intake.tell(
                    Reason::Revoked,
                    spot,
                    || "the object is deleted".to_owned(),
                    "none needed",
                );
            }
            Ok(object) => {
                if let Some(array) = object.attributes {
                    attributes(array.get(), &event, &marking, intake);
                }
            }
            Err(error) => broken(&event.uuid, &error, intake),
        }
    });
    if let Err(error) = result {
        broken(&event.uuid, &error, intake);
    }
}

fn attributes(array: &str, event: &Event<'_>, marking: &Marking, intake: &mut Intake<'_>) {
    let result = document::for_each(array, |element| match serde_json::from_str(element) {
        Ok(one) => attribute(&one, event, marking, intake),
        Err(error) => broken(&event.uuid, &error, intake),
    });
    if let Err(error) = result {
        broken(&event.uuid, &error, intake);
    }
}

fn attribute(attribute: &Attribute<'_>, event: &Event<'_>, marking: &Marking, intake: &mut Intake<'_>) {
    let piece = format!("{} {}", attribute.kind, attribute.value);
    let id = if attribute.uuid.is_empty() {
        &event.uuid
    } else {
        &attribute.uuid
    };
    let spot = Spot {
        at: At::Object(id),
        piece: &piece,
    };
    if attribute.deleted.0 {
        return intake.tell(
            Reason::Revoked,
            spot,
            || "it is deleted".to_owned(),
            "none needed",
        );
    }
    if !attribute.to_ids.0 {
        let detail = || "`to_ids` is not set".to_owned();
        return intake.tell(Reason::NotForDetection, spot, detail, "none needed");
    }
    let own = tags::read(&attribute.tags);
    let comment = attribute.comment.as_deref().unwrap_or_default();
    let description = match (event.info.trim(), comment.trim()) {
        (info, "") => info.to_owned(),
        ("", comment) => comment.to_owned(),
        (info, comment) => format!("{info}: {comment}"),
    };
    let times = (|| {
        Ok::<_, super::normal::Refused>((
            attribute.first_seen.as_deref().map(table::time).transpose()?,
            attribute.last_seen.as_deref().map(table::time).transpose()?,
        ))
    })();
    let (first_seen, last_seen) = match times {
        Ok(times) => times,
        Err(refused) => return intake.refuse(refused, spot),
    };
    let details = Details {
        kind: None,
        source: None,
        confidence: own.confidence.or(marking.confidence),
        tlp: own.tlp.or(marking.tlp),
        pap: own.pap.or(marking.pap),
        valid_from: first_seen,
        valid_until: None,
        last_seen: last_seen.or_else(|| attribute.timestamp.and_then(seconds)),
        description: &description,
    };
    offer(attribute, &details, spot, intake);
}

/// Takes what the attribute's type says of its value.
fn offer(attribute: &Attribute<'_>, details: &Details<'_>, spot: Spot<'_>, intake: &mut Intake<'_>) {
    let value = attribute.value.as_ref();
    let two = || value.split_once('|').unwrap_or((value, ""));
    match meaning(&attribute.kind) {
        Meaning::One(kind) => {
            intake.offer(value, &Details { kind, ..*details }, spot);
        }
        Meaning::Both(first, second) => {
            let (one, other) = two();
            intake.offer(
                one,
                &Details {
                    kind: first,
                    ..*details
                },
                spot,
            );
            intake.offer(
                other,
                &Details {
                    kind: second,
                    ..*details
                },
                spot,
            );
        }
        Meaning::Second(kind) => {
            let (name, hash) = two();
            let is_taken = intake.offer(
                hash,
                &Details {
                    kind: Some(kind),
                    ..*details
                },
                spot,
            );
            if is_taken && !name.is_empty() {
                let detail = || format!("only the {kind} counts, whatever the file's name");
                let mend = "write a Sigma rule if both are meant";
                intake.tell(Reason::PartDropped, spot, detail, mend);
            }
        }
        Meaning::None => {
            let detail = || format!("no field of an event holds a `{}`", attribute.kind);
            let mend = "write a Sigma rule if a log has it";
            intake.tell(Reason::OtherObservable, spot, detail, mend);
        }
        Meaning::OtherLanguage => {
            let detail = || format!("a `{}` rule is for another engine", attribute.kind);
            intake.tell(Reason::OtherLanguage, spot, detail, "load it there");
        }
        Meaning::Unknown => {
            let detail = format!("`{}` is no known type of attribute", attribute.kind);
            intake.refuse(refused(Reason::UnknownType, &detail, "correct the type"), spot);
        }
    }
}

/// Seconds since 1970, as a number or a text.
fn seconds(raw: &RawValue) -> Option<Timestamp> {
    let seconds: i64 = raw.get().trim_matches('"').parse().ok()?;
    (0 < seconds)
        .then(|| seconds.checked_mul(1000))
        .flatten()
        .map(Timestamp::from_millis)
}

fn broken(id: &str, error: &serde_json::Error, intake: &mut Intake<'_>) {
    let spot = Spot {
        at: At::Object(id),
        piece: &"",
    };
    let refusal = refused(
        Reason::BadDocument,
        &error.to_string(),
        "ask the feed's publisher",
    );
    intake.refuse(refusal, spot);
}

#[cfg(test)]
mod tests;
