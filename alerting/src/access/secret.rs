//! Random secrets, how they are shown, and how they are kept: as a digest, or sealed.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use sha2::{Digest, Sha256};

/// 256 bits: of a session or a token, which nobody guesses however long they try.
const SECRET_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const BASE32: [char; 32] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U',
    'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
];

/// What a browser or a machine holds to show who it is; only its digest is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// If the machine gives no random bytes.
    pub(crate) fn draw() -> anyhow::Result<Self> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random::<SECRET_BYTES>()?)))
    }

    /// One as it was sent; what is too long to be one is none.
    pub(crate) fn sent(text: &str) -> Option<Self> {
        let fits = URL_SAFE_NO_PAD
            .decode(text)
            .is_ok_and(|bytes| bytes.len() == SECRET_BYTES);
        fits.then(|| Self(text.to_owned()))
    }

    /// As it is sent.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is kept.
    pub(crate) fn digest(&self) -> String {
        digest(self.0.as_bytes())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 as hexadecimal digits: enough where nobody can guess what it is of.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Random bytes.
///
/// # Errors
/// If the machine gives none.
pub(crate) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("ask for random bytes: {error}"))?;
    Ok(bytes)
}

/// Base 32 without padding (RFC 4648 section 6), five bits to a letter.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while 5 <= bits {
            bits -= 5;
            text.extend(BASE32.get((held >> bits) as usize & 31));
        }
    }
    if 0 < bits {
        text.extend(BASE32.get((held << (5 - bits)) as usize & 31));
    }
    text
}

/// Seals bytes with AES-256-GCM; `of` is whose they are, so that they open for nobody else.
///
/// # Errors
/// If there are no random bytes.
pub(crate) fn seal(key: &[u8; 32], of: &str, plain: &[u8]) -> anyhow::Result<String> {
    let nonce = random::<NONCE_BYTES>()?;
    let mut tag = [0; TAG_BYTES];
    let sealed = encrypt_aead(
        Cipher::aes_256_gcm(),
        key,
        Some(&nonce),
        of.as_bytes(),
        plain,
        &mut tag,
    )
    .context("seal a secret")?;
    Ok(hex::encode([&nonce[..], &sealed, &tag].concat()))
}

/// Opens what was sealed; `None` for another key, another's, or what was changed.
pub(crate) fn unseal(key: &[u8; 32], of: &str, sealed: &str) -> Option<Vec<u8>> {
    let bytes = hex::decode(sealed).ok()?;
    let (nonce, rest) = bytes.split_at_checked(NONCE_BYTES)?;
    let (sealed, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_BYTES)?)?;
    decrypt_aead(
        Cipher::aes_256_gcm(),
        key,
        Some(nonce),
        of.as_bytes(),
        sealed,
        tag,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_32_is_that_of_the_rfc() {
        for (plain, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), text, "{plain}");
        }
    }

    #[test]
    fn what_is_sealed_opens_for_its_owner_alone() {
        let key = [7; 32];
        let sealed = seal(&key, "kari", b"secret").expect("sealed");
        assert_eq!(unseal(&key, "kari", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(unseal(&[8; 32], "kari", &sealed), None, "another key");
        assert_eq!(unseal(&key, "ola", &sealed), None, "another's");
        let mut changed = sealed.into_bytes();
        changed[30] = if changed[30] == b'0' { b'1' } else { b'0' };
        assert_eq!(
            unseal(&key, "kari", &String::from_utf8(changed).expect("ascii")),
            None
        );
        for text in ["", "00", "zz"] {
            assert_eq!(unseal(&key, "kari", text), None, "{text}");
        }
    }

    #[test]
    fn two_secrets_differ_and_only_what_could_be_one_is_looked_up() {
        let (one, other) = (Secret::draw().expect("drawn"), Secret::draw().expect("drawn"));
        assert_ne!(one, other);
        assert_eq!(Secret::sent(one.as_str()), Some(one.clone()));
        assert!(!one.digest().contains(one.as_str()) && !format!("{one:?}").contains(one.as_str()));
        for text in ["", "abc", &format!("{}A", one.as_str()), &"!".repeat(43)] {
            assert_eq!(Secret::sent(text), None, "{text}");
        }
    }
}
