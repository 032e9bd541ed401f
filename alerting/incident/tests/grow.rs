//! Who took what is about many is told, once, when it is about many more; nobody is for what else grows.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

#[path = "fixtures/alerts.rs"]
mod fixtures;

use alerting_incident::{
    Actor, CROWD_GROWN, Change, ChangeKind, History, Incident, MANY, Moment, NotifyReason, Silence,
    SilenceId, Undoable, acknowledge, apply, decide, judge, tell_of_growth, undo,
};
use detect_alert::Severity;
use fixtures::{alert, at, ladder, responder, route};

fn added(incident: Option<&Incident>, entity: &str, severity: Severity, second: u32, silent: bool) -> Change {
    let silence = Silence {
        id: SilenceId::parse(&"a".repeat(32)).expect("an id"),
        organization: None,
        producer: Some("rule".to_owned()),
        entity: None,
        reason: "r".to_owned(),
        by: "b".to_owned(),
        from: at(0),
        until: at(100_000),
    };
    let history = History {
        applied: false,
        latest: incident,
        crowd: None,
        near: 0,
        silence: silent.then_some(&silence),
    };
    let alert = alert(entity, severity, second, at(i64::from(second)));
    apply(history, &alert, at(i64::from(second))).expect("a change")
}

/// As many alerts as that, from the second of their number on.
fn grown(mut incident: Incident, to: u64) -> Incident {
    while incident.count < to {
        let second = u32::try_from(incident.count).expect("small");
        let change = added(Some(&incident), MANY, Severity::Medium, second, false);
        assert_eq!(change.kind, ChangeKind::Added, "{}", incident.count);
        incident = change.incident;
    }
    incident
}

fn crowd(count: u64) -> Incident {
    grown(added(None, MANY, Severity::Medium, 0, false).incident, count)
}

fn analyst() -> Actor {
    Actor::Analyst {
        name: "A".to_owned(),
        account: None,
    }
}

fn taken(incident: &Incident) -> Incident {
    acknowledge(incident, &analyst(), "", at(50))
        .expect("a change")
        .incident
}

#[test]
fn who_took_many_is_told_once_when_it_is_so_many_times_as_many() {
    let last = 10 * CROWD_GROWN - 1;
    let next = u32::try_from(last).expect("small");
    let before = grown(taken(&crowd(10)), last);
    let change = added(Some(&before), MANY, Severity::Medium, next, false);
    assert_eq!(change.kind, ChangeKind::Grown { from: 10 });
    assert_eq!(change.timeline[0].text, "10 → 20");
    // Once: not when it has doubled again.
    grown(change.incident, 100);
    // Nor where nobody took it, where it is about one thing, or what comes is silent.
    grown(crowd(10), 100);
    let mut one = taken(&added(None, "2001:db8::1", Severity::Medium, 0, false).incident);
    for second in 1..9 {
        let change = added(Some(&one), "2001:db8::1", Severity::Medium, second, false);
        assert_eq!(change.kind, ChangeKind::Added);
        one = change.incident;
    }
    let silent = added(Some(&before), MANY, Severity::Medium, next, true);
    assert_eq!(silent.kind, ChangeKind::Added);
    // What is graver is told to more people; who took it is told of the growth with the next.
    let raised = added(Some(&before), MANY, Severity::High, next, false);
    assert_eq!(
        raised.kind,
        ChangeKind::Raised {
            from: Severity::Medium
        }
    );
    let after = added(Some(&raised.incident), MANY, Severity::High, next + 1, false);
    assert_eq!(after.kind, ChangeKind::Grown { from: 10 });
}

#[test]
fn who_takes_it_back_has_not_taken_it_and_who_concluded_has() {
    let crowd = crowd(10);
    let moment = Moment {
        now: at(60),
        steady: at(60),
    };
    let back = |taken: &Incident| {
        let before = alerting_incident::Before::of(&crowd);
        undo(
            taken,
            &before,
            Undoable::Acknowledge,
            &analyst(),
            &ladder(),
            moment,
        )
        .incident
    };
    grown(back(&taken(&crowd)), 100);
    let concluded = judge(
        &crowd,
        &analyst(),
        alerting_incident::Verdict::TruePositive,
        "",
        at(60),
    );
    let before = grown(concluded.expect("a change").incident, 19);
    let change = added(Some(&before), MANY, Severity::Medium, 19, false);
    assert_eq!(change.kind, ChangeKind::Grown { from: 10 });
}

#[test]
fn they_are_told_who_took_it_else_the_duty_contact_and_nobody_whose_it_is_no_more() {
    let before = grown(taken(&crowd(10)), 19);
    let change = added(Some(&before), MANY, Severity::Medium, 19, false);
    let (vakta, leder) = (responder("oslo", "Vakta"), responder("oslo", "Leder"));
    let former = responder("bergen", "Vakta");
    let moment = Moment {
        now: at(60),
        steady: at(60),
    };
    let (ladder, route) = (ladder(), route(vec![vakta.clone(), leder]));
    let decision = decide(change.clone(), &route, &ladder, moment);
    assert!(decision.notifications.is_empty(), "nobody else");
    let told = |takers: &[_]| {
        let told = tell_of_growth(&decision.change, takers, &route, &ladder, moment);
        assert!(told.iter().all(|one| one.reason == NotifyReason::Grown));
        told.into_iter().map(|one| one.responder).collect::<Vec<_>>()
    };
    assert_eq!(told(&[vakta.id.clone(), former.id.clone()]), [vakta.id]);
    assert_eq!(told(&[]), std::slice::from_ref(&ladder.duty.id));
    assert_eq!(told(&[former.id]), std::slice::from_ref(&ladder.duty.id));
    let other = Change {
        kind: ChangeKind::Added,
        ..change
    };
    assert!(tell_of_growth(&other, &[], &route, &ladder, moment).is_empty());
}
