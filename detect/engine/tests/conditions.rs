//! Conditions, keywords and names of fields: events that match, and events that nearly do; and what is refused.

#[path = "detection/detection.rs"]
mod detection;

use detect_rules::{Code, check};
use detection::{check_detection, check_item, rule};

#[test]
fn conditions() {
    for (detection, yes, no) in [
        (
            "  x1: { f: a }\n  x2: { g: b }\n  y: { h: c }\n  condition: 1 of x*",
            &[r#""f":"a""#, r#""g":"b""#][..],
            &[r#""h":"c""#, ""][..],
        ),
        (
            "  x1: { f: a }\n  x2: { g: b }\n  y: { h: c }\n  condition: all of x*",
            &[r#""f":"a","g":"b""#],
            &[r#""f":"a","h":"c""#],
        ),
        (
            "  x1: { f: a }\n  x2: { g: b }\n  _y: { h: c }\n  condition: all of them",
            &[r#""f":"a","g":"b""#],
            &[r#""f":"a""#, r#""h":"c""#],
        ),
        (
            "  x: { f: a }\n  y: { g: b }\n  condition: 1 of them",
            &[r#""f":"a""#, r#""g":"b""#],
            &[r#""f":"b""#],
        ),
        (
            "  x1: { f: a }\n  x2: { g: b }\n  x3: { h: c }\n  condition: 2 of x*",
            &[r#""f":"a","h":"c""#, r#""g":"b","h":"c""#],
            &[r#""h":"c""#],
        ),
        (
            "  x: { f: a }\n  y: { g: b }\n  condition: x and not y",
            &[r#""f":"a""#, r#""f":"a","g":"c""#],
            &[r#""f":"a","g":"b""#, ""],
        ),
        (
            "  x: { f: a }\n  condition: not x",
            &["", r#""f":"b""#],
            &[r#""f":"a""#],
        ),
        (
            "  x: { f: a }\n  y: { g: b }\n  z: { h: c }\n  condition: x or (y and z)",
            &[r#""f":"a""#, r#""g":"b","h":"c""#],
            &[r#""g":"b""#],
        ),
        (
            "  x: { f: a, g: b }\n  condition: x",
            &[r#""f":"a","g":"b""#],
            &[r#""f":"a""#, r#""g":"b""#],
        ),
        (
            "  x:\n    - { f: a, g: b }\n    - { h|contains: c }\n  condition: x",
            &[r#""f":"a","g":"b""#, r#""h":"xcx""#],
            &[r#""f":"a""#, r#""h":"b""#],
        ),
        ("  x: { f: a }\n  condition: [x, not x]", &[r#""f":"a""#, ""], &[]),
    ] {
        check_detection(detection, yes, no);
    }
}

#[test]
fn keywords_are_anywhere() {
    for (detection, yes, no) in [
        (
            "  x: [evil, 'b?d']\n  condition: x",
            &[
                r#""f":"an EVIL thing""#,
                r#""f":{"g":["x","so bad"]}"#,
                r#""any":"\u0065vil""#,
            ][..],
            &[r#""f":"ev il""#, r#""evil":"x""#, ""][..],
        ),
        (
            "  x:\n    '|all': [evil, bad]\n  condition: x",
            &[r#""f":"bad","g":"evil""#],
            &[r#""f":"bad""#],
        ),
        (
            "  x:\n    '|startswith': [evil]\n  condition: x",
            &[r#""f":"evil one""#],
            &[r#""f":"an evil one""#],
        ),
        (
            "  x:\n    '|re': ['e.il$']\n  condition: x",
            &[r#""f":"an evil""#],
            &[r#""f":"evils""#],
        ),
        (
            "  x: [4625]\n  condition: x",
            &[r#""f":"id 4625""#],
            &[r#""f":"id 462""#],
        ),
    ] {
        check_detection(detection, yes, no);
    }
}

#[test]
fn names_are_dotted_or_nested() {
    check_item(
        "a.b.c: x",
        &[
            r#""a.b.c":"x""#,
            r#""a":{"b":{"c":"x"}}"#,
            r#""a":{"b.c":"X"}"#,
            r#""a":[{"b":{"c":"y"}},{"b":{"c":"x"}}]"#,
        ],
        &[r#""a":{"b":"x"}"#, r#""b.c":"x""#, r#""a":{"c":"x"}"#],
    );
    // A name that is given twice is a list.
    check_item(
        "f: x",
        &[r#""f":"y","f":"x""#, r#""f":"x","f":"y""#],
        &[r#""f":"y","f":"z""#],
    );
}

#[test]
fn what_is_not_done_is_refused() {
    for (item, code) in [
        ("f|nosuch: x", Code::UnknownModifier),
        ("f|re: '(?=x)'", Code::BadRegex),
        ("f|cidr: 10.0.0.0/33", Code::BadCidr),
        ("f|cidr: '2001:db8::/129'", Code::BadCidr),
        ("f|gt: ten", Code::BadValue),
        ("f|windash: '-a /b -c /d -e'", Code::BadValue),
        ("f: .inf", Code::BadValue),
        ("f: [1, -.inf]", Code::BadValue),
        ("f: .nan", Code::BadValue),
        ("f|gt: .inf", Code::BadValue),
        ("f|lte: 'inf'", Code::BadValue),
        ("f|lt: 1e999", Code::BadValue),
        ("f|contains: .inf", Code::BadValue),
        ("f|hour: .nan", Code::BadValue),
    ] {
        let checked = check(&[rule(&format!(
            "  selection: {{ {item} }}\n  condition: selection"
        ))]);
        let codes: Vec<Code> = checked.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes, [code], "{item}");
        assert!(checked.rules.rules.is_empty(), "{item}");
    }
}
