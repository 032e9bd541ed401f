//! What is said over a TCP connection, as far as its metadata goes.
//!
//! Protocols are recognised by content, not by port ([`recognise`]): at the beginning of each direction, and then at the
//! beginning of segments, so that TLS inside SOCKS, CONNECT or after STARTTLS is found too. Bounded: a conversation
//! of which nothing is recognised after [`UNKNOWN_SEGMENTS_MAX`] segments is no longer listened to, and no direction
//! keeps more than one head, hello or message.

mod recognise;
mod said;
mod web;

use std::{collections::VecDeque, fmt};

use super::{
    dns,
    flow::Direction,
    http,
    http_walk::SideState,
    packet::Payload,
    stream::{Arrival, Stream},
    tls,
};

pub(super) use said::{Application, Mark, Moment, Said, Statement};

use recognise::{Begun, Client};

/// Segments in which a protocol must show itself: room for the greetings before STARTTLS.
const UNKNOWN_SEGMENTS_MAX: u32 = 24;
/// Bytes of the beginning that are put together to recognise a protocol that comes in tiny segments.
const START_BYTES: usize = 16;
/// Bytes of one message that are waited for: post-quantum keys take two kilobytes, tickets with group lists up to
/// sixteen, and a key exchange of SSH may have 35,000 bytes but has two thousand.
const MESSAGE_BYTES_MAX: usize = 32 * 1024;
/// Requests that wait for their answer: deeper pipelines than this are not seen in the wild.
const WAITING_MAX: usize = 32;
/// RFC 1035 section 4.2.2: length in two bytes before each message.
const DNS_LENGTH_BYTES: usize = 2;

/// Both directions of a TCP connection while they are of interest.
#[derive(Debug)]
pub(super) struct Conversation {
    forward: Side,
    backward: Side,
    subject: Subject,
    pub(super) application: Option<Application>,
    waiting: VecDeque<Statement>,
    /// Whoever reads [`Subject::Talk`].
    talk: Option<Box<dyn Talk>>,
}

/// A protocol of which messages are read one after the other, in both directions.
pub(super) trait Talk: fmt::Debug + Send {
    /// Reads on in what one side says: `held` is what it said and nobody used. Called again with the rest as long as
    /// something is used.
    fn read(&mut self, by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> Step;

    /// What is still to be told when nothing more comes.
    fn finish(&mut self, telling: &mut Telling<'_>);

    /// Bytes kept, beside those that are held for it.
    fn weight(&self) -> usize;
}

/// What to do with the bytes held for a [`Talk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More are needed.
    Wait,
    /// So many are done with.
    Used(usize),
    /// So many are of no interest; they need not be there yet.
    Skip(u64),
    /// Nothing more of interest.
    Over,
}

/// Where a [`Talk`] puts its statements.
pub(super) struct Telling<'a> {
    /// None when the conversation ends: then there is no packet.
    pub(super) moment: Option<&'a mut Moment>,
    pub(super) client: Direction,
    pub(super) out: &'a mut Vec<Statement>,
}

