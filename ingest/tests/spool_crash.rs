//! The sensor is killed again and again while it spools, with torn writes in between and its disk full at times: what it
//! had taken in arrives, and once by id.
//!
//! Twenty rounds; `VARDE_CRASH_ROUNDS` says how many others, `VARDE_CRASH_SEED` which ones. The state directory is a
//! small file system in memory, mounted in a namespace of its own; without the rights for that, disks do not fill up.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test; what was skipped is told"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ingest::spool::{FOLDER, records_given};
use ingest_bus::{Bus, BusConfig, PollError, PollLimit, Subscription, Topic};
use ingest_event::codec::flatten;

/// Lines that are written before each round.
const LINES: u64 = 400;

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Size of the file system of the state directory.
const DISK: &str = "size=3m";

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

/// Keeps a file system in memory mounted, in a mount namespace that nobody else sees.
struct Disk {
    holder: Option<Child>,
    /// As the sensor sees it.
    inside: PathBuf,
}

impl Disk {
    fn mount(inside: &Path) -> Self {
        fs::create_dir_all(inside).expect("a folder");
        let script = format!(
            "mount -t tmpfs -o {DISK} tmpfs '{}' && echo ready && exec cat",
            inside.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts unshare");
        let mut said = String::new();
        let output = holder.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut said).expect("reads");
        let is_mounted = said == "ready\n";
        if !is_mounted {
            holder.wait().expect("ends");
            assert!(
                std::env::var_os("CI").is_none(),
                "no rights to mount: run as root"
            );
            println!("skipped: full disks, no rights to mount one");
        }
        Self {
            holder: is_mounted.then_some(holder),
            inside: inside.to_path_buf(),
        }
    }

    /// As this process sees it.
    fn outside(&self) -> PathBuf {
        let Some(holder) = &self.holder else {
            return self.inside.clone();
        };
        let root = PathBuf::from(format!("/proc/{}/root", holder.id()));
        root.join(self.inside.strip_prefix("/").expect("an absolute path"))
    }

    fn sensor(&self, config: &Path, log: &Path) -> Child {
        let program = env!("CARGO_BIN_EXE_varde-sensor");
        let mut command = match &self.holder {
            Some(holder) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--mount=/proc/{}/ns/mnt", holder.id()))
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        let stderr = fs::File::create(log).expect("creates");
        command
            .args(["run", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("starts")
    }

    /// Leaves no byte on it.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.outside().join("ballast")).expect("creates");
        for bytes in [64 << 10, 1] {
            let piece = vec![1; bytes];
            while ballast.write_all(&piece).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.outside().join("ballast")).expect("removes");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            // The end of its input ends it, and the namespace with it.
            drop(holder.stdin.take());
            let _ = holder.wait();
        }
    }
}

/// Waits until something holds, while the sensor runs.
fn until(what: &str, sensor: &mut Child, log: &Path, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        let said = || fs::read_to_string(log).unwrap_or_default();
        assert!(started.elapsed() < PATIENCE, "{what} never came: {}", said());
        if let Some(status) = sensor.try_wait().expect("waits") {
            panic!("{what}: the sensor ended by itself with {status}: {}", said());
        }
        std::thread::yield_now();
    }
}

fn append(path: &Path, numbers: std::ops::Range<u64>) {
    let mut lines = String::new();
    for number in numbers {
        // What differs from line to line does not compress away.
        let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        lines.push_str(&format!(
            "Mar  2 08:15:00 gate app: {noise:x}{:x} {number}\n",
            !noise.rotate_left(31)
        ));
    }
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.expect("opens").write_all(lines.as_bytes()).expect("writes");
}

