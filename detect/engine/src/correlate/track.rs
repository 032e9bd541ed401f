//! The rules about several events, as the correlate stage takes them: one shape for correlations and anomaly rules.
//!
//! Compiled with the ruleset. Says for each rule about single events whose observations its matches are, under which
//! numbers the fields are read, and where the rule's state is kept: with the partition that was scanned, or where
//! signals come together (D7).

use detect_alert::{Confidence, Pap, Producer, ProducerKind, Severity, Tlp};
use detect_rules::{Anomaly, AnomalyKind, Base, BaseOf, CheckedRules, Correlation};
use ingest_event::{OrganizationNumber, field};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{
    anomaly::TOLD,
    family::{self, Family, Link},
    place::{self, Place, Reason},
};
use crate::{
    keys::{FieldId, FieldNames},
    models::Models,
};

/// What ECS calls the part of a name that somebody registered.
const REGISTERED_DOMAIN: &str = "dns.question.registered_domain";

/// A chain hears so many times in its time span that what it takes goes on.
const HEARD: i64 = 4;

/// What stays of a rule from ruleset to ruleset as long as it does not change: a digest of its id and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Identity([u8; 16]);

impl Identity {
    pub(crate) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Correlations, then anomaly rules.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    pub(crate) all: Vec<Track>,
    /// For each rule about single events, up to the last that is asked for, who takes its matches.
    by_rule: Vec<Vec<Tap>>,
    /// For each of these rules, by number, who takes its alerts.
    by_track: FxHashMap<u32, Vec<(u32, u16)>>,
    /// Who takes matches of indicators.
    of_indicators: Vec<(u32, u16)>,
    numbers: FxHashMap<Identity, u32>,
    pub(crate) head: HeadFields,
    /// Whose the alerts are about what was seen in several organisations; if nobody is named, of where it was seen last.
    pub(crate) cert: Option<OrganizationNumber>,
}

/// Where an event says what every observation needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeadFields {
    pub(crate) id: FieldId,
    pub(crate) sensor: FieldId,
    pub(crate) dataset: FieldId,
    pub(crate) end: FieldId,
    pub(crate) zone: FieldId,
    pub(crate) marking: FieldId,
    pub(crate) exercise: FieldId,
}

/// One rule about several events.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) identity: Identity,
    pub(crate) asked: Asked,
    pub(crate) about: About,
    pub(crate) place: Place,
    /// Why it is kept there.
    pub(crate) reason: Reason,
    /// Where its signals go.
    pub(crate) family: Family,
    /// How often rules that take its alerts hear that it goes on, in nanoseconds; not at all if none asks.
    pub(crate) heard_each_ns: Option<i64>,
    /// What the first rule of its family is: part of where they go.
    pub(crate) family_identity: Identity,
}

/// What it asks.
#[derive(Debug)]
pub(crate) enum Asked {
    Correlation(Correlation),
    Anomaly(Anomaly),
}

/// What its alerts say.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) producer: Producer,
    pub(crate) severity: Severity,
    pub(crate) confidence: Confidence,
    pub(crate) tlp: Tlp,
    pub(crate) pap: Pap,
    pub(crate) entity: Option<usize>,
    pub(crate) group_by: Vec<String>,
    pub(crate) raises: bool,
}

/// Where the matches of one rule go.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) track: u32,
    pub(crate) base: u16,
    /// For each member of the group, the fields to look in.
    pub(crate) group_by: Vec<Vec<Source>>,
    pub(crate) values: Vec<Vec<Source>>,
    pub(crate) wants: Wants,
    /// Whether alerts show the events as a whole.
    pub(crate) keeps_samples: bool,
    /// Events of schools and health services are not taken: it would learn what one device usually does (R16).
    pub(crate) is_per_device: bool,
    /// Whether its groups are held together over all organisations.
    pub(crate) is_national: bool,
    /// Whether the name's registered domain is part of the group.
    pub(crate) is_split: bool,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Field(FieldId),
    Sensor,
    Dataset,
    Organization,
}

/// What is made of the values.
#[derive(Clone, Debug)]
pub(crate) enum Wants {
    /// Nothing: the event counts.
    Event,
    /// Each value of the field is an observation of its own.
    EachValue,
    /// The first values together are one.
    Tuple,
    /// The first value as a number; without one, the event does not count.
    Number,
    /// Up to two numbers; without one, the event counts nevertheless.
    Measures,
    /// The first value as text, in lower case: a domain name.
    Name,
    /// The registered domain of the first value, if the model gives it so many ten-thousandths, with its verdict.
    JudgedName { models: Models, least: u16 },
    /// The event's id, if the model gives the flow so many ten-thousandths, with its verdict.
    JudgedFlow {
        models: Models,
        least: u16,
        fields: Box<FlowFields>,
    },
}

