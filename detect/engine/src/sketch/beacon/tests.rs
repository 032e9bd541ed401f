use proptest::prelude::*;

use super::{Beacon, CONTACTS, SECOND_NS, Score};
use crate::sketch::Taken;

/// Contacts at whole seconds, all with one size.
fn of(seconds: impl IntoIterator<Item = i64>) -> Beacon {
    let mut state = Beacon::default();
    for second in seconds {
        state.contact(second * SECOND_NS, Some(420));
    }
    state
}

fn score(state: &Beacon) -> Score {
    state.score().unwrap()
}

/// Numbers from -1 to 1 that look drawn (splitmix64).
fn draw(index: i64) -> f64 {
    let mut z = (index as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    f64::from((z >> 32) as u32) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// Each interval differs from the period by up to a share of it.
fn jittered(period: f64, share: f64, count: i64) -> Vec<i64> {
    let mut at = 0.0;
    (0..count)
        .map(|index| {
            at += period * (1.0 + share * draw(index));
            at as i64
        })
        .collect()
}

#[test]
fn a_clock_scores_one_at_any_period() {
    for period in [10, 30, 60, 3_600, 86_400] {
        let score = score(&of((0..100).map(|index| index * period)));
        assert!(score.total > 0.97, "{period}: {score:?}");
        assert_eq!(score.period_ns, period * SECOND_NS);
        assert_eq!(score.count, 100);
        assert_eq!(
            score.hours,
            u32::try_from(1 + (99 * period / 3_600).min(if period > 3_600 { 2 } else { 63 })).unwrap()
        );
    }
}

#[test]
fn a_jitter_of_a_third_still_scores_well_and_a_period_is_found() {
    for (share, least) in [(0.1, 0.95), (0.2, 0.88), (0.3, 0.74)] {
        let score = score(&of(jittered(60.0, share, 200)));
        assert!(score.total >= least, "{share}: {score:?}");
        let period = score.period_ns as f64 / SECOND_NS as f64;
        assert!((period - 60.0).abs() < 8.0, "{share}: {score:?}");
    }
}

#[test]
fn missed_contacts_and_a_night_are_forgiven() {
    let missed: Vec<_> = jittered(60.0, 0.1, 200)
        .into_iter()
        .enumerate()
        .filter(|(index, _)| draw(*index as i64 + 1_000) > -0.5)
        .map(|(_, at)| at)
        .collect();
    assert!(score(&of(missed)).total > 0.85);
    let night = (0..16).chain(1_000..1_016).map(|index| index * 60);
    assert!(score(&of(night)).total > 0.95);
}

#[test]
fn a_visit_of_several_connections_is_one() {
    let visits = (0..40).flat_map(|index| [index * 300, index * 300 + 1, index * 300 + 4]);
    let score = score(&of(visits));
    assert!(score.total > 0.99, "{score:?}");
    assert_eq!(score.period_ns, 300 * SECOND_NS);
}

#[test]
fn chance_does_not_score() {
    let mut at = 0.0;
    let poisson: Vec<i64> = (0..200)
        .map(|index| {
            at += -60.0 * libm::log((draw(index) + 1.0) / 2.0 + 1e-12);
            at as i64
        })
        .collect();
    for end in (CONTACTS..200).step_by(8) {
        let score = score(&of(poisson[..end].iter().copied()));
        assert!(score.total < 0.5, "{score:?}");
    }
}

#[test]
fn sizes_that_vary_take_away_up_to_a_fifth() {
    let mut state = Beacon::default();
    for index in 0..40 {
        state.contact(index * 60 * SECOND_NS, Some(10_u64.pow((index % 7) as u32)));
    }
    let varied = score(&state);
    assert!(
        varied.size.unwrap() < 0.2 && (0.79..0.85).contains(&varied.total),
        "{varied:?}"
    );
    let mut state = Beacon::default();
    for index in 0..40 {
        state.contact(index * 60 * SECOND_NS, None);
    }
    let unknown = score(&state);
    assert!(unknown.size.is_none() && unknown.total > 0.99, "{unknown:?}");
}

#[test]
fn fewer_than_three_intervals_have_no_score() {
    assert_eq!(of([0, 60, 120]).score(), None);
    assert!(of([0, 60, 120, 180]).score().is_some());
    assert_eq!(of([7; 50]).score(), None);
}

#[test]
fn what_is_older_than_all_that_is_kept_is_late() {
    let mut state = of((100..200).map(|index| index * 60));
    let before = state.clone();
    assert_eq!(state.contact(60 * SECOND_NS, None), Taken::Late);
    assert_eq!(state, before);
    assert_eq!(state.contact((199 * 60 - 30) * SECOND_NS, None), Taken::Changed);
}

#[test]
fn times_at_the_ends_do_no_harm() {
    let mut state = Beacon::default();
    for at in [
        i64::MIN,
        0,
        i64::MAX,
        i64::MAX,
        -1,
        i64::MAX - SECOND_NS * 4,
        i64::MAX - SECOND_NS * 9,
    ] {
        state.contact(at, Some(u64::MAX));
        let _ = state.score();
    }
    assert!(state.contacts.len() <= 4);
}

#[test]
fn a_saved_state_goes_on_as_it_was() {
    let state = of(jittered(60.0, 0.3, 50));
    let bytes = postcard::to_allocvec(&state).unwrap();
    let again: Beacon = postcard::from_bytes(&bytes).unwrap();
    assert_eq!((again.score(), &again), (state.score(), &state));
    assert_eq!(postcard::to_allocvec(&again).unwrap(), bytes);
}

#[test]
fn it_is_as_small_as_stated() {
    for (contacts, most) in [(1, 60), (2, 60), (4, 72), (16, 144), (1_000, 240)] {
        let bytes = of((0..contacts).map(|index| index * 60)).bytes();
        assert!(bytes <= most, "{contacts}: {bytes}");
    }
}

proptest! {
    #[test]
    fn the_order_of_contacts_does_not_matter(
        contacts in prop::collection::vec((0..500_000_i64, prop::option::of(0..100_000_u64)), 1..CONTACTS)
            .prop_flat_map(|contacts| (Just(contacts.clone()), Just(contacts).prop_shuffle())),
    ) {
        let of = |contacts: &[(i64, Option<u64>)]| {
            let mut state = Beacon::default();
            for (second, size) in contacts {
                state.contact(second * SECOND_NS, *size);
            }
            state
        };
        let (one, other) = (of(&contacts.0), of(&contacts.1));
        prop_assert_eq!(&one, &other);
        if let Some(score) = one.score() {
            for part in [score.interval, score.total, score.size.unwrap_or(0.0)] {
                prop_assert!((0.0..=1.0).contains(&part), "{score:?}");
            }
        }
    }
}
