use std::collections::BTreeSet;

use super::*;

fn deed(number: i64) -> Deed {
    Deed {
        at: Timestamp::from_nanos(1_772_438_400_000_000_000 + number),
        actor: format!("analyst:Åse {number}"),
        // Of people of one name, of whom some have an account and some, from before, have none.
        account: (number % 4 != 0).then(|| format!("{:032x}", number % 4)),
        action: "registry.put".to_owned(),
        subject: "organization/964965226".to_owned(),
        before: (number % 2 == 0).then(|| format!(r#"{{"name":"ŋ {number}"}}"#)),
        after: (number % 3 != 0).then(String::new),
    }
}

fn log(length: i64) -> Vec<Entry> {
    let mut head = Head::EMPTY;
    (0..length)
        .map(|number| {
            let entry = head.append(deed(number));
            head = entry.head();
            entry
        })
        .collect()
}

fn walk(entries: &[Entry], noted: &[Head]) -> Result<Head, Broken> {
    let mut chain = Chain::expecting(noted.iter().copied());
    entries.iter().try_for_each(|entry| chain.follow(entry))?;
    chain.finish()
}

#[test]
fn a_whole_log_ends_where_it_was_written_to() {
    let entries = log(9);
    assert_eq!(walk(&entries, &[]), Ok(entries[8].head()));
    assert_eq!(
        walk(&entries, &[entries[4].head(), entries[8].head()]),
        Ok(entries[8].head())
    );
    assert_eq!(walk(&[], &[]), Ok(Head::EMPTY));
}

#[test]
fn the_form_of_the_bytes_never_changes() {
    // By hand, from the words at the head of the module: another answer would break every log there is.
    let deed = Deed {
        at: Timestamp::from_nanos(1),
        actor: "a".to_owned(),
        account: None,
        action: "b".to_owned(),
        subject: String::new(),
        before: None,
        after: Some("{}".to_owned()),
    };
    let mut bytes = vec![0; 32];
    bytes.extend(b"varde audit 1\0");
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    bytes.extend(b"\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\x01b\0\0\0\0\0\0\0\0");
    bytes.extend(b"\0\x01\0\0\0\0\0\0\0\x02{}");
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    assert_eq!(Digest::of(Digest::BEGINNING, 1, &deed), Digest(digest));

    // The same by an account: another form, with the account after all else.
    let by_account = Deed {
        account: Some("c".to_owned()),
        ..deed
    };
    let place = 32 + b"varde audit ".len();
    bytes[place] = b'2';
    bytes.extend(b"\0\0\0\0\0\0\0\x01c");
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    assert_eq!(Digest::of(Digest::BEGINNING, 1, &by_account), Digest(digest));
}

#[test]
fn any_change_shows_at_the_entry_that_was_changed() {
    let whole = log(7);
    type Change = fn(&mut Entry);
    let changes: [Change; 9] = [
        // Another's, or somebody's at last, or nobody's any more.
        |entry| {
            entry.deed.account = match entry.deed.account.take() {
                Some(account) if account.ends_with('1') => Some("2".repeat(32)),
                Some(_) => None,
                None => Some(String::new()),
            }
        },
        |entry| entry.deed.at = Timestamp::from_nanos(5),
        |entry| entry.deed.actor.push('x'),
        |entry| entry.deed.action = "registry.delete".to_owned(),
        |entry| entry.deed.subject.clear(),
        // A letter that goes from one member to the next.
        |entry| {
            let letter = entry.deed.action.pop().expect("a letter");
            entry.deed.subject.insert(0, letter);
        },
        |entry| entry.deed.before = entry.deed.before.take().xor(Some(String::new())),
        |entry| entry.deed.after = entry.deed.after.take().xor(Some(String::new())),
        |entry| entry.digest = Digest([7; 32]),
    ];
    for (number, change) in changes.iter().enumerate() {
        for at in 0..whole.len() {
            let mut entries = whole.clone();
            change(&mut entries[at]);
            let seq = at as u64 + 1;
            assert_eq!(
                walk(&entries, &[]),
                Err(Broken::Changed { seq }),
                "change {number}"
            );
        }
    }
}

#[test]
fn what_is_missing_added_or_swapped_shows() {
    let whole = log(5);
    let mut entries = whole.clone();
    entries.remove(2);
    assert_eq!(
        walk(&entries, &[]),
        Err(Broken::Gap {
            expected: 3,
            found: 4
        })
    );
    let mut entries = whole.clone();
    entries.insert(2, whole[1].clone());
    assert_eq!(
        walk(&entries, &[]),
        Err(Broken::Gap {
            expected: 3,
            found: 2
        })
    );
    let mut entries = whole.clone();
    entries.swap(1, 2);
    assert_eq!(walk(&entries, &[]).map_err(|broken| broken.seq()), Err(2));
    // Taken out, and those after it numbered anew.
    let mut entries = whole;
    entries.remove(1);
    (1..4).for_each(|at| entries[at].seq = at as u64 + 1);
    assert_eq!(walk(&entries, &[]), Err(Broken::Changed { seq: 2 }));
}

#[test]
fn a_cut_end_and_a_log_made_anew_show_against_a_noted_head() {
    let whole = log(6);
    let noted = whole[5].head();
    let cut = walk(&whole[..4], &[noted]);
    assert_eq!(cut, Err(Broken::Cut { end: 4, noted: 6 }));
    assert_eq!(cut.map_err(|broken| broken.seq()), Err(5));
    assert_eq!(walk(&[], &[noted]), Err(Broken::Cut { end: 0, noted: 6 }));

    let mut head = whole[1].head();
    let mut anew = whole[..2].to_vec();
    for number in 12..16 {
        let entry = head.append(deed(number));
        head = entry.head();
        anew.push(entry);
    }
    assert!(walk(&anew, &[]).is_ok(), "whole in itself");
    assert_eq!(walk(&anew, &[noted]), Err(Broken::Replaced { seq: 6 }));
    assert_eq!(
        walk(&anew, &[whole[1].head()]),
        Ok(head),
        "noted before it was made anew"
    );
}

#[test]
fn lines_and_heads_come_back_as_they_went() {
    let mut digests = BTreeSet::new();
    for entry in log(6) {
        let line = write_line(&entry);
        assert!(!line.contains('\n'));
        assert_eq!(read_line(&line).expect(&line), entry);
        let head = entry.head();
        assert_eq!(head.to_string().parse(), Ok(head));
        assert!(digests.insert(entry.digest.to_string()), "no two alike");
    }
}

#[test]
fn what_is_no_line_is_refused_with_the_member() {
    let line = write_line(&log(1)[0]);
    for (from, to, named) in [
        ("2026-03-02", "2026-13-02", "`at`"),
        ("\"seq\":1", "\"seq\":-1", "-1"),
        ("\"seq\"", "\"sequence\"", "sequence"),
        ("\"digest\":\"", "\"digest\":\"x", "`digest`"),
    ] {
        let changed = line.replace(from, to);
        assert_ne!(changed, line);
        let error = read_line(&changed).expect_err(&changed).to_string();
        assert!(error.contains(named), "{error}");
    }
    for text in ["", "{", "[]", "1:2", "1:é", "-1:00", ":"] {
        assert_eq!(text.parse::<Head>(), Err(HeadError), "{text}");
    }
}
