//! How long it takes until all of SigmaHQ is loaded: read from YAML, compiled, and compiled after one rule changed.
//!
//! A tool for whoever works on the engine; times of one machine mean little, see `benches/` for what is promised.
//! `cargo run --release -p detect-engine --example load_rate [ROUNDS]`

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that a person starts and reads"
)]

#[path = "../tests/corpora/corpora.rs"]
mod corpora;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use detect_engine::{CacheKey, Cached, Compiler};
use detect_rules::{Checker, Options, check};

/// Each is measured this often, unless the person says otherwise; the best counts.
const ROUNDS: usize = 5;

/// Events of each corpus that the compiler is shown.
const SAMPLE: usize = 400;

/// Time that this thread was running (proc(5), `schedstat`): what else runs on the machine does not count.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().expect("three numbers");
    Duration::from_nanos(nanos.parse().expect("a number"))
}

/// Says the best time on this thread's processor, and on the wall, over the rounds.
fn timed<R>(name: &str, rounds: usize, mut work: impl FnMut() -> R) -> R {
    let mut best = (Duration::MAX, Duration::MAX);
    let mut result = work();
    for _ in 0..rounds {
        let (cpu, wall) = (on_cpu(), Instant::now());
        result = work();
        best = best.min((on_cpu() - cpu, wall.elapsed()));
    }
    println!("{name}: {:.1?} of processor, {:.1?} on the wall", best.0, best.1);
    result
}

fn main() {
    let Some(root) = corpora::captures() else { return };
    let rounds = std::env::args()
        .nth(1)
        .map_or(ROUNDS, |text| text.parse().expect("a number"));
    let sources = corpora::sigma_hq(&root);
    let sample: Vec<Vec<u8>> = corpora::CORPORA
        .iter()
        .flat_map(|corpus| corpora::events(&root, corpus, SAMPLE))
        .map(String::into_bytes)
        .collect();
    let checked = timed("check", rounds, || check(&sources));
    let rules = checked.rules.clone();
    timed("clone the checked rules", rounds, || rules.clone());
    timed("compile without a prefilter", rounds, || {
        Compiler::new()
            .rules(rules.clone())
            .exhaustive()
            .compile()
            .expect("compiles")
    });
    timed("compile", rounds, || {
        Compiler::new().rules(rules.clone()).compile().expect("compiles")
    });
    let with_sample = || {
        Compiler::new()
            .rules(rules.clone())
            .sample(sample.iter().cloned())
    };
    let ruleset = timed("compile with a sample", rounds, || {
        with_sample().compile().expect("compiles")
    });
    let options = Options::default();
    let key = timed("digest of the files", rounds, || CacheKey::of(&sources, &options));
    let bytes = timed("write the cache", rounds, || {
        Cached::to_bytes(&key, &checked, &ruleset).expect("of these rules")
    });
    println!("{} bytes", bytes.len());
    timed("read the cache", rounds, || {
        Cached::from_bytes(&key, &bytes).expect("whole")
    });
    let load = || {
        let cached = Cached::from_bytes(&key, &bytes).expect("whole");
        let compiler = Compiler::new().rules(cached.checked.rules);
        compiler.cached(cached.prefilters).compile().expect("compiles")
    };
    timed("read the cache and compile", rounds, load);
    timed("the same, with every program", rounds, || {
        load().compile_the_rest()
    });

    let mut changed = sources.clone();
    let mut checker = Checker::default();
    let mut earlier = Arc::new(ruleset);
    let place = changed
        .iter()
        .position(|source| source.text.contains("category: process_creation"))
        .expect("SigmaHQ has such rules");
    let mut turn = 0;
    drop(checker.check(&sources, &options));
    timed("one changed rule: check", rounds, || {
        turn += 1;
        changed[place].text = sources[place]
            .text
            .replace("CommandLine|", &format!("Field{turn}|"));
        checker.check(&changed, &options)
    });
    timed("one changed rule: check and compile", rounds, || {
        turn += 1;
        changed[place].text = sources[place]
            .text
            .replace("CommandLine|", &format!("Field{turn}|"));
        let rules = checker.check(&changed, &options).rules;
        let compiler = Compiler::new().rules(rules).earlier(Arc::clone(&earlier));
        let compiler = compiler.sample(sample.iter().cloned());
        earlier = Arc::new(compiler.compile().expect("compiles"));
    });
}
