//! Login by the word of an identity provider (OpenID Connect, authorization code flow with PKCE).
//!
//! `started` is a login on its way, `provider` what is asked of the provider, `jose` its signatures, `token` what its token
//! says and whether it is for us, `enter` what that makes someone. Which roles they have is looked at again at each request
//! (`session`). No token is kept, and no subject or number of a provider's in clear: who someone is there is a keyed digest.

mod enter;
mod jose;
mod provider;
mod started;
mod token;

use std::time::Duration;

use ingest_event::Timestamp;
use tokio::sync::Semaphore;

use super::{Secret, failures::note_failure, login::Gate, secret};
use crate::{
    clock::Clock,
    config::{AccessSettings, ConfigError, Profile},
    state::State,
    store::{Account, Session, Store},
};
pub(super) use enter::request_digest;
pub(crate) use enter::{by_rule, granted};
use provider::{Metadata, ProviderError};
pub(crate) use provider::{Provider, encoded};
use started::Started;
pub(crate) use started::{MINUTES, safe};
use token::{Claims, TokenError};

/// Codes that are exchanged at once: a watch that begins, and a flood waits.
const EXCHANGES_MAX: usize = 8;
/// For so long one waits for a place among them.
const EXCHANGE_WAIT: Duration = Duration::from_secs(5);
/// The longest code and state that are looked at.
const PARAMETER_BYTES_MAX: usize = 4_096;

/// The providers of a service.
#[derive(Debug)]
pub(crate) struct Providers {
    all: Vec<Provider>,
    exchanges: Semaphore,
    /// Counts refusals, so that nobody fills the audit log.
    gate: Gate,
}

/// Why someone who came by a provider is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The provider can't be reached, or answers what can't be used.
    ProviderAway,
    /// They broke off at the provider's.
    Cancelled,
    /// The provider refused, or its answer is not what was asked for.
    ProviderRefused,
    /// The login was begun too long ago, in another browser, or is over already.
    Expired,
    /// The token is not taken.
    BadToken(TokenError),
    /// They showed who they are less surely than is asked.
    LowLevel,
    /// Nobody has given them access.
    Unknown,
    /// Their account is closed.
    Closed,
    /// None of their roles holds.
    NoRole,
    /// Too many at once.
    Busy,
}

/// Someone who is not let in, with what the login page tells them.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) reason: Reason,
    /// What they tell whoever gives access.
    pub(crate) code: Option<String>,
    /// Where they wanted to go.
    pub(crate) back: String,
}

/// What a provider's answer says (RFC 6749 section 4.1.2, RFC 9207 section 2).
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Answered {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Someone who is let in.
pub(crate) struct Entered {
    /// Their session.
    pub(crate) session: Secret,
    /// Where they wanted to go.
    pub(crate) back: String,
}

impl Reason {
    /// As the API and the audit log name it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ProviderAway => "provider_away",
            Self::Cancelled => "cancelled",
            Self::ProviderRefused => "provider_refused",
            Self::Expired => "expired",
            Self::BadToken(_) => "bad_token",
            Self::LowLevel => "low_level",
            Self::Unknown => "unknown",
            Self::Closed => "closed",
            Self::NoRole => "no_role",
            Self::Busy => "busy",
        }
    }
}

impl From<ProviderError> for Reason {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Away(_) | ProviderError::Answer(_) | ProviderError::Machine(_) => {
                Self::ProviderAway
            }
            ProviderError::Refused { .. } => Self::ProviderRefused,
            ProviderError::Token(TokenError::Level) => Self::LowLevel,
            ProviderError::Token(error) => Self::BadToken(error),
        }
    }
}

impl Providers {
    /// Prepares them; none is asked yet.
    ///
    /// # Errors
    /// If a key or a secret can't be read.
    pub(crate) fn open(access: Option<&AccessSettings>, clock: &Clock) -> anyhow::Result<Self> {
        let settings = access.map_or(&[][..], |access| &access.providers);
        let all = settings.iter().map(|one| Provider::open(one, clock.clone()));
        Ok(Self {
            all: all.collect::<anyhow::Result<_>>()?,
            exchanges: Semaphore::new(EXCHANGES_MAX),
            gate: Gate::default(),
        })
    }

    /// All, in the configuration's order.
    pub(crate) fn all(&self) -> &[Provider] {
        &self.all
    }

