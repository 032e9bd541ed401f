//! A parsed Sigma rule to a [`Rule`]: selections resolved, fields mapped, placeholders filled, modifiers applied.

use std::{cell::RefCell, collections::BTreeMap};

use detect_alert::ProducerKind;
use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, Modifier, Quantifier as Of, SelectorPattern,
    SigmaRule, SigmaValue, value::SigmaString,
};

use super::{
    Changes,
    document::Document,
    meta::{self, Meta, Refusal},
    value,
};
use crate::{
    Code, Condition, Diagnostic, Item, Level, Pattern, Placeholders, Quantifier, Rule, RuleLogSource, Test,
    TextOp, field_names,
    pipeline::{Draft, HIDDEN},
};

/// Lowers a rule with its filters; warnings go to `diagnostics`.
pub(super) fn rule(
    document: &Document<'_>,
    draft: &Draft,
    placeholders: &Placeholders,
    changes: &mut Changes,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Rule, Refusal> {
    let sigma = &draft.rule;
    let mut about = about(document, sigma)?;
    if !document.has_key("logsource") {
        return Err(Box::new(meta::missing(document, "logsource")));
    }
    let part = |text: &Option<String>| text.as_deref().map(str::to_lowercase);
    let log_source = RuleLogSource {
        category: part(&sigma.logsource.category),
        product: part(&sigma.logsource.product),
        service: part(&sigma.logsource.service),
    };
    let lowering = Lowering {
        document,
        detections: &sigma.detection,
        log_source: &log_source,
        placeholders,
        used: RefCell::default(),
    };
    let mut parts = vec![lowering.any_condition()?];
    for filter in &draft.filters {
        let of_filter = Lowering {
            detections: filter,
            used: RefCell::default(),
            ..lowering
        };
        parts.push(of_filter.any_condition()?);
        lowering.used.borrow_mut().extend(of_filter.used.take());
    }
    let used = lowering.used.take();
    for (name, text) in &used.missing {
        diagnostics.push(no_placeholder(document, name, text));
    }
    used.report(placeholders, changes);
    let condition = match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            Condition::All(parts)
        }
    };
    let (digest, suffix) = changes.finish(document.text);
    if let Some(suffix) = suffix {
        about.producer.version = format!("{}+{suffix}", about.producer.version);
    }
    Ok(Rule {
        producer: about.producer,
        severity: about.severity,
        confidence: about.confidence,
        tlp: about.tlp,
        pap: about.pap,
        log_source,
        condition,
        entity: about.entity,
        raises: true,
        digest,
    })
}

fn about(document: &Document<'_>, sigma: &SigmaRule) -> Result<meta::About, Refusal> {
    meta::read(
        document,
        Meta {
            kind: ProducerKind::Sigma,
            id: sigma.id.as_deref(),
            title: &sigma.title,
            author: sigma.author.as_deref(),
            license: sigma.license.as_deref(),
            description: sigma.description.as_deref(),
            date: sigma.date.as_deref(),
            modified: sigma.modified.as_deref(),
            references: &sigma.references,
            tags: &sigma.tags,
            false_positives: &sigma.falsepositives,
            level: sigma.level,
            status: sigma.status,
            varde: meta::varde(&sigma.custom_attributes),
        },
    )
}

fn no_placeholder(document: &Document<'_>, name: &str, text: &str) -> Diagnostic {
    let line = document
        .line_with(text)
        .or_else(|| document.line_with(&format!("%{name}%")))
        .unwrap_or(1);
    let detail = format!("there is no list for the placeholder `%{name}%`, so what uses it matches nothing");
    let mend = format!(
        "add `{name}: [value, …]` to a file `placeholders.yml` among the rules, or to one given with --placeholders"
    );
    let mut diagnostic = document.error(Code::NoPlaceholder, line, &detail, &mend);
    diagnostic.level = Level::Warning;
    diagnostic
}

/// What of the placeholders a rule uses.
#[derive(Default)]
struct Used {
    /// Values with placeholders.
    texts: Vec<String>,
    /// Placeholders without a list, each with a value that has it.
    missing: BTreeMap<String, String>,
}

impl Used {
    fn extend(&mut self, other: Self) {
        self.texts.extend(other.texts);
        self.missing.extend(other.missing);
    }

    fn report(&self, placeholders: &Placeholders, changes: &mut Changes) {
        for text in &self.texts {
            placeholders.each_used(text, |name, values| {
                changes.add(name.as_bytes());
                for value in values {
                    changes.add(value.as_bytes());
                }
            });
        }
    }
}

struct Lowering<'a> {
    document: &'a Document<'a>,
    detections: &'a Detections,
    log_source: &'a RuleLogSource,
    placeholders: &'a Placeholders,
    used: RefCell<Used>,
}

