//! Conversations, by target: who speaks (0 who calls, 1 who is called) and what is said.

use etherparse::PacketBuilder;

use crate::conversation::{self, Transport};

type Said = Vec<(u8, Vec<u8>)>;

/// What Windows asks for in a negotiation, without a message of NTLM: NTLM's messages begin so.
const NTLM: &[u8] = b"NTLMSSP\0";

/// Made for tests: names, an address of each family and a mailbox.
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

/// In DER.
pub(super) fn certificate() -> Vec<u8> {
    let digits: Vec<u8> = CERTIFICATE.bytes().collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).filter_map(pair).collect()
}

/// Those of a target.
pub(super) fn conversations(name: &str) -> Vec<Said> {
    match name {
        "dhcp" => vec![vec![(0, dhcp(1, 3)), (1, dhcp(2, 5))]],
        "dhcp6" => vec![vec![(0, dhcp6(1)), (1, dhcp6(7))]],
        "dns" => vec![dns(|message| message), vec![(0, query(b"\x01x\xc0\x0c"))]],
        "dns-tcp" => vec![dns(|message| length16(&message))],
        "http" | "unknown" => vec![http()],
        "kerberos" => vec![kerberos(|message| message)],
        "kerberos-tcp" => vec![kerberos(|message| length32(&message))],
        "ldap" => vec![ldap()],
        "quic" => vec![
            vec![(0, crypto(&client_hello())), (1, crypto(&server_hello()))],
            vec![
                (2, crypto(&client_hello())),
                (1, [vec![2, 0, 0, 0, 0], crypto(&server_hello())].concat()),
            ],
        ],
        "quic-wire" => vec![
            conversation::messages(&crate::quic::sealed(&conversation::written(&[(
                0,
                crypto(&client_hello()),
            )])))
            .iter()
            .map(|message| (message.kind, message.bytes.to_vec()))
            .collect(),
        ],
        "rdp" => vec![rdp()],
        "smb" => vec![smb(), old_smb()],
        "smtp" => vec![smtp()],
        "ssh" => vec![ssh()],
        "tls" => vec![tls()],
        "vxlan" => vec![dns(|message| vxlan(&message))],
        _ => Vec::new(),
    }
}

fn length16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes()[..], bytes].concat()
}

fn length24(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes();
    [length.get(1..).unwrap_or_default(), bytes].concat()
}

fn length32(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes()[..], bytes].concat()
}

/// A type, a length and a value, as BER has them.
fn ber(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = match u8::try_from(body.len()) {
        Ok(short) if short < 128 => vec![short],
        _ => [vec![0x82], length16(&body).get(..2).unwrap_or_default().to_vec()].concat(),
    };
    [&[tag][..], &length, &body].concat()
}

fn dhcp(kind: u8, message: u8) -> Vec<u8> {
    let mut out = vec![kind, 1, 6, 0, 1, 2, 3, 4];
    out.resize(28, 0);
    out.extend([2, 0, 0, 0xaa, 0xbb, 0xcc]);
    out.resize(236, 0);
    out.extend([0x63, 0x82, 0x53, 0x63, 53, 1, message, 0, 12, 8]);
    out.extend(b"KONTOR-7");
    out.extend([50, 4, 192, 0, 2, 77, 81, 15, 4, 0, 0, 7]);
    out.extend(b"kontor7\x02no\0\xff");
    out
}

fn dhcp6(kind: u8) -> Vec<u8> {
    let option = |kind: u8, value: &[u8]| [&[0, kind][..], &length16(value)].concat();
    let address = option(5, &[[0x20; 16].as_slice(), &[0; 8]].concat());
    [
        vec![kind, 1, 2, 3],
        option(1, &[0, 1, 0, 1, 9, 9, 9, 9, 2, 0, 0, 0xaa, 0xbb, 0xcc]),
        option(3, &[vec![0; 12], address].concat()),
        option(39, b"\x01\x08kontor-7\x07example\x02no\0"),
    ]
    .concat()
}

