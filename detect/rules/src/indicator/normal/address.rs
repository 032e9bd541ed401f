//! Addresses and prefixes: canonical, and none that is on every machine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use detect_alert::IndicatorKind;
use ipnet::IpNet;

use super::{Notes, Reason, Refusals, Refused, malformed, poison, short};

/// Shorter IPv4 prefixes are more than any one operator has.
const PREFIX_V4_MIN: u8 = 8;

/// Shorter IPv6 prefixes are more than any one operator has: the largest allocations are /19.
const PREFIX_V6_MIN: u8 = 19;

/// The last part of the longest address with its prefix, port and brackets has no more bytes than this.
const ADDRESS_BYTES_MAX: usize = 56;

/// An address, with or without the brackets of a URL. Fails fast on what begins like no address.
pub(super) fn read(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let bytes = bare.as_bytes();
    let is_likely = bytes.len() <= ADDRESS_BYTES_MAX
        && match bytes.first() {
            Some(b':') => true,
            Some(first) if first.is_ascii_digit() => {
                bytes.last().is_some_and(u8::is_ascii_hexdigit) || bytes.ends_with(b":")
            }
            Some(first) => first.is_ascii_hexdigit() && memchr::memchr(b':', bytes).is_some(),
            None => false,
        };
    is_likely.then(|| bare.parse().ok()).flatten()
}

/// An address, and whether a port stood behind it.
pub(super) fn read_with_port(text: &str) -> Option<(IpAddr, bool)> {
    if let Some(address) = read(text) {
        return Some((address, false));
    }
    // `192.0.2.1:443`, `[2001:db8::1]:443`, and MISP's `192.0.2.1|443`, `2001:db8::1|443`.
    let (host, port) = text.rsplit_once('|').or_else(|| {
        let parts = text.rsplit_once(':')?;
        (parts.0.ends_with(']') || !parts.0.contains(':')).then_some(parts)
    })?;
    let is_port = port.parse::<u16>().is_ok();
    is_port
        .then(|| read(host))
        .flatten()
        .map(|address| (address, true))
}

pub(super) fn address(text: &str, refusals: &Refusals, notes: &mut Notes) -> Result<String, Refused> {
    let (address, has_port) = read_with_port(text).ok_or_else(|| {
        let detail = format!("`{}` is no IPv4 or IPv6 address", short(text));
        malformed(&detail, "correct the address")
    })?;
    notes.has_port = has_port;
    let address = address.to_canonical();
    fit_for_use(address, address, refusals)?;
    // What is written as it is read needs no second look, and an IPv4 address can be written in one way only.
    Ok(match address {
        IpAddr::V4(_) if !has_port && text.len() <= 15 && text.is_ascii() => text.to_owned(),
        _ => address.to_string(),
    })
}

/// A prefix in normal form; one of a single address is that address.
pub(super) fn prefix(text: &str, refusals: &Refusals) -> Result<(IndicatorKind, String), Refused> {
    let net: IpNet = text.parse().map_err(|_| {
        let detail = format!("`{}` is no prefix", short(text));
        malformed(&detail, "write address/length")
    })?;
    let net = canonical(net);
    let least = match net {
        IpNet::V4(_) => PREFIX_V4_MIN,
        IpNet::V6(_) => PREFIX_V6_MIN,
    };
    if net.prefix_len() < least {
        return Err(poison(
            Reason::WidePrefix,
            &format!(
                "/{} is more than one operator has (at least /{least})",
                net.prefix_len()
            ),
        ));
    }
    if net.addr() != net.network() {
        let detail = format!("{net} has bits set after its length");
        return Err(malformed(
            &detail,
            &format!("write {}, or the address without a length", net.trunc()),
        ));
    }
    fit_for_use(net.network(), net.broadcast(), refusals)?;
    if net.prefix_len() == net.max_prefix_len() {
        Ok((IndicatorKind::Address, net.addr().to_string()))
    } else {
        Ok((IndicatorKind::Cidr, net.to_string()))
    }
}

/// IPv4 written as IPv6 (`::ffff:192.0.2.0/120`) is IPv4.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped();
    match (mapped, v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(length)) => IpNet::new(IpAddr::V4(v4), length).unwrap_or(net),
        _ => net,
    }
}

