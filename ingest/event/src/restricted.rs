//! Indicators that travel as keyed hashes: a sensor finds them, and does not learn from the list what they are (R24).
//!
//! The hash is the first 16 bytes of BLAKE3 keyed with the list's key, over the kind's code, a zero byte, and the value in
//! the normal form of its kind. Pure; the list is JSON, its form is in `docs/gateway.md`.
//!
//! Whoever has the key can try values: all addresses of IPv4 take minutes. It keeps names and long values from a look, and
//! all of it from whoever has the list without its key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How the hashes are made; another word is a list that this reader can't use.
pub const ALGORITHM: &str = "blake3-keyed-128";

/// Hashes of one list at most: what is shared so closely is little.
pub const HASHES_MAX: usize = 100_000;

/// A hash of a kind and a value.
pub type Hash = [u8; 16];

/// A key of restricted indicators.
#[derive(Clone, PartialEq, Eq)]
pub struct RestrictedKey([u8; 32]);

/// The list as it travels, in a bundle's `restricted.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestrictedList {
    /// [`ALGORITHM`].
    pub algorithm: String,
    /// [`RestrictedKey::id`].
    pub key_id: String,
    /// 64 hexadecimal digits.
    pub key: String,
    /// Lengths of the prefixes among them, by family: `4` and `6`. Only these are tried.
    #[serde(default)]
    pub prefixes: BTreeMap<String, BTreeSet<u8>>,
    /// By the kind's code, each 32 hexadecimal digits.
    pub hashes: BTreeMap<String, BTreeSet<String>>,
}

/// Why a key or a list can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RestrictedError {
    /// It is no key.
    #[error("read a key of restricted indicators: it must be 64 hexadecimal digits")]
    Key,
    /// It is no list.
    #[error("read the list of restricted indicators: {0}")]
    List(String),
    /// It is made in a way that is not known.
    #[error(
        "read the list of restricted indicators: `{0}` is not known, {ALGORITHM} is; upgrade the sensor first"
    )]
    Algorithm(String),
    /// It is too long.
    #[error("read the list of restricted indicators: it has more than {HASHES_MAX}")]
    TooMany,
}

impl RestrictedKey {
    /// Of these bytes, which must be random.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, and white space around them.
    ///
    /// # Errors
    /// [`RestrictedError::Key`].
    pub fn parse(text: &str) -> Result<Self, RestrictedError> {
        let mut bytes = [0; 32];
        digits(text.trim(), &mut bytes).ok_or(RestrictedError::Key)?;
        Ok(Self(bytes))
    }

    /// As [`RestrictedKey::parse`] reads it.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Tells keys apart, and tells nothing of the key: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let derived = blake3::derive_key("varde 2026 name of a key of restricted indicators", &self.0);
        hex(derived.first_chunk::<8>().unwrap_or(&[0; 8]))
    }

    /// The hash of a value in the normal form of its kind.
    #[must_use]
    pub fn hash(&self, kind: &str, value: &str) -> Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(kind.as_bytes());
        hasher.update(&[0]);
        hasher.update(value.as_bytes());
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        hash
    }
}

impl fmt::Debug for RestrictedKey {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RestrictedKey({})", self.id())
    }
}

