//! `varde models`: the bundled models are checked, trained again, and their verdicts computed again.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use detect_models::DomainModel;
use tempfile::TempDir;

/// Runs `varde models`; gives the exit code, what it printed and what it told.
fn varde(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_varde"))
        .current_dir(folder)
        .arg("models")
        .args(arguments)
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn bundled(path: &str) -> Vec<u8> {
    let file = rulesets::files().into_iter().find(|file| file.path == path);
    file.expect("bundled").content.into_owned()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn the_bundled_models_are_sound_and_have_cards() {
    let folder = folder();
    let (code, out, err) = varde(folder.path(), &["check"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for part in [
        "models/domain-names.model: domain-names, ",
        "models/flows.model: flows, ",
        "seed 20261122",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, all, _) = varde(folder.path(), &["card"]);
    let (_, one, _) = varde(folder.path(), &["card", "flows"]);
    assert_eq!(code, Some(0));
    assert!(all.contains("# Domain names") && all.contains("# Flows"), "{all}");
    assert!(
        one.contains("# Flows") && !one.contains("# Domain names"),
        "{one}"
    );
}

#[test]
fn a_model_that_is_damaged_newer_or_missing_is_refused_with_the_reason() {
    let folder = folder();
    let model = String::from_utf8(bundled("models/domain-names.model")).expect("text");
    for (name, text, reason) in [
        (
            "damaged.model",
            model.replacen("seed 2", "seed 3", 1),
            "the file is damaged or was changed",
        ),
        (
            "newer.model",
            model.replacen("varde-model 1", "varde-model 2", 1),
            "update Varde",
        ),
        (
            "foreign.model",
            "hello".to_owned(),
            "does not begin with `varde-model`",
        ),
    ] {
        fs::write(folder.path().join(name), text).expect("written");
        let (code, out, err) = varde(folder.path(), &["check", name]);
        assert_eq!((code, out.as_str()), (Some(78), ""), "{name}");
        assert!(err.contains(name) && err.contains(reason), "{err}");
    }
    let (code, _, err) = varde(folder.path(), &["check", "none.model"]);
    assert_eq!(code, Some(78));
    assert!(err.contains("none.model: cannot read it"), "{err}");
}

#[test]
fn recorded_verdicts_are_computed_again_wherever_they_stand() {
    let folder = folder();
    let model = DomainModel::load(&bundled("models/domain-names.model")).expect("sound");
    let verdict = model.verdict("qxvkzjhwpfmrt.com").expect("judged");
    let record = model.record(&verdict).to_string();
    let changed = record.replace(&format!(" {}", verdict.score.get()), " 17");
    let unknown = record.replace(&model.identity().digest, "00");
    for (text, code, said) in [
        (record.clone(), 0, "1 verdict: 1 as recorded, 0 not"),
        (
            format!("{{\"alert\":{{\"evidence\":[\"{record}\"]}}}}"),
            0,
            "1 verdict: 1 as recorded, 0 not",
        ),
        (
            format!("{record}\n{changed}"),
            1,
            "records:2: the score 0.0017 was recorded",
        ),
        (unknown, 1, "the verdict is by domain-names 00"),
        (
            record.replace("varde-verdict 1", "varde-verdict 9"),
            1,
            "newer than 1",
        ),
        ("varde-verdict 1 rubbish".to_owned(), 1, "this is no record"),
        ("nothing here".to_owned(), 1, "0 verdicts"),
    ] {
        fs::write(folder.path().join("records"), &text).expect("written");
        let (found, out, err) = varde(folder.path(), &["verify", "records"]);
        assert_eq!(found, Some(code), "{text}: {out}{err}");
        assert!(out.contains(said), "{text}: {out}");
    }
    let (code, _, err) = varde(folder.path(), &["verify", "none"]);
    assert_eq!(code, Some(65));
    assert!(err.contains("none: cannot read it"), "{err}");
}

#[test]
fn the_flow_model_comes_out_again_and_another_seed_gives_another() {
    let folder = folder();
    let (code, out, err) = varde(
        folder.path(),
        &["train", "flows", "--check", "--output", "mine.model"],
    );
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(
        fs::read(folder.path().join("mine.model")).expect("written"),
        bundled("models/flows.model")
    );
    let (code, out, _) = varde(folder.path(), &["train", "flows", "--check", "--seed", "2"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("differs from the bundled model"), "{out}");
    let (code, _, err) = varde(folder.path(), &["train", "flows", "--benign", "x"]);
    assert_eq!(code, Some(64), "{err}");
    let (code, _, err) = varde(folder.path(), &["train", "domain-names", "--benign", "none.txt"]);
    assert_eq!(code, Some(65));
    assert!(err.contains("none.txt: cannot read it"), "{err}");
}

#[test]
fn the_domain_model_comes_out_again_where_the_lists_are() {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"),
        PathBuf::from,
    );
    let lists = root.join("misp-warninglists/lists");
    if !lists.exists() {
        println!("skipped: captures not found at {}", lists.display());
        return;
    }
    let list = |name: &str| lists.join(name).display().to_string();
    let (majestic, universities) = (
        list("majestic_million/list.json.zst"),
        list("university_domains/list.json"),
    );
    let folder = folder();
    let (code, out, err) = varde(
        folder.path(),
        &[
            "train",
            "domain-names",
            "--benign",
            &majestic,
            "--benign",
            &universities,
            "--check",
        ],
    );
    assert_eq!(code, Some(0), "{out}{err}");
}
