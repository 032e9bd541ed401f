//! A storm in one municipality: a handful of incidents and mails, and others' leave as ever.

use std::collections::BTreeSet;

use detect_alert::Severity;
use serde_json::json;

use crate::{
    BERGEN, STAVANGER,
    service::{Alerts, Service},
    stores::{on_both, on_postgres, on_sqlite},
};

on_both![
    a_storm_is_a_handful_of_incidents_and_delays_nobody_else,
    what_is_anothers_or_is_called_so_is_not_among_the_many,
];

/// Alerts of the storm, each about another machine.
const STORM: u32 = 2_000;

async fn a_storm_is_a_handful_of_incidents_and_delays_nobody_else() {
    let service = Service::start().await;
    let address = |number: u32| format!("2001:db8::{number:x}");
    // Within a minute of event time; Bergen's comes behind all of them.
    let storm = (0..STORM).map(|number| {
        let mut alert = Alerts::new(STAVANGER).entity(&address(number)).make(number);
        alert.timestamp = ingest_event::Timestamp::from_millis(1_772_438_400_000 + i64::from(number) * 50);
        alert
    });
    let mut alerts: Vec<_> = storm.collect();
    alerts.push(Alerts::new(BERGEN).make(1));
    // Its known machines go on with their own incidents, in the storm too; a machine hours later is a case of its own.
    alerts.push(Alerts::new(STAVANGER).entity(&address(0)).make(STORM + 1));
    alerts.push(Alerts::new(STAVANGER).entity("10.9.9.9").make(20_000));
    service.publish(&alerts).await;
    let mails = service.mails(8).await;
    let to = |whom: &str| {
        mails
            .iter()
            .filter(|mail| mail.to.contains(whom))
            .collect::<Vec<_>>()
    };
    assert_eq!((to("stavanger").len(), to("bergen").len()), (7, 1));
    let many = mails
        .iter()
        .find(|mail| mail.subject.contains("flere, se lenken"))
        .expect("a mail about many");

    let list = service.get("/api/v1/incidents?organization=964965226").await.1;
    assert_eq!(list["total"], 7, "{list}");
    let rows = list["incidents"].as_array().expect("rows");
    let row = |value: &str| {
        rows.iter()
            .find(|row| row["entity"]["value"] == value)
            .expect(value)
    };
    assert_eq!(row("*")["count"], STORM - 5);
    assert_eq!(
        (&row("2001:db8::0")["count"], &row("10.9.9.9")["count"]),
        (&json!(2), &json!(1))
    );
    let view = service
        .get(&format!("/api/v1/responder/{}", many.token()))
        .await
        .1;
    assert_eq!(view["incident"]["members_total"], STORM - 5);
    let members = view["incident"]["members"].as_array().expect("members");
    let values: BTreeSet<_> = members
        .iter()
        .map(|member| member["value"].as_str().expect("text"))
        .collect();
    assert_eq!(values.len(), 200, "as many as are shown");
    assert!(
        values.iter().all(|value| value.starts_with("2001:db8::")),
        "{values:?}"
    );
}

async fn what_is_anothers_or_is_called_so_is_not_among_the_many() {
    // Stavanger runs the network of Bergen, and watches both.
    let service = Service::steered(alerting::clock::machine(), |folder| {
        let file = folder.join("responders.yml");
        let text = std::fs::read_to_string(&file).expect("readable");
        let row = "number: '964338531', networks: ['2001:db8:5::/48'], operator: '964965226',";
        std::fs::write(&file, text.replace("number: '964338531',", row)).expect("written");
        alerting::config::Config::read(&folder.join("alerting.yml")).expect("a configuration")
    })
    .await;
    let mut alerts: Vec<_> = (0..8)
        .map(|number| {
            Alerts::new(STAVANGER)
                .entity(&format!("10.0.0.{number}"))
                .make(number)
        })
        .collect();
    alerts.extend((0..8).map(|number| {
        Alerts::new(STAVANGER)
            .entity(&format!("2001:db8:5::{number}"))
            .make(20 + number)
    }));
    // Somebody calls themselves as what stands for many, before the storm of another rule.
    alerts.push(Alerts::new(STAVANGER).rule("names").entity("*").make(40));
    alerts.push(Alerts::new(STAVANGER).rule("names").entity("eve").make(41));
    alerts.push(Alerts::new(STAVANGER).exercise().entity("10.0.0.99").make(42));
    service.publish(&alerts).await;
    // Five and the crowd; eight of Bergen's own; two names; the exercise, which is no part of the storm.
    let mails = service.mails(6 + 8 + 2 + 1).await;
    let to = |whom: &str| mails.iter().filter(|mail| mail.to.contains(whom)).count();
    assert_eq!((to("stavanger"), to("bergen")), (9, 8));
    let list = service
        .get("/api/v1/incidents?organization=964965226&limit=50")
        .await
        .1;
    let rows = list["incidents"].as_array().expect("rows");
    let of = |value: &str| {
        rows.iter()
            .filter(|row| row["entity"]["value"] == value)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of("*").len(), of("**").len(), of("eve").len()),
        (1, 1, 1),
        "{list}"
    );
    assert_eq!(of("*")[0]["count"], 3);
    for mail in mails.iter().filter(|mail| mail.to.contains("bergen")) {
        assert!(!mail.raw_text().contains("10.0.0."), "{}", mail.text);
    }
}

