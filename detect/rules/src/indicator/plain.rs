//! Plain lists: one value a line, of any kind.

use std::io::{self, BufRead};

use super::{
    intake::{At, Details, Intake, Spot},
    lines::{self, Line},
    normal::refused,
    report::Reason,
};

/// Reads every line; the reader's errors end it.
pub(super) fn read(reader: &mut dyn BufRead, intake: &mut Intake<'_>) -> io::Result<()> {
    let details = Details::default();
    lines::for_each(reader, |number, line| {
        let at = At::Line(number);
        match line {
            Line::Whole(bytes) => match std::str::from_utf8(bytes) {
                Ok(line) => {
                    let value = value(line);
                    if !value.is_empty() {
                        intake.offer(value, &details, Spot { at, piece: &line });
                    }
                }
                Err(_) => {
                    let line = String::from_utf8_lossy(bytes);
                    // A comment may be in any encoding.
                    let value = value(&line);
                    if value.contains(char::REPLACEMENT_CHARACTER) {
                        let refusal =
                            refused(Reason::NotUtf8, "it is not UTF-8", "convert the file to UTF-8");
                        intake.refuse(refusal, Spot { at, piece: &line });
                    } else if !value.is_empty() {
                        intake.offer(value, &details, Spot { at, piece: &line });
                    }
                }
            },
            Line::Cut(bytes) => {
                let refusal = refused(
                    Reason::TooLong,
                    "the line is longer than any indicator",
                    "remove it",
                );
                let piece = String::from_utf8_lossy(bytes.get(..256).unwrap_or(bytes));
                intake.refuse(refusal, Spot { at, piece: &piece });
            }
        }
    })
}

/// The line without its comment, which begins at the start of the line or after a blank: URLs have fragments.
/// Lists with more than one column, separated by tabs, have the value in the first (ipsum, Zeek's intel files).
fn value(line: &str) -> &str {
    let line = line.trim_start_matches('\u{feff}');
    let bytes = line.as_bytes();
    let mut end = bytes.len();
    if let Some(tab) = memchr::memchr(b'\t', bytes.get(..end).unwrap_or(bytes)) {
        // A tab that stands before the value is only indentation.
        if bytes
            .get(..tab)
            .is_some_and(|start| !start.trim_ascii().is_empty())
        {
            end = tab;
        }
    }
    for at in memchr::memchr_iter(b'#', bytes.get(..end).unwrap_or(bytes)) {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        if before.is_none_or(u8::is_ascii_whitespace) {
            end = at;
            break;
        }
    }
    line.get(..end).unwrap_or(line).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_further_columns_are_left_out() {
        for (line, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("\u{feff}bad.example", "bad.example"),
            ("  2001:db8::1  ", "2001:db8::1"),
            ("# all of it", ""),
            ("192.0.2.1 # why", "192.0.2.1"),
            ("192.0.2.1\t10", "192.0.2.1"),
            ("192.0.2.1\t# why", "192.0.2.1"),
            ("\t192.0.2.1", "192.0.2.1"),
            ("http://bad.example/a#b", "http://bad.example/a#b"),
            ("http://bad.example/a #b", "http://bad.example/a"),
            ("", ""),
        ] {
            assert_eq!(value(line), expected, "{line}");
        }
    }
}
