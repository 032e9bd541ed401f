//! Which bytes are an event: exactly those that `serde_json` reads as an object, and that have a time.
//!
//! The engine reads JSON in a way of its own and looks closely at few fields only; what it skips must be JSON
//! all the same, and a refusal must name its reason. Held against `serde_json::from_slice` on a table of awkward
//! texts, on events cut at every byte, and on events with bytes changed; with rules that ask for nothing, for
//! some fields, and for every text.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test support outside `#[test]` functions"
)]

#[path = "generated/draw.rs"]
mod draw;
#[path = "naive/naive.rs"]
mod naive;
#[path = "acceptance/pieces.rs"]
mod pieces;

use detect_engine::{Compiler, EventView, Match, MatchSink, Ruleset, Scanner};
use detect_rules::{RuleLogSource, SourceText, check};
use ingest_event::{FIELDS_MAX, QuarantineReason, SCHEMA_VERSION, Timestamp, Value, codec::flatten};

use draw::Draw;
use pieces::PIECES;

const TIME: &str = r#""@timestamp":"2026-01-01T00:00:00Z""#;

/// So many fields of an event are asked about.
const ASKED_MAX: usize = 20;

/// Rules that ask for nothing, for fields, for every text.
fn rulesets() -> Vec<Ruleset> {
    let fields = "{ f: x, a.b|contains: x, 'g|re': x, 'h|gt': 1 }";
    [None, Some(fields), Some("[keyword, 'x*y']")]
        .into_iter()
        .map(|selection| {
            let text = selection.map(|selection| {
                format!(
                    "title: T\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {{ category: test }}\ndetection:\n  s: {selection}\n  condition: s\n"
                )
            });
            let source = text.map(|text| SourceText { path: "r.yml".to_owned(), text });
            let mut checked = check(source.as_slice()).rules;
            assert_eq!(checked.rules.len(), source.iter().len(), "{selection:?}");
            for rule in &mut checked.rules {
                rule.log_source = RuleLogSource::default();
            }
            Compiler::new().rules(checked).compile().expect("compiles")
        })
        .collect()
}

/// What becomes of these bytes, by the definition.
fn expected(payload: &[u8]) -> Result<Timestamp, QuarantineReason> {
    if std::str::from_utf8(payload).is_err() {
        return Err(QuarantineReason::NotUtf8);
    }
    match serde_json::from_slice::<serde_json::Value>(payload) {
        Ok(serde_json::Value::Object(_)) => {}
        Ok(_) | Err(_) => return Err(QuarantineReason::NotJson),
    }
    if flatten(payload).is_err() {
        return Err(QuarantineReason::TooManyFields);
    }
    let leaves = naive::flatten(payload).expect("JSON by now");
    let named = |name: &'static str| leaves.iter().filter(move |leaf| leaf.name == name);
    let schema = named("varde.schema").next().and_then(|leaf| leaf.value.as_i64());
    if schema.is_some_and(|version| SCHEMA_VERSION < version) {
        return Err(QuarantineReason::SchemaTooNew);
    }
    let time = named("@timestamp").find(|leaf| !leaf.value.is_null());
    let time = time.ok_or(QuarantineReason::NoTimestamp)?;
    time.text.parse().map_err(|_| QuarantineReason::BadField)
}

/// What the engine says each field is.
#[derive(Default)]
struct Fields {
    asked: Vec<String>,
    values: Vec<Vec<Value>>,
}

impl MatchSink for Fields {
    fn admit(&mut self, event: &EventView<'_>) -> bool {
        self.values = self.asked.iter().map(|name| event.get(name)).collect();
        true
    }

    fn matched(&mut self, _: &EventView<'_>, _: Match<'_>) {}
}

struct Checker<'r> {
    scanners: Vec<Scanner<'r>>,
    accepted: usize,
    refused: usize,
}

impl<'r> Checker<'r> {
    fn new(rulesets: &'r [Ruleset]) -> Self {
        Self {
            scanners: rulesets.iter().map(Scanner::new).collect(),
            accepted: 0,
            refused: 0,
        }
    }

