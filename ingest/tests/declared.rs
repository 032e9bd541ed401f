//! Every name that a reader gives a field is declared with its class: constants can't be made without one, tables of
//! columns do not compile with another, and names that are written out in the code are looked for here, in the sources
//! themselves, which are always at hand.

#![expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ingest_event::field::class;

/// Names that hold a value for a moment and are taken out by the same reader.
const PASSING: [&str; 1] = ["suricata.eve.dns.grouped"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// The first argument of each call that gives a field its name.
fn named(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for call in [".set(", ".set_some(", ".append("] {
        let mut rest = code;
        while let Some(at) = rest.find(call) {
            rest = rest[at + call.len()..].trim_start();
            found.push(rest.split([',', ')']).next().unwrap_or_default().trim());
        }
    }
    found
}

/// What is between quotes; for the name of a constant, what it is.
fn text<'c>(argument: &'c str, code: &'c str) -> Option<&'c str> {
    if let Some(literal) = argument.strip_prefix('"') {
        return literal.strip_suffix('"');
    }
    let is_constant = !argument.is_empty()
        && argument
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let definition = format!("const {argument}: &str = \"");
    let at = is_constant.then(|| code.find(&definition)).flatten()?;
    code[at + definition.len()..].split('"').next()
}

#[test]
fn names_that_are_written_out_in_readers_are_declared() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let (mut looked_at, mut undeclared) = (0, BTreeSet::new());
    for path in files {
        let code = fs::read_to_string(&path).expect("readable");
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for argument in named(code) {
            let Some(name) = text(argument, code) else {
                continue;
            };
            looked_at += 1;
            if class(name).is_none() && !PASSING.contains(&name) {
                undeclared.insert(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(
        20 < looked_at,
        "only {looked_at} names were found: have the calls another shape?"
    );
    assert!(
        undeclared.is_empty(),
        "declare them in ingest/event/src/field.rs: {undeclared:#?}"
    );
}
