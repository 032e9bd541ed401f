//! A login that was begun and has not come back. It is kept by the browser that began it, sealed, so that nobody fills a
//! store with logins that they never end, and no other browser can end it; what came back is kept, so that it comes back
//! once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ingest_event::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    access::{Secret, secret},
    link::LinkKey,
};

/// Minutes to show who one is: long enough to find one's phone.
pub(crate) const MINUTES: i64 = 10;
/// What the sealing key is derived for, and what is sealed with it.
const SEALED_BY: &str = "varde:oidc-login";
/// The longest address to come back to.
const BACK_CHARS_MAX: usize = 2_048;

/// What a browser holds while its person is at the provider's.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Started {
    /// At which provider.
    pub(super) provider: String,
    /// That the answer is of this login.
    pub(super) state: String,
    /// That the token is.
    pub(super) nonce: String,
    /// That whoever exchanges the code began the login (PKCE, RFC 7636).
    pub(super) verifier: String,
    /// Where to go afterwards.
    pub(super) back: String,
    /// Until when, in nanoseconds since 1970.
    pub(super) ends_at: i64,
}

impl Started {
    /// A new one.
    ///
    /// # Errors
    /// If the machine gives no random bytes.
    pub(super) fn draw(provider: &str, back: &str, now: Timestamp) -> anyhow::Result<Self> {
        Ok(Self {
            provider: provider.to_owned(),
            state: Secret::draw()?.as_str().to_owned(),
            nonce: Secret::draw()?.as_str().to_owned(),
            verifier: Secret::draw()?.as_str().to_owned(),
            back: safe(back).to_owned(),
            ends_at: now.as_nanos().saturating_add(MINUTES * 60_000_000_000),
        })
    }

    /// What the provider is told of the verifier: its SHA-256 (RFC 7636 section 4.2).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// As the browser holds it.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub(super) fn seal(&self, key: &LinkKey) -> anyhow::Result<String> {
        secret::seal(&key.derived(SEALED_BY), SEALED_BY, &serde_json::to_vec(self)?)
    }

    /// What a browser holds; `None` for what is not ours, or too old.
    pub(super) fn unseal(key: &LinkKey, sealed: &str, now: Timestamp) -> Option<Self> {
        let plain = secret::unseal(&key.derived(SEALED_BY), SEALED_BY, sealed)?;
        let started: Self = serde_json::from_slice(&plain).ok()?;
        (now.as_nanos() < started.ends_at).then_some(started)
    }
}

/// Where someone may be sent after a login: a page of ours and nothing else, whoever wrote the link.
pub(crate) fn safe(back: &str) -> &str {
    let is_ours = back.starts_with('/')
        && !back.starts_with("//")
        && !back.contains('\\')
        && !back.chars().any(char::is_control)
        && back.is_ascii()
        && !back.starts_with("/login")
        && !back.starts_with("/api/")
        && back.len() <= BACK_CHARS_MAX;
    if is_ours { back } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_pages_of_ours_only() {
        for ours in ["/", "/incidents/abc?x=1", "/?state=new&severity=high", "/r/abc"] {
            assert_eq!(safe(ours), ours);
        }
        for other in [
            "",
            "incidents",
            "//evil.example/",
            "/\\evil.example/",
            "https://evil.example/",
            "/\r\nset-cookie: a=b",
            "/\t/evil.example",
            "/login?back=/",
            "/api/v1/logout",
            "javascript:alert(1)",
            "/ø",
            &"/a".repeat(2_000),
        ] {
            assert_eq!(safe(other), "/", "{other}");
        }
    }

    #[test]
    fn a_login_can_be_ended_for_ten_minutes_and_with_our_key_only() {
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let (key, other) = (LinkKey::of_bytes([7; 32]), LinkKey::of_bytes([8; 32]));
        let sealed = Started::draw("a", "/", at(0))
            .expect("drawn")
            .seal(&key)
            .expect("sealed");
        assert!(Started::unseal(&key, &sealed, at(9)).is_some());
        assert!(Started::unseal(&key, &sealed, at(10)).is_none(), "too late");
        assert!(Started::unseal(&other, &sealed, at(0)).is_none(), "another's");
        assert!(
            Started::unseal(&key, &sealed.replace('0', "1"), at(0)).is_none(),
            "changed"
        );
    }

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        let mut started = Started::draw("a", "/", Timestamp::EPOCH).expect("drawn");
        // RFC 7636 appendix B.
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".clone_into(&mut started.verifier);
        assert_eq!(started.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let other = Started::draw("a", "/", Timestamp::EPOCH).expect("drawn");
        assert!(other.state != started.state && other.nonce != started.nonce && other.state != other.nonce);
    }
}
