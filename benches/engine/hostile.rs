//! Denial of service: the worst events and the worst rules that we can think of. Each is measured by turns with the
//! Windows mix, in bytes per second; an event that is refused must be refused by its reason, and fast.

use std::fmt::Write as _;

use anyhow::Context as _;
use detect_engine::{Ruleset, Scanner};
use detect_rules::{Checked, Condition, Cost, Pattern, SourceText, Test, TextPart, check, costs};

use super::{
    Setup,
    contender::{Contender, Tally, ours},
    corpora::{Corpus, Kind},
    row::{Beside, Limit, Row},
    speed::{beside, describe},
    turns::by_turns,
};
use crate::workload::Random;

/// About so many bytes of each worst event are scanned a round.
const BYTES: usize = 8 << 20;

/// Rounds; what is bad is bad by far more than noise.
const ROUNDS: usize = 3;

/// As fast as this part of ordinary bytes.
const LEAST: f64 = 0.5;

/// Five megabytes: larger than any message a topic takes by default.
const LARGE: usize = 5 << 20;

/// A row for each worst event.
///
/// # Errors
/// If a refused event has no reason, or the ordinary ones can't be scanned.
pub fn events(mix: &Corpus, ruleset: &Ruleset, checked: &Checked) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let ordinary = mix.few(4_096);
    for (name, events) in worst(checked) {
        let size: usize = events.iter().map(Vec::len).sum();
        let repeated = events
            .into_iter()
            .flat_map(|event| [event.clone(), event])
            .collect();
        let corpus = Corpus::new(name, Kind::Host, repeated, 1, BYTES.max(size));
        let (mut normal, mut bad) = (ours("ordinary", ruleset), ours("worst", ruleset));
        let mut contenders = [
            Contender::new("ordinary", |_| {
                ordinary.blocks(usize::MAX).map(|block| (normal.run)(block)).sum()
            }),
            Contender::new("worst", |_| {
                corpus.blocks(usize::MAX).map(|block| (bad.run)(block)).sum()
            }),
        ];
        let clock = corpus.first(1).events().map(<[u8]>::to_vec).collect();
        let turns = by_turns(
            &Corpus::new(name, Kind::Host, clock, 1, 0),
            ROUNDS,
            &mut contenders,
        )?;
        // The clock has one event a round: its rate is rounds per second.
        let rate = |who: &str, bytes: usize| turns.rate(who) * bytes as f64;
        let (normal, bad) = (
            rate("ordinary", ordinary.total_bytes()),
            rate("worst", corpus.total_bytes()),
        );
        let counted = turns.count("worst");
        let (refused, matches) = (counted >> 32, counted & 0xffff_ffff);
        let mut row = Row::new("the worst event", &describe(&corpus), "MB/CPU s", bad / 1e6)
            .bar("bytes/s ÷ ordinary", bad / normal, Limit::AtLeast(LEAST))
            .checked(format!(
                "{matches} matches; {refused} of {} refused{}",
                corpus.len(),
                reason(ruleset, &corpus)
            ));
        row.beside.push(Beside {
            name: "the Windows mix".to_owned(),
            figure: normal / 1e6,
            ratio: None,
        });
        rows.push(row);
    }
    Ok(rows)
}

fn reason(ruleset: &Ruleset, corpus: &Corpus) -> String {
    let mut scanner = Scanner::new(ruleset);
    corpus
        .first(1)
        .events()
        .find_map(|event| scanner.scan(event, &mut Tally::default()).err())
        .map_or_else(String::new, |error| format!(" as {:?}", error.reason()))
}

