//! `varde sensors`: the centre's side of trust: who vouches for sensors, who is let in, and what they are to run.
//!
//! It writes what a person decided to `varde.sensors` and what is to run to `varde.control`; the gateway reads both. The
//! rules of both are in `ingest-trust`; here are only files, questions and what a person reads. The key that signs
//! bundles is read here and nowhere else.

pub mod arguments;
mod authority;
mod carry;
mod decide;
mod desk;
mod enrol;
mod list;
mod publish;
mod restrict;

use crate::Terminal;
use crate::exit::Ended;
use arguments::SensorsCommand;
use desk::Desk;

/// Runs one of the commands.
///
/// # Errors
/// If the bus is away, a file is not what it should be, or nobody is meant.
pub fn run(command: &SensorsCommand, terminal: &mut Terminal<'_>) -> Ended {
    match command {
        SensorsCommand::Authority(arguments) => authority::run(arguments, terminal),
        SensorsCommand::Enrol(arguments) => Desk::run(&arguments.bus, async |desk| {
            enrol::run(desk, arguments, terminal).await
        }),
        SensorsCommand::List(arguments) => Desk::run(&arguments.bus, async |desk| {
            list::run(desk, arguments, terminal).await
        }),
        SensorsCommand::Approve(arguments) => Desk::run(&arguments.bus, async |desk| {
            decide::approve(desk, arguments, terminal).await
        }),
        SensorsCommand::Refuse(arguments) => Desk::run(&arguments.bus, async |desk| {
            decide::refuse(desk, arguments, terminal).await
        }),
        SensorsCommand::Revoke(arguments) => Desk::run(&arguments.bus, async |desk| {
            decide::revoke(desk, arguments, terminal).await
        }),
        SensorsCommand::Publish(arguments) => Desk::run(&arguments.bus, async |desk| {
            publish::run(desk, arguments, terminal).await
        }),
    }
}
