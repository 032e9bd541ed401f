//! What an event costs that matches nothing: no allocation at all is the aim, once the buffers have grown.
//!
//! A counting allocator, all of SigmaHQ for its own log sources, and a hundred thousand indicators, over real
//! events (`VARDE_CAPTURES`; says so when they are not there) and flows of our own. Each event is scanned before
//! it is counted: buffers grow, and a class of events that is new is remembered.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test support outside `#[test]` functions"
)]

#[path = "corpora/corpora.rs"]
mod corpora;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};
use detect_engine::{Compiler, EventView, Match, MatchSink, Ruleset, Scanner};
use detect_rules::{CheckedRules, check};

/// Allocations for one event that matches nothing, at most.
const ALLOCATIONS_MAX: u64 = 0;

/// Events of each corpus; `VARDE_LONG=1` asks for all.
const EVENTS: usize = 120;

/// Each event is scanned so often before it is counted: a class of events settles after a while.
const WARM_UP: usize = 20;

const INDICATORS: u32 = 100_000;

/// The system's allocator, and how often this thread asked it for memory.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    COUNT.set(COUNT.get() + 1);
}

#[allow(
    unsafe_code,
    reason = "an allocator can't be written without; it only counts and hands on"
)]
// SAFETY: every call goes to the system's allocator as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Default)]
struct Matches(usize);

impl MatchSink for Matches {
    fn matched(&mut self, _: &EventView<'_>, _: Match<'_>) {
        self.0 += 1;
    }
}

/// Indicators of every common kind; documentation ranges and names, so that real events have none of them.
fn indicators() -> Vec<Indicator> {
    (0..INDICATORS)
        .map(|number| {
            let (kind, value) = match number % 5 {
                0 => (IndicatorKind::Domain, format!("bad-{number}.example")),
                1 => (IndicatorKind::Sha256, format!("{number:064x}")),
                2 => (IndicatorKind::Url, format!("http://bad-{number}.example/x")),
                3 => (IndicatorKind::Address, format!("2001:db8:bad::{number:x}")),
                _ => (
                    IndicatorKind::Cidr,
                    format!("2001:db8:{number:x}::/48").replace(":10000:", ":fff0:"),
                ),
            };
            Indicator {
                kind,
                value,
                source: "test".to_owned(),
                confidence: Confidence::Medium,
                tlp: Tlp::Green,
                pap: Pap::Green,
                valid_from: None,
                valid_until: None,
                description: String::new(),
            }
        })
        .filter(|indicator| {
            indicator.kind != IndicatorKind::Cidr || indicator.value.parse::<ipnet::IpNet>().is_ok()
        })
        .collect()
}

/// Flows, name lookups and TLS sessions as our sensor writes them.
fn flows() -> Vec<String> {
    (0..EVENTS)
        .map(|number| {
            let (a, b) = (number % 250, number / 250);
            let more = match number % 3 {
                0 => r#""event.dataset":"network.flow","network.transport":"tcp""#.to_owned(),
                1 => format!(r#""event.dataset":"network.dns","dns.question.name":"host{number}.Example.NET","dns.answers":[{{"data":"192.0.2.{a}"}}]"#),
                _ => format!(r#""event.dataset":"network.tls","tls.client.server_name":"s\u00f8k{number}.example.net","tls.client.ja3":"{number:032x}""#),
            };
            format!(
                r#"{{"@timestamp":"2026-01-01T00:00:00.123Z",{more},"source.ip":"192.0.2.{a}","destination.ip":"2001:db8:1::{b:x}","source.port":{number},"destination.port":443,"source.bytes":1{number}}}"#
            )
        })
        .collect()
}

/// Scans each event until everything has grown, then once more, and says what the worst one allocated.
fn measure(ruleset: &Ruleset, name: &str, lines: &[String]) -> u64 {
    let mut scanner = Scanner::new(ruleset);
    let mut scan = |line: &String| {
        let mut matches = Matches::default();
        let before = COUNT.get();
        scanner.scan(line.as_bytes(), &mut matches).expect("an event");
        (matches.0, COUNT.get() - before)
    };
    for line in std::iter::repeat_n(lines, WARM_UP).flatten() {
        scan(line);
    }
    let (mut events, mut total, mut worst) = (0_u64, 0, 0);
    for line in lines {
        let (matches, allocations) = scan(line);
        if matches == 0 {
            events += 1;
            total += allocations;
            worst = allocations.max(worst);
        }
    }
    println!(
        "{name}: {} events, {events} match nothing: {total} allocations, at most {worst} for one",
        lines.len()
    );
    assert!(
        lines.len() as u64 / 10 < events,
        "{name}: nearly all events match, that says nothing"
    );
    worst
}

#[test]
fn events_that_match_nothing_allocate_nothing() {
    // The counter counts.
    let before = COUNT.get();
    drop(std::hint::black_box(vec![1_u8]));
    assert_eq!(COUNT.get(), before + 1);

    let root = corpora::captures();
    let rules = root.as_deref().map_or_else(CheckedRules::default, |root| {
        check(&corpora::sigma_hq(root)).rules
    });
    let ruleset = Compiler::new()
        .rules(rules)
        .indicators(indicators())
        .compile()
        .expect("compiles");
    println!(
        "{} rules, {} indicators",
        ruleset.rule_count(),
        ruleset.indicator_count()
    );
    let mut worst = measure(&ruleset, "own flows", &flows());
    if let Some(root) = root {
        let count = if std::env::var_os("VARDE_LONG").is_some() {
            usize::MAX
        } else {
            EVENTS
        };
        // In the corpus of the rules' own regression data nearly every event matches.
        for corpus in corpora::CORPORA
            .into_iter()
            .filter(|corpus| *corpus != "sigma-regression")
        {
            worst = worst.max(measure(&ruleset, corpus, &corpora::events(&root, corpus, count)));
        }
    }
    assert_eq!(worst, ALLOCATIONS_MAX, "{worst} allocations for one event");
}
