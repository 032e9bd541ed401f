//! One compiled pattern against one value.

use ingest_event::Timestamp;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use memchr::memmem;
use regex::Regex;

use detect_rules::{Comparison, Pattern, TextOp, TextPart, TimePart};

use crate::{
    BuildError,
    fold::{fold, fold_char},
    keys::{FieldId, Fields},
    record::{Entry, Kind, Payload, Record, is_aligned, spelled},
    witness::Place,
};

/// Compiled regular expressions may be this large, the same bound as when rules are checked.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// A pattern, ready to match, and how an alert shows it.
#[derive(Debug)]
pub(crate) struct Matcher {
    test: Test,
    /// Of [`Matcher::plain`].
    key: TextKey,
    pub(crate) shown: Box<str>,
}

/// Texts without regard to case are compared as [`Record::lower`] spells them, the others with [`Record::text`].
#[derive(Debug)]
enum Test {
    /// Anything but [`TextOp::Contains`].
    Edge {
        op: TextOp,
        spelled: Box<[u8]>,
    },
    /// [`TextOp::Contains`], with its searcher built once: building it costs more than most searches.
    Part(Box<memmem::Finder<'static>>),
    Cased {
        op: TextOp,
        text: Box<str>,
    },
    CasedPart(Box<memmem::Finder<'static>>),
    Glob {
        tokens: Box<[Token]>,
        cased: bool,
    },
    Regex(Regex),
    Cidr(IpNet),
    Number(Comparison, f64),
    Bool(bool),
    /// `*`: any value.
    Anything,
    Null,
    Field {
        op: TextOp,
        fields: Box<[FieldId]>,
        cased: bool,
    },
    Time(TimePart, f64),
}

/// A plain text without regard to case that a pattern looks for: what it is and where, in 64 bits. Rules' authors choose
/// the texts, and events can't: two that are alike by accident are not to be feared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TextKey(u64);

/// What a pattern looks for, if it is a plain text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainText<'p> {
    pub(crate) place: Place,
    /// As [`Record::lower`] spells it.
    pub(crate) spelled: &'p [u8],
    pub(crate) key: TextKey,
}

/// A piece of a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
}

impl Matcher {
    pub(crate) fn compile(pattern: &Pattern, names: &mut impl Fields) -> Result<Self, BuildError> {
        let test = match pattern {
            Pattern::Text { op, parts, cased } => text(*op, parts, *cased),
            Pattern::Regex(source) => Test::Regex(
                regex::RegexBuilder::new(source)
                    .size_limit(REGEX_BYTES_MAX)
                    .build()
                    .map_err(|error| BuildError::Regex {
                        source: Box::new(error),
                    })?,
            ),
            Pattern::Cidr(net) => Test::Cidr(*net),
            Pattern::Number(comparison, number) => Test::Number(*comparison, *number),
            Pattern::Bool(flag) => Test::Bool(*flag),
            Pattern::Null => Test::Null,
            Pattern::Field { op, fields, cased } => Test::Field {
                op: *op,
                fields: fields.iter().map(|field| names.id(field)).collect(),
                cased: *cased,
            },
            Pattern::Time(part, number) => Test::Time(*part, *number),
        };
        let mut matcher = Self {
            test,
            key: TextKey(0),
            shown: shown(pattern).into(),
        };
        if let Some(text) = matcher.plain() {
            matcher.key = TextKey::of(text.place, text.spelled);
        }
        Ok(matcher)
    }

