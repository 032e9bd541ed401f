//! Generated rules on generated events: the engine, a naive matcher and `rsigma-eval` say the same.
//!
//! Rules come from a seed, events from a seed and from what some rule of the set looks for, so that hits and
//! near misses are frequent. The naive matcher (`naive/naive.rs`) reads the same bytes and is asked about every
//! pair; the oracle about those where no known difference (`docs/engine-differences.md`) is in play.
//! `VARDE_LONG=1` asks for more than a million pairs of each, from another seed each time.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "test support outside `#[test]` functions"
)]

#[path = "generated/draw.rs"]
mod draw;
#[path = "generated/events.rs"]
mod events;
#[path = "generated/literals.rs"]
mod literals;
#[path = "naive/naive.rs"]
mod naive;
#[path = "generated/peer.rs"]
mod peer;
#[path = "generated/rules.rs"]
mod rules;
#[path = "generated/words.rs"]
mod words;

use std::{cell::RefCell, collections::BTreeMap};

use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Ruleset, Scanner};
use detect_rules::{CheckedRules, RuleLogSource, SourceText, check};
use ingest_event::{Value, codec::flatten};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use rsigma_eval::CompiledRule;

use draw::Draw;

/// Sets of rules in the ordinary run and in the long one; each with [`EVENTS`] events.
const SETS: [u32; 2] = [160, 9000];
const EVENTS: usize = 64;

/// A set of rules and how they are checked.
struct Set {
    texts: Vec<String>,
    checked: CheckedRules,
    ruleset: Ruleset,
    /// For each rule of `checked`: its text's number, the oracle's rule, and when the two are compared.
    peers: Vec<(usize, Option<CompiledRule>, peer::Traits)>,
}

#[derive(Default)]
struct Tally {
    pairs: usize,
    compared: usize,
    matched: usize,
    refused: usize,
}

/// What the engine says of one event.
#[derive(Default, PartialEq)]
struct Said {
    matched: BTreeMap<usize, Vec<detect_engine::Finding>>,
    twice: bool,
    fields: Vec<(String, Vec<Value>)>,
    asked: Vec<String>,
}

impl MatchSink for Said {
    fn admit(&mut self, event: &EventView<'_>) -> bool {
        self.fields = self
            .asked
            .iter()
            .map(|name| (name.clone(), event.get(name)))
            .collect();
        true
    }

    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(index, _) = hit.origin {
            self.twice |= self
                .matched
                .insert(index.0 as usize, hit.findings.to_vec())
                .is_some();
        }
    }
}

fn is_long() -> bool {
    std::env::var_os("VARDE_LONG").is_some()
}

/// Checks and compiles rules; an error if only the oracle accepts one.
fn set(texts: Vec<String>, for_all: bool) -> Result<Set, String> {
    let sources: Vec<SourceText> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| SourceText {
            path: format!("{number}.yml"),
            text: text.clone(),
        })
        .collect();
    let found = check(&sources);
    let mut checked = found.rules;
    let mut peers = Vec::new();
    for rule in &mut checked.rules {
        let number: usize = rule.producer.id.0[..8].parse().map_err(|_| "no number")?;
        peers.push((
            number,
            peer::compile(&texts[number]),
            peer::Traits::of(rule, &texts[number]),
        ));
        if for_all {
            rule.log_source = RuleLogSource::default();
        }
    }
    for diagnostic in found
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
    {
        let number: usize = diagnostic
            .path
            .trim_end_matches(".yml")
            .parse()
            .map_err(|_| "no number")?;
        // Some values have too many spellings; the oracle has another limit, and takes UTF-16 that no text has.
        let is_stricter = ["spellings", "UTF-16"].map(|word| diagnostic.detail.contains(word));
        if peer::compile(&texts[number]).is_some() && is_stricter == [false; 2] {
            return Err(format!(
                "only the oracle accepts: {diagnostic}\n{}",
                texts[number]
            ));
        }
    }
    let ruleset = Compiler::new()
        .rules(checked.clone())
        .compile()
        .map_err(|error| error.to_string())?;
    Ok(Set {
        texts,
        checked,
        ruleset,
        peers,
    })
}

