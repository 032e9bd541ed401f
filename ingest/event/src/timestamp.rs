//! A point in time on the UTC line, in nanoseconds; written as RFC 3339.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

/// Nanoseconds since 1970-01-01T00:00:00Z, from 1677 to 2262.
///
/// Written as RFC 3339 in UTC with as many fraction digits as needed (0, 3, 6 or 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is no timestamp.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("read `{text}` as a time (RFC 3339, as in 2026-03-02T08:15:00.5Z)")]
pub struct TimestampError {
    /// The text, cut to 64 characters.
    pub text: String,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From nanoseconds since 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From microseconds since 1970; saturates at the ends of the range.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// From milliseconds since 1970; saturates at the ends of the range.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// From seconds since 1970 with a fraction, as Zeek writes them (`1772438400.123456`), to the microsecond.
    /// `None` outside the range or for NaN.
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> Option<Self> {
        let micros = (secs * 1e6).round();
        // Beyond this an i64 of nanoseconds would not hold it.
        (micros.is_finite() && micros.abs() < 9.2e15).then(|| Self::from_micros(micros as i64))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since 1970, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Later by `duration`; stays at the end of the range.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// Earlier by `duration`; stays at the start of the range.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        )
    }

    /// Time since `earlier`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// A timestamp as it is written, without a place on the heap.
#[derive(Clone, Copy, Debug)]
pub struct TimestampText {
    /// `2026-03-02T08:15:00.123456789Z` at most.
    bytes: [u8; 30],
    length: usize,
}

impl TimestampText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.length).unwrap_or_default();
        // Digits and marks only.
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// Two digits of a number below 100 at each place.
    fn put<const N: usize>(&mut self, pairs: [(usize, u64); N]) {
        for (at, number) in pairs {
            if let Some([tens, ones]) = self.bytes.get_mut(at..at + 2) {
                *tens = b'0' + (number / 10 % 10) as u8;
                *ones = b'0' + (number % 10) as u8;
            }
        }
    }
}

impl Timestamp {
    /// As it is written: RFC 3339 in UTC.
    #[must_use]
    pub fn text(self) -> TimestampText {
        let nanos = self.0.rem_euclid(1_000_000_000).unsigned_abs();
        let secs = self.0.div_euclid(1_000_000_000);
        let second_of_day = secs.rem_euclid(86_400).unsigned_abs();
        let (year, month, day) = civil(secs.div_euclid(86_400));
        let mut text = TimestampText {
            bytes: *b"0000-00-00T00:00:00.000000000Z",
            length: 30,
        };
        text.put([(0, year / 100), (2, year % 100), (5, month), (8, day)]);
        text.put([
            (11, second_of_day / 3_600),
            (14, second_of_day / 60 % 60),
            (17, second_of_day % 60),
        ]);
        text.put([
            (20, nanos / 10_000_000),
            (22, nanos / 100_000 % 100),
            (24, nanos / 1_000 % 100),
            (26, nanos / 10 % 100),
        ]);
        let fraction = match nanos {
            0 => 0,
            n if n % 1_000_000 == 0 => 4,
            n if n % 1_000 == 0 => 7,
            n => {
                text.put([(27, n % 100)]);
                10
            }
        };
        text.length = 20 + fraction;
        if let Some(last) = text.bytes.get_mut(19 + fraction) {
            *last = b'Z';
        }
        text
    }
}

/// Year, month and day of days since 1970-01-01 in the Gregorian calendar; the year begins in March so that the leap day
/// is its last, and four centuries are one era of 146,097 days.
fn civil(days: i64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year_of_era + era * 400 + next;
    (year.unsigned_abs(), month.unsigned_abs(), day.unsigned_abs())
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339, and the variants that real shippers write: a blank for the `T`, `+0200` without a colon
    /// (Suricata), no offset at all (taken as UTC).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(nanos) = usual(text.as_bytes()) {
            return Ok(Self(nanos));
        }
        let trimmed = text.trim();
        let nanos = trimmed
            .parse::<jiff::Timestamp>()
            .map(jiff::Timestamp::as_nanosecond)
            .or_else(|_| {
                trimmed
                    .trim_end_matches('Z')
                    .parse::<jiff::civil::DateTime>()
                    .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
                    .map(|zoned| zoned.timestamp().as_nanosecond())
            })
            .ok()
            .and_then(|nanos| i64::try_from(nanos).ok());
        nanos.map(Self).ok_or_else(|| TimestampError {
            text: text.chars().take(64).collect(),
        })
    }
}

