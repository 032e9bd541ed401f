//! The service itself on a bus: detectors of one group that come and go while they work off what is there.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use detect::{
    live::Live,
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
};
use detect_alert::Alert;
use detect_engine::Ruleset;
use ingest_bus::{Bus, BusConfig, Cleanup, KafkaConfig, PollLimit, Record, Subscription, Topic, TopicSpec};
use tokio_util::sync::CancellationToken;

use super::{
    events::{Happening, Random},
    plant::{Alerts, difference, disturbed, encoded, undisturbed},
};

/// How long a test waits for something that must come; never how long it takes.
const PATIENCE: Duration = Duration::from_secs(240);

/// So often a detector goes and another comes.
const CHANGES: u64 = 6;

pub(crate) fn embedded(folder: &std::path::Path) -> BusConfig {
    BusConfig::Embedded {
        directory: folder.to_owned(),
    }
}

pub(crate) fn kafka(bootstrap: String) -> BusConfig {
    BusConfig::Kafka(KafkaConfig {
        bootstrap,
        client_id: "determinism".to_owned(),
        properties: BTreeMap::new(),
    })
}

struct Running {
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
    stop: CancellationToken,
}

struct Floor {
    group: String,
    bus: Bus,
    live: Live,
    metrics: Metrics,
}

impl Floor {
    async fn detector(&self) -> Running {
        let parts = Parts {
            group: self.group.clone(),
            checkpoint_interval: Duration::from_millis(20),
            signals_partitions: 3,
            clock: detect::clock::now,
            live: self.live.clone(),
            metrics: self.metrics.clone(),
            bus: self.bus.clone(),
        };
        let stop = CancellationToken::new();
        let pipeline = Pipeline::open(parts).await.expect("open");
        Running {
            task: tokio::spawn(pipeline.run(stop.clone())),
            stop,
        }
    }

    async fn leave(&self, running: Running, random: &mut Random) {
        if random.below(2) == 0 {
            running.stop.cancel();
            running.task.await.expect("joined").expect("stopped cleanly");
        } else {
            // In the middle of whatever it did.
            running.task.abort();
            let _ = running.task.await;
        }
    }
}

/// Publishes what happened to so many partitions and lets two detectors at a time find what is in it.
pub(crate) async fn check(
    config: &BusConfig,
    happening: &Happening,
    ruleset: &Arc<Ruleset>,
    partitions: u32,
    seed: u64,
) {
    let expected = undisturbed(happening, ruleset);
    assert!(
        !expected.is_empty(),
        "nothing is raised, so nothing would be shown"
    );
    let mut random = Random::new(seed);
    let bus = Bus::open(config).await.expect("opened");
    let topic = publish(&bus, happening, partitions, &mut random).await;
    let count: u64 = {
        let ends = bus.end_positions(&topic).await.expect("read");
        ends.iter().map(|end| end.offset).sum()
    };
    let floor = Floor {
        group: format!("determinism-{}", happening.organization),
        bus,
        live: Live::new(Arc::clone(ruleset)),
        metrics: Metrics::new().expect("registered"),
    };
    let mut members = vec![floor.detector().await, floor.detector().await];
    for change in 1..=CHANGES {
        let part = count * change / (CHANGES + 2);
        println!("{part} of {count} events, then a change");
        until("the detectors get on", || {
            part <= floor.metrics.events_scanned.get()
        })
        .await;
        let gone = members.remove(random.below(members.len()));
        floor.leave(gone, &mut random).await;
        members.push(floor.detector().await);
    }
    let alerts = Topic::parse(detect_alert::topic::ALERTS).expect("a name");
    let mut reader = floor
        .bus
        .consumer(
            &format!("reader-{}", happening.organization),
            Subscription::Topics(vec![alerts]),
        )
        .expect("a consumer");
    let (mut found, until) = (Alerts::new(), Instant::now() + PATIENCE);
    // What is missing, comes; what is too much, would have come by then or comes while they stop.
    while !expected.is_subset(&found) && Instant::now() < until {
        read(&mut reader, happening, &mut found).await;
    }
    for member in members {
        member.stop.cancel();
        member.task.await.expect("joined").expect("stopped cleanly");
    }
    read(&mut reader, happening, &mut found).await;
    reader.close().await;
    assert!(
        expected == found,
        "{partitions} partitions, seed {seed}:\n{}",
        difference(&expected, &found)
    );
}

async fn publish(bus: &Bus, happening: &Happening, partitions: u32, random: &mut Random) -> Topic {
    let topic = Topic::parse(&format!("varde.events.{}", happening.organization)).expect("a name");
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions,
        cleanup: Cleanup::Delete {
            retention: Duration::from_secs(24 * 3600),
        },
        max_record_bytes: 8 << 20,
    };
    bus.ensure_topics(&[spec]).await.expect("made");
    let producer = bus.producer().expect("a producer");
    let events = disturbed(&happening.events, random);
    for chunk in events.chunks(5_000) {
        let records = chunk
            .iter()
            .map(|event| Record::new(event.payload.clone()).with_key(event.key.clone()));
        producer
            .publish(&topic, records.collect())
            .await
            .expect("published");
    }
    topic
}

async fn read(reader: &mut ingest_bus::Consumer, happening: &Happening, found: &mut Alerts) {
    let limit = PollLimit {
        records: 4_096,
        bytes: 8 << 20,
        wait: Duration::from_secs(2),
    };
    for delivery in reader.poll(limit).await.expect("polled").deliveries {
        let alert: Alert = detect_alert::decode(&delivery.record.value).expect("an alert");
        if alert.organization == happening.organization {
            found.insert(encoded(alert));
        }
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}
