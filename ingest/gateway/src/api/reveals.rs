//! What a sensor is asked of its pseudonyms, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ingest_bus::Record;
use ingest_trust::reveal::{ANSWER_BYTES_MAX, Answer, Answered};
use ingest_trust::wire::Reason;

use super::{Gateway, JSON_TIMEOUT, Refusal, read};
use crate::door::Peer;
use crate::topics;

/// How long the bus may take; then the sensor sends it again.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(25);

pub(super) async fn open(State(gateway): State<Arc<Gateway>>, Extension(peer): Extension<Peer>) -> Response {
    let answered = gateway.sensor(&peer).map(|subject| {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (kind, gateway.reveals.of(&subject, (gateway.clock)())).into_response()
    });
    gateway.answer(answered)
}

pub(super) async fn answer(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Response {
    gateway.answer(take(&gateway, &peer, body).await)
}

async fn take(gateway: &Gateway, peer: &Peer, body: Body) -> Result<Response, Refusal> {
    gateway.sensor(peer)?;
    let body = read(&mut body.into_data_stream(), ANSWER_BYTES_MAX, JSON_TIMEOUT).await?;
    let answer = Answer::parse(&body).map_err(|error| Refusal::new(Reason::Body, error.to_string()))?;
    // Who was revoked while the body came answers nothing any more.
    let subject = gateway.sensor(peer)?;
    if !gateway.reveals.asked(&subject, &answer, (gateway.clock)()) {
        tracing::warn!(
            sensor = subject.sensor.as_str(),
            "a sensor answers what it is not asked; it is refused"
        );
        return Err(Refusal::new(
            Reason::Forbidden,
            "nobody asks this sensor that, or no longer",
        ));
    }
    let spec = topics::revealed(subject.organization).map_err(|_| Refusal::away())?;
    let key = answer.id.clone();
    let answered = Answered {
        sensor: subject.sensor.as_str().to_owned(),
        answer,
    };
    let value = serde_json::to_vec(&answered).map_err(|_| Refusal::away())?;
    let (bus, producer) = (gateway.bus.clone(), gateway.producer.clone());
    // A task of its own: it goes on also where the sensor goes away, and the service waits for it at its end.
    let write = gateway.writes.spawn(async move {
        bus.ensure_topics(std::slice::from_ref(&spec)).await?;
        let published = producer
            .publish(&spec.topic, vec![Record::new(value).with_key(key)])
            .await;
        published.map(drop).map_err(anyhow::Error::new)
    });
    match tokio::time::timeout(PUBLISH_TIMEOUT, write).await {
        Ok(Ok(Ok(()))) => {
            gateway.metrics.records.with_label_values(&["reveals"]).inc();
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Ok(Ok(Err(error))) => {
            tracing::warn!(error = format!("{error:#}"), "an answer is not published");
            Err(Refusal::away())
        }
        Ok(Err(_)) | Err(_) => Err(Refusal::away()),
    }
}
