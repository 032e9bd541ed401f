//! A month of alerts, answers, merges, splits, silences, escalations, restarts and clock steps, against a naive model: after every
//! step, exactly those are told whom the model tells, and nobody twice.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

mod arranged;
#[path = "../fixtures/alerts.rs"]
mod fixtures;
mod naive;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alerting_incident::{
    Actor, Before, Change, Decision, DedupKey, History, Incident, Keeper, Ladder, Moment, Organization,
    Question, Reading, Registry, Responder, RouteTable, Silence, SilenceId, Steady, Undoable, Verdict,
    acknowledge, apply, close, decide, escalate, judge, part_grown, route, unreached,
};
use arranged::Done;
use detect_alert::{Alert, AlertId, Severity};
use fixtures::OSLO;
use ingest_event::{OrganizationNumber, Timestamp};
use naive::{Model, Told};
use proptest::prelude::*;

const BERGEN: &str = "964338531";
const MINUTE: Duration = Duration::from_mins(1);
/// Minutes; deadlines lie among them, so that steps fall before, on and after them.
const PASSES: [u32; 11] = [0, 0, 1, 5, 14, 15, 16, 60, 300, 1_500, 4_500];

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    Alert {
        to: bool,
        entity: u8,
        severity: usize,
        number: u8,
    },
    Acknowledge {
        which: u8,
        analyst: bool,
    },
    Judge {
        which: u8,
        verdict: usize,
    },
    Close {
        which: u8,
    },
    Silence {
        of: bool,
        minutes: u32,
        back: u32,
    },
    /// Every notification of the last rung failed for good.
    Unreached {
        which: u8,
    },
    /// The second becomes part of the first.
    Merge {
        one: u8,
        two: u8,
    },
    /// Its own alerts with odd numbers, or even ones, become an incident.
    Split {
        which: u8,
        odd: bool,
    },
    /// What is part of another is its own again.
    TakeOut {
        which: u8,
    },
    /// Whoever answered or arranged last takes it back.
    Undo {
        which: u8,
    },
    /// The ticker runs; it gets as far as this many incidents before the process dies, if it dies.
    Tick {
        dies_after: Option<u8>,
    },
    Restart,
    /// The machine's clock is set by so many minutes.
    Wall {
        minutes: i32,
    },
}

fn steps() -> impl Strategy<Value = Vec<(u32, Step)>> {
    let step = prop_oneof![
        8 => (any::<bool>(), 0..3_u8, 0..5_usize, 0..60_u8)
            .prop_map(|(to, entity, severity, number)| Step::Alert { to, entity, severity, number }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(which, analyst)| Step::Acknowledge { which, analyst }),
        2 => (any::<u8>(), 0..3_usize).prop_map(|(which, verdict)| Step::Judge { which, verdict }),
        1 => any::<u8>().prop_map(|which| Step::Close { which }),
        1 => (any::<bool>(), prop::sample::select(vec![1, 30, 300, 3_000]), prop::sample::select(vec![0, 0, 20, 2_000]))
            .prop_map(|(of, minutes, back)| Step::Silence { of, minutes, back }),
        1 => any::<u8>().prop_map(|which| Step::Unreached { which }),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(one, two)| Step::Merge { one, two }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(which, odd)| Step::Split { which, odd }),
        1 => any::<u8>().prop_map(|which| Step::TakeOut { which }),
        3 => any::<u8>().prop_map(|which| Step::Undo { which }),
        12 => prop::option::weighted(0.2, 0..3_u8).prop_map(|dies_after| Step::Tick { dies_after }),
        2 => Just(Step::Restart),
        2 => prop::sample::select(vec![-100_000, -60, -1, 1, 60, 100_000]).prop_map(|minutes| Step::Wall { minutes }),
    ];
    prop::collection::vec((prop::sample::select(PASSES.to_vec()), step), 0..100)
}

fn contacts() -> impl Strategy<Value = Vec<(u8, usize)>> {
    prop::collection::vec((0..3_u8, 0..5_usize), 0..4)
}

