//! Who did it goes by the account: two people may be called the same, and one may be called otherwise later.

use serde_json::{Value, json};

use crate::{
    STAVANGER,
    access::{self, ask, log_in, person, try_login},
    service::{Alerts, Service},
    stores::on_both,
};

on_both!(
    of_two_with_one_name_each_takes_back_and_ends_only_what_is_theirs,
    what_is_from_before_accounts_were_kept_is_nobodys_who_has_one,
    failures_to_log_in_write_two_entries_however_many_they_are,
    no_account_takes_the_streams_of_all,
);

/// Looks until something is there: for a minute at most.
macro_rules! comes {
    ($look:expr) => {{
        let mut found = None;
        for _ in 0..3_000 {
            found = $look;
            if found.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        found.expect("it comes")
    }};
}

/// Two analysts of one name, with the cookies of both, and an incident.
async fn namesakes() -> (Service, [String; 2], String) {
    let service = access::start().await;
    let mut cookies = Vec::new();
    for login in ["kari", "karin"] {
        let mut given = person(&service, login, &["analyst"], &[]);
        cookies.push(log_in(&service, &mut given).await);
    }
    service
        .by_hand("UPDATE account SET name = 'Kari Nordmann' WHERE login IN ('kari', 'karin')")
        .await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    service.mails(1).await;
    let list = ask(&service, "GET", "/api/v1/incidents", &[&cookies[0]], "").await;
    let id = list.json()["incidents"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let cookies = cookies.try_into().expect("two");
    (service, cookies, id)
}

async fn post(service: &Service, cookie: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = ask(service, "POST", path, &[cookie], &body.to_string()).await;
    (answer.status, answer.json())
}

async fn get(service: &Service, cookie: &str, path: &str) -> Value {
    ask(service, "GET", path, &[cookie], "").await.json()
}

async fn silenced(service: &Service, cookie: &str) -> String {
    let until = alerting::clock::machine()
        .now()
        .saturating_add(std::time::Duration::from_hours(2));
    let body = json!({ "organization": STAVANGER, "reason": "arbeid", "until": until.to_string() });
    let (status, silence) = post(service, cookie, "/api/v1/silences", body).await;
    assert_eq!(status, 201, "{silence}");
    format!("/api/v1/silences/{}", silence["id"].as_str().expect("an id"))
}

async fn ended(service: &Service, cookie: &str, silence: &str) -> u16 {
    ask(service, "DELETE", silence, &[cookie], "").await.status
}

async fn of_two_with_one_name_each_takes_back_and_ends_only_what_is_theirs() {
    let (service, [kari, karin], id) = namesakes().await;
    let one = format!("/api/v1/incidents/{id}");
    let undo = format!("{one}/undo");
    let (acknowledge, comment) = (format!("{one}/acknowledge"), format!("{one}/comment"));
    assert_eq!(post(&service, &kari, &acknowledge, json!({})).await.0, 200);
    assert_eq!(get(&service, &kari, &one).await["undo"]["what"], "acknowledge");
    assert_eq!(get(&service, &karin, &one).await["undo"], Value::Null);
    let (status, problem) = post(&service, &karin, &undo, json!({})).await;
    assert_eq!(status, 409, "her namesake's: {problem}");
    let silence = silenced(&service, &kari).await;
    assert_eq!(ended(&service, &karin, &silence).await, 403, "her namesake's");
    // The same words of two people are two remarks, and of one are one.
    for cookie in [&kari, &karin, &karin] {
        let body = json!({ "note": "sett på" });
        assert_eq!(post(&service, cookie, &comment, body).await.0, 200);
    }
    let view = get(&service, &kari, &one).await.to_string();
    assert_eq!(view.matches("sett på").count(), 2, "{view}");

    // Called otherwise since, she is who she was.
    service
        .by_hand("UPDATE account SET name = 'Kari Gift' WHERE login = 'kari'")
        .await;
    assert_eq!(ended(&service, &kari, &silence).await, 200);
    let (status, view) = post(&service, &kari, &undo, json!({})).await;
    assert_eq!((status, &view["state"]), (200, &json!("notified")), "{view}");

    // The audit log tells the two apart, and its chain holds with entries of both forms.
    assert_eq!(post(&service, &karin, &acknowledge, json!({})).await.0, 200);
    let second = silenced(&service, &karin).await;
    assert_eq!(ended(&service, &karin, &second).await, 200);
    let config = alerting::config::Config::read(&service.path().join("alerting.yml")).expect("read");
    let log = alerting::audit::Log::open(&config).await.expect("opened");
    let entries = log.after(0).await.expect("entries");
    let begun: Vec<_> = entries
        .iter()
        .filter(|entry| entry.deed.action == "silence.begun")
        .map(|entry| (entry.deed.actor.as_str(), entry.deed.account.clone()))
        .collect();
    let [(one, first), (other, second)] = begun.as_slice() else {
        panic!("two: {begun:?}");
    };
    assert_eq!((*one, *other), ("analyst:Kari Nordmann", "analyst:Kari Nordmann"));
    assert!(
        first.is_some() && second.is_some() && first != second,
        "{begun:?}"
    );
    assert!(
        entries.iter().any(|entry| entry.deed.account.is_none()),
        "of Varde itself"
    );
    let mut chain = alerting::audit::Chain::expecting([log.head().await.expect("a head")]);
    for entry in &entries {
        chain.follow(entry).expect("it follows");
    }
    chain.finish().expect("whole");
    service.stop().await;
}

async fn what_is_from_before_accounts_were_kept_is_nobodys_who_has_one() {
    let (service, [kari, _], id) = namesakes().await;
    let one = format!("/api/v1/incidents/{id}");
    let mut officer = person(&service, "ola", &["duty_officer"], &[]);
    let officer = log_in(&service, &mut officer).await;
    assert_eq!(
        post(&service, &kari, &format!("{one}/acknowledge"), json!({}))
            .await
            .0,
        200
    );
    let silence = silenced(&service, &kari).await;
    service.by_hand("UPDATE undo SET account = NULL").await;
    service.by_hand("UPDATE silence SET account = NULL").await;
    assert_eq!(get(&service, &kari, &one).await["undo"], Value::Null);
    assert_eq!(
        post(&service, &kari, &format!("{one}/undo"), json!({})).await.0,
        409
    );
    assert_eq!(ended(&service, &kari, &silence).await, 403);
    assert_eq!(
        ended(&service, &officer, &silence).await,
        200,
        "who manages them all"
    );
    service.stop().await;
}

async fn failures_to_log_in_write_two_entries_however_many_they_are() {
    let hand = crate::escalation::Hand::new();
    let service = access::start_at(hand.clock(), "").await;
    let mut officer = person(&service, "ola", &["duty_officer"], &[]);
    let cookie = log_in(&service, &mut officer).await;
    person(&service, "kari", &["analyst"], &[]);
    for nth in 0..4 {
        let body = json!({ "login": "kari", "password": "gjetter og gjetter", "code": "000000" });
        assert_eq!(try_login(&service, &body).await.status, 401, "{nth}");
    }
    for nth in 0..12 {
        let login = format!("ingen-{nth}");
        let body = json!({ "login": login, "password": "gjetter og gjetter", "code": "000000" });
        assert_eq!(try_login(&service, &body).await.status, 401, "{nth}");
    }
    let failed = async || {
        let log = get(&service, &cookie, "/api/v1/audit?action=login.failed&limit=200").await;
        log["entries"].as_array().expect("entries").clone()
    };
    let names = |entries: &[Value]| {
        let mut names: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry["actor"].as_str().expect("a name").to_owned(),
                    entry["after"]["more"].clone(),
                )
            })
            .collect();
        names.sort_by_key(|(name, more)| (name.clone(), more.as_i64()));
        names
    };
    let entries = failed().await;
    let first = |name: &str| (name.to_owned(), Value::Null);
    assert_eq!(
        names(&entries),
        [first("Navn kari"), first("unknown")],
        "{entries:?}"
    );
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry["account"].is_string())
            .count(),
        1,
        "{entries:?}"
    );

    // A quarter of an hour on, the others are told as numbers; and what comes then is a first one again.
    hand.forward(16);
    let entries = comes!({
        let entries = failed().await;
        (entries.len() == 4).then_some(entries)
    });
    let more = |name: &str, count: i64| (name.to_owned(), json!(count));
    assert_eq!(
        names(&entries),
        [
            first("Navn kari"),
            more("Navn kari", 3),
            first("unknown"),
            more("unknown", 11)
        ],
        "{entries:?}"
    );
    let body = json!({ "login": "kari", "password": "gjetter og gjetter", "code": "000000" });
    assert_eq!(try_login(&service, &body).await.status, 401);
    assert_eq!(failed().await.len(), 5);
    service.stop().await;
}

async fn no_account_takes_the_streams_of_all() {
    let (service, [kari, karin], _) = namesakes().await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(service.stream(&kari).await);
    }
    let refused = service.stream(&kari).await.until("\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    // Her namesake has places of her own.
    let mut theirs = service.stream(&karin).await;
    service
        .publish(&[Alerts::new(STAVANGER).entity("10.9.9.9").make(2)])
        .await;
    theirs.until("10.9.9.9").await;
    // Whoever closes a page has a place again.
    drop(open);
    service
        .publish(&[Alerts::new(STAVANGER).entity("10.9.9.8").make(3)])
        .await;
    theirs.until("10.9.9.8").await;
    comes!({
        let head = service.stream(&kari).await.until("\r\n\r\n").await;
        head.starts_with("HTTP/1.1 200").then_some(())
    });
    service.stop().await;
}
