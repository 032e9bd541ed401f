//! What others would tell of the same events, after their published definitions; own code.
//!
//! - Zeek 8, `policy/misc/scan.zeek` with its defaults: failed TCP connections of a sender to 25 hosts on one port, or to
//!   15 ports of one host, within 5 minutes; one notice an hour. Counted over the 5 minutes before, where Zeek counts
//!   in periods: that finds no less.
//! - fail2ban 1.1, jail `sshd` with its defaults: five failures of an address within 10 minutes; banned for 10 minutes.
//! - RITA 5: the beacon score of each pair of addresses over a day, [`crate::rita`]; at 0.5, 0.75 and 0.9, where its
//!   classes begin. Contacts to the outside only.

use std::collections::VecDeque;
use std::net::IpAddr;

use ingest_event::{Event, Timestamp, Value, field};
use rustc_hash::{FxHashMap, FxHashSet};

use super::label::{Kind, Told};
use crate::rita;

/// Zeek, a scan of many hosts.
pub const ZEEK_ADDRESS: &str = "Zeek, address scan";
/// Zeek, a scan of many ports.
pub const ZEEK_PORT: &str = "Zeek, port scan";
/// fail2ban.
pub const FAIL2BAN: &str = "fail2ban, sshd";
/// RITA, a score from 0.5 on.
pub const RITA_LOW: &str = "RITA without modifiers, score 0.5";
/// RITA, a score from 0.75 on.
pub const RITA_MEDIUM: &str = "RITA without modifiers, score 0.75";
/// RITA, a score from 0.9 on.
pub const RITA_HIGH: &str = "RITA without modifiers, score 0.9";

/// All of them, with what each is for.
pub const RIVALS: [(&str, Kind); 6] = [
    (ZEEK_ADDRESS, Kind::Scan),
    (ZEEK_PORT, Kind::Scan),
    (FAIL2BAN, Kind::Password),
    (RITA_LOW, Kind::Beacon),
    (RITA_MEDIUM, Kind::Beacon),
    (RITA_HIGH, Kind::Beacon),
];

const MINUTE: i64 = 60_000_000_000;
const SCAN_NANOS: i64 = 5 * MINUTE;
const SCAN_HOSTS: usize = 25;
const SCAN_PORTS: usize = 15;
const SUPPRESSED_NANOS: i64 = 60 * MINUTE;
const FAILURES: usize = 5;
const FAILURES_NANOS: i64 = 10 * MINUTE;
const DAY_NANOS: i64 = 1_440 * MINUTE;

/// What was lately seen of one sender.
#[derive(Debug)]
struct Recent<T> {
    seen: VecDeque<(i64, T)>,
    silent_until: i64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            seen: VecDeque::new(),
            silent_until: i64::MIN,
        }
    }
}

impl<T: Copy + Eq + std::hash::Hash> Recent<T> {
    /// Adds one; how many different ones there are in the time before.
    fn add(&mut self, at: i64, one: T, span: i64) -> usize {
        self.seen.push_back((at, one));
        while self.seen.front().is_some_and(|(then, _)| *then < at - span) {
            self.seen.pop_front();
        }
        let different: FxHashSet<T> = self.seen.iter().map(|(_, one)| *one).collect();
        different.len()
    }

    /// Whether something is to be told now, and not again for so long.
    fn tells(&mut self, at: i64, silence: i64) -> bool {
        let tells = self.silent_until <= at;
        if tells {
            self.silent_until = at + silence;
        }
        tells
    }
}

/// Contacts of a pair: second of the day, bytes sent.
type Contacts = Vec<(u32, u64)>;

/// All rivals over one stream of events.
#[derive(Debug, Default)]
pub struct Rivals {
    hosts: FxHashMap<(IpAddr, u16), Recent<IpAddr>>,
    ports: FxHashMap<(IpAddr, IpAddr), Recent<u16>>,
    failures: FxHashMap<IpAddr, Recent<u64>>,
    pairs: FxHashMap<(IpAddr, IpAddr), Contacts>,
    day: i64,
    count: u64,
    told: Vec<Told>,
}

impl Rivals {
    /// Looks at an event.
    pub fn take(&mut self, event: &Event) {
        self.count += 1;
        let at = event.timestamp.as_nanos();
        match &*event.dataset {
            "network.flow" | "zeek.conn" | "suricata.flow" => self.flow(event, at),
            _ if event.fields.text(field::EVENT_ACTION) == Some("ssh_login") => self.login(event, at),
            _ => {}
        }
    }

