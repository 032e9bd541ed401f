//! Login by an identity provider: a real one, in a process of its own, that says what the test has it say.

mod harness;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use ingest_event::Timestamp;
use openssl::{pkey::PKey, rsa::Rsa};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    BERGEN, STAVANGER,
    access::{self, accounts, ask, grant, log_in as log_in_here, person, start_at, start_with},
    service::{Alerts, Service},
    stores::{self, on_both},
};
use harness::{Browser, IdentityProvider, location};

on_both!(
    who_is_unknown_is_told_whom_to_ask_and_then_logs_in_and_out,
    what_a_provider_says_is_believed_only_if_all_of_it_is_right,
    a_login_is_ended_once_and_by_the_browser_that_began_it,
    what_is_taken_back_or_has_ended_is_refused_at_the_next_request,
    a_provider_that_changes_its_keys_is_asked_again_and_not_for_ever,
    where_the_provider_is_away_the_break_glass_account_works_and_is_an_alert,
    what_a_provider_says_of_organisations_and_groups_is_trusted_by_rule,
    each_way_of_signing_and_of_showing_which_client_one_is_works,
);

const PID: &str = "29876598765";
/// In milliseconds.
const DAY: i64 = 24 * 3_600_000;
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
    assert_eq!(rows.len(), 22, "each is noted: {log}");
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

