//! The targets, by name.

use ingest::source::Format;

use crate::account::Account;
use crate::conversation::{Transport, Transport::Tcp, Transport::Udp};
use crate::{centre, exchanged, exporters, files, lines, packets, quic, segment};

/// Something that is read from strangers.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As `scripts/fuzz` calls it.
    pub name: &'static str,
    /// What takes the bytes.
    pub reader: Reader,
    /// What a seed of it becomes: a dataset, or the kind that [`Account::taken`] has.
    pub becomes: &'static str,
}

/// What takes the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A file of packets.
    Capture,
    /// A conversation of two machines.
    Conversation(Transport),
    /// The same, of which messages are what is encrypted in QUIC's first packets.
    Quic,
    /// Datagrams of exporters.
    Flows,
    /// Lines of a log.
    Lines(Format),
    /// A stream of syslog messages.
    Stream,
    /// A chunk of a Windows event log.
    Evtx,
    /// A file of any format.
    File,
    /// A segment of the spool.
    Segment,
    /// A body of records, packed, as a gateway takes it.
    Records,
    /// The same before it is packed.
    Unpacked,
    /// An enrolment code.
    Code,
    /// A request for a certificate.
    Request,
    /// A certificate, in DER.
    Certificate,
    /// A control bundle's envelope.
    Envelope,
    /// What is signed in one.
    Bundle,
    /// An entry of the registry of sensors: key, a zero, and value.
    Entry,
    /// A list of restricted indicators.
    Restricted,
    /// A request to reveal pseudonyms.
    Reveal,
    /// A configuration.
    Config,
    /// How a sensor asks for a certificate.
    Ask,
    /// What it is answered.
    Answer,
    /// How it says it fares.
    Report,
    /// An event as the bus brings it.
    Event,
    /// A feed of indicators.
    Feed,
    /// A file of rules.
    Rules,
}

const fn on(name: &'static str, transport: Transport, becomes: &'static str) -> Target {
    let reader = Reader::Conversation(transport);
    Target {
        name,
        reader,
        becomes,
    }
}

const fn of(name: &'static str, format: Format, becomes: &'static str) -> Target {
    let reader = Reader::Lines(format);
    Target {
        name,
        reader,
        becomes,
    }
}

const fn with(name: &'static str, reader: Reader, becomes: &'static str) -> Target {
    Target {
        name,
        reader,
        becomes,
    }
}

impl Target {
    /// All there are.
    pub const ALL: &[Self] = &[
        with("capture", Reader::Capture, "network.http"),
        on("dhcp", Udp(67), "network.dhcp"),
        on("dhcp6", Udp(547), "network.dhcp"),
        on("dns", Udp(53), "network.dns"),
        on("dns-tcp", Tcp(53), "network.dns"),
        on("http", Tcp(80), "network.http"),
        on("kerberos", Udp(88), "network.kerberos"),
        on("kerberos-tcp", Tcp(88), "network.kerberos"),
        on("ldap", Tcp(389), "network.ldap"),
        with("quic", Reader::Quic, "network.tls"),
        on("quic-wire", Udp(443), "network.tls"),
        on("rdp", Tcp(3389), "network.rdp"),
        on("smb", Tcp(445), "network.smb"),
        on("smtp", Tcp(25), "network.smtp"),
        on("ssh", Tcp(22), "network.ssh"),
        on("tls", Tcp(443), "network.tls"),
        on("vxlan", Udp(4789), "network.dns"),
        on("unknown", Tcp(9_999), "network.http"),
        with("flows", Reader::Flows, "network.flow"),
        of("access", Format::Access, "web.access"),
        of("auditd", Format::Auditd, "auditd.log"),
        of("cef", Format::Syslog, "cef.log"),
        of("ecs", Format::Ecs, "web.access"),
        of("eve", Format::Eve, "network.dns"),
        of("journald", Format::Ndjson, "system.auth"),
        of("mail", Format::Syslog, "mail.log"),
        of("ndjson", Format::Ndjson, "generic"),
        of("syslog", Format::Syslog, "system.auth"),
        of("windows", Format::Ndjson, "windows.security"),
        of("zeek-json", Format::ZeekJson, "network.flow"),
        of("zeek-tsv", Format::ZeekTsv, "network.flow"),
        with("stream", Reader::Stream, "system.auth"),
        with("evtx", Reader::Evtx, "windows.security"),
        with("file", Reader::File, "system.auth"),
        with("spool", Reader::Segment, "log"),
        with("answer", Reader::Answer, "certified"),
        with("ask", Reader::Ask, "request"),
        with("bundle", Reader::Bundle, "bundle"),
        with("bundle-wire", Reader::Envelope, "envelope"),
        with("certificate", Reader::Certificate, "certificate"),
        with("code", Reader::Code, "code"),
        with("config", Reader::Config, "config"),
        with("entry", Reader::Entry, "entry"),
        with("event", Reader::Event, "event"),
        with("feed", Reader::Feed, "domain"),
        with("records", Reader::Unpacked, "records"),
        with("records-wire", Reader::Records, "records"),
        with("report", Reader::Report, "report"),
        with("request", Reader::Request, "request"),
        with("restricted", Reader::Restricted, "list"),
        with("reveal", Reader::Reveal, "request"),
        with("rules", Reader::Rules, "rule"),
    ];

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|target| target.name == name)
    }

    /// Hands it the bytes, twice.
    ///
    /// # Panics
    /// If what reads them does, does not come to an end, makes too much of them or something else the second time, or
    /// leaves something out of its account.
    #[must_use]
    pub fn take(&self, bytes: &[u8]) -> Account {
        let (one, other) = match self.reader {
            Reader::Capture => packets::capture(bytes),
            Reader::Conversation(transport) => packets::conversation(transport, bytes),
            Reader::Quic => packets::conversation(Udp(443), &quic::sealed(bytes)),
            Reader::Flows => twice(|| exporters::datagrams(bytes)),
            Reader::Lines(format) => twice(|| lines::log(format, bytes)),
            Reader::Stream => lines::stream(bytes),
            Reader::Evtx => twice(|| files::event_log(bytes)),
            Reader::File => twice(|| files::file(bytes)),
            Reader::Segment => twice(|| segment::segment(bytes)),
            Reader::Records => twice(|| centre::records(bytes)),
            Reader::Unpacked => twice(|| centre::unpacked(bytes)),
            Reader::Code => twice(|| centre::code(bytes)),
            Reader::Request => twice(|| centre::request(bytes)),
            Reader::Certificate => twice(|| centre::certificate(bytes)),
            Reader::Envelope => twice(|| centre::envelope(bytes)),
            Reader::Bundle => twice(|| centre::bundle(bytes)),
            Reader::Entry => twice(|| centre::entry(bytes)),
            Reader::Restricted => twice(|| centre::restricted(bytes)),
            Reader::Reveal => twice(|| centre::reveal(bytes)),
            Reader::Config => twice(|| centre::config(bytes)),
            Reader::Ask => twice(|| exchanged::ask(bytes)),
            Reader::Answer => twice(|| exchanged::answer(bytes)),
            Reader::Report => twice(|| exchanged::report(bytes)),
            Reader::Event => twice(|| exchanged::event(bytes)),
            Reader::Feed => twice(|| exchanged::feed(bytes)),
            Reader::Rules => twice(|| exchanged::rules(bytes)),
        };
        assert_eq!(one, other, "the same bytes, and not the same account");
        one
    }
}

fn twice(mut read: impl FnMut() -> Account) -> (Account, Account) {
    (read(), read())
}
