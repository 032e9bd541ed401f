//! What the CERT asks a site of its pseudonyms, and what the site answers (decision 0022).
//!
//! A [`Question`] is signed as bundles are, by a key that alerting has and the gateway has not. An [`Answer`] is not
//! signed: the gateway writes it to the topic of the organisation whose certificate it came under, with the sensor's name.

use std::collections::BTreeSet;

use ingest_event::{OrganizationNumber, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Subject;
use crate::manifest::{number, time};
use crate::signing::{Envelope, SigningError, SigningKey, VerifyingKey};

/// The kind of text that is signed.
pub const KIND: &str = "application/vnd.varde.reveal+json";

/// The format that is written here and understood.
pub const FORMAT: u32 = 1;

/// What a question's key on the bus begins with; organisation and id follow ([`Question::place`]).
pub const QUESTIONS: &str = "reveal/";

/// Pseudonyms in one question: more is a survey, not a question about an incident.
pub const PSEUDONYMS_MAX: usize = 20;

/// Questions to one organisation that are open at once: what a person on site answers in a day.
pub const OPEN_MAX: usize = 16;

/// Bytes of a pseudonym: the longest name of a machine.
pub const PSEUDONYM_BYTES_MAX: usize = 255;

/// Characters of a reason: fewer say nothing, more is a page.
pub const REASON_CHARS: std::ops::RangeInclusive<usize> = 10..=1_000;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 200;

/// Bytes of a question's envelope: all of the above, escaped and in base64.
pub const ENVELOPE_BYTES_MAX: usize = 64 << 10;

/// Bytes of an answer: each pseudonym with what it stood for, in a few words of a person.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What two people of the CERT want to know of one site. Whichever of its sensors has the key answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// [`FORMAT`].
    pub format: u32,
    /// 32 hexadecimal digits.
    pub id: String,
    /// Whose site.
    #[serde(with = "number")]
    pub organization: OrganizationNumber,
    /// The key that the pseudonyms were made with, as their events name it (`varde.pseudonym.key`).
    pub key: String,
    /// The incident that it is about.
    pub incident: String,
    /// Who asks.
    pub asked_by: String,
    /// Who else said yes to asking.
    pub approved_by: String,
    /// Why.
    pub reason: String,
    /// What for, as they stood in events.
    pub pseudonyms: Vec<String>,
    /// When it was asked.
    #[serde(with = "time")]
    pub asked: Timestamp,
    /// From when on no answer counts.
    #[serde(with = "time")]
    pub until: Timestamp,
}

/// What became of a question on site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody said yes, or the site's configuration did.
    Revealed,
    /// Somebody said no, or the site's configuration did.
    Refused,
}

/// What a site says to a question.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Of the question.
    pub id: String,
    /// Yes or no.
    pub outcome: Outcome,
    /// Who on site said so; `configuration` where its file did.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// In the order of the question; none if it was refused.
    pub values: Vec<Revealed>,
    /// Of the line in the site's own log: what holds the site to it.
    pub digest: String,
}

/// What a pseudonym stood for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revealed {
    /// As it was asked for.
    pub pseudonym: String,
    /// Nothing where the site does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood_for: Option<String>,
}

/// An answer on the bus; the organisation is the topic's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// The sensor whose certificate it came under.
    pub sensor: String,
    /// What it said.
    pub answer: Answer,
}

