//! What is gathered for business days, and what is done about mail that comes back.

use alerting_incident::{Gathering, calendar::Calendar};
use detect_alert::Severity;
use serde::Deserialize;

use super::EscalationSettings;

/// Octets of a local part (RFC 5321, section 4.5.3.1.1).
const LOCAL_PART_MAX: usize = 64;

/// What is gathered, and when it leaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DigestSettings {
    /// Mail up to this severity is gathered; `none` gathers nothing.
    pub up_to: String,
    /// When it leaves on business days, in Norwegian time.
    pub at: String,
}

/// What is done about mail that comes back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BounceSettings {
    /// Where mail comes back to, with a plus sign and a name after the local part.
    #[serde(default)]
    pub address: Option<String>,
    /// After so many an address is switched off.
    #[serde(default = "default_disable_after")]
    pub disable_after: u32,
}

impl Default for DigestSettings {
    fn default() -> Self {
        Self {
            up_to: "low".to_owned(),
            at: "08:00".to_owned(),
        }
    }
}

impl Default for BounceSettings {
    fn default() -> Self {
        Self {
            address: None,
            disable_after: default_disable_after(),
        }
    }
}

/// One can be a mistake of a mail server's, two a bad day; three in three months are none.
fn default_disable_after() -> u32 {
    3
}

impl DigestSettings {
    /// Gathers nothing: each notification leaves at once.
    #[must_use]
    pub fn none() -> Self {
        Self {
            up_to: "none".to_owned(),
            ..Self::default()
        }
    }

    /// As the core wants it.
    ///
    /// # Errors
    /// The key, and what to write instead.
    pub(crate) fn read(&self) -> Result<(Gathering, Calendar), (&'static str, String)> {
        let key = "digest.up_to";
        let up_to = match self.up_to.as_str() {
            "none" => None,
            text => Some(
                text.parse::<Severity>()
                    .map_err(|error| (key, error.to_string()))?,
            ),
        };
        if up_to.is_some_and(|severity| Severity::High <= severity) {
            return Err((
                key,
                "what is high does not wait: write none, informational, low or medium".to_owned(),
            ));
        }
        let calendar = Calendar::delivering(&self.at).map_err(|error| ("digest.at", error.to_string()))?;
        Ok((Gathering { up_to }, calendar))
    }

    /// Checks what the types don't, and that nobody is to answer what they were not told.
    ///
    /// # Errors
    /// The key, and what to write instead.
    pub(super) fn check(&self, escalation: &EscalationSettings) -> Result<(), (&'static str, String)> {
        let (gathering, _) = self.read()?;
        for name in escalation.answer_within_minutes.keys() {
            let severity = name.parse::<Severity>().ok();
            if severity.is_some_and(|severity| gathering.up_to.is_some_and(|most| severity <= most)) {
                let mend = format!(
                    "{name} is gathered and has a time to answer in `escalation.answer_within_minutes`: take one away"
                );
                return Err(("digest.up_to", mend));
            }
        }
        Ok(())
    }
}

impl BounceSettings {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// The key, and what to write instead.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.disable_after == 0 {
            return Err(("mail.bounces.disable_after", "it must be at least 1".to_owned()));
        }
        let key = "mail.bounces.address";
        let Some(address) = &self.address else {
            return Ok(());
        };
        if address.parse::<lettre::Address>().is_err() || address.contains('+') {
            return Err((
                key,
                "write it as `varsel@cert.example`, without a plus sign".to_owned(),
            ));
        }
        let most = LOCAL_PART_MAX - 1 - crate::link::RETURN_CHARS;
        let local = address.split('@').next().unwrap_or_default();
        if most < local.len() {
            return Err((
                key,
                format!("at most {most} characters before the @: a name is added"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let digest = |up_to: &str, at: &str| {
            let settings = DigestSettings {
                up_to: up_to.to_owned(),
                at: at.to_owned(),
            };
            settings.check(&EscalationSettings::default())
        };
        assert_eq!(digest("low", "08:00"), Ok(()));
        assert_eq!(digest("none", "23:59"), Ok(()));
        for (up_to, at, named) in [
            ("high", "08:00", "wait"),
            ("urgent", "08:00", "urgent"),
            ("low", "8", "08:00"),
            ("medium", "08:00", "medium is gathered"),
        ] {
            let (_, mend) = digest(up_to, at).expect_err(up_to);
            assert!(mend.contains(named), "{mend}");
        }
        let bounces = |address: &str, disable_after| {
            let settings = BounceSettings {
                address: Some(address.to_owned()),
                disable_after,
            };
            settings.check()
        };
        assert_eq!(bounces("varsel@cert.example", 3), Ok(()));
        for (address, disable_after) in [
            ("varsel", 3),
            ("a+b@cert.example", 3),
            ("abcdefghijklmnopq@cert.example", 3),
            ("varsel@cert.example", 0),
        ] {
            assert!(bounces(address, disable_after).is_err(), "{address}");
        }
    }
}
