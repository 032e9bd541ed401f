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
    severity: Severity,
    /// First and last heard of, in real minutes.
    first: i64,
    last: i64,
    taken: bool,
    closed: bool,
    verdict: Option<Verdict>,
    silenced: bool,
    /// Who was told last, by their place in the order.
    rung: Option<i32>,
    due: Option<i64>,
    reminders: u32,
    /// As it was before the last answer, and whether that closed it.
    before: Option<(bool, Before)>,
}

/// What an answer changes.
#[derive(Clone, Copy)]
struct Before {
    taken: bool,
    closed: bool,
    verdict: Option<Verdict>,
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

impl Life {
    fn remember(&mut self, is_close: bool) {
        let before = Before {
            taken: self.taken,
            closed: self.closed,
            verdict: self.verdict,
            severity: self.severity,
            rung: self.rung,
            due: self.due,
            reminders: self.reminders,
        };
        self.before = Some((is_close, before));
    }
}

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
        let before = self.lives.iter().rposition(|life| life.key == (of, entity));
        let goes_on =
            |place: &usize| !self.lives[*place].closed && real - self.lives[*place].last <= 14 * DAY;
        if let Some(place) = before.filter(goes_on) {
            return self.heard_again(place, severity, real, is_silent);
        }
        let place = self.lives.len();
        self.lives.push(Life {
            key: (of, entity),
            severity,
            first: real,
            last: real,
            taken: false,
            closed: false,
            verdict: None,
            silenced: is_silent,
            rung: None,
            due: None,
            reminders: 0,
            before: None,
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
        let (of, severity) = (self.lives[place].key.0, self.lives[place].severity);
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

    fn heard_again(&mut self, place: usize, severity: Severity, real: i64, is_silent: bool) -> Vec<Told> {
        let life = &mut self.lives[place];
        let from = life.severity;
        life.last = real;
        life.severity = life.severity.max(severity);
        let is_raised = from < severity;
        if is_silent {
            if is_raised && !life.silenced {
                life.silenced = true;
                let calls_for_help = life.verdict == Some(Verdict::NeedHelp);
                life.due = life.due.filter(|_| calls_for_help);
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
        let life = &mut self.lives[which];
        // Who was asked for help, or has not taken it, takes it.
        if !life.taken || analyst && life.due.is_some() {
            life.remember(false);
            life.taken = true;
            life.due = None;
        }
        vec![]
    }

    pub(crate) fn judge(&mut self, which: usize, verdict: Verdict) -> Vec<Told> {
        let life = &mut self.lives[which];
        if life.closed && verdict != Verdict::NeedHelp || life.verdict == Some(verdict) {
            return vec![];
        }
        life.remember(false);
        (life.taken, life.due, life.verdict) = (true, None, Some(verdict));
        if verdict != Verdict::NeedHelp {
            return vec![];
        }
        let severity = life.severity;
        let due = self.deadline_or_longest(severity);
        let life = &mut self.lives[which];
        (life.rung, life.due, life.reminders) = (Some(DUTY), due, 0);
        vec![(which, "duty".to_owned(), NotifyReason::HelpNeeded)]
    }

    pub(crate) fn close(&mut self, which: usize) -> Vec<Told> {
        let life = &mut self.lives[which];
        if !life.closed || life.due.is_some() {
            life.remember(true);
        }
        (life.taken, life.closed, life.due) = (true, true, None);
        vec![]
    }

    pub(crate) fn undo(&mut self, which: usize) -> Vec<Told> {
        let clock = self.clock();
        let key = self.lives[which].key;
        let mut others = self.lives.iter().enumerate();
        let came_back = others.any(|(place, life)| place != which && life.key == key && !life.closed);
        let life = &mut self.lives[which];
        let Some((was_close, before)) = life.before else {
            return vec![];
        };
        if was_close && came_back {
            return vec![];
        }
        life.before = None;
        (life.taken, life.closed, life.verdict) = (before.taken, before.closed, before.verdict);
        let is_graver = before.severity < life.severity;
        match (before.rung, life.rung) {
            (None, Some(_)) if is_graver => life.due = Some(clock),
            (then, now) => {
                life.rung = if is_graver { then.max(now) } else { then };
                (life.due, life.reminders) = (before.due, before.reminders);
            }
        }
        vec![]
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
        let (of, severity) = (self.lives[place].key.0, self.lives[place].severity);
        let calls_for_help = self.lives[place].verdict == Some(Verdict::NeedHelp);
        let (first, last) = (self.lives[place].first, self.lives[place].last);
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
