//! Who is told of what an organisation owns: its own responders, or who answers where none of them accepts it.
//!
//! The order, and why: the **operator** comes first, since the body itself has chosen it and it has its hands on the
//! machines. Then the bodies **above**, the nearest first: they may tell the body what to do, but run nothing there. Then the
//! **sector's CERT**, which knows how such systems are attacked, but not this one. The duty contact comes last and is always
//! there. Whoever is nearer and accepts the severity keeps all who are further from learning of the incident.

use std::collections::BTreeSet;

use super::{Question, RouteResult, RouteStep, RouteTable, StepKind, described};
use crate::registry::Standing;
use crate::{Organization, Responder, Sector};

/// Bodies above each other that are asked; real ones are two or three, and circles are refused when the registry is loaded.
const LEVELS_MAX: usize = 8;

/// The responders to be told, of the first of them that accepts; none if nobody does.
pub(super) fn responders(
    table: &RouteTable,
    owner: &Organization,
    question: &Question,
    steps: &mut Vec<RouteStep>,
) -> Vec<Responder> {
    let mut told = accepting(owner, question, steps);
    let mut asked = BTreeSet::from_iter(owner.number);
    if let Some(number) = owner.operator {
        let operator = table.registry().find(number, question.at);
        let detail = described(operator, number);
        ask(
            operator,
            StepKind::Operator,
            detail,
            question,
            &mut asked,
            &mut told,
            steps,
        );
    }
    let mut sector: Option<Sector> = owner.sector;
    let mut above = owner.parent;
    for _ in 0..LEVELS_MAX {
        let Some(number) = above else { break };
        let parent = match table.registry().standing(number, question.at) {
            Standing::Holds(parent) | Standing::Succeeded { by: parent, .. } => Some(parent),
            // Which of the parts it belongs to now is a person's to say.
            Standing::Split { .. } | Standing::Unknown => None,
        };
        let detail = described(parent, number);
        ask(
            parent,
            StepKind::Parent,
            detail,
            question,
            &mut asked,
            &mut told,
            steps,
        );
        sector = sector.or_else(|| parent.and_then(|parent| parent.sector));
        above = parent.and_then(|parent| parent.parent);
    }
    if let Some(sector) = sector {
        let cert = table.registry().of_sector(sector, question.at);
        let detail = match cert {
            Some(cert) => format!("{sector}: {}", cert.name("nb")),
            None => sector.to_string(),
        };
        ask(
            cert,
            StepKind::Sector,
            detail,
            question,
            &mut asked,
            &mut told,
            steps,
        );
    }
    told
}

/// Asks one of them, unless somebody nearer accepted or it was asked before.
fn ask(
    who: Option<&Organization>,
    kind: StepKind,
    detail: String,
    question: &Question,
    asked: &mut BTreeSet<ingest_event::OrganizationNumber>,
    told: &mut Vec<Responder>,
    steps: &mut Vec<RouteStep>,
) {
    let is_new = who
        .and_then(|who| who.number)
        .is_none_or(|number| asked.insert(number));
    let result = match who {
        None => RouteResult::NoMatch,
        Some(_) if !told.is_empty() || !is_new => RouteResult::Outranked,
        Some(_) => RouteResult::Matched,
    };
    steps.push(RouteStep { kind, result, detail });
    if let (Some(who), RouteResult::Matched) = (who, result) {
        *told = accepting(who, question, steps);
    }
}

/// The responders of an organisation that are there at the time and accept the severity.
fn accepting(who: &Organization, question: &Question, steps: &mut Vec<RouteStep>) -> Vec<Responder> {
    let mut told = Vec::new();
    let mut note = |result, detail| {
        let kind = StepKind::Responder;
        steps.push(RouteStep { kind, result, detail });
    };
    if who.responders.is_empty() {
        note(
            RouteResult::NotTold,
            format!("{}: nobody is registered", who.name("nb")),
        );
    }
    // Who answers for this zone does so before who answers for all, if one of them is there and accepts the severity.
    let is_there = |responder: &Responder| responder.validity.holds(question.at);
    let takes = |responder: &Responder| responder.minimum_severity <= question.severity;
    let is_of_zone = |responder: &Responder| responder.zones.contains(&question.zone);
    let has_own = who
        .responders
        .iter()
        .any(|responder| is_of_zone(responder) && is_there(responder) && takes(responder));
    for responder in &who.responders {
        let of_zone = is_of_zone(responder) || responder.zones.is_empty() && !has_own;
        let accepts = is_there(responder) && of_zone && takes(responder);
        let name = &responder.name;
        let detail = if !is_there(responder) {
            absence(responder, question)
        } else if of_zone {
            let sign = if accepts { "≥" } else { "<" };
            format!(
                "{name}: {} {sign} {}",
                question.severity, responder.minimum_severity
            )
        } else {
            format!("{name}: another zone than {}", question.zone)
        };
        let result = if accepts {
            RouteResult::Told
        } else {
            RouteResult::NotTold
        };
        note(result, detail);
        if accepts {
            told.push(responder.clone());
        }
    }
    told
}

/// Why a responder is not there at the time.
fn absence(responder: &Responder, question: &Question) -> String {
    let validity = responder.validity;
    let (since, moment) = if validity.begins_after(question.at) {
        ("there only from", validity.from)
    } else {
        ("no longer there since", validity.until)
    };
    let moment = moment.map(|moment| moment.to_string()).unwrap_or_default();
    format!("{}: {since} {moment}", responder.name)
}
