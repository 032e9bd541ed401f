//! The indicators of a ruleset, and which of them a record's fields name.

use std::sync::Arc;

use detect_alert::Indicator;
use ingest_event::Timestamp;

use super::{
    FIELDS, Holds, IndicatorId, IndicatorTable, Judgement, LookUp, Rejection, RejectionReason, Rejections,
    Scratch, WarningLists, look_up::TOGETHER,
};
use crate::{
    keys::{FieldId, FieldNames},
    program::add,
    record::{Kind, Record},
    scan::Finding,
};

/// So many times are indicators found in one event; an event that names more is made to.
const FOUND_MAX: usize = 1024;

/// A table, and the numbers of the fields that are looked at.
#[derive(Debug, Default)]
pub(crate) struct IndicatorIndex {
    table: Arc<IndicatorTable>,
    lists: Arc<WarningLists>,
    /// For each field by its number what it holds and, if it may be half a URL, where the other half is.
    fields: Vec<Option<(Holds, Option<FieldId>)>>,
}

/// An entry of a record that is looked at.
#[derive(Clone, Copy)]
struct Asked {
    at: usize,
    field: FieldId,
    holds: Holds,
    host: Option<FieldId>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            at: 0,
            field: 0,
            holds: Holds::Host,
            host: None,
        }
    }
}

/// The indicators that an event names; buffers that are used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Named {
    scratch: Scratch,
    found: Vec<(IndicatorId, FieldId, String)>,
    /// What was found and was no match.
    pub(crate) rejections: Rejections,
}

impl IndicatorIndex {
    /// Looks at those fields only that may name some indicator of the table.
    pub(crate) fn new(table: Arc<IndicatorTable>, lists: Arc<WarningLists>, names: &mut FieldNames) -> Self {
        let mut fields = Vec::new();
        for field in FIELDS {
            if field.holds.kinds().iter().all(|kind| table.count(*kind) == 0) {
                continue;
            }
            let host = field.host.map(|host| names.intern(host));
            let id = names.intern(field.name) as usize;
            if fields.len() <= id {
                fields.resize(id + 1, None);
            }
            if let Some(place) = fields.get_mut(id) {
                *place = Some((field.holds, host));
            }
        }
        Self { table, lists, fields }
    }

    /// What the indicators and the warning lists are known by.
    pub(crate) fn digests(&self) -> [[u8; 32]; 2] {
        [self.table.digest(), self.lists.digest()]
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// In no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Indicator> {
        self.table.iter()
    }

    /// Calls `found` for each indicator that a field of the event names, with that field and its value.
    pub(crate) fn look_up(
        &self,
        record: &mut Record,
        payload: &str,
        scratch: &mut Scratch,
        found: &mut impl FnMut(IndicatorId, FieldId, &str),
    ) {
        if self.fields.is_empty() {
            return;
        }
        let mut asked = [Asked::default(); TOGETHER];
        let mut count = 0;
        for at in 0..record.entries().len() {
            let Some(next) = self.asked(record, at) else {
                continue;
            };
            record.settle_spelled(at, payload);
            if let Some(place) = asked.get_mut(count) {
                *place = next;
            }
            count += 1;
            if count == TOGETHER {
                self.answer(record, payload, &asked, scratch, found);
                count = 0;
            }
        }
        let asked = asked.get(..count).unwrap_or_default();
        self.answer(record, payload, asked, scratch, found);
    }

    /// An entry, if it is looked at.
    fn asked(&self, record: &Record, at: usize) -> Option<Asked> {
        let entry = record.entries().get(at)?;
        let field = entry.field()?;
        let (holds, host) = (*self.fields.get(field as usize)?)?;
        (entry.kind != Kind::Null).then_some(Asked {
            at,
            field,
            holds,
            host,
        })
    }

    fn answer(
        &self,
        record: &Record,
        payload: &str,
        asked: &[Asked],
        scratch: &mut Scratch,
        found: &mut impl FnMut(IndicatorId, FieldId, &str),
    ) {
        let mut texts = [LookUp::default(); TOGETHER];
        for (text, asked) in texts.iter_mut().zip(asked) {
            *text = LookUp {
                holds: asked.holds,
                text: record
                    .entries()
                    .get(asked.at)
                    .map_or("", |entry| record.spelled(entry, payload)),
                host: asked.host.and_then(|host| record.first_text(host, payload)),
            };
        }
        let texts = texts.get(..asked.len()).unwrap_or_default();
        self.table.look_up_all(texts, scratch, &mut |at, id| {
            if let (Some(asked), Some(text)) = (asked.get(at), texts.get(at)) {
                found(id, asked.field, text.text);
            }
        });
    }
}

impl Named {
    /// Looks at an event.
    pub(crate) fn look_up(&mut self, index: &IndicatorIndex, record: &mut Record, payload: &str) {
        let Self {
            scratch,
            found,
            rejections,
        } = self;
        found.clear();
        index.look_up(record, payload, scratch, &mut |id, field, value| {
            if found.len() < FOUND_MAX {
                found.push((id, field, value.to_owned()));
            } else {
                rejections.count(Rejection {
                    reason: RejectionReason::TooMany,
                    list: None,
                });
            }
        });
    }

    /// Calls `matched` for each indicator that was found and counts at the event's time, with where it was found,
    /// in the order of kind, value and source.
    pub(crate) fn matches(
        &mut self,
        index: &IndicatorIndex,
        names: &FieldNames,
        at: Timestamp,
        matched: &mut impl FnMut(&Indicator, &[Finding]),
    ) {
        if self.found.is_empty() {
            return;
        }
        // Stable: the findings of one indicator stay in the order of the fields.
        self.found.sort_by_key(|(id, ..)| *id);
        let mut hits: Vec<(Indicator, Vec<Finding>)> = Vec::new();
        for found in self.found.chunk_by(|(a, ..), (b, ..)| a == b) {
            let mut hit: Option<(Indicator, Vec<Finding>)> = None;
            for (id, field, value) in found {
                let listed = match index.table.judge(*id, value, at, &index.lists) {
                    Some(Judgement::Match { listed }) => listed,
                    Some(Judgement::Rejected(rejection)) => {
                        self.rejections.count(rejection);
                        continue;
                    }
                    None => continue,
                };
                if hit.is_none() {
                    hit = index.table.get(*id).map(|indicator| (indicator, Vec::new()));
                }
                if let Some((indicator, findings)) = &mut hit {
                    let mut name = format!("{} {}", indicator.kind, indicator.value);
                    for on in listed {
                        name += &format!(", on the warning list \u{201c}{}\u{201d}", on.list);
                    }
                    add(findings, names.name(*field), value, &name);
                }
            }
            hits.extend(hit);
        }
        hits.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        for (indicator, findings) in &hits {
            matched(indicator, findings);
        }
    }
}

/// What the order of indicators goes by: everything that tells two apart.
type Order<'a> = (
    detect_alert::IndicatorKind,
    &'a str,
    &'a str,
    detect_alert::Confidence,
    detect_alert::Tlp,
    (Option<Timestamp>, Option<Timestamp>, &'a str, detect_alert::Pap),
);

fn order(indicator: &Indicator) -> Order<'_> {
    (
        indicator.kind,
        &indicator.value,
        &indicator.source,
        indicator.confidence,
        indicator.tlp,
        (
            indicator.valid_from,
            indicator.valid_until,
            &indicator.description,
            indicator.pap,
        ),
    )
}
