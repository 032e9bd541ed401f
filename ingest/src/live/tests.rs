//! Sockets under pressure, over loopback of both families: silent connections, and datagrams while the spool is full.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;

use super::{serve_udp, tcp};
use crate::agent::Intake;
use crate::clock::Clock;
use crate::config;
use crate::metrics::Metrics;
use crate::spool::Spool;

const MESSAGE: &[u8] = b"<38>Mar  2 08:15:00 gate app: hello\n";

/// An intake whose spool is full when it holds `spool_bytes_max`; nothing empties it.
fn intake(spool_bytes_max: u64) -> (TempDir, Arc<Intake>) {
    let directory = tempfile::tempdir().expect("a directory");
    let intake = intake_in(directory.path(), spool_bytes_max);
    (directory, intake)
}

fn intake_in(directory: &std::path::Path, spool_bytes_max: u64) -> Arc<Intake> {
    let text = "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\nprivacy: [{ level: full }]\n\
                bus: { embedded: { directory: unused } }\nsources: []\n";
    let config = config::parse(text, "sensor.yml").expect("reads");
    let spool = Spool::open(directory, spool_bytes_max).expect("opens");
    let metrics = Metrics::new().expect("registers");
    let site = crate::site::Site::in_state(directory, &config).expect("opens");
    Arc::new(Intake::new(
        spool,
        site,
        config.context,
        Vec::new(),
        Clock::System,
        metrics,
    ))
}

fn read(intake: &Intake) -> u64 {
    intake.metrics().records_read.with_label_values(&["syslog"]).get()
}

/// Waits until it holds; the test's runner ends it if it never does.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

async fn silence_ends(address: &str) {
    let (_directory, intake) = intake(1 << 20);
    let listener = TcpListener::bind((address, 0)).await.expect("binds");
    let at = listener.local_addr().expect("bound");
    let (stop, limits) = (
        CancellationToken::new(),
        tcp::Limits {
            connections: 1,
            idle: Duration::from_millis(20),
        },
    );
    let serving = tokio::spawn(tcp::serve(
        listener,
        tcp::Door::Plain,
        limits,
        0,
        Arc::clone(&intake),
        stop.clone(),
    ));
    // It has the only place, and says half a message.
    let mut silent = TcpStream::connect(at).await.expect("connects");
    silent
        .write_all(b"<38>Mar  2 08:15:00 gate app: hal")
        .await
        .expect("sends");
    let mut next = TcpStream::connect(at).await.expect("connects");
    next.write_all(MESSAGE).await.expect("sends");
    assert_eq!(silent.read(&mut [0; 1]).await.expect("closed"), 0, "{address}");
    assert!(0 < intake.metrics().connections_idle.get(), "{address}: counted");
    until(|| read(&intake) == 2).await;
    stop.cancel();
    serving.await.expect("joins").expect("ends well");
}

#[tokio::test]
async fn a_silent_connection_is_closed_counted_and_gives_its_place_to_the_next() {
    silence_ends("127.0.0.1").await;
    silence_ends("::1").await;
}

async fn flood_is_shed(address: &str) {
    let (_directory, intake) = intake(1);
    let udp = UdpSocket::bind((address, 0)).await.expect("binds");
    let at = udp.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve_udp(udp, 0, Arc::clone(&intake), stop.clone()));
    let sender = UdpSocket::bind((address, 0)).await.expect("binds");
    let counted =
        |counters: &prometheus::IntCounterVec, labels: &[&str]| counters.with_label_values(labels).get();
    let metrics = intake.metrics();
    sender.send_to(MESSAGE, at).await.expect("sends");
    until(|| read(&intake) == 1).await;
    assert_eq!(
        counted(&metrics.spooled_shed, &["log", "full"]),
        0,
        "{address}: there was room"
    );
    sender.send_to(MESSAGE, at).await.expect("sends");
    until(|| read(&intake) == 2).await;
    // The older one goes.
    until(|| counted(&metrics.spooled_shed, &["log", "full"]) == 1).await;
    // What is on its way to the bus does not go: now the newer one is turned away.
    assert_eq!(spooled(&intake).len(), 1);
    sender.send_to(MESSAGE, at).await.expect("sends");
    until(|| counted(&metrics.records_shed, &["syslog_udp"]) == 1).await;
    stop.cancel();
    serving.await.expect("joins").expect("ends well");
    let account = intake.account();
    assert!(account.is_balanced(), "{account:?}");
    assert_eq!((account.read, account.shed, account.held), (3, 2, 1), "{address}");
    let told: Vec<_> = intake
        .losses()
        .iter()
        .map(|loss| (loss.cause.as_str(), loss.records))
        .collect();
    assert_eq!(told, [("full", 1), ("turned_away", 1)]);
}

