//! Feeds of indicators to checked [`Indicator`]s, one at a time: plain lists, CSV, MISP events and STIX 2.1 bundles.
//!
//! [`read_feed`] tells the format by content, hands every indicator on in normal form as it comes, and counts
//! everything else by reason in a [`FeedReport`]. Nothing is kept but the value in hand, so ten million lines need no
//! memory; only JSON documents are held whole, up to a limit. Validity is not judged here: an indicator that is out
//! of date is noted and handed on, since it is compared with the event's time.

mod document;
mod files;
mod intake;
mod lines;
mod misp;
mod normal;
mod options;
mod plain;
mod report;
mod stix;
mod table;

use std::io::{self, BufRead, Read};

use detect_alert::{Indicator, IndicatorKind};

use crate::{Code, Diagnostic};
use intake::Intake;

pub(crate) use files::unreadable;
pub(crate) use misp::misp_kinds;

pub use files::{feed_files, feed_options, read_feed_file, source_name};
pub use normal::Refusals;
pub use options::{Column, FeedDescription, FeedFormat, FeedOptions, Meaning, TableLayout};
pub use report::{EXAMPLES_MAX, FeedReport, Finding, FoundAt, Outcome, Reason};

/// The format is told from so many bytes at the beginning.
const HEAD_BYTES: u64 = 64 * 1024;

/// So many findings of each reason become diagnostics where all indicators are returned at once.
const DIAGNOSTICS_MAX: usize = 1000;

/// Reads a feed of any format. `path` is for the report only.
///
/// # Errors
/// If `reader` fails; what was read until then has been handed on. A feed that is wrong is no error: it is counted.
pub fn read_feed(
    mut reader: impl BufRead,
    path: &str,
    options: &FeedOptions,
    sink: &mut impl FnMut(Indicator),
    report: &mut FeedReport,
) -> io::Result<()> {
    let mut head = Vec::new();
    reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let text = String::from_utf8_lossy(&head).into_owned();
    let text = text.trim_start_matches('\u{feff}');
    let mut intake = Intake {
        path,
        options,
        report,
        sink,
    };
    if is_packed(&head) {
        intake.packed();
        return Ok(());
    }
    let mut whole = io::Cursor::new(&head).chain(reader);
    let layout = &options.table;
    let format = options.format.unwrap_or_else(|| told_apart(text, layout));
    match format {
        FeedFormat::Misp | FeedFormat::Stix => document::read(&mut whole, &mut intake),
        FeedFormat::Plain => plain::read(&mut whole, &mut intake),
        FeedFormat::Csv => {
            let delimiter = layout.delimiter.or_else(|| table::delimiter(text, layout));
            table::read(whole, delimiter.unwrap_or(b','), &mut intake)
        }
    }
}

/// Both JSON formats are read as documents, which tells them apart.
fn told_apart(head: &str, layout: &TableLayout) -> FeedFormat {
    if document::is_json(head) {
        FeedFormat::Misp
    } else if !layout.columns.is_empty() || table::delimiter(head, layout).is_some() {
        FeedFormat::Csv
    } else {
        FeedFormat::Plain
    }
}

/// Whether it begins as gzip, Zstandard, ZIP, bzip2 or xz do.
fn is_packed(head: &[u8]) -> bool {
    let magics: [&[u8]; 5] = [
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
        b"PK\x03\x04",
        b"BZh",
        b"\xfd7zXZ\0",
    ];
    magics.iter().any(|magic| head.starts_with(magic))
}

/// Reads the text of a feed. `source` is the feed's name where a row does not say.
#[must_use]
pub fn check_indicators(path: &str, source: &str, text: &str) -> (Vec<Indicator>, Vec<Diagnostic>) {
    collect(|mut sink, report| {
        let options = FeedOptions::new(source);
        read_feed(text.as_bytes(), path, &options, &mut sink, report)
    })
}

/// What a reader hands on, all at once, and what it counts as diagnostics.
pub(crate) fn collect(
    read: impl FnOnce(&mut dyn FnMut(Indicator), &mut FeedReport) -> io::Result<()>,
) -> (Vec<Indicator>, Vec<Diagnostic>) {
    let mut indicators = Vec::new();
    let mut report = FeedReport::with_examples(DIAGNOSTICS_MAX);
    let result = read(&mut |indicator| indicators.push(indicator), &mut report);
    let mut diagnostics = report.diagnostics();
    if let Err(error) = result {
        diagnostics.push(unreadable("the feed", &error));
    }
    (indicators, diagnostics)
}

/// Reads one indicator in whatever spelling, defanged or not, and normalises it.
///
/// # Errors
/// If it is none, or would match harmless traffic: the code, what is wrong, and the mend.
pub fn parse_indicator(
    text: &str,
    kind: Option<IndicatorKind>,
) -> Result<(IndicatorKind, String), (Code, String, String)> {
    match normal::parse(text, kind, &Refusals::default()) {
        Ok(normal) => Ok((normal.kind, normal.value)),
        Err(refused) => Err((refused.reason.code(), refused.detail, refused.mend)),
    }
}

/// The normal form of an event's URL, the same as that of an indicator; none if it is no absolute URL.
#[must_use]
pub fn normal_url(text: &str) -> Option<String> {
    text.contains("://").then(|| normal::url(text).ok()).flatten()
}
