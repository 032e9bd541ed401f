//! The prefilter loses no match: with it and without it the same rules match, on all corpora and all of SigmaHQ.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "test support outside `#[test]` functions"
)]

#[path = "corpora/corpora.rs"]
mod corpora;

use detect_engine::{Compiler, EventView, Match, MatchSink, Origin, Ruleset, Scanner};
use detect_rules::{SourceText, check};

/// Events of each corpus in the ordinary run; `VARDE_ORACLE_EVENTS` asks for more.
const EVENTS: usize = 50;

#[derive(Default)]
struct Matched(Vec<String>);

impl MatchSink for Matched {
    fn matched(&mut self, _: &EventView<'_>, hit: Match<'_>) {
        if let Origin::Rule(_, producer) = hit.origin {
            self.0.push(format!("{} {:?}", producer.id.0, hit.findings));
        }
    }
}

fn matches(ruleset: &Ruleset, lines: &[String]) -> Vec<Vec<String>> {
    let mut scanner = Scanner::new(ruleset);
    lines
        .iter()
        .map(|line| {
            let mut matched = Matched::default();
            scanner.scan(line.as_bytes(), &mut matched).expect("an event");
            matched.0
        })
        .collect()
}

#[test]
fn with_and_without_the_prefilter_the_matches_are_the_same() {
    let Some(root) = corpora::captures() else { return };
    let count = std::env::var("VARDE_ORACLE_EVENTS").map_or(EVENTS, |text| text.parse().expect("a number"));
    let rules = corpora::for_all_events(check(&corpora::sigma_hq(&root))).rules;
    let compile = |compiler: Compiler| compiler.compile().expect("compiles");
    let fast = compile(Compiler::new().rules(rules.clone()));
    let slow = compile(Compiler::new().rules(rules).exhaustive());
    let mut total = 0;
    for corpus in corpora::CORPORA {
        let lines = corpora::events(&root, corpus, count);
        let (fast, slow) = (matches(&fast, &lines), matches(&slow, &lines));
        for ((fast, slow), line) in fast.iter().zip(&slow).zip(&lines) {
            assert_eq!(fast, slow, "{corpus}: {line}");
        }
        total += slow.iter().map(Vec::len).sum::<usize>();
    }
    println!("{total} matches");
    assert!(100 < total, "{total} matches say nothing");
}

/// With its own log sources, after a sample, and seen so often that every class is settled.
#[test]
fn a_sample_changes_no_match() {
    let Some(root) = corpora::captures() else { return };
    let rules = check(&corpora::sigma_hq(&root)).rules;
    let compile = |compiler: Compiler| compiler.compile().expect("compiles");
    let slow = compile(Compiler::new().rules(rules.clone()).exhaustive());
    let mut total = 0;
    for corpus in corpora::CORPORA {
        let lines = corpora::events(&root, corpus, 8 * EVENTS);
        // Half of the events are known before, so that some classes are and some are not.
        let sample = lines.iter().step_by(2).map(|line| line.as_bytes().to_vec());
        let fast = compile(Compiler::new().rules(rules.clone()).sample(sample));
        let often: Vec<String> = lines.iter().flat_map(|line| vec![line.clone(); 17]).collect();
        let (fast, slow) = (matches(&fast, &often), matches(&slow, &lines));
        for (fast, (slow, line)) in fast.chunks(17).zip(slow.iter().zip(&lines)) {
            assert!(
                fast.iter().all(|found| found == slow),
                "{corpus}: {line}: {fast:?} {slow:?}"
            );
        }
        total += slow.iter().map(Vec::len).sum::<usize>();
    }
    println!("{total} matches");
    assert!(100 < total, "{total} matches say nothing");
}

/// Sixteen rules that never match, so that the prefilter is at work, and one that does if it lets it.
#[test]
fn what_the_text_looks_like_does_not_matter() {
    for (detection, members) in [
        ("f: PowerShell", r#""f":"\u0070ower\u0053hell""#),
        ("f: PowerShell", r#""f":"POWERSHELL""#),
        ("f|cased: PowerShell", r#""f":"PowerShell""#),
        ("f|contains: 'BLÅBÆR'", r#""f":"xblåbærx""#),
        ("f|contains: 'blåbær'", r#""f":"BL\u00c5B\u00c6R""#),
        ("f: σίσυφος", r#""f":"ΣΊΣΥΦΟΣ""#),
        (
            r"f: 'C:\\Windows\\*\\cmd.exe'",
            r#""f":"c:\\windows\\system32\\CMD.exe""#,
        ),
        ("f|contains: 4625", r#""f":146250"#),
        ("f: 4625", r#""f":4625.0"#),
        ("f: 'true'", r#""f":true"#),
        (
            "f|contains|all: [powershell, encoded]",
            r#""f":["an ENCODED","powershell"]"#,
        ),
        ("f: [null, powershell]", r#""g":1"#),
        ("f|neq: powershell", r#""f":"pwsh""#),
        ("f|windash|contains: ' -encoded'", r#""f":"x \u2013ENCODED""#),
        ("f|contains: [powershell, ab]", r#""f":"xaBx""#),
        ("f|contains: 'a*powershell*b'", r#""f":"xAypOwershellzbz""#),
    ] {
        let document = |number: usize, detection: &str| {
            format!(
                "---\ntitle: T\nid: {number:08}-1111-4111-8111-111111111111\nlogsource: {{ category: test }}\ndetection:\n  s: {{ {detection} }}\n  condition: s\n"
            )
        };
        let mut text: String = (1..=16)
            .map(|number| document(number, "f|contains: never-there"))
            .collect();
        text.push_str(&document(17, detection));
        let checked = check(&[SourceText {
            path: "r.yml".to_owned(),
            text,
        }]);
        assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
        let ruleset = Compiler::new()
            .rules(corpora::for_all_events(checked).rules)
            .compile()
            .expect("compiles");
        let line = format!("{{\"@timestamp\":\"2026-01-01T00:00:00Z\",{members}}}");
        let found = matches(&ruleset, &[line]);
        assert_eq!(found.concat().len(), 1, "{detection} ~ {members}");
    }
}
