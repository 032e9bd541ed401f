//! The sentences of statutory notices, by language. A language that lacks one does not compile.

use alerting_incident::{Regime, Stage, Verdict};
use detect_alert::Severity;
use serde::Serialize;

use super::Field;

/// A language that authorities read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// Bokmål.
    Nb,
    /// Nynorsk.
    Nn,
    /// English.
    En,
}

impl Tongue {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Nb, Self::Nn, Self::En];

    /// Its code.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Nb => "nb",
            Self::Nn => "nn",
            Self::En => "en",
        }
    }
}

/// What a notice says besides its answers.
#[derive(Debug, Serialize)]
pub(super) struct Words {
    pub(super) exercise: &'static str,
    pub(super) draft: &'static str,
    pub(super) sent: &'static str,
    pub(super) reference: &'static str,
    pub(super) to: &'static str,
    pub(super) who: &'static str,
    pub(super) number: &'static str,
    pub(super) what: &'static str,
    pub(super) about: &'static str,
    pub(super) many: &'static str,
    pub(super) rule: &'static str,
    pub(super) severity: &'static str,
    pub(super) verdict: &'static str,
    pub(super) unjudged: &'static str,
    pub(super) alerts: &'static str,
    pub(super) incident: &'static str,
    pub(super) when: &'static str,
    pub(super) first_seen: &'static str,
    pub(super) last_seen: &'static str,
    pub(super) detected: &'static str,
    pub(super) aware: &'static str,
    pub(super) due: &'static str,
    pub(super) late: &'static str,
    pub(super) help: &'static str,
    pub(super) missing: &'static str,
    #[serde(skip)]
    severities: [&'static str; 5],
    #[serde(skip)]
    verdicts: [&'static str; 3],
    #[serde(skip)]
    regimes: [&'static str; 3],
    #[serde(skip)]
    recipients: [&'static str; 3],
    #[serde(skip)]
    stages: [&'static str; 3],
    #[serde(skip)]
    fields: [&'static str; 15],
}

/// The sentences of a language.
pub(super) fn words(tongue: Tongue) -> &'static Words {
    match tongue {
        Tongue::Nb => &NB,
        Tongue::Nn => &NN,
        Tongue::En => &EN,
    }
}

impl Words {
    pub(super) fn severity(&self, severity: Severity) -> &'static str {
        let [informational, low, medium, high, critical] = self.severities;
        match severity {
            Severity::Informational => informational,
            Severity::Low => low,
            Severity::Medium => medium,
            Severity::High => high,
            Severity::Critical => critical,
        }
    }

    pub(super) fn verdict(&self, verdict: Verdict) -> &'static str {
        let [right, wrong, help] = self.verdicts;
        match verdict {
            Verdict::TruePositive => right,
            Verdict::FalsePositive => wrong,
            Verdict::NeedHelp => help,
        }
    }

    pub(super) fn regime(&self, regime: Regime) -> &'static str {
        of_regime(self.regimes, regime)
    }

    pub(super) fn recipient(&self, regime: Regime) -> &'static str {
        of_regime(self.recipients, regime)
    }

    pub(super) fn stage(&self, stage: Stage) -> &'static str {
        let [early, notification, last] = self.stages;
        match stage {
            Stage::EarlyWarning => early,
            Stage::Notification => notification,
            Stage::FinalReport => last,
        }
    }

    pub(super) fn field(&self, field: Field) -> &'static str {
        let each = Field::ALL.iter().zip(self.fields);
        each.into_iter()
            .find(|(one, _)| **one == field)
            .map_or("", |(_, text)| text)
    }
}

