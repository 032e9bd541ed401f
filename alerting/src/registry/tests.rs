//! Rows over files: field by field, traced to their origin, and what a report and a rehearsal say of it.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::registry::coverage::coverage;
use crate::registry::form::Form;
use crate::registry::report::{RemarkKind, remarks};

const STAVANGER: &str = "964965226";

fn now() -> ingest_event::Timestamp {
    "2026-03-02T08:00:00Z".parse().expect("a time")
}

/// Files with Stavanger alone, which has two contacts, a webhook's key among them.
fn files() -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let head = "number,name_nb,name_se,name_smj,name_sma,name_fkv,county_number,county,organization_number,valid_from,number_before_2024";
    let rows = "1103,Stavanger,,,,,11,Rogaland,964965226,,\n1580,Haram,,,,,15,Møre og Romsdal,,2024-01-01,";
    write("key", "0123456789abcdef0123456789abcdef");
    let municipalities = write("m.csv", &format!("{head}\n{rows}\n"));
    let responders = write(
        "r.yml",
        "organizations:\n  - number: '964965226'\n    networks: [203.0.113.0/24]\n    sensors: [s-1]\n    responders:\n\
         \x20     - { name: Vakta, email: vakt@s.example, webhook: { url: 'https://h.example/', key_file: key } }\n\
         \x20     - { name: Sjefen, email: sjef@s.example, minimum_severity: high, role: management, turn: 1 }\n",
    );
    let text = format!(
        "bus: {{ embedded: {{ directory: b }} }}\ndata: d\nregistry: {{ municipalities: {}, responders: {} }}\n\
         cert: {{ name: CERT, phone: '1', email: duty@cert.example }}\n",
        municipalities.display(),
        responders.display()
    );
    let path = write("a.yml", &text);
    load(&Config::read(Path::new(&path)).expect("a configuration")).expect("a registry")
}

fn row(layer: Layer, form: serde_json::Value) -> StoredRow {
    let form: Form = serde_json::from_value(form).expect("a form");
    StoredRow {
        layer,
        version: 1,
        form: form.canonical().expect("valid"),
        actor: "analyst:Kari".to_owned(),
        at: now(),
        reason: "r".to_owned(),
    }
}

fn stavanger(loaded: &Loaded) -> Organization {
    let number = STAVANGER.parse().expect("a number");
    loaded
        .routes
        .registry()
        .find(number, now())
        .expect("there")
        .clone()
}

#[test]
fn each_layer_says_only_what_it_names() {
    let files = files();
    let import = json!({ "number": STAVANGER, "names": { "nb": "Stavanger by", "nn": "Stavanger" }, "sensors": ["s-2"],
        "responders": [{ "name": "Vakta", "minimum_severity": "medium", "language": "nn" }] });
    let manual = json!({ "number": STAVANGER, "names": { "nn": "Stavangerbyen" }, "networks": [],
        "responders": [{ "name": "Vakta", "language": "en" }, { "name": "Sjefen", "withdrawn": true },
            { "name": "Ny", "email": "ny@s.example" }] });
    // In whatever order they are given: the manual row lies on top.
    let rows = vec![row(Layer::Manual, manual), row(Layer::Import, import)];
    let loaded = files.with_rows(rows, 7).expect("valid");
    let body = stavanger(&loaded);
    assert_eq!(
        (body.name("nb"), body.name("nn")),
        ("Stavanger by", "Stavangerbyen")
    );
    assert!(body.networks.is_empty(), "said to be none");
    assert_eq!(
        body.sensors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["s-2"]
    );
    assert_eq!(
        body.county.as_ref().map(|county| county.name.as_str()),
        Some("Rogaland"),
        "not said"
    );
    let names: Vec<&str> = body
        .responders
        .iter()
        .map(|contact| contact.name.as_str())
        .collect();
    assert_eq!(names, ["Vakta", "Ny"]);
    let vakta = &body.responders[0];
    assert_eq!(
        (vakta.language, vakta.minimum_severity),
        (Language::En, Severity::Medium)
    );
    assert_eq!(vakta.channels.len(), 2, "mail and webhook of the file");
    assert_eq!(vakta.id, stavanger(&files).responders[0].id, "the same person");
    let origins = &loaded.origins[&STAVANGER.parse().expect("a number")];
    for (field, layer) in [
        ("names.nb", Layer::Import),
        ("names.nn", Layer::Manual),
        ("sensors", Layer::Import),
        ("networks", Layer::Manual),
        ("responders.Vakta", Layer::Manual),
        ("responders.Sjefen", Layer::Manual),
    ] {
        assert_eq!(origins.get(field), Some(&layer), "{field}");
    }
    assert_eq!(origins.get("municipality"), None, "the file's");
    // Without them the files hold as they did.
    let again = loaded.with_rows(vec![], 8).expect("valid");
    assert_eq!(stavanger(&again), stavanger(&files));
}

