//! The commands for whoever is on site, as processes: what leaves, what was refused, what a pseudonym stands for.

#![expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the sensor's program with a configuration and answers to what it asks.
fn sensor(folder: &Path, arguments: &[&str], answers: &str) -> Output {
    let (command, rest) = arguments.split_first().expect("a command");
    let mut child = Command::new(env!("CARGO_BIN_EXE_varde-sensor"))
        .args([command, "--config"])
        .arg(folder.join("sensor.yml"))
        .args(rest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(answers.as_bytes()).expect("written");
    drop(stdin);
    child.wait_with_output().expect("ends")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder with a sensor that has read one login and one broken line.
fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nhome_networks: [\"2001:db8:20::/64\"]\n\
         home_domains: [vardedal.kommune.no]\nstate: {root}/state\n\
         bus: {{ embedded: {{ directory: {root}/bus }} }}\nexit_when_done: true\ncanary_secs: 0\nsources:\n  \
         - file: {{ path: {root}/auth.log, year: 2026 }}\n  - file: {{ path: {root}/eve.json }}\n"
    );
    fs::write(folder.path().join("sensor.yml"), text).expect("written");
    let login =
        "<38>1 2026-03-02T08:15:00Z gate sshd 7 - - Failed password for kari from 10.20.0.77 port 22 ssh2\n";
    fs::write(folder.path().join("auth.log"), login).expect("written");
    let lines = "{\"timestamp\":\"2026-03-02T08:15:00Z\",\"event_type\":\"flow\",\"src_ip\":\"2001:db8:20::77\",\"dest_ip\":\"2001:db8::1\"}\n\
                 {\"timestamp\":\"2026-03-02T08:15:00Z\",\"event_type\":\"flow\",\"src_ip\":\"kari \u{1b}[2J\"}\n";
    fs::write(folder.path().join("eve.json"), lines).expect("written");
    let ran = sensor(folder.path(), &["run"], "");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    folder
}

/// What stands in the bytes on the bus between a start and the next quote.
fn on_the_bus(folder: &Path, start: &str) -> String {
    for entry in fs::read_dir(folder.join("bus")).expect("a folder") {
        let bytes = fs::read(entry.expect("an entry").path()).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        if let Some((_, rest)) = text.split_once(start) {
            return rest.split('"').next().unwrap_or_default().to_owned();
        }
    }
    panic!("{start} is not on the bus")
}

#[test]
fn a_pseudonym_is_revealed_after_a_person_said_yes_and_written_down_either_way() {
    let site = site();
    let folder = site.path();
    let six = on_the_bus(folder, "\"source.ip\":\"2001:");
    let six = format!("2001:{six}");
    let user = on_the_bus(folder, "\"user.name\":\"");
    let host = on_the_bus(folder, "\"host.name\":\"");
    assert!(six != "2001:db8:20::77" && user.starts_with("u-") && host.starts_with("h-"));
    let ask = ["reveal", &six, &user, &host];

    let refused = sensor(folder, &ask, "Kari, CERT\nincident 17\nOla\nno\n");
    assert!(!refused.status.success());
    assert!(
        said(&refused).starts_with("refused; written down as "),
        "{}",
        said(&refused)
    );
    let revealed = sensor(folder, &ask, "Kari, CERT\nincident 17\nOla\nyes\n");
    let answer = said(&revealed);
    assert!(revealed.status.success(), "{answer}");
    for (pseudonym, clear) in [(&six, "2001:db8:20::77"), (&user, "kari"), (&host, "gate")] {
        assert!(
            answer.contains(&format!("{pseudonym} is {clear} (key 0001-")),
            "{answer}"
        );
    }
    // Without a reason nobody is asked, and nothing is told.
    let hurried = sensor(folder, &ask, "Kari, CERT\n\n\n");
    assert!(!hurried.status.success() && !said(&hurried).contains("kari"));

    let log = fs::read_to_string(folder.join("state/reveal.ndjson")).expect("a log");
    assert_eq!(log.lines().count(), 2);
    assert!(log.contains("incident 17") && !log.contains("2001:db8:20::77") && !log.contains("\"kari\""));
    let changed = log.replacen("\"approved\":false", "\"approved\":true", 1);
    fs::write(folder.join("state/reveal.ndjson"), changed).expect("written");
    let stopped = sensor(folder, &ask, "Kari, CERT\nincident 17\nOla\nyes\n");
    assert!(!stopped.status.success() && !said(&stopped).contains("kari"));
}

#[test]
fn a_request_in_a_file_is_answered_after_a_new_key_too() {
    let site = site();
    let folder = site.path();
    let user = on_the_bus(folder, "\"user.name\":\"");
    let request = folder.join("request.yml");
    let text = format!("asked_by: Kari, CERT\nreason: incident 17\npseudonyms: [{user}, h-nobody]\n");
    fs::write(&request, text).expect("written");
    let request = request.to_str().expect("text");
    let rotated = sensor(folder, &["rotate"], "");
    assert!(said(&rotated).starts_with("0002-"), "{}", said(&rotated));
    let answered = sensor(folder, &["reveal", "--request", request, "--approve", "Ola"], "");
    let answer = said(&answered);
    assert!(answer.contains(&format!("{user} is kari (key 0001-")), "{answer}");
    assert!(answer.contains("h-nobody is not known here"), "{answer}");
    let refused = sensor(folder, &["reveal", "--request", request, "--refuse", "Ola"], "");
    assert!(!refused.status.success() && !said(&refused).contains("kari"));
}

#[test]
fn what_leaves_is_printed_from_the_configuration_and_what_was_refused_from_the_site() {
    let site = site();
    let folder = site.path();
    let printed = said(&sensor(folder, &["privacy", "--dataset", "system.auth"], ""));
    assert!(
        printed.starts_with("system.auth in zone administration: pseudonymised\n"),
        "{printed}"
    );
    let row = |name: &str| {
        let row = printed.lines().find(|line| line.trim_start().starts_with(name));
        row.unwrap_or_else(|| panic!("no {name} in {printed}"))
    };
    assert!(row("user.name").contains("kari → u-"));
    assert!(row("message").contains("Failed password for u-"));
    assert!(row("any other field").ends_with("do not leave, and are counted"));
    assert!(!printed.contains("network.dns in zone"));

    let config = folder.join("sensor.yml");
    let text = fs::read_to_string(&config).expect("read");
    let more = text.replacen(
        "sources:",
        "privacy: [{ dataset: \"system.*\", users: nothing, others: full }]\nsources:",
        1,
    );
    fs::write(&config, more).expect("written");
    let printed = said(&sensor(folder, &["privacy", "--dataset", "system.auth"], ""));
    let user = printed
        .lines()
        .find(|line| line.contains("user.name"))
        .expect("a row");
    assert!(user.ends_with("user: withheld"), "{user}");
    assert!(printed.contains("leave as they are"), "{printed}");

    let refused = said(&sensor(folder, &["quarantine"], ""));
    assert!(
        refused.contains("not_json") && refused.contains("kari"),
        "{refused}"
    );
    assert!(
        !refused.contains('\u{1b}'),
        "control characters are shown, not sent"
    );
}
