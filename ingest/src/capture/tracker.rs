//! Frames to records, and the account of them: what files and live capture have in common.
//!
//! It knows neither files nor interfaces. Time is what packets say and what [`Tracker::tick`] is told.

use ingest_event::Timestamp;

use super::{
    BITE, CaptureOptions, VlanRule,
    file::Frame,
    observer::Observer,
    packet::{self, Reading},
};
use crate::record::Record;

/// Counts frames to flows and listens to what is said in them.
pub struct Tracker {
    observer: Observer,
    vlans: VlanRule,
    counts: Counts,
}

/// What a [`Tracker`] did so far. Each frame is in exactly one place:
/// `packets` = `counted` + `not_ip` + `cut` + `refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames taken in.
    pub packets: u64,
    /// Captured bytes of these.
    pub bytes: u64,
    /// Frames counted to a flow.
    pub counted: u64,
    /// Frames that carry no IP, such as ARP.
    pub not_ip: u64,
    /// Frames of which too little was captured to know their addresses.
    pub cut: u64,
    /// Frames that can't be read; each was handed out as a refusal.
    pub refused: u64,
    /// Flows that are not over.
    pub flows_live: u64,
    /// Flows let go early because [`CaptureOptions::flows_max`] was reached.
    pub flows_evicted: u64,
    /// Conversations no longer listened to because all together kept more than [`CaptureOptions::kept_bytes_max`].
    pub conversations_dropped: u64,
    /// Fragmented packets that could not be put together: pieces are missing or overlap.
    pub fragments_given_up: u64,
}

impl Tracker {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(options: CaptureOptions) -> Self {
        Self {
            vlans: options.vlans,
            observer: Observer::new(options),
            counts: Counts::default(),
        }
    }

    /// Takes a frame in, and appends what it says and what is over by its time.
    pub fn packet(&mut self, frame: &Frame<'_>, out: &mut Vec<Record>) {
        self.counts.packets += 1;
        self.counts.bytes += frame.bytes.len() as u64;
        match packet::read(frame) {
            Ok(Reading::Packet(mut packet)) => {
                self.counts.counted += 1;
                packet.origin.tags_are_marks = self.vlans == VlanRule::Together;
                self.observer.observe(&packet, out);
            }
            Ok(Reading::NotIp) => self.counts.not_ip += 1,
            Ok(Reading::Cut) => self.counts.cut += 1,
            Err(refusal) => {
                self.counts.refused += 1;
                out.push(Record::Refused(refusal));
            }
        }
    }

    /// Says that it is `now`, for a wire on which nothing happens. True if more is over than was appended.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Record>) -> bool {
        let now = self.observer.see(now);
        self.bite(now, out)
    }

    /// Appends what a packet of this time would end, a bite at most, so that a caller with little room can ask before it
    /// hands the packet in. True if there is more.
    pub fn make_way(&mut self, seen: Timestamp, out: &mut Vec<Record>) -> bool {
        let now = self.observer.would_be(seen);
        self.bite(now, out)
    }

    /// Appends the next open flows, in the order in which they fell silent. False when there are none left.
    pub fn finish(&mut self, out: &mut Vec<Record>) -> bool {
        (0..BITE).all(|_| self.observer.finish_oldest(out))
    }

    /// The account so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            flows_live: self.observer.flows_live() as u64,
            flows_evicted: self.observer.flows_evicted(),
            conversations_dropped: self.observer.conversations_dropped(),
            fragments_given_up: self.observer.fragments_given_up(),
            ..self.counts
        }
    }

    fn bite(&mut self, now: Timestamp, out: &mut Vec<Record>) -> bool {
        (0..BITE).all(|_| self.observer.expire(now, out))
    }
}
