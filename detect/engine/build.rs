//! Tells the engine by which code it was built, so that it trusts no cache that other code wrote: a digest over the
//! sources that say what a checked rule and a prefilter are, and over the versions of what they are made with.

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
};

/// Relative to this package.
const SOURCES: [&str; 5] = [
    "src",
    "../rules/src",
    "../alert/src",
    "../../ingest/event/src",
    "../../Cargo.lock",
];

fn main() -> io::Result<()> {
    let mut hasher = DefaultHasher::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        for file in files(Path::new(source))? {
            file.hash(&mut hasher);
            fs::read(&file)?.hash(&mut hasher);
        }
    }
    for name in ["CARGO_FEATURE_HYPERSCAN", "TARGET"] {
        env::var_os(name).hash(&mut hasher);
    }
    println!("cargo::rustc-env=VARDE_ENGINE_BUILD={:016x}", hasher.finish());
    Ok(())
}

/// The files at and below a path, in a fixed order.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        found.extend(files(&entry?.path())?);
    }
    found.sort();
    Ok(found)
}