    fn check(&mut self, payload: &[u8]) {
        let expected = expected(payload);
        let leaves = expected
            .as_ref()
            .map_or_else(|_| Vec::new(), |_| naive::flatten(payload).expect("JSON"));
        for (kind, scanner) in self.scanners.iter_mut().enumerate() {
            // What no rule asks for is found by reading the event again: not for each of thousands.
            let asked = leaves
                .iter()
                .take(ASKED_MAX)
                .map(|leaf| leaf.name.clone())
                .collect();
            let mut fields = Fields {
                asked,
                values: Vec::new(),
            };
            let found = scanner.scan(payload, &mut fields).map_err(|error| error.reason());
            let shown = String::from_utf8_lossy(payload);
            assert_eq!(
                found,
                expected,
                "rules {kind}, {} bytes: {:.400}",
                payload.len(),
                shown
            );
            for (name, values) in fields.asked.iter().zip(&fields.values) {
                let wanted: Vec<Value> = leaves
                    .iter()
                    .filter(|leaf| leaf.name == *name)
                    .filter_map(|leaf| Value::from_json(leaf.value.clone()))
                    .collect();
                assert_eq!(*values, wanted, "rules {kind}, `{name}`: {shown:.400}");
            }
        }
        match expected {
            Ok(_) => self.accepted += 1,
            Err(_) => self.refused += 1,
        }
    }

    /// A value in every place where one may be: first, last, asked for or not, inside lists and objects.
    fn check_value(&mut self, value: &str) {
        for event in [
            format!("{{{TIME},\"f\":{value}}}"),
            format!("{{\"n\":{value},{TIME}}}"),
            format!("{{{TIME},\"a\":{{\"b\":[1,{value} ],\"c\": {value}}}}}"),
            format!("{{{TIME},\"n\":[{{\"x\":{value}\n}}]}}"),
            value.to_owned(),
        ] {
            self.check(event.as_bytes());
        }
    }
}

#[test]
fn values_are_what_the_grammar_says() {
    let rulesets = rulesets();
    let mut checker = Checker::new(&rulesets);
    let digits = "9".repeat(400);
    let zeros = "0".repeat(400);
    let numbers = [
        "0",
        "-0",
        "-",
        "00",
        "01",
        "-01",
        "1.",
        ".5",
        "-.5",
        "1.0",
        "1.e1",
        "1e",
        "1e+",
        "1E5",
        "1e5.5",
        "+1",
        "0x1",
        "1_0",
        "1e400",
        "-1e400",
        "1e-400",
        "1e308",
        "1.8e308",
        "-1.8e308",
        "5e-324",
        "1e99999999999",
        "0e99999999999",
        "1e-99999999999",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "0.0",
        "-0.0",
        "0.1234567890123456789",
        "123456789012345678901234567890",
        "2.2250738585072011e-308",
        "1 2",
        "1-",
        "--1",
        "1e1e1",
        "1a",
        "٤",
        "9007199254740993",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "4.9406564584124654e-324",
        "100000000000000000000000",
        "1e23",
        "8.5e22",
        "1E+05",
        "1e-05",
        "0e0",
        "-0e-0",
    ];
    let texts = [
        r#""""#,
        r#""x"#,
        r#"x""#,
        "'x'",
        r#""\""#,
        r#""\\""#,
        r#""\\\""#,
        r#""\/\b\f\n\r\t\"\\""#,
        r#""\x""#,
        r#""\'""#,
        r#""\0""#,
        r#""\u0041""#,
        r#""\u00e5""#,
        r#""\U0041""#,
        r#""\u""#,
        r#""\u004""#,
        r#""\u004G""#,
        r#""\u+041""#,
        r#""\u 041""#,
        r#""\u0000""#,
        r#""\ud83d\ude00""#,
        r#""\uD83D\uDE00""#,
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\ud83d\u0041""#,
        r#""\ud83d\ude0""#,
        r#""\udbff\udfff""#,
        r#""\uffff""#,
        "\"\u{7f}\"",
        "\"\u{80}\"",
        "\"\u{ff}\"",
        "\"\u{feff}\"",
        "\"\u{2028}\"",
        "\"\u{10ffff}\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"a\0b\"",
        "\"\u{1f}\"",
        "\"\\\n\"",
        r#""x" "y""#,
        r#""x"y"#,
        r#""\ud800\udc00""#,
        r#""\ud7ff\ue000""#,
    ];
    let others = [
        "",
        " ",
        "null",
        "true",
        "false",
        "nul",
        "tru",
        "fals",
        "nulll",
        "True",
        "TRUE",
        "NULL",
        "None",
        "undefined",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1,,2]",
        "[",
        "]",
        "{",
        "}",
        "{,}",
        r#"{"x":1,}"#,
        r#"{"x" 1}"#,
        r#"{"x":}"#,
        r#"{"x"}"#,
        "{x:1}",
        "{1:2}",
        "{null:1}",
        r#"{"x":1 "y":2}"#,
        r#"{"x":1;"y":2}"#,
        r#"{"x"::1}"#,
        r#"{"x":1:2}"#,
        "[1]]",
        "{}}",
        "[}",
        "{]",
        r#"{"\u0066":1}"#,
        r#"{"\ud800":1}"#,
        "{\"a\nb\":1}",
        r#"{"":1}"#,
        r#"{"":{"":1}}"#,
        "/* x */ 1",
        "1 // x",
        "1 # x",
        "\u{a0}1",
        "\u{b}1",
        "\u{c}1",
        "\u{feff}1",
        "\t\r\n 1 \t\r\n",
        "1\0",
        "[1,2",
        r#"[{"x":[}]"#,
        "[[[]]]",
        "[[],{},[{}]]",
        "\\u0041",
        "<x/>",
    ];
    for value in numbers.iter().chain(&texts).chain(&others) {
        checker.check_value(value);
    }
    for value in [
        digits.clone(),
        format!("-{digits}"),
        format!("0.{digits}"),
        format!("0.{zeros}1"),
        format!("1e{digits}"),
        format!("1{zeros}.5e-400"),
    ] {
        checker.check_value(&value);
    }
    for control in 0..=0x20_u8 {
        checker.check_value(&format!("\"a{}b\"", char::from(control)));
        checker.check_value(&format!("{}1", char::from(control)));
    }
    println!("{} accepted, {} refused", checker.accepted, checker.refused);
}

