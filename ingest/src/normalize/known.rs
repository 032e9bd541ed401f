//! Names of datasets that are nobody's text: each stands here letter by letter, and what a line must hold to claim it.
//!
//! A reader makes names out of what it reads (`suricata.<event type>`, `zeek.<log>`, `windows.<log>`), and JSON says its
//! own. What is not in [`DATASETS`] is a stranger's word: it does not leave as a dataset's name unless the configuration
//! spells it out. Sources: Suricata's `output-json` loggers, the Log Files page of Zeek's manual, Elastic's integrations.

use ingest_event::{Fields, field};

/// The dataset of a line that does not say its own, when the configuration names none.
pub(crate) const GENERIC: &str = "generic";

/// Names that may leave, sorted.
pub(crate) const DATASETS: &[&str] = &[
    "apache.access",
    "apache.error",
    "auditd.log",
    "cef.log",
    "claimed.varde.canary",
    "claimed.varde.heartbeat",
    "claimed.varde.shed",
    "generic",
    "leef.log",
    "mail.log",
    "network.dhcp",
    "network.dns",
    "network.flow",
    "network.http",
    "network.kerberos",
    "network.ldap",
    "network.rdp",
    "network.smb",
    "network.smtp",
    "network.ssh",
    "network.tls",
    "nginx.access",
    "nginx.error",
    "suricata.alert",
    "suricata.anomaly",
    "suricata.arp",
    "suricata.bittorrent_dht",
    "suricata.dcerpc",
    "suricata.dhcp",
    "suricata.dnp3",
    "suricata.doh2",
    "suricata.drop",
    "suricata.engine",
    "suricata.enip",
    "suricata.eve",
    "suricata.fileinfo",
    "suricata.frame",
    "suricata.ftp",
    "suricata.ftp_data",
    "suricata.http2",
    "suricata.ike",
    "suricata.ikev2",
    "suricata.krb5",
    "suricata.ldap",
    "suricata.mdns",
    "suricata.metadata",
    "suricata.modbus",
    "suricata.mqtt",
    "suricata.nfs",
    "suricata.packetinfo",
    "suricata.pgsql",
    "suricata.pop3",
    "suricata.quic",
    "suricata.rdp",
    "suricata.rfb",
    "suricata.rpc",
    "suricata.sip",
    "suricata.smb",
    "suricata.smtp",
    "suricata.snmp",
    "suricata.ssh",
    "suricata.stats",
    "suricata.telnet",
    "suricata.tftp",
    "suricata.websocket",
    "system.auth",
    "system.syslog",
    "web.access",
    "windows.application",
    "windows.directory_service",
    "windows.dns_server",
    "windows.event",
    "windows.powershell",
    "windows.powershell_classic",
    "windows.security",
    "windows.sysmon",
    "windows.system",
    "windows.taskscheduler",
    "windows.windefend",
    "zeek.analyzer",
    "zeek.broker",
    "zeek.capture_loss",
    "zeek.cluster",
    "zeek.config",
    "zeek.conn",
    "zeek.connection",
    "zeek.dce_rpc",
    "zeek.dhcp",
    "zeek.dnp3",
    "zeek.dns",
    "zeek.dpd",
    "zeek.files",
    "zeek.ftp",
    "zeek.http",
    "zeek.intel",
    "zeek.irc",
    "zeek.kerberos",
    "zeek.known_certs",
    "zeek.known_devices",
    "zeek.known_hosts",
    "zeek.known_modbus",
    "zeek.known_services",
    "zeek.ldap",
    "zeek.ldap_search",
    "zeek.loaded_scripts",
    "zeek.modbus",
    "zeek.modbus_register_change",
    "zeek.mqtt_connect",
    "zeek.mqtt_publish",
    "zeek.mqtt_subscribe",
    "zeek.mysql",
    "zeek.netcontrol",
    "zeek.notice",
    "zeek.notice_alarm",
    "zeek.ntlm",
    "zeek.ntp",
    "zeek.ocsp",
    "zeek.openflow",
    "zeek.packet_filter",
    "zeek.pe",
    "zeek.postgresql",
    "zeek.quic",
    "zeek.radius",
    "zeek.rdp",
    "zeek.redis",
    "zeek.reporter",
    "zeek.rfb",
    "zeek.signatures",
    "zeek.sip",
    "zeek.smb_cmd",
    "zeek.smb_files",
    "zeek.smb_mapping",
    "zeek.smtp",
    "zeek.snmp",
    "zeek.socks",
    "zeek.software",
    "zeek.ssh",
    "zeek.ssl",
    "zeek.stats",
    "zeek.syslog",
    "zeek.telemetry",
    "zeek.traceroute",
    "zeek.tunnel",
    "zeek.unknown",
    "zeek.unknown_protocols",
    "zeek.websocket",
    "zeek.weird",
    "zeek.weird_stats",
    "zeek.x509",
];

