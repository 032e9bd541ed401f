//! Allocations for events that match nothing, after warm-up: none. Run by `bench-allocations`, whose allocator counts.

use detect_engine::{Ruleset, Scanner};

use super::{
    contender::Tally,
    corpora::Corpus,
    row::{Limit, Row},
    speed::describe,
};

/// Scans each different event twice: once to warm up, then counting what the ones that match nothing allocate.
#[must_use]
pub fn row(corpus: &Corpus, ruleset: &Ruleset, allocations: &dyn Fn() -> usize) -> Row {
    let mut scanner = Scanner::new(ruleset);
    let distinct = || corpus.first(corpus.distinct).events();
    for event in distinct() {
        let _ = scanner.scan(event, &mut Tally::default());
    }
    let (mut count, mut quiet, mut allocating, mut matching) = (0, 0, 0, 0);
    for event in distinct() {
        let before = allocations();
        let mut tally = Tally::default();
        let is_read = scanner.scan(event, &mut tally).is_ok();
        let made = allocations() - before;
        if is_read && tally.matches == 0 {
            quiet += 1;
            count += made;
            allocating += usize::from(0 < made);
        } else {
            matching += 1;
        }
    }
    let each = count as f64 / f64::max(f64::from(quiet), 1.0);
    Row::new(
        "allocations for an event that matches nothing",
        &describe(corpus),
        "allocations/event",
        each,
    )
    .bar("allocations", each, Limit::AtMost(0.0))
    .checked(format!(
        "{quiet} events that match nothing, {allocating} of them allocated; {matching} that match"
    ))
}
