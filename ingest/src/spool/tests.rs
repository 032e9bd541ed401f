//! What is written, read, shed and damaged, on a real disk.

mod damage;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;

use ingest_event::Timestamp;

use super::leaving::SHARE;
use super::*;

const SECOND: i64 = 1_000_000_000;

fn open(directory: &Path) -> Spool {
    Spool::open(directory, 1 << 30).expect("opens")
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_nanos(secs * SECOND)
}

/// Adds events whose values are `stream sequence`, and a place.
fn add(spool: &mut Spool, stream: Stream, count: u64) {
    let mut append = spool.append(Room::Wait);
    for number in 0..count {
        append.event(stream, at(number as i64), |sequence| {
            (
                b"key".to_vec(),
                format!("{} {sequence}", stream.as_str()).into_bytes(),
            )
        });
    }
    let offset = count;
    append.progress(
        "source",
        Progress {
            offset,
            ..Progress::default()
        },
    );
    append.commit().expect("commits");
}

/// Everything that waits, in the order in which it leaves.
fn drain(spool: &mut Spool) -> Vec<String> {
    let mut out = Vec::new();
    loop {
        let batch = spool.oldest();
        if batch.is_empty() {
            return out;
        }
        out.extend(
            batch
                .into_iter()
                .map(|entry| String::from_utf8_lossy(&entry.value).into_owned()),
        );
        spool.published().expect("notes");
    }
}

fn names(stream: Stream, numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
    numbers
        .map(|number| format!("{} {number}", stream.as_str()))
        .collect()
}

/// The segments of a stream.
fn files(directory: &Path, stream: Stream) -> Vec<PathBuf> {
    let all = lane::segments(&directory.join(FOLDER), stream);
    all.into_iter().map(|(_, path)| path).collect()
}

#[test]
fn sequence_numbers_have_no_gaps_across_reopening_and_emptying() {
    let directory = tempfile::tempdir().expect("a directory");
    for round in 0..3 {
        let mut spool = open(directory.path());
        add(&mut spool, Stream::Log, 2);
        add(&mut spool, Stream::Flow, 3);
        let expected = [
            names(Stream::Log, round * 2 + 1..=round * 2 + 2),
            names(Stream::Flow, round * 3 + 1..=round * 3 + 3),
        ];
        assert_eq!(drain(&mut spool), expected.concat());
        assert_eq!((spool.held(Stream::Log).records, spool.bytes()), (0, 0));
        assert!(spool.oldest().is_empty());
        assert_eq!(records_given(directory.path()), (round + 1) * 5);
    }
}

#[test]
fn what_is_still_at_hand_is_what_the_disk_has() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = open(directory.path());
    for (stream, count) in [(Stream::Log, 3), (Stream::Flow, 2), (Stream::Log, 4)] {
        add(&mut spool, stream, count);
    }
    let copy = tempfile::tempdir().expect("a directory");
    let to = copy.path().join(FOLDER);
    fs::create_dir(&to).expect("makes");
    for entry in fs::read_dir(directory.path().join(FOLDER)).expect("reads") {
        let path = entry.expect("reads").path();
        fs::copy(&path, to.join(path.file_name().expect("has one"))).expect("copies");
    }
    let at_hand = drain(&mut spool);
    assert_eq!(at_hand.len(), 9);
    assert_eq!(at_hand, drain(&mut open(copy.path())));
    // Nothing of one append is taken for another's.
    add(&mut spool, Stream::Log, 2);
    assert_eq!(drain(&mut spool), names(Stream::Log, 8..=9));
}

#[test]
fn an_append_that_is_not_committed_never_happened() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = open(directory.path());
    add(&mut spool, Stream::Log, 1);
    let bytes = spool.bytes();
    let mut append = spool.append(Room::Wait);
    append.event(Stream::Log, at(0), |_| (Vec::new(), b"lost".to_vec()));
    append.progress(
        "source",
        Progress {
            offset: 99,
            ..Progress::default()
        },
    );
    drop(append);
    assert_eq!((spool.bytes(), spool.sequence(Stream::Log)), (bytes, 1));
    assert_eq!(spool.progress("source").offset, 1);
    assert_eq!(drain(&mut spool), ["log 1"]);
}

