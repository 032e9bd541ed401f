//! Renewal, revocation, and new hardware.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ingest::control::enrol::EnrolError;
use ingest::control::identity::{Trust, Unbelieved};
use ingest::control::renew::{RenewError, renew};
use ingest_trust::EnrolmentCode;
use openssl::ssl::SslVersion;

use super::centre::Centre;
use super::{HURRIED, Running, all_ports, eve_lines, ports, until, write_lines};

const MONTH: Duration = Duration::from_hours(31 * 24);

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    listener.local_addr().expect("an address").port()
}

fn approving(folder: &std::path::Path) -> Centre {
    let key = Trust::at(&folder.join("state")).key().expect("a key");
    Centre::approving(&key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_while_the_sensor_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    let log = folder.path().join("eve.json");
    std::fs::write(&log, eve_lines(0..10)).expect("written");
    let rest = format!(
        "sources: [{{ file: {{ path: {}, follow: true }} }}]\n",
        log.display()
    );
    let sensor = Running::start(&centre.config(folder.path(), &rest), HURRIED);
    centre.until("the first ten", |state| {
        (ports(&state.events) == all_ports(10)).then_some(())
    });
    assert_eq!(centre.state().issued, 1);
    let month = i64::try_from(MONTH.as_nanos()).expect("fits");
    sensor.clock.fetch_add(month, Ordering::Relaxed);
    centre.until("another certificate", |state| (2 <= state.issued).then_some(()));
    // It is used at once, and the sources never noticed.
    let mut more = std::fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .expect("opens");
    more.write_all(eve_lines(10..20).as_bytes()).expect("written");
    centre.until("all twenty", |state| {
        (ports(&state.events) == all_ports(20)).then_some(())
    });
    centre.until("under two certificates", |state| {
        (state.serials.len() == 2).then_some(())
    });
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_was_an_island_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    // The only certificate it gets at first ended weeks ago.
    centre.state().aged = MONTH;
    let stop = tokio_util::sync::CancellationToken::new();
    let trust = Trust::at(&folder.path().join("state"));
    ingest::control::enrol::enrol(&centre.code, &trust, &stop)
        .await
        .expect("enrolled");
    centre.state().aged = Duration::ZERO;
    let lines = write_lines(folder.path(), 0..10);
    let rest = format!("exit_when_done: true\nsources: [{{ file: {{ path: {lines} }} }}]\n");
    let sensor = Running::start(&centre.config(folder.path(), &rest), HURRIED);
    sensor.ended.await.expect("no panic").expect("no error");
    assert_eq!(ports(&centre.state().events), all_ports(10));
    assert_eq!(centre.state().issued, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_revoked_sends_nothing_and_loses_nothing() {
    for address in ["127.0.0.1", "[::1]"] {
        let folder = tempfile::tempdir().expect("a folder");
        let centre = approving(folder.path());
        let key = centre.state().known.keys().next().expect("one").clone();
        let listen = format!("{address}:{}", free_port());
        let rest = format!("sources: [{{ syslog_tcp: {{ listen: \"{listen}\" }} }}]\n");
        let sensor = Running::start(&centre.config(folder.path(), &rest), HURRIED);
        let read = |sensor: &Running| sensor.metrics.records_read.with_label_values(&["syslog"]).get();
        let mut stream = None;
        until("the port is open", || {
            stream = TcpStream::connect(&listen).ok();
            stream.is_some()
        })
        .await;
        let mut stream = stream.expect("connected");
        let mut send = |numbers: std::ops::Range<usize>| {
            for number in numbers {
                writeln!(stream, "<34>1 2026-03-02T08:15:00Z host app - - - line {number}").expect("sent");
            }
            stream.flush().expect("sent");
        };
        send(0..20);
        centre.until("all of before", |state| (20 <= state.events.len()).then_some(()));
        centre.revoke();
        send(20..60);
        until("it is read", || read(&sensor) == 60).await;
        centre.until("it is turned away", |state| (0 < state.turned_away).then_some(()));
        until("it waits in the spool", || 0 < sensor.metrics.spool_bytes.get()).await;
        until("it knows that it is revoked", || {
            sensor.metrics.control.is_revoked()
        })
        .await;
        // What was under way then may still be turned away; after that nothing is even tried.
        let asked_twice = |since: usize| {
            let asked = move |state: &super::centre::State| {
                (since + 2 <= state.certificate_asked).then_some(state.turned_away)
            };
            centre.until("it asks on", asked)
        };
        let asked = centre.state().certificate_asked;
        let turned_away = asked_twice(asked);
        assert_eq!(asked_twice(asked + 10), turned_away, "nothing is sent");
        assert_eq!(centre.state().events.len(), 20, "nothing passes");
        centre.approve(&key);
        centre.until("all of after", |state| (60 <= state.events.len()).then_some(()));
        let ids: std::collections::BTreeSet<String> = centre
            .state()
            .events
            .iter()
            .filter_map(|event| event.text("event.id").map(str::to_owned))
            .collect();
        assert_eq!(ids.len(), 60, "each once");
        sensor.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_hardware_goes_on_under_the_old_name() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let centre = approving(folders[0].path());
    let lines = write_lines(folders[0].path(), 0..10);
    let rest = format!(
        "exit_when_done: true\nprivacy: [{{ level: full }}]\nsources: [{{ file: {{ path: {lines} }} }}]\n"
    );
    let mut runs = Vec::new();
    for folder in &folders {
        let key = Trust::at(&folder.path().join("state")).key().expect("a key");
        centre.approve(&key.fingerprint().expect("a name"));
        let sensor = Running::start(&centre.config(folder.path(), &rest), HURRIED);
        sensor.ended.await.expect("no panic").expect("no error");
        runs.push(std::mem::take(&mut centre.state().events));
    }
    let of = |name: &str, run: usize| -> Vec<String> {
        let events = runs[run].iter();
        events
            .filter_map(|event| event.get(name).map(|value| format!("{value:?}")))
            .collect()
    };
    // Ids come from the name and what was seen, not from the machine: what is read twice is known as the same. Numbers
    // count from 1 again, which tells the receiver that the machine is another.
    assert_eq!(of("event.id", 0), of("event.id", 1));
    assert_eq!(of("event.id", 0).len(), 10);
    assert_eq!(of("event.sequence", 0), of("event.sequence", 1));
    // The old machine is let in no more.
    let sensor = Running::start(&centre.config(folders[0].path(), "sources: []\n"), HURRIED);
    centre.until("the old one is turned away", |state| {
        (0 < state.turned_away).then_some(())
    });
    sensor.stop().await;
}

/// A sensor that is enrolled, with what it keeps and its way to the gateway.
async fn enrolled(folder: &std::path::Path, centre: &Centre) -> (Trust, ingest::control::enrol::Enrolled) {
    let trust = Trust::at(&folder.join("state"));
    let stop = tokio_util::sync::CancellationToken::new();
    let enrolled = ingest::control::enrol::enrol(&centre.code, &trust, &stop).await;
    (trust, enrolled.expect("enrolled"))
}

#[tokio::test]
async fn a_renewal_changes_neither_who_signs_bundles_nor_who_the_sensor_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    let (trust, enrolled) = enrolled(folder.path(), &centre).await;
    let keys = enrolled.identity.keys.clone();
    let stranger = ingest_trust::signing::SigningKey::generate().expect("a key");
    centre.state().keys = vec![stranger.verifying().expect("a key")];
    for (name, is_believed) in [(Some("sensor-2"), false), (None, true)] {
        centre.state().name = name.map(|name| ingest_event::SensorId::parse(name).expect("valid"));
        let renewed = renew(&enrolled.gateway, &trust, None).await;
        match renewed {
            Ok(identity) => assert!(is_believed && identity.keys == keys, "{name:?}"),
            Err(RenewError::Unbelieved(Unbelieved::Other)) => assert!(!is_believed),
            Err(error) => panic!("{error:?}"),
        }
        let kept = trust.identity().expect("reads").expect("enrolled");
        assert_eq!(kept, enrolled.identity, "{name:?}");
    }
}

#[tokio::test]
async fn the_first_answer_names_the_keys_of_the_code_or_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    let stranger = ingest_trust::signing::SigningKey::generate().expect("a key");
    let own = std::mem::replace(
        &mut centre.state().keys,
        vec![stranger.verifying().expect("a key")],
    );
    let trust = Trust::at(&folder.path().join("state"));
    let stop = tokio_util::sync::CancellationToken::new();
    let asking = ingest::control::enrol::enrol(&centre.code, &trust, &stop);
    tokio::pin!(asking);
    tokio::select! {
        ended = &mut asking => panic!("{ended:?}"),
        // Who asks again has looked at the first answer.
        () = super::until("it is answered twice", || 2 <= centre.state().issued) => {}
    }
    stop.cancel();
    assert!(matches!(asking.await, Err(EnrolError::Stopped)));
    assert!(trust.enrolled_as().expect("reads").is_none(), "nothing is kept");
    centre.state().keys = own.clone();
    let (_, enrolled) = enrolled(folder.path(), &centre).await;
    assert_eq!(enrolled.identity.keys, own);
}

#[tokio::test]
async fn a_damaged_certificate_is_asked_for_again() {
    for name in ["sensor.crt", "authority.crt"] {
        let folder = tempfile::tempdir().expect("a folder");
        let centre = approving(folder.path());
        let (trust, before) = enrolled(folder.path(), &centre).await;
        std::fs::write(trust.folder().join(name), b"-----BEGIN").expect("written");
        let (trust, again) = enrolled(folder.path(), &centre).await;
        assert_eq!(again.identity, before.identity, "{name}");
        assert!(trust.identity().expect("reads").is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_centre_that_forgot_the_sensor_is_shown_the_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    let (trust, enrolled) = enrolled(folder.path(), &centre).await;
    centre.state().secrets.clear();
    renew(&enrolled.gateway, &trust, Some(centre.code.secret()))
        .await
        .expect("known");
    assert!(centre.state().secrets.is_empty(), "it was not needed");
    centre.state().has_forgotten = true;
    renew(&enrolled.gateway, &trust, Some(centre.code.secret()))
        .await
        .expect("known again");
    assert_eq!(centre.state().secrets.len(), 1);
}

#[tokio::test]
async fn a_gateway_that_never_answers_does_not_keep_the_sensor_from_ending() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let silent = std::net::TcpListener::bind(address).expect("listens");
        let gateway = silent.local_addr().expect("an address").to_string();
        let centre = Centre::new();
        let code = EnrolmentCode::make(&gateway, centre.code.authority, centre.code.keys);
        let code = code.expect("chance").expect("a gateway");
        let folder = tempfile::tempdir().expect("a folder");
        let trust = Trust::at(folder.path());
        let stop = tokio_util::sync::CancellationToken::new();
        let asking = ingest::control::enrol::enrol(&code, &trust, &stop);
        tokio::pin!(asking);
        let reached = tokio::task::spawn_blocking(move || silent.accept().expect("somebody"));
        let _open = tokio::select! {
            ended = &mut asking => panic!("{ended:?}"),
            open = reached => open,
        };
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), asking).await;
        assert!(matches!(ended, Ok(Err(EnrolError::Stopped))), "{address}");
    }
}

#[tokio::test]
async fn who_speaks_only_the_tls_of_before_is_not_spoken_to() {
    for address in ["127.0.0.1", "::1"] {
        for (most, is_spoken_to) in [(Some(SslVersion::TLS1_2), false), (None, true)] {
            let centre = Centre::speaking(address, most);
            let shown = ingest::control::gateway::authority_of(&centre.code).await;
            assert_eq!(shown.is_ok(), is_spoken_to, "{address} {most:?}");
        }
    }
}
