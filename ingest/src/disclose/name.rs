//! Pseudonyms of names: a keyed hash for each label, account or hardware address, the same in every source.
//!
//! Labels are hashed apart, so that `pc12` and `pc12.vardedal.kommune.no` share their first label and everything behind
//! the home domain stays: rules about `.vardedal.kommune.no` go on working. BLAKE3 under a key of the site, cut to 60 bits:
//! enough that a million names share none.

/// Letters of pseudonyms: base 32 in lower case, without those that are read for another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Letters of one pseudonym.
const LENGTH: usize = 12;

/// What begins the pseudonym of a label of a machine's name.
pub(super) const HOST_PREFIX: &str = "h-";

/// What begins the pseudonym of an account.
pub(super) const USER_PREFIX: &str = "u-";

/// What begins the pseudonym of a share.
pub(super) const SHARE_PREFIX: &str = "s-";

/// What begins the pseudonym of any other word.
pub(super) const WORD_PREFIX: &str = "w-";

/// What begins the pseudonym of a print or a number of a certificate.
pub(super) const PRINT_PREFIX: &str = "c-";

/// Top-level domains beside those of countries, which have two letters; sorted.
const PUBLIC_DOMAINS: [&str; 16] = [
    "app", "arpa", "biz", "cloud", "com", "dev", "edu", "eu", "gov", "info", "int", "mil", "net", "online",
    "org", "site",
];

/// Labels that name no machine of anybody.
const OPEN_LABELS: [&str; 6] = [
    "autodiscover",
    "isatap",
    "localdomain",
    "localhost",
    "wpad",
    "www",
];

/// Accounts that every machine has: they name nobody, and rules ask for them.
const NOBODYS_ACCOUNTS: [&str; 22] = [
    "admin",
    "administrator",
    "anonymous",
    "backup",
    "daemon",
    "ftp",
    "git",
    "guest",
    "local service",
    "mysql",
    "network service",
    "nobody",
    "operator",
    "oracle",
    "postgres",
    "root",
    "sshd",
    "support",
    "system",
    "test",
    "user",
    "www-data",
];

/// Shares that every Windows machine has.
const NOBODYS_SHARES: [&str; 9] = [
    "admin$", "c$", "d$", "e$", "fax$", "ipc$", "netlogon", "print$", "sysvol",
];

/// Top-level names that exist inside networks only.
const INSIDE_DOMAINS: [&str; 10] = [
    "corp",
    "domain",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "private",
];

/// Labels of services and of what stands beside them (RFC 2782, RFC 6763, RFC 8552); any other with that mark may be
/// anybody's.
const SERVICE_LABELS: [&str; 50] = [
    "_acme-challenge",
    "_airplay",
    "_apple-mobdev2",
    "_autodiscover",
    "_companion-link",
    "_device-info",
    "_dmarc",
    "_dns-sd",
    "_domainkey",
    "_ftp",
    "_gc",
    "_googlecast",
    "_hap",
    "_homekit",
    "_http",
    "_https",
    "_imap",
    "_imaps",
    "_ipp",
    "_ipps",
    "_kerberos",
    "_kpasswd",
    "_ldap",
    "_mqtt",
    "_msdcs",
    "_mta-sts",
    "_nfs",
    "_ntp",
    "_pdl-datastream",
    "_printer",
    "_raop",
    "_scanner",
    "_services",
    "_sftp-ssh",
    "_sip",
    "_sipfederationtls",
    "_sips",
    "_sites",
    "_sleep-proxy",
    "_smb",
    "_smtp",
    "_spotify-connect",
    "_ssh",
    "_submission",
    "_tcp",
    "_tls",
    "_udp",
    "_vlmcs",
    "_workstation",
    "_xmpp-server",
];

/// Whether a label stays as it is: it names a service, or nobody's machine.
pub(super) fn is_open_label(label: &str) -> bool {
    SERVICE_LABELS.binary_search(&label).is_ok() || OPEN_LABELS.binary_search(&label).is_ok()
}

/// Whether a last label is a top-level domain that says nothing of a machine.
pub(super) fn is_public_domain(label: &str) -> bool {
    let is_country = label.len() == 2 && label.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_country || PUBLIC_DOMAINS.binary_search(&label).is_ok()
}

/// Whether an account is one that every machine has.
pub(super) fn is_nobodys_account(account: &str) -> bool {
    NOBODYS_ACCOUNTS.binary_search(&account).is_ok()
}

/// Whether a share is one that every machine has.
pub(super) fn is_nobodys_share(share: &str) -> bool {
    NOBODYS_SHARES.binary_search(&share).is_ok()
}

