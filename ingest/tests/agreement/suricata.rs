//! What the tests of suricata-verify expect of their captures.

#[path = "suricata/differences.rs"]
pub(crate) mod differences;
#[path = "suricata/expected.rs"]
mod expected;
#[path = "suricata/fields.rs"]
mod fields;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use ingest::record::{Draft, Record};

use crate::{
    count::{Agreement, Counts},
    lab, text,
};
use differences::LEFT_OUT;
use expected::Expected;
use fields::{Column, ENDS, columns, dataset};

/// Types of event of which one is one record of ours, so that they can be counted.
const COUNTED: [&str; 7] = ["flow", "dns", "llmnr", "http", "tls", "quic", "ssh"];

/// Ports of what carries other packets.
const CARRIERS: [&str; 3] = ["4789", "6081", "3544"];

/// Records of ours and what of them Suricata's events are to have.
struct Wanted<'a> {
    test: &'a str,
    dataset: &'static str,
    /// Whether Suricata means the client by the source.
    has_client: bool,
    count: usize,
    ends: Vec<(&'static Column, String)>,
    fields: Vec<(&'static Column, String)>,
    /// Whether the check says nothing else.
    is_all: bool,
}

/// What agrees, by dataset and field.
pub(crate) fn compare(root: &Path) -> Counts {
    let (mut counts, mut absent, mut outside) = (Counts::new(), 0, BTreeSet::new());
    let mut used = BTreeSet::new();
    for (test, folder, said) in expected::tests(&root.join("tests")) {
        if let Some((start, _)) = LEFT_OUT.iter().find(|(start, _)| test.starts_with(start)) {
            used.insert(*start);
            continue;
        }
        let Some(capture) = expected::capture(&folder, &said) else {
            absent += 1;
            continue;
        };
        let ours = read(&capture);
        let mut seen = BTreeSet::new();
        for expected in expected::expected(&said) {
            let parts = parts(&test, &expected);
            if parts.is_empty() {
                outside.insert(expected.kind.clone());
            }
            for wanted in parts {
                let what = (wanted.dataset, wanted.count, wanted.text());
                let records = |dataset| ours.get(dataset).map(Vec::as_slice).unwrap_or_default();
                if seen.insert(what) && !wanted.may_be_carrier(records("network.flow")) {
                    wanted.hold(records(wanted.dataset), &mut counts);
                }
            }
        }
    }
    println!("{absent} tests of captures that are not here; nothing is compared of {outside:?}");
    let idle: Vec<&str> = LEFT_OUT
        .iter()
        .map(|(start, _)| *start)
        .filter(|start| !used.contains(start))
        .collect();
    assert!(idle.is_empty(), "no test has these names: {idle:?}");
    counts
}

/// What we say of a capture, by dataset.
fn read(capture: &Path) -> BTreeMap<String, Vec<Draft>> {
    let mut ours: BTreeMap<String, Vec<Draft>> = BTreeMap::new();
    for record in lab::try_read(&fs::read(capture).expect("readable")[..]) {
        if let Record::Event(draft) = record {
            ours.entry(draft.dataset.to_string()).or_default().push(draft);
        }
    }
    ours
}

/// An event as records of ours: its own, or for alerts and the like the flow and what is said of the protocol.
fn parts<'a>(test: &'a str, expected: &Expected) -> Vec<Wanted<'a>> {
    if let Some(dataset) = dataset(&expected.kind) {
        let wanted = Wanted::of(test, dataset, expected);
        // Of the others an event is not one record.
        let is_empty = wanted.ends.is_empty() && wanted.fields.is_empty();
        return Vec::from_iter(
            (!is_empty && expected.count != 0 || COUNTED.contains(&expected.kind.as_str())).then_some(wanted),
        );
    }
    let mut prefixes: BTreeSet<&str> = BTreeSet::from(["flow"]);
    prefixes.extend(
        expected
            .fields
            .iter()
            .filter_map(|(name, _)| Some(name.split_once('.')?.0)),
    );
    let once = Expected {
        count: 1,
        has_more: true,
        fields: expected
            .fields
            .iter()
            .filter(|(name, _)| !name.starts_with("flow."))
            .cloned()
            .collect(),
        ..expected.clone()
    };
    prefixes
        .into_iter()
        .filter(|_| expected.count != 0)
        .filter_map(|prefix| Some(Wanted::of(test, dataset(prefix)?, &once)))
        .filter(|wanted| match wanted.dataset {
            "network.flow" => !wanted.ends.is_empty(),
            _ => wanted.fields.iter().any(|(column, _)| column.eve.contains('.')),
        })
        .map(|wanted| Wanted {
            has_client: false,
            ..wanted
        })
        .collect()
}

