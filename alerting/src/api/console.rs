//! The console's pages, from inside the binary.

use axum::{
    http::{Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::RustEmbed;

use super::problem::Problem;

/// What the console's build wrote; empty if it was not built.
#[derive(RustEmbed)]
#[folder = "console/dist"]
#[allow_missing = true]
struct Pages;

/// Shown in place of a console that was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Varde</title>\
    <h1>The console is not in this build</h1>\
    <p>Run <code>scripts/console</code> and build again, or use the API at <code>/api/v1/incidents</code>.</p>";

/// A file of the console, or its first page for an address that only the console knows (`/incidents/…`, `/r/…`).
pub(super) async fn serve(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return Problem::new(StatusCode::NOT_FOUND, "there is no such address in this API").into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "pages can only be read").into_response();
    }
    match Pages::get(path).filter(|_| !path.is_empty()) {
        Some(file) => {
            // Vite puts a hash of the content into the name of everything below assets/.
            let cache = if path.starts_with("assets/") {
                "public, max-age=31536000, immutable"
            } else {
                "no-cache"
            };
            let headers = [
                (header::CONTENT_TYPE, content_type(path)),
                (header::CACHE_CONTROL, cache),
            ];
            (headers, file.data.into_owned()).into_response()
        }
        None if path.starts_with("assets/") => {
            Problem::new(StatusCode::NOT_FOUND, "there is no such file").into_response()
        }
        None => match Pages::get("index.html") {
            Some(file) => {
                let headers = [
                    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                    (header::CACHE_CONTROL, "no-store"),
                ];
                (headers, file.data.into_owned()).into_response()
            }
            None => (StatusCode::OK, Html(NOT_BUILT)).into_response(),
        },
    }
}

/// The types that the console's build can write.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
