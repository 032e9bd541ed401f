//! The sentences, by language. A language that lacks one does not compile.

use alerting_incident::{Language, NotifyReason};
use detect_alert::{Confidence, Severity};
use serde::Serialize;

/// Every sentence that a notice can hold.
#[derive(Debug, Serialize)]
pub(super) struct Words {
    pub(super) exercise: &'static str,
    pub(super) exercise_long: &'static str,
    pub(super) municipality: &'static str,
    pub(super) greeting: &'static str,
    pub(super) kind: &'static str,
    pub(super) what_seen: &'static str,
    pub(super) about: &'static str,
    pub(super) many: &'static str,
    pub(super) when: &'static str,
    pub(super) until: &'static str,
    pub(super) times: &'static str,
    pub(super) events: &'static str,
    pub(super) matched: &'static str,
    pub(super) how_sure: &'static str,
    pub(super) harmless: &'static str,
    pub(super) do_first: &'static str,
    pub(super) answer: &'static str,
    pub(super) answer_how: &'static str,
    pub(super) answer_button: &'static str,
    pub(super) link_private: &'static str,
    pub(super) call: &'static str,
    pub(super) why_you: &'static str,
    pub(super) why_you_how: &'static str,
    pub(super) sharing: &'static str,
    pub(super) details: &'static str,
    pub(super) incident: &'static str,
    pub(super) rule: &'static str,
    pub(super) sensor: &'static str,
    pub(super) severity_label: &'static str,
    severities: [&'static str; 5],
    confidences: [&'static str; 3],
    reasons: [&'static str; 8],
}

/// The sentences of a language.
pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Nb => &NB,
        Language::Nn => &NN,
        Language::Se => &SE,
        Language::En => &EN,
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

    pub(super) fn confidence(&self, confidence: Confidence) -> &'static str {
        let [low, medium, high] = self.confidences;
        match confidence {
            Confidence::Low => low,
            Confidence::Medium => medium,
            Confidence::High => high,
        }
    }

    pub(super) fn reason(&self, reason: NotifyReason) -> &'static str {
        let [
            opened,
            relapsed,
            raised,
            escalated,
            help_needed,
            corrected,
            deadline,
            grown,
        ] = self.reasons;
        match reason {
            NotifyReason::Opened => opened,
            NotifyReason::Relapsed => relapsed,
            NotifyReason::Raised => raised,
            NotifyReason::Escalated => escalated,
            NotifyReason::HelpNeeded => help_needed,
            NotifyReason::Corrected => corrected,
            NotifyReason::Deadline => deadline,
            NotifyReason::Grown => grown,
        }
    }
}

const NB: Words = Words {
    exercise: "ØVELSE",
    exercise_long: "ØVELSE – dette er ikke en virkelig hendelse. Gjør det dere ville gjort, så langt øvelsen sier.",
    municipality: "kommune",
    greeting: "Hei",
    kind: "Type",
    what_seen: "Hva vi så",
    about: "Gjelder",
    many: "flere, se lenken",
    when: "Når",
    until: "til",
    times: "Antall varsler",
    events: "Antall hendelser i nettet",
    matched: "Dette slo ut",
    how_sure: "Hvor sikre vi er",
    harmless: "Kan være ufarlig hvis",
    do_first: "Gjør dette først",
    answer: "Svar oss",
    answer_how: "Åpne lenken for å bekrefte at dere har tatt tak i saken, og for å si om varselet stemmer eller om dere trenger hjelp:",
    answer_button: "Åpne hendelsen og bekreft",
    link_private: "Lenken er personlig og virker i 30 dager. Ikke send den videre.",
    call: "Hvem dere kan ringe",
    why_you: "Hvorfor dere får dette",
    why_you_how: "Dere er registrert som mottaker for",
    sharing: "Deling",
    details: "Opplysninger til den som undersøker",
    incident: "Hendelse",
    rule: "Regel",
    sensor: "Sensor",
    severity_label: "Alvorlighet",
    severities: ["Til orientering", "Lav", "Middels", "Høy", "Kritisk"],
    confidences: [
        "Usikkert: dette kan godt være ufarlig.",
        "Trolig riktig, men det finnes ufarlige forklaringer.",
        "Nesten helt sikkert riktig.",
    ],
    reasons: [
        "Dette er en ny hendelse.",
        "Dette har kommet tilbake etter at en tidligere hendelse ble avsluttet.",
        "Hendelsen har blitt mer alvorlig enn da dere fikk vite om den.",
        "Ingen av dem som fikk vite om hendelsen, har svart i tide. Nå er det din tur.",
        "En mottaker ber om hjelp med denne hendelsen.",
        "Rettelse: det du sist fikk vite om hendelsen, var en feil og er trukket tilbake. Du trenger ikke gjøre noe.",
        "En lovpålagt frist for å varsle om hendelsen nærmer seg eller er ute. Se fristene under hendelsen.",
        "Hendelsen som dere har tatt, gjelder mange, og har vokst mye siden. Se om dere må gjøre mer.",
    ],
};

