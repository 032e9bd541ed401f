//! The questions of the CERT that are open, from `varde.reveals`: which organisation is asked what (decision 0022).
//!
//! Who signed them the gateway can't say, for it is not told which key: a sensor decides that. What it holds is that a
//! organisation's sensor sees no other's questions, and answers none that were not asked.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use ingest_bus::{Bus, PollError, Position, Topic};
use ingest_event::{OrganizationNumber, Timestamp};
use ingest_trust::Subject;
use ingest_trust::reveal::{self, Answer, OPEN_MAX, Question};

/// What the topic says.
#[derive(Debug)]
pub struct Reveals {
    topic: Topic,
    seen: RwLock<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    ends: Option<Vec<Position>>,
    open: BTreeMap<OrganizationNumber, Vec<Open>>,
}

#[derive(Debug)]
struct Open {
    question: Question,
    /// As it was signed.
    envelope: String,
}

impl Reveals {
    /// None yet.
    #[must_use]
    pub fn new(topic: Topic) -> Self {
        Self {
            topic,
            seen: RwLock::default(),
        }
    }

    /// Looks at the topic, if it has anything new; gives how many of its records are none.
    ///
    /// # Errors
    /// The bus's; what was known before stays.
    pub async fn look(&self, bus: &Bus) -> Result<u64, PollError> {
        let ends = bus.end_positions(&self.topic).await?;
        let is_same = {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            seen.ends.as_ref() == Some(&ends)
        };
        if is_same {
            return Ok(0);
        }
        let records = bus.latest(&self.topic, &[reveal::QUESTIONS.into()]).await?;
        let (mut open, mut unusable) = (BTreeMap::<_, Vec<Open>>::new(), 0);
        for (key, record) in records {
            match read(&key, record.value) {
                Some(one) => open.entry(one.question.organization).or_default().push(one),
                None => unusable += 1,
            }
        }
        for questions in open.values_mut() {
            // The oldest first: whoever floods the topic pushes none away that a person may be answering.
            questions.sort_by_key(|one| one.question.asked);
            unusable += questions.len().saturating_sub(OPEN_MAX) as u64;
            questions.truncate(OPEN_MAX);
        }
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Seen {
            ends: Some(ends),
            open,
        };
        Ok(unusable)
    }

    /// The envelopes of the questions to a sensor's organisation, as a list of JSON.
    #[must_use]
    pub fn of(&self, subject: &Subject, now: Timestamp) -> String {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let open = seen
            .open
            .get(&subject.organization)
            .map_or(&[][..], Vec::as_slice);
        let theirs = open
            .iter()
            .filter(|one| one.question.is_for(subject, now).is_ok());
        let envelopes: Vec<&str> = theirs.map(|one| one.envelope.as_str()).collect();
        format!("[{}]", envelopes.join(","))
    }

    /// Whether a sensor was asked what it answers.
    #[must_use]
    pub fn asked(&self, subject: &Subject, answer: &Answer, now: Timestamp) -> bool {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let open = seen
            .open
            .get(&subject.organization)
            .map_or(&[][..], Vec::as_slice);
        open.iter().any(|one| {
            one.question.id == answer.id
                && one.question.is_for(subject, now).is_ok()
                && answer.answers(&one.question.pseudonyms)
        })
    }
}

/// What stands under its own key.
fn read(key: &[u8], envelope: Vec<u8>) -> Option<Open> {
    let question = Question::unverified(&envelope).ok()?;
    if question.place().as_bytes() != key {
        return None;
    }
    // It was read as JSON, so it can stand in a list.
    let envelope = String::from_utf8(envelope).ok()?;
    Some(Open { question, envelope })
}