fn of_regime(texts: [&'static str; 3], regime: Regime) -> &'static str {
    let [security, personal, team] = texts;
    match regime {
        Regime::DigitalSecurity => security,
        Regime::PersonalData => personal,
        Regime::ResponseTeam => team,
    }
}

const NB: Words = Words {
    exercise: "ØVELSE – dette er ikke en virkelig hendelse",
    draft: "UTKAST – ikke sendt. Varde sender ingenting til myndigheter; les gjennom, fyll ut og send selv.",
    sent: "Sendt",
    reference: "referanse",
    to: "Til",
    who: "Virksomheten det gjelder",
    number: "organisasjonsnummer",
    what: "Hva som er oppdaget",
    about: "Gjelder",
    many: "flere",
    rule: "Oppdaget av regelen",
    severity: "Alvorlighet",
    verdict: "Vurdering",
    unjudged: "ikke vurdert ennå",
    alerts: "Antall varsler",
    incident: "Hendelsens nummer",
    when: "Tidspunkter (norsk tid)",
    first_seen: "Første spor",
    last_seen: "Siste spor",
    detected: "Oppdaget",
    aware: "Virksomheten ble kjent med hendelsen",
    due: "Frist for denne meldingen",
    late: "fristen er ute",
    help: "Responsmiljø som bistår",
    missing: "[ikke fylt ut]",
    severities: ["informasjon", "lav", "middels", "høy", "kritisk"],
    verdicts: ["reell hendelse", "ufarlig", "det er bedt om hjelp"],
    regimes: [
        "Varsling etter digitalsikkerhetsloven",
        "Melding om brudd på personopplysningssikkerheten, personvernforordningen artikkel 33",
        "Varsel til responsmiljø",
    ],
    recipients: [
        "Nasjonal sikkerhetsmyndighet (NSM) og tilsynsmyndigheten",
        "Datatilsynet",
        "KommuneCERT og Nasjonal sikkerhetsmyndighet (NSM)",
    ],
    stages: ["Første varsel", "Melding om hendelsen", "Sluttrapport"],
    fields: [
        "Hva som har skjedd",
        "Mistenkes det en ulovlig eller ondsinnet handling",
        "Årsak",
        "Berørte tjenester og systemer",
        "Hvem og hvor mange som er berørt",
        "Hvilke typer personopplysninger, og omtrent hvor mange",
        "Følger, og følger som kan ventes",
        "Virkninger i andre land",
        "Tiltak som er satt i verk",
        "Tiltak som er planlagt",
        "Andre som er varslet",
        "Hjelp som ønskes",
        "Personvernombud",
        "Kontaktperson hos virksomheten",
        "Hvorfor meldingen er forsinket",
    ],
};

const NN: Words = Words {
    exercise: "ØVING (ØVELSE) – dette er ikkje ei verkeleg hending",
    draft: "UTKAST – ikkje sendt. Varde sender ingenting til styresmakter; les gjennom, fyll ut og send sjølv.",
    sent: "Sendt",
    reference: "referanse",
    to: "Til",
    who: "Verksemda det gjeld",
    number: "organisasjonsnummer",
    what: "Kva som er oppdaga",
    about: "Gjeld",
    many: "fleire",
    rule: "Oppdaga av regelen",
    severity: "Alvor",
    verdict: "Vurdering",
    unjudged: "ikkje vurdert enno",
    alerts: "Talet på varsel",
    incident: "Nummeret på hendinga",
    when: "Tidspunkt (norsk tid)",
    first_seen: "Første spor",
    last_seen: "Siste spor",
    detected: "Oppdaga",
    aware: "Verksemda vart kjend med hendinga",
    due: "Frist for denne meldinga",
    late: "fristen er ute",
    help: "Responsmiljø som hjelper",
    missing: "[ikkje fylt ut]",
    severities: ["informasjon", "låg", "middels", "høg", "kritisk"],
    verdicts: ["reell hending", "ufarleg", "det er bede om hjelp"],
    regimes: [
        "Varsling etter digitalsikkerhetsloven",
        "Melding om brot på personopplysningstryggleiken, personvernforordninga artikkel 33",
        "Varsel til responsmiljø",
    ],
    recipients: [
        "Nasjonal sikkerhetsmyndighet (NSM) og tilsynsorganet",
        "Datatilsynet",
        "KommuneCERT og Nasjonal sikkerhetsmyndighet (NSM)",
    ],
    stages: ["Første varsel", "Melding om hendinga", "Sluttrapport"],
    fields: [
        "Kva som har hendt",
        "Er det mistanke om ei ulovleg eller vondsinna handling",
        "Årsak",
        "Råka tenester og system",
        "Kven og kor mange som er råka",
        "Kva slags personopplysningar, og om lag kor mange",
        "Følgjer, og følgjer ein kan vente",
        "Verknader i andre land",
        "Tiltak som er sette i verk",
        "Tiltak som er planlagde",
        "Andre som er varsla",
        "Hjelp som er ønskt",
        "Personvernombod",
        "Kontaktperson hos verksemda",
        "Kvifor meldinga er forseinka",
    ],
};

const EN: Words = Words {
    exercise: "EXERCISE (ØVELSE) – this is not a real incident",
    draft: "DRAFT – not sent. Varde sends nothing to authorities; read it, fill it in and send it yourself.",
    sent: "Sent",
    reference: "reference",
    to: "To",
    who: "The organisation",
    number: "organisation number",
    what: "What was detected",
    about: "About",
    many: "several",
    rule: "Detected by the rule",
    severity: "Severity",
    verdict: "Assessment",
    unjudged: "not assessed yet",
    alerts: "Number of alerts",
    incident: "Number of the incident",
    when: "Times (Norwegian time)",
    first_seen: "First trace",
    last_seen: "Last trace",
    detected: "Detected",
    aware: "The organisation became aware of the incident",
    due: "Deadline for this notice",
    late: "the deadline has passed",
    help: "Response team that assists",
    missing: "[not filled in]",
    severities: ["informational", "low", "medium", "high", "critical"],
    verdicts: ["a real incident", "harmless", "help was asked for"],
    regimes: [
        "Notice under the Norwegian act on digital security",
        "Notification of a personal data breach, General Data Protection Regulation, article 33",
        "Notice to the response teams",
    ],
    recipients: [
        "The Norwegian National Security Authority (NSM) and the supervisory authority",
        "The Norwegian Data Protection Authority (Datatilsynet)",
        "KommuneCERT and the Norwegian National Security Authority (NSM)",
    ],
    stages: ["Early warning", "Incident notification", "Final report"],
    fields: [
        "What happened",
        "Is an unlawful or malicious act suspected",
        "Cause",
        "Services and systems affected",
        "Who and how many are affected",
        "Categories of personal data, and approximately how many records",
        "Effects, and effects that are likely",
        "Effects in other countries",
        "Measures taken",
        "Measures planned",
        "Others who have been told",
        "Help that is wanted",
        "Data protection officer",
        "Contact at the organisation",
        "Why the notice is late",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_empty_and_no_language_says_it_in_anothers_words() {
        for tongue in Tongue::ALL {
            let words = words(tongue);
            for field in Field::ALL {
                assert!(!words.field(*field).is_empty(), "{tongue:?} {field:?}");
            }
            assert!(words.exercise.contains("ØVELSE"), "{tongue:?}");
        }
        for field in Field::ALL {
            assert_ne!(NB.field(*field), EN.field(*field), "{field:?}");
        }
        assert_eq!(Field::ALL.len(), NB.fields.len(), "one for each");
    }
}
