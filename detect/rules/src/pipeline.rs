//! Processing pipelines in pySigma's YAML: what is done to a rule before it is lowered, so that rules written for one naming
//! of fields work on events with another.
//!
//! A pipeline is a list of items, each a transformation with conditions on the rule, on its detection items and on their field
//! names. What this version can't do is refused when the pipeline is read ([`Pipeline::read`]), never passed over. Values are
//! seen as the rule's author wrote them, with their modifiers beside them (pySigma's see `*x*` for `x|contains`). The bundled
//! pipelines are data in `rulesets/pipelines/`.

mod bundled;
mod change;
mod gate;
mod read;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use rsigma_parser::{ConditionExpr, Detections, SigmaRule};

use crate::{Diagnostic, Placeholders, SourceText, check::Changes};
pub use bundled::BUNDLED;
use change::Transformation;
use gate::{FieldGate, ItemGate, RuleGate};
use tree::{Leaf, Tree};

/// Begins the names of selections that pipelines add: no pattern of a condition means them.
pub(crate) const HIDDEN: char = '\u{1}';

/// A pipeline that can be applied.
#[derive(Clone, Debug)]
pub struct Pipeline {
    name: String,
    priority: i64,
    vars: Placeholders,
    items: Vec<Item>,
}

/// One step.
#[derive(Clone, Debug)]
struct Item {
    id: Option<String>,
    transformation: Transformation,
    rule: RuleGate,
    detection_item: ItemGate,
    field_name: FieldGate,
}

/// A rule with its filters on its way through the pipelines.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) rule: SigmaRule,
    pub(crate) filters: Vec<Detections>,
}

/// Why a pipeline can't be applied to a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) pipeline: String,
    pub(crate) reason: String,
}

impl Pipeline {
    /// Reads a pipeline; where it can't be used there is none, and the diagnostics say why.
    #[must_use]
    pub fn read(source: &SourceText) -> (Option<Self>, Vec<Diagnostic>) {
        read::read(source)
    }

    /// A pipeline of [`BUNDLED`], by its file's name without `.yml`.
    #[must_use]
    pub fn bundled(name: &str) -> Option<(Option<Self>, Vec<Diagnostic>)> {
        let (_, text) = BUNDLED.into_iter().find(|(known, _)| *known == name)?;
        Some(read::read(&SourceText {
            path: format!("pipelines/{name}.yml"),
            text: text.to_owned(),
        }))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lower goes first.
    #[must_use]
    pub fn priority(&self) -> i64 {
        self.priority
    }
}

impl Draft {
    pub(crate) fn new(rule: SigmaRule, filters: Vec<Detections>) -> Self {
        Self { rule, filters }
    }
}

/// What one rule's way through the pipelines leaves behind.
#[derive(Debug)]
struct Work<'p> {
    rule: SigmaRule,
    /// Of the rule first, then of each filter.
    parts: Vec<Part<'p>>,
    /// Names that a correlation asks for: changed like the fields of the rule, and no part of it.
    names: Vec<Tree<'p>>,
    state: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
    applied: BTreeSet<&'p str>,
    is_changed: bool,
}

/// Selections and the conditions over them.
#[derive(Debug)]
struct Part<'p> {
    selections: BTreeMap<String, Tree<'p>>,
    conditions: Vec<ConditionExpr>,
}

/// Applies the pipelines, which are sorted by priority.
pub(crate) fn apply(
    pipelines: &[&Pipeline],
    draft: &mut Draft,
    changes: &mut Changes,
) -> Result<(), Refused> {
    if pipelines.is_empty() {
        return Ok(());
    }
    let mut work = Work::new(draft.rule.clone(), &mut draft.filters, Vec::new());
    work.run(pipelines)?;
    if work.is_changed {
        let outcome = (&work.parts, &work.rule.logsource);
        changes.add(format!("{outcome:?}").as_bytes());
    }
    draft.rule = work.rule;
    let mut parts = work.parts.into_iter();
    if let Some(own) = parts.next() {
        own.put(&mut draft.rule.detection);
    }
    for (filter, part) in draft.filters.iter_mut().zip(parts) {
        part.put(filter);
    }
    // A filter of which everything was dropped asks for nothing.
    draft.filters.retain(|filter| !filter.conditions.is_empty());
    Ok(())
}

/// What the pipelines make of field names in a rule: for each the names it gets, in order.
pub(crate) fn map_names(
    pipelines: &[&Pipeline],
    rule: &SigmaRule,
    names: &[String],
) -> Result<Vec<Vec<String>>, Refused> {
    let leaves = names.iter().map(|name| Tree::of_name(name)).collect();
    let mut work = Work::new(rule.clone(), &mut [], leaves);
    work.run(pipelines)?;
    Ok(work.names.iter().map(Tree::names).collect())
}

impl<'p> Work<'p> {
    fn new(mut rule: SigmaRule, filters: &mut [Detections], names: Vec<Tree<'p>>) -> Self {
        let own = Part::take(&mut rule.detection);
        Self {
            rule,
            parts: std::iter::once(own)
                .chain(filters.iter_mut().map(Part::take))
                .collect(),
            names,
            state: BTreeMap::new(),
            attributes: BTreeMap::new(),
            applied: BTreeSet::new(),
            is_changed: false,
        }
    }

    fn run(&mut self, pipelines: &[&'p Pipeline]) -> Result<(), Refused> {
        for pipeline in pipelines {
            for item in &pipeline.items {
                if !item.rule.holds(|condition| condition.holds(self)) {
                    continue;
                }
                item.transformation
                    .apply(self, item, &pipeline.vars)
                    .map_err(|reason| Refused {
                        pipeline: pipeline.name.clone(),
                        reason,
                    })?;
                self.applied.extend(item.id.as_deref());
            }
        }
        Ok(())
    }

    /// Calls `each` with every leaf of the rule and its filters.
    fn each_leaf<'w>(&'w self, each: &mut dyn FnMut(&'w Leaf<'p>)) {
        for part in &self.parts {
            for tree in part.selections.values() {
                tree.each(each);
            }
        }
    }
}

impl Part<'_> {
    fn take(detections: &mut Detections) -> Self {
        Self {
            selections: std::mem::take(&mut detections.named)
                .into_iter()
                .map(|(name, detection)| (name, Tree::of(detection)))
                .collect(),
            conditions: std::mem::take(&mut detections.conditions),
        }
    }

    fn put(self, detections: &mut Detections) {
        detections.named = self
            .selections
            .into_iter()
            .map(|(name, tree)| (name, tree.into_detection()))
            .collect();
        detections.conditions = self.conditions;
    }
}
