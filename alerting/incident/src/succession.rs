//! What became of municipalities and counties: renumbered, merged or split, each on a day.
//!
//! A body is named by its official number (four digits of a municipality, two of a county). Following the changes from a
//! number leads to who has its place now: to one, or, after a split, to several, and then a person has to say which. Nothing
//! here guesses.

use std::collections::{BTreeMap, BTreeSet};

use ingest_event::Timestamp;
use thiserror::Error;

/// Changes that are followed one after the other; more would be a circle, and the oldest numbers are of 1838.
const STEPS_MAX: usize = 64;

/// One body's tasks, or a part of them, go to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Succession {
    /// The first moment of the new one.
    pub on: Timestamp,
    /// Who ends.
    pub from: Body,
    /// Who has its place, or a part of it.
    pub to: Body,
}

/// A municipality or county as it was called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Body {
    /// Its official number.
    pub number: String,
    /// Its name in Bokmål then.
    pub name: String,
}

/// All changes that are known.
#[derive(Clone, Debug, Default)]
pub struct Successions {
    // In order of their days.
    changes: Vec<Succession>,
    from: BTreeMap<String, Vec<usize>>,
    to: BTreeMap<String, Vec<usize>>,
}

/// Why changes can't be taken together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SuccessionError {
    /// The same twice.
    #[error("{from} to {to} is there twice: remove one line")]
    Twice {
        /// The former number.
        from: String,
        /// The later number.
        to: String,
    },
    /// A body that ends on several days.
    #[error("{number} ends on two days: a number ends once")]
    EndsTwice {
        /// The number.
        number: String,
    },
    /// Followed long enough it comes back.
    #[error("the changes of {number} lead in a circle: look at its lines")]
    Circle {
        /// Where it was begun.
        number: String,
    },
}

/// Who has a body's place at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It is there itself, as far as is known.
    Itself,
    /// One has all of it.
    Became(&'a Body),
    /// Several have parts: a person says which.
    Split {
        /// The change at which it was split.
        of: &'a Body,
        /// Since when.
        on: Timestamp,
        /// Who may have it now, in order of their numbers.
        into: Vec<&'a Body>,
    },
}

impl Successions {
    /// Takes changes together, in any order.
    ///
    /// # Errors
    /// [`SuccessionError`].
    pub fn new(mut changes: Vec<Succession>) -> Result<Self, SuccessionError> {
        changes.sort();
        let mut known = Self::default();
        for (at, change) in changes.iter().enumerate() {
            let (from, to) = (change.from.number.clone(), change.to.number.clone());
            let ends = known.from.entry(from.clone()).or_default();
            for earlier in ends.iter().filter_map(|earlier| changes.get(*earlier)) {
                if earlier.to.number == to {
                    return Err(SuccessionError::Twice { from, to });
                }
                if earlier.on != change.on {
                    return Err(SuccessionError::EndsTwice { number: from });
                }
            }
            ends.push(at);
            known.to.entry(to).or_default().push(at);
        }
        known.changes = changes;
        for number in known.from.keys() {
            let mut next = BTreeSet::from([number.as_str()]);
            for _ in 0..STEPS_MAX {
                let later = next.iter().flat_map(|one| known.after(one));
                next = later.map(|change| change.to.number.as_str()).collect();
            }
            if !next.is_empty() {
                let number = number.clone();
                return Err(SuccessionError::Circle { number });
            }
        }
        Ok(known)
    }

