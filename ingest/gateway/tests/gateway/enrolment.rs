//! From a code to a certificate, and to the next one.

use std::time::Duration;

use ingest_trust::registry::{Entry, Refusal};
use ingest_trust::wire::Certified;
use reqwest::StatusCode;

use crate::station::{Sensor, Station, believing, now, record, said, send, subject};

const HOUR: Duration = Duration::from_hours(1);

async fn enrols(station: &Station, listen: &str) {
    let good = station.code(now().saturating_add(HOUR)).await;
    let stale = station.code(now().saturating_sub(HOUR)).await;
    let [organization, _] = station.organizations();
    let sensor = Sensor::new(subject(&organization, &format!("new-{organization}")));
    let other = Sensor::new(subject(&organization, &format!("other-{organization}")));
    let gateway = station.gateway(listen);
    let stranger = believing(&station.authority).build().expect("a client");
    let pem = stranger.get(format!("{}/v1/authority", gateway.url()));
    let pem = pem.send().await.expect("answers").text().await.expect("text");
    assert_eq!(pem, station.authority.certificate_pem().expect("PEM"));

    let wrong = Some("00".repeat(10));
    for secret in [None, wrong, Some(stale.secret())] {
        let (status, said) = sensor.ask(&stranger, &gateway, secret.clone()).await;
        assert_eq!(
            (status, &said["reason"]),
            (StatusCode::FORBIDDEN, &"code".into()),
            "{secret:?}"
        );
    }
    let (status, wait) = sensor.ask(&stranger, &gateway, Some(good.secret())).await;
    let fingerprint = sensor.key.fingerprint().expect("a name");
    assert_eq!(
        (status, &wait["fingerprint"]),
        (StatusCode::ACCEPTED, &fingerprint.as_str().into())
    );
    // A code is for one sensor; who waits needs it no more.
    let (_, said_to_other) = other.ask(&stranger, &gateway, Some(good.secret())).await;
    assert_eq!(said_to_other["reason"], "code");
    assert_eq!(
        sensor.ask(&stranger, &gateway, None).await.0,
        StatusCode::ACCEPTED
    );

    gateway.until("ingest_gateway_sensors_waiting", 1).await;
    station.write(Entry::Known(station.known(&sensor))).await;
    gateway.until("ingest_gateway_sensors_waiting", 0).await;
    let (status, certified) = sensor.ask(&stranger, &gateway, None).await;
    assert_eq!(status, StatusCode::OK, "{certified}");
    let certified: Certified = serde_json::from_value(certified).expect("certified");
    assert_eq!(certified.organization, organization);
    assert_eq!(certified.keys, [station.signing.verifying().expect("a key")]);
    let client = sensor.client(&station.authority, &certified.certificate);
    let sent = send(&client, &gateway, "events", &[record(&organization, "hello")]).await;
    assert_eq!(sent.expect("answers").status(), StatusCode::NO_CONTENT);
    assert_eq!(
        station.all(&format!("varde.events.{organization}")).await.len(),
        1
    );
    let (status, again) = sensor.ask(&stranger, &gateway, None).await;
    assert_eq!(
        (status.as_u16(), &again["reason"]),
        (429, &"busy".into()),
        "one a minute"
    );
    assert_eq!(
        gateway.metric("ingest_gateway_certificates_issued_total").await,
        1
    );
    assert_eq!(
        gateway
            .metric("ingest_gateway_refused_total{reason=\"code\"}")
            .await,
        4
    );
}

#[tokio::test]
async fn a_sensor_gets_in_with_a_code_and_a_persons_word() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        enrols(&Station::new().await, listen).await;
    }
}

#[tokio::test]
async fn a_sensor_that_was_an_island_for_a_month_comes_back_with_its_key_alone() {
    let station = Station::new().await;
    let sensor = station.sensor("964965226", "island").await;
    let month = Duration::from_hours(30 * 24);
    let stale = station.certificate(&sensor, now().saturating_sub(month));
    sensor.keep(&station.authority, &stale);
    let gateway = station.gateway("127.0.0.1:0");
    let producer = sensor.bus(&gateway).await;
    let topic = ingest_bus::Topic::parse("varde.events.964965226").expect("a name");
    let event = || vec![record("964965226", "hello")];
    let error = producer.publish(&topic, event()).await.expect_err("out of date");
    assert_eq!(error.class(), ingest_bus::ErrorClass::Transient, "{error:?}");

    let stranger = believing(&station.authority).build().expect("a client");
    let (status, certified) = sensor.ask(&stranger, &gateway, None).await;
    assert_eq!(status, StatusCode::OK, "{certified}");
    let certificate = certified["certificate"].as_str().expect("PEM");
    sensor.keep(&station.authority, certificate);
    // The same producer: what was renewed is used without a restart.
    producer.publish(&topic, event()).await.expect("taken");
    assert_eq!(station.all("varde.events.964965226").await.len(), 1);
}

#[tokio::test]
async fn who_was_turned_down_replaced_or_revoked_gets_no_certificate() {
    let station = Station::new().await;
    let [down, old, gone] = ["down", "old", "gone"].map(|name| Sensor::new(subject("964965226", name)));
    station
        .write(Entry::Refusal(Refusal {
            fingerprint: down.key.fingerprint().expect("a name"),
            at: now().as_nanos(),
        }))
        .await;
    let new = Sensor::new(subject("964965226", "old"));
    let moved = station
        .known(&old)
        .moved_to(new.key.fingerprint().expect("a name"), now());
    station.write(Entry::Known(moved)).await;
    let mut revoked = station.known(&gone);
    revoked.revoked = true;
    station.write(Entry::Known(revoked)).await;
    let code = station.code(now().saturating_add(HOUR)).await;
    let gateway = station.gateway("127.0.0.1:0");
    let stranger = believing(&station.authority).build().expect("a client");
    for (sensor, reason) in [(&down, "denied"), (&old, "denied"), (&gone, "revoked")] {
        let (status, said) = sensor.ask(&stranger, &gateway, Some(code.secret())).await;
        assert_eq!((status.as_u16(), &said["reason"]), (403, &reason.into()));
        let client = sensor.client(&station.authority, &station.certificate(sensor, now()));
        let sent = send(&client, &gateway, "events", &[record("964965226", "x")]).await;
        assert_eq!(said_of(sent).await, (403, reason.to_owned()));
    }
    assert_eq!(new.ask(&stranger, &gateway, None).await.0, StatusCode::OK);
}

async fn said_of(sent: Result<reqwest::Response, reqwest::Error>) -> (u16, String) {
    said(sent.expect("answers")).await
}

#[tokio::test]
async fn over_kafka_too() {
    if let Some(station) = Station::on_kafka().await {
        enrols(&station, "127.0.0.1:0").await;
    }
}
