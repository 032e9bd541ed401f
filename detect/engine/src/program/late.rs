//! What a rule asks, compiled at the latest when it is first asked for.
//!
//! A ruleset that is compiled from rules compiles every program at once, so that one that can't be compiled is told. One
//! that comes from a cache compiles a program when an event first wakes its rule: that takes some microseconds, once,
//! where all of them together would take most of the time of loading.

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
};

use detect_rules::Condition;

use super::Node;
use crate::{
    keys::FieldNames,
    witness::{self, Group},
};

/// A rule's condition, and what an event must have for it to hold.
pub(crate) struct Program(LazyLock<Ready, Box<dyn FnOnce() -> Ready + Send + Sync>>);

struct Ready {
    node: Node,
    groups: Box<[Group]>,
}

impl Program {
    /// One that is compiled already.
    pub(crate) fn ready(node: Node, groups: Box<[Group]>) -> Self {
        let program = Self(LazyLock::new(Box::new(|| Ready { node, groups })));
        LazyLock::force(&program.0);
        program
    }

    /// One that is compiled when it is asked for. Every field that the condition asks for is in `names`, since the
    /// condition was compiled before, by the same code.
    pub(crate) fn late(condition: Condition, names: Arc<FieldNames>) -> Self {
        Self(LazyLock::new(Box::new(move || Ready {
            groups: witness::groups(&condition, &names).into(),
            node: Node::compile(&condition, &mut &*names).unwrap_or_else(|_| Node::never()),
        })))
    }

    /// Texts of which an event must have at least one of each group; none if every event may match.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.0.groups
    }
}

/// What the program asks of a record.
impl Deref for Program {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        &self.0.node
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Program")
    }
}
