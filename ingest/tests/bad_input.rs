//! What is wrong with an input is said and counted, and nothing after it is lost.

#![expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ingest::record::{Record, Refusal};
use ingest::source::{self, FileOptions, Format, OpenError};
use ingest_event::QuarantineReason;

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).expect("writes");
    path
}

fn read(path: &Path) -> (Format, Vec<Record>) {
    let options = FileOptions {
        year: Some(2026),
        ..FileOptions::default()
    };
    let mut source = source::open(path, &options).expect("opens");
    let mut records = Vec::new();
    while source.read(&mut records).expect("reads") {}
    assert!(
        !source.read(&mut records).expect("reads"),
        "the end stays the end"
    );
    (source.format(), records)
}

fn refusals(records: &[Record]) -> Vec<(u64, QuarantineReason)> {
    let refused = |record: &Record| match record {
        Record::Event(_) => None,
        Record::Refused(Refusal { position, reason, .. }) => Some((*position, *reason)),
    };
    records.iter().filter_map(refused).collect()
}

#[track_caller]
fn check(bytes: &[u8], format: Format, events: usize, refused: &[(u64, QuarantineReason)]) {
    let directory = tempfile::tempdir().expect("a directory");
    let (seen, records) = read(&write(directory.path(), "input", bytes));
    assert_eq!(seen, format);
    assert_eq!(refusals(&records), refused);
    assert_eq!(records.len() - refused.len(), events, "{records:#?}");
}

const EVE: &str = r#"{"timestamp":"2026-03-02T08:15:00.000001+0100","event_type":"flow","src_ip":"192.0.2.7","src_port":4022,"dest_ip":"198.51.100.9","dest_port":443,"proto":"TCP"}"#;
const SYSLOG: &str = "<38>Mar  2 08:15:00 gate sshd[12]: Invalid user kari from 2001:db8::7 port 4022";

#[test]
fn broken_lines_between_whole_ones() {
    use QuarantineReason::{BadField, Malformed, NoTimestamp, NotJson, NotUtf8};
    let mut input = format!("{EVE}\nno json\n[1]\n\n{{\"event_type\":\"flow\"}}\n").into_bytes();
    input.extend_from_slice(b"{\"timestamp\":\"2026-03-02T08:15:00Z\",\"event_type\":\"x\xff\"}\n");
    input.extend_from_slice(EVE.replace("4022", "99999").as_bytes());
    input.push(b'\n');
    input.extend_from_slice(EVE.replace("192.0.2.7", "192.0.2.777").as_bytes());
    input.extend_from_slice(format!("\r\n{EVE}").as_bytes());
    let refused = [
        (2, NotJson),
        (3, NotJson),
        (5, NoTimestamp),
        (6, NotUtf8),
        (7, BadField),
        (8, BadField),
    ];
    check(&input, Format::Eve, 2, &refused);

    let syslog = [
        SYSLOG.as_bytes(),
        b"\n<38>Mar  2 08:15:01 gate app: \xe6\xf8\n",
        SYSLOG.as_bytes(),
        b"\n",
    ]
    .concat();
    // Old devices write Latin-1: that is read, and told.
    check(&syslog, Format::Syslog, 3, &[]);

    let header = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_p\n#types\ttime\tstring\tport\n";
    let zeek = format!(
        "{header}1772439300.5\tC1\t80\n1772439300.5\tC1\n1772439300.5\tC1\t-1\n-\tC1\t80\n{header}1772439301.5\tC2\t81\n"
    );
    check(
        zeek.as_bytes(),
        Format::ZeekTsv,
        2,
        &[(6, Malformed), (7, BadField), (8, NoTimestamp)],
    );
}

#[test]
fn a_line_of_50_mb_is_refused_and_the_next_one_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("input");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("creates"));
    let megabyte = vec![b'x'; 1 << 20];
    file.write_all(format!("{EVE}\n{{\"a\":\"").as_bytes())
        .expect("writes");
    for _ in 0..50 {
        file.write_all(&megabyte).expect("writes");
    }
    file.write_all(format!("\"}}\n{EVE}\n").as_bytes())
        .expect("writes");
    drop(file);
    let (_, records) = read(&path);
    assert_eq!(refusals(&records), [(2, QuarantineReason::TooLarge)]);
    assert_eq!(records.len(), 3);
    let Record::Refused(refusal) = &records[1] else {
        panic!("the second is refused")
    };
    assert_eq!(refusal.raw_bytes, (50 << 20) + 9);
    assert_eq!(refusal.raw.len(), ingest_event::RAW_BYTES_MAX);
}

