//! The whole way of an alert through the service: bus in, real SMTP listener and real webhook receiver out, link
//! opened, answer on the API. And what must not happen: twice, to strangers, or lost to a `kill -9`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops at what should not be"
)]

mod access;
mod arrange;
mod audit;
mod bounds;
mod conclusions;
mod document;
mod escalation;
mod grouping;
mod held;
mod hostile;
mod inhibition;
mod instances;
mod isolation;
mod letters;
mod lists;
mod merged;
mod oidc;
mod once;
mod passkeys;
mod people;
mod process;
mod registry;
mod repeated;
mod reveals;
mod sealed;
mod service;
mod signed;
mod silences;
mod statutory;
mod stores;
mod storm;
mod successors;
mod texts;
mod ways;

use serde_json::{Value, json};
use service::{Alerts, Service, http};
use stores::on_both;

const STAVANGER: &str = "964965226";
const BERGEN: &str = "964338531";

on_both!(
    an_alert_becomes_a_mail_whose_link_answers_on_the_incident,
    what_is_asked_wrongly_is_refused_with_its_name,
    after_kill_9_every_incident_is_there_exactly_once,
    a_webhook_is_signed_tried_again_and_holds_only_its_own_incident,
);

async fn an_alert_becomes_a_mail_whose_link_answers_on_the_incident() {
    let service = Service::start().await;
    let text = "Portskanning: á č đ ŋ š ŧ ž æøå ÆØÅ";
    let alerts = [
        Alerts::new(STAVANGER).summary(text).make(1),
        Alerts::new(STAVANGER).summary(text).make(2),
        Alerts::new(STAVANGER).summary(text).make(1),
        Alerts::new(BERGEN).entity("2001:db8::7").exercise().make(3),
    ];
    service.publish(&alerts).await;
    let mails = service.mails(2).await;

    let stavanger = mails
        .iter()
        .find(|mail| mail.to == "vakt@stavanger.example")
        .expect("Stavanger is told");
    assert!(
        stavanger
            .subject
            .starts_with("[Varde] Høy: Portskanning: á č đ ŋ š ŧ ž æøå ÆØÅ – 10.1.2.3"),
        "{}",
        stavanger.subject
    );
    assert!(
        stavanger.subject.ends_with("(Stavanger kommune)"),
        "{}",
        stavanger.subject
    );
    for part in [
        text,
        "10.1.2.3",
        "Gjør dette først",
        "Koble maskinen fra nettet.",
        "+47 22 00 00 00",
        "TLP:AMBER",
    ] {
        assert!(stavanger.html.contains(part), "{part} in {}", stavanger.html);
        let in_text = stavanger.text.contains(part) || stavanger.text.contains(&part.to_uppercase());
        assert!(in_text, "{part} in {}", stavanger.text);
    }
    assert!(
        stavanger.html.contains("<html lang=\"nb\">") && !stavanger.html.contains("<img"),
        "{}",
        stavanger.html
    );
    assert!(!stavanger.text.contains("ØVELSE"));

    let bergen = mails
        .iter()
        .find(|mail| mail.to == "vakt@bergen.example")
        .expect("Bergen is told");
    assert!(
        bergen.subject.starts_with("ØVING: [Varde] Høg:"),
        "{}",
        bergen.subject
    );
    for (mail, foreign) in [
        (stavanger, ["Bergen", BERGEN, "2001:db8::7"]),
        (bergen, ["Stavanger", STAVANGER, "10.1.2.3"]),
    ] {
        for word in foreign {
            assert!(
                !mail.raw_text().contains(word),
                "{word} is another's: {}",
                mail.raw_text()
            );
        }
    }

    let list = service.get("/api/v1/incidents?organization=964965226").await.1;
    assert_eq!(list["total"], 1, "{list}");
    assert_eq!(
        list["incidents"][0]["count"], 2,
        "a repeated alert counts once: {list}"
    );
    let id = list["incidents"][0]["id"].as_str().expect("an id").to_owned();

    let token = stavanger.token();
    let path = format!("/api/v1/responder/{token}");
    let (status, view) = service.get(&path).await;
    assert_eq!((status, &view["incident"]["id"]), (200, &json!(id)), "{view}");
    for hidden in ["route", "notifications", "timeline"] {
        assert!(
            view["incident"].get(hidden).is_none(),
            "{hidden} is not for responders: {view}"
        );
    }
    assert!(!view.to_string().contains("Bergen"), "{view}");
    assert_eq!(service.post(&format!("{path}/seen"), json!({})).await.0, 200);
    assert_eq!(
        service
            .post(&format!("{path}/acknowledge"), json!({"note": "vi ser på det"}))
            .await
            .0,
        200
    );
    assert_eq!(
        service
            .post(&format!("{path}/acknowledge"), json!({"note": "vi ser på det"}))
            .await
            .0,
        200
    );
    // Said before, but with a new remark: sent twice, kept once.
    for _ in 0..2 {
        let remark = json!({"note": "leverandøren er varslet"});
        assert_eq!(service.post(&format!("{path}/acknowledge"), remark).await.0, 200);
    }
    assert_eq!(
        service
            .post(&format!("{path}/verdict"), json!({"verdict": "need_help"}))
            .await
            .0,
        200
    );

    let detail = service.get(&format!("/api/v1/incidents/{id}")).await.1;
    assert_eq!(
        (&detail["state"], &detail["verdict"]),
        (&json!("acknowledged"), &json!("need_help")),
        "{detail}"
    );
    let kinds: Vec<_> = detail["timeline"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| line["kind"].clone())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "acknowledged").count(),
        1,
        "{kinds:?}"
    );
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "comment").count(),
        1,
        "{kinds:?}"
    );
    let first = &detail["notifications"][0];
    assert_eq!(first["address_masked"], "v…@stavanger.example");
    assert!(
        first["seen_at"].is_string() && first["acknowledged_at"].is_string(),
        "{first}"
    );
    let help = service.mails(3).await;
    assert!(
        help.iter().any(|mail| mail.to == "duty@cert.example"),
        "the CERT hears the call for help"
    );
    service.stop().await;
}

