//! Roles × actions as a table, and what holds for any grants whatever: nothing of another organisation.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at what should not be"
)]

use std::collections::BTreeSet;

use alerting_incident::{
    Actor,
    access::{Action, Grant, GrantError, Login, Principal, Reach, Role, may},
};
use ingest_event::{OrganizationNumber, Timestamp};
use proptest::prelude::*;

/// Organisation numbers that are right; each second one took the place of the one before it.
const NUMBERS: [&str; 6] = [
    "964965226",
    "964338531",
    "958935420",
    "942110464",
    "920817521",
    "921770669",
];
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn number(place: usize) -> OrganizationNumber {
    NUMBERS[place].parse().expect("an organisation number")
}

fn lineage(of: OrganizationNumber) -> BTreeSet<OrganizationNumber> {
    let place = NUMBERS
        .iter()
        .position(|each| *each == of.as_str())
        .expect("known");
    let before = (place % 2 == 1).then(|| number(place - 1));
    before.into_iter().chain([of]).collect()
}

fn someone(grants: &[Grant]) -> Principal {
    Principal::new("Kari".to_owned(), Login::Local, grants, NOW, lineage)
}

fn later() -> Timestamp {
    Timestamp::from_nanos(NOW.as_nanos() + 1)
}

#[test]
fn each_role_may_do_this_and_no_more() {
    use Action::{
        Acknowledge, ApproveReveal, Arrange, AskReveal, Close, Declare, Judge, Manage, Read, ReadAudit,
        ReadInternals, ReadMetrics, ReadRevealed, RefuseReveal, Silence,
    };
    let table: [(Role, &[Action]); 6] = [
        (
            Role::Analyst,
            &[
                Read,
                ReadInternals,
                Acknowledge,
                Judge,
                Close,
                Arrange,
                Declare,
                Silence,
                ReadMetrics,
                AskReveal,
                ReadRevealed,
            ],
        ),
        (
            Role::DutyOfficer,
            &[
                Read,
                ReadInternals,
                Acknowledge,
                Judge,
                Close,
                Arrange,
                Declare,
                Silence,
                Manage,
                ReadAudit,
                ReadMetrics,
                AskReveal,
                ApproveReveal,
                ReadRevealed,
            ],
        ),
        (Role::RuleAuthor, &[Read, ReadInternals]),
        (
            Role::Responder,
            &[Read, Acknowledge, Judge, Declare, RefuseReveal, ReadRevealed],
        ),
        (
            Role::DelegatedOperator,
            &[Read, Acknowledge, Judge, RefuseReveal, ReadRevealed],
        ),
        (Role::Auditor, &[Read, ReadInternals, ReadAudit, ReadMetrics]),
    ];
    assert_eq!(table.len(), Role::ALL.len());
    for (role, allowed) in table {
        let grant = Grant {
            role,
            organization: Some(number(0)),
            until: Some(later()),
        };
        let kari = someone(&[grant]);
        for action in Action::ALL {
            let expected = allowed.contains(action);
            assert_eq!(may(&kari, *action, Some(number(0))), expected, "{role} {action}");
            assert!(
                !may(&kari, *action, Some(number(2))),
                "{role} {action}: another's"
            );
            assert!(!may(&kari, *action, None), "{role} {action}: what is the CERT's");
        }
    }
}

#[test]
fn who_acts_for_others_does_so_for_named_ones_and_who_was_delegated_for_a_time() {
    let grant = |role, organization, until| Grant {
        role,
        organization,
        until,
    };
    let (one, end) = (Some(number(0)), Some(later()));
    for (given, expected) in [
        (
            grant(Role::Responder, None, None),
            Err(GrantError::NeedsOrganization(Role::Responder)),
        ),
        (grant(Role::Responder, one, None), Ok(())),
        (
            grant(Role::DelegatedOperator, one, None),
            Err(GrantError::NeedsEnd(Role::DelegatedOperator)),
        ),
        (
            grant(Role::DelegatedOperator, None, end),
            Err(GrantError::NeedsOrganization(Role::DelegatedOperator)),
        ),
        (grant(Role::DelegatedOperator, one, end), Ok(())),
        (grant(Role::Analyst, None, None), Ok(())),
    ] {
        assert_eq!(given.check(), expected, "{given:?}");
        let sees = someone(std::slice::from_ref(&given)).sees();
        assert_eq!(
            sees != Reach::Only(BTreeSet::new()),
            expected.is_ok(),
            "what can't be given gives nothing: {given:?}"
        );
    }
    let ended = someone(&[grant(Role::DelegatedOperator, one, Some(NOW))]);
    assert_eq!(
        ended.sees(),
        Reach::Only(BTreeSet::new()),
        "its end is the first moment without it"
    );
}

