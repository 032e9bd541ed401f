//! The conditions of a pipeline's item: on the rule, on a detection item, on its field's name.

use regex::Regex;
use rsigma_parser::{ConditionExpr, LogSource, SigmaRule, SigmaValue};

use super::{Work, tree::Leaf};

/// Conditions and how they are joined; without conditions it is open.
#[derive(Clone, Debug)]
pub(super) struct Gate<C> {
    /// With the names by which an expression calls them.
    pub(super) conditions: Vec<(String, C)>,
    pub(super) link: Link,
    pub(super) is_negated: bool,
}

pub(super) type RuleGate = Gate<RuleCondition>;
pub(super) type ItemGate = Gate<ItemCondition>;
pub(super) type FieldGate = Gate<FieldCondition>;

/// How conditions are joined.
#[derive(Clone, Debug)]
pub(super) enum Link {
    All,
    Any,
    Expression(ConditionExpr),
}

/// Asked of a rule.
#[derive(Clone, Debug)]
pub(super) enum RuleCondition {
    ContainsField(String),
    ContainsItem { field: String, value: SigmaValue },
    IsCorrelation,
    IsRule,
    ItemApplied(String),
    LogSource(LogSource),
    Attribute { name: String, op: Op, value: String },
    State { key: String, value: String },
    Tag(String),
}

/// Asked of a detection item.
#[derive(Clone, Debug)]
pub(super) enum ItemCondition {
    ItemApplied(String),
    State { key: String, value: String },
    Values { all: bool, test: ValueTest },
}

/// Asked of a value.
#[derive(Clone, Debug)]
pub(super) enum ValueTest {
    HasWildcard,
    IsNull,
    Equals(SigmaValue),
    /// Found at the beginning of the text, as in pySigma.
    Matches {
        regex: Regex,
        is_negated: bool,
    },
}

/// Asked of a field's name.
#[derive(Clone, Debug)]
pub(super) enum FieldCondition {
    Exclude(Names),
    Include(Names),
    ItemApplied(String),
    State { key: String, value: String },
}

/// A set of names.
#[derive(Clone, Debug)]
pub(super) enum Names {
    Plain(Vec<String>),
    /// Each found at the beginning of a name.
    Patterns(Vec<Regex>),
}

/// How an attribute is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    NotIn,
}

impl<C> Gate<C> {
    /// Whether the gate is open.
    pub(super) fn holds(&self, test: impl Fn(&C) -> bool) -> bool {
        if self.conditions.is_empty() {
            return true;
        }
        let holds = match &self.link {
            Link::All => self.conditions.iter().all(|(_, condition)| test(condition)),
            Link::Any => self.conditions.iter().any(|(_, condition)| test(condition)),
            Link::Expression(expression) => self.expression(expression, &test),
        };
        holds != self.is_negated
    }

    fn expression(&self, expression: &ConditionExpr, test: &impl Fn(&C) -> bool) -> bool {
        match expression {
            ConditionExpr::And(parts) => parts.iter().all(|part| self.expression(part, test)),
            ConditionExpr::Or(parts) => parts.iter().any(|part| self.expression(part, test)),
            ConditionExpr::Not(part) => !self.expression(part, test),
            ConditionExpr::Identifier(name) => self
                .conditions
                .iter()
                .any(|(known, condition)| known == name && test(condition)),
            // Refused when the pipeline is read.
            ConditionExpr::Selector { .. } => false,
        }
    }
}

impl RuleCondition {
    pub(super) fn holds(&self, work: &Work<'_>) -> bool {
        match self {
            Self::ContainsField(field) => {
                let mut found = false;
                work.each_leaf(&mut |leaf| found |= leaf.item.field.name.as_ref() == Some(field));
                found
            }
            Self::ContainsItem { field, value } => {
                let mut found = false;
                work.each_leaf(&mut |leaf| {
                    found |= leaf.item.field.name.as_ref() == Some(field)
                        && leaf.item.values.iter().any(|known| same(known, value));
                });
                found
            }
            Self::IsCorrelation => false,
            Self::IsRule => true,
            Self::ItemApplied(id) => work.applied.contains(id.as_str()),
            Self::LogSource(asked) => {
                let has = |asked: &Option<String>, held: &Option<String>| {
                    asked.as_ref().is_none_or(|asked| {
                        held.as_ref().is_some_and(|held| held.eq_ignore_ascii_case(asked))
                    })
                };
                let held = &work.rule.logsource;
                has(&asked.category, &held.category)
                    && has(&asked.product, &held.product)
                    && has(&asked.service, &held.service)
            }
            Self::Attribute { name, op, value } => match work.attributes.get(name) {
                Some(own) => op.holds(own, value),
                None => attribute(&work.rule, name, *op, value),
            },
            Self::State { key, value } => work.state.get(key) == Some(value),
            Self::Tag(tag) => work.rule.tags.iter().any(|known| known == tag),
        }
    }
}

