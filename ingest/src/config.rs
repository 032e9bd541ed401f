//! The sensor's configuration: one YAML file, every key known or refused.
//!
//! ```yaml
//! sensor: sensor-vardedal-1
//! organization: "964965226"
//! zone: administration
//! home_networks: [10.20.0.0/24, "2001:db8:20::/64"]
//! home_domains: [vardedal.kommune.no]
//! privacy:
//!   - { dataset: network.dns, zones: [school], level: counts }
//! state: /var/lib/varde/sensor
//! bus: { kafka: { bootstrap: "127.0.0.1:19092" } }   # or { embedded: { directory: /var/lib/varde/bus } }
//! listen: 127.0.0.1:9464
//! detect: { rules: /etc/varde/rules, indicators: /etc/varde/indicators }
//! sources:
//!   - file: { path: /data/capture.pcap }
//!   - capture: { interface: eth1, filter: "not port 22" }
//!   - syslog_udp: { listen: 0.0.0.0:5514 }
//!   - syslog_tcp: { listen: "[::]:5514" }
//!   - eve_socket: { path: /run/suricata/varde.sock }
//!   - flow_export: { listen: "[::]:2055" }
//! ```
//!
//! With an `enrolment` code all else may be left out: see [`Plan`].

mod plan;
mod reveal;
mod told;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ingest_bus::BusConfig;
use ingest_ring::Filter;
use ipnet::IpNet;
use serde::Deserialize;
use thiserror::Error;

use crate::capture::VlanRule;
use crate::control::overlay::Overlay;
use crate::disclose::Disclosure;
use crate::disclose::policy::DisclosureRule;
use crate::scan::load::Files;
use crate::site::keys::SiteKey;
use crate::stamp::SensorContext;

pub use plan::Plan;
pub use reveal::{Automatic, Reveal, RevealPolicy};
pub use told::{Island, Language, Mail, Notify};

/// What the spool may take of the disk unless configured otherwise: a day of a small municipality's logs.
pub const SPOOL_BYTES_MAX: u64 = 1 << 30;

/// Seconds between canaries unless configured otherwise: readiness is known within a minute.
pub const CANARY_SECS: u64 = 15;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What goes on every event.
    pub context: SensorContext,
    /// The networks that are ours.
    pub home_networks: Vec<IpNet>,
    /// The domains that are ours, as the site says: they stay clear in names.
    pub home_domains: Vec<String>,
    /// Domains that are ours as the centre says: names in them are pseudonymised, and nothing of them stays clear.
    pub added_domains: Vec<String>,
    /// What may leave, by dataset and zone; the default holds where no rule fits.
    pub privacy: Vec<DisclosureRule>,
    /// What events are held against here.
    pub detect: Detect,
    /// Who decides what the centre is told of pseudonyms.
    pub reveal: Reveal,
    /// When the way out is taken for cut.
    pub island: Island,
    /// Who is told on site then.
    pub notify: Notify,
    /// Where the spool is.
    pub state: PathBuf,
    /// Where events go.
    pub bus: BusConfig,
    /// Where metrics and health are served.
    pub listen: Option<SocketAddr>,
    /// What the spool may take of the disk.
    pub spool_bytes_max: u64,
    /// Between canaries; `None` for none.
    pub canary_every: Option<Duration>,
    /// Whether to end when all files are read and published.
    pub exit_when_done: bool,
    /// What is read.
    pub sources: Vec<Source>,
}

impl Config {
    /// What may leave, under the pseudonyms of a key.
    #[must_use]
    pub fn disclosure(&self, key: &SiteKey) -> Disclosure {
        Disclosure::new(
            self.context.zone,
            &self.privacy,
            key,
            &self.home_networks,
            &self.home_domains,
        )
        .with_added_domains(&self.added_domains)
        .with_datasets(self.sources.iter().filter_map(|source| match source {
            Source::File(file) => file.dataset.clone(),
            Source::SyslogUdp(_)
            | Source::SyslogTcp(_)
            | Source::SyslogTls(_)
            | Source::EveSocket(_)
            | Source::FlowExport(_)
            | Source::Capture(_) => None,
        }))
    }
}

