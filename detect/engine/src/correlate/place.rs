//! Where a rule's state is kept, decided from the rule (D7).
//!
//! The key of an event on the bus is its organisation and local endpoint, so all events of one machine are in one
//! partition. A rule whose group contains that endpoint finds all events of a group where it scans. Any other rule's
//! observations travel as signals to where their group is kept. A wrong guess here would split groups, so a rule is kept
//! where it scans only if its bases prove it.

use detect_rules::{AnomalyKind, BaseOf, CheckedRules, Condition, Pattern, Test, TextOp, TextPart};
use ingest_event::field;
use serde::{Deserialize, Serialize};

/// Where the state of a rule is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// With the partition that is scanned: each group's events are all in one.
    Scan,
    /// Where signals come together; the observations travel.
    Signals,
}

/// Of correlations, then of anomaly rules.
pub(super) fn of(rules: &CheckedRules) -> Vec<Place> {
    let correlations = rules.correlations.iter().map(|rule| by_bases(rules, &rule.bases));
    let anomalies = rules.anomalies.iter().map(|rule| match rule.kind {
        AnomalyKind::National { .. } => Place::Signals,
        AnomalyKind::NewValue
        | AnomalyKind::Rare { .. }
        | AnomalyKind::ThresholdBaseline { .. }
        | AnomalyKind::Beacon { .. }
        | AnomalyKind::Distinct { .. }
        | AnomalyKind::Volume { .. }
        | AnomalyKind::DnsTunnel { .. }
        | AnomalyKind::Dga { .. }
        | AnomalyKind::Silence { .. }
        | AnomalyKind::Flow { .. } => by_bases(rules, &rule.bases),
    });
    correlations.chain(anomalies).collect()
}

fn by_bases(rules: &CheckedRules, bases: &[detect_rules::Base]) -> Place {
    let is_local = |base: &detect_rules::Base| match base.of {
        BaseOf::Rule(rule) => rules.rules.get(rule).is_some_and(|rule| {
            local_endpoints(&rule.condition).iter().any(|endpoint| {
                base.group_by
                    .iter()
                    .any(|names| names.iter().all(|name| name == endpoint))
            })
        }),
        // What another rule found may have been found elsewhere.
        BaseOf::Correlation(_) | BaseOf::Anomaly(_) | BaseOf::Indicators => false,
    };
    if !bases.is_empty() && bases.iter().all(is_local) {
        Place::Scan
    } else {
        Place::Signals
    }
}

/// The field that is the local endpoint of every event which such a condition holds for.
fn local_endpoints(condition: &Condition) -> Vec<&'static str> {
    let mut found = Vec::new();
    demands(condition, &mut |name, values| {
        let endpoint = |value: &&str| match (name, *value) {
            (field::NETWORK_DIRECTION, "outbound" | "internal") => Some(field::SOURCE_IP),
            (field::NETWORK_DIRECTION, "inbound") => Some(field::DESTINATION_IP),
            _ => None,
        };
        let endpoints: Option<Vec<&'static str>> = values.iter().map(endpoint).collect();
        if let Some([first, rest @ ..]) = endpoints.as_deref()
            && rest.iter().all(|endpoint| endpoint == first)
        {
            found.push(*first);
        }
    });
    found
}

/// Which fields must be equal to one of which texts for the condition to hold.
fn demands(condition: &Condition, told: &mut dyn FnMut(&str, &[&str])) {
    match condition {
        Condition::All(parts) => parts.iter().for_each(|part| demands(part, told)),
        Condition::AtLeast(count, parts) if *count == parts.len() => {
            parts.iter().for_each(|part| demands(part, told));
        }
        Condition::Item(item) => {
            let Test::Values {
                negated: false,
                patterns,
                ..
            } = &item.test
            else {
                return;
            };
            let values: Option<Vec<&str>> = patterns.iter().map(equal).collect();
            if let ([name], Some(values)) = (item.fields.as_slice(), values) {
                told(name, &values);
            }
        }
        Condition::AtLeast(..) | Condition::Not(_) | Condition::Keywords(..) => {}
    }
}

fn equal(pattern: &Pattern) -> Option<&str> {
    match pattern {
        Pattern::Text {
            op: TextOp::Equals,
            parts,
            ..
        } => match parts.as_slice() {
            [TextPart::Literal(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}
