//! What pipelines make of rules: each transformation and each condition, and the bundled pipelines.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

#[path = "conditions/conditions.rs"]
mod conditions;

use detect_rules::{BUNDLED_PIPELINES, Code, Options, Pipeline, RuleLogSource, check, check_with};

use conditions::{rule, shown, source};

const WINDOWS: &str = "{ product: windows, category: process_creation }";

fn pipeline(items: &str) -> Pipeline {
    let text = format!("name: test\nvars: {{ hosts: [alpha, beta] }}\ntransformations:\n{items}\n");
    let (pipeline, diagnostics) = Pipeline::read(&source("test.yml", text));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    pipeline.expect("it can be used")
}

/// What becomes of a rule for process creation on Windows.
fn transformed(items: &str, detection: &str) -> (String, RuleLogSource, String) {
    let options = Options {
        pipelines: vec![pipeline(items)],
        ..Options::default()
    };
    let checked = check_with(&[source("r.yml", rule(WINDOWS, detection))], &options);
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    let rule = &checked.rules.rules[0];
    (
        shown(&rule.condition),
        rule.log_source.clone(),
        rule.producer.version.clone(),
    )
}

#[test]
fn each_transformation_does_what_it_is_called() {
    let one = "  a: { Image: x }\n  condition: a";
    let mapping = "  - { type: field_name_mapping, mapping: { Image: [p.exe, f.path] } }";
    for (items, detection, expected) in [
        (
            "  - { type: field_name_mapping, mapping: { Image: p.exe } }",
            one,
            "p.exe=x",
        ),
        (mapping, one, "(p.exe=x | f.path=x)"),
        (
            mapping,
            "  a: { Image: null }\n  condition: a",
            "(p.exe=null & f.path=null)",
        ),
        (
            mapping,
            "  a: { Image: [x, null] }\n  condition: a",
            "(p.exe=x | f.path=x | (p.exe=null & f.path=null))",
        ),
        (
            mapping,
            "  a: { Image|exists: false }\n  condition: a",
            "(p.exe is missing & f.path is missing)",
        ),
        (
            mapping,
            "  a: { Image: x, Other: y }\n  condition: not a",
            "!((p.exe=x | f.path=x) & Other=y)",
        ),
        (
            mapping,
            "  a: { Other|fieldref: Image }\n  condition: a",
            "Other=the p.exe,the f.path",
        ),
        (
            "  - { type: field_name_prefix_mapping, mapping: { Im: pre.Im } }",
            one,
            "pre.Image=x",
        ),
        (
            "  - { type: field_name_prefix, prefix: win. }",
            one,
            "win.Image=x",
        ),
        (
            "  - { type: field_name_suffix, suffix: .keyword }",
            one,
            "Image.keyword=x",
        ),
        (
            "  - { type: field_name_prefix, prefix: win. }",
            "  a: [word]\n  condition: a",
            "any=~word~",
        ),
        (
            "  - { type: drop_detection_item, field_name_conditions: [{ type: include_fields, fields: [Other] }] }",
            "  a: { Image: x, Other: y }\n  b: { Other: z }\n  condition: a and not b",
            "Image=x",
        ),
        (
            "  - { type: drop_detection_item, field_name_conditions: [{ type: include_fields, fields: [Other] }] }",
            "  a:\n    - Other: y\n    - Image: x\n  condition: 1 of a*",
            "Image=x",
        ),
        (
            "  - { type: add_condition, conditions: { EventID: 1, src|contains: [$product, b] }, template: true }",
            one,
            "((EventID=1 & src=~windows~,~b~) & Image=x)",
        ),
        (
            "  - { type: add_condition, conditions: { EventID: 1 }, negated: true }",
            "  a: { Image: x }\n  condition: all of them",
            "(!EventID=1 & Image=x)",
        ),
        (
            "  - { type: replace_string, regex: '^(.)b', replacement: '\\1c' }",
            "  a: { Image|endswith: ['ab*', 7], Other|re: 'ab' }\n  condition: a",
            "(Image=~ac*,~7 & Other=/ab/)",
        ),
        (
            "  - { type: replace_string, regex: '\\*', replacement: '+', skip_special: true }",
            "  a: { Image: 'x\\**' }\n  condition: a",
            "Image=x+*",
        ),
        (
            "  - { type: map_string, mapping: { x: [y, z] } }",
            "  a: { Image: [x, w] }\n  condition: a",
            "Image=y,z,w",
        ),
        ("  - { type: set_value, value: fixed }", one, "Image=fixed"),
        (
            "  - { type: value_placeholders }",
            "  a: { Image|endswith|expand: '.%hosts%' }\n  condition: a",
            "Image=~.alpha,~.beta",
        ),
        (
            "  - { type: wildcard_placeholders }",
            "  a: { Image|expand: 'x%who%y' }\n  condition: a",
            "Image=x*y",
        ),
        (
            "  - { type: hashes_fields, valid_hash_algos: [MD5, SHA256], field_prefix: File }",
            "  a: { Hashes|contains: [SHA256=aa, MD5=bb, IMPHASH=cc] }\n  condition: a",
            "(FileSHA256=aa | FileMD5=bb | Hashes=~IMPHASH=cc~)",
        ),
        (
            "  - { type: add_field, field: x }\n  - { type: set_field, fields: [x] }",
            one,
            "Image=x",
        ),
    ] {
        assert_eq!(transformed(items, detection).0, expected, "{items}\n{detection}");
    }
}

