//! The configuration as it is written, and what becomes of it together with what the centre said: who the sensor is, and
//! what its bundle adds.
//!
//! With an `enrolment` code nothing else is required. What the file says wins over what the centre says; the sensor's name
//! and organisation must be the same.

use std::ffi::OsStr;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ingest_bus::BusConfig;
use ingest_event::{Marking, OrganizationNumber, Purpose, SensorId, Zone};
use ingest_trust::EnrolmentCode;
use serde::Deserialize;

use super::{
    CANARY_SECS, CaptureSource, Config, ConfigError, Detect, FlowExportSource, Island, Notify, Reveal,
    SPOOL_BYTES_MAX, Source, SyslogSource, is_label, network, said,
};
use crate::control::identity::{Identity, Trust};
use crate::control::overlay::Overlay;
use crate::disclose::policy::DisclosureRule;
use crate::stamp::{EnvelopeTrust, SensorContext};

/// Where the state is unless the file or systemd says.
const STATE: &str = "/var/lib/varde/sensor";

/// The ports that are listened to unless the file says: those that need no rights, as devices can be told.
const SYSLOG_PORT: u16 = 5514;
const FLOW_EXPORT_PORT: u16 = 2055;

/// A configuration that was read, before it is known who the sensor is.
#[derive(Clone, Debug)]
pub struct Plan {
    path: String,
    written: Written,
    enrolment: Option<EnrolmentCode>,
    state: PathBuf,
}

/// The file as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    enrolment: Option<String>,
    #[serde(default)]
    sensor: Option<String>,
    #[serde(default)]
    organization: Option<String>,
    #[serde(default)]
    zone: Option<Zone>,
    #[serde(default)]
    marking: Option<Marking>,
    #[serde(default)]
    purpose: Option<Purpose>,
    #[serde(default)]
    exercise: bool,
    #[serde(default)]
    home_networks: Vec<String>,
    #[serde(default)]
    home_domains: Vec<String>,
    #[serde(default)]
    privacy: Vec<DisclosureRule>,
    #[serde(default)]
    detect: Detect,
    #[serde(default)]
    reveal: Reveal,
    #[serde(default)]
    island: Island,
    #[serde(default)]
    notify: Notify,
    #[serde(default)]
    state: Option<PathBuf>,
    #[serde(default)]
    readable: Vec<PathBuf>,
    #[serde(default)]
    bus: Option<BusConfig>,
    #[serde(default)]
    listen: Option<SocketAddr>,
    #[serde(default)]
    spool_bytes_max: Option<u64>,
    #[serde(default)]
    canary_secs: Option<u64>,
    #[serde(default)]
    exit_when_done: bool,
    #[serde(default)]
    sources: Option<Vec<Source>>,
}

