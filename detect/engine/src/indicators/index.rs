//! The indicators of a ruleset, and which of them a record's fields name.

use std::sync::Arc;

use detect_alert::{Indicator, IndicatorKind};
use ingest_event::Timestamp;
use ingest_event::restricted::{Hash, RestrictedKey};
use rustc_hash::FxHashSet;

use super::{
    FIELDS, Holds, IndicatorId, IndicatorTable, Judgement, LookUp, Rejection, RejectionReason, Rejections,
    Scratch, WarningLists, restricted::RestrictedIndex,
};
use crate::{
    claim,
    keys::{FieldId, FieldNames},
    program::add,
    record::{Entry, Kind, Record},
    scan::Finding,
};

/// So many different things are found in one event, of each text apart; an event that names more is made to.
const FOUND_MAX: usize = 1024;

/// So many hosts complete each path; events have one.
const HOSTS_MAX: usize = 8;

/// A table, and the numbers of the fields that are looked at.
#[derive(Debug, Default)]
pub(crate) struct IndicatorIndex {
    table: Arc<IndicatorTable>,
    lists: Arc<WarningLists>,
    restricted: RestrictedIndex,
    /// For each field by its number what it holds and, if it may be half a URL, where the other half is.
    fields: Vec<Option<(Holds, Option<FieldId>)>>,
}

/// The indicators that an event names; buffers that are used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Named {
    scratch: Scratch,
    found: Vec<Found>,
    seen: FxHashSet<(IndicatorId, usize)>,
    /// What named them, each once.
    values: Vec<String>,
    /// What was found and was no match.
    pub(crate) rejections: Rejections,
}

/// An indicator that an event names.
#[derive(Clone, Copy, Debug)]
struct Found {
    id: IndicatorId,
    field: FieldId,
    /// The number of the text that named it, in [`Named::values`].
    value: usize,
    /// Whether that text was seen on the sensor only.
    is_claimed: bool,
}

impl IndicatorIndex {
    /// Looks at those fields only that may name some indicator of the table.
    pub(crate) fn new(
        table: Arc<IndicatorTable>,
        lists: Arc<WarningLists>,
        keys: &[RestrictedKey],
        names: &mut FieldNames,
    ) -> Self {
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
        Self {
            restricted: RestrictedIndex::new(&table, keys),
            table,
            lists,
            fields,
        }
    }

    /// Kind and value of the indicator that a sensor knows by this hash.
    pub(crate) fn restricted(&self, hash: &Hash) -> Option<(IndicatorKind, String)> {
        self.restricted.find(&self.table, hash)
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

    /// Calls `found` for each indicator that a field of the event names, with that field, its value and the value's
    /// place in the record; again if it is named again.
    pub(crate) fn look_up(
        &self,
        record: &mut Record,
        payload: &str,
        scratch: &mut Scratch,
        found: &mut impl FnMut(IndicatorId, FieldId, (usize, &str)),
    ) {
        if self.fields.is_empty() {
            return;
        }
        let mut asked = std::mem::take(&mut scratch.asked);
        asked.clear();
        for at in 0..record.entries().len() {
            let Some((_, host)) = self.looked_at(record, at) else {
                continue;
            };
            record.settle_entry(at, payload);
            if let Some(host) = host {
                record.settle(host, payload);
            }
            for nth in 0..HOSTS_MAX {
                let Some((_, text)) = self.text(record, payload, (at, nth)) else {
                    break;
                };
                if 0 < nth && text.host.is_none() {
                    break;
                }
                self.table.ask(at * HOSTS_MAX + nth, &text, &mut asked);
                // Only a path is another URL with each of its hosts.
                if host.is_none() || !text.text.trim_ascii_start().starts_with('/') {
                    break;
                }
            }
        }
        self.table.keep_held(&mut asked);
        for asked in &asked {
            let (at, nth) = (asked.at / HOSTS_MAX, asked.at % HOSTS_MAX);
            if let Some((field, text)) = self.text(record, payload, (at, nth)) {
                let found = &mut |id| found(id, field, (at, text.text));
                self.table.answer_asked(&text, scratch, found);
            }
        }
        scratch.asked = asked;
    }

    /// What the field of an entry holds, and where the other half of a URL is, if it is looked at.
    #[inline]
    fn looked_at(&self, record: &Record, at: usize) -> Option<(Holds, Option<FieldId>)> {
        let field = record.entries().get(at).and_then(Entry::field)?;
        *self.fields.get(field as usize)?
    }

    /// The text of an entry that is looked at, with one of its hosts, and its field.
    #[inline]
    fn text<'a>(
        &self,
        record: &'a Record,
        payload: &'a str,
        (at, nth): (usize, usize),
    ) -> Option<(FieldId, LookUp<'a>)> {
        let entry = record.entries().get(at)?;
        let (holds, host) = self.looked_at(record, at)?;
        let text = LookUp {
            holds,
            text: record.text(entry, payload),
            host: host.and_then(|host| record.nth_text(host, nth, payload)),
        };
        (entry.kind != Kind::Null).then_some((entry.field()?, text))
    }
}

impl Named {
    /// Looks at an event.
    pub(crate) fn look_up(&mut self, index: &IndicatorIndex, record: &mut Record, payload: &str) {
        let Self {
            scratch,
            found,
            seen,
            values,
            rejections,
        } = self;
        if !found.is_empty() {
            found.clear();
            seen.clear();
            values.clear();
        }
        let mut last = None;
        index.look_up(record, payload, scratch, &mut |id, field, (at, value)| {
            if seen.contains(&(id, at)) {
                return;
            }
            if FOUND_MAX <= found.len() {
                return rejections.count(Rejection {
                    reason: RejectionReason::TooMany,
                    list: None,
                });
            }
            seen.insert((id, at));
            // All that one text names is found one after the other.
            if last.replace(at) != Some(at) {
                values.push(value.to_owned());
            }
            found.push(Found {
                id,
                field,
                value: values.len() - 1,
                is_claimed: false,
            });
        });
    }

    /// Adds the indicators of this kind and value, which the event's sensor found in a field, unless they were found
    /// here too. False if there are none.
    pub(crate) fn claim(
        &mut self,
        index: &IndicatorIndex,
        kind: IndicatorKind,
        value: &str,
        field: FieldId,
    ) -> bool {
        if index.table.count(kind) == 0 {
            return false;
        }
        let mut ids = Vec::new();
        let (holds, text) = claim::asked(kind, value);
        index
            .table
            .look_up(holds, text, None, &mut self.scratch, &mut |id| ids.push(id));
        ids.retain(|id| {
            let indicator = index.table.get(*id);
            indicator.is_some_and(|indicator| indicator.kind == kind && indicator.value == value)
        });
        for id in &ids {
            if self.found.iter().all(|found| found.id != *id) {
                self.values.push(value.to_owned());
                self.found.push(Found {
                    id: *id,
                    field,
                    value: self.values.len() - 1,
                    is_claimed: true,
                });
            }
        }
        !ids.is_empty()
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
        self.found.sort_by_key(|found| found.id);
        let mut hits: Vec<(Indicator, Vec<Finding>)> = Vec::new();
        for found in self.found.chunk_by(|a, b| a.id == b.id) {
            let mut hit: Option<(Indicator, Vec<Finding>)> = None;
            for Found {
                id,
                field,
                value,
                is_claimed,
            } in found
            {
                let value = self.values.get(*value).map_or("", String::as_str);
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
                    if *is_claimed {
                        name += claim::ON_SENSOR;
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
