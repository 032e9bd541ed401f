//! Sets of NetFlow v9 and IPFIX: templates are kept, records are read by them, and what has none yet waits.
//!
//! RFC 7011 section 3.3 and RFC 3954 section 5.1. The lengths of all sets are checked before the first is read, so that
//! a datagram that was cut hands out nothing.

use ingest_event::Timestamp;

use super::{
    CollectError, Collector, Origin,
    cursor::Cursor,
    domain::{Domain, DomainKey, Kept},
    reading::{Reading, Surroundings},
    record::FlowRecord,
    template::{self, Defined, Dialect, Kind, TEMPLATE_MIN, Template},
    waiting::{Set, TooOld},
};

/// Number and length.
const HEADER_BYTES: usize = 4;

/// Records of sets that waited for their template which are handed out at once; the set that crosses it is finished. A
/// template may bring back 4 MiB of sets with records of a few bytes: all at once they would take a gigabyte.
pub const RESUMED_MAX: u64 = 4_000;

/// Where the next set of a datagram is.
struct Place {
    number: u16,
    /// Of its header.
    at: usize,
    end: usize,
}

/// Reads the sets of a message, which begin at `body`.
#[expect(
    clippy::too_many_arguments,
    reason = "what the two protocols' headers say, and where the flows go"
)]
pub(super) fn collect(
    collector: &mut Collector,
    origin: &Origin,
    uptime: Option<u32>,
    dialect: Dialect,
    message: &[u8],
    body: usize,
    now: Timestamp,
    flow: &mut impl FnMut(&Origin, &FlowRecord),
) -> Result<(), CollectError> {
    let mut at = body;
    while let Some(place) = place(message, at)? {
        at = place.end;
    }
    let mut reader = Reader {
        collector,
        uptime,
        now,
        records: Some(0),
        resumed: 0,
        first_error: None,
    };
    reader.collector.domains.heard(origin.key(), now);
    let mut at = body;
    while let Some(place) = place(message, at)? {
        at = place.end;
        let body_at = place.at + HEADER_BYTES;
        let body = message.get(body_at..place.end).unwrap_or_default();
        match (place.number, dialect) {
            (0, Dialect::Netflow9) | (2, Dialect::Ipfix) => {
                reader.templates(origin, Kind::Data, dialect, place.at, body, flow);
            }
            (1, Dialect::Netflow9) | (3, Dialect::Ipfix) => {
                reader.templates(origin, Kind::Options, dialect, place.at, body, flow);
            }
            (number, _) if TEMPLATE_MIN <= number => reader.data(origin, number, body_at, body, flow),
            // Numbers that nobody has given a meaning (RFC 7011 section 3.3.2).
            _ => reader.collector.counts.others += 1,
        }
    }
    let step = match dialect {
        Dialect::Netflow9 => Some(1),
        Dialect::Ipfix => reader.records,
    };
    let error = reader.first_error;
    collector.sequence(origin.key(), origin.sequence, step, now);
    error.map_or(Ok(()), Err)
}

/// The set at a place; `None` at the end, which may be full of zeros.
fn place(message: &[u8], at: usize) -> Result<Option<Place>, CollectError> {
    let rest = message.get(at..).unwrap_or_default();
    let mut cursor = Cursor::new(rest);
    let error = |length| CollectError::SetLength {
        at,
        length,
        bytes: rest.len(),
    };
    match (cursor.u16(), cursor.u16()) {
        (Some(number), Some(length)) if HEADER_BYTES <= usize::from(length) => {
            let length = usize::from(length);
            if rest.len() < length {
                return Err(error(length));
            }
            Ok(Some(Place {
                number,
                at,
                end: at + length,
            }))
        }
        // No set is so short: padding, if it is all zeros.
        _ if rest.iter().all(|byte| *byte == 0) => Ok(None),
        (_, length) => Err(error(length.map_or(rest.len(), usize::from))),
    }
}