impl Plan {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads what is in memory; `path` is what errors call it.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: &str) -> Result<Self, ConfigError> {
        let parse = |detail| ConfigError::Parse {
            path: path.to_owned(),
            detail,
        };
        let written: Written = serde_saphyr::from_str(text).map_err(|error| parse(said(&error)))?;
        let enrolment = match &written.enrolment {
            Some(code) => {
                Some(
                    code.parse()
                        .map_err(|error: ingest_trust::CodeError| ConfigError::Value {
                            path: path.to_owned(),
                            key: "enrolment",
                            detail: error.to_string(),
                        })?,
                )
            }
            None => None,
        };
        if enrolment.is_none() {
            let needed = [
                ("sensor", written.sensor.is_some()),
                ("organization", written.organization.is_some()),
                ("state", written.state.is_some()),
                ("bus", written.bus.is_some()),
                ("sources", written.sources.is_some()),
            ];
            // As the package brings it: whoever reads this has one thing to write.
            if needed.iter().all(|(_, is_there)| !is_there) {
                let detail = "there is no enrolment code in it: write the code that the CERT gave you, `enrolment: varde1-…`";
                return Err(parse(detail.to_owned()));
            }
            for (key, is_there) in needed {
                if !is_there {
                    let detail =
                        format!("missing field `{key}`; only with an `enrolment` code it may be left out");
                    return Err(parse(detail));
                }
            }
        }
        if let Some(bus) = &written.bus {
            bus.built_in().map_err(|error| ConfigError::Value {
                path: path.to_owned(),
                key: "bus",
                detail: error.to_string(),
            })?;
        }
        let state = written
            .state
            .clone()
            .unwrap_or_else(|| usual_state(std::env::var_os("STATE_DIRECTORY").as_deref()));
        Ok(Self {
            path: path.to_owned(),
            written,
            enrolment,
            state,
        })
    }

    /// The code, for a sensor that is kept by a centre.
    #[must_use]
    pub fn enrolment(&self) -> Option<&EnrolmentCode> {
        self.enrolment.as_ref()
    }

    /// Where the sensor keeps what must outlive it.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The bus as the file says it.
    #[must_use]
    pub const fn written_bus(&self) -> Option<&BusConfig> {
        self.written.bus.as_ref()
    }

    /// The port of the metrics.
    #[must_use]
    pub fn listen(&self) -> Option<u16> {
        self.written.listen.map(|listen| listen.port())
    }

    /// Folders besides those of sources that links in these lead to.
    #[must_use]
    pub fn readable(&self) -> &[PathBuf] {
        &self.written.readable
    }

    /// What events are held against, besides what bundles bring.
    #[must_use]
    pub const fn detect(&self) -> &Detect {
        &self.written.detect
    }

    /// What the file leaves out, each with what stands for it: for people.
    #[must_use]
    pub fn defaulted(&self) -> Vec<(&'static str, String)> {
        let Some(code) = &self.enrolment else {
            return Vec::new();
        };
        let written = &self.written;
        let centre = || "as the centre says".to_owned();
        let sources = "capture of the interface at a mirror port or with the default route; syslog on UDP and TCP \
                       port 5514; NetFlow, IPFIX and sFlow on UDP port 2055";
        [
            (written.sensor.is_none(), "sensor", centre()),
            (written.organization.is_none(), "organization", centre()),
            (written.zone.is_none(), "zone", centre()),
            (written.state.is_none(), "state", self.state.display().to_string()),
            (
                written.bus.is_none(),
                "bus",
                format!("the gateway at {}", code.gateway),
            ),
            (written.sources.is_none(), "sources", sources.to_owned()),
        ]
        .into_iter()
        .filter_map(|(is_left_out, key, stands)| is_left_out.then_some((key, stands)))
        .collect()
    }

    /// What an earlier run kept of who the sensor is; `None` without a code, and before it is enrolled.
    ///
    /// # Errors
    /// [`ConfigError::Value`] if what is kept can't be used.
    pub fn kept_identity(&self) -> Result<Option<Identity>, ConfigError> {
        if self.enrolment.is_none() {
            return Ok(None);
        }
        let kept = Trust::at(&self.state).identity();
        kept.map_err(|error| self.bad("enrolment", format!("{:#}", anyhow::Error::new(error))))
    }

    /// The configuration of a sensor that is `identity`, with what its bundle adds.
    ///
    /// # Errors
    /// [`ConfigError`], also where the file says that the sensor is another.
    pub fn config(&self, identity: Option<&Identity>, overlay: &Overlay) -> Result<Config, ConfigError> {
        let written = &self.written;
        let (sensor, organization) = self.who(identity)?;
        let mut home_networks = Vec::new();
        for text in written.home_networks.iter().chain(&overlay.home_networks) {
            let network = network(text).map_err(|detail| self.bad("home_networks", detail))?;
            if !home_networks.contains(&network) {
                home_networks.push(network);
            }
        }
        let spool_bytes_max = self.spool_bytes_max(overlay);
        if spool_bytes_max == 0 {
            let detail = "it must be above 0, nothing could be read".to_owned();
            return Err(self.bad("spool_bytes_max", detail));
        }
        let canary_secs = written.canary_secs.or(overlay.canary_secs).unwrap_or(CANARY_SECS);
        let zone = written.zone.or(identity.and_then(|identity| identity.zone));
        Ok(Config {
            bus: self.bus().named(sensor.as_str()),
            context: SensorContext {
                sensor,
                organization,
                zone: zone.unwrap_or(Zone::Administration),
                marking: written.marking.or(overlay.marking).unwrap_or(Marking::Unmarked),
                purpose: written.purpose.unwrap_or(Purpose::SecurityMonitoring),
                exercise: written.exercise,
                envelope: EnvelopeTrust::Own,
            },
            home_networks,
            home_domains: self.domains(&written.home_domains)?,
            added_domains: self.domains(&overlay.home_domains)?,
            privacy: written.privacy.clone(),
            detect: written.detect.clone(),
            reveal: self.reveal(overlay),
            island: written.island,
            notify: written.notify.clone(),
            state: self.state.clone(),
            listen: written.listen,
            spool_bytes_max,
            canary_every: (0 < canary_secs).then(|| Duration::from_secs(canary_secs)),
            exit_when_done: written.exit_when_done,
            sources: self.sources(overlay),
        })
    }

    /// What the file says of questions; whose are believed the bundle says where the file does not.
    fn reveal(&self, overlay: &Overlay) -> Reveal {
        let mut reveal = self.written.reveal.clone();
        if reveal.keys.is_empty() {
            reveal.keys.clone_from(&overlay.reveal_keys);
        }
        reveal
    }

    fn domains(&self, said: &[String]) -> Result<Vec<String>, ConfigError> {
        let mut domains: Vec<String> = Vec::new();
        for domain in said {
            let labels = domain.trim_matches('.').split('.');
            if !labels.clone().all(is_label) || labels.count() < 2 {
                let detail = format!("`{domain}` is no domain, write one as vardedal.kommune.no");
                return Err(self.bad("home_domains", detail));
            }
            if !domains.contains(domain) {
                domains.push(domain.clone());
            }
        }
        Ok(domains)
    }

    /// What the spool may take of the disk, with what a bundle adds.
    #[must_use]
    pub fn spool_bytes_max(&self, overlay: &Overlay) -> u64 {
        let said = self.written.spool_bytes_max.or(overlay.spool_bytes_max);
        said.unwrap_or(SPOOL_BYTES_MAX)
    }

    fn who(&self, identity: Option<&Identity>) -> Result<(SensorId, OrganizationNumber), ConfigError> {
        let sensor = match &self.written.sensor {
            Some(text) => Some(SensorId::parse(text).map_err(|error| self.bad("sensor", error.to_string()))?),
            None => None,
        };
        let organization = match &self.written.organization {
            Some(text) => Some(
                OrganizationNumber::parse(text)
                    .map_err(|error| self.bad("organization", error.to_string()))?,
            ),
            None => None,
        };
        if let Some(identity) = identity {
            let other = |there: &dyn std::fmt::Display| {
                format!(
                    "the centre knows this sensor as `{there}`; leave the key out, or ask the centre to change it"
                )
            };
            if sensor.is_some_and(|sensor| sensor != identity.sensor) {
                return Err(self.bad("sensor", other(&identity.sensor)));
            }
            if organization.is_some_and(|number| number != identity.organization) {
                return Err(self.bad("organization", other(&identity.organization)));
            }
            return Ok((identity.sensor.clone(), identity.organization));
        }
        let unknown = |key| {
            let detail = "the sensor is not enrolled yet, so nobody has said who it is; start it with `varde-sensor run`";
            self.bad(key, detail.to_owned())
        };
        Ok((
            sensor.ok_or_else(|| unknown("sensor"))?,
            organization.ok_or_else(|| unknown("organization"))?,
        ))
    }

    fn bus(&self) -> BusConfig {
        match (&self.written.bus, &self.enrolment) {
            (Some(bus), _) => bus.clone(),
            (None, Some(code)) => BusConfig::Gateway {
                url: format!("https://{}", code.gateway),
                directory: Trust::at(&self.state).folder().to_path_buf(),
            },
            // Not reached: a plan without a code has a bus.
            (None, None) => BusConfig::Embedded {
                directory: self.state.join("bus"),
            },
        }
    }

    /// What is read, with what a bundle adds.
    #[must_use]
    pub fn sources(&self, overlay: &Overlay) -> Vec<Source> {
        let mut sources = self.written.sources.clone().unwrap_or_else(usual_sources);
        for source in &mut sources {
            if let Source::Capture(capture) = source {
                overlay.capture.fill(capture);
            }
        }
        sources
    }

    fn bad(&self, key: &'static str, detail: String) -> ConfigError {
        ConfigError::Value {
            path: self.path.clone(),
            key,
            detail,
        }
    }
}

/// systemd gives a list with colons; the first folder is the sensor's.
fn usual_state(given: Option<&OsStr>) -> PathBuf {
    let first = given
        .and_then(OsStr::to_str)
        .and_then(|list| list.split(':').next());
    first.filter(|path| !path.is_empty()).unwrap_or(STATE).into()
}

fn usual_sources() -> Vec<Source> {
    let any = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let syslog = SyslogSource {
        listen: any(SYSLOG_PORT),
        utc_offset_secs: 0,
    };
    vec![
        Source::Capture(CaptureSource::usual()),
        Source::SyslogUdp(syslog.clone()),
        Source::SyslogTcp(syslog),
        Source::FlowExport(FlowExportSource {
            listen: any(FLOW_EXPORT_PORT),
            exporters: Vec::new(),
        }),
    ]
}

#[cfg(test)]
mod tests;
