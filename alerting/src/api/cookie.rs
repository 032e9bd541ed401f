//! Cookies: out of reach of scripts, and under a name that no neighbouring host can set where the line is encrypted.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

use crate::state::State;

/// Which requests of other sites a cookie goes with (RFC 6265bis section 5.6.7).
#[derive(Clone, Copy)]
pub(super) enum SameSite {
    /// With a link that somebody follows.
    Lax,
    /// With none.
    Strict,
}

/// For how long a browser keeps one.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// As long as it is open.
    Open,
    /// So many minutes.
    Minutes(i64),
    /// No longer.
    Gone,
}

/// Whether this service is reached over an encrypted line.
pub(super) fn is_encrypted(state: &State) -> bool {
    state.public_url.starts_with("https://")
}

/// Puts a cookie onto an answer.
pub(super) fn set(
    state: &State,
    answer: &mut Response,
    (name, value): (&str, &str),
    same_site: SameSite,
    kept: Kept,
) {
    let same_site = match same_site {
        SameSite::Lax => "Lax",
        SameSite::Strict => "Strict",
    };
    let age = match kept {
        Kept::Open => String::new(),
        Kept::Minutes(minutes) => format!("; Max-Age={}", minutes * 60),
        Kept::Gone => "; Max-Age=0".to_owned(),
    };
    let secure = if is_encrypted(state) { "; Secure" } else { "" };
    let value = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}{age}{secure}");
    if let Ok(value) = HeaderValue::from_str(&value) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// A cookie, only under its own name: what a neighbouring host may set is not looked at.
pub(super) fn of<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(own, _)| *own == name)
        .map(|(_, value)| value)
}
