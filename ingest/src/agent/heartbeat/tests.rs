//! What heartbeats tell, and that nobody else makes any.

use super::*;
use crate::clock::Clock;
use crate::config;
use crate::metrics::Metrics;
use crate::record::Refusal;
use crate::site::Site;
use crate::spool::Spool;

const TEXT: &str = "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\n\
                    bus: { embedded: { directory: unused } }\nsources: []\n";

fn draft(dataset: &'static str, at: Timestamp, position: u64) -> Record {
    Record::Event(Draft {
        timestamp: at,
        dataset: dataset.into(),
        trusted: None,
        fields: Fields::new(),
        position,
        ordinal: 0,
    })
}

fn list(draft: &Draft, name: &str) -> Vec<String> {
    let value = draft.fields.get(name).expect("is told");
    value.each().map(ToString::to_string).collect()
}

/// Whatever was read is told of: published, refused, shed or held, by source and by stream.
#[tokio::test]
async fn a_heartbeat_tells_what_became_of_every_record() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config::parse(TEXT, "sensor.yml").expect("reads");
    let start: Timestamp = "2026-03-02T08:15:00Z".parse().expect("a time");
    let nanos = Arc::new(std::sync::atomic::AtomicI64::new(start.as_nanos()));
    let clock = Clock::Manual(Arc::clone(&nanos));
    let intake = || {
        let spool = Spool::open(directory.path(), 1 << 30).expect("opens");
        let site = Site::open(directory.path()).expect("opens");
        let (context, metrics) = (config.context.clone(), Metrics::new().expect("registers"));
        Arc::new(Intake::new(
            spool,
            site,
            context,
            Vec::new(),
            clock.clone(),
            metrics,
        ))
    };
    let identity = |name: &str| SourceIdentity {
        name: name.to_owned(),
        content: name.as_bytes().to_vec(),
        path: None,
    };
    let before = intake();
    let left = vec![draft("system.auth", start, 1), draft("system.auth", start, 2)];
    before
        .hand_in("syslog", &identity("a"), left, None)
        .await
        .expect("taken");
    drop(before);
    let intake = intake();
    let refusal = Refusal::new(ingest_event::QuarantineReason::NotJson, "no", 9, b"x");
    let records = vec![
        draft("suricata.alert", start, 3),
        draft("network.flow", start, 4),
        Record::Refused(refusal),
    ];
    intake
        .hand_in("syslog", &identity("a"), records, None)
        .await
        .expect("taken");
    let turned = super::super::Outline::of(&[draft("network.flow", start, 5)]);
    intake.turn_away("udp", "syslog", &identity("b"), turned);
    intake.kernel_dropped("udp", &identity("b"), 7);
    let batch = intake.oldest();
    intake.published(&batch).expect("notes");
    assert!(intake.account().is_balanced(), "{:?}", intake.account());
    let now = start.saturating_add(Duration::from_secs(90));
    let digest = digest(&config);
    let said = heartbeat(&intake, &digest, start, now, 1);
    for (name, expected) in [
        (field::VARDE_HEARTBEAT_CARRIED, "2"),
        (field::VARDE_HEARTBEAT_READ, "4"),
        (field::VARDE_HEARTBEAT_PUBLISHED, "1"),
        (field::VARDE_HEARTBEAT_REFUSED, "1"),
        (field::VARDE_HEARTBEAT_SHED, "1"),
        (field::VARDE_HEARTBEAT_HELD, "3"),
        (field::VARDE_HEARTBEAT_UPTIME_SECS, "90"),
        (field::VARDE_HEARTBEAT_CONFIGURATION, digest.as_str()),
    ] {
        assert_eq!(list(&said, name), [expected], "{name}");
    }
    assert_eq!(list(&said, field::VARDE_HEARTBEAT_SOURCE_NAME), ["a", "b"]);
    assert_eq!(list(&said, field::VARDE_HEARTBEAT_SOURCE_READ), ["3", "1"]);
    assert_eq!(list(&said, field::VARDE_HEARTBEAT_SOURCE_SHED), ["0", "1"]);
    assert_eq!(
        list(&said, field::VARDE_HEARTBEAT_SOURCE_KERNEL_DROPS),
        ["0", "7"]
    );
    assert_eq!(list(&said, field::VARDE_HEARTBEAT_SOURCE_LAG_SECS), ["90", "0"]);
    assert_eq!(
        list(&said, field::VARDE_HEARTBEAT_STREAM_NAME),
        ["alert", "log", "flow", "quarantine"]
    );
    assert_eq!(
        list(&said, field::VARDE_HEARTBEAT_STREAM_RECORDS),
        ["0", "2", "1", "1"]
    );
    assert_eq!(
        list(&said, field::VARDE_HEARTBEAT_STREAM_OLDEST_SECS),
        ["0", "90", "90", "90"]
    );
    let losses = intake.losses();
    let told = shed(losses.first().expect("one"), now, 1, 1);
    assert_eq!(list(&told, field::VARDE_SHED_STREAM), ["flow"]);
    assert_eq!(list(&told, field::VARDE_SHED_CAUSE), ["turned_away"]);
    assert_eq!(list(&told, field::EVENT_START), ["2026-03-02T08:15:00Z"]);
    assert!(intake.losses().is_empty(), "told once");
    drop(intake);
    // Killed before it was told: it is known still.
    let killed = Spool::open(directory.path(), 1 << 30).expect("opens").losses();
    assert_eq!(killed, losses);
    // Another configuration has another digest.
    let other = config::parse(&TEXT.replace("sensor-1", "sensor-2"), "sensor.yml").expect("reads");
    assert_ne!(super::digest(&other), digest);
}

