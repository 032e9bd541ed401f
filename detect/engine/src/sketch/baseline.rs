//! What an entity's count or sum per interval usually is, and how far one interval is from it.
//!
//! An exponentially weighted mean and variance (Roberts 1959; West 1979 for the variance), in which an interval counts
//! for at most [`INFLUENCE`] deviations, however far off it is: the precleaning of Gelper, Fried and Croux (2010, "Robust
//! forecasting with exponential and Holt–Winters smoothing"). One outlier therefore hardly moves the baseline; what comes
//! in more than one of `INFLUENCE`² intervals (4 %) is learned as usual. A change that lasts is learned too: the
//! deviation grows by a constant factor with each interval that is off.
//!
//! Intervals begin at multiples of their length and are observed in order, each once, when it is over. Those without
//! events need not be observed: they count as 0 as soon as a later one is. A deviation is never held for less than that
//! of a Poisson process with the same mean, √mean, nor for less than 1: what has been constant so far does not make
//! everything else infinitely strange.

use serde::{Deserialize, Serialize};

use super::{narrow::Narrow, slice_of};

/// So many deviations one interval may count for.
pub const INFLUENCE: f64 = 5.0;

/// The first intervals count in full: there is nothing yet to call them outliers by.
pub const WARM: u32 = 8;

/// Of a longer pause only so many intervals are taken for zeros, the latest. It bounds the work of one event.
pub const PAUSE_MAX: i64 = 4_096;

/// The longest memory, in intervals. After [`PAUSE_MAX`] zeros nothing of what was before is left then.
pub const MEMORY_MAX: i64 = 512;

/// The memory of one hour of the week, in visits: a week with one interval an hour is one visit.
const WEEKS: f64 = 8.0;

const HOURS: i64 = 24;
const DAYS: i64 = 7;
const HOUR_NS: i64 = 3_600_000_000_000;

/// 1970-01-01 was a Thursday; weeks begin on Monday.
const THURSDAY: i64 = 3;

/// Interval and memory of a rule. Not kept with each entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    interval_ns: i64,
    /// What one interval weighs.
    weight: f64,
}

/// An interval against the baseline before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// What was usual.
    pub mean: f64,
    /// How far off is usual; at least 1.
    pub deviation: f64,
    /// So many deviations above (or, negative, below) the mean.
    pub score: f64,
    /// So many intervals this stands on, zeros included. For an hour of the week: those in this hour, at most 255.
    pub observed: u32,
}

/// One mean and deviation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ewma {
    usual: Usual,
    /// Number of the latest interval.
    latest: i64,
    observed: u32,
}

/// One mean and deviation for each hour of the week, in UTC. A day takes memory from its first interval on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HourOfWeek {
    latest: i64,
    observed: u32,
    days: Vec<Day>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Usual {
    mean: f64,
    variance: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Day {
    mean: [Narrow; HOURS as usize],
    deviation: [Narrow; HOURS as usize],
    observed: [u8; HOURS as usize],
    weekday: u8,
}

impl Pace {
    /// Intervals of `interval_ns`, remembered for `memory_ns`: the weight of one is 2 / (n + 1) for n intervals, at most
    /// [`MEMORY_MAX`].
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "at most 512")]
    pub fn new(interval_ns: i64, memory_ns: i64) -> Self {
        let interval_ns = interval_ns.max(1);
        let intervals = (memory_ns / interval_ns).clamp(1, MEMORY_MAX);
        Self {
            interval_ns,
            weight: 2.0 / (intervals as f64 + 1.0),
        }
    }

    /// The number of the interval that a time lies in.
    #[must_use]
    pub const fn interval(&self, at: i64) -> i64 {
        slice_of(at, self.interval_ns)
    }

    /// The day of the week (0 is Monday) and the hour in which an interval begins.
    fn hour(&self, interval: i64) -> (u8, usize) {
        let hours = interval.saturating_mul(self.interval_ns).div_euclid(HOUR_NS);
        let day = (hours.div_euclid(HOURS) + THURSDAY).rem_euclid(DAYS);
        (
            u8::try_from(day).unwrap_or_default(),
            usize::try_from(hours.rem_euclid(HOURS)).unwrap_or_default(),
        )
    }
}

impl Ewma {
    /// The value of the interval that `at` lies in, which is over. Says how it compares and learns it. `None`, and
    /// nothing learned, if that interval or a later one was observed already.
    pub fn observe(&mut self, pace: &Pace, value: f64, at: i64) -> Option<Verdict> {
        let interval = pace.interval(at);
        let zeros = zeros_between(self.observed, self.latest, interval)?;
        for _ in 0..zeros.learned {
            self.learn(pace, 0.0);
        }
        self.observed = self.observed.saturating_add(zeros.skipped);
        let verdict = self.usual.judge(value, self.observed);
        self.learn(pace, value);
        self.latest = interval;
        Some(verdict)
    }

    /// How a value compares with what is usual up to now. Learns nothing.
    #[must_use]
    pub fn judge(&self, value: f64) -> Verdict {
        self.usual.judge(value, self.observed)
    }

    /// So many intervals were observed since the first, zeros included.
    #[must_use]
    pub const fn observed(&self) -> u32 {
        self.observed
    }

