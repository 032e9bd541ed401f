//! The sensor and its centre: enrolment, renewal, bundles, revocation, each against a centre over TLS.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what fails in a test's helper fails the test"
)]

#[path = "control/bundles.rs"]
mod bundles;
#[path = "control/centre.rs"]
mod centre;
#[path = "control/enrolment.rs"]
mod enrolment;
#[path = "control/gateway.rs"]
mod gateway;
#[path = "capture/lab.rs"]
mod lab;
#[path = "control/program.rs"]
mod program;
#[path = "control/reveals.rs"]
mod reveals;
#[path = "control/trust.rs"]
mod trust;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use ingest::agent::AgentSummary;
use ingest::clock::Clock;
use ingest::config::Plan;
use ingest::control::{self, ControlError, Pace};
use ingest::metrics::Metrics;
use ingest_event::Fields;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A sensor in this process, with a hurried pace and a clock that is set by hand.
struct Running {
    stop: CancellationToken,
    clock: Arc<AtomicI64>,
    metrics: Metrics,
    ended: JoinHandle<Result<AgentSummary, ControlError>>,
}

const HURRIED: Pace = Pace {
    look: Duration::from_millis(20),
    ask: Duration::from_millis(60),
    settle: Duration::from_millis(100),
    // Longer than any test.
    watch: Duration::from_secs(3_600),
    revoked: Duration::from_millis(100),
};

impl Running {
    fn start(config: &str, pace: Pace) -> Self {
        let plan = Plan::parse(config, "sensor.yml").expect("reads");
        let clock = Arc::new(AtomicI64::new(Clock::System.now().as_nanos()));
        let (stop, metrics) = (CancellationToken::new(), Metrics::new().expect("metrics"));
        let running = control::run(
            plan,
            Clock::Manual(Arc::clone(&clock)),
            metrics.clone(),
            pace,
            stop.clone(),
        );
        Self {
            ended: tokio::spawn(running),
            stop,
            clock,
            metrics,
        }
    }

    async fn stop(self) -> AgentSummary {
        self.stop.cancel();
        self.ended.await.expect("no panic").expect("no error")
    }
}

/// Lines of Suricata, told apart by their `flow_id`.
fn eve_lines(numbers: std::ops::Range<usize>) -> String {
    let line = |number: usize| {
        format!(
            "{{\"timestamp\":\"2026-03-02T08:15:00Z\",\"event_type\":\"flow\",\"src_ip\":\"2001:db8::7\",\"src_port\":{},\"dest_ip\":\"2001:db8:1::9\",\"flow_id\":{number}}}\n",
            1_024 + number
        )
    };
    numbers.map(line).collect()
}

fn write_lines(folder: &Path, numbers: std::ops::Range<usize>) -> String {
    let path = folder.join("eve.json");
    std::fs::write(&path, eve_lines(numbers)).expect("written");
    path.display().to_string()
}

/// The ports of the events, which tell lines apart.
fn ports(events: &[Fields]) -> Vec<i64> {
    let mut ports: Vec<i64> = events
        .iter()
        .filter_map(|event| match event.get("source.port")? {
            ingest_event::Value::Integer(port) => Some(*port),
            _ => None,
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn all_ports(count: i64) -> Vec<i64> {
    (1_024..1_024 + count).collect()
}

/// Waits for something on the sensor's side; bounded.
async fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let waiting = async {
        while !seen() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let bound = Duration::from_secs(120);
    assert!(
        tokio::time::timeout(bound, waiting).await.is_ok(),
        "never came: {what}"
    );
}
