//! Corpora to begin with: `seeds OUT [CAPTURES]` writes, for each target, what is made here, and what of every capture and log
//! under a folder the target reads. Without arguments it names the targets. Nothing of captures belongs in this repository.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that a person runs"
)]

#[path = "seeds/captures.rs"]
mod captures;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use ingest_fuzz::{Target, seeds};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let Some(out) = arguments.next() else {
        for target in Target::ALL {
            println!("{}", target.name);
        }
        return ExitCode::SUCCESS;
    };
    let mut found: BTreeMap<&'static str, Vec<Vec<u8>>> = BTreeMap::new();
    for target in Target::ALL {
        found.insert(target.name, seeds::of(target));
    }
    if let Some(captures) = arguments.next() {
        captures::add(&captures, &mut found);
    }
    match write(&out, &found) {
        Ok(count) => {
            println!("{count} seeds for {} targets", found.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("write {}: {error}", out.display());
            ExitCode::FAILURE
        }
    }
}

fn write(out: &Path, found: &BTreeMap<&'static str, Vec<Vec<u8>>>) -> io::Result<usize> {
    let mut count = 0;
    for (name, seeds) in found {
        let folder = out.join(name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed)?;
            count += 1;
        }
    }
    Ok(count)
}
