//! Service varde-sensor: sources → normalise → disclose → spool → publish.

#![forbid(unsafe_code)]

pub mod capture;
pub mod record;
pub mod normalize;
pub mod source;
