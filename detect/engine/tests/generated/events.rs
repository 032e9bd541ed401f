//! Events made from a seed and from what a rule looks for, written as careless shippers write them.
//!
//! Names dotted, nested and given twice, lists, lists of objects, every spelling of a text in JSON, blanks
//! between tokens, long values, deep values, names that are empty.

#![allow(dead_code, reason = "each user needs a part of it")]

use std::fmt::Write as _;

use super::{
    draw::Draw,
    literals::{Sample, Wanted, field},
    rules::SOURCES,
    words::Alphabet,
};

/// How long a long value is.
const LONG: usize = 64 << 10;

/// One event as bytes of JSON; often of a certain log source, so that events of one class come together.
pub(crate) fn event(draw: &mut Draw, wanted: &[Wanted], source: usize) -> String {
    let alphabet = Alphabet::draw(draw);
    let is_faithful = draw.one_in(3);
    let mut members = vec![(
        r"@timestamp".to_owned(),
        vec![Sample::Text("2026-01-01T00:00:00Z".to_owned())],
    )];
    for one in wanted {
        if !is_faithful && draw.one_in(3) {
            continue;
        }
        let name = match &one.field {
            Some(name) if is_faithful || !draw.one_in(6) => name.clone(),
            Some(_) | None => field(draw),
        };
        let value = if is_faithful {
            one.value.clone()
        } else {
            mutated(draw, alphabet, one, wanted)
        };
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) if draw.one_in(2) => values.push(value),
            Some(_) | None => members.push((name, vec![value])),
        }
    }
    for _ in 0..draw.within(0..3) {
        let name = if draw.one_in(3) {
            field(draw)
        } else {
            draw.pick(&["n", "", "a", "a.", ".f", "F", "f.f", "ø"]).to_owned()
        };
        let text = Sample::Text(alphabet.word(draw));
        members.push((name, if draw.one_in(8) { Vec::new() } else { vec![text] }));
    }
    let mut parts: Vec<String> = members
        .iter()
        .map(|(name, values)| member(draw, name, values))
        .collect();
    if draw.one_in(2) {
        let other = draw.within(0..SOURCES.len());
        let source = if draw.one_in(4) {
            other
        } else {
            source % SOURCES.len()
        };
        parts.push(SOURCES[source].1.to_owned());
    }
    for _ in 0..parts.len() {
        let (a, b) = (draw.within(0..parts.len()), draw.within(0..parts.len()));
        parts.swap(a, b);
    }
    let gap = blank(draw);
    format!(
        "{}{{{gap}{}{gap}}}{}",
        blank(draw),
        parts.join(&format!("{gap},{gap}")),
        blank(draw)
    )
}

/// A value that is nearly what was wanted, or is it in a larger text.
fn mutated(draw: &mut Draw, alphabet: Alphabet, one: &Wanted, all: &[Wanted]) -> Sample {
    let text = match &one.value {
        Sample::Text(text) => text.clone(),
        other if draw.one_in(2) => return other.clone(),
        Sample::Number(number) => number.clone(),
        Sample::Bool(flag) => flag.to_string(),
        Sample::Null => String::new(),
    };
    let characters: Vec<char> = text.chars().collect();
    let at = draw.within(0..characters.len() + 1);
    let (before, after): (String, String) = (
        characters[..at].iter().collect(),
        characters[at..].iter().collect(),
    );
    Sample::Text(match draw.within(0..18) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => characters
            .iter()
            .map(|character| other_case(draw, *character))
            .collect(),
        3 => format!("{}{text}", alphabet.piece(draw)),
        4 => format!("{text}{}", alphabet.piece(draw)),
        5 => before,
        6 => after,
        7 => format!("{before}{}{after}", alphabet.piece(draw)),
        8 => format!("{before}{}", after.chars().skip(1).collect::<String>()),
        9 => format!("{text}{text}"),
        10 => format!("{before}{text}{after}"),
        11 => {
            let mark = draw.pick(&[
                "\0", "\u{1f}", "\u{1e}", "\n", "|", "\u{ff}", "\u{1}", "\u{1}", "\r\n",
            ]);
            format!("{mark}{text}{mark}")
        }
        12 => match &draw.choose(all).value {
            Sample::Text(other) => format!("{text}{other}"),
            Sample::Number(_) | Sample::Bool(_) | Sample::Null => text,
        },
        13 if draw.one_in(8) => {
            let filler = draw.pick(&["x", "ab", "Ø", "\\", "a\n"]).repeat(LONG / 2);
            match draw.within(0..3) {
                0 => format!("{text}{filler}"),
                1 => format!("{filler}{text}"),
                _ => format!("{filler}{text}{filler}"),
            }
        }
        14 => text.replace('\\', "\\\\"),
        15 => text.chars().rev().collect(),
        _ => text,
    })
}