/// The worst events, each with its name; some are several, since what hurts is that no two are alike.
fn worst(checked: &Checked) -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let sysmon = |body: &str| {
        format!(
            "{{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\
             \"EventID\":1,\"product\":\"windows\",\"category\":\"process_creation\",{body}}}"
        )
        .into_bytes()
    };
    let script = |body: &str| {
        format!(
            "{{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"Channel\":\"Microsoft-Windows-PowerShell/Operational\",\
             \"EventID\":4104,\"product\":\"windows\",\"category\":\"ps_script\",\"ScriptBlockText\":\"{body}\"}}"
        )
        .into_bytes()
    };
    let literals = literals(checked);
    let almost: Vec<String> = literals.iter().map(|text| near_miss(text)).collect();
    let (soup, near) = (soup(&literals, 64 << 10), soup(&almost, 64 << 10));
    let prose = "the quick brown fox jumps over the lazy dog and runs away ".repeat(LARGE / 58);
    vec![
        (
            "5 MB in one command line",
            vec![sysmon(&format!("\"CommandLine\":\"{prose}\""))],
        ),
        ("5 MB of script block", vec![script(&prose)]),
        (
            "a million keys",
            vec![sysmon(&keys(1_000_000, |at| format!("k{at}")))],
        ),
        (
            "as many keys as are let in",
            vec![sysmon(&keys(4_000, |at| format!("k{at}")))],
        ),
        (
            "one field again and again",
            vec![sysmon(&keys(4_000, |_| "CommandLine".to_owned()))],
        ),
        (
            "a million members of one list",
            vec![sysmon(&format!(
                "\"CommandLine\":[\"x\"{}]",
                ",\"x\"".repeat(999_999)
            ))],
        ),
        (
            "objects in objects, a million deep",
            vec![sysmon(&format!(
                "\"a\":{}1{}",
                "{\"a\":".repeat(1_000_000),
                "}".repeat(1_000_000)
            ))],
        ),
        (
            "lists in lists, a million deep",
            vec![sysmon(&format!(
                "\"a\":{}{}",
                "[".repeat(1_000_000),
                "]".repeat(1_000_000)
            ))],
        ),
        (
            "objects in objects, a hundred deep, again and again",
            vec![sysmon(&nested(100, 400))],
        ),
        (
            "a near miss of every literal, command line",
            vec![sysmon(&format!("\"CommandLine\":\"{near}\""))],
        ),
        ("a near miss of every literal, script block", vec![script(&near)]),
        (
            "every literal, command line",
            vec![sysmon(&format!("\"CommandLine\":\"{soup}\""))],
        ),
        ("every literal, script block", vec![script(&soup)]),
        ("bait for regular expressions", vec![script(&bait(64 << 10))]),
        (
            "all in escapes",
            vec![script(&"\\u0061\\u005c\\/\\n".repeat(8_000))],
        ),
        (
            "letters that fold to others",
            vec![script(&"\u{212a}\u{17f}\u{130}ßÅÆØ".repeat(8_000))],
        ),
        ("quotes and backslashes", vec![script(&"\\\\\\\"".repeat(40_000))]),
        ("a domain of ten thousand labels", vec![domain(10_000)]),
        ("URLs and addresses, 4,000 in one field", vec![urls(4_000)]),
        ("no two log sources alike", classes(8_192)),
        ("brackets only, no JSON", vec![vec![b'['; LARGE]]),
        ("zeros, no UTF-8 text", vec![vec![0xff; LARGE]]),
        (
            "a number of a million digits",
            vec![sysmon(&format!("\"n\":{}", "9".repeat(1_000_000)))],
        ),
    ]
}

fn keys(count: usize, name: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for at in 0..count {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a String never fails.
        let _ = write!(text, "{comma}\"{}\":\"cmd.exe /c {at}\"", name(at));
    }
    text
}

fn nested(depth: usize, times: usize) -> String {
    let mut text = String::new();
    for at in 0..times {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}\"n{at}\":{}1{}",
            "{\"a\":".repeat(depth),
            "}".repeat(depth)
        );
    }
    text
}

/// What the rules look for in texts, shortest first, each once.
fn literals(checked: &Checked) -> Vec<String> {
    let mut literals = Vec::new();
    for rule in &checked.rules.rules {
        collect(&rule.condition, &mut literals);
    }
    literals.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    literals.dedup();
    literals
}

fn collect(condition: &Condition, literals: &mut Vec<String>) {
    let mut from = |patterns: &[Pattern]| {
        for pattern in patterns {
            if let Pattern::Text { parts, .. } = pattern {
                literals.extend(parts.iter().filter_map(|part| match part {
                    TextPart::Literal(text) => Some(text.clone()),
                    TextPart::Any | TextPart::One => None,
                }));
            }
        }
    };
    match condition {
        Condition::All(parts) | Condition::AtLeast(_, parts) => {
            for part in parts {
                collect(part, literals);
            }
        }
        Condition::Not(inner) => collect(inner, literals),
        Condition::Item(item) => match &item.test {
            Test::Exists(_) => {}
            Test::Values { patterns, .. } => from(patterns),
        },
        Condition::Keywords(_, patterns) => from(patterns),
    }
}

/// The literal but for its last character.
fn near_miss(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(last) = text.pop() {
        text.push(if last == '~' { '^' } else { '~' });
    }
    text
}

/// Literals one after the other, spread over all there are, escaped for JSON.
fn soup(literals: &[String], bytes: usize) -> String {
    let all: usize = literals.iter().map(|text| text.len() + 1).sum();
    let step = (all / bytes).max(1);
    let text: Vec<&str> = literals.iter().step_by(step).map(String::as_str).collect();
    let quoted = serde_json::Value::from(text.join(" ")).to_string();
    quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or_default()
        .to_owned()
}

/// What regular expressions of obfuscation rules begin to match and never finish.
fn bait(bytes: usize) -> String {
    let pieces = [
        "${",
        "{0}{1}{2}-f",
        "`i`e`x",
        "^%c^%o",
        "(((",
        "[char]",
        "&&set",
        "\\\"+\\\"",
        "invoke-",
        "$env:",
        "{{{{",
        "|||",
    ];
    let mut random = Random::new(3);
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        let at = usize::try_from(random.below(pieces.len() as u64)).unwrap_or(0);
        text.push_str(pieces.get(at).copied().unwrap_or("{"));
    }
    text
}

fn domain(labels: usize) -> Vec<u8> {
    format!(
        "{{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"event.dataset\":\"network.dns\",\"dns.question.name\":\"{}com\"}}",
        "a.".repeat(labels)
    )
    .into_bytes()
}

