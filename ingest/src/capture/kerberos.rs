//! Kerberos: who asks for a ticket to what, and whether it is granted (RFC 4120 section 5).
//!
//! Over UDP a datagram is a message, over TCP one follows its length. Answers are joined to the request before them; kept
//! of a flow is that one request. Tickets, keys and pre-authentication are never looked into.

use ingest_event::{Fields, Value, field};

use super::{
    application::{Mark, Said, Step, Talk, Telling},
    der,
    words::{text, u32_be},
};

pub(super) const DATASET: &str = "network.kerberos";
/// RFC 4120 section 7.2.2: before each message over TCP.
pub(super) const LENGTH_BYTES: usize = 4;

/// Offers written of one request: clients have six.
const CIPHERS_MAX: usize = 16;
/// Parts of one name: two or three are in use.
const NAME_PARTS_MAX: usize = 8;

/// Application tags of messages.
const AS_REQ: u8 = 0x6a;
const AS_REP: u8 = 0x6b;
const TGS_REQ: u8 = 0x6c;
const TGS_REP: u8 = 0x6d;
const ERROR: u8 = 0x7e;

/// A request and its answer, or either.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    request: Option<&'static str>,
    client: Option<String>,
    realm: Option<String>,
    service: Option<String>,
    offered: Vec<i32>,
    answer: Option<Answer>,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// How the ticket is encrypted.
    Ticket {
        cipher: Option<i32>,
    },
    Error {
        code: Option<i32>,
    },
}

/// A connection, or two ends of datagrams.
#[derive(Debug, Default)]
pub(super) struct Session {
    waiting: Option<(Mark, Box<Exchange>)>,
}

/// Whether bytes begin with a message, and whether the client's.
pub(super) fn by_client(bytes: &[u8]) -> Option<bool> {
    let (tag, head, length) = der::header(bytes)?;
    let (inner, inner_head, inner_length) = der::header(bytes.get(head..)?)?;
    if inner != der::SEQUENCE || length != inner_head + inner_length {
        return None;
    }
    match tag {
        AS_REQ | TGS_REQ => Some(true),
        AS_REP | TGS_REP | ERROR => Some(false),
        _ => None,
    }
}

impl Talk for Session {
    fn read(&mut self, _by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> Step {
        let Some(length) = u32_be(held, 0) else {
            return Step::Wait;
        };
        let Some(message) = held
            .get(LENGTH_BYTES..)
            .and_then(|rest| rest.get(..length as usize))
        else {
            return Step::Wait;
        };
        if self.hear(message, telling) {
            Step::Used(LENGTH_BYTES + message.len())
        } else {
            Step::Over
        }
    }

    fn finish(&mut self, telling: &mut Telling<'_>) {
        if let Some((mark, exchange)) = self.waiting.take() {
            telling.tell(mark, Said::Kerberos(exchange));
        }
    }

    fn weight(&self) -> usize {
        // A request with its names.
        size_of::<Self>() + if self.waiting.is_some() { 512 } else { 0 }
    }
}

impl Session {
    /// Takes a message in; false if it is none.
    pub(super) fn hear(&mut self, message: &[u8], telling: &mut Telling<'_>) -> bool {
        let Some((der::Element { tag, body }, _)) = der::first(message) else {
            return false;
        };
        let Some(body) = der::expect(body, der::SEQUENCE) else {
            return false;
        };
        match tag {
            AS_REQ | TGS_REQ => {
                self.finish(telling);
                if let Some(mark) = telling.mark() {
                    self.waiting = Some((mark, Box::new(request(tag, body))));
                }
            }
            AS_REP | TGS_REP | ERROR => {
                let waiting = self
                    .waiting
                    .take()
                    .or_else(|| Some((telling.mark()?, Box::default())));
                if let Some((mark, mut exchange)) = waiting {
                    exchange.answered(tag, body);
                    telling.tell(mark, Said::Kerberos(exchange));
                }
            }
            _ => return false,
        }
        true
    }
}

/// KDC-REQ, RFC 4120 section 5.4.1.
fn request(tag: u8, body: &[u8]) -> Exchange {
    let asked = der::context(body, 4)
        .and_then(|body| der::expect(body, der::SEQUENCE))
        .unwrap_or_default();
    let offered = der::context(asked, 8)
        .and_then(|list| der::expect(list, der::SEQUENCE))
        .unwrap_or_default();
    Exchange {
        request: Some(if tag == AS_REQ { "AS" } else { "TGS" }),
        client: der::context(asked, 1).and_then(name),
        realm: der::context(asked, 2).and_then(string),
        service: der::context(asked, 3).and_then(name),
        offered: der::each(offered)
            .filter_map(|element| der::integer(element.body))
            .take(CIPHERS_MAX)
            .collect(),
        answer: None,
    }
}

impl Exchange {
    /// KDC-REP and KRB-ERROR, RFC 4120 sections 5.4.2 and 5.9.1. What the request left open is taken from the answer.
    fn answered(&mut self, tag: u8, body: &[u8]) {
        let fill = |own: &mut Option<String>, theirs: Option<String>| {
            if own.is_none() {
                *own = theirs;
            }
        };
        if tag == ERROR {
            fill(&mut self.client, der::context(body, 8).and_then(name));
            fill(&mut self.realm, der::context(body, 9).and_then(string));
            fill(&mut self.service, der::context(body, 10).and_then(name));
            let code = der::context(body, 6).and_then(|code| der::number(code, der::INTEGER));
            self.answer = Some(Answer::Error { code });
            return;
        }
        fill(&mut self.client, der::context(body, 4).and_then(name));
        fill(&mut self.realm, der::context(body, 3).and_then(string));
        if self.request.is_none() {
            self.request = Some(if tag == AS_REP { "AS" } else { "TGS" });
        }
        // The ticket is a message of its own, with the tag of application 1.
        let ticket = der::context(body, 5)
            .and_then(|ticket| der::expect(ticket, 0x61))
            .and_then(|ticket| der::expect(ticket, der::SEQUENCE))
            .unwrap_or_default();
        fill(&mut self.service, der::context(ticket, 2).and_then(name));
        let cipher = der::context(ticket, 3)
            .and_then(|encrypted| der::expect(encrypted, der::SEQUENCE))
            .and_then(|encrypted| der::number(der::context(encrypted, 0)?, der::INTEGER));
        self.answer = Some(Answer::Ticket { cipher });
    }

