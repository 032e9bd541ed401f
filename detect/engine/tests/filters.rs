//! Filters and pipelines mean what they mean in `rsigma-eval`: the same rules and filters, the same pipeline, the same events,
//! the same matches.
//!
//! The cases are made from a seed, small on purpose: few fields and few values, so that most conditions are true now and then.
//! Where the two differ by intent is in `docs/rules.md`; such cases are not made here: a filter that names a rule by its title,
//! `1 of` in a filter, a pipeline's `change_logsource`, and `null` under several names.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test support outside `#[test]` functions"
)]

use detect_engine::{Compiler, EventView, Match, MatchSink, Scanner};
use detect_rules::{Options, Pipeline, SourceText, check_with};
use rsigma_eval::{Engine, event::JsonEvent, parse_pipeline};
use rsigma_parser::parse_sigma_yaml;

/// The id of SigmaHQ's rule about the DNS Z flag, and what matters of it.
const Z_FLAG: &str = "title: Z\nid: ede05abc-2c9e-4624-9944-9ff17fdc0bf5\nlogsource: { product: zeek, service: dns }\n\
    detection: { unset: { Z: 0 }, domain: { query|contains: . }, condition: not unset and domain }\n";

/// Rules with their filters; each is asked about [`EVENTS`] events.
const CASES: u64 = 1_500;
const EVENTS: u64 = 24;

/// Numbers that look random and are always the same (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn item(&mut self) -> String {
        let field = self.one(&["fa", "fb", "fc"]);
        let modifier = self.one(&["", "|contains", "|startswith", "|endswith"]);
        let value = self.one(&["x", "y", "xy", "'y*x'", "[x, yx]"]);
        format!("{field}{modifier}: {value}")
    }

    fn selections(&mut self, indent: &str) -> String {
        let selection = |numbers: &mut Self| match numbers.below(3) {
            0 => format!("{{ {} }}", numbers.item()),
            1 => format!("[{{ {} }}, {{ {} }}]", numbers.item(), numbers.item()),
            _ => {
                let (one, other) = (numbers.item(), numbers.item());
                let key = |item: &str| item.split(':').next().unwrap().to_owned();
                if key(&one) == key(&other) {
                    format!("{{ {one} }}")
                } else {
                    format!("{{ {one}, {other} }}")
                }
            }
        };
        format!("{indent}a: {}\n{indent}b: {}\n", selection(self), selection(self))
    }

    fn condition(&mut self) -> &'static str {
        self.one(&["a", "a and b", "a or b", "a and not b", "not a", "not (a and b)"])
    }

    fn case(&mut self) -> String {
        let selections = self.selections("  ");
        let condition = self.condition();
        let mut text = format!(
            "title: A rule\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {{ category: made, product: here }}\ndetection:\n{selections}  condition: {condition}\n"
        );
        for _ in 0..self.below(3) {
            let target = self.one(&["any", "[11111111-1111-4111-8111-111111111111]"]);
            let log_source = self.one(&["category: made", "product: here", "category: made, product: here"]);
            let (selections, condition) = (self.selections("  "), self.condition());
            text.push_str(&format!(
                "---\ntitle: A filter\nlogsource: {{ {log_source} }}\nfilter:\n  rules: {target}\n{selections}  condition: {condition}\n"
            ));
        }
        text
    }

    fn event(&mut self) -> String {
        let mut members = vec![
            "\"@timestamp\":\"2026-01-01T00:00:00Z\",\"category\":\"made\",\"product\":\"here\"".to_owned(),
        ];
        for field in ["fa", "fb", "fc", "p.fa", "p.fb", "q.fb", "win.fc"] {
            if self.below(4) != 0 {
                let value = self.one(&["x", "y", "xy", "yx", "yyx", "z"]);
                members.push(format!("\"{field}\":\"{value}\""));
            }
        }
        format!("{{{}}}", members.join(","))
    }
}

#[derive(Default)]
struct Matched(bool);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, _: Match<'_>) {
        self.0 = true;
    }
}

