//! A parsed Sigma correlation to a [`Correlation`]: its bases found, its fields mapped.

use detect_alert::ProducerKind;
use rsigma_parser::{ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, WindowMode};

use super::{
    Named,
    document::Document,
    meta::{self, Meta, Refusal},
};
use crate::{
    Base, BaseOf, Code, Correlation, CorrelationKind, Diagnostic, Level, Operator, Pipeline, WindowKind,
    field_names, pipeline,
};

/// A window may be this long: state is in memory, and longer ones are for baselines.
const TIMESPAN_SECONDS_MAX: u64 = 7 * 86_400;

/// Lowers a correlation, looking its bases up among the rules that load.
pub(super) fn lower(
    document: &Document<'_>,
    sigma: &CorrelationRule,
    rules: &[Named],
    pipelines: &[&Pipeline],
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Correlation, Refusal> {
    let about = meta::read(
        document,
        Meta {
            kind: ProducerKind::Correlation,
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
    let kind = match sigma.correlation_type {
        CorrelationType::EventCount => CorrelationKind::EventCount,
        CorrelationType::ValueCount => CorrelationKind::ValueCount,
        other => {
            let detail = format!("correlations of type `{}` are not done yet", other.as_str());
            return Err(refuse(
                document,
                Code::Unsupported,
                "type:",
                &detail,
                "use `event_count` or `value_count`",
            ));
        }
    };
    if sigma.window != WindowMode::Sliding {
        let detail = format!("windows of kind `{}` are not done yet", sigma.window.as_str());
        return Err(refuse(
            document,
            Code::Unsupported,
            "window",
            &detail,
            "leave `window` out: it slides",
        ));
    }
    let CorrelationCondition::Threshold {
        predicates, field, ..
    } = &sigma.condition
    else {
        let mend = "write a threshold such as `gte: 10`";
        return Err(refuse(
            document,
            Code::BadCorrelation,
            "condition:",
            "the condition is no threshold",
            mend,
        ));
    };
    let counted = field.clone().unwrap_or_default();
    if kind == CorrelationKind::ValueCount && counted.is_empty() {
        let mend = "add `field:` to the condition";
        return Err(refuse(
            document,
            Code::BadCorrelation,
            "condition:",
            "`value_count` does not say of which field",
            mend,
        ));
    }
    if sigma.timespan.seconds == 0 || TIMESPAN_SECONDS_MAX < sigma.timespan.seconds {
        let detail = format!("a time span of {} is out of bounds", sigma.timespan.original);
        return Err(refuse(
            document,
            Code::BadCorrelation,
            "timespan:",
            &detail,
            "use from 1s to 7d",
        ));
    }
    let bases = sigma
        .rules
        .iter()
        .map(|name| base(document, sigma, name, &counted, rules, pipelines))
        .collect::<Result<Vec<_>, _>>()?;
    if bases.is_empty() {
        return Err(refuse(
            document,
            Code::BadCorrelation,
            "correlation:",
            "it names no rule",
            "add `rules:`",
        ));
    }
    let group_by = shown(sigma, &bases);
    let entity = match about.entity {
        Some(name) => {
            let found = entity(&name, sigma, &group_by, &bases);
            if found.is_none() {
                diagnostics.push(no_entity(document, &name, &sigma.group_by));
            }
            found
        }
        None => None,
    };
    let entity = entity.or((group_by.len() == 1).then_some(0));
    Ok(Correlation {
        producer: about.producer,
        severity: about.severity,
        confidence: about.confidence,
        tlp: about.tlp,
        pap: about.pap,
        kind,
        bases,
        group_by,
        entity,
        timespan_ns: i64::try_from(sigma.timespan.seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000_000),
        window: WindowKind::Sliding,
        expression: None,
        raises: true,
        conditions: predicates
            .iter()
            .map(|(operator, limit)| (self::operator(*operator), *limit))
            .collect(),
        digest: *blake3::hash(document.text.as_bytes()).as_bytes(),
    })
}

/// The names of a group: an alias as the author wrote it, a field by its ECS name.
fn shown(sigma: &CorrelationRule, bases: &[Base]) -> Vec<String> {
    sigma
        .group_by
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let is_alias = sigma.aliases.iter().any(|alias| alias.alias == *name);
            let first = bases.first().and_then(|base| base.group_by.get(index)?.first());
            first
                .filter(|_| !is_alias || bases.len() == 1)
                .unwrap_or(name)
                .clone()
        })
        .collect()
}

/// Which member of `group-by` the author means: by its alias, its ECS name, or a name in one of the bases.
fn entity(name: &str, sigma: &CorrelationRule, group_by: &[String], bases: &[Base]) -> Option<usize> {
    let is_base_name = |index: usize| {
        bases
            .iter()
            .filter_map(|base| base.group_by.get(index))
            .any(|names| names.iter().any(|known| known == name))
    };
    sigma
        .group_by
        .iter()
        .position(|known| known == name)
        .or_else(|| group_by.iter().position(|known| known == name))
        .or_else(|| (0..group_by.len()).find(|index| is_base_name(*index)))
}

fn no_entity(document: &Document<'_>, name: &str, group_by: &[String]) -> Diagnostic {
    let line = document
        .line_with("entity:")
        .or_else(|| document.line_with("varde:"))
        .unwrap_or(1);
    let detail = format!("the entity `{name}` is not in `group-by`, so alerts are about the whole group");
    let mend = if group_by.is_empty() {
        format!("add `group-by: [{name}]` to `correlation:`")
    } else {
        format!("add it to `group-by`, or name one of: {}", group_by.join(", "))
    };
    let mut diagnostic = document.error(Code::Ignored, line, &detail, &mend);
    diagnostic.level = Level::Warning;
    diagnostic
}

fn base(
    document: &Document<'_>,
    sigma: &CorrelationRule,
    name: &str,
    counted: &[String],
    rules: &[Named],
    pipelines: &[&Pipeline],
) -> Result<Base, Refusal> {
    let found = rules
        .iter()
        .enumerate()
        .find(|(_, named)| named.names.iter().any(|known| known == name));
    let Some((index, named)) = found else {
        let detail = format!("no loaded rule has the id or name `{name}`");
        let mend = "correct the name, or mend the rule it means if that was refused; correlations of correlations are not done yet";
        return Err(refuse(document, Code::UnknownRule, name, &detail, mend));
    };
    let own_name = |field: &String| {
        let alias = sigma.aliases.iter().find(|alias| alias.alias == *field);
        let own = alias
            .and_then(|alias| named.names.iter().find_map(|known| alias.mapping.get(known)))
            .unwrap_or(field);
        own.clone()
    };
    let own: Vec<String> = sigma.group_by.iter().chain(counted).map(own_name).collect();
    let mapped = match &named.original {
        Some(original) => pipeline::map_names(pipelines, original, &own).map_err(|refused| {
            let detail = format!("pipeline `{}`: {}", refused.pipeline, refused.reason);
            let mend = "leave the correlation out where this pipeline is used, or change the pipeline";
            refuse(document, Code::RefusedByPipeline, "correlation:", &detail, mend)
        })?,
        None => own.into_iter().map(|name| vec![name]).collect(),
    };
    let mut names = mapped.into_iter().map(|names| {
        let mut found: Vec<String> = Vec::new();
        for name in names {
            for candidate in field_names::candidates(&named.rule.log_source, &name) {
                if !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
        found
    });
    let group_by = names.by_ref().take(sigma.group_by.len()).collect();
    Ok(Base {
        of: BaseOf::Rule(index),
        id: named.rule.producer.id.clone(),
        group_by,
        values: names.collect(),
    })
}

fn refuse(document: &Document<'_>, code: Code, place: &str, detail: &str, mend: &str) -> Refusal {
    let line = document.line_with(place).unwrap_or(1);
    Box::new(document.error(code, line, detail, mend))
}

const fn operator(operator: ConditionOperator) -> Operator {
    match operator {
        ConditionOperator::Lt => Operator::Less,
        ConditionOperator::Lte => Operator::LessOrEqual,
        ConditionOperator::Gt => Operator::Greater,
        ConditionOperator::Gte => Operator::GreaterOrEqual,
        ConditionOperator::Eq => Operator::Equal,
        ConditionOperator::Neq => Operator::NotEqual,
    }
}
