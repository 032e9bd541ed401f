//! Who answers for an incident, with every step of the answer.
//!
//! The organisation that an alert names is the border: its sensor was enrolled for it (D3). Within that border the
//! most specific statement wins: an address in the longest registered prefix, a name in the longest registered domain, the
//! sensor, an autonomous system, then the number itself, or, where that has ended, who has its place now; after a split nobody is guessed, and the CERT is asked. An address
//! or a sensor may hand over to another organisation only if that one has named the alert's
//! organisation as its operator; else it is a stranger whose address happens to occur (the attacker's provider, or
//! the same private range), who must not learn of it. Nobody there who accepts the severity: the operator, the bodies above,
//! the sector's CERT, and in the end the duty contact (`route/climb.rs` says in which order, and why).

mod climb;
mod question;
mod table;

use std::net::IpAddr;

use detect_alert::Severity;
use ingest_event::{OrganizationNumber, Timestamp};

pub use question::Question;
pub use table::RouteTable;

use crate::registry::Standing;
use crate::{Organization, Responder, incident::codes};

codes! {
    /// What a step looked at.
    StepKind as "route step" {
        /// An address in a registered prefix.
        Address = "address",
        /// A name in a registered domain.
        Domain = "domain",
        /// The sensor.
        Sensor = "sensor",
        /// A registered autonomous system.
        System = "system",
        /// The organisation number.
        Organization = "organization",
        /// What became of the organisation.
        Succession = "succession",
        /// A responder of the organisation.
        Responder = "responder",
        /// The organisation's operator.
        Operator = "operator",
        /// A body above the organisation.
        Parent = "parent",
        /// Who answers for the organisation's sector.
        Sector = "sector",
        /// The CERT's duty contact.
        Duty = "duty",
    }
}

codes! {
    /// What a step came to.
    RouteResult as "route result" {
        /// It decides who owns the incident.
        Matched = "matched",
        /// Nothing registered fits.
        NoMatch = "no_match",
        /// It fits, but something more specific decided.
        Outranked = "outranked",
        /// It belongs to someone who has no part in this network.
        Stranger = "stranger",
        /// Several may have it: a person says which.
        Undecided = "undecided",
        /// They are told.
        Told = "told",
        /// They are not told.
        NotTold = "not_told",
    }
}

/// One step of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteStep {
    /// What was looked at.
    pub kind: StepKind,
    /// What it came to.
    pub result: RouteResult,
    /// The values that decided.
    pub detail: String,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who owns it, if anyone registered does.
    pub owner: Option<OrganizationNumber>,
    /// Who is told: never empty.
    pub responders: Vec<Responder>,
    /// How it came to that.
    pub steps: Vec<RouteStep>,
}

/// Who answers, and why.
#[must_use]
pub fn route(table: &RouteTable, question: &Question) -> Route {
    let mut steps = Vec::new();
    let owner = owner(table, question, &mut steps);
    let mut responders = owner
        .map(|owner| climb::responders(table, owner, question, &mut steps))
        .unwrap_or_default();
    let duty = table.registry().duty();
    // What is only shown, and that nobody asked to be told of, wakes nobody.
    let falls_to_duty = responders.is_empty() && Severity::Informational < question.severity;
    let result = if falls_to_duty {
        RouteResult::Told
    } else {
        RouteResult::NotTold
    };
    steps.push(RouteStep {
        kind: StepKind::Duty,
        result,
        detail: duty.name.clone(),
    });
    if falls_to_duty {
        responders.push(duty.clone());
    }
    Route {
        owner: owner.and_then(|owner| owner.number),
        responders,
        steps,
    }
}

