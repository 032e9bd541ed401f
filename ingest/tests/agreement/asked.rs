//! What has to agree, and how much of it does.

use crate::count::{Counts, is_field, sum};

/// Something that has to agree.
pub(crate) struct Asked {
    pub(crate) what: &'static str,
    /// The least part.
    pub(crate) bar: f64,
    /// Whether a row of a dataset is of it.
    pub(crate) of: fn(&str, &str) -> bool,
}

pub(crate) const ASKED: [Asked; 6] = [
    asked("names of DNS", 0.99, |_, row| row == "dns.question.name"),
    asked("SNI", 0.99, |_, row| row == "tls.client.server_name"),
    asked("HTTP hosts", 0.99, |_, row| row == "url.domain"),
    asked("tuples of flows", 0.99, |_, row| row == "(tuple)"),
    asked("fields", 0.98, |_, row| is_field(row)),
    asked("fields, records, counts and clients", 0.98, |_, _| true),
];

const fn asked(what: &'static str, bar: f64, of: fn(&str, &str) -> bool) -> Asked {
    Asked { what, bar, of }
}

/// What of it falls short, with whom, and why.
pub(crate) const SHORT: [(&str, &[&str], &str); 3] = [
    (
        "tuples of flows",
        &["Suricata"],
        "two of 81: what carries Teredo on a port of neither end, and half a header of SCTP",
    ),
    (
        "fields",
        &["Suricata"],
        "these tests look for few fields, each in a corner of its own; the reasons of all that differ are below",
    ),
    (
        "fields, records, counts and clients",
        &["Suricata"],
        "the same, and HTTP/2 in clear text is not read",
    ),
];

/// The comparisons that are held against it: each by itself, and both together.
pub(crate) fn sides<'a>(zeek: &'a Counts, suricata: &'a Counts) -> [(&'static str, Vec<&'a Counts>); 3] {
    [
        ("Zeek", vec![zeek]),
        ("Suricata", vec![suricata]),
        ("both", vec![zeek, suricata]),
    ]
}

/// What falls short.
pub(crate) fn short(zeek: &Counts, suricata: &Counts) -> Vec<(&'static str, &'static str)> {
    let mut out = Vec::new();
    for asked in &ASKED {
        for (side, counts) in sides(zeek, suricata) {
            if share(sum(&counts, &asked.of)) < asked.bar {
                out.push((asked.what, side));
            }
        }
    }
    out
}

/// The part that agrees of what is compared.
pub(crate) fn share((agreed, compared): (u32, u32)) -> f64 {
    f64::from(agreed) / f64::from(compared)
}
