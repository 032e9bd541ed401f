//! Whether an indicator that an event names counts: its validity at the event's time, then the warning lists.
//!
//! What does not count is counted, by list and reason.

use std::collections::BTreeMap;

use detect_alert::{IndicatorKind, WarningMode};
use ingest_event::Timestamp;

use super::{
    IndicatorId, IndicatorTable,
    address::address,
    entry,
    entry::Validity,
    recipients::recipients,
    text::{Authority, has_either},
    warning::{Listed, WarningLists},
};

/// So many pairs of list and reason are counted apart: more lists than there are in the world. Those of further lists
/// are counted under [`OTHER_LISTS`].
const PAIRS_MAX: usize = 1024;

/// So many recipients of one text are asked about; nobody has more harmless ones under a bad domain.
const RECIPIENTS_MAX: usize = 64;

/// Stands for lists that are not counted apart.
const OTHER_LISTS: &str = "other lists";

/// What an indicator that an event names comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement<'a> {
    /// A match.
    Match {
        /// The warning lists that inform only, which the match shall name.
        listed: Vec<Listed<'a>>,
    },
    /// No match.
    Rejected(Rejection<'a>),
}

/// Why a named indicator is no match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection<'a> {
    /// In a word.
    pub reason: RejectionReason,
    /// The warning list, if it is one.
    pub list: Option<&'a str>,
}

/// Why a named indicator is no match, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectionReason {
    /// The event is from before its validity.
    NotYetValid,
    /// The event is from after its validity.
    Expired,
    /// The indicator is on a warning list.
    IndicatorListed,
    /// What the event names of it (an address in its prefix, a name under its domain) is on a warning list.
    ValueListed,
    /// The event names more indicators than are looked at.
    TooMany,
    /// The event's sensor names a rule or an indicator that this ruleset does not have.
    Unknown,
}

/// How often named indicators were no matches.
#[derive(Clone, Debug, Default)]
pub struct Rejections(BTreeMap<(RejectionReason, Option<Box<str>>), u64>);

/// One line of [`Rejections`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected<'a> {
    /// Why, in a word.
    pub reason: RejectionReason,
    /// The warning list, if it is one; `other lists` for what is of more lists than are counted apart.
    pub list: Option<&'a str>,
    /// How often.
    pub count: u64,
}

impl RejectionReason {
    /// The word in metrics and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotYetValid => "not yet valid",
            Self::Expired => "expired",
            Self::IndicatorListed => "indicator on a warning list",
            Self::ValueListed => "value on a warning list",
            Self::TooMany => "too many in one event",
            Self::Unknown => "unknown here, matched on the sensor",
        }
    }
}

impl Rejections {
    /// Counts one more.
    pub fn count(&mut self, rejection: Rejection<'_>) {
        let mut key = (rejection.reason, rejection.list.map(Box::from));
        if PAIRS_MAX <= self.0.len() && key.1.is_some() && !self.0.contains_key(&key) {
            key.1 = Some(OTHER_LISTS.into());
        }
        *self.0.entry(key).or_default() += 1;
    }

