//! Labelled traffic that was recorded: the project's own cases, and captures by others that are read in place.
//!
//! Files are read and made into events by the sensor's own code. Several files of one recording are read side by side,
//! the one whose next event is earliest first, as a sensor that follows all of them would.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use detect_engine::Ruleset;
use ingest::disclose::disclose;
use ingest::record::Record;
use ingest::source::{FileOptions, FileSource, open};
use ingest::stamp::{EnvelopeTrust, SensorContext, SourceIdentity, stamp};
use ingest_event::{Event, Marking, OrganizationNumber, Purpose, Timestamp, Zone};
use ipnet::IpNet;
use replay_data::Case;

use super::label::{Attack, Kind};
use super::watch::{Watch, Watched};

/// A recording: what was read, and what should be found in it.
#[derive(Debug)]
pub struct Recording {
    /// What it is called.
    pub name: String,
    /// What should be found.
    pub attacks: Vec<Attack>,
    /// What was.
    pub watched: Watched,
}

/// A file with what is known about it.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// Networks of one's own, dataset, year.
    pub options: FileOptions,
}

/// A file that is being read.
struct Reader {
    source: FileSource,
    identity: SourceIdentity,
    waiting: VecDeque<Record>,
    is_over: bool,
}

impl Reader {
    fn open(file: &File) -> anyhow::Result<Self> {
        let source =
            open(&file.path, &file.options).with_context(|| format!("open {}", file.path.display()))?;
        let identity = SourceIdentity {
            content: source.identity().to_vec(),
            path: None,
            name: String::new(),
        };
        Ok(Self {
            source,
            identity,
            waiting: VecDeque::new(),
            is_over: false,
        })
    }

    /// The time of the next event.
    fn next_at(&mut self) -> anyhow::Result<Option<Timestamp>> {
        let mut records = Vec::new();
        loop {
            while let Some(record) = self.waiting.front() {
                match record {
                    Record::Event(draft) => return Ok(Some(draft.timestamp)),
                    Record::Refused(_) => drop(self.waiting.pop_front()),
                }
            }
            if self.is_over {
                return Ok(None);
            }
            self.is_over = !self.source.read(&mut records)?;
            self.waiting.extend(records.drain(..));
        }
    }

    fn next(&mut self, context: &SensorContext, sequence: u64) -> Option<Event> {
        match self.waiting.pop_front()? {
            Record::Event(draft) => {
                let observed = draft.timestamp;
                let mut event = stamp(context, &self.identity, draft, sequence, observed);
                disclose(&mut event.fields);
                Some(event)
            }
            Record::Refused(_) => None,
        }
    }
}

/// Reads files as one recording.
///
/// # Errors
/// If one can't be read.
pub fn watch(
    ruleset: &Arc<Ruleset>,
    organization: OrganizationNumber,
    files: &[File],
) -> anyhow::Result<Watched> {
    let context = SensorContext {
        sensor: crate::workload::sensor(),
        organization,
        zone: Zone::Administration,
        marking: Marking::Unmarked,
        purpose: Purpose::Replay,
        exercise: false,
        envelope: EnvelopeTrust::AsWritten,
    };
    let mut readers: Vec<Reader> = files.iter().map(Reader::open).collect::<Result<_, _>>()?;
    let mut watch = Watch::new(ruleset);
    let mut sequence = 0;
    loop {
        let mut earliest: Option<(Timestamp, &mut Reader)> = None;
        for reader in &mut readers {
            if let Some(at) = reader.next_at()?
                && earliest.as_ref().is_none_or(|(best, _)| at < *best)
            {
                earliest = Some((at, reader));
            }
        }
        let Some((_, reader)) = earliest else {
            return Ok(watch.finish());
        };
        sequence += 1;
        if let Some(event) = reader.next(&context, sequence) {
            watch.take(&event);
        }
    }
}

