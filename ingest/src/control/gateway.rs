//! Asks the gateway, over HTTPS, as [`ingest_trust::wire`] says; believes only the authority of the enrolment code.
//!
//! Answers are bounded before they are read. Whether an envelope or a certificate is good is not decided here.

use std::time::Duration;

use ingest_bus::uplink;
use ingest_event::Timestamp;
use ingest_trust::EnrolmentCode;
use ingest_trust::authority;
use ingest_trust::code::Pin;
use ingest_trust::manifest::{ENVELOPE_BYTES_MAX, PART_BYTES, digest};
use ingest_trust::reveal::{self, Answer as Told};
use ingest_trust::signing::Envelope;
use ingest_trust::wire::{Ask, Certified, Reason, Refused, Report, Wait};
use openssl::x509::X509;
use reqwest::header::{DATE, ETAG, IF_NONE_MATCH};
use reqwest::{
    Certificate, Client, ClientBuilder, Identity, RequestBuilder, Response, StatusCode, redirect, tls,
};
use thiserror::Error;

use super::files;
use super::identity::Trust;

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long a connection is kept that nobody uses: shorter than what stands between forgets it after.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// How long an answer may take: a part over a line of 100 kbit/s.
const ANSWER_MAX: Duration = Duration::from_secs(90);

/// An answer that is no part and no envelope has so many bytes at most.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// All questions that one organisation can be asked at once, with what stands between them.
const QUESTIONS_BYTES_MAX: usize = reveal::OPEN_MAX * (reveal::ENVELOPE_BYTES_MAX + 1) + 2;

/// The gateway, as a sensor sees it.
#[derive(Debug)]
pub struct Gateway {
    url: String,
    trust: Trust,
    /// Without a certificate.
    open: Client,
    /// With the certificate that it was made with.
    own: Option<(Vec<u8>, Client)>,
}

/// What comes of asking for a certificate.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Here it is; not checked yet.
    Certified(Certified),
    /// A person has yet to decide.
    Wait(Wait),
    /// No.
    Refused(Refused),
}

/// What the centre wants to be run.
#[derive(Clone, Debug)]
pub enum Offer {
    /// What it was.
    Same,
    /// Nothing.
    None,
    /// This; nothing in it is believed yet.
    Envelope {
        /// The bytes.
        bytes: Vec<u8>,
        /// Shown the next time, so that nothing travels twice.
        tag: Option<String>,
    },
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The network, or who answers is not believed.
    #[error("reach the gateway")]
    Away(#[from] reqwest::Error),
    /// The gateway said no.
    #[error("the gateway refuses: {0}")]
    Refused(Refusal),
    /// Something that no gateway says.
    #[error("understand the gateway's answer: {0}")]
    Odd(String),
    /// Key or certificate can't be used.
    #[error("read key and certificate")]
    Files(#[from] std::io::Error),
    /// The authority at the address is another than the code says.
    #[error(
        "whoever answers at the gateway's address is not the centre of the enrolment code: is something between?"
    )]
    Imposter,
}

/// A refusal, with its status.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The reason, where one was given.
    pub refused: Option<Refused>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.refused {
            Some(refused) => f.write_str(&refused.detail),
            None => write!(f, "status {}", self.status),
        }
    }
}

impl GatewayError {
    /// The gateway's reason, where it has one.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(refusal) => refusal.refused.as_ref().map(|refused| refused.reason),
            Self::Away(_) | Self::Odd(_) | Self::Files(_) | Self::Imposter => None,
        }
    }
}

/// Asks whoever answers at the code's gateway for its authority, and compares it with the code. Nothing is shown to it.
/// With the clock that it shows, to the second: no one vouches for it, but it tells why certificates are not believed.
///
/// # Errors
/// [`GatewayError`].
pub async fn authority_of(code: &EnrolmentCode) -> Result<(X509, Option<Timestamp>), GatewayError> {
    let client = builder().tls_danger_accept_invalid_certs(true).build()?;
    let url = format!("https://{}/v1/authority", code.gateway);
    let response = accepted(client.get(url).send().await?).await?;
    let clock = date(&response);
    let pem = body(response, ANSWER_BYTES_MAX).await?;
    Ok((believed(&pem, code.authority)?, clock))
}

fn believed(pem: &[u8], pin: Pin) -> Result<X509, GatewayError> {
    let authority = X509::from_pem(pem).map_err(|_| GatewayError::Imposter)?;
    match authority::pin(&authority) {
        Ok(found) if found == pin => Ok(authority),
        Ok(_) | Err(_) => Err(GatewayError::Imposter),
    }
}

impl Gateway {
    /// The gateway of a code, believed only with this authority.
    ///
    /// # Errors
    /// If the authority can't be used.
    pub fn new(code: &EnrolmentCode, trust: Trust, authority: &X509) -> Result<Self, GatewayError> {
        let authority = authority
            .to_der()
            .map_err(|error| GatewayError::Odd(error.to_string()))?;
        let open = builder()
            .tls_certs_only([Certificate::from_der(&authority)?])
            .build()?;
        Ok(Self {
            url: format!("https://{}", code.gateway),
            trust,
            open,
            own: None,
        })
    }

