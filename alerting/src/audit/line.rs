//! Entries as lines of NDJSON: `varde audit export` writes them, `varde audit verify` reads them without a store.
//!
//! `before` and `after` are the stored JSON as text, so that no other program's way of writing JSON changes a digest.

use std::str::FromStr as _;

use ingest_event::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Deed, Digest, Entry};

/// Why a line is no entry.
#[derive(Debug, Error)]
pub enum LineError {
    /// Not JSON, or not with these members.
    #[error("read it as an entry of the audit log: {0}")]
    Json(#[from] serde_json::Error),
    /// A member that can't be.
    #[error("`{member}`: {mend}")]
    Member {
        /// Which.
        member: &'static str,
        /// What is wrong.
        mend: String,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: u64,
    at: String,
    actor: String,
    /// Left out where there is none, as older versions wrote and read lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    action: String,
    subject: String,
    before: Option<String>,
    after: Option<String>,
    digest: String,
}

/// An entry as one line, without its end.
#[must_use]
pub fn write_line(entry: &Entry) -> String {
    let deed = entry.deed.clone();
    let line = Line {
        seq: entry.seq,
        at: deed.at.to_string(),
        actor: deed.actor,
        account: deed.account,
        action: deed.action,
        subject: deed.subject,
        before: deed.before,
        after: deed.after,
        digest: entry.digest.to_string(),
    };
    // Texts and numbers only: there is nothing that JSON can't say.
    serde_json::to_string(&line).unwrap_or_default()
}

/// Reads one line; whether it follows the one before it is [`super::Chain`]'s question.
///
/// # Errors
/// If it is no entry.
pub fn read_line(text: &str) -> Result<Entry, LineError> {
    let line: Line = serde_json::from_str(text)?;
    let refuse = |member| move |mend: String| LineError::Member { member, mend };
    let at = Timestamp::from_str(&line.at).map_err(|error| refuse("at")(error.to_string()))?;
    let digest = Digest::from_str(&line.digest)
        .map_err(|_| refuse("digest")("it must have 64 hexadecimal digits".to_owned()))?;
    Ok(Entry {
        seq: line.seq,
        deed: Deed {
            at,
            actor: line.actor,
            account: line.account,
            action: line.action,
            subject: line.subject,
            before: line.before,
            after: line.after,
        },
        digest,
    })
}
