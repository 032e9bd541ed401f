//! What a store keeps, and what it does with merges and splits: sets of alerts beside the incidents, counted anew each time.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

use std::collections::{BTreeMap, BTreeSet};

use alerting_incident::{
    Before, Chosen, DedupKey, Incident, IncidentId, Moment, Portion, Undoable, handed_over, merge,
    part_grown, released, split, undo, unmerge,
};
use detect_alert::{Alert, AlertId};
use ingest_event::Timestamp;

use crate::{analyst, ladder, same, taken};

/// What a store keeps: rows in the order of opening, and in which row each alert came.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) rows: Vec<Incident>,
    homes: BTreeMap<AlertId, (IncidentId, Alert)>,
    /// Rows that take no new alerts.
    deaf: BTreeSet<IncidentId>,
    pub(crate) last: Option<Done>,
    /// Whether no alert came since.
    pub(crate) quiet: bool,
}

pub(crate) enum Done {
    Merge {
        survivor: IncidentId,
        before: Vec<(IncidentId, Before, Vec<IncidentId>)>,
        whole: Box<Incident>,
    },
    Split {
        whole: IncidentId,
        part: IncidentId,
    },
}

impl Book {
    fn row(&self, id: &IncidentId) -> Incident {
        self.rows.iter().find(|row| row.id == *id).expect("there").clone()
    }

    pub(crate) fn put(&mut self, incident: Incident) {
        match self.rows.iter_mut().find(|row| row.id == incident.id) {
            Some(row) => *row = incident,
            None => self.rows.push(incident),
        }
    }

    fn root(&self, id: &IncidentId) -> Incident {
        let row = self.row(id);
        row.merged_into
            .as_ref()
            .map_or(row.clone(), |into| self.row(into))
    }

    fn parts(&self, of: &IncidentId) -> Vec<Incident> {
        let is_of = |row: &&Incident| row.merged_into.as_ref() == Some(of);
        self.rows.iter().filter(is_of).cloned().collect()
    }

    pub(crate) fn alert(&mut self, alert: &Alert) {
        if self.homes.contains_key(&alert.id) {
            return;
        }
        let key = DedupKey::of(alert);
        let of_key = self
            .rows
            .iter()
            .filter(|row| row.key == key && !self.deaf.contains(&row.id));
        let home = of_key
            .max_by_key(|row| (!self.root(&row.id).is_over(), row.opened_at))
            .cloned();
        let root = home.as_ref().map(|home| self.root(&home.id));
        let next = taken(root.as_ref(), alert);
        let goes_on = root.as_ref().is_some_and(|root| root.id == next.id);
        // Of the same key, it counts what is the survivor's own.
        let part = home.filter(|home| goes_on && home.id != next.id && next.key != key);
        let home = part.as_ref().unwrap_or(&next).id.clone();
        if let Some(part) = part {
            self.put(part_grown(&part, alert, alert.timestamp));
        }
        self.put(next);
        self.homes.insert(alert.id.clone(), (home, alert.clone()));
    }

    pub(crate) fn merge(&mut self, one: usize, two: usize, now: Timestamp) {
        let (survivor, other) = (self.rows[one].clone(), self.rows[two].clone());
        let theirs: Vec<IncidentId> = self.parts(&other.id).into_iter().map(|row| row.id).collect();
        let family = self.parts(&survivor.id).len() + theirs.len();
        let Ok(merged) = merge(
            &survivor,
            std::slice::from_ref(&other),
            family,
            &analyst(),
            "",
            now,
        ) else {
            return;
        };
        for id in &theirs {
            self.put(handed_over(&self.row(id), &survivor.id, now));
        }
        self.put(merged.survivor.incident);
        merged
            .parts
            .into_iter()
            .for_each(|change| self.put(change.incident));
        let before = vec![(other.id.clone(), Before::of(&other), theirs)];
        self.quiet = true;
        self.last = Some(Done::Merge {
            survivor: survivor.id.clone(),
            before,
            whole: Box::new(survivor),
        });
    }

    pub(crate) fn split(&mut self, which: usize, take: u8, now: Timestamp) {
        let whole = self.rows[which].clone();
        let own: Vec<Alert> = self
            .homes
            .values()
            .filter(|(home, _)| *home == whole.id)
            .map(|(_, alert)| alert.clone())
            .collect();
        let (chosen, rest): (Vec<_>, Vec<_>) = own
            .iter()
            .cloned()
            .zip(0_u8..)
            .partition(|(_, place)| place % 3 < take % 4);
        let alerts = |some: &[(Alert, u8)]| some.iter().map(|(alert, _)| alert.clone()).collect::<Vec<_>>();
        let (chosen, rest) = (alerts(&chosen), alerts(&rest));
        let (Some(one), Some(two)) = (portion(&chosen), portion(&rest)) else {
            return;
        };
        let events = chosen
            .iter()
            .flat_map(|alert| alert.events.iter().map(|event| event.id.clone()));
        let which = Chosen::Events(events.collect());
        let parts = self.parts(&whole.id);
        let Ok(done) = split(&whole, &which, &one, &two, &parts, &analyst(), "", now) else {
            return;
        };
        let part = done.part.incident;
        for alert in &chosen {
            self.homes
                .insert(alert.id.clone(), (part.id.clone(), alert.clone()));
        }
        self.deaf.insert(part.id.clone());
        self.last = Some(Done::Split {
            whole: whole.id,
            part: part.id.clone(),
        });
        self.put(done.rest.incident);
        self.put(part);
    }

