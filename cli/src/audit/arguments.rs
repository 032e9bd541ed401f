//! What can be said to `varde audit`.

use std::path::PathBuf;

use alerting::audit::{Head, HeadError};
use clap::{Args, Subcommand};

pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 the log is whole; 1 it is not, and the first entry that does not fit is named; 64 wrong usage; \
65 a file or the store can't be read; 78 wrong configuration.";

/// `varde audit …`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no entry was changed, taken out or cut off
    #[command(long_about = VERIFY_HELP, after_help = EXIT_CODES)]
    Verify(VerifyArguments),
    /// Print the log, one JSON object a line
    #[command(after_help = EXIT_CODES)]
    Export(ExportArguments),
    /// Print number and digest of the last entry, to be kept elsewhere and given to `verify --head`
    #[command(after_help = EXIT_CODES)]
    Head(StoreArguments),
}

const VERIFY_HELP: &str = "\
Check that no entry was changed, taken out or cut off.

Each entry's digest covers the one before it, so whatever is changed breaks the chain at its place. Who may write to the store \
can make the whole chain anew: give with --head what `varde audit head` printed earlier and was kept elsewhere, on paper too; \
the log must still reach that entry, and have it as it was.";

/// Which store.
#[derive(Args, Clone, Debug)]
pub struct StoreArguments {
    /// The configuration of the alerting service
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `varde audit verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArguments {
    /// The configuration of the alerting service whose log it is
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub config: Option<PathBuf>,
    /// An exported log from its first entry on, or - for standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// What `varde audit head` printed earlier, or a file with it; several times
    #[arg(long, value_name = "NUMBER:DIGEST|FILE", value_parser = noted)]
    pub head: Vec<Head>,
}

/// `varde audit export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArguments {
    /// Which store
    #[command(flatten)]
    pub store: StoreArguments,
    /// Only the entries after this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub after: u64,
}

/// A head, or the file that one was written to.
fn noted(text: &str) -> Result<Head, String> {
    let read = |error: HeadError| match std::fs::read_to_string(text) {
        Ok(inside) => inside
            .parse()
            .map_err(|error: HeadError| format!("in that file: {error}")),
        Err(_) => Err(format!("{error}; and there is no such file")),
    };
    text.parse().or_else(read)
}