const PIPELINES: [&str; 4] = [
    "name: none\ntransformations: []\n",
    "name: names\ntransformations:\n  - { type: field_name_mapping, mapping: { fa: p.fa, fb: [p.fb, q.fb] } }\n",
    "name: prefix\ntransformations:\n  - type: field_name_prefix\n    prefix: win.\n    field_name_conditions: [{ type: include_fields, fields: [fc] }]\n  - { type: replace_string, regex: 'z', replacement: 'x', skip_special: true }\n",
    "name: drop\ntransformations:\n  - type: add_condition\n    conditions: { fc: [x, y] }\n    rule_conditions: [{ type: logsource, category: made }]\n",
];

#[test]
fn filters_and_pipelines_match_what_the_oracle_matches() {
    let mut numbers = Numbers(20_261_122);
    let (mut pairs, mut matches) = (0_u64, 0_u64);
    for _ in 0..CASES {
        // The oracle does not send filters through a pipeline, so a case has the one or the other.
        let mut text = numbers.case();
        let pipeline = numbers.one(&PIPELINES);
        if pipeline != PIPELINES[0] {
            text.truncate(text.find("---").unwrap_or(text.len()));
        }
        let source = SourceText {
            path: "r.yml".to_owned(),
            text: text.clone(),
        };
        let options = Options {
            pipelines: Pipeline::read(&SourceText {
                path: "p.yml".to_owned(),
                text: pipeline.to_owned(),
            })
            .0
            .into_iter()
            .collect(),
            ..Options::default()
        };
        let checked = check_with(&[source], &options);
        assert!(
            checked.diagnostics.is_empty(),
            "{text}\n{:?}",
            checked.diagnostics
        );
        let ruleset = Compiler::new().rules(checked.rules).compile().expect("compiles");
        let mut scanner = Scanner::new(&ruleset);
        let mut oracle = Engine::new_with_pipeline(parse_pipeline(pipeline).expect("a pipeline"));
        oracle
            .add_collection(&parse_sigma_yaml(&text).expect("rules"))
            .expect("compiles");
        for _ in 0..EVENTS {
            let event = numbers.event();
            let mut ours = Matched::default();
            scanner.scan(event.as_bytes(), &mut ours).expect("an event");
            let json = serde_json::from_str(&event).expect("JSON");
            let theirs = !oracle.evaluate(&JsonEvent::borrow(&json)).is_empty();
            assert_eq!(ours.0, theirs, "ours, the oracle's\n{text}\n{pipeline}\n{event}");
            pairs += 1;
            matches += u64::from(theirs);
        }
    }
    println!("{pairs} pairs of rule and event, {matches} matches");
    assert!(
        pairs / 20 < matches && matches < pairs / 20 * 19,
        "{matches} of {pairs}"
    );
}

#[test]
fn a_dns_event_that_does_not_say_its_z_flag_is_not_found_for_it() {
    #[derive(Default)]
    struct Count(usize);
    impl MatchSink for Count {
        fn matched(&mut self, _: &EventView<'_>, _: Match<'_>) {
            self.0 += 1;
        }
    }
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../rulesets/filters/zeek-dns-z-flag.yml"
    );
    let source = |path: &str, text: &str| SourceText {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let filter = source(file, &std::fs::read_to_string(file).expect("there"));
    let checked = check_with(&[source("z.yml", Z_FLAG), filter], &Options::default());
    assert_eq!(checked.diagnostics, []);
    let ruleset = Compiler::new().rules(checked.rules).compile().expect("compiles");
    for (members, expected) in [
        (r#""dns.question.name":"example.org""#, 0),
        (
            r#""dns.question.name":"example.org","source.ip":"2001:db8::1""#,
            0,
        ),
        (r#""dns.question.name":"example.org","Z":0"#, 0),
        (r#""dns.question.name":"example.org","Z":1"#, 1),
        (r#""query":"example.org","Z":1"#, 1),
    ] {
        let line =
            format!(r#"{{"@timestamp":"2026-01-01T00:00:00Z","event.dataset":"network.dns",{members}}}"#);
        let mut count = Count::default();
        Scanner::new(&ruleset)
            .scan(line.as_bytes(), &mut count)
            .expect("an event");
        assert_eq!(count.0, expected, "{members}");
    }
}