#[test]
fn what_waits_and_places_are_found_again_whatever_was_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = Spool::open(directory.path(), 1).expect("opens");
    let text = "x".repeat(30_000);
    for number in 0..40_i64 {
        let mut append = spool.append(Room::Wait);
        // Each half a segment, and not to be compressed away.
        let noise: String = (0..40_000)
            .map(|i| char::from(b'a' + ((i * (number as usize + 7)) % 23) as u8))
            .collect();
        append.event(Stream::Flow, at(number), |_| {
            (Vec::new(), format!("{number} {text} {noise}").into_bytes())
        });
        append.quarantine(at(number), b"key", number.to_string().as_bytes());
        append.progress(
            "flow",
            Progress {
                lines: number as u64 + 1,
                ..Progress::default()
            },
        );
        append.commit().expect("commits");
        if number % 10 == 3 {
            spool.oldest();
            spool.published().expect("notes");
        }
        let (before, held) = (spool.bytes(), Stream::ALL.map(|stream| spool.held(stream)));
        drop(spool);
        spool = Spool::open(directory.path(), 1).expect("opens");
        assert_eq!(spool.progress("flow").lines, number as u64 + 1);
        assert_eq!(
            (spool.bytes(), Stream::ALL.map(|stream| spool.held(stream))),
            (before, held),
            "{number}"
        );
        assert!(spool.is_full());
    }
}

#[test]
fn the_important_leaves_first_and_nothing_starves() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = open(directory.path());
    for stream in [Stream::Quarantine, Stream::Flow, Stream::Alert] {
        for _ in 0..3 {
            add(&mut spool, stream, BATCH_RECORDS as u64);
        }
    }
    let mut order = Vec::new();
    while let Some(first) = spool.oldest().first() {
        order.push(first.stream);
        spool.published().expect("notes");
    }
    assert!(order.is_sorted(), "{order:?}");
    // A stream that never ends does not keep the others for good.
    add(&mut spool, Stream::Flow, 1);
    let mut turns = 0;
    loop {
        add(&mut spool, Stream::Alert, BATCH_RECORDS as u64);
        let stream = spool.oldest().first().expect("some").stream;
        spool.published().expect("notes");
        turns += 1;
        assert!(turns <= 2 * SHARE, "flows starve");
        if stream == Stream::Flow {
            break;
        }
    }
}

/// After an outage neither class comes late for the other: at the centre time goes by what comes.
#[test]
fn logs_and_flows_leave_in_the_order_in_which_they_came() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = open(directory.path());
    let mut expected = Vec::new();
    let (mut logs, mut flows) = (0, 0);
    for round in 0..3 * BATCH_RECORDS as u64 {
        let mut append = spool.append(Room::Wait);
        let streams: &[Stream] = match round % 7 {
            0 => &[Stream::Log],
            // Of one append the more important is first, whatever came first.
            1 => &[Stream::Flow, Stream::Log],
            _ => &[Stream::Flow],
        };
        for stream in streams {
            append.event(*stream, at(round as i64), |sequence| {
                (Vec::new(), format!("{} {sequence}", stream.as_str()).into_bytes())
            });
        }
        append.commit().expect("commits");
        if streams.contains(&Stream::Log) {
            logs += 1;
            expected.push(format!("log {logs}"));
        }
        if streams.contains(&Stream::Flow) {
            flows += 1;
            expected.push(format!("flow {flows}"));
        }
    }
    // A batch that nobody took is given again, and not half of it.
    let before = spool.oldest();
    assert_eq!(before.len(), BATCH_RECORDS);
    assert_eq!(spool.oldest(), before);
    spool.published().expect("notes");
    drop(spool);
    let mut spool = open(directory.path());
    assert_eq!(drain(&mut spool), expected.split_off(BATCH_RECORDS));
}

/// Fills a spool with segments of each stream; a thousand records each.
fn filled(directory: &Path) -> Spool {
    let mut spool = Spool::open(directory, 1 << 20).expect("opens");
    let mut seed = 1_u64;
    for stream in [Stream::Alert, Stream::Log, Stream::Flow] {
        for second in 0..8 {
            let mut append = spool.append(Room::Wait);
            for _ in 0..100 {
                let mut value = Vec::new();
                for _ in 0..150 {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    value.extend_from_slice(&seed.to_le_bytes());
                }
                append.event(stream, at(second), |_| (Vec::new(), value));
            }
            append.commit().expect("commits");
        }
    }
    assert!(spool.is_full());
    spool
}

