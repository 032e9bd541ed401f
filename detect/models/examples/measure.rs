//! How good and how fast the domain model is on names from files: one name a line.
//!
//! A tool for whoever works on the models; `varde models train` says the same of what is shipped.
//! `cargo run --release -p detect-models --example measure TRAIN[,TRAIN…] ORDINARY [FAMILY…]`

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that a person starts and reads"
)]

use std::hint::black_box;
use std::time::Instant;

use detect_models::DomainModel;
use detect_models::train::{DomainReport, DomainTraining, Kind};

fn lines(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect(path);
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Nanoseconds for each name, the best of some rounds.
fn timed(names: &[String], mut work: impl FnMut(&str) -> u64) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..9 {
        let begin = Instant::now();
        let mut sum = 0_u64;
        for name in names {
            sum ^= work(black_box(name));
        }
        black_box(sum);
        best = best.min(begin.elapsed().as_secs_f64() * 1e9 / names.len() as f64);
    }
    best
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [trained, ordinary, families @ ..] = arguments.as_slice() else {
        println!("usage: measure TRAIN[,TRAIN…] ORDINARY [FAMILY…]");
        return;
    };
    let names: Vec<String> = trained
        .split(',')
        .filter(|path| !path.is_empty())
        .flat_map(lines)
        .collect();
    let training = DomainTraining::new(1, "an experiment", names.iter().map(String::as_str));
    let begin = Instant::now();
    let trained = training.train();
    println!(
        "{} ordinary, {} targets, {} bytes, trained in {:.1} s",
        trained.ordinary,
        trained.targets,
        trained.file.len(),
        begin.elapsed().as_secs_f64()
    );
    let model = DomainModel::load(trained.file.as_bytes()).expect("its own model");
    let ordinary = lines(ordinary);
    let mut report = DomainReport::new(&training, &model, ordinary.iter().map(String::as_str));
    for kind in Kind::ALL {
        let names = training.targets(kind, 2_000);
        report.family(kind.as_str(), names.iter().map(String::as_str));
    }
    for path in families {
        let names = lines(path);
        report.family(
            path.rsplit('/').next().unwrap_or(path),
            names.iter().map(String::as_str),
        );
    }
    println!("{report}");
    let mut scored: Vec<_> = ordinary
        .iter()
        .filter_map(|name| Some((model.score(name).filter(|_| training.is_new(name))?, name)))
        .collect();
    scored.sort_unstable();
    for (score, name) in scored.iter().rev().take(100) {
        print!("{score} {name}, ");
    }
    println!();
    let floor = timed(&ordinary, |name| {
        name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    });
    let suffix = timed(&ordinary, |name| {
        psl::suffix(name.as_bytes()).map_or(0, |suffix| suffix.as_bytes().len() as u64)
    });
    let score = timed(&ordinary, |name| {
        model.score(name).map_or(0, |score| u64::from(score.get()))
    });
    println!("ns a name: FNV-1a {floor:.0}, public suffix {suffix:.0}, score {score:.0}");
}
