//! Pseudonyms of addresses that keep prefixes: two addresses share as many first bits under pseudonym as in clear.
//!
//! Crypto-PAn (Xu, Fan, Ammar, Moon: Prefix-preserving IP address anonymization, 2002) over AES-128, for IPv4 and IPv6
//! alike, with one addition: the first bits of the block that everybody knows are kept, so that a private address stays a
//! private address and rules about `10.0.0.0/8` or `fd00::/8` go on working. With the key it can be turned back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use ipnet::IpNet;

use crate::normalize::is_everybody;

/// The keyed permutation of addresses.
pub struct PrefixCipher {
    aes: Aes128,
    pad: u128,
}

impl PrefixCipher {
    /// From 32 bytes: 16 of the cipher's key, 16 of what becomes the padding.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let (cipher, pad) = key.split_at(16);
        let [mut of_cipher, mut of_pad] = [[0; 16]; 2];
        of_cipher.copy_from_slice(cipher);
        of_pad.copy_from_slice(pad);
        let aes = Aes128::new(&Array::from(of_cipher));
        let mut block = Array::from(of_pad);
        aes.encrypt_block(&mut block);
        Self {
            aes,
            pad: u128::from_be_bytes(block.into()),
        }
    }

    /// The pseudonym of an address of which the first `keep` bits stay.
    #[must_use]
    pub fn encrypt(&self, address: IpAddr, keep: u32) -> IpAddr {
        let (bits, width) = bits(address);
        let mut blocks = [Array::from([0; 16]); 128];
        let used = blocks.get_mut(keep.min(width) as usize..width as usize);
        let used = used.unwrap_or_default();
        for (at, block) in (keep..width).zip(used.iter_mut()) {
            *block = Array::from(self.input(bits, at).to_be_bytes());
        }
        self.aes.encrypt_blocks(used);
        let flips = (keep..width)
            .zip(used.iter())
            .fold(0, |flips, (at, block)| flips | flip(at, block.first()));
        address_of(bits ^ flips, width)
    }

    /// The address of a pseudonym.
    #[must_use]
    pub fn decrypt(&self, pseudonym: IpAddr, keep: u32) -> IpAddr {
        let (mut bits, width) = bits(pseudonym);
        for at in keep..width {
            // Bits before this one are in clear by now.
            let mut block = Array::from(self.input(bits, at).to_be_bytes());
            self.aes.encrypt_block(&mut block);
            bits ^= flip(at, block.first());
        }
        address_of(bits, width)
    }

    /// The first `at` bits of the address, then the padding's.
    fn input(&self, bits: u128, at: u32) -> u128 {
        let first = u128::MAX.checked_shl(128 - at).unwrap_or(0);
        (bits & first) | (self.pad & !first)
    }
}

/// Whether bit `at` changes: as the first bit of the cipher's answer says.
fn flip(at: u32, first: Option<&u8>) -> u128 {
    let bit = first.map_or(0, |byte| u128::from(byte >> 7));
    bit << (127 - at)
}

/// The bits of an address from the left, and how many they are.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn address_of(bits: u128, width: u32) -> IpAddr {
    if width == 32 {
        let [a, b, c, d, ..] = bits.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    }
}

/// Blocks that belong to nobody's public network, with how many of their bits stay: RFC 1918, RFC 6598, RFC 3927, RFC
/// 4193, RFC 8215, and link-local addresses, of which the interface is hidden.
const PRIVATE: [(IpAddr, u8, u32); 8] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8, 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12, 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16, 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10, 10),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16, 16),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7, 8),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10, 64),
    (IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0)), 48, 48),
];

/// Of a configured network no more bits stay than those of a common one: a network of one address would be no secret.
const fn kept_max(network: &IpNet) -> u32 {
    match network {
        IpNet::V4(_) => 24,
        IpNet::V6(_) => 64,
    }
}

/// Which addresses are ours: those of private blocks and of the configured networks.
#[derive(Clone, Debug, Default)]
pub struct Inside {
    networks: Vec<(IpNet, u32)>,
}

impl Inside {
    /// With these networks of our own beside the private blocks.
    #[must_use]
    pub fn new(home_networks: &[IpNet]) -> Self {
        let private = PRIVATE
            .iter()
            .filter_map(|(address, length, keep)| Some((IpNet::new(*address, *length).ok()?, *keep)));
        // A private block comes before what is configured in it: the plan of the network is not told.
        let own = home_networks.iter().map(|network| {
            (
                network.trunc(),
                u32::from(network.prefix_len()).min(kept_max(network)),
            )
        });
        let mut own: Vec<_> = own.collect();
        // The largest first, so that all addresses of one block keep the same bits.
        own.sort_by_key(|(network, keep)| (*keep, network.network()));
        Self {
            networks: private.chain(own).collect(),
        }
    }

