//! Which rules an event of one log source could match, found in one pass over the values that matter.
//!
//! A rule lends its rarest group of witnesses; those of all rules are one set of literals. A literal found in
//! the right field wakes its rules. Rules without a witness are always awake. Says nothing of what does match;
//! that is the program's.

use std::{collections::BTreeMap, sync::Arc};

use rustc_hash::FxHashMap;

use crate::{
    keys::FieldId,
    literal::{GramCounts, LiteralId, Literals, Machine, Scratch},
    record::{Haystack, NONE, Wanted},
    witness::{Frequencies, Group, Witness},
};

/// The witnesses of the rules of one log source.
#[derive(Debug, Default)]
pub(crate) struct Prefilter {
    /// Rules that any event may match, ascending.
    always: Box<[u32]>,
    literals: Literals,
    /// For each literal where its targets begin; one more at the end.
    starts: Box<[u32]>,
    targets: Box<[Target]>,
    /// For each field whether its values are looked at.
    wanted: Box<[Wanted]>,
    /// Texts of every field are looked at, for keywords.
    wants_all: bool,
}

/// Prefilters by their rules.
pub(crate) type Prefilters = FxHashMap<Box<[u32]>, Arc<Prefilter>>;

/// A rule that a literal wakes if it is in this field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// For these rules, ascending, whose groups of witnesses are at their numbers in `groups`.
    pub(crate) fn build(
        rules: &[u32],
        groups: &[Vec<Group>],
        frequencies: &Frequencies,
        counts: &GramCounts,
        field_count: usize,
        machine: Machine,
    ) -> Self {
        let mut always = Vec::new();
        let mut woken: BTreeMap<&str, Vec<Target>> = BTreeMap::new();
        let mut wanted = vec![Wanted::No; field_count];
        let mut wants_all = false;
        for rule in rules {
            let of_rule = groups.get(*rule as usize).map_or(&[][..], Vec::as_slice);
            let Some(group) = frequencies.rarest(of_rule) else {
                always.push(*rule);
                continue;
            };
            for witness in group {
                wants_all |= witness.fields.is_empty();
                let targets = woken.entry(&witness.text).or_default();
                targets.extend(witness.targets().map(|field| Target { field, rule: *rule }));
                witness.want(&mut wanted);
            }
        }
        let texts: Vec<Box<str>> = woken.keys().map(|text| Box::from(*text)).collect();
        let mut starts = vec![0];
        let mut targets = Vec::new();
        for mut of_literal in woken.into_values() {
            of_literal.sort_unstable();
            of_literal.dedup();
            targets.extend(of_literal);
            starts.push(u32::try_from(targets.len()).unwrap_or(NONE));
        }
        Self {
            always: always.into(),
            literals: Literals::build(&texts, machine, counts),
            starts: starts.into(),
            targets: targets.into(),
            wanted: wanted.into(),
            wants_all,
        }
    }

    /// Rules that any event may match.
    pub(crate) fn always(&self) -> &[u32] {
        &self.always
    }

    /// Whether there is anything to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Whether a field's values belong to the haystack.
    #[inline]
    pub(crate) fn wanted(&self, field: FieldId) -> Wanted {
        match self.wanted.get(field as usize) {
            Some(Wanted::No) | None if self.wants_all => Wanted::Text,
            Some(wanted) => *wanted,
            None => Wanted::No,
        }
    }

    /// Makes the scratch large enough.
    pub(crate) fn prepare(&self, scratch: &mut Scratch) {
        self.literals.prepare(scratch);
    }

    /// Wakes the rules whose witnesses are in the haystack.
    #[inline]
    pub(crate) fn look(&self, haystack: Haystack<'_>, scratch: &mut Scratch, awake: &mut Awake) {
        self.literals
            .scan(haystack.text.as_bytes(), scratch, |literal, end| {
                self.found(haystack, literal, end, awake);
            });
    }

    fn found(&self, haystack: Haystack<'_>, literal: LiteralId, end: usize, awake: &mut Awake) {
        let range = |at: usize| self.starts.get(at).map_or(0, |start| *start as usize);
        let targets = range(literal as usize)..range(literal as usize + 1);
        // The last byte is inside the value, or is the separator at its end.
        let field = haystack.field_at(end.saturating_sub(1));
        for target in self.targets.get(targets).unwrap_or_default() {
            if target.field == NONE || target.field == field {
                awake.wake(target.rule);
            }
        }
    }
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

    fn targets(&self) -> impl Iterator<Item = FieldId> {
        let any = self.fields.is_empty().then_some(NONE);
        self.fields.iter().copied().chain(any)
    }
}
