//! What the contract suite cannot see from outside: what leaves the log, and when.

use super::*;

const HOUR_MS: i64 = 60 * 60 * 1000;

#[test]
fn records_leave_when_they_have_outlived_the_retention_and_not_before() {
    for (now_ms, limit, left) in [
        (HOUR_MS, 100, &["0", "1", "2"][..]),
        (HOUR_MS + 1, 100, &["1", "2"]),
        (HOUR_MS + 21, 100, &[]),
        (HOUR_MS + 21, 2, &["2"]),
    ] {
        let mut store = Store::new(Cleanup::Delete {
            retention: Duration::from_millis(HOUR_MS.unsigned_abs()),
        });
        for (number, appended_ms) in [(0, 0), (1, 10), (2, 20)] {
            store.append(&[Record::new(number.to_string())], appended_ms);
        }
        let gone = store.change(|transaction| expire(transaction, now_ms, limit));
        assert_eq!(
            (store.values(), gone),
            (
                left.iter().map(|value| (*value).to_owned()).collect(),
                3 - left.len()
            ),
            "at {now_ms}, {limit} at a time"
        );
        assert_eq!(store.partitions()[0].end, 3, "offsets are never given twice");
    }
}

#[test]
fn a_compacted_topic_holds_one_record_a_key_and_forgets_old_tombstones() {
    let mut store = Store::new(Cleanup::Compact);
    let record = |key: &str, value: &str| Record::new(value).with_key(key);
    store.append(&[record("a", "a1"), record("b", "b1"), record("a", "a2")], 0);
    store.append(&[Record::tombstone("b"), record("c", "c1")], 0);
    assert_eq!(store.values(), ["a2", "", "c1"]);

    assert_eq!(
        store.change(|transaction| expire(transaction, TOMBSTONE_RETENTION_MS, 100)),
        0
    );
    assert_eq!(
        store.change(|transaction| expire(transaction, TOMBSTONE_RETENTION_MS + 1, 100)),
        1
    );
    assert_eq!(store.values(), ["a2", "c1"]);
    // The key is free again, and the tombstone's place in the index with it.
    store.append(&[record("b", "b2")], 0);
    assert_eq!(store.values(), ["a2", "c1", "b2"]);
    let keys = store
        .connection
        .query_row("SELECT count(*) FROM newest", [], |row| row.get::<_, i64>(0))
        .unwrap();
    assert_eq!(keys, 3);
}

#[test]
fn reading_goes_on_behind_what_is_gone() {
    let mut store = Store::new(Cleanup::Delete {
        retention: Duration::ZERO,
    });
    store.append(&[Record::new("0"), Record::new("1")], 0);
    store.change(|transaction| expire(transaction, 1, 100));
    assert_eq!(store.read(0, (10, 1000)), (2, vec![]));
    store.append(&[Record::new("2")], 5);
    assert_eq!(store.read(0, (10, 1000)), (3, vec!["2".to_owned()]));
}

#[test]
fn a_read_stops_at_its_limits_but_brings_one_record_at_least() {
    let mut store = Store::new(Cleanup::Delete {
        retention: Duration::ZERO,
    });
    store.append(&["aaaa", "bbbb", "cccc"].map(Record::new), 0);
    for (from, limit, next, values) in [
        (0, (10, 1000), 3, &["aaaa", "bbbb", "cccc"][..]),
        (0, (2, 1000), 2, &["aaaa", "bbbb"]),
        (0, (10, 8), 2, &["aaaa", "bbbb"]),
        (1, (10, 7), 2, &["bbbb"]),
        (1, (10, 0), 2, &["bbbb"]),
        (3, (10, 1000), 3, &[]),
    ] {
        let expected = values.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(
            store.read(from, limit),
            (next, expected),
            "from {from}, {limit:?}"
        );
    }
}

#[test]
fn a_file_of_another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bus.sqlite");
    let connection = open_writer(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(version(&open_writer(&file).unwrap()).unwrap(), 99);
}

/// A file with one topic of one partition.
struct Store {
    connection: Connection,
    topic: Topic,
    _directory: tempfile::TempDir,
}

impl Store {
    fn new(cleanup: Cleanup) -> Store {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_writer(&directory.path().join("bus.sqlite")).unwrap();
        let topic = Topic::parse("t").unwrap();
        let mut store = Store {
            connection,
            topic: topic.clone(),
            _directory: directory,
        };
        let spec = TopicSpec {
            topic,
            partitions: 1,
            cleanup,
            max_record_bytes: 1000,
        };
        store.change(|transaction| ensure(transaction, &spec));
        store
    }

    fn change<T>(&mut self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> T {
        let transaction = self.connection.transaction().unwrap();
        let changed = change(&transaction).unwrap();
        transaction.commit().unwrap();
        changed
    }

    fn append(&mut self, records: &[Record], now_ms: i64) {
        let row = topic(&self.connection, &self.topic).unwrap().unwrap();
        let records: Vec<(u32, Record)> = records.iter().map(|record| (0, record.clone())).collect();
        self.change(|transaction| append(transaction, row, &records, now_ms));
    }

    fn partitions(&self) -> Vec<PartitionRow> {
        partitions(&self.connection).unwrap()
    }

    fn read(&self, from: u64, limit: (usize, usize)) -> (u64, Vec<String>) {
        let mut values = Vec::new();
        let (next, _) = read(&self.connection, &self.partitions()[0], from, limit, |delivery| {
            values.push(String::from_utf8(delivery.record.value).unwrap());
        })
        .unwrap();
        (next, values)
    }

    fn values(&self) -> Vec<String> {
        self.read(0, (usize::MAX, usize::MAX)).1
    }
}
