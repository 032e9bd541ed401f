//! The detector on Kafka, beside an rdkafka consumer that only reads the same topic on the same core.
//!
//! Everything loaded: all of SigmaHQ, a million indicators. Rates are by processor time of the whole process with all its
//! threads, pinned to one core: what one core does when it does nothing else, whatever else the machine is busy with.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use cpu_time::ProcessTime;
use detect::{
    live::Live,
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
};
use detect_alert::{Indicator, ProducerKind};
use detect_engine::{Compiler, Ruleset};
use ingest_bus::{
    Block, Bus, BusConfig, Cleanup, KafkaConfig, Position, Record, Subscription, Topic, TopicSpec,
};
use ingest_event::{OrganizationNumber, Timestamp};
use rdkafka::{
    ClientConfig, Message as _,
    consumer::{BaseConsumer, Consumer as _},
};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{self, corpora, made},
    measure::{Against, Bar, Contender, Row, rate},
    scan,
    workload::{HIT_EVERY, benign_day},
};

/// Events of a topic.
const EVENTS: u64 = 300_000;

/// Rounds by turns; the medians count.
const ROUNDS: usize = 5;

const INDICATORS: usize = 1_000_000;

/// So many other events of each corpus are shown to the compiler, as the service shows it some of its own.
const SAMPLE: usize = 1_024;

/// Beside SigmaHQ, as an operator would: without it every DNS answer of ours, every fourth event, would raise an alert.
const FILTERS: &str = "rulesets/filters";

/// What is read.
struct Corpus {
    name: &'static str,
    organization: &'static str,
    events: Vec<Vec<u8>>,
    /// Of the same kind, and not read.
    sample: Vec<Vec<u8>>,
    /// Indicator hits among them.
    hits: u64,
}

/// # Errors
/// If no Kafka runs, or the detector finds something else than it should.
pub fn run() -> anyhow::Result<Vec<Row>> {
    // Threads that are started from here on stay on this core.
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(core) = cores.last() {
        core_affinity::set_for_current(*core);
    }
    // One thread for the detector's own work; librdkafka has some of its own on the same core.
    let measured = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(measure());
    if let Some(core) = cores.first() {
        core_affinity::set_for_current(*core);
    }
    measured
}

/// A bus on the broker that `scripts/bench` started.
///
/// # Errors
/// If the address is not given or the client can't be made.
pub async fn kafka() -> anyhow::Result<Bus> {
    let config = KafkaConfig {
        bootstrap: bootstrap()?,
        client_id: "bench".to_owned(),
        properties: properties(),
    };
    Ok(Bus::open(&BusConfig::Kafka(config)).await?)
}

/// Properties of librdkafka to try out, from `VARDE_BENCH_KAFKA` as `name=value,name=value`.
fn properties() -> BTreeMap<String, String> {
    let given = std::env::var("VARDE_BENCH_KAFKA").unwrap_or_default();
    let pairs = given.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn bootstrap() -> anyhow::Result<String> {
    std::env::var("VARDE_TEST_KAFKA")
        .context("VARDE_TEST_KAFKA is not set: run scripts/bench, which starts a broker")
}

async fn measure() -> anyhow::Result<Vec<Row>> {
    let bus = kafka().await?;
    let captures = corpora::captures();
    let all = what_is_read(captures.as_deref())?;
    let sample: Vec<Vec<u8>> = all.iter().flat_map(|corpus| corpus.sample.clone()).collect();
    let (rules, ruleset) = everything(captures.as_deref(), &sample, 0)?;
    let live = Live::new(ruleset);
    let mut topics = Vec::new();
    for corpus in &all {
        topics.push(publish(&bus, corpus).await?);
    }
    let mut rows = Vec::new();
    for (corpus, topic) in all.iter().zip(&topics) {
        rows.push(compare(&bus, &live, rules, corpus, topic).await?);
    }
    Ok(rows)
}

fn what_is_read(captures: Option<&Path>) -> anyhow::Result<Vec<Corpus>> {
    let organization = "944496394";
    let benign = |seed, count| {
        Ok::<_, anyhow::Error>(benign_day(OrganizationNumber::parse(organization)?, seed, count))
    };
    let mut all = vec![Corpus {
        name: "benign day of flows, DNS, TLS and HTTP",
        organization,
        events: benign(1, EVENTS)?,
        sample: benign(2, SAMPLE as u64)?,
        hits: EVENTS / HIT_EVERY,
    }];
    if let Some(captures) = captures {
        let mix = engine::corpus(captures, "mix", 100_000, 0)?;
        let step = mix.training.len().div_ceil(SAMPLE).max(1);
        all.push(Corpus {
            name: "host logs (Windows mix)",
            organization: "958935420",
            events: mix.first(100_000).events().map(<[u8]>::to_vec).collect(),
            sample: mix.training.iter().step_by(step).cloned().collect(),
            hits: 0,
        });
    }
    Ok(all)
}

/// All rules there are, what they are called, and a million indicators, one of them another one in each version.
pub(crate) fn everything(
    captures: Option<&Path>,
    sample: &[Vec<u8>],
    version: u64,
) -> anyhow::Result<(&'static str, Arc<Ruleset>)> {
    let (name, checked) = match captures {
        Some(captures) => {
            let mut sources = corpora::sigma_hq(captures)?;
            let filters = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILTERS);
            let (filters, unread) = detect_rules::read_rules(&[filters]);
            anyhow::ensure!(unread.is_empty() && !filters.is_empty(), "{unread:?}");
            sources.extend(filters);
            ("all of SigmaHQ", detect_rules::check(&sources))
        }
        None => ("the bundled rules", scan::checked()?),
    };
    let mut indicators = made::indicators(7, INDICATORS - 2);
    indicators.push(scan::indicator());
    indicators.push(Indicator {
        value: format!("version-{version}.bench.example"),
        ..scan::indicator()
    });
    let compiler = Compiler::new()
        .rules(checked.rules)
        .indicators(indicators)
        .sample(sample.iter().cloned());
    let ruleset = compiler.compile().context("compile the ruleset")?;
    Ok((name, Arc::new(ruleset)))
}

