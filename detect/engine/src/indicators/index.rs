//! The indicators of a ruleset, and which of them a record's fields name.

use std::sync::Arc;

use detect_alert::Indicator;
use ingest_event::Timestamp;

use super::{
    FIELDS, Holds, IndicatorId, IndicatorTable, Judgement, LookUp, Rejection, RejectionReason, Rejections,
    Scratch, WarningLists,
};
use crate::{
    keys::{FieldId, FieldNames},
    program::add,
    record::{Entry, Kind, Record},
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
        let mut asked = std::mem::take(&mut scratch.asked);
        asked.clear();
        for at in 0..record.entries().len() {
            if self.is_looked_at(record, at) {
                record.settle_entry(at, payload);
                if let Some((_, text)) = self.text(record, payload, at) {
                    self.table.ask(at, &text, &mut asked);
                }
            }
        }
        self.table.keep_held(&mut asked);
        for asked in &asked {
            if let Some((field, text)) = self.text(record, payload, asked.at) {
                let found = &mut |id| found(id, field, text.text);
                self.table.answer_asked(&text, scratch, found);
            }
        }
        scratch.asked = asked;
    }

    #[inline]
    fn is_looked_at(&self, record: &Record, at: usize) -> bool {
        let field = record.entries().get(at).and_then(Entry::field);
        field.is_some_and(|field| self.fields.get(field as usize).is_some_and(Option::is_some))
    }

    /// The text of an entry that is looked at, and its field.
    #[inline]
    fn text<'a>(&self, record: &'a Record, payload: &'a str, at: usize) -> Option<(FieldId, LookUp<'a>)> {
        let entry = record.entries().get(at)?;
        let field = entry.field()?;
        let (holds, host) = (*self.fields.get(field as usize)?)?;
        let text = LookUp {
            holds,
            text: record.text(entry, payload),
            host: host.and_then(|host| record.first_text(host, payload)),
        };
        (entry.kind != Kind::Null).then_some((field, text))
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
