//! Login, and what it lets one do: password and code, sessions, the break-glass account, tokens.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use hmac::{Hmac, KeyInit, Mac};
use ingest_event::Timestamp;
use serde_json::{Value, json};

use crate::{
    BERGEN, STAVANGER,
    service::{Alerts, Mail, Service, http},
    stores::on_both,
};

on_both!(
    nothing_is_shown_without_a_login_and_a_session_shows_what_it_may,
    who_is_not_let_in_learns_nothing_and_who_guesses_locks_nobody_out,
    what_is_taken_back_is_gone_at_the_next_request_and_from_the_open_stream,
    a_session_ends_when_it_is_not_used_and_when_its_time_is_over,
    every_use_of_the_break_glass_account_is_an_alert,
    a_token_does_what_it_was_made_for_and_metrics_are_not_for_strangers,
    accounts_say_what_cannot_be,
);

/// The CERT's own number, and someone else's that is no municipality.
pub(crate) const CERT: &str = "100000008";

/// What an account was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) login: String,
    pub(crate) password: String,
    key: Vec<u8>,
    pub(crate) recovery: Vec<String>,
}

/// An answer with its head.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// A service in which people log in.
pub(crate) async fn start() -> Service {
    start_with(PASSKEYS).await
}

/// With passkeys, for a console that is nowhere.
pub(crate) const PASSKEYS: &str = ", passkeys: { rp_id: localhost, origin: 'http://localhost:8080' }";

pub(crate) async fn start_with(more: &str) -> Service {
    start_at(alerting::clock::machine(), more).await
}

pub(crate) async fn start_at(clock: alerting::clock::Clock, more: &str) -> Service {
    let configured = |folder: &Path| {
        let path = folder.join("alerting.yml");
        let text = std::fs::read_to_string(&path).expect("there");
        std::fs::write(
            &path,
            format!("{text}access: {{ organization: '{CERT}' {more} }}\n"),
        )
        .expect("written");
        alerting::config::Config::read(&path).expect("a configuration")
    };
    Service::steered(clock, configured).await
}

/// `varde-alerting accounts …` on the service's store, while it runs.
pub(crate) fn accounts(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_varde-alerting"));
    command.arg("accounts").args(arguments).arg("--config");
    command.arg(folder.join("alerting.yml")).stdin(Stdio::null());
    // The service runs here too and may hold the store: what waits on this thread has to go on elsewhere.
    let output = tokio::task::block_in_place(|| command.output()).expect("run");
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).expect("UTF-8"))
    } else {
        Err(String::from_utf8(output.stderr).expect("UTF-8"))
    }
}

/// Adds a person with these roles, each as `role` or `role:organisation` or `role:organisation:until`.
pub(crate) fn person(service: &Service, login: &str, roles: &[&str], more: &[&str]) -> Given {
    let name = format!("Navn {login}");
    let told = accounts(service.path(), &[&["add", login, "--name", &name], more].concat()).expect("added");
    for role in roles {
        grant(service, login, role);
    }
    given(&told)
}

pub(crate) fn grant(service: &Service, login: &str, role: &str) {
    let mut parts = role.split(':');
    let mut arguments = vec!["grant", login, parts.next().expect("a role")];
    for (flag, value) in ["--organization", "--until"].into_iter().zip(parts) {
        arguments.extend([flag, value]);
    }
    accounts(service.path(), &arguments).expect("granted");
}

fn given(told: &str) -> Given {
    let line = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let secret = line("codes:");
    let secret = secret
        .split("secret=")
        .nth(1)
        .and_then(|rest| rest.split('&').next());
    Given {
        login: line("login:"),
        password: line("password:"),
        key: unbase32(secret.unwrap_or_default()),
        recovery: line("recovery:").split(' ').map(str::to_owned).collect(),
    }
}

