//! What is noted of logins and grants: an entry of the audit log, in the transaction that does it. Names stand there, never in
//! the log of the service.

use ingest_event::Timestamp;

use crate::{
    audit::Deed,
    store::{Store, Write},
};

/// Notes that someone did a thing to something.
///
/// # Errors
/// If the store is away.
pub(crate) async fn note(
    write: &mut Write,
    at: Timestamp,
    actor: &str,
    action: &'static str,
    subject: &str,
) -> sqlx::Result<()> {
    let deed = Deed {
        at,
        actor: actor.to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        before: None,
        after: None,
    };
    Store::audit(write, deed).await.map(|_| ())
}
