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
    record::{Kind, Record},
    ruleset::Ruleset,
    witness::Frequencies,
};

/// So many classes are remembered. Real traffic has hundreds; hostile traffic can make up any number, and then
/// the memory is emptied and filled anew.
const CLASSES_MAX: usize = 4096;

/// So many prefilters are remembered that were not built ahead.
const PREFILTERS_MAX: usize = 256;

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
    last: u32,
}

/// One class.
#[derive(Debug)]
pub(crate) struct Class {
    prefilter: Arc<Prefilter>,
    rules: Box<[u32]>,
    always: Box<[u32]>,
    /// One bit for each rule of the ruleset.
    dead: Box<[u64]>,
    seen: u32,
}

impl Class {
    pub(crate) fn prefilter(&self) -> &Prefilter {
        &self.prefilter
    }

    /// Rules that any event of the class may match.
    pub(crate) fn always(&self) -> &[u32] {
        &self.always
    }

    /// Whether no event of the class can match the rule.
    #[inline]
    pub(crate) fn is_dead(&self, rule: u32) -> bool {
        self.dead
            .get(rule as usize / 64)
            .is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }
}

impl Classes {
    /// The class of an event.
    pub(crate) fn of_event(
        &mut self,
        ruleset: &Ruleset,
        record: &mut Record,
        payload: &str,
        scratch: &mut Scratch,
    ) -> &Class {
        self.read_key(ruleset, record, payload);
        if self.key != self.last_key || self.classes.is_empty() {
            self.last = match self.by_key.get(self.key.as_slice()) {
                Some(index) => *index,
                None => self.insert(ruleset, record, payload, scratch),
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
            self.settle(index, ruleset, record, payload);
        }
        #[expect(clippy::indexing_slicing, reason = "an index of a class that is there")]
        &self.classes[index]
    }

    /// Everything that the fields of log sources hold, as spelled.
    fn read_key(&mut self, ruleset: &Ruleset, record: &Record, payload: &str) {
        self.key.clear();
        let mut tag = 0;
        for (which, fields) in ruleset.envelope.traits.iter().enumerate() {
            for field in fields {
                tag += 1;
                if !record.has(*field) || which == PROCESS && !is_of_processes(ruleset, record, payload) {
                    continue;
                }
                for entry in record.values(*field) {
                    self.key.push(tag);
                    self.key.push(match entry.kind {
                        Kind::Null => b'0',
                        Kind::Bool(_) | Kind::Number => b'1',
                        Kind::Text => b'"',
                    });
                    self.key.extend_from_slice(entry.raw(payload).as_bytes());
                }
            }
        }
    }

    #[cold]
    fn insert(&mut self, ruleset: &Ruleset, record: &Record, payload: &str, scratch: &mut Scratch) -> u32 {
        if CLASSES_MAX <= self.classes.len() {
            self.classes.clear();
            self.by_key.clear();
        }
        let rules = rules_of(ruleset, record, payload);
        let prefilter = self.prefilter(ruleset, &rules);
        prefilter.prepare(scratch);
        let index = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        self.classes.push(Class {
            always: prefilter.always().into(),
            prefilter,
            rules,
            dead: Box::default(),
            seen: 0,
        });
        self.by_key.insert(self.key.as_slice().into(), index);
        index
    }

    fn prefilter(&mut self, ruleset: &Ruleset, rules: &[u32]) -> Arc<Prefilter> {
        let held = ruleset
            .prefilters
            .get(rules)
            .or_else(|| self.prefilters.get(rules));
        if let Some(held) = held {
            return Arc::clone(held);
        }
        if PREFILTERS_MAX <= self.prefilters.len() {
            self.prefilters.clear();
        }
        let built = Arc::new(Prefilter::build(
            rules,
            |rule| ruleset.groups(rule),
            &Frequencies::default(),
            &GramCounts::default(),
            ruleset.names.len(),
            Machine::Plain,
        ));
        self.prefilters.insert(rules.into(), Arc::clone(&built));
        built
    }

    /// Puts rules to rest that the fields of the class rule out.
    #[cold]
    fn settle(&mut self, index: usize, ruleset: &Ruleset, record: &mut Record, payload: &str) {
        let Some(class) = self.classes.get_mut(index) else {
            return;
        };
        let known = |field: FieldId| {
            ruleset
                .envelope
                .traits
                .iter()
                .enumerate()
                .any(|(which, fields)| which != PROCESS && fields.contains(&field))
        };
        let mut dead = vec![0_u64; ruleset.rules.len().div_ceil(64)];
        for rule in &class.rules {
            let Some(compiled) = ruleset.rules.get(*rule as usize) else {
                continue;
            };
            if compiled.program.decided(record, payload, &known) == Some(false)
                && let Some(word) = dead.get_mut(*rule as usize / 64)
            {
                *word |= 1 << (rule % 64);
            }
        }
        class.dead = dead.into();
        class.always = class
            .always
            .iter()
            .copied()
            .filter(|rule| !class.is_dead(*rule))
            .collect();
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
