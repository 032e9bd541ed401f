//! What damage and failures cost: what is known to be gone is counted, and nothing else goes with it.

use super::*;

/// What is done to a segment, and its name.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path));

/// What was lost, by cause.
fn lost(spool: &mut Spool) -> Vec<(Cause, u64)> {
    let losses = spool.losses();
    losses.iter().map(|loss| (loss.cause, loss.records)).collect()
}

/// The newer one of two slots.
fn newest(directory: &Path, name: &str) -> PathBuf {
    let folder = directory.join(FOLDER);
    let paths = [0, 1].map(|slot| folder.join(format!("{name}-{slot}")));
    let generation = |path: &PathBuf| fs::read(path).expect("reads")[8..16].to_vec();
    let newest = paths.into_iter().max_by_key(|path| {
        let bytes: [u8; 8] = generation(path).try_into().expect("eight");
        u64::from_le_bytes(bytes)
    });
    newest.expect("two")
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).expect("reads");
    bytes[byte] ^= 1;
    fs::write(path, bytes).expect("writes");
}

/// What had been taken in and is damaged at the very end is lost, counted and told; its numbers are nobody else's.
#[test]
fn a_damaged_end_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, places) = three_frames(directory.path());
    let whole = fs::read(&path).expect("reads");
    let header = places[2]..places[2] + frame::HEADER_BYTES as u64;
    let cut = |to: u64| whole[..to as usize].to_vec();
    let damaged = header.step_by(7).map(|byte| {
        let mut bytes = whole.clone();
        bytes[byte as usize] ^= 1;
        bytes
    });
    for bytes in damaged.chain([cut(places[2]), cut(places[2] + 5), cut(places[3] - 1)]) {
        let copy = tempfile::tempdir().expect("a directory");
        let folder = copy.path().join(FOLDER);
        fs::create_dir(&folder).expect("makes");
        for entry in fs::read_dir(directory.path().join(FOLDER)).expect("reads") {
            let from = entry.expect("reads").path();
            fs::copy(&from, folder.join(from.file_name().expect("has one"))).expect("copies");
        }
        fs::write(folder.join(path.file_name().expect("has one")), bytes).expect("writes");
        for round in 0..2 {
            let spool = open(copy.path());
            assert_eq!(
                (spool.held(Stream::Log).records, spool.sequence(Stream::Log)),
                (6, 6),
                "{round}"
            );
        }
        let mut spool = open(copy.path());
        add(&mut spool, Stream::Log, 1);
        let expected = [names(Stream::Log, 1..=4), names(Stream::Log, 7..=7)].concat();
        assert_eq!(drain(&mut spool), expected);
        assert_eq!(lost(&mut spool), [(Cause::Damaged, 2)]);
        drop(spool);
        let mut spool = open(copy.path());
        assert_eq!(drain(&mut spool), Vec::<String>::new());
    }
}

/// A header whose checksums fit and whose numbers nobody gave is damage like any other.
#[test]
fn numbers_that_nobody_gives_are_damage() {
    let head = frame::HEADER_BYTES;
    for (name, place) in [("commit", 28), ("first", 36), ("sequence", 44), ("events", 52)] {
        let directory = tempfile::tempdir().expect("a directory");
        add(&mut open(directory.path()), Stream::Log, 2);
        let path = &files(directory.path(), Stream::Log)[0];
        let mut bytes = fs::read(path).expect("reads");
        bytes[place..place + 8].fill(0xff);
        let crc = frame::checksum(&bytes[..head - 4]);
        bytes[head - 4..head].copy_from_slice(&crc.to_le_bytes());
        fs::write(path, bytes).expect("writes");
        let mut spool = open(directory.path());
        add(&mut spool, Stream::Log, 1);
        assert_eq!(drain(&mut spool), names(Stream::Log, 3..=3), "{name}");
        assert_eq!(lost(&mut spool), [(Cause::Damaged, 2)], "{name}");
    }
}

/// The same in the middle: a segment that ends too early, one that is gone, and one that can't be read.
#[test]
fn what_is_missing_between_segments_is_counted() {
    let damages: [Damage<'_>; 3] = [
        ("ends early", &|path| {
            fs::write(path, &fs::read(path).expect("reads")[..100]).expect("writes");
        }),
        ("is gone", &|path| fs::remove_file(path).expect("removes")),
        ("can't be read", &|path| {
            fs::remove_file(path).expect("removes");
            fs::create_dir(path).expect("makes");
        }),
    ];
    for (name, damage) in damages {
        for which in [0, 3, 7] {
            let directory = tempfile::tempdir().expect("a directory");
            drop(filled(directory.path()));
            damage(&files(directory.path(), Stream::Log)[which]);
            let mut spool = Spool::open(directory.path(), 1 << 20).expect("opens");
            let what = format!("{name} {which}");
            assert_eq!(
                Stream::ALL.map(|stream| spool.held(stream).records),
                [800, 800, 800, 0],
                "{what}"
            );
            add(&mut spool, Stream::Log, 1);
            assert_eq!(spool.sequence(Stream::Log), 801, "{what}");
            assert_eq!(drain(&mut spool).len(), 2_301, "{what}");
            assert_eq!(lost(&mut spool), [(Cause::Damaged, 100)], "{what}");
            let folder = directory.path().join(FOLDER);
            let is_aside = fs::read_dir(folder).expect("reads").any(|entry| {
                let name = entry.expect("reads").file_name();
                name.to_string_lossy().ends_with(".segment.unreadable-1")
            });
            assert_eq!(is_aside, name == "can't be read", "{what}");
        }
    }
}

