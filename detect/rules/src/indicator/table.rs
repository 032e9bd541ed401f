//! Indicators as CSV (RFC 4180, any delimiter): columns are found by the header's names, or as a description of
//! the feed says. Columns in any order; only the value is needed.

use std::{
    cell::Cell,
    fmt,
    io::{self, Read},
    rc::Rc,
};

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use detect_alert::{Confidence, IndicatorKind, Pap, Tlp};
use ingest_event::{Timestamp, UnknownCode};

use super::{
    intake::{At, Details, Intake, Spot},
    normal::{Refused, refused},
    options::{Column, Meaning, TableLayout},
    report::Reason,
};

/// A quote that is never closed would make one row of the rest of the file: no row is longer than this.
const ROW_BYTES_MAX: u64 = 1024 * 1024;

/// What may stand between cells, if the feed's description does not say.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The delimiter of a table whose first line names a column for the value; none if this is no table.
pub(super) fn delimiter(head: &str, layout: &TableLayout) -> Option<u8> {
    let is_comment = |line: &str| {
        layout
            .comment
            .is_some_and(|comment| line.as_bytes().first() == Some(&comment))
    };
    let first = head
        .lines()
        .find(|line| !line.trim().is_empty() && !is_comment(line))?;
    let named = |delimiter: &u8| {
        first
            .split(char::from(*delimiter))
            .any(|name| Meaning::of(name) == Some(Meaning::Value))
    };
    DELIMITERS.into_iter().find(named)
}

/// Reads the rows. The reader's errors end it.
pub(super) fn read(reader: impl Read, delimiter: u8, intake: &mut Intake<'_>) -> io::Result<()> {
    let left = Rc::new(Cell::new(ROW_BYTES_MAX));
    let layout = &intake.options.table;
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .has_headers(layout.has_header)
        .delimiter(delimiter)
        .comment(layout.comment)
        .buffer_capacity(256 * 1024)
        .from_reader(Rationed {
            inner: reader,
            left: Rc::clone(&left),
        });
    let columns = if layout.has_header {
        let header = match reader.byte_headers() {
            Ok(header) => header.clone(),
            Err(error) => return broken(error, intake),
        };
        Columns::named(&header, intake)
    } else {
        Columns::numbered(layout)
    };
    if columns.value.is_none() {
        let detail = "no column holds the value";
        let mend = "name it `value` in the first line, or say which it is in the feed's description";
        intake.refuse(
            refused(Reason::BadRow, detail, mend),
            Spot {
                at: At::Line(1),
                piece: &"",
            },
        );
        return Ok(());
    }
    let mut record = ByteRecord::new();
    loop {
        left.set(ROW_BYTES_MAX);
        match reader.read_byte_record(&mut record) {
            Ok(true) => columns.row(&record, intake),
            Ok(false) => return Ok(()),
            Err(error) => return broken(error, intake),
        }
    }
}

/// Where in a row each meaning stands.
#[derive(Clone, Copy, Default)]
struct Columns {
    kind: Option<usize>,
    value: Option<usize>,
    source: Option<usize>,
    confidence: Option<usize>,
    tlp: Option<usize>,
    pap: Option<usize>,
    valid_from: Option<usize>,
    valid_until: Option<usize>,
    description: Option<usize>,
    last_seen: Option<usize>,
    to_ids: Option<usize>,
}

impl Columns {
    fn numbered(layout: &TableLayout) -> Self {
        let mut columns = Self::default();
        for (meaning, column) in &layout.columns {
            if let Column::Number(number) = column {
                *columns.place(*meaning) = number.checked_sub(1);
            }
        }
        columns
    }

