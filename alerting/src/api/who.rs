//! Who asks: every handler that shows something to someone, or does it for them, takes a [`Who`].

use alerting_incident::{
    Actor,
    access::{Action, Login, Principal, may},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use ingest_event::OrganizationNumber;

use super::{Api, problem::Problem};
use crate::{
    access::{
        Seen,
        session::{self, Credential},
    },
    state::State,
};

/// The person, or the machine, behind a request.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// As the timeline and the audit log name them.
    pub(crate) actor: Actor,
    /// What they may do.
    pub(crate) principal: Principal,
    /// What they showed, if anything.
    pub(crate) credential: Option<Credential>,
}

impl Who {
    /// Who shows a credential; `None` if it is none.
    pub(crate) async fn of(state: &State, credential: Option<Credential>) -> sqlx::Result<Option<Self>> {
        let principal = session::principal(state, credential.as_ref()).await?;
        Ok(principal.map(|principal| {
            let (name, account) = (principal.name.clone(), principal.account.clone());
            let actor = if principal.is_of_the_cert() {
                Actor::Analyst { name, account }
            } else {
                Actor::Responder { name, account }
            };
            Self {
                actor,
                // Where nobody logs in, nobody is logged out.
                credential: credential.filter(|_| principal.login != Login::Nobody),
                principal,
            }
        }))
    }

    /// What they see.
    pub(crate) fn sees(&self) -> Seen {
        Seen::by(&self.principal, Action::Read)
    }

    /// Where they may do a thing.
    pub(crate) fn reaches(&self, action: Action) -> Seen {
        Seen::by(&self.principal, action)
    }

    /// Refuses what they may not do to what they see.
    ///
    /// # Errors
    /// 403, with the name of the action.
    pub(crate) fn require(&self, action: Action, owner: Option<OrganizationNumber>) -> Result<(), Problem> {
        if may(&self.principal, action, owner) {
            return Ok(());
        }
        Err(Problem::not_allowed(action))
    }
}

impl FromRequestParts<Api> for Who {
    type Rejection = Problem;

    /// The door put it there; where it did not, nobody is logged in.
    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(Problem::no_login)
    }
}
