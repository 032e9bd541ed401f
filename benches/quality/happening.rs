//! What happens in generated traffic, small enough to hold a day of it, and the event that a sensor tells of it.
//!
//! Fields are those that our own sensor sets: a flow bears the time at which it began and is told when it is over, a
//! question and its answer are told one by one. Home networks are those of [`is_home`].

use std::net::IpAddr;

use ingest_event::{
    Event, EventId, Fields, Marking, OrganizationNumber, Purpose, SensorId, Timestamp, Zone, field,
};

/// Nanoseconds of a second.
pub const SECOND: f64 = 1e9;

/// One thing that a sensor tells.
#[derive(Clone, Debug)]
pub struct Happening {
    /// When it is told, in nanoseconds since 1970.
    pub told: i64,
    /// When it began.
    pub began: i64,
    /// In which part of the network.
    pub zone: Zone,
    /// What it is.
    pub what: What,
}

/// What a sensor sees.
#[derive(Clone, Debug)]
pub enum What {
    /// A flow that is over.
    Flow(Flow),
    /// A name that is asked for, or the answer.
    Name(Name),
    /// A TLS handshake.
    Hello {
        /// Who began it.
        from: IpAddr,
        /// Whom it is for.
        to: IpAddr,
        /// There.
        port: u16,
        /// The server that is asked for.
        server: Option<Box<str>>,
    },
    /// A login at an SSH server, by its log.
    Login {
        /// From where.
        from: IpAddr,
        /// The server's name.
        server: Box<str>,
        /// As whom.
        user: Box<str>,
        /// Whether it was let in.
        succeeded: bool,
    },
}

/// A flow that is over.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Who began it.
    pub from: IpAddr,
    /// With whom.
    pub to: IpAddr,
    /// There.
    pub port: u16,
    /// How it ended; UDP has no state.
    pub state: State,
    /// Bytes from who began it.
    pub sent: u64,
    /// Bytes back.
    pub received: u64,
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// TCP, in order.
    Closed,
    /// TCP, nobody answered.
    Attempted,
    /// TCP, refused.
    Rejected,
    /// UDP.
    Datagrams,
}

/// A name that is asked for.
#[derive(Clone, Debug)]
pub struct Name {
    /// Who asks.
    pub from: IpAddr,
    /// Whom.
    pub to: IpAddr,
    /// What for.
    pub name: Box<str>,
    /// The type, for example `AAAA`.
    pub kind: &'static str,
    /// `None` for the question; for the answer whether there is such a name.
    pub found: Option<bool>,
}

/// Whether an address is one of the generated network.
#[must_use]
pub fn is_home(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets().first() == Some(&10),
        IpAddr::V6(address) => address.segments().starts_with(&[0x2001, 0xdb8, 0x20]),
    }
}

/// As whose events things are told.
#[derive(Clone, Debug)]
pub struct Teller {
    organization: OrganizationNumber,
    sensor: SensorId,
    sequence: u64,
}

impl Teller {
    /// Of an organisation.
    #[must_use]
    pub fn new(organization: OrganizationNumber) -> Self {
        Self {
            organization,
            sensor: crate::workload::sensor(),
            sequence: 0,
        }
    }

    /// The event.
    pub fn tell(&mut self, happening: &Happening) -> Event {
        self.sequence += 1;
        let mut fields = Fields::new();
        let dataset = match &happening.what {
            What::Flow(flow) => flow.write(happening, &mut fields),
            What::Name(name) => name.write(&mut fields),
            What::Hello {
                from,
                to,
                port,
                server,
            } => {
                ends(&mut fields, *from, *to, *port, "tcp");
                fields.set(field::TLS_VERSION, "1.3");
                fields.set_some(field::TLS_SERVER_NAME, server.as_deref());
                fields.set(
                    field::TLS_JA4,
                    fingerprint(*from, server.as_deref().unwrap_or_default()),
                );
                "network.tls"
            }
            What::Login {
                from,
                server,
                user,
                succeeded,
            } => {
                login(&mut fields, *from, server, user, *succeeded);
                "system.auth"
            }
        };
        let timestamp = Timestamp::from_nanos(happening.began);
        Event {
            id: EventId::derive(&[b"quality", &self.sequence.to_le_bytes()]),
            sensor: self.sensor.clone(),
            organization: self.organization,
            sequence: self.sequence,
            timestamp,
            observed: Timestamp::from_nanos(happening.told),
            dataset: dataset.to_owned(),
            zone: happening.zone,
            marking: Marking::Unmarked,
            purpose: Purpose::Replay,
            exercise: false,
            fields,
        }
    }
}

