mod trust;

use super::*;
use proptest::prelude::*;

fn options() -> NormalizerOptions {
    let network = |text: &str| text.parse().expect("a network");
    NormalizerOptions {
        dataset: None,
        home_networks: vec![network("192.0.2.0/24"), network("2001:db8::/64")],
        year: YearRule::Fixed(2026),
        utc_offset_secs: 0,
    }
}

fn read(format: Format, lines: &str) -> Vec<Draft> {
    let (mut normalizer, mut out) = (Normalizer::new(format, options()), Vec::new());
    for (index, line) in lines.lines().enumerate() {
        normalizer.line(line.as_bytes(), index as u64 + 1, &mut out);
    }
    let event = |record| match record {
        Record::Event(draft) => draft,
        Record::Refused(refusal) => panic!("{refusal:?}"),
    };
    out.into_iter().map(event).collect()
}

/// The last line's dataset and fields; fields that are not named are not looked at.
#[track_caller]
fn check(format: Format, lines: &str, dataset: &str, expected: &[(&str, &str)]) {
    let draft = read(format, lines).pop().expect("an event");
    assert_eq!(draft.dataset, dataset);
    for (name, value) in expected {
        let seen = draft.fields.get(name).map(ToString::to_string);
        assert_eq!(seen.as_deref(), Some(*value), "{name} in {:#?}", draft.fields);
    }
}

fn eve(kind: &str, rest: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-03-02T09:15:00.000001+0100","event_type":"{kind}","src_ip":"192.0.2.7","src_port":4022,"dest_ip":"198.51.100.9","dest_port":443,"proto":"TCP"{rest}}}"#
    )
}

#[test]
fn suricata_flow() {
    let flow = r#","app_proto":"failed","flow":{"pkts_toserver":3,"pkts_toclient":2,"bytes_toserver":300,"bytes_toclient":200,"start":"2026-03-02T09:14:58+0100","end":"2026-03-02T09:15:00+0100","state":"closed"},"community_id":"1:x"}"#;
    check(
        Format::Eve,
        &eve("flow", flow.trim_end_matches('}')),
        "network.flow",
        &[
            ("event.module", "suricata"),
            ("source.ip", "192.0.2.7"),
            ("source.port", "4022"),
            ("destination.ip", "198.51.100.9"),
            ("destination.port", "443"),
            ("network.transport", "tcp"),
            ("network.type", "ipv4"),
            ("network.direction", "outbound"),
            ("source.packets", "3"),
            ("destination.bytes", "200"),
            ("network.bytes", "500"),
            ("network.packets", "5"),
            ("event.duration", "2000000000"),
            ("event.start", "2026-03-02T08:14:58Z"),
            ("network.community_id", "1:x"),
            ("varde.flow.state", "closed"),
        ],
    );
}

#[test]
fn suricata_dns_of_every_version_gives_the_same() {
    let expected = [
        ("dns.question.name", "www.example.no"),
        ("dns.question.type", "A"),
        ("dns.type", "answer"),
        ("dns.id", "7"),
        ("dns.response_code", "NOERROR"),
        ("dns.answers.data", "203.0.113.5"),
        ("dns.answers.type", "A"),
        ("dns.resolved_ip", "203.0.113.5"),
        ("network.protocol", "dns"),
        ("source.ip", "192.0.2.7"),
    ];
    for dns in [
        r#","dns":{"version":2,"type":"answer","id":7,"rrname":"WWW.example.no","rrtype":"A","rcode":"NOERROR","answers":[{"rrname":"www.example.no","rrtype":"A","ttl":9,"rdata":"203.0.113.5"}],"grouped":{"A":["203.0.113.5"]}}"#,
        r#","dns":{"version":2,"type":"answer","id":7,"rrname":"www.example.no","rrtype":"A","rcode":"NOERROR","grouped":{"A":["203.0.113.5"]}}"#,
        r#","dns":{"version":3,"type":"response","id":7,"rcode":"NOERROR","queries":[{"rrname":"www.example.no.","rrtype":"A"}],"answers":[{"rrname":"www.example.no","rrtype":"A","rdata":"203.0.113.5"}]}"#,
    ] {
        check(Format::Eve, &eve("dns", dns), "network.dns", &expected);
    }
    // Version 1 reports an answer as the server sent it.
    let old = r#"{"timestamp":"2026-03-02T09:15:00+0100","event_type":"dns","src_ip":"2001:db8:1::53","src_port":53,"dest_ip":"2001:db8::7","dest_port":4022,"proto":"UDP","dns":{"type":"answer","id":7,"rrname":"www.example.no","rrtype":"AAAA","rdata":"2001:db8:9::1"}}"#;
    check(
        Format::Eve,
        old,
        "network.dns",
        &[
            ("source.ip", "2001:db8::7"),
            ("source.port", "4022"),
            ("destination.port", "53"),
            ("network.type", "ipv6"),
            ("network.direction", "outbound"),
            ("dns.answers.data", "2001:db8:9::1"),
            ("dns.resolved_ip", "2001:db8:9::1"),
        ],
    );
}

