//! Several instances on one PostgreSQL and one bus: nobody is told twice, a dead instance leaves nothing unsent, and what one
//! does the others know. And a PostgreSQL that goes away, refuses, or is of another version.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::watch,
};

use crate::{
    BERGEN, STAVANGER,
    service::{self, Alerts, Mail, Service},
    stores::{database, on_postgres},
};

/// Each is an incident of its own: many of one rule would become one.
fn alert(number: u32) -> detect_alert::Alert {
    let organization = if number.is_multiple_of(2) {
        STAVANGER
    } else {
        BERGEN
    };
    Alerts::new(organization)
        .rule(&format!("rule-{number}"))
        .entity(&format!("2001:db8::{number:x}"))
        .make(number)
}

/// How often each Message-ID came.
fn counts(mails: &[Mail]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in mails {
        *counts.entry(mail.message_id.clone()).or_default() += 1;
    }
    counts
}

/// Publishes one more alert and waits for its mail: what was sent before has come by then.
async fn last_mail(service: &Service, mails: &mut watch::Receiver<Vec<Mail>>) {
    service
        .publish(&[Alerts::new(STAVANGER).entity("the last one").make(9_999)])
        .await;
    let has_come = |mails: &Vec<Mail>| mails.iter().any(|mail| mail.text.contains("the last one"));
    mails.wait_for(has_come).await.expect("the listener runs");
}

/// A service in a folder of its own, on the bus of `first`.
pub(crate) async fn start_beside(
    first: Option<&alerting::config::Config>,
    smtp_port: u16,
) -> (Service, alerting::config::Config) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = service::configure(folder.path(), smtp_port);
    if let Some(first) = first {
        config.bus = first.bus.clone();
    }
    let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
        .await
        .expect("a bus");
    service::ensure_topic(&bus).await;
    (Service::start_in(folder, config.clone(), bus).await, config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_tell_each_responder_once_and_know_what_the_other_did() {
    on_postgres(async {
        const ALERTS: u32 = 200;
        let (_listener, port, mut mails) = service::smtp();
        let (one, config) = start_beside(None, port).await;
        let (other, _) = start_beside(Some(&config), port).await;

        let mut stream = BufReader::new(TcpStream::connect(other.address).await.expect("connected"));
        let request = format!("GET /api/v1/stream HTTP/1.1\r\nhost: {}\r\n\r\n", other.address);
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.expect("a head");
        }

        one.publish(&(0..ALERTS).map(alert).collect::<Vec<_>>()).await;
        let all = usize::try_from(ALERTS).expect("small");
        let told = mails
            .wait_for(|mails| all <= counts(mails).len())
            .await
            .expect("the listener runs")
            .clone();

        // What is answered at one is seen at the other, by who waits for it too.
        let path = format!("/api/v1/responder/{}/acknowledge", told[0].token());
        let id = one.get(&format!("/api/v1/responder/{}", told[0].token())).await.1["incident"]["id"].clone();
        assert_eq!(one.post(&path, json!({"note": "vi tar den"})).await.0, 200);
        let row = loop {
            line.clear();
            assert_ne!(stream.read_line(&mut line).await.expect("an event"), 0);
            let row = line
                .strip_prefix("data: ")
                .map(serde_json::from_str::<serde_json::Value>);
            if let Some(Ok(row)) = row
                && row["id"] == id
                && row["state"] == "acknowledged"
            {
                break row;
            }
        };
        assert_eq!(row["id"], id);
        let (status, view) = other.get(&format!("/api/v1/responder/{}", told[0].token())).await;
        assert_eq!(
            (status, &view["incident"]["state"]),
            (200, &json!("acknowledged")),
            "{view}"
        );

        drop(stream);
        // The bus lies in it.
        let _folder = one.stop().await;
        last_mail(&other, &mut mails).await;
        let counts = counts(&mails.borrow());
        assert_eq!(counts.len(), all + 1);
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
        let list = other.get("/api/v1/incidents?limit=1").await.1;
        assert_eq!(list["total"], ALERTS + 1, "{list}");
        other.stop().await;
    })
    .await;
}

