//! The writer thread: takes what producers and committers ask for, applies as much as is waiting in one transaction,
//! and answers once it is on disk (group commit). Between them it lets old records go.

use std::thread;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time;

use super::store;
use crate::clock;
use crate::error::{Cause, PublishError};
use crate::partition;
use crate::record::Record;
use crate::topic::{Position, Topic, TopicSpec};

/// Commands waiting for the writer; records among them are bounded by bytes in [`super::producer`].
const QUEUE_COMMANDS: usize = 1024;

/// The most commands of one transaction: enough to share an `fsync`, few enough to answer within milliseconds.
const GROUP_COMMANDS_MAX: usize = 512;

/// The most records of one transaction, unless one command alone has more.
const GROUP_RECORDS_MAX: usize = 20_000;

/// How often old records are looked for.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(5);

/// How many records of one partition go in one transaction: few enough that writers wait milliseconds. When there are
/// more, the next transaction follows at once, in turn with the writers.
const EXPIRE_RECORDS_MAX: u32 = 2_000;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    Ensure {
        spec: TopicSpec,
        reply: oneshot::Sender<Result<(), Cause>>,
    },
    Append {
        topic: Topic,
        records: Vec<Record>,
        /// Where records without a key go, modulo the number of partitions.
        keyless: u32,
        reply: oneshot::Sender<Result<Vec<Position>, PublishError>>,
        /// The queue's room that these records take up, given back when they are written.
        room: OwnedSemaphorePermit,
    },
    Commit {
        group: String,
        positions: Vec<Position>,
        reply: oneshot::Sender<Result<(), Cause>>,
    },
}

/// An answer held back until the transaction is durable.
enum Answer {
    Done(oneshot::Sender<Result<(), Cause>>),
    Appended(
        oneshot::Sender<Result<Vec<Position>, PublishError>>,
        Topic,
        Result<Vec<Position>, PublishError>,
    ),
}

/// Starts the thread; it ends when every sender is gone.
pub(super) fn start(
    connection: Connection,
    changed: watch::Sender<u64>,
) -> std::io::Result<mpsc::Sender<Command>> {
    let (sender, receiver) = mpsc::channel(QUEUE_COMMANDS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    thread::Builder::new()
        .name("bus-writer".to_owned())
        .spawn(move || runtime.block_on(run(connection, receiver, changed)))?;
    Ok(sender)
}

/// Blocks its thread on SQLite: the runtime is this thread's own and runs nothing else.
async fn run(mut connection: Connection, mut commands: mpsc::Receiver<Command>, changed: watch::Sender<u64>) {
    let mut expire = time::interval(EXPIRE_INTERVAL);
    expire.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut group = Vec::new();
    loop {
        tokio::select! {
            _ = expire.tick() => match expire_once(&mut connection) {
                Ok(gone) if usize::try_from(EXPIRE_RECORDS_MAX).is_ok_and(|max| max <= gone) => expire.reset_immediately(),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not remove old records; trying again later"),
            },
            command = commands.recv() => {
                let Some(command) = command else { return };
                gather(command, &mut commands, &mut group);
                write(&mut connection, &mut group);
                changed.send_modify(|changes| *changes = changes.wrapping_add(1));
            }
        }
    }
}

/// Adds what is waiting already, within the bounds of one transaction.
fn gather(first: Command, commands: &mut mpsc::Receiver<Command>, group: &mut Vec<Command>) {
    let mut records = first.records();
    group.push(first);
    while group.len() < GROUP_COMMANDS_MAX && records < GROUP_RECORDS_MAX {
        let Ok(next) = commands.try_recv() else { return };
        records += next.records();
        group.push(next);
    }
}

/// Writes a group in one transaction: all of it or, with the same reason to everyone, nothing.
fn write(connection: &mut Connection, group: &mut Vec<Command>) {
    let mut answers = Vec::with_capacity(group.len());
    let mut rooms = Vec::new();
    let written = (|| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now_ms = clock::now_ms();
        let mut failed = None;
        for command in group.drain(..) {
            match failed {
                None => failed = apply(&transaction, command, now_ms, &mut answers, &mut rooms).err(),
                Some(_) => command.give_up(&mut answers),
            }
        }
        match failed {
            None => transaction.commit(),
            Some(error) => Err(error),
        }
    })();
    // The transaction may not even have begun.
    group.drain(..).for_each(|command| command.give_up(&mut answers));
    if let Err(error) = &written {
        tracing::warn!(%error, commands = answers.len(), "could not write to the embedded bus");
    }
    for answer in answers {
        answer.send(written.as_ref().err());
    }
}