/// Why a question or an answer is none.
#[derive(Debug, Error)]
pub enum RevealError {
    /// Its signature.
    #[error("the question is refused")]
    Signature(#[from] SigningError),
    /// It can't be read.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// A newer format.
    #[error("the question has format {0}, this sensor knows {FORMAT}; update the sensor")]
    Format(u32),
    /// Something in it is out of bounds.
    #[error("{0}")]
    Bounds(&'static str),
    /// It is for others.
    #[error("the question is for others")]
    Audience,
    /// Nobody waits for the answer any more.
    #[error("the question is out of date")]
    Over,
}

impl Question {
    /// Signs it.
    ///
    /// # Errors
    /// [`RevealError`] if no sensor would take it.
    pub fn seal(&self, key: &SigningKey) -> Result<Envelope, RevealError> {
        self.check()?;
        let text = serde_json::to_vec(self).map_err(|error| RevealError::Unreadable(error.to_string()))?;
        Ok(key.seal(KIND, &text)?)
    }

    /// Reads a question that one of `keys` signed. That it is for the reader is not said yet.
    ///
    /// # Errors
    /// [`RevealError`].
    pub fn open(envelope: &[u8], keys: &[VerifyingKey]) -> Result<Self, RevealError> {
        Self::read(&parsed(envelope)?.open(KIND, keys)?)
    }

    /// Reads a question without asking who signed it: for those who pass it on.
    ///
    /// # Errors
    /// [`RevealError`].
    pub fn unverified(envelope: &[u8]) -> Result<Self, RevealError> {
        Self::read(&parsed(envelope)?.payload()?)
    }

    /// Whether it is for a sensor's organisation, and not over.
    ///
    /// # Errors
    /// [`RevealError::Audience`], [`RevealError::Over`].
    pub fn is_for(&self, subject: &Subject, now: Timestamp) -> Result<(), RevealError> {
        if self.organization != subject.organization {
            return Err(RevealError::Audience);
        }
        if self.until <= now {
            return Err(RevealError::Over);
        }
        Ok(())
    }

    /// Its key on the bus.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.organization, &self.id)
    }

    fn read(text: &[u8]) -> Result<Self, RevealError> {
        #[derive(Deserialize)]
        struct Any {
            format: u32,
        }
        let bad = |error: serde_json::Error| RevealError::Unreadable(error.to_string());
        let any: Any = serde_json::from_slice(text).map_err(bad)?;
        if any.format != FORMAT {
            return Err(RevealError::Format(any.format));
        }
        let question: Self = serde_json::from_slice(text).map_err(bad)?;
        question.check()?;
        Ok(question)
    }

    fn check(&self) -> Result<(), RevealError> {
        let names = [&self.incident, &self.asked_by, &self.approved_by];
        let distinct: BTreeSet<_> = self.pseudonyms.iter().collect();
        let of_bounds = |text: &str| (1..=PSEUDONYM_BYTES_MAX).contains(&text.len());
        for (good, detail) in [
            (is_id(&self.id), "its id is none"),
            (of_bounds(&self.key), "it names no key"),
            (
                names.into_iter().all(|name| is_name(name)),
                "it does not say who asks, or for what",
            ),
            (
                self.asked_by != self.approved_by,
                "one person asked and approved; it takes two",
            ),
            (
                REASON_CHARS.contains(&self.reason.trim().chars().count()),
                "its reason has less than 10 or more than 1000 characters",
            ),
            (
                (1..=PSEUDONYMS_MAX).contains(&self.pseudonyms.len()),
                "it asks for less than 1 or more than 20 pseudonyms",
            ),
            (
                distinct.len() == self.pseudonyms.len() && self.pseudonyms.iter().all(|one| of_bounds(one)),
                "a pseudonym in it is empty, too long or there twice",
            ),
        ] {
            if !good {
                return Err(RevealError::Bounds(detail));
            }
        }
        Ok(())
    }
}

impl Answer {
    /// Reads one and checks its bounds.
    ///
    /// # Errors
    /// [`RevealError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RevealError> {
        if ANSWER_BYTES_MAX < bytes.len() {
            return Err(RevealError::Bounds("the answer is too large"));
        }
        let answer: Self =
            serde_json::from_slice(bytes).map_err(|error| RevealError::Unreadable(error.to_string()))?;
        answer.check()?;
        Ok(answer)
    }

    /// Whether it can be one.
    ///
    /// # Errors
    /// [`RevealError::Bounds`].
    pub fn check(&self) -> Result<(), RevealError> {
        for (good, detail) in [
            (is_id(&self.id), "its id is none"),
            (is_name(&self.by), "it does not say who answered"),
            (
                self.reason.chars().count() <= *REASON_CHARS.end(),
                "its reason is too long",
            ),
            (
                (self.outcome == Outcome::Refused) == self.values.is_empty()
                    && self.values.len() <= PSEUDONYMS_MAX,
                "it answers more or less than was asked",
            ),
        ] {
            if !good {
                return Err(RevealError::Bounds(detail));
            }
        }
        Ok(())
    }

    /// Whether it answers what was asked, and nothing else.
    #[must_use]
    pub fn answers(&self, pseudonyms: &[String]) -> bool {
        self.outcome == Outcome::Refused || pseudonyms.iter().eq(self.values.iter().map(|one| &one.pseudonym))
    }
}

/// Never what a pseudonym stood for.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("id", &self.id)
            .field("outcome", &self.outcome)
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Revealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_known = self.stood_for.is_some();
        f.debug_struct("Revealed")
            .field("is_known", &is_known)
            .finish_non_exhaustive()
    }
}

/// The key on the bus of a question to an organisation.
#[must_use]
pub fn place(organization: OrganizationNumber, id: &str) -> String {
    format!("{QUESTIONS}{organization}/{id}")
}

/// Whether a text names a question.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= NAME_CHARS_MAX
}

fn parsed(envelope: &[u8]) -> Result<Envelope, RevealError> {
    if ENVELOPE_BYTES_MAX < envelope.len() {
        return Err(RevealError::Bounds("the question is too large"));
    }
    Ok(Envelope::parse(envelope)?)
}

#[cfg(test)]
mod tests;
