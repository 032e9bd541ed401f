//! What is noted of logins and grants: an entry of the audit log, in the transaction that does it. Names stand there, never in
//! the log of the service.

use ingest_event::Timestamp;
use serde_json::{Value, json};

use crate::{
    audit::Deed,
    store::{Store, Write},
};

/// Notes that whose account this is did a thing.
///
/// # Errors
/// If the store is away.
pub(crate) async fn note_of(
    write: &mut Write,
    at: Timestamp,
    (account, name): (&str, &str),
    action: &'static str,
    subject: &str,
) -> sqlx::Result<()> {
    noted(write, at, (name, Some(account)), action, subject, None).await
}

/// Notes that someone did a thing to an account: by its id too, since two may be called the same.
///
/// # Errors
/// If the store is away.
pub(crate) async fn note_about(
    write: &mut Write,
    at: Timestamp,
    actor: &str,
    action: &'static str,
    (account, subject): (&str, &str),
) -> sqlx::Result<()> {
    let after = json!({ "account": account });
    noted(write, at, (actor, None), action, subject, Some(&after)).await
}

async fn noted(
    write: &mut Write,
    at: Timestamp,
    (actor, account): (&str, Option<&str>),
    action: &'static str,
    subject: &str,
    after: Option<&Value>,
) -> sqlx::Result<()> {
    let deed = Deed {
        at,
        actor: actor.to_owned(),
        account: account.map(str::to_owned),
        action: action.to_owned(),
        subject: subject.to_owned(),
        before: None,
        after: None,
    };
    Store::audit(write, deed.after(after)).await.map(|_| ())
}
