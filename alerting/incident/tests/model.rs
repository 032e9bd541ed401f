//! The state machine against a naive model: random alerts, repeated and out of order, with answers between them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

#[path = "fixtures/alerts.rs"]
mod fixtures;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alerting_incident::{
    Actor, Change, ChangeKind, Channel, DedupKey, History, Incident, Ladder, Moment, Notification,
    Organization, QUIET_MAX, Question, Registry, Responder, RouteResult, RouteTable, State, Validity,
    Verdict, acknowledge, apply, close, decide, judge, route, seen,
};
use detect_alert::{Alert, AlertId, RuleId, Severity};
use fixtures::OSLO;
use ingest_event::{OrganizationNumber, Timestamp};
use proptest::prelude::*;

const BERGEN: &str = "964338531";

fn alert(organization: &str, entity: &str, severity: Severity, number: u8) -> Alert {
    let timestamp = Timestamp::from_millis(i64::from(number) * 1_000);
    let alert = fixtures::alert(entity, severity, u32::from(number), timestamp);
    let organization = OrganizationNumber::parse(organization).expect("valid");
    Alert {
        id: AlertId::derive(&alert.producer.id, organization, &[entity, &number.to_string()]),
        organization,
        ..alert
    }
}

fn organization(
    number: &str,
    networks: &[&str],
    minimum: &[Severity],
    operator: Option<&str>,
) -> Organization {
    let parse = |text: &str| OrganizationNumber::parse(text).expect("valid");
    let responders = minimum.iter().map(|minimum| responder(number, *minimum));
    Organization {
        number: Some(parse(number)),
        municipality: None,
        names: [("nb".to_owned(), number.to_owned())].into(),
        county: None,
        validity: Validity::default(),
        networks: networks
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect(),
        domains: vec![],
        systems: vec![],
        sensors: vec![],
        operator: operator.map(parse),
        sector: None,
        sectors: vec![],
        parent: None,
        responders: responders.collect(),
    }
}

fn responder(of: &str, minimum_severity: Severity) -> Responder {
    let name = format!("{of} from {minimum_severity}");
    Responder {
        minimum_severity,
        channels: vec![Channel::Email(format!("{minimum_severity}@{of}.example"))],
        ..fixtures::responder(of, &name)
    }
}

fn table(organizations: Vec<Organization>) -> RouteTable {
    RouteTable::new(Registry::new(organizations, responder("duty", Severity::Informational)).expect("valid"))
}

#[derive(Clone, Debug)]
enum Step {
    Alert {
        organization: bool,
        entity: u8,
        severity: usize,
        number: u8,
    },
    Seen(u8),
    Acknowledge(u8),
    Judge(u8, usize),
    Close(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (any::<bool>(), 0..3_u8, 0..5_usize, 0..40_u8).prop_map(|(organization, entity, severity, number)| {
            Step::Alert { organization, entity, severity, number }
        }),
        1 => any::<u8>().prop_map(Step::Seen),
        1 => any::<u8>().prop_map(Step::Acknowledge),
        1 => (any::<u8>(), 0..3_usize).prop_map(|(which, verdict)| Step::Judge(which, verdict)),
        1 => any::<u8>().prop_map(Step::Close),
    ];
    prop::collection::vec(step, 0..80)
}

/// What is stored: incidents in the order of opening, alerts applied, notifications by id.
#[derive(Default)]
struct Book {
    incidents: Vec<Incident>,
    applied: BTreeSet<AlertId>,
    notifications: BTreeMap<String, Notification>,
}

impl Book {
    fn take(&mut self, change: Option<Change>, routes: &RouteTable, now: Timestamp) {
        let Some(change) = change else { return };
        let route = route(routes, &Question::of(&change.incident));
        let ladder = Ladder {
            within: [None; 5],
            duty: routes.registry().duty().clone(),
            beyond: vec![],
            remind_after: Duration::from_hours(24),
        };
        let decision = decide(change, &route, &ladder, Moment { now, steady: now });
        let ids = decision.notifications.iter().map(|one| one.id.to_string());
        self.notifications.extend(ids.zip(decision.notifications.clone()));
        let change = decision.change;
        match self
            .incidents
            .iter_mut()
            .find(|incident| incident.id == change.incident.id)
        {
            Some(incident) => *incident = change.incident,
            None => self.incidents.push(change.incident),
        }
    }
}