#[test]
fn events_are_whole_objects_of_utf8() {
    let rulesets = rulesets();
    let mut checker = Checker::new(&rulesets);
    let event = format!("{{{TIME},\"f\":\"x\"}}");
    for (before, after) in [
        ("", ""),
        (" \n", "\r\t "),
        ("\u{feff}", ""),
        ("", "x"),
        ("", "{}"),
        ("", ","),
        ("", "\0"),
        ("", "\u{b}"),
        ("\0", ""),
        ("", "\u{a0}"),
        ("[", "]"),
        ("", "]"),
        ("", "}"),
        ("{", ""),
        ("", "\n{}"),
        ("x", ""),
        ("//\n", ""),
        ("", "\u{feff}"),
    ] {
        checker.check(format!("{before}{event}{after}").as_bytes());
    }
    // Not UTF-8: in a text, a name, between tokens, after what is broken anyway; nearly right in several ways.
    for bytes in [
        &b"\xff"[..],
        b"\xfe",
        b"\xc3",
        b"\xc3\x28",
        b"\xc0\x80",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\x80",
        b"\xef\xbf\xbf",
        b"\xf4\x8f\xbf\xbf",
        b"\xc2\x80",
    ] {
        for (before, after) in [
            (format!("{{{TIME},\"f\":\""), "\"}"),
            (format!("{{{TIME},\"n\":\""), "\"}"),
            (format!("{{{TIME},\"n\":\"{}", "x".repeat(70)), "\"}"),
            (format!("{{{TIME},\""), "\":1}"),
            (format!("{{{TIME},"), "\"f\":1}"),
            (format!("{{{TIME}}}"), ""),
            ("{x".to_owned(), ""),
            (String::new(), ""),
        ] {
            checker.check(&[before.as_bytes(), bytes, after.as_bytes()].concat());
        }
    }
    for depth in 120..135 {
        for (open, close) in [
            ("[", "]"),
            ("{\"f\":", "}"),
            ("[{\"x\":", "}]"),
            ("{\"n\":[", "]}"),
        ] {
            for name in ["f", "n"] {
                let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                checker.check(format!("{{{TIME},\"{name}\":{value}}}").as_bytes());
                let half = format!("{}1{}", open.repeat(depth / 2), close.repeat(depth / 2));
                checker.check(format!("{{{TIME},\"{name}\":{half}}}").as_bytes());
            }
        }
    }
    checker.check(format!("{{{TIME},\"f\":{}", "[".repeat(1 << 20)).as_bytes());
    checker.check(format!("{{{TIME},\"n\":{}", "{\"n\":".repeat(1 << 18)).as_bytes());
    println!("{} accepted, {} refused", checker.accepted, checker.refused);
}

