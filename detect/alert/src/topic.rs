//! The names of topics: part of the interface, never changed in place.

/// Alerts of all organisations, keyed by organisation number.
pub const ALERTS: &str = "varde.alerts";
