//! RITA's beacon score, as the rival of `detect_engine::sketch::Beacon`.
//!
//! Own code after what Active Countermeasures has published of RITA 5: four scores, one quarter each, over the contacts
//! of one pair in one day. *Timestamps* and *data sizes*: Bowley skewness and median absolute deviation about the
//! median. *Duration*: how much of the day, or how many hours in a row out of twelve, if six hours or more have
//! contacts. *Histogram*: how even the hours are (one less the coefficient of variation), or how many of them have one
//! of the two most frequent numbers of contacts, which differ by a twentieth of the fullest hour; if eleven or more have
//! any. It sees all contacts of the day at once, where ours keeps the latest thirty-two.

/// RITA looks at a day.
pub const DAY_SECONDS: u32 = 86_400;

const HOURS: usize = 24;
const HOUR_SECONDS: u32 = 3_600;

/// Below so many hours with contacts the duration score is 0.
const DURATION_HOURS_MIN: usize = 6;

/// So many hours in a row are a full duration score.
const DURATION_HOURS_IDEAL: f64 = 12.0;

/// Below so many hours with contacts there is no bimodal score.
const BIMODAL_HOURS_MIN: usize = 11;

/// The share of the fullest hour in which two hours count as equal.
const BIMODAL_BUCKET: f64 = 0.05;

/// The score of the contacts of one day: second of the day and bytes sent, in order of time. 0 where RITA has none.
#[must_use]
pub fn score(contacts: &[(u32, u64)]) -> f64 {
    let mut seconds: Vec<u32> = contacts.iter().map(|(second, _)| *second).collect();
    seconds.dedup();
    let mut intervals: Vec<f64> = seconds
        .iter()
        .zip(seconds.iter().skip(1))
        .map(|(one, next)| f64::from(next - one))
        .collect();
    if intervals.len() < 3 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2⁵³")]
    let mut sizes: Vec<f64> = contacts.iter().map(|(_, size)| *size as f64).collect();
    intervals.sort_unstable_by(f64::total_cmp);
    sizes.sort_unstable_by(f64::total_cmp);
    let bars = bars(contacts);
    let parts = [
        even(&intervals, 1.0),
        even(&sizes, 0.0),
        duration(&seconds, &bars),
        histogram(&bars),
    ];
    parts.iter().sum::<f64>() / 4.0
}

/// Skewness and deviation of sorted numbers, half each.
fn even(sorted: &[f64], without_median: f64) -> f64 {
    let (middle, count) = (median(sorted), sorted.len());
    let (low, high) = (
        median(sorted.get(..count / 2).unwrap_or_default()),
        median(sorted.get(count.div_ceil(2)..).unwrap_or_default()),
    );
    let is_flat = high - low < 10.0 || middle <= low || middle >= high;
    let skewness = if is_flat {
        0.0
    } else {
        (high + low - 2.0 * middle) / (high - low)
    };
    let mut off: Vec<f64> = sorted.iter().map(|value| (value - middle).abs()).collect();
    off.sort_unstable_by(f64::total_cmp);
    let close = if middle >= 1.0 {
        ((middle - median(&off)) / middle).max(0.0)
    } else {
        without_median
    };
    f64::midpoint(1.0 - skewness.abs(), close)
}

fn median(sorted: &[f64]) -> f64 {
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        at(half)
    } else {
        f64::midpoint(at(half.saturating_sub(1)), at(half))
    }
}

/// Contacts in each hour.
fn bars(contacts: &[(u32, u64)]) -> [u32; HOURS] {
    let mut bars = [0; HOURS];
    for (second, _) in contacts {
        if let Some(bar) = bars.get_mut((second / HOUR_SECONDS) as usize) {
            *bar += 1;
        }
    }
    bars
}

fn duration(seconds: &[u32], bars: &[u32; HOURS]) -> f64 {
    if bars.iter().filter(|bar| **bar > 0).count() < DURATION_HOURS_MIN {
        return 0.0;
    }
    let (Some(first), Some(last)) = (seconds.first(), seconds.last()) else {
        return 0.0;
    };
    let covered = f64::from(last - first) / f64::from(DAY_SECONDS);
    // The day wraps around.
    let (mut run, mut longest) = (0, 0);
    for bar in bars.iter().chain(bars) {
        run = if *bar > 0 { run + 1 } else { 0 };
        longest = longest.max(run.min(24));
    }
    covered.max(f64::from(longest) / DURATION_HOURS_IDEAL).min(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "24 hours")]
fn histogram(bars: &[u32; HOURS]) -> f64 {
    let mean = bars.iter().copied().map(f64::from).sum::<f64>() / HOURS as f64;
    let variance = bars
        .iter()
        .map(|bar| (f64::from(*bar) - mean).powi(2))
        .sum::<f64>()
        / HOURS as f64;
    let even = (1.0 - variance.sqrt() / mean).max(0.0);
    let filled = bars.iter().filter(|bar| **bar > 0).count();
    if filled < BIMODAL_HOURS_MIN {
        return even;
    }
    let fullest = bars.iter().copied().max().unwrap_or_default();
    let width = (f64::from(fullest) * BIMODAL_BUCKET).ceil().max(1.0);
    let mut buckets = std::collections::BTreeMap::<u64, u32>::new();
    for bar in bars.iter().filter(|bar| **bar > 0) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number of a bucket"
        )]
        let bucket = (f64::from(*bar) / width) as u64;
        *buckets.entry(bucket).or_default() += 1;
    }
    let mut counts: Vec<u32> = buckets.into_values().collect();
    counts.sort_unstable();
    let two: u32 = counts.iter().rev().take(2).sum();
    // One hour may be an outlier.
    even.max((f64::from(two) / (filled as f64 - 1.0)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn a_clock_scores_one_and_three_contacts_nothing() {
        let clock: Vec<_> = (0..1_440).map(|minute| (minute * 60, 500)).collect();
        assert!((score(&clock) - 1.0).abs() < 1e-9);
        assert!(score(&clock[..3]).abs() < 1e-9);
    }

    #[test]
    fn two_hours_of_a_clock_have_no_duration() {
        let clock: Vec<_> = (0..120).map(|minute| (minute * 60, 500)).collect();
        let score = score(&clock);
        assert!((0.49..0.51).contains(&score), "{score}");
    }

    #[test]
    fn uneven_intervals_lose_their_share() {
        // Intervals 10, 20, 40 and 80 in turn; quartiles 15, 30 and 60.
        let mut at = 0;
        let mut contacts = vec![(0, 500)];
        while at < 86_000 {
            for interval in [10, 20, 40, 80] {
                at += interval;
                contacts.push((at, 500));
            }
        }
        let score = score(&contacts);
        // Skewness 1/3 and a deviation of 15 in 30: 0.58 for the timestamps, about 1 for each of the others.
        assert!((0.88..=0.9).contains(&score), "{score}");
    }
}
