//! Which protocol begins with these bytes. Ports are asked for DNS alone, whose messages have no mark of their own.

use super::{
    super::{dns, http, kerberos, ldap, rdp, smb, smtp, ssh, tls},
    Application, DNS_LENGTH_BYTES, Moment, Talk,
};

/// What begins.
pub(super) enum Begun {
    Http {
        by_client: bool,
    },
    Dns,
    Talk {
        application: Application,
        client: Client,
        talk: Box<dyn Talk>,
    },
}

/// Who is the client of what begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// Who says it.
    Sender,
    /// Who hears it.
    Receiver,
    /// Whoever began the flow: either may speak first.
    Opener,
}

/// What begins with `start`, which is as long as the beginning of a segment or [`super::START_BYTES`].
pub(super) fn begun(start: &[u8], moment: &Moment) -> Option<Begun> {
    let dns = || {
        let is_dns = moment.dns_port && start.get(DNS_LENGTH_BYTES..).is_some_and(dns::is_message);
        is_dns.then_some(Begun::Dns)
    };
    unmistakable(start).or_else(dns)
}

/// What has a mark of its own.
fn unmistakable(start: &[u8]) -> Option<Begun> {
    let talk = |application: Application, by_client: bool, talk: Box<dyn Talk>| Begun::Talk {
        application,
        client: if by_client {
            Client::Sender
        } else {
            Client::Receiver
        },
        talk,
    };
    match start.first()? {
        22 if tls::is_client_hello(start) => {
            Some(talk(Application::Tls, true, Box::<tls::Handshake>::default()))
        }
        22 if tls::is_server_hello(start) => {
            Some(talk(Application::Tls, false, Box::<tls::Handshake>::default()))
        }
        0x80.. if tls::old::is_hello(start) => {
            Some(talk(Application::Tls, true, Box::<tls::Handshake>::default()))
        }
        b'S' if start.starts_with(b"SSH-") => Some(Begun::Talk {
            application: Application::Ssh,
            client: Client::Opener,
            talk: Box::<ssh::Exchange>::default(),
        }),
        // A line that looks like a request may still belong to SIP or RTSP; a whole head tells.
        b'A'..=b'Z' if http::is_request_line(start) => Some(Begun::Http { by_client: true }),
        b'H' if start.starts_with(b"HTTP/1.") => Some(Begun::Http { by_client: false }),
        b'E' | b'H' | b'M' | b'e' | b'h' | b'm' if smtp::is_command(start) => {
            Some(talk(Application::Smtp, true, Box::<smtp::Session>::default()))
        }
        0 if smb::begins(start) => Some(Begun::Talk {
            application: Application::Smb,
            client: Client::Opener,
            talk: Box::<smb::Session>::default(),
        }),
        0 => {
            let client = kerberos::by_client(start.get(kerberos::LENGTH_BYTES..)?)?;
            Some(talk(
                Application::Kerberos,
                client,
                Box::<kerberos::Session>::default(),
            ))
        }
        3 => {
            rdp::by_client(start).map(|client| talk(Application::Rdp, client, Box::<rdp::Session>::default()))
        }
        0x30 => ldap::by_client(start)
            .map(|client| talk(Application::Ldap, client, Box::<ldap::Session>::default())),
        _ => None,
    }
}

/// Whether a few first bytes may become something known.
pub(super) fn is_promising(start: &[u8], moment: &Moment) -> bool {
    moment.dns_port
        || matches!(start, [22] | [22, 3, ..] | [3] | [3, 0, ..] | [0x30, ..])
        || tls::old::may_be_hello(start)
        || matches!(start, [0, ..] if start.get(4).is_none_or(|kind| 0x60 < *kind))
        || http::is_request(start)
        || http::is_response(start)
        || b"SSH-".starts_with(start)
        || smtp::may_be_command(start)
}
