//! Lists of organisations and silences go on where a part of them ended; a silence has a tag.

use serde_json::{Value, json};

use crate::{
    BERGEN, STAVANGER,
    access::{self, Answered, ask, log_in, person},
    service::{Alerts, Service},
    stores::on_both,
};

on_both!(
    organizations_go_on_where_a_part_ended,
    silences_go_on_where_a_part_ended_and_one_has_a_tag,
);

fn header(answer: &Answered, name: &str) -> Option<String> {
    let line = answer.head.lines().find_map(|line| line.strip_prefix(name));
    line.map(|value| value.trim_start_matches(": ").trim().to_owned())
}

async fn get(service: &Service, cookie: &str, path: &str) -> Answered {
    ask(service, "GET", path, &[cookie], "").await
}

async fn organizations_go_on_where_a_part_ended() {
    let service = access::start().await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;
    service.mails(2).await;
    let mut chief = person(&service, "chief", &["analyst"], &[]);
    let mut theirs = person(&service, "berit", &[&format!("responder:{BERGEN}")], &[]);
    let (chief, theirs) = (
        log_in(&service, &mut chief).await,
        log_in(&service, &mut theirs).await,
    );
    let numbers = |answer: &Answered| -> Vec<Value> {
        let list = answer.json();
        let list = list.as_array().expect("a list").iter();
        list.map(|one| one["number"].clone()).collect()
    };
    let all = get(&service, &chief, "/api/v1/organizations").await;
    assert_eq!(numbers(&all), [json!(BERGEN), json!(STAVANGER)]);
    assert_eq!(header(&all, "link"), None);
    let first = get(&service, &chief, "/api/v1/organizations?limit=1").await;
    assert_eq!(numbers(&first), [json!(BERGEN)]);
    let link = header(&first, "link").expect("it goes on");
    let next = link
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .expect("an address");
    assert_eq!(next.1, "; rel=\"next\"");
    let second = get(&service, &chief, next.0).await;
    assert_eq!(
        (numbers(&second), header(&second, "link")),
        (vec![json!(STAVANGER)], None)
    );
    // Who sees one is told of no other, and that there is none after it.
    let own = get(&service, &theirs, "/api/v1/organizations?limit=1").await;
    assert_eq!((numbers(&own), header(&own, "link")), (vec![json!(BERGEN)], None));
    let after = get(&service, &theirs, next.0).await;
    assert_eq!(numbers(&after), [] as [Value; 0]);
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("cursor=x", "cursor"),
        ("q=x", "q"),
    ] {
        let refused = get(&service, &chief, &format!("/api/v1/organizations?{query}")).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.body.contains(&format!("`{name}`")), "{refused:?}");
    }
    service.stop().await;
}

async fn silences_go_on_where_a_part_ended_and_one_has_a_tag() {
    let service = access::start().await;
    let mut officer = person(&service, "ola", &["duty_officer"], &[]);
    let mut theirs = person(&service, "berit", &[&format!("responder:{BERGEN}")], &[]);
    let (officer, theirs) = (
        log_in(&service, &mut officer).await,
        log_in(&service, &mut theirs).await,
    );
    let mut begun = Vec::new();
    // Two end at once: the name tells which comes first.
    for (reason, until) in [("a", "01"), ("b", "01"), ("c", "02")] {
        let body = json!({ "organization": BERGEN, "reason": reason, "from": "2098-12-31T00:00:00Z",
            "until": format!("2099-01-{until}T00:00:00Z") });
        let answer = ask(
            &service,
            "POST",
            "/api/v1/silences",
            &[&officer],
            &body.to_string(),
        )
        .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        begun.push(answer.json()["id"].as_str().expect("an id").to_owned());
    }
    let ids = |answer: &Answered| -> Vec<String> {
        let list = answer.json();
        let list = list["silences"].as_array().expect("a list").iter();
        list.map(|one| one["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    let all = get(&service, &officer, "/api/v1/silences").await;
    assert_eq!(
        (ids(&all).len(), all.json()["next_cursor"].clone()),
        (3, Value::Null)
    );
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = get(&service, &officer, &format!("/api/v1/silences?limit=1{cursor}")).await;
        found.extend(ids(&page));
        cursor = format!(
            "&cursor={}",
            page.json()["next_cursor"].as_str().unwrap_or_default()
        );
    }
    assert_eq!(found, ids(&all), "each once and in order");
    assert_eq!(cursor, "&cursor=", "and then no more");
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("q=x", "q"),
    ] {
        let refused = get(&service, &officer, &format!("/api/v1/silences?{query}")).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.body.contains(&format!("`{name}`")), "{refused:?}");
    }

    let path = format!("/api/v1/silences/{}", begun[0]);
    let one = get(&service, &officer, &path).await;
    assert_eq!((one.status, &one.json()["reason"]), (200, &json!("a")), "{one:?}");
    let tag = header(&one, "etag").expect("a tag");
    let known = format!("if-none-match: {tag}");
    assert_eq!(
        ask(&service, "GET", &path, &[&officer, &known], "").await.status,
        304
    );
    assert_eq!(ask(&service, "DELETE", &path, &[&officer], "").await.status, 200);
    let ended = ask(&service, "GET", &path, &[&officer, &known], "").await;
    assert_eq!(ended.status, 200, "it is shown otherwise: {ended:?}");
    assert_ne!(header(&ended, "etag"), Some(tag));
    assert_eq!(get(&service, &theirs, &path).await.status, 403);
    let nobodys = format!("/api/v1/silences/{}", "0".repeat(32));
    assert_eq!(get(&service, &officer, &nobodys).await.status, 404);
    service.stop().await;
}
