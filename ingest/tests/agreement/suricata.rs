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
    count::{Counts, at, record_row},
    is_carrier_port, lab, of_side, text,
};
use differences::LEFT_OUT;
use expected::Expected;
use fields::{Column, ENDS, columns, dataset};

/// Types of event of which one is one record of ours, so that they can be counted.
const COUNTED: [&str; 7] = ["flow", "dns", "llmnr", "http", "tls", "quic", "ssh"];

/// Protocols of IP that carry other packets: IP in IP, IPv6 in IPv4, GRE.
const CARRIERS: [&str; 3] = ["4", "41", "47"];

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
                if seen.insert(what) && !wanted.is_carrier() {
                    let records = ours.get(wanted.dataset).map(Vec::as_slice);
                    wanted.hold(records.unwrap_or_default(), &mut counts);
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

    /// Whether it names what carries a tunnel, which we tell with the flow inside.
    fn is_carrier(&self) -> bool {
        let said = |name: &str| {
            let mut parts = self.ends.iter().chain(&self.fields);
            parts
                .find(|(column, _)| column.ours == name)
                .map(|(_, value)| value.as_str())
        };
        let ports = ["source.port", "destination.port"].map(said);
        self.dataset == "network.flow"
            && match said("network.transport") {
                None | Some("udp") => ports.into_iter().flatten().any(is_carrier_port),
                Some(transport) => CARRIERS.contains(&transport),
            }
    }

    /// Whether the ends are the record's, the other way round or not.
    fn fits(&self, draft: &Draft, is_swapped: bool) -> bool {
        self.ends
            .iter()
            .all(|(column, value)| text(draft, &of_side(column.ours, is_swapped)) == *value)
    }

    fn agreeing(&self, draft: &Draft, is_swapped: bool) -> usize {
        self.fields
            .iter()
            .filter(|(column, value)| column.holds(draft, value, is_swapped))
            .count()
    }

    /// Compares with the records that have most of it.
    fn hold(&self, ours: &[Draft], counts: &mut Counts) {
        let mut note = |field: &str, agrees: bool, difference: &dyn Fn() -> String| {
            at(counts, self.dataset, field).note(agrees, || format!("{}: {}", self.test, difference()));
        };
        let is_swapped = !ours.iter().any(|draft| self.fits(draft, false));
        let mut found: Vec<&Draft> = ours.iter().filter(|draft| self.fits(draft, is_swapped)).collect();
        if self.is_all {
            let is_whole = |draft: &&&Draft| self.agreeing(draft, is_swapped) == self.fields.len();
            let whole = found.iter().filter(is_whole).count();
            note("(count)", whole == self.count, &|| {
                format!("{} of {}, not {whole}", self.count, self.text())
            });
        }
        found.sort_by_key(|draft| Reverse(self.agreeing(draft, is_swapped)));
        let record = record_row(self.dataset, !self.ends.is_empty());
        for draft in found.iter().take(self.count) {
            note(record, true, &String::new);
            if self.has_client && !self.ends.is_empty() {
                note("(client)", !is_swapped, &|| self.text());
            }
            for (column, value) in &self.fields {
                note(column.ours, column.holds(draft, value, is_swapped), &|| {
                    let ours = text(draft, &of_side(column.ours, is_swapped));
                    format!("{value} / ours {ours} ({})", self.text())
                });
            }
        }
        for _ in found.len()..self.count {
            at(counts, self.dataset, record).note(false, || format!("{}: {}", self.test, self.text()));
            for (column, _) in &self.fields {
                at(counts, self.dataset, column.ours).missing += 1;
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
