//! libFuzzer on one target: the one that `VARDE_FUZZ` names. `scripts/fuzz` runs it.

#![no_main]

use std::sync::LazyLock;

use ingest_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("VARDE_FUZZ").unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| std::process::exit(64))
});

fuzz_target!(|bytes: &[u8]| {
    let _ = TARGET.take(bytes);
});
