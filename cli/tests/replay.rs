//! `varde replay` as a person or a script runs it: what it prints where, and how it ends.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value as Json;
use tempfile::TempDir;

/// A rule of our own for these tests: any look-up of a name under trap.example.
const RULE: &str = "\
title: Trap Asked For
id: 0f5c2a1e-6a0e-4c57-9a53-6b1b8d7a9f10
status: test
description: A name that nobody has a reason to ask for.
author: Varde
logsource:
  category: dns
detection:
  selection:
    dns.question.name|endswith: .trap.example
  condition: selection
level: high
";

/// Two look-ups of the trap, one per address family, between ordinary ones.
const EVENTS: &str = r#"{"@timestamp":"2026-03-02T08:00:00Z","event.dataset":"network.dns","source.ip":"10.0.0.1","destination.ip":"10.0.0.53","dns.type":"query","dns.question.name":"www.example.no"}
{"@timestamp":"2026-03-02T08:00:01Z","event.dataset":"network.dns","source.ip":"10.0.0.2","destination.ip":"10.0.0.53","dns.type":"query","dns.question.name":"a.trap.example"}
{"@timestamp":"2026-03-02T08:00:02Z","event.dataset":"network.dns","source.ip":"2001:db8::2","destination.ip":"2001:db8::53","dns.type":"query","dns.question.name":"b.trap.example"}
"#;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        place.write("rules/trap.yml", RULE);
        place.write("events.ndjson", EVENTS);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    /// `varde replay` with our rule, in the place's folder.
    fn replay(&self, arguments: &[&str]) -> Ran {
        self.varde(&[&["replay", "--rules", "rules"], arguments].concat())
    }

    fn varde(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_varde"))
            .current_dir(self.folder.path())
            .args(arguments)
            .output()
            .expect("it runs");
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ended(self, code: i32, parts_of_err: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts_of_err {
            assert!(self.err.contains(part), "`{part}` is missing in: {}", self.err);
        }
        self
    }

    fn alerts(&self) -> Vec<Json> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

#[test]
fn ndjson_has_one_alert_a_line_with_the_documented_fields() {
    let place = Place::new();
    let ran = place.replay(&["events.ndjson"]).ended(0, &[]);
    let alerts = ran.alerts();
    assert_eq!(alerts.len(), 2, "{}", ran.out);
    let [first, second] = &alerts[..] else {
        panic!("two")
    };
    for name in [
        "@timestamp",
        "event.id",
        "rule.id",
        "rule.name",
        "event.severity",
        "log.file.path",
    ] {
        assert!(!first[name].is_null(), "{name} is missing");
    }
    assert_eq!(first["rule.name"], "Trap Asked For");
    assert_eq!(first["event.severity"], 4);
    assert_eq!(first["log.file.path"], "events.ndjson");
    assert_eq!(
        (&first["source.ip"], &first["destination.ip"]),
        (&"10.0.0.2".into(), &"10.0.0.53".into())
    );
    assert_eq!(second["source.ip"], "2001:db8::2");
}

#[test]
fn indicators_are_named_in_the_alert() {
    let place = Place::new();
    place.write("feed.txt", "192.0.2.53\n2001:db8::53\n");
    place.write("outside.ndjson", EVENTS.replace("10.0.0.53", "192.0.2.53"));
    let ran = place
        .replay(&["outside.ndjson", "--indicators", "feed.txt"])
        .ended(0, &[]);
    let addresses: Vec<Json> = ran
        .alerts()
        .iter()
        .map(|alert| alert["threat.indicator.ip"].clone())
        .collect();
    for address in ["192.0.2.53", "2001:db8::53"] {
        assert!(addresses.contains(&address.into()), "{address} in {addresses:?}");
    }
}

#[test]
fn two_runs_print_the_same_bytes_in_every_format() {
    let place = Place::new();
    place.write(
        "broken.ndjson",
        "{\"@timestamp\":\"2026-03-02T08:00:00Z\",\"event.dataset\":\"x\"}\nno JSON\n",
    );
    for format in ["ndjson", "json"] {
        let run = || {
            place
                .replay(&["events.ndjson", "broken.ndjson", "--format", format])
                .ended(0, &[])
        };
        let (first, second) = (run(), run());
        assert!(!first.out.is_empty());
        assert_eq!((first.out, first.err), (second.out, second.err), "{format}");
    }
}

#[test]
fn json_is_one_document_with_a_summary() {
    let place = Place::new();
    for (input, alerts) in [("events.ndjson", 2), ("quiet.ndjson", 0)] {
        place.write("quiet.ndjson", EVENTS.lines().next().expect("a line"));
        let ran = place.replay(&[input, "--format", "json"]).ended(0, &[]);
        let document: Json = serde_json::from_str(&ran.out).expect("one document");
        assert_eq!(document["alerts"].as_array().map(Vec::len), Some(alerts));
        assert_eq!(document["summary"]["alerts"], alerts);
        assert_eq!(document["summary"]["inputs"][0]["path"], input);
    }
}

#[test]
fn the_table_has_a_row_for_each_and_a_summary() {
    let ran = Place::new()
        .replay(&["events.ndjson", "--format", "table"])
        .ended(0, &[]);
    for part in [
        "Trap Asked For",
        "high",
        "→ 10.0.0.53",
        "2001:db8::2",
        "3 events · 2 alerts",
    ] {
        assert!(ran.out.contains(part), "{part} in:\n{}", ran.out);
    }
    assert!(!ran.out.contains('\u{1b}'), "no colours where nobody looks");
}

#[test]
fn the_table_says_what_was_seen_and_what_was_asked_for() {
    let place = Place::new();
    let rule = |id: u8, asks: &str| {
        format!(
            "---\ntitle: Many {id}\nid: 1f5c2a1e-6a0e-4c57-9a53-6b1b8d7a9f1{id}\nanomaly:\n  rules: [trap]\n  group-by: [source.ip]\n{asks}\n"
        )
    };
    let rules = [
        RULE.replace("status: test", "status: test\nname: trap"),
        rule(
            1,
            "  type: distinct\n  timespan: 1h\n  condition: { field: dns.question.name, gte: 3 }",
        ),
        rule(
            2,
            "  type: new_value\n  timespan: 2h\n  learning: 1h\n  condition: { field: dns.question.name }",
        ),
    ];
    place.write("rules/trap.yml", rules.concat());
    let question = |minute: u32, source: &str, name: &str| {
        format!(
            "{{\"@timestamp\":\"2026-03-02T{:02}:{:02}:00Z\",\"event.dataset\":\"network.dns\",\"source.ip\":\"{source}\",\"dns.question.name\":\"{name}.trap.example\"}}\n",
            8 + minute / 60,
            minute % 60
        )
    };
    for source in ["10.0.0.2", "2001:db8::2"] {
        let events =
            [(0, "a"), (1, "b"), (2, "c"), (90, "d")].map(|(minute, name)| question(minute, source, name));
        place.write("events.ndjson", events.concat());
        let ran = place
            .replay(&["events.ndjson", "--format", "table"])
            .ended(0, &[]);
        let told = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "about 3 different values of dns.question.name in 60 min, at least 3",
            "dns.question.name d.trap.example",
        ] {
            assert!(told.contains(part), "{part} in:\n{}", ran.out);
        }
    }
}