/// Reads the sets of one datagram.
struct Reader<'a> {
    collector: &'a mut Collector,
    uptime: Option<u32>,
    now: Timestamp,
    /// Data records, as IPFIX numbers them; `None` once some could not be counted.
    records: Option<u32>,
    /// Records of sets that had waited.
    resumed: u64,
    first_error: Option<CollectError>,
}

/// Reads on in sets whose template has come, until there are [`RESUMED_MAX`] records.
pub(super) fn resume(collector: &mut Collector, now: Timestamp, flow: &mut impl FnMut(&Origin, &FlowRecord)) {
    let mut reader = Reader {
        collector,
        uptime: None,
        now,
        records: None,
        resumed: 0,
        first_error: None,
    };
    while let Some((key, number)) = reader.collector.resuming.first().copied() {
        // A template that was withdrawn meanwhile: its sets go on waiting, for another one.
        let domain = reader.collector.domains.get(key);
        let is_held = domain.is_some_and(|domain| domain.template(number).is_some());
        if is_held && !reader.resume(key, number, flow) {
            return;
        }
        reader.collector.resuming.remove(&(key, number));
    }
}

impl Reader<'_> {
    fn templates(
        &mut self,
        origin: &Origin,
        kind: Kind,
        dialect: Dialect,
        at: usize,
        body: &[u8],
        flow: &mut impl FnMut(&Origin, &FlowRecord),
    ) {
        let mut cursor = Cursor::new(body);
        let key = origin.key();
        while let Some(defined) = template::next(&mut cursor, kind, dialect, at) {
            let domains = &mut self.collector.domains;
            match defined {
                Ok(Defined::Template(number, template)) => {
                    match domains.keep(key, number, template, self.now) {
                        Ok(Kept::New) => {
                            self.collector.changes += 1;
                            self.claim(origin, number, flow);
                        }
                        Ok(Kept::Same) => {}
                        Err(error) => self.fail(error),
                    }
                }
                Ok(Defined::Withdrawn(number)) => {
                    domains.withdraw(key, Some(number), kind);
                    self.collector.changes += 1;
                }
                Ok(Defined::AllWithdrawn) => {
                    domains.withdraw(key, None, kind);
                    self.collector.changes += 1;
                }
                Err(error @ CollectError::TemplateFields { .. }) => self.fail(error),
                Err(error) => {
                    // What comes behind it can't be told apart.
                    self.fail(error);
                    break;
                }
            }
        }
    }

    /// Reads the sets that waited for a template, or as many of them as one datagram may bring back.
    fn claim(&mut self, origin: &Origin, number: u16, flow: &mut impl FnMut(&Origin, &FlowRecord)) {
        let (uptime, records) = (self.uptime, self.records);
        if !self.resume(origin.key(), number, flow) {
            self.collector.resuming.insert((origin.key(), number));
        }
        // These were numbered with datagrams before.
        (self.uptime, self.records) = (uptime, records);
    }

    /// Reads sets that waited for a template; false if there are more of them.
    fn resume(&mut self, key: DomainKey, number: u16, flow: &mut impl FnMut(&Origin, &FlowRecord)) -> bool {
        while self.resumed < RESUMED_MAX {
            let Some(claimed) = self.collector.waiting.claim(key, number, self.now) else {
                return true;
            };
            match claimed {
                Ok(set) => {
                    self.uptime = set.uptime;
                    self.collector.counts.sets_resumed += 1;
                    let before = self.collector.counts;
                    self.data(&set.origin, number, set.at, &set.body, flow);
                    let after = self.collector.counts;
                    self.resumed += (after.flows - before.flows) + (after.others - before.others);
                }
                Err(TooOld) => self.collector.counts.sets_dropped += 1,
            }
        }
        false
    }

    fn data(
        &mut self,
        origin: &Origin,
        number: u16,
        at: usize,
        body: &[u8],
        flow: &mut impl FnMut(&Origin, &FlowRecord),
    ) {
        let domain = self.collector.domains.get(origin.key());
        let Some((domain, template)) = domain.and_then(|domain| Some((domain, domain.template(number)?)))
        else {
            self.records = None;
            self.wait(origin, number, at, body);
            return;
        };
        match template.kind {
            Kind::Data => {
                let around = Surroundings {
                    exported: origin.exported,
                    uptime: self.uptime,
                    system_init: domain.system_init,
                };
                let read = flows(origin, domain, template, around, at, body, flow);
                self.collector.counts.flows += read.flows;
                self.collector.counts.others += read.others;
                self.counted(read.flows + read.others, read.is_whole, number, at);
            }
            Kind::Options => {
                // A template may be read while its domain is changed: options are rare, so a copy does.
                let template = template.clone();
                self.options(origin, &template, number, at, body);
            }
        }
    }

    /// What an exporter says of itself: how it samples, and when it started.
    fn options(&mut self, origin: &Origin, template: &Template, number: u16, at: usize, body: &[u8]) {
        let (mut cursor, mut options, mut reading) = (Cursor::new(body), 0, Reading::default());
        let mut is_whole = true;
        while template.least() <= cursor.left() && !is_padding(template, &cursor) {
            if template.read(&mut cursor, &mut reading).is_none() {
                is_whole = false;
                break;
            }
            options += 1;
            if let Some(domain) = self.collector.domains.get_mut(origin.key()) {
                let before = (domain.sampling(reading.sampler), domain.system_init);
                if let Some(interval) = reading.sampling() {
                    domain.samples(reading.sampler, interval);
                }
                domain.system_init = reading.system_init.or(domain.system_init);
                let after = (domain.sampling(reading.sampler), domain.system_init);
                self.collector.changes += u64::from(before != after);
            }
        }
        self.collector.counts.options += options;
        self.counted(options, is_whole, number, at);
    }

    fn counted(&mut self, records: u64, is_whole: bool, template: u16, at: usize) {
        self.records = self
            .records
            .filter(|_| is_whole)
            .map(|before| before.wrapping_add(records as u32));
        if !is_whole {
            self.fail(CollectError::Record {
                template,
                at: at - HEADER_BYTES,
            });
        }
    }

    fn wait(&mut self, origin: &Origin, template: u16, at: usize, body: &[u8]) {
        let set = Set {
            origin: *origin,
            uptime: self.uptime,
            at,
            body: body.into(),
            since: self.now,
        };
        let dropped = self.collector.waiting.push(origin.key(), template, set);
        self.collector.counts.sets_dropped += dropped;
    }

    fn fail(&mut self, error: CollectError) {
        self.first_error = self.first_error.or(Some(error));
    }
}

