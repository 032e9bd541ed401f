//! `silence`: nothing from an entity for longer than is usual.
//!
//! The one rule that something not coming makes true. Deadlines are kept apart and moved only when they come up, so that
//! a busy entity costs no more than its last time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use detect_rules::{Anomaly, AnomalyKind};
use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};

use super::{COUNTED, Known, rule, span, time};
use crate::{
    correlate::{
        keeper::{Keeper, Limits},
        observation::{Head, Observation, Written, whose},
        table::{Coming, DRAWN, Gone, Kept, Table},
        track::Track,
        verdict::{Outcome, Verdict},
    },
    sketch::{Pauses, Taken},
};

/// At most so many entities: sensors, datasets and rules are few, machines are not meant.
const ENTITIES_MAX: usize = 50_000;

/// The observation that an alert tells of is at most so old: writing down each would cost more than the rest.
const FRESH_NS: i64 = 60_000_000_000;

/// What was seen of one entity.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    known: Known,
    pauses: Pauses,
    /// The last observation, as the alert will tell of it.
    last: Written,
    /// It is silent, and told of.
    is_told: bool,
}

/// Times and keys, by whose they are: where signals come together, each organisation's time is its own.
type Due = BTreeMap<Box<[u8]>, Deadlines>;

/// Of one organisation.
type Deadlines = BTreeSet<(i64, Box<[u8]>)>;

/// The entities of one rule.
#[derive(Debug)]
pub(super) struct Silences {
    seen: Table<Seen>,
    /// When each is looked at again; not before it can be silent.
    due: Due,
}

impl Default for Silences {
    fn default() -> Self {
        Self {
            seen: Table::new(ENTITIES_MAX, |_| false),
            due: Due::new(),
        }
    }
}

/// How long pauses are remembered, in nanoseconds.
fn memory(rule: &Anomaly) -> i64 {
    rule.learning_ns.max(rule.timespan_ns)
}

/// How long it must be quiet, in nanoseconds.
fn limit(rule: &Anomaly, usual_ns: i64) -> i64 {
    let AnomalyKind::Silence { factor } = rule.kind else {
        return i64::MAX;
    };
    rule.timespan_ns.max(times(usual_ns, factor))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "casts of floats saturate"
)]
fn times(nanos: i64, factor: f64) -> i64 {
    (nanos as f64 * factor) as i64
}

/// Tells of those whose time has come.
fn look(
    rule: &Anomaly,
    (seen, due): (&mut Table<Seen>, &mut Deadlines),
    now: i64,
    silent: &mut Vec<(Observation, Outcome)>,
) {
    while let Some((deadline, _)) = due.first()
        && *deadline <= now
        && let Some((_, key)) = due.pop_first()
    {
        let Some(slot) = seen.get_mut(&key) else {
            continue;
        };
        let (latest, strictest) = (slot.latest, slot.strictest);
        let state = &mut slot.state;
        let limit = limit(rule, state.pauses.usual_ns().unwrap_or(0));
        let deadline = latest.saturating_add(limit);
        let is_over = deadline <= now;
        // One that is told of is looked at again in a while, for it may speak.
        let next = if is_over {
            now.saturating_add(limit.max(1))
        } else {
            deadline
        };
        due.insert((next, key));
        if !is_over || state.is_told || state.known.is_learning(rule, latest) {
            continue;
        }
        state.is_told = true;
        let last = state.last.clone().read(0);
        let why = format!(
            "nothing since {}, for {}; the longest usual pause is {}",
            time(latest),
            span(limit),
            span(state.pauses.usual_ns().unwrap_or(0))
        );
        let head = Head {
            began: deadline,
            ..Head::clone(&last.head)
        };
        let verdict = Verdict {
            severity: None,
            is_usual: false,
            first: last.head.id.clone(),
            start: latest,
            end: deadline,
            count: 0,
            threshold: format!("nothing for {}", span(limit)),
            explained: vec![("event.end".to_owned(), time(latest), why)],
            among: Vec::new(),
            strictest,
            samples: Vec::new(),
        };
        let told = Observation {
            head: Arc::new(head),
            ..last
        };
        silent.push((told, Outcome::Begun(Box::new(verdict))));
    }
}

impl Keeper for Silences {
    fn take(&mut self, track: &Track, observation: &Observation, gone: &mut Gone) -> Outcome {
        let Some(rule) = rule(&track.asked) else {
            return COUNTED;
        };
        // Where many events travel as one, they are told of to the minute, by its end.
        let at = observation
            .head
            .at
            .saturating_add(i64::from(observation.merged.is_some()));
        let key = observation.text.key();
        let before = self.seen.get(key).map(|slot| slot.latest);
        let make = || Seen {
            known: Known::since(observation),
            pauses: Pauses::default(),
            last: observation.write(track.identity),
            is_told: false,
        };
        let coming = Coming {
            at,
            ..Coming::to(key, observation, i64::MAX)
        };
        let Some(slot) = self.seen.at(coming, make, gone) else {
            return Outcome::Counted { is_full: true };
        };
        slot.restrict(&observation.head);
        let seen = &mut slot.state;
        if before.is_none() {
            let due = self.due.entry(whose(key).into()).or_default();
            due.insert((at.saturating_add(limit(rule, 0)), key.into()));
        } else if before.is_some_and(|before| at < before) {
            return COUNTED;
        }
        seen.is_told = false;
        if let Taken::Late = seen.pauses.see(memory(rule), at) {
            return Outcome::Outside;
        }
        if seen.last.at().saturating_add(FRESH_NS) <= at {
            seen.last = observation.write(track.identity);
        }
        COUNTED
    }

    fn due(
        &mut self,
        track: &Track,
        of: Option<OrganizationNumber>,
        now: i64,
    ) -> Vec<(Observation, Outcome)> {
        let Some(rule) = rule(&track.asked) else {
            return Vec::new();
        };
        let mut silent = Vec::new();
        let digits = of.map(|of| of.digits());
        let dues = self
            .due
            .iter_mut()
            .filter(|(whose, _)| digits.is_none_or(|digits| ***whose == digits));
        for (_, due) in dues {
            look(rule, (&mut self.seen, due), now, &mut silent);
        }
        silent
    }
    fn limits(&self, _track: &Track) -> Limits {
        Limits {
            groups_max: ENTITIES_MAX,
            drawn: DRAWN,
            retention_ns: None,
            knocks: 1,
            patience_ns: None,
        }
    }

    fn len(&self) -> usize {
        self.seen.len()
    }

    fn keep(&self) -> Vec<u8> {
        postcard::to_allocvec(&(self.seen.keep(), &self.due)).unwrap_or_default()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
        let (kept, due): (Kept<Seen>, Due) = postcard::from_bytes(bytes)?;
        self.seen = Table::restore(kept, ENTITIES_MAX, |_| false);
        self.due = due;
        Ok(())
    }
}
