//! The registry over the API: manual rows, imports, and what changes for the next alert without a restart.

use serde_json::{Value, json};

use crate::service::{self, Alerts, Service, http, smtp};
use crate::{BERGEN, STAVANGER};

crate::stores::on_both!(
    what_a_person_enters_holds_for_the_next_alert_and_is_in_the_audit_log,
    two_people_who_edit_at_once_do_not_write_over_each_other,
    what_cannot_be_is_refused_with_field_and_mend_and_leaves_no_trace,
    an_import_is_looked_at_before_it_is_taken_and_manual_rows_lie_over_it,
    another_instance_learns_of_a_change,
    a_file_that_contradicts_a_row_stops_nobody_from_being_told,
    questions_tell_nobody_and_a_rehearsal_says_what_would_move,
);

/// An answer with its headers.
struct Answer {
    status: u16,
    tag: String,
    body: Value,
}

async fn ask(service: &Service, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let all: Vec<&str> = ["x-requested-with: varde"]
        .iter()
        .chain(headers)
        .copied()
        .collect();
    let answer = http(service.address, method, path, &all, body).await;
    let (head, text) = answer.split_once("\r\n\r\n").expect("a body");
    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap_or_default();
    Answer {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status"),
        tag: tag.to_owned(),
        body: serde_json::from_str(text).unwrap_or(Value::String(text.to_owned())),
    }
}

fn path(number: &str) -> String {
    format!("/api/v1/registry/{number}")
}

fn contact(name: &str, email: &str) -> Value {
    json!({ "name": name, "email": email })
}

async fn what_a_person_enters_holds_for_the_next_alert_and_is_in_the_audit_log() {
    let service = Service::start().await;
    let seen = ask(&service, "GET", &path(STAVANGER), &[], "").await;
    assert_eq!((seen.status, seen.tag.as_str()), (200, "\"0\""), "{}", seen.body);
    assert_eq!(seen.body["manual"], Value::Null);

    let row = json!({ "number": STAVANGER, "names": { "en": "Stavanger Municipality" }, "reason": "ny vakt fra mandag",
        "responders": [{ "name": "Vakta i Stavanger", "withdrawn": true }, contact("Nyvakta", "ny@stavanger.example")] });
    let text = row.to_string();
    let put = ask(
        &service,
        "PUT",
        &path(STAVANGER),
        &[&format!("if-match: {}", seen.tag)],
        &text,
    )
    .await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(
        put.body["organization"]["names"],
        json!({ "nb": "Stavanger", "en": "Stavanger Municipality" })
    );
    assert_eq!(put.body["origins"]["names.en"], "manual");
    assert_eq!(put.body["origins"]["responders.Nyvakta"], "manual");
    assert_eq!(put.body["origins"].get("names.nb"), None, "the file's");
    assert_eq!(put.body["manual"]["reason"], "ny vakt fra mandag");
    assert_eq!(put.body["manual"]["by"], "analyst:KommuneCERT");

    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    assert_eq!(service.mails(1).await[0].to, "ny@stavanger.example");

    let (_, audit) = service
        .get(&format!("/api/v1/audit?subject=organization/{STAVANGER}"))
        .await;
    let entry = &audit["entries"][0];
    assert_eq!(
        (&entry["action"], &entry["before"]),
        (&"registry.put".into(), &Value::Null)
    );
    assert_eq!(
        entry["after"]["form"]["responders"][0]["email"],
        "ny@stavanger.example"
    );

    // Taken back: the file's contact is there again.
    let tag = format!("if-match: {}", put.tag);
    let gone = ask(
        &service,
        "DELETE",
        &format!("{}?reason=feil", path(STAVANGER)),
        &[&tag],
        "",
    )
    .await;
    assert_eq!((gone.status, gone.tag.as_str()), (200, "\"0\""), "{}", gone.body);
    service
        .publish(&[Alerts::new(STAVANGER).entity("10.9.9.9").make(2)])
        .await;
    assert_eq!(service.mails(2).await[1].to, "vakt@stavanger.example");
    let (_, audit) = service.get("/api/v1/audit?action=registry.delete").await;
    assert_eq!(audit["entries"][0]["before"]["form"]["number"], STAVANGER);
    service.stop().await;
}