/// The usual form, `2026-03-02T08:15:00Z` with up to nine fraction digits, read without a parser: every event has
/// one. `None` for all other forms, right or wrong.
fn usual(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| {
        text.get(from..to)?.iter().try_fold(0_i64, |sum, byte| {
            byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
        })
    };
    let is_formed = text.get(4) == Some(&b'-')
        && text.get(7) == Some(&b'-')
        && text.get(10) == Some(&b'T')
        && text.get(13) == Some(&b':')
        && text.get(16) == Some(&b':')
        && text.last() == Some(&b'Z');
    if !is_formed {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let end = text.len() - 1;
    let fraction = match text.get(19)? {
        b'Z' if end == 19 => 0,
        b'.' if (21..=29).contains(&end) => {
            let digits = u32::try_from(end - 20).ok()?;
            number(20, end)? * 10_i64.pow(9 - digits)
        }
        _ => return None,
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    let is_in_range = (1678..=2261).contains(&year)
        && (1..=days_in_month).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_in_range {
        return None;
    }
    // Days since 1970-01-01; the year begins in March so that the leap day is its last.
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_written_as_the_calendar_has_it() {
        // From 1678 to 2261, a day and some odd time apart.
        let step = 86_400_000_000_000 + 3_723_000_000_000 + 456_789_000;
        let mut nanos = i64::MIN + 1;
        while nanos < i64::MAX - step {
            let (seconds, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
            for rest in [0, rest / 1_000_000 * 1_000_000, rest / 1_000 * 1_000, rest] {
                let time = Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(rest));
                let expected = jiff::Timestamp::from_nanosecond(i128::from(time.0)).expect("in range");
                let read: jiff::Timestamp = time.to_string().parse().expect("a time");
                assert_eq!(read, expected, "{time}");
            }
            nanos += step;
        }
    }

    #[test]
    fn real_spellings_are_read_and_written_one_way() {
        for (text, written) in [
            ("2026-03-02T08:15:00Z", "2026-03-02T08:15:00Z"),
            ("2026-03-02T08:15:00.500Z", "2026-03-02T08:15:00.500Z"),
            ("2026-03-02T10:15:00.123456+0200", "2026-03-02T08:15:00.123456Z"),
            ("2026-03-02T10:15:00.123456+02:00", "2026-03-02T08:15:00.123456Z"),
            ("2026-03-02 08:15:00.123456789", "2026-03-02T08:15:00.123456789Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(
                text.parse::<Timestamp>().expect(text).to_string(),
                written,
                "{text}"
            );
        }
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "9999-01-01T00:00:00Z"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn zeek_seconds_keep_microseconds() {
        let time = Timestamp::from_secs_f64(1_772_438_400.123_456).expect("in range");
        assert_eq!(time.as_nanos() % 1_000_000_000, 123_456_000);
        assert_eq!(Timestamp::from_secs_f64(f64::NAN), None);
        assert_eq!(Timestamp::from_secs_f64(1e30), None);
    }

    #[test]
    fn the_usual_form_is_read_as_the_parser_reads_it() {
        for text in [
            "1678-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999999Z",
            "1970-01-01T00:00:00Z",
            "2000-02-29T12:00:00.5Z",
            "2024-02-29T23:59:59.123Z",
            "2026-03-01T00:00:00.000001Z",
            "2100-02-28T01:02:03.1234567Z",
            "2261-12-31T23:59:59Z",
        ] {
            let parsed: jiff::Timestamp = text.parse().expect("RFC 3339");
            assert_eq!(
                usual(text.as_bytes()).map(i128::from),
                Some(parsed.as_nanosecond()),
                "{text}"
            );
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01T00:00:00+01:00",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:0Z",
            "Z",
            "",
        ] {
            assert_eq!(usual(text.as_bytes()), None, "{text}");
        }
    }
}
