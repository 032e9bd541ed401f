//! The registry, arranged for questions.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ingest_event::SensorId;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use crate::{Organization, Registry};

/// A registry arranged for questions.
#[derive(Clone, Debug)]
pub struct RouteTable {
    registry: Registry,
    v4: PrefixMap<Ipv4Net, Vec<usize>>,
    v6: PrefixMap<Ipv6Net, Vec<usize>>,
    domains: HashMap<String, Vec<usize>>,
    systems: BTreeMap<u32, Vec<usize>>,
    sensors: HashMap<SensorId, usize>,
}

impl RouteTable {
    /// Arranges a registry.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        let (mut v4, mut v6) = (
            PrefixMap::<Ipv4Net, Vec<usize>>::new(),
            PrefixMap::<Ipv6Net, Vec<usize>>::new(),
        );
        let mut domains: HashMap<String, Vec<usize>> = HashMap::new();
        let mut systems: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let mut sensors = HashMap::new();
        for (index, organization) in registry.organizations().iter().enumerate() {
            for network in &organization.networks {
                match network {
                    IpNet::V4(network) => v4.entry(network.trunc()).or_default().push(index),
                    IpNet::V6(network) => v6.entry(network.trunc()).or_default().push(index),
                }
            }
            for domain in &organization.domains {
                domains.entry(domain.clone()).or_default().push(index);
            }
            for sensor in &organization.sensors {
                sensors.insert(sensor.clone(), index);
            }
            for system in &organization.systems {
                systems.entry(*system).or_default().push(index);
            }
        }
        Self {
            registry,
            v4,
            v6,
            domains,
            systems,
            sensors,
        }
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Organisations with a network around an address, and the network's prefix length.
    pub(super) fn around(&self, address: IpAddr) -> Vec<(u8, IpNet, &Organization)> {
        // An IPv4 address written as IPv6 (RFC 4291, 2.5.5.2) is the IPv4 address.
        let rows: Vec<(u8, IpNet, &Vec<usize>)> = match address.to_canonical() {
            IpAddr::V4(address) => {
                let cover = self.v4.cover(&Ipv4Net::from(address));
                cover
                    .map(|(network, rows)| (network.prefix_len(), IpNet::V4(network), rows))
                    .collect()
            }
            IpAddr::V6(address) => {
                let cover = self.v6.cover(&Ipv6Net::from(address));
                cover
                    .map(|(network, rows)| (network.prefix_len(), IpNet::V6(network), rows))
                    .collect()
            }
        };
        let named = rows
            .into_iter()
            .flat_map(|(length, network, rows)| self.rows(rows).map(move |who| (length, network, who)));
        named.collect()
    }

    /// Organisations with a domain that a name is in, on label boundaries: `notexample.no` is not in `example.no`.
    pub(super) fn above<'n>(&self, name: &'n str) -> Vec<(&'n str, &Organization)> {
        let dots = name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..));
        [name]
            .into_iter()
            .chain(dots)
            .filter_map(|domain| Some((domain, self.domains.get(domain)?)))
            .flat_map(|(domain, rows)| self.rows(rows).map(move |who| (domain, who)))
            .collect()
    }

    /// Organisations with an autonomous system.
    pub(super) fn of_system(&self, number: u32) -> impl Iterator<Item = &Organization> {
        let rows = self.systems.get(&number);
        rows.into_iter().flat_map(|rows| self.rows(rows))
    }

    /// The organisation that a sensor watches; there is no second one.
    pub(super) fn of_sensor(&self, sensor: &SensorId) -> Option<&Organization> {
        self.registry.organizations().get(*self.sensors.get(sensor)?)
    }

    fn rows<'t>(&'t self, rows: &'t [usize]) -> impl Iterator<Item = &'t Organization> {
        rows.iter()
            .filter_map(|row| self.registry.organizations().get(*row))
    }
}