/// As an authenticator app reads it, by RFC 4648.
fn unbase32(text: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text
        .chars()
        .map(|letter| format!("{:05b}", alphabet.find(letter).expect("a letter")))
        .collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    bytes
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).expect("ascii"), 2).expect("bits"))
        .collect()
}

impl Given {
    /// The code of the time step that is `ahead` of now's, by RFC 6238.
    pub(crate) fn code(&self, ahead: i64) -> String {
        let now = alerting::clock::machine().now().as_millis() / 30_000 + ahead;
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&self.key).expect("any length");
        mac.update(&now.to_be_bytes());
        let mac = mac.finalize().into_bytes();
        let offset = usize::from(mac[19] & 15);
        let number = u32::from_be_bytes(mac[offset..offset + 4].try_into().expect("four")) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    fn body(&self, code: &str) -> Value {
        json!({ "login": self.login, "password": self.password, "code": code })
    }
}

/// One request with further headers.
pub(crate) async fn ask(
    service: &Service,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> Answered {
    let always = ["x-requested-with: varde", "content-type: application/json"];
    let raw = http(service.address, method, path, &[&always, headers].concat(), body).await;
    let (head, body) = raw.split_once("\r\n\r\n").expect("a body");
    Answered {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) async fn try_login(service: &Service, body: &Value) -> Answered {
    ask(service, "POST", "/api/v1/login", &[], &body.to_string()).await
}

/// Logs in with a recovery code, which works whatever the clock says; the header with the cookie.
pub(crate) async fn log_in(service: &Service, given: &mut Given) -> String {
    let code = given.recovery.pop().expect("a code is left");
    let answer = try_login(service, &given.body(&code)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    cookie(&answer)
}

pub(crate) fn cookie(answer: &Answered) -> String {
    let line = answer
        .head
        .lines()
        .find(|line| line.to_lowercase().starts_with("set-cookie:"));
    let value = line.expect("a cookie").split_once(": ").expect("a value").1;
    format!("cookie: {}", value.split(';').next().expect("a pair"))
}

async fn get(service: &Service, path: &str, cookie: &str) -> Answered {
    ask(service, "GET", path, &[cookie], "").await
}

async fn nothing_is_shown_without_a_login_and_a_session_shows_what_it_may() {
    let service = start().await;
    for path in [
        "/api/v1/incidents",
        "/api/v1/organizations",
        "/api/v1/stream",
        "/api/v1/me",
        "/api/v1/demo/mailbox",
    ] {
        let refused = ask(&service, "GET", path, &[], "").await;
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.head.contains("application/problem+json"), "{refused:?}");
    }
    assert_eq!(service.get("/api/v1/login").await.1["local"], json!(true));
    assert_eq!(
        service.get("/api/v1/responder/AAAA").await.0,
        404,
        "links need no login"
    );
    assert_eq!(service.get("/healthz").await.0, 200);

    let kari = person(&service, "Kari", &["analyst"], &[]);
    assert_eq!(kari.login, "kari");
    let code = kari.code(0);
    let answer = try_login(&service, &kari.body(&code)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let set = answer
        .head
        .lines()
        .find(|line| line.starts_with("set-cookie:"))
        .expect("a cookie");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{part} in {set}");
    }
    let cookie = cookie(&answer);
    assert_eq!(get(&service, "/api/v1/incidents", &cookie).await.status, 200);
    let me = get(&service, "/api/v1/me", &cookie).await.json();
    assert_eq!(
        (&me["name"], &me["organizations"]),
        (&json!("Navn Kari"), &Value::Null),
        "{me}"
    );

    let log = get(&service, "/api/v1/audit", &cookie).await;
    assert_eq!(log.status, 403, "an analyst is no auditor: {log:?}");

    let again = try_login(&service, &kari.body(&code)).await;
    assert_eq!(again.status, 401, "a code works once: {again:?}");
    let out = ask(&service, "POST", "/api/v1/logout", &[&cookie], "").await;
    assert!(out.status == 200 && out.head.contains("Max-Age=0"), "{out:?}");
    assert_eq!(
        get(&service, "/api/v1/incidents", &cookie).await.status,
        401,
        "logged out"
    );
    service.stop().await;
}

async fn who_is_not_let_in_learns_nothing_and_who_guesses_locks_nobody_out() {
    let service = start().await;
    let mut kari = person(&service, "kari", &["analyst"], &[]);
    person(&service, "maskin", &[], &["--machine"]);
    let wrong = |login: &str, password: &str, code: &str| json!({ "login": login, "password": password, "code": code });
    let password = kari.password.clone();
    let mut answers = Vec::new();
    for body in [
        wrong("kari", "not the password", &kari.code(0)),
        wrong("kari", &password, "000000"),
        wrong("kari", &password, ""),
        wrong("nobody", &password, "000000"),
        wrong("maskin", "", ""),
        wrong("", "", ""),
    ] {
        let answer = try_login(&service, &body).await;
        answers.push((answer.status, answer.body));
    }
    assert_eq!(answers[0].0, 401);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "the same for all: {answers:?}"
    );

    // From here on a code is needed first, under a name that is there and one that is not.
    let mut guarded = Vec::new();
    for login in ["kari", "ingen"] {
        let mut last = (0, String::new());
        for _ in 0..6 {
            let answer = try_login(&service, &wrong(login, &password, "000000")).await;
            last = (answer.status, answer.body);
        }
        guarded.push(last);
    }
    assert_eq!(guarded[0].0, 429);
    assert_eq!(guarded[0], guarded[1]);
    // A right code buys one look at a password, and is then used up.
    let code = kari.recovery.pop().expect("a code");
    let mistyped = try_login(&service, &wrong("kari", "not the password", &code)).await;
    assert_eq!(mistyped.status, 429, "{mistyped:?}");
    assert_eq!(
        try_login(&service, &kari.body(&code)).await.status,
        429,
        "used up"
    );
    log_in(&service, &mut kari).await;
    // And with that the attempts are forgotten.
    assert_eq!(
        try_login(&service, &wrong("kari", "x", "000000")).await.status,
        401
    );
    // A flood under other names keeps nobody out either.
    for number in 0..70 {
        try_login(&service, &wrong(&format!("flom{number}"), "x", "000000")).await;
    }
    assert_eq!(
        try_login(&service, &wrong("another", "x", "000000")).await.status,
        429
    );
    log_in(&service, &mut kari).await;
    service.stop().await;
}

async fn what_is_taken_back_is_gone_at_the_next_request_and_from_the_open_stream() {
    let service = start().await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    service.mails(1).await;
    let mut kari = person(&service, "kari", &["analyst"], &[]);
    let cookie = log_in(&service, &mut kari).await;
    let list = get(&service, "/api/v1/incidents", &cookie).await.json();
    let id = list["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let close = format!("/api/v1/incidents/{id}/close");

    accounts(service.path(), &["revoke", "kari", "analyst"]).expect("taken back");
    grant(&service, "kari", "auditor");
    assert_eq!(
        get(&service, &format!("/api/v1/incidents/{id}"), &cookie)
            .await
            .status,
        200
    );
    let refused = ask(&service, "POST", &close, &[&cookie], "").await;
    assert_eq!(refused.status, 403, "sees it, and may not: {refused:?}");
    accounts(service.path(), &["revoke", "kari", "auditor"]).expect("taken back");
    assert_eq!(
        get(&service, &format!("/api/v1/incidents/{id}"), &cookie)
            .await
            .status,
        404
    );
    assert_eq!(
        ask(&service, "POST", &close, &[&cookie], "").await.status,
        404,
        "no longer sees it"
    );
    let list = get(&service, "/api/v1/incidents", &cookie).await.json();
    assert_eq!(
        (&list["total"], &list["incidents"]),
        (&json!(0), &json!([])),
        "{list}"
    );

    grant(&service, "kari", "responder:964338531");
    let mut stream = service.stream(&cookie).await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(2),
            Alerts::new(BERGEN).entity("2001:db8::7").make(3),
        ])
        .await;
    let seen = stream.until("2001:db8::7").await;
    assert!(!seen.contains(STAVANGER) && !seen.contains("10.1.2.3"), "{seen}");
    let resume = seen
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .expect("an id");
    assert_eq!(
        resume.trim().len(),
        32,
        "the number of a change tells how much happens to others: {resume}"
    );

    accounts(service.path(), &["revoke", "kari"]).expect("closed");
    service
        .publish(&[Alerts::new(BERGEN).entity("2001:db8::8").make(4)])
        .await;
    let rest = stream.rest().await;
    assert!(!rest.contains("2001:db8::8"), "{rest}");
    assert_eq!(get(&service, "/api/v1/me", &cookie).await.status, 401);
    assert_eq!(
        try_login(&service, &kari.body(&kari.recovery[0])).await.status,
        401,
        "closed"
    );

    let told = accounts(service.path(), &["reset", "kari"]).expect("reset");
    grant(&service, "kari", "analyst");
    log_in(&service, &mut given(&told)).await;
    assert_eq!(
        try_login(&service, &kari.body(&kari.recovery[0])).await.status,
        401,
        "the old secrets"
    );
    service.stop().await;
}

