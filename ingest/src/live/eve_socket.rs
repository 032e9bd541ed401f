//! Suricata's EVE on a Unix socket that the sensor opens: `filetype: unix_stream` or `unix_dgram` of its `eve-log`.
//!
//! Suricata connects, writes a record a line or a datagram, and connects again when the socket was away. Nothing is kept
//! for it on the other side: what it writes while the sensor is down, or does not take fast enough, it drops and counts
//! itself. A socket that a sensor before left behind is taken over; one that somebody serves is not.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use ingest_event::QuarantineReason;
use tokio::net::{UnixDatagram, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::receive::Failures;
use super::socket;
use crate::agent::{Intake, Outline};
use crate::config::{EveSocketSource, SocketKind};
use crate::normalize::{Normalizer, NormalizerOptions, YearRule};
use crate::record::{Record, Refusal};
use crate::source::{Format, LINE_BYTES_MAX};
use crate::stamp::SourceIdentity;

/// Connections served at once: Suricata makes one for each of its outputs, or one for each thread.
const CONNECTIONS_MAX: usize = 64;

/// Of a label.
const KIND: &str = "eve_socket";

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// The longest datagram that is read; Suricata's own buffer is 64 KiB unless it was built otherwise.
const DATAGRAM_BYTES_MAX: usize = 256 * 1024;

/// Datagrams taken into one append to the spool.
const DATAGRAMS_PER_BATCH: usize = 1_000;

/// After a stop so much is read of what a stream or a socket holds still: more than the kernel keeps.
const LAST_READS: usize = 1_024;

/// After a connection that could not be accepted, so that a lasting failure is no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Suricata and the sensor are two users; others have no business there.
const MODE: u32 = 0o660;

/// Reads until told to stop.
///
/// # Errors
/// If the socket can't be opened, or fails again and again.
pub async fn serve_eve(
    source: EveSocketSource,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let path = &source.path;
    clear(path, source.kind)?;
    let opened = || {
        format!(
            "open the socket {}: check that its folder exists and may be written",
            path.display()
        )
    };
    let identity = Arc::new(socket("eve", path.display(), intake.clock().now()));
    let served = match source.kind {
        SocketKind::Stream => {
            let listener = UnixListener::bind(path).with_context(opened)?;
            allow(path)?;
            streams(listener, identity, intake, stop).await
        }
        SocketKind::Datagram => {
            let socket = UnixDatagram::bind(path).with_context(opened)?;
            allow(path)?;
            datagrams(socket, identity, intake, stop).await
        }
    };
    // Whoever connects next shall know that nobody is there.
    let _ = std::fs::remove_file(path);
    served
}

/// Takes away a socket that nobody serves any more.
fn clear(path: &Path, kind: SocketKind) -> anyhow::Result<()> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("look at {}", path.display())),
    };
    if !there.file_type().is_socket() {
        anyhow::bail!(
            "{} is there and no socket: name another `path`, or move it away",
            path.display()
        );
    }
    let answered = match kind {
        SocketKind::Stream => std::os::unix::net::UnixStream::connect(path).map(drop),
        SocketKind::Datagram => {
            std::os::unix::net::UnixDatagram::unbound().and_then(|socket| socket.connect(path))
        }
    };
    match answered {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).with_context(|| format!("take over the socket {}", path.display()))
        }
        Ok(()) | Err(_) => {
            anyhow::bail!(
                "somebody serves the socket {} already: name another `path`, or stop it",
                path.display()
            )
        }
    }
}

fn allow(path: &Path) -> anyhow::Result<()> {
    let permissions = std::fs::Permissions::from_mode(MODE);
    std::fs::set_permissions(path, permissions)
        .with_context(|| format!("say who may write to the socket {}", path.display()))
}

