//! What is gathered for a business day, what comes back, and what was given up: over a real listener, on both stores.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use alerting::config::Config;
use detect_alert::{Alert, Severity};
use serde_json::json;

use crate::{
    BERGEN, STAVANGER,
    escalation::Hand,
    service::{Alerts, Mail, Service},
    stores::on_both,
};

on_both!(
    what_is_low_waits_for_a_business_day_and_is_told_once,
    what_becomes_graver_leaves_at_once_and_what_is_closed_or_silent_is_told_as_it_is,
    over_easter_nothing_is_told_that_can_wait,
    an_address_that_refuses_mail_is_switched_off_and_a_person_sees_what_was_given_up,
    a_mail_that_comes_back_counts_once_and_no_forged_one_does,
    a_contact_is_asked_once_a_year_and_answers_without_a_login,
);

const RESPONDERS: &str = "organizations:\n\
    - number: '964965226'\n  \
      responders:\n  \
      - { name: Vakta, email: first@stavanger.example }\n  \
      - { name: Leder, email: second@stavanger.example, turn: 1, role: management }\n\
    - { number: '964338531', responders: [{ name: Vakta i Bergen, email: vakt@bergen.example, language: nn }] }\n";

/// Nobody is told for want of an answer, whatever the clock shows.
const UNHURRIED: &str = "\nescalation: { answer_within_minutes: {} }\nretry:";

/// From monday 2 March 2026, nine o'clock in Oslo, when the harness's alerts begin.
const TO_TUESDAY_EIGHT: i64 = 23 * 60;
const DAY: i64 = 24 * 60;

fn configured(folder: &std::path::Path, responders: &str, from: &str, to: &str) -> Config {
    std::fs::write(folder.join("responders.yml"), responders).expect("written");
    let file = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&file).expect("readable");
    std::fs::write(&file, text.replace(from, to)).expect("written");
    Config::read(&file).expect("a configuration")
}

fn low(organization: &str, entity: &str) -> Alerts {
    Alerts::new(organization).severity(Severity::Low).entity(entity)
}

fn high(number: u32) -> Alert {
    Alerts::new(STAVANGER)
        .entity(&format!("2001:db8:ffff::{number}"))
        .make(number)
}

async fn incident(service: &Service, about: &str) -> String {
    loop {
        let list = service.get(&format!("/api/v1/incidents?q={about}")).await.1;
        if let Some(id) = list["incidents"][0]["id"].as_str() {
            return id.to_owned();
        }
    }
}

fn digests(mails: &[Mail]) -> Vec<&Mail> {
    let is_digest = |mail: &&Mail| mail.subject.contains("haster") || mail.subject.contains("hastar");
    mails.iter().filter(is_digest).collect()
}

