//! What is worth a word: each rule and machine once an hour, and not more in all than somebody reads.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::told::Word;

/// So many words an hour: more are counted, nobody would read them.
pub(super) const WORDS_MAX: usize = 1_000;

/// So many of them of one rule, so that one that speaks of every machine leaves room for the others.
const WORDS_OF_RULE_MAX: usize = 100;

const HOUR_NANOS: i64 = 3_600_000_000_000;

/// What was told in this hour.
#[derive(Debug, Default)]
pub(super) struct Words {
    hour: i64,
    /// Machines by rule. Seeded: events choose machines.
    told: HashMap<String, Vec<String>, RandomState>,
    count: usize,
}

/// What becomes of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// It is told.
    New {
        /// Its rule was not told of in this hour.
        is_new_rule: bool,
    },
    /// It was told.
    Known,
    /// Too much was told.
    TooMany,
}

impl Words {
    /// Decides about a word.
    pub(super) fn hear(&mut self, word: &Word) -> Hearing {
        self.turn(word);
        let machines = self.told.get(&word.rule);
        if machines.is_some_and(|machines| machines.contains(&word.machine)) {
            return Hearing::Known;
        }
        if WORDS_MAX <= self.count || machines.is_some_and(|machines| WORDS_OF_RULE_MAX <= machines.len()) {
            return Hearing::TooMany;
        }
        self.count += 1;
        let is_new_rule = machines.is_none();
        let machines = self.told.entry(word.rule.clone()).or_default();
        machines.push(word.machine.clone());
        Hearing::New { is_new_rule }
    }

    /// Takes what an earlier run told.
    pub(super) fn remember(&mut self, word: &Word) {
        if self.hour <= hour_of(word) {
            let _known = self.hear(word);
        }
    }

    /// Another hour: also an earlier one, of a clock that was set back.
    fn turn(&mut self, word: &Word) {
        let hour = hour_of(word);
        if self.hour != hour {
            *self = Self {
                hour,
                ..Self::default()
            };
        }
    }
}

fn hour_of(word: &Word) -> i64 {
    word.at.as_nanos().div_euclid(HOUR_NANOS)
}

#[cfg(test)]
mod tests {
    use ingest_event::Timestamp;

    use super::*;

    fn word(secs: i64, rule: &str, machine: &str) -> Word {
        Word {
            at: Timestamp::from_nanos(secs * 1_000_000_000),
            rule: rule.to_owned(),
            title: String::new(),
            severity: String::new(),
            machine: machine.to_owned(),
            dataset: String::new(),
        }
    }

    #[test]
    fn each_rule_and_machine_is_told_once_an_hour() {
        let new = |is_new_rule| Hearing::New { is_new_rule };
        let mut words = Words::default();
        for (secs, rule, machine, expected) in [
            (0, "a", "10.0.0.1", new(true)),
            (1, "a", "10.0.0.1", Hearing::Known),
            (2, "a", "2001:db8::1", new(false)),
            (3, "b", "10.0.0.1", new(true)),
            (3_599, "b", "10.0.0.1", Hearing::Known),
            (3_600, "b", "10.0.0.1", new(true)),
        ] {
            assert_eq!(words.hear(&word(secs, rule, machine)), expected, "{secs}");
        }
        let mut after = Words::default();
        for secs in [0, 3_600] {
            after.remember(&word(secs, "b", "10.0.0.1"));
        }
        assert_eq!(after.hear(&word(3_700, "b", "10.0.0.1")), Hearing::Known);
        assert_eq!(after.hear(&word(3_700, "b", "10.0.0.2")), new(false));
    }

    #[test]
    fn no_more_is_told_in_an_hour_than_somebody_reads() {
        let mut words = Words::default();
        let told = (0..2 * WORDS_MAX)
            .filter(|number| {
                words.hear(&word(0, &(number % 11).to_string(), &number.to_string())) != Hearing::TooMany
            })
            .count();
        assert_eq!(told, WORDS_MAX);
        assert_eq!(
            words.hear(&word(3_600, "a", "9999")),
            Hearing::New { is_new_rule: true }
        );
    }

    #[test]
    fn a_rule_that_speaks_of_every_machine_leaves_room_for_the_others() {
        let mut words = Words::default();
        let told = (0..WORDS_MAX)
            .filter(|number| words.hear(&word(0, "a", &number.to_string())) != Hearing::TooMany)
            .count();
        assert_eq!(told, WORDS_OF_RULE_MAX);
        assert_eq!(
            words.hear(&word(0, "b", "10.0.0.1")),
            Hearing::New { is_new_rule: true }
        );
        assert_eq!(words.hear(&word(0, "a", "0")), Hearing::Known);
    }
}
