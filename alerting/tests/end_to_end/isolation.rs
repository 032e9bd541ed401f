//! Every route that the router has, as every role of another organisation: what is another's answers as what is not
//! there, to the byte, and no total, search, list or name tells of it.

use std::{collections::BTreeSet, path::Path};

use serde_json::json;

use crate::{
    BERGEN, STAVANGER,
    access::{self, Answered, ask, grant, log_in, person},
    service::{Alerts, Service},
    stores::on_both,
};

on_both!(
    what_is_anothers_answers_as_what_is_not_there_through_every_door,
    who_was_delegated_two_sees_two_and_what_ended_no_more,
);

/// How a route is kept from others.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    /// It shows nothing of incidents, or what it is asked with is the key.
    Open,
    /// It shows each what is theirs.
    Narrowed,
    /// It is the CERT's alone.
    Cert,
}

/// Every route there is: one that is new has to be thought of here.
const ROUTES: &[(&str, Kept)] = &[
    ("/api/v1/incidents", Kept::Narrowed),
    ("/api/v1/incidents/{id}", Kept::Narrowed),
    ("/api/v1/incidents/{id}/acknowledge", Kept::Narrowed),
    ("/api/v1/incidents/{id}/verdict", Kept::Narrowed),
    ("/api/v1/incidents/{id}/close", Kept::Narrowed),
    ("/api/v1/incidents/bulk", Kept::Narrowed),
    ("/api/v1/incidents/{id}/alerts", Kept::Narrowed),
    ("/api/v1/incidents/{id}/assign", Kept::Narrowed),
    ("/api/v1/incidents/{id}/assignees", Kept::Narrowed),
    ("/api/v1/incidents/{id}/comment", Kept::Narrowed),
    ("/api/v1/incidents/{id}/merge", Kept::Narrowed),
    ("/api/v1/incidents/{id}/split", Kept::Narrowed),
    ("/api/v1/incidents/{id}/undo", Kept::Narrowed),
    ("/api/v1/incidents/{id}/statutory", Kept::Narrowed),
    ("/api/v1/incidents/{id}/statutory/entry", Kept::Narrowed),
    (
        "/api/v1/incidents/{id}/statutory/{regime}/withdraw",
        Kept::Narrowed,
    ),
    (
        "/api/v1/incidents/{id}/statutory/{regime}/{stage}",
        Kept::Narrowed,
    ),
    (
        "/api/v1/incidents/{id}/statutory/{regime}/{stage}/sent",
        Kept::Narrowed,
    ),
    ("/api/v1/incidents/{id}/reveals", Kept::Narrowed),
    ("/api/v1/incidents/{id}/reveals/{reveal}", Kept::Narrowed),
    ("/api/v1/incidents/{id}/reveals/{reveal}/approve", Kept::Narrowed),
    ("/api/v1/incidents/{id}/reveals/{reveal}/refuse", Kept::Narrowed),
    ("/api/v1/organizations", Kept::Narrowed),
    ("/api/v1/responder/{token}", Kept::Open),
    ("/api/v1/responder/{token}/seen", Kept::Open),
    ("/api/v1/responder/{token}/acknowledge", Kept::Open),
    ("/api/v1/responder/{token}/verdict", Kept::Open),
    ("/api/v1/contact/{token}", Kept::Open),
    ("/api/v1/demo/mailbox", Kept::Cert),
    ("/api/v1/audit", Kept::Cert),
    ("/api/v1/statistics/conclusions", Kept::Cert),
    ("/api/v1/aside", Kept::Cert),
    ("/api/v1/aside/{id}/give-up", Kept::Cert),
    ("/api/v1/aside/{id}/again", Kept::Cert),
    ("/api/v1/dead-letters", Kept::Cert),
    ("/api/v1/dead-letters/{id}", Kept::Cert),
    ("/api/v1/dead-letters/{id}/again", Kept::Cert),
    ("/api/v1/dead-letters/{id}/aside", Kept::Cert),
    ("/api/v1/addresses-off", Kept::Cert),
    ("/api/v1/addresses-off/switch-on", Kept::Cert),
    ("/api/v1/silences", Kept::Cert),
    ("/api/v1/silences/{id}", Kept::Cert),
    ("/api/v1/registry", Kept::Cert),
    ("/api/v1/registry/export", Kept::Cert),
    ("/api/v1/registry/report", Kept::Cert),
    ("/api/v1/registry/coverage", Kept::Cert),
    ("/api/v1/registry/preview", Kept::Cert),
    ("/api/v1/registry/import", Kept::Cert),
    ("/api/v1/registry/import/preview", Kept::Cert),
    ("/api/v1/registry/{number}", Kept::Cert),
    ("/api/v1/route/explain", Kept::Cert),
    ("/api/v1/login", Kept::Open),
    ("/api/v1/login/{provider}", Kept::Open),
    ("/api/v1/login/{provider}/callback", Kept::Open),
    ("/api/v1/passkeys/login", Kept::Open),
    ("/api/v1/passkeys/login/options", Kept::Open),
    ("/api/v1/passkeys", Kept::Narrowed),
    ("/api/v1/passkeys/options", Kept::Narrowed),
    ("/api/v1/passkeys/{id}", Kept::Narrowed),
    ("/api/v1/logout", Kept::Narrowed),
    ("/api/v1/me", Kept::Narrowed),
    ("/api/v1/stream", Kept::Narrowed),
    ("/metrics", Kept::Open),
    ("/api/v1/openapi.json", Kept::Open),
    ("/healthz", Kept::Open),
    ("/readyz", Kept::Open),
];

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Each role for Bergen alone.
const ROLES: [&str; 6] = [
    "analyst:964338531",
    "duty_officer:964338531",
    "rule_author:964338531",
    "responder:964338531",
    "delegated_operator:964338531:2099-12-31",
    "auditor:964338531",
];

