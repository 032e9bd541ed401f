//! What is noted of logins and grants: an entry of the audit log, in the transaction that does it. Names stand there, never in
//! the log of the service.

use alerting_incident::Actor;
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
    let actor = Actor::Analyst {
        name: actor.to_owned(),
    };
    Store::audit(write, Deed::by(&actor, at, action, subject)).await?;
    Ok(())
}
