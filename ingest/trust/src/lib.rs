//! What sensors and the centre have to agree on before they believe each other: enrolment codes, keys and requests,
//! certificates, signed bundles, who is who, what the centre asks of pseudonyms, and what the gateway is asked over HTTPS.
//!
//! Nouns and their rules only. Nothing here reads a clock, a file or the network; keys are made by OpenSSL, the one
//! source of chance. Decision 0013 has the reasons. Data comes from `varde sensors`, the gateway and the sensor, and goes
//! to them.
#![forbid(unsafe_code)]

pub mod authority;
pub mod code;
pub mod key;
pub mod manifest;
pub mod registry;
pub mod reveal;
pub mod signing;
pub mod wire;

pub use authority::{Authority, AuthorityError, Subject};
pub use code::{CodeError, EnrolmentCode};
pub use key::{Fingerprint, KeyError, Request, SensorKey};
pub use manifest::{Audience, Manifest, Standing, Untrusted};
pub use registry::Registry;
