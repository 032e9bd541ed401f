//! The `varde` command: one file per subcommand, and what they share.
//!
//! | command | file | does |
//! |---|---|---|
//! | `varde up` | [`up`] | sensor agents, detector, alerting and console in one process |
//! | `varde replay` | [`replay`] | files → alerts, through the same code, without a bus |
//! | `varde rules` | [`rules`] | checks rules, tests them against their examples, explains them |
//! | `varde indicators` | [`indicators`] | checks indicator files |
//! | `varde models` | [`models`] | trains and checks models, computes their verdicts again |
//! | `varde audit` | [`audit`] | checks the audit log of the alerting service |
//! | `varde sensors` | [`sensors`] | the centre's side of trust: authority, codes, decisions, signed bundles |
//!
//! Alerts and reports go to standard output, everything else to standard error; neither is written to but through
//! the `Write`rs in [`Terminal`], so that a test reads what a person would see. No service's work is done here.

#![forbid(unsafe_code)]

pub mod arguments;
pub mod audit;
mod clock;
mod exit;
pub mod indicators;
pub mod load;
pub mod models;
pub mod replay;
pub mod rules;
pub mod sensors;
mod terminal;
mod text;
pub mod up;

use std::ffi::OsString;
use std::process::ExitCode;

pub use exit::{Ended, Exit, Failure};
pub use terminal::Terminal;

use arguments::{Command, IndicatorsCommand, ModelsCommand, RulesCommand};

/// Runs the command that the arguments name and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed terminal is all that can go wrong here, and then there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
            .into();
        }
    };
    run(arguments.command, &mut Terminal::standard()).into()
}

/// Runs one command.
pub fn run(command: Command, terminal: &mut Terminal<'_>) -> Exit {
    let ended = match command {
        Command::Up(arguments) => up::run(&arguments, terminal),
        Command::Replay(arguments) => replay::run(&arguments, terminal),
        Command::Rules {
            command: RulesCommand::Check(arguments),
        } => rules::check(&arguments, terminal),
        Command::Rules {
            command: RulesCommand::Test(arguments),
        } => rules::test(&arguments, terminal),
        Command::Rules {
            command: RulesCommand::Explain(arguments),
        } => rules::explain(&arguments, terminal),
        Command::Indicators {
            command: IndicatorsCommand::Check(arguments),
        } => indicators::check(&arguments, terminal),
        Command::Audit { command } => audit::run(&command, terminal),
        Command::Sensors { command } => sensors::run(&command, terminal),
        Command::Models { command } => match command {
            ModelsCommand::Train(arguments) => models::train(&arguments, terminal),
            ModelsCommand::Check(arguments) => models::check(&arguments, terminal),
            ModelsCommand::Card(arguments) => models::card(&arguments, terminal),
            ModelsCommand::Verify(arguments) => models::verify(&arguments, terminal),
        },
    };
    ended.unwrap_or_else(|failure| failure.report(terminal))
}
