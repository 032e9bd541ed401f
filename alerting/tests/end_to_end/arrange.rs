//! Assign, merge, split, take back, remark: through the API, on both stores, and what alerts do that come meanwhile.

use serde_json::{Value, json};

use crate::{
    BERGEN, STAVANGER,
    access::{self, Answered, ask, log_in, person},
    escalation::{Hand, climbing},
    service::{Alerts, Service},
};

crate::stores::on_both!(
    what_was_merged_takes_alerts_and_answers_together_and_comes_apart_again,
    a_part_becomes_its_own_and_takes_what_comes_of_it,
    what_is_taken_back_is_corrected_and_only_ones_own_and_only_for_a_while,
    an_incident_is_given_to_who_may_see_it_and_remarks_are_read_by_whom_they_are_for,
    what_came_back_to_another_owner_tells_of_the_earlier_only_who_sees_it,
);

pub(crate) const ONE: &str = "10.1.2.3";
pub(crate) const TWO: &str = "2001:db8::5";

pub(crate) async fn list(service: &Service) -> Vec<Value> {
    let rows = service.get("/api/v1/incidents?limit=200").await.1;
    rows["incidents"].as_array().expect("rows").clone()
}

pub(crate) async fn id_of(service: &Service, entity: &str) -> String {
    let rows = list(service).await;
    let row = rows.iter().find(|row| row["entity"]["value"] == entity);
    row.expect("an incident")["id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

pub(crate) async fn detail(service: &Service, id: &str) -> Value {
    service.get(&format!("/api/v1/incidents/{id}")).await.1
}

pub(crate) async fn post(service: &Service, id: &str, verb: &str, body: Value) -> (u16, Value) {
    service
        .post(&format!("/api/v1/incidents/{id}/{verb}"), body)
        .await
}

/// All alerts that were published are applied once something that came after them is told.
pub(crate) async fn applied(service: &Service, mails: &mut usize, number: u32) {
    *mails += 1;
    let marker = Alerts::new(BERGEN)
        .entity(&format!("10.77.0.{number}"))
        .rule(&format!("marker-{number}"));
    service.publish(&[marker.make(number)]).await;
    service.mails(*mails).await;
}

pub(crate) fn count(incident: &Value) -> u64 {
    incident["count"].as_u64().expect("a number")
}

async fn what_was_merged_takes_alerts_and_answers_together_and_comes_apart_again() {
    let service = Service::start().await;
    let of = |entity: &str, number| Alerts::new(STAVANGER).entity(entity).make(number);
    service
        .publish(&[
            of(ONE, 1),
            of(TWO, 2),
            Alerts::new(BERGEN).entity("10.9.9.9").make(3),
        ])
        .await;
    let mut told = 3;
    let mails = service.mails(told).await;
    let (one, two) = (id_of(&service, ONE).await, id_of(&service, TWO).await);
    let foreign = id_of(&service, "10.9.9.9").await;
    let before = detail(&service, &two).await;

    let (status, answer) = post(&service, &one, "merge", json!({"incidents": [foreign]})).await;
    assert_eq!(status, 409, "another's: {answer}");
    assert!(!answer.to_string().contains("Bergen"), "{answer}");
    for (body, refused) in [
        (json!({"incidents": []}), 400),
        (json!({"incidents": [one]}), 409),
        (json!({"incidents": ["0".repeat(32)]}), 404),
    ] {
        assert_eq!(
            post(&service, &one, "merge", body.clone()).await.0,
            refused,
            "{body}"
        );
    }
    let (status, whole) = post(
        &service,
        &one,
        "merge",
        json!({"incidents": [two], "note": "samme maskin"}),
    )
    .await;
    assert_eq!((status, count(&whole)), (200, 2), "{whole}");
    assert_eq!(whole["parts"], json!([two]), "{whole}");
    let part = detail(&service, &two).await;
    assert_eq!(
        (&part["state"], &part["merged_into"]),
        (&json!("closed"), &json!(one))
    );
    for view in [&whole, &part] {
        assert!(view["timeline"].to_string().contains("samme maskin"), "{view}");
    }
    assert_eq!(
        post(&service, &two, "merge", json!({"incidents": [one]})).await.0,
        409,
        "a part is no survivor"
    );

    // What comes with the other's key is the survivor's, and nobody is told anew; the same alert twice is one.
    service.publish(&[of(TWO, 4), of(TWO, 4), of(TWO, 2)]).await;
    applied(&service, &mut told, 50).await;
    let (whole, part) = (detail(&service, &one).await, detail(&service, &two).await);
    assert_eq!((count(&whole), count(&part)), (3, 2), "{whole}");
    assert_eq!(list(&service).await.len(), 4, "no other incident was opened");

    // Who answers by the link to the part answers for the whole.
    let mail = mails
        .iter()
        .find(|mail| mail.raw_text().contains(TWO))
        .expect("told");
    let path = format!("/api/v1/responder/{}/acknowledge", mail.token());
    assert_eq!(service.post(&path, json!({})).await.0, 200);
    assert_eq!(detail(&service, &one).await["state"], "acknowledged");
    assert_eq!(
        post(&service, &one, "undo", json!({})).await.0,
        409,
        "another's answer stays"
    );

    let (status, rest) = post(&service, &one, "split", json!({"incident": two})).await;
    assert_eq!(
        (status, count(&rest), &rest["split_off"]),
        (200, 1, &json!(two)),
        "{rest}"
    );
    let part = detail(&service, &two).await;
    assert_eq!(
        (count(&part), &part["state"], &part["merged_into"]),
        (2, &json!("acknowledged"), &Value::Null)
    );

    // Merged and taken back: as before, with what came meanwhile.
    assert_eq!(
        post(&service, &one, "merge", json!({"incidents": [two]})).await.0,
        200
    );
    service.publish(&[of(TWO, 5), of(ONE, 6)]).await;
    applied(&service, &mut told, 51).await;
    let (status, rest) = post(&service, &one, "undo", json!({})).await;
    assert_eq!(
        (status, count(&rest), &rest["undo"]),
        (200, 2, &Value::Null),
        "{rest}"
    );
    let part = detail(&service, &two).await;
    assert_eq!((count(&part), &part["merged_into"]), (3, &Value::Null), "{part}");
    assert_eq!(part["severity"], before["severity"]);
    assert_eq!(post(&service, &one, "undo", json!({})).await.0, 409, "once");
    service.publish(&[of(TWO, 7)]).await;
    applied(&service, &mut told, 52).await;
    assert_eq!(
        count(&detail(&service, &two).await),
        4,
        "its key is its own again"
    );

    // After the end of the whole, what comes back is told of.
    assert_eq!(
        post(&service, &one, "merge", json!({"incidents": [two]})).await.0,
        200
    );
    assert_eq!(post(&service, &one, "close", json!({})).await.0, 200);
    service.publish(&[of(TWO, 8)]).await;
    told += 1;
    let mails = service.mails(told).await;
    assert!(
        mails[told - 1].text.contains("kommet tilbake"),
        "{}",
        mails[told - 1].text
    );
    let rows = list(&service).await;
    let back = rows
        .iter()
        .find(|row| row["entity"]["value"] == TWO && row["state"] != "closed");
    let back = back.expect("it is back")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(detail(&service, &back).await["relapse_of"], json!(one));
    service.stop().await;
}

async fn a_part_becomes_its_own_and_takes_what_comes_of_it() {
    let service = Service::start().await;
    let of = |entity: &str, number| Alerts::new(STAVANGER).entity(entity).make(number);
    let storm: Vec<_> = (1..=8_u32)
        .map(|host| of(&format!("10.5.0.{host}"), host))
        .collect();
    service.publish(&storm).await;
    let mut told = 6;
    service.mails(told).await;
    let crowd = id_of(&service, "*").await;
    applied(&service, &mut told, 60).await;
    assert_eq!(count(&detail(&service, &crowd).await), 3);

    let (status, rest) = post(&service, &crowd, "split", json!({"entity": "10.5.0.7"})).await;
    assert_eq!((status, count(&rest)), (200, 2), "{rest}");
    assert_eq!(rest["members_total"], 2, "{rest}");
    let own = rest["split_off"].as_str().expect("an id").to_owned();
    let part = detail(&service, &own).await;
    assert_eq!(
        (count(&part), &part["entity"]["value"]),
        (1, &json!("10.5.0.7")),
        "{part}"
    );
    service.publish(&[of("10.5.0.7", 20), of("10.5.0.8", 21)]).await;
    applied(&service, &mut told, 61).await;
    let counts = (
        count(&detail(&service, &own).await),
        count(&detail(&service, &crowd).await),
    );
    assert_eq!(counts, (2, 3), "its thing goes along, the others stay");
    for (body, refused) in [
        (json!({"entity": "10.5.0.99"}), 409),
        (json!({}), 400),
        (json!({"entity": "10.5.0.6", "alerts": ["x"]}), 400),
        (json!({"alerts": ["x"]}), 400),
        (json!({"incident": own}), 409),
    ] {
        let (status, answer) = post(&service, &crowd, "split", body.clone()).await;
        assert_eq!(status, refused, "{body}: {answer}");
    }

    // Taken back, it is a part; what comes of its thing counts in both, and it is among the many again.
    assert_eq!(post(&service, &crowd, "undo", json!({})).await.0, 200);
    let version = detail(&service, &own).await["version"].as_u64();
    service.publish(&[of("10.5.0.7", 22)]).await;
    applied(&service, &mut told, 62).await;
    let (whole, part) = (detail(&service, &crowd).await, detail(&service, &own).await);
    assert_eq!(
        (count(&whole), count(&part), &part["merged_into"]),
        (6, 3, &json!(crowd)),
        "{whole}"
    );
    let members = whole["members"].as_array().expect("a list");
    let member = members.iter().find(|member| member["value"] == "10.5.0.7");
    assert_eq!(
        (members.len(), &member.expect("there")["count"]),
        (3, &json!(3)),
        "{whole}"
    );
    assert_eq!(
        part["version"].as_u64(),
        version.map(|version| version + 1),
        "who reads it sees it"
    );
    // Taken out, it is not; what it had in itself stays.
    let (status, rest) = post(&service, &crowd, "split", json!({"incident": own})).await;
    assert_eq!((status, &rest["members_total"]), (200, &json!(2)), "{rest}");
    assert_eq!(
        post(&service, &crowd, "merge", json!({"incidents": [own]}))
            .await
            .0,
        200
    );

    // Some alerts of one thing; what comes later stays with the rest.
    let first = id_of(&service, "10.5.0.1").await;
    service.publish(&[of("10.5.0.1", 30), of("10.5.0.1", 31)]).await;
    applied(&service, &mut told, 63).await;
    let path = format!("/api/v1/incidents/{first}/alerts");
    let alerts = service.get(&path).await.1;
    let ids: Vec<_> = alerts["alerts"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    assert_eq!(ids.len(), 3, "{alerts}");
    assert_eq!(
        post(&service, &first, "split", json!({"alerts": ids})).await.0,
        409,
        "something stays"
    );
    let (status, rest) = post(&service, &first, "split", json!({"alerts": ids[..2]})).await;
    assert_eq!((status, count(&rest)), (200, 1), "{rest}");
    let own = rest["split_off"].as_str().expect("an id").to_owned();
    service.publish(&[of("10.5.0.1", 32)]).await;
    applied(&service, &mut told, 64).await;
    let counts = (
        count(&detail(&service, &own).await),
        count(&detail(&service, &first).await),
    );
    assert_eq!(counts, (2, 2));

    // It takes no alerts of its thing, so nothing of it came back; and as a part nothing that was done with it alone is taken back.
    assert_eq!(post(&service, &own, "close", json!({})).await.0, 200);
    assert_eq!(post(&service, &own, "undo", json!({})).await.0, 200);
    assert_eq!(post(&service, &own, "acknowledge", json!({})).await.0, 200);
    assert_eq!(post(&service, &first, "undo", json!({})).await.0, 200);
    assert_eq!(post(&service, &own, "undo", json!({})).await.0, 409);
    assert_eq!(detail(&service, &own).await["state"], "closed");

    // What came back as a part of something open came back.
    let second = id_of(&service, "10.5.0.2").await;
    assert_eq!(post(&service, &second, "close", json!({})).await.0, 200);
    service.publish(&[of("10.5.0.2", 40)]).await;
    told += 1;
    applied(&service, &mut told, 65).await;
    let rows = list(&service).await;
    let again = rows
        .iter()
        .find(|row| row["entity"]["value"] == "10.5.0.2" && row["state"] != "closed");
    let again = &again.expect("opened")["id"];
    assert_eq!(
        post(&service, &first, "merge", json!({"incidents": [again]}))
            .await
            .0,
        200
    );
    assert_eq!(post(&service, &second, "undo", json!({})).await.0, 409);
    service.stop().await;
}

async fn what_is_taken_back_is_corrected_and_only_ones_own_and_only_for_a_while() {
    let hand = Hand::new();
    let service = Service::steered(hand.clock(), climbing).await;
    let alert = |number| Alerts::new(STAVANGER).make(number);
    service.publish(&[alert(1)]).await;
    service.mails(1).await;
    let id = id_of(&service, ONE).await;
    let due = async || detail(&service, &id).await["escalation"]["next_at"].clone();
    let waiting = due().await;
    assert!(waiting.is_string(), "{waiting}");
    for (verb, body) in [
        ("acknowledge", json!({"note": "min"})),
        ("verdict", json!({"verdict": "false_positive"})),
        ("close", json!({})),
    ] {
        assert_eq!(post(&service, &id, verb, body).await.0, 200);
        assert_eq!(due().await, Value::Null, "{verb}");
        assert_eq!(detail(&service, &id).await["undo"]["what"], verb);
        let (status, back) = post(&service, &id, "undo", json!({})).await;
        assert_eq!(
            (status, &back["state"], &back["verdict"]),
            (200, &json!("notified"), &Value::Null),
            "{back}"
        );
        assert_eq!(
            due().await,
            waiting,
            "{verb}: whoever was waited for is waited for"
        );
    }
    let fared = service.get("/api/v1/statistics/conclusions").await.1;
    assert_eq!(fared["rules"], json!([]), "what was concluded is not");
    // Who was told is told that it was a mistake, once.
    assert_eq!(
        post(&service, &id, "verdict", json!({"verdict": "need_help"}))
            .await
            .0,
        200
    );
    assert_eq!(service.mails(2).await[1].to, "duty@cert.example");
    assert_eq!(post(&service, &id, "undo", json!({})).await.0, 200);
    let mails = service.mails(3).await;
    assert_eq!(mails[2].to, "duty@cert.example");
    assert!(mails[2].text.contains("Rettelse"), "{}", mails[2].text);

    // For ten minutes.
    assert_eq!(post(&service, &id, "close", json!({})).await.0, 200);
    hand.forward(11);
    let (status, late) = post(&service, &id, "undo", json!({})).await;
    assert_eq!(status, 409, "{late}");
    assert!(
        late["detail"].as_str().unwrap_or_default().contains("10 minutes"),
        "{late}"
    );
    // It came back: there are two now, and the closed one stays closed.
    service.publish(&[alert(2)]).await;
    service.mails(4).await;
    let rows = list(&service).await;
    let open = rows
        .iter()
        .find(|row| row["state"] != "closed")
        .expect("it is back");
    let open = open["id"].as_str().expect("an id").to_owned();
    assert_eq!(post(&service, &open, "close", json!({})).await.0, 200);
    service.publish(&[alert(3)]).await;
    service.mails(5).await;
    let (status, back) = post(&service, &open, "undo", json!({})).await;
    assert_eq!(status, 409, "{back}");
    assert!(
        back["detail"].as_str().unwrap_or_default().contains("came back"),
        "{back}"
    );
    service.stop().await;
}

async fn as_(service: &Service, cookie: &str, id: &str, verb: &str, body: Value) -> Answered {
    let path = format!("/api/v1/incidents/{id}/{verb}");
    ask(service, "POST", &path, &[cookie], &body.to_string()).await
}

async fn an_incident_is_given_to_who_may_see_it_and_remarks_are_read_by_whom_they_are_for() {
    let more = "}\nincidents: { assign_on_acknowledge: true";
    let service = access::start_with(more).await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(STAVANGER).entity(TWO).make(2),
        ])
        .await;
    service.mails(2).await;
    let mut analyst = person(&service, "kari", &["analyst"], &[]);
    let mut responder = person(&service, "ola", &["responder:964965226"], &[]);
    person(&service, "berit", &["responder:964338531"], &[]);
    person(&service, "revisor", &["auditor"], &[]);
    let cookie = log_in(&service, &mut analyst).await;
    let theirs = log_in(&service, &mut responder).await;
    let rows = ask(&service, "GET", "/api/v1/incidents", &[&cookie], "")
        .await
        .json();
    let ids: Vec<String> = rows["incidents"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["id"].as_str().expect("an id").to_owned())
        .collect();
    let id = &ids[0];
    let path = format!("/api/v1/incidents/{id}/assignees");
    let all = ask(&service, "GET", &path, &[&cookie], "").await.json();
    let logins: Vec<_> = all["assignees"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["login"])
        .collect();
    assert_eq!(logins, ["kari", "ola"], "{all}");
    for login in ["berit", "revisor", "ingen"] {
        let given = as_(&service, &cookie, id, "assign", json!({"assignee": login})).await;
        assert_eq!(given.status, 422, "{login}: {given:?}");
    }
    let given = as_(
        &service,
        &cookie,
        id,
        "assign",
        json!({"assignee": "Ola", "note": "din"}),
    )
    .await;
    assert_eq!(
        (given.status, &given.json()["assignee"]),
        (200, &json!("Navn ola")),
        "{given:?}"
    );
    let nobody = as_(&service, &cookie, id, "assign", json!({"assignee": null})).await;
    assert_eq!(nobody.json()["assignee"], Value::Null);
    let back = as_(&service, &cookie, id, "undo", json!({})).await;
    assert_eq!(back.json()["assignee"], "Navn ola", "{back:?}");
    assert_eq!(
        as_(&service, &theirs, id, "assign", json!({"assignee": null}))
            .await
            .status,
        403
    );
    assert_eq!(
        as_(&service, &theirs, id, "merge", json!({"incidents": [ids[1]]}))
            .await
            .status,
        403
    );
    // Who takes what is nobody's works on it; what is somebody's stays theirs.
    let taken = as_(&service, &cookie, &ids[1], "acknowledge", json!({})).await;
    assert_eq!(taken.json()["assignee"], "Navn kari", "{taken:?}");
    let taken = as_(&service, &cookie, id, "acknowledge", json!({})).await;
    assert_eq!(taken.json()["assignee"], "Navn ola", "{taken:?}");
    let back = as_(&service, &cookie, &ids[1], "undo", json!({})).await;
    assert_eq!(
        (&back.json()["assignee"], &back.json()["state"]),
        (&Value::Null, &json!("notified"))
    );

    let inner = as_(&service, &cookie, id, "comment", json!({"note": "bare for oss"})).await;
    assert_eq!(inner.status, 200, "{inner:?}");
    let both = json!({"note": "hva heter maskinen?", "visibility": "shared"});
    as_(&service, &cookie, id, "comment", both).await;
    let said = as_(
        &service,
        &theirs,
        id,
        "comment",
        json!({"note": "den heter filtjener"}),
    )
    .await;
    let remarks = &said.json()["remarks"];
    assert_eq!(
        (&remarks[0]["text"], &remarks[1]["text"], &remarks[2]),
        (
            &json!("hva heter maskinen?"),
            &json!("den heter filtjener"),
            &Value::Null
        ),
        "{said:?}"
    );
    assert!(!said.body.contains("bare for oss"), "{said:?}");
    let hidden = json!({"note": "x", "visibility": "internal"});
    assert_eq!(as_(&service, &theirs, id, "comment", hidden).await.status, 403);
    assert_eq!(
        as_(&service, &cookie, id, "comment", json!({"note": " "}))
            .await
            .status,
        400
    );

    let many = json!({"action": "close", "verdict": "false_positive", "note": "planlagt", "incidents": [ids[0], ids[1], "0".repeat(32)]});
    let done = ask(
        &service,
        "POST",
        "/api/v1/incidents/bulk",
        &[&cookie],
        &many.to_string(),
    )
    .await;
    let told = done.json();
    assert_eq!(told["incidents"][&ids[0]]["done"], true, "{told}");
    assert_eq!(told["incidents"][&"0".repeat(32)]["done"], false, "{told}");
    let path = format!("/api/v1/incidents/{}", ids[1]);
    let closed = ask(&service, "GET", &path, &[&cookie], "").await.json();
    assert_eq!(
        (&closed["state"], &closed["verdict"]),
        (&json!("closed"), &json!("false_positive"))
    );
    let refused = ask(
        &service,
        "POST",
        "/api/v1/incidents/bulk",
        &[&theirs],
        &many.to_string(),
    )
    .await;
    assert_eq!(refused.json()["incidents"][&ids[0]]["done"], false, "{refused:?}");
    service.stop().await;
}

/// A body inside Stavanger's network that takes over a part of it.
const INSIDE: &str = "944496394";

async fn what_came_back_to_another_owner_tells_of_the_earlier_only_who_sees_it() {
    let service = access::start().await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    service.mails(1).await;
    let mut analyst = person(&service, "kari", &["analyst"], &[]);
    let mut inside = person(&service, "inni", &[&format!("responder:{INSIDE}")], &[]);
    let cookie = log_in(&service, &mut analyst).await;
    let theirs = log_in(&service, &mut inside).await;
    let rows = ask(&service, "GET", "/api/v1/incidents", &[&cookie], "")
        .await
        .json();
    let first = rows["incidents"][0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        as_(&service, &cookie, &first, "close", json!({})).await.status,
        200
    );
    let stopped = service.stopped().await;
    let responders = "organizations:\n\
        - { number: '964965226', networks: [10.0.0.0/8], responders: [{ name: Vakta, email: vakt@stavanger.example }] }\n\
        - { number: '944496394', names: { nb: Inni }, networks: [10.1.2.0/24], operator: '964965226', \
            responders: [{ name: Inni, email: vakt@inni.example }] }\n";
    std::fs::write(stopped.folder().join("responders.yml"), responders).expect("written");
    let service = stopped.again(alerting::clock::machine()).await;
    service.publish(&[Alerts::new(STAVANGER).make(2)]).await;
    let mails = service.mails(2).await;
    assert_eq!(mails[1].to, "vakt@inni.example");
    assert!(mails[1].text.contains("kommet tilbake"), "{}", mails[1].text);
    assert!(!mails[1].raw_text().contains(&first), "{}", mails[1].raw_text());
    let rows = ask(&service, "GET", "/api/v1/incidents", &[&theirs], "")
        .await
        .json();
    assert_eq!(rows["total"], 1, "{rows}");
    let second = rows["incidents"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/incidents/{second}");
    let of = async |cookie: &str| ask(&service, "GET", &path, &[cookie], "").await;
    assert_eq!(
        of(&cookie).await.json()["relapse_of"],
        json!(first),
        "the CERT sees both"
    );
    let view = of(&theirs).await;
    assert_eq!(view.json()["relapse_of"], Value::Null, "{view:?}");
    assert!(!view.body.contains(&first), "{view:?}");
    service.stop().await;
}
