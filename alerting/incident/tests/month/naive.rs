//! Who should be told, the plainest way: names, whole minutes, lists, and one rule after the other.
#![allow(clippy::indexing_slicing, reason = "a test stops at what should not be")]

use std::collections::BTreeSet;

use alerting_incident::{NotifyReason, Verdict};
use detect_alert::Severity;

/// Which incident, who, why.
pub(crate) type Told = (usize, String, NotifyReason);

/// An incident.
struct Life {
    key: (usize, u8),
    /// Its own alerts: number, severity, when in real minutes.
    alerts: Vec<(u8, Severity, i64)>,
    /// The one that it is part of.
    part_of: Option<usize>,
    /// Whether it takes alerts of its key.
    hears: bool,
    taken: bool,
    closed: bool,
    verdict: Option<Verdict>,
    /// Whether it calls for help.
    calls: bool,
    silenced: bool,
    /// Who was told last, by their place in the order.
    rung: Option<i32>,
    due: Option<i64>,
    reminders: u32,
    /// What was done last, and how it was before.
    done: Option<(Did, Before)>,
}

/// What somebody did.
#[derive(Clone)]
enum Did {
    Answer,
    Close,
    /// The other, how it was, and what was part of it.
    Merge(usize, Before, Vec<usize>),
    /// What was split off.
    Split(usize),
}

/// What an answer changes.
#[derive(Clone, Copy)]
struct Before {
    taken: bool,
    closed: bool,
    verdict: Option<Verdict>,
    calls: bool,
    severity: Severity,
    rung: Option<i32>,
    due: Option<i64>,
    reminders: u32,
}

/// The whole world.
pub(crate) struct Model {
    /// For each organisation: name, turn, least severity.
    people: Vec<Vec<(String, u8, Severity)>>,
    within: [Option<u32>; 5],
    beyond: Vec<String>,
    lives: Vec<Life>,
    seen: BTreeSet<(usize, u8, u8)>,
    silences: Vec<(usize, i64, i64)>,
    /// The machine's clock.
    wall: i64,
    /// What deadlines counted at the last tick, what the machine's clock said then, and what really passed since.
    ticked: Option<(i64, i64, i64)>,
    /// For how long this process has run, and whether it has not ticked yet.
    runs_for: i64,
    is_new: bool,
}

/// Places in the order: turns are themselves, those beyond follow the duty contact.
const DUTY: i32 = 1_000;
const DAY: i64 = 1_440;

impl Model {
    pub(crate) fn new(
        people: Vec<Vec<(String, u8, Severity)>>,
        within: [Option<u32>; 5],
        beyond: Vec<String>,
    ) -> Self {
        let (lives, seen, silences) = (vec![], BTreeSet::new(), vec![]);
        Self {
            people,
            within,
            beyond,
            lives,
            seen,
            silences,
            wall: 0,
            ticked: None,
            runs_for: 0,
            is_new: true,
        }
    }

    pub(crate) fn pass(&mut self, minutes: i64) {
        self.wall += minutes;
        self.runs_for += minutes;
        if let Some((_, _, passed)) = &mut self.ticked {
            *passed += minutes;
        }
    }

    pub(crate) fn set_wall(&mut self, minutes: i64) {
        self.wall += minutes;
    }

    pub(crate) fn restart(&mut self) {
        (self.is_new, self.runs_for) = (true, 0);
    }

    pub(crate) fn silence(&mut self, of: usize, from: i64, until: i64) {
        self.silences.push((of, from, until));
    }

    /// What deadlines count.
    fn clock(&self) -> i64 {
        match self.ticked {
            None => self.wall,
            Some((at, wall, _)) if self.is_new => at + (self.wall - wall).max(self.runs_for),
            Some((at, _, passed)) => at + passed,
        }
    }

    fn is_silent(&self, of: usize, at: i64) -> bool {
        self.silences
            .iter()
            .any(|(whose, from, until)| *whose == of && *from <= at && at < *until)
    }

