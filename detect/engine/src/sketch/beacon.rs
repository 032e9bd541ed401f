//! How regular the contacts of one pair (who, with whom, on which port) are, in time and in size.
//!
//! Malware that waits for orders asks for them at a period, often with a jitter that its operator sets, and misses some
//! of them while the machine sleeps. What a state keeps are the latest [`CONTACTS`] seconds with a contact; what it
//! scores is how far intervals are from whole multiples of a period.
//!
//! 1. Intervals far shorter than the long ones (a tenth of what seven of eight do not exceed) belong to one visit and are joined.
//! 2. Candidates for the period are the quartiles of what is left. For each, an interval is off by its distance to the
//!    period, or, where contacts were missed, to up to [`MISSED_MAX`] periods, counted twice. Both as a share of the
//!    period; more than that is off by 1. The best candidate is taken.
//! 3. The interval score falls with the square of the mean: 1 for a clock, about 0.85 for a jitter of ±30 %, 0 from
//!    [`OFF_RANDOM`] on, which is what a Poisson process comes to.
//! 4. Sizes are scored alike, by their mean distance to the median. The total is the interval score, of which sizes
//!    that vary take away up to a fifth: a beacon that carries data is one still.
//!
//! Whether a clock is a hostile one is not said here: time servers, updates and cron jobs score as well as they should,
//! and rules leave them out by name.

use serde::{Deserialize, Serialize};

use super::{Taken, narrow::Narrow};

/// Seconds with a contact that are kept, the latest: half an hour of a beacon a minute, a day of one an hour.
pub const CONTACTS: usize = 32;

/// An interval of up to so many periods is one with contacts missed.
pub const MISSED_MAX: f64 = 4.0;

/// Intervals off by so much, as a share of the period, are as good as random.
pub const OFF_RANDOM: f64 = 0.4;

/// What sizes that differ wildly take from the total.
const SIZE_SHARE: f64 = 0.2;

/// Fewer intervals have no score.
const INTERVALS_MIN: usize = 3;

/// Intervals shorter than the long ones by this factor join contacts to one visit.
const VISIT: f64 = 10.0;

const SECOND_NS: i64 = 1_000_000_000;
const HOUR_SECONDS: i64 = 3_600;

/// The latest contacts of a pair.
///
/// Two contacts in one second are one, with the larger size. Of the seconds given, the latest [`CONTACTS`] are kept:
/// the order in which they come does not matter, unless one comes when 32 later ones are there ([`Taken::Late`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beacon {
    /// The second of the latest contact, since 1970.
    latest: i64,
    /// Hours with a contact, the latest hour in the last bit.
    hours: u64,
    /// All contacts, those no longer kept and those in the same second included.
    count: u32,
    /// By time, the oldest first.
    contacts: Vec<Contact>,
}

/// How regular it is. Scores are 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Of the intervals.
    pub interval: f64,
    /// Of the sizes; `None` if most contacts have none.
    pub size: Option<f64>,
    /// Of both; the one to compare with.
    pub total: f64,
    /// All contacts so far.
    pub count: u32,
    /// Hours with a contact among the latest 64.
    pub hours: u32,
    /// The period, in nanoseconds.
    pub period_ns: i64,
}

/// A second with a contact. In halves, so that it takes six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contact {
    /// Seconds since 1970, modulo 2³²; all kept are less than 2³¹ before the latest.
    second: [u16; 2],
    /// One more than the bytes; 0 is unknown.
    size: Narrow,
}

impl Default for Beacon {
    fn default() -> Self {
        Self {
            latest: i64::MIN,
            hours: 0,
            count: 0,
            contacts: Vec::new(),
        }
    }
}

impl Beacon {
    /// A contact, and how many bytes were sent, if that is known.
    #[expect(clippy::cast_precision_loss, reason = "a size is kept within 1/512")]
    pub fn contact(&mut self, at: i64, size: Option<u64>) -> Taken {
        let second = at.div_euclid(SECOND_NS);
        let size = size.map_or_else(Narrow::default, |size| Narrow::new(size as f64 + 1.0));
        self.advance(second);
        let latest = self.latest;
        let place = self
            .contacts
            .partition_point(|contact| contact.second(latest) < second);
        if let Some(same) = self
            .contacts
            .get_mut(place)
            .filter(|contact| contact.second(latest) == second)
        {
            same.size = same.size.max(size);
        } else if self.contacts.len() < CONTACTS {
            if self.contacts.len() == self.contacts.capacity() {
                // Most pairs meet a few times only.
                self.contacts
                    .reserve_exact(self.contacts.len().clamp(2, CONTACTS / 2));
            }
            self.contacts.insert(place, Contact::new(second, size));
        } else if let Some(before) = place.checked_sub(1) {
            self.contacts.remove(0);
            self.contacts.insert(before, Contact::new(second, size));
        } else {
            return Taken::Late;
        }
        self.count = self.count.saturating_add(1);
        self.mark(second);
        Taken::Changed
    }

    /// How regular the contacts are. `None` with fewer than three intervals.
    #[must_use]
    pub fn score(&self) -> Option<Score> {
        let intervals = joined(self.intervals());
        if intervals.len() < INTERVALS_MIN {
            return None;
        }
        let (off, period) = [2, 4, 6]
            .into_iter()
            .map(|eighth| quantile(&intervals, eighth))
            .filter(|period| *period > 0.0)
            .map(|period| off_by(&intervals, period))
            .reduce(|best, other| if other.0 < best.0 { other } else { best })?;
        let interval = falling(off + doubt(intervals.len(), period));
        let size = self.size_score();
        #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
        let period_ns = (period * SECOND_NS as f64) as i64;
        Some(Score {
            interval,
            size,
            total: interval * (1.0 - SIZE_SHARE * (1.0 - size.unwrap_or(1.0))),
            count: self.count,
            hours: self.hours.count_ones(),
            period_ns,
        })
    }

