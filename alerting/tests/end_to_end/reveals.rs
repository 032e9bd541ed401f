//! What pseudonyms stand for: one asks, another agrees, the site answers over the bus as the gateway brings it, and both see
//! what happened. And what must not be: one person alone, a value that is in no incident, another's answer, two answers.

mod ends;
mod people;
mod scene;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use ingest_bus::Record;
use ingest_event::Timestamp;
use ingest_trust::reveal::{Answer, OPEN_MAX, Outcome, Question};
use serde_json::{Value, json};

use self::scene::{
    CLEAR, FOUR, KEY, REASON, SIX, Scene, alert, answers, public_key, put_answer, questions, steps, told,
    until,
};
use crate::{
    BERGEN, STAVANGER,
    process::Process,
    service::{Service, http},
    stores::on_both,
};

on_both!(
    two_people_ask_the_site_answers_and_both_see_what_happened,
    who_may_say_no_says_no_and_then_no_answer_counts,
    an_answer_of_anyone_else_is_refused_and_told,
    what_nobody_answers_runs_out_and_what_was_told_is_forgotten,
    no_more_are_open_than_a_site_can_answer,
    after_kill_9_a_question_is_asked_and_an_answer_kept_once,
);

async fn two_people_ask_the_site_answers_and_both_see_what_happened() {
    let scene = Scene::begin().await;
    let list = scene.get("kari", "").await.1;
    assert_eq!(list["askable"], json!([FOUR, SIX, "u-abcdefghijkl"]), "{list}");
    assert_eq!(
        scene.get("per", "").await.1,
        json!({ "reveals": [], "askable": [] })
    );
    for (body, named) in [
        (
            json!({ "pseudonyms": ["10.1.1.1"], "reason": REASON }),
            "10.1.1.1",
        ),
        (json!({ "pseudonyms": ["/stille"], "reason": REASON }), "/stille"),
        (json!({ "pseudonyms": [], "reason": REASON }), "pseudonyms"),
        (json!({ "pseudonyms": [FOUR], "reason": "fordi" }), "reason"),
    ] {
        let (status, problem) = scene.post("kari", "", body).await;
        assert_eq!(status, 422, "{problem}");
        assert!(
            problem["detail"].as_str().expect("text").contains(named),
            "{problem}"
        );
    }
    let body = json!({ "pseudonyms": [FOUR, SIX], "reason": REASON });
    for who in ["per", "rita", "ragnar"] {
        assert_eq!(scene.post(who, "", body.clone()).await.0, 403, "{who}");
    }
    assert_eq!(scene.post("berit", "", body.clone()).await.0, 404);

    let id = scene.asked(&[FOUR, SIX]).await;
    // One person is not two, whatever their role.
    assert_eq!(
        scene.post("kari", &format!("/{id}/approve"), json!({})).await.0,
        403
    );
    let own = scene
        .post(
            "ola",
            "",
            json!({ "pseudonyms": ["u-abcdefghijkl"], "reason": REASON }),
        )
        .await
        .1;
    let own = own["id"].as_str().expect("an id").to_owned();
    let (status, problem) = scene.post("ola", &format!("/{own}/approve"), json!({})).await;
    assert_eq!(status, 403, "{problem}");
    assert!(
        problem["detail"].as_str().expect("text").contains("two people"),
        "{problem}"
    );
    assert_eq!(
        scene.get("per", "").await.1["reveals"],
        json!([]),
        "not at the site yet"
    );
    assert_eq!(scene.get("per", &format!("/{id}")).await.0, 404);
    assert!(
        scene.questions().await.is_empty(),
        "nothing leaves before two agree"
    );

    assert_eq!(
        scene.post("ola", &format!("/{id}/approve"), json!({})).await.0,
        200
    );
    assert_eq!(
        scene.post("ola", &format!("/{id}/approve"), json!({})).await.0,
        409,
        "once"
    );
    let envelope = scene.until_asked(1).await.remove(0);
    let question = Question::open(&envelope, &[public_key(scene.service.path())]).expect("believed");
    assert_eq!((question.id.as_str(), question.key.as_str()), (id.as_str(), KEY));
    assert_eq!(
        (&question.pseudonyms[..], question.reason.as_str()),
        (&[FOUR.to_owned(), SIX.to_owned()][..], REASON)
    );
    assert_eq!(
        (question.asked_by.as_str(), question.approved_by.as_str()),
        ("Navn kari", "Navn ola")
    );
    assert_eq!(question.organization.as_str(), STAVANGER);

    // Sent twice, as a gateway that was killed lets a sensor do.
    for _ in 0..2 {
        scene.answer(STAVANGER, told(&id, &[FOUR, SIX])).await;
    }
    scene.until_state(&id, "revealed").await;
    let revealed = json!([
        { "pseudonym": FOUR, "stood_for": CLEAR[0] }, { "pseudonym": SIX, "stood_for": CLEAR[1] },
    ]);
    for (who, expected) in [
        ("kari", &revealed),
        ("per", &revealed),
        ("rita", &Value::Null),
        ("ragnar", &Value::Null),
    ] {
        let view = scene.get(who, &format!("/{id}")).await.1;
        assert_eq!(&view["revealed"], expected, "{who}: {view}");
        let list = scene.get(who, "").await.1;
        assert!(
            !list.to_string().contains(CLEAR[0]),
            "{who}: a list tells nothing: {list}"
        );
    }
    assert_eq!(scene.get("berit", &format!("/{id}")).await.0, 404);
    scene.until_asked(0).await;
    let view = scene.get("per", &format!("/{id}")).await.1;
    assert_eq!(
        steps(&view),
        [
            ("asked", "Navn kari"),
            ("approved", "Navn ola"),
            ("revealed", "Pål på rådhuset (s-1)"),
            ("read", "Navn kari"),
            ("read", "Navn per"),
        ]
    );
    assert_eq!(
        view["site_log"],
        json!("ab".repeat(32)),
        "what holds the site to its own log"
    );

    // Each look is in the audit log, and what was seen is not.
    let log = scene
        .call(
            "ola",
            "GET",
            "/api/v1/audit?action=reveal.read&limit=200",
            Value::Null,
        )
        .await
        .1;
    let readers: Vec<_> = log["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| &entry["actor"])
        .collect();
    assert!(
        2 < readers.len() && readers.contains(&&json!("responder:Navn per")),
        "{readers:?}"
    );
    let all = scene
        .call("ola", "GET", "/api/v1/audit?limit=200", Value::Null)
        .await
        .1
        .to_string();
    assert!(
        all.contains("reveal.approved") && CLEAR.iter().all(|clear| !all.contains(clear)),
        "{all}"
    );
    scene.service.stop().await;
}

async fn who_may_say_no_says_no_and_then_no_answer_counts() {
    let scene = Scene::begin().await;
    // The second person, and whoever asked.
    for (who, state) in [("ola", "denied"), ("kari", "withdrawn")] {
        let id = scene.asked(&[FOUR]).await;
        let refuse = format!("/{id}/refuse");
        assert_eq!(scene.post(who, &refuse, json!({ "reason": " " })).await.0, 422);
        assert_eq!(
            scene.post("per", &refuse, json!({ "reason": "nei" })).await.0,
            404,
            "it is not at the site"
        );
        let (status, view) = scene
            .post(who, &refuse, json!({ "reason": "det trengs ikke" }))
            .await;
        assert_eq!((status, &view["state"]), (200, &json!(state)), "{view}");
        assert_eq!(
            scene.post("ola", &format!("/{id}/approve"), json!({})).await.0,
            409
        );
    }
    assert!(scene.questions().await.is_empty());
    // The organisation in the API, and the CERT once more: the site's yes comes too late.
    for (who, state) in [("per", "refused"), ("kari", "withdrawn")] {
        let id = scene.agreed(&[FOUR]).await;
        scene.until_asked(1).await;
        for nobody in ["rita", "ragnar"] {
            assert_eq!(
                scene
                    .post(nobody, &format!("/{id}/refuse"), json!({ "reason": "nei" }))
                    .await
                    .0,
                403
            );
        }
        let (status, view) = scene
            .post(who, &format!("/{id}/refuse"), json!({ "reason": "ikke nå" }))
            .await;
        assert_eq!((status, &view["state"]), (200, &json!(state)), "{view}");
        scene.until_asked(0).await;
        scene.answer(STAVANGER, told(&id, &[FOUR])).await;
        let late = if who == "per" { "1" } else { "2" };
        scene
            .until_metric("alerting_reveal_answers_refused_total{why=\"late\"}", late)
            .await;
        let view = scene.get("kari", &format!("/{id}")).await.1;
        assert_eq!(
            (&view["state"], &view["revealed"]),
            (&json!(state), &Value::Null),
            "{view}"
        );
    }
    // And the site itself.
    let id = scene.agreed(&[FOUR]).await;
    let no = Answer {
        outcome: Outcome::Refused,
        values: vec![],
        ..told(&id, &[])
    };
    scene.answer(STAVANGER, no).await;
    let view = scene.until_state(&id, "refused").await;
    assert_eq!(view["log"][2]["note"], json!("vi kjenner til den"), "{view}");
    assert_eq!(view["revealed"], Value::Null);
    scene.service.stop().await;
}

async fn an_answer_of_anyone_else_is_refused_and_told() {
    let scene = Scene::begin().await;
    let id = scene.agreed(&[FOUR]).await;
    let record = Record::new("no answer").with_key("answer");
    scene
        .producer
        .publish(&answers(STAVANGER), vec![record])
        .await
        .expect("durable");
    for (organization, answer, why) in [
        (BERGEN, told(&id, &[FOUR]), "foreign"),
        (STAVANGER, told(&"0".repeat(32), &[FOUR]), "unknown"),
        (STAVANGER, told(&id, &[FOUR, SIX]), "other"),
        (STAVANGER, told(&id, &[SIX]), "other"),
    ] {
        scene.answer(organization, answer).await;
        let name = format!("alerting_reveal_answers_refused_total{{why=\"{why}\"}}");
        let count = scene.metric(&name).await;
        until!((scene.metric(&name).await != count || count != "0").then_some(()));
    }
    scene
        .until_metric("alerting_reveal_answers_refused_total{why=\"other\"}", "2")
        .await;
    scene
        .until_metric("alerting_reveal_answers_refused_total{why=\"unreadable\"}", "1")
        .await;
    let view = scene.get("kari", &format!("/{id}")).await.1;
    assert_eq!(
        (&view["state"], &view["revealed"]),
        (&json!("asked"), &Value::Null),
        "{view}"
    );
    let log = scene
        .call(
            "ola",
            "GET",
            "/api/v1/audit?action=reveal.answer_refused",
            Value::Null,
        )
        .await
        .1;
    let whose: Vec<_> = log["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            (
                entry["after"]["why"].clone(),
                entry["after"]["organization"].clone(),
            )
        })
        .collect();
    assert!(whose.contains(&(json!("foreign"), json!(BERGEN))), "{whose:?}");
    assert_eq!(whose.len(), 5, "{whose:?}");
    // The right one still counts.
    scene.answer(STAVANGER, told(&id, &[FOUR])).await;
    scene.until_state(&id, "revealed").await;
    scene.service.stop().await;
}

