//! What keeps an incident back: only what is open, told, its own organisation's, near, and at least as grave.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

#[path = "fixtures/alerts.rs"]
mod fixtures;

use std::time::Duration;

use alerting_incident::{
    Actor, Before, Change, ChangeKind, Channel, Described, Equal, History, Incident, Inhibition, Ladder,
    Language, Moment, Organization, Priority, Question, Registry, Responder, ResponderId, Role, RouteTable,
    Silence, SilenceId, TimelineKind, Undoable, Validity, acknowledge, apply, close, decide, inhibit,
    inhibitor, look_again, may_be_inhibited, route, undo,
};
use detect_alert::{Alert, AlertId, ProducerKind, Severity};
use ingest_event::{OrganizationNumber, Timestamp};
use proptest::prelude::*;

const BODIES: [&str; 2] = ["958935420", "964338531"];
const ENTITIES: [&str; 3] = ["10.0.0.1", "2001:db8::1", "*"];
const RULES: [&str; 3] = ["outage", "scan", "other"];
const HOUR: i64 = 3_600_000;

/// What a random incident is made of; times are hours.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    body: usize,
    entity: usize,
    rule: usize,
    severity: usize,
    seen: i64,
    closed: bool,
    silent: bool,
    held: bool,
    exercise: bool,
    own: bool,
    help: bool,
}

/// An incident on its own that one of rule 0 explains.
const PLAIN: Drawn = Drawn {
    body: 0,
    entity: 0,
    rule: 1,
    severity: 2,
    seen: 20,
    closed: false,
    silent: false,
    held: false,
    exercise: false,
    own: false,
    help: false,
};

fn drawn() -> impl Strategy<Value = Drawn> {
    let flags = proptest::array::uniform6(prop::bool::weighted(0.15));
    (0..2_usize, 0..3_usize, 0..3_usize, 0..5_usize, 0..60_i64, flags).prop_map(
        |(body, entity, rule, severity, seen, [closed, silent, held, exercise, own, help])| Drawn {
            body,
            entity,
            rule,
            severity,
            seen,
            closed,
            silent,
            held,
            exercise,
            own,
            help,
        },
    )
}

fn at(hour: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + hour * HOUR)
}

fn alert(drawn: &Drawn, number: u8) -> Alert {
    let organization = OrganizationNumber::parse(BODIES[drawn.body]).expect("valid");
    let severity = Severity::ALL[drawn.severity];
    let rule = RULES[drawn.rule];
    let mut producer = fixtures::rule(rule);
    producer.tags = vec![format!("tag.{rule}")];
    if drawn.own {
        producer.kind = ProducerKind::Integrity;
    }
    Alert {
        id: AlertId::derive(&producer.id, organization, &[&number.to_string()]),
        organization,
        exercise: drawn.exercise,
        producer,
        events: vec![],
        ..fixtures::alert(
            ENTITIES[drawn.entity],
            severity,
            u32::from(number),
            at(drawn.seen),
        )
    }
}

fn opened(drawn: &Drawn, number: u8) -> Change {
    let history = History {
        applied: false,
        latest: None,
        crowd: None,
        near: 0,
        silence: None,
    };
    apply(history, &alert(drawn, number), at(drawn.seen)).expect("never seen before")
}

fn incident(drawn: &Drawn, number: u8) -> Incident {
    let mut incident = opened(drawn, number).incident;
    let analyst = Actor::Analyst {
        name: "A".to_owned(),
        account: None,
    };
    if drawn.closed {
        incident = close(&incident, &analyst, "", at(drawn.seen))
            .expect("open")
            .incident;
    }
    incident.silence = drawn
        .silent
        .then(|| SilenceId::parse(&"a".repeat(32)).expect("an id"));
    incident.inhibited_by = drawn.held.then(|| incident.id.clone());
    if drawn.help {
        incident.priority = Priority::Raised;
    }
    incident
}