    /// Bytes it takes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<Self>()
    }

    fn learn(&mut self, pace: &Pace, value: f64) {
        self.usual.learn(value, self.observed, pace.weight);
        self.observed = self.observed.saturating_add(1);
    }
}

impl HourOfWeek {
    /// As [`Ewma::observe`], against the hour of the week in which the interval begins. `pace` gives the interval; an
    /// hour remembers eight visits.
    pub fn observe(&mut self, pace: &Pace, value: f64, at: i64) -> Option<Verdict> {
        let interval = pace.interval(at);
        let zeros = zeros_between(self.observed, self.latest, interval)?;
        for back in (1..=i64::from(zeros.learned)).rev() {
            self.learn(pace, 0.0, interval.saturating_sub(back));
        }
        self.observed = self.observed.saturating_add(zeros.skipped);
        let verdict = self.judge(pace, value, at);
        self.learn(pace, value, interval);
        self.latest = interval;
        Some(verdict)
    }

    /// How a value compares with what is usual in the hour of `at`. Learns nothing.
    #[must_use]
    pub fn judge(&self, pace: &Pace, value: f64, at: i64) -> Verdict {
        let (weekday, hour) = pace.hour(pace.interval(at));
        let (usual, observed) = self
            .days
            .iter()
            .find(|day| day.weekday == weekday)
            .map_or((Usual::default(), 0), |day| day.usual(hour));
        usual.judge(value, observed)
    }

    /// So many intervals were observed since the first, zeros included.
    #[must_use]
    pub const fn observed(&self) -> u32 {
        self.observed
    }

    /// Bytes it takes, those behind pointers included.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        size_of::<Self>() + self.days.capacity() * size_of::<Day>()
    }

    fn learn(&mut self, pace: &Pace, value: f64, interval: i64) {
        #[expect(clippy::cast_precision_loss, reason = "an interval is a few hours at most")]
        let visits = (HOUR_NS as f64 / pace.interval_ns as f64).max(1.0);
        let weight = 2.0 / (WEEKS * visits + 1.0);
        let (weekday, hour) = pace.hour(interval);
        if let Some(day) = self.days.iter_mut().find(|day| day.weekday == weekday) {
            day.learn(hour, value, weight);
        } else {
            let mut day = Day::new(weekday);
            day.learn(hour, value, weight);
            self.days.reserve_exact(1);
            self.days.push(day);
        }
        self.observed = self.observed.saturating_add(1);
    }
}

impl Day {
    fn new(weekday: u8) -> Self {
        Self {
            mean: [Narrow::default(); HOURS as usize],
            deviation: [Narrow::default(); HOURS as usize],
            observed: [0; HOURS as usize],
            weekday,
        }
    }

    fn usual(&self, hour: usize) -> (Usual, u32) {
        let of = |all: &[Narrow]| all.get(hour).copied().unwrap_or_default().get();
        let deviation = of(&self.deviation);
        let usual = Usual {
            mean: of(&self.mean),
            variance: deviation * deviation,
        };
        (
            usual,
            u32::from(self.observed.get(hour).copied().unwrap_or_default()),
        )
    }

    fn learn(&mut self, hour: usize, value: f64, weight: f64) {
        let (mut usual, observed) = self.usual(hour);
        usual.learn(value, observed, weight);
        if let (Some(mean), Some(deviation), Some(observed)) = (
            self.mean.get_mut(hour),
            self.deviation.get_mut(hour),
            self.observed.get_mut(hour),
        ) {
            *mean = Narrow::new(usual.mean);
            *deviation = Narrow::new(usual.variance.sqrt());
            *observed = observed.saturating_add(1);
        }
    }
}

impl Usual {
    fn deviation(self) -> f64 {
        self.variance.max(self.mean).max(1.0).sqrt()
    }

    fn judge(self, value: f64, observed: u32) -> Verdict {
        let deviation = self.deviation();
        Verdict {
            mean: self.mean,
            deviation,
            score: (finite(value) - self.mean) / deviation,
            observed,
        }
    }

    /// `observed` intervals were learned before this one.
    fn learn(&mut self, value: f64, observed: u32, weight: f64) {
        // The mean of all, until there are as many as are remembered.
        let weight = weight.max(1.0 / (f64::from(observed) + 1.0));
        let mut off = finite(value) - self.mean;
        if observed >= WARM {
            let most = INFLUENCE * self.deviation();
            off = off.clamp(-most, most);
        }
        let step = weight * off;
        self.mean += step;
        self.variance = (1.0 - weight) * (self.variance + off * step);
    }
}

/// Counts and sums are not negative; what is no number counts as none. The most is far below what a square overflows.
const fn finite(value: f64) -> f64 {
    const MOST: f64 = 1e100;
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, MOST)
    }
}

/// Intervals without events.
struct Zeros {
    learned: u32,
    /// Too many to learn; counted.
    skipped: u32,
}

/// Those between the latest interval and this one; `None` if this one is not later.
fn zeros_between(observed: u32, latest: i64, interval: i64) -> Option<Zeros> {
    if observed == 0 {
        return Some(Zeros {
            learned: 0,
            skipped: 0,
        });
    }
    let between = interval.saturating_sub(latest).saturating_sub(1);
    if between < 0 {
        return None;
    }
    let learned = between.min(PAUSE_MAX);
    Some(Zeros {
        learned: u32::try_from(learned).unwrap_or_default(),
        skipped: u32::try_from(between - learned).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests;
