//! The bundled cases: captures recorded in our own lab, with the alerts that they must and must not raise.
//!
//! Data first: each folder of `cases/` is one case, described by its `case.yml`, which [`Case`] mirrors. The captures
//! travel inside the binary, so that `varde up --demo` needs no download. In a debug build they are read from the
//! source tree.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(RustEmbed)]
#[folder = "cases/"]
struct Files;

/// The file that describes a case.
const DESCRIPTION: &str = "case.yml";

/// One case, as its `case.yml` describes it. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its folder below `cases/`; not in the file.
    #[serde(skip)]
    pub folder: String,
    /// A few words.
    pub name: String,
    /// What happens in it and how it was recorded.
    pub description: String,
    /// The organisation number that its events belong to.
    pub organization: String,
    /// The sensor that saw it.
    pub sensor: String,
    /// The part of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether the events say themselves whose they are and which sensor saw them. What is left out of the demo, where each
    /// sensor speaks for itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_written: bool,
    /// The networks that are the municipality's own, in CIDR notation.
    #[serde(default)]
    pub home_networks: Vec<String>,
    /// Its captures and logs, in the order in which they are read.
    pub inputs: Vec<Input>,
    /// The alerts that it raises: these and no others.
    #[serde(default)]
    pub expect: Vec<Expected>,
    /// Rules that must stay silent on it, whatever else is loaded.
    #[serde(default)]
    pub must_not_fire: Vec<String>,
}

/// One capture or log of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name in the case's folder.
    pub file: String,
    /// The dataset of records that do not say theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The year of times that have none (RFC 3164).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<i16>,
}

/// So many alerts of one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The rule's id or its title; `indicator:<kind>` for indicators.
    pub rule: String,
    /// How many alerts.
    pub count: u64,
    /// Only alerts about this entity, for example an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
}

/// Why a case can't be used.
#[derive(Debug, Error)]
#[error("read cases/{folder}/{DESCRIPTION}: {detail}")]
pub struct CaseError {
    /// The case's folder.
    pub folder: String,
    /// Line, key and mend.
    pub detail: String,
}

/// Every case, sorted by folder.
///
/// # Errors
/// If a `case.yml` lacks a key, has an unknown one, or names a file that is not there.
pub fn cases() -> Result<Vec<Case>, CaseError> {
    let mut cases = Vec::new();
    for path in Files::iter() {
        let Some(folder) = path
            .strip_suffix(DESCRIPTION)
            .and_then(|folder| folder.strip_suffix('/'))
        else {
            continue;
        };
        cases.push(read(folder)?);
    }
    cases.sort_by(|left, right| left.folder.cmp(&right.folder));
    Ok(cases)
}

fn read(folder: &str) -> Result<Case, CaseError> {
    let fail = |detail: String| CaseError {
        folder: folder.to_owned(),
        detail,
    };
    let file =
        Files::get(&format!("{folder}/{DESCRIPTION}")).ok_or_else(|| fail("it is not there".to_owned()))?;
    let text = String::from_utf8_lossy(&file.data);
    let mut case: Case = serde_saphyr::from_str(&text).map_err(|error| fail(error.to_string()))?;
    folder.clone_into(&mut case.folder);
    for input in &case.inputs {
        if case.file(&input.file).is_none() {
            return Err(fail(format!(
                "`inputs` names {}, which is not in the folder",
                input.file
            )));
        }
    }
    Ok(case)
}

impl Case {
    /// What is in one of its files.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Cow<'static, [u8]>> {
        Files::get(&format!("{}/{name}", self.folder)).map(|file| file.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_of_cases_is_a_case() {
        let cases = cases().expect("every case.yml is right");
        let folders: std::collections::BTreeSet<String> = Files::iter()
            .filter_map(|path| path.split_once('/').map(|(folder, _)| folder.to_owned()))
            .collect();
        assert_eq!(
            cases
                .iter()
                .map(|case| case.folder.clone())
                .collect::<std::collections::BTreeSet<_>>(),
            folders
        );
    }
}
