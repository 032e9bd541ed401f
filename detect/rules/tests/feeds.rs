//! Feeds as files and folders: formats told by content, descriptions beside feeds, tables with a mapping, MISP feeds.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::{fs, path::Path};

use detect_alert::{Confidence, Indicator, Pap, Tlp};
use detect_rules::{
    FeedDescription, FeedOptions, FeedReport, Meaning, Outcome, Reason, WarningModes, feed_files, read_feed,
    read_feed_file, read_indicators,
};
use tempfile::TempDir;

const EVENT: &str = r#"{"Event":{"uuid":"5d1c5b0e-5f0b-4e0c-9d5f-0a4c6c3f8b11","info":"A beacon","Attribute":[
    {"type":"domain","value":"misp.example","to_ids":true}]}}"#;

const BUNDLE: &str = r#"{"type":"bundle","id":"bundle--5d1c5b0e-5f0b-4e0c-9d5f-0a4c6c3f8b11","objects":[
    {"type":"indicator","spec_version":"2.1","id":"indicator--0f6c1c6e-3f0b-4a53-8d5e-4f4c8f1f2a10",
    "created":"2026-03-01T00:00:00.000Z","modified":"2026-03-01T00:00:00.000Z",
    "pattern":"[domain-name:value = 'stix.example']","pattern_type":"stix","valid_from":"2026-03-01T00:00:00Z"}]}"#;

fn place(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("made");
        fs::write(path, bytes).expect("written");
    }
    folder
}

fn read(path: &Path) -> (Vec<Indicator>, FeedReport) {
    let (mut indicators, mut report) = (Vec::new(), FeedReport::default());
    for file in feed_files(&[path.to_owned()], &mut report) {
        let mut sink = |indicator| indicators.push(indicator);
        read_feed_file(&file, &FeedOptions::new(""), &mut sink, &mut report);
    }
    (indicators, report)
}

fn text(text: &str, options: &FeedOptions) -> (Vec<Indicator>, FeedReport) {
    let (mut indicators, mut report) = (Vec::new(), FeedReport::default());
    let mut sink = |indicator| indicators.push(indicator);
    read_feed(text.as_bytes(), "feed", options, &mut sink, &mut report).expect("it is read");
    (indicators, report)
}

fn values(indicators: &[Indicator]) -> Vec<String> {
    indicators
        .iter()
        .map(|one| format!("{}: {} {}", one.source, one.kind, one.value))
        .collect()
}

fn counts(report: &FeedReport) -> Vec<(Reason, u64)> {
    report
        .counts()
        .iter()
        .map(|(reason, count)| (*reason, *count))
        .collect()
}

#[test]
fn the_format_is_told_by_content_and_not_by_name() {
    let folder = place(&[
        ("a.json", b"bad.example\n2001:db8::1\n"),
        ("b.txt", EVENT.as_bytes()),
        ("c.csv", BUNDLE.as_bytes()),
        ("d", b"\xef\xbb\xbftype;value\nip;203.0.113.7\nip;2001:db8::7\n"),
        ("e.list", b"[2001:db8::9]\n"),
        ("f.json", b"{\"some\": \"thing\"}"),
        ("g.txt.gz", b"\x1f\x8b\x08\0rest"),
        ("h", b""),
        ("README.md", b"about http://www.example/"),
    ]);
    let (indicators, report) = read(folder.path());
    assert_eq!(
        values(&indicators),
        [
            "a: domain bad.example",
            "a: ip 2001:db8::1",
            "b: domain misp.example",
            "c: domain stix.example",
            "d: ip 203.0.113.7",
            "d: ip 2001:db8::7",
            "e: ip 2001:db8::9",
        ]
    );
    assert_eq!(
        counts(&report),
        [(Reason::BadDocument, 2), (Reason::PassedOver, 1)]
    );
    // The thin reader says the same.
    let (again, diagnostics) = read_indicators(folder.path());
    assert_eq!(values(&again), values(&indicators));
    assert_eq!(diagnostics.iter().filter(|told| told.is_error()).count(), 2);
}

