//! What explains another: incidents that are not told of while their explanation is open.

use alerting_incident::{Described, Equal, Inhibition};
use detect_alert::Severity;
use serde::Deserialize;

/// As many as a person keeps in mind; each alert that opens an incident is compared with all of them.
const INHIBITIONS_MAX: usize = 100;

/// One of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InhibitionSettings {
    /// What explains.
    pub source: DescribedSettings,
    /// What is not told of while a source is open.
    pub target: DescribedSettings,
    /// `organization`, or `entity` where both have to be about the same thing.
    #[serde(default)]
    pub equal: EqualSettings,
}

/// What an incident is like; all that is named has to fit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DescribedSettings {
    /// One of these rules.
    pub rules: Vec<String>,
    /// With one of these tags.
    pub tags: Vec<String>,
    /// At least so grave.
    pub at_least: Option<String>,
    /// At most so grave.
    pub at_most: Option<String>,
}

/// What both have in common.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EqualSettings {
    /// The organisation.
    Organization,
    /// The organisation and the thing.
    #[default]
    Entity,
}

/// As the core wants them.
///
/// # Errors
/// The key, and what to write instead, if one can't be.
pub(crate) fn inhibitions(all: &[InhibitionSettings]) -> Result<Vec<Inhibition>, (&'static str, String)> {
    if INHIBITIONS_MAX < all.len() {
        let mend = format!("{} of them: at most {INHIBITIONS_MAX}", all.len());
        return Err(("inhibitions", mend));
    }
    all.iter().map(InhibitionSettings::inhibition).collect()
}

impl InhibitionSettings {
    fn inhibition(&self) -> Result<Inhibition, (&'static str, String)> {
        Ok(Inhibition {
            source: described("inhibitions.source", &self.source)?,
            target: described("inhibitions.target", &self.target)?,
            equal: match self.equal {
                EqualSettings::Organization => Equal::Organization,
                EqualSettings::Entity => Equal::Entity,
            },
        })
    }
}

fn described(key: &'static str, settings: &DescribedSettings) -> Result<Described, (&'static str, String)> {
    if settings.rules.is_empty() && settings.tags.is_empty() {
        let mend = "name `rules` or `tags`: what fits everything would keep everything back".to_owned();
        return Err((key, mend));
    }
    let severity = |text: &Option<String>| {
        let read = text.as_deref().map(str::parse::<Severity>).transpose();
        read.map_err(|error| (key, error.to_string()))
    };
    Ok(Described {
        rules: settings.rules.clone(),
        tags: settings.tags.clone(),
        at_least: severity(&settings.at_least)?,
        at_most: severity(&settings.at_most)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Inhibition>, String> {
        let settings: Vec<InhibitionSettings> =
            serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        inhibitions(&settings).map_err(|(key, mend)| format!("{key}: {mend}"))
    }

    #[test]
    fn what_would_keep_everything_back_or_cannot_be_is_refused_by_name() {
        let read_all =
            read("[{ source: { rules: [outage], at_least: high }, target: { tags: [attack.t1046] } }]");
        let all = read_all.expect("valid");
        assert_eq!(all[0].source.at_least, Some(Severity::High));
        assert_eq!(
            all[0].equal,
            Equal::Entity,
            "the narrower of the two, unless asked"
        );
        for (text, named) in [
            (
                "[{ source: { rules: [a] }, target: { at_most: low } }]",
                "inhibitions.target: name",
            ),
            (
                "[{ source: {}, target: { rules: [a] } }]",
                "inhibitions.source: name",
            ),
            (
                "[{ source: { rules: [a], at_least: grave }, target: { rules: [b] } }]",
                "grave",
            ),
            (
                "[{ source: { rules: [a] }, target: { rules: [b] }, equal: zone }]",
                "zone",
            ),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(named), "{error}");
        }
    }
}