#[test]
fn a_compressed_file_that_is_cut_is_read_as_far_as_it_goes() {
    let directory = tempfile::tempdir().expect("a directory");
    let lines: String = (0..20_000)
        .map(|number| EVE.replace("4022", &(1024 + number).to_string()) + "\n")
        .collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines.as_bytes()).expect("compresses");
    let gzip = gzip.finish().expect("compresses");
    let zstd = zstd::encode_all(lines.as_bytes(), 1).expect("compresses");
    for compressed in [&gzip, &zstd] {
        let (format, records) = read(&write(directory.path(), "whole", compressed));
        assert_eq!(
            (format, records.len(), refusals(&records).len()),
            (Format::Eve, 20_000, 0)
        );
        let twice = [compressed.as_slice(), compressed].concat();
        assert_eq!(read(&write(directory.path(), "twice", &twice)).1.len(), 40_000);
        let cut = &compressed[..compressed.len() * 2 / 3];
        let (_, records) = read(&write(directory.path(), "cut", cut));
        let refused = refusals(&records);
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].1, QuarantineReason::Truncated);
        assert!(1_000 < records.len(), "only {} were read", records.len());
        assert!(
            matches!(records.last(), Some(Record::Refused(_))),
            "the refusal comes last"
        );
    }
}

#[test]
fn what_can_not_be_read_at_all_names_the_file_and_the_mend() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = |path: &Path| {
        let error = source::open(path, &FileOptions::default()).expect_err("is refused");
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        (error, text)
    };
    assert!(matches!(
        error(&directory.path().join("missing")),
        (OpenError::Open { .. }, _)
    ));
    assert!(matches!(
        error(directory.path()),
        (OpenError::Directory { .. }, _)
    ));
    assert!(matches!(
        error(&write(directory.path(), "empty", b"")),
        (OpenError::Empty { .. }, _)
    ));
    for (bytes, mend) in [
        (&b"\xff\xfe{\0}\0"[..], "UTF-8"),
        (b"[\n{\"a\":1}\n]\n", "one object a line"),
        (b"just some words\nand more\n", "one JSON object a line"),
        (b"\0\0\0\0\0\0\0\0\0", "no text"),
    ] {
        let (kind, text) = error(&write(directory.path(), "odd", bytes));
        assert!(matches!(kind, OpenError::UnknownFormat { .. }), "{text}");
        assert!(text.contains(mend), "{text}");
    }
}

#[test]
fn any_json_is_kept_as_it_is() {
    let input = "{\"EventTime\":\"2026-03-02 08:15:00\",\"EventID\":1,\"a\":{\"b\":2}}\n{\"x\":1}\n{\"ts\":1772439300.25}\n";
    let directory = tempfile::tempdir().expect("a directory");
    let (format, records) = read(&write(directory.path(), "any", input.as_bytes()));
    assert_eq!(format, Format::Ndjson);
    let seen: Vec<_> = records
        .iter()
        .map(|record| match record {
            Record::Event(draft) => (
                draft.timestamp.to_string(),
                serde_json::to_string(&draft.fields).expect("JSON"),
            ),
            Record::Refused(refusal) => panic!("{refusal:?}"),
        })
        .collect();
    let wanted = [
        (
            "2026-03-02T08:15:00Z",
            r#"{"EventID":1,"EventTime":"2026-03-02 08:15:00","a.b":2}"#,
        ),
        (
            "2026-03-02T08:15:00Z",
            r#"{"varde.timestamp_missing":true,"x":1}"#,
        ),
        ("2026-03-02T08:15:00.250Z", r#"{"ts":1772439300.25}"#),
    ];
    assert_eq!(
        seen,
        wanted.map(|(time, fields)| (time.to_owned(), fields.to_owned()))
    );
}
