//! The documents say what the code does: every key, metric, exit code and diagnostic is there, every sample loads,
//! every link to a heading has its heading.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test support outside `#[test]` functions"
)]

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use cli::{Exit, Terminal};
use detect_rules::{Code, SourceText, check, read_rules};
use ingest_bus::Cleanup;
use ingest_event::QuarantineReason;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("inside the workspace")
        .to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// From a heading up to the next one of the same or a higher rank; a `#` in a code block is no heading.
fn section(document: &str, heading: &str) -> String {
    let rank = |line: &str| {
        line.find(' ')
            .filter(|end| line[..*end].chars().all(|c| c == '#'))
    };
    let (mut found, mut is_code) = (Vec::new(), false);
    for line in document.lines() {
        is_code ^= line.starts_with("```");
        let ends =
            !is_code && rank(line).is_some_and(|rank_here| 0 < rank_here && Some(rank_here) <= rank(heading));
        if ends && !found.is_empty() {
            break;
        }
        if line == heading || !found.is_empty() {
            found.push(line);
        }
    }
    assert!(!found.is_empty(), "no heading {heading}");
    found.join("\n")
}

/// The contents of the code blocks in a language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let rest = document.split(&fence).skip(1);
    rest.filter_map(|block| block.split("```").next().map(str::to_owned))
        .collect()
}

