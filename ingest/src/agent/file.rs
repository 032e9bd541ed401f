//! Reads a file from its start to its end, passing over what an earlier run spooled of it.
//!
//! While a bite is spooled the next one is read, so that two cores have work. The order stays, and with it every byte.

use std::sync::Arc;

use ingest_event::QuarantineReason;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Intake;
use crate::config;
use crate::record::{Record, Refusal};
use crate::source::{self, FileOptions, FileSource, ReadError};
use crate::stamp::SourceIdentity;

/// Reads one file. A file that can't be read fails itself, not the sensor: it is counted, told, and put into quarantine.
pub(super) async fn read(
    file: config::FileSource,
    intake: Arc<Intake>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let options = FileOptions {
        dataset: file.dataset,
        home_networks: intake.home_networks().to_vec(),
        year: file.year,
        utc_offset_secs: file.utc_offset_secs,
    };
    let path = file.path.display().to_string();
    let opened = tokio::task::spawn_blocking(move || source::open(&file.path, &options)).await?;
    let source = match opened {
        Ok(source) => source,
        Err(error) => {
            let reason = reason(&error);
            return fail(&intake, path, reason, anyhow::Error::new(error)).await;
        }
    };
    let identity = SourceIdentity {
        name: path.clone(),
        content: source.identity().to_vec(),
        path: Some(path.clone()),
    };
    let key = format!("file:{path}#{}", String::from_utf8_lossy(source.identity()));
    let (asked, of) = (Arc::clone(&intake), key.clone());
    let mut progress = tokio::task::spawn_blocking(move || asked.progress(&of)).await?;
    // The same input gives the same records, so those that are spooled already are the first ones.
    let mut passed = progress.records;
    let format = source.format().as_str();
    let mut counted = source.capture_counts();
    let mut reading = Some(read_on(source));
    while let Some(bite) = reading.take() {
        if stop.is_cancelled() {
            return Ok(());
        }
        let Bite {
            source,
            result,
            mut records,
        } = bite.await?;
        intake.metrics().capture.advance(counted, source.capture_counts());
        counted = source.capture_counts();
        if let Ok(true) = result {
            reading = Some(read_on(source));
        }
        let known = usize::try_from(passed).unwrap_or(usize::MAX).min(records.len());
        passed -= known as u64;
        records.drain(..known);
        if !records.is_empty() {
            progress.records += records.len() as u64;
            let place = Some((key.clone(), progress.clone()));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                handed = intake.hand_in(format, &identity, records, place) => handed?,
            }
        }
        if let Err(error) = result {
            let error = anyhow::Error::new(error);
            return fail(&intake, path, QuarantineReason::Truncated, error).await;
        }
    }
    Ok(())
}

/// What one read brought.
struct Bite {
    source: FileSource,
    result: Result<bool, ReadError>,
    records: Vec<Record>,
}

/// Begins to read the next bite.
fn read_on(mut source: FileSource) -> JoinHandle<Bite> {
    tokio::task::spawn_blocking(move || {
        let mut records = Vec::new();
        let result = source.read(&mut records);
        Bite {
            source,
            result,
            records,
        }
    })
}

fn reason(error: &source::OpenError) -> QuarantineReason {
    match error {
        source::OpenError::UnknownFormat { .. } | source::OpenError::Capture { .. } => {
            QuarantineReason::UnknownFormat
        }
        source::OpenError::Empty { .. } => QuarantineReason::Truncated,
        source::OpenError::Open { .. }
        | source::OpenError::Directory { .. }
        | source::OpenError::Read { .. } => QuarantineReason::Malformed,
    }
}

async fn fail(
    intake: &Arc<Intake>,
    path: String,
    reason: QuarantineReason,
    error: anyhow::Error,
) -> anyhow::Result<()> {
    let detail = format!("{error:#}");
    tracing::error!(error = detail, "a source can't be read");
    intake.metrics().source_failures.inc();
    let identity = SourceIdentity {
        content: path.clone().into_bytes(),
        name: path,
        path: None,
    };
    let refusal = Refusal::new(reason, detail, 0, &[]);
    intake
        .hand_in("none", &identity, vec![Record::Refused(refusal)], None)
        .await
}
