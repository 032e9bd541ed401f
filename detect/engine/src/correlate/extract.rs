//! A scanned event to what it brings to each rule about several events.
//!
//! Reads what the scan has found and decodes nothing: most flows are observed by some rule and shown by none.

use std::{hash::BuildHasher as _, sync::Arc};

use detect_alert::{Indicator, Tlp};
use detect_models::FlowFeatures;
use ingest_event::{
    Defaults, Event, EventId, Marking, SensorId, Timestamp, Zone, codec::written_fields, field,
};

use rustc_hash::FxBuildHasher;

use super::{
    observation::{Head, Sample, Text, VALUES_MAX, Whence},
    packed::{Measured, Packed},
    track::{FlowFields, Source, Tap, Tracks, Wants},
};
use crate::{
    EventView,
    models::{self, Told},
    pattern::read_number,
    record::{Entry, Kind},
    ruleset::Ruleset,
    sketch::Name,
};

/// So many of [`Whence`] are remembered: a sensor's datasets in a few zones. A power of two.
const WHENCES: usize = 64;

/// Reads observations; where earlier events were from is used again.
#[derive(Debug, Default)]
pub(crate) struct Extractor {
    /// By a hash of the texts; as the events wrote them.
    whences: Vec<Option<Known>>,
    text: Text,
    values: Vec<String>,
    /// Observations of zones that a rule must not learn from.
    pub(crate) protected: u64,
}

/// Where events are from that say so in these words.
#[derive(Debug)]
struct Known {
    texts: [Option<Box<str>>; 5],
    whence: Arc<Whence>,
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
                    let own = out.head(head).ok_or(Undecodable)?;
                    let sample = match written_fields(view.payload) {
                        Some(fields) => Sample {
                            at: own.began,
                            id: own.id.clone(),
                            dataset: Arc::clone(&own.dataset),
                            marking: own.marking,
                            fields: fields.into(),
                        },
                        None => Sample::of(&view.to_event(defaults).map_err(|_| Undecodable)?),
                    };
                    let sample = Arc::new(sample);
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
            if let Some(value) = only(view, sources, head) {
                self.text.push_group(value);
                continue;
            }
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
                if let Some(value) = tap.values.first().and_then(|sources| only(view, sources, head)) {
                    self.text.set_value(value);
                    out.put(number, tap.measured(numbers), &self.text, sample);
                    return;
                }
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
        let began = view.timestamp().as_nanos();
        let ended = text(fields.end).and_then(|text| text.parse::<Timestamp>().ok());
        Some(Head {
            at: ended.map_or(began, |ended| ended.as_nanos().max(began)),
            began,
            id,
            whence: self.whence(view, defaults)?,
        })
    }

    fn whence(&mut self, view: &EventView<'_>, defaults: &Defaults) -> Option<Arc<Whence>> {
        let fields = view.ruleset.tracks.head;
        let texts = [
            fields.sensor,
            fields.dataset,
            fields.zone,
            fields.marking,
            fields.exercise,
        ]
        .map(|field| view.record.first_text(field, view.payload));
        self.whences.resize_with(WHENCES, || None);
        let place = usize::try_from(FxBuildHasher.hash_one(texts) >> 32).unwrap_or(0) % WHENCES;
        let known = self.whences.get_mut(place)?;
        if let Some(known) = known
            && known.is_of(defaults, &texts)
        {
            return Some(Arc::clone(&known.whence));
        }
        let [sensor, dataset, zone, marking, exercise] = texts;
        let whence = Arc::new(Whence {
            organization: defaults.organization,
            sensor: match sensor {
                None => defaults.sensor.clone(),
                Some(sensor) => SensorId::parse(sensor).ok()?,
            },
            dataset: Arc::from(dataset.unwrap_or("unknown")),
            zone: match zone {
                Some(zone) => zone.parse().ok()?,
                None => Zone::Administration,
            },
            marking: match marking {
                Some(marking) => marking.parse().ok()?,
                None => Marking::Unmarked,
            },
            tlp: Tlp::Clear,
            exercise: exercise == Some("true"),
        });
        *known = Some(Known {
            texts: texts.map(|text| text.map(Box::from)),
            whence: Arc::clone(&whence),
        });
        Some(whence)
    }
}

impl Known {
    fn is_of(&self, defaults: &Defaults, texts: &[Option<&str>; 5]) -> bool {
        let is_named = matches!(texts, [Some(_), ..]);
        self.whence.organization == defaults.organization
            && (is_named || self.whence.sensor == defaults.sensor)
            && self.texts.iter().map(Option::as_deref).eq(texts.iter().copied())
    }
}

/// The observations of a match of an indicator: the group is its kind and value.
pub(crate) fn of_indicator(tracks: &Tracks, event: &Event, indicator: &Indicator, out: &mut Packed) {
    let takers = tracks.of_indicators();
    if takers.is_empty() {
        return;
    }
    let mut head = Head::of(event);
    head.restrict((event.marking, indicator.tlp));
    let head = out.begin(head);
    let mut text = Text::default();
    text.begin(None, event.exercise);
    text.push_group(&indicator.kind.to_string());
    text.push_group(&indicator.value);
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
            whence: Arc::new(Whence {
                organization: event.organization,
                sensor: event.sensor.clone(),
                dataset: Arc::from(event.dataset.as_str()),
                zone: event.zone,
                marking: event.marking,
                tlp: Tlp::Clear,
                exercise: event.exercise,
            }),
        }
    }
}

/// The value of the first of these, if it is one and can be taken as it is: most are, and it is quick.
#[inline]
fn only<'v>(view: &'v EventView<'_>, sources: &[Source], head: &'v Head) -> Option<&'v str> {
    match sources.first()? {
        Source::Sensor => Some(head.sensor.as_str()),
        Source::Dataset => Some(&head.dataset),
        Source::Organization => Some(head.organization.as_str()),
        Source::Field(field) => {
            let entry = view.record.only(*field)?;
            let raw = entry.raw(view.payload);
            is_plain(view, entry, raw).then_some(raw)
        }
    }
}

/// Whether a value's bytes are its text.
#[inline]
fn is_plain(view: &EventView<'_>, entry: &Entry, raw: &str) -> bool {
    match entry.kind {
        Kind::Text => !(entry.is_unusual || view.record.has_backslashes() && raw.contains('\\')),
        Kind::Number => crate::record::is_plain(raw),
        Kind::Bool(_) | Kind::Null => false,
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
                    if is_plain(view, entry, raw) {
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
    if let Some(value) = only(view, sources, head) {
        return Some(value.to_owned());
    }
    let mut found = None;
    each(view, sources, head, &mut |value| {
        if found.is_none() {
            found = Some(value.to_owned());
        }
    });
    found
}

fn measure(view: &EventView<'_>, sources: &[Source], head: &Head) -> f64 {
    if let Some(value) = only(view, sources, head) {
        let number = read_number(value).filter(|number| number.is_finite());
        return number.unwrap_or(f64::NAN);
    }
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