/// What is being talked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Unknown {
        segments: u32,
    },
    Talk {
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
            talk: None,
        }
    }

    /// Whether nothing more of interest is to come.
    pub(super) fn is_over(&self) -> bool {
        self.subject == Subject::Over
    }

    /// Bytes kept, for the budget of all conversations.
    pub(super) fn weight(&self) -> usize {
        let side = |side: &Side| side.buffer.len() + side.stream.held_bytes();
        let talk = self.talk.as_ref().map_or(0, |talk| talk.weight());
        // A statement that waits is about as heavy as a short head.
        side(&self.forward) + side(&self.backward) + self.waiting.len() * 512 + talk
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

    /// Whether a side that hangs up with this number ends there. One that is made up to hide what follows does not, and the
    /// other side goes on as well (RFC 5961 section 3.2).
    pub(super) fn ends_at(&mut self, from: Direction, sequence: u32) -> bool {
        self.side(from).stream.ends_at(sequence)
    }

    /// Hears what is kept when the connection is over: what is missing before it will not come.
    pub(super) fn close(&mut self, moment: &mut Moment, out: &mut Vec<Statement>) {
        for from in [Direction::Forward, Direction::Backward] {
            while !self.is_over() && self.side(from).stream.is_waiting() {
                match self.side(from).stream.next_ready() {
                    Some(bytes) => self.deliver(from, &bytes, moment, out),
                    None => {
                        let missing = self.side(from).stream.skip_gap();
                        self.lose(from, missing, out);
                    }
                }
            }
        }
    }

    /// What still waits for an answer, when the conversation ends.
    pub(super) fn finish(&mut self, out: &mut Vec<Statement>) {
        out.extend(self.waiting.drain(..));
        if let (Some(mut talk), Subject::Talk { client }) = (self.talk.take(), self.subject) {
            talk.finish(&mut Telling {
                moment: None,
                client,
                out,
            });
        }
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
            Subject::Talk { client } => self.talk(from, client, bytes, moment, out),
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
            // A message in pieces is of no use, and where the next one begins is not known.
            Subject::Talk { .. } => self.finish(out),
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
        let side = self.side(from);
        let mut start = std::mem::take(&mut side.buffer);
        let known = start.len();
        start.extend_from_slice(bytes.get(..START_BYTES.saturating_sub(known)).unwrap_or(bytes));
        let is_request = || known == 0 && http::is_line_of_request(bytes);
        let begun = recognise::begun(&start, moment)
            .or_else(|| is_request().then_some(Begun::Http { by_client: true }));
        if let Some(begun) = begun {
            start.truncate(known);
            self.side(from).buffer = start;
            self.begin(begun, from);
            return;
        }
        if start.len() < START_BYTES && recognise::is_promising(&start, moment) {
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

    /// A protocol was recognised in what `from` says.
    fn begin(&mut self, begun: Begun, from: Direction) {
        let client = |by_client: bool| if by_client { from } else { from.opposite() };
        self.subject = match begun {
            Begun::Http { by_client } => Subject::Http {
                client: client(by_client),
                joined: true,
            },
            Begun::Dns => {
                self.application = Some(Application::Dns);
                Subject::Dns
            }
            Begun::Talk {
                application,
                client,
                talk,
            } => {
                self.application = Some(application);
                self.talk = Some(talk);
                let client = match client {
                    Client::Sender => from,
                    Client::Receiver => from.opposite(),
                    Client::Opener => Direction::Forward,
                };
                Subject::Talk { client }
            }
        };
    }

    /// From here on `from` is the client of a TLS connection inside of what was talked about before.
    fn begin_tls(&mut self, from: Direction, bytes: &[u8], moment: &mut Moment, out: &mut Vec<Statement>) {
        self.forward.restart();
        self.backward.restart();
        self.application = Some(Application::Tls);
        self.talk = Some(Box::new(tls::Handshake::default()));
        self.subject = Subject::Talk { client: from };
        self.talk(from, from, bytes, moment, out);
    }

    /// The next bytes of a protocol that has messages.
    fn talk(
        &mut self,
        from: Direction,
        client: Direction,
        bytes: &[u8],
        moment: &mut Moment,
        out: &mut Vec<Statement>,
    ) {
        let Some(mut talk) = self.talk.take() else {
            return self.finish(out);
        };
        if self.application != Some(Application::Tls)
            && self.side(from).buffer.is_empty()
            && tls::is_client_hello(bytes)
        {
            // STARTTLS, by whatever name the protocol has for it.
            let moment_given = Some(&mut *moment);
            talk.finish(&mut Telling {
                moment: moment_given,
                client,
                out,
            });
            return self.begin_tls(from, bytes, moment, out);
        }
        let side = self.side(from);
        let mut bytes = bytes;
        if let SideState::Body { left, .. } = side.state {
            let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            bytes = bytes.get(skipped..).unwrap_or_default();
            side.state = rest_of_body(left - skipped as u64);
            if bytes.is_empty() {
                self.talk = Some(talk);
                return;
            }
        }
        // As a rule nothing is held, and nothing is copied.
        let mut joined = std::mem::take(&mut side.buffer);
        let held = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined[..]
        };
        let mut telling = Telling {
            moment: Some(moment),
            client,
            out,
        };
        let (used, end) = read_on(&mut *talk, from == client, held, &mut telling);
        let rest = held.get(used..).unwrap_or_default();
        let over = match end {
            End::Over => true,
            End::Wait => MESSAGE_BYTES_MAX < rest.len(),
            End::Skip(left) => {
                side.state = rest_of_body(left);
                false
            }
        };
        side.buffer = rest.to_vec();
        self.talk = Some(talk);
        if over {
            self.finish(out);
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
}

/// Why reading stopped.
enum End {
    Over,
    Wait,
    /// So many bytes are to be skipped that are not there yet.
    Skip(u64),
}

/// Lets a protocol read as long as it uses something: bytes used, and why it stopped.
fn read_on(talk: &mut dyn Talk, by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> (usize, End) {
    let mut used = 0;
    loop {
        let rest = held.get(used..).unwrap_or_default();
        if rest.is_empty() {
            return (used, End::Wait);
        }
        match talk.read(by_client, rest, telling) {
            Step::Used(0) | Step::Wait => return (used, End::Wait),
            Step::Used(bytes) => used += bytes,
            Step::Skip(bytes) => match usize::try_from(bytes) {
                Ok(bytes) if bytes <= rest.len() => used += bytes,
                Ok(_) | Err(_) => return (held.len(), End::Skip(bytes - rest.len() as u64)),
            },
            Step::Over => return (used, End::Over),
        }
    }
}

/// The state of a direction of which so many bytes are to be skipped.
const fn rest_of_body(left: u64) -> SideState {
    match left {
        0 => SideState::Head,
        left => SideState::Body { left, chunked: false },
    }
}

impl Side {
    fn restart(&mut self) {
        self.buffer = Vec::new();
        self.state = SideState::Head;
    }
}

impl Telling<'_> {
    /// A place for a statement that begins now; none when the conversation is over.
    pub(super) fn mark(&mut self) -> Option<Mark> {
        self.moment.as_mut().map(|moment| moment.mark())
    }

    /// Says something that began at `mark`.
    pub(super) fn tell(&mut self, mark: Mark, said: Said) {
        self.out.push(Statement {
            mark,
            client: self.client,
            said,
        });
    }
}
