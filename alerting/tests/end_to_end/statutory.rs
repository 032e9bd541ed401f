//! The clocks of the law: warnings once, over restarts; notices from one entry; nothing leaves but by a person.

use serde_json::{Value, json};

use crate::{
    BERGEN, STAVANGER,
    access::{self, ask, log_in, person},
    escalation::{Hand, climbing},
    service::{Alerts, Service, http},
};

crate::stores::on_both!(
    deadlines_run_from_awareness_and_each_warning_is_given_once,
    one_entry_makes_every_notice_and_a_person_sends_it,
    who_may_declare_declares_what_is_theirs,
);

/// When the steered clock begins.
const AWARE: &str = "2026-03-02T08:00:00Z";

async fn opened(service: &Service) -> String {
    let rows = service.get("/api/v1/incidents").await.1;
    rows["incidents"][0]["id"].as_str().expect("an id").to_owned()
}

async fn text(service: &Service, path: &str) -> String {
    let raw = http(service.address, "GET", path, &[], "").await;
    let (head, body) = raw.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{raw}");
    body.to_owned()
}

async fn deadlines_run_from_awareness_and_each_warning_is_given_once() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), climbing).await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    service.mails(1).await;
    let id = opened(&service).await;
    let path = format!("/api/v1/incidents/{id}/statutory");
    let close = format!("/api/v1/incidents/{id}/close");
    assert_eq!(
        service.post(&close, json!({})).await.0,
        200,
        "a closed one has its clocks too"
    );
    for (body, refused) in [
        (json!({"regime": "nis9", "aware_at": AWARE}), 422),
        (json!({"regime": "personal_data", "aware_at": "i går"}), 422),
        (
            json!({"regime": "personal_data", "aware_at": "2026-03-02T09:00:00Z"}),
            422,
        ),
        (
            json!({"regime": "personal_data", "aware_at": "2020-03-02T09:00:00Z"}),
            422,
        ),
        (json!({"regime": "personal_data"}), 400),
    ] {
        assert_eq!(service.post(&path, body.clone()).await.0, refused, "{body}");
    }
    let body = json!({"regime": "digital_security", "aware_at": AWARE});
    let (status, standing) = service.post(&path, body.clone()).await;
    assert_eq!(status, 200, "{standing}");
    let due: Vec<_> = standing["notices"]
        .as_array()
        .expect("notices")
        .iter()
        .map(|one| &one["due_at"])
        .collect();
    let times = [
        "2026-03-03T08:00:00Z",
        "2026-03-05T08:00:00Z",
        "2026-04-02T07:00:00Z",
    ];
    for (due, time) in due.iter().zip(times) {
        assert!(
            due.as_str().expect("a time").starts_with(&time[..19]),
            "{due} {time}"
        );
    }
    assert_eq!(service.post(&path, body).await.0, 409, "it runs already");

    // Half of the first day: all contacts, whatever their turn, and the duty contact; and over a restart nobody again.
    hand.forward(12 * 60);
    let to = async |service: &Service, count: usize| {
        let mut all: Vec<_> = service
            .mails(count)
            .await
            .into_iter()
            .skip(count - 3)
            .map(|mail| mail.to)
            .collect();
        all.sort();
        all
    };
    let all = [
        "duty@cert.example",
        "first@stavanger.example",
        "second@stavanger.example",
    ];
    assert_eq!(to(&service, 4).await, all);
    let service = service.restart(hand.clock()).await;
    hand.forward(7 * 60 + 12);
    assert_eq!(to(&service, 7).await, all, "four fifths");
    assert!(service.mails(7).await[6].text.contains("lovpålagt frist"));
    // It was away when the deadline passed: told when it is back.
    let service = service.stopped().await;
    hand.forward(24 * 60);
    let service = service.again(hand.clock()).await;
    let mut late: Vec<_> = service
        .mails(13)
        .await
        .into_iter()
        .skip(7)
        .map(|mail| mail.to)
        .collect();
    late.sort();
    let twice: Vec<_> = all.iter().flat_map(|one| [*one; 2]).collect();
    assert_eq!(late, twice, "overdue, and half of the 72 hours beside it");
    let standing = service.get(&path).await.1;
    let warned: Vec<_> = standing["notices"]
        .as_array()
        .expect("notices")
        .iter()
        .map(|one| &one["warned"])
        .collect();
    assert_eq!(
        warned,
        [&json!("overdue"), &json!("half"), &Value::Null],
        "{standing}"
    );
    assert_eq!(standing["notices"][0]["overdue"], true);

    // What was sent is warned of no more, nor what is withdrawn.
    let sent = format!("{path}/digital_security/notification/sent");
    assert_eq!(service.post(&sent, json!({"reference": "NSM-1"})).await.0, 200);
    let withdraw = format!("{path}/digital_security/withdraw");
    assert_eq!(service.post(&withdraw, json!({"reason": " "})).await.0, 422);
    assert_eq!(
        service
            .post(&withdraw, json!({"reason": "ikke omfattet"}))
            .await
            .0,
        200
    );
    assert_eq!(service.post(&withdraw, json!({"reason": "igjen"})).await.0, 409);
    hand.forward(60 * 24 * 60);
    service
        .publish(&[Alerts::new(STAVANGER).entity("10.8.8.8").make(9)])
        .await;
    assert_eq!(
        service.mails(14).await[13].to,
        "first@stavanger.example",
        "the next that is told is another"
    );
    service.stop().await;
}

