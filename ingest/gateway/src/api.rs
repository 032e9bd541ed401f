//! The requests of `docs/gateway.md`: who may ask what, and answers that say why not.

mod certificate;
mod control;
mod records;
mod reveals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use ingest_bus::{Bus, Producer};
use ingest_event::{OrganizationNumber, Timestamp};
use ingest_trust::registry::Place;
use ingest_trust::signing::VerifyingKey;
use ingest_trust::wire::{Reason, Refused};
use ingest_trust::{Authority, Fingerprint, Subject};
use tokio_util::task::TaskTracker;

use crate::bundles::Bundles;
use crate::clock::Clock;
use crate::door::Peer;
use crate::knocks::Knocks;
use crate::metrics::Metrics;
use crate::reveals::Reveals;
use crate::room::Room;
use crate::roster::Roster;
use crate::under_way::UnderWay;

/// Bytes of a body that is JSON: a request for a certificate, a status.
const JSON_BYTES_MAX: usize = 16 << 10;

/// How long such a body may take.
const JSON_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a body that have to come within its timeout, again and again: a line that is slower brings nothing.
const STEP_BYTES: usize = 64 << 10;

/// When to come again if there was no room, seconds.
const AGAIN_SECS: u64 = 2;

/// What all requests share.
pub struct Gateway {
    /// Where topics are.
    pub bus: Bus,
    /// Writes records.
    pub producer: Producer,
    /// Tells the time.
    pub clock: Clock,
    /// Signs certificates.
    pub authority: Authority,
    /// Its certificate.
    pub authority_pem: String,
    /// What new sensors are told to believe.
    pub bundle_keys: Vec<VerifyingKey>,
    /// Who is who.
    pub roster: Roster,
    /// What sensors are to run.
    pub bundles: Bundles,
    /// What sensors are asked.
    pub reveals: Reveals,
    /// Bytes under way.
    pub room: Room,
    /// How often strangers ask.
    pub knocks: Knocks,
    /// When a key last got a certificate, of the last minute.
    pub issued: Mutex<BTreeMap<Fingerprint, Timestamp>>,
    /// Whether the gateway's own topics are there.
    pub is_made: AtomicBool,
    /// Organisations whose topics are there.
    pub ensured: Mutex<BTreeSet<OrganizationNumber>>,
    /// Writes under way, also of requests whose sender went away.
    pub writes: TaskTracker,
    /// Whose writes these are.
    pub under_way: UnderWay,
    /// What is counted.
    pub metrics: Metrics,
}

/// A request that is not done.
struct Refusal {
    status: StatusCode,
    refused: Refused,
    /// When to come again, seconds.
    after: Option<u64>,
}

/// All requests.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/authority", get(certificate::authority))
        .route("/v1/certificate", post(certificate::ask))
        .route("/v1/records/{stream}", post(records::take))
        .route("/v1/control", get(control::newest))
        .route("/v1/parts/{digest}", get(control::part))
        .route("/v1/status", post(control::status))
        .route("/v1/reveals", get(reveals::open).post(reveals::answer))
        .with_state(gateway)
}

impl Gateway {
    /// Which sensor asks, if the centre still lets it in.
    fn sensor(&self, peer: &Peer) -> Result<Subject, Refusal> {
        let certificate = |detail| Refusal::new(Reason::Certificate, detail);
        let identity = peer
            .identity
            .as_ref()
            .ok_or_else(|| certificate("this needs a sensor's certificate; enrol the sensor"))?;
        let now = (self.clock)();
        if identity.until < now {
            return Err(certificate("the certificate is out of date; ask for a new one"));
        }
        let place = self
            .roster
            .ask(now, |registry| match registry.place(&identity.fingerprint) {
                Place::Known(known) if known.subject().as_ref() == Some(&identity.subject) => Ok(()),
                Place::Known(_) => Err(certificate(
                    "the centre knows this key under another name; ask for a new certificate",
                )),
                Place::Revoked(_) => Err(Refusal::new(Reason::Revoked, "the sensor is let in no more")),
                Place::Refused => Err(Refusal::new(Reason::Denied, "another key took this one's place")),
                Place::Unknown | Place::Waiting(_) => Err(certificate(
                    "the centre does not know this key; enrol the sensor again",
                )),
            });
        place.unwrap_or_else(|| Err(Refusal::away()))?;
        Ok(identity.subject.clone())
    }

    /// The response; what is refused is counted.
    fn answer(&self, answered: Result<Response, Refusal>) -> Response {
        answered.unwrap_or_else(|refusal| {
            self.metrics.refuse(refusal.refused.reason);
            tracing::debug!(reason = ?refusal.refused.reason, detail = refusal.refused.detail, "refused");
            refusal.response()
        })
    }
}

