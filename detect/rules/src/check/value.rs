//! One value of a Sigma item and its modifiers to patterns; several where a modifier has several spellings.

mod windash;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ipnet::IpNet;
use rsigma_parser::{
    Modifier, SigmaValue,
    value::{SigmaString, SpecialChar, StringPart},
};

use self::windash::windash;
use super::{document::Document, lower::text_op, meta::Refusal};
use crate::{Code, Comparison, Pattern, TextOp, TextPart, TimePart};

/// Compiled regular expressions may be this large: a rule can't take the memory of the others.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// The patterns that one value stands for.
pub(super) fn patterns(
    document: &Document<'_>,
    field: &str,
    value: &SigmaValue,
    modifiers: &[Modifier],
    candidates: &dyn Fn(&str) -> Vec<String>,
) -> Result<Vec<Pattern>, Refusal> {
    let has = |modifier| modifiers.contains(&modifier);
    let refuse = |code, detail: &str, mend: &str| {
        let line = place(document, field, value);
        Box::new(document.error(code, line, detail, mend))
    };
    if has(Modifier::Re) {
        return regex(&value.to_string(), modifiers)
            .map(|pattern| vec![pattern])
            .map_err(|error| {
                let mend = "the syntax is that of the `regex` crate: no look-around, no back-references";
                refuse(Code::BadRegex, &error, mend)
            });
    }
    if has(Modifier::Cidr) {
        let text = value.to_string();
        return cidr(&text).map(|net| vec![Pattern::Cidr(net)]).ok_or_else(|| {
            let mend = "write a prefix such as 10.0.0.0/8 or 2001:db8::/32";
            refuse(Code::BadCidr, &format!("`{text}` is no prefix"), mend)
        });
    }
    if has(Modifier::FieldRef) {
        return Ok(vec![Pattern::Field {
            op: text_op(modifiers),
            fields: candidates(&value.to_string()),
            cased: has(Modifier::Cased),
        }]);
    }
    let numeric = modifiers.iter().find_map(|modifier| comparison(*modifier));
    let time = modifiers.iter().find_map(|modifier| time_part(*modifier));
    let found = if numeric.is_some() || time.is_some() {
        compared(value, numeric.unwrap_or(Comparison::Equal), time).map(|pattern| vec![pattern])
    } else {
        plain(value, modifiers)
    };
    found.map_err(|unfit| refuse(Code::BadValue, &unfit.detail, unfit.mend))
}

/// A value after a modifier that takes numbers.
fn compared(value: &SigmaValue, comparison: Comparison, time: Option<TimePart>) -> Result<Pattern, Unfit> {
    let Some(number) = number(value) else {
        return Err(Unfit {
            detail: format!("`{value}` is no number"),
            mend: "write a number after this modifier",
        });
    };
    // A text can be one too: `inf`, `1e999`.
    if !number.is_finite() {
        return Err(not_finite(value, "write a finite number"));
    }
    Ok(match time {
        Some(part) => Pattern::Time(part, number),
        None => Pattern::Number(comparison, number),
    })
}

/// A value as YAML has it.
fn plain(value: &SigmaValue, modifiers: &[Modifier]) -> Result<Vec<Pattern>, Unfit> {
    match value {
        SigmaValue::Null => Ok(vec![Pattern::Null]),
        SigmaValue::Bool(flag) => Ok(vec![Pattern::Bool(*flag)]),
        SigmaValue::Float(number) if !number.is_finite() => {
            Err(not_finite(value, "write a finite number, or the text in quotes"))
        }
        SigmaValue::Integer(_) | SigmaValue::Float(_) if text_op(modifiers) == TextOp::Equals => {
            Ok(vec![Pattern::Number(
                Comparison::Equal,
                number(value).unwrap_or(f64::NAN),
            )])
        }
        SigmaValue::Integer(_) | SigmaValue::Float(_) => {
            text(&SigmaString::from_raw(&value.to_string()), modifiers)
        }
        SigmaValue::String(string) => text(string, modifiers),
    }
}

