//! Webhooks: one signed JSON POST per notification.
//!
//! The receiver checks `x-varde-signature: sha256=<hex>`, HMAC-SHA-256 with the shared key over the value of
//! `x-varde-timestamp` (seconds since 1970), a full stop, and the body; refuses old timestamps; and passes over an
//! `x-varde-notification-id` that it has seen.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use hmac::Mac;
use reqwest::{StatusCode, redirect::Policy};
use serde_json::json;

use super::DeliveryError;
use crate::{
    api::view,
    link::keyed,
    registry::WebhookKey,
    state::State,
    store::{Stored, StoredNotification},
};

/// A receiver that takes longer is tried again later.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends webhooks.
#[derive(Debug)]
pub(crate) struct Webhook {
    client: reqwest::Client,
    keys: BTreeMap<String, WebhookKey>,
}

impl Webhook {
    /// Prepares the client.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub(crate) fn open(keys: BTreeMap<String, WebhookKey>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            // A redirect would carry an incident to an address that nobody registered.
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .user_agent(concat!("varde/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("prepare the HTTP client")?;
        Ok(Self { client, keys })
    }

    /// Hands a notification over; the receipt is the status.
    pub(crate) async fn send(
        &self,
        state: &State,
        notification: &StoredNotification,
        stored: &Stored,
    ) -> Result<String, DeliveryError> {
        let url = notification.channel.address();
        let key = self.keys.get(url).ok_or_else(|| {
            DeliveryError::Permanent("the registry no longer has a key for this webhook".to_owned())
        })?;
        let incident = view::explained(state, stored)
            .await
            .map_err(|error| DeliveryError::Transient(format!("read the incident: {error}")))?;
        let body = json!({
            "notification": { "id": notification.id.as_str(), "reason": notification.reason.as_str(),
                "responder": notification.responder_name, "created_at": notification.created_at.to_string(),
                "link": state.link(&notification.id) },
            "incident": incident,
        });
        let body = body.to_string();
        let timestamp = (state.now().as_millis() / 1_000).to_string();
        let signature = keyed(&key.0, format!("{timestamp}.{body}").as_bytes())
            .finalize()
            .into_bytes();
        let answer = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("x-varde-timestamp", timestamp)
            .header("x-varde-signature", format!("sha256={}", hex::encode(signature)))
            .header("x-varde-notification-id", notification.id.as_str())
            .body(body)
            .send()
            .await
            // The URL may hold a secret of the receiver's: it stays out of the text.
            .map_err(|error| DeliveryError::Transient(describe(&error.without_url())))?;
        judge(answer.status())
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
}
