//! Lines of an input, with their number and byte offset; a line that is too long is passed over, not buffered.

use std::io::{self, BufRead, BufReader, Read};

/// The longest line that is read. Real telemetry lines are under 100 kB; a longer one is an error or an attack, and
/// this is what one line may take of memory.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// What [`LineReader::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, in the buffer, without its end.
    Whole,
    /// A line over [`LINE_BYTES_MAX`]; its start is in the buffer.
    TooLong {
        /// Its whole length.
        bytes: u64,
    },
    /// No more.
    End,
}

/// Reads lines ended by LF or CR LF; the last one may lack its end.
pub(crate) struct LineReader<R> {
    input: Option<BufReader<R>>,
    number: u64,
    offset: u64,
}

impl<R: Read> LineReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input: Some(BufReader::with_capacity(64 * 1024, input)),
            number: 0,
            offset: 0,
        }
    }

    /// Number of the line read last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes up to the end of the line read last.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads no further: the input is broken.
    pub(crate) fn stop(&mut self) {
        self.input = None;
    }

    /// Reads the next line into `line`, which is cleared first.
    ///
    /// # Errors
    /// If the input can't be read; what was read of the line is in the buffer.
    pub(crate) fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Line> {
        line.clear();
        let Some(input) = self.input.as_mut() else {
            return Ok(Line::End);
        };
        // One more for the line's end, so that a line of exactly the limit passes.
        let limit = LINE_BYTES_MAX as u64 + 1;
        let count = input.by_ref().take(limit).read_until(b'\n', line)?;
        if count == 0 {
            self.input = None;
            return Ok(Line::End);
        }
        self.number += 1;
        self.offset += count as u64;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if LINE_BYTES_MAX < line.len() {
            let rest = input.skip_until(b'\n')? as u64;
            self.offset += rest;
            line.truncate(ingest_event::RAW_BYTES_MAX);
            return Ok(Line::TooLong {
                bytes: count as u64 + rest,
            });
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Line::Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &[(&str, Line)]) {
        let mut reader = LineReader::new(input);
        let mut line = Vec::new();
        let mut seen = Vec::new();
        loop {
            match reader.next(&mut line).expect("memory reads") {
                Line::End => break,
                kind => seen.push((String::from_utf8_lossy(&line).into_owned(), kind)),
            }
        }
        let wanted: Vec<_> = expected
            .iter()
            .map(|(text, kind)| ((*text).to_owned(), *kind))
            .collect();
        assert_eq!(seen, wanted);
        assert_eq!(reader.offset(), input.len() as u64);
    }

    #[test]
    fn lines_end_with_lf_or_cr_lf_or_the_input() {
        check(b"", &[]);
        check(b"a\nb", &[("a", Line::Whole), ("b", Line::Whole)]);
        check(
            b"a\r\n\r\nb\n",
            &[("a", Line::Whole), ("", Line::Whole), ("b", Line::Whole)],
        );
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_and_the_next_one_read() {
        let mut input = vec![b'x'; LINE_BYTES_MAX];
        input.extend_from_slice(b"\nnext\n");
        let longest = "x".repeat(LINE_BYTES_MAX);
        check(&input, &[(&longest, Line::Whole), ("next", Line::Whole)]);
        input.insert(0, b'x');
        let start = "x".repeat(ingest_event::RAW_BYTES_MAX);
        let bytes = LINE_BYTES_MAX as u64 + 2;
        check(
            &input,
            &[(&start, Line::TooLong { bytes }), ("next", Line::Whole)],
        );
    }
}