async fn what_is_low_waits_for_a_business_day_and_is_told_once() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), |folder| {
        configured(folder, RESPONDERS, "\nretry:", UNHURRIED)
    })
    .await;
    service
        .publish(&[
            low(STAVANGER, "10.9.8.7")
                .summary("=Portskanning: á č đ ŋ š ŧ ž æøå")
                .make(1),
            low(STAVANGER, "2001:db8::7").make(2),
            low(STAVANGER, "10.9.8.6").exercise().make(3),
            low(BERGEN, "10.7.7.7").make(4),
            high(5),
        ])
        .await;
    let at_once = service.mails(1).await;
    assert!(at_once[0].subject.contains("Høy"), "{}", at_once[0].subject);
    incident(&service, "10.7.7.7").await;

    hand.forward(TO_TUESDAY_EIGHT);
    let mails = service.mails(4).await;
    let digests = digests(&mails);
    assert_eq!(digests.len(), 3, "{mails:?}");
    let of = |address: &str, is_exercise: bool| {
        let found = digests
            .iter()
            .find(|mail| mail.to == address && mail.subject.contains("ØVELSE") == is_exercise);
        *found.expect("a digest")
    };
    let (real, exercise) = (
        of("first@stavanger.example", false),
        of("first@stavanger.example", true),
    );
    let bergen = of("vakt@bergen.example", false);
    assert!(real.subject.ends_with(": 2"), "{}", real.subject);
    assert!(exercise.subject.starts_with("ØVELSE: ") && exercise.subject.ends_with(": 1"));
    for (mail, own, foreign) in [
        (
            real,
            &["10.9.8.7", "2001:db8::7", "Stavanger kommune"][..],
            &["Bergen", BERGEN, "10.7.7.7", "10.9.8.6", "2001:db8:ffff"][..],
        ),
        (exercise, &["10.9.8.6"], &["Bergen", "10.9.8.7", "2001:db8"]),
        (
            bergen,
            &["10.7.7.7", "Bergen kommune"],
            &["Stavanger", STAVANGER, "10.9.8"],
        ),
    ] {
        let (name, file) = mail.files.first_key_value().expect("a file");
        assert_eq!(name, "varde-2026-03-03.csv");
        for part in own {
            assert!(
                mail.text.contains(part) && mail.html.contains(part),
                "{part} in {}",
                mail.text
            );
        }
        for part in foreign {
            assert!(
                !mail.raw_text().contains(part) && !file.contains(part),
                "{part} in {file} or {}",
                mail.text
            );
        }
        let lines = file.lines().count();
        let rows = mail
            .subject
            .rsplit(' ')
            .next()
            .and_then(|count| count.parse::<usize>().ok());
        assert_eq!(Some(lines), rows.map(|rows| rows + 1), "{file}");
    }
    assert!(real.text.contains("á č đ ŋ š ŧ ž æøå"), "{}", real.text);
    let link = real.text.find("/r/").expect("a link") + 3;
    let token: String = real.text[link..]
        .chars()
        .take_while(|c| !c.is_whitespace())
        .collect();
    assert_eq!(service.get(&format!("/api/v1/responder/{token}")).await.0, 200);

    // The same day, the next, and a restart tell nothing again.
    let service = service.restart(hand.clock()).await;
    hand.forward(DAY);
    service.publish(&[high(6)]).await;
    let mails = service.mails(5).await;
    assert_eq!(
        (mails.len(), crate::letters::digests(&mails).len()),
        (5, 3),
        "{mails:?}"
    );
    let id = incident(&service, "10.9.8.7").await;
    let detail = service.get(&format!("/api/v1/incidents/{id}")).await.1;
    assert_eq!(
        (&detail["state"], &detail["notifications"][0]["state"]),
        (&json!("notified"), &json!("sent"))
    );
    service.stop().await;
}

async fn what_becomes_graver_leaves_at_once_and_what_is_closed_or_silent_is_told_as_it_is() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), |folder| {
        configured(folder, RESPONDERS, "\nretry:", UNHURRIED)
    })
    .await;
    service
        .publish(&[
            low(STAVANGER, "10.9.8.1").make(1),
            low(STAVANGER, "10.9.8.2").make(2),
            low(STAVANGER, "10.9.8.3").make(3),
        ])
        .await;
    let closed = incident(&service, "10.9.8.2").await;
    incident(&service, "10.9.8.3").await;
    service
        .publish(&[Alerts::new(STAVANGER).entity("10.9.8.1").make(4)])
        .await;
    let mails = service.mails(1).await;
    assert!(
        mails[0].subject.contains("Høy") && mails[0].subject.contains("10.9.8.1"),
        "{}",
        mails[0].subject
    );
    assert_eq!(
        service
            .post(&format!("/api/v1/incidents/{closed}/close"), json!({}))
            .await
            .0,
        200
    );

    hand.forward(TO_TUESDAY_EIGHT);
    let mails = service.mails(2).await;
    let digest = digests(&mails)[0];
    assert!(digest.subject.ends_with(": 2"), "{}", digest.subject);
    assert!(
        !digest.text.contains("10.9.8.1") && digest.text.contains("10.9.8.3"),
        "{}",
        digest.text
    );
    let after = &digest.text[digest.text.find("10.9.8.2").expect("told")..];
    assert!(
        after
            .lines()
            .nth(2)
            .is_some_and(|line| line.contains("Avsluttet")),
        "{}",
        digest.text
    );
    assert!(digest.text.contains("Av dem er avsluttet: 1"), "{}", digest.text);
    service.stop().await;
}

async fn over_easter_nothing_is_told_that_can_wait() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), |folder| {
        configured(folder, RESPONDERS, "\nretry:", UNHURRIED)
    })
    .await;
    // Wednesday 1 April 2026, nine o'clock of summer time: the day before skjærtorsdag.
    hand.forward(30 * DAY - 60);
    service.publish(&[low(STAVANGER, "10.9.8.1").make(1)]).await;
    incident(&service, "10.9.8.1").await;
    for number in 1..=5 {
        hand.forward(DAY);
        service.publish(&[high(number + 10)]).await;
        let count = usize::try_from(number).expect("small");
        let mails = service.mails(count).await;
        assert!(digests(&mails).is_empty(), "day {number}: {mails:?}");
    }
    // Tuesday, eight o'clock.
    hand.forward(DAY - 60);
    let mails = service.mails(6).await;
    assert_eq!(digests(&mails).len(), 1, "{mails:?}");
    service.stop().await;
}

