use proptest::prelude::*;

use super::{Ewma, HOUR_NS, HourOfWeek, PAUSE_MAX, Pace};

const MINUTE_NS: i64 = 60_000_000_000;
const WEEK: i64 = 7 * 24;

fn pace() -> Pace {
    Pace::new(MINUTE_NS, 99 * MINUTE_NS)
}

/// Values one interval after another.
fn of(values: impl IntoIterator<Item = f64>) -> Ewma {
    let mut state = Ewma::default();
    for (minute, value) in values.into_iter().enumerate() {
        assert!(state.observe(&pace(), value, minute as i64 * MINUTE_NS).is_some());
    }
    state
}

/// Small whole numbers that look drawn: 0 to 19.
fn noise(index: u64) -> f64 {
    f64::from((index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 % 20)
}

#[test]
fn a_constant_has_a_finite_score_by_the_floor() {
    for (constant, deviation) in [(0.0, 1.0), (0.25, 1.0), (100.0, 10.0), (10_000.0, 100.0)] {
        let verdict = of([constant; 300]).judge(constant + 7.0 * deviation);
        assert!((verdict.mean - constant).abs() < 1e-9, "{verdict:?}");
        assert!((verdict.deviation - deviation).abs() < 1e-6, "{verdict:?}");
        assert!((verdict.score - 7.0).abs() < 1e-6, "{verdict:?}");
        assert_eq!(verdict.observed, 300);
    }
}

#[test]
fn mean_and_deviation_are_those_of_the_values() {
    let verdict = of((0..2_000).map(noise)).judge(0.0);
    // Uniform over 0 to 19: 9.5 and 5.77.
    assert!((verdict.mean - 9.5).abs() < 1.5, "{verdict:?}");
    assert!((verdict.deviation - 5.77).abs() < 0.8, "{verdict:?}");
}

#[test]
fn one_outlier_counts_for_five_deviations_and_no_more() {
    let (mut far, mut near) = (of((0..500).map(noise)), of((0..500).map(noise)));
    let before = far.judge(0.0);
    let at = 500 * MINUTE_NS;
    assert!(far.observe(&pace(), 1e9, at).unwrap().score > 1e7);
    near.observe(&pace(), before.mean + 5.0 * before.deviation, at);
    assert_eq!(far, near);
    let after = far.judge(0.0);
    assert!(after.mean < before.mean + 0.11 * before.deviation, "{after:?}");
    assert!(after.deviation < before.deviation * 1.25, "{after:?}");
}

#[test]
fn what_lasts_is_learned() {
    let state = of((0..500)
        .map(noise)
        .chain((0..300).map(|index| 500.0 + noise(index))));
    let verdict = state.judge(500.0);
    assert!(verdict.score.abs() < 2.0, "{verdict:?}");
}

#[test]
fn what_comes_more_than_once_in_25_intervals_is_usual() {
    for (every, is_usual) in [(12, true), (60, false)] {
        let state = of((0..3_000).map(|index| if index % every == every - 1 { 1_000.0 } else { 0.0 }));
        let verdict = state.judge(1_000.0);
        assert_eq!(verdict.score < 6.0, is_usual, "every {every}: {verdict:?}");
    }
}

#[test]
fn an_interval_is_observed_once_and_in_order() {
    let mut state = of([1.0, 2.0, 3.0]);
    let before = state.clone();
    for minute in [0, 1, 2] {
        assert_eq!(state.observe(&pace(), 9.0, minute * MINUTE_NS + 59), None);
    }
    assert_eq!(state, before);
}

#[test]
fn intervals_without_events_are_zeros() {
    let mut told = of([5.0; 20]);
    let mut silent = told.clone();
    for minute in 20..120 {
        told.observe(&pace(), 0.0, minute * MINUTE_NS);
    }
    assert_eq!(
        told.observe(&pace(), 4.0, 120 * MINUTE_NS),
        silent.observe(&pace(), 4.0, 120 * MINUTE_NS)
    );
    assert_eq!(told, silent);
    assert_eq!(silent.observed(), 121);
}

#[test]
fn the_longest_pause_is_bounded_and_leaves_nothing() {
    for at in [PAUSE_MAX * 3 * MINUTE_NS, i64::MAX] {
        let mut state = of([1e6; 50]);
        let verdict = state.observe(&pace(), 10.0, at).unwrap();
        assert!(verdict.mean < 1e-3 && verdict.score > 9.0, "{verdict:?}");
        assert!(i64::from(state.observed()) > PAUSE_MAX * 2);
    }
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -1.0] {
        let state = of([bad; 20]);
        let verdict = state.judge(bad);
        assert!(verdict.mean.is_finite() && verdict.deviation.is_finite() && verdict.score.is_finite());
    }
    let mut hours = HourOfWeek::default();
    for hour in 0..400 {
        let verdict = hours.observe(&hourly(), f64::MAX, hour * HOUR_NS).unwrap();
        assert!(verdict.score.is_finite(), "{verdict:?}");
    }
}

