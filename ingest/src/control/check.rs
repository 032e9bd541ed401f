//! What `varde-sensor check` tells of a sensor's trust: in plain words, each with what would mend it. Nothing is changed,
//! and no certificate is asked for.

mod machine;

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use ingest_event::Timestamp;
use ingest_trust::EnrolmentCode;

use super::bundle::Store;
use super::gateway::{self, Gateway, GatewayError};
use super::identity::{Trust, is_pinned};
use super::overlay::Overlay;
use super::standing::Standing;
use crate::config::Plan;
use crate::rights::Needs;

/// Clocks may differ by so much: certificates begin an hour before they are made, and events say when they were seen.
const CLOCK_MAX: Duration = Duration::from_secs(60);

/// Folders within folders whose files are counted.
const DEPTH_MAX: usize = 8;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be, or becomes so by itself.
    pub is_good: bool,
    /// For people.
    pub text: String,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self {
            is_good: true,
            text: text.into(),
        }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self {
            is_good: false,
            text: text.into(),
        }
    }
}

/// Looks at everything that is not a source.
pub async fn look(plan: &Plan, now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = plan
        .defaulted()
        .into_iter()
        .map(|(key, stands)| Finding::good(format!("`{key}` is not in the file: {stands}")))
        .collect();
    let overlay = overlay(plan, &mut findings);
    findings.push(disk(plan.state(), plan.spool_bytes_max(&overlay)));
    findings.extend(machine::look(
        plan.state(),
        &Needs::of(plan),
        &plan.sources(&overlay),
    ));
    findings.extend(old_spool(plan.state()));
    if let Some(code) = plan.enrolment() {
        let trust = Trust::at(plan.state());
        enrolled(plan, code, &trust, now, &mut findings);
        reach(code, &trust, now, &mut findings).await;
    }
    findings
}

/// What the bundle that runs adds; nothing if there is none.
#[must_use]
pub fn overlay_of(plan: &Plan) -> Overlay {
    overlay(plan, &mut Vec::new())
}

fn overlay(plan: &Plan, findings: &mut Vec<Finding>) -> Overlay {
    if plan.enrolment().is_none() {
        return Overlay::default();
    }
    let store = Store::at(plan.state());
    let standing = match Standing::load(store.folder()) {
        Ok(standing) => standing,
        Err(error) => {
            findings.push(Finding::bad(told(error)));
            return Overlay::default();
        }
    };
    findings.push(Finding::good(match standing.current {
        0 => "runs no control bundle".to_owned(),
        version => format!("runs control bundle {version}"),
    }));
    if let Some(refused) = &standing.refused {
        let text = format!(
            "control bundle {} is not run: {}",
            refused.version, refused.detail
        );
        findings.push(Finding::good(text));
    }
    store.overlay(standing.current).unwrap_or_else(|error| {
        findings.push(Finding::bad(told(error)));
        Overlay::default()
    })
}

fn enrolled(plan: &Plan, code: &EnrolmentCode, trust: &Trust, now: Timestamp, findings: &mut Vec<Finding>) {
    match trust.authority() {
        Ok(Some(kept)) if !is_pinned(&kept, code.authority).unwrap_or(false) => {
            findings.push(Finding::bad(format!(
                "the enrolment code is of another centre than the one this sensor is enrolled at; to change, stop it and \
                 remove the folder {}",
                trust.folder().display()
            )));
        }
        Ok(_) => {}
        Err(error) => findings.push(Finding::bad(told(error))),
    }
    match plan.kept_identity() {
        Ok(Some(identity)) => {
            let zone = identity
                .zone
                .map_or("no zone".to_owned(), |zone| format!("zone {zone}"));
            findings.push(Finding::good(format!(
                "enrolled as `{}` of organisation {}, {zone}",
                identity.sensor, identity.organization
            )));
            if let Err(error) = plan.config(Some(&identity), &Overlay::default()) {
                findings.push(Finding::bad(told(error)));
            }
        }
        Ok(None) => findings.push(Finding::good(match fingerprint(trust) {
            Some(spoken) => format!("not enrolled yet; the centre has to approve this fingerprint: {spoken}"),
            None => "not enrolled yet: `varde-sensor run` makes a key and asks the centre".to_owned(),
        })),
        Err(error) => findings.push(Finding::bad(told(error))),
    }
    match trust.validity() {
        Ok(Some((_, end))) if end < now => {
            findings.push(Finding::bad(format!(
                "the certificate ended at {end}; a running sensor renews it as soon as the gateway answers"
            )));
        }
        Ok(Some((_, end))) => findings.push(Finding::good(format!(
            "the certificate is good until {end}, and renewed before"
        ))),
        Ok(None) => {}
        Err(error) => findings.push(Finding::bad(told(error))),
    }
}

