//! Many events that are alike, written once in an example.
//!
//! ```yaml
//! match:
//!   - - repeat: { count: 48, every: 5m, spread: 20s, from: 1d }
//!       event: { source.ip: 10.20.0.21, destination.ip: "198.51.100.{n}" }
//! ```
//!
//! `count` events, `every` so long after the one before (a second where it is not said), each up to `spread` later than
//! that, the first at `from` after the example's start (where it is not said, a second after what stands before it).
//! In texts `{n}` is the event's number from 0, `{x}` the same in hexadecimal, `{hash}` 32 letters that look random; a
//! text that is only `{n}` is a number. Where there is a `repeat`, the events of the list are put in order of time.

use std::time::Duration;

use ingest_event::{Timestamp, field};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// Longer lists belong in a case of their own.
const EVENTS_MAX: usize = 100_000;

/// How the events follow each other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    count: usize,
    #[serde(default)]
    every: Option<String>,
    #[serde(default)]
    spread: Option<String>,
    #[serde(default)]
    from: Option<String>,
}

/// An item of a list that has the key `repeat`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeated {
    repeat: Repeat,
    event: Map<String, Json>,
}

/// The events of an example whose first is at `start`. Lists without `repeat` stay as they are.
pub(super) fn expand(
    items: Vec<Map<String, Json>>,
    start: Timestamp,
) -> Result<Vec<Map<String, Json>>, String> {
    if items.iter().all(|item| !item.contains_key("repeat")) {
        return Ok(items);
    }
    let mut events: Vec<(Timestamp, Map<String, Json>)> = Vec::new();
    let mut next = start;
    for item in items {
        if item.contains_key("repeat") {
            let item: Repeated =
                serde_json::from_value(Json::Object(item)).map_err(|error| format!("a `repeat`: {error}"))?;
            next = repeat(&item, start, next, &mut events)?;
        } else {
            let at = time(&item).unwrap_or(next);
            events.push((at, item));
            next = at.saturating_add(SECOND);
        }
        if EVENTS_MAX < events.len() {
            return Err(format!("more than {EVENTS_MAX} events; make it a case"));
        }
    }
    events.sort_by_key(|(at, _)| *at);
    let timed = |(at, mut event): (Timestamp, Map<String, Json>)| {
        event.insert(field::TIMESTAMP.to_owned(), Json::String(at.to_string()));
        event
    };
    Ok(events.into_iter().map(timed).collect())
}

const SECOND: Duration = Duration::from_secs(1);

/// Adds the events; the time of what comes next.
fn repeat(
    item: &Repeated,
    start: Timestamp,
    next: Timestamp,
    events: &mut Vec<(Timestamp, Map<String, Json>)>,
) -> Result<Timestamp, String> {
    let Repeated { repeat, event } = item;
    let duration = |text: &Option<String>| text.as_deref().map(span).transpose();
    let every = duration(&repeat.every)?.unwrap_or(SECOND);
    let spread = duration(&repeat.spread)?.unwrap_or_default();
    let first = duration(&repeat.from)?.map_or(next, |from| start.saturating_add(from));
    let mut last = next;
    for number in 0..repeat.count.min(EVENTS_MAX + 1) {
        let count = u32::try_from(number).unwrap_or(u32::MAX);
        let share = f64::from(u32::from_be_bytes(drawn(number))) / f64::from(u32::MAX);
        let late = spread.mul_f64(share);
        last = first.saturating_add(every.saturating_mul(count).saturating_add(late));
        let event = event
            .iter()
            .map(|(name, value)| (name.clone(), filled(value, number)));
        events.push((last, event.collect()));
    }
    Ok(last.saturating_add(SECOND))
}

/// The value of the event with this number.
fn filled(value: &Json, number: usize) -> Json {
    match value {
        Json::String(text) if text == "{n}" => Json::from(number),
        Json::String(text) if text.contains('{') => {
            let hash = blake3::hash(&number.to_be_bytes()).to_hex();
            let hash: String = hash.chars().take(HASH_LETTERS).collect();
            let text = text
                .replace("{n}", &number.to_string())
                .replace("{x}", &format!("{number:x}"))
                .replace("{hash}", &hash);
            Json::String(text)
        }
        Json::Array(values) => values.iter().map(|value| filled(value, number)).collect(),
        Json::Object(values) => Json::Object(
            values
                .iter()
                .map(|(name, value)| (name.clone(), filled(value, number)))
                .collect(),
        ),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    }
}