fn normalizer(intake: &Intake) -> Normalizer {
    let options = NormalizerOptions {
        dataset: None,
        home_networks: intake.home_networks().to_vec(),
        year: YearRule::Unknown,
        utc_offset_secs: 0,
    };
    Normalizer::new(Format::Eve, options)
}

async fn streams(
    listener: UnixListener,
    identity: Arc<SourceIdentity>,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (places, position) = (
        Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        Arc::new(AtomicU64::new(0)),
    );
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
            Ok((stream, _)) => {
                let reader = Connection {
                    lines: Lines::default(),
                    identity: Arc::clone(&identity),
                    position: Arc::clone(&position),
                    intake: Arc::clone(&intake),
                };
                let stop = stop.clone();
                connections.spawn(async move {
                    if let Err(error) = reader.read(stream, stop).await {
                        tracing::warn!(error = format!("{error:#}"), "EVE connection ended");
                    }
                    drop(place);
                });
            }
            // Out of file descriptors, or the peer is gone already: those that are connected go on, whatever it is.
            Err(error) => {
                let errors = &intake.metrics().receive_errors;
                errors.with_label_values(&[KIND]).inc();
                tracing::warn!(%error, "accept EVE connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}

struct Connection {
    lines: Lines,
    identity: Arc<SourceIdentity>,
    position: Arc<AtomicU64>,
    intake: Arc<Intake>,
}

impl Connection {
    async fn read(mut self, stream: UnixStream, stop: CancellationToken) -> anyhow::Result<()> {
        let mut normalizer = normalizer(&self.intake);
        let mut buffer = vec![0; READ_BYTES];
        let (mut is_over, mut last_reads) = (false, 0);
        while !is_over {
            if stop.is_cancelled() {
                // What came before the stop is taken still; it does not wait for more.
                last_reads += 1;
            } else {
                tokio::select! {
                    () = stop.cancelled() => continue,
                    ready = stream.readable() => ready?,
                }
            }
            let count = match stream.try_read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !stop.is_cancelled() => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    tracing::debug!(%error, "EVE connection");
                    self.intake.metrics().connections_reset.inc();
                    0
                }
            };
            is_over = count == 0 || LAST_READS <= last_reads;
            normalizer.arrived(self.intake.clock().now());
            let mut records = Vec::new();
            let mut one = |line: Line<'_>| {
                let position = self.position.fetch_add(1, Ordering::Relaxed) + 1;
                take(&mut normalizer, line, position, &mut records);
            };
            self.lines.push(buffer.get(..count).unwrap_or_default(), &mut one);
            if is_over {
                self.lines.finish(&mut one);
            }
            hand_in(&self.intake, &self.identity, records).await?;
        }
        Ok(())
    }
}

async fn datagrams(
    socket: UnixDatagram,
    identity: Arc<SourceIdentity>,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut normalizer = normalizer(&intake);
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX + 1];
    let mut failures = Failures::new(KIND);
    let (mut position, mut last_reads) = (0, 0);
    loop {
        if stop.is_cancelled() {
            last_reads += 1;
        } else {
            tokio::select! {
                () = stop.cancelled() => continue,
                ready = socket.readable() => ready?,
            }
        }
        normalizer.arrived(intake.clock().now());
        let mut records = Vec::new();
        let mut received = Ok(0);
        for _ in 0..DATAGRAMS_PER_BATCH {
            received = socket.try_recv(&mut buffer);
            let Ok(count) = received else { break };
            failures.over();
            position += 1;
            let message = buffer.get(..count).unwrap_or_default();
            let line = match count <= DATAGRAM_BYTES_MAX {
                true => Line::Whole(message.trim_ascii_end()),
                false => Line::TooLong(message),
            };
            take(&mut normalizer, line, position, &mut records);
        }
        let is_empty = records.is_empty();
        hand_in(&intake, &identity, records).await?;
        if let Err(error) = received {
            tokio::time::sleep(failures.told(error, intake.metrics())?).await;
        }
        if stop.is_cancelled() && (is_empty || LAST_READS <= last_reads) {
            return Ok(());
        }
    }
}