/// What was shed in the middle is no damage, also after a restart.
#[test]
fn what_was_shed_is_not_counted_again_as_damage() {
    let directory = tempfile::tempdir().expect("a directory");
    // More than is on its way at once.
    drop(filled(directory.path()));
    drop(filled(directory.path()));
    let mut spool = filled(directory.path());
    while spool.shed(Stream::Log, Cause::Full) {}
    assert_eq!(spool.oldest()[0].stream, Stream::Alert);
    assert!(spool.shed(Stream::Alert, Cause::Full));
    let held = spool.held(Stream::Alert).records;
    drop(spool);
    let mut spool = Spool::open(directory.path(), 1 << 20).expect("opens");
    assert_eq!(spool.held(Stream::Alert).records, held);
    assert_eq!(drain(&mut spool).len() as u64, held);
    assert!(lost(&mut spool).iter().all(|(cause, _)| *cause == Cause::Full));
}

/// An append that failed and could not be taken back does not take the place of the one that came after it.
#[test]
fn what_could_not_be_taken_back_costs_nothing_that_was_taken_in() {
    for (name, is_next_there) in [("with a segment behind", true), ("alone", false)] {
        let (failed, directory) = (tempfile::tempdir(), tempfile::tempdir().expect("a directory"));
        let failed = failed.expect("a directory");
        let (mut other, mut spool) = (open(failed.path()), open(directory.path()));
        add(&mut other, Stream::Log, 2);
        add(&mut spool, Stream::Log, 2);
        let before = other.bytes() as usize;
        add(&mut other, Stream::Log, 3);
        let left = fs::read(&files(failed.path(), Stream::Log)[0]).expect("reads")[before..].to_vec();
        // Neither writing nor cutting works.
        let path = files(directory.path(), Stream::Log).remove(0);
        spool.lanes[Stream::Log.index()].writer = Some(File::open(&path).expect("opens"));
        let mut append = spool.append(Room::Wait);
        append.event(Stream::Log, at(0), |_| (Vec::new(), b"fails".to_vec()));
        append.commit().expect_err("can't be written");
        let file = OpenOptions::new().append(true).open(&path).expect("opens");
        io::Write::write_all(&mut &file, &left).expect("writes");
        let mut expected = names(Stream::Log, 1..=2);
        if is_next_there {
            add(&mut spool, Stream::Log, 2);
            expected = names(Stream::Log, 1..=4);
        } else {
            // The disk is as it was for another stream, and that append is whole.
            add(&mut spool, Stream::Flow, 1);
            expected.extend(names(Stream::Flow, 1..=1));
        }
        drop(spool);
        let mut spool = open(directory.path());
        assert_eq!(drain(&mut spool), expected, "{name}");
        assert_eq!(lost(&mut spool), [], "{name}");
    }
}

/// Places alone fill a segment without giving it numbers: the next one has the same name, and is read from its start.
#[test]
fn a_segment_of_the_same_name_is_read_from_its_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = Spool::open(directory.path(), 1).expect("opens");
    for _ in 0..2 {
        let mut append = spool.append(Room::Wait);
        let mark = Mark {
            head: "x".repeat(100_000),
            ..Mark::default()
        };
        let place = Progress {
            mark: Some(mark),
            ..Progress::default()
        };
        append.progress("source", place);
        append.commit().expect("commits");
        assert_eq!(drain(&mut spool), Vec::<String>::new());
    }
    let mut append = spool.append(Room::Wait);
    append.quarantine(at(0), b"key", b"refused");
    append.commit().expect("commits");
    assert_eq!(drain(&mut spool), ["refused"]);
    assert_eq!(lost(&mut spool), []);
}