/// A question with a further name behind it.
fn query(further: &[u8]) -> Vec<u8> {
    let head = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    let question = b"\x03www\x07example\x03org\0\0\x01\0\x01";
    [
        &head[..],
        question,
        further,
        &[0, 0x29, 4, 0xd0, 0, 0, 0, 0, 0, 0],
    ]
    .concat()
}

fn dns(frame: impl Fn(Vec<u8>) -> Vec<u8>) -> Said {
    let head = [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0];
    let question = b"\x03www\x07example\x03org\0\0\x01\0\x01";
    let answers = [
        &b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01a\xc0\x10"[..],
        b"\xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07",
        b"\xc0\x2d\0\x10\0\x01\0\0\0\x3c\0\x05\x04text",
    ];
    let answer = [&head[..], question, &answers.concat()].concat();
    vec![(0, frame(query(b"\0"))), (1, frame(answer))]
}

fn http() -> Said {
    vec![
        (
            0,
            b"GET /one?x=1 HTTP/1.1\r\nHost: www.Example.org:8080\r\nUser-Agent: probe/1\r\n\r\n".to_vec(),
        ),
        (
            1,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nfirst".to_vec(),
        ),
        (
            0,
            b"POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyHEAD /three HTTP/1.0\r\n\r\n"
                .to_vec(),
        ),
        (
            1,
            b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHTTP/\r\n0\r\n\r\n".to_vec(),
        ),
    ]
}

fn kerberos(frame: impl Fn(Vec<u8>) -> Vec<u8>) -> Said {
    let realm = ber(0x1b, &[b"EXAMPLE.ORG"]);
    let principal = |name: &[u8]| {
        let names = ber(0xa1, &[&ber(0x30, &[&ber(0x1b, &[name])])]);
        ber(0x30, &[&ber(0xa0, &[&[2, 1, 1]]), &names])
    };
    let body = ber(
        0x30,
        &[
            &ber(0xa0, &[&[3, 5, 0, 0, 0, 0, 0]]),
            &ber(0xa1, &[&principal(b"kari")]),
            &ber(0xa2, &[&realm]),
            &ber(0xa3, &[&principal(b"krbtgt")]),
            &ber(0xa8, &[&ber(0x30, &[&[2, 1, 18, 2, 1, 23]])]),
        ],
    );
    let request = [
        ber(0xa1, &[&[2, 1, 5]]),
        ber(0xa2, &[&[2, 1, 10]]),
        ber(0xa4, &[&body]),
    ]
    .concat();
    let error = [
        ber(0xa0, &[&[2, 1, 5]]),
        ber(0xa1, &[&[2, 1, 30]]),
        ber(0xa6, &[&[2, 1, 25]]),
        ber(0xa9, &[&realm]),
    ]
    .concat();
    vec![
        (0, frame(ber(0x6a, &[&ber(0x30, &[&request])]))),
        (1, frame(ber(0x7e, &[&ber(0x30, &[&error])]))),
    ]
}

fn ldap() -> Said {
    let message = |number: u8, operation: Vec<u8>| ber(0x30, &[&[2, 1, number], &operation]);
    let bind = ber(
        0x60,
        &[&[2, 1, 3], &ber(4, &[b"cn=kari"]), &ber(0x80, &[b"secret"])],
    );
    let result = |code: u8| ber(0x61, &[&[0x0a, 1, code], &ber(4, &[]), &ber(4, &[b"no"])]);
    let sasl = ber(
        0xa3,
        &[&ber(4, &[b"GSS-SPNEGO"]), &ber(4, &[NTLM, &[1, 0, 0, 0]])],
    );
    vec![
        (0, message(1, bind)),
        (1, message(1, result(49))),
        (0, message(2, ber(0x63, &[&[7; 300]]))),
        (0, message(3, ber(0x60, &[&[2, 1, 3], &ber(4, &[]), &sasl]))),
        (1, message(3, result(0))),
    ]
}

