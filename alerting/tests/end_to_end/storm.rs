//! A storm in one municipality: a handful of incidents and mails, and others' leave as ever.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    BERGEN, STAVANGER,
    service::{Alerts, Service},
    stores::on_both,
};

on_both![a_storm_is_a_handful_of_incidents_and_delays_nobody_else];

/// Alerts of the storm, each about another machine.
const STORM: u32 = 600;

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
