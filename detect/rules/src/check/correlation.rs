//! A parsed Sigma correlation to a [`Correlation`]: what it counts, over what window, and when that is an alert.

use detect_alert::ProducerKind;
use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, WindowMode,
};

use super::{
    base::{self, Aliases, Asked, Target, refuse, warning},
    document::Document,
    expression,
    meta::{self, About, Meta, Refusal},
    written::Written,
};
use crate::{
    Base, Code, Correlation, CorrelationKind, Diagnostic, Expression, Operator, Pipeline, WindowKind,
};

/// A window may be this long: state is in memory, and longer ones are for baselines.
const TIMESPAN_SECONDS_MAX: u64 = 7 * 86_400;

/// Events or values are counted to so many at most: a group keeps each, with its time, in 24 bytes. More is for
/// `distinct` and `volume`, which estimate and sum.
const COUNT_MAX: u64 = 100_000;

/// Lowers a correlation with the bases it names.
pub(super) fn lower(
    document: &Document<'_>,
    written: &Written,
    targets: &[Target<'_>],
    pipelines: &[&Pipeline],
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Correlation, Refusal> {
    let sigma = &written.sigma;
    let about = about(document, sigma)?;
    let kind = kind(document, sigma)?;
    let (timespan_ns, window) = window(document, sigma)?;
    let mut targets = targets.to_vec();
    if kind != CorrelationKind::TemporalOrdered {
        base::once(document, &mut targets, diagnostics);
    }
    let (conditions, expression) = condition(document, written, kind, &targets, diagnostics)?;
    let aliases = sigma.aliases.iter().map(|alias| {
        let mapping = alias
            .mapping
            .iter()
            .map(|(rule, field)| (rule.clone(), field.clone()));
        (alias.alias.clone(), mapping.collect())
    });
    let aliases: Aliases = aliases.collect();
    let asked = Asked {
        group_by: &sigma.group_by,
        values: values(document, sigma, kind, diagnostics)?,
        aliases: &aliases,
    };
    diagnostics.extend(asked.doubtful(document, &targets));
    let bases: Vec<Base> = base::bases(document, asked, &targets, pipelines)?;
    let group_by = base::shown(asked, &bases);
    let group = base::group_names(&sigma.group_by, &group_by, &bases);
    let entity = base::entity(
        document,
        about.entity.as_deref(),
        &sigma.group_by,
        &group,
        diagnostics,
    );
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
        timespan_ns,
        window,
        conditions,
        expression,
        raises: true,
        digest: *blake3::hash(document.text.as_bytes()).as_bytes(),
    })
}

fn about(document: &Document<'_>, sigma: &CorrelationRule) -> Result<About, Refusal> {
    meta::read(
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
    )
}

fn kind(document: &Document<'_>, sigma: &CorrelationRule) -> Result<CorrelationKind, Refusal> {
    Ok(match sigma.correlation_type {
        CorrelationType::EventCount => CorrelationKind::EventCount,
        CorrelationType::ValueCount => CorrelationKind::ValueCount,
        CorrelationType::ValueSum => CorrelationKind::ValueSum,
        CorrelationType::ValueAvg => CorrelationKind::ValueAvg,
        CorrelationType::ValueMedian => CorrelationKind::ValueMedian,
        CorrelationType::ValuePercentile => CorrelationKind::ValuePercentile(rank(document, sigma)?),
        CorrelationType::Temporal => CorrelationKind::Temporal,
        CorrelationType::TemporalOrdered => CorrelationKind::TemporalOrdered,
    })
}

/// The rank of a percentile; the middle where the author says none.
fn rank(document: &Document<'_>, sigma: &CorrelationRule) -> Result<u8, Refusal> {
    let rank = match &sigma.condition {
        CorrelationCondition::Threshold { percentile, .. } => percentile.unwrap_or(50),
        CorrelationCondition::Extended(_) => 50,
    };
    u8::try_from(rank)
        .ok()
        .filter(|rank| *rank <= 100)
        .ok_or_else(|| {
            let detail = format!("there is no percentile {rank}");
            let mend = "write a whole number from 0 to 100";
            refuse(document, Code::BadCorrelation, "percentile:", &detail, mend)
        })
}

