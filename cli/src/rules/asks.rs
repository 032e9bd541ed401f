//! What a rule asks, in words: of single events, of many, of what is usual.

use detect_rules::{
    Anomaly, AnomalyKind, Baseline, Correlation, CorrelationKind, Expression, Operator, RuleLogSource,
    WindowKind,
};

use crate::text::{counted, number};

const SECOND_NS: i64 = 1_000_000_000;

/// A time span in its largest whole unit.
pub(super) fn span(nanos: i64) -> String {
    let seconds = nanos / SECOND_NS;
    for (length, one, many) in [
        (86_400, "day", "days"),
        (3_600, "hour", "hours"),
        (60, "minute", "minutes"),
    ] {
        if length <= seconds && seconds % length == 0 {
            let count = seconds / length;
            return format!("{count} {}", if count == 1 { one } else { many });
        }
    }
    format!("{seconds} s")
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[String], and: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    }
}

/// A rule's log source.
pub(super) fn log_source(source: &RuleLogSource) -> String {
    let parts = [
        ("category", &source.category),
        ("product", &source.product),
        ("service", &source.service),
    ];
    let parts = parts
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
    let parts: Vec<String> = parts.collect();
    match parts.is_empty() {
        true => "every event".to_owned(),
        false => format!("events of {}", parts.join(", ")),
    }
}

/// A correlation's type as its author writes it.
pub(super) const fn correlation_type(kind: CorrelationKind) -> &'static str {
    match kind {
        CorrelationKind::EventCount => "event_count",
        CorrelationKind::ValueCount => "value_count",
        CorrelationKind::ValueSum => "value_sum",
        CorrelationKind::ValueAvg => "value_avg",
        CorrelationKind::ValuePercentile(_) => "value_percentile",
        CorrelationKind::ValueMedian => "value_median",
        CorrelationKind::Temporal => "temporal",
        CorrelationKind::TemporalOrdered => "temporal_ordered",
    }
}

/// When a correlation fires; its bases have these names, and these fields are counted.
pub(super) fn correlation(rule: &Correlation, bases: &[String], fields: &[String]) -> String {
    let threshold = threshold(&rule.conditions);
    let field = list(fields, "and");
    let what = match rule.kind {
        CorrelationKind::EventCount => format!("{threshold} matches"),
        CorrelationKind::ValueCount => format!("{threshold} different values of {field}"),
        CorrelationKind::ValueSum => format!("{field} adds up to {threshold}"),
        CorrelationKind::ValueAvg => format!("the mean of {field} is {threshold}"),
        CorrelationKind::ValuePercentile(rank) => {
            format!("the value of {field} at rank {rank} of 100 is {threshold}")
        }
        CorrelationKind::ValueMedian => format!("the middle value of {field} is {threshold}"),
        CorrelationKind::Temporal => temporal(rule, bases, &threshold),
        CorrelationKind::TemporalOrdered => format!("{}, in this order", temporal(rule, bases, &threshold)),
    };
    let timespan = span(rule.timespan_ns);
    match rule.window {
        WindowKind::Sliding => format!("{what}, within {timespan}"),
        WindowKind::Tumbling => format!("{what}, within {timespan} that follow on each other"),
        WindowKind::Session { gap_ns } => format!(
            "{what}, until nothing comes for {}, and within {timespan}",
            span(gap_ns)
        ),
    }
}

fn temporal(rule: &Correlation, bases: &[String], threshold: &str) -> String {
    match (&rule.expression, rule.conditions.is_empty()) {
        (Some(asked), _) => format!("matches of {}", expression(asked, bases, true)),
        (None, true) => format!("matches of {}", list(bases, "and")),
        (None, false) => format!("matches of {threshold} of {}", list(bases, "and")),
    }
}

fn expression(asked: &Expression, bases: &[String], is_outermost: bool) -> String {
    let joined = |parts: &[Expression], word: &str| {
        let parts: Vec<String> = parts.iter().map(|part| expression(part, bases, false)).collect();
        let joined = parts.join(word);
        match is_outermost || parts.len() < 2 {
            true => joined,
            false => format!("({joined})"),
        }
    };
    match asked {
        Expression::Base(base) => bases.get(*base).cloned().unwrap_or_default(),
        Expression::All(parts) => joined(parts, " and "),
        Expression::Any(parts) => joined(parts, " or "),
        Expression::Not(part) => format!("not {}", expression(part, bases, false)),
    }
}

fn threshold(conditions: &[(Operator, u64)]) -> String {
    let mut conditions = conditions.to_vec();
    // Lower bounds first: "10 or more and less than 20".
    conditions.sort_by_key(|(operator, _)| match operator {
        Operator::Equal | Operator::Greater | Operator::GreaterOrEqual => 0,
        Operator::Less | Operator::LessOrEqual | Operator::NotEqual => 1,
    });
    let words = conditions.iter().map(|(operator, limit)| {
        let limit = number(*limit);
        match operator {
            Operator::Equal => format!("exactly {limit}"),
            Operator::Greater => format!("more than {limit}"),
            Operator::GreaterOrEqual => format!("{limit} or more"),
            Operator::Less => format!("less than {limit}"),
            Operator::LessOrEqual => format!("at most {limit}"),
            Operator::NotEqual => format!("any number but {limit}"),
        }
    });
    words.collect::<Vec<_>>().join(" and ")
}

