//! Which roles somebody has by a provider's word, and how each of them ends.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use ingest_event::Timestamp;
use serde_json::{Value, json};

use super::{
    bound,
    harness::{Browser, location},
    start, start_by, status,
};
use crate::{
    BERGEN, STAVANGER,
    access::{accounts, ask, grant, log_in as log_in_here, person},
    service::Alerts,
    stores::on_both,
};

on_both!(
    what_is_taken_back_or_has_ended_is_refused_at_the_next_request,
    what_a_provider_says_of_organisations_and_groups_is_trusted_by_rule,
    who_is_vouched_for_is_given_incidents_as_others_are,
    each_way_of_signing_and_of_showing_which_client_one_is_works,
);

/// In milliseconds.
const DAY: i64 = 24 * 3_600_000;

async fn what_is_taken_back_or_has_ended_is_refused_at_the_next_request() {
    let minutes = Arc::new(AtomicI64::new(0));
    let hand = Arc::clone(&minutes);
    let start = alerting::clock::machine().now().as_millis();
    let machine = alerting::clock::machine();
    let clock = alerting::clock::steered(move || {
        Timestamp::from_millis(machine.now().as_millis() + hand.load(Ordering::Relaxed) * 60_000)
    });
    let access = "idle_minutes: 1440, session_hours: 168,";
    let (provider, service) = start_by(clock, "ansattporten", "", access).await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;
    service.mails(2).await;
    provider.user("drift", "high", json!({})).await;
    let mut browser = Browser::default();
    let day = Timestamp::from_millis(start + 2 * DAY).to_string();
    let until = format!("delegated_operator:{BERGEN}:{}", &day[..10]);
    bound(&service, &mut browser, "drift", &[&until]).await;
    browser.log_in(&service).await;
    let session = browser.session(&service).expect("a session");
    let list = ask(&service, "GET", "/api/v1/incidents", &[&session], "").await;
    assert_eq!(list.json()["total"], 1, "{list:?}");
    assert!(
        list.body.contains("2001:db8::7") && !list.body.contains(STAVANGER),
        "{list:?}"
    );
    for path in ["/api/v1/audit", "/api/v1/registry", "/api/v1/silences"] {
        assert_eq!(status(&service, path, &session).await, 403, "{path}");
    }

    // Used now and then until its last minute, and refused after it.
    let end = (start / DAY + 2) * DAY;
    let last = (end - start) / 60_000;
    for (minute, answer) in [
        (last / 3, 200),
        (last / 3 * 2, 200),
        (last - 30, 200),
        (last + 1, 401),
    ] {
        minutes.store(minute, Ordering::Relaxed);
        let found = status(&service, "/api/v1/incidents", &session).await;
        assert_eq!(found, answer, "minute {minute} of {last}");
    }
    minutes.store(0, Ordering::Relaxed);
    assert_eq!(status(&service, "/api/v1/incidents", &session).await, 200);

    // Taken back while the session and its stream are open.
    let mut stream = service.stream(&session).await;
    service
        .publish(&[Alerts::new(BERGEN).entity("2001:db8::8").make(3)])
        .await;
    stream.until("2001:db8::8").await;
    let arguments = ["revoke", "drift", "delegated_operator", "--organization", BERGEN];
    accounts(service.path(), &arguments).expect("taken back");
    for path in [
        "/api/v1/incidents",
        "/api/v1/me",
        "/api/v1/organizations",
        "/api/v1/stream",
    ] {
        assert_eq!(status(&service, path, &session).await, 401, "{path}");
    }
    service
        .publish(&[Alerts::new(BERGEN).entity("2001:db8::9").make(4)])
        .await;
    let rest = stream.rest().await;
    assert!(!rest.contains("2001:db8::9"), "{rest}");
    browser.forget(&service);
    browser.log_in(&service).await;
    assert_eq!(browser.refused(&service).await["reason"], "no_role");
    grant(&service, "drift", "analyst");
    browser.log_in(&service).await;
    let session = browser.session(&service).expect("a session");
    assert_eq!(status(&service, "/api/v1/incidents", &session).await, 200);
    accounts(service.path(), &["revoke", "drift"]).expect("closed");
    assert_eq!(status(&service, "/api/v1/incidents", &session).await, 401);
    browser.forget(&service);
    browser.log_in(&service).await;
    assert_eq!(browser.refused(&service).await["reason"], "closed");
    accounts(service.path(), &["unbind", "drift"]).expect("unbound");
    browser.log_in(&service).await;
    assert_eq!(
        browser.refused(&service).await["reason"],
        "unknown",
        "somebody new"
    );
    service.stop().await;
}