    fn deadline(&self, severity: Severity) -> Option<i64> {
        let place = Severity::ALL
            .iter()
            .position(|one| *one == severity)
            .expect("one of them");
        self.within[place].map(|within| self.clock() + i64::from(within))
    }

    fn deadline_or_longest(&self, severity: Severity) -> Option<i64> {
        let longest = self
            .within
            .iter()
            .flatten()
            .max()
            .map(|within| self.clock() + i64::from(*within));
        self.deadline(severity).or(longest)
    }

    /// Everybody who may be told of something, by their place in the order, with the severity from which they are.
    fn order(&self, of: usize, severity: Severity) -> Vec<(i32, String, Severity)> {
        let mut all: Vec<_> = self.people[of]
            .iter()
            .filter(|(_, _, least)| *least <= severity)
            .map(|(name, turn, least)| (i32::from(*turn), name.clone(), *least))
            .collect();
        all.push((DUTY, "duty".to_owned(), Severity::Low));
        for (place, name) in (1..).zip(&self.beyond) {
            all.push((DUTY + place, name.clone(), Severity::Informational));
        }
        all
    }

    /// The first place; informational things that nobody asked for have none.
    fn first(&self, of: usize, severity: Severity) -> Option<i32> {
        let first = self
            .order(of, severity)
            .iter()
            .map(|(place, ..)| *place)
            .min()
            .expect("the duty contact");
        (first < DUTY || Severity::Informational < severity).then_some(first)
    }

    /// Those whose alerts it counts.
    fn family(&self, place: usize) -> Vec<usize> {
        let is_its = |other: &usize| *other == place || self.lives[*other].part_of == Some(place);
        (0..self.lives.len()).filter(is_its).collect()
    }

    fn counted(&self, place: usize) -> impl Iterator<Item = (Severity, i64)> {
        let all = self.family(place).into_iter();
        all.flat_map(|one| {
            self.lives[one]
                .alerts
                .iter()
                .map(|(_, severity, at)| (*severity, *at))
        })
    }

    fn severity(&self, place: usize) -> Severity {
        self.counted(place)
            .map(|(severity, _)| severity)
            .max()
            .expect("an alert")
    }

    fn first_heard(&self, place: usize) -> i64 {
        self.counted(place).map(|(_, at)| at).min().expect("an alert")
    }

    fn last_heard(&self, place: usize) -> i64 {
        self.counted(place).map(|(_, at)| at).max().expect("an alert")
    }

    fn root(&self, place: usize) -> usize {
        self.lives[place].part_of.unwrap_or(place)
    }

    fn as_it_is(&self, place: usize) -> Before {
        let life = &self.lives[place];
        Before {
            taken: life.taken,
            closed: life.closed,
            verdict: life.verdict,
            calls: life.calls,
            severity: self.severity(place),
            rung: life.rung,
            due: life.due,
            reminders: life.reminders,
        }
    }

    pub(crate) fn alert(
        &mut self,
        of: usize,
        entity: u8,
        severity: Severity,
        number: u8,
        real: i64,
    ) -> Vec<Told> {
        if !self.seen.insert((of, entity, number)) {
            return vec![];
        }
        let is_silent = self.is_silent(of, real);
        let alert = (number, severity, real);
        let hears = |life: &Life| life.hears && life.key == (of, entity);
        let of_key: Vec<usize> = (0..self.lives.len())
            .filter(|place| hears(&self.lives[*place]))
            .collect();
        // One that is open, or part of an open one, before what is over.
        let is_open = |place: &&usize| !self.lives[self.root(**place)].closed;
        let before = of_key.iter().rfind(is_open).or(of_key.last()).copied();
        let goes_on = |place: &usize| {
            let root = self.root(*place);
            !self.lives[root].closed && real - self.last_heard(root) <= 14 * DAY
        };
        if let Some(place) = before.filter(goes_on) {
            return self.heard_again(place, alert, is_silent);
        }
        let place = self.lives.len();
        self.lives.push(Life {
            key: (of, entity),
            alerts: vec![alert],
            part_of: None,
            hears: true,
            taken: false,
            closed: false,
            verdict: None,
            calls: false,
            silenced: is_silent,
            rung: None,
            due: None,
            reminders: 0,
            done: None,
        });
        if is_silent {
            return vec![];
        }
        let reason = if before.is_some() {
            NotifyReason::Relapsed
        } else {
            NotifyReason::Opened
        };
        self.begin(place, reason)
    }