async fn what_is_asked_wrongly_is_refused_with_its_name() {
    let service = Service::start().await;
    for (path, status, named) in [
        ("/api/v1/incidents?state=gone", 400, "state"),
        ("/api/v1/incidents?severity=bad", 400, "severity"),
        ("/api/v1/incidents?organization=123456789", 400, "organization"),
        ("/api/v1/incidents?limit=0", 400, "limit"),
        ("/api/v1/incidents?cursor=x", 400, "cursor"),
        ("/api/v1/incidents?color=red", 400, "color"),
        ("/api/v1/incidents/0123", 404, "incident"),
        ("/api/v1/responder/AAAA", 404, "link"),
        ("/api/v1/demo/mailbox", 404, "demo"),
        ("/api/v1/nowhere", 404, "API"),
    ] {
        let (found, body) = service.get(path).await;
        assert_eq!(found, status, "{path}: {body}");
        assert!(
            body["detail"].as_str().expect("a problem").contains(named),
            "{path}: {body}"
        );
    }
    let id = "0".repeat(32);
    let raw = http(
        service.address,
        "POST",
        &format!("/api/v1/incidents/{id}/acknowledge"),
        &[],
        "{}",
    )
    .await;
    assert!(raw.starts_with("HTTP/1.1 403"), "without the header: {raw}");
    let page = http(service.address, "GET", "/r/abc", &[], "")
        .await
        .to_lowercase();
    for header in [
        "content-security-policy: default-src 'self'",
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(page.contains(header), "{header} in {page}");
    }
    let metrics = http(service.address, "GET", "/metrics", &[], "").await;
    assert!(
        metrics.contains("alerting_links_refused_total{reason=\"unknown\"} 1"),
        "{metrics}"
    );

    assert!(
        http(service.address, "GET", "/readyz", &[], "")
            .await
            .starts_with("HTTP/1.1 503"),
        "no canary yet"
    );
    service
        .publish(&[
            Alerts::new(STAVANGER).rule("varde:canary").make(9),
            Alerts::new(STAVANGER).make(1),
        ])
        .await;
    service.mails(1).await;
    let ready = http(service.address, "GET", "/readyz", &[], "").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let list: Value = service.get("/api/v1/incidents").await.1;
    assert_eq!(list["total"], 1, "a canary is no incident: {list}");
    service.stop().await;
}

