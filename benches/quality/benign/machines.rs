//! What runs without people: buildings, servers, backups, monitoring, and the noise of the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ingest_event::Zone;

use super::super::draw::Draw;
use super::super::happening::{Flow, State, What};
use super::habits::every;
use super::{DAY, Day, Host, Service, Visit, inside};

const HEX: &[u8] = b"0123456789abcdef";

/// Heating, doors and cameras: three in ten call their maker at regular times, the others hold a connection.
pub(super) fn building(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host) {
    let maker = habits.below(9);
    let port = if maker < 4 { 8_883 } else { 443 };
    let to = Service::outside(200 + maker, &format!("styring-{maker}.leverandor.example"), port);
    let calls = habits.happens(0.3);
    let period = [60.0, 300.0, 600.0, 900.0]
        .get(habits.below(4) as usize)
        .copied()
        .unwrap_or(300.0);
    let (period, jitter) = if calls { (period, 0.02) } else { (3_600.0, 0.1) };
    let sent = 500 + habits.below(900);
    every(0.0, DAY, period, jitter, draw, |draw, at| {
        let lasts = if calls { 0.4 } else { period * 0.9 };
        let visit = Visit::tls(lasts, sent + draw.below(12), 300 + draw.below(40));
        day.visit(draw, host, &to, at, visit);
    });
    let clock = Service::outside(30 + habits.below(4), "tid.example", 123);
    every(
        0.0,
        DAY,
        habits.between(1_000.0, 1_050.0),
        0.01,
        draw,
        |draw, at| {
            day.visit(draw, host, &clock, at, Visit::datagrams(0.05, 76, 76));
        },
    );
}

/// Packages at night, a licence server in the day, colleagues inside, and visitors of the web sites.
pub(super) fn server(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host) {
    let packages = Service::outside(44, "pakker.example", 443);
    for _ in 0..8 {
        let at = 3.0 * 3_600.0 + draw.exponential(900.0);
        let visit = Visit::tls(
            draw.exponential(8.0),
            draw.size(3_000.0, 0.4),
            draw.size(900_000.0, 1.5),
        );
        day.visit(draw, host, &packages, at, visit);
    }
    let licence = Service::outside(300 + habits.below(20), "lisens.leverandor.example", 443);
    every(
        0.0,
        DAY,
        habits.between(1_800.0, 7_200.0),
        0.1,
        draw,
        |draw, at| {
            let visit = Visit::tls(0.5, draw.size(1_200.0, 0.1), draw.size(900.0, 0.1));
            day.visit(draw, host, &licence, at, visit);
        },
    );
    let backup = inside(9, "sikkerhetskopi.kommune.example", 10_000);
    let sent = draw.size(8e9, 0.8);
    let visit = Visit::plain(sent as f64 / 4e7, sent, sent / 200);
    let moment = 3_600.0 + draw.between(0.0, 7_200.0);
    day.visit(draw, host, &backup, moment, visit);
    if habits.happens(0.2) {
        visitors(day, draw, host);
    }
}

fn visitors(day: &mut Day, draw: &mut Draw, host: &Host) {
    let mut at = 0.0;
    while at < DAY {
        let is_v6 = draw.happens(0.5);
        let flow = Flow {
            from: stranger(draw, is_v6),
            to: host.address(is_v6),
            port: 443,
            state: State::Closed,
            sent: draw.size(2_000.0, 0.7),
            received: draw.size(40_000.0, 1.4),
        };
        day.flow(host.zone(), at, draw.exponential(15.0), flow);
        let is_day = (7.0 * 3_600.0..22.0 * 3_600.0).contains(&at);
        at += draw.exponential(if is_day { 60.0 } else { 600.0 });
    }
}

/// Someone on the internet.
fn stranger(draw: &mut Draw, is_v6: bool) -> IpAddr {
    let low = draw.below(1 << 20);
    if is_v6 {
        Ipv6Addr::from(0x2001_0db8_00aa_0000_0000_0000_0000_0000_u128 | u128::from(low)).into()
    } else {
        Ipv4Addr::from(0x6440_0000 | u32::try_from(low).unwrap_or(0)).into()
    }
}

/// Strangers who knock: each at one to three doors of one to three machines.
pub(super) fn noise(day: &mut Day, draw: &mut Draw, hosts: u64) {
    for _ in 0..hosts.div_ceil(3) {
        let is_v6 = draw.happens(0.2);
        let from = stranger(draw, is_v6);
        let mut at = draw.between(0.0, DAY);
        let port = draw
            .one(&[22_u16, 23, 80, 443, 445, 3_389, 5_900, 8_080])
            .copied()
            .unwrap_or(22);
        for _ in 0..=draw.below(3) {
            let host = Host::new(draw.below(hosts.div_ceil(50)) * 50);
            let flow = Flow {
                from,
                to: host.address(is_v6),
                port,
                state: if draw.happens(0.7) {
                    State::Attempted
                } else {
                    State::Rejected
                },
                sent: 60,
                received: 0,
            };
            day.flow(Zone::Administration, at, 3.0, flow);
            at += draw.exponential(2.0);
        }
    }
}

