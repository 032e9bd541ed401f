//! Indicators from their file to their match, with what must not match beside what must.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Scanner};
use detect_rules::check_indicators;

#[derive(Default)]
struct Matched(Vec<String>);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Indicator(indicator, _) = hit.origin {
            self.0.push(indicator.value.clone());
        }
    }
}

/// Scans one event against one indicator.
fn check(indicator: &str, field: &str, value: &str, expected: bool) {
    let event = serde_json::json!({ "@timestamp": "2026-01-01T00:00:00Z", field: value }).to_string();
    let matched = scan(indicator, &event);
    assert_eq!(!matched.0.is_empty(), expected, "{indicator} in {field}: {value}");
}

/// Scans one event, as JSON, against a list of indicators.
fn scan(indicators: &str, event: &str) -> Matched {
    let (indicators, diagnostics) = check_indicators("list.txt", "list", indicators);
    assert!(diagnostics.is_empty(), "{}", diagnostics[0]);
    let ruleset = Compiler::new()
        .indicators(indicators)
        .compile()
        .expect("compiles");
    let mut matched = Matched::default();
    Scanner::new(&ruleset)
        .scan(event.as_bytes(), &mut matched)
        .expect("an event");
    matched
}

#[test]
fn an_indicator_matches_itself_and_nothing_beside_it() {
    for (indicator, field, value, expected) in [
        ("203.0.113.7", "destination.ip", "203.0.113.7", true),
        ("203.0.113.7", "destination.ip", "203.0.113.70", false),
        ("203.0.113.7", "destination.ip", "::ffff:203.0.113.7", true),
        ("203.0.113.7", "user.name", "203.0.113.7", false),
        ("203.0.113.7", "url.domain", "203.0.113.7:8080", true),
        ("2001:DB8::7", "source.ip", "2001:db8:0:0:0:0:0:7", true),
        ("2001:db8::7", "source.ip", "2001:db8::70", false),
        ("203.0.113.7", "varde.tunnel.destination.ip", "203.0.113.7", true),
        ("2001:db8::7", "varde.tunnel.destination.ip", "2001:db8::7", true),
        ("203.0.113.0/24", "varde.tunnel.source.ip", "203.0.113.255", true),
        ("2001:db8::/32", "varde.tunnel.source.ip", "2001:db8::7", true),
        ("203.0.113.0/24", "source.ip", "203.0.113.255", true),
        ("203.0.113.0/24", "source.ip", "203.0.114.0", false),
        ("2001:db8:1::/48", "source.ip", "2001:db8:1:ffff::1", true),
        ("2001:db8:1::/48", "source.ip", "2001:db8:2::1", false),
        ("bad.example", "dns.question.name", "bad.example", true),
        ("bad.example", "dns.question.name", "WWW.Bad.Example.", true),
        ("bad.example", "dns.question.name", "notbad.example", false),
        ("bad.example", "dns.question.name", "bad.example.org", false),
        (
            "b\u{e6}d.example",
            "tls.client.server_name",
            "xn--bd-1ia.example",
            true,
        ),
        (
            "hxxps://bad[.]example/a?b=1",
            "url.full",
            "https://BAD.example/a?b=1",
            true,
        ),
        (
            "https://bad.example/a",
            "url.full",
            "https://bad.example/a?session=2#top",
            true,
        ),
        (
            "https://bad.example/a",
            "url.full",
            "https://bad.example:8443/a",
            false,
        ),
        (
            "https://bad.example/a",
            "url.full",
            "https://bad.example:443/a",
            true,
        ),
        (
            "https://bad.example/a",
            "url.full",
            "https://bad.example/a/b",
            false,
        ),
        ("Evil@Bad.example", "email.from.address", "evil@bad.example", true),
        (
            "evil@bad.example",
            "email.from.address",
            "devil@bad.example",
            false,
        ),
        (
            "0CC175B9C0F1B6A831C399E269772661",
            "file.hash.md5",
            "0cc175b9c0f1b6a831c399e269772661",
            true,
        ),
        (
            "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
            "Hashes",
            "SHA1=86F7E437FAA5A7FCE15D1DDCB9EAEAEA377667B8,IMPHASH=00000000000000000000000000000000",
            true,
        ),
        (
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
            "tls.client.ja4",
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
            true,
        ),
        (
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
            "tls.client.ja4",
            "t13d1516h2_8daaf6152771_e5627efa2ab2",
            false,
        ),
    ] {
        check(indicator, field, value, expected);
    }
}

