//! Many records in one piece of memory, for a reader that looks at all and keeps few: nothing is allocated for a
//! record, and a block is used again.

use crate::record::{Delivery, Record};
use crate::topic::{Position, TopicPartition};

/// Names with values, as in [`Record::headers`].
type Headers = Vec<(String, Vec<u8>)>;

/// Records in the order they were read.
#[derive(Debug, Default)]
pub struct Block {
    places: Vec<TopicPartition>,
    entries: Vec<Entry>,
    /// Keys and values, one after the other.
    bytes: Vec<u8>,
    /// Of the few records that have some, by the record's number.
    headers: Vec<(usize, Headers)>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Which of the places.
    place: usize,
    offset: u64,
    appended_ms: i64,
    /// The key begins here, and the value where the key ends.
    start: usize,
    key_bytes: Option<usize>,
    value_bytes: usize,
    tombstone: bool,
}

/// What one poll brings besides its records, to be handled before them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// As [`crate::Batch::lost`].
    pub lost: Vec<TopicPartition>,
    /// As [`crate::Batch::gained`].
    pub gained: Vec<TopicPartition>,
}

/// Records of one partition that follow each other.
#[derive(Debug, Clone, Copy)]
pub struct Run<'b> {
    block: &'b Block,
    place: usize,
    entries: &'b [Entry],
}

impl Block {
    /// How many records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records, in pieces of one partition each.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.entries
            .chunk_by(|one, next| one.place == next.place)
            .filter_map(|entries| {
                Some(Run {
                    block: self,
                    place: entries.first()?.place,
                    entries,
                })
            })
    }

    /// The values of all records.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.entries.iter().map(|entry| self.value(entry))
    }

    /// Empties it; its memory stays.
    pub(crate) fn clear(&mut self) {
        // Places stay too: a reader's partitions are few, and their numbers are looked up for every record.
        if PLACES_MAX < self.places.len() {
            self.places.clear();
        }
        self.entries.clear();
        self.bytes.clear();
        self.headers.clear();
    }

    /// The number of a place, which `is_it` knows when it sees it and `make` makes if it is not there.
    pub(crate) fn place(
        &mut self,
        is_it: impl Fn(&TopicPartition) -> bool,
        make: impl FnOnce() -> Option<TopicPartition>,
    ) -> Option<usize> {
        // What was read last is most likely what is read next.
        if let Some(last) = self.entries.last().map(|entry| entry.place)
            && self.places.get(last).is_some_and(&is_it)
        {
            return Some(last);
        }
        if let Some(known) = self.places.iter().position(is_it) {
            return Some(known);
        }
        self.places.push(make()?);
        Some(self.places.len() - 1)
    }

    /// Appends a record of a place.
    pub(crate) fn push(
        &mut self,
        place: usize,
        offset: u64,
        appended_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Headers,
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key.unwrap_or_default());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        if !headers.is_empty() {
            self.headers.push((self.entries.len(), headers));
        }
        self.entries.push(Entry {
            place,
            offset,
            appended_ms,
            start,
            key_bytes: key.map(<[u8]>::len),
            value_bytes: value.map_or(0, <[u8]>::len),
            tombstone: value.is_none(),
        });
    }

    /// Appends a record that is a piece of memory of its own.
    pub(crate) fn push_delivery(&mut self, delivery: Delivery) {
        let Delivery {
            position,
            appended_ms,
            record,
        } = delivery;
        let is_it =
            |place: &TopicPartition| place.partition == position.partition && place.topic == position.topic;
        if let Some(place) = self.place(is_it, || Some(position.topic_partition())) {
            let value = (!record.tombstone).then_some(record.value.as_slice());
            self.push(
                place,
                position.offset,
                appended_ms,
                record.key.as_deref(),
                value,
                record.headers,
            );
        }
    }

    /// Forgets the first so many records.
    pub(crate) fn skip(&mut self, count: usize) {
        self.entries.drain(..count.min(self.entries.len()));
        self.headers.retain_mut(|(index, _)| {
            let stays = count <= *index;
            *index = index.saturating_sub(count);
            stays
        });
    }

    /// What a record counts against a limit of bytes.
    pub(crate) fn record_bytes(&self, index: usize) -> Option<usize> {
        let entry = self.entries.get(index)?;
        let headers = self.headers.iter().find(|(of, _)| *of == index);
        let headers = headers.map_or(0, |(_, headers)| {
            headers.iter().map(|(name, value)| name.len() + value.len()).sum()
        });
        Some(entry.key_bytes.unwrap_or(0) + entry.value_bytes + headers)
    }

    /// A record as a piece of memory of its own; its headers are taken.
    pub(crate) fn take(&mut self, index: usize) -> Option<Delivery> {
        let entry = *self.entries.get(index)?;
        let place = self.places.get(entry.place)?;
        let position = Position {
            topic: place.topic.clone(),
            partition: place.partition,
            offset: entry.offset,
        };
        let headers = self.headers.iter_mut().find(|(of, _)| *of == index);
        let headers = headers.map_or_else(Headers::new, |(_, headers)| std::mem::take(headers));
        let record = Record {
            key: entry.key_bytes.map(|_| self.key(&entry).to_vec()),
            value: self.value(&entry).to_vec(),
            headers,
            tombstone: entry.tombstone,
        };
        Some(Delivery {
            position,
            appended_ms: entry.appended_ms,
            record,
        })
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        let end = entry.start + entry.key_bytes.unwrap_or(0);
        self.bytes.get(entry.start..end).unwrap_or_default()
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        let start = entry.start + entry.key_bytes.unwrap_or(0);
        self.bytes
            .get(start..start + entry.value_bytes)
            .unwrap_or_default()
    }
}

