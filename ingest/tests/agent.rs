//! The sensor from source to bus, on the embedded bus: live and from files, and killed in the middle.

#![expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ingest::{agent, clock::Clock, config, metrics::Metrics, quarantine};
use ingest_bus::{Bus, BusConfig, PollError, PollLimit, Subscription, Topic};
use ingest_event::codec::flatten;
use ingest_event::{Fields, Value};
use tokio_util::sync::CancellationToken;

fn write_config(directory: &Path, sources: &str) -> std::path::PathBuf {
    let root = directory.display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nhome_networks: [192.0.2.0/24, \"2001:db8::/64\"]\n\
         state: {root}/state\nbus: {{ embedded: {{ directory: {root}/bus }} }}\nexit_when_done: true\nsources:\n{sources}"
    );
    let path = directory.join("sensor.yml");
    std::fs::write(&path, text).expect("writes");
    path
}

fn eve_lines(count: usize) -> String {
    let line = |number: usize| {
        format!(
            "{{\"timestamp\":\"2026-03-02T08:15:00Z\",\"event_type\":\"flow\",\"src_ip\":\"2001:db8::7\",\"src_port\":{},\"dest_ip\":\"2001:db8:1::9\",\"flow_id\":{number}}}\n",
            number % 60_000
        )
    };
    (0..count).map(line).collect()
}

/// Everything on a topic so far, as fields; nothing when the sensor hasn't made the topic yet.
async fn published(directory: &Path, topic: &str) -> Vec<Fields> {
    let bus = Bus::open(&BusConfig::Embedded {
        directory: directory.join("bus"),
    })
    .await
    .expect("opens");
    let topic = Topic::parse(topic).expect("a name");
    let ends = match bus.end_positions(&topic).await {
        Err(PollError::UnknownTopic { .. }) => return Vec::new(),
        ends => ends.expect("reads"),
    };
    let wanted: u64 = ends.iter().map(|position| position.offset).sum();
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let mut seen = Vec::new();
    while (seen.len() as u64) < wanted {
        let limit = PollLimit {
            records: 5_000,
            bytes: 64 << 20,
            wait: Duration::from_secs(5),
        };
        let batch = consumer.poll(limit).await.expect("polls");
        seen.extend(
            batch
                .deliveries
                .iter()
                .map(|delivery| flatten(&delivery.record.value).expect("JSON")),
        );
    }
    seen
}

fn without_canaries(events: Vec<Fields>) -> Vec<Fields> {
    events
        .into_iter()
        .filter(|event| event.text("event.dataset") != Some(agent::CANARY_DATASET))
        .collect()
}

#[tokio::test]
async fn files_are_read_once_and_what_is_wrong_lands_in_quarantine() {
    let directory = tempfile::tempdir().expect("a directory");
    let lines = eve_lines(700)
        + "no json\n"
        + r#"{"timestamp":"2026-03-02T08:15:00Z","event_type":"alert","src_ip":"192.0.2.7","payload":"c2VjcmV0"}"#;
    std::fs::write(directory.path().join("eve"), lines).expect("writes");
    let path = directory.path().join("eve");
    let config = write_config(
        directory.path(),
        &format!(
            "  - file: {{ path: {} }}\n  - file: {{ path: /nowhere/at/all }}\n",
            path.display()
        ),
    );
    for run in 0..2 {
        let config = config::load(&config).expect("reads");
        let bus = Bus::open(&config.bus).await.expect("opens");
        let summary = agent::run(config, bus, Clock::System, CancellationToken::new())
            .await
            .expect("runs");
        assert_eq!(summary.sources_failed, 1);
        assert_eq!(
            summary.records_refused,
            if run == 0 { 2 } else { 1 },
            "the missing file is told again"
        );
    }
    let events = without_canaries(published(directory.path(), "varde.events.964965226").await);
    assert_eq!(events.len(), 701, "the second run published none again");
    assert!(
        events
            .iter()
            .all(|event| !event.to_owned().iter().any(|(name, _)| name.ends_with("payload")))
    );
    assert!(events.iter().all(|event| {
        event
            .text("log.file.path")
            .is_some_and(|told| told.ends_with("/eve"))
    }));
    let refused = published(directory.path(), "varde.quarantine.964965226").await;
    let bad: Vec<_> = refused
        .iter()
        .filter(|record| record.text("reason") == Some("not_json"))
        .collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(
        bad[0].get("position").map(ToString::to_string).as_deref(),
        Some("701")
    );
    // What it said stays on site; that it was refused, and where, is told.
    assert_eq!(bad[0].text("detail"), Some("it is no JSON object"));
    assert_eq!(
        (bad[0].get("raw"), bad[0].get("length")),
        (None, Some(&Value::Integer(7)))
    );
    let mut kept = Vec::new();
    quarantine::read(&directory.path().join("state"), |record| {
        kept.push(record);
        Ok(())
    })
    .expect("reads");
    let kept = kept.iter().find(|kept| kept.raw == "no json").expect("kept");
    assert_eq!(
        kept.record.detail,
        "expected ident at column 2; each line of this file must be one JSON object"
    );
    assert_eq!(Some(kept.record.digest.as_str()), bad[0].text("digest"));
}

