//! When a named indicator counts: its validity at the event's time, then the warning lists; asked of the table, and
//! of a scanner that counts what it rejected.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "indicators/made.rs"]
mod made;

use std::sync::Arc;

use detect_alert::{
    Indicator, IndicatorKind as Kind, WarningCategory, WarningList, WarningListKind, WarningMode,
};
use detect_engine::{
    Compiler, EventView, Holds, Judgement, Match, MatchSink, Origin, Rejection, RejectionReason, Rejections,
    Scanner, Scratch, WarningLists,
};
use ingest_event::Timestamp;

use made::{indicator, table};

fn list(name: &str, kind: WarningListKind, mode: WarningMode, entries: &[&str]) -> WarningList {
    WarningList {
        name: name.to_owned(),
        version: 1,
        kind,
        category: WarningCategory::FalsePositive,
        applies_to: Vec::new(),
        mode,
        entries: entries.iter().map(|entry| (*entry).to_owned()).collect(),
    }
}

/// The list that blocks, and the lists that inform, when `text` names the indicator.
fn judged(
    indicator: Indicator,
    holds: Holds,
    text: &str,
    lists: &[WarningList],
) -> (Option<RejectionReason>, Vec<String>) {
    let (lists, bad) = WarningLists::build(lists);
    assert!(bad.is_empty(), "{bad:?}");
    let table = table(&[indicator]);
    let mut id = None;
    table.look_up(holds, text, None, &mut Scratch::default(), &mut |found| {
        id = Some(found)
    });
    let id = id.expect("the text names the indicator");
    match table
        .judge(id, text, Timestamp::from_millis(5), &lists)
        .expect("it is held")
    {
        Judgement::Match { listed } => (None, listed.iter().map(|on| on.list.to_owned()).collect()),
        Judgement::Rejected(Rejection { reason, list }) => {
            (Some(reason), list.map(str::to_owned).into_iter().collect())
        }
    }
}

/// A harmless recipient beside a bad one takes nothing back.
#[test]
fn of_several_recipients_those_under_the_domain_are_asked_about() {
    let blocking = |entry| {
        [list(
            "harmless",
            WarningListKind::Hostname,
            WarningMode::Block,
            &[entry],
        )]
    };
    for (text, entry, reason) in [
        ("x@bad.example, z@ok.example", "ok.example", None),
        (
            "x@a.bad.example, y@b.bad.example, z@ok.example",
            "a.bad.example",
            None,
        ),
        ("y@b.bad.example, x@a.bad.example", "a.bad.example", None),
        (
            "x@a.bad.example, z@ok.example",
            "a.bad.example",
            Some(RejectionReason::ValueListed),
        ),
    ] {
        let (rejected, _) = judged(
            indicator(Kind::Domain, "bad.example"),
            Holds::Email,
            text,
            &blocking(entry),
        );
        assert_eq!(rejected, reason, "{text}, {entry} is harmless");
    }
}

