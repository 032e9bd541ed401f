//! `varde rules` and `varde indicators` as a rule's author runs them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::fs;

use assert_cmd::Command;
use serde_json::Value as Json;
use tempfile::TempDir;

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

const EXAMPLES: &str = "\
match:
  - { event.dataset: network.dns, dns.type: query, dns.question.name: a.trap.example, source.ip: 192.0.2.1 }
  - event: { dataset: network.dns }
    dns: { type: query, question: { name: b.trap.example } }
    source: { ip: \"2001:db8::1\" }
no_match:
  - { event.dataset: network.dns, dns.type: query, dns.question.name: trap.example.no, source.ip: 192.0.2.1 }
";

fn place(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

/// Runs `varde` in `folder`; gives the exit code and both outputs.
fn varde(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_varde"))
        .current_dir(folder.path())
        .args(arguments)
        .output()
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn check_names_file_line_and_mend_of_what_it_refuses() {
    let bad = RULE
        .replace("|endswith", "|endswiht")
        .replace("0f5c2a1e", "1f5c2a1e");
    let folder = place(&[("good.yml", RULE), ("bad.yml", &bad)]);
    let (code, out, _) = varde(&folder, &["rules", "check", "."]);
    assert_eq!(code, Some(1));
    for part in [
        "bad.yml:10",
        "endswiht",
        "help:",
        "Trap Asked For",
        "1 rule, 0 correlations and 0 anomaly rules load, 1 refused",
    ] {
        assert!(out.contains(part), "{part} in:\n{out}");
    }
    let (code, out, _) = varde(&folder, &["rules", "check", ".", "--format", "json"]);
    let document: Json = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, Some(1));
    assert_eq!(document["refused"][0]["line"], 10);
    for key in ["file", "reason", "mend", "code"] {
        assert!(
            document["refused"][0][key]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{key}"
        );
    }
    assert_eq!(document["unindexable"], serde_json::json!([]));
    assert_eq!(document["loaded"][0]["name"], "Trap Asked For");
    assert_eq!(varde(&folder, &["rules", "check", "good.yml"]).0, Some(0));
    assert_eq!(varde(&folder, &["rules", "check", "missing"]).0, Some(78));
}

#[test]
fn a_rule_of_which_several_things_are_wrong_is_refused_once() {
    let bad = "title: Bad\nid: 3f5c2a1e-0000-4000-8000-00000000000N\nanomaly:\n  type: beacon\n  rules: [x]\n  timespan: \
               soon\n  condition: { gte: 80, minimum: 1 }\n";
    let both = format!("{}---\n{}", bad.replace('N', "1"), bad.replace('N', "2"));
    let folder = place(&[("bad.yml", &both), ("good.yml", RULE)]);
    let (code, out, _) = varde(&folder, &["rules", "check", "."]);
    assert_eq!((code, out.matches("error[R026]").count()), (Some(1), 6), "{out}");
    assert!(out.contains("load, 2 refused, 0 warnings"), "{out}");
    let capture = fs::write(folder.path().join("none.ndjson"), "{}\n");
    capture.expect("written");
    let (_, _, err) = varde(
        &folder,
        &["replay", "none.ndjson", "--rules", ".", "--format", "ndjson"],
    );
    assert!(
        err.contains("2 rules or indicators are refused, the others count"),
        "{err}"
    );
}

#[test]
fn check_names_what_is_expensive_and_applies_pipelines_and_lists() {
    let rule = "title: Short
id: 2f5c2a1e-0000-4000-8000-000000000001
logsource: { category: dns }
detection:
  selection: { query|contains: ab }
  hosts: { src_ip|expand: '%hosts%' }
  condition: selection or hosts
";
    let folder = place(&[
        ("rules/short.yml", rule),
        ("rules/pipelines/not-a-rule.yml", "name: x\ntransformations: []\n"),
        (
            "refuse.yml",
            "transformations:\n  - { type: rule_failure, message: no DNS here }\n",
        ),
        ("broken.yml", "transformations:\n  - { type: no_such_thing }\n"),
        ("lists.yml", "hosts: [10.0.0.1, \"2001:db8::1\"]\n"),
    ]);
    let json = |more: &[&str]| -> (Option<i32>, Json) {
        let (code, out, _) = varde(
            &folder,
            &[&["rules", "check", "rules", "--format", "json"], more].concat(),
        );
        (code, serde_json::from_str(&out).expect("JSON"))
    };
    let (code, document) = json(&[]);
    assert_eq!(
        (code, document["warnings"][0]["code"].as_str()),
        (Some(0), Some("R019"))
    );
    for list in ["unindexable", "expensive"] {
        let found = &document[list][0];
        assert_eq!(found["line"], 1, "{list}");
        assert!(
            found["file"]
                .as_str()
                .is_some_and(|file| file.ends_with("short.yml")),
            "{list}"
        );
        assert!(
            found["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "{list}"
        );
    }
    let (code, document) = json(&["--placeholders", "lists.yml", "--pipeline", "as-it-is"]);
    assert_eq!(
        (code, document["warnings"].as_array().map(Vec::len)),
        (Some(0), Some(0))
    );
    assert!(
        document["loaded"][0]["version"]
            .as_str()
            .is_some_and(|version| version.contains('+'))
    );
    for (pipeline, expected) in [
        ("refuse.yml", "R018"),
        ("broken.yml", "R017"),
        ("missing.yml", "R001"),
    ] {
        let (code, document) = json(&["--pipeline", pipeline]);
        assert_eq!(
            (code, document["refused"][0]["code"].as_str()),
            (Some(1), Some(expected))
        );
        assert_eq!(document["loaded"], serde_json::json!([]), "{pipeline}");
    }
}

#[test]
fn examples_decide_whether_a_rule_passes() {
    let wrong = EXAMPLES.replace("trap.example.no", "no.trap.example");
    let no_event = "match:\n  - { event.dataset: network.dns, \"@timestamp\": yesterday }\n";
    for (examples, code, parts) in [
        (
            EXAMPLES,
            0,
            &["ok", "trap.yml (3 examples)", "1 file, 0 failed"][..],
        ),
        (&wrong, 1, &["FAIL", "no_match 1: it must stay silent and fires"]),
        (
            &EXAMPLES.replace("b.trap", "b.fine"),
            1,
            &["match 2: it must fire and stays silent"],
        ),
        (no_event, 1, &["match 1: no event", "@timestamp", "RFC 3339"]),
        ("mach: []\n", 1, &["trap.yml", "mach", "line 1"]),
    ] {
        let folder = place(&[("trap.yml", RULE), ("trap.test.yml", examples)]);
        let (ended, out, _) = varde(&folder, &["rules", "test", "."]);
        assert_eq!(ended, Some(code), "{out}");
        for part in parts {
            assert!(out.contains(part), "{part} in:\n{out}");
        }
    }
}

#[test]
fn a_correlation_is_tested_with_a_list_of_events() {
    let correlation = "\
title: Traps Asked For
id: 2f5c2a1e-6a0e-4c57-9a53-6b1b8d7a9f10
status: test
author: Varde
correlation:
  type: event_count
  rules: [0f5c2a1e-6a0e-4c57-9a53-6b1b8d7a9f10]
  group-by: [source.ip]
  timespan: 1m
  condition: { gte: 2 }
level: high
";
    let event =
        "{ event.dataset: network.dns, dns.type: query, dns.question.name: a.trap.example, source.ip: ";
    let twice = format!("match:\n  - - {event}192.0.2.1 }}\n    - {event}192.0.2.1 }}\n");
    let two_senders = format!("no_match:\n  - - {event}192.0.2.1 }}\n    - {event}\"2001:db8::1\" }}\n");
    let folder = place(&[
        ("trap.yml", RULE),
        ("traps.yml", correlation),
        ("traps.test.yml", &format!("{twice}{two_senders}")),
    ]);
    let (code, out, _) = varde(&folder, &["rules", "test", "."]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("traps.yml (2 examples)"), "{out}");
}

#[test]
fn indicator_files_are_checked_line_by_line() {
    let folder = place(&[
        ("good.txt", "192.0.2.1\n2001:db8::/32\nbad.example\n"),
        ("bad.txt", "192.0.2.1\n10.0.0.256\n"),
    ]);
    let (code, out, _) = varde(&folder, &["indicators", "check", "good.txt"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.contains("good.txt: 3 indicators (ip 1, cidr 1, domain 1), 0 refused"),
        "{out}"
    );
    let (code, out, _) = varde(&folder, &["indicators", "check", "good.txt", "bad.txt"]);
    assert_eq!(code, Some(1));
    for part in ["bad.txt:2", "help:", "1 refused"] {
        assert!(out.contains(part), "{part} in:\n{out}");
    }
    assert_eq!(
        varde(&folder, &["indicators", "check", "missing.txt"]).0,
        Some(78)
    );
}

#[test]
fn the_whole_tree_of_rulesets_may_be_named() {
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/../rulesets");
    let folder = place(&[]);
    for command in ["check", "test"] {
        let (code, out, err) = varde(&folder, &["rules", command, tree]);
        assert_eq!(code, Some(0), "{out}{err}");
    }
}
