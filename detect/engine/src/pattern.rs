//! One compiled pattern against one value.

use ingest_event::Timestamp;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use memchr::memmem;
use regex::Regex;

use detect_rules::{Comparison, Pattern, TextOp, TextPart, TimePart};

use crate::{
    BuildError,
    fold::fold,
    keys::{FieldId, Fields},
    record::{Entry, Kind, Record},
};

/// Compiled regular expressions may be this large, the same bound as when rules are checked.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// A pattern, ready to match, and how an alert shows it.
#[derive(Debug)]
pub(crate) struct Matcher {
    test: Test,
    pub(crate) shown: Box<str>,
}

#[derive(Debug)]
enum Test {
    Literal {
        op: TextOp,
        text: Box<str>,
        cased: bool,
    },
    /// [`TextOp::Contains`], with its searcher built once: building it costs more than most searches.
    Part {
        finder: Box<memmem::Finder<'static>>,
        cased: bool,
    },
    Glob {
        tokens: Box<[Token]>,
        cased: bool,
    },
    Regex(Regex),
    Cidr(IpNet),
    Number(Comparison, f64),
    Bool(bool),
    Null,
    Field {
        op: TextOp,
        fields: Box<[FieldId]>,
        cased: bool,
    },
    Time(TimePart, f64),
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
        Ok(Self {
            test,
            shown: shown(pattern).into(),
        })
    }

    /// Whether it is the pattern that a missing field matches.
    pub(crate) const fn is_null(&self) -> bool {
        matches!(self.test, Test::Null)
    }

    /// About how long it takes, in units of a comparison.
    pub(crate) const fn cost(&self) -> u32 {
        match &self.test {
            Test::Null | Test::Bool(_) => 1,
            Test::Literal { .. } => 2,
            Test::Number(..) => 4,
            Test::Part { .. } => 6,
            Test::Glob { .. } | Test::Cidr(_) | Test::Field { .. } => 10,
            Test::Regex(_) | Test::Time(..) => 40,
        }
    }

    /// The bytes it looks for anywhere in a value, without regard to case, if that is all it does.
    pub(crate) fn part(&self) -> Option<&[u8]> {
        match &self.test {
            Test::Part { finder, cased: false } => Some(finder.needle()),
            Test::Part { cased: true, .. }
            | Test::Literal { .. }
            | Test::Glob { .. }
            | Test::Regex(_)
            | Test::Cidr(_)
            | Test::Number(..)
            | Test::Bool(_)
            | Test::Null
            | Test::Field { .. }
            | Test::Time(..) => None,
        }
    }

    /// The whole value or the end of it that it looks for, without regard to case, if that is all it does.
    pub(crate) fn tail(&self) -> Option<(TextOp, &str)> {
        match &self.test {
            Test::Literal {
                op: op @ (TextOp::Equals | TextOp::EndsWith),
                text,
                cased: false,
            } => Some((*op, text)),
            Test::Literal { .. }
            | Test::Part { .. }
            | Test::Glob { .. }
            | Test::Regex(_)
            | Test::Cidr(_)
            | Test::Number(..)
            | Test::Bool(_)
            | Test::Null
            | Test::Field { .. }
            | Test::Time(..) => None,
        }
    }

    /// The other fields whose values it compares with.
    pub(crate) fn references(&self) -> &[FieldId] {
        match &self.test {
            Test::Field { fields, .. } => fields,
            Test::Part { .. }
            | Test::Literal { .. }
            | Test::Glob { .. }
            | Test::Regex(_)
            | Test::Cidr(_)
            | Test::Number(..)
            | Test::Bool(_)
            | Test::Null
            | Test::Time(..) => &[],
        }
    }

    /// Whether one value of a field, which is settled, matches.
    pub(crate) fn matches(&self, record: &Record, entry: &Entry) -> bool {
        if entry.kind == Kind::Null {
            return self.is_null();
        }
        let pick = |cased: bool| {
            if cased {
                record.text(entry)
            } else {
                record.folded(entry)
            }
        };
        match &self.test {
            Test::Literal { op, text, cased } => holds(*op, pick(*cased), text),
            Test::Part { finder, cased } => finder.find(pick(*cased).as_bytes()).is_some(),
            Test::Glob { tokens, cased } => glob(tokens, pick(*cased)),
            Test::Regex(regex) => regex.is_match(record.text(entry)),
            Test::Cidr(net) => record
                .text(entry)
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| net.contains(&address) || net.contains(&address.to_canonical())),
            Test::Number(comparison, limit) => {
                number(record, entry).is_some_and(|number| compare(*comparison, number, *limit))
            }
            Test::Bool(flag) => truth(record, entry) == Some(*flag),
            Test::Null => false,
            Test::Field { op, fields, cased } => {
                fields
                    .iter()
                    .find(|field| record.has(**field))
                    .is_some_and(|field| {
                        record
                            .values(*field)
                            .filter(|other| other.kind != Kind::Null)
                            .any(|other| {
                                let other = if *cased {
                                    record.text(other)
                                } else {
                                    record.folded(other)
                                };
                                holds(*op, pick(*cased), other)
                            })
                    })
            }
            Test::Time(part, wanted) => time_part(*part, record, entry)
                .is_some_and(|number| compare(Comparison::Equal, number, *wanted)),
        }
    }
}

