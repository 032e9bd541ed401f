//! How much agrees, and what does not.

use std::collections::BTreeMap;

/// By dataset and field.
pub(crate) type Counts = BTreeMap<(String, String), Agreement>;

/// Of one field.
#[derive(Default)]
pub(crate) struct Agreement {
    pub(crate) agreed: u32,
    pub(crate) differ: Vec<String>,
}

impl Agreement {
    pub(crate) fn compared(&self) -> u32 {
        self.agreed + u32::try_from(self.differ.len()).expect("few")
    }
}

/// A difference that stays: field, what stands in it, and why.
pub(crate) type Explained = (&'static str, &'static str, &'static str);

/// Differences that nothing explains.
pub(crate) fn unexplained(counts: &Counts, explained: &[Explained]) -> Vec<String> {
    let mut out = Vec::new();
    for ((dataset, field), count) in counts {
        let is_explained = |difference: &&String| {
            !explained
                .iter()
                .any(|(of, part, _)| of == field && difference.contains(part))
        };
        out.extend(
            count
                .differ
                .iter()
                .filter(is_explained)
                .map(|difference| format!("{dataset} {field}: {difference}")),
        );
    }
    out
}

/// What explains nothing any more.
pub(crate) fn idle<'a>(counts: &Counts, explained: &'a [Explained]) -> Vec<&'a Explained> {
    let explains = |(of, part, _): &&Explained| {
        !counts
            .iter()
            .filter(|((_, field), _)| field == of)
            .any(|(_, count)| count.differ.iter().any(|difference| difference.contains(part)))
    };
    explained.iter().filter(explains).collect()
}

/// The part that agrees of all that is compared, in several comparisons together.
pub(crate) fn share(all: &[&Counts], of: &dyn Fn(&(String, String)) -> bool) -> f64 {
    let (mut agreed, mut compared) = (0, 0);
    for (_, count) in all
        .iter()
        .flat_map(|counts| counts.iter())
        .filter(|(key, _)| of(key))
    {
        agreed += count.agreed;
        compared += count.compared();
    }
    f64::from(agreed) / f64::from(compared)
}
