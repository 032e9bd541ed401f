//! Bundles: taken, refused, gone back from, and what a crash leaves of them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use ingest::config::Plan;
use ingest::control::identity::Trust;
use ingest::control::import::{ImportError, import};
use ingest::control::standing::{Standing, Watched};
use ingest::control::{self, Pace};
use ingest::metrics::Metrics;
use ingest_event::OrganizationNumber;
use ingest_event::restricted::{RestrictedKey, RestrictedList, hex};
use ingest_trust::manifest::{Audience, PART_BYTES};
use ingest_trust::signing::SigningKey;

use super::centre::{Centre, number};
use super::{HURRIED, Running, until, write_lines};

const QUIET: &str = "sources: []\n";

/// Networks that are ours: nothing a sensor fares worse with.
const GOOD: &[u8] = b"home_networks: [10.9.0.0/16, \"2001:db8:9::/48\"]\n";

fn approving(folder: &Path) -> Centre {
    let key = Trust::at(&folder.join("state")).key().expect("a key");
    Centre::approving(&key)
}

fn standing(folder: &Path) -> Standing {
    Standing::load(&folder.join("state/control")).expect("reads")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_taken_whole_and_only_what_changed_travels() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    let (large, rule) = (b"#\n".repeat(PART_BYTES / 2 + 3), b"# scan\n");
    let other = b"# other\n";
    centre.offer(
        2,
        &[
            ("configuration.yml", GOOD),
            ("indicators/a.txt", &large),
            ("rules/a.yml", rule),
        ],
    );
    let pace = Pace {
        watch: Duration::from_millis(200),
        ..HURRIED
    };
    let sensor = Running::start(&centre.config(folder.path(), QUIET), pace);
    let before = centre.report("2 runs", |report| report.bundle == 2);
    until("it is found good", || standing(folder.path()).watch.is_none()).await;
    assert_eq!((before.wanted, before.refused), (2, None));
    let state = folder.path().join("state");
    let current = control::current(&state).expect("reads").expect("one");
    assert_eq!(
        std::fs::read(current.folder.join("indicators/a.txt")).expect("there"),
        large
    );
    assert_eq!(
        std::fs::read(current.folder.join("rules/a.yml")).expect("there"),
        rule
    );
    assert_eq!(centre.state().parts_sent.len(), 4);
    for version in [3, 4] {
        centre.state().parts_sent.clear();
        let text = format!("home_networks: [10.{version}.0.0/16]\n");
        let files: [(&str, &[u8]); 3] = [
            ("configuration.yml", text.as_bytes()),
            ("indicators/a.txt", &large),
            ("rules/b.yml", other),
        ];
        centre.offer(version, &files);
        let now = centre.report("it runs", |report| report.bundle == version);
        until("it is found good", || standing(folder.path()).watch.is_none()).await;
        assert_ne!(now.configuration, before.configuration, "it has an effect");
        let sent = centre.state().parts_sent.len();
        assert_eq!(
            sent,
            if version == 3 { 2 } else { 1 },
            "the large file does not travel again"
        );
    }
    sensor.stop().await;
    let kept = std::fs::read_dir(state.join("control/bundles"))
        .expect("a folder")
        .count();
    assert_eq!(kept, 2, "the current one and the one before");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_be_believed_is_refused_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    centre.offer(5, &[("configuration.yml", GOOD)]);
    let sensor = Running::start(&centre.config(folder.path(), QUIET), HURRIED);
    centre.report("5 runs", |report| report.bundle == 5);
    let files: [(&str, &[u8]); 1] = [("configuration.yml", GOOD)];
    let sources: [(&str, &[u8]); 1] = [("configuration.yml", b"sources: []\n")];
    let stranger = SigningKey::generate().expect("a key");
    let others = OrganizationNumber::parse("958935420").expect("valid");
    let elsewhere = Audience::Sensors {
        organization: number(),
        sensors: vec!["sensor-2".to_owned()],
    };
    let sealed = |key: &SigningKey, version, audience| centre.sealed(key, version, audience, &files);
    let mut tampered = sealed(&centre.key, 6, Audience::All);
    let text = String::from_utf8(tampered.clone()).expect("text");
    let place = text.find("sig\":\"").expect("a signature") + 20;
    tampered[place] = if tampered[place] == b'A' { b'B' } else { b'A' };
    for (envelope, version, why) in [
        (tampered, 6, "not signed by a key"),
        (b"{}".to_vec(), 0, "read the envelope"),
        (sealed(&stranger, 7, Audience::All), 7, "not signed by a key"),
        (sealed(&centre.key, 4, Audience::All), 4, "older than 5"),
        (
            sealed(&centre.key, 8, Audience::Organization(others)),
            8,
            "for others",
        ),
        (sealed(&centre.key, 9, elsewhere), 9, "for others"),
        (
            centre.sealed(&centre.key, 10, Audience::All, &sources),
            10,
            "`sources`",
        ),
    ] {
        centre.state().envelope = Some(envelope);
        let report = centre.report(why, |report| {
            let refused = report.refused.as_ref();
            refused.is_some_and(|refused| refused.version == version && refused.detail.contains(why))
        });
        assert_eq!(report.bundle, 5, "{why}");
    }
    // A part that is not what was signed; then it is.
    let envelope = centre.sealed(&centre.key, 11, Audience::All, &[("rules/x.yml", b"# x\n")]);
    let name = ingest_trust::manifest::digest(b"# x\n");
    centre.state().parts.insert(name.clone(), b"# y\n".to_vec());
    centre.state().envelope = Some(envelope);
    let report = centre.report("a false part", |report| {
        report
            .refused
            .as_ref()
            .is_some_and(|refused| refused.version == 11)
    });
    assert_eq!((report.bundle, report.wanted), (5, 11));
    centre.state().parts.insert(name, b"# x\n".to_vec());
    let report = centre.report("the true part", |report| report.bundle == 11);
    assert_eq!(report.refused, None);
    sensor.stop().await;
    assert_eq!(standing(folder.path()).taken, 11);
}

