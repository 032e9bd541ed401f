//! Alerts come in: poll, apply, route, decide, store, commit.
//!
//! Everything that one batch causes is one transaction with the positions it was read at; the bus learns of the
//! positions afterwards. A crash before the transaction repeats the batch, a crash after it makes the bus deliver
//! again what the stored positions then pass over.

mod aside;
mod grown;

use std::{collections::BTreeSet, time::Duration};

use alerting_incident::{
    Change, ChangeKind, DedupKey, History, Incident, Question, Route, Silence, apply, decide, inhibit,
    inhibitor, may_be_inhibited, route, taken_literally, tell_of_growth,
};
use detect_alert::{Alert, AlertDecodeError};
use ingest_bus::{
    Batch, Bus, Consumer, Delivery, ErrorClass, PollError, PollLimit, Position, Topic, TopicPartition,
};
use serde_json::{Value as Json, json};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub(crate) use aside::{Again, REFUSED_BY_STORE, apply_again, place};
use grown::Grown;

use crate::{
    arrange, letters,
    state::State,
    store::{Store, Stored, Write, is_refused},
};

/// The producer id of the alerts that only show that the way is open.
pub(crate) const CANARY: &str = "varde:canary";

/// Large enough that a transaction's flush to disk is shared by many alerts, small enough that the first of them
/// does not wait for the last.
const BATCH: PollLimit = PollLimit {
    records: 256,
    bytes: 8 * 1024 * 1024,
    wait: Duration::from_millis(500),
};

/// Silences that ended within this time still cover what happened while they held and comes late: an outage's backlog.
const SILENCES_LOOK_BACK: Duration = Duration::from_hours(7 * 24);

/// Between two attempts at what failed and may recover.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs until `shutdown`, or until the bus says that it won't get better.
pub(crate) async fn run(
    state: &State,
    bus: &Bus,
    mut consumer: Consumer,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    while !shutdown.is_cancelled() {
        let polled = tokio::select! {
            polled = consumer.poll(BATCH) => polled,
            () = shutdown.cancelled() => break,
        };
        let batch = match polled {
            Ok(batch) => batch,
            Err(error) => match error.class() {
                ErrorClass::Transient => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "read alerts; will try again"
                    );
                    state.metrics.retries.with_label_values(&["poll"]).inc();
                    pause(shutdown).await;
                    continue;
                }
                ErrorClass::Permanent | ErrorClass::Poison => return Err(error.into()),
            },
        };
        state.polled();
        forget_replaced(state, bus, &batch, shutdown).await?;
        if batch.deliveries.is_empty() {
            continue;
        }
        let Some(positions) = apply_until_stored(state, &batch, shutdown).await else {
            break;
        };
        if let Err(error) = consumer.commit(&positions).await {
            // Harmless: the positions in the store pass over what is delivered again.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "commit positions; the next batch does"
            );
            state.metrics.retries.with_label_values(&["commit"]).inc();
        }
    }
    consumer.close().await;
    Ok(())
}

/// Forgets stored positions that can't be this bus's, and asks again until both bus and store answered.
///
/// # Errors
/// If the bus won't get better.
async fn forget_replaced(
    state: &State,
    bus: &Bus,
    batch: &Batch,
    shutdown: &CancellationToken,
) -> Result<(), PollError> {
    let topics: BTreeSet<_> = batch.gained.iter().map(|place| &place.topic).collect();
    for topic in topics {
        while !shutdown.is_cancelled() {
            match forget_past_end(state, bus, topic, &batch.gained).await {
                Ok(()) => break,
                Err(ForgetError::Bus(error)) if !matches!(error.class(), ErrorClass::Transient) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "compare positions; will try again"
                    );
                    state.metrics.retries.with_label_values(&["poll"]).inc();
                    pause(shutdown).await;
                }
            }
        }
    }
    Ok(())
}

