//! What another incident explains is not told of while that one is open, and is told afterwards; nothing else is kept back.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use alerting::{clock::Clock, config::Config};
use ingest_event::Timestamp;
use serde_json::{Value, json};

use crate::{
    BERGEN, STAVANGER,
    service::{Alerts, Service},
};

crate::stores::on_both![
    what_is_explained_is_told_once_its_explanation_is_closed,
    what_explains_and_became_part_of_another_goes_on_explaining,
    what_one_owner_was_told_keeps_nothing_from_another,
    what_is_kept_back_is_told_after_a_day_or_when_the_configuration_says_otherwise,
];

const INHIBITIONS: &str = "inhibitions:\n  \
    - { source: { rules: [outage] }, target: { rules: [rule-1] }, equal: organization }\n";

fn inhibiting(folder: &std::path::Path) -> Config {
    configured(folder, INHIBITIONS)
}

fn configured(folder: &std::path::Path, added: &str) -> Config {
    let file = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&file)
        .expect("readable")
        .replace(INHIBITIONS, "");
    std::fs::write(&file, text + added).expect("written");
    Config::read(&file).expect("a configuration")
}

/// When the alerts of the harness begin, and a clock that a test moves from there.
fn clock() -> (Arc<AtomicI64>, Clock) {
    let hand = Arc::new(AtomicI64::new(1_772_438_400_000));
    let read = hand.clone();
    let clock = alerting::clock::steered(move || Timestamp::from_millis(read.load(Ordering::Relaxed)));
    (hand, clock)
}

/// The only incident of a rule in an organisation, whole.
async fn only(service: &Service, organization: &str, rule: &str) -> Value {
    let list = service
        .get(&format!("/api/v1/incidents?organization={organization}&q={rule}"))
        .await
        .1;
    assert_eq!(list["total"], 1, "{list}");
    let id = list["incidents"][0]["id"].as_str().expect("an id");
    service.get(&format!("/api/v1/incidents/{id}")).await.1
}

fn kinds(incident: &Value) -> Vec<&str> {
    let timeline = incident["timeline"].as_array().expect("a list");
    timeline
        .iter()
        .map(|line| line["kind"].as_str().expect("a kind"))
        .collect()
}

async fn what_is_explained_is_told_once_its_explanation_is_closed() {
    let service = Service::steered(clock().1, inhibiting).await;
    let outage = || Alerts::new(STAVANGER).rule("outage").entity("2001:db8::1");
    service.publish(&[outage().make(1)]).await;
    service.mails(1).await;
    service
        .publish(&[
            Alerts::new(STAVANGER).entity("10.4.4.4").make(2),
            Alerts::new(STAVANGER).entity("10.4.4.4").make(3),
            // What no rule names, and what is another's, is told as ever.
            Alerts::new(STAVANGER).rule("other").make(4),
            Alerts::new(BERGEN).make(5),
        ])
        .await;
    let mails = service.mails(3).await;
    let to = |whom: &str| mails.iter().filter(|mail| mail.to.contains(whom)).count();
    assert_eq!((to("stavanger"), to("bergen")), (2, 1));
    let source = only(&service, STAVANGER, "outage").await;
    let held = only(&service, STAVANGER, "10.4.4.4").await;
    assert_eq!(held["inhibited_by"], source["id"]);
    assert_eq!((&held["count"], &held["state"]), (&json!(2), &json!("new")));
    assert_eq!(kinds(&held), ["opened", "inhibited"]);

    let close = format!(
        "/api/v1/incidents/{}/close",
        source["id"].as_str().expect("an id")
    );
    assert_eq!(service.post(&close, json!({ "note": "mended" })).await.0, 200);
    let mails = service.mails(4).await;
    assert!(
        mails[3].to.contains("stavanger") && mails[3].text.contains("10.4.4.4"),
        "{}",
        mails[3].text
    );
    let told = only(&service, STAVANGER, "10.4.4.4").await;
    assert_eq!((&told["inhibited_by"], &told["count"]), (&json!(null), &json!(2)));
    assert_eq!(kinds(&told)[..3], ["opened", "inhibited", "woken"]);
    // Closed, it explains nothing any more.
    service
        .publish(&[Alerts::new(STAVANGER).entity("10.9.9.9").make(9)])
        .await;
    assert!(service.mails(5).await[4].text.contains("10.9.9.9"));
}

