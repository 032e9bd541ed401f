//! The pipelines of `rulesets/pipelines/`, inside the program.

/// Name and text of each, by name.
pub const BUNDLED: [(&str, &str); 7] = [
    (
        "as-it-is",
        include_str!("../../../../rulesets/pipelines/as-it-is.yml"),
    ),
    (
        "auditd-ecs",
        include_str!("../../../../rulesets/pipelines/auditd-ecs.yml"),
    ),
    (
        "suricata-eve",
        include_str!("../../../../rulesets/pipelines/suricata-eve.yml"),
    ),
    (
        "syslog-ecs",
        include_str!("../../../../rulesets/pipelines/syslog-ecs.yml"),
    ),
    (
        "windows-audit",
        include_str!("../../../../rulesets/pipelines/windows-audit.yml"),
    ),
    (
        "windows-ecs",
        include_str!("../../../../rulesets/pipelines/windows-ecs.yml"),
    ),
    (
        "zeek-ecs",
        include_str!("../../../../rulesets/pipelines/zeek-ecs.yml"),
    ),
];
