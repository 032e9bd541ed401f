//! Who is not let in, and who can't keep others out.

use std::pin::Pin;
use std::time::Duration;

use ingest_bus::{Topic, uplink};
use ingest_trust::Authority;
use ingest_trust::registry::Entry;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslVersion};
use openssl::x509::X509;
use reqwest::Identity;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio_openssl::SslStream;

use crate::station::{Sensor, Station, believing, now, record, said, send, send_bytes, subject};

const MONTH: Duration = Duration::from_hours(30 * 24);

#[tokio::test]
async fn without_a_certificate_of_this_authority_nothing_is_written_or_read() {
    let station = Station::new().await;
    let sensor = station.sensor("964965226", "s1").await;
    let gateway = station.gateway("127.0.0.1:0");
    let events = [record("964965226", "x")];

    let nobody = believing(&station.authority).build().expect("a client");
    for path in ["records/events", "records/quarantine", "status"] {
        let url = format!("{}/v1/{path}", gateway.url());
        let answer = nobody.post(url).body("x").send().await.expect("answers");
        assert_eq!(said(answer).await, (403, "certificate".to_owned()), "{path}");
    }
    for path in ["control", "parts/00"] {
        let url = format!("{}/v1/{path}", gateway.url());
        let answer = nobody.get(url).send().await.expect("answers");
        assert_eq!(said(answer).await, (403, "certificate".to_owned()), "{path}");
    }
    assert_eq!(
        gateway
            .metric("ingest_gateway_refused_total{reason=\"certificate\"}")
            .await,
        5
    );

    // The same key and name, vouched for by somebody else; out of date; and the gateway's own certificate.
    let request = ingest_trust::Request::parse(&sensor.key.request().expect("a request")).expect("good");
    let forger = Authority::generate("Varde test", now()).expect("an authority");
    let forged = forger
        .issue(&request, &sensor.subject, now(), MONTH)
        .expect("issued");
    let stale = station.certificate(&sensor, now().saturating_sub(MONTH));
    let (server, key) = station
        .authority
        .issue_server(&["127.0.0.1"], now())
        .expect("issued");
    let server = Identity::from_pkcs8_pem(server.as_bytes(), &key).expect("an identity");
    let as_server = believing(&station.authority)
        .identity(server)
        .build()
        .expect("a client");
    for (what, client) in [
        ("another authority's", sensor.client(&station.authority, &forged)),
        ("out of date", sensor.client(&station.authority, &stale)),
        ("a server's", as_server),
    ] {
        let sent = send(&client, &gateway, "events", &events).await;
        assert!(sent.is_err(), "{what}: {sent:?}");
    }
    let name = "ingest_gateway_handshakes_refused_total{reason=\"certificate\"}";
    assert!(3 <= gateway.metric(name).await, "each is counted");
    assert_eq!(station.all("varde.events.964965226").await, []);

    // A certificate of this authority for a key that the centre does not know.
    let unknown = crate::station::Sensor::new(sensor.subject.clone());
    let client = unknown.client(&station.authority, &station.certificate(&unknown, now()));
    let sent = send(&client, &gateway, "events", &events).await.expect("answers");
    assert_eq!(said(sent).await, (403, "certificate".to_owned()));
}

#[tokio::test]
async fn who_is_revoked_writes_nothing_more_on_a_connection_that_stands() {
    let station = Station::new().await;
    let sensor = station.sensor("964965226", "s1").await;
    let beside = station.sensor("964965226", "s2").await;
    let gateway = station.gateway("127.0.0.1:0");
    let (client, other) = (
        sensor.enrolled(&station.authority),
        beside.enrolled(&station.authority),
    );
    let events = [record("964965226", "x")];
    let sent = send(&client, &gateway, "events", &events).await.expect("answers");
    assert_eq!(sent.status(), 204);
    let mut revoked = station.known(&sensor);
    revoked.revoked = true;
    station.write(Entry::Known(revoked)).await;
    let start = std::time::Instant::now();
    let refused = loop {
        let answer = send(&client, &gateway, "events", &events).await.expect("answers");
        if answer.status() != 204 {
            break said(answer).await;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "still let in after a minute"
        );
    };
    assert_eq!(refused, (403, "revoked".to_owned()));
    let written = station.all("varde.events.964965226").await.len();
    for _ in 0..5 {
        let answer = send(&client, &gateway, "events", &events).await.expect("answers");
        assert_eq!(said(answer).await, (403, "revoked".to_owned()));
    }
    assert_eq!(station.all("varde.events.964965226").await.len(), written);
    let sent = send(&other, &gateway, "events", &events).await.expect("answers");
    assert_eq!(sent.status(), 204, "the others go on");
}

