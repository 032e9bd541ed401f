//! The description of the HTTP API (OpenAPI 3.1), made of the routes that the router has: see `routes.rs` for how a new one gets in.

pub(crate) mod codes;
mod finish;

use std::sync::OnceLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use utoipa::openapi::path::HttpMethod;

use super::{problem, registry};

/// An operation of the API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// Its address, as it was declared: `/api/v1/incidents/{id}`.
    pub path: String,
    /// `GET`, `POST`, …
    pub method: &'static str,
}

/// Every operation that the router has: for whoever checks them all.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let routes = super::routes();
    let mut all: Vec<_> = routes
        .operations
        .into_iter()
        .map(|(path, method, _)| Operation {
            path,
            method: name(&method),
        })
        .collect();
    all.sort();
    all
}

/// The document, as `docs/openapi.json` has it: the same routes, the same bytes.
#[must_use]
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // Texts, numbers and lists: there is nothing that JSON can't say.
        let mut text = serde_json::to_string_pretty(&build()).unwrap_or_default();
        text.push('\n');
        text
    })
}

/// Describes the API.
///
/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, body = Object)))]
pub(super) async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

fn build() -> Value {
    let mut routes = super::routes();
    <problem::Document as utoipa::ToSchema>::schemas(&mut routes.schemas);
    routes.schemas.push((
        "Problem".to_owned(),
        <problem::Document as utoipa::PartialSchema>::schema(),
    ));
    let mut schemas = Map::new();
    for (name, schema) in &routes.schemas {
        schemas.insert(name.clone(), json!(schema));
    }
    for (name, schema) in codes::all() {
        schemas.insert(name.to_owned(), json!(schema));
    }
    for (name, schema) in registry::forms() {
        schemas.insert(name.to_owned(), schema);
    }
    let mut paths = Map::new();
    for (path, method, operation) in &routes.operations {
        let mut operation = json!(operation);
        finish::finish(path, name(method), &mut operation);
        let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(name(method).to_lowercase(), operation);
        }
    }
    sorted(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Varde alerting",
            "version": "1",
            "description": "Incidents, who is told of them, and what they answer. docs/api.md says how to use it.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "this service" }],
        "tags": finish::tags(&routes.operations),
        "paths": paths,
        "components": { "schemas": schemas, "responses": finish::shared(), "securitySchemes": finish::security_schemes() },
    }))
}

/// Members by name: the document does not depend on the order in which things were gathered.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: std::collections::BTreeMap<_, _> = members
                .into_iter()
                .map(|(name, value)| (name, sorted(value)))
                .collect();
            Value::Object(members.into_iter().collect())
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        plain => plain,
    }
}

fn name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Head => "HEAD",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Trace => "TRACE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_schema_names_one() {
        let mut seen: Map<String, Value> = Map::new();
        for (name, schema) in crate::api::routes().schemas {
            let schema = json!(schema);
            let former = seen.insert(name.clone(), schema.clone());
            assert!(
                former.is_none_or(|former| former == schema),
                "two shapes are called {name}: give one `#[schema(as = …)]`"
            );
        }
    }

    #[test]
    fn what_is_referred_to_is_there_and_every_operation_says_what_it_does() {
        let document = build();
        let text = document.to_string();
        for reference in text.split("\"#/").skip(1) {
            let pointer = format!("/{}", reference.split('"').next().unwrap_or_default());
            assert!(
                document.pointer(&pointer).is_some(),
                "{pointer} is referred to and not there"
            );
        }
        let mut names = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item") {
                let place = format!("{method} {path}");
                assert!(
                    operation["summary"]
                        .as_str()
                        .is_some_and(|text| text.ends_with('.')),
                    "{place}: say what it does, in a sentence"
                );
                assert!(
                    names.insert(operation["operationId"].to_string()),
                    "{place}: {} is another's too",
                    operation["operationId"]
                );
                let answers = operation["responses"].as_object().expect("answers");
                assert!(
                    answers.keys().any(|status| status.starts_with(['2', '3'])),
                    "{place}: what is the answer?"
                );
                for (status, answer) in answers {
                    let shared = answer["$ref"]
                        .as_str()
                        .and_then(|place| document.pointer(place.trim_start_matches('#')));
                    let answer = shared.unwrap_or(answer);
                    assert!(
                        !answer["description"].as_str().unwrap_or_default().is_empty(),
                        "{place} {status}"
                    );
                    if status.starts_with(['4', '5']) && path != "/readyz" {
                        assert!(
                            answer["content"]["application/problem+json"].is_object(),
                            "{place} {status}"
                        );
                    }
                }
            }
        }
    }
}
