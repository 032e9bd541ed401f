//! Events to measure with, made from a seed: the same on every machine, with a known number of matches.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ingest_event::{
    Event, EventId, Fields, Marking, OrganizationNumber, Purpose, SensorId, Timestamp, Zone, encode, field,
};

/// Every so many events one goes to [`BAD_DOMAIN`]: an indicator hit. One in a thousand is a busy day.
pub const HIT_EVERY: u64 = 1_000;

/// The indicator that [`HIT_EVERY`]th event hits.
pub const BAD_DOMAIN: &str = "c2.bad-benchmark.example";

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, good enough to spread fields.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit
    }
}

/// A benign day in the small: six flows, three DNS answers, two TLS handshakes and one web request out of
/// twelve events, half of them over IPv6, about 800 bytes each.
#[must_use]
pub fn benign_day(organization: OrganizationNumber, seed: u64, count: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    (1..=count)
        .map(|sequence| {
            let mut payload = Vec::with_capacity(768);
            encode(&event(organization, sequence, &mut random), &mut payload);
            payload
        })
        .collect()
}

/// Flows of two thousand hosts with twenty thousand servers, few of which take most; every [`HIT_EVERY`]th event is a
/// question for the indicator. They are numbered, and timed, from `first` on.
#[must_use]
pub fn benign_flows(organization: OrganizationNumber, seed: u64, first: u64, count: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    (first + 1..=first + count)
        .map(|sequence| {
            let mut event = event_of(organization, sequence, Some(0), &mut random);
            let server = random.below(20_000) * random.below(20_000) / 20_000;
            let is_ipv6 = event.fields.text(field::NETWORK_TYPE) == Some("ipv6");
            let server: IpAddr = if is_ipv6 {
                Ipv6Addr::from(0x2001_0db8_00ff_0000_0000_0000_0000_0000_u128 | u128::from(server)).into()
            } else {
                Ipv4Addr::from(0xc612_0000 | u32::try_from(server).unwrap_or(0)).into()
            };
            event.fields.set(field::DESTINATION_IP, server);
            let mut payload = Vec::with_capacity(768);
            encode(&event, &mut payload);
            payload
        })
        .collect()
}

fn event(organization: OrganizationNumber, sequence: u64, random: &mut Random) -> Event {
    event_of(organization, sequence, None, random)
}

/// An event of a kind, of any if none is given.
fn event_of(
    organization: OrganizationNumber,
    sequence: u64,
    kind: Option<u64>,
    random: &mut Random,
) -> Event {
    let timestamp = Timestamp::from_millis(1_772_438_400_000 + i64::try_from(sequence).unwrap_or(0) * 2);
    let is_hit = sequence.is_multiple_of(HIT_EVERY);
    let kind = match (is_hit, kind) {
        (true, _) => 6,
        (false, Some(kind)) => kind,
        (false, None) => random.below(12),
    };
    let mut fields = Fields::new();
    connection(&mut fields, random);
    let dataset = match kind {
        0..=5 => flow(&mut fields, timestamp, random),
        6..=8 => dns(&mut fields, is_hit, random),
        9..=10 => tls(&mut fields, random),
        _ => http(&mut fields, random),
    };
    Event {
        id: EventId::derive(&[b"bench", &sequence.to_le_bytes()]),
        sensor: sensor(),
        organization,
        sequence,
        timestamp,
        observed: timestamp,
        dataset: dataset.to_owned(),
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        purpose: Purpose::Training,
        exercise: false,
        fields,
    }
}

/// The sensor that all of them come from.
///
/// # Panics
/// Never: the name is valid.
#[must_use]
#[expect(clippy::expect_used, reason = "a literal that is valid")]
pub fn sensor() -> SensorId {
    SensorId::parse("bench-sensor").expect("valid")
}

fn connection(fields: &mut Fields, random: &mut Random) {
    let host = random.below(2_000);
    let far = random.draw();
    let is_ipv6 = random.below(2) == 1;
    let (source, destination): (IpAddr, IpAddr) = if is_ipv6 {
        let far = Ipv6Addr::from(0x2001_0db8_00ff_0000_0000_0000_0000_0000_u128 | u128::from(far >> 8));
        (
            Ipv6Addr::from(0x2001_0db8_0020_0000_0000_0000_0000_0000_u128 | u128::from(host)).into(),
            far.into(),
        )
    } else {
        let near = Ipv4Addr::from(0x0a14_0000 | u32::try_from(host).unwrap_or(0));
        (
            near.into(),
            Ipv4Addr::from(0xc612_0000 | u32::try_from(far % 0x1_ffff).unwrap_or(0)).into(),
        )
    };
    fields.set(field::SOURCE_IP, source);
    fields.set(field::SOURCE_PORT, 32_768 + random.below(28_000));
    fields.set(field::DESTINATION_IP, destination);
    fields.set(field::NETWORK_TYPE, if is_ipv6 { "ipv6" } else { "ipv4" });
    fields.set(field::NETWORK_DIRECTION, "outbound");
    fields.set(
        field::NETWORK_COMMUNITY_ID,
        format!("1:{:016x}{:08x}=", random.draw(), random.below(1 << 32)),
    );
}