/// What the service says of each incident, by rule and thing, but for what depends on when it was asked.
async fn said(service: &Service) -> Vec<String> {
    let list = service.get("/api/v1/incidents?limit=200").await.1;
    let mut said = Vec::new();
    for row in list["incidents"].as_array().expect("rows") {
        let id = row["id"].as_str().expect("an id");
        let one = service.get(&format!("/api/v1/incidents/{id}")).await.1;
        let mut members: Vec<_> = one["members"].as_array().into_iter().flatten().cloned().collect();
        members.sort_by_key(ToString::to_string);
        let parts = [
            "summary",
            "entity",
            "count",
            "severity",
            "first_seen",
            "last_seen",
        ];
        let parts: Vec<_> = parts.iter().map(|part| row[part].to_string()).collect();
        // Mails leave whenever they do.
        let lines = one["timeline"].as_array().expect("lines").iter();
        let kinds: Vec<_> = lines
            .filter_map(|line| line["kind"].as_str())
            .filter(|kind| *kind != "notified")
            .collect();
        said.push(format!(
            "{} {members:?} {} {kinds:?}",
            parts.join(" "),
            one["members_total"]
        ));
    }
    said.sort();
    said
}

/// Waits until so many alerts are applied.
async fn applied(service: &Service, count: usize) {
    let line = format!("alerting_alerts_applied_total {count}\n");
    while !service.text("/metrics").await.contains(&line) {}
}

/// What becomes of the same alerts, in one batch or each in its own.
async fn becomes(is_at_once: bool) -> Vec<String> {
    let alert = |number: u32| {
        let severities = [Severity::Low, Severity::Low, Severity::Medium, Severity::High];
        let rule = ["one", "two", "three"][(number % 3) as usize];
        // Some come again; each rule grows graver with time.
        let thing = if number.is_multiple_of(7) {
            number % 5
        } else {
            number
        };
        let mut alert = Alerts::new(STAVANGER)
            .rule(rule)
            .summary(rule)
            .severity(severities[(number / 40) as usize % 4])
            .entity(&format!("2001:db8::{thing:x}"))
            .make(number);
        let jitter = i64::from(number * 37 % 50) - 25;
        alert.timestamp =
            ingest_event::Timestamp::from_millis(1_772_438_400_000 + (i64::from(number) + jitter) * 900);
        alert
    };
    let (first, rest): (Vec<_>, Vec<_>) = ((0..45).map(alert).collect(), (45..160).map(alert).collect());
    let service = Service::start().await;
    service.publish(&first).await;
    applied(&service, first.len()).await;
    // One that is told alone becomes part of the many of its rule.
    let list = service.get("/api/v1/incidents?limit=200").await.1;
    let rows = list["incidents"].as_array().expect("rows");
    let find = |value: &str| {
        let row = rows
            .iter()
            .find(|row| row["entity"]["value"] == value && row["summary"]["nb"] == "one");
        row.expect(value)["id"].clone()
    };
    let path = format!("/api/v1/incidents/{}/merge", find("*").as_str().expect("an id"));
    let (status, merged) = service
        .post(&path, json!({ "incidents": [find("2001:db8::3")] }))
        .await;
    assert_eq!(status, 200, "{merged}");
    if is_at_once {
        service.publish(&rest).await;
    } else {
        for (place, one) in rest.iter().enumerate() {
            service.publish(std::slice::from_ref(one)).await;
            applied(&service, first.len() + place + 1).await;
        }
    }
    applied(&service, first.len() + rest.len()).await;
    let said = said(&service).await;
    service.stop().await;
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_at_once_becomes_what_comes_one_by_one() {
    let (say, heard) = std::sync::mpsc::sync_channel(4);
    for is_at_once in [true, false] {
        let (of_file, of_server) = (say.clone(), say.clone());
        on_sqlite(async move { of_file.send(becomes(is_at_once).await).expect("heard") }).await;
        on_postgres(async move { of_server.send(becomes(is_at_once).await).expect("heard") }).await;
    }
    drop(say);
    let all: Vec<Vec<String>> = heard.into_iter().collect();
    assert!(
        all.len() >= 2 && all[0].iter().any(|line| line.contains("\"*\"")),
        "{all:?}"
    );
    for one in &all {
        assert_eq!(one, &all[0]);
    }
}
