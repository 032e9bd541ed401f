//! How far it is, in bytes of the inputs, on a terminal's standard error only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::inputs::Input;
use crate::text::counted;

/// Redraws per second: enough to look alive, too few to cost anything.
const DRAWS_PER_SECOND: u8 = 8;

/// The bar, or nothing where nobody looks.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    finished_bytes: u64,
}

impl Progress {
    /// Over all inputs; pipes have no length and count as nothing until they have been read.
    pub(super) fn new(inputs: &[Input], visible: bool) -> Self {
        if !visible {
            return Self {
                bar: ProgressBar::hidden(),
                finished_bytes: 0,
            };
        }
        let total = inputs
            .iter()
            .filter_map(|input| std::fs::metadata(&input.path).ok())
            .filter(std::fs::Metadata::is_file)
            .map(|metadata| metadata.len())
            .sum();
        let bar =
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND));
        let template =
            "{bar:30.cyan/dim} {bytes:>10} of {total_bytes}  {binary_bytes_per_sec}  {eta} left  {msg}";
        // The template is a constant that a test below parses.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━━─"));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self {
            bar,
            finished_bytes: 0,
        }
    }

    /// So far in the input that is being read.
    pub(super) fn at(&self, bytes: u64, events: u64, alerts: u64) {
        self.bar.set_position(self.finished_bytes + bytes);
        let (events, alerts) = (
            counted(events, "event", "events"),
            counted(alerts, "alert", "alerts"),
        );
        self.bar.set_message(format!("{events}, {alerts}"));
    }

    /// An input has been read.
    pub(super) fn next(&mut self, bytes: u64) {
        self.finished_bytes += bytes;
    }

    /// Runs `print` with the bar out of the way.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
