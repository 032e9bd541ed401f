//! A ruleset that takes over what did not change from an earlier one, and one that comes from a cache, match what a
//! ruleset matches that is compiled as a whole.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "corpora/corpora.rs"]
mod corpora;
#[path = "generated/draw.rs"]
mod draw;
#[path = "generated/events.rs"]
mod events;
#[path = "generated/literals.rs"]
mod literals;
#[path = "generated/rules.rs"]
mod rules;
#[path = "generated/words.rs"]
mod words;

use std::{collections::BTreeMap, sync::Arc};

use detect_engine::{
    CacheError, CacheKey, Cached, Compiler, EventView, Match, MatchSink, Origin, Ruleset, Scanner,
};
use detect_rules::{Checked, Options, SourceText, check};

use draw::Draw;

/// Sequences of changes, each of so many steps.
const SEQUENCES: u64 = 6;
const STEPS: usize = 10;

/// Rules at the start of a sequence, and events for each step.
const RULES: usize = 40;
const EVENTS: usize = 48;

#[derive(Default)]
struct Matched(Vec<String>);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(_, producer) = hit.origin {
            self.0.push(format!(
                "{} {} {} {:?}",
                producer.id.0, producer.name, producer.ruleset.0, hit.findings
            ));
        }
    }
}

/// What each event matches, asked twice: the second time the scanner knows the event's class.
fn matches(ruleset: &Ruleset, lines: &[String]) -> Vec<Vec<String>> {
    let mut scanner = Scanner::new(ruleset);
    let twice = [lines, lines].concat();
    twice
        .iter()
        .map(|line| {
            let mut matched = Matched::default();
            scanner.scan(line.as_bytes(), &mut matched).expect("an event");
            matched.0
        })
        .collect()
}

fn checked(texts: &BTreeMap<usize, String>) -> Checked {
    let sources: Vec<SourceText> = texts
        .iter()
        .map(|(number, text)| SourceText {
            path: format!("{number}.yml"),
            text: text.clone(),
        })
        .collect();
    check(&sources)
}

/// Events for the rules, and events that were there before.
fn some_events(checked: &Checked, draw: &mut Draw) -> Vec<String> {
    (0..EVENTS)
        .map(|_| {
            let mut wanted = Vec::new();
            let rule = draw.choose(&checked.rules.rules);
            literals::wanted(&rule.condition, draw, &mut wanted);
            let source = draw.within(0..RULES);
            events::event(draw, &wanted, source)
        })
        .collect()
}

/// One change: a rule is new, other, gone, or has another title.
fn change(texts: &mut BTreeMap<usize, String>, draw: &mut Draw) {
    let numbers: Vec<usize> = texts.keys().copied().collect();
    let number = *draw.choose(&numbers);
    match draw.within(0..8) {
        0 if RULES / 2 < numbers.len() => {
            texts.remove(&number);
        }
        1 | 2 => {
            // The others get other numbers: ids are in order.
            let number = draw.within(0..10 * RULES);
            texts.insert(number, rules::rule(draw.next(), number));
        }
        3 => {
            let text = texts.get_mut(&number).expect("there");
            *text = text.replacen("title: T", "title: TT", 1);
        }
        4 => {
            let text = texts.get_mut(&number).expect("there");
            let other = format!("logsource: {}\n", draw.choose(&rules::SOURCES).0);
            *text = text
                .split_inclusive('\n')
                .map(|line| {
                    if line.starts_with("logsource:") {
                        &other
                    } else {
                        line
                    }
                })
                .collect();
        }
        _ => {
            texts.insert(number, rules::rule(draw.next(), number));
        }
    }
}

