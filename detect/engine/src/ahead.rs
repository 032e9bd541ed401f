//! Prefilters built ahead, when rules are compiled: for the log sources that are known, and for those of a
//! sample of events. The sample also tells which witnesses are rare, so that rules sleep well.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use detect_rules::{RuleLogSource, log_source};

use crate::{
    class::sources_of,
    earlier::Same,
    json::{self, Marks},
    keys::Keys,
    literal::{GramCounts, Literals, Machine, Scratch},
    prefilter::{Prefilter, Prefilters},
    record::{Record, Wanted},
    ruleset::Ruleset,
    witness::{Frequencies, Witness},
};

/// So many events of each log source are looked at; more would tell little more.
const SAMPLE_MAX: usize = 192;

/// The rules of one log source, and events of it.
struct Task<'s> {
    rules: Box<[u32]>,
    events: Vec<&'s str>,
}

/// The prefilters of a ruleset that has none, and the sets of log sources that they are for. Those that an earlier
/// ruleset had are taken from it where that can be.
pub(crate) fn build(
    ruleset: &Ruleset,
    sample: &[Vec<u8>],
    same: Option<&Same<'_>>,
) -> (Prefilters, BTreeSet<Vec<RuleLogSource>>) {
    let mut ahead = log_source::known();
    let mut prefilters = Prefilters::default();
    let mut tasks: BTreeMap<Box<[u32]>, Vec<&str>> = BTreeMap::new();
    if let Some(same) = same {
        ahead.extend(same.ahead().cloned());
    }
    for sources in &ahead {
        let rules = ruleset.rules_for(sources);
        if prefilters.contains_key(&rules) || tasks.contains_key(&rules) {
            continue;
        }
        match same.and_then(|same| same.prefilter(sources, &rules)) {
            Some(prefilter) => drop(prefilters.insert(rules, prefilter)),
            None => drop(tasks.insert(rules, Vec::new())),
        }
    }
    // Events of log sources that are new to a sample count when everything is compiled again.
    if same.is_none() || !tasks.is_empty() {
        let may_add = same.is_none();
        distribute(ruleset, sample, may_add, &mut tasks, &mut ahead);
    }
    for (rules, events) in tasks {
        let task = Task { rules, events };
        let prefilter = Arc::new(task.build(ruleset));
        prefilters.insert(task.rules, prefilter);
    }
    (prefilters, ahead)
}

/// Gives each task its events; events of other log sources are tasks too, if those may be added.
fn distribute<'s>(
    ruleset: &Ruleset,
    sample: &'s [Vec<u8>],
    may_add: bool,
    tasks: &mut BTreeMap<Box<[u32]>, Vec<&'s str>>,
    ahead: &mut BTreeSet<Vec<RuleLogSource>>,
) {
    let mut reader = Reader::default();
    let mut known: BTreeMap<Vec<RuleLogSource>, Box<[u32]>> = BTreeMap::new();
    for event in sample.iter().filter_map(|event| std::str::from_utf8(event).ok()) {
        if !reader.read(ruleset, event) {
            continue;
        }
        let sources = sources_of(ruleset, &reader.record, event);
        let rules = known
            .entry(sources)
            .or_insert_with_key(|sources| ruleset.rules_for(sources));
        if may_add && !tasks.contains_key(rules) {
            tasks.insert(rules.clone(), Vec::new());
        }
        if let Some(events) = tasks.get_mut(rules)
            && events.len() < SAMPLE_MAX
        {
            events.push(event);
        }
    }
    if may_add {
        ahead.extend(known.into_keys());
    }
}

impl Task<'_> {
    fn build(&self, ruleset: &Ruleset) -> Prefilter {
        let (frequencies, counts) = self.observe(ruleset);
        Prefilter::build(
            &self.rules,
            |rule| ruleset.groups(rule),
            &frequencies,
            &counts,
            ruleset.names.len(),
            Machine::Fastest,
        )
    }

    /// How often each witness of each rule is in the events, and their grams.
    fn observe(&self, ruleset: &Ruleset) -> (Frequencies, GramCounts) {
        let mut frequencies = Frequencies::default();
        let mut counts = GramCounts::default();
        if self.events.is_empty() {
            return (frequencies, counts);
        }
        let groups = self.rules.iter().flat_map(|rule| ruleset.groups(*rule));
        let witnesses: BTreeSet<&Witness> = groups.flatten().collect();
        let mut by_text: BTreeMap<&str, Vec<&Witness>> = BTreeMap::new();
        let mut wanted = vec![Wanted::No; ruleset.names.len()];
        for witness in witnesses {
            by_text.entry(&witness.text).or_default().push(witness);
            witness.want(&mut wanted);
        }
        let texts: Vec<Box<str>> = by_text.keys().map(|text| Box::from(*text)).collect();
        let of_text: Vec<Vec<&Witness>> = by_text.into_values().collect();
        let literals = Literals::build(&texts, Machine::Plain, &counts);
        let (mut reader, mut scratch) = (Reader::default(), Scratch::default());
        for event in &self.events {
            if !reader.read(ruleset, event) {
                continue;
            }
            let start = reader.record.gather(event, &reader.marks, |entry| {
                wanted.get(entry.field as usize).copied().unwrap_or_default()
            });
            let haystack = reader.record.haystack(start);
            counts.add(haystack.text.as_bytes());
            counts.add(event.to_ascii_lowercase().as_bytes());
            let mut seen: BTreeSet<&Witness> = BTreeSet::new();
            literals.scan(haystack.text.as_bytes(), &mut scratch, |literal, end| {
                let field = haystack.field_at(end.saturating_sub(1));
                let found = of_text.get(literal as usize).map_or(&[][..], Vec::as_slice);
                seen.extend(found.iter().filter(|witness| witness.is_in(field)));
            });
            frequencies.events += 1;
            for witness in seen {
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
        self.record.clear(&ruleset.names);
        self.marks.mark(event.as_bytes());
        let is_read = json::read(
            event,
            &self.marks,
            &mut self.keys,
            &ruleset.names,
            &mut self.record,
        );
        self.record.settle_envelope(event);
        is_read.is_ok()
    }
}
