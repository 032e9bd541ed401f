//! What the centre asks of pseudonyms and the site answers: a real sensor, the real gateway, the commands for whoever is on
//! site. What comes back is what was seen.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use ingest::clock::Clock;
use ingest_bus::{Record, Topic};
use ingest_event::{Fields, Timestamp, Zone};
use ingest_trust::registry::{Entry, Known};
use ingest_trust::reveal::{Answered, FORMAT, Outcome, Question};
use ingest_trust::signing::SigningKey;
use tempfile::TempDir;

use super::centre::{ORGANIZATION, SENSOR, number};
use super::gateway::Station;
use super::{HURRIED, Running};

const CLEAR: [&str; 3] = ["10.20.0.77", "2001:db8:20::77", "kari"];

/// A site with its centre.
struct Site {
    folder: TempDir,
    station: Station,
    /// What alerting signs with.
    key: SigningKey,
    sensor: Sensor,
    pseudonyms: Vec<String>,
    key_name: String,
}

/// As a process that is killed, or in this one, with a hurried pace and a clock that is set by hand.
enum Sensor {
    Process(Child),
    Here(Box<Running>),
}

impl Sensor {
    fn kill(&mut self) {
        if let Self::Process(child) = self {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        match &mut self.sensor {
            Sensor::Process(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Sensor::Here(running) => running.stop.cancel(),
        }
        self.station.stop.cancel();
    }
}

fn run(config: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_varde-sensor"))
        .args(["run", "--config"])
        .arg(config)
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// Waits for something; bounded.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(180), looking).await;
    found.unwrap_or_else(|_| panic!("never came: {what}"))
}

impl Site {
    /// A sensor that read two logins, over IPv4 and IPv6, with this in its configuration; `KEY` stands for the key of questions.
    async fn begin(reveal: &str, is_process: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let station = Station::start(folder.path(), "[::1]:0").await;
        let key = SigningKey::generate().expect("a key");
        let public = key.verifying().expect("a key").to_string();
        let root = folder.path().display();
        let login = |from: &str| {
            format!(
                "<38>1 2026-03-02T08:15:00Z gate sshd 7 - - Failed password for kari from {from} port 22 ssh2\n"
            )
        };
        std::fs::write(folder.path().join("auth.log"), login(CLEAR[0]) + &login(CLEAR[1])).expect("written");
        let text = format!(
            "enrolment: {}\nstate: {root}/state\ncanary_secs: 0\nhome_networks: [\"2001:db8:20::/64\"]\n\
             reveal: {}\nsources: [{{ file: {{ path: {root}/auth.log }} }}]\n",
            station.code,
            reveal.replace("KEY", &public),
        );
        let config = folder.path().join("sensor.yml");
        std::fs::write(&config, &text).expect("written");
        let sensor = if is_process {
            Sensor::Process(run(&config))
        } else {
            Sensor::Here(Box::new(Running::start(&text, HURRIED)))
        };
        let mut site = Self {
            folder,
            station,
            key,
            sensor,
            pseudonyms: Vec::new(),
            key_name: String::new(),
        };
        let asked = site
            .station
            .entry("a request", |entry| match entry {
                Entry::Asked(asked) => Some(asked),
                _ => None,
            })
            .await;
        let known = Known {
            sensor: SENSOR.to_owned(),
            organization: ORGANIZATION.to_owned(),
            zone: Some(Zone::Administration),
            fingerprint: asked.fingerprint,
            former: Vec::new(),
            at: Clock::System.now().as_nanos(),
            revoked: false,
        };
        site.station.write(&Entry::Known(known)).await;
        let events = until("events", async || {
            let events = site.station.events().await;
            (events.len() == 2).then_some(events)
        })
        .await;
        let text = |event: &Fields, name: &str| event.text(name).expect("a field").to_owned();
        let address = |six: bool| {
            let of = |event: &&Fields| text(event, "source.ip").contains(':') == six;
            text(events.iter().find(of).expect("an event"), "source.ip")
        };
        site.pseudonyms = vec![address(false), address(true), text(&events[0], "user.name")];
        assert!(
            site.pseudonyms
                .iter()
                .zip(CLEAR)
                .all(|(hidden, clear)| hidden != clear)
        );
        site.key_name = text(&events[0], "varde.pseudonym.key");
        site
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("sensor.yml")
    }

    /// A command for whoever is on site.
    fn reveal(&self, arguments: &[&str]) -> (bool, String) {
        let output: Output = Command::new(env!("CARGO_BIN_EXE_varde-sensor"))
            .arg("reveal")
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::null())
            .output()
            .expect("runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).expect("text"))
    }

    fn question(&self, nth: u32) -> Question {
        Question {
            format: FORMAT,
            id: format!("{nth:032x}"),
            organization: number(),
            key: self.key_name.clone(),
            incident: "17".to_owned(),
            asked_by: "Kari, CERT".to_owned(),
            approved_by: "Ola, CERT".to_owned(),
            reason: "it calls a server of thieves \u{1b}[2J".to_owned(),
            pseudonyms: self.pseudonyms.clone(),
            asked: Clock::System.now(),
            until: Clock::System.now().saturating_add(Duration::from_secs(3_600)),
        }
    }

    /// Puts a question on the bus, as alerting does, or takes it off.
    async fn put(&self, question: &Question, key: Option<&SigningKey>) {
        let topic = Topic::parse("varde.reveals").expect("a name");
        let record = match key {
            Some(key) => {
                Record::new(question.seal(key).expect("sealed").to_bytes()).with_key(question.place())
            }
            None => Record::tombstone(question.place()),
        };
        self.station
            .producer
            .publish(&topic, vec![record])
            .await
            .expect("durable");
    }

    async fn until_listed(&self, id: &str, is_listed: bool) -> String {
        until("the list", async || {
            let (_, list) = self.reveal(&["list"]);
            (list.contains(id) == is_listed).then_some(list)
        })
        .await
    }

    /// What came on the bus.
    async fn answers(&self) -> Vec<Answered> {
        let records = self
            .station
            .records(&format!("varde.revealed.{ORGANIZATION}"))
            .await;
        let read = |record: &Record| serde_json::from_slice(&record.value).expect("an answer");
        records.iter().map(read).collect()
    }

    async fn until_answers(&self, count: usize) -> Vec<Answered> {
        until("answers", async || {
            let answers = self.answers().await;
            (answers.len() == count).then_some(answers)
        })
        .await
    }

    fn log(&self) -> String {
        let (is_whole, log) = self.reveal(&["log"]);
        assert!(is_whole, "{log}");
        log
    }
}

/// Also: killed at any point, the sensor asks and answers once; what was forged is shown to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_on_site_agrees_to_comes_back_as_it_was_seen() {
    let mut site = Site::begin("{ keys: [KEY] }", true).await;
    let question = site.question(1);
    let forged = Question {
        reason: "a forged question".to_owned(),
        ..site.question(2)
    };
    // Signed by the key under bundles, which is no key of questions; and for a key that is another sensor's.
    site.put(&forged, Some(&site.station.signing)).await;
    let others = Question {
        key: "0001-00000000".to_owned(),
        reason: "another sensor's question".to_owned(),
        ..site.question(3)
    };
    site.put(&others, Some(&site.key)).await;
    site.put(&question, Some(&site.key)).await;
    let list = site.until_listed(&question.id, true).await;
    assert!(
        list.contains("Kari, CERT asks, Ola, CERT agrees, for incident 17"),
        "{list}"
    );
    assert!(
        !list.contains("forged") && !list.contains("another sensor") && !list.contains('\u{1b}'),
        "{list}"
    );

    let (_, nameless) = site.reveal(&["approve", &question.id, "--by", " ", "--reason", "yes"]);
    assert!(nameless.contains("who answers"), "{nameless}");
    site.sensor.kill();
    // Answered while the sensor is gone.
    let arguments = [
        "approve",
        &question.id,
        "--by",
        "Per Hansen",
        "--reason",
        "we know of it",
    ];
    let (is_done, said) = site.reveal(&arguments);
    assert!(is_done, "{said}");
    for (pseudonym, clear) in site.pseudonyms.iter().zip(CLEAR) {
        assert!(said.contains(&format!("{pseudonym} is {clear}")), "{said}");
    }
    let (is_done, again) = site.reveal(&arguments);
    assert!(!is_done && again.contains("answered already"), "{again}");
    site.sensor = Sensor::Process(run(&site.config()));
    let answers = site.until_answers(1).await;
    let answer = &answers[0].answer;
    assert_eq!(
        (answers[0].sensor.as_str(), &answer.id, answer.outcome),
        (SENSOR, &question.id, Outcome::Revealed)
    );
    let clear: Vec<_> = answer.values.iter().map(|one| one.stood_for.as_deref()).collect();
    assert_eq!(clear, CLEAR.map(Some));
    assert!(answer.answers(&question.pseudonyms));
    site.until_listed(&question.id, false).await;
    // The centre has not taken it off the bus yet: what was answered is not asked again once it is off.
    site.put(&question, None).await;
    let log = site.log();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("no {text} in {log}"));
    assert!(
        at(" asked: ") < at(" revealed: ") && at(" revealed: ") < at(" told: "),
        "{log}"
    );
    assert!(
        log.contains("answered by Per Hansen") && !log.contains("forged"),
        "{log}"
    );
    assert!(CLEAR[..2].iter().all(|clear| !log.contains(clear)), "{log}");
    // It ends with what the answer holds the site to, and more since.
    let kept = std::fs::read_to_string(site.folder.path().join("state/reveal.ndjson")).expect("a log");
    assert!(kept.contains(&answer.digest), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_taken_back_or_out_of_date_is_told_to_nobody() {
    let site = Site::begin("{ keys: [KEY] }", false).await;
    let [refused, withdrawn] = [1, 2].map(|nth| site.question(nth));
    let soon = Question {
        until: Clock::System.now().saturating_add(Duration::from_secs(1_800)),
        ..site.question(3)
    };
    for question in [&refused, &withdrawn, &soon] {
        site.put(question, Some(&site.key)).await;
    }
    site.until_listed(&withdrawn.id, true).await;
    let (is_done, said) = site.reveal(&["refuse", &refused.id, "--by", "Per", "--reason", "not this one"]);
    assert!(is_done && said.starts_with("refused; written down as "), "{said}");
    site.put(&withdrawn, None).await;
    let answers = site.until_answers(1).await;
    let answer = &answers[0].answer;
    assert_eq!(
        (answer.outcome, answer.reason.as_str()),
        (Outcome::Refused, "not this one")
    );
    assert!(answer.values.is_empty());
    site.put(&refused, None).await;
    site.until_listed(&withdrawn.id, false).await;
    assert!(site.reveal(&["list"]).1.contains(&soon.id));
    let Sensor::Here(running) = &site.sensor else {
        panic!("in this process");
    };
    let later = Clock::System.now().saturating_add(Duration::from_secs(1_801));
    running.clock.store(later.as_nanos(), Ordering::SeqCst);
    for id in [&withdrawn.id, &soon.id] {
        site.until_listed(id, false).await;
        let (is_done, late) = site.reveal(&["approve", id, "--by", "Per", "--reason", "yes"]);
        assert!(!is_done && !late.contains(CLEAR[2]), "{late}");
    }
    let log = site.log();
    for (step, id) in [
        (" refused: ", &refused.id),
        (" withdrawn: ", &withdrawn.id),
        (" expired: ", &soon.id),
    ] {
        assert!(log.contains(step) && log.contains(id.as_str()), "{step} in {log}");
    }
    assert_eq!(site.answers().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_decides_needs_nobody() {
    let site = Site::begin("{ keys: [KEY], automatic_for: [addresses] }", false).await;
    let addresses = Question {
        pseudonyms: site.pseudonyms[..2].to_vec(),
        ..site.question(1)
    };
    let all = site.question(2);
    site.put(&addresses, Some(&site.key)).await;
    site.put(&all, Some(&site.key)).await;
    let answers = site.until_answers(1).await;
    let answer = &answers[0].answer;
    let clear: Vec<_> = answer.values.iter().map(|one| one.stood_for.as_deref()).collect();
    assert_eq!(
        (answer.by.as_str(), clear),
        ("configuration", vec![Some(CLEAR[0]), Some(CLEAR[1])])
    );
    // An account among them: a person is asked.
    site.until_listed(&all.id, true).await;
    let log = site.log();
    assert!(
        log.contains("answered by configuration") && log.contains("reveal.automatic_for"),
        "{log}"
    );

    let closed = Site::begin(
        "{ keys: [KEY], policy: never, automatic_for: [addresses] }",
        false,
    )
    .await;
    closed.put(&closed.question(1), Some(&closed.key)).await;
    let answers = closed.until_answers(1).await;
    assert_eq!(answers[0].answer.outcome, Outcome::Refused);
    assert!(answers[0].answer.reason.contains("policy: never"));
    let at: Timestamp = answers[0].answer.at;
    assert!(Timestamp::EPOCH < at);
}
