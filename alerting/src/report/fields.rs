//! What authorities ask that nobody but a person knows.

use alerting_incident::{Regime, Stage};

/// The longest answer: a page.
pub(crate) const VALUE_CHARS_MAX: usize = 4_000;

macro_rules! fields {
    ($($(#[$meta:meta])* $name:ident = $code:literal,)+) => {
        /// What a person writes once, for every notice that asks for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Field { $($(#[$meta])* $name,)+ }
        impl Field {
            /// All of them, in the order in which they are asked.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];
            /// As in the API.
            pub(crate) const fn as_str(self) -> &'static str { match self { $(Self::$name => $code),+ } }
        }
    };
}

fields! {
    /// In a person's words.
    Happened = "what_happened",
    /// Whether someone did it on purpose.
    Malicious = "malicious",
    /// Why it could.
    Cause = "cause",
    /// Services and systems.
    Services = "affected_services",
    /// How many, and who.
    People = "affected_people",
    /// Which kinds of data, and how many records.
    Data = "data_categories",
    /// What came of it, or may.
    Effects = "effects",
    /// Whether it reaches other countries.
    Border = "cross_border",
    /// What was done.
    Taken = "measures_taken",
    /// What will be.
    Planned = "measures_planned",
    /// Who else was told.
    Told = "others_told",
    /// What help is wanted.
    Help = "help_wanted",
    /// The data protection officer, with address.
    Officer = "data_protection_officer",
    /// Who answers questions: name, telephone, mail.
    Contact = "contact",
    /// Why the notice is late.
    Delay = "delay_reason",
}

/// What a notice asks, in order. Sources: directive (EU) 2022/2555, article 23(4); regulation (EU) 2016/679, article 33(1) and (3); nsm.no on
/// what a notice to it says.
pub(crate) fn asked(regime: Regime, stage: Stage, is_late: bool) -> Vec<Field> {
    use Field::{
        Border, Cause, Contact, Data, Effects, Happened, Help, Malicious, Officer, People, Planned, Services,
        Taken, Told,
    };
    let mut all = match (regime, stage) {
        (Regime::DigitalSecurity, Stage::EarlyWarning) => {
            vec![Happened, Malicious, Services, Border, Contact]
        }
        (Regime::DigitalSecurity, Stage::Notification) => vec![
            Happened, Malicious, Services, People, Effects, Border, Taken, Contact,
        ],
        (Regime::DigitalSecurity, Stage::FinalReport) => vec![
            Happened, Malicious, Cause, Services, People, Effects, Border, Taken, Planned, Contact,
        ],
        (Regime::PersonalData, _) => vec![
            Happened, People, Data, Effects, Border, Taken, Planned, Told, Officer, Contact,
        ],
        (Regime::ResponseTeam, _) => vec![Happened, Malicious, Services, Effects, Taken, Help, Told, Contact],
    };
    if is_late {
        all.push(Field::Delay);
    }
    all
}
