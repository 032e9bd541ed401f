//! Correlations and anomaly rules build on rules and on each other: here each comes after what it takes, and a ring is refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Named, anomaly,
    base::{self, Link, Target},
    correlation,
    document::Document,
    meta::Refusal,
    written::Written,
};
use crate::{Anomaly, Base, BaseOf, Code, Correlation, Diagnostic, Pipeline};

/// So many may stand on each other: an alert should be explicable, and each level adds its time span to what is waited for.
const CHAIN_MAX: usize = 8;

/// Stands in `rules` for the matches of all indicators, where the type takes them.
const INDICATORS: &str = "indicators";

/// A document that takes the matches of others.
#[derive(Clone)]
pub(super) enum Taker {
    Anomaly(Box<anomaly::Draft>),
    Correlation(Box<Written>),
}

/// What takers come to.
#[derive(Default)]
pub(super) struct Built {
    /// By id.
    pub(super) correlations: Vec<Correlation>,
    /// By id.
    pub(super) anomalies: Vec<Anomaly>,
    /// Numbers of rules that are bases only.
    pub(super) silent: BTreeSet<usize>,
}

/// A taker that loads.
struct Done {
    link: Link,
    lowered: Lowered,
    depth: usize,
}

enum Lowered {
    Anomaly(Box<Anomaly>),
    Correlation(Box<Correlation>),
}

impl Taker {
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Anomaly(draft) => draft.id.as_deref(),
            Self::Correlation(written) => written.sigma.id.as_deref(),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Anomaly(draft) => draft.name.as_deref(),
            Self::Correlation(written) => written.sigma.name.as_deref(),
        }
    }

    fn rules(&self) -> &[String] {
        match self {
            Self::Anomaly(draft) => &draft.rules,
            Self::Correlation(written) => &written.sigma.rules,
        }
    }

    fn generates(&self) -> bool {
        match self {
            Self::Anomaly(draft) => draft.generate,
            Self::Correlation(written) => written.sigma.generate,
        }
    }

    fn takes_indicators(&self) -> bool {
        match self {
            Self::Anomaly(draft) => draft.takes_indicators(),
            Self::Correlation(_) => false,
        }
    }
}

