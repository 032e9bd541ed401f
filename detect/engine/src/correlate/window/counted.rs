//! What counts in a window: each thing once, in order of time.
//!
//! Side by side and small, for there may be a thousand of them in each of a million groups: an event is known by sixteen
//! bytes, and a value by a hash of eight. Nearly all of them come in order, so the end of the list is where they go.

use std::collections::VecDeque;

use ingest_event::EventId;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// More than so many names are kept in a set besides: 256 are read in a few dozen nanoseconds.
const MANY: usize = 256;

/// Up to so many have no room for more beside them.
const EXACT: usize = 4;

/// The list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counted {
    /// What each counts as, in the order of `entries`: apart, since all of them are looked at for each observation.
    names: VecDeque<u64>,
    entries: VecDeque<Entry>,
    /// The names once more, where there are so many that looking at all of them would cost more; else none.
    #[serde(skip)]
    known: FxHashSet<u64>,
}

/// One thing that counts, by when it came last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// In nanoseconds.
    pub(super) at: i64,
    id: PackedId,
    /// Which of the rule's bases it matched.
    pub(super) base: u16,
    /// What is measured; NaN where nothing is.
    pub(super) number: f64,
}

/// An event's id; ours are hexadecimal digits, which need half of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum PackedId {
    Digits([u8; 16]),
    Text(Box<str>),
}

impl Entry {
    pub(super) fn new(at: i64, id: &EventId, base: u16, number: f64) -> Self {
        Self {
            at,
            id: PackedId::new(id.as_str()),
            base,
            number,
        }
    }

    /// The event in which it came last.
    pub(super) fn id(&self) -> Option<EventId> {
        EventId::parse(&self.id.text()).ok()
    }

    fn is_before(&self, other: &Self) -> bool {
        match (self.at.cmp(&other.at), &self.id, &other.id) {
            (std::cmp::Ordering::Equal, PackedId::Digits(own), PackedId::Digits(others)) => own < others,
            (std::cmp::Ordering::Equal, own, others) => own.text() < others.text(),
            (order, _, _) => order.is_lt(),
        }
    }
}

impl PackedId {
    fn new(id: &str) -> Self {
        let is_digits = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(id, 16) {
            Ok(number) if is_digits => Self::Digits(number.to_be_bytes()),
            Ok(_) | Err(_) => Self::Text(id.into()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Digits(bytes) => format!("{:032x}", u128::from_be_bytes(*bytes)),
            Self::Text(text) => text.to_string(),
        }
    }
}

/// What a value or an event counts as, of one base. Among the few thousand of a group, two by accident with the same
/// name are less likely than one in ten million million.
pub(super) fn name(base: u16, text: &str) -> u64 {
    match base {
        0 => xxh3_64(text.as_bytes()),
        base => xxh3_64_with_seed(text.as_bytes(), u64::from(base)),
    }
}

impl Counted {
    /// How many things count.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The earliest.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// In order of time.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// What is measured.
    pub(super) fn numbers(&self) -> impl Iterator<Item = f64> {
        self.entries
            .iter()
            .map(|entry| entry.number)
            .filter(|number| !number.is_nan())
    }

    /// Something came; false if it is known that it did, then or later.
    pub(super) fn put(&mut self, name: u64, entry: Entry) -> bool {
        if let Some(place) = self.place_of(name) {
            let is_later = self
                .entries
                .get(place)
                .is_some_and(|known| known.is_before(&entry));
            if !is_later {
                return false;
            }
            self.names.remove(place);
            self.entries.remove(place);
            self.known.remove(&name);
        }
        if MANY < self.names.len() {
            self.known.insert(name);
        }
        // Most groups hold few: room for four of each at once would be most of what they take.
        if self.entries.len() < EXACT {
            self.names.reserve_exact(1);
            self.entries.reserve_exact(1);
        }
        match self.entries.back() {
            Some(last) if entry.is_before(last) => {
                let place = self.entries.partition_point(|known| !entry.is_before(known));
                self.names.insert(place, name);
                self.entries.insert(place, entry);
            }
            Some(_) | None => {
                self.names.push_back(name);
                self.entries.push_back(entry);
            }
        }
        true
    }