fn rdp() -> Said {
    let rest = [&b"Cookie: mstshash=kari\r\n"[..], &[1, 0, 8, 0, 0, 0, 0, 0]].concat();
    let length = 11 + u8::try_from(rest.len()).unwrap_or(0);
    let request = [&[3, 0, 0, length, length - 5, 0xe0, 0, 0, 0, 0, 0][..], &rest].concat();
    let confirm = vec![3, 0, 0, 19, 14, 0xd0, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0, 0, 0, 0];
    let mut core = vec![0x01, 0xc0, 216, 0];
    core.resize(20, 0);
    core.extend(19_041_u32.to_le_bytes());
    core.extend(wide("KONTOR-7"));
    core.resize(56, 0);
    let settings = [&[0x7f; 40][..], b"Duca\x81\0", &core].concat();
    let length = 7 + u8::try_from(settings.len()).unwrap_or(0);
    let settings = [&[3, 0, 0, length, 2, 0xf0, 0x80][..], &settings].concat();
    vec![(0, request), (1, confirm), (0, settings)]
}

/// UTF-16, little endian.
fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn smb2(command: u8, number: u8, status: u32, is_answer: bool, body: &[u8]) -> Vec<u8> {
    let mut message = b"\xfeSMB\x40\0\0\0".to_vec();
    message.extend(status.to_le_bytes());
    message.extend([command, 0, 1, 0, u8::from(is_answer), 0, 0, 0, 0, 0, 0, 0, number]);
    message.resize(64, 0);
    message.extend(body);
    length32(&message)
}

/// The body of a message with a buffer behind it, whose place and length stand at `field`.
fn buffered(head: u8, field: u8, buffer: &[u8]) -> Vec<u8> {
    let mut body = vec![0; usize::from(field)];
    body.extend([64 + head, 0]);
    body.extend(u16::try_from(buffer.len()).unwrap_or(0).to_le_bytes());
    body.resize(usize::from(head), 0);
    body.extend(buffer);
    body
}

fn smb() -> Said {
    let mut offer = vec![36, 0, 2, 0];
    offer.resize(36, 0);
    offer.extend([0x02, 0x02, 0x11, 0x03]);
    let taken = [&[65, 0, 3, 0, 0x11, 0x03][..], &[0; 59]].concat();
    let mut logon = [NTLM, &[3, 0, 0, 0], &[0; 16]].concat();
    let mut at = 64;
    for part in ["EXAMPLE", "kari", "KONTOR-7"] {
        let bytes = u8::try_from(2 * part.len()).unwrap_or(0);
        logon.extend([bytes, 0, bytes, 0, at, 0, 0, 0]);
        at += bytes;
    }
    logon.resize(60, 0);
    logon.extend([1, 0, 0, 0]);
    logon.extend(wide("EXAMPLEkariKONTOR-7"));
    let attributes = [&[3, 0, 10, 0][..], &wide("files"), &[0; 4]].concat();
    let bytes = u8::try_from(attributes.len()).unwrap_or(0);
    let mut asked = [NTLM, &[2, 0, 0, 0]].concat();
    asked.resize(40, 0);
    asked.extend([bytes, 0, bytes, 0, 56, 0, 0, 0]);
    asked.resize(56, 0);
    asked.extend(attributes);
    let ended = [9, 0, 0, 0, 0, 0, 0, 0, 0];
    vec![
        (0, smb2(0, 0, 0, false, &offer)),
        (1, smb2(0, 0, 0, true, &taken)),
        (
            0,
            smb2(1, 1, 0, false, &buffered(24, 12, &[NTLM, &[1, 0, 0, 0]].concat())),
        ),
        (1, smb2(1, 1, 0xc000_0016, true, &buffered(8, 4, &asked))),
        (0, smb2(1, 2, 0, false, &buffered(24, 12, &logon))),
        (1, smb2(1, 2, 0xc000_006d, true, &ended)),
        (
            0,
            smb2(3, 3, 0, false, &buffered(8, 4, &wide("\\\\files\\ADMIN$"))),
        ),
        (1, smb2(3, 3, 0, true, &[16, 0, 1, 0])),
    ]
}

