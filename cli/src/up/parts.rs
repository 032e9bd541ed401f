//! What each part of `varde up` is told: the configurations that would be files if the services ran apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ingest_bus::BusConfig;
use ingest_bus::KafkaConfig;
use ingest_event::{Marking, Purpose, Zone};
use replay_data::Case;

use super::folder::Folder;
use crate::Exit;
use crate::arguments::UpArguments;
use crate::exit::Failure;
use crate::text::chain;

/// The parts, ready to run.
#[derive(Debug)]
pub(super) struct Parts {
    /// The bus that they share.
    pub(super) bus: BusConfig,
    /// One for each case of the demo, and the person's own.
    pub(super) sensors: Vec<ingest::config::Config>,
    /// The detector.
    pub(super) detector: detect::config::Config,
    /// Alerting with its console.
    pub(super) alerting: alerting::config::Config,
}

/// Detectors and alerting services of several `varde up` on one Kafka share the work under these names.
const DETECTOR_GROUP: &str = "varde-detector";
const ALERTING_GROUP: &str = "varde-alerting";

/// Of nobody: numbers of organisations in Norway begin with 8 or 9. The example's responders have it.
const CERT_ORGANIZATION: &str = "310000000";

/// Milliseconds between checkpoints: what at the most is scanned again after a crash.
const CHECKPOINT_INTERVAL_MS: u64 = 1_000;

/// Prepares the parts; unpacks the cases of the demo.
pub(super) fn prepare(arguments: &UpArguments, folder: &Folder) -> Result<Parts, Failure> {
    let bus = match &arguments.kafka {
        Some(bootstrap) => BusConfig::Kafka(KafkaConfig {
            bootstrap: bootstrap.clone(),
            client_id: "varde-up".to_owned(),
            properties: BTreeMap::new(),
        }),
        None => BusConfig::Embedded {
            directory: folder.path("bus"),
        },
    };
    let mut sensors = Vec::new();
    if arguments.demo {
        let cases = replay_data::cases().map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        for case in cases.iter().filter(|case| !case.as_written) {
            sensors.push(demo_sensor(case, folder, &bus)?);
        }
    }
    if let Some(path) = &arguments.config {
        let mut own = ingest::config::load(path)
            .map_err(|error| Failure::configuration(format!("cannot {}", chain(&error))))?;
        own.bus = bus.clone();
        sensors.push(own);
    }
    let alerting = alerting_config(arguments, folder, &bus);
    alerting
        .check(Path::new("the command line"))
        .map_err(|error| Failure::configuration(format!("cannot {}", chain(&error))))?;
    Ok(Parts {
        sensors,
        detector: detector_config(folder, &bus),
        alerting,
        bus,
    })
}

/// A sensor of the lab municipality in which the case was recorded.
fn demo_sensor(case: &Case, folder: &Folder, bus: &BusConfig) -> Result<ingest::config::Config, Failure> {
    let wrong = |what: &str, text: &str| {
        Failure::new(
            Exit::Failed,
            format!("cases/{}/case.yml: `{what}` can't be `{text}`", case.folder),
        )
    };
    let zone = match &case.zone {
        None => Zone::Administration,
        Some(zone) => zone.parse().map_err(|_| wrong("zone", zone))?,
    };
    let sources = folder
        .unpack(case)?
        .into_iter()
        .zip(&case.inputs)
        .map(|(path, input)| {
            ingest::config::Source::File(ingest::config::FileSource {
                path,
                dataset: input.dataset.clone(),
                year: input.year,
                utc_offset_secs: 0,
                follow: false,
            })
        });
    Ok(ingest::config::Config {
        detect: ingest::config::Detect::default(),
        reveal: ingest::config::Reveal::default(),
        island: ingest::config::Island::default(),
        notify: ingest::config::Notify::default(),
        context: ingest::stamp::SensorContext {
            sensor: case.sensor.parse().map_err(|_| wrong("sensor", &case.sensor))?,
            organization: case
                .organization
                .parse()
                .map_err(|_| wrong("organization", &case.organization))?,
            zone,
            marking: Marking::Unmarked,
            purpose: Purpose::Training,
            exercise: false,
            envelope: ingest::stamp::EnvelopeTrust::Own,
        },
        home_networks: case
            .home_networks
            .iter()
            .map(|network| network.parse().map_err(|_| wrong("home_networks", network)))
            .collect::<Result<_, _>>()?,
        home_domains: Vec::new(),
        added_domains: Vec::new(),
        // The lab's networks are made up: who looks at the demo is to see what was recorded.
        privacy: vec![ingest::disclose::policy::DisclosureRule {
            level: Some(ingest::disclose::policy::Level::Full),
            ..Default::default()
        }],
        state: folder.path("sensors").join(&case.folder),
        bus: bus.clone(),
        listen: None,
        spool_bytes_max: ingest::config::SPOOL_BYTES_MAX,
        canary_every: Some(std::time::Duration::from_secs(ingest::config::CANARY_SECS)),
        exit_when_done: false,
        sources: sources.collect(),
    })
}

