//! Who is who, fresh: the registry as `varde.sensors` says it, looked at every few seconds and asked at every request.
//!
//! When it could not be looked at for a minute nobody is believed any more: a revocation may stand there unread.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use ingest_bus::{Bus, PollError, Position, Producer, PublishError, Record, Topic};
use ingest_event::Timestamp;
use ingest_trust::Registry;
use ingest_trust::registry::Entry;

/// How often the topic is looked at: a revocation holds a minute later at the latest, with much to spare.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How old what is known may be where a stranger shows a code that is not known: it may have been given out just now. Ten looks a
/// second are no burden, whoever plays.
const CODE_AGE_MAX: Duration = Duration::from_millis(100);

/// How old what is known may be.
pub const AGE_MAX: Duration = Duration::from_secs(60);

/// How long a look may take before it is given up.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a record of the gateway's own may take to be durable.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait for the turn: while the bus does not answer, many would.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// Who is who.
#[derive(Debug)]
pub struct Roster {
    topic: Topic,
    seen: RwLock<Seen>,
    /// Held while the topic is read, and while something is decided and written: what was just written is not forgotten
    /// by a look that began before, and nobody decides twice.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Seen {
    registry: Registry,
    at: Option<Timestamp>,
    ends: Vec<Position>,
}

/// Why a look or a record failed.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The topic can't be read.
    #[error("read who is who")]
    Read(#[from] PollError),
    /// A record can't be written.
    #[error("write who is who")]
    Write(#[from] PublishError),
    /// The bus takes too long.
    #[error("the bus does not answer")]
    Timeout,
}

/// The turn to decide and write; see [`Roster::turn`].
pub struct Turn<'a> {
    roster: &'a Roster,
    _held: tokio::sync::MutexGuard<'a, ()>,
}

impl Roster {
    /// Nobody is known yet.
    #[must_use]
    pub fn new(topic: Topic) -> Self {
        Self {
            topic,
            seen: RwLock::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Looks at the topic, if it has anything new; gives how many of its records can't be read.
    ///
    /// # Errors
    /// The bus's.
    pub async fn look(&self, bus: &Bus, now: Timestamp) -> Result<u64, RosterError> {
        let turn = self.turn.lock().await;
        self.look_in_turn(&turn, bus, now).await
    }

    async fn look_in_turn(
        &self,
        _turn: &tokio::sync::MutexGuard<'_, ()>,
        bus: &Bus,
        now: Timestamp,
    ) -> Result<u64, RosterError> {
        let look = self.look_now(bus, now);
        tokio::time::timeout(LOOK_TIMEOUT, look)
            .await
            .unwrap_or(Err(RosterError::Timeout))
    }

    /// Looks at the topic before a code is refused, unless somebody did so just now.
    ///
    /// # Errors
    /// The bus's.
    pub async fn look_for_code(&self, bus: &Bus, now: Timestamp) -> Result<(), RosterError> {
        if self.looked_around(now) {
            return Ok(());
        }
        let turn = self.turn.lock().await;
        // Many wait for one look.
        if self.looked_around(now) {
            return Ok(());
        }
        self.look_in_turn(&turn, bus, now).await.map(drop)
    }

    /// Whether a look began shortly before `now`, or after it while somebody waited for the turn.
    fn looked_around(&self, now: Timestamp) -> bool {
        let at = self.seen.read().unwrap_or_else(PoisonError::into_inner).at;
        at.is_some_and(|at| {
            if at <= now {
                now.since(at) < CODE_AGE_MAX
            } else {
                at.since(now) <= LOOK_TIMEOUT
            }
        })
    }

    async fn look_now(&self, bus: &Bus, now: Timestamp) -> Result<u64, RosterError> {
        let ends = bus.end_positions(&self.topic).await?;
        let is_known = {
            let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
            let is_known = seen.at.is_some() && seen.ends == ends;
            if is_known {
                seen.at = Some(now);
            }
            is_known
        };
        if is_known {
            return Ok(0);
        }
        let records = bus.latest(&self.topic, &[Vec::new()]).await?;
        let (mut registry, mut unreadable) = (Registry::default(), 0);
        for (key, record) in &records {
            match Entry::parse(key, &record.value) {
                Ok(Some(entry)) => registry.take(entry),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "a record of who is who is passed over");
                    unreadable += 1;
                }
            }
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen {
            registry,
            at: Some(now),
            ends,
        };
        Ok(unreadable)
    }

    /// What `ask` finds, or `None` if what is known is too old to be believed.
    pub fn ask<T>(&self, now: Timestamp, ask: impl FnOnce(&Registry) -> T) -> Option<T> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        // A clock that went back says nothing about the age: the next look will.
        let is_fresh = seen.at.is_some_and(|at| at <= now && now.since(at) <= AGE_MAX);
        is_fresh.then(|| ask(&seen.registry))
    }

