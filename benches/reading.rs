//! The detector on Kafka, beside a consumer that only reads the same topic.

use std::time::{Duration, Instant};

use detect::{
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
};
use ingest_bus::{
    Bus, BusConfig, Cleanup, PollLimit, Record, Subscription, Topic, TopicSpec, kafka::KafkaConfig,
};
use ingest_event::{OrganizationNumber, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    measure::{Contender, Row, median, rate},
    scan,
    workload::{HIT_EVERY, benign_day},
};

const EVENTS: u64 = 300_000;
const ROUNDS: usize = 3;

/// # Errors
/// If no Kafka runs, or the detector finds something else than it should.
pub fn run() -> anyhow::Result<Vec<Row>> {
    // One thread: what is compared is one core's work.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(measure())
}

/// A bus on the broker that `scripts/bench` started.
///
/// # Errors
/// If the address is not given or the client can't be made.
pub async fn kafka() -> anyhow::Result<Bus> {
    let bootstrap = std::env::var("VARDE_TEST_KAFKA").map_err(|_| {
        anyhow::anyhow!("VARDE_TEST_KAFKA is not set: run scripts/bench, which starts a broker")
    })?;
    let config = KafkaConfig {
        bootstrap,
        client_id: "bench".to_owned(),
        properties: std::collections::BTreeMap::new(),
    };
    Ok(Bus::open(&BusConfig::Kafka(config)).await?)
}

async fn measure() -> anyhow::Result<Vec<Row>> {
    let bus = kafka().await?;
    // An organisation of its own, so that a later run on the same broker finds its own topic empty or full as left.
    let organization = OrganizationNumber::parse("944496394")?;
    let topic = Topic::parse(&ingest_event::topic::events(organization))?;
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions: 1,
        cleanup: Cleanup::Delete {
            retention: Duration::from_secs(24 * 3600),
        },
        max_record_bytes: 1 << 20,
    };
    bus.ensure_topics(&[spec]).await?;
    let before: u64 = bus
        .end_positions(&topic)
        .await?
        .iter()
        .map(|end| end.offset)
        .sum();
    if before == 0 {
        let producer = bus.producer()?;
        let records: Vec<Record> = benign_day(organization, 1, EVENTS)
            .into_iter()
            .map(Record::new)
            .collect();
        for chunk in records.chunks(10_000) {
            producer.publish(&topic, chunk.to_vec()).await?;
        }
    } else {
        anyhow::ensure!(
            before == EVENTS,
            "the topic holds {before} events: `scripts/kafka stop --wipe` first"
        );
    }
    let ruleset = scan::ruleset()?;
    let run = std::process::id();
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        floor.push(read_only(&bus, &topic, &format!("bench-read-{run}-{round}")).await?);
        let metrics = Metrics::new()?;
        let parts = Parts {
            group: format!("bench-detect-{run}-{round}"),
            checkpoint_interval: Duration::from_secs(1),
            clock: detect::clock::now,
            live: detect::live::Live::new(std::sync::Arc::clone(&ruleset)),
            metrics: metrics.clone(),
            bus: bus.clone(),
        };
        ours.push(detect(parts, &metrics).await?);
        let alerts = metrics.alerts_published.with_label_values(&["indicator"]).get();
        anyhow::ensure!(
            alerts == EVENTS / HIT_EVERY,
            "{alerts} alerts instead of {}",
            EVENTS / HIT_EVERY
        );
    }
    Ok(vec![Row {
        bench: "reading",
        work: "detector on Kafka",
        corpus: format!("benign day, {EVENTS} events in one partition, bundled rules"),
        unit: "events/s",
        ours: rate(EVENTS, median(ours)),
        floor: Some(Contender {
            name: "a consumer that only reads".to_owned(),
            figure: rate(EVENTS, median(floor)),
        }),
        peer: None,
        bar: None,
        checked: format!(
            "{} alerts published, one for each planted hit",
            EVENTS / HIT_EVERY
        ),
    }])
}

/// From the first record to the last: joining the group is not counted.
async fn read_only(bus: &Bus, topic: &Topic, group: &str) -> anyhow::Result<Duration> {
    let mut consumer = bus.consumer(group, Subscription::Topics(vec![topic.clone()]))?;
    let limit = PollLimit {
        records: 4_096,
        bytes: 8 << 20,
        wait: Duration::from_secs(1),
    };
    let (mut start, mut seen) = (None, 0);
    while seen < EVENTS {
        seen += consumer.poll(limit).await?.deliveries.len() as u64;
        if 0 < seen {
            start.get_or_insert_with(Instant::now);
        }
    }
    consumer.close().await;
    Ok(start.map_or(Duration::ZERO, |start| start.elapsed()))
}

async fn detect(parts: Parts, metrics: &Metrics) -> anyhow::Result<Duration> {
    let stop = CancellationToken::new();
    let pipeline = Pipeline::open(parts).await?;
    let watch = async {
        let mut start = None;
        loop {
            let seen = metrics.events_scanned.get();
            if 0 < seen {
                start.get_or_insert_with(Instant::now);
            }
            if EVENTS <= seen {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.cancel();
        start.map_or(Duration::ZERO, |start| start.elapsed())
    };
    let (ran, time) = tokio::join!(pipeline.run(stop.clone()), watch);
    ran?;
    Ok(time)
}

/// When the machine says it is.
#[must_use]
pub fn now() -> Timestamp {
    detect::clock::now()
}
