//! The sensor's figures, and the port they are read at: `/metrics`, `/healthz`, `/readyz`.
//!
//! No address, host or organisation is a label. What was read is what was published, refused, shed, or still lies in
//! the spool: `ingest_records_read_total` = `ingest_events_published_total` + `ingest_records_refused_total` +
//! `ingest_records_shed_total` + the spool, apart from canaries.

mod capture;
mod control;
mod export;
mod island;
mod scan;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use ingest_event::Timestamp;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

pub use self::capture::CaptureMetrics;
pub use self::control::ControlMetrics;
pub use self::export::ExportMetrics;
pub use self::island::IslandMetrics;
pub use self::scan::ScanMetrics;

use crate::clock::Clock;

/// All figures of one sensor; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Records read, by format (`pcap`, `eve`, …, `syslog`).
    pub records_read: IntCounterVec,
    /// Events that the bus acknowledged.
    pub events_published: IntCounter,
    /// Records put aside, by reason (the codes of quarantine).
    pub records_refused: IntCounterVec,
    /// Records dropped because the spool was full, by kind of source.
    pub records_shed: IntCounterVec,
    /// Records given up by the spool, by stream and cause.
    pub spooled_shed: IntCounterVec,
    /// Datagrams that the kernel dropped, by kind of source.
    pub kernel_drops: IntCounterVec,
    /// Failures to receive on a socket or to accept on one, by kind of source.
    pub receive_errors: IntCounterVec,
    /// Sources that failed and were started again, by kind of source.
    pub source_restarts: IntCounterVec,
    /// Followed files of which something may be unread for good.
    pub followed_gaps: IntCounter,
    /// Connections that their senders reset.
    pub connections_reset: IntCounter,
    /// 1 while the bus refuses what the sensor publishes, for a reason that somebody has to mend.
    pub publish_refused: IntGauge,
    /// Failures to read or write the spool.
    pub spool_failures: IntCounter,
    /// Connections closed because they were silent for too long.
    pub connections_idle: IntCounter,
    /// Captures, from files and from the wire.
    pub capture: CaptureMetrics,
    /// Flow export.
    pub export: ExportMetrics,
    /// Trust.
    pub control: ControlMetrics,
    /// Detection on the sensor.
    pub scan: ScanMetrics,
    /// Island mode.
    pub island: IslandMetrics,
    /// Payload fields that were not let out.
    pub fields_withheld: IntCounter,
    /// Events that may not leave.
    pub events_withheld: IntCounter,
    /// Bytes that lie in the spool.
    pub spool_bytes: IntGauge,
    /// Attempts to publish that failed.
    pub publish_failures: IntCounter,
    /// Spools found damaged and kept aside.
    pub spools_corrupt: IntCounter,
    /// Sources that could not be opened or read on.
    pub source_failures: IntCounter,
    canary_acknowledged: Arc<AtomicI64>,
}

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// Never in practice: only if two figures had the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let by = |name: &str, help: &str, label: &str| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let spool_bytes = IntGauge::new("ingest_spool_bytes", "Bytes that wait in the spool.")?;
        registry.register(Box::new(spool_bytes.clone()))?;
        let publish_refused = IntGauge::new(
            "ingest_publish_refused",
            "1 while the bus refuses the sensor: rights, certificate, topic.",
        )?;
        registry.register(Box::new(publish_refused.clone()))?;
        Ok(Self {
            records_read: by("ingest_records_read_total", "Records read, by format.", "format")?,
            events_published: counter(
                "ingest_events_published_total",
                "Events that the bus acknowledged.",
            )?,
            records_refused: by(
                "ingest_records_refused_total",
                "Records put aside, by reason.",
                "reason",
            )?,
            records_shed: by(
                "ingest_records_shed_total",
                "Records dropped while the spool was full.",
                "source",
            )?,
            spooled_shed: {
                let name = "ingest_spooled_shed_total";
                let opts = Opts::new(name, "Records given up by the spool.");
                let counters = IntCounterVec::new(opts, &["stream", "cause"])?;
                registry.register(Box::new(counters.clone()))?;
                counters
            },
            kernel_drops: by(
                "ingest_kernel_drops_total",
                "Datagrams that the kernel dropped.",
                "source",
            )?,
            receive_errors: by(
                "ingest_receive_errors_total",
                "Failures to receive or accept on a socket.",
                "source",
            )?,
            source_restarts: by(
                "ingest_source_restarts_total",
                "Sources that failed and were started again.",
                "source",
            )?,
            followed_gaps: counter(
                "ingest_followed_gaps_total",
                "Followed files of which something may be unread for good.",
            )?,
            connections_reset: counter(
                "ingest_connections_reset_total",
                "Syslog connections that their senders reset.",
            )?,
            spool_failures: counter(
                "ingest_spool_failures_total",
                "Failures to read or write the spool.",
            )?,
            publish_refused,
            connections_idle: counter(
                "ingest_connections_idle_total",
                "Syslog connections closed after a long silence.",
            )?,
            capture: CaptureMetrics::new(&registry)?,
            export: ExportMetrics::new(&registry)?,
            control: ControlMetrics::new(&registry)?,
            scan: ScanMetrics::new(&registry)?,
            island: IslandMetrics::new(&registry)?,
            fields_withheld: counter("ingest_fields_withheld_total", "Fields that were not let out.")?,
            events_withheld: counter(
                "ingest_events_withheld_total",
                "Events that may not leave, by the configuration of privacy.",
            )?,
            publish_failures: counter(
                "ingest_publish_failures_total",
                "Attempts to publish that failed.",
            )?,
            spools_corrupt: counter(
                "ingest_spools_corrupt_total",
                "Spools found damaged and kept aside.",
            )?,
            source_failures: counter(
                "ingest_source_failures_total",
                "Sources that could not be opened or read.",
            )?,
            spool_bytes,
            registry,
            canary_acknowledged: Arc::new(AtomicI64::new(i64::MIN)),
        })
    }

    /// Says that the bus acknowledged a canary made at this time.
    pub fn canary_acknowledged(&self, made: Timestamp) {
        // The last one counts, not the one with the latest time: the clock may have been set back.
        self.canary_acknowledged.store(made.as_nanos(), Ordering::Relaxed);
    }

    /// Whether the bus acknowledged a canary made within `window` of now, on either side: a clock that was set back does
    /// not make an old one good until it has caught up.
    #[must_use]
    pub fn ready(&self, now: Timestamp, window: Duration) -> bool {
        let made = self.canary_acknowledged.load(Ordering::Relaxed);
        let made_at = Timestamp::from_nanos(made);
        // Nor is one from the future recent.
        made != i64::MIN && now.since(made_at) <= window && made_at.since(now) <= window
    }

    /// In Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }
}

/// `/metrics`, `/healthz` and `/readyz`. Ready means that the bus acknowledged a canary within `window`.
pub fn router(metrics: Metrics, clock: Clock, window: Duration) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(|State(state): State<PortState>| async move { state.0.render() }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(|State((metrics, clock, window)): State<PortState>| async move {
                if metrics.ready(clock.now(), window) {
                    (StatusCode::OK, "ready\n")
                } else {
                    (
                        StatusCode::SERVICE_UNAVAILABLE,
                        "no canary has reached the bus lately: is the bus up?\n",
                    )
                }
            }),
        )
        .with_state((metrics, clock, window))
}

type PortState = (Metrics, Clock, Duration);