#[test]
fn each_condition_decides() {
    let rename = |conditions: &str| {
        format!(
            "  - {{ id: first, type: set_state, key: k, val: v }}\n  - type: field_name_prefix\n    prefix: n.\n{conditions}"
        )
    };
    let one = "  a: { Image: x, Other: null }\n  condition: a";
    let (both, image, other, none) = (
        "(n.Image=x & n.Other=null)",
        "(n.Image=x & Other=null)",
        "(Image=x & n.Other=null)",
        "(Image=x & Other=null)",
    );
    for (conditions, expected) in [
        (
            "    rule_conditions: [{ type: logsource, product: Windows }]",
            both,
        ),
        (
            "    rule_conditions: [{ type: logsource, product: windows, service: security }]",
            none,
        ),
        (
            "    rule_conditions: [{ type: contains_field, field: Image }]",
            both,
        ),
        (
            "    rule_conditions: [{ type: contains_field, field: image }]",
            none,
        ),
        (
            "    rule_conditions: [{ type: contains_detection_item, field: Image, value: x }]",
            both,
        ),
        (
            "    rule_conditions: [{ type: contains_detection_item, field: Image, value: y }]",
            none,
        ),
        (
            "    rule_conditions: [{ type: processing_item_applied, processing_item_id: first }]",
            both,
        ),
        (
            "    rule_conditions: [{ type: processing_item_applied, processing_item_id: second }]",
            none,
        ),
        (
            "    rule_conditions: [{ type: processing_state, key: k, val: v }]",
            both,
        ),
        (
            "    rule_conditions: [{ type: processing_state, key: k, val: w }]",
            none,
        ),
        ("    rule_conditions: [{ type: is_sigma_rule }]", both),
        ("    rule_conditions: [{ type: is_sigma_correlation_rule }]", none),
        ("    rule_conditions: [{ type: tag, tag: attack.t1 }]", none),
        (
            "    rule_conditions: [{ type: rule_attribute, attribute: name, value: a_rule }]",
            both,
        ),
        (
            "    rule_conditions: [{ type: rule_attribute, attribute: date, value: 2025-01-01, op: gt }]",
            both,
        ),
        (
            "    rule_conditions: [{ type: rule_attribute, attribute: level, value: low, op: gte }]",
            none,
        ),
        (
            "    rule_cond_not: true\n    rule_conditions: [{ type: is_sigma_rule }]",
            none,
        ),
        (
            "    rule_cond_op: or\n    rule_conditions: [{ type: is_sigma_rule }, { type: tag, tag: t.x }]",
            both,
        ),
        (
            "    rule_cond_expr: one and not two\n    rule_conditions: { one: { type: is_sigma_rule }, two: { type: tag, tag: t.x } }",
            both,
        ),
        (
            "    field_name_conditions: [{ type: include_fields, fields: [Image] }]",
            image,
        ),
        (
            "    field_name_conditions: [{ type: include_fields, fields: ['I'], mode: re }]",
            image,
        ),
        (
            "    field_name_conditions: [{ type: include_fields, fields: ['mage'], mode: re }]",
            none,
        ),
        (
            "    field_name_conditions: [{ type: exclude_fields, fields: [Image] }]",
            other,
        ),
        (
            "    field_name_cond_not: true\n    field_name_conditions: [{ type: include_fields, fields: [Image] }]",
            other,
        ),
        (
            "    field_name_conditions: [{ type: processing_state, key: k, val: v }]",
            both,
        ),
        (
            "    detection_item_conditions: [{ type: match_string, pattern: 'x$' }]",
            image,
        ),
        (
            "    detection_item_conditions: [{ type: match_string, cond: all, pattern: x, negate: true }]",
            other,
        ),
        ("    detection_item_conditions: [{ type: is_null }]", other),
        (
            "    detection_item_conditions: [{ type: match_value, value: x }]",
            image,
        ),
        (
            "    detection_item_conditions: [{ type: contains_wildcard, cond: any }]",
            none,
        ),
        (
            "    detection_item_conditions: [{ type: processing_item_applied, processing_item_id: first }]",
            none,
        ),
    ] {
        assert_eq!(transformed(&rename(conditions), one).0, expected, "{conditions}");
    }
}