/// What only Stavanger's incident says.
const FOREIGN: [&str; 4] = [STAVANGER, "Stavanger", "10.1.2.3", "Hemmelig portskanning"];

async fn what_is_anothers_answers_as_what_is_not_there_through_every_door() {
    let known: BTreeSet<&str> = ROUTES.iter().map(|(path, _)| *path).collect();
    let operations = alerting::operations();
    let paths: BTreeSet<&str> = operations
        .iter()
        .map(|operation| operation.path.as_str())
        .collect();
    assert_eq!(
        paths, known,
        "each route has its entry in this table, and each entry its route"
    );
    let service = access::start().await;
    let (foreign, own) = two_incidents(&service).await;
    for role in ROLES {
        let login = role.replace(':', "-");
        let mut given = person(&service, &login, &[role], &[]);
        let cookie = log_in(&service, &mut given).await;
        for (path, kept) in ROUTES {
            for method in METHODS {
                if (*path, method) == ("/api/v1/stream", "GET") || *path == "/api/v1/logout" {
                    // What the stream shows is held by the test of what is taken back.
                    continue;
                }
                same_as_nothing(&service, &cookie, (method, path), *kept, &foreign).await;
            }
        }
        no_search_tells(&service, &cookie, &foreign).await;
        own_is_there(&service, &cookie, role, &own).await;
    }
    service.stop().await;
}

async fn who_was_delegated_two_sees_two_and_what_ended_no_more() {
    let service = access::start().await;
    two_incidents(&service).await;
    let mut given = person(
        &service,
        "drift",
        &["delegated_operator:964338531:2099-12-31"],
        &[],
    );
    let cookie = log_in(&service, &mut given).await;
    let total = async || {
        let list = ask(&service, "GET", "/api/v1/incidents", &[&cookie], "")
            .await
            .json();
        list["total"].as_u64().expect("a number")
    };
    assert_eq!(total().await, 1);
    grant(&service, "drift", "delegated_operator:964965226:2099-12-31");
    assert_eq!(total().await, 2);
    grant(&service, "drift", "delegated_operator:964965226:2020-01-01");
    assert_eq!(total().await, 1, "its end has come");
    service.stop().await;
}

/// What the service does unasked sees what it must; what it answers never does.
#[test]
fn no_answer_is_given_by_what_is_seen_unasked() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        assert!(!text.contains("unasked("), "{}", path.display());
        read += 1;
    }
    assert!(10 < read, "the folder is the API's");
}