#[tokio::test]
async fn no_byte_of_what_is_refused_leaves_the_building() {
    let directory = tempfile::tempdir().expect("a directory");
    let secrets = ["10.20.0.77", "fd00:20::77", "kari.normann", "hunter2"];
    // Each is refused for another reason, and each reader would like to quote it.
    let lines = [
        r#"{"timestamp":"2026-03-02T08:15:00Z","event_type":"flow","src_ip":"10.20.0.77x"}"#,
        r#"{"timestamp":"kari.normann","event_type":"flow","src_ip":"fd00:20::77"}"#,
        r#"{"timestamp":"2026-03-02T08:15:00Z","event_type":"kari.normann"}"#,
        r#"{"event_type":"flow","timestamp":null,"password":"hunter2"}"#,
        "login kari.normann hunter2 from fd00:20::77",
        r#"{"timestamp":"2026-03-02T08:15:00Z","event_type":"flow","src_port":"hunter2"}"#,
    ];
    let text = eve_lines(1) + &lines.join("\n") + "\nkari.normann \u{0}\n";
    let mut bytes = text.into_bytes();
    bytes.extend(b"\xff 10.20.0.77\n");
    std::fs::write(directory.path().join("eve"), bytes).expect("writes");
    let path = directory.path().join("eve");
    let config = write_config(
        directory.path(),
        &format!("  - file: {{ path: {} }}\n", path.display()),
    );
    let config = config::load(&config).expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let summary = agent::run(config, bus, Clock::System, CancellationToken::new())
        .await
        .expect("runs");
    assert_eq!(summary.records_refused, 8);
    let told = published(directory.path(), "varde.quarantine.964965226").await;
    assert_eq!(told.len(), 8);
    // Held open, or SQLite tidies its files up while they are read.
    let _held = Bus::open(&BusConfig::Embedded {
        directory: directory.path().join("bus"),
    })
    .await
    .expect("opens");
    let mut files = 0;
    for entry in std::fs::read_dir(directory.path().join("bus")).expect("reads") {
        let bytes = match std::fs::read(entry.expect("reads").path()) {
            // The bus ties up its log while it closes.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.expect("reads"),
        };
        files += 1;
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} is on the bus");
        }
    }
    assert!(0 < files);
    let mut kept = String::new();
    quarantine::read(&directory.path().join("state"), |record| {
        kept += &record.raw;
        Ok(())
    })
    .expect("reads");
    for secret in secrets {
        assert!(kept.contains(secret), "{secret} is not kept on site");
    }
}