    /// What they told, the last day of RITA included.
    #[must_use]
    pub fn finish(mut self) -> Vec<Told> {
        self.day_ends();
        self.told
    }

    fn flow(&mut self, event: &Event, at: i64) {
        let fields = &event.fields;
        let (Some(from), Some(to)) = (
            address(event, field::SOURCE_IP),
            address(event, field::DESTINATION_IP),
        ) else {
            return;
        };
        let state = fields.text(field::VARDE_FLOW_STATE);
        if let (Some("attempted" | "rejected"), Some(port)) = (state, number(event, field::DESTINATION_PORT))
        {
            self.failed(from, to, u16::try_from(port).unwrap_or(0), at);
        }
        let day = at.div_euclid(DAY_NANOS);
        if day > self.day {
            self.day_ends();
            self.day = day;
        }
        // A flow that began yesterday is not RITA's of today.
        if fields.text(field::NETWORK_DIRECTION) == Some("outbound") && day == self.day {
            let second = u32::try_from(at.rem_euclid(DAY_NANOS) / 1_000_000_000).unwrap_or(0);
            let sent = number(event, field::SOURCE_BYTES).unwrap_or(0);
            self.pairs.entry((from, to)).or_default().push((second, sent));
        }
    }

    fn failed(&mut self, from: IpAddr, to: IpAddr, port: u16, at: i64) {
        let hosts = self.hosts.entry((from, port)).or_default();
        if hosts.add(at, to, SCAN_NANOS) >= SCAN_HOSTS && hosts.tells(at, SUPPRESSED_NANOS) {
            self.told.push(told(ZEEK_ADDRESS, Kind::Scan, vec![from], at));
        }
        let ports = self.ports.entry((from, to)).or_default();
        if ports.add(at, port, SCAN_NANOS) >= SCAN_PORTS && ports.tells(at, SUPPRESSED_NANOS) {
            self.told.push(told(ZEEK_PORT, Kind::Scan, vec![from, to], at));
        }
    }

    fn login(&mut self, event: &Event, at: i64) {
        if event.fields.text(field::EVENT_OUTCOME) != Some("failure") {
            return;
        }
        let Some(from) = address(event, field::SOURCE_IP) else {
            return;
        };
        let failures = self.failures.entry(from).or_default();
        // Each failure counts: numbers are different.
        if failures.add(at, self.count, FAILURES_NANOS) >= FAILURES && failures.tells(at, FAILURES_NANOS) {
            failures.seen.clear();
            self.told.push(told(FAIL2BAN, Kind::Password, vec![from], at));
        }
    }

    fn day_ends(&mut self) {
        let end = (self.day + 1) * DAY_NANOS;
        let mut pairs: Vec<_> = std::mem::take(&mut self.pairs).into_iter().collect();
        pairs.sort_unstable_by_key(|(pair, _)| *pair);
        for ((from, to), mut contacts) in pairs {
            contacts.sort_unstable();
            let at = contacts.last().map_or(end, |(second, _)| {
                self.day * DAY_NANOS + i64::from(*second) * 1_000_000_000
            });
            let score = rita::score(&contacts);
            for (rule, least) in [(RITA_LOW, 0.5), (RITA_MEDIUM, 0.75), (RITA_HIGH, 0.9)] {
                if score >= least {
                    self.told.push(told(rule, Kind::Beacon, vec![from, to], at));
                }
            }
        }
    }
}

fn told(rule: &str, kind: Kind, about: Vec<IpAddr>, at: i64) -> Told {
    Told {
        rule: rule.to_owned(),
        kind,
        about: about.iter().map(IpAddr::to_string).collect(),
        at: Timestamp::from_nanos(at),
        wakes: true,
    }
}

fn address(event: &Event, name: &str) -> Option<IpAddr> {
    event.fields.text(name)?.parse().ok()
}

fn number(event: &Event, name: &str) -> Option<u64> {
    match event.fields.get(name)? {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Unsigned(number) => Some(*number),
        Value::Null | Value::Bool(_) | Value::Float(_) | Value::String(_) | Value::List(_) => None,
    }
}