impl RestrictedList {
    /// Of kinds and values in normal form.
    #[must_use]
    pub fn of<'v>(key: &RestrictedKey, values: impl IntoIterator<Item = (&'v str, &'v str)>) -> Self {
        let (mut prefixes, mut hashes) = (
            BTreeMap::<_, BTreeSet<u8>>::new(),
            BTreeMap::<_, BTreeSet<_>>::new(),
        );
        for (kind, value) in values {
            if kind == "cidr"
                && let Some((start, length)) = value.rsplit_once('/')
                && let Ok(length) = length.parse()
            {
                let family = if start.contains(':') { "6" } else { "4" };
                prefixes.entry(family.to_owned()).or_default().insert(length);
            }
            let hash = hex(&key.hash(kind, value));
            hashes.entry(kind.to_owned()).or_default().insert(hash);
        }
        Self {
            algorithm: ALGORITHM.to_owned(),
            key_id: key.id(),
            key: key.to_hex(),
            prefixes,
            hashes,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`RestrictedError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RestrictedError> {
        let list: Self =
            serde_json::from_slice(bytes).map_err(|error| RestrictedError::List(error.to_string()))?;
        if list.algorithm != ALGORITHM {
            return Err(RestrictedError::Algorithm(
                list.algorithm.chars().take(64).collect(),
            ));
        }
        if HASHES_MAX < list.hashes.values().map(BTreeSet::len).sum() {
            return Err(RestrictedError::TooMany);
        }
        Ok(list)
    }

    /// The key, and each hash.
    ///
    /// # Errors
    /// [`RestrictedError`] if one of them is none.
    pub fn read(&self) -> Result<(RestrictedKey, Vec<Hash>), RestrictedError> {
        let key = RestrictedKey::parse(&self.key)?;
        let hashes = self.hashes.values().flatten().map(|text| {
            let mut hash = [0; 16];
            let read = digits(text, &mut hash).map(|()| hash);
            read.ok_or_else(|| RestrictedError::List("a hash must be 32 hexadecimal digits".to_owned()))
        });
        Ok((key, hashes.collect::<Result<_, _>>()?))
    }
}

/// In hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from_digit(u32::from(number), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// The hash that these 32 hexadecimal digits are.
#[must_use]
pub fn unhex(text: &str) -> Option<Hash> {
    let mut hash = [0; 16];
    digits(text, &mut hash).map(|()| hash)
}

fn digits(text: &str, into: &mut [u8]) -> Option<()> {
    if text.len() != 2 * into.len() {
        return None;
    }
    for (byte, pair) in into.iter_mut().zip(text.as_bytes().chunks(2)) {
        let [high, low] = pair else { return None };
        let number = |digit: &u8| char::from(*digit).to_digit(16);
        *byte = u8::try_from(number(high)? << 4 | number(low)?).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_kind_value_and_key_and_the_same_for_good() {
        let key = RestrictedKey::new([7; 32]);
        let hash = hex(&key.hash("domain", "bad.example"));
        let expected = blake3::keyed_hash(&[7; 32], b"domain\0bad.example");
        assert_eq!(hash, expected.to_hex().as_str()[..32]);
        assert_ne!(hash, hex(&key.hash("url", "bad.example")));
        assert_ne!(
            hash,
            hex(&RestrictedKey::new([8; 32]).hash("domain", "bad.example"))
        );
        assert_eq!(
            RestrictedKey::parse(&format!("{}\n", key.to_hex())),
            Ok(key.clone())
        );
        assert!(!format!("{key:?}").contains("0707"));
        assert!(!key.to_hex().contains(&key.id()));
    }

    #[test]
    fn a_list_says_what_it_needs_and_no_value() {
        let key = RestrictedKey::new([7; 32]);
        let values = [
            ("domain", "bad.example"),
            ("cidr", "2001:db8::/32"),
            ("cidr", "192.0.2.0/28"),
        ];
        let list = RestrictedList::of(&key, values);
        let text = serde_json::to_string(&list).expect("JSON");
        assert!(
            !text.contains("bad") && !text.contains("2001") && !text.contains("192"),
            "{text}"
        );
        let read = RestrictedList::parse(text.as_bytes()).expect("reads");
        assert_eq!(read, list);
        assert_eq!(read.prefixes["4"], BTreeSet::from([28]));
        let (read, hashes) = read.read().expect("reads");
        assert_eq!((read, hashes.len()), (key, 3));
        for (from, to) in [
            (ALGORITHM, "other"),
            ("\"key\":\"07", "\"key\":\"x7"),
            ("\"hashes\":", "\"hashes\":{},\"more\":"),
        ] {
            let text = text.replacen(from, to, 1);
            let read = RestrictedList::parse(text.as_bytes()).and_then(|list| list.read());
            assert!(read.is_err(), "{to}");
        }
    }
}
