//! What anybody may write into logs, names and paths: no word of it leaves that a machine would not say.

use super::*;

/// Values of which nothing in small letters `kari`, `pc12` or of an address of ours is left.
const TOLD: [&str; 8] = [
    "kari", "normann", "pc12", "20.0.5", "20-0-5", "20::5", "a14:5", "20%2e0",
];

#[test]
fn nothing_of_anybody_is_left() {
    for (dataset, name, value, starts, ends) in [
        (
            "system.syslog",
            "systemd.unit",
            "home-kari.mount",
            "home-w-",
            ".mount",
        ),
        (
            "system.syslog",
            "systemd.unit",
            "user@kari.service",
            "user@w-",
            ".service",
        ),
        (
            "system.syslog",
            "systemd.unit",
            "user@1017.service",
            "user@w-",
            ".service",
        ),
        (
            "system.syslog",
            "log.syslog.appname",
            "karis-backup",
            "w-",
            "-backup",
        ),
        ("system.syslog", "log.syslog.msgid", "KARI", "w-", ""),
        ("system.syslog", "log.syslog.procid", "kari", "w-", ""),
        ("system.syslog", "process.name", "kari", "w-", ""),
        ("cef.log", field::EVENT_ACTION, "blocked kari", "blocked w-", ""),
        (
            "cef.log",
            "rule.name",
            "User kari normann failed login",
            "User w-",
            " failed login",
        ),
        ("cef.log", "event.code", "kari", "w-", ""),
        ("leef.log", field::NETWORK_PROTOCOL, "kari", "w-", ""),
        ("generic", "event.outcome", "Kari", "w-", ""),
        (
            "mail.log",
            field::LOG_FILE_PATH,
            "/var/log/hosts/pc12/mail.log",
            "/var/log/hosts/h-",
            "/mail.log",
        ),
        (
            "mail.log",
            field::LOG_FILE_PATH,
            "/var/log/remote/10-20-0-5/auth.log.1",
            "/var/log/remote/h-",
            "/auth.log.1",
        ),
        (
            "mail.log",
            field::LOG_FILE_PATH,
            "/srv/fd00-20--5/messages",
            "/srv/h-",
            "/messages",
        ),
        ("mail.log", field::LOG_FILE_PATH, "pc12.json", "h-", ".json"),
        (
            "mail.log",
            field::LOG_FILE_PATH,
            "/home/kari/eve.json",
            "/home/u-",
            "/eve.json",
        ),
        (
            "web.access",
            field::URL_PATH,
            "/users/k%61ri/plan",
            "/users/u-",
            "/plan",
        ),
        (
            "web.access",
            field::URL_PATH,
            "/at/10%2E20%2e0%252E5/x",
            "/at/10.",
            "/x",
        ),
        (
            "web.access",
            field::URL_PATH,
            "/to/kari%40vardedal.kommune.no",
            "/to/u-",
            "@vardedal.kommune.no",
        ),
        (
            "web.access",
            field::USER_AGENT,
            "bot kari%40example.no",
            "bot u-",
            "",
        ),
        ("network.dhcp", field::DHCP_FULL_NAME, "pc12.kari", "h-", ""),
        (
            "network.kerberos",
            field::KERBEROS_REALM,
            "NORMANN.KARI",
            "h-",
            "",
        ),
        ("system.syslog", field::HOST_NAME, "10.20.0.5:514", "10.", ":514"),
        (
            "system.syslog",
            field::HOST_NAME,
            "[fd00:20::5]:514",
            "[fd",
            "]:514",
        ),
        ("system.syslog", field::HOST_NAME, "pc12:514", "h-", ":514"),
        ("network.flow", field::SOURCE_IP, "::10.20.0.5", "::a", ""),
        (
            "network.flow",
            field::SOURCE_IP,
            "::ffff:0:10.20.0.5",
            "::ffff:0:",
            "",
        ),
        ("network.flow", field::SOURCE_IP, "2002:a14:5::1", "2002:a", ""),
        (
            "network.flow",
            field::SOURCE_IP,
            "2001:0:cb00:7101:0:ffff:f5eb:fffa",
            "2001:0:cb00:7101:0:ffff:f5",
            "",
        ),
        (
            "network.flow",
            field::SOURCE_IP,
            "203.0.113.9%kari",
            "203.0.113.9",
            "203.0.113.9",
        ),
        (
            "network.flow",
            field::SOURCE_IP,
            "2001:db8:21::9%kari",
            "2001:db8:21::9",
            "2001:db8:21::9",
        ),
    ] {
        let left = left(&mut disclosure("[]"), dataset, name, value, &[]);
        let left = left.unwrap_or_else(|| panic!("{name} {value}"));
        assert!(
            left.starts_with(starts) && left.ends_with(ends),
            "{name} {value}: {left}"
        );
        let lower = left.to_lowercase();
        for told in TOLD {
            assert!(!lower.contains(told), "{name} {value}: {left}");
        }
        assert!(!lower.contains("eb:fffa"), "{name} {value}: {left}");
    }
}

