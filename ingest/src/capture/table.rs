//! The flow table: which flow a packet belongs to, and when a flow is over.
//!
//! Bounded: when it is full, the flow that has been silent longest is let go. Only packet time counts, and
//! the order in which flows leave depends on nothing but the packets before: flows wait in one queue
//! per idle time, in the order of their last packet.

use std::{collections::VecDeque, hash::BuildHasher as _, net::IpAddr, time::Duration};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use ingest_event::Timestamp;

use super::{
    CaptureOptions,
    flow::{Direction, Flow, FlowKey, key},
    pace::BACK_MAX,
    packet::{Fragment, Packet, Transport, protocol},
    slots::Slots,
};

/// How long a finished TCP connection is kept for its last acknowledgements.
const LINGER: Duration = Duration::from_secs(5);

/// First fragments whose ports are remembered for the rest of the packet: fragments of one packet come close together.
const FRAGMENTED_MAX: usize = 64;

/// No slot: the end of a queue.
const NONE: u32 = u32::MAX;

/// All flows that are not over.
pub(super) struct FlowTable {
    // Lookups only: its order is never seen, so the random seed, which keeps an attacker from
    // choosing keys that collide, changes no output.
    slots: HashTable<Place>,
    hasher: RandomState,
    flows: Slots<Slot>,
    free: Vec<u32>,
    queues: [Queue; 3],
    touches: u64,
    flow_active: Duration,
    flows_max: usize,
    evicted: u64,
    fragmented: VecDeque<Fragmented>,
}

/// Where a flow is. Its key is kept with the flow alone, which is looked at anyway.
struct Place {
    hash: u64,
    slot: u32,
}

/// Flows in the order of their last packet.
struct Queue {
    idle: Duration,
    front: u32,
    back: u32,
}

struct Slot {
    flow: Option<Flow>,
    touch: u64,
    /// Time of its last packet, or when it was found to lie ahead of the clock.
    quiet: Timestamp,
    queue: usize,
    before: u32,
    after: u32,
}

/// A packet whose first fragment was seen.
struct Fragmented {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    segment: u64,
    identification: u32,
    key: FlowKey,
}

/// Queues by idle time.
const OPEN_TCP: usize = 0;
const FINISHED_TCP: usize = 1;
const OTHER: usize = 2;

impl FlowTable {
    pub(super) fn new(options: &CaptureOptions) -> Self {
        let queue = |idle| Queue {
            idle,
            front: NONE,
            back: NONE,
        };
        Self {
            slots: HashTable::new(),
            hasher: RandomState::default(),
            flows: Slots::default(),
            free: Vec::new(),
            queues: [
                queue(options.flow_idle_tcp),
                queue(LINGER),
                queue(options.flow_idle),
            ],
            touches: 0,
            flow_active: options.flow_active,
            // A slot number has 32 bits, and a table without room could not hold the packet at hand.
            flows_max: options.flows_max.clamp(1, NONE as usize - 1),
            evicted: 0,
            fragmented: VecDeque::new(),
        }
    }

    /// Flows let go because the table was full.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Flows that are not over.
    pub(super) fn live(&self) -> usize {
        self.slots.len()
    }

    /// The next flow that has been silent for longer than its idle time at `now`.
    ///
    /// What lies ahead of the clock, because that was set back, is silent from now on and waits behind the others.
    pub(super) fn expire(&mut self, now: Timestamp) -> Option<Flow> {
        for number in 0..self.queues.len() {
            while let Some((front, idle)) = self.queues.get(number).map(|queue| (queue.front, queue.idle))
                && let Some(slot) = self.flows.get_mut(front)
            {
                if idle < now.since(slot.quiet) {
                    return self.remove(front);
                }
                if slot.quiet.since(now) <= BACK_MAX {
                    break;
                }
                slot.quiet = now;
                self.unlink(front);
                self.link(front, number);
            }
        }
        None
    }

    /// The flow that has been silent longest, counted in packets.
    pub(super) fn oldest(&mut self) -> Option<Flow> {
        let fronts = self.queues.iter().map(|queue| queue.front);
        let slot = fronts
            .filter_map(|front| Some((self.flows.get(front)?.touch, front)))
            .min()?
            .1;
        self.remove(slot)
    }

    /// Finds or begins the flow of a packet and counts the packet. Flows that end thereby go to `ended`.
    pub(super) fn count(
        &mut self,
        packet: &Packet<'_>,
        ended: &mut Vec<Flow>,
    ) -> Option<(&mut Flow, Direction)> {
        let key = self.key(packet);
        let hash = self.hasher.hash_one(key);
        let mut found = self.find(hash, &key);
        if let Some(slot) = found
            && let Some(held) = self.flows.get_mut(slot).and_then(|slot| slot.flow.as_mut())
        {
            let idle = self
                .queues
                .get(queue_of(held))
                .map_or(Duration::MAX, |queue| queue.idle);
            let opens = matches!(packet.transport, Transport::Tcp { flags, .. } if flags.syn && !flags.ack);
            if idle < packet.timestamp.since(held.last) || opens && held.is_over() {
                ended.extend(self.remove(slot));
                found = None;
            } else if self.flow_active < packet.timestamp.since(held.first)
                // Between a time and one long before it there is no duration.
                || BACK_MAX < held.last.since(packet.timestamp)
            {
                ended.push(held.split(packet));
            }
        }
        let slot = match found {
            Some(slot) => slot,
            None => self.insert(key, hash, packet, ended),
        };
        self.touches += 1;
        let touch = self.touches;
        let held = self.flows.get_mut(slot)?;
        held.touch = touch;
        let flow = held.flow.as_mut()?;
        let direction = flow.direction(packet);
        flow.count(packet, direction);
        held.quiet = flow.last;
        let queue = queue_of(flow);
        // The packet after one of the same flow finds it where it belongs, and need not look at its neighbours.
        if held.queue != queue || held.after != NONE {
            self.unlink(slot);
            self.link(slot, queue);
        }
        let flow = self.flows.get_mut(slot)?.flow.as_mut()?;
        Some((flow, direction))
    }

