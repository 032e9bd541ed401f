use super::*;

fn open(directory: &Path) -> Spool {
    Spool::open(directory, 1 << 20).expect("opens")
}

fn add(spool: &mut Spool, count: u64) {
    let mut append = spool.append().expect("begins");
    for _ in 0..count {
        append
            .event(|sequence| (b"key".to_vec(), sequence.to_string().into_bytes()))
            .expect("adds");
    }
    append.quarantine(b"key", b"bad").expect("adds");
    let progress = Progress {
        records: count,
        lines: count,
        offset: 7,
        last: Some(-1),
        mark: None,
    };
    append.progress("source", progress).expect("notes");
    append.commit().expect("commits");
}

fn values(spool: &Spool) -> Vec<String> {
    let batch = spool.oldest().expect("reads");
    batch
        .into_iter()
        .map(|entry| String::from_utf8(entry.value).expect("text"))
        .collect()
}

#[test]
fn sequence_numbers_have_no_gaps_across_reopening_and_emptying() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = open(directory.path());
    add(&mut spool, 2);
    let batch = spool.oldest().expect("reads");
    let last = batch.last().expect("not empty").number;
    spool.delete_through(last, &batch).expect("deletes");
    assert_eq!((spool.bytes(), spool.oldest().expect("reads").len()), (0, 0));
    drop(spool);
    let mut spool = open(directory.path());
    add(&mut spool, 2);
    assert_eq!(values(&spool), ["3", "4", "bad"]);
    assert_eq!(spool.sequence(), 4);
    assert!(last < spool.oldest().expect("reads")[0].number);
}

#[test]
fn an_append_that_is_not_committed_never_happened() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = open(directory.path());
    add(&mut spool, 1);
    let bytes = spool.bytes();
    let mut append = spool.append().expect("begins");
    append.event(|_| (Vec::new(), b"lost".to_vec())).expect("adds");
    append
        .progress(
            "source",
            Progress {
                records: 99,
                ..Progress::default()
            },
        )
        .expect("notes");
    drop(append);
    assert_eq!(values(&spool), ["1", "bad"]);
    assert_eq!((spool.bytes(), spool.sequence()), (bytes, 1));
    let progress = spool.progress("source").expect("reads");
    assert_eq!(
        (progress.records, progress.offset, progress.last),
        (1, 7, Some(-1))
    );
}

#[test]
fn it_is_full_at_its_limit_and_counts_again_what_it_finds() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = Spool::open(directory.path(), 200).expect("opens");
    assert!(!spool.is_full());
    add(&mut spool, 3);
    assert!(spool.is_full());
    let bytes = spool.bytes();
    drop(spool);
    let spool = Spool::open(directory.path(), 200).expect("opens");
    assert_eq!(spool.bytes(), bytes);
}

#[test]
fn a_damaged_spool_is_kept_aside_and_a_new_one_begun() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE);
    for number in 1..=2 {
        std::fs::write(&path, b"this is no database, whatever its name says").expect("writes");
        let mut spool = open(directory.path());
        let aside = spool.set_aside().expect("kept aside").to_path_buf();
        assert!(
            aside.ends_with(format!("{FILE}.corrupt-{number}")),
            "{}",
            aside.display()
        );
        assert_eq!(std::fs::read(&aside).expect("is there")[..4], *b"this");
        add(&mut spool, 1);
        assert_eq!(values(&spool), ["1", "bad"]);
    }
}

#[test]
fn the_folder_it_makes_is_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().join("state");
    drop(Spool::open(&state, 1 << 20).expect("opens"));
    let mode = std::fs::metadata(&state).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