fn old_smb() -> Said {
    let smb1 = |command: u8, flags: u8, words: &[u8], bytes: &[u8]| {
        let mut message = [&b"\xffSMB"[..], &[command, 0, 0, 0, 0, flags, 0, 0xc0]].concat();
        message.resize(32, 0);
        message.push(u8::try_from(words.len() / 2).unwrap_or(0));
        message.extend(words);
        message.extend(u16::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
        message.extend(bytes);
        length32(&message)
    };
    let share = [&[0][..], &wide("\\\\files\\C$"), &[0, 0], b"?????\0"].concat();
    vec![
        (0, smb1(0x72, 0, &[], b"\x02LANMAN1.0\0\x02NT LM 0.12\0")),
        (1, smb1(0x72, 0x80, &[1, 0, 15, 0], b"")),
        (0, smb1(0x75, 0, &[0xff, 0, 0, 0, 0, 0, 1, 0], &share)),
        (1, smb1(0x75, 0x80, &[0xff, 0, 0, 0], b"A:\0")),
    ]
}

fn smtp() -> Said {
    let said: [(u8, &[u8]); 8] = [
        (1, b"220 mx.example.org ESMTP\r\n"),
        (0, b"EHLO kontor-7.example.org\r\n"),
        (1, b"250-mx\r\n250 SIZE\r\n"),
        (0, b"MAIL FROM:<kari@Example.ORG> SIZE=9\r\nRCPT TO:<ola@a.example>\r\nDATA\r\n"),
        (1, b"250 ok\r\n250 ok\r\n354 go\r\n"),
        (0, b"Subject: secret\r\n\r\nhello\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<\"x@y\"@b.example>\r\nBDAT 4 LAST\r\nQUIT"),
        (1, b"250 taken\r\n250 ok\r\n550 no such user\r\n503 no\r\n"),
        (0, b"STARTTLS\r\n"),
    ];
    said.iter().map(|(side, bytes)| (*side, bytes.to_vec())).collect()
}

fn ssh() -> Said {
    let offer = |lists: [&str; 10]| {
        let lists: Vec<u8> = lists.iter().flat_map(|list| length32(list.as_bytes())).collect();
        let payload = [&[4, 20][..], &[7; 16], &lists, &[0; 9]].concat();
        length32(&payload)
    };
    let client = offer([
        "kx", "hk", "up", "down", "macup", "macdown", "none", "zlib", "", "",
    ]);
    let server = offer(["kx2", "hk", "up2", "down2", "mu2", "md2", "none", "zlib", "", ""]);
    vec![
        (0, [&b"SSH-2.0-Client_1 x\r\n"[..], &client].concat()),
        (1, [&b"a line before\r\nSSH-2.0-Server_2\n"[..], &server].concat()),
        (0, b"encrypted".to_vec()),
    ]
}

fn extension(kind: u8, data: &[u8]) -> Vec<u8> {
    [&[0, kind][..], &length16(data)].concat()
}

fn client_hello() -> Vec<u8> {
    let name = length16(&[&[0][..], &length16(b"vpn.eksempel.example")].concat());
    let extensions = [
        extension(0, &name),
        extension(10, &length16(&[0x0a, 0x0a, 0, 29])),
        extension(11, &[1, 0]),
        extension(13, &length16(&[4, 3, 8, 4])),
        extension(16, &length16(b"\x02h3\x08http/1.1")),
        extension(43, &[2, 3, 4]),
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0],
        &length16(&[0x13, 0x01, 0xc0, 0x2b]),
        &[1, 0],
        &length16(&extensions),
    ]
    .concat();
    [&[1][..], &length24(&body)].concat()
}

