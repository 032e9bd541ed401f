//! Indicators and texts of events, made from a seed: as many as are wanted, the same in every run.

use std::fmt::Write as _;

use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};
use detect_engine::{Holds, LookUp};

/// So many different texts are looked up by turns: more than any cache holds.
const TEXTS: usize = 1_000_000;

/// No indicator has a number as high: addresses of higher ones are in no feed.
const BEYOND: u64 = 50_000_000;

/// IPv4 indicators are among the 2^30 addresses from here.
const FIRST_V4: u32 = 0x0b00_0000;

/// Texts of events and what their fields hold, one after the other in memory.
#[derive(Default)]
pub(super) struct Texts {
    text: String,
    /// What the field of each holds, and where its text ends.
    spans: Vec<(Holds, u32)>,
}

impl Texts {
    /// As in flows, DNS, TLS and host logs, and in no feed.
    pub(super) fn misses() -> Self {
        let mut texts = Self::default();
        for number in 0..TEXTS as u64 {
            let mut random = Random::new(number, 2);
            // In a fixed order, as the fields of events of one kind are.
            match number * 5 % 100 {
                0..45 => texts.push(Holds::Address, &other_v4(&mut random, number)),
                45..50 => texts.push(Holds::Address, &other_v6(&mut random, number)),
                50..80 => {
                    let host = host(&mut random, "fine");
                    texts.push(Holds::Host, &host);
                }
                80..90 => {
                    let url = format!(
                        "https://{}/{:x}?q={}",
                        host(&mut random, "fine"),
                        random.next(),
                        random.below(1000)
                    );
                    texts.push(Holds::Url, &url);
                }
                _ => texts.push(Holds::Hash, &hex(&mut random, 32)),
            }
        }
        texts
    }

    /// Addresses of one family that are in no feed.
    pub(super) fn addresses(is_v6: bool) -> Self {
        let mut texts = Self::default();
        for number in 0..TEXTS as u64 {
            let mut random = Random::new(number, 4);
            let text = if is_v6 {
                other_v6(&mut random, number)
            } else {
                other_v4(&mut random, number)
            };
            texts.push(Holds::Address, &text);
        }
        texts
    }

    pub(super) fn len(&self) -> u64 {
        self.spans.len() as u64
    }

    /// Indicators of a set that are named by events, in no order.
    pub(super) fn hits(count: u64) -> Self {
        let mut texts = Self::default();
        for number in 0..TEXTS as u64 {
            let indicator = indicator(Random::new(number, 3).below(count));
            let holds = match indicator.kind {
                IndicatorKind::Address => Holds::Address,
                IndicatorKind::Domain => Holds::Host,
                IndicatorKind::Url => Holds::Url,
                IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 => Holds::Hash,
                IndicatorKind::Asn
                | IndicatorKind::Certificate
                | IndicatorKind::Cidr
                | IndicatorKind::Email
                | IndicatorKind::FileName
                | IndicatorKind::Ja3
                | IndicatorKind::Ja4 => continue,
            };
            texts.push(holds, &indicator.value);
        }
        texts
    }

    fn push(&mut self, holds: Holds, text: &str) {
        self.text.push_str(text);
        self.spans.push((holds, self.text.len() as u32));
    }

