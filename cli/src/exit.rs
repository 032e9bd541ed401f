//! How a command ends: exit codes after BSD's `sysexits.h`, and failures that carry one.

use std::io;
use std::process::ExitCode;

use crate::Terminal;

/// How a command ended. The numbers are an interface: scripts and CI read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done, nothing to remark.
    Done,
    /// 1: done, and the outcome is not what was asked for: `--expect` differs, a rule's test fails.
    Differs,
    /// 64 (`EX_USAGE`): the arguments are wrong.
    Usage,
    /// 65 (`EX_DATAERR`): an input can't be read.
    Input,
    /// 70 (`EX_SOFTWARE`): a part of `varde up` failed, or the bus of `varde sensors` is away.
    Failed,
    /// 78 (`EX_CONFIG`): rules, indicators or a configuration are wrong.
    Configuration,
    /// 141: nobody reads the output any more, as if ended by SIGPIPE (128 + 13).
    Closed,
}

/// Why a command could not go on. What has been said to the person already is not said again.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: Option<String>,
}

/// What a command ends with.
pub type Ended = Result<Exit, Failure>;

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Differs => 1,
            Self::Usage => 64,
            Self::Input => 65,
            Self::Failed => 70,
            Self::Configuration => 78,
            Self::Closed => 141,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Failure {
    /// Ends with `exit` after saying `message`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: Some(message.into()),
        }
    }

    /// The rules, the indicators or the configuration are wrong.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(Exit::Configuration, message)
    }

    /// Says why on standard error.
    pub(crate) fn report(self, terminal: &mut Terminal<'_>) -> Exit {
        if let Some(message) = self.message {
            terminal.error(&message);
        }
        self.exit
    }
}

/// Output that can't be written: a closed pipe ends quietly, anything else is told.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                exit: Exit::Closed,
                message: None,
            };
        }
        Self::new(Exit::Failed, format!("cannot write the output: {error}"))
    }
}
