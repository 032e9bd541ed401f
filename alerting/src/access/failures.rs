//! Logins that failed, in the audit log: the first of a kind at once, those that follow it as one number when a quarter of an hour is
//! over. So whoever guesses, or mistypes, writes two entries at most in that time, however often they try.

use std::time::Duration;

use ingest_event::Timestamp;
use serde_json::json;

use crate::{
    audit::Deed,
    state::State,
    store::{Account, Store, Write},
};

/// What follows the first within this time is one number.
const GATHERED_FOR: Duration = Duration::from_mins(15);
/// Kinds that are summed up in one look.
const LOOK_MAX: u32 = 64;

/// Notes a failure: of an account that is there by its name, of others without (a password is typed into the wrong field now and then).
///
/// # Errors
/// If the store is away.
pub(super) async fn note_failure(
    write: &mut Write,
    account: Option<&Account>,
    action: &str,
    subject: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    let (id, name) = account.map_or(("", "unknown"), |account| (&account.id, &account.name));
    if 1 < Store::count_failure(write, (id, name), action, subject, now).await? {
        return Ok(());
    }
    let deed = deed((id, name), (action, subject), now);
    Store::audit(write, deed).await.map(drop)
}

/// Sums up what followed a first failure, once its time is over.
///
/// # Errors
/// If the store is away.
pub(crate) async fn sum_up(state: &State) -> sqlx::Result<()> {
    let now = state.now();
    let until = now.saturating_sub(GATHERED_FOR);
    if !state.store.has_failures(until, now).await? {
        return Ok(());
    }
    let mut write = state.store.begin().await?;
    for one in Store::take_failures(&mut write, until, now, LOOK_MAX).await? {
        // The first has its entry.
        if 1 < one.attempts {
            let after = json!({
                "more": one.attempts - 1, "since": one.since.to_string(), "until": one.last_at.to_string(),
            });
            let deed = deed((&one.account, &one.name), (&one.action, &one.subject), now);
            Store::audit(&mut write, deed.after(Some(&after))).await?;
        }
    }
    state.store.commit(write).await
}

fn deed((id, name): (&str, &str), (action, subject): (&str, &str), at: Timestamp) -> Deed {
    Deed {
        at,
        actor: name.to_owned(),
        account: (!id.is_empty()).then(|| id.to_owned()),
        action: action.to_owned(),
        subject: subject.to_owned(),
        before: None,
        after: None,
    }
}