async fn two_people_who_edit_at_once_do_not_write_over_each_other() {
    let service = Service::start().await;
    let row = |email: &str| {
        json!({ "number": BERGEN, "reason": "r", "responders": [contact("A", email)] }).to_string()
    };
    let answers = futures_of(&service, &row).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412]);
    let won = answers.iter().find(|answer| answer.status == 200).expect("one");
    let lost = answers
        .iter()
        .find(|answer| answer.status == 412)
        .expect("another");
    assert!(
        lost.body["detail"]
            .as_str()
            .expect("why")
            .contains("changed meanwhile"),
        "{}",
        lost.body
    );

    // Without saying what was seen, with another's tag, and with none where there is one.
    for (headers, status) in [
        (&[][..], 428),
        (&["if-match: \"0\""][..], 412),
        (&["if-match: *"][..], 412),
        (&["if-match: \"x\""][..], 412),
        (&["if-none-match: *"][..], 412),
    ] {
        let answer = ask(&service, "PUT", &path(BERGEN), headers, &row("x@b.example")).await;
        assert_eq!(answer.status, status, "{headers:?} {}", answer.body);
    }
    let tag = format!("if-match: {}", won.tag);
    let patch =
        json!({ "reason": "nynorsk", "names": { "nn": "Bergen" }, "sector": "public_administration" })
            .to_string();
    let patched = ask(&service, "PATCH", &path(BERGEN), &[&tag], &patch).await;
    assert_eq!(patched.status, 200, "{}", patched.body);
    assert_eq!(
        patched.body["manual"]["form"]["responders"][0]["name"], "A",
        "what was not named stays"
    );
    let stale = ask(&service, "PATCH", &path(BERGEN), &[&tag], &patch).await;
    assert_eq!(stale.status, 412);
    let tag = format!("if-match: {}", patched.tag);
    let unset = json!({ "reason": "likevel ikke", "sector": null }).to_string();
    let patched = ask(&service, "PATCH", &path(BERGEN), &[&tag], &unset).await;
    assert_eq!(
        (patched.status, patched.body["manual"]["form"].get("sector")),
        (200, None),
        "{}",
        patched.body
    );
    service.stop().await;
}

async fn futures_of(service: &Service, row: &(dyn Fn(&str) -> String + Sync)) -> Vec<Answer> {
    let path = path(BERGEN);
    let bodies = ["a@b.example", "b@b.example", "c@b.example", "d@b.example"].map(row);
    let [a, b, c, d] = &bodies;
    let put = |body| ask(service, "PUT", &path, &["if-match: \"0\""], body);
    let (a, b, c, d) = tokio::join!(put(a), put(b), put(c), put(d));
    vec![a, b, c, d]
}

