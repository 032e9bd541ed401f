//! Ours against RITA's, on every family.

use detect_engine::sketch::Beacon;

use super::{FAMILIES, Family};
use crate::rita;

const SEEDS: u64 = 40;

/// The share of series without a beacon that may be called one.
const FALSE_SHARE: f64 = 0.01;

/// A rule asks at each contact from this one on.
const CONTACTS_MIN: u32 = 20;

/// The highest score of the day: the one that a rule would see. RITA asks once, at the end of the day.
fn ours(contacts: &[(u32, u64)]) -> f64 {
    let mut state = Beacon::default();
    let mut highest = 0.0_f64;
    for (second, size) in contacts {
        state.contact(i64::from(*second) * 1_000_000_000, Some(*size));
        if state.count() >= CONTACTS_MIN {
            highest = highest.max(state.score().map_or(0.0, |score| score.total));
        }
    }
    highest
}

fn scores(score: impl Fn(&[(u32, u64)]) -> f64) -> Vec<(&'static Family, Vec<f64>)> {
    FAMILIES
        .iter()
        .map(|family| {
            (
                family,
                (0..SEEDS).map(|seed| score(&family.series(seed))).collect(),
            )
        })
        .collect()
}

fn share_from(scores: &[f64], threshold: f64) -> f64 {
    scores.iter().filter(|score| **score >= threshold).count() as f64 / scores.len() as f64
}

fn all(scores: &[(&Family, Vec<f64>)], is_beacon: bool) -> Vec<f64> {
    let of = scores.iter().filter(|(family, _)| family.is_beacon == is_beacon);
    of.flat_map(|(_, scores)| scores.iter().copied()).collect()
}

/// The lowest threshold that calls at most [`FALSE_SHARE`] of the others beacons.
fn threshold(scores: &[(&Family, Vec<f64>)]) -> f64 {
    let others = all(scores, false);
    (0..=100)
        .map(|hundredth| f64::from(hundredth) / 100.0)
        .find(|threshold| share_from(&others, *threshold) <= FALSE_SHARE)
        .unwrap()
}

/// How often a beacon scores above another series.
fn area(scores: &[(&Family, Vec<f64>)]) -> f64 {
    let (beacons, others) = (all(scores, true), all(scores, false));
    let above: f64 = beacons
        .iter()
        .flat_map(|beacon| others.iter().map(move |other| (beacon, other)))
        .map(|(beacon, other)| f64::midpoint(f64::from(beacon > other), f64::from(beacon >= other)))
        .sum();
    above / (beacons.len() * others.len()) as f64
}

#[test]
fn ours_finds_at_least_as_many_of_every_family() {
    let (own, rival) = (scores(ours), scores(rita::score));
    let (own_from, rival_from) = (threshold(&own), threshold(&rival));
    println!("mean score, and share found at 1 % false (ours {own_from:.2}, RITA {rival_from:.2})");
    println!(
        "{:24} {:>6} {:>6} {:>6} {:>6}",
        "", "ours", "found", "RITA", "found"
    );
    let mut behind = Vec::new();
    for ((family, own), (_, rival)) in own.iter().zip(&rival) {
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        let (found, rival_found) = (share_from(own, own_from), share_from(rival, rival_from));
        println!(
            "{:24} {:6.3} {found:6.2} {:6.3} {rival_found:6.2}",
            family.name,
            mean(own),
            mean(rival)
        );
        if family.is_beacon && found < rival_found {
            behind.push(family.name);
        }
    }
    println!("threshold    ours: precision recall    RITA: precision recall");
    for hundredths in [50, 60, 65, 70, 75, 80, 85, 90, 95] {
        let threshold = f64::from(hundredths) / 100.0;
        let [(precision, recall), (rival_precision, rival_recall)] = [&own, &rival].map(|scores| {
            let recall = share_from(&all(scores, true), threshold);
            let (right, wrong) = (all(scores, true).len() as f64 * recall, {
                let others = all(scores, false);
                share_from(&others, threshold) * others.len() as f64
            });
            (right / (right + wrong).max(1.0), recall)
        });
        println!("{threshold:9.2} {precision:18.3} {recall:6.3} {rival_precision:18.3} {rival_recall:6.3}");
    }
    println!(
        "area under the curve: ours {:.4}, RITA {:.4}",
        area(&own),
        area(&rival)
    );
    assert!(behind.is_empty(), "{behind:?}");
    assert!(area(&own) >= area(&rival));
}
