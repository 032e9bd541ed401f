//! What every operation has besides what its handler says: who may, how one shows who one is, and the refusals of the door, of the
//! reading of bodies, and of the store.

use std::collections::BTreeSet;

use alerting_incident::access::{Action, Role};
use serde_json::{Map, Value, json};
use utoipa::openapi::path::{HttpMethod, Operation};

use super::super::{
    door::{self, Door},
    once,
    registry::IMPORT,
};

/// Addresses that answer without the store.
const WITHOUT_STORE: [&str; 2] = ["/healthz", "/api/v1/openapi.json"];
/// Addresses that answer whatever name they are asked by.
const WATCHED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Completes an operation.
pub(super) fn finish(path: &str, method: &str, operation: &mut Value) {
    let Some(members) = operation.as_object_mut() else {
        return;
    };
    let door = door::door(path);
    let tag = tag(path);
    let own_name = members
        .get("operationId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let name = format!("{tag}_{own_name}");
    members.insert("operationId".to_owned(), name.into());
    members.insert("tags".to_owned(), json!([tag]));
    members.insert("security".to_owned(), security(door));
    let action = members.remove("x-varde-action");
    let action = action
        .as_ref()
        .and_then(Value::as_str)
        .and_then(|code| code.parse().ok());
    let action = action.or_else(|| door::needed(door, method == "GET"));
    members.insert("x-varde-access".to_owned(), access(door, action));
    let changes = method != "GET";
    if changes {
        let header = json!({ "name": "x-requested-with", "in": "header", "required": true,
            "description": "another site's page cannot send it", "schema": { "const": "varde" } });
        let parameters = members.entry("parameters").or_insert_with(|| json!([]));
        if let Some(parameters) = parameters.as_array_mut() {
            parameters.push(header);
        }
    }
    if once::heeds(path, method) {
        let header = json!({ "name": once::KEY, "in": "header", "required": false,
            "description": "names this request: sent again with the same key within 24 hours, it is answered as before and not carried out again",
            "schema": { "type": "string", "pattern": "^[!#-\\[\\]-~]{1,255}$" } });
        let parameters = members.entry("parameters").or_insert_with(|| json!([]));
        if let Some(parameters) = parameters.as_array_mut() {
            parameters.push(header);
        }
    }
    let takes =
        |members: &Map<String, Value>, name: &str| members.get(name).is_some_and(|value| !value.is_null());
    let has_body = takes(members, "requestBody");
    if let Some(content) = members
        .get_mut("requestBody")
        .and_then(|body| body.get_mut("content"))
        .and_then(Value::as_object_mut)
    {
        for kind in content.values_mut() {
            without_null(kind);
        }
    }
    let is_import = path.starts_with(IMPORT);
    let refusals = [
        (takes(members, "parameters") || has_body, "400", "unreadable"),
        (door != Door::Open, "401", "no_login"),
        (path != "/api/v1/stream", "408", "too_slow"),
        (has_body && !is_import, "413", "too_large"),
        (has_body && is_import, "413", "import_too_large"),
        (has_body, "415", "other_type"),
        (!WATCHED.contains(&path), "421", "other_name"),
        (once::heeds(path, method), "409", "done_or_running"),
        (once::heeds(path, method), "422", "another_request"),
        (once::heeds(path, method), "429", "too_many_keys"),
        (!WITHOUT_STORE.contains(&path), "503", "store_away"),
    ];
    let Some(answers) = members.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    for (applies, status, name) in refusals {
        if applies && !answers.contains_key(status) {
            let place = format!("#/components/responses/{name}");
            answers.insert(status.to_owned(), json!({ "$ref": place }));
        }
    }
    let tag = answers
        .get("200")
        .and_then(|answer| answer.pointer("/headers/etag"));
    if tag.is_some() && !changes {
        let words = "`if-none-match` names what is shown: the asker has it already";
        answers.insert("304".to_owned(), json!({ "description": words }));
    }
    if door != Door::Open || changes {
        let words = refused(door, action, changes);
        answers
            .entry("403")
            .or_insert_with(|| json!({ "description": words }));
    }
    for (status, answer) in answers.iter_mut() {
        describe(status, answer);
    }
}

/// A body that may be missing may not be `null` instead.
fn without_null(kind: &mut Value) {
    let either = kind.pointer("/schema/oneOf").and_then(Value::as_array);
    let given = either.and_then(|either| either.iter().find(|one| one.get("$ref").is_some()).cloned());
    if let (Some(given), Some(members)) = (given, kind.as_object_mut()) {
        members.insert("schema".to_owned(), given);
    }
}

/// The refusals that are the same everywhere.
pub(super) fn shared() -> Value {
    let answers = [
        (
            "unreadable",
            "the address, the query or the body can't be read; the words name the place",
        ),
        ("no_login", "nobody is logged in, or no longer"),
        ("too_slow", "it took longer than 30 seconds; try again"),
        ("too_large", "the body is larger than 64 KiB"),
        ("import_too_large", "the body is larger than 8 MiB"),
        (
            "other_type",
            "the body is of another type than the operation takes",
        ),
        ("other_name", "the service has another name than it was asked by"),
        (
            "done_or_running",
            "a request with this `idempotency-key` is being carried out, or took effect and its answer is not there",
        ),
        (
            "another_request",
            "this `idempotency-key` was for another request",
        ),
        ("too_many_keys", "too many keys within 24 hours"),
        ("store_away", "the store is away; try again"),
    ];
    let answers = answers.map(|(name, words)| {
        let mut answer = json!({ "description": words });
        describe("400", &mut answer);
        (name.to_owned(), answer)
    });
    answers.into_iter().collect::<Map<_, _>>().into()
}

/// Ways to show who one is.
pub(super) fn security_schemes() -> Value {
    json!({
        "session": { "type": "apiKey", "in": "cookie", "name": door::cookie_name(true),
            "description": "the cookie of a login; named `varde` where `public_url` is not https" },
        "token": { "type": "http", "scheme": "bearer", "description": "a machine's token" },
    })
}

/// The parts of the API.
pub(super) fn tags(operations: &[(String, HttpMethod, Operation)]) -> Value {
    let tags: BTreeSet<_> = operations.iter().map(|(path, ..)| tag(path)).collect();
    tags.into_iter().map(|tag| json!({ "name": tag })).collect()
}

fn tag(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("/api/v1/") else {
        return "watch";
    };
    // What sites are asked is a part of its own, beneath the incident that it is asked for.
    if rest.starts_with("incidents/{id}/reveals") {
        return "reveals";
    }
    match rest.split('/').next().unwrap_or_default() {
        "logout" | "me" => "login",
        "route" => "registry",
        "openapi.json" => "watch",
        part => part,
    }
}

fn security(door: Door) -> Value {
    match door {
        Door::Open => json!([]),
        // This machine needs to show nothing.
        Door::Watch => json!([{}, { "token": [] }]),
        Door::Narrowed | Door::Audit | Door::Asked | Door::Silences | Door::Cert => {
            json!([{ "session": [] }, { "token": [] }])
        }
    }
}

fn access(door: Door, action: Option<Action>) -> Value {
    let Some(action) = action else {
        return json!({ "who": door.who() });
    };
    let roles = Role::ALL.iter().filter(|role| role.may(action));
    let roles: Vec<_> = roles.map(|role| role.as_str()).collect();
    json!({ "who": door.who(), "action": action.as_str(), "roles": roles })
}

fn refused(door: Door, action: Option<Action>, changes: bool) -> String {
    let action = action
        .filter(|_| door != Door::Open)
        .map(|action| format!("the asker may not (`{action}`)"));
    let header = changes.then(|| "the header `x-requested-with` is missing".to_owned());
    let reasons: Vec<_> = action.into_iter().chain(header).collect();
    if reasons.is_empty() {
        return "the asker may not".to_owned();
    }
    reasons.join(", or ")
}

/// Refusals are problem documents; a status without words has its own.
fn describe(status: &str, answer: &mut Value) {
    let Some(members) = answer.as_object_mut() else {
        return;
    };
    if members.contains_key("$ref") {
        return;
    }
    let has_words = members
        .get("description")
        .and_then(Value::as_str)
        .is_some_and(|text| !text.is_empty());
    if !has_words {
        let words = match status {
            "200" => "as asked",
            "201" => "it was made",
            "404" => "there is no such thing, or none that the asker may see",
            "410" => "it is too old",
            "429" => "too many at once; try again later",
            _ => "see the body",
        };
        members.insert("description".to_owned(), words.into());
    }
    let has_content = members
        .get("content")
        .and_then(Value::as_object)
        .is_some_and(|content| !content.is_empty());
    if status.starts_with(['4', '5']) && !has_content {
        let schema = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        members.insert(
            "content".to_owned(),
            json!({ "application/problem+json": schema }),
        );
    }
}