/// A topic of its own with the events, so that a later run on the same broker finds it empty or full as left.
async fn publish(bus: &Bus, corpus: &Corpus) -> anyhow::Result<Topic> {
    let topic = event_topic(bus, OrganizationNumber::parse(corpus.organization)?).await?;
    let (before, count) = (end(bus, &topic).await?, corpus.events.len() as u64);
    if before == 0 {
        let producer = bus.producer()?;
        for chunk in corpus.events.chunks(10_000) {
            let records = chunk.iter().cloned().map(Record::new).collect();
            producer.publish(&topic, records).await?;
        }
    } else {
        anyhow::ensure!(
            before == count,
            "the topic holds {before} events: `scripts/kafka stop --wipe` first"
        );
    }
    Ok(topic)
}

/// The event topic of an organisation, made if it is not there.
pub(crate) async fn event_topic(bus: &Bus, organization: OrganizationNumber) -> anyhow::Result<Topic> {
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
    Ok(topic)
}

pub(crate) async fn end(bus: &Bus, topic: &Topic) -> anyhow::Result<u64> {
    let ends = bus.end_positions(topic).await?;
    Ok(ends.iter().map(|end| end.offset).sum())
}

/// What each took of the processor in one round.
struct Round {
    ours: Duration,
    bus: Duration,
    floor: Duration,
}