    fn named(header: &ByteRecord, intake: &mut Intake<'_>) -> Self {
        let layout = &intake.options.table;
        let mut columns = Self::numbered(layout);
        let names: Vec<String> = header
            .iter()
            .map(|name| {
                String::from_utf8_lossy(name)
                    .trim_start_matches('\u{feff}')
                    .trim()
                    .to_owned()
            })
            .collect();
        let is_mapped = !layout.columns.is_empty();
        for (meaning, column) in &layout.columns {
            if let Column::Name(wanted) = column {
                let found = names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
                *columns.place(*meaning) = found;
                if found.is_none() {
                    let detail = format!("there is no column `{wanted}`");
                    let mend = "correct `columns` in the feed's description";
                    let spot = Spot {
                        at: At::Line(1),
                        piece: &names.join(","),
                    };
                    intake.refuse(refused(Reason::BadRow, &detail, mend), spot);
                }
            }
        }
        if is_mapped {
            return columns;
        }
        for (index, name) in names.iter().enumerate() {
            match Meaning::of(name) {
                Some(meaning) => {
                    let place = columns.place(meaning);
                    *place = place.or(Some(index));
                }
                None => {
                    let piece = names.join(",");
                    let mend = format!("the columns are {}", Meaning::ALL.map(Meaning::as_str).join(", "));
                    let detail = || format!("nothing is read from the column `{name}`");
                    let spot = Spot {
                        at: At::Line(1),
                        piece: &piece,
                    };
                    intake.tell(Reason::UnknownColumn, spot, detail, &mend);
                }
            }
        }
        columns
    }

    fn place(&mut self, meaning: Meaning) -> &mut Option<usize> {
        match meaning {
            Meaning::Type => &mut self.kind,
            Meaning::Value => &mut self.value,
            Meaning::Source => &mut self.source,
            Meaning::Confidence => &mut self.confidence,
            Meaning::Tlp => &mut self.tlp,
            Meaning::Pap => &mut self.pap,
            Meaning::ValidFrom => &mut self.valid_from,
            Meaning::ValidUntil => &mut self.valid_until,
            Meaning::Description => &mut self.description,
            Meaning::LastSeen => &mut self.last_seen,
            Meaning::ToIds => &mut self.to_ids,
        }
    }

    fn row(&self, record: &ByteRecord, intake: &mut Intake<'_>) {
        let line = record.position().map_or(1, csv::Position::line);
        let at = At::Line(line);
        let row = Row(record);
        let value = match cell(record, self.value) {
            Ok(value) => value.unwrap_or_default(),
            Err(refused) => {
                return intake.refuse(refused, Spot { at, piece: &row });
            }
        };
        match self.details(record, &intake.options.table) {
            Ok(Some(details)) => {
                intake.offer(value, &details, Spot { at, piece: &row });
            }
            Ok(None) => {
                let detail = || "its source says that it is not for detection".to_owned();
                let spot = Spot { at, piece: &row };
                intake.tell(Reason::NotForDetection, spot, detail, "none needed");
            }
            Err(refused) => intake.refuse(refused, Spot { at, piece: &row }),
        }
    }

    /// What a row says beside its value; none if it is not for detection.
    fn details<'a>(
        &self,
        record: &'a ByteRecord,
        layout: &TableLayout,
    ) -> Result<Option<Details<'a>>, Refused> {
        let cell = |place| cell(record, place);
        if let Some("0" | "false" | "False" | "no") = cell(self.to_ids)? {
            return Ok(None);
        }
        Ok(Some(Details {
            kind: cell(self.kind)?.map(|word| kind(word, layout)).transpose()?,
            source: cell(self.source)?,
            confidence: cell(self.confidence)?.map(confidence).transpose()?,
            tlp: cell(self.tlp)?.map(tlp).transpose()?,
            pap: cell(self.pap)?.map(pap).transpose()?,
            valid_from: cell(self.valid_from)?.map(time).transpose()?,
            valid_until: cell(self.valid_until)?.map(time).transpose()?,
            last_seen: cell(self.last_seen)?.map(time).transpose()?,
            description: cell(self.description)?.unwrap_or_default(),
        }))
    }
}

/// The trimmed text of a cell; none if it is empty or not there.
fn cell(record: &ByteRecord, place: Option<usize>) -> Result<Option<&str>, Refused> {
    let Some(bytes) = place.and_then(|place| record.get(place)) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| refused(Reason::NotUtf8, "it is not UTF-8", "convert the file to UTF-8"))?
        .trim();
    Ok((!text.is_empty()).then_some(text))
}

/// The row as it may have stood there.
struct Row<'a>(&'a ByteRecord);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<_> = self.0.iter().map(String::from_utf8_lossy).collect();
        f.write_str(&cells.join(","))
    }
}

