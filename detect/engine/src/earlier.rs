//! What a ruleset takes over from an earlier one instead of building it again: programs of rules that did not change,
//! and prefilters of log sources whose rules did not.
//!
//! Says what is the same and decides nothing about matches: they are those of a ruleset that is compiled as a whole,
//! which `detect/engine/tests/again.rs` holds it against.

use std::sync::Arc;

use detect_rules::RuleLogSource;
use rustc_hash::FxHashMap;

use crate::{
    ahead::AheadClass,
    keys::FieldNames,
    prefilter::Prefilter,
    program::Program,
    record::NONE,
    ruleset::{Compiled, Ruleset},
};

/// So many rules of one log source may be awake for every event because they came after its prefilter was built. Each
/// costs an event as much as one evaluation.
const LATE_MAX: usize = 16;

/// Names of fields that no rule asks for any more are kept until they are more than this besides the others: they are
/// read for nothing.
const IDLE_NAMES_MAX: usize = 512;

/// An earlier ruleset.
#[derive(Debug)]
pub(crate) struct Earlier<'e> {
    ruleset: &'e Ruleset,
    by_digest: FxHashMap<[u8; 32], u32>,
}

/// Which rules of two rulesets are one.
#[derive(Debug)]
pub(crate) struct Same<'e> {
    earlier: &'e Ruleset,
    /// For each earlier rule its number now, [`NONE`] for one that is gone or that other texts wake.
    new: Vec<u32>,
    /// The other way round.
    old: Vec<u32>,
    /// For each rule now whether its program is the earlier one: rules that the same texts wake may still ask other things.
    is_same: Vec<bool>,
}

impl<'e> Earlier<'e> {
    /// Nothing if it is of no use: it was made in another way, or is full of what is gone.
    pub(crate) fn new(ruleset: &'e Ruleset, is_exhaustive: bool) -> Option<Self> {
        if ruleset.is_exhaustive != is_exhaustive
            || ruleset.fresh_names + IDLE_NAMES_MAX < ruleset.names.len()
        {
            return None;
        }
        let by_digest = (0..).zip(&ruleset.rules).map(|(at, rule)| (rule.digest, at));
        Some(Self {
            ruleset,
            by_digest: by_digest.collect(),
        })
    }

    /// The names of fields, with the numbers that programs know them by.
    pub(crate) fn names(&self) -> FieldNames {
        self.ruleset.names.clone()
    }

    /// See [`Ruleset::fresh_names`].
    pub(crate) const fn fresh_names(&self) -> usize {
        self.ruleset.fresh_names
    }

    /// The program of a rule that did not change.
    pub(crate) fn program(&self, digest: &[u8; 32]) -> Option<Arc<Program>> {
        let rule = self.ruleset.rules.get(*self.by_digest.get(digest)? as usize)?;
        Some(Arc::clone(&rule.program))
    }

    /// Which rules are one in a ruleset that was made with this one.
    pub(crate) fn same(&self, ruleset: &Ruleset) -> Same<'e> {
        let by_id: FxHashMap<&str, u32> = (0..)
            .zip(&self.ruleset.rules)
            .map(|(at, rule)| (&*rule.producer.id.0, at))
            .collect();
        let mut new = vec![NONE; self.ruleset.rules.len()];
        let old: Vec<u32> = ruleset
            .rules
            .iter()
            .map(|rule| {
                let by_digest = self.by_digest.get(&rule.digest);
                let by_id = || by_id.get(&*rule.producer.id.0);
                let old = by_digest.or_else(by_id).copied().unwrap_or(NONE);
                match self.ruleset.rules.get(old as usize) {
                    Some(earlier) if is_woken_alike(earlier, rule) => old,
                    Some(_) | None => NONE,
                }
            })
            .collect();
        let is_same = old.iter().zip(&ruleset.rules).map(|(old, rule)| {
            let earlier = self.ruleset.rules.get(*old as usize);
            earlier.is_some_and(|earlier| Arc::ptr_eq(&earlier.program, &rule.program))
        });
        let is_same = is_same.collect();
        for (now, before) in (0..).zip(&old) {
            if let Some(place) = new.get_mut(*before as usize) {
                *place = now;
            }
        }
        Same {
            earlier: self.ruleset,
            new,
            old,
            is_same,
        }
    }
}

/// Whether the same texts wake them.
fn is_woken_alike(a: &Compiled, b: &Compiled) -> bool {
    Arc::ptr_eq(&a.program, &b.program) || a.program.needs() == b.program.needs()
}