#[test]
fn a_contact_that_is_twice_in_the_file_is_refused() {
    let read = |names: [&str; 2]| {
        let contacts = names.map(|name| format!("{{ name: {name}, email: a@b.example }}"));
        let text = format!(
            "{{ number: '{STAVANGER}', names: {{ nb: S }}, responders: [{}] }}",
            contacts.join(", ")
        );
        let entry = serde_saphyr::from_str(&text).expect("an entry");
        merge(&mut vec![], entry, Path::new("r.yml"), &mut Ways::default())
    };
    assert!(read(["A", "B"]).is_ok());
    let error = read(["A", "A"]).expect_err("twice").to_string();
    assert!(
        error.contains("r.yml") && error.contains("A is there twice"),
        "{error}"
    );
}

#[test]
fn a_municipality_without_a_number_gets_it() {
    let haram = json!({ "number": "310000019", "municipality": "1580", "names": { "en": "Haram" } });
    let loaded = files()
        .with_rows(vec![row(Layer::Manual, haram)], 1)
        .expect("valid");
    let body = loaded
        .routes
        .registry()
        .of_municipality("1580", now())
        .expect("there");
    assert_eq!(
        body.number.map(|number| number.to_string()).as_deref(),
        Some("310000019")
    );
    assert_eq!(body.name("nb"), "Haram", "the file's row, not a second one");
}

