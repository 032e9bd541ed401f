//! What the service does with merges, splits and what is taken back, on the incidents of the month.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

use alerting_incident::{
    Actor, Before, Chosen, DedupKey, Incident, Portion, Undoable, handed_over, merge, split, undo, unmerge,
};
use detect_alert::Alert;

use crate::{World, naive::Told};

/// What was done with an incident last.
#[derive(Clone)]
pub(crate) struct Done {
    pub(crate) what: Undoable,
    pub(crate) before: Before,
    /// Of a merge what became part of it, how that was, and what was part of that; of a split the part.
    pub(crate) others: Vec<(usize, Before, Vec<usize>)>,
}

fn someone() -> Actor {
    Actor::Analyst {
        name: "someone".to_owned(),
        account: None,
    }
}

fn portion(alerts: &[&Alert]) -> Option<Portion> {
    Some(Portion {
        count: alerts.len() as u64,
        first_seen: alerts.iter().map(|alert| alert.timestamp).min()?,
        last_seen: alerts.iter().map(|alert| alert.timestamp).max()?,
        severity: alerts.iter().map(|alert| alert.severity).max()?,
    })
}

impl World {
    /// The incident that counts what one counts.
    pub(crate) fn root(&self, which: usize) -> usize {
        let into = self.incidents[which].merged_into.as_ref();
        into.map_or(which, |into| {
            let whole = self.incidents.iter().position(|one| one.id == *into);
            whole.expect("there")
        })
    }

    /// The newest of a key, one that is open, or part of an open one, first.
    pub(crate) fn newest(&self, key: &DedupKey) -> Option<usize> {
        let is_of = |place: &usize| self.incidents[*place].key == *key && !self.deaf.contains(place);
        let all = (0..self.incidents.len()).filter(is_of);
        all.max_by_key(|place| (!self.incidents[self.root(*place)].is_over(), *place))
    }

    fn parts(&self, of: usize) -> Vec<usize> {
        let id = Some(&self.incidents[of].id);
        (0..self.incidents.len())
            .filter(|place| self.incidents[*place].merged_into.as_ref() == id)
            .collect()
    }

    fn rows(&self, places: &[usize]) -> Vec<Incident> {
        places
            .iter()
            .map(|place| self.incidents[*place].clone())
            .collect()
    }

    fn hand_over(&mut self, places: &[usize], to: usize) {
        let (id, now) = (self.incidents[to].id.clone(), self.moment().now);
        for place in places {
            self.incidents[*place] = handed_over(&self.incidents[*place], &id, now);
        }
    }

    /// Makes the second part of the first; what was part of the second, if it was done.
    fn join(&mut self, one: usize, two: usize) -> Option<Vec<usize>> {
        let theirs = self.parts(two);
        let (survivor, other) = (self.incidents[one].clone(), self.incidents[two].clone());
        let family = self.parts(one).len() + theirs.len();
        let others = std::slice::from_ref(&other);
        let merged = merge(&survivor, others, family, &someone(), "", self.moment().now).ok()?;
        self.hand_over(&theirs, one);
        self.incidents[one] = merged.survivor.incident;
        self.incidents[two] = merged.parts[0].incident.clone();
        self.done.remove(&two);
        Some(theirs)
    }

    pub(crate) fn merge(&mut self, one: usize, two: usize) {
        let (survivor, other) = (self.incidents[one].clone(), self.incidents[two].clone());
        if survivor.key.organization != other.key.organization {
            return;
        }
        let Some(theirs) = self.join(one, two) else { return };
        let done = Done {
            what: Undoable::Merge,
            before: Before::of(&survivor),
            others: vec![(two, Before::of(&other), theirs)],
        };
        self.done.insert(one, done);
    }