    pub(crate) fn take_out(&mut self, which: usize, now: Timestamp) {
        let part = self.rows[which].clone();
        let Some(into) = part.merged_into.clone() else {
            return;
        };
        let survivor = self.row(&into);
        if survivor.is_over() {
            return;
        }
        let staying: Vec<_> = self
            .parts(&into)
            .into_iter()
            .filter(|row| row.id != part.id)
            .collect();
        let (survivor, part) = unmerge(
            &survivor,
            &staying,
            &part,
            &[],
            None,
            &ladder(),
            Moment { now, steady: now },
        );
        assert_eq!(part.state, survivor.state);
        self.put(survivor);
        self.put(part);
        self.last = None;
    }

    /// Takes back the last merge or split; of a merge with nothing since, it must be as if nothing had been.
    pub(crate) fn undo(&mut self, now: Timestamp) {
        match self.last.take() {
            Some(Done::Merge {
                survivor,
                before,
                whole,
            }) => {
                for (id, before, theirs) in before {
                    let gone: BTreeSet<_> = theirs.iter().chain([&id]).cloned().collect();
                    let staying: Vec<_> = self
                        .parts(&survivor)
                        .into_iter()
                        .filter(|row| !gone.contains(&row.id))
                        .collect();
                    let its: Vec<_> = theirs
                        .iter()
                        .map(|one| handed_over(&self.row(one), &id, now))
                        .collect();
                    let (rest, part) = unmerge(
                        &self.row(&survivor),
                        &staying,
                        &self.row(&id),
                        &its,
                        Some(&before),
                        &ladder(),
                        Moment { now, steady: now },
                    );
                    its.into_iter().for_each(|row| self.put(row));
                    self.put(part);
                    let moment = Moment { now, steady: now };
                    let whole_before = Before::of(&whole);
                    let what = Undoable::Merge;
                    let rest = undo(&rest, &whole_before, what, &analyst(), &ladder(), moment).incident;
                    if self.quiet {
                        assert!(same(&rest, &whole), "{rest:?}\n{whole:?}");
                    }
                    self.put(rest);
                }
            }
            Some(Done::Split { whole, part }) => {
                let (whole, part) = (self.row(&whole), self.row(&part));
                let family = self.parts(&whole.id).len();
                let merged = merge(&whole, &[part], family, &analyst(), "", now).expect("both are open");
                self.put(merged.survivor.incident);
                merged
                    .parts
                    .into_iter()
                    .for_each(|change| self.put(change.incident));
            }
            None => {}
        }
    }

    /// Each incident says what its alerts say.
    pub(crate) fn check(&self) {
        let mut counted = 0;
        for root in self.rows.iter().filter(|row| row.merged_into.is_none()) {
            let alerts: Vec<&Alert> = self
                .homes
                .values()
                .filter(|(home, _)| self.root(home).id == root.id)
                .map(|(_, alert)| alert)
                .collect();
            assert_eq!(root.count, alerts.len() as u64, "{root:?}");
            counted += alerts.len();
            assert_eq!(
                Some(root.severity()),
                alerts.iter().map(|alert| alert.severity).max()
            );
            assert_eq!(
                Some(root.first_seen),
                alerts.iter().map(|alert| alert.timestamp).min()
            );
            assert_eq!(
                Some(root.last_seen),
                alerts.iter().map(|alert| alert.timestamp).max()
            );
            let known: BTreeSet<_> = alerts
                .iter()
                .flat_map(|alert| alert.events.iter().map(|event| &event.id))
                .collect();
            assert!(
                root.lead.events.iter().all(|event| known.contains(&event.id)),
                "a sample of another's"
            );
            assert!(same(root, &released(root, &self.parts(&root.id))), "{root:?}");
        }
        assert_eq!(
            counted,
            self.homes.len(),
            "each alert is in one incident, and none is lost"
        );
    }
}

fn portion(alerts: &[Alert]) -> Option<Portion> {
    Some(Portion {
        count: alerts.len() as u64,
        first_seen: alerts.iter().map(|alert| alert.timestamp).min()?,
        last_seen: alerts.iter().map(|alert| alert.timestamp).max()?,
        severity: alerts.iter().map(|alert| alert.severity).max()?,
    })
}
