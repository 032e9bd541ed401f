//! Sets whose template has not come yet: kept within a bound, and read when it does.
//!
//! Exporters send templates every few minutes, and a sensor that has just started would lose all flows until then.

use std::{collections::VecDeque, time::Duration};

use ingest_event::Timestamp;

use super::{Origin, domain::DomainKey};

/// Bytes of all sets that wait: minutes of a small municipality's flows, and little memory.
pub const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A set's share of memory beside its bytes.
const OVERHEAD_BYTES: usize = size_of::<Set>();

/// A set is not kept for longer: a template that comes later may be another one of the same number.
const WAITING_MAX: Duration = Duration::from_secs(60 * 60);

/// A set that waits.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) key: DomainKey,
    pub(super) template: u16,
    pub(super) origin: Origin,
    /// The exporter's uptime when it was sent.
    pub(super) uptime: Option<u32>,
    /// Where its body begins in its datagram.
    pub(super) at: usize,
    pub(super) body: Box<[u8]>,
    pub(super) since: Timestamp,
}

/// All that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    sets: VecDeque<Set>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    /// Keeps a set. How many had to go for it.
    pub(super) fn push(&mut self, set: Set) -> u64 {
        self.bytes += set.body.len() + OVERHEAD_BYTES;
        self.sets.push_back(set);
        let mut dropped = 0;
        while WAITING_BYTES_MAX < self.bytes
            && let Some(oldest) = self.sets.pop_front()
        {
            self.bytes -= oldest.body.len() + OVERHEAD_BYTES;
            dropped += 1;
        }
        dropped
    }

    /// Takes out the sets of a template that has come, in the order in which they came, and those that have waited for
    /// too long, which are only counted.
    pub(super) fn claim(&mut self, key: DomainKey, template: u16, now: Timestamp) -> (Vec<Set>, u64) {
        let (mut claimed, mut dropped) = (Vec::new(), 0);
        for set in std::mem::take(&mut self.sets) {
            let is_old = WAITING_MAX < now.since(set.since);
            if is_old || (set.key, set.template) == (key, template) {
                self.bytes -= set.body.len() + OVERHEAD_BYTES;
                if is_old {
                    dropped += 1;
                } else {
                    claimed.push(set);
                }
            } else {
                self.sets.push_back(set);
            }
        }
        (claimed, dropped)
    }
}