/// Asks all three about one event.
fn compare(set: &Set, scanner: &mut Scanner<'_>, line: &str, tally: &mut Tally) -> Result<(), String> {
    let leaves = naive::flatten(line.as_bytes()).map_err(|error| format!("{error}: {line}"))?;
    let names = leaves.iter().map(|leaf| leaf.name.clone());
    let mut said = Said {
        asked: names.chain(["not.there".to_owned()]).collect(),
        ..Said::default()
    };
    scanner
        .scan(line.as_bytes(), &mut said)
        .map_err(|error| format!("{error}: {line}"))?;
    // Once more: now the scanner knows the members' names, their order and the event's class.
    let mut again = Said {
        asked: said.asked.clone(),
        ..Said::default()
    };
    scanner
        .scan(line.as_bytes(), &mut again)
        .map_err(|error| format!("{error}: {line}"))?;
    if again != said {
        return Err(format!(
            "the second time it is another event:\n{}",
            shortened(line)
        ));
    }
    if said.twice {
        return Err(format!("a rule matched twice:\n{line}"));
    }
    let fields = flatten(line.as_bytes()).map_err(|error| format!("{error}: {line}"))?;
    for (name, values) in &said.fields {
        let expected: Vec<Value> = leaves
            .iter()
            .filter(|leaf| leaf.name == *name)
            .filter_map(|leaf| Value::from_json(leaf.value.clone()))
            .collect();
        let codec: Vec<Value> = fields
            .get(name)
            .map(|value| value.each().cloned().collect())
            .unwrap_or_default();
        if codec != expected {
            return Err(format!(
                "the codec says `{name}` is {codec:?}, not {expected:?}:\n{}",
                shortened(line)
            ));
        }
        if *values != expected {
            return Err(format!(
                "field `{name}` is {values:?}, not {expected:?}:\n{}",
                shortened(line)
            ));
        }
    }
    let plain = peer::event(&leaves);
    for (index, rule) in set.checked.rules.iter().enumerate() {
        let (number, theirs, traits) = &set.peers[index];
        let findings = said.matched.get(&index);
        let expected = naive::is_for(&rule.log_source, &leaves) && naive::holds(&rule.condition, &leaves);
        tally.pairs += 1;
        tally.matched += usize::from(expected);
        let differ = |who: &str, what: bool| {
            format!(
                "the engine says {}, {who} says {what}:\n{}\n{}",
                findings.is_some(),
                set.texts[*number],
                shortened(line)
            )
        };
        if findings.is_some() != expected {
            return Err(differ("the naive matcher", expected));
        }
        for finding in findings.into_iter().flatten() {
            let is_there = leaves.iter().any(|leaf| {
                let is_named = leaf.name == finding.field || finding.field == "keyword";
                is_named && leaf.text.starts_with(&finding.value)
            });
            if !is_there {
                return Err(format!(
                    "{finding:?} is not in the event:\n{}\n{line}",
                    set.texts[*number]
                ));
            }
        }
        if let Some(theirs) = theirs
            && naive::is_for(&rule.log_source, &leaves)
            && traits.comparable(&leaves)
        {
            tally.compared += 1;
            let answer = peer::matches(theirs, &plain);
            if answer != expected {
                return Err(differ("the oracle", answer));
            }
        }
    }
    Ok(())
}

fn shortened(line: &str) -> String {
    if line.len() < 3000 {
        return line.to_owned();
    }
    let start: String = line.chars().take(1500).collect();
    let end: String = line
        .chars()
        .rev()
        .take(1500)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    format!("{start} … {} bytes … {end}", line.len())
}

