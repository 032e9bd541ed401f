//! What the machines of people do: pages, mail, meetings, and what runs by itself.

use super::super::draw::Draw;
use super::super::happening::State;
use super::{DAY, Day, Host, Role, Service, Visit, inside};

/// Sites that people read.
const SITES: u64 = 4_000;

/// Sites that others build their pages from.
const SHARED: u64 = 60;

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const HEX: &[u8] = b"0123456789abcdef";

/// One day of a person's machine.
pub(super) fn person(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host) {
    let (from, until) = hours(habits, draw, host);
    if host.role != Role::Ward && (day.is_weekend() || draw.happens(0.12)) {
        return; // Not at work today.
    }
    starts(day, draw, host, from);
    gone(day, draw, host, from, until);
    pages(day, draw, host, from, until);
    mail(day, habits, draw, host, from, until);
    agents(day, habits, draw, host, from, until);
    polls(day, habits, draw, host, from, until);
    media(day, habits, draw, host, from, until);
    files(day, habits, draw, host, from, until);
    virus_filter(day, habits, draw, host, from, until);
    faults(day, habits, draw, host, from, until);
}

/// Seconds of the day from which and until which the machine is used.
fn hours(habits: &mut Draw, draw: &mut Draw, host: &Host) -> (f64, f64) {
    let usual = habits.normal();
    match host.role {
        Role::Ward => {
            let shift = draw.below(3) as f64 * 8.0 * 3_600.0;
            (shift, shift + 8.0 * 3_600.0)
        }
        Role::Pupil => (
            8.2 * 3_600.0 + 300.0 * draw.normal(),
            14.2 * 3_600.0 + 900.0 * draw.normal(),
        ),
        Role::Office | Role::Building | Role::Server => (
            7.9 * 3_600.0 + 1_500.0 * usual + 600.0 * draw.normal(),
            15.7 * 3_600.0 + 1_500.0 * usual + 1_800.0 * draw.normal(),
        ),
    }
}

/// Switched on: names that no one has, as a browser tries them to learn about the network, and the domain's own.
fn starts(day: &mut Day, draw: &mut Draw, host: &Host, from: f64) {
    for _ in 0..3 {
        let length = 7 + draw.below(9);
        let name = draw.text(LETTERS, length);
        day.asks(
            host,
            from + draw.between(1.0, 3.0),
            &format!("{name}.kommune.example"),
            false,
        );
    }
    for name in ["wpad.kommune.example", "isatap.kommune.example"] {
        day.asks(host, from + draw.between(0.0, 5.0), name, false);
    }
    for (last, port) in [(10, 88), (10, 389), (10, 445), (11, 445)] {
        let to = inside(last, "dc.kommune.example", port);
        let visit = Visit::plain(
            draw.exponential(20.0),
            draw.size(3_000.0, 0.6),
            draw.size(6_000.0, 0.8),
        );
        let moment = from + draw.between(0.0, 8.0);
        day.visit(draw, host, &to, moment, visit);
    }
}

/// Names that are gone: what a page still counts visitors with, and what people mistype.
fn gone(day: &mut Day, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    const PARTS: [&str; 12] = [
        "ad", "stat", "track", "pix", "count", "cdn", "news", "sale", "best", "shop", "info", "web",
    ];
    for _ in 0..draw.below(12) {
        let part = |draw: &mut Draw| draw.one(&PARTS).copied().unwrap_or_default();
        let (one, other) = (part(draw), part(draw));
        let name = match draw.below(3) {
            0 => format!("{one}{other}.com"),
            1 => format!("{one}-{}.net", draw.below(900)),
            _ => format!("{one}s{}.{other}{one}.com", draw.below(90)),
        };
        let at = draw.between(from, until);
        day.asks(host, at, &name, false);
    }
}

/// Pages, some seconds to minutes apart, in sessions; each from a few sites.
fn pages(day: &mut Day, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    let mut at = from + draw.exponential(600.0);
    while at < until {
        let session_ends = at + draw.exponential(900.0);
        while at < session_ends.min(until) {
            let site = Service::site(draw.popular(SITES));
            read(day, draw, host, &site, at);
            for _ in 0..draw.below(5) {
                let number = draw.popular(SHARED);
                let shared = Service::outside(100 + number, &format!("felles-{number}.example"), 443);
                let moment = at + draw.between(0.1, 2.0);
                read(day, draw, host, &shared, moment);
            }
            at += 4.0 + 40.0 * draw.normal().exp();
        }
        at += draw.exponential(2_400.0);
    }
}