fn inhibition(equal: Equal) -> Inhibition {
    Inhibition {
        source: Described {
            rules: vec!["outage".to_owned()],
            ..Described::default()
        },
        target: Described {
            tags: vec!["tag.scan".to_owned(), "tag.outage".to_owned()],
            ..Described::default()
        },
        equal,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn only_what_explains_keeps_back(source in drawn(), target in drawn(), same in any::<bool>(), later in 0..50_i64) {
        let equal = if same { Equal::Entity } else { Equal::Organization };
        let (one, other) = (incident(&source, 1), incident(&target, 2));
        let now = at(target.seen + later);
        let holds = inhibition(equal).holds(&one, &other, now);
        // Said again, plainly.
        let expected = source.rule == 0
            && matches!(target.rule, 0 | 1)
            && !source.closed && !source.silent && !source.held
            && source.body == target.body && source.exercise == target.exercise
            && target.severity <= source.severity
            && !target.own && !target.help
            && (source.seen - target.seen).abs() <= 24 && later <= 24
            && (!same || (source.entity == target.entity && source.entity != 2));
        prop_assert_eq!(holds, expected);
        let all = [inhibition(equal)];
        let sources = [one];
        prop_assert_eq!(inhibitor(&all, &sources, &other, now).is_some(), expected);
    }
}

fn ladder(duty: Responder) -> Ladder {
    Ladder {
        within: [Some(Duration::from_hours(1)); 5],
        duty,
        beyond: vec![],
        remind_after: Duration::from_hours(24),
    }
}

#[test]
fn what_is_kept_back_is_told_when_it_is_not_any_more_and_only_then() {
    let responder = |name: &str| Responder {
        id: ResponderId::derive("958935420", name),
        name: name.to_owned(),
        language: Language::Nb,
        minimum_severity: Severity::Low,
        zones: vec![],
        role: Role::Operations,
        turn: 0,
        validity: Validity::default(),
        keys: alerting_incident::MailKeys::default(),
        channels: vec![Channel::Email(format!("{name}@example.no"))],
    };
    let duty = responder("duty");
    let ladder = ladder(duty.clone());
    let registry = Registry::new(Vec::<Organization>::new(), duty).expect("valid");
    let table = RouteTable::new(registry);
    let decided = |change: Change| {
        let route = route(&table, &Question::of(&change.incident));
        decide(
            change,
            &route,
            &ladder,
            Moment {
                now: at(30),
                steady: at(30),
            },
        )
    };
    let source = incident(
        &Drawn {
            rule: 0,
            severity: 3,
            ..PLAIN
        },
        1,
    );
    let all = [inhibition(Equal::Entity)];
    let change = opened(&PLAIN, 2);
    assert!(may_be_inhibited(&all, &change));
    let held = inhibit(change, Some(&source), at(30));
    assert_eq!(
        held.timeline.last().map(|line| line.kind),
        Some(TimelineKind::Inhibited)
    );
    let quiet = decided(held.clone());
    assert!(quiet.notifications.is_empty() && quiet.change.incident.escalation.is_none());
    assert_eq!(
        look_again(&held.incident, Some(&source), None, at(31)),
        None,
        "still explained"
    );

    let woken = look_again(&held.incident, None, None, at(31)).expect("woken");
    assert_eq!(
        (woken.kind, &woken.incident.inhibited_by),
        (ChangeKind::Woken, &None)
    );
    let loud = decided(woken);
    assert_eq!(loud.notifications.len(), 1);
    assert!(!may_be_inhibited(&all, &loud.change), "who was told is told on");

    // Who has taken it meanwhile needs no mail; a silence is kept; a call for help is heard.
    let actor = Actor::Responder {
        name: "R".to_owned(),
        account: None,
    };
    let taken = acknowledge(&held.incident, &actor, "", at(31))
        .expect("open")
        .incident;
    let change = look_again(&taken, None, None, at(32)).expect("changed");
    assert_eq!(change.kind, ChangeKind::Progressed);
    let silence = Silence {
        id: SilenceId::parse(&"b".repeat(32)).expect("an id"),
        organization: None,
        producer: Some("scan".to_owned()),
        entity: None,
        reason: "maintenance".to_owned(),
        by: "A".to_owned(),
        from: at(0),
        until: at(100),
    };
    let silent = look_again(&held.incident, None, Some(&silence), at(32)).expect("changed");
    assert_eq!(
        (silent.kind, silent.incident.silence),
        (ChangeKind::Progressed, Some(silence.id))
    );
    let mut help = held;
    help.kind = ChangeKind::HelpNeeded;
    let heard = decided(help);
    assert!(!heard.notifications.is_empty() && heard.change.incident.inhibited_by.is_none());
}

#[test]
fn what_becomes_graver_than_is_kept_back_wakes_and_what_is_taken_back_is_kept_on() {
    let source = incident(
        &Drawn {
            rule: 0,
            severity: 4,
            ..PLAIN
        },
        1,
    );
    let mut only_medium = inhibition(Equal::Entity);
    only_medium.target.at_most = Some(Severity::Medium);
    let all = [only_medium];
    let held = inhibit(opened(&PLAIN, 2), Some(&source), at(20)).incident;
    let graver = alert(&Drawn { severity: 3, ..PLAIN }, 3);
    let history = History {
        applied: false,
        latest: Some(&held),
        crowd: None,
        near: 0,
        silence: None,
    };
    let raised = apply(history, &graver, at(21)).expect("new");
    assert!(matches!(raised.kind, ChangeKind::Raised { .. }));
    assert!(may_be_inhibited(&all, &raised), "it is looked at again");
    let sources = [source];
    let by = inhibitor(&all, &sources, &raised.incident, at(21));
    let woken = inhibit(raised, by, at(21));
    assert_eq!(
        (woken.kind, woken.incident.inhibited_by),
        (ChangeKind::Woken, None)
    );

    // Taken while it was kept back, and given back when its source is over: it is looked at again, and not forgotten.
    let actor = Actor::Analyst {
        name: "A".to_owned(),
        account: None,
    };
    let before = Before::of(&held);
    let taken = acknowledge(&held, &actor, "", at(21)).expect("open").incident;
    let freed = look_again(&taken, None, None, at(22)).expect("changed").incident;
    assert_eq!(freed.inhibited_by, None);
    let moment = Moment {
        now: at(22),
        steady: at(22),
    };
    let back = undo(
        &freed,
        &before,
        Undoable::Acknowledge,
        &actor,
        &fixtures::ladder(),
        moment,
    )
    .incident;
    assert_eq!(back.inhibited_by, held.inhibited_by);
    let told = look_again(&back, None, None, at(23)).expect("changed");
    assert_eq!(told.kind, ChangeKind::Woken);
}
