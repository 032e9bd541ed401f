//! What is kept has an end, and one row that can't be read holds up no other.

use crate::{
    BERGEN, STAVANGER,
    access::{self, ask, log_in, person},
    service::{Alerts, Service},
    stores::{count_by_hand, on_both},
};

on_both!(
    answers_that_are_known_no_longer_go_by_themselves,
    a_mail_that_came_back_about_something_unreadable_holds_up_no_other,
    where_no_place_is_left_to_put_aside_it_is_counted,
);

/// Looks until a count is as it should be: for a minute at most.
pub(crate) async fn until_counted(service: &Service, text: &'static str, count: i64) {
    let data = service.path().join("data");
    let mut found = 0;
    for _ in 0..3_000 {
        found = count_by_hand(&data, text).await;
        if found == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{text}: {found}, not {count}");
}

async fn answers_that_are_known_no_longer_go_by_themselves() {
    let service = access::start().await;
    let mut officer = person(&service, "ola", &["duty_officer"], &[]);
    let cookie = log_in(&service, &mut officer).await;
    let body = serde_json::json!({ "organization": BERGEN, "reason": "flytting", "until": "2099-01-01T00:00:00Z",
        "from": "2098-12-31T00:00:00Z" });
    for key in ["one", "two"] {
        let key = format!("idempotency-key: {key}");
        let begun = ask(
            &service,
            "POST",
            "/api/v1/silences",
            &[&cookie, &key],
            &body.to_string(),
        )
        .await;
        assert_eq!(begun.status, 201, "{begun:?}");
    }
    until_counted(
        &service,
        "SELECT count(*) FROM request_once WHERE body IS NOT NULL",
        2,
    )
    .await;
    // A day ago, and more of them than go at once. Nobody asks anything from here on.
    for text in [
        "UPDATE request_once SET claimed_at = claimed_at - 86400000000000 WHERE once_key = (SELECT min(once_key) FROM request_once)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
             INSERT INTO request_once (who, once_key, request, reach, claim, claimed_at, effected, body)
             SELECT 'w', 'k' || CAST(i AS TEXT), 'r', 'r', 'c', i, 1, 'an answer' FROM n",
    ] {
        service.by_hand(text).await;
    }
    until_counted(&service, "SELECT count(*) FROM request_once", 1).await;
    service.stop().await;
}

async fn a_mail_that_came_back_about_something_unreadable_holds_up_no_other() {
    let service = Service::start().await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;
    service.mails(2).await;
    until_counted(
        &service,
        "SELECT count(*) FROM notification WHERE state = 'sent'",
        2,
    )
    .await;
    for text in [
        "UPDATE notification SET language = 'of a newer version' WHERE address = 'vakt@stavanger.example'",
        "INSERT INTO bounce (message, address, at, status, state)
             SELECT id, '', CASE WHEN address = 'vakt@stavanger.example' THEN 1 ELSE 2 END, '5.1.1', 'new' FROM notification",
    ] {
        service.by_hand(text).await;
    }
    until_counted(&service, "SELECT count(*) FROM bounce WHERE state = 'counted'", 1).await;
    until_counted(
        &service,
        "SELECT count(*) FROM bounce WHERE state = 'passed_over' AND address = ''",
        1,
    )
    .await;
    until_counted(
        &service,
        "SELECT count(*) FROM notification WHERE state = 'failed' AND error LIKE 'it came back%'",
        2,
    )
    .await;
    let metrics = service.text("/metrics").await;
    assert!(
        metrics.contains("alerting_rows_passed_over_total{of=\"bounce\"} 1\n"),
        "{metrics}"
    );
    service.stop().await;
}

async fn where_no_place_is_left_to_put_aside_it_is_counted() {
    let service = Service::start().await;
    service
        .by_hand(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
                 INSERT INTO aside (id, topic, partition, place, reason, detail, record, appended_ms, put_at)
                 SELECT 'a' || CAST(i AS TEXT), 't', 0, i, 'not_json', '', '', 0, i FROM n",
        )
        .await;
    service.publish_bytes(STAVANGER, b"no alert").await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    service.mails(1).await;
    let metrics = service.text("/metrics").await;
    for line in [
        "alerting_aside_full_total{then=\"passed_over\"} 1\n",
        "alerting_aside_full_total{then=\"held_up\"} 0\n",
        "alerting_alerts_refused_total{reason=\"not_json\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    service.stop().await;
}
