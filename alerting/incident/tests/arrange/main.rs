//! Merging, splitting, taking back: whatever is done in whatever order, each alert is in one incident, and each incident says what its
//! alerts say. The model keeps sets of alerts and counts them anew each time.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

mod book;
#[path = "../fixtures/alerts.rs"]
mod fixtures;

use alerting_incident::{
    Actor, Assignee, Before, Chosen, DedupKey, Escalation, History, Incident, MERGED_MAX, MergeError, Moment,
    Portion, Priority, Rung, SplitError, State, Undoable, Verdict, acknowledge, apply, assign, close,
    handed_over, is_in_time, judge, merge, part_grown, split, undo, unmerge,
};
use book::Book;
use detect_alert::{Alert, Severity};
use fixtures::{at, ladder};
use proptest::prelude::*;

fn alert(entity: &str, severity: Severity, number: u32) -> Alert {
    fixtures::alert(entity, severity, number, at(i64::from(number)))
}

fn analyst() -> Actor {
    Actor::Analyst {
        name: "Kari".to_owned(),
        account: None,
    }
}

fn opened(entity: &str, severity: Severity, number: u32) -> Incident {
    taken(None, &alert(entity, severity, number))
}

fn taken(latest: Option<&Incident>, alert: &Alert) -> Incident {
    let history = History {
        applied: false,
        latest,
        crowd: None,
        near: 0,
        silence: None,
    };
    apply(history, alert, alert.timestamp).expect("a change").incident
}

/// But for what says that something was done.
fn same(one: &Incident, two: &Incident) -> bool {
    let plain = |incident: &Incident| Incident {
        version: 0,
        updated_at: at(0),
        ..incident.clone()
    };
    plain(one) == plain(two)
}

#[derive(Clone, Debug)]
enum Step {
    Alert {
        entity: u8,
        severity: usize,
        number: u32,
    },
    Merge(u8, u8),
    /// Some of its alerts become their own.
    Split(u8, u8),
    /// One that is part of another is taken out of it.
    TakeOut(u8),
    Close(u8),
    /// The last merge or split is taken back.
    Undo,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..5_u8, 0..5_usize, 0..2_000_u32).prop_map(|(entity, severity, number)| Step::Alert { entity, severity, number }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(one, two)| Step::Merge(one, two)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(which, take)| Step::Split(which, take)),
        1 => any::<u8>().prop_map(Step::TakeOut),
        1 => any::<u8>().prop_map(Step::Close),
        3 => Just(Step::Undo),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_alert_is_lost_or_counted_twice(steps in steps()) {
        let mut book = Book::default();
        for (place, step) in steps.iter().enumerate() {
            let now = at(10_000 + i64::try_from(place).expect("small"));
            let pick = |which: u8, rows: &[Incident]| (!rows.is_empty()).then(|| usize::from(which) % rows.len());
            match step {
                Step::Alert { entity, severity, number } => {
                    book.alert(&alert(&format!("2001:db8::{entity}"), Severity::ALL[*severity], *number));
                    book.quiet = false;
                }
                Step::Merge(one, two) => {
                    if let (Some(one), Some(two)) = (pick(*one, &book.rows), pick(*two, &book.rows)) {
                        book.merge(one, two, now);
                    }
                }
                Step::Split(which, take) => {
                    if let Some(which) = pick(*which, &book.rows) {
                        book.split(which, *take, now);
                    }
                }
                Step::TakeOut(which) => {
                    if let Some(which) = pick(*which, &book.rows) {
                        book.take_out(which, now);
                    }
                }
                Step::Close(which) => {
                    if let Some(which) = pick(*which, &book.rows)
                        && let Some(change) = close(&book.rows[which], &analyst(), "", now)
                    {
                        book.put(change.incident);
                        book.last = None;
                    }
                }
                Step::Undo => book.undo(now),
            }
            book.check();
        }
    }
}

