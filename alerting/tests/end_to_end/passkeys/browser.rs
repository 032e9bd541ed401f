//! A login with a passkey is one browser's.

use serde_json::json;

use super::{BROWSER, add, authenticator::Authenticator, options, post};
use crate::{
    access::{self, ask, log_in, person},
    stores::on_both,
};

on_both!(a_login_is_ended_in_the_browser_in_which_it_was_begun);

/// What another browser holds.
const ANOTHERS: &str = "cookie: varde-passkey=BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

async fn a_login_is_ended_in_the_browser_in_which_it_was_begun() {
    let service = access::start().await;
    let mut kari = person(&service, "kari", &["analyst"], &[]);
    let session = log_in(&service, &mut kari).await;
    let mut key = Authenticator::new();
    add(&service, &session, "Nøkkel", &mut key).await;
    for (browser, status) in [
        // Of another, of nobody, and what is no secret of ours.
        (ANOTHERS, 401),
        ("cookie: varde-passkey=", 401),
        ("cookie: varde-passkey=a.b", 401),
        ("accept: */*", 401),
        (BROWSER, 200),
    ] {
        let asked = options(&service, "/login/options", "").await;
        let body = json!({ "credential": key.sign(&asked) });
        assert_eq!(
            post(&service, "/login", browser, &body).await.status,
            status,
            "{browser}"
        );
    }
    // Whoever holds nothing yet is given it, out of reach of other sites and scripts, and has it for several logins.
    let path = "/api/v1/passkeys/login/options";
    let begun = ask(&service, "POST", path, &[], "{}").await;
    let line = begun
        .head
        .lines()
        .find(|line| line.contains("varde-passkey="))
        .expect("a cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Max-Age=300", "Path=/"] {
        assert!(line.contains(part), "{line}");
    }
    let held = line
        .split_once(": ")
        .and_then(|(_, value)| value.split(';').next())
        .expect("a value");
    let held = format!("cookie: {held}");
    let again = ask(&service, "POST", path, &[&held], "{}").await;
    for asked in [again, begun] {
        let body = json!({ "credential": key.sign(&asked.json()["options"]) });
        let entered = post(&service, "/login", &held, &body).await;
        assert_eq!(entered.status, 200, "{entered:?}");
    }
}
