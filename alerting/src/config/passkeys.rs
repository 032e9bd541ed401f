//! `access.passkeys`: for which name people have passkeys, and at which address they use them.

use serde::Deserialize;
use webauthn_rs::{Webauthn, WebauthnBuilder, prelude::Url};

use super::AccessSettings;

/// For which name people have passkeys (WebAuthn), and at which address they use them. Without it nobody has any.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeySettings {
    /// The domain that passkeys are for (relying party id): the console's host, or a domain above it. With another one
    /// all passkeys are lost.
    pub rp_id: String,
    /// Where people open the console; without it `public_url`.
    #[serde(default)]
    pub origin: Option<String>,
}

const RP_ID: &str = "access.passkeys.rp_id";
const ORIGIN: &str = "access.passkeys.origin";

impl AccessSettings {
    /// Which key about passkeys can't be as it is, and what to write instead.
    pub(super) fn passkeys_wrong(&self, public_url: Option<&str>) -> Option<(&'static str, String)> {
        let passkeys = self.passkeys.as_ref()?;
        if !self.local_accounts {
            let mend = "they are for accounts of this service: take it away, or set `local_accounts: true`";
            return Some(("access.passkeys", mend.to_owned()));
        }
        passkeys.relying_party("", public_url).err()
    }
}

impl PasskeySettings {
    /// What answers of authenticators are held to (WebAuthn Level 3 sections 7.1 and 7.2); `name` is shown when a passkey is made.
    ///
    /// # Errors
    /// Which key can't be as it is, and what to write instead.
    pub(crate) fn relying_party(
        &self,
        name: &str,
        public_url: Option<&str>,
    ) -> Result<Webauthn, (&'static str, String)> {
        let refuse = |key, mend: &str| Err((key, mend.to_owned()));
        let example = "write the address at which people open the console, as https://varde.cert.example";
        let Some(text) = self.origin.as_deref().or(public_url) else {
            return refuse(ORIGIN, &format!("{example}, here or as `public_url`"));
        };
        let Ok(url) = Url::parse(text) else {
            return refuse(ORIGIN, example);
        };
        let origin = url.origin().ascii_serialization();
        if self.origin.is_some() && text.trim_end_matches('/') != origin {
            return refuse(
                ORIGIN,
                &format!("{example}: small letters, and nothing after the host and port"),
            );
        }
        let Some(host) = url.domain() else {
            return refuse(
                ORIGIN,
                &format!(
                    "{origin} has no name; browsers take passkeys for a name only, as https://varde.cert.example"
                ),
            );
        };
        let is_this_machine = host == "localhost" || host.ends_with(".localhost");
        if url.scheme() != "https" && !(url.scheme() == "http" && is_this_machine) {
            return refuse(
                ORIGIN,
                &format!("{origin} is not https; browsers take passkeys only there, and at http://localhost"),
            );
        }
        // A domain of one label is a public suffix, which is nobody's.
        let is_above = host.ends_with(&format!(".{}", self.rp_id)) && self.rp_id.contains('.');
        if self.rp_id != host && !is_above {
            return refuse(
                RP_ID,
                &format!(
                    "`{}` is neither the host of {origin} nor a domain above it: write `{host}`",
                    self.rp_id
                ),
            );
        }
        let Ok(url) = Url::parse(&origin) else {
            return refuse(ORIGIN, example);
        };
        WebauthnBuilder::new(&self.rp_id, &url)
            .and_then(|builder| builder.rp_name(name).build())
            .map_err(|error| (RP_ID, error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(rp_id: &str, origin: Option<&str>, public_url: Option<&str>) -> Option<(&'static str, String)> {
        let settings = PasskeySettings {
            rp_id: rp_id.to_owned(),
            origin: origin.map(str::to_owned),
        };
        settings.relying_party("Varde", public_url).err()
    }

    #[test]
    fn the_name_is_the_host_or_a_domain_above_it() {
        let origin = Some("https://varde.cert.example:8443");
        for rp_id in ["varde.cert.example", "cert.example"] {
            assert_eq!(wrong(rp_id, origin, None), None, "{rp_id}");
        }
        for rp_id in [
            "",
            "example",
            "arde.cert.example",
            "other.example",
            "a.varde.cert.example",
            "Cert.example",
        ] {
            let (key, mend) = wrong(rp_id, origin, None).expect("refused");
            assert_eq!(key, RP_ID, "{rp_id}");
            assert!(mend.ends_with("write `varde.cert.example`"), "{mend}");
        }
    }

    #[test]
    fn the_address_is_one_where_browsers_take_passkeys() {
        for (rp_id, origin) in [
            ("localhost", "http://localhost:8080"),
            ("varde.localhost", "http://varde.localhost"),
            ("cert.example", "https://cert.example/"),
        ] {
            assert_eq!(wrong(rp_id, Some(origin), None), None, "{origin}");
        }
        for (rp_id, origin) in [
            ("cert.example", "http://cert.example"),
            ("cert.example", "https://cert.example/varde"),
            ("cert.example", "https://kari@cert.example"),
            ("cert.example", "https://Cert.example"),
            ("cert.example", "cert.example"),
            ("cert.example", "ftp://cert.example"),
            ("127.0.0.1", "https://127.0.0.1"),
            ("[::1]", "https://[::1]"),
            ("localhost", "http://localhost.cert.example"),
        ] {
            let refused = wrong(rp_id, Some(origin), None);
            assert_eq!(refused.map(|(key, _)| key), Some(ORIGIN), "{origin}");
        }
    }

    #[test]
    fn the_address_is_that_of_the_service_unless_it_is_said() {
        assert_eq!(
            wrong("cert.example", None, Some("https://varde.cert.example/varde/")),
            None
        );
        let (key, mend) = wrong("cert.example", None, None).expect("refused");
        assert!(key == ORIGIN && mend.contains("`public_url`"), "{mend}");
        assert!(wrong("cert.example", None, Some("http://127.0.0.1:8080")).is_some());
    }
}