impl<'a> Wanted<'a> {
    fn of(test: &'a str, dataset: &'static str, expected: &Expected) -> Self {
        let known = |columns: &mut dyn Iterator<Item = &'static Column>| -> Vec<(&'static Column, String)> {
            columns
                .flat_map(|column| {
                    let values = expected.fields.iter().filter(|(name, _)| name == column.eve);
                    values.map(move |(_, value)| (column, (column.rewrite)(value)))
                })
                .filter(|(_, value)| !value.is_empty())
                .collect()
        };
        let (ends, fields) = (known(&mut ENDS.iter()), known(&mut columns(dataset)));
        let is_all = !expected.has_more
            && COUNTED.contains(&expected.kind.as_str())
            && ends.len() + fields.len() == expected.fields.len();
        Self {
            test,
            dataset,
            // The sender of an answer is no client.
            has_client: !matches!(dataset, "network.dns" | "network.dhcp" | "network.kerberos"),
            count: expected.count,
            ends,
            fields,
            is_all,
        }
    }

    /// Whether it is, or may be, the flow of what carries a tunnel, which we tell with the flow inside.
    fn may_be_carrier(&self, flows: &[Draft]) -> bool {
        if self.dataset != "network.flow" {
            return false;
        }
        let end = |name: &str| {
            let found = self.ends.iter().find(|(column, _)| column.ours == name);
            found.map(|(_, value)| value.as_str())
        };
        let ports = [end("source.port"), end("destination.port")];
        flows.iter().any(|flow| {
            let through =
                ["source", "destination"].map(|side| text(flow, &format!("varde.tunnel.{side}.ip")));
            let is_through = |end: Option<&str>| end.is_none_or(|end| through.iter().any(|ip| ip == end));
            let is_port = |port: &&str| ports.contains(&Some(port));
            let is_of_tunnel = match (end("source.ip"), end("destination.ip")) {
                (None, None) => ports == [None; 2] || CARRIERS.iter().any(is_port),
                (source, destination) => is_through(source) && is_through(destination),
            };
            flow.fields.get("varde.tunnel.type").is_some() && is_of_tunnel
        })
    }

    /// Whether the ends are the record's, the other way round or not.
    fn fits(&self, draft: &Draft, is_swapped: bool) -> bool {
        self.ends.iter().all(|(column, value)| {
            let name = match is_swapped {
                false => column.ours.to_owned(),
                true if column.ours.starts_with("source") => column.ours.replace("source", "destination"),
                true => column.ours.replace("destination", "source"),
            };
            text(draft, &name) == *value
        })
    }

    fn agreeing(&self, draft: &Draft) -> usize {
        self.fields
            .iter()
            .filter(|(column, value)| (column.is_said)(draft, column.ours, value))
            .count()
    }

    /// Compares with the records that have most of it.
    fn hold(&self, ours: &[Draft], counts: &mut Counts) {
        let mut note = |field: &str, agrees: bool, difference: &dyn Fn() -> String| {
            let key = (self.dataset.to_owned(), field.to_owned());
            let count: &mut Agreement = counts.entry(key).or_default();
            match agrees {
                true => count.agreed += 1,
                false => count.differ.push(format!("{}: {}", self.test, difference())),
            }
        };
        let is_straight = ours.iter().any(|draft| self.fits(draft, false));
        let mut found: Vec<&Draft> = ours
            .iter()
            .filter(|draft| self.fits(draft, !is_straight))
            .collect();
        if self.is_all {
            let whole = found
                .iter()
                .filter(|draft| self.agreeing(draft) == self.fields.len())
                .count();
            note("(count)", whole == self.count, &|| {
                format!("{} of {}, not {whole}", self.count, self.text())
            });
        }
        found.sort_by_key(|draft| Reverse(self.agreeing(draft)));
        for number in 0..self.count {
            let Some(draft) = found.get(number) else {
                note("(record)", false, &|| self.text());
                continue;
            };
            note("(record)", true, &String::new);
            if self.has_client && self.ends.len() == ENDS.len() {
                note("(client)", is_straight, &|| self.text());
            }
            for (column, _) in self.ends.iter().filter(|_| is_straight) {
                note(column.ours, true, &String::new);
            }
            // Counts of the other side.
            for (column, value) in self
                .fields
                .iter()
                .filter(|(column, _)| is_straight || !column.eve.starts_with("flow."))
            {
                note(column.ours, (column.is_said)(draft, column.ours, value), &|| {
                    format!("{value} / ours {} ({})", text(draft, column.ours), self.text())
                });
            }
        }
    }

    /// For people.
    fn text(&self) -> String {
        let parts: Vec<String> = self
            .ends
            .iter()
            .chain(&self.fields)
            .map(|(column, value)| format!("{} {value}", column.eve))
            .collect();
        parts.join(", ")
    }
}
