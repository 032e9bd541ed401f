//! Many rules awake for one event, and much to ask them: each text of theirs is looked for once.
//!
//! Made for events that are made to be slow: a command line with every rule's texts in it, a field with thousands of
//! values. One look over the values tells of every plain text of the class's rules whether it is there; the conditions
//! then only ask for the answer. Ordinary events never come here.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{Call, Draft, Edges, Look, Set};
use crate::{
    keys::FieldId,
    literal::{GramCounts, Machine, Scratch},
    pattern::TextKey,
    record::{Kind, Payload, Record},
    ruleset::Ruleset,
};

/// From so many awake rules on they are a crowd.
const RULES_MIN: usize = 64;

/// Or from so many answers on that they ask for: rules times values.
const ANSWERS_MIN: usize = 2048;

/// A field is worth the look from so many bytes on.
const BYTES_MIN: usize = 4096;

/// So many classes have had a crowd before all of them are forgotten: what is kept of each may be some megabytes.
const CLASSES_MAX: usize = 16;

/// Every plain text of a class's rules.
#[derive(Debug)]
pub(crate) struct Crowd {
    looks: FxHashMap<FieldId, Look>,
    /// By the number that a call has as its rule.
    keys: Vec<TextKey>,
}

/// Those of a scanner's classes, by number; made when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct Crowds(FxHashMap<usize, Crowd>);

impl Crowds {
    /// Looks at an event's large fields, if its rules are a crowd; their texts are then known to the record.
    #[inline]
    pub(crate) fn look(
        &mut self,
        ruleset: &Ruleset,
        class: (usize, &[u32]),
        awake: &[u32],
        record: &mut Record,
        payload: Payload<'_>,
        scratch: &mut Scratch,
    ) {
        let is_crowd = RULES_MIN <= awake.len() || ANSWERS_MIN <= awake.len() * record.entries().len();
        if is_crowd && BYTES_MIN <= payload.text.len() {
            self.look_at_large(ruleset, class, record, payload, scratch);
        }
    }

    #[cold]
    fn look_at_large(
        &mut self,
        ruleset: &Ruleset,
        (class, rules): (usize, &[u32]),
        record: &mut Record,
        payload: Payload<'_>,
        scratch: &mut Scratch,
    ) {
        let mut sizes: FxHashMap<FieldId, usize> = FxHashMap::default();
        for entry in record.entries() {
            if let Some(field) = entry.field() {
                *sizes.entry(field).or_default() += entry.range().len();
            }
        }
        sizes.retain(|_, bytes| BYTES_MIN <= *bytes);
        if sizes.is_empty() {
            return;
        }
        if CLASSES_MAX <= self.0.len() && !self.0.contains_key(&class) {
            self.0.clear();
        }
        let crowd = self.0.entry(class).or_insert_with(|| Crowd::of(ruleset, rules));
        for field in sizes.into_keys() {
            crowd.look(field, record, payload, scratch);
        }
    }
}

impl Crowd {
    fn of(ruleset: &Ruleset, rules: &[u32]) -> Self {
        let mut numbers: FxHashMap<TextKey, u32> = FxHashMap::default();
        let mut keys = Vec::new();
        let mut drafts: BTreeMap<FieldId, Draft> = BTreeMap::new();
        let mut seen: rustc_hash::FxHashSet<(FieldId, TextKey)> = rustc_hash::FxHashSet::default();
        for rule in rules.iter().filter_map(|rule| ruleset.rules.get(*rule as usize)) {
            rule.program.texts(&mut |field, text| {
                if !seen.insert((field, text.key)) {
                    return;
                }
                let number = *numbers.entry(text.key).or_insert_with(|| {
                    keys.push(text.key);
                    keys.len() as u32 - 1
                });
                // Such a call counts only where the text is not inside an escape.
                let call = Call {
                    rule: number,
                    gate: Call::CLOSES,
                    gates: 1,
                };
                let spelled = String::from_utf8_lossy(text.spelled).into_owned();
                drafts.entry(field).or_default().add(text.place, spelled, call);
            });
        }
        let counts = GramCounts::default();
        let look = |draft: Draft| Look {
            edges: Edges::build(draft.edges),
            parts: Set::build(draft.parts, Machine::Quick, &counts),
            has_numbers: false,
        };
        Self {
            looks: drafts
                .into_iter()
                .map(|(field, draft)| (field, look(draft)))
                .collect(),
            keys,
        }
    }

    /// Finds every text in the values of a field.
    fn look(&self, field: FieldId, record: &mut Record, payload: Payload<'_>, scratch: &mut Scratch) {
        record.respell(field, payload);
        let mut known = record.start_knowing(field);
        if let Some(look) = self.looks.get(&field) {
            for entry in record.values(field).filter(|entry| entry.kind != Kind::Null) {
                look.look(record.lower(entry, payload), scratch, |call| {
                    if let Some(key) = self.keys.get(call.rule as usize) {
                        known.insert(field, *key);
                    }
                });
            }
        }
        record.end_knowing(known);
    }
}
