//! Prefilters built ahead, when rules are compiled: for the log sources that are known, and for the classes of a
//! sample of events. The sample also tells which witnesses are rare, so that rules sleep well.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use detect_rules::{RuleLogSource, log_source};
use serde::{Deserialize, Serialize};

use crate::{
    class::{not_ruled_out, read_key, sources_of},
    earlier::Same,
    json::{self, Marks},
    keys::Keys,
    literal::{GramCounts, Machine, Scratch},
    prefilter::{Awake, Prefilter, Prefilters},
    record::{Payload, Record},
    ruleset::Ruleset,
    witness::{Frequencies, Needs, Witness},
};

/// So many events for each prefilter are looked at; more would tell little more.
const SAMPLE_MAX: usize = 192;

/// So many classes of the sample have a prefilter of their own.
const CLASSES_MAX: usize = 1024;

/// What was built ahead.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ahead {
    /// By their rules.
    pub(crate) prefilters: Prefilters,
    /// The sets of log sources for which there are some.
    pub(crate) sources: BTreeSet<Vec<RuleLogSource>>,
    /// The classes for which there are some, by their keys.
    pub(crate) classes: BTreeMap<Box<[u8]>, AheadClass>,
}

/// A class of events that is known before its first event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AheadClass {
    pub(crate) sources: Vec<RuleLogSource>,
    /// Those that its events can match.
    pub(crate) rules: Box<[u32]>,
}

/// The rules of one prefilter, and events that it will look at.
struct Task<'s> {
    rules: Box<[u32]>,
    events: Vec<&'s str>,
}

/// Events by the rules of the prefilters that are still to build.
type Tasks<'s> = BTreeMap<Box<[u32]>, Vec<&'s str>>;

/// What a ruleset that has nothing yet needs. What an earlier ruleset had is taken from it where that can be.
pub(crate) fn build(ruleset: &Ruleset, sample: &[Vec<u8>], same: Option<&Same<'_>>) -> Ahead {
    let mut ahead = Ahead {
        sources: log_source::known(),
        ..Ahead::default()
    };
    let mut tasks = Tasks::new();
    if let Some(same) = same {
        ahead.sources.extend(same.sources().cloned());
    }
    for sources in &ahead.sources {
        let rules = ruleset.rules_for(sources);
        if ahead.prefilters.contains_key(&rules) || tasks.contains_key(&rules) {
            continue;
        }
        match same.and_then(|same| same.prefilter(sources, &rules)) {
            Some(prefilter) => drop(ahead.prefilters.insert(rules, prefilter)),
            None => drop(tasks.insert(rules, Vec::new())),
        }
    }
    if let Some(same) = same {
        take_classes(ruleset, same, &mut ahead);
    }
    // Events of log sources that are new to a sample count when everything is compiled again.
    if same.is_none() || !tasks.is_empty() {
        distribute(ruleset, sample, same.is_none(), &mut tasks, &mut ahead);
    }
    for (rules, events) in tasks {
        let task = Task { rules, events };
        let prefilter = Arc::new(task.build(ruleset));
        ahead.prefilters.insert(task.rules, prefilter);
    }
    ahead
}

/// Takes over the classes of an earlier ruleset.
fn take_classes(ruleset: &Ruleset, same: &Same<'_>, ahead: &mut Ahead) {
    let mut known: BTreeMap<&[RuleLogSource], Box<[u32]>> = BTreeMap::new();
    for (key, class) in same.classes() {
        let of_sources = known
            .entry(&class.sources)
            .or_insert_with(|| ruleset.rules_for(&class.sources));
        let Some((rules, prefilter)) = same.class(class, of_sources) else {
            continue;
        };
        ahead.prefilters.entry(rules.clone()).or_insert(prefilter);
        let sources = class.sources.clone();
        ahead.classes.insert(key.clone(), AheadClass { sources, rules });
    }
}

