//! SMB of all versions, as far as it is in clear: the dialect, who logs on with which result, and which share is opened.
//!
//! MS-SMB2 section 2.2, MS-CIFS section 2.2.4; names of NTLM are read in [`super::ntlm`]. Files and pipes are passed over. Kept
//! of a flow are at most [`WAITING_MAX`] requests that wait for their answer; after [`MESSAGES_MAX`] messages nobody
//! listens any more.

mod old;

use std::collections::VecDeque;

use ingest_event::{Fields, Value, field};

use super::{
    application::{Mark, Said, Step, Talk, Telling},
    ntlm,
    words::{text_utf16, u16_le, u32_be, u32_le},
};

pub(super) const DATASET: &str = "network.smb";

/// Requests that wait: a client may have a hundred under way, but those of interest come one by one.
const WAITING_MAX: usize = 16;
/// Messages of one connection: logons and shares come at its beginning.
const MESSAGES_MAX: u32 = 512;
/// Messages longer than this are data; a logon with a large Kerberos ticket has a third of it.
const MESSAGE_BYTES_MAX: usize = 24 * 1024;
/// Dialects written of one offer: clients have ten.
const DIALECTS_MAX: usize = 16;

/// RFC 1002 section 4.3.1, and the same over port 445: a zero and the length in three bytes.
const NETBIOS_BYTES: usize = 4;
const HEADER_BYTES: usize = 64;
const MORE_PROCESSING: u32 = 0xc000_0016;
/// The answer comes later, under the same number.
const PENDING: u32 = 0x103;

const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;
const TREE_CONNECT: u16 = 3;

/// A request and its answer, or either.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    action: Option<Action>,
    version: u8,
    dialects: Vec<String>,
    dialect: Option<String>,
    signing: Option<bool>,
    share: Option<String>,
    ntlm: ntlm::Names,
    status: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Negotiate,
    SessionSetup,
    TreeConnect,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    waiting: VecDeque<(u64, Mark, Box<Exchange>)>,
    /// What the server says of itself when it challenges.
    challenge: ntlm::Names,
    /// What the client offered, by which the first version answers.
    offered: Vec<String>,
    messages: u32,
}

/// Whether bytes begin with a message. Whose it is stands too far behind; who began the flow is the client.
pub(super) fn begins(start: &[u8]) -> bool {
    matches!(
        start,
        [0, _, _, _, 0xfe, b'S', b'M', b'B', 64, 0, ..] | [0, _, _, _, 0xff, b'S', b'M', b'B', _, ..]
    )
}

