//! `varde replay`: files in, alerts out, through the same code as in production and without a bus.
//!
//! One thread reads, normalises, stamps and encodes (`read`); this one decodes, scans, correlates and raises, and
//! prints. Between them is a short bounded channel, so memory does not grow with the input, and the order of alerts is
//! that of the events. Nothing on standard output depends on the clock: two runs print the same bytes.

mod expect;
mod inputs;
mod print;
mod progress;
mod read;
mod refusals;
mod summary;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use detect::detector::{Detector, Findings, Origin};
use detect_alert::Alert;
use detect_engine::{Correlator, Ruleset};
use ingest_event::{KeptRecord, Timestamp, Zone};

pub use expect::Expectation;
pub use inputs::Input;
pub use read::{Privacy, Source, Whose};
pub use summary::{InputSummary, Summary};

use print::Printer;
use progress::Progress;
use read::{Payload, Piece};
use refusals::Refusals;

use crate::arguments::{Format, PLACEHOLDER_ORGANIZATION, ReplayArguments};
use crate::exit::{Ended, Failure};
use crate::text::chain;
use crate::{Exit, Terminal, clock, load};

/// Runs `varde replay`.
///
/// # Errors
/// If it can't start, or output can't be written.
pub fn run(arguments: &ReplayArguments, terminal: &mut Terminal<'_>) -> Ended {
    let started = clock::stopwatch();
    let mut expectation = arguments
        .expect
        .as_deref()
        .map(Expectation::read)
        .transpose()
        .map_err(Failure::configuration)?;
    let ruleset = load::ruleset(
        &load::Sources {
            rules: &arguments.rules,
            indicators: &arguments.indicators,
        },
        arguments.strict,
        arguments.no_models,
        terminal,
    )?;
    let source = source(arguments)?;
    let format = arguments.format.unwrap_or(match terminal.out_is_terminal {
        true => Format::Table,
        false => Format::Ndjson,
    });
    let mut view = View::new(arguments, format, &source, terminal)?;
    let mut printer = Printer::new(format);
    let summary = replay(&source, &ruleset, &mut |happened, summary| {
        if let Happened::Alert(alert, encoded) = happened {
            printer.take(alert, encoded, &mut *terminal.out)?;
            if let Some(expectation) = &mut expectation {
                expectation.take(alert, encoded);
            }
        }
        view.happened(happened, summary, arguments, terminal)
    })?;
    view.progress.finish();
    view.refusals
        .finish(terminal)
        .map_err(|error| unwritten(arguments, &error))?;
    let colours = terminal.colours && terminal.out_is_terminal;
    printer.finish(&summary, &mut *terminal.out, colours)?;
    terminal.out.flush()?;
    let line = summary.line(started.elapsed());
    match format {
        Format::Table => {
            writeln!(terminal.out, "{line}")?;
            terminal.out.flush()?;
        }
        Format::Json | Format::Ndjson if arguments.summary => terminal.tell(&line),
        Format::Json | Format::Ndjson => {}
    }
    let differs = expectation
        .zip(arguments.expect.as_deref())
        .and_then(|(expectation, path)| {
            expectation.diff(
                &path.display().to_string(),
                terminal.colours && terminal.err_is_terminal,
            )
        });
    if let Some(diff) = &differs {
        terminal.tell(diff.trim_end());
    }
    Ok(match (summary.failed(), differs) {
        (0, None) => Exit::Done,
        (0, Some(_)) => Exit::Differs,
        _ => Exit::Input,
    })
}

