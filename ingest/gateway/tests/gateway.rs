//! The gateway as it runs: the real binary over a real bus, with sensors and strangers that speak TLS to it.
//!
//! The bus is the embedded one, which the test writes to as the centre does; with `VARDE_TEST_KAFKA` the whole runs over
//! that broker, under organisation numbers of its own.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "what fails in a test's support fails the test"
)]

#[path = "gateway/check.rs"]
mod check;
#[path = "gateway/control.rs"]
mod control;
#[path = "gateway/enrolment.rs"]
mod enrolment;
#[path = "gateway/records.rs"]
mod records;
#[path = "gateway/reveals.rs"]
mod reveals;
#[path = "gateway/station.rs"]
mod station;
#[path = "gateway/strangers.rs"]
mod strangers;