    /// The plain text that it looks for, if that is all it does.
    pub(crate) fn plain(&self) -> Option<PlainText<'_>> {
        let (place, spelled) = match &self.test {
            Test::Part(finder) => (Place::Part, finder.needle()),
            Test::Edge { op, spelled } => {
                let place = match op {
                    TextOp::Contains => return None,
                    TextOp::EndsWith => Place::End,
                    TextOp::Equals => Place::Whole,
                    TextOp::StartsWith => Place::Start,
                };
                (place, &**spelled)
            }
            Test::Cased { .. }
            | Test::CasedPart(_)
            | Test::Glob { .. }
            | Test::Regex(_)
            | Test::Cidr(_)
            | Test::Number(..)
            | Test::Bool(_)
            | Test::Anything
            | Test::Null
            | Test::Field { .. }
            | Test::Time(..) => return None,
        };
        // Nothing at all is everywhere.
        (place == Place::Whole || !spelled.is_empty()).then_some(PlainText {
            place,
            spelled,
            key: self.key,
        })
    }

    /// Whether it is the pattern that a missing field matches.
    pub(crate) const fn is_null(&self) -> bool {
        matches!(self.test, Test::Null)
    }

    /// About how long it takes, in units of a comparison.
    pub(crate) const fn cost(&self) -> u32 {
        match &self.test {
            // A limit decides more often than a text that has woken the rule.
            Test::Null | Test::Anything | Test::Bool(_) | Test::Number(..) => 1,
            Test::Edge { .. } => 2,
            Test::Part(_) => 6,
            Test::Cased { .. } | Test::CasedPart(_) | Test::Cidr(_) | Test::Field { .. } => 10,
            Test::Glob { .. } => 20,
            Test::Regex(_) | Test::Time(..) => 40,
        }
    }

    /// Whether it asks for a value's text, and not only for its bytes in lower case.
    pub(crate) const fn asks_for_text(&self) -> bool {
        match &self.test {
            Test::Cased { .. }
            | Test::CasedPart(_)
            | Test::Glob { .. }
            | Test::Regex(_)
            | Test::Cidr(_)
            | Test::Number(..)
            | Test::Time(..)
            | Test::Field { cased: true, .. } => true,
            Test::Edge { .. }
            | Test::Part(_)
            | Test::Bool(_)
            | Test::Anything
            | Test::Null
            | Test::Field { cased: false, .. } => false,
        }
    }

    /// What it looks for anywhere in a value, spelled, if that is all it does.
    pub(crate) fn part(&self) -> Option<&[u8]> {
        if let Test::Part(finder) = &self.test {
            return Some(finder.needle());
        }
        None
    }

    /// The whole value or the end of it that it looks for, spelled, if that is all it does.
    pub(crate) fn tail(&self) -> Option<(TextOp, &[u8])> {
        if let Test::Edge {
            op: op @ (TextOp::Equals | TextOp::EndsWith),
            spelled,
        } = &self.test
        {
            return Some((*op, spelled));
        }
        None
    }

    /// The number that it looks for, if that is all it does.
    pub(crate) fn equal_number(&self) -> Option<f64> {
        if let Test::Number(Comparison::Equal, number) = &self.test {
            return Some(*number);
        }
        None
    }

    /// The other fields whose values it compares with.
    pub(crate) fn references(&self) -> &[FieldId] {
        if let Test::Field { fields, .. } = &self.test {
            return fields;
        }
        &[]
    }

    /// Whether one value of a field matches. It is respelled, and settled if [`Matcher::asks_for_text`].
    pub(crate) fn matches(&self, record: &Record, payload: Payload<'_>, entry: &Entry) -> bool {
        if entry.kind == Kind::Null {
            return self.is_null();
        }
        let text = || record.text(entry, payload.text);
        match &self.test {
            Test::Edge { op, spelled } => holds(*op, record.lower(entry, payload), spelled),
            Test::Part(finder) => has_part(finder, record.lower(entry, payload)),
            Test::Cased { op, text: wanted } => compare_texts(*op, text(), wanted),
            Test::CasedPart(finder) => finder.find(text().as_bytes()).is_some(),
            Test::Glob { tokens, cased } => glob(tokens, text(), *cased),
            Test::Regex(regex) => regex.is_match(text()),
            Test::Cidr(net) => text()
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| net.contains(&address) || net.contains(&address.to_canonical())),
            Test::Number(comparison, limit) => {
                number(entry, text()).is_some_and(|number| compare(*comparison, number, *limit))
            }
            Test::Bool(flag) => truth(entry, record.lower(entry, payload)) == Some(*flag),
            Test::Anything => true,
            Test::Null => false,
            Test::Field { op, fields, cased } => {
                let field = fields.iter().find(|field| record.has(**field));
                field.is_some_and(|field| {
                    let mut others = record.values(*field).filter(|other| other.kind != Kind::Null);
                    others.any(|other| {
                        if *cased {
                            compare_texts(*op, text(), record.text(other, payload.text))
                        } else {
                            holds(*op, record.lower(entry, payload), record.lower(other, payload))
                        }
                    })
                })
            }
            Test::Time(part, wanted) => {
                time_part(*part, text()).is_some_and(|number| compare(Comparison::Equal, number, *wanted))
            }
        }
    }
}

