//! What the engine is measured on: real events from the captures and made ones, in one buffer each, and SigmaHQ.
//!
//! Nothing of the captures is kept here: `VARDE_CAPTURES` says where they are.
//!
//! The even events of a corpus are measured; the odd ones are for training (`Corpus::training`), so that nothing
//! is measured on what it was trained with. The measured ones are repeated until there are enough, each repetition
//! at an address of its own, so that the buffer is larger than the last-level cache.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use detect_rules::SourceText;
use serde::Serialize;

/// What kind of events a corpus has; the promises differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Logs of machines: a kilobyte or more, long command lines and messages.
    Host,
    /// Flows, DNS and TLS: half a kilobyte, numbers and addresses.
    Flow,
}

/// Events in memory.
#[derive(Debug)]
pub struct Corpus {
    /// As in the table.
    pub name: String,
    /// Which promises hold.
    pub kind: Kind,
    /// So many events are different; the rest repeats them.
    pub distinct: usize,
    /// Events that nothing is measured on.
    pub training: Vec<Vec<u8>>,
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
}

impl Corpus {
    /// Splits `events` into training and measured, and repeats the measured ones until there are `least` and more
    /// than `least_bytes`.
    #[must_use]
    pub fn new(name: &str, kind: Kind, events: Vec<Vec<u8>>, least: usize, least_bytes: usize) -> Self {
        let (mut training, mut measured) = (Vec::new(), Vec::new());
        for (at, event) in events.into_iter().enumerate() {
            if at % 2 == 0 {
                measured.push(event);
            } else {
                training.push(event);
            }
        }
        let once: usize = measured.iter().map(Vec::len).sum();
        let times = (least.div_ceil(measured.len().max(1)))
            .max(least_bytes.div_ceil(once.max(1)))
            .max(1);
        let mut bytes = Vec::with_capacity(once * times);
        let mut spans = Vec::with_capacity(measured.len() * times);
        for event in std::iter::repeat_n(&measured, times).flatten() {
            let start = bytes.len();
            bytes.extend_from_slice(event);
            spans.push(start..bytes.len());
        }
        Self {
            name: name.to_owned(),
            kind,
            distinct: measured.len(),
            training,
            bytes,
            spans,
        }
    }

    /// How many events, repetitions included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of one event, on average.
    #[must_use]
    pub fn mean_bytes(&self) -> usize {
        self.bytes.len() / self.spans.len().max(1)
    }

    /// Bytes of all events.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Blocks of so many events.
    pub fn blocks(&self, size: usize) -> impl Iterator<Item = Block<'_>> {
        self.spans.chunks(size).map(|spans| Block {
            bytes: &self.bytes,
            spans,
        })
    }

    /// So many different events, spread over the corpus, as a small corpus.
    #[must_use]
    pub fn few(&self, count: usize) -> Self {
        let step = (self.distinct / count.max(1)).max(1);
        let mut few = Self::new(&self.name, self.kind, Vec::new(), 0, 0);
        for event in self.first(self.distinct).events().step_by(step).take(count) {
            let start = few.bytes.len();
            few.bytes.extend_from_slice(event);
            few.spans.push(start..few.bytes.len());
        }
        few.distinct = few.spans.len();
        few
    }

    /// All events, or the first of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Block<'_> {
        Block {
            bytes: &self.bytes,
            spans: self.spans.get(..count).unwrap_or(&self.spans),
        }
    }
}

/// Some events of a corpus.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    bytes: &'a [u8],
    spans: &'a [Range<usize>],
}

impl<'a> Block<'a> {
    /// Each event.
    pub fn events(self) -> impl Iterator<Item = &'a [u8]> {
        self.spans.iter().filter_map(|span| self.bytes.get(span.clone()))
    }

    /// How many.
    #[must_use]
    pub fn len(self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.spans.is_empty()
    }
}

/// The folder with the captures; says so when it is not there.
#[must_use]
#[expect(clippy::print_stdout, reason = "a bench says what it leaves out")]
pub fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("VARDE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures"),
        PathBuf::from,
    );
    if root.join("sigma/rules.tar.zst").exists() {
        return Some(root);
    }
    println!("skipped: captures not found at {}", root.display());
    None
}