/// Gives each task its events; other log sources and classes of events are tasks too, if those may be added.
fn distribute<'s>(
    ruleset: &Ruleset,
    sample: &'s [Vec<u8>],
    may_add: bool,
    tasks: &mut Tasks<'s>,
    ahead: &mut Ahead,
) {
    let mut reader = Reader::default();
    let mut known: BTreeMap<Vec<RuleLogSource>, Box<[u32]>> = BTreeMap::new();
    let mut key = Vec::new();
    for event in sample.iter().filter_map(|event| std::str::from_utf8(event).ok()) {
        if !reader.read(ruleset, event) {
            continue;
        }
        let sources = sources_of(ruleset, &reader.record, event);
        let rules = known
            .entry(sources)
            .or_insert_with_key(|sources| ruleset.rules_for(sources));
        let mut give = |rules: &[u32]| {
            if may_add && !tasks.contains_key(rules) {
                tasks.insert(rules.into(), Vec::new());
            }
            if let Some(events) = tasks.get_mut(rules)
                && events.len() < SAMPLE_MAX
            {
                events.push(event);
            }
        };
        give(rules);
        if !may_add {
            continue;
        }
        read_key(ruleset, &reader.record, event, &mut key);
        if !ahead.classes.contains_key(key.as_slice()) && ahead.classes.len() < CLASSES_MAX {
            let payload = Payload::new(event, &reader.marks);
            let class = AheadClass {
                rules: not_ruled_out(ruleset, rules, &mut reader.record, payload),
                sources: sources_of(ruleset, &reader.record, event),
            };
            ahead.classes.insert(key.as_slice().into(), class);
        }
        if let Some(class) = ahead.classes.get(key.as_slice())
            && class.rules != *rules
        {
            give(&class.rules);
        }
    }
    if may_add {
        ahead.sources.extend(known.into_keys());
    }
}

impl Task<'_> {
    fn build(&self, ruleset: &Ruleset) -> Prefilter {
        let (frequencies, counts) = self.observe(ruleset);
        Prefilter::build(
            &self.rules,
            |rule| ruleset.needs(rule),
            &frequencies,
            &counts,
            ruleset.names.len(),
            Machine::Value,
        )
    }

    /// How often each witness of each rule is in the events, and their grams.
    fn observe(&self, ruleset: &Ruleset) -> (Frequencies, GramCounts) {
        let mut frequencies = Frequencies::default();
        let mut counts = GramCounts::default();
        if self.events.is_empty() {
            return (frequencies, counts);
        }
        let needs = self.rules.iter().filter_map(|rule| ruleset.needs(*rule));
        let witnesses: BTreeSet<&Witness> = needs.flat_map(Needs::witnesses).collect();
        // Each witness as a rule of its own: who is awake was there.
        let needs: Vec<Needs> = witnesses
            .into_iter()
            .map(|witness| Needs::one(witness.clone()))
            .collect();
        let each: Vec<u32> = (0..).zip(&needs).map(|(number, _)| number).collect();
        let prefilter = Prefilter::build(
            &each,
            |number| needs.get(number as usize),
            &frequencies,
            &counts,
            ruleset.names.len(),
            Machine::Quick,
        );
        let (mut reader, mut scratch, mut awake) = (Reader::default(), Scratch::default(), Awake::default());
        prefilter.prepare(&mut scratch);
        for event in &self.events {
            if !reader.read(ruleset, event) {
                continue;
            }
            counts.add(reader.marks.lower());
            awake.start(each.len());
            let payload = Payload::new(event, &reader.marks);
            prefilter.look(&mut reader.record, payload, &mut scratch, &mut awake);
            frequencies.events += 1;
            let seen = awake
                .rules()
                .iter()
                .filter_map(|number| needs.get(*number as usize));
            for witness in seen.flat_map(Needs::witnesses) {
                *frequencies.seen.entry(witness.clone()).or_default() += 1;
            }
        }
        (frequencies, counts)
    }
}

/// Reads sample events as a scanner does.
#[derive(Default)]
struct Reader {
    marks: Marks,
    keys: Keys,
    record: Record,
}

impl Reader {
    fn read(&mut self, ruleset: &Ruleset, event: &str) -> bool {
        self.marks.mark(event.as_bytes());
        self.record.clear(&ruleset.names, &self.marks);
        let is_read = json::read(
            event,
            &self.marks,
            &mut self.keys,
            &ruleset.names,
            json::Keep::AllTexts,
            &mut self.record,
        );
        self.record.settle_envelope(event);
        is_read.is_ok()
    }
}
