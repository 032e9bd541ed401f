//! Protocols other than DNS, TLS and HTTP, built message by message, and the records that they must become, whatever the
//! address family and the port.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use lab::{
    Lab,
    Side::{Client, Server},
    check, check_said, conversation, families, utf16,
};

fn ber(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = match body.len() {
        short @ 0..128 => vec![short as u8],
        long => [&[0x82][..], &(long as u16).to_be_bytes()].concat(),
    };
    [&[tag][..], &length, body].concat()
}

fn all(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

fn length32(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn key_exchange(lists: [&str; 10]) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend([7; 16]);
    for list in lists {
        payload.extend(length32(list.as_bytes()));
    }
    payload.extend([0; 5]);
    let padding = 4;
    let mut packet = (payload.len() as u32 + 1 + padding).to_be_bytes().to_vec();
    packet.push(padding as u8);
    packet.extend(payload);
    packet.extend(vec![0; padding as usize]);
    packet
}

#[test]
fn greetings_and_offers_of_ssh_are_told_whoever_speaks_first() {
    let client = key_exchange([
        "kx", "hk", "up", "down", "macup", "macdown", "none", "zlib", "", "",
    ]);
    let server = key_exchange(["kx2", "hk", "up2", "down2", "mu2", "md2", "none", "zlib", "", ""]);
    let hello = [&b"SSH-2.0-Client_1 x\r\n"[..], &client].concat();
    let answer = [&b"a line before\r\nSSH-2.0-Server_2\n"[..], &server].concat();
    // MD5 of `kx;up;macup;none` and of `kx2;down2;md2;zlib`.
    let expected: &[(&str, &str)] = &[
        ("ssh.client.banner", "SSH-2.0-Client_1 x"),
        ("ssh.client.hassh", "c2bbc6a3538da73914a3d8cbff0b0398"),
        ("ssh.server.banner", "SSH-2.0-Server_2"),
        ("ssh.server.hassh", "1f0bb731e7703db988aaed0b0c73c169"),
        ("network.protocol", "ssh"),
    ];
    check_said(
        "network.ssh",
        2222,
        &[(Client, &hello), (Server, &answer)],
        &[expected],
    );
    check_said(
        "network.ssh",
        22,
        &[(Server, &answer[15..]), (Client, &hello), (Client, b"encrypted")],
        &[expected],
    );
    check_said(
        "network.ssh",
        22,
        &[(Server, b"SSH-2.0-alone\r\n")],
        &[&[
            ("ssh.server.banner", "SSH-2.0-alone"),
            ("ssh.client.banner", "(absent)"),
        ]],
    );
}

fn principal(parts: &[&str]) -> Vec<u8> {
    let parts: Vec<u8> = parts.iter().flat_map(|part| ber(0x1b, part.as_bytes())).collect();
    ber(
        0x30,
        &all(&[ber(0xa0, &[2, 1, 1]), ber(0xa1, &ber(0x30, &parts))]),
    )
}

fn kerberos_request(tag: u8, service: &[&str]) -> Vec<u8> {
    let body = ber(
        0x30,
        &all(&[
            ber(0xa0, &[3, 5, 0, 0, 0, 0, 0]),
            ber(0xa1, &principal(&["kari"])),
            ber(0xa2, &ber(0x1b, b"EXAMPLE.ORG")),
            ber(0xa3, &principal(service)),
            ber(0xa8, &ber(0x30, &[2, 1, 18, 2, 1, 23, 2, 2, 0xff, 0x7b])),
        ]),
    );
    let request = all(&[ber(0xa1, &[2, 1, 5]), ber(0xa2, &[2, 1, 10]), ber(0xa4, &body)]);
    ber(tag, &ber(0x30, &request))
}

fn kerberos_error(code: u8) -> Vec<u8> {
    ber(
        0x7e,
        &ber(
            0x30,
            &all(&[
                ber(0xa0, &[2, 1, 5]),
                ber(0xa1, &[2, 1, 30]),
                ber(0xa6, &[2, 1, code]),
                ber(0xa9, &ber(0x1b, b"EXAMPLE.ORG")),
            ]),
        ),
    )
}

fn kerberos_ticket() -> Vec<u8> {
    let encrypted = ber(
        0x30,
        &all(&[ber(0xa0, &[2, 1, 23]), ber(0xa2, &ber(4, &[9; 300]))]),
    );
    let ticket = all(&[
        ber(0xa0, &[2, 1, 5]),
        ber(0xa1, &ber(0x1b, b"EXAMPLE.ORG")),
        ber(0xa2, &principal(&["cifs", "files.example.org"])),
        ber(0xa3, &encrypted),
    ]);
    let reply = all(&[
        ber(0xa0, &[2, 1, 5]),
        ber(0xa1, &[2, 1, 13]),
        ber(0xa3, &ber(0x1b, b"EXAMPLE.ORG")),
        ber(0xa4, &principal(&["kari"])),
        ber(0xa5, &ber(0x61, &ber(0x30, &ticket))),
    ]);
    ber(0x6d, &ber(0x30, &reply))
}

#[test]
fn kerberos_requests_get_their_answers_over_tcp_and_udp() {
    let login: &[(&str, &str)] = &[
        ("kerberos.request", "AS"),
        ("kerberos.client.name", "kari"),
        ("kerberos.realm", "EXAMPLE.ORG"),
        ("kerberos.service", "krbtgt/EXAMPLE.ORG"),
        (
            "kerberos.client.ciphers",
            "aes256-cts-hmac-sha1-96, rc4-hmac, rc4-hmac-old",
        ),
        ("kerberos.error.name", "KDC_ERR_C_PRINCIPAL_UNKNOWN"),
        ("kerberos.error.code", "6"),
        ("event.outcome", "failure"),
    ];
    let service: &[(&str, &str)] = &[
        ("kerberos.request", "TGS"),
        ("kerberos.service", "cifs/files.example.org"),
        ("kerberos.ticket.cipher", "rc4-hmac"),
        ("event.outcome", "success"),
        ("network.protocol", "kerberos"),
    ];
    let said = [
        kerberos_request(0x6a, &["krbtgt", "EXAMPLE.ORG"]),
        kerberos_error(6),
        kerberos_request(0x6c, &["cifs", "files.example.org"]),
        kerberos_ticket(),
    ];
    let framed: Vec<Vec<u8>> = said.iter().map(|message| length32(message)).collect();
    check_said(
        "network.kerberos",
        8888,
        &[
            (Client, &framed[0]),
            (Server, &framed[1]),
            (Client, &framed[2]),
            (Server, &framed[3]),
        ],
        &[login, service],
    );
    for family in families() {
        let (client, server) = ((family.client, 50_000), (family.server, 8888));
        let mut lab = Lab::new();
        lab.udp(client, server, &said[0])
            .udp(server, client, &said[1])
            .udp(client, server, &said[2])
            .udp(server, client, &said[3]);
        let records = lab.events("network.kerberos");
        assert_eq!(records.len(), 2);
        check(&records[0], login);
        check(&records[1], service);
        check(
            &records[1],
            &[
                ("source.ip", &family.client.to_string()),
                ("network.transport", "udp"),
            ],
        );
    }
}

fn ldap(number: u8, operation: &[u8]) -> Vec<u8> {
    ber(0x30, &all(&[vec![2, 1, number], operation.to_vec()]))
}

#[test]
fn results_of_binds_are_told_and_passwords_are_not() {
    let simple = ldap(
        1,
        &ber(
            0x60,
            &all(&[vec![2, 1, 3], ber(4, b"cn=kari,dc=example"), ber(0x80, b"secret")]),
        ),
    );
    let refused = ldap(
        1,
        &ber(
            0x61,
            &all(&[vec![0x0a, 1, 49], ber(4, b""), ber(4, b"secret data 52e")]),
        ),
    );
    let search = ldap(2, &ber(0x63, &[7; 5_000]));
    let sasl = ldap(
        3,
        &ber(
            0x60,
            &all(&[
                vec![2, 1, 3],
                ber(4, b""),
                ber(0xa3, &all(&[ber(4, b"GSS-SPNEGO"), ber(4, &[1; 200])])),
            ]),
        ),
    );
    let taken = ldap(3, &ber(0x61, &all(&[vec![0x0a, 1, 0], ber(4, b""), ber(4, b"")])));
    let said: &[(lab::Side, &[u8])] = &[
        (Client, &simple),
        (Server, &refused),
        (Client, &search),
        (Client, &sasl),
        (Server, &taken),
    ];
    check_said(
        "network.ldap",
        3890,
        said,
        &[
            &[
                ("ldap.bind.mechanism", "simple"),
                ("ldap.bind.name", "cn=kari,dc=example"),
                ("ldap.version", "3"),
                ("ldap.result.code", "49"),
                ("ldap.result.name", "invalidCredentials"),
                ("event.outcome", "failure"),
                ("event.action", "bind"),
            ],
            &[
                ("ldap.bind.mechanism", "GSS-SPNEGO"),
                ("ldap.bind.name", "(absent)"),
                ("event.outcome", "success"),
            ],
        ],
    );
    for family in families() {
        let records = format!("{:?}", conversation(family, 389, said).records());
        assert!(!records.contains("secret"), "{records}");
    }
}

fn rdp_request(cookie: &[u8], protocols: u8) -> Vec<u8> {
    let rest = [cookie, &[1, 0, 8, 0, protocols, 0, 0, 0]].concat();
    let length = 11 + rest.len() as u8;
    [&[3, 0, 0, length, length - 5, 0xe0, 0, 0, 0, 0, 0][..], &rest].concat()
}

#[test]
fn what_rdp_negotiates_is_told() {
    let request = rdp_request(b"Cookie: mstshash=kari\r\n", 3);
    let confirm = |kind: u8, value: u8| {
        [
            3, 0, 0, 19, 14, 0xd0, 0, 0, 0, 1, 0, kind, 0, 8, 0, value, 0, 0, 0,
        ]
    };
    check_said(
        "network.rdp",
        33_890,
        &[
            (Client, &request),
            (Server, &confirm(2, 2)),
            (Client, b"\x16\x03\x01 no more of this"),
        ],
        &[&[
            ("rdp.cookie", "kari"),
            ("rdp.requested", "tls, credssp"),
            ("rdp.selected", "credssp"),
            ("network.protocol", "rdp"),
        ]],
    );
    check_said(
        "network.rdp",
        3389,
        &[(Client, &rdp_request(b"", 0)), (Server, &confirm(3, 5))],
        &[&[
            ("rdp.cookie", "(absent)"),
            ("rdp.requested", "rdp"),
            ("rdp.failure", "credssp-required"),
            ("event.outcome", "failure"),
        ]],
    );
    let mut core = vec![0x01, 0xc0, 216, 0];
    core.extend([0; 16]);
    core.extend(19_041_u32.to_le_bytes());
    let mut name = utf16("KONTOR-7");
    name.resize(32, 0);
    core.extend(name);
    let mut settings = vec![3, 0, 0, 0, 2, 0xf0, 0x80];
    settings.extend([0x7f; 40]);
    settings.extend(b"Duca\x81\x00");
    settings.extend(core);
    settings[3] = settings.len() as u8;
    check_said(
        "network.rdp",
        3389,
        &[
            (Client, &rdp_request(b"", 0)),
            (Server, &confirm(2, 0)),
            (Client, &settings),
        ],
        &[&[
            ("rdp.selected", "rdp"),
            ("rdp.client.name", "KONTOR-7"),
            ("rdp.client.build", "19041"),
        ]],
    );
}

#[test]
fn of_mail_only_domains_are_told() {
    let said: &[(lab::Side, &[u8])] = &[
        (Server, b"220 mx.example.org ESMTP\r\n"),
        (Client, b"EHLO kontor-7.example.org\r\n"),
        (Server, b"250-mx\r\n250 SIZE\r\n"),
        (Client, b"MAIL FROM:<kari@Example.ORG> SIZE=9\r\nRCPT TO:<ola@a.example>\r\nRCPT TO:<per@A.example>\r\nrcpt to:<\"x@y\"@b.example>\r\nDATA\r\n"),
        (Server, b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        (Client, b"Subject: secret\r\n\r\nMAIL FROM:<not@an.envelope>\r\n.\r\n"),
        (Server, b"250 taken\r\n"),
        (Client, b"MAIL FROM:<>\r\nRCPT TO:<nobody@c.example>\r\n"),
        (Server, b"250 ok\r\n550 no such user\r\n"),
        (Client, b"BDAT 26 LAST\r\nRCPT TO:<no@envelope.x>\r\n"),
        (Server, b"503 no\r\n"),
        (Client, b"QUIT\r\n"),
    ];
    check_said(
        "network.smtp",
        2525,
        said,
        &[
            &[
                ("smtp.helo", "kontor-7.example.org"),
                ("smtp.from.domain", "example.org"),
                ("smtp.to.domains", "a.example, b.example"),
                ("smtp.receivers", "3"),
                ("smtp.reply", "250"),
                ("event.outcome", "success"),
            ],
            &[
                ("smtp.helo", "kontor-7.example.org"),
                ("smtp.from.domain", "(absent)"),
                ("smtp.to.domains", "c.example"),
                ("smtp.reply", "503"),
                ("event.outcome", "failure"),
            ],
        ],
    );
    for family in families() {
        let records = format!("{:?}", conversation(family, 25, said).records());
        for person in ["kari", "ola", "secret", "an.envelope"] {
            assert!(!records.contains(person), "{person} in {records}");
        }
    }
}

#[test]
fn a_device_that_asks_for_an_address_is_told_by_its_names() {
    let [v4, v6] = families();
    let mut message = vec![1, 1, 6, 0, 1, 2, 3, 4];
    message.resize(28, 0);
    message.extend([2, 0, 0, 0xaa, 0xbb, 0xcc]);
    message.resize(236, 0);
    message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 3, 0, 12, 8]);
    message.extend(b"KONTOR-7");
    message.extend([50, 4, 192, 0, 2, 77, 60, 4]);
    message.extend(b"MSFT");
    message.extend([81, 3 + 12, 4, 0, 0, 7]);
    message.extend(b"kontor7\x02no\0");
    message.push(255);
    let mut answer = message.clone();
    answer[0] = 2;
    answer[16..20].copy_from_slice(&[192, 0, 2, 77]);
    answer[242] = 5;
    let mut lab = Lab::new();
    lab.udp((v4.client, 68), (v4.server, 67), &message)
        .udp((v4.server, 67), (v4.client, 68), &answer);
    let records = lab.events("network.dhcp");
    assert_eq!(records.len(), 2);
    let common: &[(&str, &str)] = &[
        ("dhcp.client.mac", "02-00-00-AA-BB-CC"),
        ("dhcp.client.host_name", "KONTOR-7"),
        ("dhcp.client.fqdn", "kontor7.no"),
        ("dhcp.requested.ip", "192.0.2.77"),
        ("dhcp.client.vendor_class", "MSFT"),
        ("source.ip", "192.0.2.10"),
        ("source.port", "68"),
    ];
    for record in &records {
        check(record, common);
    }
    check(
        &records[0],
        &[("dhcp.type", "request"), ("dhcp.assigned.ip", "(absent)")],
    );
    check(
        &records[1],
        &[("dhcp.type", "ack"), ("dhcp.assigned.ip", "192.0.2.77")],
    );

    let option = |kind: u16, value: &[u8]| {
        [
            &kind.to_be_bytes()[..],
            &(value.len() as u16).to_be_bytes(),
            value,
        ]
        .concat()
    };
    let address = match v6.client {
        std::net::IpAddr::V6(address) => option(5, &[&address.octets()[..], &[0; 8]].concat()),
        std::net::IpAddr::V4(_) => unreachable!("the second family"),
    };
    let body = |kind: u8| {
        all(&[
            vec![kind, 1, 2, 3],
            option(1, &[0, 1, 0, 1, 9, 9, 9, 9, 2, 0, 0, 0xaa, 0xbb, 0xcc]),
            option(3, &[&[0; 12][..], &address].concat()),
            option(39, b"\x01\x08kontor-7\x07example\x02no\0"),
        ])
    };
    let mut lab = Lab::new();
    lab.udp((v6.client, 546), (v6.server, 547), &body(1))
        .udp((v6.server, 547), (v6.client, 546), &body(7));
    let records = lab.events("network.dhcp");
    assert_eq!(records.len(), 2);
    for record in &records {
        check(
            record,
            &[
                ("dhcp.client.mac", "02-00-00-AA-BB-CC"),
                ("dhcp.client.fqdn", "kontor-7.example.no"),
                ("source.ip", "2001:db8::10"),
            ],
        );
    }
    check(
        &records[0],
        &[("dhcp.type", "solicit"), ("dhcp.requested.ip", "2001:db8::10")],
    );
    check(
        &records[1],
        &[("dhcp.type", "reply"), ("dhcp.assigned.ip", "2001:db8::10")],
    );
}

