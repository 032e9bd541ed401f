//! What the sensor may do on its machine, reduced to what its configuration needs before it reads a stranger's first byte.
//!
//! Capabilities go from all sets but for what a source needs to open its socket, nothing that is executed gains any
//! (`no_new_privs`, prctl(2)), and where the kernel has Landlock (landlock(7)), only the state and what the configuration
//! names may be opened. Capabilities and Landlock are a thread's and those of the threads that it starts, so [`give_up`] is
//! called while there is one.

mod files;

use std::path::PathBuf;

use ingest_bus::BusConfig;
use rustix::io::Errno;
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use thiserror::Error;

use crate::config::{Plan, Source};
use crate::control::overlay::Overlay;

/// Ports below this one are for those with `CAP_NET_BIND_SERVICE`, unless the machine says otherwise
/// (`net.ipv4.ip_unprivileged_port_start`).
const FREE_PORT_MIN: u16 = 1_024;

/// What a configuration needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// What stays permitted. Of these, only [`HELD`] are in effect all the time.
    pub capabilities: CapabilitySet,
    /// Folders and files that are read, with all that is in them.
    pub reads: Vec<PathBuf>,
    /// Folders that are written, and made when missing.
    pub makes: Vec<PathBuf>,
    /// Other folders that are written.
    pub writes: Vec<PathBuf>,
    /// Folders of which only the names in them are read.
    pub lists: Vec<PathBuf>,
}

/// In effect all the time where permitted; `CAP_NET_RAW` only while rings are opened ([`with_raw`]).
pub const HELD: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// What is still permitted.
    pub capabilities: CapabilitySet,
    /// How far the kernel holds the sensor to its files.
    pub files: Files,
}

/// How far the kernel holds the sensor to its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// To all that was asked for.
    Held,
    /// An older kernel: to most of it.
    HeldPartly,
    /// A kernel without Landlock, or with it switched off.
    Free,
}

/// Why rights could not be given up.
#[derive(Debug, Error)]
pub enum RightsError {
    /// The kernel did not take them.
    #[error("give up what the sensor does not need: {what}")]
    System {
        /// Which.
        what: &'static str,
        /// Its reason.
        #[source]
        source: Errno,
    },
    /// The state directory can't be made, and after this nobody could.
    #[error("make the state directory {}: check that it may be written", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Landlock is there and says no.
    #[error("give up what the sensor does not need: other files")]
    Files(#[source] landlock::RulesetError),
}

impl Needs {
    /// What a configuration needs. A bundle changes none of it: it adds no source and no path.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let sources = plan.sources(&Overlay::default());
        let mut capabilities = CapabilitySet::empty();
        for source in &sources {
            match source {
                Source::Capture(_) => capabilities |= CapabilitySet::NET_RAW,
                Source::SyslogUdp(source) | Source::SyslogTcp(source) => {
                    capabilities |= of_port(source.listen.port());
                }
                Source::SyslogTls(source) => capabilities |= of_port(source.listen.port()),
                Source::FlowExport(source) => capabilities |= of_port(source.listen.port()),
                Source::File(_) | Source::EveSocket(_) => {}
            }
        }
        let mut needs = Self {
            capabilities: capabilities | plan.listen().map_or(CapabilitySet::empty(), of_port),
            reads: Vec::new(),
            makes: Vec::new(),
            writes: Vec::new(),
            lists: Vec::new(),
        };
        files::of_state(plan.state(), &mut needs);
        for source in &sources {
            files::of_source(source, &mut needs);
        }
        needs.reads.extend(plan.readable().iter().cloned());
        let detect = plan.detect();
        needs
            .reads
            .extend(detect.rules.iter().chain(&detect.indicators).cloned());
        match plan.written_bus() {
            Some(BusConfig::Kafka(kafka)) => files::of_properties(&kafka.properties, &mut needs),
            Some(BusConfig::Embedded { directory }) => files::of_state(directory, &mut needs),
            Some(BusConfig::Gateway { directory, .. }) => needs.reads.push(directory.clone()),
            None => {}
        }
        needs
    }
}

fn of_port(port: u16) -> CapabilitySet {
    if (1..FREE_PORT_MIN).contains(&port) {
        CapabilitySet::NET_BIND_SERVICE
    } else {
        CapabilitySet::empty()
    }
}

/// Gives up all that is not needed, in this thread and those that it starts: called before any other is.
///
/// # Errors
/// [`RightsError`]. A kernel without Landlock is none: what is left says so.
pub fn give_up(needs: &Needs) -> Result<Left, RightsError> {
    let files = files::hold(needs)?;
    let capabilities = give_up_capabilities(needs.capabilities)?;
    Ok(Left { capabilities, files })
}

/// Gives up capabilities alone.
///
/// # Errors
/// [`RightsError::System`].
pub fn give_up_capabilities(needed: CapabilitySet) -> Result<CapabilitySet, RightsError> {
    let failed = |what| move |source| RightsError::System { what, source };
    thread::set_no_new_privs(true).map_err(failed("no_new_privs"))?;
    let had = thread::capabilities(None).map_err(failed("capabilities"))?;
    if had.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            match thread::remove_capability_from_bounding_set(capability) {
                // The kernel is older than the capability.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(source) => return Err(failed("the bounding set")(source)),
            }
        }
    }
    match thread::clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(source) => return Err(failed("ambient capabilities")(source)),
    }
    let permitted = had.permitted & needed;
    let sets = CapabilitySets {
        effective: permitted & HELD,
        permitted,
        inheritable: CapabilitySet::empty(),
    };
    thread::set_capabilities(None, sets).map_err(failed("capabilities"))?;
    Ok(permitted)
}

/// Opens something with `CAP_NET_RAW` in effect, if this thread has it permitted: opening is all that it is for.
pub fn with_raw<T>(open: impl FnOnce() -> T) -> T {
    let Ok(sets) = thread::capabilities(None) else {
        return open();
    };
    let raised = CapabilitySets {
        effective: sets.effective | (sets.permitted & CapabilitySet::NET_RAW),
        ..sets
    };
    if raised.effective == sets.effective || thread::set_capabilities(None, raised).is_err() {
        return open();
    }
    let opened = open();
    if let Err(error) = thread::set_capabilities(None, sets) {
        tracing::warn!(%error, "the right to open interfaces stays in effect");
    }
    opened
}

#[cfg(test)]
mod tests;