    fn begin(&mut self, place: usize, reason: NotifyReason) -> Vec<Told> {
        let (of, severity) = (self.lives[place].key.0, self.severity(place));
        let Some(first) = self.first(of, severity) else {
            return vec![];
        };
        if !self.lives[place].taken {
            let due = self.deadline(severity);
            let life = &mut self.lives[place];
            (life.rung, life.due, life.reminders) = (Some(first), due, 0);
        }
        let there = self
            .order(of, severity)
            .into_iter()
            .filter(|(at, ..)| *at == first);
        sorted(there.map(|(_, name, _)| (place, name, reason)))
    }

    fn heard_again(&mut self, home: usize, alert: (u8, Severity, i64), is_silent: bool) -> Vec<Told> {
        let place = self.root(home);
        let severity = alert.1;
        let from = self.severity(place);
        let is_raised = from < severity;
        // What has the same key as the whole is its own.
        let is_own = self.lives[home].key == self.lives[place].key;
        let home = if is_own { place } else { home };
        self.lives[home].alerts.push(alert);
        let life = &mut self.lives[place];
        if is_silent {
            if is_raised && !life.silenced {
                life.silenced = true;
                life.due = life.due.filter(|_| life.calls);
            }
            return vec![];
        }
        if life.silenced {
            life.silenced = false;
            return self.begin(place, NotifyReason::Opened);
        }
        if !is_raised {
            return vec![];
        }
        let of = life.key.0;
        let Some(first) = self.first(of, severity) else {
            return vec![];
        };
        let reached = self.lives[place].rung.unwrap_or(first).max(first);
        let deadline = self.deadline(severity);
        let life = &mut self.lives[place];
        life.rung = Some(reached);
        if !life.taken {
            life.due = match (life.due, deadline) {
                (Some(due), Some(deadline)) => Some(due.min(deadline)),
                (due, deadline) => due.or(deadline),
            };
        }
        let reason = |least| {
            if least <= from {
                NotifyReason::Raised
            } else {
                NotifyReason::Opened
            }
        };
        let there = self
            .order(of, severity)
            .into_iter()
            .filter(|(at, ..)| *at <= reached);
        sorted(there.map(|(_, name, least)| (place, name, reason(least))))
    }

    pub(crate) fn acknowledge(&mut self, which: usize, analyst: bool) -> Vec<Told> {
        let before = self.as_it_is(which);
        let life = &mut self.lives[which];
        // Who was asked for help, or has not taken it, takes it.
        if !life.taken || analyst && life.due.is_some() {
            life.done = Some((Did::Answer, before));
            life.taken = true;
            life.due = None;
        }
        vec![]
    }

    pub(crate) fn judge(&mut self, which: usize, verdict: Verdict) -> Vec<Told> {
        let before = self.as_it_is(which);
        let life = &mut self.lives[which];
        if life.closed && verdict != Verdict::NeedHelp || life.verdict == Some(verdict) {
            return vec![];
        }
        life.done = Some((Did::Answer, before));
        (life.taken, life.due, life.verdict) = (true, None, Some(verdict));
        life.calls = verdict == Verdict::NeedHelp;
        if !life.calls {
            return vec![];
        }
        let due = self.deadline_or_longest(before.severity);
        let life = &mut self.lives[which];
        (life.rung, life.due, life.reminders) = (Some(DUTY), due, 0);
        vec![(which, "duty".to_owned(), NotifyReason::HelpNeeded)]
    }

