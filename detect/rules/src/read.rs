//! The only module of this crate that touches files: rule directories and indicator lists.
//!
//! What can't be read becomes a diagnostic, and the rest is read all the same.

use std::{
    fs,
    path::{Path, PathBuf},
};

use detect_alert::Indicator;

use crate::{
    BUNDLED_PIPELINES, Checked, Code, Diagnostic, Level, Options, Pipeline, check_with,
    indicator::{self, FeedOptions, feed_files, read_feed_file},
};

/// The text of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The file, as it is shown.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// What [`load`] is told besides where the rules are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Pipelines: names of bundled ones, or files.
    pub pipelines: Vec<String>,
    /// Files with lists for placeholders.
    pub placeholders: Vec<PathBuf>,
}

/// Directories deeper than this are not followed: a loop of links ends here.
const DEPTH_MAX: usize = 32;

/// Every `*.yml` and `*.yaml` at and below `paths`, except `*.test.yml`, what is hidden and what is in folders called
/// `pipelines`; sorted by path. Nothing is read but the folders.
#[must_use]
pub fn rule_files(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<Diagnostic>) {
    let mut files = Vec::new();
    let mut diagnostics = Vec::new();
    for path in paths {
        find(path, 0, &mut files, &mut diagnostics);
    }
    files.sort();
    files.dedup();
    (files, diagnostics)
}

/// Reads every file of [`rule_files`].
#[must_use]
pub fn read_rules(paths: &[PathBuf]) -> (Vec<SourceText>, Vec<Diagnostic>) {
    let (files, mut diagnostics) = rule_files(paths);
    let mut sources = Vec::with_capacity(files.len());
    for file in files {
        match read_text(&file) {
            Ok(source) => sources.push(source),
            Err(refusal) => diagnostics.push(*refusal),
        }
    }
    (sources, diagnostics)
}

/// Reads and checks every rule at and below `paths`. Where a pipeline can't be used no rule loads at all: without it they
/// would be silent about what they are for.
#[must_use]
pub fn load(paths: &[PathBuf], options: &LoadOptions) -> Checked {
    let (sources, mut diagnostics) = read_rules(paths);
    let (with, more) = read_options(options);
    diagnostics.extend(more);
    let mut checked = match with {
        Some(with) => check_with(&sources, &with),
        None => Checked::default(),
    };
    diagnostics.append(&mut checked.diagnostics);
    Checked {
        diagnostics,
        ..checked
    }
}

/// Reads pipelines and placeholder files; nothing where a pipeline can't be used.
#[must_use]
pub fn read_options(options: &LoadOptions) -> (Option<Options>, Vec<Diagnostic>) {
    let (mut with, mut diagnostics) = (Options::default(), Vec::new());
    for path in &options.placeholders {
        let added = read_text(path).and_then(|source| with.placeholders.add(&source));
        diagnostics.extend(added.err().map(|refusal| *refusal));
    }
    let mut is_whole = true;
    for name in &options.pipelines {
        let (pipeline, more) = match Pipeline::bundled(name) {
            Some(read) => read,
            None => match read_text(Path::new(name)) {
                Ok(source) => Pipeline::read(&source),
                Err(mut refusal) => {
                    let known: Vec<&str> = BUNDLED_PIPELINES.iter().map(|(name, _)| *name).collect();
                    refusal.mend = format!("name a file, or one of: {}", known.join(", "));
                    (None, vec![*refusal])
                }
            },
        };
        diagnostics.extend(more);
        is_whole &= pipeline.is_some();
        with.pipelines.extend(pipeline);
    }
    (is_whole.then_some(with), diagnostics)
}

/// Reads one file of rules, of placeholders or of a pipeline.
///
/// # Errors
/// If it can't be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<SourceText, Box<Diagnostic>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(SourceText {
            path: path.display().to_string(),
            text,
        }),
        Err(error) => Err(Box::new(unreadable(path, &error))),
    }
}

/// Reads the feeds at and below `path`, all at once; the names of files are the names of the feeds unless a
/// description beside one says another. For feeds that may be large there is [`crate::read_feed_file`].
#[must_use]
pub fn read_indicators(path: &Path) -> (Vec<Indicator>, Vec<Diagnostic>) {
    indicator::collect(|mut sink, report| {
        for file in feed_files(&[path.to_owned()], report) {
            read_feed_file(&file, &FeedOptions::new(""), &mut sink, report);
        }
        Ok(())
    })
}

fn find(path: &Path, depth: usize, files: &mut Vec<PathBuf>, diagnostics: &mut Vec<Diagnostic>) {
    if !path.is_dir() {
        if depth == 0 || is_rule_file(path) {
            files.push(path.to_owned());
        }
        return;
    }
    let is_pipelines = path.file_name().is_some_and(|name| name == "pipelines");
    if depth == DEPTH_MAX || is_pipelines && 0 < depth {
        return;
    }
    match fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    // Kubernetes mounts a folder's states beside each other under hidden names.
                    Ok(entry) if entry.file_name().as_encoded_bytes().starts_with(b".") => {}
                    Ok(entry) => find(&entry.path(), depth + 1, files, diagnostics),
                    Err(error) => diagnostics.push(unreadable(path, &error)),
                }
            }
        }
        Err(error) => diagnostics.push(unreadable(path, &error)),
    }
}

fn is_rule_file(path: &Path) -> bool {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().to_ascii_lowercase());
    (name.ends_with(".yml") || name.ends_with(".yaml"))
        && !name.ends_with(".test.yml")
        && !name.ends_with(".test.yaml")
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic {
        code: Code::Unreadable,
        level: Level::Error,
        path: path.display().to_string(),
        line: 1,
        piece: String::new(),
        detail: error.to_string(),
        mend: "check that the path is right, that it may be read, and that it is UTF-8".to_owned(),
    }
}