fn apply(
    transaction: &Transaction<'_>,
    command: Command,
    now_ms: i64,
    answers: &mut Vec<Answer>,
    rooms: &mut Vec<OwnedSemaphorePermit>,
) -> rusqlite::Result<()> {
    match command {
        Command::Ensure { spec, reply } => {
            answers.push(Answer::Done(reply));
            store::ensure(transaction, &spec)
        }
        Command::Commit {
            group,
            positions,
            reply,
        } => {
            answers.push(Answer::Done(reply));
            positions
                .iter()
                .try_for_each(|position| store::commit(transaction, &group, position))
        }
        Command::Append {
            topic,
            records,
            keyless,
            reply,
            room,
        } => {
            rooms.push(room);
            let (outcome, error) = match append(transaction, &topic, records, keyless, now_ms) {
                Ok(outcome) => (outcome, None),
                Err(error) => (Ok(Vec::new()), Some(error)),
            };
            answers.push(Answer::Appended(reply, topic, outcome));
            error.map_or(Ok(()), Err)
        }
    }
}

/// The outer error ends the transaction; the inner one refuses this call before anything of it is written.
fn append(
    transaction: &Transaction<'_>,
    topic: &Topic,
    records: Vec<Record>,
    keyless: u32,
    now_ms: i64,
) -> rusqlite::Result<Result<Vec<Position>, PublishError>> {
    let Some(row) = store::topic(transaction, topic)? else {
        return Ok(Err(PublishError::UnknownTopic { topic: topic.clone() }));
    };
    for (index, record) in records.iter().enumerate() {
        let bytes = record.bytes();
        if row.record_bytes_max < bytes {
            let max = row.record_bytes_max;
            return Ok(Err(PublishError::TooLarge {
                topic: topic.clone(),
                index,
                bytes,
                max,
            }));
        }
        if row.compact && record.key.is_none() {
            return Ok(Err(PublishError::KeyMissing {
                topic: topic.clone(),
                index,
            }));
        }
    }
    let records: Vec<(u32, Record)> = records
        .into_iter()
        .map(|record| match &record.key {
            Some(key) => (partition::of_key(key, row.partitions), record),
            None => (keyless % row.partitions.max(1), record),
        })
        .collect();
    let offsets = store::append(transaction, row, &records, now_ms)?;
    let places = records.iter().zip(offsets);
    Ok(Ok(places
        .map(|((partition, _), offset)| Position {
            topic: topic.clone(),
            partition: *partition,
            offset,
        })
        .collect()))
}

fn expire_once(connection: &mut Connection) -> rusqlite::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let gone = store::expire(&transaction, clock::now_ms(), EXPIRE_RECORDS_MAX)?;
    transaction.commit()?;
    if 0 < gone {
        tracing::debug!(records = gone, "old records removed");
    }
    Ok(gone)
}

impl Command {
    fn records(&self) -> usize {
        match self {
            Command::Append { records, .. } => records.len(),
            Command::Ensure { .. } | Command::Commit { .. } => 0,
        }
    }

    /// Its answer will be the transaction's error.
    fn give_up(self, answers: &mut Vec<Answer>) {
        answers.push(match self {
            Command::Ensure { reply, .. } | Command::Commit { reply, .. } => Answer::Done(reply),
            Command::Append { topic, reply, .. } => Answer::Appended(reply, topic, Ok(Vec::new())),
        });
    }
}

impl Answer {
    /// Whoever asked may have gone away; then nobody needs the answer.
    fn send(self, error: Option<&rusqlite::Error>) {
        match (self, error) {
            (Answer::Done(reply), None) => drop(reply.send(Ok(()))),
            (Answer::Done(reply), Some(error)) => drop(reply.send(Err(repeat(error)))),
            (Answer::Appended(reply, _, outcome), None) => drop(reply.send(outcome)),
            // A refused call keeps its own reason.
            (Answer::Appended(reply, _, Err(refused)), Some(_)) => drop(reply.send(Err(refused))),
            (Answer::Appended(reply, topic, Ok(_)), Some(error)) => {
                drop(reply.send(Err(PublishError::Append {
                    topic,
                    source: repeat(error),
                })));
            }
        }
    }
}

/// The same error for everyone in a transaction; `rusqlite::Error` is no `Clone`.
fn repeat(error: &rusqlite::Error) -> Cause {
    match error {
        rusqlite::Error::SqliteFailure(code, text) => {
            Cause::Sqlite(rusqlite::Error::SqliteFailure(*code, text.clone()))
        }
        other => Cause::Io(std::io::Error::other(other.to_string())),
    }
}

#[cfg(test)]
mod tests;
