//! What was said, and which protocol it was: the step from a parser's result to a record's fields.

use ingest_event::{Fields, Timestamp};

use super::super::{
    dhcp, dns,
    flow::Direction,
    http, kerberos, ldap, rdp, smb, smtp, ssh,
    tls::{self, ClientHello},
};

/// Application protocol, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Application {
    Dhcp,
    Dns,
    Http,
    Kerberos,
    Ldap,
    Quic,
    Rdp,
    Smb,
    Smtp,
    Ssh,
    Tls,
}

/// Something said that becomes a record.
#[derive(Debug)]
pub(in super::super) struct Statement {
    pub(in super::super) mark: Mark,
    /// Who is the client, as the flow knows its ends.
    pub(in super::super) client: Direction,
    pub(in super::super) said: Said,
}

/// The place of a statement: the packet that made it, and which of that packet's statements it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Mark {
    pub(in super::super) timestamp: Timestamp,
    pub(in super::super) position: u64,
    pub(in super::super) ordinal: u32,
}

#[derive(Debug)]
pub(in super::super) enum Said {
    Dhcp(Box<dhcp::Message>),
    Dns(dns::Message),
    Http(http::Request),
    Kerberos(Box<kerberos::Exchange>),
    Ldap(Box<ldap::Bind>),
    Rdp(Box<rdp::Negotiation>),
    Smb(Box<smb::Exchange>),
    Smtp(Box<smtp::Envelope>),
    Ssh(Box<ssh::Greeting>),
    Tls {
        hello: Box<ClientHello>,
        server: Option<Box<tls::Server>>,
    },
}

/// The packet that is being listened to, and the number of its next statement.
#[derive(Debug)]
pub(in super::super) struct Moment {
    pub(in super::super) timestamp: Timestamp,
    pub(in super::super) position: u64,
    pub(in super::super) ordinal: u32,
    pub(in super::super) dns_port: bool,
}

impl Moment {
    /// A place for a statement that begins now.
    pub(in super::super) const fn mark(&mut self) -> Mark {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        Mark {
            timestamp: self.timestamp,
            position: self.position,
            ordinal,
        }
    }

    /// A statement made now.
    pub(in super::super) const fn statement(&mut self, client: Direction, said: Said) -> Statement {
        Statement {
            mark: self.mark(),
            client,
            said,
        }
    }
}

impl Statement {
    /// Whether its answer has a length and no body (RFC 9110 section 9.3.2).
    pub(super) fn asks_for_head_only(&self) -> bool {
        matches!(&self.said, Said::Http(request) if request.method == "HEAD")
    }
}

impl Said {
    /// The dataset of its record.
    pub(in super::super) const fn dataset(&self) -> &'static str {
        match self {
            Self::Dhcp(_) => dhcp::DATASET,
            Self::Dns(_) => dns::DATASET,
            Self::Http(_) => http::DATASET,
            Self::Kerberos(_) => kerberos::DATASET,
            Self::Ldap(_) => ldap::DATASET,
            Self::Rdp(_) => rdp::DATASET,
            Self::Smb(_) => smb::DATASET,
            Self::Smtp(_) => smtp::DATASET,
            Self::Ssh(_) => ssh::DATASET,
            Self::Tls { .. } => tls::DATASET,
        }
    }

    /// Adds what was said to the fields of the flow.
    pub(in super::super) fn write(self, fields: &mut Fields) {
        match self {
            Self::Dhcp(message) => message.write(fields),
            Self::Dns(message) => message.write(fields),
            Self::Http(request) => request.write(fields),
            Self::Kerberos(exchange) => exchange.write(fields),
            Self::Ldap(bind) => bind.write(fields),
            Self::Rdp(negotiation) => negotiation.write(fields),
            Self::Smb(exchange) => exchange.write(fields),
            Self::Smtp(envelope) => envelope.write(fields),
            Self::Ssh(greeting) => greeting.write(fields),
            Self::Tls { hello, server } => hello.write(server.as_deref(), fields),
        }
    }
}

impl Application {
    /// As written in `network.protocol`.
    pub(in super::super) const fn as_str(self) -> &'static str {
        match self {
            Self::Dhcp => "dhcp",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Kerberos => "kerberos",
            Self::Ldap => "ldap",
            Self::Quic => "quic",
            Self::Rdp => "rdp",
            Self::Smb => "smb",
            Self::Smtp => "smtp",
            Self::Ssh => "ssh",
            Self::Tls => "tls",
        }
    }
}
