//! What an event must have somewhere for a rule to match: its witnesses.
//!
//! Most conditions need some text to be there: a part that a `contains` looks for, the name of a program, an
//! event id. [`groups`] finds such texts; of each group the event must have at least one. A rule is evaluated
//! only when a witness of its best group turns up in the right field. Lets too much through, never too little:
//! that a literal is part of a value stays true when both are folded, see [`crate::fold`].

mod regex;

use std::collections::{BTreeMap, BTreeSet};

use detect_rules::{Comparison, Condition, Item, Pattern, Quantifier, Test, TextOp, TextPart};

use crate::{
    fold::fold,
    keys::{FieldId, FieldNames},
    record::SEPARATOR,
};

/// A literal that is likely to be in every other event is no witness.
const BYTES_MIN: usize = 2;

/// A text in a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Witness {
    /// Any of these; none means anywhere.
    pub(crate) fields: Box<[FieldId]>,
    /// Folded; begins or ends with [`SEPARATOR`] where the value does.
    pub(crate) text: Box<str>,
    /// Whether it is a number in the form that equal numbers share.
    pub(crate) is_number: bool,
}

/// At least one of these is in the event.
pub(crate) type Group = BTreeSet<Witness>;

/// How often witnesses were in a sample of events: for a text, in how many.
#[derive(Debug, Default)]
pub(crate) struct Frequencies {
    pub(crate) events: u32,
    pub(crate) seen: BTreeMap<Witness, u32>,
}

impl Frequencies {
    /// About how many of a hundred thousand events have it.
    fn of(&self, witness: &Witness) -> u64 {
        let length = witness.text.len();
        let guess = match length {
            0..=3 => 20_000,
            4..=5 => 2_000,
            6..=8 => 400,
            9..=14 => 150,
            _ => 60,
        };
        match self.seen.get(witness) {
            Some(seen) if 0 < self.events => guess + u64::from(*seen) * 100_000 / u64::from(self.events),
            _ => guess,
        }
    }

    /// The group that wakes its rule the least often.
    pub(crate) fn rarest<'g>(&self, groups: &'g [Group]) -> Option<&'g Group> {
        groups
            .iter()
            .min_by_key(|group| group.iter().map(|witness| self.of(witness)).sum::<u64>())
    }
}

/// Groups that an event must have for the condition to hold; none if it can hold without.
pub(crate) fn groups(condition: &Condition, names: &FieldNames) -> Vec<Group> {
    let mut groups = needed(condition, names);
    groups.sort();
    groups.dedup();
    groups
}

fn needed(condition: &Condition, names: &FieldNames) -> Vec<Group> {
    match condition {
        Condition::All(parts) => parts.iter().flat_map(|part| needed(part, names)).collect(),
        Condition::AtLeast(0, _) | Condition::Not(_) => Vec::new(),
        Condition::AtLeast(_, parts) => match parts.as_slice() {
            [only] => needed(only, names),
            several => joined(several.iter().map(|part| {
                let groups = needed(part, names);
                Frequencies::default().rarest(&groups).cloned()
            })),
        },
        Condition::Item(item) => of_item(item, names),
        Condition::Keywords(quantifier, patterns) => of_patterns(*quantifier, patterns, &[]),
    }
}

fn of_item(item: &Item, names: &FieldNames) -> Vec<Group> {
    let fields: Vec<FieldId> = item.fields.iter().filter_map(|field| names.get(field)).collect();
    match &item.test {
        Test::Exists(_) | Test::Values { negated: true, .. } => Vec::new(),
        Test::Values {
            quantifier, patterns, ..
        } => of_patterns(*quantifier, patterns, &fields),
    }
}

fn of_patterns(quantifier: Quantifier, patterns: &[Pattern], fields: &[FieldId]) -> Vec<Group> {
    let each = patterns.iter().map(|pattern| of_pattern(pattern, fields));
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
        .filter(|group| !group.is_empty())
        .into_iter()
        .collect()
}

/// What a value must have for the pattern to match.
fn of_pattern(pattern: &Pattern, fields: &[FieldId]) -> Option<Group> {
    let witness = |text: String, is_number| Witness {
        fields: fields.into(),
        text: text.into(),
        is_number,
    };
    match pattern {
        Pattern::Text { op, parts, .. } => {
            let text = longest(*op, parts)?;
            (BYTES_MIN <= text.len()).then(|| Group::from([witness(text, false)]))
        }
        Pattern::Regex(source) => {
            let texts = regex::required(source)?;
            Some(texts.into_iter().map(|text| witness(text, false)).collect())
        }
        Pattern::Number(Comparison::Equal, number) => {
            {
                // Zero has two signs and one spelling.
                let number = number + 0.0;
                Some(Group::from([witness(
                    format!("{SEPARATOR}{number}{SEPARATOR}"),
                    true,
                )]))
            }
        }
        Pattern::Bool(flag) => {
            let spellings = if *flag {
                ["true", "1", "yes"]
            } else {
                ["false", "0", "no"]
            };
            Some(
                spellings
                    .into_iter()
                    .map(|text| witness(format!("{SEPARATOR}{text}{SEPARATOR}"), false))
                    .collect(),
            )
        }
        Pattern::Number(..)
        | Pattern::Cidr(_)
        | Pattern::Null
        | Pattern::Field { .. }
        | Pattern::Time(..) => None,
    }
}

/// The longest text that a value must have somewhere, with the value's start or end if that is where it is.
fn longest(op: TextOp, parts: &[TextPart]) -> Option<String> {
    let from_start = matches!(op, TextOp::Equals | TextOp::StartsWith);
    let to_end = matches!(op, TextOp::Equals | TextOp::EndsWith);
    let last = parts.len().saturating_sub(1);
    let texts = parts.iter().enumerate().filter_map(|(index, part)| {
        let TextPart::Literal(text) = part else {
            return None;
        };
        let mut spelled = String::new();
        if from_start && index == 0 {
            spelled.push(SEPARATOR);
        }
        spelled.push_str(&fold(text));
        if to_end && index == last {
            spelled.push(SEPARATOR);
        }
        Some(spelled)
    });
    let empty = || {
        // Nothing at all: the value is empty.
        (parts.is_empty() && op == TextOp::Equals).then(|| format!("{SEPARATOR}{SEPARATOR}"))
    };
    texts.max_by_key(String::len).or_else(empty)
}
