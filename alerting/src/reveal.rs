//! What a pseudonym stands for: asked by one person of the CERT, agreed to by another, answered by the site that made it
//! (decision 0022).
//!
//! Each step is one transaction with its line in the request's own log and in the audit log. What has to be done on the bus
//! is noted in it and done afterwards (`bus`); what sites say comes in by `answers`. Both may be done twice: a question
//! lies under its own key in a compacted topic, and of several answers the first counts. `sites` says which site is asked, and
//! `overdue` ends what ends by itself.

mod answers;
mod bus;
mod overdue;
mod sites;

use std::{io::ErrorKind, path::Path, sync::Arc};

use alerting_incident::{Actor, RevealState, RevealStep};
use anyhow::Context;
use ingest_bus::Bus;
use ingest_event::{Timestamp, derive_id};
use ingest_trust::{
    reveal::{FORMAT, OPEN_MAX, PSEUDONYMS_MAX, Question, REASON_CHARS, RevealError},
    signing::SigningKey,
};
use serde_json::json;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    audit::Deed,
    config::RevealSettings,
    private,
    state::State,
    store::{OnBus, Store, Stored, StoredReveal, StoredStep, Write},
};

pub use bus::topic;
pub(crate) use sites::{Chosen, Sites, choose, sites};

/// Hexadecimal digits of an account's id by which a site is told of two people of one name.
const ID_CHARS: usize = 8;

/// The key that questions are signed with, and the times that hold for them.
pub(crate) struct Desk {
    key: SigningKey,
    settings: RevealSettings,
}

/// Why a request can't be made or moved on; the words are for whoever tried.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// Sites are not asked here.
    #[error(
        "sites are not asked what pseudonyms stand for: `reveal` is not in the configuration of this service"
    )]
    NotSet,
    /// The CERT's own incident, about several organisations.
    #[error("this incident is about several organisations; ask from one of their own")]
    Several,
    /// A value that is not in the incident.
    #[error("`pseudonyms`: `{0}` does not stand under pseudonym in this incident's events")]
    NotThere(String),
    /// Values of two sensors, or of before and after a new key.
    #[error("`pseudonyms`: they were made with different keys; ask for those of each apart")]
    Keys,
    /// Values of several sites, or one that stands in events of several.
    #[error(
        "`pseudonyms`: they are not of the events of one organisation alone; ask for those of each apart, or from the incident that \
         became part of this one"
    )]
    Sites,
    /// Too few or too many.
    #[error("`pseudonyms`: name 1 to {PSEUDONYMS_MAX}")]
    Count,
    /// Too short or too long.
    #[error("`reason`: write {} to {} characters, the site reads it", REASON_CHARS.start(), REASON_CHARS.end())]
    Reason,
    /// Too many are open.
    #[error("{OPEN_MAX} requests to this organisation are open; take some back, or wait for answers")]
    Open,
    /// One person.
    #[error("it takes two people: somebody else has to agree")]
    OnePerson,
    /// Not now.
    #[error("the request is `{0}`; that can't be done to it any more")]
    Over(RevealState),
    /// It can't be signed.
    #[error("sign the question: {0}")]
    Seal(#[from] RevealError),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// With the key of the settings; made there the first time.
    ///
    /// # Errors
    /// If the key can't be read or made.
    pub(crate) fn open(settings: &RevealSettings) -> anyhow::Result<Self> {
        Ok(Self {
            key: key(&settings.key)?,
            settings: settings.clone(),
        })
    }
}

/// What sensors have to be told to believe this service's questions; the key is made where it is not there.
///
/// # Errors
/// If the key can't be read or made.
pub fn public_key(settings: &RevealSettings) -> anyhow::Result<String> {
    let public = key(&settings.key)?
        .verifying()
        .context("use the key of questions")?;
    Ok(public.to_string())
}

