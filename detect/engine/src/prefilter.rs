//! Which rules an event of one class could match, found by looking at each value that matters once.
//!
//! A rule lends its rarest witnesses, its gates. Those at the edges of values are looked up by a few bytes
//! ([`edges`]); those inside are searched for in their field's values only, those of keywords in the whole event.
//! A witness that is there wakes its rules. Rules without one are always awake. Says nothing of what does match;
//! that is the program's.
//!
//! Everything is compared as an ordinary event's bytes spell it, in lower case. A value that is spelled in
//! another way (`\u0041`, letters beyond ASCII, `1.0`) is first brought to that form.

mod crowd;
mod edges;

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use self::edges::{Edge, Edges};
use crate::{
    keys::FieldId,
    literal::{GramCounts, Literals, Machine, Scratch},
    record::{Alignment, DIGITS_AS_THEY_ARE, Kind, NONE, Payload, Record, spelled},
    witness::{Frequencies, Needs, Place, Witness},
};

/// What an event must have for the rules of one class.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Prefilter {
    /// Rules that any event may match, ascending.
    always: Box<[u32]>,
    /// How many of them came later, when there was no time to look for their witnesses too.
    late: u32,
    /// For each field where its look is in `looks`, counted from one.
    by_field: Arc<[u32]>,
    looks: Box<[Look]>,
    /// Witnesses anywhere, those of keywords.
    free: Set,
}

pub(crate) use crowd::Crowds;

/// What is looked for in the values of one field.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Look {
    edges: Edges,
    parts: Set,
    /// Whether some of it are numbers, which have many spellings.
    has_numbers: bool,
}

/// Literals and the rules that each of them calls.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Set {
    texts: Arc<Texts>,
    calls: Box<[Call]>,
}

/// What a set looks for; shared with the sets of other rulesets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Texts {
    literals: Literals,
    /// For each literal where its calls begin; one more at the end.
    starts: Box<[u32]>,
    lengths: Box<[u32]>,
}

/// The bit of [`Call::CLOSES`] among the open gates.
const SHUT: u32 = 1 << Call::CLOSES;

/// Prefilters by their rules.
pub(crate) type Prefilters = FxHashMap<Box<[u32]>, Arc<Prefilter>>;

/// The rules awake for the event at hand; used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Awake {
    /// For each rule the last turn in which it was called, and which of its gates are open.
    calls: Vec<(u32, u32)>,
    turn: u32,
    rules: Vec<u32>,
    /// Whether some rule is shut.
    some_are_shut: bool,
}

/// A rule that is awake when every one of its gates is open and it is not shut, and one of these gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Call {
    rule: u32,
    gate: u8,
    gates: u8,
}

impl Call {
    fn again(self, new: impl Fn(u32) -> u32) -> Self {
        Self {
            rule: new(self.rule),
            ..self
        }
    }

    /// The gate that shuts a rule.
    const CLOSES: u8 = 31;

    #[inline]
    fn closes(self) -> bool {
        self.gate == Self::CLOSES
    }
}

impl Awake {
    /// Starts a new event.
    #[inline]
    pub(crate) fn start(&mut self, rule_count: usize) {
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 || self.calls.len() != rule_count {
            self.calls.clear();
            self.calls.resize(rule_count, (0, 0));
            self.turn = 1;
        }
        self.rules.clear();
        self.some_are_shut = false;
    }

    /// Wakes a rule that has no gates.
    pub(crate) fn wake(&mut self, rule: u32) {
        self.rules.push(rule);
    }

    /// Opens a gate of a rule.
    #[inline]
    pub(crate) fn call(&mut self, call: Call) {
        let Some((turn, open)) = self.calls.get_mut(call.rule as usize) else {
            return;
        };
        let before = if *turn == self.turn { *open } else { 0 };
        let now = before | 1 << call.gate;
        (*turn, *open) = (self.turn, now);
        if call.closes() {
            self.some_are_shut = true;
        } else if now != before && now & SHUT == 0 && now == (1 << call.gates) - 1 {
            self.rules.push(call.rule);
        }
    }

