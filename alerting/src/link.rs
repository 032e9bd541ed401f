//! The link in a notification: a token that names the notification and can't be made up.
//!
//! `base64url(notification id, 16 bytes, then the first 16 bytes of HMAC-SHA-256 over it)`: 43 characters, no state.
//! The key is random, made once, and kept beside the store with mode 0600, or in a store that instances share, so that a
//! link of one opens at another. Whoever loses it makes all links void.

use std::{io::ErrorKind, path::Path};

use alerting_incident::NotificationId;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{private, store::Store};

const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 16;
/// 128 bits can't be guessed; more would only make the link longer than a mail's line.
const TAG_BYTES: usize = 16;

/// 64 bits: who guesses has a mail server between, and gets no more of it than a mail that counts as come back.
const RETURN_TAG_BYTES: usize = 8;
/// Characters of the name in an address that mail comes back to: mail servers may lose capitals, so hexadecimal digits.
pub(crate) const RETURN_CHARS: usize = 2 * (ID_BYTES + RETURN_TAG_BYTES);

/// The key that links are signed with.
#[derive(Clone)]
pub(crate) struct LinkKey([u8; KEY_BYTES]);

impl LinkKey {
    /// The key of a store: in a shared one, where a key in the folder is taken over the first time, else in the folder.
    ///
    /// # Errors
    /// If it can't be read or made, or has another length.
    pub(crate) async fn of(store: &Store, folder: &Path) -> anyhow::Result<Self> {
        let shared = store.shared_secret("link", || Ok(Self::open(folder)?.0)).await?;
        shared.map_or_else(|| Self::open(folder), |key| Ok(Self(key)))
    }

