//! The log that can't be changed unseen, and what a request has to say.

use super::*;

fn request() -> Request {
    Request {
        asked_by: "Kari, KommuneCERT".to_owned(),
        reason: "incident 17".to_owned(),
        pseudonyms: vec!["10.1.2.3".to_owned()],
    }
}

#[test]
fn a_line_that_is_changed_or_taken_out_shows() {
    let state = tempfile::tempdir().expect("a folder");
    let mut last = BEGINNING.to_owned();
    for nth in 0..3 {
        last = record(state.path(), &request(), "Ola", nth != 1, Timestamp::EPOCH).expect("written");
    }
    assert_eq!(verify(state.path()).expect("whole"), last);
    let path = state.path().join(FILE);
    let whole = std::fs::read_to_string(&path).expect("read");
    let lines: Vec<&str> = whole.lines().collect();
    let cut = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    for (changed, at) in [
        (whole.replacen("incident 17", "incident 18", 1), Some(1)),
        (
            whole.replacen("\"approved\":false", "\"approved\":true", 1),
            Some(2),
        ),
        (cut(&lines[1..]), Some(1)),
        (cut(&[lines[0], lines[2]]), Some(2)),
        (format!("{whole}{{}}\n"), Some(4)),
        // What is missing at the end fits, and shows all the same.
        (cut(&lines[..2]), None),
        (whole[..whole.len() - 5].to_owned(), None),
        (String::new(), None),
    ] {
        std::fs::write(&path, changed).expect("written");
        let refused = record(state.path(), &request(), "Ola", true, Timestamp::EPOCH);
        match at {
            Some(at) => assert!(
                matches!(refused, Err(RevealError::Broken { line, .. }) if line == at),
                "{refused:?}"
            ),
            None => assert!(matches!(refused, Err(RevealError::Cut { .. })), "{refused:?}"),
        }
    }
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(verify(state.path()), Err(RevealError::Cut { .. })));
}

#[test]
fn a_line_that_a_crash_tore_spoils_nothing() {
    let state = tempfile::tempdir().expect("a folder");
    let path = state.path().join(FILE);
    for torn in [
        "",
        "{\"at\":\"1970",
        "{\"at\":\"1970-01-01T00:00:00Z\",\"answered_by\":\"Ola\"}",
    ] {
        let first = record(state.path(), &request(), "Ola", true, Timestamp::EPOCH).expect("written");
        let mut file = OpenOptions::new().append(true).open(&path).expect("open");
        file.write_all(torn.as_bytes()).expect("written");
        assert_eq!(verify(state.path()).expect("whole"), first, "{torn}");
        record(state.path(), &request(), "Kari", false, Timestamp::EPOCH).expect("written");
        // Between the line and its note.
        note(state.path(), &first).expect("noted");
        record(state.path(), &request(), "Kari", true, Timestamp::EPOCH).expect("written");
    }
    let text = std::fs::read_to_string(&path).expect("read");
    assert_eq!(text.lines().count(), 9, "{text}");
}

#[test]
fn two_answers_at_once_follow_each_other() {
    let state = tempfile::tempdir().expect("a folder");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..8 {
                    record(state.path(), &request(), "Ola", true, Timestamp::EPOCH).expect("written");
                }
            });
        }
    });
    verify(state.path()).expect("whole");
    let text = std::fs::read_to_string(state.path().join(FILE)).expect("read");
    assert_eq!(text.lines().count(), 32);
}

#[test]
fn who_why_and_who_said_yes_must_be_told() {
    let state = tempfile::tempdir().expect("a folder");
    let nobody = Request {
        asked_by: " ".to_owned(),
        ..request()
    };
    let no_reason = Request {
        reason: String::new(),
        ..request()
    };
    let nothing = Request {
        pseudonyms: Vec::new(),
        ..request()
    };
    let much = Request {
        pseudonyms: vec![String::new(); PSEUDONYMS_MAX + 1],
        ..request()
    };
    let many_in_one = Request {
        pseudonyms: vec!["h-aaaaaaaaaaaa.h-bbbbbbbbbbbb.no".to_owned(); PSEUDONYMS_MAX / 2 + 1],
        ..request()
    };
    let long = Request {
        pseudonyms: vec!["a".repeat(PSEUDONYM_BYTES_MAX + 1)],
        ..request()
    };
    for (request, by) in [
        (many_in_one, "Ola"),
        (long, "Ola"),
        (nobody, "Ola"),
        (no_reason, "Ola"),
        (nothing, "Ola"),
        (much, "Ola"),
        (request(), " "),
    ] {
        let refused = record(state.path(), &request, by, true, Timestamp::EPOCH);
        assert!(matches!(refused, Err(RevealError::Incomplete(_))), "{refused:?}");
    }
    assert!(!state.path().join(FILE).exists());
    let most = Request {
        pseudonyms: vec!["2001:db8:1:2:3:4:5:6".to_owned(); PSEUDONYMS_MAX],
        ..request()
    };
    record(state.path(), &most, "Ola", true, Timestamp::EPOCH).expect("written");
}
