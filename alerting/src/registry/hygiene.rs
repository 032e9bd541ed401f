//! What the store knows of contacts' addresses, put into the report on who would receive nothing.

use std::collections::BTreeMap;

use alerting_incident::Channel;

use super::{
    Loaded,
    coverage::{Coverage, Named, SwitchedOff, Unconfirmed, named},
};
use crate::{letters, state::State};

/// More is no list for a person.
const SHOWN_MAX: u32 = 1_000;

/// Adds it.
///
/// # Errors
/// If the store is away.
pub(crate) async fn add(state: &State, coverage: &mut Coverage) -> sqlx::Result<()> {
    let off = state.store.addresses_off(SHOWN_MAX).await?;
    let contacts = addresses(&state.registry.load());
    coverage.switched_off = off
        .into_iter()
        .map(|one| {
            let known = contacts.get(&one.address).cloned();
            let (body, contact) = known.map_or_else(
                || (None, "registered no more".to_owned()),
                |(body, contact)| (Some(body), contact),
            );
            SwitchedOff {
                body,
                contact,
                since: one.at.to_string(),
                bounces: one.bounces,
            }
        })
        .collect();
    let checks = state.store.checks().await?;
    let contacts = letters::contacts(&state.registry.load(), state.now());
    for check in checks {
        let is_open = check.answer.as_deref() == Some("not_me")
            || (check.answer.is_none() && check.reminded_at.is_some());
        if let Some((contact, asked)) = contacts.get(&check.id).zip(check.asked_at).filter(|_| is_open) {
            coverage.unconfirmed.push(Unconfirmed {
                body: Named {
                    number: contact.number.clone(),
                    name: contact.organization.clone(),
                },
                contact: contact.name.clone(),
                asked: asked.to_string(),
                answer: check.answer.unwrap_or_else(|| "none".to_owned()),
            });
        }
    }
    Ok(())
}

/// Whose an address is, in lower case.
fn addresses(loaded: &Loaded) -> BTreeMap<String, (Named, String)> {
    let mut found = BTreeMap::new();
    for body in loaded.routes.registry().organizations() {
        for contact in &body.responders {
            for channel in &contact.channels {
                if let Channel::Email(address) = channel {
                    found.insert(address.to_lowercase(), (named(body), contact.name.clone()));
                }
            }
        }
    }
    found
}
