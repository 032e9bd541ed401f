//! Classes of events: those that the same rules are for.
//!
//! An event's class is what the fields that tell log sources apart hold (`event.dataset`, channel, event id …).
//! It is found once for all events that share it: their log sources, the rules for these, a prefilter. When a
//! class was seen a few times, rules that those fields alone rule out are put to rest in it.

use std::{collections::HashMap, sync::Arc};

use detect_rules::{
    RuleLogSource,
    log_source::{self, TRAIT_COUNT, Traits},
};
use foldhash::fast::RandomState;

use crate::{
    keys::FieldId,
    literal::{GramCounts, Machine, Scratch},
    prefilter::Prefilter,
    record::{Kind, Payload, Record},
    ruleset::Ruleset,
    witness::Frequencies,
};

/// So many classes are remembered. Real traffic has hundreds; hostile traffic can make up any number, and then
/// the memory is emptied and filled anew.
const CLASSES_MAX: usize = 4096;

/// So many prefilters are remembered that were not built ahead.
const PREFILTERS_MAX: usize = 256;

/// Longer keys are remembered by their digests: events choose what their channels are called.
const KEY_BYTES_MAX: usize = 1024;

/// A class is worth a closer look when it was seen this often.
const SETTLES_AT: u32 = 16;

/// Which of [`Traits`] is the process: it counts only where the log source depends on it.
const PROCESS: usize = 7;

/// The datasets for which it does.
const OF_PROCESSES: &str = "system.";

/// The classes that a scanner has seen.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    /// Seeded, since events choose the keys.
    by_key: HashMap<Box<[u8]>, u32, RandomState>,
    classes: Vec<Class>,
    prefilters: HashMap<Box<[u32]>, Arc<Prefilter>, RandomState>,
    key: Vec<u8>,
    last_key: Vec<u8>,
    /// How many there ever were.
    made: usize,
    last: u32,
}

/// One class.
#[derive(Debug)]
pub(crate) struct Class {
    /// For the rules that events of the class can match.
    prefilter: Arc<Prefilter>,
    rules: Box<[u32]>,
    number: usize,
    seen: u32,
}

impl Class {
    pub(crate) fn prefilter(&self) -> &Prefilter {
        &self.prefilter
    }

    /// Its number in its scanner, and all its rules.
    pub(crate) fn number_and_rules(&self) -> (usize, &[u32]) {
        (self.number, &self.rules)
    }
}

impl Classes {
    /// The class of an event.
    pub(crate) fn of_event(
        &mut self,
        ruleset: &Ruleset,
        record: &mut Record,
        payload: Payload<'_>,
        scratch: &mut Scratch,
    ) -> &Class {
        read_key(ruleset, record, payload.text, &mut self.key);
        if self.key != self.last_key || self.classes.is_empty() {
            self.last = match self.by_key.get(self.key.as_slice()) {
                Some(index) => *index,
                None => self.insert(ruleset, record, payload.text, scratch),
            };
            self.last_key.clone_from(&self.key);
        }
        let index = self.last as usize;
        let is_settled = match self.classes.get_mut(index) {
            Some(class) => {
                class.seen = class.seen.saturating_add(1);
                if class.seen == SETTLES_AT && !ruleset.is_whole() {
                    // Asking every rule would compile them all, here and now.
                    class.seen = 0;
                }
                class.seen != SETTLES_AT
            }
            None => true,
        };
        if !is_settled {
            self.settle(index, ruleset, record, payload, scratch);
        }
        #[expect(clippy::indexing_slicing, reason = "an index of a class that is there")]
        &self.classes[index]
    }

    #[cold]
    fn insert(&mut self, ruleset: &Ruleset, record: &Record, payload: &str, scratch: &mut Scratch) -> u32 {
        if CLASSES_MAX <= self.classes.len() {
            self.classes.clear();
            self.by_key.clear();
        }
        let known = ruleset.ahead.classes.get(self.key.as_slice());
        let (rules, seen) = match known {
            Some(class) => (class.rules.clone(), SETTLES_AT),
            None => (rules_of(ruleset, record, payload), 0),
        };
        let prefilter = self.prefilter(ruleset, &rules);
        prefilter.prepare(scratch);
        let index = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        self.made += 1;
        self.classes.push(Class {
            number: self.made,
            prefilter,
            rules,
            seen,
        });
        self.by_key.insert(self.key.as_slice().into(), index);
        index
    }

    fn prefilter(&mut self, ruleset: &Ruleset, rules: &[u32]) -> Arc<Prefilter> {
        let held = ruleset
            .ahead
            .prefilters
            .get(rules)
            .or_else(|| self.prefilters.get(rules));
        if let Some(held) = held {
            return Arc::clone(held);
        }
        if PREFILTERS_MAX <= self.prefilters.len() {
            // Classes hold them too.
            self.prefilters.clear();
            self.classes.clear();
            self.by_key.clear();
        }
        let built = Arc::new(Prefilter::build(
            rules,
            |rule| ruleset.needs(rule),
            &Frequencies::default(),
            &GramCounts::default(),
            ruleset.names.len(),
            Machine::Quick,
        ));
        self.prefilters.insert(rules.into(), Arc::clone(&built));
        built
    }

