//! Names that carry data and names that a machine made.

use super::super::benign::{Host, resolver};
use super::super::draw::Draw;
use super::super::happening::Name;
use super::super::label::Kind;
use super::Hidden;

const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz012345";
const HEX: &[u8] = b"0123456789abcdef";
const CONSONANTS: &[u8] = b"bcdfghjklmnpqrstvwxz";
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// How data travels in names.
struct Tunnel {
    name: &'static str,
    kind: &'static str,
    questions: u32,
    pause: f64,
    alphabet: &'static [u8],
    /// Letters of a label, and labels.
    label: u64,
    labels: u32,
}

const TUNNELS: [Tunnel; 5] = [
    Tunnel {
        name: "as iodine, 20 a second for 5 min",
        kind: "NULL",
        questions: 6_000,
        pause: 0.05,
        alphabet: BASE32,
        label: 58,
        labels: 3,
    },
    Tunnel {
        name: "as dnscat, 2 a second for 20 min",
        kind: "TXT",
        questions: 2_400,
        pause: 0.5,
        alphabet: HEX,
        label: 60,
        labels: 2,
    },
    Tunnel {
        name: "as dnscat, each second for 2 h",
        kind: "CNAME",
        questions: 7_200,
        pause: 1.0,
        alphabet: HEX,
        label: 34,
        labels: 1,
    },
    Tunnel {
        name: "each 10 s for 3 h",
        kind: "TXT",
        questions: 1_080,
        pause: 10.0,
        alphabet: HEX,
        label: 48,
        labels: 1,
    },
    Tunnel {
        name: "each minute for 8 h",
        kind: "A",
        questions: 480,
        pause: 60.0,
        alphabet: BASE32,
        label: 24,
        labels: 1,
    },
];

/// Hides tunnels.
pub(super) fn tunnels(hidden: &mut Hidden<'_>) {
    for tunnel in &TUNNELS {
        let (host, is_v6) = (hidden.infected(), hidden.is_v6());
        let domain = format!("{}.example", hidden.draw.text(LETTERS, 7));
        let lasts = f64::from(tunnel.questions) * tunnel.pause;
        let begins = hidden.draw.between(0.0, 86_000.0 - lasts);
        for number in 0..tunnel.questions {
            let labels: Vec<String> = (0..tunnel.labels)
                .map(|_| hidden.draw.text(tunnel.alphabet, tunnel.label))
                .collect();
            let name = format!("{}.{domain}", labels.join("."));
            let at = begins + f64::from(number) * tunnel.pause;
            asks(hidden, &host, is_v6, at, name, tunnel.kind, true);
        }
        hidden.label(
            Kind::Tunnel,
            tunnel.name.to_owned(),
            &[host.address(is_v6)],
            begins,
            begins + lasts,
        );
    }
}

/// How a program looks for its master.
struct Generated {
    name: &'static str,
    questions: u32,
    pause: f64,
    makes: fn(&mut Draw) -> String,
}

const GENERATED: [Generated; 4] = [
    Generated {
        name: "letters, 200 in 3 min",
        questions: 200,
        pause: 1.0,
        makes: |draw| {
            let length = 12 + draw.below(9);
            draw.text(LETTERS, length)
        },
    },
    Generated {
        name: "hexadecimal, 100 in 15 min",
        questions: 100,
        pause: 9.0,
        makes: |draw| draw.text(HEX, 32),
    },
    Generated {
        name: "consonants, each 5 min for 8 h",
        questions: 96,
        pause: 300.0,
        makes: |draw| {
            let length = 10 + draw.below(5);
            draw.text(CONSONANTS, length)
        },
    },
    Generated {
        name: "two words, 150 in 10 min",
        questions: 150,
        pause: 4.0,
        makes: words,
    },
];

/// Two words in one, as some families have it.
fn words(draw: &mut Draw) -> String {
    const WORDS: [&str; 20] = [
        "hest", "fjell", "vinter", "bok", "kaffe", "maskin", "elv", "sommer", "lampe", "vindu", "stasjon",
        "brev", "nord", "tog", "gress", "hammer", "flaske", "skole", "himmel", "stein",
    ];
    let mut word = || draw.one(&WORDS).copied().unwrap_or_default();
    format!("{}{}", word(), word())
}

/// Hides names made by a machine. One in fifty is there.
pub(super) fn generated(hidden: &mut Hidden<'_>) {
    for generated in &GENERATED {
        let (host, is_v6) = (hidden.infected(), hidden.is_v6());
        let lasts = f64::from(generated.questions) * generated.pause;
        let begins = hidden.draw.between(0.0, 86_000.0 - lasts);
        for number in 0..generated.questions {
            // A model judges names below suffixes that are in use.
            let suffix = hidden.draw.one(&["com", "info", "net"]).copied().unwrap_or("com");
            let name = format!("{}.{suffix}", (generated.makes)(&mut hidden.draw));
            let at = begins + f64::from(number) * generated.pause * hidden.draw.between(0.9, 1.0);
            asks(hidden, &host, is_v6, at, name, "A", number % 50 == 49);
        }
        hidden.label(
            Kind::GeneratedNames,
            generated.name.to_owned(),
            &[host.address(is_v6)],
            begins,
            begins + lasts,
        );
    }
}

fn asks(
    hidden: &mut Hidden<'_>,
    host: &Host,
    is_v6: bool,
    at: f64,
    name: String,
    kind: &'static str,
    found: bool,
) {
    let name = Name {
        from: host.address(is_v6),
        to: resolver(is_v6),
        name: name.into(),
        kind,
        found: Some(found),
    };
    hidden.day.name(host.zone(), at, name);
}