/// One of Stavanger's, one of Bergen's.
async fn two_incidents(service: &Service) -> (String, String) {
    service
        .publish(&[
            Alerts::new(STAVANGER).summary("Hemmelig portskanning").make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;
    service.mails(2).await;
    let mut chief = person(service, "chief", &["analyst"], &[]);
    let cookie = log_in(service, &mut chief).await;
    let id = async |organization: &str| {
        let path = format!("/api/v1/incidents?organization={organization}");
        let list = ask(service, "GET", &path, &[&cookie], "").await.json();
        list["incidents"][0]["id"].as_str().expect("an id").to_owned()
    };
    (id(STAVANGER).await, id(BERGEN).await)
}

/// A foreign id, and one that nobody has: the same answer, head and body.
async fn same_as_nothing(
    service: &Service,
    cookie: &str,
    (method, path): (&str, &str),
    kept: Kept,
    foreign: &str,
) {
    let nobodys = "0".repeat(32);
    let with = async |id: &str| {
        let path = path.replace("{id}", id).replace("{token}", id);
        let path = path
            .replace("{regime}", "personal_data")
            .replace("{stage}", "notification");
        let body = if path.ends_with("verdict") {
            json!({"verdict": "true_positive"})
        } else {
            json!({})
        };
        ask(service, method, &path, &[cookie], &body.to_string()).await
    };
    let (other, nothing) = (with(foreign).await, with(&nobodys).await);
    // The metrics count these very requests, and no two challenges are the same.
    if path != "/metrics" && path != "/readyz" && !path.ends_with("/options") {
        assert_eq!(plain(&other), plain(&nothing), "{method} {path}");
    }
    assert_ne!(other.status, 500, "{method} {path}: {other:?}");
    if kept == Kept::Cert {
        assert!([403, 405].contains(&other.status), "{method} {path}: {other:?}");
    }
    if path.contains("{id}") && kept == Kept::Narrowed {
        assert!([404, 405].contains(&other.status), "{method} {path}: {other:?}");
    }
    for word in FOREIGN.iter().chain([&foreign]) {
        assert!(
            !other.body.contains(word),
            "{method} {path} tells {word}: {}",
            other.body
        );
    }
}

/// Head without its date, and body.
fn plain(answer: &Answered) -> (Vec<String>, String) {
    let lines = answer
        .head
        .lines()
        .filter(|line| !line.to_lowercase().starts_with("date:"));
    (lines.map(str::to_owned).collect(), answer.body.clone())
}

async fn no_search_tells(service: &Service, cookie: &str, foreign: &str) {
    let get = async |query: &str| {
        ask(
            service,
            "GET",
            &format!("/api/v1/incidents?{query}"),
            &[cookie],
            "",
        )
        .await
    };
    // An organisation that has nothing, a word that nobody wrote.
    let (no_organization, no_word) = (get("organization=958935420").await, get("q=finnesikke").await);
    for (query, nothing) in [
        (format!("organization={STAVANGER}"), &no_organization),
        ("q=stavanger".to_owned(), &no_word),
        ("q=1103".to_owned(), &no_word),
        ("q=10.1.2.3".to_owned(), &no_word),
        ("q=hemmelig".to_owned(), &no_word),
        (format!("q={foreign}"), &no_word),
        (
            format!("organization={STAVANGER}&state=new,notified,seen"),
            &no_organization,
        ),
    ] {
        assert_eq!(plain(&get(&query).await), plain(nothing), "{query}");
    }
    let all = get("severity=high").await.json();
    assert_eq!(
        (&all["total"], all["incidents"].as_array().map(Vec::len)),
        (&json!(1), Some(1)),
        "{all}"
    );
    let names = ask(service, "GET", "/api/v1/organizations", &[cookie], "")
        .await
        .json();
    assert_eq!(names.as_array().map(Vec::len), Some(1), "{names}");
}

/// Isolation that hides what is one's own would be no use: each role sees it, and does what it may and no more.
async fn own_is_there(service: &Service, cookie: &str, role: &str, own: &str) {
    let role = role.split(':').next().expect("a role");
    let path = format!("/api/v1/incidents/{own}");
    let view = ask(service, "GET", &path, &[cookie], "").await;
    assert_eq!(view.status, 200, "{role}: {view:?}");
    let is_told_how = !["responder", "delegated_operator"].contains(&role);
    let timeline = view.json()["timeline"].as_array().map(Vec::len).expect("a list");
    assert_eq!(0 < timeline, is_told_how, "{role}: {view:?}");
    for (verb, roles) in [
        (
            "acknowledge",
            &["analyst", "duty_officer", "responder", "delegated_operator"][..],
        ),
        (
            "verdict",
            &["analyst", "duty_officer", "responder", "delegated_operator"],
        ),
        ("close", &["analyst", "duty_officer"]),
    ] {
        let body = if verb == "verdict" {
            json!({"verdict": "true_positive"})
        } else {
            json!({})
        };
        let done = ask(
            service,
            "POST",
            &format!("{path}/{verb}"),
            &[cookie],
            &body.to_string(),
        )
        .await;
        let expected = if roles.contains(&role) { 200 } else { 403 };
        assert_eq!(done.status, expected, "{role} {verb}: {done:?}");
    }
}
