//! TLS up to 1.2 with its certificate, and QUIC's first packets, built byte by byte in both address families.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use aes_gcm::{
    Aes128Gcm, Nonce,
    aead::AeadInOut,
    aes::{
        Aes128,
        cipher::{Array, BlockCipherEncrypt, KeyInit},
    },
};
use hkdf::Hkdf;
use sha2::Sha256;

use lab::{
    Lab,
    Side::{Client, Server},
    check, check_said, conversation, families,
};

/// Made for this test: two names, an address of each family and a mailbox.
const CERTIFICATE: &str = "\
    30820208308201aea00302010202030a1b2c300a06082a8648ce3d0403023047310b3009060355040613024e4f3119301706\
    0355040a0c10456b73656d70656c206b6f6d6d756e65311d301b06035504030c1476706e2e656b73656d70656c2e6578616d\
    706c65301e170d3236313132323138343335385a170d3336313131393138343335385a3047310b3009060355040613024e4f\
    31193017060355040a0c10456b73656d70656c206b6f6d6d756e65311d301b06035504030c1476706e2e656b73656d70656c\
    2e6578616d706c653059301306072a8648ce3d020106082a8648ce3d0301070342000479f3afaefa3fc9875528e1ffe84513\
    6af2eecc02928ea60228532d18946396d78bc0c1b9281195cc6e7b3b65519d08a1ae08b68b3c317985d1cc5bf11045c253a3\
    818830818530640603551d11045d305b821456504e2e656b73656d70656c2e6578616d706c6582147777772e656b73656d70\
    656c2e6578616d706c658704c0000207871020010db800000000000000000000000781156b61726940656b73656d70656c2e\
    6578616d706c65301d0603551d0e0416041476a1441ddb416157a85f1dfb69e819a24348e647300a06082a8648ce3d040302\
    034800304502203918e66505fb66aacb51ac6bb511931596a7e5878d77776bed6a99cdadbb12f0022100c5b9b65c22f55799\
    092077103eb3b45f060568f8a5678d57a730755aa724b21a";

fn certificate() -> Vec<u8> {
    hex::decode(CERTIFICATE).expect("digits")
}

fn length16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &length16(data)].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind][..], &length[1..], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &length16(body)].concat()
}

