//! The main rows: an event against everything, beside P, `serde_json` and R; and beside naive loops, for scale.

use anyhow::Context as _;
use detect_alert::IndicatorKind;
use detect_engine::Ruleset;
use detect_rules::SourceText;
use rsigma_eval::{CompiledRule, Engine, JsonEvent, compile_rule, evaluate_rule};

use super::{
    BUILD, EVENTS, RUST_ALONE,
    contender::{Contender, ours, rsigma, serde, sonic},
    corpora::{Corpus, Kind},
    made::{eve_with, indicators},
    matching::Judge,
    row::{Beside, Limit, Row},
    turns::{Turns, by_turns},
};

/// Events for the naive loops: they take milliseconds each.
const NAIVE_EVENTS: usize = 400;

/// `serde_json` and R see one block of so many.
const SELDOM: usize = 5;

/// One row for each corpus.
///
/// # Errors
/// If someone refuses an event, counts differently, or finds something that can't be explained.
pub fn rows(
    corpora: &[Corpus],
    ruleset: &Ruleset,
    engine: &Engine,
    judge: &Judge<'_>,
    rounds: usize,
) -> anyhow::Result<Vec<Row>> {
    let mut verdicts = Vec::new();
    for corpus in corpora {
        let verdict = judge.judge(corpus)?;
        // ECS names are ours to map: a rule written for Sigma's names matches such events here and not there.
        anyhow::ensure!(
            is_made(corpus) || verdict.unexplained.is_empty(),
            "{}: {:?}",
            corpus.name,
            verdict.unexplained
        );
        verdicts.push(verdict);
    }
    let mut rows = Vec::new();
    for (corpus, verdict) in corpora.iter().zip(verdicts) {
        let mut contenders = [
            sonic(),
            ours("ours", ruleset),
            serde().every(SELDOM),
            rsigma(engine).every(SELDOM),
        ];
        let turns = by_turns(corpus, rounds, &mut contenders)?;
        let count = turns.count("ours");
        anyhow::ensure!(count >> 32 == 0, "ours refused {} events", count >> 32);
        let (floor, peer) = match (corpus.kind, BUILD == RUST_ALONE) {
            (Kind::Host, false) => (0.5, Some(12.0)),
            (Kind::Flow, false) => (1.5, Some(12.0)),
            (Kind::Host, true) => (0.35, None),
            (Kind::Flow, true) => (1.0, None),
        };
        let beside = beside(
            &turns,
            "ours",
            &["sonic-rs Value", "rsigma-eval 0.23, routing", "serde_json Value"],
        );
        let ratio = |at: usize| {
            beside
                .get(at)
                .and_then(|beside| beside.ratio)
                .map_or(0.0, |ratio| ratio.median)
        };
        let mut row = Row::new(
            "an event against everything",
            &describe(corpus),
            "events/CPU s",
            turns.rate("ours"),
        )
        .bar("ours ÷ P", ratio(0), Limit::AtLeast(floor));
        if let Some(peer) = peer {
            row = row.bar("ours ÷ R", ratio(1), Limit::AtLeast(peer));
        }
        row.beside = beside;
        let rest = if is_made(corpus) {
            "by field names"
        } else {
            "unexplained"
        };
        rows.push(row.checked(format!("{count} matches a round; {}", verdict.as_text(rest))));
    }
    Ok(rows)
}

fn is_made(corpus: &Corpus) -> bool {
    matches!(corpus.name.as_str(), "eve" | "ecs")
}