    /// Puts rules to rest that the fields of the class rule out.
    #[cold]
    fn settle(
        &mut self,
        index: usize,
        ruleset: &Ruleset,
        record: &mut Record,
        payload: Payload<'_>,
        scratch: &mut Scratch,
    ) {
        let Some(class) = self.classes.get(index) else {
            return;
        };
        let awake = not_ruled_out(ruleset, &class.rules, record, payload);
        let prefilter = self.prefilter(ruleset, &awake);
        prefilter.prepare(scratch);
        if let Some(class) = self.classes.get_mut(index) {
            class.prefilter = prefilter;
        }
    }
}

/// Those of the rules that the fields of an event's class do not rule out.
pub(crate) fn not_ruled_out(
    ruleset: &Ruleset,
    rules: &[u32],
    record: &mut Record,
    payload: Payload<'_>,
) -> Box<[u32]> {
    let traits = &ruleset.envelope.traits;
    let known = |field: FieldId| {
        let mut of_class = traits.iter().enumerate().filter(|(which, _)| *which != PROCESS);
        of_class.any(|(_, fields)| fields.contains(&field))
    };
    let can_hold = |rule: &u32| {
        let compiled = ruleset.rules.get(*rule as usize);
        compiled.is_some_and(|rule| rule.program.decided(record, payload, &known) != Some(false))
    };
    rules.iter().copied().filter(can_hold).collect()
}

/// Everything that the fields of log sources hold, as spelled.
pub(crate) fn read_key(ruleset: &Ruleset, record: &Record, payload: &str, key: &mut Vec<u8>) {
    key.clear();
    let processes = ruleset
        .envelope
        .traits
        .get(PROCESS)
        .map_or(&[][..], Vec::as_slice);
    for entry in record.of_envelope() {
        let Some(tag) = ruleset.envelope.tag(entry.field) else {
            continue;
        };
        if processes.contains(&entry.field) && !is_of_processes(ruleset, record, payload) {
            continue;
        }
        key.push(tag);
        key.push(match entry.kind {
            Kind::Null => b'0',
            Kind::Bool(_) | Kind::Number => b'1',
            Kind::Text => b'"',
        });
        key.extend_from_slice(entry.raw(payload).as_bytes());
    }
    if KEY_BYTES_MAX < key.len() {
        let digest = blake3::hash(key);
        key.clear();
        key.push(u8::MAX);
        key.extend_from_slice(digest.as_bytes());
    }
}

fn is_of_processes(ruleset: &Ruleset, record: &Record, payload: &str) -> bool {
    let dataset = ruleset.envelope.traits.first().and_then(|fields| fields.first());
    dataset
        .and_then(|field| record.first_text(*field, payload))
        .is_some_and(|dataset| dataset.starts_with(OF_PROCESSES))
}

/// The rules for an event, ascending.
fn rules_of(ruleset: &Ruleset, record: &Record, payload: &str) -> Box<[u32]> {
    ruleset.rules_for(&sources_of(ruleset, record, payload))
}

/// An event's log sources.
pub(crate) fn sources_of(ruleset: &Ruleset, record: &Record, payload: &str) -> Vec<RuleLogSource> {
    let texts: [Option<&str>; TRAIT_COUNT] = ruleset
        .envelope
        .traits
        .each_ref()
        .map(|fields| fields.iter().find_map(|field| record.first_text(*field, payload)));
    log_source::of_event(&Traits::from_texts(texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Compiler,
        json::{self, Keep, Marks},
        keys::Keys,
    };

    fn key(channel: &str) -> Vec<u8> {
        let ruleset = Compiler::new().compile().expect("compiles");
        let event = format!(r#"{{"@timestamp":"2026-01-01T00:00:00Z","Channel":"{channel}"}}"#);
        let (mut marks, mut keys, mut record) = (Marks::default(), Keys::default(), Record::default());
        marks.mark(event.as_bytes());
        record.clear(&ruleset.names, &marks);
        let read = json::read(
            &event,
            &marks,
            &mut keys,
            &ruleset.names,
            Keep::Asked,
            &mut record,
        );
        assert_eq!(read, Ok(()));
        let mut key = Vec::new();
        read_key(&ruleset, &record, &event, &mut key);
        key
    }

    #[test]
    fn a_key_is_short_however_long_a_channel_is_and_each_has_its_own() {
        let long = "x".repeat(1 << 20);
        let keys = [key("a"), key("b"), key(&long), key(&format!("{long}y"))];
        for (at, key) in keys.iter().enumerate() {
            assert!(!key.is_empty() && key.len() <= KEY_BYTES_MAX, "{at}");
            assert!(keys.iter().skip(at + 1).all(|other| other != key), "{at}");
        }
    }
}
