//! Rules and indicators from files: those that the configuration names, and those of the running bundle.
//!
//! What can be used is used, and what can't is told: some rules are better than none. Only a bundle on its way in is
//! [`check`]ed as a whole, since then there is something better: the one that runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use detect_alert::Indicator;
use detect_engine::{Compiler, IndicatorTableBuilder};
use detect_rules::{
    Code, Diagnostic, FeedOptions, FeedReport, Finding, FoundAt, Outcome, Reason, check as check_rules,
    feed_files, read_feed_file, read_rules,
};
use ingest_event::restricted::{RestrictedError, RestrictedList};
use thiserror::Error;

use super::ours::Ours;
use super::restricted::Restricted;
use super::{Loaded, Scan};

/// Where a bundle has its rules.
pub const RULES: &str = "rules";

/// Where a bundle has its feeds of indicators.
pub const INDICATORS: &str = "indicators";

/// Where a bundle has indicators as hashes.
pub const RESTRICTED: &str = "restricted.json";

/// So many things that are wrong are told in the log; the rest is counted.
const TOLD_MAX: usize = 5;

/// Files, or folders of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Sigma rules.
    pub rules: Vec<PathBuf>,
    /// The site's own feeds of indicators.
    pub indicators: Vec<PathBuf>,
    /// The centre's.
    pub of_centre: Vec<PathBuf>,
    /// Indicators as hashes.
    pub restricted: Option<PathBuf>,
}

/// What came of reading them.
#[derive(Debug, Default)]
pub struct Read {
    /// What is held against events from now on; `None` where nothing could be used.
    pub loaded: Option<Loaded>,
    /// Errors in rules.
    pub wrong: Vec<Diagnostic>,
    /// Lines and files of feeds that were refused.
    pub refused_indicators: u64,
    /// Some of them.
    pub refused: Vec<Finding>,
    /// Whether something is there that could not be read: it may be the disk's fault, and pass.
    pub is_unread: bool,
    /// Indicators that are the site's own addresses and names: left out ([`Ours`]).
    pub own_indicators: u64,
}

/// Why rules and indicators can't be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A limit of the engine is met.
    #[error("compile the rules")]
    Compile(#[from] detect_engine::BuildError),
    /// Indicators that came as hashes.
    #[error(transparent)]
    Restricted(#[from] RestrictedError),
    /// A rule of a bundle is refused.
    #[error("{path}:{line}: {detail}; {mend}")]
    Rule {
        /// In the bundle.
        path: String,
        /// Of the file.
        line: usize,
        /// What is wrong.
        detail: String,
        /// What to do about it.
        mend: String,
    },
    /// Of a feed of a bundle more is wrong than right.
    #[error("{path}: {refused} lines are refused and {accepted} are not: it is no feed")]
    Feed {
        /// In the bundle.
        path: String,
        /// Lines.
        refused: u64,
        /// Lines.
        accepted: u64,
    },
}

impl Files {
    /// With those of a bundle that lies in this folder.
    #[must_use]
    pub fn and_of_bundle(mut self, folder: &Path) -> Self {
        for (name, files) in [(RULES, &mut self.rules), (INDICATORS, &mut self.of_centre)] {
            let path = folder.join(name);
            if path.is_dir() {
                files.push(path);
            }
        }
        let restricted = folder.join(RESTRICTED);
        if restricted.is_file() {
            self.restricted = Some(restricted);
        }
        self
    }

    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
            && self.indicators.is_empty()
            && self.of_centre.is_empty()
            && self.restricted.is_none()
    }
}

/// Reads and compiles what can be used of these files.
///
/// # Errors
/// [`LoadError::Compile`].
pub fn read(files: &Files, ours: &Ours) -> Result<Read, LoadError> {
    let (sources, mut wrong) = read_rules(&files.rules);
    let checked = check_rules(&sources);
    wrong.extend(checked.diagnostics);
    wrong.retain(Diagnostic::is_error);
    let ruleset = match checked.rules.rules.is_empty() {
        true => None,
        false => Some(Arc::new(Compiler::new().rules(checked.rules).compile()?)),
    };
    let (mut builder, mut report) = (IndicatorTableBuilder::new(), FeedReport::default());
    let mut own = 0;
    let none = Ours::default();
    for (feeds, ours) in [(&files.indicators, &none), (&files.of_centre, ours)] {
        for path in feed_files(feeds, &mut report) {
            let mut sink = |indicator: Indicator| {
                if ours.is(indicator.kind, &indicator.value) {
                    own += 1;
                } else {
                    builder.add(&indicator);
                }
            };
            read_feed_file(&path, &FeedOptions::new(""), &mut sink, &mut report);
        }
    }
    let is_unread = wrong.iter().any(|wrong| wrong.code == Code::Unreadable)
        || report.counts().contains_key(&Reason::Unreadable);
    let refused = report.examples().iter();
    let refused = refused.filter(|finding| finding.reason.outcome() == Outcome::Refused);
    Ok(Read {
        refused: refused.take(TOLD_MAX).cloned().collect(),
        is_unread,
        loaded: Loaded::with_restricted(builder.build(), ruleset, restricted(files, ours)?),
        wrong,
        refused_indicators: report.total(Outcome::Refused),
        own_indicators: own,
    })
}

