//! What a pseudonym stands for, asked of the site that made it: how such a request goes, and of what one may ask.
//!
//! Nothing is asked that does not stand in an event of an incident, so nobody looks for people (R16): [`askable`] says what
//! does. [`RevealState::after`] is the whole life of a request.

use std::{collections::BTreeMap, net::IpAddr};

use detect_alert::EventSample;

use crate::incident::codes;

/// The field that says that an event's values are under pseudonym, and by which key.
const KEY_FIELD: &str = "varde.pseudonym.key";

/// Letters of a pseudonym that is a hash, after its prefix.
const HASH_CHARS: usize = 12;

codes! {
    /// How far a request has come.
    RevealState as "state of a reveal request" {
        /// A second person has yet to agree.
        Waiting = "waiting",
        /// The site has yet to answer.
        Asked = "asked",
        /// The site said yes.
        Revealed = "revealed",
        /// The site said no.
        Refused = "refused",
        /// The second person said no.
        Denied = "denied",
        /// The CERT took it back.
        Withdrawn = "withdrawn",
        /// Its time ran out.
        Expired = "expired",
    }
}

codes! {
    /// What can happen to a request, and to what was revealed.
    RevealStep as "step of a reveal request" {
        /// Somebody asked.
        Ask = "asked",
        /// Somebody else agreed.
        Approve = "approved",
        /// Somebody else did not.
        Deny = "denied",
        /// The CERT does not want to know any more.
        Withdraw = "withdrawn",
        /// The site told.
        Reveal = "revealed",
        /// The site, or somebody for the organisation, said no.
        Refuse = "refused",
        /// Its time ran out.
        Expire = "expired",
        /// Somebody looked at what was told.
        Read = "read",
        /// What was told is no longer kept.
        Forget = "forgotten",
    }
}

impl RevealState {
    /// Whether an answer can still come.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Asked)
    }

    /// What it is after a step; `None` where that can't happen.
    #[must_use]
    pub const fn after(self, step: RevealStep) -> Option<Self> {
        Some(match (self, step) {
            (Self::Waiting, RevealStep::Approve) => Self::Asked,
            (Self::Waiting, RevealStep::Deny) => Self::Denied,
            (Self::Waiting | Self::Asked, RevealStep::Withdraw) => Self::Withdrawn,
            (Self::Waiting | Self::Asked, RevealStep::Expire) => Self::Expired,
            (Self::Asked, RevealStep::Reveal) => Self::Revealed,
            (Self::Asked, RevealStep::Refuse) => Self::Refused,
            (Self::Revealed, RevealStep::Read | RevealStep::Forget) => Self::Revealed,
            _ => return None,
        })
    }
}

/// The pseudonyms in an incident's events, each with the name of the key that it was made with.
///
/// By their form: addresses, hardware addresses, and texts with a hash in them. That an address is of elsewhere, and no
/// pseudonym, is the site's to say.
#[must_use]
pub fn askable(events: &[EventSample]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for event in events {
        let Some(key) = event.fields.text(KEY_FIELD) else {
            continue;
        };
        for (name, value) in event.fields.iter() {
            if name == KEY_FIELD {
                continue;
            }
            for text in value.each().filter_map(ingest_event::Value::as_str) {
                if has_form(text) {
                    found.entry(text.to_owned()).or_insert_with(|| key.to_owned());
                }
            }
        }
    }
    found
}

fn has_form(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
        || is_hardware(text)
        || text.split(['.', '@', '\\', '/', '$', ':']).any(is_hash)
}

fn is_hardware(text: &str) -> bool {
    let pairs = text.split([':', '-']);
    pairs.clone().count() == 6
        && pairs
            .clone()
            .all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_hash(part: &str) -> bool {
    let letters = ["h-", "u-", "s-", "w-", "c-"]
        .iter()
        .find_map(|prefix| part.strip_prefix(prefix));
    letters.is_some_and(|letters| {
        letters.len() == HASH_CHARS
            && letters
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}