fn client_hello(name: &str, padding: usize) -> Vec<u8> {
    let sni = length16(&[&[0][..], &length16(name.as_bytes())].concat());
    let extensions = [
        extension(0, &sni),
        extension(16, &length16(b"\x02h3")),
        extension(43, &[2, 3, 4]),
        extension(21, &vec![0; padding]),
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(length16(&[0x13, 0x01, 0xc0, 0x2b]));
    body.extend([1, 0]);
    body.extend(length16(&extensions));
    message(1, &body)
}

fn server_hello(cipher: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.push(0);
    body.extend(cipher);
    body.push(0);
    body.extend(length16(extensions));
    message(2, &body)
}

fn length24(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat()
}

#[test]
fn the_certificate_of_a_server_is_told() {
    let chain = [length24(&certificate()), length24(&[0x30; 20_000])].concat();
    let flight = [
        server_hello([0xc0, 0x2b], &extension(0xff01, &[0])),
        message(11, &length24(&chain)),
    ]
    .concat();
    let hello = record(22, &client_hello("vpn.eksempel.example", 0));
    // In one record, and in records that end inside messages.
    let spread: Vec<u8> = flight.chunks(100).flat_map(|piece| record(22, piece)).collect();
    let whole: Vec<u8> = flight
        .chunks(16_000)
        .flat_map(|piece| record(22, piece))
        .collect();
    for answer in [whole, spread] {
        check_said(
            "network.tls",
            8443,
            &[(Client, &hello), (Server, &answer), (Client, &record(20, &[1]))],
            &[&[
                ("tls.version", "1.2"),
                ("tls.cipher", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
                // MD5 of `771,49195,65281`.
                ("tls.server.ja3s", "5cbdf35d43faf9cfc331165209343f05"),
                ("tls.server.hash.sha1", "a5258be040cca00490b60edc7b1178e96478558c"),
                (
                    "tls.server.hash.sha256",
                    "c283d4bcc9c740820b793f92e1802b5d4cf717ca54ab30f958e3af6d27aa3372",
                ),
                (
                    "tls.server.subject",
                    "C=NO, O=Eksempel kommune, CN=vpn.eksempel.example",
                ),
                (
                    "tls.server.issuer",
                    "C=NO, O=Eksempel kommune, CN=vpn.eksempel.example",
                ),
                ("tls.server.not_before", "2026-11-22T18:43:58Z"),
                ("tls.server.not_after", "2036-11-19T18:43:58Z"),
                ("tls.server.x509.serial_number", "0a1b2c"),
                ("tls.server.x509.subject.common_name", "vpn.eksempel.example"),
                (
                    "tls.server.x509.alternative_names",
                    "vpn.eksempel.example, www.eksempel.example, 192.0.2.7, 2001:db8::7",
                ),
            ]],
        );
    }
}

#[test]
fn a_handshake_without_a_certificate_is_told_as_far_as_it_goes() {
    let hello = record(22, &client_hello("example.org", 0));
    let answer = server_hello([0xc0, 0x2b], &[]);
    let resumed = [record(22, &answer), record(20, &[1])].concat();
    let damaged = [answer, message(11, &length24(&length24(&[0x30, 3, 1, 2, 3])))].concat();
    let newer = record(22, &server_hello([0x13, 0x01], &extension(43, &[3, 4])));
    for (answer, version) in [(resumed, "1.2"), (record(22, &damaged), "1.2"), (newer, "1.3")] {
        check_said(
            "network.tls",
            443,
            &[(Client, &hello), (Server, &answer)],
            &[&[("tls.version", version), ("tls.server.subject", "(absent)")]],
        );
    }
    // What is refused has no cipher.
    let refused = record(21, &[2, 40]);
    check_said(
        "network.tls",
        443,
        &[(Client, &hello), (Server, &refused)],
        &[&[("tls.version", "1.3"), ("tls.cipher", "(absent)")]],
    );
    for family in families() {
        let lab = conversation(family, 443, &[(Client, &hello)]);
        check(
            &lab.events("network.tls")[0],
            &[("tls.client.server_name", "example.org")],
        );
    }
}

/// Salt and labels of a version of QUIC (RFC 9001 section 5.2, RFC 9369 section 3.3).
struct Version {
    number: u32,
    initial: u8,
    retry: u8,
    salt: &'static str,
    labels: [&'static str; 3],
}

const VERSIONS: [Version; 2] = [
    Version {
        number: 1,
        initial: 0xc0,
        retry: 0xf0,
        salt: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
        labels: ["quic key", "quic iv", "quic hp"],
    },
    Version {
        number: 0x6b33_43cf,
        initial: 0xd0,
        retry: 0xc0,
        salt: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
        labels: ["quicv2 key", "quicv2 iv", "quicv2 hp"],
    },
];

fn expand(secret: &Hkdf<Sha256>, label: &str, length: usize) -> Vec<u8> {
    let label = format!("tls13 {label}");
    let info = [&[0, length as u8, label.len() as u8][..], label.as_bytes(), &[0]].concat();
    let mut out = vec![0; length];
    secret.expand(&info, &mut out).unwrap();
    out
}

/// An Initial packet, encrypted with what follows from `id`.
fn initial(
    version: &Version,
    id: &[u8],
    side: &str,
    destination: &[u8],
    number: u8,
    frames: &[u8],
) -> Vec<u8> {
    let secret = Hkdf::<Sha256>::new(Some(&hex::decode(version.salt).unwrap()), id);
    let secret = Hkdf::<Sha256>::from_prk(&expand(&secret, side, 32)).unwrap();
    let [key, iv, hp] = version.labels;
    let key: [u8; 16] = expand(&secret, key, 16).try_into().unwrap();
    let mut nonce: [u8; 12] = expand(&secret, iv, 12).try_into().unwrap();
    nonce[11] ^= number;
    let hp: [u8; 16] = expand(&secret, hp, 16).try_into().unwrap();
    let mut packet = vec![version.initial | 1];
    packet.extend(version.number.to_be_bytes());
    packet.push(destination.len() as u8);
    packet.extend(destination);
    // No id of its own, and no token.
    packet.extend([0, 0]);
    let length = 2 + frames.len() + 16;
    packet.extend((0x4000 | length as u16).to_be_bytes());
    let number_at = packet.len();
    packet.extend([0, number]);
    let mut body = frames.to_vec();
    let tag = Aes128Gcm::new(&key.into())
        .encrypt_inout_detached(&Nonce::from(nonce), &packet, body.as_mut_slice().into())
        .unwrap();
    packet.extend(body);
    packet.extend(tag);
    let sample: [u8; 16] = packet[number_at + 4..number_at + 20].try_into().unwrap();
    let mut mask = Array::from(sample);
    Aes128::new(&hp.into()).encrypt_block(&mut mask);
    packet[0] ^= mask[0] & 0x0f;
    packet[number_at] ^= mask[1];
    packet[number_at + 1] ^= mask[2];
    packet
}

fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let varint = |number: usize| (0x4000 | number as u16).to_be_bytes();
    [&[6][..], &varint(offset), &varint(data.len()), data].concat()
}

const FIRST_ID: &[u8] = b"12345678";
const RETRY_ID: &[u8] = b"abcdefgh-by-server";

#[test]
fn hellos_in_quic_are_put_together_and_told() {
    let hello = client_hello("Quic.Example.org", 1_500);
    let answer = server_hello([0x13, 0x01], &extension(43, &[3, 4]));
    for (index, version) in VERSIONS.iter().enumerate() {
        let client = |id: &[u8], number, frames: &[u8]| initial(version, id, "client in", id, number, frames);
        // A ping, the middle, padding, the beginning; then the end, with an acknowledgment before it.
        let first = [
            &[1][..],
            &crypto(600, &hello[600..1_000]),
            &[0; 30],
            &crypto(0, &hello[..700]),
        ]
        .concat();
        let second = [&[2, 5, 0, 1, 0, 3, 4][..], &crypto(1_000, &hello[1_000..])].concat();
        let reply = initial(
            version,
            FIRST_ID,
            "server in",
            b"",
            0,
            &[&[2, 0, 0, 0, 0][..], &crypto(0, &answer)].concat(),
        );
        let number = (index + 1).to_string();
        let expected = [
            ("tls.client.server_name", "quic.example.org"),
            ("tls.version", "1.3"),
            ("tls.cipher", "TLS_AES_128_GCM_SHA256"),
            ("varde.quic.version", &number),
            ("network.protocol", "quic"),
            ("network.transport", "udp"),
        ];
        for family in families() {
            let (from, to) = ((family.client, 50_000), (family.server, 8443));
            let one_by_one = [client(FIRST_ID, 0, &first), client(FIRST_ID, 1, &second)];
            let together = [one_by_one.concat()];
            let turned = [client(FIRST_ID, 1, &second), client(FIRST_ID, 0, &first)];
            // On a port of its own, and on those of DNS, where a tunnel would hide.
            let ports = [8443, 53, 5353, 5355];
            let said = [&one_by_one[..], &together, &turned];
            for (datagrams, port) in said.into_iter().flat_map(|said| ports.map(|port| (said, port))) {
                let to = (family.server, port);
                let mut lab = Lab::new();
                for datagram in datagrams {
                    lab.udp(from, to, datagram);
                }
                lab.udp(to, from, &reply)
                    .udp(from, to, b"\x40 encrypted from here on");
                let records = lab.events("network.tls");
                assert_eq!(records.len(), 1, "version {number}");
                check(&records[0], &expected);
                check(&records[0], &[("source.ip", &family.client.to_string())]);
                let ja4 = records[0].fields.text("tls.client.ja4").unwrap();
                assert!(ja4.starts_with("q13d0204h3_"), "{ja4}");
                check(&lab.events("network.flow")[0], &[("network.protocol", "quic")]);
            }
            // Sent away with another id, the client begins anew; the answer follows from that.
            let mut retry = vec![version.retry];
            retry.extend(version.number.to_be_bytes());
            retry.extend([0, RETRY_ID.len() as u8]);
            retry.extend(RETRY_ID);
            retry.extend([9; 40]);
            let mut lab = Lab::new();
            lab.udp(from, to, &client(FIRST_ID, 0, &crypto(0, &hello[..400])))
                .udp(to, from, &retry)
                .udp(from, to, &client(RETRY_ID, 1, &first))
                .udp(from, to, &client(RETRY_ID, 2, &second))
                .udp(
                    to,
                    from,
                    &initial(version, RETRY_ID, "server in", b"", 0, &crypto(0, &answer)),
                );
            let records = lab.events("network.tls");
            assert_eq!(records.len(), 1);
            check(&records[0], &expected);
            // Damaged, it says nothing.
            let mut damaged = one_by_one[0].clone();
            let last = damaged.len() - 1;
            damaged[last] ^= 1;
            let mut lab = Lab::new();
            lab.udp(from, to, &damaged);
            assert!(lab.events("network.tls").is_empty());
            check(
                &lab.events("network.flow")[0],
                &[("network.protocol", "(absent)")],
            );
        }
    }
}