#[test]
fn an_item_knows_which_items_were_applied_to_it() {
    let items = "  - { id: known, type: field_name_mapping, mapping: { Image: p.exe }, field_name_conditions: [{ type: include_fields, fields: [Image] }] }
  - type: field_name_prefix
    prefix: rest.
    field_name_cond_not: true
    field_name_conditions: [{ type: processing_item_applied, processing_item_id: known }]";
    let (condition, ..) = transformed(items, "  a: { Image: x, Other: y }\n  condition: a");
    assert_eq!(condition, "(p.exe=x & rest.Other=y)");
}

#[test]
fn the_log_source_is_replaced_as_a_whole_and_the_version_says_that_something_was_done() {
    let one = "  a: { Image: x }\n  condition: a";
    let (_, log_source, version) =
        transformed("  - { type: change_logsource, product: mine, service: own }", one);
    assert_eq!(
        (
            log_source.category,
            log_source.product.as_deref(),
            log_source.service.as_deref()
        ),
        (None, Some("mine"), Some("own"))
    );
    assert!(version.starts_with("2026-01-01+"), "{version}");
    let (_, _, same) = transformed("  - { type: field_name_mapping, mapping: { Other: y } }", one);
    assert_eq!(same, "2026-01-01");
}

#[test]
fn filters_and_the_fields_of_correlations_go_the_same_way() {
    let options = Options {
        pipelines: vec![pipeline(
            "  - { type: field_name_mapping, mapping: { Image: [p.exe, q.exe], User: user.name } }",
        )],
        ..Options::default()
    };
    let text = format!(
        "{}---\ntitle: F\nlogsource: {WINDOWS}\nfilter: {{ rules: [a_rule], s: {{ User: adm }}, condition: not s }}\n---\ntitle: C\nid: 22222222-2222-4222-8222-222222222222\ncorrelation:\n  type: value_count\n  rules: [a_rule]\n  group-by: [User]\n  timespan: 5m\n  condition: {{ field: Image, gte: 3 }}\n",
        rule(WINDOWS, "  a: { Image: x }\n  condition: a")
    );
    let checked = check_with(&[source("r.yml", text)], &options);
    assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
    assert_eq!(
        shown(&checked.rules.rules[0].condition),
        "((p.exe=x | q.exe=x) & !user.name=adm)"
    );
    let base = &checked.rules.correlations[0].bases[0];
    assert_eq!(
        (&base.group_by, &base.values),
        (
            &vec![vec!["user.name".to_owned()]],
            &vec![vec!["p.exe".to_owned(), "q.exe".to_owned()]]
        )
    );
}

#[test]
fn priority_decides_the_order() {
    let read = |priority: i64, from: &str, to: &str| {
        let text = format!(
            "priority: {priority}\ntransformations: [{{ type: field_name_mapping, mapping: {{ {from}: {to} }} }}]\n"
        );
        Pipeline::read(&source("p.yml", text)).0.expect("it can be used")
    };
    let options = Options {
        pipelines: vec![read(20, "B", "C"), read(10, "A", "B")],
        ..Options::default()
    };
    let checked = check_with(
        &[source("r.yml", rule(WINDOWS, "  a: { A: x }\n  condition: a"))],
        &options,
    );
    assert_eq!(shown(&checked.rules.rules[0].condition), "C=x");
}

#[test]
fn what_is_not_known_is_refused_with_its_line() {
    for (text, line, part) in [
        ("- a\n", 1, "no mapping"),
        ("name: x\nfinalizers: [{ type: json }]\n", 2, "finalizers"),
        ("postprocessing: []\ntransformations: []\n", 1, "postprocessing"),
        (
            "transformations:\n  - { type: nothing_like_it }\n",
            2,
            "nothing_like_it",
        ),
        (
            "transformations:\n  - type: drop_detection_item\n    wrong: 1\n",
            3,
            "wrong",
        ),
        (
            "transformations:\n  - type: rule_failure\n    message: m\n    rule_conditions: [{ type: odd }]\n",
            4,
            "odd",
        ),
        ("transformations:\n  - type: field_name_prefix\n", 2, "prefix"),
        (
            "transformations:\n  - type: field_name_mapping\n    mapping: { a: [] }\n",
            3,
            "no name",
        ),
        (
            "transformations:\n  - type: replace_string\n    regex: '(?=x)'\n    replacement: y\n",
            2,
            "regular expression",
        ),
        (
            "transformations:\n  - type: drop_detection_item\n    rule_cond_expr: one and two\n    rule_conditions: { one: { type: is_sigma_rule } }\n",
            2,
            "two",
        ),
        ("a: [", 1, "YAML"),
    ] {
        let (pipeline, diagnostics) = Pipeline::read(&source("p.yml", text));
        assert!(pipeline.is_none(), "{text}");
        let found = diagnostics.last().expect("a diagnostic");
        assert_eq!(
            (found.code, found.line),
            (Code::BadPipeline, line),
            "{text}: {found}"
        );
        assert!(found.detail.contains(part), "{text}: {found}");
    }
}

