//! What is said in datagrams: DNS and DHCP, each message by itself; QUIC's first packets and Kerberos, joined to their
//! answers.
//!
//! Recognised by content in the first [`UNKNOWN_PACKETS_MAX`] packets of a flow; DNS on its own ports always, but not
//! only: what else is sent there is where somebody hides.

use super::{
    application::{Application, Moment, Said, Statement, Talk as _, Telling},
    dhcp, dns,
    flow::{Direction, Flow, Listening},
    kerberos,
    packet::{Payload, Ports},
    quic,
};

/// Packets of a flow in which a protocol must show itself: what is recognised here begins with it.
const UNKNOWN_PACKETS_MAX: u64 = 16;

/// A flow of datagrams whose later packets are of interest.
#[derive(Debug)]
pub(super) struct Exchange {
    client: Direction,
    subject: Subject,
}

#[derive(Debug)]
enum Subject {
    Quic(Box<quic::Connection>),
    Kerberos(kerberos::Session),
}

/// Lets a flow hear a datagram. What it keeps from then on is in [`Listening::weight`].
pub(super) fn hear(
    flow: &mut Flow,
    from: Direction,
    ports: Ports,
    payload: Payload<'_>,
    moment: &mut Moment,
    out: &mut Vec<Statement>,
) {
    let bytes = payload.bytes;
    if moment.dns_port
        && !quic::is_initial(bytes)
        && let Some(message) = match flow.listening {
            // Something else was recognised: what is no real message belongs to that.
            Listening::Datagrams(_) => dns::unexpected(bytes),
            Listening::NotYet | Listening::On(_) | Listening::Over => dns::expected(bytes),
        }
    {
        return tell_dns(flow, from, message, moment, out);
    }
    if let Listening::Datagrams(exchange) = &mut flow.listening {
        if !exchange.hear(from, bytes, moment, out) {
            flow.give_up(out);
        }
        return;
    }
    // A resolver's and a relay's flows go on for ever, and each of their messages counts.
    let each_counts = matches!(flow.application, Some(Application::Dns | Application::Dhcp));
    if matches!(flow.listening, Listening::Over) || UNKNOWN_PACKETS_MAX < flow.packets() && !each_counts {
        return;
    }
    if let Some((application, mut exchange)) = begin(from, bytes) {
        flow.application = Some(application);
        let goes_on = exchange.hear(from, bytes, moment, out);
        flow.listening = Listening::Datagrams(Box::new(exchange));
        if !goes_on {
            flow.give_up(out);
        }
    } else if let Some(message) = dhcp::read(bytes, ports) {
        flow.application = Some(Application::Dhcp);
        let client = if message.by_client { from } else { from.opposite() };
        out.push(moment.statement(client, Said::Dhcp(Box::new(message))));
    } else if let Some(message) = dns::unexpected(bytes) {
        tell_dns(flow, from, message, moment, out);
    }
}

/// What begins with this datagram, if its later ones are of interest too.
fn begin(from: Direction, bytes: &[u8]) -> Option<(Application, Exchange)> {
    if quic::is_initial(bytes) {
        let exchange = Exchange {
            client: from,
            subject: Subject::Quic(Box::new(quic::Connection::begin(bytes)?)),
        };
        return Some((Application::Quic, exchange));
    }
    let by_client = kerberos::by_client(bytes)?;
    let exchange = Exchange {
        client: if by_client { from } else { from.opposite() },
        subject: Subject::Kerberos(kerberos::Session::default()),
    };
    Some((Application::Kerberos, exchange))
}

fn tell_dns(
    flow: &mut Flow,
    from: Direction,
    message: dns::Message,
    moment: &mut Moment,
    out: &mut Vec<Statement>,
) {
    flow.application = Some(Application::Dns);
    // Nobody asks from an address of a group: a multicast answer is told as its sender's (RFC 6762 section 6).
    let to = match from {
        Direction::Forward => flow.peers.destination,
        Direction::Backward => flow.peers.source,
    };
    let client = if message.is_answer && !to.is_multicast() {
        from.opposite()
    } else {
        from
    };
    out.push(moment.statement(client, Said::Dns(message)));
}

impl Exchange {
    /// False when nothing more of interest is to come.
    fn hear(&mut self, from: Direction, bytes: &[u8], moment: &mut Moment, out: &mut Vec<Statement>) -> bool {
        let mut telling = Telling {
            moment: Some(moment),
            client: self.client,
            out,
        };
        match &mut self.subject {
            Subject::Quic(connection) => connection.hear(from == self.client, bytes, &mut telling),
            Subject::Kerberos(session) => {
                // One datagram that is none says nothing about the next.
                session.hear(bytes, &mut telling);
                true
            }
        }
    }

    /// Says what still waits for an answer.
    pub(super) fn finish(&mut self, out: &mut Vec<Statement>) {
        let mut telling = Telling {
            moment: None,
            client: self.client,
            out,
        };
        match &mut self.subject {
            Subject::Quic(connection) => connection.finish(&mut telling),
            Subject::Kerberos(session) => session.finish(&mut telling),
        }
    }

    /// Bytes kept.
    pub(super) fn weight(&self) -> usize {
        match &self.subject {
            Subject::Quic(connection) => connection.weight(),
            Subject::Kerberos(session) => session.weight(),
        }
    }
}