    /// Asks for a certificate: the sensor's key is proof enough, no certificate is needed.
    ///
    /// # Errors
    /// [`GatewayError`], where the answer is none of [`Answer`].
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, GatewayError> {
        let response = self
            .open
            .post(self.at("/v1/certificate"))
            .json(ask)
            .send()
            .await?;
        let status = response.status();
        let body = body(response, ANSWER_BYTES_MAX).await?;
        match status {
            StatusCode::OK => understood(&body).map(Answer::Certified),
            StatusCode::ACCEPTED => understood(&body).map(Answer::Wait),
            other => match serde_json::from_slice(&body) {
                Ok(refused) => Ok(Answer::Refused(refused)),
                Err(_) => Err(GatewayError::Refused(Refusal {
                    status: other.as_u16(),
                    refused: None,
                })),
            },
        }
    }

    /// The newest bundle that is offered, unless it is the one of `tag`.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn offer(&mut self, tag: Option<&str>) -> Result<Offer, GatewayError> {
        let url = self.at("/v1/control");
        let mut request = self.own()?.get(url);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let response = request.send().await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Offer::Same);
        }
        let response = accepted(response).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Offer::None);
        }
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        let tag = tag.map(str::to_owned);
        let bytes = body(response, ENVELOPE_BYTES_MAX).await?;
        Ok(Offer::Envelope { bytes, tag })
    }

    /// A part of a bundle, checked against its name.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn part(&mut self, name: &str) -> Result<Vec<u8>, GatewayError> {
        let url = self.at(&format!("/v1/parts/{name}"));
        let response = accepted(self.own()?.get(url).send().await?).await?;
        let bytes = body(response, PART_BYTES).await?;
        if digest(&bytes) == name {
            Ok(bytes)
        } else {
            Err(GatewayError::Odd(
                "a part of the bundle is not what was signed".to_owned(),
            ))
        }
    }

    /// Says how the sensor fares.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn tell(&mut self, report: &Report) -> Result<(), GatewayError> {
        let url = self.at("/v1/status");
        let request: RequestBuilder = self.own()?.post(url);
        accepted(request.json(report).send().await?).await.map(drop)
    }

    /// The envelopes of the questions that the sensor is asked; nothing in them is believed yet.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn questions(&mut self) -> Result<Vec<Vec<u8>>, GatewayError> {
        let url = self.at("/v1/reveals");
        let response = accepted(self.own()?.get(url).send().await?).await?;
        let bytes = body(response, QUESTIONS_BYTES_MAX).await?;
        let envelopes: Vec<Envelope> = understood(&bytes)?;
        Ok(envelopes.iter().map(Envelope::to_bytes).collect())
    }

    /// Answers one of them.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn answer(&mut self, answer: &Told) -> Result<(), GatewayError> {
        let url = self.at("/v1/reveals");
        let request: RequestBuilder = self.own()?.post(url);
        accepted(request.json(answer).send().await?).await.map(drop)
    }

    /// Whether the gateway answers, and is believed, without a certificate of ours.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn answers(&self) -> Result<(), GatewayError> {
        let response = self.open.get(self.at("/v1/authority")).send().await?;
        accepted(response).await.map(drop)
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The client with our certificate; another one after a renewal.
    fn own(&mut self) -> Result<&Client, GatewayError> {
        let read = |name| files::read(&self.trust.folder().join(name)).map(Option::unwrap_or_default);
        let certificate = read(uplink::CERTIFICATE_FILE)?;
        let is_kept = self.own.as_ref().is_some_and(|(made, _)| *made == certificate);
        if !is_kept {
            let authority = Certificate::from_pem(&read(uplink::AUTHORITY_FILE)?)?;
            let identity = Identity::from_pkcs8_pem(&certificate, &read(uplink::KEY_FILE)?)?;
            let client = builder().tls_certs_only([authority]).identity(identity).build()?;
            self.own = Some((certificate, client));
        }
        match &self.own {
            Some((_, client)) => Ok(client),
            None => Ok(&self.open),
        }
    }
}

/// What an answer says of the time (RFC 9110 section 6.6.1).
fn date(response: &Response) -> Option<Timestamp> {
    let date = response.headers().get(DATE)?.to_str().ok()?;
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let time = parser.parse_timestamp(date).ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

fn builder() -> ClientBuilder {
    Client::builder()
        .https_only(true)
        .no_proxy()
        .tls_version_min(tls::Version::TLS_1_3)
        .pool_idle_timeout(IDLE_MAX)
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_MAX)
        .timeout(ANSWER_MAX)
}

/// The answer, or the reason for none.
async fn accepted(response: Response) -> Result<Response, GatewayError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = body(response, ANSWER_BYTES_MAX).await.unwrap_or_default();
    Err(GatewayError::Refused(Refusal {
        status: status.as_u16(),
        refused: serde_json::from_slice(&body).ok(),
    }))
}

async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, GatewayError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes_max < bytes.len() + chunk.len() {
            return Err(GatewayError::Odd(format!("it has more than {bytes_max} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn understood<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, GatewayError> {
    serde_json::from_slice(body).map_err(|error| GatewayError::Odd(error.to_string()))
}
