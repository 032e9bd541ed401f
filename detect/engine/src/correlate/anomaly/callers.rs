//! Who else calls: few machines of an organisation call what one of them waits for orders from, or sends data to.
//!
//! Two halves. What a machine and what it calls have with each other is kept where events are scanned, as for any other
//! rule. That a machine calls something travels, when it has begun to and a few times in the time span from then on; so
//! does what the rule finds. How often the machine called does not. Where signals come together it is counted how many
//! machines call the same, and since when anybody does. Only the past of event time counts.

use detect_alert::Severity;
use detect_rules::Anomaly;
use ingest_event::Zone;
use serde::{Deserialize, Serialize};

use super::{COUNTED, ENTITIES_MAX, GOES_ON, Known, Remembered, begun, hash, rule, span, time};
use crate::correlate::{
    keeper::{Keeper, Limits, groups},
    observation::{Observation, Text},
    table::{Coming, Gone, Kept, OPEN, Table},
    track::Track,
    verdict::{Found, Outcome, Verdict},
};

/// A caller is told of again so many times in a time span, while it calls.
pub(crate) const TOLD: i64 = 4;

/// What nobody calls, and machines that call nothing, are forgotten after a month: after a week everything would be new
/// when people come back from holidays.
const MEMORY_NS: i64 = 30 * 86_400 * 1_000_000_000;

/// So many machines are remembered as told of for each thing that is called, or as many as may call it.
const REMEMBERED_MAX: usize = 64;

/// Before the count of what was found, when it travels again because it goes on.
const STILL: char = '+';

/// Between the parts of what travels.
const SEPARATOR: char = '\u{1f}';

/// Both halves of one rule, for what `R` remembers of a machine and what it calls.
pub(super) fn keeper<R: Remembered>() -> Box<dyn Keeper> {
    Box::new(Calls {
        pairs: groups::<Pair<R>>(),
        machines: Table::new(ENTITIES_MAX, |_| false),
        called: Table::new(ENTITIES_MAX, |_| false),
    })
}

#[derive(Debug)]
struct Calls {
    pairs: Box<dyn Keeper>,
    /// Who calls at all, and since when.
    machines: Table<Known>,
    called: Table<Called>,
}

/// A machine and what it calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pair<R> {
    remembered: R,
    /// When it was last told of.
    told: Option<i64>,
    /// When it was last told that what was found goes on; a rule is not asked at each contact, so this has its own time.
    still: Option<i64>,
    /// What was found last, as it travels, and where its window begins: many may call the same when it begins, and few later.
    found: Option<Box<(String, i64)>>,
}

impl<R: Remembered> Remembered for Pair<R> {
    const GROUPS_MAX: usize = R::GROUPS_MAX;

    const KNOCKS: u32 = R::KNOCKS;

    fn new(rule: &Anomaly, observation: &Observation) -> Self {
        Self {
            remembered: R::new(rule, observation),
            told: None,
            still: None,
            found: None,
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let at = observation.head.at;
        let pause = rule.timespan_ns / TOLD;
        let is_due = |last: Option<i64>| last.is_none_or(|last| last.saturating_add(pause) <= at);
        let (value, start) = match self.remembered.add(rule, observation) {
            Outcome::Begun(verdict) => {
                self.still = Some(at);
                let found = (written(&verdict), verdict.start);
                self.found = Some(Box::new(found.clone()));
                found
            }
            Outcome::Counted { .. } if is_due(self.told) => (String::new(), at),
            Outcome::GoesOn { .. } if is_due(self.still) => {
                self.still = Some(at);
                let (found, start) = self
                    .found
                    .as_deref()
                    .map_or(("", at), |(found, start)| (found, *start));
                (format!("{STILL}{found}"), start)
            }
            // What others call as well is judged where they meet.
            Outcome::GoesOn { .. } => return COUNTED,
            other => return other,
        };
        self.told = Some(at);
        Outcome::Travels(Found {
            value,
            start,
            strictest: OPEN,
        })
    }

    fn is_dear(&self) -> bool {
        self.remembered.is_dear()
    }

    fn retention_ns(rule: &Anomaly) -> i64 {
        R::retention_ns(rule)
    }

    fn patience_ns(rule: &Anomaly) -> i64 {
        R::patience_ns(rule)
    }
}

/// What is found, as it travels: behind since when the machine is known, and with the start of the window after the count.
fn written(verdict: &Verdict) -> String {
    let mut written = format!("{}{SEPARATOR}{}", verdict.count, verdict.threshold);
    for (field, value, why) in &verdict.explained {
        for part in [field, value, why] {
            written.push(SEPARATOR);
            written.push_str(part);
        }
    }
    written
}

/// What was found, if it is more than that somebody called.
fn read<'t>(
    rule: &Anomaly,
    observation: &Observation,
    mut parts: impl Iterator<Item = &'t str>,
) -> Option<Verdict> {
    let count = parts.next()?.parse().ok()?;
    let start = parts.next()?.parse().ok()?;
    let threshold = parts.next()?.to_owned();
    let mut explained = Vec::new();
    while let (Some(field), Some(value), Some(why)) = (parts.next(), parts.next(), parts.next()) {
        explained.push((field.to_owned(), value.to_owned(), why.to_owned()));
    }
    match begun(rule, observation, count, threshold, explained) {
        Outcome::Begun(verdict) => Some(Verdict { start, ..*verdict }),
        Outcome::Counted { .. }
        | Outcome::GoesOn { .. }
        | Outcome::Outside
        | Outcome::Repeated
        | Outcome::Travels(_) => None,
    }
}

