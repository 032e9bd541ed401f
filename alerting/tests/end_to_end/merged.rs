//! What became part of another: nobody takes back what is over, parts of parts count in the whole, and nothing goes to another owner.

use serde_json::json;

use crate::{
    STAVANGER,
    arrange::{ONE, TWO, applied, count, detail, id_of, list, post},
    service::{Alerts, Service},
};

crate::stores::on_both!(
    what_became_part_of_another_is_not_taken_back_alone,
    parts_of_parts_count_in_the_whole,
    what_is_anothers_by_now_takes_nothing_of_its_parts,
);

const THREE: &str = "10.1.2.5";

/// A service with an incident about each.
async fn with(entities: &[&str]) -> Service {
    let service = Service::start().await;
    let alerts: Vec<_> = (1..)
        .zip(entities)
        .map(|(number, entity)| Alerts::new(STAVANGER).entity(entity).make(number))
        .collect();
    service.publish(&alerts).await;
    service.mails(entities.len()).await;
    service
}

async fn merge(service: &Service, into: &str, part: &str) {
    let (status, answer) = post(service, into, "merge", json!({ "incidents": [part] })).await;
    assert_eq!(status, 200, "{answer}");
}

async fn what_became_part_of_another_is_not_taken_back_alone() {
    let service = with(&[ONE, TWO]).await;
    let (one, two) = (id_of(&service, ONE).await, id_of(&service, TWO).await);
    assert_eq!(post(&service, &two, "acknowledge", json!({})).await.0, 200);
    merge(&service, &one, &two).await;
    let (status, answer) = post(&service, &two, "undo", json!({})).await;
    assert_eq!(status, 409, "{answer}");
    assert_eq!(detail(&service, &two).await["state"], "closed");
    service.stop().await;
}

async fn parts_of_parts_count_in_the_whole() {
    let service = with(&[ONE, TWO, THREE]).await;
    let one = id_of(&service, ONE).await;
    let (two, three) = (id_of(&service, TWO).await, id_of(&service, THREE).await);
    merge(&service, &two, &three).await;
    merge(&service, &one, &two).await;
    let more = Alerts::new(STAVANGER).entity(THREE).make(9);
    service.publish(&[more]).await;
    applied(&service, &mut 3, 50).await;
    let whole = detail(&service, &one).await;
    assert_eq!(count(&whole), 4, "{whole}");
    assert_eq!(whole["parts"].as_array().map(Vec::len), Some(2), "{whole}");
    service.stop().await;
}

async fn what_is_anothers_by_now_takes_nothing_of_its_parts() {
    let service = with(&[ONE, TWO]).await;
    let (one, two) = (id_of(&service, ONE).await, id_of(&service, TWO).await);
    merge(&service, &one, &two).await;
    service
        .by_hand("UPDATE incident SET owner = '964338531' WHERE merged_into IS NULL")
        .await;
    let more = Alerts::new(STAVANGER).entity(TWO).make(9);
    service.publish(&[more]).await;
    let told = service.mails(3).await;
    assert!(told[2].raw_text().contains(TWO), "{}", told[2].text);
    let whole = detail(&service, &one).await;
    assert_eq!(count(&whole), 2, "{whole}");
    assert_eq!(list(&service).await.len(), 3);
    service.stop().await;
}
