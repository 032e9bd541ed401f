//! What a live flow takes: the dense capture's flows, all of them live at once, and what the process' anonymous memory grew by.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use ingest::capture::{CaptureOptions, CaptureReader};

use super::traffic::DENSE_FLOWS;

/// Longer than any capture: no flow ends before it is counted.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// How many flows were live at most, and by how many bytes the process had grown then.
///
/// # Errors
/// If the capture can't be read, or the system does not say how much memory there is.
pub fn run(capture: &Path) -> anyhow::Result<(u64, u64)> {
    let options = CaptureOptions {
        flows_max: DENSE_FLOWS as usize + 1,
        flow_idle: FOREVER,
        flow_idle_tcp: FOREVER,
        flow_active: FOREVER,
        ..CaptureOptions::default()
    };
    let mut reader = CaptureReader::new(File::open(capture)?, options)?;
    let before = anonymous()?;
    let (mut records, mut most) = (Vec::new(), (0, 0));
    while reader.read(&mut records)? {
        records.clear();
        let live = reader.counts().flows_live;
        if live < most.0 {
            break;
        }
        if live == u64::from(DENSE_FLOWS) || most.0 + (1 << 14) <= live {
            most = (live, anonymous()?.saturating_sub(before));
        }
    }
    Ok(most)
}

/// Bytes of memory that no file is behind (`proc(5)`, `RssAnon`).
fn anonymous() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.context("find RssAnon")?.parse().context("read RssAnon")?;
    Ok(kib * 1024)
}
