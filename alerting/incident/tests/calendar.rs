//! Norwegian business days: against dates that are known, and against other ways to find them.
#![allow(clippy::expect_used, reason = "a test stops at what should not be")]

use alerting_incident::calendar::{Calendar, easter, is_business_day, is_holiday};
use ingest_event::Timestamp;
use jiff::{
    ToSpan,
    civil::{Date, Weekday, date},
};
use proptest::prelude::*;

#[test]
fn easter_is_when_it_was_and_will_be() {
    for (year, month, day) in [
        (1818, 3, 22),
        (1886, 4, 25),
        (1943, 4, 25),
        (1961, 4, 2),
        (1981, 4, 19),
        (1996, 4, 7),
        (2000, 4, 23),
        (2008, 3, 23),
        (2016, 3, 27),
        (2019, 4, 21),
        (2023, 4, 9),
        (2024, 3, 31),
        (2025, 4, 20),
        (2026, 4, 5),
        (2027, 3, 28),
        (2030, 4, 21),
        (2038, 4, 25),
        (2049, 4, 18),
        (2076, 4, 19),
        (2285, 3, 22),
    ] {
        assert_eq!(easter(year), Some(date(year, month, day)), "{year}");
    }
}

/// Each day off of a year, as almanacs print them.
#[test]
fn a_years_days_off_are_those_of_the_law_and_no_other() {
    let off: [(i16, &[(i8, i8)]); 4] = [
        (
            2008,
            // Kristi himmelfartsdag is 1 May itself.
            &[
                (1, 1),
                (3, 20),
                (3, 21),
                (3, 23),
                (3, 24),
                (5, 1),
                (5, 11),
                (5, 12),
                (5, 17),
                (12, 25),
                (12, 26),
            ],
        ),
        (
            2024,
            &[
                (1, 1),
                (3, 28),
                (3, 29),
                (3, 31),
                (4, 1),
                (5, 1),
                (5, 9),
                (5, 17),
                (5, 19),
                (5, 20),
                (12, 25),
                (12, 26),
            ],
        ),
        (
            2026,
            &[
                (1, 1),
                (4, 2),
                (4, 3),
                (4, 5),
                (4, 6),
                (5, 1),
                (5, 14),
                (5, 17),
                (5, 24),
                (5, 25),
                (12, 25),
                (12, 26),
            ],
        ),
        (
            2027,
            // The second day of pentecost is 17 May itself.
            &[
                (1, 1),
                (3, 25),
                (3, 26),
                (3, 28),
                (3, 29),
                (5, 1),
                (5, 6),
                (5, 16),
                (5, 17),
                (12, 25),
                (12, 26),
            ],
        ),
    ];
    for (year, days) in off {
        let found: Vec<(i8, i8)> = date(year, 1, 1)
            .series(1.day())
            .take_while(|day| day.year() == year)
            .filter(|day| is_holiday(*day))
            .map(|day| (day.month(), day.day()))
            .collect();
        assert_eq!(found, days, "{year}");
    }
}

#[test]
fn a_time_of_day_is_two_digits_and_two() {
    for at in ["00:00", "08:00", "23:59"] {
        assert!(Calendar::delivering(at).is_ok(), "{at}");
    }
    for at in [
        "", "8:00", "24:00", "08:60", "08.00", "08:00:00", "-1:00", "+8:00",
    ] {
        assert!(Calendar::delivering(at).is_err(), "{at}");
    }
}

#[test]
fn eight_oclock_is_eight_oclock_in_summer_and_winter_and_after_easter() {
    let calendar = Calendar::delivering("08:00").expect("a time");
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    for (now, last) in [
        ("2026-03-27T07:00:00Z", "2026-03-27T07:00:00Z"),
        ("2026-03-27T06:59:59Z", "2026-03-26T07:00:00Z"),
        // Summer time since the sunday before.
        ("2026-03-30T06:00:00Z", "2026-03-30T06:00:00Z"),
        // From the wednesday before easter to the tuesday after it.
        ("2026-04-07T05:59:59Z", "2026-04-01T06:00:00Z"),
        ("2026-04-07T06:00:00Z", "2026-04-07T06:00:00Z"),
        ("2026-10-26T07:00:00Z", "2026-10-26T07:00:00Z"),
        ("2026-10-26T06:30:00Z", "2026-10-23T06:00:00Z"),
        ("2026-05-15T05:00:00Z", "2026-05-13T06:00:00Z"),
    ] {
        assert_eq!(calendar.last_delivery(at(now)), Some(at(last)), "{now}");
    }
}

/// Gauss's own way, with his two exceptions: another than the code's.
fn gauss(year: i64) -> (i64, i64) {
    let (a, b, c, k) = (year % 19, year % 4, year % 7, year / 100);
    let p = (13 + 8 * k) / 25;
    let q = k / 4;
    let m = (15 - p + k - q) % 30;
    let n = (4 + k - q) % 7;
    let d = (19 * a + m) % 30;
    let e = (2 * b + 4 * c + 6 * d + n) % 7;
    let day = 22 + d + e;
    match day {
        ..=31 => (3, day),
        57 => (4, 19),
        56 if d == 28 && e == 6 && a > 10 => (4, 18),
        _ => (4, day - 31),
    }
}

proptest! {
    #[test]
    fn both_ways_to_easter_meet_on_a_sunday_of_spring(year in 1583_i16..4100) {
        let found = easter(year).expect("a date");
        prop_assert_eq!((i64::from(found.month()), i64::from(found.day())), gauss(i64::from(year)));
        prop_assert_eq!(found.weekday(), Weekday::Sunday);
        prop_assert!(date(year, 3, 22) <= found && found <= date(year, 4, 25));
    }

    /// The last delivery is on a business day, at its time, not after now; and none is missed between the two.
    #[test]
    fn no_delivery_is_missed_and_none_is_made_up(seconds in 946_684_800_i64..4_102_444_800, hour in 0_i8..24, minute in 0_i8..60) {
        let calendar = Calendar::delivering(&format!("{hour:02}:{minute:02}")).expect("a time");
        let now = Timestamp::from_millis(seconds * 1_000);
        let last = calendar.last_delivery(now).expect("there is one");
        prop_assert!(last <= now);
        let day = calendar.date(last).expect("a date");
        prop_assert!(is_business_day(day));
        // In UTC, by the directive's rule written out.
        let sunday = |month: i8| -> Date {
            let end = date(day.year(), month, 31);
            end.checked_sub(i32::from(end.weekday().to_sunday_zero_offset()).days()).expect("a date")
        };
        let is_summer = sunday(3) < day && day < sunday(10);
        let offset = if is_summer { 2 } else { 1 };
        let midnight = jiff::civil::DateTime::from(day).to_zoned(jiff::tz::TimeZone::UTC).expect("a time");
        let expected = midnight.timestamp().as_second() + i64::from(hour) * 3_600 + i64::from(minute) * 60 - offset * 3_600;
        prop_assert_eq!(last.as_millis(), expected * 1_000);
        let mut between = day.tomorrow().expect("a date");
        let today = calendar.date(now).expect("a date");
        while between < today {
            prop_assert!(!is_business_day(between), "{} is between", between);
            between = between.tomorrow().expect("a date");
        }
    }
}
