//! What the demo shows is what the cases say: each case goes through sensor, bus, detector and alerting, and its
//! incidents add up to exactly what its `case.yml` expects.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    dead_code,
    reason = "what fails in a test's helper fails the test; each test uses a part of the station"
)]

#[path = "station/station.rs"]
mod station;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value as Json;
use station::{kafka, request, start_kafka};

/// Alerts by organisation, rule and entity.
type Counts = BTreeMap<(String, String, String), u64>;

#[test]
fn the_demo_shows_exactly_what_the_cases_expect_on_the_embedded_bus() {
    let folder = tempfile::tempdir().expect("a folder");
    check(folder.path(), None);
}

#[test]
fn the_demo_shows_exactly_what_the_cases_expect_on_kafka() {
    if std::env::var_os("VARDE_TEST_KAFKA").is_none() {
        eprintln!("skipped: VARDE_TEST_KAFKA is not set (scripts/kafka start prints it)");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker(folder.path().join("kafka"));
    let address = start_kafka(&broker.0);
    check(folder.path(), Some(&address));
}

/// Stops its node, whatever becomes of the test.
struct Broker(PathBuf);

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = kafka(&self.0, "stop").status();
    }
}

fn check(folder: &Path, bootstrap: Option<&str>) {
    let test = std::env::current_exe().expect("a path");
    let varde = test
        .parent()
        .and_then(Path::parent)
        .expect("target/debug")
        .join("varde");
    let mut demo = Command::new(varde)
        .args(["up", "--demo", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.join("data"))
        .args(bootstrap.map(|address| format!("--kafka={address}")))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let mut line = String::new();
    BufReader::new(demo.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    let address = line
        .trim()
        .rsplit("http://")
        .next()
        .expect("an address")
        .parse()
        .expect("an address");

    let expected = expected();
    let mut seen = Counts::new();
    let mut is_equal = || {
        seen = request(address, "GET", "/api/v1/incidents?limit=200", None)
            .map_or_else(Counts::new, |list| counts(&list));
        seen == expected
    };
    let is_found = (0..600).any(|_| {
        let found = is_equal();
        if !found {
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
        found
    });
    demo.kill().expect("killed");
    demo.wait().expect("gone");
    let missing: Vec<_> = expected
        .iter()
        .filter(|(key, count)| seen.get(key) != Some(count))
        .collect();
    let surplus: Vec<_> = seen
        .iter()
        .filter(|(key, count)| expected.get(key) != Some(count))
        .collect();
    assert!(
        is_found,
        "expected but not seen: {missing:#?}\nseen but not expected: {surplus:#?}"
    );
}

/// What the cases raise together and none alone, for the CERT: rule and entity.
const TOGETHER: [(&str, &str); 2] = [
    // Same Address Called Regularly From Many Municipalities
    ("6f97acf3-26b2-4a3f-ab65-261008311cf3", "198.51.100.66"),
    ("6f97acf3-26b2-4a3f-ab65-261008311cf3", "2001:db8:f::66"),
];

/// The CERT in `rulesets/routing/responders.example.yml`.
const CERT: &str = "310000000";

fn expected() -> Counts {
    let together = TOGETHER.map(|(rule, entity)| ((CERT.to_owned(), rule.to_owned(), entity.to_owned()), 1));
    let mut counts = Counts::from(together);
    let shared = shared();
    let cases = replay_data::cases().expect("cases");
    for case in cases.iter().filter(|case| !case.as_written) {
        for expected in &case.expect {
            let entity = expected.entity.clone().unwrap_or_default();
            let rule = shared.get(&expected.rule).unwrap_or(&expected.rule).clone();
            *counts
                .entry((case.organization.clone(), rule, entity))
                .or_default() += expected.count;
        }
    }
    counts
}

/// For each rule that shares a word with others, the word: their alerts are one incident.
fn shared() -> BTreeMap<String, String> {
    let mut shared = BTreeMap::new();
    for folder in ["anomaly", "correlations", "sigma"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../rulesets")
            .join(folder);
        for file in std::fs::read_dir(folder).expect("bundled rules") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("a text");
            let value = |key: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(key))
                    .map(str::to_owned)
            };
            if let (Some(id), Some(word)) = (value("id: "), value("  incident: ")) {
                shared.insert(id, word);
            }
        }
    }
    shared
}

fn counts(list: &Json) -> Counts {
    let mut counts = Counts::new();
    let shared = shared();
    for incident in list["incidents"].as_array().into_iter().flatten() {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let rule = text(&incident["source"]["id"]);
        let key = (
            text(&incident["organization"]["number"]),
            shared.get(&rule).cloned().unwrap_or(rule),
            text(&incident["entity"]["value"]),
        );
        *counts.entry(key).or_default() += incident["count"].as_u64().unwrap_or(0);
    }
    counts
}