/// JSON has neither infinity nor what is not a number.
fn not_finite(value: &SigmaValue, mend: &'static str) -> Unfit {
    Unfit {
        detail: format!("`{value}` is no finite number, so no event has it"),
        mend,
    }
}

/// Why a value does not fit its modifiers.
struct Unfit {
    detail: String,
    mend: &'static str,
}

/// The line of a value: that of the value if it is there once, else that of its field.
fn place(document: &Document<'_>, field: &str, value: &SigmaValue) -> usize {
    let text = value.to_string();
    (!text.is_empty())
        .then(|| document.line_with(&text))
        .flatten()
        .or_else(|| document.line_with(&format!("{field}|")))
        .or_else(|| document.line_with(&format!("{field}:")))
        .unwrap_or(1)
}

fn regex(pattern: &str, modifiers: &[Modifier]) -> Result<Pattern, String> {
    let mut flags = String::new();
    for (modifier, flag) in [
        (Modifier::IgnoreCase, 'i'),
        (Modifier::Multiline, 'm'),
        (Modifier::DotAll, 's'),
    ] {
        if modifiers.contains(&modifier) {
            flags.push(flag);
        }
    }
    let whole = if flags.is_empty() {
        pattern.to_owned()
    } else {
        format!("(?{flags}){pattern}")
    };
    regex::RegexBuilder::new(&whole)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map(|_| Pattern::Regex(whole))
        .map_err(|error| {
            error
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
}

fn cidr(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

fn number(value: &SigmaValue) -> Option<f64> {
    match value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "Sigma numbers are compared as 64-bit floats"
        )]
        SigmaValue::Integer(number) => Some(*number as f64),
        SigmaValue::Float(number) => Some(*number),
        SigmaValue::String(string) => string.original.trim().parse().ok(),
        SigmaValue::Bool(_) | SigmaValue::Null => None,
    }
}

const fn comparison(modifier: Modifier) -> Option<Comparison> {
    match modifier {
        Modifier::Gt => Some(Comparison::Greater),
        Modifier::Gte => Some(Comparison::GreaterOrEqual),
        Modifier::Lt => Some(Comparison::Less),
        Modifier::Lte => Some(Comparison::LessOrEqual),
        _ => None,
    }
}

const fn time_part(modifier: Modifier) -> Option<TimePart> {
    match modifier {
        Modifier::Day => Some(TimePart::Day),
        Modifier::Hour => Some(TimePart::Hour),
        Modifier::Minute => Some(TimePart::Minute),
        Modifier::Month => Some(TimePart::Month),
        Modifier::Week => Some(TimePart::Week),
        Modifier::Year => Some(TimePart::Year),
        _ => None,
    }
}

/// Text with its encodings, in the order in which Sigma chains them.
fn text(string: &SigmaString, modifiers: &[Modifier]) -> Result<Vec<Pattern>, Unfit> {
    let has = |modifier| modifiers.contains(&modifier);
    let (op, cased) = (text_op(modifiers), has(Modifier::Cased));
    let pattern = |op, parts| Pattern::Text { op, parts, cased };
    if has(Modifier::Base64) || has(Modifier::Base64Offset) {
        let Some(plain) = string.as_plain() else {
            return Err(Unfit {
                detail: format!("`{}` has wildcards, and base64 is made of text", string.original),
                mend: "leave the wildcards out: `base64offset|contains` finds the text anywhere; before a `*` that is meant, write a backslash",
            });
        };
        let bytes = encoded(&plain, modifiers).unwrap_or_else(|| plain.into_bytes());
        if has(Modifier::Base64) {
            let text = STANDARD.encode(bytes);
            return Ok(vec![pattern(op, vec![TextPart::Literal(text)])]);
        }
        // Base64 is found anywhere in the text: the offset says so.
        return Ok(base64_offsets(&bytes)
            .into_iter()
            .map(|text| pattern(TextOp::Contains, vec![TextPart::Literal(text)]))
            .collect());
    }
    let parts = parts(string)
        .into_iter()
        .map(|part| widened(part, modifiers))
        .collect::<Result<Vec<_>, _>>()?;
    if has(Modifier::WindAsh) && encoded("", modifiers).is_none() {
        return Ok(windash(op, parts)?
            .into_iter()
            .map(|parts| pattern(op, parts))
            .collect());
    }
    Ok(vec![pattern(op, parts)])
}

