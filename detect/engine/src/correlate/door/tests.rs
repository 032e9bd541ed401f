//! Who is let in, and when.

use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::{BITS_MAX, BITS_MIN, Door, WAYS};
use crate::correlate::{anomaly::hash, table::Gone};

const HOUR: u32 = 3_600;

/// A knock counts for so long, of a rule that asks for 8 contacts in a day.
const WITHIN: u32 = 6 * HOUR;

/// Knocks of one key; at which of them it is let in.
fn let_in(knocks: u32, times: &[u32]) -> Vec<bool> {
    let mut door = Door::new(knocks);
    let mut gone = Gone::default();
    let knock = |at: &u32| door.knock(hash("key"), *at, WITHIN, &mut gone);
    times.iter().map(knock).collect()
}

#[test]
fn the_third_knock_opens_if_each_is_soon_enough() {
    let check = |name: &str, times: &[u32], expected: &[bool]| {
        let times: Vec<u32> = times.iter().map(|at| 100 * WITHIN + at).collect();
        assert_eq!(let_in(3, &times), expected, "{name}");
    };
    check("at once", &[0, 0, 0, 0], &[false, false, true, false]);
    check("slowly", &[0, WITHIN, 2 * WITHIN], &[false, false, true]);
    check("too slowly", &[0, 2 * WITHIN, 4 * WITHIN], &[false; 3]);
    check("late", &[HOUR, 0, HOUR], &[false, false, true]);
    check(
        "a day later",
        &[0, 0, 4 * WITHIN, 4 * WITHIN, 4 * WITHIN],
        &[false, false, false, false, true],
    );
}

#[test]
fn there_are_doors_for_one_to_four_knocks() {
    for knocks in 1..=4 {
        let opened = let_in(knocks, &[WITHIN; 4]);
        let first = opened.iter().position(|is_open| *is_open);
        assert_eq!(first, Some(knocks as usize - 1));
    }
}

/// 60 machines that call each `period` seconds five times, among `rate` pairs a second that meet once: so many were let
/// in at their third call, and at their fifth or before.
fn heard(rate: u32, period: u32) -> [usize; 2] {
    let mut door = Door::new(3);
    let mut gone = Gone::default();
    let mut at_call = [0; 60];
    let mut once = 0_u64;
    for at in 0..period * 5 {
        for _ in 0..rate {
            once += 1;
            door.knock(xxh3_64(&once.to_le_bytes()), at, WITHIN, &mut gone);
        }
        for (machine, at_call) in (0_u32..).zip(&mut at_call) {
            let calls = at % period == machine * (period / 60);
            if calls && door.knock(xxh3_64(&machine.to_le_bytes()), at, WITHIN, &mut gone) {
                *at_call = 1 + at / period;
            }
        }
    }
    [3, 5].map(|call| at_call.iter().filter(|at| (1..=call).contains(*at)).count())
}

#[test]
fn a_slow_rhythm_is_heard_among_much_that_meets_once() {
    for (rate, period, least) in [
        (100, HOUR, [54, 60]),
        (10, HOUR, [54, 60]),
        (1, 3 * HOUR, [54, 60]),
    ] {
        let heard = heard(rate, period);
        let is_enough = least.iter().zip(&heard).all(|(least, heard)| least <= heard);
        assert!(is_enough, "{heard:?} each {period} s among {rate} a second");
    }
}

#[test]
fn what_knocked_twice_stays_and_what_is_lost_is_counted() {
    let mut door = Door::new(3);
    let mut gone = Gone::default();
    let known: Vec<u64> = (0..200).map(|n| hash(&format!("known {n}"))).collect();
    for hash in known.iter().chain(&known) {
        assert!(!door.knock(*hash, WITHIN, WITHIN, &mut gone));
    }
    assert_eq!(gone.knocks_lost, 0);
    let strangers = 4 << BITS_MAX << WAYS.trailing_zeros();
    for n in 0..strangers {
        door.knock(hash(&n.to_string()), WITHIN, WITHIN, &mut gone);
    }
    let held = door
        .sets
        .as_flattened()
        .iter()
        .filter(|place| **place != 0)
        .count();
    assert_eq!(door.sets.len(), 1 << BITS_MAX, "and no more");
    // A stranger that is taken for another is let in, or counted with it.
    let taken = strangers - held - usize::try_from(gone.knocks_lost).expect("few");
    assert!(taken < strangers / 1_000, "{taken}");
    let opened = known
        .iter()
        .filter(|hash| door.knock(**hash, WITHIN, WITHIN, &mut gone));
    assert_eq!(opened.count(), known.len());
}

#[test]
fn a_quiet_door_stays_small() {
    let mut door = Door::new(3);
    let mut gone = Gone::default();
    // A new pair each twenty seconds, for two days.
    for n in 0..8_640_u32 {
        door.knock(hash(&n.to_string()), n * 20, WITHIN, &mut gone);
    }
    assert_eq!(door.sets.len(), 1 << BITS_MIN);
    assert!(gone.knocks_lost < 64, "{}", gone.knocks_lost);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whenever it is written down and read again, and however it grows, who knocked is known.
    #[test]
    fn a_restart_changes_nothing(seed in 0..1_000_u32, every in 500..5_000_u32) {
        let (mut whole, mut cut) = (Door::new(3), Door::new(3));
        let (mut gone, mut gone_cut) = (Gone::default(), Gone::default());
        for n in 0..20_000_u32 {
            let key = hash(&format!("{seed} {}", n * 7 % 15_000));
            let opened = whole.knock(key, n, WITHIN, &mut gone);
            prop_assert_eq!(opened, cut.knock(key, n, WITHIN, &mut gone_cut));
            if n % every == 0 {
                let bytes = postcard::to_allocvec(&cut).expect("bytes");
                cut = postcard::from_bytes(&bytes).expect("a door");
            }
        }
        prop_assert_eq!(&whole.sets, &cut.sets);
        prop_assert_eq!(gone, gone_cut);
        prop_assert!(1 << BITS_MIN < whole.sets.len(), "it grew");
    }
}
