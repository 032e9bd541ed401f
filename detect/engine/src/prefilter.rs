//! Which rules can't match an event, found in one pass over its texts.
//!
//! Most rules need some text to be there: all parts of a `contains`, the name of a program. Each rule names at
//! most two groups of such texts, and is evaluated only if the event has one text of each group. The pass is
//! over the record's texts without regard to case, so after JSON's escapes are gone, and anywhere in the
//! event: it lets too much through, never too little. Says nothing of what does match; that is the program's.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;
use detect_rules::{Condition, Pattern, Quantifier, Test, TextPart};

use crate::record::{Record, fold};

/// Shorter texts are in nearly every event.
const LITERAL_BYTES_MIN: usize = 3;

/// A group of more texts than this is left out: it costs memory and is nearly always there.
const GROUP_MAX: usize = 512;

/// With fewer rules than this for an event, the pass costs more than it saves.
const RULES_MIN: usize = 16;

/// The slot of a group that is always there.
const ALWAYS: u32 = 0;

/// At least one of these is in the event, without regard to case.
type Group = BTreeSet<String>;

/// The texts of every rule.
#[derive(Debug, Default)]
pub(crate) struct Prefilter {
    texts: Option<AhoCorasick>,
    /// For each text, the slots of its groups.
    slots: Vec<Box<[u32]>>,
    /// For each rule, the slots it needs.
    needs: Vec<[u32; 2]>,
    slot_count: usize,
}

/// Which slots the event at hand has; used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// For each slot, the last turn in which one of its texts was found.
    slots: Vec<u32>,
    /// For each text, the same.
    texts: Vec<u32>,
    turn: u32,
    /// Whether the event was looked at; else every rule may match.
    is_used: bool,
}

impl Prefilter {
    /// What these conditions, in the order of their rules, need.
    pub(crate) fn build<'c>(conditions: impl Iterator<Item = &'c Condition>) -> Self {
        let mut by_text: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut by_group: BTreeMap<Group, u32> = BTreeMap::new();
        let mut needs = Vec::new();
        for condition in conditions {
            let mut need = [ALWAYS; 2];
            for (place, group) in need.iter_mut().zip(best(needed(condition))) {
                let next = u32::try_from(by_group.len() + 1).unwrap_or(ALWAYS);
                *place = *by_group.entry(group).or_insert(next);
            }
            needs.push(need);
        }
        for (group, slot) in &by_group {
            for text in group {
                by_text.entry(text.clone()).or_default().push(*slot);
            }
        }
        // Too many texts for an automaton: every rule is evaluated.
        let Ok(texts) = AhoCorasick::new(by_text.keys()) else {
            return Self::default();
        };
        Self {
            texts: Some(texts),
            slots: by_text.into_values().map(Into::into).collect(),
            needs,
            slot_count: by_group.len() + 1,
        }
    }

    /// Looks for the texts in an event. Without this, or for few rules, every rule may match.
    pub(crate) fn look(&self, record: &Record, rule_count: usize, marks: &mut Marks) {
        marks.turn = marks.turn.wrapping_add(1);
        if marks.turn == 0 || marks.slots.len() != self.slot_count {
            *marks = Marks {
                slots: vec![0; self.slot_count],
                texts: vec![0; self.slots.len()],
                turn: 1,
                is_used: true,
            };
        }
        let Some(texts) = self.texts.as_ref().filter(|_| RULES_MIN <= rule_count) else {
            marks.is_used = false;
            return;
        };
        marks.is_used = true;
        if let Some(always) = marks.slots.first_mut() {
            *always = marks.turn;
        }
        for text in record.all_folded() {
            for found in texts.find_overlapping_iter(text) {
                let at = found.pattern().as_usize();
                let Some(last) = marks.texts.get_mut(at) else {
                    continue;
                };
                if std::mem::replace(last, marks.turn) == marks.turn {
                    continue;
                }
                for slot in self.slots.get(at).map_or(&[][..], AsRef::as_ref) {
                    if let Some(mark) = marks.slots.get_mut(*slot as usize) {
                        *mark = marks.turn;
                    }
                }
            }
        }
    }

    /// Whether a rule may match the event that was looked at.
    pub(crate) fn may_match(&self, rule: u32, marks: &Marks) -> bool {
        !marks.is_used
            || self.needs.get(rule as usize).is_none_or(|need| {
                need.iter()
                    .all(|slot| marks.slots.get(*slot as usize) == Some(&marks.turn))
            })
    }
}

/// The two groups that are likely to be the rarest: those whose shortest text is longest, then the smaller.
fn best(mut groups: Vec<Group>) -> impl Iterator<Item = Group> {
    groups.sort_by_key(|group| (std::cmp::Reverse(shortest(group)), group.len()));
    groups.dedup();
    groups.into_iter().take(2)
}

fn shortest(group: &Group) -> usize {
    group.iter().map(String::len).min().unwrap_or(0)
}

/// Groups that an event must have for the condition to hold; none if it can hold without.
fn needed(condition: &Condition) -> Vec<Group> {
    match condition {
        Condition::All(parts) => parts.iter().flat_map(needed).collect(),
        Condition::AtLeast(0, _) | Condition::Not(_) => Vec::new(),
        Condition::AtLeast(_, parts) => match parts.as_slice() {
            [only] => needed(only),
            several => joined(several.iter().map(|part| best(needed(part)).next())),
        },
        Condition::Item(item) => match &item.test {
            Test::Exists(_) | Test::Values { negated: true, .. } => Vec::new(),
            Test::Values {
                quantifier, patterns, ..
            } => of_patterns(*quantifier, patterns),
        },
        Condition::Keywords(quantifier, patterns) => of_patterns(*quantifier, patterns),
    }
}

fn of_patterns(quantifier: Quantifier, patterns: &[Pattern]) -> Vec<Group> {
    let each = patterns
        .iter()
        .map(|pattern| literal(pattern).map(|text| Group::from([text])));
    match quantifier {
        Quantifier::All => each.flatten().collect(),
        Quantifier::Any => joined(each),
    }
}

/// One group of alternatives, if each alternative has one.
fn joined(groups: impl Iterator<Item = Option<Group>>) -> Vec<Group> {
    groups
        .collect::<Option<Vec<Group>>>()
        .map(|groups| groups.into_iter().flatten().collect::<Group>())
        .filter(|group| !group.is_empty() && group.len() <= GROUP_MAX)
        .into_iter()
        .collect()
}

/// The longest text that a value must have somewhere for the pattern to match.
fn literal(pattern: &Pattern) -> Option<String> {
    match pattern {
        Pattern::Text { parts, .. } => parts
            .iter()
            .filter_map(|part| match part {
                TextPart::Literal(text) => Some(fold(text)),
                TextPart::Any | TextPart::One => None,
            })
            .max_by_key(String::len)
            .filter(|text| LITERAL_BYTES_MIN <= text.len()),
        Pattern::Regex(_)
        | Pattern::Cidr(_)
        | Pattern::Number(..)
        | Pattern::Bool(_)
        | Pattern::Null
        | Pattern::Field { .. }
        | Pattern::Time(..) => None,
    }
}