    /// The one with an id.
    pub(crate) fn find(&self, id: &str) -> Option<&Provider> {
        self.all.iter().find(|provider| provider.settings.id == id)
    }
}

/// Whether what the providers of a configuration need is there.
///
/// # Errors
/// What can't be read, and what to write instead.
pub fn check(access: Option<&AccessSettings>) -> Result<(), ConfigError> {
    access.map_or(Ok(()), |access| provider::check(&access.providers))
}

/// Begins a login: where the browser goes, and what it holds meanwhile.
///
/// # Errors
/// If the provider is away.
pub(crate) async fn begin(
    state: &State,
    provider: &Provider,
    back: &str,
    language: Option<&str>,
) -> Result<(String, String), Refused> {
    let refused = |reason| Refused {
        reason,
        code: None,
        back: safe(back).to_owned(),
    };
    let metadata = match provider.metadata().await {
        Ok(metadata) => metadata,
        Err(error) => {
            count(state, "refused");
            return Err(refused(error.into()));
        }
    };
    let failed = |error: anyhow::Error| {
        tracing::error!(error = &*error as &dyn std::error::Error, "begin a login");
        refused(Reason::Busy)
    };
    let started = Started::draw(&provider.settings.id, back, state.now()).map_err(failed)?;
    let sealed = started.seal(&state.key).map_err(failed)?;
    Ok((address(state, provider, &metadata, &started, language), sealed))
}

/// Where the browser is sent (OpenID Connect Core 1.0 section 3.1.2.1).
fn address(
    state: &State,
    provider: &Provider,
    metadata: &Metadata,
    started: &Started,
    language: Option<&str>,
) -> String {
    let settings = &provider.settings;
    let mut url = metadata.authorization_endpoint.0.clone();
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &settings.client_id)
        .append_pair("redirect_uri", &redirect_uri(state, provider))
        .append_pair("state", &started.state)
        .append_pair("nonce", &started.nonce)
        .append_pair("code_challenge", &started.challenge())
        .append_pair("code_challenge_method", "S256");
    // `profile` is for the name, which the two national ones do not give by it.
    let scope = match settings.profile {
        Profile::IdPorten | Profile::Ansattporten => "openid",
        Profile::EntraId | Profile::Generic => "openid profile",
    };
    query.append_pair("scope", scope);
    let levels = settings.levels();
    if settings.profile == Profile::EntraId {
        if let Some(context) = levels.first() {
            let claims = serde_json::json!({"id_token": {"acrs": {"essential": true, "value": context}}});
            query.append_pair("claims", &claims.to_string());
        }
    } else if !levels.is_empty() {
        query.append_pair("acr_values", &levels.join(" "));
    }
    if let Some(minutes) = settings.max_age_minutes {
        query.append_pair("max_age", &(u64::from(minutes) * 60).to_string());
    }
    if let Some(resource) = &settings.resource {
        let detail = serde_json::json!([{
            "type": token::detail_type(resource), "resource": resource, "representation_is_required": true,
        }]);
        query.append_pair("authorization_details", &detail.to_string());
    }
    if let Some(language) = language.filter(|language| ["nb", "nn", "en"].contains(language)) {
        query.append_pair("ui_locales", language);
    }
    drop(query);
    url.into()
}

/// Where the provider sends the browser back, as it must be registered there.
fn redirect_uri(state: &State, provider: &Provider) -> String {
    format!(
        "{}/api/v1/login/{}/callback",
        state.public_url, provider.settings.id
    )
}

/// Where the browser goes to be logged out at the provider too (RP-Initiated Logout 1.0). The token is not kept, and with it
/// not a person's number, so the provider is told only which client asks.
pub(crate) async fn ended(state: &State, session: &Session) -> Option<String> {
    let (id, _) = session.vouched.as_ref()?;
    let provider = state.providers.find(id)?;
    let mut url = provider.metadata().await.ok()?.end_session_endpoint.clone()?.0;
    url.query_pairs_mut()
        .append_pair("client_id", &provider.settings.client_id)
        .append_pair("post_logout_redirect_uri", &format!("{}/login", state.public_url));
    Some(url.into())
}

