//! Time passes: what nobody answered climbs.
//!
//! Once a second the incidents whose answer is due are looked for; each climbs one rung in a transaction of its own, in which it is
//! read again, so a rung is climbed once, whoever dies in between and however many instances look. Of several, one
//! keeps the clock that deadlines go by (see [`alerting_incident::Steady`]) and ticks.

mod kept_back;

use std::time::Duration;

use alerting_incident::{
    Decision, IncidentId, Keeper, Moment, Question, Reading, Rung, Silence, Steady, escalate, route,
};
use detect_alert::ProducerKind;
use ingest_event::{OrganizationNumber, Timestamp};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::{
    access::{Seen, failures},
    intake::{search_text, steps},
    state::State,
    statutory,
    store::{Store, Stored},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Between two writes of the clock: a third of the lease.
const BEAT: Duration = Duration::from_secs(5);
/// Incidents in one look; more than one CERT can be late with at once.
const LOOK_MAX: u32 = 64;

/// The clock that deadlines go by, as this process knows it.
#[derive(Debug)]
pub(crate) struct Steadily {
    keeper: Keeper,
    stored: Option<Steady>,
    /// When it was stored last by this process, on the monotonic clock.
    beaten: Option<Duration>,
}

impl Steadily {
    /// The part of a process with a name of its own, on a store with what `stored` says.
    pub(crate) fn new(name: String, is_alone: bool, stored: Option<Steady>, reading: Reading) -> Self {
        Self {
            keeper: Keeper::new(name, is_alone, stored.as_ref(), reading),
            stored,
            beaten: None,
        }
    }

    /// What the clock shows.
    pub(crate) fn now(&self, reading: Reading) -> Timestamp {
        self.keeper.tell(self.stored.as_ref(), reading)
    }
}

/// Runs until `shutdown`.
pub(crate) async fn run(state: &State, shutdown: &CancellationToken) {
    let mut is_first = true;
    while !shutdown.is_cancelled() {
        match tick(state, is_first).await {
            Ok(did) => {
                is_first &= !did;
                state.ticked();
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "look for what nobody answered; will try again"
                );
                state.metrics.retries.with_label_values(&["tick"]).inc();
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.cancelled() => {}
        }
    }
    if let Err(error) = release(state).await {
        // Whoever is next takes it after the lease.
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "let go of the clock of deadlines"
        );
    }
}

/// Lets the clock go, where this process keeps it.
async fn release(state: &State) -> sqlx::Result<()> {
    let mut write = state.store.begin().await?;
    let Some(stored) = Store::steady_in(&mut write).await? else {
        return Ok(());
    };
    let reading = state.clock.read();
    let free = state.steadily().keeper.release(&stored, reading);
    if let Some(free) = &free {
        Store::save_steady(&mut write, free).await?;
        write.commit().await?;
    }
    Ok(())
}

/// Looks once; `false` if another instance does.
async fn tick(state: &State, is_first: bool) -> sqlx::Result<bool> {
    if !beat(state).await? {
        return Ok(false);
    }
    let steady = state.moment().steady;
    let mut has_told = false;
    for id in state.store.overdue(steady, LOOK_MAX).await? {
        match climb(state, &id).await {
            Ok(told) => has_told |= told,
            // One that can't be read holds up no other.
            Err(error @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error, incident = %id,
                    "read an incident that nobody answered"
                );
                state.metrics.retries.with_label_values(&["tick"]).inc();
            }
            Err(error) => return Err(error),
        }
    }
    has_told |= kept_back::look(state, is_first).await?;
    has_told |= statutory::warn(state).await?;
    if has_told {
        state.decided.all();
    }
    failures::sum_up(state).await?;
    state.store.sweep_once(state.now()).await?;
    Ok(true)
}

/// Keeps the clock, where this process does; says whether it does.
async fn beat(state: &State) -> sqlx::Result<bool> {
    let reading = state.clock.read();
    let is_time = |beaten: Duration| BEAT <= reading.monotonic.saturating_sub(beaten);
    if let Some(beaten) = state.steadily().beaten
        && !is_time(beaten)
    {
        return Ok(true);
    }
    let mut write = state.store.begin().await?;
    let stored = Store::steady_in(&mut write).await?;
    let reading = state.clock.read();
    // Of what is not stored the keeper knows nothing: else the time until it is would be lost.
    let mut keeper = state.steadily().keeper.clone();
    let kept = keeper.advance(stored.as_ref(), reading);
    if let Some(kept) = &kept {
        Store::save_steady(&mut write, kept).await?;
        write.commit().await?;
    }
    let mut steadily = state.steadily();
    steadily.keeper = keeper;
    steadily.beaten = kept.is_some().then_some(reading.monotonic);
    steadily.stored = kept.or(stored);
    Ok(steadily.beaten.is_some())
}

/// One rung up, if it is still due.
async fn climb(state: &State, id: &IncidentId) -> sqlx::Result<bool> {
    let mut write = state.store.begin().await?;
    let Some(stored) = Store::incident_in(&mut write, &Seen::unasked(id), id).await? else {
        return Ok(false);
    };
    let moment = state.moment();
    let silences = Store::silences_in(&mut write, stored.incident.last_seen).await?;
    let Some((decision, owned)) = decided(state, &stored, &silences, moment) else {
        return Ok(false);
    };
    let Decision {
        change,
        notifications,
    } = decision;
    let search = search_text(state, &change.incident, owned.owner);
    Store::save_change(&mut write, &change, owned.owner, &owned.route, &search).await?;
    for notification in &notifications {
        Store::add_notification(&mut write, notification, change.incident.severity(), 0).await?;
    }
    state.store.commit(write).await?;
    let step = match (&change.incident.silence, change.incident.escalation) {
        _ if notifications.is_empty() => "ended",
        (None, Some(step)) if 0 < step.reminders => "reminder",
        (None, Some(step)) => match step.rung {
            Rung::Turn(_) => "turn",
            Rung::Duty => "duty",
            Rung::Beyond(_) => "beyond",
        },
        _ => "ended",
    };
    state.metrics.escalations.with_label_values(&[step]).inc();
    Ok(!notifications.is_empty())
}

/// The decision, with whose the incident is now and why.
fn decided(
    state: &State,
    stored: &Stored,
    silences: &[Silence],
    moment: Moment,
) -> Option<(Decision, Owned)> {
    let incident = &stored.incident;
    let route = route(&state.registry.load().routes, &Question::of(incident));
    // Only what happened in its time is silent, and nothing silences what Varde says of itself.
    let is_own = incident.lead.producer.kind == ProducerKind::Integrity;
    let span = (incident.first_seen, incident.last_seen);
    let silence = Silence::covering_all(silences, &incident.key, span).filter(|_| !is_own);
    let owner = route.owner.unwrap_or(incident.key.organization);
    let has_moved = owner != stored.owner;
    let decision = escalate(incident, &route, &state.ladder, silence, has_moved, moment)?;
    Some((
        decision,
        Owned {
            owner,
            route: steps(&route),
        },
    ))
}

/// Whose an incident is, and why.
struct Owned {
    owner: OrganizationNumber,
    route: Json,
}
