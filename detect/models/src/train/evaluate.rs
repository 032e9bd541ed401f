//! How good a model is on what it was not trained with: scores of both sorts → figures.

use crate::trees::Score;

/// One line of a table: a family, and how much of it is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Whose names or flows these are.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// The chance that one of them scores above an ordinary one.
    pub area_under_curve: f64,
    /// Found at each operating point, in the order that was asked for.
    pub recalls: Vec<f64>,
}

/// A share of ordinary inputs that may raise an alarm, and the score from which on at most so many do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operating {
    /// The share: 0.001 is one in a thousand.
    pub false_positive_rate: f64,
    /// The lowest score that keeps it.
    pub threshold: Score,
}

impl Figures {
    /// Measures `targets` beside `ordinary` (sorted).
    #[must_use]
    pub fn of(name: &str, targets: &[Score], ordinary: &[Score], points: &[Operating]) -> Self {
        let recall = |point: &Operating| {
            let found = targets.iter().filter(|score| point.threshold <= **score).count();
            share(found, targets.len())
        };
        Self {
            name: name.to_owned(),
            count: targets.len(),
            area_under_curve: area_under_curve(targets, ordinary),
            recalls: points.iter().map(recall).collect(),
        }
    }
}

/// The lowest score from which on at most `rate` of `ordinary` (sorted) are.
#[must_use]
pub fn threshold_at(rate: f64, ordinary: &[Score]) -> Operating {
    let mut threshold = Score::MAX;
    for score in (0..=Score::MAX.get()).rev().map(Score::new) {
        let above = ordinary.len() - ordinary.partition_point(|other| *other < score);
        if rate < share(above, ordinary.len()) {
            break;
        }
        threshold = score;
    }
    Operating {
        false_positive_rate: rate,
        threshold,
    }
}

/// The chance that a target scores above an ordinary one (sorted); a tie counts half.
#[must_use]
pub fn area_under_curve(targets: &[Score], ordinary: &[Score]) -> f64 {
    let mut halves = 0;
    for target in targets {
        let below = ordinary.partition_point(|score| score < target);
        let not_above = ordinary.partition_point(|score| score <= target);
        halves += below + not_above;
    }
    share(halves, 2 * targets.len() * ordinary.len())
}

#[expect(clippy::cast_precision_loss, reason = "a share that people read")]
fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: &[u16]) -> Vec<Score> {
        values.iter().map(|value| Score::new(*value)).collect()
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        let ordinary = scores(&[100, 200, 200, 300]);
        for (targets, area) in [
            (&[400][..], 1.0),
            (&[50], 0.0),
            (&[200], 0.5),
            (&[250, 400], 0.875),
        ] {
            assert_eq!(area_under_curve(&scores(targets), &ordinary), area, "{targets:?}");
        }
    }

    #[test]
    fn a_threshold_lets_no_more_through_than_it_may() {
        let ordinary = scores(&[100, 200, 300, 400]);
        for (rate, threshold) in [(0.0, 401), (0.25, 301), (0.5, 201), (0.4, 301), (1.0, 0)] {
            assert_eq!(
                threshold_at(rate, &ordinary).threshold,
                Score::new(threshold),
                "{rate}"
            );
        }
        let points = [threshold_at(0.25, &ordinary), threshold_at(0.0, &ordinary)];
        let figures = Figures::of("f", &scores(&[350, 500]), &ordinary, &points);
        assert_eq!((figures.count, figures.recalls), (2, vec![1.0, 0.5]));
    }
}
