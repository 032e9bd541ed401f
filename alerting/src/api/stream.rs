//! Server-sent events: each incident as it changes, resumable by the number of its change.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{Api, places::Places, problem::Problem, view, who::Who};
use crate::store::Stored;

/// Open streams: a room of analysts with a few tabs each.
const STREAMS_MAX: usize = 64;
/// Sent in one go before looking again.
const LOOK_MAX: u32 = 100;
/// A comment at least this often, so that a proxy does not cut a quiet stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Of one account: a few tabs on a few machines. It takes eight accounts to shut others out.
const OF_ONE_MAX: usize = 8;

/// Places for streams.
#[derive(Debug)]
pub(crate) struct Streams {
    all: Arc<Semaphore>,
    /// How many each account holds.
    held: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(STREAMS_MAX)),
            held: Arc::default(),
        }
    }
}

/// A place, given back when the stream ends.
struct Place {
    account: Option<String>,
    held: Arc<Mutex<BTreeMap<String, usize>>>,
    _one: OwnedSemaphorePermit,
}

impl Streams {
    /// A place for whoever has this account. Where nobody logs in, all are one, and share all places.
    fn place(&self, account: Option<&str>) -> Result<Place, Problem> {
        let one = Arc::clone(&self.all).try_acquire_owned().map_err(|_| {
            let detail = "too many open streams; close some pages";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        })?;
        if let Some(account) = account {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let count = held.get(account).copied().unwrap_or_default();
            if OF_ONE_MAX <= count {
                let detail = format!("you have {OF_ONE_MAX} streams open; close some pages");
                return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail));
            }
            held.insert(account.to_owned(), count + 1);
        }
        Ok(Place {
            account: account.map(str::to_owned),
            held: Arc::clone(&self.held),
            _one: one,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(account) = &self.account else { return };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(account) {
            Some(count) if 1 < *count => *count -= 1,
            _ => drop(held.remove(account)),
        }
    }
}

struct Reader {
    api: Api,
    who: Who,
    last: i64,
    changes: watch::Receiver<u64>,
    waiting: std::vec::IntoIter<Stored>,
    _place: Place,
}

/// Sends each incident as it changes (server-sent events).
///
/// Each event is an `incident` with the incident as in the list as its data; a comment comes at least every 15 seconds. A stream that broke goes on
/// where `last-event-id` says, with what changed meanwhile; without it, with what changes from now on.
#[utoipa::path(get, path = "/api/v1/stream",
    params(("last-event-id" = Option<String>, Header, description = "the id of the last event that came")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 429, description = "too many streams of this account are open"),
        (status = 503, description = "the store is away, or too many streams are open"),
    ))]
pub(super) async fn stream(
    Shared(api): Shared<Api>,
    who: Who,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = api.streams.place(who.principal.account.as_deref())?;
    let changes = api.state.store.changes();
    let resume = headers
        .get("last-event-id")
        .and_then(|id| Places::of(&api.state, &who).read(id.to_str().ok()?));
    let last = match resume {
        Some(last) => last,
        None => api.state.store.last_change().await?,
    };
    let reader = Reader {
        api,
        who,
        last,
        changes,
        waiting: Vec::new().into_iter(),
        _place: place,
    };
    Ok(Sse::new(events(reader))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response())
}

fn events(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(reader, |mut reader| async move {
        loop {
            if let Some(stored) = reader.waiting.next() {
                reader.last = stored.change;
                let event = Event::default()
                    .event("incident")
                    .id(Places::of(&reader.api.state, &reader.who).write(stored.change))
                    .json_data(view::row(&reader.api.state, &stored))
                    .unwrap_or_default();
                return Some((Ok(event), reader));
            }
            reader.changes.mark_unchanged();
            // Anew each time: what was taken back, and who was logged out, hears nothing more.
            let state = &reader.api.state;
            reader.who = match Who::of(state, reader.who.credential.take()).await {
                Ok(Some(who)) => who,
                Ok(None) | Err(_) => return None,
            };
            let sees = reader.who.sees();
            match state.store.changed_since(&sees, reader.last, LOOK_MAX).await {
                Ok(changed) if changed.is_empty() => {}
                Ok(changed) => {
                    reader.waiting = changed.into_iter();
                    continue;
                }
                // The browser comes back with the last id.
                Err(_) => return None,
            }
            tokio::select! {
                woken = reader.changes.changed() => if woken.is_err() { return None },
                () = reader.api.shutdown.cancelled() => return None,
            }
        }
    })
}