/// What happens in a replay, one at a time and in order.
#[derive(Debug)]
pub enum Happened<'a> {
    /// An alert, with its wire form.
    Alert(&'a Alert, &'a [u8]),
    /// Something was put aside.
    Refused(&'a KeptRecord),
    /// An input can't be read, or not to its end; why.
    Failed(&'a str),
    /// So many bytes of the current input have been read.
    Progress(u64),
    /// The current input has been read; its bytes.
    Next(u64),
}

/// Replays `source` through `ruleset` and tells `told` what happens.
///
/// # Errors
/// Those of `told`, which stop it. What is wrong with an input does not.
pub fn replay<E>(
    source: &Source,
    ruleset: &Arc<Ruleset>,
    told: &mut dyn FnMut(&Happened<'_>, &Summary) -> Result<(), E>,
) -> Result<Summary, E> {
    std::thread::scope(|scope| {
        let pieces = read::spawn(scope, source);
        let mut stage = Stage::new(ruleset);
        for piece in pieces {
            stage.take(&piece, told)?;
        }
        stage.flush(told)?;
        Ok(stage.summary)
    })
}

/// The second half: scan, correlate, raise.
struct Stage<'r> {
    detector: Detector<'r>,
    ruleset: &'r Arc<Ruleset>,
    correlator: Correlator,
    newest: Timestamp,
    input_begins: bool,
    findings: Findings,
    summary: Summary,
    observed: Timestamp,
}

/// Events that are older than those before by more than this begin a new story: someone named the files of two days
/// in the wrong order. The correlator forgets quiet groups after an hour of event time.
const BACK_MAX: Duration = Duration::from_secs(3600);

impl<'r> Stage<'r> {
    fn new(ruleset: &'r Arc<Ruleset>) -> Self {
        Self {
            ruleset,
            newest: Timestamp::EPOCH,
            input_begins: true,
            detector: Detector::new(ruleset),
            correlator: Correlator::new(Arc::clone(ruleset)),
            findings: Findings::default(),
            summary: Summary {
                ruleset: ruleset.version().0.clone(),
                ..Summary::default()
            },
            observed: clock::now(),
        }
    }

    fn take<E>(
        &mut self,
        piece: &Piece,
        told: &mut dyn FnMut(&Happened<'_>, &Summary) -> Result<(), E>,
    ) -> Result<(), E> {
        match piece {
            Piece::Opened { path, format } => {
                self.input_begins = true;
                let (path, format) = (path.clone(), format.clone());
                self.summary.inputs.push(InputSummary {
                    path,
                    format,
                    ..InputSummary::default()
                });
            }
            Piece::Batch(batch) => {
                for record in &batch.refused {
                    self.refuse(record, told)?;
                }
                for payload in batch.payloads() {
                    self.scan(&payload, told)?;
                }
                told(&Happened::Progress(batch.bytes_read), &self.summary)?;
            }
            Piece::Ended { failed, bytes } => {
                if let Some(why) = failed {
                    told(&Happened::Failed(why), &self.summary)?;
                }
                if let Some(input) = self.summary.inputs.last_mut() {
                    input.failed.clone_from(failed);
                }
                told(&Happened::Next(*bytes), &self.summary)?;
            }
        }
        Ok(())
    }

    fn scan<E>(
        &mut self,
        payload: &Payload<'_>,
        told: &mut dyn FnMut(&Happened<'_>, &Summary) -> Result<(), E>,
    ) -> Result<(), E> {
        self.summary.events += 1;
        if std::mem::take(&mut self.input_begins) && payload.timestamp.saturating_add(BACK_MAX) < self.newest
        {
            self.flush(told)?;
            self.correlator = Correlator::new(Arc::clone(self.ruleset));
        }
        self.newest = self.newest.max(payload.timestamp);
        let path = self.summary.inputs.last_mut().map_or("", |input| {
            input.events += 1;
            &input.path
        });
        let origin = Origin {
            organization: payload.organization,
            source: path,
            position: self.summary.events,
            observed: self.observed,
        };
        self.findings.alerts.clear();
        self.findings.quarantined.clear();
        self.detector
            .scan(&mut self.correlator, payload.bytes, &origin, &mut self.findings);
        self.tell(told)
    }

    /// The input is at its end, or another story begins: what waits for its turn is told of.
    fn flush<E>(&mut self, told: &mut dyn FnMut(&Happened<'_>, &Summary) -> Result<(), E>) -> Result<(), E> {
        self.findings.alerts.clear();
        self.detector.flush(&mut self.correlator, &mut self.findings);
        self.tell(told)
    }

    fn tell<E>(&mut self, told: &mut dyn FnMut(&Happened<'_>, &Summary) -> Result<(), E>) -> Result<(), E> {
        for alert in &self.findings.alerts {
            self.summary.alerts += 1;
            told(
                &Happened::Alert(alert, &detect_alert::encode(alert)),
                &self.summary,
            )?;
        }
        for record in std::mem::take(&mut self.findings.quarantined) {
            // The event itself is in the input, at the place of which the record tells.
            let raw = String::new();
            self.refuse(&KeptRecord { record, raw }, told)?;
        }
        Ok(())
    }

    fn refuse<E>(
        &mut self,
        kept: &KeptRecord,
        told: &mut dyn FnMut(&Happened<'_>, &Summary) -> Result<(), E>,
    ) -> Result<(), E> {
        *self.summary.refused.entry(kept.record.reason).or_default() += 1;
        if let Some(input) = self.summary.inputs.last_mut() {
            input.refused += 1;
        }
        told(&Happened::Refused(kept), &self.summary)
    }
}

/// Everything but the alerts, as a person sees it.
struct View {
    progress: Progress,
    refusals: Refusals,
}

impl View {
    fn new(
        arguments: &ReplayArguments,
        format: Format,
        source: &Source,
        terminal: &Terminal<'_>,
    ) -> Result<Self, Failure> {
        let refusals =
            Refusals::new(arguments.quarantine.as_deref()).map_err(|error| unwritten(arguments, &error))?;
        // Alerts that stream to the same terminal would tear the bar apart.
        let streams = terminal.out_is_terminal && format == Format::Ndjson;
        let visible = terminal.err_is_terminal && !arguments.no_progress && !streams;
        Ok(Self {
            progress: Progress::new(&source.inputs, visible),
            refusals,
        })
    }

    fn happened(
        &mut self,
        happened: &Happened<'_>,
        summary: &Summary,
        arguments: &ReplayArguments,
        terminal: &mut Terminal<'_>,
    ) -> Result<(), Failure> {
        match happened {
            Happened::Alert(..) => {}
            Happened::Refused(record) => {
                let progress = &self.progress;
                self.refusals
                    .take(record, &mut |line| progress.aside(|| terminal.tell(line)))
                    .map_err(|error| unwritten(arguments, &error))?;
            }
            Happened::Failed(why) => self.progress.aside(|| terminal.error(&format!("cannot {why}"))),
            Happened::Progress(bytes) => self.progress.at(*bytes, summary.events, summary.alerts),
            Happened::Next(bytes) => self.progress.next(*bytes),
        }
        Ok(())
    }
}

fn unwritten(arguments: &ReplayArguments, error: &std::io::Error) -> Failure {
    let path = arguments
        .quarantine
        .as_deref()
        .unwrap_or(Path::new("--quarantine"));
    Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
}

fn source(arguments: &ReplayArguments) -> Result<Source, Failure> {
    let paths = inputs::expand(&arguments.inputs).map_err(|(path, error)| {
        Failure::new(
            Exit::Input,
            format!("cannot list the folder {}: {error}", path.display()),
        )
    })?;
    if paths.is_empty() {
        return Err(Failure::new(
            Exit::Input,
            "the folder has no files; name the files or another folder",
        ));
    }
    let organization = match arguments.organization {
        Some(organization) => Whose::Always(organization),
        None => Whose::UnlessSaid(
            PLACEHOLDER_ORGANIZATION
                .parse()
                .map_err(|_| Failure::new(Exit::Usage, "name an --organization"))?,
        ),
    };
    let privacy = arguments.privacy.as_deref().map(privacy).transpose()?;
    let input = |path| Input {
        path,
        dataset: arguments.dataset.clone(),
        year: arguments.year,
    };
    Ok(Source {
        inputs: paths.into_iter().map(input).collect(),
        organization,
        sensor: arguments.sensor.clone(),
        zone: Zone::Administration,
        home_networks: match &privacy {
            Some(privacy) if arguments.home.is_empty() => privacy.config.home_networks.clone(),
            Some(_) | None => arguments.home.clone(),
        },
        privacy,
    })
}

/// What a sensor would send, by its configuration and newest key; one that never ran has none, and then the pseudonyms
/// are those of no sensor.
fn privacy(path: &Path) -> Result<Privacy, Failure> {
    let config = ingest::config::load(path)
        .map_err(|error| Failure::configuration(format!("cannot {}", chain(&error))))?;
    let keys = ingest::site::keys::read(&config.state)
        .map_err(|error| Failure::configuration(format!("cannot {}", chain(&error))))?;
    let key = keys.last().cloned();
    Ok(Privacy {
        key: key.unwrap_or(ingest::site::keys::SiteKey::of(0, [0; 32])),
        config,
    })
}
