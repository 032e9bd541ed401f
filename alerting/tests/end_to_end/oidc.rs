//! Login by an identity provider: a real one, in a process of its own, that says what the test has it say.

mod harness;
mod roles;
mod settings;

use openssl::{pkey::PKey, rsa::Rsa};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    STAVANGER,
    access::{self, accounts, ask, grant, log_in as log_in_here, person, start_at, start_with},
    service::{Alerts, Service},
    stores::{self, on_both},
};
use harness::{Browser, IdentityProvider, location};

on_both!(
    who_is_unknown_is_told_whom_to_ask_and_then_logs_in_and_out,
    what_a_provider_says_is_believed_only_if_all_of_it_is_right,
    a_login_is_ended_once_and_by_the_browser_that_began_it,
    a_provider_that_changes_its_keys_is_asked_again_and_not_for_ever,
    where_the_provider_is_away_the_break_glass_account_works_and_is_an_alert,
);

const PID: &str = "29876598765";
const SECRET: &str = "only-for-tests-only-for-tests";

/// A provider and a service that trusts it, with further keys of its settings.
async fn start(profile: &str, more: &str) -> (IdentityProvider, Service) {
    start_by(alerting::clock::machine(), profile, more, "").await
}

async fn start_by(
    clock: alerting::clock::Clock,
    profile: &str,
    more: &str,
    access: &str,
) -> (IdentityProvider, Service) {
    let provider = IdentityProvider::start();
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).expect("written");
    let credential = if more.contains("key_file") {
        String::new()
    } else {
        format!("secret_file: {}, ", secret.display())
    };
    let settings = format!(
        ", {access} providers: [{{ id: test, profile: {profile}, issuer: '{}', client_id: varde, {credential}{more} }}]",
        provider.issuer
    );
    let service = start_at(clock, &settings).await;
    let registered = json!({ "secret": SECRET, "method": "client_secret_basic" });
    provider.register(&service, registered).await;
    (provider, service)
}

/// An account that somebody has asked to be let in as, with roles.
async fn bound(service: &Service, browser: &mut Browser, login: &str, roles: &[&str]) {
    browser.log_in(service).await;
    let refused = browser.refused(service).await;
    assert_eq!(refused["reason"], "unknown", "{refused}");
    let code = refused["code"].as_str().expect("a code").to_owned();
    person(service, login, roles, &["--federated"]);
    accounts(service.path(), &["bind", login, "--code", &code.to_lowercase()]).expect("bound");
}

async fn status(service: &Service, path: &str, header: &str) -> u16 {
    ask(service, "GET", path, &[header], "").await.status
}

