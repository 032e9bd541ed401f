//! What is said over TCP, built segment by segment in both address families, and the records that it must become.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use lab::{
    ACK, FIN, Lab, RST,
    Side::{Client, Server},
    check, check_said, conversation, families,
};

fn with_length16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length16(data)].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let message = [&[kind, 0][..], &with_length16(body)].concat();
    [&[22, 3, 1][..], &with_length16(&message)].concat()
}

/// A hello for `name` with two ciphers, padded so that it takes several segments.
fn client_hello(name: &str) -> Vec<u8> {
    let sni = with_length16(&[&[0][..], &with_length16(name.as_bytes())].concat());
    let extensions = [
        extension(0, &sni),
        extension(10, &with_length16(&[0, 29])),
        extension(13, &with_length16(&[4, 3])),
        extension(16, &with_length16(b"\x02h2\x08http/1.1")),
        extension(43, &[2, 3, 4]),
        extension(21, &[0; 2_000]),
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(with_length16(&[0x13, 0x01, 0x13, 0x02]));
    body.extend([1, 0]);
    body.extend(with_length16(&extensions));
    handshake(1, &body)
}

fn server_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.push(0);
    body.extend([0x13, 0x01, 0]);
    body.extend(with_length16(&extension(43, &[3, 4])));
    handshake(2, &body)
}

#[test]
fn a_handshake_in_pieces_becomes_one_record() {
    let hello = client_hello("Login.Example.ORG");
    let answer = server_hello();
    let (start, rest) = hello.split_at(3);
    let (middle, end) = rest.split_at(1_400);
    for family in families() {
        for said in [
            vec![(Client, &hello[..]), (Server, &answer[..])],
            vec![
                (Client, start),
                (Client, middle),
                (Client, end),
                (Server, &answer[..9]),
                (Server, &answer[9..]),
            ],
            // STARTTLS: greetings come first.
            vec![
                (Server, b"220 mail ESMTP\r\n"),
                (Client, b"EHLO me\r\n"),
                (Server, b"250 STARTTLS\r\n"),
                (Client, b"STARTTLS\r\n"),
                (Server, b"220 go\r\n"),
                (Client, &hello),
                (Server, &answer),
            ],
            // A proxy: TLS behind a CONNECT.
            vec![
                (Client, b"CONNECT example.org:443 HTTP/1.1\r\n\r\n"),
                (Server, b"HTTP/1.1 200 OK\r\n\r\n"),
                (Client, &hello),
                (Server, &answer),
            ],
        ] {
            let lab = conversation(family, 8443, &said);
            let records = lab.events("network.tls");
            assert_eq!(records.len(), 1);
            check(
                &records[0],
                &[
                    ("tls.client.server_name", "login.example.org"),
                    ("tls.client.ja4", "t13d0206h2_62ed6f6ca7ad_512672a2931d"),
                    ("tls.version", "1.3"),
                    ("network.protocol", "tls"),
                    ("source.ip", &family.client.to_string()),
                    ("destination.port", "8443"),
                    ("network.type", family.name),
                ],
            );
            check(
                &lab.events("network.flow")[0],
                &[("network.protocol", "tls"), ("varde.flow.state", "closed")],
            );
        }
    }
}

#[test]
fn a_hello_of_ssl_2_that_asks_for_tls_is_read_with_its_answer() {
    // Ciphers: RC4 with MD5 as SSL 2 and as TLS call it, and RC4 with SHA; no session; sixteen bytes of chance.
    let mut hello = vec![0x80, 34, 1, 3, 1, 0, 9, 0, 0, 0, 16];
    hello.extend([1, 0, 0x80, 0, 0, 4, 0, 0, 5]);
    hello.extend([7; 16]);
    let mut body = vec![3, 1];
    body.extend([9; 32]);
    body.extend([0, 0, 5, 0]);
    let answer = handshake(2, &body);
    let expected = [
        ("tls.version", "1.0"),
        ("tls.cipher", "TLS_RSA_WITH_RC4_128_SHA"),
        ("tls.client.ja4", "t10i020000_6e254592683c_000000000000"),
        ("network.protocol", "tls"),
    ];
    check_said(
        "network.tls",
        8443,
        &[(Client, &hello), (Server, &answer)],
        &[&expected],
    );
    // Parts that do not add up, and SSL 2 itself.
    for (at, byte) in [(1, 33), (1, 35), (3, 0), (6, 8), (8, 1), (10, 15)] {
        let mut other = hello.clone();
        other[at] = byte;
        check_said("network.tls", 8443, &[(Client, &other)], &[]);
    }
}

