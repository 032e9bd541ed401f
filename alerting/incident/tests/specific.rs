//! The most specific statement decides: domains on label boundaries, autonomous systems, zones.
#![allow(clippy::expect_used, reason = "a test stops at what should not be")]

use std::collections::BTreeSet;

use alerting_incident::{
    Channel, Language, MailKeys, Organization, Question, Registry, Responder, ResponderId, Role, Route,
    RouteResult, RouteTable, StepKind, Validity, route,
};
use detect_alert::Severity;
use ingest_event::{OrganizationNumber, Timestamp, Zone};

/// Organisation numbers of nobody, with a check digit that fits.
const MUNICIPALITY: &str = "310000019";
const UTILITY: &str = "310000027";
const STRANGER: &str = "310000035";

fn number(text: &str) -> OrganizationNumber {
    text.parse().expect("a number")
}

fn responder(name: &str, minimum_severity: Severity, zones: &[Zone]) -> Responder {
    Responder {
        id: ResponderId::derive(name, name),
        name: name.to_owned(),
        language: Language::Nb,
        minimum_severity,
        zones: zones.to_vec(),
        role: Role::Operations,
        turn: 0,
        validity: Validity::default(),
        channels: vec![Channel::Email(format!("{name}@kommune.example"))],
        keys: MailKeys::default(),
    }
}

fn organization(text: &str, domains: &[&str], systems: &[u32], responders: Vec<Responder>) -> Organization {
    Organization {
        number: Some(number(text)),
        municipality: None,
        names: [("nb".to_owned(), text.to_owned())].into(),
        county: None,
        validity: Validity::default(),
        networks: vec![],
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        systems: systems.to_vec(),
        sensors: vec![],
        operator: None,
        sector: None,
        sectors: vec![],
        parent: None,
        responders,
    }
}

/// A municipality, its utility, which has named it as its operator, and somebody else.
fn table() -> RouteTable {
    let of_zones = vec![
        responder("all", Severity::Low, &[]),
        responder("school", Severity::Medium, &[Zone::School]),
        responder("plant", Severity::Low, &[Zone::Ot, Zone::Health]),
    ];
    let utility = vec![responder("utility", Severity::Low, &[])];
    let mut utility = organization(UTILITY, &["vann.eksempel.no"], &[64_500], utility);
    utility.operator = Some(number(MUNICIPALITY));
    let stranger = vec![responder("stranger", Severity::Low, &[])];
    let organizations = vec![
        organization(MUNICIPALITY, &["eksempel.no"], &[64_501], of_zones),
        utility,
        organization(STRANGER, &["fremmed.no"], &[64_502], stranger),
    ];
    RouteTable::new(Registry::new(organizations, responder("duty", Severity::Low, &[])).expect("valid"))
}

fn asked(domains: &[&str], systems: &[u32], zone: Zone, severity: Severity) -> Route {
    let question = Question {
        organization: number(MUNICIPALITY),
        sensor: "sensor-1".parse().expect("a name"),
        addresses: BTreeSet::new(),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        systems: systems.iter().copied().collect(),
        zone,
        severity,
        at: Timestamp::EPOCH,
    };
    route(&table(), &question)
}

fn told(route: &Route) -> Vec<&str> {
    let names = route.responders.iter().map(|responder| responder.name.as_str());
    names.collect()
}

#[test]
fn a_name_belongs_to_the_longest_domain_around_it_on_label_boundaries() {
    for (name, expected) in [
        ("www.eksempel.no", "all"),
        ("eksempel.no", "all"),
        ("pumpe7.vann.eksempel.no", "utility"),
        ("vann.eksempel.no", "utility"),
        ("notvann.eksempel.no", "all"),
        ("noteksempel.no", "all"),
        ("eksempel.no.fremmed.no", "all"),
        ("www.fremmed.no", "all"),
    ] {
        let route = asked(&[name], &[], Zone::Administration, Severity::High);
        assert_eq!(told(&route), [expected], "{name}: {:#?}", route.steps);
    }
    let route = asked(&["noteksempel.no"], &[], Zone::Administration, Severity::High);
    assert!(
        route.steps.iter().all(|step| step.kind != StepKind::Domain),
        "{:#?}",
        route.steps
    );
    let route = asked(&["www.fremmed.no"], &[], Zone::Administration, Severity::High);
    let step = route
        .steps
        .iter()
        .find(|step| step.kind == StepKind::Domain)
        .expect("told of");
    assert_eq!(
        step.result,
        RouteResult::Stranger,
        "a name that occurs gives nobody a part in it"
    );
}

#[test]
fn of_two_names_the_more_specific_domain_decides_whichever_comes_first() {
    for names in [
        ["a.eksempel.no", "b.vann.eksempel.no"],
        ["z.eksempel.no", "b.vann.eksempel.no"],
    ] {
        let route = asked(&names, &[], Zone::Administration, Severity::High);
        assert_eq!(told(&route), ["utility"], "{names:?}");
    }
}

#[test]
fn an_autonomous_system_decides_before_the_number_and_after_a_domain() {
    let of = |domains: &[&str], systems: &[u32]| {
        let route = asked(domains, systems, Zone::Administration, Severity::High);
        told(&route).join(" ")
    };
    assert_eq!(of(&[], &[64_500]), "utility");
    assert_eq!(of(&["www.eksempel.no"], &[64_500]), "all");
    assert_eq!(of(&[], &[64_502]), "all", "a stranger's");
    assert_eq!(of(&[], &[64_999]), "all", "nobody's");
}

#[test]
fn who_answers_for_a_zone_is_told_before_who_answers_for_all_unless_it_is_below_their_minimum() {
    for (zone, severity, expected) in [
        (Zone::School, Severity::Medium, "school"),
        (Zone::School, Severity::Low, "all"),
        (Zone::Ot, Severity::Low, "plant"),
        (Zone::Health, Severity::Critical, "plant"),
        (Zone::Guest, Severity::Critical, "all"),
    ] {
        let route = asked(&[], &[], zone, severity);
        assert_eq!(told(&route), [expected], "{zone} {severity}: {:#?}", route.steps);
        let steps = route.steps.iter().filter(|step| step.kind == StepKind::Responder);
        assert_eq!(steps.count(), 3, "who is not told is explained as well");
    }
}
