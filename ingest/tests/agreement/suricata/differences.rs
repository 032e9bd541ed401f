//! Where our reading of a capture differs from Suricata's, and why.

use crate::count::Explained;

/// Tests of which the events can't be compared, by the start of their names.
pub(crate) const LEFT_OUT: [(&str, &str); 0] = [];

/// Differences that stay: field, what stands in it, and why.
pub(crate) const EXPLAINED: [Explained; 0] = [];
