//! SMTP: from which domain to which domains mail goes (RFC 5321), and whether it is taken.
//!
//! Of mailboxes only the domain is kept; who writes to whom is nobody's business. What is in a mail is passed over. Kept
//! of a flow are the domains of one envelope, at most [`DOMAINS_MAX`].

use ingest_event::{Fields, Value, field};

use super::{
    application::{Mark, Said, Step, Talk, Telling},
    words::text,
};

pub(super) const DATASET: &str = "network.smtp";

/// Domains of receivers written of one envelope: lists have thousands of mailboxes, at few providers.
const DOMAINS_MAX: usize = 32;
/// Longest line that is looked at: RFC 5321 section 4.5.3.1.4 has 512, extensions add to it.
const LINE_BYTES_MAX: usize = 2048;

/// What one mail's envelope says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    helo: Option<String>,
    from: Option<String>,
    to: Vec<String>,
    receivers: u32,
    reply: Option<u16>,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    mark: Option<Mark>,
    envelope: Envelope,
    client: Place,
    /// The line at hand is too long and is passed over to its end.
    inside_line: bool,
}

/// Where the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Commands,
    /// Asked to send a mail, and not allowed yet.
    DataAsked,
    Data,
    /// The mail is whole.
    Sent,
}

/// Whether bytes begin with a command that begins a conversation.
pub(super) fn is_command(start: &[u8]) -> bool {
    [&b"EHLO "[..], b"HELO ", b"MAIL FROM:"]
        .iter()
        .any(|command| starts(start, command))
}

/// Whether bytes may become such a command.
pub(super) fn may_be_command(start: &[u8]) -> bool {
    [&b"EHLO "[..], b"HELO ", b"MAIL FROM:"].iter().any(|command| {
        command
            .get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    })
}

impl Talk for Session {
    fn read(&mut self, by_client: bool, held: &[u8], telling: &mut Telling<'_>) -> Step {
        let Some(end) = held.iter().position(|byte| *byte == b'\n') else {
            if LINE_BYTES_MAX < held.len() {
                self.inside_line |= by_client;
                return Step::Used(held.len());
            }
            return Step::Wait;
        };
        let line = held.get(..end).unwrap_or_default().trim_ascii_end();
        if !by_client {
            self.hear_reply(line, telling);
        } else if !std::mem::take(&mut self.inside_line) {
            self.hear_line(line, telling);
            if let Some((bytes, is_last)) = chunk(line).filter(|_| self.client == Place::Commands) {
                if is_last {
                    self.client = Place::Sent;
                }
                return Step::Skip((end + 1) as u64 + bytes);
            }
        }
        Step::Used(end + 1)
    }

    fn finish(&mut self, telling: &mut Telling<'_>) {
        self.tell(telling);
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.envelope.to.len() * 64
    }
}

impl Session {
    fn hear_line(&mut self, line: &[u8], telling: &mut Telling<'_>) {
        match self.client {
            Place::Data | Place::DataAsked => {
                if line == b"." {
                    self.client = Place::Sent;
                }
            }
            Place::Commands | Place::Sent => self.hear_command(line, telling),
        }
    }

    fn hear_command(&mut self, line: &[u8], telling: &mut Telling<'_>) {
        let after =
            |command: &[u8]| starts(line, command).then(|| line.get(command.len()..).unwrap_or_default());
        if let Some(name) = after(b"EHLO ").or_else(|| after(b"HELO ")) {
            self.tell(telling);
            self.envelope.helo = text(name).map(|name| name.to_ascii_lowercase());
            self.mark = telling.mark();
        } else if let Some(path) = after(b"MAIL FROM:") {
            if self.client == Place::Sent {
                // Who does not wait for the answer to one mail gets none told for it, rather than that of another.
                self.client = Place::Commands;
            }
            if self.envelope.from.is_some() || self.envelope.receivers != 0 {
                self.tell(telling);
            }
            self.envelope.from = domain(path);
            self.mark = self.mark.or_else(|| telling.mark());
        } else if let Some(path) = after(b"RCPT TO:") {
            self.envelope.receivers += 1;
            let known = |domain: &String| !self.envelope.to.contains(domain);
            if let Some(domain) = domain(path).filter(known)
                && self.envelope.to.len() < DOMAINS_MAX
            {
                self.envelope.to.push(domain);
            }
            self.mark = self.mark.or_else(|| telling.mark());
        } else if starts(line, b"DATA") {
            self.client = Place::DataAsked;
        } else if starts(line, b"RSET") || starts(line, b"QUIT") {
            self.tell(telling);
        }
    }

