//! ECS field names, spelled once, each with what it tells about whom. Source: Elastic Common Schema 9; `varde.*` is ours.
//!
//! Envelope fields are those of [`crate::Event`]; all others live in [`crate::Fields`].

mod class;
mod index;
mod remembered;

pub use class::{Class, OTHERS, class, is_declared, is_packet_user};
pub use remembered::Classes;

/// Makes a constant of each name, and the list of all with their classes: a name without a class does not compile.
macro_rules! names {
    ($($(#[$meta:meta])* $class:ident $name:ident = $text:literal;)+) => {
        $($(#[$meta])* pub const $name: &str = $text;)+

        /// Every name that has a constant, with its class.
        pub const DECLARED: &[(&str, Class)] = &[$(($text, Class::$class)),+];
    };
}

/// The value of [`VARDE_STREAM`] for what leaves its sensor before all else.
pub const STREAM_ALERT: &str = "alert";

names! {
    // The envelope.
    /// When it happened, by the source's clock.
    Envelope TIMESTAMP = "@timestamp";
    /// When the sensor read it.
    Envelope EVENT_CREATED = "event.created";
    /// Which kind of event, for example `network.flow`.
    Envelope EVENT_DATASET = "event.dataset";
    /// The event's id.
    Envelope EVENT_ID = "event.id";
    /// The sensor's running number.
    Envelope EVENT_SEQUENCE = "event.sequence";
    /// The sensor.
    Envelope OBSERVER_NAME = "observer.name";
    /// The organisation number.
    Envelope ORGANIZATION_ID = "organization.id";
    /// True for exercises (R22).
    Envelope VARDE_EXERCISE = "varde.exercise";
    /// Protection marking.
    Envelope VARDE_MARKING = "varde.marking";
    /// What it was collected for.
    Envelope VARDE_PURPOSE = "varde.purpose";
    /// Version of this schema.
    Envelope VARDE_SCHEMA = "varde.schema";
    /// Network zone.
    Envelope VARDE_ZONE = "varde.zone";

    // What a sensor says of itself (`varde.heartbeat`, `varde.shed`).
    /// The stream that `event.sequence` counts in: `alert`, `log` or `flow`.
    Traffic VARDE_STREAM = "varde.stream";
    /// The sensor's version.
    Traffic VARDE_HEARTBEAT_VERSION = "varde.heartbeat.version";
    /// Digest of its configuration.
    Traffic VARDE_HEARTBEAT_CONFIGURATION = "varde.heartbeat.configuration";
    /// Digest of the rules and indicators that it holds against events; missing where there are none.
    Traffic VARDE_HEARTBEAT_RULESET = "varde.heartbeat.ruleset";
    /// Events held against them since its start.
    Traffic VARDE_HEARTBEAT_SCANNED = "varde.heartbeat.scanned";
    /// Matches since its start.
    Traffic VARDE_HEARTBEAT_MATCHED = "varde.heartbeat.matched";
    /// Seconds since its start.
    Traffic VARDE_HEARTBEAT_UPTIME_SECS = "varde.heartbeat.uptime_secs";
    /// Events that lay in its spool at the start.
    Traffic VARDE_HEARTBEAT_CARRIED = "varde.heartbeat.carried";
    /// Records read since.
    Traffic VARDE_HEARTBEAT_READ = "varde.heartbeat.read";
    /// Events that the bus acknowledged.
    Traffic VARDE_HEARTBEAT_PUBLISHED = "varde.heartbeat.published";
    /// Records put aside.
    Traffic VARDE_HEARTBEAT_REFUSED = "varde.heartbeat.refused";
    /// Records turned away, shed or lost to damage.
    Traffic VARDE_HEARTBEAT_SHED = "varde.heartbeat.shed";
    /// Events in the spool.
    Traffic VARDE_HEARTBEAT_HELD = "varde.heartbeat.held";
    /// The control bundle that it runs; 0 for none.
    Traffic VARDE_HEARTBEAT_BUNDLE = "varde.heartbeat.bundle";
    /// The newest that it was offered and believed.
    Traffic VARDE_HEARTBEAT_BUNDLE_WANTED = "varde.heartbeat.bundle_wanted";
    /// The newest that it did not take, or went back from.
    Traffic VARDE_HEARTBEAT_BUNDLE_REFUSED = "varde.heartbeat.bundle_refused";
    /// Sources, in the order of the next lists.
    Text VARDE_HEARTBEAT_SOURCE_NAME = "varde.heartbeat.source.name";
    /// Records read, by source.
    Traffic VARDE_HEARTBEAT_SOURCE_READ = "varde.heartbeat.source.read";
    /// Records put aside, by source.
    Traffic VARDE_HEARTBEAT_SOURCE_REFUSED = "varde.heartbeat.source.refused";
    /// Records turned away, by source.
    Traffic VARDE_HEARTBEAT_SOURCE_SHED = "varde.heartbeat.source.shed";
    /// Datagrams that the kernel dropped, by source.
    Traffic VARDE_HEARTBEAT_SOURCE_KERNEL_DROPS = "varde.heartbeat.source.kernel_drops";
    /// Seconds since the latest event, by source.
    Traffic VARDE_HEARTBEAT_SOURCE_LAG_SECS = "varde.heartbeat.source.lag_secs";
    /// Streams, in the order of the next lists.
    Traffic VARDE_HEARTBEAT_STREAM_NAME = "varde.heartbeat.stream.name";
    /// Records that wait, by stream.
    Traffic VARDE_HEARTBEAT_STREAM_RECORDS = "varde.heartbeat.stream.records";
    /// Bytes that wait, by stream.
    Traffic VARDE_HEARTBEAT_STREAM_BYTES = "varde.heartbeat.stream.bytes";
    /// Age of the oldest event that waits, by stream.
    Traffic VARDE_HEARTBEAT_STREAM_OLDEST_SECS = "varde.heartbeat.stream.oldest_secs";
    /// The stream in which something was given up.
    Traffic VARDE_SHED_STREAM = "varde.shed.stream";
    /// Why: `full`, `turned_away`, `disk` or `damaged`.
    Traffic VARDE_SHED_CAUSE = "varde.shed.cause";
    /// How many records.
    Traffic VARDE_SHED_RECORDS = "varde.shed.records";
    /// The first sequence number among them, where they had one.
    Traffic VARDE_SHED_SEQUENCE_FIRST = "varde.shed.sequence_first";
    /// The last one.
    Traffic VARDE_SHED_SEQUENCE_LAST = "varde.shed.sequence_last";

    // Where it came from.
    /// The input file, as it was named to the sensor.
    Text LOG_FILE_PATH = "log.file.path";
    /// Who sent a message over the network: the address of its datagram or connection.
    Address LOG_SOURCE_ADDRESS = "log.source.address";
    /// Byte offset in the input file.
    Traffic LOG_OFFSET = "log.offset";

    // Common.
    /// The original message of a log line.
    Message MESSAGE = "message";
    /// What was done.
    Word EVENT_ACTION = "event.action";
    /// Who saw it, beside our own capture: `suricata`, `zeek`, `netflow`, `ipfix`, `sflow`, …
    Traffic EVENT_MODULE = "event.module";
    /// `success`, `failure` or `unknown`.
    Traffic EVENT_OUTCOME = "event.outcome";
    /// First packet.
    Traffic EVENT_START = "event.start";
    /// Last packet.
    Traffic EVENT_END = "event.end";
    /// Nanoseconds between them.
    Traffic EVENT_DURATION = "event.duration";
    /// The host that logged.
    Machine HOST_NAME = "host.name";
    /// The account.
    User USER_NAME = "user.name";

    // Network.
    /// Client side address.
    Address SOURCE_IP = "source.ip";
    /// Client side port.
    Traffic SOURCE_PORT = "source.port";
    /// Bytes sent by the source (IP length).
    Traffic SOURCE_BYTES = "source.bytes";
    /// Packets sent by the source.
    Traffic SOURCE_PACKETS = "source.packets";
    /// Server side address.
    Address DESTINATION_IP = "destination.ip";
    /// Server side port.
    Traffic DESTINATION_PORT = "destination.port";
    /// Bytes sent by the destination (IP length).
    Traffic DESTINATION_BYTES = "destination.bytes";
    /// Packets sent by the destination.
    Traffic DESTINATION_PACKETS = "destination.packets";
    /// `tcp`, `udp`, `icmp`, `ipv6-icmp` or the protocol's number.
    Traffic NETWORK_TRANSPORT = "network.transport";
    /// `ipv4` or `ipv6`.
    Traffic NETWORK_TYPE = "network.type";
    /// Application protocol, by content.
    Traffic NETWORK_PROTOCOL = "network.protocol";
    /// Community ID version 1.
    FlowId NETWORK_COMMUNITY_ID = "network.community_id";
    /// Both directions.
    Traffic NETWORK_BYTES = "network.bytes";
    /// Both directions.
    Traffic NETWORK_PACKETS = "network.packets";
    /// `inbound`, `outbound`, `internal` or `external`, by the configured home networks.
    Traffic NETWORK_DIRECTION = "network.direction";
    /// Address of the source after translation by a firewall.
    Address SOURCE_NAT_IP = "source.nat.ip";
    /// Its port.
    Traffic SOURCE_NAT_PORT = "source.nat.port";
    /// Address of the destination after translation by a firewall.
    Address DESTINATION_NAT_IP = "destination.nat.ip";
    /// Its port.
    Traffic DESTINATION_NAT_PORT = "destination.nat.port";
    /// SNMP index of the exporter's interface at which it came in.
    Traffic OBSERVER_INGRESS_INTERFACE_ID = "observer.ingress.interface.id";
    /// And of that at which it went out.
    Traffic OBSERVER_EGRESS_INTERFACE_ID = "observer.egress.interface.id";
    /// The device that exported a flow; for sFlow the agent that it names.
    Address VARDE_EXPORTER_IP = "varde.exporter.ip";
    /// Its observation domain, source id, engine or sub-agent.
    Traffic VARDE_EXPORTER_DOMAIN = "varde.exporter.domain";
    /// One packet in so many was looked at, and bytes and packets are multiplied by it; missing where all were.
    Traffic VARDE_FLOW_SAMPLING = "varde.flow.sampling";
    /// How a TCP connection went: `established`, `attempted`, `rejected`, `reset`, `closed`, `other`.
    Traffic VARDE_FLOW_STATE = "varde.flow.state";
    /// The outermost VLAN.
    Traffic NETWORK_VLAN_ID = "network.vlan.id";
    /// The VLAN inside it.
    Traffic NETWORK_INNER_VLAN_ID = "network.inner.vlan.id";
    /// `ip`, `gre`, `erspan`, `vxlan`, `geneve`, `teredo`, `gtp` or `ayiya`: what the flow was carried in.
    Traffic VARDE_TUNNEL_TYPE = "varde.tunnel.type";
    /// Sender of the carrying packet that began the flow.
    Address VARDE_TUNNEL_SOURCE_IP = "varde.tunnel.source.ip";
    /// Its receiver.
    Address VARDE_TUNNEL_DESTINATION_IP = "varde.tunnel.destination.ip";
    /// VXLAN or Geneve network, GRE key, ERSPAN session.
    Traffic VARDE_TUNNEL_ID = "varde.tunnel.id";
    /// How many tunnels were around it; the other fields are about the innermost.
    Traffic VARDE_TUNNEL_DEPTH = "varde.tunnel.depth";

    // DNS.
    /// The name asked for, lower case, without the final dot.
    Host DNS_QUESTION_NAME = "dns.question.name";
    /// `A`, `AAAA`, `TXT`, …; `NB` and `NBSTAT` of NetBIOS, `TYPE65399` where there is no name (RFC 3597).
    Traffic DNS_QUESTION_TYPE = "dns.question.type";
    /// `query` or `answer`.
    Traffic DNS_TYPE = "dns.type";
    /// Transaction id.
    Traffic DNS_ID = "dns.id";
    /// `NOERROR`, `NXDOMAIN`, …
    Traffic DNS_RESPONSE_CODE = "dns.response_code";
    /// Data of each answer, much as zone files write it (RFC 1035 section 5), texts without quotes; `\# LENGTH DIGITS`
    /// where a type has no form (RFC 3597 section 5).
    Host DNS_ANSWERS_DATA = "dns.answers.data";
    /// Type of each answer.
    Traffic DNS_ANSWERS_TYPE = "dns.answers.type";
    /// Addresses among the answers.
    Address DNS_RESOLVED_IP = "dns.resolved_ip";

    // TLS.
    /// SNI.
    Host TLS_SERVER_NAME = "tls.client.server_name";
    /// JA3 of the ClientHello.
    Traffic TLS_JA3 = "tls.client.ja3";
    /// JA4 of the ClientHello.
    Traffic TLS_JA4 = "tls.client.ja4";
    /// `1.2`, `1.3`, …
    Traffic TLS_VERSION = "tls.version";
    /// What the server took, as IANA names it.
    Traffic TLS_CIPHER = "tls.cipher";
    /// JA3S of the ServerHello.
    Traffic TLS_JA3S = "tls.server.ja3s";
    /// Who the server's certificate is for, as `CN=…, O=…`.
    Certificate TLS_SERVER_SUBJECT = "tls.server.subject";
    /// Who signed it.
    Certificate TLS_SERVER_ISSUER = "tls.server.issuer";
    /// From when it is valid.
    Traffic TLS_SERVER_NOT_BEFORE = "tls.server.not_before";
    /// Until when.
    Traffic TLS_SERVER_NOT_AFTER = "tls.server.not_after";
    /// SHA-1 of the server's certificate, in lower case.
    Certificate TLS_SERVER_SHA1 = "tls.server.hash.sha1";
    /// SHA-256 of it.
    Certificate TLS_SERVER_SHA256 = "tls.server.hash.sha256";
    /// Serial number in hexadecimal digits.
    Certificate TLS_SERVER_X509_SERIAL = "tls.server.x509.serial_number";
    /// The common name of the subject.
    Certificate TLS_SERVER_X509_SUBJECT_NAME = "tls.server.x509.subject.common_name";
    /// The common name of the issuer.
    Certificate TLS_SERVER_X509_ISSUER_NAME = "tls.server.x509.issuer.common_name";
    /// Other names and addresses it is for.
    Certificate TLS_SERVER_X509_NAMES = "tls.server.x509.alternative_names";
    /// `1` or `2`.
    Traffic VARDE_QUIC_VERSION = "varde.quic.version";

    // SSH.
    /// The line with which the client greets, such as `SSH-2.0-OpenSSH_9.6`.
    Text SSH_CLIENT_BANNER = "ssh.client.banner";
    /// HASSH: MD5 of the algorithms that the client offers.
    Traffic SSH_CLIENT_HASSH = "ssh.client.hassh";
    /// The line with which the server greets.
    Text SSH_SERVER_BANNER = "ssh.server.banner";
    /// HASSH of the server.
    Traffic SSH_SERVER_HASSH = "ssh.server.hassh";

    // Kerberos.
    /// The account. Names of users that stand in packets don't leave the sensor.
    PacketUser KERBEROS_CLIENT_NAME = "kerberos.client.name";
    /// `AS` or `TGS`: a ticket to ask with, or one to a service.
    Traffic KERBEROS_REQUEST = "kerberos.request";
    /// The realm, as a rule the domain in upper case.
    Machine KERBEROS_REALM = "kerberos.realm";
    /// The service asked for, such as `cifs/files.example.org`.
    Service KERBEROS_SERVICE = "kerberos.service";
    /// Ciphers that the client offers.
    Traffic KERBEROS_CLIENT_CIPHERS = "kerberos.client.ciphers";
    /// The cipher of the ticket; an old one is easy to break.
    Traffic KERBEROS_TICKET_CIPHER = "kerberos.ticket.cipher";
    /// Number of the error.
    Traffic KERBEROS_ERROR_CODE = "kerberos.error.code";
    /// Its name in RFC 4120.
    Traffic KERBEROS_ERROR_NAME = "kerberos.error.name";

    // LDAP.
    /// Who binds; doesn't leave the sensor.
    PacketUser LDAP_BIND_NAME = "ldap.bind.name";
    /// `2` or `3`.
    Traffic LDAP_VERSION = "ldap.version";
    /// `anonymous`, `simple`, `sicily`, or the name of SASL's mechanism.
    Traffic LDAP_MECHANISM = "ldap.bind.mechanism";
    /// Number of the result.
    Traffic LDAP_RESULT_CODE = "ldap.result.code";
    /// Its name in RFC 4511.
    Traffic LDAP_RESULT_NAME = "ldap.result.name";

    // SMB and NTLM.
    /// `1` or `2`; 2 is every later one too.
    Traffic SMB_VERSION = "smb.version";
    /// What both agreed on: `NT LM 0.12`, `2.02`, `3.11`, …
    Traffic SMB_DIALECT = "smb.dialect";
    /// What the client offered.
    Traffic SMB_CLIENT_DIALECTS = "smb.client.dialects";
    /// Whether the server wants every message signed.
    Traffic SMB_SIGNING_REQUIRED = "smb.signing.required";
    /// The share opened, `\\server\share`.
    Share SMB_SHARE = "smb.share";
    /// Name of the result, as MS-ERREF has it, or its number.
    Traffic SMB_STATUS = "smb.status";
    /// Who logs on; doesn't leave the sensor.
    PacketUser NTLM_USER_NAME = "ntlm.user.name";
    /// Domain of the account.
    Machine NTLM_DOMAIN = "ntlm.domain";
    /// The client's name for itself.
    Machine NTLM_CLIENT_NAME = "ntlm.client.name";
    /// The server's name for itself.
    Machine NTLM_SERVER_NAME = "ntlm.server.name";
    /// The server's domain.
    Machine NTLM_SERVER_DOMAIN = "ntlm.server.domain";

    // RDP.
    /// The routing cookie, which is a user's name; doesn't leave the sensor.
    PacketUser RDP_COOKIE = "rdp.cookie";
    /// What the client can do: `rdp`, `tls`, `credssp`, …
    Traffic RDP_REQUESTED = "rdp.requested";
    /// What the server took.
    Traffic RDP_SELECTED = "rdp.selected";
    /// Why it took none.
    Traffic RDP_FAILURE = "rdp.failure";
    /// The client's name for itself; only without TLS.
    Machine RDP_CLIENT_NAME = "rdp.client.name";
    /// The client's version.
    Text RDP_CLIENT_BUILD = "rdp.client.build";

    // SMTP.
    /// With which name the client greets.
    Host SMTP_HELO = "smtp.helo";
    /// Domain of the sender's mailbox.
    Host SMTP_FROM_DOMAIN = "smtp.from.domain";
    /// Domains of the receivers' mailboxes.
    Host SMTP_TO_DOMAINS = "smtp.to.domains";
    /// How many receivers there are.
    Traffic SMTP_RECEIVERS = "smtp.receivers";
    /// What the server answered to the mail, or to what of it it did not want.
    Message SMTP_REPLY = "smtp.reply";

    // DHCP.
    /// `discover`, `request`, `ack`, `solicit`, …
    Traffic DHCP_TYPE = "dhcp.type";
    /// The client's hardware address.
    Mac DHCP_CLIENT_MAC = "dhcp.client.mac";
    /// The client's name for itself.
    Machine DHCP_HOST_NAME = "dhcp.client.host_name";
    /// The same with its domain.
    Machine DHCP_FULL_NAME = "dhcp.client.fqdn";
    /// The address that the client wants.
    Address DHCP_REQUESTED_IP = "dhcp.requested.ip";
    /// The address that it gets.
    Address DHCP_ASSIGNED_IP = "dhcp.assigned.ip";
    /// The kind of client.
    Text DHCP_VENDOR_CLASS = "dhcp.client.vendor_class";

    // HTTP.
    /// `GET`, …
    Traffic HTTP_METHOD = "http.request.method";
    /// Status of the answer.
    Traffic HTTP_STATUS = "http.response.status_code";
    /// The Host header, without a port.
    Host URL_DOMAIN = "url.domain";
    /// Path without the query.
    Url URL_PATH = "url.path";
    /// Query without `?`.
    Query URL_QUERY = "url.query";
    /// The request target as sent, absolute where host is known.
    Url URL_ORIGINAL = "url.original";
    /// The User-Agent header.
    Text USER_AGENT = "user_agent.original";

    // What the sensor found.
    /// What matched on the sensor, where it was in clear: `rule:<id>`, `indicator:<kind>:<value>@<field>`,
    /// `restricted:<hash>@<field>`.
    Match VARDE_MATCHED = "varde.matched";

    // Privacy.
    /// What was done to the event before it left the building: `pseudonymised` or `counts`; missing where it is whole.
    Traffic VARDE_DISCLOSURE = "varde.disclosure";
    /// The epoch of the key of the pseudonyms in it.
    Traffic VARDE_PSEUDONYM_KEY = "varde.pseudonym.key";
    /// The id that an event brought along.
    Text VARDE_ORIGINAL_ID = "varde.original_id";
}

/// The names that [`crate::codec`] keeps in the envelope, sorted.
pub const ENVELOPE: [&str; 12] = [
    TIMESTAMP,
    EVENT_CREATED,
    EVENT_DATASET,
    EVENT_ID,
    EVENT_SEQUENCE,
    OBSERVER_NAME,
    ORGANIZATION_ID,
    VARDE_EXERCISE,
    VARDE_MARKING,
    VARDE_PURPOSE,
    VARDE_SCHEMA,
    VARDE_ZONE,
];

/// Whether a name is one of [`ENVELOPE`].
#[must_use]
pub fn is_envelope(name: &str) -> bool {
    // The first letters are looked at first: this is asked of every field there is.
    name.starts_with(['@', 'e', 'o', 'v']) && ENVELOPE.contains(&name)
}
