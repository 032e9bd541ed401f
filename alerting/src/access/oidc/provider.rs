//! An identity provider over HTTP: what it says of itself (OpenID Connect Discovery 1.0), its keys, and the exchange of a code
//! for a token. Every request has a time limit, every answer a length limit, and nothing that is secret gets into an error.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use ingest_event::Timestamp;
use reqwest::{StatusCode, Url, redirect::Policy};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use tokio::sync::Mutex;

use super::{
    jose::{Keys, Signed, SigningKey},
    token::{Claims, TokenError},
};
use crate::{
    access::Secret,
    clock::Clock,
    config::{ConfigError, ProviderSettings, SecretIn, is_safe, read_text},
};

/// A provider that takes longer is away: somebody waits for the page.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read. A discovery document has 10 KiB, a key set a few more with certificates.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// For so long what a provider says of itself holds: each login asks anew, a crowd does not.
const FRESH: Duration = Duration::from_secs(60);
/// For so long one that can't be reached is not asked again.
const AWAY: Duration = Duration::from_secs(10);
/// Keys are fetched again when a token names one that is not known; no more often than this in a minute.
const REFETCHES_MAX: u32 = 5;
const REFETCH_WINDOW: Duration = Duration::from_secs(60);
/// An assertion is for the request that carries it (RFC 7523 section 3); ID-porten takes two minutes at most.
const ASSERTION_SECONDS: i64 = 60;

/// Why a provider did not do its part. No variant holds what was sent or answered.
#[derive(Debug, Error)]
pub(crate) enum ProviderError {
    /// It can't be reached, or does not answer in time.
    #[error("it can't be reached: {0}")]
    Away(String),
    /// It answers what can't be used.
    #[error("its {0}")]
    Answer(String),
    /// It refuses the code, or this service.
    #[error("its token endpoint refused with {status} {error}")]
    Refused {
        /// The status.
        status: u16,
        /// The error's code (RFC 6749 section 5.2).
        error: String,
    },
    /// Its token is not taken.
    #[error("its token is not taken: {0}")]
    Token(#[from] TokenError),
    /// This machine fails.
    #[error("{0:#}")]
    Machine(anyhow::Error),
}

/// What a provider says of itself, as far as it is looked at.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: Address,
    token_endpoint: Address,
    jwks_uri: Address,
    #[serde(default)]
    pub(super) end_session_endpoint: Option<Address>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    /// Whether its answers name it (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// Where something is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Address(pub(super) Url);

impl TryFrom<String> for Address {
    type Error = <Url as std::str::FromStr>::Err;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Url::parse(&text).map(Self)
    }
}

/// How this service shows that it is the client that was registered.
#[derive(Clone)]
enum Credential {
    Key(SigningKey),
    Secret(String, SecretIn),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// One provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) settings: ProviderSettings,
    credential: Credential,
    client: reqwest::Client,
    clock: Clock,
    /// Behind one lock each, so that a crowd asks once.
    metadata: Mutex<Known>,
    keys: Mutex<KnownKeys>,
}

#[derive(Debug, Default)]
struct Known {
    /// When it was last asked, by the monotonic clock, and whether it answered.
    asked: Option<(Duration, Result<(), String>)>,
    metadata: Option<Arc<Metadata>>,
}

#[derive(Debug, Default)]
struct KnownKeys {
    keys: Keys,
    is_fetched: bool,
    window: Option<Duration>,
    fetches: u32,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

#[derive(Default, Deserialize)]
struct TokenRefusal {
    #[serde(default)]
    error: String,
}

impl Provider {
    /// Reads the key or the secret, and prepares the client.
    ///
    /// # Errors
    /// If a file or variable can't be read or does not hold what it should.
    pub(super) fn open(settings: &ProviderSettings, clock: Clock) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            // A redirect could lead what is secret elsewhere.
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .user_agent(concat!("varde/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            settings: settings.clone(),
            credential: credential(settings)?,
            client,
            clock,
            metadata: Mutex::default(),
            keys: Mutex::default(),
        })
    }

    /// Whether it answered when it was last asked, which was not long ago.
    pub(crate) async fn is_there(&self) -> bool {
        self.metadata().await.is_ok()
    }

