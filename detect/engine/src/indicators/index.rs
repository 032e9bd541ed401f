//! The indicators of a ruleset, and which of them a record's fields name.

use std::sync::Arc;

use detect_alert::Indicator;
use ingest_event::Timestamp;

use super::{FIELDS, Holds, IndicatorId, IndicatorTable, IndicatorTableBuilder, Scratch};
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
    /// For each field by its number what it holds and, if it may be half a URL, where the other half is.
    fields: Vec<Option<(Holds, Option<FieldId>)>>,
}

/// The indicators that an event names; buffers that are used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Named {
    scratch: Scratch,
    found: Vec<(IndicatorId, FieldId, String)>,
}

impl IndicatorIndex {
    /// Indexes indicators; those whose value is not in normal form are left out and counted by the caller,
    /// who sees how many are held.
    pub(crate) fn build(indicators: Vec<Indicator>, names: &mut FieldNames) -> Self {
        let mut builder = IndicatorTableBuilder::with_room(indicators.len());
        for indicator in &indicators {
            builder.add(indicator);
        }
        Self::of_table(Arc::new(builder.build()), names)
    }

    /// Looks at those fields only that may name some indicator of the table.
    pub(crate) fn of_table(table: Arc<IndicatorTable>, names: &mut FieldNames) -> Self {
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
        Self { table, fields }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn table(&self) -> &IndicatorTable {
        &self.table
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
        let mut at = 0;
        while let Some(entry) = record.entries().get(at) {
            let held = entry
                .field()
                .and_then(|field| Some((field, (*self.fields.get(field as usize)?)?)));
            if let Some((field, (holds, host))) = held
                && entry.kind != Kind::Null
            {
                record.settle_spelled(at, payload);
                let text = record
                    .entries()
                    .get(at)
                    .map_or("", |entry| record.spelled(entry, payload));
                let host = host.and_then(|host| record.first_text(host, payload));
                self.table
                    .look_up(holds, text, host, scratch, &mut |id| found(id, field, text));
            }
            at += 1;
        }
    }
}

impl Named {
    /// Looks at an event.
    pub(crate) fn look_up(&mut self, index: &IndicatorIndex, record: &mut Record, payload: &str) {
        let Self { scratch, found } = self;
        found.clear();
        index.look_up(record, payload, scratch, &mut |id, field, value| {
            if found.len() < FOUND_MAX {
                found.push((id, field, value.to_owned()));
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
            let Some(indicator) = found.first().and_then(|(id, ..)| index.table.get(*id)) else {
                continue;
            };
            if !indicator.is_valid_at(at) {
                continue;
            }
            let name = format!("{} {}", indicator.kind, indicator.value);
            let mut findings = Vec::new();
            for (_, field, value) in found {
                add(&mut findings, names.name(*field), value, &name);
            }
            hits.push((indicator, findings));
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
