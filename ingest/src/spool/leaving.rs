//! Who leaves first: alerts, then logs and flows in the order in which they came, then quarantine.

use super::lane::Lane;
use super::{Entry, Loss, Spool, SpoolError, Stream};

/// Records taken out at once to be published: one round trip to the bus, and a few megabytes at most.
pub const BATCH_RECORDS: usize = 2_000;

/// Bytes after which a batch is full.
pub const BATCH_BYTES: usize = 4 << 20;

/// What leaves before what. Logs and flows leave in the order in which they were taken in: if one class overtook the
/// other after an outage, time would have passed at the centre before the rest comes, and no rule about several events
/// would count that any more.
const LEAVING: [&[Stream]; 3] = [
    &[Stream::Alert],
    &[Stream::Log, Stream::Flow],
    &[Stream::Quarantine],
];

/// One batch in so many is of the least important that waits, so that none starves.
pub(super) const SHARE: u32 = 16;

impl Spool {
    /// The oldest records of the most important streams that have some, at most about [`BATCH_RECORDS`] and
    /// [`BATCH_BYTES`]; now and then of the least important one. They are on their way until [`Spool::published`].
    pub fn oldest(&mut self) -> Vec<Entry> {
        self.turns = self.turns.wrapping_add(1);
        // What could not be deleted before.
        if let Err(error) = self.delete_spent() {
            tracing::debug!(
                error = format!("{:#}", anyhow::Error::new(error)),
                "make room in the spool"
            );
        }
        self.lanes.iter_mut().for_each(Lane::stop);
        let mut order = LEAVING;
        if self.turns.is_multiple_of(SHARE) {
            order.reverse();
            // By turns with what was put aside, or many alerts would pass for time that has come (decision 0015).
            if self.turns.is_multiple_of(2 * SHARE) {
                order.swap(0, 1);
            }
        }
        for streams in order {
            let batch = self.take(streams);
            if !batch.is_empty() {
                return batch;
            }
            // Places and damage only: nothing that anybody would acknowledge.
            self.acknowledge();
        }
        Vec::new()
    }

    /// A batch of these streams, in the order in which it was taken in. What can't be read now is tried again the next
    /// time; the others go on.
    fn take(&mut self, streams: &[Stream]) -> Vec<Entry> {
        let is_meant = |lane: &&mut Lane| streams.contains(&lane.stream) && lane.has_some();
        let mut lanes: Vec<&mut Lane> = self.lanes.iter_mut().filter(is_meant).collect();
        lanes.iter_mut().for_each(|lane| lane.start());
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            let mut first: Option<(u64, usize)> = None;
            for (index, lane) in lanes.iter_mut().enumerate() {
                match lane.upcoming() {
                    // Of one append, the more important first.
                    Ok(Some(header)) if first.is_none_or(|(commit, _)| header.commit < commit) => {
                        first = Some((header.commit, index));
                    }
                    Ok(_) => {}
                    // What was taken in after it waits for it, or it would come late.
                    Err(_) if !batch.is_empty() => return batch,
                    Err(_) => lane.stop(),
                }
            }
            let Some(lane) = first.and_then(|(_, index)| lanes.get_mut(index)) else {
                break;
            };
            match lane.take(&mut self.packing, &mut batch) {
                Ok(taken) => bytes += taken,
                Err(_) if !batch.is_empty() => break,
                Err(_) => lane.stop(),
            }
        }
        batch
    }

    /// The bus has what [`Spool::oldest`] gave last.
    ///
    /// # Errors
    /// If it can't be noted; it is then published again after a crash.
    pub fn published(&mut self) -> Result<(), SpoolError> {
        self.acknowledge();
        let noted = self.write_note();
        self.delete_spent()?;
        noted.map_err(SpoolError::Write)
    }

    fn acknowledge(&mut self) {
        let losses: Vec<Loss> = self.lanes.iter_mut().flat_map(Lane::acknowledge).collect();
        losses.into_iter().for_each(|loss| self.lose(loss));
    }
}
