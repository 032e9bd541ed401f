//! Addresses and names inside longer texts: what looks like one of ours is replaced, word by word.

use std::sync::Arc;

use super::name::{inside_suffix, is_public_domain};
use super::pseudonym::{Address, Ours, Pseudonyms};
use super::words::{is_number, is_word};
use crate::capture::OPAQUE_MARK;
use crate::normalize::Piece;

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
    /// What a DNS answer says: a name, an address, or a text with some, preferences and the like. Of data without a form
    /// only the length is left.
    pub(super) fn answer(&mut self, text: &str) -> Option<Arc<str>> {
        let mut cache = std::mem::take(&mut self.answers);
        let answer = cache.get_or(text, || self.work_out_answer(text).map(Arc::from));
        self.answers = cache;
        answer
    }

    fn work_out_answer(&mut self, text: &str) -> Option<String> {
        if let Some(opaque) = text.strip_prefix(OPAQUE_MARK) {
            let (length, _) = opaque.split_once(' ')?;
            return Some(format!("{OPAQUE_MARK}{length}"));
        }
        let (mut out, mut is_changed) = (String::with_capacity(text.len() + 16), false);
        let is_alone = !text.contains(' ');
        for piece in text.split_inclusive(' ') {
            let word = piece.trim_end_matches(' ');
            // In a name anything may stand behind `\`; what has none is looked for in the text.
            let name = (is_alone || word.contains('\\'))
                .then(|| self.host(word, Ours::ByDomain))
                .flatten();
            let hidden = name.map(|name| name.to_string()).or_else(|| self.scrub(word));
            is_changed |= hidden.is_some();
            out.push_str(hidden.as_deref().unwrap_or(word));
            out.push_str(piece.get(word.len()..).unwrap_or_default());
        }
        is_changed.then_some(out)
    }

    /// A text with addresses, hardware addresses, mail addresses and names of our domains under pseudonym; `None` where
    /// nothing changes.
    pub(super) fn scrub(&mut self, text: &str) -> Option<String> {
        if let Some(decoded) = decoded(text) {
            // What is written as `%70%63` is read as well; where nothing of ours is behind it, it stays as it was written.
            return self.scrub(&decoded);
        }
        self.scrub_words(text, false)
    }

    /// The same, with each word that no machine has under pseudonym too.
    pub(super) fn scrub_all(&mut self, text: &str) -> Option<String> {
        let decoded = decoded(text);
        self.scrub_words(decoded.as_deref().unwrap_or(text), true)
    }

    fn scrub_words(&mut self, text: &str, is_strict: bool) -> Option<String> {
        let mut out: Option<String> = None;
        let mut done = 0;
        for (start, run) in runs(text) {
            let core = self.core(run);
            let may_be_ours = core.contains(['.', ':', '@', '-']) || core.len() == 12;
            // `user@kari.service` is a unit, and no mail address.
            let last = core.rsplit('.').next().unwrap_or(core);
            let is_unit = is_strict && core.contains('@') && !is_public_domain(&last.to_lowercase());
            let hidden = (may_be_ours && !is_unit)
                .then(|| self.word(core, is_strict))
                .flatten();
            let hidden = match is_strict {
                true => hidden.or_else(|| self.words(core)),
                false => hidden,
            };
            let Some(hidden) = hidden else { continue };
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

    /// A run without the marks around it; the colons at either end of an address are its own.
    fn core<'t>(&mut self, run: &'t str) -> &'t str {
        let with_colons = run.trim_matches(['.', '-', '_', '%', '+']);
        let core = run.trim_matches(['.', ':', '-', '_', '%', '+']);
        match core.len() != with_colons.len() && self.look_at(with_colons) != Address::No {
            true => with_colons,
            false => core,
        }
    }

    /// Its letters and digits word by word, those under pseudonym that no machine has; `None` where all stay.
    fn words(&mut self, run: &str) -> Option<String> {
        let is_part = |letter: char| letter.is_alphanumeric();
        let mut out = String::with_capacity(run.len());
        let (mut rest, mut is_changed) = (run, false);
        while !rest.is_empty() {
            let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            // One letter is nobody's name, and an account's number is.
            let is_open = word.chars().count() <= 1 || is_word(word) || is_number(word);
            let is_account = is_number(word)
                && ["user@", "user-", "dir@"]
                    .iter()
                    .any(|before| out.ends_with(before));
            if is_open && !is_account {
                out.push_str(word);
            } else {
                is_changed = true;
                out.push_str(&self.any_word(&word.to_lowercase()));
            }
            let between = after.find(is_part).unwrap_or(after.len());
            let (marks, next) = after.split_at(between);
            out.push_str(marks);
            rest = next;
        }
        is_changed.then_some(out)
    }

    /// Where a file is that the sensor reads: folders and names of files that every machine has stay, any other may be that
    /// of a machine or a person.
    pub(super) fn file(&mut self, text: &str) -> Arc<str> {
        let mut cache = std::mem::take(&mut self.files);
        let answer = cache.get_or(text, || self.work_out_file(text).into());
        self.files = cache;
        answer
    }

    fn work_out_file(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut is_home = false;
        for piece in text.split_inclusive(['/', '\\']) {
            let name = piece.trim_end_matches(['/', '\\']);
            if is_home && !name.is_empty() {
                out.push_str(&self.user(name).unwrap_or_else(|| name.into()));
            } else if is_common_file(name) {
                out.push_str(name);
            } else {
                let (stem, end) = match name.rsplit_once('.') {
                    Some((stem, end)) if is_word(end) && !stem.is_empty() => {
                        (stem, name.get(stem.len()..).unwrap_or(""))
                    }
                    Some(_) | None => (name, ""),
                };
                out.push_str(&self.host(stem, Ours::Always).unwrap_or_else(|| stem.into()));
                out.push_str(end);
            }
            out.push_str(piece.get(name.len()..).unwrap_or_default());
            is_home = HOMES.contains(&name.to_lowercase().as_str());
        }
        out
    }

    fn word(&mut self, word: &str, is_strict: bool) -> Option<String> {
        if let Some((_, place)) = word.rsplit_once('@') {
            let hidden = self.mail(word)?;
            // The domain of a stranger's mail may be a person's name.
            let is_home = || inside_suffix(&place.to_lowercase(), &self.home_domains).is_some();
            let before = hidden.strip_suffix(place).filter(|_| is_strict && !is_home());
            return match before.map(str::to_owned) {
                Some(before) => Some(before + &self.words(place).unwrap_or_else(|| place.to_owned())),
                None => Some(hidden),
            };
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
        if let Some(hidden) = self.joined(word, is_strict) {
            return Some(hidden);
        }
        if word.contains('.') {
            return self.host(word, Ours::ByDomain).map(|hidden| hidden.to_string());
        }
        None
    }

    /// Addresses with words or each other, `10.20.0.5-10.20.0.9` or `10.20.0.5:gate`; `None` where none of them is ours.
    fn joined(&mut self, word: &str, is_strict: bool) -> Option<String> {
        const BETWEEN: [char; 4] = ['-', '_', '+', '%'];
        // In an address of version 6 the colon is its own.
        let is_v4 = |part: &str| part.split(':').next().is_some_and(|start| start.contains('.'));
        let mut parts: Vec<(&str, &str)> = Vec::new();
        for piece in word.split_inclusive(BETWEEN) {
            let part = piece.trim_end_matches(BETWEEN);
            let mark = piece.get(part.len()..).unwrap_or_default();
            match part.split_once(':').filter(|_| is_v4(part)) {
                Some((one, other)) => parts.extend([(one, ":"), (other, mark)]),
                None => parts.push((part, mark)),
            }
        }
        if !parts.iter().any(|(part, _)| self.address(part).is_some()) {
            return None;
        }
        let mut out = String::with_capacity(word.len() + 16);
        for (part, mark) in parts {
            match self.address(part) {
                Some(hidden) => out.push_str(&hidden),
                None if is_strict => out.push_str(&self.words(part).unwrap_or_else(|| part.to_owned())),
                None => out.push_str(part),
            }
            out.push_str(mark);
        }
        Some(out)
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
        let plain = decoded(text);
        let plain = plain.as_deref().unwrap_or(text);
        let lower = plain.to_lowercase();
        let has_home = plain.contains('~') || HOMES.iter().any(|home| lower.contains(home));
        let hidden = self.scrub(plain);
        if !has_home {
            return hidden.unwrap_or_else(|| text.to_owned());
        }
        let text = hidden.unwrap_or_else(|| plain.to_owned());
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

    /// What a login daemon said, which is understood to its last word.
    pub(super) fn login(&mut self, pieces: &[Piece<'_>]) -> String {
        let mut told = String::with_capacity(128);
        for piece in pieces {
            match piece {
                Piece::Words(words) => told.push_str(words),
                Piece::User(user) => told.push_str(&self.user(user).unwrap_or_else(|| (*user).into())),
                Piece::Address(address) => {
                    told.push_str(&self.address(address).unwrap_or_else(|| (*address).into()));
                }
            }
        }
        told.truncate(told.trim_end().len());
        told
    }
}

/// Whether the name of a file or folder is one that says nothing: of words that every machine has, with a date or a number
/// behind them.
fn is_common_file(name: &str) -> bool {
    let parts = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let is_digits = |part: &&&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = parts.iter().filter(is_digits).count();
    let is_dated = parts.iter().any(|part| part.len() == 4 && part.starts_with("20"));
    let is_drive = name.len() == 2 && name.ends_with(':');
    name.is_ascii()
        && (numbers <= 1
            || is_dated && numbers <= 9
            || parts.first().is_some_and(|part| is_word(part)) && numbers <= 6)
        && (is_drive || parts.iter().all(|part| is_digits(&part) || is_word(part)))
}

/// How often a text may be encoded in itself.
const ENCODED_MAX: usize = 3;

/// The text with `%70` and its like read; `None` where there is none.
fn decoded(text: &str) -> Option<String> {
    let mut found: Option<String> = None;
    for _ in 0..ENCODED_MAX {
        let current = found.as_deref().unwrap_or(text);
        let Some(next) = decoded_once(current) else { break };
        found = Some(next);
    }
    found
}

fn decoded_once(text: &str) -> Option<String> {
    let digits = |at: usize| u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok();
    let mut bytes = Vec::new();
    let mut done = 0;
    for (at, _) in text.match_indices('%') {
        if let Some(byte) = digits(at).filter(|_| done <= at) {
            bytes.extend_from_slice(text.as_bytes().get(done..at)?);
            bytes.push(byte);
            done = at + 3;
        }
    }
    if done == 0 {
        return None;
    }
    bytes.extend_from_slice(text.as_bytes().get(done..)?);
    Some(String::from_utf8_lossy(&bytes).into_owned())
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
