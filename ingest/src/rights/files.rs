//! Which files: those of the state, those that the configuration names, and what programs need of their system.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, path_beneath_rules,
};

use super::{Files, Left, Needs, RightsError};
use crate::config::Source;

/// The newest Landlock whose rights over files are known here; an older kernel holds to those that it knows.
const NEWEST: ABI = ABI::V5;

/// Read by every program: names of hosts, the kernel's tables of networks, libraries where the program is not static. A
/// resolver's file may be a link into a folder in `/run` that is made and made again.
const OF_THE_SYSTEM: [&str; 9] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/sys",
    "/dev/null",
    "/dev/urandom",
    "/run",
];

/// A folder that is made and kept by the sensor. The names above it are read to write it through to the disk.
pub(super) fn of_state(folder: &Path, needs: &mut Needs) {
    needs.makes.push(folder.to_path_buf());
    needs.lists.push(above(folder));
}

/// What a source opens.
pub(super) fn of_source(source: &Source, needs: &mut Needs) {
    match source {
        Source::File(file) => {
            let mut paths = vec![file.path.clone()];
            // A link is followed to where it leads now; one that leads elsewhere later is not.
            paths.extend(file.path.canonicalize());
            for path in paths {
                // Files that are followed are renamed, and written anew, in their folder.
                let whole = if path.is_dir() || (!file.follow && path.exists()) {
                    path
                } else {
                    there(&above(&path))
                };
                needs.reads.push(whole);
            }
        }
        Source::SyslogTls(tls) => {
            // Certificates are renewed by putting another file into the place of the first.
            let named = [&tls.certificate, &tls.key].into_iter().chain(&tls.client_ca);
            for path in named {
                needs.reads.push(there(&above(path)));
                // Where a link leads: to wherever a client of ACME keeps them.
                needs
                    .reads
                    .extend(path.canonicalize().iter().map(|path| above(path)));
            }
        }
        Source::EveSocket(socket) => needs.writes.push(there(&above(&socket.path))),
        Source::Capture(_) | Source::SyslogUdp(_) | Source::SyslogTcp(_) | Source::FlowExport(_) => {}
    }
}

/// Files that properties of the Kafka client name.
pub(super) fn of_properties(properties: &BTreeMap<String, String>, needs: &mut Needs) {
    let named = properties.values().map(Path::new);
    needs
        .reads
        .extend(named.filter(|path| path.is_absolute()).map(above));
}

/// Holds this thread, and those that it starts, to what is needed.
pub(super) fn hold(needs: &Needs) -> Result<Files, RightsError> {
    for path in &needs.makes {
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path);
        made.map_err(|source| RightsError::State {
            path: path.clone(),
            source,
        })?;
    }
    let names = BitFlags::from(AccessFs::ReadDir);
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = AccessFs::from_all(NEWEST) & !AccessFs::Execute;
    let of_the_system = OF_THE_SYSTEM.iter().map(PathBuf::from);
    let reads: Vec<PathBuf> = needs.reads.iter().cloned().chain(of_the_system).collect();
    let held = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.add_rules(path_beneath_rules(reads, reading)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&needs.lists, names)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&needs.makes, writing)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&needs.writes, writing)))
        .and_then(|rules| rules.restrict_self())
        .map_err(RightsError::Files)?;
    Ok(match held.ruleset {
        RulesetStatus::FullyEnforced => Files::Held,
        RulesetStatus::PartiallyEnforced => Files::HeldPartly,
        RulesetStatus::NotEnforced => Files::Free,
    })
}

fn above(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        Some(_) => PathBuf::from("."),
        None => PathBuf::from("/"),
    }
}

/// The nearest folder above that is there: what is made later is made in it.
fn there(path: &Path) -> PathBuf {
    let mut nearest = path.ancestors();
    let found = nearest.find(|path| path.exists() || path.as_os_str().is_empty());
    match found {
        Some(path) if path.as_os_str().is_empty() => PathBuf::from("."),
        Some(path) => path.to_path_buf(),
        None => PathBuf::from("/"),
    }
}

/// For the log: what is left, in words.
impl std::fmt::Display for Left {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self
            .capabilities
            .iter_names()
            .map(|(name, _)| format!("CAP_{name}"))
            .collect();
        let capabilities = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        let files = match self.files {
            Files::Held => "only those of the configuration",
            Files::HeldPartly => "only those of the configuration, as far as this kernel holds to it",
            Files::Free => "all that its user may open, since this kernel has no Landlock",
        };
        write!(to, "capabilities: {capabilities}; files: {files}")
    }
}
