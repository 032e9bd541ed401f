//! Where indicators come from and what may be done with them: said once, however many indicators share it.

use detect_alert::{Confidence, Indicator, Pap, Tlp};

use super::{
    entry::{put_number, take_number},
    interned::Interned,
    key::Seed,
};

/// Longer names of sources are cut.
const SOURCE_BYTES_MAX: usize = 256;

/// Longer descriptions are cut: an alert shows a sentence or two.
const DESCRIPTION_BYTES_MAX: usize = 1024;

/// Everything that an indicator says besides its value and its validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Provenance<'a> {
    pub(super) source: &'a str,
    pub(super) confidence: Confidence,
    pub(super) tlp: Tlp,
    pub(super) pap: Pap,
    pub(super) description: &'a str,
}

/// The provenances of one layer, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Provenances {
    strings: Interned,
    /// Buffer.
    encoded: Vec<u8>,
}

impl<'a> Provenance<'a> {
    pub(super) fn of(indicator: &'a Indicator) -> Self {
        Self {
            source: cut(&indicator.source, SOURCE_BYTES_MAX),
            confidence: indicator.confidence,
            tlp: indicator.tlp,
            pap: indicator.pap,
            description: cut(&indicator.description, DESCRIPTION_BYTES_MAX),
        }
    }

    /// Appends it as bytes; equal ones have equal bytes.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        into.push(self.confidence as u8);
        into.push(self.tlp as u8);
        into.push(self.pap as u8);
        put_number(self.source.len() as u64, into);
        into.extend_from_slice(self.source.as_bytes());
        into.extend_from_slice(self.description.as_bytes());
    }

    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let ([confidence, tlp, pap], mut rest) = bytes.split_first_chunk::<3>()?;
        let length = usize::try_from(take_number(&mut rest)?).ok()?;
        let (source, description) = rest.split_at_checked(length)?;
        Some(Self {
            source: std::str::from_utf8(source).ok()?,
            confidence: [Confidence::Low, Confidence::Medium, Confidence::High]
                .into_iter()
                .find(|it| *it as u8 == *confidence)?,
            tlp: Tlp::ALL.into_iter().find(|it| *it as u8 == *tlp)?,
            pap: Pap::ALL.into_iter().find(|it| *it as u8 == *pap)?,
            description: std::str::from_utf8(description).ok()?,
        })
    }
}

impl Provenances {
    /// The place of a provenance, which is new or was held; nothing if there is no room.
    pub(super) fn intern(&mut self, seed: Seed, provenance: &Provenance<'_>) -> Option<u32> {
        self.encoded.clear();
        provenance.encode(&mut self.encoded);
        self.strings.intern(seed, &self.encoded)
    }

    pub(super) fn get(&self, at: u32) -> Option<Provenance<'_>> {
        Provenance::decode(self.strings.get(at))
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.strings.bytes()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.strings.shrink_to_fit();
        self.encoded = Vec::new();
    }
}

/// At most so many bytes, ending between two characters.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}
