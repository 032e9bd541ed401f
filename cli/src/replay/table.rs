//! Alerts as a table for people: one row for each rule and entity, in the order in which they came.

use std::collections::HashMap;
use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, presets,
};
use detect_alert::{Alert, Evidence, Severity};
use ingest_event::{Fields, Timestamp, field};

use crate::text::{counted, number, shown};

/// More rows than this nobody reads on a terminal; the rest is counted.
const ROWS_MAX: usize = 1_000;

/// A value longer than this is cut in a cell.
const CELL_CHARACTERS_MAX: usize = 80;

/// Why an alert was raised is cut behind so many characters: three lines of its column.
const WHY_CHARACTERS_MAX: usize = 160;

/// The width where nothing says how wide the output is: a printed page.
const WIDTH_DEFAULT: u16 = 120;

/// Gathers alerts into rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<Row>,
    places: HashMap<(String, String), usize>,
    beyond: u64,
}

#[derive(Debug)]
struct Row {
    time: Timestamp,
    severity: Severity,
    rule: String,
    entity: String,
    way: String,
    alerts: u64,
    events: u64,
}

impl Rows {
    pub(super) fn take(&mut self, alert: &Alert) {
        let events = alert.window.as_ref().map_or(1, |window| window.count);
        let indicator = alert
            .indicator
            .as_ref()
            .map(|indicator| indicator.value.as_str())
            .unwrap_or_default();
        let key = (
            format!("{}\n{indicator}", alert.producer.id.0),
            alert.entity.value.clone(),
        );
        if let Some(row) = self.places.get(&key).and_then(|place| self.rows.get_mut(*place)) {
            row.alerts += 1;
            row.events += events;
            row.severity = row.severity.max(alert.severity);
            return;
        }
        if self.rows.len() == ROWS_MAX {
            self.beyond += 1;
            return;
        }
        self.places.insert(key, self.rows.len());
        let rule = match &alert.indicator {
            Some(indicator) => format!("{} ({}, {})", indicator.value, indicator.kind, indicator.source),
            None => alert.producer.name.clone(),
        };
        self.rows.push(Row {
            time: alert.timestamp,
            severity: alert.severity,
            rule: match why(alert) {
                Some(why) => format!("{}\n{why}", cell(&rule)),
                None => cell(&rule),
            },
            entity: cell(&alert.entity.value),
            way: alert
                .events
                .last()
                .map(|event| way(&event.fields))
                .unwrap_or_default(),
            alerts: 1,
            events,
        });
    }

    /// Prints the table; nothing if there is no row. Colours only if asked for.
    pub(super) fn print(&self, out: &mut dyn Write, colours: bool) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        if colours {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if table.width().is_none() {
            table.set_width(WIDTH_DEFAULT);
        }
        let heading = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
        let names = [
            "TIME (UTC)",
            "SEVERITY",
            "RULE OR INDICATOR",
            "ABOUT",
            "SOURCE\n→ DESTINATION",
            "COUNT",
        ];
        table.set_header(names.map(heading).to_vec());
        // Times and levels are compared down the column: they stay on one line.
        for column in table.column_iter_mut().take(2) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        for row in &self.rows {
            table.add_row(vec![
                Cell::new(clock(row.time)),
                Cell::new(row.severity.as_str()).fg(colour(row.severity)),
                Cell::new(&row.rule),
                Cell::new(&row.entity),
                Cell::new(&row.way),
                Cell::new(row.count()).set_alignment(CellAlignment::Right),
            ]);
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        if 0 < self.beyond {
            let more = counted(self.beyond, "alert", "alerts");
            writeln!(
                out,
                "and {more} about more rules and entities; --format ndjson prints them all"
            )?;
        }
        writeln!(out)
    }
}

impl Row {
    fn count(&self) -> String {
        match self.alerts {
            1 => number(self.events),
            alerts if alerts == self.events => number(self.events),
            alerts => format!("{} in {} alerts", number(self.events), number(alerts)),
        }
    }
}

/// `2026-03-02 08:15:00`: to the second, which is what a person compares.
fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// What was seen and what was usual or asked for, of a rule about several events that measures something.
fn why(alert: &Alert) -> Option<String> {
    let window = alert.window.as_ref()?;
    // Around it stand the members of the group, and the organisations that an alert of the CERT names.
    let is_measured = |line: &&Evidence| !matches!(line.matched.as_str(), "group-by" | "seen here");
    let last = alert.evidence.iter().rfind(is_measured)?;
    // What is new or rare is the value; elsewhere it is the last of many.
    let is_value = window.threshold == "new" || window.threshold.starts_with("<=");
    let text = match is_value {
        true => format!("{} {}: {}", last.field, last.value, last.matched),
        false => last.matched.clone(),
    };
    Some(shown(&text, WHY_CHARACTERS_MAX))
}

fn way(fields: &Fields) -> String {
    let side = |ip: &str, port: &str| {
        let address = fields.get(ip).map(ToString::to_string)?;
        Some(match fields.get(port) {
            Some(port) if address.contains(':') => format!("[{address}]:{port}"),
            Some(port) => format!("{address}:{port}"),
            None => address,
        })
    };
    let source = side(field::SOURCE_IP, field::SOURCE_PORT);
    let destination = side(field::DESTINATION_IP, field::DESTINATION_PORT)
        .or_else(|| fields.get(field::HOST_NAME).map(ToString::to_string));
    match (source, destination) {
        (Some(source), Some(destination)) => format!("{}\n→ {}", cell(&source), cell(&destination)),
        (Some(source), None) => cell(&source),
        (None, Some(destination)) => format!("→ {}", cell(&destination)),
        (None, None) => String::new(),
    }
}

fn cell(text: &str) -> String {
    shown(text, CELL_CHARACTERS_MAX)
}

fn colour(severity: Severity) -> Color {
    match severity {
        Severity::Informational => Color::DarkGrey,
        Severity::Low => Color::Cyan,
        Severity::Medium => Color::Yellow,
        Severity::High | Severity::Critical => Color::Red,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_written_for_both_families_and_for_logs() {
        for (pairs, text) in [
            (
                &[
                    ("source.ip", "192.0.2.1"),
                    ("source.port", "4000"),
                    ("destination.ip", "198.51.100.2"),
                ][..],
                "192.0.2.1:4000\n→ 198.51.100.2",
            ),
            (
                &[
                    ("source.ip", "2001:db8::1"),
                    ("source.port", "4000"),
                    ("destination.ip", "2001:db8::2"),
                ],
                "[2001:db8::1]:4000\n→ 2001:db8::2",
            ),
            (
                &[("source.ip", "2001:db8::1"), ("host.name", "db1")],
                "2001:db8::1\n→ db1",
            ),
            (&[], ""),
        ] {
            let mut fields = Fields::new();
            pairs.iter().for_each(|(name, value)| fields.set(*name, *value));
            assert_eq!(way(&fields), text);
        }
    }
}
