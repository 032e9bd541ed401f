//! Warning lists in MISP's format to [`WarningList`]s: what is known to be harmless or shared by many
//! (<https://github.com/MISP/misp-warninglists>, `schema.json`).
//!
//! A file holds one list, and its entries are checked here, so that the engine has no reason to refuse any. Which
//! lists block and which only inform is the reader's decision and not the list's: [`WarningModes`]. Lists about
//! things that are no indicators here, such as telephone numbers, are passed over and told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    net::IpAddr,
    path::{Path, PathBuf},
};

use detect_alert::{IndicatorKind, WarningCategory, WarningList, WarningListKind, WarningMode};
use ipnet::IpNet;
use serde::Deserialize;

use crate::{Code, Diagnostic, Level, indicator};

/// A larger file is refused: the largest public list, a million popular names, has some 20 MB.
const LIST_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Folders deeper than this are not followed: a loop of links ends here.
const DEPTH_MAX: usize = 8;

/// What each list comes to, by its name or by the folder that it is in (`public-dns-v4`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WarningModes {
    default: Mode,
    block: BTreeSet<String>,
    inform: BTreeSet<String>,
    off: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Block,
    /// What is on a list may be bad all the same, so this is what holds unless someone decides otherwise.
    #[default]
    Inform,
    Off,
}

impl WarningModes {
    /// Reads the YAML of the configuration.
    ///
    /// # Errors
    /// If it is none, or gives one list two modes: what is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let modes: Self = serde_saphyr::from_str(text).map_err(|error| {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().to_owned()
        })?;
        let mut seen = BTreeSet::new();
        for name in modes.block.iter().chain(&modes.inform).chain(&modes.off) {
            if !seen.insert(name) {
                return Err(format!("the list `{name}` has two modes"));
            }
        }
        Ok(modes)
    }

    fn of(&self, name: &str, folder: &str) -> Option<WarningMode> {
        let has = |set: &BTreeSet<String>| set.contains(name) || set.contains(folder);
        let mode = if has(&self.off) {
            Mode::Off
        } else if has(&self.block) {
            Mode::Block
        } else if has(&self.inform) {
            Mode::Inform
        } else {
            self.default
        };
        match mode {
            Mode::Block => Some(WarningMode::Block),
            Mode::Inform => Some(WarningMode::Inform),
            Mode::Off => None,
        }
    }

    /// Names in the configuration that are no list's.
    fn unused(&self, known: &BTreeSet<String>) -> Vec<String> {
        let named = self.block.iter().chain(&self.inform).chain(&self.off);
        named.filter(|name| !known.contains(*name)).cloned().collect()
    }
}

/// Reads every `*.json` at and below `paths`; sorted by path. A list that is wrong is left out and told; a name in
/// `modes` that is no list's is told too.
#[must_use]
pub fn read_warning_lists(paths: &[PathBuf], modes: &WarningModes) -> (Vec<WarningList>, Vec<Diagnostic>) {
    let mut files = BTreeSet::new();
    let mut diagnostics = Vec::new();
    for path in paths {
        if let Err(error) = find(path, 0, &mut files) {
            diagnostics.push(indicator::unreadable(&path.display().to_string(), &error));
        }
    }
    let mut lists: BTreeMap<String, WarningList> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for file in files {
        let shown = file.display().to_string();
        let folder = folder_name(&file);
        known.insert(folder.clone());
        let text = match read_text(&file) {
            Ok(text) => text,
            Err(error) => {
                diagnostics.push(indicator::unreadable(&shown, &error));
                continue;
            }
        };
        let (list, found) = check_warning_list(&shown, &folder, &text, modes);
        diagnostics.extend(found);
        if let Some(list) = list {
            known.insert(list.name.clone());
            if let Some(other) = lists.insert(list.name.clone(), list) {
                let detail = format!(
                    "another list is called `{}` too; the later one counts",
                    other.name
                );
                diagnostics.push(told(&shown, Level::Warning, &detail, "rename one of them"));
            }
        }
    }
    for name in modes.unused(&known) {
        let detail = format!("the configuration names the list `{name}`, and there is none");
        diagnostics.push(told(
            "warning lists",
            Level::Warning,
            &detail,
            "correct the name, or remove it",
        ));
    }
    (lists.into_values().collect(), diagnostics)
}