#[test]
fn a_pipeline_may_refuse_a_rule_and_not_leave_it_empty() {
    for (items, part) in [
        ("  - { type: rule_failure, message: not here }", "not here"),
        (
            "  - { type: detection_item_failure, message: no x, detection_item_conditions: [{ type: match_string, pattern: x }] }",
            "no x",
        ),
        ("  - { type: drop_detection_item }", "drops everything"),
    ] {
        let options = Options {
            pipelines: vec![pipeline(items)],
            ..Options::default()
        };
        let checked = check_with(
            &[source(
                "r.yml",
                rule(WINDOWS, "  a: { Image: x }\n  condition: a"),
            )],
            &options,
        );
        assert!(checked.rules.rules.is_empty(), "{items}");
        assert_eq!(checked.diagnostics[0].code, Code::RefusedByPipeline);
        assert!(
            checked.diagnostics[0].detail.contains(part),
            "{}",
            checked.diagnostics[0]
        );
    }
}

#[test]
fn the_bundled_pipelines_can_be_used_and_name_fields_as_they_say() {
    for (name, _) in BUNDLED_PIPELINES {
        let (pipeline, diagnostics) = Pipeline::bundled(name).expect(name);
        assert!(diagnostics.is_empty(), "{name}: {diagnostics:?}");
        assert_eq!(pipeline.expect(name).name(), name);
    }
    let hash = "'SHA256=ab'";
    for (name, log_source, selection, expected) in [
        ("as-it-is", WINDOWS, "{ Image: x }", "Image=x"),
        ("windows-ecs", WINDOWS, "{ Image: x }", "process.executable=x"),
        (
            "windows-ecs",
            WINDOWS,
            "{ LogonId: x }",
            "winlog.event_data.LogonId=x",
        ),
        (
            "windows-ecs",
            WINDOWS,
            "{ EventID: 1 }",
            "(event.code=1 | winlog.event_id=1)",
        ),
        (
            "windows-ecs",
            WINDOWS,
            &format!("{{ Hashes|contains: {hash} }}"),
            "process.hash.sha256=ab",
        ),
        (
            "windows-ecs",
            "{ product: windows, category: image_load }",
            &format!("{{ Hashes|contains: {hash}, Signed: 'true' }}"),
            "(file.hash.sha256=ab & (dll.code_signature.signed=true | file.code_signature.signed=true))",
        ),
        (
            "windows-ecs",
            "{ category: proxy }",
            "{ c-uri: x }",
            "url.original/c-uri=x",
        ),
        (
            "windows-audit",
            WINDOWS,
            "{ Image: x }",
            "(Image=x | NewProcessName=x)",
        ),
        (
            "windows-audit",
            WINDOWS,
            "{ ParentImage: null }",
            "(ParentImage=null & ParentProcessName=null)",
        ),
        (
            "zeek-ecs",
            "{ product: zeek, service: smb_files }",
            "{ name: x }",
            "(file.name=x | zeek.smb_files.name=x)",
        ),
        (
            "suricata-eve",
            "{ category: proxy }",
            "{ cs-host: x }",
            "http.hostname=x",
        ),
        (
            "syslog-ecs",
            "{ product: linux, service: sshd }",
            "{ hostname: x }",
            "host.hostname=x",
        ),
        (
            "auditd-ecs",
            "{ product: linux, service: auditd }",
            "{ type: EXECVE, a1: x }",
            "((auditd.message_type=EXECVE | auditd.log.record_type=EXECVE) & (auditd.data.a1=x | auditd.log.a1=x))",
        ),
    ] {
        let options = Options {
            pipelines: vec![Pipeline::bundled(name).expect(name).0.expect(name)],
            ..Options::default()
        };
        let text = rule(log_source, &format!("  a: {selection}\n  condition: a"));
        let checked = check_with(&[source("r.yml", text)], &options);
        assert_eq!(
            shown(&checked.rules.rules[0].condition),
            expected,
            "{name} {selection}"
        );
    }
    assert!(Pipeline::bundled("no-such").is_none());
    assert!(check(&[]).diagnostics.is_empty());
}
