//! Detectors of one group come and go while events come, on a real Kafka: every event is told of, by its id once.
//!
//! The long form (`VARDE_LONG=1`, release): 300,000 events under 40 changes of the group.

#[path = "lab/lab.rs"]
mod lab;

use std::collections::VecDeque;

use detect::{live::Live, metrics::Metrics};
use lab::{Lab, ORGANIZATIONS, Running, compile, event, is_long, rules, until};

/// At most so many detectors at a time.
const MEMBERS_MAX: usize = 3;

/// What happens to the group.
#[derive(Clone, Copy, Debug)]
enum Change {
    Join,
    Leave,
    Die,
}

const CHANGES: [Change; 8] = [
    Change::Join,
    Change::Join,
    Change::Leave,
    Change::Join,
    Change::Die,
    Change::Join,
    Change::Die,
    Change::Leave,
];

#[tokio::test(flavor = "multi_thread")]
async fn members_that_join_leave_and_die_lose_no_event() {
    let Some(lab) = Lab::kafka().await else { return };
    let (turns, a_turn) = if is_long() { (40, 7_500) } else { (6, 1_800) };
    let live = Live::new(compile(&rules(50, 0), Vec::new()));
    let metrics = Metrics::new().expect("registered");
    let mut topics = Vec::new();
    for organization in ORGANIZATIONS {
        topics.push((organization, lab.topic(organization).await));
    }
    let mut members = VecDeque::from([lab.detector(&live, &metrics).await]);
    let collector = lab.collect();
    let producer = lab.bus.producer().expect("a producer");
    let mut all = 0;
    for change in CHANGES.into_iter().cycle().take(turns) {
        let before = all as usize;
        for (organization, topic) in &topics {
            let numbers = all..all + a_turn / topics.len() as u64;
            all = numbers.end;
            let records = numbers.map(|number| event(&lab.run, organization, number));
            producer
                .publish(topic, records.collect())
                .await
                .expect("published");
        }
        match change {
            Change::Join if members.len() < MEMBERS_MAX => {
                members.push_back(lab.detector(&live, &metrics).await);
            }
            Change::Die if 1 < members.len() => members.pop_front().expect("one").kill().await,
            Change::Join | Change::Leave | Change::Die => {
                if 1 < members.len() {
                    members.pop_front().expect("one").stop().await;
                }
            }
        }
        // The next change comes while this turn's events are still being worked off.
        until("some of the turn is told", || before < collector.count()).await;
    }
    until("every event is told of", || all as usize <= collector.count()).await;
    for member in members {
        Running::stop(member).await;
    }
    let told = collector.finish();
    assert_eq!(told.len() as u64, all);
    for (number, told) in &told {
        assert_eq!(told.ids.len(), 1, "event {number}: an alert for each reading");
    }
    let repeated: usize = told.values().map(|told| told.times - 1).sum();
    println!(
        "{all} events and {turns} changes of the group: each event told of; {repeated} alerts came again with the same \
         id; {} events were scanned",
        metrics.events_scanned.get()
    );
}
