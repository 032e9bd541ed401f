//! The whole way: a capture goes in at the sensor, a mail comes out at a mail server, its link is opened, and the
//! answer shows on the incident. Once on the embedded bus, once on real Kafka.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    dead_code,
    reason = "what fails in a test's helper fails the test; each test uses a part of the station"
)]

#[path = "station/station.rs"]
mod station;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value as Json, json};
use station::{ORGANIZATION, Station, wait, workspace};

#[test]
fn a_capture_becomes_a_mail_and_the_answer_comes_back_on_the_embedded_bus() {
    walk(false);
}

#[test]
fn a_capture_becomes_a_mail_and_the_answer_comes_back_on_kafka() {
    walk(true);
}

fn walk(on_kafka: bool) {
    let capture = workspace().join("replay-data/cases/port-scan-nmap/capture.pcap.zst");
    let Some(station) = Station::start(on_kafka, &capture) else {
        return;
    };

    // Port scan and sweep by two addresses are four incidents, the scans with a second alert that asks for a day. The
    // sweeps from the internet are shown and wake nobody.
    let alerts = |list: &Json| -> u64 {
        list["incidents"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["count"].as_u64())
            .sum()
    };
    let list = station.until("the incidents", "/api/v1/incidents", |list| {
        list["total"] == 4 && alerts(list) == 6
    });
    for incident in list["incidents"].as_array().expect("a list") {
        assert_eq!(incident["organization"]["number"], ORGANIZATION, "{incident}");
    }
    wait("a mail for each scan", || station.mails().len() >= 2);
    let mail = station
        .mails()
        .into_iter()
        .map(|raw| Mail::parse(&raw))
        .next()
        .expect("one");
    assert!(mail.to.contains("stavanger"), "sent to {}", mail.to);
    assert!(
        mail.text.contains("Eksempel-CERT") && mail.text.contains("+47 22 00 00 00"),
        "{}",
        mail.text
    );

    let token = mail.token();
    let answer = |verb: &str, body: Json| {
        station
            .post(&format!("/api/v1/responder/{token}/{verb}"), &body)
            .expect("an answer")
    };
    let incident = answer("seen", json!({}))["incident"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    answer("acknowledge", json!({ "note": "Vi tek det. Æ, ø, å." }));
    answer("verdict", json!({ "verdict": "true_positive" }));

    let detail = station
        .get(&format!("/api/v1/incidents/{incident}"))
        .expect("the incident");
    assert_eq!(detail["state"], "acknowledged", "{detail}");
    assert_eq!(detail["verdict"], "true_positive", "{detail}");
    let timeline = detail["timeline"].to_string();
    for kind in ["opened", "notified", "seen", "acknowledged", "verdict"] {
        assert!(
            timeline.contains(&format!(r#""kind":"{kind}""#)),
            "{kind} is not in {timeline}"
        );
    }
    assert!(timeline.contains("Vi tek det. Æ, ø, å."), "{timeline}");

    // Nobody without the token gets in.
    let wrong = format!("{}AAAA", &token[..token.len() - 4]);
    let refused = station
        .get(&format!("/api/v1/responder/{wrong}"))
        .expect("a problem document");
    assert_eq!(refused["status"], 404, "{refused}");
}

struct Mail {
    to: String,
    text: String,
}

impl Mail {
    /// By Python's own parser, so that what we write is read by somebody else.
    fn parse(raw: &str) -> Self {
        let script = "import email, email.policy, json, sys\n\
                      mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n\
                      print(json.dumps({'to': str(mail['to']), 'text': mail.get_body(('plain',)).get_content()}))";
        let mut python = Command::new("/usr/bin/python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        python
            .stdin
            .take()
            .expect("piped")
            .write_all(raw.as_bytes())
            .expect("written");
        let output = python.wait_with_output().expect("an end");
        let json: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        Self {
            to: json["to"].as_str().expect("an address").to_lowercase(),
            text: json["text"].as_str().expect("a text").to_owned(),
        }
    }

    fn token(&self) -> String {
        let link = self
            .text
            .split_whitespace()
            .find(|word| word.contains("/r/"))
            .expect("a link in the mail");
        link.rsplit('/')
            .next()
            .expect("a token")
            .trim_end_matches(['.', '>', ')'])
            .to_owned()
    }
}
