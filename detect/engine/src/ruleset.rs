//! An immutable set of compiled rules, correlations and indicators.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use detect_alert::{Confidence, Indicator, Pap, Producer, RulesetVersion, Severity, Tlp};
use detect_rules::{RuleLogSource, log_source::TRAIT_COUNT};

use rustc_hash::FxHashMap;

use crate::{
    ahead::Ahead,
    correlate::Tracks,
    indicators::IndicatorIndex,
    keys::{FieldId, FieldNames},
    program::Program,
    scan::{Finding, Match, Origin},
    witness::Needs,
};

/// The number of a rule in its ruleset: rules by id, then correlations, then anomaly rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub u32);

/// Everything the detector knows at one time. Immutable, shared by every scanner, swapped between batches.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) version: RulesetVersion,
    pub(crate) names: FieldNames,
    pub(crate) rules: Vec<Compiled>,
    /// By their ids.
    pub(crate) numbers: FxHashMap<String, u32>,
    /// Whether every rule of its log sources is evaluated for each event.
    pub(crate) is_exhaustive: bool,
    /// Whether every program is compiled.
    pub(crate) is_whole: AtomicBool,
    /// How many names there were when this or the ruleset that it was made from was compiled as a whole.
    pub(crate) fresh_names: usize,
    /// What was built ahead.
    pub(crate) ahead: Ahead,
    pub(crate) sources: Vec<(RuleLogSource, Vec<u32>)>,
    /// Correlations and anomaly rules.
    pub(crate) tracks: Tracks,
    pub(crate) indicators: IndicatorIndex,
    pub(crate) envelope: Envelope,
}

/// One compiled rule.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) producer: Producer,
    pub(crate) severity: Severity,
    pub(crate) confidence: Confidence,
    pub(crate) tlp: Tlp,
    pub(crate) pap: Pap,
    pub(crate) entity: Option<String>,
    pub(crate) raises: bool,
    /// What it is known by: equal digests are equal programs.
    pub(crate) digest: [u8; 32],
    pub(crate) program: Arc<Program>,
}

/// Fields that every scan needs.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) timestamp: FieldId,
    pub(crate) schema: FieldId,
    /// In what order its sensor let it go.
    pub(crate) stream: FieldId,
    /// What it matched on its sensor, in clear.
    pub(crate) matched: FieldId,
    /// The fields that decide an event's log source: for each trait its names, best first.
    pub(crate) traits: [Vec<FieldId>; TRAIT_COUNT],
    /// Of all of them the least and the greatest; there is no other field between.
    pub(crate) trait_fields: (FieldId, FieldId),
}

impl Compiled {
    /// What is told of an event that it matches.
    pub(crate) fn matched<'a>(&'a self, index: u32, findings: &'a [Finding]) -> Match<'a> {
        Match {
            origin: Origin::Rule(RuleIndex(index), &self.producer),
            severity: self.severity,
            confidence: self.confidence,
            tlp: self.tlp,
            pap: self.pap,
            raises: self.raises,
            entity: self.entity.as_deref(),
            findings,
        }
    }
}

impl Envelope {
    /// A number for a field that decides the log source.
    pub(crate) fn tag(&self, field: FieldId) -> Option<u8> {
        let (least, greatest) = self.trait_fields;
        (least <= field && field <= greatest).then(|| u8::try_from(field - least).ok())?
    }
}

impl Ruleset {
    /// Made of its content: rules, correlations and indicators, whatever their files and their order.
    #[must_use]
    pub fn version(&self) -> &RulesetVersion {
        &self.version
    }

    /// Rules about single events.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Rules about several events.
    #[must_use]
    pub fn correlation_count(&self) -> usize {
        self.tracks.all.len()
    }

    /// Indicators, each kind, value and source once.
    #[must_use]
    pub fn indicator_count(&self) -> usize {
        self.indicators.len()
    }

    /// Rules that are bases of correlations only are matched but raise nothing by themselves.
    #[must_use]
    pub fn raises(&self, rule: RuleIndex) -> bool {
        self.rules
            .get(rule.0 as usize)
            .is_none_or(|compiled| compiled.raises)
    }

    /// What a rule or correlation says of itself.
    #[must_use]
    pub fn producer(&self, rule: RuleIndex) -> Option<&Producer> {
        let index = rule.0 as usize;
        self.rules
            .get(index)
            .map(|compiled| &compiled.producer)
            .or_else(|| {
                let track = self.tracks.all.get(index.checked_sub(self.rules.len())?)?;
                Some(&track.about.producer)
            })
    }

    /// Rules that no text has to be there for: each is evaluated for every event of its log source.
    pub fn unindexable(&self) -> impl Iterator<Item = RuleIndex> {
        self.rules
            .iter()
            .zip(0..)
            .filter(|(rule, _)| rule.program.needs().is_nothing())
            .map(|(_, rule)| RuleIndex(rule))
    }

    /// Compiles what a ruleset from a cache left for later. To be called beside the scanning, when the ruleset is in use:
    /// until then, an event that is the first to wake a rule waits for that rule.
    pub fn compile_the_rest(&self) {
        for rule in &self.rules {
            let _compiled = rule.program.needs();
        }
        self.is_whole.store(true, Ordering::Relaxed);
    }

    /// Whether every program is compiled.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Relaxed)
    }

    /// What an event must have for a rule to match.
    pub(crate) fn needs(&self, rule: u32) -> Option<&Needs> {
        let rule = self.rules.get(rule as usize).filter(|_| !self.is_exhaustive);
        rule.map(|rule| rule.program.needs())
    }

    /// The rules for events of these log sources, ascending.
    pub(crate) fn rules_for(&self, sources: &[RuleLogSource]) -> Box<[u32]> {
        let mut rules: Vec<u32> = self
            .sources
            .iter()
            .filter(|(rule, _)| {
                *rule == RuleLogSource::default() || sources.iter().any(|event| rule.accepts(event))
            })
            .flat_map(|(_, rules)| rules.iter().copied())
            .collect();
        rules.sort_unstable();
        rules.into()
    }

    /// Every rule, correlation and anomaly rule with its number.
    pub fn producers(&self) -> impl Iterator<Item = (RuleIndex, &Producer)> {
        self.rules
            .iter()
            .map(|compiled| &compiled.producer)
            .chain(self.tracks.all.iter().map(|track| &track.about.producer))
            .enumerate()
            .map(|(index, producer)| (RuleIndex(u32::try_from(index).unwrap_or(u32::MAX)), producer))
    }

    /// Every indicator, in no particular order.
    pub fn indicators(&self) -> impl Iterator<Item = Indicator> {
        self.indicators.iter()
    }
}