#[test]
fn after_any_changes_the_matches_are_those_of_a_ruleset_that_is_compiled_as_a_whole() {
    let mut total = 0;
    for seed in 0..SEQUENCES {
        let mut draw = Draw::new(seed);
        let mut texts: BTreeMap<usize, String> = (0..RULES)
            .map(|number| (number * 7, rules::rule(draw.next(), number * 7)))
            .collect();
        let first = checked(&texts);
        let sample = some_events(&first, &mut draw).into_iter().map(String::into_bytes);
        let compiler = Compiler::new().rules(first.rules.clone()).sample(sample);
        let mut earlier = Arc::new(compiler.compile().expect("compiles"));
        for step in 0..STEPS {
            for _ in 0..*draw.choose(&[1, 1, 1, 3, 24]) {
                change(&mut texts, &mut draw);
            }
            let checked = checked(&texts);
            let lines = some_events(&checked, &mut draw);
            let compile =
                |compiler: Compiler| compiler.rules(checked.rules.clone()).compile().expect("compiles");
            let sample: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
            let again = compile(Compiler::new().earlier(Arc::clone(&earlier)).sample(sample));
            let whole = compile(Compiler::new());
            assert_eq!(again.version(), whole.version());
            assert!(again.unindexable().eq(whole.unindexable()));
            let (found, expected) = (matches(&again, &lines), matches(&whole, &lines));
            for ((found, expected), line) in found.iter().zip(&expected).zip(lines.iter().cycle()) {
                assert_eq!(found, expected, "seed {seed}, step {step}: {line}");
            }
            total += expected.iter().map(Vec::len).sum::<usize>();
            earlier = Arc::new(again);
        }
    }
    println!("{total} matches");
    assert!(2000 < total, "{total} matches say nothing");
}

/// A class of events rules a rule out by what the rule's condition was. With another condition it may not, though the
/// same texts wake it.
#[test]
fn a_rule_that_a_class_ruled_out_is_asked_again_when_it_changed() {
    let compiler = |excluded: &str| {
        let text = format!(
            "title: T\nid: 00000000-1111-4111-8111-111111111111\nlogsource: {{ product: windows, service: security }}\n\
             detection:\n  s: {{ CommandLine|contains: evilword }}\n  f: {{ {excluded} }}\n  condition: s and not f\n"
        );
        Compiler::new().rules(checked(&BTreeMap::from([(1, text)])).rules)
    };
    let line = r#"{"@timestamp":"2026-01-01T00:00:00Z","Channel":"Security","EventID":4688,"CommandLine":"evilword"}"#;
    for (before, after) in [
        ("EventID: 4688", "EventID: 4689"),
        ("EventID|lt: 5000", "EventID|lt: 4000"),
    ] {
        let sample = vec![line.as_bytes().to_vec(); 4];
        let first = compiler(before).sample(sample).compile().expect("compiles");
        let again = compiler(after)
            .earlier(Arc::new(first))
            .compile()
            .expect("compiles");
        let found = matches(&again, &[line.to_owned()]);
        assert_eq!(found.concat().len(), 2, "{before}, {after}");
    }
}

/// A cache of some rules, its key, and the rules.
fn cache(seed: u64) -> (CacheKey, Vec<u8>, Checked, Ruleset) {
    let mut draw = Draw::new(seed);
    let texts = (0..RULES).map(|number| (number, rules::rule(draw.next(), number)));
    let checked = checked(&texts.collect());
    let key = CacheKey::of(&[], &Options::default());
    let ruleset = Compiler::new()
        .rules(checked.rules.clone())
        .compile()
        .expect("compiles");
    let bytes = Cached::to_bytes(&key, &checked, &ruleset).expect("of these rules");
    (key, bytes, checked, ruleset)
}

#[test]
fn from_a_cache_the_matches_are_the_same() {
    for seed in 100..104 {
        let (key, bytes, checked, whole) = cache(seed);
        let lines = some_events(&checked, &mut Draw::new(seed));
        let cached = Cached::from_bytes(&key, &bytes).expect("whole");
        assert_eq!(cached.checked.diagnostics, checked.diagnostics);
        assert_eq!(cached.checked.places, checked.places);
        let ruleset = Compiler::new()
            .rules(cached.checked.rules)
            .cached(cached.prefilters)
            .compile()
            .expect("compiles");
        assert_eq!(ruleset.version(), whole.version());
        let expected = matches(&whole, &lines);
        assert_eq!(matches(&ruleset, &lines), expected, "seed {seed}");
        ruleset.compile_the_rest();
        assert_eq!(matches(&ruleset, &lines), expected, "seed {seed}, whole");
        assert!(ruleset.unindexable().eq(whole.unindexable()));
        // The next change takes from it what it took from the cache.
        let next = Compiler::new()
            .rules(checked.rules)
            .earlier(Arc::new(ruleset))
            .compile()
            .expect("compiles");
        assert_eq!(matches(&next, &lines), expected, "seed {seed}, next");
    }
}

