//! What one event brings to one rule about several events: small, self-contained, and fit to travel.
//!
//! Made where an event is scanned ([`super::extract`]), put in order of time ([`super::order`]), taken by the state
//! of its group. One that has to be held together with events of other partitions travels as a signal (D7).

use std::{ops::Deref, sync::Arc};

use detect_alert::{EventSample, Tlp};
use ingest_event::{
    Event, EventId, Fields, Marking, OrganizationNumber, SensorId, Timestamp, Value, Zone, codec::flatten,
};
use serde::{Deserialize, Serialize};

use super::track::Identity;

/// One value longer than this is cut: names of hosts and users are shorter, and every byte is held for every group.
pub(crate) const VALUE_BYTES_MAX: usize = 512;

/// In front of a key: whether it is an exercise, and whose it is.
const WHOSE_BYTES: usize = 1 + 9;

/// Of a group's key, whose it is: the digits of the organisation, zeros where groups are of all.
pub(crate) fn whose(key: &[u8]) -> &[u8] {
    key.get(1..WHOSE_BYTES).unwrap_or_default()
}

/// At most this many values of one list count.
pub(crate) const VALUES_MAX: usize = 64;

/// Of the event, what every observation of it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The time it has its place by, in nanoseconds: its end where it says one (a flow), else its time.
    pub(crate) at: i64,
    /// Its own time, in nanoseconds.
    pub(crate) began: i64,
    pub(crate) id: EventId,
    /// Written as if its fields were here.
    pub(crate) whence: Arc<Whence>,
}

/// What an event has in common with many others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Whence {
    pub(crate) organization: OrganizationNumber,
    pub(crate) sensor: SensorId,
    pub(crate) dataset: Arc<str>,
    pub(crate) zone: Zone,
    pub(crate) marking: Marking,
    /// Who may know of what matched; clear but where an indicator matched.
    pub(crate) tlp: Tlp,
    pub(crate) exercise: bool,
}

impl Deref for Head {
    type Target = Whence;

    fn deref(&self) -> &Whence {
        &self.whence
    }
}

impl Head {
    /// What is put together with something stricter is as strict.
    pub(crate) fn restrict(&mut self, (marking, tlp): (Marking, Tlp)) {
        if self.whence.marking < marking || self.whence.tlp < tlp {
            let whence = Arc::make_mut(&mut self.whence);
            whence.marking = whence.marking.max(marking);
            whence.tlp = whence.tlp.max(tlp);
        }
    }
}

/// An event that an alert may show. The fields are kept as JSON: compact, and the same after a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) at: i64,
    pub(crate) id: EventId,
    pub(crate) dataset: Arc<str>,
    pub(crate) marking: Marking,
    pub(crate) fields: Box<str>,
}

/// What one event brings to one rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observation {
    /// The rule's number in the ruleset, see [`super::track::Tracks`].
    pub(crate) track: u32,
    /// Which of its bases matched.
    pub(crate) base: u16,
    pub(crate) head: Arc<Head>,
    /// The group and the first value; see [`Text`].
    pub(crate) text: Text,
    /// What is measured; NaN where nothing is.
    pub(crate) numbers: [f64; 2],
    /// The event, for rules whose alerts show events as a whole.
    pub(crate) sample: Option<Arc<Sample>>,
    /// What it stands for besides, if it is many in one: its numbers are sums then.
    pub(crate) merged: Option<Arc<Merged>>,
}

/// What was put together, see [`super::gather`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Merged {
    /// Events.
    pub(crate) count: u64,
    /// Hashes of the different values.
    pub(crate) hashes: Vec<u64>,
}

/// The group's values, each behind its length, then the value that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    key: u16,
}

/// An observation as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) identity: Identity,
    base: u16,
    head: Head,
    is_national: bool,
    group: Vec<String>,
    value: String,
    numbers: [f64; 2],
    sample: Option<Sample>,
    merged: Option<Merged>,
}

impl Text {
    /// Empty again. Groups are of one organisation, or of none where many are held together, and exercises apart.
    pub(crate) fn begin(&mut self, organization: Option<OrganizationNumber>, exercise: bool) {
        self.bytes.clear();
        self.bytes.push(u8::from(exercise));
        let digits = organization.map_or([0; 9], |organization| organization.digits());
        self.bytes.extend_from_slice(&digits);
        self.key = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
    }