#[test]
fn a_folder_standard_input_and_compressed_files_are_inputs() {
    let place = Place::new();
    place.write("folder/1.ndjson", EVENTS);
    place.write("folder/2.ndjson", EVENTS.replace("trap.example", "fine.example"));
    assert_eq!(place.replay(&["folder"]).ended(0, &[]).alerts().len(), 2);
    let output = Command::new(env!("CARGO_BIN_EXE_varde"))
        .current_dir(place.folder.path())
        .args(["replay", "-", "--rules", "rules"])
        .write_stdin(EVENTS)
        .output()
        .expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}

#[test]
fn expectations_decide_the_exit_code_and_show_a_diff() {
    let place = Place::new();
    for (name, text, code, parts) in [
        (
            "right.yml",
            "expect:\n  - { rule: Trap Asked For, count: 2 }\n",
            0,
            &[][..],
        ),
        (
            "right.ndjson",
            "{\"source.ip\":\"2001:db8::2\"}\n{\"source.ip\":\"10.0.0.2\"}\n",
            0,
            &[],
        ),
        (
            "wrong.yml",
            "- { rule: Trap Asked For, count: 3 }\n",
            1,
            &[
                "--- expected by wrong.yml",
                "-3 × Trap Asked For",
                "+2 × Trap Asked For",
            ],
        ),
        ("none.ndjson", "", 1, &["+{", "2001:db8::2"]),
        (
            "wrong-key.yml",
            "expect:\n  - { rule: x, cuont: 1 }\n",
            78,
            &["wrong-key.yml", "line 2", "cuont"],
        ),
    ] {
        place.write(name, text);
        let ran = place
            .replay(&["events.ndjson", "--expect", name])
            .ended(code, parts);
        assert_eq!(ran.alerts().len(), if code == 78 { 0 } else { 2 }, "{name}");
    }
    place
        .replay(&["events.ndjson", "--expect", "missing.yml"])
        .ended(78, &["missing.yml"]);
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    let place = Place::new();
    for arguments in [
        &["replay"][..],
        &["replay", "events.ndjson", "--format", "xml"],
        &["replay", "events.ndjson", "--home", "10.0.0.0/99"],
        &["replay", "events.ndjson", "--organization", "123456789"],
        &["replay", "events.ndjson", "--nonsense"],
        &["nonsense"],
        &[],
    ] {
        let ran = place.varde(arguments).ended(64, &[]);
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{arguments:?}");
    }
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["replay", "--help"],
        &["rules", "test", "--help"],
    ] {
        assert!(!place.varde(arguments).ended(0, &[]).out.is_empty());
    }
}

