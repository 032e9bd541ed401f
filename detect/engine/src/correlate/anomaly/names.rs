//! `dns_tunnel`: names under one registered domain that carry data.

use detect_rules::{Anomaly, AnomalyKind};
use serde::{Deserialize, Serialize};

use super::{COUNTED, Episode, GOES_ON, Remembered, begun, hash, line, shown, span};
use crate::{
    correlate::{
        observation::{Observation, VALUE_BYTES_MAX},
        verdict::Outcome,
    },
    sketch::{Name, Taken, Tunnel as Carrying},
};

/// Once it holds, it is asked again so many times in a time span.
const ASKED: i64 = 6;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tunnel {
    carrying: Carrying,
    episode: Episode,
}

impl Remembered for Tunnel {
    fn new(rule: &Anomaly, _observation: &Observation) -> Self {
        Self {
            carrying: Carrying::new(rule.timespan_ns),
            episode: Episode::default(),
        }
    }

    fn add(&mut self, rule: &Anomaly, observation: &Observation) -> Outcome {
        let AnomalyKind::DnsTunnel {
            names,
            bytes,
            entropy,
        } = rule.kind
        else {
            return COUNTED;
        };
        let at = observation.head.at;
        let text = observation.text.value();
        let Some(name) = split(text) else {
            return COUNTED;
        };
        match self.carrying.ask(&name, hash(text), at) {
            Taken::Late => return Outcome::Outside,
            Taken::Unchanged => return COUNTED,
            Taken::Changed => {}
        }
        if self.episode.is_fresh(rule, at, ASKED) {
            return GOES_ON;
        }
        let found = self.carrying.carried(at);
        let holds = names <= found.names && bytes <= found.bytes && entropy <= found.entropy;
        if !holds {
            return COUNTED;
        }
        if !self.episode.holds(rule, at) {
            return GOES_ON;
        }
        let why = format!(
            "about {} names under {} in {}, {} bytes in front of it, {} bits a character; at least {names}, {bytes} and {}",
            found.names,
            observation.text.group().pop().unwrap_or_default(),
            span(rule.timespan_ns),
            found.bytes,
            shown(found.entropy),
            shown(entropy)
        );
        begun(
            rule,
            observation,
            found.names,
            format!(">= {names} names"),
            vec![line(rule, text, why)],
        )
    }
}

/// A name at its registered domain. One that was cut for its length has lost that end: all that is left is in front.
fn split(text: &str) -> Option<Name<'_>> {
    if VALUE_BYTES_MAX < text.len() + char::MAX_LEN_UTF8 {
        return Some(Name {
            registered: "",
            prefix: text,
        });
    }
    Name::split(text)
}
