use std::fs;

use super::*;

/// What stays permitted with these sources.
#[track_caller]
fn check(sources: &str, expected: CapabilitySet) {
    let text = format!(
        "sensor: s\norganization: \"964965226\"\nstate: /var/lib/varde/sensor\nsources: [{sources}]\nbus: {{ gateway: {{ url: \
         \"https://[::1]:8443\", directory: /etc/varde/trust }} }}\n"
    );
    let needs = Needs::of(&Plan::parse(&text, "sensor.yml").expect("reads"));
    assert_eq!(needs.capabilities, expected, "{sources}");
}

#[test]
fn each_source_keeps_what_it_opens_its_socket_with() {
    let (none, raw, bind) = (
        CapabilitySet::empty(),
        CapabilitySet::NET_RAW,
        CapabilitySet::NET_BIND_SERVICE,
    );
    check("{ file: { path: /var/log/app.log, follow: true } }", none);
    check("{ eve_socket: { path: /run/suricata/varde.sock } }", none);
    check("{ capture: {} }", raw);
    check("{ syslog_udp: { listen: \"[::]:5514\" } }", none);
    check("{ syslog_udp: { listen: \"[::]:514\" } }", bind);
    check("{ syslog_tcp: { listen: \"0.0.0.0:514\" } }", bind);
    check("{ syslog_tcp: { listen: \"0.0.0.0:1024\" } }", none);
    let tls = "certificate: /etc/varde/syslog.pem, key: /etc/varde/syslog.key";
    check(
        &format!("{{ syslog_tls: {{ listen: \"[::]:601\", {tls} }} }}"),
        bind,
    );
    check("{ flow_export: { listen: \"[::]:1023\" } }", bind);
    check(
        "{ capture: {} }, { flow_export: { listen: \"[::]:99\" } }",
        raw | bind,
    );
}

#[test]
fn rules_and_indicators_of_the_configuration_are_read() {
    let text = "sensor: s\norganization: \"964965226\"\nstate: /nowhere/state\nsources: []\nbus: { gateway: { url: \
                \"https://[::1]:8443\", directory: /etc/varde/trust } }\ndetect: { rules: /srv/rules, indicators: /srv/feed.csv }\n";
    let needs = Needs::of(&Plan::parse(text, "sensor.yml").expect("reads"));
    for named in ["/srv/rules", "/srv/feed.csv"] {
        assert!(needs.reads.contains(&named.into()), "{named}: {:?}", needs.reads);
    }
}

#[test]
fn files_are_read_where_they_are_and_where_they_will_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("a path");
    for inside in ["logs", "elsewhere"] {
        fs::create_dir(folder.join(inside)).expect("made");
    }
    for file in ["logs/app.log", "elsewhere/real.log"] {
        fs::write(folder.join(file), b"").expect("written");
    }
    std::os::unix::fs::symlink(folder.join("elsewhere/real.log"), folder.join("logs/link.log"))
        .expect("linked");
    let reads = |source: &str| {
        let source = source.replace("HERE", &folder.display().to_string());
        let text = format!(
            "sensor: s\norganization: \"964965226\"\nstate: /nowhere/state\nreadable: [/srv/pods]\nsources: [{source}]\nbus: {{ \
             gateway: {{ url: \"https://[::1]:8443\", directory: /etc/varde/trust }} }}\n"
        );
        let needs = Needs::of(&Plan::parse(&text, "sensor.yml").expect("reads"));
        assert_eq!(needs.makes, [PathBuf::from("/nowhere/state")]);
        assert_eq!(needs.lists, [PathBuf::from("/nowhere")]);
        let mut reads: Vec<String> = needs
            .reads
            .iter()
            .map(|path| {
                path.display()
                    .to_string()
                    .replace(&folder.display().to_string(), "HERE")
            })
            .collect();
        reads.sort();
        reads.dedup();
        assert!(reads.contains(&"/srv/pods".to_owned()) && reads.contains(&"/etc/varde/trust".to_owned()));
        reads.retain(|path| path.starts_with("HERE"));
        reads
    };
    for (source, expected) in [
        (
            "{ file: { path: HERE/logs/app.log } }",
            &["HERE/logs/app.log"][..],
        ),
        (
            "{ file: { path: HERE/logs/app.log, follow: true } }",
            &["HERE/logs"],
        ),
        ("{ file: { path: HERE/logs, follow: true } }", &["HERE/logs"]),
        ("{ file: { path: HERE/later/app.log, follow: true } }", &["HERE"]),
        (
            "{ file: { path: HERE/logs/link.log, follow: true } }",
            &["HERE/elsewhere", "HERE/logs"],
        ),
    ] {
        assert_eq!(reads(source), expected, "{source}");
    }
}