    /// Only two replies matter: whether a mail may be sent, and whether it was taken.
    fn hear_reply(&mut self, line: &[u8], telling: &mut Telling<'_>) {
        let code = line
            .first_chunk::<3>()
            .and_then(|code| std::str::from_utf8(code).ok()?.parse::<u16>().ok());
        let Some(code) = code.filter(|_| line.get(3) != Some(&b'-')) else {
            return;
        };
        match (self.client, code) {
            (Place::DataAsked, 354) => self.client = Place::Data,
            (Place::DataAsked, 400..) => {
                self.client = Place::Commands;
                self.envelope.reply = Some(code);
                self.tell(telling);
            }
            (Place::Sent, 354) => {}
            (Place::Sent, _) => {
                self.client = Place::Commands;
                self.envelope.reply = Some(code);
                self.tell(telling);
            }
            (Place::Commands, 400..) if self.envelope.from.is_some() => self.envelope.reply = Some(code),
            (Place::Commands | Place::DataAsked | Place::Data, _) => {}
        }
    }

    /// Tells the envelope at hand, if it is one, and begins the next with the same greeting.
    fn tell(&mut self, telling: &mut Telling<'_>) {
        let next = Envelope {
            helo: self.envelope.helo.clone(),
            ..Envelope::default()
        };
        let told = std::mem::replace(&mut self.envelope, next);
        let mark = self.mark.take();
        if let Some(mark) = mark {
            telling.tell(mark, Said::Smtp(Box::new(told)));
        }
    }
}

/// RFC 3030 section 2: how many bytes of mail follow at once, and whether they are the last.
fn chunk(line: &[u8]) -> Option<(u64, bool)> {
    if !starts(line, b"BDAT ") {
        return None;
    }
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(1);
    let bytes: u32 = words.next()?.parse().ok()?;
    let is_last = words.next().is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
    Some((bytes.into(), is_last))
}

fn starts(line: &[u8], command: &[u8]) -> bool {
    line.get(..command.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(command))
}

/// The domain of a path such as `<somebody@example.org> SIZE=7`; none for the empty path.
fn domain(path: &[u8]) -> Option<String> {
    let path = path.trim_ascii();
    let end = path.iter().position(|byte| *byte == b'>');
    let mailbox = match path.strip_prefix(b"<") {
        Some(inside) => inside.get(..end?.saturating_sub(1))?,
        None => path.split(u8::is_ascii_whitespace).next()?,
    };
    let at = mailbox.iter().rposition(|byte| *byte == b'@')?;
    let domain = text(mailbox.get(at + 1..)?)?;
    Some(domain.trim_end_matches('.').to_ascii_lowercase())
}

impl Envelope {
    /// Adds the envelope to the fields of the flow.
    pub(super) fn write(self, fields: &mut Fields) {
        fields.set(field::NETWORK_PROTOCOL, "smtp");
        fields.set_some(field::SMTP_HELO, self.helo);
        fields.set_some(field::SMTP_FROM_DOMAIN, self.from);
        if !self.to.is_empty() {
            let to: Vec<Value> = self.to.into_iter().map(Value::from).collect();
            fields.set(field::SMTP_TO_DOMAINS, to);
        }
        if self.receivers != 0 {
            fields.set(field::SMTP_RECEIVERS, self.receivers);
        }
        if let Some(reply) = self.reply {
            fields.set(field::SMTP_REPLY, reply);
            let outcome = if reply < 400 { "success" } else { "failure" };
            fields.set(field::EVENT_OUTCOME, outcome);
        }
    }
}
