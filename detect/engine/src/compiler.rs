//! Checked rules and indicators to a [`Ruleset`].

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use detect_alert::{Indicator, RulesetVersion};
use detect_rules::{CheckedRules, Condition, RuleLogSource, log_source::TRAIT_FIELDS};
use ingest_event::{OrganizationNumber, field, restricted::RestrictedKey};
use thiserror::Error;

use crate::{
    ahead::{self, Ahead},
    cache::CachedPrefilters,
    correlate::Tracks,
    earlier::Earlier,
    indicators::{IndicatorIndex, IndicatorTable, IndicatorTableBuilder, WarningLists},
    keys::FieldNames,
    models::Models,
    program::{Node, Program},
    ruleset::{Compiled, Envelope, Ruleset},
    witness::Needs,
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
    earlier: Option<Arc<Ruleset>>,
    cached: Option<CachedPrefilters>,
    models: Models,
    cert: Option<OrganizationNumber>,
    restricted_keys: Vec<RestrictedKey>,
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

    /// Takes the ruleset in use: what did not change is taken over from it, so that one changed rule is live soon. What
    /// matches does not depend on it. How fast it matches may, a little: rules that are new to a log source are awake for
    /// each of its events, until a ruleset is compiled without an earlier one.
    #[must_use]
    pub fn earlier(mut self, ruleset: Arc<Ruleset>) -> Self {
        self.earlier = Some(ruleset);
        self
    }

    /// Takes the prefilters that an earlier run kept of the same rules; of other rules, they do not count. Programs are
    /// then compiled when events ask for them, or by [`Ruleset::compile_the_rest`]. The sample does not count.
    #[must_use]
    pub fn cached(mut self, ahead: CachedPrefilters) -> Self {
        self.cached = Some(ahead);
        self
    }

    /// Takes the models that rules of type `dga` and `flow` ask. Without one its rules are silent.
    #[must_use]
    pub fn models(mut self, models: Models) -> Self {
        self.models = models;
        self
    }

    /// Names the CERT: alerts about what was seen in several organisations are its own, and name them.
    #[must_use]
    pub fn cert(mut self, cert: Option<OrganizationNumber>) -> Self {
        self.cert = cert;
        self
    }

    /// The keys of what sensors have as hashes only.
    #[must_use]
    pub fn restricted_keys(mut self, keys: Vec<RestrictedKey>) -> Self {
        self.restricted_keys = keys;
        self
    }

    /// Builds the ruleset.
    ///
    /// # Errors
    /// If a limit is met, see [`BuildError`].
    pub fn compile(mut self) -> Result<Ruleset, BuildError> {
        let held = self.earlier.clone();
        let earlier = held
            .as_deref()
            .and_then(|ruleset| Earlier::new(ruleset, self.is_exhaustive));
        let cached = self
            .cached
            .filter(|cached| !self.is_exhaustive && cached.is_of(&self.rules));
        let mut names = match (&cached, &earlier) {
            (Some(cached), _) => cached.names(),
            (None, Some(earlier)) => earlier.names(),
            (None, None) => FieldNames::default(),
        };
        let envelope = envelope(&mut names);
        let mut tracks = Tracks::compile(&mut self.rules, &self.models, &mut names);
        tracks.cert = self.cert;
        let mut programs = Programs {
            earlier: earlier.as_ref().filter(|_| cached.is_none()),
            late: cached.is_some().then(|| Arc::new(names.clone())),
            is_exhaustive: self.is_exhaustive,
        };
        let mut digests: Vec<[u8; 32]> = Vec::new();
        let mut rules = Vec::with_capacity(self.rules.rules.len());
        let mut sources: BTreeMap<RuleLogSource, Vec<u32>> = BTreeMap::new();
        for rule in self.rules.rules {
            let index =
                u32::try_from(rules.len()).map_err(|_| BuildError::TooManyRules { count: rules.len() })?;
            sources.entry(rule.log_source).or_default().push(index);
            digests.push(rule.digest);
            rules.push(Compiled {
                program: programs.of(&rule.digest, rule.condition, &mut names)?,
                producer: rule.producer,
                severity: rule.severity,
                confidence: rule.confidence,
                tlp: rule.tlp,
                pap: rule.pap,
                entity: rule.entity,
                raises: rule.raises,
                digest: rule.digest,
            });
        }
        digests.extend(tracks.all.iter().map(|track| *track.asked.digest()));
        digests.extend(self.models.digests());
        let table = self.table.unwrap_or_else(|| Arc::new(self.indicators.build()));
        let indicators = IndicatorIndex::new(table, self.warning_lists, &self.restricted_keys, &mut names);
        let version = version(digests, &indicators);
        for rule in &mut rules {
            rule.producer.ruleset = version.clone();
        }
        for track in &mut tracks.all {
            track.about.producer.ruleset = version.clone();
        }
        let fresh_names = programs.earlier.map_or(names.len(), Earlier::fresh_names);
        let mut ruleset = Ruleset {
            version,
            names,
            numbers: rules
                .iter()
                .zip(0..)
                .map(|(rule, number)| (rule.producer.id.0.clone(), number))
                .collect(),
            rules,
            is_exhaustive: self.is_exhaustive,
            is_whole: AtomicBool::new(cached.is_none()),
            fresh_names,
            ahead: Ahead::default(),
            sources: sources.into_iter().collect(),
            tracks,
            indicators,
            envelope,
        };
        if let Some(cached) = cached {
            ruleset.ahead = cached.into_ahead();
        } else if !self.is_exhaustive {
            let same = earlier.as_ref().map(|earlier| earlier.same(&ruleset));
            ruleset.ahead = ahead::build(&ruleset, &self.sample, same.as_ref());
        }
        Ok(ruleset)
    }
}

/// Numbers the fields that every scan needs.
fn envelope(names: &mut FieldNames) -> Envelope {
    let [timestamp, schema, stream, matched] = [
        field::TIMESTAMP,
        field::VARDE_SCHEMA,
        field::VARDE_STREAM,
        field::VARDE_MATCHED,
    ]
    .map(|name| names.intern_for_all(name));
    let traits = TRAIT_FIELDS.map(|fields| {
        let fields = fields.iter().map(|name| names.intern_for_all(name));
        fields.collect::<Vec<_>>()
    });
    let trait_fields = || traits.iter().flatten().copied();
    let envelope = Envelope {
        timestamp,
        schema,
        stream,
        matched,
        trait_fields: (
            trait_fields().min().unwrap_or(0),
            trait_fields().max().unwrap_or(0),
        ),
        traits,
    };
    for name in field::ENVELOPE {
        names.intern_for_all(name);
    }
    envelope
}

/// Where the programs of rules come from.
struct Programs<'e> {
    /// From an earlier ruleset, where a rule did not change.
    earlier: Option<&'e Earlier<'e>>,
    /// Compiled later, with these names.
    late: Option<Arc<FieldNames>>,
    is_exhaustive: bool,
}

impl Programs<'_> {
    fn of(
        &mut self,
        digest: &[u8; 32],
        condition: Condition,
        names: &mut FieldNames,
    ) -> Result<Arc<Program>, BuildError> {
        if let Some(names) = &self.late {
            return Ok(Arc::new(Program::late(condition, Arc::clone(names))));
        }
        if let Some(program) = self.earlier.and_then(|earlier| earlier.program(digest)) {
            return Ok(program);
        }
        let node = Node::compile(&condition, names)?;
        let needs = if self.is_exhaustive {
            Needs::nothing()
        } else {
            Needs::of(&condition, names)
        };
        Ok(Arc::new(Program::ready(node, needs)))
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
