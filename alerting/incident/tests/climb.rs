//! Who is told where nobody at the owner accepts: operator, bodies above, the sector's CERT, duty. And that a body's rows
//! are nobody else's business.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

use std::collections::BTreeSet;

use alerting_incident::{
    Channel, Language, MailKeys, Organization, Question, Registry, RegistryError, Responder, ResponderId,
    Role, Route, RouteResult, RouteTable, Sector, StepKind, Validity, route,
};
use detect_alert::Severity;
use ingest_event::{OrganizationNumber, SensorId, Timestamp, Zone};
use proptest::prelude::*;

/// Organisation numbers of nobody, with a check digit that fits.
const CERT: &str = "310000000";
const SCHOOL: &str = "310000019";
const MUNICIPALITY: &str = "310000027";
const COUNTY: &str = "310000035";
const OPERATOR: &str = "310000043";
const OTHER: &str = "310000051";
const NUMBERS: [&str; 6] = [CERT, SCHOOL, MUNICIPALITY, COUNTY, OPERATOR, OTHER];

fn number(text: &str) -> OrganizationNumber {
    text.parse().expect("a number")
}

fn at(days: i64) -> Timestamp {
    Timestamp::from_millis(1_772_438_400_000 + days * 86_400_000)
}

fn responder(of: &str, name: &str, minimum_severity: Severity) -> Responder {
    Responder {
        id: ResponderId::derive(of, name),
        name: name.to_owned(),
        language: Language::Nb,
        minimum_severity,
        zones: vec![],
        role: Role::Operations,
        turn: 0,
        validity: Validity::default(),
        channels: vec![Channel::Email(format!("{name}@kommune.example"))],
        keys: MailKeys::default(),
    }
}

fn body(text: &str, minimum_severity: Severity) -> Organization {
    Organization {
        number: Some(number(text)),
        names: [("nb".to_owned(), text.to_owned())].into(),
        responders: vec![responder(text, text, minimum_severity)],
        ..Organization::default()
    }
}

/// A school of a municipality in a county, each more reluctant than who is below; its operator; and the CERT of schools.
fn bodies() -> Vec<Organization> {
    let mut school = body(SCHOOL, Severity::Critical);
    school.parent = Some(number(MUNICIPALITY));
    school.operator = Some(number(OPERATOR));
    school.sector = Some(Sector::Education);
    let mut municipality = body(MUNICIPALITY, Severity::Medium);
    municipality.parent = Some(number(COUNTY));
    municipality.sector = Some(Sector::PublicAdministration);
    let mut cert = body(CERT, Severity::Informational);
    cert.sectors = vec![Sector::Education];
    vec![
        school,
        municipality,
        body(COUNTY, Severity::Low),
        body(OPERATOR, Severity::High),
        cert,
        body(OTHER, Severity::Low),
    ]
}

fn table(bodies: Vec<Organization>) -> RouteTable {
    RouteTable::new(Registry::new(bodies, responder("duty", "duty", Severity::Informational)).expect("valid"))
}

fn question(of: &str, severity: Severity) -> Question {
    Question {
        organization: number(of),
        sensor: SensorId::parse("s-1").expect("valid"),
        addresses: BTreeSet::new(),
        domains: BTreeSet::new(),
        systems: BTreeSet::new(),
        zone: Zone::Administration,
        severity,
        at: at(0),
    }
}

fn told(route: &Route) -> Vec<&str> {
    route
        .responders
        .iter()
        .map(|responder| responder.name.as_str())
        .collect()
}

#[test]
fn whoever_is_nearest_and_accepts_is_told_alone() {
    let table = table(bodies());
    for (severity, expected) in [
        (Severity::Critical, SCHOOL),
        (Severity::High, OPERATOR),
        (Severity::Medium, MUNICIPALITY),
        (Severity::Low, COUNTY),
        (Severity::Informational, CERT),
    ] {
        let route = route(&table, &question(SCHOOL, severity));
        assert_eq!(told(&route), [expected], "{severity}: {:#?}", route.steps);
        assert_eq!(route.owner, Some(number(SCHOOL)), "it stays the school's");
    }
    // Who is further is named too, with why it is not told.
    let route = route(&table, &question(SCHOOL, Severity::High));
    let steps: Vec<_> = route.steps.iter().map(|step| (step.kind, step.result)).collect();
    assert_eq!(
        steps[steps.len() - 7..],
        [
            (StepKind::Responder, RouteResult::NotTold),
            (StepKind::Operator, RouteResult::Matched),
            (StepKind::Responder, RouteResult::Told),
            (StepKind::Parent, RouteResult::Outranked),
            (StepKind::Parent, RouteResult::Outranked),
            (StepKind::Sector, RouteResult::Outranked),
            (StepKind::Duty, RouteResult::NotTold),
        ]
    );
}

#[test]
fn who_has_no_sector_has_that_of_the_body_above() {
    let mut all = bodies();
    all[0].sector = None;
    all[0].operator = None;
    all[1].sector = Some(Sector::Education);
    let low = route(&table(all.clone()), &question(SCHOOL, Severity::Informational));
    assert_eq!(told(&low), [CERT], "{:#?}", low.steps);
    // Nobody answers for it, or not yet, or no more: the duty contact, for what is worth it.
    all[4].validity.from = Some(at(1));
    all[2].responders.clear();
    let low = route(&table(all), &question(SCHOOL, Severity::Low));
    assert_eq!(told(&low), ["duty"], "{:#?}", low.steps);
}

