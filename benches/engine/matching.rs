//! Before a speed counts: with its prefilter ours finds what it finds without it, and what it finds is what
//! `rsigma-eval` finds, but for log sources.
//!
//! A pair is an event and a rule. Where only one of the two has a pair, both are asked about it without log
//! sources: if both then say yes, the difference is the policy of log sources (ours knows that an event of Sysmon
//! has several; theirs tries rules that nothing contradicts); if not, it is unexplained.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Ruleset, Scanner};
use detect_rules::{Checked, RuleLogSource, SourceText};
use rsigma_eval::{CompiledRule, Engine, JsonEvent, compile_rule, evaluate_rule};

use super::{contender::RsigmaSources, corpora::Corpus};

/// Events on which every rule is tried, spread over the corpus.
const TRIED: usize = 400;

/// Rules on which the two differ for a known reason: where a suffix has a wildcard, theirs holds its start to the start
/// of the text (`docs/engine-differences.md`); and Defender calls a field `New Value` that Sigma calls `NewValue`,
/// which ours knows.
const KNOWN: [&str; 2] = [
    "ab6bffca-beff-4baa-af11-6733f296d57a",
    "1321dc4e-a1fe-481d-a016-52c45f0c8b4f",
];

/// Asks ours and theirs.
pub struct Judge<'a> {
    ruleset: &'a Ruleset,
    exhaustive: Ruleset,
    everywhere: Ruleset,
    engine: &'a Engine,
    theirs: BTreeMap<String, CompiledRule>,
}

/// What they say of a corpus.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Pairs that both have.
    pub common: usize,
    /// Only ours has, by log source.
    pub only_ours: usize,
    /// Only theirs has, by log source.
    pub only_theirs: usize,
    /// Pairs of rules on which the two are known to differ.
    pub known: usize,
    /// Pairs that the two disagree on without log sources.
    pub unexplained: Vec<String>,
    /// Events on which every rule was tried.
    pub tried: usize,
}

impl Verdict {
    /// For the table; `rest` is why those that log sources do not explain differ.
    #[must_use]
    pub fn as_text(&self, rest: &str) -> String {
        format!(
            "matches: {} common with rsigma-eval, {} only ours and {} only theirs by log source, {} by a known \
             difference, {} {rest}; the same without prefilter on {} events",
            self.common,
            self.only_ours,
            self.only_theirs,
            self.known,
            self.unexplained.len(),
            self.tried
        )
    }
}

#[derive(Default)]
struct Ids(BTreeSet<String>);

impl MatchSink for Ids {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        match hit.origin {
            Origin::Rule(_, producer) => self.0.insert(producer.id.0.clone()),
            Origin::Indicator(..) => false,
        };
    }
}

impl<'a> Judge<'a> {
    /// With what is measured, and the rules it was made of.
    ///
    /// # Errors
    /// If a rule does not compile.
    pub fn new(
        ruleset: &'a Ruleset,
        checked: &Checked,
        engine: &'a Engine,
        sources: &[SourceText],
    ) -> anyhow::Result<Self> {
        let exhaustive = Compiler::new().rules(checked.rules.clone()).exhaustive();
        let mut everywhere = checked.rules.clone();
        for rule in &mut everywhere.rules {
            rule.log_source = RuleLogSource::default();
        }
        let mut theirs = BTreeMap::new();
        for source in sources {
            for rule in rsigma_parser::parse_sigma_yaml(&source.text)?.rules {
                if let Some(id) = rule.id.clone() {
                    theirs.insert(id, compile_rule(&rule)?);
                }
            }
        }
        Ok(Self {
            ruleset,
            exhaustive: exhaustive.compile().context("compile without prefilter")?,
            everywhere: Compiler::new()
                .rules(everywhere)
                .compile()
                .context("compile without log sources")?,
            engine,
            theirs,
        })
    }

    /// Asks about each different event of a corpus.
    ///
    /// # Errors
    /// If ours finds something else without its prefilter, or can't read an event.
    pub fn judge(&self, corpus: &Corpus) -> anyhow::Result<Verdict> {
        let mut verdict = Verdict::default();
        let mut scanner = Scanner::new(self.ruleset);
        let mut slow = Scanner::new(&self.exhaustive);
        let mut everywhere = Scanner::new(&self.everywhere);
        let known: BTreeSet<&str> = self
            .ruleset
            .producers()
            .map(|(_, producer)| producer.id.0.as_str())
            .collect();
        let step = (corpus.distinct / TRIED).max(1);
        let sources = RsigmaSources::default();
        for (at, event) in corpus.first(corpus.distinct).events().enumerate() {
            let ours = ids(&mut scanner, event)?;
            if at.is_multiple_of(step) {
                verdict.tried += 1;
                let all = ids(&mut slow, event)?;
                anyhow::ensure!(
                    ours == all,
                    "{}: event {at} matches {ours:?} with the prefilter and {all:?} without",
                    corpus.name
                );
            }
            let value: serde_json::Value = serde_json::from_slice(event)?;
            let json = JsonEvent::borrow(&value);
            let theirs: BTreeSet<String> = self
                .engine
                .evaluate_pruned(&json, &sources.of(&value))
                .into_iter()
                .filter_map(|result| result.header.rule_id)
                .filter(|id| known.contains(id.as_str()))
                .collect();
            verdict.common += ours.intersection(&theirs).count();
            for id in ours.difference(&theirs) {
                let agree = self
                    .theirs
                    .get(id)
                    .is_some_and(|rule| evaluate_rule(rule, &json).is_some());
                if agree {
                    verdict.only_ours += 1;
                } else if KNOWN.contains(&id.as_str()) {
                    verdict.known += 1;
                } else {
                    verdict.unexplained.push(format!("only ours: {id} on event {at}"));
                }
            }
            if ours.is_superset(&theirs) {
                continue;
            }
            let wide = ids(&mut everywhere, event)?;
            for id in theirs.difference(&ours) {
                if wide.contains(id) {
                    verdict.only_theirs += 1;
                } else {
                    verdict
                        .unexplained
                        .push(format!("only theirs: {id} on event {at}"));
                }
            }
        }
        Ok(verdict)
    }
}

fn ids(scanner: &mut Scanner<'_>, event: &[u8]) -> anyhow::Result<BTreeSet<String>> {
    let mut ids = Ids::default();
    scanner.scan(event, &mut ids).context("scan an event")?;
    Ok(ids.0)
}
