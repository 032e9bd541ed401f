//! What a test of suricata-verify expects: its `test.yaml`, and the capture it is of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

/// Events that a check wants to see.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expected {
    /// Suricata's type of event; empty where the check does not say.
    pub(crate) kind: String,
    pub(crate) count: usize,
    /// Names of EVE, lists without their index, and values as text.
    pub(crate) fields: Vec<(String, String)>,
    /// Conditions that are no `name: value`.
    pub(crate) has_more: bool,
}

/// The tests under a folder: name, folder and what `test.yaml` says, sorted.
pub(crate) fn tests(root: &Path) -> Vec<(String, PathBuf, Value)> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("test.yaml") {
                let text = fs::read_to_string(&path).expect("text");
                let said = serde_saphyr::from_str(&text)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let name = folder.strip_prefix(root).expect("below").display().to_string();
                found.push((name, folder.clone(), said));
            }
        }
    }
    found.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    found
}

/// The capture that a test names, or the one beside it. `None` if it is not here.
pub(crate) fn capture(folder: &Path, said: &Value) -> Option<PathBuf> {
    if let Some(named) = said["pcap"].as_str() {
        return Some(folder.join(named)).filter(|path| path.is_file());
    }
    let mut beside: Vec<PathBuf> = fs::read_dir(folder)
        .expect("readable folder")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ending == "pcap" || ending == "pcapng")
        })
        .collect();
    beside.sort();
    beside.into_iter().next()
}

/// What the checks of a test expect of the newest version, each once.
pub(crate) fn expected(said: &Value) -> Vec<Expected> {
    let checks = said["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut out: Vec<Expected> = checks
        .iter()
        .map(|check| &check["filter"])
        .filter(|filter| filter["requires"].get("lt-version").is_none() && filter.get("filename").is_none())
        .filter_map(|filter| Some((filter, filter["match"].as_object()?)))
        .map(|(filter, fields)| one(filter["count"].as_u64().unwrap_or(1), fields))
        .collect();
    out.sort();
    out.dedup();
    out
}

fn one(count: u64, conditions: &Map<String, Value>) -> Expected {
    let mut expected = Expected {
        kind: String::new(),
        count: usize::try_from(count).expect("few"),
        fields: Vec::new(),
        has_more: false,
    };
    for (name, value) in conditions {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(bool) => bool.to_string(),
            Value::Array(items) if items.len() == 1 && items[0].is_number() => items[0].to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
        };
        if name == "event_type" {
            expected.kind = value;
        } else if name.contains("__") || name.contains("has-key") || value.is_empty() {
            expected.has_more = true;
        } else {
            expected.fields.push((without_index(name), value));
        }
    }
    expected
}

/// `dns.answers[1].rdata` is `dns.answers.rdata`.
fn without_index(name: &str) -> String {
    name.split('[')
        .enumerate()
        .map(|(number, part)| match number {
            0 => part,
            _ => part.split_once(']').map_or(part, |(_, rest)| rest),
        })
        .collect()
}
