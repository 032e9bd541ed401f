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
    let text = "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\n\
                bus: { embedded: { directory: unused } }\nsources: []\n";
    let context = config::parse(text, "sensor.yml").expect("reads").context;
    let spool = Spool::open(directory.path(), spool_bytes_max).expect("opens");
    let metrics = Metrics::new().expect("registers");
    let site = crate::site::Site::open(directory.path()).expect("opens");
    let intake = Intake::new(spool, site, context, Vec::new(), Clock::System, metrics);
    (directory, Arc::new(intake))
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
    let serving = tokio::spawn(tcp::serve(listener, limits, 0, Arc::clone(&intake), stop.clone()));
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
    let shed = || {
        intake
            .metrics()
            .records_shed
            .with_label_values(&["syslog_udp"])
            .get()
    };
    sender.send_to(MESSAGE, at).await.expect("sends");
    until(|| read(&intake) == 1).await;
    assert_eq!(shed(), 0, "{address}: there was room");
    sender.send_to(MESSAGE, at).await.expect("sends");
    until(|| read(&intake) == 2).await;
    until(|| shed() == 1).await;
    stop.cancel();
    serving.await.expect("joins").expect("ends well");
}

#[tokio::test]
async fn datagrams_are_shed_and_counted_while_the_spool_is_full() {
    flood_is_shed("127.0.0.1").await;
    flood_is_shed("::1").await;
}