async fn what_a_provider_says_of_organisations_and_groups_is_trusted_by_rule() {
    let resource = "urn:altinn:resource:varde-varsling";
    let more = format!(
        "resource: '{resource}', rules: [{{ role: responder, organization: claimed }}, \
         {{ role: analyst, claim: groups, value: vakt }}, {{ role: auditor, organization: '{STAVANGER}', value: revisor }}]"
    );
    let (provider, service) = start("ansattporten", &more).await;
    service
        .publish(&[
            Alerts::new(STAVANGER).make(1),
            Alerts::new(BERGEN).entity("2001:db8::7").make(2),
        ])
        .await;
    service.mails(2).await;
    let acting = |kind: &str, resource: &str, number: &str| {
        json!({ "authorization_details": [{ "type": kind, "resource": resource, "authorized_parties": [
            { "orgno": { "authority": "iso6523-actorid-upis", "ID": number }, "resource": "varde-varsling" },
        ] }] })
    };
    let (kind, bergen) = ("ansattporten:altinn:resource", format!("0192:{BERGEN}"));
    // Another resource, another authority, a body that nobody here knows, groups that are not named, and nothing.
    for claims in [
        acting(kind, "urn:altinn:resource:another", &bergen),
        acting("another", resource, &bergen),
        acting(kind, resource, &format!("9908:{BERGEN}")),
        acting(kind, resource, "0192:100000008"),
        json!({ "groups": ["another"], "roles": ["vakt"] }),
        json!({ "authorization_details": [{ "type": kind }] }),
        json!({}),
    ] {
        provider.user("ola", "high", claims.clone()).await;
        let mut browser = Browser::default();
        browser.log_in(&service).await;
        assert_eq!(browser.refused(&service).await["reason"], "unknown", "{claims}");
    }
    let sees = async |browser: &Browser| {
        let session = browser.session(&service).expect("a session");
        let list = ask(&service, "GET", "/api/v1/incidents", &[&session], "").await;
        (list.json()["total"].clone(), list.body, session)
    };
    provider
        .user("ola", "high", acting(kind, resource, &bergen))
        .await;
    let mut browser = Browser::default();
    assert_eq!(location(&browser.log_in(&service).await), "/incidents");
    let (total, body, session) = sees(&browser).await;
    assert_eq!(total, 1, "{body}");
    assert!(
        body.contains("2001:db8::7") && !body.contains(STAVANGER),
        "{body}"
    );
    let me = ask(&service, "GET", "/api/v1/me", &[&session], "").await.json();
    assert!(
        me["may"]
            .as_array()
            .is_some_and(|may| may.contains(&json!("acknowledge"))),
        "{me}"
    );
    let asked = provider.seen().await["authorization"]["authorization_details"].clone();
    let asked: Value = serde_json::from_str(asked.as_str().expect("a text")).expect("JSON");
    assert_eq!(
        (&asked[0]["type"], &asked[0]["resource"]),
        (&json!(kind), &json!(resource))
    );

    // The account that it made can be closed like any other; and is the same person's the next time.
    let listed = accounts(service.path(), &["list"]).expect("listed");
    let login = listed
        .lines()
        .find_map(|line| line.split('\t').next().filter(|login| login.starts_with("test-")));
    let login = login.expect("an account").to_owned();
    provider.user("ola", "high", json!({ "groups": ["vakt"] })).await;
    let mut second = Browser::default();
    second.log_in(&service).await;
    assert_eq!(sees(&second).await.0, 2, "another rule, the same person");
    assert_eq!(sees(&browser).await.0, 1, "and the session before is what it was");
    let again = accounts(service.path(), &["list"]).expect("listed");
    assert_eq!(again.matches("test-").count(), 1, "{again}");
    accounts(service.path(), &["revoke", &login]).expect("closed");
    for held in [&browser, &second] {
        let session = held.session(&service).expect("a session");
        assert_eq!(status(&service, "/api/v1/incidents", &session).await, 401);
    }
    second.log_in(&service).await;
    assert_eq!(second.refused(&service).await["reason"], "closed");
    service.stop().await;
}