fn ends(fields: &mut Fields, from: IpAddr, to: IpAddr, port: u16, transport: &str) {
    fields.set(field::SOURCE_IP, from);
    fields.set(field::DESTINATION_IP, to);
    fields.set(field::DESTINATION_PORT, port);
    fields.set(field::NETWORK_TYPE, if from.is_ipv4() { "ipv4" } else { "ipv6" });
    fields.set(field::NETWORK_TRANSPORT, transport);
    let direction = match (is_home(from), is_home(to)) {
        (true, true) => "internal",
        (true, false) => "outbound",
        (false, true) => "inbound",
        (false, false) => "external",
    };
    fields.set(field::NETWORK_DIRECTION, direction);
}

/// The fingerprint of the program that begins: one of three browsers for pages, else the supplier's own program.
fn fingerprint(from: IpAddr, server: &str) -> String {
    let is_page = ["www.", "felles-", "film-", "tavle-"]
        .iter()
        .any(|start| server.starts_with(start));
    let program = if is_page {
        match from {
            IpAddr::V4(address) => u64::from(u32::from(address) % 3),
            IpAddr::V6(address) => u64::from(address.segments()[7] % 3),
        }
    } else {
        let (supplier, _) = server.rsplit_once(".example").unwrap_or((server, ""));
        let name = supplier.rsplit('.').next().unwrap_or_default();
        name.bytes()
            .fold(7, |sum, byte| sum * 31 % 999_983 + u64::from(byte))
    };
    format!("t13d1516h2_{program:012x}_{:012x}", program * 7)
}

impl Flow {
    fn write(&self, happening: &Happening, fields: &mut Fields) -> &'static str {
        let transport = match self.state {
            State::Datagrams => "udp",
            State::Closed | State::Attempted | State::Rejected => "tcp",
        };
        ends(fields, self.from, self.to, self.port, transport);
        fields.set(field::EVENT_START, Timestamp::from_nanos(happening.began));
        fields.set(field::EVENT_END, Timestamp::from_nanos(happening.told));
        let lasted = happening.told.saturating_sub(happening.began);
        fields.set(field::EVENT_DURATION, u64::try_from(lasted).unwrap_or(0));
        fields.set(field::SOURCE_BYTES, self.sent);
        fields.set(field::SOURCE_PACKETS, self.sent / 900 + 1);
        fields.set(field::DESTINATION_BYTES, self.received);
        let packets_back = self.received.div_ceil(900);
        fields.set(field::DESTINATION_PACKETS, packets_back);
        fields.set(field::NETWORK_BYTES, self.sent + self.received);
        fields.set(field::NETWORK_PACKETS, self.sent / 900 + 1 + packets_back);
        let state = match self.state {
            State::Closed => Some("closed"),
            State::Attempted => Some("attempted"),
            State::Rejected => Some("rejected"),
            State::Datagrams => None,
        };
        fields.set_some(field::VARDE_FLOW_STATE, state);
        "network.flow"
    }
}

impl Name {
    fn write(&self, fields: &mut Fields) -> &'static str {
        ends(fields, self.from, self.to, 53, "udp");
        fields.set(field::NETWORK_PROTOCOL, "dns");
        fields.set(field::DNS_QUESTION_NAME, &*self.name);
        fields.set(field::DNS_QUESTION_TYPE, self.kind);
        match self.found {
            None => fields.set(field::DNS_TYPE, "query"),
            Some(found) => {
                fields.set(field::DNS_TYPE, "answer");
                fields.set(
                    field::DNS_RESPONSE_CODE,
                    if found { "NOERROR" } else { "NXDOMAIN" },
                );
            }
        }
        "network.dns"
    }
}

fn login(fields: &mut Fields, from: IpAddr, server: &str, user: &str, succeeded: bool) {
    fields.set("network.protocol", "ssh");
    fields.set("process.name", "sshd");
    fields.set(field::SOURCE_IP, from);
    fields.set(field::HOST_NAME, server);
    fields.set(field::USER_NAME, user);
    fields.set(field::EVENT_ACTION, "ssh_login");
    fields.set(
        field::EVENT_OUTCOME,
        if succeeded { "success" } else { "failure" },
    );
    let word = if succeeded { "Accepted" } else { "Failed" };
    fields.set(
        field::MESSAGE,
        format!("{word} password for {user} from {from} port 50000 ssh2"),
    );
}
