//! Made from a seed: Suricata's EVE events and indicators of mixed kinds.

use std::fmt::Write as _;

use detect_alert::{Confidence, Indicator, IndicatorKind, Pap, Tlp};

use crate::workload::Random;

/// EVE as Suricata 8 writes it: six flows, three DNS answers, two TLS handshakes and one web request out of twelve,
/// half of them over IPv6, about 800 bytes each. Two keys are the shipper's: `@timestamp` and `event.dataset`.
#[must_use]
pub fn eve(seed: u64, count: usize) -> Vec<Vec<u8>> {
    eve_with(seed, count, &[])
}

/// The same, with DNS answers for these names in place of one event in a hundred, in both halves of a corpus.
#[must_use]
pub fn eve_with(seed: u64, count: usize, names: &[&str]) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|at| {
            let is_planted = at % 200 < 2 && !names.is_empty();
            let name = is_planted.then(|| names.get(at / 200 % names.len())).flatten();
            record(at, name.copied(), &mut random).into_bytes()
        })
        .collect()
}

fn record(at: usize, name: Option<&str>, random: &mut Random) -> String {
    let (second, millisecond) = (at / 500 % 60, at % 500 * 2);
    let (minute, hour) = (at / 30_000 % 60, at / 1_800_000 % 24);
    let time = format!("2026-03-02T{hour:02}:{minute:02}:{second:02}.{millisecond:03}123");
    let kind = if name.is_some() { 6 } else { random.below(12) };
    let (dataset, kind, transport, port) = match kind {
        0..=5 => ("network.flow", "flow", "TCP", 443),
        6..=8 => ("network.dns", "dns", "UDP", 53),
        9..=10 => ("network.tls", "tls", "TCP", 443),
        _ => ("network.http", "http", "TCP", 80),
    };
    let (host, far) = (random.below(2_000), random.draw());
    let (source, destination) = if random.below(2) == 1 {
        (
            format!("2001:0db8:0020:0000:0000:0000:0000:{host:04x}"),
            format!(
                "2001:0db8:00ff:{:04x}:0000:0000:0000:{:04x}",
                far & 0xffff,
                far >> 48
            ),
        )
    } else {
        (
            format!("10.20.{}.{}", host / 256, host % 256),
            format!("198.{}.{}.{}", 18 + (far & 1), far >> 8 & 255, far >> 16 & 255),
        )
    };
    let mut text = format!(
        "{{\"@timestamp\":\"{time}Z\",\"event.dataset\":\"{dataset}\",\"timestamp\":\"{time}+0000\",\"flow_id\":{},\
         \"in_iface\":\"ens224\",\"event_type\":\"{kind}\",\"src_ip\":\"{source}\",\"src_port\":{},\"dest_ip\":\
         \"{destination}\",\"dest_port\":{port},\"proto\":\"{transport}\",\"ip_v\":4,\"pkt_src\":\"wire/pcap\",\
         \"community_id\":\"1:{:016x}{:08x}=\",",
        random.draw() >> 12,
        32_768 + random.below(28_000),
        random.draw(),
        random.below(1 << 32)
    );
    match kind {
        "flow" => flow(&mut text, &time, random),
        "dns" => dns(&mut text, name, random),
        "tls" => tls(&mut text, random),
        _ => http(&mut text, random),
    }
    text.push('}');
    text
}

fn site(random: &mut Random) -> String {
    format!("www{}.nettsted-{}.example", random.below(4), random.below(50_000))
}

fn flow(text: &mut String, time: &str, random: &mut Random) {
    let bytes = random.below(60_000);
    // Writing to a String never fails.
    let _ = write!(
        text,
        "\"app_proto\":\"tls\",\"flow\":{{\"pkts_toserver\":{},\"pkts_toclient\":{},\"bytes_toserver\":{},\
         \"bytes_toclient\":{bytes},\"start\":\"{time}+0000\",\"end\":\"{time}+0000\",\"age\":{},\"state\":\"closed\",\
         \"reason\":\"timeout\",\"alerted\":false,\"tx_cnt\":1}},\"tcp\":{{\"tcp_flags\":\"1b\",\"tcp_flags_ts\":\"1b\",\
         \"tcp_flags_tc\":\"1b\",\"syn\":true,\"fin\":true,\"psh\":true,\"ack\":true,\"state\":\"closed\",\
         \"ts_max_regions\":1,\"tc_max_regions\":1}}",
        bytes / 1_000 + 3,
        bytes / 800 + 3,
        bytes / 10,
        random.below(60)
    );
}

fn dns(text: &mut String, name: Option<&str>, random: &mut Random) {
    let name = name.map_or_else(|| site(random), str::to_owned);
    let far = random.draw();
    let _ = write!(
        text,
        "\"tx_id\":0,\"app_proto\":\"dns\",\"dns\":{{\"version\":3,\"type\":\"response\",\"tx_id\":1,\"id\":{},\
         \"flags\":\"8180\",\"qr\":true,\"rd\":true,\"ra\":true,\"opcode\":0,\"rcode\":\"NOERROR\",\"queries\":\
         [{{\"rrname\":\"{name}\",\"rrtype\":\"A\"}}],\"answers\":[{{\"rrname\":\"{name}\",\"rrtype\":\"A\",\"ttl\":{},\
         \"rdata\":\"198.18.{}.{}\"}}],\"grouped\":{{\"A\":[\"198.18.{}.{}\"]}}}}",
        random.below(65_536),
        random.below(3_600),
        far & 255,
        far >> 8 & 255,
        far & 255,
        far >> 8 & 255
    );
}

