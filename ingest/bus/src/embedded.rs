//! The embedded adapter: a durable log of one node in one SQLite file, for `varde up`, a pilot on one machine, and
//! fast tests. It is not replicated and not meant to outgrow a machine; then the same promises are Kafka's.
//!
//! One thread writes (`writer`): it gathers what producers and committers ask for and makes it durable together,
//! one `fsync` for many. Readers have connections of their own (WAL: they neither block nor are blocked). Other
//! processes may use the same file; they see each other's records at the pace of `consumer::FOREIGN_APPEND_INTERVAL`,
//! but consumer groups are split only among the members of one process.

mod codec;
mod consumer;
mod group;
mod producer;
mod store;
mod writer;

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::{Cause, OpenError, PollError, TopicError};
use crate::record::Record;
use crate::topic::{Position, Subscription, Topic, TopicSpec};
use group::Groups;
use writer::Command;

pub use consumer::EmbeddedConsumer;
pub use producer::EmbeddedProducer;

/// The file in the bus's directory.
const FILE_NAME: &str = "bus.sqlite";

/// Buses open in this process, by file: opening one twice shares its writer and its consumer groups.
static OPEN: LazyLock<Mutex<BTreeMap<PathBuf, Weak<Shared>>>> = LazyLock::new(Mutex::default);

/// An open embedded bus; clones share it.
#[derive(Debug, Clone)]
pub struct EmbeddedBus {
    shared: Arc<Shared>,
}

/// What all handles of one file have in common. Dropping the last one lets the writer thread end.
#[derive(Debug)]
struct Shared {
    file: PathBuf,
    writer: mpsc::Sender<Command>,
    /// Bumped after every commit and every change of a group; consumers wait on it.
    changed: watch::Sender<u64>,
    groups: Mutex<Groups>,
}

impl EmbeddedBus {
    /// Opens the log in `directory`, making both when they are not there.
    pub async fn open(directory: &Path) -> Result<EmbeddedBus, OpenError> {
        let directory = directory.to_owned();
        let failed = directory.clone();
        blocking(move || open_shared(&directory))
            .await
            .unwrap_or_else(|closed| {
                Err(OpenError::Storage {
                    directory: failed,
                    source: closed,
                })
            })
            .map(|shared| EmbeddedBus { shared })
    }

    /// See [`crate::Bus::ensure_topics`].
    pub async fn ensure_topics(&self, specs: &[TopicSpec]) -> Result<(), TopicError> {
        for spec in specs {
            if spec.partitions < 1 || store::PARTITIONS_MAX < spec.partitions {
                return Err(TopicError::Partitions {
                    topic: spec.topic.clone(),
                    partitions: spec.partitions,
                    max: store::PARTITIONS_MAX,
                });
            }
            let (reply, done) = oneshot::channel();
            let ensured = match self
                .shared
                .writer
                .send(Command::Ensure {
                    spec: spec.clone(),
                    reply,
                })
                .await
            {
                Ok(()) => done.await.unwrap_or(Err(Cause::Closed)),
                Err(_) => Err(Cause::Closed),
            };
            ensured.map_err(|source| TopicError::Ensure {
                topic: spec.topic.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// See [`crate::Bus::topics`].
    pub async fn topics(&self, prefix: &str) -> Result<Vec<Topic>, TopicError> {
        let (file, prefix) = (self.shared.file.clone(), prefix.to_owned());
        let topics = blocking(move || store::topics(&store::open_reader(&file)?))
            .await
            .and_then(|topics| topics.map_err(Cause::from))
            .map_err(|source| TopicError::List { source })?;
        Ok(topics
            .into_iter()
            .filter(|topic| topic.as_str().starts_with(&prefix))
            .collect())
    }

    /// See [`crate::Bus::producer`].
    pub fn producer(&self) -> EmbeddedProducer {
        EmbeddedProducer::new(Arc::clone(&self.shared))
    }

    /// See [`crate::Bus::consumer`].
    pub fn consumer(&self, group: &str, subscription: Subscription) -> Result<EmbeddedConsumer, OpenError> {
        EmbeddedConsumer::join(Arc::clone(&self.shared), group, subscription)
    }

    /// See [`crate::Bus::latest`].
    pub async fn latest(
        &self,
        topic: &Topic,
        starts: &[Vec<u8>],
    ) -> Result<BTreeMap<Vec<u8>, Record>, PollError> {
        let starts = starts.to_vec();
        self.read(topic, move |connection, topic| {
            store::latest(connection, topic, &starts)
        })
        .await
    }

    /// See [`crate::Bus::end_positions`].
    pub async fn end_positions(&self, topic: &Topic) -> Result<Vec<Position>, PollError> {
        self.read(topic, store::end_positions).await
    }

    async fn read<T: Send + 'static>(
        &self,
        topic: &Topic,
        query: impl FnOnce(&mut Connection, &Topic) -> rusqlite::Result<Option<T>> + Send + 'static,
    ) -> Result<T, PollError> {
        let (file, asked) = (self.shared.file.clone(), topic.clone());
        blocking(move || query(&mut store::open_reader(&file)?, &asked))
            .await
            .and_then(|found| found.map_err(Cause::from))
            .map_err(|source| PollError::Read { source })?
            .ok_or_else(|| PollError::UnknownTopic { topic: topic.clone() })
    }
}

impl Shared {
    fn wake(&self) {
        self.changed
            .send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_shared(directory: &Path) -> Result<Arc<Shared>, OpenError> {
    let failed = |source: Cause| OpenError::Storage {
        directory: directory.to_owned(),
        source,
    };
    // What is on the bus is telemetry of people: nobody else on the machine is to read it.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed(error.into()))?;
    let file = directory
        .canonicalize()
        .map_err(|error| failed(error.into()))?
        .join(FILE_NAME);

    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|_, shared| 0 < shared.strong_count());
    if let Some(shared) = open.get(&file).and_then(Weak::upgrade) {
        return Ok(shared);
    }
    let connection = store::open_writer(&file).map_err(|error| failed(error.into()))?;
    match store::version(&connection).map_err(|error| failed(error.into()))? {
        store::VERSION => {}
        found => {
            return Err(OpenError::Version {
                file,
                found,
                expected: store::VERSION,
            });
        }
    }
    let (changed, _) = watch::channel(0);
    let writer = writer::start(connection, changed.clone()).map_err(|error| failed(error.into()))?;
    let shared = Arc::new(Shared {
        file: file.clone(),
        writer,
        changed,
        groups: Mutex::default(),
    });
    open.insert(file, Arc::downgrade(&shared));
    Ok(shared)
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Cause> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Cause::Closed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_folder_it_makes_is_for_nobody_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let bus = directory.path().join("bus");
        drop(open_shared(&bus).expect("opens"));
        let mode = std::fs::metadata(&bus).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
