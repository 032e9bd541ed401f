//! `--expect FILE`: the alerts that should come, against those that came.
//!
//! YAML counts alerts by rule, and by entity where the file names one; NDJSON describes them one a line, by the names
//! that the line gives. Either way the comparison is exact: an alert that nobody expected differs, too. What is read
//! here is data by people, so every error names the line.

use std::collections::BTreeMap;
use std::path::Path;

use detect_alert::Alert;
use replay_data::Expected;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use similar::{ChangeTag, TextDiff};

/// What was expected, and what has come so far.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// So many of each rule.
    Counts(Counts),
    /// One description for each alert.
    Lines(Lines),
}

/// From a `case.yml` or a list like its `expect:`.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    expected: Vec<Expected>,
    came: BTreeMap<Seen, u64>,
}

/// What distinguishes alerts in [`Counts`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    id: String,
    name: String,
    entity: String,
}

/// From NDJSON.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    expected: Vec<Map<String, Json>>,
    came: Vec<Map<String, Json>>,
}

/// A file with an `expect:` list, whatever else is in it.
#[derive(Deserialize)]
struct WithExpect {
    expect: Vec<Expected>,
}

impl Expectation {
    /// Reads a file: NDJSON if its name says so, else YAML.
    ///
    /// # Errors
    /// What is wrong with it, for a person, with the line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read the expectation {}: {error}", path.display()))?;
        let lines = path
            .extension()
            .is_some_and(|ending| ending == "ndjson" || ending == "jsonl");
        let parsed = if lines {
            parse_lines(&text)
        } else {
            parse_counts(&text)
        };
        parsed.map_err(|detail| format!("cannot understand the expectation {}: {detail}", path.display()))
    }

    /// These counts.
    #[must_use]
    pub fn counts(expected: Vec<Expected>) -> Self {
        Self::Counts(Counts {
            expected,
            came: BTreeMap::new(),
        })
    }

    /// Takes an alert that came, with its wire form.
    pub fn take(&mut self, alert: &Alert, encoded: &[u8]) {
        match self {
            Self::Counts(counts) => counts.take(alert),
            Self::Lines(lines) => lines.take(encoded),
        }
    }

    /// A unified diff if what came is not what was expected.
    #[must_use]
    pub fn diff(&self, name: &str, colours: bool) -> Option<String> {
        let (expected, came) = match self {
            Self::Counts(counts) => counts.texts(),
            Self::Lines(lines) => lines.texts(),
        };
        (expected != came).then(|| unified(&expected, &came, name, colours))
    }
}

fn parse_counts(text: &str) -> Result<Expectation, String> {
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---");
    let list = match first {
        None => Vec::new(),
        Some(line) if line.starts_with(['-', '[']) => {
            serde_saphyr::from_str(text).map_err(|error| error.to_string())?
        }
        Some(_) => {
            serde_saphyr::from_str::<WithExpect>(text)
                .map_err(|error| error.to_string())?
                .expect
        }
    };
    Ok(Expectation::counts(list))
}

fn parse_lines(text: &str) -> Result<Expectation, String> {
    let mut expected = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let object = serde_json::from_str(line)
            .map_err(|error| format!("line {}: {error}; each line is one JSON object", index + 1))?;
        expected.push(object);
    }
    Ok(Expectation::Lines(Lines {
        expected,
        came: Vec::new(),
    }))
}

impl Counts {
    fn take(&mut self, alert: &Alert) {
        let seen = Seen {
            id: alert.producer.id.0.clone(),
            name: alert.producer.name.clone(),
            entity: alert.entity.value.clone(),
        };
        *self.came.entry(seen).or_default() += 1;
    }

    /// What was expected and what came, one line for each rule (and entity, where the expectation names it).
    fn texts(&self) -> (String, String) {
        let mut expected: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
        for Expected { rule, count, entity } in &self.expected {
            *expected.entry((rule.clone(), entity.clone())).or_default() += count;
        }
        expected.retain(|_, count| *count != 0);
        let mut came: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
        for (seen, count) in &self.came {
            *came.entry(self.called(seen)).or_default() += count;
        }
        (count_lines(&expected), count_lines(&came))
    }

