//! What other instances commit to a shared PostgreSQL: they say so, and in case that is missed it is looked for.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgListener;
use tokio::{sync::watch, task::JoinHandle};

use super::Store;
use crate::config::PostgresUrl;

/// Under this name instances tell each other; PostgreSQL keeps those of different databases apart.
pub(super) const CHANNEL: &str = "varde_alerting";
/// What is missed while a connection is made anew is found after this.
const LOOK: Duration = Duration::from_secs(3);

/// Ends the task when the last store that shares it goes.
#[derive(Debug)]
pub(super) struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Marks `changes` and `elsewhere` whenever another instance committed something.
pub(super) fn listen(store: &Store, url: PostgresUrl, elsewhere: watch::Sender<u64>) -> Arc<Listening> {
    // Not the store itself, which would keep its own task alive.
    let (me, reader, changes) = (store.me.clone(), store.reader.clone(), store.changes.clone());
    let ring = move || {
        changes.send_modify(|changes| *changes = changes.wrapping_add(1));
        elsewhere.send_modify(|changes| *changes = changes.wrapping_add(1));
    };
    Arc::new(Listening(tokio::spawn(async move {
        let mut seen = i64::MIN;
        let mut listener: Option<PgListener> = None;
        loop {
            if listener.is_none() {
                listener = open(&url).await;
            }
            let heard = async {
                match &mut listener {
                    Some(listener) => listener.try_recv().await,
                    None => std::future::pending().await,
                }
            };
            match tokio::time::timeout(LOOK, heard).await {
                Ok(Ok(Some(said))) => {
                    if said.payload() != me {
                        ring();
                    }
                }
                // What was said meanwhile was not heard.
                Ok(Ok(None)) => ring(),
                Ok(Err(_)) => listener = None,
                Err(_) => {
                    // Whether it is away is told by those who need it.
                    if let Ok(change) = super::incidents::last_change(&reader).await {
                        if seen < change {
                            ring();
                        }
                        seen = change;
                    }
                }
            }
        }
    })))
}

async fn open(url: &PostgresUrl) -> Option<PgListener> {
    let mut listener = PgListener::connect(url.reveal()).await.ok()?;
    listener.listen(CHANNEL).await.ok()?;
    Some(listener)
}