    /// By fours, as the fields of an event.
    pub(super) fn each_event(&self, mut look_up: impl FnMut(&[LookUp<'_>])) {
        let mut start = 0;
        for spans in self.spans.chunks(4) {
            let mut texts = [LookUp::default(); 4];
            for (text, (holds, end)) in texts.iter_mut().zip(spans) {
                text.holds = *holds;
                text.text = self.text.get(start as usize..*end as usize).unwrap_or_default();
                start = *end;
            }
            look_up(&texts);
        }
    }

    pub(super) fn each(&self, mut look_up: impl FnMut(Holds, &str)) {
        let mut start = 0;
        for (holds, end) in &self.spans {
            let text = self.text.get(start as usize..*end as usize).unwrap_or_default();
            look_up(*holds, text);
            start = *end;
        }
    }
}

/// The indicator of a number: always the same.
pub(crate) fn indicator(number: u64) -> Indicator {
    let mut random = Random::new(number, 1);
    // The number itself is in every value, so that all are different.
    let (kind, value) = match random.below(1000) {
        0..250 => {
            let bits = FIRST_V4 + unique(number, 30);
            (IndicatorKind::Address, std::net::Ipv4Addr::from(bits).to_string())
        }
        250..280 => (IndicatorKind::Address, v6(&mut random, 0x2a03)),
        280..288 => {
            let start = 0x5000_0000 | unique(number, 24) << 4;
            (
                IndicatorKind::Cidr,
                format!("{}/28", std::net::Ipv4Addr::from(start)),
            )
        }
        288..290 => (
            IndicatorKind::Cidr,
            format!(
                "2a04:{:x}:{:x}:{:x}::/64",
                random.below(65_536),
                number >> 16 & 0xffff,
                number & 0xffff
            ),
        ),
        290..590 => (IndicatorKind::Domain, domain(&mut random, number)),
        590..740 => (
            IndicatorKind::Url,
            format!(
                "http://{}/{:x}/{}.exe",
                domain(&mut random, number),
                random.next() >> 32,
                random.of(&WORDS)
            ),
        ),
        740..860 => (IndicatorKind::Sha256, hex(&mut random, 32)),
        860..920 => (IndicatorKind::Md5, hex(&mut random, 16)),
        920..950 => (IndicatorKind::Sha1, hex(&mut random, 20)),
        950..970 => (
            IndicatorKind::Email,
            format!("{}{number}@{}", random.of(&WORDS), domain(&mut random, number)),
        ),
        970..980 => (
            IndicatorKind::FileName,
            format!("{}{number:x}.exe", random.of(&WORDS)),
        ),
        980..985 => (IndicatorKind::Ja3, hex(&mut random, 16)),
        985..990 => (
            IndicatorKind::Ja4,
            format!("t13d1516h2_{}_{}", &hex(&mut random, 6), &hex(&mut random, 6)),
        ),
        _ => (IndicatorKind::Certificate, hex(&mut random, 20)),
    };
    Indicator {
        kind,
        value,
        source: format!("feed-{}", random.below(20)),
        confidence: Confidence::Medium,
        tlp: Tlp::Green,
        pap: Pap::Green,
        valid_from: Some(ingest_event::Timestamp::from_millis(
            1_700_000_000_000 + 1000 * random.below(50_000_000) as i64,
        )),
        valid_until: None,
        description: format!("campaign {}", random.below(5000)),
    }
}

const WORDS: [&str; 16] = [
    "login", "mail", "update", "secure", "cdn", "api", "static", "img", "shop", "news", "portal", "docs",
    "files", "auth", "app", "web",
];

const TOP: [&str; 8] = ["com", "net", "org", "info", "ru", "top", "xyz", "no"];

fn domain(random: &mut Random, number: u64) -> String {
    let word = random.of(&WORDS);
    let other = random.of(&WORDS);
    let top = random.of(&TOP);
    if random.below(3) == 0 {
        format!("{word}.{other}{number:x}.{top}")
    } else {
        format!("{word}-{other}{number:x}.{top}")
    }
}

fn host(random: &mut Random, mark: &str) -> String {
    let mut name = String::new();
    for _ in 0..random.below(3) {
        let _ = write!(name, "{}{}.", random.of(&WORDS), random.below(100));
    }
    let _ = write!(name, "{mark}{:x}.{}", random.next() >> 24, random.of(&TOP));
    name
}

/// Spreads numbers over so many bits; different for different numbers (Weyl).
fn unique(number: u64, bits: u32) -> u32 {
    (number as u32).wrapping_mul(0x9e37_79b1) & ((1 << bits) - 1)
}

/// An address that is no indicator: in one case of three one of a network's own, in the others among those that are.
fn other_v4(random: &mut Random, number: u64) -> String {
    let bits = if random.below(3) == 0 {
        0x0a00_0000 | random.below(1 << 24) as u32
    } else {
        FIRST_V4 + unique(BEYOND + number, 30)
    };
    std::net::Ipv4Addr::from(bits).to_string()
}

/// The same for IPv6.
fn other_v6(random: &mut Random, number: u64) -> String {
    let first = match number % 3 {
        0 => 0x2001,
        1 => 0x2a02,
        _ => 0x2a03,
    };
    v6(random, first)
}

fn v6(random: &mut Random, first: u16) -> String {
    let low = u128::from(random.next()) << 64 | u128::from(random.next());
    std::net::Ipv6Addr::from(u128::from(first) << 112 | low >> 16).to_string()
}

fn hex(random: &mut Random, bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < 2 * bytes {
        let _ = write!(text, "{:016x}", random.next());
    }
    text.truncate(2 * bytes);
    text
}

/// splitmix64, seeded with a number and a purpose.
struct Random(u64);

impl Random {
    fn new(number: u64, purpose: u64) -> Self {
        Self(number.wrapping_mul(0xd134_2543_de82_ef95) ^ purpose << 56)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn of(&mut self, words: &[&'static str]) -> &'static str {
        let at = self.below(words.len() as u64);
        words.get(at as usize).copied().unwrap_or_default()
    }

    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}
