//! How people work on incidents.

use serde::Deserialize;

/// The longest silence of someone who does not manage: a watch and a half.
const SILENCE_HOURS_MAX: u32 = 12;

/// Who gets what they take, and how long an analyst may silence.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentSettings {
    /// Whether an analyst who acknowledges an incident that is nobody's works on it from then on.
    pub assign_on_acknowledge: bool,
    /// How long an analyst may silence something; a duty officer may for longer. 0: not at all.
    pub analyst_silence_hours: u32,
}

impl Default for IncidentSettings {
    fn default() -> Self {
        // Half a watch: long enough for a planned piece of work that nobody announced.
        Self {
            assign_on_acknowledge: false,
            analyst_silence_hours: 4,
        }
    }
}

impl IncidentSettings {
    /// Checks what the types don't: the key, and what to write instead.
    ///
    /// # Errors
    /// If a value can't be.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.analyst_silence_hours <= SILENCE_HOURS_MAX {
            return Ok(());
        }
        let mend = format!("write 0 to {SILENCE_HOURS_MAX} hours");
        Err(("incidents.analyst_silence_hours", mend))
    }
}
