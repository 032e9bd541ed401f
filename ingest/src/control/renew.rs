//! When a certificate is renewed, and how: by a request that the sensor's own key signs, so also long after it ended.
//!
//! The new file takes the place of the old one as a whole; whoever speaks to the gateway sees it and begins anew. Nothing
//! restarts.

use std::time::Duration;

use ingest_event::Timestamp;
use ingest_trust::wire::{Reason, Wait};
use openssl::error::ErrorStack;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::enrol::ask;
use super::gateway::{Answer, Gateway, GatewayError};
use super::identity::{Before, Identity, Trust, TrustError, Unbelieved};

/// The first pause after a failure; doubled each time, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(5);

/// The longest: a line that is back after a month brings a certificate within this.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// Sensors spread over this part of a certificate's life, so that those that were enrolled together do not come together.
const SPREAD: i64 = 8;

/// Why a certificate is not renewed.
#[derive(Debug, Error)]
pub enum RenewError {
    /// No answer.
    #[error("ask for a certificate")]
    Gateway(#[from] GatewayError),
    /// The centre said no.
    #[error("the centre refuses a certificate: {detail}")]
    Refused {
        /// Why.
        reason: Reason,
        /// For people.
        detail: String,
    },
    /// The centre does not know the key any more.
    #[error("the centre has yet to approve this sensor again; tell it this fingerprint: {}", .0.fingerprint.spoken())]
    Waiting(Wait),
    /// What came is not believed.
    #[error("believe the new certificate")]
    Unbelieved(#[from] Unbelieved),
    /// What is kept can't be used.
    #[error("keep the new certificate")]
    Trust(#[from] TrustError),
    /// There is no authority to believe.
    #[error("the sensor is not enrolled")]
    NotEnrolled,
    /// OpenSSL's.
    #[error("use a key")]
    OpenSsl(#[from] ErrorStack),
}

/// When a certificate that is good from `start` to `end` is renewed: after half of its life and as much more of an eighth
/// as the sensor's name says.
#[must_use]
pub fn due(start: Timestamp, end: Timestamp, sensor: &str) -> Timestamp {
    let life = i64::try_from(end.since(start).as_millis()).unwrap_or(i64::MAX);
    let digest = Sha256::digest(sensor.as_bytes());
    let share = digest
        .iter()
        .take(2)
        .fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
    // Life first made small: it may be a decade, and the share has 16 bits.
    let jitter = (life / SPREAD) / (1 << 16) * share;
    let after = u64::try_from(life / 2 + jitter).unwrap_or(0);
    start.saturating_add(Duration::from_millis(after))
}

/// The pause after so many failures in a row.
#[must_use]
pub fn pause(failures: u32) -> Duration {
    PAUSE_MIN
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(PAUSE_MAX)
}

/// Asks for a new certificate and puts it in the place of the old one. `secret` is the enrolment code's; it is shown only
/// to a centre that does not know the key any more.
///
/// # Errors
/// [`RenewError`].
pub async fn renew(gateway: &Gateway, trust: &Trust, secret: Option<String>) -> Result<Identity, RenewError> {
    let key = trust.key()?;
    let authority = trust.authority()?.ok_or(RenewError::NotEnrolled)?;
    let mut answer = gateway.ask(&ask(&key, None)?).await?;
    let is_unknown = matches!(&answer, Answer::Refused(refused) if refused.reason == Reason::Code);
    if is_unknown && secret.is_some() {
        answer = gateway.ask(&ask(&key, secret)?).await?;
    }
    match answer {
        Answer::Certified(certified) => {
            let before = trust.enrolled_as()?.ok_or(RenewError::NotEnrolled)?;
            let identity = Identity::checked(&certified, &key, &authority, Before::Enrolled(before))?;
            Ok(trust.keep(identity, &certified.certificate)?)
        }
        Answer::Wait(wait) => Err(RenewError::Waiting(wait)),
        Answer::Refused(refused) => Err(RenewError::Refused {
            reason: refused.reason,
            detail: refused.detail,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_renewed_after_half_of_their_life_and_not_all_at_once() {
        let start = Timestamp::from_millis(1_790_000_000_000);
        let day = Duration::from_hours(24);
        let end = start.saturating_add(day * 8);
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..20 {
            let at = due(start, end, &format!("sensor-{number}"));
            assert_eq!(
                at,
                due(start, end, &format!("sensor-{number}")),
                "it is no chance"
            );
            assert!(start.saturating_add(day * 4) <= at, "{at}");
            assert!(at < start.saturating_add(day * 5), "{at}");
            seen.insert(at);
        }
        assert_eq!(seen.len(), 20);
        assert!(
            due(end, start, "sensor-1") >= end.min(start),
            "times that are none do no harm"
        );
    }

    #[test]
    fn pauses_grow_and_have_an_end() {
        assert_eq!(pause(1), PAUSE_MIN);
        assert_eq!(pause(2), PAUSE_MIN * 2);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }
}