/// A stored position past the end of its partition is of another log: it would pass over everything new as if it
/// were repeated.
async fn forget_past_end(
    state: &State,
    bus: &Bus,
    topic: &Topic,
    gained: &[TopicPartition],
) -> Result<(), ForgetError> {
    // The store before the bus: what another instance reads and stores between the two must not look past the end.
    let mut before = Vec::new();
    for place in gained.iter().filter(|place| place.topic == *topic) {
        let stored = state
            .store
            .committed_offset(topic.as_str(), place.partition)
            .await?;
        before.push((place.partition, stored));
    }
    let ends = bus.end_positions(topic).await?;
    let mut write = state.store.begin().await?;
    for (partition, stored) in before {
        let ends = ends.iter().filter(|end| end.partition == partition);
        for end in ends.filter(|end| end.offset < stored) {
            tracing::warn!(
                topic = %end.topic, partition = end.partition, stored, end = end.offset,
                "the bus was replaced or wiped: reads this partition from the start; alerts that were applied \
                 before are known by their ids"
            );
            let start = Position {
                offset: 0,
                ..end.clone()
            };
            Store::save_position(&mut write, &start).await?;
        }
    }
    Ok(write.commit().await?)
}

/// Repeats a batch until the store takes it. `None` if the service stops first.
async fn apply_until_stored(
    state: &State,
    batch: &Batch,
    shutdown: &CancellationToken,
) -> Option<Vec<Position>> {
    while !shutdown.is_cancelled() {
        match apply_batch(state, batch).await {
            Ok(positions) => return Some(positions),
            // One that the store will never take holds up no other.
            Err(NotApplied::Refused(_)) if 1 < batch.deliveries.len() => {
                return aside::apply_one_by_one(state, batch, shutdown).await;
            }
            Err(NotApplied::Refused(error)) => {
                if let Some(next) = aside::put_last(state, batch, &error).await {
                    return Some(vec![next]);
                }
                pause(shutdown).await;
            }
            Err(NotApplied::Away(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "store a batch of alerts; will try again"
                );
                state.metrics.retries.with_label_values(&["apply"]).inc();
                pause(shutdown).await;
            }
        }
    }
    None
}

async fn pause(shutdown: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => {}
        () = shutdown.cancelled() => {}
    }
}

