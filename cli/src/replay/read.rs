//! The first half of a replay, on a thread of its own: open → read → stamp → encode.
//!
//! Hands on [`Piece`]s over a short channel. An input that can't be read is told, and the next one is read. The
//! stamps are the sensor's own, so that an event has the same id here and in production.

use std::sync::mpsc::{Receiver, SendError, SyncSender, sync_channel};
use std::thread::Scope;

use ingest::config::Config;
use ingest::disclose::policy::Level;
use ingest::disclose::{Disclosure, disclose};
use ingest::record::Record;
use ingest::site::keys::SiteKey;
use ingest::source::{FileOptions, open};
use ingest::stamp::{EnvelopeTrust, SensorContext, SourceIdentity, locate, put_aside, stamp};
use ingest_event::{
    Event, KeptRecord, Marking, OrganizationNumber, Purpose, SensorId, Timestamp, Zone, encode,
};
use ipnet::IpNet;

use super::inputs::Input;
use crate::clock;
use crate::text::chain;

/// Pieces that may wait: enough that neither thread waits for the other's next slice of time.
const PIECES_WAITING_MAX: usize = 8;

/// What is refused here stays here, so that its digest needs no secret.
const NO_KEY: [u8; 32] = [0; 32];

/// What to replay, and as whose.
#[derive(Clone, Debug)]
pub struct Source {
    /// In the order in which they are read.
    pub inputs: Vec<Input>,
    /// Whose network it is.
    pub organization: Whose,
    /// Which sensor saw it.
    pub sensor: SensorId,
    /// The part of the network.
    pub zone: Zone,
    /// The networks that are ours, for `network.direction`.
    pub home_networks: Vec<IpNet>,
    /// As which sensor would send it; `None` for everything but payload.
    pub privacy: Option<Privacy>,
}

/// What a sensor lets out, and under which key.
#[derive(Clone, Debug)]
pub struct Privacy {
    /// The sensor's configuration.
    pub config: Config,
    /// Its key.
    pub key: SiteKey,
}

/// Whose network the events are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This one's, whatever the events say.
    Always(OrganizationNumber),
    /// As the events say; this one's where they don't.
    UnlessSaid(OrganizationNumber),
}

/// One step of the reading.
#[derive(Debug)]
pub(super) enum Piece {
    /// The next input begins.
    Opened {
        /// As it was named.
        path: String,
        /// What it was recognised as; empty if it can't be read.
        format: String,
    },
    /// Some of its events.
    Batch(Batch),
    /// It ends.
    Ended {
        /// Why it could not be read, or not to its end.
        failed: Option<String>,
        /// Bytes read of it.
        bytes: u64,
    },
}

/// Events in wire form, in order, and what was refused among them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    events: Vec<Place>,
    /// What was put aside.
    pub(super) refused: Vec<KeptRecord>,
    /// Bytes of the input read so far.
    pub(super) bytes_read: u64,
}

/// Where an event is in a [`Batch`], with what the second half needs to know of it.
#[derive(Clone, Copy, Debug)]
struct Place {
    end: usize,
    organization: OrganizationNumber,
    timestamp: Timestamp,
}

/// An event in wire form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    /// Its bytes.
    pub(super) bytes: &'a [u8],
    /// Whose it is.
    pub(super) organization: OrganizationNumber,
    /// When it happened.
    pub(super) timestamp: Timestamp,
}

impl Batch {
    /// Each event, in order.
    pub(super) fn payloads(&self) -> impl Iterator<Item = Payload<'_>> {
        let starts = std::iter::once(0).chain(self.events.iter().map(|place| place.end));
        starts.zip(&self.events).filter_map(|(start, place)| {
            let bytes = self.bytes.get(start..place.end)?;
            Some(Payload {
                bytes,
                organization: place.organization,
                timestamp: place.timestamp,
            })
        })
    }

    fn push(&mut self, event: &Event) {
        encode(event, &mut self.bytes);
        let (organization, timestamp) = (event.organization, event.timestamp);
        self.events.push(Place {
            end: self.bytes.len(),
            organization,
            timestamp,
        });
    }
}

