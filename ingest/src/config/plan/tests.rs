//! What one line comes to, and who wins.

use super::*;

/// A code of an authority that nobody has.
fn code() -> String {
    let made = EnrolmentCode::make("gateway.cert.example:8443", [7; 16], [8; 16]).expect("chance");
    made.expect("a gateway").to_string()
}

fn identity() -> Identity {
    Identity {
        sensor: SensorId::parse("sensor-vardedal-1").expect("valid"),
        organization: OrganizationNumber::parse("964965226").expect("valid"),
        zone: Some(Zone::School),
        keys: Vec::new(),
    }
}

fn plan(rest: &str) -> Plan {
    let text = format!("enrolment: {}\n{rest}", code());
    Plan::parse(&text, "sensor.yml").expect("reads")
}

#[test]
fn one_line_is_a_whole_configuration() {
    let config = plan("")
        .config(Some(&identity()), &Overlay::default())
        .expect("whole");
    assert_eq!(config.context.sensor.as_str(), "sensor-vardedal-1");
    assert_eq!(config.context.zone, Zone::School);
    let BusConfig::Gateway { url, directory } = &config.bus else {
        panic!("{:?}", config.bus);
    };
    assert_eq!(url, "https://gateway.cert.example:8443");
    assert_eq!(directory, &config.state.join("trust"));
    let kinds: Vec<&str> = config.sources.iter().map(Source::kind).collect();
    assert_eq!(kinds, ["capture", "syslog_udp", "syslog_tcp", "flow_export"]);
    let listening = config.sources.iter().filter_map(|source| match source {
        Source::SyslogUdp(syslog) | Source::SyslogTcp(syslog) => Some(syslog.listen.to_string()),
        Source::FlowExport(export) => Some(export.listen.to_string()),
        Source::File(_) | Source::Capture(_) | Source::SyslogTls(_) | Source::EveSocket(_) => None,
    });
    let listening: Vec<String> = listening.collect();
    assert_eq!(listening, ["[::]:5514", "[::]:5514", "[::]:2055"]);
    assert_eq!(plan("").defaulted().len(), 6);
}

#[test]
fn systemd_says_where_the_state_is() {
    for (given, state) in [
        (None, STATE),
        (Some(""), STATE),
        (Some("/var/lib/private/varde"), "/var/lib/private/varde"),
        (Some("/a:/b"), "/a"),
    ] {
        assert_eq!(usual_state(given.map(OsStr::new)), Path::new(state), "{given:?}");
    }
}

#[test]
fn what_the_file_says_wins_and_what_is_ours_is_added_up() {
    let overlay = Overlay::parse(
        "home_networks: [10.1.0.0/16, \"2001:db8:1::/48\"]\nhome_domains: [skole.no]\nspool_bytes_max: 70000000\n\
         canary_secs: 9\nmarking: restricted\ncapture: { flows_max: 5000, flow_idle_secs: 6 }",
    )
    .expect("reads");
    let said = "zone: health\nspool_bytes_max: 1000\nhome_domains: [vardedal.kommune.no]\nhome_networks: [10.1.0.0/16, 192.0.2.0/24]\n\
                sources: [{ capture: { flows_max: 99 } }]\n";
    let config = plan(said).config(Some(&identity()), &overlay).expect("whole");
    assert_eq!(config.context.zone, Zone::Health);
    assert_eq!(
        (config.spool_bytes_max, config.canary_every),
        (1_000, Some(Duration::from_secs(9)))
    );
    assert_eq!(config.context.marking, Marking::Restricted);
    assert_eq!(config.home_networks.len(), 3);
    assert_eq!(config.home_domains, ["vardedal.kommune.no"]);
    assert_eq!(
        config.added_domains,
        ["skole.no"],
        "they don't decide what stays clear"
    );
    let [Source::Capture(capture)] = &config.sources[..] else {
        panic!("{:?}", config.sources);
    };
    assert_eq!((capture.flows_max, capture.flow_idle_secs), (Some(99), Some(6)));
}

#[test]
fn what_cannot_be_is_told_with_its_mend() {
    let whole = |rest: &str, identity: Option<&Identity>| {
        let told = plan(rest).config(identity, &Overlay::default()).expect_err(rest);
        told.to_string()
    };
    let us = identity();
    for (told, parts) in [
        (
            whole("sensor: sensor-2", Some(&us)),
            ["`sensor`", "sensor-vardedal-1"],
        ),
        (
            whole("organization: \"958935420\"", Some(&us)),
            ["`organization`", "964965226"],
        ),
        (whole("", None), ["`sensor`", "not enrolled yet"]),
        (
            whole("spool_bytes_max: 0", Some(&us)),
            ["`spool_bytes_max`", "above 0"],
        ),
        (
            Plan::parse("enrolment: varde1-abc", "sensor.yml")
                .expect_err("none")
                .to_string(),
            ["`enrolment`", "mistyped"],
        ),
        (
            Plan::parse("# Nothing yet.\nenrolment:\n", "sensor.yml")
                .expect_err("none")
                .to_string(),
            ["sensor.yml", "no enrolment code"],
        ),
        (
            Plan::parse("sensor: sensor-1", "sensor.yml")
                .expect_err("none")
                .to_string(),
            ["`organization`", "enrolment"],
        ),
    ] {
        for part in parts {
            assert!(told.contains(part), "{told} lacks {part}");
        }
    }
}
