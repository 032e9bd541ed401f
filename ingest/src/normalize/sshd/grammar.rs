//! The messages about logins that are known from their first word to their last: nothing of anybody else stands in them
//! but a user, addresses and ports, each in its place.
//!
//! Patterns are those of OpenSSH's `auth.c`, `auth2.c`, `packet.c`, `kex.c` and `sshd.c`, word by word. What follows in
//! places where the other side, a certificate or a host may speak (prints and owners of keys, offers, reasons) is cut
//! off. A user may be any text and is what lies between the pattern's beginning and its end.

use std::net::IpAddr;

/// A part of such a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'m> {
    /// The daemon's own words, or a number.
    Words(&'m str),
    /// An account.
    User(&'m str),
    /// An address, perhaps with its interface.
    Address(&'m str),
}

/// `U` is a user, `A` an address, `P` a port, `P:` one with a colon behind it, `M` a method, `T` what was not agreed upon;
/// behind `…` all is cut off. One blank parts words.
const PATTERNS: [&str; 39] = [
    "Accepted M for U from A port P ssh2",
    "Accepted M for U from A port P",
    "Failed M for invalid user U from A port P ssh2",
    "Failed M for invalid user U from A port P",
    "Failed M for illegal user U from A port P ssh2",
    "Failed M for U from A port P ssh2",
    "Failed M for U from A port P",
    "Postponed M for invalid user U from A port P ssh2",
    "Postponed M for U from A port P ssh2",
    "Partial M for U from A port P ssh2",
    "maximum authentication attempts exceeded for invalid user U from A port P ssh2",
    "maximum authentication attempts exceeded for U from A port P ssh2",
    "Invalid user U from A port P",
    "Invalid user U from A",
    "Illegal user U from A",
    "Connection closed by authenticating user U A port P",
    "Connection closed by invalid user U A port P",
    "Connection closed by A port P",
    "Connection closed by A",
    "Connection reset by authenticating user U A port P",
    "Connection reset by invalid user U A port P",
    "Connection reset by user U A port P",
    "Connection reset by A port P",
    "Connection reset by A",
    "Disconnected from authenticating user U A port P",
    "Disconnected from invalid user U A port P",
    "Disconnected from user U A port P",
    "Disconnected from A port P",
    "Disconnected from A",
    "Did not receive identification string from A port P",
    "Did not receive identification string from A",
    "Connection from A port P on A port P",
    "Connection from A port P",
    "Unable to negotiate with A port P: no matching T found. …",
    "Unable to negotiate with A port P: no matching T found …",
    "Unable to negotiate with A port P: …",
    "Unable to negotiate with A: …",
    "Connection from A port P on A port P rdomain …",
    "Connection closed by user U A port P",
];

/// Ways to log in that OpenSSH knows, sorted.
const METHODS: [&str; 10] = [
    "gssapi-keyex",
    "gssapi-with-mic",
    "hostbased",
    "keyboard-interactive",
    "keyboard-interactive/bsdauth",
    "keyboard-interactive/pam",
    "keyboard-interactive/skey",
    "none",
    "password",
    "publickey",
];

/// What two sides fail to agree upon.
const THINGS: [&str; 5] = [
    "MAC",
    "cipher",
    "compression method",
    "host key type",
    "key exchange method",
];

/// Kinds of keys, as they stand before a key's print; sorted.
const KEYS: [&str; 12] = [
    "DSA",
    "DSA-CERT",
    "ECDSA",
    "ECDSA-CERT",
    "ECDSA-SK",
    "ECDSA-SK-CERT",
    "ED25519",
    "ED25519-CERT",
    "ED25519-SK",
    "ED25519-SK-CERT",
    "RSA",
    "RSA-CERT",
];

/// The parts of a message that a pattern fits to the last word; `None` for any other.
pub(super) fn parse(message: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = message;
    if let Some(inner) = repeated(message) {
        let before = message.len() - inner.len() - 1;
        pieces.push(Piece::Words(message.get(..before)?));
        rest = message.get(before..message.len() - 1)?;
    }
    for level in ["error: ", "fatal: "] {
        if let Some(after) = rest.strip_prefix(level) {
            pieces.push(Piece::Words(level));
            rest = after;
        }
    }
    let (said, stage) = match rest.strip_suffix(" [preauth]") {
        Some(said) => (said, " [preauth]"),
        None => (rest, ""),
    };
    let (fitted, key) = match whole(said) {
        Some(fitted) => (fitted, None),
        // `ssh2: ED25519 SHA256:…`: the kind stays, the print and whom the key was made for do not.
        None => {
            let (said, key) = said
                .rsplit_once(" ssh2: ")
                .or_else(|| said.split_once(" ssh2: "))?;
            let said = rest.get(..said.len() + " ssh2".len())?;
            let kind = key.split(' ').next()?;
            (whole(said)?, KEYS.binary_search(&kind).is_ok().then_some(kind))
        }
    };
    pieces.extend(fitted);
    if let Some(kind) = key {
        pieces.extend([Piece::Words(": "), Piece::Words(kind)]);
    }
    pieces.push(Piece::Words(stage));
    if rest.len() < message.len() && message.ends_with(']') && repeated(message).is_some() {
        pieces.push(Piece::Words("]"));
    }
    Some(pieces)
}

/// What rsyslog repeats: `message repeated 5 times: [ …]`.
fn repeated(message: &str) -> Option<&str> {
    let (count, inner) = message
        .strip_prefix("message repeated ")?
        .split_once(" times: [ ")?;
    count.parse::<u32>().ok()?;
    inner.strip_suffix(']')
}

fn whole(said: &str) -> Option<Vec<Piece<'_>>> {
    PATTERNS.iter().find_map(|pattern| fit(pattern, said))
}

/// The parts of `said`, if it is as the pattern has it.
fn fit<'m>(pattern: &'static str, said: &'m str) -> Option<Vec<Piece<'m>>> {
    let mut pieces = Vec::new();
    let Some((before, after)) = pattern.find(" U ").map(|blank| pattern.split_at(blank + 1)) else {
        fit_words(pattern, said, &mut pieces)?;
        return Some(pieces);
    };
    let after = after.strip_prefix('U')?;
    // A user may hold blanks: its place ends as many words before the end as the pattern has behind it.
    let words_behind = after.matches(' ').count();
    let (end, _) = said.rmatch_indices(' ').nth(words_behind.checked_sub(1)?)?;
    let words_before = before.matches(' ').count();
    let (start, _) = said.match_indices(' ').nth(words_before.checked_sub(1)?)?;
    let user = said.get(start + 1..end)?;
    fit_words(before, said.get(..=start)?, &mut pieces)?;
    pieces.push(Piece::User(user));
    fit_words(after, said.get(end..)?, &mut pieces)?;
    Some(pieces)
}

/// The parts of a text without users.
fn fit_words<'m>(pattern: &'static str, said: &'m str, pieces: &mut Vec<Piece<'m>>) -> Option<()> {
    let (mut pattern, mut rest) = (pattern, said);
    loop {
        let Some(at) = next_place(pattern) else {
            return (pattern == rest).then(|| pieces.push(Piece::Words(pattern)));
        };
        let (words, place) = pattern.split_at(at);
        rest = rest.strip_prefix(words)?;
        pieces.push(Piece::Words(words));
        let length = place.chars().next()?.len_utf8();
        let (kind, behind) = place.split_at(length);
        let end = rest.find([' ', ':']).unwrap_or(rest.len());
        match kind {
            "…" => return Some(()),
            "T" => {
                let thing = THINGS.iter().find(|thing| rest.starts_with(**thing))?;
                pieces.push(Piece::Words(thing));
                rest = rest.get(thing.len()..)?;
            }
            "M" => {
                let (method, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
                METHODS.binary_search(&method).ok()?;
                pieces.push(Piece::Words(method));
                rest = after;
            }
            "P" => {
                let (port, after) = rest.split_at(end);
                port.parse::<u16>()
                    .ok()
                    .filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))?;
                pieces.push(Piece::Words(port));
                rest = after;
            }
            _ => {
                let (word, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
                // An IPv6 address has colons of its own, and one may stand behind it.
                let (address, after) = match word.strip_suffix(':') {
                    Some(address) if behind.starts_with(':') => (address, rest.get(address.len()..)?),
                    Some(_) | None => (word, after),
                };
                let bare = address.split('%').next()?;
                bare.parse::<IpAddr>().ok()?;
                pieces.push(Piece::Address(address));
                rest = after;
            }
        }
        pattern = behind;
    }
}