#[test]
fn warning_lists_of_every_kind_block() {
    use RejectionReason::{IndicatorListed, ValueListed};
    use WarningListKind as List;
    for (kind, value, holds, text, list_kind, entry, reason) in [
        (
            Kind::Address,
            "192.0.2.7",
            Holds::Address,
            "192.0.2.7",
            List::String,
            "192.0.2.7",
            Some(IndicatorListed),
        ),
        (
            Kind::Address,
            "2001:db8::7",
            Holds::Address,
            "2001:db8::7",
            List::String,
            "2001:DB8:0::7",
            Some(IndicatorListed),
        ),
        (
            Kind::Address,
            "192.0.2.7",
            Holds::Address,
            "192.0.2.7",
            List::String,
            "192.0.2.70",
            None,
        ),
        (
            Kind::Address,
            "192.0.2.7",
            Holds::Address,
            "192.0.2.7",
            List::Cidr,
            "192.0.2.0/24",
            Some(IndicatorListed),
        ),
        (
            Kind::Address,
            "2001:db8::7",
            Holds::Address,
            "2001:db8::7",
            List::Cidr,
            "2001:db8::/32",
            Some(IndicatorListed),
        ),
        (
            Kind::Address,
            "192.0.2.7",
            Holds::Address,
            "192.0.2.7",
            List::Cidr,
            "192.0.3.0/24",
            None,
        ),
        (
            Kind::Cidr,
            "192.0.2.0/24",
            Holds::Address,
            "192.0.2.7",
            List::Cidr,
            "192.0.0.0/16",
            Some(IndicatorListed),
        ),
        (
            Kind::Cidr,
            "192.0.2.0/24",
            Holds::Address,
            "192.0.2.7",
            List::Cidr,
            "192.0.2.7",
            Some(ValueListed),
        ),
        (
            Kind::Cidr,
            "192.0.2.0/24",
            Holds::Host,
            "192.0.2.7:53",
            List::String,
            "192.0.2.7",
            Some(ValueListed),
        ),
        (
            Kind::Cidr,
            "2001:db8::/32",
            Holds::Url,
            "http://[2001:db8::7]:1/x",
            List::String,
            "2001:db8::7",
            Some(ValueListed),
        ),
        (
            Kind::Cidr,
            "192.0.2.0/24",
            Holds::Address,
            "192.0.2.8",
            List::Cidr,
            "192.0.2.7",
            None,
        ),
        (
            Kind::Domain,
            "cdn.example",
            Holds::Host,
            "www.cdn.example",
            List::Hostname,
            "cdn.example",
            Some(IndicatorListed),
        ),
        (
            Kind::Domain,
            "cdn.example",
            Holds::Host,
            "www.cdn.example",
            List::Hostname,
            "www.cdn.example",
            Some(ValueListed),
        ),
        (
            Kind::Domain,
            "cdn.example",
            Holds::Host,
            "www.cdn.example",
            List::Hostname,
            "n.example",
            None,
        ),
        (
            Kind::Cidr,
            "192.0.2.0/24",
            Holds::Address,
            "::ffff:192.0.2.7",
            List::String,
            "192.0.2.7",
            Some(ValueListed),
        ),
        (
            Kind::Cidr,
            "2001:db8::/32",
            Holds::Host,
            "[2001:DB8:0::7]:443",
            List::String,
            "2001:db8::7",
            Some(ValueListed),
        ),
        (
            Kind::Domain,
            "xn--bd-1ia.example",
            Holds::Host,
            "www.B\u{c6}D.example",
            List::Hostname,
            "www.b\u{e6}d.example",
            Some(ValueListed),
        ),
        (
            Kind::Url,
            "http://a.cdn.example/x",
            Holds::Url,
            "http://a.cdn.example/x",
            List::Hostname,
            "cdn.example",
            Some(IndicatorListed),
        ),
        (
            Kind::Domain,
            "cdn.example",
            Holds::Host,
            "cdn.example",
            List::Substring,
            "CDN",
            Some(IndicatorListed),
        ),
        (
            Kind::Domain,
            "cdn.example",
            Holds::Host,
            "cdn.example",
            List::Regex,
            "/^cdn\\./i",
            Some(IndicatorListed),
        ),
        (
            Kind::Domain,
            "cdn.example",
            Holds::Host,
            "cdn.example",
            List::Regex,
            "^dn",
            None,
        ),
        (
            Kind::Md5,
            "00000000000000000000000000000001",
            Holds::Hash,
            "00000000000000000000000000000001",
            List::String,
            "00000000000000000000000000000001",
            Some(IndicatorListed),
        ),
    ] {
        for mode in WarningMode::ALL {
            let lists = [list("a list", list_kind, mode, &[entry])];
            let (blocked, on) = judged(indicator(kind, value), holds, text, &lists);
            let expected = if mode == WarningMode::Block { reason } else { None };
            assert_eq!(blocked, expected, "{value} on {entry}");
            assert_eq!(on.is_empty(), reason.is_none(), "{value} on {entry}");
        }
    }
}