#[test]
fn an_answer_that_is_taken_back_leaves_all_as_it_was() {
    let waiting = Incident {
        escalation: Some(Escalation {
            rung: Rung::Turn(1),
            due: Some(at(900)),
            reminders: 0,
        }),
        state: State::Notified,
        ..opened("2001:db8::1", Severity::Medium, 1)
    };
    let moment = Moment {
        now: at(500),
        steady: at(500),
    };
    let before = Before::of(&waiting);
    let actor = analyst();
    let someone = Assignee {
        account: "a".repeat(32),
        name: "Ola".to_owned(),
    };
    let changes = [
        (
            Undoable::Acknowledge,
            acknowledge(&waiting, &actor, "", moment.now),
        ),
        (
            Undoable::Verdict,
            judge(&waiting, &actor, Verdict::FalsePositive, "", moment.now),
        ),
        (
            Undoable::Verdict,
            judge(&waiting, &actor, Verdict::NeedHelp, "", moment.now),
        ),
        (Undoable::Close, close(&waiting, &actor, "", moment.now)),
        (
            Undoable::Assign,
            assign(&waiting, Some(&someone), &actor, "", moment.now),
        ),
    ];
    for (what, change) in changes {
        let changed = change.expect("a change").incident;
        assert!(!same(&changed, &waiting), "{what}");
        let back = undo(&changed, &before, what, &actor, &ladder(), moment).incident;
        assert!(same(&back, &waiting), "{what}: {back:?}");
        // What came in since stays, and is waited for by those who were told of it.
        let graver = taken(
            Some(&Incident {
                state: State::Acknowledged,
                ..changed
            }),
            &alert("2001:db8::1", Severity::High, 2),
        );
        let back = undo(&graver, &before, what, &actor, &ladder(), moment).incident;
        assert_eq!((back.count, back.severity()), (2, Severity::High), "{what}");
        assert_eq!(
            (back.state, back.escalation.and_then(|one| one.due)),
            (State::Notified, Some(at(900)))
        );
    }
    assert!(is_in_time(at(0), at(600)) && !is_in_time(at(0), at(601)) && is_in_time(at(600), at(0)));
}

#[test]
fn what_was_told_for_the_first_time_while_it_was_answered_is_due_when_that_is_taken_back() {
    let quiet = opened("2001:db8::1", Severity::Low, 1);
    let before = Before::of(&quiet);
    let mut told = taken(Some(&quiet), &alert("2001:db8::1", Severity::High, 2));
    told.state = State::Acknowledged;
    told.escalation = Some(Escalation {
        rung: Rung::Duty,
        due: None,
        reminders: 0,
    });
    let moment = Moment {
        now: at(50),
        steady: at(40),
    };
    let back = undo(
        &told,
        &before,
        Undoable::Acknowledge,
        &analyst(),
        &ladder(),
        moment,
    )
    .incident;
    assert_eq!(
        back.escalation,
        Some(Escalation {
            rung: Rung::Duty,
            due: Some(at(40)),
            reminders: 0
        })
    );
}

#[test]
fn a_merge_ends_deadlines_but_no_call_for_help_and_says_what_cannot_be() {
    let waits = |incident: Incident, rung, due: i64| Incident {
        escalation: Some(Escalation {
            rung,
            due: Some(at(due)),
            reminders: 0,
        }),
        state: State::Notified,
        ..incident
    };
    let one = waits(opened("2001:db8::1", Severity::Medium, 1), Rung::Turn(0), 9_000);
    let two = waits(opened("2001:db8::2", Severity::Critical, 2), Rung::Turn(1), 900);
    let merged = |survivor: &Incident, other: &Incident| {
        merge(
            survivor,
            std::slice::from_ref(other),
            0,
            &analyst(),
            "same host",
            at(50),
        )
        .expect("merged")
    };
    let both = merged(&one, &two);
    let part = &both.parts[0].incident;
    assert_eq!(
        (
            part.state,
            part.merged_into.as_ref(),
            part.escalation.and_then(|one| one.due)
        ),
        (State::Closed, Some(&one.id), None)
    );
    let whole = &both.survivor.incident;
    let due = |incident: &Incident| incident.escalation.map(|one| (one.rung, one.due));
    assert_eq!(due(whole), Some((Rung::Turn(1), Some(at(900)))), "the sooner");
    assert_eq!(
        (whole.key.clone(), whole.severity(), whole.count),
        (one.key.clone(), Severity::Critical, 2)
    );
    assert!(both.survivor.timeline[0].text.contains(two.id.as_str()));
    assert!(both.parts[0].timeline[0].text.contains("same host"));
    // Somebody has taken it; but one who asked for help is still waited for.
    let taken_one = acknowledge(&one, &analyst(), "", at(40)).expect("taken").incident;
    assert_eq!(
        due(&merged(&taken_one, &two).survivor.incident),
        Some((Rung::Turn(1), None))
    );
    let call = Incident {
        priority: Priority::Raised,
        ..two.clone()
    };
    let heard = merged(&taken_one, &call).survivor.incident;
    assert_eq!(
        (due(&heard), heard.priority),
        (Some((Rung::Turn(1), Some(at(900)))), Priority::Raised)
    );

    let closed = close(&two, &analyst(), "", at(50)).expect("closed").incident;
    let mut exercise = two.clone();
    exercise.key.exercise = true;
    for (others, family, error) in [
        (vec![], 0, MergeError::Nothing),
        (vec![one.clone()], 0, MergeError::Twice),
        (vec![two.clone(), two.clone()], 0, MergeError::Twice),
        (vec![closed], 0, MergeError::Over),
        (vec![exercise], 0, MergeError::Exercise),
        (vec![two], MERGED_MAX, MergeError::TooMany),
    ] {
        assert_eq!(merge(&one, &others, family, &analyst(), "", at(50)), Err(error));
    }
    assert_eq!(
        merge(part, std::slice::from_ref(&one), 0, &analyst(), "", at(50)),
        Err(MergeError::Over)
    );
}

