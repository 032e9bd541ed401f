//! Literals by Vectorscan, through the `hyperscan` crate.
//!
//! Vectorscan looks at the last bytes of a literal first, and many of ours end alike (`.exe"`). So it is given
//! each literal's rarest eight bytes only; what it reports is compared with the whole literal here.

use std::collections::BTreeMap;

use hyperscan::{BlockDatabase, Builder as _, Literal, LiteralFlags, Literals, Matching, Serialized as _};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeTuple as _},
};

use super::{GramCounts, LiteralId};

/// The longest literal that Vectorscan compares at once.
const WINDOW: usize = 8;

/// A compiled database. Immutable and shared.
pub(crate) struct Database {
    machine: BlockDatabase,
    /// For each window where its places begin; one more at the end.
    starts: Box<[u32]>,
    places: Box<[Place]>,
}

/// A literal that has a window.
#[derive(Serialize, Deserialize)]
struct Place {
    id: LiteralId,
    /// Bytes after the window.
    after: u32,
    text: Box<[u8]>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

/// Vectorscan writes its own bytes, and reads only those of its own version and kind of processor.
impl Serialize for Database {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let machine = self.machine.serialize().map_err(S::Error::custom)?;
        let mut parts = serializer.serialize_tuple(3)?;
        parts.serialize_element::<&[u8]>(&&*machine)?;
        parts.serialize_element(&self.starts)?;
        parts.serialize_element(&self.places)?;
        parts.end()
    }
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (machine, starts, places): (&[u8], _, _) = Deserialize::deserialize(deserializer)?;
        Ok(Self {
            machine: machine.deserialize().map_err(D::Error::custom)?,
            starts,
            places,
        })
    }
}

/// Vectorscan's scratch space, large enough for every database it was prepared for.
#[derive(Default)]
pub(crate) struct Scratch(Option<hyperscan::Scratch>);

impl Database {
    /// `None` on a processor that Vectorscan does not know.
    pub(crate) fn build(texts: &[Box<str>], counts: &GramCounts) -> Option<Self> {
        let mut windows: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for (id, text) in texts.iter().enumerate() {
            let (start, end) = window(text, counts);
            windows.entry(text.get(start..end)?).or_default().push(Place {
                id: LiteralId::try_from(id).ok()?,
                after: u32::try_from(text.len() - end).ok()?,
                text: text.as_bytes().into(),
            });
        }
        let literals: Vec<Literal> = windows
            .keys()
            .enumerate()
            .map(|(id, window)| Literal {
                expression: (*window).to_owned(),
                flags: LiteralFlags::empty(),
                id: Some(id),
                som: None,
            })
            .collect();
        let mut starts = vec![0];
        let mut places = Vec::with_capacity(texts.len());
        for of_window in windows.into_values() {
            places.extend(of_window);
            starts.push(u32::try_from(places.len()).ok()?);
        }
        Some(Self {
            machine: Literals::from(literals).build().ok()?,
            starts: starts.into(),
            places: places.into(),
        })
    }

    pub(crate) fn prepare(&self, scratch: &mut Scratch) {
        match &mut scratch.0 {
            None => scratch.0 = self.machine.alloc_scratch().ok(),
            Some(held) => {
                if self.machine.realloc_scratch(held).is_err() {
                    scratch.0 = None;
                }
            }
        }
    }

    /// Whether it could be done: not without scratch space, for which there may have been no memory. The callback never
    /// ends it.
    #[inline]
    pub(crate) fn scan(
        &self,
        haystack: &[u8],
        scratch: &Scratch,
        found: &mut impl FnMut(LiteralId, usize),
    ) -> bool {
        let Some(scratch) = &scratch.0 else {
            return false;
        };
        let scanned = self.machine.scan(
            haystack,
            scratch,
            |window: u32, _from: u64, to: u64, _flags: u32| {
                self.compare(haystack, window as usize, to as usize, found);
                Matching::Continue
            },
        );
        scanned.is_ok()
    }

    #[inline]
    fn compare(&self, haystack: &[u8], window: usize, to: usize, found: &mut impl FnMut(LiteralId, usize)) {
        let range = |at: usize| self.starts.get(at).map_or(0, |start| *start as usize);
        let places = self.places.get(range(window)..range(window + 1));
        for place in places.unwrap_or_default() {
            let end = to + place.after as usize;
            let is_there = end
                .checked_sub(place.text.len())
                .and_then(|start| haystack.get(start..end))
                .is_some_and(|bytes| *bytes == *place.text);
            if is_there {
                found(place.id, end);
            }
        }
    }
}

/// The part of a literal that is likely to be the rarest, at most [`WINDOW`] bytes on characters' boundaries.
fn window(text: &str, counts: &GramCounts) -> (usize, usize) {
    if text.len() <= WINDOW {
        return (0, text.len());
    }
    (0..=text.len() - WINDOW)
        .map(|start| (start, start + WINDOW))
        .filter(|(start, end)| text.is_char_boundary(*start) && text.is_char_boundary(*end))
        .min_by_key(|(start, end)| counts.weight_of(text.as_bytes().get(*start..*end).unwrap_or_default()))
        .unwrap_or((0, text.len()))
}
