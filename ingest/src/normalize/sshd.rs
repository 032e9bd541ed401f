//! What OpenSSH's daemon says about logins: who, from where, and whether it got in.
//!
//! The texts are those of OpenSSH's `auth.c`, `auth2.c` and `packet.c`. A user name is whatever the other side sent, so
//! the address is looked for from the end: a user called `root from 192.0.2.1 port 22` deceives nobody.

mod grammar;

use std::net::IpAddr;

use ingest_event::{Fields, Value, field};

pub(crate) use grammar::Piece;

/// Who came from where.
#[derive(Debug, Default, PartialEq)]
struct Peer<'a> {
    user: Option<&'a str>,
    address: Option<IpAddr>,
    port: Option<u16>,
}

/// Sets action, outcome, user and address, if the message is about a login.
pub(super) fn read(message: &str, fields: &mut Fields) {
    let message = unrepeat(message, fields);
    let message = ["error: ", "fatal: "]
        .iter()
        .find_map(|level| message.strip_prefix(level))
        .unwrap_or(message);
    let Some((action, outcome, peer)) = understand(message) else {
        return;
    };
    fields.set(field::EVENT_ACTION, action);
    fields.set_some(field::EVENT_OUTCOME, outcome);
    fields.set_some(field::USER_NAME, peer.user.filter(|user| !user.is_empty()));
    fields.set_some(field::SOURCE_IP, peer.address);
    fields.set_some(field::SOURCE_PORT, peer.port);
    fields.set("network.protocol", "ssh");
}

/// rsyslog's `message repeated 5 times: [ …]`: the message, with how often in `varde.repeated`.
fn unrepeat<'a>(message: &'a str, fields: &mut Fields) -> &'a str {
    let parts = message
        .strip_prefix("message repeated ")
        .and_then(|rest| rest.split_once(" times: ["))
        .and_then(|(count, rest)| Some((count.parse::<u32>().ok()?, rest.strip_suffix(']')?)));
    match parts {
        Some((count, inner)) => {
            fields.set("varde.repeated", Value::from(count));
            inner.trim()
        }
        None => message,
    }
}

/// The parts of a message about a login, if it is one that is understood to its last word.
pub(crate) fn login(message: &str) -> Option<Vec<Piece<'_>>> {
    grammar::parse(message)
}

fn understand(message: &str) -> Option<(&'static str, Option<&'static str>, Peer<'_>)> {
    const LOGIN: &str = "ssh_login";
    if let Some(rest) = message.strip_prefix("Accepted ") {
        return Some((LOGIN, Some("success"), user_from(rest.split_once(" for ")?.1)?));
    }
    if let Some(rest) = message.strip_prefix("Failed ") {
        return Some((LOGIN, Some("failure"), user_from(rest.split_once(" for ")?.1)?));
    }
    if let Some(rest) = message.strip_prefix("maximum authentication attempts exceeded for ") {
        return Some((LOGIN, Some("failure"), user_from(rest)?));
    }
    if message.starts_with("Invalid user ") || message.starts_with("Illegal user ") {
        let rest = message.split_once(" user ")?.1;
        return Some((LOGIN, Some("failure"), user_from(rest)?));
    }
    let closed = [
        "Connection closed by ",
        "Connection reset by ",
        "Disconnected from ",
    ]
    .iter()
    .find_map(|start| message.strip_prefix(start));
    if let Some(rest) = closed {
        for unproved in ["authenticating user ", "invalid user "] {
            if let Some(rest) = rest.strip_prefix(unproved) {
                return Some((LOGIN, Some("failure"), user_address(rest)?));
            }
        }
        let peer = match rest.strip_prefix("user ") {
            Some(rest) => user_address(rest)?,
            None => address_port(rest)?,
        };
        return Some(("ssh_disconnect", None, peer));
    }
    let probes = [
        "Did not receive identification string from ",
        "Unable to negotiate with ",
    ];
    if let Some(rest) = probes.iter().find_map(|start| message.strip_prefix(start)) {
        return Some(("ssh_probe", None, address_port(rest)?));
    }
    let rest = message.strip_prefix("Connection from ")?;
    Some(("ssh_connect", None, address_port(rest)?))
}

/// `[invalid user ]NAME from ADDRESS[ port PORT]…`.
fn user_from(text: &str) -> Option<Peer<'_>> {
    let text = text
        .strip_prefix("invalid user ")
        .or_else(|| text.strip_prefix("illegal user "))
        .unwrap_or(text);
    let (user, rest) = match text.rsplit_once(" from ") {
        Some(found) => found,
        // `Invalid user  from …`: an empty name.
        None => ("", text.strip_prefix("from ")?),
    };
    Some(Peer {
        user: Some(user.trim()),
        ..address_port(rest)?
    })
}

/// `NAME ADDRESS port PORT…`.
fn user_address(text: &str) -> Option<Peer<'_>> {
    let (before, rest) = text.rsplit_once(" port ")?;
    let (user, address) = before.rsplit_once(' ').unwrap_or(("", before));
    Some(Peer {
        user: Some(user.trim()),
        address: address.parse().ok(),
        port: leading_port(rest),
    })
}

/// `ADDRESS[ port PORT]…`.
fn address_port(text: &str) -> Option<Peer<'_>> {
    let address = text.split([' ', ':']).next().and_then(|word| word.parse().ok());
    // An IPv6 address has colons of its own.
    let address = address.or_else(|| text.split(' ').next()?.trim_end_matches(':').parse().ok())?;
    let port = text.split_once(" port ").and_then(|(_, rest)| leading_port(rest));
    Some(Peer {
        user: None,
        address: Some(address),
        port,
    })
}

fn leading_port(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}
