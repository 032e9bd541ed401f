//! SMB built message by message, and the records that it must become, whatever the address family and the port.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

#[path = "capture/lab.rs"]
mod lab;

use lab::{
    Side::{Client, Server},
    check_said, utf16,
};

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
        (Server, smb2(3, 3, 0x103, true, &[9, 0, 0, 0, 0, 0, 0, 0, 0])),
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