#[test]
fn rows_that_cannot_stand_beside_the_rest_are_refused() {
    let files = files();
    for (rows, named) in [
        (
            vec![json!({ "number": "310000019", "names": { "nb": "A" }, "sensors": ["s-1"] })],
            "s-1",
        ),
        (vec![json!({ "number": "310000019" })], "names.nb"),
        (
            vec![json!({ "number": STAVANGER, "responders": [{ "name": "A" }] })],
            "give `email`",
        ),
        (
            vec![
                json!({ "number": STAVANGER, "responders": [{ "name": "A", "webhook": "https://x.example/" }] }),
            ],
            "no key",
        ),
        (
            vec![
                json!({ "number": "310000019", "names": { "nb": "A" }, "parent": "310000027" }),
                json!({ "number": "310000027", "names": { "nb": "B" }, "parent": "310000019" }),
            ],
            "in a circle",
        ),
        (
            vec![
                json!({ "number": "310000019", "names": { "nb": "A" }, "sectors": ["health"] }),
                json!({ "number": "310000027", "names": { "nb": "B" }, "sectors": ["health"] }),
            ],
            "the sector health",
        ),
    ] {
        let rows = rows.into_iter().map(|form| row(Layer::Manual, form)).collect();
        let flaws = files.with_rows(rows, 1).expect_err(named);
        let said = flaws
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn the_report_tells_what_contradicts_and_what_can_go() {
    let manual = json!({ "number": STAVANGER, "names": { "nb": "Stavanger", "nn": "Ny" }, "networks": ["203.0.113.0/24", "2001:db8::/32"],
        "sector": "health", "sensors": ["s-1"], "valid_until": "2030-01-01",
        "responders": [{ "name": "Vakta", "email": "vakt@s.example" }, { "name": "Sjefen", "turn": 2 }, { "name": "Borte", "withdrawn": true }] });
    let loaded = files()
        .with_rows(vec![row(Layer::Manual, manual)], 1)
        .expect("valid");
    let told = remarks(&loaded);
    let told: Vec<(&str, RemarkKind)> = told
        .iter()
        .map(|remark| (remark.field.as_str(), remark.kind))
        .collect();
    assert_eq!(
        told,
        [
            ("names.nb", RemarkKind::Superfluous),
            ("networks", RemarkKind::Contradicts),
            ("responders.Borte", RemarkKind::Superfluous),
            ("responders.Sjefen", RemarkKind::Contradicts),
            ("responders.Vakta", RemarkKind::Superfluous),
            ("sensors", RemarkKind::Superfluous),
        ]
    );
}

#[test]
fn who_would_receive_nothing_stands_first() {
    let end = json!({ "number": STAVANGER, "responders": [
        { "name": "Vakta", "minimum_severity": "high", "zones": ["ot"], "valid_until": "2026-03-20" },
        { "name": "Sjefen", "valid_until": "2026-03-01" }] });
    let bare = json!({ "number": "310000019", "names": { "nb": "Vannverket" }, "sensors": ["s-9"] });
    let late = json!({ "number": "310000027", "names": { "nb": "Arkivet" },
        "responders": [{ "name": "A", "email": "a@b.example", "minimum_severity": "medium" }] });
    let rows = [end, bare, late]
        .into_iter()
        .map(|form| row(Layer::Manual, form))
        .collect();
    let loaded = files().with_rows(rows, 1).expect("valid");
    let vakta = stavanger(&loaded).responders[0].id.as_str().to_owned();
    let given_up = [
        (vakta, "email".to_owned(), 3, now()),
        ("gone".to_owned(), "webhook".to_owned(), 1, now()),
        (
            loaded.routes.registry().duty().id.as_str().to_owned(),
            "email".to_owned(),
            2,
            now(),
        ),
    ];
    let told = coverage(&loaded, &given_up, now());
    let order: Vec<(&str, Option<&str>)> = told
        .organizations
        .iter()
        .map(|body| (body.body.name.as_str(), body.duty_only))
        .collect();
    let unnumbered: Vec<&str> = told.unnumbered.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(unnumbered, ["Haram"]);
    assert_eq!(
        order,
        [
            ("Stavanger", Some("critical")),
            ("Vannverket", Some("critical")),
            ("Arkivet", Some("low"))
        ]
    );
    let levels = &told.organizations[0].levels;
    assert_eq!((levels[0].severity, levels[0].by), ("critical", "duty"));
    assert!(
        levels[0].zones.contains(&"school") && !levels[0].zones.contains(&"ot"),
        "{levels:?}"
    );
    assert_eq!(
        (levels[1].severity, levels[1].by, &levels[1].zones[..]),
        ("critical", "own", &["ot"][..])
    );
    assert_eq!(
        levels.last().map(|level| (level.severity, level.by)),
        Some(("informational", "nobody"))
    );
    let ending: Vec<&str> = told.ending.iter().map(|one| one.contact.as_str()).collect();
    assert_eq!(ending, ["Vakta"], "who has ended already is no news");
    let failing: Vec<(&str, i64)> = told
        .failing
        .iter()
        .map(|one| (one.contact.as_str(), one.failed))
        .collect();
    assert_eq!(failing, [("Vakta", 3), ("registered no more", 1), ("CERT", 2)]);
    let watched: Vec<&str> = told
        .watched_without_contact
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(watched, ["Vannverket"]);
    assert!(
        !told.to_string().contains('@'),
        "a person reads names, not addresses"
    );
}
