//! What a sensor and the gateway say to each other over HTTPS; documented for others in `docs/gateway.md`.
//!
//! | request | with certificate | answer |
//! |---|---|---|
//! | `GET /v1/authority` | no | the authority's certificate, PEM |
//! | `POST /v1/certificate` [`Ask`] | no | 200 [`Certified`], 202 [`Wait`], 403 and 429 [`Refused`] |
//! | `POST /v1/records/{events\|quarantine}` | yes | 204 when all are durable, else [`Refused`] |
//! | `GET /v1/control` | yes | the newest envelope for this sensor; 304 with `If-None-Match`; 204 if there is none |
//! | `GET /v1/parts/{digest}` | yes | a part's bytes |
//! | `POST /v1/status` [`Report`] | yes | 204 |
//! | `GET /v1/reveals` | yes | the questions to this sensor: a JSON list of envelopes |
//! | `POST /v1/reveals` [`crate::reveal::Answer`] | yes | 204 when it is durable |

use ingest_event::Zone;
use serde::{Deserialize, Serialize};

use crate::key::Fingerprint;
use crate::signing::VerifyingKey;

/// Asks for a certificate: the first time with the code's secret, later without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// PKCS #10, PEM.
    pub request: String,
    /// The code's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The name of the machine, for the person who approves.
    pub host: String,
    /// The program's version.
    pub program: String,
}

/// A certificate and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// PEM.
    pub certificate: String,
    /// The authority's, PEM.
    pub authority: String,
    /// Who the sensor is.
    pub sensor: String,
    /// Whose it is.
    pub organization: String,
    /// Where it listens, if the centre said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// The keys under bundles, as the centre has them; a sensor that has some keeps its own.
    pub keys: Vec<VerifyingKey>,
}

/// A person has yet to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Of the sensor's key: what both sides compare.
    pub fingerprint: Fingerprint,
    /// When to ask again.
    pub again_secs: u64,
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Stable.
    pub reason: Reason,
    /// For people.
    pub detail: String,
    /// The record that will never be taken, from 0, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<usize>,
    /// What a record may have, with [`Reason::TooLarge`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_bytes_max: Option<usize>,
}

/// The reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The code is wrong, out of date or used.
    Code,
    /// The request is none.
    Request,
    /// Turned down, or another key took its place.
    Denied,
    /// Let in no more.
    Revoked,
    /// No certificate, or none of a sensor.
    Certificate,
    /// Not what this sensor may write or read.
    Forbidden,
    /// A record is too large for the bus.
    TooLarge,
    /// The body can't be read.
    Body,
    /// Too many ask.
    Busy,
    /// The bus is away.
    Away,
}

/// How a sensor fares; every half minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The program's version.
    pub program: String,
    /// The configuration's digest.
    pub configuration: String,
    /// The bundle it runs; 0 for none.
    pub bundle: u64,
    /// The newest bundle it was offered and believed.
    pub wanted: u64,
    /// The program's version that the bundle wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_program: Option<String>,
    /// The newest bundle it did not take or went back from, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedBundle>,
}

/// A bundle that a sensor does not run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBundle {
    /// Its version; 0 if it could not even be read.
    pub version: u64,
    /// For people.
    pub detail: String,
}
