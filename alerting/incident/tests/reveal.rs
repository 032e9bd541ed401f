//! Of what one may ask, and how a request goes.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

use alerting_incident::{RevealState, RevealStep, askable};
use detect_alert::EventSample;
use ingest_event::{EventId, Fields, Timestamp, Value};
use proptest::prelude::*;

fn event(key: Option<&str>, fields: &[(&'static str, &str)]) -> EventSample {
    let mut all = Fields::new();
    for (name, value) in fields {
        all.set(*name, *value);
    }
    all.set_some("varde.pseudonym.key", key);
    EventSample {
        id: EventId::derive(&[b"1"]),
        timestamp: Timestamp::EPOCH,
        dataset: "flow".to_owned(),
        fields: all,
    }
}

#[test]
fn only_what_stands_under_pseudonym_in_an_event_may_be_asked_for() {
    let mut listed = event(Some("0002-bbbbbbbb"), &[]);
    let members = ["fd12::9", "zone"].map(Value::from);
    listed.fields.set("related.ip", Value::List(members.into()));
    let events = [
        event(
            Some("0001-aaaaaaaa"),
            &[
                ("source.ip", "10.1.2.3"),
                ("destination.ip", "fd12::7"),
                ("source.mac", "02-11-22-33-44-55"),
                ("host.name", "h-k3vq9w2mzt4p.vardedal.kommune.no"),
                ("user.name", "u-k3vq9w2mzt4p"),
                ("user.email", "u-k3vq9w2mzt4p@h-aaaaaaaaaaaa.no"),
                // Neither words that stay, nor what only looks a little like a hash.
                ("event.action", "login"),
                ("user.roles", "h-short"),
                ("process.name", "u-UPPERCASE123"),
                ("url.path", "/index"),
            ],
        ),
        // Left the site in full: there is nothing to reveal.
        event(None, &[("source.ip", "10.9.9.9")]),
        listed,
    ];
    let found = askable(&events);
    let expected = [
        ("02-11-22-33-44-55", "0001-aaaaaaaa"),
        ("10.1.2.3", "0001-aaaaaaaa"),
        ("fd12::7", "0001-aaaaaaaa"),
        ("fd12::9", "0002-bbbbbbbb"),
        ("h-k3vq9w2mzt4p.vardedal.kommune.no", "0001-aaaaaaaa"),
        ("u-k3vq9w2mzt4p", "0001-aaaaaaaa"),
        ("u-k3vq9w2mzt4p@h-aaaaaaaaaaaa.no", "0001-aaaaaaaa"),
    ];
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(value, key)| (value.as_str(), key.as_str()))
        .collect();
    assert_eq!(found, expected);
}

proptest! {
    /// Nothing is revealed that two did not ask for, and what has ended is not begun again.
    #[test]
    fn a_request_goes_one_way(steps in prop::collection::vec(0..RevealStep::ALL.len(), 0..20)) {
        let mut state = RevealState::Waiting;
        let mut taken = Vec::new();
        for step in steps {
            let step = RevealStep::ALL[step];
            let Some(next) = state.after(step) else { continue };
            prop_assert!(state.is_open() || next == state, "{state} is over and became {next}");
            taken.push(step);
            state = next;
        }
        let place = |step| taken.iter().position(|one| *one == step);
        prop_assert_eq!(state == RevealState::Revealed, place(RevealStep::Reveal).is_some());
        for after in [RevealStep::Reveal, RevealStep::Refuse] {
            prop_assert!(place(after).is_none_or(|after| place(RevealStep::Approve).is_some_and(|before| before < after)));
        }
        let count = |step| taken.iter().filter(|one| **one == step).count();
        prop_assert!(count(RevealStep::Reveal) + count(RevealStep::Refuse) <= 1, "one answer");
        prop_assert!(place(RevealStep::Read).is_none_or(|read| place(RevealStep::Reveal).is_some_and(|told| told < read)));
    }
}
