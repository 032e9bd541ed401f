//! One YAML document inside a file, and where in it something stands.

use rsigma_parser::Modifier;

use crate::{Code, Diagnostic, Level, SourceText};

/// One document of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'s> {
    /// The file.
    pub(super) path: &'s str,
    /// The document's text.
    pub(super) text: &'s str,
    /// The line of the file on which it begins, from 1.
    pub(super) first_line: usize,
}

/// The modifiers there are.
pub(super) const MODIFIERS: [&str; 34] = [
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "day",
    "dotall",
    "endswith",
    "exists",
    "expand",
    "fieldref",
    "gt",
    "gte",
    "hour",
    "i",
    "ignorecase",
    "lt",
    "lte",
    "m",
    "minute",
    "month",
    "multiline",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "utf16le",
    "week",
    "wide",
    "windash",
    "year",
];

/// The documents of a file, divided at lines that begin with `---`.
pub(super) fn split(source: &SourceText) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut first_line, mut offset) = (0, 1, 0);
    for (index, line) in source.text.split_inclusive('\n').enumerate() {
        if line.starts_with("---") {
            documents.push((start, offset, first_line));
            start = offset + line.len();
            first_line = index + 2;
        }
        offset += line.len();
    }
    documents.push((start, offset, first_line));
    documents
        .into_iter()
        .map(|(start, end, first_line)| Document {
            path: &source.path,
            text: source.text.get(start..end).unwrap_or_default(),
            first_line,
        })
        .collect()
}

impl Document<'_> {
    /// Whether there is nothing in it but comments.
    pub(super) fn is_blank(&self) -> bool {
        self.text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    }

    /// Whether it has this key at its top level.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.text
            .lines()
            .any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
    }

    /// The first line (in the document, from 1) that has this text.
    pub(super) fn line_with(&self, needle: &str) -> Option<usize> {
        self.text
            .lines()
            .position(|line| !line.trim_start().starts_with('#') && line.contains(needle))
            .map(|index| index + 1)
    }

    /// The line (in the document, from 1) at which a key stands whose value is at `near`: a value may begin below.
    pub(super) fn line_of(&self, key: &str, near: usize) -> usize {
        let lines = self.text.lines().zip(1..).take(near.max(1));
        let with_key = lines.filter(|(line, _)| line.contains(key));
        with_key.last().map_or(near.max(1), |(_, line)| line)
    }

    /// A refusal, at a line of the document.
    pub(super) fn error(&self, code: Code, line: usize, detail: &str, mend: &str) -> Diagnostic {
        let piece = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        Diagnostic {
            code,
            level: Level::Error,
            path: self.path.to_owned(),
            line: self.first_line + line.saturating_sub(1),
            piece: piece.to_owned(),
            detail: detail.to_owned(),
            mend: mend.to_owned(),
        }
    }
}

/// Turns what the parser says of a document into a diagnostic with a code.
pub(super) fn explain(document: &Document<'_>, message: &str) -> Diagnostic {
    if let Some(modifier) = message.strip_prefix("Unknown modifier ") {
        return unknown_modifier(document, modifier.trim_matches('\''));
    }
    if message.starts_with("`not` is not a value modifier") {
        let line = document.line_with("|not").unwrap_or(1);
        let mend = "put the inverted test into a selection of its own and use it with `and not`";
        return document.error(Code::UnknownModifier, line, "there is no modifier `not`", mend);
    }
    if let Some(field) = message.strip_prefix("Missing required field ") {
        return super::meta::missing(document, field.trim_matches('\''));
    }
    if message.starts_with("YAML parse error") || message.starts_with("YAML parsing error") {
        let detail = message.split_once(": ").map_or(message, |(_, detail)| detail);
        let line = line_in(detail).unwrap_or(1);
        let mend =
            "check indentation and quotes; texts that begin with `*`, `%`, `@`, `[` or `{` need quotes";
        return document.error(Code::BadYaml, line, detail, mend);
    }
    if message.starts_with("Document is not a YAML mapping") {
        let mend = "a rule is a mapping with `title`, `id`, `logsource` and `detection`";
        return document.error(Code::BadYaml, 1, "the document is no mapping", mend);
    }
    if message.starts_with("Condition") {
        let line = document.line_with("condition:").unwrap_or(1);
        let detail = message.lines().next().unwrap_or(message);
        let mend =
            "a condition joins selections with `and`, `or`, `not`, brackets, `1 of name*`, `all of them`";
        return document.error(Code::BadCondition, line, detail, mend);
    }
    if message.contains("correlation") || message.contains("timeframe") || message.contains("timespan") {
        return bad_correlation(document, message);
    }
    let key = message.split(['\'', '`', '"']).nth(1).unwrap_or_default();
    let line = (!key.is_empty())
        .then(|| document.line_with(key))
        .flatten()
        .unwrap_or(1);
    document.error(
        Code::BadValue,
        line,
        message,
        "see the Sigma specification for what may stand here",
    )
}

/// The types of correlations that there are.
const CORRELATION_TYPES: [&str; 8] = [
    "event_count",
    "value_count",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_median",
    "temporal",
    "temporal_ordered",
];

fn bad_correlation(document: &Document<'_>, message: &str) -> Diagnostic {
    let places = [
        ("correlation type", "type:"),
        ("imespan", "timespan:"),
        ("imespan", "timeframe:"),
        ("gap", "gap:"),
        ("window", "window:"),
        ("condition", "condition:"),
        ("", "correlation:"),
    ];
    let line = places
        .iter()
        .filter(|(word, _)| message.contains(word))
        .find_map(|(_, place)| document.line_with(place))
        .unwrap_or(1);
    let mend = match message.split_once("correlation type: ") {
        Some((_, kind)) => match nearest(kind, &CORRELATION_TYPES) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("the types are {}", CORRELATION_TYPES.join(", ")),
        },
        None => "a correlation has `type`, `rules`, `group-by`, `timespan` (such as 5m) and `condition` (such as `gte: 10`)".to_owned(),
    };
    document.error(Code::BadCorrelation, line, message, &mend)
}

fn unknown_modifier(document: &Document<'_>, modifier: &str) -> Diagnostic {
    let line = document.line_with(&format!("|{modifier}")).unwrap_or(1);
    let taken: Vec<&str> = MODIFIERS
        .into_iter()
        .filter(|known| known.parse::<Modifier>().is_ok())
        .collect();
    let known = MODIFIERS.join(", ");
    let mend = match nearest(modifier, &taken) {
        Some(nearest) => format!("did you mean `{nearest}`? the modifiers are {known}"),
        None => format!("the modifiers are {known}"),
    };
    document.error(
        Code::UnknownModifier,
        line,
        &format!("there is no modifier `{modifier}`"),
        &mend,
    )
}

/// The known word that is closest, unless all are far.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let nearest = known.iter().copied().min_by_key(|known| distance(known, word))?;
    if distance(nearest, word) <= 3 {
        return Some(nearest);
    }
    // One word of several: `baseline`, `tunnel`.
    let has_word = |known: &&&str| known.split(['_', '-']).any(|part| part == word);
    known.iter().find(has_word).copied()
}

/// The number after `line ` in a parser's message.
fn line_in(message: &str) -> Option<usize> {
    let rest = message.split("line ").nth(1)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Levenshtein's distance, for suggestions.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let substitute = row.get(j).copied().unwrap_or(0) + usize::from(left != *right);
            let delete = row.get(j + 1).copied().unwrap_or(0) + 1;
            let insert = next.get(j).copied().unwrap_or(0) + 1;
            next.push(substitute.min(delete).min(insert));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
