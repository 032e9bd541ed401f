//! Workloads, and the works that are measured on them, one file each; run by `scripts/bench [NAME…]`.

#![forbid(unsafe_code)]

pub mod beacons;
#[cfg(feature = "services")]
pub mod correlate;
pub mod engine;
#[cfg(feature = "export")]
pub mod export;
#[cfg(feature = "services")]
pub mod incidents;
pub mod indicators;
#[cfg(feature = "services")]
pub mod latency;
#[cfg(feature = "services")]
pub mod live;
pub mod measure;
#[cfg(feature = "services")]
pub mod quality;
#[cfg(feature = "services")]
pub mod reading;
#[cfg(feature = "services")]
pub mod replay;
pub mod rita;
#[cfg(feature = "services")]
pub mod scan;
#[cfg(feature = "export")]
pub mod sensor;
#[cfg(feature = "services")]
pub mod storm;
pub mod workload;
