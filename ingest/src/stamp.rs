//! Puts sensor, organisation, id and sequence number on what was seen: a [`Draft`] becomes an [`Event`].
//!
//! Pure, and the same code for the sensor and for `varde replay`. An id is derived from what the event is and where it
//! stood, so that reading the same input again makes the same id (D5).

use ingest_event::{
    Event, EventId, KeptRecord, Marking, OrganizationNumber, Purpose, QuarantineRecord, SensorId, Timestamp,
    Value, Zone, field,
};

use std::borrow::Cow;

use crate::record::{Draft, Refusal};

/// What a sensor puts on all its events.
#[derive(Clone, Debug)]
pub struct SensorContext {
    /// The sensor.
    pub sensor: SensorId,
    /// Whose network it is in.
    pub organization: OrganizationNumber,
    /// In which part of it.
    pub zone: Zone,
    /// How its records are protected.
    pub marking: Marking,
    /// What it collects for.
    pub purpose: Purpose,
    /// Whether it takes part in an exercise.
    pub exercise: bool,
    /// Whether events that come with an envelope of their own keep it.
    pub envelope: EnvelopeTrust,
}

/// What is done with an envelope that an input brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeTrust {
    /// The sensor's own holds: who can write to a log must not choose ids or organisations. The id that an event
    /// brought is kept as `varde.original_id`.
    Own,
    /// What the event says holds, as far as it can be read: for replaying events that a sensor once stamped.
    AsWritten,
}

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIdentity {
    /// As a person knows it: a file as named, `udp:0.0.0.0:514`.
    pub name: String,
    /// Names the content, whatever it is called; goes into the ids.
    pub content: Vec<u8>,
    /// What [`locate`] puts into `log.file.path`; `None` for what is no file.
    pub path: Option<String>,
}

/// Says where a draft comes from, if it does not say so itself: before what may leave is decided, for a path may tell.
pub fn locate(draft: &mut Draft, source: &SourceIdentity) {
    if draft.fields.get(field::LOG_FILE_PATH).is_none() {
        draft.fields.set_some(field::LOG_FILE_PATH, source.path.clone());
    }
}

/// Makes the event.
#[must_use]
pub fn stamp(
    context: &SensorContext,
    source: &SourceIdentity,
    draft: Draft,
    sequence: u64,
    observed: Timestamp,
) -> Event {
    let Draft {
        timestamp,
        dataset,
        trusted: _,
        mut fields,
        position,
        ordinal,
    } = draft;
    // The fields take part, so that two files that begin alike do not share ids; what the file is called does not.
    let said = fields.digest_without(field::LOG_FILE_PATH);
    let id = EventId::derive(&[
        context.sensor.as_str().as_bytes(),
        &source.content,
        &position.to_le_bytes(),
        &ordinal.to_le_bytes(),
        &timestamp.as_nanos().to_le_bytes(),
        &said,
    ]);
    let mut event = Event {
        id,
        sensor: context.sensor.clone(),
        organization: context.organization,
        sequence,
        timestamp,
        observed,
        dataset: dataset.into_owned(),
        zone: context.zone,
        marking: context.marking,
        purpose: context.purpose,
        exercise: context.exercise,
        fields: ingest_event::Fields::new(),
    };
    let is_bare = !fields.iter().any(|(name, _)| field::is_envelope(name));
    for name in field::ENVELOPE.into_iter().filter(|_| !is_bare) {
        if let Some(value) = fields.remove(name) {
            match context.envelope {
                EnvelopeTrust::AsWritten => believe(&mut event, name, &value),
                EnvelopeTrust::Own if name == field::EVENT_ID => fields.set("varde.original_id", value),
                EnvelopeTrust::Own => {}
            }
        }
    }
    event.fields = fields;
    event
}

/// Takes over one envelope field; what can't be read is left as the sensor has it.
fn believe(event: &mut Event, name: &str, value: &Value) {
    fn read<T: std::str::FromStr>(into: &mut T, value: &Value) {
        if let Ok(read) = value.to_string().parse() {
            *into = read;
        }
    }
    match name {
        field::EVENT_ID => read(&mut event.id, value),
        field::EVENT_CREATED => read(&mut event.observed, value),
        field::EVENT_SEQUENCE => read(&mut event.sequence, value),
        field::OBSERVER_NAME => read(&mut event.sensor, value),
        field::ORGANIZATION_ID => read(&mut event.organization, value),
        field::VARDE_EXERCISE => read(&mut event.exercise, value),
        field::VARDE_MARKING => read(&mut event.marking, value),
        field::VARDE_PURPOSE => read(&mut event.purpose, value),
        field::VARDE_ZONE => read(&mut event.zone, value),
        // Time and dataset are in the draft; the schema is ours.
        _ => {}
    }
}

