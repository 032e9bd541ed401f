//! What a pipeline's item does to a rule.

use regex::Regex;
use rsigma_parser::{
    ConditionExpr, DetectionItem, FieldSpec, LogSource, Modifier, SigmaValue,
    value::{SigmaString, SpecialChar, StringPart},
};

use super::{
    HIDDEN, Item, Work,
    tree::{self, Leaf, Tree},
};
use crate::{
    Placeholders,
    placeholder::{self, Piece},
};

/// A transformation with its parameters.
#[derive(Clone, Debug)]
pub(super) enum Transformation {
    AddCondition {
        /// Field with modifiers, and values.
        conditions: Vec<(FieldSpec, Vec<SigmaValue>)>,
        /// Whether `$category`, `$product` and `$service` in values mean the rule's.
        is_template: bool,
        is_negated: bool,
    },
    ChangeLogSource(LogSource),
    DetectionItemFailure(String),
    DropDetectionItem,
    FieldName(FieldName),
    HashesFields {
        algorithms: Vec<String>,
        prefix: String,
        drops_algorithm: bool,
    },
    MapString(Vec<(String, Vec<String>)>),
    /// What concerns the output of a converter: there is none here.
    Nothing,
    ReplaceString {
        regex: Regex,
        replacement: String,
        /// Only between wildcards.
        skips_special: bool,
    },
    RuleFailure(String),
    SetCustomAttribute {
        attribute: String,
        value: String,
    },
    SetState {
        key: String,
        value: String,
    },
    SetValue(SigmaValue),
    ValuePlaceholders(Chosen),
    WildcardPlaceholders(Chosen),
}

/// How a field's name changes.
#[derive(Clone, Debug)]
pub(super) enum FieldName {
    Mapping(Vec<(String, Vec<String>)>),
    Prefix(String),
    PrefixMapping(Vec<(String, Vec<String>)>),
    Suffix(String),
}

/// Which placeholders are meant.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    All,
    Except(Vec<String>),
    Only(Vec<String>),
}

impl Transformation {
    /// Applies it; why it can't be applied is a sentence's end.
    pub(super) fn apply<'p>(
        &self,
        work: &mut Work<'p>,
        item: &'p Item,
        vars: &Placeholders,
    ) -> Result<(), String> {
        match self {
            Self::AddCondition {
                conditions,
                is_template,
                is_negated,
            } => add_condition(work, conditions, *is_template, *is_negated),
            Self::ChangeLogSource(log_source) => {
                work.rule.logsource = log_source.clone();
                work.is_changed = true;
            }
            Self::DetectionItemFailure(message) => {
                let mut is_met = false;
                work.each_leaf(&mut |leaf| is_met |= item.admits(leaf, &work.state));
                if is_met {
                    return Err(message.clone());
                }
            }
            Self::Nothing => {}
            Self::RuleFailure(message) => return Err(message.clone()),
            Self::SetCustomAttribute { attribute, value } => {
                work.attributes.insert(attribute.clone(), value.clone());
            }
            Self::SetState { key, value } => {
                work.state.insert(key.clone(), value.clone());
            }
            Self::MapString(_) | Self::ReplaceString { .. } | Self::SetValue(_) => {
                return work.each_value(item, &|field, value| self.values(field, value));
            }
            Self::DropDetectionItem
            | Self::FieldName(_)
            | Self::HashesFields { .. }
            | Self::ValuePlaceholders(_)
            | Self::WildcardPlaceholders(_) => return work.rebuild(item, |leaf| self.leaf(leaf, vars)),
        }
        Ok(())
    }

    /// What becomes of a leaf; nothing drops it.
    fn leaf<'p>(&self, leaf: Leaf<'p>, vars: &Placeholders) -> Result<Option<Tree<'p>>, String> {
        Ok(match self {
            Self::DropDetectionItem => None,
            Self::FieldName(change) => Some(change.leaf(leaf)),
            Self::HashesFields {
                algorithms,
                prefix,
                drops_algorithm,
            } => Some(hashes(leaf, algorithms, prefix, *drops_algorithm)),
            Self::ValuePlaceholders(chosen) => Some(fill(leaf, chosen, Some(vars))?),
            Self::WildcardPlaceholders(chosen) => Some(fill(leaf, chosen, None)?),
            Self::AddCondition { .. }
            | Self::ChangeLogSource(_)
            | Self::DetectionItemFailure(_)
            | Self::MapString(_)
            | Self::Nothing
            | Self::ReplaceString { .. }
            | Self::RuleFailure(_)
            | Self::SetCustomAttribute { .. }
            | Self::SetState { .. }
            | Self::SetValue(_) => Some(Tree::Leaf(leaf)),
        })
    }

    /// What becomes of a value; nothing leaves it as it is.
    fn values(&self, field: &FieldSpec, value: &SigmaValue) -> Option<Vec<SigmaValue>> {
        if let Self::SetValue(fixed) = self {
            return Some(vec![fixed.clone()]);
        }
        let SigmaValue::String(string) = value else {
            return None;
        };
        if let Self::MapString(mapping) = self {
            let (_, texts) = mapping.iter().find(|(known, _)| *known == string.original)?;
            return Some(
                texts
                    .iter()
                    .map(|text| SigmaValue::String(SigmaString::new(text)))
                    .collect(),
            );
        }
        let Self::ReplaceString {
            regex,
            replacement,
            skips_special,
        } = self
        else {
            return None;
        };
        let is_text = !field.has_modifier(Modifier::Re);
        is_text.then(|| vec![replaced(string, regex, replacement, *skips_special)])
    }

    /// Whether it changes names, so that a correlation's fields go the same way.
    fn names_fields(&self) -> bool {
        matches!(self, Self::FieldName(_))
    }
}

