//! `varde sensors approve`, `refuse` and `revoke`: what a person decides of a sensor.

use ingest_trust::registry::{Asked, Entry, Known, Refusal};
use ingest_trust::{Fingerprint, Registry};

use super::arguments::{ApproveArguments, RefuseArguments, RevokeArguments};
use super::desk::Desk;
use crate::exit::{Ended, Exit, Failure};
use crate::text::shown;
use crate::{Terminal, clock};

/// Digits of a fingerprint that have to be given: two groups, which two people compared.
const DIGITS_MIN: usize = 8;

/// Characters of a machine's name that are shown.
const HOST_SHOWN: usize = 64;

/// Lets a waiting sensor in.
pub(super) async fn approve(desk: &Desk, arguments: &ApproveArguments, terminal: &mut Terminal<'_>) -> Ended {
    let registry = desk.registry(terminal).await?;
    let asked = waiting(&registry, &arguments.fingerprint)?;
    let name = arguments.sensor.as_str();
    let organization = arguments.organization.to_string();
    let meant = registry.meant_for(&asked.code);
    if let Some(meant) = meant.filter(|meant| *meant != arguments.organization) {
        terminal.warn(&format!(
            "the code was given out for {meant}, not for {organization}"
        ));
    }
    let known = match registry.sensor(name) {
        None => Known {
            sensor: name.to_owned(),
            organization,
            zone: arguments.zone,
            fingerprint: asked.fingerprint.clone(),
            former: Vec::new(),
            at: clock::now().as_nanos(),
            revoked: false,
        },
        Some(before) => replaced(before, arguments, &asked.fingerprint)?,
    };
    desk.decide(&Entry::Known(known)).await?;
    terminal.tell(&format!(
        "Sensor {name} of {} is let in, with the key {} of the machine {}. It gets its certificate within a minute.",
        arguments.organization,
        asked.fingerprint.spoken(),
        shown(&asked.host, HOST_SHOWN)
    ));
    Ok(Exit::Done)
}

/// A sensor that is known, with new hardware.
fn replaced(before: &Known, arguments: &ApproveArguments, to: &Fingerprint) -> Result<Known, Failure> {
    let name = &before.sensor;
    if before.organization != arguments.organization.to_string() {
        let message = format!("the name {name} is in use by another organisation; choose another");
        return Err(Failure::new(Exit::Usage, message));
    }
    if !arguments.replace {
        let state = if before.revoked { ", which is revoked" } else { "" };
        let message = format!(
            "there is a sensor {name} with the key {}{state}; if this is its new hardware, say --replace: the former key \
             is refused from then on",
            before.fingerprint.spoken()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut known = before.clone().moved_to(to.clone(), clock::now());
    known.revoked = false;
    known.zone = arguments.zone.or(known.zone);
    Ok(known)
}

/// Turns a waiting sensor down.
pub(super) async fn refuse(desk: &Desk, arguments: &RefuseArguments, terminal: &mut Terminal<'_>) -> Ended {
    let registry = desk.registry(terminal).await?;
    let asked = waiting(&registry, &arguments.fingerprint)?;
    desk.decide(&Entry::Refusal(Refusal {
        fingerprint: asked.fingerprint.clone(),
        at: clock::now().as_nanos(),
    }))
    .await?;
    terminal.tell(&format!(
        "The key {} is turned down; to ask again, its machine has to make another.",
        asked.fingerprint.spoken()
    ));
    Ok(Exit::Done)
}

/// Lets a sensor in no more.
pub(super) async fn revoke(desk: &Desk, arguments: &RevokeArguments, terminal: &mut Terminal<'_>) -> Ended {
    let registry = desk.registry(terminal).await?;
    let name = arguments.sensor.as_str();
    let known = registry.sensor(name).ok_or_else(|| {
        let message = format!("there is no sensor {name}; `varde sensors list` shows their names");
        Failure::new(Exit::Usage, message)
    })?;
    let mut known = known.clone();
    known.revoked = true;
    desk.decide(&Entry::Known(known)).await?;
    terminal.tell(&format!(
        "Sensor {name} is let in no more; the gateway knows within seconds. To let it in again, enrol it with a new key \
         and `approve --replace`."
    ));
    Ok(Exit::Done)
}

/// The one who waits with such a fingerprint.
fn waiting<'a>(registry: &'a Registry, start: &str) -> Result<&'a Asked, Failure> {
    let usage = |message: String| Err(Failure::new(Exit::Usage, message));
    let digits: String = start
        .chars()
        .filter(|letter| !matches!(letter, '-' | ' ' | ':'))
        .flat_map(char::to_lowercase)
        .collect();
    if digits.len() < DIGITS_MIN || !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return usage(format!(
            "`{}` is no beginning of a fingerprint; give {DIGITS_MIN} digits or more, as 1a2b-3c4d",
            shown(start, 80)
        ));
    }
    let mut found = registry
        .waiting()
        .into_iter()
        .filter(|asked| asked.fingerprint.as_str().starts_with(&digits));
    match (found.next(), found.next()) {
        (Some(asked), None) => Ok(asked),
        (Some(_), Some(_)) => usage("several wait with such a fingerprint; give more digits".to_owned()),
        (None, _) => {
            usage("nobody waits with such a fingerprint; `varde sensors list` shows who does".to_owned())
        }
    }
}
