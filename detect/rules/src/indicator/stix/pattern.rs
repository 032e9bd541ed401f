//! A STIX pattern to the single values that it is satisfied by, each on its own; and what can't be put so.
//!
//! `rstix` parses and checks the pattern and gives the tree of its observations. The tree inside an observation is
//! not public there, so the canonical text of an observation, which is regular, is read again here.

mod observation;

use detect_alert::IndicatorKind;
use rstix::pattern::{Pattern, PatternAst, Span};

use self::observation::{Comparison, Tree};
use super::super::report::Reason;

/// A part of a pattern that is enough by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// A value; the kind is none where its form tells.
    Value {
        kind: Option<IndicatorKind>,
        value: String,
    },
    /// What no single value can stand for, and why.
    Inexpressible { reason: Reason, detail: String },
}

/// The parts of a pattern of which each is enough.
pub(super) fn terms(pattern: &Pattern) -> Vec<Term> {
    let mut terms = Vec::new();
    observations(pattern.ast(), pattern.source(), &mut terms);
    terms
}

fn observations(ast: &PatternAst, source: &str, terms: &mut Vec<Term>) {
    let mut no = |reason, what: &str, span: &Span| {
        let piece = source.get(span.start..span.end).unwrap_or(source);
        terms.push(inexpressible(reason, what, piece));
    };
    match ast {
        PatternAst::Or { left, right, .. } => {
            observations(left, source, terms);
            observations(right, source, terms);
        }
        PatternAst::And { span, .. } => no(Reason::Conjunction, "two observations must both be there", span),
        PatternAst::FollowedBy { span, .. } => {
            no(Reason::Sequence, "one observation must follow the other", span)
        }
        PatternAst::Within { span, .. } => no(Reason::Sequence, "it holds within a time span only", span),
        PatternAst::Repeats { span, .. } => no(Reason::Sequence, "it must be repeated", span),
        PatternAst::StartStop { span, .. } => no(Reason::Sequence, "it holds between two times only", span),
        PatternAst::Observation(observation) => {
            let piece = brackets(source, observation.span.start);
            // A part of a pattern that was parsed is a pattern.
            let tree = Pattern::parse(piece)
                .ok()
                .and_then(|part| observation::read(&part.canonical()));
            match tree {
                Some(tree) => comparisons(&tree, piece, terms),
                None => terms.push(inexpressible(
                    Reason::OtherComparison,
                    "it is of a form not known here",
                    piece,
                )),
            }
        }
    }
}

/// The observation that begins at `start`, with its last bracket: spans of `rstix` 0.23 end before it.
fn brackets(source: &str, start: usize) -> &str {
    let text = source.get(start..).unwrap_or_default();
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'\'' => is_quoted = !is_quoted,
            b'[' if !is_quoted => depth += 1,
            b']' if !is_quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return text.get(..=at).unwrap_or(text);
                }
            }
            _ => {}
        }
    }
    text
}

fn comparisons(tree: &Tree, piece: &str, terms: &mut Vec<Term>) {
    match tree {
        Tree::Or(parts) => parts.iter().for_each(|part| comparisons(part, piece, terms)),
        Tree::Not => terms.push(inexpressible(
            Reason::OtherComparison,
            "it says what must not be",
            piece,
        )),
        Tree::And(parts) => match only_value(parts) {
            Some(comparison) => values(comparison, piece, terms),
            None => terms.push(inexpressible(
                Reason::Conjunction,
                "several values must be there at once",
                piece,
            )),
        },
        Tree::Leaf(comparison) => values(comparison, piece, terms),
    }
}

/// `x_ref.type = 'ipv4-addr' AND x_ref.value = '…'` says one thing: what type it is shows from the value.
fn only_value(parts: &[Tree]) -> Option<&Comparison> {
    let mut rest = None;
    for part in parts {
        let Tree::Leaf(comparison) = part else { return None };
        let is_type = comparison.operator == "="
            && comparison.path.strip_suffix(".type").is_some_and(|object| {
                let value = format!("{object}.value");
                parts
                    .iter()
                    .any(|other| matches!(other, Tree::Leaf(other) if other.path == value))
            });
        if !is_type && rest.replace(comparison).is_some() {
            return None;
        }
    }
    rest
}

fn values(comparison: &Comparison, piece: &str, terms: &mut Vec<Term>) {
    let Some(kind) = kind(&comparison.path) else {
        let what = format!("no field of an event is compared with `{}`", comparison.path);
        return terms.push(inexpressible(Reason::OtherObservable, &what, piece));
    };
    let is_address = matches!(kind, Some(IndicatorKind::Address));
    match comparison.operator.as_str() {
        "=" | "IN" => terms.extend(comparison.values.iter().map(|value| Term::Value {
            kind,
            value: value.clone(),
        })),
        "ISSUBSET" if is_address => terms.extend(comparison.values.iter().map(|value| Term::Value {
            kind: None,
            value: value.clone(),
        })),
        operator => {
            let what = format!("`{operator}` is not equality");
            terms.push(inexpressible(Reason::OtherComparison, &what, piece));
        }
    }
}