#[tokio::test]
async fn a_key_under_another_organisations_name_is_refused() {
    let station = Station::new().await;
    let sensor = station.sensor("964965226", "s1").await;
    let gateway = station.gateway("127.0.0.1:0");
    let mut claims = crate::station::Sensor::new(crate::station::subject("958935420", "s1"));
    claims.key = ingest_trust::SensorKey::from_pem(&sensor.key.to_pem().expect("PEM")).expect("a key");
    let client = claims.client(&station.authority, &station.certificate(&claims, now()));
    let sent = send(&client, &gateway, "events", &[record("958935420", "x")]).await;
    assert_eq!(
        said(sent.expect("answers")).await,
        (403, "certificate".to_owned())
    );
    assert_eq!(station.all("varde.events.958935420").await, []);
}

/// Connections of one source that say nothing; the gateway takes so many and closes the others.
#[tokio::test]
async fn handshakes_that_never_end_stop_nobody() {
    let station = Station::new().await;
    let sensor = station.sensor("964965226", "s1").await;
    let gateway = station.gateway("127.0.0.1:0");
    let mut held = Vec::new();
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.2:0".parse().expect("an address"))
            .expect("bound");
        held.push(socket.connect(gateway.address).await.expect("connects"));
    }
    let client = sensor.enrolled(&station.authority);
    let sent = send(&client, &gateway, "events", &[record("964965226", "x")]).await;
    assert_eq!(sent.expect("answers").status(), 204);
    gateway
        .until("ingest_gateway_handshakes_refused_total{reason=\"source\"}", 68)
        .await;
    let last = held.last_mut().expect("some");
    assert_eq!(last.read(&mut [0; 8]).await.unwrap_or(0), 0, "it was closed");
}

#[tokio::test]
async fn requests_for_certificates_are_bounded() {
    let station = Station::new().await;
    let gateway = station.gateway("127.0.0.1:0");
    let client = believing(&station.authority).build().expect("a client");
    let url = format!("{}/v1/certificate", gateway.url());
    let ask = |body: Vec<u8>| client.post(&url).body(body).send();
    assert_eq!(
        said(ask(b"{}".to_vec()).await.expect("answers")).await,
        (400, "request".to_owned())
    );
    let large = said(ask(vec![b' '; 20_000]).await.expect("answers")).await;
    assert_eq!(large, (400, "body".to_owned()));
    let mut answers = 0;
    // 60 in a minute; the minute may change in between.
    loop {
        let answer = ask(b"{}".to_vec()).await.expect("answers");
        answers += 1;
        if answer.status() == 429 {
            assert_eq!(answer.headers()["retry-after"], "60");
            break;
        }
        assert!(answers < 200, "nobody said stop");
    }
    // Others are not held up by that.
    let nobody = believing(&station.authority).build().expect("a client");
    let answer = send_bytes(&nobody, &gateway, "events", Vec::new())
        .await
        .expect("answers");
    assert_eq!(said(answer).await, (403, "certificate".to_owned()));
}

