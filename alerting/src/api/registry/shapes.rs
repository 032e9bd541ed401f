//! The shapes of the registry in requests and answers, which the document promises.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    api::openapi::codes,
    registry::{
        desk::REASON_CHARS_MAX,
        form::{Form, schema},
        report::Remark,
    },
};

/// A part of the registry.
#[derive(Serialize, ToSchema)]
pub(super) struct RegistryPage {
    pub(super) organizations: Vec<Form>,
    /// Where the list goes on; null at its end.
    #[schema(value_type = Option<codes::Cursor>)]
    pub(super) next_cursor: Option<String>,
    /// How many there are in all of the list.
    pub(super) total: usize,
    /// Grows with each change of the registry.
    pub(super) version: u64,
}

/// What is registered of an organisation.
#[derive(Serialize, ToSchema)]
pub(super) struct Holding {
    /// What holds.
    pub(super) organization: Form,
    /// For each field that is no file's (`parent`, `names.nb`, `responders.NAME`), which layer it comes from.
    #[schema(value_type = BTreeMap<String, codes::RegistryLayer>)]
    pub(super) origins: BTreeMap<String, &'static str>,
    /// What a person wrote.
    pub(super) manual: Option<Row>,
    /// What was imported.
    pub(super) import: Option<Row>,
}

/// What one layer says of an organisation.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistryRow)]
pub(super) struct Row {
    pub(super) form: Form,
    /// Who wrote it.
    pub(super) by: String,
    #[schema(value_type = codes::Time)]
    pub(super) at: String,
    /// Why.
    pub(super) reason: String,
    /// That of the registry when it was written.
    pub(super) version: u64,
}

/// Manual values that the layers below contradict or make superfluous.
#[derive(Serialize, ToSchema)]
pub(super) struct Remarks {
    pub(super) remarks: Vec<Remark>,
}

macro_rules! of_the_form {
    ($($(#[doc = $doc:literal])+ $type:ident as $name:literal = $schema:expr;)+) => {
        $(
            impl PartialSchema for $type {
                // Its place is taken by what `forms` says, which has all that JSON Schema can say.
                fn schema() -> RefOr<Schema> { Schema::default().into() }
            }
            impl ToSchema for $type {
                fn name() -> std::borrow::Cow<'static, str> { $name.into() }
            }
        )+
        /// Schemas by their names, made of the table of fields.
        pub(in crate::api) fn forms() -> Vec<(&'static str, Value)> {
            let mut all = vec![$(($name, described($schema, concat!($($doc),+)))),+];
            all.sort_by_key(|(name, _)| *name);
            all
        }
    };
}

/// The body of a `PUT`.
pub(super) struct FormPut;
/// The body of a `PATCH`.
pub(super) struct FormPatch;
/// The body of a preview.
pub(super) struct FormPreview;
/// The body of an import.
pub(super) struct ImportDocument;

of_the_form! {
    /// What is said of one organisation. A field that is missing is not said.
    Form as "OrganizationForm" = schema::form();
    /// What a manual row is to say, and why.
    FormPut as "FormPut" = with_reason(schema::form());
    /// What a manual row is to say otherwise, and why; what is `null` it says no more.
    FormPatch as "FormPatch" = nullable(with_reason(schema::form()));
    /// A manual row, or with `removed` the number of one that would be taken away.
    FormPreview as "FormPreview" = with(schema::form(), "removed", json!({ "type": "boolean" }));
    /// Everything that an import says: what it does not name is taken away.
    ImportDocument as "ImportDocument" = schema::schema();
}

fn described(mut schema: Value, words: &str) -> Value {
    set(&mut schema, "description", json!(words.trim()));
    schema
}

fn with_reason(schema: Value) -> Value {
    let reason =
        json!({ "type": "string", "minLength": 1, "maxLength": REASON_CHARS_MAX, "description": "why" });
    let mut schema = with(schema, "reason", reason);
    set(&mut schema, "required", json!(["number", "reason"]));
    schema
}

fn with(mut schema: Value, name: &str, member: Value) -> Value {
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        members.insert(name.to_owned(), member);
    }
    schema
}

fn nullable(mut schema: Value) -> Value {
    set(&mut schema, "required", json!(["reason"]));
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (_, member) in members
            .iter_mut()
            .filter(|(name, _)| !["number", "reason"].contains(&name.as_str()))
        {
            *member = json!({ "oneOf": [member, { "type": "null" }] });
        }
    }
    schema
}

fn set(schema: &mut Value, name: &str, value: Value) {
    if let Some(members) = schema.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
