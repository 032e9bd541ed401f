//! Messages in a stream (RFC 6587): octet counting where a message begins with its length, else one message a line.

/// The longest syslog message that is read. RFC 5425 asks for 8 kB; real ones with stack traces reach tens.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// One message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Whole(Vec<u8>),
    /// A message over [`MESSAGE_BYTES_MAX`]: its start.
    TooLong(Vec<u8>),
}

/// Takes a stream apart, in whatever chunks it comes. Holds at most one message.
#[derive(Debug, Default)]
pub struct Framing {
    held: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before a message.
    #[default]
    Start,
    /// In a length, as octet counting has it.
    Length,
    /// Behind what may be a length and its blank: it was one if a message begins here, which `<` does (RFC 6587
    /// section 3.4.1, RFC 5424 section 6); else a line began with a number.
    Announced(usize),
    /// So many bytes of a counted message are to come; those over the limit are passed over.
    Counted(usize),
    /// In a line.
    Line,
}

/// Digits of a length: more would be over any limit.
const LENGTH_DIGITS_MAX: usize = 8;

impl Framing {
    /// Takes the next bytes; appends the messages that are complete.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Frame>) {
        while let Some((first, after)) = bytes.split_first() {
            match self.state {
                State::Start => match first {
                    b'\n' | b'\r' | 0 => bytes = after,
                    b'1'..=b'9' => self.state = State::Length,
                    _ => self.state = State::Line,
                },
                State::Length => {
                    bytes = after;
                    self.length(*first, out);
                }
                State::Announced(count) => {
                    if *first == b'<' {
                        self.held.clear();
                        self.state = State::Counted(count);
                    } else {
                        self.held.push(b' ');
                        self.state = State::Line;
                    }
                }
                State::Counted(left) => {
                    let (taken, rest) = bytes.split_at_checked(left).unwrap_or((bytes, &[]));
                    bytes = rest;
                    self.hold(taken);
                    self.state = State::Counted(left - taken.len());
                    if left == taken.len() {
                        self.emit(out);
                    }
                }
                State::Line => {
                    let end = bytes.iter().position(|byte| *byte == b'\n' || *byte == 0);
                    let (taken, rest) = match end {
                        Some(end) => (
                            bytes.get(..end).unwrap_or_default(),
                            bytes.get(end + 1..).unwrap_or_default(),
                        ),
                        None => (bytes, [].as_slice()),
                    };
                    bytes = rest;
                    self.hold(taken);
                    if end.is_some() {
                        self.emit(out);
                    }
                }
            }
        }
    }

    /// Ends the stream: what is held is its last message.
    pub fn finish(&mut self, out: &mut Vec<Frame>) {
        if !self.held.is_empty() {
            self.emit(out);
        }
    }

    fn length(&mut self, byte: u8, out: &mut Vec<Frame>) {
        match byte {
            b'0'..=b'9' if self.held.len() < LENGTH_DIGITS_MAX => self.held.push(byte),
            b' ' => {
                let count = std::str::from_utf8(&self.held)
                    .ok()
                    .and_then(|digits| digits.parse().ok());
                self.state = State::Announced(count.unwrap_or(0));
            }
            b'\n' => self.emit(out),
            // A line that merely begins with a digit.
            other => {
                self.held.push(other);
                self.state = State::Line;
            }
        }
    }

    /// Keeps one byte more than the limit, which marks the message as too long.
    fn hold(&mut self, bytes: &[u8]) {
        let room = (MESSAGE_BYTES_MAX + 1).saturating_sub(self.held.len());
        self.held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn emit(&mut self, out: &mut Vec<Frame>) {
        self.state = State::Start;
        let mut message = std::mem::take(&mut self.held);
        if message.last() == Some(&b'\r') {
            message.pop();
        }
        if message.is_empty() {
            return;
        }
        out.push(if MESSAGE_BYTES_MAX < message.len() {
            Frame::TooLong(message)
        } else {
            Frame::Whole(message)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same frames, whether the stream comes whole or byte by byte.
    fn check(stream: &[u8], expected: &[&str]) {
        for chunk in [stream.len().max(1), 1, 3] {
            let (mut framing, mut out) = (Framing::default(), Vec::new());
            for bytes in stream.chunks(chunk) {
                framing.push(bytes, &mut out);
            }
            framing.finish(&mut out);
            let seen: Vec<_> = out
                .iter()
                .map(|frame| match frame {
                    Frame::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    Frame::TooLong(bytes) => format!("too long: {}", bytes.len()),
                })
                .collect();
            assert_eq!(seen, expected, "in chunks of {chunk}");
        }
    }

    #[test]
    fn lines_and_counted_messages_are_told_apart() {
        check(b"<1>a\n<1>b\r\n<1>c", &["<1>a", "<1>b", "<1>c"]);
        check(b"5 <1>ab6 <1>c\nd<1>line\n", &["<1>ab", "<1>c\nd", "<1>line"]);
        check(
            b"2026-03-02T08:15:00Z host app: x\n4 <1>d",
            &["2026-03-02T08:15:00Z host app: x", "<1>d"],
        );
        check(
            b"404 GET /nothing\n2026 was a year\n12 \n<1>next\n7",
            &["404 GET /nothing", "2026 was a year", "12 ", "<1>next", "7"],
        );
        check(b"\n\n\0", &[]);
    }

    #[test]
    fn a_message_over_the_limit_is_passed_over_and_the_next_one_read() {
        let long = "x".repeat(MESSAGE_BYTES_MAX * 2);
        let cut = format!("too long: {}", MESSAGE_BYTES_MAX + 1);
        check(format!("{long}\nnext\n").as_bytes(), &[&cut, "next"]);
        check(
            format!("{} <{long}next\n", long.len() + 1).as_bytes(),
            &[&cut, "next"],
        );
    }
}