const GONE: &str = "organizations:\n\
    - number: '964965226'\n  \
      responders:\n  \
      - { name: Vakta, email: Gone@stavanger.example }\n  \
      - { name: Leder, email: second@stavanger.example, turn: 1, role: management }\n";

async fn an_address_that_refuses_mail_is_switched_off_and_a_person_sees_what_was_given_up() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), |folder| {
        let responders = GONE.replace("Gone@", "gone@");
        configured(
            folder,
            &responders,
            "transport:",
            "bounces: { disable_after: 2 }, transport:",
        )
    })
    .await;
    let told = |mails: &[Mail], address: &str, part: &str| {
        mails
            .iter()
            .filter(|mail| mail.to == address && mail.subject.contains(part))
            .count()
    };
    // Refused: the next contact is told at once, and the duty officer that something was given up.
    service.publish(&[high(1)]).await;
    let mails = service.mails(2).await;
    assert_eq!(told(&mails, "second@stavanger.example", "Høy"), 1, "{mails:?}");
    assert_eq!(
        told(&mails, "duty@cert.example", "ikke kom fram: 1"),
        1,
        "{mails:?}"
    );
    assert!(
        !mails
            .iter()
            .any(|mail| mail.to == "duty@cert.example" && mail.raw_text().contains("2001:db8"))
    );
    // Again: it is switched off, and the duty officer is told which.
    service.publish(&[high(2)]).await;
    let mails = service.mails(4).await;
    assert_eq!(told(&mails, "second@stavanger.example", "Høy"), 2, "{mails:?}");
    let off = mails
        .iter()
        .find(|mail| mail.subject.contains("slått av"))
        .expect("told");
    assert!(
        off.to == "duty@cert.example" && off.text.contains("gone@stavanger[.]example (2)"),
        "{}",
        off.text
    );
    // From then on nothing is tried there.
    service.publish(&[high(3)]).await;
    service.mails(5).await;
    let list = service.get("/api/v1/dead-letters").await.1;
    assert_eq!(list["count"], 3, "{list}");
    let errors: Vec<_> = list["dead_letters"].as_array().expect("a list").iter().collect();
    assert_eq!(
        errors
            .iter()
            .filter(|one| one["error"].to_string().contains("550"))
            .count(),
        2,
        "{list}"
    );
    assert_eq!(
        errors
            .iter()
            .filter(|one| one["error"].to_string().contains("switched off"))
            .count(),
        1,
        "{list}"
    );
    assert!(
        errors
            .iter()
            .all(|one| one["address_masked"] == "g…@stavanger.example"),
        "{list}"
    );
    let metrics = service.text("/metrics").await;
    assert!(metrics.contains("\nalerting_dead_letters 3\n"), "{metrics}");
    let coverage = service.get("/api/v1/registry/coverage").await.1;
    assert_eq!(coverage["switched_off"][0]["contact"], "Vakta", "{coverage}");
    assert_eq!(coverage["switched_off"][0]["bounces"], 2, "{coverage}");

    // A person looks at one, tries again, and sets another aside with a reason.
    let id = |one: &serde_json::Value| one["id"].as_str().expect("an id").to_owned();
    let switched = errors
        .iter()
        .find(|one| one["error"].to_string().contains("switched off"));
    let (first, second) = (id(switched.expect("one")), id(errors[errors.len() - 1]));
    let path = |id: &str, verb: &str| format!("/api/v1/dead-letters/{id}{verb}");
    assert_eq!(service.get(&path(&first, "")).await.1["kind"], "notification");
    let on = json!({ "address": "Gone@stavanger.example", "reason": "er rettet" });
    assert_eq!(
        service
            .post("/api/v1/addresses-off/switch-on", on.clone())
            .await
            .0,
        200
    );
    assert_eq!(service.post("/api/v1/addresses-off/switch-on", on).await.0, 404);
    assert_eq!(
        service.get("/api/v1/addresses-off").await.1["addresses"],
        json!([])
    );
    assert_eq!(service.post(&path(&first, "/again"), json!({})).await.0, 200);
    loop {
        let again = service.get(&path(&first, "")).await.1;
        if again["error"].to_string().contains("550") {
            assert_eq!(again["attempts"], 1, "{again}");
            break;
        }
    }
    assert_eq!(
        service.get("/api/v1/addresses-off").await.1["addresses"],
        json!([]),
        "one after it was forgiven"
    );
    assert_eq!(
        service
            .post(&path(&second, "/aside"), json!({ "reason": " " }))
            .await
            .0,
        422
    );
    let aside = service
        .post(&path(&second, "/aside"), json!({ "reason": "ringte dem" }))
        .await;
    assert_eq!(aside.0, 200, "{}", aside.1);
    assert_eq!(
        service
            .post(&path(&second, "/aside"), json!({ "reason": "ringte dem" }))
            .await
            .0,
        404
    );
    assert_eq!(service.post(&path(&second, "/again"), json!({})).await.0, 404);
    assert_eq!(service.get("/api/v1/dead-letters").await.1["count"], 2);
    let audit = service.get("/api/v1/audit").await.1.to_string();
    for action in [
        "address.off",
        "address.on",
        "dead_letter.again",
        "dead_letter.aside",
    ] {
        assert!(audit.contains(action), "{action} in {audit}");
    }
    assert!(audit.contains("ringte dem"), "{audit}");
    service.stop().await;
}

