//! A benign day of a municipality, from a seed: what a thousand machines and more do when nothing is wrong.
//!
//! Of a hundred machines 62 stand in offices, 20 in schools, 6 in health, 8 in buildings and 4 in the server room; half
//! of what can goes over IPv6. Habits are in `habits` and `machines`. Much of it is regular on purpose: mail that
//! is fetched each five minutes, agents that report, dashboards that poll, building systems that call their maker.
//!
//! Not in it, since the rules say that an operator has to name it: an inventory or vulnerability scanner of one's own,
//! and scripts that try an expired password each minute. Nobody's traffic: every number is in these files.

mod habits;
mod machines;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ingest_event::Zone;

use super::draw::Draw;
use super::happening::{Flow, Happening, Name, SECOND, State, What};

/// Seconds of a day.
pub const DAY: f64 = 86_400.0;

/// Midnight of the first day: Monday, 2 March 2026, UTC.
pub const MONDAY: i64 = 1_772_409_600_000_000_000;

/// A machine of the municipality.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// From 0 on.
    pub number: u64,
    /// What it is.
    pub role: Role,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A desk in an office.
    Office,
    /// A pupil's machine.
    Pupil,
    /// A ward, day and night.
    Ward,
    /// Heating, doors, cameras.
    Building,
    /// In the server room.
    Server,
}

impl Host {
    /// The machine with this number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let role = match number % 50 {
            0 | 25 => Role::Server,
            1..=4 => Role::Building,
            5..=7 => Role::Ward,
            8..=17 => Role::Pupil,
            _ => Role::Office,
        };
        let low = u32::try_from(number).unwrap_or(0) + 0x100;
        let net = 0x0a14_0000_u32 + ((role as u32) << 16);
        let high = 0x2001_0db8_0020_0000_0000_0000_0000_0000_u128 | ((role as u128) << 64);
        Self {
            number,
            role,
            v4: Ipv4Addr::from(net | low),
            v6: Ipv6Addr::from(high | u128::from(low)),
        }
    }

    /// Its address of a family.
    #[must_use]
    pub fn address(&self, is_v6: bool) -> IpAddr {
        if is_v6 { self.v6.into() } else { self.v4.into() }
    }

    /// Both its addresses.
    #[must_use]
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }

    /// Where it stands.
    #[must_use]
    pub const fn zone(&self) -> Zone {
        match self.role {
            Role::Office => Zone::Administration,
            Role::Building => Zone::Ot,
            Role::Server => Zone::Dmz,
            Role::Pupil => Zone::School,
            Role::Ward => Zone::Health,
        }
    }
}

/// A service that machines talk to.
#[derive(Clone, Debug)]
pub struct Service {
    /// What it is called.
    pub name: Box<str>,
    /// Over IPv4.
    pub v4: IpAddr,
    /// Over IPv6, if it has that.
    pub v6: Option<IpAddr>,
    /// There.
    pub port: u16,
}

impl Service {
    /// On the outside, by a number: a site with few or many visitors.
    #[must_use]
    pub fn outside(number: u64, name: &str, port: u16) -> Self {
        let low = u32::try_from(number).unwrap_or(0);
        let v6 = Ipv6Addr::from(0x2001_0db8_00ff_0000_0000_0000_0000_0000_u128 | u128::from(low));
        Self {
            name: name.into(),
            v4: Ipv4Addr::from(0xc612_0000 | (low & 0x1_ffff)).into(),
            v6: number.is_multiple_of(2).then(|| v6.into()),
            port,
        }
    }

    /// One of the sites that people read.
    #[must_use]
    pub fn site(number: u64) -> Self {
        Self::outside(1_000 + number, &format!("www.nettsted-{number}.example"), 443)
    }
}

/// A day that is being made.
#[derive(Clone, Debug)]
pub struct Day {
    midnight: i64,
    happenings: Vec<Happening>,
}

impl Day {
    /// An empty one, by its number from Monday on.
    #[must_use]
    pub fn new(number: u32) -> Self {
        Self {
            midnight: MONDAY + (f64::from(number) * DAY * SECOND) as i64,
            happenings: Vec::new(),
        }
    }

    /// Whether it is a Saturday or Sunday.
    #[must_use]
    pub const fn is_weekend(&self) -> bool {
        (self.midnight - MONDAY) / 86_400_000_000_000 % 7 >= 5
    }

    /// A moment of it, in seconds from midnight, as nanoseconds since 1970.
    #[must_use]
    pub fn nanos(&self, at: f64) -> i64 {
        self.midnight + (at * SECOND) as i64
    }

    /// Adds a thing that takes a while.
    pub fn add(&mut self, zone: Zone, at: f64, lasts: f64, what: What) {
        if !(0.0..DAY).contains(&at) {
            return;
        }
        let (began, told) = (self.nanos(at), self.nanos(at + lasts));
        self.happenings.push(Happening {
            told,
            began,
            zone,
            what,
        });
    }

    /// A flow.
    pub fn flow(&mut self, zone: Zone, at: f64, lasts: f64, flow: Flow) {
        self.add(zone, at, lasts, What::Flow(flow));
    }