#[test]
fn one_thing_out_of_many_becomes_an_incident_that_takes_what_comes_of_it() {
    let mut crowd = opened("*", Severity::Medium, 1);
    for number in 2..8 {
        let mut of_many = alert(
            if number < 5 { "2001:db8::1" } else { "10.0.0.2" },
            Severity::Medium,
            number,
        );
        of_many.entity.value = "*".to_owned();
        crowd = taken(Some(&crowd), &of_many);
    }
    let portion = |count, first, last| Portion {
        count,
        first_seen: at(first),
        last_seen: at(last),
        severity: Severity::Medium,
    };
    let (chosen, rest) = (portion(3, 5, 7), portion(4, 1, 4));
    let which = Chosen::Entity("10.0.0.2".to_owned());
    let parted = |incident: &Incident, which: &Chosen, chosen: &Portion, rest: &Portion| {
        split(incident, which, chosen, rest, &[], &analyst(), "theirs", at(99))
    };
    let done = parted(&crowd, &which, &chosen, &rest).expect("split");
    let (whole, part) = (&done.rest.incident, &done.part.incident);
    assert_eq!((whole.count + part.count, part.count), (7, 3));
    assert_eq!(part.key, DedupKey::of(&alert("10.0.0.2", Severity::Low, 9)));
    assert_eq!((part.lead.events.len(), whole.lead.events.len()), (3, 4));
    assert_eq!(
        (part.first_seen, whole.last_seen, part.state),
        (at(5), at(4), crowd.state)
    );
    assert_eq!(DedupKey::of(&part.lead), part.key, "it is read back so");
    // Together again, they are what they were.
    let again = merge(whole, std::slice::from_ref(part), 0, &analyst(), "", at(100))
        .expect("merged")
        .survivor
        .incident;
    assert_eq!((again.count, &again.lead), (crowd.count, &crowd.lead));
    assert_eq!(
        (again.first_seen, again.last_seen),
        (crowd.first_seen, crowd.last_seen)
    );

    let none = portion(0, 1, 1);
    let over = close(&crowd, &analyst(), "", at(99)).expect("closed").incident;
    let alone = opened("10.0.0.3", Severity::Low, 1);
    for (incident, chosen, rest, error) in [
        (&crowd, none, rest, SplitError::Nothing),
        (&crowd, chosen, none, SplitError::Everything),
        (&crowd, chosen, portion(5, 1, 4), SplitError::Uncounted),
        (&over, chosen, rest, SplitError::Over),
    ] {
        assert_eq!(parted(incident, &which, &chosen, &rest), Err(error));
    }
    let two = taken(Some(&alone), &alert("10.0.0.3", Severity::Low, 2));
    let one = portion(1, 1, 1);
    assert_eq!(parted(&two, &which, &one, &one), Err(SplitError::NotMany));
}

#[test]
fn who_works_on_it_is_said_once_and_not_of_what_is_over() {
    let incident = opened("2001:db8::1", Severity::Medium, 1);
    let ola = Assignee {
        account: "a".repeat(32),
        name: "Ola".to_owned(),
    };
    let given = assign(&incident, Some(&ola), &analyst(), "din", at(9)).expect("given");
    assert_eq!(given.timeline[0].text, "Ola: din");
    assert_eq!(
        given.incident.state,
        State::New,
        "whoever is waited for is waited for still"
    );
    let renamed = Assignee {
        name: "Ola N.".to_owned(),
        ..ola
    };
    assert_eq!(
        assign(&given.incident, Some(&renamed), &analyst(), "", at(9)),
        None
    );
    assert_eq!(assign(&incident, None, &analyst(), "", at(9)), None);
    let closed = close(&given.incident, &analyst(), "", at(9))
        .expect("closed")
        .incident;
    assert_eq!(assign(&closed, None, &analyst(), "", at(9)), None);
    assert!(assign(&given.incident, None, &analyst(), "", at(9)).is_some());
}

