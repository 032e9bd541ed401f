//! RDP before it is encrypted: the routing cookie, the protocols asked for, the one taken, and the client's name.
//!
//! MS-RDPBCGR sections 2.2.1.1 to 2.2.1.3, over TPKT (RFC 1006) and X.224. Where TLS follows, it is read as TLS. Kept of a
//! flow is what one record says.

use ingest_event::{Fields, Value, field};

use super::{
    application::{Mark, Said, Step, Talk, Telling},
    words::{text, text_utf16, u8_at, u16_be, u16_le, u32_le},
};

pub(super) const DATASET: &str = "network.rdp";

const TPKT_BYTES: usize = 4;
/// Behind TPKT's and X.224's headers.
const X224_BYTES: usize = 11;
const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;
const DATA: u8 = 0xf0;
const NEGOTIATION_REQUEST: u8 = 1;
const NEGOTIATION_RESPONSE: u8 = 2;
const NEGOTIATION_FAILURE: u8 = 3;
const COOKIE: &[u8] = b"Cookie: ";
/// The key with which T.124 names Microsoft's blocks of the client.
const CLIENT_BLOCKS: &[u8] = b"Duca";
const CLIENT_CORE: u16 = 0xc001;

/// What both sides said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Negotiation {
    cookie: Option<String>,
    asked: Option<u32>,
    taken: Option<u32>,
    failure: Option<u32>,
    client_name: Option<String>,
    client_build: Option<u32>,
}

/// A connection until it is encrypted.
#[derive(Debug, Default)]
pub(super) struct Session {
    mark: Option<Mark>,
    said: Negotiation,
}

/// Whether bytes begin with a connection request or confirm of RDP, and whether the client's.
pub(super) fn by_client(bytes: &[u8]) -> Option<bool> {
    match *bytes {
        // Both references are zero (MS-RDPBCGR 2.2.1.1); other users of TPKT have theirs, or parameters.
        [3, 0, _, _, 6, CONNECTION_REQUEST, 0, 0, _, _, 0, ..] => Some(true),
        [
            3,
            0,
            _,
            _,
            _,
            CONNECTION_REQUEST,
            0,
            0,
            _,
            _,
            0,
            b'C' | b'm' | NEGOTIATION_REQUEST,
            ..,
        ] => Some(true),
        [
            3,
            0,
            0,
            19,
            14,
            CONNECTION_CONFIRM,
            0,
            0,
            _,
            _,
            _,
            NEGOTIATION_RESPONSE | NEGOTIATION_FAILURE,
            ..,
        ] => Some(false),
        _ => None,
    }
}

impl Talk for Session {
    fn read(&mut self, by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> Step {
        let (Some(version), Some(length)) = (u8_at(held, 0), u16_be(held, 2)) else {
            return Step::Wait;
        };
        let length = usize::from(length);
        if version != 3 || length < X224_BYTES - 4 {
            return Step::Over;
        }
        let Some(message) = held.get(..length) else {
            return Step::Wait;
        };
        if self.mark.is_none() {
            self.mark = telling.mark();
        }
        let rest = message.get(X224_BYTES..).unwrap_or_default();
        match (u8_at(message, TPKT_BYTES + 1), by_client) {
            (Some(CONNECTION_REQUEST), true) => self.said.asks(rest),
            (Some(CONNECTION_CONFIRM), false) => self.said.answers(rest),
            (Some(DATA), true) => {
                self.said.settings(message);
                return Step::Over;
            }
            _ => return Step::Over,
        }
        // Anything but RDP's own encryption begins with TLS, which is found where it begins.
        if self.said.failure.is_some() {
            Step::Over
        } else {
            Step::Used(length)
        }
    }

    fn finish(&mut self, telling: &mut Telling<'_>) {
        if let Some(mark) = self.mark.take() {
            telling.tell(mark, Said::Rdp(Box::new(std::mem::take(&mut self.said))));
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + 512
    }
}

impl Negotiation {
    /// A line with a cookie or token, then what is asked for.
    fn asks(&mut self, mut rest: &[u8]) {
        if rest.starts_with(COOKIE) || rest.starts_with(b"mstshash=") {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (line, after) = rest.split_at(end);
            let line = line.strip_prefix(COOKIE).unwrap_or(line);
            self.cookie = line.strip_prefix(b"mstshash=").and_then(text);
            rest = after.get(1..).unwrap_or_default();
        }
        if u8_at(rest, 0) == Some(NEGOTIATION_REQUEST) {
            self.asked = u32_le(rest, 4);
        }
    }

    fn answers(&mut self, rest: &[u8]) {
        match u8_at(rest, 0) {
            Some(NEGOTIATION_RESPONSE) => self.taken = u32_le(rest, 4),
            Some(NEGOTIATION_FAILURE) => self.failure = u32_le(rest, 4),
            // Servers from before the negotiation have nothing but their own encryption.
            Some(_) | None => self.taken = Some(0),
        }
    }

    /// MS-RDPBCGR 2.2.1.3.2: version, size of the screen, …, build, and 32 bytes of name.
    fn settings(&mut self, message: &[u8]) {
        let found = message
            .windows(CLIENT_BLOCKS.len())
            .position(|window| window == CLIENT_BLOCKS);
        // Behind the key stands the length of the blocks in one or two bytes.
        let core = found.into_iter().flat_map(|at| [at + 5, at + 6]).find_map(|at| {
            let block = message.get(at..)?;
            (u16_le(block, 0) == Some(CLIENT_CORE)).then_some(block)
        });
        if let Some(core) = core {
            self.client_build = u32_le(core, 20);
            self.client_name = core.get(24..56).and_then(text_utf16);
        }
    }

    /// Adds the negotiation to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "rdp");
        // Cut to nine characters by Microsoft's client, it is still a user's name.
        fields.set_some(field::RDP_COOKIE, self.cookie);
        if let Some(asked) = self.asked {
            let names: Vec<Value> = [
                (1, "tls"),
                (2, "credssp"),
                (4, "rdstls"),
                (8, "credssp-early"),
                (16, "rdsaad"),
            ]
            .into_iter()
            .filter(|(bit, _)| asked & bit != 0)
            .map(|(_, name)| Value::from(name))
            .collect();
            let names = if names.is_empty() {
                vec![Value::from("rdp")]
            } else {
                names
            };
            fields.set(field::RDP_REQUESTED, names);
        }
        fields.set_some(field::RDP_SELECTED, self.taken.map(protocol_name));
        fields.set_some(field::RDP_FAILURE, self.failure.map(failure_name));
        fields.set_some(field::RDP_CLIENT_NAME, self.client_name);
        fields.set_some(field::RDP_CLIENT_BUILD, self.client_build);
        if self.failure.is_some() {
            fields.set(field::EVENT_OUTCOME, "failure");
        }
    }
}

/// MS-RDPBCGR 2.2.1.2.1.
fn protocol_name(taken: u32) -> String {
    let known = match taken {
        0 => "rdp",
        1 => "tls",
        2 => "credssp",
        4 => "rdstls",
        8 => "credssp-early",
        16 => "rdsaad",
        other => return other.to_string(),
    };
    known.to_owned()
}

/// MS-RDPBCGR 2.2.1.2.2.
fn failure_name(code: u32) -> String {
    let known = match code {
        1 => "tls-required",
        2 => "tls-not-allowed",
        3 => "no-certificate",
        4 => "inconsistent-flags",
        5 => "credssp-required",
        6 => "tls-with-user-authentication-required",
        other => return other.to_string(),
    };
    known.to_owned()
}
