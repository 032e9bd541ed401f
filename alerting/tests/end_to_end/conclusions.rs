//! What people conclude comes back as how rules and feeds fared; exercises and calls for help do not.

use detect_alert::{Confidence, IndicatorKind, IndicatorRef, Pap, Tlp};
use serde_json::json;

use crate::{
    BERGEN, STAVANGER,
    service::{Alerts, Service},
};

crate::stores::on_both!(what_is_concluded_is_counted_once_by_what_found_it);

async fn what_is_concluded_is_counted_once_by_what_found_it() {
    let service = Service::start().await;
    let mut listed = Alerts::new(STAVANGER).rule("list").entity("10.0.0.9").make(9);
    listed.indicator = Some(IndicatorRef {
        kind: IndicatorKind::Address,
        value: "203.0.113.9".to_owned(),
        source: "abuse-feed".to_owned(),
        confidence: Confidence::High,
        tlp: Tlp::Green,
        pap: Pap::Green,
        description: String::new(),
    });
    let of = |number: u32, rule: &str| Alerts::new(BERGEN).rule(rule).entity(&format!("10.0.0.{number}"));
    let alerts = [
        of(1, "good").make(1),
        of(2, "good").make(2),
        of(3, "good").make(3),
        of(4, "noisy").make(4),
        of(5, "noisy").exercise().make(5),
        listed,
    ];
    service.publish(&alerts).await;
    service.mails(6).await;
    let rows = service.get("/api/v1/incidents?limit=50").await.1;
    let id = |value: &str| {
        let mut rows = rows["incidents"].as_array().expect("rows").iter();
        let row = rows.find(|row| row["entity"]["value"] == value).expect(value);
        row["id"].as_str().expect("an id").to_owned()
    };
    let judge = async |value: &str, verdict: &str| {
        let path = format!("/api/v1/incidents/{}/verdict", id(value));
        assert_eq!(service.post(&path, json!({ "verdict": verdict })).await.0, 200);
    };
    judge("10.0.0.1", "true_positive").await;
    judge("10.0.0.2", "false_positive").await;
    // Somebody changes their mind, and somebody needs help before they know.
    judge("10.0.0.2", "true_positive").await;
    judge("10.0.0.3", "false_positive").await;
    judge("10.0.0.4", "need_help").await;
    judge("10.0.0.5", "true_positive").await;
    judge("10.0.0.9", "false_positive").await;
    let fared = async || service.get("/api/v1/statistics/conclusions").await.1;
    let good = json!({"name": "good", "true_positive": 2, "false_positive": 1, "precision": 0.667});
    let feed = json!({"name": "abuse-feed", "true_positive": 0, "false_positive": 1, "precision": 0.0});
    assert_eq!(fared().await, json!({ "rules": [good], "feeds": [feed] }));
    // What was concluded is not, once help is asked for.
    judge("10.0.0.9", "need_help").await;
    assert_eq!(fared().await, json!({ "rules": [good], "feeds": [] }));
}