    /// A question for a name and its answer.
    pub fn name(&mut self, zone: Zone, at: f64, name: Name) {
        let found = name.found.unwrap_or(true);
        let question = Name {
            found: None,
            ..name.clone()
        };
        self.add(zone, at, 0.0, What::Name(question));
        let answer = Name {
            found: Some(found),
            ..name
        };
        self.add(zone, at, 0.02, What::Name(answer));
    }

    /// A machine asks the resolver.
    pub fn asks(&mut self, host: &Host, at: f64, name: &str, found: bool) {
        let is_v6 = host.number.is_multiple_of(2);
        self.name(
            host.zone(),
            at,
            Name {
                from: host.address(is_v6),
                to: resolver(is_v6),
                name: name.into(),
                kind: if is_v6 { "AAAA" } else { "A" },
                found: Some(found),
            },
        );
    }

    /// A machine connects to a service: sometimes the name, then the handshake, at last the flow.
    pub fn visit(&mut self, draw: &mut Draw, host: &Host, to: &Service, at: f64, visit: Visit) {
        let is_v6 = to.v6.is_some() && draw.happens(0.5);
        let (from, address) = (host.address(is_v6), to.v6.filter(|_| is_v6).unwrap_or(to.v4));
        if draw.happens(visit.asks) {
            self.asks(host, at - 0.05, &to.name, true);
        }
        if visit.is_tls {
            let what = What::Hello {
                from,
                to: address,
                port: to.port,
                server: Some(to.name.clone()),
            };
            self.add(host.zone(), at + 0.03, 0.0, what);
        }
        let flow = Flow {
            from,
            to: address,
            port: to.port,
            state: visit.state,
            sent: visit.sent,
            received: visit.received,
        };
        self.flow(host.zone(), at, visit.lasts, flow);
    }

    /// In the order in which the sensor tells them; what is told after midnight is left for the next day.
    #[must_use]
    pub fn in_order(mut self) -> (Vec<Happening>, Self) {
        self.happenings.sort_by_key(|happening| happening.told);
        let midnight = self.nanos(DAY);
        let told = self
            .happenings
            .partition_point(|happening| happening.told < midnight);
        let happenings = self.happenings.split_off(told);
        let next = Self { midnight, happenings };
        (self.happenings, next)
    }
}

/// How a machine talks to a service.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// Seconds.
    pub lasts: f64,
    /// Bytes.
    pub sent: u64,
    /// Bytes.
    pub received: u64,
    /// How often the name has to be asked for.
    pub asks: f64,
    /// Whether a handshake is seen.
    pub is_tls: bool,
    /// How it ends.
    pub state: State,
}

impl Visit {
    /// Over TLS.
    #[must_use]
    pub const fn tls(lasts: f64, sent: u64, received: u64) -> Self {
        Self {
            lasts,
            sent,
            received,
            asks: 0.3,
            is_tls: true,
            state: State::Closed,
        }
    }

    /// UDP, without a name.
    #[must_use]
    pub const fn datagrams(lasts: f64, sent: u64, received: u64) -> Self {
        Self {
            lasts,
            sent,
            received,
            asks: 0.0,
            is_tls: false,
            state: State::Datagrams,
        }
    }

    /// TCP without TLS that is seen, inside.
    #[must_use]
    pub const fn plain(lasts: f64, sent: u64, received: u64) -> Self {
        Self {
            is_tls: false,
            asks: 0.05,
            ..Self::tls(lasts, sent, received)
        }
    }
}

/// The municipality's resolver.
#[must_use]
pub fn resolver(is_v6: bool) -> IpAddr {
    if is_v6 {
        Ipv6Addr::from(0x2001_0db8_0020_0000_0000_0000_0000_0035_u128).into()
    } else {
        Ipv4Addr::new(10, 20, 0, 53).into()
    }
}

/// Something inside, by its last number.
#[must_use]
pub fn inside(last: u8, name: &str, port: u16) -> Service {
    Service {
        name: name.into(),
        v4: Ipv4Addr::new(10, 20, 0, last).into(),
        v6: Some(Ipv6Addr::from(0x2001_0db8_0020_0000_0000_0000_0000_0000_u128 | u128::from(last)).into()),
        port,
    }
}

/// Makes what machines `hosts` do on a day. The same seed gives the same day.
pub fn fill(day: &mut Day, seed: u64, number: u32, hosts: std::ops::Range<u64>) {
    for host in hosts {
        let host = Host::new(host);
        // Habits stay from day to day, what is done does not.
        let mut habits = Draw::new(seed, host.number);
        let mut draw = Draw::new(seed, ((u64::from(number) + 1) << 32) | host.number);
        match host.role {
            Role::Office | Role::Pupil | Role::Ward => habits::person(day, &mut habits, &mut draw, &host),
            Role::Building => machines::building(day, &mut habits, &mut draw, &host),
            Role::Server => machines::server(day, &mut habits, &mut draw, &host),
        }
    }
}

/// What happens once in the municipality, whatever the number of machines: noise from outside, mail, logins.
pub fn fill_common(day: &mut Day, seed: u64, number: u32, hosts: u64) {
    let mut draw = Draw::new(seed, (u64::from(number) + 1) << 40);
    machines::noise(day, &mut draw, hosts);
    machines::sweeps(day, &mut draw, hosts);
    machines::mail(day, &mut draw, hosts);
    machines::monitoring(day, &mut draw, hosts);
    machines::logins(day, &mut draw, hosts);
    machines::backup(day, &mut draw, hosts);
}
