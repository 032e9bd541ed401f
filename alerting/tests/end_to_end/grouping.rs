//! What belongs together leaves as one mail, nothing grave waits, and what grows is told to who has it: over a real listener, on both
//! stores.

use alerting::config::Config;
use detect_alert::{Alert, Severity};
use serde_json::json;

use crate::{
    BERGEN, STAVANGER,
    escalation::Hand,
    letters::{came_back, report},
    service::{Alerts, Mail, Service},
    stores::on_both,
};

on_both!(
    what_is_new_leaves_as_one_mail_of_one_owner_and_news_at_most_each_interval,
    what_becomes_graver_leaves_at_once_and_what_is_held_is_told_as_it_is,
    what_waits_alone_and_is_over_is_told_as_over,
    a_clock_that_is_set_back_holds_nothing_up,
    who_is_waited_for_is_so_from_when_it_was_decided,
    a_group_that_comes_back_tells_the_next_contact,
    who_took_a_storm_is_told_once_that_it_has_grown,
    what_is_handed_over_while_it_is_gathered_is_told_to_who_has_it,
);

/// One watch answers for both.
pub(crate) const RESPONDERS: &str = "organizations:\n\
    - number: '964965226'\n  \
      responders:\n  \
      - { name: Vakta, email: watch@ikt.example }\n  \
      - { name: Leder, email: second@stavanger.example, turn: 1, role: management }\n\
    - { number: '964338531', responders: [{ name: Vakta, email: watch@ikt.example }] }\n";

const DAY: i64 = 24 * 60;

pub(crate) fn configured(folder: &std::path::Path, grouping: &str, more: &str) -> Config {
    std::fs::write(folder.join("responders.yml"), RESPONDERS).expect("written");
    let file = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let (before, _) = text.split_once("grouping:").expect("the harness's");
    let rest = &text[before.len()..];
    let rest = rest.split_once('\n').expect("a line").1;
    let text = format!("{before}grouping: {grouping}\n{rest}{more}");
    std::fs::write(&file, text).expect("written");
    Config::read(&file).expect("a configuration")
}

pub(crate) fn medium(organization: &str, entity: &str, number: u32) -> Alert {
    Alerts::new(organization)
        .severity(Severity::Medium)
        .rule(&format!("rule-{number}"))
        .entity(entity)
        .make(number)
}

/// Something that leaves at once: when its mail is here, all that was published before is applied.
pub(crate) async fn marked(service: &Service, number: u32) -> Vec<Mail> {
    let marker = format!("10.77.0.{number}");
    let alert = Alerts::new(BERGEN)
        .rule(&format!("marker-{number}"))
        .entity(&marker);
    service.publish(&[alert.make(number)]).await;
    service.mail_with(&marker).await;
    let mails = service.mails(0).await;
    mails
        .into_iter()
        .filter(|mail| !mail.text.contains("10.77.0."))
        .collect()
}

pub(crate) async fn id_of(service: &Service, about: &str) -> String {
    let list = service.get(&format!("/api/v1/incidents?q={about}")).await.1;
    list["incidents"][0]["id"].as_str().expect("an id").to_owned()
}

pub(crate) async fn detail(service: &Service, about: &str) -> serde_json::Value {
    let id = id_of(service, about).await;
    service.get(&format!("/api/v1/incidents/{id}")).await.1
}