/// Starts reading. The channel closes after the last input; dropping the receiver stops it.
pub(super) fn spawn<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    source: &'env Source,
) -> Receiver<Piece> {
    let (sender, receiver) = sync_channel(PIECES_WAITING_MAX);
    scope.spawn(move || {
        let mut stamper = Stamper::new(source);
        for input in &source.inputs {
            if read_input(&mut stamper, input, &sender).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Reads one input; an error if nobody listens any more.
fn read_input(
    stamper: &mut Stamper<'_>,
    input: &Input,
    to: &SyncSender<Piece>,
) -> Result<(), SendError<Piece>> {
    let path = input.path.display().to_string();
    let options = FileOptions {
        dataset: input.dataset.clone(),
        home_networks: stamper.source.home_networks.clone(),
        year: input.year,
        utc_offset_secs: 0,
    };
    let mut file = match open(&input.path, &options) {
        Ok(file) => file,
        Err(error) => {
            to.send(Piece::Opened {
                path,
                format: String::new(),
            })?;
            return to.send(Piece::Ended {
                failed: Some(chain(&error)),
                bytes: 0,
            });
        }
    };
    let identity = SourceIdentity {
        content: file.identity().to_vec(),
        path: Some(path.clone()),
        name: path.clone(),
    };
    to.send(Piece::Opened {
        path,
        format: file.format().as_str().to_owned(),
    })?;
    let mut records = Vec::new();
    let failed = loop {
        let read = file.read(&mut records);
        let mut batch = Batch {
            bytes_read: file.bytes_read(),
            ..Batch::default()
        };
        for record in records.drain(..) {
            stamper.stamp(record, &identity, &mut batch);
        }
        to.send(Piece::Batch(batch))?;
        match read {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(chain(&error)),
        }
    };
    to.send(Piece::Ended {
        failed,
        bytes: file.bytes_read(),
    })
}

/// Puts sensor, organisation, id and sequence number on records, and takes out what a sensor would not disclose.
struct Stamper<'a> {
    source: &'a Source,
    context: SensorContext,
    sequence: u64,
    now: Timestamp,
    disclosure: Option<Disclosure>,
}

impl<'a> Stamper<'a> {
    fn new(source: &'a Source) -> Self {
        let (Whose::Always(organization) | Whose::UnlessSaid(organization)) = source.organization;
        let context = SensorContext {
            sensor: source.sensor.clone(),
            organization,
            zone: source.zone,
            marking: Marking::Unmarked,
            purpose: Purpose::Replay,
            exercise: false,
            envelope: EnvelopeTrust::AsWritten,
        };
        Self {
            source,
            context,
            sequence: 0,
            now: clock::now(),
            disclosure: source
                .privacy
                .as_ref()
                .map(|privacy| privacy.config.disclosure(&privacy.key)),
        }
    }

    fn stamp(&mut self, record: Record, identity: &SourceIdentity, batch: &mut Batch) {
        match record {
            Record::Event(mut draft) => {
                locate(&mut draft, identity);
                if let Some(disclosure) = &mut self.disclosure
                    && disclosure.apply(&mut draft).level == Level::Nothing
                {
                    return;
                }
                self.sequence += 1;
                // What is printed must not depend on the clock: it is as if the sensor had read it at once.
                let observed = draft.timestamp;
                let mut event = stamp(&self.context, identity, draft, self.sequence, observed);
                if let Whose::Always(organization) = self.source.organization {
                    event.organization = organization;
                }
                disclose(&mut event.fields);
                batch.push(&event);
            }
            Record::Refused(refusal) => {
                // Nothing leaves: whoever replays sees it whole.
                let aside = put_aside(&self.context, identity, refusal, self.now, &NO_KEY);
                batch.refused.push(aside.kept);
            }
        }
    }
}
