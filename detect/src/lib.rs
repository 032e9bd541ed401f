//! Service varde-detector: poll → scan → correlate → raise → publish → checkpoint → commit.
//!
//! The loop is [`pipeline`]; what happens to one event is [`detector`], which `varde replay` uses as well. Beside it
//! [`reload`] keeps rules and indicators current: files → [`load`] → [`live`], which the loop takes from between batches.

#![forbid(unsafe_code)]

pub mod bound;
pub mod cache;
pub mod checkpoint;
pub mod clock;
pub mod config;
pub mod detector;
pub mod feeds;
pub mod live;
pub mod load;
pub mod metrics;
pub mod pipeline;
pub mod reload;
pub mod samples;
pub mod service;
pub mod signals;
pub mod watch;
