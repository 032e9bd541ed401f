//! All of SigmaHQ on real events, against `rsigma-eval`: the sets of matches are equal.
//!
//! Log sources are policy, not matching: the oracle is asked about those rules only that ours are for. Needs the
//! captures (`VARDE_CAPTURES`); says so when they are not there.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

use std::{
    collections::BTreeSet,
    io::Read as _,
    path::{Path, PathBuf},
    time::Instant,
};

use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Scanner};
use detect_rules::{Checked, SourceText, check};
use rsigma_eval::{CompiledRule, compile_rule, evaluate_rule, event::JsonEvent};

/// Events of each corpus in the ordinary run; `VARDE_ORACLE_EVENTS` asks for more.
const EVENTS: usize = 60;

const CORPORA: [&str; 5] = [
    "windows-mix-20k",
    "windows-raw-20k",
    "evtx-samples",
    "sigma-regression",
    "zeek-apt29",
];

fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    if root.join("sigma/rules.tar.zst").exists() {
        return Some(root);
    }
    println!("skipped: captures not found at {}", root.display());
    None
}

/// The rule files in the archive: a tar is blocks of 512 bytes, each file a header and its content.
fn sigma_hq(root: &Path) -> Vec<SourceText> {
    let packed = std::fs::read(root.join("sigma/rules.tar.zst")).expect("the archive is there");
    let tar = zstd::decode_all(packed.as_slice()).expect("zstd");
    let mut sources = Vec::new();
    let (mut at, mut long_name) = (0, None);
    while at + 512 <= tar.len() {
        let header = &tar[at..at + 512];
        let text = |range: std::ops::Range<usize>| {
            let bytes = &header[range];
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap_or(0);
        at += 512;
        // A name longer than the header has room for comes as the content of an entry of its own (GNU, pax).
        if matches!(header[156], b'L' | b'x') {
            long_name = Some(
                String::from_utf8_lossy(&tar[at..at + size])
                    .trim_end_matches(['\0', '\n'])
                    .to_owned(),
            );
            at += size.div_ceil(512) * 512;
            continue;
        }
        let path = long_name.take().unwrap_or_else(|| text(0..100));
        let is_file = matches!(header[156], b'0' | 0);
        if is_file && (path.ends_with(".yml") || path.ends_with(".yaml")) {
            sources.push(SourceText {
                path,
                text: String::from_utf8_lossy(&tar[at..at + size]).into_owned(),
            });
        }
        at += size.div_ceil(512) * 512;
    }
    sources
}

fn events(root: &Path, corpus: &str, count: usize) -> Vec<String> {
    let packed = std::fs::File::open(root.join(format!("sigma/events/{corpus}.ndjson.zst"))).expect("corpus");
    let mut text = String::new();
    zstd::Decoder::new(packed)
        .expect("zstd")
        .read_to_string(&mut text)
        .expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    // Spread over the corpus, so that a short run sees every kind of event.
    let step = (lines.len() / count).max(1);
    lines
        .into_iter()
        .step_by(step)
        .take(count)
        .map(|line| {
            if line.contains("\"@timestamp\"") {
                line.to_owned()
            } else {
                format!("{{\"@timestamp\":\"2026-01-01T00:00:00Z\",{}", &line[1..])
            }
        })
        .collect()
}

#[derive(Default)]
struct Matched(BTreeSet<String>);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(_, producer) = hit.origin {
            assert!(self.0.insert(producer.id.0.clone()), "a rule matches once");
        }
    }
}

/// Rules without a log source of their own, so that every rule is asked about every event.
fn for_all_events(mut checked: Checked) -> Checked {
    for rule in &mut checked.rules.rules {
        rule.log_source = detect_rules::RuleLogSource::default();
    }
    checked
}

#[test]
fn all_of_sigma_hq_matches_what_the_oracle_matches() {
    let Some(root) = captures() else { return };
    let sources = sigma_hq(&root);
    let started = Instant::now();
    let checked = check(&sources);
    for diagnostic in checked.diagnostics.iter().filter(|found| found.is_error()) {
        println!("{diagnostic}");
    }
    let loaded = checked.rules.rules.len();
    println!(
        "SigmaHQ: {loaded} of {} rules load, checked in {:?}",
        sources.len(),
        started.elapsed()
    );
    assert!(3700 <= loaded, "{loaded}");

    let ids: BTreeSet<String> = checked
        .rules
        .rules
        .iter()
        .map(|rule| rule.producer.id.0.clone())
        .collect();
    let oracle: Vec<(String, CompiledRule)> = sources
        .iter()
        .flat_map(|source| {
            rsigma_parser::parse_sigma_yaml(&source.text)
                .expect("parsed before")
                .rules
        })
        .filter_map(|rule| {
            let id = rule.id.clone()?;
            let compiled = compile_rule(&rule).ok()?;
            ids.contains(&id).then_some((id, compiled))
        })
        .collect();
    println!("the oracle compiles {}", oracle.len());
    let both: BTreeSet<&String> = oracle.iter().map(|(id, _)| id).collect();

    // The field names of Sigma's network rules go to ECS names first, then to their own: both see the same here.
    let ruleset = Compiler::new()
        .rules(for_all_events(checked).rules)
        .compile()
        .expect("compiles");
    let mut scanner = Scanner::new(&ruleset);
    let count = std::env::var("VARDE_ORACLE_EVENTS").map_or(EVENTS, |text| text.parse().expect("a number"));
    let (mut total, mut differences) = (0, Vec::new());
    for corpus in CORPORA {
        let lines = events(&root, corpus, count);
        let started = Instant::now();
        let ours: Vec<BTreeSet<String>> = lines
            .iter()
            .map(|line| {
                let mut matched = Matched::default();
                scanner.scan(line.as_bytes(), &mut matched).expect("an event");
                matched.0
            })
            .collect();
        println!(
            "{corpus}: {} events, every rule on each, {:?}",
            lines.len(),
            started.elapsed()
        );
        for (line, ours) in lines.iter().zip(ours) {
            let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let event = JsonEvent::borrow(&json);
            let theirs: BTreeSet<&String> = oracle
                .iter()
                .filter(|(_, rule)| evaluate_rule(rule, &event).is_some())
                .map(|(id, _)| id)
                .collect();
            let ours: BTreeSet<&String> = ours.iter().filter(|id| both.contains(id)).collect();
            total += ours.len();
            for id in ours.symmetric_difference(&theirs) {
                let side = if ours.contains(*id) { "ours" } else { "theirs" };
                differences.push(format!(
                    "{side} only: {id} on {corpus}: {}",
                    line.chars().take(300).collect::<String>()
                ));
            }
        }
    }
    println!("{total} matches in common, {} differences", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