/// Where the next place of a pattern is: a capital that is a word by itself.
fn next_place(pattern: &str) -> Option<usize> {
    let places = pattern.match_indices(['A', 'P', 'M', 'T', '…']);
    places.map(|(at, _)| at).find(|at| is_place(pattern, *at))
}

fn is_place(pattern: &str, at: usize) -> bool {
    let before = pattern.get(..at).and_then(|text| text.chars().next_back());
    let after = pattern.get(at..).and_then(|text| text.chars().nth(1));
    before.is_none_or(|letter| letter == ' ') && after.is_none_or(|letter| matches!(letter, ' ' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a message leaves as, with users and addresses in brackets.
    fn told(message: &str) -> Option<String> {
        let pieces = parse(message)?;
        let told = pieces.iter().map(|piece| match piece {
            Piece::Words(words) => (*words).to_owned(),
            Piece::User(user) => format!("<{user}>"),
            Piece::Address(address) => format!("({address})"),
        });
        Some(told.collect())
    }

    #[test]
    fn lists_are_sorted_for_their_search() {
        assert!(METHODS.is_sorted() && KEYS.is_sorted() && THINGS.is_sorted());
    }

    #[test]
    fn words_of_the_daemon_are_known_to_the_last() {
        for (message, expected) in [
            (
                "Failed password for kari from 10.0.0.1 port 22 ssh2",
                "Failed password for <kari> from (10.0.0.1) port 22 ssh2",
            ),
            (
                "Failed password for invalid user k n from fd00::1 port 22 ssh2 [preauth]",
                "Failed password for invalid user <k n> from (fd00::1) port 22 ssh2 [preauth]",
            ),
            (
                "Accepted publickey for kari from fe80::1%eth0 port 22 ssh2: ED25519 SHA256:x ID kari (serial 1) CA RSA SHA256:y",
                "Accepted publickey for <kari> from (fe80::1%eth0) port 22 ssh2: ED25519",
            ),
            (
                "Accepted gssapi-with-mic for kari from 10.0.0.1 port 22 ssh2: kari@LOCAL",
                "Accepted gssapi-with-mic for <kari> from (10.0.0.1) port 22 ssh2",
            ),
            (
                "Failed password for root from 192.0.2.1 port 22 ssh2 from 10.0.0.1 port 23 ssh2",
                "Failed password for <root from 192.0.2.1 port 22 ssh2> from (10.0.0.1) port 23 ssh2",
            ),
            (
                "Invalid user  from 10.0.0.1 port 22",
                "Invalid user <> from (10.0.0.1) port 22",
            ),
            (
                "Invalid user kari from 10.0.0.1",
                "Invalid user <kari> from (10.0.0.1)",
            ),
            (
                "error: maximum authentication attempts exceeded for kari from 10.0.0.1 port 22 ssh2 [preauth]",
                "error: maximum authentication attempts exceeded for <kari> from (10.0.0.1) port 22 ssh2 [preauth]",
            ),
            (
                "Connection closed by authenticating user kari fd00::1 port 22 [preauth]",
                "Connection closed by authenticating user <kari> (fd00::1) port 22 [preauth]",
            ),
            (
                "Connection reset by 10.0.0.1 port 22",
                "Connection reset by (10.0.0.1) port 22",
            ),
            (
                "Connection from fd00::1 port 22 on fd00::2 port 22 rdomain \"kari\"",
                "Connection from (fd00::1) port 22 on (fd00::2) port 22 rdomain ",
            ),
            (
                "Unable to negotiate with fd00::1 port 22: no matching host key type found. Their offer: kari [preauth]",
                "Unable to negotiate with (fd00::1) port 22: no matching host key type found.  [preauth]",
            ),
            (
                "message repeated 2 times: [ Failed password for kari from 10.0.0.1 port 22 ssh2]",
                "message repeated 2 times: [ Failed password for <kari> from (10.0.0.1) port 22 ssh2]",
            ),
        ] {
            assert_eq!(told(message).as_deref(), Some(expected), "{message}");
        }
    }

    #[test]
    fn any_other_word_and_it_is_not_understood() {
        for message in [
            "Connection from 10.0.0.1 port 22 kari normann",
            "Connection from 10.0.0.1 port 22kari",
            "Connection from fd00::1 port 22 on kari port 22",
            "Connection closed by 10.0.0.1 kari",
            "Failed kari for root from 10.0.0.1 port 22 ssh2",
            "Failed password for root from 10.0.0.1 port 22 ssh2 kari",
            "Failed payment of kari for order from 203.0.113.9",
            "Accepted password for root from kari port 22 ssh2",
            "Disconnected from user kari 10.0.0.1 port 99999",
            "message repeated kari times: [ Connection reset by 10.0.0.1 port 22]",
            "Received disconnect from 10.0.0.1 port 22:11: kari",
            "",
        ] {
            assert_eq!(told(message), None, "{message}");
        }
    }
}
