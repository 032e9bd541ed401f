//! What kind of incident an alert is of: the classes and types of the Reference Security Incident Taxonomy of ENISA and
//! TF-CSIRT (version 1003), as MISP writes them (`rsit:information-gathering="scanner"`).
//!
//! A rule says it itself with a tag `rsit.TYPE`. Else it follows from its ATT&CK tags, techniques before tactics; else from the
//! indicator that matched; else it is undetermined. The tables below are the mapping.

use detect_alert::{Alert, ProducerKind};

use crate::incident::codes;

codes! {
    /// A class of the taxonomy.
    TaxonClass as "class of incident" {
        /// Spam, threats.
        AbusiveContent = "abusive-content",
        /// Malware and what it talks to.
        MaliciousCode = "malicious-code",
        /// Somebody looks around.
        InformationGathering = "information-gathering",
        /// Somebody tries to get in.
        IntrusionAttempts = "intrusion-attempts",
        /// Somebody is in.
        Intrusions = "intrusions",
        /// Something does not work any more.
        Availability = "availability",
        /// Somebody read, changed or took what is not theirs.
        InformationContentSecurity = "information-content-security",
        /// Somebody pretends, or uses what is not theirs.
        Fraud = "fraud",
        /// Something is open to attack.
        Vulnerable = "vulnerable",
        /// None of these, or not known.
        Other = "other",
        /// Only to test.
        Test = "test",
    }
}

codes! {
    /// A type of the taxonomy; each is of one class.
    Taxon as "type of incident" {
        /// Unasked mail in bulk.
        Spam = "spam",
        /// Discredits or discriminates somebody.
        HarmfulSpeech = "harmful-speech",
        /// Forbidden pictures, glorified violence.
        Violence = "violence",
        /// A machine runs malware.
        InfectedSystem = "infected-system",
        /// Malware is commanded from here, or calls there.
        C2Server = "c2-server",
        /// Malware is handed out.
        MalwareDistribution = "malware-distribution",
        /// A place with malware's configuration.
        MalwareConfiguration = "malware-configuration",
        /// Systems are asked what they are.
        Scanner = "scanner",
        /// Traffic is listened to.
        Sniffing = "sniffing",
        /// People are talked into something.
        SocialEngineering = "social-engineering",
        /// A known vulnerability is tried.
        IdsAlert = "ids-alert",
        /// Passwords are guessed.
        BruteForce = "brute-force",
        /// An unknown vulnerability is tried.
        Exploit = "exploit",
        /// An administrator's account is in other hands.
        PrivilegedAccountCompromise = "privileged-account-compromise",
        /// A person's or service's account is in other hands.
        UnprivilegedAccountCompromise = "unprivileged-account-compromise",
        /// An application is in other hands.
        ApplicationCompromise = "application-compromise",
        /// A machine is in other hands.
        SystemCompromise = "system-compromise",
        /// Somebody broke into a building.
        Burglary = "burglary",
        /// A service is made to fail.
        Dos = "dos",
        /// The same from many places.
        Ddos = "ddos",
        /// Something is set up wrongly.
        Misconfiguration = "misconfiguration",
        /// Something was destroyed on purpose.
        Sabotage = "sabotage",
        /// Something failed.
        Outage = "outage",
        /// Somebody read what is not theirs.
        UnauthorisedInformationAccess = "unauthorised-information-access",
        /// Somebody changed what is not theirs.
        UnauthorisedInformationModification = "unauthorised-information-modification",
        /// Data is lost.
        DataLoss = "data-loss",
        /// Data got out.
        DataLeak = "data-leak",
        /// Machines work for others.
        UnauthorisedUseOfResources = "unauthorised-use-of-resources",
        /// Copies without a licence.
        Copyright = "copyright",
        /// Somebody pretends to be another.
        Masquerade = "masquerade",
        /// A site or mail that fishes for passwords.
        Phishing = "phishing",
        /// Encryption that is none any more.
        WeakCrypto = "weak-crypto",
        /// A service that makes attacks larger.
        DdosAmplifier = "ddos-amplifier",
        /// A service that should not be reached from outside.
        PotentiallyUnwantedAccessible = "potentially-unwanted-accessible",
        /// A service that tells too much.
        InformationDisclosure = "information-disclosure",
        /// A machine with a known hole.
        VulnerableSystem = "vulnerable-system",
        /// None of the classes.
        OtherIncident = "other",
        /// Not known.
        Undetermined = "undetermined",
        /// Only to test.
        TestIncident = "test",
    }
}

/// The namespace of tags by which a rule says its type itself.
const OWN: &str = "rsit.";

