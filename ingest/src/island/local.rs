//! Rules about several events, counted here while the centre can't: for local words only.
//!
//! It begins with the first batch after the way out was cut, and ends when it is open again: the centre counts the same
//! events when they have come.

use std::sync::Arc;

use detect_alert::Alert;
use detect_engine::{
    AlertSink, Correlated, Correlator, EventView, Match, MatchSink, Moment, Observing, Ruleset,
};
use ingest_event::{Defaults, Timestamp};

use crate::stamp::SensorContext;

/// What is counted here.
#[derive(Debug)]
pub(crate) struct Local {
    ruleset: Arc<Ruleset>,
    correlator: Correlator,
    observing: Observing,
    correlated: Correlated,
    defaults: Defaults,
}

/// What one event brings to it.
pub(crate) struct Bringing<'l> {
    sink: AlertSink<'l>,
    correlator: &'l mut Correlator,
    correlated: &'l mut Correlated,
}

impl Local {
    /// What is held, if it is of this ruleset; else a new one, if the ruleset has anything to count.
    pub(crate) fn of<'l>(
        held: &'l mut Option<Self>,
        ruleset: &Arc<Ruleset>,
        context: &SensorContext,
    ) -> Option<&'l mut Self> {
        let is_other = |local: &Self| !Arc::ptr_eq(&local.ruleset, ruleset);
        if held.as_ref().is_none_or(is_other) {
            *held = (0 < ruleset.correlation_count()).then(|| Self {
                correlator: Correlator::new(Arc::clone(ruleset)),
                ruleset: Arc::clone(ruleset),
                observing: Observing::default(),
                correlated: Correlated::default(),
                defaults: Defaults {
                    organization: context.organization,
                    sensor: context.sensor.clone(),
                },
            });
        }
        held.as_mut()
    }

    /// For one event.
    pub(crate) fn bringing(&mut self) -> Bringing<'_> {
        Bringing {
            sink: AlertSink::new(&self.defaults, &mut self.observing),
            correlator: &mut self.correlator,
            correlated: &mut self.correlated,
        }
    }

    /// What was found since the last time.
    pub(crate) fn take_alerts(&mut self) -> Vec<Alert> {
        self.correlated.signals.clear();
        std::mem::take(&mut self.correlated.alerts)
    }
}

impl Bringing<'_> {
    /// One match of the event.
    pub(crate) fn matched(&mut self, view: &EventView<'_>, hit: Match<'_>) {
        self.sink.matched(view, hit);
    }

    /// The event is scanned; `read` is when it was read.
    pub(crate) fn finish(mut self, timestamp: Timestamp, read: Timestamp) {
        let moment = Moment {
            read,
            ..Moment::of(timestamp)
        };
        self.sink.finish_event(self.correlator, moment, self.correlated);
    }
}