async fn one_entry_makes_every_notice_and_a_person_sends_it() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), climbing).await;
    service
        .publish(&[Alerts::new(STAVANGER)
            .summary("Portskanning æøå")
            .exercise()
            .make(1)])
        .await;
    service.mails(1).await;
    let id = opened(&service).await;
    let path = format!("/api/v1/incidents/{id}/statutory");
    for regime in ["digital_security", "personal_data", "response_team"] {
        let body = json!({"regime": regime, "aware_at": AWARE});
        assert_eq!(service.post(&path, body).await.0, 200);
    }
    let entry = format!("{path}/entry");
    let put = async |body: Value| {
        let raw = http(
            service.address,
            "PUT",
            &entry,
            &["x-requested-with: varde", "content-type: application/json"],
            &body.to_string(),
        )
        .await;
        raw.split(' ')
            .nth(1)
            .and_then(|code| code.parse::<u16>().ok())
            .expect("a status")
    };
    let fields = json!({"what_happened": "Noen kom inn på filtjeneren", "effects": "Arkivet var borte i to timer", "contact": "Kari, 22 00 00 00"});
    assert_eq!(put(json!({"version": 0, "fields": fields})).await, 200);
    assert_eq!(
        put(json!({"version": 0, "fields": {"effects": "annet"}})).await,
        409,
        "somebody wrote meanwhile"
    );
    assert_eq!(put(json!({"version": 1, "fields": {"farge": "blå"}})).await, 422);
    assert_eq!(put(json!({"version": 1, "fields": {"effects": 3}})).await, 422);
    for (notice, language, words) in [
        (
            "digital_security/notification",
            "nb",
            ["ØVELSE", "UTKAST", "Nasjonal sikkerhetsmyndighet", "Følger"],
        ),
        (
            "personal_data/notification",
            "nn",
            ["ØVELSE", "UTKAST", "Datatilsynet", "Følgjer"],
        ),
        (
            "response_team/early_warning",
            "en",
            ["ØVELSE", "DRAFT", "KommuneCERT", "Effects"],
        ),
    ] {
        let page = text(&service, &format!("{path}/{notice}?language={language}")).await;
        let upper = page.to_uppercase();
        for word in words {
            assert!(upper.contains(&word.to_uppercase()), "{word} in {page}");
        }
        for word in [
            "Noen kom inn på filtjeneren",
            "Arkivet var borte i to timer",
            "Stavanger",
            STAVANGER,
            "10.1.2.3",
            "Portskanning æøå",
            "02.03.2026 09:00",
        ] {
            assert!(page.contains(word), "{word} in {page}");
        }
        assert!(page.contains('['), "what is missing is told: {page}");
    }
    let draft = service
        .get(&format!("{path}/personal_data/notification?format=json"))
        .await
        .1;
    assert_eq!(
        (&draft["status"], &draft["exercise"]),
        (&json!("draft"), &json!(true)),
        "{draft}"
    );
    assert!(
        draft["missing"]
            .as_array()
            .expect("a list")
            .contains(&json!("data_categories")),
        "{draft}"
    );
    assert!(
        !draft["missing"]
            .as_array()
            .expect("a list")
            .contains(&json!("delay_reason")),
        "{draft}"
    );
    for query in ["language=de", "format=pdf", "farge=x"] {
        assert_eq!(
            service
                .get(&format!("{path}/personal_data/notification?{query}"))
                .await
                .0,
            422,
            "{query}"
        );
    }
    // A day late the authority asks why.
    hand.forward(73 * 60);
    let late = service
        .get(&format!("{path}/personal_data/notification?format=json"))
        .await
        .1;
    assert!(
        late["missing"]
            .as_array()
            .expect("a list")
            .contains(&json!("delay_reason")),
        "{late}"
    );
    let sent = format!("{path}/personal_data/notification/sent");
    assert_eq!(service.post(&sent, json!({})).await.0, 400);
    assert_eq!(
        service
            .post(&sent, json!({"reference": "DT-2026/17", "language": "nn"}))
            .await
            .0,
        200
    );
    assert_eq!(service.post(&sent, json!({"reference": "igjen"})).await.0, 409);
    // What was sent stays as it was.
    assert_eq!(
        put(json!({"version": 1, "fields": {"effects": "noe annet"}})).await,
        200
    );
    let page = text(&service, &format!("{path}/personal_data/notification")).await;
    for word in ["DT-2026/17", "Arkivet var borte", "Sendt"] {
        assert!(page.contains(word), "{word} in {page}");
    }
    assert!(!page.contains("UTKAST") && !page.contains("noe annet"), "{page}");
    let standing = service.get(&path).await.1;
    let notice = standing["notices"]
        .as_array()
        .expect("notices")
        .iter()
        .find(|one| one["regime"] == "personal_data");
    assert_eq!(notice.expect("there")["reference"], "DT-2026/17");
    let log = service.get("/api/v1/audit?limit=200").await.1.to_string();
    for action in [
        "incident.declared",
        "incident.report_written",
        "incident.reported",
    ] {
        assert!(log.contains(action), "{action}: {log}");
    }
    assert!(
        !log.contains("Arkivet"),
        "what is written stands in the entry alone"
    );
    service.stop().await;
}

