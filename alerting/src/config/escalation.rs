//! Who is told after whom when nobody answers.

use std::{collections::BTreeMap, time::Duration};

use alerting_incident::{Channel, Ladder, Language, MailKeys, Responder, ResponderId, Role, Validity};
use detect_alert::Severity;
use serde::Deserialize;

use super::{default_language, language};

/// The longest time to answer: a week. What may wait for longer needs no deadline.
const MINUTES_MAX: u32 = 7 * 24 * 60;
/// Those beyond the duty contact; a list of phones is shorter.
const BEYOND_MAX: usize = 16;

/// How long each has to answer, and who comes after the duty contact.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EscalationSettings {
    /// Minutes by severity; one that is not named never climbs.
    pub answer_within_minutes: BTreeMap<String, u32>,
    /// Hours until the last who were told are reminded.
    pub remind_after_hours: u32,
    /// Who is told after the duty contact, one after the other.
    pub beyond: Vec<BeyondSettings>,
}

/// Someone of the CERT's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeyondSettings {
    /// Their name.
    pub name: String,
    /// Their mail address.
    pub email: String,
    /// Their language.
    #[serde(default = "default_language", deserialize_with = "language")]
    pub language: Language,
}

impl Default for EscalationSettings {
    fn default() -> Self {
        // A quarter of an hour is what a duty watch promises, an hour what someone at work can, a working day what a
        // small municipality can. What is lower wakes nobody.
        let within = [("critical", 15), ("high", 60), ("medium", 480)];
        Self {
            answer_within_minutes: within.map(|(name, minutes)| (name.to_owned(), minutes)).into(),
            remind_after_hours: 24,
            beyond: Vec::new(),
        }
    }
}

impl EscalationSettings {
    /// Checks what the types don't: the key, and what to write instead.
    ///
    /// # Errors
    /// If a value can't be.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let key = "escalation.answer_within_minutes";
        for (name, minutes) in &self.answer_within_minutes {
            name.parse::<Severity>()
                .map_err(|error| (key, error.to_string()))?;
            if !(1..=MINUTES_MAX).contains(minutes) {
                return Err((
                    key,
                    format!("{name}: {minutes}: write 1 to {MINUTES_MAX}, or leave it out"),
                ));
            }
        }
        if !(1..=24 * 31).contains(&self.remind_after_hours) {
            let mend = "write 1 to 744 hours".to_owned();
            return Err(("escalation.remind_after_hours", mend));
        }
        let key = "escalation.beyond";
        if BEYOND_MAX < self.beyond.len() {
            return Err((key, format!("{} names: at most {BEYOND_MAX}", self.beyond.len())));
        }
        for one in &self.beyond {
            if one.email.parse::<lettre::Address>().is_err() {
                return Err((key, format!("{}: write `email` as `vakt@cert.example`", one.name)));
            }
        }
        Ok(())
    }

    /// As the core wants it.
    pub(crate) fn ladder(&self, duty: Responder) -> Ladder {
        let within = Severity::ALL.iter().map(|severity| {
            let minutes = self.answer_within_minutes.get(severity.as_str())?;
            Some(Duration::from_mins(u64::from(*minutes)))
        });
        let mut each = [None; 5];
        each.iter_mut().zip(within).for_each(|(to, from)| *to = from);
        Ladder {
            within: each,
            duty,
            beyond: self.beyond.iter().map(beyond).collect(),
            remind_after: Duration::from_hours(u64::from(self.remind_after_hours)),
        }
    }
}

fn beyond(one: &BeyondSettings) -> Responder {
    Responder {
        id: ResponderId::derive("beyond", &one.name),
        name: one.name.clone(),
        language: one.language,
        minimum_severity: Severity::Informational,
        zones: Vec::new(),
        role: Role::Management,
        turn: 0,
        validity: Validity::default(),
        channels: vec![Channel::Email(one.email.clone())],
        keys: MailKeys::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EscalationSettings, String> {
        let settings: EscalationSettings = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        settings
            .check()
            .map_err(|(key, mend)| format!("{key}: {mend}"))
            .map(|()| settings)
    }

    #[test]
    fn what_is_not_named_never_climbs_and_what_cannot_be_is_refused_by_name() {
        let settings = read("answer_within_minutes: { high: 30 }").expect("valid");
        let duty = beyond(&BeyondSettings {
            name: "D".into(),
            email: "d@cert.example".into(),
            language: Language::Nb,
        });
        let ladder = settings.ladder(duty);
        let within = Severity::ALL.iter().map(|severity| ladder.within(*severity));
        let half = Some(Duration::from_mins(30));
        assert_eq!(within.collect::<Vec<_>>(), [None, None, None, half, None]);
        for (text, named) in [
            ("answer_within_minutes: { urgent: 5 }", "urgent"),
            ("answer_within_minutes: { high: 0 }", "1 to"),
            ("remind_after_hours: 0", "744"),
            ("beyond: [{ name: K, email: nowhere }]", "email"),
            ("beyonds: []", "beyonds"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(named), "{error}");
        }
    }
}
