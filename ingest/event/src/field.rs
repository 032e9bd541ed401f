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

// Where it came from.
/// The input file, as it was named to the sensor.
pub const LOG_FILE_PATH: &str = "log.file.path";
/// Byte offset in the input file.
pub const LOG_OFFSET: &str = "log.offset";

// Common.
/// The original message of a log line.
pub const MESSAGE: &str = "message";
/// What was done.
pub const EVENT_ACTION: &str = "event.action";
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
