//! What is sent again with its `Idempotency-Key` is carried out once; and what was read may be named when it is changed.

use serde_json::{Value, json};
use sqlx::Connection;

use crate::{
    BERGEN,
    access::{self, Answered, ask, log_in, person},
    service::{Alerts, Service},
    stores::on_both,
};

on_both!(
    what_is_sent_again_with_its_key_is_carried_out_once_and_answered_as_before,
    a_key_that_did_nothing_is_free_and_one_that_took_effect_is_never_carried_out_again,
    what_was_changed_since_it_was_read_is_not_changed_unseen,
    a_stranger_writes_nothing_by_a_key,
);

/// What makes the store refuse to remember any key.
const REMEMBERS_NONE: [&[&str]; 2] = [
    &["CREATE TRIGGER none BEFORE INSERT ON request_once BEGIN SELECT raise(ABORT, 'none'); END"],
    &[
        "CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'none'; END $$",
        "CREATE TRIGGER none BEFORE INSERT ON request_once FOR EACH ROW EXECUTE FUNCTION remember()",
    ],
];

async fn a_stranger_writes_nothing_by_a_key() {
    let service = Service::start().await;
    service.publish(&[Alerts::new(BERGEN).make(1)]).await;
    let mails = service.mails(1).await;
    for text in REMEMBERS_NONE[usize::from(crate::stores::database().is_some())] {
        service.by_hand(text).await;
    }
    let send = async |path: &str| {
        let headers = ["idempotency-key: \"k\""];
        ask(&service, "POST", path, &headers, "{}").await.status
    };
    for path in ["/api/v1/responder/nobodys/seen", "/api/v1/contact/nobodys"] {
        assert_eq!(send(path).await, 404, "{path}");
    }
    // Whoever holds a link is remembered, or not served.
    let own = format!("/api/v1/responder/{}/seen", mails[0].token());
    assert_eq!(send(&own).await, 503);
}

fn silence(reason: &str) -> String {
    json!({"organization": BERGEN, "reason": reason, "until": "2099-01-01T00:00:00Z",
        "from": "2098-12-31T00:00:00Z"})
    .to_string()
}

async fn begin(service: &Service, cookie: &str, key: &str, reason: &str) -> Answered {
    let key = format!("idempotency-key: {key}");
    ask(
        service,
        "POST",
        "/api/v1/silences",
        &[cookie, &key],
        &silence(reason),
    )
    .await
}

async fn silences(service: &Service, cookie: &str) -> Vec<Value> {
    let list = ask(service, "GET", "/api/v1/silences", &[cookie], "").await;
    list.json()["silences"].as_array().expect("a list").clone()
}

async fn what_is_sent_again_with_its_key_is_carried_out_once_and_answered_as_before() {
    let service = access::start().await;
    let mut chief = person(&service, "chief", &["duty_officer"], &[]);
    let mut other = person(&service, "other", &["duty_officer"], &[]);
    let (chief, other) = (
        log_in(&service, &mut chief).await,
        log_in(&service, &mut other).await,
    );

    let at_once = (0..8).map(|_| begin(&service, &chief, "\"k-1\"", "flytting"));
    let answers = futures_util::future::join_all(at_once).await;
    let first = answers
        .iter()
        .find(|answer| answer.status == 201)
        .expect("one was carried out");
    for answer in &answers {
        let is_same = answer.status == 201 && answer.body == first.body;
        assert!(is_same || answer.status == 409, "{answer:?}");
    }
    assert_eq!(silences(&service, &chief).await.len(), 1);
    let again = begin(&service, &chief, "k-1", "flytting").await;
    assert_eq!(
        (again.status, &again.body),
        (201, &first.body),
        "with quotes or without"
    );
    assert!(again.head.contains("content-type: application/json"), "{again:?}");

    let differs = begin(&service, &chief, "k-1", "noe annet").await;
    assert_eq!(differs.status, 422, "{differs:?}");
    let others = begin(&service, &other, "k-1", "flytting").await;
    assert_eq!(others.status, 201, "another's key is another: {others:?}");
    assert_ne!(others.body, first.body);
    for key in ["", "\u{e6}", &"k".repeat(256), "a b"] {
        let refused = begin(&service, &chief, key, "flytting").await;
        assert_eq!(refused.status, 400, "{key}: {refused:?}");
    }
    assert_eq!(silences(&service, &chief).await.len(), 2);
    // Who may something else by now is not shown what they were shown then.
    forget(&service, "UPDATE request_once SET reach = 'another'").await;
    let again = begin(&service, &chief, "k-1", "flytting").await;
    assert_eq!(again.status, 409, "{again:?}");
    service.stop().await;
}

