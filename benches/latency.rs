//! From an event on the bus to its notification at the receiver, over real Kafka: one event every so often, each to
//! an incident of its own, told by webhook. Beside it in the same run: a record's bare way over the same broker.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use detect::{
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
};
use ingest_bus::{Bus, Cleanup, PollLimit, Record, Subscription, Topic, TopicSpec};
use ingest_event::OrganizationNumber;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::{
    measure::{Contender, Row},
    reading::{kafka, now},
    scan,
    workload::BAD_DOMAIN,
};

/// So many events; the 99th percentile is the third slowest.
const EVENTS: usize = 300;

/// Time between two.
const PACE: Duration = Duration::from_millis(50);

/// A run that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// When each event went out and came in, by its number.
type Journal = Arc<Mutex<BTreeMap<usize, Journey>>>;

#[derive(Clone, Copy)]
struct Journey {
    out: Instant,
    back: Option<Instant>,
}

/// # Errors
/// If no Kafka runs, or a notification does not come.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

async fn measure() -> anyhow::Result<Vec<Row>> {
    let bus = kafka().await?;
    let bare = round_trip(&bus)
        .await
        .context("measure the bare way over the broker")?;
    let whole = event_to_notification(&bus)
        .await
        .context("measure the way to the notification")?;
    let row = |work, index: usize| Row {
        bench: "latency",
        work,
        corpus: format!("{EVENTS} events, one every {} ms", PACE.as_millis()),
        unit: "ms (less is better)",
        ours: percentile(&whole, index),
        floor: Some(Contender {
            name: "a record's way over the same broker".to_owned(),
            figure: percentile(&bare, index),
        }),
        peer: None,
        bar: None,
        checked: format!("{} notifications, one for each event", whole.len()),
    };
    Ok(vec![
        row("event to notification, p50", 50),
        row("event to notification, p99", 99),
    ])
}

/// Milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted
        .get(index)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}

async fn round_trip(bus: &Bus) -> anyhow::Result<Vec<Duration>> {
    let topic = Topic::parse(&format!("bench.latency.{}", std::process::id()))?;
    make(bus, &topic).await?;
    let journal = Journal::default();
    let mut consumer = bus.consumer("bench-latency", Subscription::Topics(vec![topic.clone()]))?;
    let seen = Arc::clone(&journal);
    let reader = tokio::spawn(async move {
        let limit = PollLimit {
            records: 100,
            bytes: 1 << 20,
            wait: Duration::from_millis(250),
        };
        loop {
            let Ok(batch) = consumer.poll(limit).await else {
                return;
            };
            for delivery in batch.deliveries {
                let number = String::from_utf8_lossy(&delivery.record.value)
                    .parse()
                    .unwrap_or(usize::MAX);
                arrived(&seen, number);
            }
        }
    });
    send(bus, &topic, &journal, |number| number.to_string()).await?;
    let times = collect(&journal).await;
    reader.abort();
    times
}

async fn event_to_notification(bus: &Bus) -> anyhow::Result<Vec<Duration>> {
    let organization = OrganizationNumber::parse("964338531")?;
    let topic = Topic::parse(&ingest_event::topic::events(organization))?;
    make(bus, &topic).await?;
    let folder = tempfile::tempdir()?;
    let receiver = TcpListener::bind("127.0.0.1:0").await?;
    let journal = Journal::default();
    let config = alerting_config(folder.path(), &receiver)?;
    tokio::spawn(receive(receiver, Arc::clone(&journal)));
    let stop = CancellationToken::new();
    let parts = Parts {
        group: format!("bench-latency-{}", std::process::id()),
        checkpoint_interval: Duration::from_secs(1),
        signals_partitions: 4,
        clock: detect::clock::now,
        live: detect::live::Live::new(scan::ruleset()?),
        metrics: Metrics::new()?,
        bus: bus.clone(),
    };
    let detector = tokio::spawn(Pipeline::open(parts).await?.run(stop.clone()));
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let alerting = tokio::spawn(alerting::service::run(
        config,
        bus.clone(),
        alerting::clock::machine(),
        stop.clone(),
        move |running| {
            let _ = ready.send(running);
        },
    ));
    is_ready.await.context("start alerting")?;
    let run = std::process::id();
    send(bus, &topic, &journal, |number| {
        format!(
            r#"{{"@timestamp":"{}","event.id":"latency-{run}-{number}","event.dataset":"network.dns","observer.name":"bench","dns.question.name":"{BAD_DOMAIN}","source.ip":"10.20.{}.{}","network.direction":"outbound"}}"#,
            now(),
            number / 200,
            number % 200 + 1
        )
    })
    .await?;
    let times = collect(&journal).await;
    stop.cancel();
    detector.await??;
    alerting.await??;
    times
}

