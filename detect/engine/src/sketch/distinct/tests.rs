use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Distinct, EXACT_MAX, REGISTERS, SLICES, STANDARD_ERROR};
use crate::sketch::Taken;

const SPAN: i64 = 600;
const SLICE: i64 = SPAN / SLICES;

/// A well-mixed hash (splitmix64).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn of(inputs: &[(u64, i64)]) -> Distinct {
    let mut state = Distinct::new(SPAN);
    for (value, at) in inputs {
        state.add(mix(*value), *at);
    }
    state
}

#[test]
fn few_values_are_exact_and_leave_with_their_slice() {
    let mut state = Distinct::new(SPAN);
    assert_eq!(state.estimate(0), 0);
    for value in 0..EXACT_MAX as u64 {
        assert_eq!(state.add(mix(value), 10), Taken::Changed);
        assert_eq!(state.add(mix(value), 20), Taken::Unchanged);
    }
    assert_eq!(state.estimate(20), 16);
    assert_eq!(state.add(mix(3), SLICE), Taken::Changed, "again, a slice later");
    assert_eq!(state.estimate(SPAN - 1), 16, "still in the sixth slice");
    assert_eq!(state.estimate(SPAN), 1, "the first slice is over");
    assert_eq!(state.estimate(SPAN + SLICE), 0);
    assert_eq!(state.estimate(0), 16, "an earlier `now` is the latest value's");
}

#[test]
fn a_late_value_counts_while_its_slice_does() {
    let mut state = Distinct::new(SPAN);
    state.add(mix(1), SPAN);
    assert_eq!(state.add(mix(2), SLICE), Taken::Changed);
    assert_eq!(state.add(mix(3), SLICE - 1), Taken::Late);
    assert_eq!(state.estimate(SPAN), 2);
}

#[test]
fn spans_that_differ_do_not_merge() {
    let mut state = of(&[(1, 0)]);
    assert!(!state.merge(&Distinct::new(SPAN * 2)));
    assert_eq!(state, of(&[(1, 0)]));
}

#[test]
fn estimates_are_as_good_as_stated() {
    for (count, least) in [
        (17, 17),
        (100, 90),
        (500, 430),
        (5_000, 4_300),
        (200_000, 172_000),
    ] {
        let mut off = 0.0;
        let rounds = 40;
        for round in 0..rounds {
            let mut state = Distinct::new(SPAN);
            for value in 0..count {
                state.add(mix((round << 32) | value), value as i64 % SPAN);
            }
            let estimate = state.estimate(SPAN - 1);
            assert!(estimate >= least.min(count * 8 / 10), "{count}: {estimate}");
            let share = estimate as f64 / count as f64 - 1.0;
            off += share * share;
        }
        let error = (off / f64::from(rounds as u32)).sqrt();
        assert!(error <= STANDARD_ERROR * 1.4, "{count}: {error}");
    }
}

#[test]
fn a_saved_state_goes_on_as_it_was() {
    let state = of(&(0..400)
        .map(|value| (value % 90, value as i64))
        .collect::<Vec<_>>());
    let bytes = postcard::to_allocvec(&state).unwrap();
    let again: Distinct = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(again, state);
    assert_eq!(postcard::to_allocvec(&again).unwrap(), bytes);
}

#[test]
fn it_is_as_small_as_stated() {
    let mut state = Distinct::new(SPAN);
    assert!(state.bytes() <= 64, "{}", state.bytes());
    for slice in 0..SLICES {
        for value in 0..EXACT_MAX as u64 {
            state.add(mix(value), slice * SLICE);
        }
    }
    assert!(state.many.is_empty());
    assert!(state.bytes() <= 64 + 6 * 16 * 8, "{}", state.bytes());
    for value in 0..100_000 {
        state.add(mix(value), value as i64 % SPAN);
    }
    assert!(state.few.is_empty());
    assert!(state.bytes() <= 64 + 6 * (REGISTERS + 24), "{}", state.bytes());
}

fn inputs(values: u64) -> impl Strategy<Value = Vec<(u64, i64)>> {
    prop::collection::vec((0..values, 0..SPAN * 2), 0..300)
}

proptest! {
    #[test]
    fn nothing_but_the_set_of_inputs_that_count_is_kept(
        mut inputs in inputs(80),
        at in any::<prop::sample::Index>(),
    ) {
        let latest = inputs.iter().map(|(_, at)| *at).max().unwrap_or_default();
        // What may come late in one order and not in another is left out.
        inputs.retain(|(_, at)| at / SLICE > latest / SLICE - SLICES);
        let forward = of(&inputs);
        let cut = at.index(inputs.len() + 1);
        let (one, other) = inputs.split_at(cut);
        let (one, other) = (of(one), of(other));
        let (mut left, mut right) = (one.clone(), other.clone());
        prop_assert!(left.merge(&other) && right.merge(&one));
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(&left, &forward);
        prop_assert!(left.merge(&one) && left.merge(&other));
        prop_assert_eq!(&left, &forward, "again changes nothing");
        inputs.reverse();
        prop_assert_eq!(of(&inputs), forward);
    }

    #[test]
    fn merging_is_associative(a in inputs(60), b in inputs(60), c in inputs(60)) {
        let (a, b, c) = (of(&a), of(&b), of(&c));
        let (mut left, mut right) = (a.clone(), b.clone());
        prop_assert!(left.merge(&b) && left.merge(&c));
        prop_assert!(right.merge(&c));
        let mut whole = a;
        prop_assert!(whole.merge(&right));
        prop_assert_eq!(left, whole);
    }

    #[test]
    fn an_estimate_is_near_the_exact_number(inputs in inputs(4_000), scale in 1..30_i64) {
        let inputs: Vec<_> = inputs.iter().flat_map(|(value, at)| {
            (0..scale).map(move |more| (value + 4_000 * more.cast_unsigned(), *at % SPAN))
        }).collect();
        let exact = inputs.iter().map(|(value, _)| *value).collect::<BTreeSet<_>>().len() as f64;
        let estimate = of(&inputs).estimate(SPAN - 1) as f64;
        // Below √512 values and a little the error is smaller still. 4.5 σ: this asks thousands of times.
        prop_assert!((estimate - exact).abs() <= 4.5 * STANDARD_ERROR * exact + 1.0, "{estimate} of {exact}");
    }
}