    /// All counts, by reason and list.
    pub fn iter(&self) -> impl Iterator<Item = Rejected<'_>> {
        self.0.iter().map(|((reason, list), count)| Rejected {
            reason: *reason,
            list: list.as_deref(),
            count: *count,
        })
    }

    /// The counts since the last time; they begin anew.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl IndicatorTable {
    /// Judges an indicator that the text `named` of an event's field named, at the event's time.
    #[must_use]
    pub fn judge<'a>(
        &self,
        id: IndicatorId,
        named: &str,
        at: Timestamp,
        lists: &'a WarningLists,
    ) -> Option<Judgement<'a>> {
        let entry = self.entry(id)?;
        let expired = |reason| Some(Judgement::Rejected(Rejection { reason, list: None }));
        match entry.validity(at) {
            Validity::NotYet => return expired(RejectionReason::NotYetValid),
            Validity::Expired => return expired(RejectionReason::Expired),
            Validity::Valid => {}
        }
        let mut listed = Vec::new();
        if lists.is_empty() {
            return Some(Judgement::Match { listed });
        }
        let value = entry::text(entry.kind, entry.is_wide, entry.value);
        let mut asked = vec![(RejectionReason::IndicatorListed, entry.kind, value.as_str())];
        // A prefix or a domain is named by what is in it.
        let narrower = match entry.kind {
            IndicatorKind::Cidr => Some(IndicatorKind::Address),
            IndicatorKind::Domain => Some(IndicatorKind::Domain),
            IndicatorKind::Address
            | IndicatorKind::Asn
            | IndicatorKind::Certificate
            | IndicatorKind::Email
            | IndicatorKind::FileName
            | IndicatorKind::Ja3
            | IndicatorKind::Ja4
            | IndicatorKind::Md5
            | IndicatorKind::Sha1
            | IndicatorKind::Sha256
            | IndicatorKind::Url => None,
        };
        let is_harmless = |host: &str| {
            let mut on = narrower.iter().flat_map(|kind| lists.listing(*kind, host));
            on.any(|on| on.mode == WarningMode::Block)
        };
        let named = named_host(named, &value, is_harmless);
        asked.extend(narrower.map(|kind| (RejectionReason::ValueListed, kind, named.as_str())));
        for (reason, kind, value) in asked {
            for on in lists.listing(kind, value) {
                match on.mode {
                    WarningMode::Block => {
                        return Some(Judgement::Rejected(Rejection {
                            reason,
                            list: Some(on.list),
                        }));
                    }
                    WarningMode::Inform if listed.contains(&on) => {}
                    WarningMode::Inform => listed.push(on),
                }
            }
        }
        Some(Judgement::Match { listed })
    }
}

/// The host by which a text named something, in the normal form of its kind. Of several e-mail addresses under the
/// `domain` it is one whose host is not harmless, if there is one.
fn named_host(text: &str, domain: &str, is_harmless: impl Fn(&str) -> bool) -> String {
    let is_under = |host: &String| {
        let above = host.strip_suffix(domain);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    let host = host_of(text);
    let is_list = text.contains('@') && has_either(text.as_bytes(), b',', b';');
    if !is_list || text.contains("://") && is_under(&host) {
        return host;
    }
    let hosts = || recipients(text).map(host_of).filter(is_under);
    hosts()
        .take(RECIPIENTS_MAX)
        .find(|host| !is_harmless(host))
        .or_else(|| hosts().next())
        .unwrap_or(host)
}

/// The host in a text: of a URL, of an e-mail address, or all of it without a port.
fn host_of(text: &str) -> String {
    let text = text.trim();
    let start = text
        .find("://")
        .map(|at| at + 3)
        .or_else(|| text.rfind('@').map(|at| at + 1))
        .unwrap_or_default();
    let rest = text.get(start..).unwrap_or_default().trim_end_matches(['>', '.']);
    let host = if address(rest).is_some() {
        rest
    } else {
        let host = Authority::of_start(rest.as_bytes()).host;
        let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
        std::str::from_utf8(bare.unwrap_or(host)).unwrap_or_default()
    };
    match address(host) {
        Some(address) => address.to_canonical().to_string(),
        None => idna::domain_to_ascii(host).unwrap_or_else(|_| host.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_by_more_lists_than_are_told_apart_are_counted_all_the_same() {
        const LISTS: u64 = 3000;
        let mut rejections = Rejections::default();
        let reasons = [RejectionReason::IndicatorListed, RejectionReason::ValueListed];
        for number in 0..LISTS {
            let name = format!("list {number}");
            for reason in reasons {
                rejections.count(Rejection {
                    reason,
                    list: Some(&name),
                });
            }
        }
        let expired = Rejection {
            reason: RejectionReason::Expired,
            list: None,
        };
        rejections.count(expired);
        for reason in reasons {
            let own = || rejections.iter().filter(|line| line.reason == reason);
            assert_eq!(own().map(|line| line.count).sum::<u64>(), LISTS, "{reason:?}");
            assert!(own().any(|line| line.list == Some(OTHER_LISTS)));
        }
        let lines: Vec<_> = rejections.iter().collect();
        let is_told = |line: &&Rejected<'_>| line.reason == expired.reason && line.list.is_none();
        assert!(lines.iter().any(|line| is_told(&line)));
        assert!(lines.len() <= PAIRS_MAX + reasons.len() + 1, "{}", lines.len());
    }
}
