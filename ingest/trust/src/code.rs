//! The one line that enrols a sensor: where the centre is, how to know that it is the centre and who signs its bundles, and
//! a secret that opens the door to its waiting room for an hour.
//!
//! The text is `varde1-` and, in base64 for URLs (RFC 4648 section 5, no padding): 16 bytes of the authority's digest, 16 of
//! that of the keys under bundles, 10 of the secret, 3 of a checksum, and the gateway's `host:port`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::error::ErrorStack;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// How every code begins; the number is the format's.
const START: &str = "varde1-";

/// Bytes of a SHA-256 in a code: nobody finds a second authority, or other keys, with the same.
pub const PIN_BYTES: usize = 16;

/// Bytes of the secret: good for an hour, and a person still has to approve.
pub const SECRET_BYTES: usize = 10;

/// Bytes that tell a mistyped code from a wrong one.
const CHECK_BYTES: usize = 3;

/// A host name has at most 253 characters, a port 5.
const GATEWAY_BYTES_MAX: usize = 260;

/// The beginning of the digest of an authority's certificate, or of the keys under bundles.
pub type Pin = [u8; PIN_BYTES];

/// A code, whole.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentCode {
    /// The gateway's `host:port`; an IPv6 address in brackets.
    pub gateway: String,
    /// The beginning of the SHA-256 of the authority's certificate (DER).
    pub authority: Pin,
    /// That of the keys under bundles, as [`crate::signing::pin`] has it.
    pub keys: Pin,
    secret: [u8; SECRET_BYTES],
}

/// Why a text is no code.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CodeError {
    /// It does not begin as codes do.
    #[error("it is no enrolment code: one begins with `varde1-`, as `varde sensors enrol` prints it")]
    Start,
    /// Something was lost or changed on its way.
    #[error(
        "the enrolment code is mistyped, cut, or of another version; copy it again as a whole, or ask for a new one"
    )]
    Mistyped,
    /// The gateway is none.
    #[error("`{0}` is no gateway: write host:port, as gateway.cert.example:8443 or [2001:db8::1]:8443")]
    Gateway(String),
}

impl EnrolmentCode {
    /// A new code with a secret nobody has seen.
    ///
    /// # Errors
    /// [`CodeError::Gateway`] if the address is none; OpenSSL's if there is no chance to be had.
    pub fn make(gateway: &str, authority: Pin, keys: Pin) -> Result<Result<Self, CodeError>, ErrorStack> {
        let mut secret = [0; SECRET_BYTES];
        openssl::rand::rand_bytes(&mut secret)?;
        Ok(checked(gateway).map(|()| Self {
            gateway: gateway.to_owned(),
            authority,
            keys,
            secret,
        }))
    }

    /// The secret, in hexadecimal digits: what the sensor shows to the gateway.
    #[must_use]
    pub fn secret(&self) -> String {
        hex::encode(self.secret)
    }

    /// What is kept of the secret at the centre.
    #[must_use]
    pub fn digest(&self) -> String {
        digest_of(&self.secret())
    }
}

/// What is kept of a shown secret at the centre: its SHA-256 in hexadecimal digits. It has 80 bits of chance and an hour
/// to live, so it needs no salt.
#[must_use]
pub fn digest_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

fn checked(gateway: &str) -> Result<(), CodeError> {
    let bad = || CodeError::Gateway(gateway.chars().take(GATEWAY_BYTES_MAX).collect());
    let (host, port) = gateway.rsplit_once(':').ok_or_else(bad)?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    let named = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let fits = port.parse::<u16>().is_ok_and(|port| 0 < port) && gateway.len() <= GATEWAY_BYTES_MAX;
    (fits && (bracketed || named)).then_some(()).ok_or_else(bad)
}

fn checksum(parts: [&[u8]; 4]) -> [u8; CHECK_BYTES] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    let digest = digest.finalize();
    let mut check = [0; CHECK_BYTES];
    for (to, from) in check.iter_mut().zip(digest) {
        *to = from;
    }
    check
}

impl fmt::Display for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gateway = self.gateway.as_bytes();
        let check = checksum([&self.authority, &self.keys, &self.secret, gateway]);
        let bytes = [&self.authority[..], &self.keys, &self.secret, &check, gateway].concat();
        write!(f, "{START}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The secret is none of a log's business.
impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolmentCode")
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

impl FromStr for EnrolmentCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let coded = text.trim().strip_prefix(START).ok_or(CodeError::Start)?;
        let bytes = URL_SAFE_NO_PAD.decode(coded).map_err(|_| CodeError::Mistyped)?;
        let (authority, rest) = bytes.split_first_chunk().ok_or(CodeError::Mistyped)?;
        let (keys, rest) = rest.split_first_chunk().ok_or(CodeError::Mistyped)?;
        let (secret, rest) = rest.split_first_chunk().ok_or(CodeError::Mistyped)?;
        let (check, gateway) = rest
            .split_first_chunk::<CHECK_BYTES>()
            .ok_or(CodeError::Mistyped)?;
        if checksum([authority, keys, secret, gateway]) != *check {
            return Err(CodeError::Mistyped);
        }
        let gateway = str::from_utf8(gateway).map_err(|_| CodeError::Mistyped)?;
        checked(gateway)?;
        Ok(Self {
            gateway: gateway.to_owned(),
            authority: *authority,
            keys: *keys,
            secret: *secret,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_being_written_down() {
        for gateway in ["gateway.cert.example:8443", "192.0.2.7:443", "[2001:db8::7]:443"] {
            let code = EnrolmentCode::make(gateway, [7; PIN_BYTES], [8; PIN_BYTES])
                .expect("chance")
                .expect("a gateway");
            let read: EnrolmentCode = format!("  {code}\n").parse().expect("a code");
            assert_eq!(read, code);
            assert_eq!(digest_of(&read.secret()), code.digest());
            assert!(!format!("{code:?}").contains(&code.secret()));
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_told_apart_from_something_else() {
        let code = EnrolmentCode::make("gateway.cert.example:8443", [7; PIN_BYTES], [8; PIN_BYTES])
            .expect("chance")
            .expect("a gateway")
            .to_string();
        for place in START.len()..code.len() {
            let mut slip = code.clone().into_bytes();
            slip[place] = if slip[place] == b'A' { b'B' } else { b'A' };
            let slip = String::from_utf8(slip).expect("ASCII");
            assert_eq!(slip.parse::<EnrolmentCode>(), Err(CodeError::Mistyped), "{place}");
            assert_eq!(
                code[..place].parse::<EnrolmentCode>(),
                Err(CodeError::Mistyped),
                "{place}"
            );
        }
        assert_eq!("hello".parse::<EnrolmentCode>(), Err(CodeError::Start));
    }

    #[test]
    fn a_gateway_has_a_host_and_a_port() {
        for gateway in [
            "",
            "host",
            "host:0",
            "host:99999",
            "2001:db8::7:443",
            "a b:443",
            "host:443/x",
        ] {
            let made = EnrolmentCode::make(gateway, [7; PIN_BYTES], [8; PIN_BYTES]).expect("chance");
            assert!(matches!(made, Err(CodeError::Gateway(_))), "{gateway}");
        }
    }
}
