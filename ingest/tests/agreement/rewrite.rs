//! How a value of Zeek's or Suricata's is written by us, where both write it alike.

/// `SSLv3`, `TLSv10` and `TLS 1.2`; drafts of 1.3 count as 1.3.
pub(crate) fn tls_version(text: &str) -> String {
    let (version, _) = text.split_once("-draft").unwrap_or((text, ""));
    match version.trim_start_matches("TLS").trim_start_matches(['v', ' ']) {
        "SSLv3" => "3.0",
        "1" | "10" => "1.0",
        "11" => "1.1",
        "12" => "1.2",
        "13" => "1.3",
        other => other,
    }
    .to_owned()
}

/// The domain of a mailbox; empty if it has none.
pub(crate) fn mail_domain(mailbox: &str) -> String {
    let (_, domain) = mailbox
        .trim_matches(['<', '>'])
        .rsplit_once('@')
        .unwrap_or_default();
    domain.to_ascii_lowercase()
}