#[test]
fn an_envelope_is_read_as_it_stands() {
    let rulesets = rulesets();
    let mut checker = Checker::new(&rulesets);
    for event in [
        r#"{}"#,
        r#"{"@timestamp":null}"#,
        r#"{"@timestamp":""}"#,
        r#"{"@timestamp":"noon"}"#,
        r#"{"@timestamp":0}"#,
        r#"{"@timestamp":true}"#,
        r#"{"@timestamp":[]}"#,
        r#"{"@timestamp":{}}"#,
        r#"{"@timestamp":["2026-01-01T00:00:00Z"]}"#,
        r#"{"@timestamp":[null,"2026-01-01T00:00:00Z"]}"#,
        r#"{"@timestamp":null,"@timestamp":"2026-01-01T00:00:00Z"}"#,
        r#"{"@timestamp":"2026-01-01T00:00:00Z","@timestamp":"noon"}"#,
        r#"{"@timestamp":"noon","@timestamp":"2026-01-01T00:00:00Z"}"#,
        r#"{"\u0040timestamp":"2026\u002d01-01T00:00:00Z"}"#,
        r#"{"@timestamp":"2026-01-01T00:00:00.123456789+01:00"}"#,
        r#"{"@timestamp":"2026-01-01T00:00:00Z","varde.schema":1}"#,
        r#"{"@timestamp":"2026-01-01T00:00:00Z","varde.schema":2}"#,
        r#"{"@timestamp":"2026-01-01T00:00:00Z","varde":{"schema":2}}"#,
        r#"{"@timestamp":"2026-01-01T00:00:00Z","varde.schema":"2"}"#,
        r#"{"@timestamp":"2026-01-01T00:00:00Z","varde.schema":2.5}"#,
        r#"{"@timestamp":"2026-01-01T00:00:00Z","varde.schema":[1,2]}"#,
        r#"{"@timestamp":"noon","varde.schema":2}"#,
        r#"{"varde.schema":2}"#,
        r#"{"@timestamp":"9999-01-01T00:00:00Z"}"#,
        r#"{"":{"@timestamp":"2026-01-01T00:00:00Z"}}"#,
    ] {
        checker.check(event.as_bytes());
    }
    for count in [FIELDS_MAX - 2, FIELDS_MAX - 1, FIELDS_MAX, FIELDS_MAX + 1] {
        let members: Vec<String> = (0..count).map(|number| format!("\"n{number}\":1")).collect();
        checker.check(format!("{{{TIME},{}}}", members.join(",")).as_bytes());
        // However long, a list is one field.
        checker.check(format!("{{{TIME},\"f\":[{}1]}}", "1,".repeat(count)).as_bytes());
        checker.check(format!("{{{TIME},\"n\":[{}[]]}}", "[1],".repeat(count)).as_bytes());
        let members: Vec<String> = (0..count).map(|number| format!("{{\"f\":{number}}}")).collect();
        checker.check(format!("{{{TIME},\"a\":[{}]}}", members.join(",")).as_bytes());
    }
}