    /// The key in a folder; made there the first time.
    ///
    /// # Errors
    /// If it can't be read or made, or has another length.
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("link.key");
        match std::fs::read(&path) {
            Ok(bytes) => {
                let key = bytes.try_into().ok().with_context(|| {
                    format!(
                        "read {}: it must have {KEY_BYTES} bytes; remove it to make all links void",
                        path.display()
                    )
                })?;
                Ok(Self(key))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut key = [0; KEY_BYTES];
                getrandom::fill(&mut key)
                    .map_err(|error| anyhow::anyhow!("ask for random bytes: {error}"))?;
                private::write(&path, &key).with_context(|| format!("write {}", path.display()))?;
                Ok(Self(key))
            }
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// A key for tests.
    #[cfg(test)]
    pub(crate) const fn of_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A number that is this installation's own, to spread retries with.
    #[must_use]
    pub(crate) fn seed(&self) -> u64 {
        let mut seed = [0; 8];
        seed.iter_mut()
            .zip(self.mac(b"seed").iter())
            .for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(seed)
    }

    /// A key for another purpose, which says nothing of this one.
    #[must_use]
    pub(crate) fn derived(&self, purpose: &str) -> [u8; KEY_BYTES] {
        self.keyed(purpose.as_bytes()).finalize().into_bytes().into()
    }

    /// The token for a notification.
    #[must_use]
    pub(crate) fn token(&self, notification: &NotificationId) -> String {
        let mut bytes = hex::decode(notification.as_str()).unwrap_or_default();
        let tag = self.mac(&bytes);
        bytes.extend(tag.iter().take(TAG_BYTES));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The notification that a token names; `None` for anything this key did not sign. The comparison takes the same
    /// time wherever the difference is.
    #[must_use]
    pub(crate) fn open_token(&self, token: &str) -> Option<NotificationId> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        if bytes.len() != ID_BYTES + TAG_BYTES {
            return None;
        }
        let (id, tag) = bytes.split_at_checked(ID_BYTES)?;
        self.keyed(id).verify_truncated_left(tag).ok()?;
        NotificationId::parse(&hex::encode(id))
    }

    /// The name of a mail in the address that it comes back to.
    #[must_use]
    pub(crate) fn return_token(&self, id: &str) -> String {
        let tag = self.return_mac(id).finalize().into_bytes();
        let tag: Vec<u8> = tag.iter().copied().take(RETURN_TAG_BYTES).collect();
        format!("{id}{}", hex::encode(tag))
    }

    /// The mail that such a name names; `None` for anything this key did not sign.
    #[must_use]
    pub(crate) fn open_return(&self, token: &str) -> Option<String> {
        let token = token.to_ascii_lowercase();
        if token.len() != RETURN_CHARS {
            return None;
        }
        let (id, tag) = token.split_at_checked(2 * ID_BYTES)?;
        let tag = hex::decode(tag).ok()?;
        self.return_mac(id).verify_truncated_left(&tag).ok()?;
        Some(id.to_owned())
    }

    /// The link in a yearly question.
    #[must_use]
    pub(crate) fn check_token(&self, id: &str) -> String {
        let tag = keyed(&self.derived("contact check"), id.as_bytes())
            .finalize()
            .into_bytes();
        let tag: Vec<u8> = tag.iter().copied().take(TAG_BYTES).collect();
        format!("{id}{}", hex::encode(tag))
    }

    /// The letter that such a link is of; `None` for anything this key did not sign.
    #[must_use]
    pub(crate) fn open_check(&self, token: &str) -> Option<String> {
        if token.len() != 2 * (ID_BYTES + TAG_BYTES) {
            return None;
        }
        let (id, tag) = token.split_at_checked(2 * ID_BYTES)?;
        let tag = hex::decode(tag).ok()?;
        let mac = keyed(&self.derived("contact check"), id.as_bytes());
        mac.verify_truncated_left(&tag).ok()?;
        Some(id.to_owned())
    }

    fn return_mac(&self, id: &str) -> Hmac<Sha256> {
        keyed(&self.derived("return address"), id.as_bytes())
    }

    fn mac(&self, message: &[u8]) -> Vec<u8> {
        self.keyed(message).finalize().into_bytes().to_vec()
    }

    fn keyed(&self, message: &[u8]) -> Hmac<Sha256> {
        keyed(&self.0, message)
    }
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

/// HMAC-SHA-256 over a message, to be finished or compared.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
pub(crate) fn keyed(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_key_signed_opens_and_any_changed_character_does_not() {
        let (key, other) = (LinkKey([7; 32]), LinkKey([8; 32]));
        let id = NotificationId::parse(&"0123456789abcdef".repeat(2)).expect("an id");
        let token = key.token(&id);
        assert_eq!(token.len(), 43);
        assert_eq!(key.open_token(&token), Some(id));
        assert_eq!(other.open_token(&token), None);
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                key.open_token(&String::from_utf8(bytes).expect("ascii")),
                None,
                "{place}"
            );
        }
        for text in ["", "x", "=", &token[..42], &format!("{token}A")] {
            assert_eq!(key.open_token(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_that_mail_comes_back_to_survives_capitals_and_can_not_be_made_up() {
        let (key, other) = (LinkKey([7; 32]), LinkKey([8; 32]));
        let id = "0123456789abcdef".repeat(2);
        let token = key.return_token(&id);
        assert_eq!(token.len(), RETURN_CHARS);
        assert_eq!(key.open_return(&token), Some(id.clone()));
        assert_eq!(key.open_return(&token.to_uppercase()), Some(id.clone()));
        assert_eq!(other.open_return(&token), None);
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).expect("ascii");
            assert_eq!(key.open_return(&changed), None, "{place}");
        }
        assert_eq!(key.open_return(&id), None);
        let check = key.check_token(&id);
        assert_eq!(key.open_check(&check), Some(id));
        assert_eq!(other.open_check(&check), None);
        assert_eq!(key.open_check(&token), None);
        assert_eq!(key.open_return(&"ø".repeat(24)), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_made_once_and_is_nobody_elses_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let first = LinkKey::open(folder.path()).expect("made");
        let mode = std::fs::metadata(folder.path().join("link.key"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(LinkKey::open(folder.path()).expect("read").0, first.0);
        std::fs::write(folder.path().join("link.key"), "short").expect("written");
        assert!(LinkKey::open(folder.path()).is_err());
    }
}