/// Techniques of ATT&CK, those below one too; the first of a rule's tags that is here decides.
const TECHNIQUES: &[(&str, Taxon)] = &[
    ("t1595", Taxon::Scanner),
    ("t1590", Taxon::Scanner),
    ("t1046", Taxon::Scanner),
    ("t1018", Taxon::Scanner),
    ("t1135", Taxon::Scanner),
    ("t1040", Taxon::Sniffing),
    ("t1557", Taxon::Sniffing),
    ("t1187", Taxon::UnauthorisedInformationAccess),
    ("t1110", Taxon::BruteForce),
    ("t1566", Taxon::Phishing),
    ("t1598", Taxon::Phishing),
    ("t1190", Taxon::IdsAlert),
    ("t1210", Taxon::IdsAlert),
    ("t1203", Taxon::IdsAlert),
    ("t1498", Taxon::Ddos),
    ("t1499", Taxon::Dos),
    ("t1486", Taxon::UnauthorisedInformationModification),
    ("t1485", Taxon::DataLoss),
    ("t1496", Taxon::UnauthorisedUseOfResources),
    ("t1048", Taxon::DataLeak),
    ("t1041", Taxon::DataLeak),
    ("t1567", Taxon::DataLeak),
    ("t1029", Taxon::DataLeak),
    ("t1105", Taxon::MalwareDistribution),
    ("t1570", Taxon::MalwareDistribution),
    ("t1021", Taxon::SystemCompromise),
    ("t1552", Taxon::UnauthorisedInformationAccess),
    ("t1078", Taxon::UnprivilegedAccountCompromise),
    ("t1133", Taxon::PotentiallyUnwantedAccessible),
    ("t1071", Taxon::C2Server),
    ("t1095", Taxon::C2Server),
    ("t1568", Taxon::C2Server),
    ("t1571", Taxon::C2Server),
    ("t1572", Taxon::C2Server),
    ("t1573", Taxon::C2Server),
    ("t1008", Taxon::C2Server),
    ("t1090", Taxon::C2Server),
];

/// Tactics of ATT&CK, the one that tells most first.
const TACTICS: &[(&str, Taxon)] = &[
    ("exfiltration", Taxon::DataLeak),
    ("impact", Taxon::Sabotage),
    ("command-and-control", Taxon::C2Server),
    ("lateral-movement", Taxon::SystemCompromise),
    ("privilege-escalation", Taxon::SystemCompromise),
    ("persistence", Taxon::SystemCompromise),
    ("execution", Taxon::SystemCompromise),
    ("collection", Taxon::UnauthorisedInformationAccess),
    ("credential-access", Taxon::BruteForce),
    ("initial-access", Taxon::IdsAlert),
    ("reconnaissance", Taxon::Scanner),
    ("discovery", Taxon::Scanner),
];

impl Taxon {
    /// The type that an alert is of.
    #[must_use]
    pub fn of(alert: &Alert) -> Self {
        let tags = &alert.producer.tags;
        let own = tags.iter().filter_map(|tag| tag.strip_prefix(OWN));
        if let Some(own) = own.filter_map(|code| code.parse().ok()).next() {
            return own;
        }
        let attack: Vec<String> = tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("attack."))
            // Sigma wrote tactics with a low line once.
            .map(|tag| tag.to_ascii_lowercase().replace('_', "-"))
            .collect();
        let technique = attack.iter().find_map(|tag| {
            let technique = tag.split('.').next().unwrap_or_default();
            named(TECHNIQUES, technique)
        });
        let tactic = || {
            TACTICS
                .iter()
                .find(|(name, _)| attack.iter().any(|tag| tag == name))
                .map(|(_, taxon)| *taxon)
        };
        technique
            .or_else(tactic)
            .unwrap_or_else(|| Self::without_tags(alert))
    }

    /// Of what names no technique: who talks to something known as harmful is taken for infected.
    fn without_tags(alert: &Alert) -> Self {
        match (&alert.indicator, alert.producer.kind) {
            (Some(_), _) | (None, ProducerKind::Indicator) => Self::InfectedSystem,
            (
                None,
                ProducerKind::Anomaly
                | ProducerKind::Correlation
                | ProducerKind::Integrity
                | ProducerKind::Model
                | ProducerKind::Sigma,
            ) => Self::Undetermined,
        }
    }

    /// Its class.
    #[must_use]
    pub const fn class(self) -> TaxonClass {
        match self {
            Self::Spam | Self::HarmfulSpeech | Self::Violence => TaxonClass::AbusiveContent,
            Self::InfectedSystem
            | Self::C2Server
            | Self::MalwareDistribution
            | Self::MalwareConfiguration => TaxonClass::MaliciousCode,
            Self::Scanner | Self::Sniffing | Self::SocialEngineering => TaxonClass::InformationGathering,
            Self::IdsAlert | Self::BruteForce | Self::Exploit => TaxonClass::IntrusionAttempts,
            Self::PrivilegedAccountCompromise
            | Self::UnprivilegedAccountCompromise
            | Self::ApplicationCompromise
            | Self::SystemCompromise
            | Self::Burglary => TaxonClass::Intrusions,
            Self::Dos | Self::Ddos | Self::Misconfiguration | Self::Sabotage | Self::Outage => {
                TaxonClass::Availability
            }
            Self::UnauthorisedInformationAccess
            | Self::UnauthorisedInformationModification
            | Self::DataLoss
            | Self::DataLeak => TaxonClass::InformationContentSecurity,
            Self::UnauthorisedUseOfResources | Self::Copyright | Self::Masquerade | Self::Phishing => {
                TaxonClass::Fraud
            }
            Self::WeakCrypto
            | Self::DdosAmplifier
            | Self::PotentiallyUnwantedAccessible
            | Self::InformationDisclosure
            | Self::VulnerableSystem => TaxonClass::Vulnerable,
            Self::OtherIncident | Self::Undetermined => TaxonClass::Other,
            Self::TestIncident => TaxonClass::Test,
        }
    }
}

fn named(table: &[(&str, Taxon)], name: &str) -> Option<Taxon> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, taxon)| *taxon)
}