/// What events are held against on the sensor, besides what a bundle brings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// A file or folder of Sigma rules.
    #[serde(default)]
    pub rules: Option<PathBuf>,
    /// A feed of indicators, or a folder of feeds.
    #[serde(default)]
    pub indicators: Option<PathBuf>,
    /// Whether the centre's indicators may be the site's own addresses and names.
    #[serde(default)]
    pub own_values: bool,
}

impl Detect {
    /// The files.
    #[must_use]
    pub fn files(&self) -> Files {
        Files {
            rules: self.rules.iter().cloned().collect(),
            indicators: self.indicators.iter().cloned().collect(),
            of_centre: Vec::new(),
            restricted: None,
        }
    }
}

/// Something that is read.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A file of any known format.
    File(FileSource),
    /// Packets of an interface.
    Capture(CaptureSource),
    /// Syslog in datagrams (RFC 5426).
    SyslogUdp(SyslogSource),
    /// Syslog over TCP, octet counting or lines (RFC 6587).
    SyslogTcp(SyslogSource),
    /// Syslog over TLS (RFC 5425).
    SyslogTls(SyslogTlsSource),
    /// Suricata's EVE on a Unix socket.
    EveSocket(EveSocketSource),
    /// NetFlow v5 and v9, IPFIX and sFlow v5 in datagrams, all on one port.
    FlowExport(FlowExportSource),
}

impl Source {
    /// As metrics call it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Capture(_) => "capture",
            Self::SyslogUdp(_) => "syslog_udp",
            Self::SyslogTcp(_) => "syslog_tcp",
            Self::SyslogTls(_) => "syslog_tls",
            Self::EveSocket(_) => "eve_socket",
            Self::FlowExport(_) => "flow_export",
        }
    }
}

/// A file that is read.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// Where it is; with `follow` it may be a folder of logs.
    pub path: PathBuf,
    /// The dataset of records that do not say theirs.
    #[serde(default)]
    pub dataset: Option<String>,
    /// The year of RFC 3164 times.
    #[serde(default)]
    pub year: Option<i16>,
    /// Seconds east of UTC of times that don't say.
    #[serde(default)]
    pub utc_offset_secs: i32,
    /// Whether it grows and is rotated.
    #[serde(default)]
    pub follow: bool,
}

/// An interface that is listened to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct CaptureSource {
    /// Its name; [`CaptureSource::AUTO`] for the one at a mirror port, or else the one with the default route.
    #[serde(default = "CaptureSource::auto")]
    pub interface: String,
    /// Which packets are read; all if none.
    #[serde(default, deserialize_with = "filter")]
    pub filter: Option<Filter>,
    /// Threads that share the packets.
    #[serde(default = "CaptureSource::one")]
    pub threads: NonZeroUsize,
    /// Whether packets to others are read.
    #[serde(default = "CaptureSource::yes")]
    pub promiscuous: bool,
    /// Memory of each thread for packets that wait.
    #[serde(default = "CaptureSource::buffer")]
    pub buffer_bytes: usize,
    /// Silence after which a flow that is no TCP is over.
    #[serde(default)]
    pub flow_idle_secs: Option<u64>,
    /// Silence after which a TCP connection is over.
    #[serde(default)]
    pub flow_idle_tcp_secs: Option<u64>,
    /// Age at which a flow that goes on is told.
    #[serde(default)]
    pub flow_active_secs: Option<u64>,
    /// Flows kept at once, in all threads together.
    #[serde(default)]
    pub flows_max: Option<usize>,
    /// Whether the same addresses in two VLANs are two networks.
    #[serde(default)]
    pub vlans: VlanRule,
    /// Whether what is said in flows is read too.
    #[serde(default = "CaptureSource::yes")]
    pub metadata: bool,
}

