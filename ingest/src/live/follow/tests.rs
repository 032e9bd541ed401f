//! How much one look takes.

use std::io::Write as _;

use super::*;
use crate::clock::Clock;
use crate::config;
use crate::metrics::Metrics;
use crate::spool::Spool;

/// One that follows `log` in a folder.
fn follower(directory: &std::path::Path) -> Follower {
    let text = format!(
        "sensor: sensor-1\norganization: \"964965226\"\nstate: unused\n\
         bus: {{ embedded: {{ directory: unused }} }}\nsources:\n  - file: {{ path: {}/log, year: 2026, follow: true }}\n",
        directory.display()
    );
    let config = config::parse(&text, "sensor.yml").expect("reads");
    let Some(config::Source::File(source)) = config.sources.first().cloned() else {
        panic!("a file")
    };
    let spool = Spool::open(&directory.join("state"), 1 << 20).expect("opens");
    let site = crate::site::Site::open(&directory.join("state")).expect("opens");
    let metrics = Metrics::new().expect("registers");
    let intake = Intake::new(spool, site, config.context, Vec::new(), Clock::System, metrics);
    Follower {
        source,
        intake: Arc::new(intake),
        current: None,
        is_ended: false,
        told: false,
    }
}

/// A batch is bounded in bytes, too; a thousand lines of a megabyte each would be one otherwise.
#[test]
fn a_look_takes_a_megabyte_and_a_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut follower = follower(directory.path());
    let mut file = File::create(&follower.source.path).expect("creates");
    let long = "x".repeat(600_000);
    for number in 0..10 {
        writeln!(file, "Mar  2 08:15:0{number} gate app: {long}").expect("writes");
    }
    let mut taken = Vec::new();
    while let Look::More(bite) = follower.look().expect("reads") {
        taken.push(bite.records.len());
    }
    assert_eq!(taken, [2; 5]);
}

/// What was not there at the start and then is a folder is somebody else's to follow.
#[test]
fn a_folder_that_comes_later_is_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut follower = follower(directory.path());
    assert!(matches!(follower.look(), Ok(Look::Nothing)));
    std::fs::create_dir(&follower.source.path).expect("makes");
    assert!(follower.look().is_err());
}