async fn what_cannot_be_is_refused_with_field_and_mend_and_leaves_no_trace() {
    let service = Service::start().await;
    let fresh = ["if-none-match: *"];
    let parent = json!({ "number": STAVANGER, "parent": BERGEN, "reason": "r" }).to_string();
    assert_eq!(
        ask(&service, "PUT", &path(STAVANGER), &fresh, &parent)
            .await
            .status,
        200
    );
    let (_, before) = service.get("/api/v1/audit").await;
    for (number, row, field) in [
        (
            BERGEN,
            json!({ "number": BERGEN, "parent": STAVANGER }),
            "registry",
        ),
        (BERGEN, json!({ "number": BERGEN, "parent": BERGEN }), "parent"),
        (
            BERGEN,
            json!({ "number": BERGEN, "parent": "310000019" }),
            "parent",
        ),
        (BERGEN, json!({ "number": STAVANGER }), "number"),
        ("964338532", json!({ "number": "964338532" }), "number"),
        (
            "310000019",
            json!({ "number": "310000019" }),
            "organization 310000019, names.nb",
        ),
        (
            BERGEN,
            json!({ "number": BERGEN, "responders": [contact("A", "x")] }),
            "responders[0].email",
        ),
        (
            BERGEN,
            json!({ "number": BERGEN, "responders": [{ "name": "A" }] }),
            "organization 964338531, responders.A.email",
        ),
        (
            BERGEN,
            json!({ "number": BERGEN, "responders": [{ "name": "A", "webhook": "https://h.example/" }] }),
            "organization 964338531, responders.A.webhook",
        ),
        (
            BERGEN,
            json!({ "number": BERGEN, "responders": [contact("A", "a@b.no"), contact("A", "c@d.no")] }),
            "responders",
        ),
        (
            BERGEN,
            json!({ "number": BERGEN, "names": { "nb": "A\u{0}B" } }),
            "names.nb",
        ),
        (BERGEN, json!({ "number": BERGEN, "colour": "red" }), "body"),
        (BERGEN, json!({ "number": BERGEN, "turn": 1 }), "body"),
    ] {
        let mut row = row;
        row["reason"] = "r".into();
        let answer = ask(&service, "PUT", &path(number), &fresh, &row.to_string()).await;
        assert_eq!(answer.status, 422, "{row}: {}", answer.body);
        let named = answer.body["errors"][0]["field"].as_str().expect("a field");
        assert_eq!(named, field, "{}", answer.body);
        assert!(
            !answer.body["errors"][0]["mend"]
                .as_str()
                .expect("a mend")
                .is_empty()
        );
    }
    for reason in [Value::Null, "".into(), "a\nb".into(), "x".repeat(501).into()] {
        let row = json!({ "number": BERGEN, "reason": reason }).to_string();
        let answer = ask(&service, "PUT", &path(BERGEN), &fresh, &row).await;
        assert_eq!(
            (answer.status, &answer.body["errors"][0]["field"]),
            (422, &"reason".into())
        );
    }
    let gone = ask(
        &service,
        "DELETE",
        &format!("{}?reason=r", path(BERGEN)),
        &fresh,
        "",
    )
    .await;
    assert_eq!(gone.status, 404, "{}", gone.body);
    let (_, after) = service.get("/api/v1/audit").await;
    assert_eq!(before["head"], after["head"], "what was refused is no change");
    service.stop().await;
}