/// Refuses a range of addresses that touches one which no indicator may name.
pub(super) fn fit_for_use(first: IpAddr, last: IpAddr, refusals: &Refusals) -> Result<(), Refused> {
    let own = refusals
        .own_networks
        .iter()
        .find(|own| own.network() <= last && first <= own.broadcast() && same_family(own, first));
    if let Some(own) = own {
        return Err(poison(
            Reason::OwnNetwork,
            &format!("it is in {own}, one of the organisations' own networks"),
        ));
    }
    let bad = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => SPECIAL.v4.touching(first, last, refusals),
        (IpAddr::V6(first), IpAddr::V6(last)) => SPECIAL.v6.touching(first, last, refusals),
        _ => None,
    };
    match bad {
        None => Ok(()),
        Some((reason, what)) if first == last => Err(poison(reason, &format!("{first} is {what}"))),
        Some((reason, what)) => Err(poison(reason, &format!("it holds addresses that are {what}"))),
    }
}

fn same_family(net: &IpNet, address: IpAddr) -> bool {
    net.addr().is_ipv4() == address.is_ipv4()
}

/// The blocks of `special.tsv`.
struct Special {
    v4: Blocks<Ipv4Addr>,
    v6: Blocks<Ipv6Addr>,
}

/// Blocks of one family, sorted; no two overlap.
struct Blocks<A>(Vec<Block<A>>);

struct Block<A> {
    first: A,
    last: A,
    reason: Reason,
    what: &'static str,
}

impl<A: Ord + Copy> Blocks<A> {
    /// The first block with an address of the range that is to be refused.
    fn touching(&self, first: A, last: A, refusals: &Refusals) -> Option<(Reason, &'static str)> {
        let start = self.0.partition_point(|block| block.last < first);
        let touched = self.0.iter().skip(start).take_while(|block| block.first <= last);
        let mut refused = touched.filter(|block| match block.reason {
            Reason::PrivateAddress => refusals.private,
            Reason::DocumentationAddress => refusals.documentation,
            _ => true,
        });
        refused.next().map(|block| (block.reason, block.what))
    }
}

static SPECIAL: LazyLock<Special> = LazyLock::new(|| {
    let mut special = Special {
        v4: Blocks(Vec::new()),
        v6: Blocks(Vec::new()),
    };
    let rows = include_str!("special.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'));
    for row in rows {
        let mut cells = row.split('\t');
        let (Some(net), Some(class), Some(what)) = (cells.next(), cells.next(), cells.next()) else {
            continue;
        };
        let reason = match class {
            "private" => Reason::PrivateAddress,
            "documentation" => Reason::DocumentationAddress,
            "resolver" => Reason::PublicResolver,
            _ => Reason::SpecialAddress,
        };
        match net.parse() {
            Ok(IpNet::V4(net)) => special.v4.0.push(Block {
                first: net.network(),
                last: net.broadcast(),
                reason,
                what,
            }),
            Ok(IpNet::V6(net)) => special.v6.0.push(Block {
                first: net.network(),
                last: net.broadcast(),
                reason,
                what,
            }),
            Err(_) => {}
        }
    }
    special.v4.0.sort_by_key(|block| block.first);
    special.v6.0.sort_by_key(|block| block.first);
    special
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_read_and_none_overlap() {
        let rows = include_str!("special.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count();
        assert_eq!(SPECIAL.v4.0.len() + SPECIAL.v6.0.len(), rows);
        assert!(SPECIAL.v4.0.windows(2).all(|pair| pair[0].last < pair[1].first));
        assert!(SPECIAL.v6.0.windows(2).all(|pair| pair[0].last < pair[1].first));
        let resolvers = |reason: &Reason| *reason == Reason::PublicResolver;
        let v4 = SPECIAL
            .v4
            .0
            .iter()
            .filter(|block| resolvers(&block.reason))
            .count();
        let v6 = SPECIAL
            .v6
            .0
            .iter()
            .filter(|block| resolvers(&block.reason))
            .count();
        assert!(v4 <= v6 + 2, "{v4} IPv4 and {v6} IPv6: both families alike");
    }
}