/// Numbers go on behind those that were given, whatever is damaged of what says so.
#[test]
fn damaged_slots_bring_no_number_back() {
    for (damaged, is_jump) in [
        (&[][..], false),
        (&["places"], false),
        (&["acknowledged"], false),
        (&["places", "acknowledged"], true),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut spool = filled(directory.path());
        assert_eq!(drain(&mut spool).len(), 2_400);
        // The slot before the newest is to know it too.
        add(&mut spool, Stream::Alert, 1);
        assert_eq!(drain(&mut spool).len(), 1);
        drop(spool);
        for name in damaged {
            flip(&newest(directory.path(), name), 20);
        }
        for path in files(directory.path(), Stream::Log) {
            fs::remove_file(path).expect("removes");
        }
        let mut spool = open(directory.path());
        assert_eq!(spool.damaged(), damaged.len() as u64);
        let sequence = spool.sequence(Stream::Log);
        assert_eq!(JUMP < sequence, is_jump, "{damaged:?}: {sequence}");
        assert!(800 <= sequence, "{damaged:?}: {sequence}");
        let left_out = spool
            .losses()
            .iter()
            .filter(|loss| loss.cause == Cause::Damaged && loss.records == 0)
            .filter_map(|loss| loss.sequences)
            .any(|(first, last)| first <= 801 && last == sequence);
        assert_eq!(left_out, is_jump, "{damaged:?}");
        add(&mut spool, Stream::Log, 1);
        // And what was left out is not lost.
        drop(spool);
        let mut spool = open(directory.path());
        assert_eq!(spool.held(Stream::Log).records, 1, "{damaged:?}");
        assert!(
            drain(&mut spool).contains(&format!("log {}", sequence + 1)),
            "{damaged:?}"
        );
    }
}

#[test]
fn what_was_turned_away_is_known_after_a_crash_until_it_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let turned = Loss {
        stream: Stream::Flow,
        cause: Cause::TurnedAway,
        records: 7,
        times: None,
        sequences: None,
    };
    let mut spool = open(directory.path());
    spool.turned_away(vec![turned]);
    drop(spool);
    let mut spool = open(directory.path());
    assert_eq!(spool.losses(), [turned]);
    // Nothing of it is forgotten while it is under way.
    add(&mut spool, Stream::Log, 1);
    drop(spool);
    let mut spool = open(directory.path());
    assert_eq!(spool.losses(), [turned]);
    assert_eq!(spool.losses(), []);
    spool.losses_told();
    drop(spool);
    assert_eq!(open(directory.path()).losses(), []);
}

/// What can't be deleted takes room until it is gone, and comes back to nobody.
#[test]
fn what_can_not_be_deleted_is_still_on_the_account() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = filled(directory.path());
    let before = spool.bytes();
    let path = files(directory.path(), Stream::Flow).remove(0);
    let kept = fs::read(&path).expect("reads");
    fs::remove_file(&path).expect("removes");
    fs::create_dir(&path).expect("makes");
    assert!(!spool.shed(Stream::Flow, Cause::Full), "no room is made");
    assert_eq!(spool.bytes(), before);
    assert_eq!(spool.held(Stream::Flow).records, 700);
    fs::remove_dir(&path).expect("removes");
    fs::write(&path, kept).expect("writes");
    drop(spool);
    let mut spool = Spool::open(directory.path(), 1 << 20).expect("opens");
    assert_eq!(spool.held(Stream::Flow).records, 700, "shed stays shed");
    assert_eq!(spool.bytes(), before);
    spool.oldest();
    assert!(spool.bytes() < before);
    assert!(!path.exists());
}

/// What can't be read now is no damage: it waits, nothing behind it is passed over, and other streams go on.
#[test]
fn a_failure_to_open_costs_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = filled(directory.path());
    let held = spool.held(Stream::Flow).records;
    let path = files(directory.path(), Stream::Flow).remove(0);
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).expect("moves");
    // Opening what points at itself fails, and does not say that it is gone.
    std::os::unix::fs::symlink(&path, &path).expect("links");
    for _ in 0..40 {
        let batch = spool.oldest();
        assert!(batch.iter().all(|entry| entry.stream != Stream::Flow));
        spool.published().expect("notes");
    }
    assert_eq!(spool.held(Stream::Flow).records, held);
    assert_eq!(lost(&mut spool), []);
    fs::remove_file(&path).expect("removes");
    fs::rename(&aside, &path).expect("moves");
    let left = drain(&mut spool);
    assert_eq!(left.len() as u64, held, "{:?}", left.first());
    assert_eq!(lost(&mut spool), []);
}

/// While what was given up can't be deleted, giving up more makes no room.
#[test]
fn no_more_is_shed_while_nothing_can_be_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = filled(directory.path());
    let path = files(directory.path(), Stream::Flow).remove(0);
    fs::remove_file(&path).expect("removes");
    fs::create_dir(&path).expect("makes");
    assert!(!spool.shed(Stream::Flow, Cause::Full));
    let held = spool.held(Stream::Flow).records;
    for _ in 0..5 {
        assert!(!spool.shed(Stream::Flow, Cause::Full));
    }
    assert_eq!(spool.held(Stream::Flow).records, held);
    fs::remove_dir(&path).expect("removes");
    assert!(spool.shed(Stream::Flow, Cause::Full), "that made room");
    assert_eq!(spool.held(Stream::Flow).records, held);
    assert!(spool.shed(Stream::Flow, Cause::Full));
    assert!(spool.held(Stream::Flow).records < held);
}