#[tokio::test]
async fn syslog_over_tcp_and_udp_of_both_families_reaches_the_bus() {
    let directory = tempfile::tempdir().expect("a directory");
    let free = |address: &str| {
        let socket = std::net::TcpListener::bind((address, 0)).expect("binds");
        socket.local_addr().expect("bound")
    };
    let (four, six) = (free("127.0.0.1"), free("::1"));
    let sources: String = [four, six]
        .iter()
        .flat_map(|address| {
            ["udp", "tcp"].map(|kind| format!("  - syslog_{kind}: {{ listen: \"{address}\" }}\n"))
        })
        .collect();
    let config = config::load(&write_config(directory.path(), &sources)).expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(config, bus, Clock::System, stop.clone()));
    let message = "<38>Mar  2 08:15:00 gate sshd[12]: Invalid user x from 2001:db8::7 port";
    for address in [four, six] {
        let mut stream = loop {
            match tokio::net::TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let counted = format!("{message} 4001\n{} {message} 4002", message.len() + 5);
        tokio::io::AsyncWriteExt::write_all(&mut stream, counted.as_bytes())
            .await
            .expect("sends");
        drop(stream);
        let udp = std::net::UdpSocket::bind((if address.is_ipv4() { "127.0.0.1" } else { "::1" }, 0))
            .expect("binds");
        udp.send_to(format!("{message} 4003").as_bytes(), address)
            .expect("sends");
    }
    let bus = directory.path().to_path_buf();
    let mut seen = BTreeMap::<String, i32>::new();
    let all_came = async {
        while seen.values().sum::<i32>() != 6 {
            tokio::task::yield_now().await;
            seen.clear();
            for event in without_canaries(published(&bus, "varde.events.964965226").await) {
                let word = event.text("message").unwrap_or("").rsplit(' ').next();
                *seen.entry(word.unwrap_or("").to_owned()).or_insert(0) += 1;
            }
        }
    };
    // What did come says more than the time that ran out.
    let _ = tokio::time::timeout(Duration::from_secs(60), all_came).await;
    stop.cancel();
    running.await.expect("joins").expect("ends well");
    assert_eq!(
        seen,
        BTreeMap::from([
            ("4001".to_owned(), 2),
            ("4002".to_owned(), 2),
            ("4003".to_owned(), 2)
        ])
    );
}