#[test]
fn what_became_graver_as_a_part_is_waited_for_by_who_was_told_when_it_is_its_own_again() {
    let waits = |rung, due: Option<i64>| {
        Some(Escalation {
            rung,
            due: due.map(at),
            reminders: 0,
        })
    };
    let one = Incident {
        escalation: waits(Rung::Turn(0), Some(9_000)),
        state: State::Notified,
        ..opened("2001:db8::1", Severity::Medium, 1)
    };
    let moment = Moment {
        now: at(600),
        steady: at(500),
    };
    // How it waited before, how its whole does by then, and how it does again.
    for (state, before, whole, expected) in [
        (
            State::Notified,
            waits(Rung::Turn(0), Some(9_000)),
            waits(Rung::Turn(1), Some(900)),
            waits(Rung::Turn(1), Some(900)),
        ),
        (
            State::Notified,
            waits(Rung::Duty, Some(800)),
            waits(Rung::Turn(1), Some(900)),
            waits(Rung::Duty, Some(800)),
        ),
        (
            State::Notified,
            waits(Rung::Turn(0), None),
            waits(Rung::Turn(1), None),
            waits(Rung::Turn(1), Some(500)),
        ),
        (
            State::New,
            None,
            waits(Rung::Turn(1), None),
            waits(Rung::Turn(1), Some(500)),
        ),
        (
            State::Acknowledged,
            waits(Rung::Turn(0), None),
            waits(Rung::Turn(1), Some(900)),
            waits(Rung::Turn(1), None),
        ),
        (State::New, None, None, None),
    ] {
        let two = Incident {
            escalation: before,
            state,
            ..opened("2001:db8::2", Severity::Low, 2)
        };
        let merged = merge(&one, std::slice::from_ref(&two), 0, &analyst(), "", at(50)).expect("merged");
        let graver = alert("2001:db8::2", Severity::High, 3);
        let part = part_grown(&merged.parts[0].incident, &graver, at(60));
        let survivor = Incident {
            escalation: whole,
            ..taken(Some(&merged.survivor.incident), &graver)
        };
        let apart = |part: &Incident| {
            unmerge(
                &survivor,
                &[],
                part,
                &[],
                Some(&Before::of(&two)),
                &ladder(),
                moment,
            )
            .1
        };
        assert_eq!(apart(&part).escalation, expected, "{before:?} {whole:?}");
        // Where it did not, it is as it was.
        assert_eq!(
            apart(&merged.parts[0].incident).escalation,
            before,
            "{before:?} {whole:?}"
        );
    }
}

#[test]
fn whoever_reads_a_part_sees_that_it_changed() {
    let two = opened("2001:db8::2", Severity::Low, 2);
    let one = opened("2001:db8::1", Severity::Low, 1);
    let merged = merge(&one, std::slice::from_ref(&two), 0, &analyst(), "", at(50)).expect("merged");
    let part = &merged.parts[0].incident;
    let grown = part_grown(part, &alert("2001:db8::2", Severity::Low, 3), at(60));
    assert_eq!(
        (grown.version, grown.updated_at, grown.count),
        (part.version + 1, at(60), 2)
    );
    let elsewhere = handed_over(part, &two.id, at(70));
    assert_eq!(
        (elsewhere.version, elsewhere.updated_at),
        (part.version + 1, at(70))
    );
    assert_eq!(elsewhere.merged_into, Some(two.id));
}

#[test]
fn what_is_kept_back_is_not_once_what_was_told_is_part_of_it() {
    let explained = Incident {
        inhibited_by: Some(opened("2001:db8::9", Severity::High, 9).id),
        ..opened("2001:db8::1", Severity::Low, 1)
    };
    let silent = opened("2001:db8::2", Severity::Low, 2);
    let told = Incident {
        escalation: Some(Escalation {
            rung: Rung::Turn(0),
            due: None,
            reminders: 0,
        }),
        ..silent.clone()
    };
    let whole = |other: &Incident| {
        merge(&explained, std::slice::from_ref(other), 0, &analyst(), "", at(50))
            .expect("merged")
            .survivor
            .incident
    };
    assert_eq!(whole(&silent).inhibited_by, explained.inhibited_by);
    assert_eq!(whole(&told).inhibited_by, None);
}

#[test]
fn whoever_has_a_whole_is_told_when_a_crowd_that_was_part_of_it_grows() {
    let crowd = opened("*", Severity::Medium, 2);
    let merged = merge(
        &opened("2001:db8::1", Severity::Low, 1),
        std::slice::from_ref(&crowd),
        0,
        &analyst(),
        "",
        at(50),
    )
    .expect("merged");
    let part = &merged.parts[0].incident;
    let moment = Moment {
        now: at(90),
        steady: at(90),
    };
    let apart = |survivor: &Incident| unmerge(survivor, &[], part, &[], None, &ladder(), moment).1;
    let whole = merged.survivor.incident;
    assert_eq!(apart(&whole).grows_from, None, "nobody has it");
    let had = acknowledge(&whole, &analyst(), "", at(60))
        .expect("taken")
        .incident;
    assert_eq!(apart(&had).grows_from, Some(crowd.count));
}