fn text(op: TextOp, parts: &[TextPart], cased: bool) -> Test {
    let spelled = |text: &str| if cased { text.to_owned() } else { fold(text) };
    let literal: Option<String> = parts
        .iter()
        .map(|part| match part {
            TextPart::Literal(text) => Some(spelled(text)),
            TextPart::Any | TextPart::One => None,
        })
        .collect();
    if let Some(text) = literal {
        if op == TextOp::Contains {
            return Test::Part {
                finder: Box::new(memmem::Finder::new(text.as_bytes()).into_owned()),
                cased,
            };
        }
        return Test::Literal {
            op,
            text: text.into(),
            cased,
        };
    }
    let mut tokens = Vec::new();
    if matches!(op, TextOp::Contains | TextOp::EndsWith) {
        tokens.push(Token::Any);
    }
    for part in parts {
        match part {
            TextPart::Any => tokens.push(Token::Any),
            TextPart::One => tokens.push(Token::One),
            TextPart::Literal(text) => tokens.extend(spelled(text).chars().map(Token::Char)),
        }
    }
    if matches!(op, TextOp::Contains | TextOp::StartsWith) {
        tokens.push(Token::Any);
    }
    tokens.dedup_by(|a, b| *a == Token::Any && *b == Token::Any);
    Test::Glob {
        tokens: tokens.into(),
        cased,
    }
}

fn holds(op: TextOp, text: &str, literal: &str) -> bool {
    match op {
        TextOp::Contains => text.contains(literal),
        TextOp::EndsWith => text.ends_with(literal),
        TextOp::Equals => text == literal,
        TextOp::StartsWith => text.starts_with(literal),
    }
}

/// Wildcards, with one point to come back to: the last `*`. At most text × tokens steps.
fn glob(tokens: &[Token], text: &str) -> bool {
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
            (Some(Token::Char(wanted)), Some(found)) => *wanted == found,
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

fn number(record: &Record, entry: &Entry) -> Option<f64> {
    match entry.kind {
        Kind::Number | Kind::Text => record.text(entry).parse().ok(),
        Kind::Bool(_) | Kind::Null => None,
    }
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

fn truth(record: &Record, entry: &Entry) -> Option<bool> {
    match entry.kind {
        Kind::Bool(flag) => Some(flag),
        Kind::Text => match record.folded(entry) {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        Kind::Null | Kind::Number => None,
    }
}

fn time_part(part: TimePart, record: &Record, entry: &Entry) -> Option<f64> {
    let time: Timestamp = record.text(entry).parse().ok()?;
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
