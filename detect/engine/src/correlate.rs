//! Counting over event time: Sigma's `event_count` and `value_count`.
//!
//! **Groups.** Events are counted per correlation, organisation, exercise flag and values of `group-by`. An
//! event without one of the `group-by` fields, or without the counted field, is not counted.
//!
//! **Window.** A group's window is the `timespan` that ends with its latest event: `(latest - timespan, latest]`.
//! An event that comes late but still belongs in the window is put in its place; one from before it is
//! not counted. Events older than the watermark by more than [`LATENESS_NS`] are counted in the statistics, and
//! treated the same. An event that comes twice counts once.
//!
//! **Episodes.** When the condition first holds, one alert is raised; its id is made of rule, organisation,
//! group and the first event in the window. Then the group is held: as long as the condition holds again
//! within each `timespan`, there is no new alert, so a scan of ten thousand ports is one alert.
//!
//! **Limits.** At most [`GROUPS_MAX`] groups; beyond, the one that has been quiet longest goes, and is counted. A
//! group keeps at most four times its threshold, and at least [`WINDOW_MIN`], of events or values.
//! Groups that have been quiet for `timespan` and [`RETENTION_NS`] are forgotten. All of this depends on the
//! order of events only, never on batches or on when [`Correlator::advance`] is called.

mod adopt;
mod group;
mod snapshot;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use detect_alert::{Alert, AlertId, Entity, Evidence, Window};
use detect_rules::{Base, BaseOf, Correlation, CorrelationKind};
use ingest_event::{Event, OrganizationNumber, Timestamp, field};
use rustc_hash::FxHashMap;

use crate::{RuleHit, ruleset::Ruleset};
use group::{Group, Outcome};
pub use snapshot::RestoreError;

/// At most this many groups: with the samples that each keeps, about 200 MB.
pub(crate) const GROUPS_MAX: usize = 50_000;

/// Groups keep at least this many events or values before the oldest go.
pub(crate) const WINDOW_MIN: usize = 1024;

/// Events older than the watermark by more than this are said to be late.
pub(crate) const LATENESS_NS: i64 = 60_000_000_000;

/// A quiet group is kept this long after its window, for shippers that come late.
pub(crate) const RETENTION_NS: i64 = 3_600_000_000_000;

/// What happened that no alert tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CorrelatorStats {
    /// Groups that were put out because there were too many.
    pub groups_evicted: u64,
    /// Events that came more than 60 seconds late.
    pub events_late: u64,
    /// Events from before their group's window, which were not counted.
    pub events_outside: u64,
    /// Events that came again.
    pub events_repeated: u64,
}

/// The windows of every correlation of a ruleset.
#[derive(Debug)]
pub struct Correlator {
    ruleset: Arc<Ruleset>,
    /// For each rule that is counted, the correlations (and which of their bases) that count it.
    counts: FxHashMap<usize, Vec<(usize, usize)>>,
    /// The ruleset's correlations: for each its number there, and each number's identity.
    numbers: FxHashMap<Identity, usize>,
    identities: Vec<Identity>,
    groups: BTreeMap<Arc<Key>, Group>,
    /// Groups by their latest event: who goes first.
    quiet: BTreeSet<(i64, Arc<Key>)>,
    watermark: i64,
    stats: CorrelatorStats,
}

/// What stays of a correlation from ruleset to ruleset as long as it does not change: a digest of its id and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Identity([u8; 16]);

/// What makes a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    correlation: Identity,
    organization: OrganizationNumber,
    exercise: bool,
    values: Vec<String>,
}

impl Correlator {
    /// Empty windows.
    #[must_use]
    pub fn new(ruleset: Arc<Ruleset>) -> Self {
        let identities: Vec<Identity> = ruleset.correlations.iter().map(Identity::of).collect();
        Self {
            counts: counts(&ruleset),
            numbers: identities.iter().copied().zip(0..).collect(),
            identities,
            ruleset,
            groups: BTreeMap::new(),
            quiet: BTreeSet::new(),
            watermark: i64::MIN,
            stats: CorrelatorStats::default(),
        }
    }