/// Told to stop, it stops, also when the spool is full and the bus away: what waits in it waits on.
#[tokio::test]
async fn a_stop_ends_with_a_full_spool_and_the_bus_away() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().display();
    std::fs::write(directory.path().join("eve"), eve_lines(5_000)).expect("writes");
    let free = std::net::TcpListener::bind(("::1", 0)).expect("binds");
    let listen = free.local_addr().expect("bound");
    drop(free);
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: {root}/state\nspool_bytes_max: 1\ncanary_secs: 1\n\
         bus: {{ kafka: {{ bootstrap: \"127.0.0.1:1\" }} }}\nsources:\n  - file: {{ path: {root}/eve, follow: true }}\n  \
         - file: {{ path: {root}/eve }}\n  - syslog_tcp: {{ listen: \"{listen}\" }}\n"
    );
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let (metrics, stop) = (Metrics::new().expect("registers"), CancellationToken::new());
    let running = tokio::spawn(agent::run_with(
        config,
        bus,
        Clock::System,
        metrics.clone(),
        stop.clone(),
    ));
    let connected = async {
        loop {
            match tokio::net::TcpStream::connect(listen).await {
                Ok(connected) => break connected,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let mut connected = connected.await;
    for _ in 0..100 {
        tokio::io::AsyncWriteExt::write_all(&mut connected, b"<38>Mar  2 08:15:00 gate app: hello\n")
            .await
            .expect("sends");
    }
    while metrics.spool_bytes.get() == 0 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(60), running).await;
    ended.expect("it stops").expect("joins").expect("ends well");
}

/// A source that fails is started again, and the others go on meanwhile.
#[tokio::test]
async fn a_source_that_fails_is_started_again_and_ends_nobody_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().display();
    let taken = std::net::UdpSocket::bind(("::1", 0)).expect("binds");
    let listen = taken.local_addr().expect("bound");
    std::fs::write(directory.path().join("eve"), eve_lines(3)).expect("writes");
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: {root}/state\ncanary_secs: 0\n\
         bus: {{ embedded: {{ directory: {root}/bus }} }}\nsources:\n  - syslog_udp: {{ listen: \"{listen}\" }}\n  \
         - file: {{ path: {root}/eve }}\n"
    );
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let bus = Bus::open(&config.bus).await.expect("opens");
    let (metrics, stop) = (Metrics::new().expect("registers"), CancellationToken::new());
    let running = tokio::spawn(agent::run_with(
        config,
        bus,
        Clock::System,
        metrics.clone(),
        stop.clone(),
    ));
    let restarts = || metrics.source_restarts.with_label_values(&["syslog_udp"]).get();
    while restarts() < 1 || metrics.events_published.get() < 3 {
        assert!(!running.is_finished(), "the sensor ended");
        tokio::task::yield_now().await;
    }
    drop(taken);
    let sender = std::net::UdpSocket::bind(("::1", 0)).expect("binds");
    while metrics.events_published.get() < 4 {
        assert!(!running.is_finished(), "the sensor ended");
        // Refused until the source is back.
        let _ = sender.send_to(b"<38>Mar  2 08:15:00 gate app: hello", listen);
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.expect("joins").expect("ends well");
}

/// Killed again and again while it reads and publishes, the sensor loses nothing, and what it repeats is the same.
#[tokio::test]
async fn kill_minus_nine_loses_nothing_and_repeats_only_itself() {
    const LINES: usize = 30_000;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("eve");
    let mut file = std::fs::File::create(&path).expect("creates");
    file.write_all(eve_lines(LINES).as_bytes()).expect("writes");
    let config = write_config(
        directory.path(),
        &format!("  - file: {{ path: {} }}\n", path.display()),
    );
    let state = directory.path().join("state");
    let mut kills = 0;
    loop {
        let mut child = Command::new(env!("CARGO_BIN_EXE_varde-sensor"))
            .args(["run", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        // Killed once it has spooled some more than the time before: in the middle of its work, wherever that is.
        let target = (kills + 1) * (LINES as u64) / 8;
        let ended = loop {
            if let Some(status) = child.try_wait().expect("waits") {
                break Some(status);
            }
            if kills < 6 && target <= ingest::spool::records_given(&state) {
                child.kill().expect("kills");
                child.wait().expect("waits");
                break None;
            }
            tokio::task::yield_now().await;
        };
        match ended {
            Some(status) => {
                assert!(status.success(), "{status}");
                break;
            }
            None => kills += 1,
        }
    }
    assert!(0 < kills, "it was never killed");
    let events = published(directory.path(), "varde.events.964965226").await;
    let mut by_id = BTreeMap::new();
    for event in &events {
        let said = (
            event.text("@timestamp").map(str::to_owned),
            event.text("varde.stream").expect("has one").to_owned(),
            event.get("event.sequence").map(ToString::to_string),
        );
        let id = event.text("event.id").expect("has one").to_owned();
        let first = by_id.entry(id).or_insert_with(|| said.clone());
        assert_eq!(*first, said, "what is repeated is the same");
    }
    let canaries = events.len() - without_canaries(events.clone()).len();
    let flows: std::collections::BTreeSet<_> = events
        .iter()
        .filter_map(|event| event.get("suricata.eve.flow_id"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(flows.len(), LINES, "nothing is lost");
    for stream in ["alert", "flow"] {
        let numbers = by_id.values().filter(|(_, of, _)| of == stream);
        let numbers =
            numbers.map(|(_, _, number)| number.as_deref().and_then(|text| text.parse::<u64>().ok()));
        let numbers: Vec<u64> = numbers.map(|number| number.expect("a number")).collect();
        let sequences: std::collections::BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(numbers.len(), sequences.len(), "{stream}: one number each");
        assert_eq!(
            sequences.last().copied().unwrap_or(0),
            sequences.len() as u64,
            "{stream}: no gap ({canaries} canaries, {kills} kills)"
        );
    }
}
