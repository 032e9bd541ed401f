//! A storm: however its alerts come, each is counted once, few incidents are opened, and what is far from it stands alone.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

#[path = "fixtures/alerts.rs"]
mod fixtures;

use alerting_incident::{
    Actor, CROWD_MIN, CROWD_WINDOW, DedupKey, History, Incident, Question, apply, close, goes_on,
};
use detect_alert::{Alert, Severity};
use ingest_event::Timestamp;
use proptest::prelude::*;

fn alert(entity: u8, second: u32) -> Alert {
    let entity = format!("2001:db8::{entity:x}");
    fixtures::alert(&entity, Severity::High, second, fixtures::at(i64::from(second)))
}

/// What a store would answer.
fn take(incidents: &mut Vec<Incident>, alert: &Alert) {
    let key = DedupKey::of(alert);
    let latest = |key: &DedupKey| incidents.iter().rfind(|incident| incident.key == *key);
    let is_near = |incident: &&Incident| {
        incident.key.kin() == key.kin()
            && incident.first_seen.since(alert.timestamp) <= CROWD_WINDOW
            && alert.timestamp.since(incident.first_seen) <= CROWD_WINDOW
    };
    let history = History {
        applied: false,
        latest: latest(&key),
        crowd: latest(&key.crowd()),
        near: incidents.iter().filter(is_near).count() as u64,
        silence: None,
    };
    let change = apply(history, alert, alert.timestamp).expect("never seen before");
    match incidents.iter_mut().find(|one| one.id == change.incident.id) {
        Some(one) => *one = change.incident,
        None => incidents.push(change.incident),
    }
}

proptest! {
    #[test]
    fn each_alert_counts_once_and_few_incidents_are_opened(
        alerts in prop::collection::btree_set((0..60_u8, 0..2_400_u32), 1..200), seed in any::<u64>()
    ) {
        // Any order within five minutes of each other, as a bus with partitions may bring them.
        let mut alerts: Vec<_> = alerts.into_iter().collect();
        let jitter = |second: u32| u64::from(second) + (seed ^ u64::from(second).wrapping_mul(0x9e37_79b9)) % 300;
        alerts.sort_by_key(|(entity, second)| (jitter(*second), *entity));
        let mut incidents = Vec::new();
        for (entity, second) in &alerts {
            let alert = alert(*entity, *second);
            let own = incidents.iter().rfind(|one: &&Incident| one.key == DedupKey::of(&alert)).cloned();
            take(&mut incidents, &alert);
            if let Some(own) = own {
                prop_assert!(goes_on(&own, &alert));
                let now = incidents.iter().find(|one| one.id == own.id).expect("there");
                prop_assert_eq!(now.count, own.count + 1, "it goes on with its own");
            }
        }
        prop_assert_eq!(incidents.iter().map(|one| one.count).sum::<u64>(), alerts.len() as u64);
        for crowd in incidents.iter().filter(|one| one.is_crowd()) {
            let question = Question::of(crowd);
            prop_assert!(question.addresses.is_empty(), "no single address says whose all are");
            prop_assert_eq!(&DedupKey::of(&crowd.lead), &crowd.key, "the store reads its key back from its lead");
        }
        // In any window no more are opened than a person looks into, with the crowds.
        for one in &incidents {
            let together = incidents.iter().filter(|other| {
                one.first_seen <= other.first_seen && other.first_seen.since(one.first_seen) <= CROWD_WINDOW
            });
            prop_assert!(together.count() as u64 <= 2 * (CROWD_MIN + 1), "{:?}", incidents.len());
        }
    }
}

#[test]
fn what_is_far_from_the_storm_stands_alone_and_a_closed_crowd_takes_in_nobody() {
    let mut incidents = Vec::new();
    for entity in 0..20 {
        take(&mut incidents, &alert(entity, u32::from(entity)));
    }
    assert_eq!(incidents.len(), 6);
    let window = u32::try_from(CROWD_WINDOW.as_secs()).expect("small");
    // The crowd was heard of last at second 19: just near it, and then too far from it as it is now.
    take(&mut incidents, &alert(30, 19 + window));
    assert_eq!(incidents.len(), 6);
    take(&mut incidents, &alert(31, 19 + 2 * window + 1));
    assert_eq!((incidents.len(), incidents[6].is_crowd()), (7, false));
    let actor = Actor::Analyst {
        name: "a".to_owned(),
        account: None,
    };
    let closed = close(&incidents[5], &actor, "", Timestamp::EPOCH)
        .expect("it was open")
        .incident;
    let crowd = closed.id.clone();
    incidents[5] = closed;
    take(&mut incidents, &alert(40, 21));
    assert!(incidents[7].is_crowd(), "the storm goes on: many again");
    assert_eq!(incidents[7].relapse_of.as_ref(), Some(&crowd));
}
