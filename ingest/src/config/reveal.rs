//! `reveal`: who decides what the centre is told of pseudonyms, and whose questions are believed.

use ingest_trust::signing::VerifyingKey;
use serde::Deserialize;

/// What the site says to questions of the centre (decision 0022).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reveal {
    /// Who decides.
    pub policy: RevealPolicy,
    /// What is answered without a person on site.
    pub automatic_for: Vec<Automatic>,
    /// The keys that questions are believed under; without any, those of the centre's bundle.
    pub keys: Vec<VerifyingKey>,
}

/// Who decides.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum RevealPolicy {
    /// A person on site, each time.
    #[default]
    Ask,
    /// Nobody: the answer is no.
    Never,
}

/// What can be answered without a person on site; certificates, shares and words of logs can't.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Automatic {
    /// Addresses.
    Addresses,
    /// Names of machines, and hardware addresses.
    Machines,
    /// Accounts.
    Accounts,
}
