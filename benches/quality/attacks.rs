//! Attacks with a label, from a seed, to be hidden in a benign day: fast and slow ones of each kind.
//!
//! Those who are infected are machines that have a benign day besides; who attacks from outside has an address that
//! nobody else has. Written after how the tools behave, not after what the rules look for.

mod doors;
mod names;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ingest_event::Timestamp;

use super::benign::{Day, Host, Service, Visit};
use super::draw::Draw;
use super::happening::{Flow, State};
use super::label::{Attack, Kind};

/// Attacks of a day: what was done to it, and by whom.
#[derive(Debug)]
pub struct Hidden<'a> {
    day: &'a mut Day,
    draw: Draw,
    number: u32,
    hosts: u64,
    attacks: Vec<Attack>,
}

/// Hides a day's attacks in it and labels them. Machines from `hosts` on are infected, one after another.
pub fn hide(day: &mut Day, seed: u64, number: u32, hosts: u64) -> Vec<Attack> {
    let mut hidden = Hidden {
        draw: Draw::new(seed, (u64::from(number) + 1) << 48),
        day,
        number,
        hosts,
        attacks: Vec::new(),
    };
    hidden.beacons();
    hidden.leaks();
    doors::scans(&mut hidden);
    doors::passwords(&mut hidden);
    names::tunnels(&mut hidden);
    names::generated(&mut hidden);
    hidden.attacks
}

/// Machines that are infected, among others of two racks of desks; the same on each day.
#[must_use]
pub const fn infected(hosts: u64) -> std::ops::Range<u64> {
    let first = (hosts / 50 + 1) * 50;
    first..first + 100
}

impl Hidden<'_> {
    /// The next machine that is infected, one at a desk.
    fn infected(&self) -> Host {
        let place = self.attacks.len() as u64;
        // Desks are the places from 18 to 49 of fifty, without 25.
        Host::new(infected(self.hosts).start + (place / 24) * 50 + 26 + place % 24)
    }

    /// Whether this attack goes over IPv6: every other one.
    fn is_v6(&self) -> bool {
        self.attacks.len() % 2 == 1
    }

    /// An address outside that is the attacker's alone.
    fn attacker(&self) -> IpAddr {
        let low = self.number * 100 + u32::try_from(self.attacks.len()).unwrap_or(0) + 1;
        if self.is_v6() {
            Ipv6Addr::from(0x2001_0db8_0bad_0000_0000_0000_0000_0000_u128 | u128::from(low)).into()
        } else {
            Ipv4Addr::from(0xcb00_7100 + low).into()
        }
    }

    fn label(&mut self, kind: Kind, name: String, parties: &[IpAddr], from: f64, until: f64) {
        let family = if self.is_v6() { "IPv6" } else { "IPv4" };
        self.attacks.push(Attack {
            name: format!("{name}, {family}"),
            kind,
            parties: parties.iter().map(IpAddr::to_string).collect(),
            from: Timestamp::from_nanos(self.day.nanos(from)),
            until: Timestamp::from_nanos(self.day.nanos(until)),
        });
    }

    /// Calls home of 1 to 30 minutes, to 30 % off, for four to eight hours, over TLS with a name.
    fn beacons(&mut self) {
        for period in [60.0, 300.0, 600.0, 1_800.0] {
            for jitter in [0.0, 0.1, 0.2, 0.3] {
                let (host, to) = (self.infected(), self.attacker());
                let domain = format!("{}.example", self.draw.text(b"abcdefghiklmnoprstuvy", 9));
                let service = Service {
                    name: domain.into(),
                    v4: to,
                    v6: None,
                    port: 443,
                };
                let from = self.draw.between(1.0, 14.0) * 3_600.0;
                let hours = self.draw.between(4.0, 8.0);
                let until = from + hours * 3_600.0;
                let sent = 400 + self.draw.below(900);
                let mut at = from;
                while at < until {
                    self.calls(&host, &service, at, sent);
                    at += period * (1.0 + self.draw.between(-jitter, jitter));
                }
                let name = format!("each {} s ± {:.0} %", period, jitter * 100.0);
                self.label(Kind::Beacon, name, &[host.address(to.is_ipv6()), to], from, until);
            }
        }
    }

    /// Once in forty the beacon has orders and sends more than usual.
    fn calls(&mut self, host: &Host, to: &Service, at: f64, sent: u64) {
        let sent = match self.draw.below(40) {
            0 => self.draw.size(20_000.0, 1.0),
            _ => sent + self.draw.below(30),
        };
        let is_v6 = to.v4.is_ipv6();
        let visit = Visit::tls(self.draw.between(0.2, 1.2), sent, 250 + self.draw.below(60));
        if self.draw.happens(visit.asks) {
            self.day.asks(host, at - 0.05, &to.name, true);
        }
        let from = host.address(is_v6);
        let hello = super::happening::What::Hello {
            from,
            to: to.v4,
            port: to.port,
            server: Some(to.name.clone()),
        };
        self.day.add(host.zone(), at + 0.03, 0.0, hello);
        let flow = Flow {
            from,
            to: to.v4,
            port: to.port,
            state: State::Closed,
            sent: visit.sent,
            received: visit.received,
        };
        self.day.flow(host.zone(), at, visit.lasts, flow);
    }

    /// 2 to 20 GB leave: at once, in parts, at night, to a store of files.
    fn leaks(&mut self) {
        for (gigabytes, parts, hours) in [
            (2.0, 1, 0.5),
            (2.0, 40, 3.0),
            (5.0, 1, 1.0),
            (5.0, 200, 8.0),
            (10.0, 20, 2.0),
            (20.0, 4, 3.0),
        ] {
            let (host, to) = (self.infected(), self.attacker());
            let from = self.draw.between(0.0, 15.0) * 3_600.0;
            let each = hours * 3_600.0 / f64::from(parts);
            for part in 0..parts {
                let sent = (gigabytes * 1e9 / f64::from(parts)) as u64;
                let flow = Flow {
                    from: host.address(to.is_ipv6()),
                    to,
                    port: if part % 2 == 0 { 443 } else { 22 },
                    state: State::Closed,
                    sent,
                    received: sent / 120,
                };
                self.day
                    .flow(host.zone(), from + each * f64::from(part), each * 0.9, flow);
            }
            let name = format!("{gigabytes} GB in {parts} flows over {hours} h");
            let until = from + hours * 3_600.0;
            self.label(
                Kind::Exfiltration,
                name,
                &[host.address(to.is_ipv6()), to],
                from,
                until,
            );
        }
    }
}