    /// Counts an event that matched rules; alerts go to `out`.
    pub fn observe(&mut self, event: &Event, hits: &[RuleHit], out: &mut Vec<Alert>) {
        let ruleset = Arc::clone(&self.ruleset);
        let mut is_counted = false;
        for hit in hits {
            let Some(counted) = self.counts.get(&(hit.rule.0 as usize)).cloned() else {
                continue;
            };
            for (index, base) in counted {
                let Some(correlation) = ruleset.correlations.get(index) else {
                    continue;
                };
                let Some(base) = correlation.bases.get(base) else {
                    continue;
                };
                if !is_counted {
                    is_counted = true;
                    self.pass(event.timestamp.as_nanos());
                }
                self.count(index, correlation, base, event, out);
            }
        }
    }

    /// Tells how far event time has come. Sigma's counts need nothing from it (they are decided when an event
    /// comes); rules that miss something will.
    pub fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Alert>) {
        let _unused_by_counts = (watermark, out);
    }

    /// What happened that no alert tells.
    #[must_use]
    pub fn stats(&self) -> CorrelatorStats {
        self.stats
    }

    /// How many groups are held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Event time goes on: forgets what has long been quiet, and notes what is late.
    fn pass(&mut self, now: i64) {
        if now < self.watermark.saturating_sub(LATENESS_NS) {
            self.stats.events_late += 1;
        }
        self.watermark = self.watermark.max(now);
        while let Some((latest, key)) = self.quiet.first().cloned() {
            let timespan = self
                .correlation(key.correlation)
                .map_or(0, |correlation| correlation.timespan_ns);
            let is_over = latest.saturating_add(timespan).saturating_add(RETENTION_NS) < self.watermark;
            if !is_over {
                break;
            }
            self.forget(latest, &key);
        }
    }

    fn correlation(&self, identity: Identity) -> Option<&Correlation> {
        self.ruleset.correlations.get(*self.numbers.get(&identity)?)
    }

    fn forget(&mut self, latest: i64, key: &Arc<Key>) {
        self.quiet.remove(&(latest, Arc::clone(key)));
        self.groups.remove(key);
    }

    fn count(
        &mut self,
        index: usize,
        correlation: &Correlation,
        base: &Base,
        event: &Event,
        out: &mut Vec<Alert>,
    ) {
        let Some(values) = group_values(base, event) else {
            return;
        };
        let counted = counted_values(correlation.kind, base, event);
        if counted.is_empty() {
            return;
        }
        let Some(identity) = self.identities.get(index).copied() else {
            return;
        };
        let key = Arc::new(Key {
            correlation: identity,
            organization: event.organization,
            exercise: event.exercise,
            values,
        });
        let now = event.timestamp.as_nanos();
        let key = match self.groups.get_key_value(&key) {
            Some((known, _)) => Arc::clone(known),
            None => {
                self.make_room();
                self.groups.insert(Arc::clone(&key), Group::new(now));
                self.quiet.insert((now, Arc::clone(&key)));
                key
            }
        };
        let Some(group) = self.groups.get_mut(&key) else {
            return;
        };
        let before = group.latest();
        let outcome = group.add(correlation, event, counted);
        let latest = group.latest();
        if latest != before {
            self.quiet.remove(&(before, Arc::clone(&key)));
            self.quiet.insert((latest, Arc::clone(&key)));
        }
        match outcome {
            Outcome::Outside => self.stats.events_outside += 1,
            Outcome::Repeated => self.stats.events_repeated += 1,
            Outcome::Counted => {}
            Outcome::Begun => out.push(alert(correlation, base, &key, group, event)),
        }
    }

    fn make_room(&mut self) {
        while GROUPS_MAX <= self.groups.len() {
            let Some((latest, key)) = self.quiet.first().cloned() else {
                return;
            };
            self.forget(latest, &key);
            self.stats.groups_evicted += 1;
        }
    }
}

impl Identity {
    fn of(correlation: &Correlation) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&correlation.digest);
        hasher.update(correlation.producer.id.0.as_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(bytes)
    }
}

fn counts(ruleset: &Ruleset) -> FxHashMap<usize, Vec<(usize, usize)>> {
    let mut counts: FxHashMap<usize, Vec<(usize, usize)>> = FxHashMap::default();
    for (index, correlation) in ruleset.correlations.iter().enumerate() {
        for (at, base) in correlation.bases.iter().enumerate() {
            if let BaseOf::Rule(rule) = base.of {
                counts.entry(rule).or_default().push((index, at));
            }
        }
    }
    counts
}

