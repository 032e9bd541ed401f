//! The sensor is killed again and again while it spools, its power is cut, writes are torn and its disk is full at times:
//! what it had taken in arrives, once by id, and after every round everything that was given a number is on the bus,
//! in the spool, or told to be gone.
//!
//! Twenty rounds; `VARDE_CRASH_ROUNDS` says how many others, `VARDE_CRASH_SEED` which ones. The state directory is a
//! small disk (`disk`) in a namespace of its own; without the rights for that, disks do not fill up and power stays on.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test; what was skipped is told"
)]

#[path = "spool_crash/account.rs"]
mod account;
#[path = "spool_crash/disk.rs"]
mod disk;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use account::Account;
use disk::Disk;
use ingest::spool::{FOLDER, Stream};

/// Lines that the file gets before each round, and that are sent over TCP in it.
const LINES: u64 = 200;

/// One line of the file in so many can't be read.
const BROKEN: u64 = 50;

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Numbers that look random and are the same for a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

/// A sensor that runs, and what it says.
struct Sensor {
    process: Child,
    log: PathBuf,
    metrics: SocketAddr,
}

impl Sensor {
    fn start(disk: &Disk, root: &Path, metrics: SocketAddr) -> Self {
        let log = root.join("sensor.log");
        let process = disk
            .command(env!("CARGO_BIN_EXE_varde-sensor"))
            .args(["run", "--config"])
            .arg(root.join("sensor.yml"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("creates"))
            .spawn()
            .expect("starts");
        Self {
            process,
            log,
            metrics,
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until something is there, while the sensor runs.
    fn until<T>(&mut self, what: &str, mut there: impl FnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(it) = there(self) {
                return it;
            }
            assert!(started.elapsed() < PATIENCE, "{what} never came: {}", self.said());
            if let Some(status) = self.process.try_wait().expect("waits") {
                panic!(
                    "{what}: the sensor ended by itself with {status}: {}",
                    self.said()
                );
            }
            std::thread::yield_now();
        }
    }

    /// Lines over TCP that it has taken in: whoever asks is told so only after they are safe.
    fn taken(&self) -> Option<u64> {
        let mut stream = TcpStream::connect(self.metrics).ok()?;
        let ask = "GET /metrics HTTP/1.1\r\nHost: sensor\r\nConnection: close\r\n\r\n";
        stream.write_all(ask.as_bytes()).ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        let figure = said
            .lines()
            .find_map(|line| line.strip_prefix("ingest_records_read_total{format=\"syslog\"} "));
        figure.map_or(Some(0), |figure| figure.trim().parse().ok())
    }

    fn kill(mut self) {
        self.process.kill().expect("kills");
        self.process.wait().expect("ends");
    }

    fn stop(mut self) {
        let stopped = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status();
        assert!(stopped.expect("runs").success());
        assert!(self.process.wait().expect("ends").success(), "{}", self.said());
    }
}

/// Flows, and some lines that can't be read. No alerts: for them others would be shed on a full disk.
fn append(path: &Path, numbers: std::ops::Range<u64>) {
    let mut lines = String::new();
    for number in numbers {
        // What differs from line to line does not compress away.
        let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1;
        let line = if number % BROKEN == BROKEN - 1 {
            format!("{{ broken {noise}\n")
        } else {
            format!(
                "{{\"timestamp\":\"2026-03-02T08:15:00Z\",\"event_type\":\"flow\",\"src_ip\":\"2001:db8::7\",\"dest_ip\":\"192.0.2.1\",\"flow_id\":{noise}}}\n"
            )
        };
        lines.push_str(&line);
    }
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.expect("opens").write_all(lines.as_bytes()).expect("writes");
}

/// What writes that were torn by the crash leave: behind the last frame of any stream a part of a frame with a bit
/// flipped, and in the slots that were to be written next something else than what was there.
fn tear(state: &Path, dice: &mut Dice) -> u64 {
    let folder = state.join(FOLDER);
    let mut torn = 0;
    for stream in Stream::ALL {
        let entries = fs::read_dir(&folder).expect("reads");
        let mut segments: Vec<_> = entries.map(|entry| entry.expect("reads").path()).collect();
        let start = format!("{}-", stream.as_str());
        segments.retain(|path| {
            let name = path.file_name().expect("has one").to_string_lossy().into_owned();
            name.starts_with(&start) && name.ends_with(".segment")
        });
        segments.sort();
        let Some(newest) = segments.last().filter(|_| dice.below(2) == 0) else {
            continue;
        };
        let whole = fs::read(newest).expect("reads");
        let mut part = whole[..dice.below(whole.len() as u64 + 1) as usize].to_vec();
        part.truncate(4_096);
        if !part.is_empty() {
            let byte = dice.below(part.len() as u64) as usize;
            part[byte] ^= 1 << dice.below(8);
        }
        let mut file = OpenOptions::new().append(true).open(newest).expect("opens");
        // On a full disk it is torn all the more.
        let _ = file.write_all(&part);
        torn += u64::from(!part.is_empty());
    }
    for name in ["places", "acknowledged"] {
        if dice.below(4) != 0 {
            continue;
        }
        let older = [0, 1].map(|slot| folder.join(format!("{name}-{slot}")));
        let older = older.into_iter().min_by_key(|path| {
            let generation = fs::read(path)
                .ok()
                .and_then(|bytes| bytes.get(8..16)?.try_into().ok());
            generation.map_or(0, u64::from_le_bytes)
        });
        let older = older.expect("two");
        let file = OpenOptions::new().write(true).open(older).expect("opens");
        let noise: Vec<u8> = (0..=dice.below(600)).map(|_| dice.below(256) as u8 | 1).collect();
        file.write_all_at(&noise, 0).expect("writes");
        torn += 1;
    }
    torn
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("bound")
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn whatever_crashes_all_that_was_taken_in_arrives_once() {
    let (rounds, seed) = (number("VARDE_CRASH_ROUNDS", 20), number("VARDE_CRASH_SEED", 1));
    println!("seed {seed}, {rounds} rounds");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let disk = Disk::mount(root);
    let (listen, metrics) = (free(), free());
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: {0}/state\ncanary_secs: 1\nlisten: \"{metrics}\"\nprivacy: [{{ level: full }}]\n\
         bus: {{ embedded: {{ directory: {0}/bus }} }}\nsources:\n  - file: {{ path: {0}/eve.json, follow: true }}\n  - syslog_tcp: {{ listen: \"{listen}\" }}\n",
        root.display()
    );
    fs::write(root.join("sensor.yml"), text).expect("writes");
    let file = root.join("eve.json");
    let mut account = Account::open(&root.join("bus")).await;
    let (mut torn, mut filled, mut cut) = (0, 0, 0);
    let mut safe = BTreeSet::new();
    for round in 0..rounds {
        append(&file, round * LINES..(round + 1) * LINES);
        // A first start makes files, for which it needs room.
        let has_started = disk.outside().join("quarantine/newer.ndjson").exists();
        let is_filled = dice.below(4) == 0 && disk.is_mounted() && has_started;
        if is_filled {
            disk.fill();
            filled += 1;
        }
        let mut sensor = Sensor::start(&disk, root, metrics);
        let mut sender = sensor.until("a connection", |_| TcpStream::connect(listen).ok());
        for line in round * LINES..(round + 1) * LINES {
            let noise = line.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let line = format!("<38>Mar  2 08:15:00 gate app: {noise:x} {line}\n");
            sender.write_all(line.as_bytes()).expect("sends");
        }
        if is_filled {
            // Unless all of it found room in what was there already.
            let is_over = |sensor: &Sensor| {
                (sensor.said().contains("the disk is full") || sensor.taken() == Some(LINES)).then_some(())
            };
            sensor.until("a full disk", is_over);
            disk.free();
        }
        let target = dice.below(LINES + 1);
        let taken = sensor.until("the round's lines", |sensor| {
            sensor.taken().filter(|taken| target <= *taken)
        });
        sensor.kill();
        safe.extend(round * LINES..round * LINES + taken);
        if disk.is_mounted() && dice.below(3) == 0 {
            disk.cut_power();
            cut += 1;
        }
        if dice.below(2) == 0 {
            torn += tear(&disk.outside(), &mut dice);
        }
        let all = account.check(&disk.outside(), round).await;
        let missing: Vec<_> = safe.iter().filter(|line| !all.lines.contains_key(line)).collect();
        assert!(missing.is_empty(), "round {round}: safe and gone: {missing:?}");
    }
    let of_file = rounds * LINES - rounds * LINES / BROKEN;
    let mut sensor = Sensor::start(&disk, root, metrics);
    // Before it answers it does not heed signals.
    sensor.until("an answer", Sensor::taken);
    let started = Instant::now();
    loop {
        account.read().await;
        let is_there = |line| account.published.lines.contains_key(line);
        let is_whole = of_file <= account.published.of_file.len() as u64;
        if is_whole && safe.iter().all(is_there) && account.refused().await as u64 == rounds * LINES / BROKEN
        {
            break;
        }
        let came = account.published.of_file.len();
        assert!(
            started.elapsed() < PATIENCE,
            "{came} of {of_file} came: {}",
            sensor.said()
        );
        let ended = sensor.process.try_wait().expect("waits");
        assert!(ended.is_none(), "it ended: {}", sensor.said());
    }
    sensor.stop();
    account.check(&disk.outside(), rounds).await;
    println!(
        "{torn} torn writes, {filled} full disks, {cut} power cuts, {} times numbers left out; {} lines of a file and {} over TCP arrived, {} of them safe before a crash",
        account.jumps,
        account.published.of_file.len(),
        account.published.lines.len(),
        safe.len()
    );
    assert_eq!(account.published.of_file.len() as u64, of_file, "each once by id");
    let is_once = |ids: &BTreeSet<String>| ids.len() == 1;
    assert!(account.published.lines.values().all(is_once), "each once by id");
}
