//! Taking observations one after another: to the states of their groups, to alerts, and to the rules about those.
//!
//! What is taken comes in order of time from [`super::Correlator`], which holds everything that is used here.

use std::sync::Arc;

use detect_alert::{Alert, EventSample, Tlp};
use ingest_event::{EventId, Marking, OrganizationNumber, Zone};

use super::{
    Correlated, CorrelatorStats, Place, Signal, Stage,
    gather::{self, Gatherer},
    keeper::Keeper,
    observation::{Head, Observation, Sample, Text, Whence},
    packed::Packed,
    table::Gone,
    track::{Asked, Track},
    verdict::{self, Outcome, Subject},
};
use crate::ruleset::Ruleset;

/// What rules about alerts hear of one.
struct Heard<'a> {
    id: EventId,
    marking: Marking,
    tlp: Tlp,
    /// The last event that it shows.
    event: Option<&'a EventSample>,
}

impl<'a> Heard<'a> {
    fn of(alert: &'a Alert) -> Option<Self> {
        Some(Self {
            id: EventId::parse(alert.id.as_str()).ok()?,
            marking: alert.marking,
            tlp: alert.tlp,
            event: alert.events.last(),
        })
    }
}

/// What taking an observation needs.
pub(super) struct Work<'w> {
    pub(super) ruleset: &'w Ruleset,
    pub(super) stage: Stage,
    pub(super) keepers: &'w mut [Box<dyn Keeper>],
    pub(super) gatherer: &'w mut Gatherer,
    /// For what comes together here.
    pub(super) local: Option<&'w mut Packed>,
    pub(super) stats: &'w mut CorrelatorStats,
    pub(super) out: &'w mut Correlated,
}