impl Talk for Session {
    fn read(&mut self, _by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> Step {
        let Some(length) = u32_be(held, 0) else {
            return Step::Wait;
        };
        let length = NETBIOS_BYTES + (length & 0x00ff_ffff) as usize;
        if held.first() != Some(&0) {
            // Session requests, keep-alives (RFC 1002 section 4.3).
            return Step::Skip(length as u64);
        }
        self.messages += 1;
        if MESSAGES_MAX < self.messages {
            return Step::Over;
        }
        if MESSAGE_BYTES_MAX < length {
            return Step::Skip(length as u64);
        }
        let Some(message) = held.get(NETBIOS_BYTES..length) else {
            self.messages -= 1;
            return Step::Wait;
        };
        match message.first_chunk::<4>() {
            Some([0xfe, b'S', b'M', b'B']) => self.hear_chain(message, telling),
            Some([0xff, b'S', b'M', b'B']) => self.hear_old(message, telling),
            // Encrypted (MS-SMB2 2.2.41): shares are so one by one.
            Some([0xfd, b'S', b'M', b'B']) | None => {}
            Some(_) => return Step::Over,
        }
        Step::Used(length)
    }

    fn finish(&mut self, telling: &mut Telling<'_>) {
        for (_, mark, exchange) in self.waiting.drain(..) {
            telling.tell(mark, Said::Smb(exchange));
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.waiting.len() * 1_024
    }
}

impl Session {
    /// Several messages may come in one, each saying where the next one begins.
    fn hear_chain(&mut self, mut message: &[u8], telling: &mut Telling<'_>) {
        loop {
            let next = u32_le(message, 20).unwrap_or(0) as usize;
            let own = message.get(..next).filter(|_| next != 0).unwrap_or(message);
            self.hear(own, telling);
            match message.get(next..) {
                Some(rest) if HEADER_BYTES <= next && !rest.is_empty() => message = rest,
                Some(_) | None => return,
            }
        }
    }

    /// MS-SMB2 section 2.2.1.
    fn hear(&mut self, message: &[u8], telling: &mut Telling<'_>) {
        let (Some(status), Some(command), Some(flags), Some(body)) = (
            u32_le(message, 8),
            u16_le(message, 12),
            u32_le(message, 16),
            message.get(HEADER_BYTES..),
        ) else {
            return;
        };
        let number = message
            .get(24..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |number| u64::from_le_bytes(*number));
        if flags & 1 == 0 {
            if let Some(exchange) = self.request(command, message, body) {
                self.ask(number, exchange, telling);
            }
        } else if matches!(command, NEGOTIATE | SESSION_SETUP | TREE_CONNECT) {
            self.answer(number, command, status, message, telling);
        }
    }

    fn request(&mut self, command: u16, message: &[u8], body: &[u8]) -> Option<Exchange> {
        let mut exchange = Exchange {
            version: 2,
            ..Exchange::default()
        };
        match command {
            NEGOTIATE => {
                exchange.action = Some(Action::Negotiate);
                let count = usize::from(u16_le(body, 2)?).min(DIALECTS_MAX);
                exchange.dialects = (0..count)
                    .map_while(|index| u16_le(body, 36 + 2 * index))
                    .map(dialect_name)
                    .collect();
            }
            SESSION_SETUP => {
                exchange.action = Some(Action::SessionSetup);
                exchange.ntlm = ntlm::names(slice(message, u16_le(body, 12)?, u16_le(body, 14)?));
            }
            TREE_CONNECT => {
                exchange.action = Some(Action::TreeConnect);
                exchange.share = text_utf16(slice(message, u16_le(body, 4)?, u16_le(body, 6)?));
            }
            _ => return None,
        }
        Some(exchange)
    }

    fn ask(&mut self, number: u64, exchange: Exchange, telling: &mut Telling<'_>) {
        if WAITING_MAX <= self.waiting.len()
            && let Some((_, mark, exchange)) = self.waiting.pop_front()
        {
            telling.tell(mark, Said::Smb(exchange));
        }
        if let Some(mark) = telling.mark() {
            self.waiting.push_back((number, mark, Box::new(exchange)));
        }
    }

    /// Takes out what waits under a number.
    fn asked(&mut self, number: u64) -> Option<(Mark, Box<Exchange>)> {
        let at = self
            .waiting
            .iter()
            .position(|(waiting, _, _)| *waiting == number)?;
        let (_, mark, exchange) = self.waiting.remove(at)?;
        Some((mark, exchange))
    }

    fn answer(&mut self, number: u64, command: u16, status: u32, message: &[u8], telling: &mut Telling<'_>) {
        if status == PENDING {
            return;
        }
        let body = message.get(HEADER_BYTES..).unwrap_or_default();
        let asked = self.asked(number);
        if command == SESSION_SETUP && status == MORE_PROCESSING {
            // The first half of a logon: what the server says of itself belongs to the second.
            let blob = u16_le(body, 4).zip(u16_le(body, 6));
            self.challenge = blob.map_or_else(ntlm::Names::default, |(at, length)| {
                ntlm::names(slice(message, at, length))
            });
            return;
        }
        // The first version's offer is answered by the second with a number of its own.
        let Some((mark, mut exchange)) = asked.or_else(|| {
            let begins = command == NEGOTIATE;
            let first = Box::new(Exchange {
                action: Some(Action::Negotiate),
                dialects: std::mem::take(&mut self.offered),
                ..Exchange::default()
            });
            begins.then(|| self.waiting.clear());
            begins.then(|| telling.mark()).flatten().map(|mark| (mark, first))
        }) else {
            return;
        };
        exchange.version = 2;
        exchange.status = Some(status);
        match command {
            NEGOTIATE => {
                exchange.signing = u16_le(body, 2).map(|mode| mode & 2 != 0);
                exchange.dialect = u16_le(body, 4).map(dialect_name);
            }
            SESSION_SETUP => exchange.ntlm.add(std::mem::take(&mut self.challenge)),
            _ => {}
        }
        telling.tell(mark, Said::Smb(exchange));
    }
}

/// A part of a message by its place and length.
fn slice(message: &[u8], at: u16, length: u16) -> &[u8] {
    let rest = message.get(usize::from(at)..).unwrap_or_default();
    rest.get(..usize::from(length)).unwrap_or_default()
}

/// MS-SMB2 section 2.2.4.
fn dialect_name(dialect: u16) -> String {
    match dialect {
        0x02ff => "2.??".to_owned(),
        dialect => {
            let (major, minor) = (dialect >> 8, dialect & 0xff);
            format!("{major}.{minor:02x}")
        }
    }
}

impl Exchange {
    /// Adds the exchange to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "smb");
        fields.set(field::SMB_VERSION, self.version);
        fields.set_some(field::EVENT_ACTION, self.action.map(Action::as_str));
        if !self.dialects.is_empty() {
            let dialects: Vec<Value> = self.dialects.into_iter().map(Value::from).collect();
            fields.set(field::SMB_CLIENT_DIALECTS, dialects);
        }
        fields.set_some(field::SMB_DIALECT, self.dialect);
        fields.set_some(field::SMB_SIGNING_REQUIRED, self.signing);
        fields.set_some(field::SMB_SHARE, self.share);
        self.ntlm.write(fields);
        let Some(status) = self.status else { return };
        fields.set(field::SMB_STATUS, status_name(status));
        fields.set(
            field::EVENT_OUTCOME,
            if status == 0 { "success" } else { "failure" },
        );
    }
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Negotiate => "negotiate",
            Self::SessionSetup => "session_setup",
            Self::TreeConnect => "tree_connect",
        }
    }
}