/// Strangers who look at everybody: one door of each machine that the internet sees, within a quarter of an hour.
pub(super) fn sweeps(day: &mut Day, draw: &mut Draw, hosts: u64) {
    for _ in 0..draw.below(4) + 1 {
        let is_v6 = draw.happens(0.2);
        let from = stranger(draw, is_v6);
        let start = draw.between(0.0, DAY - 900.0);
        let port = draw.one(&[22_u16, 23, 445, 3_389, 8_080]).copied().unwrap_or(22);
        for host in 0..hosts {
            let flow = Flow {
                from,
                to: Host::new(host).address(is_v6),
                port,
                state: State::Attempted,
                sent: 60,
                received: 0,
            };
            day.flow(Zone::Administration, start + draw.between(0.0, 900.0), 3.0, flow);
        }
    }
}

/// The mail server looks senders up in lists of spammers and fingerprints of what they sent.
pub(super) fn mail(day: &mut Day, draw: &mut Draw, hosts: u64) {
    let server = Host::new(0);
    for _ in 0..hosts * 3 {
        let at = draw.between(6.0, 22.0) * 3_600.0;
        let octets = [(); 4].map(|()| draw.below(256).to_string());
        let name = octets.join(".");
        let found = draw.happens(0.2);
        day.asks(&server, at, &format!("{name}.svarteliste.example"), found);
        if draw.happens(0.3) {
            let print = draw.text(HEX, 32);
            day.asks(&server, at + 0.2, &format!("{print}.avtrykk.example"), false);
        }
        let visit = Visit::plain(
            draw.exponential(4.0),
            draw.size(9_000.0, 1.5),
            draw.size(1_500.0, 0.3),
        );
        let to = Service::outside(5_100 + draw.below(900), "mx.motpart.example", 25);
        day.visit(draw, &server, &to, at + 0.5, visit);
    }
}

/// Asks a sixth of the machines each five minutes how they are; six of them have been gone for long.
pub(super) fn monitoring(day: &mut Day, draw: &mut Draw, hosts: u64) {
    let from = inside(8, "overvaking.kommune.example", 0);
    let targets: Vec<Host> = (0..hosts).step_by(6).map(Host::new).collect();
    every(0.0, DAY, 300.0, 0.001, draw, |draw, at| {
        for (place, host) in targets.iter().enumerate() {
            let is_v6 = place % 2 == 1;
            let flow = Flow {
                from: from.v6.filter(|_| is_v6).unwrap_or(from.v4),
                to: host.address(is_v6),
                port: 5_666,
                state: if place < 6 {
                    State::Attempted
                } else {
                    State::Closed
                },
                sent: 600,
                received: if place < 6 { 0 } else { 900 },
            };
            day.flow(host.zone(), at + draw.between(0.0, 60.0), 1.0, flow);
        }
    });
}

/// Administrators at SSH servers: from their desks and from home, mistyping as people do; a script whose password ran
/// out tries twice in each quarter of an hour.
pub(super) fn logins(day: &mut Day, draw: &mut Draw, hosts: u64) {
    for session in 0..hosts.div_ceil(5) {
        let is_v6 = draw.happens(0.5);
        let from = if draw.happens(0.8) {
            Host::new(draw.below(hosts)).address(is_v6)
        } else {
            stranger(draw, is_v6)
        };
        let (server, user) = (draw.below(10), draw.below(20));
        let wrong = match draw.below(100) {
            0..=74 => 0,
            75..=89 => 1,
            90..=95 => 2,
            96..=98 => 3,
            _ => 4 + session % 3,
        };
        let mut at = draw.between(7.0, 17.0) * 3_600.0;
        for attempt in 0..=wrong {
            login(day, at, from, server, &format!("bruker{user}"), attempt == wrong);
            at += 3.0 + draw.exponential(6.0);
        }
    }
    let from = Host::new(25).address(false);
    every(0.0, DAY, 900.0, 0.01, draw, |_, at| {
        login(day, at, from, 3, "rapport", false);
        login(day, at + 5.0, from, 3, "rapport", false);
    });
}

fn login(day: &mut Day, at: f64, from: IpAddr, server: u64, user: &str, succeeded: bool) {
    let what = What::Login {
        from,
        server: format!("tjener{server}").into(),
        user: user.into(),
        succeeded,
    };
    day.add(Zone::Administration, at, 0.0, what);
}

/// At night the backup goes to a supplier outside: half of a gigabyte for each machine, in parts.
pub(super) fn backup(day: &mut Day, draw: &mut Draw, hosts: u64) {
    let to = Service::outside(400, "kopi.leverandor.example", 443);
    let from = inside(9, "sikkerhetskopi.kommune.example", 0);
    let mut at = 2.0 * 3_600.0;
    for _ in 0..24 {
        let sent = draw.size(hosts as f64 * 2e7, 0.3);
        let lasts = sent as f64 / 1e8;
        let is_v6 = to.v6.is_some();
        let flow = Flow {
            from: from.v6.filter(|_| is_v6).unwrap_or(from.v4),
            to: to.v6.unwrap_or(to.v4),
            port: 443,
            state: State::Closed,
            sent,
            received: sent / 100,
        };
        day.flow(Zone::Administration, at, lasts, flow);
        at += lasts + draw.exponential(30.0);
    }
}