#[test]
fn a_description_beside_a_feed_says_what_the_feed_does_not() {
    let table: &[u8] =
        b"; made by hand\n2026-03-01;C2;'bad.example';first\n2026-03-02;loader;2001:db8::7;second\n\
        2026-03-03;odd;x.example;third\n";
    let mapping: &[u8] = b"source: the lab\nconfidence: high\ntlp: TLP:AMBER\npap: PAP:RED\ndecay_days: 10\n\
        table:\n  delimiter: ';'\n  comment: ';'\n  header: false\n  columns: { value: 3, type: 2, valid_from: 1, description: 4 }\n\
        types: {}\n";
    let mapping =
        String::from_utf8_lossy(mapping).replace("types: {}\n", "  types: { c2: domain, loader: ip }\n");
    let table = String::from_utf8_lossy(table).replace('\'', "");
    let folder = place(&[
        ("feed.csv", table.as_bytes()),
        ("feed.csv.feed.yml", mapping.as_bytes()),
        ("sub/one.txt", b"10.1.2.3\nfd00::1\n192.0.2.9\n"),
        (
            "sub/feed.yml",
            b"accept_private: true\naccept_documentation: false\n",
        ),
        ("bad/two.txt", b"bad.example\n"),
        ("bad/feed.yml", b"sourc: x\n"),
    ]);
    let (indicators, report) = read(folder.path());
    assert_eq!(
        values(&indicators),
        [
            "the lab: domain bad.example",
            "the lab: ip 2001:db8::7",
            "one: ip 10.1.2.3",
            "one: ip fd00::1"
        ]
    );
    let first = &indicators[0];
    assert_eq!(
        (first.confidence, first.tlp, first.pap),
        (Confidence::High, Tlp::Amber, Pap::Red)
    );
    assert_eq!(first.description, "first");
    assert_eq!(
        first.valid_from,
        Some("2026-03-01T00:00:00Z".parse().expect("a time"))
    );
    assert_eq!(
        first.valid_until,
        Some("2026-03-11T00:00:00Z".parse().expect("a time"))
    );
    assert_eq!(
        counts(&report),
        [
            (Reason::UnknownType, 1),
            (Reason::BadDocument, 1),
            (Reason::DocumentationAddress, 1)
        ]
    );
}

