//! TLS handshakes: what the client offers, what the server takes, and who it says it is, up to where encryption begins.
//!
//! RFC 8446 and RFC 5246. Messages may be spread over several records and records over several segments. Fingerprints
//! are made in [`super::fingerprint`], certificates read in [`super::certificate`]. Up to TLS 1.2 the server's
//! certificate is legible; kept of a flow are at most [`MESSAGES_BYTES_MAX`] of each side until it is there.

pub(super) mod old;

use ingest_event::{Fields, field};
use tls_parser::{TlsCipherSuite, parse_tls_handshake_client_hello, parse_tls_handshake_server_hello};

use super::{
    application::{Mark, Said, Step, Talk, Telling},
    certificate::Certificate,
    fingerprint,
};

pub(super) const DATASET: &str = "network.tls";
/// ECS: the protocol that both agreed on.
const TLS_NEXT_PROTOCOL: &str = "tls.next_protocol";

const RECORD_HEADER_BYTES: usize = 5;
const HANDSHAKE_HEADER_BYTES: usize = 4;
const RECORD_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
/// What a server may send between its hello and its certificate.
const SESSION_TICKET: u8 = 4;
/// Handshake messages kept of one side: a hello with tickets and post-quantum keys, or a hello and the certificates,
/// of which the first is enough.
const MESSAGES_BYTES_MAX: usize = 32 * 1024;

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
    /// The version of QUIC that carries it; TLS over TCP if there is none.
    pub(super) quic: Option<u8>,
}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) hello: ServerHello,
    /// Its own, the first one of the chain.
    pub(super) certificate: Option<Certificate>,
}

/// What a server took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerHello {
    /// The version field, which TLS 1.3 no longer uses.
    pub(super) legacy_version: u16,
    pub(super) version: u16,
    pub(super) cipher: u16,
    /// In its order.
    pub(super) extensions: Vec<u16>,
    pub(super) next_protocol: Option<String>,
}

/// A connection until all that is legible of its handshake was read.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    client: Messages,
    server: Messages,
    hello: Option<(Mark, Box<ClientHello>)>,
    answer: Option<Box<Server>>,
}

/// The handshake messages of one side, taken out of their records.
#[derive(Debug, Default)]
struct Messages {
    bytes: Vec<u8>,
    /// Bytes that are still to come of the record at hand.
    left: usize,
    over: bool,
}

/// Whether a stream, or a piece of one, begins with a ClientHello. Six bytes are enough.
pub(super) const fn is_client_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [RECORD_HANDSHAKE, 3, 0..=4, _, _, CLIENT_HELLO, ..])
}

/// Whether a stream, or a piece of one, begins with a ServerHello.
pub(super) const fn is_server_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [RECORD_HANDSHAKE, 3, 0..=4, _, _, SERVER_HELLO, ..])
}