#[test]
fn names_without_end_do_not_confuse() {
    let rulesets = rulesets();
    let mut checker = Checker::new(&rulesets);
    for round in 0..12 {
        let names: Vec<String> = (0..1500)
            .map(|number| format!("\"n{round}x{number}\":{{\"f\":1}}"))
            .collect();
        checker.check(format!("{{{},{TIME},\"f\":\"x\",\"a\":{{\"b\":2}}}}", names.join(",")).as_bytes());
        let long = "long".repeat(60 + round);
        checker.check(
            format!("{{{TIME},\"{long}\":{{\"{long}\":{{\"f\":1}},\"f\":2}},\"f\":3,\"a.b\":4}}").as_bytes(),
        );
        checker.check(format!("{{\"f\":1,{TIME},\"g\" :2,\"a\":{{\"b\":3}},\"\\u0066\":4}}").as_bytes());
        checker.check(format!("{{\"f\":1,{TIME},\"g\":2,\"a\":{{\"b\" : 3}},\"f\":4}}").as_bytes());
    }
    assert_eq!(checker.refused, 0);
}

/// Events with all kinds of values, for what follows.
const WHOLE: [&str; 4] = [
    r#"{"@timestamp":"2026-01-01T00:00:00Z","f":"xy","a":{"b":["x",1.5e3,null,true],"c":{"d":-0}},"n":"\u00e5\ud83d\ude00\\\"","h":12}"#,
    "{ \"n\" : [ { \"x\" : \"åß😀\" } , [ ] , { } ] ,\r\n\t\"@timestamp\" : \"2026-01-01T00:00:00Z\" , \"g\" : \"keyword\" } ",
    r#"{"a.b":18446744073709551615,"@timestamp":"2026-01-01T00:00:00Z","":{"":false},"\u0066":"x\ty","f":[[[1]]]}"#,
    r#"{"event":{"dataset":"system.auth"},"@timestamp":"2026-01-01T00:00:00Z","message":"a long text with \"quotes\", a path C:\\Windows\\System32 and https:\/\/example.org\/ in it"}"#,
];

#[test]
fn events_cut_at_any_byte_are_refused() {
    let rulesets = rulesets();
    let mut checker = Checker::new(&rulesets);
    for whole in WHOLE {
        for end in 0..=whole.len() {
            checker.check(&whole.as_bytes()[..end]);
            checker.check(&whole.as_bytes()[end..]);
        }
    }
    assert!(WHOLE.len() <= checker.accepted, "whole ones are accepted");
}

#[test]
fn events_with_bytes_changed_are_judged_alike() {
    let rulesets = rulesets();
    let mut checker = Checker::new(&rulesets);
    let rounds = if std::env::var_os("VARDE_LONG").is_some() {
        2_000_000
    } else {
        12_000
    };
    let mut draw = Draw::new(7);
    for _ in 0..rounds {
        let mut bytes = draw.pick(&WHOLE).as_bytes().to_vec();
        for _ in 0..draw.within(1..4) {
            let at = draw.within(0..bytes.len() + 1);
            match draw.within(0..4) {
                0 => {
                    let piece = draw.pick(&PIECES);
                    bytes.splice(at..at, piece.iter().copied());
                }
                1 => {
                    let piece = draw.pick(&PIECES);
                    let end = (at + piece.len()).min(bytes.len());
                    bytes.splice(at..end, piece.iter().copied());
                }
                2 => {
                    let end = (at + draw.within(1..6)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let from = draw.within(0..bytes.len() + 1);
                    let end = (from + draw.within(1..20)).min(bytes.len());
                    let copy = bytes[from..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        checker.check(&bytes);
    }
    println!("{} accepted, {} refused", checker.accepted, checker.refused);
    assert!(
        rounds / 20 < checker.accepted && rounds / 20 < checker.refused,
        "both kinds"
    );
}

/// Members that hold nothing are no fields, and still they are work.
#[test]
fn members_that_hold_nothing_are_counted() {
    let ruleset = Compiler::new().compile().expect("compiles");
    for (count, nothing, is_read) in [(60_000, "{}", true), (70_000, "{}", false), (70_000, "[]", false)] {
        let members: String = (0..count).map(|at| format!(",\"a{at}\":{nothing}")).collect();
        let event = format!("{{\"@timestamp\":\"2026-01-01T00:00:00Z\"{members}}}");
        let read = Scanner::new(&ruleset).scan(event.as_bytes(), &mut Fields::default());
        assert_eq!(read.is_ok(), is_read, "{count} {nothing}");
    }
}