/// What is called, and who called it in the time span.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Called {
    first: i64,
    /// Hashes of callers with when each was last told of, sorted; one more than may be is enough to know of.
    callers: Vec<(u64, i64)>,
    /// Callers of which an alert told; the latest.
    told: Vec<Told>,
}

/// A caller of which an alert told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Told {
    /// A hash of it.
    caller: u64,
    /// Until then; each time that it calls again moves this.
    until: i64,
    /// What it called was not usual.
    was_recent: bool,
}

impl Called {
    const fn new(at: i64) -> Self {
        Self {
            first: at,
            callers: Vec::new(),
            told: Vec::new(),
        }
    }

    /// A caller that was told of calls still: of what is usual no more is made than that it was shown. `None` if no
    /// alert told of it.
    fn still(&mut self, caller: u64, until: i64) -> Option<Outcome> {
        let told = self.told.iter_mut().find(|told| told.caller == caller)?;
        told.until = until.max(told.until);
        Some(if told.was_recent { GOES_ON } else { COUNTED })
    }

    /// An alert would tell of this caller; whether one has.
    fn tell(&mut self, caller: u64, until: i64, is_recent: bool, most: usize) -> bool {
        if let Some(told) = self.told.iter_mut().find(|told| told.caller == caller) {
            told.until = until.max(told.until);
            told.was_recent |= is_recent;
            return true;
        }
        if REMEMBERED_MAX.max(most) <= self.told.len() {
            self.told.remove(0);
        }
        self.told.push(Told {
            caller,
            until,
            was_recent: is_recent,
        });
        false
    }

    /// Adds a caller; how many there were in the time span before, itself included. Counts to one more than `most`.
    fn call(&mut self, caller: u64, at: i64, span_ns: i64, most: usize) -> usize {
        self.first = self.first.min(at);
        let start = at.saturating_sub(span_ns);
        self.callers.retain(|(_, latest)| start < *latest);
        self.told.retain(|told| at < told.until);
        match self.callers.binary_search_by_key(&caller, |(caller, _)| *caller) {
            Ok(place) => {
                if let Some((_, latest)) = self.callers.get_mut(place) {
                    *latest = at.max(*latest);
                }
            }
            Err(place) => self.callers.insert(place, (caller, at)),
        }
        let limit = most.saturating_add(1);
        let oldest = self
            .callers
            .iter()
            .min_by_key(|(caller, latest)| (*latest, *caller));
        if limit < self.callers.len()
            && let Some(oldest) = oldest.map(|(caller, _)| *caller)
        {
            self.callers.retain(|(caller, _)| *caller != oldest);
        }
        self.callers.len()
    }
}

/// Whether what one device usually does may not be remembered (R16).
fn is_protected(observation: &Observation) -> bool {
    matches!(observation.head.zone, Zone::School | Zone::Health)
}

/// A key of some members of an observation's group.
fn key_of(observation: &Observation, is_in: impl Fn(usize) -> bool) -> Text {
    let head = &observation.head;
    let mut text = Text::default();
    text.begin(Some(head.organization), head.exercise);
    for (at, value) in observation.text.group().iter().enumerate() {
        if is_in(at) {
            text.push_group(value);
        }
    }
    text
}

impl Calls {
    /// Since when a machine calls anything.
    fn known(&mut self, observation: &Observation, caller: usize, gone: &mut Gone) -> i64 {
        let machine = key_of(observation, |at| at == caller);
        let coming = Coming::to(machine.key(), observation, MEMORY_NS);
        self.machines
            .at(coming, || Known::since(observation), gone)
            .map_or(observation.head.at, |slot| slot.state.0)
    }
}