#[tokio::test]
async fn datagrams_are_shed_and_counted_while_the_spool_is_full() {
    flood_is_shed("127.0.0.1").await;
    flood_is_shed("::1").await;
}

/// What is spooled as events: fields of each.
fn spooled(intake: &Intake) -> Vec<ingest_event::Fields> {
    let batch = intake.oldest();
    let values = batch
        .iter()
        .map(|entry| ingest_event::codec::flatten(&entry.value));
    values.map(|fields| fields.expect("JSON")).collect()
}

async fn datagram_is_one_message(address: &str) {
    let (_directory, intake) = intake(1 << 20);
    let udp = UdpSocket::bind((address, 0)).await.expect("binds");
    let at = udp.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve_udp(udp, 0, Arc::clone(&intake), stop.clone()));
    let sender = UdpSocket::bind((address, 0)).await.expect("binds");
    let trace = b"<38>Mar  2 08:15:00 app: it broke\n  at one\n  at two\n\0";
    sender.send_to(trace, at).await.expect("sends");
    until(|| read(&intake) == 1).await;
    stop.cancel();
    serving.await.expect("joins").expect("ends well");
    let [event] = &spooled(&intake)[..] else {
        panic!("{address}: {:?}", spooled(&intake))
    };
    let message = event.text("message").expect("has one");
    assert!(
        message.contains("it broke\n  at one\n  at two"),
        "{address}: {message:?}"
    );
    assert_eq!(event.text("log.source.address"), Some(address), "who sent it");
}

#[tokio::test]
async fn a_datagram_is_one_message_and_says_who_sent_it() {
    datagram_is_one_message("127.0.0.1").await;
    datagram_is_one_message("::1").await;
}

async fn reset_keeps_the_last_message(address: &str) {
    let (_directory, intake) = intake(1 << 20);
    let listener = TcpListener::bind((address, 0)).await.expect("binds");
    let at = listener.local_addr().expect("bound");
    let stop = CancellationToken::new();
    let serving = tokio::spawn(super::serve_tcp(listener, 0, Arc::clone(&intake), stop.clone()));
    let mut sender = TcpStream::connect(at).await.expect("connects");
    sender.write_all(MESSAGE).await.expect("sends");
    until(|| read(&intake) == 1).await;
    sender
        .write_all(b"<38>Mar  2 08:15:00 gate app: hal")
        .await
        .expect("sends");
    // The second is read before the reset is sent: what is still in the socket at a reset, the kernel throws away.
    let queued = || {
        let path = if at.is_ipv4() {
            "/proc/net/tcp"
        } else {
            "/proc/net/tcp6"
        };
        let port = format!(":{:04X} ", at.port());
        let table = std::fs::read_to_string(path).expect("reads");
        table.lines().any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.len() > 4
                && format!("{} ", words[1]).ends_with(&port)
                && words[3] == "01"
                && !words[4].ends_with(":00000000")
        })
    };
    until(|| !queued()).await;
    let zero = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(&sender, zero).expect("sets");
    drop(sender);
    until(|| read(&intake) == 2).await;
    assert_eq!(intake.metrics().connections_reset.get(), 1, "{address}");
    let senders: Vec<_> = spooled(&intake)
        .iter()
        .map(|event| event.text("log.source.address").map(str::to_owned))
        .collect();
    assert_eq!(senders, vec![Some(address.to_owned()); 2]);
    stop.cancel();
    serving.await.expect("joins").expect("ends well");
}

#[tokio::test]
async fn what_came_before_a_reset_is_kept() {
    reset_keeps_the_last_message("127.0.0.1").await;
    reset_keeps_the_last_message("::1").await;
}

/// Of many that hand in at once only one gets past the question whether there is room.
#[tokio::test]
async fn a_full_spool_is_passed_by_one_batch_however_many_hand_in() {
    let (_directory, intake) = intake(1);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..50 {
        let intake = Arc::clone(&intake);
        all.spawn(async move {
            let identity = super::socket("test", number, ingest_event::Timestamp::EPOCH);
            let mut records = Vec::new();
            let mut normalizer = super::syslog(&[], 0);
            normalizer.arrived(intake.clock().now());
            normalizer.line(MESSAGE, 1, &mut records);
            intake.hand_in("syslog", &identity, records, None).await
        });
    }
    until(|| read(&intake) == 1).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(read(&intake), 1);
    assert_eq!(spooled(&intake).len(), 1);
}