async fn a_key_that_did_nothing_is_free_and_one_that_took_effect_is_never_carried_out_again() {
    let service = access::start().await;
    let mut chief = person(&service, "chief", &["duty_officer"], &[]);
    let chief = log_in(&service, &mut chief).await;
    let refused = begin(&service, &chief, "k-1", "").await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let taken = begin(&service, &chief, "k-1", "flytting").await;
    assert_eq!(
        taken.status, 201,
        "it was refused, so the key was free: {taken:?}"
    );

    // As a kill between the effect and the answer leaves it.
    forget(
        &service,
        "UPDATE request_once SET status = NULL, head = NULL, body = NULL",
    )
    .await;
    let again = begin(&service, &chief, "k-1", "flytting").await;
    assert_eq!(again.status, 409, "{again:?}");
    assert!(again.body.contains("took effect"), "{again:?}");
    assert_eq!(silences(&service, &chief).await.len(), 1);

    // As a kill before the effect leaves it: it is being carried out, for as long as a request can live.
    forget(&service, "UPDATE request_once SET effected = 0").await;
    let again = begin(&service, &chief, "k-1", "flytting").await;
    assert_eq!(
        (again.status, again.body.contains("being carried out")),
        (409, true),
        "{again:?}"
    );
    forget(
        &service,
        "UPDATE request_once SET claimed_at = claimed_at - 60000000000",
    )
    .await;
    let again = begin(&service, &chief, "k-1", "flytting").await;
    assert_eq!(again.status, 201, "{again:?}");

    // After a day a key is as new.
    forget(
        &service,
        "UPDATE request_once SET claimed_at = claimed_at - 86400000000000",
    )
    .await;
    let later = begin(&service, &chief, "k-1", "noe annet").await;
    assert_eq!(later.status, 201, "{later:?}");
    service.stop().await;
}

/// Changes the store as something else than the service left it.
async fn forget(service: &Service, change: &'static str) {
    sqlx::any::install_default_drivers();
    let url = crate::stores::database().unwrap_or_else(|| {
        let file = service.path().join("data/alerting.sqlite");
        format!("sqlite:{}", file.display())
    });
    let mut connection = sqlx::AnyConnection::connect(&url).await.expect("connected");
    sqlx::query(change)
        .execute(&mut connection)
        .await
        .expect("changed");
}

async fn what_was_changed_since_it_was_read_is_not_changed_unseen() {
    let service = access::start().await;
    service.publish(&[Alerts::new(BERGEN).make(1)]).await;
    service.mails(1).await;
    let mut chief = person(&service, "chief", &["analyst"], &[]);
    let cookie = log_in(&service, &mut chief).await;
    let list = ask(&service, "GET", "/api/v1/incidents", &[&cookie], "")
        .await
        .json();
    let path = format!(
        "/api/v1/incidents/{}",
        list["incidents"][0]["id"].as_str().expect("an id")
    );
    let tag = |answer: &Answered| {
        let line = answer.head.lines().find_map(|line| line.strip_prefix("etag: "));
        line.expect("a tag").to_owned()
    };
    let read = ask(&service, "GET", &path, &[&cookie], "").await;
    let known = format!("if-none-match: \"other\", {}", tag(&read));
    let unchanged = ask(&service, "GET", &path, &[&cookie, &known], "").await;
    assert_eq!(
        (unchanged.status, unchanged.body.as_str()),
        (304, ""),
        "{unchanged:?}"
    );

    let as_read = format!("if-match: {}", tag(&read));
    let taken = ask(
        &service,
        "POST",
        &format!("{path}/acknowledge"),
        &[&cookie, &as_read],
        "{}",
    )
    .await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_ne!(tag(&taken), tag(&read));
    let stale = ask(
        &service,
        "POST",
        &format!("{path}/close"),
        &[&cookie, &as_read],
        "{}",
    )
    .await;
    assert_eq!(stale.status, 412, "{stale:?}");
    let strange = ask(
        &service,
        "POST",
        &format!("{path}/close"),
        &[&cookie, "if-match: \"x\""],
        "{}",
    )
    .await;
    assert_eq!(strange.status, 412, "{strange:?}");
    let changed = ask(&service, "GET", &path, &[&cookie, &known], "").await;
    assert_eq!((changed.status, tag(&changed)), (200, tag(&taken)), "{changed:?}");
    let whatever = ask(&service, "POST", &format!("{path}/close"), &[&cookie], "{}").await;
    assert_eq!(whatever.status, 200, "{whatever:?}");
    service.stop().await;
}