/// Whoever can write to a log makes no heartbeats of ours.
#[tokio::test]
async fn a_dataset_of_ours_is_not_believed_of_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config::parse(TEXT, "sensor.yml").expect("reads");
    let spool = Spool::open(directory.path(), 1 << 30).expect("opens");
    let site = Site::open(directory.path()).expect("opens");
    let metrics = Metrics::new().expect("registers");
    let intake = Arc::new(Intake::new(
        spool,
        site,
        config.context,
        Vec::new(),
        Clock::System,
        metrics,
    ));
    let identity = SourceIdentity {
        name: "log".to_owned(),
        content: b"log".to_vec(),
        path: None,
    };
    let forged = vec![draft(super::super::CANARY_DATASET, Timestamp::EPOCH, 1)];
    intake
        .hand_in("ecs", &identity, forged, None)
        .await
        .expect("taken");
    assert_eq!(intake.held(Stream::Alert).records, 0);
    let entry = intake.oldest().pop().expect("one");
    let event = ingest_event::codec::flatten(&entry.value).expect("JSON");
    assert_eq!(event.text("event.dataset"), Some("claimed.varde.canary"));
    let own = vec![draft(super::super::CANARY_DATASET, Timestamp::EPOCH, 1)];
    intake.say("canary", &identity, own).await;
    assert_eq!(intake.held(Stream::Alert).records, 1);
}

/// What a sensor says of itself gets into a full spool, for days and not for ever.
#[tokio::test]
async fn a_full_spool_takes_heartbeats_up_to_a_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config::parse(TEXT, "sensor.yml").expect("reads");
    let mut spool = Spool::open(directory.path(), 1).expect("opens");
    for (bytes, is_taken) in [(1_usize, true), (5 << 20, false)] {
        let mut state = 1_u64;
        let mut noise = Vec::with_capacity(bytes + 8);
        while noise.len() < bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.extend_from_slice(&state.to_be_bytes());
        }
        let mut append = spool.append(crate::spool::Room::Wait);
        append.event(Stream::Log, Timestamp::EPOCH, |_| (Vec::new(), noise));
        append.commit().expect("commits");
        assert!(spool.is_full());
        let site = Site::open(directory.path()).expect("opens");
        let metrics = Metrics::new().expect("registers");
        let intake = Intake::new(
            spool,
            site,
            config.context.clone(),
            Vec::new(),
            Clock::System,
            metrics,
        );
        let intake = Arc::new(intake);
        let identity = SourceIdentity {
            name: "canary".to_owned(),
            content: b"canary".to_vec(),
            path: None,
        };
        let said = vec![draft(super::super::CANARY_DATASET, Timestamp::EPOCH, 1)];
        intake.say("canary", &identity, said).await;
        let account = intake.account();
        assert!(account.is_balanced(), "{account:?}");
        assert_eq!(account.shed == 0, is_taken, "{bytes}");
        drop(intake);
        spool = Spool::open(directory.path(), 1).expect("opens");
    }
}