    /// The rules that are awake, ascending.
    #[inline]
    pub(crate) fn rules(&mut self) -> &[u32] {
        if self.some_are_shut {
            let (calls, now) = (&self.calls, self.turn);
            self.rules.retain(|rule| {
                let called = calls.get(*rule as usize);
                called.is_none_or(|(turn, open)| *turn != now || open & SHUT == 0)
            });
        }
        if 1 < self.rules.len() {
            self.rules.sort_unstable();
        }
        &self.rules
    }
}

/// What the rules' witnesses say, before it is compiled.
#[derive(Default)]
struct Draft {
    edges: BTreeMap<(Edge, String), Vec<Call>>,
    parts: BTreeMap<String, Vec<Call>>,
    has_numbers: bool,
}

impl Prefilter {
    /// For these rules, ascending, with the needs of each; none if it is to be evaluated for every event.
    pub(crate) fn build<'n>(
        rules: &[u32],
        needs: impl Fn(u32) -> Option<&'n Needs>,
        frequencies: &Frequencies,
        counts: &GramCounts,
        field_count: usize,
        machine: Machine,
    ) -> Self {
        let mut always = Vec::new();
        let mut drafts: BTreeMap<FieldId, Draft> = BTreeMap::new();
        let mut free: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        let mut add = |witness: &Witness, call: Call| {
            let text = spelled(&witness.text);
            if witness.fields.is_empty() {
                free.entry(text).or_default().push(call);
                return;
            }
            for field in &witness.fields {
                let draft = drafts.entry(*field).or_default();
                draft.has_numbers |= witness.is_number;
                draft.add(witness.place, text.clone(), call);
            }
        };
        for rule in rules {
            let gates = needs(*rule)
                .map(|needs| frequencies.gates(needs))
                .unwrap_or_default();
            if gates.opened_by.is_empty() {
                always.push(*rule);
            }
            let call = |gate| Call {
                rule: *rule,
                gate,
                gates: gates.opened_by.len() as u8,
            };
            for (gate, witnesses) in (0..).zip(&gates.opened_by) {
                witnesses.iter().for_each(|witness| add(witness, call(gate)));
            }
            let closing = call(Call::CLOSES);
            gates.closed_by.iter().for_each(|witness| add(witness, closing));
        }
        let mut by_field = vec![0; field_count];
        let mut looks = Vec::with_capacity(drafts.len());
        for (field, draft) in drafts {
            if let Some(place) = by_field.get_mut(field as usize) {
                looks.push(Look {
                    edges: Edges::build(draft.edges),
                    parts: Set::build(draft.parts, machine, counts),
                    has_numbers: draft.has_numbers,
                });
                *place = u32::try_from(looks.len()).unwrap_or(0);
            }
        }
        Self {
            always: always.into(),
            late: 0,
            by_field: by_field.into(),
            looks: looks.into(),
            free: Set::build(free, Machine::Line, counts),
        }
    }

    /// The same for rules that have other numbers now, in the same order: `new` tells the number, [`NONE`] for a rule that
    /// is gone. The rules of `late` are new, and awake for every event.
    pub(crate) fn again(&self, new: impl Fn(u32) -> u32, late: &[u32]) -> Self {
        let held = self.always.iter().map(|rule| new(*rule));
        let mut always: Vec<u32> = held.filter(|rule| *rule != NONE).collect();
        always.extend(late);
        always.sort_unstable();
        let again = |look: &Look| Look {
            edges: look.edges.again(&new),
            parts: look.parts.again(&new),
            has_numbers: look.has_numbers,
        };
        Self {
            always: always.into(),
            late: self.late + u32::try_from(late.len()).unwrap_or(u32::MAX),
            by_field: Arc::clone(&self.by_field),
            looks: self.looks.iter().map(again).collect(),
            free: self.free.again(&new),
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
        for look in &self.looks {
            look.parts.texts.literals.prepare(scratch);
        }
        self.free.texts.literals.prepare(scratch);
    }

    /// Wakes the rules whose witnesses the event has; returns in how many bytes texts were searched for.
    #[inline]
    pub(crate) fn look(
        &self,
        record: &mut Record,
        payload: Payload<'_>,
        scratch: &mut Scratch,
        awake: &mut Awake,
    ) -> usize {
        let mut searched = 0;
        if !self.free.is_empty() {
            searched += payload.lower.len();
            self.free.look(payload.lower, scratch, |call| awake.call(call));
        }
        for at in 0..record.entries().len() {
            let Some(entry) = record.entries().get(at).copied() else {
                break;
            };
            let look = self
                .by_field
                .get(entry.field as usize)
                .and_then(|place| self.looks.get((*place as usize).wrapping_sub(1)));
            if look.is_none() && (payload.is_plain || self.free.is_empty()) || entry.kind == Kind::Null {
                continue;
            }
            if record.respell_entry(at, payload)
                && !self.free.is_empty()
                && let Some(odd) = record.entries().get(at)
            {
                self.free
                    .look(record.lower(odd, payload), scratch, |call| awake.call(call));
            }
            if let (Some(look), Some(entry)) = (look, record.entries().get(at)) {
                let value = record.lower(entry, payload);
                searched += look.look(value, scratch, |call| awake.call(call));
                if look.has_numbers
                    && may_be_odd_number(value)
                    && let Some(number) = record.as_number(at, payload)
                {
                    // Equal as numbers, not as texts: this shuts nothing.
                    look.edges.look(number, &mut |call| {
                        if !call.closes() {
                            awake.call(call);
                        }
                    });
                }
            }
        }
        searched
    }
}