/// When an anomaly rule fires.
pub(super) fn anomaly(rule: &Anomaly) -> String {
    let timespan = span(rule.timespan_ns);
    let field = rule.fields.first().map_or("", String::as_str);
    let asked = match &rule.kind {
        AnomalyKind::NewValue => format!("a value of {field} that the group has not had for {timespan}"),
        AnomalyKind::Rare { share, minimum } => format!(
            "a value of {field} that at most {} % of the group's events have, of {} events or more; what is older \
             than {timespan} counts half",
            share * 100.0,
            number(*minimum)
        ),
        AnomalyKind::ThresholdBaseline {
            baseline,
            interval_ns,
            deviations,
            minimum,
        } => {
            let what = match rule.fields.is_empty() {
                true => "matches".to_owned(),
                false => format!("of {field}"),
            };
            let usual = match baseline {
                Baseline::Ewma => format!("usual, by a mean with a memory of {timespan}"),
                Baseline::HourOfWeek => "usual in that hour of the week (UTC)".to_owned(),
            };
            format!(
                "{minimum} {what} or more in {}, and {deviations} or more deviations above what is {usual}",
                span(*interval_ns)
            )
        }
        AnomalyKind::Beacon { score, minimum } => format!(
            "{} or more contacts at even intervals{}, none more than {timespan} after the one before: a score of \
             {score} or more, of 1",
            number(*minimum),
            match rule.fields.is_empty() {
                true => String::new(),
                false => format!(" with like {field}"),
            }
        ),
        AnomalyKind::Distinct { at_least } => format!(
            "about {} or more different values of {field}, within {timespan}",
            number(*at_least)
        ),
        AnomalyKind::Volume { at_least, ratio } => format!(
            "{field} adds up to {} or more{}, within {timespan}",
            number(*at_least),
            match rule.fields.get(1) {
                None => String::new(),
                Some(other) => format!(", and to {ratio} times {other} or more"),
            }
        ),
        AnomalyKind::DnsTunnel {
            names,
            bytes,
            entropy,
        } => format!(
            "{} or more different names of {field} under one registered domain, with {} or more bytes in front of \
             it and {entropy} or more bits a character, within {timespan}",
            number(*names),
            number(*bytes)
        ),
        AnomalyKind::Dga { score, names } => format!(
            "{} or more different registered domains in {field} that the model gives {score} or more, within \
             {timespan}",
            number(*names)
        ),
        AnomalyKind::Silence { factor } if 0.0 < *factor => format!(
            "nothing for {timespan}, or for {factor} times the longest usual pause where that is longer"
        ),
        AnomalyKind::Silence { .. } => format!("nothing for {timespan}"),
        AnomalyKind::National { organizations } => format!(
            "the same in {} or more organisations, within {timespan}",
            number(*organizations)
        ),
        AnomalyKind::Flow { score, minimum } => format!(
            "{} or more flows that the model gives {score} or more, within {timespan}",
            number(*minimum)
        ),
    };
    match (rule.callers, rule.learning_ns) {
        (None, 0) => asked,
        (None, learning) => format!(
            "{asked}; each group is only watched for its first {}",
            span(learning)
        ),
        (Some(most), learning) => {
            let members = rule.group_by.iter().zip(0..);
            let called = members.filter(|(_, at)| Some(*at) != rule.caller());
            let called: Vec<&str> = called.map(|(name, _)| name.as_str()).collect();
            let few = format!(
                "{asked}; at most {} of the organisation may call the same {} within {timespan}, which is decided \
                 where signals come together",
                counted(most, "machine", "machines"),
                called.join(" and ")
            );
            match learning {
                0 => few,
                learning => format!(
                    "{few}; what somebody called before, or a machine in its first {}, is only shown",
                    span(learning)
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_largest_whole_unit() {
        for (seconds, text) in [
            (1, "1 s"),
            (90, "90 s"),
            (60, "1 minute"),
            (7_200, "2 hours"),
            (129_600, "36 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span(seconds * SECOND_NS), text);
        }
    }

    #[test]
    fn expressions_keep_their_brackets() {
        let base = Expression::Base;
        let asked = Expression::All(vec![
            Expression::Any(vec![base(0), base(1)]),
            Expression::Not(Box::new(base(2))),
        ]);
        let names = ["scan", "sweep", "known"].map(str::to_owned);
        assert_eq!(expression(&asked, &names, true), "(scan or sweep) and not known");
    }
}
