//! Questions that come, are answered once, and go; and what each leaves in the log.

use std::sync::atomic::{AtomicUsize, Ordering};

use ingest_event::OrganizationNumber;
use ingest_trust::reveal::FORMAT;

use super::*;
use crate::site::keys;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn question(nth: usize, (key, pseudonyms): (String, Vec<String>)) -> Question {
    Question {
        format: FORMAT,
        id: format!("{nth:032x}"),
        organization: OrganizationNumber::parse("964965226").expect("valid"),
        key,
        incident: "17".to_owned(),
        asked_by: "Kari".to_owned(),
        approved_by: "Ola".to_owned(),
        reason: "it calls a server of thieves".to_owned(),
        pseudonyms,
        asked: Timestamp::EPOCH,
        until: Timestamp::from_millis(2_000_000),
    }
}

/// A site, its key's name, and the pseudonyms of a machine's two addresses.
fn site() -> (tempfile::TempDir, Config, (String, Vec<String>)) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "sensor: s1\norganization: \"964965226\"\nhome_networks: [\"2001:db8:20::/48\"]\nstate: {root}/state\n\
         bus: {{ embedded: {{ directory: {root}/bus }} }}\nsources: []\n",
        root = folder.path().display()
    );
    let config = crate::config::parse(&text, "sensor.yml").expect("reads");
    files::make_folder(&config.state).expect("made");
    let key = keys::rotate(&config.state).expect("a key");
    let mut disclosure = config.disclosure(&key);
    let hidden = ["10.20.0.7", "2001:db8:20::7"].map(|clear| {
        let hidden = disclosure.pseudonyms().address(clear).expect("ours");
        hidden.to_string()
    });
    (folder, config, (key.id(), hidden.into()))
}

fn steps(config: &Config) -> Vec<(Step, bool)> {
    let (lines, _) = reveal::lines(&config.state).expect("whole");
    lines.iter().map(|line| (line.step, line.approved)).collect()
}

#[test]
fn a_question_is_taken_once_answered_once_and_leaves_its_lines() {
    let (_folder, config, pseudonyms) = site();
    let questions = Questions::at(&config.state);
    let asked = question(1, pseudonyms);
    assert!(questions.take(&asked, NOW).expect("taken"));
    assert!(!questions.take(&asked, NOW).expect("there"));
    let person = ("Per", "we know of it");
    assert!(matches!(
        questions.answer(&config, &asked.id, true, ("Per", " "), NOW),
        Err(QuestionError::Incomplete)
    ));
    let told = questions
        .answer(&config, &asked.id, true, person, NOW)
        .expect("answered");
    let clear: Vec<_> = told.values.iter().map(|one| one.stood_for.as_deref()).collect();
    assert_eq!(clear, [Some("10.20.0.7"), Some("2001:db8:20::7")]);
    assert!(told.answers(&asked.pseudonyms));
    for approved in [true, false] {
        assert!(matches!(
            questions.answer(&config, &asked.id, approved, person, NOW),
            Err(QuestionError::Answered(_))
        ));
    }
    // Another process finds what this one wrote.
    let waiting = Questions::at(&config.state).list().expect("read");
    assert_eq!(waiting[0].answer.as_ref(), Some(&told));
    questions.forget(&asked, Step::Told, NOW).expect("forgotten");
    assert!(questions.list().expect("read").is_empty());
    assert!(matches!(
        questions.answer(&config, &asked.id, true, person, NOW),
        Err(QuestionError::None(_))
    ));
    let expected = [(Step::Asked, false), (Step::Answered, true), (Step::Told, false)];
    assert_eq!(steps(&config), expected);
    let log = fs::read_to_string(config.state.join("reveal.ndjson")).expect("a log");
    assert!(
        !log.contains("10.20.0.7") && !log.contains("2001:db8:20::7"),
        "{log}"
    );
    assert!(
        log.contains(&told.digest) && log.contains("we know of it"),
        "{log}"
    );
}