/// A report as mail servers write it.
pub(crate) fn report(status: &str) -> String {
    format!(
        "From: <>\r\nTo: someone@cert.example\r\nMIME-Version: 1.0\r\nSubject: Undelivered\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"xx\"\r\n\r\n--xx\r\n\r\nSorry.\r\n\
         --xx\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.stavanger.example\r\n\r\n\
         Final-Recipient: rfc822; vakt@bergen.example\r\nAction: failed\r\nStatus: {status}\r\n--xx--\r\n"
    )
}

/// As a mail server's alias calls it.
pub(crate) fn came_back(service: &Service, recipient: &str, mail: &str) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_varde-alerting"))
        .args(["bounce", "--recipient", recipient, "--config"])
        .arg(service.path().join("alerting.yml"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("started");
    // What is no report is not read to its end.
    let _ = child.stdin.take().expect("piped").write_all(mail.as_bytes());
    // The service runs here too and may hold the store: what waits on this thread has to go on elsewhere.
    let ended = tokio::task::block_in_place(|| child.wait());
    assert!(ended.expect("ended").success());
}

async fn a_mail_that_comes_back_counts_once_and_no_forged_one_does() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), |folder| {
        let to = "bounces: { address: varsel@cert.example, disable_after: 2 }, transport:";
        configured(folder, RESPONDERS, "transport:", to)
    })
    .await;
    let count = async || {
        let list = service.get("/api/v1/dead-letters").await.1;
        list["count"].as_u64().expect("a number")
    };
    service.publish(&[high(1)]).await;
    let sent = service.mails(1).await.remove(0);
    assert!(
        sent.from.starts_with("varsel+") && sent.from.ends_with("@cert.example"),
        "{}",
        sent.from
    );
    assert!(
        !sent.raw.contains(&sent.from),
        "who reads the mail does not see it"
    );
    let token = sent.from.split(['+', '@']).nth(1).expect("a name").to_owned();

    // Another's key, a changed name, a person's answer, a delay: none of them is one.
    let forged = sent.from.replace(&token[40..], "00000000");
    came_back(&service, &forged, &report("5.1.1"));
    came_back(&service, "varsel@cert.example", &report("5.1.1"));
    came_back(
        &service,
        &sent.from,
        "From: a\r\nTo: b\r\n\r\nJeg er på ferie. Status: 5.1.1\r\n",
    );
    came_back(&service, &sent.from, &report("4.4.7"));
    service.publish(&[high(2)]).await;
    let second = service.mails(2).await.remove(1);
    assert_eq!(second.to, "first@stavanger.example");
    assert_eq!(count().await, 0);

    // One that is: the next contact is told, the duty officer too, and a second copy changes nothing.
    came_back(&service, &sent.from.to_uppercase(), &report("5.1.1"));
    let mails = service.mails(4).await;
    assert!(
        mails[2..]
            .iter()
            .any(|mail| mail.to == "second@stavanger.example"),
        "{mails:?}"
    );
    assert!(
        mails[2..].iter().any(|mail| mail.to == "duty@cert.example"),
        "{mails:?}"
    );
    came_back(&service, &sent.from, &report("5.1.1"));
    assert_eq!(count().await, 1);
    assert_eq!(
        service.get("/api/v1/addresses-off").await.1["addresses"],
        json!([])
    );

    // The second of its own: switched off; whoever the report names is not.
    came_back(&service, &second.from, &report("5.1.1"));
    service.mails(6).await;
    let off = service.get("/api/v1/addresses-off").await.1;
    assert_eq!(off["addresses"][0]["address"], "first@stavanger.example", "{off}");
    assert_eq!(off["addresses"].as_array().map(Vec::len), Some(1), "{off}");
    service.stop().await;
}