/// Lowers every taker of which the id is its own. Rules are sorted by id.
pub(super) fn build(
    takers: &[(Document<'_>, Taker)],
    rules: &[Named],
    pipelines: &[&Pipeline],
    diagnostics: &mut Vec<Diagnostic>,
) -> Built {
    let names = Names::of(takers, rules);
    let below: Vec<Vec<usize>> = takers.iter().map(|(_, taker)| names.below(taker)).collect();
    let mut done: Vec<Option<Done>> = takers.iter().map(|_| None).collect();
    for index in order(&below) {
        let (Some((document, taker)), Some(below_it)) = (takers.get(index), below.get(index)) else {
            continue;
        };
        let built = may_stand(document, index, &below, &done, takers).and_then(|()| {
            let targets = names.targets(document, taker, rules, &done)?;
            let lowered = match taker {
                Taker::Anomaly(draft) => anomaly::lower(document, draft, &targets, pipelines, diagnostics)
                    .map(|anomaly| Lowered::Anomaly(Box::new(anomaly))),
                Taker::Correlation(written) => {
                    correlation::lower(document, written, &targets, pipelines, diagnostics)
                        .map(|correlation| Lowered::Correlation(Box::new(correlation)))
                }
            }?;
            let depths = below_it.iter().filter_map(|inner| done.get(*inner)?.as_ref());
            let depth = 1 + depths.map(|inner| inner.depth).max().unwrap_or(0);
            Ok(Done {
                link: lowered.link(index, taker),
                lowered,
                depth,
            })
        });
        match (built, done.get_mut(index)) {
            (Ok(built), Some(place)) => *place = Some(built),
            (Err(refusal), _) => diagnostics.push(*refusal),
            (Ok(_), None) => {}
        }
    }
    gather(takers, done)
}

/// Refuses a taker in a ring, and one on top of too many.
fn may_stand(
    document: &Document<'_>,
    index: usize,
    below: &[Vec<usize>],
    done: &[Option<Done>],
    takers: &[(Document<'_>, Taker)],
) -> Result<(), Refusal> {
    let inner = below.get(index).into_iter().flatten();
    let depth = inner
        .filter_map(|inner| done.get(*inner)?.as_ref())
        .map(|inner| inner.depth)
        .max()
        .unwrap_or(0);
    if CHAIN_MAX <= depth {
        let detail =
            format!("it stands on {depth} others, one on the other, and no more than {CHAIN_MAX} may");
        let mend = "take the matches of a rule further down";
        return Err(base::refuse(document, Code::BrokenChain, "rules:", &detail, mend));
    }
    let Some(ring) = ring(index, below) else {
        return Ok(());
    };
    let called = |index: &usize| {
        let (_, taker) = takers.get(*index)?;
        taker.name().or(taker.id())
    };
    let ring: Vec<&str> = ring.iter().filter_map(called).collect();
    let detail = format!("it takes its own matches: {}", ring.join(" takes "));
    let mend = "break the ring: one of these has to take the matches of a rule";
    Err(base::refuse(document, Code::BrokenChain, "rules:", &detail, mend))
}

/// What is called what.
struct Names<'t> {
    rules: BTreeMap<&'t str, usize>,
    takers: BTreeMap<&'t str, usize>,
}

impl<'t> Names<'t> {
    fn of(takers: &'t [(Document<'_>, Taker)], rules: &'t [Named]) -> Self {
        let mut names = Self {
            rules: BTreeMap::new(),
            takers: BTreeMap::new(),
        };
        for (index, named) in rules.iter().enumerate() {
            for name in &named.names {
                names.rules.entry(name.as_str()).or_insert(index);
            }
        }
        for (index, (_, taker)) in takers.iter().enumerate() {
            for name in taker.id().into_iter().chain(taker.name()) {
                names.takers.entry(name).or_insert(index);
            }
        }
        names
    }

    /// The takers that this one takes.
    fn below(&self, taker: &Taker) -> Vec<usize> {
        let is_taker = |name: &&String| !self.rules.contains_key(name.as_str());
        let names = taker.rules().iter().filter(is_taker);
        names
            .filter_map(|name| self.takers.get(name.as_str()).copied())
            .collect()
    }

    fn targets<'a>(
        &self,
        document: &Document<'_>,
        taker: &Taker,
        rules: &'a [Named],
        done: &'a [Option<Done>],
    ) -> Result<Vec<Target<'a>>, Refusal> {
        let target = |name: &String| {
            if name == INDICATORS && taker.takes_indicators() {
                return Ok(Target::Indicators);
            }
            let rule = self
                .rules
                .get(name.as_str())
                .and_then(|index| Some((*index, rules.get(*index)?)));
            if let Some((index, named)) = rule {
                return Ok(Target::Rule(index, named));
            }
            let taken = self
                .takers
                .get(name.as_str())
                .and_then(|index| done.get(*index)?.as_ref());
            if let Some(taken) = taken {
                return Ok(Target::Chain(&taken.link));
            }
            Err(self.unknown(document, name))
        };
        taker.rules().iter().map(target).collect()
    }

    fn unknown(&self, document: &Document<'_>, name: &str) -> Refusal {
        let detail = if self.takers.contains_key(name) {
            format!("`{name}` is refused itself")
        } else {
            format!("nothing that is loaded has the id or name `{name}`")
        };
        let mend = match name {
            INDICATORS => "only an anomaly rule of type `national` takes the matches of indicators",
            _ => "correct the name, load the rule it means, or mend that if it was refused",
        };
        base::refuse(document, Code::UnknownRule, name, &detail, mend)
    }
}

/// Each after what it takes, where that is possible; then those in rings and on top of rings.
fn order(below: &[Vec<usize>]) -> Vec<usize> {
    let mut above: Vec<Vec<usize>> = vec![Vec::new(); below.len()];
    let mut waits: Vec<usize> = Vec::with_capacity(below.len());
    for (index, inner) in below.iter().enumerate() {
        waits.push(inner.len());
        for taken in inner {
            if let Some(above) = above.get_mut(*taken) {
                above.push(index);
            }
        }
    }
    let free = waits.iter().enumerate().filter(|(_, waits)| **waits == 0);
    let mut next: VecDeque<usize> = free.map(|(index, _)| index).collect();
    let mut order = Vec::with_capacity(below.len());
    while let Some(index) = next.pop_front() {
        order.push(index);
        for outer in above.get(index).into_iter().flatten() {
            if let Some(waits) = waits.get_mut(*outer) {
                *waits -= 1;
                if *waits == 0 {
                    next.push_back(*outer);
                }
            }
        }
    }
    order.extend((0..below.len()).filter(|index| waits.get(*index).is_some_and(|waits| 0 < *waits)));
    order
}

