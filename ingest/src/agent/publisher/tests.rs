//! What the bus refuses, on the embedded bus.

use ingest_bus::{BusConfig, PollLimit, Subscription, Topic};

use super::*;
use crate::clock::Clock;
use crate::config;
use crate::metrics::Metrics;
use crate::publish::EVENT_BYTES_MAX;
use crate::spool::{Room, Spool, Stream};

/// How many records a topic has.
async fn count_of(bus: &Bus, name: &str) -> usize {
    let topic = Topic::parse(name).expect("a name");
    let ends = bus.end_positions(&topic).await.expect("reads");
    let wanted: u64 = ends.iter().map(|position| position.offset).sum();
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let mut seen = 0;
    while (seen as u64) < wanted {
        let limit = PollLimit {
            records: 5_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(5),
        };
        seen += consumer.poll(limit).await.expect("polls").deliveries.len();
    }
    seen
}

/// What was put aside on its way is held until the bus has it, and counted as refused only then.
#[test]
fn what_is_put_aside_on_its_way_is_counted_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\n\
                bus: { embedded: { directory: unused } }\nsources: []\n";
    let context = config::parse(text, "sensor.yml").expect("reads").context;
    let mut spool = Spool::open(directory.path(), 1 << 30).expect("opens");
    let mut append = spool.append(Room::Wait);
    append.event(Stream::Log, Timestamp::EPOCH, |_| {
        (b"key".to_vec(), b"long".to_vec())
    });
    append.commit().expect("commits");
    let (metrics, site) = (
        Metrics::new().expect("registers"),
        crate::site::Site::open(directory.path()),
    );
    let site = site.expect("opens");
    let intake = Intake::new(spool, site, context, Vec::new(), Clock::System, metrics);
    let mut batch = intake.oldest();
    put_entry_aside(&intake, &mut batch[0], QuarantineReason::TooLarge, "too large");
    assert_eq!(
        batch[0].key,
        b"sensor-1"[..],
        "quarantine takes the sensor's own key"
    );
    let account = intake.account();
    assert_eq!((account.refused, account.held), (0, 1));
    assert!(account.is_balanced(), "{account:?}");
    intake.published(&batch).expect("notes");
    let account = intake.account();
    assert_eq!((account.refused, account.held), (1, 0));
    assert!(account.is_balanced(), "{account:?}");
}

/// Each record that is too large costs one attempt, and the others go out once.
#[tokio::test]
async fn records_that_are_too_large_are_put_aside_alone() {
    const COUNT: usize = 300;
    let directory = tempfile::tempdir().expect("a directory");
    let text = "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\n\
                bus: { embedded: { directory: unused } }\nsources: []\n";
    let context = config::parse(text, "sensor.yml").expect("reads").context;
    let topics = Topics::of(context.organization).expect("names");
    let mut spool = Spool::open(directory.path(), 1 << 30).expect("opens");
    let mut append = spool.append(Room::Wait);
    for number in 0..COUNT {
        let bytes = if number % 100 == 50 {
            EVENT_BYTES_MAX as usize + 1
        } else {
            10
        };
        append.event(Stream::Log, Timestamp::EPOCH, |_| {
            (b"key".to_vec(), vec![b'x'; bytes])
        });
    }
    append.commit().expect("commits");
    let bus = Bus::open(&BusConfig::Embedded {
        directory: directory.path().join("bus"),
    })
    .await
    .expect("opens");
    bus.ensure_topics(&topics.specs()).await.expect("makes them");
    let metrics = Metrics::new().expect("registers");
    let site = crate::site::Site::open(directory.path()).expect("opens");
    let intake = Arc::new(Intake::new(
        spool,
        site,
        context,
        Vec::new(),
        Clock::System,
        metrics.clone(),
    ));
    let done = CancellationToken::new();
    done.cancel();
    run(&bus, &topics, &intake, &done).await.expect("publishes");
    assert_eq!(metrics.publish_failures.get(), 3, "one for each");
    assert_eq!(metrics.events_published.get(), COUNT as u64 - 3);
    assert_eq!(metrics.records_refused.with_label_values(&["too_large"]).get(), 3);
    let names = topics.specs().map(|spec| spec.topic.as_str().to_owned());
    assert_eq!(count_of(&bus, &names[0]).await, COUNT - 3);
    assert_eq!(count_of(&bus, &names[1]).await, 3);
    assert_eq!(metrics.spool_bytes.get(), 0);
    assert!(intake.account().is_balanced(), "{:?}", intake.account());
}

/// What somebody has to mend first is waited for, longer each time and not for ever.
#[test]
fn a_refusal_is_told_and_tried_again_with_growing_pauses() {
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let error = ingest_bus::PublishError::UnknownTopic { topic };
    let pauses: Vec<_> = [1, 2, 3, 50]
        .map(|failures| match publish::next(&error, failures) {
            Next::Tell(pause) => pause.as_millis(),
            other @ (Next::Retry(_) | Next::PutAside) => panic!("{other:?}"),
        })
        .to_vec();
    assert_eq!(pauses, [100, 200, 400, 60_000]);
}
