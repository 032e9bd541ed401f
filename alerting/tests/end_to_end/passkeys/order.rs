//! What comes in another order than it was asked, or all at once.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use ingest_event::Timestamp;
use serde_json::json;

use super::{Authenticator, add, enter, list, options, post};
use crate::{
    access::{self, PASSKEYS, ask, cookie, log_in, person, start_at},
    service::Service,
};

crate::stores::on_both!(
    two_logins_at_once_are_no_copy,
    who_removes_a_passkey_ends_what_it_opened,
    a_flood_of_begun_logins_is_turned_away,
);

/// A service whose clock goes on by a minute when it is told to, and how to tell it.
async fn start() -> (Service, impl Fn()) {
    let millis = Arc::new(AtomicI64::new(alerting::clock::machine().now().as_millis()));
    let hand = Arc::clone(&millis);
    let clock = alerting::clock::steered(move || Timestamp::from_millis(millis.load(Ordering::Relaxed)));
    let forward = move || {
        hand.fetch_add(60_000, Ordering::Relaxed);
    };
    (start_at(clock, PASSKEYS).await, forward)
}

async fn two_logins_at_once_are_no_copy() {
    let (service, forward) = start().await;
    let mut kari = person(&service, "kari", &["auditor"], &[]);
    let session = log_in(&service, &mut kari).await;
    let mut key = Authenticator::new();
    add(&service, &session, "Nøkkel", &mut key).await;
    key.counter = 6;
    let begun = [
        options(&service, "/login/options", "").await,
        options(&service, "/login/options", "").await,
    ];
    let answers = begun.map(|asked| json!({ "credential": key.sign(&asked) }));
    forward();
    assert_eq!(post(&service, "/login", "", &answers[1]).await.status, 200);
    assert_eq!(post(&service, "/login", "", &answers[0]).await.status, 401);
    let held = list(&service, &session).await;
    assert_eq!(held["passkeys"][0]["copied"], json!(false), "{held}");
    assert_eq!(enter(&service, &mut key).await.status, 200, "{held}");
    service.stop().await;
}

async fn who_removes_a_passkey_ends_what_it_opened() {
    let service = access::start().await;
    let mut kari = person(&service, "kari", &["auditor"], &[]);
    let session = log_in(&service, &mut kari).await;
    let mut key = Authenticator::new();
    let id = add(&service, &session, "Nøkkel", &mut key).await;
    let theirs = cookie(&enter(&service, &mut key).await);
    let path = format!("/api/v1/passkeys/{id}");
    assert_eq!(ask(&service, "DELETE", &path, &[&session], "").await.status, 200);
    for (cookie, expected) in [(&theirs, 401), (&session, 200)] {
        let me = ask(&service, "GET", "/api/v1/me", &[cookie], "").await;
        assert_eq!(me.status, expected, "{me:?}");
    }
    service.stop().await;
}

async fn a_flood_of_begun_logins_is_turned_away() {
    let (service, forward) = start().await;
    let begin = async |service: &Service| post(service, "/login/options", "", &json!({})).await.status;
    for _ in 0..600 {
        assert_eq!(begin(&service).await, 200);
    }
    assert_eq!(begin(&service).await, 429);
    // What nobody was asked is written nowhere either.
    let mut key = Authenticator::new();
    let answer = json!({ "credential": key.sign(&json!({ "challenge": "AAAA" })) });
    assert_eq!(post(&service, "/login", "", &answer).await.status, 401);
    forward();
    assert_eq!(begin(&service).await, 200);
    service.stop().await;
}