/// The shortest way from a taker back to itself.
fn ring(start: usize, below: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(index) = next.pop_front() {
        for inner in below.get(index)? {
            if *inner == start {
                let mut ring = vec![start, index];
                let mut at = index;
                while let Some(before) = came_from.get(&at).filter(|_| at != start) {
                    at = *before;
                    ring.push(at);
                }
                ring.reverse();
                return Some(ring);
            }
            if !came_from.contains_key(inner) {
                came_from.insert(*inner, index);
                next.push_back(*inner);
            }
        }
    }
    None
}

impl Lowered {
    fn link(&self, index: usize, taker: &Taker) -> Link {
        let (of, id, shown, bases) = match self {
            Self::Anomaly(one) => (
                BaseOf::Anomaly(index),
                &one.producer.id,
                &one.group_by,
                &one.bases,
            ),
            Self::Correlation(one) => (
                BaseOf::Correlation(index),
                &one.producer.id,
                &one.group_by,
                &one.bases,
            ),
        };
        let written = match taker {
            Taker::Anomaly(draft) => &draft.group_by,
            Taker::Correlation(written) => &written.sigma.group_by,
        };
        Link {
            of,
            id: id.clone(),
            names: taker
                .id()
                .into_iter()
                .chain(taker.name())
                .map(str::to_owned)
                .collect(),
            group: base::group_names(written, shown, bases),
        }
    }

    fn bases(&self) -> &[Base] {
        match self {
            Self::Anomaly(one) => &one.bases,
            Self::Correlation(one) => &one.bases,
        }
    }
}

/// Sorts by id, and turns places among the takers into places among the sorted.
fn gather(takers: &[(Document<'_>, Taker)], done: Vec<Option<Done>>) -> Built {
    let mut built = Built::default();
    let mut silent = BTreeSet::new();
    for (done, (_, taker)) in done.iter().zip(takers) {
        if taker.generates() {
            continue;
        }
        for base in done.iter().flat_map(|done| done.lowered.bases()) {
            match base.of {
                BaseOf::Rule(rule) => drop(built.silent.insert(rule)),
                BaseOf::Anomaly(index) | BaseOf::Correlation(index) => drop(silent.insert(index)),
                BaseOf::Indicators => {}
            }
        }
    }
    let (mut correlations, mut anomalies) = (Vec::new(), Vec::new());
    for (index, done) in done.into_iter().enumerate() {
        match done.map(|done| done.lowered) {
            Some(Lowered::Anomaly(one)) => anomalies.push((index, *one)),
            Some(Lowered::Correlation(one)) => correlations.push((index, *one)),
            None => {}
        }
    }
    correlations.sort_by(|(_, a), (_, b)| a.producer.id.cmp(&b.producer.id));
    anomalies.sort_by(|(_, a), (_, b)| a.producer.id.cmp(&b.producer.id));
    let correlation_places = correlations.iter().map(|(index, _)| *index).zip(0..);
    let anomaly_places = anomalies.iter().map(|(index, _)| *index).zip(0..);
    let places: BTreeMap<usize, usize> = correlation_places.chain(anomaly_places).collect();
    let settle = |bases: &mut [Base]| {
        for base in bases {
            match &mut base.of {
                BaseOf::Anomaly(index) | BaseOf::Correlation(index) => {
                    *index = places.get(index).copied().unwrap_or(*index);
                }
                BaseOf::Rule(_) | BaseOf::Indicators => {}
            }
        }
    };
    for (index, mut one) in correlations {
        settle(&mut one.bases);
        one.raises = !silent.contains(&index);
        built.correlations.push(one);
    }
    for (index, mut one) in anomalies {
        settle(&mut one.bases);
        one.raises = !silent.contains(&index);
        built.anomalies.push(one);
    }
    built
}
