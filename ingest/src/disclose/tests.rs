//! What becomes of each kind of field, by level.

mod claims;
mod ours;
mod strangers;

use ingest_event::Timestamp;

use super::*;

const HOME: [&str; 2] = ["10.20.0.0/24", "2001:db8:20::/64"];

fn disclosure(rules: &str) -> Disclosure {
    let rules: Vec<DisclosureRule> = serde_saphyr::from_str(rules).expect("reads");
    let home = HOME.map(|text| text.parse().expect("a network"));
    Disclosure::new(
        Zone::Administration,
        &rules,
        &SiteKey::of(1, [7; 32]),
        &home,
        &["vardedal.kommune.no".to_owned()],
    )
}

fn draft(dataset: &'static str, fields: &[(&'static str, &str)]) -> Draft {
    let mut draft = Draft {
        timestamp: Timestamp::EPOCH,
        dataset: dataset.into(),
        trusted: None,
        fields: Fields::new(),
        position: 1,
        ordinal: 0,
    };
    for (name, value) in fields {
        draft.fields.append(*name, Value::from(*value));
    }
    draft
}

/// What leaves of one field of an event, beside others; `None` if it does not.
fn left(
    disclosure: &mut Disclosure,
    dataset: &'static str,
    name: &'static str,
    value: &str,
    beside: &[(&'static str, &str)],
) -> Option<String> {
    let mut draft = draft(dataset, beside);
    draft.fields.set(name, value);
    disclosure.apply(&mut draft);
    draft.fields.get(name).map(ToString::to_string)
}

#[test]
fn a_domain_of_the_centre_makes_a_name_ours_and_keeps_nothing_of_it_clear() {
    let rules = "[{ level: pseudonymised }]";
    let added = ["kommune.no", "pc12.ansatt.example.org"].map(str::to_owned);
    let mut with = disclosure(rules).with_added_domains(&added);
    for (name, tail) in [
        ("pc12.vardedal.kommune.no", ".vardedal.kommune.no"),
        ("pc12.oslo.kommune.no", ".no"),
        ("pc12.ansatt.example.org", ".org"),
    ] {
        let name = |disclosure: &mut Disclosure| {
            let name = disclosure.pseudonyms().host(name, Ours::ByDomain);
            name.map(|name| name.to_string())
        };
        let hidden = name(&mut with).expect("ours");
        let clear: Vec<&str> = hidden
            .split('.')
            .filter(|label| !label.starts_with("h-"))
            .collect();
        assert_eq!(format!(".{}", clear.join(".")), tail, "{hidden}");
    }
    assert_eq!(with.pseudonyms().host("www.example.org", Ours::ByDomain), None);
}

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

/// Fields of events that stay as they are under the default, though they look at addresses and names.
#[test]
fn what_is_of_elsewhere_stays() {
    let mut disclosure = disclosure("[]");
    for (dataset, name, value) in [
        ("network.flow", field::SOURCE_IP, "203.0.113.9"),
        ("network.flow", field::SOURCE_IP, "2001:db8:21::9"),
        ("network.flow", field::DESTINATION_IP, "224.0.0.251"),
        ("network.flow", field::DESTINATION_IP, "ff02::fb"),
        ("network.flow", field::NETWORK_TRANSPORT, "tcp"),
        ("network.dns", field::DNS_QUESTION_NAME, "www.example.org"),
        (
            "network.dns",
            field::DNS_QUESTION_NAME,
            "9.113.0.203.in-addr.arpa",
        ),
        ("network.dns", field::DNS_QUESTION_NAME, "vardedal.kommune.no"),
        (
            "network.dns",
            field::DNS_QUESTION_NAME,
            "wpad.vardedal.kommune.no",
        ),
        ("network.dns", field::DNS_ANSWERS_DATA, "10 mail.example.org"),
        ("network.dns", field::DNS_ANSWERS_DATA, "v=spf1"),
        (
            "network.dns",
            field::DNS_ANSWERS_DATA,
            "ns1.example.org host\\.master.example.org 42",
        ),
        ("network.dns", field::DNS_ANSWERS_DATA, "fd00-pc--a.example.net"),
        (
            "network.dns",
            field::DNS_ANSWERS_DATA,
            "2001-db8-21--9.example.net",
        ),
        ("network.dns", field::DNS_ANSWERS_DATA, "k=v x=2001:db8:21::"),
        ("network.tls", field::TLS_SERVER_NAME, "www.example.org"),
        (
            "network.tls",
            field::TLS_SERVER_SUBJECT,
            "CN=www.example.org, O=Example",
        ),
        ("network.http", field::URL_ORIGINAL, "http://www.example.org/a/b"),
        (
            "network.http",
            field::URL_ORIGINAL,
            "http://[2001:db8:21::9]:8080/a",
        ),
        ("network.http", field::URL_PATH, "/a/b.php"),
        (
            "network.http",
            field::USER_AGENT,
            "Mozilla/5.0 (X11; rv:1.2.3.4) x-y",
        ),
        ("network.ssh", field::SSH_CLIENT_BANNER, "SSH-2.0-OpenSSH_9.6"),
        ("network.smb", field::SMB_SHARE, "IPC$"),
        (
            "network.kerberos",
            field::KERBEROS_SERVICE,
            "krbtgt/vardedal.kommune.no",
        ),
        ("system.auth", field::USER_NAME, "root"),
        ("system.auth", field::USER_NAME, "Administrator"),
        ("suricata.alert", "suricata.eve.alert.signature", "ET SCAN x.y.z"),
    ] {
        assert_eq!(
            left(&mut disclosure, dataset, name, value, &[]).as_deref(),
            Some(value),
            "{name}"
        );
    }
}

#[test]
fn what_nobody_understands_does_not_leave() {
    let mut disclosure = disclosure("[]");
    for (dataset, name, value) in [
        ("system.syslog", field::MESSAGE, "user kari logged in"),
        (
            "system.auth",
            field::MESSAGE,
            "session opened for user kari by (uid=0)",
        ),
        ("generic", field::MESSAGE, "kari"),
        (
            "system.auth",
            field::MESSAGE,
            "Failed payment of kari for order from 203.0.113.9",
        ),
        ("network.smtp", field::SMTP_REPLY, "550 no mailbox kari"),
        ("network.http", field::URL_QUERY, "name=kari"),
        ("network.flow", field::SOURCE_IP, "kari"),
        ("generic", "Payload", "kari"),
        ("suricata.http", "suricata.eve.http.xff", "kari"),
        ("zeek.ssh", "zeek.ssh.client", "kari"),
        ("zeek.files", "file.name", "kari.docx"),
        ("windows.security", "process.command_line", "net user kari"),
        ("system.syslog", "log.syslog.structured_data.x.user", "kari"),
        ("generic", field::EVENT_ID, "kari"),
        ("network.kerberos", field::KERBEROS_CLIENT_NAME, "kari"),
    ] {
        assert_eq!(
            left(&mut disclosure, dataset, name, value, &[]),
            None,
            "{dataset} {name}"
        );
    }
    let mut draft = draft("Kari Normann", &[("kari", "kari")]);
    let disclosed = disclosure.apply(&mut draft);
    assert_eq!((draft.dataset.as_ref(), disclosed.withheld), ("generic", 1));
}

/// Where words of strangers are hidden, those beside an address and behind a mail's sign are as well.
#[test]
fn words_joined_to_what_is_known_are_hidden_too() {
    let mut disclosure = disclosure("[]");
    for (text, secrets) in [
        ("10.20.0.5-kari", &["10.20.0.5", "kari"][..]),
        ("2001:db8:20::5-kari", &["2001:db8:20::5", "kari"]),
        ("10.20.0.5:kari", &["10.20.0.5", "kari"]),
        ("ola_10.20.0.5-kari", &["10.20.0.5", "kari", "ola"]),
        ("ola@kari-normann.no", &["ola", "kari", "normann"]),
        ("call 98765432 for 01019012345", &["98765432", "01019012345"]),
    ] {
        let hidden = disclosure.pseudonyms().scrub_all(text).expect("is changed");
        for secret in secrets {
            assert!(!hidden.contains(secret), "{text}: {hidden}");
        }
    }
    let ours = disclosure.pseudonyms().scrub_all("ola@vardedal.kommune.no");
    assert!(ours.expect("is changed").ends_with("@vardedal.kommune.no"));
}

#[test]
fn a_notice_leaves_with_words_that_every_machine_has_only() {
    let mut disclosure = disclosure("[]");
    let message = left(
        &mut disclosure,
        "zeek.notice",
        "message",
        "Kari failed login from 10.20.0.5",
        &[],
    );
    let message = message.expect("leaves");
    assert!(
        !message.contains("Kari") && !message.contains("10.20.0.5"),
        "{message}"
    );
    assert!(message.contains("failed login"), "{message}");
}

#[test]
fn a_rule_lets_more_or_less_out() {
    let mut disclosure = disclosure(
        "- { dataset: \"windows.*\", others: full, messages: pseudonymised, users: nothing }\n\
         - { dataset: network.http, queries: full }\n\
         - { dataset: network.dns, level: counts }\n\
         - { dataset: network.tls, level: nothing }\n\
         - { dataset: zeek.ssh, level: full }\n",
    );
    for (dataset, name, value, expected) in [
        ("windows.x", "Payload", "kari", Some("kari")),
        ("windows.x", field::USER_NAME, "kari", None),
        ("windows.x", "process.command_line", "whoami", Some("whoami")),
        ("network.http", field::URL_QUERY, "a=b", Some("a=b")),
        (
            "network.http",
            field::URL_ORIGINAL,
            "http://example.org/?a=b",
            Some("http://example.org/?a=b"),
        ),
        ("network.dns", field::SOURCE_IP, "203.0.113.9", None),
        ("network.dns", field::DNS_QUESTION_NAME, "example.org", None),
        ("network.dns", field::NETWORK_COMMUNITY_ID, "1:x", None),
        ("network.dns", field::DNS_QUESTION_TYPE, "TXT", Some("TXT")),
        ("zeek.ssh", field::SOURCE_IP, "10.20.0.77", Some("10.20.0.77")),
        ("zeek.ssh", "zeek.ssh.client", "kari", Some("kari")),
        ("zeek.ssh", field::RDP_COOKIE, "kari", None),
    ] {
        let left = left(&mut disclosure, dataset, name, value, &[]);
        assert_eq!(left.as_deref(), expected, "{dataset} {name}");
    }
    for (dataset, level, mark) in [
        ("network.tls", Level::Nothing, None),
        ("network.dns", Level::Counts, Some("counts")),
        ("zeek.ssh", Level::Full, None),
        ("network.flow", Level::Pseudonymised, Some("pseudonymised")),
        ("varde.canary", Level::Pseudonymised, None),
    ] {
        let mut draft = draft(dataset, &[]);
        assert_eq!(disclosure.apply(&mut draft).level, level, "{dataset}");
        assert_eq!(draft.fields.text(field::VARDE_DISCLOSURE), mark, "{dataset}");
        let key = draft.fields.get(field::VARDE_PSEUDONYM_KEY).is_some();
        assert_eq!(key, mark == Some("pseudonymised"), "{dataset}");
    }
}

/// The id of a flow is that of its addresses as they leave, in every source; where nothing changed it is the flow's own.
#[test]
fn the_id_of_a_flow_follows_its_addresses() {
    for (transport, source, destination, is_new) in [
        ("tcp", "10.20.0.5", "203.0.113.9", true),
        ("udp", "2001:db8:21::9", "2001:db8:20::5", true),
        ("tcp", "203.0.113.9", "198.51.100.1", false),
        ("icmp", "10.20.0.5", "10.20.0.6", true),
    ] {
        let mut disclosure = disclosure("[]");
        let mut draft = draft(
            "network.flow",
            &[
                (field::NETWORK_TRANSPORT, transport),
                (field::SOURCE_IP, source),
                (field::DESTINATION_IP, destination),
                (field::NETWORK_COMMUNITY_ID, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            ],
        );
        draft.fields.set(field::SOURCE_PORT, 8_u16);
        draft.fields.set(field::DESTINATION_PORT, 0_u16);
        disclosure.apply(&mut draft);
        let id = draft.fields.text(field::NETWORK_COMMUNITY_ID).map(str::to_owned);
        assert_eq!(
            id.as_deref() != Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            is_new,
            "{source}"
        );
        if is_new {
            assert_eq!(id, flow_id(&draft.fields), "{source}");
        }
        // Without ports it can't be told, and then it does not leave.
        let mut bare = draft.clone();
        bare.fields.set(field::SOURCE_IP, "10.20.0.5");
        bare.fields.remove(field::SOURCE_PORT);
        disclosure.apply(&mut bare);
        assert_eq!(bare.fields.get(field::NETWORK_COMMUNITY_ID), None);
    }
}

#[test]
fn numbers_and_lists_are_hidden_item_by_item() {
    let mut disclosure = disclosure("[]");
    let mut draft = draft("network.dns", &[]);
    draft.fields.set(field::USER_NAME, 4711_i64);
    let list = ["203.0.113.9", "10.20.0.77", "kari"].map(Value::from);
    draft
        .fields
        .set(field::DNS_RESOLVED_IP, Value::List(list.to_vec()));
    // As a number, an address is one too.
    draft.fields.set(field::SOURCE_IP, 0x0a14_004d_i64);
    draft.fields.set(
        field::DNS_ANSWERS_DATA,
        Value::List(vec![Value::from(0x0a14_004d_i64)]),
    );
    disclosure.apply(&mut draft);
    assert_eq!(
        (
            draft.fields.get(field::SOURCE_IP),
            draft.fields.get(field::DNS_ANSWERS_DATA)
        ),
        (None, None)
    );
    let user = draft.fields.text(field::USER_NAME).expect("text");
    assert!(user.starts_with("u-"), "{user}");
    let left: Vec<String> = draft
        .fields
        .get(field::DNS_RESOLVED_IP)
        .expect("left")
        .each()
        .map(ToString::to_string)
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0] == "203.0.113.9" && left[1].starts_with("10.") && left[1] != "10.20.0.77");
}

#[test]
fn a_pseudonym_is_turned_back_with_its_key_only() {
    let mut disclosure = disclosure("[]");
    for address in ["10.20.0.77", "fd00:20::77", "2001:db8:20::77", "fe80::77"] {
        let hidden = disclosure.pseudonyms().address(address).expect("ours");
        let hidden = hidden.parse().expect("an address");
        let clear = disclosure.pseudonyms().reveal_address(hidden);
        assert_eq!(clear.map(|clear| clear.to_string()).as_deref(), Some(address));
        let home = HOME.map(|text| text.parse().expect("a network"));
        let other = Pseudonyms::new(&SiteKey::of(2, [8; 32]), Inside::new(&home), &[]);
        assert_ne!(other.reveal_address(hidden), address.parse().ok());
    }
    disclosure.pseudonyms().host("pc12.local", Ours::ByName);
    let made = disclosure.pseudonyms().made();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].clear, "pc12");
}

