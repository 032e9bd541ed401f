//! What an event must have somewhere for a rule to match: its witnesses. And what it must not have.
//!
//! Most conditions need some text to be there: a part that a `contains` looks for, the name of a program, an
//! event id. [`Needs`] says which, as the condition is built: all of these, or any of those. Of them the rarest are
//! the rule's gates, and it is evaluated only when each gate has a witness in the right field. That lets too much
//! through, never too little: that a literal is part of a value stays true when both are folded, see [`crate::fold`].
//! What rules exclude by a plain text works the other way: where that text is, they can't match.

mod regex;

use std::collections::BTreeMap;

use detect_rules::{Comparison, Condition, Item, Pattern, Quantifier, Test, TextOp, TextPart};

use crate::{
    fold::fold,
    keys::{FieldId, FieldNames},
};

/// A literal that is likely to be in every other event is no witness.
const BYTES_MIN: usize = 2;

/// Frequencies are counted for so many events.
const HUNDRED_THOUSAND: u64 = 100_000;

/// What wakes a rule in fewer of them is rare enough.
const RARE: u64 = 500;

/// What is in more of them keeps too few rules asleep to be looked for.
const COMMON: u64 = 60_000;

/// What is in fewer of them puts too few rules to sleep to be looked for.
const SELDOM: u64 = 2_000;

/// So many gates a rule has.
const GATES_MAX: usize = 3;

/// A gate after the first that has more witnesses costs more than it spares.
const GATE_WITNESSES_MAX: usize = 64;

/// A text in a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Witness {
    /// Any of these; none means anywhere.
    pub(crate) fields: Box<[FieldId]>,
    /// Folded.
    pub(crate) text: Box<str>,
    pub(crate) place: Place,
    /// Whether it is a number in the form that equal numbers share.
    pub(crate) is_number: bool,
}

/// Where in a value a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// It is the value.
    Whole,
    Start,
    End,
    /// Anywhere.
    Part,
}

/// What an event must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    One(Witness),
    /// Each of these; nothing at all if there is none.
    All(Vec<Need>),
    /// At least so many of these.
    AtLeast(usize, Vec<Need>),
}

/// What an event must have for one rule to match, and what it must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    need: Need,
    /// Where one of these is, in its only field, the rule can't match.
    excluded: Vec<Witness>,
}

/// What decides whether one rule is woken.
#[derive(Debug, Default)]
pub(crate) struct Gates<'n> {
    /// Of each of these the event must have a witness. If there are none, the rule is always awake.
    pub(crate) opened_by: Vec<Vec<&'n Witness>>,
    /// If it has one of these, the rule sleeps.
    pub(crate) closed_by: Vec<&'n Witness>,
}

/// How often witnesses were in a sample of events: for a text, in how many.
#[derive(Debug, Default)]
pub(crate) struct Frequencies {
    pub(crate) events: u32,
    pub(crate) seen: BTreeMap<Witness, u32>,
}

impl Frequencies {
    /// About how many of a hundred thousand events have it.
    fn of(&self, witness: &Witness) -> u64 {
        let edges = match witness.place {
            Place::Whole => 2,
            Place::Start | Place::End => 1,
            Place::Part => 0,
        };
        let length = witness.text.len() + edges;
        let guess = match length {
            0..=3 => 20_000,
            4..=5 => 2_000,
            6..=8 => 400,
            9..=14 => 150,
            _ => 60,
        };
        guess + self.seen(witness)
    }

    /// In how many of a hundred thousand events of the sample it was.
    fn seen(&self, witness: &Witness) -> u64 {
        let seen = self.seen.get(witness).copied().unwrap_or(0);
        u64::from(seen) * HUNDRED_THOUSAND / u64::from(self.events.max(1))
    }

