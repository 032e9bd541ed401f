//! What is the site's own is no indicator of the centre's, unless the site says so: a list of its addresses or names would
//! be a question about its people, and each answer would undo a pseudonym (decision 0016).

use std::net::IpAddr;

use detect_alert::IndicatorKind;
use ipnet::IpNet;

use crate::config::Config;

/// Networks that are nobody's in particular, and so the site's own where they are seen: RFC 1918, RFC 6598, RFC 4193, and
/// addresses of a link or a machine.
const PRIVATE: [&str; 10] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
    "fec0::/10",
];

/// The site's networks and domains. The default has nothing to guard.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    is_guarded: bool,
    networks: Vec<IpNet>,
    domains: Vec<String>,
}

impl Ours {
    /// Of these networks and domains, and all private networks.
    #[must_use]
    pub fn new(networks: &[IpNet], domains: &[String]) -> Self {
        let private = PRIVATE.iter().filter_map(|text| text.parse().ok());
        let lower = |domain: &String| domain.trim_matches('.').to_ascii_lowercase();
        Self {
            is_guarded: true,
            networks: networks.iter().copied().chain(private).collect(),
            domains: domains.iter().map(lower).collect(),
        }
    }

    /// Of a configuration, with what a bundle added; nothing if it lets the centre ask.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        if config.detect.own_values {
            return Self::default();
        }
        let domains: Vec<String> = config
            .home_domains
            .iter()
            .chain(&config.added_domains)
            .cloned()
            .collect();
        Self::new(&config.home_networks, &domains)
    }

    /// Whether a value in the normal form of its kind is one of them, or has one of them in it.
    #[must_use]
    pub fn is(&self, kind: IndicatorKind, value: &str) -> bool {
        if !self.is_guarded {
            return false;
        }
        match kind {
            IndicatorKind::Address => value.parse().is_ok_and(|address| self.has(address)),
            IndicatorKind::Cidr => value.parse().is_ok_and(|net: IpNet| {
                let meets = |own: &IpNet| own.contains(&net.addr()) || net.contains(&own.addr());
                self.networks.iter().any(meets)
            }),
            IndicatorKind::Domain => self.is_name(value),
            IndicatorKind::Email => value
                .rsplit_once('@')
                .is_some_and(|(_, domain)| self.is_name(domain)),
            IndicatorKind::Asn
            | IndicatorKind::Certificate
            | IndicatorKind::FileName
            | IndicatorKind::Ja3
            | IndicatorKind::Ja4
            | IndicatorKind::Md5
            | IndicatorKind::Sha1
            | IndicatorKind::Sha256
            | IndicatorKind::Url => false,
        }
    }

    fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|own| own.contains(&address))
    }

    /// A name without a dot is of some machine here; one above ours has all of ours in it.
    fn is_name(&self, name: &str) -> bool {
        let is_below = |one: &str, other: &str| {
            one.strip_suffix(other)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        !name.contains('.')
            || self
                .domains
                .iter()
                .any(|own| is_below(name, own) || is_below(own, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IndicatorKind as Kind;

    #[test]
    fn what_is_ours_is_told_from_what_is_others() {
        let networks = ["198.51.100.0/24", "2001:db8:20::/48"].map(|text| text.parse().expect("a network"));
        let ours = Ours::new(&networks, &["Kommune.example".to_owned()]);
        for (kind, value) in [
            (Kind::Address, "10.20.0.15"),
            (Kind::Address, "198.51.100.7"),
            (Kind::Address, "2001:db8:20::7"),
            (Kind::Address, "fd00::7"),
            (Kind::Cidr, "198.51.100.128/25"),
            (Kind::Cidr, "198.51.0.0/16"),
            (Kind::Cidr, "2001:db8::/32"),
            (Kind::Cidr, "192.168.7.0/24"),
            (Kind::Domain, "kommune.example"),
            (Kind::Domain, "pc-7.kommune.example"),
            (Kind::Domain, "example"),
            (Kind::Domain, "pc-7"),
            (Kind::Email, "kari@kommune.example"),
            (Kind::Email, "kari@skole.kommune.example"),
        ] {
            assert!(ours.is(kind, value), "{kind} {value}");
        }
        for (kind, value) in [
            (Kind::Address, "203.0.113.9"),
            (Kind::Address, "2001:db8:21::7"),
            (Kind::Cidr, "203.0.113.0/24"),
            (Kind::Domain, "notkommune.example"),
            (Kind::Domain, "bad.test"),
            (Kind::Email, "who@bad.test"),
            (Kind::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
            (Kind::Url, "http://bad.test/a"),
        ] {
            assert!(!ours.is(kind, value), "{kind} {value}");
        }
    }
}
