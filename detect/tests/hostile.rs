//! Events made to harm: each is counted and put aside or scanned, and the next one is scanned as if nothing had been.

#[path = "lab/lab.rs"]
mod lab;

use detect::{live::Live, metrics::Metrics};
use ingest_bus::Record;
use ingest_event::{QuarantineReason, QuarantineRecord};
use lab::{Lab, ORGANIZATIONS, compile, event, rules, until};

fn whole(members: &str) -> Record {
    Record::new(format!(
        r#"{{"@timestamp":"2026-03-02T08:00:00Z","event.dataset":"network.flow",{members}}}"#
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_event_is_counted_and_the_service_goes_on() {
    let million: Vec<String> = (0..700_000).map(|n| format!(r#""{n:x}":1"#)).collect();
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let lists = format!("{}1{}", "[".repeat(500_000), "]".repeat(500_000));
    // A number of keys that fits in a record; it is their number that is refused, not their bytes.
    let cases: [(&str, Record, Option<QuarantineReason>); 7] = [
        (
            "5 MB of text",
            whole(&format!(r#""message":"{}""#, "x".repeat(5_000_000))),
            None,
        ),
        (
            "5 MB of escapes",
            whole(&format!(r#""message":"{}""#, "\\u0041".repeat(800_000))),
            None,
        ),
        (
            "very many keys",
            whole(&million.join(",")),
            Some(QuarantineReason::TooManyFields),
        ),
        (
            "deep objects",
            whole(&format!(r#""deep":{objects}"#)),
            Some(QuarantineReason::NotJson),
        ),
        (
            "deep lists",
            whole(&format!(r#""deep":{lists}"#)),
            Some(QuarantineReason::NotJson),
        ),
        (
            "no end",
            Record::new("{\"@timestamp\":\"".repeat(200_000)),
            Some(QuarantineReason::NotJson),
        ),
        (
            "no text",
            Record::new(vec![0xff; 5_000_000]),
            Some(QuarantineReason::NotUtf8),
        ),
    ];
    let lab = Lab::embedded().await;
    let topic = lab.topic(ORGANIZATIONS[0]).await;
    let live = Live::new(compile(&rules(50, 0), Vec::new()));
    let metrics = Metrics::new().expect("registered");
    let running = lab.detector(&live, &metrics).await;
    let producer = lab.bus.producer().expect("a producer");
    let mut expected = Vec::new();
    for (number, (_, hostile, reason)) in (0..).zip(&cases) {
        let good = event(&lab.run, ORGANIZATIONS[0], number);
        producer
            .publish(&topic, vec![hostile.clone(), good])
            .await
            .expect("published");
        expected.extend(*reason);
    }
    until("all are scanned", || {
        metrics.events_scanned.get() == 2 * cases.len() as u64
    })
    .await;
    running.stop().await;

    let told = lab.alerts().await;
    assert_eq!(told.len(), cases.len(), "an event beside a hostile one was lost");
    let mut quarantined = Vec::new();
    let quarantine = format!("varde.quarantine.{}", ORGANIZATIONS[0]);
    lab.read(&quarantine, |value| {
        let record: QuarantineRecord = serde_json::from_slice(value).expect("a record");
        assert!(value.len() < 1_000, "it tells why and where, not what it said");
        quarantined.push(record.reason);
    })
    .await;
    let names: Vec<&str> = cases
        .iter()
        .filter(|case| case.2.is_some())
        .map(|case| case.0)
        .collect();
    assert_eq!(quarantined, expected, "{names:?}");
    for reason in QuarantineReason::ALL {
        let counted = metrics
            .events_quarantined
            .with_label_values(&[reason.as_str()])
            .get();
        let there = expected.iter().filter(|one| **one == reason).count() as u64;
        assert_eq!(counted, there, "{reason}");
    }
}
