//! Observations side by side: what waits for its turn, with no place on the heap for each.
//!
//! Nearly every flow is observed and waits a minute among some ten thousand others, so what it costs to put one down and
//! to take it up again counts more than what is done with it. The head of an event is there once for all that it brings,
//! and texts lie behind each other.

use std::{cmp::Ordering, mem, sync::Arc};

use super::observation::{Head, Merged, Observation, Sample, Text};

/// No sample, and nothing merged.
const PLAIN: u32 = u32::MAX;

/// Observations, in the order in which they were put here until they are sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    heads: Vec<Head>,
    entries: Vec<Entry>,
    texts: Vec<u8>,
    /// Of the few that have one.
    extras: Vec<Extra>,
}

/// An observation without what it shares with others.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: i64,
    head: u32,
    /// Where its text begins, how long it is, and how much of it is the key.
    text: u32,
    length: u16,
    key: u16,
    track: u32,
    base: u16,
    extra: u32,
    numbers: [f64; 2],
}

#[derive(Clone, Debug)]
struct Extra {
    sample: Option<Arc<Sample>>,
    merged: Option<Arc<Merged>>,
}

/// The rule and what of the event it measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) track: u32,
    pub(crate) base: u16,
    pub(crate) numbers: [f64; 2],
}

impl Packed {
    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The time of the first, in nanoseconds.
    pub(crate) fn first_at(&self) -> Option<i64> {
        self.entries.first().map(|entry| entry.at)
    }

    /// The latest time of all, in nanoseconds.
    pub(crate) fn latest_at(&self) -> Option<i64> {
        self.entries.iter().map(|entry| entry.at).max()
    }

    /// Whether one of them is many in one.
    pub(crate) fn has_merged(&self) -> bool {
        self.extras.iter().any(|extra| extra.merged.is_some())
    }