fn key(path: &Path) -> anyhow::Result<SigningKey> {
    match std::fs::read(path) {
        Ok(pem) => SigningKey::from_pem(&pem).with_context(|| format!("use the key {}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = SigningKey::generate().context("make a key for questions")?;
            private::write(path, &key.to_pem().context("make a key for questions")?)
                .with_context(|| format!("write {}", path.display()))?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Starts what goes on by itself: where sites are not asked, or no longer, what they told is still forgotten in time.
pub(crate) fn start(
    state: &Arc<State>,
    bus: &Bus,
    group: &str,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let (ending, its_end) = (Arc::clone(state), stop.clone());
    let mut running = vec![tokio::spawn(async move { overdue::run(&ending, &its_end).await })];
    if state.reveal.is_none() {
        return Ok(running);
    }
    let producer = bus.producer().context("open a producer for questions to sites")?;
    let consumer = answers::consumer(bus, group).context("join the consumer group of answers")?;
    let (keeping, its_bus, its_stop) = (Arc::clone(state), bus.clone(), stop.clone());
    let (taking, end) = (Arc::clone(state), stop.clone());
    running.extend([
        tokio::spawn(async move { bus::run(&keeping, &its_bus, &producer, &its_stop).await }),
        tokio::spawn(async move {
            // However it ends, the service ends with it: else answers would lie on the bus until they are gone.
            let _end = end.clone().drop_guard();
            answers::run(&taking, consumer, &end).await;
        }),
    ]);
    Ok(running)
}

/// Asks for pseudonyms of an incident's events. The same question while it is open is the same request.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn ask(
    state: &State,
    stored: &Stored,
    chosen: Chosen,
    reason: &str,
    actor: &Actor,
) -> Result<String, Refusal> {
    let desk = state.reveal.as_ref().ok_or(Refusal::NotSet)?;
    let Chosen {
        organization,
        key,
        pseudonyms,
    } = chosen;
    let reason = reason.trim();
    if !REASON_CHARS.contains(&reason.chars().count()) {
        return Err(Refusal::Reason);
    }
    let now = state.now();
    let mut write = state.store.begin().await?;
    let open = Store::open_reveals(&mut write, organization).await?;
    let same = |one: &&StoredReveal| one.incident == stored.incident.id && one.pseudonyms == pseudonyms;
    if let Some(same) = open.iter().find(same) {
        return Ok(same.id.clone());
    }
    if OPEN_MAX <= open.len() {
        return Err(Refusal::Open);
    }
    let at = now.as_nanos().to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![b"reveal", stored.incident.id.as_str().as_bytes(), &at];
    parts.extend(pseudonyms.iter().map(|one| one.as_bytes()));
    let mut reveal = StoredReveal {
        id: derive_id(&parts),
        incident: stored.incident.id.clone(),
        organization,
        key,
        pseudonyms,
        reason: reason.to_owned(),
        asked_by: actor.name().to_owned(),
        asked_account: actor.account().map(str::to_owned),
        asked_at: now,
        ends_at: now.saturating_add(desk.settings.open()),
        state: RevealState::Waiting,
        digest: None,
        revealed: None,
        forget_at: None,
        envelope: None,
        bus: OnBus::Nothing,
    };
    note(state, &mut write, &mut reveal, actor, RevealStep::Ask, reason).await?;
    state.store.commit(write).await?;
    Ok(reveal.id)
}

/// A second person agrees: the site is asked.
///
/// # Errors
/// [`Refusal`]; `None` if there is no such request in this incident.
pub(crate) async fn approve(
    state: &State,
    stored: &Stored,
    id: &str,
    actor: &Actor,
) -> Result<Option<()>, Refusal> {
    let desk = state.reveal.as_ref().ok_or(Refusal::NotSet)?;
    let mut write = state.store.begin().await?;
    let Some(mut reveal) = of_incident(&mut write, stored, id).await? else {
        return Ok(None);
    };
    // Of a request from before accounts were kept nobody can be told to be another: it is taken back, and asked anew.
    if !actor.is_another_than(reveal.asked_account.as_deref(), &reveal.asked_by) {
        return Err(Refusal::OnePerson);
    }
    move_on(&mut reveal, RevealStep::Approve)?;
    let (asked_by, approved_by) = told_apart(&reveal, actor);
    let question = Question {
        format: FORMAT,
        id: reveal.id.clone(),
        organization: reveal.organization,
        key: reveal.key.clone(),
        incident: reveal.incident.to_string(),
        asked_by,
        approved_by,
        reason: reveal.reason.clone(),
        pseudonyms: reveal.pseudonyms.clone(),
        asked: reveal.asked_at,
        until: reveal.ends_at,
    };
    let sealed = question.seal(&desk.key)?.to_bytes();
    reveal.envelope = Some(String::from_utf8_lossy(&sealed).into_owned());
    note(state, &mut write, &mut reveal, actor, RevealStep::Approve, "").await?;
    state.store.commit(write).await?;
    Ok(Some(()))
}

/// Somebody says no, with a reason: the second person, the CERT that takes it back, or the organisation.
///
/// # Errors
/// [`Refusal`]; `None` if there is no such request in this incident.
pub(crate) async fn refuse(
    state: &State,
    stored: &Stored,
    id: &str,
    actor: &Actor,
    step: impl FnOnce(&StoredReveal) -> RevealStep,
    why: &str,
) -> Result<Option<()>, Refusal> {
    let mut write = state.store.begin().await?;
    let Some(mut reveal) = of_incident(&mut write, stored, id).await? else {
        return Ok(None);
    };
    let step = step(&reveal);
    move_on(&mut reveal, step)?;
    note(state, &mut write, &mut reveal, actor, step, why).await?;
    state.store.commit(write).await?;
    Ok(Some(()))
}

/// How the site is told of the two: by their names, and where these are the same with the beginning of their accounts' ids.
fn told_apart(reveal: &StoredReveal, agreed: &Actor) -> (String, String) {
    let with_id = |name: &str, account: Option<&str>| {
        let id: String = account.unwrap_or_default().chars().take(ID_CHARS).collect();
        format!("{name} ({id})")
    };
    if reveal.asked_by != agreed.name() {
        return (reveal.asked_by.clone(), agreed.name().to_owned());
    }
    (
        with_id(&reveal.asked_by, reveal.asked_account.as_deref()),
        with_id(agreed.name(), agreed.account()),
    )
}

/// Writes down that somebody looks at what was revealed: in the audit log each time, in the request's own log once. What is kept no longer
/// is not shown, whether it is emptied yet or not.
///
/// # Errors
/// If the store is away; `None` if there is no such request in this incident.
pub(crate) async fn read(
    state: &State,
    stored: &Stored,
    id: &str,
    actor: &Actor,
) -> sqlx::Result<Option<StoredReveal>> {
    let mut write = state.store.begin().await?;
    let Some(mut reveal) = of_incident(&mut write, stored, id).await? else {
        return Ok(None);
    };
    let now = state.now();
    if reveal.forget_at.is_none_or(|at| at <= now) {
        reveal.revealed = None;
    }
    if reveal.revealed.is_none() {
        return Ok(Some(reveal));
    }
    if Store::has_read_reveal(&mut write, id, actor).await? {
        audit(&mut write, &reveal, actor, RevealStep::Read, "", now).await?;
    } else {
        note(state, &mut write, &mut reveal, actor, RevealStep::Read, "").await?;
    }
    state.store.commit(write).await?;
    Ok(Some(reveal))
}

async fn of_incident(write: &mut Write, stored: &Stored, id: &str) -> sqlx::Result<Option<StoredReveal>> {
    let reveal = Store::reveal_in(write, id).await?;
    Ok(reveal.filter(|reveal| reveal.incident == stored.incident.id))
}

/// Moves a request on, and says what has to be done on the bus for it.
fn move_on(reveal: &mut StoredReveal, step: RevealStep) -> Result<(), Refusal> {
    let before = reveal.state;
    reveal.state = before.after(step).ok_or(Refusal::Over(before))?;
    match (before, reveal.state) {
        (RevealState::Waiting, RevealState::Asked) => reveal.bus = OnBus::Put,
        (RevealState::Asked, after) if !after.is_open() => reveal.bus = OnBus::Take,
        _ => {}
    }
    Ok(())
}

/// Writes a request with what happened to it, in its own log and in the audit log.
async fn note(
    state: &State,
    write: &mut Write,
    reveal: &mut StoredReveal,
    actor: &Actor,
    step: RevealStep,
    text: &str,
) -> sqlx::Result<()> {
    let now = state.now();
    Store::save_reveal(write, reveal).await?;
    let line = StoredStep {
        at: now,
        who: actor.name().to_owned(),
        account: actor.account().map(str::to_owned),
        step,
        note: text.to_owned(),
    };
    Store::add_reveal_step(write, &reveal.id, &line).await?;
    audit(write, reveal, actor, step, text, now).await?;
    state.metrics.reveals.with_label_values(&[step.as_str()]).inc();
    Ok(())
}

/// What was revealed is never in it.
async fn audit(
    write: &mut Write,
    reveal: &StoredReveal,
    actor: &Actor,
    step: RevealStep,
    text: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    let after = json!({
        "incident": reveal.incident.as_str(), "organization": reveal.organization, "pseudonyms": reveal.pseudonyms,
        "reason": reveal.reason, "state": reveal.state.as_str(), "note": text, "site_log": reveal.digest,
    });
    let subject = format!("reveal/{}", reveal.id);
    let deed = Deed::by(actor, now, &format!("reveal.{step}"), subject).after(Some(&after));
    Store::audit(write, deed).await.map(drop)
}
