//! The examples in `<rule>.test.yml`: events on which the rule must fire, and events on which it must not.
//!
//! ```yaml
//! match:
//!   - { event.dataset: network.dns, dns.question.name: long.tunnel.example }
//! no_match:
//!   - { event.dataset: network.dns, dns.question.name: www.example.no }
//! ```
//!
//! An example is one event, or a list of events in order (for correlations and anomaly rules). Events are flat or nested;
//! times may be left out: then they are a second apart. Many that are alike are written once ([`repeat`]). They are of one
//! organisation unless they name another in `organization.id`. They go through the same decoder and engine as in
//! production. `indicators:` lists what rules about indicators are tried with, as in an indicator file.

mod repeat;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use detect::detector::{Detector, Findings, Origin};
use detect_engine::{Correlator, Ruleset};
use detect_rules::{Options, SourceText, check_indicators, check_with};
use ingest_event::{OrganizationNumber, Timestamp, field};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::arguments::PLACEHOLDER_ORGANIZATION;
use crate::load;

/// What became of a rule file's examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many there are.
    pub examples: usize,
    /// What is wrong, one line each.
    pub problems: Vec<String>,
}

/// Events in order, and whether the rule must fire on them.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Whether it must fire.
    pub fires: bool,
    /// The events.
    pub events: Vec<Map<String, Json>>,
}

/// The file's shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleFile {
    #[serde(default, rename = "match")]
    fires: Vec<OneOrMany>,
    #[serde(default, rename = "no_match")]
    silent: Vec<OneOrMany>,
    #[serde(default)]
    indicators: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Map<String, Json>),
    Many(Vec<Map<String, Json>>),
}

impl OneOrMany {
    fn events(self) -> Result<Vec<Map<String, Json>>, String> {
        match self {
            Self::One(event) => Ok(vec![event]),
            Self::Many(items) => repeat::expand(items, start()),
        }
    }
}

impl Outcome {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(text: impl Into<String>) -> Self {
        Self {
            examples: 0,
            problems: vec![text.into()],
        }
    }
}

/// Reads examples.
///
/// # Errors
/// What is wrong with the text, with its line; or with a `repeat` in it.
pub fn parse(text: &str) -> Result<Vec<Example>, String> {
    examples(read(text)?)
}

fn read(text: &str) -> Result<ExampleFile, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

fn examples(file: ExampleFile) -> Result<Vec<Example>, String> {
    let example = |fires: bool| {
        move |events: OneOrMany| {
            Ok(Example {
                fires,
                events: events.events()?,
            })
        }
    };
    file.fires
        .into_iter()
        .map(example(true))
        .chain(file.silent.into_iter().map(example(false)))
        .collect()
}

/// Runs the examples beside a rule file. No file, no examples.
pub(super) fn run_file(source: &SourceText, all: &[SourceText], options: &Options) -> Outcome {
    let path = super::examples_path(Path::new(&source.path));
    match std::fs::read_to_string(&path) {
        Ok(text) => run_with(source, all, &text, options),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => run_with(source, all, "{}", options),
        Err(error) => Outcome::problem(format!("cannot read {}: {error}", path.display())),
    }
}

/// Runs examples against one rule file; `all` holds what its correlations and anomaly rules take.
#[must_use]
pub fn run(source: &SourceText, all: &[SourceText], examples: &str) -> Outcome {
    run_with(source, all, examples, &Options::default())
}