    /// As the expectation calls it, or by title and entity if it does not.
    fn called(&self, seen: &Seen) -> (String, Option<String>) {
        let same_rule = |rule: &str| rule == seen.id || rule == seen.name;
        let of_rule = || self.expected.iter().filter(|expected| same_rule(&expected.rule));
        if let Some(exact) = of_rule().find(|expected| expected.entity.as_deref() == Some(&seen.entity)) {
            return (exact.rule.clone(), exact.entity.clone());
        }
        match of_rule().find(|expected| expected.entity.is_none()) {
            Some(any) => (any.rule.clone(), None),
            None => {
                let rule = of_rule().next().map_or(&seen.name, |expected| &expected.rule);
                (rule.clone(), Some(seen.entity.clone()))
            }
        }
    }
}

fn count_lines(counts: &BTreeMap<(String, Option<String>), u64>) -> String {
    let mut text = String::new();
    for ((rule, entity), count) in counts {
        let entity = entity
            .as_ref()
            .map(|entity| format!(", about {entity}"))
            .unwrap_or_default();
        text.push_str(&format!("{count} × {rule}{entity}\n"));
    }
    text
}

impl Lines {
    fn take(&mut self, encoded: &[u8]) {
        let Ok(Json::Object(document)) = serde_json::from_slice(encoded) else {
            return;
        };
        let known = |name: &String| self.expected.iter().any(|line| line.contains_key(name));
        let named = ["@timestamp", "rule.id", "rule.name", "varde.alert.entity.value"];
        let kept = document
            .into_iter()
            .filter(|(name, _)| named.contains(&name.as_str()) || known(name));
        self.came.push(kept.collect());
    }

    /// Each alert is matched with the most exact line that describes it; the rest stays as it is.
    fn texts(&self) -> (String, String) {
        let mut order: Vec<usize> = (0..self.expected.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(self.expected.get(*index).map_or(0, Map::len)));
        let mut left: Vec<Option<&Map<String, Json>>> = self.came.iter().map(Some).collect();
        let mut matched = vec![false; self.expected.len()];
        for index in order {
            let Some(line) = self.expected.get(index) else {
                continue;
            };
            let fits =
                |alert: &Map<String, Json>| line.iter().all(|(name, value)| alert.get(name) == Some(value));
            if let Some(place) = left.iter_mut().find(|alert| alert.is_some_and(fits)) {
                *place = None;
                if let Some(flag) = matched.get_mut(index) {
                    *flag = true;
                }
            }
        }
        let (mut expected, mut came) = (String::new(), String::new());
        let mut unexpected = left.into_iter().flatten();
        for (line, matched) in self.expected.iter().zip(&matched) {
            let text = one_line(line);
            expected.push_str(&text);
            if *matched {
                came.push_str(&text);
            } else if let Some(alert) = unexpected.next() {
                came.push_str(&one_line(alert));
            }
        }
        unexpected.for_each(|alert| came.push_str(&one_line(alert)));
        (expected, came)
    }
}

fn one_line(object: &Map<String, Json>) -> String {
    // A map of JSON values always serialises.
    serde_json::to_string(object).unwrap_or_default() + "\n"
}

/// Lines of context around a difference.
const CONTEXT_LINES: usize = 3;