/// The event's value for each member of `group-by`, or none if it lacks one.
fn group_values(base: &Base, event: &Event) -> Option<Vec<String>> {
    base.group_by
        .iter()
        .map(|names| texts(names, event).into_iter().next())
        .collect()
}

/// What the event adds: its own id, or the values of the counted fields.
fn counted_values(kind: CorrelationKind, base: &Base, event: &Event) -> Vec<String> {
    match kind {
        CorrelationKind::EventCount => vec![event.id.as_str().to_owned()],
        // The kinds that are still to come are counted as values.
        _ => match base.values.as_slice() {
            [names] => texts(names, event),
            several => several
                .iter()
                .map(|names| texts(names, event).into_iter().next())
                .collect::<Option<Vec<_>>>()
                .map(|values| values.join("\u{1f}"))
                .into_iter()
                .collect(),
        },
    }
}

/// The values of the first of these fields that the event has, as text.
fn texts(names: &[String], event: &Event) -> Vec<String> {
    names
        .iter()
        .find_map(|name| match name.as_str() {
            field::OBSERVER_NAME => Some(vec![event.sensor.as_str().to_owned()]),
            field::EVENT_DATASET => Some(vec![event.dataset.clone()]),
            field::ORGANIZATION_ID => Some(vec![event.organization.as_str().to_owned()]),
            other => {
                let values = event.fields.get(other)?;
                let texts: Vec<String> = values
                    .each()
                    .filter(|value| **value != ingest_event::Value::Null)
                    .map(ToString::to_string)
                    .collect();
                (!texts.is_empty()).then_some(texts)
            }
        })
        .unwrap_or_default()
}

fn alert(correlation: &Correlation, base: &Base, key: &Key, group: &Group, event: &Event) -> Alert {
    let (first_at, first_id) = group
        .first()
        .unwrap_or((event.timestamp.as_nanos(), event.id.as_str()));
    let mut parts: Vec<&str> = key.values.iter().map(String::as_str).collect();
    parts.push(first_id);
    let group_by: Vec<(String, String)> = correlation
        .group_by
        .iter()
        .cloned()
        .zip(key.values.iter().cloned())
        .collect();
    let threshold = correlation
        .conditions
        .iter()
        .map(|(operator, limit)| format!("{} {limit}", operator.as_str()))
        .collect::<Vec<_>>()
        .join(" and ");
    let mut evidence: Vec<Evidence> = group_by
        .iter()
        .map(|(name, value)| Evidence {
            event: event.id.clone(),
            field: name.clone(),
            value: value.clone(),
            matched: "group-by".to_owned(),
        })
        .collect();
    for names in &base.values {
        evidence.push(Evidence {
            event: event.id.clone(),
            field: names.first().cloned().unwrap_or_default(),
            value: texts(names, event).join(", "),
            matched: format!("{} different values {threshold}", group.count()),
        });
    }
    Alert {
        id: AlertId::derive(&correlation.producer.id, key.organization, &parts),
        timestamp: event.timestamp,
        organization: key.organization,
        sensor: event.sensor.clone(),
        zone: event.zone,
        marking: group.marking().max(event.marking),
        exercise: key.exercise,
        severity: correlation.severity,
        confidence: correlation.confidence,
        tlp: correlation.tlp,
        pap: correlation.pap,
        producer: correlation.producer.clone(),
        indicator: None,
        entity: entity(correlation.entity, &group_by, key.organization),
        evidence,
        window: Some(Window {
            start: Timestamp::from_nanos(first_at),
            end: Timestamp::from_nanos(group.latest()),
            count: group.count(),
            threshold,
            group_by,
        }),
        events: group.samples(),
    }
}

/// What the alert is about: the member of the group that the rule's author chose, else the group.
fn entity(chosen: Option<usize>, group_by: &[(String, String)], organization: OrganizationNumber) -> Entity {
    if let Some((name, value)) = chosen.and_then(|index| group_by.get(index)) {
        return Entity {
            field: name.clone(),
            value: value.clone(),
        };
    }
    if group_by.is_empty() {
        return Entity {
            field: field::ORGANIZATION_ID.to_owned(),
            value: organization.as_str().to_owned(),
        };
    }
    let join =
        |pick: fn(&(String, String)) -> &str| group_by.iter().map(pick).collect::<Vec<_>>().join(" + ");
    Entity {
        field: join(|(name, _)| name),
        value: join(|(_, value)| value),
    }
}
