//! All of SigmaHQ on real events: the engine, a naive matcher and `rsigma-eval` find the same.
//!
//! Every rule is asked about every event, whatever its log source, by all three; then the engine once more with
//! the rules' own log sources, where only those may be left that are for the event. Log sources are policy, not
//! matching, so the oracle is not asked about them. Needs the captures (`VARDE_CAPTURES`); says so when they are
//! not there. `VARDE_LONG=1` takes all events of each corpus.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test support outside `#[test]` functions"
)]

#[path = "corpora/corpora.rs"]
mod corpora;
#[path = "generated/draw.rs"]
mod draw;
#[path = "generated/literals.rs"]
mod literals;
#[path = "generated/events.rs"]
mod made;
#[path = "naive/naive.rs"]
mod naive;
#[path = "generated/rules.rs"]
mod rules;
#[path = "generated/words.rs"]
mod words;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Ruleset, Scanner};
use detect_rules::{CheckedRules, RuleLogSource, SourceText, check};
use rsigma_eval::{CompiledRule, compile_rule, evaluate_rule, event::JsonEvent};

use corpora::{CORPORA, captures, events, sigma_hq};
use draw::Draw;

/// Events of each corpus in the ordinary run.
const EVENTS: usize = 20;

/// Events made for the rules, in the ordinary run and in the long one.
const MADE: [usize; 2] = [30, 20_000];

/// Rules of SigmaHQ that the oracle is not asked about: what it takes otherwise is in `docs/engine-differences.md`.
const EXPLAINED: [&str; 3] = [
    // `windash` with `/`.
    "4a0b2c7e-7cb2-495d-8b63-5f268e7bfd67",
    // `endswith` with `?`.
    "ab6bffca-beff-4baa-af11-6733f296d57a",
    "f6de9536-0441-4b3f-a646-f4e00f300ffd",
];

/// Rules that matched, by number.
type Found = BTreeSet<usize>;

#[derive(Default)]
struct Matched(Found);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(index, _) = hit.origin {
            assert!(self.0.insert(index.0 as usize), "a rule matches once");
            assert!(
                hit.findings.iter().all(|finding| !finding.matched.is_empty()),
                "each says why"
            );
        }
    }
}

/// The same rules for everybody.
struct Everyone {
    rules: CheckedRules,
    for_all: Ruleset,
    for_own: Ruleset,
    /// For each rule, as the oracle compiles it.
    oracle: Vec<Option<CompiledRule>>,
}

impl Everyone {
    fn new(sources: &[SourceText]) -> Self {
        let checked = check(sources);
        for diagnostic in checked.diagnostics.iter().filter(|found| found.is_error()) {
            println!("{diagnostic}");
        }
        let rules = checked.rules;
        let parsed: Vec<_> = sources
            .iter()
            .flat_map(|source| {
                rsigma_parser::parse_sigma_yaml(&source.text)
                    .map(|parsed| parsed.rules)
                    .unwrap_or_default()
            })
            .collect();
        let oracle = rules
            .rules
            .iter()
            .map(|rule| {
                let id = Some(rule.producer.id.0.as_str());
                let parsed = parsed.iter().find(|parsed| parsed.id.as_deref() == id)?;
                compile_rule(parsed).ok()
            })
            .collect();
        let mut wide = rules.clone();
        for rule in &mut wide.rules {
            rule.log_source = RuleLogSource::default();
        }
        let compile = |rules| Compiler::new().rules(rules).compile().expect("compiles");
        Self {
            for_all: compile(wide),
            for_own: compile(rules.clone()),
            oracle,
            rules,
        }
    }

    fn name(&self, index: usize) -> &str {
        &self.rules.rules[index].producer.id.0
    }
}

/// How long each took, and what was found.
#[derive(Default)]
struct Tally {
    events: usize,
    matched: usize,
    for_own: usize,
    engine: Duration,
    naive: Duration,
    oracle: Duration,
    differences: Vec<String>,
}

impl Tally {
    fn show(&self, corpus: &str, rules: usize) {
        println!(
            "{corpus}: {} events, {} pairs, {} matches, {} of them by log source; engine {:.1?}, naive {:.1?}, oracle {:.1?}",
            self.events,
            self.events * rules,
            self.matched,
            self.for_own,
            self.engine,
            self.naive,
            self.oracle
        );
    }
}

fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let made = work();
    *total += started.elapsed();
    made
}

/// An event made of what some of the rules look for.
fn made_event(everyone: &Everyone, draw: &mut Draw) -> String {
    let mut wanted = Vec::new();
    for _ in 0..draw.within(1..4) {
        let rule = draw.choose(&everyone.rules.rules);
        literals::wanted(&rule.condition, draw, &mut wanted);
    }
    made::event(draw, &wanted, 1)
}

