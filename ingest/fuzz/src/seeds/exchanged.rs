//! What comes in JSON over HTTPS and over the bus, feeds and rules.

use openssl::x509::X509;
use serde_json::json;

use super::{centre, wire};

pub(super) const REPORT: &str = concat!(
    "{\"program\":\"0.2.0\",\"configuration\":\"0011\",\"bundle\":7,\"wanted\":8,\"wanted_program\":\"0.2.1\",",
    "\"refused\":{\"version\":8,\"detail\":\"it is for another sensor\"}}"
);

/// As a sensor writes it.
pub(super) const EVENT: &str = concat!(
    "{\"@timestamp\":\"2026-03-02T08:15:00.123456789Z\",\"varde.schema\":1,\"event.id\":\"00000000000000000000000000000007\",",
    "\"event.dataset\":\"network.dns\",\"event.sequence\":7,\"observer.name\":\"sensor-vardedal-1\",",
    "\"source.ip\":\"2001:db8::7\",\"source.port\":51000,\"dns.question.name\":\"a.example\",",
    "\"dns.resolved_ip\":[\"192.0.2.1\",\"2001:db8::1\"]}"
);

/// As another shipper writes one.
pub(super) const FOREIGN: &str = concat!(
    "{\"@timestamp\":\"2026-03-02T09:15:00+01:00\",\"event\":{\"dataset\":\"web.access\",\"duration\":1.5e3},",
    "\"source\":{\"ip\":\"192.0.2.7\"},\"url\":{\"domain\":\"\\u0061.example\"},\"tags\":[true,null,-1],\"labels\":{}}"
);

/// One of each format.
pub(super) const FEEDS: [&str; 4] = [
    "# a list\nbad.example\n192.0.2.1\n2001:db8::/48\nhxxp://bad[.]example/x?y\n",
    concat!(
        "value,type,confidence,valid_until,description\n",
        "bad.example,domain,high,2026-12-01T00:00:00Z,\"seen, \"\"twice\"\"\"\n192.0.2.2,ip,low,,\n"
    ),
    concat!(
        "{\"type\":\"bundle\",\"id\":\"bundle--00000000-0000-4000-8000-000000000001\",\"objects\":[{\"type\":\"indicator\",",
        "\"spec_version\":\"2.1\",\"id\":\"indicator--00000000-0000-4000-8000-000000000002\",\"pattern_type\":\"stix\",",
        "\"pattern\":\"[domain-name:value = 'bad.example' OR ipv6-addr:value = '2001:db8::7']\",",
        "\"valid_from\":\"2026-03-02T08:15:00Z\",\"created\":\"2026-03-02T08:15:00Z\",\"modified\":\"2026-03-02T08:15:00Z\"}]}"
    ),
    concat!(
        "{\"Event\":{\"info\":\"of ours\",\"date\":\"2026-03-02\",\"Attribute\":[{\"type\":\"domain|ip\",\"to_ids\":true,",
        "\"value\":\"bad.example|192.0.2.3\",\"timestamp\":\"1772438400\"}],\"Object\":[{\"name\":\"file\",\"Attribute\":[",
        "{\"type\":\"sha256\",\"to_ids\":true,\"value\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}]}]}}"
    ),
];

/// A rule, and a correlation of what it matches.
pub(super) const RULES: &str = "\
title: Command line of a downloader
id: 6d0f4f2e-8a5b-4c52-9b57-0a1f0c9d0001
name: downloader
status: test
level: high
tags: [attack.execution, attack.t1059]
logsource: { product: windows, category: process_creation }
detection:
  selection:
    Image|endswith: ['\\certutil.exe', '\\bitsadmin.exe']
    CommandLine|contains|all: [http, urlcache]
  filter:
    User|re: '^svc-[a-z]{1,8}$'
  condition: selection and not filter
---
title: Many of them
id: 6d0f4f2e-8a5b-4c52-9b57-0a1f0c9d0002
status: test
level: critical
correlation:
  type: event_count
  rules: [downloader]
  group-by: [host.name]
  timespan: 5m
  condition: { gte: 3 }
";

pub(super) fn ask() -> Vec<u8> {
    let ask = json!({
        "request": centre::REQUEST,
        "secret": "CQkJCQkJCQkJCQ",
        "host": "sensor.vardedal.example",
        "program": "0.2.0",
    });
    ask.to_string().into_bytes()
}

/// A certificate, to wait, and no.
pub(super) fn answers() -> Vec<Vec<u8>> {
    let pem = X509::from_der(&wire::certificate()).and_then(|certificate| certificate.to_pem());
    let pem = String::from_utf8(pem.unwrap_or_default()).unwrap_or_default();
    let certified = json!({
        "certificate": pem,
        "authority": pem,
        "sensor": "sensor-1",
        "organization": "964965226",
        "zone": "school",
        "keys": [],
    });
    let wait = json!({ "fingerprint": "00".repeat(32), "again_secs": 30 });
    let refused =
        json!({ "reason": "too_large", "detail": "a record", "record": 3, "record_bytes_max": 1_000_000 });
    [certified, wait, refused]
        .iter()
        .map(|answer| answer.to_string().into_bytes())
        .collect()
}
