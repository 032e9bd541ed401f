//! Partitions that nothing comes from: what waits there is given out, and time passes there too.
//!
//! Nothing coming says nothing as long as something may lie on the bus: a detector that works a backlog off, or that the
//! bus does not answer, is not a sensor that is silent. So the bus is asked where the topic ends before time passes.

use std::{collections::BTreeMap, time::Duration};

use detect_engine::Correlated;
use ingest_bus::{Position, Topic};
use ingest_event::Timestamp;

use super::{
    Pipeline,
    outlet::Output,
    partition::{Kind, Partition},
    send,
};
use crate::detector::{Detector, chain};

/// When so many polls in a row bring no event from anywhere, what waits for its turn is given out: a second without any.
const QUIET_POLLS: u32 = 4;

/// The same for one partition that nothing comes from while others are busy.
const QUIET: Duration = Duration::from_secs(60);

/// The bus is asked no sooner again than after this long.
const ASKED: Duration = Duration::from_secs(1);

impl Pipeline {
    /// Gives out what waits for its turn in partitions that have been read to their end, and lets time pass there.
    pub(super) async fn flush(&mut self, detector: &mut Detector<'_>, output: &mut Output) {
        let now = (self.clock)();
        self.find_ends(now).await;
        let is_all_quiet = QUIET_POLLS <= self.quiet_polls;
        for state in self.partitions.values_mut() {
            if state.end.is_none_or(|end| state.next < end) {
                continue;
            }
            let passes = state.passes(now);
            if let Kind::Events(events) = &mut state.kind
                && (is_all_quiet || passes)
                && !events.is_quiet
            {
                events.is_quiet = true;
                state.is_changed = true;
                detector.flush(&mut state.correlator, &mut output.findings);
                send(events, output);
            }
            if passes {
                state.elapsed_at = now;
                let mut correlated = Correlated::default();
                state.correlator.elapse(now.since(state.read_at), &mut correlated);
                state.is_changed |= !correlated.alerts.is_empty() || !correlated.signals.is_empty();
                output.findings.take(&mut correlated);
                if let Kind::Events(events) = &mut state.kind {
                    send(events, output);
                }
            }
        }
    }

    /// Asks the bus where topics end that seem to have been read to their end.
    async fn find_ends(&mut self, now: Timestamp) {
        let is_all_quiet = QUIET_POLLS <= self.quiet_polls;
        let mut ends: BTreeMap<Topic, Vec<Position>> = BTreeMap::new();
        for (place, state) in &mut self.partitions {
            state.end = None;
            let waits = match &state.kind {
                Kind::Events(events) => !events.is_quiet,
                Kind::Signals(_) => false,
            };
            let is_asked = (is_all_quiet && waits) || state.passes(now);
            if !is_asked || (state.asked_at <= now && now.since(state.asked_at) < ASKED) {
                continue;
            }
            state.asked_at = now;
            if !ends.contains_key(&place.topic) {
                let found = match self.bus.end_positions(&place.topic).await {
                    Ok(found) => found,
                    Err(error) => {
                        self.metrics.bus_retries.inc();
                        tracing::warn!(error = %chain(&error), "asking where topics end failed, trying again");
                        // The others would wait as long for the same answer.
                        return;
                    }
                };
                ends.insert(place.topic.clone(), found);
            }
            let found = ends.get(&place.topic).into_iter().flatten();
            state.end = found
                .filter(|end| end.partition == place.partition)
                .map(|end| end.offset)
                .next();
        }
    }
}

impl Partition {
    /// Whether nothing has come for so long that it has to be told that time passes, and has not been.
    fn passes(&self, now: Timestamp) -> bool {
        QUIET <= now.since(self.read_at) && QUIET <= now.since(self.elapsed_at)
    }
}
