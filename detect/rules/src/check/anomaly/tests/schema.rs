//! The schema for editors says what the reader does, as far as a schema can; and the samples of the document are read.
//!
//! The schema is made of the same table as the reader. With `VARDE_BLESS=1` it is written anew.

use std::{collections::BTreeSet, fs, path::PathBuf};

use regex::Regex;
use serde_json::{Value as Json, json};

use super::{REFUSED, accepted, check_all, document, said};
use crate::{
    check::anomaly::{
        form::{FORMS, Form, INTERVAL, LEARNING, Learning, Number, Span},
        reader::{BASELINES, LEVELS, STATUSES, TOP_KEYS, json as to_json, shown},
    },
    node,
};

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

fn schema() -> Json {
    let text = json!({ "type": "string" });
    let names = json!({ "$ref": "#/$defs/names" });
    let mut properties = serde_json::Map::new();
    for key in TOP_KEYS {
        let value = match key {
            "anomaly" => json!({
                "type": "object",
                "required": ["type"],
                "properties": { "type": { "enum": FORMS.each_ref().map(|form| form.name) } },
                "oneOf": FORMS.each_ref().map(|form| json!({ "$ref": format!("#/$defs/{}", form.name) })),
            }),
            "falsepositives" | "references" | "tags" => names.clone(),
            "generate" => {
                json!({ "type": "boolean", "description": "whether what it takes raises alerts of its own too" })
            }
            "level" => json!({ "enum": LEVELS }),
            "related" => json!(true),
            "status" => json!({ "enum": STATUSES }),
            "varde" => json!({ "type": "object" }),
            "title" | "id" => json!({ "type": "string", "minLength": 1 }),
            _ => text.clone(),
        };
        properties.insert(key.to_owned(), value);
    }
    let mut definitions = serde_json::Map::new();
    for form in &FORMS {
        definitions.insert(form.name.to_owned(), of_form(form));
    }
    let name = json!({ "type": "string", "minLength": 1 });
    let list = json!({ "type": "array", "items": name });
    definitions.insert("names".to_owned(), json!({ "anyOf": [name, list] }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An anomaly rule of Varde",
        "description": "docs/anomaly-rules.md says what each type means",
        "type": "object",
        "required": ["title", "id", "anomaly"],
        "additionalProperties": false,
        "properties": properties,
        "$defs": definitions,
    })
}

fn of_form(form: &Form) -> Json {
    let mut properties = serde_json::Map::new();
    for key in form.keys() {
        let value = match key {
            "type" => json!({ "const": form.name }),
            "rules" => json!({ "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1, "maxItems": 64 },
            ] }),
            "group-by" => json!({ "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "array", "items": { "type": "string", "minLength": 1 }, "maxItems": 16 },
            ] }),
            "aliases" => json!({
                "type": "object",
                "additionalProperties": { "type": "object", "additionalProperties": { "type": "string" } },
            }),
            "timespan" => of_span(form.timespan),
            "learning" => of_span(LEARNING),
            "interval" => of_span(INTERVAL),
            "baseline" => json!({ "enum": BASELINES.map(|(word, _)| word) }),
            "condition" => condition(form),
            other => panic!("{other}"),
        };
        properties.insert(key.to_owned(), value);
    }
    let mut required = vec!["type", "rules", "timespan"];
    required.extend(form.needs_condition().then_some("condition"));
    required.extend((form.learning == Learning::Needed).then_some("learning"));
    required.extend(form.has_interval.then_some("interval"));
    let mut schema = json!({
        "type": "object", "required": required, "additionalProperties": false, "properties": properties,
    });
    if let Learning::With(key) = form.learning {
        schema["if"] = json!({
            "required": ["condition"], "properties": { "condition": { "type": "object", "required": [key] } },
        });
        schema["then"] = json!({ "required": ["learning"] });
        schema["else"] = json!({ "properties": { "learning": false } });
    }
    if let Learning::OptionalWith(key) = form.learning {
        schema["if"] = json!({ "required": ["learning"] });
        schema["then"] = json!({
            "properties": { "condition": { "type": "object", "required": [key] } },
        });
    }
    schema
}

fn of_span(span: Span) -> Json {
    let description = format!("from {} to {}: {}", shown(span.least), shown(span.most), span.why);
    json!({ "type": "string", "pattern": "^[0-9]+[smhdw]$", "description": description })
}

fn condition(form: &Form) -> Json {
    let mut properties = serde_json::Map::new();
    if 0 < form.fields.1 {
        let (least, most) = (form.fields.0.max(1), form.fields.1);
        let list = json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": least, "maxItems": most });
        let field = json!({ "anyOf": [{ "type": "string", "minLength": 1 }, list] });
        properties.insert("field".to_owned(), field);
    }
    for number in form.numbers {
        properties.insert(number.key.to_owned(), of_number(number));
    }
    let field = (0 < form.fields.0).then_some("field");
    let needed = form
        .numbers
        .iter()
        .filter(|number| number.is_needed)
        .map(|number| number.key);
    let required: Vec<&str> = field.into_iter().chain(needed).collect();
    let mut schema = json!({
        "type": "object", "required": required, "additionalProperties": false, "properties": properties,
    });
    if form.fields.1 == 2 {
        schema["if"] = json!({ "required": ["ratio"] });
        schema["then"] = json!({ "properties": { "field": { "type": "array", "minItems": 2 } } });
        schema["else"] = json!({ "properties": { "field": { "maxItems": 1 } } });
    }
    schema
}

fn of_number(number: &Number) -> Json {
    let kind = if number.is_whole { "integer" } else { "number" };
    let from = if number.is_above {
        "exclusiveMinimum"
    } else {
        "minimum"
    };
    json!({ "type": kind, from: number.from, "maximum": number.to, "description": number.bounds() })
}

