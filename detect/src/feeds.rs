//! The indicators of all feeds as one table, brought up to date by what changed in the files.
//!
//! Of each indicator two numbers are kept for its file: which one it is, and what is said of it. They tell what a
//! changed file added and took away; the table does the rest without being built anew.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
    sync::Arc,
};

use detect_alert::Indicator;
use detect_engine::{IndicatorTable, IndicatorTableBuilder};
use detect_rules::{Diagnostic, FeedOptions, FeedReport, Outcome, feed_files, feed_options, read_feed_file};

use ingest_event::Timestamp;

use crate::watch::{Stamp, stamp};

/// So much of a source's name tells it apart; the table keeps no more.
const SOURCE_BYTES: usize = 256;

/// The feeds as they were last read.
#[derive(Debug, Default)]
pub struct Feeds {
    feeds: BTreeMap<PathBuf, Feed>,
    /// What was passed over or not found.
    listing: FeedReport,
    table: Arc<IndicatorTable>,
    /// Seeded, since feeds choose the values.
    hasher: RandomState,
}

#[derive(Debug)]
struct Feed {
    state: State,
    digest: blake3::Hash,
    /// Sorted, each once.
    marks: Vec<Mark>,
    report: FeedReport,
}

/// One indicator of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    /// Kind, value and source.
    identity: u64,
    /// Everything that is said of it.
    content: u64,
}

impl Feeds {
    /// The indicators.
    #[must_use]
    pub fn table(&self) -> &Arc<IndicatorTable> {
        &self.table
    }

    /// What was wrong in the feeds, by examples.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let reports = self.feeds.values().map(|feed| &feed.report);
        reports
            .chain([&self.listing])
            .flat_map(FeedReport::diagnostics)
            .collect()
    }

    /// How many entries were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let reports = self.feeds.values().map(|feed| &feed.report);
        reports
            .chain([&self.listing])
            .map(|report| report.total(Outcome::Refused))
            .sum()
    }

    /// Whether a file is a feed that was read.
    #[must_use]
    pub fn holds(&self, path: &Path) -> bool {
        self.feeds.contains_key(path)
    }

    /// Whether more of a file is wrong than right, or it can't be read: it is no feed.
    #[must_use]
    pub fn is_broken(&self, path: &Path) -> bool {
        self.feeds.get(path).is_none_or(|feed| {
            let report = &feed.report;
            report.accepted_total() <= report.total(Outcome::Refused)
        })
    }

    /// The files with a digest of each.
    pub fn contents(&self) -> impl Iterator<Item = (PathBuf, blake3::Hash)> {
        self.feeds.iter().map(|(path, feed)| (path.clone(), feed.digest))
    }

    /// Brings the table in line with the files at and below `paths`. Reads those only that changed, unless it is
    /// cheaper to begin anew.
    pub fn read(&mut self, paths: &[PathBuf]) {
        self.listing = FeedReport::default();
        let files = feed_files(paths, &mut self.listing);
        let mut before = std::mem::take(&mut self.feeds);
        let mut changed = Vec::new();
        for path in files {
            let state = State::of(&path);
            let old = before.remove(&path);
            match old {
                Some(feed) if feed.state.is_fresh(&state) => drop(self.feeds.insert(path, feed)),
                old => {
                    let digest = digest(&path, &state);
                    match old {
                        Some(feed) if feed.digest == digest => {
                            self.feeds.insert(path, Feed { state, ..feed });
                        }
                        old => changed.push(Changed {
                            path,
                            state,
                            digest,
                            old: old.map_or_else(Vec::new, |old| old.marks),
                        }),
                    }
                }
            }
        }
        let gone: Vec<Mark> = before.into_values().flat_map(|feed| feed.marks).collect();
        if changed.is_empty() && gone.is_empty() {
            return;
        }
        let touched = gone.len() + changed.iter().map(|changed| changed.old.len()).sum::<usize>();
        let updated = if self.table.len() / 2 <= touched {
            None
        } else {
            self.updated(&changed, &gone)
        };
        self.table = Arc::new(match updated {
            Some(table) if table.is_worn() => table.compacted(),
            Some(table) => table,
            None => self.anew(changed),
        });
    }

    /// The table with the changes; nothing if they are of a kind that marks do not tell.
    fn updated(&mut self, changed: &[Changed], gone: &[Mark]) -> Option<IndicatorTable> {
        let mut added = Vec::new();
        let mut removed: HashSet<u64> = gone.iter().map(|mark| mark.identity).collect();
        let mut is_told = true;
        for changed in changed {
            let hasher = &self.hasher;
            let (mut marks, mut report) = (Vec::with_capacity(changed.old.len()), FeedReport::default());
            let mut sink = |indicator: Indicator| {
                let mark = Mark::of(hasher, &indicator);
                marks.push(mark);
                if changed.old.binary_search(&mark).is_err() {
                    added.push(indicator);
                }
            };
            read_feed_file(&changed.path, &FeedOptions::new(""), &mut sink, &mut report);
            marks.sort_unstable();
            marks.dedup();
            let went = changed
                .old
                .iter()
                .filter(|mark| marks.binary_search(mark).is_err());
            for mark in went {
                removed.insert(mark.identity);
                // Said twice, and one of them stays: which one the table has to keep, its identity does not tell.
                is_told &=
                    !of_identity(&marks, mark.identity).any(|one| changed.old.binary_search(one).is_ok());
            }
            let feed = changed.feed(marks, report);
            self.feeds.insert(changed.path.clone(), feed);
        }
        let is_new = |path: &PathBuf| changed.iter().any(|changed| changed.path == *path);
        // Nor what another file says of the same.
        let mut others = self.feeds.iter().filter(|(path, _)| !is_new(path));
        is_told &= !others.any(|(_, feed)| {
            let is_there = |identity: &u64| of_identity(&feed.marks, *identity).next().is_some();
            removed.iter().any(is_there)
        });
        if !is_told || 1 < changed.len() && !removed.is_empty() && is_shared(changed, &self.feeds, &removed) {
            return None;
        }
        let is_removed =
            |indicator: &Indicator| removed.contains(&Mark::of(&self.hasher, indicator).identity);
        let removed: Vec<Indicator> = if removed.is_empty() {
            Vec::new()
        } else {
            self.table.iter().filter(is_removed).collect()
        };
        Some(self.table.updated(&removed, &added).0)
    }

    /// The table of all files, read again.
    fn anew(&mut self, changed: Vec<Changed>) -> IndicatorTable {
        for changed in changed {
            self.feeds.insert(
                changed.path.clone(),
                changed.feed(Vec::new(), FeedReport::default()),
            );
        }
        let mut builder = IndicatorTableBuilder::new();
        for (path, feed) in &mut self.feeds {
            feed.marks.clear();
            feed.report = FeedReport::default();
            let (marks, hasher) = (&mut feed.marks, &self.hasher);
            let mut sink = |indicator: Indicator| {
                marks.push(Mark::of(hasher, &indicator));
                builder.add(&indicator);
            };
            read_feed_file(path, &FeedOptions::new(""), &mut sink, &mut feed.report);
            marks.sort_unstable();
            marks.dedup();
            marks.shrink_to_fit();
        }
        builder.build()
    }
}