async fn what_explains_and_became_part_of_another_goes_on_explaining() {
    let service = Service::steered(clock().1, inhibiting).await;
    let of = |rule: &str, entity: &str, number| Alerts::new(STAVANGER).rule(rule).entity(entity).make(number);
    service
        .publish(&[of("outage", "2001:db8::1", 1), of("other", "10.1.1.1", 2)])
        .await;
    service.mails(2).await;
    let whole = only(&service, STAVANGER, "10.1.1.1").await;
    let source = only(&service, STAVANGER, "outage").await;
    service
        .publish(&[of("rule-1", "10.4.4.4", 3), Alerts::new(BERGEN).make(4)])
        .await;
    service.mails(3).await;
    let path = |verb: &str| {
        format!(
            "/api/v1/incidents/{}/{verb}",
            whole["id"].as_str().expect("an id")
        )
    };
    let merged = service
        .post(&path("merge"), json!({ "incidents": [source["id"]] }))
        .await;
    assert_eq!(merged.0, 200, "{}", merged.1);
    // Neither what was kept back is told, after looks for what is over, nor what comes.
    service
        .publish(&[
            of("rule-1", "10.4.4.5", 5),
            Alerts::new(BERGEN).entity("10.5.5.5").make(6),
        ])
        .await;
    service.mails(4).await;
    let service = service.restart(clock().1).await;
    service
        .publish(&[Alerts::new(BERGEN).entity("10.5.5.6").make(7)])
        .await;
    service.mails(5).await;
    for entity in ["10.4.4.4", "10.4.4.5"] {
        let held = only(&service, STAVANGER, entity).await;
        assert_eq!(held["inhibited_by"], source["id"], "{held}");
    }
    assert_eq!(service.post(&path("close"), json!({})).await.0, 200);
    service.mail_with("10.4.4.4").await;
    service.mail_with("10.4.4.5").await;
}

async fn what_one_owner_was_told_keeps_nothing_from_another() {
    // Stavanger's sensor watches a network of Bergen's.
    let operating = |folder: &std::path::Path| {
        let file = folder.join("responders.yml");
        let text = std::fs::read_to_string(&file).expect("readable");
        let row = "number: '964338531', networks: ['2001:db8:5::/48'], operator: '964965226',";
        std::fs::write(&file, text.replace("number: '964338531',", row)).expect("written");
        inhibiting(folder)
    };
    let service = Service::steered(clock().1, operating).await;
    let outage = Alerts::new(STAVANGER).rule("outage").entity("10.1.1.1").make(1);
    service.publish(&[outage]).await;
    service.mails(1).await;
    service
        .publish(&[Alerts::new(STAVANGER).entity("2001:db8:5::7").make(2)])
        .await;
    let mail = service.mail_with("2001:db8:5::7").await;
    assert!(mail.to.contains("bergen"), "{}", mail.to);
}

async fn what_is_kept_back_is_told_after_a_day_or_when_the_configuration_says_otherwise() {
    let (hand, clock) = clock();
    let service = Service::steered(clock.clone(), inhibiting).await;
    let outage = Alerts::new(STAVANGER)
        .rule("outage")
        .entity("2001:db8::1")
        .make(1);
    let canary = Alerts::new(BERGEN).make(5);
    let target = |number: u32| {
        Alerts::new(STAVANGER)
            .entity(&format!("10.0.0.{number}"))
            .make(number)
    };
    service.publish(&[outage]).await;
    service.mails(1).await;
    service.publish(&[target(2), canary]).await;
    service.mails(2).await;
    // A clock of a day later; nobody has closed anything.
    hand.fetch_add(25 * 60 * 60 * 1_000, Ordering::Relaxed);
    service.mail_with("10.0.0.2").await;
    service
        .publish(&[target(3), Alerts::new(BERGEN).entity("10.5.5.5").make(6)])
        .await;
    service.mail_with("10.5.5.5").await;
    let held = only(&service, STAVANGER, "10.0.0.3").await;
    assert!(held["inhibited_by"].is_string(), "{held}");
    let stopped = service.stopped().await;
    configured(stopped.folder(), "");
    let service = stopped.again(clock).await;
    service.mail_with("10.0.0.3").await;
}