fn flow(fields: &mut Fields, timestamp: Timestamp, random: &mut Random) -> &'static str {
    let bytes = random.below(60_000);
    let port = match random.below(6) {
        0 => 80_u16,
        1 => 53,
        2 => 993,
        _ => 443,
    };
    fields.set(field::DESTINATION_PORT, port);
    fields.set(field::NETWORK_TRANSPORT, "tcp");
    fields.set(field::EVENT_START, timestamp);
    fields.set(field::EVENT_END, timestamp);
    fields.set(field::EVENT_DURATION, random.below(30_000_000_000));
    fields.set(field::SOURCE_BYTES, bytes / 10);
    fields.set(field::SOURCE_PACKETS, bytes / 1_000 + 3);
    fields.set(field::DESTINATION_BYTES, bytes);
    fields.set(field::DESTINATION_PACKETS, bytes / 800 + 3);
    fields.set(field::NETWORK_BYTES, bytes + bytes / 10);
    fields.set(field::NETWORK_PACKETS, bytes / 400 + 6);
    fields.set(field::VARDE_FLOW_STATE, "closed");
    "network.flow"
}

fn dns(fields: &mut Fields, is_hit: bool, random: &mut Random) -> &'static str {
    let name = if is_hit {
        BAD_DOMAIN.to_owned()
    } else {
        site(random)
    };
    fields.set(field::DESTINATION_PORT, 53_u16);
    fields.set(field::NETWORK_TRANSPORT, "udp");
    fields.set(field::DNS_TYPE, "query");
    fields.set(field::DNS_ID, random.below(65_536));
    fields.set(field::DNS_QUESTION_NAME, name);
    fields.set(field::DNS_QUESTION_TYPE, "AAAA");
    "network.dns"
}

fn tls(fields: &mut Fields, random: &mut Random) -> &'static str {
    fields.set(field::DESTINATION_PORT, 443_u16);
    fields.set(field::NETWORK_TRANSPORT, "tcp");
    fields.set(field::TLS_SERVER_NAME, site(random));
    fields.set(field::TLS_VERSION, "1.3");
    fields.set(
        field::TLS_JA3,
        format!("{:016x}{:016x}", random.draw(), random.draw()),
    );
    fields.set(
        field::TLS_JA4,
        format!(
            "t13d1516h2_{:012x}_{:012x}",
            random.below(1 << 48),
            random.below(1 << 48)
        ),
    );
    "network.tls"
}

fn http(fields: &mut Fields, random: &mut Random) -> &'static str {
    let site = site(random);
    let path = format!("/saker/{}/vedlegg/{}", random.below(9_999), random.below(99));
    fields.set(field::DESTINATION_PORT, 80_u16);
    fields.set(field::NETWORK_TRANSPORT, "tcp");
    fields.set(field::HTTP_METHOD, "GET");
    fields.set(field::HTTP_STATUS, 200_u16);
    fields.set(field::URL_ORIGINAL, format!("http://{site}{path}"));
    fields.set(field::URL_DOMAIN, site);
    fields.set(field::URL_PATH, path);
    fields.set(
        field::USER_AGENT,
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    );
    "network.http"
}

fn site(random: &mut Random) -> String {
    format!("www{}.nettsted-{}.example", random.below(4), random.below(50_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_corpus_with_a_known_number_of_hits() {
        let oslo = OrganizationNumber::parse("958935420").expect("valid");
        let events = benign_day(oslo, 1, 5_000);
        assert_eq!(events, benign_day(oslo, 1, 5_000));
        let hits = events
            .iter()
            .filter(|event| String::from_utf8_lossy(event).contains(BAD_DOMAIN))
            .count();
        assert_eq!(hits, 5);
        let bytes: usize = events.iter().map(Vec::len).sum();
        assert!(
            (700..950).contains(&(bytes / events.len())),
            "{} bytes each",
            bytes / events.len()
        );
    }
}
