//! What must not take the service down or be taken for good: a bus that was replaced, a mail server that refuses, a
//! page of a stranger's, a value that wants to be a link.

use serde_json::json;

use crate::{
    BERGEN,
    service::{self, Alerts, Service},
    stores::on_both,
};

on_both!(
    a_nul_in_what_comes_in_holds_up_nothing,
    what_the_store_refuses_is_put_aside_alone_and_can_be_tried_again,
    after_the_bus_was_replaced_new_alerts_are_applied_and_old_ones_are_not_doubled,
    a_strangers_name_and_a_body_that_is_too_large_are_refused_as_problems,
);

async fn after_the_bus_was_replaced_new_alerts_are_applied_and_old_ones_are_not_doubled() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_listener, port, mut mails) = service::smtp();
    let mut config = service::configure(folder.path(), port);
    let start = async |folder: tempfile::TempDir, config: &alerting::config::Config| {
        let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
            .await
            .expect("a bus");
        service::ensure_topic(&bus).await;
        Service::start_in(folder, config.clone(), bus).await
    };
    let alert = |number: u32| {
        Alerts::new(BERGEN)
            .entity(&format!("2001:db8::{number}"))
            .make(number)
    };
    let canary = || Alerts::new(BERGEN).rule("varde:canary").make(9);

    let before = start(folder, &config).await;
    before.publish(&[canary(), alert(1), alert(2), alert(3)]).await;
    mails
        .wait_for(|mails| mails.len() == 3)
        .await
        .expect("the listener runs");
    assert_eq!(before.get("/readyz").await.0, 200);
    let folder = before.stop().await;

    let directory = folder.path().join("another-bus");
    config.bus = ingest_bus::BusConfig::Embedded { directory };
    let after = start(folder, &config).await;
    let (status, ready) = after.get("/readyz").await;
    assert_eq!(
        (status, &ready["canary"]),
        (503, &json!(false)),
        "that canary was another process's: {ready}"
    );
    after.publish(&[canary(), alert(1), alert(4)]).await;
    mails
        .wait_for(|mails| mails.len() == 4)
        .await
        .expect("the listener runs");
    let list = after.get("/api/v1/incidents").await.1;
    let counts: Vec<_> = list["incidents"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["count"])
        .collect();
    assert_eq!(counts, [1; 4], "each once: {list}");
    assert_eq!(after.get("/readyz").await.0, 200);
    after.stop().await;
}

async fn a_strangers_name_and_a_body_that_is_too_large_are_refused_as_problems() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let service = Service::start().await;
    for (path, status) in [
        ("/", "421"),
        ("/api/v1/incidents", "421"),
        ("/api/v1/stream", "421"),
        ("/metrics", "200"),
        ("/healthz", "200"),
        ("/readyz", "503"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(service.address)
            .await
            .expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
        assert_eq!(
            status == "421",
            answer.contains("application/problem+json"),
            "{path}: {answer}"
        );
    }
    let path = format!("/api/v1/incidents/{}/acknowledge", "0".repeat(32));
    let (status, body) = service.post(&path, json!({"note": "x".repeat(65 * 1024)})).await;
    assert_eq!((status, &body["status"]), (413, &json!(413)), "{body}");
    service.stop().await;
}

/// PostgreSQL's text holds none: refused, it would come back with its batch for ever.
async fn a_nul_in_what_comes_in_holds_up_nothing() {
    let service = Service::start().await;
    service
        .publish(&[
            Alerts::new(BERGEN).entity("C:\\\0\u{1}.exe").make(1),
            Alerts::new(BERGEN).entity("after it").make(2),
        ])
        .await;
    let mails = service.mails(2).await;
    let path = format!("/api/v1/responder/{}/acknowledge", mails[0].token());
    for _ in 0..2 {
        let (status, body) = service.post(&path, json!({"note": "a\0b"})).await;
        assert_eq!(status, 200, "{body}");
    }
    let (status, list) = service.get("/api/v1/incidents?q=%00").await;
    assert_eq!((status, &list["total"]), (200, &json!(1)), "{list}");
    let id = list["incidents"][0]["id"].as_str().expect("an id");
    let (status, detail) = service.get(&format!("/api/v1/incidents/{id}")).await;
    assert_eq!(
        (status, &detail["entity"]["value"]),
        (200, &json!("C:\\\0\u{1}.exe")),
        "{detail}"
    );
    service.stop().await;
}