async fn who_is_unknown_is_told_whom_to_ask_and_then_logs_in_and_out() {
    let keys = tempfile::tempdir().expect("a folder");
    let key = PKey::from_rsa(Rsa::generate(2_048).expect("made")).expect("a key");
    let file = keys.path().join("client.pem");
    std::fs::write(&file, key.private_key_to_pem_pkcs8().expect("written")).expect("written");
    let more = format!("key_file: {}, key_id: one, max_age_minutes: 5", file.display());
    let (provider, service) = start("id_porten", &more).await;
    let rsa = key.rsa().expect("RSA");
    let part = |number: &openssl::bn::BigNumRef| {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(number.to_vec())
    };
    let jwk = json!({ "kty": "RSA", "kid": "one", "n": part(rsa.n()), "e": part(rsa.e()) });
    let client = json!({ "method": "private_key_jwt", "secret": null, "jwks": { "keys": [jwk] } });
    provider.register(&service, client).await;
    let subject = "pairwise-and-nobodys-business";
    let claims = json!({ "pid": PID, "name": "Dulgt Namn" });
    provider.user(subject, "idporten-loa-high", claims).await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    service.mails(1).await;

    let ways = service.get("/api/v1/login").await.1;
    assert_eq!(
        ways["providers"],
        json!([{ "id": "test", "name": "ID-porten", "is_there": true }])
    );
    let mut browser = Browser::default();
    let refused = browser.log_in(&service).await;
    assert_eq!(
        (refused.status, location(&refused).as_str()),
        (303, "/login?back=%2Fincidents")
    );
    assert!(browser.session(&service).is_none(), "{refused:?}");
    let told = browser.refused(&service).await;
    assert_eq!(
        (&told["reason"], &told["provider"]),
        (&json!("unknown"), &json!("ID-porten"))
    );
    let first = told["code"].as_str().expect("a code").to_owned();
    // Asking again gives another code, and the first is void.
    browser.log_in(&service).await;
    person(&service, "kari", &["analyst"], &["--federated"]);
    let bind = |code: &str| accounts(service.path(), &["bind", "kari", "--code", code]);
    assert!(bind(&first).expect_err("void").contains("there is no such code"));
    let told = browser.refused(&service).await;
    bind(told["code"].as_str().expect("a code")).expect("bound");
    assert!(
        bind(told["code"].as_str().expect("a code")).is_err(),
        "a code binds once"
    );

    let before = browser.there(&service, "/incidents/abc%3Fx=1").await;
    let entered = browser.get(&before).await;
    assert_eq!(
        (entered.status, location(&entered).as_str()),
        (303, "/incidents/abc?x=1")
    );
    let set = entered
        .head
        .lines()
        .find(|line| line.starts_with("set-cookie: varde="));
    for flag in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.is_some_and(|set| set.contains(flag)), "{flag} in {entered:?}");
    }
    let session = browser.session(&service).expect("a session");
    let me = ask(&service, "GET", "/api/v1/me", &[&session], "").await.json();
    assert_eq!(
        (&me["name"], &me["login"], &me["can_log_out"]),
        (&json!("Navn kari"), &json!("oidc"), &json!(true))
    );
    let list = ask(&service, "GET", "/api/v1/incidents", &[&session], "")
        .await
        .json();
    assert_eq!(list["total"], 1, "{list}");
    assert_eq!(
        browser.refused(&service).await,
        Value::Null,
        "what was refused is over"
    );
    let seen = provider.seen().await;
    let asked = &seen["authorization"];
    for (name, value) in [
        ("response_type", "code"),
        ("scope", "openid"),
        ("acr_values", "idporten-loa-high"),
        ("code_challenge_method", "S256"),
        ("max_age", "300"),
        ("ui_locales", "nn"),
    ] {
        assert_eq!(asked[name], value, "{asked}");
    }
    assert_eq!(
        seen["token"]["authorization"],
        Value::Null,
        "by a signature, not a secret"
    );

    // Nothing that the provider said of a person is kept.
    let stored = everything(&service).await;
    assert!(stored.contains("Navn kari") && stored.contains("login.succeeded"));
    for hidden in [PID, subject, "Dulgt Namn"] {
        assert!(!stored.contains(hidden), "{hidden} is in the store");
    }
    let out = ask(&service, "POST", "/api/v1/logout", &[&session], "").await;
    let next = out.json()["next"].as_str().expect("an address").to_owned();
    assert!(
        next.starts_with(&format!("{}/session/end?client_id=varde&", provider.issuer)),
        "{next}"
    );
    assert!(!next.contains("id_token"), "{next}");
    assert_eq!(status(&service, "/api/v1/incidents", &session).await, 401);
    service.stop().await;
}

/// All texts of the store.
async fn everything(service: &Service) -> String {
    let mut all = String::new();
    if let Some(url) = stores::database() {
        let mut connection = PgConnection::connect(&url).await.expect("connected");
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
        )
        .fetch_all(&mut connection)
        .await
        .expect("listed");
        for table in tables {
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT row_to_json(t)::text FROM \"{table}\" t"
            )))
            .fetch_all(&mut connection)
            .await
            .expect("read");
            all += &rows.concat();
        }
        return all;
    }
    for entry in std::fs::read_dir(service.path().join("data")).expect("there") {
        let path = entry.expect("readable").path();
        all += &String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default());
    }
    all
}

