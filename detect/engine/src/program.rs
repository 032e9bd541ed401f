//! A rule's condition, compiled: what it asks of a record, and why it held.

mod late;

use detect_rules::{Condition, Quantifier, Test};

use crate::{
    BuildError, Finding,
    keys::{FieldId, FieldNames, Fields},
    pattern::{Matcher, PlainText},
    pattern_list::PatternList,
    record::{Kind, Payload, Record},
};

pub(crate) use late::Program;

/// An alert names at most this many findings per event: enough to understand, small enough for a mail.
const FINDINGS_MAX: usize = 16;

/// A value is shown up to this many characters.
const VALUE_CHARS_MAX: usize = 512;

/// A condition over one record.
#[derive(Debug)]
pub(crate) enum Node {
    All(Parts),
    AtLeast(usize, Parts),
    Not(Box<Node>),
    Exists(Box<[FieldId]>, bool),
    Values {
        fields: Box<[FieldId]>,
        all: bool,
        negated: bool,
        patterns: Box<[Matcher]>,
        /// Other fields that patterns compare with.
        references: Box<[FieldId]>,
        /// All patterns together, if one is enough and they are alike.
        list: Option<PatternList>,
        asks_for_text: bool,
    },
    Keywords {
        all: bool,
        patterns: Box<[Matcher]>,
        asks_for_text: bool,
    },
}

/// Conditions that are joined. What they say comes in the rule's order; they are asked in that of their cost.
#[derive(Debug)]
pub(crate) struct Parts {
    nodes: Box<[Node]>,
    by_cost: Box<[u32]>,
}

impl Parts {
    fn new(nodes: Box<[Node]>) -> Self {
        let mut by_cost: Vec<u32> = (0..).zip(&nodes).map(|(at, _)| at).collect();
        by_cost.sort_by_key(|at| nodes.get(*at as usize).map_or(0, Node::cost));
        let by_cost = by_cost.into();
        Self { nodes, by_cost }
    }

    fn by_cost(&self) -> impl Iterator<Item = &Node> {
        self.by_cost.iter().filter_map(|at| self.nodes.get(*at as usize))
    }
}

impl Node {
    /// What never holds.
    fn never() -> Self {
        Self::AtLeast(1, Parts::new(Box::default()))
    }

    /// About how long it takes, in units of a comparison.
    fn cost(&self) -> u32 {
        match self {
            Self::All(parts) | Self::AtLeast(_, parts) => parts.nodes.iter().map(Self::cost).sum(),
            // Exclusions seldom hold: asking them decides little.
            Self::Not(part) => part.cost() + 20,
            Self::Exists(..) => 1,
            Self::Values { list: Some(list), .. } => list.cost(),
            Self::Values { patterns, .. } => patterns.iter().map(Matcher::cost).sum(),
            Self::Keywords { patterns, .. } => patterns.iter().map(Matcher::cost).sum::<u32>() * 20,
        }
    }

    pub(crate) fn compile(condition: &Condition, names: &mut impl Fields) -> Result<Self, BuildError> {
        let mut each = |parts: &[Condition]| -> Result<Box<[Self]>, BuildError> {
            parts.iter().map(|part| Self::compile(part, names)).collect()
        };
        Ok(match condition {
            Condition::All(parts) => Self::All(Parts::new(each(parts)?)),
            Condition::AtLeast(count, parts) => Self::AtLeast(*count, Parts::new(each(parts)?)),
            Condition::Not(part) => Self::Not(Box::new(Self::compile(part, names)?)),
            Condition::Item(item) => {
                let fields = item.fields.iter().map(|field| names.id(field)).collect();
                match &item.test {
                    Test::Exists(wanted) => Self::Exists(fields, *wanted),
                    Test::Values {
                        quantifier,
                        negated,
                        patterns,
                    } => {
                        let all = *quantifier == Quantifier::All;
                        let patterns = matchers(patterns, names)?;
                        Self::Values {
                            fields,
                            all,
                            negated: *negated,
                            references: references(&patterns),
                            asks_for_text: patterns.iter().any(Matcher::asks_for_text),
                            list: if all { None } else { PatternList::build(&patterns) },
                            patterns,
                        }
                    }
                }
            }
            Condition::Keywords(quantifier, patterns) => {
                names.expect_keywords();
                let patterns = matchers(patterns, names)?;
                Self::Keywords {
                    all: *quantifier == Quantifier::All,
                    asks_for_text: patterns.iter().any(Matcher::asks_for_text),
                    patterns,
                }
            }
        })
    }