/// What the model of flows reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowFields {
    pub(crate) duration: FieldId,
    /// Bytes and packets of both sides, the one who began first.
    pub(crate) counters: [FieldId; 4],
    pub(crate) port: FieldId,
    pub(crate) direction: FieldId,
    pub(crate) state: FieldId,
    pub(crate) transport: FieldId,
}

impl FlowFields {
    fn new(names: &mut FieldNames) -> Self {
        Self {
            duration: names.intern(field::EVENT_DURATION),
            counters: [
                field::SOURCE_BYTES,
                field::DESTINATION_BYTES,
                field::SOURCE_PACKETS,
                field::DESTINATION_PACKETS,
            ]
            .map(|name| names.intern(name)),
            port: names.intern(field::DESTINATION_PORT),
            direction: names.intern(field::NETWORK_DIRECTION),
            state: names.intern(field::VARDE_FLOW_STATE),
            transport: names.intern(field::NETWORK_TRANSPORT),
        }
    }
}

/// A score as models give it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate"
)]
fn ten_thousandths(score: f64) -> u16 {
    (score * 10_000.0).round() as u16
}

impl Tracks {
    /// Numbers the fields that they ask for.
    pub(crate) fn compile(rules: &mut CheckedRules, models: &Models, names: &mut FieldNames) -> Self {
        let reasons = place::of(rules);
        let correlations = std::mem::take(&mut rules.correlations);
        let anomalies = std::mem::take(&mut rules.anomalies);
        let first_anomaly = number(correlations.len());
        let asked = correlations
            .into_iter()
            .map(Asked::Correlation)
            .chain(anomalies.into_iter().map(Asked::Anomaly));
        let mut tracks = Self::default();
        for ((track, asked), reason) in (0_u32..).zip(asked).zip(reasons) {
            for (base, of) in (0_u16..).zip(asked.bases()) {
                match of.of {
                    BaseOf::Rule(rule) => {
                        let tap = asked.tap((track, base), of, models, names);
                        if tracks.by_rule.len() <= rule {
                            tracks.by_rule.resize_with(rule + 1, Vec::new);
                        }
                        if let Some(taps) = tracks.by_rule.get_mut(rule) {
                            taps.push(tap);
                        }
                    }
                    BaseOf::Correlation(at) => {
                        tracks.by_track.entry(number(at)).or_default().push((track, base));
                    }
                    BaseOf::Anomaly(at) => {
                        let at = first_anomaly.saturating_add(number(at));
                        tracks.by_track.entry(at).or_default().push((track, base));
                    }
                    BaseOf::Indicators => tracks.of_indicators.push((track, base)),
                }
            }
            let identity = asked.identity();
            tracks.numbers.insert(identity, track);
            tracks.all.push(Track {
                identity,
                about: asked.about(),
                place: reason.place(),
                reason,
                family: Family::default(),
                heard_each_ns: None,
                family_identity: identity,
                asked,
            });
        }
        tracks.find_families(first_anomaly);
        tracks.find_hearers();
        if !tracks.by_rule.is_empty() {
            tracks.head = HeadFields {
                id: names.intern(field::EVENT_ID),
                sensor: names.intern(field::OBSERVER_NAME),
                dataset: names.intern(field::EVENT_DATASET),
                end: names.intern(field::EVENT_END),
                zone: names.intern(field::VARDE_ZONE),
                marking: names.intern(field::VARDE_MARKING),
                exercise: names.intern(field::VARDE_EXERCISE),
            };
        }
        tracks
    }

    /// Of what goes on, a rule that asks whether it is so hears [`HEARD`] times within its time span.
    fn find_hearers(&mut self) {
        let mut each = vec![None; self.all.len()];
        for (giver, takers) in &self.by_track {
            let spans = takers
                .iter()
                .filter_map(|(taker, _)| self.get(*taker)?.asked.holding_span_ns());
            if let Some(place) = each.get_mut(*giver as usize) {
                *place = spans.min().map(|span| span / HEARD);
            }
        }
        for (track, each) in self.all.iter_mut().zip(each) {
            track.heard_each_ns = each;
        }
    }

    fn find_families(&mut self, first_anomaly: u32) {
        let mut links = Vec::new();
        for (taker, track) in self.all.iter().enumerate() {
            for base in track.asked.bases() {
                let giver = match base.of {
                    BaseOf::Rule(_) | BaseOf::Indicators => continue,
                    BaseOf::Correlation(at) => at,
                    BaseOf::Anomaly(at) => at.saturating_add(first_anomaly as usize),
                };
                let given = self.all.get(giver).map_or(&[][..], |giver| &giver.about.group_by);
                let member = |names: &Vec<String>| {
                    names
                        .iter()
                        .find_map(|name| given.iter().position(|own| own == name))
                };
                links.push(Link {
                    taker,
                    giver,
                    members: base.group_by.iter().map(member).collect(),
                });
            }
        }
        let families = family::of(&self.all, &links);
        let identities: Vec<Identity> = self.all.iter().map(|track| track.identity).collect();
        for (track, family) in self.all.iter_mut().zip(families) {
            track.family_identity = identities.get(family.first).copied().unwrap_or(track.identity);
            track.family = family;
        }
    }

