//! Field by field, what Zeek and Suricata read of the same captures: how much agrees, and why the rest does not.
//!
//! Their captures, logs and expectations are looked for in `VARDE_CAPTURES`, by default `../shared/captures` beside the
//! workspace. Nothing of them is kept in this repository but the names of the files compared. `docs/agreement.md` has
//! the counts; `UPDATE_EXPECT=1 cargo test -p ingest --test agreement` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics is a test that fails"
)]

#[path = "agreement/asked.rs"]
mod asked;
#[path = "agreement/count.rs"]
mod count;
#[path = "agreement/differences.rs"]
mod differences;
#[path = "agreement/document.rs"]
mod document;
#[path = "capture/lab.rs"]
mod lab;
#[path = "capture/others.rs"]
mod others;
#[path = "agreement/rewrite.rs"]
mod rewrite;
#[path = "agreement/suricata.rs"]
mod suricata;
#[path = "agreement/zeek.rs"]
mod zeek;

use std::{fs, path::Path};

use ingest::record::Draft;
use ingest_event::Value;

use count::{miscounted, unexplained};

fn text(draft: &Draft, name: &str) -> String {
    draft.fields.get(name).map(Value::to_string).unwrap_or_default()
}

/// Whether packets to a port of UDP carry others: VXLAN, Geneve, Teredo, GRE, GTP-U, AYIYA.
fn is_carrier_port(port: &str) -> bool {
    ["4789", "6081", "3544", "4754", "2152", "5072"].contains(&port)
}

/// The field of the other side, if the ends are swapped.
fn of_side(field: &str, is_swapped: bool) -> String {
    match field.split_once('.') {
        Some(("source", rest)) if is_swapped => format!("destination.{rest}"),
        Some(("destination", rest)) if is_swapped => format!("source.{rest}"),
        _ => field.to_owned(),
    }
}

#[test]
fn flows_names_and_requests_are_those_of_zeek_and_suricata() {
    let Some(root) = others::folder() else { return };
    let zeek = zeek::compare(&root);
    let suricata = suricata::compare(&root.join("suricata-verify"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/agreement.md");
    let document = document::write(&zeek, &suricata);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &document).expect("written");
    }
    for ((dataset, field), count) in zeek.iter().chain(&suricata) {
        for difference in &count.differ {
            println!("{dataset} {field}: {difference}");
        }
    }
    for (counts, explained) in [
        (&zeek, &differences::EXPLAINED[..]),
        (&suricata, &suricata::differences::EXPLAINED[..]),
    ] {
        let unexplained = unexplained(counts, explained);
        assert!(unexplained.is_empty(), "{unexplained:#?}");
        let miscounted = miscounted(counts, explained);
        assert!(miscounted.is_empty(), "{miscounted:#?}");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document,
        "docs/agreement.md is not what was found; UPDATE_EXPECT=1 cargo test -p ingest --test agreement writes it"
    );
    let said: Vec<(&str, &str)> = asked::SHORT
        .iter()
        .flat_map(|(what, sides, _)| sides.iter().map(|side| (*what, *side)))
        .collect();
    assert_eq!(
        asked::short(&zeek, &suricata),
        said,
        "what falls short of what is asked"
    );
}