fn read(day: &mut Day, draw: &mut Draw, host: &Host, site: &Service, at: f64) {
    let visit = Visit::tls(
        draw.exponential(25.0),
        draw.size(1_800.0, 0.8),
        draw.size(30_000.0, 1.5),
    );
    day.visit(draw, host, site, at, visit);
}

/// Fetched every five minutes by one in four; the others hold a connection that is made anew now and then.
fn mail(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    if host.role == Role::Pupil {
        return;
    }
    let fetches = habits.happens(0.25);
    let to = Service::outside(20, "post.leverandor.example", if fetches { 993 } else { 443 });
    let mut at = from + draw.between(0.0, 300.0);
    while at < until {
        let visit = if fetches {
            Visit::tls(
                draw.between(0.5, 2.0),
                900 + draw.below(60),
                draw.size(2_500.0, 0.7),
            )
        } else {
            Visit::tls(
                draw.between(600.0, 1_700.0),
                draw.size(9_000.0, 0.8),
                draw.size(40_000.0, 1.0),
            )
        };
        day.visit(draw, host, &to, at, visit);
        at += if fetches {
            300.0 + 2.0 * draw.normal()
        } else {
            visit.lasts + draw.exponential(60.0)
        };
    }
}

/// What runs by itself: time, updates, telemetry, the agent of the supplier that looks after the machines.
fn agents(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    let is_outside = habits.happens(0.2);
    let clock = if is_outside {
        Service::outside(30 + habits.below(4), "tid.example", 123)
    } else {
        inside(10, "dc.kommune.example", 123)
    };
    every(
        from,
        until,
        habits.between(900.0, 1_100.0),
        0.02,
        draw,
        |draw, at| {
            day.visit(draw, host, &clock, at, Visit::datagrams(0.05, 76, 76));
        },
    );
    let update = Service::outside(40 + habits.below(6), "oppdatering.programvare.example", 443);
    every(
        from,
        until,
        habits.between(3_600.0, 4.0 * 3_600.0),
        0.25,
        draw,
        |draw, at| {
            let visit = Visit::tls(
                draw.exponential(5.0),
                draw.size(2_000.0, 0.3),
                draw.size(20_000.0, 2.0),
            );
            day.visit(draw, host, &update, at, visit);
        },
    );
    let telemetry = Service::outside(50 + habits.below(4), "maling.programvare.example", 443);
    let mut at = from + draw.exponential(900.0);
    while at < until {
        let visit = Visit::tls(
            draw.exponential(3.0),
            draw.size(4_000.0, 0.9),
            draw.size(1_500.0, 0.3),
        );
        day.visit(draw, host, &telemetry, at, visit);
        at += draw.exponential(1_200.0);
    }
    if host.role == Role::Office && habits.happens(0.5) {
        let agent = Service::outside(60 + habits.below(2), "agent.driftspartner.example", 443);
        every(from, until, 900.0, 0.05, draw, |draw, at| {
            let visit = Visit::tls(
                draw.between(0.4, 1.5),
                draw.size(2_600.0, 0.4),
                draw.size(1_200.0, 0.2),
            );
            day.visit(draw, host, &agent, at, visit);
        });
    }
}

/// A page that asks for news by itself, left open for hours: each minute, or each half, the same question.
fn polls(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    if host.role == Role::Pupil || !habits.happens(0.03) {
        return;
    }
    let number = habits.below(12);
    let to = Service::outside(80 + number, &format!("tavle-{number}.example"), 443);
    let period = [30.0, 60.0, 120.0, 300.0]
        .get(habits.below(4) as usize)
        .copied()
        .unwrap_or(60.0);
    let begins = draw.between(from, until);
    every(
        begins,
        (begins + draw.exponential(9_000.0)).min(until),
        period,
        0.01,
        draw,
        |draw, at| {
            let visit = Visit::tls(0.3, 700 + draw.below(20), draw.size(3_000.0, 0.3));
            day.visit(draw, host, &to, at, visit);
        },
    );
}

