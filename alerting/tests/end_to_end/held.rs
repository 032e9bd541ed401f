//! What waits for others of its group, and what happens meanwhile: to the reader, to their address, to the incident, and to whoever
//! holds it.

use std::collections::BTreeSet;

use detect_alert::Severity;
use serde_json::json;

use crate::{
    BERGEN, STAVANGER,
    bounds::until_counted,
    escalation::Hand,
    grouping::{RESPONDERS, configured, detail, id_of, marked, medium},
    service::{self, Alerts, Mail, Service},
    stores::{by_hand, on_both, on_postgres},
};

on_both!(
    a_silence_over_what_is_held_keeps_it_back,
    who_is_removed_meanwhile_is_not_told_and_the_next_is,
    an_address_that_is_switched_off_meanwhile_is_told_to_a_person,
    what_is_silenced_before_it_leaves_again_is_taken_out,
    very_many_leave_as_several,
    what_a_newer_version_wrote_holds_up_no_other,
);

const GROUPING: &str = "{ wait_seconds: { medium: 60 }, interval_minutes: 0 }";

async fn held(hand: &Hand, responders: &str) -> Service {
    let service = Service::steered(hand.clock(), |folder| {
        let config = configured(folder, GROUPING, "");
        std::fs::write(folder.join("responders.yml"), responders).expect("written");
        config
    })
    .await;
    service
        .publish(&[medium(STAVANGER, "10.1.1.1", 1), medium(STAVANGER, "10.1.1.2", 2)])
        .await;
    marked(&service, 101).await;
    service
}

/// The first of them becomes graver under a silence, which is what a silence of what is open covers.
async fn silence_the_first(service: &Service) {
    let body = json!({ "organization": STAVANGER, "entity": "10.1.1.1", "reason": "arbeid i nettet",
        "until": "2026-03-03T00:00:00Z" });
    let (status, silence) = service.post("/api/v1/silences", body).await;
    assert_eq!(status, 201, "{silence}");
    let graver = Alerts::new(STAVANGER)
        .severity(Severity::High)
        .rule("rule-1")
        .entity("10.1.1.1");
    let mut graver = graver.make(3);
    graver.timestamp = graver.timestamp.saturating_add(std::time::Duration::from_mins(5));
    service.publish(&[graver]).await;
    marked(service, 102).await;
}

/// What became of what was decided for the watch about the first.
async fn first(service: &Service) -> serde_json::Value {
    let one = detail(service, "10.1.1.1").await;
    let told = one["notifications"].as_array().expect("a list").clone();
    let of_the_watch = told.into_iter().find(|told| told["responder"] == "Vakta");
    of_the_watch.expect("decided")
}

async fn a_silence_over_what_is_held_keeps_it_back() {
    let hand = Hand::new();
    let service = held(&hand, RESPONDERS).await;
    silence_the_first(&service).await;
    hand.forward(1);
    let mail = service.mail_with("10.1.1.2").await;
    assert!(mail.files.is_empty(), "alone by now: {}", mail.text);
    let mails = marked(&service, 103).await;
    assert!(
        !mails.iter().any(|mail| mail.raw_text().contains("10.1.1.1")),
        "{mails:?}"
    );
    assert_eq!(first(&service).await["state"], "withdrawn");
    service.stop().await;
}

async fn who_is_removed_meanwhile_is_not_told_and_the_next_is() {
    let hand = Hand::new();
    let service = held(&hand, RESPONDERS).await;
    service.publish(&[medium(BERGEN, "10.2.2.2", 4)]).await;
    marked(&service, 102).await;
    let stopped = service.stopped().await;
    // Nobody of the watch is there any more; in Bergen that was everyone.
    let left = "organizations:\n\
        - number: '964965226'\n  \
          responders: [{ name: Leder, email: second@stavanger.example, turn: 1, role: management }]\n";
    std::fs::write(stopped.folder().join("responders.yml"), left).expect("written");
    let service = stopped.again(hand.clock()).await;
    hand.forward(1);
    for (to, entity) in [
        ("second@stavanger.example", "10.1.1.1"),
        ("second@stavanger.example", "10.1.1.2"),
        ("duty@cert.example", "10.2.2.2"),
    ] {
        loop {
            let mails = service.mails(0).await;
            if mails
                .iter()
                .any(|mail| mail.to == to && mail.text.contains(entity))
            {
                break;
            }
            service.mails(mails.len() + 1).await;
        }
    }
    for mail in service.mails(0).await {
        let is_marker = mail.text.contains("10.77.0.");
        assert!(is_marker || mail.to != "watch@ikt.example", "{}", mail.text);
    }
    let one = first(&service).await;
    assert_eq!(one["state"], "failed", "{one}");
    let list = service.get("/api/v1/dead-letters").await.1;
    assert!(list.to_string().contains("no contact any more"), "{list}");
    service.stop().await;
}

async fn an_address_that_is_switched_off_meanwhile_is_told_to_a_person() {
    let hand = Hand::new();
    let responders = RESPONDERS.replacen("watch@ikt.example", "vakt@stavanger.example", 1);
    let service = held(&hand, &responders).await;
    let off = "INSERT INTO address_off (address, at, bounces) VALUES ('vakt@stavanger.example', 0, 3)";
    by_hand(&service.path().join("data"), off).await;
    hand.forward(1);
    for entity in ["10.1.1.1", "10.1.1.2"] {
        let next = service.mail_with(entity).await;
        assert_eq!(next.to, "second@stavanger.example", "{}", next.text);
    }
    let list = service.get("/api/v1/dead-letters").await.1;
    assert!(list.to_string().contains("switched off"), "{list}");
    service.stop().await;
}