/// Whether a bundle that lies in this folder can be used as a whole; of its feeds, single lines may be wrong.
///
/// # Errors
/// [`LoadError`], with the place in the bundle.
pub fn check(folder: &Path) -> Result<(), LoadError> {
    let files = Files::default().and_of_bundle(folder);
    let (sources, mut wrong) = read_rules(&files.rules);
    let checked = check_rules(&sources);
    wrong.extend(checked.diagnostics);
    if let Some(wrong) = wrong.into_iter().find(Diagnostic::is_error) {
        return Err(LoadError::Rule {
            path: inside(folder, Path::new(&wrong.path)),
            line: wrong.line,
            detail: wrong.detail,
            mend: wrong.mend,
        });
    }
    Compiler::new().rules(checked.rules).compile()?;
    restricted(&files, &Ours::default())?;
    for path in feed_files(&files.of_centre, &mut FeedReport::default()) {
        let mut report = FeedReport::default();
        read_feed_file(&path, &FeedOptions::new(""), &mut |_| {}, &mut report);
        let (refused, accepted) = (report.total(Outcome::Refused), report.accepted_total());
        if accepted < refused {
            return Err(LoadError::Feed {
                path: inside(folder, &path),
                refused,
                accepted,
            });
        }
    }
    Ok(())
}

/// The list of hashes, if there is one.
fn restricted(files: &Files, ours: &Ours) -> Result<Option<Restricted>, LoadError> {
    let Some(path) = &files.restricted else {
        return Ok(None);
    };
    let bytes = std::fs::read(path).map_err(|error| RestrictedError::List(error.to_string()))?;
    Ok(Some(Restricted::new(
        &RestrictedList::parse(&bytes)?,
        ours.clone(),
    )?))
}

/// A path as the bundle's list has it.
fn inside(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

/// Reads files and puts what could be used in place of what `scan` has of the `former` files. If not all could be read and they
/// are the same files, the former stay: the disk may be at fault. Of others, such as a new bundle's, what can be used counts,
/// or one file that is never to be read would keep all that comes after it away. Tells what is wrong, and whether all was
/// read: if not, it is to be tried again. Waits for the disk and for the compiler: not for the runtime's threads.
pub fn renew(scan: &Scan, files: &Files, former: &Files, ours: &Ours) -> bool {
    let read = match read(files, ours) {
        Ok(read) => read,
        Err(error) => {
            scan.metrics.load_failures.inc();
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(
                error,
                "load rules and indicators; the former stay, and it is tried again"
            );
            return false;
        }
    };
    for wrong in read.wrong.iter().take(TOLD_MAX) {
        // Not the piece of the rule: it may name somebody.
        let (path, line, detail) = (&wrong.path, wrong.line, &wrong.detail);
        tracing::error!(path, line, detail, "a rule is refused; the others count");
    }
    for refused in &read.refused {
        // Nor the indicator: feeds have what nobody else is to know.
        let (path, reason) = (&refused.path, refused.reason.as_str());
        let line = match refused.place {
            FoundAt::Line(line) => line,
            FoundAt::Object(_) => 1,
        };
        tracing::error!(path, line, reason, "an indicator is refused; the others count");
    }
    if !read.wrong.is_empty() || 0 < read.refused_indicators {
        let (rules, indicators) = (read.wrong.len(), read.refused_indicators);
        tracing::warn!(rules, indicators, "not all rules and indicators can be used");
    }
    if read.is_unread {
        scan.metrics.load_failures.inc();
        if files == former && scan.loaded().is_some() {
            tracing::error!(
                "a file of rules or indicators can't be read; the former stay, and it is tried again"
            );
            return false;
        }
        tracing::error!(
            "a file of rules or indicators can't be read; the others count, and it is tried again"
        );
    }
    if 0 < read.own_indicators {
        let indicators = read.own_indicators;
        tracing::warn!(indicators, "indicators about the site itself are left out");
    }
    if let Some(loaded) = &read.loaded {
        tracing::info!(
            ruleset = loaded.version(),
            rules = loaded.rule_count(),
            indicators = loaded.indicator_count(),
            "events are held against rules and indicators here"
        );
    }
    scan.put(read.loaded);
    !read.is_unread
}
