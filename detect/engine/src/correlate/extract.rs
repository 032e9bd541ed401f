//! A scanned event to what it brings to each rule about several events.
//!
//! Reads what the scan has found and decodes nothing: most flows are observed by some rule and shown by none.

use std::sync::Arc;

use detect_models::FlowFeatures;
use ingest_event::{Defaults, Event, EventId, Marking, SensorId, Timestamp, Zone, field};

use super::{
    observation::{Head, Sample, Text, VALUES_MAX},
    packed::{Measured, Packed},
    track::{FlowFields, Source, Tap, Tracks, Wants},
};
use crate::{
    EventView,
    models::{self, Told},
    pattern::read_number,
    record::Kind,
    ruleset::Ruleset,
    sketch::Name,
};

/// Reads observations; what it knows of the last event's sensor and dataset is used again.
#[derive(Debug, Default)]
pub(crate) struct Extractor {
    sensor: Option<SensorId>,
    dataset: Option<Arc<str>>,
    /// As the last event wrote them: they seldom change.
    zone: Option<(Box<str>, Zone)>,
    marking: Option<(Box<str>, Marking)>,
    text: Text,
    values: Vec<String>,
    /// Observations of zones that a rule must not learn from.
    pub(crate) protected: u64,
}

/// What is known of the event that is scanned; made when the first rule asks.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Its number among what is observed.
    head: Option<u32>,
    sample: Option<Arc<Sample>>,
}

/// The event has no envelope that can be read; decoding it says why.
#[derive(Debug)]
pub(crate) struct Undecodable;

impl Extractor {
    /// What a match of this rule brings; `event` is decoded if an alert would show it.
    pub(crate) fn observe(
        &mut self,
        view: &EventView<'_>,
        rule: u32,
        defaults: &Defaults,
        seen: &mut Seen,
        out: &mut Packed,
    ) -> Result<(), Undecodable> {
        let ruleset = view.ruleset;
        for tap in ruleset.tracks.of_rule(rule) {
            let head = match seen.head {
                Some(head) => head,
                None => {
                    let head = out.begin(self.head(view, defaults).ok_or(Undecodable)?);
                    *seen.head.insert(head)
                }
            };
            let zone = out.head(head).map(|head| head.zone);
            if tap.is_per_device && matches!(zone, Some(Zone::School | Zone::Health)) {
                self.protected += 1;
                continue;
            }
            let sample = match (tap.keeps_samples, &seen.sample) {
                (false, _) => None,
                (true, Some(sample)) => Some(Arc::clone(sample)),
                (true, None) => {
                    let event = view.to_event(defaults).map_err(|_| Undecodable)?;
                    let sample = Arc::new(Sample::of(&event));
                    seen.sample = Some(Arc::clone(&sample));
                    Some(sample)
                }
            };
            self.tap(view, tap, head, sample, out);
        }
        Ok(())
    }

