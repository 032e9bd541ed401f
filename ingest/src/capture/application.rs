//! What is said over a TCP connection, as far as its metadata goes.
//!
//! Protocols are recognised by content, not by port: at the beginning of each direction, and then at the beginning
//! of segments, so that TLS inside SOCKS, CONNECT or after STARTTLS is found too. Bounded: a conversation
//! of which nothing is recognised after [`UNKNOWN_SEGMENTS_MAX`] segments is no longer listened to, and no direction
//! keeps more than one head or hello.

use std::collections::VecDeque;

use ingest_event::{Fields, Timestamp};

use super::{
    dns,
    flow::Direction,
    http,
    http_walk::{HttpHead, SideState, request_step, response_step},
    packet::Payload,
    stream::{Arrival, Stream},
    tls::{self, ClientHello},
};

/// Segments in which a protocol must show itself: room for the greetings before STARTTLS.
const UNKNOWN_SEGMENTS_MAX: u32 = 24;
/// Bytes of the beginning that are put together to recognise a protocol that comes in tiny segments.
const START_BYTES: usize = 16;
/// Longest hello: post-quantum keys take two kilobytes, session tickets up to sixteen.
const HELLO_BYTES_MAX: usize = 32 * 1024;
/// Requests that wait for their answer: deeper pipelines than this are not seen in the wild.
const WAITING_MAX: usize = 32;
/// RFC 1035 section 4.2.2: length in two bytes before each message.
const DNS_LENGTH_BYTES: usize = 2;

/// Application protocol, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Application {
    Dns,
    Tls,
    Http,
    Ssh,
    Smtp,
}

/// Both directions of a TCP connection while they are of interest.
#[derive(Debug)]
pub(super) struct Conversation {
    forward: Side,
    backward: Side,
    subject: Subject,
    pub(super) application: Option<Application>,
    waiting: VecDeque<Statement>,
}

/// Something said that becomes a record.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) timestamp: Timestamp,
    pub(super) position: u64,
    pub(super) ordinal: u32,
    /// Who is the client, as the flow knows its ends.
    pub(super) client: Direction,
    pub(super) said: Said,
}

#[derive(Debug)]
pub(super) enum Said {
    Dns(dns::Message),
    Tls {
        hello: Box<ClientHello>,
        server: Option<tls::ServerHello>,
    },
    Http(http::Request),
}

/// The packet that is being listened to, and the number of its next statement.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) timestamp: Timestamp,
    pub(super) position: u64,
    pub(super) ordinal: u32,
    pub(super) dns_port: bool,
}

/// What is being talked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Unknown {
        segments: u32,
    },
    Tls {
        client: Direction,
    },
    Http {
        client: Direction,
        joined: bool,
    },
    Dns,
    /// Nothing more of interest.
    Over,
}

/// One direction.
#[derive(Debug)]
struct Side {
    stream: Stream,
    buffer: Vec<u8>,
    state: SideState,
}

impl Conversation {
    /// A conversation; the numbers of the first byte of each direction, where its beginning was seen.
    pub(super) fn new(forward: Option<u32>, backward: Option<u32>) -> Self {
        let side = |start| Side {
            stream: Stream::new(start),
            buffer: Vec::new(),
            state: SideState::Head,
        };
        Self {
            forward: side(forward),
            backward: side(backward),
            subject: Subject::Unknown { segments: 0 },
            application: None,
            waiting: VecDeque::new(),
        }
    }

    /// Whether nothing more of interest is to come.
    pub(super) fn is_over(&self) -> bool {
        self.subject == Subject::Over
    }

    /// Bytes kept, for the budget of all conversations.
    pub(super) fn weight(&self) -> usize {
        let side = |side: &Side| side.buffer.len() + side.stream.held_bytes();
        // A statement that waits is about as heavy as a short head.
        side(&self.forward) + side(&self.backward) + self.waiting.len() * 512
    }

