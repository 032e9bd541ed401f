//! JSON text of fields, written as `serde_json` would, without its way through serialisers: the sensor does this for every
//! event.

use crate::{Fields, Value};

/// Appends `"name":value` for each field, with a comma before each.
pub(super) fn fields(fields: &Fields, out: &mut Vec<u8>) {
    for (name, each) in fields.iter() {
        // With room for a short value: a buffer grows less often than by each of the four.
        out.reserve(name.len() + 32);
        if is_plain(name.as_bytes()) {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
        } else {
            out.push(b',');
            by_serde(name, out);
            out.push(b':');
        }
        value(each, out);
    }
}

/// Appends a value.
pub(super) fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Unsigned(number) => out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
        Value::Float(number) => by_serde(number, out),
        Value::String(string) => text(string, out),
        Value::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if 0 < at {
                    out.push(b',');
                }
                self::value(item, out);
            }
            out.push(b']');
        }
    }
}

/// Appends a text in quotes.
pub(super) fn text(text: &str, out: &mut Vec<u8>) {
    let is_plain = is_plain(text.as_bytes());
    if is_plain {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        by_serde(text, out);
    }
}

/// Whether all bytes can stand in JSON as they are: none below 0x20, no quote, no backslash (RFC 8259 section 7). Eight at a
/// time: a byte is below n if taking n from it borrows and it was not high itself.
fn is_plain(text: &[u8]) -> bool {
    const EACH: u64 = u64::MAX / 255;
    const HIGH: u64 = EACH * 0x80;
    let (words, rest) = text.as_chunks::<8>();
    let odd = |word: u64| {
        let below = |word: u64, least: u64| word.wrapping_sub(EACH * least) & !word;
        let (quote, backslash) = (word ^ (EACH * u64::from(b'"')), word ^ (EACH * u64::from(b'\\')));
        (below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & HIGH
    };
    let mut last = [b' '; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    words
        .iter()
        .chain([&last])
        .all(|word| odd(u64::from_le_bytes(*word)) == 0)
}

fn by_serde<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    // Writing to a Vec does not fail, and texts and numbers serialise.
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "a plain value always serialises");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let single = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Integer),
            any::<u64>().prop_map(Value::Unsigned),
            any::<f64>().prop_map(Value::Float),
            any::<String>().prop_map(Value::String),
            "[ -~\\x00-\\x7f]{0,40}".prop_map(Value::String),
        ];
        prop_oneof![
            single.clone(),
            prop::collection::vec(single, 0..4).prop_map(Value::List),
        ]
    }

    proptest! {
        #[test]
        fn it_is_what_serde_json_writes(name in any::<String>(), each in any_value()) {
            let mut set = Fields::new();
            set.set(name, each);
            let mut ours = Vec::new();
            fields(&set, &mut ours);
            let expected = serde_json::to_string(&set).expect("writes");
            let ours = String::from_utf8(ours).expect("UTF-8");
            prop_assert_eq!(format!("{{{}}}", &ours[1..]), expected);
        }
    }
}
