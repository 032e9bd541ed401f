//! A storm at one municipality: 100,000 alerts in a minute, while others' alerts come as on any day. How long others' notices
//! take, beside how long they take in quiet, in the same run; what memory does; how many incidents it becomes.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use detect_alert::{
    Alert, AlertId, Confidence, Entity, Producer, ProducerKind, RuleId, RulesetVersion, Severity, Tlp,
};
use ingest_bus::{Bus, BusConfig, Cleanup, Record, Topic, TopicSpec};
use ingest_event::{Marking, OrganizationNumber, SensorId, Zone};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::{
    measure::{Contender, Row, resident_mib},
    reading::now,
};

/// Alerts of the storm, each about another machine, and in how many parts they come.
const STORM: u32 = 100_000;
const PARTS: u32 = 600;
/// Between two parts: the storm takes a minute.
const PACE: Duration = Duration::from_millis(100);
/// Every so many parts an alert of another municipality comes.
const OTHERS_EVERY: u32 = 3;
/// A run that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(5);

const STORMY: &str = "964965226";
const QUIET: &str = "964338531";

/// When each of the others' alerts went out and came back, by its machine.
type Journal = Arc<Mutex<BTreeMap<String, (Instant, Option<Instant>)>>>;

/// # Errors
/// If an alert is lost, or what should be a handful of incidents is not.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut rows = runtime.block_on(measure("SQLite", None))?;
    if let Ok(server) = std::env::var("VARDE_TEST_POSTGRES") {
        rows.extend(runtime.block_on(measure("PostgreSQL", Some(server)))?);
    }
    Ok(rows)
}

async fn measure(store: &str, postgres: Option<String>) -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let directory = folder.path().join("bus");
    let bus = Bus::open(&BusConfig::Embedded { directory }.named("bench-storm")).await?;
    let topic = Topic::parse(detect_alert::topic::ALERTS)?;
    let cleanup = Cleanup::Delete {
        retention: Duration::from_hours(1),
    };
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions: 2,
        cleanup,
        max_record_bytes: 1 << 20,
    };
    bus.ensure_topics(&[spec]).await?;
    let receiver = TcpListener::bind("127.0.0.1:0").await?;
    let config = configuration(folder.path(), &receiver, postgres.as_deref())?;
    let journal = Journal::default();
    tokio::spawn(receive(receiver, Arc::clone(&journal)));
    let stop = CancellationToken::new();
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let service = tokio::spawn(alerting::service::run(
        config,
        bus.clone(),
        alerting::clock::machine(),
        stop.clone(),
        move |running| {
            let _ = ready.send(running);
        },
    ));
    let running = is_ready.await.context("start alerting")?;
    let began = begin(postgres.is_some());
    let quiet = phase(&bus, &topic, &journal, &began, 0).await?;
    let before = mib();
    let stormy = phase(&bus, &topic, &journal, &began, STORM / PARTS).await?;
    applied(running.address, u64::from(STORM / PARTS * PARTS)).await?;
    let (after, incidents) = (mib(), total(running.address).await?);
    stop.cancel();
    service.await??;
    anyhow::ensure!(
        (1..=10).contains(&incidents),
        "{incidents} incidents of one storm"
    );
    let corpus = format!(
        "{STORM} alerts of one municipality in {} s, {store}",
        (PACE * PARTS).as_secs()
    );
    let checked = format!(
        "{incidents} incidents of the storm; {} notices of others, one for each alert",
        stormy.len()
    );
    let row = |work, unit, ours, name: &str, figure| Row {
        bench: "storm",
        work,
        corpus: corpus.clone(),
        unit,
        ours,
        floor: Some(Contender {
            name: name.to_owned(),
            figure,
        }),
        peer: None,
        bar: None,
        checked: checked.clone(),
    };
    let delay = "ms (less is better)";
    let at = |times: &[Duration], percent: usize| {
        let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times
            .get(place)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
    };
    Ok(vec![
        row(
            "others' notices, p50",
            delay,
            at(&stormy, 50),
            "the same in quiet",
            at(&quiet, 50),
        ),
        row(
            "others' notices, p99",
            delay,
            at(&stormy, 99),
            "the same in quiet",
            at(&quiet, 99),
        ),
        row(
            "memory after the storm",
            "MiB (less is better)",
            after,
            "before it",
            before,
        ),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "MiB of memory are few")]
fn mib() -> f64 {
    resident_mib() as f64
}

/// What the machines of a run are called, so that two runs on one store do not share incidents.
fn begin(is_postgres: bool) -> String {
    format!("{}:{}", std::process::id() & 0xffff, u8::from(is_postgres))
}