async fn what_nobody_answers_runs_out_and_what_was_told_is_forgotten() {
    let hours = Arc::new(AtomicI64::new(0));
    let (start, hand) = (alerting::clock::machine().now().as_millis(), Arc::clone(&hours));
    let clock = alerting::clock::steered(move || {
        Timestamp::from_millis(start + hand.load(Ordering::Relaxed) * 3_600_000)
    });
    let scene = Scene::at(clock, &[]).await;
    let [waiting, asked] = [scene.asked(&[SIX]).await, scene.agreed(&[FOUR]).await];
    let told_of = scene.agreed(&[FOUR, SIX]).await;
    scene.until_asked(2).await;
    scene.answer(STAVANGER, told(&told_of, &[FOUR, SIX])).await;
    scene.until_state(&told_of, "revealed").await;
    hours.store(23, Ordering::Relaxed);
    for who in ["kari", "ola"] {
        assert_eq!(scene.get(who, &format!("/{asked}")).await.1["state"], "asked");
    }
    hours.store(25, Ordering::Relaxed);
    for id in [&waiting, &asked] {
        let view = scene.until_state(id, "expired").await;
        assert_eq!(steps(&view).last(), Some(&("expired", "Varde")), "{view}");
    }
    scene.until_asked(0).await;
    scene.answer(STAVANGER, told(&asked, &[FOUR])).await;
    scene
        .until_metric("alerting_reveal_answers_refused_total{why=\"late\"}", "1")
        .await;
    assert_eq!(
        scene
            .post("ola", &format!("/{waiting}/approve"), json!({}))
            .await
            .0,
        409
    );
    assert!(scene.get("kari", &format!("/{told_of}")).await.1["revealed"].is_array());
    hours.store(47, Ordering::Relaxed);
    assert!(scene.get("kari", &format!("/{told_of}")).await.1["revealed"].is_array());
    hours.store(49, Ordering::Relaxed);
    let view = until!({
        let view = scene.get("kari", &format!("/{told_of}")).await.1;
        // Hidden when its time is over, emptied at the next look.
        (view["revealed"].is_null() && view["kept_until"].is_null()).then_some(view)
    });
    assert_eq!(view["state"], "revealed");
    assert_eq!(
        steps(&view).last(),
        Some(&("forgotten", "Varde")),
        "its log stays: {view}"
    );
    // The answer once more, as a bus that was set back brings it: what is forgotten does not come back.
    scene.answer(STAVANGER, told(&told_of, &[FOUR, SIX])).await;
    scene.answer(STAVANGER, told(&"1".repeat(32), &[FOUR])).await;
    scene
        .until_metric("alerting_reveal_answers_refused_total{why=\"unknown\"}", "1")
        .await;
    assert_eq!(
        scene.get("kari", &format!("/{told_of}")).await.1["revealed"],
        Value::Null
    );
    scene.service.stop().await;
}

