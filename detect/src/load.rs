//! Rules and indicators from files to a ruleset, at the start and again whenever the files change.
//!
//! At the start what is refused is told, and what is left is used: some rules are better than none. Later a change
//! that brings an error is refused as a whole, since then there is something better: the ruleset in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use detect_engine::{CacheKey, Cached, Compiler, Models, Ruleset, WarningLists};
use detect_rules::{
    Checked, Checker, Code, Diagnostic, LoadOptions, Options, SourceText, WarningModes, read_options,
    read_text, read_warning_lists, rule_files,
};
use ingest_event::{OrganizationNumber, restricted::RestrictedKey};

use crate::{
    cache::{self, Unused},
    feeds::Feeds,
    samples::Sample,
    watch::{Stamp, stamp, stamps},
};

/// A ruleset, and what was wrong with the files it was made of.
#[derive(Debug)]
pub struct Loaded {
    /// What could be used.
    pub ruleset: Ruleset,
    /// What could not, and what is doubtful; of feeds some examples.
    pub diagnostics: Vec<Diagnostic>,
    /// Entries of feeds that were refused.
    pub refused_indicators: u64,
    /// What became of the cache, if one was looked at.
    pub cache: Option<Result<(), Unused>>,
}

/// Loads rules and indicators once.
///
/// # Errors
/// If a limit of the engine is met.
pub fn load(rules: &[PathBuf], indicators: &[PathBuf]) -> anyhow::Result<Loaded> {
    let sources = Sources {
        rules: rules.to_vec(),
        indicators: indicators.to_vec(),
        ..Sources::default()
    };
    Loader::open(sources).map(|(_, loaded)| loaded)
}

/// What a detector is told to load.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Folders or files with Sigma rules, correlations, filters and placeholders.
    pub rules: Vec<PathBuf>,
    /// What rules are checked with: pipelines, and placeholders from elsewhere.
    pub options: LoadOptions,
    /// Feeds of indicators: files, or folders with them.
    pub indicators: Vec<PathBuf>,
    /// Warning lists: files, or folders with them.
    pub warning_lists: Vec<PathBuf>,
    /// Files with keys of restricted indicators; read once, at the start.
    pub restricted_keys: Vec<PathBuf>,
    /// What each warning list comes to.
    pub warning_modes: WarningModes,
    /// Models that rules of type `dga` and `flow` ask; read once, at the start. None switches them off.
    pub models: Vec<PathBuf>,
    /// Where checked rules wait for the next start.
    pub cache: Option<PathBuf>,
    /// Whose the alerts are about what was seen in several organisations.
    pub cert: Option<OrganizationNumber>,
}

impl Sources {
    /// Every file and folder that has a part in it.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let pipelines = self.options.pipelines.iter().map(PathBuf::from);
        let files = self.rules.iter().chain(&self.options.placeholders);
        let lists = self.indicators.iter().chain(&self.warning_lists);
        files.chain(lists).cloned().chain(pipelines).collect()
    }
}

/// Loads again and again, reading only what changed.
#[derive(Debug)]
pub struct Loader {
    sources: Sources,
    files: BTreeMap<PathBuf, File<SourceText>>,
    /// Pipelines and placeholders from elsewhere. They are few and small, and are read each time.
    options: Contents,
    feeds: Feeds,
    warnings: Warnings,
    checker: Checker,
    models: Models,
    restricted_keys: Vec<RestrictedKey>,
    /// Digests of the files of the ruleset in use.
    used: Contents,
    /// Errors that the ruleset in use was loaded in spite of.
    accepted: BTreeSet<Problem>,
    /// Whether the cache has the rules in use.
    is_kept: bool,
}

/// What a change came to.
#[derive(Debug)]
pub enum Reload {
    /// The files say what the ruleset in use was made of.
    Same,
    /// Another ruleset.
    Ready(Box<Loaded>),
    /// The ruleset in use stays.
    Refused(Refusal),
}

