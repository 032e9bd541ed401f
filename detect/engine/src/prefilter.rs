//! Which rules an event of one log source could match, found in one pass over the values that matter.
//!
//! A rule lends its rarest group of witnesses; those of all rules are one set of literals. A literal found in
//! the right field wakes its rules. Rules without a witness are always awake. Says nothing of what does match;
//! that is the program's.

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::{
    json::Marks,
    keys::FieldId,
    literal::{GramCounts, LiteralId, Literals, Machine, Scratch},
    record::{Entry, Haystack, Kind, NONE, Record, SEPARATOR, Wanted},
    witness::{Frequencies, Group, Witness},
};

/// The witnesses of the rules of one log source.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Prefilter {
    /// Rules that any event may match, ascending.
    always: Box<[u32]>,
    /// How many of them came later, when there was no time to look for their witnesses too.
    late: u32,
    /// Every witness as an ordinary event's bytes spell it, if the machine is one for whole lines.
    line: Option<Set>,
    /// Witnesses in certain fields.
    bound: Set,
    /// Witnesses anywhere, those of keywords.
    free: Set,
    /// For each field whether its values are looked at.
    wanted: Box<[Wanted]>,
}

/// Literals and the rules that each of them wakes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Set {
    texts: Arc<Texts>,
    targets: Box<[Target]>,
}

/// What a set looks for; shared with the sets of other rulesets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Texts {
    literals: Literals,
    /// For each literal where its targets begin; one more at the end.
    starts: Box<[u32]>,
}

/// Prefilters by their rules.
pub(crate) type Prefilters = FxHashMap<Box<[u32]>, Arc<Prefilter>>;

/// A rule that a literal wakes if it is in this field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Target {
    /// [`NONE`] for any.
    field: FieldId,
    rule: u32,
}

/// The rules awake for the event at hand; used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Awake {
    /// For each rule the last turn in which it was awake.
    turns: Vec<u32>,
    turn: u32,
    rules: Vec<u32>,
}

impl Awake {
    /// Starts a new event.
    #[inline]
    pub(crate) fn start(&mut self, rule_count: usize) {
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 || self.turns.len() != rule_count {
            self.turns.clear();
            self.turns.resize(rule_count, 0);
            self.turn = 1;
        }
        self.rules.clear();
    }

    #[inline]
    pub(crate) fn wake(&mut self, rule: u32) {
        if let Some(turn) = self.turns.get_mut(rule as usize)
            && *turn != self.turn
        {
            *turn = self.turn;
            self.rules.push(rule);
        }
    }

    /// The rules that are awake, ascending.
    #[inline]
    pub(crate) fn rules(&mut self) -> &[u32] {
        if 1 < self.rules.len() {
            self.rules.sort_unstable();
        }
        &self.rules
    }
}

impl Prefilter {
    /// For these rules, ascending, with the groups of witnesses of each.
    pub(crate) fn build<'g>(
        rules: &[u32],
        groups: impl Fn(u32) -> &'g [Group],
        frequencies: &Frequencies,
        counts: &GramCounts,
        field_count: usize,
        machine: Machine,
    ) -> Self {
        let mut always = Vec::new();
        let mut bound: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        let mut free: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        let mut line: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        let mut wanted = vec![Wanted::No; field_count];
        for rule in rules {
            let Some(group) = frequencies.rarest(groups(*rule)) else {
                always.push(*rule);
                continue;
            };
            for witness in group {
                let targets = witness.fields.iter().map(|field| Target {
                    field: *field,
                    rule: *rule,
                });
                if !witness.fields.is_empty() {
                    line.entry(on_the_line(&witness.text))
                        .or_default()
                        .extend(targets.clone());
                    bound.entry(witness.text.to_string()).or_default().extend(targets);
                    witness.want(&mut wanted);
                    continue;
                }
                let target = Target {
                    field: NONE,
                    rule: *rule,
                };
                line.entry(on_the_line(&witness.text)).or_default().push(target);
                for spelled in [witness.text.to_string(), on_the_line(&witness.text)] {
                    free.entry(spelled).or_default().push(target);
                }
            }
        }
        Self {
            always: always.into(),
            late: 0,
            line: (machine == Machine::Fastest && Literals::reads_lines() && !line.is_empty())
                .then(|| Set::build(line, machine, counts)),
            bound: Set::build(bound, Machine::Plain, counts),
            free: Set::build(free, Machine::Plain, counts),
            wanted: wanted.into(),
        }
    }

    /// The same for rules that have other numbers now, in the same order: `new` tells the number, [`NONE`] for a rule that
    /// is gone. The rules of `late` are new, and awake for every event.
    pub(crate) fn again(&self, new: impl Fn(u32) -> u32, late: &[u32]) -> Self {
        let held = self.always.iter().map(|rule| new(*rule));
        let mut always: Vec<u32> = held.filter(|rule| *rule != NONE).collect();
        always.extend(late);
        always.sort_unstable();
        Self {
            always: always.into(),
            late: self.late + u32::try_from(late.len()).unwrap_or(u32::MAX),
            line: self.line.as_ref().map(|line| line.again(&new)),
            bound: self.bound.again(&new),
            free: self.free.again(&new),
            wanted: self.wanted.clone(),
        }
    }

    /// How many rules are awake for every event only because they came later.
    pub(crate) const fn late(&self) -> usize {
        self.late as usize
    }

    /// Rules that any event may match.
    pub(crate) fn always(&self) -> &[u32] {
        &self.always
    }

    /// Makes the scratch large enough.
    pub(crate) fn prepare(&self, scratch: &mut Scratch) {
        if let Some(line) = &self.line {
            line.texts.literals.prepare(scratch);
        }
    }

    /// Wakes the rules whose witnesses the event has; returns how many bytes were looked at.
    ///
    /// The event's own bytes are looked at if the machine reads lines. Values of which these do not say in the one
    /// usual way what their text is are looked at apart: numbers, texts with escapes that need not be, letters
    /// beyond ASCII. Without such a machine all values of the fields that matter are looked at apart.
    #[inline]
    pub(crate) fn look(
        &self,
        record: &mut Record,
        payload: &str,
        marks: &Marks,
        scratch: &mut Scratch,
        awake: &mut Awake,
    ) -> usize {
        if self.bound.is_empty() && self.free.is_empty() {
            return 0;
        }
        let mut searched = 0;
        if let Some(line) = &self.line {
            line.look_at_line(record, payload, scratch, awake);
            searched += payload.len();
        } else if !self.free.is_empty() {
            let line = record.fold_line(payload);
            searched += line.len();
            self.free.look_anywhere(line, scratch, awake);
        }
        let (is_ascii, reads_lines) = (marks.is_ascii(), self.line.is_some());
        let is_odd = |entry: &Entry| entry.is_unusual || !is_ascii && !entry.raw(payload).is_ascii();
        let start = record.gather(payload, marks, |entry| {
            let wanted = self.wanted.get(entry.field as usize).copied().unwrap_or_default();
            match (wanted, entry.kind) {
                (Wanted::No, Kind::Text) if !self.free.is_empty() && is_odd(entry) => Wanted::Text,
                (Wanted::Text | Wanted::Number, Kind::Text) if reads_lines && !is_odd(entry) => {
                    self.as_number(wanted, entry, payload)
                }
                (wanted, _) => wanted,
            }
        });
        let haystack = record.haystack(start);
        if !haystack.is_empty() {
            searched += haystack.text.len();
            self.bound.look(haystack, scratch, awake);
            self.free.look_anywhere(haystack.text, scratch, awake);
        }
        searched
    }

    /// A text that may be a number equal to one with another spelling.
    fn as_number(&self, wanted: Wanted, entry: &Entry, payload: &str) -> Wanted {
        let may_be = wanted == Wanted::Number
            && entry
                .raw(payload)
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        if may_be { Wanted::Number } else { Wanted::No }
    }
}