impl ItemCondition {
    pub(super) fn holds(&self, leaf: &Leaf<'_>, state: &std::collections::BTreeMap<String, String>) -> bool {
        match self {
            Self::ItemApplied(id) => leaf.applied.contains(&id.as_str()),
            Self::State { key, value } => state.get(key) == Some(value),
            Self::Values { all, test } => {
                let mut values = leaf.item.values.iter();
                if *all {
                    !leaf.item.values.is_empty() && values.all(|value| test.holds(value))
                } else {
                    values.any(|value| test.holds(value))
                }
            }
        }
    }
}

impl ValueTest {
    fn holds(&self, value: &SigmaValue) -> bool {
        match self {
            Self::HasWildcard => {
                matches!(value, SigmaValue::String(string) if string.contains_wildcards())
            }
            Self::IsNull => matches!(value, SigmaValue::Null),
            Self::Equals(known) => same(value, known),
            Self::Matches { regex, is_negated } => {
                let is_match = match value {
                    SigmaValue::String(string) => regex.is_match(&string.original),
                    SigmaValue::Integer(_)
                    | SigmaValue::Float(_)
                    | SigmaValue::Bool(_)
                    | SigmaValue::Null => false,
                };
                is_match != *is_negated
            }
        }
    }
}

impl FieldCondition {
    pub(super) fn holds(&self, leaf: &Leaf<'_>, state: &std::collections::BTreeMap<String, String>) -> bool {
        let name = leaf.item.field.name.as_deref();
        match self {
            Self::Exclude(names) => !name.is_some_and(|name| names.have(name)),
            Self::Include(names) => name.is_some_and(|name| names.have(name)),
            Self::ItemApplied(id) => leaf.applied.contains(&id.as_str()),
            Self::State { key, value } => state.get(key) == Some(value),
        }
    }
}

impl Names {
    fn have(&self, name: &str) -> bool {
        match self {
            Self::Plain(names) => names.iter().any(|known| known == name),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_match(name)),
        }
    }
}

impl Op {
    /// Texts in their order: good for dates, ids and names.
    fn holds(self, own: &str, value: &str) -> bool {
        let numbers = own.parse::<f64>().ok().zip(value.parse::<f64>().ok());
        let order = match numbers {
            Some((own, value)) => own.partial_cmp(&value),
            None => Some(own.cmp(value)),
        };
        self.orders(order)
    }

    fn orders(self, order: Option<std::cmp::Ordering>) -> bool {
        let Some(order) = order else {
            return false;
        };
        match self {
            Self::Equal | Self::In => order.is_eq(),
            Self::NotEqual | Self::NotIn => order.is_ne(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
        }
    }
}

/// A rule without the attribute never fits.
fn attribute(rule: &SigmaRule, name: &str, op: Op, value: &str) -> bool {
    let list = match name {
        "tags" => Some(&rule.tags),
        "references" => Some(&rule.references),
        "falsepositives" => Some(&rule.falsepositives),
        "fields" => Some(&rule.fields),
        _ => None,
    };
    if let Some(list) = list {
        return match op {
            Op::In => list.iter().any(|known| known == value),
            Op::NotIn => !list.iter().any(|known| known == value),
            Op::NotEqual => true,
            Op::Equal | Op::Greater | Op::GreaterOrEqual | Op::Less | Op::LessOrEqual => false,
        };
    }
    if name == "level" {
        let wanted = value.parse::<rsigma_parser::Level>().ok();
        return op.orders(
            rule.level
                .zip(wanted)
                .map(|(own, wanted)| (own as u8).cmp(&(wanted as u8))),
        );
    }
    let own = match name {
        "title" => Some(rule.title.clone()),
        "id" => rule.id.clone(),
        "name" => rule.name.clone(),
        "author" => rule.author.clone(),
        "description" => rule.description.clone(),
        "date" => rule.date.clone(),
        "modified" => rule.modified.clone(),
        "license" => rule.license.clone(),
        "taxonomy" => rule.taxonomy.clone(),
        "status" => rule.status.map(|status| format!("{status:?}").to_lowercase()),
        _ => rule
            .custom_attributes
            .get(name)
            .and_then(|value| value.as_str().map(str::to_owned)),
    };
    own.is_some_and(|own| op.holds(&own, value))
}

/// Whether two values are written alike.
fn same(left: &SigmaValue, right: &SigmaValue) -> bool {
    match (left, right) {
        (SigmaValue::String(left), SigmaValue::String(right)) => left.original == right.original,
        _ => left == right,
    }
}