/// Why a change is not taken.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// In one line: the first place and what is wrong there.
    pub reason: String,
    /// What is wrong, apart from what already was.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

type Contents = BTreeMap<PathBuf, blake3::Hash>;

/// An error without its line, which moves when something is written above it.
type Problem = (String, Code, String);

/// A file as it was last read.
#[derive(Debug)]
struct File<T> {
    stamp: Option<Stamp>,
    digest: blake3::Hash,
    content: T,
}

/// Warning lists as they were last read.
#[derive(Debug)]
struct Warnings {
    stamps: BTreeMap<PathBuf, Stamp>,
    lists: Arc<WarningLists>,
    diagnostics: Vec<Diagnostic>,
    /// Of the files and what is in them, refused ones too.
    digest: blake3::Hash,
}

impl Default for Warnings {
    fn default() -> Self {
        Self {
            stamps: BTreeMap::new(),
            lists: Arc::default(),
            diagnostics: Vec::new(),
            digest: blake3::hash(b""),
        }
    }
}

impl Warnings {
    fn read(&mut self, sources: &Sources) {
        let now = stamps(&sources.warning_lists);
        if sources.warning_lists.is_empty() || !now.is_empty() && now == self.stamps {
            return;
        }
        let mut digest = blake3::Hasher::new();
        for path in now.keys() {
            digest.update(path.as_os_str().as_encoded_bytes());
            if let Ok(bytes) = std::fs::read(path) {
                digest.update(blake3::hash(&bytes).as_bytes());
            }
        }
        self.digest = digest.finalize();
        self.stamps = now;
        let (lists, diagnostics) = read_warning_lists(&sources.warning_lists, &sources.warning_modes);
        let (lists, bad) = WarningLists::build(&lists);
        if !bad.is_empty() {
            tracing::warn!(
                entries = bad.len(),
                "entries of warning lists that can't be used are left out"
            );
        }
        self.lists = Arc::new(lists);
        self.diagnostics = diagnostics;
    }
}

/// Reads keys, each from a file of its own.
fn restricted_keys(paths: &[PathBuf]) -> anyhow::Result<Vec<RestrictedKey>> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read the key of restricted indicators {}", path.display()))?;
        RestrictedKey::parse(&text).with_context(|| format!("use {}", path.display()))
    };
    paths.iter().map(read).collect()
}

/// Reads models; of two of a kind the later one counts.
fn models(paths: &[PathBuf]) -> anyhow::Result<Models> {
    let mut models = Models::off();
    for path in paths {
        let bytes = std::fs::read(path).with_context(|| format!("read the model {}", path.display()))?;
        models
            .add(&bytes)
            .with_context(|| format!("load the model {}", path.display()))?;
    }
    Ok(models)
}

impl Loader {
    /// Loads for the first time.
    ///
    /// # Errors
    /// If a limit of the engine is met, or a model can't be read.
    pub fn open(sources: Sources) -> anyhow::Result<(Self, Loaded)> {
        let mut loader = Self {
            models: models(&sources.models)?,
            restricted_keys: restricted_keys(&sources.restricted_keys)?,
            sources,
            files: BTreeMap::new(),
            options: Contents::new(),
            feeds: Feeds::default(),
            warnings: Warnings::default(),
            checker: Checker::default(),
            used: Contents::new(),
            accepted: BTreeSet::new(),
            is_kept: false,
        };
        let mut diagnostics = loader.read();
        let (cache, cached) = loader.cached().map_or((None, None), |cached| match cached {
            Ok(cached) => (Some(Ok(())), Some(cached)),
            Err(unused) => (Some(Err(unused)), None),
        });
        let loaded = match cached {
            Some((cached, more)) => {
                diagnostics.extend(more);
                diagnostics.extend(cached.checked.diagnostics);
                let compiler = Compiler::new().rules(cached.checked.rules);
                loader.build(compiler.cached(cached.prefilters), diagnostics)?
            }
            None => loader.compile(diagnostics, &[], None)?,
        };
        loader.take(&loaded);
        loader.is_kept = matches!(cache, Some(Ok(())));
        Ok((loader, Loaded { cache, ..loaded }))
    }