fn parts(string: &SigmaString) -> Vec<TextPart> {
    string
        .parts
        .iter()
        .map(|part| match part {
            StringPart::Plain(text) => TextPart::Literal(text.clone()),
            StringPart::Special(SpecialChar::WildcardMulti) => TextPart::Any,
            StringPart::Special(SpecialChar::WildcardSingle) => TextPart::One,
        })
        .collect()
}

/// A piece of a text in UTF-16, if a modifier asks for that: as an event can have it, which is as text.
fn widened(part: TextPart, modifiers: &[Modifier]) -> Result<TextPart, Unfit> {
    let TextPart::Literal(text) = part else {
        return Ok(part);
    };
    let Some(bytes) = encoded(&text, modifiers) else {
        return Ok(TextPart::Literal(text));
    };
    match String::from_utf8(bytes) {
        Ok(wide) if text.is_ascii() => Ok(TextPart::Literal(wide)),
        _ if text.is_ascii() => Err(Unfit {
            detail: "`utf16` begins with a mark that is in no text of an event".to_owned(),
            mend: "use `wide`, or add `base64` or `base64offset` after it",
        }),
        _ => Err(Unfit {
            detail: format!("`{text}` in UTF-16 is in no text of an event: it has letters beyond ASCII"),
            mend: "write the letters in ASCII, leave the modifier out, or add `base64` or `base64offset` after it",
        }),
    }
}

/// UTF-16 bytes, if a modifier asks for them.
fn encoded(plain: &str, modifiers: &[Modifier]) -> Option<Vec<u8>> {
    let little = || plain.encode_utf16().flat_map(u16::to_le_bytes);
    if modifiers.contains(&Modifier::Utf16) {
        Some([0xFF, 0xFE].into_iter().chain(little()).collect())
    } else if modifiers.contains(&Modifier::Wide) {
        Some(little().collect())
    } else if modifiers.contains(&Modifier::Utf16be) {
        Some(plain.encode_utf16().flat_map(u16::to_be_bytes).collect())
    } else {
        None
    }
}

/// What of the base64 of some text is the same wherever in a stream it begins: one text for each of the three
/// offsets modulo 3.
fn base64_offsets(bytes: &[u8]) -> Vec<String> {
    (0..3_usize)
        .filter_map(|offset| {
            let padded = [vec![0; offset], bytes.to_vec()].concat();
            let text = STANDARD.encode(&padded);
            // Characters that mix in bits from before: none, two, three.
            let start = (offset * 4).div_ceil(3);
            // The last character mixes in bits from after, unless the length is a multiple of 3.
            let whole = padded.len() * 8 / 6;
            text.get(start..whole)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{Code, SourceText, check};

    #[test]
    fn numbers_that_no_event_has_are_refused_at_their_line() {
        for (item, accepted) in [
            ("f: .inf", false),
            ("f: [1, -.inf]", false),
            ("f: .nan", false),
            ("f|contains: .inf", false),
            ("f|gt: .inf", false),
            ("f|lte: 'inf'", false),
            ("f|hour: .nan", false),
            ("f: 'inf'", true),
            ("f|contains: nan", true),
            ("f|gt: 1e300", true),
        ] {
            let text = format!(
                "title: T\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {{ category: dns }}\ndetection:\n  selection:\n    {item}\n  condition: selection\n"
            );
            let checked = check(&[SourceText {
                path: "r.yml".to_owned(),
                text,
            }]);
            let found: Vec<(Code, usize)> = checked
                .diagnostics
                .iter()
                .map(|found| (found.code, found.line))
                .collect();
            let expected = if accepted {
                vec![]
            } else {
                vec![(Code::BadValue, 6)]
            };
            assert_eq!(found, expected, "{item}");
        }
    }
}