/// Killed between claim and hand-over: its mail server takes the connection and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_instance_leaves_behind_when_it_is_killed_another_sends() {
    on_postgres(async {
        const ALERTS: u32 = 20;
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let folder = tempfile::tempdir().expect("a folder");
        let silent_port = silent.local_addr().expect("an address").port();
        let config = service::configure(folder.path(), silent_port);
        let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
            .await
            .expect("a bus");
        service::ensure_topic(&bus).await;
        service::publish(&bus, &(0..ALERTS).map(alert).collect::<Vec<_>>()).await;
        let mut child = Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
            .args(["run", "--config"])
            .arg(folder.path().join("alerting.yml"))
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("started");
        let connection = silent.accept().await.expect("it sends");
        let (_listener, port, mut mails) = service::smtp();
        let (other, _) = start_beside(Some(&config), port).await;
        child.kill().expect("killed");
        child.wait().expect("gone");
        drop(connection);
        let all = usize::try_from(ALERTS).expect("small");
        mails
            .wait_for(|mails| all <= counts(mails).len())
            .await
            .expect("the listener runs");
        last_mail(&other, &mut mails).await;
        let counts = counts(&mails.borrow());
        assert_eq!(counts.len(), all + 1);
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
        let list = other.get("/api/v1/incidents?limit=1").await.1;
        assert_eq!(list["total"], ALERTS + 1, "{list}");
        other.stop().await;
    })
    .await;
}