fn detector_config(folder: &Folder, bus: &BusConfig) -> detect::config::Config {
    let rules = folder.path("rulesets");
    let indicators = rulesets::files()
        .into_iter()
        .filter(rulesets::File::is_indicators);
    detect::config::Config {
        bus: bus.clone(),
        rules: ["sigma", "correlations", "anomaly"]
            .map(|folder| rules.join(folder))
            .to_vec(),
        pipelines: Vec::new(),
        placeholders: Vec::new(),
        warning_lists: Vec::new(),
        restricted_keys: Vec::new(),
        warning_modes: detect_rules::WarningModes::default(),
        models: rulesets::files()
            .into_iter()
            .filter(rulesets::File::is_model)
            .map(|file| rules.join(file.path))
            .collect(),
        rules_cache: None,
        cert_organization: CERT_ORGANIZATION.parse().ok(),
        indicators: indicators.map(|file| rules.join(file.path)).collect(),
        group: DETECTOR_GROUP.to_owned(),
        // Not served in one process: the console's port has /metrics and /readyz.
        listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        checkpoint_interval_ms: CHECKPOINT_INTERVAL_MS,
        signals_partitions: detect::config::SIGNALS_PARTITIONS,
        reload_interval_ms: detect::config::RELOAD_INTERVAL_MS,
    }
}

fn alerting_config(arguments: &UpArguments, folder: &Folder, bus: &BusConfig) -> alerting::config::Config {
    use alerting::config::{
        BounceSettings, CertSettings, Config, DigestSettings, EscalationSettings, GroupingSettings,
        MailSettings, MailTransport, RegistrySettings, RetrySettings,
    };
    let routing = |name: &str| -> PathBuf { folder.path("rulesets/routing").join(name) };
    Config {
        bus: bus.clone(),
        group: ALERTING_GROUP.to_owned(),
        data: folder.path("alerting"),
        store: alerting::config::StoreSettings::default(),
        listen: arguments.listen,
        public_url: None,
        registry: RegistrySettings {
            municipalities: routing("municipalities.csv"),
            changes: Some(routing("changes.csv")),
            responders: routing("responders.example.yml"),
        },
        mail: Some(MailSettings {
            from: "Varde <varde@cert.example>".to_owned(),
            transport: MailTransport::Directory {
                path: folder.path("mail"),
            },
            signing: None,
            pgp_signing: None,
            when_unsealable: alerting::config::WhenUnsealable::default(),
            bounces: BounceSettings::default(),
        }),
        chat: BTreeMap::new(),
        syslog: BTreeMap::new(),
        cert: CertSettings {
            name: "Varde-CERT".to_owned(),
            phone: "+47 00 00 00 00".to_owned(),
            email: "vakt@cert.example".to_owned(),
            certificate_file: None,
            pgp_key_file: None,
            chat: None,
            syslog: None,
            language: alerting_incident::Language::Nb,
        },
        retry: RetrySettings::default(),
        escalation: EscalationSettings::default(),
        demo: arguments.demo,
        // Who looks at a demo wants to see its mails.
        inhibitions: Vec::new(),
        digest: DigestSettings::none(),
        grouping: GroupingSettings::none(),
        templates: None,
        allow_unauthenticated: false,
        access: None,
        incidents: alerting::config::IncidentSettings::default(),
        reveal: None,
    }
}