/// Why stored positions could not be compared with the bus.
#[derive(Debug, Error)]
enum ForgetError {
    /// The bus won't get better.
    #[error("ask the bus where the alerts end")]
    Bus(#[from] PollError),
    /// The store is away.
    #[error("compare stored positions with the bus")]
    Store(#[from] sqlx::Error),
}

/// What a batch did, to be counted once it is durable.
#[derive(Default)]
struct Tally {
    applied: u64,
    repeated: u64,
    opened: u64,
    decided: u64,
    refused: Vec<&'static str>,
    /// Records that are kept aside, once they were counted.
    aside: Option<i64>,
    not_kept: u64,
    canary: Option<ingest_event::Timestamp>,
    /// What is still to be written.
    grown: Grown,
}

/// Why a batch was not applied.
#[derive(Debug, Error)]
enum NotApplied {
    /// The store will never take one of its alerts as it is.
    #[error("the store refuses an alert")]
    Refused(#[source] sqlx::Error),
    /// The store is away, or not in order: all of it will be tried again.
    #[error("the store is away")]
    Away(#[from] sqlx::Error),
}

async fn apply_batch(state: &State, batch: &Batch) -> Result<Vec<Position>, NotApplied> {
    let mut write = state.store.begin().await?;
    let lately = state.now().saturating_sub(SILENCES_LOOK_BACK);
    let silences = Store::silences_in(&mut write, lately).await?;
    let mut tally = Tally::default();
    let mut positions: Vec<Position> = Vec::new();
    for delivery in &batch.deliveries {
        let place = &delivery.position;
        let known = positions
            .iter_mut()
            .find(|next| next.topic == place.topic && next.partition == place.partition);
        let next = match known {
            Some(next) => next,
            None => {
                let offset = Store::next_offset(&mut write, place.topic.as_str(), place.partition).await?;
                positions.push(Position {
                    topic: place.topic.clone(),
                    partition: place.partition,
                    offset,
                });
                let Some(next) = positions.last_mut() else {
                    continue;
                };
                next
            }
        };
        if place.offset < next.offset {
            tally.repeated += 1;
            continue;
        }
        next.offset = place.offset + 1;
        apply_delivery(state, &mut write, delivery, &silences, &mut tally)
            .await
            .map_err(not_applied)?;
    }
    let written = tally.grown.write(state, &mut write).await;
    written.map_err(not_applied)?;
    for next in &positions {
        Store::save_position(&mut write, next).await?;
    }
    state.store.commit(write).await?;
    count(state, &tally);
    Ok(positions)
}

fn not_applied(error: sqlx::Error) -> NotApplied {
    if is_refused(&error) {
        NotApplied::Refused(error)
    } else {
        NotApplied::Away(error)
    }
}

async fn apply_delivery(
    state: &State,
    write: &mut Write,
    delivery: &Delivery,
    silences: &[Silence],
    tally: &mut Tally,
) -> sqlx::Result<()> {
    match detect_alert::decode(&delivery.record.value) {
        Ok(alert) => apply_alert(state, write, alert, delivery.appended_ms, silences, tally).await,
        Err(error) => {
            let place = &delivery.position;
            tracing::warn!(
                error = &error as &dyn std::error::Error, topic = %place.topic, partition = place.partition,
                offset = place.offset, "put aside a record that is no alert"
            );
            tally.refused.push(reason(&error));
            // Counted once for a batch: there may be a flood of them.
            let count = match tally.aside {
                Some(count) => count,
                None => Store::count_aside(write).await?,
            };
            let kept = (count, state.now());
            // Where too many are kept, the bus still has it.
            if Store::put_aside(write, delivery, reason(&error), &error.to_string(), kept).await? {
                tally.aside = Some(count + 1);
            } else {
                tally.aside = Some(count);
                tally.not_kept += 1;
            }
            Ok(())
        }
    }
}

async fn apply_alert(
    state: &State,
    write: &mut Write,
    alert: Alert,
    appended_ms: i64,
    silences: &[Silence],
    tally: &mut Tally,
) -> sqlx::Result<()> {
    let alert = taken_literally(alert);
    if alert.producer.id.0 == CANARY {
        let now = state.now();
        tally.canary = Some(now);
        return Store::save_canary(write, now).await;
    }
    let key = DedupKey::of(&alert);
    // Where the incident of its key is part of another, the alert is that one's, and counts here too.
    let latest = Store::latest(write, &key).await?;
    write_for_parts(state, write, latest.as_ref(), tally).await?;
    let (latest, mut home) = arrange::whole(write, latest).await?;
    let silence = Silence::covering(silences, &key, alert.timestamp);
    let mut history = History {
        applied: Store::is_applied(write, &alert.id).await?,
        latest: latest.as_ref().map(|latest| &latest.incident),
        crowd: None,
        near: 0,
        silence,
    };
    let may_join = apply(history, &alert, state.now()).is_some_and(|alone| {
        alone.kind == ChangeKind::Opened && is_one_of_many(state, &alone.incident, silences)
    });
    let crowd = match tally.grown.of(&key.crowd()) {
        _ if !may_join => None,
        Some(waiting) => Some(waiting.clone()),
        None => {
            let crowd = Store::latest(write, &key.crowd()).await?;
            write_for_parts(state, write, crowd.as_ref(), tally).await?;
            let (crowd, part) = arrange::whole(write, crowd).await?;
            home = home.or(part);
            crowd
        }
    };
    history.crowd = crowd.as_ref().map(|crowd| &crowd.incident);
    let joins = |change: Change| change.kind != ChangeKind::Opened;
    if may_join && !apply(history, &alert, state.now()).is_some_and(joins) {
        // None about many takes it: there may be enough for a new one.
        tally.grown.write(state, write).await?;
        history.near = Store::near(write, &key, &alert).await?;
    }
    let Some(change) = apply(history, &alert, state.now()) else {
        tally.repeated += 1;
        return Ok(());
    };
    tally.applied += 1;
    let id = change.incident.id.clone();
    let home = home.filter(|home| home.incident.merged_into.as_ref() == Some(&id));
    let home_id = home
        .as_ref()
        .map_or_else(|| id.clone(), |home| home.incident.id.clone());
    let incident = home.as_ref().map_or(&change.incident, |home| &home.incident);
    let is_of_many = change.incident.is_crowd() && !incident.is_crowd();
    let incident = incident.is_crowd().then(|| incident.clone());
    let before = [latest, crowd]
        .into_iter()
        .flatten()
        .find(|before| before.incident.id == id);
    match before {
        Some(before) if home.is_none() && Grown::may_wait(&change) => tally.grown.keep(Stored {
            incident: change.incident,
            ..before
        }),
        before => {
            tally.grown.write(state, write).await?;
            store_change(state, write, change, before.as_ref(), appended_ms, tally).await?;
        }
    }
    if let Some(home) = &home {
        arrange::grow(write, home, &alert, state.now()).await?;
    }
    if let Some(incident) = &incident {
        Store::add_member(write, incident, &alert).await?;
    }
    if is_of_many {
        Store::grow_member(write, &id, &alert).await?;
    }
    Store::save_taken(write, &alert, &home_id).await
}

/// Has what waits written where a part of it may be: the whole is read from the store.
async fn write_for_parts(
    state: &State,
    write: &mut Write,
    found: Option<&Stored>,
    tally: &mut Tally,
) -> sqlx::Result<()> {
    match found {
        Some(found) if found.incident.merged_into.is_some() => tally.grown.write(state, write).await,
        Some(_) | None => Ok(()),
    }
}

/// Whether what would be an incident of its own may be told of with others: it is whose all are, and a silence covers all or none.
fn is_one_of_many(state: &State, alone: &Incident, silences: &[Silence]) -> bool {
    let registry = state.registry.load();
    let owner = |question: &Question| route(&registry.routes, question).owner;
    let happened = alone.first_seen;
    let covers = |key: &DedupKey| Silence::covering(silences, key, happened).is_some();
    owner(&Question::of(alone)) == owner(&Question::of_organization(alone))
        && covers(&alone.key) == covers(&alone.key.crowd())
}

async fn store_change(
    state: &State,
    write: &mut Write,
    change: Change,
    latest: Option<&Stored>,
    appended_ms: i64,
    tally: &mut Tally,
) -> sqlx::Result<()> {
    match (change.kind, latest) {
        // Nobody is told, so nobody is looked up: a storm of alerts costs one write each.
        (ChangeKind::Added, Some(latest)) => {
            let search = search_text(state, &change.incident, latest.owner);
            return Store::save_change(write, &change, latest.owner, &latest.route, &search).await;
        }
        (ChangeKind::Opened | ChangeKind::Relapsed, _) => tally.opened += 1,
        (
            ChangeKind::Added
            | ChangeKind::Raised { .. }
            | ChangeKind::Woken
            | ChangeKind::HelpNeeded
            | ChangeKind::Grown { .. }
            | ChangeKind::Progressed,
            _,
        ) => {}
    }
    let route = route(&state.registry.load().routes, &Question::of(&change.incident));
    // That it grows is told to who took it: it stays whose it is, so that whoever looks next sees that it moved.
    let (owner, way) = match (change.kind, latest) {
        (ChangeKind::Grown { .. }, Some(latest)) => (latest.owner, latest.route.clone()),
        _ => (
            route.owner.unwrap_or(change.incident.key.organization),
            steps(&route),
        ),
    };
    let change = inhibited(state, write, change, owner).await?;
    let moment = state.moment();
    let mut decision = decide(change, &route, &state.ladder, moment);
    let incident = &decision.change.incident;
    let search = search_text(state, incident, owner);
    Store::save_change(write, &decision.change, owner, &way, &search).await?;
    if let ChangeKind::Grown { .. } = decision.change.kind {
        let takers = Store::takers(write, &incident.id).await?;
        let grown = tell_of_growth(&decision.change, &takers, &route, &state.ladder, moment);
        decision.notifications.extend(grown);
    }
    for notification in &decision.notifications {
        Store::add_notification(write, notification, incident.severity(), appended_ms).await?;
        letters::hold(state, write, notification, &decision.change, owner, moment).await?;
        tally.decided += 1;
    }
    if state
        .inhibitions
        .iter()
        .any(|inhibition| inhibition.source.fits(incident))
    {
        Store::mark_source(write, &incident.id).await?;
    }
    Ok(())
}

/// Kept back, where another incident of the same owner explains it.
async fn inhibited(
    state: &State,
    write: &mut Write,
    change: Change,
    owner: ingest_event::OrganizationNumber,
) -> sqlx::Result<Change> {
    if !may_be_inhibited(&state.inhibitions, &change) {
        return Ok(change);
    }
    let now = state.now();
    let sources = Store::sources(write, change.incident.key.organization, owner).await?;
    let by = inhibitor(&state.inhibitions, &sources, &change.incident, now);
    Ok(inhibit(change, by, now))
}

/// The explanation of a route, as it is stored.
pub(crate) fn steps(route: &Route) -> Json {
    let each = route.steps.iter().map(
        |step| json!({"step": step.kind.as_str(), "result": step.result.as_str(), "detail": step.detail}),
    );
    each.collect()
}

/// What a search looks in, in lower case.
pub(crate) fn search_text(
    state: &State,
    incident: &Incident,
    owner: ingest_event::OrganizationNumber,
) -> String {
    let alert: &Alert = &incident.lead;
    let mut parts = vec![
        incident.id.to_string(),
        alert.producer.name.clone(),
        alert.producer.id.0.clone(),
        alert.entity.value.clone(),
        owner.to_string(),
        state.organization_name(owner),
    ];
    parts.extend(alert.producer.summary.values().cloned());
    parts.extend(alert.indicator.iter().map(|indicator| indicator.value.clone()));
    parts.join("\n").to_lowercase()
}

fn reason(error: &AlertDecodeError) -> &'static str {
    match error {
        AlertDecodeError::NotJson(_) => "not_json",
        AlertDecodeError::BadField { .. } => "bad_field",
        AlertDecodeError::SchemaTooNew { .. } => "schema_too_new",
    }
}

fn count(state: &State, tally: &Tally) {
    let metrics = &state.metrics;
    metrics.alerts_applied.inc_by(tally.applied);
    metrics.alerts_repeated.inc_by(tally.repeated);
    metrics.incidents_opened.inc_by(tally.opened);
    metrics.notifications_decided.inc_by(tally.decided);
    for reason in &tally.refused {
        metrics.alerts_refused.with_label_values(&[reason]).inc();
    }
    if 0 < tally.not_kept {
        tracing::error!(
            records = tally.not_kept,
            "no place is left for records that are put aside: these are on the bus alone; see `GET /api/v1/aside`"
        );
        let full = &metrics.aside_full;
        full.with_label_values(&["passed_over"]).inc_by(tally.not_kept);
    }
    if let Some(at) = tally.canary {
        metrics.canary_seconds.set(at.as_millis() / 1_000);
    }
    if 0 < tally.decided {
        state.decided.all();
    }
}