async fn a_session_ends_when_it_is_not_used_and_when_its_time_is_over() {
    let minutes = Arc::new(AtomicI64::new(0));
    let hand = Arc::clone(&minutes);
    let start = alerting::clock::machine().now().as_millis();
    let clock = alerting::clock::steered(move || {
        Timestamp::from_millis(start + hand.load(Ordering::Relaxed) * 60_000)
    });
    let service = start_at(clock, ", idle_minutes: 30, session_hours: 2").await;
    let mut kari = person(&service, "kari", &["analyst"], &[]);
    let cookie = log_in(&service, &mut kari).await;
    let at = async |minute: i64, path: &str| {
        minutes.store(minute, Ordering::Relaxed);
        get(&service, path, &cookie).await.status
    };
    for minute in [29, 58, 87, 116] {
        assert_eq!(at(minute, "/api/v1/me").await, 200, "used at minute {minute}");
    }
    assert_eq!(at(120, "/api/v1/me").await, 401, "two hours are over");
    let cookie = log_in(&service, &mut kari).await;
    let at = async |minute: i64| {
        minutes.store(minute, Ordering::Relaxed);
        get(&service, "/api/v1/me", &cookie).await.status
    };
    assert_eq!(
        (at(149).await, at(179).await),
        (200, 401),
        "30 minutes without use"
    );
    service.stop().await;
}

