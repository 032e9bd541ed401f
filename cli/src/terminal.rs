//! Where output goes: the two standard streams, or a test's buffers.

use std::io::{self, BufWriter, IsTerminal, Write};

/// Standard output and standard error, and whether a person looks at them.
pub struct Terminal<'a> {
    /// Results: alerts, reports.
    pub out: Box<dyn Write + 'a>,
    /// Everything else: progress, warnings, summaries.
    pub err: Box<dyn Write + 'a>,
    /// A person reads `out`.
    pub out_is_terminal: bool,
    /// A person reads `err`.
    pub err_is_terminal: bool,
    /// Colours may be used where a person reads (<https://no-color.org>).
    pub colours: bool,
}

/// Bytes of output that are gathered before they are written: two pages of alerts.
const OUT_BUFFER_BYTES: usize = 64 * 1024;

impl Terminal<'static> {
    /// The process's own streams.
    #[must_use]
    pub fn standard() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            out: Box::new(BufWriter::with_capacity(OUT_BUFFER_BYTES, io::stdout())),
            err: Box::new(io::stderr()),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            colours: !plain,
        }
    }
}

impl<'a> Terminal<'a> {
    /// Buffers, as of a program that is no terminal.
    #[must_use]
    pub fn buffers(out: impl Write + 'a, err: impl Write + 'a) -> Self {
        Self {
            out: Box::new(out),
            err: Box::new(err),
            out_is_terminal: false,
            err_is_terminal: false,
            colours: false,
        }
    }

    /// One line on standard error. What can't be written there can't be told anywhere.
    pub fn tell(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    /// Why it ends or what went wrong, on standard error.
    pub fn error(&mut self, message: &str) {
        let label = self.paint("31;1", "varde:", self.err_is_terminal);
        self.tell(&format!("{label} {message}"));
    }

    /// What a person should know and may ignore, on standard error.
    pub fn warn(&mut self, message: &str) {
        let label = self.paint("33;1", "warning:", self.err_is_terminal);
        self.tell(&format!("{label} {message}"));
    }

    /// `text` in a colour (an SGR code) where a person reads it, else as it is.
    #[must_use]
    pub fn paint(&self, code: &str, text: &str, is_terminal: bool) -> String {
        if self.colours && is_terminal {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

impl std::fmt::Debug for Terminal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal")
            .field("out_is_terminal", &self.out_is_terminal)
            .finish_non_exhaustive()
    }
}
