//! A few literals by the packed search of `aho-corasick`, which looks at 32 bytes at once.
//!
//! It is given each literal's rarest bytes, up to four; what it finds is compared with the whole literal here.

use std::collections::BTreeMap;

use aho_corasick::packed::{Config, MatchKind, Searcher};
use serde::{Deserialize, Serialize};

use super::{GramCounts, LiteralId, grams::GRAM};

/// With more windows than this it has too many candidates.
const WINDOWS_MAX: usize = 48;

/// Compiled literals.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Windows", into = "Windows")]
pub(crate) struct Few {
    machine: Searcher,
    windows: Windows,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Windows(Box<[Window]>);

/// What the packed search finds, and the literals that have it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Window {
    text: Box<[u8]>,
    places: Box<[Place]>,
}

/// These can't be searched for together on this processor.
#[derive(Debug, thiserror::Error)]
#[error("build a packed search")]
struct NoSearcher;

impl TryFrom<Windows> for Few {
    type Error = NoSearcher;

    fn try_from(windows: Windows) -> Result<Self, NoSearcher> {
        let machine = Config::new()
            .match_kind(MatchKind::LeftmostFirst)
            .builder()
            .extend(windows.0.iter().map(|window| &window.text))
            .build()
            .ok_or(NoSearcher)?;
        Ok(Self { machine, windows })
    }
}

impl From<Few> for Windows {
    fn from(few: Few) -> Self {
        few.windows
    }
}

/// A literal that has a window.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    id: LiteralId,
    /// Bytes before the window.
    before: u32,
    text: Box<[u8]>,
}

impl Few {
    /// `None` if these are no few literals, or one of them is too short, or the processor has no such instructions.
    pub(crate) fn build(texts: &[(LiteralId, &[u8])], counts: &GramCounts) -> Option<Self> {
        let width = texts.iter().map(|(_, text)| text.len()).min()?.min(GRAM);
        let mut windows: BTreeMap<&[u8], Vec<Place>> = BTreeMap::new();
        for (id, text) in texts {
            let (at, window) = counts.rarest(text, width)?;
            windows.entry(window).or_default().push(Place {
                id: *id,
                before: u32::try_from(at).ok()?,
                text: (*text).into(),
            });
        }
        if WINDOWS_MAX < windows.len() {
            return None;
        }
        let windows = windows
            .into_iter()
            .map(|(text, places)| Window {
                text: text.into(),
                places: places.into(),
            })
            .collect();
        Self::try_from(Windows(windows)).ok()
    }

    #[inline]
    pub(crate) fn scan(&self, haystack: &[u8], found: &mut impl FnMut(LiteralId, usize)) {
        let mut from = 0;
        // Windows are all of one length, so no two of them begin at the same place; the next may overlap.
        while let Some(hit) = self.machine.find_in(haystack, (from..haystack.len()).into()) {
            from = hit.start() + 1;
            let window = self.windows.0.get(hit.pattern().as_usize());
            for place in window.map_or(&[][..], |window| &window.places) {
                let Some(start) = hit.start().checked_sub(place.before as usize) else {
                    continue;
                };
                let end = start + place.text.len();
                if haystack.get(start..end) == Some(&*place.text) {
                    found(place.id, end);
                }
            }
        }
    }
}