async fn every_use_of_the_break_glass_account_is_an_alert() {
    let service = start_with(", local_accounts: false").await;
    let mut ola = person(&service, "ola", &["analyst"], &[]);
    let code = ola.recovery.pop().expect("a code");
    assert_eq!(
        try_login(&service, &ola.body(&code)).await.status,
        401,
        "no local accounts here"
    );

    let mut glass = person(&service, "glass", &["duty_officer"], &["--break-glass"]);
    for uses in 1..=2_usize {
        let cookie = log_in(&service, &mut glass).await;
        let told: Vec<Mail> = service.mails(uses).await;
        assert!(told.iter().all(|mail| mail.to == "duty@cert.example"), "{told:?}");
        assert!(
            told[uses - 1].subject.contains("Nødkontoen i Varde er brukt"),
            "{told:?}"
        );
        let list = get(&service, "/api/v1/incidents", &cookie).await.json();
        assert_eq!(list["total"], json!(uses), "each use is one of its own: {list}");
        assert_eq!(list["incidents"][0]["organization"]["number"], json!(CERT));
        assert!(list["incidents"].to_string().contains("Navn glass"), "{list}");
    }
    let cookie = log_in(&service, &mut glass).await;
    let log = get(&service, "/api/v1/audit?action=login.succeeded", &cookie)
        .await
        .json();
    let rows = log["entries"].as_array().expect("a list");
    assert_eq!(rows.len(), 3, "each use is noted: {log}");
    for row in rows {
        assert_eq!(
            (&row["actor"], &row["subject"]),
            (&json!("Navn glass"), &json!("break_glass")),
            "{log}"
        );
    }
    let failed = get(&service, "/api/v1/audit?action=login.failed", &cookie)
        .await
        .json();
    assert_eq!(failed["entries"][0]["actor"], "Navn ola", "{failed}");
    let metrics = http(service.address, "GET", "/metrics", &[], "").await;
    assert!(
        metrics.contains("alerting_logins_total{how=\"break_glass\"} 3"),
        "{metrics}"
    );
    service.stop().await;
}

