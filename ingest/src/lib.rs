//! Service varde-sensor: what is seen becomes events on the bus.
//!
//! The way of an event, one file per stage: [`source`] and [`live`] read, [`normalize`], [`capture`] and [`export`] understand,
//! [`disclose`] withholds payload, [`stamp`] puts id and envelope on, [`spool`] keeps until the bus has it, [`publish`]
//! hands it over; [`scan`] looks at them before anything is withheld; [`island`] tells on site while the way is cut; [`agent`]
//! runs them, [`control`] keeps it in the centre's trust, [`rights`] gives up what it does not need. `varde replay` uses the
//! first five without spool and bus.

#![forbid(unsafe_code)]

pub mod agent;
pub mod capture;
pub mod clock;
pub mod config;
pub mod control;
pub mod disclose;
pub mod export;
pub mod island;
pub mod live;
pub mod metrics;
pub mod normalize;
pub mod publish;
pub mod quarantine;
pub mod record;
pub mod rights;
pub mod scan;
pub mod site;
pub mod source;
pub mod spool;
pub mod stamp;

/// What the program says of its version: Cargo's, and in a package with which commit it is (`scripts/package.d/version`).
pub const VERSION: &str = match option_env!("VARDE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
