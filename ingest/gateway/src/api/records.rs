//! Records: from a sensor's request to its organisation's topic, and an answer when all of them are durable.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use ingest_bus::{ErrorClass, PublishError, Record, Topic, uplink};
use ingest_event::OrganizationNumber;
use ingest_trust::Subject;
use ingest_trust::wire::Reason;

use super::{AGAIN_SECS, Gateway, Refusal, read};
use crate::door::Peer;
use crate::room::{NoRoom, Share};
use crate::topics::{EVENT_BYTES_MAX, OfOrganization, QUARANTINE_BYTES_MAX};

/// How long each step of a body may take: 64 KiB over 10 kbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long what is left of a body that is refused is read, so that the sensor reads why.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the bus may take; then the sensor tries again, while the write goes on and keeps its room.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(25);

/// How long making topics may take.
const ENSURE_TIMEOUT: Duration = Duration::from_secs(20);

/// What a byte of unpacked body takes in memory: once as it was unpacked, once as records.
const COPIES: usize = 2;

/// Which of its organisation's topics a sensor writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Events,
    Quarantine,
}

pub(super) async fn take(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    Path(stream): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut body = body.into_data_stream();
    let taken = records(&gateway, &peer, &stream, &headers, &mut body).await;
    if taken.is_err() && peer.identity.is_some() {
        // Read to its end, or the sensor would be cut off while it sends and never read why.
        drain(&mut body).await;
    }
    gateway.answer(taken)
}

async fn records(
    gateway: &Gateway,
    peer: &Peer,
    stream: &str,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Result<Response, Refusal> {
    let subject = gateway.sensor(peer)?;
    let stream = match stream {
        "events" => Stream::Events,
        "quarantine" => Stream::Quarantine,
        _ => {
            return Err(Refusal::new(
                Reason::Forbidden,
                "records are `events` or `quarantine`",
            ));
        }
    };
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .filter(|length| *length <= uplink::BODY_BYTES_MAX)
        .ok_or_else(|| {
            let detail = format!("say the body's length, at most {} bytes", uplink::BODY_BYTES_MAX);
            Refusal::new(Reason::Body, detail)
        })?;
    let mut share = gateway.room.take(subject.organization, length).map_err(no_room)?;
    let packed = read(body, length, BODY_TIMEOUT).await?;
    let unread = |error: uplink::CodecError| Refusal::new(Reason::Body, error.to_string());
    let bytes = uplink::raw_bytes(&packed).map_err(unread)?;
    share.grow(COPIES * bytes).map_err(no_room)?;
    let records = tokio::task::spawn_blocking(move || uplink::decode(&packed))
        .await
        .map_err(|_| Refusal::away())?
        .map_err(unread)?;
    check(&records, stream, &subject)?;
    // Who was revoked while the body came writes nothing any more.
    gateway.sensor(peer)?;
    publish(gateway, subject, stream, records, bytes, share).await
}

/// Whether a sensor may write these.
fn check(records: &[Record], stream: Stream, subject: &Subject) -> Result<(), Refusal> {
    let own = format!("{}/", subject.organization);
    for (index, record) in records.iter().enumerate() {
        let key = record.key.as_deref().unwrap_or_default();
        let is_own = key.starts_with(own.as_bytes())
            || stream == Stream::Quarantine && key == subject.sensor.as_str().as_bytes();
        if !is_own {
            let mut refusal = Refusal::new(Reason::Forbidden, "a record's key is not the organisation's");
            refusal.refused.record = Some(index);
            return Err(refusal);
        }
        let most = match stream {
            Stream::Events => EVENT_BYTES_MAX,
            Stream::Quarantine => QUARANTINE_BYTES_MAX,
        };
        if u32::try_from(record.bytes()).map_or(true, |bytes| most < bytes) {
            return Err(too_large(index, usize::try_from(most).unwrap_or(usize::MAX)));
        }
    }
    Ok(())
}

async fn publish(
    gateway: &Gateway,
    Subject { organization, sensor }: Subject,
    stream: Stream,
    records: Vec<Record>,
    bytes: usize,
    share: Share,
) -> Result<Response, Refusal> {
    if records.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let topic = ensured(gateway, organization, stream).await?;
    // A sensor sends one after the other: this is what it gave up waiting for and sends again. Or copies would pile up
    // for as long as the bus is slow.
    let turn = gateway.under_way.begin(sensor).ok_or_else(|| {
        Refusal::busy(
            "what the sensor sent before is still under way; try again",
            AGAIN_SECS,
        )
    })?;
    let (producer, count) = (gateway.producer.clone(), records.len() as u64);
    let to = topic.clone();
    // A task of its own: it keeps its room until the bus has answered, whoever still waits for it.
    let write = gateway.writes.spawn(async move {
        let published = producer.publish(&to, records).await;
        drop((share, turn));
        published
    });
    match tokio::time::timeout(PUBLISH_TIMEOUT, write).await {
        Ok(Ok(Ok(_))) => {
            let word = match stream {
                Stream::Events => "events",
                Stream::Quarantine => "quarantine",
            };
            gateway.metrics.records.with_label_values(&[word]).inc_by(count);
            gateway.metrics.record_bytes.inc_by(bytes as u64);
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Ok(Ok(Err(error))) => Err(unpublished(gateway, organization, error)),
        Ok(Err(_)) | Err(_) => Err(Refusal::away()),
    }
}

/// The topic, after making it if it was never seen.
async fn ensured(
    gateway: &Gateway,
    organization: OrganizationNumber,
    stream: Stream,
) -> Result<Topic, Refusal> {
    let topics = OfOrganization::of(organization).map_err(|_| Refusal::away())?;
    let is_there = {
        let ensured = gateway.ensured.lock().unwrap_or_else(PoisonError::into_inner);
        ensured.contains(&organization)
    };
    if !is_there {
        let specs = topics.specs();
        let made = tokio::time::timeout(ENSURE_TIMEOUT, gateway.bus.ensure_topics(&specs)).await;
        if let Ok(Err(error)) = &made {
            tracing::warn!(%error, "make an organisation's topics");
        }
        made.map_err(|_| Refusal::away())?.map_err(|_| Refusal::away())?;
        let mut ensured = gateway.ensured.lock().unwrap_or_else(PoisonError::into_inner);
        ensured.insert(organization);
    }
    Ok(match stream {
        Stream::Events => topics.events,
        Stream::Quarantine => topics.quarantine,
    })
}

fn unpublished(gateway: &Gateway, organization: OrganizationNumber, error: PublishError) -> Refusal {
    match error {
        PublishError::TooLarge { index, max, .. } => too_large(index, max),
        PublishError::KeyMissing { .. } => Refusal::new(Reason::Body, "a record has no key"),
        PublishError::Append { .. } if error.class() == ErrorClass::Poison => {
            Refusal::new(Reason::TooLarge, "the bus does not take one of the records")
        }
        PublishError::UnknownTopic { .. } | PublishError::Append { .. } => {
            // Somebody may have taken the topic away; it is made again.
            let mut ensured = gateway.ensured.lock().unwrap_or_else(PoisonError::into_inner);
            ensured.remove(&organization);
            drop(ensured);
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::new(error)),
                "records are not published"
            );
            Refusal::away()
        }
    }
}