#[test]
fn what_machines_say_stays() {
    for (dataset, name, value) in [
        ("system.auth", "process.name", "sshd"),
        ("system.auth", "process.name", "sshd-session"),
        ("system.syslog", "systemd.unit", "systemd-networkd.service"),
        ("system.syslog", "log.syslog.appname", "/usr/sbin/cron"),
        ("cef.log", field::EVENT_ACTION, "blocked"),
        ("cef.log", "rule.name", "Malware detected"),
        ("cef.log", "observer.vendor", "Fortinet"),
        ("web.access", field::HTTP_METHOD, "GET"),
        ("windows.security", field::EVENT_ACTION, "logged_in_explicit"),
        (
            "auditd.log",
            "file.hash.sha256",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
        ("generic", "event.start", "2026-03-02T08:15:00Z"),
        ("web.access", field::URL_PATH, "/a%20b/%2e%2e/c"),
        (
            "suricata.alert",
            "suricata.eve.alert.metadata.malware_family",
            "Emotet",
        ),
        ("zeek.conn", "zeek.conn.history", "ShADadFf"),
        ("network.tls", field::TLS_CIPHER, "TLS_AES_128_GCM_SHA256"),
        ("network.dhcp", field::DHCP_FULL_NAME, "localhost"),
    ] {
        let left = left(&mut disclosure("[]"), dataset, name, value, &[]);
        assert_eq!(left.as_deref(), Some(value), "{dataset} {name}");
    }
}

#[test]
fn where_a_file_lies_does_not_leave_with_counts() {
    for level in ["counts", "pseudonymised"] {
        let mut disclosure = disclosure(&format!("- {{ level: {level} }}"));
        let source = SourceIdentity {
            name: "/var/log/pc12/eve.json".to_owned(),
            content: b"x".to_vec(),
            path: Some("/var/log/pc12/eve.json".to_owned()),
        };
        let mut draft = draft("suricata.alert", &[]);
        crate::stamp::locate(&mut draft, &source);
        disclosure.apply(&mut draft);
        let left = draft.fields.text(field::LOG_FILE_PATH);
        assert_eq!(left.is_some(), level == "pseudonymised", "{left:?}");
        let told = disclosure.source(&source);
        assert!(!told.name.contains("pc12") && told.path.is_none(), "{told:?}");
        assert!(left.is_none_or(|left| left == told.name), "{left:?}");
    }
}

#[test]
fn what_a_source_is_called_tells_no_machine() {
    for (name, expected) in [
        ("eve:/run/suricata/varde.sock", true),
        ("eve:/run/pc12/varde.sock", false),
        ("udp:0.0.0.0:514", true),
        ("tcp:[::]:514", true),
        ("udp:10.20.0.5:514", false),
        ("tcp:[fd00:20::5]:514", false),
    ] {
        let source = SourceIdentity {
            name: name.to_owned(),
            content: Vec::new(),
            path: None,
        };
        let told = disclosure("[]").source(&source).name;
        assert_eq!(told == name, expected, "{name}: {told}");
        for secret in TOLD {
            assert!(!told.contains(secret), "{name}: {told}");
        }
    }
}

/// Logs of certificates are open to all: print and number would name the machine.
#[test]
fn the_print_of_a_certificate_of_ours_does_not_leave() {
    const PRINT: &str = "0A1B2C3D4E5F60718293A4B5C6D7E8F901234567";
    let server = (field::DESTINATION_IP, "10.20.0.77");
    let other = (field::DESTINATION_IP, "203.0.113.9");
    for (dataset, beside, is_ours) in [
        ("network.tls", &[server][..], true),
        ("network.tls", &[other], false),
        (
            "network.tls",
            &[other, (field::TLS_SERVER_SUBJECT, "CN=www.example.org")],
            false,
        ),
        (
            "network.tls",
            &[other, (field::TLS_SERVER_SUBJECT, "CN=mail.vardedal.kommune.no")],
            true,
        ),
        (
            "zeek.x509",
            &[(
                "file.x509.subject.distinguished_name",
                "CN=mail.vardedal.kommune.no",
            )],
            true,
        ),
        (
            "zeek.x509",
            &[("file.x509.subject.distinguished_name", "CN=www.example.org")],
            false,
        ),
    ] {
        for name in PRINTS {
            let left = left(&mut disclosure("[]"), dataset, name, PRINT, beside).expect("left");
            assert_eq!(left != PRINT, is_ours, "{dataset} {name} {beside:?}");
            assert!(!is_ours || left.starts_with("c-"), "{left}");
        }
    }
}