fn hourly() -> Pace {
    Pace::new(HOUR_NS, HOUR_NS)
}

/// A workplace: 1,000 an hour from 8 to 16 on workdays, else nothing. 1970-01-05 was a Monday.
fn workplace(hour: i64) -> f64 {
    let (day, hour) = ((hour / 24) % 7, hour % 24);
    if day < 5 && (8..16).contains(&hour) {
        1_000.0
    } else {
        0.0
    }
}

#[test]
fn the_same_number_is_usual_at_work_and_strange_at_night() {
    let monday = 4 * 24;
    let mut state = HourOfWeek::default();
    for hour in 0..6 * WEEK {
        // Quiet hours are not told.
        let value = workplace(hour);
        if value > 0.0 {
            let at = (monday + hour) * HOUR_NS;
            state.observe(&hourly(), value, at).unwrap();
        }
    }
    let judged = |hour: i64| state.judge(&hourly(), 1_000.0, (monday + 6 * WEEK + hour) * HOUR_NS);
    assert!(judged(9).score.abs() < 0.1, "{:?}", judged(9));
    assert_eq!(judged(9).observed, 6);
    for night in [3, 22, 5 * 24 + 10] {
        assert!(judged(night).score > 900.0, "{:?}", judged(night));
    }
}

#[test]
fn a_saved_state_goes_on_as_it_was() {
    let mut hours = HourOfWeek::default();
    for hour in 0..200 {
        hours.observe(&hourly(), noise(hour as u64), hour * HOUR_NS);
    }
    let bytes = postcard::to_allocvec(&hours).unwrap();
    assert_eq!(postcard::from_bytes::<HourOfWeek>(&bytes).unwrap(), hours);
    let ewma = of((0..70).map(noise));
    let bytes = postcard::to_allocvec(&ewma).unwrap();
    assert_eq!(postcard::from_bytes::<Ewma>(&bytes).unwrap(), ewma);
}

#[test]
fn it_is_as_small_as_stated() {
    assert_eq!(of([1.0]).bytes(), 32);
    let mut hours = HourOfWeek::default();
    for hour in 0..3 * WEEK {
        hours.observe(&hourly(), 1.0, hour * HOUR_NS);
        let days = (hour / 24 + 1).min(7) as usize;
        assert!(hours.bytes() <= 40 + days * 122, "{} after {hour}", hours.bytes());
    }
}

proptest! {
    #[test]
    fn a_score_is_finite_and_rises_with_the_value(
        values in prop::collection::vec(0.0..1e12_f64, 1..200),
        one in 0.0..1e12_f64,
        more in 0.0..1e12_f64,
    ) {
        let state = of(values.iter().copied());
        let (low, high) = (state.judge(one), state.judge(one + more));
        prop_assert!(low.score.is_finite() && high.score >= low.score);
        prop_assert!(low.deviation >= 1.0 && low.mean >= 0.0);
    }
}