#[test]
fn a_message_that_is_too_long_is_not_waited_for() {
    let padding = ber(0x80, &[b'x'; 40_000]);
    let long = ldap(1, &ber(0x60, &all(&[vec![2, 1, 3], ber(4, b"cn=kari"), padding])));
    let refused = ldap(
        1,
        &ber(0x61, &all(&[vec![0x0a, 1, 49], ber(4, b""), ber(4, b"")])),
    );
    let pieces: Vec<(lab::Side, &[u8])> = long
        .chunks(1_000)
        .map(|piece| (Client, piece))
        .chain([(Server, &refused[..])])
        .collect();
    for family in families() {
        let lab = conversation(family, 389, &pieces);
        assert!(lab.events("network.ldap").is_empty());
        check(&lab.events("network.flow")[0], &[("network.protocol", "ldap")]);
    }
}

#[test]
fn an_answer_is_not_told_of_a_mail_that_it_is_not_for() {
    check_said(
        "network.smtp",
        25,
        &[
            (
                Client,
                b"MAIL FROM:<x@one.example>\r\nRCPT TO:<y@two.example>\r\nDATA\r\n",
            ),
            (Server, b"250 ok\r\n250 ok\r\n354 go\r\n"),
            (
                Client,
                b"x\r\n.\r\nMAIL FROM:<x@three.example>\r\nRCPT TO:<y@four.example>\r\n",
            ),
            (Server, b"250 the first one\r\n"),
        ],
        &[
            &[("smtp.from.domain", "one.example"), ("smtp.reply", "(absent)")],
            &[("smtp.from.domain", "three.example"), ("smtp.reply", "(absent)")],
        ],
    );
}

#[test]
fn a_mail_that_is_refused_before_it_is_sent_is_told_and_the_next_one_too() {
    check_said(
        "network.smtp",
        587,
        &[
            (Client, b"EHLO a.example\r\n"),
            (
                Client,
                b"MAIL FROM:<x@one.example>\r\nRCPT TO:<y@two.example>\r\nDATA\r\n",
            ),
            (Server, b"250 ok\r\n250 ok\r\n554 no\r\n"),
            (
                Client,
                b"MAIL FROM:<x@three.example>\r\nRCPT TO:<y@four.example>\r\nDATA\r\n",
            ),
            (Server, b"250 ok\r\n250 ok\r\n354 go\r\n"),
            (Client, b"x\r\n"),
            (Server, b"451 too slow\r\n"),
        ],
        &[
            &[("smtp.from.domain", "one.example"), ("smtp.reply", "554")],
            &[("smtp.from.domain", "three.example"), ("smtp.reply", "(absent)")],
        ],
    );
}