/// The service's part that outlives a process, and what dies with it.
struct World {
    routes: RouteTable,
    ladder: Ladder,
    incidents: Vec<Incident>,
    applied: BTreeSet<AlertId>,
    told: BTreeSet<String>,
    silences: Vec<Silence>,
    /// What was done with an incident last.
    done: BTreeMap<usize, Done>,
    /// In which incident each alert came, and its number.
    homes: Vec<(usize, u8, Alert)>,
    /// Those that take no alerts of their key.
    deaf: BTreeSet<usize>,
    steady: Option<Steady>,
    keeper: Keeper,
    processes: u32,
    /// The machine's clocks, in minutes.
    wall: i64,
    monotonic: u64,
}

impl World {
    fn reading(&self) -> Reading {
        Reading {
            wall: minutes(self.wall),
            monotonic: MINUTE * u32::try_from(self.monotonic).expect("a month"),
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: minutes(self.wall),
            steady: self.keeper.tell(self.steady.as_ref(), self.reading()),
        }
    }

    fn restart(&mut self) {
        self.processes += 1;
        self.monotonic = 0;
        let name = format!("process {}", self.processes);
        self.keeper = Keeper::new(name, true, self.steady.as_ref(), self.reading());
    }

    /// Stores a decision; gives who is told now.
    fn store(&mut self, decision: Decision) -> Vec<Told> {
        let incident = decision.change.incident;
        let place = self.incidents.iter().position(|one| one.id == incident.id);
        let place = place.unwrap_or_else(|| {
            self.incidents.push(incident.clone());
            self.incidents.len() - 1
        });
        self.incidents[place] = incident;
        let mut told = Vec::new();
        for notification in decision.notifications {
            // The outbox takes an id once.
            if self.told.insert(notification.id.to_string()) {
                told.push((place, notification.responder_name, notification.reason));
            }
        }
        told.sort();
        told
    }

    fn decide(&mut self, change: Option<Change>) -> Vec<Told> {
        let Some(change) = change else { return vec![] };
        let route = route(&self.routes, &Question::of(&change.incident));
        let decision = decide(change, &route, &self.ladder, self.moment());
        self.store(decision)
    }

    /// An answer, which can be taken back.
    fn answer(&mut self, which: usize, what: Undoable, change: Option<Change>) -> Vec<Told> {
        if change.is_some() {
            let done = Done {
                what,
                before: Before::of(&self.incidents[which]),
                others: vec![],
            };
            self.done.insert(which, done);
        }
        self.decide(change)
    }

    fn alert(&mut self, alert: &Alert, number: u8) -> Vec<Told> {
        let key = DedupKey::of(alert);
        let newest = self.newest(&key);
        let root = newest.map(|newest| self.root(newest));
        let history = History {
            applied: !self.applied.insert(alert.id.clone()),
            latest: root.map(|root| &self.incidents[root]),
            crowd: None,
            near: 0,
            silence: Silence::covering(&self.silences, &key, alert.timestamp),
        };
        let Some(change) = apply(history, alert, minutes(self.wall)) else {
            return vec![];
        };
        let goes_on = root.filter(|root| self.incidents[*root].id == change.incident.id);
        // Of the same key it counts by itself.
        let is_anothers = |part: &usize| self.incidents[*part].key != change.incident.key;
        let part = newest.filter(|part| goes_on.is_some() && is_anothers(part));
        if let Some(part) = part {
            self.incidents[part] = part_grown(&self.incidents[part], alert, minutes(self.wall));
        }
        let home = part.or(goes_on).unwrap_or(self.incidents.len());
        self.homes.push((home, number, alert.clone()));
        self.decide(Some(change))
    }

    fn tick(&mut self, dies_after: Option<u8>) -> Vec<Told> {
        let reading = self.reading();
        self.steady = self.keeper.advance(self.steady.as_ref(), reading);
        let moment = self.moment();
        let mut told = Vec::new();
        let due = |incident: &Incident| {
            incident
                .escalation
                .and_then(|one| one.due)
                .is_some_and(|due| due <= moment.steady)
        };
        let due: Vec<Incident> = self.incidents.iter().filter(|one| due(one)).cloned().collect();
        let places = dies_after.map_or(due.len(), usize::from);
        for incident in due.iter().take(places) {
            let route = route(&self.routes, &Question::of(incident));
            let span = (incident.first_seen, incident.last_seen);
            let silence = Silence::covering_all(&self.silences, &incident.key, span);
            let decision = escalate(incident, &route, &self.ladder, silence, false, moment);
            told.extend(decision.map(|decision| self.store(decision)).unwrap_or_default());
        }
        if dies_after.is_some() {
            self.restart();
        }
        told.sort();
        told
    }
}

