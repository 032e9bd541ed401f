//! A municipality merges into another while incidents are open.

use crate::STAVANGER;
use crate::service::{self, Alerts, Service, smtp};
use crate::stores::on_both;

on_both!(after_a_merger_new_incidents_go_to_who_has_the_place_and_old_ones_are_found_under_both_names);

async fn after_a_merger_new_incidents_go_to_who_has_the_place_and_old_ones_are_found_under_both_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let (listener, port, mut mails) = smtp();
    let mut config = service::configure(folder.path(), port);
    let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
        .await
        .expect("a bus");
    service::ensure_topic(&bus).await;
    let service = Service::start_in(folder, config.clone(), bus.clone()).await;
    service
        .publish(&[Alerts::new(STAVANGER).entity("before").make(1)])
        .await;
    mails.wait_for(|mails| mails.len() == 1).await.expect("told");
    let folder = service.stop().await;

    // The alerts are of the second of March.
    let changes = "on,from,from_name,to,to_name\n2026-03-02,1103,Stavanger,4601,Bergen\n";
    let path = folder.path().join("changes.csv");
    std::fs::write(&path, changes).expect("written");
    config.registry.changes = Some(path);
    let service = Service::start_in(folder, config, bus).await;
    service
        .publish(&[Alerts::new(STAVANGER).entity("after").make(2)])
        .await;
    let told = mails
        .wait_for(|mails| mails.len() == 2)
        .await
        .expect("told")
        .clone();
    let to: Vec<&str> = told.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["vakt@stavanger.example", "vakt@bergen.example"]);
    assert!(told[1].subject.contains("after"), "{}", told[1].subject);

    for (query, total) in [
        ("organization=964338531", 2),
        ("organization=964965226", 1),
        ("q=stavanger", 2),
        ("q=Bergen", 2),
        ("q=1103", 2),
        ("q=4601&organization=964338531", 2),
        ("q=Oslo", 0),
    ] {
        let list = service.get(&format!("/api/v1/incidents?{query}")).await.1;
        assert_eq!(list["total"], total, "{query}: {list}");
    }
    let list = service.get("/api/v1/incidents?q=after").await.1;
    let id = list["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let one = service.get(&format!("/api/v1/incidents/{id}")).await.1;
    let steps = one["route"].as_array().expect("steps");
    let step = steps
        .iter()
        .find(|step| step["step"] == "succession")
        .expect("told");
    assert_eq!(
        (&step["result"], &step["detail"]),
        (&"matched".into(), &"Stavanger → Bergen".into())
    );
    service.stop().await;
    drop(listener);
}
