//! `varde models train`: lists and draws → a model, and figures on what it was not trained with.

use std::fs;

use detect_models::train::{DomainReport, DomainTraining, FlowKind, FlowReport, FlowTraining, Kind, Trained};
use detect_models::{DomainModel, FlowModel, LoadError};

use super::bundled;
use super::names::Names;
use crate::arguments::{ModelName, TrainArguments};
use crate::exit::{Ended, Failure};
use crate::text::number;
use crate::{Exit, Terminal};

/// Names or flows that are drawn of each kind to measure with.
const DRAWN: usize = 2_000;

/// Trains a model; then writes and measures it, or compares it with the bundled one.
///
/// # Errors
/// If a list can't be read, lists of names are given for flows, or the model or output can't be written.
pub fn train(arguments: &TrainArguments, terminal: &mut Terminal<'_>) -> Ended {
    let TrainArguments {
        benign,
        ordinary,
        family,
        ..
    } = arguments;
    if arguments.model == ModelName::Flows && [benign, ordinary, family].iter().any(|lists| !lists.is_empty())
    {
        let why = "flows are drawn, and need no names: leave --benign, --ordinary and --family out";
        return Err(Failure::new(Exit::Usage, why));
    }
    let lists = arguments
        .benign
        .iter()
        .map(|path| Names::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let titles: Vec<&str> = std::iter::once("Norwegian names drawn by Varde")
        .chain(lists.iter().map(|list| list.title.as_str()))
        .collect();
    let names = lists.iter().flat_map(|list| &list.names).map(String::as_str);
    let domains = DomainTraining::new(arguments.seed, &titles.join("; "), names);
    let flows = FlowTraining::new(arguments.seed);
    let trained = match arguments.model {
        ModelName::DomainNames => domains.train(),
        ModelName::Flows => flows.train(),
    };
    terminal.tell(&format!(
        "trained with {} ordinary and {} others: {} bytes",
        number(trained.ordinary as u64),
        number(trained.targets as u64),
        number(trained.file.len() as u64)
    ));
    if let Some(path) = &arguments.output {
        fs::write(path, &trained.file).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("{}: cannot write it: {error}", path.display()),
            )
        })?;
    }
    if arguments.check {
        return compare(arguments.model, &trained, terminal);
    }
    match arguments.model {
        ModelName::DomainNames => measure_domains(arguments, &domains, &trained, terminal)?,
        ModelName::Flows => measure_flows(&flows, &trained, terminal)?,
    }
    terminal.out.flush()?;
    Ok(Exit::Done)
}

/// Whether the training gave the bundled model, byte for byte.
fn compare(model: ModelName, trained: &Trained, terminal: &mut Terminal<'_>) -> Ended {
    let path = format!("models/{}.model", model.as_str());
    let same = bundled().any(|file| file.path == path && *file.content == *trained.file.as_bytes());
    let outcome = if same { "the same bytes as" } else { "differs from" };
    writeln!(terminal.out, "{}: {outcome} the bundled model", model.as_str())?;
    terminal.out.flush()?;
    Ok(if same { Exit::Done } else { Exit::Differs })
}

fn measure_domains(
    arguments: &TrainArguments,
    training: &DomainTraining,
    trained: &Trained,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let model = DomainModel::load(trained.file.as_bytes()).map_err(broken)?;
    let mut ordinary = training.held_out();
    if !arguments.ordinary.is_empty() {
        ordinary.clear();
    }
    for path in &arguments.ordinary {
        ordinary.extend(Names::read(path)?.names);
    }
    let mut report = DomainReport::new(training, &model, ordinary.iter().map(String::as_str));
    for kind in Kind::ALL {
        let names = training.targets(kind, DRAWN);
        let names = || names.iter().map(String::as_str);
        if Kind::TRAINED.contains(&kind) {
            report.family(&format!("drawn: {}", kind.as_str()), names());
            let without = training.clone().without(kind).train();
            let without = DomainModel::load(without.file.as_bytes()).map_err(broken)?;
            let mut alone = DomainReport::new(training, &without, ordinary.iter().map(String::as_str));
            alone.family(
                &format!("drawn: {}, kind not trained with", kind.as_str()),
                names(),
            );
            report.append(alone);
        } else {
            report.family(&format!("drawn: {}, never trained with", kind.as_str()), names());
        }
    }
    for path in &arguments.family {
        let names = Names::read(path)?;
        let title = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or(&names.title);
        report.family(&format!("real: {title}"), names.names.iter().map(String::as_str));
    }
    write!(terminal.out, "{report}")?;
    Ok(())
}

fn measure_flows(
    training: &FlowTraining,
    trained: &Trained,
    terminal: &mut Terminal<'_>,
) -> Result<(), Failure> {
    let model = FlowModel::load(trained.file.as_bytes()).map_err(broken)?;
    let mut report = FlowReport::new(training, &model, DRAWN);
    for kind in FlowKind::ALL.into_iter().filter(|kind| kind.is_target()) {
        let flows = training.held_out(kind, DRAWN);
        report.family(&format!("drawn: {}", kind.as_str()), &flows);
        let without = training.without(kind).train();
        let without = FlowModel::load(without.file.as_bytes()).map_err(broken)?;
        let mut alone = FlowReport::new(training, &without, DRAWN);
        alone.family(
            &format!("drawn: {}, kind not trained with", kind.as_str()),
            &flows,
        );
        report.append(alone);
    }
    write!(terminal.out, "{report}")?;
    Ok(())
}

/// What was just written is always read; if not, that is a fault of ours that the person should hear of.
fn broken(error: LoadError) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("the trained model can't be read again: {error}"),
    )
}