#[test]
fn a_list_speaks_of_its_kinds_only() {
    let mut one = list(
        "hashes",
        WarningListKind::String,
        WarningMode::Block,
        &["cdn.example"],
    );
    one.applies_to = vec![Kind::Md5];
    let (reason, _) = judged(
        indicator(Kind::Domain, "cdn.example"),
        Holds::Host,
        "cdn.example",
        &[one],
    );
    assert_eq!(reason, None);
}

#[test]
fn validity_comes_first_and_every_rejection_is_counted() {
    let at = Timestamp::from_millis;
    let mut rejections = Rejections::default();
    for (from, until, reason) in [
        (None, None, None),
        (Some(at(5)), Some(at(6)), None),
        (Some(at(6)), None, Some(RejectionReason::NotYetValid)),
        (None, Some(at(5)), Some(RejectionReason::Expired)),
    ] {
        let indicator = Indicator {
            valid_from: from,
            valid_until: until,
            ..indicator(Kind::Domain, "bad.example")
        };
        let (judged, _) = judged(indicator, Holds::Host, "bad.example", &[]);
        assert_eq!(judged, reason, "{from:?} {until:?}");
        if let Some(reason) = judged {
            rejections.count(Rejection { reason, list: None });
            rejections.count(Rejection {
                reason,
                list: Some("a list"),
            });
        }
    }
    let counted: Vec<_> = rejections
        .iter()
        .map(|one| (one.reason, one.list, one.count))
        .collect();
    assert_eq!(counted.len(), 4, "{counted:?}");
    assert!(counted.iter().all(|(_, _, count)| *count == 1));
}

#[test]
fn a_bad_entry_is_told_and_the_others_count() {
    let (lists, bad) = WarningLists::build(&[
        list(
            "nets",
            WarningListKind::Cidr,
            WarningMode::Block,
            &["192.0.2.0/24", "nonsense"],
        ),
        list("patterns", WarningListKind::Regex, WarningMode::Block, &["("]),
    ]);
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert_eq!(bad[0].entry.as_deref(), Some("nonsense"));
    assert_eq!(lists.len(), 1);
    assert_eq!(lists.listing(Kind::Address, "192.0.2.1").count(), 1);
}

/// The matches of a scan: the indicator's value and what each finding says.
#[derive(Default)]
struct Matched(Vec<(String, Vec<String>)>);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Indicator(indicator, _) = hit.origin {
            let findings = hit.findings.iter().map(|finding| finding.matched.clone());
            self.0.push((indicator.value.clone(), findings.collect()));
        }
    }
}

/// Scans events, and says what matched and what was rejected: `count reason list`, by reason and list.
fn scanned(indicators: Vec<Indicator>, lists: &[WarningList], events: &[&str]) -> (Matched, Vec<String>) {
    let (lists, bad) = WarningLists::build(lists);
    assert!(bad.is_empty(), "{bad:?}");
    let ruleset = Compiler::new()
        .indicators(indicators)
        .warning_lists(Arc::new(lists))
        .compile()
        .expect("compiles");
    let mut scanner = Scanner::new(&ruleset);
    let mut matched = Matched::default();
    for event in events {
        scanner.scan(event.as_bytes(), &mut matched).expect("an event");
    }
    let rejected = scanner
        .take_rejections()
        .iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one.count,
                one.reason.as_str(),
                one.list.unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(scanner.take_rejections().iter().count(), 0, "counts begin anew");
    (matched, rejected)
}

const EVENT_V4: &str = r#"{"@timestamp":"2026-01-01T00:00:00Z","destination":{"ip":"192.0.2.7"}}"#;
const EVENT_V6: &str = r#"{"@timestamp":"2026-01-01T00:00:00Z","destination":{"ip":"2001:db8::7"}}"#;

