//! Business days of Norway, in Norwegian civil time.
//!
//! The days off are those of lov om helligdager og helligdagsfred (1995-02-24 no. 12) section 2, and 1 and 17 May by lov om 1 og
//! 17 mai som høgtidsdager (1947-04-26 no. 1); saturdays and sundays are none either. Civil time is Central European, with summer
//! time from the last sunday of March to the last of October, at 01:00 UTC (directive 2000/84/EC, which Norway follows).

use ingest_event::Timestamp;
use jiff::{
    ToSpan,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};
use thiserror::Error;

/// The rule as POSIX writes it: no time-zone files are needed, and it holds for Norway since 1996.
const OSLO: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
/// Between two business days: easter and 1 May with weekends around are fewer.
const DAYS_OFF_MAX: usize = 16;

/// A movable day off is so many days from easter sunday: skjærtorsdag, langfredag, first and second day of easter, Kristi
/// himmelfartsdag, first and second day of pentecost.
const FROM_EASTER: [i32; 7] = [-3, -2, 0, 1, 39, 49, 50];
/// Month and day of those that don't move: nyttårsdag, 1 May, 17 May, first and second day of christmas.
const FIXED: [(i8, i8); 5] = [(1, 1), (5, 1), (5, 17), (12, 25), (12, 26)];

/// Tells when something is delivered on business days.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    at: Time,
}

/// Why there is no such time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write a time of day from 00:00 to 23:59, as 08:00")]
pub struct TimeOfDayError;

impl Calendar {
    /// Of what is delivered at a time of day, as `08:00`, in Norwegian civil time.
    ///
    /// # Errors
    /// If that is no time of day.
    pub fn delivering(at: &str) -> Result<Self, TimeOfDayError> {
        let number = |text: &str| {
            let is_two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i8>().ok().filter(|_| is_two)
        };
        let (hour, minute) = at.split_once(':').ok_or(TimeOfDayError)?;
        let (hour, minute) = number(hour).zip(number(minute)).ok_or(TimeOfDayError)?;
        Ok(Self {
            zone: TimeZone::posix(OSLO).map_err(|_| TimeOfDayError)?,
            at: Time::new(hour, minute, 0, 0).map_err(|_| TimeOfDayError)?,
        })
    }

    /// The last delivery at or before a moment: what was decided before it leaves by it. `None` before all times.
    #[must_use]
    pub fn last_delivery(&self, now: Timestamp) -> Option<Timestamp> {
        let mut date = self.date(now)?;
        for _ in 0..DAYS_OFF_MAX {
            if is_business_day(date)
                && let Some(moment) = self.moment(date)
                && moment <= now
            {
                return Some(moment);
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// The civil date of a moment in Norway.
    #[must_use]
    pub fn date(&self, now: Timestamp) -> Option<Date> {
        let utc = jiff::Timestamp::from_nanosecond(i128::from(now.as_nanos())).ok()?;
        Some(utc.to_zoned(self.zone.clone()).date())
    }

    fn moment(&self, date: Date) -> Option<Timestamp> {
        let zoned = date.to_datetime(self.at).to_zoned(self.zone.clone()).ok()?;
        let nanos = i64::try_from(zoned.timestamp().as_nanosecond()).ok()?;
        Some(Timestamp::from_nanos(nanos))
    }
}

/// Whether people are at work on a day.
#[must_use]
pub fn is_business_day(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !is_holiday(date)
}

/// Whether a day is off by law, whatever weekday it is.
#[must_use]
pub fn is_holiday(date: Date) -> bool {
    if FIXED.contains(&(date.month(), date.day())) {
        return true;
    }
    let Some(easter) = easter(date.year()) else {
        return false;
    };
    FROM_EASTER
        .iter()
        .any(|days| easter.checked_add(days.days()).is_ok_and(|off| off == date))
}

/// Easter sunday of a year of the Gregorian calendar, by the algorithm of 1876 that Meeus prints (Astronomical Algorithms,
/// chapter 8). `None` for years that no date has.
#[must_use]
pub fn easter(year: i16) -> Option<Date> {
    let (century, rest) = (year.div_euclid(100), year.rem_euclid(100));
    let golden = year.rem_euclid(19);
    let lunar = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - lunar + 15).rem_euclid(30);
    let weekday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4).rem_euclid(7);
    let late = (golden + 11 * epact + 22 * weekday) / 451;
    let days = epact + weekday - 7 * late + 114;
    let (month, day) = (i8::try_from(days / 31).ok()?, i8::try_from(days % 31 + 1).ok()?);
    Date::new(year, month, day).ok()
}
