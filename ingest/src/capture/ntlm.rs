//! NTLM as it is carried by others: the names in a challenge and in an answer to it (MS-NLMP section 2.2.1).
//!
//! What proves who somebody is is passed over.

use ingest_event::{Fields, field};

use super::words::{text, text_utf16, u16_le, u32_le};

const MARK: &[u8] = b"NTLMSSP\0";
const CHALLENGE: u32 = 2;
const AUTHENTICATE: u32 = 3;
/// NTLMSSP_NEGOTIATE_UNICODE.
const IS_UNICODE: u32 = 1;
/// Attributes of a challenge that are looked through: there are about ten kinds.
const ATTRIBUTES_MAX: usize = 16;

/// Names of both ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    user: Option<String>,
    domain: Option<String>,
    client: Option<String>,
    server: Option<String>,
    server_domain: Option<String>,
}

/// The names of the first message of NTLM among these bytes.
pub(super) fn names(bytes: &[u8]) -> Names {
    let found = bytes.windows(MARK.len()).position(|window| window == MARK);
    let Some(message) = found.and_then(|at| bytes.get(at..)) else {
        return Names::default();
    };
    match u32_le(message, 8) {
        Some(CHALLENGE) => challenge(message),
        Some(AUTHENTICATE) => {
            let unicode = u32_le(message, 60).is_none_or(|flags| flags & IS_UNICODE != 0);
            let at = |place| {
                part(message, place).and_then(|part| if unicode { text_utf16(part) } else { text(part) })
            };
            Names {
                domain: at(28),
                user: at(36),
                client: at(44),
                ..Names::default()
            }
        }
        Some(_) | None => Names::default(),
    }
}

/// MS-NLMP 2.2.1.2 and 2.2.2.1: DNS names where there are any, else those of NetBIOS.
fn challenge(message: &[u8]) -> Names {
    let mut names = Names::default();
    let mut rest = part(message, 40).unwrap_or_default();
    for _ in 0..ATTRIBUTES_MAX {
        let (Some(kind), Some(length)) = (u16_le(rest, 0), u16_le(rest, 2)) else {
            break;
        };
        let end = 4 + usize::from(length);
        let Some(value) = rest.get(4..end) else { break };
        match kind {
            0 => break,
            1 if names.server.is_none() => names.server = text_utf16(value),
            2 if names.server_domain.is_none() => names.server_domain = text_utf16(value),
            3 => names.server = text_utf16(value),
            4 => names.server_domain = text_utf16(value),
            _ => {}
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    names
}

/// A part by the place of its length and offset.
fn part(message: &[u8], place: usize) -> Option<&[u8]> {
    let length = usize::from(u16_le(message, place)?);
    let at = u32_le(message, place + 4)? as usize;
    message.get(at..)?.get(..length)
}

impl Names {
    /// Takes over what is not known yet.
    pub(super) fn add(&mut self, other: Self) {
        let pairs = [
            (&mut self.user, other.user),
            (&mut self.domain, other.domain),
            (&mut self.client, other.client),
            (&mut self.server, other.server),
            (&mut self.server_domain, other.server_domain),
        ];
        for (own, other) in pairs {
            if own.is_none() {
                *own = other;
            }
        }
    }

    /// Adds the names to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set_some(field::NTLM_USER_NAME, self.user);
        fields.set_some(field::NTLM_DOMAIN, self.domain);
        fields.set_some(field::NTLM_CLIENT_NAME, self.client);
        fields.set_some(field::NTLM_SERVER_NAME, self.server);
        fields.set_some(field::NTLM_SERVER_DOMAIN, self.server_domain);
    }
}