#[test]
fn the_oldest_of_the_least_important_is_shed_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = filled(directory.path());
    let held = |spool: &Spool| Stream::ALL.map(|stream| spool.held(stream).records);
    assert_eq!(held(&spool), [800, 800, 800, 0]);
    assert!(spool.shed(Stream::Flow, Cause::Full));
    assert_eq!(held(&spool), [800, 800, 700, 0]);
    let expected = Loss {
        stream: Stream::Flow,
        cause: Cause::Full,
        records: 100,
        times: Some((0, 0)),
        sequences: Some((1, 100)),
    };
    // Known after a crash, too, until somebody tells it.
    drop(spool);
    let mut spool = Spool::open(directory.path(), 1 << 20).expect("opens");
    assert_eq!(spool.losses(), [expected]);
    while spool.shed(Stream::Log, Cause::Full) {}
    assert_eq!(held(&spool), [800, 0, 0, 0], "alerts stay");
    let lost: Vec<_> = spool
        .losses()
        .iter()
        .map(|loss| (loss.stream, loss.records))
        .collect();
    assert_eq!(lost, [(Stream::Flow, 700), (Stream::Log, 800)]);
    assert_eq!(spool.sequence(Stream::Flow), 800, "numbers go on");
    while spool.shed(Stream::Alert, Cause::Full) {}
    assert_eq!((held(&spool), spool.bytes()), ([0; 4], 0));
}

#[test]
fn what_is_on_its_way_is_not_shed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = filled(directory.path());
    while spool.shed(Stream::Log, Cause::Full) {}
    let on_its_way = spool.oldest();
    assert!(!on_its_way.is_empty() && on_its_way[0].stream == Stream::Alert);
    while spool.shed(Stream::Alert, Cause::Full) {}
    let left = spool.held(Stream::Alert).records;
    assert!(on_its_way.len() as u64 <= left, "{left}");
    spool.published().expect("notes");
    assert_eq!(spool.held(Stream::Alert).records, left - on_its_way.len() as u64);
    let shed: u64 = spool
        .losses()
        .iter()
        .filter(|loss| loss.stream == Stream::Alert)
        .map(|loss| loss.records)
        .sum();
    assert_eq!(shed + left, 800);
}

/// Nothing notes that an append was whole, as after a crash before anybody was told so.
fn forget_notes(directory: &Path) {
    for slot in 0..2 {
        fs::remove_file(directory.join(FOLDER).join(format!("acknowledged-{slot}"))).expect("removes");
    }
}

/// Three frames of two records each; where each begins, and the end.
fn three_frames(directory: &Path) -> (PathBuf, Vec<u64>) {
    let mut spool = open(directory);
    let mut places = vec![0];
    for _ in 0..3 {
        add(&mut spool, Stream::Log, 2);
        places.push(spool.bytes());
    }
    let path = files(directory, Stream::Log).pop().expect("one");
    (path, places)
}

/// Wherever a bit flips in the second frame, it alone is lost, and counted.
#[test]
fn a_flipped_bit_costs_its_frame() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, places) = three_frames(directory.path());
    let whole = fs::read(&path).expect("reads");
    for byte in places[1]..places[2] {
        let mut damaged = whole.clone();
        damaged[byte as usize] ^= 1 << (byte % 8);
        fs::write(&path, &damaged).expect("writes");
        forget_notes(directory.path());
        let mut spool = open(directory.path());
        assert_eq!(spool.held(Stream::Log).records, 6, "byte {byte}");
        let expected = [names(Stream::Log, 1..=2), names(Stream::Log, 5..=6)].concat();
        assert_eq!(drain(&mut spool), expected, "byte {byte}");
        let lost: Vec<_> = spool
            .losses()
            .iter()
            .map(|loss| (loss.cause, loss.records))
            .collect();
        assert_eq!(lost, [(Cause::Damaged, 2)], "byte {byte}");
        assert_eq!(
            (spool.held(Stream::Log).records, spool.sequence(Stream::Log)),
            (0, 6)
        );
    }
}

