//! What sensors and the centre tell each other, what people write, and a segment of the spool.

use std::fs;

use ingest::spool::{FOLDER, Progress, Room, Spool, Stream};
use ingest_event::restricted::{RestrictedKey, RestrictedList};
use ingest_trust::manifest;
use ingest_trust::signing::SigningKey;

use crate::account::NOW;

/// Of 16, 16, 10 and 3 bytes and a gateway, in base64.
pub(super) const CODE: &str =
    "varde1-BwcHBwcHBwcHBwcHBwcHBwgICAgICAgICAgICAgICAgJCQkJCQkJCQkJICBUZ2F0ZXdheS5jZXJ0LmV4YW1wbGU6ODQ0Mw";

/// What stands in one, but for the check.
pub(super) fn unchecked_code() -> Vec<u8> {
    [&[7; 42][..], b"[2001:db8::7]:8443"].concat()
}

/// Of a key that nobody has.
pub(super) const REQUEST: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIHKMHMCAQAwETEPMA0GA1UEAwwGc2Vuc29yMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEzdJ1ZCro3dDyQ/K6f00mZ4OcRITTFQh0ZRRSTtU5JNuAebPAcHvfPfwA
U74MiXvE2TEHGijRPnITc136PIWO7KAAMAoGCCqGSM49BAMCA0cAMEQCIFJVvsUh
3m3tpr5VyAi+w8Z5Sccj5U+3FNDjpVg6QtbQAiA6pXr/jI7FtCI+hRg/08nlXRmM
t7pbYU1TsTsPXCDDiQ==
-----END CERTIFICATE REQUEST-----
";

pub(super) const BUNDLE: &str = concat!(
    "{\"format\":1,\"version\":8,\"audience\":{\"sensors\":{\"organization\":\"964965226\",\"sensors\":[\"sensor-1\"]}},",
    "\"issued\":\"2026-03-02T08:00:00Z\",\"program\":\"0.2.0\",\"files\":[",
    "{\"path\":\"rules/a.yml\",\"bytes\":7,\"parts\":[\"0000000000000000000000000000000000000000000000000000000000000000\"]},",
    "{\"path\":\"rules/b.yml\",\"bytes\":0,\"parts\":[]}]}"
);

pub(super) const REVEAL: &str =
    "asked_by: CERT\nreason: what it is about\npseudonyms: [h-abc.vardedal.kommune.no, \"10.9.8.7\", u-1]\n";

pub(super) const CONFIG: &str = "\
sensor: sensor-vardedal-1
organization: \"964965226\"
zone: administration
home_networks: [10.20.0.0/24, \"2001:db8:20::/64\"]
home_domains: [vardedal.kommune.no]
privacy:
  - { dataset: network.dns, zones: [school], level: counts }
state: /var/lib/varde/sensor
bus: { gateway: { url: \"https://gateway.cert.example:8443\", directory: /var/lib/varde/sensor } }
listen: 127.0.0.1:9464
detect: { rules: /etc/varde/rules, indicators: /etc/varde/indicators }
sources:
  - file: { path: /data/capture.pcap }
  - capture: { interface: eth1, filter: \"not port 22\" }
  - syslog_tcp: { listen: \"[::]:5514\" }
  - flow_export: { listen: \"[::]:2055\" }
";

/// The signature is another one each time, and not looked at.
pub(super) fn envelope() -> Vec<u8> {
    let key = SigningKey::generate();
    let sealed = key.and_then(|key| key.seal(manifest::KIND, BUNDLE.as_bytes()));
    let written = sealed.map(|envelope| envelope.to_bytes()).unwrap_or_default();
    let mut envelope: serde_json::Value = serde_json::from_slice(&written).unwrap_or_default();
    for what in ["/signatures/0/keyid", "/signatures/0/sig"] {
        if let Some(of_chance) = envelope.pointer_mut(what) {
            *of_chance = "AAAA".into();
        }
    }
    serde_json::to_vec(&envelope).unwrap_or_default()
}

/// Two records and a format before them.
pub(super) fn records() -> Vec<u8> {
    let record = |key: &[u8], value: &[u8]| {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(0).to_le_bytes();
        [&length(key)[..], &length(value), key, value].concat()
    };
    [
        vec![1],
        record(b"key", b"{\"@timestamp\":\"2026-03-02T08:00:00Z\"}"),
        record(b"", b""),
    ]
    .concat()
}

/// One of each kind.
pub(super) fn entries() -> Vec<Vec<u8>> {
    let key = "0".repeat(64);
    let own = format!("\"fingerprint\":\"{key}\",\"at\":1772438400000000000");
    [
        ("code/x".to_owned(), "\"digest\":\"x\",\"until\":1772438400000000000".to_owned()),
        (format!("request/{key}"), format!("{own},\"code\":\"x\",\"host\":\"pc-7\",\"program\":\"0.2\"")),
        (
            "sensor/sensor-1".to_owned(),
            format!("{own},\"sensor\":\"sensor-1\",\"organization\":\"964965226\",\"zone\":\"school\",\"former\":[\"{key}\"]"),
        ),
        (format!("refusal/{key}"), own),
        (
            "issued/sensor-1".to_owned(),
            format!("\"sensor\":\"sensor-1\",\"fingerprint\":\"{key}\",\"until\":7"),
        ),
        (
            "status/sensor-1".to_owned(),
            "\"sensor\":\"sensor-1\",\"at\":7,\"report\":{\"program\":\"0.2\",\"configuration\":\"x\",\"bundle\":1,\"wanted\":2}"
                .to_owned(),
        ),
    ]
    .into_iter()
    .map(|(key, value)| format!("{key}\0{{{value}}}").into_bytes())
    .collect()
}

pub(super) fn restricted() -> Vec<u8> {
    let values = [
        ("domain", "bad.example"),
        ("cidr", "192.0.2.0/24"),
        ("cidr", "2001:db8::/32"),
    ];
    let list = RestrictedList::of(&RestrictedKey::new([7; 32]), values);
    serde_json::to_vec(&list).unwrap_or_default()
}

/// Two frames, as a spool writes them, and the byte before that asks for right checksums.
pub(super) fn segment() -> Vec<u8> {
    let written = || {
        let folder = tempfile::tempdir().ok()?;
        let mut spool = Spool::open(folder.path(), 1 << 20).ok()?;
        for number in 0..2_u8 {
            let mut append = spool.append(Room::Make);
            for event in 0..3 {
                append.event(Stream::Log, NOW, |sequence| {
                    (
                        vec![event],
                        format!("{{\"n\":{number},\"s\":{sequence}}}").into_bytes(),
                    )
                });
            }
            append.progress("syslog", Progress::default());
            append.commit().ok()?;
        }
        fs::read(
            folder
                .path()
                .join(FOLDER)
                .join("log-00000000000000000001.segment"),
        )
        .ok()
    };
    [vec![0], written().unwrap_or_default()].concat()
}
