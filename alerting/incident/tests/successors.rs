//! Incidents of who has ended go to who has its place, and after a split nobody is guessed.
#![allow(clippy::expect_used, reason = "a test stops at what should not be")]

use std::collections::BTreeSet;
use std::net::IpAddr;

use alerting_incident::{
    Body, Channel, Language, MailKeys, Organization, Question, Registry, Responder, ResponderId, Role, Route,
    RouteResult, RouteTable, StepKind, Succession, Successions, Validity, route,
};
use detect_alert::Severity;
use ingest_event::{OrganizationNumber, Timestamp, Zone};

/// Organisation numbers of nobody, with a check digit that fits.
const SMALL: &str = "310000019";
const LARGE: &str = "310000027";
const MERGED: &str = "310000035";
const NORTH: &str = "310000043";
const SOUTH: &str = "310000051";

fn number(text: &str) -> OrganizationNumber {
    text.parse().expect("a number")
}

fn day(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().expect("a day")
}

fn responder(of: &str) -> Responder {
    Responder {
        id: ResponderId::derive(of, of),
        name: of.to_owned(),
        language: Language::Nb,
        minimum_severity: Severity::Low,
        zones: vec![],
        role: Role::Operations,
        turn: 0,
        validity: Validity::default(),
        channels: vec![Channel::Email(format!("{of}@kommune.example"))],
        keys: MailKeys::default(),
    }
}

/// A municipality with a network of each family.
fn organization(
    text: &str,
    municipality: &str,
    net: u8,
    from: Option<&str>,
    until: Option<&str>,
) -> Organization {
    let networks = [format!("198.51.{net}.0/24"), format!("2001:db8:{net}::/48")];
    Organization {
        number: Some(number(text)),
        municipality: Some(municipality.to_owned()),
        names: [("nb".to_owned(), format!("Kommune {municipality}"))].into(),
        county: None,
        validity: Validity {
            from: from.map(day),
            until: until.map(day),
        },
        networks: networks.map(|network| network.parse().expect("a network")).into(),
        domains: vec![],
        systems: vec![],
        sensors: vec![format!("sensor-{municipality}").parse().expect("a name")],
        operator: None,
        sector: None,
        sectors: vec![],
        parent: None,
        responders: vec![responder(municipality)],
    }
}

/// 9001 and 9002 merge into 9003 in 2030, which is split into 9004 and 9005 in 2035.
fn table() -> RouteTable {
    let body = |number: &str| Body {
        number: number.to_owned(),
        name: format!("Kommune {number}"),
    };
    let change = |on: &str, from: &str, to: &str| Succession {
        on: day(on),
        from: body(from),
        to: body(to),
    };
    let successions = Successions::new(vec![
        change("2030-01-01", "9001", "9003"),
        change("2030-01-01", "9002", "9003"),
        change("2035-01-01", "9003", "9004"),
        change("2035-01-01", "9003", "9005"),
    ]);
    let organizations = vec![
        organization(SMALL, "9001", 1, None, Some("2030-01-01")),
        organization(LARGE, "9002", 2, None, Some("2030-01-01")),
        organization(MERGED, "9003", 3, Some("2030-01-01"), Some("2035-01-01")),
        organization(NORTH, "9004", 4, Some("2035-01-01"), None),
        organization(SOUTH, "9005", 5, Some("2035-01-01"), None),
    ];
    let registry = Registry::new(organizations, responder("duty")).expect("valid");
    RouteTable::new(registry.with_successions(successions.expect("fit together")))
}

fn asked(of: &str, sensor: &str, address: &str, at: &str) -> Route {
    let addresses: BTreeSet<IpAddr> = [address.parse().expect("an address")].into();
    let question = Question {
        organization: number(of),
        sensor: sensor.parse().expect("a name"),
        addresses,
        domains: BTreeSet::new(),
        systems: BTreeSet::new(),
        zone: Zone::Administration,
        severity: Severity::High,
        at: day(at),
    };
    route(&table(), &question)
}

fn told(route: &Route) -> Vec<&str> {
    route
        .responders
        .iter()
        .map(|responder| responder.name.as_str())
        .collect()
}