async fn what_came_before_a_stop_is_taken(address: &str) {
    let (_directory, intake) = intake(1 << 20);
    let udp = UdpSocket::bind((address, 0)).await.expect("binds");
    let at = udp.local_addr().expect("bound");
    let sender = UdpSocket::bind((address, 0)).await.expect("binds");
    for _ in 0..3 {
        sender.send_to(MESSAGE, at).await.expect("sends");
    }
    let stop = CancellationToken::new();
    stop.cancel();
    serve_udp(udp, 0, Arc::clone(&intake), stop)
        .await
        .expect("ends well");
    assert_eq!(read(&intake), 3, "{address}");
}

#[tokio::test]
async fn datagrams_that_came_before_a_stop_are_not_left_in_the_socket() {
    what_came_before_a_stop_is_taken("127.0.0.1").await;
    what_came_before_a_stop_is_taken("::1").await;
}

async fn connections_before_a_stop_are_read(address: &str) {
    let (_directory, intake) = intake(1 << 20);
    let listener = TcpListener::bind((address, 0)).await.expect("binds");
    let at = listener.local_addr().expect("bound");
    let mut senders = Vec::new();
    for _ in 0..3 {
        let mut sender = TcpStream::connect(at).await.expect("connects");
        sender.write_all(&MESSAGE.repeat(10_000)).await.expect("sends");
        senders.push(sender);
    }
    let stop = CancellationToken::new();
    stop.cancel();
    super::serve_tcp(listener, 0, Arc::clone(&intake), stop)
        .await
        .expect("ends well");
    assert_eq!(read(&intake), 30_000, "{address}");
}

#[tokio::test]
async fn what_was_sent_before_a_stop_is_not_left_in_connections() {
    connections_before_a_stop_are_read("127.0.0.1").await;
    connections_before_a_stop_are_read("::1").await;
}

async fn exports_before_a_stop_are_taken(address: &str) {
    let (_directory, intake) = intake(1 << 20);
    let udp = UdpSocket::bind((address, 0)).await.expect("binds");
    let at = udp.local_addr().expect("bound");
    let sender = UdpSocket::bind((address, 0)).await.expect("binds");
    let template = ipfix(2, &[1, 44, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4]);
    let record = ipfix(300, &[192, 0, 2, 1, 198, 51, 100, 2]);
    for datagram in [&template, &record, &record] {
        sender.send_to(datagram, at).await.expect("sends");
    }
    let stop = CancellationToken::new();
    stop.cancel();
    super::serve_export(udp, Vec::new(), Arc::clone(&intake), stop)
        .await
        .expect("ends well");
    let read = &intake.metrics().records_read;
    assert_eq!(read.with_label_values(&["flow_export"]).get(), 2, "{address}");
}

#[tokio::test]
async fn flow_exports_that_came_before_a_stop_are_not_left_in_the_socket() {
    exports_before_a_stop_are_taken("127.0.0.1").await;
    exports_before_a_stop_are_taken("::1").await;
}

/// What waits in a full spool goes for alerts, also for those that could wait at their source; for logs it does not.
#[tokio::test]
async fn alerts_do_not_wait_behind_logs() {
    let (_directory, intake) = intake(1);
    let record = |dataset: &'static str, position| {
        crate::record::Record::Event(crate::record::Draft {
            timestamp: ingest_event::Timestamp::EPOCH,
            dataset: dataset.into(),
            trusted: None,
            fields: ingest_event::Fields::new(),
            position,
            ordinal: 0,
        })
    };
    let identity = super::socket("test", 1, ingest_event::Timestamp::EPOCH);
    let log = vec![record("system.auth", 1)];
    intake
        .hand_in("syslog", &identity, log, None)
        .await
        .expect("taken");
    let hand_in = |dataset| {
        let (intake, identity, records) = (Arc::clone(&intake), identity.clone(), vec![record(dataset, 2)]);
        tokio::spawn(async move { intake.hand_in("eve", &identity, records, None).await })
    };
    let waiting = hand_in("system.syslog");
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "a log waits");
    hand_in("suricata.alert").await.expect("joins").expect("taken");
    waiting.abort();
    let _ = waiting.await;
    let said: Vec<_> = spooled(&intake)
        .iter()
        .map(|event| event.text("event.dataset").map(ToOwned::to_owned))
        .collect();
    assert_eq!(said, [Some("suricata.alert".to_owned())]);
    let losses = intake.losses();
    let shed: Vec<_> = losses
        .iter()
        .map(|loss| (loss.cause.as_str(), loss.records))
        .collect();
    assert_eq!(shed, [("full", 1)]);
    assert!(intake.losses().is_empty());
    // What could not be told is told the next time.
    intake.losses_untold(losses.clone());
    assert_eq!(intake.losses().len(), losses.len());
}