async fn a_token_does_what_it_was_made_for_and_metrics_are_not_for_strangers() {
    let service = start().await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    service.mails(1).await;
    person(&service, "maskin", &["analyst"], &["--machine"]);
    let token = |actions: &str| {
        let told = accounts(service.path(), &["token", "maskin", "--actions", actions]).expect("made");
        let token = told
            .lines()
            .find_map(|line| line.strip_prefix("token: "))
            .expect("a token")
            .to_owned();
        format!("authorization: Bearer {token}")
    };
    let (reader, watcher) = (token("read"), token("read_metrics"));
    let list = get(&service, "/api/v1/incidents", &reader).await.json();
    assert_eq!(list["total"], 1, "{list}");
    let id = list["incidents"][0]["id"].as_str().expect("an id");
    let close = format!("/api/v1/incidents/{id}/close");
    assert_eq!(ask(&service, "POST", &close, &[&reader], "").await.status, 403);
    assert_eq!(
        get(&service, "/api/v1/incidents", &watcher).await.json()["total"],
        0
    );

    let passed_on = "x-forwarded-for: 192.0.2.7";
    for (headers, status) in [
        (vec![], 200),
        (vec![passed_on], 401),
        (vec![passed_on, reader.as_str()], 403),
        (vec![passed_on, watcher.as_str()], 200),
        (vec![passed_on, "authorization: Bearer nonsense"], 401),
    ] {
        let answer = ask(&service, "GET", "/metrics", &headers, "").await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
    assert!(
        accounts(service.path(), &["token", "nobody"])
            .expect_err("none")
            .contains("no such account")
    );
    accounts(service.path(), &["revoke", "maskin"]).expect("closed");
    assert_eq!(get(&service, "/api/v1/incidents", &reader).await.status, 401);
    service.stop().await;
}

async fn accounts_say_what_cannot_be() {
    let service = start().await;
    person(
        &service,
        "kari",
        &["analyst:964965226", "delegated_operator:964338531:2027-01-31"],
        &[],
    );
    for (arguments, named) in [
        (vec!["add", "kari", "--name", "Kari"], "there already"),
        (vec!["add", " ", "--name", "Kari"], "letters"),
        (vec!["grant", "kari", "responder"], "say which"),
        (
            vec!["grant", "kari", "delegated_operator", "--organization", STAVANGER],
            "until when",
        ),
        (vec!["grant", "kari", "boss"], "boss"),
        (vec!["grant", "nobody", "analyst"], "no such account"),
        (vec!["revoke", "kari", "auditor"], "was not given"),
        (vec!["token", "kari"], "no machine"),
    ] {
        let refused = accounts(service.path(), &arguments).expect_err("refused");
        assert!(refused.contains(named), "{arguments:?}: {refused}");
    }
    let list = accounts(service.path(), &["list"]).expect("listed");
    for part in [
        "kari\tNavn kari\tlocal\t",
        "analyst of 964965226",
        "until 2027-01-31T00:00:00",
    ] {
        assert!(list.contains(part), "{part} in {list}");
    }
    assert!(!list.contains("argon2"), "{list}");
    service.stop().await;
}