#[test]
fn a_cache_that_is_not_what_it_should_be_is_refused() {
    let (key, bytes, checked, _) = cache(7);
    let source = |path: &str, text: &str| SourceText {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let other = CacheKey::of(&[source("a.yml", "title: x")], &Options::default());
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] ^= byte;
        bytes
    };
    for (key, bytes, expected) in [
        (&key, Vec::new(), "no_cache"),
        (&key, b"#!/bin/sh\n".repeat(100), "no_cache"),
        (&key, with(9, 1), "other_build"),
        (&other, bytes.clone(), "other_rules"),
        (&key, with(60, 1), "damaged"),
        (&key, with(bytes.len() / 2, 32), "damaged"),
        (&key, bytes[..20].to_vec(), "damaged"),
        (&key, bytes[..bytes.len() - 1].to_vec(), "damaged"),
        (&key, [&bytes[..], b"x"].concat(), "damaged"),
    ] {
        let refused = Cached::from_bytes(key, &bytes)
            .err()
            .as_ref()
            .map(CacheError::reason);
        assert_eq!(refused, Some(expected));
    }
    let a = source("a.yml", "title: x");
    for (one, two) in [
        (vec![a.clone()], vec![source("a.yml", "title: y")]),
        (vec![a.clone()], vec![source("b.yml", "title: x")]),
        (vec![source("a.ymlt", "itle: x")], vec![a.clone()]),
        (vec![a], Vec::new()),
    ] {
        let options = Options::default();
        assert_ne!(CacheKey::of(&one, &options), CacheKey::of(&two, &options));
    }
    // One that is of other rules than those that it comes with is not used.
    let cached = Cached::from_bytes(&key, &bytes).expect("whole");
    let mut fewer = checked.rules.clone();
    fewer.rules.pop();
    let lines = some_events(&checked, &mut Draw::new(7));
    let compile = |compiler: Compiler| compiler.rules(fewer.clone()).compile().expect("compiles");
    let with = compile(Compiler::new().cached(cached.prefilters));
    assert_eq!(matches(&with, &lines), matches(&compile(Compiler::new()), &lines));
}

#[test]
fn all_of_sigma_hq_from_a_cache_and_after_changes_matches_the_same() {
    let Some(root) = corpora::captures() else { return };
    let sources = corpora::sigma_hq(&root);
    let whole = check(&sources);
    let compile = |compiler: Compiler| compiler.compile().expect("compiles");
    let fresh = compile(Compiler::new().rules(whole.rules.clone()));
    let key = CacheKey::of(&sources, &Options::default());
    let bytes = Cached::to_bytes(&key, &whole, &fresh).expect("of these rules");
    println!("{} bytes", bytes.len());
    let cached = Cached::from_bytes(&key, &bytes).expect("whole");
    let cached = Compiler::new()
        .rules(cached.checked.rules)
        .cached(cached.prefilters);
    let cached = Arc::new(compile(cached));
    let (without, gone): (Vec<_>, Vec<_>) = sources
        .iter()
        .cloned()
        .partition(|source| !source.text.contains("whoami"));
    println!("{} files taken away and back", gone.len());
    let fewer = Compiler::new()
        .rules(check(&without).rules)
        .earlier(Arc::clone(&cached));
    let fewer = Arc::new(compile(fewer));
    let back = compile(Compiler::new().rules(whole.rules).earlier(fewer));
    let mut total = 0;
    for corpus in corpora::CORPORA {
        let lines = corpora::events(&root, corpus, 200);
        let expected = matches(&fresh, &lines);
        total += expected.iter().map(Vec::len).sum::<usize>();
        assert_eq!(matches(&cached, &lines), expected, "{corpus}, from a cache");
        assert_eq!(matches(&back, &lines), expected, "{corpus}, after changes");
    }
    assert!(200 < total, "{total} matches say nothing");
}