async fn an_import_is_looked_at_before_it_is_taken_and_manual_rows_lie_over_it() {
    let service = Service::start().await;
    let csv = "content-type: text/csv";
    let first = "number,name_nb,sector,contact,email\r\n310000019,Vannverket,drinking_water,Drift,drift@vann.example\r\n";
    let import = "/api/v1/registry/import";
    let seen = ask(&service, "POST", &format!("{import}/preview"), &[csv], first).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.body["added"], json!(["310000019"]));
    assert_eq!(service.get(&path("310000019")).await.0, 404, "only looked at");
    assert_eq!(
        ask(&service, "POST", &format!("{import}?reason=r"), &[csv], first)
            .await
            .status,
        428
    );
    let preview = seen.body["preview"].as_str().expect("a preview").to_owned();
    let other = first.replace("drift@", "annen@");
    let take = format!("{import}?preview={preview}&reason=fra+registeret");
    assert_eq!(
        ask(&service, "POST", &take, &[csv], &other).await.status,
        412,
        "not what was looked at"
    );
    assert_eq!(ask(&service, "POST", &take, &[csv], first).await.status, 200);
    assert_eq!(
        ask(&service, "POST", &take, &[csv], first).await.status,
        412,
        "another registry now"
    );

    // A person says something else of the sector, and the same of the contact; the import changes its mind.
    let row = json!({ "number": "310000019", "sector": "waste_water", "reason": "de driver avløp", "names": { "nn": "Vassverket" },
        "responders": [contact("Drift", "drift@vann.example")] });
    let put = ask(
        &service,
        "PUT",
        &path("310000019"),
        &["if-none-match: *"],
        &row.to_string(),
    )
    .await;
    assert_eq!(put.body["organization"]["sector"], "waste_water", "{}", put.body);
    assert_eq!(put.body["origins"]["names.nb"], "import");
    let (_, report) = service.get("/api/v1/registry/report").await;
    let kinds: Vec<(&str, &str)> = report["remarks"]
        .as_array()
        .expect("remarks")
        .iter()
        .map(|remark| {
            (
                remark["field"].as_str().expect("a field"),
                remark["kind"].as_str().expect("a kind"),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [("responders.Drift", "superfluous"), ("sector", "contradicts")],
        "{report}"
    );

    // What was imported goes out and comes in as the same bytes, in both forms.
    for (format, kind) in [("csv", "text/csv"), ("json", "application/json")] {
        let export = format!("/api/v1/registry/export?layer=import&format={format}");
        let text = http(service.address, "GET", &export, &[], "").await;
        let text = text.split_once("\r\n\r\n").expect("a body").1.to_owned();
        let kind = format!("content-type: {kind}");
        let seen = ask(&service, "POST", &format!("{import}/preview"), &[&kind], &text).await;
        assert_eq!(
            (&seen.body["unchanged"], &seen.body["changed"]),
            (&1.into(), &json!([])),
            "{}",
            seen.body
        );
    }
    let second = "number,name_nb\n310000027,Et annet verk\n";
    let seen = ask(&service, "POST", &format!("{import}/preview"), &[csv], second).await;
    assert_eq!(
        seen.status, 422,
        "the manual row would hang in the air: {}",
        seen.body
    );

    // Too large, of another kind, not UTF-8.
    let large = "x".repeat(8 * 1024 * 1024 + 1);
    let answer = ask(&service, "POST", &format!("{import}/preview"), &[csv], &large).await;
    assert_eq!(answer.status, 413);
    assert!(
        answer.body["detail"].as_str().expect("why").contains("8388608"),
        "{}",
        answer.body
    );
    assert_eq!(
        ask(&service, "POST", &format!("{import}/preview"), &[], second)
            .await
            .status,
        415
    );
    service.stop().await;
}

async fn another_instance_learns_of_a_change() {
    let (_listener, port, mut mails) = smtp();
    let folder = tempfile::tempdir().expect("a folder");
    let config = service::configure(folder.path(), port);
    let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
        .await
        .expect("a bus");
    service::ensure_topic(&bus).await;
    let one = Service::start_in(folder, config.clone(), bus.clone()).await;
    let other = Service::start_in(tempfile::tempdir().expect("a folder"), config, bus).await;
    let row = json!({ "number": STAVANGER, "reason": "r", "responders": [contact("Vakta i Stavanger", "begge@stavanger.example")] });
    let put = ask(
        &one,
        "PUT",
        &path(STAVANGER),
        &["if-none-match: *"],
        &row.to_string(),
    )
    .await;
    assert_eq!(put.status, 200, "{}", put.body);
    while other.get(&path(STAVANGER)).await.1["manual"] == Value::Null {
        tokio::task::yield_now().await;
    }
    other
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(STAVANGER).entity("10.7.7.7").make(2),
        ])
        .await;
    let told = mails
        .wait_for(|mails| 2 <= mails.len())
        .await
        .expect("told")
        .clone();
    assert!(
        told.iter().all(|mail| mail.to == "begge@stavanger.example"),
        "{told:?}"
    );
    one.stop().await;
    other.stop().await;
}