async fn what_is_new_leaves_as_one_mail_of_one_owner_and_news_at_most_each_interval() {
    let hand = Hand::new();
    let grouping = "{ wait_seconds: { medium: 60 }, interval_minutes: 10 }";
    let service = Service::steered(hand.clock(), |folder| configured(folder, grouping, "")).await;
    service
        .publish(&[
            medium(STAVANGER, "10.1.1.1", 1),
            medium(STAVANGER, "2001:db8::1", 2),
            Alerts::new(STAVANGER)
                .severity(Severity::Medium)
                .entity("10.1.1.3")
                .exercise()
                .make(3),
            medium(BERGEN, "10.2.2.2", 4),
        ])
        .await;
    assert_eq!(
        marked(&service, 101).await.len(),
        0,
        "what is high leaves, the others wait"
    );
    let service = service.restart(hand.clock()).await;
    hand.forward(1);
    let mail = service.mail_with("10.1.1.1").await;
    for (entity, is_in) in [("2001:db8::1", true), ("10.1.1.3", false), ("10.2.2.2", false)] {
        assert_eq!(mail.raw_text().contains(entity), is_in, "{entity}: {}", mail.text);
    }
    assert!(
        mail.subject.contains("Middels") && mail.subject.ends_with(": 2"),
        "{}",
        mail.subject
    );
    assert!(
        !mail.raw_text().contains("Bergen") && mail.files.len() == 1,
        "{}",
        mail.text
    );
    // What is alone is a notice like any other, of Bergen's and of the exercise.
    let bergen = service.mail_with("10.2.2.2").await;
    assert!(
        bergen.files.is_empty() && !bergen.raw_text().contains("Stavanger"),
        "{}",
        bergen.text
    );
    let exercise = service.mail_with("10.1.1.3").await;
    assert!(exercise.subject.contains("ØVELSE") && exercise.files.is_empty());

    // News: not before ten minutes after that, also across a restart, and once.
    service.publish(&[medium(STAVANGER, "10.1.1.5", 5)]).await;
    marked(&service, 102).await;
    hand.forward(2);
    service.publish(&[medium(STAVANGER, "10.1.1.6", 6)]).await;
    let mails = marked(&service, 103).await;
    assert!(
        !mails.iter().any(|mail| mail.text.contains("10.1.1.5")),
        "{mails:?}"
    );
    let service = service.restart(hand.clock()).await;
    let one = detail(&service, "10.1.1.1").await;
    assert_eq!(
        (&one["state"], &one["notifications"][0]["state"]),
        (&json!("notified"), &json!("sent"))
    );
    hand.forward(9);
    let news = service.mail_with("10.1.1.5").await;
    assert!(news.text.contains("10.1.1.6"), "{}", news.text);
    hand.forward(DAY);
    let mails = marked(&service, 104).await;
    let about = |entity: &str| mails.iter().filter(|mail| mail.text.contains(entity)).count();
    for entity in [
        "10.1.1.1",
        "2001:db8::1",
        "10.1.1.3",
        "10.1.1.5",
        "10.1.1.6",
        "10.2.2.2",
    ] {
        let to_the_watch = mails
            .iter()
            .filter(|mail| mail.to == "watch@ikt.example" && mail.text.contains(entity));
        assert_eq!(to_the_watch.count(), 1, "{entity} of {}", about(entity));
    }
    let metrics = service.text("/metrics").await;
    assert!(
        metrics.contains("alerting_letters_sent_total{kind=\"group\"} 1"),
        "{metrics}"
    );
    service.stop().await;
}

async fn what_becomes_graver_leaves_at_once_and_what_is_held_is_told_as_it_is() {
    let hand = Hand::new();
    let grouping = "{ wait_seconds: { medium: 60 }, interval_minutes: 0 }";
    let service = Service::steered(hand.clock(), |folder| configured(folder, grouping, "")).await;
    let graver = Alerts::new(STAVANGER).rule("rule-1").entity("10.1.1.1").make(9);
    service
        .publish(&[
            medium(STAVANGER, "10.1.1.1", 1),
            medium(STAVANGER, "10.1.1.2", 2),
            medium(STAVANGER, "10.1.1.3", 3),
            graver,
        ])
        .await;
    let mail = service.mail_with("10.1.1.1").await;
    assert!(mail.subject.contains("Høy"), "{}", mail.subject);
    let id = id_of(&service, "10.1.1.3").await;
    let close = service
        .post(&format!("/api/v1/incidents/{id}/close"), json!({}))
        .await;
    assert_eq!(close.0, 200);
    hand.forward(1);
    let group = service.mail_with("10.1.1.2").await;
    assert!(group.subject.ends_with(": 2"), "{}", group.subject);
    assert!(!group.text.contains("10.1.1.1"), "told by itself: {}", group.text);
    assert!(
        group.text.contains("10.1.1.3") && group.text.contains("Avsluttet"),
        "{}",
        group.text
    );
    service.stop().await;
}

