//! The requests of `docs/gateway.md`: who may ask what, and answers that say why not.

mod certificate;
mod control;
mod records;

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
use crate::room::Room;
use crate::roster::Roster;

/// Bytes of a body that is JSON: a request for a certificate, a status.
const JSON_BYTES_MAX: usize = 16 << 10;

/// How long such a body may take.
const JSON_TIMEOUT: Duration = Duration::from_secs(10);

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

/// Reads a body up to a size and for a time.
async fn read(stream: &mut BodyDataStream, bytes_max: usize, timeout: Duration) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    let all = async {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Refusal::new(Reason::Body, "the body did not come whole"))?;
            if bytes_max < body.len() + chunk.len() {
                let detail = format!("the body is too large; {bytes_max} bytes are the most");
                return Err(Refusal::new(Reason::Body, detail));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    tokio::time::timeout(timeout, all)
        .await
        .unwrap_or_else(|_| Err(Refusal::new(Reason::Body, "the body took too long")))?;
    Ok(body)
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