async fn no_more_are_open_than_a_site_can_answer() {
    let more: Vec<String> = (0..=OPEN_MAX).map(|nth| format!("10.9.0.{nth}")).collect();
    let scene = Scene::at(alerting::clock::machine(), &more).await;
    let first = scene.asked(&[&more[0]]).await;
    assert_eq!(
        scene.asked(&[&more[0]]).await,
        first,
        "the same question is the same request"
    );
    for one in &more[1..OPEN_MAX] {
        scene.asked(&[one]).await;
    }
    let body = json!({ "pseudonyms": [more[OPEN_MAX]], "reason": REASON });
    assert_eq!(scene.post("kari", "", body.clone()).await.0, 409);
    let no = json!({ "reason": "en annen gang" });
    assert_eq!(scene.post("kari", &format!("/{first}/refuse"), no).await.0, 200);
    assert_eq!(scene.post("kari", "", body).await.0, 201, "there is room again");
    scene.service.stop().await;
}

async fn after_kill_9_a_question_is_asked_and_an_answer_kept_once() {
    let scene = Scene::begin().await;
    let id = scene.asked(&[FOUR, SIX]).await;
    let path = scene.path(&format!("/{id}/approve"));
    let (ola, kari) = (scene.cookie("ola").to_owned(), scene.cookie("kari").to_owned());
    let one = scene.path(&format!("/{id}"));
    let Scene {
        service,
        bus,
        producer,
        ..
    } = scene;
    let folder = service.stop().await;

    // Killed as soon as it said yes: the next one asks.
    let process = Process::start(folder.path());
    let headers = ["x-requested-with: varde", "content-type: application/json", &ola];
    let answer = http(process.1, "POST", &path, &headers, "{}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    process.kill();
    let process = Process::start(folder.path());
    until!((questions(&bus).await.len() == 1).then_some(()));
    process.kill();

    // The answer comes while nobody is there, twice; whoever takes it is killed at some point of taking it.
    for _ in 0..2 {
        put_answer(&producer, STAVANGER, told(&id, &[FOUR, SIX])).await;
    }
    for nth in 0..3 {
        let process = Process::start(folder.path());
        for _ in 0..nth * 4 {
            http(process.1, "GET", "/healthz", &[], "").await;
        }
        process.kill();
    }
    let process = Process::start(folder.path());
    let view = until!({
        let answer = http(process.1, "GET", &one, &["x-requested-with: varde", &kari], "").await;
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let view: Value = serde_json::from_str(body).expect("JSON");
        (view["state"] == "revealed").then_some(view)
    });
    let kinds: Vec<_> = steps(&view).into_iter().map(|(step, _)| step).collect();
    assert_eq!(
        kinds.iter().filter(|step| **step == "revealed").count(),
        1,
        "{kinds:?}"
    );
    assert_eq!(view["revealed"][1]["stood_for"], CLEAR[1], "{view}");
    until!(questions(&bus).await.is_empty().then_some(()));
    process.kill();
}

/// Without logins nobody is two people, and without a key nobody is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_logs_in_nobody_asks() {
    let service = Service::start().await;
    service.publish(&[alert(1, &[])]).await;
    service.mails(1).await;
    let list = service.get("/api/v1/incidents").await.1;
    let id = list["incidents"][0]["id"].as_str().expect("an id");
    let body = json!({ "pseudonyms": [FOUR], "reason": REASON });
    let (status, problem) = service
        .post(&format!("/api/v1/incidents/{id}/reveals"), body)
        .await;
    assert_eq!(status, 403, "{problem}");
    assert!(
        problem["detail"].as_str().expect("text").contains("logged in"),
        "{problem}"
    );
    service.stop().await;
}