impl Work<'_> {
    /// Takes an observation: into the state of its group, or on its way to where that is.
    pub(super) fn take(&mut self, observation: &Observation) {
        let ruleset = self.ruleset;
        let Some(track) = ruleset.tracks.get(observation.track) else {
            return;
        };
        match (self.stage, track.place) {
            (Stage::Whole | Stage::Organization | Stage::Scan, Place::Signals) => {
                self.send(observation, track);
                return;
            }
            (Stage::Signals, Place::Scan) => {
                self.decide(observation.clone(), track);
                return;
            }
            (Stage::Whole | Stage::Organization | Stage::Scan, Place::Scan)
            | (Stage::Signals, Place::Signals) => {}
        }
        let Some(keeper) = self.keepers.get_mut(observation.track as usize) else {
            return;
        };
        let mut gone = Gone::default();
        let outcome = keeper.take(track, observation, &mut gone);
        self.stats.count(gone);
        let Outcome::Travels(found) = outcome else {
            self.tell(track, observation, outcome);
            return;
        };
        let mut observation = observation.clone();
        observation.text.set_value(&found.value);
        Arc::make_mut(&mut observation.head).restrict(found.strictest);
        match self.stage {
            Stage::Signals => self.decide(observation, track),
            Stage::Whole | Stage::Organization | Stage::Scan => self.send_one(&observation, track),
        }
    }

    /// What a rule's groups found by themselves, and can't judge by themselves.
    fn decide(&mut self, mut observation: Observation, track: &Track) {
        let Some(keeper) = self.keepers.get_mut(observation.track as usize) else {
            return;
        };
        let mut gone = Gone::default();
        let outcome = keeper.decide(track, &observation, &mut gone);
        self.stats.count(gone);
        observation.text.set_value("");
        self.tell(track, &observation, outcome);
    }

    /// Lets an observation travel, with others of its group if they can be put together.
    fn send(&mut self, observation: &Observation, track: &Track) {
        if !gather::takes_parts(track) {
            self.send_one(observation, track);
            return;
        }
        let mut parts = Vec::new();
        self.gatherer.add(observation, &mut parts);
        self.send_parts(&parts);
    }

    pub(super) fn send_parts(&mut self, parts: &[Observation]) {
        let ruleset = self.ruleset;
        for part in parts {
            if let Some(track) = ruleset.tracks.get(part.track) {
                self.send_one(part, track);
            }
        }
    }

    /// What comes together here need not be written down.
    fn send_one(&mut self, observation: &Observation, track: &Track) {
        let travels = self.stage == Stage::Organization && track.family.is_national;
        match &mut self.local {
            Some(local) if !travels => local.push(observation),
            Some(_) | None => self.out.signals.push(Signal::of(observation, track)),
        }
    }

    /// Event time has come to `now`: parts that are complete travel, and what nothing coming makes true is told of.
    pub(super) fn pass(&mut self, of: Option<OrganizationNumber>, now: i64) {
        if !self.gatherer.is_empty() {
            let mut parts = Vec::new();
            self.gatherer.flush(now, &mut parts);
            self.send_parts(&parts);
        }
        self.due(of, now);
    }

    /// What nothing coming makes true, of one organisation or of all.
    pub(super) fn due(&mut self, of: Option<OrganizationNumber>, now: i64) {
        let ruleset = self.ruleset;
        for ((number, track), at) in (0..).zip(&ruleset.tracks.all).zip(0..) {
            let Some(keeper) = self.keepers.get_mut(at) else {
                return;
            };
            for (mut observation, outcome) in keeper.due(track, of, now) {
                observation.track = number;
                self.tell(track, &observation, outcome);
            }
        }
    }

    fn tell(&mut self, track: &Track, observation: &Observation, outcome: Outcome) {
        match outcome {
            Outcome::Outside => self.stats.events_outside += 1,
            Outcome::Repeated => self.stats.events_repeated += 1,
            Outcome::Travels(_) => {}
            Outcome::Counted { is_full } => self.stats.windows_full += u64::from(is_full),
            Outcome::GoesOn { is_full, strictest } => {
                self.stats.windows_full += u64::from(is_full);
                self.go_on(observation, track, strictest);
            }
            Outcome::Begun(verdict) => {
                let cert = self.ruleset.tracks.cert.filter(|_| track.asked.is_national());
                let subject = Subject {
                    track,
                    organization: cert.unwrap_or(observation.head.organization),
                    is_of_cert: cert.is_some(),
                    observation,
                };
                let is_usual = verdict.is_usual;
                let alert = verdict::alert(&subject, *verdict);
                // What is usual by now is shown; nothing graver is made of it.
                if !is_usual && let Some(heard) = Heard::of(&alert) {
                    self.chain(observation, &heard, |_, _| true);
                }
                if track.about.raises {
                    self.out.alerts.push(alert);
                }
            }
        }
    }

    /// An episode that was told of goes on: rules hear of it that ask whether it does.
    fn go_on(&mut self, observation: &Observation, track: &Track, strictest: (Marking, Tlp)) {
        let shown = observation.shown(&track.about.group_by, &track.fields());
        let heard = Heard {
            id: observation.head.id.clone(),
            marking: strictest.0.max(observation.head.marking),
            tlp: strictest.1.max(observation.head.tlp),
            event: Some(&shown),
        };
        self.chain(observation, &heard, Asked::hears_on);
    }

    /// Tells the rules that are about this one's alerts, as far as they ask for it.
    fn chain(&mut self, observation: &Observation, heard: &Heard<'_>, asks: fn(&Asked, u16) -> bool) {
        let Some(of) = self.ruleset.tracks.get(observation.track) else {
            return;
        };
        let group = observation.text.group();
        for (track, base) in self.ruleset.tracks.of_track(observation.track) {
            let Some(next) = self.ruleset.tracks.get(*track) else {
                continue;
            };
            let Some(asked) = next.asked.bases().get(usize::from(*base)) else {
                continue;
            };
            if !asks(&next.asked, *base) {
                continue;
            }
            // What a device usually does is not learned from alerts about it either (R16).
            if next.asked.is_per_device() && matches!(observation.head.zone, Zone::School | Zone::Health) {
                self.stats.events_protected += 1;
                continue;
            }
            let value_of = |names: &Vec<String>| {
                let found = names
                    .iter()
                    .find_map(|name| of.about.group_by.iter().position(|own| own == name));
                found.and_then(|at| group.get(at))
            };
            let mut text = Text::default();
            let organization = (!next.asked.is_national()).then_some(observation.head.organization);
            text.begin(organization, observation.head.exercise);
            let mut is_whole = true;
            for names in &asked.group_by {
                match value_of(names) {
                    Some(value) => text.push_group(value),
                    None => is_whole = false,
                }
            }
            if !is_whole {
                continue;
            }
            if let Some(value) = asked.values.first().and_then(value_of) {
                text.set_value(value);
            }
            let sample = heard.event.map(|event| Sample {
                at: event.timestamp.as_nanos(),
                id: event.id.clone(),
                dataset: Arc::from(event.dataset.as_str()),
                marking: heard.marking,
                fields: serde_json::to_string(&event.fields).unwrap_or_default().into(),
            });
            let whence = Whence {
                marking: heard.marking,
                tlp: heard.tlp,
                ..Whence::clone(&observation.head.whence)
            };
            let head = Head {
                id: heard.id.clone(),
                whence: Arc::new(whence),
                ..Head::clone(&observation.head)
            };
            self.take(&Observation {
                track: *track,
                base: *base,
                head: Arc::new(head),
                text,
                numbers: [f64::NAN; 2],
                sample: sample.map(Arc::new),
                merged: None,
            });
        }
    }
}