fn tls(text: &mut String, random: &mut Random) {
    let name = site(random);
    let _ = write!(
        text,
        "\"app_proto\":\"tls\",\"tls\":{{\"subject\":\"CN={name}\",\"issuerdn\":\"C=NO, O=Eksempel, CN=Eksempel CA 2\",\
         \"serial\":\"{:032X}\",\"fingerprint\":\"{}\",\"sni\":\"{name}\",\"version\":\"TLS 1.2\",\"notbefore\":\
         \"2026-01-01T00:00:00\",\"notafter\":\"2026-12-31T23:59:59\",\"ja3\":{{\"hash\":\"{}\",\"string\":\
         \"771,4865-4866-4867-49195-49199,0-23-65281-10-11,29-23-24,0\"}},\"ja4\":\"t13d1516h2_{:012x}_{:012x}\"}}",
        random.draw(),
        hexadecimal(random, 40),
        hexadecimal(random, 32),
        random.below(1 << 48),
        random.below(1 << 48)
    );
}

fn http(text: &mut String, random: &mut Random) {
    let name = site(random);
    let _ = write!(
        text,
        "\"tx_id\":0,\"app_proto\":\"http\",\"http\":{{\"hostname\":\"{name}\",\"url\":\"/saker/{}/vedlegg/{}\",\
         \"http_user_agent\":\"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\",\
         \"http_content_type\":\"text/html\",\"http_method\":\"GET\",\"protocol\":\"HTTP/1.1\",\"status\":200,\
         \"length\":{}}}",
        random.below(9_999),
        random.below(99),
        random.below(60_000)
    );
}

/// Lower-case digits.
fn hexadecimal(random: &mut Random, digits: usize) -> String {
    let mut text = String::with_capacity(digits + 16);
    while text.len() < digits {
        let _ = write!(text, "{:016x}", random.draw());
    }
    text.truncate(digits);
    text
}

/// Indicators of mixed kinds, as public feeds have them: of twenty, eight domains, four IPv4 addresses, one IPv6
/// address, two URLs, three hashes of files, and one that is a prefix, a fingerprint or an e-mail address.
#[must_use]
pub fn indicators(seed: u64, count: usize) -> Vec<Indicator> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|at| {
            let (kind, value) = indicator(at, &mut random);
            Indicator {
                kind,
                value,
                source: "bench".to_owned(),
                confidence: Confidence::Medium,
                tlp: Tlp::Clear,
                pap: Pap::Clear,
                valid_from: None,
                valid_until: None,
                description: String::new(),
            }
        })
        .collect()
}

fn indicator(at: usize, random: &mut Random) -> (IndicatorKind, String) {
    let bad = |random: &mut Random| {
        let zone = ["com", "net", "org", "info", "ru", "xyz", "top", "no"];
        let zone = zone.get((random.below(8)) as usize).unwrap_or(&"com");
        format!("{}.bad-{at}.{zone}", hexadecimal(random, 6))
    };
    match at % 20 {
        0..=7 => (IndicatorKind::Domain, bad(random)),
        8..=11 => (IndicatorKind::Address, ipv4(random)),
        12 => (
            IndicatorKind::Address,
            format!(
                "2a0d:{:x}:{:x}::{:x}",
                1 + random.below(0xfffe),
                1 + random.below(0xfffe),
                1 + random.below(0xfffe)
            ),
        ),
        13..=14 => {
            let host = bad(random);
            (
                IndicatorKind::Url,
                format!("http://{host}/{}.php", hexadecimal(random, 8)),
            )
        }
        15 => (IndicatorKind::Md5, hexadecimal(random, 32)),
        16 => (IndicatorKind::Sha1, hexadecimal(random, 40)),
        17..=18 => (IndicatorKind::Sha256, hexadecimal(random, 64)),
        _ => match random.below(4) {
            0 => {
                let address = ipv4(random);
                let network = address.rsplit_once('.').map_or("192.0.2", |(network, _)| network);
                (IndicatorKind::Cidr, format!("{network}.0/24"))
            }
            1 => (IndicatorKind::Ja3, hexadecimal(random, 32)),
            2 => (
                IndicatorKind::Ja4,
                format!(
                    "t13d1517h2_{}_{}",
                    hexadecimal(random, 12),
                    hexadecimal(random, 12)
                ),
            ),
            _ => {
                let domain = bad(random);
                (
                    IndicatorKind::Email,
                    format!("{}@{domain}", hexadecimal(random, 8)),
                )
            }
        },
    }
}

/// A public address, of any part of the space.
fn ipv4(random: &mut Random) -> String {
    loop {
        let bits = random.draw();
        let first = 1 + (bits >> 32) % 223;
        if ![10, 100, 127, 169, 172, 192, 198].contains(&first) {
            return format!(
                "{first}.{}.{}.{}",
                bits >> 8 & 255,
                bits >> 16 & 255,
                bits >> 24 & 255
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn eve_is_json_about_as_long_as_suricatas() {
        let events = eve(1, 2_000);
        assert_eq!(events, eve(1, 2_000));
        let kinds: BTreeSet<String> = events
            .iter()
            .map(|event| {
                let value: serde_json::Value = serde_json::from_slice(event).expect("JSON");
                value["event_type"].as_str().expect("a kind").to_owned()
            })
            .collect();
        assert_eq!(kinds.len(), 4);
        let mean = events.iter().map(Vec::len).sum::<usize>() / events.len();
        assert!((500..900).contains(&mean), "{mean}");
    }

    #[test]
    fn indicators_are_of_many_kinds() {
        let made = indicators(1, 2_000);
        assert_eq!(made, indicators(1, 2_000));
        let kinds: BTreeSet<IndicatorKind> = made.iter().map(|indicator| indicator.kind).collect();
        assert!(10 <= kinds.len(), "{kinds:?}");
    }
}
