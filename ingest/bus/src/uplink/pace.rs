//! How many bytes go into one request: fewer after one that took too long, more again once the line is good. Pure.

/// Bytes of records in one request, before they are compressed; a single larger record goes alone. Large enough that
/// answers are not what is waited for.
pub(super) const REQUEST_BYTES: usize = 4 << 20;

/// What is left of that on the slowest line: even without compression, a request over 10 kbit/s ends in time.
const REQUEST_BYTES_MIN: usize = 64 << 10;

/// Requests in a row that went well before more is tried: one that fails sends records twice.
const GROW_AFTER: u32 = 64;

/// How the line took the last requests.
#[derive(Debug)]
pub(super) struct Pace {
    bytes: usize,
    went_well: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            bytes: REQUEST_BYTES,
            went_well: 0,
        }
    }
}

impl Pace {
    /// Bytes of the next request.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A request did not get through in time.
    pub(super) fn took_too_long(&mut self) {
        self.bytes = (self.bytes / 2).max(REQUEST_BYTES_MIN);
        self.went_well = 0;
    }

    /// A request got its answer.
    pub(super) fn went_well(&mut self) {
        self.went_well = self.went_well.saturating_add(1);
        if GROW_AFTER <= self.went_well {
            self.bytes = (self.bytes * 2).min(REQUEST_BYTES);
            self.went_well = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_gets_smaller_requests_until_it_is_good_again() {
        let mut pace = Pace::default();
        let mut seen = vec![pace.bytes()];
        for _ in 0..8 {
            pace.took_too_long();
            seen.push(pace.bytes());
        }
        let kib: Vec<usize> = seen.iter().map(|bytes| bytes >> 10).collect();
        assert_eq!(kib, [4096, 2048, 1024, 512, 256, 128, 64, 64, 64]);
        for _ in 1..GROW_AFTER {
            pace.went_well();
        }
        assert_eq!(pace.bytes(), 64 << 10, "one is missing");
        pace.went_well();
        assert_eq!(pace.bytes(), 128 << 10);
        for _ in 0..GROW_AFTER * 20 {
            pace.went_well();
        }
        assert_eq!(pace.bytes(), REQUEST_BYTES, "and no more than that");
    }
}
