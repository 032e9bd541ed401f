//! A storm in one municipality: a handful of incidents and mails, and others' leave as ever.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    BERGEN, STAVANGER,
    service::{Alerts, Service},
    stores::on_both,
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