fn fingerprint(trust: &Trust) -> Option<String> {
    let key = trust.kept_key().ok().flatten()?;
    Some(key.fingerprint().ok()?.spoken())
}

async fn reach(code: &EnrolmentCode, trust: &Trust, now: Timestamp, findings: &mut Vec<Finding>) {
    let asked: Result<(), GatewayError> = async {
        let (authority, clock) = gateway::authority_of(code).await?;
        findings.extend(clock.map(|there| of_clock(now, there)));
        Gateway::new(code, trust.clone(), &authority)?.answers().await
    }
    .await;
    findings.push(match asked {
        Ok(()) => Finding::good(format!(
            "the gateway at {} answers, and is the code's",
            code.gateway
        )),
        Err(error) => Finding::bad(format!(
            "the gateway at {} does not answer as it should: {}; is outgoing TCP to it allowed, without a proxy that \
             opens TLS?",
            code.gateway,
            told(error)
        )),
    });
}

fn of_clock(here: Timestamp, there: Timestamp) -> Finding {
    let (behind, ahead) = (there.since(here), here.since(there));
    let (apart, word) = if behind < ahead {
        (ahead, "ahead of")
    } else {
        (behind, "behind")
    };
    if apart <= CLOCK_MAX {
        return Finding::good("the clock agrees with the gateway's");
    }
    Finding::bad(format!(
        "the clock is {} seconds {word} the gateway's: set it, and have it kept right by NTP",
        apart.as_secs()
    ))
}

fn disk(state: &Path, spool_bytes_max: u64) -> Finding {
    let (used, free) = match room(state) {
        Ok(room) => room,
        Err(error) => return Finding::bad(format!("look at the disk of {}: {error}", state.display())),
    };
    let needed = spool_bytes_max.saturating_sub(used);
    let [free, needed] = [free, needed].map(|bytes| bytes >> 20);
    if free < needed {
        return Finding::bad(format!(
            "the disk of {} has {free} MiB left, and the spool may need {needed} MiB more: make room, or lower \
             `spool_bytes_max`",
            state.display()
        ));
    }
    Finding::good(format!(
        "the disk of {} has {free} MiB left; the spool may need {needed} MiB more",
        state.display()
    ))
}

/// A build without SQLite does not start on what it can't take over.
fn old_spool(state: &Path) -> Option<Finding> {
    let old = crate::spool::old(state)?;
    (!cfg!(feature = "embedded")).then(|| {
        Finding::bad(format!(
            "an older version left {}, and this build can't read it: start the sensor once with a build that has the feature \
             `embedded`, or remove the file",
            old.display()
        ))
    })
}

/// The bytes that the spool of a state takes of its disk, and those that are left there.
pub(super) fn room(state: &Path) -> io::Result<(u64, u64)> {
    let there = state
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let disk = rustix::fs::statvfs(there)?;
    let used = bytes_in(&state.join("spool"), DEPTH_MAX).unwrap_or(0);
    Ok((used, disk.f_bavail.saturating_mul(disk.f_frsize)))
}

fn bytes_in(folder: &Path, depth: usize) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += match about.is_dir() {
            true if depth == 0 => 0,
            true => bytes_in(&entry.path(), depth - 1)?,
            false => about.len(),
        };
    }
    Ok(sum)
}

fn told(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_are_told_with_how_much() {
        let at = |secs: i64| Timestamp::from_millis(1_790_000_000_000 + secs * 1_000);
        for (here, there, told) in [
            (at(0), at(30), None),
            (at(0), at(61), Some("61 seconds behind")),
            (at(7_200), at(0), Some("7200 seconds ahead of")),
        ] {
            let finding = of_clock(here, there);
            assert_eq!(finding.is_good, told.is_none(), "{finding:?}");
            assert!(finding.text.contains(told.unwrap_or("agrees")), "{finding:?}");
        }
    }

    #[test]
    fn a_disk_without_room_for_the_spool_is_told() {
        let state = tempfile::tempdir().expect("a folder");
        let missing = state.path().join("not/yet");
        assert!(disk(&missing, 1).is_good);
        let full = disk(&missing, u64::MAX);
        assert!(!full.is_good && full.text.contains("spool_bytes_max"), "{full:?}");
    }
}
