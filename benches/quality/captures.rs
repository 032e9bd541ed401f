//! Captures by others under `VARDE_CAPTURES`: which are labelled, and by whom. Read in place.
//!
//! - Stratosphere's test18, a machine with RemcosRAT: Zeek's logs, each line labelled by a person.
//! - The Zeek logs of MITRE's APT29 exercise: its two servers of command and control are documented.
//! - CrowdSec's tests for sshd and Suricata: each says which addresses its scenario tells of. Its other tests are logs of
//!   products that no source of ours reads.
//! - The logs of a 2018 exercise without labels, for load and for how much is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use detect_engine::Ruleset;
use ingest::source::FileOptions;
use ingest_event::OrganizationNumber;
use ipnet::IpNet;

use super::label::{Attack, Kind};
use super::real::{File, Recording, always, watch};

/// CrowdSec's tests of sources that we read; each with what it is. Those without a scenario must stay silent.
const CROWDSEC: [(&str, Kind); 8] = [
    ("geoip-enrich", Kind::Password),
    ("sshd-impossible-travel-user", Kind::Other),
    ("sshd-invalid-bf", Kind::Password),
    ("sshd-logs-fp", Kind::Password),
    ("sshd-refused-conn", Kind::Other),
    ("sshd-success-logs", Kind::Password),
    ("sshd_banner_exchange", Kind::Other),
    ("suricata-eve-detect", Kind::Other),
];

/// What was read, and how many of CrowdSec's tests are of sources that we do not read.
#[derive(Debug)]
pub struct Captured {
    /// Those with labels.
    pub labelled: Vec<Recording>,
    /// The exercise without.
    pub exercise: Recording,
    /// CrowdSec's tests with a scenario for which no log source of ours is there.
    pub no_such_source: usize,
}

/// Reads all of them.
///
/// # Errors
/// If one can't be read.
pub fn all(
    ruleset: &Arc<Ruleset>,
    captures: &Path,
    organization: OrganizationNumber,
) -> anyhow::Result<Captured> {
    let mut labelled = vec![
        remcos(ruleset, captures, organization).context("read test18")?,
        apt29(ruleset, captures, organization).context("read zeek-apt29")?,
    ];
    for (test, kind) in CROWDSEC {
        let folder = captures.join("crowdsec-hub-tests").join(test);
        labelled
            .push(crowdsec(ruleset, &folder, kind, organization).with_context(|| format!("read {test}"))?);
    }
    Ok(Captured {
        labelled,
        exercise: exercise(ruleset, captures, organization).context("read zed-sample-data")?,
        no_such_source: others(&captures.join("crowdsec-hub-tests"))?,
    })
}

fn files(folder: &Path, home: &[&str]) -> anyhow::Result<Vec<File>> {
    let home: Vec<IpNet> = home
        .iter()
        .map(|network| network.parse())
        .collect::<Result<_, _>>()?;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("list {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let file = |path| File {
        path,
        options: FileOptions {
            dataset: None,
            home_networks: home.clone(),
            year: Some(2026),
            utc_offset_secs: 0,
        },
    };
    Ok(paths.into_iter().map(file).collect())
}

/// Each pair of addresses with a line that is labelled malicious is one attack.
fn remcos(
    ruleset: &Arc<Ruleset>,
    captures: &Path,
    organization: OrganizationNumber,
) -> anyhow::Result<Recording> {
    let folder = captures.join("stratosphere-slips/test18-malicious-ctu-sme-11-win/zeek-labeled");
    let text = std::fs::read_to_string(folder.join("conn.log.labeled"))?;
    let mut pairs = BTreeMap::<(&str, &str), usize>::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        if let [_, _, from, _, to, .., "Malicious", _] = columns.as_slice() {
            *pairs.entry((*from, *to)).or_default() += 1;
        }
    }
    let attack = |((from, to), lines): (&(&str, &str), &usize)| {
        always(
            format!("test18: RemcosRAT, {lines} refused calls in 8 min"),
            Kind::Beacon,
            &[*from, *to],
        )
    };
    Ok(Recording {
        name: "Stratosphere test18".to_owned(),
        attacks: pairs.iter().map(attack).collect(),
        watched: watch(ruleset, organization, &files(&folder, &["192.168.0.0/16"])?)?,
    })
}

fn apt29(
    ruleset: &Arc<Ruleset>,
    captures: &Path,
    organization: OrganizationNumber,
) -> anyhow::Result<Recording> {
    let home: IpNet = "10.0.0.0/8".parse()?;
    let file = File {
        path: captures.join("sigma/events/zeek-apt29.ndjson.zst"),
        options: FileOptions {
            home_networks: vec![home],
            ..FileOptions::default()
        },
    };
    Ok(Recording {
        name: "APT29 exercise, Zeek".to_owned(),
        attacks: vec![
            always(
                "APT29: 676 HTTPS calls in 31 min".to_owned(),
                Kind::Beacon,
                &["10.0.1.5"],
            ),
            always(
                "APT29: 376 calls to port 8443 in 4 min".to_owned(),
                Kind::Beacon,
                &["10.0.1.6"],
            ),
        ],
        watched: watch(ruleset, organization, &[file])?,
    })
}

fn crowdsec(
    ruleset: &Arc<Ruleset>,
    folder: &Path,
    kind: Kind,
    organization: OrganizationNumber,
) -> anyhow::Result<Recording> {
    let mut logs = files(folder, &[])?;
    logs.retain(|file| file.path.extension().is_some_and(|ending| ending == "log"));
    for log in &mut logs {
        let is_sshd = !folder.ends_with("suricata-eve-detect");
        log.options.dataset = is_sshd.then(|| "system.auth".to_owned());
    }
    let assertion = std::fs::read_to_string(folder.join("scenario.assert")).unwrap_or_default();
    let sources: BTreeSet<&str> = assertion
        .lines()
        .filter(|line| line.contains("in results[") && line.contains("GetSources()"))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let attack =
        |source: &&str| -> Attack { always(format!("CrowdSec's {name}: {source}"), kind, &[source]) };
    Ok(Recording {
        attacks: sources.iter().map(attack).collect(),
        name: format!("CrowdSec {name}"),
        watched: watch(ruleset, organization, &logs)?,
    })
}

fn exercise(
    ruleset: &Arc<Ruleset>,
    captures: &Path,
    organization: OrganizationNumber,
) -> anyhow::Result<Recording> {
    let folder = captures.join("zed-sample-data/zeek-default");
    Ok(Recording {
        name: "WRCCDC 2018 exercise, without labels".to_owned(),
        attacks: Vec::new(),
        watched: watch(ruleset, organization, &files(&folder, &["10.0.0.0/8"])?)?,
    })
}

/// How many tests expect a scenario and are not in the table.
fn others(folder: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let ours = CROWDSEC.iter().any(|(test, _)| entry.file_name() == *test);
        let assertion = std::fs::read_to_string(entry.path().join("scenario.assert")).unwrap_or_default();
        count += usize::from(!ours && assertion.contains("GetScenario()"));
    }
    Ok(count)
}
