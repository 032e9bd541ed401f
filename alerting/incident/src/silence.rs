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
