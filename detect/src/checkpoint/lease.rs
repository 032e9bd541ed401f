//! The right to write the checkpoints of one partition, and where they lie.
//!
//! Keys: `GROUP/TOPIC/PARTITION/EPOCH-OWNER/manifest` and `…/GENERATION/NUMBER`. The schemas before 3 had one record
//! with the key `GROUP/TOPIC/PARTITION`.

use std::collections::BTreeMap;

use ingest_bus::{Record, TopicPartition};
use serde::{Deserialize, Serialize};

use super::{Checkpoint, CheckpointError, Damage, SCHEMA};

/// The most bytes of a chunk: a record of any broker's default size takes it.
const CHUNK_BYTES: usize = 900_000;

/// What makes a checkpoint whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    schema: u32,
    epoch: u64,
    owner: u64,
    generation: u8,
    chunks: u32,
    /// BLAKE3 of all chunks.
    digest: [u8; 32],
    offset: u64,
}

/// What counts of a record of schema 1.
#[derive(Deserialize)]
struct First {
    offset: u64,
}

/// How a record of schema 2 begins.
#[derive(Deserialize)]
struct Before {
    _schema: u32,
    offset: u64,
}

/// What there was of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// One of a schema whose state is not read any more.
    Before {
        /// Every record below this has had its effect.
        offset: u64,
    },
    /// One.
    Whole(Checkpoint),
}

/// The right to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Group, topic and partition.
    prefix: String,
    epoch: u64,
    owner: u64,
    /// The next generation to write.
    generation: u8,
    /// Keys of owners before.
    stale: Vec<Vec<u8>>,
}

/// A checkpoint as records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// To be durable before the manifest is published.
    pub chunks: Vec<Record>,
    /// What makes them count.
    pub manifest: Record,
}

impl Written {
    /// Bytes of all records.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(Record::bytes).sum::<usize>() + self.manifest.bytes()
    }
}

impl Lease {
    /// What every key of a partition begins with.
    #[must_use]
    pub fn prefix(group: &str, partition: &TopicPartition) -> String {
        format!("{group}/{}/{}", partition.topic, partition.partition)
    }

    /// Takes a partition over, among the newest records of the topic: the right to write, and what is to go on from.
    ///
    /// The epoch is above all that are there and at least `floor`, for which a clock is good; `owner` is any number that
    /// no other owner has.
    ///
    /// # Errors
    /// If there are checkpoints and none can be read: going on without would lose or double alerts.
    pub fn take(
        newest: &BTreeMap<Vec<u8>, Record>,
        group: &str,
        partition: &TopicPartition,
        floor: u64,
        owner: u64,
    ) -> Result<(Self, Found), CheckpointError> {
        let name = format!("{}/{}", partition.topic, partition.partition);
        let prefix = Self::prefix(group, partition);
        let ours = format!("{prefix}/").into_bytes();
        let keys = newest
            .range(ours.clone()..)
            .take_while(|(key, _)| key.starts_with(&ours));
        let mut stale: Vec<Vec<u8>> = keys.clone().map(|(key, _)| key.clone()).collect();
        let mut manifests = Vec::new();
        for (_, record) in keys.filter(|(key, _)| key.ends_with(b"/manifest")) {
            manifests.push(manifest(&name, &record.value)?);
        }
        manifests.sort_by_key(|one| std::cmp::Reverse((one.epoch, one.offset, one.owner)));
        let highest = manifests.first().map_or(0, |one| one.epoch);
        let found = if manifests.is_empty() {
            match newest.get(prefix.as_bytes()) {
                Some(record) => {
                    stale.push(prefix.clone().into_bytes());
                    before(&name, &record.value)?
                }
                None => Found::Nothing,
            }
        } else {
            newest_whole(newest, &prefix, &name, &manifests)?
        };
        let lease = Self {
            prefix,
            epoch: floor.max(highest.saturating_add(1)),
            owner,
            generation: 0,
            stale,
        };
        Ok((lease, found))
    }

