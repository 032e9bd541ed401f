//! Scans and guessed passwords: from outside and inside, in seconds and over hours.

use std::net::IpAddr;

use ingest_event::Zone;

use super::super::benign::Host;
use super::super::happening::{Flow, State, What};
use super::super::label::Kind;
use super::Hidden;

/// How a scan goes.
struct Scan {
    name: &'static str,
    from_inside: bool,
    /// Of one machine, or one door of many.
    of_one: bool,
    tries: u32,
    /// Seconds from one try to the next.
    pause: f64,
}

const SCANS: [Scan; 8] = [
    Scan {
        name: "1,000 ports of a machine in 30 s",
        from_inside: false,
        of_one: true,
        tries: 1_000,
        pause: 0.03,
    },
    Scan {
        name: "100 ports of a machine in 5 min",
        from_inside: true,
        of_one: true,
        tries: 100,
        pause: 3.0,
    },
    Scan {
        name: "200 ports of a machine, one each 15 s",
        from_inside: false,
        of_one: true,
        tries: 200,
        pause: 15.0,
    },
    Scan {
        name: "200 ports of a machine, one each 2 min",
        from_inside: true,
        of_one: true,
        tries: 200,
        pause: 120.0,
    },
    Scan {
        name: "a door of 250 machines in 25 s",
        from_inside: true,
        of_one: false,
        tries: 250,
        pause: 0.1,
    },
    Scan {
        name: "a door of 250 machines, one each 2 s",
        from_inside: false,
        of_one: false,
        tries: 250,
        pause: 2.0,
    },
    Scan {
        name: "a door of 250 machines, one each 15 s",
        from_inside: true,
        of_one: false,
        tries: 250,
        pause: 15.0,
    },
    Scan {
        name: "a door of 200 machines, one each 2 min",
        from_inside: true,
        of_one: false,
        tries: 200,
        pause: 120.0,
    },
];

/// Hides scans. Three tries in a hundred are answered.
pub(super) fn scans(hidden: &mut Hidden<'_>) {
    for scan in &SCANS {
        let is_v6 = hidden.is_v6();
        let from = if scan.from_inside {
            hidden.infected().address(is_v6)
        } else {
            hidden.attacker()
        };
        let lasts = f64::from(scan.tries) * scan.pause;
        let begins = hidden.draw.between(1_000.0, 86_000.0 - lasts);
        let door = hidden
            .draw
            .one(&[22_u16, 445, 3_389, 5_985])
            .copied()
            .unwrap_or(445);
        let victim = Host::new(hidden.draw.below(hidden.hosts));
        let mut parties = vec![from];
        for number in 0..scan.tries {
            let at = begins + f64::from(number) * scan.pause * hidden.draw.between(0.95, 1.0);
            let (to, port) = if scan.of_one {
                // Doors in no order, each once: 7,919 and 60,000 have no common part.
                (victim, 1 + ((number * 7_919) % 60_000) as u16)
            } else {
                (
                    Host::new((victim.number + u64::from(number)) % hidden.hosts.max(300)),
                    door,
                )
            };
            let state = match hidden.draw.below(100) {
                0..=2 => State::Closed,
                3..=40 => State::Rejected,
                _ => State::Attempted,
            };
            // Where it got through, the machine that let it in is told of too.
            if state == State::Closed {
                parties.push(to.address(is_v6));
            }
            let flow = Flow {
                from,
                to: to.address(is_v6),
                port,
                state,
                sent: 60,
                received: 0,
            };
            hidden.day.flow(
                to.zone(),
                at,
                if state == State::Attempted { 3.0 } else { 0.01 },
                flow,
            );
        }
        hidden.label(Kind::Scan, scan.name.to_owned(), &parties, begins, begins + lasts);
    }
}

/// How passwords are guessed.
struct Guess {
    name: &'static str,
    tries: u32,
    pause: f64,
    /// So many names, in turn.
    users: u32,
    /// So many servers, in turn.
    servers: u32,
    /// So many addresses, in turn.
    senders: u32,
}

const GUESSES: [Guess; 7] = [
    Guess {
        name: "5 a second for 2 min",
        tries: 600,
        pause: 0.2,
        users: 1,
        servers: 1,
        senders: 1,
    },
    Guess {
        name: "each 10 s for an hour",
        tries: 360,
        pause: 10.0,
        users: 3,
        servers: 1,
        senders: 1,
    },
    Guess {
        name: "each 2 min for 5 h",
        tries: 150,
        pause: 120.0,
        users: 1,
        servers: 1,
        senders: 1,
    },
    Guess {
        name: "each 10 min for 12 h",
        tries: 72,
        pause: 600.0,
        users: 1,
        servers: 1,
        senders: 1,
    },
    Guess {
        name: "a spray of 100 names in 10 min",
        tries: 100,
        pause: 6.0,
        users: 100,
        servers: 1,
        senders: 1,
    },
    Guess {
        name: "a spray over 10 servers, each 20 s",
        tries: 120,
        pause: 20.0,
        users: 40,
        servers: 10,
        senders: 1,
    },
    Guess {
        name: "60 senders in turn, each 10 s",
        tries: 180,
        pause: 10.0,
        users: 1,
        servers: 1,
        senders: 60,
    },
];

/// Hides guessed passwords; the last guess of every third attack is right.
pub(super) fn passwords(hidden: &mut Hidden<'_>) {
    for (place, guess) in GUESSES.iter().enumerate() {
        let lasts = f64::from(guess.tries) * guess.pause;
        let begins = hidden.draw.between(0.0, 86_000.0 - lasts);
        let first = hidden.attacker();
        let server = 20 + place as u64;
        for number in 0..guess.tries {
            let what = What::Login {
                from: beside(first, number % guess.senders),
                server: format!("tjener{}", server + u64::from(number % guess.servers)).into(),
                user: format!("navn{}", number % guess.users).into(),
                succeeded: place % 3 == 0 && number + 1 == guess.tries,
            };
            let at = begins + f64::from(number) * guess.pause * hidden.draw.between(0.98, 1.0);
            hidden.day.add(Zone::Administration, at, 0.0, what);
        }
        let senders: Vec<IpAddr> = (0..guess.senders).map(|number| beside(first, number)).collect();
        hidden.label(
            Kind::Password,
            guess.name.to_owned(),
            &senders,
            begins,
            begins + lasts,
        );
        if let Some(attack) = hidden.attacks.last_mut() {
            let servers = 0..u64::from(guess.servers);
            attack
                .parties
                .extend(servers.map(|number| format!("tjener{}", server + number)));
        }
    }
}

/// An address some way from another.
fn beside(address: IpAddr, by: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => std::net::Ipv4Addr::from(u32::from(address) + by * 0x1_0000).into(),
        IpAddr::V6(address) => std::net::Ipv6Addr::from(u128::from(address) + (u128::from(by) << 64)).into(),
    }
}