async fn what_waits_alone_and_is_over_is_told_as_over() {
    let hand = Hand::new();
    let grouping = "{ wait_seconds: { medium: 60 }, interval_minutes: 0 }";
    let service = Service::steered(hand.clock(), |folder| configured(folder, grouping, "")).await;
    service.publish(&[medium(STAVANGER, "10.1.1.3", 3)]).await;
    marked(&service, 101).await;
    let id = id_of(&service, "10.1.1.3").await;
    let path = format!("/api/v1/incidents/{id}/close");
    assert_eq!(service.post(&path, json!({})).await.0, 200);
    hand.forward(1);
    let mail = service.mail_with("10.1.1.3").await;
    assert!(mail.text.contains("Avsluttet"), "{}", mail.text);
    service.stop().await;
}

async fn a_clock_that_is_set_back_holds_nothing_up() {
    let hand = Hand::new();
    let grouping = "{ wait_seconds: { medium: 60 }, interval_minutes: 0 }";
    let service = Service::steered(hand.clock(), |folder| configured(folder, grouping, "")).await;
    service.publish(&[medium(STAVANGER, "10.1.1.3", 3)]).await;
    marked(&service, 101).await;
    let stopped = service.stopped().await;
    hand.forward(-120);
    let service = stopped.again(hand.clock()).await;
    hand.forward(1);
    service.mail_with("10.1.1.3").await;
    service.stop().await;
}

async fn who_is_waited_for_is_so_from_when_it_was_decided() {
    let hand = Hand::new();
    let grouping = "{ wait_seconds: { medium: 600 }, interval_minutes: 0 }";
    let escalation = "escalation: { answer_within_minutes: { medium: 30 } }\n";
    let service = Service::steered(hand.clock(), |folder| configured(folder, grouping, escalation)).await;
    service
        .publish(&[medium(STAVANGER, "10.1.1.1", 1), medium(STAVANGER, "10.1.1.2", 2)])
        .await;
    marked(&service, 101).await;
    hand.forward(10);
    service.mail_with("10.1.1.1").await;
    // Half an hour after it was decided, twenty minutes after it was told; and who is told then is told at once.
    hand.forward(20);
    let next = service.mail_to("second@stavanger.example").await;
    assert!(next.text.contains("har svart i tide"), "{}", next.text);
    service.stop().await;
}

async fn a_group_that_comes_back_tells_the_next_contact() {
    let hand = Hand::new();
    let grouping = "{ wait_seconds: { medium: 60 }, interval_minutes: 0 }";
    let service = Service::steered(hand.clock(), |folder| {
        let file = folder.join("alerting.yml");
        let text = std::fs::read_to_string(&file).expect("readable");
        let to = "bounces: { address: varsel@cert.example }, transport:";
        std::fs::write(&file, text.replace("transport:", to)).expect("written");
        configured(folder, grouping, "")
    })
    .await;
    service
        .publish(&[medium(STAVANGER, "10.1.1.1", 1), medium(STAVANGER, "10.1.1.2", 2)])
        .await;
    marked(&service, 101).await;
    hand.forward(1);
    let group = service.mail_with("10.1.1.1").await;
    came_back(&service, &group.from, &report("5.1.1"));
    for entity in ["10.1.1.1", "10.1.1.2"] {
        loop {
            let mails = service.mails(0).await;
            let is_next = |mail: &&Mail| mail.to == "second@stavanger.example" && mail.text.contains(entity);
            if mails.iter().any(|mail| is_next(&mail)) {
                break;
            }
            service.mails(mails.len() + 1).await;
        }
        let one = detail(&service, entity).await;
        let notifications = one["notifications"].as_array().expect("a list");
        let first = notifications.iter().find(|one| one["responder"] == "Vakta");
        assert_eq!(first.expect("told")["state"], "failed", "{one}");
        assert!(one["timeline"].to_string().contains("it came back"), "{one}");
    }
    let list = service.get("/api/v1/dead-letters").await.1;
    assert_eq!(
        (&list["count"], &list["dead_letters"][0]["kind"]),
        (&json!(1), &json!("group"))
    );
    service.stop().await;
}

