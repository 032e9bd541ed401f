//! TLS handshakes: what the client offers and what the server takes, up to where encryption begins.
//!
//! RFC 8446 and RFC 5246. Both hellos may be spread over several records. Fingerprints are made in
//! [`super::fingerprint`].

use ingest_event::{Fields, field};
use tls_parser::{parse_tls_handshake_client_hello, parse_tls_handshake_server_hello};

use super::fingerprint;

pub(super) const DATASET: &str = "network.tls";
/// ECS: the protocol that both agreed on.
const TLS_NEXT_PROTOCOL: &str = "tls.next_protocol";

const RECORD_HEADER_BYTES: usize = 5;
const HANDSHAKE_HEADER_BYTES: usize = 4;
const RECORD_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// Extension numbers, <https://www.iana.org/assignments/tls-extensiontype-values>.
pub(super) mod extension {
    pub(in super::super) const SERVER_NAME: u16 = 0;
    pub(in super::super) const GROUPS: u16 = 10;
    pub(in super::super) const POINT_FORMATS: u16 = 11;
    pub(in super::super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(in super::super) const ALPN: u16 = 16;
    pub(in super::super) const SUPPORTED_VERSIONS: u16 = 43;
}

/// What a client offers, in its order, GREASE included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) version: u16,
    pub(super) ciphers: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) point_formats: Vec<u8>,
    pub(super) signature_algorithms: Vec<u16>,
    pub(super) supported_versions: Vec<u16>,
    /// The first application protocol offered.
    pub(super) first_alpn: Option<Vec<u8>>,
    pub(super) server_name: Option<String>,
}

/// What a server took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerHello {
    version: u16,
    next_protocol: Option<String>,
}

/// How far the first handshake message of a stream is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress<T> {
    Complete(T),
    Partial,
    /// Something else.
    Not,
}

/// Whether a stream, or a piece of one, begins with a ClientHello. Six bytes are enough.
pub(super) const fn is_client_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [RECORD_HANDSHAKE, 3, 0..=4, _, _, CLIENT_HELLO, ..])
}

/// Whether a stream, or a piece of one, begins with a ServerHello.
pub(super) const fn is_server_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [RECORD_HANDSHAKE, 3, 0..=4, _, _, SERVER_HELLO, ..])
}

/// Reads the client's first message.
pub(super) fn client_hello(stream: &[u8]) -> Progress<ClientHello> {
    let body = match first_message(stream, CLIENT_HELLO) {
        Progress::Complete(body) => body,
        Progress::Partial => return Progress::Partial,
        Progress::Not => return Progress::Not,
    };
    let Ok((_, hello)) = parse_tls_handshake_client_hello(&body) else {
        return Progress::Not;
    };
    let mut read = ClientHello {
        version: hello.version.0,
        ciphers: hello.ciphers.iter().map(|cipher| cipher.0).collect(),
        ..ClientHello::default()
    };
    for (kind, data) in extensions(hello.ext.unwrap_or_default()) {
        read.extensions.push(kind);
        match kind {
            extension::SERVER_NAME => read.server_name = server_name(data),
            extension::GROUPS => read.groups = words(list16(data)),
            extension::POINT_FORMATS => read.point_formats = list8(data).to_vec(),
            extension::SIGNATURE_ALGORITHMS => read.signature_algorithms = words(list16(data)),
            extension::SUPPORTED_VERSIONS => read.supported_versions = words(list8(data)),
            extension::ALPN => read.first_alpn = Some(list8(list16(data)).to_vec()),
            _ => {}
        }
    }
    Progress::Complete(read)
}

/// Reads the server's first message.
pub(super) fn server_hello(stream: &[u8]) -> Progress<ServerHello> {
    let body = match first_message(stream, SERVER_HELLO) {
        Progress::Complete(body) => body,
        Progress::Partial => return Progress::Partial,
        Progress::Not => return Progress::Not,
    };
    let Ok((_, hello)) = parse_tls_handshake_server_hello(&body) else {
        return Progress::Not;
    };
    let mut read = ServerHello {
        version: hello.version.0,
        next_protocol: None,
    };
    for (kind, data) in extensions(hello.ext.unwrap_or_default()) {
        match kind {
            extension::SUPPORTED_VERSIONS => {
                if let Some(version) = data.first_chunk() {
                    read.version = u16::from_be_bytes(*version);
                }
            }
            extension::ALPN => {
                read.next_protocol = Some(String::from_utf8_lossy(list8(list16(data))).into_owned());
            }
            _ => {}
        }
    }
    Progress::Complete(read)
}