const NN: Words = Words {
    exercise: "ØVING",
    exercise_long: "ØVING (ØVELSE) – dette er ikkje ei verkeleg hending. Gjer det de ville gjort, så langt øvinga seier.",
    municipality: "kommune",
    greeting: "Hei",
    kind: "Type",
    what_seen: "Kva vi såg",
    about: "Gjeld",
    many: "fleire, sjå lenkja",
    when: "Når",
    until: "til",
    times: "Talet på varsel",
    events: "Talet på hendingar i nettet",
    matched: "Dette slo ut",
    how_sure: "Kor sikre vi er",
    harmless: "Kan vere ufarleg dersom",
    do_first: "Gjer dette først",
    answer: "Svar oss",
    answer_how: "Opne lenkja for å stadfeste at de har teke tak i saka, og for å seie om varselet stemmer eller om de treng hjelp:",
    answer_button: "Opne hendinga og stadfest",
    link_private: "Lenkja er personleg og verkar i 30 dagar. Ikkje send henne vidare.",
    call: "Kven de kan ringje",
    why_you: "Kvifor de får dette",
    why_you_how: "De er registrerte som mottakar for",
    sharing: "Deling",
    details: "Opplysningar til den som undersøkjer",
    incident: "Hending",
    rule: "Regel",
    sensor: "Sensor",
    severity_label: "Alvor",
    severities: ["Til orientering", "Låg", "Middels", "Høg", "Kritisk"],
    confidences: [
        "Usikkert: dette kan godt vere ufarleg.",
        "Truleg rett, men det finst ufarlege forklaringar.",
        "Nesten heilt sikkert rett.",
    ],
    reasons: [
        "Dette er ei ny hending.",
        "Dette har kome att etter at ei tidlegare hending vart avslutta.",
        "Hendinga har vorte meir alvorleg enn då de fekk vite om henne.",
        "Ingen av dei som fekk vite om hendinga, har svart i tide. No er det din tur.",
        "Ein mottakar bed om hjelp med denne hendinga.",
        "Retting: det du sist fekk vite om hendinga, var ein feil og er trekt tilbake. Du treng ikkje gjere noko.",
        "Ein lovpålagd frist for å varsle om hendinga nærmar seg eller er ute. Sjå fristane under hendinga.",
        "Hendinga som de har teke, gjeld mange, og har vakse mykje sidan. Sjå om de må gjere meir.",
    ],
};

