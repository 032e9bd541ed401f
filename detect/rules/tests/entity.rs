//! What a correlation's alerts are about: the author's field, the only field of the group, or the whole group.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

use detect_rules::{Code, Level, SourceText, check};

/// Checks one rule with one correlation of it; gives the entity's place and the warnings.
fn check_entity(group_by: &str, aliases: &str, varde: &str) -> (Option<usize>, Vec<String>) {
    let text = format!(
        "title: Flow
id: 11111111-1111-4111-8111-111111111111
name: flow
logsource: {{ product: zeek, service: conn }}
detection:
  selection: {{ id.orig_h|exists: true }}
  condition: selection
---
title: Many
id: 22222222-2222-4222-8222-222222222222
correlation:
  type: event_count
  rules: [flow]
  {group_by}
  {aliases}
  timespan: 60s
  condition: {{ gte: 5 }}
{varde}
"
    );
    let checked = check(&[SourceText {
        path: "r.yml".to_owned(),
        text,
    }]);
    for found in &checked.diagnostics {
        assert_eq!(
            (found.code, found.level),
            (Code::Ignored, Level::Warning),
            "{found}"
        );
    }
    assert_eq!(checked.rules.correlations.len(), 1);
    let said = checked
        .diagnostics
        .iter()
        .map(|found| format!("{}: {}; {}", found.line, found.detail, found.mend))
        .collect();
    (checked.rules.correlations[0].entity, said)
}

#[test]
fn the_author_chooses_among_the_group() {
    let two = "group-by: [id.orig_h, id.resp_h]";
    let alias = "aliases: { who: { flow: id.resp_h } }";
    for (group_by, aliases, entity, expected) in [
        (two, "", "source.ip", Some(0)),
        (two, "", "destination.ip", Some(1)),
        (two, "", "id.resp_h", Some(1)),
        ("group-by: [id.orig_h, who]", alias, "who", Some(1)),
        ("group-by: [id.orig_h, who]", alias, "destination.ip", Some(1)),
    ] {
        let varde = format!("varde: {{ entity: {entity} }}");
        assert_eq!(
            check_entity(group_by, aliases, &varde),
            (expected, vec![]),
            "{entity}"
        );
    }
}

#[test]
fn without_a_choice_it_is_the_only_field_or_the_group() {
    let two = "group-by: [id.orig_h, id.resp_h]";
    assert_eq!(check_entity("group-by: [id.resp_h]", "", ""), (Some(0), vec![]));
    assert_eq!(check_entity(two, "", ""), (None, vec![]));
    assert_eq!(check_entity("", "", ""), (None, vec![]));
}

#[test]
fn an_entity_outside_the_group_is_a_warning() {
    let varde = "varde: { entity: user.name }";
    let outside = |mend: &str| {
        vec![format!(
            "18: the entity `user.name` is not in `group-by`, so alerts are about the whole group; {mend}"
        )]
    };
    assert_eq!(
        check_entity("group-by: [id.orig_h, id.resp_h]", "", varde),
        (
            None,
            outside("add it to `group-by`, or name one of: id.orig_h, id.resp_h")
        )
    );
    assert_eq!(
        check_entity("", "", varde),
        (None, outside("add `group-by: [user.name]` to `correlation:`"))
    );
}
