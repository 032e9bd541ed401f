//! From a code to a certificate: a key made on site, an authority compared with the code, a request, and a person who
//! approves it.
//!
//! Every step leaves its file in [`Trust`] whole, so a sensor that is killed goes on where it was. It asks for as long as
//! it takes; only a refusal ends it.

use std::time::Duration;

use ingest_trust::wire::{Ask, Reason};
use ingest_trust::{EnrolmentCode, SensorKey};
use openssl::error::ErrorStack;
use openssl::x509::X509;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::gateway::{self, Answer, Gateway};
use super::identity::{Before, Identity, Trust, TrustError, is_pinned};

/// The shortest pause between questions, whatever the gateway says.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest: whoever approves a sensor sees it come within this.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Between questions of a sensor that was revoked: minds change, but not often.
pub(crate) const REVOKED_PAUSE: Duration = Duration::from_hours(1);

/// The fingerprint is told again after so many questions: whoever looks at the log finds it near its end.
const TOLD_EVERY: u32 = 10;

/// A machine's name is as long as this at most.
const HOST_CHARS_MAX: usize = 64;

/// Why a sensor has no certificate.
#[derive(Debug, Error)]
pub enum EnrolError {
    /// What is kept can't be used.
    #[error("enrol the sensor")]
    Trust(#[from] TrustError),
    /// The sensor believes another centre.
    #[error(
        "the enrolment code is of another centre than the one this sensor is enrolled at; to change, stop it and remove \
         the folder {0}"
    )]
    OtherCentre(String),
    /// The centre said no.
    #[error("the centre refuses this sensor: {0}; ask the centre for a new enrolment code")]
    Refused(String),
    /// Told to stop meanwhile.
    #[error("stopped before the sensor was approved")]
    Stopped,
    /// OpenSSL's.
    #[error("use a key")]
    OpenSsl(#[from] ErrorStack),
}

/// A sensor that is enrolled, and its way to the gateway.
#[derive(Debug)]
pub struct Enrolled {
    /// Who it is.
    pub identity: Identity,
    /// The way.
    pub gateway: Gateway,
}

/// Enrols a sensor, or finds that it is. Without a way to the gateway an enrolled one starts all the same.
///
/// # Errors
/// [`EnrolError`].
pub async fn enrol(
    code: &EnrolmentCode,
    trust: &Trust,
    stop: &CancellationToken,
) -> Result<Enrolled, EnrolError> {
    let key = trust.key()?;
    let authority = authority(code, trust, stop).await?;
    let gateway = loop {
        match Gateway::new(code, trust.clone(), &authority) {
            Ok(gateway) => break gateway,
            Err(error) => {
                tracing::error!(
                    error = format!("{:#}", anyhow::Error::new(error)),
                    "prepare the way to the gateway"
                );
                pause(PAUSE_MAX, stop).await?;
            }
        }
    };
    if let Some(identity) = trust.identity()? {
        return Ok(Enrolled { identity, gateway });
    }
    let identity = wait(code, trust, &key, &authority, &gateway, stop).await?;
    Ok(Enrolled { identity, gateway })
}

/// The authority that is kept, if it is the code's; else the one that the gateway shows.
async fn authority(
    code: &EnrolmentCode,
    trust: &Trust,
    stop: &CancellationToken,
) -> Result<X509, EnrolError> {
    if let Some(kept) = trust.authority()? {
        if !is_pinned(&kept, code.authority).unwrap_or(false) {
            return Err(EnrolError::OtherCentre(trust.folder().display().to_string()));
        }
        return Ok(kept);
    }
    let mut pauses = Pauses::default();
    loop {
        match unless_stopped(gateway::authority_of(code), stop).await? {
            Ok((authority, _)) => {
                trust.keep_authority(&authority)?;
                return Ok(authority);
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(error, "the centre can't be reached yet; trying again");
            }
        }
        pause(pauses.next(PAUSE_MIN), stop).await?;
    }
}

