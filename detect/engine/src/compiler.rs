//! Checked rules and indicators to a [`Ruleset`].

use std::{collections::BTreeMap, sync::Arc};

use detect_alert::{Indicator, RulesetVersion};
use detect_rules::{CheckedRules, RuleLogSource, log_source::TRAIT_FIELDS};
use ingest_event::field;
use thiserror::Error;

use crate::{
    ahead,
    indicators::{IndicatorIndex, IndicatorTable, IndicatorTableBuilder, WarningLists},
    keys::FieldNames,
    prefilter::Prefilters,
    program::Node,
    ruleset::{Compiled, Envelope, Ruleset},
    witness,
};

/// Collects what a ruleset is made of.
#[derive(Debug, Default)]
pub struct Compiler {
    rules: CheckedRules,
    indicators: IndicatorTableBuilder,
    table: Option<Arc<IndicatorTable>>,
    warning_lists: Arc<WarningLists>,
    is_exhaustive: bool,
    sample: Vec<Vec<u8>>,
}

/// Why there is no ruleset. Checked rules compile, unless a limit of the engine is met.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A regular expression that passed the check does not compile.
    #[error("compile a regular expression")]
    Regex {
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// More rules than can be numbered.
    #[error("compile {count} rules: at most {} fit", u32::MAX)]
    TooManyRules {
        /// How many there are.
        count: usize,
    },
}

impl Compiler {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes rules; what was taken before is replaced, since correlations refer to rules by number.
    #[must_use]
    pub fn rules(mut self, rules: CheckedRules) -> Self {
        self.rules = rules;
        self
    }

    /// Takes more indicators. One whose value is not in the normal form of its kind does not count.
    #[must_use]
    pub fn indicators(mut self, indicators: Vec<Indicator>) -> Self {
        for indicator in &indicators {
            self.indicators.add(indicator);
        }
        self
    }

    /// Takes a table of indicators, instead of what [`Compiler::indicators`] took.
    #[must_use]
    pub fn indicator_table(mut self, table: Arc<IndicatorTable>) -> Self {
        self.table = Some(table);
        self
    }

    /// Takes the warning lists that matches of indicators are held against.
    #[must_use]
    pub fn warning_lists(mut self, lists: Arc<WarningLists>) -> Self {
        self.warning_lists = lists;
        self
    }

    /// Leaves the prefilter out: every rule of its log sources is evaluated on each event. Slower, and the
    /// matches are the same; tests hold the one against the other.
    #[must_use]
    pub fn exhaustive(mut self) -> Self {
        self.is_exhaustive = true;
        self
    }

    /// Takes events such as those that will be scanned. They tell which texts are rare and so make the scan
    /// faster; what matches does not depend on them. A few hundred of each log source are enough.
    #[must_use]
    pub fn sample(mut self, events: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.sample.extend(events);
        self
    }

    /// Builds the ruleset.
    ///
    /// # Errors
    /// If a limit is met, see [`BuildError`].
    pub fn compile(self) -> Result<Ruleset, BuildError> {
        let mut names = FieldNames::default();
        let envelope = Envelope {
            timestamp: names.intern(field::TIMESTAMP),
            schema: names.intern(field::VARDE_SCHEMA),
            traits: TRAIT_FIELDS.map(|fields| fields.iter().map(|name| names.intern(name)).collect()),
        };
        for name in field::ENVELOPE {
            names.intern(name);
        }
        names.end_envelope();
        let mut digests: Vec<[u8; 32]> = Vec::new();
        let mut rules = Vec::with_capacity(self.rules.rules.len());
        let mut sources: BTreeMap<RuleLogSource, Vec<u32>> = BTreeMap::new();
        let mut witnesses = Vec::with_capacity(self.rules.rules.len());
        for rule in self.rules.rules {
            let index =
                u32::try_from(rules.len()).map_err(|_| BuildError::TooManyRules { count: rules.len() })?;
            sources.entry(rule.log_source).or_default().push(index);
            digests.push(rule.digest);
            let program = Node::compile(&rule.condition, &mut names)?;
            witnesses.push(if self.is_exhaustive {
                Vec::new()
            } else {
                witness::groups(&rule.condition, &names)
            });
            rules.push(Compiled {
                program,
                producer: rule.producer,
                severity: rule.severity,
                confidence: rule.confidence,
                tlp: rule.tlp,
                pap: rule.pap,
                entity: rule.entity,
                raises: rule.raises,
            });
        }
        let mut correlations = self.rules.correlations;
        digests.extend(correlations.iter().map(|correlation| correlation.digest));
        let table = self.table.unwrap_or_else(|| Arc::new(self.indicators.build()));
        let indicators = IndicatorIndex::new(table, self.warning_lists, &mut names);
        let version = version(digests, &indicators);
        for rule in &mut rules {
            rule.producer.ruleset = version.clone();
        }
        for correlation in &mut correlations {
            correlation.producer.ruleset = version.clone();
        }
        let mut ruleset = Ruleset {
            version,
            names,
            rules,
            witnesses,
            prefilters: Prefilters::default(),
            sources: sources.into_iter().collect(),
            correlations,
            indicators,
            envelope,
        };
        if !self.is_exhaustive {
            ruleset.prefilters = ahead::build(&ruleset, &self.sample);
        }
        Ok(ruleset)
    }
}

/// BLAKE3 over the sorted digests of the documents and those of indicators and warning lists, shortened to 16 digits.
fn version(mut digests: Vec<[u8; 32]>, indicators: &IndicatorIndex) -> RulesetVersion {
    digests.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for digest in &digests {
        hasher.update(digest);
    }
    for digest in indicators.digests() {
        hasher.update(&digest);
    }
    RulesetVersion(hasher.finalize().to_hex().chars().take(16).collect())
}
