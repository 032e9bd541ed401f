//! What can't be applied is put aside, counted and kept, and holds up nothing else.

use ingest_bus::{Batch, Position};
use tokio_util::sync::CancellationToken;

use super::{SILENCES_LOOK_BACK, Tally, apply_alert, apply_until_stored, count};
use crate::{
    audit::Deed,
    state::State,
    store::{Aside, Store, is_refused},
};

/// The reason of what the store refuses, beside those of what is no alert.
pub(crate) const REFUSED_BY_STORE: &str = "store";

/// Applies the records of a batch in transactions of their own, in order: only the one that the store refuses is put aside. `None`
/// if the service stops first.
pub(super) async fn apply_one_by_one(
    state: &State,
    batch: &Batch,
    shutdown: &CancellationToken,
) -> Option<Vec<Position>> {
    let mut positions: Vec<Position> = Vec::new();
    for delivery in &batch.deliveries {
        let alone = Batch {
            deliveries: vec![delivery.clone()],
            ..Batch::default()
        };
        for next in Box::pin(apply_until_stored(state, &alone, shutdown)).await? {
            positions.retain(|known| (&known.topic, known.partition) != (&next.topic, next.partition));
            positions.push(next);
        }
    }
    Some(positions)
}

/// Puts the only record of a batch aside; the position behind it if it is kept.
pub(super) async fn put_last(state: &State, batch: &Batch, refusal: &sqlx::Error) -> Option<Position> {
    match keep(state, batch, refusal).await {
        Ok(next) => next,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "put a refused alert aside; will try again"
            );
            None
        }
    }
}

async fn keep(state: &State, batch: &Batch, refusal: &sqlx::Error) -> sqlx::Result<Option<Position>> {
    let [delivery] = batch.deliveries.as_slice() else {
        return Ok(None);
    };
    let place = &delivery.position;
    let mut write = state.store.begin().await?;
    let detail = refusal.to_string();
    // An alert is never let go unseen: it is waited for until there is a place.
    let kept = (Store::count_aside(&mut write).await?, state.now());
    if !Store::put_aside(&mut write, delivery, REFUSED_BY_STORE, &detail, kept).await? {
        state.metrics.aside_full.with_label_values(&["held_up"]).inc();
        tracing::error!(
            topic = %place.topic, partition = place.partition, offset = place.offset,
            "no place is left for an alert that the store refuses, and none behind it is applied; see `GET /api/v1/aside`"
        );
        return Ok(None);
    }
    let next = Position {
        offset: place.offset + 1,
        ..place.clone()
    };
    Store::save_position(&mut write, &next).await?;
    state.store.commit(write).await?;
    let refused = &state.metrics.alerts_refused;
    refused.with_label_values(&[REFUSED_BY_STORE]).inc();
    tracing::error!(
        topic = %place.topic, partition = place.partition, offset = place.offset,
        "put aside an alert that the store refuses; see `GET /api/v1/aside`"
    );
    Ok(Some(next))
}

/// What came of a record that was tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It was applied, or had been, and is no longer kept.
    Applied,
    /// It is kept on: it is no alert, or the store refuses it still.
    Refused(String),
    /// There is none with this name.
    Unknown,
}

/// Tries a record again that was put aside: after an update, or when the store was mended.
///
/// # Errors
/// If the store is away.
pub(crate) async fn apply_again(state: &State, id: &str, deed: Deed) -> sqlx::Result<Again> {
    let mut write = state.store.begin().await?;
    let Some(kept) = Store::take_aside(&mut write, id).await? else {
        return Ok(Again::Unknown);
    };
    let Some(record) = &kept.record else {
        return Ok(Again::Refused(
            "only its place is kept, not the record: look on the bus".to_owned(),
        ));
    };
    let alert = match detect_alert::decode(record) {
        Ok(alert) => alert,
        Err(error) => return Ok(Again::Refused(error.to_string())),
    };
    let lately = state.now().saturating_sub(SILENCES_LOOK_BACK);
    let silences = Store::silences_in(&mut write, lately).await?;
    let mut tally = Tally::default();
    let applied = apply_alert(state, &mut write, alert, kept.appended_ms, &silences, &mut tally).await;
    let applied = match applied {
        Ok(()) => tally.grown.write(state, &mut write).await,
        refused => refused,
    };
    match applied {
        Err(error) if is_refused(&error) => return Ok(Again::Refused(error.to_string())),
        applied => applied?,
    }
    Store::audit(&mut write, deed.before(Some(&place(&kept)))).await?;
    state.store.commit(write).await?;
    count(state, &tally);
    Ok(Again::Applied)
}

/// Where a record lies on the bus and why it was put aside, as the audit log notes it.
pub(crate) fn place(kept: &Aside) -> serde_json::Value {
    serde_json::json!({
        "topic": kept.topic, "partition": kept.partition, "offset": kept.place, "reason": kept.reason,
    })
}
