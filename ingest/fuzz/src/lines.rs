//! Lines of logs and messages of streams: each becomes one record, an event or a refusal.

use ingest::live::{Frame, Framing, MESSAGE_BYTES_MAX};
use ingest::normalize::{Normalizer, NormalizerOptions, YearRule};
use ingest::source::{Format, recognize};

use crate::account::{Account, NOW, Onward, home_networks};

/// Bytes that come at once the second time.
const CHUNK_BYTES: usize = 3;

/// A log of this format.
pub(crate) fn log(format: Format, bytes: &[u8]) -> Account {
    // Which format it would be taken for does not matter here, only that there is an answer.
    let _ = recognize(bytes);
    normalized(format, bytes.split(|byte| *byte == b'\n'))
}

fn normalized<'l>(format: Format, lines: impl Iterator<Item = &'l [u8]>) -> Account {
    let options = NormalizerOptions {
        dataset: None,
        home_networks: home_networks(),
        year: YearRule::Before(NOW),
        utc_offset_secs: 3_600,
    };
    let Some(mut onward) = Onward::new() else {
        return Account::default();
    };
    let mut normalizer = Normalizer::new(format, options);
    let mut out = Vec::new();
    for (line, position) in lines.zip(1..) {
        normalizer.line(line, position, &mut out);
        let text = match position {
            1 => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            _ => line,
        };
        let is_header = format == Format::ZeekTsv && text.starts_with(b"#");
        let least = usize::from(!is_header && !text.trim_ascii().is_empty());
        let records = out.len();
        assert!(
            (least..=1).contains(&records),
            "line {position} became {records} records"
        );
        out.drain(..).for_each(|record| onward.take(record));
    }
    onward.end()
}

/// A stream of syslog, as a whole and in chunks.
pub(crate) fn stream(bytes: &[u8]) -> (Account, Account) {
    (framed(bytes, bytes.len()), framed(bytes, CHUNK_BYTES))
}

fn framed(bytes: &[u8], step: usize) -> Account {
    let (mut framing, mut frames) = (Framing::default(), Vec::new());
    for chunk in bytes.chunks(step.max(1)) {
        framing.push(chunk, &mut frames);
    }
    framing.finish(&mut frames);
    let mut messages = Vec::new();
    for frame in &frames {
        match frame {
            Frame::Whole(message) => {
                assert!(message.len() <= MESSAGE_BYTES_MAX, "{} bytes", message.len());
                messages.push(&message[..]);
            }
            Frame::TooLong(start) => assert!(start.len() <= MESSAGE_BYTES_MAX + 1, "{} bytes", start.len()),
        }
    }
    let whole: usize = messages.iter().map(|message| message.len()).sum();
    assert!(whole <= bytes.len(), "messages are of what came");
    let mut account = normalized(Format::Syslog, messages.into_iter());
    for frame in &frames {
        if let Frame::TooLong(_) = frame {
            account.refuse("too_long");
        }
    }
    account
}