/// The part of a name that stays: the home domain it lies in, or the top-level name that exists inside networks only.
/// `None` for a name of elsewhere. The name is in lower case, without a final dot.
pub(super) fn inside_suffix<'n>(name: &'n str, home_domains: &[String]) -> Option<&'n str> {
    let within = |domain: &str| {
        let start = name.len().checked_sub(domain.len())?;
        let suffix = name.get(start..)?;
        let fits = suffix == domain && (start == 0 || name.get(..start)?.ends_with('.'));
        fits.then_some(suffix)
    };
    home_domains
        .iter()
        .find_map(|domain| within(domain))
        .or_else(|| INSIDE_DOMAINS.iter().find_map(|domain| within(domain)))
}

/// The keyed hash of a text, as letters behind `prefix`.
pub(super) fn hashed(key: &[u8; 32], prefix: &str, text: &str) -> String {
    let hash = blake3::keyed_hash(key, text.as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    let mut bits = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let mut out = String::with_capacity(prefix.len() + LENGTH);
    out.push_str(prefix);
    for _ in 0..LENGTH {
        let letter = LETTERS.get((bits & 31) as usize).copied().unwrap_or(b'a');
        out.push(char::from(letter));
        bits >>= 5;
    }
    out
}

/// The pseudonym of a hardware address, written as the address is: six bytes of which the first says "made up". `None`
/// for what is no hardware address; those of groups name no machine and stay.
pub(super) fn hardware(key: &[u8; 32], text: &str) -> Option<String> {
    let separator = text.chars().find(|letter| matches!(letter, ':' | '-' | '.'));
    let digits: String = text
        .chars()
        .filter(|letter| !matches!(letter, ':' | '-' | '.'))
        .collect();
    let bytes = hex::decode(&digits).ok().filter(|bytes| bytes.len() == 6)?;
    if bytes.first().is_some_and(|first| first & 1 == 1) {
        return Some(text.to_owned());
    }
    let hash = blake3::keyed_hash(key, &bytes);
    let [_, b, c, d, e, f, ..] = *hash.as_bytes();
    let made = [0x02, b, c, d, e, f].map(|byte| format!("{byte:02x}"));
    let joined = match separator {
        Some('.') => made
            .chunks(2)
            .map(|pair| pair.concat())
            .collect::<Vec<_>>()
            .join("."),
        Some('-') => made.join("-"),
        Some(_) => made.join(":"),
        None => made.concat(),
    };
    let is_upper = digits.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if is_upper { joined.to_uppercase() } else { joined })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_their_search() {
        assert!(
            OPEN_LABELS.is_sorted()
                && SERVICE_LABELS.is_sorted()
                && PUBLIC_DOMAINS.is_sorted()
                && NOBODYS_ACCOUNTS.is_sorted()
                && NOBODYS_SHARES.is_sorted()
        );
    }

    #[test]
    fn only_labels_of_services_are_open() {
        for (label, expected) in [
            ("_ldap", true),
            ("_tcp", true),
            ("www", true),
            ("_karis-pc", false),
            ("_", false),
        ] {
            assert_eq!(is_open_label(label), expected, "{label}");
        }
    }

    #[test]
    fn what_stays_of_a_name_of_ours() {
        let home = ["vardedal.kommune.no".to_owned()];
        for (name, expected) in [
            ("pc12.vardedal.kommune.no", Some("vardedal.kommune.no")),
            ("vardedal.kommune.no", Some("vardedal.kommune.no")),
            ("evilvardedal.kommune.no", None),
            ("nas.local", Some("local")),
            ("router.home.arpa", Some("home.arpa")),
            ("www.example.org", None),
            ("local.example.org", None),
        ] {
            assert_eq!(inside_suffix(name, &home), expected, "{name}");
        }
    }

    #[test]
    fn a_hardware_address_has_one_pseudonym_however_it_is_written() {
        let key = [7; 32];
        let plain = hardware(&key, "00:1b:21:aa:bb:cc").expect("an address");
        assert!(plain.starts_with("02:") && plain.len() == 17, "{plain}");
        assert_eq!(
            hardware(&key, "00-1B-21-AA-BB-CC"),
            Some(plain.replace(':', "-").to_uppercase())
        );
        let dotted = hardware(&key, "001b.21aa.bbcc").expect("an address");
        assert_eq!(dotted.replace('.', ""), plain.replace(':', ""));
        assert_eq!(
            hardware(&key, "ff:ff:ff:ff:ff:ff").as_deref(),
            Some("ff:ff:ff:ff:ff:ff")
        );
        assert_eq!(hardware(&key, "pc12"), None);
        assert_ne!(hardware(&[8; 32], "00:1b:21:aa:bb:cc"), Some(plain));
    }

    #[test]
    fn a_hash_depends_on_key_and_text() {
        let one = hashed(&[1; 32], HOST_PREFIX, "pc12");
        assert_eq!(one.len(), 2 + LENGTH);
        assert_eq!(one, hashed(&[1; 32], HOST_PREFIX, "pc12"));
        assert_ne!(one, hashed(&[2; 32], HOST_PREFIX, "pc12"));
        assert_ne!(one, hashed(&[1; 32], HOST_PREFIX, "pc13"));
    }
}
