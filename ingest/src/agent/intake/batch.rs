//! A batch between its source and the spool: disclosed and stamped once, however often the spool has to be asked.
//!
//! Only what is new with each attempt, the sequence numbers, is put in by [`Batch::fill`].

use std::sync::PoisonError;

use ingest_event::{Event, QuarantineReason, Timestamp, encode, field};

use super::{CANARY_DATASET, CANARY_KEY, Intake, OWN, disown};
use crate::agent::outline::Outline;
use crate::disclose::policy::Level;
use crate::publish;
use crate::record::{Draft, Record};
use crate::scan::{Around, Found, OfRecords};
use crate::spool::{Append, Progress, Stream};
use crate::stamp::{SourceIdentity, locate, stamp};

/// What may leave of a batch, with how much of each record that is; its source in clear, and as it is told of together
/// with pseudonyms.
type Disclosed = (Vec<Leaving>, SourceIdentity, SourceIdentity);

/// One record that may leave, how much of it that is, and what it matched if that may be told.
type Leaving = (Record, Level, Option<Found>);

/// Records on their way into the spool.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) format: String,
    pub(super) source: SourceIdentity,
    pub(super) outline: Outline,
    /// None once they are prepared.
    records: Option<Vec<Record>>,
    progress: Option<(String, Progress)>,
    events: Vec<Prepared>,
    refused: Vec<(QuarantineReason, Vec<u8>)>,
    observed: Timestamp,
}

#[derive(Debug)]
struct Prepared {
    stream: Stream,
    key: Vec<u8>,
    event: Event,
}

impl Batch {
    pub(super) fn new(
        format: &str,
        source: &SourceIdentity,
        mut records: Vec<Record>,
        progress: Option<(String, Progress)>,
    ) -> Self {
        if !OWN.contains(&format) {
            records.iter_mut().for_each(disown);
        }
        Self {
            format: format.to_owned(),
            source: source.clone(),
            outline: Outline::of(&records),
            records: Some(records),
            progress,
            events: Vec::new(),
            refused: Vec::new(),
            observed: Timestamp::EPOCH,
        }
    }

    /// Withholds what may not leave and stamps the rest, the first time.
    pub(super) fn prepare(&mut self, intake: &Intake) {
        let Some(records) = self.records.take() else {
            return;
        };
        self.observed = intake.clock.now();
        let mut records = records;
        let mut found = Vec::new();
        if !OWN.contains(&self.format.as_str()) {
            found = intake.detect(&self.source, &mut records, self.observed);
        }
        let (records, source, hidden) = intake.disclose(&self.source, records, found);
        for record in records {
            match record {
                (Record::Event(draft), level, found) => {
                    let source = if level == Level::Full { &source } else { &hidden };
                    self.events
                        .push(intake.prepared(source, draft, found, self.observed));
                }
                (Record::Refused(refusal), _, _) => {
                    let reason = refusal.reason;
                    let record = intake.keep(&hidden, refusal, self.observed);
                    self.refused
                        .push((reason, serde_json::to_vec(&record).unwrap_or_default()));
                }
            }
        }
    }

    /// Records that are accounted for: what may not leave is neither published nor lost.
    pub(super) fn read(&self) -> u64 {
        (self.events.len() + self.refused.len()) as u64
    }

    /// Why records of it were refused.
    pub(super) fn refused(&self) -> impl Iterator<Item = QuarantineReason> {
        self.refused.iter().map(|(reason, _)| *reason)
    }

    /// Puts all of it into an append.
    pub(super) fn fill(&mut self, append: &mut Append<'_>, sensor: &[u8]) {
        for Prepared { stream, key, event } in &mut self.events {
            append.write(*stream, event.timestamp, key, |sequence, out| {
                event.sequence = sequence;
                encode(event, out);
            });
        }
        for (_, value) in &self.refused {
            append.quarantine(self.observed, sensor, value);
        }
        if let Some((key, progress)) = &self.progress {
            append.progress(key, progress.clone());
        }
    }
}

impl Intake {
    /// What the records match; what is grave is told here while nobody else can be told.
    fn detect(&self, source: &SourceIdentity, records: &mut [Record], now: Timestamp) -> OfRecords {
        let around = Around {
            context: &self.context,
            source,
            now,
        };
        let (withheld, found) = self.island.with_local(now, |mut local| {
            let looked = self.scan.look_and_count(&around, records, local.as_deref_mut());
            if let Some(Some(local)) = local {
                self.island.hear_together(local, now);
            }
            looked
        });
        self.metrics.fields_withheld.inc_by(withheld);
        for (record, found) in records.iter().zip(&found) {
            if let Record::Event(draft) = record {
                self.island.hear(draft, found.as_ref(), &self.home_networks, now);
            }
        }
        found
    }

    /// Withholds and hides what may not leave: what is left, with how much of it that is, and the source in clear and
    /// as it is told of together with pseudonyms.
    fn disclose(&self, source: &SourceIdentity, records: Vec<Record>, found: OfRecords) -> Disclosed {
        let mut site = self.site.lock().unwrap_or_else(PoisonError::into_inner);
        let hidden = site.disclosure.source(source);
        let (mut leaving, mut fields, mut events) = (Vec::with_capacity(records.len()), 0, 0);
        let found = found.into_iter().chain(std::iter::repeat(None));
        for (mut record, found) in records.into_iter().zip(found) {
            let (mut level, mut found) = (Level::Full, found);
            if let Record::Event(draft) = &mut record {
                locate(draft, source);
                let disclosed = site.disclosure.apply(draft);
                fields += disclosed.withheld;
                level = disclosed.level;
                found = found.filter(|_| disclosed.matches);
            }
            if level == Level::Nothing {
                events += 1;
            } else {
                leaving.push((record, level, found));
            }
        }
        if let Err(error) = site.remember() {
            tracing::error!(%error, "write down what pseudonyms stand for; those of names can't be revealed");
        }
        drop(site);
        self.metrics.fields_withheld.inc_by(fields);
        self.metrics.events_withheld.inc_by(events);
        (leaving, source.clone(), hidden)
    }

    fn prepared(
        &self,
        source: &SourceIdentity,
        draft: Draft,
        found: Option<Found>,
        observed: Timestamp,
    ) -> Prepared {
        let mut stream = Stream::of_dataset(&draft.dataset);
        if found
            .as_ref()
            .is_some_and(|found| self.scan.passes(found, observed))
        {
            stream = Stream::Alert;
        }
        let mut event = stamp(&self.context, source, draft, 0, observed);
        // Neither is a part of what was seen, so not of the id. What a line claims to have matched is nobody's word.
        match found {
            Some(found) => event.fields.set(field::VARDE_MATCHED, found.value()),
            None => drop(event.fields.remove(field::VARDE_MATCHED)),
        }
        event.fields.set(field::VARDE_STREAM, stream.as_str());
        let key = if event.dataset == CANARY_DATASET {
            [event.organization.as_str().as_bytes(), CANARY_KEY].concat()
        } else {
            publish::key(&event, &self.home_networks)
        };
        Prepared { stream, key, event }
    }
}
