use ingest_bus::Topic;

use super::*;
use crate::signals::tests::{organization, ruleset, signals};

/// A partition of two that is taken over, as the pipeline does: with what the newest records say.
fn take_over(newest: &std::collections::BTreeMap<Vec<u8>, Record>, owner: u64) -> Partition {
    let place = TopicPartition {
        topic: Topic::parse(&format!("varde.events.{}", organization())).expect("a name"),
        partition: 0,
    };
    let (lease, found) = Lease::take(newest, "g", &place, 0, owner).expect("taken over");
    let takeover = Takeover {
        group: "g",
        place: &place,
        lease,
        found,
        end: 1_000,
        partitions: 2,
        lanes: 1,
        now: Timestamp::EPOCH,
    };
    Partition::take_over(takeover, &ruleset()).expect("restored")
}

fn outbox(partition: &mut Partition) -> &mut Outbox {
    match &mut partition.kind {
        Kind::Events(events) => events.outbox.as_mut().expect("one"),
        Kind::Signals(_) => panic!("no events"),
    }
}

fn publish(newest: &mut std::collections::BTreeMap<Vec<u8>, Record>, written: Written) {
    let records = written.chunks.into_iter().chain([written.manifest]);
    newest.extend(records.map(|record| (record.key.clone().expect("a key"), record)));
}

fn counted(inbox: &mut Inbox, records: &[Record]) -> usize {
    let took = records
        .iter()
        .map(|record| inbox.take("g", &record.value).expect("understood"));
    took.filter_map(|took| Some(took.ok()??.signals.len())).sum()
}

/// Killed after its parts were out and before its checkpoint was.
#[test]
fn what_an_owner_sent_after_its_last_checkpoint_counts_once_though_another_sends_it_again() {
    let (mut newest, mut inbox) = (std::collections::BTreeMap::new(), Inbox::default());
    let mut first = take_over(&newest, 1);
    publish(&mut newest, first.checkpoint("r").expect("written"));
    assert_eq!(counted(&mut inbox, &first.checkpointed().marks), 0);
    outbox(&mut first).put(signals(0..5));
    let parts = first.rest();
    publish(&mut newest, first.checkpoint("r").expect("written"));
    let marks = first.checkpointed().marks;
    outbox(&mut first).put(signals(5..8));
    let more = first.rest();
    // Its mark may come or not: whoever takes over says again what is durable.
    for is_marked in [true, false] {
        let (mut newest, mut inbox) = (newest.clone(), inbox.clone());
        let mut count = counted(&mut inbox, &parts);
        count += counted(&mut inbox, if is_marked { &marks } else { &[] });
        count += counted(&mut inbox, &more);

        let mut second = take_over(&newest, 2);
        publish(&mut newest, second.checkpoint("r").expect("written"));
        count += counted(&mut inbox, &second.checkpointed().marks);
        assert_eq!(count, 5, "what is not durable does not count");
        assert_eq!(inbox.bytes(), 0);

        // It is killed too, at the same place; and the third gets on.
        outbox(&mut second).put(signals(5..8));
        count += counted(&mut inbox, &second.rest());
        let mut third = take_over(&newest, 3);
        publish(&mut newest, third.checkpoint("r").expect("written"));
        count += counted(&mut inbox, &third.checkpointed().marks);
        outbox(&mut third).put(signals(5..8));
        count += counted(&mut inbox, &third.rest());
        publish(&mut newest, third.checkpoint("r").expect("written"));
        count += counted(&mut inbox, &third.checkpointed().marks);
        assert_eq!(count, 8);
    }
}