fn alerting_config(folder: &Path, receiver: &TcpListener) -> anyhow::Result<alerting::config::Config> {
    std::fs::write(folder.join("hook.key"), "a key for one bench run only\n")?;
    std::fs::write(
        folder.join("responders.yml"),
        format!(
            "organizations:\n  - number: \"964338531\"\n    responders:\n      - {{ name: Bench, webhook: {{ url: \"http://{}/\", key_file: hook.key }}, minimum_severity: low }}\n",
            receiver.local_addr()?
        ),
    )?;
    let municipalities = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets/routing/municipalities.csv");
    let path = folder.join("alerting.yml");
    std::fs::write(
        &path,
        format!(
            "bus: {{ embedded: {{ directory: unused }} }}\ngroup: bench-alerting-{}\ndata: {}\nlisten: 127.0.0.1:0\nregistry: {{ municipalities: {}, responders: {} }}\ncert: {{ name: Bench, phone: \"+47 22 00 00 00\", email: vakt@cert.example }}\n",
            std::process::id(),
            folder.join("data").display(),
            municipalities.display(),
            folder.join("responders.yml").display()
        ),
    )?;
    Ok(alerting::config::Config::read(&path)?)
}

async fn make(bus: &Bus, topic: &Topic) -> anyhow::Result<()> {
    let cleanup = Cleanup::Delete {
        retention: Duration::from_secs(3600),
    };
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions: 1,
        cleanup,
        max_record_bytes: 1 << 20,
    };
    Ok(bus.ensure_topics(&[spec]).await?)
}

async fn send(
    bus: &Bus,
    topic: &Topic,
    journal: &Journal,
    value: impl Fn(usize) -> String,
) -> anyhow::Result<()> {
    let producer = bus.producer()?;
    let mut pace = tokio::time::interval(PACE);
    for number in 0..EVENTS {
        pace.tick().await;
        let journey = Journey {
            out: Instant::now(),
            back: None,
        };
        journal
            .lock()
            .map_err(|_| anyhow::anyhow!("the journal is broken"))?
            .insert(number, journey);
        producer.publish(topic, vec![Record::new(value(number))]).await?;
    }
    Ok(())
}

fn arrived(journal: &Journal, number: usize) {
    if let Ok(mut journal) = journal.lock()
        && let Some(journey) = journal.get_mut(&number)
    {
        journey.back.get_or_insert_with(Instant::now);
    }
}

/// The sorted times, when all are back. The first tenth is left out: both ways join their groups then.
async fn collect(journal: &Journal) -> anyhow::Result<Vec<Duration>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let journeys: Vec<Journey> = journal
            .lock()
            .map_err(|_| anyhow::anyhow!("the journal is broken"))?
            .values()
            .copied()
            .collect();
        let back = journeys.iter().filter(|journey| journey.back.is_some()).count();
        if back == EVENTS {
            let mut times: Vec<Duration> = journeys
                .iter()
                .skip(EVENTS / 10)
                .filter_map(|journey| Some(journey.back?.duration_since(journey.out)))
                .collect();
            times.sort();
            return Ok(times);
        }
        anyhow::ensure!(Instant::now() < deadline, "{back} of {EVENTS} came back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A webhook receiver: reads one request after the other and says 204.
async fn receive(listener: TcpListener, journal: Journal) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&journal)));
    }
}

async fn answer(mut stream: TcpStream, journal: Journal) {
    let mut held = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        held.extend_from_slice(buffer.get(..count).unwrap_or_default());
        while let Some((body, length)) = request(&held) {
            if let Some(number) = number(&body) {
                arrived(&journal, number);
            }
            held.drain(..length);
            if stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

/// The first whole request's body, and how long the request is.
fn request(held: &[u8]) -> Option<(String, usize)> {
    let text = String::from_utf8_lossy(held);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())?;
    let start = head.len() + 4;
    let body = held.get(start..start + length)?;
    Some((String::from_utf8_lossy(body).into_owned(), start + length))
}

/// The event's number, from the address that the incident is about.
fn number(body: &str) -> Option<usize> {
    let json: serde_json::Value = serde_json::from_str(body).ok()?;
    let address = json.get("incident")?.get("entity")?.get("value")?.as_str()?;
    let mut parts = address.split('.').skip(2).map(|part| part.parse::<usize>().ok());
    let (third, fourth) = (parts.next()??, parts.next()??);
    Some(third * 200 + fourth - 1)
}
