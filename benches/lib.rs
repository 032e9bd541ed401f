//! Workloads, and the works that are measured on them, one file each; run by `scripts/bench [NAME…]`.

#![forbid(unsafe_code)]

pub mod latency;
pub mod measure;
pub mod reading;
pub mod replay;
pub mod scan;
pub mod workload;
