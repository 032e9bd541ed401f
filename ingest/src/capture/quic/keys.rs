//! Keys of QUIC's Initial packets, and how they open one (RFC 9001 sections 5.2 to 5.4, RFC 9369 section 3.3).

use aes_gcm::{
    Aes128Gcm, Nonce, Tag,
    aead::AeadInOut,
    aes::{
        Aes128,
        cipher::{Array, BlockCipherEncrypt, KeyInit},
    },
};
use hkdf::Hkdf;
use sha2::Sha256;

use super::Version;

const SALT_1: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
    0xbb, 0x7f, 0x0a,
];
const SALT_2: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
    0xbd, 0x2e, 0xd9,
];
const TAG_BYTES: usize = 16;
/// Longest packet number (RFC 9000 section 17.1); the sample is taken behind it.
const NUMBER_BYTES_MAX: usize = 4;

/// Keys of both sides.
pub(super) struct Keys {
    client: Side,
    server: Side,
}

struct Side {
    packet: Aes128Gcm,
    iv: [u8; 12],
    header: Aes128,
}

/// Shows no key.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// The keys that follow from the id that the client chose for the server.
    pub(super) fn derive(version: Version, destination_id: &[u8]) -> Option<Self> {
        let salt = match version {
            Version::One => SALT_1,
            Version::Two => SALT_2,
        };
        let initial = Hkdf::<Sha256>::new(Some(&salt), destination_id);
        let side = |label: &str| {
            let secret: [u8; 32] = expand(&initial, label)?;
            Side::derive(version, &Hkdf::<Sha256>::from_prk(&secret).ok()?)
        };
        Some(Self {
            client: side("client in")?,
            server: side("server in")?,
        })
    }

    /// The payload of a packet whose number begins at `number_at`; none if the keys don't fit.
    pub(super) fn open(&self, by_client: bool, packet: &[u8], number_at: usize) -> Option<Vec<u8>> {
        let side = if by_client { &self.client } else { &self.server };
        let sample = packet.get(number_at + NUMBER_BYTES_MAX..)?.first_chunk::<16>()?;
        let mut mask = Array::from(*sample);
        side.header.encrypt_block(&mut mask);
        let [first_mask, number_mask @ ..] = <[u8; 16]>::from(mask);
        let first = packet.first()? ^ (first_mask & 0x0f);
        let number_bytes = usize::from(first & 3) + 1;
        let body_at = number_at + number_bytes;
        let mut header = packet.get(..body_at)?.to_vec();
        *header.first_mut()? = first;
        let mut number = 0_u32;
        for (byte, mask) in header.iter_mut().skip(number_at).zip(number_mask) {
            *byte ^= mask;
            number = number << 8 | u32::from(*byte);
        }
        let mut nonce = side.iv;
        // The first numbers of a connection are short, so what is sent is the whole number.
        for (byte, digit) in nonce.iter_mut().rev().zip(number.to_be_bytes().into_iter().rev()) {
            *byte ^= digit;
        }
        let body = packet.get(body_at..)?;
        let (body, tag) = body.split_at_checked(body.len().checked_sub(TAG_BYTES)?)?;
        let mut payload = body.to_vec();
        let tag = Tag::<aes_gcm::aead::consts::U16>::try_from(tag).ok()?;
        side.packet
            .decrypt_inout_detached(&Nonce::from(nonce), &header, payload.as_mut_slice().into(), &tag)
            .ok()?;
        Some(payload)
    }
}

impl Side {
    fn derive(version: Version, secret: &Hkdf<Sha256>) -> Option<Self> {
        let [key, iv, header] = match version {
            Version::One => ["quic key", "quic iv", "quic hp"],
            Version::Two => ["quicv2 key", "quicv2 iv", "quicv2 hp"],
        };
        let (key, header): ([u8; 16], [u8; 16]) = (expand(secret, key)?, expand(secret, header)?);
        Some(Self {
            packet: Aes128Gcm::new(&key.into()),
            iv: expand(secret, iv)?,
            header: Aes128::new(&header.into()),
        })
    }
}

/// HKDF-Expand-Label without a context (RFC 8446 section 7.1).
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> Option<[u8; N]> {
    const PREFIX: &str = "tls13 ";
    let mut info = u16::try_from(N).ok()?.to_be_bytes().to_vec();
    info.push(u8::try_from(PREFIX.len() + label.len()).ok()?);
    info.extend_from_slice(PREFIX.as_bytes());
    info.extend_from_slice(label.as_bytes());
    info.push(0);
    let mut out = [0; N];
    secret.expand(&info, &mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9001 appendix A.1 and RFC 9369 appendix A.1, both of the same id.
    #[test]
    fn keys_are_those_of_the_standards_examples() {
        let id = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        let one = Keys::derive(Version::One, &id).expect("keys");
        assert_eq!(hex::encode(one.client.iv), "fa044b2f42a3fd3b46fb255c");
        assert_eq!(hex::encode(one.server.iv), "0ac1493ca1905853b0bba03e");
        let two = Keys::derive(Version::Two, &id).expect("keys");
        assert_eq!(hex::encode(two.client.iv), "91f73e2351d8fa91660e909f");
    }
}
