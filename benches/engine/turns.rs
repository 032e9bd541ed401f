//! Contenders by turns: block after block each one works on the same events, in an order that moves on, and its
//! thread's CPU time is taken. Ratios are made within a round; what is quoted is the median of the rounds.

use cpu_time::ThreadTime;
use serde::{Deserialize, Serialize};

use super::{contender::Contender, corpora::Corpus};

/// Events a block: more than the caches near a core hold, and so short that both sides of a ratio had the same
/// neighbours on the machine.
pub const BLOCK: usize = 4_096;

/// What came out.
#[derive(Debug)]
pub struct Turns {
    names: Vec<&'static str>,
    counts: Vec<u64>,
    /// Seconds: by contender, round, block.
    seconds: Vec<Vec<Vec<Option<f64>>>>,
    block_events: Vec<usize>,
}

/// A ratio over the rounds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ratio {
    /// The middle round.
    pub median: f64,
    /// The round that was best for ours.
    pub best: f64,
    /// The round that was worst for ours.
    pub worst: f64,
}

/// Runs all contenders over a corpus, `rounds` times, after one round over the first block that is not counted.
///
/// # Errors
/// If a contender counts differently in two rounds.
pub fn by_turns(corpus: &Corpus, rounds: usize, contenders: &mut [Contender<'_>]) -> anyhow::Result<Turns> {
    for contender in contenders.iter_mut() {
        for block in corpus.blocks(BLOCK).take(1) {
            (contender.run)(block);
        }
    }
    let blocks = corpus.len().div_ceil(BLOCK);
    let mut turns = Turns {
        names: contenders.iter().map(|contender| contender.name).collect(),
        counts: vec![0; contenders.len()],
        seconds: vec![vec![vec![None; blocks]; rounds]; contenders.len()],
        block_events: corpus.blocks(BLOCK).map(super::corpora::Block::len).collect(),
    };
    for round in 0..rounds {
        let mut counts = vec![0; contenders.len()];
        for (at, block) in corpus.blocks(BLOCK).enumerate() {
            let count = contenders.len();
            for turn in 0..count {
                let who = (turn + at + round) % count;
                let Some(contender) = contenders.get_mut(who) else {
                    continue;
                };
                if !at.is_multiple_of(contender.every) {
                    continue;
                }
                let start = ThreadTime::now();
                let counted = (contender.run)(block);
                let taken = start.elapsed().as_secs_f64();
                if let Some(sum) = counts.get_mut(who) {
                    *sum += counted;
                }
                if let Some(slot) = turns
                    .seconds
                    .get_mut(who)
                    .and_then(|rounds| rounds.get_mut(round)?.get_mut(at))
                {
                    *slot = Some(taken);
                }
            }
        }
        for ((before, now), name) in turns.counts.iter_mut().zip(counts).zip(&turns.names) {
            anyhow::ensure!(
                round == 0 || *before == now,
                "{name} counted {before} and then {now}"
            );
            *before = now;
        }
    }
    Ok(turns)
}

impl Turns {
    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }

    /// What a contender counted in a round.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.position(name)
            .and_then(|at| self.counts.get(at).copied())
            .unwrap_or(0)
    }

    /// Events per second of CPU time, the median of the rounds.
    #[must_use]
    pub fn rate(&self, name: &str) -> f64 {
        let Some(rounds) = self.position(name).and_then(|at| self.seconds.get(at)) else {
            return 0.0;
        };
        middle(
            rounds
                .iter()
                .map(|blocks| {
                    let (mut events, mut seconds) = (0, 0.0);
                    for (taken, size) in blocks.iter().zip(&self.block_events) {
                        if let Some(taken) = taken {
                            events += size;
                            seconds += taken;
                        }
                    }
                    events as f64 / f64::max(seconds, 1e-9)
                })
                .collect(),
        )
    }

    /// How many times as fast `ours` is as `other`, over the blocks that both had.
    #[must_use]
    pub fn ratio(&self, ours: &str, other: &str) -> Option<Ratio> {
        let of = |name: &str| self.seconds.get(self.position(name)?);
        let mut ratios: Vec<f64> = of(ours)?
            .iter()
            .zip(of(other)?)
            .map(|(ours, others)| {
                let (mut own, mut their) = (0.0, 0.0);
                for pair in ours.iter().zip(others) {
                    if let (Some(ours), Some(other)) = pair {
                        own += ours;
                        their += other;
                    }
                }
                their / f64::max(own, 1e-12)
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        Some(Ratio {
            best: *ratios.last()?,
            worst: *ratios.first()?,
            median: middle(ratios),
        })
    }
}

/// The middle one, or the lower of the two middle ones.
#[must_use]
pub fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures
        .get(figures.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::{super::corpora::Kind, *};

    fn corpus() -> Corpus {
        let events = (0..6 * BLOCK).map(|at| at.to_string().into_bytes()).collect();
        Corpus::new("test", Kind::Flow, events, 0, 0)
    }

    #[test]
    fn a_slow_contender_sees_a_part_and_all_have_the_same_events() {
        let corpus = corpus();
        let mut contenders = [
            Contender::new("all", |block| block.len() as u64),
            Contender::new("part", |block| block.len() as u64).every(2),
        ];
        let turns = by_turns(&corpus, 2, &mut contenders).expect("counts alike");
        assert_eq!(turns.count("all"), 3 * BLOCK as u64);
        assert_eq!(turns.count("part"), 2 * BLOCK as u64);
        assert!(turns.ratio("all", "part").is_some());
        assert!(turns.ratio("all", "nobody").is_none());
    }

    #[test]
    fn a_contender_that_counts_differently_is_caught() {
        let mut calls = 0;
        let mut contenders = [Contender::new("drifting", move |_| {
            calls += 1;
            calls
        })];
        assert!(by_turns(&corpus(), 2, &mut contenders).is_err());
    }

    #[test]
    fn medians_are_in_the_middle() {
        assert!((middle(vec![5.0, 1.0, 9.0]) - 5.0).abs() < 1e-9);
    }
}
