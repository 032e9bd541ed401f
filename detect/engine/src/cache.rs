//! Checked rules and their prefilters as bytes, so that the next start need not make them anew.
//!
//! Pure: whoever keeps the bytes reads and writes the file. A cache is an offer: one that another build wrote, that is
//! of other rules, or that is torn is refused with its reason, and everything is made anew. The checksum finds accidents.
//! It does not stop somebody who may write the file, and Vectorscan trusts what it is given: the file belongs where only
//! this program's user writes.
//!
//! ```text
//! magic (8) · build (16) · key (32) · BLAKE3 of the rest (32) · postcard of rules, names and prefilters
//! ```

use detect_rules::{Checked, CheckedRules, Options, SourceText};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{ahead::Ahead, keys::FieldNames, ruleset::Ruleset};

/// What such bytes begin with. The number is that of the layout above; what is inside is told by [`BUILD`].
const MAGIC: &[u8; 8] = b"VardeC2\n";

/// The code that wrote them, see `build.rs`.
const BUILD: &[u8; 16] = {
    let build = env!("VARDE_ENGINE_BUILD").as_bytes();
    match build.first_chunk() {
        Some(build) => build,
        None => b"0000000000000000",
    }
};

/// What rules were made of: the texts of all files, and what they were checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheKey([u8; 32]);

/// What a cache holds.
#[derive(Debug)]
pub struct Cached {
    /// As [`detect_rules::check_with`] said it.
    pub checked: Checked,
    /// For [`crate::Compiler::cached`].
    pub prefilters: CachedPrefilters,
}

/// Prefilters that an earlier run built.
#[derive(Debug, Serialize, Deserialize)]
pub struct CachedPrefilters {
    /// Of the rules, in their order.
    digests: Vec<[u8; 32]>,
    /// Of fields, by number.
    names: Vec<String>,
    has_keywords: bool,
    ahead: Ahead,
}

/// Why a cache is of no use.
#[derive(Debug, Error)]
pub enum CacheError {
    /// It does not begin as one.
    #[error("the file is no cache of rules")]
    NoCache,
    /// Another version of this program wrote it.
    #[error("the cache is of another build")]
    OtherBuild,
    /// The files or the options are others.
    #[error("the cache is of other rules")]
    OtherRules,
    /// Not all of it is there, or something else is.
    #[error("the cache is damaged")]
    Damaged,
    /// Its parts can't be read, such as a database for another kind of processor.
    #[error("read the cache")]
    Unreadable(#[source] postcard::Error),
}

impl CacheError {
    /// A short name, to count by.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoCache => "no_cache",
            Self::OtherBuild => "other_build",
            Self::OtherRules => "other_rules",
            Self::Damaged => "damaged",
            Self::Unreadable(_) => "unreadable",
        }
    }
}

impl CacheKey {
    /// The key of rule files, in any order, and what they are checked with.
    #[must_use]
    pub fn of(sources: &[SourceText], options: &Options) -> Self {
        let mut files: Vec<[u8; 32]> = sources
            .iter()
            .map(|source| {
                let mut file = blake3::Hasher::new();
                file.update(&(source.path.len() as u64).to_le_bytes());
                file.update(source.path.as_bytes());
                file.update(source.text.as_bytes());
                *file.finalize().as_bytes()
            })
            .collect();
        files.sort_unstable();
        let mut all = blake3::Hasher::new();
        for file in &files {
            all.update(file);
        }
        all.update(format!("{options:?}").as_bytes());
        Self(*all.finalize().as_bytes())
    }
}

impl Cached {
    /// The bytes to keep. Nothing if the ruleset is not made of these rules, or has no prefilters.
    #[must_use]
    pub fn to_bytes(key: &CacheKey, checked: &Checked, ruleset: &Ruleset) -> Option<Vec<u8>> {
        let prefilters = Borrowed {
            digests: ruleset.rules.iter().map(|rule| rule.digest).collect(),
            names: ruleset.names.iter().collect(),
            has_keywords: ruleset.names.has_keywords,
            ahead: &ruleset.ahead,
        };
        if ruleset.is_exhaustive || !is_of(&prefilters.digests, &checked.rules) {
            return None;
        }
        let body = postcard::to_stdvec(&(checked, prefilters)).ok()?;
        let mut bytes = Vec::with_capacity(body.len() + 128);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(BUILD);
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(blake3::hash(&body).as_bytes());
        bytes.extend_from_slice(&body);
        Some(bytes)
    }

    /// What [`Cached::to_bytes`] wrote.
    ///
    /// # Errors
    /// If the bytes are not what this build made of the same rules, see [`CacheError`].
    pub fn from_bytes(key: &CacheKey, bytes: &[u8]) -> Result<Self, CacheError> {
        let (magic, rest) = bytes.split_first_chunk().ok_or(CacheError::NoCache)?;
        if magic != MAGIC {
            return Err(CacheError::NoCache);
        }
        let (build, rest) = rest.split_first_chunk().ok_or(CacheError::Damaged)?;
        if build != BUILD {
            return Err(CacheError::OtherBuild);
        }
        let (of, rest) = rest.split_first_chunk().ok_or(CacheError::Damaged)?;
        if *of != key.0 {
            return Err(CacheError::OtherRules);
        }
        let (sum, body) = rest.split_first_chunk::<32>().ok_or(CacheError::Damaged)?;
        if blake3::hash(body) != *sum {
            return Err(CacheError::Damaged);
        }
        let (checked, prefilters) = postcard::from_bytes(body).map_err(CacheError::Unreadable)?;
        Ok(Self { checked, prefilters })
    }
}

/// As [`CachedPrefilters`], of what a ruleset has.
#[derive(Serialize)]
struct Borrowed<'r> {
    digests: Vec<[u8; 32]>,
    names: Vec<&'r str>,
    has_keywords: bool,
    ahead: &'r Ahead,
}

impl CachedPrefilters {
    /// Whether they were built for these rules.
    pub(crate) fn is_of(&self, rules: &CheckedRules) -> bool {
        is_of(&self.digests, rules)
    }

    /// The names of fields, with the numbers that the prefilters know them by.
    pub(crate) fn names(&self) -> FieldNames {
        let mut names = FieldNames::numbered(self.names.iter().map(String::as_str));
        names.has_keywords = self.has_keywords;
        names
    }

    pub(crate) fn into_ahead(self) -> Ahead {
        self.ahead
    }
}

fn is_of(digests: &[[u8; 32]], rules: &CheckedRules) -> bool {
    digests.iter().eq(rules.rules.iter().map(|rule| &rule.digest))
}