impl Set {
    fn build(woken: BTreeMap<String, Vec<Target>>, machine: Machine, counts: &GramCounts) -> Self {
        let texts: Vec<Box<str>> = woken.keys().map(|text| text.as_str().into()).collect();
        let mut starts = vec![0];
        let mut targets = Vec::new();
        for mut of_literal in woken.into_values() {
            of_literal.sort_unstable();
            of_literal.dedup();
            targets.extend(of_literal);
            starts.push(u32::try_from(targets.len()).unwrap_or(NONE));
        }
        Self {
            texts: Arc::new(Texts {
                literals: Literals::build(&texts, machine, counts),
                starts: starts.into(),
            }),
            targets: targets.into(),
        }
    }

    fn again(&self, new: impl Fn(u32) -> u32) -> Self {
        let targets = self.targets.iter().map(|target| Target {
            field: target.field,
            rule: new(target.rule),
        });
        Self {
            texts: Arc::clone(&self.texts),
            targets: targets.collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The rules that a literal wakes.
    fn targets(&self, literal: LiteralId) -> &[Target] {
        let range = |at: usize| self.texts.starts.get(at).map_or(0, |start| *start as usize);
        let targets = range(literal as usize)..range(literal as usize + 1);
        self.targets.get(targets).unwrap_or_default()
    }

    fn look_at_line(&self, record: &Record, payload: &str, scratch: &mut Scratch, awake: &mut Awake) {
        let literals = &self.texts.literals;
        literals.scan(payload.as_bytes(), scratch, |literal, end| {
            let mut field = None;
            for target in self.targets(literal) {
                if target.field == NONE
                    || target.field == *field.get_or_insert_with(|| record.field_at(end.saturating_sub(1)))
                {
                    awake.wake(target.rule);
                }
            }
        });
    }

    fn look(&self, haystack: Haystack<'_>, scratch: &mut Scratch, awake: &mut Awake) {
        let literals = &self.texts.literals;
        literals.scan(haystack.text.as_bytes(), scratch, |literal, end| {
            // The last byte is inside the value, or is the separator at its end.
            let field = haystack.field_at(end.saturating_sub(1));
            for target in self.targets(literal) {
                if target.field == field {
                    awake.wake(target.rule);
                }
            }
        });
    }

    fn look_anywhere(&self, text: &str, scratch: &mut Scratch, awake: &mut Awake) {
        let literals = &self.texts.literals;
        literals.scan(text.as_bytes(), scratch, |literal, _| {
            for target in self.targets(literal) {
                awake.wake(target.rule);
            }
        });
    }
}

/// A folded text as it stands in the bytes of an event that spells it in the usual way.
fn on_the_line(text: &str) -> String {
    let quoted = serde_json::Value::from(text.trim_matches(SEPARATOR)).to_string();
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let start = if text.starts_with(SEPARATOR) { "\"" } else { "" };
    let end = if text.ends_with(SEPARATOR) { "\"" } else { "" };
    format!("{start}{inner}{end}")
}

impl Witness {
    /// Whether a value of this field may have it.
    pub(crate) fn is_in(&self, field: FieldId) -> bool {
        self.fields.is_empty() || self.fields.contains(&field)
    }

    /// Says that the values of its fields are looked at.
    pub(crate) fn want(&self, wanted: &mut [Wanted]) {
        for field in &self.fields {
            if let Some(held) = wanted.get_mut(*field as usize) {
                if self.is_number {
                    *held = Wanted::Number;
                } else if *held == Wanted::No {
                    *held = Wanted::Text;
                }
            }
        }
    }
}
