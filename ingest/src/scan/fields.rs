//! Indicators in the fields of a draft: no bytes are made for them.
//!
//! Which fields are looked at, and as what, is the engine's own table, so that the sensor finds what the centre would.

use std::collections::HashMap;

use detect_alert::{Confidence, IndicatorKind, Severity};
use detect_engine::{
    INDICATOR_FIELDS, IndicatorField, IndicatorTable, Judgement, LookUp, Scratch, WarningLists,
};
use ingest_event::Value;
use rustc_hash::FxBuildHasher;

use super::Hit;
use super::hit::MATCHES_MAX;
use crate::record::Draft;

/// Texts that are looked up at once: those of nearly every event.
const TEXTS: usize = 16;

/// So many names of fields are told apart by their marks: few of an event's names that are not looked at share one.
const MARKS: usize = 1024;

/// So many hits of one event are looked into: more are not read by anybody.
pub(super) const HITS_MAX: usize = 4 * MATCHES_MAX;

/// The fields that are looked at for what is loaded.
#[derive(Debug)]
pub(super) struct Looked {
    /// One bit for each [`mark`] of such a field: most of an event's fields are passed over by it.
    marks: [u64; MARKS / 64],
    /// The names are the engine's own, so nobody chooses them.
    by_name: HashMap<&'static str, &'static IndicatorField, FxBuildHasher>,
}

/// A number from a name's length, an early letter and its last ones.
fn mark(name: &str) -> usize {
    let bytes = name.as_bytes();
    let early = bytes.get(3).copied().unwrap_or(0);
    let last = bytes
        .last_chunk::<2>()
        .map_or(0, |last| u16::from_le_bytes(*last));
    (bytes.len() * 37 + usize::from(early) * 151 + usize::from(last).wrapping_mul(2_731)) % MARKS
}

impl Looked {
    /// Those that may hold what `is_held`.
    pub(super) fn of(is_held: impl Fn(IndicatorKind) -> bool) -> Self {
        let held = |field: &&IndicatorField| field.holds.kinds().iter().any(|kind| is_held(*kind));
        let mut looked = Self {
            marks: [0; MARKS / 64],
            by_name: HashMap::default(),
        };
        for field in INDICATOR_FIELDS.iter().filter(held) {
            looked.by_name.insert(field.name, field);
            let mark = mark(field.name);
            if let Some(word) = looked.marks.get_mut(mark / 64) {
                *word |= 1 << (mark % 64);
            }
        }
        looked
    }

    /// What a field of this name may hold.
    #[inline]
    pub(super) fn get(&self, name: &str) -> Option<&'static IndicatorField> {
        let mark = mark(name);
        let word = self.marks.get(mark / 64)?;
        if word >> (mark % 64) & 1 == 0 {
            return None;
        }
        self.by_name.get(name).copied()
    }
}

/// Texts of one event, with the names of their fields.
struct Texts<'d> {
    texts: [LookUp<'d>; TEXTS],
    names: [&'d str; TEXTS],
    count: usize,
}

/// Adds a hit for each indicator that the draft names and that counts at its time.
pub(super) fn look(
    table: &IndicatorTable,
    looked: &Looked,
    draft: &Draft,
    scratch: &mut Scratch,
    hits: &mut Vec<Hit>,
) {
    if looked.by_name.is_empty() {
        return;
    }
    let mut texts = Texts {
        texts: [LookUp::default(); TEXTS],
        names: [""; TEXTS],
        count: 0,
    };
    for (name, value) in draft.fields.iter() {
        let Some(field) = looked.get(name) else { continue };
        let host = field.host.and_then(|host| first_text(draft, host));
        for item in value.each() {
            let number;
            let text = match item {
                Value::String(text) => text.as_str(),
                // Numbers of autonomous systems; rare enough to be looked up alone.
                Value::Integer(_) | Value::Unsigned(_) => {
                    number = item.to_string();
                    let mut alone = Texts {
                        texts: [LookUp::default(); TEXTS],
                        names: [""; TEXTS],
                        count: 0,
                    };
                    alone.add(
                        name,
                        LookUp {
                            holds: field.holds,
                            text: &number,
                            host: None,
                        },
                    );
                    alone.look(table, draft, scratch, hits);
                    continue;
                }
                Value::Null | Value::Bool(_) | Value::Float(_) | Value::List(_) => continue,
            };
            if !texts.add(
                name,
                LookUp {
                    holds: field.holds,
                    text,
                    host,
                },
            ) {
                texts.look(table, draft, scratch, hits);
                texts.count = 0;
                texts.add(
                    name,
                    LookUp {
                        holds: field.holds,
                        text,
                        host,
                    },
                );
            }
        }
    }
    texts.look(table, draft, scratch, hits);
}

/// The first text of a field.
pub(super) fn first_text<'d>(draft: &'d Draft, name: &str) -> Option<&'d str> {
    draft.fields.get(name)?.each().find_map(Value::as_str)
}

impl<'d> Texts<'d> {
    /// Whether there was room.
    #[inline]
    fn add(&mut self, name: &'d str, text: LookUp<'d>) -> bool {
        let (Some(place), Some(named)) = (self.texts.get_mut(self.count), self.names.get_mut(self.count))
        else {
            return false;
        };
        (*place, *named) = (text, name);
        self.count += 1;
        true
    }

    fn look(&self, table: &IndicatorTable, draft: &Draft, scratch: &mut Scratch, hits: &mut Vec<Hit>) {
        let texts = self.texts.get(..self.count).unwrap_or_default();
        let none = WarningLists::default();
        table.look_up_all(texts, scratch, &mut |at, id| {
            let (Some(text), Some(name)) = (texts.get(at), self.names.get(at)) else {
                return;
            };
            let judged = table.judge(id, text.text, draft.timestamp, &none);
            if HITS_MAX <= hits.len() || !matches!(judged, Some(Judgement::Match { .. })) {
                return;
            }
            if let Some(indicator) = table.get(id) {
                hits.push(Hit::of_indicator(
                    &indicator,
                    severity(indicator.confidence),
                    name,
                ));
            }
        });
    }
}

/// As grave as its source is sure.
fn severity(confidence: Confidence) -> Severity {
    match confidence {
        Confidence::Low => Severity::Low,
        Confidence::Medium => Severity::Medium,
        Confidence::High => Severity::High,
    }
}
