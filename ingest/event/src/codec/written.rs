//! The fields of an event in our own wire form, cut out and not read: for those that may be shown, of which few are.

use std::str::FromStr;

use super::SCHEMA_VERSION;
use crate::{EventId, Marking, OrganizationNumber, Purpose, SensorId, Timestamp, Zone, field};

/// Whether a value, as it is spelled, is one of a kind.
type Check = fn(&str) -> bool;

/// The envelope as [`super::encode`] writes it, and whether a text is such a value.
const ENVELOPE: [(&str, Check); 12] = [
    (field::TIMESTAMP, is_text::<Timestamp>),
    (field::EVENT_CREATED, is_text::<Timestamp>),
    (field::EVENT_DATASET, is_text::<String>),
    (field::EVENT_ID, is_text::<EventId>),
    (field::EVENT_SEQUENCE, |value| value.parse::<u64>().is_ok()),
    (field::OBSERVER_NAME, is_text::<SensorId>),
    (field::ORGANIZATION_ID, is_text::<OrganizationNumber>),
    (field::VARDE_EXERCISE, |value| matches!(value, "true" | "false")),
    (field::VARDE_MARKING, is_text::<Marking>),
    (field::VARDE_PURPOSE, is_text::<Purpose>),
    (field::VARDE_SCHEMA, |value| {
        value
            .parse::<i64>()
            .is_ok_and(|version| version <= SCHEMA_VERSION)
    }),
    (field::VARDE_ZONE, is_text::<Zone>),
];

fn is_text<T: FromStr>(value: &str) -> bool {
    let inner = value.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.is_some_and(|text| text.parse::<T>().is_ok())
}

/// The fields behind the envelope as a JSON object, if `payload` is valid JSON that [`super::encode`] could have written:
/// then it is what serialising the decoded event's fields gives. `None` for all other forms, and where it is not sure
/// without reading them (escapes, objects); such a payload is decoded instead.
#[must_use]
pub fn written_fields(payload: &str) -> Option<String> {
    if payload.contains('\\') {
        return None;
    }
    let mut rest = payload.strip_prefix('{')?;
    for (at, (name, is_valid)) in ENVELOPE.iter().enumerate() {
        if 0 < at {
            rest = rest.strip_prefix(',')?;
        }
        let (found, value, after) = member(rest)?;
        if found != *name || !is_valid(value) {
            return None;
        }
        rest = after;
    }
    if rest == "}" {
        return Some("{}".to_owned());
    }
    let fields = rest.strip_prefix(',')?;
    let mut last = "";
    rest = fields;
    loop {
        let (name, _, after) = member(rest)?;
        // In order, each once, and none of the envelope's.
        if name <= last || ENVELOPE.iter().any(|(own, _)| *own == name) {
            return None;
        }
        last = name;
        if after == "}" {
            return Some(format!("{{{fields}"));
        }
        rest = after.strip_prefix(',')?;
    }
}

/// The member that a text begins with: its name, its value and what follows.
fn member(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.strip_prefix('"')?.split_once('"')?;
    let rest = rest.strip_prefix(':')?;
    let length = match rest.as_bytes().first()? {
        b'"' => 2 + rest.get(1..)?.find('"')?,
        b'[' => list_end(rest)?,
        b'{' | b' ' | b'\t' | b'\n' | b'\r' => return None,
        _ => rest.find([',', '}'])?,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((name, value, rest))
}

/// Where a list of plain values ends.
fn list_end(text: &str) -> Option<usize> {
    let mut is_inside = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' => is_inside = !is_inside,
            b']' if !is_inside => return Some(at + 1),
            b'[' | b'{' | b' ' if !is_inside => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::{Defaults, OrganizationNumber, SensorId, decode};

    use super::written_fields;

    const ENVELOPE: &str = r#"{"@timestamp":"2026-03-02T08:00:00.000000000Z","event.created":"2026-03-02T08:00:00.000000000Z","event.dataset":"network.flow","event.id":"7","event.sequence":3,"observer.name":"s","organization.id":"840029212","varde.exercise":false,"varde.marking":"unmarked","varde.purpose":"training","varde.schema":1,"varde.zone":"school""#;

    #[test]
    fn what_is_cut_out_is_what_decoding_gives() {
        let defaults = Defaults {
            organization: OrganizationNumber::parse("840029212").expect("valid"),
            sensor: SensorId::parse("other").expect("valid"),
        };
        for (more, is_cut) in [
            ("}", true),
            (r#","a":1,"b":"æ {}[],:","c":true,"d":null,"e":-1.5}"#, true),
            (r#","destination.ip":"2001:db8::1","source.ip":"10.0.0.1"}"#, true),
            (r#","a":["x,]","y"],"b":[1,2]}"#, true),
            (r#","b":1,"a":2}"#, false),
            (r#","a":1,"a":2}"#, false),
            (r#","a":"\n"}"#, false),
            (r#","a":{"b":1}}"#, false),
            (r#","a":[{"b":1}]}"#, false),
            (r#","a": 1}"#, false),
            (r#","varde.zone":"school"}"#, false),
            (r#","event.id":"8"}"#, false),
        ] {
            let payload = format!("{ENVELOPE}{more}");
            let cut = written_fields(&payload);
            assert_eq!(cut.is_some(), is_cut, "{more}");
            if let Some(cut) = cut {
                let event = decode(payload.as_bytes(), &defaults).expect("an event");
                assert_eq!(
                    cut,
                    serde_json::to_string(&event.fields).expect("fields"),
                    "{more}"
                );
            }
        }
        for (from, to) in [
            ("network.flow\",", "network.flow\", "),
            ("840029212", "840029213"),
            ("\"event.sequence\":3", "\"event.sequence\":-3"),
            ("\"varde.schema\":1", "\"varde.schema\":2"),
            ("training", "sport"),
            ("\"varde.exercise\":false,", ""),
        ] {
            let payload = format!("{ENVELOPE}}}").replacen(from, to, 1);
            assert_eq!(written_fields(&payload), None, "{to}");
        }
    }
}
