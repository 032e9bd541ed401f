//! Sets whose template has not come yet: kept within a bound, and read when it does.
//!
//! Exporters send templates every few minutes, and a sensor that has just started would lose all flows until then.

use std::{collections::BTreeMap, time::Duration};

use ingest_event::Timestamp;

use super::{Origin, domain::DomainKey};

/// Bytes of all sets that wait: minutes of a small municipality's flows, and little memory.
pub const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A set's share of memory beside its bytes.
const OVERHEAD_BYTES: usize = size_of::<Set>() + 2 * size_of::<(DomainKey, u16, u64)>();

/// A set is not kept for longer: a template that comes later may be another one of the same number.
const WAITING_MAX: Duration = Duration::from_secs(60 * 60);

/// A set that waits.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) origin: Origin,
    /// The exporter's uptime when it was sent.
    pub(super) uptime: Option<u32>,
    /// Where its body begins in its datagram.
    pub(super) at: usize,
    pub(super) body: Box<[u8]>,
    pub(super) since: Timestamp,
}

/// All that wait. Found by their template without a look at the others: templates are cheap to make up.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By domain and template, in the order in which they came.
    sets: BTreeMap<(DomainKey, u16, u64), Set>,
    /// The oldest first.
    order: BTreeMap<u64, (DomainKey, u16)>,
    next: u64,
    bytes: usize,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    /// Keeps a set. How many had to go for it.
    pub(super) fn push(&mut self, key: DomainKey, template: u16, set: Set) -> u64 {
        self.bytes += set.body.len() + OVERHEAD_BYTES;
        self.order.insert(self.next, (key, template));
        self.sets.insert((key, template, self.next), set);
        self.next += 1;
        let mut dropped = 0;
        while WAITING_BYTES_MAX < self.bytes
            && let Some((number, (key, template))) = self.order.pop_first()
        {
            dropped += u64::from(self.take((key, template, number)).is_some());
        }
        dropped
    }

    /// Takes out the next set of a template that has come; `Err` for one that has waited for too long.
    pub(super) fn claim(
        &mut self,
        key: DomainKey,
        template: u16,
        now: Timestamp,
    ) -> Option<Result<Set, TooOld>> {
        let (place, _) = self
            .sets
            .range((key, template, 0)..=(key, template, u64::MAX))
            .next()?;
        let place = *place;
        self.order.remove(&place.2);
        let set = self.take(place)?;
        Some(if WAITING_MAX < now.since(set.since) {
            Err(TooOld)
        } else {
            Ok(set)
        })
    }

    fn take(&mut self, place: (DomainKey, u16, u64)) -> Option<Set> {
        let set = self.sets.remove(&place)?;
        self.bytes -= set.body.len() + OVERHEAD_BYTES;
        Some(set)
    }
}

/// A set that waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOld;