/// SigmaHQ's active rules.
///
/// # Errors
/// If the archive can't be read.
pub fn sigma_hq(captures: &Path) -> anyhow::Result<Vec<SourceText>> {
    let path = captures.join("sigma/rules.tar.zst");
    let packed = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(packed)?);
    let mut sources = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        if path.ends_with(".yml") || path.ends_with(".yaml") {
            let mut text = String::new();
            entry
                .read_to_string(&mut text)
                .with_context(|| format!("read {path}"))?;
            sources.push(SourceText { path, text });
        }
    }
    Ok(sources)
}

/// The events of a captured corpus, each with `@timestamp`, without which ours takes no event.
///
/// # Errors
/// If the file can't be read.
pub fn captured(captures: &Path, name: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let path = captures.join(format!("sigma/events/{name}.ndjson.zst"));
    let packed = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    BufReader::new(zstd::Decoder::new(packed)?)
        .lines()
        .map(|line| Ok(with_timestamp(&line?)))
        .collect()
}

fn with_timestamp(line: &str) -> Vec<u8> {
    if line.contains("\"@timestamp\"") {
        line.as_bytes().to_vec()
    } else {
        let rest = line.strip_prefix('{').unwrap_or(line);
        format!("{{\"@timestamp\":\"2026-01-01T00:00:00Z\",{rest}").into_bytes()
    }
}

/// The Zeek events as Zeek itself names their fields (`id.orig_h`, where the capture has `id_orig_h`), with the log
/// source in `product`, `category` and `service`, where `rsigma-eval` looks for it.
///
/// # Errors
/// If the file can't be read.
pub fn zeek(captures: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let events = captured(captures, "zeek-apt29")?;
    events
        .into_iter()
        .map(|event| {
            let mut text = String::from_utf8(event)?;
            for end in ["orig_h", "orig_p", "resp_h", "resp_p"] {
                text = text.replace(&format!("\"id_{end}\""), &format!("\"id.{end}\""));
            }
            let stream = text
                .split_once("\"@stream\":\"")
                .and_then(|(_, rest)| rest.split_once('"'))
                .map_or("", |(stream, _)| stream)
                .to_owned();
            let category = match stream.as_str() {
                "conn" => "network_connection",
                "dns" => "dns",
                "http" => "proxy",
                _ => "network",
            };
            let own = text.strip_suffix('}').unwrap_or(&text);
            Ok(
                format!("{own},\"product\":\"zeek\",\"category\":\"{category}\",\"service\":\"{stream}\"}}")
                    .into_bytes(),
            )
        })
        .collect()
}

/// Bytes of the last-level cache, as the kernel tells it; 32 MiB where it does not.
#[must_use]
pub fn last_level_cache() -> usize {
    fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index3/size")
        .ok()
        .and_then(|text| text.trim().strip_suffix('K')?.parse::<usize>().ok())
        .map_or(32 << 20, |kibibytes| kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_not_trained_on_and_is_repeated() {
        let events = (0..5).map(|at| format!("event {at}").into_bytes()).collect();
        let corpus = Corpus::new("test", Kind::Flow, events, 7, 0);
        let text = |event: &[u8]| String::from_utf8_lossy(event).into_owned();
        let measured: Vec<String> = corpus.first(4).events().map(text).collect();
        assert_eq!(measured, ["event 0", "event 2", "event 4", "event 0"]);
        assert_eq!(corpus.training, [b"event 1", b"event 3"]);
        assert_eq!((corpus.len(), corpus.distinct), (9, 3));
        assert_eq!(corpus.blocks(4).map(Block::len).collect::<Vec<_>>(), [4, 4, 1]);
    }

    #[test]
    fn events_without_a_time_get_one() {
        assert!(with_timestamp("{\"a\":1}").starts_with(b"{\"@timestamp\":"));
        assert_eq!(with_timestamp("{\"@timestamp\":1}"), b"{\"@timestamp\":1}");
    }
}
