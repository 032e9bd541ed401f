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
use crate::{keys::FieldNames, witness::Needs};

/// A rule's condition, and what an event must have for it to hold.
pub(crate) struct Program(LazyLock<Ready, Box<dyn FnOnce() -> Ready + Send + Sync>>);

struct Ready {
    node: Node,
    needs: Needs,
    has_keywords: bool,
}

impl Program {
    /// One that is compiled already.
    pub(crate) fn ready(node: Node, needs: Needs) -> Self {
        let program = Self(LazyLock::new(Box::new(|| Ready::new(node, needs))));
        LazyLock::force(&program.0);
        program
    }

    /// One that is compiled when it is asked for. Every field that the condition asks for is in `names`, since the
    /// condition was compiled before, by the same code.
    pub(crate) fn late(condition: Condition, names: Arc<FieldNames>) -> Self {
        Self(LazyLock::new(Box::new(move || {
            let node = Node::compile(&condition, &mut &*names).unwrap_or_else(|_| Node::never());
            Ready::new(node, Needs::of(&condition, &names))
        })))
    }

    /// What an event must have for it to hold.
    pub(crate) fn needs(&self) -> &Needs {
        &self.0.needs
    }

    /// Whether it asks for every text of an event.
    pub(crate) fn has_keywords(&self) -> bool {
        self.0.has_keywords
    }
}

impl Ready {
    fn new(node: Node, needs: Needs) -> Self {
        Self {
            has_keywords: node.has_keywords(),
            node,
            needs,
        }
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