/// Meetings go both ways, films come in.
fn media(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    let meetings = if host.role == Role::Office {
        draw.below(3)
    } else {
        0
    };
    for _ in 0..meetings {
        let (at, lasts) = (draw.between(from, until), draw.between(900.0, 3_600.0));
        let to = Service::outside(70 + draw.below(6), "mote.example", 3_478);
        let rate = draw.between(60_000.0, 250_000.0);
        let visit = Visit::datagrams(
            lasts,
            (rate * lasts) as u64,
            (rate * lasts * draw.between(0.8, 3.0)) as u64,
        );
        day.visit(draw, host, &to, at, visit);
    }
    let films = if host.role == Role::Pupil {
        draw.below(6)
    } else {
        draw.below(2) * habits.below(2)
    };
    for _ in 0..films {
        let number = draw.below(8);
        let to = Service::outside(90 + number, &format!("film-{number}.example"), 443);
        let visit = Visit::tls(
            draw.between(200.0, 1_500.0),
            draw.size(400_000.0, 0.7),
            draw.size(2e8, 0.9),
        );
        let moment = draw.between(from, until);
        day.visit(draw, host, &to, moment, visit);
    }
}

/// Folders that are kept alike with a cloud; now and then somebody sends a film.
fn files(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    let to = Service::outside(24 + habits.below(4), "lager.leverandor.example", 443);
    for _ in 0..draw.below(12) {
        let visit = Visit::tls(
            draw.exponential(30.0),
            draw.size(900_000.0, 1.8).min(400_000_000),
            draw.size(60_000.0, 1.5),
        );
        let moment = draw.between(from, until);
        day.visit(draw, host, &to, moment, visit);
    }
    if host.role == Role::Office && draw.happens(0.002) {
        let sent = (draw.between(1.0, 6.0) * 1e9) as u64;
        let visit = Visit::tls(sent as f64 / 8e6, sent, sent / 90);
        let moment = draw.between(from, until);
        day.visit(draw, host, &to, moment, visit);
    }
}

/// A virus filter that asks DNS for fingerprints of what it sees, on the machines of a quarter of the offices.
fn virus_filter(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    if host.role != Role::Office || habits.below(4) != 0 {
        return;
    }
    let mut at = from;
    while at < until {
        for _ in 0..=draw.below(6) {
            let name = draw.text(HEX, 40);
            day.asks(
                host,
                at + draw.between(0.0, 2.0),
                &format!("{name}.oppslag.virusfilter.example"),
                true,
            );
        }
        at += draw.exponential(900.0);
    }
}

/// What does not work: a printer that is gone, a share that moved, IPv6 that leads nowhere for a while.
fn faults(day: &mut Day, habits: &mut Draw, draw: &mut Draw, host: &Host, from: f64, until: f64) {
    let missing = Visit {
        state: State::Attempted,
        is_tls: false,
        ..Visit::plain(3.0, 180, 0)
    };
    if habits.happens(0.1) {
        let to = inside(200 + habits.below(40) as u8, "skriver.kommune.example", 9_100);
        let mut at = from;
        while at < until {
            day.visit(draw, host, &to, at, missing);
            at += draw.exponential(1_500.0);
        }
    }
    if draw.happens(0.003) {
        let begins = draw.between(from, until);
        let mut at = begins;
        while at < begins + 3_600.0 {
            for _ in 0..=draw.below(8) {
                let site = Service::site(2 * draw.popular(SITES / 2));
                let moment = at + draw.between(0.0, 2.0);
                if let Some(v6) = site.v6 {
                    let to = Service { v4: v6, ..site };
                    day.visit(draw, host, &to, moment, missing);
                }
            }
            at += 4.0 + 40.0 * draw.normal().exp();
        }
    }
}

/// From one moment to another, once in each period, each pause off by at most this share of it.
pub(super) fn every(
    from: f64,
    until: f64,
    period: f64,
    jitter: f64,
    draw: &mut Draw,
    mut does: impl FnMut(&mut Draw, f64),
) {
    let mut at = from + draw.between(0.0, period);
    while at < until.min(DAY) {
        does(draw, at);
        at += period * (1.0 + draw.between(-jitter, jitter));
    }
}