fn minutes(count: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + count * 60_000)
}

fn alert(to: &str, entity: u8, severity: Severity, number: u8, at: i64) -> Alert {
    let entity = format!("2001:db8::{entity}");
    let alert = fixtures::alert(&entity, severity, u32::from(number), minutes(at));
    let organization = OrganizationNumber::parse(to).expect("valid");
    Alert {
        id: AlertId::derive(&alert.producer.id, organization, &[&entity, &number.to_string()]),
        organization,
        events: vec![],
        ..alert
    }
}

fn responder(of: &str, name: &str, turn: u8, minimum_severity: Severity) -> Responder {
    Responder {
        minimum_severity,
        turn,
        ..fixtures::responder(of, name)
    }
}

fn world(contacts: &[Vec<(u8, usize)>; 2], beyond: u8) -> (World, Model) {
    let duty = responder("duty", "duty", 0, Severity::Informational);
    let mut organizations = Vec::new();
    let mut people = Vec::new();
    for (number, contacts) in [OSLO, BERGEN].into_iter().zip(contacts) {
        let named = contacts
            .iter()
            .enumerate()
            .map(|(place, (turn, minimum))| (format!("{number} {place}"), *turn, Severity::ALL[*minimum]));
        people.push(named.clone().collect::<Vec<_>>());
        organizations.push(Organization {
            number: OrganizationNumber::parse(number).ok(),
            names: [("nb".to_owned(), number.to_owned())].into(),
            responders: named
                .map(|(name, turn, minimum)| responder(number, &name, turn, minimum))
                .collect(),
            ..Organization::default()
        });
    }
    let within = [None, None, Some(480), Some(60), Some(15)];
    let beyond: Vec<String> = (0..beyond).map(|place| format!("beyond {place}")).collect();
    let ladder = Ladder {
        within: within.map(|within| within.map(|minutes| MINUTE * minutes)),
        duty: duty.clone(),
        beyond: beyond
            .iter()
            .map(|name| responder("beyond", name, 0, Severity::Informational))
            .collect(),
        remind_after: MINUTE * 1_440,
    };
    let start = Reading {
        wall: minutes(0),
        monotonic: Duration::ZERO,
    };
    let registry = Registry::new(organizations, duty).expect("valid");
    let world = World {
        routes: RouteTable::new(registry),
        ladder,
        incidents: vec![],
        applied: BTreeSet::new(),
        told: BTreeSet::new(),
        silences: vec![],
        done: BTreeMap::new(),
        homes: vec![],
        deaf: BTreeSet::new(),
        steady: None,
        keeper: Keeper::new("process 0".to_owned(), true, None, start),
        processes: 0,
        wall: 0,
        monotonic: 0,
    };
    (world, Model::new(people, within, beyond))
}

