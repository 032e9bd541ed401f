//! The `varde` command. Everything is in the library, so that tests and other crates run the same code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