/// Labels by hand of the project's own cases: who does what. Cases that test indicators alone are not in it.
const LABELS: [(&str, Kind, &str, &[&str]); 38] = [
    (
        "beacon-four-hours",
        Kind::Beacon,
        "each 5 min for 4 h, IPv4",
        &["10.20.0.21"],
    ),
    (
        "beacon-four-hours",
        Kind::Beacon,
        "each 5 min for 4 h, IPv6",
        &["2001:db8:20::22"],
    ),
    (
        "data-leaving",
        Kind::Exfiltration,
        "4 GB to one address, IPv4",
        &["10.20.0.41"],
    ),
    (
        "data-leaving",
        Kind::Exfiltration,
        "4 GB to one address, IPv6",
        &["2001:db8:20::42"],
    ),
    (
        "data-leaving",
        Kind::Exfiltration,
        "12 GB to many addresses, IPv4",
        &["10.20.0.43"],
    ),
    (
        "data-leaving",
        Kind::Exfiltration,
        "12 GB to many addresses, IPv6",
        &["2001:db8:20::44"],
    ),
    (
        "dns-beacon",
        Kind::Tunnel,
        "a TXT record each 3 min, IPv4",
        &["10.20.0.21"],
    ),
    (
        "dns-beacon",
        Kind::Tunnel,
        "a TXT record each 3 min, IPv6",
        &["2001:db8:20::22"],
    ),
    (
        "password-spray",
        Kind::Password,
        "two on each of 30 users, IPv4",
        &["203.0.113.9"],
    ),
    (
        "password-spray",
        Kind::Password,
        "two on each of 30 users, IPv6",
        &["2001:db8:f:bad::9"],
    ),
    ("scan-then-login", Kind::Scan, "ports, IPv4", &["203.0.113.9"]),
    (
        "scan-then-login",
        Kind::Scan,
        "ports, IPv6",
        &["2001:db8:f:bad::9"],
    ),
    (
        "scan-then-login",
        Kind::Scan,
        "slow, of ports, IPv4",
        &["203.0.113.10"],
    ),
    (
        "scan-then-login",
        Kind::Scan,
        "slow, of ports, IPv6",
        &["2001:db8:f:bad::10"],
    ),
    (
        "scan-then-login",
        Kind::Scan,
        "slow, of machines, IPv4",
        &["203.0.113.11"],
    ),
    (
        "scan-then-login",
        Kind::Scan,
        "slow, of machines, IPv6",
        &["2001:db8:f:bad::11"],
    ),
    (
        "sensor-silent",
        Kind::Other,
        "a sensor sees nothing",
        &["sensor-hamar-1"],
    ),
    ("sensor-silent", Kind::Other, "a log stops", &["sensor-hamar-2"]),
    (
        "smb-sweep-inside",
        Kind::Scan,
        "file sharing, IPv4",
        &["10.20.0.12"],
    ),
    (
        "smb-sweep-inside",
        Kind::Scan,
        "file sharing, IPv6",
        &["2001:db8:20::12"],
    ),
    (
        "dns-tunnel-iodine",
        Kind::Tunnel,
        "iodine with NULL",
        &["10.20.0.21"],
    ),
    (
        "dns-tunnel-iodine",
        Kind::Tunnel,
        "iodine with TXT",
        &["2001:db8:20::22"],
    ),
    (
        "https-beacon",
        Kind::Beacon,
        "each minute for 2 h, IPv4",
        &["10.20.0.21"],
    ),
    (
        "https-beacon",
        Kind::Beacon,
        "each minute for 2 h, IPv6",
        &["2001:db8:20::22"],
    ),
    (
        "other-sensors",
        Kind::Scan,
        "ports, Zeek in columns",
        &["203.0.113.9"],
    ),
    (
        "other-sensors",
        Kind::Scan,
        "ports, Zeek and EVE",
        &["2001:db8:f:bad::9"],
    ),
    (
        "port-scan-nmap",
        Kind::Scan,
        "ports and hosts, IPv4",
        &["203.0.113.9"],
    ),
    (
        "port-scan-nmap",
        Kind::Scan,
        "ports and hosts, IPv6",
        &["2001:db8:f:bad::9"],
    ),
    (
        "ssh-password-attack",
        Kind::Password,
        "hydra, IPv4",
        &["203.0.113.9", "srv1"],
    ),
    (
        "ssh-password-attack",
        Kind::Password,
        "hydra, IPv6",
        &["2001:db8:f:bad::9", "srv1"],
    ),
    (
        "bad-input",
        Kind::Password,
        "passwords in a log with broken lines",
        &["203.0.113.9"],
    ),
    (
        "web-probing",
        Kind::Scan,
        "administration pages, IPv4",
        &["203.0.113.9"],
    ),
    (
        "web-probing",
        Kind::Scan,
        "administration pages, IPv6",
        &["2001:db8:f:bad::9"],
    ),
    (
        "web-probing",
        Kind::Other,
        "a program in clear text, IPv4",
        &["10.20.0.21"],
    ),
    (
        "web-probing",
        Kind::Other,
        "a program in clear text, IPv6",
        &["2001:db8:20::22"],
    ),
    (
        "web-probing",
        Kind::Beacon,
        "TLS without a name, IPv4",
        &["10.20.0.21"],
    ),
    (
        "web-probing",
        Kind::Beacon,
        "TLS without a name, IPv6",
        &["2001:db8:20::22"],
    ),
    ("ordinary-traffic", Kind::Other, "", &[]),
];

/// The project's own cases that have a label.
///
/// # Errors
/// If one can't be read.
pub fn cases(ruleset: &Arc<Ruleset>) -> anyhow::Result<Vec<Recording>> {
    let mut recordings = Vec::new();
    for case in replay_data::cases()? {
        let labels = LABELS.iter().filter(|(folder, ..)| *folder == case.folder);
        let attacks: Vec<Attack> = labels
            .clone()
            .filter(|(.., parties)| !parties.is_empty())
            .map(|(folder, kind, name, parties)| always(format!("{folder}: {name}"), *kind, parties))
            .collect();
        if labels.count() > 0 {
            recordings.push(case_of(ruleset, &case, attacks)?);
        }
    }
    Ok(recordings)
}

/// An attack of which it does not matter when it was.
#[must_use]
pub fn always(name: String, kind: Kind, parties: &[&str]) -> Attack {
    Attack {
        name,
        kind,
        parties: parties.iter().map(ToString::to_string).collect(),
        from: Timestamp::from_nanos(i64::MIN),
        until: Timestamp::from_nanos(i64::MAX),
    }
}

fn case_of(ruleset: &Arc<Ruleset>, case: &Case, attacks: Vec<Attack>) -> anyhow::Result<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../replay-data/cases")
        .join(&case.folder);
    let home: Vec<IpNet> = case
        .home_networks
        .iter()
        .map(|network| network.parse())
        .collect::<Result<_, _>>()?;
    let files: Vec<File> = case
        .inputs
        .iter()
        .map(|input| File {
            path: folder.join(&input.file),
            options: FileOptions {
                dataset: input.dataset.clone(),
                home_networks: home.clone(),
                year: input.year,
                utc_offset_secs: 0,
            },
        })
        .collect();
    Ok(Recording {
        name: format!("case {}", case.folder),
        attacks,
        watched: watch(ruleset, OrganizationNumber::parse(&case.organization)?, &files)?,
    })
}