    /// How many first bits of an address of ours stay; `None` for one of elsewhere, and for those that name no machine.
    /// An IPv4 address in IPv6 must be in its short form.
    #[must_use]
    pub fn keep(&self, address: IpAddr) -> Option<u32> {
        if address.is_loopback() || address.is_unspecified() || is_everybody(address) {
            return None;
        }
        let own = self
            .networks
            .iter()
            .find(|(network, _)| network.contains(&address));
        if let Some((_, keep)) = own {
            return Some(*keep);
        }
        let IpAddr::V6(six) = address else { return None };
        // An address that carries one of ours is ours: what stands before the carried one stays, and its block.
        carried(six).find_map(|(before, four)| Some(before + self.keep(IpAddr::V4(four))?))
    }
}

/// The IPv4 addresses that an IPv6 address carries, each with the number of bits before it.
fn carried(six: Ipv6Addr) -> impl Iterator<Item = (u32, Ipv4Addr)> {
    let joined = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let [a, b, c, d, e, f, high, low] = six.segments();
    let last = (96, joined(high, low));
    let found: [Option<(u32, Ipv4Addr)>; 2] = match [a, b, c, d, e, f] {
        // Behind a translator (RFC 6052), as compatible or mapped (RFC 4291), translated (RFC 2765).
        [0x64, 0xff9b, 0, 0, 0, 0] | [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] => {
            [Some(last), None]
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => [Some((16, joined(high, low))), None],
        // Teredo (RFC 4380): its server, and the client with all bits turned.
        [0x2001, 0, high, low, ..] => [
            Some((32, joined(high, low))),
            Some((96, Ipv4Addr::from_bits(!last.1.to_bits()))),
        ],
        // ISATAP (RFC 5214), for private and for public addresses.
        [.., 0 | 0x200, 0x5efe] => [Some(last), None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_network_of_one_address_is_hidden_all_the_same() {
        for (network, kept) in [
            ("203.0.113.7/32", 24),
            ("203.0.113.0/24", 24),
            ("203.0.0.0/16", 16),
            ("2001:db8::7/128", 64),
            ("2001:db8::/32", 32),
        ] {
            let network: IpNet = network.parse().expect("a network");
            assert_eq!(
                Inside::new(&[network]).keep(network.addr()),
                Some(kept),
                "{network}"
            );
        }
    }

    /// The key of the authors' sample, and of every implementation's tests since.
    const SAMPLE: [u8; 32] = [
        21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131, 121, 121,
        101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
    ];

    #[test]
    fn addresses_of_the_sample_become_what_its_authors_publish() {
        let cipher = PrefixCipher::new(&SAMPLE);
        for (clear, expected) in [
            ("128.11.68.132", "135.242.180.132"),
            ("129.118.74.4", "134.136.186.123"),
            ("130.132.252.244", "133.68.164.234"),
            ("141.223.7.43", "141.167.8.160"),
            ("152.163.225.39", "151.140.114.167"),
            ("192.102.249.13", "252.138.62.131"),
            ("24.0.250.221", "100.15.198.226"),
            ("::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"),
            ("2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"),
            ("2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"),
        ] {
            let [clear, expected] = [clear, expected].map(|text| text.parse::<IpAddr>().expect("an address"));
            assert_eq!(cipher.encrypt(clear, 0), expected, "{clear}");
            assert_eq!(cipher.decrypt(expected, 0), clear);
        }
    }

    fn common(one: IpAddr, other: IpAddr) -> u32 {
        let ((one, width), (other, _)) = (bits(one), bits(other));
        (one ^ other).leading_zeros().min(width)
    }

    fn inside() -> Inside {
        let home = [
            "198.51.100.0/24",
            "198.51.0.0/16",
            "2001:db8:20::/48",
            "10.20.0.0/24",
        ];
        Inside::new(&home.map(|text| text.parse().expect("a network")))
    }

    #[test]
    fn what_is_ours_stays_in_its_block_and_the_rest_is_left_alone() {
        let cipher = PrefixCipher::new(&SAMPLE);
        for (address, keep) in [
            ("10.20.0.5", Some(8)),
            ("172.31.255.1", Some(12)),
            ("172.32.0.1", None),
            ("192.168.0.1", Some(16)),
            ("169.254.1.1", Some(16)),
            ("100.100.0.1", Some(10)),
            ("198.51.100.7", Some(16)),
            ("203.0.113.1", None),
            ("127.0.0.1", None),
            ("0.0.0.0", None),
            ("255.255.255.255", None),
            ("224.0.0.251", None),
            ("fd00:20::5", Some(8)),
            ("fe80::1", Some(64)),
            ("2001:db8:20::5", Some(48)),
            ("2001:db8:21::5", None),
            ("64:ff9b::10.20.0.5", Some(104)),
            ("64:ff9b::203.0.113.1", None),
            ("64:ff9b:1::10.20.0.5", Some(48)),
            ("::10.20.0.5", Some(104)),
            ("::203.0.113.1", None),
            ("::ffff:10.20.0.5", Some(104)),
            ("::ffff:0:10.20.0.5", Some(104)),
            ("::ffff:0:203.0.113.1", None),
            ("2002:a14:5::1", Some(24)),
            ("2002:cb00:7101::1", None),
            // The client behind the address translator, and the server.
            ("2001:0:cb00:7101:0:ffff:f5eb:fffa", Some(104)),
            ("2001:0:a14:5:0:ffff:34ff:8efe", Some(40)),
            ("2001:0:cb00:7101:0:ffff:34ff:8efe", None),
            ("2001:db8:99::5efe:10.20.0.5", Some(104)),
            ("2001:db8:99::200:5efe:198.51.100.7", Some(112)),
            ("2001:db8:99::5efe:203.0.113.1", None),
            ("::1", None),
            ("::", None),
            ("ff02::fb", None),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(inside().keep(address), keep, "{address}");
            if let Some(keep) = keep {
                let pseudonym = cipher.encrypt(address, keep);
                assert_eq!(
                    inside().keep(pseudonym),
                    Some(keep),
                    "{address} became {pseudonym}"
                );
                assert_eq!(cipher.decrypt(pseudonym, keep), address);
            }
        }
    }

    /// Addresses of every kind that is ours, made of some bits: of each private block, of networks of our own, and IPv6
    /// addresses that carry one.
    fn ours(four: u32, six: u128) -> Vec<IpAddr> {
        let within = |network: &str| -> IpAddr {
            let network: IpNet = network.parse().expect("a network");
            let (first, width) = bits(network.network());
            let host = u128::MAX.checked_shr(network.prefix_len().into()).unwrap_or(0);
            let filling = if width == 32 {
                u128::from(four) << 96 | six >> 32
            } else {
                six
            };
            address_of(first | filling & host, width)
        };
        let mut all: Vec<IpAddr> = PRIVATE
            .iter()
            .map(|(address, length, _)| within(&format!("{address}/{length}")))
            .collect();
        let home = [
            "198.51.100.0/24",
            "198.51.0.0/16",
            "2001:db8:20::/48",
            "10.20.0.0/24",
        ];
        all.extend(home.map(within));
        let carried: Vec<IpAddr> = all
            .iter()
            .filter_map(|address| match address {
                IpAddr::V4(four) => Some(u128::from(four.to_bits())),
                IpAddr::V6(_) => None,
            })
            .flat_map(|four| {
                let low = six & 0xffff_ffff;
                [
                    0x64_ff9b_u128 << 96 | four,
                    0xffff << 32 | four,
                    0xffff << 48 | four,
                    0x2002 << 112 | four << 80 | six & ((1 << 80) - 1),
                    0x2001 << 112 | four << 64 | six & u128::from(u64::MAX),
                    0x2001 << 112 | 0xcb00_7101 << 64 | low << 32 | (!four & 0xffff_ffff),
                    0x2001_0db8_0099 << 80 | 0x5efe << 32 | four,
                ]
            })
            .map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
            .collect();
        all.extend(carried);
        all
    }

    proptest! {
        #[test]
        fn what_is_turned_back_is_what_it_was(key: [u8; 32], four: u32, six: u128, keep in 0_u32..=128) {
            let (cipher, inside) = (PrefixCipher::new(&key), inside());
            let any = [IpAddr::V4(Ipv4Addr::from_bits(four)), IpAddr::V6(Ipv6Addr::from_bits(six))];
            for address in any {
                let keep = keep.min(bits(address).1);
                prop_assert_eq!(cipher.decrypt(cipher.encrypt(address, keep), keep), address);
                prop_assert_eq!(cipher.encrypt(cipher.decrypt(address, keep), keep), address);
            }
            // The way back has the pseudonym alone: it says by itself how much of it stays.
            for address in ours(four, six).into_iter().chain(any) {
                let Some(keep) = inside.keep(address) else { continue };
                let pseudonym = cipher.encrypt(address, keep);
                prop_assert_eq!(inside.keep(pseudonym), Some(keep), "{} became {}", address, pseudonym);
                prop_assert_eq!(cipher.decrypt(pseudonym, keep), address);
            }
        }

        #[test]
        fn any_two_share_as_many_bits_under_pseudonym_as_in_clear(
            key: [u8; 32], one: u32, flipped in 0_u32..24, six: u128, six_flipped in 0_u32..120,
        ) {
            let (cipher, inside) = (PrefixCipher::new(&key), inside());
            let four = |bits: u32| IpAddr::V4(Ipv4Addr::from_bits(bits & 0x00ff_ffff | 0x0a00_0000));
            let long = |bits: u128| IpAddr::V6(Ipv6Addr::from_bits(bits >> 8 | 0xfd << 120));
            for (one, other) in [
                (four(one), four(one ^ 1 << flipped)),
                (long(six), long(six ^ 1 << six_flipped << 8)),
                (four(one), "10.20.0.5".parse().expect("an address")),
                (long(six), "fd00:20::5".parse().expect("an address")),
            ] {
                let keep = |address| inside.keep(address).expect("ours");
                let [hidden, hidden_other] = [one, other].map(|address| cipher.encrypt(address, keep(address)));
                prop_assert_eq!(common(one, other), common(hidden, hidden_other));
                prop_assert_eq!(cipher.decrypt(hidden, keep(hidden)), one);
            }
        }
    }
}