async fn compare(bus: &Bus, live: &Live, rules: &str, corpus: &Corpus, topic: &Topic) -> anyhow::Result<Row> {
    let (run, count) = (std::process::id(), corpus.events.len() as u64);
    let mut others = bus.topics(ingest_event::topic::EVENTS_PREFIX).await?;
    others.retain(|other| other != topic);
    let mut rounds = Vec::new();
    let mut alerts = BTreeSet::new();
    for round in 0..ROUNDS {
        let name = |what: &str| format!("bench-{what}-{run}-{}-{round}", corpus.organization);
        let floor = read_with_rdkafka(topic, &name("floor"), count)?;
        let group = name("detect");
        for other in &others {
            pass_over(bus, &group, other, end(bus, other).await?).await?;
        }
        let metrics = Metrics::new()?;
        let parts = Parts {
            group,
            checkpoint_interval: Duration::from_secs(1),
            signals_partitions: 4,
            clock: detect::clock::now,
            live: live.clone(),
            metrics: metrics.clone(),
            bus: bus.clone(),
        };
        let ours = detect(parts, &metrics, count).await?;
        let of_kind = |kind: ProducerKind| metrics.alerts_published.with_label_values(&[kind.as_str()]).get();
        let hits = of_kind(ProducerKind::Indicator);
        anyhow::ensure!(
            hits == corpus.hits,
            "{hits} indicator alerts instead of {}",
            corpus.hits
        );
        alerts.insert(hits + of_kind(ProducerKind::Sigma));
        rounds.push(Round {
            ours,
            bus: read_only(bus, topic, &name("bus"), count).await?,
            floor,
        });
    }
    anyhow::ensure!(alerts.len() == 1, "not the same alerts in each round: {alerts:?}");
    let middle = |of: fn(&Round) -> Duration| {
        let mut times: Vec<Duration> = rounds.iter().map(of).collect();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let ruleset: Arc<Ruleset> = live.current();
    Ok(Row {
        bench: "reading",
        work: "detector on Kafka",
        corpus: format!(
            "{}, {count} events in one partition; {rules} ({}) and {} indicators",
            corpus.name,
            ruleset.rule_count(),
            ruleset.indicator_count()
        ),
        unit: "events/CPU s",
        ours: rate(count, middle(|round| round.ours)),
        floor: Some(Contender {
            name: "an rdkafka consumer that only reads".to_owned(),
            figure: rate(count, middle(|round| round.floor)),
        }),
        peer: Some(Contender {
            name: "our bus, only reading".to_owned(),
            figure: rate(count, middle(|round| round.bus)),
        }),
        bar: Some(Bar {
            against: Against::Floor,
            at_least: 0.6,
        }),
        checked: format!(
            "{} alerts published in each round, {} planted hits among them",
            alerts.first().copied().unwrap_or(0),
            corpus.hits
        ),
    })
}

/// The floor: every record is polled and its length looked at. Joining the group is not counted, as for the others.
fn read_with_rdkafka(topic: &Topic, group: &str, count: u64) -> anyhow::Result<Duration> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap()?)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()?;
    consumer.subscribe(&[topic.as_str()])?;
    let (mut start, mut seen, mut bytes) = (None, 0, 0);
    while seen < count {
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            bytes += message?.payload().map_or(0, <[u8]>::len);
            start.get_or_insert_with(ProcessTime::now);
            seen += 1;
        }
    }
    let time = start.map_or(Duration::ZERO, |start| start.elapsed());
    anyhow::ensure!(std::hint::black_box(bytes) != 0, "the topic is empty");
    Ok(time)
}

/// Our own reader, without a detector behind it.
async fn read_only(bus: &Bus, topic: &Topic, group: &str, count: u64) -> anyhow::Result<Duration> {
    let mut consumer = bus.consumer(group, Subscription::Topics(vec![topic.clone()]))?;
    let (mut start, mut seen) = (None, 0);
    let mut block = Block::default();
    while seen < count {
        consumer.poll_block(&mut block, Duration::from_secs(1)).await?;
        seen += block.len() as u64;
        if 0 < seen {
            start.get_or_insert_with(ProcessTime::now);
        }
    }
    let time = start.map_or(Duration::ZERO, |start| start.elapsed());
    consumer.close().await;
    Ok(time)
}

/// Has a group read a topic from there on only.
pub(crate) async fn pass_over(bus: &Bus, group: &str, topic: &Topic, offset: u64) -> anyhow::Result<()> {
    let mut consumer = bus.consumer(group, Subscription::Topics(vec![topic.clone()]))?;
    let mut block = Block::default();
    let mut is_gained = false;
    while !is_gained {
        let change = consumer.poll_block(&mut block, Duration::from_secs(1)).await?;
        is_gained = !change.gained.is_empty();
    }
    let position = Position {
        topic: topic.clone(),
        partition: 0,
        offset,
    };
    consumer.commit(&[position]).await?;
    consumer.close().await;
    Ok(())
}

async fn detect(parts: Parts, metrics: &Metrics, count: u64) -> anyhow::Result<Duration> {
    let stop = CancellationToken::new();
    let pipeline = Pipeline::open(parts).await?;
    let watch = async {
        let (mut start, began) = (None, Instant::now());
        loop {
            let seen = metrics.events_scanned.get();
            if 0 < seen {
                start.get_or_insert_with(ProcessTime::now);
            }
            if count <= seen || Duration::from_secs(300) < began.elapsed() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.cancel();
        start.map_or(Duration::ZERO, |start| start.elapsed())
    };
    let (ran, time) = tokio::join!(pipeline.run(stop.clone()), watch);
    ran?;
    anyhow::ensure!(
        metrics.events_scanned.get() == count,
        "{} events scanned instead of {count}",
        metrics.events_scanned.get()
    );
    Ok(time)
}

/// When the machine says it is.
#[must_use]
pub fn now() -> Timestamp {
    detect::clock::now()
}