    fn tap(
        &mut self,
        view: &EventView<'_>,
        tap: &Tap,
        number: u32,
        sample: Option<Arc<Sample>>,
        out: &mut Packed,
    ) {
        let Some(head) = out.head(number) else {
            return;
        };
        let organization = (!tap.is_national).then_some(head.organization);
        self.text.begin(organization, head.exercise);
        for sources in &tap.group_by {
            let mut is_found = false;
            let text = &mut self.text;
            each(view, sources, head, &mut |value| {
                if !is_found {
                    text.push_group(value);
                }
                is_found = true;
            });
            if !is_found {
                return;
            }
        }
        let mut numbers = [f64::NAN; 2];
        match &tap.wants {
            Wants::Event => {}
            Wants::EachValue => {
                let mut values = std::mem::take(&mut self.values);
                values.clear();
                if let Some(sources) = tap.values.first() {
                    each(view, sources, head, &mut |value| {
                        if values.len() < VALUES_MAX && !values.iter().any(|known| known == value) {
                            values.push(value.to_owned());
                        }
                    });
                }
                for value in &values {
                    self.text.set_value(value);
                    out.put(number, tap.measured(numbers), &self.text, sample.clone());
                }
                self.values = values;
                return;
            }
            Wants::Tuple => {
                let mut tuple = String::new();
                for sources in &tap.values {
                    let Some(value) = first(view, sources, head) else {
                        return;
                    };
                    if !tuple.is_empty() {
                        tuple.push('\u{1f}');
                    }
                    tuple.push_str(&value);
                }
                self.text.set_value(&tuple);
            }
            Wants::Name => {
                let Some(name) = tap.values.first().and_then(|sources| first(view, sources, head)) else {
                    return;
                };
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                if tap.is_split {
                    let Some(split) = Name::split(&name) else {
                        return;
                    };
                    self.text.push_group(split.registered);
                }
                self.text.set_value(&name);
            }
            Wants::JudgedName { models, least } => {
                let name = tap.values.first().and_then(|sources| first(view, sources, head));
                let name = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
                let told = name.as_ref().and_then(|name| {
                    let domain = Name::split(name)?.registered;
                    Some((domain, models.name(name, *least)?))
                });
                let Some((domain, told)) = told else {
                    return;
                };
                numbers = [f64::from(told.score) / 10_000.0, f64::NAN];
                self.text.set_value(&judged(domain, &told));
            }
            Wants::JudgedFlow {
                models,
                least,
                fields,
            } => {
                let Some(told) = models.flow(&flow(view, fields), *least) else {
                    return;
                };
                numbers = [f64::from(told.score) / 10_000.0, f64::NAN];
                self.text.set_value(&judged(head.id.as_str(), &told));
            }
            Wants::Number | Wants::Measures => {
                for (measured, sources) in numbers.iter_mut().zip(&tap.values) {
                    *measured = measure(view, sources, head);
                }
                if matches!(tap.wants, Wants::Number) && numbers.first().is_some_and(|number| number.is_nan())
                {
                    return;
                }
            }
        }
        out.put(number, tap.measured(numbers), &self.text, sample);
    }

    fn head(&mut self, view: &EventView<'_>, defaults: &Defaults) -> Option<Head> {
        let fields = view.ruleset.tracks.head;
        let text = |field| view.record.first_text(field, view.payload);
        let id = match text(fields.id) {
            Some(id) => EventId::parse(id).ok()?,
            None => EventId::derive(&[
                b"foreign",
                defaults.organization.as_str().as_bytes(),
                view.payload(),
            ]),
        };
        let sensor = match text(fields.sensor) {
            None => defaults.sensor.clone(),
            Some(name) => match &self.sensor {
                Some(last) if last.as_str() == name => last.clone(),
                _ => {
                    let sensor = SensorId::parse(name).ok()?;
                    self.sensor = Some(sensor.clone());
                    sensor
                }
            },
        };
        let dataset = text(fields.dataset).unwrap_or("unknown");
        let dataset = match &self.dataset {
            Some(last) if &**last == dataset => Arc::clone(last),
            _ => {
                let dataset: Arc<str> = Arc::from(dataset);
                self.dataset = Some(Arc::clone(&dataset));
                dataset
            }
        };
        let began = view.timestamp().as_nanos();
        let ended = text(fields.end).and_then(|text| text.parse::<Timestamp>().ok());
        let zone = match text(fields.zone) {
            Some(zone) => read(zone, &mut self.zone)?,
            None => Zone::Administration,
        };
        let marking = match text(fields.marking) {
            Some(marking) => read(marking, &mut self.marking)?,
            None => Marking::Unmarked,
        };
        Some(Head {
            at: ended.map_or(began, |ended| ended.as_nanos().max(began)),
            began,
            id,
            organization: defaults.organization,
            sensor,
            dataset,
            zone,
            marking,
            exercise: text(fields.exercise) == Some("true"),
        })
    }
}

/// Reads a code, or knows it from the last event.
fn read<T: std::str::FromStr + Copy>(text: &str, last: &mut Option<(Box<str>, T)>) -> Option<T> {
    if let Some((known, code)) = last
        && **known == *text
    {
        return Some(*code);
    }
    let code = text.parse().ok()?;
    *last = Some((text.into(), code));
    Some(code)
}