    /// Reads what changed, and compiles that; the rest is taken over from the ruleset in use. What is refused changes
    /// nothing here but for what was read.
    pub fn reload(&mut self, in_use: Arc<Ruleset>, samples: &[Sample]) -> Reload {
        let unread = self.read();
        if unread.is_empty() && self.contents() == self.used {
            return Reload::Same;
        }
        match self.compile(unread, samples, Some(in_use)) {
            Ok(loaded) => match self.refusal(&loaded) {
                None => {
                    self.take(&loaded);
                    Reload::Ready(Box::new(loaded))
                }
                Some(refusal) => Reload::Refused(refusal),
            },
            Err(error) => Reload::Refused(Refusal {
                reason: format!("{error:#}"),
                diagnostics: Vec::new(),
            }),
        }
    }

    /// Compiles what was read last once more and as a whole, to train it on events.
    ///
    /// # Errors
    /// If a limit of the engine is met.
    pub fn retrain(&mut self, samples: &[Sample]) -> anyhow::Result<Loaded> {
        self.is_kept = false;
        self.compile(Vec::new(), samples, None)
    }

    /// Writes the cache if it does not have the rules in use. A ruleset that came from the cache is checked, so that the
    /// next change finds all that did not change. Nothing if no cache is wanted.
    pub fn keep(&mut self, in_use: &Ruleset) -> Option<std::io::Result<()>> {
        let path = self.sources.cache.clone()?;
        if !self.is_in_use() {
            return None;
        }
        let sources = self.sources();
        let options = read_options(&self.sources.options).0?;
        let checked = self.checker.check(&sources, &options);
        if std::mem::replace(&mut self.is_kept, true) {
            return None;
        }
        let bytes = Cached::to_bytes(&CacheKey::of(&sources, &options), &checked, in_use)?;
        Some(cache::write(&path, &bytes))
    }

    /// What the cache has, and what is wrong with the options; nothing if no cache is wanted.
    fn cached(&self) -> Option<Result<(Cached, Vec<Diagnostic>), Unused>> {
        let path = self.sources.cache.as_deref()?;
        let (options, diagnostics) = read_options(&self.sources.options);
        let options: Options = options?;
        let read = cache::read(path, &CacheKey::of(&self.sources(), &options));
        Some(read.map(|cached| (cached, diagnostics)))
    }

    /// The rule files as they were read.
    fn sources(&self) -> Vec<SourceText> {
        self.files.values().map(|file| file.content.clone()).collect()
    }

