//! Records on their way: none lost, none under another's name, and nothing that is not whole.

use ingest_bus::{ErrorClass, PublishError, Record, Topic, uplink};

use crate::station::{Station, record, said, send, send_bytes};

#[tokio::test]
async fn what_is_not_the_sensors_own_is_refused_whole() {
    let station = Station::new().await;
    let [own, theirs] = station.organizations();
    let sensor = station.sensor(&own, "s1").await;
    let gateway = station.gateway("127.0.0.1:0");
    let client = sensor.enrolled(&station.authority);
    let aside = |key: &str| Record::new("{}").with_key(key);
    for (stream, records, expected) in [
        (
            "events",
            vec![record(&own, "a"), record(&theirs, "b")],
            (403, "forbidden"),
        ),
        ("events", vec![record(&own, "a"), aside("s1")], (403, "forbidden")),
        ("quarantine", vec![aside("s2")], (403, "forbidden")),
        ("alerts", vec![record(&own, "a")], (403, "forbidden")),
        ("quarantine", vec![aside("s1"), record(&own, "a")], (204, "")),
        ("events", vec![], (204, "")),
    ] {
        let sent = send(&client, &gateway, stream, &records).await.expect("answers");
        let expected = (expected.0, expected.1.to_owned());
        assert_eq!(said(sent).await, expected, "{stream} {records:?}");
    }
    assert_eq!(station.all(&format!("varde.events.{own}")).await, []);
    assert_eq!(station.all(&format!("varde.events.{theirs}")).await, []);
    assert_eq!(station.all(&format!("varde.quarantine.{own}")).await.len(), 2);
}

#[tokio::test]
async fn a_flipped_byte_a_bomb_and_too_much_are_refused_and_counted() {
    let station = Station::new().await;
    let [own, _] = station.organizations();
    let sensor = station.sensor(&own, "s1").await;
    let gateway = station.gateway("127.0.0.1:0");
    let client = sensor.enrolled(&station.authority);
    let records: Vec<Record> = (0..200).map(|n| record(&own, &format!("event {n}"))).collect();
    let good = uplink::encode(&records).expect("encoded");
    let mut cut = good.clone();
    cut.truncate(good.len() / 2);
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    let bomb = zstd::bulk::compress(&vec![0; uplink::RAW_BYTES_MAX + 1], 1).expect("packed");
    let huge = vec![0; uplink::BODY_BYTES_MAX + 1];
    for (what, body) in [
        ("cut", cut),
        ("flipped", flipped),
        ("bomb", bomb),
        ("huge", huge),
        ("empty", Vec::new()),
    ] {
        let sent = send_bytes(&client, &gateway, "events", body)
            .await
            .expect("answers");
        assert_eq!(said(sent).await, (400, "body".to_owned()), "{what}");
    }
    assert_eq!(station.all(&format!("varde.events.{own}")).await, []);
    assert_eq!(
        gateway
            .metric("ingest_gateway_refused_total{reason=\"body\"}")
            .await,
        5
    );
    // The same batch twice is twice there: its events have ids, and whoever reads them counts each once.
    for _ in 0..2 {
        let sent = send_bytes(&client, &gateway, "events", good.clone())
            .await
            .expect("answers");
        assert_eq!(sent.status(), 204);
    }
    let all = station.all(&format!("varde.events.{own}")).await;
    assert_eq!(all, [records.clone(), records].concat());
    assert_eq!(
        gateway.metric("ingest_gateway_bytes_in_flight").await,
        0,
        "all room is given back"
    );
}

#[tokio::test]
async fn a_record_that_is_too_large_is_named_and_the_others_pass() {
    let station = Station::new().await;
    let [own, _] = station.organizations();
    let sensor = station.sensor(&own, "s1").await;
    let gateway = station.gateway("127.0.0.1:0");
    let producer = sensor.bus(&gateway).await;
    let topic = Topic::parse(&format!("varde.quarantine.{own}")).expect("a name");
    let large = Record::new(vec![b'x'; 2 << 20]).with_key("s1");
    let records = vec![record(&own, "a"), large, record(&own, "b")];
    match producer.publish(&topic, records).await {
        Err(error @ PublishError::TooLarge { index: 1, max, .. }) => {
            assert_eq!(max, 1 << 20);
            assert_eq!(error.class(), ErrorClass::Poison);
        }
        other => panic!("{other:?}"),
    }
    // Ten megabytes in three requests, in order.
    let topic = Topic::parse(&format!("varde.events.{own}")).expect("a name");
    let filling = "x".repeat(100_000);
    let many: Vec<Record> = (0..100)
        .map(|n| record(&own, &format!("{n} {filling}")))
        .collect();
    producer.publish(&topic, many.clone()).await.expect("taken");
    assert_eq!(station.all(topic.as_str()).await, many);
    // One under another organisation's key, as after a change of the sensor's own: it is named, over requests too.
    let mut mixed = many;
    mixed[70] = record("958935420", "x");
    let error = producer.publish(&topic, mixed).await.expect_err("another's");
    assert_eq!(
        (error.class(), error.culprit()),
        (ErrorClass::Poison, Some(70)),
        "{error:?}"
    );
    assert!(error.is_forbidden());
}

/// Batches one after another, each until it is taken, as the sensor's spool does it; the gateway is killed in the middle
/// of them again and again.
#[tokio::test]
async fn a_gateway_that_is_killed_loses_nothing() {
    let station = Station::new().await;
    let [own, _] = station.organizations();
    let sensor = station.sensor(&own, "s1").await;
    let mut gateway = station.gateway("127.0.0.1:0");
    let listen = gateway.address.to_string();
    let producer = sensor.bus(&gateway).await;
    let topic = Topic::parse(&format!("varde.events.{own}")).expect("a name");
    let mut failures = 0;
    for number in 0..24 {
        if number % 4 == 1 {
            let (producer, topic, records) = (producer.clone(), topic.clone(), batch(&own, number));
            let under_way = tokio::spawn(async move { producer.publish(&topic, records).await.is_ok() });
            tokio::task::yield_now().await;
            gateway.kill();
            failures += usize::from(!under_way.await.expect("ended"));
            gateway = station.gateway(&listen);
        }
        let mut tries = 0;
        while let Err(error) = producer.publish(&topic, batch(&own, number)).await {
            assert_eq!(error.class(), ErrorClass::Transient, "{error:?}");
            tries += 1;
            assert!(tries < 1_000, "{error:?}");
        }
    }
    assert!(0 < failures, "no publish was under way when the gateway died");
    let mut seen = std::collections::BTreeSet::new();
    let mut newest = None;
    for record in station.all(topic.as_str()).await {
        let number: usize = String::from_utf8_lossy(&record.value[..6])
            .parse()
            .expect("a number");
        // What is new comes in order; what comes again was there.
        if seen.insert(number) {
            assert!(newest < Some(number), "{number} after {newest:?}");
            newest = Some(number);
        }
    }
    assert_eq!(seen.len(), 24 * 200);
    assert_eq!(gateway.stop(), Some(0), "it stops when told");
}

fn batch(own: &str, number: usize) -> Vec<Record> {
    let filling = "x".repeat(2_000);
    (0..200)
        .map(|n| record(own, &format!("{:06} {filling}", number * 200 + n)))
        .collect()
}
