//! Every bundled rule checks clean, fires on its positives, is silent on its negatives, and says who answers for it.
//!
//! Most correlations and anomaly rules are exercised by the cases of `replay-data` as well.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::collections::BTreeMap;

use detect_rules::{SourceText, check, check_indicators};
use rulesets::File;
use serde_json::Value as Json;

fn sources() -> Vec<SourceText> {
    let rules = rulesets::files().into_iter().filter(File::is_rule);
    rules
        .map(|file| SourceText {
            path: file.path.clone(),
            text: file.text().into_owned(),
        })
        .collect()
}

fn documents() -> Vec<(String, Json)> {
    let parse = |source: SourceText| {
        let document =
            serde_saphyr::from_str(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path));
        (source.path, document)
    };
    sources().into_iter().map(parse).collect()
}

#[test]
fn every_rule_checks_clean() {
    let checked = check(&sources());
    let found: Vec<String> = checked.diagnostics.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
    assert!(10 <= checked.rules.rules.len() && 4 <= checked.rules.correlations.len());
}

#[test]
fn every_indicator_file_checks_clean() {
    let files: Vec<File> = rulesets::files()
        .into_iter()
        .filter(File::is_indicators)
        .collect();
    assert!(!files.is_empty());
    for file in files {
        let (indicators, found) = check_indicators(&file.path, "test", &file.text());
        assert!(
            found.is_empty(),
            "{}",
            found
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n\n")
        );
        assert!(!indicators.is_empty(), "{} holds nothing", file.path);
    }
}

#[test]
fn every_rule_fires_on_its_positives_and_is_silent_on_its_negatives() {
    let all = sources();
    let tests: BTreeMap<String, File> = rulesets::files()
        .into_iter()
        .filter(File::is_rule_test)
        .map(|file| (file.path.clone(), file))
        .collect();
    let mut problems = Vec::new();
    let tried = |source: &&SourceText| {
        ["anomaly/", "correlations/", "sigma/"]
            .iter()
            .any(|folder| source.path.starts_with(folder))
    };
    for source in all.iter().filter(tried) {
        let path = source.path.replace(".yml", ".test.yml");
        let Some(test) = tests.get(&path) else {
            problems.push(format!("{}: there is no {path}", source.path));
            continue;
        };
        let examples =
            cli::rules::parse_examples(&test.text()).unwrap_or_else(|error| panic!("{path}: {error}"));
        for fires in [true, false] {
            if !examples.iter().any(|example| example.fires == fires) {
                problems.push(format!(
                    "{path}: it needs an example under both `match` and `no_match`"
                ));
            }
        }
        let outcome = cli::rules::run_examples(source, &all, &test.text());
        problems.extend(
            outcome
                .problems
                .iter()
                .map(|problem| format!("{path}: {problem}")),
        );
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_rule_says_who_answers_for_it_and_speaks_three_languages() {
    let needed = [
        "/id",
        "/title",
        "/status",
        "/level",
        "/author",
        "/description",
        "/falsepositives",
        "/varde/owner",
        "/varde/review",
        "/varde/legal_basis",
        "/varde/purpose",
    ];
    let languages = ["nb", "nn", "en"];
    for (path, document) in documents() {
        for pointer in needed {
            assert!(
                document.pointer(pointer).is_some_and(|value| !value.is_null()),
                "{path} lacks {pointer}"
            );
        }
        for text in ["summary", "first_step"] {
            for language in languages {
                let text = document
                    .pointer(&format!("/varde/{text}/{language}"))
                    .and_then(Json::as_str);
                assert!(
                    text.is_some_and(|text| 10 < text.len()),
                    "{path} lacks varde.*.{language}"
                );
            }
        }
        let review = document
            .pointer("/varde/review")
            .and_then(Json::as_str)
            .unwrap_or_default();
        assert!(
            format!("{review}T00:00:00Z")
                .parse::<ingest_event::Timestamp>()
                .is_ok(),
            "{path}: review {review}"
        );
        let tags = document
            .pointer("/tags")
            .and_then(Json::as_array)
            .cloned()
            .unwrap_or_default();
        assert!(
            tags.iter()
                .filter_map(Json::as_str)
                .any(|tag| tag.starts_with("attack.t")),
            "{path} names no ATT&CK technique"
        );
    }
}

#[test]
fn no_two_rules_share_a_title() {
    let mut seen = BTreeMap::new();
    for (path, document) in documents() {
        let title = document
            .pointer("/title")
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned();
        if let Some(other) = seen.insert(title.clone(), path.clone()) {
            panic!("{path} and {other} are both called {title}");
        }
    }
}
