//! Who may silence for how long.

use serde_json::json;

use crate::{
    STAVANGER,
    access::{self, Answered, ask, log_in, person},
};

crate::stores::on_both!(an_analyst_silences_for_hours_and_ends_what_is_theirs);

async fn an_analyst_silences_for_hours_and_ends_what_is_theirs() {
    let service = access::start().await;
    let mut analyst = person(&service, "kari", &["analyst"], &[]);
    let mut officer = person(&service, "vakt", &["duty_officer"], &[]);
    let (cookie, officer) = (
        log_in(&service, &mut analyst).await,
        log_in(&service, &mut officer).await,
    );
    let now = alerting::clock::machine().now();
    let silence = async |cookie: &str, hours: u64| {
        let until = now.saturating_add(std::time::Duration::from_secs(hours * 3_600));
        let body = json!({"organization": STAVANGER, "reason": "arbeid", "until": until.to_string()});
        ask(&service, "POST", "/api/v1/silences", &[cookie], &body.to_string()).await
    };
    let long = silence(&cookie, 6).await;
    assert_eq!(long.status, 422, "{long:?}");
    assert!(long.body.contains("4 hours"), "{long:?}");
    let own = silence(&cookie, 3).await;
    let theirs = silence(&officer, 100).await;
    assert_eq!((own.status, theirs.status), (201, 201), "{own:?} {theirs:?}");
    let end = async |cookie: &str, silence: &Answered| {
        let path = format!(
            "/api/v1/silences/{}",
            silence.json()["id"].as_str().expect("an id")
        );
        ask(&service, "DELETE", &path, &[cookie], "").await.status
    };
    assert_eq!(end(&cookie, &theirs).await, 403, "the duty officer's");
    assert_eq!(end(&cookie, &own).await, 200);
    let left = ask(&service, "GET", "/api/v1/silences", &[&cookie], "")
        .await
        .json();
    assert_eq!(left["silences"].as_array().map(Vec::len), Some(1), "{left}");
    service.stop().await;
}