    /// A flow by its key, without touching it.
    pub(super) fn get_mut(&mut self, key: &FlowKey) -> Option<&mut Flow> {
        let slot = self.find(self.hasher.hash_one(key), key)?;
        self.flows.get_mut(slot)?.flow.as_mut()
    }

    fn find(&self, hash: u64, key: &FlowKey) -> Option<u32> {
        let is_it = |place: &Place| {
            let held = self.flows.get(place.slot);
            place.hash == hash
                && held
                    .and_then(|held| held.flow.as_ref())
                    .is_some_and(|flow| flow.key == *key)
        };
        self.slots.find(hash, is_it).map(|place| place.slot)
    }

    /// The key of a packet; a later fragment has that of its first one where it is known.
    fn key(&mut self, packet: &Packet<'_>) -> FlowKey {
        let own = key(packet);
        let Some(Fragment {
            identification,
            protocol,
            ..
        }) = packet.fragment
        else {
            return own;
        };
        if matches!(packet.transport, Transport::LaterFragment) {
            let same = |first: &&Fragmented| {
                first.identification == identification
                    && first.source == packet.source
                    && first.destination == packet.destination
                    && (first.source.is_ipv6() || first.protocol == protocol)
                    && first.segment == packet.origin.segment()
            };
            return self
                .fragmented
                .iter()
                .rev()
                .find(same)
                .map_or(own, |first| first.key);
        }
        if self.fragmented.len() == FRAGMENTED_MAX {
            self.fragmented.pop_front();
        }
        self.fragmented.push_back(Fragmented {
            source: packet.source,
            destination: packet.destination,
            protocol,
            segment: packet.origin.segment(),
            identification,
            key: own,
        });
        own
    }

    fn insert(&mut self, key: FlowKey, hash: u64, packet: &Packet<'_>, ended: &mut Vec<Flow>) -> u32 {
        if self.flows_max <= self.slots.len() {
            self.evicted += 1;
            ended.extend(self.oldest());
        }
        let mut flow = Flow::begin(packet);
        flow.key = key;
        let slot = Slot {
            flow: Some(flow),
            touch: 0,
            quiet: packet.timestamp,
            queue: OTHER,
            before: NONE,
            after: NONE,
        };
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(held) = self.flows.get_mut(number) {
                    *held = slot;
                }
                number
            }
            // `flows_max` keeps the number below `NONE`.
            None => self.flows.push(slot).unwrap_or(NONE),
        };
        let place = Place { hash, slot: number };
        self.slots.insert_unique(hash, place, |place| place.hash);
        self.link(number, OTHER);
        number
    }

    fn remove(&mut self, slot: u32) -> Option<Flow> {
        self.unlink(slot);
        let flow = self.flows.get_mut(slot)?.flow.take()?;
        let hash = self.hasher.hash_one(flow.key);
        if let Ok(place) = self.slots.find_entry(hash, |place| place.slot == slot) {
            place.remove();
        }
        self.free.push(slot);
        Some(flow)
    }

    /// Puts a slot at the end of a queue.
    fn link(&mut self, slot: u32, queue: usize) {
        let Some(held) = self.queues.get_mut(queue) else {
            return;
        };
        let last = std::mem::replace(&mut held.back, slot);
        match self.flows.get_mut(last) {
            Some(last) => last.after = slot,
            None => held.front = slot,
        }
        if let Some(own) = self.flows.get_mut(slot) {
            own.queue = queue;
            own.before = last;
            own.after = NONE;
        }
    }

    /// Takes a slot out of its queue.
    fn unlink(&mut self, slot: u32) {
        let Some(own) = self.flows.get(slot) else {
            return;
        };
        let (queue, before, after) = (own.queue, own.before, own.after);
        let Some(held) = self.queues.get_mut(queue) else {
            return;
        };
        match self.flows.get_mut(before) {
            Some(neighbour) => neighbour.after = after,
            None => held.front = after,
        }
        match self.flows.get_mut(after) {
            Some(neighbour) => neighbour.before = before,
            None => held.back = before,
        }
    }
}

/// The queue in which a flow waits.
const fn queue_of(flow: &Flow) -> usize {
    match flow.peers.protocol {
        protocol::TCP if flow.is_over() => FINISHED_TCP,
        protocol::TCP => OPEN_TCP,
        _ => OTHER,
    }
}
