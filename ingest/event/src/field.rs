//! ECS field names, spelled once. Source: Elastic Common Schema 9; `varde.*` is ours.
//!
//! Envelope fields are those of [`crate::Event`]; all others live in [`crate::Fields`].

// The envelope.
/// When it happened, by the source's clock.
pub const TIMESTAMP: &str = "@timestamp";
/// When the sensor read it.
pub const EVENT_CREATED: &str = "event.created";
/// Which kind of event, for example `network.flow`.
pub const EVENT_DATASET: &str = "event.dataset";
/// The event's id.
pub const EVENT_ID: &str = "event.id";
/// The sensor's running number.
pub const EVENT_SEQUENCE: &str = "event.sequence";
/// The sensor.
pub const OBSERVER_NAME: &str = "observer.name";
/// The organisation number.
pub const ORGANIZATION_ID: &str = "organization.id";
/// True for exercises (R22).
pub const VARDE_EXERCISE: &str = "varde.exercise";
/// Protection marking.
pub const VARDE_MARKING: &str = "varde.marking";
/// What it was collected for.
pub const VARDE_PURPOSE: &str = "varde.purpose";
/// Version of this schema.
pub const VARDE_SCHEMA: &str = "varde.schema";
/// Network zone.
pub const VARDE_ZONE: &str = "varde.zone";

// What a sensor says of itself (`varde.heartbeat`, `varde.shed`).
/// The stream that `event.sequence` counts in: `alert`, `log` or `flow`.
pub const VARDE_STREAM: &str = "varde.stream";
/// The sensor's version.
pub const VARDE_HEARTBEAT_VERSION: &str = "varde.heartbeat.version";
/// Digest of its configuration.
pub const VARDE_HEARTBEAT_CONFIGURATION: &str = "varde.heartbeat.configuration";
/// Seconds since its start.
pub const VARDE_HEARTBEAT_UPTIME_SECS: &str = "varde.heartbeat.uptime_secs";
/// Events that lay in its spool at the start.
pub const VARDE_HEARTBEAT_CARRIED: &str = "varde.heartbeat.carried";
/// Records read since.
pub const VARDE_HEARTBEAT_READ: &str = "varde.heartbeat.read";
/// Events that the bus acknowledged.
pub const VARDE_HEARTBEAT_PUBLISHED: &str = "varde.heartbeat.published";
/// Records put aside.
pub const VARDE_HEARTBEAT_REFUSED: &str = "varde.heartbeat.refused";
/// Records turned away, shed or lost to damage.
pub const VARDE_HEARTBEAT_SHED: &str = "varde.heartbeat.shed";
/// Events in the spool.
pub const VARDE_HEARTBEAT_HELD: &str = "varde.heartbeat.held";
/// Sources, in the order of the next lists.
pub const VARDE_HEARTBEAT_SOURCE_NAME: &str = "varde.heartbeat.source.name";
/// Records read, by source.
pub const VARDE_HEARTBEAT_SOURCE_READ: &str = "varde.heartbeat.source.read";
/// Records put aside, by source.
pub const VARDE_HEARTBEAT_SOURCE_REFUSED: &str = "varde.heartbeat.source.refused";
/// Records turned away, by source.
pub const VARDE_HEARTBEAT_SOURCE_SHED: &str = "varde.heartbeat.source.shed";
/// Datagrams that the kernel dropped, by source.
pub const VARDE_HEARTBEAT_SOURCE_KERNEL_DROPS: &str = "varde.heartbeat.source.kernel_drops";
/// Seconds since the latest event, by source.
pub const VARDE_HEARTBEAT_SOURCE_LAG_SECS: &str = "varde.heartbeat.source.lag_secs";
/// Streams, in the order of the next lists.
pub const VARDE_HEARTBEAT_STREAM_NAME: &str = "varde.heartbeat.stream.name";
/// Records that wait, by stream.
pub const VARDE_HEARTBEAT_STREAM_RECORDS: &str = "varde.heartbeat.stream.records";
/// Bytes that wait, by stream.
pub const VARDE_HEARTBEAT_STREAM_BYTES: &str = "varde.heartbeat.stream.bytes";
/// Age of the oldest event that waits, by stream.
pub const VARDE_HEARTBEAT_STREAM_OLDEST_SECS: &str = "varde.heartbeat.stream.oldest_secs";
/// The stream in which something was given up.
pub const VARDE_SHED_STREAM: &str = "varde.shed.stream";
/// Why: `full`, `turned_away`, `disk` or `damaged`.
pub const VARDE_SHED_CAUSE: &str = "varde.shed.cause";
/// How many records.
pub const VARDE_SHED_RECORDS: &str = "varde.shed.records";
/// The first sequence number among them, where they had one.
pub const VARDE_SHED_SEQUENCE_FIRST: &str = "varde.shed.sequence_first";
/// The last one.
pub const VARDE_SHED_SEQUENCE_LAST: &str = "varde.shed.sequence_last";