/// Another character that is the same without regard to case, if there is one.
fn other_case(draw: &mut Draw, character: char) -> char {
    let others: &[char] = match character {
        'k' | 'K' => &['k', 'K', '\u{212a}'],
        's' | 'S' => &['s', 'S', 'ſ'],
        'σ' | 'ς' | 'Σ' => &['σ', 'ς', 'Σ'],
        'å' | 'Å' => &['å', 'Å', '\u{212b}'],
        '\u{b5}' | '\u{3bc}' => &['\u{b5}', '\u{3bc}', '\u{39c}'],
        'i' | 'I' => &['i', 'I', 'İ', 'ı'],
        'ß' => &['ß', 'ẞ'],
        _ => {
            let lower = draw.one_in(2);
            let mut cases = character.to_uppercase();
            return match (lower, cases.next(), cases.next()) {
                (false, Some(one), None) => one,
                _ => character.to_lowercase().next().unwrap_or(character),
            };
        }
    };
    *draw.choose(others)
}

/// One name and its values, in one of many ways that mean the same.
fn member(draw: &mut Draw, name: &str, values: &[Sample]) -> String {
    let mut written: Vec<String> = values.iter().map(|value| sample(draw, value)).collect();
    let segments: Vec<&str> = name.split('.').collect();
    let cut = if draw.one_in(2) {
        1
    } else {
        draw.within(1..segments.len() + 1)
    };
    // The first segments dotted, the rest nested.
    let mut names = vec![segments[..segments.len() + 1 - cut].join(".")];
    names.extend(
        segments[segments.len() + 1 - cut..]
            .iter()
            .map(|segment| (*segment).to_owned()),
    );
    let names: Vec<String> = names.iter().map(|name| string(draw, name)).collect();
    let gap = blank(draw);
    let nest = |names: &[String], value: &str| {
        let open: Vec<String> = names.iter().map(|name| format!("{name}{gap}:{gap}")).collect();
        format!("{}{value}{}", open.join("{"), "}".repeat(names.len() - 1))
    };
    match draw.within(0..8) {
        // A list of objects, each with one value.
        0 if 1 < names.len() => {
            let objects: Vec<String> = written
                .iter()
                .map(|value| format!("{{{}}}", nest(&names[1..], value)))
                .collect();
            format!("{}{gap}:[{}]", names[0], objects.join(","))
        }
        1 => nest(
            &names,
            &format!("[{gap}{}{gap}]", written.join(&format!("{gap},{gap}"))),
        ),
        2 => {
            written.insert(0, "[]".to_owned());
            nest(&names, &format!("[{}]", written.join(",")))
        }
        3 if draw.one_in(4) => {
            let depth = draw.within(1..100);
            nest(
                &names,
                &format!("{}{}{}", "[".repeat(depth), written.join(","), "]".repeat(depth)),
            )
        }
        // The name given as often as there are values.
        _ if !written.is_empty() => {
            let all: Vec<String> = written.iter().map(|value| nest(&names, value)).collect();
            all.join(",")
        }
        _ => nest(&names, draw.pick(&["[]", "{}", "[{}]", "[[],{}]"])),
    }
}

fn sample(draw: &mut Draw, value: &Sample) -> String {
    match value {
        Sample::Text(text) => string(draw, text),
        Sample::Number(number) => number.clone(),
        Sample::Bool(flag) => flag.to_string(),
        Sample::Null => "null".to_owned(),
    }
}

/// A text as JSON: plain, all of it escaped, or each character in a way of its own.
pub(crate) fn string(draw: &mut Draw, text: &str) -> String {
    let style = draw.within(0..4);
    let mut out = String::from("\"");
    for character in text.chars() {
        let is_escaped = match style {
            0 | 1 => false,
            2 => true,
            _ => draw.one_in(3),
        };
        let short = match character {
            '"' => Some('"'),
            '\\' => Some('\\'),
            '/' if draw.one_in(2) => Some('/'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        match short {
            Some(short) if !is_escaped => {
                out.push('\\');
                out.push(short);
            }
            _ if is_escaped || character < ' ' => {
                let upper = draw.one_in(2);
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _infallible = if upper {
                        write!(out, "\\u{unit:04X}")
                    } else {
                        write!(out, "\\u{unit:04x}")
                    };
                }
            }
            _ => out.push(character),
        }
    }
    out + "\""
}

/// What may stand between tokens.
fn blank(draw: &mut Draw) -> &'static str {
    draw.pick(&["", "", "", "", " ", "\n", "\t", "\r\n  "])
}