#[test]
fn suricata_tls_http_alert_and_the_rest() {
    let tls = r#","tls":{"sni":"Example.NO","version":"TLS 1.2","ja3":{"hash":"AB"},"ja3s":{"hash":"cd"},"subject":"CN=x","issuerdn":"CN=y"}"#;
    let expected = [
        ("tls.client.server_name", "example.no"),
        ("tls.version", "1.2"),
        ("tls.client.ja3", "ab"),
        ("tls.server.ja3s", "cd"),
        ("tls.server.subject", "CN=x"),
        ("network.protocol", "tls"),
    ];
    check(Format::Eve, &eve("tls", tls), "network.tls", &expected);
    let http = r#","http":{"hostname":"Example.no:8080","url":"/a/b?c=d","http_user_agent":"curl","http_method":"GET","protocol":"HTTP/1.1","status":404,"length":5}"#;
    let expected = [
        ("url.domain", "example.no"),
        ("url.path", "/a/b"),
        ("url.query", "c=d"),
        ("url.original", "http://Example.no:8080/a/b?c=d"),
        ("user_agent.original", "curl"),
        ("http.request.method", "GET"),
        ("http.version", "1.1"),
        ("http.response.status_code", "404"),
        ("http.response.body.bytes", "5"),
    ];
    check(Format::Eve, &eve("http", http), "network.http", &expected);
    let alert = r#","alert":{"signature_id":2,"signature":"S"},"files":[{"filename":"f","sha256":"AB"}]"#;
    let expected = [
        ("suricata.eve.alert.signature", "S"),
        ("suricata.eve.alert.signature_id", "2"),
        ("file.hash.sha256", "ab"),
    ];
    check(Format::Eve, &eve("alert", alert), "suricata.alert", &expected);
    let smtp = r#","smtp":{"mail_from":"<a@example.no>","rcpt_to":["<b@example.no>"]}"#;
    let expected = [
        ("email.from.address", "a@example.no"),
        ("email.to.address", "b@example.no"),
    ];
    check(Format::Eve, &eve("smtp", smtp), "suricata.smtp", &expected);
    check(
        Format::Eve,
        &eve("ssh", r#","ssh":{"client":{"x":1}}"#),
        "suricata.ssh",
        &[("suricata.eve.ssh.client.x", "1")],
    );
}

#[test]
fn zeek_columns_and_json_give_the_same() {
    let header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n";
    let conn = format!(
        "{header}#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_ip_bytes\tresp_ip_bytes\torig_pkts\tresp_pkts\tconn_state\tlocal_orig\ttunnel_parents\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tcount\tcount\tstring\tbool\tset[string]\n1772439300.000001\tC1\t2001:db8::7\t4022\t2001:db8:1::9\t80\ttcp\t-\t1.500000\t300\t200\t3\t2\tREJ\tT\t(empty)"
    );
    let json = r#"{"_path":"conn","ts":1772439300.000001,"uid":"C1","id.orig_h":"2001:db8::7","id.orig_p":4022,"id.resp_h":"2001:db8:1::9","id.resp_p":80,"proto":"tcp","duration":1.5,"orig_ip_bytes":300,"resp_ip_bytes":200,"orig_pkts":3,"resp_pkts":2,"conn_state":"REJ","local_orig":true}"#;
    let (columns, objects) = (read(Format::ZeekTsv, &conn), read(Format::ZeekJson, json));
    assert_eq!(
        (columns[0].timestamp, &columns[0].fields),
        (objects[0].timestamp, &objects[0].fields)
    );
    let expected = [
        ("event.module", "zeek"),
        ("source.ip", "2001:db8::7"),
        ("destination.port", "80"),
        ("network.direction", "outbound"),
        ("network.type", "ipv6"),
        ("event.duration", "1500000000"),
        ("network.bytes", "500"),
        ("varde.flow.state", "rejected"),
        ("zeek.conn.uid", "C1"),
        ("zeek.conn.local_orig", "true"),
    ];
    check(Format::ZeekTsv, &conn, "network.flow", &expected);
    let dns = r#"{"ts":"2026-03-02T08:15:00Z","uid":"C","id_orig_h":"192.0.2.7","trans_id":7,"query":"A.no","qtype_name":"A","rcode_name":"NOERROR","answers":["b.no","203.0.113.5"],"TTLs":[1.0,2.0]}"#;
    let expected = [
        ("dns.question.name", "a.no"),
        ("dns.id", "7"),
        ("dns.type", "answer"),
        ("dns.answers.data", "b.no, 203.0.113.5"),
        ("dns.resolved_ip", "203.0.113.5"),
        ("source.ip", "192.0.2.7"),
    ];
    check(Format::ZeekJson, dns, "network.dns", &expected);
    let ssl = r#"{"ts":1,"uid":"C","_path":"ssl","version":"TLSv13-draft23","server_name":"a.no","ja3":"X"}"#;
    check(
        Format::ZeekJson,
        ssl,
        "network.tls",
        &[
            ("tls.version", "1.3"),
            ("tls.client.server_name", "a.no"),
            ("tls.client.ja3", "x"),
        ],
    );
    let http = r#"{"ts":1,"uid":"C","_path":"http","host":"a.no","uri":"/x?y","method":"GET","user_agent":"z","status_code":200}"#;
    check(
        Format::ZeekJson,
        http,
        "network.http",
        &[
            ("url.original", "http://a.no/x?y"),
            ("url.query", "y"),
            ("user_agent.original", "z"),
        ],
    );
    let unanswered =
        r#"{"ts":1,"uid":"C","_path":"http","host":"a.no","uri":"/","method":"GET","status_code":0}"#;
    let draft = read(Format::ZeekJson, unanswered).pop().expect("an event");
    assert_eq!(draft.fields.get("http.response.status_code"), None);
    for (zeek, port, ours) in [
        ("*", 53, "ANY"),
        ("query-65534", 53, "TYPE65534"),
        ("NIMLOC", 137, "NB"),
        ("NIMLOC", 53, "NIMLOC"),
        ("AAAA", 53, "AAAA"),
    ] {
        let line = format!(
            r#"{{"ts":1,"uid":"C","_path":"dns","trans_id":7,"id.resp_p":{port},"query":"a","qtype_name":"{zeek}"}}"#
        );
        check(
            Format::ZeekJson,
            &line,
            "network.dns",
            &[("dns.question.type", ours)],
        );
    }
    let ssh = r#"{"ts":1,"uid":"C","_path":"ssh","auth_success":false,"client":"SSH-2.0-x"}"#;
    check(
        Format::ZeekJson,
        ssh,
        "zeek.ssh",
        &[
            ("event.action", "ssh_login"),
            ("event.outcome", "failure"),
            ("zeek.ssh.client", "SSH-2.0-x"),
        ],
    );
    let files = r#"{"ts":1,"fuid":"F","_path":"files","md5":"AB","filename":"n","tx_hosts":["192.0.2.1"]}"#;
    check(
        Format::ZeekJson,
        files,
        "zeek.files",
        &[
            ("file.hash.md5", "ab"),
            ("file.name", "n"),
            ("zeek.files.tx_hosts", "192.0.2.1"),
        ],
    );
}

#[test]
fn syslog_with_and_without_what_is_optional() {
    let message = "Failed password for invalid user ola from 2001:db8::7 port 4022 ssh2";
    let expected = [
        ("event.action", "ssh_login"),
        ("event.outcome", "failure"),
        ("user.name", "ola"),
        ("source.ip", "2001:db8::7"),
        ("source.port", "4022"),
        ("host.name", "gate"),
        ("process.name", "sshd"),
        ("process.pid", "12"),
        ("message", message),
    ];
    for header in [
        "<38>Mar  2 08:15:00 gate sshd[12]:",
        "Mar  2 08:15:00 gate sshd[12]:",
        "<38>1 2026-03-02T08:15:00Z gate sshd 12 - -",
    ] {
        let line = format!("{header} {message}");
        check(Format::Syslog, &line, "system.auth", &expected);
        assert_eq!(
            read(Format::Syslog, &line)[0].timestamp.to_string(),
            "2026-03-02T08:15:00Z"
        );
    }
    let data = r#"<165>1 2026-03-02T08:15:00.5Z gate app - ID7 [x@1 k="v"] hello"#;
    check(
        Format::Syslog,
        data,
        "system.syslog",
        &[
            ("log.syslog.structured_data.x@1.k", "v"),
            ("log.syslog.msgid", "ID7"),
            ("log.syslog.facility.code", "20"),
            ("log.syslog.severity.name", "notice"),
            ("message", "hello"),
        ],
    );
    let after = "Mar  2 08:15:00 gate app: one\n   and its second line";
    check(
        Format::Syslog,
        after,
        "system.syslog",
        &[("varde.timestamp_missing", "true")],
    );
    assert_eq!(
        read(Format::Syslog, after)[1].timestamp.to_string(),
        "2026-03-02T08:15:00Z"
    );
}

#[test]
fn a_log_that_goes_over_new_year_goes_on_in_the_next() {
    let lines = "Dec 31 23:59:59 gate app: a\nJan  1 00:00:01 gate app: b\nDec 31 23:59:58 gate app: late";
    let years: Vec<_> = read(Format::Syslog, lines)
        .iter()
        .map(|draft| draft.timestamp.to_string()[..4].to_owned())
        .collect();
    assert_eq!(years, ["2026", "2027", "2026"]);
    let mut normalizer = Normalizer::new(Format::Syslog, options());
    for (now, line, expected) in [
        (
            "2026-01-01T00:00:05Z",
            "Dec 31 23:59:59 gate app: a",
            "2025-12-31T23:59:59Z",
        ),
        (
            "2026-12-31T23:59:55Z",
            "Jan  1 00:00:01 gate app: a",
            "2027-01-01T00:00:01Z",
        ),
        (
            "2026-03-02T00:00:00Z",
            "Feb 29 00:00:01 gate app: a",
            "2024-02-29T00:00:01Z",
        ),
    ] {
        let mut out = Vec::new();
        normalizer.arrived(now.parse().expect("a time"));
        normalizer.line(line.as_bytes(), 1, &mut out);
        let [Record::Event(draft)] = out.as_slice() else {
            panic!("{out:?}")
        };
        assert_eq!(draft.timestamp.to_string(), expected, "{line} at {now}");
    }
}

#[test]
fn what_sshd_says_of_logins() {
    for (message, action, outcome, user, address) in [
        (
            "Accepted publickey for kari from 192.0.2.7 port 5 ssh2: ED25519 SHA256:x",
            "ssh_login",
            "success",
            "kari",
            "192.0.2.7",
        ),
        (
            "Failed none for invalid user  from 192.0.2.7 port 5 ssh2",
            "ssh_login",
            "failure",
            "",
            "192.0.2.7",
        ),
        (
            "Failed password for root from 192.0.2.1 port 1 from 2001:db8::7 port 5 ssh2",
            "ssh_login",
            "failure",
            "root from 192.0.2.1 port 1",
            "2001:db8::7",
        ),
        (
            "Invalid user admin from 192.0.2.7",
            "ssh_login",
            "failure",
            "admin",
            "192.0.2.7",
        ),
        (
            "error: maximum authentication attempts exceeded for root from 192.0.2.7 port 5 ssh2 [preauth]",
            "ssh_login",
            "failure",
            "root",
            "192.0.2.7",
        ),
        (
            "Connection closed by authenticating user root 2001:db8::7 port 5 [preauth]",
            "ssh_login",
            "failure",
            "root",
            "2001:db8::7",
        ),
        (
            "Disconnected from user kari 192.0.2.7 port 5",
            "ssh_disconnect",
            "",
            "kari",
            "192.0.2.7",
        ),
        (
            "Connection closed by 192.0.2.7 port 5 [preauth]",
            "ssh_disconnect",
            "",
            "",
            "192.0.2.7",
        ),
        (
            "message repeated 3 times: [ Failed password for root from 192.0.2.7 port 5 ssh2]",
            "ssh_login",
            "failure",
            "root",
            "192.0.2.7",
        ),
        ("Server listening on 0.0.0.0 port 22.", "", "", "", ""),
    ] {
        let mut fields = Fields::new();
        sshd::read(message, &mut fields);
        let seen = ["event.action", "event.outcome", "user.name", "source.ip"]
            .map(|name| fields.text(name).unwrap_or(""));
        assert_eq!(seen, [action, outcome, user, address], "{message}");
    }
}

proptest! {
    #[test]
    fn arbitrary_lines_never_panic(line in proptest::collection::vec(any::<u8>(), 0..200), text in "[ -~<>\\[\\]\t]{0,120}", zone in -90_000_i32..90_000) {
        for format in Format::ALL {
            for year in [YearRule::Fixed(i16::MAX), YearRule::Unknown, YearRule::Before(Timestamp::from_nanos(i64::MIN))] {
                let mut normalizer = Normalizer::new(format, NormalizerOptions { year, utc_offset_secs: zone, ..options() });
                let mut out = Vec::new();
                normalizer.line(b"#fields\ta\tb", 1, &mut out);
                normalizer.line(&line, 2, &mut out);
                normalizer.line(text.as_bytes(), 3, &mut out);
                normalizer.line(format!("Mar  2 08:15:00 gate sshd[1]: {text}").as_bytes(), 4, &mut out);
                normalizer.line(format!("<13>Feb 29 08:15:00 {text}").as_bytes(), 5, &mut out);
                normalizer.line(format!("{{\"ts\":1,\"uid\":\"a\",\"event_type\":\"dns\",\"timestamp\":{zone},\"x\":\"{text}\"}}").as_bytes(), 6, &mut out);
            }
        }
    }
}

#[test]
fn latin_1_of_old_devices_is_read_and_told() {
    let mut out = Vec::new();
    let mut normalizer = Normalizer::new(Format::Syslog, options());
    normalizer.line(b"<38>Mar  2 08:15:01 gate app: d\xf8r \xe5pen \x80", 1, &mut out);
    normalizer.line("<38>Mar  2 08:15:01 gate app: dør åpen €".as_bytes(), 2, &mut out);
    let seen: Vec<_> = out
        .iter()
        .map(|record| match record {
            Record::Event(draft) => (draft.fields.text("message"), draft.fields.text("varde.encoding")),
            Record::Refused(refusal) => panic!("{refusal:?}"),
        })
        .collect();
    let text = Some("dør åpen €");
    assert_eq!(seen, [(text, Some("windows-1252")), (text, None)]);
}

#[test]
fn windows_events_are_the_same_whoever_wrote_them_down() {
    let dumped = r##"{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Security-Auditing","Guid":"x"}},"EventID":{"#attributes":{"Qualifiers":1},"#text":4625},"TimeCreated":{"#attributes":{"SystemTime":"2026-03-02T08:15:00.5Z"}},"EventRecordID":7,"Channel":"Security","Computer":"PC-7.example.no","Correlation":null},"EventData":{"TargetUserName":"ola","IpAddress":"2001:db8::7","IpPort":"-"}}}"##;
    let flat = r#"{"EventTime":"2026-03-02 09:15:00.5","Hostname":"PC-7.example.no","SourceName":"Microsoft-Windows-Security-Auditing","EventID":4625,"Channel":"Security","TargetUserName":"ola","IpAddress":"2001:db8::7","IpPort":"-"}"#;
    for (line, utc_offset_secs) in [(dumped, 0), (flat, 3600)] {
        let mut out = Vec::new();
        let options = NormalizerOptions {
            utc_offset_secs,
            ..options()
        };
        Normalizer::new(Format::Ndjson, options).line(line.as_bytes(), 1, &mut out);
        let [Record::Event(draft)] = out.as_slice() else {
            panic!("{out:?}");
        };
        assert_eq!(draft.dataset, "windows.security");
        assert_eq!(draft.timestamp.to_string(), "2026-03-02T08:15:00.500Z", "{line}");
        for (name, value) in [
            ("EventID", "4625"),
            ("event.code", "4625"),
            ("event.action", "logged_in"),
            ("event.outcome", "failure"),
            ("event.provider", "Microsoft-Windows-Security-Auditing"),
            ("host.name", "pc-7.example.no"),
            ("user.name", "ola"),
            ("source.ip", "2001:db8::7"),
        ] {
            let seen = draft.fields.get(name).map(ToString::to_string);
            assert_eq!(seen.as_deref(), Some(value), "{name} of {:#?}", draft.fields);
        }
        assert_eq!(draft.fields.get("source.port"), None, "nobody said which");
    }
}

#[test]
fn audit_records_are_read_back_from_hexadecimal() {
    check(
        Format::Auditd,
        "type=EXECVE msg=audit(1772442900.123:7): argc=3 a0=\"sh\" a1=\"-c\" a2=6C73202F746D70",
        "auditd.log",
        &[
            ("process.command_line", "sh -c ls /tmp"),
            ("auditd.log.a2", "ls /tmp"),
            ("auditd.log.sequence", "7"),
            ("auditd.log.record_type", "EXECVE"),
            ("event.action", "execve"),
        ],
    );
    let login = "Mar  2 09:15:00 srv audisp: type=USER_LOGIN msg=audit(1772442900.123:8): pid=9 uid=0 msg='op=login acct=\"ola\" exe=\"/usr/sbin/sshd\" hostname=? addr=2001:db8::7 terminal=ssh res=failed'";
    check(
        Format::Syslog,
        login,
        "auditd.log",
        &[
            ("user.name", "ola"),
            ("source.ip", "2001:db8::7"),
            ("event.outcome", "failure"),
            ("event.action", "login"),
            ("host.name", "srv"),
        ],
    );
}

#[test]
fn a_cef_value_may_hold_blanks_and_what_is_escaped() {
    let line = r"CEF:0|Vend\|or|Wall|1|100|Port scan|7|src=192.0.2.7 cs1Label=Rule name cs1=Deny all\=x msg=a b c act=blocked rt=1772442900000";
    check(
        Format::Syslog,
        &format!("Mar  2 07:00:00 fw wall: {line}"),
        "cef.log",
        &[
            ("observer.vendor", "Vend|or"),
            ("rule.name", "Port scan"),
            ("event.code", "100"),
            ("source.ip", "192.0.2.7"),
            ("cef.extensions.cs1Label", "Rule name"),
            ("cef.extensions.cs1", "Deny all=x"),
            ("message", "a b c"),
            ("event.action", "blocked"),
        ],
    );
}

/// Who can talk to a daemon chooses words in its log, and no more than these.
#[test]
fn words_of_strangers_stay_words() {
    let login = "Mar  2 09:15:00 srv sshd[7]: Invalid user CEF:0|a|b|1|9|n|1|src=10.0.0.1 suser=admin from 2001:db8::7 port 4022";
    let expected = [("source.ip", "2001:db8::7"), ("event.outcome", "failure")];
    check(Format::Syslog, login, "system.auth", &expected);
    let logger =
        "Mar  2 09:15:00 srv app: node=dc01 type=USER_LOGIN msg=audit(1.000:1): acct=\"root\" res=success";
    check(Format::Syslog, logger, "system.syslog", &[("host.name", "srv")]);
    let mail = "Mar  2 09:15:00 mx dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<x rip=10.0.0.1 y>, method=PLAIN, rip=2001:db8::7, lip=2001:db8::1, session=<a>";
    check(Format::Syslog, mail, "mail.log", &[("source.ip", "2001:db8::7")]);
    let worker = "Mar  2 09:15:00 mx dovecot: auth-worker(7): pam(x,10.0.0.1,2001:db8::7): unknown user";
    check(
        Format::Syslog,
        worker,
        "mail.log",
        &[("source.ip", "2001:db8::7"), ("user.name", "x,10.0.0.1")],
    );
    let web = r#"192.0.2.7 - a [b] "c - kari [02/Mar/2026:09:15:00 +0100] "GET / HTTP/1.1" 401 0"#;
    check(
        Format::Access,
        web,
        "web.access",
        &[("source.ip", "192.0.2.7"), ("user.name", "a [b] \"c - kari")],
    );
    let cleared = r##"{"Event":{"System":{"EventID":104,"Channel":"System","Computer":"pc","TimeCreated":{"#attributes":{"SystemTime":"2026-03-02T08:15:00Z"}}},"UserData":{"LogFileCleared":{"Channel":"Security","event.code":"4624"}}}}"##;
    check(
        Format::Ndjson,
        cleared,
        "windows.system",
        &[("Channel", "System"), ("event.code", "104")],
    );
    let journal = r#"{"__REALTIME_TIMESTAMP":"1772442900000000","MESSAGE":"Accepted password for root from 10.0.0.1 port 1 ssh2","SYSLOG_IDENTIFIER":"sshd","_COMM":"logger","_UID":"1000"}"#;
    check(
        Format::Ndjson,
        journal,
        "system.syslog",
        &[("process.name", "logger")],
    );
}

/// A line of marks only costs no more than its length.
#[test]
fn a_line_of_equals_signs_is_read_in_its_length() {
    let line = format!("Mar  2 09:15:00 fw CEF:0|a|b|1|9|n|1|{}", "=".repeat(1 << 20));
    check(Format::Syslog, &line, "cef.log", &[("observer.vendor", "a")]);
    let line = format!("Mar  2 09:15:00 fw CEF:0|a|b|1|9|n|1|{}", "a=b ".repeat(1 << 18));
    check(Format::Syslog, &line, "cef.log", &[("observer.vendor", "a")]);
}
