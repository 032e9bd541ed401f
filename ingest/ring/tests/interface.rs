//! The ring on real interfaces of the kernel, in a network namespace of each test's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that panics is a test that fails"
)]

#[path = "interface/namespace.rs"]
mod namespace;

use std::{
    net::{SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

use ingest_ring::{Filter, Group, OpenError, Ring, RingError, RingOptions};
use namespace::{inside, ip};

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(10);

fn options(group: Group, filter: Option<&str>) -> RingOptions {
    RingOptions {
        bytes: 4 << 20,
        promiscuous: true,
        filter: filter.map(|text| Filter::parse(text).unwrap()),
        group,
    }
}

/// Sends datagrams over the loopback, to a port on which nobody answers.
fn send(to: &str, ports: std::ops::Range<u16>) {
    let to: SocketAddr = to.parse().unwrap();
    let any: SocketAddr = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }
        .parse()
        .unwrap();
    let socket = UdpSocket::bind(any).unwrap();
    for port in ports {
        socket
            .send_to(&port.to_be_bytes(), SocketAddr::new(to.ip(), port))
            .unwrap();
    }
}

/// What waits in a ring until nothing more comes for as long as a block is kept back.
fn frames(ring: &mut Ring) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(block) = ring.next_block(Duration::from_millis(500)).unwrap() {
        let mut walk = block.frames();
        found.extend(
            walk.by_ref()
                .filter(|frame| !frame.is_double)
                .map(|frame| frame.bytes.to_vec()),
        );
        assert_eq!(walk.unread(), 0);
    }
    found
}

fn loopback() {
    ip("link set lo up");
    // It is switched off with the rest of IPv6.
    std::fs::write("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "0").unwrap();
    ip("-6 addr replace ::1/128 dev lo");
}

#[test]
fn each_packet_of_the_loopback_is_told_once() {
    inside("each_packet_of_the_loopback_is_told_once", || {
        loopback();
        for to in ["127.0.0.1:0", "[::1]:0"] {
            // Answers that nobody listens there are not wanted.
            let mut ring = Ring::open("lo", options(Group::Alone, Some("udp"))).unwrap();
            send(to, 9_000..9_010);
            ring.start().unwrap();
            send(to, 9_010..9_110);
            let found = frames(&mut ring);
            let ports: Vec<u16> = found
                .iter()
                .map(|bytes| u16::from_be_bytes(bytes[bytes.len() - 2..].try_into().unwrap()))
                .collect();
            assert_eq!(
                ports,
                (9_010..9_110).collect::<Vec<_>>(),
                "{to}: nothing before the gate is open"
            );
            let counted = ring.statistics().unwrap();
            assert_eq!(
                (counted.packets, counted.drops),
                (200, 0),
                "{to}: each is counted twice"
            );
            assert_eq!(ring.statistics().unwrap().packets, 0, "{to}: since the last call");
        }
    });
}

#[test]
fn the_kernel_takes_what_the_filter_takes() {
    inside("the_kernel_takes_what_the_filter_takes", || {
        loopback();
        for (to, texts) in [
            (
                "127.0.0.1:0",
                [
                    "host 127.0.0.1",
                    "net 127.0.0.0/8 and ip",
                    "udp portrange 9000-9009",
                ],
            ),
            (
                "[::1]:0",
                ["host ::1", "not ip and udp", "udp portrange 9000-9009"],
            ),
        ] {
            for text in texts {
                let mut both = ["", "not "].map(|not| {
                    let text = format!("udp and dst port 9005 and {not}({text})");
                    Ring::open("lo", options(Group::Alone, Some(&text))).unwrap()
                });
                for ring in &mut both {
                    ring.start().unwrap();
                }
                send(to, 9_000..9_020);
                let found = both.each_mut().map(|ring| frames(ring).len());
                assert_eq!(found, [1, 0], "{to} {text}");
            }
        }
    });
}

#[test]
fn members_of_a_group_share_what_comes() {
    inside("members_of_a_group_share_what_comes", || {
        loopback();
        for to in ["127.0.0.1:0", "[::1]:0"] {
            let mut first = Ring::open("lo", options(Group::New, Some("udp"))).unwrap();
            let group = Group::Join(first.group().unwrap());
            let mut second = Ring::open("lo", options(group, Some("udp"))).unwrap();
            first.start().unwrap();
            second.start().unwrap();
            send(to, 9_000..9_200);
            let (one, other) = (frames(&mut first), frames(&mut second));
            assert_eq!(one.len() + other.len(), 200, "{to}");
            assert!(
                !one.is_empty() && !other.is_empty(),
                "{to}: {} and {}",
                one.len(),
                other.len()
            );
            let again = Ring::open("lo", options(Group::New, None)).unwrap();
            assert_ne!(
                group,
                Group::Join(again.group().unwrap()),
                "{to}: a group of its own"
            );
        }
    });
}

#[test]
fn an_interface_that_goes_away_is_told_after_what_came_before() {
    inside(
        "an_interface_that_goes_away_is_told_after_what_came_before",
        || {
            for gone in ["link del near", "link set near down"] {
                namespace::cable();
                let mut ring = Ring::open("near", options(Group::Alone, None)).unwrap();
                ring.start().unwrap();
                ip(gone);
                let told = loop {
                    match ring.next_block(PATIENCE) {
                        Ok(Some(_)) => {}
                        Ok(None) => panic!("{gone}: nothing was told"),
                        Err(error) => break error,
                    }
                };
                assert!(matches!(told, RingError::Lost), "{gone}: {told:?}");
                let again = Ring::open("near", options(Group::Alone, None)).unwrap_err();
                if gone == "link del near" {
                    assert!(matches!(again, OpenError::NoInterface { .. }), "{again:?}");
                } else {
                    assert!(matches!(again, OpenError::Down { .. }), "{again:?}");
                    assert!(again.to_string().contains("ip link set near up"), "{again}");
                    ip("link del near");
                }
            }
        },
    );
}

/// Also the block that the kernel had only begun to fill.
#[test]
fn what_came_just_before_an_interface_goes_down_is_read() {
    inside("what_came_just_before_an_interface_goes_down_is_read", || {
        for to in ["127.0.0.1:0", "[::1]:0"] {
            loopback();
            let mut ring = Ring::open("lo", options(Group::Alone, Some("udp"))).unwrap();
            ring.start().unwrap();
            send(to, 7_000..7_010);
            ip("link set lo down");
            let mut found = 0;
            let told = loop {
                match ring.next_block(PATIENCE) {
                    Ok(Some(block)) => {
                        found += block.frames().filter(|frame| !frame.is_double).count();
                    }
                    Ok(None) => panic!("{to}: nothing was told"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(told, RingError::Lost), "{to}: {told:?}");
            assert_eq!(found, 10, "{to}");
        }
    });
}

#[test]
fn what_is_no_ethernet_is_refused() {
    inside("what_is_no_ethernet_is_refused", || {
        ip("link set lo up");
        let error = Ring::open("nothing", options(Group::Alone, None)).unwrap_err();
        assert!(
            error.to_string().contains("there is no such interface"),
            "{error}"
        );
        let words = ["tuntap", "add", "dev", "away", "mode", "tun"];
        let made = Command::new("ip").args(words).output().unwrap();
        if !made.status.success() {
            return println!("skipped: no tunnel can be made here");
        }
        ip("link set away up");
        let error = Ring::open("away", options(Group::Alone, None)).unwrap_err();
        assert!(
            matches!(error, OpenError::NotEthernet { hardware: 65_534, .. }),
            "{error:?}"
        );
    });
}