#[test]
fn a_misp_feed_is_what_its_manifest_says() {
    let uuid = "5d1c5b0e-5f0b-4e0c-9d5f-0a4c6c3f8b11";
    let manifest =
        format!(r#"{{"{uuid}":{{"info":"x"}},"00000000-0000-4000-8000-000000000000":{{}},"../x":{{}}}}"#);
    let folder = place(&[
        ("manifest.json", manifest.as_bytes()),
        (&format!("{uuid}.json"), EVENT.as_bytes()),
        ("hashes.csv", b"995ff56e9d5046fa6cb5fb20e5019d05,5d1c5b0e\n"),
        ("other.json", EVENT.as_bytes()),
    ]);
    let (indicators, report) = read(folder.path());
    assert_eq!(values(&indicators), [format!("{uuid}: domain misp.example")]);
    assert_eq!(
        counts(&report),
        [(Reason::BadDocument, 2), (Reason::PassedOver, 2)]
    );
}

#[test]
fn tables_are_read_by_the_names_of_their_columns() {
    let options = FeedOptions::new("feed");
    for (table, expected) in [
        ("value\nbad.example\n", &["feed: domain bad.example"][..]),
        (
            "\"type\",\"value\"\n\"url\",\"http://bad.example/a,b\"\n",
            &["feed: url http://bad.example/a,b"],
        ),
        (
            "# made today\nioc_type|ioc_value\nmd5_hash|995ff56e9d5046fa6cb5fb20e5019d05\n",
            &["feed: md5 995ff56e9d5046fa6cb5fb20e5019d05"],
        ),
        (
            "type\tindicator\tsource\nipv6-addr\t2001:db8::7\tlab\n",
            &["lab: ip 2001:db8::7"],
        ),
        (
            "value,to_ids\na.example,1\nb.example,0\n",
            &["feed: domain a.example"],
        ),
        ("type,value\nsha256,995ff56e9d5046fa6cb5fb20e5019d05\n", &[]),
        (
            "type,value\nip:port,203.0.113.7:443\nip:port,[2001:db8::7]:443\n",
            &["feed: ip 203.0.113.7", "feed: ip 2001:db8::7"],
        ),
        (
            "value,valid_until\na.example,1700000000\nb.example,2026-03-01 10:00:00\nc.example,soon\n",
            &["feed: domain a.example", "feed: domain b.example"],
        ),
        (
            "value,confidence\na.example,90\nb.example,101x\n",
            &["feed: domain a.example"],
        ),
    ] {
        let (indicators, report) = text(table, &options);
        assert_eq!(values(&indicators), expected, "{table}: {report:?}");
        // Every row is somewhere.
        let rows = table.lines().filter(|line| !line.starts_with('#')).count() as u64 - 1;
        let rest = report.total(Outcome::Refused) + report.total(Outcome::Withheld);
        assert_eq!(indicators.len() as u64 + rest, rows, "{table}: {report:?}");
    }
}

#[test]
fn hostile_tables_end_and_are_told() {
    let options = FeedOptions::new("feed");
    let open_quote = format!("value\na.example\n\"{}", "b.example\n".repeat(1_000_000));
    let (indicators, report) = text(&open_quote, &options);
    assert_eq!(values(&indicators), ["feed: domain a.example"]);
    assert_eq!(counts(&report), [(Reason::BadRow, 1)], "{:?}", report.examples());
    let endless = format!("a.example\n{}\nb.example\n", "x".repeat(1_000_000));
    let (indicators, report) = text(&endless, &options);
    assert_eq!(indicators.len(), 2);
    assert_eq!(counts(&report), [(Reason::TooLong, 1)]);
    let (mut indicators, mut report) = (Vec::new(), FeedReport::default());
    let mut sink = |indicator| indicators.push(indicator);
    let bytes = b"\xff\xfe\x00\nb\xe5d.example\n# bl\xe5b\xe6r\ngood.example # bl\xe5\n";
    read_feed(&bytes[..], "feed", &options, &mut sink, &mut report).expect("it is read");
    assert_eq!(values(&indicators), ["feed: domain good.example"]);
    assert_eq!(counts(&report), [(Reason::NotUtf8, 2)]);
}

#[test]
fn validity_is_noted_and_never_judged() {
    let mut options = FeedOptions::new("feed");
    options.now = Some("2026-03-10T00:00:00Z".parse().expect("a time"));
    let table = "value,valid_from,valid_until\nold.example,,2026-03-10\nnew.example,2026-03-11,\nnow.example,2026-03-10,2026-03-11\n";
    let (indicators, report) = text(table, &options);
    assert_eq!(indicators.len(), 3);
    assert_eq!(counts(&report), [(Reason::Expired, 1), (Reason::NotYetValid, 1)]);
}

#[test]
fn what_is_missing_is_refused() {
    let mut report = FeedReport::default();
    let mut sink = |_| panic!("there is nothing");
    read_feed_file(
        Path::new("/no/such/feed.txt"),
        &FeedOptions::new(""),
        &mut sink,
        &mut report,
    );
    assert_eq!(counts(&report), [(Reason::Unreadable, 1)]);
}

#[test]
fn the_samples_in_the_document_load() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/indicators.md");
    let document = fs::read_to_string(document).expect("readable");
    let blocks: Vec<&str> = document
        .split("```yaml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .collect();
    let [description, modes] = blocks.as_slice() else {
        panic!("{blocks:?}")
    };
    let description = FeedDescription::read(description).expect("a description");
    FeedOptions::new("x")
        .described(description)
        .expect("its values are known");
    WarningModes::read(modes).expect("modes");
    for meaning in Meaning::ALL {
        assert!(
            document.contains(&format!("`{}`", meaning.as_str())),
            "{}",
            meaning.as_str()
        );
    }
}