    /// Where something is that came before.
    fn place_of(&mut self, name: u64) -> Option<usize> {
        if MANY < self.names.len() {
            if self.known.len() != self.names.len() {
                self.known = self.names.iter().copied().collect();
            }
            if !self.known.contains(&name) {
                return None;
            }
        }
        self.names.iter().position(|known| *known == name)
    }

    /// Lets the earliest go.
    pub(super) fn forget_first(&mut self) {
        if let Some(name) = self.names.pop_front() {
            self.known.remove(&name);
        }
        self.entries.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EventId {
        EventId::parse(text).expect("an event id")
    }

    fn entry(at: i64, text: &str) -> Entry {
        Entry::new(at, &id(text), 0, f64::NAN)
    }

    #[test]
    fn an_id_is_read_as_it_was_written() {
        for text in [
            "00000000000000000000000000000000",
            "0123456789abcdef0123456789abcdef",
            "0123456789ABCDEF0123456789ABCDEF",
            "+123456789abcdef0123456789abcdef",
            "event-1",
        ] {
            assert_eq!(entry(0, text).id(), Some(id(text)), "{text}");
        }
    }

    #[test]
    fn what_comes_out_of_order_takes_its_place_by_time_and_id() {
        let hex = |last: &str| format!("{last:0>32}");
        let (early, late) = (hex("1"), hex("f"));
        let come = [(5, &*late), (5, &*early), (5, "a-foreign-one"), (3, &*late)];
        let mut counted = Counted::default();
        for (number, (at, text)) in (0..).zip(come) {
            assert!(counted.put(number, entry(at, text)));
        }
        let order: Vec<_> = counted
            .iter()
            .filter_map(|entry| Some((entry.at, entry.id()?)))
            .collect();
        let expected = [(3, &*late), (5, &*early), (5, &*late), (5, "a-foreign-one")];
        assert_eq!(order, expected.map(|(at, text)| (at, id(text))));
    }

    #[test]
    fn so_many_that_a_set_is_kept_count_as_few_do() {
        let mut counted = Counted::default();
        for number in 0..2_000_u64 {
            let at = i64::try_from(number).expect("small");
            assert!(counted.put(number, entry(at, "a")), "{number}");
            assert!(!counted.put(number, entry(at, "a")), "{number} again");
            if 600 <= number {
                counted.forget_first();
            }
            if number % 97 == 0 {
                let bytes = postcard::to_allocvec(&counted).expect("bytes");
                counted = postcard::from_bytes(&bytes).expect("read");
                assert!(!counted.put(number, entry(at, "a")), "{number} restored");
            }
        }
        assert_eq!(counted.len(), 600);
        assert!(counted.put(1_399, entry(5_000, "b")), "forgotten");
        assert!(counted.put(1_400, entry(5_001, "b")), "known, and later");
        assert_eq!(counted.len(), 601);
    }

    #[test]
    fn what_is_known_counts_once_by_when_it_came_last() {
        let mut counted = Counted::default();
        assert!(counted.put(7, entry(1, "a")));
        assert!(counted.put(8, entry(2, "b")));
        assert!(!counted.put(7, entry(1, "a")), "the same again");
        assert!(!counted.put(8, entry(1, "z")), "an earlier one");
        assert!(counted.put(7, entry(3, "c")), "a later one");
        let order: Vec<_> = counted.iter().map(|entry| entry.at).collect();
        assert_eq!(order, [2, 3]);
        assert!(!counted.put(8, entry(2, "b")), "names go with their entries");
        counted.forget_first();
        assert!(counted.put(8, entry(2, "b")), "forgotten");
    }
}
