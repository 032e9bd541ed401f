//! SigmaHQ: every rule loads, and each Windows event log of its regression data fires the rule that its `info.yml` names.
//!
//! The logs are read as they were exported and flattened as a shipper does it, so that the names of Sigma's taxonomy come out:
//! everything of `EventData` at the top level, and of `System` the provider, the channel, the id and so on. What the events are
//! is for the log source table to find: nothing here says so. Needs the captures (`VARDE_CAPTURES`).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "corpora/corpora.rs"]
mod corpora;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Ruleset, Scanner};
use detect_rules::{BUNDLED_PIPELINES, Code, Options, Pipeline, check, check_with};
use evtx::EvtxParser;
use serde_json::{Map, Value as Json};

use corpora::{captures, sigma_hq};

/// So many logs there are, each with one rule.
const LOGS: usize = 202;

/// So many rules use `expand`; no list comes with them.
const RULES_WITH_PLACEHOLDERS: usize = 2;

/// One log and what must come of it.
struct Case {
    log: PathBuf,
    rule: String,
    /// How many events must fire it at least, if that is said: some logs hold more than were counted.
    count: Option<usize>,
}

/// How many events each rule fires on.
#[derive(Default)]
struct Fired(BTreeMap<String, usize>);

impl MatchSink for Fired {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(_, producer) = hit.origin {
            *self.0.entry(producer.id.0.clone()).or_default() += 1;
        }
    }
}

#[test]
fn each_log_fires_the_rule_that_it_was_recorded_for() {
    let Some(root) = captures() else { return };
    let checked = check(&sigma_hq(&root));
    let ruleset = Compiler::new().rules(checked.rules).compile().expect("compiles");
    let mut cases = Vec::new();
    find(&root.join("sigma/regression-data"), &mut cases);
    cases.sort_by(|a, b| a.log.cmp(&b.log));
    let mut missed = Vec::new();
    for case in &cases {
        let fired = fired(&ruleset, &case.log);
        let count = fired.get(&case.rule).copied().unwrap_or(0);
        if count == 0 || case.count.is_some_and(|expected| count < expected) {
            missed.push(format!(
                "{}: rule {} fires {count} times, {:?} expected; others: {:?}",
                case.log.display(),
                case.rule,
                case.count,
                fired.keys().collect::<Vec<_>>()
            ));
        }
    }
    println!(
        "{} of {} logs fire their rule",
        cases.len() - missed.len(),
        cases.len()
    );
    assert_eq!(cases.len(), LOGS);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn all_of_sigma_hq_loads_as_it_is_and_with_every_bundled_pipeline() {
    let Some(root) = captures() else { return };
    let sources = sigma_hq(&root);
    for pipeline in [None]
        .into_iter()
        .chain(BUNDLED_PIPELINES.map(|(name, _)| Some(name)))
    {
        let options = Options {
            pipelines: pipeline
                .and_then(|name| Pipeline::bundled(name)?.0)
                .into_iter()
                .collect(),
            ..Options::default()
        };
        assert_eq!(options.pipelines.len(), usize::from(pipeline.is_some()));
        let checked = check_with(&sources, &options);
        let refused: Vec<String> = checked
            .diagnostics
            .iter()
            .filter(|found| found.is_error())
            .map(ToString::to_string)
            .collect();
        assert!(refused.is_empty(), "{pipeline:?}:\n{}", refused.join("\n"));
        assert_eq!(checked.rules.rules.len(), sources.len(), "{pipeline:?}");
        let without_list = checked
            .diagnostics
            .iter()
            .filter(|found| found.code == Code::NoPlaceholder);
        assert_eq!(without_list.count(), RULES_WITH_PLACEHOLDERS, "{pipeline:?}");
        assert!(
            checked
                .rules
                .rules
                .iter()
                .all(|rule| !rule.producer.authors.is_empty()),
            "every rule names its author"
        );
    }
    println!("{} rules load, each with every pipeline", sources.len());
}

fn find(folder: &Path, cases: &mut Vec<Case>) {
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, cases);
        } else if path.extension().is_some_and(|extension| extension == "evtx") {
            let text = std::fs::read_to_string(folder.join("info.yml")).expect("info.yml");
            let after = |key: &str| {
                let line = text.lines().map(str::trim).find(|line| line.starts_with(key))?;
                Some(line[key.len()..].trim().to_owned())
            };
            cases.push(Case {
                log: path,
                rule: after("- id:").expect("a rule"),
                count: after("match_count:").map(|count| count.parse().expect("a number")),
            });
        }
    }
}

fn fired(ruleset: &Ruleset, log: &Path) -> BTreeMap<String, usize> {
    let mut fired = Fired::default();
    let mut scanner = Scanner::new(ruleset);
    let mut parser = EvtxParser::from_path(log).expect("a log");
    for record in parser.records_json_value() {
        let event = flattened(&record.expect("a record").data["Event"]);
        let line = Json::Object(event).to_string();
        scanner.scan(line.as_bytes(), &mut fired).expect("an event");
    }
    fired.0
}

/// An event as Windows shippers send it.
fn flattened(event: &Json) -> Map<String, Json> {
    let mut flat = Map::new();
    let system = &event["System"];
    let attribute = |element: &str, name: &str| system[element]["#attributes"][name].clone();
    for (name, value) in [
        ("@timestamp", attribute("TimeCreated", "SystemTime")),
        ("Provider_Name", attribute("Provider", "Name")),
        ("Provider_Guid", attribute("Provider", "Guid")),
        ("EventID", text_of(&system["EventID"])),
        ("Channel", text_of(&system["Channel"])),
        ("Computer", text_of(&system["Computer"])),
        ("Level", text_of(&system["Level"])),
        ("Task", text_of(&system["Task"])),
        ("Opcode", text_of(&system["Opcode"])),
        ("Keywords", text_of(&system["Keywords"])),
        ("EventRecordID", text_of(&system["EventRecordID"])),
        ("UserID", attribute("Security", "UserID")),
    ] {
        if !value.is_null() {
            flat.insert(name.to_owned(), value);
        }
    }
    members(&event["EventData"], &mut flat);
    // `UserData` has one element of the provider's own, and in it the names.
    if let Some(elements) = event["UserData"].as_object() {
        elements.values().for_each(|element| members(element, &mut flat));
    }
    flat
}

fn members(element: &Json, flat: &mut Map<String, Json>) {
    for (name, value) in element.as_object().into_iter().flatten() {
        if name != "#attributes" {
            flat.insert(name.clone(), text_of(value));
        }
    }
}

/// An element with attributes has its text beside them.
fn text_of(value: &Json) -> Json {
    value.get("#text").unwrap_or(value).clone()
}