impl ClientHello {
    /// Adds the handshake to the fields of the flow.
    pub(super) fn write(&self, server: Option<&ServerHello>, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "tls");
        fields.set_some(field::TLS_SERVER_NAME, self.server_name.as_deref());
        fields.set(field::TLS_JA3, fingerprint::ja3(self));
        fields.set(field::TLS_JA4, fingerprint::ja4(self));
        let version = server.map_or_else(|| self.highest_version(), |server| server.version);
        fields.set_some(field::TLS_VERSION, version_text(version));
        fields.set_some(
            TLS_NEXT_PROTOCOL,
            server.and_then(|server| server.next_protocol.as_deref()),
        );
    }

    /// The highest version offered.
    pub(super) fn highest_version(&self) -> u16 {
        let offered = self.supported_versions.iter().copied();
        offered
            .filter(|version| !fingerprint::is_grease(*version))
            .max()
            .unwrap_or(self.version)
    }
}

const fn version_text(version: u16) -> Option<&'static str> {
    Some(match version {
        0x0300 => "3.0",
        0x0301 => "1.0",
        0x0302 => "1.1",
        0x0303 => "1.2",
        0x0304 => "1.3",
        // Drafts of TLS 1.3.
        0x7f00..=0x7fff => "1.3",
        _ => return None,
    })
}

/// The body of the first handshake message, put together from its records.
fn first_message(stream: &[u8], expected: u8) -> Progress<Vec<u8>> {
    let mut rest = stream;
    let mut message = Vec::new();
    loop {
        let Some((header, after)) = rest.split_first_chunk::<RECORD_HEADER_BYTES>() else {
            return Progress::Partial;
        };
        let [kind, major, _, high, low] = *header;
        if kind != RECORD_HANDSHAKE || major != 3 {
            return Progress::Not;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let held = after.get(..length).unwrap_or(after);
        message.extend_from_slice(held);
        if let Some(&[kind, a, b, c]) = message.first_chunk::<HANDSHAKE_HEADER_BYTES>() {
            if kind != expected {
                return Progress::Not;
            }
            let whole = HANDSHAKE_HEADER_BYTES + u32::from_be_bytes([0, a, b, c]) as usize;
            if whole <= message.len() {
                message.truncate(whole);
                message.drain(..HANDSHAKE_HEADER_BYTES);
                return Progress::Complete(message);
            }
        }
        if length == 0 {
            return Progress::Not;
        }
        let Some(next) = after.get(length..) else {
            return Progress::Partial;
        };
        rest = next;
    }
}

/// Number and data of each extension, as far as they are whole.
fn extensions(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[a, b, c, d], rest) = bytes.split_first_chunk::<4>()?;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        bytes = rest;
        Some((u16::from_be_bytes([a, b]), data))
    })
}

/// RFC 6066 section 3: the name of type host_name, in lower case; bytes that are no UTF-8 are replaced.
fn server_name(data: &[u8]) -> Option<String> {
    let [0, rest @ ..] = list16(data) else {
        return None;
    };
    let name = list16(rest);
    (!name.is_empty()).then(|| {
        String::from_utf8_lossy(name)
            .trim_end_matches('.')
            .to_ascii_lowercase()
    })
}

/// What a length of 16 bits counts off; what is there, if less is.
fn list16(bytes: &[u8]) -> &[u8] {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return &[];
    };
    rest.get(..usize::from(u16::from_be_bytes(*length)))
        .unwrap_or(rest)
}

/// What a length of 8 bits counts off; what is there, if less is.
fn list8(bytes: &[u8]) -> &[u8] {
    let Some((&length, rest)) = bytes.split_first() else {
        return &[];
    };
    rest.get(..usize::from(length)).unwrap_or(rest)
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u16::from_be_bytes(*pair))
        .collect()
}