    /// Who has the place of a number at a moment.
    #[must_use]
    pub fn fate(&self, number: &str, at: Timestamp) -> Fate<'_> {
        let mut split = None;
        let mut now: Vec<&Succession> = self.after_until(number, at).collect();
        if now.is_empty() {
            return Fate::Itself;
        }
        loop {
            if let ([first, _, ..], None) = (now.as_slice(), split) {
                split = Some((&first.from, first.on));
            }
            let mut next = Vec::new();
            let mut goes_on = false;
            for change in &now {
                let before = next.len();
                next.extend(self.after_until(&change.to.number, at));
                if before == next.len() {
                    next.push(*change);
                } else {
                    goes_on = true;
                }
            }
            now = next;
            if !goes_on {
                break;
            }
        }
        let into: BTreeMap<&str, &Body> = now
            .iter()
            .map(|change| (change.to.number.as_str(), &change.to))
            .collect();
        match (into.len(), split, now.first()) {
            (1, _, Some(change)) => Fate::Became(&change.to),
            (_, Some((of, on)), _) => Fate::Split {
                of,
                on,
                into: into.into_values().collect(),
            },
            (_, None, _) => Fate::Itself,
        }
    }

    /// All that a number's place was taken from, whole or in part, as far back as is known: in order of their numbers.
    #[must_use]
    pub fn former(&self, number: &str) -> BTreeMap<&str, &Body> {
        self.reach(number, &self.to, |change| &change.from)
    }

    /// All that took a number's place, whole or in part, one after the other.
    #[must_use]
    pub fn later(&self, number: &str) -> BTreeMap<&str, &Body> {
        self.reach(number, &self.from, |change| &change.to)
    }

    /// The day on which a number ended, if it did.
    #[must_use]
    pub fn ended(&self, number: &str) -> Option<Timestamp> {
        self.after(number).next().map(|change| change.on)
    }

    /// All changes, in order of their days.
    #[must_use]
    pub fn all(&self) -> &[Succession] {
        &self.changes
    }

    fn reach<'a>(
        &'a self,
        number: &str,
        edges: &'a BTreeMap<String, Vec<usize>>,
        end: impl Fn(&'a Succession) -> &'a Body,
    ) -> BTreeMap<&'a str, &'a Body> {
        let mut found = BTreeMap::new();
        let mut next = vec![number.to_owned()];
        while let Some(number) = next.pop() {
            for change in edges.get(&number).into_iter().flatten() {
                if let Some(body) = self.changes.get(*change).map(&end)
                    && found.insert(body.number.as_str(), body).is_none()
                {
                    next.push(body.number.clone());
                }
            }
        }
        found
    }

    fn after(&self, number: &str) -> impl Iterator<Item = &Succession> {
        let changes = self.from.get(number).map_or(&[][..], Vec::as_slice);
        changes.iter().filter_map(|change| self.changes.get(*change))
    }

    fn after_until(&self, number: &str, at: Timestamp) -> impl Iterator<Item = &Succession> {
        self.after(number).filter(move |change| change.on <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Timestamp {
        format!("{text}T00:00:00Z").parse().expect("a day")
    }

    fn change(on: &str, from: &str, to: &str) -> Succession {
        let body = |number: &str| Body {
            number: number.to_owned(),
            name: format!("Kommune {number}"),
        };
        Succession {
            on: day(on),
            from: body(from),
            to: body(to),
        }
    }

    /// Two merge, are renumbered, and split into three, of which one goes on.
    fn example() -> Successions {
        let changes = vec![
            change("2024-01-01", "0003", "0004"),
            change("2020-01-01", "0001", "0003"),
            change("2020-01-01", "0002", "0003"),
            change("2028-01-01", "0004", "0005"),
            change("2028-01-01", "0004", "0006"),
            change("2030-01-01", "0006", "0007"),
        ];
        Successions::new(changes).expect("fit together")
    }

    fn numbers(fate: &Fate<'_>) -> Vec<String> {
        match fate {
            Fate::Itself => Vec::new(),
            Fate::Became(body) => vec![body.number.clone()],
            Fate::Split { into, .. } => into.iter().map(|body| body.number.clone()).collect(),
        }
    }

    #[test]
    fn a_number_is_followed_to_who_has_its_place_at_a_moment() {
        let known = example();
        for (number, at, expected) in [
            ("0001", "2019-12-31", &[][..]),
            ("0001", "2020-01-01", &["0003"]),
            ("0002", "2024-01-01", &["0004"]),
            ("0002", "2028-06-01", &["0005", "0006"]),
            ("0001", "2031-01-01", &["0005", "0007"]),
            ("0006", "2031-01-01", &["0007"]),
            ("0005", "2031-01-01", &[]),
            ("9999", "2031-01-01", &[]),
        ] {
            assert_eq!(
                numbers(&known.fate(number, day(at))),
                expected,
                "{number} on {at}"
            );
        }
        let Fate::Split { of, on, .. } = known.fate("0001", day("2031-01-01")) else {
            panic!("a split is a split for those before it, too");
        };
        assert_eq!((of.number.as_str(), on), ("0004", day("2028-01-01")));
        assert!(matches!(known.fate("0003", day("2024-01-01")), Fate::Became(_)));
    }

    #[test]
    fn what_a_number_was_and_became_is_found_over_all_changes() {
        let known = example();
        let of = |found: BTreeMap<&str, &Body>| found.into_keys().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of(known.former("0007")), ["0001", "0002", "0003", "0004", "0006"]);
        assert_eq!(of(known.later("0002")), ["0003", "0004", "0005", "0006", "0007"]);
        assert_eq!(of(known.former("0001")), [""; 0]);
        assert_eq!(known.ended("0004"), Some(day("2028-01-01")));
        assert_eq!(known.ended("0007"), None);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refused = |changes: Vec<Succession>| Successions::new(changes).expect_err("does not fit");
        let (one, two) = (change("2020-01-01", "1", "2"), change("2021-01-01", "2", "1"));
        let twice = SuccessionError::Twice {
            from: "1".to_owned(),
            to: "2".to_owned(),
        };
        assert_eq!(refused(vec![one.clone(), one.clone()]), twice);
        let other_day = change("2021-01-01", "1", "3");
        let ends = SuccessionError::EndsTwice {
            number: "1".to_owned(),
        };
        assert_eq!(refused(vec![one.clone(), other_day]), ends);
        assert!(matches!(refused(vec![one, two]), SuccessionError::Circle { .. }));
        let itself = change("2020-01-01", "1", "1");
        assert!(matches!(refused(vec![itself]), SuccessionError::Circle { .. }));
    }
}
