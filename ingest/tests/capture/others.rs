//! Where captures and logs by others lie: in `VARDE_CAPTURES`, by default `../shared/captures` beside the workspace. Nothing
//! of them is kept in this repository.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::print_stdout, reason = "a test that compares nothing says so")]

use std::env;
use std::path::{Path, PathBuf};

/// Their folder; says so if it is not there.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = named();
    let found = root.is_dir().then_some(root.clone());
    if found.is_none() {
        println!("skipped: captures not found at {}", root.display());
    }
    found
}

/// Their folder, or that of the cases that are bundled here.
pub(crate) fn folder_or_ours() -> PathBuf {
    Some(named())
        .filter(|root| root.is_dir())
        .unwrap_or_else(|| here("../replay-data/cases"))
}

fn named() -> PathBuf {
    env::var_os("VARDE_CAPTURES").map_or_else(|| here("../../shared/captures"), PathBuf::from)
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
