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
        let time = jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or_default();
        let precision = match self.0.rem_euclid(1_000_000_000) {
            0 => 0,
            n if n % 1_000_000 == 0 => 3,
            n if n % 1_000 == 0 => 6,
            _ => 9,
        };
        write!(f, "{time:.precision$}")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339, and the variants that real shippers write: a blank for the `T`, `+0200` without a colon
    /// (Suricata), no offset at all (taken as UTC).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