async fn what_is_taken_back_or_has_ended_is_refused_at_the_next_request() {
    let minutes = Arc::new(AtomicI64::new(0));
    let hand = Arc::clone(&minutes);
    let start = alerting::clock::machine().now().as_millis();
    let machine = alerting::clock::machine();
    let clock = alerting::clock::steered(move || {
        Timestamp::from_millis(machine.now().as_millis() + hand.load(Ordering::Relaxed) * 60_000)
    });
    let access = "idle_minutes: 1440, session_hours: 168,";
    let (provider, service) = start_by(clock, "ansattporten", "", access).await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;
    service.mails(2).await;
    provider.user("drift", "high", json!({})).await;
    let mut browser = Browser::default();
    let day = Timestamp::from_millis(start + 2 * DAY).to_string();
    let until = format!("delegated_operator:{BERGEN}:{}", &day[..10]);
    bound(&service, &mut browser, "drift", &[&until]).await;
    browser.log_in(&service).await;
    let session = browser.session(&service).expect("a session");
    let list = ask(&service, "GET", "/api/v1/incidents", &[&session], "").await;
    assert_eq!(list.json()["total"], 1, "{list:?}");
    assert!(
        list.body.contains("2001:db8::7") && !list.body.contains(STAVANGER),
        "{list:?}"
    );
    for path in ["/api/v1/audit", "/api/v1/registry", "/api/v1/silences"] {
        assert_eq!(status(&service, path, &session).await, 403, "{path}");
    }

    // Used now and then until its last minute, and refused after it.
    let end = (start / DAY + 2) * DAY;
    let last = (end - start) / 60_000;
    for (minute, answer) in [
        (last / 3, 200),
        (last / 3 * 2, 200),
        (last - 30, 200),
        (last + 1, 401),
    ] {
        minutes.store(minute, Ordering::Relaxed);
        let found = status(&service, "/api/v1/incidents", &session).await;
        assert_eq!(found, answer, "minute {minute} of {last}");
    }
    minutes.store(0, Ordering::Relaxed);
    assert_eq!(status(&service, "/api/v1/incidents", &session).await, 200);

    // Taken back while the session and its stream are open.
    let mut stream = service.stream(&session).await;
    service
        .publish(&[Alerts::new(BERGEN).entity("2001:db8::8").make(3)])
        .await;
    stream.until("2001:db8::8").await;
    let arguments = ["revoke", "drift", "delegated_operator", "--organization", BERGEN];
    accounts(service.path(), &arguments).expect("taken back");
    for path in [
        "/api/v1/incidents",
        "/api/v1/me",
        "/api/v1/organizations",
        "/api/v1/stream",
    ] {
        assert_eq!(status(&service, path, &session).await, 401, "{path}");
    }
    service
        .publish(&[Alerts::new(BERGEN).entity("2001:db8::9").make(4)])
        .await;
    let rest = stream.rest().await;
    assert!(!rest.contains("2001:db8::9"), "{rest}");
    browser.forget(&service);
    browser.log_in(&service).await;
    assert_eq!(browser.refused(&service).await["reason"], "no_role");
    grant(&service, "drift", "analyst");
    browser.log_in(&service).await;
    let session = browser.session(&service).expect("a session");
    assert_eq!(status(&service, "/api/v1/incidents", &session).await, 200);
    accounts(service.path(), &["revoke", "drift"]).expect("closed");
    assert_eq!(status(&service, "/api/v1/incidents", &session).await, 401);
    browser.forget(&service);
    browser.log_in(&service).await;
    assert_eq!(browser.refused(&service).await["reason"], "closed");
    accounts(service.path(), &["unbind", "drift"]).expect("unbound");
    browser.log_in(&service).await;
    assert_eq!(
        browser.refused(&service).await["reason"],
        "unknown",
        "somebody new"
    );
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

async fn what_a_provider_says_of_organisations_and_groups_is_trusted_by_rule() {
    let resource = "urn:altinn:resource:varde-varsling";
    let more = format!(
        "resource: '{resource}', rules: [{{ role: responder, organization: claimed }}, \
         {{ role: analyst, claim: groups, value: vakt }}, {{ role: auditor, organization: '{STAVANGER}', value: revisor }}]"
    );
    let (provider, service) = start("ansattporten", &more).await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;
    service.mails(2).await;
    let acting = |kind: &str, resource: &str, number: &str| {
        json!({ "authorization_details": [{ "type": kind, "resource": resource, "authorized_parties": [
            { "orgno": { "authority": "iso6523-actorid-upis", "ID": number }, "resource": "varde-varsling" },
        ] }] })
    };
    let (kind, bergen) = ("ansattporten:altinn:resource", format!("0192:{BERGEN}"));
    // Another resource, another authority, a body that nobody here knows, groups that are not named, and nothing.
    for claims in [
        acting(kind, "urn:altinn:resource:another", &bergen),
        acting("another", resource, &bergen),
        acting(kind, resource, &format!("9908:{BERGEN}")),
        acting(kind, resource, "0192:100000008"),
        json!({ "groups": ["another"], "roles": ["vakt"] }),
        json!({ "authorization_details": [{ "type": kind }] }),
        json!({}),
    ] {
        provider.user("ola", "high", claims.clone()).await;
        let mut browser = Browser::default();
        browser.log_in(&service).await;
        assert_eq!(browser.refused(&service).await["reason"], "unknown", "{claims}");
    }
    let sees = async |browser: &Browser| {
        let session = browser.session(&service).expect("a session");
        let list = ask(&service, "GET", "/api/v1/incidents", &[&session], "").await;
        (list.json()["total"].clone(), list.body, session)
    };
    provider
        .user("ola", "high", acting(kind, resource, &bergen))
        .await;
    let mut browser = Browser::default();
    assert_eq!(location(&browser.log_in(&service).await), "/incidents");
    let (total, body, session) = sees(&browser).await;
    assert_eq!(total, 1, "{body}");
    assert!(
        body.contains("2001:db8::7") && !body.contains(STAVANGER),
        "{body}"
    );
    let me = ask(&service, "GET", "/api/v1/me", &[&session], "").await.json();
    assert!(
        me["may"]
            .as_array()
            .is_some_and(|may| may.contains(&json!("acknowledge"))),
        "{me}"
    );
    let asked = provider.seen().await["authorization"]["authorization_details"].clone();
    let asked: Value = serde_json::from_str(asked.as_str().expect("a text")).expect("JSON");
    assert_eq!(
        (&asked[0]["type"], &asked[0]["resource"]),
        (&json!(kind), &json!(resource))
    );

    // The account that it made can be closed like any other; and is the same person's the next time.
    let listed = accounts(service.path(), &["list"]).expect("listed");
    let login = listed
        .lines()
        .find_map(|line| line.split('\t').next().filter(|login| login.starts_with("test-")));
    let login = login.expect("an account").to_owned();
    provider.user("ola", "high", json!({ "groups": ["vakt"] })).await;
    let mut second = Browser::default();
    second.log_in(&service).await;
    assert_eq!(sees(&second).await.0, 2, "another rule, the same person");
    assert_eq!(sees(&browser).await.0, 1, "and the session before is what it was");
    let again = accounts(service.path(), &["list"]).expect("listed");
    assert_eq!(again.matches("test-").count(), 1, "{again}");
    accounts(service.path(), &["revoke", &login]).expect("closed");
    for held in [&browser, &second] {
        let session = held.session(&service).expect("a session");
        assert_eq!(status(&service, "/api/v1/incidents", &session).await, 401);
    }
    second.log_in(&service).await;
    assert_eq!(second.refused(&service).await["reason"], "closed");
    service.stop().await;
}

async fn each_way_of_signing_and_of_showing_which_client_one_is_works() {
    let tenant = "0f5b1f0a-1111-2222-3333-444455556666";
    let more = format!(
        "secret_in: post, tenant: {tenant}, acr: c1, rules: [{{ role: auditor, value: Varde.Auditor }}]"
    );
    let (provider, service) = start("entra_id", &more).await;
    provider
        .steer(json!({ "method": "client_secret_post", "algorithm": "PS256" }))
        .await;
    let claims = |tid: &str, context: &str| json!({ "tid": tid, "acrs": [context], "roles": ["Varde.Auditor"], "name": "Ola Nordmann" });
    for (tid, context, reason) in [("another", "c1", "bad_token"), (tenant, "c2", "low_level")] {
        provider.user("ola", "", claims(tid, context)).await;
        let mut browser = Browser::default();
        browser.log_in(&service).await;
        assert_eq!(
            browser.refused(&service).await["reason"],
            reason,
            "{tid} {context}"
        );
    }
    for algorithm in ["PS256", "ES256", "RS256"] {
        provider.steer(json!({ "algorithm": algorithm })).await;
        provider.user("ola", "", claims(tenant, "c1")).await;
        let mut browser = Browser::default();
        assert_eq!(
            location(&browser.log_in(&service).await),
            "/incidents",
            "{algorithm}"
        );
        let session = browser.session(&service).expect("a session");
        let me = ask(&service, "GET", "/api/v1/me", &[&session], "").await.json();
        assert_eq!(me["name"], "Ola Nordmann", "{me}");
        assert_eq!(
            status(&service, "/api/v1/audit", &session).await,
            200,
            "{algorithm}"
        );
    }
    let asked = provider.seen().await["authorization"]["claims"].clone();
    assert!(
        asked.as_str().is_some_and(|asked| asked.contains("acrs")),
        "{asked}"
    );
    service.stop().await;
}

/// Each is refused by `check` with the file, the provider and the mend.
#[test]
fn a_provider_that_cannot_be_is_refused_with_its_mend() {
    let folder = tempfile::tempdir().expect("a folder");
    crate::service::configure(folder.path(), 25);
    let config = folder.path().join("alerting.yml");
    let good = std::fs::read_to_string(&config).expect("there");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s\n").expect("written");
    let secret = format!("secret_file: {}", secret.display());
    let check = |provider: &str| {
        let access = format!(
            "access: {{ organization: '{}', providers: [{{ {provider} }}] }}\n",
            access::CERT
        );
        std::fs::write(&config, format!("{good}{access}")).expect("written");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
            .args(["check", "--config"])
            .arg(&config)
            .output()
            .expect("run");
        (
            output.status.code(),
            String::from_utf8(output.stderr).expect("UTF-8"),
        )
    };
    let start = "id: a, client_id: b";
    let right = format!("{start}, profile: id_porten, {secret}");
    assert_eq!(check(&right), (Some(0), String::new()));
    for (provider, named) in [
        (format!("{start}, profile: id_porten"), "secret_file"),
        (format!("{right}, key_file: /nowhere"), "one of"),
        (
            format!("{start}, profile: id_porten, key_file: /nowhere"),
            "/nowhere",
        ),
        (
            format!("{start}, profile: id_porten, key_file: {}", config.display()),
            "private key",
        ),
        (
            format!("{start}, profile: id_porten, secret_env: VARDE_TEST_NO_SUCH"),
            "VARDE_TEST_NO_SUCH",
        ),
        (right.replace("id: a", "id: 'A b'"), "small letters"),
        (format!("{right}, acr: high"), "idporten-loa-high"),
        (format!("{right}, acr_order: [a]"), "generic"),
        (format!("{right}, max_age_minutes: 0"), "max_age_minutes"),
        (format!("{right}, tenant: a"), "entra_id"),
        (format!("{right}, issuer: 'http://idporten.example'"), "https"),
        (format!("{right}, resource: a"), "ansattporten"),
        (format!("{right}, colour: red"), "colour"),
        (
            format!("{start}, {secret}, profile: entra_id, tenant: common"),
            "would let everyone in",
        ),
        (format!("{start}, {secret}, profile: generic"), "issuer"),
        (format!("{right}, rules: [{{ role: boss, value: a }}]"), "boss"),
        (format!("{right}, rules: [{{ role: analyst }}]"), "everyone"),
        (
            format!("{right}, rules: [{{ role: responder, value: a }}]"),
            "for an organisation",
        ),
        (
            format!("{right}, rules: [{{ role: responder, organization: claimed }}]"),
            "resource",
        ),
        (
            format!("{right}, rules: [{{ role: delegated_operator, organization: '{BERGEN}', value: a }}]"),
            "has an end",
        ),
        (
            format!("{right}, rules: [{{ role: analyst, organization: '123456789', value: a }}]"),
            "organi",
        ),
        (format!("{right} }}, {{ {right}"), "twice"),
    ] {
        let (code, text) = check(&provider);
        assert_eq!(code, Some(78), "{provider}: {text}");
        assert!(text.contains(named), "{provider}: {text}");
    }
}