/// Runs examples with pipelines and placeholders. A rule is tried without the filters of other files.
fn run_with(source: &SourceText, all: &[SourceText], examples: &str, options: &Options) -> Outcome {
    let read = read(examples).and_then(|mut file| {
        let indicators = std::mem::take(&mut file.indicators).join("\n");
        Ok((self::examples(file)?, indicators))
    });
    let (examples, indicators) = match read {
        Ok(read) => read,
        Err(error) => {
            return Outcome::problem(format!("the examples of {} can't be read: {error}", source.path));
        }
    };
    // Alone, a rule raises its own alerts even where a correlation would only count them.
    let alone = check_with(std::slice::from_ref(source), options);
    let is_alone = alone.diagnostics.iter().all(|diagnostic| !diagnostic.is_error());
    let is_single = alone.rules.correlations.is_empty() && alone.rules.anomalies.is_empty();
    let checked = if is_alone && is_single {
        alone
    } else {
        check_with(all, options)
    };
    if let Some(refused) = checked
        .diagnostics
        .iter()
        .find(|diagnostic| diagnostic.is_error() && diagnostic.path == source.path)
    {
        return Outcome::problem(format!(
            "line {}: {}: {}",
            refused.line, refused.detail, refused.mend
        ));
    }
    let ids = ids(&source.text);
    let (indicators, _) = check_indicators("examples", "examples", &indicators);
    let Ok(ruleset) = load::compile(checked.rules, indicators) else {
        return Outcome::problem("the rule can't be compiled");
    };
    Outcome {
        examples: examples.len(),
        problems: problems(&ruleset, &examples, &ids),
    }
}

/// What is wrong with the examples: rules with these ids fire on what they must not, or the other way round.
fn problems(ruleset: &Arc<Ruleset>, examples: &[Example], ids: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        let mut findings = Findings::default();
        replay_example(ruleset, example, &mut findings);
        let fired = findings
            .alerts
            .iter()
            .any(|alert| ids.contains(&alert.producer.id.0.as_str()));
        let place = format!(
            "{} {}",
            if example.fires { "match" } else { "no_match" },
            position(examples, index)
        );
        if let Some(refused) = findings.quarantined.first() {
            problems.push(format!("{place}: no event: {}", refused.detail));
        } else if example.fires && !fired {
            problems.push(format!("{place}: it must fire and stays silent"));
        } else if !example.fires && fired {
            problems.push(format!("{place}: it must stay silent and fires"));
        }
    }
    problems
}

/// Which example of its own list it is, from 1.
fn position(examples: &[Example], index: usize) -> usize {
    let same = |example: &&Example| {
        examples
            .get(index)
            .is_some_and(|this| this.fires == example.fires)
    };
    examples.iter().take(index + 1).filter(same).count()
}

/// The ids of the documents of a file.
fn ids(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("id:"))
        .map(|id| id.trim().trim_matches(['"', '\'']))
        .collect()
}

/// The time of the first event of an example that does not say: a working day in winter.
const START_MILLIS: i64 = 1_772_438_400_000; // 2026-03-02T08:00:00Z

fn start() -> Timestamp {
    Timestamp::from_millis(START_MILLIS)
}

/// Sends the events through the decoder and the engine.
fn replay_example(ruleset: &Arc<Ruleset>, example: &Example, findings: &mut Findings) {
    let Ok(placeholder) = PLACEHOLDER_ORGANIZATION.parse::<OrganizationNumber>() else {
        return;
    };
    let start = start();
    let mut detector = Detector::new(ruleset);
    let mut correlator = Correlator::new(Arc::clone(ruleset));
    for (position, event) in (0_u64..).zip(&example.events) {
        let mut event = event.clone();
        let time = start.saturating_add(Duration::from_secs(position));
        event
            .entry(field::TIMESTAMP)
            .or_insert_with(|| Json::String(time.to_string()));
        let organization = event.get(field::ORGANIZATION_ID).and_then(Json::as_str);
        let organization = organization.and_then(|number| number.parse().ok());
        let payload = Json::Object(event).to_string();
        let origin = Origin {
            organization: organization.unwrap_or(placeholder),
            source: "example",
            position,
            // An example has no clock that it could be ahead of.
            observed: Timestamp::from_nanos(i64::MAX),
        };
        detector.scan(&mut correlator, payload.as_bytes(), &origin, findings);
    }
    detector.flush(&mut correlator, findings);
}