    /// Who takes the matches of a rule about single events.
    #[inline]
    pub(crate) fn of_rule(&self, rule: u32) -> &[Tap] {
        self.by_rule.get(rule as usize).map_or(&[], Vec::as_slice)
    }

    /// Who takes the alerts of one of these, and as which base.
    pub(crate) fn of_track(&self, track: u32) -> &[(u32, u16)] {
        self.by_track.get(&track).map_or(&[], Vec::as_slice)
    }

    /// Who takes matches of indicators, and as which base.
    pub(crate) fn of_indicators(&self) -> &[(u32, u16)] {
        &self.of_indicators
    }

    pub(crate) fn get(&self, track: u32) -> Option<&Track> {
        self.all.get(track as usize)
    }

    /// The number that a rule has here.
    pub(crate) fn number(&self, identity: Identity) -> Option<u32> {
        self.numbers.get(&identity).copied()
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Asked {
    pub(crate) fn bases(&self) -> &[Base] {
        match self {
            Self::Correlation(correlation) => &correlation.bases,
            Self::Anomaly(anomaly) => &anomaly.bases,
        }
    }

    /// Whether it hears of a base that goes on. Of the last of several in order only that it begins: what went on before
    /// does not come after.
    pub(crate) fn hears_on(&self, base: u16) -> bool {
        let is_last = usize::from(base) + 1 == self.bases().len();
        let is_ordered = matches!(self, Self::Correlation(rule) if rule.kind == detect_rules::CorrelationKind::TemporalOrdered);
        self.holding_span_ns().is_some() && !(is_ordered && is_last)
    }

    /// The time span of a rule that asks whether others hold at a time, not how often they began; in nanoseconds.
    pub(crate) const fn holding_span_ns(&self) -> Option<i64> {
        use detect_rules::CorrelationKind as Kind;
        match self {
            Self::Correlation(rule) => match rule.kind {
                Kind::Temporal | Kind::TemporalOrdered => Some(rule.timespan_ns),
                Kind::EventCount
                | Kind::ValueCount
                | Kind::ValueSum
                | Kind::ValueAvg
                | Kind::ValuePercentile(_)
                | Kind::ValueMedian => None,
            },
            Self::Anomaly(rule) => match rule.kind {
                AnomalyKind::National { .. } => Some(rule.timespan_ns),
                AnomalyKind::NewValue
                | AnomalyKind::Rare { .. }
                | AnomalyKind::ThresholdBaseline { .. }
                | AnomalyKind::Beacon { .. }
                | AnomalyKind::Distinct { .. }
                | AnomalyKind::Volume { .. }
                | AnomalyKind::DnsTunnel { .. }
                | AnomalyKind::Dga { .. }
                | AnomalyKind::Flow { .. }
                | AnomalyKind::Silence { .. } => None,
            },
        }
    }

    pub(crate) const fn digest(&self) -> &[u8; 32] {
        match self {
            Self::Correlation(correlation) => &correlation.digest,
            Self::Anomaly(anomaly) => &anomaly.digest,
        }
    }

    fn identity(&self) -> Identity {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.digest());
        hasher.update(self.about().producer.id.0.as_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Identity(bytes)
    }

    fn about(&self) -> About {
        match self {
            Self::Correlation(rule) => About {
                producer: rule.producer.clone(),
                severity: rule.severity,
                confidence: rule.confidence,
                tlp: rule.tlp,
                pap: rule.pap,
                entity: rule.entity,
                group_by: rule.group_by.clone(),
                raises: rule.raises,
            },
            Self::Anomaly(rule) => About {
                producer: self.labelled(&rule.producer),
                severity: rule.severity,
                confidence: rule.confidence,
                tlp: rule.tlp,
                pap: rule.pap,
                entity: rule.entity,
                group_by: self.group_by(&rule.group_by),
                raises: rule.raises,
            },
        }
    }

    /// What a model decides is labelled so, wherever it is shown (R17).
    fn labelled(&self, producer: &Producer) -> Producer {
        let is_judged = match self {
            Self::Correlation(_) => false,
            Self::Anomaly(rule) => matches!(rule.kind, AnomalyKind::Dga { .. } | AnomalyKind::Flow { .. }),
        };
        let mut producer = producer.clone();
        if is_judged {
            producer.kind = ProducerKind::Model;
        }
        producer
    }

    /// What a group is called.
    fn group_by(&self, names: &[String]) -> Vec<String> {
        let split = self.is_split().then(|| REGISTERED_DOMAIN.to_owned());
        names.iter().cloned().chain(split).collect()
    }

    pub(crate) fn is_per_device(&self) -> bool {
        match self {
            Self::Correlation(_) => false,
            Self::Anomaly(anomaly) => anomaly.is_per_device(),
        }
    }

    fn wants(&self, values: usize, models: &Models, names: &mut FieldNames) -> Wants {
        use detect_rules::CorrelationKind as Kind;
        match self {
            Self::Correlation(correlation) => match correlation.kind {
                Kind::EventCount | Kind::Temporal | Kind::TemporalOrdered => Wants::Event,
                Kind::ValueCount if 1 < values => Wants::Tuple,
                Kind::ValueCount => Wants::EachValue,
                Kind::ValueSum | Kind::ValueAvg | Kind::ValuePercentile(_) | Kind::ValueMedian => {
                    Wants::Number
                }
            },
            Self::Anomaly(anomaly) => match &anomaly.kind {
                AnomalyKind::NewValue | AnomalyKind::Rare { .. } | AnomalyKind::Distinct { .. } => {
                    match values {
                        0 | 1 => Wants::EachValue,
                        _ => Wants::Tuple,
                    }
                }
                AnomalyKind::ThresholdBaseline { .. }
                | AnomalyKind::Volume { .. }
                | AnomalyKind::Beacon { .. } => Wants::Measures,
                AnomalyKind::DnsTunnel { .. } => Wants::Name,
                AnomalyKind::Dga { score, .. } => Wants::JudgedName {
                    models: models.clone(),
                    least: ten_thousandths(*score),
                },
                AnomalyKind::Silence { .. } | AnomalyKind::National { .. } => Wants::Event,
                AnomalyKind::Flow { score, .. } => Wants::JudgedFlow {
                    models: models.clone(),
                    least: ten_thousandths(*score),
                    fields: Box::new(FlowFields::new(names)),
                },
            },
        }
    }

    fn tap(&self, (track, base): (u32, u16), of: &Base, models: &Models, names: &mut FieldNames) -> Tap {
        let wants = self.wants(of.values.len(), models, names);
        let mut sources = |lists: &[Vec<String>]| {
            let list = lists
                .iter()
                .map(|list| list.iter().map(|name| source(name, names)).collect());
            list.collect::<Vec<Vec<Source>>>()
        };
        Tap {
            track,
            base,
            group_by: sources(&of.group_by),
            values: sources(&of.values),
            wants,
            keeps_samples: matches!(self, Self::Correlation(_)),
            is_per_device: self.is_per_device(),
            is_national: self.is_national(),
            is_split: self.is_split(),
        }
    }

    /// Whether the name's registered domain is part of the group.
    const fn is_split(&self) -> bool {
        match self {
            Self::Correlation(_) => false,
            Self::Anomaly(anomaly) => matches!(anomaly.kind, AnomalyKind::DnsTunnel { .. }),
        }
    }

    /// Which member of the group calls, where it matters how many others call the same.
    pub(crate) fn caller(&self) -> Option<usize> {
        match self {
            Self::Correlation(_) => None,
            Self::Anomaly(anomaly) => anomaly.caller(),
        }
    }

    /// After how long, in nanoseconds, it is told again that a machine calls, where it matters how many others do.
    pub(crate) const fn told_again_ns(&self) -> i64 {
        match self {
            Self::Correlation(_) => 0,
            Self::Anomaly(anomaly) => anomaly.timespan_ns / TOLD,
        }
    }

    /// Whether its groups are held together over all organisations.
    pub(crate) const fn is_national(&self) -> bool {
        match self {
            Self::Correlation(_) => false,
            Self::Anomaly(anomaly) => matches!(anomaly.kind, AnomalyKind::National { .. }),
        }
    }
}

impl Track {
    /// Whether rules that take its alerts hear of one that goes on, if they last did at `heard`.
    pub(crate) fn is_heard(&self, heard: i64, at: i64) -> bool {
        self.heard_each_ns
            .is_some_and(|pause| heard.saturating_add(pause) <= at)
    }

    /// The fields that are counted or measured, as an alert calls them.
    pub(crate) fn fields(&self) -> Vec<String> {
        let first = |base: &Base| {
            base.values
                .iter()
                .filter_map(|names| names.first().cloned())
                .collect()
        };
        match &self.asked {
            Asked::Correlation(rule) => rule.bases.first().map(first).unwrap_or_default(),
            Asked::Anomaly(rule) => rule.fields.clone(),
        }
    }
}

fn source(name: &str, names: &mut FieldNames) -> Source {
    match name {
        field::OBSERVER_NAME => Source::Sensor,
        field::EVENT_DATASET => Source::Dataset,
        field::ORGANIZATION_ID => Source::Organization,
        other => Source::Field(names.intern(other)),
    }
}