/// The server repeats the address in its refusal, as servers do.
#[test]
fn a_log_says_that_a_mail_was_refused_and_not_to_whom() {
    use std::io::{BufRead, BufReader, Write};

    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let folder = tempfile::tempdir().expect("a folder");
    let config = service::configure(folder.path(), server.local_addr().expect("an address").port());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let bus = ingest_bus::Bus::open(&config.bus).await.expect("a bus");
        service::ensure_topic(&bus).await;
        service::publish(&bus, &[Alerts::new(BERGEN).make(1)]).await;
    });
    std::thread::spawn(move || {
        let (stream, _) = server.accept().expect("a client");
        let mut replies = stream.try_clone().expect("two ends");
        replies.write_all(b"220 test\r\n").expect("greeted");
        for line in BufReader::new(stream).lines() {
            let line = line.expect("readable");
            let reply = if line.starts_with("RCPT") {
                "550 no vakt@bergen.example here"
            } else {
                "250 test"
            };
            replies
                .write_all(format!("{reply}\r\n").as_bytes())
                .expect("answered");
        }
    });
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
        .args(["run", "--config"])
        .arg(folder.path().join("alerting.yml"))
        .env_remove("VARDE_LOG")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let mut log = String::new();
    for line in BufReader::new(child.stderr.take().expect("piped")).lines() {
        log.push_str(&line.expect("readable"));
        if log.contains("gave up a notification") {
            break;
        }
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert!(
        log.contains("gave up a notification") && log.contains("550"),
        "{log}"
    );
    assert!(!log.contains("bergen.example"), "{log}");
}

/// What makes the store refuse one machine's alerts, as a bug or a limit of its own would.
const REFUSES: [(&str, &[&str]); 2] = [
    (
        "sqlite",
        &[
            "CREATE TRIGGER refuses BEFORE INSERT ON incident WHEN new.search LIKE '%192.0.2.66%'
           BEGIN SELECT raise(ABORT, 'not this one'); END",
        ],
    ),
    (
        "postgres",
        &[
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'not this one'; END $$",
            "CREATE TRIGGER refuses BEFORE INSERT ON incident FOR EACH ROW
             WHEN (new.search LIKE '%192.0.2.66%') EXECUTE FUNCTION refuse()",
        ],
    ),
];

async fn what_the_store_refuses_is_put_aside_alone_and_can_be_tried_again() {
    let service = Service::start().await;
    let is_postgres = crate::stores::database().is_some();
    let (_, made) = REFUSES[usize::from(is_postgres)];
    for text in made {
        service.by_hand(text).await;
    }
    let alert = |entity: &str, number: u32| Alerts::new(BERGEN).entity(entity).make(number);
    // All of one organisation are in one partition, in order.
    service
        .publish(&[
            alert("2001:db8::1", 1),
            alert("192.0.2.66", 2),
            alert("192.0.2.3", 3),
        ])
        .await;
    service.publish_bytes(BERGEN, b"no alert").await;
    service.publish(&[alert("192.0.2.4", 4)]).await;
    service.mails(3).await;

    let metrics = service.text("/metrics").await;
    for line in [
        "alerting_alerts_aside 2",
        "alerting_alerts_refused_total{reason=\"store\"} 1",
        "alerting_alerts_refused_total{reason=\"not_json\"} 1",
        "alerting_alerts_applied_total 3",
        "alerting_alerts_repeated_total 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let first = service.get("/api/v1/aside?limit=1").await.1;
    let cursor = first["next_cursor"].as_str().expect("more");
    let second = service
        .get(&format!("/api/v1/aside?limit=1&cursor={cursor}"))
        .await
        .1;
    let kept: Vec<_> = [&first, &second]
        .iter()
        .map(|page| page["records"][0].clone())
        .collect();
    let of = |reason: &str| {
        let found = kept.iter().find(|record| record["reason"] == reason);
        found.expect(reason)["id"].as_str().expect("a name").to_owned()
    };
    assert_eq!(
        (&first["total"], &second["next_cursor"]),
        (&json!(2), &json!(null))
    );
    let again = |id: &str| format!("/api/v1/aside/{id}/again");

    // Not yet mended; a stranger's name; what is no alert never is one.
    let refused = service.post(&again(&of("store")), json!({})).await;
    assert_eq!(refused.0, 422, "{refused:?}");
    assert_eq!(service.post(&again("nobody"), json!({})).await.0, 404);
    assert_eq!(service.post(&again(&of("not_json")), json!({})).await.0, 422);
    assert_eq!(service.get("/api/v1/aside").await.1["total"], 2);

    service
        .by_hand(if is_postgres {
            "DROP TRIGGER refuses ON incident"
        } else {
            "DROP TRIGGER refuses"
        })
        .await;
    assert_eq!(service.post(&again(&of("store")), json!({})).await.0, 204);
    assert_eq!(service.post(&again(&of("store")), json!({})).await.0, 404);
    let mails = service.mails(4).await;
    assert!(mails[3].text.contains("192.0.2.66"), "{}", mails[3].text);
    let give_up = format!("/api/v1/aside/{}/give-up", of("not_json"));
    assert_eq!(service.post(&give_up, json!({ "reason": " " })).await.0, 422);
    assert_eq!(
        service
            .post(&give_up, json!({ "reason": "a test of ours" }))
            .await
            .0,
        204
    );
    assert_eq!(service.get("/api/v1/aside").await.1["total"], 0);
    let audit = service.get("/api/v1/audit?limit=2").await.1;
    let actions = [0, 1].map(|place| audit["entries"][place]["action"].clone());
    assert_eq!(actions, ["aside.given_up", "aside.applied"]);

    // After a restart nothing of it comes again.
    let service = service.restart(alerting::clock::machine()).await;
    service.publish(&[alert("192.0.2.5", 5)]).await;
    assert_eq!(service.mails(5).await.len(), 5);
    assert_eq!(service.get("/api/v1/incidents").await.1["total"], 5);
}
