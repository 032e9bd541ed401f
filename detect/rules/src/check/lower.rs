//! A parsed Sigma rule to a [`Rule`]: selections resolved, fields mapped, modifiers applied.

use detect_alert::ProducerKind;
use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Modifier, Quantifier as Of, SelectorPattern, SigmaRule,
    SigmaValue,
};

use super::{
    document::Document,
    meta::{self, Meta, Refusal},
    value,
};
use crate::{
    Code, Condition, Diagnostic, Item, Pattern, Quantifier, Rule, RuleLogSource, Test, TextOp, field_names,
};

/// Lowers a rule; warnings go to `diagnostics`.
pub(super) fn rule(
    document: &Document<'_>,
    sigma: &SigmaRule,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Rule, Refusal> {
    let about = meta::read(
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
    )?;
    if !document.has_key("logsource") {
        return Err(Box::new(meta::missing(document, "logsource")));
    }
    if sigma.detection.timeframe.is_some() {
        diagnostics.push(timeframe(document));
    }
    let part = |text: &Option<String>| text.as_deref().map(str::to_lowercase);
    let log_source = RuleLogSource {
        category: part(&sigma.logsource.category),
        product: part(&sigma.logsource.product),
        service: part(&sigma.logsource.service),
    };
    let lowering = Lowering {
        document,
        sigma,
        log_source: &log_source,
    };
    let mut conditions = sigma
        .detection
        .conditions
        .iter()
        .map(|condition| lowering.condition(condition))
        .collect::<Result<Vec<_>, _>>()?;
    let condition = match (conditions.len(), conditions.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            conditions.push(last);
            Condition::AtLeast(1, conditions)
        }
        (_, None) => return Err(Box::new(meta::missing(document, "condition"))),
    };
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
        digest: *blake3::hash(document.text.as_bytes()).as_bytes(),
    })
}

fn timeframe(document: &Document<'_>) -> Diagnostic {
    let line = document.line_with("timeframe:").unwrap_or(1);
    let detail = "`timeframe` in a rule does nothing";
    let mend = "write a correlation with `timespan`";
    let mut diagnostic = document.error(Code::Ignored, line, detail, mend);
    diagnostic.level = crate::Level::Warning;
    diagnostic
}

struct Lowering<'a> {
    document: &'a Document<'a>,
    sigma: &'a SigmaRule,
    log_source: &'a RuleLogSource,
}

impl Lowering<'_> {
    fn condition(&self, expression: &ConditionExpr) -> Result<Condition, Refusal> {
        let each = |parts: &[ConditionExpr]| -> Result<Vec<Condition>, Refusal> {
            parts.iter().map(|part| self.condition(part)).collect()
        };
        match expression {
            ConditionExpr::And(parts) => Ok(Condition::All(each(parts)?)),
            ConditionExpr::Or(parts) => Ok(Condition::AtLeast(1, each(parts)?)),
            ConditionExpr::Not(part) => Ok(Condition::Not(Box::new(self.condition(part)?))),
            ConditionExpr::Identifier(name) => match self.sigma.detection.named.get(name) {
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
                    .filter_map(|name| self.sigma.detection.named.get(name))
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
            .sigma
            .detection
            .named
            .keys()
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
        let mut known: Vec<&str> = self.sigma.detection.named.keys().map(String::as_str).collect();
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
        for value in values {
            // A keyword is text, whatever YAML takes it for.
            let text = SigmaValue::String(rsigma_parser::value::SigmaString::new(&value.to_string()));
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
        if modifiers.contains(&Modifier::Expand) {
            let detail = "`expand` needs a list for its placeholder, and there is none";
            let mend = "write the values out in the rule";
            return Err(self.unsupported("|expand", detail, mend));
        }
        // Each value is a group: for `all`, one of its spellings is enough.
        let groups = item
            .values
            .iter()
            .map(|value| value::patterns(self.document, name, value, modifiers, &candidates))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(combine(fields, groups, modifiers))
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
