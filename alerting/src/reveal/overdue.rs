//! What ends by itself: requests run out, and what was revealed is forgotten, whether sites are still asked here or not.

use std::{collections::BTreeSet, time::Duration};

use alerting_incident::{Actor, RevealStep};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Refusal, move_on, note};
use crate::{
    audit::Deed,
    state::State,
    store::{Store, StoredStep, is_refused},
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Requests in one look; what is more has its turn at the next.
const LOOK_MAX: u32 = 64;

/// Rows that are remembered as told of; more of them are told of again.
const TOLD_MAX: usize = 1_000;

/// How far a walk over rows has come, so that those that can't be read are in nobody's way.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The last row; empty at the beginning.
    pub(super) after: String,
    told: BTreeSet<String>,
}

impl Walk {
    /// Goes on behind these, which are all there were up to a limit; at the end from the beginning.
    pub(super) fn behind(&mut self, last: Option<&String>, count: usize, limit: u32) {
        let is_end = count < usize::try_from(limit).unwrap_or(usize::MAX);
        self.after = last.filter(|_| !is_end).cloned().unwrap_or_default();
    }

    /// Counts and tells, once for each, that a row is passed over; nothing of what it holds.
    pub(super) fn pass_over(&mut self, state: &State, id: &str) {
        if TOLD_MAX <= self.told.len() {
            self.told.clear();
        }
        if self.told.insert(id.to_owned()) {
            tracing::error!(
                reveal = id,
                "a request to reveal can't be read; it is passed over"
            );
            state
                .metrics
                .rows_passed_over
                .with_label_values(&["reveal"])
                .inc();
        }
    }
}

/// Runs until `stop`.
pub(super) async fn run(state: &State, stop: &CancellationToken) {
    let mut walk = Walk::default();
    while !stop.is_cancelled() {
        if let Err(error) = look(state, &mut walk).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "end requests to reveal; will try again"
            );
            state.metrics.retries.with_label_values(&["reveal"]).inc();
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Ends what nobody answered in time, and forgets what was revealed long enough ago.
async fn look(state: &State, walk: &mut Walk) -> sqlx::Result<()> {
    let ids = state
        .store
        .overdue_reveals(&walk.after, state.now(), LOOK_MAX)
        .await?;
    for id in &ids {
        match end(state, id).await {
            Ok(()) => {}
            Err(Refusal::Store(error)) if !is_refused(&error) => return Err(error),
            Err(Refusal::Store(_)) => match empty(state, id).await {
                Err(error) if !is_refused(&error) => return Err(error),
                _ => walk.pass_over(state, id),
            },
            // It can be read: nothing of it is said to be otherwise.
            Err(_) => walk.pass_over(state, id),
        }
    }
    walk.behind(ids.last(), ids.len(), LOOK_MAX);
    Ok(())
}

async fn end(state: &State, id: &str) -> Result<(), Refusal> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    // Read again: it may have been answered since.
    let Some(mut reveal) = Store::reveal_in(&mut write, id).await? else {
        return Ok(());
    };
    let step = if reveal.state.is_open() && reveal.ends_at <= now {
        RevealStep::Expire
    } else if reveal.forget_at.is_some_and(|at| at <= now) {
        (reveal.revealed, reveal.forget_at) = (None, None);
        RevealStep::Forget
    } else {
        return Ok(());
    };
    move_on(&mut reveal, step)?;
    note(state, &mut write, &mut reveal, &Actor::Varde, step, "").await?;
    Ok(state.store.commit(write).await?)
}

/// Forgets what was revealed by a request that can't be read otherwise.
async fn empty(state: &State, id: &str) -> sqlx::Result<()> {
    let now = state.now();
    let mut write = state.store.begin().await?;
    if !Store::forget_unread(&mut write, id, now).await? {
        return Ok(());
    }
    let step = StoredStep {
        at: now,
        who: Actor::Varde.name().to_owned(),
        account: None,
        step: RevealStep::Forget,
        note: String::new(),
    };
    Store::add_reveal_step(&mut write, id, &step).await?;
    let action = format!("reveal.{}", step.step);
    let deed = Deed::by(&Actor::Varde, now, &action, format!("reveal/{id}"));
    Store::audit(&mut write, deed.after(Some(&json!({ "unreadable": true })))).await?;
    state.store.commit(write).await?;
    state
        .metrics
        .reveals
        .with_label_values(&[step.step.as_str()])
        .inc();
    Ok(())
}