impl Keeper for Calls {
    fn take(&mut self, track: &Track, observation: &Observation, gone: &mut Gone) -> Outcome {
        let outcome = self.pairs.take(track, observation, gone);
        let (Outcome::Travels(found), Some(caller)) = (&outcome, track.asked.caller()) else {
            return outcome;
        };
        // Since when a device of a school or a health service calls anything is nobody's business (R16).
        let known = match is_protected(observation) {
            true => observation.head.at,
            false => self.known(observation, caller, gone),
        };
        let start = found.start;
        let value = match found.value.split_once(SEPARATOR) {
            Some((count, rest)) => {
                format!("{known}{SEPARATOR}{count}{SEPARATOR}{start}{SEPARATOR}{rest}")
            }
            None => format!("{known}{SEPARATOR}{}", found.value),
        };
        Outcome::Travels(Found {
            value,
            ..found.clone()
        })
    }

    fn decide(&mut self, track: &Track, observation: &Observation, gone: &mut Gone) -> Outcome {
        let (Some(rule), Some(caller)) = (rule(&track.asked), track.asked.caller()) else {
            return COUNTED;
        };
        let at = observation.head.at;
        let most = usize::try_from(rule.callers.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let key = key_of(observation, |member| member != caller);
        let coming = Coming::to(key.key(), observation, MEMORY_NS);
        let Some(slot) = self.called.at(coming, || Called::new(at), gone) else {
            return Outcome::Counted { is_full: true };
        };
        slot.restrict(&observation.head);
        let group = observation.text.group();
        let machine = group.get(caller).map_or("", String::as_str);
        let machine_hash = hash(machine);
        let count = slot.state.call(machine_hash, at, rule.timespan_ns, most);
        let (known, found) = observation.text.value().split_once(SEPARATOR).unwrap_or_default();
        // Where habits are not learned, an episode is all that is remembered (R16).
        let is_protected = is_protected(observation);
        let until = at.saturating_add(if is_protected { rule.timespan_ns } else { MEMORY_NS });
        let (found, goes_on) = match found.strip_prefix(STILL) {
            // What was told of goes on; what was not, because too many called the same, may be told of now.
            Some(found) => (found, slot.state.still(machine_hash, until)),
            None => (found, None),
        };
        if most < count {
            return COUNTED;
        }
        if let Some(goes_on) = goes_on {
            return goes_on;
        }
        let known = known.parse().ok().map(Known);
        let (Some(known), Some(mut verdict)) = (known, read(rule, observation, found.split(SEPARATOR)))
        else {
            return COUNTED;
        };
        let first = slot.state.first;
        let machines = if count == 1 { "machine" } else { "machines" };
        let mut why = format!(
            "{count} {machines} of the organisation called it within {}, at most {most} by the rule",
            span(rule.timespan_ns)
        );
        // What is usual is shown once: a dashboard would be shown each day.
        let is_usual = 0 < rule.learning_ns && rule.learning_ns < at.saturating_sub(first);
        let was_told = slot.state.tell(machine_hash, until, !is_usual, most);
        if 0 < rule.learning_ns {
            // What calls slowly is judged when it has called for a time span: it may still be new then.
            let is_recent = at.saturating_sub(first) <= rule.timespan_ns.saturating_mul(2);
            let is_new = is_recent && !is_protected && !known.is_learning(rule, at);
            if was_told && !is_new {
                return slot.state.still(machine_hash, until).unwrap_or(COUNTED);
            }
            why.push_str(&format!("; first called {}", time(first)));
            verdict.severity = (!is_new).then_some(Severity::Informational);
            verdict.is_usual = is_usual;
        }
        let name = track.about.group_by.get(caller).cloned().unwrap_or_default();
        verdict.explained.push((name, machine.to_owned(), why));
        // Of others it tells how many they are and since when: it is as strict as what they did.
        verdict.strictest = slot.strictest;
        Outcome::Begun(Box::new(verdict))
    }

    fn limits(&self, track: &Track) -> Limits {
        self.pairs.limits(track)
    }

    fn len(&self) -> usize {
        self.pairs.len() + self.machines.len() + self.called.len()
    }

    fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.machines.len() == 0 && self.called.len() == 0
    }

    fn keep(&self) -> Vec<u8> {
        // Maps, numbers and texts always serialise.
        postcard::to_allocvec(&(self.pairs.keep(), self.machines.keep(), self.called.keep()))
            .unwrap_or_default()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
        let (pairs, machines, called): (Vec<u8>, Kept<Known>, Kept<Called>) = postcard::from_bytes(bytes)?;
        self.pairs.restore(&pairs)?;
        self.machines = Table::restore(machines, ENTITIES_MAX, |_| false);
        self.called = Table::restore(called, ENTITIES_MAX, |_| false);
        Ok(())
    }
}
