//! Addresses and names inside longer texts: what looks like one of ours is replaced, word by word.

use std::sync::Arc;

use super::pseudonym::{Ours, Pseudonyms};

/// Segments of a path after which a person's name follows.
const HOMES: [&str; 5] = ["home", "profile", "profiles", "user", "users"];

/// Attributes of a distinguished name that name a person.
const PERSONS: [&str; 9] = [
    "emailaddress",
    "g",
    "givenname",
    "gn",
    "mail",
    "serialnumber",
    "sn",
    "surname",
    "uid",
];

impl Pseudonyms {
    /// A text with addresses, hardware addresses, mail addresses and names of our domains under pseudonym; `None` where
    /// nothing changes.
    pub(super) fn scrub(&mut self, text: &str) -> Option<String> {
        let mut out: Option<String> = None;
        let mut done = 0;
        for (start, run) in runs(text) {
            let core = run.trim_matches(['.', ':', '-', '_', '%', '+']);
            if !core.contains(['.', ':', '@', '-']) && core.len() != 12 {
                continue;
            }
            let Some(hidden) = self.word(core) else { continue };
            let at = start + run.find(core).unwrap_or(0);
            let out = out.get_or_insert_with(|| String::with_capacity(text.len() + 16));
            out.push_str(text.get(done..at).unwrap_or_default());
            out.push_str(&hidden);
            done = at + core.len();
        }
        out.map(|mut out| {
            out.push_str(text.get(done..).unwrap_or_default());
            out
        })
    }

    fn word(&mut self, word: &str) -> Option<String> {
        if word.contains('@') {
            return self.mail(word);
        }
        if let Some(hidden) = self.address(word) {
            return Some(hidden.to_string());
        }
        if let Some(hidden) = self.hardware_in_text(word) {
            return Some(hidden);
        }
        if let Some((host, port)) = word.rsplit_once(':')
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && let Some(hidden) = self.host(host, Ours::ByDomain)
        {
            return Some(format!("{hidden}:{port}"));
        }
        if let Some((one, other)) = word.split_once('-')
            && (self.address(one).is_some() || self.address(other).is_some())
        {
            let hide = |this: &mut Self, text: &str| this.address(text).unwrap_or_else(|| text.into());
            return Some(format!("{}-{}", hide(self, one), hide(self, other)));
        }
        if word.contains('.') {
            return self.host(word, Ours::ByDomain).map(|hidden| hidden.to_string());
        }
        None
    }

    /// The target of a request: the host by the rule for names, the path scanned, the query only if `with_query`; what
    /// stands before a host (`user:password@`) never.
    pub(super) fn url(&mut self, text: &str, ours: Ours, with_query: bool) -> String {
        let end = text
            .find(['?', '#'])
            .filter(|_| !with_query)
            .unwrap_or(text.len());
        let text = text.get(..end).unwrap_or(text);
        if text.starts_with('/') || text == "*" {
            return self.path(text);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let mut out = String::with_capacity(text.len() + 16);
        if let Some(scheme) = scheme {
            out.push_str(scheme);
            out.push_str("://");
        }
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => {
                (host, Some(port))
            }
            Some(_) | None => (place, None),
        };
        let hidden: Arc<str> = self.host(host, ours).unwrap_or_else(|| host.into());
        if hidden.contains(':') && !hidden.starts_with('[') {
            out.push_str(&format!("[{hidden}]"));
        } else {
            out.push_str(&hidden);
        }
        if let Some(port) = port {
            out.push(':');
            out.push_str(port);
        }
        out.push_str(&self.path(path));
        out
    }

    /// A path with addresses and names of ours under pseudonym, and homes with the person's name hidden.
    pub(super) fn path(&mut self, text: &str) -> String {
        let text = self.scrub(text).unwrap_or_else(|| text.to_owned());
        let lower = text.to_lowercase();
        if !text.contains('~') && !HOMES.iter().any(|home| lower.contains(home)) {
            return text;
        }
        let mut out = String::with_capacity(text.len());
        let mut follows = false;
        for piece in text.split_inclusive(['/', '\\', '?']) {
            let segment = piece.trim_end_matches(['/', '\\', '?']);
            let (mark, person) = match segment.strip_prefix('~') {
                Some(person) => ("~", person),
                None => ("", segment),
            };
            if !person.is_empty() && (follows || !mark.is_empty()) {
                out.push_str(mark);
                out.push_str(&self.user(person).unwrap_or_else(|| person.into()));
            } else {
                out.push_str(segment);
            }
            out.push_str(piece.get(segment.len()..).unwrap_or_default());
            follows = HOMES.contains(&segment.to_lowercase().as_str());
        }
        out
    }

    /// A name in a certificate, or a whole `CN=…, O=…`. Of a machine of ours each value is hidden; of others only what
    /// names a person, or one of our machines.
    pub(super) fn certificate(&mut self, text: &str, is_ours: bool) -> String {
        let ours = if is_ours { Ours::Always } else { Ours::ByDomain };
        if !text.contains('=') {
            return self.certificate_name(text, ours);
        }
        let mut parts = Vec::new();
        for part in text.split(',') {
            let blank = part.len() - part.trim_start().len();
            let (lead, part) = part.split_at(blank);
            let hidden = match part.split_once('=') {
                Some((attribute, value)) => {
                    let is_person = PERSONS.contains(&attribute.to_lowercase().as_str());
                    let hidden = if is_person {
                        self.user(value).map(|hidden| hidden.to_string())
                    } else {
                        Some(self.certificate_name(value, ours))
                    };
                    format!("{attribute}={}", hidden.unwrap_or_else(|| value.to_owned()))
                }
                None => self.certificate_name(part, ours),
            };
            parts.push(format!("{lead}{hidden}"));
        }
        parts.join(",")
    }

    fn certificate_name(&mut self, name: &str, ours: Ours) -> String {
        if name.contains('@') {
            return self.mail(name).unwrap_or_else(|| name.to_owned());
        }
        // `*.example.org` keeps its star.
        let (star, bare) = match name.strip_prefix("*.") {
            Some(bare) => ("*.", bare),
            None => ("", name),
        };
        let hidden = self.host(bare, ours).unwrap_or_else(|| bare.into());
        format!("{star}{hidden}")
    }

    /// What a login daemon said, which is understood to its last word: `user` hidden wherever it stands, the rest
    /// scrubbed, the print of a key cut off.
    pub(super) fn login(&mut self, text: &str, users: &[&str]) -> String {
        let text = text
            .find("SHA256:")
            .or_else(|| text.find("MD5:"))
            .and_then(|at| text.get(..at))
            .unwrap_or(text)
            .trim_end();
        let mut text = self.scrub(text).unwrap_or_else(|| text.to_owned());
        for user in users.iter().filter(|user| !user.is_empty()) {
            if let Some(hidden) = self.user(user) {
                text = replace_word(&text, user, &hidden);
            }
        }
        text
    }
}

/// Replaces each place where `word` stands by itself.
fn replace_word(text: &str, word: &str, with: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, found) in text.match_indices(word) {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        let is_alone = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
        if is_alone(before) && is_alone(after) {
            out.push_str(text.get(done..at).unwrap_or_default());
            out.push_str(with);
            done = at + found.len();
        }
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// Runs of letters that words like addresses and names are made of, with where they begin.
fn runs(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | ':' | '-' | '_' | '%' | '@' | '+');
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at + rest.find(is_part)?;
        let run = text.get(start..)?;
        let length = run.find(|letter| !is_part(letter)).unwrap_or(run.len());
        at = start + length;
        Some((start, text.get(start..at)?))
    })
}
