//! Where a rule's state is kept, decided from the rule (D7).
//!
//! The key of an event on the bus is its organisation and local endpoint, so all events of one machine are in one
//! partition. A rule whose group contains that endpoint finds all events of a group where it scans. Any other rule's
//! observations travel as signals to where their group is kept. A wrong guess here would split groups, so a rule is kept
//! where it scans only if its bases prove it.
//!
//! What its groups find is decided there too, but for rules that ask who else calls the same: others may call in other
//! partitions, so that is decided where signals come together ([`super::explain::Keeping::decided`]).

use detect_alert::RuleId;
use detect_rules::{AnomalyKind, Base, BaseOf, CheckedRules, Condition, Pattern, Test, TextOp, TextPart};
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

/// Why the state of a rule is kept where it is; of several reasons, that of the first base rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Every base rule says which side of its events is the local one, and the groups have it.
    HoldsLocalEndpoint {
        /// The fields that it is in, one or two.
        endpoints: Vec<&'static str>,
    },
    /// A base rule says which side of its events is the local one, and the groups do not have it.
    LacksLocalEndpoint {
        /// The base rule.
        base: RuleId,
        /// The fields that it is in, mostly one.
        endpoints: Vec<&'static str>,
    },
    /// A base rule does not say which side of its events is the local one.
    UnknownLocalEndpoint {
        /// The base rule.
        base: RuleId,
    },
    /// It takes what another rule found, wherever that was.
    TakesFindings {
        /// The other rule.
        base: RuleId,
    },
    /// It counts organisations.
    CountsOrganizations,
}

impl Reason {
    /// Where the state is kept for this reason.
    #[must_use]
    pub const fn place(&self) -> Place {
        match self {
            Self::HoldsLocalEndpoint { .. } => Place::Scan,
            Self::LacksLocalEndpoint { .. }
            | Self::UnknownLocalEndpoint { .. }
            | Self::TakesFindings { .. }
            | Self::CountsOrganizations => Place::Signals,
        }
    }

    /// As programs read it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::HoldsLocalEndpoint { .. } => "holds_local_endpoint",
            Self::LacksLocalEndpoint { .. } => "lacks_local_endpoint",
            Self::UnknownLocalEndpoint { .. } => "unknown_local_endpoint",
            Self::TakesFindings { .. } => "takes_findings",
            Self::CountsOrganizations => "counts_organizations",
        }
    }
}

/// Of correlations, then of anomaly rules.
pub(super) fn of(rules: &CheckedRules) -> Vec<Reason> {
    let correlations = rules.correlations.iter().map(|rule| by_bases(rules, &rule.bases));
    let anomalies = rules.anomalies.iter().map(|rule| match rule.kind {
        AnomalyKind::National { .. } => Reason::CountsOrganizations,
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

/// Of a rule without bases it does not matter: nothing comes to it.
fn by_bases(rules: &CheckedRules, bases: &[Base]) -> Reason {
    let mut held: Vec<&'static str> = Vec::new();
    for base in bases {
        match by_base(rules, base) {
            Ok(endpoint) if held.contains(&endpoint) => {}
            Ok(endpoint) => held.push(endpoint),
            Err(reason) => return reason,
        }
    }
    Reason::HoldsLocalEndpoint { endpoints: held }
}

/// The local endpoint of a base rule's events that each group has; or why there is none.
fn by_base(rules: &CheckedRules, base: &Base) -> Result<&'static str, Reason> {
    let rule = match base.of {
        BaseOf::Rule(rule) => rules.rules.get(rule),
        // What another rule found may have been found elsewhere.
        BaseOf::Correlation(_) | BaseOf::Anomaly(_) | BaseOf::Indicators => {
            return Err(Reason::TakesFindings {
                base: base.id.clone(),
            });
        }
    };
    let endpoints = rule.map_or_else(Vec::new, |rule| local_endpoints(&rule.condition));
    let is_held = |endpoint: &&'static str| {
        let mut members = base.group_by.iter();
        members.any(|names| names.iter().all(|name| name == endpoint))
    };
    match endpoints.iter().find(|endpoint| is_held(endpoint)) {
        Some(endpoint) => Ok(endpoint),
        None if endpoints.is_empty() => Err(Reason::UnknownLocalEndpoint {
            base: base.id.clone(),
        }),
        None => Err(Reason::LacksLocalEndpoint {
            base: base.id.clone(),
            endpoints,
        }),
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
