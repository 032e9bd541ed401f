//! What can be said to `varde registry` and `varde route`.

use std::path::PathBuf;

use alerting::registry::Layer;
use clap::{Args, Subcommand};

use crate::arguments::ReportFormat;

pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a document or a question has flaws, or the import is not the one that was looked at; 64 wrong usage; \
65 a file or the store can't be read; 78 wrong configuration or registry.";

/// `varde registry …`.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// Say which flaws a document has
    #[command(after_help = EXIT_CODES)]
    Check(CheckArguments),
    /// Say what an import would add, change and remove; with --take, take it
    #[command(long_about = IMPORT_HELP, after_help = EXIT_CODES)]
    Import(ImportArguments),
    /// Print what holds, or the rows of one layer
    #[command(after_help = EXIT_CODES)]
    Export(ExportArguments),
    /// Say who would receive nothing, which contacts end or fail, and which manual values the layers below contradict
    #[command(after_help = EXIT_CODES)]
    Report(ReportArguments),
    /// Print the schema of documents, docs/registry.schema.json
    Schema,
}

const IMPORT_HELP: &str = "\
Say what an import would add, change and remove; with --take, take it.

An import takes the place of the one before: bodies that it does not name any more are removed. What people entered lies over it, \
the files under it. A service that runs learns of it within seconds.";

/// `varde route …`.
#[derive(Debug, Subcommand)]
pub enum RouteCommand {
    /// Say who would be told of an event, and why; nobody is
    #[command(after_help = EXIT_CODES)]
    Explain(ExplainArguments),
}

/// `varde registry check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArguments {
    /// A document: CSV if its name ends in .csv, else JSON
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `varde registry import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArguments {
    /// A document: CSV if its name ends in .csv, else JSON
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The configuration of the alerting service
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Take it: the code that the look at it printed
    #[arg(long, value_name = "PREVIEW", requires = "by", requires = "reason")]
    pub take: Option<String>,
    /// Who takes it, for the audit log
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `varde registry export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArguments {
    /// The configuration of the alerting service
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only the rows of one layer: file, import or manual [default: what holds]
    #[arg(long, value_name = "LAYER")]
    pub layer: Option<Layer>,
    /// As CSV instead of JSON
    #[arg(long)]
    pub csv: bool,
}

/// `varde registry report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// The configuration of the alerting service
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}

/// `varde route explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArguments {
    /// The configuration of the alerting service
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Use the registry's files alone, without what was imported and entered
    #[arg(long)]
    pub files: bool,
    /// Whose network, as the alert would say: an organisation number
    #[arg(long, value_name = "NUMBER")]
    pub organization: String,
    /// An address that occurs; several times
    #[arg(long, value_name = "IP")]
    pub address: Vec<String>,
    /// A name that occurs; several times
    #[arg(long, value_name = "NAME")]
    pub domain: Vec<String>,
    /// An autonomous system that occurs; several times
    #[arg(long, value_name = "NUMBER")]
    pub autonomous_system: Vec<u32>,
    /// The sensor
    #[arg(long, value_name = "NAME")]
    pub sensor: Option<String>,
    /// The part of the network [default: administration]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// How grave [default: high]
    #[arg(long, value_name = "SEVERITY")]
    pub severity: Option<String>,
    /// When, a date or an RFC 3339 time [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: ReportFormat,
}