/// A file that says something else than before.
#[derive(Debug)]
struct Changed {
    path: PathBuf,
    state: State,
    digest: blake3::Hash,
    /// As it was.
    old: Vec<Mark>,
}

/// What tells whether a file has to be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    stamp: Option<Stamp>,
    /// Of what is known of the feed beside what it says itself.
    options: blake3::Hash,
}

impl State {
    fn of(path: &Path) -> Self {
        let options = format!("{:?}", feed_options(path, &FeedOptions::new("")));
        Self {
            stamp: stamp(path),
            options: blake3::hash(options.as_bytes()),
        }
    }

    /// One that was not there may be there now.
    fn is_fresh(&self, now: &Self) -> bool {
        now.stamp.is_some() && self == now
    }
}

impl Changed {
    fn feed(&self, marks: Vec<Mark>, report: FeedReport) -> Feed {
        Feed {
            state: self.state.clone(),
            digest: self.digest,
            marks,
            report,
        }
    }
}

impl Mark {
    fn of(hasher: &RandomState, indicator: &Indicator) -> Self {
        let Indicator {
            kind,
            value,
            source,
            confidence,
            tlp,
            pap,
            valid_from,
            valid_until,
            description,
        } = indicator;
        // The table cuts longer names.
        let source = source
            .get(..source.floor_char_boundary(SOURCE_BYTES))
            .unwrap_or(source);
        Self {
            identity: hasher.hash_one((kind, value, source)),
            content: hasher.hash_one((
                confidence.as_str(),
                tlp.as_str(),
                pap.as_str(),
                valid_from.map(Timestamp::as_nanos),
                valid_until.map(Timestamp::as_nanos),
                description,
            )),
        }
    }
}

