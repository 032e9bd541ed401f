//! What no compiler checks: the direction of dependencies, the size of files, names, links in documents.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("inside the workspace")
        .to_owned()
}

fn files(ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder)
            .expect("readable")
            .map(|entry| entry.expect("readable").path())
        {
            let name = entry
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default()
                .to_owned();
            if entry.is_dir() {
                if !["target", "node_modules", "dist", ".git", ".varde"].contains(&name.as_str()) {
                    walk(&entry, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), ending, &mut found);
    found.sort();
    found
}

/// Crate name → its dependencies (not for tests), from the manifests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for path in files("Cargo.toml") {
        let text = fs::read_to_string(&path).expect("readable");
        let (mut name, mut section, mut needs) = (String::new(), String::new(), BTreeSet::new());
        for line in text.lines().map(str::trim) {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']').to_owned();
            } else if section == "package" && line.starts_with("name") {
                name = line.split('"').nth(1).unwrap_or_default().to_owned();
            } else if section == "dependencies" && !line.is_empty() && !line.starts_with('#') {
                needs.insert(line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned());
            }
        }
        if !name.is_empty() {
            all.insert(name, needs);
        }
    }
    all
}

#[test]
fn dependencies_follow_the_data() {
    let all = dependencies();
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("ingest-event", &[][..]),
        ("ingest-bus", &[]),
        ("ingest-ring", &[]),
        ("ingest-trust", &["ingest-event"]),
        ("ingest-gateway", &["ingest-event", "ingest-bus", "ingest-trust"]),
        (
            "ingest",
            // The sensor scans too (decision 0016): the engine is pure, and so are rules but for reading their files.
            &[
                "ingest-event",
                "ingest-bus",
                "ingest-ring",
                "ingest-trust",
                "detect-alert",
                "detect-rules",
                "detect-engine",
            ],
        ),
        (
            "ingest-fuzz",
            &[
                "ingest",
                "ingest-event",
                "ingest-bus",
                "ingest-trust",
                "detect-alert",
                "detect-rules",
            ],
        ),
        ("detect-alert", &["ingest-event"]),
        ("detect-rules", &["ingest-event", "detect-alert"]),
        ("detect-models", &[]),
        (
            "detect-engine",
            &["ingest-event", "detect-alert", "detect-rules", "detect-models"],
        ),
        (
            "detect",
            &[
                "ingest-event",
                "ingest-bus",
                "detect-alert",
                "detect-rules",
                "detect-engine",
            ],
        ),
        ("alerting-incident", &["ingest-event", "detect-alert"]),
        (
            "alerting",
            // What it asks sites and what they answer are nouns of trust (decision 0022).
            &[
                "ingest-event",
                "ingest-bus",
                "ingest-trust",
                "detect-alert",
                "alerting-incident",
            ],
        ),
    ]);
    for (name, may) in allowed {
        let own: BTreeSet<&str> = all[name]
            .iter()
            .map(String::as_str)
            .filter(|need| all.contains_key(*need))
            .collect();
        let may: BTreeSet<&str> = may.iter().copied().collect();
        assert!(
            own.is_subset(&may),
            "{name} may not depend on {:?}",
            own.difference(&may).collect::<Vec<_>>()
        );
    }
}

#[test]
fn pure_crates_stay_pure() {
    let all = dependencies();
    let banned = [
        "tokio",
        "rdkafka",
        "axum",
        "reqwest",
        "rusqlite",
        "sqlx",
        "lettre",
        "getrandom",
        "tracing",
    ];
    for name in [
        "ingest-event",
        "ingest-trust",
        "detect-alert",
        "detect-rules",
        "detect-models",
        "detect-engine",
        "alerting-incident",
    ] {
        for ban in banned {
            assert!(
                !all[name].contains(ban),
                "{name} is pure and may not depend on {ban}"
            );
        }
    }
    for (hazard, home) in [
        ("rdkafka", &["ingest-bus", "benches"][..]),
        ("lettre", &["alerting", "ingest"]), // the sensor mails on site only
        ("sqlx", &["alerting", "benches"]),
        ("libc", &["ingest-ring"]),
    ] {
        for (name, needs) in &all {
            assert!(
                !needs.contains(hazard) || home.contains(&name.as_str()),
                "{hazard} belongs in {home:?}, not {name}"
            );
        }
    }
}

#[test]
fn pure_crates_read_no_clock_and_no_file() {
    for folder in [
        "ingest/event/src",
        "ingest/trust/src",
        "detect/alert/src",
        "detect/models/src",
        "detect/engine/src",
        "alerting/incident/src",
    ] {
        for path in files(".rs")
            .into_iter()
            .filter(|path| path.starts_with(root().join(folder)))
        {
            let text = fs::read_to_string(&path).expect("readable");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for ban in [
                "SystemTime::now",
                "Instant::now",
                "std::fs",
                "std::net::Tcp",
                "std::thread",
            ] {
                assert!(!code.contains(ban), "{} uses {ban}", path.display());
            }
        }
    }
}

#[test]
fn unsafe_code_is_in_the_ring_alone() {
    let home = root().join("ingest/ring/src/ring.rs");
    let word = ["un", "safe"].concat();
    for path in files(".rs") {
        let text = fs::read_to_string(&path).expect("readable");
        // A test may count what the allocator does.
        if path.iter().any(|part| part == "tests") {
            continue;
        }
        let has = [" {", " fn ", " impl "]
            .iter()
            .any(|next| text.contains(&format!("{word}{next}")));
        assert!(!has || path == home, "{} has {word} code", path.display());
    }
}

/// Past this a file holds a second idea that wants a room of its own.
const LINES_MAX: usize = 600;

#[test]
fn files_are_small_enough_to_read() {
    for path in [".rs", ".ts", ".tsx"].iter().flat_map(|ending| files(ending)) {
        let lines = fs::read_to_string(&path).expect("readable").lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines, at most {LINES_MAX}",
            path.display()
        );
    }
}

#[test]
fn no_drawer_has_a_name() {
    for path in files(".rs") {
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        assert!(
            ![
                "utils", "util", "common", "helper", "helpers", "manager", "misc", "mod"
            ]
            .contains(&stem),
            "{}: name the file for what it holds",
            path.display()
        );
    }
}

#[test]
fn every_link_in_a_document_leads_somewhere() {
    for path in files(".md") {
        let text = fs::read_to_string(&path).expect("readable");
        let folder = path.parent().expect("a folder");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            assert!(
                folder.join(target).exists(),
                "{}: the link {target} leads nowhere",
                path.display()
            );
        }
    }
}

#[test]
fn files_named_in_the_architecture_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("readable");
    for name in text.split('`').skip(1).step_by(2) {
        let looks_like_a_path =
            name.contains('/') && !name.contains([' ', '<', '*', '{']) && !name.contains("::");
        if looks_like_a_path {
            assert!(
                root().join(name).exists(),
                "ARCHITECTURE.md names {name}, which is not there"
            );
        }
    }
}
