//! What belongs together leaves as one notice: what that is, and how long it waits.

use std::{collections::BTreeMap, time::Duration};

use alerting_incident::{GRAVE_WAIT_MAX, Grouping, INTERVAL_MAX, Together, WAIT_MAX};
use detect_alert::Severity;
use serde::Deserialize;

use super::EscalationSettings;

/// What belongs together, and how long it waits for each other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupingSettings {
    /// What incidents in one notice have in common.
    pub by: TogetherSettings,
    /// Seconds that mail about what is new waits for others of its group, by severity; one that is not named leaves at once.
    pub wait_seconds: BTreeMap<String, u32>,
    /// Minutes from one notice about a group to the next, of what is below high.
    pub interval_minutes: u32,
}

/// What incidents in one notice have in common, beside the contact and the organisation.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TogetherSettings {
    /// Nothing more.
    #[default]
    Organization,
    /// The rule.
    Rule,
}

impl Default for GroupingSettings {
    fn default() -> Self {
        // What a scan or a worm does comes within half a minute; after it, a mail each five minutes is as much as anyone reads.
        Self {
            by: TogetherSettings::Organization,
            wait_seconds: [("medium".to_owned(), 30)].into(),
            interval_minutes: 5,
        }
    }
}

impl GroupingSettings {
    /// Nothing waits for anything.
    #[must_use]
    pub fn none() -> Self {
        Self {
            wait_seconds: BTreeMap::new(),
            ..Self::default()
        }
    }

    /// As the core wants it.
    ///
    /// # Errors
    /// The key, and what to write instead.
    pub(crate) fn read(&self) -> Result<Grouping, (&'static str, String)> {
        let key = "grouping.wait_seconds";
        let mut wait = [Duration::ZERO; 5];
        for (name, seconds) in &self.wait_seconds {
            let severity = name
                .parse::<Severity>()
                .map_err(|error| (key, error.to_string()))?;
            let most = if Severity::High <= severity {
                GRAVE_WAIT_MAX
            } else {
                WAIT_MAX
            };
            if most.as_secs() < u64::from(*seconds) {
                let mend = format!("{name}: {seconds}: write 0 to {} seconds", most.as_secs());
                return Err((key, mend));
            }
            let place = usize::from(severity.number()).saturating_sub(1);
            if let Some(wait) = wait.get_mut(place) {
                *wait = Duration::from_secs(u64::from(*seconds));
            }
        }
        let interval = Duration::from_mins(u64::from(self.interval_minutes));
        if INTERVAL_MAX < interval {
            let mend = format!("write 0 to {} minutes", INTERVAL_MAX.as_secs() / 60);
            return Err(("grouping.interval_minutes", mend));
        }
        Ok(Grouping {
            by: match self.by {
                TogetherSettings::Organization => Together::Organization,
                TogetherSettings::Rule => Together::Rule,
            },
            wait,
            interval,
        })
    }

    /// Checks what the types don't, and that who is to answer is told in the first half of the time they have.
    ///
    /// # Errors
    /// The key, and what to write instead.
    pub(super) fn check(&self, escalation: &EscalationSettings) -> Result<(), (&'static str, String)> {
        let grouping = self.read()?;
        for (name, minutes) in &escalation.answer_within_minutes {
            let Ok(severity) = name.parse::<Severity>() else {
                continue;
            };
            let half = Duration::from_mins(u64::from(*minutes)) / 2;
            if half < grouping.longest(severity) {
                let mend = format!(
                    "{name} has {minutes} minutes to answer from when it is decided, and may be held for more than half of them: \
                     shorten `grouping.wait_seconds` and `grouping.interval_minutes`, or give more time"
                );
                return Err(("grouping", mend));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<GroupingSettings, String> {
        let settings: GroupingSettings = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        settings
            .check(&EscalationSettings::default())
            .map_err(|(key, mend)| format!("{key}: {mend}"))
            .map(|()| settings)
    }

    #[test]
    fn nothing_grave_waits_unless_it_is_said_and_what_cannot_be_is_refused_by_name() {
        let longest = |settings: &GroupingSettings| {
            let grouping = settings.read().expect("valid");
            Severity::ALL
                .iter()
                .map(|severity| grouping.longest(*severity).as_secs())
                .collect::<Vec<_>>()
        };
        assert_eq!(longest(&GroupingSettings::default()), [0, 0, 300, 0, 0]);
        let own = read("{ by: rule, wait_seconds: { high: 60, low: 600 }, interval_minutes: 240 }");
        assert_eq!(longest(&own.expect("valid")), [0, 14_400, 0, 60, 0]);
        for (text, named) in [
            ("by: sensor", "sensor"),
            ("wait_seconds: { urgent: 5 }", "urgent"),
            ("wait_seconds: { high: 61 }", "0 to 60"),
            ("wait_seconds: { medium: 601 }", "0 to 600"),
            ("interval_minutes: 241", "0 to 240"),
            ("{ wait_seconds: { medium: 10 }, interval_minutes: 241 }", "240"),
            ("wait: 5", "wait"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(named), "{error}");
        }
        let hurried = EscalationSettings {
            answer_within_minutes: [("medium".to_owned(), 9)].into(),
            ..EscalationSettings::default()
        };
        let (key, mend) = GroupingSettings::default().check(&hurried).expect_err("late");
        assert!(
            key == "grouping" && mend.contains("medium has 9 minutes"),
            "{mend}"
        );
    }
}
