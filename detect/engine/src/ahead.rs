//! Prefilters built ahead, when rules are compiled: for the log sources that are known, and for those of a
//! sample of events. The sample also tells which witnesses are rare, so that rules sleep well.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use detect_rules::log_source;

use crate::{
    class::rules_of,
    json::{self, Marks},
    keys::Keys,
    literal::{GramCounts, Literals, Machine, Scratch},
    prefilter::{Prefilter, Prefilters},
    record::{Record, Wanted},
    ruleset::Ruleset,
    witness::{Frequencies, Group, Witness},
};

/// So many events of each log source are looked at; more would tell little more.
const SAMPLE_MAX: usize = 192;

/// The rules of one log source, and events of it.
struct Task<'s> {
    rules: Box<[u32]>,
    events: Vec<&'s str>,
}

/// Builds the prefilters of a ruleset that has none.
pub(crate) fn build(ruleset: &Ruleset, sample: &[Vec<u8>]) -> Prefilters {
    tasks(ruleset, sample)
        .into_iter()
        .map(|task| {
            let prefilter = Arc::new(task.build(ruleset));
            (task.rules, prefilter)
        })
        .collect()
}

/// What there is to build.
fn tasks<'s>(ruleset: &Ruleset, sample: &'s [Vec<u8>]) -> Vec<Task<'s>> {
    let mut by_rules: BTreeMap<Box<[u32]>, Vec<&'s str>> = BTreeMap::new();
    for sources in log_source::known() {
        by_rules.entry(ruleset.rules_for(&sources)).or_default();
    }
    let mut reader = Reader::default();
    for event in sample.iter().filter_map(|event| std::str::from_utf8(event).ok()) {
        if reader.read(ruleset, event) {
            let events = by_rules
                .entry(rules_of(ruleset, &reader.record, event))
                .or_default();
            if events.len() < SAMPLE_MAX {
                events.push(event);
            }
        }
    }
    by_rules
        .into_iter()
        .map(|(rules, events)| Task { rules, events })
        .collect()
}

impl Task<'_> {
    fn build(&self, ruleset: &Ruleset) -> Prefilter {
        let (frequencies, counts) = self.observe(ruleset);
        Prefilter::build(
            &self.rules,
            &ruleset.witnesses,
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
        let groups = self
            .rules
            .iter()
            .filter_map(|rule| ruleset.witnesses.get(*rule as usize));
        let witnesses: BTreeSet<&Witness> = groups.flatten().flat_map(Group::iter).collect();
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
