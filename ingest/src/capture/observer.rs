//! Packets to records: one packet after the other is counted to its flow and listened to.
//!
//! This is the part that files and live capture share: it knows packets and time, not where they come from.

use std::collections::BTreeMap;

use ingest_event::Timestamp;
use ipnet::IpNet;

use super::{
    CaptureOptions,
    application::{Moment, Statement},
    datagram,
    defragment::{Assembled, Defragmenter},
    dns,
    flow::{self, Direction, Flow, FlowKey},
    pace::Pace,
    packet::{self, Packet, Payload, Ports, Transport, protocol},
    table::FlowTable,
};
use crate::record::{Draft, Record};

/// All that is known of the traffic so far.
pub(super) struct Observer {
    table: FlowTable,
    fragments: Defragmenter,
    ear: Ear,
    pace: Pace,
    kept_bytes_max: usize,
    // Emptied after each packet; kept for its room.
    ended: Vec<Flow>,
}

/// What listens to flows, and what they keep for it.
struct Ear {
    home: Vec<IpNet>,
    listens: bool,
    kept_bytes: usize,
    // Flows that keep something, by when they began to. Ordered: the first is the one that has kept longest.
    keepers: BTreeMap<u64, FlowKey>,
    keepers_seen: u64,
    dropped: u64,
    // Emptied after each packet; kept for its room.
    statements: Vec<Statement>,
}

impl Observer {
    pub(super) fn new(options: CaptureOptions) -> Self {
        Self {
            table: FlowTable::new(&options),
            fragments: Defragmenter::default(),
            ear: Ear {
                home: options.home_networks,
                listens: options.metadata,
                kept_bytes: 0,
                keepers: BTreeMap::new(),
                keepers_seen: 0,
                dropped: 0,
                statements: Vec::new(),
            },
            pace: Pace::default(),
            kept_bytes_max: options.kept_bytes_max,
            ended: Vec::new(),
        }
    }

    /// Flows that are not over.
    pub(super) fn flows_live(&self) -> usize {
        self.table.live()
    }

    /// Flows let go because the table was full.
    pub(super) const fn flows_evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Conversations let go because they kept too much.
    pub(super) const fn conversations_dropped(&self) -> u64 {
        self.ear.dropped
    }

    /// Fragmented packets that could not be put together.
    pub(super) const fn fragments_given_up(&self) -> u64 {
        self.fragments.given_up()
    }

    /// Takes a packet in, and hands out what it ends and what it says.
    pub(super) fn observe(&mut self, packet: &Packet<'_>, out: &mut Vec<Record>) {
        let now = self.pace.see(packet.timestamp);
        while self.expire(now, out) {}
        self.count(packet, out);
    }

    /// Believes that it is `seen`, if that is likely; returns the time that counts.
    pub(super) fn see(&mut self, seen: Timestamp) -> Timestamp {
        self.pace.see(seen)
    }

    /// The time that would count when a packet of this time came.
    pub(super) fn would_be(&self, seen: Timestamp) -> Timestamp {
        self.pace.clone().see(seen)
    }

    /// Hands out the next thing that was waited for too long at `now`. False if there is none.
    pub(super) fn expire(&mut self, now: Timestamp, out: &mut Vec<Record>) -> bool {
        if let Some(late) = self.fragments.expire(now) {
            self.hear_assembled(&late, out);
            return true;
        }
        let Some(mut flow) = self.table.expire(now) else {
            return false;
        };
        self.ear.finish(&mut flow, out);
        true
    }

    /// Counts a packet to its flow and listens to it.
    fn count(&mut self, packet: &Packet<'_>, out: &mut Vec<Record>) {
        // A piece says nothing by itself, unless the others can't be joined to it.
        let piece = packet.fragment.filter(|piece| piece.is_whole);
        let mut ended = std::mem::take(&mut self.ended);
        match (self.table.count(packet, &mut ended), piece, packet.transport) {
            (Some(_), None, Transport::Icmp { kind, body, .. }) => self.blame(packet, kind, body),
            (Some((flow, direction)), None, _) => self.ear.hear(flow, direction, packet, out),
            (Some(_), Some(_), _) | (None, _, _) => {}
        }
        for flow in &mut ended {
            self.ear.finish(flow, out);
        }
        ended.clear();
        self.ended = ended;
        if let Some(piece) = piece
            && let Some(assembled) = self.fragments.take(packet, piece)
        {
            self.hear_assembled(&assembled, out);
        }
        self.relieve(out);
    }

    /// Listens no longer to those that have kept longest, until all together keep no more than they may: nobody can
    /// fill the room and keep it from those who come later.
    fn relieve(&mut self, out: &mut Vec<Record>) {
        while self.kept_bytes_max < self.ear.kept_bytes {
            let Some((_, key)) = self.ear.keepers.pop_first() else {
                break;
            };
            if let Some(flow) = self.table.get_mut(&key) {
                self.ear.give_up(flow, out);
            }
        }
    }

    /// Listens to what fragments say together. They were counted one by one; a packet inside them is counted now.
    fn hear_assembled(&mut self, assembled: &Assembled, out: &mut Vec<Record>) {
        let (packet, is_inner) = packet::assembled(assembled);
        if is_inner {
            return self.count(&packet, out);
        }
        if let Some(flow) = self.table.get_mut(&flow::key(&packet)) {
            let direction = flow.direction(&packet);
            self.ear.hear(flow, direction, &packet, out);
        }
    }

    /// Hands out the flow that has been silent longest. False if there is none.
    pub(super) fn finish_oldest(&mut self, out: &mut Vec<Record>) -> bool {
        while let Some(late) = self.fragments.finish() {
            self.hear_assembled(&late, out);
        }
        let Some(mut flow) = self.table.oldest() else {
            return false;
        };
        self.ear.finish(&mut flow, out);
        true
    }

