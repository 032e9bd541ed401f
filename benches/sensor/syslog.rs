//! Lines of syslog over TCP to events as lines of JSON, beside rsyslog to its JSON: both as processes, fed the same bytes.
//!
//! Ours is what the sensor does between its socket and its spool ([`Lines`]): framing, ECS, disclosure, stamp, wire form.
//! rsyslog runs in a [`Debian`] of its own, whose version is the same everywhere.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use anyhow::Context as _;
use ingest::clock::Clock;
use ingest::live::{Frame, Framing};
use ingest::normalize::{Normalizer, NormalizerOptions, YearRule};
use ingest::source::Format;
use tempfile::TempDir;

use super::BENCH;
use super::debian::Debian;
use super::lines::Lines;
use super::running::children;
use crate::measure::{Against, Bar, Contender, Row, median, rate};

/// Lines of a run: half a second of the faster one at least.
const LINES: u64 = 400_000;

const ROUNDS: usize = 3;

/// Between looks at whether it listens, or has written all.
const LOOK: Duration = Duration::from_millis(20);

/// Looks before a contender is given up: a minute.
const LOOKS_MAX: usize = 3_000;

/// What is read at once, as the sensor's own source does.
const READ_BYTES: usize = 64 * 1024;

/// The row; `None` where rsyslog was not installed (`scripts/provision bench`), and for anybody but root.
///
/// # Errors
/// If one can't be run, or does not write a line for each that it was sent.
pub fn row(folder: &Path) -> anyhow::Result<Option<Row>> {
    let Some(debian) = Debian::with("/usr/sbin/rsyslogd") else {
        return Ok(None);
    };
    let sent = lines();
    let me = env::current_exe().context("find this program")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (port, out) = (free_port()?, folder.join("syslog-ours.ndjson"));
        let mut command = Command::new(&me);
        command.arg("syslog").arg(port.to_string()).arg(&out);
        ours.push(fed(command, port, &sent, &out)?);
        let (port, folder) = (free_port()?, debian.folder()?);
        let out = folder.path().join("lines.ndjson");
        theirs.push(fed(rsyslog(&debian, &folder, port)?, port, &sent, &out)?);
    }
    Ok(Some(Row {
        bench: BENCH,
        work: "syslog over TCP to events, written",
        corpus: "lines of both RFCs, from a seed".to_owned(),
        unit: "lines/s",
        ours: rate(LINES, median(ours)),
        floor: None,
        peer: Some(Contender {
            name: "rsyslog to JSON".to_owned(),
            figure: rate(LINES, median(theirs)),
        }),
        bar: Some(Bar {
            against: Against::Peer,
            at_least: 3.0,
        }),
        checked: format!("{LINES} lines sent, as many written by both"),
    }))
}

/// Ours: takes one connection to its end, and writes its events.
///
/// # Errors
/// If it can't listen, read or write.
pub fn run(port: u16, out: &Path) -> anyhow::Result<u64> {
    let options = NormalizerOptions {
        dataset: None,
        home_networks: super::home()?,
        year: YearRule::Unknown,
        utc_offset_secs: 0,
    };
    let mut normalizer = Normalizer::new(Format::Syslog, options);
    let (mut from, _) = TcpListener::bind(("127.0.0.1", port))?.accept()?;
    let mut lines = Lines::new(None, out)?;
    let (mut framing, mut frames, mut buffer) = (Framing::default(), Vec::new(), vec![0; READ_BYTES]);
    let (mut records, mut position) = (Vec::new(), 0);
    loop {
        let count = from.read(&mut buffer)?;
        framing.push(buffer.get(..count).unwrap_or_default(), &mut frames);
        if count == 0 {
            framing.finish(&mut frames);
        }
        normalizer.arrived(Clock::System.now());
        for frame in frames.drain(..) {
            position += 1;
            if let Frame::Whole(message) = frame {
                normalizer.line(&message, position, &mut records);
            }
        }
        lines.write(&mut records)?;
        if count == 0 {
            return lines.end();
        }
    }
}