fn unified(expected: &str, came: &str, name: &str, colours: bool) -> String {
    let diff = TextDiff::from_lines(expected, came);
    let mut text = format!("--- expected by {name}\n+++ raised by this run\n");
    for hunk in diff.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
        text.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let (sign, colour) = match change.tag() {
                ChangeTag::Delete => ('-', "31"),
                ChangeTag::Insert => ('+', "32"),
                ChangeTag::Equal => (' ', "0"),
            };
            let line = change.to_string_lossy();
            let line = line.trim_end_matches('\n');
            if colours && sign != ' ' {
                text.push_str(&format!("\x1b[{colour}m{sign}{line}\x1b[0m\n"));
            } else {
                text.push_str(&format!("{sign}{line}\n"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(rule: &str, count: u64, entity: Option<&str>) -> Expected {
        Expected {
            rule: rule.to_owned(),
            count,
            entity: entity.map(str::to_owned),
        }
    }

    fn counts(list: &[Expected], came: &[(&str, &str, u64)]) -> Option<String> {
        let came = came.iter().map(|(name, entity, count)| {
            (
                Seen {
                    id: format!("id of {name}"),
                    name: (*name).to_owned(),
                    entity: (*entity).to_owned(),
                },
                *count,
            )
        });
        Expectation::Counts(Counts {
            expected: list.to_vec(),
            came: came.collect(),
        })
        .diff("case.yml", false)
    }

    #[test]
    fn counts_are_exact_in_both_directions() {
        let scan = expected("Port scan", 2, None);
        let one = expected("Port scan", 1, Some("2001:db8::7"));
        let two = [("Port scan", "203.0.113.7", 1), ("Port scan", "2001:db8::7", 1)];
        assert_eq!(counts(std::slice::from_ref(&scan), &two), None, "any entity");
        assert_eq!(
            counts(&[expected("id of Port scan", 2, None)], &two),
            None,
            "by id"
        );
        assert_eq!(
            counts(&[one.clone(), expected("Port scan", 1, None)], &two),
            None,
            "one named, one not"
        );
        assert_eq!(counts(&[], &[]), None, "silence");
        for (list, came, parts) in [
            (vec![scan], &two[..1], &["-2 × Port scan", "+1 × Port scan"][..]),
            (
                vec![one.clone()],
                &two,
                &[
                    "+1 × Port scan, about 203.0.113.7",
                    " 1 × Port scan, about 2001:db8::7",
                ],
            ),
            (vec![], &two[..1], &["+1 × Port scan, about 203.0.113.7"]),
            (vec![one], &[], &["-1 × Port scan, about 2001:db8::7"]),
        ] {
            let diff = counts(&list, came).expect("differs");
            for part in parts {
                assert!(diff.contains(part), "{part} in:\n{diff}");
            }
        }
    }

    fn lines(expected: &str, came: &[&str]) -> Option<String> {
        let mut expectation = parse_lines(expected).expect("lines");
        let Expectation::Lines(lines) = &mut expectation else {
            panic!("lines")
        };
        came.iter().for_each(|alert| lines.take(alert.as_bytes()));
        expectation.diff("alerts.ndjson", false)
    }

    #[test]
    fn lines_are_compared_on_their_own_names_only() {
        let a = r#"{"rule.name":"A","source.ip":"192.0.2.1","x":1}"#;
        let b = r#"{"rule.name":"A","source.ip":"2001:db8::1","x":2}"#;
        assert_eq!(
            lines("{\"rule.name\":\"A\"}\n{\"source.ip\":\"192.0.2.1\"}\n", &[b, a]),
            None
        );
        // The general line must not take the alert that the exact one needs.
        assert_eq!(
            lines("{\"rule.name\":\"A\"}\n{\"rule.name\":\"A\",\"x\":1}\n", &[a, b]),
            None
        );
        let diff = lines("{\"source.ip\":\"192.0.2.9\"}\n", &[a]).expect("differs");
        assert!(
            diff.contains(r#"-{"source.ip":"192.0.2.9"}"#) && diff.contains(r#"+{"rule.name":"A""#),
            "{diff}"
        );
        assert!(lines("", &[a]).is_some(), "nobody expected it");
        assert!(lines("{}", &[]).is_some(), "it did not come");
    }

    #[test]
    fn a_case_and_a_bare_list_are_read_and_errors_name_the_line() {
        for text in [
            "name: x\nexpect:\n  - { rule: A, count: 1 }\n",
            "# the alerts\n- { rule: A, count: 1 }\n",
        ] {
            let Ok(Expectation::Counts(counts)) = parse_counts(text) else {
                panic!("{text}")
            };
            assert_eq!(counts.expected, [expected("A", 1, None)], "{text}");
        }
        assert!(matches!(parse_counts(""), Ok(Expectation::Counts(counts)) if counts.expected.is_empty()));
        let error = parse_counts("expect:\n  - { rule: A, cuont: 1 }\n").expect_err("a wrong key");
        assert!(error.contains("cuont") && error.contains("line 2"), "{error}");
        let error = parse_lines("{}\n[\n").expect_err("no object");
        assert!(error.contains("line 2"), "{error}");
    }
}