/// The most specific registered owner within the border of the alert's organisation, or of who has its place.
fn owner<'t>(
    table: &'t RouteTable,
    question: &Question,
    steps: &mut Vec<RouteStep>,
) -> Option<&'t Organization> {
    let mut found: Option<&Organization> = None;
    let standing = table.registry().standing(question.organization, question.at);
    let border = Border::of(&standing, question);
    let mut candidates = Vec::new();
    for address in &question.addresses {
        let around = table.around(*address);
        candidates.extend(
            around
                .into_iter()
                .map(|(length, network, who)| (length, *address, network, who)),
        );
    }
    // Prefix lengths of the two families are compared as host bits left: 10.0.0.0/24 and 2001:db8::/120 are alike.
    candidates.sort_by_key(|(length, address, _, _)| host_bits(*length, *address));
    for (_, address, network, who) in candidates {
        let detail = format!("{address} in {network}: {}", who.name("nb"));
        weigh(&mut found, who, &border, StepKind::Address, detail, steps);
    }
    let mut named: Vec<_> = question
        .domains
        .iter()
        .flat_map(|name| {
            table
                .above(name)
                .into_iter()
                .map(move |(domain, who)| (domain, name, who))
        })
        .collect();
    named.sort_by_key(|(domain, ..)| std::cmp::Reverse(domain.split('.').count()));
    for (domain, name, who) in named {
        let detail = format!("{name} in {domain}: {}", who.name("nb"));
        weigh(&mut found, who, &border, StepKind::Domain, detail, steps);
    }
    match table.of_sensor(&question.sensor) {
        Some(who) => {
            let detail = format!("{}: {}", question.sensor, who.name("nb"));
            weigh(&mut found, who, &border, StepKind::Sensor, detail, steps);
        }
        None => steps.push(RouteStep {
            kind: StepKind::Sensor,
            result: RouteResult::NoMatch,
            detail: question.sensor.to_string(),
        }),
    }
    for system in &question.systems {
        for who in table.of_system(*system) {
            let detail = format!("AS{system}: {}", who.name("nb"));
            weigh(&mut found, who, &border, StepKind::System, detail, steps);
        }
    }
    let number = question.organization;
    let mut tell = |result, kind, detail| steps.push(RouteStep { kind, result, detail });
    match &standing {
        Standing::Holds(who) => {
            let detail = described(Some(who), number);
            weigh(&mut found, who, &border, StepKind::Organization, detail, steps);
        }
        Standing::Succeeded { former, by } => {
            tell(
                RouteResult::NoMatch,
                StepKind::Organization,
                format!("{} has ended", described(Some(former), number)),
            );
            let detail = format!("{} → {}", former.name("nb"), by.name("nb"));
            weigh(&mut found, by, &border, StepKind::Succession, detail, steps);
        }
        Standing::Split { of, on, into, .. } => {
            tell(
                RouteResult::NoMatch,
                StepKind::Organization,
                described(None, number),
            );
            let result = if found.is_some() {
                RouteResult::Outranked
            } else {
                RouteResult::Undecided
            };
            let day: String = on.to_string().chars().take(10).collect();
            let names: Vec<&str> = into.iter().map(|body| body.name.as_str()).collect();
            let detail = format!("{day}: {} → {}?", of.name, names.join(" / "));
            tell(result, StepKind::Succession, detail);
        }
        Standing::Unknown => tell(
            RouteResult::NoMatch,
            StepKind::Organization,
            described(None, number),
        ),
    }
    found
}

/// Whose network it is: the alert's organisation and who has its place, or who may have it.
struct Border {
    numbers: Vec<OrganizationNumber>,
    at: Timestamp,
}

impl Border {
    fn of(standing: &Standing<'_>, question: &Question) -> Self {
        let others: Vec<&Organization> = match standing {
            Standing::Succeeded { by, .. } => vec![by],
            Standing::Split { candidates, .. } => candidates.clone(),
            Standing::Holds(_) | Standing::Unknown => Vec::new(),
        };
        let others = others.into_iter().filter_map(|other| other.number);
        Self {
            numbers: others.chain([question.organization]).collect(),
            at: question.at,
        }
    }

    /// Whether an organisation is one of them, or the operator that one of them has named.
    fn admits(&self, who: &Organization) -> bool {
        let is_inside = |number: &OrganizationNumber| self.numbers.contains(number);
        who.number.as_ref().is_some_and(is_inside) || who.operator.as_ref().is_some_and(is_inside)
    }
}

/// Takes a candidate if nothing more specific was found and it has a part in the alert's network.
fn weigh<'t>(
    found: &mut Option<&'t Organization>,
    who: &'t Organization,
    border: &Border,
    kind: StepKind,
    detail: String,
    steps: &mut Vec<RouteStep>,
) {
    let result = if !border.admits(who) || !who.validity.holds(border.at) {
        RouteResult::Stranger
    } else if found.is_some() {
        RouteResult::Outranked
    } else {
        *found = Some(who);
        RouteResult::Matched
    };
    steps.push(RouteStep { kind, result, detail });
}

fn host_bits(length: u8, address: IpAddr) -> u8 {
    let width: u8 = if address.to_canonical().is_ipv4() { 32 } else { 128 };
    width.saturating_sub(length)
}

fn described(who: Option<&Organization>, number: OrganizationNumber) -> String {
    match who {
        Some(who) => format!("{number}: {}", who.name("nb")),
        None => number.to_string(),
    }
}