/// EVE events of which one in a hundred has an indicator: what a hit costs, with its explanation.
///
/// # Errors
/// If not every hit is found.
pub fn with_hits(ruleset: &Ruleset, rounds: usize) -> anyhow::Result<Row> {
    // The first indicators are the same whatever their number.
    let indicators = indicators(7, 2_000);
    let names: Vec<&str> = indicators
        .iter()
        .filter(|indicator| indicator.kind == IndicatorKind::Domain)
        .map(|indicator| indicator.value.as_str())
        .collect();
    let events = eve_with(5, 2 * EVENTS, &names);
    let hits = Corpus::new("eve, one hit in a hundred", Kind::Flow, events, EVENTS, 0);
    let turns = by_turns(&hits, rounds, &mut [sonic(), ours("ours", ruleset)])?;
    let (found, planted) = (turns.count("ours"), (hits.len() / 100) as u64);
    anyhow::ensure!(found == planted, "{found} of {planted} hits were found");
    let mut row = Row::new(
        "an event against everything, with hits",
        &describe(&hits),
        "events/CPU s",
        turns.rate("ours"),
    );
    row.beside = beside(&turns, "ours", &["sonic-rs Value"]);
    Ok(row.checked(format!("{found} matches, one for each planted hit")))
}

/// `name: 100000 events of 1371 bytes (10000 different)`.
#[must_use]
pub fn describe(corpus: &Corpus) -> String {
    format!(
        "{}: {} events of {} bytes, {} different",
        corpus.name,
        corpus.len(),
        corpus.mean_bytes(),
        corpus.distinct
    )
}

/// Others beside ours.
#[must_use]
pub fn beside(turns: &Turns, ours: &str, others: &[&str]) -> Vec<Beside> {
    others
        .iter()
        .map(|other| Beside {
            name: (*other).to_owned(),
            figure: turns.rate(other),
            ratio: turns.ratio(ours, other),
        })
        .collect()
}

/// For scale: engines that go through their rules one by one, on few events.
///
/// # Errors
/// If a rule does not compile for `rsigma-eval`.
pub fn naive(corpora: &[Corpus], ruleset: &Ruleset, sources: &[SourceText]) -> anyhow::Result<Vec<Row>> {
    let mut compiled: Vec<CompiledRule> = Vec::new();
    let mut sigma_rust = Vec::new();
    for source in sources {
        for rule in rsigma_parser::parse_sigma_yaml(&source.text)?.rules {
            compiled.push(compile_rule(&rule).with_context(|| format!("compile {}", source.path))?);
        }
        sigma_rust.extend(sigma_rust::rule_from_yaml(&source.text).ok());
    }
    let mut rows = Vec::new();
    for corpus in corpora
        .iter()
        .filter(|corpus| matches!(corpus.name.as_str(), "mix" | "zeek"))
    {
        let few = corpus.few(NAIVE_EVENTS);
        let mut contenders = [
            ours("ours", ruleset),
            Contender::new("a loop over rsigma-eval's rules", |block| {
                block
                    .events()
                    .filter_map(|event| serde_json::from_slice::<serde_json::Value>(event).ok())
                    .map(|value| {
                        let event = JsonEvent::borrow(&value);
                        compiled
                            .iter()
                            .filter(|rule| evaluate_rule(rule, &event).is_some())
                            .count() as u64
                    })
                    .sum()
            }),
            Contender::new("sigma-rust 0.7", |block| {
                block
                    .events()
                    .filter_map(|event| sigma_rust::event_from_json(std::str::from_utf8(event).ok()?).ok())
                    .map(|event| sigma_rust.iter().filter(|rule| rule.is_match(&event)).count() as u64)
                    .sum()
            }),
        ];
        let turns = by_turns(&few, 1, &mut contenders)?;
        let mut row = Row::new(
            "naive rivals, for scale",
            &describe(&few),
            "events/CPU s",
            turns.rate("ours"),
        );
        row.beside = beside(
            &turns,
            "ours",
            &["a loop over rsigma-eval's rules", "sigma-rust 0.7"],
        );
        rows.push(row.checked(format!(
            "sigma-rust loads {} of {} rules; both try every rule, whatever its log source; matches: {} ours, {} the \
             loop's, {} sigma-rust's",
            sigma_rust.len(),
            sources.len(),
            turns.count("ours"),
            turns.count("a loop over rsigma-eval's rules"),
            turns.count("sigma-rust 0.7")
        )));
    }
    Ok(rows)
}
