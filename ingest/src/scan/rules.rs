//! Rules over a draft: the event is written once in clear, with the bytes that the centre would have got, and scanned.

use std::sync::Arc;

use detect_engine::{EventView, HeldScanner, Match, MatchSink, Origin, Ruleset};
use ingest_event::{Event, EventId, Fields, encode, field};

use super::{Around, Hit};
use crate::island::{Bringing, Local};
use crate::record::Draft;

/// Rules, and what all events that are held against them share.
#[derive(Debug)]
pub(super) struct Rules {
    ruleset: Arc<Ruleset>,
    /// The event has no id yet, and no rule is about ids; only what is counted has to be told apart.
    id: EventId,
}

/// One scanner with its buffer.
#[derive(Debug)]
pub(super) struct Desk {
    scanner: HeldScanner,
    payload: Vec<u8>,
}

struct Sink<'a, 'l> {
    hits: &'a mut Vec<Hit>,
    local: Option<Bringing<'l>>,
}

impl Rules {
    pub(super) fn new(ruleset: Arc<Ruleset>) -> Self {
        Self {
            ruleset,
            id: EventId::derive(&[b"before it has one"]),
        }
    }

    pub(super) fn ruleset(&self) -> &Arc<Ruleset> {
        &self.ruleset
    }

    pub(super) fn desk(&self) -> Desk {
        Desk {
            scanner: HeldScanner::new(Arc::clone(&self.ruleset)),
            payload: Vec::new(),
        }
    }

    /// Adds a hit for each rule that the draft matches. It leaves the draft as it was.
    pub(super) fn look(
        &self,
        desk: &mut Desk,
        around: &Around<'_>,
        draft: &mut Draft,
        local: Option<&mut Local>,
        hits: &mut Vec<Hit>,
    ) {
        let context = around.context;
        let fields = std::mem::take(&mut draft.fields);
        let mut event = Event {
            id: match &local {
                None => self.id.clone(),
                Some(_) => EventId::derive(&[
                    &around.source.content,
                    &draft.position.to_le_bytes(),
                    &draft.ordinal.to_le_bytes(),
                    &draft.timestamp.as_nanos().to_le_bytes(),
                ]),
            },
            sensor: context.sensor.clone(),
            organization: context.organization,
            sequence: 0,
            timestamp: draft.timestamp,
            observed: around.now,
            dataset: draft.dataset.clone().into_owned(),
            zone: context.zone,
            marking: context.marking,
            purpose: context.purpose,
            exercise: context.exercise,
            fields,
        };
        desk.payload.clear();
        if event.fields.iter().any(|(name, _)| is_ours(name)) {
            // What a line says of our own envelope does not count, as it will not when the event is stamped.
            let claimed = event.fields.clone();
            event.fields.retain(|name, _| !is_ours(name));
            encode(&event, &mut desk.payload);
            event.fields = claimed;
        } else {
            encode(&event, &mut desk.payload);
        }
        draft.fields = std::mem::replace(&mut event.fields, Fields::new());
        let payload = &desk.payload;
        let local = local.map(Local::bringing);
        let mut sink = Sink { hits, local };
        // An event that we wrote ourselves can be read; one with too many fields is put aside at the centre, and told there.
        let scanned = desk.scanner.with(|scanner| scanner.scan(payload, &mut sink));
        if let (Some(local), Ok(timestamp)) = (sink.local, scanned) {
            local.finish(timestamp, around.now);
        }
    }
}

fn is_ours(name: &str) -> bool {
    field::is_envelope(name) || name == field::VARDE_MATCHED
}

impl MatchSink for Sink<'_, '_> {
    fn matched(&mut self, view: &EventView<'_>, hit: Match<'_>) {
        if let Some(local) = &mut self.local {
            local.matched(view, hit);
        }
        if let Origin::Rule(_, producer) = hit.origin {
            self.hits.push(Hit::of_rule(
                &producer.id.0,
                &producer.name,
                hit.severity,
                hit.raises,
            ));
        }
    }
}
