//! The file in which checked rules wait for the next start: it is used if it is what it should be, and passed over with
//! its reason if not; what is loaded is the same.

#![allow(clippy::expect_used, reason = "what fails in a test's helper fails the test")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use detect::{
    cache::Unused,
    load::{Loader, Sources},
    metrics::Metrics,
    reload::{Reloader, Status},
};
use ingest_event::Timestamp;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(files.at("rules")).expect("made");
        for number in 0..20 {
            files.rule(number, "one");
        }
        // A warning, which is told at every start.
        let text = fs::read_to_string(files.at("rules/0.yml")).expect("there");
        fs::write(files.at("rules/0.yml"), text + "level: dreadful\n").expect("written");
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn rule(&self, number: u32, text: &str) {
        let rule = format!(
            "title: T\nid: {number:08}-1111-4111-8111-111111111111\nlogsource: {{ category: dns }}\n\
             detection: {{ s: {{ query|contains: {text}{number} }}, condition: s }}\n"
        );
        fs::write(self.at(&format!("rules/{number}.yml")), rule).expect("written");
    }

    fn sources(&self) -> Sources {
        Sources {
            rules: vec![self.at("rules")],
            cache: Some(self.at("cache")),
            ..Sources::default()
        }
    }

    /// Starts, and says what became of the cache.
    fn start(&self) -> &'static str {
        let (_, loaded) = Loader::open(self.sources()).expect("loads");
        let without = Sources {
            cache: None,
            ..self.sources()
        };
        let (_, expected) = Loader::open(without).expect("loads");
        assert_eq!(loaded.ruleset.version(), expected.ruleset.version());
        assert_eq!(loaded.diagnostics, expected.diagnostics);
        assert!(expected.cache.is_none());
        let outcome = loaded.cache.expect("a cache is wanted");
        outcome.as_ref().map_or_else(Unused::reason, |()| "used")
    }

    fn reloader(&self, metrics: &Metrics) -> Reloader {
        let now = || Timestamp::from_millis(1_772_438_400_000);
        Reloader::open(&self.sources(), metrics.clone(), Status::default(), now).expect("loads")
    }
}

#[test]
fn the_next_start_reads_what_this_one_wrote_and_only_that() {
    let (files, metrics) = (Files::new(), Metrics::new().expect("registered"));
    let written = || metrics.cache_writes.with_label_values(&["written"]).get();
    assert_eq!(files.start(), "missing");
    files.reloader(&metrics).finish();
    assert_eq!(files.start(), "used");
    let mut reloader = files.reloader(&metrics);
    reloader.finish();
    assert_eq!(written(), 1, "what is there is not written again");

    files.rule(3, "another");
    assert_eq!(files.start(), "other_rules");
    reloader.reload();
    reloader.finish();
    assert_eq!(written(), 2);
    assert_eq!(files.start(), "used");

    let whole = fs::read(files.at("cache")).expect("there");
    fs::write(files.at("cache"), &whole[..whole.len() / 2]).expect("written");
    assert_eq!(files.start(), "damaged");
    fs::write(files.at("cache"), whole).expect("written");
    fs::set_permissions(files.at("cache"), fs::Permissions::from_mode(0o666)).expect("set");
    assert_eq!(files.start(), "not_ours");
    files.reloader(&metrics).finish();
    let mode = fs::metadata(files.at("cache"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(files.start(), "used");
    assert_eq!(metrics.cache_reads.with_label_values(&["not_ours"]).get(), 1);
}

#[test]
fn a_cache_that_can_not_be_written_stops_nothing() {
    let (files, metrics) = (Files::new(), Metrics::new().expect("registered"));
    fs::create_dir(files.at("cache")).expect("made");
    assert_eq!(files.start(), "unreadable");
    files.reloader(&metrics).finish();
    assert_eq!(metrics.cache_writes.with_label_values(&["failed"]).get(), 1);
}