    /// Whether it asks for every text of an event.
    pub(crate) fn has_keywords(&self) -> bool {
        match self {
            Self::All(parts) | Self::AtLeast(_, parts) => parts.nodes.iter().any(Self::has_keywords),
            Self::Not(part) => part.has_keywords(),
            Self::Exists(..) | Self::Values { .. } => false,
            Self::Keywords { .. } => true,
        }
    }

    /// Calls `each` with every plain text that it looks for, and the field.
    pub(crate) fn texts(&self, each: &mut impl FnMut(FieldId, PlainText<'_>)) {
        match self {
            Self::All(parts) | Self::AtLeast(_, parts) => {
                parts.nodes.iter().for_each(|part| part.texts(each))
            }
            Self::Not(part) => part.texts(each),
            Self::Exists(..) | Self::Keywords { .. } => {}
            Self::Values { fields, patterns, .. } => {
                for field in fields {
                    let texts = patterns.iter().filter_map(Matcher::plain);
                    texts.for_each(|text| each(*field, text));
                }
            }
        }
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, record: &mut Record, payload: Payload<'_>) -> bool {
        match self {
            Self::All(parts) => parts.by_cost().all(|part| part.holds(record, payload)),
            Self::AtLeast(count, parts) => {
                let mut missing = *count;
                for part in parts.by_cost() {
                    if missing == 0 {
                        break;
                    }
                    missing -= usize::from(part.holds(record, payload));
                }
                missing == 0
            }
            Self::Not(part) => !part.holds(record, payload),
            Self::Exists(fields, wanted) => {
                let is_there = fields
                    .iter()
                    .any(|field| record.values(*field).any(|entry| entry.kind != Kind::Null));
                is_there == *wanted
            }
            Self::Values {
                fields,
                all,
                negated,
                patterns,
                references,
                list,
                asks_for_text,
            } => {
                let Some(field) = fields.iter().find(|field| record.has(**field)) else {
                    return !negated && of(*all, patterns, Matcher::is_null);
                };
                // Nearly every value is ordinary.
                if references.is_empty()
                    && !record.knows(*field)
                    && let Some(entry) = record.as_it_is(*field, payload)
                {
                    let record = &*record;
                    let found = match list {
                        Some(list) => list.matches(record, payload, entry),
                        None => of(*all, patterns, |pattern| pattern.matches(record, payload, entry)),
                    };
                    return found != *negated;
                }
                for field in std::iter::once(field).chain(references) {
                    record.respell(*field, payload);
                    if *asks_for_text {
                        record.settle(*field, payload.text);
                    }
                }
                let record = &*record;
                let mut values = record.values(*field);
                let found =
                    match list {
                        Some(list @ PatternList::Numbers(_)) => values
                            .any(|entry| entry.kind != Kind::Null && list.matches(record, payload, entry)),
                        _ if record.knows(*field) => of(*all, patterns, |pattern| match pattern.plain() {
                            Some(text) => record.is_known(*field, text.key),
                            None => values_match(record, payload, *field, pattern),
                        }),
                        Some(list) => values
                            .any(|entry| entry.kind != Kind::Null && list.matches(record, payload, entry)),
                        None => of(*all, patterns, |pattern| {
                            values_match(record, payload, *field, pattern)
                        }),
                    };
                found != *negated
            }
            Self::Keywords {
                all,
                patterns,
                asks_for_text,
            } => {
                record.respell_texts(payload);
                if *asks_for_text {
                    record.settle_texts(payload.text);
                }
                let record = &*record;
                of(*all, patterns, |pattern| {
                    record
                        .texts()
                        .any(|entry| pattern.matches(record, payload, entry))
                })
            }
        }
    }

    /// Whether it holds, if the fields in `known` alone decide that.
    pub(crate) fn decided(
        &self,
        record: &mut Record,
        payload: Payload<'_>,
        known: &impl Fn(FieldId) -> bool,
    ) -> Option<bool> {
        match self {
            Self::All(parts) => {
                let mut all = Some(true);
                for part in &parts.nodes {
                    match part.decided(record, payload, known) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => all = None,
                    }
                }
                all
            }
            Self::AtLeast(count, parts) => {
                let (mut held, mut open) = (0, 0);
                for part in &parts.nodes {
                    match part.decided(record, payload, known) {
                        Some(true) => held += 1,
                        Some(false) => {}
                        None => open += 1,
                    }
                }
                if *count <= held {
                    Some(true)
                } else {
                    (held + open < *count).then_some(false)
                }
            }
            Self::Not(part) => part.decided(record, payload, known).map(|held| !held),
            Self::Exists(fields, _) => fields
                .iter()
                .all(|field| known(*field))
                .then(|| self.holds(record, payload)),
            Self::Values {
                fields, references, ..
            } => fields
                .iter()
                .chain(references)
                .all(|field| known(*field))
                .then(|| self.holds(record, payload)),
            Self::Keywords { .. } => None,
        }
    }

