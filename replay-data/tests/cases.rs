//! Each case raises exactly the alerts that its `case.yml` expects, and the same bytes twice.
//!
//! `UPDATE_EXPECT=1 cargo test -p replay-data --test cases` rewrites the `expect:` lists; look at the difference.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cli::load::{Sources, compile, load};
use cli::replay::{Expectation, Happened, Input, Source, Summary, Whose, replay};
use detect_alert::Alert;
use detect_engine::Ruleset;
use ingest_event::Zone;
use replay_data::{Case, cases};

fn folder(case: &Case) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases")
        .join(&case.folder)
}

fn bundled() -> Arc<Ruleset> {
    let loaded = load(&Sources {
        rules: &[],
        indicators: &[],
    })
    .expect("the bundled rules load");
    compile(loaded.rules, loaded.indicators).expect("they compile")
}

fn source(case: &Case) -> Source {
    let input = |input: &replay_data::Input| Input {
        path: folder(case).join(&input.file),
        dataset: input.dataset.clone(),
        year: input.year,
    };
    let organization = case.organization.parse().expect("an organisation number");
    Source {
        inputs: case.inputs.iter().map(input).collect(),
        organization: match case.as_written {
            true => Whose::UnlessSaid(organization),
            false => Whose::Always(organization),
        },
        sensor: case.sensor.parse().expect("a sensor id"),
        zone: case
            .zone
            .as_deref()
            .map_or(Zone::Administration, |zone| zone.parse().expect("a zone")),
        home_networks: case
            .home_networks
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect(),
        privacy: None,
    }
}

/// The alerts of a case with their wire form, and the counts.
fn run(case: &Case, ruleset: &Arc<Ruleset>) -> (Vec<Alert>, Vec<u8>, Summary) {
    let (mut alerts, mut bytes) = (Vec::new(), Vec::new());
    let mut told = |happened: &Happened<'_>, _: &Summary| -> Result<(), std::convert::Infallible> {
        if let Happened::Alert(alert, encoded) = happened {
            alerts.push((*alert).clone());
            bytes.extend_from_slice(encoded);
            bytes.push(b'\n');
        }
        Ok(())
    };
    let Ok(summary) = replay(&source(case), ruleset, &mut told);
    (alerts, bytes, summary)
}