/// The observations of a match of an indicator: the group is its kind and value.
pub(crate) fn of_indicator(tracks: &Tracks, event: &Event, kind: &str, value: &str, out: &mut Packed) {
    let takers = tracks.of_indicators();
    if takers.is_empty() {
        return;
    }
    let head = out.begin(Head::of(event));
    let mut text = Text::default();
    text.begin(None, event.exercise);
    text.push_group(kind);
    text.push_group(value);
    for (track, base) in takers {
        let measured = Measured {
            track: *track,
            base: *base,
            numbers: [f64::NAN; 2],
        };
        out.put(head, measured, &text, None);
    }
}

impl Tap {
    const fn measured(&self, numbers: [f64; 2]) -> Measured {
        Measured {
            track: self.track,
            base: self.base,
            numbers,
        }
    }
}

impl Head {
    pub(crate) fn of(event: &Event) -> Self {
        let began = event.timestamp.as_nanos();
        let ended = event
            .fields
            .text(field::EVENT_END)
            .and_then(|text| text.parse::<Timestamp>().ok());
        Self {
            at: ended.map_or(began, |ended| ended.as_nanos().max(began)),
            began,
            id: event.id.clone(),
            organization: event.organization,
            sensor: event.sensor.clone(),
            dataset: Arc::from(event.dataset.as_str()),
            zone: event.zone,
            marking: event.marking,
            exercise: event.exercise,
        }
    }
}

/// The values of the first of these that the event has.
fn each(view: &EventView<'_>, sources: &[Source], head: &Head, told: &mut dyn FnMut(&str)) {
    for source in sources {
        let mut is_found = false;
        match source {
            Source::Sensor => {
                told(head.sensor.as_str());
                is_found = true;
            }
            Source::Dataset => {
                told(&head.dataset);
                is_found = true;
            }
            Source::Organization => {
                told(head.organization.as_str());
                is_found = true;
            }
            Source::Field(field) => {
                for entry in view
                    .record
                    .values(*field)
                    .filter(|entry| entry.kind != Kind::Null)
                {
                    is_found = true;
                    let raw = entry.raw(view.payload);
                    let is_plain = match entry.kind {
                        Kind::Text => !entry.is_unusual && !raw.contains('\\'),
                        Kind::Number => crate::record::is_plain(raw),
                        Kind::Bool(_) | Kind::Null => false,
                    };
                    if is_plain {
                        told(raw);
                    } else {
                        told(&view.value(entry).to_string());
                    }
                }
            }
        }
        if is_found {
            return;
        }
    }
}

/// What was judged, and the verdict, in one value.
fn judged(what: &str, told: &Told) -> String {
    format!("{what}\u{1f}{}\u{1f}{}", told.record, told.pushes)
}

fn flow(view: &EventView<'_>, fields: &FlowFields) -> FlowFeatures {
    let text = |field| view.record.first_text(field, view.payload).unwrap_or_default();
    let count = |field| text(field).parse().unwrap_or(0);
    let [
        source_bytes,
        destination_bytes,
        source_packets,
        destination_packets,
    ] = fields.counters.map(count);
    FlowFeatures {
        duration_ms: count(fields.duration) / 1_000_000,
        source_bytes,
        destination_bytes,
        source_packets,
        destination_packets,
        destination_port: text(fields.port).parse().unwrap_or(0),
        direction: models::direction(text(fields.direction)),
        state: models::state(text(fields.state)),
        transport: models::transport(text(fields.transport)),
    }
}

fn first(view: &EventView<'_>, sources: &[Source], head: &Head) -> Option<String> {
    let mut found = None;
    each(view, sources, head, &mut |value| {
        if found.is_none() {
            found = Some(value.to_owned());
        }
    });
    found
}

fn measure(view: &EventView<'_>, sources: &[Source], head: &Head) -> f64 {
    let mut found = f64::NAN;
    each(view, sources, head, &mut |value| {
        if found.is_nan() {
            found = read_number(value)
                .filter(|number| number.is_finite())
                .unwrap_or(f64::NAN);
        }
    });
    found
}

impl Ruleset {
    /// Whether matches of this rule are held together with others.
    pub(crate) fn is_tapped(&self, rule: u32) -> bool {
        !self.tracks.of_rule(rule).is_empty()
    }
}
