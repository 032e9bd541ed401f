//! What may leave the building: payload may not, nor may names of users that stand in packets (D10).
//!
//! Drops the fields in which sources carry what people said or typed, and those of captured traffic that name a person
//! ([`Class::User`]), and counts them; every other field passes untouched. It runs before the spool, so that neither
//! reaches a disk of ours. Names of users in logs pass: a log is shipped because somebody chose it.

mod class;

use ingest_event::Fields;

pub use class::{Class, class};

/// Last parts of field names that hold payload or secrets, in lower case. Suricata's alerts carry packets and bodies
/// under the first ones, Zeek's logs passwords and posted bodies under the last.
const PAYLOAD: [&str; 13] = [
    "http_request_body",
    "http_request_body_printable",
    "http_response_body",
    "http_response_body_printable",
    "packet",
    "passwd",
    "password",
    "payload",
    "payload_printable",
    "post_body",
    "request_body",
    "response_body",
    "body.content",
];

/// Sources whose fields are looked at: in other JSON a field of such a name is what a rule asks for (`payload` of a
/// PowerShell record), and whoever configures such a source decides what it writes.
const LOOKED_AT: [&str; 4] = ["suricata.", "zeek.", "http.", "ftp."];

/// Drops payload, and names of users that stand in packets. How many fields that were.
pub fn disclose(fields: &mut Fields) -> u64 {
    let before = fields.len();
    fields.retain(|name, _| !is_payload(name) && !class::USERS.contains(&name));
    (before - fields.len()) as u64
}

fn is_payload(name: &str) -> bool {
    LOOKED_AT.iter().any(|prefix| name.starts_with(prefix))
        && PAYLOAD.iter().any(|last| {
            name.strip_suffix(last)
                .is_some_and(|before| before.ends_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_goes_and_the_rest_stays() {
        for (name, goes) in [
            ("suricata.eve.payload", true),
            ("suricata.eve.payload_printable", true),
            ("suricata.eve.packet", true),
            ("suricata.eve.http.http_request_body", true),
            ("http.request.body.content", true),
            ("zeek.http.password", true),
            ("zeek.ftp.password", true),
            ("suricata.eve.alert.signature", false),
            ("http.request.body.bytes", false),
            ("suricata.eve.payload_length", false),
            ("Payload", false),
            ("user.name", false),
            ("kerberos.client.name", true),
            ("ldap.bind.name", true),
            ("ntlm.user.name", true),
            ("rdp.cookie", true),
            ("kerberos.service", false),
        ] {
            let mut fields = Fields::new();
            fields.set(name, "x");
            assert_eq!(disclose(&mut fields), u64::from(goes), "{name}");
            assert_eq!(fields.is_empty(), goes, "{name}");
        }
    }
}
