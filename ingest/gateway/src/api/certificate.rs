//! Certificates: a stranger with a code gets into the waiting room, who was approved gets a certificate, and later
//! another with nothing but its key.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use ingest_event::Timestamp;
use ingest_trust::authority::SENSOR_VALIDITY;
use ingest_trust::code::digest_of;
use ingest_trust::registry::{Asked, Entry, Issued, Known, Place, WAITING_MAX, WORDS_MAX};
use ingest_trust::wire::{Ask, Certified, Reason, Wait};
use ingest_trust::{Registry, Request};

use super::{Gateway, Refusal, read_json, words};
use crate::door::Peer;

/// A key gets one certificate in this time.
const ISSUE_INTERVAL: Duration = Duration::from_secs(60);

/// When who waits asks again, seconds: a person needs longer, and wants to see it work soon after.
const WAIT_SECS: u64 = 20;

/// When who knocked too often asks again, seconds.
const KNOCK_SECS: u64 = 60;

/// What becomes of a request.
enum Decision {
    Issue(Known),
    Wait,
    /// A new one, under a code's digest.
    Enter(String),
}

pub(super) async fn authority(State(gateway): State<Arc<Gateway>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/x-pem-file")];
    (kind, gateway.authority_pem.clone()).into_response()
}

pub(super) async fn ask(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Response {
    gateway.answer(answer(&gateway, &peer, body).await)
}

async fn answer(gateway: &Gateway, peer: &Peer, body: Body) -> Result<Response, Refusal> {
    if !gateway.knocks.may(peer.address, (gateway.clock)()) {
        return Err(Refusal::busy("too many requests from this address", KNOCK_SECS));
    }
    let ask: Ask = read_json(body, Reason::Request).await?;
    let request =
        Request::parse(&ask.request).map_err(|error| Refusal::new(Reason::Request, error.to_string()))?;
    let mut decided = decide(gateway, &ask, &request);
    if let Err(refusal) = &decided
        && refusal.refused.reason == Reason::Code
        && ask.secret.is_some()
    {
        let looked = gateway
            .roster
            .look_for_code(&gateway.bus, (gateway.clock)())
            .await;
        looked.map_err(|error| {
            tracing::warn!(%error, "who is who can't be read");
            Refusal::away()
        })?;
        decided = decide(gateway, &ask, &request);
    }
    match decided? {
        Decision::Issue(known) => issue(gateway, &request, &known).await,
        Decision::Wait => Ok(wait(&request)),
        Decision::Enter(_) => enter(gateway, &ask, &request).await,
    }
}

fn decide(gateway: &Gateway, ask: &Ask, request: &Request) -> Result<Decision, Refusal> {
    let now = (gateway.clock)();
    let decided = gateway
        .roster
        .ask(now, |registry| decision(registry, ask, request, now));
    decided.unwrap_or_else(|| Err(Refusal::away()))
}

fn decision(registry: &Registry, ask: &Ask, request: &Request, now: Timestamp) -> Result<Decision, Refusal> {
    match registry.place(request.fingerprint()) {
        Place::Known(known) => Ok(Decision::Issue(known.clone())),
        Place::Waiting(_) => Ok(Decision::Wait),
        Place::Revoked(_) => Err(Refusal::new(Reason::Revoked, "the sensor is let in no more")),
        Place::Refused => Err(Refusal::new(
            Reason::Denied,
            "the centre turned this key down, or another took its place",
        )),
        Place::Unknown => {
            let digest = ask.secret.as_deref().map(digest_of).unwrap_or_default();
            if !registry.opens(&digest, request.fingerprint(), now) {
                return Err(Refusal::new(
                    Reason::Code,
                    "the code is wrong, older than an hour, or was used by another sensor; ask the centre for a new one",
                ));
            }
            if WAITING_MAX <= registry.waiting().len() {
                return Err(Refusal::busy("too many sensors wait to be approved", KNOCK_SECS));
            }
            Ok(Decision::Enter(digest))
        }
    }
}

/// Lets a stranger into the waiting room. Decided again in its turn: of two who show one code, one is first.
async fn enter(gateway: &Gateway, ask: &Ask, request: &Request) -> Result<Response, Refusal> {
    let turn = gateway.roster.turn().await.map_err(|error| unwritten(&error))?;
    let digest = match decide(gateway, ask, request)? {
        Decision::Enter(digest) => digest,
        Decision::Wait | Decision::Issue(_) => return Ok(wait(request)),
    };
    let asked = Asked {
        fingerprint: request.fingerprint().clone(),
        code: digest,
        at: (gateway.clock)().as_nanos(),
        host: words(&ask.host, WORDS_MAX),
        program: words(&ask.program, WORDS_MAX),
    };
    turn.write(&gateway.producer, Entry::Asked(asked))
        .await
        .map_err(|error| unwritten(&error))?;
    tracing::info!(
        fingerprint = request.fingerprint().spoken(),
        "a sensor waits to be approved: `varde sensors list`"
    );
    Ok(wait(request))
}

async fn issue(gateway: &Gateway, request: &Request, known: &Known) -> Result<Response, Refusal> {
    let now = (gateway.clock)();
    let fingerprint = request.fingerprint();
    {
        let mut issued = gateway.issued.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that went back would keep a key out until it is there again.
        issued.retain(|_, at| *at <= now && now.since(*at) < ISSUE_INTERVAL);
        if issued.contains_key(fingerprint) {
            let detail = "this key got a certificate less than a minute ago";
            return Err(Refusal::busy(detail, ISSUE_INTERVAL.as_secs()));
        }
        issued.insert(fingerprint.clone(), now);
    }
    let issued = certify(gateway, request, known, now).await;
    if issued.is_err() {
        let mut issued = gateway.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.remove(fingerprint);
    }
    issued
}

async fn certify(
    gateway: &Gateway,
    request: &Request,
    known: &Known,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let subject = known.subject().ok_or_else(|| {
        Refusal::new(
            Reason::Denied,
            "the centre knows this key under a name that is none",
        )
    })?;
    let certificate = gateway
        .authority
        .issue(request, &subject, now, SENSOR_VALIDITY)
        .map_err(|error| {
            tracing::error!(
                error = format!("{:#}", anyhow::Error::new(error)),
                "issue a certificate"
            );
            Refusal::new(Reason::Away, "the certificate can't be made; try again")
        })?;
    let entry = Entry::Issued(Issued {
        sensor: known.sensor.clone(),
        fingerprint: request.fingerprint().clone(),
        until: now.saturating_add(SENSOR_VALIDITY).as_nanos(),
    });
    let turn = gateway.roster.turn().await.map_err(|error| unwritten(&error))?;
    turn.write(&gateway.producer, entry)
        .await
        .map_err(|error| unwritten(&error))?;
    gateway.metrics.certificates_issued.inc();
    let certified = Certified {
        certificate,
        authority: gateway.authority_pem.clone(),
        sensor: known.sensor.clone(),
        organization: known.organization.clone(),
        zone: known.zone,
        keys: gateway.bundle_keys.clone(),
    };
    Ok(Json(certified).into_response())
}

fn wait(request: &Request) -> Response {
    let wait = Wait {
        fingerprint: request.fingerprint().clone(),
        again_secs: WAIT_SECS,
    };
    (StatusCode::ACCEPTED, Json(wait)).into_response()
}

fn unwritten(error: &crate::roster::RosterError) -> Refusal {
    tracing::warn!(%error, "who is who can't be written");
    Refusal::away()
}