/// Wherever the last frame is torn, it never happened, and writing goes on in its place.
#[test]
fn a_torn_tail_is_cut() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, places) = three_frames(directory.path());
    let whole = fs::read(&path).expect("reads");
    for cut in places[2]..places[3] {
        for zeros in [false, true] {
            forget_notes(directory.path());
            let mut torn = whole[..cut as usize].to_vec();
            // As a file system may leave it: the length is there, the bytes are not.
            torn.resize(if zeros { whole.len() } else { torn.len() }, 0);
            fs::write(&path, &torn).expect("writes");
            let mut spool = open(directory.path());
            let held = spool.held(Stream::Log).records;
            add(&mut spool, Stream::Log, 1);
            let batch = spool.oldest();
            let values: Vec<_> = batch
                .iter()
                .map(|entry| String::from_utf8_lossy(&entry.value))
                .collect();
            let is_cut = cut < places[2] + frame::HEADER_BYTES as u64 || !zeros;
            assert_eq!(held, if is_cut { 4 } else { 6 }, "{cut} {zeros}");
            let last = if is_cut { "log 5" } else { "log 7" };
            assert_eq!(
                values,
                ["log 1", "log 2", "log 3", "log 4", last],
                "{cut} {zeros}"
            );
        }
    }
}

/// What the bus has keeps its numbers, though the disk lost it: what comes next gets others, and leaves once.
#[test]
fn numbers_on_the_bus_are_given_to_nobody_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, places) = three_frames(directory.path());
    let mut spool = open(directory.path());
    assert_eq!(drain(&mut spool).len(), 6);
    drop(spool);
    let whole = fs::read(&path).expect("reads");
    fs::write(&path, &whole[..places[2] as usize]).expect("writes");
    let mut spool = open(directory.path());
    add(&mut spool, Stream::Log, 1);
    drop(spool);
    let mut spool = open(directory.path());
    assert_eq!(drain(&mut spool), names(Stream::Log, 7..=7));
    drop(spool);
    assert_eq!(drain(&mut open(directory.path())), Vec::<String>::new());
}

/// A power cut tears one frame and leaves the other: what is whole stays, and its sources are read again from before.
#[test]
fn a_torn_frame_beside_a_whole_one_is_read_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = open(directory.path());
    add(&mut spool, Stream::Log, 2);
    let places = directory.path().join(FOLDER).join("places-0");
    let before = spool.held(Stream::Log).bytes;
    let mut append = spool.append(Room::Wait);
    for stream in [Stream::Log, Stream::Flow] {
        append.event(stream, at(0), |sequence| {
            (Vec::new(), format!("{} {sequence}", stream.as_str()).into_bytes())
        });
    }
    let offset = 99;
    append.progress(
        "source",
        Progress {
            offset,
            ..Progress::default()
        },
    );
    append.commit().expect("commits");
    drop(spool);
    assert!(places.exists());
    // Its bytes are there in length, and not in content.
    let path = files(directory.path(), Stream::Log).pop().expect("one");
    let file = OpenOptions::new().write(true).open(&path).expect("opens");
    let length = file.metadata().expect("has").len();
    file.write_all_at(&vec![0; (length - before) as usize], before)
        .expect("writes");
    forget_notes(directory.path());
    for _ in 0..2 {
        let spool = open(directory.path());
        assert_eq!(spool.progress("source").offset, 2);
        assert_eq!(
            (spool.sequence(Stream::Log), spool.sequence(Stream::Flow)),
            (2, 1)
        );
    }
}

/// Records of one append in two streams are there both or not at all.
#[test]
fn an_append_of_which_one_stream_was_written_never_happened() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = open(directory.path());
    add(&mut spool, Stream::Log, 2);
    add(&mut spool, Stream::Flow, 2);
    let before = spool.held(Stream::Flow).bytes;
    let mut append = spool.append(Room::Wait);
    append.event(Stream::Log, at(0), |sequence| {
        (Vec::new(), format!("log {sequence}").into_bytes())
    });
    append.event(Stream::Flow, at(0), |sequence| {
        (Vec::new(), format!("flow {sequence}").into_bytes())
    });
    append.progress(
        "source",
        Progress {
            offset: 99,
            ..Progress::default()
        },
    );
    append.commit().expect("commits");
    drop(spool);
    let path = files(directory.path(), Stream::Flow).pop().expect("one");
    let file = OpenOptions::new().write(true).open(&path).expect("opens");
    file.set_len(before).expect("cuts");
    forget_notes(directory.path());
    let mut spool = open(directory.path());
    assert_eq!(spool.progress("source").offset, 2);
    assert_eq!(
        (spool.sequence(Stream::Log), spool.sequence(Stream::Flow)),
        (2, 2)
    );
    assert_eq!(drain(&mut spool).len(), 4);
}