// Where it came from.
/// The input file, as it was named to the sensor.
pub const LOG_FILE_PATH: &str = "log.file.path";
/// Who sent a message over the network: the address of its datagram or connection.
pub const LOG_SOURCE_ADDRESS: &str = "log.source.address";
/// Byte offset in the input file.
pub const LOG_OFFSET: &str = "log.offset";

// Common.
/// The original message of a log line.
pub const MESSAGE: &str = "message";
/// What was done.
pub const EVENT_ACTION: &str = "event.action";
/// Who saw it, beside our own capture: `suricata`, `zeek`, `netflow`, `ipfix`, `sflow`, …
pub const EVENT_MODULE: &str = "event.module";
/// `success`, `failure` or `unknown`.
pub const EVENT_OUTCOME: &str = "event.outcome";
/// First packet.
pub const EVENT_START: &str = "event.start";
/// Last packet.
pub const EVENT_END: &str = "event.end";
/// Nanoseconds between them.
pub const EVENT_DURATION: &str = "event.duration";
/// The host that logged.
pub const HOST_NAME: &str = "host.name";
/// The account.
pub const USER_NAME: &str = "user.name";

// Network.
/// Client side address.
pub const SOURCE_IP: &str = "source.ip";
/// Client side port.
pub const SOURCE_PORT: &str = "source.port";
/// Bytes sent by the source (IP length).
pub const SOURCE_BYTES: &str = "source.bytes";
/// Packets sent by the source.
pub const SOURCE_PACKETS: &str = "source.packets";
/// Server side address.
pub const DESTINATION_IP: &str = "destination.ip";
/// Server side port.
pub const DESTINATION_PORT: &str = "destination.port";
/// Bytes sent by the destination (IP length).
pub const DESTINATION_BYTES: &str = "destination.bytes";
/// Packets sent by the destination.
pub const DESTINATION_PACKETS: &str = "destination.packets";
/// `tcp`, `udp`, `icmp`, `ipv6-icmp` or the protocol's number.
pub const NETWORK_TRANSPORT: &str = "network.transport";
/// `ipv4` or `ipv6`.
pub const NETWORK_TYPE: &str = "network.type";
/// Application protocol, by content.
pub const NETWORK_PROTOCOL: &str = "network.protocol";
/// Community ID version 1.
pub const NETWORK_COMMUNITY_ID: &str = "network.community_id";
/// Both directions.
pub const NETWORK_BYTES: &str = "network.bytes";
/// Both directions.
pub const NETWORK_PACKETS: &str = "network.packets";
/// `inbound`, `outbound`, `internal` or `external`, by the configured home networks.
pub const NETWORK_DIRECTION: &str = "network.direction";
/// Address of the source after translation by a firewall.
pub const SOURCE_NAT_IP: &str = "source.nat.ip";
/// Its port.
pub const SOURCE_NAT_PORT: &str = "source.nat.port";
/// Address of the destination after translation by a firewall.
pub const DESTINATION_NAT_IP: &str = "destination.nat.ip";
/// Its port.
pub const DESTINATION_NAT_PORT: &str = "destination.nat.port";
/// SNMP index of the exporter's interface at which it came in.
pub const OBSERVER_INGRESS_INTERFACE_ID: &str = "observer.ingress.interface.id";
/// And of that at which it went out.
pub const OBSERVER_EGRESS_INTERFACE_ID: &str = "observer.egress.interface.id";
/// The device that exported a flow; for sFlow the agent that it names.
pub const VARDE_EXPORTER_IP: &str = "varde.exporter.ip";
/// Its observation domain, source id, engine or sub-agent.
pub const VARDE_EXPORTER_DOMAIN: &str = "varde.exporter.domain";
/// One packet in so many was looked at, and bytes and packets are multiplied by it; missing where all were.
pub const VARDE_FLOW_SAMPLING: &str = "varde.flow.sampling";
/// How a TCP connection went: `established`, `attempted`, `rejected`, `reset`, `closed`, `other`.
pub const VARDE_FLOW_STATE: &str = "varde.flow.state";
/// The outermost VLAN.
pub const NETWORK_VLAN_ID: &str = "network.vlan.id";
/// The VLAN inside it.
pub const NETWORK_INNER_VLAN_ID: &str = "network.inner.vlan.id";
/// `ip`, `gre`, `erspan`, `vxlan` or `geneve`: what the flow was carried in.
pub const VARDE_TUNNEL_TYPE: &str = "varde.tunnel.type";
/// Sender of the carrying packet that began the flow.
pub const VARDE_TUNNEL_SOURCE_IP: &str = "varde.tunnel.source.ip";
/// Its receiver.
pub const VARDE_TUNNEL_DESTINATION_IP: &str = "varde.tunnel.destination.ip";
/// VXLAN or Geneve network, GRE key, ERSPAN session.
pub const VARDE_TUNNEL_ID: &str = "varde.tunnel.id";
/// How many tunnels were around it; the other fields are about the innermost.
pub const VARDE_TUNNEL_DEPTH: &str = "varde.tunnel.depth";

