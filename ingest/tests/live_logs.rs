//! Logs as their writers hand them over: Suricata's sockets, Zeek's folder over rotation and restart, and syslog over TLS
//! from OpenSSL's own client, over both address families.

#![expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ingest::{agent, clock::Clock, config, metrics::Metrics};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A sensor at work.
struct Sensor {
    metrics: Metrics,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<agent::AgentSummary>>,
}

impl Sensor {
    async fn start(directory: &Path, source: &str) -> Self {
        let root = directory.display();
        let text = format!(
            "sensor: sensor-1\norganization: \"964965226\"\nstate: {root}/state\ncanary_secs: 0\n\
             privacy: [{{ level: full }}]\nbus: {{ embedded: {{ directory: {root}/bus }} }}\nsources:\n  - {source}\n"
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
        Self {
            metrics,
            stop,
            running,
        }
    }

    /// Waits until it holds; the test's runner ends it if it never does.
    async fn until(&self, holds: impl Fn(&Metrics) -> bool) {
        while !holds(&self.metrics) {
            assert!(!self.running.is_finished(), "the sensor ended");
            tokio::task::yield_now().await;
        }
    }

    async fn published(&self, count: u64) {
        self.until(|metrics| count <= metrics.events_published.get())
            .await;
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.expect("joins").expect("ends well");
    }
}

/// A field of all events on the bus, in order of their words.
async fn seen(directory: &Path, field: &str, count: usize) -> Vec<String> {
    let bus = BusConfig::Embedded {
        directory: directory.join("bus"),
    };
    let bus = Bus::open(&bus).await.expect("opens");
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let consumer = bus.consumer("test", Subscription::Topics(vec![topic]));
    let (mut consumer, mut seen) = (consumer.expect("opens"), Vec::new());
    while seen.len() < count {
        let limit = PollLimit {
            records: 1_000,
            bytes: 1 << 20,
            wait: std::time::Duration::from_secs(5),
        };
        for delivery in consumer.poll(limit).await.expect("polls").deliveries {
            let event = ingest_event::codec::flatten(&delivery.record.value).expect("JSON");
            let value = event.get(field).map(ToString::to_string);
            seen.push(value.unwrap_or_default());
        }
    }
    seen.sort();
    seen
}

fn eve(number: u32) -> String {
    let address = match number % 2 {
        0 => format!("192.0.2.{number}"),
        _ => format!("2001:db8::{number}"),
    };
    format!(
        "{{\"timestamp\":\"2026-03-02T08:15:00.000001+0000\",\"event_type\":\"alert\",\"src_ip\":\"{address}\",\"alert\":{{\"signature\":\"s{number}\"}}}}"
    )
}

#[tokio::test]
async fn suricata_writes_to_a_socket_and_comes_again_after_a_restart() {
    for kind in ["stream", "datagram"] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("eve.sock");
        let source = format!("eve_socket: {{ path: {}, kind: {kind} }}", path.display());
        for round in [0, 4] {
            let sensor = Sensor::start(directory.path(), &source).await;
            sensor.until(|_| path.exists()).await;
            match kind {
                "stream" => {
                    let stream = loop {
                        match UnixStream::connect(&path) {
                            Ok(stream) => break stream,
                            Err(_) => tokio::task::yield_now().await,
                        }
                    };
                    let text = format!("{}\n{}\nno JSON\n{}", eve(round), eve(round + 1), eve(round + 2));
                    (&stream).write_all(text.as_bytes()).expect("writes");
                }
                _ => {
                    let socket = UnixDatagram::unbound().expect("opens");
                    for text in [
                        eve(round),
                        eve(round + 1) + "\n",
                        "no JSON".to_owned(),
                        eve(round + 2),
                    ] {
                        socket.send_to(text.as_bytes(), &path).expect("sends");
                    }
                }
            }
            sensor.published(3).await;
            let refused = &sensor.metrics.records_refused;
            assert_eq!(refused.with_label_values(&["not_json"]).get(), 1, "{kind}");
            sensor.stop().await;
            assert!(!path.exists(), "a socket that nobody serves is left behind");
        }
        let signatures = seen(directory.path(), "suricata.eve.alert.signature", 6).await;
        assert_eq!(signatures, ["s0", "s1", "s2", "s4", "s5", "s6"], "{kind}");
    }
}

fn zeek(words: &[&str]) -> String {
    let head = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tnotice\n#fields\tts\tuid\tnote\tmsg\n#types\ttime\tstring\tenum\tstring\n";
    let lines = words
        .iter()
        .map(|word| format!("1772439300.0\tC{word}\tTest::Note\t{word}\n"));
    head.to_owned() + &lines.collect::<String>()
}

