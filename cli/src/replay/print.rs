//! Alerts on standard output, in the format that was asked for.

use std::io::{self, Write};

use detect_alert::Alert;

use super::summary::Summary;
use super::table::Rows;
use crate::arguments::Format;

/// Prints alerts as they come, or gathers them.
#[derive(Debug)]
pub(super) enum Printer {
    /// Gathered, printed at the end.
    Table(Rows),
    /// Streamed into one document; whether an alert has been printed.
    Json {
        /// Whether the next alert is the first.
        first: bool,
    },
    /// Streamed, one a line.
    Ndjson,
}

impl Printer {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Table => Self::Table(Rows::default()),
            Format::Json => Self::Json { first: true },
            Format::Ndjson => Self::Ndjson,
        }
    }

    /// Takes one alert with its wire form.
    pub(super) fn take(&mut self, alert: &Alert, encoded: &[u8], out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Table(rows) => rows.take(alert),
            Self::Json { first } => {
                out.write_all(if *first { b"{\"alerts\":[\n" } else { b",\n" })?;
                *first = false;
                out.write_all(encoded)?;
            }
            Self::Ndjson => {
                out.write_all(encoded)?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Prints what is left.
    pub(super) fn finish(self, summary: &Summary, out: &mut dyn Write, colours: bool) -> io::Result<()> {
        match self {
            Self::Table(rows) => rows.print(out, colours),
            Self::Json { first } => {
                out.write_all(if first { b"{\"alerts\":[" } else { b"\n" })?;
                writeln!(out, "],\"summary\":{}}}", summary.json())
            }
            Self::Ndjson => Ok(()),
        }
    }
}