impl Item {
    /// Whether the item is for this leaf.
    fn admits(&self, leaf: &Leaf<'_>, state: &std::collections::BTreeMap<String, String>) -> bool {
        self.detection_item
            .holds(|condition| condition.holds(leaf, state))
            && self.field_name.holds(|condition| condition.holds(leaf, state))
    }
}

impl<'p> Work<'p> {
    /// Replaces the leaves that the item is for; nothing drops them.
    fn rebuild(
        &mut self,
        item: &'p Item,
        change: impl Fn(Leaf<'p>) -> Result<Option<Tree<'p>>, String>,
    ) -> Result<(), String> {
        let mut refusal = None;
        let (mut is_changed, state) = (false, &self.state);
        let mut replace = |mut leaf: Leaf<'p>| {
            if refusal.is_some() || !item.admits(&leaf, state) {
                return Some(Tree::Leaf(leaf));
            }
            let before = leaf.item.clone();
            leaf.applied.extend(item.id.as_deref());
            match change(leaf) {
                Ok(after) => {
                    is_changed |= !matches!(&after, Some(Tree::Leaf(leaf)) if leaf.item == before);
                    after
                }
                Err(reason) => {
                    refusal = Some(reason);
                    None
                }
            }
        };
        for part in &mut self.parts {
            let mut left = std::collections::BTreeMap::new();
            let mut gone = Vec::new();
            for (name, tree) in std::mem::take(&mut part.selections) {
                match tree.rebuild(&mut replace) {
                    Some(tree) => {
                        left.insert(name, tree);
                    }
                    None => gone.push(name),
                }
            }
            part.selections = left;
            if !gone.is_empty() {
                part.forget(&gone);
            }
        }
        if item.transformation.names_fields() {
            for tree in &mut self.names {
                if let Some(changed) = tree.clone().rebuild(&mut replace) {
                    *tree = changed;
                }
            }
        }
        self.is_changed |= is_changed;
        match refusal {
            Some(reason) => Err(reason),
            None if self.parts.first().is_some_and(|own| own.conditions.is_empty()) => {
                Err("it drops everything that the rule asks for".to_owned())
            }
            None => Ok(()),
        }
    }

    /// Replaces values; nothing leaves a value as it is.
    fn each_value(
        &mut self,
        item: &'p Item,
        change: &dyn Fn(&FieldSpec, &SigmaValue) -> Option<Vec<SigmaValue>>,
    ) -> Result<(), String> {
        self.rebuild(item, |mut leaf| {
            let DetectionItem { field, values } = &mut leaf.item;
            *values = values
                .iter()
                .flat_map(|value| change(field, value).unwrap_or_else(|| vec![value.clone()]))
                .collect();
            Ok(Some(Tree::Leaf(leaf)))
        })
    }
}

impl super::Part<'_> {
    /// Takes selections that are gone out of the conditions.
    fn forget(&mut self, gone: &[String]) {
        let is_gone = |name: &str| gone.iter().any(|known| known == name);
        let is_left = |pattern: &rsigma_parser::SelectorPattern| {
            let means = |name: &str| pattern.matches_detection_name(name);
            // A pattern that never meant anything is left for lowering to refuse.
            self.selections.keys().any(|name| means(name)) || !gone.iter().any(|name| means(name))
        };
        let left = self
            .conditions
            .iter()
            .filter_map(|condition| tree::without(condition, &is_gone, &is_left))
            .collect();
        self.conditions = left;
    }
}

