//! `varde models`: trains models, checks their files, prints their cards, and computes recorded verdicts again.
//!
//! What a model is and how it is trained is in `detect-models`; here are only files, lists and what a person reads.

mod names;
mod train;
mod verify;

use std::fs;
use std::path::Path;

use detect_models::{DomainModel, FlowModel, Identity, LoadError, Record, RecordError};

use crate::arguments::{CardArguments, ModelName, ModelsCheckArguments};
use crate::exit::{Ended, Failure};
use crate::text::{number, shown};
use crate::{Exit, Terminal};

pub use train::train;
pub use verify::verify;

/// Longest data description that is shown, in characters.
const DATA_SHOWN: usize = 400;

impl ModelName {
    /// As it stands in the model's file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DomainNames => "domain-names",
            Self::Flows => "flows",
        }
    }
}

/// A loaded model of either sort.
enum Model {
    Domains(Box<DomainModel>),
    Flows(Box<FlowModel>),
}

impl Model {
    fn load(bytes: &[u8]) -> Result<Self, LoadError> {
        match DomainModel::load(bytes) {
            Err(LoadError::Other { found, .. }) if found == ModelName::Flows.as_str() => {
                FlowModel::load(bytes).map(|model| Self::Flows(Box::new(model)))
            }
            loaded => loaded.map(|model| Self::Domains(Box::new(model))),
        }
    }

    fn identity(&self) -> &Identity {
        match self {
            Self::Domains(model) => model.identity(),
            Self::Flows(model) => model.identity(),
        }
    }

    fn verify(&self, record: &Record) -> Result<(), RecordError> {
        match self {
            Self::Domains(model) => model.verify(record),
            Self::Flows(model) => model.verify(record),
        }
    }
}

/// Loads each model and says what it is.
///
/// # Errors
/// If output can't be written.
pub fn check(arguments: &ModelsCheckArguments, terminal: &mut Terminal<'_>) -> Ended {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut exit = Exit::Done;
    if arguments.files.is_empty() {
        files.extend(bundled().map(|file| (file.path.clone(), file.content.into_owned())));
    }
    for path in &arguments.files {
        match fs::read(path) {
            Ok(bytes) => files.push((path.display().to_string(), bytes)),
            Err(error) => {
                terminal.error(&format!("{}: cannot read it: {error}", path.display()));
                exit = Exit::Configuration;
            }
        }
    }
    for (path, bytes) in &files {
        match Model::load(bytes) {
            Ok(model) => {
                let Identity {
                    name,
                    digest,
                    seed,
                    data,
                } = model.identity();
                let size = number(bytes.len() as u64);
                writeln!(
                    terminal.out,
                    "{path}: {name}, {size} bytes, seed {seed}, digest {digest}"
                )?;
                writeln!(terminal.out, "  trained with {}", shown(data, DATA_SHOWN))?;
            }
            Err(error) => {
                terminal.error(&format!("{path}: {error}"));
                exit = Exit::Configuration;
            }
        }
    }
    terminal.out.flush()?;
    Ok(exit)
}

/// Prints cards.
///
/// # Errors
/// If output can't be written.
pub fn card(arguments: &CardArguments, terminal: &mut Terminal<'_>) -> Ended {
    for file in rulesets::files().iter().filter(|file| file.is_model_card()) {
        let name = file
            .path
            .trim_start_matches("models/")
            .trim_end_matches(".card.md");
        if arguments.model.is_none_or(|model| model.as_str() == name) {
            writeln!(terminal.out, "{}", file.text())?;
        }
    }
    terminal.out.flush()?;
    Ok(Exit::Done)
}

/// The models inside the binary.
fn bundled() -> impl Iterator<Item = rulesets::File> {
    rulesets::files().into_iter().filter(rulesets::File::is_model)
}

/// Reads a model that a person named.
fn read(path: &Path) -> Result<Model, Failure> {
    let bytes = fs::read(path)
        .map_err(|error| Failure::configuration(format!("{}: cannot read it: {error}", path.display())))?;
    Model::load(&bytes).map_err(|error| Failure::configuration(format!("{}: {error}", path.display())))
}
