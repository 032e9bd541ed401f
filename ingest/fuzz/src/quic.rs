//! QUIC's first packets around the frames that are in them, so that a fuzzer reaches what is behind the encryption (RFC 9001
//! section 5, RFC 9369 section 3.3).

use aes_gcm::{
    Aes128Gcm, Nonce,
    aead::AeadInOut as _,
    aes::{
        Aes128,
        cipher::{Array, BlockCipherEncrypt as _, KeyInit as _},
    },
};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::conversation::{self, Message};

/// What the client chose for the server, in every conversation.
const ID: &[u8] = b"12345678";

/// What a version calls its keys, and what they are derived with.
struct Version {
    number: u32,
    first: u8,
    salt: [u8; 20],
    labels: [&'static str; 3],
}

const ONE: Version = Version {
    number: 1,
    first: 0xc0,
    salt: [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
        0xbb, 0x7f, 0x0a,
    ],
    labels: ["quic key", "quic iv", "quic hp"],
};
const TWO: Version = Version {
    number: 0x6b33_43cf,
    first: 0xd0,
    salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
        0xbd, 0x2e, 0xd9,
    ],
    labels: ["quicv2 key", "quicv2 iv", "quicv2 hp"],
};

/// Each message as the frames of an Initial packet; of version 2 if the first one is on the heels of a loss.
pub(crate) fn sealed(bytes: &[u8]) -> Vec<u8> {
    let messages = conversation::messages(bytes);
    let version = match messages.first() {
        Some(first) if first.is_behind_loss => &TWO,
        _ => &ONE,
    };
    let sealed: Vec<(u8, Vec<u8>)> = (0_u8..=u8::MAX)
        .zip(&messages)
        .filter_map(|(number, message)| Some((message.kind, initial(version, number, message)?)))
        .collect();
    conversation::written(&sealed)
}

fn initial(version: &Version, number: u8, message: &Message<'_>) -> Option<Vec<u8>> {
    let secret = Hkdf::<Sha256>::new(Some(&version.salt), ID);
    let (side, destination) = match message.is_answer {
        false => ("client in", ID),
        true => ("server in", &b""[..]),
    };
    let secret: [u8; 32] = expand(&secret, side)?;
    let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
    let [key, iv, hp] = version.labels;
    let (key, mut nonce, hp): ([u8; 16], [u8; 12], [u8; 16]) =
        (expand(&secret, key)?, expand(&secret, iv)?, expand(&secret, hp)?);
    *nonce.last_mut()? ^= number;
    let mut packet = vec![version.first | 1];
    packet.extend(version.number.to_be_bytes());
    packet.push(u8::try_from(destination.len()).ok()?);
    packet.extend(destination);
    // No id of its own, and no token.
    packet.extend([0, 0]);
    // What is sampled must be there.
    let mut body = message.bytes.to_vec();
    body.resize(body.len().max(4), 0);
    let length = u16::try_from(2 + body.len() + 16)
        .ok()
        .filter(|length| *length < 0x4000)?;
    packet.extend((0x4000 | length).to_be_bytes());
    let number_at = packet.len();
    packet.extend([0, number]);
    let tag = Aes128Gcm::new(&key.into())
        .encrypt_inout_detached(&Nonce::from(nonce), &packet, body.as_mut_slice().into())
        .ok()?;
    packet.extend(body);
    packet.extend(tag);
    let sample = packet.get(number_at + 4..)?.first_chunk::<16>()?;
    let mut mask = Array::from(*sample);
    Aes128::new(&hp.into()).encrypt_block(&mut mask);
    let [first, rest @ ..] = <[u8; 16]>::from(mask);
    *packet.first_mut()? ^= first & 0x0f;
    for (byte, mask) in packet.iter_mut().skip(number_at).take(2).zip(rest) {
        *byte ^= mask;
    }
    Some(packet)
}

/// HKDF-Expand-Label without a context (RFC 8446 section 7.1).
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> Option<[u8; N]> {
    let label = format!("tls13 {label}");
    let mut info = u16::try_from(N).ok()?.to_be_bytes().to_vec();
    info.push(u8::try_from(label.len()).ok()?);
    info.extend_from_slice(label.as_bytes());
    info.push(0);
    let mut out = [0; N];
    secret.expand(&info, &mut out).ok()?;
    Some(out)
}
