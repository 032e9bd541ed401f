//! `varde audit` on the store that a real service left behind: whole, changed, cut, and made anew.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's support fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use alerting::audit::{Chain, Head, read_line};
use alerting::config::Config;
use alerting::{clock, service};
use ingest_bus::{Bus, Cleanup, Topic, TopicSpec};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

struct Site {
    folder: TempDir,
}

impl Site {
    /// With the log of a service that was started so often.
    fn new(starts: usize) -> Self {
        let site = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rulesets/routing");
        let text = format!(
            "bus: {{ embedded: {{ directory: {bus} }} }}\ndata: {data}\nlisten: 127.0.0.1:0\n\
             registry: {{ municipalities: {root}/municipalities.csv, responders: {root}/responders.example.yml }}\n\
             cert: {{ name: KommuneCERT, phone: '+47 22 00 00 00', email: duty@cert.example }}\n",
            bus = site.path("bus").display(),
            data = site.path("data").display(),
            root = root.display(),
        );
        fs::write(site.path("alerting.yml"), text).expect("written");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        for _ in 0..starts {
            runtime.block_on(site.start());
        }
        site
    }

    async fn start(&self) {
        let config = Config::read(&self.path("alerting.yml")).expect("a configuration");
        let bus = Bus::open(&config.bus.clone().named("test")).await.expect("a bus");
        let spec = TopicSpec {
            topic: Topic::parse(detect_alert::topic::ALERTS).expect("a name"),
            partitions: 1,
            cleanup: Cleanup::Delete {
                retention: std::time::Duration::from_hours(1),
            },
            max_record_bytes: 1_000_000,
        };
        bus.ensure_topics(&[spec]).await.expect("a topic");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        service::run(config, bus, clock::machine(), stop, move |_| stopped.cancel())
            .await
            .expect("a clean end");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exit code, standard output, standard error.
    fn varde(&self, words: &str) -> (Option<i32>, String, String) {
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_varde"))
            .current_dir(self.folder.path())
            .arg("audit")
            .args(words.split_whitespace())
            .output()
            .expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Changes the store behind the service's back.
    fn tamper(&self, sql: &str) {
        let store = rusqlite::Connection::open(self.path("data/alerting.sqlite")).expect("opened");
        store.execute_batch(sql).expect(sql);
    }
}

#[test]
fn a_whole_log_is_whole_in_the_store_and_as_an_export() {
    let site = Site::new(4);
    let (code, head, _) = site.varde("head --config alerting.yml");
    assert_eq!(code, Some(0));
    let head: Head = head.parse().expect("a head");
    assert_eq!(head.seq, 4);
    let said = site.varde("verify --config alerting.yml");
    assert_eq!(
        said,
        (Some(0), format!("whole: 4 entries, head {head}\n"), String::new())
    );

    let (code, export, _) = site.varde("export --config alerting.yml");
    assert_eq!((code, export.lines().count()), (Some(0), 4));
    let mut chain = Chain::expecting([]);
    for line in export.lines() {
        chain.follow(&read_line(line).expect(line)).expect("it follows");
    }
    assert_eq!(chain.finish(), Ok(head));
    fs::write(site.path("log.ndjson"), &export).expect("written");
    assert_eq!(site.varde(&format!("verify log.ndjson --head {head}")).0, Some(0));
    fs::write(site.path("noted"), format!("{head}\n")).expect("written");
    assert_eq!(site.varde("verify log.ndjson --head noted").0, Some(0));
    let (_, rest, _) = site.varde("export --config alerting.yml --after 3");
    assert_eq!(
        rest.lines().collect::<Vec<_>>(),
        export.lines().skip(3).collect::<Vec<_>>()
    );

    // Cut: whole in itself, but not against the head.
    let cut: String = export.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(site.path("cut.ndjson"), cut).expect("written");
    assert_eq!(site.varde("verify cut.ndjson").0, Some(0));
    let (code, out, _) = site.varde(&format!("verify cut.ndjson --head {head}"));
    assert!(code == Some(1) && out.starts_with("broken at entry 3: "), "{out}");
    // Torn.
    fs::write(site.path("torn.ndjson"), &export[..export.len() - 9]).expect("written");
    let (code, _, err) = site.varde("verify torn.ndjson");
    assert!(code == Some(1) && err.contains("line 4 of torn.ndjson"), "{err}");
}

#[test]
fn what_was_done_to_the_store_behind_the_services_back_shows() {
    let changes = [
        (
            "UPDATE audit SET actor = 'analyst:Kari' WHERE seq = 3",
            "broken at entry 3: ",
        ),
        (
            "UPDATE audit SET after = NULL WHERE seq = 2",
            "broken at entry 2: ",
        ),
        (
            "DELETE FROM audit WHERE seq = 2",
            "broken at entry 2: entry 2 is missing",
        ),
        ("DELETE FROM audit WHERE seq = 1", "broken at entry 1: "),
        (
            "DELETE FROM audit WHERE seq > 2",
            "broken at entry 3: the log ends with entry 2",
        ),
        ("DELETE FROM audit", "broken at entry 1: "),
        (
            "UPDATE audit SET digest = 'x' WHERE seq = 4",
            "broken at entry 4: ",
        ),
    ];
    let site = Site::new(4);
    let path = site.path("data/alerting.sqlite");
    site.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
    let as_it_was = fs::read(&path).expect("read");
    for (sql, told) in changes {
        site.tamper(sql);
        let (code, out, err) = site.varde("verify --config alerting.yml");
        assert!(code == Some(1) && out.starts_with(told), "{sql}: {out}{err}");
        fs::write(&path, &as_it_was).expect("written");
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", path.display()));
        }
        assert_eq!(site.varde("verify --config alerting.yml").0, Some(0), "{sql}");
    }
    // Whoever cuts both the rows and the store's own note of the end is caught by the head that lies elsewhere.
    let (_, head, _) = site.varde("head --config alerting.yml");
    site.tamper(
        "DELETE FROM audit WHERE seq = 4; UPDATE audit_head SET seq = 3, digest = (SELECT digest FROM audit WHERE seq = 3)",
    );
    assert_eq!(
        site.varde("verify --config alerting.yml").0,
        Some(0),
        "whole in itself"
    );
    let (code, out, _) = site.varde(&format!("verify --config alerting.yml --head {head}"));
    assert!(
        code == Some(1) && out.starts_with("broken at entry 4: the log ends with entry 3"),
        "{out}"
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_name() {
    let site = Site::new(0);
    for (words, code, named) in [
        ("verify", 64, "--config"),
        ("verify --config alerting.yml log.ndjson", 64, "--config"),
        ("verify none.ndjson", 65, "none.ndjson"),
        ("verify --config none.yml", 78, "none.yml"),
        ("verify --config alerting.yml", 65, "alerting.sqlite"),
        ("head --config alerting.yml", 65, "alerting.sqlite"),
        ("verify none.ndjson --head 3", 64, "NUMBER:DIGEST"),
    ] {
        let (got, _, err) = site.varde(words);
        assert!(got == Some(code) && err.contains(named), "{words}: {got:?} {err}");
    }
}
