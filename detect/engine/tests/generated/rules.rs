//! Rules made from a seed: every modifier and what goes with it, every kind of selection and condition.

#![allow(dead_code, reason = "each user needs a part of it")]

use std::fmt::Write as _;

use super::{draw::Draw, words::Alphabet};

/// The fields that rules ask for and events have.
pub(crate) const FIELDS: [&str; 12] = [
    "f", "f", "g", "g", "h", "a.b", "a.c.d", "Image", "ø.x", "x y", "EventID", "Channel",
];

/// Regular expressions, each with texts that match and texts that nearly do; some match with flags only.
pub(crate) const REGEXES: [(&str, &[&str]); 26] = [
    ("^a.c$", &["abc", "ABC", "a\nc", "xabc", "x\nabc\ny", "aøc"]),
    ("b", &["abc", "B", ""]),
    ("^$", &["", " ", "\n"]),
    ("^[0-9]+$", &["42", "4x2", "42\n"]),
    ("x.*Y", &["xY", "axzYb", "xy", "x\nY"]),
    (r"\bcmd\.exe\b", &["c:\\cmd.exe /c", "cmdxexe", "CMD.EXE"]),
    (r"(abc|power)\d{2,3}", &["abc42", "power4", "POWER420"]),
    (r"\\u00[0-9a-f]{2}", &["\\u0041", "A"]),
    ("[øå]+k", &["øåk", "ØÅ\u{212a}", "ok"]),
    (r"a\x00b", &["a\0b", "ab"]),
    (r"^\s*-e\s+[A-Za-z0-9+/]{4,}={0,2}$", &[" -e YWJj", "-e YW"]),
    ("(?-u:.)", &["a", "ø", ""]),
    // What such an expression needs to be there, without regard to case or with it, is easily got wrong.
    ("(?i)kiss", &["KI\u{17f}S", "\u{212a}iss", "kiſs", "kis"]),
    ("(?i)σας", &["ΣΑΣ", "σας", "ςας", "σα"]),
    ("(?i)ϐμ", &["βμ", "ΒΜ", "ϐ\u{b5}", "b"]),
    ("(?i)straße", &["STRAẞE", "strasse", "straße"]),
    ("power.*shell$", &["power42shell", "shell power", "power\nshell"]),
    ("(abc|cmd|power)+\\.exe", &["abccmd.exe", "cmd.EXE", ".exe"]),
    ("(?:power)?shell", &["shell", "powershell", "power"]),
    ("a{3}b{2,}", &["aaabb", "aaab", "aabbb"]),
    ("[kK]elvin[0-9]", &["kelvin4", "\u{212a}elvin4", "Kelvin"]),
    ("(?x) cmd \\s exe # both", &["cmd exe", "cmdexe"]),
    ("^(?:abc|)$", &["abc", "", "ab"]),
    ("true|42|4\\.2", &["true", "42", "4.2", "fals"]),
    ("\\p{Lu}bc", &["Abc", "Øbc", "abc"]),
    ("(?i:CMD)\\.exe", &["cmd.exe", "Cmd.EXE", "cmd.exf"]),
];

const NETS: [&str; 10] = [
    "192.0.2.0/24",
    "10.0.0.0/8",
    "192.0.2.7",
    "192.0.2.7/32",
    "0.0.0.0/0",
    "2001:db8::/32",
    "2001:db8::1",
    "::/0",
    "fe80::/10",
    "2001:db8::1/128",
];

const NUMBERS: [&str; 16] = [
    "1",
    "4624",
    "42",
    "0",
    "7",
    "-1",
    "4.2",
    "0.5",
    "1e2",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1.5e300",
    "100",
    "-0.5",
    "3",
];

