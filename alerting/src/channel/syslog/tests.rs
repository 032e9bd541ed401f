use ingest_event::Timestamp;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, UdpSocket},
};

use super::*;

fn settings(address: std::net::SocketAddr, transport: &str) -> BTreeMap<String, SyslogSettings> {
    let text = format!(
        "{{ host: '{}', port: {}, transport: {transport} }}",
        address.ip(),
        address.port()
    );
    [("siem".to_owned(), serde_saphyr::from_str(&text).expect("YAML"))].into()
}

fn collectors(address: std::net::SocketAddr, transport: &str) -> Collectors {
    Collectors::open(&settings(address, transport)).expect("opened")
}

/// Reads as many octet-counted lines (RFC 6587, 3.4.1).
async fn lines(stream: &mut (impl tokio::io::AsyncRead + Unpin), count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut length = 0;
        loop {
            let byte = stream.read_u8().await.expect("a byte");
            match byte {
                b'0'..=b'9' => length = length * 10 + usize::from(byte - b'0'),
                other => {
                    assert_eq!(other, b' ');
                    break;
                }
            }
        }
        let mut line = vec![0; length];
        stream.read_exact(&mut line).await.expect("a line");
        all.push(String::from_utf8(line).expect("UTF-8"));
    }
    all
}

#[test]
fn no_value_is_a_line_or_a_field_of_its_own() {
    let fields = [
        ("rule.name", "a\"] <13>1 \\ b\r\n<13>1 c".to_owned()),
        ("no good=name]", "x".repeat(400)),
    ];
    let now = Timestamp::from_nanos(1_772_438_400_123_456_789);
    let line = message(
        3,
        now,
        "varde.cert.example",
        "opened",
        &fields,
        "ØVELSE: č đ\n<13>1 d",
    );
    assert_eq!(
        line,
        format!(
            "<35>1 2026-03-02T08:00:00.123456Z varde.cert.example varde-alerting - opened \
             [varde@32473 rule.name=\"a\\\"\\] <13>1 \\\\ b␣␣<13>1 c\" nogoodname=\"{}\"] \u{feff}ØVELSE: č đ␣<13>1 d",
            "x".repeat(300)
        )
    );
    let none = message(9, now, "", "", &[], &"æ".repeat(9_000));
    assert!(
        none.starts_with("<39>1 2026-03-02T08:00:00.123456Z - varde-alerting - - [varde@32473] "),
        "{none}"
    );
    assert!(none.len() <= 8_192);
    let many: Vec<(&str, String)> = (0..20).map(|_| ("a", "\u{1F525}".repeat(300))).collect();
    assert!(message(3, now, "h", "k", &many, "t").len() <= 8_192);
}

#[tokio::test]
async fn lines_go_on_one_connection_and_on_the_next_when_it_was_closed() {
    let listener = TcpListener::bind("[::1]:0").await.expect("bound");
    let collectors = collectors(listener.local_addr().expect("an address"), "tcp");
    collectors.write("siem", "one").await.expect("written");
    collectors.write("siem", "two æ").await.expect("written");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    assert_eq!(lines(&mut stream, 2).await, ["one", "two æ"]);
    drop(stream);
    // The farewell comes over the machine's own wire: it is there when the connection shows it.
    let place = &collectors.0["siem"].connection;
    match &*place.lock().await {
        Some(Connection::Tcp(stream)) => stream.readable().await.expect("closed"),
        other => panic!("{other:?}"),
    }
    collectors.write("siem", "three").await.expect("written");
    let (mut stream, _) = listener.accept().await.expect("a new connection");
    assert_eq!(lines(&mut stream, 1).await, ["three"]);
    let gone = collectors.write("nobody", "x").await.expect_err("unknown");
    assert!(!gone.is_transient(), "{gone}");
}

#[tokio::test]
async fn a_datagram_is_a_line() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let collectors = collectors(socket.local_addr().expect("an address"), "udp");
    collectors.write("siem", "one").await.expect("written");
    let mut bytes = [0; 64];
    let length = socket.recv(&mut bytes).await.expect("a datagram");
    assert_eq!(&bytes[..length], b"one");
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_and_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let collectors = collectors(address, "tcp");
    let error = collectors.write("siem", "one").await.expect_err("nobody there");
    assert!(error.is_transient(), "{error}");
    let listener = TcpListener::bind(address).await.expect("bound again");
    collectors.write("siem", "one").await.expect("written");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    assert_eq!(lines(&mut stream, 1).await, ["one"]);
}

/// A collector that speaks TLS with a certificate for one address; what it takes on one connection.
async fn encrypted(
    host: &'static str,
    count: usize,
) -> (std::net::SocketAddr, String, tokio::task::JoinHandle<Vec<String>>) {
    use openssl::ssl::{Ssl, SslAcceptor, SslMethod};

    let key = crate::issued::rsa(2_048);
    let wanted = crate::issued::Wanted {
        host: Some(host),
        ..crate::issued::Wanted::new(&key)
    };
    let certificate = wanted.issue();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
    acceptor.set_private_key(&key).expect("a key");
    acceptor.set_certificate(&certificate).expect("a certificate");
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    let taken = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let ssl = Ssl::new(acceptor.context()).expect("TLS");
        let mut stream = tokio_openssl::SslStream::new(ssl, stream).expect("TLS");
        match std::pin::Pin::new(&mut stream).accept().await {
            Ok(()) => lines(&mut stream, count).await,
            Err(_) => Vec::new(),
        }
    });
    let pem = String::from_utf8(certificate.to_pem().expect("PEM")).expect("text");
    (address, pem, taken)
}

#[tokio::test]
async fn by_tls_a_collector_proves_who_it_is_and_lines_share_its_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    for (host, is_believed) in [("127.0.0.1", true), ("127.0.0.2", false)] {
        let (address, pem, taken) = encrypted(host, 3).await;
        std::fs::write(&file, pem).expect("written");
        let mut settings = settings(address, "tls");
        settings.get_mut("siem").expect("there").ca_file = Some(file.clone());
        let collectors = Collectors::open(&settings).expect("opened");
        for line in ["one", "two", "three æ"] {
            let written = collectors.write("siem", line).await;
            assert_eq!(written.is_ok(), is_believed, "{host}: {written:?}");
            if !is_believed {
                break;
            }
        }
        // On one connection: the collector takes no second one.
        let taken = taken.await.expect("taken");
        let expected: &[&str] = if is_believed {
            &["one", "two", "three æ"]
        } else {
            &[]
        };
        assert_eq!(taken, expected, "{host}");
    }
    // Who has not the authority's word is not believed.
    let (address, _, taken) = encrypted("127.0.0.1", 1).await;
    let collectors = collectors(address, "tls");
    let error = collectors.write("siem", "one").await.expect_err("unknown");
    assert!(error.is_transient(), "{error}");
    assert!(taken.await.expect("taken").is_empty());
}