async fn who_is_vouched_for_is_given_incidents_as_others_are() {
    let resource = "urn:altinn:resource:varde-varsling";
    let more = format!(
        "resource: '{resource}', rules: [{{ role: responder, organization: claimed }}, \
         {{ role: analyst, claim: groups, value: vakt }}]"
    );
    let (provider, service) = start("ansattporten", &more).await;
    service.publish(&[Alerts::new(STAVANGER).make(1)]).await;
    service.mails(1).await;
    let mut officer = person(&service, "vakt", &["duty_officer"], &[]);
    let officer = log_in_here(&service, &mut officer).await;
    let list = ask(&service, "GET", "/api/v1/incidents", &[&officer], "")
        .await
        .json();
    let incident = format!(
        "/api/v1/incidents/{}",
        list["incidents"][0]["id"].as_str().expect("an id")
    );
    let assignees = async || {
        let path = format!("{incident}/assignees");
        let all = ask(&service, "GET", &path, &[&officer], "").await.json();
        let all = all["assignees"].as_array().expect("a list").clone();
        all.iter()
            .map(|one| one["login"].as_str().expect("text").to_owned())
            .collect::<Vec<_>>()
    };
    let give = async |login: &str| {
        let body = json!({ "assignee": login }).to_string();
        let path = format!("{incident}/assign");
        ask(&service, "POST", &path, &[&officer], &body).await
    };
    assert_eq!(assignees().await, ["vakt"]);

    // By a role that was given here, without having logged in since; and by a rule, of the organisation and of another.
    provider.user("drift", "high", json!({})).await;
    let mut browser = Browser::default();
    bound(
        &service,
        &mut browser,
        "drift",
        &[&format!("responder:{STAVANGER}")],
    )
    .await;
    provider.user("ola", "high", json!({ "groups": ["vakt"] })).await;
    let mut ola = Browser::default();
    ola.log_in(&service).await;
    let party = json!({ "orgno": { "authority": "iso6523-actorid-upis", "ID": format!("0192:{BERGEN}") }, "resource": "varde-varsling" });
    let acting = json!({ "authorization_details": [
        { "type": "ansattporten:altinn:resource", "resource": resource, "authorized_parties": [party] },
    ] });
    provider.user("per", "high", acting).await;
    let mut per = Browser::default();
    per.log_in(&service).await;
    let all = assignees().await;
    let by_rule: Vec<_> = all.iter().filter(|login| login.starts_with("test-")).collect();
    assert_eq!((all.len(), by_rule.len()), (3, 1), "{all:?}");
    let login = by_rule[0].clone();
    for one in ["drift", &login] {
        let given = give(one).await;
        assert_eq!(given.status, 200, "{given:?}");
    }

    // Gone home she is at work still; closed she is not.
    let session = ola.session(&service).expect("a session");
    let out = ask(&service, "POST", "/api/v1/logout", &[&session], "{}").await;
    assert_eq!(out.status, 200, "{out:?}");
    assert!(assignees().await.contains(&login));
    accounts(service.path(), &["revoke", &login]).expect("closed");
    assert!(!assignees().await.contains(&login));
    assert_eq!(give(&login).await.status, 422);
    // Who was not seen for a month by a rule is not either; what was given here stays.
    provider.user("kari", "high", json!({ "groups": ["vakt"] })).await;
    let mut kari = Browser::default();
    kari.log_in(&service).await;
    assert_eq!(assignees().await.len(), 3);
    service
        .by_hand("UPDATE identity SET claimed_at = 1 WHERE claimed_at > 1")
        .await;
    assert_eq!(assignees().await, ["drift", "vakt"]);
    service.stop().await;
}

async fn each_way_of_signing_and_of_showing_which_client_one_is_works() {
    let tenant = "0f5b1f0a-1111-2222-3333-444455556666";
    let more = format!(
        "secret_in: post, tenant: {tenant}, acr: c1, rules: [{{ role: auditor, value: Varde.Auditor }}]"
    );
    let (provider, service) = start("entra_id", &more).await;
    provider
        .steer(json!({ "method": "client_secret_post", "algorithm": "PS256" }))
        .await;
    let claims = |tid: &str, context: &str| json!({ "tid": tid, "acrs": [context], "roles": ["Varde.Auditor"], "name": "Ola Nordmann" });
    for (tid, context, reason) in [("another", "c1", "bad_token"), (tenant, "c2", "low_level")] {
        provider.user("ola", "", claims(tid, context)).await;
        let mut browser = Browser::default();
        browser.log_in(&service).await;
        assert_eq!(
            browser.refused(&service).await["reason"],
            reason,
            "{tid} {context}"
        );
    }
    for algorithm in ["PS256", "ES256", "RS256"] {
        provider.steer(json!({ "algorithm": algorithm })).await;
        provider.user("ola", "", claims(tenant, "c1")).await;
        let mut browser = Browser::default();
        assert_eq!(
            location(&browser.log_in(&service).await),
            "/incidents",
            "{algorithm}"
        );
        let session = browser.session(&service).expect("a session");
        let me = ask(&service, "GET", "/api/v1/me", &[&session], "").await.json();
        assert_eq!(me["name"], "Ola Nordmann", "{me}");
        assert_eq!(
            status(&service, "/api/v1/audit", &session).await,
            200,
            "{algorithm}"
        );
    }
    let asked = provider.seen().await["authorization"]["claims"].clone();
    assert!(
        asked.as_str().is_some_and(|asked| asked.contains("acrs")),
        "{asked}"
    );
    service.stop().await;
}