fn is_explained(everyone: &Everyone, rule: usize) -> bool {
    EXPLAINED.contains(&everyone.rules.rules[rule].producer.id.0.as_str())
}

/// Windows writes `New Value`, rules say `NewValue`: which names a field has is no matching.
fn without_blanks(event: &mut serde_json::Value) {
    let Some(members) = event.as_object_mut() else {
        return;
    };
    let named: Vec<(String, serde_json::Value)> = members
        .iter()
        .filter(|(name, _)| name.contains(' '))
        .map(|(name, value)| (name.replace(' ', ""), value.clone()))
        .collect();
    for (name, value) in named {
        members.entry(name).or_insert(value);
    }
}

/// Asks everyone about one event; the oracle, if the event is one that it should take as we do.
fn compare(
    everyone: &Everyone,
    scanners: &mut [Scanner<'_>; 2],
    line: &str,
    with_oracle: bool,
    tally: &mut Tally,
) {
    let [for_all, for_own] = scanners.each_mut().map(|scanner| {
        timed(&mut tally.engine, || {
            let mut matched = Matched::default();
            scanner.scan(line.as_bytes(), &mut matched).expect("an event");
            matched.0
        })
    });
    let leaves = naive::flatten(line.as_bytes()).expect("JSON");
    let rules = || everyone.rules.rules.iter().enumerate();
    let naive: Found = timed(&mut tally.naive, || {
        rules()
            .filter(|(_, rule)| naive::holds(&rule.condition, &leaves))
            .map(|(index, _)| index)
            .collect()
    });
    let left: Found = naive
        .iter()
        .copied()
        .filter(|index| naive::is_for(&everyone.rules.rules[*index].log_source, &leaves))
        .collect();
    let mut json: serde_json::Value = serde_json::from_str(line).expect("JSON");
    without_blanks(&mut json);
    let event = JsonEvent::borrow(&json);
    let oracle: Found = timed(&mut tally.oracle, || {
        rules()
            .filter(|(index, _)| match &everyone.oracle[*index] {
                Some(rule) if with_oracle && !is_explained(everyone, *index) => {
                    evaluate_rule(rule, &event).is_some()
                }
                Some(_) | None => naive.contains(index),
            })
            .map(|(index, _)| index)
            .collect()
    });
    for (who, theirs, ours) in [
        ("the naive matcher", &naive, &for_all),
        ("the oracle", &oracle, &for_all),
        ("the naive matcher, by log source", &left, &for_own),
    ] {
        for index in ours.symmetric_difference(theirs) {
            let side = if ours.contains(index) { "the engine" } else { who };
            let start: String = line.chars().take(400).collect();
            let name = everyone.name(*index);
            tally.differences.push(format!(
                "{side} alone (not {who} and the engine both): {name}: {start}"
            ));
        }
    }
    tally.events += 1;
    tally.matched += naive.len();
    tally.for_own += left.len();
}

#[test]
fn all_of_sigma_hq_matches_what_the_others_match() {
    let Some(root) = captures() else { return };
    let sources = sigma_hq(&root);
    let everyone = Everyone::new(&sources);
    let loaded = everyone.rules.rules.len();
    let compiled = everyone.oracle.iter().flatten().count();
    println!(
        "SigmaHQ: {loaded} of {} rules load, the oracle has {compiled} of them",
        sources.len()
    );
    assert!(3750 <= loaded && 3750 <= compiled);

    let count = match std::env::var_os("VARDE_LONG") {
        Some(_) => usize::MAX,
        None => EVENTS,
    };
    let mut scanners = [Scanner::new(&everyone.for_all), Scanner::new(&everyone.for_own)];
    let (mut total, mut differences) = (0, Vec::new());
    for corpus in CORPORA {
        let mut tally = Tally::default();
        for line in events(&root, corpus, count) {
            compare(&everyone, &mut scanners, &line, true, &mut tally);
        }
        tally.show(corpus, loaded);
        total += tally.matched;
        differences.append(&mut tally.differences);
    }
    let (mut tally, mut draw) = (Tally::default(), Draw::new(11));
    for _ in 0..MADE[usize::from(count == usize::MAX)] {
        let line = made_event(&everyone, &mut draw);
        compare(&everyone, &mut scanners, &line, false, &mut tally);
    }
    tally.show("made of what the rules look for", loaded);
    differences.append(&mut tally.differences);
    println!("{total} matches in common, {} differences", differences.len());
    differences.truncate(40);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(100 < total, "{total} matches say nothing");
}
