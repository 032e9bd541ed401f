//! For what an input vouches, and what only a line says of itself.

use super::*;

/// The dataset of the line, and that which holds for the input where the line alone says it.
fn check(format: Format, configured: Option<&str>, line: &str, dataset: &str, trusted: Option<&str>) {
    let options = NormalizerOptions {
        dataset: configured.map(ToOwned::to_owned),
        ..options()
    };
    let (mut normalizer, mut out) = (Normalizer::new(format, options), Vec::new());
    normalizer.line(line.as_bytes(), 1, &mut out);
    let Some(Record::Event(draft)) = out.pop() else {
        panic!("no event of {line}")
    };
    assert_eq!(
        (draft.dataset.as_ref(), draft.trusted.as_deref()),
        (dataset, trusted),
        "{format} {configured:?} {line}"
    );
}

#[test]
fn a_line_of_json_is_what_its_input_is_and_what_it_says_beside() {
    let alert = eve("alert", "");
    let zeek = r#"{"ts":1772439300.0,"uid":"C1","id.orig_h":"192.0.2.7","_path":"kari"}"#;
    let ecs = r#"{"@timestamp":"2026-03-02T08:15:00Z","event":{"dataset":"zeek.ssh"},"source":{"ip":"2001:db8::7"}}"#;
    let bare = r#"{"timestamp":"2026-03-02T08:15:00Z","who":"x"}"#;
    let journal = r#"{"__REALTIME_TIMESTAMP":"1772439300000000","MESSAGE":"x","SYSLOG_IDENTIFIER":"sshd"}"#;
    let windows = r#"{"EventID":4624,"Channel":"Security","TimeCreated":"2026-03-02T08:15:00Z"}"#;
    for (format, configured, line, dataset, trusted) in [
        (Format::Eve, None, alert.as_str(), "suricata.alert", None),
        (Format::Ndjson, None, &alert, "suricata.alert", Some("generic")),
        (Format::ZeekJson, None, &alert, "suricata.alert", Some("generic")),
        (
            Format::Ndjson,
            Some("acme.audit"),
            &alert,
            "suricata.alert",
            Some("acme.audit"),
        ),
        (Format::ZeekJson, None, zeek, "zeek.kari", None),
        (Format::Eve, None, zeek, "zeek.kari", Some("generic")),
        (Format::Ecs, None, ecs, "zeek.ssh", Some("generic")),
        (Format::Ecs, Some("zeek.ssh"), ecs, "zeek.ssh", Some("zeek.ssh")),
        (Format::Eve, None, ecs, "zeek.ssh", Some("generic")),
        (Format::Ndjson, None, bare, "generic", Some("generic")),
        (
            Format::Ndjson,
            Some("acme.audit"),
            bare,
            "acme.audit",
            Some("acme.audit"),
        ),
        (Format::Ndjson, None, journal, "system.auth", Some("generic")),
        (Format::Ndjson, None, windows, "windows.security", Some("generic")),
        (Format::Evtx, None, windows, "windows.security", None),
        (
            Format::Syslog,
            None,
            "<38>Mar  2 08:15:00 gate sshd[1]: x",
            "system.auth",
            None,
        ),
    ] {
        check(format, configured, line, dataset, trusted);
    }
}
