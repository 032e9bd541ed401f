//! How often one address may ask for a certificate: whoever asks more is not enrolling. Counted in the current minute, so
//! that what is kept is bounded.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;

use ingest_event::Timestamp;

/// Asks of one address in a minute: many new sensors behind one address, each asking twice.
pub const PER_MINUTE_MAX: u32 = 60;

/// Asks of one IPv6 network of 48 bits in a minute.
pub const PER_MINUTE_OF_SITE_MAX: u32 = 4 * PER_MINUTE_MAX;

/// Addresses that are told apart in a minute; more knock only where somebody plays.
pub const SOURCES_MAX: usize = 10_000;

const MINUTE_MILLIS: i64 = 60_000;

/// Counts of the current minute, of sources and of IPv6 networks of 48 bits; no more of these than of those.
#[derive(Debug, Default)]
pub struct Knocks(Mutex<(i64, Counts, Counts)>);

type Counts = BTreeMap<IpAddr, u32>;

impl Knocks {
    /// Whether an address may ask now.
    #[must_use]
    pub fn may(&self, address: IpAddr, now: Timestamp) -> bool {
        let minute = now.as_millis().div_euclid(MINUTE_MILLIS);
        let mut counted = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (of, counts, sites) = &mut *counted;
        if *of != minute {
            *of = minute;
            counts.clear();
            sites.clear();
        }
        let source = source(address);
        if SOURCES_MAX <= counts.len() && !counts.contains_key(&source) {
            return false;
        }
        let count = counts.entry(source).or_default();
        *count = count.saturating_add(1);
        let is_few = *count <= PER_MINUTE_MAX;
        let Some(site) = site(address) else {
            return is_few;
        };
        let count = sites.entry(site).or_default();
        *count = count.saturating_add(1);
        is_few && *count <= PER_MINUTE_OF_SITE_MAX
    }
}

/// Whom an address stands for: itself, or its network of 64 bits, which one site has all of (RFC 6177); an IPv4 address
/// in IPv6 clothes is an IPv4 address.
#[must_use]
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

/// The network of 48 bits that an IPv6 address is in: some customers have all of one.
#[must_use]
pub fn site(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(IpAddr::V6((address.to_bits() >> 80 << 80).into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_own_count_a_minute() {
        for (mine, also_mine, theirs) in [
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("2001:db8::7", "2001:db8::8", "2001:db8:0:1::7"),
        ] {
            let knocks = Knocks::default();
            let at = |secs: i64| Timestamp::from_millis(secs * 1_000);
            let address = |text: &str| text.parse::<IpAddr>().expect("an address");
            for _ in 0..PER_MINUTE_MAX {
                assert!(knocks.may(address(mine), at(60)));
            }
            assert!(!knocks.may(address(also_mine), at(61)), "{also_mine}");
            assert!(knocks.may(address(theirs), at(61)), "{theirs}");
            assert!(knocks.may(address(mine), at(120)));
        }
    }

    #[test]
    fn a_customer_with_many_networks_has_a_count_of_all() {
        let knocks = Knocks::default();
        let asks = |first: &str| -> usize {
            let addresses = (0..1_000).map(|n| format!("{first}:{n:x}::7").parse().expect("an address"));
            addresses
                .filter(|address| knocks.may(*address, Timestamp::EPOCH))
                .count()
        };
        assert_eq!(asks("2001:db8:1"), PER_MINUTE_OF_SITE_MAX as usize);
        assert_eq!(asks("2001:db8:2"), PER_MINUTE_OF_SITE_MAX as usize);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let knocks = Knocks::default();
        let address = |number: usize| IpAddr::V4(u32::try_from(number).expect("small").into());
        for number in 0..SOURCES_MAX {
            assert!(knocks.may(address(number), Timestamp::EPOCH));
        }
        assert!(!knocks.may(address(SOURCES_MAX), Timestamp::EPOCH));
        assert!(knocks.may(address(0), Timestamp::EPOCH));
        assert_eq!(knocks.0.lock().expect("held").1.len(), SOURCES_MAX);
    }
}