/// The marks of one identity.
fn of_identity(marks: &[Mark], identity: u64) -> impl Iterator<Item = &Mark> {
    let at = marks.partition_point(|mark| mark.identity < identity);
    marks
        .get(at..)
        .unwrap_or_default()
        .iter()
        .take_while(move |mark| mark.identity == identity)
}

/// Whether something that went from one of the changed files was and is in another of them.
fn is_shared(changed: &[Changed], feeds: &BTreeMap<PathBuf, Feed>, removed: &HashSet<u64>) -> bool {
    changed.iter().any(|changed| {
        let now = feeds
            .get(&changed.path)
            .map_or(&[][..], |feed| feed.marks.as_slice());
        removed
            .iter()
            .any(|identity| of_identity(&changed.old, *identity).any(|mark| now.binary_search(mark).is_ok()))
    })
}

/// Of everything that a file's indicators depend on; the same for every file that can't be read.
fn digest(path: &Path, state: &State) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(state.options.as_bytes());
    if let Ok(file) = fs::File::open(path) {
        // What can't be read to its end is told by whoever reads it.
        let _ = hasher.update_reader(file);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, value and confidence of each indicator, sorted.
    fn held(feeds: &Feeds) -> Vec<String> {
        let show = |one: Indicator| {
            format!(
                "{} {} {} {}",
                one.kind,
                one.value,
                one.source,
                one.confidence.as_str()
            )
        };
        let mut held: Vec<String> = feeds.table().iter().map(show).collect();
        held.sort();
        held
    }

    #[test]
    fn a_table_that_follows_its_files_is_the_table_of_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let domains = |range: std::ops::Range<u32>| -> String {
            range.map(|number| format!("d{number}.example\n")).collect()
        };
        let csv = |rows: &str| format!("value,confidence\n{rows}");
        fs::write(at("large.txt"), domains(0..1_000)).expect("written");
        type Step<'s> = (&'static str, &'s dyn Fn() -> std::io::Result<()>);
        let steps: [Step<'_>; 12] = [
            ("a second file", &|| {
                fs::write(at("b.csv"), csv("203.0.113.9,low\n2001:db8::9,high\n"))
            }),
            ("said differently", &|| {
                fs::write(at("b.csv"), csv("203.0.113.9,high\n2001:db8::9,high\n"))
            }),
            ("one less, one more", &|| {
                fs::write(at("b.csv"), csv("203.0.113.9,high\n192.0.2.7,high\n"))
            }),
            ("said twice", &|| {
                fs::write(
                    at("b.csv"),
                    csv("203.0.113.9,high\n203.0.113.9,low\n192.0.2.7,high\n"),
                )
            }),
            ("said once again", &|| {
                fs::write(at("b.csv"), csv("203.0.113.9,low\n192.0.2.7,high\n"))
            }),
            ("the same in a third file", &|| {
                fs::write(at("c.csv"), "value,source,confidence\n192.0.2.7,b,high\n")
            }),
            ("gone from one of the two", &|| {
                fs::write(at("b.csv"), csv("203.0.113.9,low\n"))
            }),
            ("from file to file", &|| {
                fs::write(at("c.csv"), "value,source,confidence\n203.0.113.9,b,low\n")?;
                fs::write(at("b.csv"), csv("192.0.2.7,high\n"))
            }),
            ("a wrong line", &|| {
                fs::write(at("b.csv"), csv("192.0.2.7,high\n999.9.9.9,high\n"))
            }),
            ("a file gone", &|| fs::remove_file(at("c.csv"))),
            ("nearly all new", &|| {
                fs::write(at("large.txt"), domains(900..2_500))
            }),
            ("touched only", &|| {
                fs::write(at("b.csv"), csv("192.0.2.7,high\n999.9.9.9,high\n"))
            }),
        ];
        let paths = [folder.path().to_owned()];
        let mut following = Feeds::default();
        following.read(&paths);
        assert_eq!(following.table().len(), 1_000);
        for (name, step) in steps {
            step().expect(name);
            following.read(&paths);
            let mut fresh = Feeds::default();
            fresh.read(&paths);
            assert_eq!(held(&following), held(&fresh), "{name}");
            assert_eq!(following.table().digest(), fresh.table().digest(), "{name}");
            assert_eq!(following.refused(), fresh.refused(), "{name}");
        }
    }
}
