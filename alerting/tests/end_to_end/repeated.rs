//! What is sent again with its `Idempotency-Key` is carried out once, whichever instance takes it and whoever dies meanwhile.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    BERGEN,
    process::Process,
    service::{self, Service},
    stores::{by_hand, on_both, on_postgres},
};

on_both!(whoever_is_killed_in_the_middle_of_a_request_did_it_once_or_not_at_all);

/// Requests of one test.
const KEYS: usize = 12;

/// Begins a silence under a key; `None` if the instance went away before it had answered.
async fn send(address: SocketAddr, number: usize) -> Option<(u16, Value)> {
    let body = json!({"organization": BERGEN, "reason": format!("flytting {number}"), "from": "2098-12-31T00:00:00Z",
        "until": "2099-01-01T00:00:00Z"})
    .to_string();
    let request = format!(
        "POST /api/v1/silences HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nx-requested-with: varde\r\n\
         content-type: application/json\r\nidempotency-key: k-{number}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Some((status.expect("a status"), serde_json::from_str(body).ok()?))
}

async fn reasons(service: &Service) -> Vec<String> {
    let list = service.get("/api/v1/silences").await.1;
    let all = list["silences"].as_array().expect("a list").iter();
    let mut reasons: Vec<String> = all
        .map(|one| one["reason"].as_str().expect("text").to_owned())
        .collect();
    reasons.sort();
    reasons
}

fn wanted(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    let mut reasons: Vec<String> = numbers.map(|number| format!("flytting {number}")).collect();
    reasons.sort();
    reasons
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_one_request_whichever_instance_takes_it() {
    on_postgres(async {
        let (_listener, port, _mails) = service::smtp();
        let (one, config) = crate::instances::start_beside(None, port).await;
        let (other, _) = crate::instances::start_beside(Some(&config), port).await;
        for number in 0..KEYS {
            let (first, second) = tokio::join!(send(one.address, number), send(other.address, number));
            let answers = [first.expect("an answer"), second.expect("an answer")];
            let done = answers.iter().find(|(status, _)| *status == 201);
            let (_, silence) = done.expect("one carried it out");
            for (status, body) in &answers {
                assert!(*status == 409 || body == silence, "{answers:?}");
            }
            for service in [&one, &other] {
                let again = send(service.address, number).await;
                assert_eq!(again.as_ref(), Some(&(201, silence.clone())));
            }
        }
        assert_eq!(reasons(&one).await, wanted(0..KEYS));
        let _folder = one.stop().await;
        other.stop().await;
    })
    .await;
}

/// Killed while requests are under way, each time a little later.
async fn whoever_is_killed_in_the_middle_of_a_request_did_it_once_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_listener, port, _mails) = service::smtp();
    let config = service::configure(folder.path(), port);
    let open = async || {
        let bus = ingest_bus::Bus::open(&config.bus.clone().named("test")).await;
        bus.expect("a bus")
    };
    service::ensure_topic(&open().await).await;
    let mut cut_off = 0;
    for round in 0..KEYS / 3 {
        let process = tokio::task::block_in_place(|| Process::start(folder.path()));
        let address = process.1;
        let mut under_way = tokio::task::JoinSet::new();
        for number in round * 3..round * 3 + 3 {
            under_way.spawn(send(address, number));
        }
        // None, one or two are answered before.
        for _ in 0..round % 3 {
            under_way.join_next().await.expect("three").expect("sent");
        }
        tokio::task::block_in_place(|| process.kill());
        while let Some(answer) = under_way.join_next().await {
            cut_off += usize::from(answer.expect("sent").is_none());
        }
    }
    assert_ne!(cut_off, 0, "something was under way");
    // Who asks again after as long as a request can live.
    by_hand(
        &folder.path().join("data"),
        "UPDATE request_once SET claimed_at = claimed_at - 60000000000",
    )
    .await;
    let bus = open().await;
    let service = Service::start_in(folder, config, bus).await;
    for number in 0..KEYS {
        let (status, answer) = send(service.address, number).await.expect("an answer");
        let is_known = status == 409
            && answer["detail"]
                .as_str()
                .is_some_and(|text| text.contains("took effect"));
        assert!(status == 201 || is_known, "{number}: {status} {answer}");
    }
    assert_eq!(reasons(&service).await, wanted(0..KEYS));
    service.stop().await;
}