#[test]
fn an_input_that_cannot_be_read_is_65_and_the_others_are_read() {
    let place = Place::new();
    place.write("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    place.write("empty.log", "");
    for input in ["missing.pcap", "picture.png", "empty.log"] {
        let ran = place
            .replay(&[input, "events.ndjson"])
            .ended(65, &["varde: cannot", input]);
        assert_eq!(ran.alerts().len(), 2, "{input}");
    }
}

#[test]
fn wrong_rules_and_indicators_are_78() {
    let place = Place::new();
    place.write("bad/bad.yml", RULE.replace("|endswith", "|endswiht"));
    place.write("feed.csv", "type,value\nnonsense,192.0.2.1\n");
    fs::create_dir(place.path("empty")).expect("made");
    for (arguments, parts) in [
        (&["--rules", "missing"][..], &["missing", "no such file"][..]),
        (&["--rules", "empty"], &["no rule loads from empty"]),
        (
            &["--rules", "bad"],
            &["bad/bad.yml:10", "endswiht", "no rule loads"],
        ),
        (
            &["--rules", "rules", "--indicators", "missing.csv"],
            &["missing.csv"],
        ),
        (&["--rules", "rules", "--indicators", "feed.csv"], &["feed.csv:2"]),
        (
            &["--rules", "rules", "bad", "--strict"],
            &["bad/bad.yml:10", "--strict"],
        ),
    ] {
        let ran = place
            .varde(&[&["replay", "events.ndjson"], arguments].concat())
            .ended(78, parts);
        assert!(ran.out.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_refused_rule_among_good_ones_is_told_and_the_others_count() {
    let place = Place::new();
    place.write(
        "rules/bad.yml",
        RULE.replace("|endswith", "|endswiht")
            .replace("0f5c2a1e", "1f5c2a1e"),
    );
    let ran = place
        .replay(&["events.ndjson"])
        .ended(0, &["rules/bad.yml:10", "endswiht", "help:", "refused"]);
    assert_eq!(ran.alerts().len(), 2);
}

#[test]
fn what_is_refused_is_named_counted_and_kept() {
    let place = Place::new();
    let broken = "not JSON {\n".repeat(25);
    place.write(
        "mixed.ndjson",
        format!(
            "{}{broken}{EVENTS}",
            EVENTS.lines().next().expect("one").to_owned() + "\n"
        ),
    );
    let ran = place
        .replay(&["mixed.ndjson", "--quarantine", "aside.ndjson", "--summary"])
        .ended(
            0,
            &[
                "mixed.ndjson:2: not_json: ",
                "5 more not_json",
                "25 refused (not_json 25)",
            ],
        );
    assert_eq!(ran.alerts().len(), 2, "nothing after it is lost");
    assert_eq!(ran.err.matches(": not_json: ").count(), 20, "{}", ran.err);
    let aside = fs::read_to_string(place.path("aside.ndjson")).expect("kept");
    assert_eq!(aside.lines().count(), 25);
    let first: Json = serde_json::from_str(aside.lines().next().expect("one")).expect("JSON");
    assert_eq!(
        (&first["position"], &first["reason"]),
        (&2.into(), &"not_json".into())
    );
    place
        .replay(&["mixed.ndjson", "--quarantine", "no/folder/x"])
        .ended(70, &["no/folder/x"]);
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let place = Place::new();
    let lines: String = (0..200_000).map(|_| EVENTS).collect();
    place.write("long.ndjson", lines);
    let script = format!(
        "{} replay long.ndjson --rules rules | head -1",
        env!("CARGO_BIN_EXE_varde")
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {script}")])
        .current_dir(place.folder.path())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "not a word");
}

#[test]
fn organization_and_sensor_are_stamped_on_every_alert() {
    let place = Place::new();
    let ran = place
        .replay(&[
            "events.ndjson",
            "--organization",
            "958935420",
            "--sensor",
            "probe-1",
        ])
        .ended(0, &[]);
    for alert in ran.alerts() {
        assert_eq!(alert["organization.id"], "958935420");
        assert_eq!(alert["observer.name"], "probe-1");
    }
    assert_eq!(
        place.replay(&["events.ndjson"]).alerts()[0]["organization.id"],
        "999999999"
    );
}

#[test]
fn the_bundled_rules_are_in_the_binary() {
    let case =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../replay-data/cases/indicator-hits/events.ndjson");
    let ran = Place::new()
        .varde(&["replay", case.to_str().expect("UTF-8")])
        .ended(0, &[]);
    assert!(!ran.out.is_empty());
}