fn too_large(index: usize, most: usize) -> Refusal {
    let mut refusal = Refusal::new(
        Reason::TooLarge,
        format!("record {index} is too large; {most} bytes are the most"),
    );
    refusal.refused.record = Some(index);
    refusal.refused.record_bytes_max = Some(most);
    refusal
}

fn no_room(why: NoRoom) -> Refusal {
    match why {
        NoRoom::Organization => Refusal::busy(
            "too much of this organisation is under way; try again",
            AGAIN_SECS,
        ),
        NoRoom::All => {
            let mut refusal = Refusal::busy("too much is under way; try again", AGAIN_SECS);
            refusal.status = StatusCode::SERVICE_UNAVAILABLE;
            refusal
        }
    }
}

/// Reads what is left of a body and keeps none of it.
async fn drain(body: &mut BodyDataStream) {
    let rest = async {
        let mut left = uplink::BODY_BYTES_MAX;
        while let Some(Ok(chunk)) = body.next().await {
            match left.checked_sub(chunk.len()) {
                Some(less) => left = less,
                None => break,
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
}

#[cfg(test)]
mod tests {
    use ingest_event::SensorId;

    use super::*;

    #[test]
    fn a_sensor_writes_under_its_own_organisation_and_within_bounds() {
        let subject = Subject {
            organization: OrganizationNumber::parse("964965226").expect("valid"),
            sensor: SensorId::parse("s1").expect("valid"),
        };
        let large = QUARANTINE_BYTES_MAX as usize;
        for (stream, key, bytes, expected) in [
            (Stream::Events, "964965226/10.0.0.1", 10, None),
            (Stream::Events, "964965226/", large, None),
            (Stream::Events, "958935420/10.0.0.1", 10, Some(Reason::Forbidden)),
            (Stream::Events, "964965226", 10, Some(Reason::Forbidden)),
            (Stream::Events, "s1", 10, Some(Reason::Forbidden)),
            (Stream::Events, "", 10, Some(Reason::Forbidden)),
            (Stream::Events, "964965226/x", 8 << 20, Some(Reason::TooLarge)),
            (Stream::Quarantine, "s1", 10, None),
            (Stream::Quarantine, "964965226/2001:db8::1", 10, None),
            (Stream::Quarantine, "s2", 10, Some(Reason::Forbidden)),
            (Stream::Quarantine, "s1", large, Some(Reason::TooLarge)),
        ] {
            let good = Record::new("v").with_key("964965226/x");
            let record = Record::new(vec![0; bytes]).with_key(key);
            let refused = check(&[good, record], stream, &subject).err();
            let said = refused.map(|refusal| (refusal.refused.reason, refusal.refused.record));
            assert_eq!(said, expected.map(|reason| (reason, Some(1))), "{stream:?} {key}");
        }
    }
}
