//! Keeps one source running: what fails is started again, with growing pauses, and never ends the sensor.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ingest_event::Timestamp;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Intake, Stopped, file};
use crate::config::Source;
use crate::live;

/// The pause before a source is started for the second time; doubled each time, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest pause: a port that is free again, or a disk that is back, is noticed within this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A source that ran for so long before it failed starts with the shortest pause again.
const STEADY: Duration = Duration::from_secs(60);

/// Runs a source until it is read to its end or the sensor stops.
pub(super) async fn keep(source: Source, intake: Arc<Intake>, stop: CancellationToken) {
    let mut pause = PAUSE_MIN;
    while !stop.is_cancelled() {
        let started = intake.clock().now();
        // In a task of its own, so that a panic is a failure like any other.
        let mut attempt = JoinSet::new();
        attempt.spawn(run(source.clone(), Arc::clone(&intake), stop.clone()));
        let error = match attempt.join_next().await {
            None | Some(Ok(Ok(()))) => return,
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow::Error::new(error),
        };
        if stop.is_cancelled() || error.is::<Stopped>() {
            return;
        }
        pause = next_pause(pause, started, intake.clock().now());
        intake
            .metrics()
            .source_restarts
            .with_label_values(&[source.kind()])
            .inc();
        tracing::error!(
            error = format!("{error:#}"),
            source = source.kind(),
            pause_ms = pause.as_millis(),
            "a source failed; it is started again"
        );
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

fn next_pause(pause: Duration, started: Timestamp, now: Timestamp) -> Duration {
    if STEADY <= now.since(started) {
        PAUSE_MIN
    } else {
        pause
    }
}

async fn run(source: Source, intake: Arc<Intake>, stop: CancellationToken) -> anyhow::Result<()> {
    match source {
        Source::File(file) if file.follow && live::is_folder(&file.path) => {
            live::follow_folder(file, intake, stop).await
        }
        Source::File(file) if file.follow => live::follow(file, intake, stop).await,
        Source::File(file) => file::read(file, intake, stop).await,
        Source::Capture(capture) => live::serve_capture(capture, intake, stop).await,
        Source::SyslogUdp(syslog) => {
            let socket = udp("syslog_udp", syslog.listen).await?;
            live::serve_udp(socket, syslog.utc_offset_secs, intake, stop).await
        }
        Source::SyslogTcp(syslog) => {
            let listen = syslog.listen;
            let listener = tcp("syslog_tcp", listen).await?;
            live::serve_tcp(listener, syslog.utc_offset_secs, intake, stop).await
        }
        Source::SyslogTls(syslog) => {
            let listen = syslog.listen;
            let listener = tcp("syslog_tls", listen).await?;
            live::serve_tls(listener, syslog, intake, stop).await
        }
        Source::EveSocket(eve) => live::serve_eve(eve, intake, stop).await,
        Source::FlowExport(export) => {
            let socket = udp("flow_export", export.listen).await?;
            live::serve_export(socket, export.exporters, intake, stop).await
        }
    }
}

async fn udp(kind: &str, listen: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind(listen)
        .await
        .with_context(|| format!("listen on udp {listen}"))?;
    tracing::info!(port = listen.port(), "listening for {kind}");
    Ok(socket)
}

async fn tcp(kind: &str, listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listen on tcp {listen}"))?;
    tracing::info!(port = listen.port(), "listening for {kind}");
    Ok(listener)
}