#[test]
fn an_address_is_turned_back_with_the_key_it_was_made_with_and_no_other() {
    let (_folder, config, mut pseudonyms) = site();
    keys::rotate(&config.state).expect("another key");
    for (key, is_known) in [(pseudonyms.0.clone(), true), ("0009-00000000".to_owned(), false)] {
        pseudonyms.0 = key;
        let asked = question(1, pseudonyms.clone());
        assert_eq!(reveal::has_key(&config.state, &asked).expect("keys"), is_known);
        let values = reveal::stand_for(&config, &asked).expect("keys");
        let clear: Vec<_> = values.iter().map(|one| one.stood_for.as_deref()).collect();
        let expected = ["10.20.0.7", "2001:db8:20::7"].map(|clear| is_known.then_some(clear));
        assert_eq!(clear, expected);
    }
}

#[test]
fn of_two_who_answer_at_once_one_does() {
    let (_folder, config, pseudonyms) = site();
    for nth in 0..20 {
        let questions = Questions::at(&config.state);
        let asked = question(nth, pseudonyms.clone());
        assert!(questions.take(&asked, NOW).expect("taken"));
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for by in ["Per", "Pål"] {
                let (config, asked, done) = (&config, &asked, &done);
                let questions = Questions::at(&config.state);
                scope.spawn(move || {
                    let answered = questions.answer(config, &asked.id, by == "Per", (by, "because"), NOW);
                    done.fetch_add(usize::from(answered.is_ok()), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), 1);
        // Neither does the log say that there were two.
        let answered = steps(&config)
            .iter()
            .filter(|(step, _)| *step == Step::Answered)
            .count();
        assert_eq!(answered, nth + 1);
        questions.forget(&asked, Step::Told, NOW).expect("forgotten");
    }
}

#[test]
fn what_is_out_of_date_is_not_answered_and_more_than_a_day_holds_is_not_taken() {
    let (_folder, config, pseudonyms) = site();
    let questions = Questions::at(&config.state);
    for nth in 0..OPEN_MAX {
        assert!(
            questions
                .take(&question(nth, pseudonyms.clone()), NOW)
                .expect("taken")
        );
    }
    let more = question(OPEN_MAX, pseudonyms);
    assert!(!questions.take(&more, NOW).expect("too many"));
    let id = question(0, Default::default()).id;
    let late = questions.answer(
        &config,
        &id,
        true,
        ("Per", "because"),
        Timestamp::from_millis(2_000_000),
    );
    assert!(matches!(late, Err(QuestionError::Over(_))), "{late:?}");
    for name in ["../../keys/0001", "", "00"] {
        assert!(matches!(
            questions.answer(&config, name, true, ("Per", "because"), NOW),
            Err(QuestionError::None(_))
        ));
    }
}

#[test]
fn what_the_configuration_decides_is_only_what_it_names() {
    let asked = |values: &[&str]| {
        let key = "0001-aaaaaaaa".to_owned();
        let pseudonyms = values.iter().map(|value| (*value).to_owned());
        question(1, (key, pseudonyms.collect()))
    };
    let reveal = |text: &str| serde_saphyr::from_str::<Reveal>(text).expect("reads");
    for (config, values, expected) in [
        ("{}", &["10.1.2.3"][..], None),
        ("policy: never", &["10.1.2.3"], Some(false)),
        (
            "policy: never\nautomatic_for: [addresses]",
            &["10.1.2.3"],
            Some(false),
        ),
        ("automatic_for: [addresses]", &["10.1.2.3", "fd12::7"], Some(true)),
        (
            "automatic_for: [addresses]",
            &["10.1.2.3", "u-abcdefghijkl"],
            None,
        ),
        (
            "automatic_for: [addresses, accounts]",
            &["10.1.2.3", "u-abcdefghijkl"],
            Some(true),
        ),
        (
            "automatic_for: [accounts]",
            &["u-abcdefghijkl@h-abcdefghijkl.no"],
            None,
        ),
        (
            "automatic_for: [machines]",
            &["h-abcdefghijkl.vardedal.kommune.no"],
            Some(true),
        ),
        ("automatic_for: [machines]", &["02:11:22:33:44:55"], Some(true)),
        (
            "automatic_for: [machines, accounts, addresses]",
            &["s-abcdefghijkl"],
            None,
        ),
        (
            "automatic_for: [machines, accounts, addresses]",
            &["kommune.no"],
            None,
        ),
    ] {
        let decided = decided(&reveal(config), &asked(values)).map(|(approved, _)| approved);
        assert_eq!(decided, expected, "{config} {values:?}");
    }
}