fn server_hello() -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &[9; 32],
        &[0, 0xc0, 0x2b, 0],
        &length16(&extension(43, &[3, 4])),
    ]
    .concat();
    [&[2][..], &length24(&body)].concat()
}

fn tls() -> Said {
    let record = |kind: u8, body: &[u8]| [&[kind, 3, 3][..], &length16(body)].concat();
    let body = [&[3, 3][..], &[9; 32], &[0, 0xc0, 0x2b, 0, 0, 0]].concat();
    let chain = length24(&length24(&certificate()));
    let flight = [&[2][..], &length24(&body), &[11], &length24(&chain)].concat();
    vec![
        (0, record(22, &client_hello())),
        (1, record(22, &flight)),
        (0, [record(20, &[1]), record(21, &[2, 40])].concat()),
    ]
}

/// A CRYPTO frame.
fn crypto(data: &[u8]) -> Vec<u8> {
    let length = 0x4000 | u16::try_from(data.len()).unwrap_or(0);
    [&[6, 0][..], &length.to_be_bytes(), data].concat()
}

/// In a frame of a network that is carried over another (RFC 7348).
fn vxlan(message: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 0, 7, 0][..], &frame(message)].concat()
}

/// A question to a name server, tagged.
fn frame(message: &[u8]) -> Vec<u8> {
    let step = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4])
        .single_vlan(etherparse::VlanId::ZERO)
        .ipv4([10, 1, 1, 1], [10, 1, 1, 2], 64)
        .udp(40_001, 53);
    let mut frame = Vec::new();
    step.write(&mut frame, message)
        .map_or_else(|_| Vec::new(), |()| frame)
}

/// A capture of frames in frames: two tags, MPLS, GRE, pieces of a packet, and ARP.
pub(super) fn wrapped() -> Vec<u8> {
    let mut file = conversation::capture(Transport::Udp(53), false, b"");
    let inner = frame(&query(b"\0"));
    let ip = inner.get(18..).unwrap_or_default();
    let ethernet = |kind: &[u8], rest: &[u8]| [&[2; 12][..], kind, rest].concat();
    let v4 = |protocol: u8, fragment: [u8; 2], rest: &[u8]| {
        let length = length16(&[&[0; 18][..], rest].concat());
        let length = length.get(..2).unwrap_or_default();
        let head = [
            &[0x45, 0][..],
            length,
            &[0, 7],
            &fragment,
            &[64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2],
        ];
        let mut packet = head.concat();
        let total = u16::try_from(packet.len() + rest.len())
            .unwrap_or(0)
            .to_be_bytes();
        packet.splice(2..4, total);
        [packet, rest.to_vec()].concat()
    };
    let udp = ip.get(20..).unwrap_or_default();
    let (one, two) = udp.split_at_checked(16).unwrap_or_default();
    let frames = [
        ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0], ip),
        ethernet(&[0x88, 0x47, 0, 0, 0x11, 64, 0, 0, 0x21, 64], ip),
        ethernet(&[8, 0], &v4(47, [0, 0], &[&[0, 0, 8, 0][..], ip].concat())),
        ethernet(
            &[8, 0],
            &v4(
                47,
                [0, 0],
                &[
                    &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0][..],
                    &inner,
                ]
                .concat(),
            ),
        ),
        ethernet(&[8, 0], &v4(4, [0, 0], ip)),
        ethernet(&[8, 0], &v4(17, [0x20, 0], one)),
        ethernet(&[8, 0], &v4(17, [0, 2], two)),
        ethernet(&[8, 6], &[0; 28]),
        ethernet(&[8, 0], &v4(1, [0, 0], &[8, 0, 0, 0, 0, 7, 0, 1])),
    ];
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap_or(0).to_le_bytes();
        file.extend(
            [
                &1_772_438_400_u32.to_le_bytes()[..],
                &[0; 4],
                &length,
                &length,
                &frame,
            ]
            .concat(),
        );
    }
    file
}