    pub(crate) fn split(&mut self, which: usize, odd: bool) {
        let whole = self.incidents[which].clone();
        let own = (0..self.homes.len()).filter(|place| self.homes[*place].0 == which);
        let is_chosen = |place: &usize| (self.homes[*place].1 % 2 == 1) == odd;
        let (chosen, rest): (Vec<usize>, Vec<usize>) = own.partition(is_chosen);
        let of = |some: &[usize]| portion(&some.iter().map(|at| &self.homes[*at].2).collect::<Vec<_>>());
        let (Some(one), Some(two)) = (of(&chosen), of(&rest)) else {
            return;
        };
        let parts = self.rows(&self.parts(which));
        let events = Chosen::Events([].into());
        let now = self.moment().now;
        let Ok(done) = split(&whole, &events, &one, &two, &parts, &someone(), "", now) else {
            return;
        };
        let part = self.incidents.len();
        self.incidents.push(done.part.incident);
        self.incidents[which] = done.rest.incident;
        self.deaf.insert(part);
        for place in chosen {
            self.homes[place].0 = part;
        }
        let before = Before::of(&whole);
        let done = Done {
            what: Undoable::Split,
            before: before.clone(),
            others: vec![(part, before, vec![])],
        };
        self.done.insert(which, done);
    }

    pub(crate) fn take_out(&mut self, which: usize) {
        let into = self.root(which);
        if into == which || self.incidents[into].is_over() {
            return;
        }
        let staying: Vec<usize> = self.parts(into).into_iter().filter(|one| *one != which).collect();
        let (rest, own) = unmerge(
            &self.incidents[into],
            &self.rows(&staying),
            &self.incidents[which],
            &[],
            None,
            &self.ladder,
            self.moment(),
        );
        self.incidents[into] = rest;
        self.incidents[which] = own;
        self.done.remove(&into);
    }

    pub(crate) fn undo(&mut self, which: usize) -> Vec<Told> {
        let Some(done) = self.done.get(&which).cloned() else {
            return vec![];
        };
        let mut before = done.before;
        match done.what {
            Undoable::Close if self.came_back(which) => return vec![],
            Undoable::Merge => {
                for (part, then, theirs) in &done.others {
                    self.take_apart(which, *part, then, theirs);
                }
            }
            Undoable::Split => {
                let part = done.others[0].0;
                if self.incidents[part].is_over() || self.join(which, part).is_none() {
                    return vec![];
                }
                before = Before::of(&self.incidents[which]);
            }
            Undoable::Acknowledge | Undoable::Verdict | Undoable::Close | Undoable::Assign => {}
        }
        self.done.remove(&which);
        let incident = &self.incidents[which];
        let change = undo(
            incident,
            &before,
            done.what,
            &someone(),
            &self.ladder,
            self.moment(),
        );
        self.decide(Some(change))
    }

    fn take_apart(&mut self, whole: usize, part: usize, then: &Before, theirs: &[usize]) {
        self.hand_over(theirs, part);
        let staying: Vec<usize> = self.parts(whole).into_iter().filter(|one| *one != part).collect();
        let (rest, own) = unmerge(
            &self.incidents[whole],
            &self.rows(&staying),
            &self.incidents[part],
            &self.rows(&self.parts(part)),
            Some(then),
            &self.ladder,
            self.moment(),
        );
        self.incidents[whole] = rest;
        self.incidents[part] = own;
    }

    /// Whether another of its key is open, or part of an open one.
    fn came_back(&self, which: usize) -> bool {
        let incident = &self.incidents[which];
        let is_other = |place: usize| place != which && !self.deaf.contains(&place);
        !self.deaf.contains(&which)
            && (0..self.incidents.len()).any(|place| {
                let is_open = !self.incidents[self.root(place)].is_over();
                is_other(place) && self.incidents[place].key == incident.key && is_open
            })
    }

    /// Each incident says what its alerts say.
    pub(crate) fn is_counted(&self) -> bool {
        (0..self.incidents.len()).all(|place| {
            let of = |home: usize| match self.incidents[place].merged_into {
                None => self.root(home) == place,
                Some(_) => home == place,
            };
            let alerts: Vec<&Alert> = self
                .homes
                .iter()
                .filter(|(home, ..)| of(*home))
                .map(|(.., alert)| alert)
                .collect();
            let incident = &self.incidents[place];
            let said = Portion {
                count: incident.count,
                first_seen: incident.first_seen,
                last_seen: incident.last_seen,
                severity: incident.severity(),
            };
            portion(&alerts) == Some(said)
        })
    }
}
