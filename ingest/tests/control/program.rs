//! The sensor as a program: it enrols at the real gateway and sends a capture that is made here. `VARDE_SENSORS` names further
//! builds of it, separated by commas, each with what runs it, as `qemu-aarch64-static target/package/varde-sensor-aarch64`:
//! all send the same bytes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ingest::clock::Clock;
use ingest_event::{Fields, Zone};
use ingest_trust::registry::{Entry, Known};

use super::centre::{ORGANIZATION, SENSOR};
use super::gateway::Station;
use super::lab::{Lab, families};

/// Connections of the capture.
const FLOWS: u16 = 200;

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Names asked over both families, at times that are the same in each run.
fn capture(path: &Path) {
    let mut lab = Lab::new();
    for number in 0..FLOWS {
        for family in families() {
            lab.udp(
                (family.client, 20_000 + number),
                (family.server, 53),
                &question(number),
            );
        }
    }
    std::fs::write(path, lab.bytes).expect("written");
}

/// A question for `host<number>.example` (RFC 1035 section 4).
fn question(number: u16) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in [format!("host{number}"), "example".to_owned()] {
        message.push(u8::try_from(label.len()).expect("short"));
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// Runs a program until it has sent the capture; gives what came, without when it was read.
async fn sent(command: &str, capture: &Path, keys: Option<&Path>) -> (Vec<Fields>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let station = Station::start(folder.path(), "[::1]:0").await;
    let state = folder.path().join("state");
    if let Some(keys) = keys {
        // Those of the same site.
        std::fs::create_dir_all(state.join("keys")).expect("made");
        for key in std::fs::read_dir(keys)
            .expect("reads")
            .map(|key| key.expect("reads").path())
        {
            let name = key.file_name().expect("a name").to_owned();
            std::fs::copy(&key, state.join("keys").join(name)).expect("copied");
        }
    }
    let config = folder.path().join("sensor.yml");
    let text = format!(
        "enrolment: {}\nstate: {}\ncanary_secs: 0\nsources: [{{ file: {{ path: {} }} }}]\n",
        station.code,
        state.display(),
        capture.display()
    );
    std::fs::write(&config, text).expect("written");
    let mut words = command.split_whitespace();
    let child = Command::new(words.next().expect("a program"))
        .args(words)
        .args(["run", "--config"])
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let program = Program(child);
    let asked = station
        .entry("a request", |entry| match entry {
            Entry::Asked(asked) => Some(asked),
            _ => None,
        })
        .await;
    let known = Known {
        sensor: SENSOR.to_owned(),
        organization: ORGANIZATION.to_owned(),
        zone: Some(Zone::School),
        fingerprint: asked.fingerprint,
        former: Vec::new(),
        at: Clock::System.now().as_nanos(),
        revoked: false,
    };
    station.write(&Entry::Known(known)).await;
    let wanted = usize::from(FLOWS) * 4;
    let coming = async {
        loop {
            let events = station.events().await;
            if wanted <= events.len() {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(180), coming).await;
    let mut events = came.unwrap_or_else(|_| panic!("{command}: not all came"));
    drop(program);
    station.stop.cancel();
    for event in &mut events {
        event.remove("event.created");
    }
    events.sort_by_key(|event| event.text("event.id").map(str::to_owned));
    (events, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_build_of_the_program_enrols_and_sends_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("made.pcap");
    capture(&path);
    let (expected, first) = sent(env!("CARGO_BIN_EXE_varde-sensor"), &path, None).await;
    // A flow and a question each, over both families.
    assert_eq!(expected.len(), usize::from(FLOWS) * 4);
    let keys = first.path().join("state/keys");
    let others = std::env::var("VARDE_SENSORS").unwrap_or_default();
    for other in others.split(',').filter(|other| !other.is_empty()) {
        let (events, _) = sent(other, &path, Some(&keys)).await;
        assert!(events == expected, "{other} sends something else");
    }
}