/// A server of this test's own, as it is stopped.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// `None` where there is no PostgreSQL to test against.
    fn start() -> Option<Self> {
        crate::stores::server()?;
        let folder = tempfile::Builder::new().tempdir().expect("a folder");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), mode).expect("others may enter");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let server = Self { folder, port };
        server.run(&["start"]);
        Some(server)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/postgres");
        let output = Command::new(script)
            .args(arguments)
            .env("VARDE_POSTGRES_DIR", self.folder.path().join("postgres"))
            .env("VARDE_POSTGRES_PORT", self.port.to_string())
            .env("VARDE_POSTGRES_STOP", "immediate")
            .output()
            .expect("run");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn url(&self) -> String {
        let told = self.run(&["status"]);
        told.trim()
            .strip_prefix("VARDE_TEST_POSTGRES=")
            .expect("an address")
            .to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run(&["stop", "--wipe"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_crashes_and_comes_back_loses_nothing_and_repeats_nothing() {
    let Some(server) = Server::start() else { return };
    crate::stores::on_database(server.url(), async {
        let (_listener, port, mut mails) = service::smtp();
        let (service, _) = start_beside(None, port).await;
        let mut all = 0;
        for round in 0..2 {
            let alerts: Vec<_> = (round * 100..(round + 1) * 100).map(alert).collect();
            all += alerts.len();
            service.publish(&alerts).await;
            // In the middle of taking in and sending.
            let some = all - 80;
            mails
                .wait_for(|mails| some <= mails.len())
                .await
                .expect("the listener runs");
            server.run(&["stop"]);
            let (status, body) = service.get("/api/v1/incidents").await;
            assert_eq!(
                (status, &body["detail"]),
                (503, &json!("the store is away; try again"))
            );
            server.run(&["start"]);
        }
        mails
            .wait_for(|mails| all <= counts(mails).len())
            .await
            .expect("the listener runs");
        last_mail(&service, &mut mails).await;
        let counts = counts(&mails.borrow());
        assert_eq!(counts.len(), all + 1);
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
        let list = service.get("/api/v1/incidents?limit=200").await.1;
        assert_eq!(list["total"], all + 1, "{list}");
        let rows = list["incidents"].as_array().expect("a list");
        assert!(
            rows.iter().all(|row| row["count"] == 1),
            "each alert once: {list}"
        );
        service.stop().await;
    })
    .await;
}

/// A mail server that stops PostgreSQL before it says that it took the first mail; gives the name of each that it took.
fn stopping_smtp(server: Server) -> (u16, tokio::sync::mpsc::Receiver<(String, Option<Server>)>) {
    use std::io::{BufRead, BufReader, Write};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let (taken, receiver) = tokio::sync::mpsc::channel(8);
    let mut server = Some(server);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a client");
            let mut replies = stream.try_clone().expect("two ends");
            replies.write_all(b"220 test\r\n").expect("greeted");
            let (mut is_data, mut name) = (false, String::new());
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                if is_data && line != "." {
                    if line.to_lowercase().starts_with("message-id:") {
                        name = line;
                    }
                    continue;
                }
                if is_data {
                    let server = server.take().inspect(|server| {
                        server.run(&["stop"]);
                    });
                    let _ = taken.blocking_send((std::mem::take(&mut name), server));
                }
                is_data = line == "DATA";
                let reply = if is_data { "354 go on" } else { "250 test" };
                if replies.write_all(format!("{reply}\r\n").as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    (port, receiver)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_while_postgresql_is_away_is_noted_afterwards_and_not_sent_again() {
    let Some(server) = Server::start() else { return };
    let url = server.url();
    let (port, mut taken) = stopping_smtp(server);
    crate::stores::on_database(url, async move {
        let (service, _) = start_beside(None, port).await;
        service.publish(&[alert(1)]).await;
        let (first, server) = taken.recv().await.expect("a mail");
        let server = server.expect("stopped with the first");
        // Answered when the first attempt to note has been given up, too.
        assert_eq!(service.get("/readyz").await.1["store"], false);
        server.run(&["start"]);
        let notification = loop {
            let list = service.get("/api/v1/incidents").await.1;
            let Some(id) = list["incidents"][0]["id"].as_str() else {
                continue;
            };
            let detail = service.get(&format!("/api/v1/incidents/{id}")).await.1;
            if detail["notifications"][0]["state"] == "sent" {
                break detail["notifications"][0].clone();
            }
        };
        assert_eq!(notification["attempts"], 1, "{notification}");
        service.publish(&[alert(2)]).await;
        let (second, _) = taken.recv().await.expect("a mail");
        assert_ne!(second, first);
        service.stop().await;
    })
    .await;
}

/// The binary in a folder, until it ends by itself.
fn refusal(folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
        .args(["run", "--config"])
        .arg(folder.join("alerting.yml"))
        .env("VARDE_LOG", "trace")
        .output()
        .expect("run");
    assert!(!output.status.success());
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_and_a_newer_store_are_told_without_the_password() {
    on_postgres(async {
        let folder = tempfile::tempdir().expect("a folder");
        service::configure(folder.path(), 9);
        let file = folder.path().join("store.url");
        let url = database().expect("a database");
        let (start, rest) = url.split_once("://").expect("an address");
        let (_, place) = rest.rsplit_once('@').expect("a place");
        let wrong = format!("{start}://varde:hemmelig-passord@{place}");
        for (text, named) in [
            (wrong.clone(), "password authentication failed"),
            (
                format!("{wrong}?sslmode=verify-full"),
                "connect to the PostgreSQL",
            ),
            (format!("{wrong}?hemmelig-passord=1"), "store.url"),
            (wrong.replace("127.0.0.1", "192.0.2.1"), "sslmode=verify-full"),
        ] {
            std::fs::write(&file, &text).expect("written");
            let said = refusal(folder.path());
            assert!(
                said.contains(named) && !said.contains("hemmelig-passord"),
                "{said}"
            );
        }

        std::fs::write(&file, &url).expect("written");
        let bus = ingest_bus::Bus::open(&service::configure(folder.path(), 9).bus)
            .await
            .expect("a bus");
        service::ensure_topic(&bus).await;
        drop(bus);
        let (service, _) = start_beside(None, 9).await;
        service.stop().await;
        let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url)
            .await
            .expect("connected");
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (999999, 'of the future', TRUE, '', 0)",
        )
        .execute(&mut connection)
        .await
        .expect("written");
        drop(connection);
        let said = refusal(folder.path());
        assert!(said.contains("change 999999") && said.contains("newer"), "{said}");
        let password = url.split(':').nth(2).and_then(|rest| rest.split('@').next());
        assert!(!said.contains(password.expect("a password")), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_that_start_at_once_make_one_store() {
    on_postgres(async {
        let (first, config) = {
            let folder = tempfile::tempdir().expect("a folder");
            let config = service::configure(folder.path(), 9);
            (folder, config)
        };
        let started = (0..6).map(|_| start_beside(Some(&config), 9));
        let services = futures_util::future::join_all(started).await;
        for (service, _) in services {
            assert_eq!(service.get("/api/v1/incidents").await.1["total"], 0);
            service.stop().await;
        }
        drop(first);
    })
    .await;
}
