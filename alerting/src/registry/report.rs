//! What a person should look at: rows that the layer below contradicts or makes superfluous.

use alerting_incident::Organization;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::form::Form;
use super::{Layer, Loaded, StoredRow, overlay};

/// A value of a manual row that the layer below says something else of, or the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Remark {
    /// The body's number.
    pub number: String,
    /// Its name.
    pub name: String,
    /// Which value, as `parent`, `names.nb` or `responders.NAME`.
    pub field: String,
    /// Whether it contradicts or is superfluous.
    pub kind: RemarkKind,
    /// What the manual row says.
    pub manual: Value,
    /// What the layers below say.
    pub below: Value,
    /// Why it was entered.
    pub reason: String,
}

/// What is remarked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// The layers below say something else: is the manual value still meant?
    Contradicts,
    /// The layers below say the same: the manual value can go.
    Superfluous,
}

/// Every remark about the manual rows.
#[must_use]
pub fn remarks(loaded: &Loaded) -> Vec<Remark> {
    let below = loaded.below(Layer::Manual);
    let manual = loaded.rows.iter().filter(|row| row.layer == Layer::Manual);
    let mut remarks: Vec<Remark> = manual.flat_map(|row| of_row(row, &below, loaded)).collect();
    remarks.sort_by(|one, other| (&one.number, &one.field).cmp(&(&other.number, &other.field)));
    remarks
}

fn of_row(row: &StoredRow, below: &[Organization], loaded: &Loaded) -> Vec<Remark> {
    let is_it = |body: &&Organization| {
        body.number
            .is_some_and(|number| number.as_str() == row.form.number)
    };
    let newest = below.iter().filter(is_it).max_by_key(|body| body.validity.from);
    let Some(body) = newest else { return vec![] };
    let said = as_map(&Form::of(body));
    let mut remarks = Vec::new();
    for (field, part) in parts(&row.form) {
        let mut with = body.clone();
        if overlay::apply(&mut with, &part, &loaded.ways).is_err() {
            continue;
        }
        let is_said = value(&said, &field);
        let now = value(&as_map(&Form::of(&with)), &field);
        let kind = match &is_said {
            before if *before == now => RemarkKind::Superfluous,
            Value::Null => continue,
            _ => RemarkKind::Contradicts,
        };
        remarks.push(Remark {
            number: row.form.number.clone(),
            name: body.name("nb").to_owned(),
            field,
            kind,
            manual: now,
            below: is_said,
            reason: row.reason.clone(),
        });
    }
    remarks
}

/// A form for each value that a form says.
fn parts(form: &Form) -> Vec<(String, Form)> {
    let alone = |key: &str, value: Value| {
        let map: Map<String, Value> = [
            ("number".to_owned(), form.number.clone().into()),
            (key.to_owned(), value),
        ]
        .into_iter()
        .collect();
        serde_json::from_value::<Form>(map.into()).ok()
    };
    let mut parts = Vec::new();
    for (key, value) in as_map(form) {
        match (key.as_str(), value) {
            ("number", _) => {}
            ("names", Value::Object(names)) => {
                parts.extend(names.into_iter().filter_map(|(language, name)| {
                    let names: Map<String, Value> = [(language.clone(), name)].into_iter().collect();
                    Some((format!("names.{language}"), alone("names", names.into())?))
                }))
            }
            ("responders", Value::Array(contacts)) => {
                parts.extend(contacts.into_iter().filter_map(|contact| {
                    let name = contact.get("name")?.as_str()?.to_owned();
                    Some((
                        format!("responders.{name}"),
                        alone("responders", Value::Array(vec![contact]))?,
                    ))
                }))
            }
            (_, value) => parts.extend(alone(&key, value).map(|part| (key, part))),
        }
    }
    parts
}

fn as_map(form: &Form) -> Map<String, Value> {
    match serde_json::to_value(form) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn value(said: &Map<String, Value>, field: &str) -> Value {
    let found = match field.split_once('.') {
        Some(("names", language)) => said.get("names").and_then(|names| names.get(language)),
        Some(("responders", name)) => said.get("responders").and_then(Value::as_array).and_then(|all| {
            all.iter()
                .find(|contact| contact.get("name").and_then(Value::as_str) == Some(name))
        }),
        _ => said.get(field),
    };
    found.cloned().unwrap_or_default()
}
