//! Our side as a process: a capture file to events, written as lines of JSON, with the sensor's own stages between.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use ingest::capture::{CaptureOptions, CaptureReader};
use ingest::disclose::Disclosure;
use ingest::disclose::policy::{DisclosureRule, Level};
use ingest::publish;
use ingest::record::Record;
use ingest::site::keys::SiteKey;
use ingest::stamp::{SourceIdentity, stamp};
use ingest_event::{Timestamp, Zone, encode};

/// Writes the events of a capture, as they would leave in full, or its flows alone; gives their number.
///
/// # Errors
/// If a file can't be read or written.
pub fn run(capture: &Path, out: &Path, metadata: bool) -> anyhow::Result<u64> {
    let home = super::home()?;
    let rule = DisclosureRule {
        level: Some(Level::Full),
        ..DisclosureRule::default()
    };
    let mut disclosure = Disclosure::new(
        Zone::Administration,
        &[rule],
        &SiteKey::of(1, [7; 32]),
        &home,
        &[],
    );
    let context = super::context().ok_or_else(|| anyhow::anyhow!("the bench's own context"))?;
    let source = SourceIdentity {
        name: "bench".to_owned(),
        content: b"bench".to_vec(),
        path: Some("bench".to_owned()),
    };
    let options = CaptureOptions {
        home_networks: home.clone(),
        metadata,
        ..CaptureOptions::default()
    };
    let mut reader = CaptureReader::new(File::open(capture)?, options)?;
    let mut out = BufWriter::with_capacity(1 << 16, File::create(out)?);
    let (mut records, mut line, mut events) = (Vec::new(), Vec::with_capacity(1 << 10), 0);
    loop {
        let goes_on = reader.read(&mut records)?;
        for record in records.drain(..) {
            let Record::Event(mut draft) = record else {
                continue;
            };
            disclosure.apply(&mut draft);
            events += 1;
            let event = stamp(&context, &source, draft, events, Timestamp::EPOCH);
            line.clear();
            encode(&event, &mut line);
            line.push(b'\n');
            std::hint::black_box(publish::key(&event, &home));
            out.write_all(&line)?;
        }
        if !goes_on {
            break;
        }
    }
    out.flush()?;
    Ok(events)
}
