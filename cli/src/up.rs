//! `varde up`: sensor agents, detector, alerting with its console, and the bus between them, in one process.
//!
//! The services are the same as apart; they share one bus and one word to stop. What is told on the way goes to
//! standard error; standard output gets one line with the console's address, once it really listens. A part that
//! fails takes the others with it: half a Varde that looks whole would be worse than none.

mod folder;
mod parts;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use anyhow::Context as _;
use ingest_bus::Bus;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::arguments::UpArguments;
use crate::exit::{Ended, Failure};
use crate::text::number;
use crate::{Exit, Terminal};

use folder::Folder;
use parts::Parts;

/// How long the parts may take to stop before they are left behind; a person waits about this long.
const STOP_MAX: Duration = Duration::from_secs(8);

/// How long threads may linger after that.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// Runs everything until told to stop.
///
/// # Errors
/// If something is configured wrongly, the port is taken, or a part fails.
pub fn run(arguments: &UpArguments, terminal: &mut Terminal<'_>) -> Ended {
    // Looked at first, so that nothing has been started when the answer is no.
    if let Err(error) = std::net::TcpListener::bind(arguments.listen) {
        return Err(unbound(arguments, &error));
    }
    log();
    let folder = Folder::open(arguments)?;
    let parts = parts::prepare(arguments, &folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&anyhow::Error::from(error)))?;
    tell(arguments, &folder, &parts, terminal);
    let ended = runtime.block_on(supervise(arguments, parts, terminal));
    runtime.shutdown_timeout(LINGER_MAX);
    ended?;
    if folder.is_temporary() {
        terminal.tell("Stopped. The demo's folder is removed.");
    } else {
        terminal.tell("Stopped. The next start goes on from here.");
    }
    Ok(Exit::Done)
}

/// What is about to run, in a few lines.
fn tell(arguments: &UpArguments, folder: &Folder, parts: &Parts, terminal: &mut Terminal<'_>) {
    let bus = match &arguments.kafka {
        Some(bootstrap) => format!("Kafka at {bootstrap}"),
        None => "embedded".to_owned(),
    };
    let sensors = number(parts.sensors.len() as u64);
    let sensors = match (arguments.demo, parts.sensors.is_empty()) {
        (true, _) => format!("{sensors}, playing the bundled cases"),
        (false, true) => "none: --demo plays the bundled cases, --config FILE reads your sources".to_owned(),
        (false, false) => sensors,
    };
    let mail = folder.path("mail");
    terminal.tell(&format!(
        "Starting Varde {} in one process.",
        env!("CARGO_PKG_VERSION")
    ));
    for (name, text) in [
        ("data", folder.path("").display().to_string()),
        ("bus", bus),
        ("sensors", sensors),
        ("mail", format!("written to {}, sent nowhere", mail.display())),
    ] {
        terminal.tell(&format!("  {name:<8} {text}"));
    }
}

/// Starts the parts and waits: for a signal, or for one of them to fail.
async fn supervise(
    arguments: &UpArguments,
    parts: Parts,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|error| failed(&anyhow::Error::from(error)))?;
    let bus = Bus::open(&parts.bus)
        .await
        .context("open the bus")
        .map_err(|error| failed(&error))?;
    let stop = CancellationToken::new();
    let (ready, mut is_ready) = oneshot::channel();
    let mut running = start(parts, &bus, ready, &stop).map_err(|error| failed(&error))?;
    let mut problem = None;
    let mut announced = false;
    loop {
        tokio::select! {
            address = &mut is_ready, if !announced => {
                announced = true;
                if let Ok(address) = address {
                    writeln!(terminal.out, "Varde is up: http://{address}")?;
                    terminal.out.flush()?;
                    terminal.tell("Stop it with Ctrl-C.");
                }
            }
            () = signals.next() => {
                terminal.tell("Stopping; Ctrl-C again stops at once.");
                break;
            }
            Some(ended) = running.join_next() => {
                problem = Some(why_ended(arguments, ended));
                break;
            }
        }
    }
    stop.cancel();
    tokio::select! {
        more = drain(arguments, &mut running) => problem = problem.or(more),
        () = tokio::time::sleep(STOP_MAX) => tracing::warn!("a part did not stop in time and is left behind"),
        () = signals.next() => {}
    }
    problem.map_or(Ok(()), Err)
}