// DNS.
/// The name asked for, lower case, without the final dot.
pub const DNS_QUESTION_NAME: &str = "dns.question.name";
/// `A`, `AAAA`, `TXT`, …
pub const DNS_QUESTION_TYPE: &str = "dns.question.type";
/// `query` or `answer`.
pub const DNS_TYPE: &str = "dns.type";
/// Transaction id.
pub const DNS_ID: &str = "dns.id";
/// `NOERROR`, `NXDOMAIN`, …
pub const DNS_RESPONSE_CODE: &str = "dns.response_code";
/// Data of each answer.
pub const DNS_ANSWERS_DATA: &str = "dns.answers.data";
/// Type of each answer.
pub const DNS_ANSWERS_TYPE: &str = "dns.answers.type";
/// Addresses among the answers.
pub const DNS_RESOLVED_IP: &str = "dns.resolved_ip";

// TLS.
/// SNI.
pub const TLS_SERVER_NAME: &str = "tls.client.server_name";
/// JA3 of the ClientHello.
pub const TLS_JA3: &str = "tls.client.ja3";
/// JA4 of the ClientHello.
pub const TLS_JA4: &str = "tls.client.ja4";
/// `1.2`, `1.3`, …
pub const TLS_VERSION: &str = "tls.version";
/// What the server took, as IANA names it.
pub const TLS_CIPHER: &str = "tls.cipher";
/// JA3S of the ServerHello.
pub const TLS_JA3S: &str = "tls.server.ja3s";
/// Who the server's certificate is for, as `CN=…, O=…`.
pub const TLS_SERVER_SUBJECT: &str = "tls.server.subject";
/// Who signed it.
pub const TLS_SERVER_ISSUER: &str = "tls.server.issuer";
/// From when it is valid.
pub const TLS_SERVER_NOT_BEFORE: &str = "tls.server.not_before";
/// Until when.
pub const TLS_SERVER_NOT_AFTER: &str = "tls.server.not_after";
/// SHA-1 of the server's certificate, in lower case.
pub const TLS_SERVER_SHA1: &str = "tls.server.hash.sha1";
/// SHA-256 of it.
pub const TLS_SERVER_SHA256: &str = "tls.server.hash.sha256";
/// Serial number in hexadecimal digits.
pub const TLS_SERVER_X509_SERIAL: &str = "tls.server.x509.serial_number";
/// The common name of the subject.
pub const TLS_SERVER_X509_SUBJECT_NAME: &str = "tls.server.x509.subject.common_name";
/// The common name of the issuer.
pub const TLS_SERVER_X509_ISSUER_NAME: &str = "tls.server.x509.issuer.common_name";
/// Other names and addresses it is for.
pub const TLS_SERVER_X509_NAMES: &str = "tls.server.x509.alternative_names";
/// `1` or `2`.
pub const VARDE_QUIC_VERSION: &str = "varde.quic.version";

// SSH.
/// The line with which the client greets, such as `SSH-2.0-OpenSSH_9.6`.
pub const SSH_CLIENT_BANNER: &str = "ssh.client.banner";
/// HASSH: MD5 of the algorithms that the client offers.
pub const SSH_CLIENT_HASSH: &str = "ssh.client.hassh";
/// The line with which the server greets.
pub const SSH_SERVER_BANNER: &str = "ssh.server.banner";
/// HASSH of the server.
pub const SSH_SERVER_HASSH: &str = "ssh.server.hassh";

// Kerberos.
/// The account. Names of users that stand in packets don't leave the sensor.
pub const KERBEROS_CLIENT_NAME: &str = "kerberos.client.name";
/// `AS` or `TGS`: a ticket to ask with, or one to a service.
pub const KERBEROS_REQUEST: &str = "kerberos.request";
/// The realm, as a rule the domain in upper case.
pub const KERBEROS_REALM: &str = "kerberos.realm";
/// The service asked for, such as `cifs/files.example.org`.
pub const KERBEROS_SERVICE: &str = "kerberos.service";
/// Ciphers that the client offers.
pub const KERBEROS_CLIENT_CIPHERS: &str = "kerberos.client.ciphers";
/// The cipher of the ticket; an old one is easy to break.
pub const KERBEROS_TICKET_CIPHER: &str = "kerberos.ticket.cipher";
/// Number of the error.
pub const KERBEROS_ERROR_CODE: &str = "kerberos.error.code";
/// Its name in RFC 4120.
pub const KERBEROS_ERROR_NAME: &str = "kerberos.error.name";