impl FieldName {
    fn names(&self, name: &str) -> Option<Vec<String>> {
        match self {
            Self::Mapping(mapping) => {
                let (_, names) = mapping.iter().find(|(known, _)| known == name)?;
                Some(names.clone())
            }
            Self::Prefix(prefix) => Some(vec![format!("{prefix}{name}")]),
            Self::PrefixMapping(mapping) => mapping.iter().find_map(|(prefix, names)| {
                let rest = name.strip_prefix(prefix.as_str())?;
                Some(names.iter().map(|name| format!("{name}{rest}")).collect())
            }),
            Self::Suffix(suffix) => Some(vec![format!("{name}{suffix}")]),
        }
    }

    /// One name stays a leaf, several become alternatives.
    fn leaf<'p>(&self, mut leaf: Leaf<'p>) -> Tree<'p> {
        if leaf.item.field.has_modifier(Modifier::FieldRef) {
            let values = std::mem::take(&mut leaf.item.values);
            leaf.item.values = values
                .into_iter()
                .flat_map(|value| match self.names(&value.to_string()) {
                    Some(names) => names
                        .into_iter()
                        .map(|name| SigmaValue::String(SigmaString::from_raw(&name)))
                        .collect(),
                    None => vec![value],
                })
                .collect();
        }
        let Some(names) = leaf.item.field.name.as_deref().and_then(|name| self.names(name)) else {
            return Tree::Leaf(leaf);
        };
        if let [only] = names.as_slice() {
            leaf.item.field.name = Some(only.clone());
            return Tree::Leaf(leaf);
        }
        alternatives(leaf, &names)
    }
}

/// A leaf under several names: a test of a value holds if it holds under one of them, a test of absence under all. (pySigma
/// takes one for both; then a field that no event has under one of its names would count as missing from every event.)
fn alternatives<'p>(leaf: Leaf<'p>, names: &[String]) -> Tree<'p> {
    let named = |values: Vec<SigmaValue>| -> Vec<Tree<'p>> {
        let each = names.iter().map(|name| {
            let mut leaf = leaf.clone();
            leaf.item.field.name = Some(name.clone());
            leaf.item.values.clone_from(&values);
            Tree::Leaf(leaf)
        });
        each.collect()
    };
    let field = &leaf.item.field;
    let values = leaf.item.values.clone();
    let asks_absence = field.has_modifier(Modifier::Exists)
        && values
            .first()
            .is_some_and(|value| matches!(value.to_string().as_str(), "false" | "no"));
    if asks_absence || field.has_modifier(Modifier::Neq) {
        return Tree::All(named(values));
    }
    let (nulls, others): (Vec<_>, Vec<_>) = values
        .into_iter()
        .partition(|value| matches!(value, SigmaValue::Null));
    if nulls.is_empty() {
        return Tree::Any(named(others));
    }
    let absent = Tree::All(named(nulls));
    if others.is_empty() {
        return absent;
    }
    let mut either = named(others);
    either.push(absent);
    Tree::Any(either)
}

impl Chosen {
    fn means(&self, name: &str) -> bool {
        let has = |names: &[String]| names.iter().any(|known| known == name);
        match self {
            Self::All => true,
            Self::Except(names) => !has(names),
            Self::Only(names) => has(names),
        }
    }
}

fn add_condition(
    work: &mut Work<'_>,
    conditions: &[(FieldSpec, Vec<SigmaValue>)],
    is_template: bool,
    is_negated: bool,
) {
    let source = work.rule.logsource.clone();
    let fill = |value: &SigmaValue| match value {
        SigmaValue::String(string) if is_template => {
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            let text = string
                .original
                .replace("$category", &part(&source.category))
                .replace("$product", &part(&source.product))
                .replace("$service", &part(&source.service));
            SigmaValue::String(SigmaString::new(&text))
        }
        other => other.clone(),
    };
    let leaves = conditions.iter().map(|(field, values)| {
        let item = DetectionItem {
            field: field.clone(),
            values: values.iter().map(fill).collect(),
        };
        Tree::of(rsigma_parser::Detection::AllOf(vec![item]))
    });
    let tree = Tree::All(leaves.collect());
    let Some(own) = work.parts.first_mut() else {
        return;
    };
    let name = format!("{HIDDEN}{}", own.selections.len());
    own.selections.insert(name.clone(), tree);
    let named = ConditionExpr::Identifier(name);
    let added = if is_negated {
        ConditionExpr::Not(Box::new(named))
    } else {
        named
    };
    for condition in &mut own.conditions {
        *condition = ConditionExpr::And(vec![added.clone(), condition.clone()]);
    }
    work.is_changed = true;
}