impl TextKey {
    fn of(place: Place, spelled: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[place as u8]);
        hasher.update(spelled);
        let digest = *hasher.finalize().as_bytes();
        Self(digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
    }
}

fn text(op: TextOp, parts: &[TextPart], cased: bool) -> Test {
    let literal: Option<String> = parts
        .iter()
        .map(|part| match part {
            TextPart::Literal(text) => Some(text.as_str()),
            TextPart::Any | TextPart::One => None,
        })
        .collect();
    let finder = |text: &str| Box::new(memmem::Finder::new(text.as_bytes()).into_owned());
    match (literal, op, cased) {
        (Some(text), TextOp::Contains, true) => Test::CasedPart(finder(&text)),
        (Some(text), TextOp::Contains, false) => Test::Part(finder(&spelled(&fold(&text)))),
        (Some(text), op, true) => Test::Cased {
            op,
            text: text.into(),
        },
        (Some(text), op, false) => Test::Edge {
            op,
            spelled: spelled(&fold(&text)).into_bytes().into(),
        },
        (None, ..) => wildcards(op, parts, cased),
    }
}

fn wildcards(op: TextOp, parts: &[TextPart], cased: bool) -> Test {
    let folded = |text: &str| if cased { text.to_owned() } else { fold(text) };
    let mut tokens = Vec::new();
    if matches!(op, TextOp::Contains | TextOp::EndsWith) {
        tokens.push(Token::Any);
    }
    for part in parts {
        match part {
            TextPart::Any => tokens.push(Token::Any),
            TextPart::One => tokens.push(Token::One),
            TextPart::Literal(text) => tokens.extend(folded(text).chars().map(Token::Char)),
        }
    }
    if matches!(op, TextOp::Contains | TextOp::StartsWith) {
        tokens.push(Token::Any);
    }
    tokens.dedup_by(|a, b| *a == Token::Any && *b == Token::Any);
    if tokens == [Token::Any] {
        return Test::Anything;
    }
    Test::Glob {
        tokens: tokens.into(),
        cased,
    }
}

/// Spelled texts.
fn holds(op: TextOp, text: &[u8], wanted: &[u8]) -> bool {
    match op {
        TextOp::Contains => has_part(&memmem::Finder::new(wanted), text),
        TextOp::EndsWith => ends_with(text, wanted),
        TextOp::Equals => text == wanted,
        TextOp::StartsWith => text.starts_with(wanted),
    }
}

/// Whether a spelled text ends with another.
pub(crate) fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.ends_with(end) && is_aligned(text, text.len() - end.len())
}

/// Whether a spelled text has another in it.
fn has_part(finder: &memmem::Finder<'_>, text: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = finder.find(text.get(from..).unwrap_or_default()) {
        if is_aligned(text, from + at) {
            return true;
        }
        from += at + 1;
    }
    false
}

fn compare_texts(op: TextOp, text: &str, wanted: &str) -> bool {
    match op {
        TextOp::Contains => text.contains(wanted),
        TextOp::EndsWith => text.ends_with(wanted),
        TextOp::Equals => text == wanted,
        TextOp::StartsWith => text.starts_with(wanted),
    }
}

/// Wildcards, with one point to come back to: the last `*`. At most text × tokens steps.
fn glob(tokens: &[Token], text: &str, cased: bool) -> bool {
    let same = |wanted: char, found: char| wanted == if cased { found } else { fold_char(found) };
    let (mut at, mut rest) = (0, text.chars());
    let mut again: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = rest.clone();
        let fits = match (tokens.get(at), ahead.next()) {
            (None, None) => return true,
            (Some(Token::Any), _) => {
                at += 1;
                again = Some((at, rest.clone()));
                continue;
            }
            (Some(Token::One), Some(_)) => true,
            (Some(Token::Char(wanted)), Some(found)) => same(*wanted, found),
            (None, Some(_)) | (Some(Token::One | Token::Char(_)), None) => false,
        };
        if fits {
            at += 1;
            rest = ahead;
            continue;
        }
        let Some((token, mut from)) = again else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        at = token;
        rest = from.clone();
        again = Some((token, from));
    }
}

