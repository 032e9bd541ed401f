use super::*;

fn options() -> NormalizerOptions {
    NormalizerOptions {
        dataset: None,
        home_networks: vec![
            "192.0.2.0/24".parse().expect("a network"),
            "2001:db8::/64".parse().expect("a network"),
        ],
        year: YearRule::Fixed(2026),
        utc_offset_secs: 0,
    }
}

#[test]
fn smoke() {
    for (format, line) in [
        (
            Format::Eve,
            r#"{"timestamp":"2026-03-02T08:15:00.000000+0000","event_type":"dns","src_ip":"192.0.2.1","src_port":53,"dest_ip":"2001:db8::1","dest_port":99,"proto":"UDP","dns":{"type":"answer","rrname":"A.no","answers":[{"rdata":"1.2.3.4","rrtype":"A"}]}}"#,
        ),
        (
            Format::Syslog,
            "<38>Mar  2 08:15:00 host sshd[12]: Failed password for invalid user x from 2001:db8::7 port 4022 ssh2",
        ),
        (
            Format::Syslog,
            "<38>1 2026-03-02T08:15:00Z host sshd 12 - - Failed password for invalid user x from 2001:db8::7 port 4022 ssh2",
        ),
        (
            Format::Ecs,
            r#"{"@timestamp":"2026-03-02T08:15:00Z","source.ip":"192.0.2.1","event.dataset":"x.y"}"#,
        ),
    ] {
        let mut out = Vec::new();
        Normalizer::new(format, options()).line(line.as_bytes(), 1, &mut out);
        println!("{out:#?}");
    }
}
