//! The detector while its ruleset changes, and while it works off a backlog: on Kafka, with everything loaded.
//!
//! Unlike the other benches this one promises no ratio: it shows how long the loop stops for another ruleset, that no event
//! is lost or doubled meanwhile, and what memory does.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use detect::{
    live::Live,
    metrics::Metrics,
    pipeline::{Parts, Pipeline},
};
use detect_engine::Ruleset;
use ingest_bus::{Bus, Record, Topic};
use ingest_event::OrganizationNumber;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::corpora,
    measure::{Row, rate, resident_mib},
    reading::{end, event_topic, everything, kafka, pass_over},
    workload::{HIT_EVERY, benign_day},
};

/// Events of the backlog, unless `VARDE_BENCH_BACKLOG` says another number; 4 GB on the broker's disk.
const BACKLOG: u64 = 10_000_000;

const SWAPS: u64 = 100;

/// Events of one seed.
const CHUNK: u64 = 20_000;

/// Smaller seeds make indicators, and events from the same seed would name some of them.
const FIRST_SEED: u64 = 1_000;

const ORGANIZATION: &str = "840029212";

/// # Errors
/// If no Kafka runs, or the detector finds something else than it should.
pub fn run() -> anyhow::Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

async fn measure() -> anyhow::Result<Vec<Row>> {
    let bus = kafka().await?;
    let count: u64 = match std::env::var("VARDE_BENCH_BACKLOG") {
        Ok(count) => count.parse().context("read VARDE_BENCH_BACKLOG")?,
        Err(_) => BACKLOG,
    };
    let organization = OrganizationNumber::parse(ORGANIZATION)?;
    let topic = event_topic(&bus, organization).await?;
    let first = end(&bus, &topic).await?;
    let captures = corpora::captures();
    let sample = benign_day(organization, u64::MAX, 2_048);
    let rulesets = (0..2)
        .map(|version| everything(captures.as_deref(), &sample, version).map(|(_, ruleset)| ruleset))
        .collect::<anyhow::Result<Vec<Arc<Ruleset>>>>()?;
    anyhow::ensure!(
        count.is_multiple_of(CHUNK) && rulesets.len() == 2,
        "the backlog is in pieces of {CHUNK} events"
    );
    let producer = bus.producer()?;
    for seed in 0..count / CHUNK {
        let records = benign_day(organization, FIRST_SEED + seed, CHUNK)
            .into_iter()
            .map(Record::new);
        producer.publish(&topic, records.collect()).await?;
    }
    let events = Events { topic, first, count };
    let (undisturbed, hits) = backlog(&bus, &events, &rulesets).await?;
    Ok(vec![undisturbed, swaps(&bus, &events, &rulesets, hits).await?])
}

/// Events of a topic, from one on.
struct Events {
    topic: Topic,
    first: u64,
    count: u64,
}

