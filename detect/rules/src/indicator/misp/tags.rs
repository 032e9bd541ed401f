//! What a MISP event's or attribute's tags say of handling: machine tags of the taxonomies `tlp`, `PAP`,
//! `misp:confidence-level`, `estimative-language` and `admiralty-scale` (<https://github.com/MISP/misp-taxonomies>).

use std::borrow::Cow;

use detect_alert::{Confidence, Pap, Tlp};
use serde::Deserialize;

/// A tag; only its name counts.
#[derive(Deserialize)]
pub(super) struct Tag<'a> {
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
}

/// What the tags say; none where they are silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marking {
    pub(super) tlp: Option<Tlp>,
    pub(super) pap: Option<Pap>,
    pub(super) confidence: Option<Confidence>,
}

/// Of several markings the strictest counts, of several confidences the lowest.
pub(super) fn read(tags: &[Tag<'_>]) -> Marking {
    let mut marking = Marking::default();
    for tag in tags {
        let name = tag.name.trim();
        let (namespace, rest) = name.split_once(':').unwrap_or((name, ""));
        if namespace.eq_ignore_ascii_case("tlp") {
            // `tlp:ex:chr` and the like carry the base marking first.
            let tlp = rest.split(':').next().and_then(|text| text.parse().ok());
            marking.tlp = marking.tlp.max(tlp);
        } else if namespace.eq_ignore_ascii_case("pap") {
            marking.pap = marking.pap.max(rest.parse().ok());
        } else if let Some(confidence) = confidence(namespace, rest) {
            let lowest = marking
                .confidence
                .map_or(confidence, |other| other.min(confidence));
            marking.confidence = Some(lowest);
        }
    }
    marking
}

fn confidence(namespace: &str, rest: &str) -> Option<Confidence> {
    let (predicate, value) = rest.split_once('=')?;
    let value = value.trim_matches('"');
    match (namespace, predicate) {
        ("misp", "confidence-level") => match value {
            "completely-confident" | "usually-confident" => Some(Confidence::High),
            "fairly-confident" => Some(Confidence::Medium),
            "rarely-confident" | "unconfident" => Some(Confidence::Low),
            _ => None,
        },
        ("estimative-language", "confidence-in-analytic-judgment") => match value {
            "high" => Some(Confidence::High),
            "moderate" => Some(Confidence::Medium),
            "low" => Some(Confidence::Low),
            _ => None,
        },
        ("estimative-language", "likelihood-probability") => match value {
            "almost-certain" | "very-likely" => Some(Confidence::High),
            "likely" | "roughly-even-chance" => Some(Confidence::Medium),
            "unlikely" | "very-unlikely" | "almost-no-chance" => Some(Confidence::Low),
            _ => None,
        },
        ("admiralty-scale", "source-reliability") => match value {
            "a" | "b" => Some(Confidence::High),
            "c" => Some(Confidence::Medium),
            "d" | "e" => Some(Confidence::Low),
            _ => None,
        },
        ("admiralty-scale", "information-credibility") => match value {
            "1" | "2" => Some(Confidence::High),
            "3" => Some(Confidence::Medium),
            "4" | "5" => Some(Confidence::Low),
            _ => None,
        },
        ("false-positive", "risk") => (value == "high").then_some(Confidence::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_how_something_is_handled() {
        let marking = |tlp, pap, confidence| Marking { tlp, pap, confidence };
        for (names, expected) in [
            (&["tlp:white"][..], marking(Some(Tlp::Clear), None, None)),
            (
                &["tlp:green", "TLP:AMBER+STRICT"],
                marking(Some(Tlp::AmberStrict), None, None),
            ),
            (&["PAP:RED", "pap:green"], marking(None, Some(Pap::Red), None)),
            (
                &["misp:confidence-level=\"usually-confident\""],
                marking(None, None, Some(Confidence::High)),
            ),
            (
                &[
                    "admiralty-scale:source-reliability=\"a\"",
                    "admiralty-scale:information-credibility=\"4\"",
                ],
                marking(None, None, Some(Confidence::Low)),
            ),
            (
                &["tlp:purple", "osint:lifetime=\"perpetual\"", "plain"],
                Marking::default(),
            ),
        ] {
            let tags: Vec<_> = names
                .iter()
                .map(|name| Tag {
                    name: Cow::Borrowed(name),
                })
                .collect();
            assert_eq!(read(&tags), expected, "{names:?}");
        }
    }
}