#[test]
fn the_longest_addresses_are_whole() {
    let long = "2001:db8:1111:2222:3333:4444:5555:6666";
    for text in [
        long,
        "::ffff:255.255.255.255",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ] {
        let address = text.parse().expect("an address");
        assert_eq!(AddressText::new(address).as_str(), text);
    }
}

#[test]
fn a_flow_is_named_by_its_ends_as_they_leave_however_they_are_spelled() {
    let mut disclosure = disclosure("[]");
    for (source, destination) in [
        ("10.20.0.5", "203.0.113.9"),
        ("::ffff:10.20.0.5", "203.0.113.9"),
        ("::ffff:203.0.113.8", "10.20.0.5"),
        ("fe80::1%eth0", "fe80::2"),
        ("10.20.0.5", "no address"),
    ] {
        let mut draft = draft(
            "network.flow",
            &[
                (field::SOURCE_IP, source),
                (field::DESTINATION_IP, destination),
                (field::NETWORK_TRANSPORT, "tcp"),
                (field::NETWORK_COMMUNITY_ID, "1:clear"),
            ],
        );
        draft.fields.set(field::SOURCE_PORT, 40_000_u16);
        draft.fields.set(field::DESTINATION_PORT, 443_u16);
        disclosure.apply(&mut draft);
        let left = draft.fields.text(field::NETWORK_COMMUNITY_ID).map(str::to_owned);
        assert_eq!(left, flow_id(&draft.fields), "{source} to {destination}");
    }
}
