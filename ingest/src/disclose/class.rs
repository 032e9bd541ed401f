//! What each field of captured traffic tells about whom. A field that is not listed here is not shipped.

use ingest_event::field;

/// What a field tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// How machines talk: ports, counts, versions, fingerprints, results.
    Traffic,
    /// An address.
    Address,
    /// A machine or a service by its name or hardware address, also inside a longer text.
    Host,
    /// A person. Withheld.
    User,
}

/// The class of a field of an event in a `network.` dataset, if it is declared.
#[must_use]
pub fn class(name: &str) -> Option<Class> {
    CLASSES
        .iter()
        .find_map(|(class, names)| names.contains(&name).then_some(*class))
}

/// Fields by class.
const CLASSES: [(Class, &[&str]); 4] = [
    (Class::User, USERS),
    (Class::Address, ADDRESSES),
    (Class::Host, HOSTS),
    (Class::Traffic, TRAFFIC),
];

/// Names of persons, as they stand in packets.
pub(super) const USERS: &[&str] = &[
    field::KERBEROS_CLIENT_NAME,
    field::LDAP_BIND_NAME,
    field::NTLM_USER_NAME,
    field::RDP_COOKIE,
];

const ADDRESSES: &[&str] = &[
    field::LOG_SOURCE_ADDRESS,
    field::SOURCE_IP,
    field::DESTINATION_IP,
    field::DNS_RESOLVED_IP,
    field::VARDE_TUNNEL_SOURCE_IP,
    field::VARDE_TUNNEL_DESTINATION_IP,
    field::DHCP_REQUESTED_IP,
    field::DHCP_ASSIGNED_IP,
    field::SOURCE_NAT_IP,
    field::DESTINATION_NAT_IP,
    field::VARDE_EXPORTER_IP,
];

const HOSTS: &[&str] = &[
    field::DNS_QUESTION_NAME,
    field::DNS_ANSWERS_DATA,
    field::TLS_SERVER_NAME,
    field::TLS_SERVER_SUBJECT,
    field::TLS_SERVER_ISSUER,
    field::TLS_SERVER_X509_SUBJECT_NAME,
    field::TLS_SERVER_X509_ISSUER_NAME,
    field::TLS_SERVER_X509_NAMES,
    field::URL_DOMAIN,
    field::URL_ORIGINAL,
    field::URL_PATH,
    field::URL_QUERY,
    field::KERBEROS_REALM,
    field::KERBEROS_SERVICE,
    field::SMB_SHARE,
    field::NTLM_DOMAIN,
    field::NTLM_CLIENT_NAME,
    field::NTLM_SERVER_NAME,
    field::NTLM_SERVER_DOMAIN,
    field::RDP_CLIENT_NAME,
    field::SMTP_HELO,
    field::SMTP_FROM_DOMAIN,
    field::SMTP_TO_DOMAINS,
    field::DHCP_CLIENT_MAC,
    field::DHCP_HOST_NAME,
    field::DHCP_FULL_NAME,
];

