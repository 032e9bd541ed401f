//! Fields that follow from others: direction, address family, sums, URL parts, resolved addresses.

use std::net::IpAddr;

use ingest_event::{Fields, Value, field};
use ipnet::IpNet;

use super::columns::whole;

/// `inbound`, `outbound`, `internal` or `external`, by which sides are ours; `None` without configured networks. What is
/// sent to a group or to everybody on the wire stays where it was sent from, as in events of captures.
#[must_use]
pub fn direction(source: IpAddr, destination: IpAddr, home_networks: &[IpNet]) -> Option<&'static str> {
    if home_networks.is_empty() {
        return None;
    }
    let source_is_home = is_home(source, home_networks);
    let destination_is_home = if is_everybody(destination) {
        source_is_home
    } else {
        is_home(destination, home_networks)
    };
    Some(match (source_is_home, destination_is_home) {
        (true, true) => "internal",
        (true, false) => "outbound",
        (false, true) => "inbound",
        (false, false) => "external",
    })
}

/// Whether it is a group's address or that of everybody on the wire, and so names no machine.
pub(crate) fn is_everybody(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_broadcast() || address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast(),
    }
}

/// Whether an address is in one of our networks.
#[must_use]
pub fn is_home(address: IpAddr, home_networks: &[IpNet]) -> bool {
    home_networks.iter().any(|network| network.contains(&address))
}

/// Adds what follows from the fields there are; what the source says itself is kept.
pub(super) fn complete(fields: &mut Fields, home_networks: &[IpNet]) {
    let address = |name| fields.text(name).and_then(|text| text.parse::<IpAddr>().ok());
    let (source, destination) = (address(field::SOURCE_IP), address(field::DESTINATION_IP));
    let (Some(source), Some(destination)) = (source, destination) else {
        return;
    };
    if fields.get(field::NETWORK_TYPE).is_none() {
        fields.set(
            field::NETWORK_TYPE,
            if source.is_ipv4() { "ipv4" } else { "ipv6" },
        );
    }
    if fields.get(field::NETWORK_DIRECTION).is_none() {
        fields.set_some(
            field::NETWORK_DIRECTION,
            direction(source, destination, home_networks),
        );
    }
}

/// Sums both directions.
pub(super) fn sum(fields: &mut Fields) {
    for (total, one, other) in [
        (
            field::NETWORK_BYTES,
            field::SOURCE_BYTES,
            field::DESTINATION_BYTES,
        ),
        (
            field::NETWORK_PACKETS,
            field::SOURCE_PACKETS,
            field::DESTINATION_PACKETS,
        ),
    ] {
        let count = |name| fields.get(name).and_then(whole);
        if let (Some(one), Some(other)) = (count(one), count(other)) {
            fields.set(total, one.saturating_add(other));
        }
    }
}

/// Takes source and destination the other way round: for answers whose reporter names the server first.
pub(super) fn swap_sides(fields: &mut Fields) {
    for (one, other) in [
        (field::SOURCE_IP, field::DESTINATION_IP),
        (field::SOURCE_PORT, field::DESTINATION_PORT),
        (field::SOURCE_BYTES, field::DESTINATION_BYTES),
        (field::SOURCE_PACKETS, field::DESTINATION_PACKETS),
    ] {
        let (left, right) = (fields.remove(one), fields.remove(other));
        fields.set_some(one, right);
        fields.set_some(other, left);
    }
}

/// Sets `dns.resolved_ip` from the addresses among the answers.
pub(super) fn resolved(fields: &mut Fields) {
    let Some(data) = fields.get(field::DNS_ANSWERS_DATA) else {
        return;
    };
    let addresses: Vec<Value> = data
        .each()
        .filter_map(|item| item.as_str()?.parse::<IpAddr>().ok())
        .map(Value::from)
        .collect();
    if !addresses.is_empty() {
        fields.set(field::DNS_RESOLVED_IP, Value::List(addresses));
    }
}

/// Sets `url.*` from a Host header and a request target (RFC 9112 section 3.2).
pub(super) fn url(fields: &mut Fields, host: Option<&str>, target: Option<&str>) {
    let domain = host.map(|host| host_without_port(host).trim_end_matches('.').to_lowercase());
    fields.set_some(field::URL_DOMAIN, domain.filter(|domain| !domain.is_empty()));
    let Some(target) = target.filter(|target| !target.is_empty()) else {
        return;
    };
    let absolute = target
        .split_once("://")
        .filter(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let origin_form = match absolute {
        Some((_, rest)) => rest
            .find(['/', '?'])
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/"),
        None => target,
    };
    let original = match host {
        Some(host) if absolute.is_none() && target.starts_with('/') => format!("http://{host}{target}"),
        Some(_) | None => target.to_owned(),
    };
    fields.set(field::URL_ORIGINAL, original);
    if !origin_form.starts_with(['/', '?']) {
        // CONNECT's authority and OPTIONS' asterisk have no path.
        return;
    }
    let (path, query) = match origin_form.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (origin_form, None),
    };
    fields.set(field::URL_PATH, if path.is_empty() { "/" } else { path });
    fields.set_some(field::URL_QUERY, query.filter(|query| !query.is_empty()));
}

/// The host of `host:port` and `[address]:port`.
fn host_without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    match host.rsplit_once(':') {
        // A bare IPv6 address has more than one colon and no port.
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_to_a_group_stays_where_it_was_sent_from() {
        let home = ["10.20.0.0/24", "2001:db8:20::/64"].map(|text| text.parse().expect("a network"));
        for (source, destination, expected) in [
            ("10.20.0.5", "224.0.0.251", "internal"),
            ("2001:db8:20::5", "ff02::fb", "internal"),
            ("10.20.0.5", "255.255.255.255", "internal"),
            ("192.0.2.5", "239.1.2.3", "external"),
            ("2001:db8::5", "ff05::2", "external"),
            ("10.20.0.5", "192.0.2.5", "outbound"),
            ("2001:db8:20::5", "2001:db8::5", "outbound"),
            ("192.0.2.5", "10.20.0.5", "inbound"),
            ("2001:db8::5", "2001:db8:20::5", "inbound"),
        ] {
            let [source, destination] = [source, destination].map(|text| text.parse().expect("an address"));
            assert_eq!(
                direction(source, destination, &home),
                Some(expected),
                "{source} {destination}"
            );
            assert_eq!(direction(source, destination, &[]), None);
        }
    }
}