    /// Adds the exchange to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "kerberos");
        fields.set_some(field::KERBEROS_REQUEST, self.request);
        fields.set_some(field::KERBEROS_CLIENT_NAME, self.client);
        fields.set_some(field::KERBEROS_REALM, self.realm);
        fields.set_some(field::KERBEROS_SERVICE, self.service);
        if !self.offered.is_empty() {
            let offered: Vec<Value> = self
                .offered
                .iter()
                .map(|cipher| cipher_name(*cipher).into())
                .collect();
            fields.set(field::KERBEROS_CLIENT_CIPHERS, offered);
        }
        match self.answer {
            Some(Answer::Ticket { cipher }) => {
                fields.set(field::EVENT_OUTCOME, "success");
                fields.set_some(field::KERBEROS_TICKET_CIPHER, cipher.map(cipher_name));
            }
            Some(Answer::Error { code }) => {
                // That pre-authentication is wanted is how each login begins.
                let outcome = if matches!(code, Some(14 | 25)) {
                    "unknown"
                } else {
                    "failure"
                };
                fields.set(field::EVENT_OUTCOME, outcome);
                fields.set_some(field::KERBEROS_ERROR_CODE, code.map(i64::from));
                fields.set_some(field::KERBEROS_ERROR_NAME, code.and_then(error_name));
            }
            None => {}
        }
    }
}

/// PrincipalName, RFC 4120 section 5.2.2: its parts with slashes between.
fn name(element: &[u8]) -> Option<String> {
    let parts = der::context(der::expect(element, der::SEQUENCE)?, 1)?;
    let parts: Vec<String> = der::each(der::expect(parts, der::SEQUENCE)?)
        .filter(|part| part.tag == der::GENERAL_STRING)
        .filter_map(|part| text(part.body))
        .take(NAME_PARTS_MAX)
        .collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn string(element: &[u8]) -> Option<String> {
    text(der::expect(element, der::GENERAL_STRING)?)
}

/// <https://www.iana.org/assignments/kerberos-parameters>; the negative ones are Microsoft's.
fn cipher_name(cipher: i32) -> String {
    let known = match cipher {
        1 => "des-cbc-crc",
        2 => "des-cbc-md4",
        3 => "des-cbc-md5",
        5 => "des3-cbc-md5",
        16 => "des3-cbc-sha1-kd",
        17 => "aes128-cts-hmac-sha1-96",
        18 => "aes256-cts-hmac-sha1-96",
        19 => "aes128-cts-hmac-sha256-128",
        20 => "aes256-cts-hmac-sha384-192",
        23 => "rc4-hmac",
        24 => "rc4-hmac-exp",
        25 => "camellia128-cts-cmac",
        26 => "camellia256-cts-cmac",
        -133 => "rc4-hmac-old",
        -135 => "rc4-hmac-old-exp",
        -128 => "rc4-md4",
        other => return other.to_string(),
    };
    known.to_owned()
}

/// RFC 4120 section 7.5.9, those that say something about an account, a service or a clock.
const fn error_name(code: i32) -> Option<&'static str> {
    Some(match code {
        1 => "KDC_ERR_NAME_EXP",
        2 => "KDC_ERR_SERVICE_EXP",
        3 => "KDC_ERR_BAD_PVNO",
        6 => "KDC_ERR_C_PRINCIPAL_UNKNOWN",
        7 => "KDC_ERR_S_PRINCIPAL_UNKNOWN",
        8 => "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
        9 => "KDC_ERR_NULL_KEY",
        12 => "KDC_ERR_POLICY",
        13 => "KDC_ERR_BADOPTION",
        14 => "KDC_ERR_ETYPE_NOSUPP",
        16 => "KDC_ERR_PADATA_TYPE_NOSUPP",
        18 => "KDC_ERR_CLIENT_REVOKED",
        20 => "KDC_ERR_TGT_REVOKED",
        23 => "KDC_ERR_KEY_EXPIRED",
        24 => "KDC_ERR_PREAUTH_FAILED",
        25 => "KDC_ERR_PREAUTH_REQUIRED",
        29 => "KDC_ERR_SVC_UNAVAILABLE",
        31 => "KRB_AP_ERR_BAD_INTEGRITY",
        32 => "KRB_AP_ERR_TKT_EXPIRED",
        34 => "KRB_AP_ERR_REPEAT",
        37 => "KRB_AP_ERR_SKEW",
        41 => "KRB_AP_ERR_MODIFIED",
        52 => "KRB_ERR_RESPONSE_TOO_BIG",
        60 => "KRB_ERR_GENERIC",
        68 => "KDC_ERR_WRONG_REALM",
        _ => return None,
    })
}