async fn who_took_a_storm_is_told_once_that_it_has_grown() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), |folder| {
        configured(folder, "{ wait_seconds: {} }", "")
    })
    .await;
    let storm = |numbers: std::ops::Range<u32>| {
        numbers
            .map(|number| {
                Alerts::new(STAVANGER)
                    .entity(&format!("10.3.0.{number}"))
                    .make(number)
            })
            .collect::<Vec<_>>()
    };
    service.publish(&storm(1..9)).await;
    let mail = service.mail_with("flere, se lenken").await;
    let path = format!("/api/v1/responder/{}/acknowledge", mail.token());
    // Three by now.
    marked(&service, 101).await;
    assert_eq!(service.post(&path, json!({})).await.0, 200);
    service.publish(&storm(9..11)).await;
    let before = marked(&service, 102).await;
    service.publish(&storm(11..12)).await;
    let grown = service.mail_with("har vokst mye siden").await;
    assert_eq!(grown.to, "watch@ikt.example");
    service.publish(&storm(12..60)).await;
    let after = marked(&service, 103).await;
    assert_eq!(after.len(), before.len() + 1, "once: {after:?}");
    let one = service.get("/api/v1/incidents?q=10.77.0.103").await.1;
    assert_eq!(one["total"], 1);
    service.stop().await;
}

async fn what_is_handed_over_while_it_is_gathered_is_told_to_who_has_it() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), |folder| {
        let config = configured(folder, "{ wait_seconds: {} }", "");
        let text = RESPONDERS.replacen("watch@ikt.example", "vakt@stavanger.example", 1);
        std::fs::write(
            folder.join("responders.yml"),
            text.replace("watch@ikt", "vakt@bergen"),
        )
        .expect("written");
        config
    })
    .await;
    let low = |entity: &str, number| {
        Alerts::new(STAVANGER)
            .severity(Severity::Low)
            .rule(&format!("rule-{number}"))
            .entity(entity)
            .make(number)
    };
    service
        .publish(&[low("2001:db8:5::7", 1), low("10.1.1.1", 2)])
        .await;
    marked(&service, 101).await;
    // Stavanger runs the network of Bergen, as is found out on the same day.
    let stopped = service.stopped().await;
    let file = stopped.folder().join("responders.yml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let row = "number: '964338531', networks: ['2001:db8:5::/48'], operator: '964965226',";
    std::fs::write(&file, text.replace("number: '964338531',", row)).expect("written");
    let service = stopped.again(hand.clock()).await;
    // Monday 2 March 2026, nine o'clock in Oslo, to Tuesday, eight.
    hand.forward(23 * 60);
    let first = service.mail_with("10.1.1.1").await;
    assert_eq!(first.to, "vakt@stavanger.example");
    assert!(!first.raw_text().contains("2001:db8:5::7"), "{}", first.text);
    hand.forward(DAY);
    let second = service.mail_with("2001:db8:5::7").await;
    assert_eq!(second.to, "vakt@bergen.example");
    let one = detail(&service, "2001:db8:5::7").await;
    assert_eq!(one["organization"]["number"], BERGEN, "{one}");
    assert!(
        one["timeline"].to_string().contains("answers for it by now"),
        "{one}"
    );
    service.stop().await;
}