/// Our codes, the feed's own words, and the names that MISP and STIX use for the same things.
fn kind(text: &str, layout: &TableLayout) -> Result<IndicatorKind, Refused> {
    let lower = text.to_ascii_lowercase();
    if let Some(kind) = layout.types.get(&lower) {
        return Ok(*kind);
    }
    Ok(match lower.as_str() {
        "ip-src" | "ip-dst" | "ipv4" | "ipv6" | "ipv4-addr" | "ipv6-addr" | "address" | "ip:port"
        | "ip-src|port" | "ip-dst|port" => IndicatorKind::Address,
        "hostname" | "domain-name" | "fqdn" => IndicatorKind::Domain,
        "uri" | "link" => IndicatorKind::Url,
        "email-src" | "email-dst" | "email-addr" => IndicatorKind::Email,
        "ja3-fingerprint-md5" => IndicatorKind::Ja3,
        "filename" | "file" => IndicatorKind::FileName,
        "x509-fingerprint-sha1" | "x509-fingerprint-sha256" => IndicatorKind::Certificate,
        "as" | "autonomous-system" => IndicatorKind::Asn,
        "md5_hash" => IndicatorKind::Md5,
        "sha-1" | "sha1_hash" => IndicatorKind::Sha1,
        "sha-256" | "sha256_hash" => IndicatorKind::Sha256,
        _ => lower.parse().map_err(|error: UnknownCode| {
            refused(
                Reason::UnknownType,
                &error.to_string(),
                "correct the column `type`",
            )
        })?,
    })
}

fn tlp(text: &str) -> Result<Tlp, Refused> {
    text.parse().map_err(|error: UnknownCode| {
        refused(Reason::BadCell, &error.to_string(), "correct the column `tlp`")
    })
}

fn pap(text: &str) -> Result<Pap, Refused> {
    text.parse().map_err(|error: UnknownCode| {
        refused(Reason::BadCell, &error.to_string(), "correct the column `pap`")
    })
}

/// A word, or a number from 0 to 100.
fn confidence(text: &str) -> Result<Confidence, Refused> {
    if let Ok(number) = text.parse::<u8>() {
        return Ok(confidence_of(number));
    }
    text.parse().map_err(|error: UnknownCode| {
        let mend = "write low, medium, high, or a number from 0 to 100";
        refused(Reason::BadCell, &error.to_string(), mend)
    })
}

/// STIX 2.1, appendix A: up to 29 is low, up to 69 medium.
pub(super) const fn confidence_of(number: u8) -> Confidence {
    match number {
        0..=29 => Confidence::Low,
        30..=69 => Confidence::Medium,
        70.. => Confidence::High,
    }
}

/// A date, a time, or seconds since 1970.
pub(super) fn time(text: &str) -> Result<Timestamp, Refused> {
    let seconds = (text.len() <= 10)
        .then(|| text.parse::<i64>().ok())
        .flatten()
        .and_then(|seconds| seconds.checked_mul(1000));
    if let Some(millis) = seconds {
        return Ok(Timestamp::from_millis(millis));
    }
    text.parse()
        .or_else(|_| format!("{text}T00:00:00Z").parse())
        .map_err(|_| {
            let detail = format!("`{}` is no time", text.chars().take(64).collect::<String>());
            refused(
                Reason::BadCell,
                &detail,
                "write 2026-11-22 or 2026-11-22T10:00:00Z",
            )
        })
}

/// What the CSV reader can't go on after.
fn broken(error: csv::Error, intake: &mut Intake<'_>) -> io::Result<()> {
    let line = error.position().map_or(1, csv::Position::line);
    let detail = error.to_string();
    match error.into_kind() {
        ErrorKind::Io(error) if error.kind() != io::ErrorKind::FileTooLarge => Err(error),
        _ => {
            let mend = "check quotes and delimiters (RFC 4180)";
            let spot = Spot {
                at: At::Line(line),
                piece: &"",
            };
            intake.refuse(refused(Reason::BadRow, &detail, mend), spot);
            Ok(())
        }
    }
}

/// Reads no more than `left` bytes between two rows.
struct Rationed<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a row is longer than {ROW_BYTES_MAX} bytes: is a quote not closed?"),
            ));
        }
        let count = self.inner.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(count as u64));
        Ok(count)
    }
}
