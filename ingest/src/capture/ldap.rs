//! LDAP: who binds how, and what comes of it (RFC 4511 sections 4.1.1, 4.2).
//!
//! Passwords are passed over, and so is everything but binds. Kept of a flow are at most [`WAITING_MAX`] binds that wait for
//! their answer; after [`MESSAGES_MAX`] messages nobody listens any more.

use std::collections::VecDeque;

use ingest_event::{Fields, field};

use super::{
    application::{Mark, Said, Step, Talk, Telling},
    der,
    words::text,
};

pub(super) const DATASET: &str = "network.ldap";

/// Binds that wait for an answer: RFC 4511 section 4.2.1 allows one.
const WAITING_MAX: usize = 4;
/// Messages of one connection: binds come at its beginning, and rarely again.
const MESSAGES_MAX: u32 = 256;

const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const AUTH_SIMPLE: u8 = 0x80;
const AUTH_SASL: u8 = 0xa3;

/// A bind and its result.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bind {
    name: Option<String>,
    mechanism: Option<String>,
    version: Option<i32>,
    result: Option<i32>,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    waiting: VecDeque<(i32, Mark, Box<Bind>)>,
    messages: u32,
}

/// Whether bytes begin with a message that a connection may begin with, and whether the client's.
pub(super) fn by_client(bytes: &[u8]) -> Option<bool> {
    let (tag, head, _) = der::header(bytes)?;
    let rest = bytes.get(head..)?;
    let (kind, number_head, number_bytes) = der::header(rest)?;
    if tag != der::SEQUENCE || kind != der::INTEGER || !(1..=4).contains(&number_bytes) {
        return None;
    }
    let operation = rest.get(number_head + number_bytes..)?;
    match der::header(operation)?.0 {
        // Search and extended operations (StartTLS) may come first too.
        BIND_REQUEST | 0x63 | 0x77 => Some(true),
        BIND_RESPONSE | 0x64 | 0x65 | 0x78 => Some(false),
        _ => None,
    }
}

impl Talk for Session {
    fn read(&mut self, _by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> Step {
        // Enough for the header of the message and what is in it.
        const HEAD_BYTES: usize = 24;
        let Some((tag, head, length)) = der::header(held) else {
            return if held.len() < HEAD_BYTES {
                Step::Wait
            } else {
                Step::Over
            };
        };
        if tag != der::SEQUENCE || MESSAGES_MAX < self.messages {
            // Sealed from here on, or nothing new for long.
            return Step::Over;
        }
        let Some(message) = held.get(head..).and_then(|rest| rest.get(..length)) else {
            return match by_client_or_other(held) {
                Some(BIND_REQUEST | BIND_RESPONSE) => Step::Wait,
                Some(_) => {
                    self.messages += 1;
                    Step::Skip((head + length) as u64)
                }
                None if held.len() < HEAD_BYTES => Step::Wait,
                None => Step::Over,
            };
        };
        self.messages += 1;
        self.hear(message, telling);
        Step::Used(head + length)
    }

    fn finish(&mut self, telling: &mut Telling<'_>) {
        for (_, mark, bind) in self.waiting.drain(..) {
            telling.tell(mark, Said::Ldap(bind));
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.waiting.len() * 512
    }
}

/// The operation of a message of which the beginning is there.
fn by_client_or_other(held: &[u8]) -> Option<u8> {
    let (_, head, _) = der::header(held)?;
    let rest = held.get(head..)?;
    let (_, number_head, number_bytes) = der::header(rest)?;
    rest.get(number_head.checked_add(number_bytes)?).copied()
}

impl Session {
    fn hear(&mut self, message: &[u8], telling: &mut Telling<'_>) {
        let Some((number, rest)) = der::first(message) else {
            return;
        };
        let (Some(number), Some((operation, _))) = (der::integer(number.body), der::first(rest)) else {
            return;
        };
        match operation.tag {
            BIND_REQUEST => {
                if WAITING_MAX <= self.waiting.len() {
                    self.finish(telling);
                }
                if let Some(mark) = telling.mark() {
                    self.waiting
                        .push_back((number, mark, Box::new(bind(operation.body))));
                }
            }
            BIND_RESPONSE => {
                let result = der::number(operation.body, der::ENUMERATED);
                let asked = self.waiting.iter().position(|(waiting, _, _)| *waiting == number);
                if let Some((_, mark, mut bind)) = asked.and_then(|at| self.waiting.remove(at)) {
                    bind.result = result;
                    telling.tell(mark, Said::Ldap(bind));
                }
            }
            _ => {}
        }
    }
}

/// RFC 4511 section 4.2: version, name, and the kind of authentication.
fn bind(body: &[u8]) -> Bind {
    let mut parts = der::each(body);
    let version = parts.next().and_then(|version| der::integer(version.body));
    let name = parts.next().and_then(|name| text(name.body));
    let mechanism = parts.next().and_then(|kind| match kind.tag {
        AUTH_SIMPLE if kind.body.is_empty() => Some("anonymous".to_owned()),
        AUTH_SIMPLE => Some("simple".to_owned()),
        AUTH_SASL => text(der::expect(kind.body, der::OCTETS)?),
        // Microsoft's own, with NTLM inside.
        0x89..=0x8b => Some("sicily".to_owned()),
        _ => None,
    });
    Bind {
        name,
        mechanism,
        version,
        result: None,
    }
}

impl Bind {
    /// Adds the bind to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "ldap");
        fields.set(field::EVENT_ACTION, "bind");
        fields.set_some(field::LDAP_VERSION, self.version.map(i64::from));
        fields.set_some(field::LDAP_MECHANISM, self.mechanism);
        fields.set_some(field::LDAP_BIND_NAME, self.name);
        let Some(result) = self.result else { return };
        fields.set(field::LDAP_RESULT_CODE, i64::from(result));
        fields.set_some(field::LDAP_RESULT_NAME, result_name(result));
        let outcome = match result {
            0 => "success",
            // Another step of the same bind follows.
            14 => "unknown",
            _ => "failure",
        };
        fields.set(field::EVENT_OUTCOME, outcome);
    }
}

/// RFC 4511 appendix A.1, those that a bind may have.
const fn result_name(code: i32) -> Option<&'static str> {
    Some(match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => return None,
    })
}
