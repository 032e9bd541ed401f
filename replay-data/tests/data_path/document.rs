//! How the document is written: headings, tables, JSON, and the comparison with the committed file.

use std::{
    fmt::Write as _,
    ops::Range,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

/// A value of the JSON that is longer than this is cut in the document; the whole is on the bus.
const TEXT_CHARS_MAX: usize = 110;

/// `docs/data-path.md` in the making.
pub(crate) struct Document {
    text: String,
    hops: usize,
}

impl Document {
    pub(crate) fn new(case: &str) -> Self {
        let text = format!(
            "# Data path\n\n\
             One real event, followed hop by hop from its packet to the responder's answer.\n\
             It comes from the bundled case [{case}](../replay-data/cases/{case}/README.md): a program on a machine in the lab calls home, and the name it calls is in an indicator file.\n\
             This page is written by `replay-data/tests/data_path.rs`, which runs the code of each stage and fails when the page says something else; nothing on it is made up but the time, the CERT's contact and the key of the link.\n\
             Long values are cut with `…`, and the version of the ruleset, which changes with every rule, is written `RULESET`.\n\
             The stages and their order are those of [ARCHITECTURE.md](../ARCHITECTURE.md), the names of fields those of the [wire format](wire-format.md).\n",
        );
        Self { text, hops: 0 }
    }

    /// One hop: its title, the file to open, what happens there, and what came out.
    pub(crate) fn hop(&mut self, [title, file, prose]: [&str; 3], blocks: &[String]) {
        assert!(root().join(file).exists(), "{file} is not there");
        self.hops += 1;
        let _ = write!(
            self.text,
            "\n## {}. {title}\n\n[`{file}`](../{file})\n\n",
            self.hops
        );
        for sentence in sentences(prose) {
            let _ = writeln!(self.text, "{sentence}");
        }
        for block in blocks {
            let _ = write!(self.text, "\n{block}");
        }
    }

    /// Compares with the committed page, or writes it. The ruleset's version is left out, so that a new rule that
    /// has no part in this does not change the page.
    pub(crate) fn compare(mut self, ruleset: &str) {
        self.text = self.text.replace(ruleset, "RULESET");
        let path = root().join("docs/data-path.md");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &self.text).expect("written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = committed
            .lines()
            .zip(self.text.lines())
            .position(|(one, other)| one != other)
            .unwrap_or_else(|| committed.lines().count().min(self.text.lines().count()));
        assert!(
            committed == self.text,
            "docs/data-path.md is not what the code does, from line {}:\n  page: {}\n  code: {}\n\
             UPDATE_EXPECT=1 writes it anew; look at the difference",
            differs + 1,
            committed.lines().nth(differs).unwrap_or("(its end)"),
            self.text.lines().nth(differs).unwrap_or("(its end)"),
        );
    }
}

/// The project's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("inside the workspace")
        .to_owned()
}

/// One sentence a line, as in all documents.
fn sentences(prose: &str) -> Vec<String> {
    let parts: Vec<&str> = prose.split(". ").collect();
    let last = parts.len() - 1;
    let end = |(index, part): (usize, &&str)| {
        if index == last {
            (*part).to_owned()
        } else {
            format!("{part}.")
        }
    };
    parts.iter().enumerate().map(end).collect()
}

/// Two columns without a head worth reading.
pub(crate) fn table(rows: &[(String, String)]) -> String {
    let mut text = "| what | value |\n|---|---|\n".to_owned();
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", value.replace('|', "\\|"));
    }
    text
}

/// JSON as people read it, with long values cut.
pub(crate) fn json(value: &Json) -> String {
    let mut shown = cut(value);
    // Whether an object keeps its order is decided by whichever crate asks for it; the page is sorted.
    shown.sort_all_objects();
    let text = serde_json::to_string_pretty(&shown).expect("JSON");
    format!("```json\n{text}\n```\n")
}

/// The object without the keys that begin with none of `keep` and stand on the page already.
pub(crate) fn pretty(value: &Json, keep: &[&str]) -> Json {
    const ENVELOPE: [&str; 6] = [
        "@timestamp",
        "source.ip",
        "destination.ip",
        "log.file.path",
        "organization.id",
        "observer.name",
    ];
    let Json::Object(members) = value else {
        return value.clone();
    };
    let (kept, dropped): (Vec<_>, Vec<_>) = members.iter().partition(|(name, _)| {
        keep.iter().any(|start| name.starts_with(start))
            || ENVELOPE.contains(&name.as_str())
            || name.starts_with("varde.")
            || name.starts_with("event.")
    });
    let mut kept: serde_json::Map<String, Json> = kept
        .into_iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !dropped.is_empty() {
        kept.insert(
            "…".to_owned(),
            format!("{} more fields, as above", dropped.len()).into(),
        );
    }
    Json::Object(kept)
}

fn cut(value: &Json) -> Json {
    match value {
        Json::String(text) if TEXT_CHARS_MAX < text.chars().count() => {
            let start: String = text.chars().take(TEXT_CHARS_MAX).collect();
            Json::String(format!("{start}…"))
        }
        Json::Array(items) => Json::Array(items.iter().map(cut).collect()),
        Json::Object(members) => {
            let each = members.iter().map(|(name, value)| (name.clone(), cut(value)));
            Json::Object(each.collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    }
}

/// Bytes in rows of sixteen: offset, hexadecimal, and what is printable.
pub(crate) fn dump(bytes: &[u8], range: Range<usize>) -> String {
    let mut text = String::new();
    for start in range.clone().step_by(16) {
        let row = &bytes[start..(start + 16).min(range.end).min(bytes.len())];
        let hexadecimal: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let printable: String = row
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        let _ = writeln!(text, "{start:04x}  {:<47}  {printable}", hexadecimal.join(" "));
    }
    text
}
