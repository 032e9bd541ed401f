//! What is made whole when a spool is opened.

use super::lane::Lane;
use super::{Cause, JUMP, Loss, Spool, Stream};

impl Spool {
    /// Takes back an append of which only some frames were written, and takes over the places in the others. `kept` is the
    /// last append whose places are kept elsewhere.
    pub(super) fn recover(&mut self, kept: u64) {
        let last = self
            .lanes
            .iter()
            .filter_map(Lane::last_commit)
            .map(|(commit, _)| commit)
            .max();
        let known = self.whole;
        self.commit = self.whole.max(last.unwrap_or(0));
        let has = |lane: &Lane| {
            lane.last_commit()
                .is_some_and(|(commit, _)| commit == self.commit)
        };
        let streams = self
            .lanes
            .iter()
            .filter(|lane| has(lane))
            .filter_map(Lane::last_commit)
            .next();
        let is_whole = Stream::ALL.iter().zip(&self.lanes).all(|(stream, lane)| {
            let is_in = streams.is_some_and(|(_, streams)| streams >> stream.index() & 1 == 1);
            // Behind damage it may have been whole and acknowledged: rather twice than never.
            !is_in || has(lane) || lane.is_tail_damaged
        });
        let has_all = Stream::ALL.iter().zip(&self.lanes).all(|(stream, lane)| {
            streams.is_none_or(|(_, streams)| streams >> stream.index() & 1 == 0) || has(lane)
        });
        // Torn by a power cut, it looks the same: its sources are read again from before it, under the same ids.
        let doubtful = (known < self.commit && is_whole && !has_all).then_some(self.commit);
        if known < self.commit && !is_whole {
            let commit = self.commit;
            for lane in &mut self.lanes {
                if lane.last_commit().is_some_and(|(last, _)| last == commit) {
                    lane.undo_last();
                }
            }
        }
        self.whole = self.commit;
        let Self { lanes, places, .. } = self;
        for lane in lanes.iter() {
            lane.places(kept, |commit, moved| {
                if doubtful == Some(commit) {
                    return;
                }
                for (source, place) in moved {
                    if places.get(&source).is_none_or(|(before, _)| *before < commit) {
                        places.insert(source, (commit, place));
                    }
                }
            });
        }
        if doubtful.is_some()
            && let Err(error) = self.keep()
        {
            tracing::error!(%error, "write down from where sources are read again");
        }
    }

    /// Leaves out numbers that may have been given, and tells which.
    pub(super) fn jump(&mut self) {
        for stream in Stream::ALL {
            let Some(lane) = self.lanes.get_mut(stream.index()) else {
                continue;
            };
            let (first, last) = lane.jump(JUMP);
            // In quarantine nobody counts.
            if stream != Stream::Quarantine {
                self.lose(Loss {
                    stream,
                    cause: Cause::Damaged,
                    records: 0,
                    times: None,
                    sequences: Some((first, last)),
                });
            }
        }
        if let Err(error) = self.keep() {
            tracing::error!(%error, "write down which numbers of the spool are left out");
        }
        self.try_note();
    }
}
