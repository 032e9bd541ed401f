//! Documents with several bodies, as JSON, and what is the same for CSV.

use std::collections::BTreeMap;

use ingest_event::OrganizationNumber;
use serde::{Deserialize, Serialize};

use super::{Flaw, Form, ORGANIZATIONS_MAX, flaw};

/// The version of the form of documents.
pub const VERSION: u32 = 1;

/// Flaws that are told of one document: a person mends these first.
pub const FLAWS_MAX: usize = 100;

/// The bytes of a document.
pub const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bodies by their numbers.
pub type Forms = BTreeMap<OrganizationNumber, Form>;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    organizations: Vec<Form>,
}

/// Reads a document.
///
/// # Errors
/// With the first [`FLAWS_MAX`] flaws.
pub fn read(bytes: &[u8]) -> Result<Forms, Vec<Flaw>> {
    check_size(bytes)?;
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| vec![flaw("document", &error.to_string())])?;
    if document.version != VERSION {
        let mend = format!("this version reads {VERSION}");
        return Err(vec![flaw("version", &mend)]);
    }
    gather(document.organizations.into_iter().enumerate().map(|(at, form)| {
        let place = move |field: &str| format!("organizations[{at}].{field}");
        (form, place)
    }))
}

/// Writes a document, in the order of the numbers: the same bodies, the same bytes.
#[must_use]
pub fn write(forms: &Forms) -> String {
    let document = Document {
        version: VERSION,
        organizations: forms.values().cloned().collect(),
    };
    // Texts, numbers and lists: there is nothing that JSON can't say.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn check_size(bytes: &[u8]) -> Result<(), Vec<Flaw>> {
    if bytes.len() <= BYTES_MAX {
        return Ok(());
    }
    let mend = format!(
        "it has {} bytes, at most {BYTES_MAX} are taken: split it",
        bytes.len()
    );
    Err(vec![flaw("document", &mend)])
}

/// Checks forms and takes them together; each with how its fields are named to a person.
pub(super) fn gather<P: Fn(&str) -> String>(
    forms: impl ExactSizeIterator<Item = (Form, P)>,
) -> Result<Forms, Vec<Flaw>> {
    if ORGANIZATIONS_MAX < forms.len() {
        let mend = format!(
            "it has {} bodies, at most {ORGANIZATIONS_MAX} are taken",
            forms.len()
        );
        return Err(vec![flaw("document", &mend)]);
    }
    let (mut all, mut flaws) = (Forms::new(), Vec::new());
    for (form, place) in forms {
        match form.canonical() {
            Ok(form) => {
                let Ok(number) = form.number.parse() else { continue };
                if all.insert(number, form).is_some() {
                    flaws.push(flaw(
                        &place("number"),
                        &format!("{number} is there twice: remove one"),
                    ));
                }
            }
            Err(found) => flaws.extend(found.into_iter().map(|one| Flaw {
                field: place(&one.field),
                ..one
            })),
        }
        if FLAWS_MAX <= flaws.len() {
            flaws.truncate(FLAWS_MAX);
            break;
        }
    }
    if flaws.is_empty() { Ok(all) } else { Err(flaws) }
}
