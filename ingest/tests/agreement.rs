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

#[path = "agreement/count.rs"]
mod count;
#[path = "agreement/differences.rs"]
mod differences;
#[path = "agreement/document.rs"]
mod document;
#[path = "capture/lab.rs"]
mod lab;
#[path = "agreement/suricata.rs"]
mod suricata;
#[path = "agreement/zeek.rs"]
mod zeek;

use std::{
    fs,
    path::{Path, PathBuf},
};

use ingest::record::Draft;
use ingest_event::Value;

use count::{Counts, idle, share, unexplained};

fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: captures not found at {}", root.display());
    None
}

fn text(draft: &Draft, name: &str) -> String {
    draft.fields.get(name).map(Value::to_string).unwrap_or_default()
}

#[test]
fn flows_names_and_requests_are_those_of_zeek_and_suricata() {
    let Some(root) = captures() else { return };
    let zeek = zeek::compare(&root);
    let suricata = suricata::compare(&root.join("suricata-verify"));
    for (counts, explained) in [
        (&zeek, &differences::EXPLAINED[..]),
        (&suricata, &suricata::differences::EXPLAINED[..]),
    ] {
        for ((dataset, field), count) in counts {
            for difference in &count.differ {
                println!("{dataset} {field}: {difference}");
            }
        }
        let unexplained = unexplained(counts, explained);
        assert!(unexplained.is_empty(), "{unexplained:#?}");
        let idle = idle(counts, explained);
        assert!(idle.is_empty(), "these explain nothing any more: {idle:#?}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/agreement.md");
    let document = document::write(&zeek, &suricata);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &document).expect("written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document,
        "docs/agreement.md is not what was found; UPDATE_EXPECT=1 cargo test -p ingest --test agreement writes it"
    );
    for all in [&[&zeek][..], &[&suricata], &[&zeek, &suricata]] {
        holds(all);
    }
}

/// What has to agree: 99 % of names, hosts and flows, 98 % of all.
fn holds(all: &[&Counts]) {
    let field = |name: &'static str| move |key: &(String, String)| key.1 == name;
    for name in ["dns.question.name", "tls.client.server_name", "url.domain"] {
        assert!(0.99 <= share(all, &field(name)), "{name}");
    }
    assert!(0.99 <= share(all, &|key| key.0 == "network.flow" && key.1 == "(record)"));
    assert!(0.98 <= share(all, &|_| true));
}
