//! Packets to records: one packet after the other is counted to its flow and listened to.
//!
//! This is the part that files and live capture share: it knows packets and time, not where they come from.

use ipnet::IpNet;

use super::{
    CaptureOptions,
    application::{Moment, Statement},
    datagram,
    defragment::{Assembled, Defragmenter},
    dns,
    flow::{self, Direction, Flow},
    packet::{self, Packet, Payload, Ports, Transport, protocol},
    table::FlowTable,
};
use crate::record::{Draft, Record};

/// Bytes that all conversations together may keep: what thousands of half-sent heads take, and a small part of the
/// memory of a small machine. A conversation that would exceed it is no longer listened to.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// All that is known of the traffic so far.
pub(super) struct Observer {
    table: FlowTable,
    fragments: Defragmenter,
    ear: Ear,
    // Emptied after each packet; kept for its room.
    ended: Vec<Flow>,
}

/// What listens to flows, and what they keep for it.
struct Ear {
    home: Vec<IpNet>,
    kept_bytes: usize,
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
                kept_bytes: 0,
                dropped: 0,
                statements: Vec::new(),
            },
            ended: Vec::new(),
        }
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
        while let Some(late) = self.fragments.expire(packet.timestamp) {
            self.hear_assembled(&late, out);
        }
        while let Some(mut flow) = self.table.expire(packet.timestamp) {
            self.ear.finish(&mut flow, out);
        }
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
    }

    /// Listens to what fragments say together. They were counted one by one; a packet inside them is counted now.
    fn hear_assembled(&mut self, assembled: &Assembled, out: &mut Vec<Record>) {
        let (packet, is_inner) = packet::assembled(assembled);
        if is_inner {
            return self.observe(&packet, out);
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
        let before = flow.listening.weight();
        match packet.transport {
            Transport::Tcp {
                ports,
                sequence,
                flags,
                payload,
                ..
            } if payload.wire_bytes != 0 => {
                // The first byte of a segment with SYN comes after the SYN itself.
                let sequence = sequence.wrapping_add(u32::from(flags.syn));
                let mut moment = moment(packet, ports);
                listen(
                    flow,
                    direction,
                    sequence,
                    payload,
                    &mut moment,
                    &mut self.statements,
                );
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

    /// Counts what a flow keeps now against what it kept before; beyond the budget it is no longer listened to.
    fn settle(&mut self, flow: &mut Flow, before: usize) {
        let after = flow.listening.weight();
        self.kept_bytes = self.kept_bytes.saturating_add(after).saturating_sub(before);
        if KEPT_BYTES_MAX < self.kept_bytes && flow.give_up(&mut self.statements) {
            self.kept_bytes = self.kept_bytes.saturating_sub(after);
            self.dropped += 1;
        }
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
        flow.give_up(&mut self.statements);
        self.tell(flow, out);
        out.push(Record::Event(flow.draft(&self.home)));
    }
}

/// Lets the conversation of a flow hear a segment.
fn listen(
    flow: &mut Flow,
    from: Direction,
    sequence: u32,
    payload: Payload<'_>,
    moment: &mut Moment,
    statements: &mut Vec<Statement>,
) {
    let Some(conversation) = flow.conversation() else {
        return;
    };
    conversation.hear(from, sequence, payload, moment, statements);
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
        fields,
        position: mark.position,
        ordinal: mark.ordinal,
    }
}