impl Lowering<'_> {
    /// Several conditions mean any of them.
    fn any_condition(&self) -> Result<Condition, Refusal> {
        let mut conditions = self
            .detections
            .conditions
            .iter()
            .map(|condition| self.condition(condition))
            .collect::<Result<Vec<_>, _>>()?;
        match (conditions.len(), conditions.pop()) {
            (1, Some(only)) => Ok(only),
            (_, Some(last)) => {
                conditions.push(last);
                Ok(Condition::AtLeast(1, conditions))
            }
            (_, None) => Err(Box::new(meta::missing(self.document, "condition"))),
        }
    }

    fn condition(&self, expression: &ConditionExpr) -> Result<Condition, Refusal> {
        let each = |parts: &[ConditionExpr]| -> Result<Vec<Condition>, Refusal> {
            parts.iter().map(|part| self.condition(part)).collect()
        };
        match expression {
            ConditionExpr::And(parts) => Ok(Condition::All(each(parts)?)),
            ConditionExpr::Or(parts) => Ok(Condition::AtLeast(1, each(parts)?)),
            ConditionExpr::Not(part) => Ok(Condition::Not(Box::new(self.condition(part)?))),
            ConditionExpr::Identifier(name) => match self.detections.named.get(name) {
                Some(detection) => self.detection(detection),
                None => Err(self.unknown(name)),
            },
            ConditionExpr::Selector { quantifier, pattern } => {
                let names = self.selected(pattern);
                if names.is_empty() {
                    return Err(self.unknown(&pattern.to_string()));
                }
                let parts = names
                    .into_iter()
                    .filter_map(|name| self.detections.named.get(name))
                    .map(|detection| self.detection(detection))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(match quantifier {
                    Of::All => Condition::All(parts),
                    Of::Any => Condition::AtLeast(1, parts),
                    Of::Count(count) => {
                        Condition::AtLeast(usize::try_from(*count).unwrap_or(usize::MAX), parts)
                    }
                })
            }
        }
    }

    /// The selections that a selector means, by name. Names that begin with `_` are not part of `them`.
    fn selected(&self, pattern: &SelectorPattern) -> Vec<&String> {
        let mut names: Vec<&String> = self
            .detections
            .named
            .keys()
            .filter(|name| !name.starts_with(HIDDEN))
            .filter(|name| match pattern {
                SelectorPattern::Them => !name.starts_with('_'),
                SelectorPattern::Pattern(pattern) => glob(pattern.as_bytes(), name.as_bytes()),
            })
            .collect();
        names.sort();
        names
    }

    fn unknown(&self, name: &str) -> Refusal {
        let line = self.document.line_with("condition:").unwrap_or(1);
        let mut known: Vec<&str> = self.detections.named.keys().map(String::as_str).collect();
        known.sort_unstable();
        let detail = format!("no selection is called `{name}`");
        let mend = format!("the rule has: {}", known.join(", "));
        Box::new(self.document.error(Code::UnknownSelection, line, &detail, &mend))
    }

    fn detection(&self, detection: &Detection) -> Result<Condition, Refusal> {
        match detection {
            Detection::AllOf(items) => Ok(Condition::All(
                items
                    .iter()
                    .map(|item| self.item(item))
                    .collect::<Result<_, _>>()?,
            )),
            Detection::And(parts) => Ok(Condition::All(
                parts
                    .iter()
                    .map(|part| self.detection(part))
                    .collect::<Result<_, _>>()?,
            )),
            Detection::AnyOf(parts) => Ok(Condition::AtLeast(
                1,
                parts
                    .iter()
                    .map(|part| self.detection(part))
                    .collect::<Result<_, _>>()?,
            )),
            Detection::Keywords(values) => self.keywords(values, &[]),
            Detection::ArrayMatch { field, .. } => {
                let detail = format!("`{field}[…]` asks about members of a list (Sigma 3)");
                Err(self.unsupported(field, &detail, "name the inner field: any member counts"))
            }
            Detection::Conditional { .. } => {
                let mend = "write the selections at the top level";
                Err(self.unsupported("condition:", "a condition inside a selection (Sigma 3)", mend))
            }
        }
    }

    fn keywords(&self, values: &[SigmaValue], modifiers: &[Modifier]) -> Result<Condition, Refusal> {
        let mut modifiers = modifiers.to_vec();
        let all = modifiers.contains(&Modifier::All);
        let decides = [
            Modifier::Re,
            Modifier::Cidr,
            Modifier::StartsWith,
            Modifier::EndsWith,
        ];
        if !modifiers.iter().any(|modifier| decides.contains(modifier)) {
            modifiers.push(Modifier::Contains);
        }
        let mut patterns = Vec::new();
        let mut given = Vec::new();
        for value in values {
            match self.expanded("", value, &modifiers)? {
                Some(values) => given.extend(values),
                None => given.push(value.clone()),
            }
        }
        if given.is_empty() && !values.is_empty() {
            return Ok(Condition::AtLeast(1, Vec::new()));
        }
        for value in &given {
            // A keyword is text, whatever YAML takes it for.
            let text = SigmaValue::String(SigmaString::new(&value.to_string()));
            let value = if matches!(value, SigmaValue::String(_)) {
                value
            } else {
                &text
            };
            patterns.extend(value::patterns(
                self.document,
                "",
                value,
                &modifiers,
                &|name: &str| vec![name.to_owned()],
            )?);
        }
        let quantifier = if all { Quantifier::All } else { Quantifier::Any };
        Ok(Condition::Keywords(quantifier, patterns))
    }

    fn item(&self, item: &DetectionItem) -> Result<Condition, Refusal> {
        let modifiers = &item.field.modifiers;
        let Some(name) = &item.field.name else {
            return self.keywords(&item.values, modifiers);
        };
        let candidates = |name: &str| field_names::candidates(self.log_source, name);
        let fields = candidates(name);
        if modifiers.contains(&Modifier::Exists) {
            let wanted = !matches!(
                item.values.first().map(ToString::to_string).as_deref(),
                Some("false" | "no")
            );
            return Ok(Condition::Item(Item {
                fields,
                test: Test::Exists(wanted),
            }));
        }
        // Each value is a group: for `all`, one of its spellings is enough.
        let mut groups = Vec::with_capacity(item.values.len());
        for value in &item.values {
            let Some(values) = self.expanded(name, value, modifiers)? else {
                groups.push(value::patterns(
                    self.document,
                    name,
                    value,
                    modifiers,
                    &candidates,
                )?);
                continue;
            };
            let group = values
                .iter()
                .map(|value| value::patterns(self.document, name, value, modifiers, &candidates))
                .collect::<Result<Vec<_>, _>>()?
                .concat();
            if !group.is_empty() {
                groups.push(group);
            } else if modifiers.contains(&Modifier::All) {
                groups.clear();
                break;
            }
        }
        if groups.is_empty() {
            return Ok(Condition::AtLeast(1, Vec::new()));
        }
        Ok(combine(fields, groups, modifiers))
    }

    /// What a value with placeholders stands for; nothing if it has no `expand` or no placeholder.
    fn expanded(
        &self,
        field: &str,
        value: &SigmaValue,
        modifiers: &[Modifier],
    ) -> Result<Option<Vec<SigmaValue>>, Refusal> {
        let SigmaValue::String(string) = value else {
            return Ok(None);
        };
        if !modifiers.contains(&Modifier::Expand) {
            return Ok(None);
        }
        let text = &string.original;
        let is_regex = modifiers.contains(&Modifier::Re);
        let quote = |item: &str| {
            if is_regex {
                regex::escape(item)
            } else {
                item.to_owned()
            }
        };
        let expanded = self.placeholders.expand(text, &quote).map_err(|detail| {
            let line = self.document.line_with(&format!("{field}|")).unwrap_or(1);
            let mend = "use shorter lists, or one placeholder in a value";
            Box::new(self.document.error(Code::BadValue, line, &detail, mend))
        })?;
        let mut used = self.used.borrow_mut();
        used.texts.push(text.clone());
        for name in expanded.missing {
            used.missing.entry(name).or_insert_with(|| text.clone());
        }
        let make = |text: String| {
            SigmaValue::String(if is_regex {
                SigmaString::from_raw(&text)
            } else {
                SigmaString::new(&text)
            })
        };
        Ok(Some(expanded.values.into_iter().map(make).collect()))
    }

    fn unsupported(&self, place: &str, detail: &str, mend: &str) -> Refusal {
        let line = self.document.line_with(place).unwrap_or(1);
        Box::new(self.document.error(Code::Unsupported, line, detail, mend))
    }
}

