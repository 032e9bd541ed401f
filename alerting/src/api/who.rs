//! Who asks: every handler that does something on someone's behalf takes a [`Who`].

use std::convert::Infallible;

use alerting_incident::Actor;
use axum::{extract::FromRequestParts, http::request::Parts};

use super::Api;

/// The person behind a request.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// As the timeline and the audit log name them.
    pub(crate) actor: Actor,
}

impl FromRequestParts<Api> for Who {
    type Rejection = Infallible;

    /// Until there is a login, whoever reaches the console is the CERT.
    async fn from_request_parts(_: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        let name = api.state.cert.name.clone();
        Ok(Self {
            actor: Actor::Analyst { name },
        })
    }
}