fn result(route: &Route, kind: StepKind) -> Option<RouteResult> {
    route
        .steps
        .iter()
        .find(|step| step.kind == kind)
        .map(|step| step.result)
}

#[test]
fn an_incident_of_who_was_merged_goes_to_who_has_its_place() {
    for address in ["203.0.113.9", "2001:db8:ffff::9"] {
        let before = asked(SMALL, "unknown", address, "2029-12-31");
        assert_eq!((told(&before), before.owner), (vec!["9001"], Some(number(SMALL))));
        assert_eq!(result(&before, StepKind::Succession), None);

        let after = asked(SMALL, "unknown", address, "2030-01-01");
        assert_eq!((told(&after), after.owner), (vec!["9003"], Some(number(MERGED))));
        assert_eq!(result(&after, StepKind::Organization), Some(RouteResult::NoMatch));
        assert_eq!(result(&after, StepKind::Succession), Some(RouteResult::Matched));
    }
}

#[test]
fn after_a_split_nobody_is_guessed() {
    for of in [SMALL, MERGED] {
        let route = asked(of, "unknown", "203.0.113.9", "2036-01-01");
        assert_eq!((told(&route), route.owner), (vec!["duty"], None));
        assert_eq!(result(&route, StepKind::Succession), Some(RouteResult::Undecided));
        let step = route.steps.iter().find(|step| step.kind == StepKind::Succession);
        let detail = step.map(|step| step.detail.as_str());
        assert_eq!(
            detail,
            Some("2035-01-01: Kommune 9003 → Kommune 9004 / Kommune 9005?")
        );
    }
}

#[test]
fn after_a_split_what_a_person_registered_decides() {
    for address in ["198.51.5.9", "2001:db8:5::9"] {
        let route = asked(MERGED, "unknown", address, "2036-01-01");
        assert_eq!((told(&route), route.owner), (vec!["9005"], Some(number(SOUTH))));
        assert_eq!(result(&route, StepKind::Succession), Some(RouteResult::Outranked));
    }
    let route = asked(MERGED, "sensor-9004", "203.0.113.9", "2036-01-01");
    assert_eq!((told(&route), route.owner), (vec!["9004"], Some(number(NORTH))));
}

#[test]
fn who_ended_is_told_of_nothing_more_and_a_stranger_still_is_none_of_it() {
    for address in ["198.51.1.9", "2001:db8:1::9"] {
        let route = asked(SMALL, "sensor-9001", address, "2031-01-01");
        assert_eq!(told(&route), ["9003"], "its networks ended with it");
    }
    for address in ["198.51.2.9", "2001:db8:2::9"] {
        let route = asked(SMALL, "unknown", address, "2029-01-01");
        assert_eq!(told(&route), ["9001"], "a neighbour is none before the merger");
    }
}

#[test]
fn incidents_are_found_under_every_name_that_there_was() {
    let table = table();
    let registry = table.registry();
    let found = |text: &str| registry.called(text).into_iter().collect::<Vec<_>>();
    let all: Vec<_> = [SMALL, LARGE, MERGED, NORTH, SOUTH].map(number).into();
    assert_eq!(
        found("kommune 9003"),
        all,
        "by what they were and by what they became"
    );
    assert_eq!(found("9001"), [SMALL, MERGED, NORTH, SOUTH].map(number));
    assert_eq!(found("9005"), [SMALL, LARGE, MERGED, SOUTH].map(number));
    assert_eq!(found(LARGE), [number(LARGE)]);
    assert_eq!(found("elsewhere"), []);

    let lineage = |of: &str, at: &str| {
        registry
            .lineage(number(of), day(at))
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(lineage(MERGED, "2031-01-01"), [SMALL, LARGE, MERGED].map(number));
    assert_eq!(
        lineage(MERGED, "2029-01-01"),
        [number(MERGED)],
        "not before they merged"
    );
    assert_eq!(
        lineage(NORTH, "2036-01-01"),
        [number(NORTH)],
        "what was split is nobody's alone"
    );
}
