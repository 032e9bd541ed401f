//! A selection as a tree whose leaves know which pipeline items were applied to them.
//!
//! `rsigma-parser`'s selections become such trees before the pipelines and selections again after them.

use rsigma_parser::{ConditionExpr, Detection, DetectionItem, FieldSpec, SelectorPattern};

/// A selection, or a part of one.
#[derive(Clone, Debug)]
pub(super) enum Tree<'p> {
    All(Vec<Tree<'p>>),
    Any(Vec<Tree<'p>>),
    Leaf(Leaf<'p>),
    /// What no transformation touches, and lowering refuses: Sigma 3's blocks.
    Other(Detection),
}

/// One field with its values; without a name, keywords.
#[derive(Clone, Debug)]
pub(super) struct Leaf<'p> {
    pub(super) item: DetectionItem,
    /// Whether it was a list of plain values and not an item.
    is_keywords: bool,
    /// Ids of the pipeline items that were applied.
    pub(super) applied: Vec<&'p str>,
}

impl<'p> Tree<'p> {
    fn leaf(item: DetectionItem, is_keywords: bool) -> Self {
        Self::Leaf(Leaf {
            item,
            is_keywords,
            applied: Vec::new(),
        })
    }

    /// A leaf without values.
    pub(super) fn of_name(name: &str) -> Self {
        let field = FieldSpec::new(Some(name.to_owned()), Vec::new());
        Self::leaf(
            DetectionItem {
                field,
                values: Vec::new(),
            },
            false,
        )
    }

    /// From a parsed selection.
    pub(super) fn of(detection: Detection) -> Self {
        match detection {
            Detection::AllOf(items) => {
                Self::All(items.into_iter().map(|item| Self::leaf(item, false)).collect())
            }
            Detection::And(parts) => Self::All(parts.into_iter().map(Self::of).collect()),
            Detection::AnyOf(parts) => Self::Any(parts.into_iter().map(Self::of).collect()),
            Detection::Keywords(values) => Self::leaf(
                DetectionItem {
                    field: FieldSpec::new(None, Vec::new()),
                    values,
                },
                true,
            ),
            other @ (Detection::ArrayMatch { .. } | Detection::Conditional { .. }) => Self::Other(other),
        }
    }

    /// To what is lowered.
    pub(super) fn into_detection(self) -> Detection {
        match self {
            Self::All(parts) if parts.iter().all(Self::is_item) => Detection::AllOf(
                parts
                    .into_iter()
                    .filter_map(|part| match part {
                        Self::Leaf(leaf) => Some(leaf.item),
                        Self::All(_) | Self::Any(_) | Self::Other(_) => None,
                    })
                    .collect(),
            ),
            Self::All(parts) => Detection::And(parts.into_iter().map(Self::into_detection).collect()),
            Self::Any(parts) => Detection::AnyOf(parts.into_iter().map(Self::into_detection).collect()),
            Self::Leaf(leaf) if leaf.is_keywords => Detection::Keywords(leaf.item.values),
            Self::Leaf(leaf) => Detection::AllOf(vec![leaf.item]),
            Self::Other(detection) => detection,
        }
    }

    fn is_item(&self) -> bool {
        matches!(self, Self::Leaf(leaf) if !leaf.is_keywords)
    }

    /// Calls `each` with every leaf.
    pub(super) fn each<'t>(&'t self, each: &mut dyn FnMut(&'t Leaf<'p>)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each(each)),
            Self::Leaf(leaf) => each(leaf),
            Self::Other(_) => {}
        }
    }

    /// Replaces each leaf by what `change` makes of it; nothing drops it. A part of which everything is dropped goes too, as in
    /// pySigma: neither true nor false is left in its place.
    pub(super) fn rebuild(self, change: &mut dyn FnMut(Leaf<'p>) -> Option<Self>) -> Option<Self> {
        let mut parts = |parts: Vec<Self>| -> Option<Vec<Self>> {
            let was_empty = parts.is_empty();
            let left: Vec<Self> = parts
                .into_iter()
                .filter_map(|part| part.rebuild(change))
                .collect();
            (was_empty || !left.is_empty()).then_some(left)
        };
        match self {
            Self::All(all) => parts(all).map(Self::All),
            Self::Any(any) => parts(any).map(Self::Any),
            Self::Leaf(leaf) => change(leaf),
            Self::Other(_) => Some(self),
        }
    }

    /// The names of its leaves, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.each(&mut |leaf| names.extend(leaf.item.field.name.clone()));
        names
    }
}

/// A condition without the selections that are gone; nothing if nothing is left of it. `is_gone` says of a selection's name,
/// `is_left` of a pattern whether a selection that it means is still there.
pub(super) fn without(
    condition: &ConditionExpr,
    is_gone: &dyn Fn(&str) -> bool,
    is_left: &dyn Fn(&SelectorPattern) -> bool,
) -> Option<ConditionExpr> {
    let each = |parts: &[ConditionExpr]| -> Vec<ConditionExpr> {
        parts
            .iter()
            .filter_map(|part| without(part, is_gone, is_left))
            .collect()
    };
    let join =
        |mut parts: Vec<ConditionExpr>, make: fn(Vec<ConditionExpr>) -> ConditionExpr| match parts.len() {
            0 | 1 => parts.pop(),
            _ => Some(make(parts)),
        };
    match condition {
        ConditionExpr::And(parts) => join(each(parts), ConditionExpr::And),
        ConditionExpr::Or(parts) => join(each(parts), ConditionExpr::Or),
        ConditionExpr::Not(part) => {
            without(part, is_gone, is_left).map(|part| ConditionExpr::Not(Box::new(part)))
        }
        ConditionExpr::Identifier(name) => (!is_gone(name)).then(|| condition.clone()),
        ConditionExpr::Selector { pattern, .. } => is_left(pattern).then(|| condition.clone()),
    }
}