/// What a write that was torn by the crash leaves behind the last frame: a part of a frame with a bit flipped, or what
/// lay on the disk before.
fn tear(state: &Path, dice: &mut Dice) -> bool {
    let entries = fs::read_dir(state.join(FOLDER)).expect("reads");
    let mut segments: Vec<_> = entries.map(|entry| entry.expect("reads").path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    segments.sort();
    let Some(newest) = segments
        .iter()
        .rev()
        .find(|path| path.to_string_lossy().contains("/log-"))
    else {
        return false;
    };
    let whole = fs::read(newest).expect("reads");
    let mut torn = whole[..dice.below(whole.len() as u64 + 1) as usize].to_vec();
    torn.truncate(4_096);
    if !torn.is_empty() {
        let byte = dice.below(torn.len() as u64) as usize;
        torn[byte] ^= 1 << dice.below(8);
    }
    let mut file = OpenOptions::new().append(true).open(newest).expect("opens");
    // On a full disk it is torn all the more.
    let _ = file.write_all(&torn);
    !torn.is_empty()
}

/// Lines on the bus by id, with their numbers in the stream.
async fn arrived(bus: &Path) -> BTreeMap<String, (u64, u64)> {
    let bus = Bus::open(&BusConfig::Embedded {
        directory: bus.to_path_buf(),
    })
    .await
    .expect("opens");
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let ends = match bus.end_positions(&topic).await {
        Err(PollError::UnknownTopic { .. }) => return BTreeMap::new(),
        ends => ends.expect("reads"),
    };
    let wanted: u64 = ends.iter().map(|position| position.offset).sum();
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let (mut seen, mut by_id) = (0, BTreeMap::new());
    while seen < wanted {
        let limit = PollLimit {
            records: 5_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(5),
        };
        let batch = consumer.poll(limit).await.expect("polls");
        seen += batch.deliveries.len() as u64;
        for delivery in &batch.deliveries {
            let event = flatten(&delivery.record.value).expect("JSON");
            if event.text("varde.stream") != Some("log") {
                continue;
            }
            let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).expect("a number");
            let line = number(event.text("message").and_then(|text| text.rsplit(' ').next()));
            let sequence = number(event.get("event.sequence").map(ToString::to_string).as_deref());
            let id = event.text("event.id").expect("has one").to_owned();
            let first = *by_id.entry(id).or_insert((line, sequence));
            assert_eq!(first, (line, sequence), "what is repeated is the same");
        }
    }
    by_id
}

#[tokio::test]
async fn whatever_crashes_all_that_was_taken_in_arrives_once() {
    let number = |name: &str, default| {
        std::env::var(name)
            .ok()
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (rounds, seed): (u64, u64) = (number("VARDE_CRASH_ROUNDS", 20), number("VARDE_CRASH_SEED", 1));
    println!("seed {seed}, {rounds} rounds");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let (lines, log, bus) = (root.join("log"), root.join("sensor.log"), root.join("bus"));
    let disk = Disk::mount(&root.join("state"));
    let config = root.join("sensor.yml");
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: {0}/state\ncanary_secs: 1\nprivacy: [{{ level: full }}]\n\
         bus: {{ embedded: {{ directory: {0}/bus }} }}\nsources:\n  - file: {{ path: {0}/log, year: 2026, follow: true }}\n",
        root.display()
    );
    fs::write(&config, text).expect("writes");
    let state = disk.outside();
    let (mut torn, mut filled) = (0, 0);
    for round in 0..rounds {
        append(&lines, round * LINES..(round + 1) * LINES);
        let before = records_given(&state);
        let is_filled = disk.holder.is_some() && dice.below(4) == 0;
        if is_filled {
            disk.fill();
            filled += 1;
        }
        let mut sensor = disk.sensor(&config, &log);
        if is_filled {
            until("a full disk", &mut sensor, &log, || {
                fs::read_to_string(&log).is_ok_and(|said| said.contains("the disk is full"))
            });
            disk.free();
        }
        // Somewhere in what this round brings; some of it may be there already.
        let target = before + 1 + dice.below(LINES / 2);
        until("the round's records", &mut sensor, &log, || {
            target <= records_given(&state)
        });
        sensor.kill().expect("kills");
        sensor.wait().expect("ends");
        if dice.below(2) == 0 {
            torn += u64::from(tear(&state, &mut dice));
        }
    }
    let total = rounds * LINES;
    let mut sensor = disk.sensor(&config, &log);
    let started = Instant::now();
    let by_id = loop {
        let by_id = arrived(&bus).await;
        if total <= by_id.len() as u64 {
            break by_id;
        }
        let said = || fs::read_to_string(&log).unwrap_or_default();
        assert!(
            started.elapsed() < PATIENCE,
            "{} of {total} came: {}",
            by_id.len(),
            said()
        );
        assert!(
            sensor.try_wait().expect("waits").is_none(),
            "it ended: {}",
            said()
        );
    };
    let stopped = Command::new("kill")
        .args(["-TERM", &sensor.id().to_string()])
        .status();
    assert!(stopped.expect("runs").success());
    assert!(sensor.wait().expect("ends").success());
    println!("{torn} torn writes, {filled} full disks");
    let arrived: BTreeSet<u64> = by_id.values().map(|(line, _)| *line).collect();
    assert_eq!(arrived.len() as u64, total, "every line");
    assert_eq!(by_id.len() as u64, total, "and each once by id");
    let sequences: BTreeSet<u64> = by_id.values().map(|(_, sequence)| *sequence).collect();
    assert_eq!(sequences.len() as u64, total, "one number each");
    assert_eq!(sequences.last().copied(), Some(total), "without gaps");
}