/// Several sensors of one process have one figure.
#[test]
fn bytes_in_the_spool_are_the_sum_of_all_sensors() {
    let metrics = Metrics::new().expect("registers");
    let mut parts = Vec::new();
    for _ in 0..2 {
        let (directory, other) = intake(1 << 20);
        let spool = Spool::open(directory.path(), 1 << 20).expect("opens");
        let site = crate::site::Site::open(directory.path()).expect("opens");
        let context = other.context().clone();
        parts.push((
            directory,
            Arc::new(Intake::new(
                spool,
                site,
                context,
                Vec::new(),
                Clock::System,
                metrics.clone(),
            )),
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("builds");
    let mut sums = vec![metrics.spool_bytes.get()];
    for (_, intake) in &parts {
        let identity = super::socket("test", 1, ingest_event::Timestamp::EPOCH);
        let mut records = Vec::new();
        let mut normalizer = super::syslog(&[], 0);
        normalizer.arrived(intake.clock().now());
        normalizer.line(MESSAGE, 1, &mut records);
        runtime
            .block_on(intake.hand_in("syslog", &identity, records, None))
            .expect("taken");
        sums.push(metrics.spool_bytes.get());
    }
    assert!(sums[0] < sums[1] && sums[1] < sums[2], "{sums:?}");
    drop(parts.pop());
    assert!(metrics.spool_bytes.get() < sums[2]);
}

/// An IPFIX datagram with one set: addresses of both ends as template 300, or a record of it.
fn ipfix(set: u16, body: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0, 10];
    let length = 16 + 4 + body.len() as u16;
    datagram.extend_from_slice(&length.to_be_bytes());
    datagram.extend_from_slice(&1_772_439_300_u32.to_be_bytes());
    datagram.extend_from_slice(&[0; 8]);
    datagram.extend_from_slice(&set.to_be_bytes());
    datagram.extend_from_slice(&(4 + body.len() as u16).to_be_bytes());
    datagram.extend_from_slice(body);
    datagram
}

async fn templates_outlive_a_restart(address: &str) {
    let (directory, before) = intake(1 << 20);
    let free = UdpSocket::bind((address, 0)).await.expect("binds");
    let at = free.local_addr().expect("bound");
    let sender = UdpSocket::bind((address, 0)).await.expect("binds");
    let stop = CancellationToken::new();
    let serving = tokio::spawn(super::serve_export(
        free,
        Vec::new(),
        Arc::clone(&before),
        stop.clone(),
    ));
    // Number 300 with two fields: sourceIPv4Address and destinationIPv4Address.
    let template = ipfix(2, &[1, 44, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4]);
    sender.send_to(&template, at).await.expect("sends");
    let rendered = |intake: &Intake| intake.metrics().render();
    until(|| rendered(&before).contains("ingest_export_templates 1\n")).await;
    stop.cancel();
    serving.await.expect("joins").expect("ends well");
    drop(before);
    let after = intake_in(directory.path(), 1 << 20);
    let stop = CancellationToken::new();
    let again = UdpSocket::bind(at).await.expect("binds again");
    let serving = tokio::spawn(super::serve_export(
        again,
        Vec::new(),
        Arc::clone(&after),
        stop.clone(),
    ));
    sender
        .send_to(&ipfix(300, &[192, 0, 2, 1, 198, 51, 100, 2]), at)
        .await
        .expect("sends");
    let read = || {
        after
            .metrics()
            .records_read
            .with_label_values(&["flow_export"])
            .get()
    };
    until(|| read() == 1).await;
    assert!(
        rendered(&after).contains("ingest_export_sets_waiting 0\n"),
        "{address}"
    );
    stop.cancel();
    serving.await.expect("joins").expect("ends well");
}

#[tokio::test]
async fn templates_are_kept_over_a_restart() {
    templates_outlive_a_restart("127.0.0.1").await;
    templates_outlive_a_restart("::1").await;
}
