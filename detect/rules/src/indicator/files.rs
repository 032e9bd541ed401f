//! Feeds as files and folders: which files belong to a feed, and its description beside it.
//!
//! With `read.rs` and `warning.rs` the only place of this crate that touches files. A folder with a `manifest.json`
//! is a MISP feed (<https://www.misp-standard.org/rfc/misp-standard-core.html>, section 4): the manifest says which
//! events belong to it. In any other folder every file is a feed, except descriptions and documents for people.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use detect_alert::Indicator;
use serde::de::IgnoredAny;

use super::{
    document::DOCUMENT_BYTES_MAX,
    options::{FeedDescription, FeedOptions},
    read_feed,
    report::{FeedReport, Finding, FoundAt, Reason},
};
use crate::{Code, Diagnostic, Level};

/// Folders deeper than this are not followed: a loop of links ends here.
const DEPTH_MAX: usize = 32;

/// Large enough that a read costs little beside what is read.
const BUFFER_BYTES: usize = 256 * 1024;

/// A description is a few lines.
const DESCRIPTION_BYTES_MAX: u64 = 1024 * 1024;

/// Endings of documents that lie beside feeds.
const DOCUMENTS: [&str; 8] = ["md", "adoc", "rst", "html", "pdf", "yml", "yaml", "toml"];

/// Names of documents that lie beside feeds.
const DOCUMENT_NAMES: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "README", "CHANGELOG", "NOTICE"];

/// What a folder with a MISP feed has.
const MANIFEST: &str = "manifest.json";

/// The feeds at and below `paths`, sorted. What is passed over is counted.
pub fn feed_files(paths: &[PathBuf], report: &mut FeedReport) -> Vec<PathBuf> {
    let mut files = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            folder(path, 0, &mut files, report);
        } else {
            files.insert(path.clone());
        }
    }
    files.into_iter().collect()
}

/// A feed's name where nothing says it: the file's without its ending.
#[must_use]
pub fn source_name(path: &Path) -> String {
    path.file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// The options of a feed: `base`, with its description's values instead if there is one beside it, and the name of
/// the file unless that says another.
///
/// # Errors
/// If there is a description and it is wrong.
pub fn feed_options(path: &Path, base: &FeedOptions) -> Result<FeedOptions, Box<Finding>> {
    let mut options = base.clone();
    if options.source.is_empty() {
        options.source = source_name(path);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".feed.yml");
    let for_all = path.with_file_name("feed.yml");
    let Some(file) = [PathBuf::from(beside), for_all]
        .into_iter()
        .find(|file| file.is_file())
    else {
        return Ok(options);
    };
    let text = read_text(&file, DESCRIPTION_BYTES_MAX).map_err(|error| error.to_string());
    let described = text
        .and_then(|text| FeedDescription::read(&text))
        .and_then(|description| options.described(description));
    described.map_err(|detail| {
        Box::new(Finding {
            reason: Reason::BadDocument,
            path: file.display().to_string(),
            place: FoundAt::Line(1),
            piece: String::new(),
            detail,
            mend: "correct the feed's description; the feed is not read without it".to_owned(),
        })
    })
}

/// Reads the feed in one file, with its description if there is one. What can't be opened is counted as refused.
pub fn read_feed_file(
    path: &Path,
    base: &FeedOptions,
    sink: &mut impl FnMut(Indicator),
    report: &mut FeedReport,
) {
    let options = match feed_options(path, base) {
        Ok(options) => options,
        Err(finding) => return report.count(finding.reason, || *finding),
    };
    let shown = path.display().to_string();
    let opened = File::open(path).map(|file| BufReader::with_capacity(BUFFER_BYTES, file));
    let result = opened.and_then(|reader| read_feed(reader, &shown, &options, sink, report));
    if let Err(error) = result {
        refuse(path, Reason::Unreadable, &error.to_string(), report);
    }
}

fn folder(path: &Path, depth: usize, files: &mut BTreeSet<PathBuf>, report: &mut FeedReport) {
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return refuse(path, Reason::Unreadable, &error.to_string(), report),
    };
    let mut inside: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    inside.sort();
    if inside.iter().any(|file| file.ends_with(MANIFEST)) {
        return misp_feed(path, &inside, files, report);
    }
    for entry in inside {
        if entry.is_dir() {
            if depth < DEPTH_MAX {
                folder(&entry, depth + 1, files, report);
            } else {
                refuse(&entry, Reason::Unreadable, "the folders are too deep", report);
            }
        } else if is_document(&entry) {
            passed_over(&entry, report);
        } else if !is_description(&entry) {
            files.insert(entry);
        }
    }
}

/// The events that the manifest names. Others, and `hashes.csv`, are passed over and counted.
fn misp_feed(path: &Path, inside: &[PathBuf], files: &mut BTreeSet<PathBuf>, report: &mut FeedReport) {
    let manifest = path.join(MANIFEST);
    let events = read_text(&manifest, DOCUMENT_BYTES_MAX)
        .map_err(|error| error.to_string())
        .and_then(|text| {
            serde_json::from_str::<BTreeMap<String, IgnoredAny>>(&text).map_err(|error| error.to_string())
        });
    let events = match events {
        Ok(events) => events,
        Err(detail) => return refuse(&manifest, Reason::BadDocument, &detail, report),
    };
    let mut found = BTreeSet::new();
    for uuid in events.keys() {
        let file = path.join(format!("{uuid}.json"));
        let is_name = uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if is_name && file.is_file() {
            found.insert(file);
        } else {
            let detail = format!("the manifest names the event `{uuid}`, and there is no such file");
            refuse(&manifest, Reason::BadDocument, &detail, report);
        }
    }
    for file in inside {
        if !found.contains(file) && !file.ends_with(MANIFEST) && !is_description(file) {
            passed_over(file, report);
        }
    }
    files.append(&mut found);
}

fn is_description(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == "feed.yml" || name.ends_with(".feed.yml") || name.starts_with('.')
}

fn is_document(path: &Path) -> bool {
    let ending = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .to_uppercase();
    !is_description(path) && (DOCUMENTS.contains(&ending.as_str()) || DOCUMENT_NAMES.contains(&stem.as_str()))
}

fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(File::open(path)?, bytes_max), &mut text)?;
    Ok(text)
}

fn passed_over(path: &Path, report: &mut FeedReport) {
    tell(
        path,
        Reason::PassedOver,
        "it holds no indicators of its own",
        "name the file itself if it is a feed",
        report,
    );
}

fn refuse(path: &Path, reason: Reason, detail: &str, report: &mut FeedReport) {
    let mend = "check that it is there, that it may be read, and that it is whole";
    tell(path, reason, detail, mend, report);
}

fn tell(path: &Path, reason: Reason, detail: &str, mend: &str, report: &mut FeedReport) {
    report.count(reason, || Finding {
        reason,
        path: path.display().to_string(),
        place: FoundAt::Line(1),
        piece: String::new(),
        detail: detail.to_owned(),
        mend: mend.to_owned(),
    });
}

/// What can't be read, as a diagnostic.
pub(crate) fn unreadable(path: &str, error: &io::Error) -> Diagnostic {
    Diagnostic {
        code: Code::Unreadable,
        level: Level::Error,
        path: path.to_owned(),
        line: 1,
        piece: String::new(),
        detail: error.to_string(),
        mend: "check that the path is right, that it may be read, and that it is UTF-8".to_owned(),
    }
}