// Simple sentences, words that public bodies use; docs/notices.md says who should read them first.
const SE: Words = Words {
    exercise: "HÁRJEHALLAN (ØVELSE)",
    exercise_long: "HÁRJEHALLAN (ØVELSE) – dát ii leat duohta dáhpáhus. Dahket nu mo livččiidet dahkan, nu guhkás go hárjehallan dadjá.",
    municipality: "",
    greeting: "Bures",
    kind: "Šládja",
    what_seen: "Maid mii oinniimet",
    about: "Guoská",
    many: "máŋga, geahča liŋkka",
    when: "Goas",
    until: "gitta",
    times: "Váruhusaid lohku",
    events: "Dáhpáhusaid lohku fierpmádagas",
    matched: "Mii váruhusa dagahii",
    how_sure: "Man sihkkarat mii leat",
    harmless: "Sáhttá leat dábálaš ášši jus",
    do_first: "Dahket dán vuohččan",
    answer: "Vástidehket midjiide",
    answer_how: "Rahpet liŋkka ja muitalehket midjiide: Lehpetgo váldán ášši? Leago váruhus riekta? Dárbbašehpetgo veahki?",
    answer_button: "Raba dáhpáhusa ja duođaš",
    link_private: "Liŋka lea dušše didjiide ja doaibmá 30 beaivvi. Allet sádde dan viidáseappot.",
    call: "Geasa sáhttibehtet riŋget",
    why_you: "Manne dii oažžubehtet dán",
    why_you_how: "Dii lehpet registrerejuvvon vuostáiváldin. Ásahus:",
    sharing: "Juohkin",
    details: "Dieđut sutnje gii iská",
    incident: "Dáhpáhus",
    rule: "Njuolggadus",
    sensor: "Sensor",
    severity_label: "Duođalašvuohta",
    severities: ["Diehtun", "Vuollegaš", "Gaskadási", "Alla", "Hui duođalaš"],
    confidences: [
        "Mii leat eahpesihkkarat: dát sáhttá leat áibbas dábálaš ášši.",
        "Jáhkkimis riekta, muhto leat maiddái dábálaš čilgehusat.",
        "Measta áibbas sihkkarit riekta.",
    ],
    reasons: [
        "Dát lea ođđa dáhpáhus.",
        "Dát lea fas boahtán, maŋŋá go ovddit dáhpáhus loahpahuvvui.",
        "Dáhpáhus lea šaddan duođaleabbon go dalle go oaččuidet dieđu das.",
        "Sii geat ožžo dieđu dáhpáhusas, eai leat vástidan áigemeari siste. Dál lea du vuorru.",
        "Vuostáiváldi bivdá veahki dáinna dáhpáhusain.",
        "Divvun: dat maid maŋimus oaččuidet diehtit dáhpáhusas, lei boastut ja lea gessojuvvon ruovttoluotta. Dus ii leat dárbu dahkat maidege.",
        "Lága mielde áigemearri dieđihit dáhpáhusas lahkona dahje lea mannan. Geahča áigemeriid dáhpáhusa vuolde.",
        "Dáhpáhus man don leat váldán, guoská ollugiidda, ja lea sturron ollu das rájes. Geahča galggatgo dahkat eanet.",
    ],
};

const EN: Words = Words {
    exercise: "EXERCISE (ØVELSE)",
    exercise_long: "EXERCISE (ØVELSE) – this is not a real incident. Do what you would do, as far as the exercise says.",
    municipality: "municipality",
    greeting: "Hello",
    kind: "Kind",
    what_seen: "What we saw",
    about: "Concerns",
    many: "several, see the link",
    when: "When",
    until: "to",
    times: "Alerts",
    events: "Events in the network",
    matched: "What matched",
    how_sure: "How sure we are",
    harmless: "May be harmless if",
    do_first: "Do this first",
    answer: "Answer us",
    answer_how: "Open the link to confirm that you have taken this on, and to say whether the alert is right or you need help:",
    answer_button: "Open the incident and confirm",
    link_private: "The link is personal and works for 30 days. Do not pass it on.",
    call: "Whom you can call",
    why_you: "Why you get this",
    why_you_how: "You are registered as a responder for",
    sharing: "Sharing",
    details: "Details for whoever looks into it",
    incident: "Incident",
    rule: "Rule",
    sensor: "Sensor",
    severity_label: "Severity",
    severities: ["Informational", "Low", "Medium", "High", "Critical"],
    confidences: [
        "Unsure: this may well be harmless.",
        "Probably right, but there are harmless explanations.",
        "Almost certainly right.",
    ],
    reasons: [
        "This is a new incident.",
        "This has come back after an earlier incident was closed.",
        "The incident has become graver than when you were told.",
        "None of those who were told of the incident has answered in time. Now it is your turn.",
        "A responder asks for help with this incident.",
        "Correction: what you were told of the incident last was a mistake and has been taken back. You need not do anything.",
        "A statutory deadline for telling of the incident is near or has passed. See the deadlines with the incident.",
        "The incident that you have taken is about many, and has grown much since. See whether more has to be done.",
    ],
};
