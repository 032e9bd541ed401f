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
    check, conversation, families,
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

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn length32(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// Says the same in one segment for each message, and in segments of seven bytes.
fn check_said(dataset: &str, port: u16, said: &[(lab::Side, &[u8])], expected: &[&[(&str, &str)]]) {
    for family in families() {
        for step in [usize::MAX, 7] {
            let pieces: Vec<(lab::Side, &[u8])> = said
                .iter()
                .flat_map(|(side, bytes)| bytes.chunks(step.min(bytes.len())).map(|piece| (*side, piece)))
                .collect();
            let lab = conversation(family, port, &pieces);
            let records = lab.events(dataset);
            assert_eq!(
                records.len(),
                expected.len(),
                "{dataset} in steps of {step}: {records:#?}"
            );
            for (record, expected) in records.iter().zip(expected) {
                check(record, expected);
                let client = family.client.to_string();
                check(record, &[("source.ip", &client), ("network.type", family.name)]);
            }
        }
    }
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

fn smb2(command: u16, number: u8, status: u32, is_answer: bool, body: &[u8]) -> Vec<u8> {
    let mut message = b"\xfeSMB".to_vec();
    message.extend([64, 0, 0, 0]);
    message.extend(status.to_le_bytes());
    message.extend(command.to_le_bytes());
    message.extend([1, 0, u8::from(is_answer), 0, 0, 0, 0, 0, 0, 0]);
    message.extend([number, 0, 0, 0, 0, 0, 0, 0]);
    message.resize(64, 0);
    message.extend(body);
    let mut framed = (message.len() as u32).to_be_bytes().to_vec();
    framed.extend(message);
    framed
}

/// NTLM's last message for a user, a domain and a machine.
fn authenticate(user: &str, domain: &str, machine: &str) -> Vec<u8> {
    let parts = [utf16(domain), utf16(user), utf16(machine)];
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    message.extend([0; 16]);
    let mut at = 64_u32;
    for part in &parts {
        for _ in 0..2 {
            message.extend((part.len() as u16).to_le_bytes());
        }
        message.extend(at.to_le_bytes());
        at += part.len() as u32;
    }
    message.resize(60, 0);
    message.extend([1, 0, 0, 0]);
    message.extend(parts.concat());
    message
}

fn challenge(server: &str, domain: &str) -> Vec<u8> {
    let mut attributes = Vec::new();
    for (kind, text) in [(1_u16, "SHORT"), (3, server), (4, domain)] {
        attributes.extend(kind.to_le_bytes());
        attributes.extend((utf16(text).len() as u16).to_le_bytes());
        attributes.extend(utf16(text));
    }
    attributes.extend([0; 4]);
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.resize(40, 0);
    for _ in 0..2 {
        message.extend((attributes.len() as u16).to_le_bytes());
    }
    message.extend(56_u32.to_le_bytes());
    message.resize(56, 0);
    message.extend(attributes);
    message
}

/// The body of a message with a buffer behind `head` bytes, whose place and length stand at `field`.
fn with_buffer(head: usize, field: usize, buffer: &[u8]) -> Vec<u8> {
    let mut body = vec![0; head];
    body[field..field + 2].copy_from_slice(&(64 + head as u16).to_le_bytes());
    body[field + 2..field + 4].copy_from_slice(&(buffer.len() as u16).to_le_bytes());
    body.extend(buffer);
    body
}

#[test]
fn dialect_logon_and_share_of_smb_are_told() {
    let mut offer = vec![36, 0, 2, 0];
    offer.resize(36, 0);
    offer.extend([0x02, 0x02, 0x11, 0x03]);
    let taken = [&[65, 0, 3, 0, 0x11, 0x03][..], &[0; 59]].concat();
    let logon = with_buffer(24, 12, &authenticate("kari", "EXAMPLE", "KONTOR-7"));
    let first = with_buffer(24, 12, b"NTLMSSP\0\x01\0\0\0");
    let asked = with_buffer(8, 4, &challenge("files.example.org", "example.org"));
    let share = with_buffer(8, 4, &utf16("\\\\files\\ADMIN$"));
    let said = [
        (Client, smb2(0, 0, 0, false, &offer)),
        (Server, smb2(0, 0, 0, true, &taken)),
        (Client, smb2(1, 1, 0, false, &first)),
        (Server, smb2(1, 1, 0xc000_0016, true, &asked)),
        (Client, smb2(1, 2, 0, false, &logon)),
        (
            Server,
            smb2(1, 2, 0xc000_006d, true, &[9, 0, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (Client, smb2(3, 3, 0, false, &share)),
        // A write in between, of which nothing is of interest.
        (Client, smb2(9, 4, 0, false, &[7; 40_000])),
        (Server, smb2(3, 3, 0, true, &[16, 0, 1, 0])),
    ];
    let said: Vec<(lab::Side, &[u8])> = said.iter().map(|(side, bytes)| (*side, &bytes[..])).collect();
    check_said(
        "network.smb",
        4450,
        &said,
        &[
            &[
                ("event.action", "negotiate"),
                ("smb.version", "2"),
                ("smb.client.dialects", "2.02, 3.11"),
                ("smb.dialect", "3.11"),
                ("smb.signing.required", "true"),
                ("event.outcome", "success"),
            ],
            &[
                ("event.action", "session_setup"),
                ("ntlm.user.name", "kari"),
                ("ntlm.domain", "EXAMPLE"),
                ("ntlm.client.name", "KONTOR-7"),
                ("ntlm.server.name", "files.example.org"),
                ("ntlm.server.domain", "example.org"),
                ("smb.status", "STATUS_LOGON_FAILURE"),
                ("event.outcome", "failure"),
            ],
            &[
                ("event.action", "tree_connect"),
                ("smb.share", "\\\\files\\ADMIN$"),
                ("event.outcome", "success"),
            ],
        ],
    );
}

fn smb1(command: u8, is_answer: bool, unicode: bool, words: &[u8], data: &[u8]) -> Vec<u8> {
    let mut message = b"\xffSMB".to_vec();
    message.push(command);
    message.extend([0; 4]);
    message.push(if is_answer { 0x80 } else { 0 });
    message.extend(if unicode { [0, 0x80] } else { [0, 0] });
    message.resize(32, 0);
    message.push((words.len() / 2) as u8);
    message.extend(words);
    message.extend((data.len() as u16).to_le_bytes());
    message.extend(data);
    let mut framed = (message.len() as u32).to_be_bytes().to_vec();
    framed.extend(message);
    framed
}

#[test]
fn the_first_version_of_smb_is_told_too() {
    let offer = smb1(0x72, false, false, &[], b"\x02LANMAN1.0\0\x02NT LM 0.12\0");
    let taken = smb1(0x72, true, false, &[1, 0, 0x0f, 0], b"");
    let share = [&[0][..], &utf16("\\\\files\\C$"), &[0, 0], b"?????\0"].concat();
    let tree = smb1(0x75, false, true, &[0xff, 0, 0, 0, 0, 0, 1, 0], &share);
    let opened = smb1(0x75, true, true, &[0xff, 0, 0, 0], b"A:\0");
    check_said(
        "network.smb",
        139,
        &[
            (Client, b"\x81\0\0\x04abcd"),
            (Server, b"\x82\0\0\0"),
            (Client, &offer),
            (Server, &taken),
            (Client, &tree),
            (Server, &opened),
        ],
        &[
            &[
                ("smb.version", "1"),
                ("smb.client.dialects", "LANMAN1.0, NT LM 0.12"),
                ("smb.dialect", "NT LM 0.12"),
                ("smb.signing.required", "true"),
            ],
            &[("event.action", "tree_connect"), ("smb.share", "\\\\files\\C$")],
        ],
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