/// What becomes of something refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAside {
    /// Leaves the building: that it was refused, why and where, and nothing of what it said.
    pub told: QuarantineRecord,
    /// Stays, for whoever is on site to look at.
    pub kept: KeptRecord,
}

/// Makes the records of something refused. Their id is derived like an event's, so that the same thing put aside twice is
/// one. `key` is the site's: without it nobody can try out what the input was.
#[must_use]
pub fn put_aside(
    context: &SensorContext,
    source: &SourceIdentity,
    refusal: Refusal,
    observed: Timestamp,
    key: &[u8; 32],
) -> PutAside {
    let Refusal {
        reason,
        detail,
        position,
        raw,
        raw_bytes,
    } = refusal;
    let digest = blake3::keyed_hash(key, &raw).to_hex().as_str().to_owned();
    let (told, whole) = match detail {
        Cow::Borrowed(ours) => (ours, ours.to_owned()),
        Cow::Owned(quotes) => (reason.meaning(), quotes),
    };
    let told = QuarantineRecord {
        id: EventId::derive(&[
            context.sensor.as_str().as_bytes(),
            &source.content,
            &position.to_le_bytes(),
            reason.as_str().as_bytes(),
            digest.as_bytes(),
        ]),
        reason,
        detail: told.to_owned(),
        organization: Some(context.organization),
        sensor: Some(context.sensor.clone()),
        source: source.name.clone(),
        position,
        observed,
        length: raw_bytes,
        digest,
    };
    let kept = KeptRecord {
        record: QuarantineRecord {
            detail: whole,
            ..told.clone()
        },
        raw: String::from_utf8_lossy(&raw).into_owned(),
    };
    PutAside { told, kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(envelope: EnvelopeTrust, path: &str, position: u64) -> Event {
        let context = SensorContext {
            sensor: SensorId::parse("sensor-1").expect("an id"),
            organization: OrganizationNumber::parse("964965226").expect("a number"),
            zone: Zone::Health,
            marking: Marking::Unmarked,
            purpose: Purpose::SecurityMonitoring,
            exercise: false,
            envelope,
        };
        let mut fields = ingest_event::Fields::new();
        fields.set(field::EVENT_ID, "abc");
        fields.set(field::ORGANIZATION_ID, "958935420");
        fields.set(field::VARDE_ZONE, "no such zone");
        fields.set("source.ip", "2001:db8::1");
        let mut draft = Draft {
            timestamp: Timestamp::EPOCH,
            dataset: "x.y".into(),
            trusted: None,
            fields,
            position,
            ordinal: 0,
        };
        let source = SourceIdentity {
            name: path.to_owned(),
            content: b"start".to_vec(),
            path: Some(path.to_owned()),
        };
        locate(&mut draft, &source);
        stamp(&context, &source, draft, 7, Timestamp::EPOCH)
    }

    #[test]
    fn the_same_place_gives_the_same_id_whatever_the_file_is_called() {
        let own = |path, position| event(EnvelopeTrust::Own, path, position);
        assert_eq!(own("a", 1).id, own("b", 1).id);
        assert_ne!(own("a", 1).id, own("a", 2).id);
        assert_eq!(own("a", 1).fields.text(field::LOG_FILE_PATH), Some("a"));
    }

    #[test]
    fn an_envelope_that_came_along_is_believed_in_a_replay_only() {
        let own = event(EnvelopeTrust::Own, "a", 1);
        assert_eq!((own.organization.as_str(), own.zone), ("964965226", Zone::Health));
        assert_eq!(own.fields.text("varde.original_id"), Some("abc"));
        let written = event(EnvelopeTrust::AsWritten, "a", 1);
        assert_eq!(
            (written.organization.as_str(), written.id.as_str()),
            ("958935420", "abc")
        );
        assert_eq!(
            written.zone,
            Zone::Health,
            "what can't be read is left as the sensor has it"
        );
        for event in [own, written] {
            assert!(
                field::ENVELOPE
                    .iter()
                    .all(|name| event.fields.get(name).is_none())
            );
        }
    }
}