#[test]
fn what_is_no_spool_at_all_is_passed_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = three_frames(directory.path());
    let folder = directory.path().join(FOLDER);
    for name in ["places-0", "places-1", "acknowledged-0", "acknowledged-1"] {
        fs::write(folder.join(name), b"nothing of ours").expect("writes");
    }
    fs::write(folder.join("log-x.segment"), b"?").expect("writes");
    fs::write(folder.join("flow-00000000000000000001.segment"), [7; 5_000]).expect("writes");
    let mut spool = open(directory.path());
    assert_eq!(spool.progress("source").offset, 2, "frames say it, too");
    assert_eq!(drain(&mut spool).len(), 6);
    add(&mut spool, Stream::Flow, 1);
    // Nobody knows which numbers were given.
    assert_eq!(drain(&mut spool), [format!("flow {}", JUMP + 1)]);
    drop(spool);
    let file = OpenOptions::new().write(true).open(&path).expect("opens");
    file.write_all_at(&[0; 100], 0).expect("writes");
    open(directory.path());
}

/// A spool of a version before 0.2 is taken over once.
#[test]
fn the_old_spool_is_drained_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("spool.sqlite");
    let old = rusqlite::Connection::open(&path).expect("opens");
    old.execute_batch(
        r#"CREATE TABLE entry (number INTEGER PRIMARY KEY AUTOINCREMENT, destination INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL);
        CREATE TABLE progress (source TEXT PRIMARY KEY, records INTEGER NOT NULL, lines INTEGER NOT NULL, offset INTEGER NOT NULL, last INTEGER);
        INSERT INTO entry (destination, key, value) VALUES
            (0, x'6b', CAST('{"@timestamp":"2026-03-02T08:15:00Z","event.dataset":"network.flow"}' AS BLOB)),
            (1, x'6b', CAST('{"reason":"not_json"}' AS BLOB)),
            (0, x'6b', CAST('{"@timestamp":"2026-03-02T08:15:00Z","event.dataset":"system.auth"}' AS BLOB));
        INSERT INTO progress VALUES ('file:a', 3, 4, 5, 6);"#,
    )
    .expect("writes");
    drop(old);
    for round in 0..2 {
        let spool = open(directory.path());
        assert_eq!(
            Stream::ALL.map(|stream| spool.held(stream).records),
            [0, 1, 1, 1],
            "{round}"
        );
        let place = spool.progress("file:a");
        assert_eq!(
            (place.records, place.lines, place.offset, place.last),
            (3, 4, 5, Some(6))
        );
        assert!(!path.is_file());
    }
    let mut spool = open(directory.path());
    assert!(drain(&mut spool)[0].contains("system.auth"));
}

#[test]
fn a_damaged_old_spool_is_kept_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("spool.sqlite");
    for number in 1..=2 {
        fs::write(&path, b"this is no database, whatever its name says").expect("writes");
        let mut spool = open(directory.path());
        let aside = spool.set_aside().expect("kept aside").to_path_buf();
        assert!(
            aside.ends_with(format!("spool.sqlite.corrupt-{number}")),
            "{}",
            aside.display()
        );
        assert_eq!(fs::read(&aside).expect("is there")[..4], *b"this");
        add(&mut spool, Stream::Log, 1);
        assert_eq!(drain(&mut spool), [format!("log {number}")]);
    }
}

#[test]
fn the_folder_it_makes_is_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    let mut spool = Spool::open(&state, 1 << 20).expect("opens");
    add(&mut spool, Stream::Log, 1);
    let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join(FOLDER))), (0o700, 0o700));
    assert_eq!(mode(&files(&state, Stream::Log)[0]), 0o600);
}
