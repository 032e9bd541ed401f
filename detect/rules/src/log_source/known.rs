//! The sets of log sources that the table can yield, so that an engine can prepare for them.

use std::collections::BTreeSet;

use super::{TABLE, Traits, of_event};
use crate::RuleLogSource;

/// The log sources of every kind of event that the table knows; each set once, as [`of_event`] yields it.
#[must_use]
pub fn known() -> BTreeSet<Vec<RuleLogSource>> {
    let table = &*TABLE;
    let datasets = table.datasets.keys().map(|dataset| {
        of_event(&Traits {
            dataset: Some(dataset),
            ..Traits::default()
        })
    });
    let channels = table.channels.iter().flat_map(|(channel, service)| {
        let of_channel = |id: Option<u32>, kind: Option<&str>| {
            let id = id.map(|id| id.to_string());
            of_event(&Traits {
                channel: Some(channel),
                event_id: id.as_deref(),
                event_type: kind,
                ..Traits::default()
            })
        };
        let mut sets = vec![of_channel(None, None)];
        let of_service = table.categories.iter().filter(|known| known.service == *service);
        sets.extend(of_service.map(|known| of_channel(Some(known.id), known.kind.as_deref())));
        sets
    });
    datasets.chain(channels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_events_of_the_table_yield_is_known() {
        let known = known();
        for traits in [
            Traits {
                dataset: Some("network.dns"),
                ..Traits::default()
            },
            Traits {
                channel: Some("Microsoft-Windows-Sysmon/Operational"),
                event_id: Some("1"),
                ..Traits::default()
            },
        ] {
            assert!(known.contains(&of_event(&traits)), "{traits:?}");
        }
    }
}