/// What a path of an observable is here: none, a kind, or what the value's form shows.
fn kind(path: &str) -> Option<Option<IndicatorKind>> {
    use IndicatorKind as Kind;
    if let Some((object, hash)) = path.split_once(":hashes.") {
        return match (object, hash.to_ascii_uppercase().replace('-', "").as_str()) {
            ("file" | "artifact", "MD5") => Some(Some(Kind::Md5)),
            ("file" | "artifact", "SHA1") => Some(Some(Kind::Sha1)),
            ("file" | "artifact", "SHA256") => Some(Some(Kind::Sha256)),
            ("x509-certificate", "SHA1" | "SHA256") => Some(Some(Kind::Certificate)),
            _ => None,
        };
    }
    match path {
        "ipv4-addr:value" | "ipv6-addr:value" => Some(Some(Kind::Address)),
        "domain-name:value" => Some(Some(Kind::Domain)),
        "url:value" => Some(Some(Kind::Url)),
        "email-addr:value" | "email-message:from_ref.value" | "email-message:sender_ref.value" => {
            Some(Some(Kind::Email))
        }
        "file:name" => Some(Some(Kind::FileName)),
        "autonomous-system:number" => Some(Some(Kind::Asn)),
        "network-traffic:src_ref.value" | "network-traffic:dst_ref.value" => Some(None),
        _ => None,
    }
}

fn inexpressible(reason: Reason, what: &str, piece: &str) -> Term {
    let piece: String = piece.chars().take(160).collect();
    Term::Inexpressible {
        reason,
        detail: format!("{what}: {piece}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let pattern = Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let term = |term| match term {
            Term::Value { kind, value } => {
                let kind = kind.map_or("?", IndicatorKind::as_str);
                format!("{kind} {value}")
            }
            Term::Inexpressible { reason, .. } => reason.as_str().to_owned(),
        };
        terms(&pattern).into_iter().map(term).collect()
    }

    #[test]
    fn equalities_and_their_alternatives_are_values() {
        for (pattern, expected) in [
            ("[ipv4-addr:value = '192.0.2.1']", &["ip 192.0.2.1"][..]),
            ("[ipv6-addr:value = '2001:db8::1']", &["ip 2001:db8::1"]),
            (
                "[ipv4-addr:value = '192.0.2.1' OR ipv6-addr:value = '2001:db8::1']",
                &["ip 192.0.2.1", "ip 2001:db8::1"],
            ),
            (
                "[domain-name:value = 'a.example'] OR [url:value = 'http://b.example/']",
                &["domain a.example", "url http://b.example/"],
            ),
            (
                "([domain-name:value = 'a.example'] OR [domain-name:value = 'b.example']) OR [domain-name:value = 'c.example']",
                &["domain a.example", "domain b.example", "domain c.example"],
            ),
            (
                "[domain-name:value IN ('a.example', 'b.example')]",
                &["domain a.example", "domain b.example"],
            ),
            ("[ipv6-addr:value ISSUBSET '2001:db8::/32']", &["? 2001:db8::/32"]),
            (
                "[file:hashes.MD5 = 'aa' OR file:hashes.'SHA-1' = 'bb' OR file:hashes.'SHA-256' = 'cc']",
                &["md5 aa", "sha1 bb", "sha256 cc"],
            ),
            ("[x509-certificate:hashes.'SHA-1' = 'aa']", &["certificate aa"]),
            ("[file:name = 'it''s AND (odd).exe']", &[]),
            (
                "[file:name = 'it\\'s AND (odd) = \\\\ .exe']",
                &["file-name it's AND (odd) = \\ .exe"],
            ),
            ("[autonomous-system:number = 64500]", &["asn 64500"]),
            ("[email-addr:value = 'a@b.example']", &["email a@b.example"]),
            (
                "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1']",
                &["? 192.0.2.1"],
            ),
        ] {
            if expected.is_empty() {
                assert!(Pattern::parse(pattern).is_err(), "{pattern}");
            } else {
                assert_eq!(told(pattern), expected, "{pattern}");
            }
        }
    }

    #[test]
    fn what_one_value_cannot_say_is_told() {
        let (and, sequence) = ("several values at once (AND)", "order, repetition or time span");
        let (comparison, observable) = ("comparison other than equality", "observable without a field");
        let a = "[domain-name:value = 'a.example']";
        for (pattern, expected) in [
            (format!("{a} AND [url:value = 'http://b.example/']"), &[and][..]),
            ("[file:name = 'abc.exe' AND file:size = 3]".to_owned(), &[and]),
            (
                "[(file:name = 'abc.exe' OR file:name = 'def.exe') AND file:size = 3]".to_owned(),
                &[and],
            ),
            (
                format!("{a} FOLLOWEDBY [url:value = 'http://b.example/']"),
                &[sequence],
            ),
            (format!("{a} WITHIN 5 MINUTES"), &[sequence]),
            (format!("{a} REPEATS 3 TIMES"), &[sequence]),
            ("[domain-name:value LIKE '%.example']".to_owned(), &[comparison]),
            ("[domain-name:value MATCHES '^a']".to_owned(), &[comparison]),
            ("[domain-name:value != 'a.example']".to_owned(), &[comparison]),
            ("[domain-name:value NOT = 'a.example']".to_owned(), &[comparison]),
            ("[mutex:name = 'm']".to_owned(), &[observable]),
            ("[file:hashes.'SHA-512' = 'aa']".to_owned(), &[observable]),
            (
                format!("{a} OR ([mutex:name = 'm'] AND {a})"),
                &["domain a.example", and],
            ),
        ] {
            assert_eq!(told(&pattern), expected, "{pattern}");
        }
    }
}
