//! Which site is asked: that of the organisation whose network the events with the pseudonyms are of. An incident of which others
//! became part has events of several.

use std::collections::BTreeMap;

use alerting_incident::askable;
use ingest_event::OrganizationNumber;
use ingest_trust::reveal::PSEUDONYMS_MAX;

use super::Refusal;
use crate::{state::State, store::Stored};

/// By organisation the pseudonyms of its site, each with the name of the key that it was made with.
pub(crate) type Sites = BTreeMap<OrganizationNumber, BTreeMap<String, String>>;

/// What one site is asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Whose site.
    pub(crate) organization: OrganizationNumber,
    /// The key that they were made with.
    pub(crate) key: String,
    /// Each once and in order.
    pub(crate) pseudonyms: Vec<String>,
}

/// The sites that an incident has pseudonyms of; the CERT's own incidents, about several organisations, have none.
///
/// # Errors
/// If the store is away.
pub(crate) async fn sites(state: &State, stored: &Stored) -> sqlx::Result<Sites> {
    let own = state.access.as_ref().map(|access| access.organization);
    let mut sites = Sites::new();
    for lead in state.store.sources_of_reveals(stored).await? {
        if own == Some(lead.organization) {
            continue;
        }
        let site = sites.entry(lead.organization).or_default();
        for (pseudonym, key) in askable(&lead.events) {
            site.entry(pseudonym).or_insert(key);
        }
    }
    Ok(sites)
}

/// The one site that is asked for these, and the one key they were made with.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn choose(sites: &Sites, mut asked: Vec<String>) -> Result<Chosen, Refusal> {
    if sites.is_empty() {
        return Err(Refusal::Several);
    }
    for one in &mut asked {
        *one = one.trim().to_owned();
    }
    asked.sort_unstable();
    asked.dedup();
    if !(1..=PSEUDONYMS_MAX).contains(&asked.len()) {
        return Err(Refusal::Count);
    }
    if let Some(nowhere) = asked
        .iter()
        .find(|one| !sites.values().any(|site| site.contains_key(*one)))
    {
        return Err(Refusal::NotThere(nowhere.chars().take(255).collect()));
    }
    let has_all = |site: &&BTreeMap<String, String>| asked.iter().all(|one| site.contains_key(one));
    let mut having = sites.iter().filter(|(_, site)| has_all(site));
    let (Some((organization, site)), None) = (having.next(), having.next()) else {
        return Err(Refusal::Sites);
    };
    let mut keys: Vec<&String> = asked.iter().filter_map(|one| site.get(one)).collect();
    keys.dedup();
    match keys.as_slice() {
        [key] => Ok(Chosen {
            organization: *organization,
            key: (*key).clone(),
            pseudonyms: asked,
        }),
        _ => Err(Refusal::Keys),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(of: &[(&str, &[(&str, &str)])]) -> Sites {
        let site = |pseudonyms: &[(&str, &str)]| {
            let pairs = pseudonyms
                .iter()
                .map(|(one, key)| ((*one).to_owned(), (*key).to_owned()));
            pairs.collect::<BTreeMap<_, _>>()
        };
        of.iter()
            .map(|(number, pseudonyms)| {
                let number = OrganizationNumber::parse(number).expect("a number");
                (number, site(pseudonyms))
            })
            .collect()
    }

    fn asked(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn the_site_is_asked_whose_events_have_all_of_them() {
        let sites = sites(&[
            (
                "964965226",
                &[("10.1.1.1", "a"), ("fd00::1", "a"), ("10.3.3.3", "a")],
            ),
            (
                "964338531",
                &[
                    ("10.2.2.2", "b"),
                    ("fd00::2", "b"),
                    ("10.3.3.3", "b"),
                    ("10.4.4.4", "c"),
                ],
            ),
        ]);
        let chosen = choose(&sites, asked(&["fd00::2 ", "10.2.2.2", "fd00::2"])).expect("one site");
        assert_eq!(chosen.organization.as_str(), "964338531");
        assert_eq!(chosen.key, "b");
        assert_eq!(chosen.pseudonyms, ["10.2.2.2", "fd00::2"]);
        // What both have is asked of the one that has the others too, and by itself of neither.
        let chosen = choose(&sites, asked(&["10.3.3.3", "10.1.1.1"])).expect("one site");
        assert_eq!(
            (chosen.organization.as_str(), chosen.key.as_str()),
            ("964965226", "a")
        );
        for apart in [&["10.3.3.3"][..], &["10.1.1.1", "10.2.2.2"]] {
            assert!(
                matches!(choose(&sites, asked(apart)), Err(Refusal::Sites)),
                "{apart:?}"
            );
        }
        assert!(matches!(
            choose(&sites, asked(&["10.2.2.2", "10.4.4.4"])),
            Err(Refusal::Keys)
        ));
        assert!(matches!(
            choose(&sites, asked(&["10.9.9.9"])),
            Err(Refusal::NotThere(_))
        ));
        assert!(matches!(choose(&sites, vec![]), Err(Refusal::Count)));
        assert!(matches!(
            choose(&Sites::new(), asked(&["10.1.1.1"])),
            Err(Refusal::Several)
        ));
    }
}
