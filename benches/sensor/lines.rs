//! What both ways of ours share: records as the sensor takes them from a source to its spool, as lines of JSON in a file.
//!
//! Events leave in full, and nothing is loaded to hold them against: what these two cost stands in rows of their own.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use ingest::disclose::Disclosure;
use ingest::disclose::policy::{DisclosureRule, Level};
use ingest::metrics::Metrics;
use ingest::publish;
use ingest::record::Record;
use ingest::scan::{Around, Scan};
use ingest::site::keys::SiteKey;
use ingest::spool::Stream;
use ingest::stamp::{SensorContext, SourceIdentity, locate, stamp};
use ingest_event::{Timestamp, Zone, encode, field};
use ipnet::IpNet;

/// The way from a source to a file.
pub struct Lines {
    home: Vec<IpNet>,
    context: SensorContext,
    source: SourceIdentity,
    scan: Scan,
    disclosure: Disclosure,
    out: BufWriter<File>,
    line: Vec<u8>,
    events: u64,
}

impl Lines {
    /// To a file, from a source that has a path if it is one.
    ///
    /// # Errors
    /// If the file can't be made.
    pub fn new(path: Option<&str>, out: &Path) -> anyhow::Result<Self> {
        let home = super::home()?;
        let rule = DisclosureRule {
            level: Some(Level::Full),
            ..DisclosureRule::default()
        };
        let key = SiteKey::of(1, [7; 32]);
        Ok(Self {
            context: super::context().context("the bench's own context")?,
            source: SourceIdentity {
                name: "bench".to_owned(),
                content: b"bench".to_vec(),
                path: path.map(str::to_owned),
            },
            scan: Scan::new(Metrics::new()?.scan),
            disclosure: Disclosure::new(Zone::Administration, &[rule], &key, &home, &[]),
            home,
            out: BufWriter::with_capacity(1 << 16, File::create(out)?),
            line: Vec::with_capacity(1 << 10),
            events: 0,
        })
    }

    /// Writes what a source handed in at once.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&mut self, records: &mut Vec<Record>) -> anyhow::Result<()> {
        let around = Around {
            context: &self.context,
            source: &self.source,
            now: Timestamp::EPOCH,
        };
        std::hint::black_box(self.scan.look(&around, records));
        for record in records.drain(..) {
            let Record::Event(mut draft) = record else {
                continue;
            };
            locate(&mut draft, &self.source);
            if self.disclosure.apply(&mut draft).level == Level::Nothing {
                continue;
            }
            let stream = Stream::of_dataset(&draft.dataset);
            self.events += 1;
            let mut event = stamp(&self.context, &self.source, draft, self.events, Timestamp::EPOCH);
            event.fields.set(field::VARDE_STREAM, stream.as_str());
            self.line.clear();
            encode(&event, &mut self.line);
            self.line.push(b'\n');
            std::hint::black_box(publish::key(&event, &self.home));
            self.out.write_all(&self.line)?;
        }
        drop(self.disclosure.pseudonyms().made());
        Ok(())
    }

    /// How many events were written, all of them.
    ///
    /// # Errors
    /// If the rest can't be written.
    pub fn end(mut self) -> anyhow::Result<u64> {
        self.out.flush()?;
        Ok(self.events)
    }
}