    /// Marks the flow that an ICMP error is about: its destination can't be reached.
    fn blame(&mut self, packet: &Packet<'_>, kind: u8, body: &[u8]) {
        let segment = packet.origin.segment();
        if matches!(
            (packet.protocol, kind),
            (protocol::ICMP, 3) | (protocol::ICMP6, 1)
        ) && let Some((source, destination, number, ports)) = packet::quoted(body)
            && let Some(flow) = self
                .table
                .get_mut(&flow::key_of(source, destination, number, ports, segment))
        {
            flow.unreachable = true;
        }
    }
}

impl Ear {
    /// Listens to a packet of a flow, and hands out what it says.
    fn hear(&mut self, flow: &mut Flow, direction: Direction, packet: &Packet<'_>, out: &mut Vec<Record>) {
        if !self.listens {
            return;
        }
        let before = flow.listening.weight();
        match packet.transport {
            Transport::Tcp {
                ports,
                sequence,
                flags,
                payload,
                ..
            } if payload.wire_bytes != 0 || flow.is_listened_to_its_end() => {
                // The first byte of a segment with SYN comes after the SYN itself.
                let sequence = sequence.wrapping_add(u32::from(flags.syn));
                let mut moment = moment(packet, ports);
                let segment = Segment {
                    sequence,
                    payload,
                    rst: flags.rst,
                };
                listen(flow, direction, segment, &mut moment, &mut self.statements);
            }
            Transport::Udp { ports, payload } => {
                let mut moment = moment(packet, ports);
                datagram::hear(flow, direction, ports, payload, &mut moment, &mut self.statements);
            }
            Transport::Tcp { .. }
            | Transport::Icmp { .. }
            | Transport::OnlyPorts { .. }
            | Transport::Carrier { .. }
            | Transport::LaterFragment
            | Transport::Opaque => return,
        }
        self.settle(flow, before);
        self.tell(flow, out);
    }

    /// Counts what a flow keeps now against what it kept before.
    fn settle(&mut self, flow: &mut Flow, before: usize) {
        let after = flow.listening.weight();
        self.kept_bytes = self.kept_bytes.saturating_add(after).saturating_sub(before);
        if after == 0 {
            self.keeps_nothing(flow);
        } else if flow.keeper == 0 {
            self.keepers_seen += 1;
            flow.keeper = self.keepers_seen;
            self.keepers.insert(flow.keeper, flow.key);
        }
    }

    fn keeps_nothing(&mut self, flow: &mut Flow) {
        if flow.keeper != 0 {
            self.keepers.remove(&flow.keeper);
            flow.keeper = 0;
        }
    }

    /// Listens to a flow no longer, because there is no room for what it keeps.
    fn give_up(&mut self, flow: &mut Flow, out: &mut Vec<Record>) {
        self.kept_bytes = self.kept_bytes.saturating_sub(flow.listening.weight());
        self.keeps_nothing(flow);
        self.dropped += u64::from(flow.give_up(&mut self.statements));
        self.tell(flow, out);
    }

    /// Hands out what was said in a flow.
    fn tell(&mut self, flow: &Flow, out: &mut Vec<Record>) {
        for statement in self.statements.drain(..) {
            out.push(Record::Event(draft(statement, flow, &self.home)));
        }
    }

    /// Hands out a flow that is over, after what still waited for an answer in it.
    fn finish(&mut self, flow: &mut Flow, out: &mut Vec<Record>) {
        self.kept_bytes = self.kept_bytes.saturating_sub(flow.listening.weight());
        self.keeps_nothing(flow);
        flow.give_up(&mut self.statements);
        self.tell(flow, out);
        out.push(Record::Event(flow.draft(&self.home)));
    }
}

/// What of a segment is listened to.
struct Segment<'a> {
    sequence: u32,
    payload: Payload<'a>,
    rst: bool,
}

/// Lets the conversation of a flow hear a segment, or that no more will come.
fn listen(
    flow: &mut Flow,
    from: Direction,
    segment: Segment<'_>,
    moment: &mut Moment,
    statements: &mut Vec<Statement>,
) {
    let Segment {
        sequence,
        payload,
        rst,
    } = segment;
    let is_closed = flow.is_closed();
    let Some(conversation) = flow.conversation() else {
        return;
    };
    let is_last = is_closed || rst && conversation.ends_at(from, sequence);
    if payload.wire_bytes != 0 {
        conversation.hear(from, sequence, payload, moment, statements);
    }
    if is_last {
        conversation.close(moment, statements);
    }
    let (application, over) = (conversation.application, conversation.is_over());
    flow.application = application.or(flow.application);
    if over {
        flow.give_up(statements);
    }
}

fn moment(packet: &Packet<'_>, ports: Ports) -> Moment {
    Moment {
        timestamp: packet.timestamp,
        position: packet.number,
        // The one before is the flow that the packet begins.
        ordinal: packet.ordinal + 1,
        dns_port: dns::is_port(ports.source) || dns::is_port(ports.destination),
    }
}

/// What was said, as a record of its flow: the client is the source.
fn draft(statement: Statement, flow: &Flow, home: &[IpNet]) -> Draft {
    let mut fields = flow.fields(flow.peers.sent(statement.client), home);
    let (mark, dataset) = (statement.mark, statement.said.dataset().into());
    statement.said.write(&mut fields);
    Draft {
        timestamp: mark.timestamp,
        dataset,
        trusted: None,
        fields,
        position: mark.position,
        ordinal: mark.ordinal,
    }
}