const TRAFFIC: &[&str] = &[
    field::VARDE_STREAM,
    field::VARDE_HEARTBEAT_VERSION,
    field::VARDE_HEARTBEAT_CONFIGURATION,
    field::VARDE_HEARTBEAT_UPTIME_SECS,
    field::VARDE_HEARTBEAT_CARRIED,
    field::VARDE_HEARTBEAT_READ,
    field::VARDE_HEARTBEAT_PUBLISHED,
    field::VARDE_HEARTBEAT_REFUSED,
    field::VARDE_HEARTBEAT_SHED,
    field::VARDE_HEARTBEAT_HELD,
    field::VARDE_HEARTBEAT_SOURCE_NAME,
    field::VARDE_HEARTBEAT_SOURCE_READ,
    field::VARDE_HEARTBEAT_SOURCE_REFUSED,
    field::VARDE_HEARTBEAT_SOURCE_SHED,
    field::VARDE_HEARTBEAT_SOURCE_KERNEL_DROPS,
    field::VARDE_HEARTBEAT_SOURCE_LAG_SECS,
    field::VARDE_HEARTBEAT_STREAM_NAME,
    field::VARDE_HEARTBEAT_STREAM_RECORDS,
    field::VARDE_HEARTBEAT_STREAM_BYTES,
    field::VARDE_HEARTBEAT_STREAM_OLDEST_SECS,
    field::VARDE_SHED_STREAM,
    field::VARDE_SHED_CAUSE,
    field::VARDE_SHED_RECORDS,
    field::VARDE_SHED_SEQUENCE_FIRST,
    field::VARDE_SHED_SEQUENCE_LAST,
    field::EVENT_ACTION,
    field::EVENT_MODULE,
    field::EVENT_OUTCOME,
    field::EVENT_START,
    field::EVENT_END,
    field::EVENT_DURATION,
    field::SOURCE_PORT,
    field::SOURCE_BYTES,
    field::SOURCE_PACKETS,
    field::DESTINATION_PORT,
    field::DESTINATION_BYTES,
    field::DESTINATION_PACKETS,
    field::NETWORK_TRANSPORT,
    field::NETWORK_TYPE,
    field::NETWORK_PROTOCOL,
    field::NETWORK_COMMUNITY_ID,
    field::NETWORK_BYTES,
    field::NETWORK_PACKETS,
    field::NETWORK_DIRECTION,
    field::NETWORK_VLAN_ID,
    field::NETWORK_INNER_VLAN_ID,
    field::SOURCE_NAT_PORT,
    field::DESTINATION_NAT_PORT,
    field::OBSERVER_INGRESS_INTERFACE_ID,
    field::OBSERVER_EGRESS_INTERFACE_ID,
    field::VARDE_EXPORTER_DOMAIN,
    field::VARDE_FLOW_SAMPLING,
    field::VARDE_FLOW_STATE,
    field::VARDE_TUNNEL_TYPE,
    field::VARDE_TUNNEL_ID,
    field::VARDE_TUNNEL_DEPTH,
    "icmp.type",
    "icmp.code",
    field::DNS_QUESTION_TYPE,
    field::DNS_TYPE,
    field::DNS_ID,
    field::DNS_RESPONSE_CODE,
    field::DNS_ANSWERS_TYPE,
    field::TLS_JA3,
    field::TLS_JA3S,
    field::TLS_JA4,
    field::TLS_VERSION,
    field::TLS_CIPHER,
    "tls.next_protocol",
    field::TLS_SERVER_NOT_BEFORE,
    field::TLS_SERVER_NOT_AFTER,
    field::TLS_SERVER_SHA1,
    field::TLS_SERVER_SHA256,
    field::TLS_SERVER_X509_SERIAL,
    field::VARDE_QUIC_VERSION,
    field::HTTP_METHOD,
    field::HTTP_STATUS,
    "http.version",
    "http.response.mime_type",
    field::USER_AGENT,
    field::SSH_CLIENT_BANNER,
    field::SSH_CLIENT_HASSH,
    field::SSH_SERVER_BANNER,
    field::SSH_SERVER_HASSH,
    field::KERBEROS_REQUEST,
    field::KERBEROS_CLIENT_CIPHERS,
    field::KERBEROS_TICKET_CIPHER,
    field::KERBEROS_ERROR_CODE,
    field::KERBEROS_ERROR_NAME,
    field::LDAP_VERSION,
    field::LDAP_MECHANISM,
    field::LDAP_RESULT_CODE,
    field::LDAP_RESULT_NAME,
    field::SMB_VERSION,
    field::SMB_DIALECT,
    field::SMB_CLIENT_DIALECTS,
    field::SMB_SIGNING_REQUIRED,
    field::SMB_STATUS,
    field::RDP_REQUESTED,
    field::RDP_SELECTED,
    field::RDP_FAILURE,
    field::RDP_CLIENT_BUILD,
    field::SMTP_RECEIVERS,
    field::SMTP_REPLY,
    field::DHCP_TYPE,
    field::DHCP_VENDOR_CLASS,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_field_has_one_class() {
        let all: Vec<&str> = CLASSES
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        let different: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), different.len());
        assert_eq!(class("rdp.cookie"), Some(Class::User));
        assert_eq!(class("source.ip"), Some(Class::Address));
        assert_eq!(class("made.up"), None);
    }
}