async fn what_is_silenced_before_it_leaves_again_is_taken_out() {
    let hand = Hand::new();
    // Its server asks to come later, once.
    let responders = RESPONDERS.replacen("watch@ikt.example", "later@stavanger.example", 1);
    let service = held(&hand, &responders).await;
    hand.forward(1);
    let tried = "SELECT count(*) FROM letter WHERE kind = 'group' AND attempts = 1 AND state = 'pending'";
    until_counted(&service, tried, 1).await;
    silence_the_first(&service).await;
    hand.forward(1);
    let mail = service.mail_to("later@stavanger.example").await;
    let told = mail.raw_text();
    assert!(
        told.contains("10.1.1.2") && !told.contains("10.1.1.1"),
        "{}",
        mail.text
    );
    assert_eq!(first(&service).await["state"], "withdrawn");
    service.stop().await;
}

async fn very_many_leave_as_several() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), |folder| configured(folder, GROUPING, "")).await;
    let alerts: Vec<_> = (1..=502)
        .map(|number| medium(STAVANGER, &format!("2001:db8::{number:x}."), number))
        .collect();
    service.publish(&alerts).await;
    marked(&service, 101).await;
    hand.forward(1);
    let sent = "SELECT count(*) FROM letter WHERE kind = 'group' AND state = 'sent'";
    until_counted(&service, sent, 2).await;
    let mails = service.mails(0).await;
    let groups = mails
        .iter()
        .filter(|mail| mail.to == "watch@ikt.example" && !mail.files.is_empty());
    let mut sizes: Vec<String> = groups
        .map(|mail| mail.subject.rsplit(": ").next().unwrap_or_default().to_owned())
        .collect();
    sizes.sort();
    assert_eq!(sizes, ["2", "500"]);
    let text = service.text("/metrics").await;
    let line = "alerting_notifications_sent_total{channel=\"email\"} 503\n";
    assert!(text.contains(line), "with the marker's: {text}");
    service.stop().await;
}

async fn what_a_newer_version_wrote_holds_up_no_other() {
    let hand = Hand::new();
    let service = held(&hand, RESPONDERS).await;
    let data = service.path().join("data");
    let newer = "UPDATE notification SET language = 'of a newer version' WHERE held_until IS NOT NULL
         AND incident = (SELECT min(incident) FROM notification WHERE held_until IS NOT NULL)";
    by_hand(&data, newer).await;
    hand.forward(1);
    // The other of the two leaves by itself, and what comes after that.
    let sent = "SELECT count(*) FROM notification WHERE severity = 3 AND state = 'sent'";
    until_counted(&service, sent, 1).await;
    marked(&service, 103).await;
    let mails = service.mails(0).await;
    let told: Vec<&Mail> = mails
        .iter()
        .filter(|mail| mail.text.contains("10.1.1."))
        .collect();
    assert!(told.len() == 1 && told[0].files.is_empty(), "{told:?}");
    let text = service.text("/metrics").await;
    assert!(
        !text.contains("alerting_rows_passed_over_total{of=\"notification\"} 0\n"),
        "{text}"
    );
    // Once it can be read, it is told.
    by_hand(&data, "UPDATE notification SET language = 'nb'").await;
    hand.forward(1);
    until_counted(&service, sent, 2).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_that_hold_for_others_tell_each_once() {
    on_postgres(async {
        let (_listener, port, mut mails) = service::smtp();
        let grouping = "{ wait_seconds: { medium: 1 }, interval_minutes: 0 }";
        let start = async |first: Option<alerting::config::Config>| {
            let folder = tempfile::tempdir().expect("a folder");
            service::configure(folder.path(), port);
            let mut config = configured(folder.path(), grouping, "");
            if let Some(first) = first {
                config.bus = first.bus;
            }
            let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
                .await
                .expect("a bus");
            service::ensure_topic(&bus).await;
            (Service::start_in(folder, config.clone(), bus).await, config)
        };
        let (one, config) = start(None).await;
        let (other, _) = start(Some(config)).await;
        let mut wanted = BTreeSet::new();
        for batch in 0..5_u32 {
            let alerts: Vec<_> = (0..20)
                .map(|place| {
                    let (number, organization) =
                        (batch * 20 + place, [STAVANGER, BERGEN][place as usize % 2]);
                    let entity = format!("entity-{number}.");
                    wanted.insert(entity.clone());
                    medium(organization, &entity, number)
                })
                .collect();
            one.publish(&alerts).await;
            // In groups that follow on each other.
            let last = format!("entity-{}.", batch * 20 + 19);
            let is_told = |mails: &Vec<Mail>| mails.iter().any(|mail| mail.text.contains(&last));
            mails.wait_for(is_told).await.expect("the listener runs");
        }
        let is_all = |mails: &Vec<Mail>| {
            let told = |entity: &String| mails.iter().any(|mail| mail.text.contains(entity));
            wanted.iter().all(told)
        };
        mails.wait_for(is_all).await.expect("the listener runs");
        one.publish(&[Alerts::new(STAVANGER).entity("the last one").make(9_999)])
            .await;
        let is_last = |mails: &Vec<Mail>| mails.iter().any(|mail| mail.text.contains("the last one"));
        let told = mails.wait_for(is_last).await.expect("the listener runs").clone();
        for entity in &wanted {
            let times = told.iter().filter(|mail| mail.text.contains(entity)).count();
            assert_eq!(times, 1, "{entity}");
        }
        assert!(told.iter().any(|mail| !mail.files.is_empty()), "some left as one");
        let id = id_of(&other, "entity-7.").await;
        let state = other.get(&format!("/api/v1/incidents/{id}")).await.1["state"].clone();
        assert_eq!(state, "notified");
        one.stop().await;
        other.stop().await;
    })
    .await;
}