/// Keys of everything that is read from YAML in a source: fields, and variants in snake case.
fn keys(source: &str) -> BTreeSet<String> {
    let (mut keys, mut reads, mut inside) = (BTreeSet::new(), false, false);
    for line in source.lines() {
        let word = line.trim_start_matches("pub ").trim();
        if line.starts_with("#[derive(") {
            reads = line.contains("Deserialize");
        } else if reads && line.ends_with('{') && (word.starts_with("struct ") || word.starts_with("enum ")) {
            inside = true;
        } else if line == "}" {
            (reads, inside) = (false, false);
        } else if inside {
            let name = word.trim_start_matches("pub ");
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, rest) = name.split_at(end.unwrap_or(name.len()));
            let is_variant = name.starts_with(|c: char| c.is_ascii_uppercase());
            if rest.starts_with(": ") || is_variant && !rest.starts_with("::") {
                keys.insert(snake_case(name));
            }
        }
    }
    keys
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && 0 < index {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// Words of a text that begin as metrics do.
fn metrics(text: &str, around: char) -> BTreeSet<String> {
    let stages = ["ingest_", "detect_", "alerting_"];
    let parts = text
        .split(around)
        .map(|part| part.split('{').next().unwrap_or_default());
    parts
        .filter(|part| stages.iter().any(|stage| part.starts_with(stage)))
        .filter(|part| part.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_configuration_key_is_explained_in_its_section() {
    let document = text("docs/operating.md");
    for (source, heading, sample) in [
        ("ingest/src/config.rs", "### Sensor", "exporters"),
        ("ingest/src/config/plan.rs", "### Sensor", "home_networks"),
        ("ingest/src/config/told.rs", "### Sensor", "after_secs"),
        ("ingest/src/config/reveal.rs", "### Sensor", "automatic_for"),
        (
            "ingest/src/control/overlay.rs",
            "#### Control bundles",
            "flows_max",
        ),
        ("ingest/src/disclose/policy.rs", "### Privacy", "messages"),
        ("ingest/gateway/src/config.rs", "### Gateway", "listen_metrics"),
        ("detect/src/config.rs", "### Detector", "checkpoint_interval_ms"),
        ("alerting/src/config.rs", "### Alerting", "password_file"),
        ("alerting/src/config/access.rs", "### Alerting", "idle_minutes"),
        ("alerting/src/config/reveal.rs", "### Alerting", "keep_days"),
        ("alerting/src/config/provider.rs", "### Alerting", "acr_order"),
        ("ingest/bus/src/config.rs", "### Bus", "embedded"),
        ("ingest/bus/src/config.rs", "### Bus", "bootstrap"),
    ] {
        let explained = section(&document, heading);
        let keys = keys(&text(source));
        assert!(keys.contains(sample), "{source}: {keys:?}");
        for key in keys {
            let named = format!("`{key}`");
            assert!(
                explained.contains(&named),
                "{heading} of docs/operating.md does not explain {named} of {source}"
            );
        }
    }
}

#[test]
fn metrics_in_the_document_are_those_in_the_code() {
    let document = metrics(&text("docs/operating.md"), '`');
    let mut code = BTreeSet::new();
    for file in [
        "ingest/src/metrics.rs",
        "ingest/src/metrics/capture.rs",
        "ingest/src/metrics/control.rs",
        "ingest/src/metrics/export.rs",
        "ingest/src/metrics/island.rs",
        "ingest/src/metrics/scan.rs",
        "ingest/gateway/src/metrics.rs",
        "detect/src/metrics.rs",
        "alerting/src/metrics.rs",
    ] {
        let found = metrics(&text(file), '"');
        assert!(!found.is_empty(), "{file}");
        code.extend(found);
    }
    let names = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        one.difference(other).cloned().collect()
    };
    assert_eq!(
        names(&code, &document),
        Vec::<String>::new(),
        "not in docs/operating.md"
    );
    assert_eq!(names(&document, &code), Vec::<String>::new(), "not in the code");
}

#[test]
fn exit_codes_and_quarantine_reasons_are_all_there() {
    let codes = section(&text("docs/operating.md"), "## Exit codes");
    for exit in [
        Exit::Done,
        Exit::Differs,
        Exit::Usage,
        Exit::Input,
        Exit::Failed,
        Exit::Configuration,
        Exit::Closed,
    ] {
        assert!(codes.contains(&format!("\n| {} |", exit.code())), "{exit:?}");
    }
    let reasons = section(&text("docs/wire-format.md"), "## Quarantine");
    for reason in QuarantineReason::ALL {
        assert!(reasons.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn topics_are_made_as_the_document_says() {
    let topics = section(&text("docs/operating.md"), "## Topics");
    let organization = "964965226".parse().expect("an organisation number");
    let by_gateway = ingest_gateway::topics::OfOrganization::of(organization).expect("names");
    let by_sensor = ingest::publish::Topics::of(organization).expect("names");
    assert_eq!(by_gateway.specs(), by_sensor.specs(), "both make the same");
    for spec in [
        ingest_gateway::topics::sensors(),
        ingest_gateway::topics::control(),
    ] {
        let spec = spec.expect("a name");
        let row = format!(
            "| `{}` | gateway, `varde sensors` | {} | newest per key (compacted) | {} KiB |",
            spec.topic,
            spec.partitions,
            spec.max_record_bytes >> 10
        );
        assert_eq!(spec.cleanup, Cleanup::Compact);
        assert!(topics.contains(&row), "no {row}");
    }
    let asked = ingest_gateway::topics::reveals().expect("a name");
    assert_eq!(
        alerting::reveal::topic().expect("a name"),
        asked,
        "both make the same"
    );
    let row = format!(
        "| `{}` | gateway, alerting | {} | newest per key (compacted) | {} KiB |",
        asked.topic,
        asked.partitions,
        asked.max_record_bytes >> 10
    );
    assert!(topics.contains(&row), "no {row}");
    let revealed = ingest_gateway::topics::revealed(organization).expect("a name");
    let Cleanup::Delete { retention } = revealed.cleanup else {
        panic!("answers are kept by time");
    };
    let row = format!(
        "| `varde.revealed.<organisation number>` | gateway | {} | {} days | {} KiB |",
        revealed.partitions,
        retention.as_secs() / 86_400,
        revealed.max_record_bytes >> 10
    );
    assert!(topics.contains(&row), "no {row}");
    for spec in by_sensor.specs() {
        let name = spec.topic.as_str().replace("964965226", "<organisation number>");
        let Cleanup::Delete { retention } = spec.cleanup else {
            panic!("{name} is kept by time");
        };
        let row = topics
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")))
            .unwrap_or_else(|| panic!("{name} has no row"));
        for part in [
            format!(" | {} | ", spec.partitions),
            format!(" | {} days | ", retention.as_secs() / 86_400),
            format!(" | {} MiB", spec.max_record_bytes >> 20),
        ] {
            assert!(row.contains(&part), "{part} is not in {row}");
        }
    }
}

#[test]
fn samples_of_configurations_load() {
    let document = text("docs/operating.md");
    let folder = tempfile::tempdir().expect("a folder");
    let mut samples = BTreeSet::new();
    for block in blocks(&document, "yaml") {
        let name = block.lines().next().and_then(|line| line.strip_prefix("# "));
        let (name, text) = match name {
            Some(name) => (name.to_owned(), block.clone()),
            None => ("bus.yml".to_owned(), format!("{block}rules: []\n")),
        };
        fs::write(folder.path().join(&name), text).expect("written");
        samples.insert(name);
    }
    assert_eq!(
        samples.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "alerting-postgres.yml",
            "alerting.yml",
            "bus.yml",
            "detector.yml",
            "gateway.yml",
            "responders.yml",
            "sensor.yml"
        ]
    );
    let path = |name: &str| folder.path().join(name);
    ingest::config::load(&path("sensor.yml")).expect("a sensor's configuration");
    detect::config::Config::read(&path("detector.yml")).expect("a detector's configuration");
    ingest_gateway::config::Config::read(&path("gateway.yml")).expect("a gateway's configuration");
    let bus = detect::config::Config::read(&path("bus.yml")).expect("a bus");
    let mut config =
        alerting::config::Config::read(&path("alerting.yml")).expect("an alerting configuration");
    let shared = alerting::config::Config::read(&path("alerting-postgres.yml")).expect("one with PostgreSQL");
    assert!(matches!(
        shared.store,
        alerting::config::StoreSettings::Postgres(_)
    ));
    let routing = |name: &str| root().join("rulesets/routing").join(name);
    config.registry.municipalities = routing("municipalities.csv");
    config.registry.changes = Some(routing("changes.csv"));
    config.registry.responders = path("responders.yml");
    alerting::registry::load(&config).expect("a registry");
    assert!(matches!(bus.bus, ingest_bus::BusConfig::Kafka(_)));
}

#[test]
fn samples_of_rules_load_beside_the_bundled_ones() {
    let (mut sources, _) = read_rules(&[
        root().join("rulesets/sigma"),
        root().join("rulesets/correlations"),
    ]);
    let samples: Vec<SourceText> = blocks(&text("docs/rules.md"), "yaml")
        .into_iter()
        .filter(|block| block.starts_with("title:"))
        .map(|text| SourceText {
            path: "docs/rules.md".to_owned(),
            text,
        })
        .collect();
    assert_eq!(samples.len(), 2, "a rule and a correlation");
    sources.extend(samples);
    let found: Vec<String> = check(&sources)
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.path == "docs/rules.md")
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_sample_of_a_rule_passes_the_sample_of_its_test() {
    let samples = blocks(&text("docs/rules.md"), "yaml");
    let starting = |start: &str| {
        let found = samples.iter().find(|block| block.starts_with(start));
        found.unwrap_or_else(|| panic!("no sample begins with {start}"))
    };
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("sample.yml"), starting("title:")).expect("written");
    fs::write(folder.path().join("sample.test.yml"), starting("match:")).expect("written");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let command = format!("varde rules test {}", folder.path().display());
    let command = cli::arguments::parse(command.split(' ').map(OsString::from))
        .expect("a command")
        .command;
    let exit = cli::run(command, &mut Terminal::buffers(&mut out, &mut err));
    let said = String::from_utf8_lossy(&out).into_owned();
    assert_eq!(exit, Exit::Done, "{said}{}", String::from_utf8_lossy(&err));
    assert!(said.contains("3 examples"), "{said}");
}

#[test]
fn commands_in_documents_can_be_typed() {
    let mut typed = 0;
    for name in [
        "README.md",
        "docs/operating.md",
        "docs/rules.md",
        "docs/models.md",
        "replay-data/README.md",
        "rulesets/README.md",
    ] {
        for block in blocks(&text(name), "sh") {
            for line in block.replace("\\\n", " ").lines() {
                let line = line.split(" #").next().unwrap_or_default();
                let words: Vec<&str> = line.split_whitespace().collect();
                let is_ours = words
                    .first()
                    .is_some_and(|word| word.rsplit('/').next() == Some("varde"));
                if is_ours {
                    let parsed = cli::arguments::parse(words.iter().map(OsString::from));
                    assert!(parsed.is_ok(), "{name}: {line}: {:?}", parsed.err());
                    typed += 1;
                }
            }
        }
    }
    assert!(10 <= typed, "only {typed} commands were found");
}

#[test]
fn every_diagnostic_has_its_section() {
    let document = text("docs/rules.md");
    let expected: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("### {} {}", code.as_str(), code.title()))
        .collect();
    let written: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("### R0"))
        .collect();
    assert_eq!(written, expected);
    for heading in expected {
        let section = section(&document, &heading);
        assert!(
            section.contains("Cause: ") && section.contains("Mend: "),
            "{heading}"
        );
    }
}

#[test]
fn links_to_headings_have_their_headings() {
    let folder = root().join("docs");
    for name in [
        "anomaly-rules",
        "models",
        "operating",
        "rules",
        "style",
        "wire-format",
        "data-path",
    ] {
        let page = text(&format!("docs/{name}.md"));
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let Some((target, anchor)) = link.split_once('#').filter(|_| !link.contains("://")) else {
                continue;
            };
            let there = if target.is_empty() {
                page.clone()
            } else {
                fs::read_to_string(folder.join(target))
                    .unwrap_or_else(|error| panic!("{name}.md: {link}: {error}"))
            };
            let is_there = there
                .lines()
                .any(|line| line.starts_with('#') && slug(line) == anchor);
            assert!(is_there, "{name}.md: {link} leads to no heading");
        }
    }
}

/// As most viewers of Markdown name a heading.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
