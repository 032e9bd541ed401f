//! `varde registry` and `varde route` on a configuration's files and store, without a service.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's support fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

struct Site {
    folder: TempDir,
}

type Said = (Option<i32>, String, String);

impl Site {
    fn new() -> Self {
        let site = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets/routing");
        fs::create_dir(site.path("data")).expect("made");
        let text = format!(
            "bus: {{ embedded: {{ directory: bus }} }}\ndata: {data}\n\
             registry: {{ municipalities: {root}/municipalities.csv, changes: {root}/changes.csv, responders: {root}/responders.example.yml }}\n\
             cert: {{ name: KommuneCERT, phone: '+47 22 00 00 00', email: duty@cert.example }}\n",
            data = site.path("data").display(),
            root = root.display(),
        );
        fs::write(site.path("alerting.yml"), text).expect("written");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn varde(&self, words: &[&str]) -> Said {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_varde"))
            .current_dir(self.folder.path())
            .args(words)
            .output()
            .expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn say(&self, line: &str) -> Said {
        self.varde(&line.split(' ').collect::<Vec<_>>())
    }
}

#[test]
fn an_import_is_shown_then_taken_and_comes_out_as_it_went_in() {
    let site = Site::new();
    site.write(
        "in.csv",
        "\u{feff}number;name_nb;sectors;contact;email\r\n310000019;Skole-CERT;education;Vakta;vakt@skole.example\r\n",
    );
    assert_eq!(
        site.say("registry check in.csv"),
        (Some(0), "1 bodies, no flaw\n".to_owned(), String::new())
    );
    let (code, out, err) = site.say("registry import in.csv --config alerting.yml");
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("added    310000019\n1 added, 0 changed, 0 removed, 0 unchanged\nnot taken"),
        "{out}"
    );
    let preview = out
        .split("--take ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("a code")
        .to_owned();
    let stale = [
        "registry",
        "import",
        "in.csv",
        "--config",
        "alerting.yml",
        "--take",
        "0",
        "--by",
        "Kari",
        "--reason",
        "r",
    ];
    assert_eq!(site.varde(&stale).0, Some(1), "not the one that was looked at");
    let take = |name: &'static str, preview: &str| {
        site.varde(&[
            "registry",
            "import",
            name,
            "--config",
            "alerting.yml",
            "--take",
            preview,
            "--by",
            "Kari",
            "--reason",
            "nytt register",
        ])
    };
    let (code, out, err) = take("in.csv", &preview);
    assert!(code == Some(0) && out.ends_with("taken\n"), "{out}{err}");

    let (_, csv, _) = site.say("registry export --config alerting.yml --layer import --csv");
    site.write("out.csv", &csv);
    let (_, json, _) = site.say("registry export --config alerting.yml --layer import");
    site.write("out.json", &json);
    for name in ["out.csv", "out.json"] {
        let (_, out, _) = site.say(&format!("registry import {name} --config alerting.yml"));
        assert!(
            out.contains("0 added, 0 changed, 0 removed, 1 unchanged"),
            "{out}"
        );
    }
    // All that holds, taken in as an import and given out again: the same bytes.
    let (_, all, _) = site.say("registry export --config alerting.yml");
    site.write("all.json", &all);
    let (_, out, err) = site.say("registry import all.json --config alerting.yml");
    let preview = out
        .split("--take ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect(&err)
        .to_owned();
    assert_eq!(take("all.json", &preview).0, Some(0));
    assert_eq!(site.say("registry export --config alerting.yml").1, all);

    let (code, out, _) = site.say("audit export --config alerting.yml");
    let first = out.lines().next().expect("an entry");
    assert!(
        code == Some(0) && first.contains("analyst:Kari") && first.contains("registry.import"),
        "{first}"
    );
    assert_eq!(site.say("audit verify --config alerting.yml").0, Some(0));
}

#[test]
fn flaws_are_told_with_their_line_and_end_with_1() {
    let site = Site::new();
    site.write(
        "bad.csv",
        "number,name_nb,contact,email\n310000018,X,,\n310000019,Y,A,nobody\n",
    );
    for line in [
        "registry check bad.csv",
        "registry import bad.csv --config alerting.yml",
    ] {
        let (code, out, err) = site.say(line);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{line}");
        assert!(
            err.contains("line 2, number") && err.contains("line 3, email"),
            "{err}"
        );
    }
    // Alone it is right, beside the files it is not.
    site.write(
        "circle.csv",
        "number,name_nb,parent\n310000019,A,310000027\n310000027,B,310000019\n",
    );
    assert_eq!(site.say("registry check circle.csv").0, Some(0));
    let (code, _, err) = site.say("registry import circle.csv --config alerting.yml");
    assert!(code == Some(1) && err.contains("in a circle"), "{err}");
    site.write("large.csv", &"x".repeat(9 * 1024 * 1024));
    let (code, _, err) = site.say("registry check large.csv");
    assert!(code == Some(1) && err.contains("at most 8388608"), "{err}");
    for (line, code) in [
        ("registry check none.csv", 65),
        ("registry export --config none.yml", 78),
        ("registry export --config alerting.yml --layer cellar", 64),
        ("registry import bad.csv --config alerting.yml --take x", 64),
    ] {
        assert_eq!(site.say(line).0, Some(code), "{line}");
    }
}

#[test]
fn a_route_is_explained_from_the_files_alone() {
    let site = Site::new();
    let (code, out, err) =
        site.say("route explain --config alerting.yml --files --organization 964965226 --severity medium");
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "owner: Stavanger",
        "answers: own",
        "told, turn 0: IKT-vakta i Stavanger (i…@stavanger.example)",
        "medium < high",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let (code, out, _) = site.say(
        "route explain --config alerting.yml --files --organization 958935420 --at 2020-06-01 --format json",
    );
    let explained: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, &explained["by"], &explained["owner_name"]),
        (Some(0), &"duty".into(), &"Oslo".into())
    );
    let (code, _, err) =
        site.say("route explain --config alerting.yml --files --organization 1 --zone cellar");
    assert!(
        code == Some(1) && err.contains("`organization`") && err.contains("`zone`"),
        "{err}"
    );
}

#[test]
fn the_report_is_read_by_a_person_and_by_a_program() {
    let site = Site::new();
    site.write("in.csv", "number,name_nb,sensors\n310000019,Vannverket,s-vann\n");
    let (_, out, _) = site.say("registry import in.csv --config alerting.yml");
    let preview = out
        .split("--take ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("a code")
        .to_owned();
    site.varde(&[
        "registry",
        "import",
        "in.csv",
        "--config",
        "alerting.yml",
        "--take",
        &preview,
        "--by",
        "K",
        "--reason",
        "r",
    ]);
    let (code, out, err) = site.say("registry report --config alerting.yml");
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "Who would receive nothing, as of ",
        "  310000019 Vannverket: up to critical\n",
        "Watched by a sensor, without a contact: 1\n  310000019 Vannverket\n",
        "    high: own: 0. IKT-vakta i Stavanger, 0. Sikkerhetsansvarlig i Stavanger\n",
        "Manual values that the layers below contradict or make superfluous: 0\n",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let (_, out, _) = site.say("registry report --config alerting.yml --format json");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        report["coverage"]["watched_without_contact"][0]["number"],
        "310000019"
    );
}

#[test]
fn the_schema_is_the_one_in_the_documents() {
    let site = Site::new();
    let (code, out, _) = site.say("registry schema");
    let printed: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/registry.schema.json");
    let written: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path).expect("there")).expect("JSON");
    assert_eq!((code, printed), (Some(0), written));
}
