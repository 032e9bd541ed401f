//! Bodies of requests, read as JSON: an error names the field, the line and the column.

use axum::{
    body::{Bytes, HttpBody},
    extract::Request,
    http::{StatusCode, header},
};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Whether a request has no body, does not say of which type it is, or says that it is JSON.
pub(super) fn is_json(request: &Request) -> bool {
    let Some(kind) = request.headers().get(header::CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let known = ["application/json", "application/merge-patch+json"];
    request.body().is_end_stream() || known.iter().any(|json| kind.eq_ignore_ascii_case(json))
}

/// Reads a body; an empty one is an empty object.
///
/// # Errors
/// 400, with the field and its place.
pub(super) fn read_body<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    read_json(body)
        .map_err(|flaw| Problem::new(StatusCode::BAD_REQUEST, format!("read the body as JSON: {flaw}")))
}

/// Reads JSON to its end; the error names the field, the line and the column.
pub(super) fn read_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." {
            String::new()
        } else {
            format!("`{path}`: ")
        };
        format!("{place}{}", error.inner())
    })?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_error_names_field_line_and_column() {
        type Shape = BTreeMap<String, Vec<u8>>;
        let read = |text: &str| read_json::<Shape>(text.as_bytes()).expect_err("refused");
        let wrong = read("{\"a\": [1],\n \"b\": [1, 2, \"x\"]}");
        assert!(
            wrong.starts_with("`b[2]`: ") && wrong.ends_with("line 2 column 16"),
            "{wrong}"
        );
        assert!(read("{\"a\": [1]").ends_with("line 1 column 9"), "cut off");
        assert!(
            read("{\"a\": [1]} x").contains("trailing characters at line 1 column 12"),
            "more"
        );
        assert_eq!(
            read_json::<Shape>(b"{\"a\": [1]}"),
            Ok(Shape::from([("a".to_owned(), vec![1])]))
        );
    }
}