/// Asks until a person has decided.
async fn wait(
    code: &EnrolmentCode,
    trust: &Trust,
    key: &SensorKey,
    authority: &X509,
    gateway: &Gateway,
    stop: &CancellationToken,
) -> Result<Identity, EnrolError> {
    let ask = ask(key, Some(code.secret()))?;
    let spoken = key.fingerprint()?.spoken();
    let mut pauses = Pauses::default();
    for question in 0_u32.. {
        let again = match unless_stopped(gateway.ask(&ask), stop).await? {
            Ok(Answer::Certified(certified)) => {
                let before = trust
                    .enrolled_as()?
                    .map_or(Before::Code(code.keys), Before::Enrolled);
                match Identity::checked(&certified, key, authority, before) {
                    Ok(identity) => {
                        let identity = trust.keep(identity, &certified.certificate)?;
                        tracing::info!(fingerprint = spoken, "the centre approved this sensor");
                        return Ok(identity);
                    }
                    Err(error) => {
                        let error = format!("{:#}", anyhow::Error::new(error));
                        tracing::error!(error, "the certificate is not believed; asking again");
                        PAUSE_MAX
                    }
                }
            }
            Ok(Answer::Wait(wait)) => {
                if question.is_multiple_of(TOLD_EVERY) {
                    tracing::warn!("waiting for approval: tell the centre this fingerprint: {spoken}");
                }
                Duration::from_secs(wait.again_secs)
            }
            Ok(Answer::Refused(refused)) => match refused.reason {
                Reason::Code | Reason::Denied | Reason::Request => {
                    return Err(EnrolError::Refused(refused.detail));
                }
                Reason::Revoked => {
                    tracing::error!("the centre has revoked this sensor; asking again in an hour");
                    pause(REVOKED_PAUSE, stop).await?;
                    continue;
                }
                Reason::Certificate
                | Reason::Forbidden
                | Reason::TooLarge
                | Reason::Body
                | Reason::Busy
                | Reason::Away => {
                    tracing::warn!(
                        error = refused.detail,
                        "the centre can't answer yet; trying again"
                    );
                    PAUSE_MIN
                }
            },
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(error, "the centre can't be reached; trying again");
                PAUSE_MIN
            }
        };
        pause(pauses.next(again), stop).await?;
    }
    Err(EnrolError::Stopped)
}

/// What the sensor says of itself when it asks.
pub(crate) fn ask(key: &SensorKey, secret: Option<String>) -> Result<Ask, ErrorStack> {
    Ok(Ask {
        request: key.request()?,
        secret,
        host: host(),
        program: crate::VERSION.to_owned(),
    })
}

/// The machine's name, for the person who approves.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let letters = name.trim().chars().filter(|letter| !letter.is_control());
    letters.take(HOST_CHARS_MAX).collect()
}

/// Pauses that grow: half as long again each time.
#[derive(Debug, Default)]
struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    /// The next one; no shorter than the gateway says, as far as [`PAUSE_MAX`].
    fn next(&mut self, again: Duration) -> Duration {
        let grown = self
            .last
            .map_or(Duration::ZERO, |last| last.saturating_mul(3) / 2);
        let next = grown.max(again).clamp(PAUSE_MIN, PAUSE_MAX);
        self.last = Some(next);
        next
    }
}

async fn pause(pause: Duration, stop: &CancellationToken) -> Result<(), EnrolError> {
    unless_stopped(tokio::time::sleep(pause), stop).await
}

/// What comes of it, unless told to stop before: a gateway may take its time.
async fn unless_stopped<T>(
    waiting: impl Future<Output = T>,
    stop: &CancellationToken,
) -> Result<T, EnrolError> {
    tokio::select! {
        () = stop.cancelled() => Err(EnrolError::Stopped),
        done = waiting => Ok(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_what_the_gateway_says_and_have_an_end() {
        let mut pauses = Pauses::default();
        let secs = |secs| Duration::from_secs(secs);
        assert_eq!(pauses.next(secs(0)), secs(1));
        assert_eq!(pauses.next(secs(10)), secs(10));
        assert_eq!(pauses.next(secs(10)), secs(15));
        assert_eq!(pauses.next(secs(86_400)), PAUSE_MAX);
        assert_eq!(pauses.next(secs(0)), PAUSE_MAX);
    }
}
