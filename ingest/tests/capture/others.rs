//! Where captures and logs by others lie: in `VARDE_CAPTURES`, by default `../shared/captures` beside the workspace. Nothing
//! of them is kept in this repository.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::print_stdout, reason = "a test that compares nothing says so")]

use std::env;
use std::path::{Path, PathBuf};

/// Their folder; says so if it is not there.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = env::var_os("VARDE_CAPTURES").map_or_else(|| here("../../shared/captures"), PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: captures not found at {}", root.display());
    None
}

/// Their folder, or that of the cases that are bundled here.
pub(crate) fn folder_or_ours() -> PathBuf {
    folder().unwrap_or_else(|| here("../replay-data/cases"))
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