async fn what_a_provider_says_is_believed_only_if_all_of_it_is_right() {
    let (provider, service) = start("ansattporten", "max_age_minutes: 5").await;
    provider.user("kari", "high", json!({})).await;
    let mut browser = Browser::default();
    bound(&service, &mut browser, "kari", &["analyst"]).await;
    let now = alerting::clock::machine().now().as_millis() / 1_000;
    for (claims, reason) in [
        (json!({ "claims": { "aud": "another" } }), "bad_token"),
        (json!({ "claims": { "aud": ["varde", "another"] } }), "bad_token"),
        (json!({ "claims": { "azp": "another" } }), "bad_token"),
        (
            json!({ "claims": { "iss": "https://evil.example" } }),
            "bad_token",
        ),
        (json!({ "claims": { "nonce": "another" } }), "bad_token"),
        (json!({ "without": ["nonce"] }), "bad_token"),
        (json!({ "claims": { "exp": now - 120 } }), "bad_token"),
        (json!({ "claims": { "iat": now + 300 } }), "bad_token"),
        (json!({ "claims": { "iat": now - 3_600 } }), "bad_token"),
        (json!({ "claims": { "nbf": now + 300 } }), "bad_token"),
        (json!({ "without": ["exp"] }), "bad_token"),
        (json!({ "claims": { "auth_time": now - 3_600 } }), "bad_token"),
        (json!({ "without": ["auth_time"] }), "bad_token"),
        (json!({ "without": ["sub"] }), "bad_token"),
        (json!({ "claims": { "sub": "" } }), "bad_token"),
        (json!({ "head": { "alg": "none" } }), "bad_token"),
        (json!({ "stranger": true }), "bad_token"),
        (json!({ "claims": { "acr": "substantial" } }), "low_level"),
        (json!({ "claims": { "acr": "idporten-loa-high" } }), "low_level"),
        (json!({ "without": ["acr"] }), "low_level"),
    ] {
        provider.steer(json!({ "tamper": claims })).await;
        let answer = browser.log_in(&service).await;
        assert_eq!(location(&answer), "/login?back=%2Fincidents", "{claims}");
        assert!(browser.session(&service).is_none(), "{claims}");
        let told = browser.refused(&service).await;
        assert_eq!(
            (&told["reason"], &told["code"]),
            (&json!(reason), &Value::Null),
            "{claims}"
        );
    }
    provider.steer(json!({ "tamper": null })).await;
    // A level below what is asked, in the provider's own words.
    provider.user("kari", "substantial", json!({})).await;
    browser.log_in(&service).await;
    assert_eq!(browser.refused(&service).await["reason"], "low_level");
    provider.user("kari", "high", json!({})).await;
    assert_eq!(location(&browser.log_in(&service).await), "/incidents");
    let session = browser.session(&service).expect("a session");
    grant(&service, "kari", "auditor");
    let log = ask(
        &service,
        "GET",
        "/api/v1/audit?action=login.refused",
        &[&session],
        "",
    )
    .await
    .json();
    let rows = log["entries"].as_array().expect("a list");
    let kinds: std::collections::BTreeSet<_> = rows.iter().map(|row| row["subject"].to_string()).collect();
    assert_eq!(
        (rows.len(), kinds.len()),
        (9, 9),
        "each kind is noted, and once: {log}"
    );
    assert_eq!(
        (&rows[0]["actor"], &rows[0]["subject"]),
        (&json!("unknown"), &json!("test low_level")),
        "with its reason, and without whom it was about: {log}"
    );
    assert!(
        rows.iter().any(|row| row["subject"] == "test bad_token audience"),
        "{log}"
    );
    service.stop().await;
}

async fn a_login_is_ended_once_and_by_the_browser_that_began_it() {
    let (provider, service) = start("ansattporten", "acr: substantial").await;
    provider.user("kari", "substantial", json!({})).await;
    let mut browser = Browser::default();
    bound(&service, &mut browser, "kari", &["analyst"]).await;

    // Another browser, to which somebody sent the link.
    let link = browser.there(&service, "/").await;
    let mut other = Browser::default();
    assert_eq!(location(&other.get(&link).await), "/login");
    assert!(other.session(&service).is_none());
    assert_eq!(other.refused(&service).await["reason"], "expired");
    // Another state, and a login that is over already.
    let changed = link.replace("state=", "state=x");
    assert_eq!(location(&browser.get(&changed).await), "/login");
    let link = browser.there(&service, "/").await;
    let mut twin = browser.clone();
    assert_eq!(location(&twin.get(&link).await), "/");
    let first = twin.session(&service).expect("a session");
    browser.get(&link).await;
    let told = browser.refused(&service).await;
    assert_eq!(
        told["reason"], "expired",
        "it came back before, and the provider is not asked"
    );
    assert!(browser.session(&service).is_none());
    // A session that was there before is not the one that is opened.
    twin.log_in(&service).await;
    assert_ne!(
        twin.session(&service),
        Some(first),
        "a new session for each login"
    );

    // An answer that is another provider's, or says nothing of whose it is (RFC 9207).
    let issuer = [(":", "%3A"), ("/", "%2F"), ("[", "%5B"), ("]", "%5D")];
    let issuer = issuer
        .iter()
        .fold(provider.issuer.clone(), |text, (from, to)| text.replace(from, to));
    let issuer = format!("&iss={issuer}");
    for with in ["", "&iss=https%3A%2F%2Fevil.example"] {
        let link = browser.there(&service, "/").await;
        assert!(link.contains(&issuer), "{issuer} in {link}");
        browser.get(&link.replace(&issuer, with)).await;
        assert_eq!(browser.refused(&service).await["reason"], "bad_token", "{with}");
    }
    // Codes that are none.
    let link = browser.there(&service, "/").await;
    browser.get(&link.replace("code=", "code=x")).await;
    assert_eq!(browser.refused(&service).await["reason"], "provider_refused");
    provider.steer(json!({ "deny": true })).await;
    browser.log_in(&service).await;
    assert_eq!(browser.refused(&service).await["reason"], "cancelled");
    provider.steer(json!({ "deny": false })).await;
    // Back to pages of ours only.
    for back in ["https://evil.example/", "//evil.example/", "/%5Cevil.example/"] {
        let link = browser.there(&service, back).await;
        assert_eq!(location(&browser.get(&link).await), "/", "{back}");
    }
    assert_eq!(service.get("/api/v1/login/another").await.0, 404);
    service.stop().await;
}

