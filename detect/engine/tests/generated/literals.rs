//! What a rule looks for, as values that an event may have: so that rules and events meet.

#![allow(dead_code, reason = "each user needs a part of it")]

use detect_rules::{Condition, Item, Pattern, Test, TextOp, TextPart, TimePart};
use ipnet::IpNet;

use super::{
    draw::Draw,
    rules::{FIELDS, REGEXES},
};

/// A value that a rule looks for, and the field where it does; none for keywords.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) field: Option<String>,
    pub(crate) value: Sample,
}

/// A value before it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sample {
    Text(String),
    /// A number as JSON writes it, one way or another.
    Number(String),
    Bool(bool),
    Null,
}

/// For each test of a condition, a value that could make it true.
pub(crate) fn wanted(condition: &Condition, draw: &mut Draw, found: &mut Vec<Wanted>) {
    match condition {
        Condition::All(parts) | Condition::AtLeast(_, parts) => {
            for part in parts {
                wanted(part, draw, found);
            }
        }
        Condition::Not(part) => wanted(part, draw, found),
        Condition::Item(Item { fields, test }) => {
            let field = fields.last().cloned();
            match test {
                Test::Exists(_) => found.push(Wanted {
                    field,
                    value: Sample::Text(String::new()),
                }),
                Test::Values {
                    patterns, quantifier, ..
                } => {
                    let all = *quantifier == detect_rules::Quantifier::All;
                    for pattern in some(patterns, all, draw) {
                        found.push(Wanted {
                            field: field.clone(),
                            value: sample(pattern, draw),
                        });
                    }
                }
            }
        }
        Condition::Keywords(_, patterns) => {
            for pattern in some(patterns, true, draw) {
                found.push(Wanted {
                    field: None,
                    value: sample(pattern, draw),
                });
            }
        }
    }
}

fn some<'p>(patterns: &'p [Pattern], all: bool, draw: &mut Draw) -> Vec<&'p Pattern> {
    if all || patterns.is_empty() {
        patterns.iter().collect()
    } else {
        vec![draw.choose(patterns)]
    }
}

/// A value that matches, or nearly.
fn sample(pattern: &Pattern, draw: &mut Draw) -> Sample {
    match pattern {
        Pattern::Text { op, parts, .. } => Sample::Text(text(*op, parts, draw)),
        Pattern::Regex(source) => {
            let samples = REGEXES.iter().find(|(known, _)| source.ends_with(known));
            match samples {
                Some((_, samples)) => Sample::Text((*draw.choose(samples)).to_owned()),
                // One of somebody else: the longest piece of it that stands for itself.
                None => Sample::Text(
                    source
                        .split(|character: char| !character.is_alphanumeric() && character != ' ')
                        .max_by_key(|piece| piece.len())
                        .unwrap_or_default()
                        .to_owned(),
                ),
            }
        }
        Pattern::Cidr(net) => Sample::Text(address(net, draw)),
        Pattern::Number(_, number) => number_sample(*number, draw),
        Pattern::Bool(flag) => match draw.within(0..4) {
            0 => Sample::Text(
                draw.pick(&["True", "yes", "1", "FALSE", "no", "0", "on"])
                    .to_owned(),
            ),
            1 => Sample::Bool(!flag),
            _ => Sample::Bool(*flag),
        },
        Pattern::Null => Sample::Null,
        // A piece that other fields are likely to have too.
        Pattern::Field { .. } => Sample::Text(draw.pick(&["a", "abc", "ABC", "", "42", "ø"]).to_owned()),
        Pattern::Time(part, wanted) => Sample::Text(time(*part, *wanted, draw)),
    }
}

fn text(op: TextOp, parts: &[TextPart], draw: &mut Draw) -> String {
    let mut out = String::new();
    if matches!(op, TextOp::Contains | TextOp::EndsWith) {
        out.push_str(draw.pick(&["", "", "x", "ab", "\u{1f}"]));
    }
    for part in parts {
        match part {
            TextPart::Any => out.push_str(draw.pick(&["", "x", "abc", "øø", "\n", "*"])),
            TextPart::One => out.push_str(draw.pick(&["x", "ø", "😀", "", "?", "\n"])),
            TextPart::Literal(literal) => out.push_str(literal),
        }
    }
    if matches!(op, TextOp::Contains | TextOp::StartsWith) {
        out.push_str(draw.pick(&["", "", "x", "ab", "\0"]));
    }
    out
}

fn address(net: &IpNet, draw: &mut Draw) -> String {
    match draw.within(0..6) {
        0 => net.broadcast().to_string(),
        1 => match net.network() {
            std::net::IpAddr::V4(address) => format!("::ffff:{address}"),
            std::net::IpAddr::V6(address) => address.to_string().to_uppercase(),
        },
        2 => draw
            .pick(&[
                "192.0.3.0",
                "2001:db9::",
                "11.0.0.1",
                "192.0.2.07",
                "fec0::",
                "192.0.2.7 ",
                "::",
            ])
            .to_owned(),
        _ => net.network().to_string(),
    }
}

fn number_sample(number: f64, draw: &mut Draw) -> Sample {
    let written = match draw.within(0..8) {
        0 => return Sample::Text(number.to_string()),
        1 => {
            return Sample::Text(
                draw.pick(&[
                    "+42", "042", " 42", "4_2", "inf", "NaN", "1e2", ".5", "0x2A", "٤٢",
                ])
                .to_owned(),
            );
        }
        2 => format!("{number:e}"),
        3 => format!("{number:E}").replace('E', "E+").replace("+-", "-"),
        4 if number == number.trunc() && number.abs() < 1e15 => format!("{number:.3}"),
        5 => draw
            .pick(&[
                "-0",
                "0.0",
                "-0.0",
                "18446744073709551615",
                "18446744073709551616",
                "9007199254740993",
                "0.1234567890123456789",
                "123456789012345678901234567890",
                "5e-324",
                "1e-400",
                "2.2250738585072011e-308",
            ])
            .to_owned(),
        6 => (number + 1.0).to_string(),
        _ => number.to_string(),
    };
    Sample::Number(written)
}

fn time(part: TimePart, wanted: f64, draw: &mut Draw) -> String {
    if draw.one_in(3) {
        return draw
            .pick(&[
                "yesterday",
                "2026-01-05T12:34:56+02:00",
                "2027-01-03T23:45:06Z",
                "2026-01-05",
            ])
            .to_owned();
    }
    let (mut year, mut month, mut day, mut hour, mut minute) = (2026.0, 1.0, 5.0, 12.0, 34.0);
    match part {
        TimePart::Year => year = wanted,
        TimePart::Month => month = wanted,
        TimePart::Day => day = wanted,
        TimePart::Hour => hour = wanted,
        TimePart::Minute => minute = wanted,
        TimePart::Week => day = wanted,
    }
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:56.789Z")
}

/// Any field.
pub(crate) fn field(draw: &mut Draw) -> String {
    draw.pick(&FIELDS).to_owned()
}
