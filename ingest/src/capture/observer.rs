//! Packets to records: one packet after the other is counted to its flow and listened to.
//!
//! This is the part that files and live capture share: it knows packets and time, not where they come from.

use ipnet::IpNet;

use super::{
    CaptureOptions,
    application::{Application, Moment, Said, Statement},
    dns,
    flow::{self, Direction, Flow, Listening},
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
    home: Vec<IpNet>,
    kept_bytes: usize,
    dropped: u64,
    // Emptied after each packet; kept for their room.
    ended: Vec<Flow>,
    statements: Vec<Statement>,
}

impl Observer {
    pub(super) fn new(options: CaptureOptions) -> Self {
        Self {
            table: FlowTable::new(&options),
            home: options.home_networks,
            kept_bytes: 0,
            dropped: 0,
            ended: Vec::new(),
            statements: Vec::new(),
        }
    }

    /// Flows let go because the table was full.
    pub(super) const fn flows_evicted(&self) -> u64 {
        self.table.evicted()
    }

    /// Conversations let go because they kept too much.
    pub(super) const fn conversations_dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes a packet in, and hands out what it ends and what it says.
    pub(super) fn observe(&mut self, packet: &Packet<'_>, out: &mut Vec<Record>) {
        while let Some(flow) = self.table.expire(packet.timestamp) {
            self.finish(flow, out);
        }
        let mut ended = std::mem::take(&mut self.ended);
        let counted = self.table.count(packet, &mut ended);
        match (counted, packet.transport) {
            (
                Some((flow, direction)),
                Transport::Tcp {
                    ports,
                    sequence,
                    flags,
                    payload,
                    ..
                },
            ) => {
                // The first byte of a segment with SYN comes after the SYN itself.
                let sequence = sequence.wrapping_add(u32::from(flags.syn));
                if payload.wire_bytes != 0 {
                    let moment = moment(packet, ports);
                    let kept = listen(flow, direction, sequence, payload, moment, &mut self.statements);
                    self.kept_bytes = self
                        .kept_bytes
                        .saturating_add(kept.after)
                        .saturating_sub(kept.before);
                    if KEPT_BYTES_MAX < self.kept_bytes && flow.give_up(&mut self.statements) {
                        self.kept_bytes = self.kept_bytes.saturating_sub(kept.after);
                        self.dropped += 1;
                    }
                    for statement in self.statements.drain(..) {
                        out.push(Record::Event(draft(statement, flow, &self.home)));
                    }
                }
            }
            (Some((flow, direction)), Transport::Udp { ports, payload }) => {
                if let Some(statement) = read_datagram(packet, ports, payload, direction) {
                    flow.application = Some(Application::Dns);
                    out.push(Record::Event(draft(statement, flow, &self.home)));
                }
            }
            (Some(_), Transport::Icmp { kind, body, .. }) => self.blame(packet, kind, body),
            (
                Some(_),
                Transport::OnlyPorts { .. }
                | Transport::Carrier { .. }
                | Transport::LaterFragment
                | Transport::Opaque,
            )
            | (None, _) => {}
        }
        for flow in ended.drain(..) {
            self.finish(flow, out);
        }
        self.ended = ended;
    }

    /// Hands out the flow that has been silent longest. False if there is none.
    pub(super) fn finish_oldest(&mut self, out: &mut Vec<Record>) -> bool {
        let Some(flow) = self.table.oldest() else {
            return false;
        };
        self.finish(flow, out);
        true
    }

    /// Hands out a flow that is over, after what still waited for an answer in it.
    fn finish(&mut self, mut flow: Flow, out: &mut Vec<Record>) {
        if let Listening::On(conversation) = &mut flow.listening {
            self.kept_bytes = self.kept_bytes.saturating_sub(conversation.weight());
            let mut statements = Vec::new();
            conversation.finish(&mut statements);
            out.extend(
                statements
                    .into_iter()
                    .map(|said| Record::Event(draft(said, &flow, &self.home))),
            );
        }
        out.push(Record::Event(flow.draft(&self.home)));
    }

    /// Marks the flow that an ICMP error is about: its destination can't be reached.
    fn blame(&mut self, packet: &Packet<'_>, kind: u8, body: &[u8]) {
        let segment = packet.origin.segment();
        if matches!((packet.protocol, kind), (protocol::ICMP, 3) | (protocol::ICMP6, 1))
            && let Some((source, destination, number, ports)) = packet::quoted(body)
            && let Some(flow) = self
                .table
                .get_mut(&flow::key_of(source, destination, number, ports, segment))
        {
            flow.unreachable = true;
        }
    }
}

/// Bytes that a conversation kept before and after a segment.
struct Kept {
    before: usize,
    after: usize,
}

/// Lets the conversation of a flow hear a segment.
fn listen(
    flow: &mut Flow,
    from: Direction,
    sequence: u32,
    payload: Payload<'_>,
    mut moment: Moment,
    statements: &mut Vec<Statement>,
) -> Kept {
    let Some(conversation) = flow.conversation() else {
        return Kept { before: 0, after: 0 };
    };
    let before = conversation.weight();
    conversation.hear(from, sequence, payload, &mut moment, statements);
    let (application, over, weight) = (
        conversation.application,
        conversation.is_over(),
        conversation.weight(),
    );
    flow.application = application.or(flow.application);
    let after = if over { 0 } else { weight };
    if over {
        flow.give_up(statements);
    }
    Kept { before, after }
}

fn moment(packet: &Packet<'_>, ports: Ports) -> Moment {
    Moment {
        timestamp: packet.timestamp,
        position: packet.number,
        // 0 is the flow that the packet begins.
        ordinal: 1,
        dns_port: dns::is_port(ports.source) || dns::is_port(ports.destination),
    }
}

/// A datagram that is a DNS message, on whatever port.
fn read_datagram(
    packet: &Packet<'_>,
    ports: Ports,
    payload: Payload<'_>,
    from: Direction,
) -> Option<Statement> {
    let mut moment = moment(packet, ports);
    let read = if moment.dns_port {
        dns::expected
    } else {
        dns::unexpected
    };
    let message = read(payload.bytes)?;
    let client = if message.is_answer { from.opposite() } else { from };
    Some(moment.statement(client, Said::Dns(message)))
}

/// What was said, as a record of its flow: the client is the source.
fn draft(statement: Statement, flow: &Flow, home: &[IpNet]) -> Draft {
    let mut fields = flow.fields(flow.peers.sent(statement.client), home);
    let dataset = statement.said.dataset().into();
    statement.said.write(&mut fields);
    Draft {
        timestamp: statement.timestamp,
        dataset,
        fields,
        position: statement.position,
        ordinal: statement.ordinal,
    }
}