async fn a_contact_is_asked_once_a_year_and_answers_without_a_login() {
    let hand = Hand::new();
    let responders = "organizations:\n\
        - { number: '964965226', responders: [{ name: Vakta, email: first@stavanger.example }] }\n";
    let service = Service::steered(hand.clock(), |folder| {
        configured(folder, responders, "\nretry:", UNHURRIED)
    })
    .await;
    let question = |mails: &[Mail], count: usize| {
        let asked: Vec<_> = mails
            .iter()
            .filter(|mail| mail.subject.contains("fortsatt riktig kontakt"))
            .collect();
        assert_eq!(asked.len(), count, "{mails:?}");
        asked[count - 1].clone()
    };
    // Its own day is within a year. Each week's digest shows that contacts were looked at in that week.
    let mut weeks = 0;
    let asked = loop {
        weeks += 1;
        let rule = format!("rule-{weeks}");
        service
            .publish(&[low(STAVANGER, &format!("10.0.{weeks}.1")).rule(&rule).make(weeks)])
            .await;
        incident(&service, &format!("10.0.{weeks}.1")).await;
        hand.forward(7 * DAY);
        let mails = service.mails(usize::try_from(weeks).expect("small")).await;
        if mails.iter().any(|mail| mail.subject.contains("riktig kontakt")) {
            break question(&mails, 1);
        }
        assert!(weeks < 60, "never asked");
    };
    assert!(
        asked.text.contains("Stavanger") && !asked.text.contains("10.0."),
        "{}",
        asked.text
    );
    let place = asked.text.find("/c/").expect("a link") + 3;
    let token: String = asked.text[place..]
        .chars()
        .take_while(|c| c.is_ascii_hexdigit())
        .collect();
    let path = format!("/api/v1/contact/{token}");
    let (status, view) = service.get(&path).await;
    assert_eq!(
        (status, &view["contact"], &view["answer"]),
        (200, &json!("Vakta"), &json!(null)),
        "{view}"
    );
    let forged = format!("/api/v1/contact/{}", token.replace(&token[60..], "0000"));
    assert_eq!(service.get(&forged).await.0, 404);
    assert_eq!(service.post(&path, json!({ "answer": "perhaps" })).await.0, 422);
    assert_eq!(
        service.get("/api/v1/registry/coverage").await.1["unconfirmed"],
        json!([])
    );

    assert_eq!(service.post(&path, json!({ "answer": "not_me" })).await.0, 200);
    assert_eq!(service.post(&path, json!({ "answer": "not_me" })).await.0, 200);
    let coverage = service.get("/api/v1/registry/coverage").await.1;
    assert_eq!(coverage["unconfirmed"][0]["answer"], "not_me", "{coverage}");
    assert_eq!(service.post(&path, json!({ "answer": "right" })).await.0, 200);
    let coverage = service.get("/api/v1/registry/coverage").await.1;
    assert_eq!(coverage["unconfirmed"], json!([]), "{coverage}");

    // Twice more, and then it is used up: whoever has the link fills nothing with it.
    for answer in ["not_me", "right"] {
        assert_eq!(service.post(&path, json!({ "answer": answer })).await.0, 200);
    }
    for _ in 0..3 {
        let (status, problem) = service.post(&path, json!({ "answer": "not_me" })).await;
        assert_eq!(status, 410, "{problem}");
        let detail = problem["detail"].as_str().expect("text");
        assert!(
            detail.contains("thank you") && detail.contains("+47 22 00 00 00"),
            "{detail}"
        );
        assert_eq!(
            service.post(&path, json!({ "answer": "right" })).await.0,
            200,
            "that holds"
        );
    }
    let coverage = service.get("/api/v1/registry/coverage").await.1;
    assert_eq!(coverage["unconfirmed"], json!([]), "{coverage}");
    let noted = service
        .get("/api/v1/audit?action=contact.answered&limit=200")
        .await
        .1;
    assert_eq!(noted["entries"].as_array().map(Vec::len), Some(4), "{noted}");
    service.stop().await;
}