async fn questions_tell_nobody_and_a_rehearsal_says_what_would_move() {
    let service = Service::start().await;
    let alerts = [1, 2, 3].map(|number| {
        Alerts::new(STAVANGER)
            .entity(&format!("10.1.1.{number}"))
            .make(number)
    });
    service.publish(&alerts).await;
    service.publish(&[Alerts::new(BERGEN).make(9)]).await;
    service.mails(4).await;

    let asked = json!({ "organization": STAVANGER, "severity": "medium", "addresses": ["10.0.0.1", "2001:db8::1"], "zone": "ot" });
    let (status, explained) = service.post("/api/v1/route/explain", asked).await;
    assert_eq!((status, &explained["by"]), (200, &"own".into()), "{explained}");
    assert_eq!(explained["told"][0]["channels"], json!(["v…@stavanger.example"]));
    let (_, nobody) = service
        .post(
            "/api/v1/route/explain",
            json!({ "organization": "310000019", "severity": "informational" }),
        )
        .await;
    assert_eq!((&nobody["by"], &nobody["told"]), (&"nobody".into(), &json!([])));
    let bad = json!({ "organization": "1", "addresses": ["x"], "zone": "cellar", "severity": "huge", "at": "soon", "sensor": "å" });
    let (status, problem) = service.post("/api/v1/route/explain", bad).await;
    let fields: Vec<&str> = problem["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|error| error["field"].as_str())
        .collect();
    assert_eq!(
        (status, fields),
        (
            422,
            vec!["organization", "addresses[0]", "sensor", "zone", "severity", "at"]
        )
    );

    let row =
        json!({ "number": STAVANGER, "responders": [{ "name": "Vakta i Stavanger", "withdrawn": true }] });
    let (status, rehearsal) = service.post("/api/v1/registry/preview", row).await;
    assert_eq!(status, 200, "{rehearsal}");
    assert_eq!(
        (
            &rehearsal["looked_at"],
            &rehearsal["moved"],
            &rehearsal["fall_to_duty"],
            &rehearsal["looked_at_most"]
        ),
        (&4.into(), &3.into(), &3.into(), &2000.into()),
        "{rehearsal}"
    );
    let moved = &rehearsal["incidents"][0];
    assert_eq!(
        (&moved["from"]["by"], &moved["to"]["by"]),
        (&"own".into(), &"duty".into())
    );
    let same = json!({ "number": STAVANGER, "names": { "en": "S" } });
    assert_eq!(service.post("/api/v1/registry/preview", same).await.1["moved"], 0);

    let (_, coverage) = service.get("/api/v1/registry/coverage").await;
    let first = &coverage["organizations"][0];
    assert_eq!(
        (&first["duty_only"], &first["levels"][0]["by"]),
        (&"critical".into(), &"duty".into()),
        "{first}"
    );
    let stavanger = coverage["organizations"]
        .as_array()
        .expect("all")
        .iter()
        .find(|body| body["number"] == STAVANGER);
    assert_eq!(stavanger.expect("there")["duty_only"], Value::Null);
    let text = http(
        service.address,
        "GET",
        "/api/v1/registry/coverage?format=text",
        &[],
        "",
    )
    .await;
    assert!(
        text.contains("Who would receive nothing") && text.contains("  958935420 Oslo: up to critical"),
        "{text}"
    );
    assert_eq!(service.mails(4).await.len(), 4, "nobody was told anything");
    service.stop().await;
}

async fn a_file_that_contradicts_a_row_stops_nobody_from_being_told() {
    let service = Service::start().await;
    let none = ["if-none-match: *"];
    let row = json!({ "number": STAVANGER, "sensors": ["s-77"], "reason": "ny sensor" }).to_string();
    assert_eq!(
        ask(&service, "PUT", &path(STAVANGER), &none, &row).await.status,
        200
    );
    let row = json!({ "number": BERGEN, "responders": [contact("Nyvakta", "ny@bergen.example")], "reason": "ny vakt" });
    assert_eq!(
        ask(&service, "PUT", &path(BERGEN), &none, &row.to_string())
            .await
            .status,
        200
    );
    let stopped = service.stopped().await;
    // Somebody gives the same sensor to Bergen, in the file.
    let file = stopped.folder().join("responders.yml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let changed = text.replace("number: '964338531',", "number: '964338531', sensors: [s-77],");
    assert_ne!(text, changed);
    std::fs::write(&file, changed).expect("written");

    let service = stopped.again(alerting::clock::machine()).await;
    let left_out = async |count: u32| {
        let line = format!("alerting_registry_rows_left_out {count}");
        service.text("/metrics").await.contains(&line)
    };
    assert!(left_out(1).await);
    service
        .publish(&[Alerts::new(STAVANGER).make(1), Alerts::new(BERGEN).make(2)])
        .await;
    let mails = service.mails(3).await;
    let mut told: Vec<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    told.sort_unstable();
    // Stavanger's as the file says; what fits holds.
    assert_eq!(
        told,
        [
            "ny@bergen.example",
            "vakt@bergen.example",
            "vakt@stavanger.example"
        ]
    );
    let seen = ask(&service, "GET", &path(STAVANGER), &[], "").await;
    assert_eq!(
        seen.body["manual"]["form"]["sensors"],
        json!(["s-77"]),
        "it is there to be mended: {}",
        seen.body
    );
    let mended = json!({ "number": STAVANGER, "sensors": ["s-78"], "reason": "rettet" }).to_string();
    let tag = format!("if-match: {}", seen.tag);
    assert_eq!(
        ask(&service, "PUT", &path(STAVANGER), &[&tag], &mended)
            .await
            .status,
        200
    );
    assert!(left_out(0).await);
}