    /// The rarest witnesses of which an event must have one, and how many of a hundred thousand do; `None` if an
    /// event may be without.
    fn rarest<'n>(&self, need: &'n Need) -> Option<(u64, Vec<&'n Witness>)> {
        match need {
            Need::One(witness) => Some((self.of(witness), vec![witness])),
            Need::All(parts) => parts
                .iter()
                .filter_map(|part| self.rarest(part))
                .min_by_key(|(frequency, _)| *frequency),
            Need::AtLeast(count, parts) => {
                // If so many are there, one of any so many others is.
                let others = (parts.len() + 1)
                    .checked_sub(*count)
                    .filter(|others| 0 < *others)?;
                let mut each: Vec<_> = parts.iter().filter_map(|part| self.rarest(part)).collect();
                each.sort_by_key(|(frequency, _)| *frequency);
                let mut all = (0, Vec::new());
                for (frequency, witnesses) in each.get(..others)?.iter() {
                    all.0 += frequency;
                    all.1.extend(witnesses);
                }
                Some(all)
            }
        }
    }

    /// What wakes a rule seldom enough: the rarest of what it needs, more of it if that is not rare, and then what
    /// puts it to sleep.
    pub(crate) fn gates<'n>(&self, needs: &'n Needs) -> Gates<'n> {
        let mut parts = Vec::new();
        needs.need.flatten(&mut parts);
        let mut each: Vec<_> = parts.into_iter().filter_map(|part| self.rarest(part)).collect();
        each.sort_by_key(|(frequency, _)| *frequency);
        let mut gates = Gates::default();
        let mut together = HUNDRED_THOUSAND;
        for (frequency, witnesses) in each.into_iter().take(GATES_MAX) {
            let is_help = frequency < COMMON && witnesses.len() <= GATE_WITNESSES_MAX;
            if !gates.opened_by.is_empty() && (together < RARE || !is_help) {
                break;
            }
            together = together * frequency.min(HUNDRED_THOUSAND) / HUNDRED_THOUSAND;
            gates.opened_by.push(witnesses);
        }
        if RARE <= together {
            let is_worth = |witness: &&Witness| SELDOM <= self.seen(witness);
            let excluded = needs.excluded.iter().filter(is_worth);
            gates.closed_by = excluded.take(GATE_WITNESSES_MAX).collect();
        }
        gates
    }
}

impl Need {
    /// What must be there together, each by itself.
    fn flatten<'n>(&'n self, parts: &mut Vec<&'n Self>) {
        match self {
            Self::All(all) => all.iter().for_each(|part| part.flatten(parts)),
            Self::One(_) | Self::AtLeast(..) => parts.push(self),
        }
    }

    fn each<'n>(&'n self, witnesses: &mut Vec<&'n Witness>) {
        match self {
            Self::One(witness) => witnesses.push(witness),
            Self::All(parts) | Self::AtLeast(_, parts) => parts.iter().for_each(|part| part.each(witnesses)),
        }
    }
}

impl Needs {
    /// Of a rule's condition.
    pub(crate) fn of(condition: &Condition, names: &FieldNames) -> Self {
        let mut excluded = Vec::new();
        exclusions(condition, names, &mut excluded);
        Self {
            need: need(condition, names),
            excluded,
        }
    }

    /// Of a rule that is to be evaluated for every event.
    pub(crate) const fn nothing() -> Self {
        Self {
            need: Need::All(Vec::new()),
            excluded: Vec::new(),
        }
    }

    /// One witness.
    pub(crate) const fn one(witness: Witness) -> Self {
        Self {
            need: Need::One(witness),
            excluded: Vec::new(),
        }
    }

    /// Whether no text has to be there.
    pub(crate) fn is_nothing(&self) -> bool {
        Frequencies::default().rarest(&self.need).is_none()
    }

    /// Every witness.
    pub(crate) fn witnesses(&self) -> Vec<&Witness> {
        let mut witnesses: Vec<&Witness> = self.excluded.iter().collect();
        self.need.each(&mut witnesses);
        witnesses
    }
}

fn need(condition: &Condition, names: &FieldNames) -> Need {
    let each = |parts: &[Condition]| parts.iter().map(|part| need(part, names)).collect();
    match condition {
        Condition::All(parts) => Need::All(each(parts)),
        Condition::AtLeast(0, _) | Condition::Not(_) => Need::All(Vec::new()),
        Condition::AtLeast(count, parts) if *count == parts.len() => Need::All(each(parts)),
        Condition::AtLeast(count, parts) => Need::AtLeast(*count, each(parts)),
        Condition::Item(item) => of_item(item, names),
        Condition::Keywords(quantifier, patterns) => of_patterns(*quantifier, patterns, &[]),
    }
}

fn of_item(item: &Item, names: &FieldNames) -> Need {
    let fields: Vec<FieldId> = item.fields.iter().filter_map(|field| names.get(field)).collect();
    match &item.test {
        Test::Exists(_) | Test::Values { negated: true, .. } => Need::All(Vec::new()),
        Test::Values {
            quantifier, patterns, ..
        } => of_patterns(*quantifier, patterns, &fields),
    }
}

fn of_patterns(quantifier: Quantifier, patterns: &[Pattern], fields: &[FieldId]) -> Need {
    let each = patterns
        .iter()
        .map(|pattern| of_pattern(pattern, fields).unwrap_or(Need::All(Vec::new())))
        .collect();
    match quantifier {
        Quantifier::All => Need::All(each),
        Quantifier::Any => Need::AtLeast(1, each),
    }
}

/// Texts of which each alone makes a condition false.
fn exclusions(condition: &Condition, names: &FieldNames, excluded: &mut Vec<Witness>) {
    match condition {
        Condition::All(parts) => parts.iter().for_each(|part| exclusions(part, names, excluded)),
        Condition::Not(part) => sufficient(part, names, excluded),
        Condition::AtLeast(..) | Condition::Item(_) | Condition::Keywords(..) => {}
    }
}

