//! What was refused, told to a person: `file:line: reason: what is wrong and what mends it`.
//!
//! The first of each reason are told, the rest is counted: a million broken lines are one fact, not a million.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ingest_event::{KeptRecord, QuarantineReason};

use crate::Terminal;
use crate::text::{number, shown};

/// So many of each reason are told: a screenful, and enough to see what they have in common.
const TOLD_MAX: u64 = 20;

/// A line longer than this says no more.
const DETAIL_CHARACTERS_MAX: usize = 400;

/// What mends it, where the detail is a parser's and does not say.
const fn mend(reason: QuarantineReason) -> &'static str {
    match reason {
        QuarantineReason::NoTimestamp => "; have the sender write `@timestamp` (RFC 3339)",
        QuarantineReason::BadField
        | QuarantineReason::Malformed
        | QuarantineReason::NotJson
        | QuarantineReason::NotUtf8
        | QuarantineReason::SchemaTooNew
        | QuarantineReason::TooLarge
        | QuarantineReason::TooManyFields
        | QuarantineReason::Truncated
        | QuarantineReason::UnknownFormat
        | QuarantineReason::WrongOrganization => "",
    }
}

/// Counts and tells what is refused, and writes it to `--quarantine`.
pub(super) struct Refusals {
    counts: BTreeMap<QuarantineReason, u64>,
    file: Option<BufWriter<File>>,
}

impl Refusals {
    /// Writes to the file `quarantine`, if there is one.
    pub(super) fn new(quarantine: Option<&Path>) -> io::Result<Self> {
        let file = quarantine.map(File::create).transpose()?.map(BufWriter::new);
        Ok(Self {
            counts: BTreeMap::new(),
            file,
        })
    }

    /// Takes one. `tell` prints a line on standard error.
    pub(super) fn take(&mut self, kept: &KeptRecord, tell: &mut dyn FnMut(&str)) -> io::Result<()> {
        let record = &kept.record;
        let count = self.counts.entry(record.reason).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            tell(&format!(
                "{}:{}: {}: {}{}",
                shown(&record.source, DETAIL_CHARACTERS_MAX),
                record.position,
                record.reason,
                shown(&record.detail, DETAIL_CHARACTERS_MAX),
                mend(record.reason)
            ));
        }
        if let Some(file) = &mut self.file {
            serde_json::to_writer(&mut *file, kept)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Tells how many were not told, and closes the file.
    pub(super) fn finish(mut self, terminal: &mut Terminal<'_>) -> io::Result<()> {
        for (reason, count) in &self.counts {
            if TOLD_MAX < *count {
                terminal.tell(&format!(
                    "{} more {reason}: not shown; --quarantine FILE keeps them all",
                    number(count - TOLD_MAX)
                ));
            }
        }
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        Ok(())
    }
}
