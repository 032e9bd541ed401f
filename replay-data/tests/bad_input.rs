//! Bad input, as a person would give it to the programs: each message names the file, the line and the mend, nothing
//! panics, nothing after it is lost, everything refused is counted by reason.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases/bad-input")
        .join(name)
}

/// Runs one of the programs as built.
fn run(program: &str, arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("a path");
    let path = test
        .parent()
        .and_then(Path::parent)
        .expect("target/debug")
        .join(program);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --workspace` first",
        path.display()
    );
    Command::new(path).args(arguments).output().expect("started")
}

/// `varde replay` of one input: the exit code, the alerts, and what standard error must hold.
fn check(arguments: &[&str], code: i32, alerts: usize, said: &[&str]) {
    let output = run(
        "varde",
        &[&["replay", "--format", "ndjson", "--no-progress"], arguments].concat(),
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    let found = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(found, alerts, "{arguments:?}: {errors}");
    for text in said {
        assert!(
            errors.contains(text),
            "`{text}` is not in what {arguments:?} says:\n{errors}"
        );
    }
}

#[test]
fn broken_captures_and_logs_are_told_by_line_and_what_is_good_around_them_counts() {
    let path = |name: &str| case(name).display().to_string();
    check(
        &[&path("truncated.pcap")],
        0,
        2,
        &["truncated.pcap:5: truncated", "what came before was read"],
    );
    let known = "link type 147 (reserved for private use) is not known; known are Ethernet (1)";
    check(
        &[&path("unknown-link-type.pcap")],
        65,
        0,
        &["unknown-link-type.pcap", known],
    );
    let lines = [
        "lines.ndjson:2: not_json",
        "lines.ndjson:4: not_json",
        "lines.ndjson:7: bad_field",
        "each line of this file must be one JSON object",
    ];
    check(&[&path("lines.ndjson")], 0, 3, &lines);
    // What old devices write is read, and a password attack in it is found as in any other.
    check(&[&path("broken-utf8.log"), "--year", "2026"], 0, 1, &[]);
    // One that can't be read at all does not keep the others from being read.
    check(
        &[&path("unknown-link-type.pcap"), &path("lines.ndjson")],
        65,
        3,
        &[known],
    );
    check(
        &[&path("not-there.pcap"), &path("lines.ndjson")],
        65,
        3,
        &["not-there.pcap"],
    );
}

#[test]
fn a_line_of_50_mb_is_refused_and_the_lines_around_it_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("huge.ndjson");
    let event = |second: u32, message: &str| {
        format!(
            r#"{{"@timestamp":"2026-03-11T09:00:0{second}Z","event.dataset":"network.dns","source.ip":"10.20.0.21","dns.question.name":"falsk-innlogging.example","message":"{message}"}}"#
        )
    };
    let mut file = fs::File::create(&input).expect("created");
    for (second, message) in [(0, "good"), (1, &"v".repeat(50_000_000)), (2, "good")] {
        writeln!(file, "{}", event(second, message)).expect("written");
    }
    check(
        &[&input.display().to_string()],
        0,
        2,
        &["huge.ndjson:2: too_large"],
    );
}

#[test]
fn bad_rules_and_indicators_are_refused_with_their_mend_and_the_good_ones_count() {
    let input = case("lines.ndjson").display().to_string();
    let rules = case("rules").display().to_string();
    let said = [
        "error[R004]: unknown modifier",
        "unknown_modifier.yml:12",
        "did you mean `endswith`?",
    ];
    let output = run("varde", &["rules", "check", &rules, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        json["loaded"].as_array().map(Vec::len),
        Some(2),
        "the good rules before and after: {json}"
    );
    let output = run("varde", &["replay", "--rules", &rules, "--no-progress", &input]);
    for text in said {
        assert!(String::from_utf8_lossy(&output.stderr).contains(text), "{text}");
    }
    let csv = case("indicators/not-an-address.csv").display().to_string();
    let said = [
        "not-an-address.csv:3",
        "`203.0.113.666` is no IPv4 or IPv6 address",
        "`2001:db8::bad::1`",
    ];
    let output = run("varde", &["indicators", "check", &csv]);
    let told =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    for text in said {
        assert!(told.contains(text), "`{text}` is not in:\n{told}");
    }
}

#[test]
fn a_configuration_with_an_unknown_key_is_refused_with_its_line_by_every_service() {
    let path = case("config/unknown-key.yml").display().to_string();
    for (program, line) in [
        ("varde-detector", "line 7"),
        ("varde-sensor", "line"),
        ("varde-alerting", "line"),
    ] {
        let output = run(program, &["run", "--config", &path]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{program}: {errors}");
        for text in ["unknown-key.yml", line, "expected one of"] {
            assert!(errors.contains(text), "{program}: `{text}` is not in:\n{errors}");
        }
    }
}
