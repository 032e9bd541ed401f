//! Topics and places in them: names, partitions, positions, and what a topic must look like when it is made.
//!
//! Nothing here talks to a broker; names are checked once, in [`Topic::parse`], and trusted afterwards.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

/// The longest topic name Kafka accepts, in bytes (`org.apache.kafka.common.internals.Topic`).
pub const TOPIC_BYTES_MAX: usize = 249;

/// The name of a topic: 1 to 249 of `[a-zA-Z0-9._-]`, and neither `.` nor `..`. Cheap to clone: every delivery has one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Checks a name against Kafka's rules, which the embedded adapter shares so that a pilot can move to Kafka.
    pub fn parse(name: &str) -> Result<Topic, TopicNameError> {
        if name.is_empty() || name == "." || name == ".." {
            return Err(TopicNameError::Empty);
        }
        if TOPIC_BYTES_MAX < name.len() {
            return Err(TopicNameError::TooLong { bytes: name.len() });
        }
        match name
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            Some(character) => Err(TopicNameError::Character {
                name: name.to_owned(),
                character,
            }),
            None => Ok(Topic(name.into())),
        }
    }

    /// The name as Kafka spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no topic name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TopicNameError {
    /// Nothing, `.` or `..`.
    #[error("topic name is empty or dots only; use letters, digits, '.', '_' and '-'")]
    Empty,
    /// More than [`TOPIC_BYTES_MAX`].
    #[error("topic name has {bytes} bytes; {TOPIC_BYTES_MAX} is the most Kafka accepts")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A character outside the allowed set.
    #[error("topic name {name:?} contains {character:?}; use letters, digits, '.', '_' and '-'")]
    Character {
        /// The refused name.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
}

/// One partition of a topic: the unit of order and of ownership in a consumer group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// Counted from 0.
    pub partition: u32,
}

/// A place in a partition. As a delivery's place it is the record's own offset; as a committed position it is the
/// next offset to read (Kafka's convention).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The topic.
    pub topic: Topic,
    /// Counted from 0.
    pub partition: u32,
    /// Counted from 0; grows by at least 1 from record to record, with gaps where records were compacted away.
    pub offset: u64,
}

impl Position {
    /// The partition this place is in.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition {
            topic: self.topic.clone(),
            partition: self.partition,
        }
    }

    /// What to commit once the record at this place has been dealt with.
    pub fn next(&self) -> Position {
        Position {
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset + 1,
        }
    }
}

/// What a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// These topics; one that does not exist yet is picked up when it appears.
    Topics(Vec<Topic>),
    /// Every topic whose name starts so, including those made later.
    Prefix(String),
    /// What any of these covers.
    Any(Vec<Subscription>),
}

impl Subscription {
    /// Whether a topic is part of it.
    pub fn covers(&self, topic: &Topic) -> bool {
        match self {
            Subscription::Topics(topics) => topics.contains(topic),
            Subscription::Prefix(prefix) => topic.as_str().starts_with(prefix.as_str()),
            Subscription::Any(parts) => parts.iter().any(|part| part.covers(topic)),
        }
    }
}

/// How a topic is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub topic: Topic,
    /// How many partitions a new topic gets, at least 1. A topic that exists keeps what it has: another number
    /// would move keys to other partitions, away from the state kept for them.
    pub partitions: u32,
    /// How old records leave.
    pub cleanup: Cleanup,
    /// The largest record, key, value and headers together, in bytes.
    pub max_record_bytes: u32,
}

/// How old records leave a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// By age.
    Delete {
        /// How long a record stays at least.
        retention: Duration,
    },
    /// Only the newest record of each key stays.
    Compact,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_kafka() {
        check("varde.events.921234567", Ok(()));
        check("A_b-9", Ok(()));
        check(&"x".repeat(249), Ok(()));
        check(&"x".repeat(250), Err(TopicNameError::TooLong { bytes: 250 }));
        check("", Err(TopicNameError::Empty));
        check(".", Err(TopicNameError::Empty));
        check("..", Err(TopicNameError::Empty));
        check(
            "a b",
            Err(TopicNameError::Character {
                name: "a b".into(),
                character: ' ',
            }),
        );
        check(
            "bø",
            Err(TopicNameError::Character {
                name: "bø".into(),
                character: 'ø',
            }),
        );
    }

    #[track_caller]
    fn check(name: &str, expected: Result<(), TopicNameError>) {
        assert_eq!(
            Topic::parse(name).map(|topic| assert_eq!(topic.as_str(), name)),
            expected,
            "{name:?}"
        );
    }
}