/// Whether a text may be a number that equals one with another spelling.
#[inline]
fn may_be_odd_number(value: &[u8]) -> bool {
    let is_as_written = value.len() <= DIGITS_AS_THEY_ARE
        && value.iter().all(u8::is_ascii_digit)
        && (value.first() != Some(&b'0') || value.len() == 1);
    !is_as_written
        && value
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e'))
}

impl Draft {
    fn add(&mut self, place: Place, text: String, call: Call) {
        let edge = match place {
            Place::Part => return self.parts.entry(text).or_default().push(call),
            Place::Whole => Edge::Whole,
            Place::Start => Edge::Start,
            Place::End => Edge::End,
        };
        self.edges.entry((edge, text)).or_default().push(call);
    }
}

impl Look {
    #[inline]
    fn look(&self, value: &[u8], scratch: &mut Scratch, mut call: impl FnMut(Call)) -> usize {
        if !self.edges.is_empty() {
            self.edges.look(value, &mut call);
        }
        if self.parts.is_empty() {
            return 0;
        }
        self.parts.look(value, scratch, call);
        value.len()
    }
}

impl Set {
    fn build(called: BTreeMap<String, Vec<Call>>, machine: Machine, counts: &GramCounts) -> Self {
        let texts: Vec<Box<str>> = called.keys().map(|text| text.as_str().into()).collect();
        let mut starts = vec![0];
        let mut calls = Vec::new();
        for mut of_literal in called.into_values() {
            of_literal.sort_unstable();
            of_literal.dedup();
            calls.extend(of_literal);
            starts.push(u32::try_from(calls.len()).unwrap_or(NONE));
        }
        let lengths = texts.iter().map(|text| u32::try_from(text.len()).unwrap_or(NONE));
        Self {
            texts: Arc::new(Texts {
                lengths: lengths.collect(),
                literals: Literals::build(&texts, machine, counts),
                starts: starts.into(),
            }),
            calls: calls.into(),
        }
    }

    fn again(&self, new: impl Fn(u32) -> u32) -> Self {
        Self {
            texts: Arc::clone(&self.texts),
            calls: self.calls.iter().map(|call| call.again(&new)).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    fn look(&self, haystack: &[u8], scratch: &mut Scratch, mut found: impl FnMut(Call)) {
        let texts = &self.texts;
        let mut alignment = Alignment::default();
        texts.literals.scan(haystack, scratch, |literal, end| {
            let start = |at: usize| texts.starts.get(at).map_or(0, |start| *start as usize);
            let calls = start(literal as usize)..start(literal as usize + 1);
            for call in self.calls.get(calls).unwrap_or_default() {
                let length = texts
                    .lengths
                    .get(literal as usize)
                    .map_or(0, |length| *length as usize);
                if !call.closes() || alignment.is_at(haystack, end.saturating_sub(length)) {
                    found(*call);
                }
            }
        });
    }
}
