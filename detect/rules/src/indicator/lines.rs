//! Lines of bytes, read without keeping them: a feed may have ten million, or one that never ends.

use std::io::{self, BufRead};

/// A line longer than this is no indicator; the rest of it is passed over.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// One line without its end.
pub(super) enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// Its beginning; the rest is too long.
    Cut(&'a [u8]),
}

/// Calls `each` with the number of every line, from 1, and the line.
pub(super) fn for_each(reader: &mut dyn BufRead, mut each: impl FnMut(u64, Line<'_>)) -> io::Result<()> {
    let mut number = 0;
    // The beginning of a line whose end is not in the buffer.
    let mut begun = Vec::new();
    let mut is_cut = false;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            break;
        }
        let mut rest = buffer;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            number += 1;
            if begun.is_empty() && !is_cut {
                each(number, whole_or_cut(line));
            } else {
                is_cut |= extend(&mut begun, line);
                each(
                    number,
                    if is_cut {
                        Line::Cut(&begun)
                    } else {
                        Line::Whole(&begun)
                    },
                );
                begun.clear();
                is_cut = false;
            }
        }
        is_cut |= extend(&mut begun, rest);
        let read = buffer.len();
        reader.consume(read);
    }
    if !begun.is_empty() {
        each(
            number + 1,
            if is_cut {
                Line::Cut(&begun)
            } else {
                Line::Whole(&begun)
            },
        );
    }
    Ok(())
}

fn whole_or_cut(line: &[u8]) -> Line<'_> {
    match line.get(..LINE_BYTES_MAX) {
        Some(start) if LINE_BYTES_MAX < line.len() => Line::Cut(start),
        _ => Line::Whole(line),
    }
}

/// Adds what there is room for; whether something was left out.
fn extend(begun: &mut Vec<u8>, more: &[u8]) -> bool {
    let room = LINE_BYTES_MAX.saturating_sub(begun.len());
    begun.extend_from_slice(more.get(..room).unwrap_or(more));
    room < more.len()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &[u8], capacity: usize) -> Vec<(u64, String, bool)> {
        let mut lines = Vec::new();
        let mut reader = BufReader::with_capacity(capacity, text);
        for_each(&mut reader, |number, line| {
            let (bytes, is_cut) = match line {
                Line::Whole(bytes) => (bytes, false),
                Line::Cut(bytes) => (bytes, true),
            };
            lines.push((number, String::from_utf8_lossy(bytes).into_owned(), is_cut));
        })
        .expect("it is read");
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_come_in_pieces() {
        let text = b"one\n\ntwo\r\nthree four\nlast";
        let whole = read(text, 1024);
        assert_eq!(whole.len(), 5);
        assert_eq!(whole[4], (5, "last".to_owned(), false));
        for capacity in 1..30 {
            assert_eq!(read(text, capacity), whole, "{capacity}");
        }
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_whole() {
        let mut text = vec![b'x'; 3 * LINE_BYTES_MAX];
        text.extend_from_slice(b"\nnext");
        for capacity in [7, 4096, 1 << 20] {
            let lines = read(&text, capacity);
            assert_eq!(
                (lines[0].1.len(), lines[0].2),
                (LINE_BYTES_MAX, true),
                "{capacity}"
            );
            assert_eq!(lines[1], (2, "next".to_owned(), false), "{capacity}");
        }
    }
}