#[test]
fn an_incident_that_nobody_closed_does_not_swallow_what_comes_long_after() {
    let first = alert(OSLO, "2001:db8::9", Severity::High, 1);
    let opened = apply(
        History {
            applied: false,
            latest: None,
            crowd: None,
            near: 0,
            silence: None,
        },
        &first,
        first.timestamp,
    )
    .expect("opened")
    .incident;
    let quiet = u64::try_from(QUIET_MAX.as_millis()).expect("fits");
    for (millis_later, kind) in [(quiet, ChangeKind::Added), (quiet + 1, ChangeKind::Relapsed)] {
        let mut later = alert(OSLO, "2001:db8::9", Severity::High, 2);
        later.timestamp = first
            .timestamp
            .saturating_add(std::time::Duration::from_millis(millis_later));
        let change = apply(
            History {
                applied: false,
                latest: Some(&opened),
                crowd: None,
                near: 0,
                silence: None,
            },
            &later,
            later.timestamp,
        )
        .expect("a change");
        assert_eq!(change.kind, kind, "{millis_later} ms later");
        let is_new = kind == ChangeKind::Relapsed;
        assert_eq!(change.incident.relapse_of, is_new.then(|| opened.id.clone()));
    }
}

proptest! {
    #[test]
    fn random_lives_agree_with_a_naive_model(steps in steps()) {
        let low = [Severity::Low, Severity::High];
        let routes = table(vec![organization(OSLO, &[], &low, None), organization(BERGEN, &[], &low, None)]);
        let mut book = Book::default();
        // The model: for each key a list of lives, each the set of its alerts and whether it was closed.
        let mut model: BTreeMap<DedupKey, Vec<(Vec<Alert>, bool)>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        let actor = Actor::Responder { name: "r".to_owned(), account: None };
        for (at, step) in steps.iter().enumerate() {
            let now = Timestamp::from_millis(1_000_000 + i64::try_from(at).expect("small"));
            let pick = |which: u8| (!book.incidents.is_empty()).then(|| &book.incidents[usize::from(which) % book.incidents.len()]);
            let change = match step {
                Step::Alert { organization, entity, severity, number } => {
                    let to = if *organization { OSLO } else { BERGEN };
                    let alert = alert(to, &format!("2001:db8::{entity}"), Severity::ALL[*severity], *number);
                    let key = DedupKey::of(&alert);
                    let latest = book.incidents.iter().rfind(|incident| incident.key == key);
                    let change = apply(History { applied: book.applied.contains(&alert.id), latest, crowd: None, near: 0, silence: None }, &alert, now);
                    book.applied.insert(alert.id.clone());
                    if known.insert(alert.id.clone()) {
                        let lives = model.entry(key).or_default();
                        match lives.last_mut() {
                            Some((alerts, false)) => alerts.push(alert),
                            Some((_, true)) | None => lives.push((vec![alert], false)),
                        }
                    }
                    change
                }
                Step::Seen(which) => pick(*which).and_then(|incident| seen(incident, &actor, now)),
                Step::Acknowledge(which) => pick(*which).and_then(|incident| acknowledge(incident, &actor, "", now)),
                Step::Judge(which, verdict) => {
                    pick(*which).and_then(|incident| judge(incident, &actor, Verdict::ALL[*verdict], "", now))
                }
                Step::Close(which) => {
                    let change = pick(*which).and_then(|incident| close(incident, &actor, "", now));
                    if let Some(change) = &change {
                        let lives = model.get_mut(&change.incident.key).expect("known");
                        lives.last_mut().expect("a life").1 = true;
                    }
                    change
                }
            };
            book.take(change, &routes, now);
        }
        for (key, lives) in &model {
            let incidents: Vec<_> = book.incidents.iter().filter(|incident| incident.key == *key).collect();
            prop_assert_eq!(incidents.len(), lives.len());
            for (place, (incident, (alerts, closed))) in incidents.iter().zip(lives).enumerate() {
                prop_assert_eq!(incident.count, alerts.len() as u64);
                prop_assert_eq!(Some(incident.severity()), alerts.iter().map(|alert| alert.severity).max());
                prop_assert_eq!(Some(incident.first_seen), alerts.iter().map(|alert| alert.timestamp).min());
                prop_assert_eq!(Some(incident.last_seen), alerts.iter().map(|alert| alert.timestamp).max());
                prop_assert_eq!(incident.state == State::Closed, *closed);
                prop_assert_eq!(incident.relapse_of.as_ref(), place.checked_sub(1).map(|before| &incidents[before].id));
                let mut times: Vec<_> = alerts.iter().map(|alert| alert.timestamp).collect();
                times.sort();
                times.dedup();
                let kept: Vec<_> = incident.lead.events.iter().map(|event| event.timestamp).collect();
                let expected: Vec<_> = if times.len() <= 10 { times } else {
                    times[..5].iter().chain(&times[times.len() - 5..]).copied().collect()
                };
                prop_assert_eq!(kept, expected);
            }
        }
        // Nobody hears of another's incident, nobody of what lies below their minimum, and nobody twice of one thing.
        for notification in book.notifications.values() {
            let incident = book.incidents.iter().find(|incident| incident.id == notification.incident).expect("there");
            let address = notification.channel.address();
            let of = incident.key.organization;
            let is_low = incident.severity() < Severity::Low;
            prop_assert!(address.contains(of.as_str()) || address.contains("duty"), "{} {}", address, of);
            prop_assert!(!is_low || address.contains("duty"));
        }
    }
}