/// Texts of which each alone makes a condition true: whole literals, in the field that counts first.
fn sufficient(condition: &Condition, names: &FieldNames, found: &mut Vec<Witness>) {
    match condition {
        Condition::All(parts) => {
            if let [only] = parts.as_slice() {
                sufficient(only, names, found);
            }
        }
        Condition::AtLeast(1, parts) => parts.iter().for_each(|part| sufficient(part, names, found)),
        Condition::AtLeast(..) | Condition::Not(_) | Condition::Keywords(..) => {}
        Condition::Item(item) => {
            let Test::Values {
                quantifier,
                negated: false,
                patterns,
            } = &item.test
            else {
                return;
            };
            let first = item.fields.first().and_then(|field| names.get(field));
            if let Some(field) = first
                && (*quantifier == Quantifier::Any || patterns.len() == 1)
            {
                found.extend(patterns.iter().filter_map(|pattern| literal(pattern, field)));
            }
        }
    }
}

/// The one text or number that a pattern looks for, if it is no more than that.
fn literal(pattern: &Pattern, field: FieldId) -> Option<Witness> {
    if let Pattern::Number(Comparison::Equal, number) = pattern {
        return Some(Witness {
            fields: [field].into(),
            text: spelled_number(*number),
            place: Place::Whole,
            is_number: true,
        });
    }
    let Pattern::Text {
        op,
        parts,
        cased: false,
    } = pattern
    else {
        return None;
    };
    let [TextPart::Literal(text)] = parts.as_slice() else {
        return None;
    };
    let place = match op {
        TextOp::Equals => Place::Whole,
        TextOp::StartsWith => Place::Start,
        TextOp::EndsWith => Place::End,
        TextOp::Contains => Place::Part,
    };
    let text = fold(text);
    (BYTES_MIN <= text.len()).then(|| Witness {
        fields: [field].into(),
        text: text.into(),
        place,
        is_number: false,
    })
}

/// A number in the form that equal numbers share. Zero has two signs and one spelling.
fn spelled_number(number: f64) -> Box<str> {
    (number + 0.0).to_string().into()
}

/// What a value must have for the pattern to match.
fn of_pattern(pattern: &Pattern, fields: &[FieldId]) -> Option<Need> {
    let witness = |text: String, place, is_number| Witness {
        fields: fields.into(),
        text: text.into(),
        place,
        is_number,
    };
    match pattern {
        Pattern::Text { op, parts, .. } => {
            let (place, text) = longest(*op, parts)?;
            // A look at an edge is cheap, however short the text.
            let is_at_edge = place != Place::Part && !fields.is_empty();
            (is_at_edge || BYTES_MIN <= text.len()).then(|| Need::One(witness(text, place, false)))
        }
        Pattern::Regex(source) => {
            let texts = regex::required(source)?;
            let texts = texts.into_iter();
            Some(Need::AtLeast(
                1,
                texts
                    .map(|text| Need::One(witness(text, Place::Part, false)))
                    .collect(),
            ))
        }
        Pattern::Number(Comparison::Equal, number) => Some(Need::One(Witness {
            text: spelled_number(*number),
            ..witness(String::new(), Place::Whole, true)
        })),
        Pattern::Bool(flag) => {
            let spellings = if *flag {
                ["true", "1", "yes"]
            } else {
                ["false", "0", "no"]
            };
            let spellings = spellings.into_iter();
            Some(Need::AtLeast(
                1,
                spellings
                    .map(|text| Need::One(witness(text.to_owned(), Place::Whole, false)))
                    .collect(),
            ))
        }
        Pattern::Number(..)
        | Pattern::Cidr(_)
        | Pattern::Null
        | Pattern::Field { .. }
        | Pattern::Time(..) => None,
    }
}

/// The longest text that a value must have somewhere, and where that is.
fn longest(op: TextOp, parts: &[TextPart]) -> Option<(Place, String)> {
    let from_start = matches!(op, TextOp::Equals | TextOp::StartsWith);
    let to_end = matches!(op, TextOp::Equals | TextOp::EndsWith);
    let last = parts.len().saturating_sub(1);
    let texts = parts.iter().enumerate().filter_map(|(index, part)| {
        let TextPart::Literal(text) = part else {
            return None;
        };
        let place = match (from_start && index == 0, to_end && index == last) {
            (true, true) => Place::Whole,
            (true, false) => Place::Start,
            (false, true) => Place::End,
            (false, false) => Place::Part,
        };
        Some((place, fold(text)))
    });
    let empty = || {
        // Nothing at all: the value is empty.
        (parts.is_empty() && op == TextOp::Equals).then(|| (Place::Whole, String::new()))
    };
    texts
        .max_by_key(|(place, text)| text.len() * 4 + usize::from(*place != Place::Part))
        .or_else(empty)
        .filter(|(place, text)| !text.is_empty() || *place == Place::Whole)
}
