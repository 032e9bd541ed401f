//! What `varde rules check` calls unindexable, from the rule alone, is what the engine finds nothing to look up for.
//!
//! `detect-rules` knows no engine, so each works it out for itself; this holds the two together, on generated rules and on all
//! of SigmaHQ where the captures are there.

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
#[path = "generated/rules.rs"]
mod rules;
#[path = "generated/words.rs"]
mod words;

use detect_engine::Compiler;
use detect_rules::{Cost, SourceText, check, costs, is_unindexable};

/// Generated rules.
const MADE: usize = 3_000;

/// How many rules there are, and how many are unindexable, if both say so of the same.
fn compare(sources: &[SourceText]) -> (usize, usize) {
    let checked = check(sources).rules;
    let ruleset = Compiler::new()
        .rules(checked.clone())
        .compile()
        .expect("compiles");
    let of_engine: Vec<usize> = ruleset.unindexable().map(|rule| rule.0 as usize).collect();
    for (index, rule) in checked.rules.iter().enumerate() {
        let expected = of_engine.contains(&index);
        let condition = &rule.condition;
        let id = &rule.producer.id.0;
        assert_eq!(is_unindexable(rule), expected, "{id}: {condition:?}");
        assert_eq!(
            costs(rule).contains(&Cost::Unindexable),
            expected,
            "{id} has its reason"
        );
    }
    (checked.rules.len(), of_engine.len())
}

#[test]
fn made_rules_are_unindexable_for_both() {
    let sources: Vec<SourceText> = (0..MADE)
        .map(|number| SourceText {
            path: format!("{number}.yml"),
            text: rules::rule(number as u64, number),
        })
        .collect();
    let (all, found) = compare(&sources);
    println!("generated: {found} of {all} rules are unindexable");
    assert!(100 < found && found + 100 < all, "{found} of {all} say nothing");
}

#[test]
fn rules_of_sigma_hq_are_unindexable_for_both() {
    let Some(root) = corpora::captures() else { return };
    let (all, found) = compare(&corpora::sigma_hq(&root));
    println!("SigmaHQ: {found} of {all} rules are unindexable");
    assert!(3_750 <= all, "{all} rules");
}