/// A port for syslog.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SyslogSource {
    /// Address and port.
    pub listen: SocketAddr,
    /// Seconds east of UTC of times that don't say.
    #[serde(default)]
    pub utc_offset_secs: i32,
}

/// A port for syslog over TLS.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct SyslogTlsSource {
    /// Address and port.
    pub listen: SocketAddr,
    /// The sensor's certificate and those above it, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM without a password.
    pub key: PathBuf,
    /// Who signs certificates of senders, PEM; any sender may come where it is missing.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Seconds east of UTC of times that don't say.
    #[serde(default)]
    pub utc_offset_secs: i32,
}

/// A socket that Suricata writes to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct EveSocketSource {
    /// Where the sensor opens it.
    pub path: PathBuf,
    /// How Suricata writes to it.
    #[serde(default)]
    pub kind: SocketKind,
}

/// How a Unix socket is written to.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SocketKind {
    /// Lines in a stream: `filetype: unix_stream`.
    #[default]
    Stream,
    /// A record each: `filetype: unix_dgram`.
    Datagram,
}

/// A port for flow export.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct FlowExportSource {
    /// Address and port.
    pub listen: SocketAddr,
    /// Networks of the devices that may export; empty for any. A sender's address is easily made up.
    #[serde(default, deserialize_with = "networks")]
    pub exporters: Vec<IpNet>,
}

/// Why a configuration can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("read the configuration {path}: check that it exists and may be read")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It is no YAML, lacks a key, or has one too many.
    #[error("understand the configuration {path}: {detail}")]
    Parse {
        /// The file.
        path: String,
        /// Line, key and what is known instead.
        detail: String,
    },
    /// A key has a value that it can't have.
    #[error("use the configuration {path}: `{key}`: {detail}")]
    Value {
        /// The file.
        path: String,
        /// The key.
        key: &'static str,
        /// What it must be.
        detail: String,
    },
}

impl CaptureSource {
    /// Named by this, an interface is chosen.
    pub const AUTO: &str = "auto";

    /// As it is where the file has `capture: {}`.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            interface: Self::auto(),
            filter: None,
            threads: Self::one(),
            promiscuous: Self::yes(),
            buffer_bytes: Self::buffer(),
            flow_idle_secs: None,
            flow_idle_tcp_secs: None,
            flow_active_secs: None,
            flows_max: None,
            vlans: VlanRule::default(),
            metadata: true,
        }
    }

    fn auto() -> String {
        Self::AUTO.to_owned()
    }

    const fn one() -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    const fn yes() -> bool {
        true
    }

    /// A tenth of a second at 1.3 Gbit/s; a sensor at rest has 30 MB with it.
    const fn buffer() -> usize {
        16 << 20
    }
}

/// Reads a configuration file. One with an enrolment code needs what the centre said since: it is read from `state`.
///
/// # Errors
/// [`ConfigError`], naming the file, the line or key, and what would mend it.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let plan = Plan::load(path)?;
    let identity = plan.kept_identity()?;
    plan.config(identity.as_ref(), &Overlay::default())
}

/// Reads a configuration that is in memory; `path` is what errors call it.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, path: &str) -> Result<Config, ConfigError> {
    Plan::parse(text, path)?.config(None, &Overlay::default())
}

/// A label of a domain: a rule for all of `no` would be none.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
}

/// A network, or an address alone.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("`{text}` is no network, write one as 10.20.0.0/24 or 2001:db8::/64"))
}

fn networks<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts
        .iter()
        .map(|text| network(text).map_err(serde::de::Error::custom))
        .collect()
}

fn filter<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Filter>, D::Error> {
    let text = String::deserialize(from)?;
    let read = Filter::parse(&text).map_err(|error| format!("read the filter `{text}`: {error}"));
    read.map(Some).map_err(serde::de::Error::custom)
}

