//! Syslog over TCP, by itself or inside TLS ([`super::tls`]): a bounded number of connections, each read no faster than the spool takes.
//!
//! A connection that has sent nothing for [`IDLE_MAX`] is closed and counted, so that silent ones can't keep the places
//! of others. What it had sent of a message is taken as one, as at the end of a stream.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ingest_event::QuarantineReason;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::tls::Greeter;
use super::{Frame, Framing, MESSAGE_BYTES_MAX, sent_by, socket, syslog};
use crate::agent::{Intake, Outline};
use crate::record::{Record, Refusal};
use crate::stamp::SourceIdentity;

/// Connections served at once; further ones wait in the listener's queue. Each holds one message and a read buffer.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a connection may be silent: quiet senders mark time every few minutes, and a sender whose connection was
/// closed makes a new one with its next message.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);

/// Of a label.
const KIND: &str = "syslog_tcp";

/// After a connection that could not be accepted, so that a lasting failure is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After a stop so many reads are made still of each connection: more than its buffer in the kernel holds.
const LAST_READS: usize = 128;

/// And so long each is waited for: what is in the kernel is there at once.
const LAST_WAIT: Duration = Duration::from_millis(100);

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// Accepts until told to stop.
///
/// # Errors
/// If the listener fails.
pub async fn serve_tcp(
    listener: TcpListener,
    utc_offset_secs: i32,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    serve(
        listener,
        Door::Plain,
        Limits::default(),
        utc_offset_secs,
        intake,
        stop,
    )
    .await
}

/// How senders come in.
#[derive(Clone)]
pub(super) enum Door {
    /// As they are.
    Plain,
    /// Over TLS.
    Tls(Arc<Greeter>),
}

impl Door {
    /// Of a label.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Plain => KIND,
            Self::Tls(_) => "syslog_tls",
        }
    }

    /// Of a source's name.
    const fn name(&self) -> &'static str {
        match self {
            Self::Plain => "tcp",
            Self::Tls(_) => "tls",
        }
    }
}

/// What others' connections may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Served at once.
    pub(super) connections: usize,
    /// How long one may be silent.
    pub(super) idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS_MAX,
            idle: IDLE_MAX,
        }
    }
}

pub(super) async fn serve(
    listener: TcpListener,
    door: Door,
    limits: Limits,
    utc_offset_secs: i32,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let identity = Arc::new(socket(door.name(), listener.local_addr()?, intake.clock().now()));
    let places = Arc::new(Semaphore::new(limits.connections));
    let position = Arc::new(AtomicU64::new(0));
    let reader = |sender| Connection {
        kind: door.kind(),
        sender,
        idle: limits.idle,
        utc_offset_secs,
        identity: Arc::clone(&identity),
        position: Arc::clone(&position),
        intake: Arc::clone(&intake),
    };
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place?,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, from)) => {
                let reader = reader(from.ip());
                connections.spawn(reader.serve(door.clone(), stream, stop.clone(), place));
            }
            // Out of file descriptors, or the peer is gone already: the next one may do, after a pause.
            Err(error) => {
                let errors = &intake.metrics().receive_errors;
                errors.with_label_values(&[door.kind()]).inc();
                tracing::warn!(%error, "accept syslog connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Those that had connected before the stop wait in the listener itself; what they sent is taken, too.
    let listener = listener.into_std()?;
    while let Ok(place) = Arc::clone(&places).try_acquire_owned()
        && let Ok((stream, from)) = listener.accept()
    {
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream)?;
        let reader = reader(from.ip());
        connections.spawn(reader.serve(door.clone(), stream, stop.clone(), place));
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}

struct Connection {
    kind: &'static str,
    sender: IpAddr,
    idle: Duration,
    utc_offset_secs: i32,
    identity: Arc<SourceIdentity>,
    position: Arc<AtomicU64>,
    intake: Arc<Intake>,
}

impl Connection {
    async fn serve(
        self,
        door: Door,
        stream: TcpStream,
        stop: CancellationToken,
        place: OwnedSemaphorePermit,
    ) {
        if let Err(error) = self.enter(door, stream, stop).await {
            tracing::warn!(error = format!("{error:#}"), "syslog connection ended");
        }
        drop(place);
    }

    async fn enter(self, door: Door, stream: TcpStream, stop: CancellationToken) -> anyhow::Result<()> {
        let greeter = match door {
            Door::Plain => return self.read(stream, stop).await,
            Door::Tls(greeter) => greeter,
        };
        let greeted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            greeted = greeter.greet(stream) => greeted,
        };
        match greeted {
            Ok(stream) => self.read(stream, stop).await,
            Err(error) => {
                let errors = &self.intake.metrics().receive_errors;
                errors.with_label_values(&[self.kind]).inc();
                Err(error)
            }
        }
    }

    async fn read(self, mut stream: impl AsyncRead + Unpin, stop: CancellationToken) -> anyhow::Result<()> {
        let mut normalizer = syslog(self.intake.home_networks(), self.utc_offset_secs);
        let (mut framing, mut frames, mut buffer) = (Framing::default(), Vec::new(), vec![0; READ_BYTES]);
        let mut last_reads = LAST_READS;
        loop {
            let count = tokio::select! {
                biased;
                // What had come before the stop is taken still.
                () = stop.cancelled() => {
                    last_reads = last_reads.saturating_sub(1);
                    let read = tokio::time::timeout(LAST_WAIT, stream.read(&mut buffer));
                    if last_reads == 0 { 0 } else { read.await.map_or(0, Result::unwrap_or_default) }
                }
                read = tokio::time::timeout(self.idle, stream.read(&mut buffer)) => match read {
                    Ok(Ok(count)) => count,
                    // Reset by the other end: what it had sent is here and counts all the same.
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "syslog connection");
                        self.intake.metrics().connections_reset.inc();
                        0
                    }
                    Err(_) => {
                        self.intake.metrics().connections_idle.inc();
                        0
                    }
                },
            };
            framing.push(buffer.get(..count).unwrap_or_default(), &mut frames);
            if count == 0 {
                framing.finish(&mut frames);
            }
            normalizer.arrived(self.intake.clock().now());
            let mut records = Vec::with_capacity(frames.len());
            for frame in frames.drain(..) {
                let position = self.position.fetch_add(1, Ordering::Relaxed) + 1;
                match frame {
                    Frame::Whole(message) => normalizer.line(&message, position, &mut records),
                    Frame::TooLong(start) => {
                        let detail =
                            format!("a message over {MESSAGE_BYTES_MAX} bytes, have the sender split it");
                        let reason = QuarantineReason::TooLarge;
                        records.push(Record::Refused(Refusal::new(reason, detail, position, &start)));
                    }
                }
            }
            sent_by(&mut records, self.sender);
            let outline = Outline::of(&records);
            let handed = self.intake.hand_in("syslog", &self.identity, records, None).await;
            if let Err(error) = handed {
                // Nobody sends them again.
                self.intake
                    .turn_away(self.kind, "syslog", &self.identity, outline);
                return Err(error);
            }
            if count == 0 {
                return Ok(());
            }
        }
    }
}
