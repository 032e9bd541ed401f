//! Which interface is listened to when none is named: the one at a mirror port, or else the one to the Internet.
//!
//! A mirror port's interface has packets but no address, and so no route. Read from what the kernel says of the network that
//! we are in; deciding is a function of that text alone.

use std::{collections::BTreeSet, fs, path::Path};

/// What the kernel says, as in `/proc/net`.
#[derive(Clone, Copy)]
struct Told<'a> {
    /// `dev`: name, then counters of what was received.
    traffic: &'a str,
    /// `route`: name, destination, …, mask, in hexadecimal.
    routes: &'a str,
    /// `if_inet6`: address, index, prefix, scope, flags, name.
    addresses6: &'a str,
    /// `ipv6_route`: destination, prefix, …, name.
    routes6: &'a str,
}

/// `if_inet6`'s scope of addresses that every interface has.
const LINK_LOCAL: &str = "20";

/// The interface to listen to on this machine.
pub(super) fn choose_here() -> Option<String> {
    let read = |name: &str| fs::read_to_string(Path::new("/proc/net").join(name)).unwrap_or_default();
    let (traffic, routes, addresses6, routes6) =
        (read("dev"), read("route"), read("if_inet6"), read("ipv6_route"));
    let told = Told {
        traffic: &traffic,
        routes: &routes,
        addresses6: &addresses6,
        routes6: &routes6,
    };
    // One with a device behind it, and no part of a bond or a bridge.
    let is_real = |name: &str| {
        let folder = Path::new("/sys/class/net").join(name);
        folder.join("device").exists() && !folder.join("master").exists()
    };
    choose(&told, is_real)
}

fn choose(told: &Told<'_>, is_real: impl Fn(&str) -> bool) -> Option<String> {
    let with_address: BTreeSet<&str> = words(told.routes)
        .filter_map(|words| words.first().copied())
        .chain(words(told.addresses6).filter_map(|words| match words[..] {
            [_, _, _, scope, _, name] if scope != LINK_LOCAL => Some(name),
            _ => None,
        }))
        .collect();
    let received = told.traffic.lines().filter_map(|line| {
        let (name, counters) = line.split_once(':')?;
        let packets: u64 = counters.split_whitespace().nth(1)?.parse().ok()?;
        Some((packets, name.trim()))
    });
    let mirror = received
        .filter(|(packets, name)| *packets != 0 && !with_address.contains(name) && is_real(name))
        .max();
    let default4 = words(told.routes).find_map(|words| match words[..] {
        [name, "00000000", _, _, _, _, _, "00000000", ..] => Some(name),
        _ => None,
    });
    let default6 = words(told.routes6).find_map(|words| match words[..] {
        [destination, "00", .., name] if destination.bytes().all(|digit| digit == b'0') && name != "lo" => {
            Some(name)
        }
        _ => None,
    });
    mirror
        .map(|(_, name)| name)
        .or(default4)
        .or(default6)
        .map(str::to_owned)
}

fn words(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAFFIC: &str = "Inter-|   Receive
 face |bytes    packets errs
    lo: 1000 100 0
  eth0: 5000 50 0
  eth1: 9000 90 0
 docker0: 9000 900 0
  eth2:0 0 0
";
    const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0
";
    const ADDRESSES6: &str = "fe8000000000000000fc00fffe000001 04 40 20 80 eth1
20010db8000000000000000000000002 04 40 00 82 eth0
";
    const ROUTES6: &str = "\
20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo
00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000400 00000003 00000000 00000003 eth0
";

    #[track_caller]
    fn check(told: &Told<'_>, expected: Option<&str>) {
        let is_real = |name: &str| name.starts_with("eth");
        assert_eq!(choose(told, is_real).as_deref(), expected);
    }

    #[test]
    fn a_mirror_port_comes_before_the_way_out() {
        let told = Told {
            traffic: TRAFFIC,
            routes: ROUTES,
            addresses6: ADDRESSES6,
            routes6: ROUTES6,
        };
        check(&told, Some("eth1"));
        // With an address of either family it is none.
        let routed = format!("{ROUTES}eth1\t000300C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n");
        check(
            &Told {
                routes: &routed,
                ..told
            },
            Some("eth0"),
        );
        let addressed = format!("{ADDRESSES6}20010db8000000000000000000000003 05 40 00 82 eth1\n");
        check(
            &Told {
                addresses6: &addressed,
                ..told
            },
            Some("eth0"),
        );
        // Over IPv6 alone.
        let silent = TRAFFIC.replace("9000 90 0", "0 0 0");
        check(
            &Told {
                traffic: &silent,
                routes: "",
                ..told
            },
            Some("eth0"),
        );
        check(
            &Told {
                traffic: "",
                routes: "",
                addresses6: "",
                routes6: "",
            },
            None,
        );
    }
}