#[test]
fn each_case_raises_what_it_expects_and_nothing_else() {
    let ruleset = bundled();
    let mut problems = String::new();
    for case in cases().expect("every case.yml is right") {
        let (alerts, _, summary) = run(&case, &ruleset);
        for input in summary.inputs.iter().filter(|input| input.failed.is_some()) {
            let _ = writeln!(
                problems,
                "{}: {} can't be read: {:?}",
                case.folder, input.path, input.failed
            );
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            rewrite(&case, &alerts);
            continue;
        }
        let mut expectation = Expectation::counts(case.expect.clone());
        alerts.iter().for_each(|alert| expectation.take(alert, &[]));
        if let Some(diff) = expectation.diff(&format!("cases/{}/case.yml", case.folder), false) {
            let _ = writeln!(problems, "{diff}");
        }
        for alert in alerts
            .iter()
            .filter(|alert| case.must_not_fire.contains(&alert.producer.id.0))
        {
            let _ = writeln!(problems, "{}: {} must not fire", case.folder, alert.producer.name);
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn two_runs_raise_the_same_bytes() {
    let ruleset = bundled();
    for case in cases().expect("every case.yml is right") {
        let (_, first, first_summary) = run(&case, &ruleset);
        let (_, second, second_summary) = run(&case, &bundled());
        assert!(first == second, "{} differs from run to run", case.folder);
        assert_eq!(first_summary, second_summary, "{}", case.folder);
    }
}

/// Rules that no case fires; their `.test.yml` does. They learn for weeks or from very many events, or look for what is
/// slow or repeated; and `names_made_up` asks a model that judges no names below suffixes which are reserved, as those
/// of cases are.
const WITHOUT_CASE: [&str; 18] = [
    "anomaly/admin_service_new",
    "anomaly/failed_logins_unusual",
    "anomaly/login_from_new_address",
    "anomaly/names_made_up",
    "anomaly/names_not_found_many",
    "anomaly/names_not_found_unusual",
    "anomaly/new_port_outbound",
    "anomaly/ot_new_destination",
    "anomaly/rare_ja4",
    "anomaly/scan_slow_of_machines",
    "anomaly/upload_at_odd_hours",
    "correlations/calls_nobody_takes",
    "correlations/password_attack_many_senders_then_login",
    "correlations/password_attack_slow_then_login",
    "correlations/port_sweep",
    "correlations/sweep_from_outside_then_login",
    "correlations/ssh_password_attack_many_senders",
    "correlations/ssh_password_attack_slow",
];

/// The id in a bundled rule.
fn id_of(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../rulesets/{name}.yml"));
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let id = text.lines().find_map(|line| line.strip_prefix("id: "));
    id.expect("an id").to_owned()
}

#[test]
fn every_correlation_and_anomaly_rule_fires_in_some_case() {
    let ruleset = bundled();
    let mut fired = BTreeSet::new();
    for case in cases().expect("every case.yml is right") {
        fired.extend(run(&case, &ruleset).0.into_iter().map(|alert| alert.producer.id));
    }
    let loaded = load(&Sources {
        rules: &[],
        indicators: &[],
    })
    .expect("the bundled rules load");
    let without_case: BTreeSet<String> = WITHOUT_CASE.iter().map(|name| id_of(name)).collect();
    let correlations = loaded.rules.correlations.iter().map(|rule| &rule.producer);
    let anomalies = loaded.rules.anomalies.iter().map(|rule| &rule.producer);
    for producer in correlations.chain(anomalies) {
        assert_ne!(
            fired.contains(&producer.id),
            without_case.contains(&producer.id.0),
            "{}: a case must fire it, or it must stand in WITHOUT_CASE; not both",
            producer.name
        );
    }
}

#[test]
fn both_address_families_are_seen_in_every_capture() {
    let ruleset = bundled();
    for case in cases()
        .expect("every case.yml is right")
        .iter()
        .filter(|case| !case.expect.is_empty())
    {
        let (alerts, _, _) = run(case, &ruleset);
        let addresses: BTreeSet<bool> = alerts
            .iter()
            .filter_map(|alert| alert.events.last()?.fields.text("source.ip"))
            .map(|address| address.contains(':'))
            .collect();
        // Alerts about sensors and logs name no address.
        if alerts.len() > 1 && !addresses.is_empty() {
            assert_eq!(
                addresses.len(),
                2,
                "{} fires on one address family only",
                case.folder
            );
        }
    }
}

/// Replaces the `expect:` list of a case, and nothing else, by what came.
fn rewrite(case: &Case, alerts: &[Alert]) {
    let path = folder(case).join("case.yml");
    let text = std::fs::read_to_string(&path).expect("readable");
    let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for alert in alerts {
        let name = if alert.indicator.is_some() {
            ""
        } else {
            alert.producer.name.as_str()
        };
        *counts
            .entry((&alert.producer.id.0, &alert.entity.value, name))
            .or_default() += 1;
    }
    let mut list = if counts.is_empty() {
        "expect: []\n".to_owned()
    } else {
        "expect:\n".to_owned()
    };
    for ((rule, entity, name), count) in counts {
        let rule = if rule.contains(':') {
            format!("\"{rule}\"")
        } else {
            rule.to_owned()
        };
        let entity = if entity.contains(':') {
            format!("\"{entity}\"")
        } else {
            entity.to_owned()
        };
        let comment = if name.is_empty() {
            String::new()
        } else {
            format!(" # {name}")
        };
        let _ = writeln!(
            list,
            "  - {{ rule: {rule}, count: {count}, entity: {entity} }}{comment}"
        );
    }
    let (mut out, mut inside) = (String::new(), false);
    for line in text.lines() {
        if line.starts_with("expect:") {
            inside = true;
            out.push_str(&list);
        } else if !inside || !line.starts_with([' ', '-']) {
            inside = false;
            let _ = writeln!(out, "{line}");
        }
    }
    std::fs::write(path, out).expect("written");
}