fn window(document: &Document<'_>, sigma: &CorrelationRule) -> Result<(i64, WindowKind), Refusal> {
    let seconds = sigma.timespan.seconds;
    if seconds == 0 || TIMESPAN_SECONDS_MAX < seconds {
        let detail = format!("a time span of {} is out of bounds", sigma.timespan.original);
        let place = if document.line_with("timespan:").is_some() {
            "timespan:"
        } else {
            "timeframe:"
        };
        return Err(refuse(
            document,
            Code::BadCorrelation,
            place,
            &detail,
            "use from 1s to 7d",
        ));
    }
    let window = match (sigma.window, &sigma.gap) {
        (WindowMode::Sliding, _) => WindowKind::Sliding,
        (WindowMode::Tumbling, _) => WindowKind::Tumbling,
        (WindowMode::Session, Some(gap)) if 0 < gap.seconds && gap.seconds <= seconds => {
            WindowKind::Session {
                gap_ns: nanoseconds(gap.seconds),
            }
        }
        (WindowMode::Session, gap) => {
            let gap = gap.as_ref().map_or("0s", |gap| &gap.original);
            let detail = format!("a gap of {gap} is out of bounds");
            let mend = "use from 1s to the time span";
            return Err(refuse(document, Code::BadCorrelation, "gap:", &detail, mend));
        }
    };
    Ok((nanoseconds(seconds), window))
}

fn nanoseconds(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000_000)
}

/// The counted or measured fields.
fn values<'s>(
    document: &Document<'_>,
    sigma: &'s CorrelationRule,
    kind: CorrelationKind,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<&'s [String], Refusal> {
    let fields: &[String] = match &sigma.condition {
        CorrelationCondition::Threshold {
            field: Some(fields), ..
        } => fields,
        CorrelationCondition::Threshold { field: None, .. } | CorrelationCondition::Extended(_) => &[],
    };
    let name = sigma.correlation_type.as_str();
    let (detail, mend) = match (kind, fields.len()) {
        (
            CorrelationKind::EventCount | CorrelationKind::Temporal | CorrelationKind::TemporalOrdered,
            count,
        ) => {
            if 0 < count {
                let detail = format!("`field` does nothing for `{name}`");
                diagnostics.push(warning(
                    document,
                    "field:",
                    &detail,
                    "leave it out, or use `value_count`",
                ));
            }
            return Ok(&[]);
        }
        (_, 0) => (
            format!("`{name}` does not say of which field"),
            "add `field:` to the condition",
        ),
        (CorrelationKind::ValueCount, _) | (_, 1) => return Ok(fields),
        (_, count) => (
            format!("`{name}` is of one field, and there are {count}"),
            "name one field; for another, write another correlation",
        ),
    };
    Err(refuse(
        document,
        Code::BadCorrelation,
        "condition:",
        &detail,
        mend,
    ))
}

/// Thresholds, or an expression over the bases.
type Asks = (Vec<(Operator, u64)>, Option<Expression>);