/// Whether a value fits a schema. Only the words that the schema above uses are known; another fails the test.
fn fits(value: &Json, schema: &Json, root: &Json) -> bool {
    let Some(words) = schema.as_object() else {
        return schema == &Json::Bool(true);
    };
    words.iter().all(|(word, says)| match word.as_str() {
        "$schema" | "$defs" | "title" | "description" | "then" | "else" => true,
        "$ref" => {
            let pointer = says.as_str().expect("a reference").trim_start_matches('#');
            fits(value, root.pointer(pointer).expect("it is there"), root)
        }
        "type" => match says.as_str().expect("one type") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            other => panic!("type {other}"),
        },
        "enum" => says.as_array().expect("a list").contains(value),
        "const" => says == value,
        "anyOf" => says
            .as_array()
            .expect("a list")
            .iter()
            .any(|one| fits(value, one, root)),
        "oneOf" => {
            says.as_array()
                .expect("a list")
                .iter()
                .filter(|one| fits(value, one, root))
                .count()
                == 1
        }
        "if" => {
            let next = if fits(value, says, root) { "then" } else { "else" };
            words.get(next).is_none_or(|next| fits(value, next, root))
        }
        "required" => value.as_object().is_none_or(|members| {
            let mut names = says.as_array().expect("a list").iter().filter_map(Json::as_str);
            names.all(|name| members.contains_key(name))
        }),
        "properties" => value.as_object().is_none_or(|members| {
            let mut known = says.as_object().expect("a mapping").iter();
            known.all(|(name, one)| members.get(name).is_none_or(|member| fits(member, one, root)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|members| {
            let known = words.get("properties").and_then(Json::as_object);
            let mut others = members
                .iter()
                .filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
            others.all(|(_, member)| fits(member, says, root))
        }),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| fits(item, says, root))),
        "minItems" => value
            .as_array()
            .is_none_or(|items| says.as_u64() <= Some(items.len() as u64)),
        "maxItems" => value
            .as_array()
            .is_none_or(|items| Some(items.len() as u64) <= says.as_u64()),
        "minLength" => value
            .as_str()
            .is_none_or(|text| says.as_u64() <= Some(text.chars().count() as u64)),
        "pattern" => value.as_str().is_none_or(|text| {
            Regex::new(says.as_str().expect("a pattern"))
                .expect("it can be read")
                .is_match(text)
        }),
        "minimum" => value
            .as_f64()
            .is_none_or(|number| says.as_f64().is_some_and(|least| least <= number)),
        "exclusiveMinimum" => value
            .as_f64()
            .is_none_or(|number| says.as_f64().is_some_and(|least| least < number)),
        "maximum" => value
            .as_f64()
            .is_none_or(|number| says.as_f64().is_some_and(|most| number <= most)),
        other => panic!("the test does not know `{other}`"),
    })
}

fn written() -> Json {
    let text = fs::read_to_string(docs("anomaly.schema.json")).expect("the schema");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_schema_is_what_the_table_says() {
    if std::env::var_os("VARDE_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&schema()).expect("JSON");
        fs::write(docs("anomaly.schema.json"), format!("{text}\n")).expect("written");
    }
    assert_eq!(written(), schema());
}

#[test]
fn the_schema_agrees_with_the_reader() {
    let schema = written();
    let accepted = accepted();
    let taken = accepted.iter().map(|(body, _)| (*body, true));
    let refused = REFUSED.iter().map(|(body, _, tells)| (*body, !tells));
    for (body, expected) in taken.chain(refused) {
        let value = to_json(node::read(&document(body)).expect("YAML"));
        assert_eq!(fits(&value, &schema, &schema), expected, "{body}");
    }
}

#[test]
fn the_document_has_each_type_with_a_sample_that_loads() {
    let text = fs::read_to_string(docs("anomaly-rules.md")).expect("the document");
    let samples: Vec<&str> = text
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let rules: BTreeSet<&str> = samples
        .iter()
        .flat_map(|sample| sample.lines())
        .filter_map(|line| line.trim().strip_prefix("rules: [")?.strip_suffix(']'))
        .filter(|name| *name != "indicators")
        .collect();
    let bases = rules.iter().zip(1..).map(|(name, number)| {
        format!("title: {name}\nname: {name}\nid: 30000000-0000-4000-8000-{number:012}\nlogsource: {{ category: network }}\ndetection: {{ s: {{ a: b }}, condition: s }}\n")
    });
    let wrapped = samples
        .iter()
        .zip(1..)
        .map(|(sample, number)| match sample.strip_prefix("anomaly:") {
            Some(_) => format!("title: {number}\nid: 40000000-0000-4000-8000-{number:012}\n{sample}")
                .replace("title: ", "title: N "),
            None => (*sample).to_owned(),
        });
    let checked = check_all(&bases.chain(wrapped).collect::<Vec<_>>());
    assert_eq!(said(&checked), Vec::<String>::new());
    let found: BTreeSet<&str> = checked
        .rules
        .anomalies
        .iter()
        .map(|one| one.kind.as_str())
        .collect();
    assert_eq!(
        found,
        FORMS.each_ref().map(|form| form.name).into_iter().collect()
    );
    for form in &FORMS {
        let heading = format!("\n## {}\n", form.name);
        let section = text.split(&heading).nth(1).unwrap_or_else(|| panic!("{heading}"));
        let section = section.split("\n## ").next().unwrap_or_default();
        for key in form.condition_keys() {
            assert!(
                section.contains(&format!("| `{key}` |")),
                "{} does not explain `{key}`",
                form.name
            );
        }
    }
}