    /// Above that of every owner before.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A checkpoint as records, of the generation whose turn it is.
    ///
    /// # Errors
    /// As [`Checkpoint::encode`].
    pub fn write(&mut self, checkpoint: &Checkpoint) -> std::io::Result<Written> {
        let bytes = checkpoint.encode()?;
        let chunks: Vec<Record> = (0_u32..)
            .zip(bytes.chunks(CHUNK_BYTES))
            .map(|(number, chunk)| Record::new(chunk).with_key(self.chunk(self.generation, number)))
            .collect();
        let manifest = Manifest {
            schema: SCHEMA,
            epoch: self.epoch,
            owner: self.owner,
            generation: self.generation,
            chunks: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
            digest: *blake3::hash(&bytes).as_bytes(),
            offset: checkpoint.offset,
        };
        self.generation ^= 1;
        // Numbers always serialise.
        let value = postcard::to_allocvec(&manifest).unwrap_or_default();
        let manifest = Record::new(value).with_key(format!("{}/manifest", self.own()));
        Ok(Written { chunks, manifest })
    }

    /// What has the records of owners before forgotten, once; for when the first checkpoint of this one is durable.
    pub fn forget_others(&mut self) -> Vec<Record> {
        let stale = std::mem::take(&mut self.stale);
        stale.into_iter().map(Record::tombstone).collect()
    }

    fn own(&self) -> String {
        owned(&self.prefix, self.epoch, self.owner)
    }

    fn chunk(&self, generation: u8, number: u32) -> String {
        format!("{}/{generation}/{number}", self.own())
    }
}

fn owned(prefix: &str, epoch: u64, owner: u64) -> String {
    format!("{prefix}/{epoch}-{owner:016x}")
}

fn manifest(name: &str, value: &[u8]) -> Result<Manifest, CheckpointError> {
    let damaged = |source| CheckpointError::Damaged {
        partition: name.to_owned(),
        source: Damage::Unreadable(source),
    };
    let (schema, _) = postcard::take_from_bytes::<u32>(value).map_err(damaged)?;
    if SCHEMA < schema {
        return Err(CheckpointError::SchemaTooNew {
            partition: name.to_owned(),
            schema,
        });
    }
    postcard::from_bytes(value).map_err(damaged)
}

fn before(name: &str, value: &[u8]) -> Result<Found, CheckpointError> {
    let damaged = |source| CheckpointError::Damaged {
        partition: name.to_owned(),
        source: Damage::Unreadable(source),
    };
    // The first was JSON.
    if value.starts_with(b"{") {
        let First { offset } = serde_json::from_slice(value).map_err(|source| CheckpointError::Damaged {
            partition: name.to_owned(),
            source: Damage::Text(source),
        })?;
        return Ok(Found::Before { offset });
    }
    let (schema, _) = postcard::take_from_bytes::<u32>(value).map_err(damaged)?;
    if SCHEMA <= schema {
        return Err(CheckpointError::SchemaTooNew {
            partition: name.to_owned(),
            schema,
        });
    }
    let (Before { offset, .. }, _) = postcard::take_from_bytes(value).map_err(damaged)?;
    Ok(Found::Before { offset })
}

/// The first that is whole, of manifests with the newest first.
fn newest_whole(
    newest: &BTreeMap<Vec<u8>, Record>,
    prefix: &str,
    name: &str,
    manifests: &[Manifest],
) -> Result<Found, CheckpointError> {
    let mut first = None;
    for manifest in manifests {
        let own = owned(prefix, manifest.epoch, manifest.owner);
        match whole(newest, &own, manifest) {
            Ok(checkpoint) => {
                if first.is_some() {
                    tracing::error!(
                        "the newest checkpoint of a partition is damaged: going on from one before; events between \
                         the two are counted twice, or not at all"
                    );
                }
                return Ok(Found::Whole(checkpoint));
            }
            Err(damage) => first = first.or(Some(damage)),
        }
    }
    Err(CheckpointError::Damaged {
        partition: name.to_owned(),
        source: first.unwrap_or(Damage::NotWhole),
    })
}

fn whole(newest: &BTreeMap<Vec<u8>, Record>, own: &str, manifest: &Manifest) -> Result<Checkpoint, Damage> {
    let mut bytes = Vec::new();
    for number in 0..manifest.chunks {
        let key = format!("{own}/{}/{number}", manifest.generation);
        let chunk = newest.get(key.as_bytes()).ok_or(Damage::NotWhole)?;
        bytes.extend_from_slice(&chunk.value);
    }
    if *blake3::hash(&bytes).as_bytes() != manifest.digest {
        return Err(Damage::NotWhole);
    }
    Checkpoint::decode(&bytes)
}