    /// None again; the room stays.
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.entries.clear();
        self.texts.clear();
        self.extras.clear();
    }

    /// The head of an event whose observations follow; its number.
    pub(crate) fn begin(&mut self, head: Head) -> u32 {
        let number = number(self.heads.len());
        self.heads.push(head);
        number
    }

    /// The head with a number.
    pub(crate) fn head(&self, head: u32) -> Option<&Head> {
        self.heads.get(head as usize)
    }

    /// Adds what the event of a head brings to one rule.
    pub(crate) fn put(&mut self, head: u32, measured: Measured, text: &Text, sample: Option<Arc<Sample>>) {
        let extra = sample.map(|sample| Extra {
            sample: Some(sample),
            merged: None,
        });
        self.add(head, measured, text, extra);
    }

    /// Adds an observation with a head of its own.
    pub(crate) fn push(&mut self, observation: &Observation) {
        let head = self.begin(Head::clone(&observation.head));
        let is_plain = observation.sample.is_none() && observation.merged.is_none();
        let extra = (!is_plain).then(|| Extra {
            sample: observation.sample.clone(),
            merged: observation.merged.clone(),
        });
        let measured = Measured {
            track: observation.track,
            base: observation.base,
            numbers: observation.numbers,
        };
        self.add(head, measured, &observation.text, extra);
    }

    fn add(&mut self, head: u32, measured: Measured, text: &Text, extra: Option<Extra>) {
        let Some(at) = self.head(head).map(|head| head.at) else {
            return;
        };
        let (bytes, key) = text.parts();
        let start = number(self.texts.len());
        self.texts.extend_from_slice(bytes);
        self.entries.push(Entry {
            at,
            head,
            text: start,
            // A text is of a few values of at most half a kilobyte each.
            length: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            key,
            track: measured.track,
            base: measured.base,
            extra: extra.map_or(PLAIN, |extra| {
                self.extras.push(extra);
                number(self.extras.len() - 1)
            }),
            numbers: measured.numbers,
        });
    }

    /// What claims to be after `limit` is taken for what is at `now`.
    pub(crate) fn set_right(&mut self, limit: i64, now: i64) {
        for head in self.heads.iter_mut().filter(|head| limit < head.at) {
            head.at = now;
        }
        for entry in self.entries.iter_mut().filter(|entry| limit < entry.at) {
            entry.at = now;
        }
    }

    /// Takes over all of another, which is empty then.
    pub(crate) fn append(&mut self, other: &mut Self) {
        let (heads, texts, extras) = (
            number(self.heads.len()),
            number(self.texts.len()),
            number(self.extras.len()),
        );
        self.heads.append(&mut other.heads);
        self.texts.extend_from_slice(&other.texts);
        other.texts.clear();
        self.extras.append(&mut other.extras);
        let moved = other.entries.drain(..).map(|entry| Entry {
            head: entry.head.saturating_add(heads),
            text: entry.text.saturating_add(texts),
            extra: if entry.extra == PLAIN {
                PLAIN
            } else {
                entry.extra.saturating_add(extras)
            },
            ..entry
        });
        self.entries.extend(moved);
    }

    /// In order of time, and among equals by what they are; each once, the one that came first.
    pub(crate) fn sort(&mut self) {
        let mut entries = mem::take(&mut self.entries);
        if !entries.is_sorted_by(|a, b| self.order(a, b).is_lt()) {
            entries.sort_by(|a, b| self.order(a, b));
            entries.dedup_by(|b, a| self.order(a, b).is_eq());
        }
        self.entries = entries;
    }

    fn order(&self, a: &Entry, b: &Entry) -> Ordering {
        let id = |entry: &Entry| self.head(entry.head).map(|head| &head.id);
        let by_time = a.at.cmp(&b.at);
        by_time
            .then_with(|| {
                if a.head == b.head {
                    Ordering::Equal
                } else {
                    id(a).cmp(&id(b))
                }
            })
            .then_with(|| (a.track, a.base).cmp(&(b.track, b.base)))
            .then_with(|| (self.text(a), a.key).cmp(&(self.text(b), b.key)))
    }

    fn text(&self, entry: &Entry) -> &[u8] {
        let start = entry.text as usize;
        self.texts
            .get(start..start + usize::from(entry.length))
            .unwrap_or_default()
    }

    /// Shows each in its order. `shown` is where they are put together, one after another; there is one in the end if there
    /// was one here.
    pub(crate) fn each(&mut self, shown: &mut Option<Observation>, mut told: impl FnMut(&Observation)) {
        let Some(first) = self.entries.first() else {
            return;
        };
        let mut observation = shown.take().unwrap_or_else(|| self.observation(first));
        let mut open = None;
        for at in 0..self.entries.len() {
            let Some(entry) = self.entries.get(at).copied() else {
                break;
            };
            if open != Some(entry.head) {
                self.exchange(open, &mut observation.head);
                self.exchange(Some(entry.head), &mut observation.head);
                open = Some(entry.head);
            }
            observation.track = entry.track;
            observation.base = entry.base;
            observation.numbers = entry.numbers;
            observation.text.set(self.text(&entry), entry.key);
            let extra = self.extras.get(entry.extra as usize);
            observation.sample = extra.and_then(|extra| extra.sample.clone());
            observation.merged = extra.and_then(|extra| extra.merged.clone());
            told(&observation);
        }
        self.exchange(open, &mut observation.head);
        *shown = Some(observation);
    }

    /// Lets a head change places with the one that is shown.
    fn exchange(&mut self, head: Option<u32>, shown: &mut Arc<Head>) {
        let Some(place) = head.and_then(|head| self.heads.get_mut(head as usize)) else {
            return;
        };
        match Arc::get_mut(shown) {
            Some(own) => mem::swap(own, place),
            // Somebody keeps it.
            None => {
                let kept = Head::clone(shown);
                *shown = Arc::new(mem::replace(place, kept));
            }
        }
    }

    /// Each on its own, in the order in which they are here.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Observation> {
        self.entries.iter().map(|entry| self.observation(entry))
    }

    fn observation(&self, entry: &Entry) -> Observation {
        let mut text = Text::default();
        text.set(self.text(entry), entry.key);
        let extra = self.extras.get(entry.extra as usize);
        #[expect(
            clippy::indexing_slicing,
            reason = "heads are never taken away from their entries"
        )]
        let head = &self.heads[entry.head as usize];
        Observation {
            track: entry.track,
            base: entry.base,
            head: Arc::new(head.clone()),
            text,
            numbers: entry.numbers,
            sample: extra.and_then(|extra| extra.sample.clone()),
            merged: extra.and_then(|extra| extra.merged.clone()),
        }
    }

    /// Gives rules the numbers that they have now; those that are gone, are gone.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        self.entries.retain_mut(|entry| match number(entry.track) {
            Some(track) => {
                entry.track = track;
                true
            }
            None => false,
        });
    }
}

/// What waits is bounded far below this, see `HELD_MAX`.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
