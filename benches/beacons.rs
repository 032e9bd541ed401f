//! Series of contacts with a label, drawn from seeds: what beacons and what does not.
//!
//! For comparing scores, here with RITA's. Nobody's traffic: every number is in this file.

use crate::rita::DAY_SECONDS;

/// Seconds of a day and bytes sent, in order of time.
pub type Contacts = Vec<(u32, u64)>;

/// A kind of series.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What it is, for a table.
    pub name: &'static str,
    /// Whether it is a beacon.
    pub is_beacon: bool,
    draw: fn(&mut Draw) -> Contacts,
}

impl Family {
    /// The series of a seed. The same seed gives the same one.
    #[must_use]
    pub fn series(&self, seed: u64) -> Contacts {
        let mut contacts = (self.draw)(&mut Draw(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        contacts.retain(|(second, _)| *second < DAY_SECONDS);
        contacts.sort_unstable();
        contacts
    }
}

/// All kinds.
pub const FAMILIES: [Family; 19] = [
    beacon("a clock, 60 s", |draw| every(draw, 60.0, |_| 0.0)),
    beacon("a clock, 30 min", |draw| every(draw, 1_800.0, |_| 0.0)),
    beacon("jitter ±10 %", |draw| {
        every(draw, 60.0, |draw| draw.between(-0.1, 0.1))
    }),
    beacon("jitter ±30 %", |draw| {
        every(draw, 60.0, |draw| draw.between(-0.3, 0.3))
    }),
    beacon("10 min, jitter ±30 %", |draw| {
        every(draw, 600.0, |draw| draw.between(-0.3, 0.3))
    }),
    beacon("jitter down to half", |draw| {
        every(draw, 120.0, |draw| draw.between(-0.5, 0.0))
    }),
    beacon("normal jitter, σ 15 %", |draw| {
        every(draw, 300.0, |draw| 0.15 * draw.normal())
    }),
    beacon("a third missed", |draw| {
        let all = every(draw, 120.0, |draw| draw.between(-0.1, 0.1));
        all.into_iter().filter(|_| draw.unit() > 0.33).collect()
    }),
    beacon("only 8 to 16", |draw| {
        within(every(draw, 120.0, |draw| draw.between(-0.2, 0.2)), 8, 16)
    }),
    beacon("two hours", |draw| {
        within(every(draw, 60.0, |draw| draw.between(-0.2, 0.2)), 10, 12)
    }),
    beacon("visits of 2 to 5", |draw| {
        let visits = every(draw, 300.0, |draw| draw.between(-0.1, 0.1));
        visits
            .into_iter()
            .flat_map(|visit| several(draw, visit))
            .collect()
    }),
    beacon("sizes vary", |draw| {
        let all = every(draw, 60.0, |draw| draw.between(-0.2, 0.2));
        all.into_iter().map(|(second, _)| (second, draw.size())).collect()
    }),
    beacon("orders now and then", |draw| {
        let mut all = every(draw, 180.0, |draw| draw.between(-0.2, 0.2));
        for _ in 0..20 {
            all.push((draw.second(), draw.size()));
        }
        all
    }),
    other("Poisson, 60 s", |draw| poisson(draw, 60.0, Draw::size)),
    other("Poisson, 10 min", |draw| poisson(draw, 600.0, Draw::size)),
    other("Poisson, one size", |draw| poisson(draw, 60.0, |_| 700)),
    other("sessions of a person", sessions),
    other("bursts", bursts),
    other("long tail", |draw| {
        let mut at = 0.0;
        let mut all = Contacts::new();
        while at < f64::from(DAY_SECONDS) {
            at += 60.0 * (1.0 * draw.normal()).exp();
            all.push((at as u32, draw.size()));
        }
        all
    }),
];

const fn beacon(name: &'static str, draw: fn(&mut Draw) -> Contacts) -> Family {
    Family {
        name,
        is_beacon: true,
        draw,
    }
}

const fn other(name: &'static str, draw: fn(&mut Draw) -> Contacts) -> Family {
    Family {
        name,
        is_beacon: false,
        draw,
    }
}

/// Contacts one period after another, each interval off by a share of it; one size but for a few bytes.
fn every(draw: &mut Draw, period: f64, jitter: fn(&mut Draw) -> f64) -> Contacts {
    let mut at = draw.between(0.0, period);
    let mut all = Contacts::new();
    while at < f64::from(DAY_SECONDS) {
        all.push((at as u32, 420 + draw.below(8)));
        at += period * (1.0 + jitter(draw)).max(0.05);
    }
    all
}

fn within(mut all: Contacts, from: u32, to: u32) -> Contacts {
    all.retain(|(second, _)| (from..to).contains(&(second / 3_600)));
    all
}

/// A visit is 2 to 5 connections within a few seconds.
fn several(draw: &mut Draw, (second, size): (u32, u64)) -> Contacts {
    let more = draw.below(4);
    let mut all = vec![(second, size)];
    for _ in 0..=more {
        all.push((second + 1 + draw.below(5) as u32, 200 + draw.below(800)));
    }
    all
}

fn poisson(draw: &mut Draw, mean: f64, size: fn(&mut Draw) -> u64) -> Contacts {
    let mut at = 0.0;
    let mut all = Contacts::new();
    while at < f64::from(DAY_SECONDS) {
        at += draw.exponential(mean);
        all.push((at as u32, size(draw)));
    }
    all
}

/// A person at work: a few sessions of some minutes to an hour, pages some seconds to minutes apart, several
/// connections a page.
fn sessions(draw: &mut Draw) -> Contacts {
    let mut all = Contacts::new();
    for _ in 0..3 + draw.below(8) {
        let mut at = draw.between(8.0, 17.0) * 3_600.0;
        let end = at + draw.exponential(1_200.0);
        while at < end {
            for _ in 0..=draw.below(4) {
                all.push(((at + draw.between(0.0, 3.0)) as u32, draw.size()));
            }
            at += 2.0 + 25.0 * (1.2 * draw.normal()).exp();
        }
    }
    all
}

/// Every now and then many at once.
fn bursts(draw: &mut Draw) -> Contacts {
    let mut all = Contacts::new();
    let mut at = 0.0;
    while at < f64::from(DAY_SECONDS) {
        at += draw.exponential(1_500.0);
        let mut within = at;
        for _ in 0..5 + draw.below(20) {
            within += draw.exponential(2.0);
            all.push((within as u32, draw.size()));
        }
    }
    all
}

/// Numbers from a seed (splitmix64).
#[derive(Debug)]
pub struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0, up to 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn second(&mut self) -> u32 {
        self.below(u64::from(DAY_SECONDS)) as u32
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// As requests of pages are: log-normal around 900 bytes.
    fn size(&mut self) -> u64 {
        (900.0 * (0.9 * self.normal()).exp()) as u64
    }
}

#[cfg(test)]
mod tests;