/// Joins the spellings of an item's values: any of all, or with `all` one of each.
fn combine(fields: Vec<String>, groups: Vec<Vec<Pattern>>, modifiers: &[Modifier]) -> Condition {
    let negated = modifiers.contains(&Modifier::Neq);
    let item = |quantifier, negated, patterns| {
        Condition::Item(Item {
            fields: fields.clone(),
            test: Test::Values {
                quantifier,
                negated,
                patterns,
            },
        })
    };
    if !modifiers.contains(&Modifier::All) {
        return item(Quantifier::Any, negated, groups.concat());
    }
    if groups.iter().all(|group| group.len() == 1) {
        return item(Quantifier::All, negated, groups.concat());
    }
    let each = groups
        .into_iter()
        .map(|group| item(Quantifier::Any, false, group))
        .collect();
    if negated {
        let there = Condition::Item(Item {
            fields: fields.clone(),
            test: Test::Exists(true),
        });
        Condition::All(vec![there, Condition::Not(Box::new(Condition::All(each)))])
    } else {
        Condition::All(each)
    }
}

/// `*` and `?` in the name of a selection.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| glob(rest, name.get(skip..).unwrap_or_default())),
        Some((b'?', rest)) => name.split_first().is_some_and(|(_, name)| glob(rest, name)),
        Some((byte, rest)) => name
            .split_first()
            .is_some_and(|(first, name)| first == byte && glob(rest, name)),
    }
}

/// Where in a text a pattern must be, by its modifiers.
pub(super) fn text_op(modifiers: &[Modifier]) -> TextOp {
    if modifiers.contains(&Modifier::Contains) {
        TextOp::Contains
    } else if modifiers.contains(&Modifier::StartsWith) {
        TextOp::StartsWith
    } else if modifiers.contains(&Modifier::EndsWith) {
        TextOp::EndsWith
    } else {
        TextOp::Equals
    }
}