/// What begins one of the fields of a line that is of such a dataset; the first that fits holds.
const EVIDENCE: &[(&str, &[&str])] = &[
    ("apache.", &["apache.", "http.", "url.", "log."]),
    ("auditd.", &["auditd."]),
    ("cef.", &["cef.", "observer.vendor"]),
    // Any line may lie about this, and that it does is worth knowing.
    ("claimed.", &[""]),
    ("leef.", &["leef.", "observer.vendor"]),
    ("mail.", &["process.name"]),
    (
        "network.flow",
        &[
            "network.transport",
            "source.bytes",
            "source.packets",
            "network.bytes",
            "network.packets",
        ],
    ),
    ("network.http", &["http.", "url."]),
    ("network.smb", &["smb.", "ntlm."]),
    ("nginx.", &["nginx.", "http.", "url.", "log."]),
    ("suricata.", &["suricata.eve."]),
    ("system.", &["log.syslog.", "process.name", "system.", "systemd."]),
    ("web.", &["http.", "url."]),
    ("windows.", &["Channel", "EventID", "winlog."]),
];

/// Whether a name is one of those.
pub(crate) fn is_dataset(name: &str) -> bool {
    DATASETS.binary_search(&name).is_ok()
}

/// Whether what a line holds bears out what it says of itself. What only the sensor writes (`varde.`) no line can claim.
pub(crate) fn bears_out(fields: &Fields, dataset: &str) -> bool {
    let has = |start: &str| fields.iter().any(|(name, _)| name.starts_with(start));
    if dataset == "network.flow"
        && [field::SOURCE_IP, field::DESTINATION_IP]
            .iter()
            .any(|name| !has(name))
    {
        return false;
    }
    let evidence = EVIDENCE.iter().find(|(start, _)| dataset.starts_with(start));
    is_dataset(dataset)
        && match (evidence, dataset.split_once('.')) {
            (Some((_, starts)), _) => starts.iter().any(|start| has(start)),
            // `network.dns` has `dns.`, `zeek.ssh` has `zeek.ssh.`
            (None, Some(("network", protocol))) => has(&format!("{protocol}.")),
            (None, Some(_)) => has(&format!("{dataset}.")),
            (None, None) => dataset == GENERIC,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_for_their_search() {
        assert!(DATASETS.is_sorted());
    }

    #[test]
    fn a_line_claims_what_it_bears_out_only() {
        for (dataset, names, expected) in [
            (
                "network.flow",
                &["source.ip", "destination.ip", "source.bytes"][..],
                true,
            ),
            (
                "network.flow",
                &["source.ip", "destination.ip", "network.transport"],
                true,
            ),
            ("network.flow", &["source.ip", "destination.ip"], false),
            ("network.flow", &["source.ip", "source.bytes"], false),
            ("network.dns", &["dns.question.name"], true),
            ("network.dns", &["message"], false),
            ("zeek.ssh", &["zeek.ssh.client"], true),
            ("zeek.ssh", &["zeek.rdp.client"], false),
            ("zeek.kari", &["zeek.kari.client"], false),
            ("windows.security", &["winlog.channel"], true),
            ("windows.security", &["message"], false),
            ("varde.heartbeat", &["varde.heartbeat.version"], false),
            ("generic", &[], true),
            ("", &[], false),
        ] {
            let mut fields = Fields::new();
            for name in names {
                fields.set(*name, "x");
            }
            assert_eq!(bears_out(&fields, dataset), expected, "{dataset} {names:?}");
        }
    }
}