#[test]
fn segments_out_of_order_and_sent_again_change_nothing() {
    let hello = client_hello("example.org");
    for family in families() {
        let (client, server) = ((family.client, 50_000), (family.server, 443));
        let mut lab = Lab::new();
        lab.open(client, server);
        for (from, to) in [(1_000, hello.len()), (0, 600), (0, 600), (500, 1_100)] {
            lab.tcp(client, server, ACK, 1 + from as u32, &hello[from..to]);
        }
        let records = lab.events("network.tls");
        assert_eq!(records.len(), 1);
        // No answer was captured: the highest version offered.
        check(
            &records[0],
            &[("tls.client.server_name", "example.org"), ("tls.version", "1.3")],
        );
        assert_eq!(records[0].position, 7, "the packet that completed it");
    }
}

#[test]
fn requests_of_one_connection_get_their_own_answers() {
    for family in families() {
        let lab = conversation(
            family,
            8080,
            &[
                (Client, b"GET /one?x=1 HTTP/1.1\r\nHost: www.Example.org:8080\r\nUser-Agent: probe/1\r\n\r\n"),
                (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"),
                (Client, b"POST /two HTTP/1.1\r\nHost: www.example.org\r\nContent-Length: 4\r\n\r\nbodyHEAD /three HTTP/1.1\r\n"),
                (Client, b"Host: www.example.org\r\n\r\n"),
                (Server, b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHTTP/"),
                (Server, b"\r\n0\r\n\r\nHTTP/1.1 301 Moved\r\nContent-Length: 9999\r\n\r\n"),
                (Client, b"GET /four HTTP/1.1\r\nHost: www.example.org\r\n\r\n"),
            ],
        );
        let records = lab.events("network.http");
        let lines: Vec<String> = records
            .iter()
            .map(|record| {
                let at = |name| {
                    record
                        .fields
                        .get(name)
                        .map(ToString::to_string)
                        .unwrap_or_default()
                };
                format!(
                    "{} {} {}",
                    at("http.request.method"),
                    at("url.path"),
                    at("http.response.status_code")
                )
            })
            .collect();
        assert_eq!(
            lines,
            ["GET /one 200", "POST /two 404", "HEAD /three 301", "GET /four "]
        );
        check(
            &records[0],
            &[
                ("url.domain", "www.example.org"),
                ("url.query", "x=1"),
                ("user_agent.original", "probe/1"),
                ("source.ip", &family.client.to_string()),
                ("destination.port", "8080"),
                ("network.protocol", "http"),
            ],
        );
    }
}

#[test]
fn an_answer_to_what_was_not_seen_or_is_no_request_is_told_by_itself() {
    let answer = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno";
    for said in [
        &[(Server, &answer[..])][..],
        &[(Server, b"HTTP/1.1 103 Early Hints\r\n\r\n"), (Server, answer)],
        &[(Client, b"OPTIONS * HTML/1.1\r\n\r\n"), (Server, answer)],
    ] {
        for family in families() {
            let records = conversation(family, 80, said).events("network.http");
            assert_eq!(records.len(), 1, "{records:#?}");
            check(
                &records[0],
                &[
                    ("http.response.status_code", "400"),
                    ("http.response.mime_type", "text/html"),
                    ("http.version", "1.0"),
                    ("http.request.method", "(absent)"),
                    ("url.original", "(absent)"),
                    ("source.ip", &family.client.to_string()),
                    ("destination.port", "80"),
                ],
            );
        }
    }
}

#[test]
fn requests_of_any_method_and_of_http_0_9_are_told() {
    for (request, answer, expected) in [
        (
            &b"CCM_POST / HTTP/1.1\r\nHost: a.example\r\n\r\n"[..],
            &b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"[..],
            [
                ("http.request.method", "CCM_POST"),
                ("url.domain", "a.example"),
                ("http.version", "1.1"),
                ("http.response.status_code", "405"),
            ],
        ),
        (
            b"CCM_POST / HTTP/1.\nHost: a.example\n\n",
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            [
                ("http.request.method", "CCM_POST"),
                ("url.domain", "a.example"),
                ("http.version", "(absent)"),
                ("http.response.status_code", "400"),
            ],
        ),
        (
            b"GET /cgi-bin/probe.pl?x\r\n",
            b"<html>no</html>",
            [
                ("http.request.method", "GET"),
                ("url.query", "x"),
                ("http.version", "0.9"),
                ("http.response.status_code", "(absent)"),
            ],
        ),
    ] {
        for family in families() {
            let records =
                conversation(family, 80, &[(Client, request), (Server, answer)]).events("network.http");
            assert_eq!(records.len(), 1, "{}", String::from_utf8_lossy(request));
            check(&records[0], &expected);
        }
    }
    // Nor is a line of a chat one.
    for line in [
        &b"PRIVMSG #a HTTP/1.1 is old\r\n"[..],
        b"GET up\tHTTP/1.1",
        b"get / HTTP/1.1\r\n\r\n",
    ] {
        let records = conversation(families()[0], 6667, &[(Client, line)]).events("network.http");
        assert_eq!(records.len(), 0, "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn a_lost_segment_costs_the_answers_but_no_later_request() {
    for family in families() {
        let (client, server) = ((family.client, 50_000), (family.server, 80));
        let mut lab = Lab::new();
        lab.open(client, server);
        lab.tcp(client, server, ACK, 1, b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
        // 1,000 bytes never come; what follows does, often enough.
        let mut sequence = 1_030;
        for number in 0..20 {
            let request = format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
            lab.tcp(client, server, ACK, sequence, request.as_bytes());
            sequence += request.len() as u32;
        }
        let records = lab.events("network.http");
        assert_eq!(records.len(), 21);
    }
}

#[test]
fn what_waits_for_a_lost_segment_is_heard_when_the_connection_is_over() {
    let answer = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    for family in families() {
        let (client, server) = ((family.client, 50_000), (family.server, 80));
        for end in [FIN | ACK, RST] {
            let mut lab = Lab::new();
            lab.open(client, server);
            let requests = b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n";
            lab.tcp(client, server, ACK, 1, requests);
            // Of the first body the middle is lost, which only the client's acknowledgment would tell.
            let (first, second) = (answer(30), answer(0));
            let body = 1 + first.len() as u32;
            lab.tcp(server, client, ACK, 1, first.as_bytes());
            lab.tcp(server, client, ACK, body, &[b'x'; 10]);
            lab.tcp(server, client, ACK, body + 20, &[b'x'; 10]);
            lab.tcp(server, client, ACK, body + 30, second.as_bytes());
            let last = body + 30 + second.len() as u32;
            lab.tcp(server, client, end, last, b"");
            lab.tcp(client, server, end, 1 + requests.len() as u32, b"");
            let said = lab.events("network.http");
            assert_eq!(said.len(), 2, "{} {end}", family.name);
            for (draft, path) in said.iter().zip(["/1", "/2"]) {
                check(draft, &[("url.path", path), ("http.response.status_code", "200")]);
            }
        }
    }
}

/// An RST that the server passes over, since its number is not what comes next, so that what follows is put together wrongly.
#[test]
fn no_made_up_rst_hides_a_hello() {
    let hello = client_hello("login.example.org");
    let (first, second) = hello.split_at(30);
    for family in families() {
        for sequence in [0x4000_0000, 0, 5_000, u32::MAX] {
            let (client, server) = ((family.client, 50_000), (family.server, 443));
            let mut lab = Lab::new();
            lab.open(client, server)
                .tcp(client, server, RST, sequence, b"")
                .tcp(client, server, ACK, 31, second)
                .tcp(client, server, RST, sequence, b"")
                .tcp(client, server, ACK, 1, first);
            let said = lab.events("network.tls");
            assert_eq!(said.len(), 1, "{} {sequence}", family.name);
            check(&said[0], &[("tls.client.server_name", "login.example.org")]);
        }
    }
}

#[test]
fn dns_over_tcp_is_read_message_by_message() {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend(b"\x07example\x03org\x00\x00\xfc\x00\x01");
    let two = [with_length16(&query), with_length16(&query)].concat();
    for family in families() {
        let lab = conversation(family, 53, &[(Client, &two[..20]), (Client, &two[20..])]);
        let records = lab.events("network.dns");
        assert_eq!(records.len(), 2);
        check(
            &records[1],
            &[
                ("dns.question.type", "AXFR"),
                ("dns.question.name", "example.org"),
                ("network.transport", "tcp"),
            ],
        );
    }
}

#[test]
fn other_protocols_are_named() {
    for family in families() {
        for (name, said) in [
            ("ssh", vec![(Server, &b"SSH-2.0-x\r\n"[..])]),
            ("smtp", vec![(Server, b"220 mail\r\n"), (Client, b"EHLO me\r\n")]),
            ("(absent)", vec![(Client, b"\x00\x01\x02\x03")]),
            ("(absent)", vec![(Client, b"OPTIONS sip:x SIP/2.0\r\n\r\n")]),
        ] {
            let lab = conversation(family, 9_999, &said);
            check(&lab.events("network.flow")[0], &[("network.protocol", name)]);
        }
    }
}
