//! What a set of indicators is known by: the same for the same set, however it came to be.

use super::{entry::put_number, layer::Coded};

/// The sum of the BLAKE3 hashes of its members, in four lanes, so that adding or removing one costs one hash and no
/// sorting. Names a set; is no proof against somebody who chooses its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest([u64; 4]);

/// More than nearly all members take.
const MEMBER_BYTES: usize = 256;

impl Digest {
    pub(super) fn add(&mut self, coded: &Coded<'_>) {
        for (lane, own) in self.0.iter_mut().zip(lanes(coded)) {
            *lane = lane.wrapping_add(own);
        }
    }

    /// Undoes [`Digest::add`].
    pub(super) fn remove(&mut self, coded: &Coded<'_>) {
        for (lane, own) in self.0.iter_mut().zip(lanes(coded)) {
            *lane = lane.wrapping_sub(own);
        }
    }

    pub(super) fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (into, lane) in bytes.chunks_exact_mut(8).zip(self.0) {
            into.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }
}

fn lanes(coded: &Coded<'_>) -> [u64; 4] {
    let mut bytes = Vec::with_capacity(MEMBER_BYTES);
    bytes.push(coded.kind as u8);
    bytes.push(u8::from(coded.is_wide));
    put_number(coded.value.len() as u64, &mut bytes);
    bytes.extend_from_slice(coded.value);
    for time in [coded.valid_from, coded.valid_until] {
        bytes.push(u8::from(time.is_some()));
        bytes.extend_from_slice(&time.map_or(0, ingest_event::Timestamp::as_nanos).to_le_bytes());
    }
    coded.provenance.encode(&mut bytes);
    let hash = blake3::hash(&bytes);
    let mut lanes = [0; 4];
    for (lane, bytes) in lanes.iter_mut().zip(hash.as_bytes().as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*bytes);
    }
    lanes
}