async fn who_may_declare_declares_what_is_theirs() {
    let service = access::start().await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;
    service.mails(2).await;
    let aware = alerting::clock::machine().now().to_string();
    let body = json!({"regime": "personal_data", "aware_at": aware}).to_string();
    let mut chief = person(&service, "sjef", &["analyst"], &[]);
    let cookie = log_in(&service, &mut chief).await;
    let list = ask(
        &service,
        "GET",
        "/api/v1/incidents?organization=964965226",
        &[&cookie],
        "",
    )
    .await
    .json();
    let id = list["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/incidents/{id}/statutory");
    for (login, role, status) in [
        ("leser", "auditor", 403),
        ("regler", "rule_author", 403),
        ("drift", "delegated_operator:964965226:2099-12-31", 403),
        ("berit", "responder:964338531", 404),
        ("ola", "responder:964965226", 200),
    ] {
        let mut given = person(&service, login, &[role], &[]);
        let cookie = log_in(&service, &mut given).await;
        let declared = ask(&service, "POST", &path, &[&cookie], &body).await;
        assert_eq!(declared.status, status, "{login}: {declared:?}");
        let read = ask(&service, "GET", &path, &[&cookie], "").await;
        assert_eq!(read.status, status, "{login}: {read:?}");
    }
    service.stop().await;
}
