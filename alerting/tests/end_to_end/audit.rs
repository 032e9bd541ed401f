//! The audit log over the API, across restarts.

use crate::service::{self, Service, smtp};

crate::stores::on_both!(each_start_is_an_entry_that_follows_the_one_before,);

async fn each_start_is_an_entry_that_follows_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_listener, port, _mails) = smtp();
    let config = service::configure(folder.path(), port);
    let bus = ingest_bus::Bus::open(&config.bus.clone().named("test"))
        .await
        .expect("a bus");
    service::ensure_topic(&bus).await;
    let mut folder = folder;
    for _ in 0..3 {
        folder = Service::start_in(folder, config.clone(), bus.clone())
            .await
            .stop()
            .await;
    }
    let service = Service::start_in(folder, config.clone(), bus).await;
    let (status, first) = service.get("/api/v1/audit?action=service.start&limit=3").await;
    assert_eq!(status, 200, "{first}");
    let seqs = |page: &serde_json::Value| -> Vec<u64> {
        let entries = page["entries"].as_array().expect("entries");
        entries
            .iter()
            .map(|entry| entry["seq"].as_u64().expect("a number"))
            .collect()
    };
    assert_eq!(seqs(&first), [4, 3, 2]);
    let entry = &first["entries"][0];
    assert_eq!(entry["actor"], "varde");
    assert_eq!(entry["before"], serde_json::Value::Null);
    assert!(entry["after"]["version"].is_string(), "{entry}");
    assert_eq!(
        first["head"],
        format!("4:{}", entry["digest"].as_str().expect("a digest"))
    );
    let cursor = first["next_cursor"].as_str().expect("more");
    let (_, second) = service
        .get(&format!("/api/v1/audit?limit=3&cursor={cursor}"))
        .await;
    assert_eq!(seqs(&second), [1]);
    assert!(second["next_cursor"].is_null());
    assert!(seqs(&service.get("/api/v1/audit?subject=nobody").await.1).is_empty());
    for query in [
        "limit=0",
        "limit=201",
        "cursor=x",
        "cursor=18446744073709551615",
        "after=1",
    ] {
        let (status, problem) = service.get(&format!("/api/v1/audit?{query}")).await;
        let name = query.split('=').next().expect("a name");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(
            status == 400 && detail.contains(&format!("`{name}`")),
            "{query}: {problem}"
        );
    }

    // The chain holds as it is read from the store beside the service.
    let log = alerting::audit::Log::open(&config).await.expect("opened");
    let mut chain = alerting::audit::Chain::expecting([log.head().await.expect("a head")]);
    for entry in log.after(0).await.expect("entries") {
        chain.follow(&entry).expect("it follows");
    }
    assert_eq!(chain.finish().expect("whole").to_string(), first["head"]);
    service.stop().await;
}
