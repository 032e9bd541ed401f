//! Passkeys: made, used, removed; and everything that an authenticator, a browser or somebody else must not say.

mod authenticator;
mod browser;
mod order;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use authenticator::Authenticator;
use ingest_event::Timestamp;
use serde_json::{Value, json};

use crate::{
    access::{self, Answered, PASSKEYS, accounts, ask, cookie, log_in, person, start_at},
    service::Service,
    stores::on_both,
};

on_both!(
    a_passkey_lets_its_owner_in_without_name_or_code,
    an_answer_that_is_not_as_asked_lets_nobody_in,
    a_passkey_that_is_not_as_asked_is_not_added,
    a_counter_that_goes_back_ends_the_passkey_and_is_an_alert,
    nobody_sees_or_changes_anothers_passkeys,
    what_is_removed_or_closed_lets_nobody_in,
    an_unknown_passkey_is_answered_as_a_wrong_signature,
    a_passkey_is_added_soon_after_a_login_and_a_challenge_is_answered_soon,
    passkeys_are_for_people_with_accounts_of_this_service,
);

/// What one browser holds while somebody logs in there.
const BROWSER: &str = "cookie: varde-passkey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is said wrongly, and how.
type Change = (&'static str, fn(&mut Authenticator));

async fn post(service: &Service, path: &str, cookie: &str, body: &Value) -> Answered {
    let cookie = if path.starts_with("/login") && cookie.is_empty() {
        BROWSER
    } else {
        cookie
    };
    let path = format!("/api/v1/passkeys{path}");
    let headers: Vec<&str> = [cookie].into_iter().filter(|header| !header.is_empty()).collect();
    ask(service, "POST", &path, &headers, &body.to_string()).await
}

async fn options(service: &Service, path: &str, cookie: &str) -> Value {
    let answer = post(service, path, cookie, &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["options"].clone()
}

async fn list(service: &Service, cookie: &str) -> Value {
    let answer = ask(service, "GET", "/api/v1/passkeys", &[cookie], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Adds a passkey by this name; its id.
async fn add(service: &Service, cookie: &str, name: &str, authenticator: &mut Authenticator) -> String {
    let asked = options(service, "/options", cookie).await;
    let body = json!({ "name": name, "credential": authenticator.make(&asked) });
    let added = post(service, "", cookie, &body).await;
    assert_eq!(added.status, 201, "{added:?}");
    added.json()["id"].as_str().expect("an id").to_owned()
}

/// Logs in by it.
async fn enter(service: &Service, authenticator: &mut Authenticator) -> Answered {
    let asked = options(service, "/login/options", "").await;
    let body = json!({ "credential": authenticator.sign(&asked) });
    post(service, "/login", "", &body).await
}

/// Actor and subject of what was noted of an action, the newest first.
async fn noted(service: &Service, cookie: &str, action: &str) -> Vec<(String, String)> {
    let path = format!("/api/v1/audit?action={action}");
    let log = ask(service, "GET", &path, &[cookie], "").await.json();
    let rows = log["entries"].as_array().expect("entries").clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rows.iter()
        .map(|row| (text(&row["actor"]), text(&row["subject"])))
        .collect()
}

fn pair(actor: &str, subject: &str) -> (String, String) {
    (actor.to_owned(), subject.to_owned())
}

async fn a_passkey_lets_its_owner_in_without_name_or_code() {
    let service = access::start().await;
    assert_eq!(service.get("/api/v1/login").await.1["passkeys"], json!(true));
    let mut kari = person(&service, "kari", &["duty_officer", "auditor"], &[]);
    let first = log_in(&service, &mut kari).await;
    let me = ask(&service, "GET", "/api/v1/me", &[&first], "").await.json();
    assert_eq!(me["passkeys"], json!(true), "{me}");

    let asked = options(&service, "/options", &first).await;
    let wanted = &asked["authenticatorSelection"];
    assert_eq!(
        (
            &wanted["residentKey"],
            &wanted["userVerification"],
            &asked["rp"]["id"]
        ),
        (&json!("required"), &json!("required"), &json!("localhost")),
        "{asked}"
    );
    let (mut phone, mut key) = (Authenticator::new(), Authenticator::new());
    add(&service, &first, "Telefon", &mut phone).await;
    let id = add(&service, &first, "Nøkkel", &mut key).await;
    let asked = options(&service, "/options", &first).await;
    assert_eq!(
        asked["excludeCredentials"].as_array().map(Vec::len),
        Some(2),
        "{asked}"
    );
    let renamed = json!({ "name": " Nøkkel i skuffen " }).to_string();
    let path = format!("/api/v1/passkeys/{id}");
    assert_eq!(ask(&service, "PUT", &path, &[&first], &renamed).await.status, 200);
    for name in ["", " ", "\u{1}", &"x".repeat(65)] {
        let body = json!({ "name": name }).to_string();
        assert_eq!(
            ask(&service, "PUT", &path, &[&first], &body).await.status,
            422,
            "{name:?}"
        );
    }

    let asked = options(&service, "/login/options", "").await;
    assert_eq!(
        (&asked["userVerification"], &asked["allowCredentials"]),
        (&json!("required"), &json!([])),
        "{asked}"
    );
    let body = json!({ "credential": key.sign(&asked) });
    let entered = post(&service, "/login", "", &body).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    let again = post(&service, "/login", "", &body).await;
    assert_eq!(again.status, 401, "an answer is taken once: {again:?}");
    let session = cookie(&entered);
    let me = ask(&service, "GET", "/api/v1/me", &[&session], "").await.json();
    assert_eq!(
        (&me["name"], &me["login"], &me["can_log_out"], &me["passkeys"]),
        (&json!("Navn kari"), &json!("passkey"), &json!(true), &json!(true)),
    );
    let held = list(&service, &session).await;
    assert_eq!(
        (&held["passkeys"][0]["name"], &held["passkeys"][0]["used_at"]),
        (&json!("Telefon"), &Value::Null),
        "{held}"
    );
    assert_eq!(held["passkeys"][1]["name"], "Nøkkel i skuffen");
    assert!(held["passkeys"][1]["used_at"].is_string(), "{held}");
    assert_eq!(enter(&service, &mut phone).await.status, 200, "each of them");

    for (action, expected) in [
        (
            "passkey.added",
            vec![pair("Navn kari", "Nøkkel"), pair("Navn kari", "Telefon")],
        ),
        ("passkey.renamed", vec![pair("Navn kari", "Nøkkel i skuffen")]),
        ("login.failed", vec![pair("unknown", "passkey")]),
    ] {
        assert_eq!(noted(&service, &session, action).await, expected, "{action}");
    }
    let succeeded = noted(&service, &session, "login.succeeded").await;
    assert_eq!(succeeded[1], pair("Navn kari", "passkey Nøkkel i skuffen"));
    let metrics = service.text("/metrics").await;
    assert!(
        metrics.contains("alerting_logins_total{how=\"passkey\"} 2"),
        "{metrics}"
    );
    service.stop().await;
}

async fn an_answer_that_is_not_as_asked_lets_nobody_in() {
    let service = access::start().await;
    let mut kari = person(&service, "kari", &["auditor"], &[]);
    let session = log_in(&service, &mut kari).await;
    let mut right = Authenticator::new();
    add(&service, &session, "Telefon", &mut right).await;
    let changes: [Change; 6] = [
        ("another site", |it| {
            it.origin = "https://localhost.evil.example".to_owned()
        }),
        ("another port", |it| {
            it.origin = "http://localhost:8081".to_owned()
        }),
        ("another name", |it| it.rp_id = "evil.example".to_owned()),
        ("nobody verified", |it| it.verifies = false),
        ("a registration", |it| it.kind = Some("webauthn.create")),
        ("another's", |it| it.handle = vec![7; 16]),
    ];
    for (what, change) in changes {
        let mut wrong = right.clone();
        change(&mut wrong);
        let refused = enter(&service, &mut wrong).await;
        assert_eq!(refused.status, 401, "{what}: {refused:?}");
        assert!(!refused.head.contains("set-cookie"), "{what}");
    }
    // A challenge that was given out for something else, and one that was not given out.
    let asked = options(&service, "/options", &session).await;
    for asked in [asked, json!({ "challenge": "AAAA" }), json!({})] {
        let body = json!({ "credential": right.clone().sign(&asked) });
        let refused = post(&service, "/login", "", &body).await;
        assert_eq!(refused.status, 401, "{asked}: {refused:?}");
    }
    for field in ["signature", "authenticatorData"] {
        for value in ["AAAA", ""] {
            let asked = options(&service, "/login/options", "").await;
            let mut given = right.clone().sign(&asked);
            given["response"][field] = json!(value);
            let refused = post(&service, "/login", "", &json!({ "credential": given })).await;
            assert_eq!(refused.status, 401, "{field}: {refused:?}");
        }
    }
    // A wrong answer uses up what it answers.
    let asked = options(&service, "/login/options", "").await;
    let mut wrong = right.clone();
    wrong.verifies = false;
    for (authenticator, what) in [(&mut wrong, "wrong"), (&mut right.clone(), "right, but late")] {
        let body = json!({ "credential": authenticator.sign(&asked) });
        assert_eq!(post(&service, "/login", "", &body).await.status, 401, "{what}");
    }
    let body = json!({ "credential": 7 });
    assert_eq!(post(&service, "/login", "", &body).await.status, 400);
    assert_eq!(
        enter(&service, &mut right).await.status,
        200,
        "the right one still"
    );
    service.stop().await;
}

async fn a_passkey_that_is_not_as_asked_is_not_added() {
    let service = access::start().await;
    let mut kari = person(&service, "kari", &["analyst"], &[]);
    let session = log_in(&service, &mut kari).await;
    let changes: [Change; 4] = [
        ("another site", |it| it.origin = "https://evil.example".to_owned()),
        ("another name", |it| it.rp_id = "evil.example".to_owned()),
        ("nobody verified", |it| it.verifies = false),
        ("a login", |it| it.kind = Some("webauthn.get")),
    ];
    let given = |credential: Value| json!({ "name": "x", "credential": credential });
    for (what, change) in changes {
        let mut wrong = Authenticator::new();
        change(&mut wrong);
        let asked = options(&service, "/options", &session).await;
        let refused = post(&service, "", &session, &given(wrong.make(&asked))).await;
        assert_eq!(refused.status, 422, "{what}: {refused:?}");
    }
    let asked = options(&service, "/options", &session).await;
    let mut forgetful = Authenticator::new().make(&asked);
    forgetful["clientExtensionResults"]["credProps"]["rk"] = json!(false);
    assert_eq!(
        post(&service, "", &session, &given(forgetful)).await.status,
        422,
        "not found without a name"
    );
    // Of somebody else's begin, after a newer one, and twice.
    let mut ola = person(&service, "ola", &["analyst"], &[]);
    let other = log_in(&service, &mut ola).await;
    let asked = options(&service, "/options", &other).await;
    let mut once = Authenticator::new();
    let made = given(once.make(&asked));
    assert_eq!(
        post(&service, "", &session, &made).await.status,
        409,
        "begun by another"
    );
    assert_eq!(post(&service, "", &other, &made).await.status, 201);
    assert_eq!(
        post(&service, "", &other, &made).await.status,
        409,
        "an answer is taken once"
    );
    let asked = options(&service, "/options", &session).await;
    options(&service, "/options", &session).await;
    assert_eq!(
        post(&service, "", &session, &given(Authenticator::new().make(&asked)))
            .await
            .status,
        409,
        "an older one"
    );
    let asked = options(&service, "/options", &session).await;
    assert_eq!(
        post(&service, "", &session, &given(once.make(&asked)))
            .await
            .status,
        409,
        "it is somebody's already"
    );
    assert_eq!(list(&service, &session).await["passkeys"], json!([]));
    for count in 0..8 {
        add(&service, &session, &format!("{count}"), &mut Authenticator::new()).await;
    }
    let full = post(&service, "/options", &session, &json!({})).await;
    assert_eq!(full.status, 409, "{full:?}");
    service.stop().await;
}

async fn a_counter_that_goes_back_ends_the_passkey_and_is_an_alert() {
    let service = access::start().await;
    let mut kari = person(&service, "kari", &["duty_officer", "auditor"], &[]);
    let session = log_in(&service, &mut kari).await;
    let mut key = Authenticator::new();
    add(&service, &session, "Nøkkel", &mut key).await;
    key.counter = 6;
    let mut copy = key.clone();
    assert_eq!(enter(&service, &mut key).await.status, 200);
    assert_eq!(enter(&service, &mut key).await.status, 200);
    let entered = cookie(&enter(&service, &mut key).await);
    let refused = enter(&service, &mut copy).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let told = service.mails(1).await;
    assert!(
        told[0].to == "duty@cert.example" && told[0].subject.contains("ser ut til å være kopiert"),
        "{told:?}"
    );
    for cookie in [&session, &entered] {
        let answer = ask(&service, "GET", "/api/v1/me", &[cookie], "").await;
        assert_eq!(answer.status, 401, "nobody knows whose it is");
    }
    assert_eq!(
        enter(&service, &mut key).await.status,
        401,
        "neither of the two is taken"
    );
    copy.counter = 99;
    assert_eq!(enter(&service, &mut copy).await.status, 401);

    let session = log_in(&service, &mut kari).await;
    let held = list(&service, &session).await;
    assert_eq!(held["passkeys"][0]["copied"], json!(true), "{held}");
    assert_eq!(
        noted(&service, &session, "passkey.copied").await,
        [pair("Navn kari", "Nøkkel")]
    );
    assert_eq!(
        noted(&service, &session, "login.failed").await,
        [pair("Navn kari", "passkey")],
        "the first of them; the others are summed up"
    );
    let incidents = ask(&service, "GET", "/api/v1/incidents", &[&session], "")
        .await
        .json();
    assert_eq!(incidents["total"], json!(1), "{incidents}");
    assert!(incidents.to_string().contains("Navn kari"), "{incidents}");

    // One that does not count says 0 each time.
    let mut phone = Authenticator::new();
    add(&service, &session, "Telefon", &mut phone).await;
    for _ in 0..2 {
        let asked = options(&service, "/login/options", "").await;
        let body = json!({ "credential": phone.sign_uncounted(&asked) });
        assert_eq!(post(&service, "/login", "", &body).await.status, 200);
    }
    service.stop().await;
}

async fn nobody_sees_or_changes_anothers_passkeys() {
    let service = access::start().await;
    let mut kari = person(&service, "kari", &["duty_officer"], &[]);
    let mut ola = person(&service, "ola", &["duty_officer", "auditor"], &[]);
    let (karis, olas) = (
        log_in(&service, &mut kari).await,
        log_in(&service, &mut ola).await,
    );
    let mut key = Authenticator::new();
    let id = add(&service, &karis, "Karis nøkkel", &mut key).await;
    assert_eq!(list(&service, &olas).await["passkeys"], json!([]));
    let renamed = json!({ "name": "Olas" }).to_string();
    for (method, body) in [("DELETE", ""), ("PUT", renamed.as_str()), ("PUT", "{}")] {
        let with = async |id: &str| {
            let path = format!("/api/v1/passkeys/{id}");
            ask(&service, method, &path, &[&olas], body).await
        };
        let (anothers, nobodys) = (with(&id).await, with(&"0".repeat(32)).await);
        assert_eq!(
            (anothers.status, &anothers.body),
            (404, &nobodys.body),
            "{method}: {anothers:?}"
        );
    }
    let path = format!("/api/v1/passkeys/{id}");
    assert_eq!(ask(&service, "DELETE", &path, &[], "").await.status, 401);
    assert_eq!(
        list(&service, &karis).await["passkeys"][0]["name"],
        "Karis nøkkel"
    );
    let entered = cookie(&enter(&service, &mut key).await);
    let me = ask(&service, "GET", "/api/v1/me", &[&entered], "").await.json();
    assert_eq!(me["name"], "Navn kari");
    assert_eq!(noted(&service, &olas, "passkey.removed").await, []);
    service.stop().await;
}

async fn what_is_removed_or_closed_lets_nobody_in() {
    let service = access::start().await;
    let mut kari = person(&service, "kari", &["auditor"], &[]);
    let session = log_in(&service, &mut kari).await;
    let mut keys = [(); 4].map(|()| Authenticator::new());
    let mut ids = vec![];
    for (place, key) in keys.iter_mut().enumerate() {
        ids.push(add(&service, &session, &format!("Nøkkel {place}"), key).await);
    }
    let path = format!("/api/v1/passkeys/{}", ids[0]);
    assert_eq!(ask(&service, "DELETE", &path, &[&session], "").await.status, 200);
    assert_eq!(
        enter(&service, &mut keys[0]).await.status,
        401,
        "removed by its owner"
    );
    assert_eq!(ask(&service, "DELETE", &path, &[&session], "").await.status, 404);

    // A login that was begun before is ended after.
    let asked = options(&service, "/login/options", "").await;
    let body = json!({ "credential": keys[1].sign(&asked) });
    let told = accounts(service.path(), &["passkeys", "kari"]).expect("listed");
    assert!(
        told.contains(&ids[1]) && told.contains("Nøkkel 1") && !told.contains("Nøkkel 0"),
        "{told}"
    );
    accounts(service.path(), &["passkeys", "kari", "--remove", &ids[1]]).expect("removed");
    assert_eq!(
        post(&service, "/login", "", &body).await.status,
        401,
        "removed by whoever keeps the accounts"
    );
    let me = ask(&service, "GET", "/api/v1/me", &[&session], "").await;
    assert_eq!(me.status, 401, "who found it may be logged in");
    let refused = accounts(service.path(), &["passkeys", "kari", "--remove", &ids[1]]).expect_err("gone");
    assert!(refused.contains("there is none"), "{refused}");

    let entered = enter(&service, &mut keys[2]).await;
    let session = cookie(&entered);
    assert_eq!(
        noted(&service, &session, "passkey.removed").await,
        [
            pair("varde-alerting accounts", "Navn kari Nøkkel 1"),
            pair("Navn kari", "Nøkkel 0")
        ]
    );
    accounts(service.path(), &["reset", "kari"]).expect("reset");
    assert_eq!(
        enter(&service, &mut keys[2]).await.status,
        401,
        "one of the old secrets"
    );

    let mut ola = person(&service, "ola", &["analyst"], &[]);
    let session = log_in(&service, &mut ola).await;
    let mut key = Authenticator::new();
    add(&service, &session, "Olas", &mut key).await;
    let asked = options(&service, "/login/options", "").await;
    let body = json!({ "credential": key.sign(&asked) });
    accounts(service.path(), &["revoke", "ola"]).expect("closed");
    assert_eq!(post(&service, "/login", "", &body).await.status, 401, "closed");
    service.stop().await;
}

async fn an_unknown_passkey_is_answered_as_a_wrong_signature() {
    // Attempts are counted by the minute, and this one does not end.
    let now = alerting::clock::machine().now();
    let service = start_at(alerting::clock::steered(move || now), PASSKEYS).await;
    let mut kari = person(&service, "kari", &["auditor"], &[]);
    let session = log_in(&service, &mut kari).await;
    let mut key = Authenticator::new();
    add(&service, &session, "Nøkkel", &mut key).await;
    let plain = |answer: &Answered| {
        let lines = answer.head.lines();
        let lines = lines.filter(|line| !line.to_lowercase().starts_with("date:"));
        (lines.map(str::to_owned).collect::<Vec<_>>(), answer.body.clone())
    };
    let mut forged = Authenticator::new();
    forged.handle.clone_from(&key.handle);
    let unknown = enter(&service, &mut forged).await;
    let asked = options(&service, "/login/options", "").await;
    let mut given = key.sign(&asked);
    given["response"]["signature"] = forged.sign(&asked)["response"]["signature"].clone();
    let wrong = post(&service, "/login", "", &json!({ "credential": given })).await;
    assert_eq!(unknown.status, 401);
    assert_eq!(plain(&unknown), plain(&wrong));
    assert_eq!(
        noted(&service, &session, "login.failed").await,
        [pair("Navn kari", "passkey"), pair("unknown", "passkey")]
    );
    // After very many they are counted only: nobody fills the audit log.
    for _ in 0..70 {
        assert_eq!(enter(&service, &mut forged).await.status, 401);
    }
    let noted = service.text("/metrics").await;
    assert!(
        noted.contains("alerting_logins_total{how=\"wrong\"} 60"),
        "{noted}"
    );
    assert!(
        noted.contains("alerting_logins_total{how=\"guarded\"} 12"),
        "{noted}"
    );
    assert_eq!(
        enter(&service, &mut key).await.status,
        200,
        "and nobody is locked out"
    );
    service.stop().await;
}

async fn a_passkey_is_added_soon_after_a_login_and_a_challenge_is_answered_soon() {
    let minutes = Arc::new(AtomicI64::new(0));
    let hand = Arc::clone(&minutes);
    let start = alerting::clock::machine().now().as_millis();
    let clock = alerting::clock::steered(move || {
        Timestamp::from_millis(start + hand.load(Ordering::Relaxed) * 60_000)
    });
    let service = start_at(clock, PASSKEYS).await;
    let mut kari = person(&service, "kari", &["analyst"], &[]);
    let session = log_in(&service, &mut kari).await;
    let mut key = Authenticator::new();
    let asked = options(&service, "/options", &session).await;
    let made = json!({ "name": "x", "credential": key.make(&asked) });
    minutes.store(5, Ordering::Relaxed);
    assert_eq!(
        post(&service, "", &session, &made).await.status,
        409,
        "begun five minutes ago"
    );
    let asked = options(&service, "/options", &session).await;
    let made = json!({ "name": "x", "credential": key.make(&asked) });
    minutes.store(9, Ordering::Relaxed);
    assert_eq!(post(&service, "", &session, &made).await.status, 201);
    assert_eq!(list(&service, &session).await["can_add"], json!(true));
    let asked = options(&service, "/options", &session).await;
    let made = json!({ "name": "y", "credential": Authenticator::new().make(&asked) });
    minutes.store(10, Ordering::Relaxed);
    let late = post(&service, "", &session, &made).await;
    assert!(
        late.status == 403 && late.body.contains("log in again"),
        "{late:?}"
    );
    assert_eq!(post(&service, "/options", &session, &json!({})).await.status, 403);
    assert_eq!(list(&service, &session).await["can_add"], json!(false));

    for (waited, status) in [(5, 401), (4, 200)] {
        let asked = options(&service, "/login/options", "").await;
        let body = json!({ "credential": key.sign(&asked) });
        minutes.fetch_add(waited, Ordering::Relaxed);
        assert_eq!(
            post(&service, "/login", "", &body).await.status,
            status,
            "after {waited} minutes"
        );
    }
    service.stop().await;
}

async fn passkeys_are_for_people_with_accounts_of_this_service() {
    let service = access::start().await;
    let mut glass = person(&service, "glass", &["duty_officer"], &["--break-glass"]);
    let glass = log_in(&service, &mut glass).await;
    person(&service, "maskin", &["duty_officer"], &["--machine"]);
    let told = accounts(service.path(), &["token", "maskin", "--actions", "read,manage"]).expect("made");
    let token = told
        .lines()
        .find_map(|line| line.strip_prefix("token: "))
        .expect("a token");
    for who in [glass, format!("authorization: Bearer {token}")] {
        let me = ask(&service, "GET", "/api/v1/me", &[&who], "").await.json();
        assert_eq!(me["passkeys"], json!(false), "{me}");
        assert_eq!(
            ask(&service, "GET", "/api/v1/passkeys", &[&who], "").await.status,
            403
        );
        assert_eq!(post(&service, "/options", &who, &json!({})).await.status, 403);
    }
    service.stop().await;

    let service = access::start_with("").await;
    assert_eq!(service.get("/api/v1/login").await.1["passkeys"], json!(false));
    let mut kari = person(&service, "kari", &["analyst"], &[]);
    let session = log_in(&service, &mut kari).await;
    for (path, cookie) in [("/options", session.as_str()), ("/login/options", "")] {
        let refused = post(&service, path, cookie, &json!({})).await;
        assert!(
            refused.status == 404 && refused.body.contains("access.passkeys"),
            "{refused:?}"
        );
    }
    service.stop().await;
}