const HASH_LETTERS: usize = 32;

/// Four bytes that look drawn, the same for the same number.
fn drawn(number: usize) -> [u8; 4] {
    let hash = blake3::hash(&number.to_be_bytes());
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn time(event: &Map<String, Json>) -> Option<Timestamp> {
    event.get(field::TIMESTAMP)?.as_str()?.parse().ok()
}

/// A whole number and `s`, `m`, `h` or `d`.
fn span(text: &str) -> Result<Duration, String> {
    let unit = |letter: char| match letter {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let seconds = text.char_indices().next_back().and_then(|(at, letter)| {
        let number: u64 = text.get(..at)?.parse().ok()?;
        number.checked_mul(unit(letter)?)
    });
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("a `repeat`: `{text}` is no time span; write `90s`, `5m`, `2h` or `14d`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expanded(items: &Json) -> Result<Vec<(i64, Json)>, String> {
        let items = serde_json::from_value(items.clone()).expect("a list of maps");
        let start = Timestamp::from_millis(0);
        let events = expand(items, start)?;
        let seconds = |event: &Map<String, Json>| time(event).expect("a time").as_nanos() / 1_000_000_000;
        Ok(events
            .into_iter()
            .map(|event| (seconds(&event), event.get("a").cloned().unwrap_or_default()))
            .collect())
    }

    #[test]
    fn events_follow_each_other_as_it_says() {
        let repeat = |repeat: Json| json!([{ "a": 1 }, { "repeat": repeat, "event": { "a": "{n}" } }]);
        for (name, repeat, expected) in [
            ("after the one before", repeat(json!({ "count": 3 })), [1, 2, 3]),
            (
                "apart",
                repeat(json!({ "count": 3, "every": "5m" })),
                [1, 301, 601],
            ),
            (
                "from a time on",
                repeat(json!({ "count": 3, "every": "1h", "from": "1d" })),
                [86_400, 90_000, 93_600],
            ),
        ] {
            let found = expanded(&repeat).expect(name);
            let times: Vec<i64> = found.iter().skip(1).map(|(at, _)| *at).collect();
            assert_eq!(times, expected, "{name}");
            assert_eq!(found.last().map(|(_, a)| a), Some(&json!(2)), "{name}");
        }
    }

    #[test]
    fn two_lists_are_put_in_order_of_time() {
        let one = |from: &str, a: &str| json!({ "repeat": { "count": 2, "every": "10s", "from": from }, "event": { "a": a } });
        let found = expanded(&json!([one("5s", "v{x}"), one("0s", "w")])).expect("expands");
        let values: Vec<_> = found
            .iter()
            .map(|(at, a)| (*at, a.as_str().expect("text")))
            .collect();
        assert_eq!(values, [(0, "w"), (5, "v0"), (10, "w"), (15, "v1")]);
    }

    #[test]
    fn what_is_spread_is_late_by_less_than_it_says_and_the_same_each_time() {
        let items = json!([{ "repeat": { "count": 50, "every": "1m", "spread": "40s" }, "event": { "a": "{hash}" } }]);
        let found = expanded(&items).expect("expands");
        let late: Vec<i64> = (0..).zip(&found).map(|(n, (at, _))| at - n * 60).collect();
        assert!(late.iter().all(|late| (0..=40).contains(late)), "{late:?}");
        assert!(
            late.iter().any(|late| *late < 10) && late.iter().any(|late| 30 < *late),
            "{late:?}"
        );
        assert_eq!(expanded(&items), Ok(found));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (item, part) in [
            (
                json!({ "repeat": { "count": 3, "every": "5 minutes" }, "event": {} }),
                "`5 minutes` is no time span",
            ),
            (
                json!({ "repeat": { "count": 3, "evry": "5m" }, "event": {} }),
                "evry",
            ),
            (json!({ "repeat": { "count": 3 } }), "event"),
            (
                json!({ "repeat": { "count": 200_000 }, "event": {} }),
                "make it a case",
            ),
        ] {
            let error = expanded(&json!([item])).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