/// A detector that runs, and what it counts.
struct Running {
    metrics: Metrics,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Of a group of its own, which reads the topic from `first` on and no other topic.
    async fn start(bus: &Bus, events: &Events, live: &Live, name: &str) -> anyhow::Result<Self> {
        let group = format!("bench-{name}-{}", std::process::id());
        for other in bus.topics(ingest_event::topic::EVENTS_PREFIX).await? {
            let from = if other == events.topic {
                events.first
            } else {
                end(bus, &other).await?
            };
            pass_over(bus, &group, &other, from).await?;
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
        let stop = CancellationToken::new();
        let task = tokio::spawn(Pipeline::open(parts).await?.run(stop.clone()));
        Ok(Self { metrics, stop, task })
    }

    fn scanned(&self) -> u64 {
        self.metrics.events_scanned.get()
    }

    /// Waits until so many events are scanned.
    async fn until(&self, scanned: u64) -> anyhow::Result<()> {
        while self.scanned() < scanned {
            anyhow::ensure!(!self.task.is_finished(), "the detector ended early");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Stops it; how many indicators were hit. Each event was scanned once, and each planted hit told.
    async fn finish(self, count: u64) -> anyhow::Result<u64> {
        self.stop.cancel();
        self.task.await??;
        let metrics = &self.metrics;
        let hits = metrics.alerts_published.with_label_values(&["indicator"]).get();
        let (scanned, repeated) = (metrics.events_scanned.get(), metrics.events_repeated.get());
        // Made events may hit a made indicator by chance.
        anyhow::ensure!(
            (scanned, repeated) == (count, 0) && count / HIT_EVERY <= hits,
            "{scanned} events scanned, {repeated} again, {hits} hits; there are {count} events"
        );
        Ok(hits)
    }
}

async fn backlog(bus: &Bus, events: &Events, rulesets: &[Arc<Ruleset>]) -> anyhow::Result<(Row, u64)> {
    let count = events.count;
    let live = Live::new(one(rulesets, 0)?);
    let running = Running::start(bus, events, &live, "backlog").await?;
    let start = std::time::Instant::now();
    let mut resident = Vec::new();
    for tenth in 1..=10 {
        running.until(count * tenth / 10).await?;
        resident.push(resident_mib().to_string());
    }
    let time = start.elapsed();
    let hits = running.finish(count).await?;
    let row = Row {
        bench: "live",
        work: "a backlog worked off",
        corpus: format!("benign day, {count} events in one partition; {}", loaded(&live)),
        unit: "events/s",
        ours: rate(count, time),
        floor: None,
        peer: None,
        bar: None,
        checked: format!(
            "each event scanned once, {hits} hits told; MiB resident after each tenth: {}",
            resident.join(", ")
        ),
    };
    Ok((row, hits))
}

/// The same events once more, while the ruleset changes again and again: as many hits as without.
async fn swaps(bus: &Bus, events: &Events, rulesets: &[Arc<Ruleset>], hits: u64) -> anyhow::Result<Row> {
    let count = events.count;
    let live = Live::new(one(rulesets, 0)?);
    let running = Running::start(bus, events, &live, "swaps").await?;
    for swap in 1..=SWAPS {
        running.until(count * swap / (SWAPS + 2)).await?;
        live.publish(one(rulesets, usize::from(!swap.is_multiple_of(2)))?);
        while running.metrics.swap_seconds.get_sample_count() < swap {
            anyhow::ensure!(!running.task.is_finished(), "the detector ended early");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        live.sweep();
    }
    anyhow::ensure!(running.scanned() < count, "it was not under load to the end");
    running.until(count).await?;
    let metrics = running.metrics.clone();
    let told = running.finish(count).await?;
    anyhow::ensure!(told == hits, "{told} hits instead of {hits}");
    let text = metrics.text();
    let longest = longest(&text, "detect_swap_seconds").context("find the longest swap")?;
    let batch = self::longest(&text, "detect_batch_seconds").context("find the longest batch")?;
    Ok(Row {
        bench: "live",
        work: "100 swaps under load",
        corpus: format!("benign day, {count} events in one partition; {}", loaded(&live)),
        unit: "ms, the longest wait at most",
        ours: longest * 1e3,
        floor: None,
        peer: None,
        bar: None,
        checked: format!(
            "each event scanned once, {hits} hits told as without swaps; {:.3} ms a swap on average; the longest batch at most {:.0} ms",
            metrics.swap_seconds.get_sample_sum() * 1e3 / SWAPS as f64,
            batch * 1e3
        ),
    })
}

fn one(rulesets: &[Arc<Ruleset>], at: usize) -> anyhow::Result<Arc<Ruleset>> {
    rulesets.get(at).cloned().context("there are two rulesets")
}

fn loaded(live: &Live) -> String {
    let ruleset = live.current();
    format!(
        "{} rules and {} indicators",
        ruleset.rule_count(),
        ruleset.indicator_count()
    )
}

/// The bound of a histogram's first bucket that holds everything, in seconds.
fn longest(metrics: &str, name: &str) -> Option<f64> {
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}_count ")))?;
    metrics.lines().find_map(|line| {
        let (bound, held) = line
            .strip_prefix(&format!("{name}_bucket{{le=\""))?
            .split_once("\"} ")?;
        if held == count { bound.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_in_the_first_bucket_that_holds_all() {
        let text =
            "t_bucket{le=\"0.5\"} 3\nt_bucket{le=\"1\"} 7\nt_bucket{le=\"+Inf\"} 7\nt_sum 2\nt_count 7\n";
        assert_eq!(longest(text, "t"), Some(1.0));
        assert_eq!(longest(text, "u"), None);
    }
}