    /// Whether the files say what the ruleset in use was made of.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.contents() == self.used
    }

    /// Brings what is held in line with the files; what can't be read is told.
    fn read(&mut self) -> Vec<Diagnostic> {
        let (paths, mut unread) = rule_files(&self.sources.rules);
        let mut before = std::mem::take(&mut self.files);
        for path in paths {
            let now = stamp(&path);
            let file = match before.remove(&path).filter(|file| is_fresh(file, now)) {
                Some(file) => file,
                None => match read_text(&path) {
                    Ok(source) => File {
                        stamp: now,
                        digest: blake3::hash(source.text.as_bytes()),
                        content: source,
                    },
                    Err(diagnostic) => {
                        unread.push(*diagnostic);
                        continue;
                    }
                },
            };
            self.files.insert(path, file);
        }
        let pipelines = self.sources.options.pipelines.iter().map(PathBuf::from);
        // The name of a bundled pipeline is no file, and does not change.
        self.options = pipelines
            .chain(self.sources.options.placeholders.iter().cloned())
            .filter_map(|path| Some((blake3::hash(&std::fs::read(&path).ok()?), path)))
            .map(|(digest, path)| (path, digest))
            .collect();
        self.feeds.read(&self.sources.indicators);
        self.warnings.read(&self.sources);
        unread
    }

    fn compile(
        &mut self,
        unread: Vec<Diagnostic>,
        samples: &[Sample],
        in_use: Option<Arc<Ruleset>>,
    ) -> anyhow::Result<Loaded> {
        let mut diagnostics = unread;
        let sources = self.sources();
        let (options, more) = read_options(&self.sources.options);
        diagnostics.extend(more);
        // Where a pipeline can't be used no rule loads: without it they would be silent about what they are for.
        let checked = match options {
            Some(options) => self.checker.check(&sources, &options),
            None => Checked::default(),
        };
        diagnostics.extend(checked.diagnostics);
        // They decide how fast rules are tried, and never what matches.
        let samples = samples.iter().map(|event| event.to_vec());
        let mut compiler = Compiler::new().rules(checked.rules).sample(samples);
        if let Some(in_use) = in_use {
            compiler = compiler.earlier(in_use);
        }
        self.build(compiler, diagnostics)
    }

    /// Adds indicators and warning lists to the rules.
    fn build(&self, compiler: Compiler, mut diagnostics: Vec<Diagnostic>) -> anyhow::Result<Loaded> {
        diagnostics.extend(self.feeds.diagnostics());
        diagnostics.extend(self.warnings.diagnostics.iter().cloned());
        let compiler = compiler
            .indicator_table(Arc::clone(self.feeds.table()))
            .warning_lists(Arc::clone(&self.warnings.lists))
            .models(self.models.clone())
            .restricted_keys(self.restricted_keys.clone())
            .cert(self.sources.cert);
        let ruleset = compiler.compile().context("compile the ruleset")?;
        Ok(Loaded {
            ruleset,
            diagnostics,
            refused_indicators: self.feeds.refused(),
            cache: None,
        })
    }

    /// What speaks against taking this in place of the ruleset in use.
    fn refusal(&self, loaded: &Loaded) -> Option<Refusal> {
        let new: Vec<Diagnostic> = loaded
            .diagnostics
            .iter()
            .filter(|found| {
                found.is_error() && self.counts(found) && !self.accepted.contains(&problem(found))
            })
            .cloned()
            .collect();
        let reason = match new.first() {
            Some(first) => format!("{}:{}: {}; {}", first.path, first.line, first.detail, first.mend),
            None if loaded.ruleset.rule_count() + loaded.ruleset.indicator_count() == 0 => {
                "no rule and no indicator is left".to_owned()
            }
            None => return None,
        };
        Some(Refusal {
            reason,
            diagnostics: new,
        })
    }

    /// Whether an error speaks against a whole ruleset. A line of a feed does not: the others are good without it. A
    /// feed of which more lines are wrong than right is no feed.
    fn counts(&self, found: &Diagnostic) -> bool {
        let path = Path::new(&found.path);
        !self.feeds.holds(path) || self.feeds.is_broken(path)
    }

    fn take(&mut self, loaded: &Loaded) {
        self.is_kept = false;
        self.used = self.contents();
        self.accepted = loaded
            .diagnostics
            .iter()
            .filter(|found| found.is_error())
            .map(problem)
            .collect();
    }

    fn contents(&self) -> Contents {
        let rules = self.files.iter().map(|(path, file)| (path.clone(), file.digest));
        let options = self.options.iter().map(|(path, digest)| (path.clone(), *digest));
        let warnings = [(PathBuf::new(), self.warnings.digest)];
        rules
            .chain(self.feeds.contents())
            .chain(options)
            .chain(warnings)
            .collect()
    }
}

/// Whether a file is as it was read. One that was not there may be there now.
fn is_fresh<T>(file: &File<T>, now: Option<Stamp>) -> bool {
    now.is_some() && file.stamp == now
}

fn problem(found: &Diagnostic) -> Problem {
    (found.path.clone(), found.code, found.detail.clone())
}