    /// Listens to a segment.
    pub(super) fn hear(
        &mut self,
        from: Direction,
        sequence: u32,
        payload: Payload<'_>,
        moment: &mut Moment,
        out: &mut Vec<Statement>,
    ) {
        let Payload { bytes, wire_bytes } = payload;
        match self.side(from).stream.take(sequence, bytes) {
            Arrival::Ready { known } => {
                self.deliver(from, bytes.get(known..).unwrap_or_default(), moment, out);
                let missing = wire_bytes.saturating_sub(bytes.len());
                if missing != 0 {
                    self.side(from).stream.advance(missing);
                    self.lose(from, missing, out);
                }
            }
            Arrival::GivenUp => {
                let missing = self.side(from).stream.skip_gap();
                self.lose(from, missing, out);
            }
            Arrival::Held | Arrival::Old => return,
        }
        while !self.is_over() && self.side(from).stream.is_waiting() {
            let Some(bytes) = self.side(from).stream.next_ready() else {
                break;
            };
            self.deliver(from, &bytes, moment, out);
        }
    }

    /// What still waits for an answer, when the conversation ends.
    pub(super) fn finish(&mut self, out: &mut Vec<Statement>) {
        out.extend(self.waiting.drain(..));
        self.subject = Subject::Over;
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Forward => &mut self.forward,
            Direction::Backward => &mut self.backward,
        }
    }

    /// The next bytes of a direction, in order.
    fn deliver(&mut self, from: Direction, bytes: &[u8], moment: &mut Moment, out: &mut Vec<Statement>) {
        self.side(from).stream.advance(bytes.len());
        if let Subject::Unknown { segments } = self.subject {
            self.recognise(from, bytes, segments, moment);
        }
        match self.subject {
            // What recognition put together is in the buffer already.
            Subject::Unknown { .. } => {}
            Subject::Tls { client } => self.tls(from, client, bytes, moment, out),
            Subject::Http { client, joined } => self.http(from, client, joined, bytes, moment, out),
            Subject::Dns => self.dns(from, bytes, moment, out),
            Subject::Over => self.finish(out),
        }
    }

    /// Bytes of a direction are missing for good.
    fn lose(&mut self, from: Direction, missing: usize, out: &mut Vec<Statement>) {
        let side = self.side(from);
        if let SideState::Body { left, chunked } = side.state
            && missing as u64 <= left
        {
            // They were not of interest.
            side.state = SideState::Body {
                left: left - missing as u64,
                chunked,
            };
            return;
        }
        side.buffer = Vec::new();
        side.state = SideState::Seek;
        match self.subject {
            Subject::Unknown { .. } | Subject::Dns | Subject::Over => {}
            // A hello in pieces is of no use.
            Subject::Tls { .. } => self.finish(out),
            Subject::Http { client, .. } => {
                // Which answer belongs to which request can't be known from here on.
                out.extend(self.waiting.drain(..));
                self.subject = Subject::Http {
                    client,
                    joined: false,
                };
            }
        }
    }

    /// Tries to recognise a protocol. When it is one, what the buffer held comes first in `bytes` of the next step, so
    /// the buffer keeps only what came before `bytes`.
    fn recognise(&mut self, from: Direction, bytes: &[u8], segments: u32, moment: &Moment) {
        let other = from.opposite();
        let side = self.side(from);
        let mut start = std::mem::take(&mut side.buffer);
        let known = start.len();
        start.extend_from_slice(bytes.get(..START_BYTES.saturating_sub(known)).unwrap_or(bytes));
        let begins = &start[..];
        let subject = if tls::is_client_hello(begins) {
            Some((Subject::Tls { client: from }, Some(Application::Tls)))
        } else if tls::is_server_hello(begins) {
            Some((Subject::Tls { client: other }, Some(Application::Tls)))
        } else if http::is_request_line(begins) {
            Some((
                Subject::Http {
                    client: from,
                    joined: true,
                },
                None,
            ))
        } else if begins.starts_with(b"HTTP/1.") {
            Some((
                Subject::Http {
                    client: other,
                    joined: true,
                },
                None,
            ))
        } else if moment.dns_port && begins.get(DNS_LENGTH_BYTES..).is_some_and(dns::is_message) {
            Some((Subject::Dns, Some(Application::Dns)))
        } else if begins.starts_with(b"SSH-") {
            Some((Subject::Over, Some(Application::Ssh)))
        } else {
            None
        };
        if let Some((subject, application)) = subject {
            start.truncate(known);
            self.side(from).buffer = start;
            self.subject = subject;
            // A line that looks like a request may still belong to SIP or RTSP; a whole head tells.
            self.application = application.or(self.application);
            return;
        }
        let greets = |greeting: &&[u8]| {
            begins
                .get(..greeting.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(greeting))
        };
        if [&b"EHLO "[..], b"HELO ", b"MAIL FROM:"].iter().any(greets) {
            self.application = Some(Application::Smtp);
        }
        if start.len() < START_BYTES && is_promising(&start, moment) {
            self.side(from).buffer = start;
        }
        self.subject = if segments < UNKNOWN_SEGMENTS_MAX {
            Subject::Unknown {
                segments: segments + 1,
            }
        } else {
            Subject::Over
        };
    }

    fn tls(
        &mut self,
        from: Direction,
        client: Direction,
        bytes: &[u8],
        moment: &mut Moment,
        out: &mut Vec<Statement>,
    ) {
        let side = self.side(from);
        if side.state != SideState::Head {
            return;
        }
        side.buffer.extend_from_slice(bytes);
        let too_long = HELLO_BYTES_MAX < side.buffer.len();
        if from == client {
            match tls::client_hello(&side.buffer) {
                tls::Progress::Complete(hello) => {
                    side.buffer = Vec::new();
                    side.state = SideState::Seek;
                    let said = Said::Tls {
                        hello: Box::new(hello),
                        server: None,
                    };
                    self.waiting.push_back(moment.statement(client, said));
                    if self.side(from.opposite()).state != SideState::Head {
                        // The answer was captured before the question.
                        self.finish(out);
                    }
                }
                tls::Progress::Partial if !too_long => {}
                tls::Progress::Partial | tls::Progress::Not => self.finish(out),
            }
            return;
        }
        match tls::server_hello(&side.buffer) {
            tls::Progress::Complete(taken) => {
                side.buffer = Vec::new();
                side.state = SideState::Seek;
                if let Some(Statement {
                    said: Said::Tls { server, .. },
                    ..
                }) = self.waiting.front_mut()
                {
                    *server = Some(taken);
                    self.finish(out);
                }
            }
            tls::Progress::Partial if !too_long => {}
            // An alert, or no TLS: no answer will come.
            tls::Progress::Partial | tls::Progress::Not => self.finish(out),
        }
    }

    fn dns(&mut self, from: Direction, bytes: &[u8], moment: &mut Moment, out: &mut Vec<Statement>) {
        let side = self.side(from);
        side.state = SideState::Head;
        side.buffer.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let rest = side.buffer.get(at..).unwrap_or_default();
            let Some((length, rest)) = rest.split_first_chunk::<DNS_LENGTH_BYTES>() else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(message) = rest.get(..length) else { break };
            at += DNS_LENGTH_BYTES + length;
            let Some(message) = dns::expected(message) else {
                // Out of step: whatever comes next begins anew.
                at = side.buffer.len();
                break;
            };
            let client = if message.is_answer { from.opposite() } else { from };
            out.push(moment.statement(client, Said::Dns(message)));
        }
        side.buffer.drain(..at.min(side.buffer.len()));
    }

    fn http(
        &mut self,
        from: Direction,
        client: Direction,
        joined: bool,
        bytes: &[u8],
        moment: &mut Moment,
        out: &mut Vec<Statement>,
    ) {
        if from == client && self.side(from).state == SideState::Seek && tls::is_client_hello(bytes) {
            // Behind a CONNECT.
            out.extend(self.waiting.drain(..));
            self.forward.restart();
            self.backward.restart();
            self.subject = Subject::Tls { client };
            self.application = Some(Application::Tls);
            return self.tls(from, client, bytes, moment, out);
        }
        let side = self.side(from);
        match side.state {
            // The long way of a body is short.
            SideState::Body { left, chunked } if (bytes.len() as u64) < left => {
                side.state = SideState::Body {
                    left: left - bytes.len() as u64,
                    chunked,
                };
                return;
            }
            SideState::Seek if !http::is_request(bytes) && !http::is_response(bytes) => return,
            SideState::Body { .. } | SideState::Seek | SideState::Head | SideState::ChunkLine => {}
        }
        let mut held = std::mem::take(&mut side.buffer);
        held.extend_from_slice(bytes);
        let mut state = side.state;
        let was_seeking = state == SideState::Seek;
        let mut rest = &held[..];
        let mut joined = joined;
        while !rest.is_empty() {
            let (used, next, head) = if from == client {
                request_step(state, rest)
            } else {
                let to_head = self.waiting.front().is_some_and(Statement::asks_for_head_only);
                response_step(state, rest, to_head)
            };
            if used == 0 && next == state {
                break;
            }
            rest = rest.get(used..).unwrap_or_default();
            state = next;
            if head.is_some() {
                self.application = Some(Application::Http);
            }
            match head {
                Some(HttpHead::Request(request)) => {
                    let statement = moment.statement(client, Said::Http(request));
                    joined &= self.waiting.len() < WAITING_MAX;
                    self.ask(statement, joined, out);
                }
                Some(HttpHead::Response(status)) => self.answer(status, was_seeking, out),
                None => {}
            }
        }
        let kept = if state == SideState::Seek {
            Vec::new()
        } else {
            rest.to_vec()
        };
        let side = self.side(from);
        side.state = state;
        side.buffer = kept;
        self.subject = Subject::Http { client, joined };
    }

    /// Lets a request wait for its answer; if answers can't be told apart any more, nothing waits.
    fn ask(&mut self, statement: Statement, joined: bool, out: &mut Vec<Statement>) {
        if joined {
            self.waiting.push_back(statement);
        } else {
            out.extend(self.waiting.drain(..));
            out.push(statement);
        }
    }

    /// Joins a status to the request that it answers.
    fn answer(&mut self, status: u16, found_by_seeking: bool, out: &mut Vec<Statement>) {
        // Continue and early hints come before the answer.
        if matches!(status, 100 | 102 | 103) {
            return;
        }
        if found_by_seeking && 1 < self.waiting.len() {
            // An answer may have been missed between: better none than a wrong one.
            out.extend(self.waiting.drain(..));
            return;
        }
        let Some(mut statement) = self.waiting.pop_front() else {
            return;
        };
        if let Said::Http(request) = &mut statement.said {
            request.status = Some(status);
        }
        out.push(statement);
    }
}

