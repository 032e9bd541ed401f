//! `varde rules explain` as a rule's author reads it: every reason in words, and the bundled rules whole.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::fs;

use assert_cmd::Command;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const BASES: &str = "\
title: Any connection outwards
id: 11111111-1111-4111-8111-111111111111
name: outbound
logsource: { category: network, service: connection }
detection:
  selection: { network.direction: [outbound, internal], destination.port: [139, 445] }
  condition: selection
---
title: Any flow
id: 11111111-1111-4111-8111-111111111112
logsource: { category: network_connection }
detection:
  selection: { source.bytes|gt: 5 }
  condition: selection
---
title: Sweep
id: 11111111-1111-4111-8111-111111111113
name: sweep
correlation:
  type: value_count
  rules: [outbound]
  group-by: [source.ip]
  timespan: 90m
  condition: { field: destination.ip, gte: 1000, lt: 5000 }
";

/// Runs `varde rules explain` over these rules; gives the exit code and both outputs.
fn explain(rules: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in rules {
        fs::write(folder.path().join(name), text).expect("written");
    }
    let place: &[&str] = if rules.is_empty() { &[] } else { &["."] };
    run(&folder, &[&["rules", "explain"], place, arguments].concat())
}

fn run(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_varde"))
        .current_dir(folder.path())
        .args(arguments)
        .output()
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// One line, however it was cut.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_reason_has_its_words() {
    let count = |more: &str| {
        format!("correlation:\n  type: event_count\n  timespan: 1h\n  condition: {{ gte: 10 }}\n{more}")
    };
    let any = "\"Any flow\"";
    for (written, kept, why) in [
        (
            count("  rules: [outbound]\n  group-by: [source.ip]"),
            "kept where events are scanned why",
            "that is source.ip in what it takes, which every group has: all events of a group are in one partition",
        ),
        (
            count("  rules: [outbound]\n  group-by: [destination.ip]"),
            "with one partition for each organisation, the default: where events are scanned; with several: where signals meet",
            "source.ip in matches of outbound, which its groups do not have: events of a group are in many partitions",
        ),
        (
            count("  rules: [outbound]"),
            "with several: where signals meet",
            "source.ip in matches of outbound, and it has no group-by: its one group has events of all partitions",
        ),
        (
            count("  rules: [11111111-1111-4111-8111-111111111112]\n  group-by: [source.ip]"),
            "with several: where signals meet",
            &format!("and {any} does not ask for a network.direction that says which side that is"),
        ),
        (
            count("  rules: [sweep]\n  group-by: [source.ip]"),
            "with several: where signals meet",
            "it takes what sweep finds, which may be found in another partition",
        ),
        (
            "anomaly:\n  type: national\n  rules: [sweep]\n  timespan: 1h\n  condition: { organizations: 3 }"
                .to_owned(),
            "kept where the signals of all organisations meet (varde.signals) why",
            "it counts organisations, each of which has partitions of its own",
        ),
        (
            "anomaly:\n  type: beacon\n  rules: [outbound]\n  group-by: [source.ip, destination.ip]\n  timespan: 24h\n  \
             condition: { gte: 0.8, minimum: 8, at-most-callers: 5 }\nvarde: { entity: source.ip }"
                .to_owned(),
            "kept where events are scanned; whether too many call the same is decided, with one partition for each \
             organisation, the default: there too; with several: where signals meet (varde.signals) why",
            "travels a signal when a group begins, each 6 hours while it goes on, and for what it finds; those of an \
             organisation meet by destination.ip limits",
        ),
    ] {
        let rule = format!("title: Mine\nid: 22222222-2222-4222-8222-222222222222\nname: mine\n{written}\n");
        let (code, out, err) = explain(&[("bases.yml", BASES), ("mine.yml", &rule)], &["--rule", "mine"]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{written}");
        let told = joined(&out);
        for part in [kept, why] {
            assert!(told.contains(part), "{part}\nis not in\n{out}");
        }
    }
}

#[test]
fn a_rule_is_told_by_its_id_name_or_title_and_what_is_wrong_is_said() {
    let rules = [("bases.yml", BASES)];
    for name in ["11111111-1111-4111-8111-111111111113", "sweep", "Sweep"] {
        let (code, out, _) = explain(&rules, &["--rule", name]);
        assert_eq!(code, Some(0), "{name}");
        let told = joined(&out);
        for part in [
            "Sweep correlation of type value_count sweep 11111111-1111-4111-8111-111111111113",
            "fires 1,000 or more and less than 5,000 different values of destination.ip, within 90 minutes",
            "takes outbound groups by source.ip, in each organisation",
            "limits 50,000 groups in a partition; beyond, one that the organisation with the most brought goes, the \
             quietest of 8 drawn, and is counted; a group is forgotten after 90 minutes without a match",
            "gives an alert",
        ] {
            assert!(told.contains(part), "{part}\nis not in\n{out}");
        }
    }
    let (_, out, _) = explain(&rules, &["--rule", "outbound"]);
    for part in [
        "for events of category network, service connection",
        "wakes `outbound` or `internal` in network.direction",
        "gives no alert by itself, matches to sweep",
    ] {
        assert!(joined(&out).contains(part), "{part}\nis not in\n{out}");
    }
    let (_, out, _) = explain(&rules, &["--rule", "any flow"]);
    assert!(out.contains("at each such event"), "{out}");
    let (code, _, err) = explain(&rules, &["--rule", "sweeep"]);
    assert_eq!(code, Some(78));
    assert!(err.contains("`sweeep`"), "{err}");
    let bad = BASES.replace("value_count", "value_cuont");
    let (code, out, err) = explain(&[("bases.yml", &bad)], &[]);
    assert_eq!(code, Some(1), "the others are explained, the refused one is told");
    assert!(
        out.contains("Any flow") && err.contains("bases.yml"),
        "{out}{err}"
    );
    let filter = "title: Ours\nlogsource: { category: network_connection }\nfilter:\n  rules: \
                  [11111111-1111-4111-8111-111111111112]\n  selection: { source.ip: 192.0.2.1 }\n  condition: not \
                  selection\n";
    let (code, out, _) = explain(
        &[("bases.yml", BASES), ("filter.yml", filter)],
        &["--rule", "Any flow"],
    );
    assert_eq!(code, Some(0));
    assert!(
        out.contains("a filter, a pipeline or a list changes what it asks"),
        "{out}"
    );
}

#[test]
fn the_document_for_programs_says_the_same() {
    let rule = "title: Mine\nid: 22222222-2222-4222-8222-222222222222\nanomaly:\n  type: volume\n  rules: [outbound]\n  \
                group-by: [destination.ip]\n  timespan: 8h\n  condition: { field: source.bytes, gte: 5000 }\n";
    let (code, out, _) = explain(
        &[("bases.yml", BASES), ("mine.yml", rule)],
        &["--rule", "Mine", "--rule", "sweep", "--format", "json"],
    );
    assert_eq!(code, Some(0));
    let document: Json = serde_json::from_str(&out).expect("JSON");
    assert_eq!(document["version"], 1);
    let rules = document["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), 2);
    let (sweep, mine) = (&rules[0], &rules[1]);
    assert_eq!(
        (&sweep["name"], &sweep["kept"]["travels"]),
        (&json!("sweep"), &Json::Null)
    );
    for (key, value) in [
        ("kind", json!("anomaly")),
        ("type", json!("volume")),
        ("takes", json!(["11111111-1111-4111-8111-111111111111"])),
        ("group_by", json!(["destination.ip"])),
        ("fields", json!(["source.bytes"])),
        ("timespan_seconds", json!(28_800)),
        ("learning_seconds", json!(0)),
        ("raises", json!(true)),
        ("taken_by", json!([])),
        (
            "asks",
            json!("source.bytes adds up to 5,000 or more, within 8 hours"),
        ),
    ] {
        assert_eq!(mine[key], value, "{key}");
    }
    for (key, value) in [
        ("one_partition", json!("scan")),
        ("several_partitions", json!("signals")),
        ("reason", json!("lacks_local_endpoint")),
        (
            "travels",
            json!({ "part_seconds": 60, "again_seconds": null, "meets_by": ["destination.ip"], "with": [] }),
        ),
        ("groups_max", json!(250_000)),
        (
            "decided",
            json!({ "one_partition": "scan", "several_partitions": "signals" }),
        ),
        ("begins_with_match", json!(1)),
        ("begins_within_seconds", Json::Null),
        ("forgotten_after_seconds", json!(28_800)),
        ("is_withheld_from_schools_and_health", json!(false)),
    ] {
        assert_eq!(mine["kept"][key], value, "{key}");
    }
}

#[test]
fn every_bundled_rule_is_explained() {
    let (code, out, err) = explain(&[], &["--format", "json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let document: Json = serde_json::from_str(&out).expect("JSON");
    let mut told = Vec::new();
    for rule in document["rules"].as_array().expect("rules") {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let title = text(&rule["title"]);
        if rule["kind"] == "rule" {
            let woken_by = rule["woken_by"].as_array().expect("a list");
            assert!(
                !woken_by.is_empty(),
                "{title} is looked at for each event of its log source"
            );
            continue;
        }
        let kept = &rule["kept"];
        for value in [
            &rule["name"],
            &rule["type"],
            &rule["asks"],
            &kept["reason"],
            &kept["why"],
        ] {
            assert!(!text(value).is_empty(), "{title}: {rule}");
        }
        let is_scan = kept["decided"]["several_partitions"] == "scan";
        assert_eq!(kept["travels"].is_null(), is_scan, "{title}");
        let line = [
            &rule["name"],
            &kept["one_partition"],
            &kept["several_partitions"],
            &kept["reason"],
        ];
        let mut line = line.map(text).join(" ");
        // Where its groups are kept and where it is decided what they find is mostly the same.
        let decided = ["one_partition", "several_partitions"].map(|of| (&kept["decided"][of], &kept[of]));
        if decided.iter().any(|(decided, kept)| decided != kept) {
            let decided = decided.map(|(decided, _)| text(decided)).join(" ");
            line.push_str(&format!(", decided {decided}"));
        }
        told.push(line);
    }
    told.sort();
    let expected = fs::read_to_string("tests/explained.txt").unwrap_or_default();
    let written = told.join("\n") + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write("tests/explained.txt", &written).expect("written");
    } else {
        assert_eq!(
            written, expected,
            "UPDATE_EXPECT=1 writes tests/explained.txt anew"
        );
    }
    for reason in ["holds", "lacks", "unknown", "takes", "counts"] {
        let has = told.iter().any(|line| line.contains(&format!(" {reason}_")));
        assert!(has, "no bundled rule shows why `{reason}`");
    }
}

#[test]
fn the_sample_in_the_document_is_what_is_printed() {
    let document = fs::read_to_string("../docs/rules.md").expect("the document");
    let section = document.split("## Explaining").nth(1).expect("the section");
    let sample = section
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let rule = "title: Much Data to One Address, From All Machines\nid: 5d1f0c52-9a0e-4c86-8a0f-2f4b7f1c9e04\nname: \
                uploads\ncorrelation:\n  type: value_sum\n  rules: [connection_large_upload]\n  group-by: \
                [destination.ip]\n  timespan: 8h\n  condition: { field: source.bytes, gte: 5000000000 }\n";
    let base =
        fs::read_to_string("../rulesets/sigma/net_connection_large_upload.yml").expect("a bundled rule");
    let (code, out, _) = explain(&[("base.yml", &base), ("mine.yml", rule)], &["--rule", "uploads"]);
    assert_eq!(
        (code, out.trim_end()),
        (Some(0), sample.expect("a sample").trim_end())
    );
}
