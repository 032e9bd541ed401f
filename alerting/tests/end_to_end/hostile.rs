//! What must not take the service down or be taken for good: a bus that was replaced, a mail server that refuses, a
//! page of a stranger's, a value that wants to be a link.

use serde_json::json;

use crate::{
    BERGEN,
    service::{self, Alerts, Service},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_bus_was_replaced_new_alerts_are_applied_and_old_ones_are_not_doubled() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_listener, port, mut mails) = service::smtp();
    let mut config = service::configure(folder.path(), port);
    let start = async |folder: tempfile::TempDir, config: &alerting::config::Config| {
        let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
            .await
            .expect("a bus");
        service::ensure_topic(&bus).await;
        Service::start_in(folder, config.clone(), bus).await
    };
    let alert = |number: u32| {
        Alerts::new(BERGEN)
            .entity(&format!("2001:db8::{number}"))
            .make(number)
    };
    let canary = || Alerts::new(BERGEN).rule("varde:canary").make(9);

    let before = start(folder, &config).await;
    before.publish(&[canary(), alert(1), alert(2), alert(3)]).await;
    mails
        .wait_for(|mails| mails.len() == 3)
        .await
        .expect("the listener runs");
    assert_eq!(before.get("/readyz").await.0, 200);
    let folder = before.stop().await;

    let directory = folder.path().join("another-bus");
    config.bus = ingest_bus::BusConfig::Embedded { directory };
    let after = start(folder, &config).await;
    let (status, ready) = after.get("/readyz").await;
    assert_eq!(
        (status, &ready["canary"]),
        (503, &json!(false)),
        "that canary was another process's: {ready}"
    );
    after.publish(&[canary(), alert(1), alert(4)]).await;
    mails
        .wait_for(|mails| mails.len() == 4)
        .await
        .expect("the listener runs");
    let list = after.get("/api/v1/incidents").await.1;
    let counts: Vec<_> = list["incidents"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["count"])
        .collect();
    assert_eq!(counts, [1; 4], "each once: {list}");
    assert_eq!(after.get("/readyz").await.0, 200);
    after.stop().await;
}