/// MS-ERREF section 2.3.1, those of logons and shares; the number for others.
fn status_name(status: u32) -> String {
    let known = match status {
        0 => "STATUS_SUCCESS",
        0xc000_0016 => "STATUS_MORE_PROCESSING_REQUIRED",
        0xc000_000d => "STATUS_INVALID_PARAMETER",
        0xc000_0022 => "STATUS_ACCESS_DENIED",
        0xc000_0064 => "STATUS_NO_SUCH_USER",
        0xc000_006a => "STATUS_WRONG_PASSWORD",
        0xc000_006d => "STATUS_LOGON_FAILURE",
        0xc000_006e => "STATUS_ACCOUNT_RESTRICTION",
        0xc000_0070 => "STATUS_INVALID_WORKSTATION",
        0xc000_0071 => "STATUS_PASSWORD_EXPIRED",
        0xc000_0072 => "STATUS_ACCOUNT_DISABLED",
        0xc000_00bb => "STATUS_NOT_SUPPORTED",
        0xc000_00cc => "STATUS_BAD_NETWORK_NAME",
        0xc000_015b => "STATUS_LOGON_TYPE_NOT_GRANTED",
        0xc000_0193 => "STATUS_ACCOUNT_EXPIRED",
        0xc000_0224 => "STATUS_PASSWORD_MUST_CHANGE",
        0xc000_0234 => "STATUS_ACCOUNT_LOCKED_OUT",
        other => return format!("0x{other:08x}"),
    };
    known.to_owned()
}
