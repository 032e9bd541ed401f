//! Requests of webhooks and chats: one way to send, to judge the answer, and to wait where a receiver asks for it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use reqwest::{RequestBuilder, Response, StatusCode, header::RETRY_AFTER, redirect::Policy};

use super::DeliveryError;

/// A receiver that takes longer is tried again later.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that a receiver may ask to be left alone: what waits longer is somebody's to look at.
const QUIET_MAX: Duration = Duration::from_hours(1);
/// Where it does not say how long.
const QUIET: Duration = Duration::from_secs(30);
/// Receivers that asked to be left alone; more than there are chats and webhooks of a country.
const QUIETS_MAX: usize = 4_096;

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    /// Until when who is left alone.
    quiet: Mutex<HashMap<String, Instant>>,
}

impl Http {
    /// Prepares the client.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            // A redirect would carry an incident to an address that nobody registered.
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .user_agent(concat!("varde/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("prepare the HTTP client")?;
        Ok(Self {
            client,
            quiet: Mutex::default(),
        })
    }

    /// A POST to a URL; its headers and body are the caller's.
    pub(crate) fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends to a receiver, unless it asked to be left alone; the receipt is the status.
    pub(crate) async fn send(
        &self,
        receiver: &str,
        request: RequestBuilder,
    ) -> Result<String, DeliveryError> {
        if let Some(after) = self.quiet_for(receiver, Instant::now()) {
            return Err(later(after));
        }
        // The URL may hold a secret of the receiver's: it stays out of the text.
        let answer = request.send().await;
        let answer = answer.map_err(|error| DeliveryError::Transient(describe(&error.without_url())))?;
        let judged = judge(answer.status());
        if let Some(after) = asked(&answer) {
            self.leave_alone(receiver, after, Instant::now());
            return Err(later(after));
        }
        judged
    }

    fn quiet_for(&self, receiver: &str, now: Instant) -> Option<Duration> {
        let quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let until = quiet.get(receiver)?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    fn leave_alone(&self, receiver: &str, after: Duration, now: Instant) {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.retain(|_, until| now < *until);
        if quiet.len() < QUIETS_MAX {
            quiet.insert(receiver.to_owned(), now + after);
        }
    }
}

/// How long a receiver asks to be left alone: 429 (RFC 6585) and 503 with `Retry-After` in seconds (RFC 9110, 10.2.3).
fn asked(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let asked = seconds.map(|seconds| Duration::from_secs(seconds).min(QUIET_MAX));
    match answer.status() {
        StatusCode::TOO_MANY_REQUESTS => Some(asked.unwrap_or(QUIET)),
        StatusCode::SERVICE_UNAVAILABLE => asked,
        _ => None,
    }
}

fn later(after: Duration) -> DeliveryError {
    DeliveryError::Later {
        after,
        text: format!("the receiver asks to be left alone for {} s", after.as_secs()),
    }
}

fn judge(status: StatusCode) -> Result<String, DeliveryError> {
    if status.is_success() {
        return Ok(status.to_string());
    }
    let mut text = format!("the receiver answered {status}");
    if status.is_redirection() {
        text.push_str("; redirects are not followed: register the new address");
    }
    let is_transient = status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_MANY_REQUESTS;
    Err(DeliveryError::Refused {
        code: status.as_u16(),
        is_transient,
        text,
    })
}

fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        format!("the receiver did not answer within {} s", TIMEOUT.as_secs())
    } else if error.is_connect() {
        "the receiver can't be reached".to_owned()
    } else {
        format!("the request failed: {error}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_later_is_tried_again() {
        for (status, is_again) in [
            (500, true),
            (503, true),
            (429, true),
            (408, true),
            (301, false),
            (400, false),
            (401, false),
            (404, false),
        ] {
            let outcome = judge(StatusCode::from_u16(status).expect("a status"));
            assert_eq!(
                outcome.is_err_and(|error| error.is_transient()),
                is_again,
                "{status}"
            );
        }
        assert!(judge(StatusCode::NO_CONTENT).is_ok());
    }

    #[test]
    fn who_asks_for_it_is_left_alone_and_nobody_else() {
        let http = Http::open().expect("a client");
        let now = Instant::now();
        http.leave_alone("slack", Duration::from_secs(30), now);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(http.quiet_for("slack", after(10)), Some(Duration::from_secs(20)));
        assert_eq!(http.quiet_for("slack", after(30)), None);
        assert_eq!(http.quiet_for("teams", after(10)), None);
    }
}