    /// Says why it held: the fields, values and patterns that matched.
    pub(crate) fn explain(
        &self,
        record: &mut Record,
        payload: Payload<'_>,
        names: &FieldNames,
        findings: &mut Vec<Finding>,
    ) {
        if FINDINGS_MAX <= findings.len() {
            return;
        }
        match self {
            Self::All(parts) => parts
                .nodes
                .iter()
                .for_each(|part| part.explain(record, payload, names, findings)),
            Self::AtLeast(_, parts) => {
                for part in &parts.nodes {
                    if part.holds(record, payload) {
                        part.explain(record, payload, names, findings);
                    }
                }
            }
            // What is not there can't be shown.
            Self::Not(_) | Self::Exists(_, false) => {}
            Self::Exists(fields, true) => {
                if let Some(field) = fields.iter().find(|field| record.has(**field)) {
                    record.settle(*field, payload.text);
                    for entry in record.values(*field).take(1) {
                        add(
                            findings,
                            names.name(*field),
                            record.text(entry, payload.text),
                            "is there",
                        );
                    }
                }
            }
            Self::Values {
                fields,
                negated,
                patterns,
                ..
            } => {
                let Some(field) = fields.iter().find(|field| record.has(**field)) else {
                    return;
                };
                record.respell(*field, payload);
                record.settle(*field, payload.text);
                let record = &*record;
                for entry in record.values(*field) {
                    if FINDINGS_MAX <= findings.len() {
                        return;
                    }
                    if *negated {
                        add(
                            findings,
                            names.name(*field),
                            record.text(entry, payload.text),
                            "none of the excluded values",
                        );
                    }
                    let text = record.text(entry, payload.text);
                    for pattern in patterns
                        .iter()
                        .filter(|pattern| !is_known_missing(record, *field, pattern))
                        .filter(|pattern| pattern.matches(record, payload, entry))
                    {
                        add(findings, names.name(*field), text, &pattern.shown);
                    }
                }
            }
            Self::Keywords { patterns, .. } => {
                record.respell_texts(payload);
                record.settle_texts(payload.text);
                let record = &*record;
                for entry in record.texts() {
                    let text = record.text(entry, payload.text);
                    for pattern in patterns
                        .iter()
                        .filter(|pattern| pattern.matches(record, payload, entry))
                    {
                        let name = entry.field().map_or("keyword", |field| names.name(field));
                        add(findings, name, text, &pattern.shown);
                    }
                }
            }
        }
    }
}

fn is_known_missing(record: &Record, field: FieldId, pattern: &Matcher) -> bool {
    record.knows(field)
        && pattern
            .plain()
            .is_some_and(|text| !record.is_known(field, text.key))
}

fn values_match(record: &Record, payload: Payload<'_>, field: FieldId, pattern: &Matcher) -> bool {
    record
        .values(field)
        .any(|entry| pattern.matches(record, payload, entry))
}

fn matchers(
    patterns: &[detect_rules::Pattern],
    names: &mut impl Fields,
) -> Result<Box<[Matcher]>, BuildError> {
    patterns
        .iter()
        .map(|pattern| Matcher::compile(pattern, names))
        .collect()
}

fn references(patterns: &[Matcher]) -> Box<[FieldId]> {
    patterns
        .iter()
        .flat_map(|pattern| pattern.references().iter().copied())
        .collect()
}

fn of(all: bool, patterns: &[Matcher], test: impl Fn(&Matcher) -> bool) -> bool {
    if all {
        patterns.iter().all(test)
    } else {
        patterns.iter().any(test)
    }
}

/// Adds a finding, once.
pub(crate) fn add(findings: &mut Vec<Finding>, field: &str, value: &str, matched: &str) {
    if FINDINGS_MAX <= findings.len() {
        return;
    }
    let finding = Finding {
        field: field.to_owned(),
        value: value.chars().take(VALUE_CHARS_MAX).collect(),
        matched: matched.to_owned(),
    };
    if !findings.contains(&finding) {
        findings.push(finding);
    }
}
