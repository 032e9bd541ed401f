//! Rulesets change while events come: none is lost, none is told twice, and every alert says what it was found with.
//!
//! The long form (`VARDE_LONG=1`, release) has 3,000 rules and 1,000,000 indicators, and every change goes through
//! the files; it prints what the changes cost.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "what fails in a test's helper fails the test, and the long form prints figures"
)]

#[path = "lab/lab.rs"]
mod lab;

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use detect::{
    live::Live,
    load::Sources,
    metrics::Metrics,
    reload::{Reloader, Status},
};
use detect_engine::Ruleset;
use lab::{Lab, ORGANIZATIONS, compile, event, indicators, is_long, rules, until};

/// How often the ruleset changes under load.
const SWAPS: u64 = 100;

/// So many events are published between two changes at least.
const EVENTS_A_SWAP: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_changes_under_load_lose_and_double_nothing() {
    let (rule_count, indicator_count) = if is_long() {
        (3_000, 1_000_000)
    } else {
        (400, 10_000)
    };
    let versions: Vec<Arc<Ruleset>> = (0..4)
        .map(|version| compile(&rules(rule_count, version), indicators(indicator_count, version)))
        .collect();
    let first = Arc::downgrade(&versions[0]);
    let [initial, others @ ..] = versions.as_slice() else {
        panic!("four versions")
    };
    let names: BTreeSet<String> = versions.iter().map(|one| one.version().0.clone()).collect();
    assert_eq!(names.len(), 4);
    let (live, others) = (Live::new(Arc::clone(initial)), others.to_vec());
    drop(versions);

    let lab = Lab::embedded().await;
    let topic = lab.topic(ORGANIZATIONS[0]).await;
    let metrics = Metrics::new().expect("registered");
    let running = lab.detector(&live, &metrics).await;
    let producer = lab.bus.producer().expect("a producer");
    // The first version has something to find before it is taken away.
    let chunk = (0..EVENTS_A_SWAP).map(|number| event(&lab.run, ORGANIZATIONS[0], number));
    producer
        .publish(&topic, chunk.collect())
        .await
        .expect("published");
    let mut published = EVENTS_A_SWAP;
    until("the first events are scanned", || {
        metrics.events_scanned.get() == published
    })
    .await;
    for swap in 0..SWAPS {
        let chunk =
            (published..published + EVENTS_A_SWAP).map(|number| event(&lab.run, ORGANIZATIONS[0], number));
        producer
            .publish(&topic, chunk.collect())
            .await
            .expect("published");
        published += EVENTS_A_SWAP;
        // While the loop is busy with what was published last.
        live.publish(Arc::clone(&others[swap as usize % others.len()]));
        until("the loop has taken it", || {
            metrics.swap_seconds.get_sample_count() == swap + 1
        })
        .await;
    }
    until("all events are scanned", || {
        metrics.events_scanned.get() == published
    })
    .await;
    running.stop().await;

    // The loop has long let go of the first, and nobody has freed it: that is for the thread that compiles.
    assert!(first.upgrade().is_some(), "freed by the loop");
    assert_eq!(live.sweep(), 1);
    assert!(first.upgrade().is_none(), "never freed");

    let told = lab.alerts().await;
    assert_eq!(told.len() as u64, published, "events were lost");
    for (number, told) in &told {
        assert_eq!(told.times, 1, "event {number} was told twice");
        assert!(told.versions.is_subset(&names), "event {number}: {told:?}");
    }
    let used: BTreeSet<&String> = told.values().flat_map(|told| &told.versions).collect();
    assert_eq!(used.len(), names.len(), "not every version was used");
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(rule_count: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        lab::write_rules(&folder.path().join("rules"), &rules(rule_count, 0));
        let text = lab::csv(&indicators(100, 0));
        fs::write(folder.path().join("feed.csv"), text).expect("written");
        Self { folder }
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn sources(&self) -> Sources {
        Sources {
            rules: vec![self.at("rules")],
            indicators: vec![self.at("feed.csv")],
            ..Sources::default()
        }
    }

    fn open(&self, metrics: &Metrics, status: &Status) -> Reloader {
        Reloader::open(&self.sources(), metrics.clone(), status.clone(), lab::now).expect("loads")
    }
}

fn results(metrics: &Metrics) -> [u64; 3] {
    ["taken", "same", "refused"].map(|result| metrics.reloads.with_label_values(&[result]).get())
}

#[test]
fn a_broken_change_is_refused_as_a_whole_and_the_ruleset_in_use_stays() {
    type Break = fn(&Files) -> String;
    // Each makes something wrong and says what the refusal must name.
    let cases: [(&str, Break); 8] = [
        ("YAML that is none", |files| {
            fs::write(files.at("rules/made/0.yml"), "title: [\n").expect("written");
            "made/0.yml:".to_owned()
        }),
        ("a selection that is not there", |files| {
            let text = lab::rule(1, 0).replace("selection or other", "selection or another");
            fs::write(files.at("rules/made/1.yml"), text).expect("written");
            "made/1.yml:10:".to_owned()
        }),
        ("an id that is taken", |files| {
            fs::write(files.at("rules/again.yml"), lab::EVERY_EVENT).expect("written");
            "every.yml:".to_owned()
        }),
        ("a picture in place of a rule", |files| {
            fs::write(files.at("rules/made/2.yml"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").expect("written");
            "made/2.yml:1:".to_owned()
        }),
        ("a folder in place of a file of rules", |files| {
            fs::remove_dir_all(files.at("rules")).expect("removed");
            "rules:1:".to_owned()
        }),
        ("an archive in place of indicators", |files| {
            let bytes: Vec<u8> = (0..4_096_u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            fs::write(files.at("feed.csv"), [b"PK\x03\x04".as_slice(), &bytes].concat()).expect("written");
            "feed.csv:".to_owned()
        }),
        ("no indicators any more", |files| {
            fs::remove_file(files.at("feed.csv")).expect("removed");
            "feed.csv:1:".to_owned()
        }),
        ("one broken among many good", |files| {
            fs::write(files.at("rules/made/4.yml"), lab::rule(4, 7)).expect("written");
            fs::write(files.at("rules/made/8.yml"), "title: no id\n").expect("written");
            "made/8.yml:".to_owned()
        }),
    ];
    for (name, break_it) in cases {
        let files = Files::new(20);
        let (metrics, status) = (Metrics::new().expect("registered"), Status::default());
        let mut reloader = files.open(&metrics, &status);
        let before = reloader.live().current();
        let place = break_it(&files);
        reloader.reload();
        assert!(reloader.live().is_current(&before), "{name}");
        let reason = status
            .refusal()
            .unwrap_or_else(|| panic!("{name}: not refused"))
            .reason;
        assert!(reason.contains(&place), "{name}: {place} is not in {reason}");
        assert!(!reason.contains('\n'), "{name}: {reason}");
        assert_eq!(results(&metrics), [0, 0, 1], "{name}");
        assert_eq!(metrics.ruleset_current.get(), 0, "{name}");
    }
}

#[test]
fn a_mended_change_is_taken_and_one_taken_back_is_the_same() {
    let files = Files::new(20);
    let (metrics, status) = (Metrics::new().expect("registered"), Status::default());
    let mut reloader = files.open(&metrics, &status);
    let before = reloader.live().current();
    let path = files.at("rules/made/4.yml");
    fs::write(&path, "title: [\n").expect("written");
    reloader.reload();
    fs::write(&path, lab::rule(4, 0)).expect("written");
    reloader.reload();
    assert!(reloader.live().is_current(&before) && status.refusal().is_none());
    assert_eq!(results(&metrics), [0, 1, 1]);
    fs::write(&path, "title: [\n").expect("written");
    reloader.reload();
    fs::write(&path, lab::rule(4, 1)).expect("written");
    reloader.reload();
    assert!(status.refusal().is_none());
    let after = reloader.live().current();
    assert_ne!(after.version(), before.version());
    assert_eq!(after.rule_count(), before.rule_count());
    assert_eq!(results(&metrics), [1, 1, 2]);
    assert_eq!(metrics.ruleset_current.get(), 1);
    assert!(metrics.text().contains(&format!(
        r#"detect_ruleset_info{{version="{}"}} 1"#,
        after.version().0
    )));
    assert!(!metrics.text().contains(&before.version().0));
}

#[test]
fn what_was_wrong_from_the_start_holds_up_no_change() {
    let files = Files::new(20);
    fs::write(files.at("rules/old.yml"), "title: no id\n").expect("written");
    let (metrics, status) = (Metrics::new().expect("registered"), Status::default());
    let mut reloader = files.open(&metrics, &status);
    assert_eq!(reloader.live().current().rule_count(), 21);
    // Another rule, and the same error on another line.
    fs::write(files.at("rules/made/4.yml"), lab::rule(4, 1)).expect("written");
    fs::write(files.at("rules/old.yml"), "\n\n# see below\ntitle: no id\n").expect("written");
    reloader.reload();
    assert!(status.refusal().is_none(), "{:?}", status.refusal());
    assert_eq!(results(&metrics), [1, 0, 0]);
}

#[test]
fn a_wrong_line_of_a_feed_is_left_out_and_the_others_are_taken() {
    let files = Files::new(5);
    let (metrics, status) = (Metrics::new().expect("registered"), Status::default());
    let mut reloader = files.open(&metrics, &status);
    assert_eq!(reloader.live().current().indicator_count(), 100);
    let text = lab::csv(&indicators(150, 0)) + "ip,999.1.1.1\nip,fe80::zz\n";
    fs::write(files.at("feed.csv"), text).expect("written");
    reloader.reload();
    assert!(status.refusal().is_none(), "{:?}", status.refusal());
    assert_eq!(reloader.live().current().indicator_count(), 150);
    assert_eq!(metrics.ruleset_refused.with_label_values(&["indicator"]).get(), 2);
}

/// Through the thread and the running loop: a file changes, and the next event is found by the new rule.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_live_without_a_restart() {
    let files = Files::new(20);
    let (metrics, status) = (Metrics::new().expect("registered"), Status::default());
    let reloader = files.open(&metrics, &status);
    let live = reloader.live().clone();
    let lab = Lab::embedded().await;
    let topic = lab.topic(ORGANIZATIONS[0]).await;
    let running = lab.detector(&live, &metrics).await;
    let asks = reloader.spawn(Duration::from_millis(20)).expect("a thread");
    let producer = lab.bus.producer().expect("a producer");
    let publish = async |number| {
        let record = event(&lab.run, ORGANIZATIONS[0], number);
        producer.publish(&topic, vec![record]).await.expect("published");
    };
    publish(0).await;
    until("the first is scanned", || metrics.events_scanned.get() == 1).await;
    let before = live.current().version().0.clone();
    replace(&files.at("rules/made/4.yml"), &lab::rule(4, 1));
    until("the loop has taken it", || {
        metrics.swap_seconds.get_sample_count() == 1
    })
    .await;
    publish(1).await;
    until("the second is scanned", || metrics.events_scanned.get() == 2).await;
    running.stop().await;
    drop(asks);
    let told = lab.alerts().await;
    let versions: Vec<&str> = told
        .values()
        .flat_map(|told| &told.versions)
        .map(String::as_str)
        .collect();
    assert_eq!(versions, [before.as_str(), &live.current().version().0]);
}

/// The long form only: every change goes through a file, among 3,000 rules and 1,000,000 indicators, while events come.
/// It prints what a change costs; nothing of that is asserted.
#[tokio::test(flavor = "multi_thread")]
async fn changed_files_under_load_and_what_they_cost() {
    if !is_long() {
        println!("skipped: VARDE_LONG is not set");
        return;
    }
    let files = Files::new(3_000);
    let mut million = indicators(1_000_000, 0);
    fs::write(files.at("feed.csv"), lab::csv(&million)).expect("written");
    fs::write(files.at("more.csv"), lab::csv(&indicators(10_000, 1))).expect("written");
    let (metrics, status) = (Metrics::new().expect("registered"), Status::default());
    let mut sources = files.sources();
    sources.indicators.push(files.at("more.csv"));
    let reloader = Reloader::open(&sources, metrics.clone(), status.clone(), lab::now).expect("loads");
    let lab = Lab::embedded().await;
    let running = lab.detector(reloader.live(), &metrics).await;
    let asks = reloader.spawn(Duration::from_millis(100)).expect("a thread");
    let load = Load::start(&lab, &metrics).await;
    // Which counts as one more change.
    until("it is trained", || metrics.swap_seconds.get_sample_count() == 1).await;
    let mut changes = Changes {
        status,
        metrics: metrics.clone(),
        times: Vec::new(),
    };
    for swap in 0..SWAPS {
        let number = swap as usize % 3_000;
        let path = files.at(&format!("rules/made/{number}.yml"));
        changes
            .make(|| replace(&path, &lab::rule(number, swap + 1)))
            .await;
    }
    changes.tell("a changed rule");
    for version in 2..5 {
        changes
            .make(|| replace(&files.at("more.csv"), &lab::csv(&indicators(10_000, version))))
            .await;
    }
    changes.tell("10,000 indicators removed and 10,000 added, all of a small feed");
    for version in 5..8 {
        million.truncate(990_000);
        million.extend(indicators(10_000, version));
        let text = lab::csv(&million);
        changes.make(|| replace(&files.at("feed.csv"), &text)).await;
    }
    changes.tell("10,000 indicators removed and 10,000 added in a feed of a million");
    let published = load.stop(&metrics).await;
    running.stop().await;
    drop(asks);
    println!("{published} events came meanwhile");
    for line in metrics.text().lines() {
        if line.starts_with("detect_swap_seconds") || line.starts_with("detect_batch_seconds") {
            println!("{line}");
        }
    }
    let told = lab.alerts().await;
    assert_eq!(told.len() as u64, published / 100, "events were lost");
    assert!(
        told.values().all(|told| told.times == 1),
        "events were told twice"
    );
}

/// Events that come without a pause, as fast as they are scanned; each hundredth raises an alert.
struct Load {
    stop: tokio_util::sync::CancellationToken,
    task: tokio::task::JoinHandle<u64>,
}

impl Load {
    async fn start(lab: &Lab, metrics: &Metrics) -> Self {
        let topic = lab.topic(ORGANIZATIONS[0]).await;
        let producer = lab.bus.producer().expect("a producer");
        let stop = tokio_util::sync::CancellationToken::new();
        let (stopped, run, scanned) = (stop.clone(), lab.run.clone(), metrics.events_scanned.clone());
        let task = tokio::spawn(async move {
            let mut published = 0;
            while !stopped.is_cancelled() {
                let chunk = (published..published + 1_000).map(|number| match number % 100 {
                    0 => event(&run, ORGANIZATIONS[0], number),
                    _ => lab::quiet_event(&run, ORGANIZATIONS[0], number),
                });
                producer
                    .publish(&topic, chunk.collect())
                    .await
                    .expect("published");
                published += 1_000;
                until("it keeps up", || published <= scanned.get() + 20_000).await;
            }
            published
        });
        Self { stop, task }
    }

    /// How many came, when all of them are scanned.
    async fn stop(self, metrics: &Metrics) -> u64 {
        self.stop.cancel();
        let published = self.task.await.expect("joined");
        until("all events are scanned", || {
            metrics.events_scanned.get() == published
        })
        .await;
        published
    }
}

/// Changes of files, and how long each took until the loop went on with it.
struct Changes {
    status: Status,
    metrics: Metrics,
    times: Vec<Duration>,
}

impl Changes {
    async fn make(&mut self, change: impl FnOnce()) {
        let swaps = || self.metrics.swap_seconds.get_sample_count();
        let (before, begun) = (swaps(), std::time::Instant::now());
        change();
        until("the loop has taken it", || {
            assert!(self.status.refusal().is_none(), "{:?}", self.status.refusal());
            before < swaps()
        })
        .await;
        self.times.push(begun.elapsed());
    }

    fn tell(&mut self, what: &str) {
        self.times.sort();
        println!(
            "{what}: from the file to the loop {:?} in the middle and {:?} at most of {} changes (50 ms of it the wait for a \
             quiet file, up to 100 ms until it is noticed)",
            self.times[self.times.len() / 2],
            self.times[self.times.len() - 1],
            self.times.len(),
        );
        self.times.clear();
    }
}

/// As careful writers do: the file is whole at every moment.
fn replace(path: &Path, text: &str) {
    let part = path.with_extension("part");
    fs::write(&part, text).expect("written");
    fs::rename(part, path).expect("moved");
}