impl Refusal {
    fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let status = match reason {
            Reason::Request | Reason::Body => StatusCode::BAD_REQUEST,
            Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::Busy => StatusCode::TOO_MANY_REQUESTS,
            Reason::Away => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Code | Reason::Denied | Reason::Revoked | Reason::Certificate | Reason::Forbidden => {
                StatusCode::FORBIDDEN
            }
        };
        Self {
            status,
            refused: Refused {
                reason,
                detail: detail.into(),
                record: None,
                record_bytes_max: None,
            },
            after: None,
        }
    }

    fn away() -> Self {
        Self::new(Reason::Away, "the bus is away; try again").after(AGAIN_SECS)
    }

    fn busy(detail: &str, after: u64) -> Self {
        Self::new(Reason::Busy, detail).after(after)
    }

    /// A line that did not bring the body: nothing is wrong with what was sent.
    fn slow(detail: &str) -> Self {
        let mut refusal = Self::busy(detail, AGAIN_SECS);
        refusal.status = StatusCode::REQUEST_TIMEOUT;
        refusal
    }

    fn after(mut self, seconds: u64) -> Self {
        self.after = Some(seconds);
        self
    }

    fn response(self) -> Response {
        let mut response = (self.status, Json(self.refused)).into_response();
        if let Some(seconds) = self.after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Reads a body up to a size, as long as each [`STEP_BYTES`] of it, and what is left, come within `timeout`.
async fn read(stream: &mut BodyDataStream, bytes_max: usize, timeout: Duration) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    loop {
        let step = body.len() + STEP_BYTES;
        let more = async {
            while body.len() < step {
                let Some(chunk) = stream.next().await else {
                    return Ok(false);
                };
                let chunk = chunk.map_err(|_| Refusal::slow("the body did not come whole; send it again"))?;
                if bytes_max < body.len() + chunk.len() {
                    let detail = format!("the body is too large; {bytes_max} bytes are the most");
                    return Err(Refusal::new(Reason::Body, detail));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(true)
        };
        let more = tokio::time::timeout(timeout, more).await;
        if !more.unwrap_or_else(|_| Err(Refusal::slow("the body comes too slowly; send less at once")))? {
            return Ok(body);
        }
    }
}

/// Reads a body that is JSON.
async fn read_json<T: serde::de::DeserializeOwned>(body: Body, reason: Reason) -> Result<T, Refusal> {
    let body = read(&mut body.into_data_stream(), JSON_BYTES_MAX, JSON_TIMEOUT).await?;
    serde_json::from_slice(&body).map_err(|error| Refusal::new(reason, error.to_string()))
}

/// What a sensor says of itself, fit for a table and bounded.
fn words(text: &str, most: usize) -> String {
    let kept = text.chars().take(most);
    kept.map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// What comes of a body of so many chunks with a pause before each, in a time that does not pass by itself.
    async fn body(chunks: usize, chunk_bytes: usize, pause: Duration) -> Result<usize, (u16, Reason)> {
        let chunks = stream::iter(0..chunks).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(vec![0_u8; chunk_bytes])
        });
        let mut body = Body::from_stream(chunks).into_data_stream();
        let read = read(&mut body, 1 << 20, Duration::from_secs(60)).await;
        let refused = |refusal: Refusal| (refusal.status.as_u16(), refusal.refused.reason);
        read.map(|body| body.len()).map_err(refused)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_taken_and_one_that_does_not_move_is_told_to_come_again() {
        let pause = Duration::from_secs(40);
        assert_eq!(
            body(10, STEP_BYTES, pause).await,
            Ok(10 * STEP_BYTES),
            "400 seconds"
        );
        assert_eq!(
            body(10, 1, pause).await,
            Err((408, Reason::Busy)),
            "a byte now and then"
        );
        assert_eq!(body(1, 1, 2 * pause).await, Err((408, Reason::Busy)), "nothing");
        assert_eq!(
            body(20, STEP_BYTES, pause).await,
            Err((400, Reason::Body)),
            "too large"
        );
    }

    #[tokio::test]
    async fn a_body_that_was_cut_off_is_told_to_come_again() {
        let cut = [Ok(vec![0_u8]), Err(std::io::Error::other("gone"))];
        let mut cut = Body::from_stream(stream::iter(cut)).into_data_stream();
        let refusal = read(&mut cut, 10, JSON_TIMEOUT).await.expect_err("not whole");
        assert_eq!(refusal.refused.reason, Reason::Busy);
    }
}