/// What a sender can write to be overlooked, though it reaches the same host or is the same file.
#[test]
fn what_stands_beside_it_hides_no_indicator() {
    let long = "A".repeat(5000);
    let long_url = |host: &str| format!("http://{host}/gate.php?d={long}");
    let hash = "0cc175b9c0f1b6a831c399e269772661";
    let others = "MD5=00000000000000000000000000000000,".repeat(2000);
    let long_name = "a.".repeat(400);
    for (indicator, field, value, expected) in [
        ("bad.example", "url.full", &*long_url("bad.example"), true),
        ("bad.example", "url.full", &long_url("notbad.example"), false),
        (
            "bad.example",
            "url.full",
            &format!("http://u:{long}@bad.example/"),
            true,
        ),
        ("203.0.113.7", "url.full", &long_url("203.0.113.7"), true),
        ("2001:db8::7", "url.full", &long_url("[2001:db8::7]"), true),
        ("203.0.113.0/24", "url.full", &long_url("203.0.113.7"), true),
        ("2001:db8:1::/48", "url.full", &long_url("[2001:db8:1::7]"), true),
        (
            "http://bad.example/gate.php",
            "url.full",
            &long_url("BAD.example"),
            true,
        ),
        (
            "http://203.0.113.7/gate.php",
            "url.full",
            &long_url("203.0.113.7"),
            true,
        ),
        (
            "http://[2001:db8::7]/gate.php",
            "url.full",
            &long_url("[2001:DB8::7]"),
            true,
        ),
        (
            "http://bad.example/gate",
            "url.full",
            &long_url("bad.example"),
            false,
        ),
        ("bad.example", "dns.question.name", "\u{fffd}.bad.example", true),
        (
            "bad.example",
            "dns.question.name",
            "\u{fffd}\u{3002}bad.example",
            true,
        ),
        ("bad.example", "dns.question.name", "\u{fffd}bad.example", false),
        ("bad.example", "dns.question.name", "bad.\u{fffd}.example", false),
        (
            "bad.example",
            "tls.client.server_name",
            "a\u{200e}.bad.example",
            true,
        ),
        (
            "b\u{e6}d.example",
            "tls.client.server_name",
            "\u{fffd}.B\u{c6}D.example",
            true,
        ),
        (
            "bad.example",
            "dns.question.name",
            &format!("{long_name}bad.example"),
            true,
        ),
        (
            "bad.example",
            "dns.question.name",
            &format!("{long_name}\u{e6}.bad.example"),
            true,
        ),
        (
            "bad.example",
            "dns.question.name",
            &format!("{long_name}notbad.example"),
            false,
        ),
        ("bad.example", "url.full", "http://\u{fffd}.bad.example/a", true),
        (
            "bad.example",
            "email.from.address",
            "a@\u{fffd}.bad.example",
            true,
        ),
        (
            "bad.example",
            "email.from.address",
            &format!("{long}@bad.example"),
            true,
        ),
        (
            "bad.example",
            "email.to.address",
            "x@bad.example, y@ok.example",
            true,
        ),
        (
            "bad.example",
            "email.to.address",
            "X <x@bad.example>; y@ok.example",
            true,
        ),
        (
            "x@bad.example",
            "email.to.address",
            "\"Y, X\" <x@bad.example>, y@ok.example",
            true,
        ),
        (
            "bad.example",
            "email.to.address",
            "\"x@bad.example, x@ok.example",
            true,
        ),
        (
            "bad.example",
            "email.to.address",
            "\"x@bad.example, y\" <y@ok.example>",
            false,
        ),
        (hash, "Hashes", &format!("{others}MD5={hash}"), true),
        (hash, "Hashes", &format!("{others}IMPHASH={hash}"), false),
    ] {
        check(indicator, field, value, expected);
    }
}