/// `Hashes|contains: SHA1=…` to a field for each algorithm. What has no known algorithm stays.
fn hashes<'p>(leaf: Leaf<'p>, algorithms: &[String], prefix: &str, drops_algorithm: bool) -> Tree<'p> {
    if !matches!(leaf.item.field.name.as_deref(), Some("Hashes" | "Hash")) {
        return Tree::Leaf(leaf);
    }
    let mut parts = Vec::new();
    for value in &leaf.item.values {
        let mut part = leaf.clone();
        let text = value.to_string();
        let named = text.trim_matches('*').split_once('=');
        let algorithm = named.and_then(|(name, _)| {
            algorithms
                .iter()
                .find(|known| known.eq_ignore_ascii_case(name.trim()))
        });
        if let (Some(algorithm), Some((_, digest))) = (algorithm, named) {
            let name = if drops_algorithm {
                prefix.to_owned()
            } else {
                format!("{prefix}{algorithm}")
            };
            part.item.field = FieldSpec::new(Some(name), Vec::new());
            part.item.values = vec![SigmaValue::String(SigmaString::new(digest))];
        } else {
            part.item.values = vec![value.clone()];
        }
        parts.push(Tree::Leaf(part));
    }
    if leaf.item.field.has_modifier(Modifier::All) {
        Tree::All(parts)
    } else {
        Tree::Any(parts)
    }
}

fn replaced(string: &SigmaString, regex: &Regex, replacement: &str, skips_special: bool) -> SigmaValue {
    if !skips_special {
        return SigmaValue::String(SigmaString::new(
            &regex.replace_all(&string.original, replacement),
        ));
    }
    let mut parts = string.parts.clone();
    let mut original = String::new();
    for part in &mut parts {
        match part {
            StringPart::Plain(text) => {
                *text = regex.replace_all(text, replacement).into_owned();
                for letter in text.chars() {
                    if matches!(letter, '*' | '?' | '\\') {
                        original.push('\\');
                    }
                    original.push(letter);
                }
            }
            StringPart::Special(SpecialChar::WildcardMulti) => original.push('*'),
            StringPart::Special(SpecialChar::WildcardSingle) => original.push('?'),
        }
    }
    SigmaValue::String(SigmaString { parts, original })
}

/// Fills placeholders: with lists, or with wildcards where there are none. One without a list is left for the placeholder
/// files. A leaf without a placeholder left needs no `expand` any more.
fn fill<'p>(mut leaf: Leaf<'p>, chosen: &Chosen, lists: Option<&Placeholders>) -> Result<Tree<'p>, String> {
    let DetectionItem { field, values } = &mut leaf.item;
    if !field.has_modifier(Modifier::Expand) {
        return Ok(Tree::Leaf(leaf));
    }
    let is_regex = field.has_modifier(Modifier::Re);
    let make = |text: &str| {
        SigmaValue::String(if is_regex {
            SigmaString::from_raw(text)
        } else {
            SigmaString::new(text)
        })
    };
    let mut filled = Vec::new();
    for value in values.drain(..) {
        let text = value.to_string();
        let pieces = placeholder::pieces(&text);
        let is_meant = |piece: &Piece<'_>| match piece {
            Piece::Text(_) => true,
            Piece::Placeholder(name) => chosen.means(name),
        };
        if !pieces.iter().all(is_meant) || !pieces.iter().any(|piece| matches!(piece, Piece::Placeholder(_)))
        {
            filled.push(value);
            continue;
        }
        let Some(lists) = lists else {
            let wildcard = if is_regex { ".*" } else { "*" };
            let text: String = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => *text,
                    Piece::Placeholder(_) => wildcard,
                })
                .collect();
            filled.push(make(&text));
            continue;
        };
        let quote = |item: &str| {
            if is_regex {
                regex::escape(item)
            } else {
                item.to_owned()
            }
        };
        let expanded = lists.expand(&text, &quote)?;
        if expanded.missing.is_empty() {
            filled.extend(expanded.values.iter().map(|text| make(text)));
        } else {
            filled.push(value);
        }
    }
    let is_left = filled.iter().any(|value| {
        let text = value.to_string();
        placeholder::pieces(&text)
            .iter()
            .any(|piece| matches!(piece, Piece::Placeholder(_)))
    });
    if !is_left {
        field.modifiers.retain(|modifier| *modifier != Modifier::Expand);
    }
    *values = filled;
    Ok(Tree::Leaf(leaf))
}
