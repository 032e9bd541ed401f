//! How much agrees, and what does not.

use std::collections::BTreeMap;

/// By dataset and field.
pub(crate) type Counts = BTreeMap<(String, String), Agreement>;

/// Of one field.
#[derive(Default)]
pub(crate) struct Agreement {
    pub(crate) agreed: u32,
    pub(crate) differ: Vec<String>,
    /// What stands in records that we do not have at all; why not is told of the record.
    pub(crate) missing: u32,
}

impl Agreement {
    pub(crate) fn compared(&self) -> u32 {
        self.agreed + self.missing + u32::try_from(self.differ.len()).expect("few")
    }

    pub(crate) fn note(&mut self, agrees: bool, difference: impl FnOnce() -> String) {
        match agrees {
            true => self.agreed += 1,
            false => self.differ.push(difference()),
        }
    }
}

/// Of a dataset's field, what has been counted so far.
pub(crate) fn at<'a>(counts: &'a mut Counts, dataset: &str, field: &str) -> &'a mut Agreement {
    counts.entry((dataset.to_owned(), field.to_owned())).or_default()
}

/// The row that tells whether there is a record: of flows whose ends are said, it is that of tuples.
pub(crate) fn record_row(dataset: &str, has_ends: bool) -> &'static str {
    match dataset {
        "network.flow" if has_ends => "(tuple)",
        _ => "(record)",
    }
}

/// Whether a row tells of a field, and not of whole records or of who is the client.
pub(crate) fn is_field(field: &str) -> bool {
    !field.starts_with('(')
}

/// Differences that stay.
pub(crate) struct Explained {
    /// What stands in each of them.
    pub(crate) part: &'static str,
    pub(crate) why: &'static str,
    /// In which fields they are, and how many in each.
    pub(crate) fields: &'static [(&'static str, usize)],
}

/// Differences that nothing explains.
pub(crate) fn unexplained(counts: &Counts, explained: &[Explained]) -> Vec<String> {
    let mut out = Vec::new();
    for ((dataset, field), count) in counts {
        let is_explained = |difference: &&String| {
            explained.iter().any(|known| {
                difference.contains(known.part) && known.fields.iter().any(|(of, _)| of == field)
            })
        };
        out.extend(
            count
                .differ
                .iter()
                .filter(|difference| !is_explained(difference))
                .map(|difference| format!("{dataset} {field}: {difference}")),
        );
    }
    out
}

/// What explains another number of differences than it says.
pub(crate) fn miscounted(counts: &Counts, explained: &[Explained]) -> Vec<String> {
    let number = |of: &str, part: &str| {
        let rows = counts.iter().filter(|((_, field), _)| field == of);
        rows.flat_map(|(_, count)| &count.differ)
            .filter(|difference| difference.contains(part))
            .count()
    };
    let mut out = Vec::new();
    for known in explained {
        for (field, said) in known.fields {
            let found = number(field, known.part);
            if found != *said {
                out.push(format!("{field}, {}: {found}, not {said}", known.part));
            }
        }
    }
    out
}

/// What agrees and what is compared, in several comparisons together.
pub(crate) fn sum(all: &[&Counts], of: &dyn Fn(&str, &str) -> bool) -> (u32, u32) {
    all.iter()
        .flat_map(|counts| counts.iter())
        .filter(|((dataset, field), _)| of(dataset, field))
        .fold((0, 0), |(agreed, compared), (_, count)| {
            (agreed + count.agreed, compared + count.compared())
        })
}
