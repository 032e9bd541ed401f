//! How each rule is run, for its author: what wakes one about single events, how one about several is kept.
//!
//! Decides nothing: reads what the compiler decided. What wakes a rule is told as the rule's text has it; events that
//! were seen since may have shown the detector that other texts of the rule are rarer.

use detect_alert::Producer;

use crate::{
    correlate::Keeping,
    ruleset::{RuleIndex, Ruleset},
    witness::{Frequencies, Place, Witness},
};

/// What an event must have for a rule about single events to be evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waking {
    /// Of each of these lists one text. With no list the rule is evaluated for every event of its log source.
    pub one_of: Vec<Vec<Sought>>,
}

/// A text that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// Any of these fields; none means anywhere.
    pub fields: Vec<String>,
    /// In lower case where case does not matter; `*` stands for what may be before or after it.
    pub text: String,
}

impl Ruleset {
    /// What wakes each rule about single events.
    pub fn waking(&self) -> impl Iterator<Item = (RuleIndex, Waking)> {
        let rules = self.rules.iter().zip(0..);
        rules.map(|(rule, index)| {
            let frequencies = Frequencies::default();
            let gates = frequencies.gates(rule.program.needs());
            let sought = |list: Vec<&Witness>| list.into_iter().map(|one| self.sought(one)).collect();
            let one_of = gates.opened_by.into_iter().map(sought).collect();
            (RuleIndex(index), Waking { one_of })
        })
    }

    /// How each rule about several events is kept, with what it says of itself; correlations, then anomaly rules.
    pub fn keeping(&self) -> impl Iterator<Item = (&Producer, Keeping)> {
        self.tracks
            .keeping()
            .map(|(track, keeping)| (&track.about.producer, keeping))
    }

    fn sought(&self, witness: &Witness) -> Sought {
        let text = &witness.text;
        Sought {
            fields: witness
                .fields
                .iter()
                .map(|field| self.names.name(*field).to_owned())
                .collect(),
            text: match witness.place {
                Place::Whole => text.to_string(),
                Place::Start => format!("{text}*"),
                Place::End => format!("*{text}"),
                Place::Part => format!("*{text}*"),
            },
        }
    }
}
