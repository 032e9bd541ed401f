//! The detector holds what indicators name against warning lists: dropped and counted, or raised; lists change live.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

#[path = "lab/lab.rs"]
mod lab;

use std::{collections::BTreeSet, fs};

use detect::{
    load::Sources,
    metrics::Metrics,
    reload::{Reloader, Status},
};
use detect_rules::WarningModes;
use ingest_bus::Record;
use lab::{Lab, ORGANIZATIONS, until};

/// All of them are in the feed; the first two on the list.
const NAMED: [&str; 4] = ["203.0.113.7", "2001:db8::7", "203.0.113.8", "2001:db8::8"];

fn list(entries: &str) -> String {
    format!(
        r#"{{"name":"Shared","version":1,"type":"cidr","matching_attributes":["ip-src","ip-dst"],"list":[{entries}]}}"#
    )
}

fn contact(run: &str, number: usize) -> Record {
    let address = NAMED[number % NAMED.len()];
    Record::new(format!(
        r#"{{"@timestamp":"2026-03-02T08:00:00Z","event.dataset":"network.flow","event.id":"{run}-{number}","organization.id":"{}","observer.name":"s-1","source.ip":"10.0.0.1","destination.ip":"{address}"}}"#,
        ORGANIZATIONS[0]
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_is_dropped_and_counted_until_the_list_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("lists")).expect("made");
    fs::write(at("feed.txt"), NAMED.join("\n")).expect("written");
    fs::write(
        at("lists/shared.json"),
        list(r#""203.0.113.7/32","2001:db8::7/128""#),
    )
    .expect("written");
    let sources = Sources {
        indicators: vec![at("feed.txt")],
        warning_lists: vec![at("lists")],
        warning_modes: WarningModes::read("block: [Shared]").expect("valid"),
        ..Sources::default()
    };
    let (metrics, status) = (Metrics::new().expect("registered"), Status::default());
    let mut reloader = Reloader::open(&sources, metrics.clone(), status.clone(), lab::now).expect("loaded");
    let lab = Lab::embedded().await;
    let topic = lab.topic(ORGANIZATIONS[0]).await;
    let running = lab.detector(reloader.live(), &metrics).await;
    let producer = lab.bus.producer().expect("a producer");
    let dropped = || {
        metrics
            .indicators_rejected
            .with_label_values(&["indicator_on_a_warning_list", "Shared"])
            .get()
    };
    let publish = async |from: usize| {
        let contacts = (from..from + NAMED.len()).map(|number| contact(&lab.run, number));
        producer
            .publish(&topic, contacts.collect())
            .await
            .expect("published");
        until("they are scanned", || {
            metrics.events_scanned.get() == (from + NAMED.len()) as u64
        })
        .await;
    };
    publish(0).await;
    assert_eq!(dropped(), 2);

    // A list that is none is refused as a whole, and the one in use stays.
    fs::write(at("lists/shared.json"), r#"{"name":"Shared"}"#).expect("written");
    reloader.reload();
    let refusal = status.refusal().expect("refused");
    assert!(refusal.reason.contains("shared.json"), "{refusal}");
    publish(4).await;
    assert_eq!(dropped(), 4);

    fs::write(at("lists/shared.json"), list(r#""203.0.113.7/32""#)).expect("written");
    reloader.reload();
    assert!(status.refusal().is_none());
    until("it is in use", || metrics.swap_seconds.get_sample_count() == 1).await;
    publish(8).await;
    assert_eq!(dropped(), 5);
    running.stop().await;
    let told: BTreeSet<u64> = lab.alerts().await.into_keys().collect();
    assert_eq!(told, BTreeSet::from([2, 3, 6, 7, 9, 10, 11]));
}
