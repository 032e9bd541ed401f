//! Restricted indicators never travel in clear: those that are TLP:RED or PAP:RED, and those of feeds that say
//! `without_reveal`, become hashes under a key that the detector has too.
//!
//! None of the feeds' own files travels: what is open in them is written anew, and nothing else of them can slip through.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use detect_alert::{Indicator, Pap, Tlp};
use detect_rules::{FeedOptions, FeedReport, feed_files, feed_options, read_feed_file};
use ingest::scan::load::{INDICATORS, RESTRICTED};
use ingest_event::Timestamp;
use ingest_event::restricted::{HASHES_MAX, RestrictedKey, RestrictedList};

use super::desk::{failed, read};
use crate::exit::{Exit, Failure};

/// What is open was accepted here, and is by sensors.
const DESCRIPTION: &str = "accept_private: true\naccept_documentation: true\n";

/// What travels in the place of the feeds.
pub(super) struct Restricted {
    /// Names in the bundle, and contents.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// How many indicators became hashes.
    pub(super) hidden: usize,
    /// How many did not.
    pub(super) open: usize,
    /// Of the key of the hashes, if there are any.
    pub(super) key_id: Option<String>,
}

/// Takes what is restricted out of a folder's feeds; `None` where there are none.
pub(super) fn restrict(
    directory: &Path,
    key: Option<&Path>,
    now: Timestamp,
) -> Result<Option<Restricted>, Failure> {
    if directory.join(RESTRICTED).exists() {
        let message = format!("{RESTRICTED} is made from the feeds in {INDICATORS}; remove it");
        return Err(Failure::new(Exit::Input, message));
    }
    let folder = directory.join(INDICATORS);
    if !folder.is_dir() {
        return Ok(None);
    }
    let (mut hidden, mut open) = (Vec::new(), Vec::new());
    let mut report = FeedReport::default();
    let base = FeedOptions::new("");
    for path in feed_files(&[folder], &mut report) {
        let is_closed = feed_options(&path, &base).is_ok_and(|options| options.without_reveal);
        let mut sink = |indicator: Indicator| {
            if is_closed || indicator.tlp == Tlp::Red || indicator.pap == Pap::Red {
                hidden.push(indicator);
            } else {
                open.push(indicator);
            }
        };
        read_feed_file(&path, &base, &mut sink, &mut report);
    }
    let in_clear = |open: &mut Vec<Indicator>| {
        vec![
            (format!("{INDICATORS}/open.csv"), table(open).into_bytes()),
            (
                format!("{INDICATORS}/open.csv.feed.yml"),
                DESCRIPTION.as_bytes().to_vec(),
            ),
        ]
    };
    if hidden.is_empty() {
        return Ok(Some(Restricted {
            hidden: 0,
            open: open.len(),
            key_id: None,
            files: in_clear(&mut open),
        }));
    }
    let Some(key) = key else {
        let message = format!(
            "{} indicators are restricted (TLP:RED, PAP:RED or `without_reveal`) and travel as hashes only: name the key \
             with --restricted-key, a file that is made if it is missing",
            hidden.len()
        );
        return Err(Failure::new(Exit::Usage, message));
    };
    let key = read_or_make(key)?;
    // What is over hides nothing that is not.
    hidden.retain(|indicator| indicator.valid_until.is_none_or(|until| now < until));
    // Also those that another feed has in clear: what is restricted here is not told here.
    let is_same = |one: &Indicator, other: &Indicator| (one.kind, &one.value) == (other.kind, &other.value);
    hidden.sort_by(|one, other| (one.kind, &one.value).cmp(&(other.kind, &other.value)));
    hidden.dedup_by(|one, other| is_same(one, other));
    open.retain(|open| {
        let order = |hidden: &Indicator| (hidden.kind, &hidden.value).cmp(&(open.kind, &open.value));
        hidden.binary_search_by(order).is_err()
    });
    if HASHES_MAX < hidden.len() {
        let message = format!(
            "{} indicators are restricted; {HASHES_MAX} are the most",
            hidden.len()
        );
        return Err(Failure::new(Exit::Input, message));
    }
    let values = hidden
        .iter()
        .map(|indicator| (indicator.kind.as_str(), indicator.value.as_str()));
    let list = RestrictedList::of(&key, values);
    let list = serde_json::to_vec(&list).map_err(|error| failed("write the list of hashes", &error))?;
    let mut files = in_clear(&mut open);
    files.push((RESTRICTED.to_owned(), list));
    Ok(Some(Restricted {
        hidden: hidden.len(),
        open: open.len(),
        key_id: Some(key.id()),
        files,
    }))
}

fn read_or_make(path: &Path) -> Result<RestrictedKey, Failure> {
    let wrong = |why: String| Failure::new(Exit::Input, format!("cannot use {}: {why}", path.display()));
    if path.exists() {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        return RestrictedKey::parse(&text).map_err(|error| wrong(error.to_string()));
    }
    let mut bytes = [0; 32];
    openssl::rand::rand_bytes(&mut bytes).map_err(|error| failed("make a key", &error))?;
    let key = RestrictedKey::new(bytes);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| wrong(error.to_string()))?;
    let written = writeln!(file, "{}", key.to_hex()).and_then(|()| file.sync_all());
    written.map_err(|error| wrong(error.to_string()))?;
    Ok(key)
}

/// As a table of comma-separated values (RFC 4180), in one order whatever the files.
fn table(indicators: &mut [Indicator]) -> String {
    indicators.sort_by(|one, other| {
        let order =
            |indicator: &Indicator| (indicator.kind, indicator.value.clone(), indicator.source.clone());
        order(one).cmp(&order(other))
    });
    let mut text = String::from("type,value,source,confidence,tlp,pap,valid_from,valid_until,description\n");
    for indicator in indicators {
        let time = |time: Option<Timestamp>| time.map_or_else(String::new, |time| time.to_string());
        let cells = [
            indicator.kind.as_str().to_owned(),
            indicator.value.clone(),
            indicator.source.clone(),
            indicator.confidence.as_str().to_owned(),
            indicator.tlp.as_str().to_owned(),
            indicator.pap.as_str().to_owned(),
            time(indicator.valid_from),
            time(indicator.valid_until),
            indicator.description.replace(['\n', '\r'], " "),
        ];
        for (number, cell) in cells.iter().enumerate() {
            if 0 < number {
                text.push(',');
            }
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        }
        text.push('\n');
    }
    text
}
