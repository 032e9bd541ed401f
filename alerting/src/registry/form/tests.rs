use std::path::Path;

use serde_json::Value;

use super::*;

const DOCUMENT: &str = r#"{"version":1,"organizations":[
  {"number":"964965226","names":{"nn":"Stavanger; \"byen\", á č ŋ","nb":"Stavanger"},"sector":"public_administration",
   "parent":"971045698","networks":["203.0.113.77/24","2001:DB8::1"],"domains":["Stavanger.Example."],"sensors":[],
   "autonomous_systems":[64501,64500,64501],"valid_from":"2024-01-01","valid_until":"2030-06-01T12:30:00Z",
   "responders":[
     {"name":"Vakta","email":"vakt@stavanger.example","language":"nn","minimum_severity":"medium","role":"security","turn":1,
      "zones":["ot","health"],"valid_until":"2027-01-01"},
     {"name":"Bjørg","withdrawn":true}]},
  {"number":"310000019","names":{"nb":"Helse-CERT"},"sectors":["health"]}]}"#;

fn forms() -> json::Forms {
    json::read(DOCUMENT.as_bytes()).expect("valid")
}

/// The flaws of a document, each as it is told.
fn told(result: Result<json::Forms, Vec<Flaw>>) -> String {
    let flaws = result.expect_err("refused");
    flaws
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn what_is_read_is_written_in_one_way() {
    let form = &forms()[&"964965226".parse().expect("valid")];
    assert_eq!(
        form.networks.as_deref(),
        Some(&["2001:db8::1/128".to_owned(), "203.0.113.0/24".to_owned()][..])
    );
    assert_eq!(
        form.domains.as_deref(),
        Some(&["stavanger.example".to_owned()][..])
    );
    assert_eq!(form.autonomous_systems.as_deref(), Some(&[64_500, 64_501][..]));
    assert_eq!(form.sensors.as_deref(), Some(&[][..]), "said to have none");
    assert_eq!(form.operator, None, "not said");
    let names: Vec<&str> = form
        .responders
        .iter()
        .map(|contact| contact.name.as_str())
        .collect();
    assert_eq!(names, ["Bjørg", "Vakta"]);
}

#[test]
fn export_import_export_is_the_same_bytes() {
    let json_text = json::write(&forms());
    let csv_text = csv::write(&forms());
    assert_eq!(
        json::write(&json::read(json_text.as_bytes()).expect("valid")),
        json_text
    );
    assert_eq!(
        csv::write(&csv::read(csv_text.as_bytes()).expect("valid")),
        csv_text
    );
    // And each says what the other says.
    assert_eq!(
        json::write(&csv::read(csv_text.as_bytes()).expect("valid")),
        json_text
    );
    assert_eq!(csv_text.lines().count(), 4, "{csv_text}");
}

#[test]
fn a_spreadsheets_ways_are_read() {
    let plain = "number,name_nb,networks,contact,email\n310000019,\"Sett, \"\"to\"\"\",203.0.113.0/24 2001:db8::/32,Vakta,a@b.example\n310000019,,,Drift,c@d.example\n";
    let expected = csv::read(plain.as_bytes()).expect("valid");
    assert_eq!(expected.len(), 1);
    let form = expected.values().next().expect("one");
    assert_eq!(
        (form.names["nb"].as_str(), form.responders.len()),
        ("Sett, \"to\"", 2)
    );
    let semicolons = "number;name_nb;networks;contact;email\n310000019;\"Sett, \"\"to\"\"\";203.0.113.0/24 2001:db8::/32;Vakta;a@b.example\n310000019;;;Drift;c@d.example\n";
    let moved = "email,contact,number,networks,name_nb\na@b.example,Vakta,310000019,203.0.113.0/24 2001:db8::/32,\"Sett, \"\"to\"\"\"\n\nc@d.example,Drift,310000019,,\n,,,,\n";
    for text in [
        format!("\u{feff}{plain}"),
        plain.replace('\n', "\r\n"),
        semicolons.to_owned(),
        format!("\u{feff}{}", semicolons.replace('\n', "\r\n")),
        moved.to_owned(),
    ] {
        assert_eq!(csv::read(text.as_bytes()).expect(&text), expected, "{text:?}");
    }
}

#[test]
fn every_flaw_of_a_csv_is_told_with_its_line() {
    for (text, named) in [
        ("", "line 1"),
        ("name_nb\nX\n", "`number` is missing"),
        ("number,colour\n310000019,red\n", "`colour` is no column"),
        ("number,number\n310000019,310000019\n", "twice"),
        (
            "number\n310000018\n",
            "line 2, number`: read an organisation number: the check digit",
        ),
        ("number,name_nb\n310000019\n", "line 2`: it has 1 cells"),
        ("number,name_nb\n,X\n", "line 2, number`: it is missing"),
        (
            "number,name_nb\n310000019,X\n310000019,Y\n",
            "line 3, nb`: line 2 says something else",
        ),
        (
            "number,turn,contact\n310000019,256,A\n",
            "line 2, turn`: write a whole number from 0 to 255",
        ),
        (
            "number,withdrawn,contact\n310000019,ja,A\n",
            "line 2, withdrawn`: write `yes`",
        ),
        (
            "number,contact,email\n310000019,A,x\n310000019,B,y\n",
            "line 3, email`: write a mail address",
        ),
        (
            "number,contact,email\n310000019,A,a@b.no\n310000019,A,c@d.no\n",
            "A is there twice",
        ),
        (
            "number,contact\n310000019,=HYPERLINK(1)\n",
            "begin it with a letter",
        ),
        ("number,name_nb\n310000019,\"A\u{7}B\"\n", "control characters"),
        ("number,name_nb\n310000019,\"A\nB\"\n", "control characters"),
        ("number,name_nb\n310000019,A\u{202e}B\n", "can't be seen"),
        ("number,parent\n310000019,310000019\n", "no part of itself"),
        (
            "number,domains\n310000019,no\n",
            "line 2, domains[0]`: `no` is no domain",
        ),
        ("number,networks\n310000019,203.0.113.0/33\n", "is no network"),
        (
            "number,valid_from,valid_until\n310000019,2024-01-01,2024-01-01\n",
            "it must be after",
        ),
        (
            "number,valid_from\n310000019,1.1.2024\n",
            "write it as 2024-01-01",
        ),
        ("number,zones,contact\n310000019,cellar,A\n", "known"),
    ] {
        let said = told(csv::read(text.as_bytes()));
        assert!(said.contains(named), "{text:?}: {said}");
    }
    let latin = b"number,name_nb\n310000019,Troms\xf8\n";
    assert!(told(csv::read(latin)).contains("write it as UTF-8"));
}

#[test]
fn every_flaw_of_a_json_is_told_with_its_place() {
    for (from, to, named) in [
        (
            "964965226",
            "964965225",
            "`organizations[0].number`: read an organisation number: the check digit",
        ),
        ("\"version\":1", "\"version\":2", "`version`"),
        ("\"sector\"", "\"sektor\"", "unknown field `sektor`"),
        (
            "vakt@stavanger",
            "vakt stavanger",
            "`organizations[0].responders[0].email`",
        ),
        (
            "\"nn\":\"Stavanger;",
            "\"xx\":\"Stavanger;",
            "`organizations[0].names.xx`",
        ),
        (
            "\"role\":\"security\"",
            "\"role\":\"boss\"",
            "`organizations[0].responders[0].role`",
        ),
        ("\"turn\":1", "\"turn\":300", "300"),
        (
            "\"withdrawn\":true",
            "\"withdrawn\":true,\"email\":\"a@b.no\"",
            "`organizations[0].responders[1].withdrawn`",
        ),
        ("310000019", "964965226", "964965226 is there twice"),
        ("\"health\"]}", "\"cellar\"]}", "`organizations[1].sectors[0]`"),
    ] {
        let text = DOCUMENT.replace(from, to);
        assert_ne!(text, DOCUMENT, "{from}");
        let said = told(json::read(text.as_bytes()));
        assert!(said.contains(named), "{to}: {said}");
    }
}

#[test]
fn a_document_without_end_is_refused_before_it_is_read() {
    let long = vec![b'x'; 50 * 1024 * 1024];
    for said in [told(csv::read(&long)), told(json::read(&long))] {
        assert!(said.contains("at most 8388608"), "{said}");
    }
    // Many flaws are told as far as a person reads.
    let mut text = "number\n".to_owned();
    text.extend((0..5_000).map(|number| format!("{number}\n")));
    assert_eq!(
        csv::read(text.as_bytes()).expect_err("refused").len(),
        json::FLAWS_MAX
    );
    let contacts: String = (0..=CONTACTS_MAX)
        .map(|at| format!("310000019,c{at},c@d.example\n"))
        .collect();
    let said = told(csv::read(format!("number,contact,email\n{contacts}").as_bytes()));
    assert!(said.contains("at most 50 for one body"), "{said}");
    let networks = vec!["203.0.113.0/24"; LIST_MAX + 1].join(" ");
    let said = told(csv::read(
        format!("number,networks\n310000019,{networks}\n").as_bytes(),
    ));
    assert!(said.contains("at most 1000"), "{said}");
}

#[test]
fn the_schema_in_the_documents_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/registry.schema.json");
    if std::env::var_os("VARDE_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&schema::schema()).expect("JSON");
        std::fs::write(&path, format!("{text}\n")).expect("written");
    }
    let text = std::fs::read_to_string(&path).expect("docs/registry.schema.json");
    let written: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(written, schema::schema(), "write it anew with VARDE_BLESS=1");
    // Each field of a form with all of them is in the schema, and the other way round.
    let properties = |pointer: &str| -> Vec<String> {
        let schema = schema::schema();
        let found = schema.pointer(pointer).and_then(Value::as_object).expect(pointer);
        let mut names: Vec<String> = found.keys().cloned().collect();
        names.sort();
        names
    };
    let full = Form {
        number: "1".to_owned(),
        municipality: Some(String::new()),
        names: [("nb".to_owned(), String::new())].into(),
        sector: Some(String::new()),
        sectors: Some(vec![]),
        parent: Some(String::new()),
        operator: Some(String::new()),
        valid_from: Some(String::new()),
        valid_until: Some(String::new()),
        networks: Some(vec![]),
        domains: Some(vec![]),
        autonomous_systems: Some(vec![]),
        sensors: Some(vec![]),
        responders: vec![ContactForm {
            name: String::new(),
            withdrawn: true,
            email: Some(String::new()),
            webhook: Some(String::new()),
            chat: Some(String::new()),
            syslog: Some(String::new()),
            certificate: Some(String::new()),
            pgp_key: Some(String::new()),
            language: Some(String::new()),
            minimum_severity: Some(String::new()),
            role: Some(String::new()),
            turn: Some(0),
            zones: Some(vec![]),
            valid_from: Some(String::new()),
            valid_until: Some(String::new()),
        }],
    };
    let full = serde_json::to_value(full).expect("JSON");
    let keys = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = value.as_object().expect("an object").keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(
        properties("/properties/organizations/items/properties"),
        keys(&full)
    );
    let contact = "/properties/organizations/items/properties/responders/items/properties";
    assert_eq!(properties(contact), keys(&full["responders"][0]));
}
