//! Those who are measured: ours, floors that only read the event, and peers that match rules too.
//!
//! Each takes a block of events and returns what it counted, so that no work is left out.

use anyhow::Context as _;
use detect_engine::{EventView, Match, MatchSink, Ruleset, Scanner};
use detect_rules::SourceText;
use rsigma_eval::{Engine, JsonEvent};
use rsigma_parser::LogSource;
use sonic_rs::JsonContainerTrait as _;

use super::corpora::Block;

/// One of those who run by turns.
pub struct Contender<'a> {
    /// Short, as in the record.
    pub name: &'static str,
    /// Takes part in one of so many blocks: slow ones see a part of the corpus, and ratios to them are made over
    /// the blocks that both had.
    pub every: usize,
    /// The work.
    pub run: Box<dyn FnMut(Block<'_>) -> u64 + 'a>,
}

impl<'a> Contender<'a> {
    /// One that sees each block.
    pub fn new(name: &'static str, run: impl FnMut(Block<'_>) -> u64 + 'a) -> Self {
        Self {
            name,
            every: 1,
            run: Box::new(run),
        }
    }

    /// One that sees one of so many.
    #[must_use]
    pub fn every(mut self, every: usize) -> Self {
        self.every = every.max(1);
        self
    }
}

/// P: `sonic-rs` reads the event into its `Value` and does nothing else.
#[must_use]
pub fn sonic<'a>() -> Contender<'a> {
    Contender::new("sonic-rs Value", |block| {
        block
            .events()
            .filter_map(|event| sonic_rs::from_slice::<sonic_rs::Value>(event).ok())
            .map(|value| value.as_object().map_or(0, |object| object.len() as u64))
            .sum()
    })
}

/// What most programs pay before they match anything.
#[must_use]
pub fn serde<'a>() -> Contender<'a> {
    Contender::new("serde_json Value", |block| {
        block
            .events()
            .filter_map(|event| serde_json::from_slice::<serde_json::Value>(event).ok())
            .map(|value| value.as_object().map_or(0, |object| object.len() as u64))
            .sum()
    })
}

/// Ours: bytes in, matches with explanation out. One scanner for all blocks, as in the detector.
#[must_use]
pub fn ours<'r>(name: &'static str, ruleset: &'r Ruleset) -> Contender<'r> {
    let mut scanner = Scanner::new(ruleset);
    Contender::new(name, move |block| {
        let mut sink = Tally::default();
        for event in block.events() {
            if scanner.scan(event, &mut sink).is_err() {
                sink.refused += 1;
            }
        }
        std::hint::black_box(sink.explained);
        sink.matches + (sink.refused << 32)
    })
}

/// Counts matches, and reads each one's explanation.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many.
    pub matches: u64,
    /// Bytes of explanation.
    pub explained: usize,
    /// Events that could not be read.
    pub refused: u64,
}

impl MatchSink for Tally {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        self.matches += 1;
        self.explained += hit
            .findings
            .iter()
            .map(|finding| finding.field.len() + finding.value.len() + finding.matched.len())
            .sum::<usize>();
    }
}

/// R: `rsigma-eval` with log-source routing, its best configuration, with the match detail that it has by default.
///
/// # Errors
/// If it refuses a rule.
pub fn rsigma_engine(sources: &[SourceText]) -> anyhow::Result<Engine> {
    let mut engine = Engine::new();
    let mut collections = Vec::new();
    for source in sources {
        let read = rsigma_parser::parse_sigma_yaml(&source.text);
        collections.push(read.with_context(|| format!("read {}", source.path))?);
    }
    let refused = engine.add_rules(collections.iter().flat_map(|collection| &collection.rules));
    anyhow::ensure!(refused.is_empty(), "rsigma-eval refused {} rules", refused.len());
    Ok(engine)
}

/// R at work. It gets the event's log source from `product`, `category` and `service`, or else from the dataset,
/// as its own schema router would tell it; without one it would try every rule.
#[must_use]
pub fn rsigma(engine: &Engine) -> Contender<'_> {
    let sources = RsigmaSources::default();
    Contender::new("rsigma-eval 0.23, routing", move |block| {
        block
            .events()
            .filter_map(|event| serde_json::from_slice::<serde_json::Value>(event).ok())
            .map(|value| {
                let source = sources.of(&value);
                engine.evaluate_pruned(&JsonEvent::borrow(&value), &source).len() as u64
            })
            .sum()
    })
}

/// The log source that R is told for an event.
#[derive(Debug)]
pub struct RsigmaSources {
    by_dataset: [(&'static str, LogSource); 4],
    extractor: rsigma_eval::LogSourceExtractor,
}

impl Default for RsigmaSources {
    fn default() -> Self {
        let source = |category: &str, service: &str| LogSource {
            product: Some("zeek".to_owned()),
            category: Some(category.to_owned()),
            service: Some(service.to_owned()),
            ..LogSource::default()
        };
        Self {
            by_dataset: [
                ("network.flow", source("network_connection", "conn")),
                ("network.dns", source("dns", "dns")),
                ("network.tls", source("network", "ssl")),
                ("network.http", source("proxy", "http")),
            ],
            extractor: rsigma_eval::LogSourceExtractor::new(),
        }
    }
}

impl RsigmaSources {
    /// For this event.
    #[must_use]
    pub fn of(&self, event: &serde_json::Value) -> LogSource {
        let dataset = event.get("event.dataset").and_then(serde_json::Value::as_str);
        dataset
            .and_then(|dataset| self.by_dataset.iter().find(|(known, _)| *known == dataset))
            .map_or_else(
                || self.extractor.extract(&JsonEvent::borrow(event)),
                |(_, source)| source.clone(),
            )
    }
}
