//! The ruleset in use, and how another one takes its place: between two batches, off the path of events.
//!
//! A ruleset is compiled elsewhere ([`crate::reload`]) and published here. The loop looks before each batch, which
//! costs one atomic load, and goes on with the new one. It never frees one: that takes longer with a million
//! indicators than a batch may wait. Everything that was ever published is held here until [`Live::sweep`], called
//! by the thread that compiles, finds that nobody else holds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use detect_engine::Ruleset;

use crate::samples::Samples;

/// So many rulesets may wait to be freed before no other is compiled: each takes as much memory as the one in use.
const RETIRED_MAX: usize = 2;

/// The ruleset in use. Clones share it.
#[derive(Clone, Debug)]
pub struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    current: ArcSwap<Ruleset>,
    /// Replaced, and perhaps still in use by a loop.
    retired: Mutex<Vec<Arc<Ruleset>>>,
    samples: Samples,
}

impl Live {
    /// Starts with a ruleset.
    #[must_use]
    pub fn new(ruleset: Arc<Ruleset>) -> Self {
        Self(Arc::new(Shared {
            current: ArcSwap::new(ruleset),
            retired: Mutex::default(),
            samples: Samples::default(),
        }))
    }

    /// The one in use.
    #[must_use]
    pub fn current(&self) -> Arc<Ruleset> {
        self.0.current.load_full()
    }

    /// Whether this is still the one in use.
    #[must_use]
    pub fn is_current(&self, ruleset: &Arc<Ruleset>) -> bool {
        Arc::ptr_eq(&self.0.current.load(), ruleset)
    }

    /// Puts another one in its place; loops take it before their next batch.
    pub fn publish(&self, ruleset: Arc<Ruleset>) {
        let before = self.0.current.swap(ruleset);
        self.retired().push(before);
    }

    /// Frees what no loop holds any more; how many that were. Not for the thread of a loop.
    pub fn sweep(&self) -> usize {
        let free: Vec<Arc<Ruleset>> = self
            .retired()
            .extract_if(.., |ruleset| Arc::strong_count(ruleset) == 1)
            .collect();
        // Freed here and not above: `publish` must not wait for it.
        free.len()
    }

    /// Whether another one may be compiled: the loops have let go of those before.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.retired().len() < RETIRED_MAX
    }

    /// Events that came lately.
    #[must_use]
    pub fn samples(&self) -> &Samples {
        &self.0.samples
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Ruleset>>> {
        self.0.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use detect_engine::Compiler;

    use super::*;

    fn empty() -> Arc<Ruleset> {
        Arc::new(Compiler::new().compile().expect("compiled"))
    }

    #[test]
    fn a_ruleset_in_use_is_never_freed_by_its_user() {
        let live = Live::new(empty());
        let (used, first) = (live.current(), Arc::downgrade(&live.current()));
        live.publish(empty());
        assert!(!live.is_current(&used));
        assert_eq!(live.sweep(), 0);
        drop(used);
        assert!(first.upgrade().is_some(), "freed by its user");
        assert_eq!(live.sweep(), 1);
        assert!(first.upgrade().is_none(), "kept for ever");
    }

    #[test]
    fn a_loop_that_does_not_move_on_holds_up_compiling() {
        let live = Live::new(empty());
        let held = live.current();
        live.publish(empty());
        assert!(live.has_room());
        let held_too = live.current();
        live.publish(empty());
        assert!(!live.has_room());
        drop((held, held_too));
        live.sweep();
        assert!(live.has_room());
    }
}