    pub(crate) fn close(&mut self, which: usize) -> Vec<Told> {
        let before = self.as_it_is(which);
        let life = &mut self.lives[which];
        if !life.closed || life.due.is_some() {
            life.done = Some((Did::Close, before));
            (life.taken, life.closed, life.calls, life.due) = (true, true, false, None);
        }
        vec![]
    }

    pub(crate) fn merge(&mut self, one: usize, two: usize) {
        if self.lives[one].key.0 != self.lives[two].key.0 {
            return;
        }
        let (before, other) = (self.as_it_is(one), self.as_it_is(two));
        if let Some(theirs) = self.join(one, two) {
            self.lives[one].done = Some((Did::Merge(two, other, theirs), before));
        }
    }

    fn join(&mut self, one: usize, two: usize) -> Option<Vec<usize>> {
        if one == two || self.lives[one].closed || self.lives[two].closed {
            return None;
        }
        let theirs: Vec<usize> = self.family(two).into_iter().filter(|part| *part != two).collect();
        for part in &theirs {
            self.lives[*part].part_of = Some(one);
        }
        let other = &mut self.lives[two];
        let (rung, reminders, calls) = (other.rung, other.reminders, other.calls);
        let due = other.due;
        (other.taken, other.closed, other.calls, other.due) = (true, true, false, None);
        (other.part_of, other.done) = (Some(one), None);
        let whole = &mut self.lives[one];
        // Whoever waits for an answer waits on, unless somebody has taken the whole; a call for help goes on anyway.
        let due = due.filter(|_| calls || !whole.taken);
        whole.due = whole.due.into_iter().chain(due).min();
        whole.rung = whole.rung.max(rung);
        whole.reminders = whole.reminders.max(reminders);
        whole.calls |= calls;
        Some(theirs)
    }

    pub(crate) fn split(&mut self, which: usize, odd: bool) {
        let before = self.as_it_is(which);
        let place = self.lives.len();
        let life = &mut self.lives[which];
        let is_chosen = |alert: &(u8, Severity, i64)| (alert.0 % 2 == 1) == odd;
        let (chosen, rest): (Vec<_>, Vec<_>) = life.alerts.iter().copied().partition(is_chosen);
        if life.closed || chosen.is_empty() || rest.is_empty() {
            return;
        }
        life.alerts = rest;
        life.done = Some((Did::Split(place), before));
        let part = Life {
            key: life.key,
            alerts: chosen,
            part_of: None,
            hears: false,
            taken: life.taken,
            closed: false,
            verdict: None,
            calls: life.calls,
            silenced: life.silenced,
            rung: life.rung,
            due: life.due,
            reminders: life.reminders,
            done: None,
        };
        self.lives.push(part);
    }

    pub(crate) fn take_out(&mut self, which: usize) {
        let whole = self.root(which);
        if whole == which || self.lives[whole].closed {
            return;
        }
        let life = &mut self.lives[whole];
        life.done = None;
        let (taken, rung, due, reminders) = (life.taken, life.rung, life.due, life.reminders);
        let part = &mut self.lives[which];
        (part.part_of, part.closed, part.taken) = (None, false, taken);
        (part.rung, part.due, part.reminders) = (rung, due, reminders);
    }