/// The spool may be full: then Suricata waits, or drops and counts.
async fn hand_in(
    intake: &Arc<Intake>,
    identity: &SourceIdentity,
    records: Vec<Record>,
) -> anyhow::Result<()> {
    let outline = Outline::of(&records);
    let handed = intake
        .hand_in(Format::Eve.as_str(), identity, records, None)
        .await;
    handed.inspect_err(|_| {
        // Nobody sends them again.
        intake.turn_away(KIND, Format::Eve.as_str(), identity, outline);
    })?;
    Ok(())
}

fn take(normalizer: &mut Normalizer, line: Line<'_>, position: u64, records: &mut Vec<Record>) {
    match line {
        Line::Whole(line) => normalizer.line(line, position, records),
        Line::TooLong(start) => {
            let detail =
                "a record longer than any that is read; leave payload and packets out of the EVE output";
            let refusal = Refusal::new(QuarantineReason::TooLarge, detail, position, start);
            records.push(Record::Refused(refusal));
        }
    }
}

/// One line of a stream.
enum Line<'l> {
    Whole(&'l [u8]),
    /// One over [`LINE_BYTES_MAX`]: its start.
    TooLong(&'l [u8]),
}

/// Takes a stream apart into lines, in whatever chunks it comes. Holds at most one line.
#[derive(Default)]
struct Lines {
    held: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(Line<'_>)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.held.len());
            let line = piece.strip_suffix(b"\n").unwrap_or(piece);
            self.held.extend_from_slice(line.get(..room).unwrap_or(line));
            if line.len() < piece.len() {
                self.finish(take);
            }
        }
    }

    /// What is held is a line, if it is anything.
    fn finish(&mut self, take: &mut impl FnMut(Line<'_>)) {
        match self.held.len() {
            0 => {}
            length if length <= LINE_BYTES_MAX => take(Line::Whole(self.held.trim_ascii_end())),
            _ => take(Line::TooLong(&self.held)),
        }
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_at_its_line_ends_whatever_its_chunks() {
        let long = "x".repeat(2 * LINE_BYTES_MAX);
        let stream = format!("one\n\ntwo\r\n{long}\nthree");
        for chunk in [1, 3, 4_096, stream.len()] {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            let mut take = |line: Line<'_>| {
                seen.push(match line {
                    Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                    Line::TooLong(start) => format!("too long: {}", start.len()),
                });
            };
            for bytes in stream.as_bytes().chunks(chunk) {
                lines.push(bytes, &mut take);
            }
            lines.finish(&mut take);
            let cut = format!("too long: {}", LINE_BYTES_MAX + 1);
            assert_eq!(
                seen,
                ["one", "two", cut.as_str(), "three"],
                "in chunks of {chunk}"
            );
        }
    }

    #[test]
    fn a_socket_left_behind_is_taken_over_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("eve.sock");
        for kind in [SocketKind::Stream, SocketKind::Datagram] {
            clear(&path, kind).expect("nothing there");
            let left = match kind {
                SocketKind::Stream => {
                    std::os::unix::net::UnixListener::bind(&path).map(std::os::fd::OwnedFd::from)
                }
                SocketKind::Datagram => {
                    std::os::unix::net::UnixDatagram::bind(&path).map(std::os::fd::OwnedFd::from)
                }
            };
            let left = left.expect("binds");
            let told = clear(&path, kind).expect_err("served").to_string();
            assert!(told.contains("already"), "{told}");
            drop(left);
            clear(&path, kind).expect("taken over");
            assert!(!path.exists(), "{kind:?}");
        }
        std::fs::write(&path, "kept").expect("written");
        let told = clear(&path, SocketKind::Stream).expect_err("a file").to_string();
        assert!(told.contains("no socket") && path.exists(), "{told}");
    }
}