#[test]
fn a_scanner_raises_nothing_that_a_list_blocks_and_counts_it() {
    for (net, event, entry, reason) in [
        (
            "192.0.2.0/24",
            EVENT_V4,
            "192.0.0.0/16",
            "indicator on a warning list",
        ),
        (
            "2001:db8::/32",
            EVENT_V6,
            "2001:db8::/32",
            "indicator on a warning list",
        ),
        ("192.0.2.0/24", EVENT_V4, "192.0.2.7", "value on a warning list"),
        (
            "2001:db8::/32",
            EVENT_V6,
            "2001:db8::7",
            "value on a warning list",
        ),
    ] {
        let lists = [
            list(
                "others",
                WarningListKind::Cidr,
                WarningMode::Block,
                &["198.51.100.0/24"],
            ),
            list("resolvers", WarningListKind::Cidr, WarningMode::Block, &[entry]),
        ];
        let (matched, rejected) = scanned(vec![indicator(Kind::Cidr, net)], &lists, &[event; 3]);
        assert!(matched.0.is_empty(), "{net} on {entry}: {:?}", matched.0);
        assert_eq!(rejected, [format!("3 {reason} resolvers")], "{net} on {entry}");
    }
}

#[test]
fn a_scanner_names_the_lists_that_inform() {
    for (value, event) in [("192.0.2.7", EVENT_V4), ("2001:db8::7", EVENT_V6)] {
        let lists = [
            list(
                "others",
                WarningListKind::String,
                WarningMode::Inform,
                &["198.51.100.1"],
            ),
            list(
                "sinkholes",
                WarningListKind::String,
                WarningMode::Inform,
                &[value],
            ),
        ];
        let (matched, rejected) = scanned(vec![indicator(Kind::Address, value)], &lists, &[event]);
        let finding = format!("ip {value}, on the warning list \u{201c}sinkholes\u{201d}");
        assert_eq!(matched.0, [(value.to_owned(), vec![finding])]);
        assert!(rejected.is_empty(), "{rejected:?}");
    }
}

#[test]
fn a_blocked_value_leaves_the_event_s_others() {
    let event = r#"{"@timestamp":"2026-01-01T00:00:00Z","dns":{"question":{"name":"www.cdn.example"}},
        "url":{"domain":"evil.cdn.example"},"source":{"ip":"192.0.2.7"}}"#;
    let lists = [list(
        "cdn",
        WarningListKind::Hostname,
        WarningMode::Block,
        &["www.cdn.example"],
    )];
    let indicators = vec![
        indicator(Kind::Domain, "cdn.example"),
        indicator(Kind::Address, "192.0.2.7"),
    ];
    let (matched, rejected) = scanned(indicators, &lists, &[event]);
    let values: Vec<(&str, usize)> = matched
        .0
        .iter()
        .map(|(value, findings)| (value.as_str(), findings.len()))
        .collect();
    assert_eq!(values, [("192.0.2.7", 1), ("cdn.example", 1)]);
    assert_eq!(rejected, ["1 value on a warning list cdn"]);
}

#[test]
fn a_scanner_counts_what_is_out_of_its_time() {
    let at = |time: &str| Some(time.parse::<Timestamp>().expect("a time"));
    let later = Indicator {
        valid_from: at("2026-01-01T00:00:01Z"),
        ..indicator(Kind::Address, "192.0.2.7")
    };
    let over = Indicator {
        valid_until: at("2026-01-01T00:00:00Z"),
        ..indicator(Kind::Address, "2001:db8::7")
    };
    let events = [EVENT_V4, EVENT_V6, EVENT_V6];
    let (matched, rejected) = scanned(vec![later, over], &[], &events);
    assert!(matched.0.is_empty(), "{:?}", matched.0);
    assert_eq!(rejected, ["1 not yet valid -", "2 expired -"]);
}

#[test]
fn an_event_that_names_too_many_is_cut_short_and_counted() {
    let mut indicators = Vec::new();
    for feed in 0..64 {
        indicators.push(Indicator {
            source: format!("feed {feed}"),
            ..indicator(Kind::Domain, "bad.example")
        });
    }
    let names = vec![r#""bad.example""#; 17].join(",");
    let event = format!(r#"{{"@timestamp":"2026-01-01T00:00:00Z","related":{{"hosts":[{names}]}}}}"#);
    let (matched, rejected) = scanned(indicators, &[], &[&event]);
    assert_eq!(matched.0.len(), 64);
    assert_eq!(rejected, ["64 too many in one event -"]);
}