/// How many records a set had.
struct Read {
    flows: u64,
    others: u64,
    /// Whether no record led out of it.
    is_whole: bool,
}

/// Hands out the flows of a set.
fn flows(
    origin: &Origin,
    domain: &Domain,
    template: &Template,
    mut around: Surroundings,
    at: usize,
    body: &[u8],
    flow: &mut impl FnMut(&Origin, &FlowRecord),
) -> Read {
    let mut cursor = Cursor::new(body);
    let mut read = Read {
        flows: 0,
        others: 0,
        is_whole: true,
    };
    let mut reading = Reading::default();
    while template.least() <= cursor.left() && !is_padding(template, &cursor) {
        let offset = at + body.len() - cursor.left();
        if template.read(&mut cursor, &mut reading).is_none() {
            read.is_whole = false;
            break;
        }
        around.system_init = reading.system_init.or(around.system_init);
        let sampling = reading.sampling();
        let sampling = sampling.unwrap_or_else(|| domain.sampling(reading.sampler));
        match reading.flow(template, offset as u32, sampling, &around) {
            Some(record) => {
                read.flows += 1;
                flow(origin, &record);
            }
            None => read.others += 1,
        }
    }
    read
}

/// Up to three zeros behind the last record align the next set (RFC 7011 section 3.3.1): no record, even if records are
/// as short.
fn is_padding(template: &Template, cursor: &Cursor<'_>) -> bool {
    cursor.left() < HEADER_BYTES
        && template.least() < HEADER_BYTES
        && cursor.rest().iter().all(|byte| *byte == 0)
}