    /// Adds a value of the group.
    pub(crate) fn push_group(&mut self, value: &str) {
        let value = cut(value);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value.as_bytes());
        self.key = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
    }

    /// Sets the value, when the group is complete.
    pub(crate) fn set_value(&mut self, value: &str) {
        self.bytes.truncate(usize::from(self.key));
        self.bytes.extend_from_slice(cut(value).as_bytes());
    }

    /// All bytes, and how many of them are the key.
    pub(crate) fn parts(&self) -> (&[u8], u16) {
        (&self.bytes, self.key)
    }

    /// As [`Text::parts`] gave it.
    pub(crate) fn set(&mut self, bytes: &[u8], key: u16) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.key = key;
    }

    /// The group, as bytes that are its alone.
    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.key)).unwrap_or_default()
    }

    /// The value.
    pub(crate) fn value(&self) -> &str {
        let bytes = self.bytes.get(usize::from(self.key)..).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Whether groups are held together over all organisations.
    fn is_national(&self) -> bool {
        self.bytes
            .get(1..WHOSE_BYTES)
            .is_some_and(|digits| digits == [0; 9])
    }

    /// The group's values.
    pub(crate) fn group(&self) -> Vec<String> {
        group_of(self.key())
    }
}

/// The values in a key that [`Text::push_group`] made.
pub(crate) fn group_of(key: &[u8]) -> Vec<String> {
    let mut key = key.get(WHOSE_BYTES..).unwrap_or_default();
    let mut group = Vec::new();
    while let Some((length, rest)) = key.split_first_chunk::<2>()
        && let Some((value, rest)) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
    {
        group.push(String::from_utf8_lossy(value).into_owned());
        key = rest;
    }
    group
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

fn cut(value: &str) -> &str {
    value
        .get(..value.floor_char_boundary(VALUE_BYTES_MAX))
        .unwrap_or(value)
}

impl Sample {
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            at: event.timestamp.as_nanos(),
            id: event.id.clone(),
            dataset: Arc::from(event.dataset.as_str()),
            marking: event.marking,
            fields: serde_json::to_string(&event.fields).unwrap_or_default().into(),
        }
    }

    pub(crate) fn shown(&self) -> EventSample {
        EventSample {
            id: self.id.clone(),
            timestamp: Timestamp::from_nanos(self.at),
            dataset: self.dataset.to_string(),
            fields: flatten(self.fields.as_bytes()).unwrap_or_else(|_| Fields::new()),
        }
    }
}

impl Observation {
    /// The event as far as it is known here: the group and what was counted or measured.
    pub(crate) fn shown(&self, group_by: &[String], fields: &[String]) -> EventSample {
        let mut shown = Fields::new();
        for (name, value) in group_by.iter().zip(self.text.group()) {
            shown.set(name.clone(), Value::String(value));
        }
        let value = self.text.value();
        for (name, number) in fields.iter().zip(self.numbers) {
            if number.is_nan() {
                shown.set(name.clone(), Value::String(value.to_owned()));
            } else {
                shown.set(
                    name.clone(),
                    whole(number).map_or(Value::Float(number), Value::Integer),
                );
            }
        }
        EventSample {
            id: self.head.id.clone(),
            timestamp: Timestamp::from_nanos(self.head.began),
            dataset: self.head.dataset.to_string(),
            fields: shown,
        }
    }

    /// As it is written down; the rule goes by what it is, not by its number.
    pub(crate) fn write(&self, identity: Identity) -> Written {
        Written {
            identity,
            base: self.base,
            head: Head::clone(&self.head),
            is_national: self.text.is_national(),
            group: self.text.group(),
            value: self.text.value().to_owned(),
            numbers: self.numbers,
            sample: self.sample.as_deref().cloned(),
            merged: self.merged.as_deref().cloned(),
        }
    }
}

impl Written {
    pub(crate) const fn at(&self) -> i64 {
        self.head.at
    }

    pub(crate) fn organization(&self) -> OrganizationNumber {
        self.head.organization
    }

    /// With the number that its rule has now.
    pub(crate) fn read(self, track: u32) -> Observation {
        let mut text = Text::default();
        let organization = (!self.is_national).then_some(self.head.organization);
        text.begin(organization, self.head.exercise);
        for value in &self.group {
            text.push_group(value);
        }
        text.set_value(&self.value);
        Observation {
            track,
            base: self.base,
            head: Arc::new(self.head),
            text,
            numbers: self.numbers,
            sample: self.sample.map(Arc::new),
            merged: self.merged.map(Arc::new),
        }
    }
}