#[tokio::test]
async fn nobody_is_believed_while_it_is_not_known_who_is_who() {
    let mut station = Station::new().await;
    let sensor = station.sensor("964965226", "s1").await;
    let gateway = station.without_bus();
    let client = sensor.enrolled(&station.authority);
    let sent = send(&client, &gateway, "events", &[record("964965226", "x")]).await;
    assert_eq!(said(sent.expect("answers")).await, (503, "away".to_owned()));
    let (status, answer) = sensor.ask(&client, &gateway, None).await;
    assert_eq!((status.as_u16(), &answer["reason"]), (503, &"away".into()));
    assert!(gateway.text("/readyz").await.starts_with("not ready"));
    assert_eq!(gateway.text("/healthz").await, "ok\n");
}

/// A sensor that was taken over must not take the others' places.
#[tokio::test]
async fn one_sensor_has_few_connections_and_the_others_go_on() {
    let station = Station::new().await;
    let (greedy, other) = (
        station.sensor("964965226", "s1").await,
        station.sensor("964965226", "s2").await,
    );
    let gateway = station.gateway("127.0.0.1:0");
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..20 {
        let client = greedy.enrolled(&station.authority);
        let url = format!("{}/v1/control", gateway.url());
        // The connection stays in the client's pool.
        match client.get(url).send().await {
            Ok(answer) => assert_eq!(answer.status(), 204),
            Err(_) => refused += 1,
        }
        held.push(client);
    }
    assert_eq!(refused, 4);
    let client = other.enrolled(&station.authority);
    let sent = send(&client, &gateway, "events", &[record("964965226", "x")]).await;
    assert_eq!(sent.expect("answers").status(), 204);
}

/// Whoever stands between can't talk the two down to what both ends could also speak.
#[tokio::test]
async fn a_gateway_that_speaks_an_older_tls_is_none() {
    let station = Station::new().await;
    let sensor = Sensor::new(subject("964965226", "s1"));
    sensor.keep(&station.authority, &station.certificate(&sensor, now()));
    let (certificate, key) = station
        .authority
        .issue_server(&["127.0.0.1"], now())
        .expect("issued");
    for (newest, is_taken) in [(SslVersion::TLS1_2, false), (SslVersion::TLS1_3, true)] {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("made");
        let certificate = X509::from_pem(certificate.as_bytes()).expect("PEM");
        let key = PKey::private_key_from_pem(&key).expect("PEM");
        builder.set_certificate(&certificate).expect("set");
        builder.set_private_key(&key).expect("set");
        builder.set_max_proto_version(Some(newest)).expect("set");
        let acceptor = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("https://{}", listener.local_addr().expect("bound"));
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("accepted");
            let ssl = Ssl::new(acceptor.context()).expect("made");
            let mut stream = SslStream::new(ssl, stream).expect("made");
            Pin::new(&mut stream).accept().await.is_ok()
        });
        let bus = uplink::UplinkBus::open(&url, sensor.folder.path()).expect("opens");
        let topic = Topic::parse("varde.events.964965226").expect("a name");
        let sent = bus
            .producer()
            .publish(&topic, vec![record("964965226", "x")])
            .await;
        assert!(sent.is_err(), "it hangs up");
        assert_eq!(server.await.expect("ended"), is_taken, "{newest:?}");
    }
}

/// Who has no certificate asks a few times and is closed then: keep-alive holds no place.
#[tokio::test]
async fn a_stranger_asks_a_few_times_and_a_sensor_goes_on() {
    let station = Station::new().await;
    let sensor = station.sensor("964965226", "s1").await;
    let gateway = station.gateway("127.0.0.1:0");
    let stranger = believing(&station.authority).build().expect("a client");
    for (client, path, closed) in [
        (stranger, "authority", vec![7, 15]),
        (sensor.enrolled(&station.authority), "control", vec![]),
    ] {
        let url = format!("{}/v1/{path}", gateway.url());
        let mut closing = Vec::new();
        for number in 0..20 {
            let answer = client.get(&url).send().await.expect("answers");
            if answer
                .headers()
                .get("connection")
                .is_some_and(|word| word == "close")
            {
                closing.push(number);
            }
            answer.bytes().await.expect("comes whole");
        }
        assert_eq!(closing, closed, "{path}");
    }
}
