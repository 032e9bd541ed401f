//! The schema of documents (JSON Schema, draft 2020-12), made of the same table as the columns of the CSV.

use serde_json::{Map, Value, json};

use super::json::VERSION;
use super::{
    CONTACT_FIELDS, CONTACTS_MAX, FIELDS, Field, FieldKind, LANGUAGES, LIST_MAX, NAME_CHARS_MAX,
    ORGANIZATIONS_MAX,
};

/// What is said of one body.
#[must_use]
pub fn form() -> Value {
    let names: Map<String, Value> = LANGUAGES
        .iter()
        .map(|language| {
            let name = json!({ "type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX });
            ((*language).to_owned(), name)
        })
        .collect();
    let mut body = properties(&FIELDS);
    body.insert(
        "names".to_owned(),
        json!({ "type": "object", "additionalProperties": false, "properties": names,
            "description": "names by language; `nb` is needed where no file has it" }),
    );
    body.insert(
        "responders".to_owned(),
        json!({ "type": "array", "maxItems": CONTACTS_MAX, "description": "contacts, each known by its name",
            "items": { "type": "object", "additionalProperties": false, "required": ["name"],
                "properties": properties(&CONTACT_FIELDS) } }),
    );
    json!({ "type": "object", "additionalProperties": false, "required": ["number"], "properties": body })
}

/// `docs/registry.schema.json`.
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What is said of bodies and their contacts",
        "description": "A field that is missing is not said: it stays as the layer below has it. An empty list says that there is none.",
        "type": "object",
        "additionalProperties": false,
        "required": ["version", "organizations"],
        "properties": {
            "version": { "const": VERSION },
            "organizations": { "type": "array", "maxItems": ORGANIZATIONS_MAX, "items": form() },
        },
    })
}

fn properties(fields: &[Field]) -> Map<String, Value> {
    fields
        .iter()
        .map(|field| {
            let mut value = kind(field.kind);
            if let Value::Object(members) = &mut value {
                members.insert("description".to_owned(), field.meaning.into());
            }
            (field.name.to_owned(), value)
        })
        .collect()
}

fn kind(kind_of: FieldKind) -> Value {
    match kind_of {
        FieldKind::Code(codes) => json!({ "enum": codes() }),
        FieldKind::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        FieldKind::Text => json!({ "type": "string", "minLength": 1 }),
        FieldKind::Moment => json!({ "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9:]+))?$" }),
        FieldKind::Number(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        FieldKind::Flag => json!({ "type": "boolean" }),
        FieldKind::List(of) => json!({ "type": "array", "maxItems": LIST_MAX, "items": kind(*of) }),
    }
}