    pub(crate) fn undo(&mut self, which: usize) -> Vec<Told> {
        let Some((did, before)) = self.lives[which].done.clone() else {
            return vec![];
        };
        let life = &self.lives[which];
        let told = (life.rung, life.due, life.reminders);
        match did {
            Did::Answer => self.put(which, before, told),
            Did::Close => {
                let (key, hears) = (life.key, life.hears);
                let came_back = (0..self.lives.len()).any(|place| {
                    let other = &self.lives[place];
                    let is_open = !self.lives[self.root(place)].closed;
                    place != which && other.key == key && other.hears && is_open
                });
                if hears && came_back {
                    return vec![];
                }
                self.put(which, before, told);
            }
            Did::Merge(part, then, theirs) => {
                for one in theirs {
                    self.lives[one].part_of = Some(part);
                }
                self.lives[part].part_of = None;
                self.put(part, then, told);
                self.put(which, before, told);
            }
            Did::Split(part) => {
                if self.join(which, part).is_none() {
                    return vec![];
                }
            }
        }
        self.lives[which].done = None;
        vec![]
    }

    /// Makes a life as it was before; who was `told` that it became graver since stays told.
    fn put(&mut self, which: usize, before: Before, told: (Option<i32>, Option<i64>, u32)) {
        let now = self.severity(which);
        let is_graver = before.severity < now;
        let at_once = self.deadline(now).map(|_| self.clock());
        let life = &mut self.lives[which];
        (life.taken, life.closed, life.verdict) = (before.taken, before.closed, before.verdict);
        life.calls = before.calls;
        (life.rung, life.due, life.reminders) = (before.rung, before.due, before.reminders);
        if !is_graver || told.0.is_none() {
            return;
        }
        life.rung = before.rung.max(told.0);
        if before.rung.is_none() {
            life.reminders = told.2;
        }
        if !before.taken {
            let sooner = before
                .due
                .into_iter()
                .chain(told.1.filter(|_| before.rung.is_some()));
            life.due = sooner.min().or(at_once);
        }
    }

    pub(crate) fn unreached(&mut self, which: usize) -> Vec<Told> {
        let clock = self.clock();
        let life = &mut self.lives[which];
        life.due = life.due.map(|due| due.min(clock));
        vec![]
    }

    pub(crate) fn tick(&mut self, dies_after: Option<usize>) -> Vec<Told> {
        let clock = self.clock();
        self.ticked = Some((clock, self.wall, 0));
        self.is_new = false;
        let due: Vec<usize> = (0..self.lives.len())
            .filter(|place| self.lives[*place].due.is_some_and(|due| due <= clock))
            .collect();
        let mut told = Vec::new();
        for place in due.into_iter().take(dies_after.unwrap_or(usize::MAX)) {
            told.extend(self.climb(place));
        }
        if dies_after.is_some() {
            self.restart();
        }
        sorted(told.into_iter())
    }

    fn climb(&mut self, place: usize) -> Vec<Told> {
        let (of, severity) = (self.lives[place].key.0, self.severity(place));
        let calls_for_help = self.lives[place].calls;
        let (first, last) = (self.first_heard(place), self.last_heard(place));
        let covers_all =
            |(whose, from, until): &(usize, i64, i64)| *whose == of && *from <= first && last < *until;
        if self.silences.iter().any(covers_all) && !calls_for_help {
            self.lives[place].silenced = true;
            self.lives[place].due = None;
            return vec![];
        }
        let rung = self.lives[place].rung.expect("told before");
        let order = self.order(of, severity);
        let above = order.iter().map(|(at, ..)| *at).filter(|at| rung < *at).min();
        let (due, in_a_day) = (self.deadline_or_longest(severity), self.clock() + DAY);
        let life = &mut self.lives[place];
        match above {
            Some(above) => (life.rung, life.due, life.reminders) = (Some(above), due, 0),
            None if life.reminders < 30 => (life.due, life.reminders) = (Some(in_a_day), life.reminders + 1),
            None => {
                life.due = None;
                return vec![];
            }
        }
        let rung = life.rung;
        let there = order.into_iter().filter(|(at, ..)| Some(*at) == rung);
        there
            .map(|(_, name, _)| (place, name, NotifyReason::Escalated))
            .collect()
    }
}

fn sorted(told: impl Iterator<Item = Told>) -> Vec<Told> {
    let mut told: Vec<Told> = told.collect();
    told.sort();
    told
}