#[test]
fn rules_that_share_a_word_tell_of_one_incident() {
    let now = Timestamp::from_millis(1_000_000);
    for entity in ["203.0.113.9", "2001:db8::9"] {
        for (words, is_same) in [
            ([Some("port_scan"), Some("port_scan")], true),
            ([Some("port_scan"), Some("sweep")], false),
            ([Some("port_scan"), None], false),
            ([None, None], false),
        ] {
            let [fast, slow] = [("fast", 0), ("slow", 1)].map(|(rule, at)| {
                let mut alert = alert(OSLO, entity, Severity::Medium, at as u8);
                alert.producer.id = RuleId(rule.to_owned());
                alert.producer.incident = words[at].map(str::to_owned);
                alert
            });
            let history = |latest| History {
                applied: false,
                latest,
                crowd: None,
                near: 0,
                silence: None,
            };
            let opened = apply(history(None), &fast, now).expect("a change").incident;
            let latest = Some(&opened).filter(|opened| opened.key == DedupKey::of(&slow));
            let change = apply(history(latest), &slow, now).expect("a change");
            assert_eq!(change.kind == ChangeKind::Added, is_same, "{words:?}");
            assert_eq!(change.incident.id == opened.id, is_same, "{words:?}");
        }
    }
}

#[test]
fn the_most_specific_statement_inside_the_border_wins_and_strangers_are_never_told() {
    let (child, stranger) = ("944496394", "972418013");
    let routes = table(vec![
        organization(OSLO, &["10.0.0.0/8", "2001:db8::/32"], &[Severity::Low], None),
        organization(
            child,
            &["10.1.0.0/16", "2001:db8:1::/48"],
            &[Severity::High],
            Some(OSLO),
        ),
        organization(
            stranger,
            &["10.1.2.0/24", "2001:db8:1:2::/64"],
            &[Severity::Low],
            None,
        ),
        organization(BERGEN, &[], &[], None),
    ]);
    for (to, entity, severity, told) in [
        (OSLO, "10.9.9.9", Severity::High, "low@958935420.example"),
        (OSLO, "2001:db8:9::9", Severity::High, "low@958935420.example"),
        (OSLO, "10.1.9.9", Severity::High, "high@944496394.example"),
        (OSLO, "2001:db8:1:9::9", Severity::High, "high@944496394.example"),
        (OSLO, "::ffff:10.1.9.9", Severity::High, "high@944496394.example"),
        // Nobody there accepts it: the operator does.
        (OSLO, "10.1.9.9", Severity::Low, "low@958935420.example"),
        // A stranger's longer prefix changes nothing.
        (OSLO, "10.1.2.3", Severity::High, "high@944496394.example"),
        (OSLO, "2001:db8:1:2::3", Severity::High, "high@944496394.example"),
        // Nobody asked for what is only shown.
        (OSLO, "10.9.9.9", Severity::Informational, ""),
        (OSLO, "2001:db8:9::9", Severity::Informational, ""),
        // Nobody registered, or not in the registry: the CERT's duty contact.
        (BERGEN, "10.9.9.9", Severity::High, "informational@duty.example"),
        (
            "840029212",
            "10.9.9.9",
            Severity::High,
            "informational@duty.example",
        ),
    ] {
        let incident = apply(
            History {
                applied: false,
                latest: None,
                crowd: None,
                near: 0,
                silence: None,
            },
            &alert(to, entity, severity, 1),
            Timestamp::EPOCH,
        )
        .expect("opened")
        .incident;
        let route = route(&routes, &Question::of(&incident));
        let addresses: Vec<_> = route
            .responders
            .iter()
            .map(|one| one.channels[0].address().to_owned())
            .collect();
        assert_eq!(
            addresses.concat(),
            told,
            "{to} {entity} {severity}: {:#?}",
            route.steps
        );
        if entity.ends_with(":2::3") || entity == "10.1.2.3" {
            assert!(
                route
                    .steps
                    .iter()
                    .any(|step| step.result == RouteResult::Stranger),
                "{:#?}",
                route.steps
            );
        }
    }
}
