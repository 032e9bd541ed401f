//! Where the groups of a rule are kept and why, in words.
//!
//! The engine decides and says the reason ([`Reason`]); nothing is decided again here.

use detect_engine::{Journey, Keeping, Place, Reason, Travels};

use super::asks::{list, span};
use crate::text::{counted, number};

/// Where groups are kept, for a sensor's default of one partition for each organisation and for several.
pub(super) fn place(keeping: &Keeping) -> &'static str {
    match (&keeping.journey, keeping.place) {
        (None, _) => "where events are scanned",
        (Some(journey), Place::Scan) if journey.is_national => {
            "where events are scanned; whether too many call the same is decided where the signals of all \
             organisations meet (varde.signals)"
        }
        (Some(_), Place::Scan) => {
            "where events are scanned; whether too many call the same is decided, with one partition for each \
             organisation, the default: there too; with several: where signals meet (varde.signals)"
        }
        (Some(journey), Place::Signals) if journey.is_national => {
            "where the signals of all organisations meet (varde.signals)"
        }
        (Some(_), Place::Signals) => {
            "with one partition for each organisation, the default: where events are scanned; with several: where \
             signals meet (varde.signals)"
        }
    }
}

/// Why there; rules are called as `called` says, by id, and groups have these members.
pub(super) fn reason(reason: &Reason, group_by: &[String], called: &dyn Fn(&str) -> String) -> String {
    let or = |endpoints: &[&'static str]| {
        let endpoints: Vec<String> = endpoints.iter().map(|name| (*name).to_owned()).collect();
        list(&endpoints, "or")
    };
    match reason {
        Reason::HoldsLocalEndpoint { endpoints } => format!(
            "events are divided among partitions by the local machine; that is {} in what it takes, which every \
             group has: all events of a group are in one partition",
            or(endpoints)
        ),
        Reason::LacksLocalEndpoint { base, endpoints } if group_by.is_empty() => format!(
            "events are divided among partitions by the local machine, {} in matches of {}, and it has no group-by: \
             its one group has events of all partitions",
            or(endpoints),
            called(&base.0)
        ),
        Reason::LacksLocalEndpoint { base, endpoints } => format!(
            "events are divided among partitions by the local machine, {} in matches of {}, which its groups do not \
             have: events of a group are in many partitions",
            or(endpoints),
            called(&base.0)
        ),
        Reason::UnknownLocalEndpoint { base } => format!(
            "events are divided among partitions by the local machine, and {} does not ask for a network.direction \
             that says which side that is: events of a group may be in many partitions",
            called(&base.0)
        ),
        Reason::TakesFindings { base } => format!(
            "it takes what {} finds, which may be found in another partition",
            called(&base.0)
        ),
        Reason::CountsOrganizations => {
            "it counts organisations, each of which has partitions of its own".to_owned()
        }
    }
}

/// What travels, and by what it meets; `family` are the rules that are kept together with it.
pub(super) fn journey(journey: &Journey, family: &[String]) -> String {
    let what = match journey.travels {
        Travels::Each => "each match as a signal".to_owned(),
        Travels::Parts { length_ns } => format!("one signal for each group and {}", unit(length_ns)),
        Travels::Found { again_ns } => format!(
            "a signal when a group begins, each {} while it goes on, and for what it finds",
            span(again_ns)
        ),
    };
    let whose = match journey.is_national {
        true => "of all organisations",
        false => "of an organisation",
    };
    let meets = match journey.meets_by.as_slice() {
        [] => format!("all {whose} meet in one place"),
        names => format!("those {whose} meet by {}", list(names, "and")),
    };
    let family = match family {
        [] => String::new(),
        names => format!(
            ", together with those of {}: rules that are chained by taking alerts are kept together",
            list(names, "and")
        ),
    };
    format!("{what}; {meets}{family}")
}

fn unit(nanos: i64) -> String {
    let told = span(nanos);
    told.strip_prefix("1 ").unwrap_or(&told).to_owned()
}

/// How much is held, how long, and what happens beyond.
pub(super) fn limits(keeping: &Keeping) -> String {
    let limits = keeping.limits;
    let mut told = counted(limits.groups_max as u64, "group", "groups");
    told.push_str(&format!(
        " in a partition; beyond, one that the organisation with the most brought goes, the quietest of {} drawn, and \
         is counted",
        number(limits.drawn)
    ));
    match limits.retention_ns {
        Some(retention) => told.push_str(&format!(
            "; a group is forgotten after {} without a match",
            span(retention)
        )),
        None => told.push_str("; no group is forgotten for its age"),
    }
    if 1 < limits.knocks {
        told.push_str(&format!(
            "; a group begins with its match number {}, those before are not counted",
            limits.knocks
        ));
        if let Some(patience) = limits.patience_ns {
            told.push_str(&format!(
                " and each comes at most {} after the one before",
                span(patience)
            ));
        }
    }
    if keeping.is_per_device {
        told.push_str("; events of schools and health services are withheld from it");
    }
    told
}
