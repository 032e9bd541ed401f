//! Chats, collectors of syslog, and what becomes of mail that can't be encrypted.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::ConfigError;

/// Chats and collectors of each kind: each has a connection of its own and a place in what is sent at once.
const TARGETS_MAX: usize = 200;
/// Letters of a name: it stands in a column of the registry.
const NAME_MAX: usize = 64;

/// A chat that takes messages by an incoming webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatSettings {
    /// How its messages are written.
    pub format: ChatFormat,
    /// A file with its URL, which is its only secret.
    pub url_file: PathBuf,
}

/// How a chat's messages are written.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ChatFormat {
    /// Markdown in an attachment.
    Mattermost,
    /// Block Kit.
    Slack,
    /// An Adaptive Card, as Teams' Workflows take it.
    Teams,
}

/// A collector of syslog (RFC 5424).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogSettings {
    /// Its name or address.
    pub host: String,
    /// Its port; 6514 by TLS (RFC 5425), 514 otherwise.
    #[serde(default)]
    pub port: Option<u16>,
    /// How lines reach it.
    #[serde(default)]
    pub transport: SyslogTransport,
    /// The authorities that its certificate is held to, in PEM; without it the machine's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What this service shows itself with, in PEM, and the certificates up to its authority.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

/// How lines of syslog leave.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SyslogTransport {
    /// Encrypted (RFC 5425).
    #[default]
    Tls,
    /// In clear, with lengths (RFC 6587, 3.4.1): only on site.
    Tcp,
    /// In clear, a datagram each (RFC 5426): only on site.
    Udp,
}

/// With what mail is signed where it is encrypted with OpenPGP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgpSigningSettings {
    /// The secret key, without a password, in ASCII armor.
    pub key_file: PathBuf,
}

/// What becomes of mail for whom has a key when it can't be used.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnsealable {
    /// A mail without data leaves: something waits, log in.
    #[default]
    Notice,
    /// It waits and is tried again, as `retry` says.
    Hold,
}

impl SyslogSettings {
    /// The port, given or its transport's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.transport {
            SyslogTransport::Tls => 6514,
            SyslogTransport::Tcp | SyslogTransport::Udp => 514,
        })
    }
}

/// Reads the URL of a chat.
///
/// # Errors
/// If the file can't be read, or holds no URL. The URL is in no error.
pub(crate) fn chat_url(settings: &ChatSettings) -> Result<reqwest::Url, ConfigError> {
    let text = super::read_text(&settings.url_file)?;
    let url = reqwest::Url::parse(text.trim()).ok();
    let host_is_near = |url: &reqwest::Url| {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| is_near(&address))
    };
    url.filter(|url| url.scheme() == "https" || (url.scheme() == "http" && host_is_near(url)))
        .ok_or_else(|| ConfigError::Parse {
            path: settings.url_file.clone(),
            detail: "it must hold one URL with https://; with http:// only to this site".to_owned(),
        })
}

/// What is wrong with chats and collectors: the key, and what to write instead.
pub(super) fn wrong(
    chats: &BTreeMap<String, ChatSettings>,
    collectors: &BTreeMap<String, SyslogSettings>,
) -> Option<(&'static str, String)> {
    for (key, names) in [
        ("chat", chats.keys().collect::<Vec<_>>()),
        ("syslog", collectors.keys().collect()),
    ] {
        if TARGETS_MAX < names.len() {
            return Some((key, format!("at most {TARGETS_MAX}")));
        }
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            let mend = format!("`{name}`: name it with 1 to {NAME_MAX} of a to z, 0 to 9, `-` and `_`");
            return Some((key, mend));
        }
    }
    for (name, collector) in collectors {
        if collector.certificate_file.is_some() != collector.key_file.is_some() {
            let mend = format!("`{name}`: `certificate_file` and `key_file` go together");
            return Some(("syslog", mend));
        }
        let is_clear = collector.transport != SyslogTransport::Tls;
        if is_clear && (collector.ca_file.is_some() || collector.certificate_file.is_some()) {
            let mend = format!("`{name}`: certificates belong to `transport: tls`");
            return Some(("syslog", mend));
        }
        let address = collector.host.parse::<IpAddr>();
        if is_clear && !address.is_ok_and(|address| is_near(&address)) {
            let mend = format!(
                "`{name}`: in clear only to an address of this site (loopback, private): write one, or `transport: tls`"
            );
            return Some(("syslog", mend));
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let is_letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_letter)
}

/// Whether an address is this machine's or of a private network (RFC 1918, RFC 4193, RFC 3927, RFC 4291).
fn is_near(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// The files of a contact's keys, beside the file that names them.
pub(crate) fn beside(file: &Path, name: &Path) -> PathBuf {
    file.parent().unwrap_or(file).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collector(text: &str) -> Option<(&'static str, String)> {
        let one: SyslogSettings = serde_saphyr::from_str(text).expect("YAML");
        wrong(&BTreeMap::new(), &[("siem".to_owned(), one)].into())
    }

    #[test]
    fn in_clear_only_to_this_site() {
        for near in [
            "127.0.0.1",
            "10.1.2.3",
            "::1",
            "fd00::7",
            "169.254.1.1",
            "fe80::1",
        ] {
            assert_eq!(
                collector(&format!("{{ host: '{near}', transport: udp }}")),
                None,
                "{near}"
            );
        }
        for far in ["203.0.113.7", "2001:db8::7", "siem.example"] {
            let (key, mend) = collector(&format!("{{ host: '{far}', transport: tcp }}")).expect(far);
            assert!(key == "syslog" && mend.contains("tls"), "{far}: {mend}");
            assert_eq!(collector(&format!("{{ host: '{far}' }}")), None, "{far}");
        }
        let alone = collector("{ host: a.example, key_file: k }").expect("refused").1;
        assert!(alone.contains("go together"), "{alone}");
    }

    #[test]
    fn an_address_of_a_chat_is_https_or_near_and_in_no_error() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for (url, fits) in [
            ("https://hooks.example/secret\n", true),
            ("http://127.0.0.1:1/secret", true),
            ("http://[::1]:1/secret", true),
            ("http://hooks.example/secret", false),
            ("ftp://127.0.0.1/secret", false),
            ("secret", false),
        ] {
            std::fs::write(file.path(), url).expect("written");
            let settings = ChatSettings {
                format: ChatFormat::Slack,
                url_file: file.path().to_owned(),
            };
            match chat_url(&settings) {
                Ok(_) => assert!(fits, "{url}"),
                Err(error) => assert!(!fits && !error.to_string().contains("secret"), "{url}: {error}"),
            }
        }
    }
}