/// A list as MISP writes it.
#[derive(Deserialize)]
struct Document {
    name: String,
    #[serde(default)]
    version: u64,
    #[serde(rename = "type", default = "string")]
    kind: String,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    matching_attributes: Vec<String>,
    list: Vec<String>,
}

/// What MISP takes a list for that does not say.
fn string() -> String {
    WarningListKind::String.as_str().to_owned()
}

/// Reads the text of one list. `folder` is another name by which `modes` may know it.
///
/// None if it is wrong, switched off, or about nothing that is an indicator here; then a diagnostic says so, except
/// for one that is switched off.
#[must_use]
pub fn check_warning_list(
    path: &str,
    folder: &str,
    text: &str,
    modes: &WarningModes,
) -> (Option<WarningList>, Vec<Diagnostic>) {
    let refuse = |detail: &str| {
        let mend = "a warning list has `name`, `version`, `type`, `matching_attributes` and `list`";
        (None, vec![told(path, Level::Error, detail, mend)])
    };
    let document: Document = match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(document) => document,
        Err(error) => return refuse(&error.to_string()),
    };
    let kind: WarningListKind = match document.kind.parse() {
        Ok(kind) => kind,
        Err(error) => return refuse(&format!("{error}")),
    };
    let category = match document.category.as_deref().map(str::parse) {
        None => WarningCategory::FalsePositive,
        Some(Ok(category)) => category,
        Some(Err(error)) => return refuse(&format!("{error}")),
    };
    let Some(mode) = modes.of(&document.name, folder) else {
        return (None, Vec::new());
    };
    let mut applies_to: Vec<IndicatorKind> = document
        .matching_attributes
        .iter()
        .flat_map(|attribute| indicator::misp_kinds(attribute))
        .collect();
    applies_to.sort();
    applies_to.dedup();
    if applies_to.is_empty() && !document.matching_attributes.is_empty() {
        let detail = format!(
            "it speaks of {}, of which nothing is an indicator here",
            document.matching_attributes.join(", ")
        );
        return (
            None,
            vec![told(
                path,
                Level::Warning,
                &detail,
                "none needed: it is passed over",
            )],
        );
    }
    let total = document.list.len();
    let (entries, bad): (Vec<_>, Vec<_>) = document.list.into_iter().partition(|entry| is_entry(kind, entry));
    let mut diagnostics = Vec::new();
    if let Some(first) = bad.first() {
        let first: String = first.chars().take(80).collect();
        let detail = format!(
            "{} of {total} entries are no {kind} and are left out, such as `{first}`",
            bad.len()
        );
        diagnostics.push(told(path, Level::Warning, &detail, "tell the list's publisher"));
    }
    let list = WarningList {
        name: document.name,
        version: document.version,
        kind,
        category,
        applies_to,
        mode,
        entries,
    };
    (Some(list), diagnostics)
}

fn is_entry(kind: WarningListKind, entry: &str) -> bool {
    let text = entry.trim();
    match kind {
        WarningListKind::Cidr => text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok(),
        WarningListKind::Regex => regex::Regex::new(between_slashes(text)).is_ok() && !text.is_empty(),
        WarningListKind::Hostname | WarningListKind::String | WarningListKind::Substring => !text.is_empty(),
    }
}

/// `/a.b/i` is `a.b`; without slashes it is as it stands.
fn between_slashes(text: &str) -> &str {
    let inner = text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    inner.map_or(text, |(inner, _)| inner)
}

/// `public-dns-v4/list.json` and `public-dns-v4.json` are both `public-dns-v4`.
fn folder_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    let name = if stem == "list" {
        path.parent().and_then(Path::file_name).unwrap_or(stem)
    } else {
        stem
    };
    name.to_string_lossy().into_owned()
}

fn find(path: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        let is_list = path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        if depth == 0 || is_list {
            files.insert(path.to_owned());
        }
    } else if depth < DEPTH_MAX {
        for entry in fs::read_dir(path)? {
            find(&entry?.path(), depth + 1, files)?;
        }
    }
    Ok(())
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?
        .take(LIST_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if LIST_BYTES_MAX < read as u64 {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than any list",
        ));
    }
    Ok(text)
}