fn urls(count: usize) -> Vec<u8> {
    let list: Vec<String> = (0..count)
        .map(|at| format!("\"http://user@a{at}.b.c.example:8080/x/../y/%41?q=1#f\""))
        .collect();
    format!(
        "{{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"event.dataset\":\"network.http\",\"url.original\":[{}]}}",
        list.join(",")
    )
    .into_bytes()
}

/// Each of a channel, provider and event id of its own.
fn classes(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|at| {
            format!(
                "{{\"@timestamp\":\"2026-01-01T00:00:00Z\",\"Channel\":\"Channel-{at}\",\"EventID\":{at},\"product\":\
                 \"windows\",\"service\":\"s{at}\",\"CommandLine\":\"cmd.exe /c whoami /all\",\"Image\":\
                 \"C:\\\\Windows\\\\System32\\\\cmd.exe\",\"ParentImage\":\"C:\\\\Windows\\\\explorer.exe\"}}"
            )
            .into_bytes()
        })
        .collect()
}

/// The worst rules, each with its detection: it is added to SigmaHQ alone, for every event of Windows.
const RULES: [(&str, &str); 7] = [
    (
        "a regular expression without a literal",
        "{selection: {'Image|re': '(.*[a-z]){12}.*[0-9]$'}, condition: selection}",
    ),
    (
        "a regular expression with large bounds",
        "{selection: {'Image|re': '([a-z0-9]{1,40}[^a-z0-9]{1,40}){8,}x'}, condition: selection}",
    ),
    (
        "a regular expression over every text",
        "{keywords: {'|re': '(a|b|ab)*c(d|e)*[^f]{200}$'}, condition: keywords}",
    ),
    (
        "one common letter in every text",
        "{keywords: {'|all': ['e', 'a', 'zqx']}, condition: keywords}",
    ),
    (
        "wildcards in a row",
        "{selection: {Image: '*a*e*i*o*u*a*e*i*o*u*zqx*'}, condition: selection}",
    ),
    (
        "only what is not",
        "{selection: {EventID: 999999}, condition: not selection and not 1 of selection*}",
    ),
    (
        "a field that is not there",
        "{selection: {ThereIsNoSuchField: null, 'Image|contains': 'zqx'}, condition: selection}",
    ),
];

/// A row for each worst rule: the mix with SigmaHQ and that rule, beside SigmaHQ alone.
///
/// # Errors
/// If the mix can't be scanned, or SigmaHQ does not compile with such a rule.
pub fn rules(mix: &Corpus, setup: &Setup) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let ordinary = mix.few(5_000);
    let ruleset = &setup.compile(setup.checked.rules.clone(), Vec::new())?;
    let long = long_list();
    let texts = RULES
        .iter()
        .map(|(name, detection)| (*name, (*detection).to_owned()))
        .chain([("a list of five thousand texts", long)]);
    for (name, detection) in texts {
        let text = format!(
            "title: {name}\nid: 00000000-0000-4000-8000-0000000000ff\nstatus: experimental\nlevel: low\nlogsource:\n    \
             product: windows\ndetection: {detection}\n"
        );
        let one = check(&[SourceText {
            path: "worst.yml".to_owned(),
            text,
        }]);
        let said: Vec<String> = one.diagnostics.iter().map(ToString::to_string).collect();
        let Some(rule) = one.rules.rules.into_iter().next() else {
            rows.push(
                Row::new("the worst rule", name, "events/CPU s", 0.0)
                    .checked(format!("refused: {}", said.join("; "))),
            );
            continue;
        };
        let costs: Vec<String> = costs(&rule).iter().map(Cost::reason).collect();
        let mut rules = setup.checked.rules.clone();
        rules.rules.push(rule);
        rules.rules.sort_by(|a, b| a.producer.id.0.cmp(&b.producer.id.0));
        let with = setup.compile(rules, Vec::new())?;
        let mut contenders = [ours("without it", ruleset), ours("with it", &with)];
        let turns = by_turns(&ordinary, ROUNDS, &mut contenders)?;
        let ratio = turns.ratio("with it", "without it").context("both ran")?;
        let mut row = Row::new("the worst rule", name, "events/CPU s", turns.rate("with it"));
        row.beside = beside(&turns, "with it", &["without it"]);
        rows.push(
            row.bar("speed with it ÷ without", ratio.median, Limit::AtLeast(LEAST))
                .checked(if costs.is_empty() {
                    "not named by `varde rules check`: it costs nothing out of the ordinary".to_owned()
                } else {
                    format!("named by `varde rules check`: {}", costs.join("; "))
                }),
        );
    }
    Ok(rows)
}

fn long_list() -> String {
    let mut random = Random::new(13);
    let words: Vec<String> = (0..5_000)
        .map(|_| format!("'{:05x}'", random.below(1 << 20)))
        .collect();
    format!(
        "{{selection: {{'Image|contains': [{}]}}, condition: selection}}",
        words.join(", ")
    )
}
