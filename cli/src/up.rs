//! `varde up`.

use crate::Terminal;
use crate::arguments::UpArguments;
use crate::exit::{Ended, Failure};

/// Runs it.
///
/// # Errors
/// Always, so far.
pub fn run(_arguments: &UpArguments, _terminal: &mut Terminal<'_>) -> Ended {
    Err(Failure::configuration("not there yet"))
}
