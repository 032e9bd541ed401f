//! A silence: for a reason and until an end, nobody is told of what it covers.

use std::time::Duration;

use ingest_event::{OrganizationNumber, Timestamp};
use thiserror::Error;

use crate::{DedupKey, IncidentId};

/// The longest silence. What is meant to be quiet for longer is a matter for the rule.
pub const SILENCE_MAX: Duration = Duration::from_hours(31 * 24);
/// The longest reason: a paragraph.
pub const REASON_CHARS_MAX: usize = 500;

/// Names a silence for good: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SilenceId(String);

/// What is not told, why, and until when. It covers what happens in its time, by the time of the events, and only where all that it
/// names fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Its name.
    pub id: SilenceId,
    /// Only in this organisation; everywhere where `None`.
    pub organization: Option<OrganizationNumber>,
    /// Only of this rule or indicator, as in [`DedupKey::producer`].
    pub producer: Option<String>,
    /// Only about the thing with this value.
    pub entity: Option<String>,
    /// Why, in someone's words.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// From this moment.
    pub from: Timestamp,
    /// Until before this moment.
    pub until: Timestamp,
}

/// Why a silence can't be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SilenceError {
    /// It would cover everything.
    #[error("a silence covers an organisation, a rule or a thing: name at least one")]
    CoversAll,
    /// It has no reason, or a very long one.
    #[error("give a reason, of at most {REASON_CHARS_MAX} characters: others will ask")]
    Reason,
    /// It ends before it begins.
    #[error("`until` must be after `from`")]
    EndsFirst,
    /// It lasts too long.
    #[error("a silence lasts at most 31 days: change the rule instead, or silence again")]
    TooLong,
}

impl SilenceId {
    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        IncidentId::parse(text).map(|_| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Silence {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// If it covers everything, has no reason, or no end within [`SILENCE_MAX`].
    pub fn check(&self) -> Result<(), SilenceError> {
        if self.organization.is_none() && self.producer.is_none() && self.entity.is_none() {
            return Err(SilenceError::CoversAll);
        }
        if self.reason.trim().is_empty() || REASON_CHARS_MAX < self.reason.chars().count() {
            return Err(SilenceError::Reason);
        }
        if self.until <= self.from {
            return Err(SilenceError::EndsFirst);
        }
        if SILENCE_MAX < self.until.since(self.from) {
            return Err(SilenceError::TooLong);
        }
        Ok(())
    }

    /// Whether what has this key and happened then is not told.
    #[must_use]
    pub fn covers(&self, key: &DedupKey, happened: Timestamp) -> bool {
        let fits = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|wanted| wanted == has);
        self.from <= happened
            && happened < self.until
            && self.organization.is_none_or(|wanted| wanted == key.organization)
            && fits(&self.producer, &key.producer)
            && fits(&self.entity, &key.entity.value)
    }

    /// The one that covers all that happened from one moment to another.
    #[must_use]
    pub fn covering_all<'s>(
        silences: &'s [Self],
        key: &DedupKey,
        (first, last): (Timestamp, Timestamp),
    ) -> Option<&'s Self> {
        let covers_all = |silence: &&Self| silence.covers(key, first) && silence.covers(key, last);
        let covering = silences.iter().filter(covers_all);
        covering.max_by_key(|silence| (silence.until, &silence.id))
    }

    /// The one that covers what has this key and happened then: of several the one that ends last.
    #[must_use]
    pub fn covering<'s>(silences: &'s [Self], key: &DedupKey, happened: Timestamp) -> Option<&'s Self> {
        let covering = silences.iter().filter(|silence| silence.covers(key, happened));
        covering.max_by_key(|silence| (silence.until, &silence.id))
    }
}

#[cfg(test)]
mod tests {
    use detect_alert::Entity;

    use super::*;

    #[test]
    fn all_that_it_names_has_to_fit_and_its_end_is_not_in_it() {
        let time = |second: i64| Timestamp::from_millis(second * 1_000);
        let organization = OrganizationNumber::parse("958935420").expect("valid");
        let key = |producer: &str, value: &str| DedupKey {
            producer: producer.to_owned(),
            organization,
            entity: Entity {
                field: "source.ip".to_owned(),
                value: value.to_owned(),
            },
            exercise: false,
        };
        let silence = |producer: Option<&str>, entity: Option<&str>| Silence {
            id: SilenceId::parse(&"0".repeat(32)).expect("an id"),
            organization: None,
            producer: producer.map(str::to_owned),
            entity: entity.map(str::to_owned),
            reason: "maintenance".to_owned(),
            by: "somebody".to_owned(),
            from: time(10),
            until: time(20),
        };
        for (of, at, covers) in [
            (silence(Some("scan"), None), 10, true),
            (silence(Some("scan"), None), 9, false),
            (silence(Some("scan"), None), 20, false),
            (silence(Some("sweep"), None), 15, false),
            (silence(None, Some("2001:db8::1")), 15, true),
            (silence(None, Some("192.0.2.1")), 15, false),
            (silence(Some("scan"), Some("2001:db8::1")), 15, true),
            (silence(Some("scan"), Some("192.0.2.1")), 15, false),
        ] {
            assert_eq!(
                of.covers(&key("scan", "2001:db8::1"), time(at)),
                covers,
                "{of:?} at {at}"
            );
        }
        let whole = [silence(Some("scan"), None)];
        let all = |first: i64, last: i64| {
            Silence::covering_all(&whole, &key("scan", "x"), (time(first), time(last))).is_some()
        };
        assert!(all(10, 19) && !all(9, 19) && !all(10, 20));
        // One thing's silence is not that of many.
        let one = silence(None, Some("2001:db8::1"));
        assert!(!one.covers(&key("scan", "2001:db8::1").crowd(), time(15)));
    }
}