#[test]
fn who_took_the_place_of_another_sees_what_was_theirs_but_not_the_reverse() {
    let grant = |place| Grant {
        role: Role::Responder,
        organization: Some(number(place)),
        until: None,
    };
    assert!(may(&someone(&[grant(1)]), Action::Read, Some(number(0))));
    assert!(!may(&someone(&[grant(0)]), Action::Read, Some(number(1))));
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let one = (
        0..Role::ALL.len(),
        proptest::option::weighted(0.8, 0..NUMBERS.len()),
        proptest::option::of(-2_i64..3),
    );
    proptest::collection::vec(one, 0..6).prop_map(|drawn| {
        let grant = |(role, place, offset): (usize, Option<usize>, Option<i64>)| Grant {
            role: Role::ALL[role],
            organization: place.map(number),
            until: offset.map(|offset| Timestamp::from_nanos(NOW.as_nanos() + offset)),
        };
        drawn.into_iter().map(grant).collect()
    })
}

proptest! {
    /// Against the rule said plainly: one grant that holds, whose role may, and that covers the owner.
    #[test]
    fn what_may_be_done_is_what_some_grant_lets(
        grants in grants(), action in 0..Action::ALL.len(), owner in proptest::option::of(0..NUMBERS.len()),
    ) {
        let (action, owner) = (Action::ALL[action], owner.map(number));
        let expected = grants.iter().any(|grant| {
            let is_named = !matches!(grant.role, Role::Responder | Role::DelegatedOperator)
                || grant.organization.is_some();
            let has_end = grant.role != Role::DelegatedOperator || grant.until.is_some();
            let holds = is_named && has_end && grant.until.is_none_or(|until| NOW < until);
            let covers = match (grant.organization, owner) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(number), Some(owner)) => lineage(number).contains(&owner),
            };
            holds && covers && grant.role.may(action)
        });
        prop_assert_eq!(may(&someone(&grants), action, owner), expected);
    }

    /// Whatever else may be done to an incident, it is seen; a further grant takes nothing away; fewer actions give none.
    #[test]
    fn who_acts_sees_and_more_grants_are_never_less(
        grants in grants(), more in grants(), only in proptest::collection::btree_set(0..Action::ALL.len(), 0..4),
        place in 0..NUMBERS.len(),
    ) {
        let owner = Some(number(place));
        let (few, all) = (someone(&grants), someone(&[grants.clone(), more].concat()));
        let only: BTreeSet<Action> = only.into_iter().map(|place| Action::ALL[place]).collect();
        let narrow = few.clone().narrowed(only.clone());
        for action in Action::ALL {
            let does = may(&few, *action, owner);
            prop_assert!(!does || few.sees().covers(owner));
            prop_assert!(!does || may(&all, *action, owner));
            prop_assert_eq!(may(&narrow, *action, owner), does && only.contains(action));
        }
    }
}

/// Names are not who somebody is; and of what has no account nobody with one is known to be the doer, or another.
#[test]
fn who_did_it_goes_by_the_account_and_by_the_name_only_where_neither_has_one() {
    let analyst = |name: &str, account: Option<&str>| Actor::Analyst {
        name: name.to_owned(),
        account: account.map(str::to_owned),
    };
    for (own, name, kept, kept_name, is, is_another) in [
        (Some("1"), "Kari", Some("1"), "Kari", true, false),
        (Some("1"), "Kari Gift", Some("1"), "Kari", true, false),
        (Some("2"), "Kari", Some("1"), "Kari", false, true),
        (Some("2"), "Ola", Some("1"), "Kari", false, true),
        (None, "Kari", None, "Kari", true, false),
        (None, "Ola", None, "Kari", false, true),
        (Some("1"), "Kari", None, "Kari", false, false),
        (Some("1"), "Ola", None, "Kari", false, false),
        (None, "Kari", Some("1"), "Kari", false, false),
    ] {
        let actor = analyst(name, own);
        let found = (actor.is(kept, kept_name), actor.is_another_than(kept, kept_name));
        assert_eq!(found, (is, is_another), "{actor:?} of {kept:?} {kept_name}");
    }
}