/// What must hold; nothing where a temporal correlation asks for all of its bases.
fn condition(
    document: &Document<'_>,
    written: &Written,
    kind: CorrelationKind,
    targets: &[Target<'_>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Asks, Refusal> {
    let is_temporal = matches!(kind, CorrelationKind::Temporal | CorrelationKind::TemporalOrdered);
    let bases = u64::try_from(targets.len()).unwrap_or(u64::MAX);
    match &written.sigma.condition {
        CorrelationCondition::Extended(condition) if is_temporal => {
            let expression = expression(document, written, condition, targets, diagnostics)?;
            Ok((Vec::new(), Some(expression)))
        }
        CorrelationCondition::Extended(_) => {
            let mend = "write a threshold such as `gte: 10`";
            let detail = "the condition is no threshold";
            Err(refuse(document, Code::BadCorrelation, "condition:", detail, mend))
        }
        CorrelationCondition::Threshold { .. } if is_temporal && !written.has_condition => {
            Ok((Vec::new(), None))
        }
        CorrelationCondition::Threshold { predicates, .. } => {
            let conditions: Vec<(Operator, u64)> = predicates
                .iter()
                .map(|(operator, limit)| (self::operator(*operator), *limit))
                .collect();
            is_possible(document, kind, bases, &conditions)?;
            is_countable(document, kind, &conditions)?;
            Ok((conditions, None))
        }
    }
}

fn expression(
    document: &Document<'_>,
    written: &Written,
    condition: &ConditionExpr,
    targets: &[Target<'_>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Expression, Refusal> {
    // Names as the author has them come first, so that they are the ones that are offered.
    let names: Vec<Vec<String>> = targets
        .iter()
        .map(|target| {
            let (mut first, rest): (Vec<String>, Vec<String>) = target
                .names()
                .iter()
                .cloned()
                .partition(|name| written.sigma.rules.contains(name));
            first.extend(rest);
            first
        })
        .collect();
    let lowered = expression::lower(condition, &names).map_err(|wrong| {
        refuse(
            document,
            Code::BadCorrelation,
            "condition:",
            &wrong.detail,
            &wrong.mend,
        )
    })?;
    let unused = expression::unused(&lowered, targets.len()).and_then(|base| names.get(base)?.first());
    if let Some(name) = unused.filter(|_| written.sigma.correlation_type == CorrelationType::Temporal) {
        let detail = format!("the condition does not ask for `{name}`, so it does nothing");
        let mend = "name it in the condition, or leave it out of `rules`";
        diagnostics.push(warning(document, "condition:", &detail, mend));
    }
    Ok(lowered)
}

/// Refuses thresholds that nothing can meet, and those that are met by nothing at all.
fn is_possible(
    document: &Document<'_>,
    kind: CorrelationKind,
    bases: u64,
    conditions: &[(Operator, u64)],
) -> Result<(), Refusal> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "limits are compared as f64 by the engine too"
    )]
    let holds = |count: f64| {
        conditions
            .iter()
            .all(|(operator, limit)| operator.holds(count, *limit as f64))
    };
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    let near = |steps: &'static [f64]| {
        let limits = conditions.iter().map(|(_, limit)| *limit as f64);
        limits.flat_map(move |limit| steps.iter().map(move |step| limit + step))
    };
    let mut counts = (1..=bases.min(64)).map(|count| f64::from(u8::try_from(count).unwrap_or(u8::MAX)));
    let (is_possible, mend) = match kind {
        CorrelationKind::EventCount | CorrelationKind::ValueCount => (
            near(&[-1.0, 0.0, 1.0]).any(|count| 1.0 <= count && holds(count)),
            "there is always one at least; correct the numbers",
        ),
        CorrelationKind::ValueSum
        | CorrelationKind::ValueAvg
        | CorrelationKind::ValuePercentile(_)
        | CorrelationKind::ValueMedian => (near(&[-0.5, 0.0, 0.5]).any(holds), "correct the numbers"),
        CorrelationKind::Temporal => (
            counts.any(holds),
            "the count is that of the rules that matched; leave the condition out to ask for all",
        ),
        CorrelationKind::TemporalOrdered => (
            counts.next_back().is_some_and(|all| holds(all) && !holds(0.0)),
            "leave the condition out: all rules have to match, in their order",
        ),
    };
    if is_possible {
        return Ok(());
    }
    let detail = "no count can meet the condition";
    Err(refuse(document, Code::BadCorrelation, "condition:", detail, mend))
}

/// Refuses counts that no group has room for.
fn is_countable(
    document: &Document<'_>,
    kind: CorrelationKind,
    conditions: &[(Operator, u64)],
) -> Result<(), Refusal> {
    let largest = conditions.iter().map(|(_, limit)| *limit).max();
    let is_of_count = matches!(kind, CorrelationKind::EventCount | CorrelationKind::ValueCount);
    match largest.filter(|largest| is_of_count && COUNT_MAX < *largest) {
        None => Ok(()),
        Some(largest) => {
            let detail =
                format!("a count of {largest} is out of bounds: each event or value is kept in memory");
            let mend = "use at most 100000, or an anomaly rule of type `distinct` or `volume`";
            Err(refuse(
                document,
                Code::BadCorrelation,
                "condition:",
                &detail,
                mend,
            ))
        }
    }
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
