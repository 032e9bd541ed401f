//! A pure function over many values on several threads; what comes out is in the order of what went in.

use std::{num::NonZeroUsize, thread};

/// More threads than this gain little: most of the work is small allocations.
const THREADS_MAX: usize = 4;

/// With fewer values than this for each thread, starting one costs more than it saves.
const VALUES_PER_THREAD_MIN: usize = 64;

/// Applies `work` to each value.
pub(super) fn map<T: Send, R: Send>(values: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism()
        .map_or(1, NonZeroUsize::get)
        .min(THREADS_MAX)
        .min(values.len() / VALUES_PER_THREAD_MIN);
    if threads < 2 {
        return values.into_iter().map(work).collect();
    }
    let count = values.len();
    let share = count.div_ceil(threads);
    let mut rest = values;
    let mut shares = Vec::with_capacity(threads);
    while share < rest.len() {
        let after = rest.split_off(share);
        shares.push(std::mem::replace(&mut rest, after));
    }
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(move || share.into_iter().map(work).collect::<Vec<R>>()))
            .collect();
        let last: Vec<R> = rest.into_iter().map(work).collect();
        let mut results = Vec::with_capacity(count);
        for other in others {
            match other.join() {
                Ok(part) => results.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results.extend(last);
        results
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_order_is_kept_and_nothing_is_lost() {
        for count in [0, 1, 63, 64, 127, 128, 129, 1000, 1001, 4096] {
            let values: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = values.iter().map(|value| value * 2).collect();
            assert_eq!(super::map(values, |value| value * 2), doubled, "{count}");
        }
    }
}