async fn a_provider_that_changes_its_keys_is_asked_again_and_not_for_ever() {
    // A clock that stands still, and tokens of that moment: however slow the machine is, all of it is in one minute.
    let start = alerting::clock::machine().now();
    let (provider, service) = start_by(alerting::clock::steered(move || start), "ansattporten", "", "").await;
    let second = start.as_millis() / 1_000;
    let now = json!({ "iat": second, "exp": second + 60 });
    provider.steer(json!({ "tamper": { "claims": now } })).await;
    provider.user("kari", "high", json!({})).await;
    let mut browser = Browser::default();
    bound(&service, &mut browser, "kari", &["analyst"]).await;
    assert_eq!(location(&browser.log_in(&service).await), "/incidents");
    assert_eq!(provider.seen().await["keys"], 1, "keys are kept");
    provider.steer(json!({ "rotate": true })).await;
    assert_eq!(
        location(&browser.log_in(&service).await),
        "/incidents",
        "by the new key"
    );
    assert_eq!(provider.seen().await["keys"], 2);
    // Tokens by keys that are nowhere do not make the service ask for ever.
    provider
        .steer(json!({ "tamper": { "claims": now, "head": { "kid": "nowhere" } } }))
        .await;
    for _ in 0..12 {
        browser.log_in(&service).await;
        assert_eq!(browser.refused(&service).await["reason"], "bad_token");
    }
    assert_eq!(provider.seen().await["keys"], 5, "five times in a minute");
    provider.steer(json!({ "tamper": { "claims": now } })).await;
    assert_eq!(location(&browser.log_in(&service).await), "/incidents");
    assert_eq!(provider.seen().await["discoveries"], 1, "a crowd asks once");
    service.stop().await;
}

async fn where_the_provider_is_away_the_break_glass_account_works_and_is_an_alert() {
    let (provider, service) = start("ansattporten", "").await;
    provider.user("kari", "high", json!({})).await;
    let mut browser = Browser::default();
    bound(&service, &mut browser, "kari", &["analyst"]).await;
    let link = browser.there(&service, "/incidents").await;
    let issuer = provider.issuer.clone();
    drop(provider);
    browser.get(&link).await;
    assert_eq!(
        browser.refused(&service).await["reason"],
        "provider_away",
        "on the way"
    );
    assert!(browser.session(&service).is_none());
    service.stop().await;

    // One that was never there.
    let settings = format!(
        ", local_accounts: false, providers: [{{ id: test, profile: ansattporten, issuer: '{issuer}', client_id: varde, secret_env: PATH }}]"
    );
    let service = start_with(&settings).await;
    let ways = service.get("/api/v1/login").await.1;
    assert_eq!(ways["providers"][0]["is_there"], false, "{ways}");
    let mut browser = Browser::default();
    assert_eq!(
        browser.there(&service, "/incidents").await,
        "/login?back=%2Fincidents"
    );
    let told = browser.refused(&service).await;
    assert_eq!(
        (&told["reason"], &told["provider"]),
        (&json!("provider_away"), &json!("Ansattporten"))
    );
    let mut glass = person(&service, "glass", &["duty_officer"], &["--break-glass"]);
    let cookie = log_in_here(&service, &mut glass).await;
    let mails = service.mails(1).await;
    assert!(
        mails[0].subject.contains("Nødkontoen i Varde er brukt"),
        "{mails:?}"
    );
    let log = ask(
        &service,
        "GET",
        "/api/v1/audit?action=login.succeeded",
        &[&cookie],
        "",
    )
    .await
    .json();
    let row = &log["entries"][0];
    assert_eq!(
        (&row["actor"], &row["subject"]),
        (&json!("Navn glass"), &json!("break_glass")),
        "{log}"
    );
    let list = ask(&service, "GET", "/api/v1/incidents", &[&cookie], "")
        .await
        .json();
    assert_eq!(
        list["incidents"][0]["organization"]["number"],
        json!(access::CERT),
        "{list}"
    );
    assert!(accounts(service.path(), &["bind", "glass", "--code", "AAAA-AAAA"]).is_err());
    service.stop().await;
}