/// rsyslog, one listener and one file, `lines.ndjson` of its folder, with all that it knows of a message.
fn rsyslog(debian: &Debian, folder: &TempDir, port: u16) -> anyhow::Result<Command> {
    let there = |name| debian.path(folder, name);
    let text = format!(
        "global(workDirectory=\"{}\")\nmodule(load=\"imtcp\")\n\
         template(name=\"json\" type=\"string\" string=\"%jsonmesg%\\n\")\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
         action(type=\"omfile\" file=\"{}\" template=\"json\")\n",
        there(""),
        there("lines.ndjson")
    );
    fs::write(folder.path().join("rsyslog.conf"), text).context("write a configuration")?;
    let (config, pid) = (there("rsyslog.conf"), there("rsyslog.pid"));
    let words = debian.command(&[debian.program(), "-n", "-f", &config, "-i", &pid]);
    let (first, rest) = words.split_first().context("a command is named")?;
    let mut command = Command::new(first);
    command.args(rest);
    Ok(command)
}

/// The processor's time that a contender takes to write as many lines as it is sent.
fn fed(mut command: Command, port: u16, sent: &[u8], out: &Path) -> anyhow::Result<Duration> {
    let _ = fs::remove_file(out);
    let before = children()?;
    let mut contender = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start a contender")?;
    let fed = feed(&mut contender, port, sent, out);
    // It may have ended.
    let _ = contender.kill();
    contender.wait().context("wait for a contender")?;
    fed?;
    Ok(children()?.saturating_sub(before))
}

fn feed(contender: &mut Child, port: u16, sent: &[u8], out: &Path) -> anyhow::Result<()> {
    let mut connected = None;
    for _ in 0..LOOKS_MAX {
        connected = TcpStream::connect(("127.0.0.1", port)).ok();
        if connected.is_some() || contender.try_wait()?.is_some() {
            break;
        }
        thread::sleep(LOOK);
    }
    connected.context("it does not listen")?.write_all(sent)?;
    let mut written = Written::default();
    for _ in 0..LOOKS_MAX {
        let has_ended = contender.try_wait()?.is_some();
        if written.look(out)? == LINES {
            return Ok(());
        }
        anyhow::ensure!(!has_ended, "it ended after {} of {LINES} lines", written.lines);
        thread::sleep(LOOK);
    }
    anyhow::bail!("{} of {LINES} lines were written", written.lines)
}

/// Lines of a file that grows.
#[derive(Default)]
struct Written {
    file: Option<File>,
    lines: u64,
}

impl Written {
    fn look(&mut self, out: &Path) -> anyhow::Result<u64> {
        if self.file.is_none() {
            self.file = File::open(out).ok();
        }
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut bytes).context("read what was written")?;
        }
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(self.lines)
    }
}

/// What nobody listened to a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a port")?;
    Ok(listener.local_addr().context("find a port")?.port())
}

/// Half of them as RFC 3164 has it, half as RFC 5424: logins, a firewall's, a web server's and a machine's own.
fn lines() -> Vec<u8> {
    let mut text = String::new();
    for line in 0..LINES {
        let host = line.wrapping_mul(2_654_435_761) % 250;
        let port = 1_024 + line % 60_000;
        let second = line / 100 % 60;
        let (program, message) = match line % 5 {
            0 => (
                "sshd",
                format!("Failed password for invalid user u{host} from 192.0.2.{host} port {port} ssh2"),
            ),
            1 => (
                "sshd",
                format!("Accepted publickey for deploy from 198.51.100.{host} port {port} ssh2: ED25519"),
            ),
            2 => (
                "kernel",
                format!(
                    "IN=eth0 OUT= SRC=203.0.113.{host} DST=10.0.0.{host} PROTO=TCP SPT={port} DPT=445 SYN"
                ),
            ),
            3 => (
                "CRON",
                format!("session opened for user backup(uid=34) by (uid={line})"),
            ),
            _ => (
                "systemd",
                format!("Started job {line} of the nightly archive, {port} files to go"),
            ),
        };
        // Writing to a text does not fail.
        let _ = match line % 2 {
            0 => writeln!(
                text,
                "<38>Mar  2 08:15:{second:02} web{host} {program}[{port}]: {message}"
            ),
            _ => writeln!(
                text,
                "<38>1 2026-03-02T08:15:{second:02}.{:06}Z web{host} {program} {port} - - {message}",
                line % 1_000_000
            ),
        };
    }
    text.into_bytes()
}