impl Talk for Handshake {
    fn read(&mut self, by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> Step {
        let side = if by_client {
            &mut self.client
        } else {
            &mut self.server
        };
        if side.over {
            return Step::Used(held.len());
        }
        if by_client && side.is_new() && old::is_hello(held) {
            return self.hear_old_client(held, telling);
        }
        let used = match side.take(held) {
            Taken::Bytes(used) => used,
            Taken::Nothing => return Step::Wait,
            Taken::NoHandshake => return Step::Over,
        };
        let progress = if by_client {
            self.hear_client(telling)
        } else {
            self.hear_server()
        };
        match progress {
            Heard::All => Step::Over,
            Heard::Part => Step::Used(used),
        }
    }

    fn finish(&mut self, telling: &mut Telling<'_>) {
        if let Some((mark, hello)) = self.hello.take() {
            let server = self.answer.take();
            telling.tell(mark, Said::Tls { hello, server });
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.client.bytes.len() + self.server.bytes.len()
    }
}

/// Whether all that is legible was heard.
enum Heard {
    All,
    Part,
}

impl Handshake {
    fn hear_client(&mut self, telling: &mut Telling<'_>) -> Heard {
        let Some((kind, body)) = first_message(&self.client.bytes) else {
            return self.client.overflow();
        };
        let Some(hello) = (kind == CLIENT_HELLO).then(|| client_hello(body)).flatten() else {
            return Heard::All;
        };
        let Some(mark) = telling.mark() else {
            return Heard::All;
        };
        self.hello = Some((mark, Box::new(hello)));
        self.client.end();
        // The answer may have been captured before the question.
        if self.server.over { Heard::All } else { Heard::Part }
    }

    fn hear_old_client(&mut self, held: &[u8], telling: &mut Telling<'_>) -> Step {
        let Some((used, hello)) = old::hello(held) else {
            return Step::Wait;
        };
        let Some(mark) = telling.mark() else {
            return Step::Over;
        };
        self.hello = Some((mark, Box::new(hello)));
        self.client.end();
        if self.server.over {
            Step::Over
        } else {
            Step::Used(used)
        }
    }

    fn hear_server(&mut self) -> Heard {
        while let Some((kind, body)) = first_message(&self.server.bytes) {
            let length = HANDSHAKE_HEADER_BYTES + body.len();
            match (kind, &mut self.answer) {
                (SERVER_HELLO, None) => {
                    let Some(hello) = server_hello(body) else {
                        return Heard::All;
                    };
                    // From here on all is encrypted (RFC 8446 section 2).
                    let is_legible = hello.version < 0x0304;
                    self.answer = Some(Box::new(Server {
                        hello,
                        certificate: None,
                    }));
                    if !is_legible {
                        return self.server_is_over();
                    }
                }
                (CERTIFICATE, Some(answer)) => {
                    answer.certificate = first_certificate(body).and_then(Certificate::read);
                    return self.server_is_over();
                }
                (SESSION_TICKET, Some(_)) => {}
                // No certificate will come.
                _ => return self.server_is_over(),
            }
            self.server.bytes.drain(..length);
        }
        // Of a long chain the first certificate is enough.
        if let (Some(answer), Some((&[CERTIFICATE, _, _, _], body))) =
            (&mut self.answer, self.server.bytes.split_first_chunk())
            && let Some(first) = first_certificate(body)
        {
            answer.certificate = Certificate::read(first);
            return self.server_is_over();
        }
        self.server.overflow()
    }

    fn server_is_over(&mut self) -> Heard {
        self.server.end();
        if self.hello.is_some() {
            Heard::All
        } else {
            Heard::Part
        }
    }
}

/// What was taken of the bytes at hand.
enum Taken {
    Bytes(usize),
    /// Not even the header of a record is there.
    Nothing,
    /// An alert, the change to encryption, or no TLS.
    NoHandshake,
}

impl Messages {
    /// Takes the next record's header or the next bytes of its body.
    fn take(&mut self, held: &[u8]) -> Taken {
        if self.left == 0 {
            let Some(&[kind, major, _, high, low]) = held.first_chunk::<RECORD_HEADER_BYTES>() else {
                return Taken::Nothing;
            };
            self.left = usize::from(u16::from_be_bytes([high, low]));
            if kind != RECORD_HANDSHAKE || major != 3 || self.left == 0 {
                return Taken::NoHandshake;
            }
            return Taken::Bytes(RECORD_HEADER_BYTES);
        }
        let taken = held.get(..self.left).unwrap_or(held);
        self.bytes.extend_from_slice(taken);
        self.left -= taken.len();
        Taken::Bytes(taken.len())
    }

    /// Whether nothing was taken before.
    const fn is_new(&self) -> bool {
        self.left == 0 && self.bytes.is_empty()
    }

    /// Whether more is kept than a handshake may have.
    fn overflow(&self) -> Heard {
        if MESSAGES_BYTES_MAX < self.bytes.len() {
            Heard::All
        } else {
            Heard::Part
        }
    }

    fn end(&mut self) {
        self.bytes = Vec::new();
        self.over = true;
    }
}

/// Kind and body of the first message, if it is whole.
fn first_message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&[kind, a, b, c], rest) = bytes.split_first_chunk::<HANDSHAKE_HEADER_BYTES>()?;
    let body = rest.get(..u32::from_be_bytes([0, a, b, c]) as usize)?;
    Some((kind, body))
}

/// RFC 5246 section 7.4.2: the length of all certificates, then each behind its own.
fn first_certificate(body: &[u8]) -> Option<&[u8]> {
    let (&[_, _, _, a, b, c], rest) = body.split_first_chunk::<6>()?;
    rest.get(..u32::from_be_bytes([0, a, b, c]) as usize)
}

/// Reads the body of a ClientHello.
pub(super) fn client_hello(body: &[u8]) -> Option<ClientHello> {
    let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
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
    Some(read)
}

/// Reads the body of a ServerHello.
pub(super) fn server_hello(body: &[u8]) -> Option<ServerHello> {
    let (_, hello) = parse_tls_handshake_server_hello(body).ok()?;
    let mut read = ServerHello {
        legacy_version: hello.version.0,
        version: hello.version.0,
        cipher: hello.cipher.0,
        ..ServerHello::default()
    };
    for (kind, data) in extensions(hello.ext.unwrap_or_default()) {
        read.extensions.push(kind);
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
    // Drafts of TLS 1.3 had numbers of their own.
    if read.version >> 8 == 0x7f {
        read.version = 0x0304;
    }
    Some(read)
}

impl ClientHello {
    /// Adds the handshake to the fields of the flow.
    pub(super) fn write(&self, server: Option<&Server>, fields: &mut Fields) {
        fields.set(
            field::NETWORK_PROTOCOL,
            if self.quic.is_some() { "quic" } else { "tls" },
        );
        fields.set_some(
            field::VARDE_QUIC_VERSION,
            self.quic.map(|version| version.to_string()),
        );
        fields.set_some(field::TLS_SERVER_NAME, self.server_name.as_deref());
        fields.set(field::TLS_JA3, fingerprint::ja3(self));
        fields.set(field::TLS_JA4, fingerprint::ja4(self));
        let hello = server.map(|server| &server.hello);
        let version = hello.map_or_else(|| self.highest_version(), |hello| hello.version);
        fields.set_some(field::TLS_VERSION, version_text(version));
        let Some(Server { hello, certificate }) = server else {
            return;
        };
        fields.set_some(TLS_NEXT_PROTOCOL, hello.next_protocol.as_deref());
        fields.set(field::TLS_CIPHER, cipher_text(hello.cipher));
        fields.set(field::TLS_JA3S, fingerprint::ja3s(hello));
        if let Some(certificate) = certificate {
            certificate.write(fields);
        }
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

/// The name in IANA's registry, or the number.
fn cipher_text(cipher: u16) -> String {
    TlsCipherSuite::from_id(cipher).map_or_else(|| format!("0x{cipher:04x}"), |known| known.name.to_owned())
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