/// `kill -9` at a few points of the way: every incident is there once, every mail at least once, and what is sent
/// again carries the same Message-ID.
async fn after_kill_9_every_incident_is_there_exactly_once() {
    const ALERTS: u32 = 600;
    let folder = tempfile::tempdir().expect("a folder");
    let (_listener, port, mut mails) = service::smtp();
    let config = service::configure(folder.path(), port);
    let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
        .await
        .expect("a bus");
    service::ensure_topic(&bus).await;
    let alerts: Vec<_> = (0..ALERTS)
        .map(|number| {
            let organization = if number % 2 == 0 { STAVANGER } else { BERGEN };
            Alerts::new(organization)
                .rule(&format!("rule-{}", number / 4))
                .entity(&format!("2001:db8::{:x}", number / 4))
                .make(number)
        })
        .collect();
    service::publish(&bus, &alerts).await;
    drop(bus);
    let keys = usize::try_from(ALERTS).expect("small") / 2;
    let start = || {
        std::process::Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
            .args(["run", "--config"])
            .arg(folder.path().join("alerting.yml"))
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("started")
    };
    let mut distinct = std::collections::BTreeSet::new();
    for enough in [1, keys / 3, keys] {
        let mut child = start();
        loop {
            mails.changed().await.expect("the listener runs");
            distinct = mails
                .borrow_and_update()
                .iter()
                .map(|mail| mail.message_id.clone())
                .collect();
            if enough <= distinct.len() {
                break;
            }
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    assert_eq!(
        distinct.len(),
        keys,
        "one notification for each incident, however often it was killed"
    );

    let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
        .await
        .expect("a bus");
    let service = Service::start_in(folder, config, bus).await;
    service
        .publish(&[Alerts::new(STAVANGER).entity("last").make(ALERTS)])
        .await;
    mails
        .wait_for(|mails| mails.iter().any(|mail| mail.text.contains("last")))
        .await
        .expect("the last one came");
    // What was sent but not noted before the kill is sent again, and that moves incidents from page to page.
    let (list, rest) = loop {
        let list = service.get("/api/v1/incidents?limit=200").await.1;
        assert_eq!(list["total"], keys + 1, "each incident once");
        let cursor = list["next_cursor"].as_str().expect("more").to_owned();
        let rest = service
            .get(&format!("/api/v1/incidents?limit=200&cursor={cursor}"))
            .await
            .1;
        if service.get("/api/v1/incidents?limit=200").await.1 == list {
            break (list, rest);
        }
    };
    let counts: Vec<u64> = [&list, &rest]
        .iter()
        .flat_map(|page| page["incidents"].as_array().expect("a list"))
        .map(|row| row["count"].as_u64().expect("a count"))
        .collect();
    assert_eq!(counts.len(), keys + 1, "no row is on two pages or on none");
    assert_eq!(
        counts.iter().sum::<u64>(),
        u64::from(ALERTS) + 1,
        "each alert once"
    );
    service.stop().await;
}

/// Each is refused with the file, the place and the mend, by `check`, with exit code 78.
#[test]
fn a_configuration_that_cannot_be_is_refused_with_its_mend() {
    let folder = tempfile::tempdir().expect("a folder");
    service::configure(folder.path(), 25);
    let (config, responders) = (
        folder.path().join("alerting.yml"),
        folder.path().join("responders.yml"),
    );
    let good = std::fs::read_to_string(&config).expect("there");
    let check = || {
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
    assert_eq!(check(), (Some(0), String::new()));
    for (from, to, named) in [
        ("retry:", "retyr:", "retyr"),
        ("127.0.0.1:0", "0.0.0.0:80", "allow_unauthenticated"),
        ("127.0.0.1:0", "'[::]:80'", "allow_unauthenticated"),
        ("duty@cert.example", "duty", "cert.email"),
        ("Varde <varde@cert.example>", "Varde", "mail.from"),
        ("attempts: 100", "attempts: 0", "retry.attempts"),
        ("responders.yml", "nowhere.yml", "nowhere.yml"),
    ] {
        std::fs::write(&config, good.replace(from, to)).expect("written");
        let (code, text) = check();
        assert_eq!(code, Some(78), "{to}: {text}");
        assert!(text.contains(named), "{to}: {text}");
    }
    std::fs::write(&config, &good).expect("written");
    for (row, named) in [
        ("{ number: '123456789' }", "check digit"),
        ("{ number: '100000008' }", "no known municipality"),
        ("{ number: '964965226', networks: [10.0.0.0/99] }", "10.0.0.0/99"),
        (
            "{ number: '964965226', networks: ['2001:db8::/999'] }",
            "2001:db8::/999",
        ),
        (
            "{ number: '964965226', responders: [{ name: A, email: a }] }",
            "no mail address",
        ),
        (
            "{ number: '964965226', responders: [{ name: A }] }",
            "give `email`",
        ),
        ("{ number: '964965226', colour: red }", "colour"),
    ] {
        std::fs::write(&responders, format!("organizations:\n- {row}\n")).expect("written");
        let (code, text) = check();
        assert_eq!(code, Some(78), "{row}: {text}");
        assert!(
            text.contains(named) && text.contains("responders.yml"),
            "{row}: {text}"
        );
    }
}

/// The receiver is away once, then checks the signature as the documentation tells it to.
async fn a_webhook_is_signed_tried_again_and_holds_only_its_own_incident() {
    use hmac::{Hmac, KeyInit, Mac};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let receiver = tokio::net::TcpListener::bind("[::1]:0").await.expect("bound");
    let url = format!("http://{}/hook", receiver.local_addr().expect("an address"));
    let folder = tempfile::tempdir().expect("a folder");
    let config = service::configure(folder.path(), 9);
    let key = "0123456789abcdef";
    std::fs::write(folder.path().join("hook.key"), key).expect("written");
    let responders = format!(
        "organizations:\n- {{ number: '{BERGEN}', responders: [{{ name: Vakta, webhook: {{ url: '{url}', key_file: hook.key }} }}] }}\n"
    );
    std::fs::write(folder.path().join("responders.yml"), responders).expect("written");
    let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
        .await
        .expect("a bus");
    service::ensure_topic(&bus).await;
    let service = Service::start_in(folder, config, bus).await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;

    let mut ids = Vec::new();
    for status in ["503 Service Unavailable", "204 No Content"] {
        let (mut stream, _) = receiver.accept().await.expect("a request");
        let mut request = Vec::new();
        let (head, body) = loop {
            let mut part = [0; 4096];
            let length = stream.read(&mut part).await.expect("readable");
            request.extend_from_slice(&part[..length]);
            let request = String::from_utf8_lossy(&request);
            let Some((head, body)) = request.split_once("\r\n\r\n") else {
                continue;
            };
            if body.len().to_string() == header(head, "content-length") {
                break (head.to_owned(), body.to_owned());
            }
        };
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).expect("any length");
        let id = header(&head, "x-varde-notification-id");
        mac.update(format!("{}.{id}.{body}", header(&head, "x-varde-timestamp")).as_bytes());
        let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(header(&head, "x-varde-signature"), expected);
        assert!(
            body.contains("2001:db8::7") && !body.contains(STAVANGER) && !body.contains("10.1.2.3"),
            "{body}"
        );
        ids.push(header(&head, "x-varde-notification-id"));
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.expect("answered");
    }
    assert_eq!(ids[0], ids[1], "the same notification, tried again");
    service.stop().await;
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix(&format!("{name}: "))
            .map(str::to_owned)
    });
    line.unwrap_or_else(|| panic!("no {name} in {head}"))
}