/// More places than this are not carried from block to block.
const PLACES_MAX: usize = 1_024;

impl<'b> Run<'b> {
    /// The partition.
    pub fn place(&self) -> Option<&'b TopicPartition> {
        self.block.places.get(self.place)
    }

    /// Offset and value of each record; a tombstone's value is empty.
    pub fn records(&self) -> impl ExactSizeIterator<Item = (u64, &'b [u8])> {
        let block = self.block;
        self.entries
            .iter()
            .map(move |entry| (entry.offset, block.value(entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Topic;

    fn deliveries() -> Vec<Delivery> {
        let topics = ["a", "b"].map(|name| Topic::parse(name).expect("valid"));
        let records = [
            Record::new("one"),
            Record::new("").with_key("k"),
            Record::tombstone("k"),
            Record::new("four").with_header("h", "v").with_header("h", ""),
            Record::new(vec![0xff; 10]).with_key(""),
        ];
        let delivery = |(offset, record): (u64, Record)| Delivery {
            position: Position {
                topic: topics[usize::from(2 <= offset)].clone(),
                partition: u32::from(offset == 4),
                offset,
            },
            appended_ms: 7 + i64::try_from(offset).expect("small"),
            record,
        };
        (0..).zip(records).map(delivery).collect()
    }

    fn block() -> Block {
        let mut block = Block::default();
        for delivery in deliveries() {
            block.push_delivery(delivery);
        }
        block
    }

    #[test]
    fn what_goes_in_comes_out() {
        let (mut block, expected) = (block(), deliveries());
        for (index, delivery) in expected.iter().enumerate() {
            assert_eq!(block.record_bytes(index), Some(delivery.record.bytes()));
            assert_eq!(block.take(index).as_ref(), Some(delivery));
        }
        assert_eq!(block.take(expected.len()), None);
        let values: Vec<&[u8]> = block.values().collect();
        assert_eq!(values, [&b"one"[..], b"", b"", b"four", &[0xff; 10]]);
    }

    #[test]
    fn runs_are_of_one_partition_each() {
        let block = block();
        let runs: Vec<(&str, u32, Vec<u64>)> = block
            .runs()
            .map(|run| {
                let place = run.place().expect("known");
                let offsets = run.records().map(|(offset, _)| offset).collect();
                (place.topic.as_str(), place.partition, offsets)
            })
            .collect();
        assert_eq!(
            runs,
            [("a", 0, vec![0, 1]), ("b", 0, vec![2, 3]), ("b", 1, vec![4])]
        );
    }

    #[test]
    fn a_block_that_is_used_again_holds_nothing_of_before() {
        let mut block = block();
        block.clear();
        assert!(block.is_empty() && block.bytes() == 0 && block.runs().next().is_none());
        for delivery in deliveries().into_iter().rev() {
            block.push_delivery(delivery);
        }
        let expected: Vec<Delivery> = deliveries().into_iter().rev().collect();
        block.skip(1);
        assert_eq!(block.len(), 4);
        for (index, delivery) in expected.iter().skip(1).enumerate() {
            assert_eq!(block.take(index).as_ref(), Some(delivery));
        }
    }
}
