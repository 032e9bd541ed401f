//! Letters: mails that are not about one incident. Digests are put together here when their day has come, what is held for its group when its
//! time has; the duty officer is told
//! of what was given up, contacts are asked whether they are still right; and all of these leave here.
//!
//! What is put together is put together in one transaction and named for what it is about, so that instances and restarts
//! make one of it. Letters leave beside notifications, never before them.

mod check;
mod digest;
mod group;
mod hygiene;
mod leave;
mod owner;

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use alerting_incident::{Gathering, Grouping, calendar::Calendar};
use ingest_event::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use check::contacts;
pub(crate) use group::hold;
pub(crate) use hygiene::{not_me, refused};

use crate::{
    channel::Email,
    config::{Config, RetrySettings},
    state::State,
};

/// Between two looks; a digest that leaves a second late is on time.
const LOOK: Duration = Duration::from_secs(1);

/// What letters go by.
#[derive(Debug)]
pub(crate) struct Post {
    /// What is gathered.
    pub(crate) gathering: Gathering,
    /// What waits for others of its group.
    pub(crate) grouping: Grouping,
    /// When what is gathered leaves.
    pub(crate) calendar: Calendar,
    /// Mails to an address that come back before it is switched off.
    pub(crate) disable_after: i64,
    /// When contacts were last looked at, in nanoseconds since 1970.
    pub(crate) asked_at: AtomicI64,
    /// Rings when there is a letter.
    pub(crate) bell: Notify,
}

impl Post {
    /// As configured.
    ///
    /// # Errors
    /// If a value can't be: which [`Config::check`] refuses.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let (gathering, calendar) = config
            .digest
            .read()
            .map_err(|(key, mend)| anyhow::anyhow!("use `{key}`: {mend}"))?;
        let bounces = config.mail.as_ref().map(|mail| mail.bounces.disable_after);
        let grouping = config
            .grouping
            .read()
            .map_err(|(key, mend)| anyhow::anyhow!("use `{key}`: {mend}"))?;
        Ok(Self {
            gathering,
            grouping,
            calendar,
            disable_after: i64::from(bounces.unwrap_or(u32::MAX)),
            asked_at: AtomicI64::new(i64::MIN),
            bell: Notify::new(),
        })
    }
}

/// Runs until `shutdown`; what is under way then is finished first.
pub(crate) async fn run(
    state: Arc<State>,
    email: Option<Arc<Email>>,
    retry: RetrySettings,
    shutdown: CancellationToken,
) {
    // A receiver that takes its time holds up nothing that is to be put together.
    let write = async {
        while !shutdown.is_cancelled() {
            told_of(&state, put_together(&state).await);
            state.post.bell.notify_one();
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.cancelled() => {}
            }
        }
    };
    let send = async {
        while !shutdown.is_cancelled() {
            told_of(&state, leave::leave(&state, email.as_ref(), &retry).await);
            tokio::select! {
                () = state.post.bell.notified() => {}
                () = shutdown.cancelled() => {}
            }
        }
    };
    tokio::join!(write, send);
}

fn told_of(state: &State, done: sqlx::Result<()>) {
    if let Err(error) = done {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "look after letters; will try again"
        );
        state.metrics.retries.with_label_values(&["letters"]).inc();
    }
}

async fn put_together(state: &Arc<State>) -> sqlx::Result<()> {
    // What is amiss with one kind holds up no other.
    let done = [
        group::put_together(state).await,
        digest::put_together(state).await,
        hygiene::settle(state).await,
        hygiene::tell_of_given_up(state).await,
        check::ask(state).await,
    ];
    done.into_iter().collect()
}

/// A name for a letter, from what it is about.
fn named(parts: &[&str], at: Timestamp) -> String {
    let at = at.as_nanos().to_be_bytes();
    let mut all: Vec<&[u8]> = vec![b"letter", &at];
    all.extend(parts.iter().map(|part| part.as_bytes()));
    ingest_event::derive_id(&all)
}
