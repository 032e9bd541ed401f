//! The log's SQL: schema, appends, reads, commits, retention. Pure of threads and clocks: `now_ms` is an argument.
//!
//! A record's row id is its partition's id and its offset in one number, so reading a partition is a range scan of
//! the table itself and appending needs no second index.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::codec;
use crate::record::{Delivery, Record};
use crate::topic::{Cleanup, Position, Topic, TopicPartition, TopicSpec};

/// The schema's number, kept in the file.
pub(super) const VERSION: i64 = 1;

/// The most partitions of one topic: a node gains nothing from more, and ids stay far from their own limit.
pub(super) const PARTITIONS_MAX: u32 = 1024;

/// Offsets have this many of a row id's 63 bits: 17 million million records a partition, eleven years at 50,000/s.
const OFFSET_BITS: u32 = 44;

/// How long a writer waits for another process's transaction, which is at most one group commit and its `fsync`.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// How long a tombstone stays for slow readers; Kafka's default for `delete.retention.ms`.
pub(super) const TOMBSTONE_RETENTION_MS: i64 = 24 * 60 * 60 * 1000;

const SCHEMA: &str = "
    CREATE TABLE topics (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        compact INTEGER NOT NULL,
        retention_ms INTEGER NOT NULL,
        record_bytes_max INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE partitions (
        id INTEGER PRIMARY KEY,
        topic_id INTEGER NOT NULL REFERENCES topics (id),
        number INTEGER NOT NULL,
        next_offset INTEGER NOT NULL,
        UNIQUE (topic_id, number)
    ) STRICT;
    CREATE TABLE records (
        slot INTEGER PRIMARY KEY,
        appended_ms INTEGER NOT NULL,
        tombstone INTEGER NOT NULL,
        key BLOB,
        headers BLOB,
        value BLOB NOT NULL
    ) STRICT;
    CREATE INDEX tombstones ON records (slot) WHERE tombstone;
    CREATE TABLE newest (
        partition_id INTEGER NOT NULL,
        key BLOB NOT NULL,
        slot INTEGER NOT NULL,
        PRIMARY KEY (partition_id, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE commits (
        group_name TEXT NOT NULL,
        partition_id INTEGER NOT NULL,
        next_offset INTEGER NOT NULL,
        PRIMARY KEY (group_name, partition_id)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// What the writer must know of a topic to append to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopicRow {
    id: i64,
    pub(super) compact: bool,
    pub(super) record_bytes_max: usize,
    pub(super) partitions: u32,
}

/// A partition as a reader sees it.
#[derive(Debug, Clone)]
pub(super) struct PartitionRow {
    pub(super) id: i64,
    pub(super) place: TopicPartition,
    /// The offset the next record will get.
    pub(super) end: u64,
}

/// Opens the file for writing, making the schema when it is new.
pub(super) fn open_writer(file: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: the log is on disk when the commit returns, even if the machine loses power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if version(&transaction)? == 0 {
        transaction.execute_batch(SCHEMA)?;
    }
    transaction.commit()?;
    Ok(connection)
}

/// Opens the file for reading.
pub(super) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The schema's number in the file; 0 when it is new.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Makes a topic, or brings the settings of an existing one in line; its partitions stay what they are.
pub(super) fn ensure(transaction: &Transaction<'_>, spec: &TopicSpec) -> rusqlite::Result<()> {
    let (compact, retention_ms) = match spec.cleanup {
        Cleanup::Delete { retention } => (false, i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)),
        Cleanup::Compact => (true, i64::MAX),
    };
    transaction.execute(
        "INSERT INTO topics (name, compact, retention_ms, record_bytes_max) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET
             compact = excluded.compact, retention_ms = excluded.retention_ms,
             record_bytes_max = excluded.record_bytes_max",
        params![spec.topic.as_str(), compact, retention_ms, spec.max_record_bytes],
    )?;
    let Some(topic) = topic(transaction, &spec.topic)? else {
        return Ok(());
    };
    if topic.partitions == 0 {
        for number in 0..spec.partitions {
            transaction.execute(
                "INSERT INTO partitions (topic_id, number, next_offset) VALUES (?1, ?2, 0)",
                params![topic.id, number],
            )?;
        }
    }
    Ok(())
}

/// A topic by its name.
pub(super) fn topic(connection: &Connection, topic: &Topic) -> rusqlite::Result<Option<TopicRow>> {
    connection
        .prepare_cached(
            "SELECT id, compact, record_bytes_max, (SELECT count(*) FROM partitions WHERE topic_id = topics.id)
             FROM topics WHERE name = ?1",
        )?
        .query_row([topic.as_str()], |row| {
            Ok(TopicRow {
                id: row.get(0)?,
                compact: row.get(1)?,
                record_bytes_max: usize::try_from(row.get::<_, u32>(2)?).unwrap_or(usize::MAX),
                partitions: row.get(3)?,
            })
        })
        .optional()
}

/// All topics, by name.
pub(super) fn topics(connection: &Connection) -> rusqlite::Result<Vec<Topic>> {
    let mut statement = connection.prepare("SELECT name FROM topics ORDER BY name")?;
    let names = statement.query_map([], |row| parse_topic(row, 0))?;
    names.collect()
}

/// Appends records, each to the partition named beside it, and returns their offsets.
pub(super) fn append(
    transaction: &Transaction<'_>,
    topic: TopicRow,
    records: &[(u32, Record)],
    now_ms: i64,
) -> rusqlite::Result<Vec<u64>> {
    let mut find = transaction
        .prepare_cached("SELECT id, next_offset FROM partitions WHERE topic_id = ?1 AND number = ?2")?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO records (slot, appended_ms, tombstone, key, headers, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut ends: BTreeMap<u32, (i64, u64)> = BTreeMap::new();
    let mut offsets = Vec::with_capacity(records.len());
    for (partition, record) in records {
        let (id, next) = match ends.get(partition) {
            Some(end) => *end,
            None => find.query_row(params![topic.id, partition], |row| Ok((row.get(0)?, row.get(1)?)))?,
        };
        let slot = slot(id, next)?;
        let headers = codec::encode(&record.headers);
        insert.execute(params![
            slot,
            now_ms,
            record.tombstone,
            record.key,
            headers,
            record.value
        ])?;
        if let (true, Some(key)) = (topic.compact, &record.key) {
            supersede(transaction, id, key, slot)?;
        }
        ends.insert(*partition, (id, next + 1));
        offsets.push(next);
    }
    let mut advance = transaction.prepare_cached("UPDATE partitions SET next_offset = ?2 WHERE id = ?1")?;
    for (id, next) in ends.values() {
        advance.execute(params![id, next])?;
    }
    Ok(offsets)
}

/// In a compacted topic the record before, of the same key, goes at once: bounded work, and the log never holds
/// more than one record a key.
fn supersede(transaction: &Transaction<'_>, partition: i64, key: &[u8], slot: i64) -> rusqlite::Result<()> {
    let before: Option<i64> = transaction
        .prepare_cached("SELECT slot FROM newest WHERE partition_id = ?1 AND key = ?2")?
        .query_row(params![partition, key], |row| row.get(0))
        .optional()?;
    if let Some(before) = before {
        transaction
            .prepare_cached("DELETE FROM records WHERE slot = ?1")?
            .execute([before])?;
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO newest (partition_id, key, slot) VALUES (?1, ?2, ?3)")?
        .execute(params![partition, key, slot])?;
    Ok(())
}

/// Stores a group's next-to-read position; a partition that does not exist is passed over.
pub(super) fn commit(
    transaction: &Transaction<'_>,
    group: &str,
    position: &Position,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO commits (group_name, partition_id, next_offset)
             SELECT ?1, partitions.id, ?4 FROM partitions JOIN topics ON topics.id = topic_id
             WHERE name = ?2 AND number = ?3
             ON CONFLICT (group_name, partition_id) DO UPDATE SET next_offset = excluded.next_offset",
        )?
        .execute(params![
            group,
            position.topic.as_str(),
            position.partition,
            position.offset
        ])?;
    Ok(())
}

/// A group's committed position in a partition.
pub(super) fn committed(
    connection: &Connection,
    group: &str,
    partition: i64,
) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT next_offset FROM commits WHERE group_name = ?1 AND partition_id = ?2")?
        .query_row(params![group, partition], |row| row.get(0))
        .optional()
}

/// All partitions in the order they were made, so that new ones do not reshuffle who reads the old.
pub(super) fn partitions(connection: &Connection) -> rusqlite::Result<Vec<PartitionRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT partitions.id, name, number, next_offset FROM partitions JOIN topics ON topics.id = topic_id
         ORDER BY partitions.id",
    )?;
    let rows = statement.query_map([], |row| {
        let place = TopicPartition {
            topic: parse_topic(row, 1)?,
            partition: row.get(2)?,
        };
        Ok(PartitionRow {
            id: row.get(0)?,
            place,
            end: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// Reads a partition from an offset until it ends, or `records` or `bytes` are reached. At least one record comes,
/// however large. Returns where to go on and the bytes read.
pub(super) fn read(
    connection: &Connection,
    partition: &PartitionRow,
    from: u64,
    (records, bytes): (usize, usize),
    mut into: impl FnMut(Delivery),
) -> rusqlite::Result<(u64, usize)> {
    let mut statement = connection.prepare_cached(
        "SELECT slot, appended_ms, tombstone, key, headers, value FROM records
         WHERE ?1 <= slot AND slot < ?2 ORDER BY slot LIMIT ?3",
    )?;
    let base = slot(partition.id, 0)?;
    let mut rows = statement.query(params![
        slot(partition.id, from)?,
        slot(partition.id, partition.end)?,
        i64::try_from(records).unwrap_or(i64::MAX)
    ])?;
    let (mut next, mut read_records, mut read_bytes) = (from, 0, 0);
    while let Some(row) = rows.next()? {
        let offset = (row.get::<_, i64>(0)? - base).cast_unsigned();
        let record = record(row)?;
        let size = record.bytes();
        if 0 < read_records && bytes < read_bytes + size {
            return Ok((next, read_bytes));
        }
        let position = Position {
            topic: partition.place.topic.clone(),
            partition: partition.place.partition,
            offset,
        };
        into(Delivery {
            position,
            appended_ms: row.get(1)?,
            record,
        });
        (next, read_records, read_bytes) = (offset + 1, read_records + 1, read_bytes + size);
    }
    // What is missing up to the end was compacted or has aged out.
    let next = if read_records < records {
        partition.end.max(next)
    } else {
        next
    };
    Ok((next, read_bytes))
}

/// See [`crate::Bus::latest`].
pub(super) fn latest(
    connection: &mut Connection,
    topic: &Topic,
    starts: &[Vec<u8>],
) -> rusqlite::Result<Option<BTreeMap<Vec<u8>, Record>>> {
    let transaction = connection.transaction()?;
    if self::topic(&transaction, topic)?.is_none() {
        return Ok(None);
    }
    let mut newest = BTreeMap::new();
    for partition in partitions(&transaction)?
        .iter()
        .filter(|partition| partition.place.topic == *topic)
    {
        read(&transaction, partition, 0, (usize::MAX, usize::MAX), |delivery| {
            let record = delivery.record;
            if let Some(key) = &record.key
                && starts.iter().any(|start| key.starts_with(start))
            {
                if record.tombstone {
                    newest.remove(key);
                } else {
                    newest.insert(key.clone(), record);
                }
            }
        })?;
    }
    Ok(Some(newest))
}

/// See [`crate::Bus::end_positions`].
pub(super) fn end_positions(
    connection: &mut Connection,
    topic: &Topic,
) -> rusqlite::Result<Option<Vec<Position>>> {
    if self::topic(connection, topic)?.is_none() {
        return Ok(None);
    }
    let ends = partitions(connection)?
        .into_iter()
        .filter(|partition| partition.place.topic == *topic);
    let ends = ends.map(|row| Position {
        topic: row.place.topic,
        partition: row.place.partition,
        offset: row.end,
    });
    Ok(Some(ends.collect()))
}

/// Takes records that have outlived their topic's retention, and tombstones that everyone has had time to see, from
/// the front of each partition: at most `limit` a partition. Returns how many went. Reads no record that stays,
/// except one a partition.
pub(super) fn expire(transaction: &Transaction<'_>, now_ms: i64, limit: u32) -> rusqlite::Result<usize> {
    let mut gone = 0;
    let mut partitions = transaction.prepare_cached(
        "SELECT partitions.id, compact, retention_ms FROM partitions JOIN topics ON topics.id = topic_id",
    )?;
    let mut rows = partitions.query([])?;
    while let Some(row) = rows.next()? {
        let (id, compact, retention_ms): (i64, bool, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let range = (slot(id, 0)?, slot(id + 1, 0)?);
        gone += if compact {
            expire_tombstones(transaction, range, now_ms - TOMBSTONE_RETENTION_MS, limit)?
        } else {
            expire_aged(transaction, range, now_ms.saturating_sub(retention_ms), limit)?
        };
    }
    Ok(gone)
}

fn expire_aged(
    transaction: &Transaction<'_>,
    (first, end): (i64, i64),
    before_ms: i64,
    limit: u32,
) -> rusqlite::Result<usize> {
    let mut front = transaction.prepare_cached(
        "SELECT slot, appended_ms FROM records WHERE ?1 <= slot AND slot < ?2 ORDER BY slot LIMIT ?3",
    )?;
    let mut rows = front.query(params![first, end, limit])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        if before_ms <= row.get(1)? {
            break;
        }
        last = Some(row.get::<_, i64>(0)?);
    }
    drop(rows);
    let Some(last) = last else { return Ok(0) };
    transaction
        .prepare_cached("DELETE FROM records WHERE ?1 <= slot AND slot <= ?2")?
        .execute(params![first, last])
}

fn expire_tombstones(
    transaction: &Transaction<'_>,
    (first, end): (i64, i64),
    before_ms: i64,
    limit: u32,
) -> rusqlite::Result<usize> {
    let mut old = transaction.prepare_cached(
        "SELECT slot, key FROM records
         WHERE ?1 <= slot AND slot < ?2 AND tombstone AND appended_ms < ?3 ORDER BY slot LIMIT ?4",
    )?;
    let slots: Vec<(i64, Option<Vec<u8>>)> = old
        .query_map(params![first, end, before_ms, limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (slot, key) in &slots {
        transaction
            .prepare_cached("DELETE FROM records WHERE slot = ?1")?
            .execute([slot])?;
        transaction
            .prepare_cached("DELETE FROM newest WHERE partition_id = ?1 AND key = ?2 AND slot = ?3")?
            .execute(params![first >> OFFSET_BITS, key, slot])?;
    }
    Ok(slots.len())
}

fn slot(partition: i64, offset: u64) -> rusqlite::Result<i64> {
    let fits = partition < 1 << (63 - OFFSET_BITS) && offset < 1 << OFFSET_BITS;
    match i64::try_from(offset) {
        Ok(offset) if fits => Ok(partition << OFFSET_BITS | offset),
        Ok(_) | Err(_) => Err(rusqlite::Error::IntegralValueOutOfRange(0, partition)),
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let headers = match row.get_ref(4)?.as_blob_or_null()? {
        Some(blob) => codec::decode(blob).ok_or_else(|| {
            rusqlite::Error::InvalidColumnType(4, "headers".to_owned(), rusqlite::types::Type::Blob)
        })?,
        None => Vec::new(),
    };
    Ok(Record {
        key: row.get(3)?,
        value: row.get(5)?,
        headers,
        tombstone: row.get(2)?,
    })
}

fn parse_topic(row: &Row<'_>, column: usize) -> rusqlite::Result<Topic> {
    let name: String = row.get(column)?;
    Topic::parse(&name)
        .map_err(|_| rusqlite::Error::InvalidColumnType(column, name, rusqlite::types::Type::Text))
}

#[cfg(test)]
mod tests;