    /// What it says of itself: within [`FRESH`] what it said before.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        let mut known = self.metadata.lock().await;
        let now = self.clock.read().monotonic;
        if let Some((at, outcome)) = &known.asked
            && now.saturating_sub(*at) < if outcome.is_ok() { FRESH } else { AWAY }
        {
            return match (outcome, &known.metadata) {
                (Ok(()), Some(metadata)) => Ok(Arc::clone(metadata)),
                (Err(told), _) => Err(ProviderError::Away(told.clone())),
                (Ok(()), None) => Err(ProviderError::Away("not asked yet".to_owned())),
            };
        }
        let outcome = self.discover().await;
        // Only for whoever keeps the service: which provider, and that it is away.
        if let Err(error) = &outcome {
            tracing::warn!(provider = %self.settings.id, error = error as &dyn std::error::Error, "ask an identity provider");
        }
        known.asked = Some((now, outcome.as_ref().map(|_| ()).map_err(ToString::to_string)));
        let metadata = Arc::new(outcome?);
        known.metadata = Some(Arc::clone(&metadata));
        Ok(metadata)
    }

    async fn discover(&self) -> Result<Metadata, ProviderError> {
        let issuer = self.settings.issuer();
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let (_, body) = self.ask(self.client.get(url)).await?;
        let metadata: Metadata = serde_json::from_slice(&body)
            .map_err(|_| ProviderError::Answer("discovery document can't be read".to_owned()))?;
        let wrong = |what: &str| Err(ProviderError::Answer(format!("discovery document {what}")));
        // Else one provider could speak for another (OpenID Connect Discovery 1.0 section 4.3).
        if metadata.issuer != issuer {
            return wrong("names another issuer than the configuration");
        }
        let urls = [
            Some(&metadata.authorization_endpoint),
            Some(&metadata.token_endpoint),
            Some(&metadata.jwks_uri),
            metadata.end_session_endpoint.as_ref(),
        ];
        if !urls.into_iter().flatten().all(|address| is_safe(&address.0)) {
            return wrong("names an address without https");
        }
        let methods = &metadata.code_challenge_methods_supported;
        if methods
            .as_ref()
            .is_some_and(|some| !some.iter().any(|method| method == "S256"))
        {
            return wrong("knows no PKCE by S256");
        }
        Ok(metadata)
    }

    /// Exchanges a code for a token, and the token for what it says, if it is signed rightly.
    pub(super) async fn exchange(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &Secret,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<Claims, ProviderError> {
        let mut form = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", redirect_uri.to_owned()),
            ("code_verifier", verifier.as_str().to_owned()),
        ];
        let mut request = self.client.post(metadata.token_endpoint.0.clone());
        let client_id = &self.settings.client_id;
        match &self.credential {
            Credential::Key(key) => {
                let seconds = now.as_millis().div_euclid(1_000);
                let id = Secret::draw().map_err(ProviderError::Machine)?;
                // The issuer, and nothing else, is whom it is for: any other address could be another provider's.
                let assertion = json!({
                    "iss": client_id, "sub": client_id, "aud": self.settings.issuer(), "jti": id.as_str(),
                    "iat": seconds, "exp": seconds + ASSERTION_SECONDS,
                });
                let assertion = key
                    .sign(&assertion)
                    .map_err(|error| ProviderError::Machine(error.into()))?;
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                form.push(("client_id", client_id.clone()));
                form.push(("client_assertion_type", kind.to_owned()));
                form.push(("client_assertion", assertion));
            }
            Credential::Secret(secret, SecretIn::Post) => {
                form.push(("client_id", client_id.clone()));
                form.push(("client_secret", secret.clone()));
            }
            Credential::Secret(secret, SecretIn::Basic) => {
                let pair = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)));
                request = request.header("authorization", format!("Basic {pair}"));
            }
        }
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form_of(&form));
        let (status, body) = self.send(request).await?;
        if !status.is_success() {
            let refusal: TokenRefusal = serde_json::from_slice(&body).unwrap_or_default();
            let error = refusal
                .error
                .chars()
                .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_');
            return Err(ProviderError::Refused {
                status: status.as_u16(),
                error: error.take(64).collect(),
            });
        }
        let answer: TokenAnswer = serde_json::from_slice(&body)
            .map_err(|_| ProviderError::Answer("token endpoint gave no ID token".to_owned()))?;
        let body = self.verified(metadata, &answer.id_token).await?;
        Ok(Claims::read(&body)?)
    }

    /// What a token says, if one of the provider's keys signed it. They are fetched again for one that is not known.
    async fn verified(&self, metadata: &Metadata, token: &str) -> Result<Vec<u8>, ProviderError> {
        let mut known = self.keys.lock().await;
        let mut seen = if known.is_fetched {
            known.keys.verify(token)
        } else {
            Signed::ByUnknownKey
        };
        if seen == Signed::ByUnknownKey && known.may_fetch(self.clock.read().monotonic) {
            let (_, body) = self.ask(self.client.get(metadata.jwks_uri.0.clone())).await?;
            known.keys =
                Keys::read(&body).map_err(|_| ProviderError::Answer("keys can't be read".to_owned()))?;
            known.is_fetched = true;
            seen = known.keys.verify(token);
        }
        match seen {
            Signed::Rightly(body) => Ok(body),
            Signed::ByUnknownKey => Err(TokenError::Key.into()),
            Signed::Wrongly => Err(TokenError::Signature.into()),
        }
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), ProviderError> {
        let (status, body) = self.send(request.header("accept", "application/json")).await?;
        if status.is_success() {
            Ok((status, body))
        } else {
            Err(ProviderError::Away(format!("it answered {}", status.as_u16())))
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), ProviderError> {
        // An address may hold what is secret: it stays out of the text.
        let away = |error: reqwest::Error| ProviderError::Away(told(&error.without_url()));
        let mut answer = request.send().await.map_err(away)?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(away)? {
            if BODY_BYTES_MAX < body.len() + part.len() {
                return Err(ProviderError::Answer(format!(
                    "answer is longer than {BODY_BYTES_MAX} bytes"
                )));
            }
            body.extend_from_slice(&part);
        }
        Ok((answer.status(), body))
    }
}