/// ZeekControl's layout: logs in `current`, moved by the hour into a folder by the day, compressed.
#[tokio::test]
async fn zeeks_folder_is_read_over_rotation_and_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let logs = directory.path().join("logs");
    let (current, day) = (logs.join("current"), logs.join("2026-03-02"));
    for folder in [&current, &day] {
        std::fs::create_dir_all(folder).expect("made");
    }
    let (notice, other) = (current.join("notice.log"), current.join("weird.log"));
    let write = |path: &Path, words: &[&str]| std::fs::write(path, zeek(words)).expect("written");
    let archive = |name: &str| {
        let text = std::fs::read(&notice).expect("read");
        let file = std::fs::File::create(day.join(name)).expect("made");
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gzip.write_all(&text).expect("written");
        gzip.finish().expect("ends");
        std::fs::remove_file(&notice).expect("removed");
    };
    write(&notice, &["a"]);
    write(&other, &["b"]);
    write(&current.join("stdout.log"), &["never"]);
    let source = format!("file: {{ path: {}, follow: true }}", logs.display());
    let sensor = Sensor::start(directory.path(), &source).await;
    sensor.published(2).await;
    // Moved away while it is open, with a line that nobody has read yet.
    write(&notice, &["a", "c"]);
    std::fs::rename(&notice, day.join("notice.08:00:00-09:00:00.log")).expect("renamed");
    write(&notice, &["d"]);
    sensor.published(4).await;
    sensor.stop().await;
    // And compressed while nobody looks.
    write(&notice, &["d", "e"]);
    archive("notice.09:00:00-10:00:00.log.gz");
    write(&notice, &["f"]);
    let sensor = Sensor::start(directory.path(), &source).await;
    sensor.published(2).await;
    sensor.stop().await;
    let words = seen(directory.path(), "message", 6).await;
    assert_eq!(words, ["a", "b", "c", "d", "e", "f"]);
}

fn openssl(directory: &Path, arguments: &str) -> bool {
    let made = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    made.is_ok_and(|status| status.success())
}

/// A certificate with its key, of a CA if one is named.
fn certificate(directory: &Path, name: &str, ca: Option<&str>) -> bool {
    let signed = ca.map_or_else(String::new, |ca| format!(" -CA {ca}.pem -CAkey {ca}.key"));
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        directory,
        &format!("req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2{signed}"),
    )
}

/// OpenSSL's client with something to say.
fn client(directory: &Path, to: SocketAddr, with: &str, says: &str) -> Child {
    let mut child = Command::new("openssl")
        .args(["s_client", "-quiet", "-no_ign_eof", "-connect", &to.to_string()])
        .args(with.split(' ').filter(|word| !word.is_empty()))
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut input = child.stdin.take().expect("piped");
    // One that was turned away does not listen.
    let _ = input.write_all(says.as_bytes());
    child
}

// The clients are waited for, and the sensor must go on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syslog_over_tls_is_read_and_senders_without_a_certificate_are_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let folder = directory.path();
    let made = certificate(folder, "ca", None)
        && certificate(folder, "sensor", None)
        && certificate(folder, "sender", Some("ca"))
        && certificate(folder, "stranger", None);
    if !made {
        println!("skipped: `openssl req` makes no certificates here");
        return;
    }
    for (round, address) in ["127.0.0.1", "::1"].into_iter().enumerate() {
        let free = TcpListener::bind((address, 0)).expect("binds");
        let at = free.local_addr().expect("bound");
        drop(free);
        let root = folder.display();
        let source = format!(
            "syslog_tls: {{ listen: \"{at}\", certificate: {root}/sensor.pem, key: {root}/sensor.key, client_ca: {root}/ca.pem }}"
        );
        let sensor = Sensor::start(folder, &source).await;
        sensor.until(|_| std::net::TcpStream::connect(at).is_ok()).await;
        let errors = |metrics: &Metrics| metrics.receive_errors.with_label_values(&["syslog_tls"]).get();
        // That look was no greeting.
        sensor.until(|metrics| 0 < errors(metrics)).await;
        let message = |word: &str| format!("<38>Mar  2 08:15:00 gate app: {word}-{round}\nand more");
        let counted = |word: &str| format!("{} {}", message(word).len(), message(word));
        for with in ["", "-cert stranger.pem -key stranger.key"] {
            let before = errors(&sensor.metrics);
            let mut refused = client(folder, at, with, &counted("never"));
            sensor.until(|metrics| before < errors(metrics)).await;
            refused.wait().expect("ends");
        }
        let text = counted("one") + &counted("two");
        let mut sender = client(folder, at, "-tls1_3 -cert sender.pem -key sender.key", &text);
        sensor.published(2).await;
        sender.wait().expect("ends");
        // A renewed certificate is taken with the next connection.
        assert!(certificate(folder, "sensor", Some("ca")));
        let with = "-tls1_2 -cert sender.pem -key sender.key -CAfile ca.pem -verify_return_error";
        let mut sender = client(folder, at, with, &counted("three"));
        sensor.published(3).await;
        sender.wait().expect("ends");
        sensor.stop().await;
        assert!(certificate(folder, "sensor", None));
    }
    let words = seen(folder, "message", 6).await;
    let expected = ["one-0", "one-1", "three-0", "three-1", "two-0", "two-1"];
    let expected = expected.map(|word| format!("{word}\nand more"));
    assert_eq!(words, expected);
}
