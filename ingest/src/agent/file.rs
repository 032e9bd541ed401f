//! Reads a file from its start to its end, passing over what an earlier run spooled of it.

use std::sync::Arc;

use ingest_event::QuarantineReason;
use tokio_util::sync::CancellationToken;

use super::Intake;
use crate::config;
use crate::record::{Record, Refusal};
use crate::source::{self, FileOptions};
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
    let mut source = match opened {
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
    let mut progress = tokio::task::spawn_blocking(move || asked.progress(&of)).await??;
    // The same input gives the same records, so those that are spooled already are the first ones.
    let mut passed = progress.records;
    loop {
        if stop.is_cancelled() {
            return Ok(());
        }
        let counted = source.capture_counts();
        let (returned, result, mut records) = tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            let result = source.read(&mut records);
            (source, result, records)
        })
        .await?;
        source = returned;
        intake.metrics().capture.advance(counted, source.capture_counts());
        let known = usize::try_from(passed).unwrap_or(usize::MAX).min(records.len());
        passed -= known as u64;
        records.drain(..known);
        if !records.is_empty() {
            progress.records += records.len() as u64;
            let place = Some((key.clone(), progress.clone()));
            let format = source.format().as_str();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                handed = intake.hand_in(format, &identity, records, place) => handed?,
            }
        }
        match result {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                return fail(
                    &intake,
                    path,
                    QuarantineReason::Truncated,
                    anyhow::Error::new(error),
                )
                .await;
            }
        }
    }
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