/// Ends a login that came back: lets someone in, or not. Either is noted, without whom the provider named.
///
/// # Errors
/// [`Refused`]; or the store is away.
pub(crate) async fn complete(
    state: &State,
    settings: &AccessSettings,
    provider: &Provider,
    sealed: Option<&str>,
    answered: Answered,
) -> anyhow::Result<Result<Entered, Refused>> {
    let now = state.now();
    let started = sealed
        .and_then(|sealed| Started::unseal(&state.key, sealed, now))
        .filter(|started| started.provider == provider.settings.id)
        .filter(|started| {
            let sent = answered.state.as_deref().unwrap_or_default();
            sent.len() == started.state.len()
                && openssl::memcmp::eq(sent.as_bytes(), started.state.as_bytes())
        });
    let Some(started) = started else {
        // Nobody here began it: any page can make a browser ask this, so it is counted and no more.
        count(state, "refused");
        return Ok(Err(Refused {
            reason: Reason::Expired,
            code: None,
            back: "/".to_owned(),
        }));
    };
    let mut write = state.store.begin().await?;
    let ends_at = Timestamp::from_nanos(started.ends_at);
    let digest = secret::digest(started.state.as_bytes());
    let is_first = Store::use_state(&mut write, &digest, now, ends_at).await?;
    write.commit().await?;
    let outcome = if is_first {
        vouched(state, provider, &started, &answered, now).await
    } else {
        Err(Reason::Expired)
    };
    match outcome {
        Ok(claims) => enter::enter(state, settings, provider, started, &claims).await,
        Err(reason) => refuse(state, provider, None, reason, None, started.back)
            .await
            .map(Err),
    }
}

/// The provider's word, if it holds.
async fn vouched(
    state: &State,
    provider: &Provider,
    started: &Started,
    answered: &Answered,
    now: Timestamp,
) -> Result<Claims, Reason> {
    let metadata = provider.metadata().await?;
    // Else an answer of another provider's could be passed off as this one's (RFC 9207 section 2.4).
    let is_its = match &answered.iss {
        Some(iss) => *iss == provider.settings.issuer(),
        None => !metadata.authorization_response_iss_parameter_supported,
    };
    if !is_its {
        return Err(Reason::BadToken(TokenError::Issuer));
    }
    if let Some(error) = &answered.error {
        return Err(if error == "access_denied" {
            Reason::Cancelled
        } else {
            Reason::ProviderRefused
        });
    }
    let code = answered
        .code
        .as_deref()
        .filter(|code| !code.is_empty() && code.len() <= PARAMETER_BYTES_MAX);
    let (Some(code), Some(verifier)) = (code, Secret::sent(&started.verifier)) else {
        return Err(Reason::ProviderRefused);
    };
    let place = tokio::time::timeout(EXCHANGE_WAIT, state.providers.exchanges.acquire()).await;
    let Ok(Ok(_place)) = place else {
        return Err(Reason::Busy);
    };
    let redirect_uri = redirect_uri(state, provider);
    let exchanged = provider
        .exchange(&metadata, code, &verifier, &redirect_uri, now)
        .await;
    let claims = exchanged
        .and_then(|claims| {
            claims.check(&provider.settings, &started.nonce, now)?;
            Ok(claims)
        })
        .inspect_err(|error| {
            tracing::warn!(provider = %provider.settings.id, error = error as &dyn std::error::Error, "end a login by an identity provider");
        })?;
    Ok(claims)
}

/// Counts and notes that someone is not let in: by their account's name where they have one, with the reason, and nothing
/// of what the provider said. Of very many only the first are noted.
async fn refuse(
    state: &State,
    provider: &Provider,
    account: Option<&Account>,
    reason: Reason,
    code: Option<String>,
    back: String,
) -> anyhow::Result<Refused> {
    count(state, "refused");
    let now = state.now();
    if state.providers.gate.lets(now) {
        let what = match reason {
            Reason::BadToken(error) => format!("{} {} {error}", provider.settings.id, reason.as_str()),
            _ => format!("{} {}", provider.settings.id, reason.as_str()),
        };
        let mut write = state.store.begin().await?;
        note_failure(&mut write, account, "login.refused", &what, now).await?;
        state.store.commit(write).await?;
    }
    Ok(Refused { reason, code, back })
}

fn count(state: &State, how: &str) {
    state.metrics.logins.with_label_values(&[how]).inc();
}