/// A minute in which others' alerts come, and `storm` more with each part; how long others' notices took, sorted.
async fn phase(
    bus: &Bus,
    topic: &Topic,
    journal: &Journal,
    began: &str,
    storm: u32,
) -> anyhow::Result<Vec<Duration>> {
    let producer = bus.producer()?;
    let broken = |_| anyhow::anyhow!("the journal is broken");
    journal.lock().map_err(broken)?.clear();
    let mut pace = tokio::time::interval(PACE);
    for part in 0..PARTS {
        pace.tick().await;
        let mut alerts: Vec<Alert> = Vec::new();
        for number in part * storm..(part + 1) * storm {
            alerts.push(alert(STORMY, "storm", &format!("2001:db8:{began}::{number:x}"))?);
        }
        if part % OTHERS_EVERY == 0 {
            // Of as many rules, so that they are cases of their own.
            let machine = format!("2001:db8:{began}:{storm:x}::{part:x}");
            alerts.push(alert(QUIET, &format!("rule {storm} {part}"), &machine)?);
            journal
                .lock()
                .map_err(broken)?
                .insert(machine, (Instant::now(), None));
        }
        if !alerts.is_empty() {
            let records = alerts
                .iter()
                .map(|alert| Record::new(detect_alert::encode(alert)).with_key(alert.organization.as_str()));
            producer.publish(topic, records.collect()).await?;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let journeys: Vec<_> = journal.lock().map_err(broken)?.values().copied().collect();
        let mut times: Vec<Duration> = journeys
            .iter()
            .filter_map(|(out, back)| Some(back.as_ref()?.duration_since(*out)))
            .collect();
        if times.len() == journeys.len() {
            times.sort();
            return Ok(times);
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "{} of {} came",
            times.len(),
            journeys.len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn alert(organization: &str, rule: &str, machine: &str) -> anyhow::Result<Alert> {
    let organization = OrganizationNumber::parse(organization)?;
    let rule = RuleId(rule.to_owned());
    let text = |text: &str| [("nb".to_owned(), text.to_owned())].into();
    Ok(Alert {
        id: AlertId::derive(&rule, organization, &[machine]),
        timestamp: now(),
        organization,
        sensor: SensorId::parse("bench")?,
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        exercise: false,
        severity: Severity::High,
        confidence: Confidence::Medium,
        tlp: Tlp::Amber,
        pap: detect_alert::Pap::Green,
        producer: Producer {
            kind: ProducerKind::Sigma,
            id: rule,
            name: "A storm".to_owned(),
            version: String::new(),
            ruleset: RulesetVersion(String::new()),
            authors: vec![],
            license: None,
            description: "What a rule says of itself, in a line or two as most do.".to_owned(),
            references: vec![],
            tags: vec![],
            false_positives: vec![],
            incident: None,
            summary: text("En storm"),
            first_step: text("Se på maskinen."),
        },
        indicator: None,
        entity: Entity {
            field: "source.ip".to_owned(),
            value: machine.to_owned(),
        },
        evidence: vec![],
        window: None,
        events: vec![],
    })
}

fn configuration(
    folder: &Path,
    receiver: &TcpListener,
    postgres: Option<&str>,
) -> anyhow::Result<alerting::config::Config> {
    std::fs::write(folder.join("hook.key"), "a key for one bench run only\n")?;
    let hook = format!(
        "webhook: {{ url: \"http://{}/\", key_file: hook.key }}",
        receiver.local_addr()?
    );
    let body =
        |number: &str| format!("  - {{ number: \"{number}\", responders: [{{ name: Bench, {hook} }}] }}\n");
    let responders = folder.join("responders.yml");
    std::fs::write(
        &responders,
        format!("organizations:\n{}{}", body(STORMY), body(QUIET)),
    )?;
    let municipalities = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets/routing/municipalities.csv");
    let store = match postgres {
        Some(url) => {
            std::fs::write(folder.join("store.url"), url)?;
            format!(
                "store: {{ postgres: {{ url_file: {} }} }}\n",
                folder.join("store.url").display()
            )
        }
        None => String::new(),
    };
    let path = folder.join("alerting.yml");
    std::fs::write(
        &path,
        format!(
            "bus: {{ embedded: {{ directory: unused }} }}\ndata: {}\nlisten: 127.0.0.1:0\nregistry: {{ municipalities: {}, responders: {} }}\ncert: {{ name: Bench, phone: \"+47 22 00 00 00\", email: vakt@cert.example }}\n{store}",
            folder.join("data").display(),
            municipalities.display(),
            responders.display()
        ),
    )?;
    Ok(alerting::config::Config::read(&path)?)
}

/// Waits until the whole storm is applied.
async fn applied(address: std::net::SocketAddr, count: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = get(address, "/metrics").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("alerting_alerts_applied_total "));
        let done: u64 = line.unwrap_or_default().trim().parse().unwrap_or_default();
        if count <= done {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{done} of {count} alerts applied");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How many incidents the storm's municipality has.
async fn total(address: std::net::SocketAddr) -> anyhow::Result<u64> {
    let answer = get(
        address,
        &format!("/api/v1/incidents?organization={STORMY}&limit=50"),
    )
    .await?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let list: serde_json::Value = serde_json::from_str(body).context("read the list of incidents")?;
    list.get("total")
        .and_then(serde_json::Value::as_u64)
        .context("the list has no total")
}

async fn get(address: std::net::SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let ask = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A webhook receiver that notes which machine a notice is about.
async fn receive(listener: TcpListener, journal: Journal) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&journal)));
    }
}

async fn answer(mut stream: TcpStream, journal: Journal) {
    let mut held: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        held.extend_from_slice(buffer.get(..count).unwrap_or_default());
        while let Some((machine, length)) = request(&held) {
            if let Ok(mut journal) = journal.lock()
                && let Some(journey) = journal.get_mut(&machine)
            {
                journey.1.get_or_insert_with(Instant::now);
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

/// The machine that the first whole request is about, and how long the request is.
fn request(held: &[u8]) -> Option<(String, usize)> {
    let end = held.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(held.get(..end)?);
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())?;
    let json: serde_json::Value = serde_json::from_slice(held.get(end..end + length)?).ok()?;
    let value = json.get("incident")?.get("entity")?.get("value")?.as_str()?;
    Some((value.to_owned(), end + length))
}