    /// All contacts so far.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes it takes, those behind pointers included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<Self>() + self.contacts.capacity() * size_of::<Contact>()
    }

    /// Makes a later second the latest.
    fn advance(&mut self, second: i64) {
        if second <= self.latest {
            return;
        }
        let (latest, hour) = (self.latest, second.div_euclid(HOUR_SECONDS));
        if latest != i64::MIN {
            let hours = hour.saturating_sub(latest.div_euclid(HOUR_SECONDS));
            let hours = u32::try_from(hours).unwrap_or(u32::MAX);
            self.hours = self.hours.checked_shl(hours).unwrap_or(0);
            // Beyond 68 years a second could not be told from another.
            let oldest = second.saturating_sub(i64::from(i32::MAX));
            self.contacts.retain(|contact| contact.second(latest) > oldest);
        }
        self.latest = second;
    }

    /// Enters the hour of a second up to the latest.
    fn mark(&mut self, second: i64) {
        let hour = self.latest.div_euclid(HOUR_SECONDS);
        let back = hour.saturating_sub(second.div_euclid(HOUR_SECONDS));
        if let Ok(back) = u32::try_from(back) {
            self.hours |= 1_u64.checked_shl(back).unwrap_or(0);
        }
    }

    /// In seconds, in order of time.
    fn intervals(&self) -> impl Iterator<Item = f64> + Clone {
        #[expect(clippy::cast_precision_loss, reason = "below 2³¹")]
        self.contacts
            .iter()
            .zip(self.contacts.iter().skip(1))
            .map(|(one, next)| next.second(self.latest).saturating_sub(one.second(self.latest)) as f64)
    }

    fn size_score(&self) -> Option<f64> {
        let mut sizes: Vec<f64> = self
            .contacts
            .iter()
            .filter(|contact| contact.size > Narrow::default())
            .map(|contact| contact.size.get())
            .collect();
        if sizes.len() * 2 <= self.contacts.len() {
            return None;
        }
        sizes.sort_unstable_by(f64::total_cmp);
        let median = quantile(&sizes, 4);
        let off = mean(sizes.iter().map(|size| ((size - median).abs() / median).min(1.0)));
        Some(falling(off))
    }
}

impl Contact {
    fn new(second: i64, size: Narrow) -> Self {
        let low = second.cast_unsigned();
        let half = |bits: u64| u16::try_from(bits & 0xFFFF).unwrap_or_default();
        Self {
            second: [half(low), half(low >> 16)],
            size,
        }
    }

    /// The second, given the latest of all.
    fn second(self, latest: i64) -> i64 {
        let [low, high] = self.second;
        let own = u32::from(low) | u32::from(high) << 16;
        #[expect(clippy::cast_possible_truncation, reason = "modulo 2³² is meant")]
        let back = (latest.cast_unsigned() as u32).wrapping_sub(own);
        latest.saturating_sub(i64::from(back))
    }
}

/// Intervals between visits, sorted. Contacts that follow one another much faster than others are one visit; a visit
/// begins with its first contact.
fn joined(intervals: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    let mut sorted: Vec<f64> = intervals.clone().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let short = quantile(&sorted, 7) / VISIT;
    if sorted.first().is_none_or(|shortest| *shortest >= short) {
        return sorted;
    }
    sorted.clear();
    let mut since = 0.0;
    let mut is_first = true;
    for interval in intervals {
        if interval < short {
            since += interval;
        } else {
            // The first visit may have begun before what is kept.
            if !is_first || since == 0.0 {
                sorted.push(since + interval);
            }
            since = 0.0;
            is_first = false;
        }
    }
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The number at so many eighths of sorted ones, the lower of two. 0 of none.
fn quantile(sorted: &[f64], eighth: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * eighth / 8).copied().unwrap_or(0.0)
}

/// How far intervals are from a period, as a mean share of it; and the period that they themselves have.
fn off_by(intervals: &[f64], period: f64) -> (f64, f64) {
    let (mut sum, mut length, mut periods) = (0.0, 0.0, 0.0);
    for interval in intervals {
        let times = (interval / period + 0.5).floor().max(1.0);
        let off = (interval - times * period).abs() / period;
        if times > MISSED_MAX {
            sum += 1.0;
            continue;
        }
        sum += if times > 1.0 { (off * 2.0).min(1.0) } else { off };
        length += interval;
        periods += times;
    }
    #[expect(clippy::cast_precision_loss, reason = "32 at most")]
    let off = sum / intervals.len() as f64;
    (off, if periods > 0.0 { length / periods } else { period })
}

/// What is off without being seen: few intervals are regular by chance more often than many, and what was less than half
/// a second off was rounded away.
#[expect(clippy::cast_precision_loss, reason = "32 at most")]
fn doubt(intervals: usize, period: f64) -> f64 {
    0.25 / intervals as f64 + 0.5 / period
}

/// 1 for what is not off at all, 0 from [`OFF_RANDOM`] on.
fn falling(off: f64) -> f64 {
    let share = (off / OFF_RANDOM).min(1.0);
    1.0 - share * share
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "32 at most")]
    let count = values.len() as f64;
    if count > 0.0 {
        values.fold(0.0, |sum, value| sum + value) / count
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