/// What a parser says, once, with its place first: its own text repeats itself and calls every file `<input>`.
pub(crate) fn said(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    match error.location() {
        Some(place) => {
            let (line, column) = (place.line(), place.column());
            let what = text
                .strip_suffix(&format!(" at line {line}, column {column}"))
                .unwrap_or(&text);
            format!("line {line} column {column}: {what}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use ingest_event::Zone;

    use super::*;

    const WHOLE: &str = r#"
sensor: sensor-vardedal-1
organization: "964965226"
home_networks: [10.20.0.0/24, "2001:db8:20::/64"]
state: /var/lib/varde/sensor
bus: { kafka: { bootstrap: "127.0.0.1:19092", properties: {} } }
listen: 127.0.0.1:9464
sources:
  - file: { path: /data/capture.pcap }
  - syslog_udp: { listen: 0.0.0.0:5514 }
  - syslog_tcp: { listen: "[::]:5514" }
  - flow_export: { listen: "[::]:2055", exporters: [192.0.2.1, "2001:db8::/64"] }
  - capture: { interface: eth1, filter: "not port 22", threads: 2 }
  - capture: {}
"#;

    #[test]
    fn a_whole_configuration_is_read() {
        let config = parse(WHOLE, "sensor.yml").expect("reads");
        assert_eq!(config.sources.len(), 6);
        let Some(Source::Capture(usual)) = config.sources.last() else {
            panic!("{:?}", config.sources);
        };
        assert_eq!(
            (usual.interface.as_str(), usual.threads.get(), usual.promiscuous),
            ("auto", 1, true)
        );
        assert_eq!(config.home_networks.len(), 2);
        assert_eq!(config.context.zone, Zone::Administration);
        assert!(matches!(config.bus, BusConfig::Kafka(_)));
    }

    #[test]
    fn an_unknown_key_is_told_once_with_its_place() {
        let text = WHOLE.replacen("home_networks", "home_network", 1);
        let told = parse(&text, "sensor.yml").expect_err("refused").to_string();
        let start = "understand the configuration sensor.yml: line 4 column 1: unknown field `home_network`, expected one of ";
        assert!(told.starts_with(start), "{told}");
        assert!(!told.contains("<input>") && !told.contains('\n'), "{told}");
        assert_eq!(told.matches("unknown field").count(), 1, "{told}");
    }

    #[test]
    fn what_is_wrong_is_named_with_file_key_and_mend() {
        for (from, to, expected) in [
            (
                "home_networks",
                "home_network",
                &["sensor.yml", "home_network", "home_networks", "4"][..],
            ),
            ("path:", "pfad:", &["sensor.yml", "pfad", "path", "9"]),
            (
                "964965226",
                "964965227",
                &["sensor.yml", "organization", "check digit"],
            ),
            (
                "10.20.0.0/24",
                "10.20.0.0/99",
                &["sensor.yml", "home_networks", "10.20.0.0/99"],
            ),
            ("[192.0.2.1,", "[router-7,", &["sensor.yml", "`router-7`", "12"]),
            (
                "not port 22",
                "not prt 22",
                &["sensor.yml", "line 13", "column 5: `prt` is no word"],
            ),
            ("threads: 2", "threads: 0", &["sensor.yml", "13"]),
            (
                "syslog_udp",
                "syslog_upd",
                &["sensor.yml", "syslog_upd", "syslog_udp"],
            ),
            (
                "sensor-vardedal-1",
                "sensor vardedal",
                &["sensor.yml", "`sensor`", "a-z"],
            ),
        ] {
            let error = parse(&WHOLE.replacen(from, to, 1), "sensor.yml")
                .expect_err(to)
                .to_string();
            for part in expected {
                assert!(error.contains(part), "{error:?} lacks {part:?}");
            }
        }
    }
}
