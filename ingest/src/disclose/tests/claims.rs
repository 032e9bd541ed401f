//! What a line says of itself: it may let less out, never more, and is no way to say anything else.

use super::*;

const RULES: &str = "- { dataset: \"zeek.*\", level: full }\n\
                     - { dataset: network.tls, level: nothing }\n\
                     - { dataset: acme.audit, level: full }\n\
                     - { dataset: \"acme.*\", level: counts }\n";

fn claim(trusted: Option<&'static str>, dataset: &'static str, fields: &[(&'static str, &str)]) -> Draft {
    Draft {
        trusted: trusted.map(Into::into),
        ..draft(dataset, fields)
    }
}

#[test]
fn a_claim_lets_no_more_out_than_the_source_may() {
    for (trusted, dataset, level) in [
        (None, "zeek.ssh", Level::Full),
        (Some("generic"), "zeek.ssh", Level::Pseudonymised),
        (Some("zeek.ssh"), "zeek.rdp", Level::Full),
        (Some("zeek.ssh"), "suricata.alert", Level::Pseudonymised),
        (Some("generic"), "network.tls", Level::Nothing),
        (Some("acme.audit"), "acme.audit", Level::Full),
        (Some("acme.audit"), "acme.other", Level::Counts),
        (Some("acme.other"), "acme.audit", Level::Counts),
        (Some("generic"), "varde.heartbeat", Level::Pseudonymised),
    ] {
        let mut draft = claim(
            trusted,
            dataset,
            &[(field::SOURCE_IP, "10.20.0.77"), (field::USER_NAME, "kari")],
        );
        let mut disclosure = disclosure(RULES);
        assert_eq!(disclosure.apply(&mut draft).level, level, "{trusted:?} {dataset}");
        if level < Level::Full && level != Level::Nothing {
            let left = serde_json::to_string(&draft.fields).expect("writes");
            assert!(!left.contains("10.20.0.77") && !left.contains("kari"), "{left}");
        }
    }
}

#[test]
fn a_name_leaves_where_it_is_spelled_out_and_borne_out_only() {
    let zeek = &[("zeek.ssh.client", "x")][..];
    for (trusted, dataset, fields, expected) in [
        (None, "zeek.rdp", &[][..], "zeek.rdp"),
        (None, "suricata.alert", &[], "suricata.alert"),
        // A log that a script of the site's makes, and an event type that any line may have.
        (None, "suricata.kari", &[], "generic"),
        (None, "windows.kari_normann", &[], "generic"),
        (Some("generic"), "suricata.alert", zeek, "generic"),
        (
            Some("generic"),
            "network.dns",
            &[(field::DNS_QUESTION_NAME, "a.example")],
            "network.dns",
        ),
        (Some("generic"), "network.dns", zeek, "generic"),
        (
            Some("generic"),
            "nginx.kari-normann",
            &[("http.version", "1")],
            "generic",
        ),
        (Some("generic"), "varde.heartbeat", zeek, "generic"),
        (Some("acme.audit"), "kari", zeek, "acme.audit"),
        (Some("acme.audit"), "acme.audit", zeek, "acme.audit"),
        (Some("acme.kari"), "acme.kari", zeek, "acme.kari"),
    ] {
        let mut disclosure =
            disclosure("- { dataset: \"acme.*\", users: nothing }\n- { dataset: acme.audit }")
                .with_datasets(["acme.kari".to_owned()].into_iter());
        let mut draft = claim(trusted, dataset, fields);
        disclosure.apply(&mut draft);
        assert_eq!(draft.dataset, expected, "{trusted:?} {dataset}");
    }
}

/// Under the names that readers give them, messages leave where they are known to the last word; under a claim not.
#[test]
fn a_message_that_is_understood_is_understood_to_its_last_word() {
    for (trusted, dataset, message, expected) in [
        (
            None,
            "system.auth",
            "Connection from 203.0.113.9 port 22",
            Some("Connection from 203.0.113.9 port 22"),
        ),
        (
            None,
            "system.auth",
            "Connection from 2001:db8:21::9 port 22 Kari Normann",
            None,
        ),
        (None, "system.auth", "Connection closed by 203.0.113.9 kari", None),
        (
            None,
            "system.auth",
            "Failed password for root from 203.0.113.9 port 22 ssh2 kari",
            None,
        ),
        (None, "zeek.notice", "scan of port", Some("scan of port")),
        (Some("generic"), "zeek.notice", "kari", None),
        (Some("zeek.notice"), "zeek.notice", "kari", None),
    ] {
        let fields = [
            ("process.name", "sshd"),
            ("zeek.notice.note", "x"),
            (field::MESSAGE, message),
        ];
        let mut draft = claim(trusted, dataset, &fields);
        disclosure("[]").apply(&mut draft);
        assert_eq!(
            draft.fields.text(field::MESSAGE),
            expected,
            "{trusted:?} {message}"
        );
    }
}