impl Same<'_> {
    /// The sets of log sources for which the earlier ruleset had prefilters.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Vec<RuleLogSource>> {
        self.earlier.ahead.sources.iter()
    }

    /// The classes for which it had prefilters.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (&Box<[u8]>, &AheadClass)> {
        self.earlier.ahead.classes.iter()
    }

    /// The earlier prefilter of these log sources, for what are their rules now; nothing if too many of them are new.
    pub(crate) fn prefilter(&self, sources: &[RuleLogSource], rules: &[u32]) -> Option<Arc<Prefilter>> {
        self.renumbered(&self.earlier.rules_for(sources), rules)
    }

    /// The rules of an earlier class: those that are left of it, and all that are new to its log sources, which are
    /// `rules` now. And its prefilter.
    pub(crate) fn class(&self, class: &AheadClass, rules: &[u32]) -> Option<(Box<[u32]>, Arc<Prefilter>)> {
        let of_sources = self.earlier.rules_for(&class.sources);
        let is_left = |rule: &u32| {
            let old = self.old.get(*rule as usize).copied().unwrap_or(NONE);
            // Whether the class rules out another program was not asked.
            let is_same = self.is_same.get(*rule as usize) == Some(&true);
            !is_same || is_in(&class.rules, old) || !is_in(&of_sources, old)
        };
        let rules: Box<[u32]> = rules.iter().copied().filter(is_left).collect();
        let prefilter = self.renumbered(&class.rules, &rules)?;
        Some((rules, prefilter))
    }

    /// The prefilter of rules before, for other rules now.
    fn renumbered(&self, before: &[u32], rules: &[u32]) -> Option<Arc<Prefilter>> {
        let held = self.earlier.ahead.prefilters.get(before)?;
        let new = |rule: u32| {
            let now = self.new.get(rule as usize).copied().unwrap_or(NONE);
            if is_in(rules, now) { now } else { NONE }
        };
        let late: Vec<u32> = rules
            .iter()
            .copied()
            .filter(|rule| {
                let old = self.old.get(*rule as usize).copied().unwrap_or(NONE);
                !is_in(before, old)
            })
            .collect();
        if late.is_empty() && *before == *rules && before.iter().all(|rule| new(*rule) == *rule) {
            return Some(Arc::clone(held));
        }
        (held.late() + late.len() <= LATE_MAX).then(|| Arc::new(held.again(new, &late)))
    }
}

fn is_in(rules: &[u32], rule: u32) -> bool {
    rules.binary_search(&rule).is_ok()
}

#[cfg(test)]
mod tests {
    use detect_rules::{
        SourceText, check,
        log_source::{Traits, of_event},
    };

    use super::*;
    use crate::Compiler;

    /// Rules for DNS, each looking for one of these texts, and one for connections.
    fn compiler(texts: &[&str]) -> Compiler {
        let rule = |number: usize, category: &str, text: &str| {
            format!(
                "---\ntitle: T\nid: {number:08}-1111-4111-8111-111111111111\nlogsource: {{ category: {category} }}\n\
                 detection: {{ s: {{ f|contains: {text} }}, condition: s }}\n"
            )
        };
        let mut text: String = (0..)
            .zip(texts)
            .map(|(number, text)| rule(number, "dns", text))
            .collect();
        text.push_str(&rule(99, "firewall", "somewhere"));
        let path = "rules.yml".to_owned();
        Compiler::new().rules(check(&[SourceText { path, text }]).rules)
    }

    fn prefilter<'r>(ruleset: &'r Ruleset, dataset: &str) -> &'r Arc<Prefilter> {
        let sources = of_event(&Traits {
            dataset: Some(dataset),
            ..Traits::default()
        });
        ruleset
            .ahead
            .prefilters
            .get(&ruleset.rules_for(&sources))
            .expect("built ahead")
    }

    #[test]
    fn what_did_not_change_is_taken_over() {
        let mut texts = vec!["alpha"; 40];
        let first = Arc::new(compiler(&texts).compile().expect("compiles"));
        let mut before = Arc::clone(&first);
        for at in 0..LATE_MAX {
            texts[at] = "other";
            let compiler = compiler(&texts).earlier(Arc::clone(&before));
            let after = Arc::new(compiler.compile().expect("compiles"));
            for (rule, (one, two)) in before.rules.iter().zip(&after.rules).enumerate() {
                assert_eq!(Arc::ptr_eq(&one.program, &two.program), rule != at, "{rule}");
            }
            assert_eq!(prefilter(&after, "network.dns").late(), at + 1);
            assert!(Arc::ptr_eq(
                prefilter(&after, "network.flow"),
                prefilter(&first, "network.flow")
            ));
            before = after;
        }
        // One more would be one too many.
        texts[LATE_MAX] = "other";
        let compiler = compiler(&texts).earlier(before);
        let after = compiler.compile().expect("compiles");
        assert_eq!(prefilter(&after, "network.dns").late(), 0);
    }

    #[test]
    fn rules_with_other_numbers_are_still_the_same() {
        let first = Arc::new(compiler(&["alpha", "beta"]).compile().expect("compiles"));
        let more = compiler(&["alpha", "beta", "gamma"]).earlier(Arc::clone(&first));
        let more = more.compile().expect("compiles");
        assert_eq!(prefilter(&more, "network.flow").late(), 0);
        assert!(Arc::ptr_eq(&first.rules[2].program, &more.rules[3].program));
    }
}
