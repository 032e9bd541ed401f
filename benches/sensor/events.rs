//! Our side as a process: a capture file to events, written as lines of JSON, with the sensor's own stages between.

use std::fs::File;
use std::path::Path;

use ingest::capture::{CaptureOptions, CaptureReader};

use super::lines::Lines;

/// Writes the events of a capture, as they would leave in full, or its flows alone; gives their number.
///
/// # Errors
/// If a file can't be read or written.
pub fn run(capture: &Path, out: &Path, metadata: bool) -> anyhow::Result<u64> {
    let options = CaptureOptions {
        home_networks: super::home()?,
        metadata,
        ..CaptureOptions::default()
    };
    let mut reader = CaptureReader::new(File::open(capture)?, options)?;
    let (mut lines, mut records) = (Lines::new(Some("bench"), out)?, Vec::new());
    loop {
        let goes_on = reader.read(&mut records)?;
        lines.write(&mut records)?;
        if !goes_on {
            return lines.end();
        }
    }
}
