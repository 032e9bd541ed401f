//! What sensors are to run, and what they say of it.

use ingest_bus::Record;
use ingest_gateway::bundles::PARTS;
use ingest_gateway::topics;
use ingest_trust::manifest::{FORMAT, File};
use ingest_trust::registry::Entry;
use ingest_trust::registry::Registry;
use ingest_trust::wire::Report;
use ingest_trust::{Audience, Manifest};

use crate::station::{Station, now, organization, said};

async fn publish(station: &Station, audience: Audience, version: u64, text: &str) -> String {
    let (file, parts) = File::of("configuration.yml", text.as_bytes());
    let name = file.parts[0].clone();
    let manifest = Manifest {
        format: FORMAT,
        version,
        audience,
        issued: now(),
        program: None,
        keys: Vec::new(),
        files: vec![file],
    };
    let envelope = manifest.seal(&station.signing).expect("sealed").to_bytes();
    let records = vec![
        Record::new(parts[0].clone()).with_key(format!("{PARTS}{name}")),
        Record::new(envelope).with_key(manifest.audience.key()),
    ];
    let topic = topics::control().expect("a topic").topic;
    station.producer.publish(&topic, records).await.expect("durable");
    name
}

#[tokio::test]
async fn a_sensor_gets_its_newest_bundle_whole_and_no_others() {
    let station = Station::new().await;
    let mine = station.sensor("964965226", "s1").await;
    let theirs = station.sensor("958935420", "s2").await;
    let part = publish(&station, Audience::All, 3, "home_networks: []\n").await;
    let own = Audience::Organization(organization("958935420"));
    let secret = publish(&station, own, 5, "home_networks: [2001:db8::/32]\n").await;
    let gateway = station.gateway("127.0.0.1:0");
    let [mine, theirs] = [mine, theirs].map(|sensor| sensor.enrolled(&station.authority));
    let get = |client: &reqwest::Client, path: &str| client.get(format!("{}{path}", gateway.url()));

    let answer = get(&mine, "/v1/control").send().await.expect("answers");
    let tag = answer.headers()["etag"].clone();
    let envelope = answer.bytes().await.expect("bytes");
    let keys = [station.signing.verifying().expect("a key")];
    assert_eq!(Manifest::open(&envelope, &keys).expect("believed").version, 3);
    let mut flipped = envelope.to_vec();
    flipped[40] ^= 1;
    assert!(
        Manifest::open(&flipped, &keys).is_err(),
        "a flipped byte is not believed"
    );
    let again = get(&mine, "/v1/control")
        .header("if-none-match", tag)
        .send()
        .await
        .expect("answers");
    assert_eq!(again.status(), 304);
    let envelope = get(&theirs, "/v1/control")
        .send()
        .await
        .expect("answers")
        .bytes()
        .await
        .expect("bytes");
    assert_eq!(Manifest::open(&envelope, &keys).expect("believed").version, 5);

    for (client, name, expected) in [
        (&mine, &part, Some("home_networks: []\n")),
        (&theirs, &part, Some("home_networks: []\n")),
        (&theirs, &secret, Some("home_networks: [2001:db8::/32]\n")),
        (&mine, &secret, None),
        (&mine, &"0".repeat(64), None),
        (&mine, &"..%2f..".to_owned(), None),
    ] {
        let answer = get(client, &format!("/v1/parts/{name}"))
            .send()
            .await
            .expect("answers");
        match expected {
            Some(text) => assert_eq!(answer.text().await.expect("text"), text),
            None => assert_eq!(said(answer).await, (403, "forbidden".to_owned()), "{name}"),
        }
    }
}

#[tokio::test]
async fn what_a_sensor_reports_stands_in_the_registry() {
    let station = Station::new().await;
    let sensor = station.sensor("964965226", "s1").await;
    let gateway = station.gateway("127.0.0.1:0");
    let client = sensor.enrolled(&station.authority);
    let report = Report {
        program: "0.1.0".to_owned(),
        bundle: 3,
        wanted: 4,
        ..Report::default()
    };
    let none = client
        .get(format!("{}/v1/control", gateway.url()))
        .send()
        .await
        .expect("answers");
    assert_eq!(none.status(), 204, "there is no bundle");
    let url = format!("{}/v1/status", gateway.url());
    let topic = topics::sensors().expect("a topic").topic;
    let mut ends = Vec::new();
    for _ in 0..3 {
        let answer = client.post(&url).json(&report).send().await.expect("answers");
        assert_eq!(answer.status(), 204);
        ends.push(station.bus.end_positions(&topic).await.expect("read")[0].offset);
    }
    assert_eq!(ends[0], ends[2], "the same again is no news");
    let written = station.all(topic.as_str()).await;
    let mut registry = Registry::default();
    for record in written {
        let key = record.key.unwrap_or_default();
        registry.take(Entry::parse(&key, &record.value).expect("read").expect("known"));
    }
    assert_eq!(registry.status("s1").map(|status| &status.report), Some(&report));
}