/// Whether a few first bytes may become something known.
fn is_promising(start: &[u8], moment: &Moment) -> bool {
    moment.dns_port
        || matches!(start, [22] | [22, 3, ..])
        || http::is_request(start)
        || http::is_response(start)
        || b"SSH-".starts_with(start)
}

impl Side {
    fn restart(&mut self) {
        self.buffer = Vec::new();
        self.state = SideState::Head;
    }
}

impl Moment {
    /// A statement made now.
    pub(super) fn statement(&mut self, client: Direction, said: Said) -> Statement {
        let ordinal = self.ordinal;
        self.ordinal += 1;
        Statement {
            timestamp: self.timestamp,
            position: self.position,
            ordinal,
            client,
            said,
        }
    }
}

impl Statement {
    /// Whether its answer has a length and no body (RFC 9110 section 9.3.2).
    fn asks_for_head_only(&self) -> bool {
        matches!(&self.said, Said::Http(request) if request.method == "HEAD")
    }
}

impl Said {
    /// The dataset of its record.
    pub(super) const fn dataset(&self) -> &'static str {
        match self {
            Self::Dns(_) => dns::DATASET,
            Self::Tls { .. } => tls::DATASET,
            Self::Http(_) => http::DATASET,
        }
    }

    /// Adds what was said to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        match self {
            Self::Dns(message) => message.write(fields),
            Self::Tls { hello, server } => hello.write(server.as_ref(), fields),
            Self::Http(request) => request.write(fields),
        }
    }
}

impl Application {
    /// As written in `network.protocol`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Smtp => "smtp",
        }
    }
}
