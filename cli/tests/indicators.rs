//! `varde indicators check` on feeds and folders of feeds.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::fs;

use assert_cmd::Command;
use serde_json::Value as Json;
use tempfile::TempDir;

const EVENT: &str = r#"{"Event":{"uuid":"5d1c5b0e-5f0b-4e0c-9d5f-0a4c6c3f8b11","info":"A beacon","Attribute":[
    {"uuid":"a-1","type":"domain","value":"bad.example","to_ids":true},
    {"uuid":"a-2","type":"mutex","value":"Global\\m","to_ids":true},
    {"uuid":"a-3","type":"domain","value":"www.example","to_ids":false}]}}"#;

fn place(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

/// Runs `varde indicators check` in `folder`; gives the exit code and what it printed.
fn check(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_varde"))
        .current_dir(folder.path())
        .args(["indicators", "check"])
        .args(arguments)
        .output()
        .expect("it runs");
    (
        output.status.code(),
        String::from_utf8(output.stdout).expect("UTF-8"),
    )
}

#[test]
fn a_folder_of_feeds_is_counted_by_reason() {
    let folder = place(&[
        (
            "feeds/list.txt",
            "203.0.113.7\n2001:db8::7\ncom.\n0.0.0.0/0\n::/0\n",
        ),
        ("feeds/misp/event.json", EVENT),
        ("feeds/README.md", "about"),
    ]);
    let (code, out) = check(&folder, &["feeds"]);
    assert_eq!(code, Some(1), "{out}");
    for part in [
        "list.txt:4",
        "list.txt: 2 indicators (ip 2), 3 refused",
        "event.json: 1 indicator (domain 1), 0 refused, 1 inexpressible, 1 withheld",
        "2 feeds: 3 indicators (ip 2, domain 1), 3 refused, 1 inexpressible, 2 withheld",
        "too wide prefix",
        "file passed over",
    ] {
        assert!(out.contains(part), "{part} in:\n{out}");
    }
}

#[test]
fn the_json_has_every_count_and_an_example_of_each_reason() {
    let folder = place(&[
        ("list.txt", "203.0.113.7\n0.0.0.0/0\n::/0\n"),
        ("event.json", EVENT),
    ]);
    let (code, out) = check(&folder, &["list.txt", "event.json", "--format", "json"]);
    let document: Json = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, Some(1));
    assert_eq!(document["loaded_total"], 2);
    assert_eq!(document["refused"]["too wide prefix"], 2);
    assert_eq!(document["inexpressible"]["observable without a field"], 1);
    let files = document["files"].as_array().expect("files");
    assert_eq!(files.len(), 2);
    let event = files
        .iter()
        .find(|file| file["path"] == "event.json")
        .expect("the event");
    assert_eq!(event["loaded"]["domain"], 1);
    let example = event["examples"]
        .as_array()
        .and_then(|examples| {
            examples
                .iter()
                .find(|example| example["outcome"] == "inexpressible")
        })
        .expect("an example");
    assert_eq!(
        (&example["object"], &example["code"]),
        (&Json::from("a-2"), &Json::from("R024"))
    );
}

#[test]
fn what_is_only_noted_or_inexpressible_is_no_failure() {
    let folder = place(&[
        ("event.json", EVENT),
        ("list.txt", "hxxp://bad[.]example/\nbad.example:443\n"),
    ]);
    let (code, out) = check(&folder, &["event.json", "list.txt"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("defanged") && out.contains("port left out"), "{out}");
    assert_eq!(check(&folder, &["missing"]).0, Some(78));
}
