//! Two people are two accounts, whatever they are called; and a part of an incident is asked about at its own site.

use ingest_trust::reveal::Question;
use serde_json::{Value, json};

use super::scene::{CLEAR, FOUR, REASON, SIX, Scene, public_key, told};
use crate::{BERGEN, STAVANGER, service::Alerts, stores::on_both};

on_both!(
    two_of_one_name_are_two_and_one_of_two_names_is_one,
    what_became_part_of_an_incident_is_asked_about_at_its_own_site,
);

async fn two_of_one_name_are_two_and_one_of_two_names_is_one() {
    let scene = Scene::begin().await;
    let named = async |text| scene.service.by_hand(text).await;
    // One account that is called otherwise by now.
    let body = json!({ "pseudonyms": [SIX], "reason": REASON });
    let own = scene.post("ola", "", body).await.1;
    let own = own["id"].as_str().expect("an id").to_owned();
    named("UPDATE account SET name = 'Navn olaf' WHERE login = 'ola'").await;
    let (status, problem) = scene.post("ola", &format!("/{own}/approve"), json!({})).await;
    assert_eq!(status, 403, "{problem}");
    assert!(
        problem["detail"].as_str().expect("text").contains("two people"),
        "{problem}"
    );
    // And taken back by whoever asked, whatever they are called; denied by another of that name.
    let refuse = format!("/{own}/refuse");
    let (status, view) = scene
        .post("ola", &refuse, json!({ "reason": "en annen gang" }))
        .await;
    assert_eq!((status, &view["state"]), (200, &json!("withdrawn")), "{view}");

    // Two accounts of one name.
    named("UPDATE account SET name = 'Navn kari' WHERE login = 'ola'").await;
    let denied = scene.asked(&[SIX]).await;
    let (status, view) = scene
        .post("ola", &format!("/{denied}/refuse"), json!({ "reason": "nei" }))
        .await;
    assert_eq!((status, &view["state"]), (200, &json!("denied")), "{view}");
    let id = scene.agreed(&[FOUR]).await;
    let envelope = scene.until_asked(1).await.remove(0);
    let question = Question::open(&envelope, &[public_key(scene.service.path())]).expect("believed");
    assert_ne!(question.asked_by, question.approved_by);
    for name in [&question.asked_by, &question.approved_by] {
        assert!(name.starts_with("Navn kari ("), "{name}");
    }
    scene.answer(STAVANGER, told(&id, &[FOUR])).await;
    scene.until_state(&id, "revealed").await;
    for who in ["kari", "ola", "ola"] {
        let view = scene.get(who, &format!("/{id}")).await.1;
        assert_eq!(view["revealed"][0]["stood_for"], CLEAR[0], "{view}");
    }
    let view = scene.get("kari", &format!("/{id}")).await.1;
    let looks = super::scene::steps(&view)
        .into_iter()
        .filter(|(step, _)| *step == "read");
    assert_eq!(looks.count(), 2, "each once: {view}");

    // Of a request from before accounts were kept nobody is known to be another.
    let old = scene.asked(&[SIX]).await;
    named("UPDATE reveal SET asked_account = NULL WHERE state = 'waiting'").await;
    named("UPDATE account SET name = 'Navn ola' WHERE login = 'ola'").await;
    assert_eq!(
        scene.post("ola", &format!("/{old}/approve"), json!({})).await.0,
        403
    );
    scene.service.stop().await;
}

/// Addresses that stand for machines of Bergen's.
const THEIRS: [&str; 2] = ["10.201.7.7", "fd5c:9a71::b:7"];

async fn what_became_part_of_an_incident_is_asked_about_at_its_own_site() {
    let scene = Scene::begin().await;
    // From March on Stavanger has Bergen's place: both incidents are Stavanger's, and the sensors are where they were.
    let Scene {
        service,
        cookies,
        incident,
        bus,
        producer,
    } = scene;
    let stopped = service.stopped().await;
    let folder = stopped.folder().to_owned();
    let changes = "on,from,from_name,to,to_name\n2026-03-02,4601,Bergen,1103,Stavanger\n";
    std::fs::write(folder.join("changes.csv"), changes).expect("written");
    let path = folder.join("alerting.yml");
    let text = std::fs::read_to_string(&path).expect("there");
    let with = format!("registry: {{ changes: {}, ", folder.join("changes.csv").display());
    std::fs::write(&path, text.replace("registry: { ", &with)).expect("written");
    let service = stopped.again(alerting::clock::machine()).await;
    let scene = Scene {
        service,
        cookies,
        incident,
        bus,
        producer,
    };
    let mut other = Alerts::new(BERGEN).entity(THEIRS[0]).make(2);
    let fields = &mut other.events[0].fields;
    fields.set("destination.ip", THEIRS[1]);
    fields.set("related.ip", FOUR);
    fields.set("varde.pseudonym.key", "0002-abcdef02");
    scene.service.publish(&[other]).await;
    scene.service.mails(2).await;
    let list = scene
        .call("kari", "GET", "/api/v1/incidents", Value::Null)
        .await
        .1;
    let rows = list["incidents"].as_array().expect("rows");
    let part = rows
        .iter()
        .find(|row| row["id"] != json!(scene.incident))
        .expect("another");
    let part = part["id"].as_str().expect("an id").to_owned();
    let merge = format!("/api/v1/incidents/{}/merge", scene.incident);
    let (status, whole) = scene
        .call("kari", "POST", &merge, json!({ "incidents": [part] }))
        .await;
    assert_eq!(status, 200, "{whole}");

    let askable = scene.get("kari", "").await.1["askable"].clone();
    for one in [FOUR, SIX, THEIRS[0], THEIRS[1]] {
        assert!(
            askable.as_array().expect("a list").contains(&json!(one)),
            "{one}: {askable}"
        );
    }
    for (pseudonyms, site, key) in [
        (&[SIX][..], STAVANGER, "0001-abcdef01"),
        (&[THEIRS[0], THEIRS[1]], BERGEN, "0002-abcdef02"),
    ] {
        let id = scene.agreed(pseudonyms).await;
        let view = scene.get("kari", &format!("/{id}")).await.1;
        assert_eq!(view["organization"]["number"], json!(site), "{view}");
        let envelope = scene.until_asked(1).await.remove(0);
        let question = Question::open(&envelope, &[public_key(scene.service.path())]).expect("believed");
        assert_eq!(
            (question.organization.as_str(), question.key.as_str()),
            (site, key)
        );
        scene.answer(site, told(&id, pseudonyms)).await;
        scene.until_state(&id, "revealed").await;
        scene.until_asked(0).await;
    }
    // Of both, and one that both have: the one site, or the other.
    for pseudonyms in [&[SIX, THEIRS[0]][..], &[FOUR]] {
        let body = json!({ "pseudonyms": pseudonyms, "reason": REASON });
        let (status, problem) = scene.post("kari", "", body).await;
        assert_eq!(status, 422, "{problem}");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains("one organisation alone"), "{detail}");
    }
    // From the part it is asked of the part's.
    let body = json!({ "pseudonyms": [FOUR], "reason": REASON });
    let reveals = format!("/api/v1/incidents/{part}/reveals");
    let (status, view) = scene.call("kari", "POST", &reveals, body).await;
    assert_eq!(
        (status, &view["organization"]["number"]),
        (201, &json!(BERGEN)),
        "{view}"
    );
    scene.service.stop().await;
}