#[test]
fn reminders_end_after_a_month_and_the_incident_stays() {
    let (mut world, _) = world(&[vec![], vec![]], 1);
    assert_eq!(world.alert(&alert(OSLO, 1, Severity::Critical, 1, 0), 1).len(), 1);
    let mut told = 0;
    for _ in 0..100 {
        world.wall += 1_440;
        world.monotonic += 1_440;
        told += world.tick(None).len();
    }
    assert_eq!(told, 1 + 30, "the one beyond, and thirty reminders");
    assert_eq!(world.incidents[0].escalation.and_then(|one| one.due), None);
    assert!(!world.incidents[0].is_answered());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_is_told_as_the_naive_model_tells_them(
        steps in steps(), oslo in contacts(), bergen in contacts(), beyond in 0..3_u8
    ) {
        let (mut world, mut model) = world(&[oslo, bergen], beyond);
        // What time it really is: events and silences go by it.
        let mut real = 0_i64;
        for (place, (passes, step)) in steps.iter().enumerate() {
            real += i64::from(*passes);
            world.wall += i64::from(*passes);
            world.monotonic += u64::from(*passes);
            model.pass(i64::from(*passes));
            let moment = world.moment();
            let pick = |which: u8| (!world.incidents.is_empty()).then(|| usize::from(which) % world.incidents.len());
            // Who answers for a part answers for the whole.
            let whole = |which: u8| pick(which).map(|which| world.root(which));
            let actor = |analyst| {
                let name = "someone".to_owned();
                if analyst { Actor::Analyst { name, account: None } } else { Actor::Responder { name, account: None } }
            };
            let (told, expected) = match *step {
                Step::Alert { to, entity, severity, number } => {
                    let of = if to { OSLO } else { BERGEN };
                    let alert = alert(of, entity, Severity::ALL[severity], number, real);
                    (world.alert(&alert, number), model.alert(usize::from(!to), entity, Severity::ALL[severity], number, real))
                }
                Step::Acknowledge { which, analyst } => match whole(which) {
                    Some(which) => {
                        let change = acknowledge(&world.incidents[which], &actor(analyst), "", moment.now);
                        (world.answer(which, Undoable::Acknowledge, change), model.acknowledge(which, analyst))
                    }
                    None => continue,
                },
                Step::Judge { which, verdict } => match whole(which) {
                    Some(which) => {
                        let verdict = Verdict::ALL[verdict];
                        let change = judge(&world.incidents[which], &actor(false), verdict, "", moment.now);
                        (world.answer(which, Undoable::Verdict, change), model.judge(which, verdict))
                    }
                    None => continue,
                },
                Step::Close { which } => match whole(which) {
                    Some(which) => {
                        let change = close(&world.incidents[which], &actor(true), "", moment.now);
                        (world.answer(which, Undoable::Close, change), model.close(which))
                    }
                    None => continue,
                },
                Step::Silence { of, minutes: lasts, back } => {
                    let number = if of { OSLO } else { BERGEN };
                    let silence = Silence {
                        id: SilenceId::parse(&format!("{place:032x}")).expect("an id"),
                        organization: OrganizationNumber::parse(number).ok(),
                        producer: None,
                        entity: None,
                        reason: "maintenance".to_owned(),
                        by: "someone".to_owned(),
                        from: minutes(real - i64::from(back)),
                        until: minutes(real + i64::from(lasts)),
                    };
                    prop_assert_eq!(silence.check(), Ok(()));
                    world.silences.push(silence);
                    model.silence(usize::from(!of), real - i64::from(back), real + i64::from(lasts));
                    continue;
                }
                Step::Unreached { which } => match pick(which) {
                    Some(which) => {
                        let change = unreached(&world.incidents[which], moment);
                        (world.decide(change), model.unreached(which))
                    }
                    None => continue,
                },
                Step::Merge { one, two } => match pick(one).zip(pick(two)) {
                    Some((one, two)) => {
                        world.merge(one, two);
                        model.merge(one, two);
                        continue;
                    }
                    None => continue,
                },
                Step::Split { which, odd } => match pick(which) {
                    Some(which) => {
                        world.split(which, odd);
                        model.split(which, odd);
                        continue;
                    }
                    None => continue,
                },
                Step::TakeOut { which } => match pick(which) {
                    Some(which) => {
                        world.take_out(which);
                        model.take_out(which);
                        continue;
                    }
                    None => continue,
                },
                Step::Undo { which } => match pick(which) {
                    Some(which) => (world.undo(which), model.undo(which)),
                    None => continue,
                },
                Step::Tick { dies_after } => {
                    (world.tick(dies_after), model.tick(dies_after.map(usize::from)))
                }
                Step::Restart => {
                    world.restart();
                    model.restart();
                    continue;
                }
                Step::Wall { minutes } => {
                    world.wall += i64::from(minutes);
                    model.set_wall(i64::from(minutes));
                    continue;
                }
            };
            prop_assert_eq!(told, expected, "step {}: {:?}", place, step);
        }
        prop_assert!(world.is_counted(), "an alert is lost, or counted twice");
    }
}