/// What a part came to: its name, and how it ended.
type PartEnded = (&'static str, anyhow::Result<()>);

fn start(
    parts: Parts,
    bus: &Bus,
    ready: oneshot::Sender<std::net::SocketAddr>,
    stop: &CancellationToken,
) -> anyhow::Result<JoinSet<PartEnded>> {
    let sensor_metrics = ingest::metrics::Metrics::new().context("register the sensors' metrics")?;
    let detector_metrics = detect::metrics::Metrics::new().context("register the detector's metrics")?;
    // One process, one port: its /metrics tells of all parts.
    let neighbours = {
        let (sensors, detector) = (sensor_metrics.clone(), detector_metrics.clone());
        alerting::Neighbours(std::sync::Arc::new(move || sensors.render() + &detector.text()))
    };
    let Parts {
        sensors,
        detector,
        alerting,
        ..
    } = parts;
    let mut running = JoinSet::new();
    let (detector_bus, detector_stop) = (bus.clone(), stop.clone());
    running.spawn(async move {
        (
            "the detector",
            detect::service::run_with(detector, detector_bus, detector_metrics, detector_stop).await,
        )
    });
    let (alerting_bus, alerting_stop) = (bus.clone(), stop.clone());
    running.spawn(async move {
        let told = move |running: alerting::service::Running| {
            // Nobody listens only if everything is being stopped already.
            let _ = ready.send(running.address);
        };
        let clock = alerting::clock::machine();
        (
            "alerting",
            alerting::service::run_beside(alerting, alerting_bus, clock, alerting_stop, neighbours, told)
                .await,
        )
    });
    for sensor in sensors {
        let (bus, stop, metrics) = (bus.clone(), stop.clone(), sensor_metrics.clone());
        running.spawn(async move {
            let ran = ingest::agent::run_with(sensor, bus, ingest::clock::Clock::System, metrics, stop).await;
            ("a sensor", ran.map(drop))
        });
    }
    Ok(running)
}

/// Waits until every part has stopped; what went wrong first.
async fn drain(arguments: &UpArguments, running: &mut JoinSet<PartEnded>) -> Option<Failure> {
    let mut problem = None;
    while let Some(ended) = running.join_next().await {
        if !matches!(ended, Ok((_, Ok(())))) {
            problem = problem.or(Some(why_ended(arguments, ended)));
        }
    }
    problem
}

fn why_ended(arguments: &UpArguments, ended: Result<PartEnded, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok((_, Err(error))) if is_taken(&error) => {
            unbound(arguments, &io::Error::from(io::ErrorKind::AddrInUse))
        }
        Ok((name, Err(error))) => Failure::new(Exit::Failed, format!("{name} failed: {error:#}")),
        Ok((name, Ok(()))) => Failure::new(Exit::Failed, format!("{name} ended although nobody stopped it")),
        Err(error) => Failure::new(Exit::Failed, format!("a part broke off: {error}")),
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::AddrInUse)
}

fn unbound(arguments: &UpArguments, error: &io::Error) -> Failure {
    let listen = arguments.listen;
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{listen} is taken: another Varde may be running; stop it, or choose another port with \
             --listen {ip}:0 (0 takes any free one)",
            ip = match listen.ip() {
                std::net::IpAddr::V4(ip) => ip.to_string(),
                std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            }
        ),
        _ => format!("cannot listen on {listen}: {error}; choose another address with --listen"),
    };
    Failure::new(Exit::Failed, message)
}

fn failed(error: &anyhow::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot start: {error:#}"))
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Logs of the services go to standard error: warnings and errors, or what `VARDE_LOG` asks for.
fn log() {
    let filter = EnvFilter::try_from_env("VARDE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // A second subscriber in one process, as in a test, is no reason not to run.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
}