    /// Waits for the turn to decide.
    ///
    /// # Errors
    /// [`RosterError::Timeout`].
    pub async fn turn(&self) -> Result<Turn<'_>, RosterError> {
        let held = tokio::time::timeout(TURN_TIMEOUT, self.turn.lock())
            .await
            .map_err(|_| RosterError::Timeout)?;
        Ok(Turn {
            roster: self,
            _held: held,
        })
    }

    /// Writes a record that nothing is decided by, and knows it at once; a look that began before may forget it until the
    /// next.
    ///
    /// # Errors
    /// The bus's; then it may stand there all the same, and the next look will tell.
    pub async fn note(&self, producer: &Producer, entry: Entry) -> Result<(), RosterError> {
        let record = Record::new(entry.value()).with_key(entry.key());
        let written = producer.publish(&self.topic, vec![record]);
        tokio::time::timeout(WRITE_TIMEOUT, written)
            .await
            .map_err(|_| RosterError::Timeout)??;
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        seen.registry.take(entry);
        Ok(())
    }
}

impl Turn<'_> {
    /// Writes what was decided and knows it at once, whatever look is under way.
    ///
    /// # Errors
    /// As [`Roster::note`].
    pub async fn write(&self, producer: &Producer, entry: Entry) -> Result<(), RosterError> {
        self.roster.note(producer, entry).await
    }
}

#[cfg(test)]
mod tests {
    use ingest_bus::BusConfig;
    use ingest_trust::registry::Code;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    #[tokio::test]
    async fn what_is_old_is_not_believed_and_what_is_new_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = folder.path().join("bus");
        let bus = Bus::open(&BusConfig::Embedded { directory })
            .await
            .expect("a bus");
        let spec = crate::topics::sensors().expect("a topic");
        let roster = Roster::new(spec.topic.clone());
        assert_eq!(roster.ask(at(100), |_| ()), None, "before the first look");
        assert!(roster.look(&bus, at(100)).await.is_err(), "there is no topic");
        bus.ensure_topics(std::slice::from_ref(&spec))
            .await
            .expect("made");
        assert_eq!(roster.look(&bus, at(100)).await.expect("looked"), 0);
        assert_eq!(roster.ask(at(160), |_| ()), Some(()));
        assert_eq!(roster.ask(at(161), |_| ()), None, "a minute without a look");
        assert_eq!(roster.ask(at(99), |_| ()), None, "the clock went back");

        let code = Entry::Code(Code {
            digest: "d".to_owned(),
            until: at(1_000).as_nanos(),
            organization: None,
        });
        let key = ingest_trust::SensorKey::generate()
            .expect("a key")
            .fingerprint()
            .expect("named");
        let opens = |now| roster.ask(now, |registry| registry.opens("d", &key, now));
        let record = Record::new(code.value()).with_key(code.key());
        let broken = Record::new("{").with_key("sensor/x");
        let producer = bus.producer().expect("a producer");
        producer
            .publish(&spec.topic, vec![record, broken])
            .await
            .expect("durable");
        assert_eq!(opens(at(110)), Some(false));
        assert_eq!(
            roster.look(&bus, at(165)).await.expect("looked"),
            1,
            "one is broken"
        );
        assert_eq!(opens(at(170)), Some(true));
        assert_eq!(
            roster.look(&bus, at(300)).await.expect("looked"),
            0,
            "nothing new"
        );
        assert_eq!(opens(at(360)), Some(true));
    }
}
