//! How a name splits at its registered domain, and how much each of its characters says.

/// A name of the DNS, split where somebody registered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The registered domain: one label and the public suffix it stands under, those of providers included.
    pub registered: &'a str,
    /// What stands in front of it, without the dot between; may be empty. Its owner chooses it freely.
    pub prefix: &'a str,
}

impl<'a> Name<'a> {
    /// Splits a name in lower case by the public suffix list (publicsuffix.org). `None` where nobody registered
    /// anything: a suffix itself, a single label, and names for addresses under `arpa`, which are long and many by
    /// themselves.
    #[must_use]
    pub fn split(name: &'a str) -> Option<Self> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let registered = psl::domain_str(name)?;
        if registered == "arpa" || registered.ends_with(".arpa") {
            return None;
        }
        let prefix = name.strip_suffix(registered)?;
        Some(Self {
            registered,
            prefix: prefix.strip_suffix('.').unwrap_or(prefix),
        })
    }
}

/// Shannon's entropy of a text, in bits a character, dots left out: 0 for one character over and over, at most 5.25 for
/// the 38 that host names have. Capitals are small letters, as the DNS holds them. Resolvers that vary them (draft
/// 0x20) add nothing.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "names have 255 bytes; texts far below 2⁵³"
)]
pub fn bits_per_character(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    let mut all = 0_usize;
    for byte in text.bytes().filter(|byte| *byte != b'.') {
        if let Some(count) = counts.get_mut(usize::from(byte.to_ascii_lowercase())) {
            *count = count.saturating_add(1);
            all += 1;
        }
    }
    if all == 0 {
        return 0.0;
    }
    let mut sum = 0.0;
    for count in counts.into_iter().filter(|count| *count > 1) {
        let count = f64::from(count);
        sum += count * libm::log2(count);
    }
    let all = all as f64;
    (libm::log2(all) - sum / all).max(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Name, bits_per_character};

    #[test]
    fn names_split_where_they_were_registered() {
        for (name, split) in [
            ("www.example.no", Some(("example.no", "www"))),
            ("example.no.", Some(("example.no", ""))),
            ("a.b.c.example.co.uk", Some(("example.co.uk", "a.b.c"))),
            ("x.y.somebody.github.io", Some(("somebody.github.io", "x.y"))),
            ("skole.kommune.no", Some(("skole.kommune.no", ""))),
            ("a.b.unlisted-top", Some(("b.unlisted-top", "a"))),
            ("co.uk", None),
            ("localhost", None),
            ("", None),
            (".", None),
            ("..", None),
            ("1.2.0.192.in-addr.arpa", None),
            ("1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", None),
        ] {
            let expected = split.map(|(registered, prefix)| Name { registered, prefix });
            assert_eq!(Name::split(name), expected, "{name}");
        }
    }

    #[test]
    fn entropy_is_that_of_the_characters() {
        for (text, bits) in [
            ("", 0.0),
            ("...", 0.0),
            ("aaaa", 0.0),
            ("ab", 1.0),
            ("a.b.A.B", 1.0),
            ("abcd", 2.0),
            ("0123456789abcdef", 4.0),
            ("aaab", 0.811_278_124_459_132_9),
        ] {
            // To the bit: it decides, and does so alike on every machine.
            assert_eq!(bits_per_character(text).to_bits(), f64::to_bits(bits), "{text}");
        }
    }

    proptest! {
        #[test]
        fn entropy_has_its_bounds_and_knows_no_order(text in "[a-z0-9.-]{0,200}") {
            let bits = bits_per_character(&text);
            prop_assert!((0.0..=5.25).contains(&bits));
            let back: String = text.chars().rev().collect();
            prop_assert_eq!(bits.to_bits(), bits_per_character(&back).to_bits());
        }

        #[test]
        fn any_text_splits_or_does_not(text in any::<String>()) {
            if let Some(name) = Name::split(&text) {
                prop_assert!(text.contains(name.registered) && text.starts_with(name.prefix));
            }
        }
    }
}