/// One event for a set: made for one of its rules.
fn event_for(set: &Set, seed: u64) -> String {
    let mut draw = Draw::new(seed);
    let mut wanted = Vec::new();
    if !set.checked.rules.is_empty() {
        let rule = draw.choose(&set.checked.rules);
        literals::wanted(&rule.condition, &mut draw, &mut wanted);
    }
    events::event(&mut draw, &wanted, set.texts.len())
}

fn try_set(texts: Vec<String>, for_all: bool, events: &[u64], tally: &mut Tally) -> Result<(), String> {
    let count = texts.len();
    let mut set = set(texts, for_all)?;
    tally.refused += count - set.checked.rules.len();
    let lines: Vec<String> = events.iter().map(|seed| event_for(&set, *seed)).collect();
    // Every other set knows its events before: their classes, which texts are rare, which are excluded often.
    if events.first().is_some_and(|seed| seed % 2 == 1) {
        set.ruleset = Compiler::new()
            .rules(set.checked.clone())
            .sample(lines.iter().map(|line| line.as_bytes().to_vec()))
            .compile()
            .map_err(|error| error.to_string())?;
    }
    let mut scanner = Scanner::new(&set.ruleset);
    for line in &lines {
        compare(&set, &mut scanner, line, tally)?;
    }
    Ok(())
}

/// Runs cases until one fails; that one is made smaller (fewer rules, fewer events) and shown.
fn run<S: Strategy>(
    name: &str,
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value, &mut Tally) -> Result<(), String>,
) -> Tally {
    let seed = match std::env::var("VARDE_SEED") {
        Ok(text) => text.parse().expect("VARDE_SEED is a number"),
        Err(_) if is_long() => u64::from(std::process::id()),
        Err(_) => 1,
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tally = RefCell::new(Tally::default());
    let outcome = runner.run(strategy, |case| {
        test(case, &mut tally.borrow_mut()).map_err(TestCaseError::fail)
    });
    let tally = tally.into_inner();
    println!(
        "{name}, seed {seed}: {} pairs, {} of them with the oracle, {} matched; {} rules refused",
        tally.pairs, tally.compared, tally.matched, tally.refused
    );
    if let Err(error) = outcome {
        let text = error.to_string();
        panic!(
            "VARDE_SEED={seed}: {}",
            text.split("minimal failing input").next().unwrap_or_default()
        );
    }
    tally
}

fn seeds(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(any::<u64>().no_shrink(), count)
}

#[test]
fn generated_rules_match_what_the_others_match() {
    let rules = prop_oneof![1 => seeds(1..4), 3 => seeds(16..48)];
    let sets = SETS[usize::from(is_long())];
    let tally = run(
        "sets of rules",
        sets,
        &(rules, seeds(1..=EVENTS), 0..3),
        |(rules, events, kind), tally| {
            let texts = rules
                .iter()
                .enumerate()
                .map(|(number, seed)| rules::rule(*seed, number))
                .collect();
            try_set(texts, kind != 0, &events, tally)
        },
    );
    let (pairs, compared) = if is_long() {
        (3_000_000, 1_000_000)
    } else {
        (60_000, 15_000)
    };
    assert!(pairs <= tally.pairs && compared <= tally.compared, "too few");
    assert!(tally.pairs / 50 < tally.matched, "too few match to say anything");
}

#[test]
fn rules_of_thousands_of_texts_match_what_the_others_match() {
    let sets = [4, 60][usize::from(is_long())];
    let strategy = (seeds(1..8), seeds(20..60), 1000..4000_usize);
    let tally = run("long rules", sets, &strategy, |(rules, events, texts), tally| {
        let texts = rules
            .iter()
            .enumerate()
            .map(|(number, seed)| rules::long_rule(*seed, number, texts))
            .collect();
        try_set(texts, true, &events, tally)
    });
    assert!(tally.pairs / 50 < tally.matched, "too few match to say anything");
}
