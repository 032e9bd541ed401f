//! What more costs: twice the rules, ten times the indicators, a second core.

use std::sync::{Arc, Barrier};

use anyhow::Context as _;
use cpu_time::ThreadTime;
use detect_engine::{Compiler, Ruleset};
use detect_rules::{CheckedRules, Condition, Pattern, Test, TextPart};

use super::{
    contender::ours,
    corpora::Corpus,
    row::{Limit, Row},
    speed::{beside, describe},
    turns::{BLOCK, by_turns, middle},
};
use crate::workload::Random;

/// Ours with one thing more, beside ours: the time per event may grow by so much.
///
/// # Errors
/// If one of the two refuses an event or counts differently.
pub fn grown(
    work: &str,
    corpora: &[&Corpus],
    (ruleset, name): (&Ruleset, &'static str),
    (more, more_name): (&Ruleset, &'static str),
    (rounds, limit): (usize, f64),
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for corpus in corpora {
        let mut contenders = [ours(name, ruleset), ours(more_name, more)];
        let turns = by_turns(corpus, rounds, &mut contenders)?;
        let ratio = turns.ratio(name, more_name).context("both ran")?;
        let mut row = Row::new(work, &describe(corpus), "events/CPU s", turns.rate(more_name));
        row.beside = beside(&turns, more_name, &[name]);
        rows.push(
            row.bar(
                "time per event, with more ÷ without",
                ratio.median,
                Limit::AtMost(limit),
            )
            .checked(format!(
                "{} matches with more, {} without",
                turns.count(more_name),
                turns.count(name)
            )),
        );
    }
    Ok(rows)
}

/// The rules and a variant of each: the same shape and log source, another id, and in each literal one letter of
/// every longer word changed. File endings and numbers stay, as they would in more rules of this kind.
#[must_use]
pub fn twice(rules: &CheckedRules) -> CheckedRules {
    let mut random = Random::new(11);
    let mut all = rules.clone();
    for rule in &rules.rules {
        let mut variant = rule.clone();
        variant.producer.id.0.push_str("-variant");
        for byte in &mut variant.digest {
            *byte ^= 0xff;
        }
        vary(&mut variant.condition, &mut random);
        all.rules.push(variant);
    }
    all.rules.sort_by(|a, b| a.producer.id.0.cmp(&b.producer.id.0));
    all
}

fn vary(condition: &mut Condition, random: &mut Random) {
    match condition {
        Condition::All(parts) | Condition::AtLeast(_, parts) => {
            for part in parts {
                vary(part, random);
            }
        }
        Condition::Not(inner) => vary(inner, random),
        Condition::Item(item) => match &mut item.test {
            Test::Exists(_) => {}
            Test::Values { patterns, .. } => vary_patterns(patterns, random),
        },
        Condition::Keywords(_, patterns) => vary_patterns(patterns, random),
    }
}

fn vary_patterns(patterns: &mut [Pattern], random: &mut Random) {
    for pattern in patterns {
        if let Pattern::Text { parts, .. } = pattern {
            for part in parts {
                if let TextPart::Literal(text) = part {
                    *text = varied(text, random);
                }
            }
        }
    }
}

/// Changes one letter of each word that has at least five.
fn varied(text: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for word in letters.chunk_by_mut(|a, b| a.is_ascii_alphabetic() == b.is_ascii_alphabetic()) {
        let is_long = 5 <= word.len() && word.first().is_some_and(char::is_ascii_alphabetic);
        let at = usize::try_from(random.below(word.len() as u64)).unwrap_or(0);
        if is_long && let Some(letter) = word.get_mut(at) {
            let base = if letter.is_ascii_uppercase() { b'A' } else { b'a' };
            let place = (*letter as u8).wrapping_sub(base);
            let next = u64::from(place) + 1 + random.below(25);
            *letter = char::from(base + u8::try_from(next % 26).unwrap_or(0));
        }
    }
    letters.into_iter().collect()
}

/// Two threads, each on a core of its own with half of the events, against each thread alone: by the CPU time of
/// the threads, so that what others do on the machine counts as little as it can.
///
/// # Errors
/// If there is one core only, or a thread panics.
pub fn two_cores(
    corpus: &Corpus,
    ruleset: &Ruleset,
    rounds: usize,
    cores: &[core_affinity::CoreId],
) -> anyhow::Result<Row> {
    let [first, second, ..] = cores else {
        anyhow::bail!("one core only")
    };
    let ours_on = |core: core_affinity::CoreId, half: usize, barrier: Option<Arc<Barrier>>| -> f64 {
        core_affinity::set_for_current(core);
        let mut scan = ours("ours", ruleset);
        let mut events = 0;
        if let Some(block) = corpus.blocks(BLOCK).next() {
            (scan.run)(block);
        }
        if let Some(barrier) = barrier {
            barrier.wait();
        }
        let start = ThreadTime::now();
        for block in corpus.blocks(BLOCK).skip(half).step_by(2) {
            (scan.run)(block);
            events += block.len();
        }
        events as f64 / start.elapsed().as_secs_f64().max(1e-9)
    };
    let (mut ratios, mut alone_rates, mut both_rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let run = |core, half, barrier: Option<Arc<Barrier>>| {
            std::thread::scope(|scope| scope.spawn(|| ours_on(core, half, barrier)).join())
                .map_err(|_| anyhow::anyhow!("a measuring thread panicked"))
        };
        let alone = (run(*first, 0, None)? + run(*second, 1, None)?) / 2.0;
        let barrier = Arc::new(Barrier::new(2));
        let both = std::thread::scope(|scope| {
            let other = Arc::clone(&barrier);
            let one = scope.spawn(|| ours_on(*first, 0, Some(other)));
            let two = scope.spawn(|| ours_on(*second, 1, Some(barrier)));
            Some(one.join().ok()? + two.join().ok()?)
        })
        .context("a measuring thread panicked")?;
        ratios.push(both / alone);
        alone_rates.push(alone);
        both_rates.push(both);
    }
    let mut row = Row::new(
        "two cores against one",
        &describe(corpus),
        "events/CPU s",
        middle(both_rates),
    );
    row.beside.push(super::row::Beside {
        name: "one core".to_owned(),
        figure: middle(alone_rates),
        ratio: None,
    });
    let spread = format!("{rounds} rounds, ratios {ratios:.3?}; rates by CPU time of the threads");
    Ok(row
        .bar("two cores ÷ one", middle(ratios), Limit::AtLeast(1.92))
        .checked(spread))
}

/// SigmaHQ and as many indicators.
///
/// # Errors
/// If it does not compile.
pub fn with_indicators(rules: &CheckedRules, count: usize) -> anyhow::Result<Ruleset> {
    Compiler::new()
        .rules(rules.clone())
        .indicators(super::made::indicators(7, count))
        .compile()
        .context("compile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_has_the_same_shape() {
        let mut random = Random::new(1);
        let text = r"\powershell.exe -Enc 4624";
        let variant = varied(text, &mut random);
        assert_eq!(variant.len(), text.len());
        assert_ne!(variant, text);
        assert!(variant.ends_with(".exe -Enc 4624"), "{variant}");
    }
}
