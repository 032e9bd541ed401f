//! Who goes when there are too many groups.

use detect_alert::Tlp;
use ingest_event::{Marking, OrganizationNumber};
use proptest::prelude::*;

use super::{Coming, Gone, Kept, Table};

const LIMIT: usize = 200;

const ORGANIZATIONS: [&str; 4] = ["910244132", "958935420", "840029212", "944496394"];

fn organization(number: usize) -> OrganizationNumber {
    OrganizationNumber::parse(ORGANIZATIONS[number]).expect("a number")
}

/// Groups whose state is whether they are dear.
fn empty() -> Table<bool> {
    Table::new(LIMIT, |is_dear| *is_dear)
}

/// A group as an organisation brings it, where groups are of all organisations.
fn bring(table: &mut Table<bool>, who: usize, key: &str, at: i64, gone: &mut Gone) {
    bring_dear(table, (who, false), key, at, gone);
}

fn bring_dear(table: &mut Table<bool>, (who, is_dear): (usize, bool), key: &str, at: i64, gone: &mut Gone) {
    let coming = Coming {
        key: key.as_bytes(),
        organization: organization(who),
        at,
        retention_ns: i64::MAX,
    };
    let slot = table.at(coming, || is_dear, gone).expect("a group");
    slot.strictest = (Marking::Restricted, Tlp::Green);
}

fn bytes(table: &Table<bool>) -> Vec<u8> {
    postcard::to_allocvec(&table.keep()).expect("bytes")
}

fn restored(table: &Table<bool>) -> Table<bool> {
    let kept: Kept<bool> = postcard::from_bytes(&bytes(table)).expect("kept");
    Table::restore(kept, LIMIT, |is_dear| *is_dear)
}

/// Which of an organisation's first `count` groups are there.
fn left(table: &Table<bool>, who: usize, count: usize) -> usize {
    (0..count)
        .filter(|n| table.get(format!("{who} {n}").as_bytes()).is_some())
        .count()
}

#[test]
fn a_flood_of_one_organisation_leaves_the_groups_of_the_others() {
    // Up to their fair share, a quarter; before the flood, and while it lasts.
    for others in [[1, 1, 1], [50, 50, 50], [0, 50, 7], [50, 0, 0]] {
        for is_before in [true, false] {
            let mut table = empty();
            let mut gone = Gone::default();
            let mut at = 0;
            let mut flood = |table: &mut Table<bool>, gone: &mut Gone, count: usize| {
                for _ in 0..count {
                    at += 1;
                    bring(table, 3, &format!("flood {at}"), at, gone);
                }
            };
            flood(&mut table, &mut gone, if is_before { 0 } else { LIMIT });
            for (who, count) in others.iter().enumerate() {
                (0..*count).for_each(|n| bring(&mut table, who, &format!("{who} {n}"), 0, &mut gone));
            }
            flood(&mut table, &mut gone, LIMIT * 10);
            for (who, count) in others.iter().enumerate() {
                assert_eq!(
                    left(&table, who, *count),
                    *count,
                    "{who} of {others:?}, {is_before}"
                );
            }
            let came = at as u64 + others.iter().sum::<usize>() as u64;
            assert_eq!(table.len(), LIMIT);
            assert_eq!(gone.evicted, came - LIMIT as u64, "each that goes is counted");
        }
    }
}

#[test]
fn one_with_more_than_its_share_gives_when_another_comes() {
    let mut table = empty();
    let mut gone = Gone::default();
    (0..150).for_each(|n| bring(&mut table, 0, &format!("0 {n}"), n, &mut gone));
    (0..50).for_each(|n| bring(&mut table, 1, &format!("1 {n}"), n, &mut gone));
    assert_eq!(gone.evicted, 0, "there is room for all");
    (0..100).for_each(|n| bring(&mut table, 2, &format!("2 {n}"), n, &mut gone));
    let held: Vec<usize> = (0..3).map(|who| left(&table, who, 200)).collect();
    assert_eq!(held, [75, 50, 75], "of the limit of {LIMIT}");
}

#[test]
fn there_may_be_more_organisations_than_groups() {
    let mut table = Table::new(2, |is_dear: &bool| *is_dear);
    let mut gone = Gone::default();
    for n in 0..40 {
        bring(&mut table, n % 4, &n.to_string(), 0, &mut gone);
    }
    assert_eq!((table.len(), gone.evicted), (2, 38));
}

#[test]
fn the_least_useful_goes_before_the_quietest() {
    let mut table = empty();
    let mut gone = Gone::default();
    let dear = LIMIT / 4;
    (0..dear).for_each(|n| bring_dear(&mut table, (0, true), &format!("0 {n}"), 0, &mut gone));
    for at in 1..10_000 {
        bring(&mut table, 0, &format!("flood {at}"), at, &mut gone);
    }
    // All of eight drawn are dear once in 4^8.
    assert!(dear - 2 <= left(&table, 0, dear), "{}", left(&table, 0, dear));
}

#[test]
fn one_that_is_over_is_of_who_brings_it_anew() {
    let mut table = empty();
    let mut gone = Gone::default();
    for (who, at) in [(0, 0), (1, 5), (2, 100)] {
        let coming = Coming {
            key: b"shared",
            organization: organization(who),
            at,
            retention_ns: 10,
        };
        table.at(coming, || false, &mut gone).expect("a group");
    }
    let owners: Vec<_> = table
        .keep()
        .owners
        .iter()
        .map(|owner| owner.organization)
        .collect();
    assert_eq!((owners, table.len()), (vec![organization(2)], 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whenever it is written down and read again, the same groups go and the same bytes come of it.
    #[test]
    fn a_restart_changes_nothing(
        brought in proptest::collection::vec((0..4_usize, 0..600_u32, 0..5_000_i64), 1..1_500),
        every in 1..400_usize,
    ) {
        let (mut whole, mut cut) = (empty(), empty());
        let (mut gone, mut gone_cut) = (Gone::default(), Gone::default());
        for (index, (who, key, at)) in brought.iter().enumerate() {
            let key = key.to_string();
            bring(&mut whole, *who, &key, *at, &mut gone);
            bring(&mut cut, *who, &key, *at, &mut gone_cut);
            if index % every == 0 {
                cut = restored(&cut);
            }
        }
        prop_assert_eq!(bytes(&whole), bytes(&cut));
        prop_assert_eq!(gone, gone_cut);
    }
}
