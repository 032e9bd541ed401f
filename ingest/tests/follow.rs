//! A followed file: growth, rotation by rename, truncation in its place, and a restart in between.

#![expect(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::io::Write as _;
use std::path::Path;

use ingest::{agent, clock::Clock, config, metrics::Metrics};
use ingest_bus::{Bus, BusConfig, PollLimit, Subscription, Topic};
use tokio_util::sync::CancellationToken;

fn append(path: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.expect("opens").write_all(text.as_bytes()).expect("writes");
}

fn line(word: &str) -> String {
    format!("Mar  2 08:15:00 gate app: {word}\n")
}

/// Runs the sensor, takes the `step` when it has read `first` lines, waits for `records` in all, and stops it.
async fn run(directory: &Path, records: u64, first: u64, step: impl FnOnce()) {
    let root = directory.display();
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: {root}/state\ncanary_secs: 0\nprivacy: [{{ level: full }}]\n\
         bus: {{ embedded: {{ directory: {root}/bus }} }}\n\
         sources:\n  - file: {{ path: {root}/log, year: 2026, follow: true }}\n"
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
    let until = async |count: u64| {
        while metrics.records_read.with_label_values(&["syslog"]).get() < count
            || metrics.events_published.get() < count
        {
            assert!(!running.is_finished(), "the sensor ended");
            tokio::task::yield_now().await;
        }
    };
    until(first).await;
    step();
    until(records).await;
    stop.cancel();
    running.await.expect("joins").expect("ends well");
}

#[tokio::test]
async fn nothing_is_lost_or_read_twice_over_rotation_and_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    append(&log, &line("one"));
    run(directory.path(), 4, 1, || {
        append(&log, &line("two"));
        append(&log, "Mar  2 08:15:00 gate app: three");
        std::fs::rename(&log, directory.path().join("log.1")).expect("renames");
        append(&log, &line("four"));
    })
    .await;
    append(&log, &line("five"));
    run(directory.path(), 3, 1, || {
        append(&log, &line("six"));
        append(&log, &line("seven"));
    })
    .await;
    let expected = ["one", "two", "three", "four", "five", "six", "seven"];
    check(directory.path(), &expected).await;
}

/// As logrotate's `copytruncate` does it: the same file, emptied and written anew.
#[tokio::test]
async fn a_file_that_is_cut_is_read_again_from_its_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    append(&log, &(line("one") + &line("two") + &line("three")));
    run(directory.path(), 5, 3, || {
        let file = std::fs::OpenOptions::new().write(true).open(&log);
        file.expect("opens").set_len(0).expect("cuts");
        append(&log, &(line("four") + &line("five")));
    })
    .await;
    check(directory.path(), &["one", "two", "three", "four", "five"]).await;
}

#[tokio::test]
async fn a_file_that_is_cut_and_begins_with_the_same_line_is_read_again_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    append(&log, &(line("one") + &line("two") + &line("three")));
    run(directory.path(), 5, 3, || {
        let file = std::fs::OpenOptions::new().write(true).open(&log);
        file.expect("opens").set_len(0).expect("cuts");
        append(&log, &(line("one") + &line("four")));
    })
    .await;
    check(directory.path(), &["one", "one", "two", "three", "four"]).await;
}

/// What was rotated away while the sensor was down is read first, however often.
#[tokio::test]
async fn what_was_rotated_away_while_the_sensor_was_down_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let (log, first, second) = (
        directory.path().join("log"),
        directory.path().join("log.1"),
        directory.path().join("log.2"),
    );
    append(&log, &line("one"));
    run(directory.path(), 1, 1, || {}).await;
    append(&log, &line("two"));
    std::fs::rename(&log, &first).expect("renames");
    append(&log, &line("three"));
    std::fs::rename(&first, &second).expect("renames");
    std::fs::rename(&log, &first).expect("renames");
    append(&log, &line("four"));
    run(directory.path(), 3, 3, || {}).await;
    // A restart in which nothing happened sends nothing again.
    append(&log, &line("five"));
    run(directory.path(), 1, 1, || {}).await;
    check(directory.path(), &["one", "two", "three", "four", "five"]).await;
}

/// Two rotations between two looks.
#[tokio::test]
async fn two_rotations_at_once_lose_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    append(&log, &line("one"));
    run(directory.path(), 5, 1, || {
        append(&log, &line("two"));
        std::fs::rename(&log, directory.path().join("log-1")).expect("renames");
        append(&log, &(line("three") + &line("four")));
        std::fs::rename(&log, directory.path().join("log-2")).expect("renames");
        append(&log, &line("five"));
    })
    .await;
    check(directory.path(), &["one", "two", "three", "four", "five"]).await;
}

/// The rest of a file that was compressed by its rotation is read out of the compressed one.
#[tokio::test]
async fn gzip_rotation() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    append(&log, &line("one"));
    run(directory.path(), 1, 1, || {}).await;
    let file = std::fs::File::create(directory.path().join("log.1.gz")).expect("creates");
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all((line("one") + &line("two") + &line("three")).as_bytes())
        .expect("writes");
    gzip.finish().expect("ends");
    std::fs::remove_file(&log).expect("removes");
    append(&log, &line("four"));
    run(directory.path(), 3, 3, || {}).await;
    check(directory.path(), &["one", "two", "three", "four"]).await;
}

/// A new file in the place of one that was deleted may get its inode, and its length.
#[tokio::test]
async fn inode_reuse() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    append(&log, &line("one"));
    run(directory.path(), 1, 1, || {}).await;
    std::fs::remove_file(&log).expect("removes");
    append(&log, &(line("two") + &line("three")));
    run(directory.path(), 2, 2, || {}).await;
    check(directory.path(), &["one", "two", "three"]).await;
}

/// As `copytruncate`, but the new content is longer before anybody looks; and what was in the copy only.
#[tokio::test]
async fn copytruncate_to_a_longer_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    append(&log, &line("one"));
    run(directory.path(), 5, 1, || {
        append(&log, &line("two"));
        std::fs::copy(&log, directory.path().join("log.1")).expect("copies");
        std::fs::write(&log, line("three") + &line("four") + &line("five")).expect("writes");
    })
    .await;
    // And while the sensor is down.
    std::fs::copy(&log, directory.path().join("log.2")).expect("copies");
    std::fs::write(
        &log,
        line("six") + &line("seven") + &line("eight") + &line("nine"),
    )
    .expect("writes");
    run(directory.path(), 4, 4, || {}).await;
    let expected = [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];
    check(directory.path(), &expected).await;
}

/// The last words of the events on the bus are these, in any order.
async fn check(directory: &Path, expected: &[&str]) {
    let bus = Bus::open(&BusConfig::Embedded {
        directory: directory.join("bus"),
    })
    .await
    .expect("opens");
    let topic = Topic::parse("varde.events.964965226").expect("a name");
    let mut consumer = bus
        .consumer("test", Subscription::Topics(vec![topic]))
        .expect("opens");
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let wait = std::time::Duration::from_secs(5);
        let batch = consumer
            .poll(PollLimit {
                records: 100,
                bytes: 1 << 20,
                wait,
            })
            .await
            .expect("polls");
        let text = |value: &[u8]| {
            ingest_event::codec::flatten(value)
                .expect("JSON")
                .text("message")
                .map(str::to_owned)
        };
        seen.extend(
            batch
                .deliveries
                .iter()
                .filter_map(|delivery| text(&delivery.record.value)),
        );
    }
    seen.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}