// LDAP.
/// Who binds; doesn't leave the sensor.
pub const LDAP_BIND_NAME: &str = "ldap.bind.name";
/// `2` or `3`.
pub const LDAP_VERSION: &str = "ldap.version";
/// `anonymous`, `simple`, `sicily`, or the name of SASL's mechanism.
pub const LDAP_MECHANISM: &str = "ldap.bind.mechanism";
/// Number of the result.
pub const LDAP_RESULT_CODE: &str = "ldap.result.code";
/// Its name in RFC 4511.
pub const LDAP_RESULT_NAME: &str = "ldap.result.name";

// SMB and NTLM.
/// `1` or `2`; 2 is every later one too.
pub const SMB_VERSION: &str = "smb.version";
/// What both agreed on: `NT LM 0.12`, `2.02`, `3.11`, …
pub const SMB_DIALECT: &str = "smb.dialect";
/// What the client offered.
pub const SMB_CLIENT_DIALECTS: &str = "smb.client.dialects";
/// Whether the server wants every message signed.
pub const SMB_SIGNING_REQUIRED: &str = "smb.signing.required";
/// The share opened, `\\server\share`.
pub const SMB_SHARE: &str = "smb.share";
/// Name of the result, as MS-ERREF has it, or its number.
pub const SMB_STATUS: &str = "smb.status";
/// Who logs on; doesn't leave the sensor.
pub const NTLM_USER_NAME: &str = "ntlm.user.name";
/// Domain of the account.
pub const NTLM_DOMAIN: &str = "ntlm.domain";
/// The client's name for itself.
pub const NTLM_CLIENT_NAME: &str = "ntlm.client.name";
/// The server's name for itself.
pub const NTLM_SERVER_NAME: &str = "ntlm.server.name";
/// The server's domain.
pub const NTLM_SERVER_DOMAIN: &str = "ntlm.server.domain";

// RDP.
/// The routing cookie, which is a user's name; doesn't leave the sensor.
pub const RDP_COOKIE: &str = "rdp.cookie";
/// What the client can do: `rdp`, `tls`, `credssp`, …
pub const RDP_REQUESTED: &str = "rdp.requested";
/// What the server took.
pub const RDP_SELECTED: &str = "rdp.selected";
/// Why it took none.
pub const RDP_FAILURE: &str = "rdp.failure";
/// The client's name for itself; only without TLS.
pub const RDP_CLIENT_NAME: &str = "rdp.client.name";
/// The client's version.
pub const RDP_CLIENT_BUILD: &str = "rdp.client.build";

// SMTP.
/// With which name the client greets.
pub const SMTP_HELO: &str = "smtp.helo";
/// Domain of the sender's mailbox.
pub const SMTP_FROM_DOMAIN: &str = "smtp.from.domain";
/// Domains of the receivers' mailboxes.
pub const SMTP_TO_DOMAINS: &str = "smtp.to.domains";
/// How many receivers there are.
pub const SMTP_RECEIVERS: &str = "smtp.receivers";
/// What the server answered to the mail, or to what of it it did not want.
pub const SMTP_REPLY: &str = "smtp.reply";

// DHCP.
/// `discover`, `request`, `ack`, `solicit`, …
pub const DHCP_TYPE: &str = "dhcp.type";
/// The client's hardware address.
pub const DHCP_CLIENT_MAC: &str = "dhcp.client.mac";
/// The client's name for itself.
pub const DHCP_HOST_NAME: &str = "dhcp.client.host_name";
/// The same with its domain.
pub const DHCP_FULL_NAME: &str = "dhcp.client.fqdn";
/// The address that the client wants.
pub const DHCP_REQUESTED_IP: &str = "dhcp.requested.ip";
/// The address that it gets.
pub const DHCP_ASSIGNED_IP: &str = "dhcp.assigned.ip";
/// The kind of client.
pub const DHCP_VENDOR_CLASS: &str = "dhcp.client.vendor_class";

// HTTP.
/// `GET`, …
pub const HTTP_METHOD: &str = "http.request.method";
/// Status of the answer.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// The Host header, without a port.
pub const URL_DOMAIN: &str = "url.domain";
/// Path without the query.
pub const URL_PATH: &str = "url.path";
/// Query without `?`.
pub const URL_QUERY: &str = "url.query";
/// The request target as sent, absolute where host is known.
pub const URL_ORIGINAL: &str = "url.original";
/// The User-Agent header.
pub const USER_AGENT: &str = "user_agent.original";

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
