//! Ids: one newtype each, alphabetical.

use std::{fmt, str::FromStr, sync::Arc};

use smallvec::SmallVec;
use thiserror::Error;

/// Names one event, for good. Made at the sensor from what the event is, so that reading the same input
/// again makes the same id (D5): 32 hexadecimal digits for our own sensors; foreign shippers may send any
/// printable text of up to 128 bytes.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(SmallVec<[u8; 32]>);

/// At once; derived, it would go byte by byte.
impl Clone for EventId {
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}

/// Why a text is no event id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("read an event id: it must be 1 to 128 printable ASCII characters without blanks")]
pub struct EventIdError;

/// A Norwegian organisation number: nine digits, the last a mod-11 check digit (Brønnøysundregistrene).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganizationNumber([u8; 9]);

/// Why a text is no organisation number.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OrganizationNumberError {
    /// Not nine digits.
    #[error("read an organisation number: it must be nine digits")]
    Shape,
    /// The check digit does not fit: most often a typing error.
    #[error("read an organisation number: the check digit does not fit, is a digit mistyped?")]
    CheckDigit,
}

/// Names one sensor: 1 to 64 of `a-z A-Z 0-9 . _ -`, as in a host name or a certificate's common name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SensorId(Arc<str>);

/// Why a text is no sensor id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("read a sensor id: it must be 1 to 64 of the characters a-z A-Z 0-9 . _ -")]
pub struct SensorIdError;

/// Derives a stable 128-bit id, as 32 hexadecimal digits, from an ordered list of parts.
///
/// Parts are length-prefixed, so that `["ab", "c"]` and `["a", "bc"]` differ. BLAKE3, cut to 16 bytes.
#[must_use]
pub fn derive_id(parts: &[&[u8]]) -> String {
    String::from_utf8_lossy(&derived(parts)).into_owned()
}

/// The digits.
fn derived(parts: &[&[u8]]) -> [u8; 32] {
    // Of most ids on the stack, so that the hash takes it in one go.
    let mut joined = SmallVec::<[u8; 256]>::new();
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_le_bytes());
        joined.extend_from_slice(part);
    }
    let hash = blake3::hash(&joined);
    let mut digits = [b'0'; 32];
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(hash.as_bytes()) {
        *pair = [byte >> 4, byte & 15].map(|digit| {
            if digit < 10 {
                b'0' + digit
            } else {
                b'a' - 10 + digit
            }
        });
    }
    digits
}

impl EventId {
    /// Derives the id of an event from what makes it one of a kind, for example sensor, source and position.
    #[must_use]
    pub fn derive(parts: &[&[u8]]) -> Self {
        Self(SmallVec::from_buf(derived(parts)))
    }

    /// Reads an id that came with an event.
    ///
    /// # Errors
    /// If it is empty, longer than 128 bytes or not printable ASCII.
    pub fn parse(text: &str) -> Result<Self, EventIdError> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(SmallVec::from_slice(text.as_bytes())))
            .ok_or(EventIdError)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // `parse` lets only ASCII in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl OrganizationNumber {
    /// Reads nine digits and checks the last one: weights 3 2 7 6 5 4 3 2, modulus 11.
    ///
    /// # Errors
    /// If it is not nine digits, or the check digit does not fit.
    pub fn parse(text: &str) -> Result<Self, OrganizationNumberError> {
        let digits: [u8; 9] = text
            .as_bytes()
            .try_into()
            .map_err(|_| OrganizationNumberError::Shape)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(OrganizationNumberError::Shape);
        }
        let sum: u32 = digits
            .iter()
            .zip([3, 2, 7, 6, 5, 4, 3, 2, 1])
            .map(|(digit, weight)| u32::from(digit - b'0') * weight)
            .sum();
        if sum.is_multiple_of(11) {
            Ok(Self(digits))
        } else {
            Err(OrganizationNumberError::CheckDigit)
        }
    }

    /// The nine ASCII digits.
    #[must_use]
    pub const fn digits(&self) -> [u8; 9] {
        self.0
    }

    /// The nine digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // `parse` lets only ASCII digits in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl SensorId {
    /// Reads a sensor id.
    ///
    /// # Errors
    /// If it is empty, too long, or holds other characters.
    pub fn parse(text: &str) -> Result<Self, SensorIdError> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        fits.then(|| Self(Arc::from(text))).ok_or(SensorIdError)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_id {
    ($type:ty, $error:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl FromStr for $type {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(EventId, EventIdError);
text_id!(OrganizationNumber, OrganizationNumberError);
text_id!(SensorId, SensorIdError);

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventId").field(&self.as_str()).finish()
    }
}

impl fmt::Debug for OrganizationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrganizationNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organization_numbers_are_checked() {
        for (text, expected) in [
            ("958935420", None), // Oslo
            ("944496394", None), // Eigersund
            ("958935421", Some(OrganizationNumberError::CheckDigit)),
            ("95893542", Some(OrganizationNumberError::Shape)),
            ("95893542x", Some(OrganizationNumberError::Shape)),
            ("", Some(OrganizationNumberError::Shape)),
        ] {
            assert_eq!(OrganizationNumber::parse(text).err(), expected, "{text}");
        }
    }

    #[test]
    fn derived_ids_depend_on_where_parts_end() {
        assert_ne!(derive_id(&[b"ab", b"c"]), derive_id(&[b"a", b"bc"]));
        let long = vec![7; 3_000];
        for parts in [&[&b"ab"[..]][..], &[&long, b"", &long]] {
            let mut hasher = blake3::Hasher::new();
            for part in parts {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            assert_eq!(derive_id(parts), hasher.finalize().to_hex()[..32]);
        }
    }

    #[test]
    fn sensor_and_event_ids_refuse_what_cannot_be_a_name() {
        for text in ["", "a b", "a/b", "æ", &"x".repeat(65)] {
            assert!(SensorId::parse(text).is_err(), "{text}");
        }
        for text in ["", "a b", "\u{7f}", &"x".repeat(129)] {
            assert!(EventId::parse(text).is_err(), "{text}");
        }
    }
}
