//! Webhooks: one signed JSON POST per notification.
//!
//! The receiver checks `x-varde-signature`: `sha256=<hex>`, HMAC-SHA-256 with the shared key over the value of
//! `x-varde-timestamp` (seconds since 1970), a full stop, that of `x-varde-notification-id`, a full stop, and the body; refuses
//! old timestamps; and passes over an id that it has seen. The id is under the signature: else whoever repeats a request would
//! write another one. While a key is changed there are two signatures, apart by a comma, of which one must fit.

use std::collections::BTreeMap;

use hmac::Mac;
use serde_json::json;

use super::{DeliveryError, http::Http};
use crate::{
    api::view,
    link::keyed,
    registry::WebhookKeys,
    state::State,
    store::{Stored, StoredNotification},
};

/// Sends webhooks.
#[derive(Debug)]
pub(crate) struct Webhook {
    http: Http,
    keys: BTreeMap<String, WebhookKeys>,
}

impl Webhook {
    /// Prepares the client.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub(crate) fn open(keys: BTreeMap<String, WebhookKeys>) -> anyhow::Result<Self> {
        let http = Http::open()?;
        Ok(Self { http, keys })
    }

    /// Hands a notification over; the receipt is the status.
    pub(crate) async fn send(
        &self,
        state: &State,
        notification: &StoredNotification,
        stored: &Stored,
    ) -> Result<String, DeliveryError> {
        let url = notification.channel.address();
        let incident = view::explained(state, stored)
            .await
            .map_err(|error| DeliveryError::Transient(format!("read the incident: {error}")))?;
        let body = json!({
            "notification": { "id": notification.id.as_str(), "reason": notification.reason.as_str(),
                "responder": notification.responder_name, "created_at": notification.created_at.to_string(),
                "link": state.link(&notification.id) },
            "incident": incident,
        });
        let seconds = state.now().as_millis() / 1_000;
        self.post(url, notification.id.as_str(), seconds, body.to_string())
            .await
    }

    /// Signs and hands over; the receipt is the status.
    pub(crate) async fn post(
        &self,
        url: &str,
        id: &str,
        seconds: i64,
        body: String,
    ) -> Result<String, DeliveryError> {
        let keys = self.keys.get(url).ok_or_else(|| {
            DeliveryError::Permanent("the registry no longer has a key for this webhook".to_owned())
        })?;
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .header("x-varde-timestamp", seconds)
            .header("x-varde-notification-id", id)
            .header("x-varde-signature", signatures(keys, seconds, id, &body))
            .body(body);
        self.http.send(url, request).await
    }
}

/// By the key that stays, and by the one that goes while there are two.
fn signatures(keys: &WebhookKeys, seconds: i64, id: &str, body: &str) -> String {
    let signed = format!("{seconds}.{id}.{body}");
    let by = |key: &Vec<u8>| {
        let signature = keyed(key, signed.as_bytes()).finalize().into_bytes();
        format!("sha256={}", hex::encode(signature))
    };
    let all = [Some(&keys.current), keys.former.as_ref()];
    all.into_iter().flatten().map(by).collect::<Vec<_>>().join(", ")
}