#[test]
fn a_path_is_completed_by_each_host_however_it_is_spelled() {
    for (indicator, uri, hosts, expected) in [
        (
            "http://bad.example/gate.php",
            "/gate.php",
            r#""bad\u002eexample""#,
            true,
        ),
        (
            "http://203.0.113.7/gate.php",
            "/gate.php",
            r#""203\u002e0.113.7""#,
            true,
        ),
        (
            "http://[2001:db8::7]/gate.php",
            "/gate.php",
            r#""[2001\u003adb8::7]""#,
            true,
        ),
        (
            "http://bad.example/gate.php",
            r"\/gate.php",
            r#""bad\u002eexample""#,
            true,
        ),
        (
            "http://bad.example/gate.php",
            "/gate.php",
            r#"["ok.example","bad.example"]"#,
            true,
        ),
        (
            "http://203.0.113.7/gate.php",
            "/gate.php",
            r#"["ok.example","203.0.113.7"]"#,
            true,
        ),
        (
            "http://[2001:db8::7]/gate.php",
            "/gate.php",
            r#"["ok.example",null,"[2001:db8::7]"]"#,
            true,
        ),
        (
            "http://bad.example/gate.php",
            "/gate",
            r#"["ok.example","bad.example"]"#,
            false,
        ),
        (
            "http://bad.example/gate.php",
            "/gate.php",
            r#""worse\u002eexample""#,
            false,
        ),
    ] {
        for event in [
            format!(r#"{{"@timestamp":"2026-01-01T00:00:00Z","uri":"{uri}","host":{hosts}}}"#),
            format!(r#"{{"@timestamp":"2026-01-01T00:00:00Z","host":{hosts},"uri":"{uri}"}}"#),
        ] {
            let found = scan(indicator, &event).0;
            assert_eq!(found.is_empty(), !expected, "{indicator} in {event}");
        }
    }
}

/// A text that repeats itself does not use up what an event may name.
#[test]
fn what_is_named_again_counts_once() {
    let recipients = "x@bad.example,".repeat(2000) + "x@worse.example";
    let event = serde_json::json!({ "@timestamp": "2026-01-01T00:00:00Z", "to": recipients }).to_string();
    let mut found = scan("bad.example\nworse.example", &event).0;
    found.sort_unstable();
    assert_eq!(found, ["bad.example", "worse.example"]);
}

#[test]
fn poison_and_nonsense_are_refused_with_their_line() {
    for (text, code) in [
        ("0.0.0.0/0", "R021"),
        ("::/0", "R021"),
        ("10.0.0.0/7", "R021"),
        ("2000::/3", "R021"),
        ("127.0.0.1", "R021"),
        ("::1", "R021"),
        ("no such thing", "R020"),
        ("300.1.2.3", "R020"),
        ("203.0.113.9/24", "R020"),
        ("value,type\ncom,domain", "R021"),
    ] {
        let (indicators, diagnostics) = check_indicators("list.txt", "list", &format!("# a list\n{text}"));
        let (indicators, diagnostics) = if text.contains(',') {
            check_indicators("list.csv", "list", text)
        } else {
            (indicators, diagnostics)
        };
        assert!(indicators.is_empty(), "{text}");
        let expected = if text.starts_with("10.") { "R021" } else { code };
        assert_eq!(diagnostics[0].code.as_str(), expected, "{}", diagnostics[0]);
        assert_eq!(diagnostics[0].line, 2, "{}", diagnostics[0]);
    }
}

#[test]
fn validity_is_that_of_the_events_time() {
    let (indicators, diagnostics) = check_indicators(
        "list.csv",
        "list",
        "value,type,valid_until,description\nbad.example,domain,2026-01-01,\"one, two\"\n",
    );
    assert!(diagnostics.is_empty());
    assert_eq!(indicators[0].description, "one, two");
    let ruleset = Compiler::new()
        .indicators(indicators)
        .compile()
        .expect("compiles");
    for (time, expected) in [("2025-12-31T23:59:59Z", 1), ("2026-01-01T00:00:00Z", 0)] {
        let event = format!(r#"{{"@timestamp":"{time}","dns":{{"question":{{"name":"a.bad.example"}}}}}}"#);
        let mut matched = Matched::default();
        Scanner::new(&ruleset)
            .scan(event.as_bytes(), &mut matched)
            .expect("an event");
        assert_eq!(matched.0.len(), expected, "{time}");
    }
}
