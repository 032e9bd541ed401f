//! All of SigmaHQ on real events, against `rsigma-eval`: the sets of matches are equal.
//!
//! Log sources are policy, not matching: the oracle is asked about those rules only that ours are for. Needs the
//! captures (`VARDE_CAPTURES`); says so when they are not there.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "corpora/corpora.rs"]
mod corpora;

use std::{collections::BTreeSet, time::Instant};

use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Scanner};
use detect_rules::check;
use rsigma_eval::{CompiledRule, compile_rule, evaluate_rule, event::JsonEvent};

use corpora::{CORPORA, captures, events, for_all_events, sigma_hq};

/// Events of each corpus in the ordinary run; `VARDE_ORACLE_EVENTS` asks for more.
const EVENTS: usize = 60;

#[derive(Default)]
struct Matched(BTreeSet<String>);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(_, producer) = hit.origin {
            assert!(self.0.insert(producer.id.0.clone()), "a rule matches once");
        }
    }
}

#[test]
fn all_of_sigma_hq_matches_what_the_oracle_matches() {
    let Some(root) = captures() else { return };
    let sources = sigma_hq(&root);
    let started = Instant::now();
    let checked = check(&sources);
    for diagnostic in checked.diagnostics.iter().filter(|found| found.is_error()) {
        println!("{diagnostic}");
    }
    let loaded = checked.rules.rules.len();
    println!(
        "SigmaHQ: {loaded} of {} rules load, checked in {:?}",
        sources.len(),
        started.elapsed()
    );
    assert!(3700 <= loaded, "{loaded}");

    let ids: BTreeSet<String> = checked
        .rules
        .rules
        .iter()
        .map(|rule| rule.producer.id.0.clone())
        .collect();
    let oracle: Vec<(String, CompiledRule)> = sources
        .iter()
        .flat_map(|source| {
            rsigma_parser::parse_sigma_yaml(&source.text)
                .expect("parsed before")
                .rules
        })
        .filter_map(|rule| {
            let id = rule.id.clone()?;
            let compiled = compile_rule(&rule).ok()?;
            ids.contains(&id).then_some((id, compiled))
        })
        .collect();
    println!("the oracle compiles {}", oracle.len());
    let both: BTreeSet<&String> = oracle.iter().map(|(id, _)| id).collect();

    // The field names of Sigma's network rules go to ECS names first, then to their own: both see the same here.
    let ruleset = Compiler::new()
        .rules(for_all_events(checked).rules)
        .compile()
        .expect("compiles");
    let mut scanner = Scanner::new(&ruleset);
    let count = std::env::var("VARDE_ORACLE_EVENTS").map_or(EVENTS, |text| text.parse().expect("a number"));
    let (mut total, mut differences) = (0, Vec::new());
    for corpus in CORPORA {
        let lines = events(&root, corpus, count);
        let started = Instant::now();
        let ours: Vec<BTreeSet<String>> = lines
            .iter()
            .map(|line| {
                let mut matched = Matched::default();
                scanner.scan(line.as_bytes(), &mut matched).expect("an event");
                matched.0
            })
            .collect();
        println!(
            "{corpus}: {} events, every rule on each, {:?}",
            lines.len(),
            started.elapsed()
        );
        for (line, ours) in lines.iter().zip(ours) {
            let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let event = JsonEvent::borrow(&json);
            let theirs: BTreeSet<&String> = oracle
                .iter()
                .filter(|(_, rule)| evaluate_rule(rule, &event).is_some())
                .map(|(id, _)| id)
                .collect();
            let ours: BTreeSet<&String> = ours.iter().filter(|id| both.contains(id)).collect();
            total += ours.len();
            for id in ours.symmetric_difference(&theirs) {
                let side = if ours.contains(*id) { "ours" } else { "theirs" };
                differences.push(format!(
                    "{side} only: {id} on {corpus}: {}",
                    line.chars().take(300).collect::<String>()
                ));
            }
        }
    }
    println!("{total} matches in common, {} differences", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