/// What a log source says, in YAML, and members of events that are of it.
pub(crate) const SOURCES: [(&str, &str); 11] = [
    ("{ category: test }", r#""category":"test""#),
    (
        "{ product: windows, category: process_creation }",
        r#""Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1"#,
    ),
    (
        "{ product: windows, service: security }",
        r#""Channel":"Security","EventID":"4624","Provider_Name":"Microsoft-Windows-Security-Auditing""#,
    ),
    (
        "{ product: windows }",
        r#""winlog":{"channel":"System","event_id":7}"#,
    ),
    (
        "{ product: zeek, service: conn }",
        r#""event.dataset":"zeek.conn""#,
    ),
    (
        "{ product: windows, category: process_creation }",
        r#""Channel":"Microsoft-Windows-\u0053ysmon/Operational","EventID":1"#,
    ),
    (
        "{ product: windows, service: sysmon }",
        r#""Channel":["Microsoft-Windows-Sysmon/Operational",null],"EventID":1"#,
    ),
    (
        "{ product: windows, category: process_creation }",
        r#""Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1.0"#,
    ),
    (
        "{ product: windows, service: sysmon }",
        r#""Channel":"Microsoft-Windows-Sysmon/Operational","EventID":10E-1"#,
    ),
    ("{ product: linux }", r#""event":{"dataset":"system.auth"}"#),
    ("{ category: dns }", r#""event.dataset":"network.dns""#),
];

/// What a rule is made of.
#[derive(Clone, Copy, Debug)]
struct Style {
    alphabet: Alphabet,
    /// Only what the oracle is known to take as we do.
    is_common: bool,
}

impl Style {
    fn draw(draw: &mut Draw) -> Self {
        let is_common = !draw.one_in(4);
        let alphabet = match Alphabet::draw(draw) {
            Alphabet::Tricky if is_common => Alphabet::Simple,
            alphabet => alphabet,
        };
        Self { alphabet, is_common }
    }
}

/// A rule as YAML.
pub(crate) fn rule(seed: u64, number: usize) -> String {
    let mut draw = Draw::new(seed);
    let style = Style::draw(&mut draw);
    let source = draw.choose(&SOURCES).0.trim_matches(['{', '}', ' ']);
    let mut out = format!(
        "title: T\nid: {number:08}-1111-4111-8111-111111111111\nlogsource: {{ {source} }}\ndetection:\n"
    );
    for index in 0..3 {
        let selection = selection(&mut draw, style);
        let _infallible = writeln!(out, "  s{index}: {selection}");
    }
    let condition = draw.pick(&[
        "s0",
        "s0",
        "s1",
        "not s0",
        "s0 and s1",
        "s0 or s1",
        "s0 and not s1",
        "1 of s*",
        "all of s*",
        "2 of s*",
        "not (s0 or s1)",
        "all of them",
        "1 of them and not s2",
        "s0 and (s1 or not s2)",
        "not 1 of s*",
    ]);
    let _infallible = writeln!(out, "  condition: {condition}");
    out
}

/// A rule that looks for any of thousands of texts, many of them the beginning or the end of others.
pub(crate) fn long_rule(seed: u64, number: usize, texts: usize) -> String {
    let mut draw = Draw::new(seed);
    let style = Style::draw(&mut draw);
    let modifiers = draw.pick(&[
        "",
        "|contains",
        "|startswith",
        "|endswith",
        "|contains|cased",
        "|endswith|neq",
        "|contains|neq",
    ]);
    let field = draw.pick(&FIELDS);
    let mut values: Vec<String> = (0..texts).map(|_| quoted(&long_word(&mut draw, style))).collect();
    // One text of one character would match nearly everything.
    values.retain(|value| 6 <= value.len());
    format!(
        "title: T\nid: {number:08}-1111-4111-8111-111111111111\nlogsource: {{ category: test }}\ndetection:\n  s: {{ \"{field}{modifiers}\": [{}] }}\n  condition: s\n",
        values.join(", ")
    )
}

fn long_word(draw: &mut Draw, style: Style) -> String {
    (0..draw.within(3..9))
        .map(|_| style.alphabet.piece(draw))
        .collect::<String>()
        .replace(['*', '?'], "")
}

fn selection(draw: &mut Draw, style: Style) -> String {
    match draw.within(0..10) {
        0 | 1 => {
            let maps: Vec<String> = (0..draw.within(1..4)).map(|_| map(draw, style)).collect();
            format!("[{}]", maps.join(", "))
        }
        2 => {
            let count = draw.within(1..4);
            format!("[{}]", texts(draw, style, count).join(", "))
        }
        3 if !style.is_common => {
            let modifiers = draw.pick(&["|all", "|contains|all", "|cased", "|endswith", "|startswith"]);
            let count = draw.within(2..4);
            format!(
                "{{ \"{modifiers}\": [{}] }}",
                texts(draw, style, count).join(", ")
            )
        }
        _ => map(draw, style),
    }
}

fn map(draw: &mut Draw, style: Style) -> String {
    let mut items: Vec<(String, String)> = Vec::new();
    for _ in 0..*draw.choose(&[1, 1, 1, 2, 2, 3]) {
        let (modifiers, value) = item(draw, style);
        let key = format!("{}{modifiers}", draw.pick(&FIELDS));
        if items.iter().all(|(known, _)| *known != key) {
            items.push((key, value));
        }
    }
    let items: Vec<String> = items
        .iter()
        .map(|(key, value)| format!("{}: {value}", quoted(key)))
        .collect();
    format!("{{ {} }}", items.join(", "))
}

/// Modifiers and a value that goes with them.
fn item(draw: &mut Draw, style: Style) -> (String, String) {
    match draw.within(0..16) {
        0..=6 => text_item(draw, style),
        7 => {
            let mut modifiers = String::from("|re");
            for flag in ["|i", "|m", "|s"] {
                if draw.one_in(4) {
                    modifiers.push_str(flag);
                }
            }
            many(draw, modifiers, |draw| quoted(draw.choose(&REGEXES).0))
        }
        8 => many(draw, "|cidr".to_owned(), |draw| quoted(draw.pick(&NETS))),
        9 => {
            let modifiers = draw.pick(&["|lt", "|lte", "|gt", "|gte"]).to_owned();
            many(draw, modifiers, |draw| draw.pick(&NUMBERS).to_owned())
        }
        10 => many(draw, String::new(), |draw| draw.pick(&NUMBERS).to_owned()),
        11 => {
            let modifiers = draw.pick(&["|exists", "|exists", ""]).to_owned();
            (modifiers, draw.pick(&["true", "false"]).to_owned())
        }
        12 => (draw.pick(&["", "|neq"]).to_owned(), "null".to_owned()),
        13 => {
            let mut modifiers = String::from("|fieldref");
            modifiers.push_str(draw.pick(&["", "", "|contains", "|startswith", "|endswith"]));
            modifiers.push_str(draw.pick(&["", "", "|cased"]));
            many(draw, modifiers, |draw| quoted(draw.pick(&FIELDS)))
        }
        14 => {
            let modifiers = draw
                .pick(&["|hour", "|minute", "|day", "|year", "|month", "|week"])
                .to_owned();
            many(draw, modifiers, |draw| {
                draw.pick(&["12", "34", "5", "2026", "1", "2", "53"]).to_owned()
            })
        }
        _ => {
            // What YAML takes for different things, side by side.
            let values: Vec<String> = (0..draw.within(2..5))
                .map(|_| match draw.within(0..5) {
                    0 if !style.is_common => "null".to_owned(),
                    1 => draw.pick(&NUMBERS).to_owned(),
                    2 => draw.pick(&["true", "false"]).to_owned(),
                    _ => text(draw, style),
                })
                .collect();
            (
                draw.pick(&["", "", "|contains", "|neq"]).to_owned(),
                format!("[{}]", values.join(", ")),
            )
        }
    }
}

fn text_item(draw: &mut Draw, style: Style) -> (String, String) {
    let mut modifiers = String::new();
    match draw.within(0..8) {
        0 => modifiers.push_str(draw.pick(&[
            "|base64",
            "|wide|base64",
            "|utf16le|base64",
            "|utf16be|base64",
            "|utf16|base64",
        ])),
        1 if !style.is_common => {
            modifiers.push_str(draw.pick(&["|base64offset", "|wide|base64offset", "|utf16be|base64offset"]))
        }
        2 => modifiers.push_str("|windash"),
        3 if !style.is_common => modifiers.push_str(draw.pick(&["|wide", "|utf16be"])),
        _ => {}
    }
    modifiers.push_str(draw.pick(&["", "", "|contains", "|contains", "|startswith", "|endswith"]));
    modifiers.push_str(draw.pick(&["", "", "", "|cased"]));
    // Wildcards can't be encoded; at the start and the end the oracle takes them otherwise.
    let mut plain = vec!["64", "wide", "utf16"];
    if style.is_common {
        plain.extend(["startswith", "endswith", "windash"]);
    }
    let has_no_wildcards = plain.iter().any(|name| modifiers.contains(name));
    many(draw, modifiers, |draw| {
        if has_no_wildcards {
            quoted(&style.alphabet.word(draw).replace('\\', ""))
        } else {
            text(draw, style)
        }
    })
}

/// One value or several, all of them needed or one, or none of them wanted.
fn many(
    draw: &mut Draw,
    mut modifiers: String,
    mut value: impl FnMut(&mut Draw) -> String,
) -> (String, String) {
    let count = *draw.choose(&[1, 1, 1, 2, 2, 3, 4, 9]);
    if 1 < count && draw.one_in(4) {
        modifiers.push_str("|all");
    }
    if draw.one_in(8) {
        modifiers.push_str("|neq");
    }
    let mut values: Vec<String> = (0..count).map(|_| value(draw)).collect();
    let only = values.pop().filter(|_| count == 1);
    (
        modifiers,
        only.unwrap_or_else(|| format!("[{}]", values.join(", "))),
    )
}

fn texts(draw: &mut Draw, style: Style, count: usize) -> Vec<String> {
    (0..count).map(|_| text(draw, style)).collect()
}

/// A text of a rule: perhaps with wildcards, perhaps with backslashes before them.
fn text(draw: &mut Draw, style: Style) -> String {
    let mut text = if draw.one_in(16) {
        String::new()
    } else {
        style.alphabet.word(draw)
    };
    if draw.one_in(4) {
        for _ in 0..draw.within(1..4) {
            let wildcard = draw.pick(&["*", "*", "?", "\\*", "\\?", "\\\\*", "**"]);
            let at = draw.within(0..text.chars().count() + 1);
            let byte = text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
            text.insert_str(byte, wildcard);
        }
    }
    quoted(&text)
}

/// A text as YAML writes it in double quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        let code = u32::from(character);
        let _infallible = match character {
            '"' | '\\' => write!(out, "\\{character}"),
            ' '..='~' => write!(out, "{character}"),
            _ if code < 0x1_0000 => write!(out, "\\u{code:04X}"),
            _ => write!(out, "\\U{code:08X}"),
        };
    }
    out + "\""
}
