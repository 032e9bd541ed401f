//! Every target takes what is made for it, and that damaged in many ways: what the long runs of `scripts/fuzz` look for, in
//! seconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

use std::collections::BTreeSet;

use ingest_fuzz::{Target, seeds};

/// Damaged seeds for each target.
const DAMAGED: usize = 150;

/// Numbers that look like chance and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below.max(1) as u64) as usize
    }

    /// One to four damages: a byte is another, a number is at its bounds, a part is gone, comes again or comes from another.
    fn damage(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len());
            let end = (at + 1 + self.roll(16)).min(bytes.len());
            match self.roll(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.roll(8),
                1 if at < bytes.len() => {
                    bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\n', b' '][self.roll(8)]
                }
                2 if at < end => drop(bytes.drain(at..end)),
                3 if at < end => {
                    let again = bytes[at..end].repeat(1 + self.roll(20));
                    bytes.splice(at..at, again);
                }
                4 if !other.is_empty() => {
                    let from = self.roll(other.len());
                    let to = (from + 1 + self.roll(64)).min(other.len());
                    bytes.splice(at..end.max(at), other[from..to].iter().copied());
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}

fn each_damaged(names: impl Fn(&str) -> bool) {
    for target in Target::ALL.iter().filter(|target| names(target.name)) {
        let seeds = seeds::of(target);
        let mut dice = Dice(target.name.bytes().map(u64::from).sum());
        for number in 0..DAMAGED {
            let (seed, other) = (&seeds[number % seeds.len()], &seeds[dice.roll(seeds.len())]);
            let damaged = dice.damage(seed, other);
            let _ = target.take(&damaged);
        }
    }
}

#[test]
fn every_target_understands_what_is_made_for_it() {
    let mut names = BTreeSet::new();
    for target in Target::ALL {
        assert!(names.insert(target.name), "{} is there twice", target.name);
        let mut kinds = BTreeSet::new();
        for seed in seeds::of(target) {
            let account = target.take(&seed);
            kinds.extend(account.taken.into_keys());
            kinds.extend(
                account
                    .refused
                    .into_keys()
                    .map(|reason| format!("refused: {reason}")),
            );
        }
        assert!(
            kinds.contains(target.becomes),
            "{} became {kinds:?}, not {}",
            target.name,
            target.becomes
        );
    }
}

#[test]
fn nothing_at_all_is_no_harm() {
    for target in Target::ALL {
        for bytes in [&b""[..], &[0; 100], &[0xff; 100]] {
            let account = target.take(bytes);
            assert!(account.records() <= 100, "{}: {account:?}", target.name);
        }
    }
}

#[test]
fn damaged_traffic_is_survived_from_capture_to_ldap() {
    each_damaged(|name| name <= "ldap" && is_traffic(name));
}

#[test]
fn damaged_traffic_is_survived_from_quic_to_vxlan() {
    each_damaged(|name| "ldap" < name && is_traffic(name));
}

#[test]
fn all_else_damaged_is_survived() {
    each_damaged(|name| !is_traffic(name));
}

fn is_traffic(name: &str) -> bool {
    matches!(
        Target::named(name).unwrap().reader,
        ingest_fuzz::Reader::Capture | ingest_fuzz::Reader::Quic | ingest_fuzz::Reader::Conversation(_)
    )
}