impl KnownKeys {
    /// Counts a fetch, if there were not too many lately.
    fn may_fetch(&mut self, now: Duration) -> bool {
        let is_new = self
            .window
            .is_none_or(|since| REFETCH_WINDOW <= now.saturating_sub(since));
        if is_new {
            self.window = Some(now);
            self.fetches = 0;
        }
        self.fetches = self.fetches.saturating_add(1);
        self.fetches <= REFETCHES_MAX
    }
}

/// Reads how this service shows that it is the client.
///
/// # Errors
/// What can't be read, and what to write instead.
fn credential(settings: &ProviderSettings) -> Result<Credential, ConfigError> {
    let no_key = |path: &std::path::Path, mend: &str| ConfigError::Value {
        path: path.to_owned(),
        key: "access.providers",
        mend: format!("`{}`: {mend}", settings.id),
    };
    if let Some(path) = &settings.key_file {
        let certificates = match &settings.certificate_file {
            Some(path) => read_text(path)?,
            None => String::new(),
        };
        return SigningKey::read(
            read_text(path)?.as_bytes(),
            settings.key_id.clone(),
            certificates.as_bytes(),
        )
        .map(Credential::Key)
        .map_err(|mend| no_key(path, mend));
    }
    let secret = match (&settings.secret_file, &settings.secret_env) {
        (Some(path), _) => read_text(path)?,
        (None, Some(name)) => std::env::var(name).map_err(|_| {
            no_key(
                std::path::Path::new("the environment"),
                &format!("set the variable {name}"),
            )
        })?,
        (None, None) => String::new(),
    };
    let secret = secret.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        let place = settings
            .secret_file
            .clone()
            .unwrap_or_else(|| "the environment".into());
        return Err(no_key(&place, "the secret is empty"));
    }
    Ok(Credential::Secret(secret.to_owned(), settings.secret_in))
}

/// Whether what each provider needs is there: for `check`.
///
/// # Errors
/// What can't be read, and what to write instead.
pub(super) fn check(providers: &[ProviderSettings]) -> Result<(), ConfigError> {
    providers
        .iter()
        .try_for_each(|settings| credential(settings).map(|_| ()))
}

/// The body of a form.
fn form_of(pairs: &[(&str, String)]) -> String {
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// As a value in a form or an address (`application/x-www-form-urlencoded`; RFC 6749 appendix B).
pub(crate) fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    bytes.collect()
}

fn told(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        format!("no answer within {} s", TIMEOUT.as_secs())
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the request failed".to_owned()
    }
}