/// Offers bundle 2, which makes the sensor fare worse by `worsen`; it has to go back by itself, and stay there.
async fn goes_back(folder: &Path, centre: &Centre, rest: &str, why: &str, mut worsen: impl FnMut(&Metrics)) {
    let sensor = Running::start(&centre.config(folder, rest), HURRIED);
    centre.report("it runs", |_| true);
    worsen(&sensor.metrics);
    centre.offer(2, &[("configuration.yml", GOOD)]);
    let told = |report: &ingest_trust::wire::Report| {
        report.bundle == 0
            && report
                .refused
                .as_ref()
                .is_some_and(|refused| refused.version == 2)
    };
    let report = loop {
        worsen(&sensor.metrics);
        let found = centre.state().reports.iter().find(|report| told(report)).cloned();
        if let Some(report) = found {
            break report;
        }
        assert!(!sensor.ended.is_finished(), "it goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let detail = report.refused.expect("told").detail;
    assert!(detail.contains(why), "{detail}");
    sensor.stop().await;
    // It is not taken again, also not after a restart; a newer one is.
    centre.state().reports.clear();
    let sensor = Running::start(&centre.config(folder, QUIET), HURRIED);
    for _ in 0..3 {
        centre.report("it stays", |report| {
            report.bundle == 0 && report.refused.is_some()
        });
        let seen = centre.state().reports.len();
        centre.until("another report", |state| {
            (seen < state.reports.len()).then_some(())
        });
    }
    assert!(centre.state().reports.iter().all(|report| report.bundle == 0));
    centre.offer(3, &[("configuration.yml", GOOD)]);
    centre.report("a newer one", |report| {
        report.bundle == 3 && report.refused.is_none()
    });
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_goes_back_when_a_source_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    let lines = write_lines(folder.path(), 0..5);
    let rest = format!("sources: [{{ file: {{ path: {lines} }} }}]\n");
    let worsen = |_: &Metrics| {
        // Once it was read, its next start does not find it.
        centre.until("it is read", |state| (5 <= state.events.len()).then_some(()));
        let _ = std::fs::remove_file(&lines);
    };
    goes_back(folder.path(), &centre, &rest, "unreadable file", worsen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_goes_back_when_it_loses_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = approving(folder.path());
    let worsen = |metrics: &Metrics| {
        if centre.state().reports.iter().any(|report| report.bundle == 2) {
            metrics.kernel_drops.with_label_values(&["capture"]).inc_by(500);
        }
    };
    goes_back(folder.path(), &centre, QUIET, "records were lost", worsen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_start_again_only_for_another_configuration() {
    for address in ["127.0.0.1", "[::1]"] {
        let folder = tempfile::tempdir().expect("a folder");
        let centre = approving(folder.path());
        let port = std::net::TcpListener::bind((address.trim_matches(['[', ']']), 0))
            .and_then(|socket| socket.local_addr())
            .expect("an address")
            .port();
        let to = format!("{address}:{port}");
        let rest =
            format!("privacy: [{{ level: full }}]\nsources: [{{ syslog_tcp: {{ listen: \"{to}\" }} }}]\n");
        let sensor = Running::start(&centre.config(folder.path(), &rest), HURRIED);
        let mut device = None;
        until("it listens", || {
            device = TcpStream::connect(&to).ok();
            device.is_some()
        })
        .await;
        let mut device = device.expect("connected");
        centre.offer(2, &[("rules/a.yml", b"# a\n")]);
        centre.report("2 runs", |report| report.bundle == 2);
        let asked = centre.state().reports.len();
        centre.until("it goes on", |state| {
            (asked + 2 < state.reports.len()).then_some(())
        });
        device
            .write_all(b"<34>1 2026-03-02T08:15:00Z host app - - - still here\n")
            .expect("written");
        centre.until("the connection stands", |state| {
            let mut events = state.events.iter();
            events
                .any(|event| format!("{event:?}").contains("still here"))
                .then_some(())
        });
        centre.offer(3, &[("configuration.yml", GOOD)]);
        centre.report("3 runs", |report| report.bundle == 3);
        let ended = device.read(&mut [0]);
        assert!(!matches!(ended, Ok(1..)), "another configuration is a start");
        sensor.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_in_trouble_ends_bundles_and_not_the_sensor() {
    for is_damaged in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let centre = enrolled(folder.path()).await;
        let control = folder.path().join("state/control");
        let place = control.join("standing.json");
        let mut died = standing(folder.path());
        died.watch = Some(Watched::default());
        died.save(&control).expect("written");
        if is_damaged {
            std::fs::write(&place, b"{").expect("written");
        } else {
            // Nothing can be written in its place.
            std::fs::create_dir_all(control.join("standing.json.new/x")).expect("made");
        }
        let before = std::fs::read(&place).expect("there");
        let runs = u64::from(!is_damaged);
        let lines = write_lines(folder.path(), 0..5);
        let rest = format!("sources: [{{ file: {{ path: {lines} }} }}]\n");
        let sensor = Running::start(&centre.config(folder.path(), &rest), HURRIED);
        centre.until("it reads", |state| (5 <= state.events.len()).then_some(()));
        centre.offer(2, &[("configuration.yml", GOOD)]);
        let report = centre.report("2 is known", |report| {
            report.wanted == 2
                || report
                    .refused
                    .as_ref()
                    .is_some_and(|refused| refused.version == 2)
        });
        assert_eq!(report.bundle, runs);
        if let Some(refused) = report.refused {
            assert!(refused.detail.contains("standing.json"), "{}", refused.detail);
        }
        sensor.stop().await;
        assert_eq!(std::fs::read(&place).expect("there"), before);
        assert!(control.join("bundles/1").exists(), "for when it is restored");
    }
}

/// An enrolled sensor that runs bundle 1, to begin tests from.
async fn enrolled(folder: &Path) -> Centre {
    let centre = approving(folder);
    centre.offer(1, &[("configuration.yml", GOOD)]);
    let sensor = Running::start(&centre.config(folder, QUIET), HURRIED);
    centre.report("1 runs", |report| report.bundle == 1);
    sensor.stop().await;
    centre.state().reports.clear();
    centre
}

#[tokio::test(flavor = "multi_thread")]
async fn every_crash_while_a_bundle_is_brought_is_gone_on_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = enrolled(folder.path()).await;
    let control = folder.path().join("state/control");
    let write = |path: &str, bytes: &[u8]| {
        let path = control.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
    };
    let rule = b"# scan\n";
    let part = ingest_trust::manifest::digest(rule);
    for (version, step) in (2..).zip(["part", "false part", "folder", "whole folder", "standing"]) {
        match step {
            "part" => write(&format!("parts/{part}.new"), b"# "),
            "false part" => write(&format!("parts/{part}"), b"# "),
            "folder" => write(&format!("bundles/{version}.new/rules/a.yml"), b"#"),
            "whole folder" => write(&format!("bundles/{version}/rules/a.yml"), b"not what it is"),
            _ => write("standing.json.new", b"{\"current\":"),
        }
        centre.state().parts_sent.clear();
        centre.offer(version, &[("configuration.yml", GOOD), ("rules/a.yml", rule)]);
        let sensor = Running::start(&centre.config(folder.path(), QUIET), HURRIED);
        centre.report(step, |report| report.bundle == version);
        sensor.stop().await;
        let state = folder.path().join("state");
        let current = control::current(&state).expect("reads").expect("one");
        assert_eq!(
            std::fs::read(current.folder.join("rules/a.yml")).expect("there"),
            rule,
            "{step}"
        );
        let mut names: Vec<_> = std::fs::read_dir(control.join("bundles"))
            .expect("a folder")
            .map(|entry| entry.expect("one").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        assert!(
            names.iter().all(|name| !name.ends_with("new")),
            "{step}: {names:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_ends_the_process_twice_is_gone_back_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = enrolled(folder.path()).await;
    centre.offer(2, &[("configuration.yml", GOOD), ("rules/a.yml", b"# a\n")]);
    let sensor = Running::start(&centre.config(folder.path(), QUIET), HURRIED);
    centre.report("2 runs", |report| report.bundle == 2);
    sensor.stop().await;
    // As it is on disk after an end that nobody asked for; once is chance.
    let control = folder.path().join("state/control");
    let mut died = standing(folder.path());
    died.watch = Some(Watched::default());
    died.save(&control).expect("written");
    centre.state().reports.clear();
    let sensor = Running::start(&centre.config(folder.path(), QUIET), HURRIED);
    centre.report("2 runs still", |report| report.bundle == 2);
    let counted = standing(folder.path());
    assert_eq!(counted.watch.as_ref().map(|watch| watch.deaths), Some(1));
    sensor.stop().await;
    counted.save(&control).expect("written");
    centre.state().reports.clear();
    let sensor = Running::start(&centre.config(folder.path(), QUIET), HURRIED);
    let report = centre.report("it goes back", |report| report.bundle != 2);
    let refused = report.refused.expect("told");
    assert_eq!((refused.version, standing(folder.path()).taken), (2, 2));
    assert!(refused.detail.contains("twice"), "{}", refused.detail);
    sensor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_is_brought_by_hand_is_checked_as_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = enrolled(folder.path()).await;
    centre.state().envelope = None;
    let config = centre.config(folder.path(), QUIET);
    let plan = Plan::parse(&config, "sensor.yml").expect("reads");
    let stick = folder.path().join("stick");
    std::fs::create_dir_all(stick.join("rules")).expect("made");
    let rule = vec![b'#'; PART_BYTES + 9];
    let files: [(&str, &[u8]); 1] = [("rules/a.yml", &rule)];
    let (list, file) = (stick.join("manifest.json"), stick.join("rules/a.yml"));
    std::fs::write(&list, centre.sealed(&centre.key, 2, Audience::All, &files)).expect("written");
    assert!(matches!(
        import(&plan, std::slice::from_ref(&stick)),
        Err(ImportError::Missing { missing: 2, all: 2 })
    ));
    std::fs::write(&file, &rule).expect("written");
    let stranger = SigningKey::generate().expect("a key");
    std::fs::write(&list, centre.sealed(&stranger, 2, Audience::All, &files)).expect("written");
    assert!(matches!(
        import(&plan, std::slice::from_ref(&stick)),
        Err(ImportError::Untrusted(_))
    ));
    std::fs::write(&list, centre.sealed(&centre.key, 2, Audience::All, &files)).expect("written");
    assert_eq!(import(&plan, &[list, file]).expect("good"), 2);
    let sensor = Running::start(&config, HURRIED);
    centre.report("2 runs", |report| report.bundle == 2);
    sensor.stop().await;
    let current = control::current(plan.state()).expect("reads").expect("one");
    assert_eq!(
        std::fs::read(current.folder.join("rules/a.yml")).expect("there"),
        rule
    );
    assert!(!plan.state().join("control/import").exists());
    assert!(matches!(import(&plan, &[stick]), Err(ImportError::Same(2))));
}

/// A rule about the port of [`super::eve_lines`].
fn rule(port: usize) -> String {
    format!(
        "title: a port\nid: 00000000-0000-4000-8000-{port:012}\nstatus: test\nlevel: high\ndescription: for a test\n\
         author: test\ndate: 2026-01-01\nlogsource: {{ category: network_connection }}\ndetection:\n  \
         selection: {{ source.port: {port} }}\n  condition: selection\n"
    )
}

/// What an event with this source port matched, once it is at the centre.
fn matched(centre: &Centre, port: i64) -> Vec<String> {
    centre.until("the event", |state| {
        let mut events = state.events.iter();
        let event = events.find(|event| event.get("source.port") == Some(&port.into()))?;
        let value = event.get("varde.matched");
        let each = value.into_iter().flat_map(ingest_event::Value::each);
        Some(each.map(ToString::to_string).collect())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_indicators_of_a_bundle_are_used_while_the_sensor_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let centre = enrolled(folder.path()).await;
    let lines = write_lines(folder.path(), 0..1);
    let rest = format!("sources: [{{ file: {{ path: {lines}, follow: true }} }}]\n");
    let sensor = Running::start(&centre.config(folder.path(), &rest), HURRIED);
    assert_eq!(matched(&centre, 1_024), Vec::<String>::new());
    let append = |number: usize| {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&lines)
            .expect("opens");
        file.write_all(super::eve_lines(number..number + 1).as_bytes())
            .expect("written");
    };
    let held = |rules: i64, indicators: i64| {
        let metrics = sensor.metrics.clone();
        move || {
            let text = metrics.render();
            text.contains(&format!("ingest_rules {rules}\n"))
                && text.contains(&format!("ingest_indicators {indicators}\n"))
        }
    };
    let (one, two) = (rule(1_025), rule(1_027));
    let key = RestrictedKey::new([5; 32]);
    let list = RestrictedList::of(&key, [("cidr", "2001:db8::/64")]);
    let list = serde_json::to_vec(&list).expect("JSON");
    let by_hash = format!("restricted:{}@source.ip", hex(&key.hash("cidr", "2001:db8::/64")));
    let files: [(&str, &[u8]); 3] = [
        ("indicators/a.txt", b"2001:db8:1::9\n"),
        ("restricted.json", &list),
        ("rules/a.yml", one.as_bytes()),
    ];
    centre.offer(2, &files);
    centre.report("2 runs", |report| report.bundle == 2);
    until("it is held against events", held(1, 2)).await;
    append(1);
    let by_indicator = "indicator:ip:2001:db8:1::9@destination.ip".to_owned();
    let by_rule = |port: usize| format!("rule:00000000-0000-4000-8000-{port:012}");
    assert_eq!(
        matched(&centre, 1_025),
        [by_indicator.clone(), by_hash.clone(), by_rule(1_025)]
    );
    // What does not compile is refused as a whole; the former goes on.
    for (version, name, text, told) in [
        (3, "rules/a.yml", &b"title: no rule\n"[..], "rules/a.yml:1"),
        (4, "indicators/a.txt", b"999.9.9.9\n..\n", "indicators/a.txt"),
        (
            5,
            "restricted.json",
            b"{\"algorithm\":\"other\",\"key_id\":\"\",\"key\":\"\",\"hashes\":{}}",
            "`other`",
        ),
    ] {
        centre.offer(version, &[(name, text)]);
        let report = centre.report("it is refused", |report| {
            let refused = report.refused.as_ref();
            refused.is_some_and(|refused| refused.version == version)
        });
        let detail = report.refused.expect("refused").detail;
        assert!(report.bundle == 2 && detail.contains(told), "{detail}");
        assert!(!detail.contains("state/control"), "{detail}");
    }
    append(2);
    assert_eq!(matched(&centre, 1_026), [by_indicator, by_hash]);
    centre.offer(6, &[("rules/a.yml", two.as_bytes())]);
    centre.report("6 runs", |report| report.bundle == 6 && report.refused.is_none());
    until("it is held against events", held(1, 0)).await;
    append(3);
    assert_eq!(matched(&centre, 1_027), [by_rule(1_027)]);
    sensor.stop().await;
    // After a start it is there before anything is read.
    append(4);
    let again = rule(1_028);
    centre.offer(7, &[("rules/a.yml", again.as_bytes())]);
    let sensor = Running::start(&centre.config(folder.path(), "sources: []\n"), HURRIED);
    centre.report("7 runs", |report| report.bundle == 7);
    sensor.stop().await;
    let sensor = Running::start(&centre.config(folder.path(), &rest), HURRIED);
    assert_eq!(matched(&centre, 1_028), [by_rule(1_028)]);
    sensor.stop().await;
}