#[test]
fn a_contact_is_told_only_while_it_is_there() {
    for (from, until, is_told) in [
        (None, None, true),
        (Some(0), None, true),
        (Some(1), None, false),
        (None, Some(0), false),
        (None, Some(1), true),
        (Some(-2), Some(-1), false),
    ] {
        let mut one = body(OTHER, Severity::Low);
        one.responders[0].validity = Validity {
            from: from.map(at),
            until: until.map(at),
        };
        // Who answers for the zone alone, but is not there, keeps nobody else from being told.
        let mut of_zone = responder(OTHER, "zone", Severity::Low);
        of_zone.zones = vec![Zone::Administration];
        of_zone.validity.until = Some(at(-1));
        one.responders.push(of_zone);
        let route = route(&table(vec![one]), &question(OTHER, Severity::High));
        let expected = if is_told { OTHER } else { "duty" };
        assert_eq!(told(&route), [expected], "{from:?} {until:?}");
        let why = route.steps.iter().find(|step| step.detail.starts_with("zone: "));
        assert!(
            why.expect("told why")
                .detail
                .contains("no longer there since 2026-03-01"),
            "{why:?}"
        );
    }
}

#[test]
fn circles_and_two_for_one_sector_are_refused() {
    let load = |change: &dyn Fn(&mut Vec<Organization>)| {
        let mut all = bodies();
        change(&mut all);
        Registry::new(all, responder("duty", "duty", Severity::Low)).map(|_| ())
    };
    assert_eq!(load(&|_| {}), Ok(()));
    let circle = load(&|all| all[2].parent = Some(number(SCHOOL)));
    let Err(RegistryError::ParentCircle { numbers }) = &circle else {
        panic!("{circle:?}")
    };
    let way = [SCHOOL, MUNICIPALITY, COUNTY, SCHOOL].map(number);
    assert_eq!(numbers[..], way);
    let own = load(&|all| all[5].parent = Some(number(OTHER)));
    assert!(matches!(own, Err(RegistryError::ParentCircle { .. })), "{own:?}");
    let twice = load(&|all| all[5].sectors = vec![Sector::Energy, Sector::Education]);
    assert!(
        matches!(
            twice,
            Err(RegistryError::SectorTwice {
                sector: Sector::Education,
                ..
            })
        ),
        "{twice:?}"
    );
    // One after the other is none at once.
    let after = load(&|all| {
        all[5].sectors = vec![Sector::Education];
        all[5].validity.from = Some(at(3));
        all[4].validity.until = Some(at(3));
    });
    assert_eq!(after, Ok(()));
}

#[test]
fn no_chain_of_operators_and_parents_is_walked_twice() {
    let mut all = bodies();
    // The operator is also the body above, and the CERT of the sector.
    all[0].parent = Some(number(OPERATOR));
    all[3].sectors = vec![Sector::Education];
    all[4].sectors.clear();
    let route = route(&table(all), &question(SCHOOL, Severity::Low));
    let asked = route
        .steps
        .iter()
        .filter(|step| step.detail.starts_with(&format!("{OPERATOR}: low")));
    assert_eq!(
        (asked.count(), told(&route)),
        (1, vec!["duty"]),
        "{:#?}",
        route.steps
    );
}

prop_compose! {
    fn any_body(text: &'static str)(
        severity in 1_u8..=5,
        prefix in 0_u8..=3,
        domain in 0_u8..=2,
        has_system: bool,
        operator in proptest::option::of(0_usize..NUMBERS.len()),
        sector in proptest::option::of(0_usize..Sector::ALL.len()),
        ends in proptest::option::of(-1_i64..2),
        has_responder: bool,
    ) -> Organization {
        let severity = [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical][usize::from(severity) - 1];
        let mut it = body(text, severity);
        it.networks = match prefix {
            0 => vec![],
            1 => vec!["10.0.0.0/8".parse().expect("a network"), "2001:db8::/32".parse().expect("a network")],
            2 => vec!["10.1.0.0/16".parse().expect("a network"), "2001:db8:1::/48".parse().expect("a network")],
            _ => vec!["10.1.2.3/32".parse().expect("a network"), "2001:db8:1::7/128".parse().expect("a network")],
        };
        it.domains = ["eksempel.no", "it.eksempel.no"][..usize::from(domain)].iter().map(|domain| (*domain).to_owned()).collect();
        it.systems = if has_system { vec![64_500] } else { vec![] };
        it.operator = operator.map(|at| number(NUMBERS[at]));
        it.sector = sector.map(|at| Sector::ALL[at]);
        it.validity.until = ends.map(at);
        if !has_responder {
            it.responders.clear();
        }
        it
    }
}

proptest! {
    /// B is who it names as operator and above it, and who names B as operator. Whatever else is written about A: what B
    /// receives, and whom it is told by, stays. Addresses, names and systems of A's may be B's own.
    #[test]
    fn what_is_written_about_one_changes_nothing_for_another(
        mut a in any_body(SCHOOL), mut a_later in any_body(SCHOOL), mut b in any_body(MUNICIPALITY), other in any_body(OTHER),
        severity in 1_usize..=5,
    ) {
        for one in [&mut a, &mut a_later] {
            if one.operator == Some(number(MUNICIPALITY)) {
                one.operator = None;
            }
        }
        if b.operator == Some(number(SCHOOL)) {
            b.operator = Some(number(OTHER));
        }
        b.parent = Some(number(OTHER));
        let severities = [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        let mut question = question(MUNICIPALITY, severities[severity - 1]);
        question.addresses = ["10.1.2.3", "2001:db8:1::7"].map(|address| address.parse().expect("an address")).into();
        question.domains = ["pc.it.eksempel.no".to_owned()].into();
        question.systems = [64_500].into();
        let before = route(&table(vec![a, b.clone(), other.clone()]), &question);
        let after = route(&table(vec![b, a_later, other]), &question);
        prop_assert_eq!(before.owner, after.owner);
        prop_assert_eq!(before.responders, after.responders);
    }
}