fn told(path: &str, level: Level, detail: &str, mend: &str) -> Diagnostic {
    Diagnostic {
        code: Code::BadFeed,
        level,
        path: path.to_owned(),
        line: 1,
        piece: String::new(),
        detail: detail.to_owned(),
        mend: mend.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(kind: &str, attributes: &str, entries: &str) -> String {
        format!(
            r#"{{"name":"Our list","version":7,"description":"","type":"{kind}","matching_attributes":[{attributes}],"list":[{entries}]}}"#
        )
    }

    #[test]
    fn a_list_says_what_it_holds_and_what_it_is_about() {
        use IndicatorKind as Kind;
        for (kind, attributes, entries, applies_to, kept) in [
            (
                "cidr",
                r#""ip-src","ip-dst","domain|ip""#,
                r#""192.0.2.0/24","2001:db8::/32","192.0.2.1","x""#,
                &[Kind::Address, Kind::Cidr, Kind::Domain][..],
                3,
            ),
            (
                "hostname",
                r#""hostname","url""#,
                r#""a.example","""#,
                &[Kind::Domain, Kind::Url],
                1,
            ),
            (
                "string",
                r#""md5","filename|md5""#,
                r#""995ff56e9d5046fa6cb5fb20e5019d05""#,
                &[Kind::Md5],
                1,
            ),
            (
                "substring",
                r#""email-src""#,
                r#""@a.example"," ""#,
                &[Kind::Email],
                1,
            ),
            ("regex", "", r#""/^a+$/i","/(/","""#, &[], 1),
        ] {
            let text = list(kind, attributes, entries);
            let (found, diagnostics) =
                check_warning_list("list.json", "ours", &text, &WarningModes::default());
            let found = found.expect(kind);
            assert_eq!(
                (found.kind.as_str(), found.version, found.mode),
                (kind, 7, WarningMode::Inform)
            );
            assert_eq!(found.applies_to, applies_to, "{kind}");
            assert_eq!(found.entries.len(), kept, "{kind}");
            let total = entries.split(',').count();
            assert_eq!(
                diagnostics.len(),
                usize::from(kept < total),
                "{kind} {diagnostics:?}"
            );
            assert!(diagnostics.iter().all(|told| !told.is_error()));
        }
    }

    #[test]
    fn what_a_list_comes_to_is_configured_by_name_or_folder() {
        let modes =
            WarningModes::read("default: 'inform'\nblock: [ours]\noff: [Their list]\n").expect("it is read");
        let text = list("string", "", r#""x""#);
        for (folder, name, mode) in [
            ("ours", "Our list", Some(WarningMode::Block)),
            ("other", "Our list", Some(WarningMode::Inform)),
            ("ours", "Their list", None),
        ] {
            let text = text.replace("Our list", name);
            let (found, diagnostics) = check_warning_list("list.json", folder, &text, &modes);
            assert_eq!(found.map(|list| list.mode), mode, "{folder} {name}");
            assert!(diagnostics.is_empty(), "{diagnostics:?}");
        }
        assert!(WarningModes::read("block: [a]\noff: [a]\n").is_err());
        assert!(WarningModes::read("blok: [a]\n").is_err());
    }

    #[test]
    fn a_wrong_list_is_left_out_and_told() {
        let good = list("string", "", r#""x""#);
        for (text, is_error) in [
            (good.replace("\"list\"", "\"lits\""), true),
            (good.replace("\"string\"", "\"hash\""), true),
            (good.replace("\"type\"", "\"category\":\"odd\",\"type\""), true),
            ("[]".to_owned(), true),
            (list("regex", r#""phone-number""#, r#""/x/""#), false),
        ] {
            let (found, diagnostics) =
                check_warning_list("list.json", "ours", &text, &WarningModes::default());
            assert_eq!(found, None, "{text}");
            assert_eq!(diagnostics.len(), 1, "{text}");
            assert!(
                diagnostics.iter().all(|told| told.is_error() == is_error),
                "{text}"
            );
        }
    }
}