/// A value as a number, if it is one or its text is.
pub(crate) fn number(entry: &Entry, text: &str) -> Option<f64> {
    match entry.kind {
        Kind::Number | Kind::Text => read_number(text),
        Kind::Bool(_) | Kind::Null => None,
    }
}

/// As `f64` is read from text. Ports and counters are a few digits, which are exact: they are summed up.
#[inline]
pub(crate) fn read_number(text: &str) -> Option<f64> {
    /// All whole numbers of so many digits are below 2⁵³.
    const DIGITS_MAX: usize = 15;
    if text.is_empty() || DIGITS_MAX < text.len() {
        return text.parse().ok();
    }
    let mut whole = 0_u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if 9 < digit {
            return text.parse().ok();
        }
        whole = whole * 10 + u64::from(digit);
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let number = whole as f64;
    Some(number)
}

#[expect(clippy::float_cmp, reason = "equality of numbers as written")]
fn compare(comparison: Comparison, number: f64, limit: f64) -> bool {
    match comparison {
        Comparison::Equal => number == limit,
        Comparison::Greater => limit < number,
        Comparison::GreaterOrEqual => limit <= number,
        Comparison::Less => number < limit,
        Comparison::LessOrEqual => number <= limit,
    }
}

fn truth(entry: &Entry, lower: &[u8]) -> Option<bool> {
    match entry.kind {
        Kind::Bool(flag) => Some(flag),
        Kind::Text => match lower {
            b"true" | b"1" | b"yes" => Some(true),
            b"false" | b"0" | b"no" => Some(false),
            _ => None,
        },
        Kind::Null | Kind::Number => None,
    }
}

fn time_part(part: TimePart, text: &str) -> Option<f64> {
    let time: Timestamp = text.parse().ok()?;
    let time = jiff::Timestamp::from_nanosecond(time.as_nanos().into())
        .ok()?
        .to_zoned(TimeZone::UTC);
    Some(f64::from(match part {
        TimePart::Day => i16::from(time.day()),
        TimePart::Hour => i16::from(time.hour()),
        TimePart::Minute => i16::from(time.minute()),
        TimePart::Month => i16::from(time.month()),
        TimePart::Week => i16::from(time.date().iso_week_date().week()),
        TimePart::Year => time.year(),
    }))
}

/// As an alert shows the pattern.
fn shown(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Text { op, parts, .. } => {
            let text: String = parts
                .iter()
                .map(|part| match part {
                    TextPart::Any => "*",
                    TextPart::One => "?",
                    TextPart::Literal(text) => text.as_str(),
                })
                .collect();
            format!("{}{text}", prefix(*op))
        }
        Pattern::Regex(source) => format!("re {source}"),
        Pattern::Cidr(net) => format!("cidr {net}"),
        Pattern::Number(comparison, number) => {
            let sign = match comparison {
                Comparison::Equal => "= ",
                Comparison::Greater => "> ",
                Comparison::GreaterOrEqual => ">= ",
                Comparison::Less => "< ",
                Comparison::LessOrEqual => "<= ",
            };
            format!("{sign}{number}")
        }
        Pattern::Bool(flag) => format!("= {flag}"),
        Pattern::Null => "null".to_owned(),
        Pattern::Field { op, fields, .. } => {
            format!(
                "{}field {}",
                prefix(*op),
                fields.first().map_or("", String::as_str)
            )
        }
        Pattern::Time(part, number) => format!("{part:?} = {number}").to_lowercase(),
    }
}

const fn prefix(op: TextOp) -> &'static str {
    match op {
        TextOp::Contains => "contains ",
        TextOp::EndsWith => "ends with ",
        TextOp::Equals => "= ",
        TextOp::StartsWith => "starts with ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_the_standard_library_reads_it() {
        let long = [
            "9".repeat(15),
            "9".repeat(16),
            "0".repeat(15) + "7",
            "1".repeat(40),
        ];
        let texts = [
            "", "0", "00", "7", "443", "-1", "+5", ".5", "5.", "1e3", "inf", "NaN", "4a", "٣", " 1", "1_0",
        ];
        for text in texts.into_iter().chain(long.iter().map(String::as_str)) {
            let expected = text.parse::<f64>().ok().map(f64::to_bits);
            assert_eq!(read_number(text).map(f64::to_bits), expected, "{text:?}");
        }
    }
}
